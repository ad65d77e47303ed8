//! OpenRouter's guardrails: which key has which, and giving one to a key.

use std::borrow::Cow;

use ::http::Method;
use serde_json::{Value, json};

use super::pages::{Cursor, Page, read_all, senseless};
use super::response::object;
use super::row::{Fields, text};
use super::single_flight::SingleFlight;
use super::transport::{Ask, Signer, Wire};
use crate::http::{Failure, server_text};
use crate::rotation::model::{Guardrails, KeyId};

const GUARDRAILS: &str = "/api/v1/guardrails";
const ASSIGNMENTS: &str = "/api/v1/guardrails/assignments/keys";
const OF_ONE: &str = "/assignments/keys";
/// As many rows as a page may have.
const PAGE: &str = "100";

/// The assignments of guardrails to keys, read and made by one credential.
pub(super) struct Assignments<'a> {
    pub(super) wire: &'a Wire,
    pub(super) signer: Signer,
}

impl Assignments<'_> {
    /// The guardrails of every key. One page is one request, since the answer says how many rows there are.
    pub(super) async fn read(&self, single_flight: Option<&SingleFlight>) -> Result<Guardrails, Failure> {
        let (first, total) = self.page(Cursor::Offset(0), single_flight).await?;
        let rows = if total == Some(first.rows.len()) {
            first.rows
        } else {
            read_all(async |cursor| Ok(self.page(cursor, None).await?.0)).await?.rows
        };
        let mut all = Guardrails::new();
        for (_, row) in rows {
            let (key, guardrail) =
                pair(&row).ok_or_else(|| senseless(ASSIGNMENTS, "a row names no key or no guardrail"))?;
            all.entry(key).or_default().insert(guardrail);
        }
        Ok(all)
    }

    /// A page, and how many rows there are in all.
    async fn page(
        &self,
        cursor: Cursor,
        single_flight: Option<&SingleFlight>,
    ) -> Result<(Page, Option<usize>), Failure> {
        let Cursor::Offset(rows) = cursor else {
            return Err(senseless(ASSIGNMENTS, "OpenRouter's pages have no tokens"));
        };
        let query = [("offset", Cow::Owned(rows.to_string())), ("limit", Cow::Borrowed(PAGE))];
        let ask = Ask { query: &query, ..Ask::get(ASSIGNMENTS) };
        let answer = self.wire.read(ask, &self.signer, single_flight).await?;
        let page = Page::of(&answer, ASSIGNMENTS, "assignments")?;
        let total = answer.json().and_then(|body| body.get("total_count")?.as_u64()?.try_into().ok());
        Ok((Page { next: None, ..page }, total))
    }

    /// Assigns a guardrail to a key. What the answer counts is not asked: the assignments are read back.
    pub(super) async fn add(&self, key: &KeyId, guardrail: &str) -> Result<(), Failure> {
        let body = json!({ "key_hashes": [key.0] });
        let ask = Ask { rest: OF_ONE, body: Some(&body), ..one(Method::POST, guardrail) };
        self.wire.send(ask, &self.signer).await?.success(&self.wire.redactor).map(drop)
    }

    /// The name of a guardrail, where the server tells it.
    pub(super) async fn name_of(&self, guardrail: &str) -> Option<String> {
        let answer = self.wire.send(one(Method::GET, guardrail), &self.signer).await.ok()?;
        let body: Value = answer.success(&self.wire.redactor).ok()?.json()?;
        Some(server_text(&text(object(&body)?, "name")?, &self.wire.redactor))
    }
}

fn one(method: Method, guardrail: &str) -> Ask<'_> {
    Ask { id: Some(guardrail), ..Ask::new(method, GUARDRAILS) }
}

fn pair(row: &Fields) -> Option<(KeyId, String)> {
    Some((KeyId(text(row, "key_hash")?), text(row, "guardrail_id")?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed answer fails the test")]
mod tests {
    use std::collections::BTreeSet;

    use super::super::canned::{Asked, answer, serve};
    use super::super::transport::root;
    use super::*;
    use crate::http::Trace;
    use crate::secret::{Redactor, Secret};

    async fn with<T>(
        reply: impl Fn(&Asked) -> String + Send + Sync + 'static,
        ask: impl AsyncFn(&Assignments<'_>) -> T,
    ) -> (T, Vec<Asked>) {
        let server = serve(reply).unwrap();
        let client = crate::http::client(std::time::Duration::from_secs(5)).unwrap();
        let wire = Wire { client, root: root(&server.url), redactor: Redactor::new(), trace: Trace::default() };
        let signer = Signer {
            secret: Secret::new("sk-or-v1-management".into()),
            credential: crate::issuer::fault::Credential::ManagementKey,
        };
        let came = ask(&Assignments { wire: &wire, signer }).await;
        (came, server.asked())
    }

    fn row(nth: usize) -> Value {
        json!({"id": format!("a{nth}"), "guardrail_id": "g", "key_hash": format!("k{nth}")})
    }

    #[tokio::test]
    async fn one_page_is_one_request_and_more_are_read_to_their_end() {
        for (rows, requests) in [(0, 1), (2, 1), (100, 1), (250, 4)] {
            let reply = move |asked: &Asked| {
                let from = asked.line.split("offset=").nth(1).and_then(|rest| rest.split('&').next()?.parse().ok());
                let page: Vec<_> = (0..rows).map(row).skip(from.unwrap_or(0)).take(100).collect();
                answer(200, &json!({ "data": page, "total_count": rows }).to_string())
            };
            let (all, asked) = with(reply, async |it| it.read(None).await).await;
            assert_eq!(all.map(|all| all.len()), Ok(rows));
            assert!(asked.len() >= requests && (rows > 100 || asked.len() == requests), "{rows}: {}", asked.len());
        }
    }

    #[tokio::test]
    async fn a_key_may_have_several_and_a_row_without_sense_is_refused() {
        let first = json!({"id": "1", "guardrail_id": "g1", "key_hash": "k"});
        let page = move |row: &Value| answer(200, &json!({ "data": [first, row], "total_count": 2 }).to_string());
        let other = page.clone();
        let second = json!({"id": "2", "guardrail_id": "g2", "key_hash": "k"});
        let (all, _) = with(move |_| page(&second), async |it| it.read(None).await).await;
        let both = BTreeSet::from(["g1", "g2"].map(str::to_owned));
        assert_eq!(all, Ok([(KeyId("k".into()), both)].into()));
        let half = json!({"id": "2", "guardrail_id": "g2"});
        let (all, _) = with(move |_| other(&half), async |it| it.read(None).await).await;
        assert!(matches!(all, Err(Failure::Refused(_))), "{all:?}");
    }

    #[tokio::test]
    async fn a_guardrail_is_one_segment_of_the_path() {
        let reply = |_: &Asked| answer(200, "{\"assigned_count\":1}");
        let (added, asked) = with(reply, async |it| it.add(&KeyId("k".into()), "a/../b").await).await;
        assert_eq!(added, Ok(()));
        let asked = asked.first().unwrap();
        assert_eq!(asked.line, "POST /api/v1/guardrails/a%2F..%2Fb/assignments/keys");
        assert_eq!(asked.body, "{\"key_hashes\":[\"k\"]}");
    }
}
