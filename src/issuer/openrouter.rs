//! OpenRouter, whose key API ARouter's follows: one dialect, management keys alone, no allow-lists, workspaces.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashSet;

use async_trait::async_trait;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::body::body;
use super::calls::Calls;
use super::fault::Credential;
use super::guardrails::Assignments;
use super::pages::{Cursor, Page, read_all};
use super::proof::{Chat, about, judge, tried_key};
use super::row::{self, CARRIED, Fields, INCLUDE_BYOK, ReadRow, Shown, WORKSPACE};
use super::single_flight::SingleFlight;
use super::transport::{Ask, Signer, Wire, root};
use crate::http::{Client, Failure, Trace, one_line};
use crate::rotation::model::{
    ChatProbe, CreatedKey, Deletion, Endpoint, Guardrails, KeyId, KeyProbe, KeyRow, KeySpec, Listing, Renamed, Respell,
    RightsTaken,
};
use crate::rotation::ports::KeyIssuer;
use crate::secret::prefix;
use crate::secret::{Redactor, Secret};

/// The address of OpenRouter's API.
pub const DEFAULT_URL: &str = "https://openrouter.ai";

const KEYS: &str = "/api/v1/keys";
const KEY: &str = "/api/v1/key";
/// The list of models is public, so that it proves nothing of a key.
const ENDPOINTS: [Endpoint; 1] = [Endpoint("GET /api/v1/key")];

/// What only OpenRouter knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// The workspace in which keys are made and looked for; `None`: the default one.
    pub workspace: Option<String>,
    /// Whether what the account's own provider keys pay for counts towards a key's limit; `None`: as the old key has it.
    pub include_byok: Option<bool>,
}

/// OpenRouter.
#[derive(Debug)]
pub struct OpenRouterIssuer {
    wire: Wire,
    management: Option<Signer>,
    extras: Extras,
    shown: RefCell<Shown>,
    /// The keys that this run made.
    made: RefCell<HashSet<KeyId>>,
    /// The first list may be one that others wait for too.
    single_flight: RefCell<Option<SingleFlight>>,
    /// So may the first list of guardrails.
    guardrail_flights: RefCell<Option<SingleFlight>>,
}

impl OpenRouterIssuer {
    /// `base_url` is the API's address with or without `/api/v1`.
    #[must_use]
    pub fn new(
        client: Client,
        base_url: &Url,
        management_key: Option<Secret>,
        extras: Extras,
        redactor: Redactor,
    ) -> Self {
        management_key.iter().for_each(|secret| redactor.learn(secret));
        Self {
            wire: Wire { client, root: root(base_url), redactor, trace: Trace::default() },
            management: management_key.map(|secret| Signer { secret, credential: Credential::ManagementKey }),
            extras,
            shown: RefCell::default(),
            made: RefCell::default(),
            single_flight: RefCell::default(),
            guardrail_flights: RefCell::default(),
        }
    }

    /// The same, and its first list is one request with those of others who ask for it at the same moment.
    #[must_use]
    pub fn sharing(self, single_flight: &SingleFlight) -> Self {
        *self.single_flight.borrow_mut() = Some(single_flight.clone());
        *self.guardrail_flights.borrow_mut() = Some(single_flight.clone());
        self
    }

    /// The same, and this trace is told of every request.
    #[must_use]
    pub fn traced(mut self, trace: Trace) -> Self {
        self.wire.trace = trace;
        self
    }

    fn signer(&self) -> Result<Signer, Failure> {
        let none =
            || Failure::refused("issuer: OpenRouter's keys are managed with `management-key`, which is not given");
        self.management.clone().ok_or_else(none)
    }

    fn calls(&self) -> Result<Calls<'_>, Failure> {
        Ok(Calls { wire: &self.wire, signer: self.signer()?, path: KEYS })
    }

    /// What the config file states of a key.
    fn stated(&self) -> impl Iterator<Item = (String, Value)> {
        let include = self.extras.include_byok.map(|include| (INCLUDE_BYOK.to_owned(), include.into()));
        let workspace = self.extras.workspace.as_deref().map(|id| (WORKSPACE.to_owned(), id.into()));
        include.into_iter().chain(workspace)
    }

    fn assignments(&self) -> Result<Assignments<'_>, Failure> {
        Ok(Assignments { wire: &self.wire, signer: self.signer()? })
    }

    async fn page(&self, cursor: Cursor, single_flight: Option<&SingleFlight>) -> Result<Page<ReadRow>, Failure> {
        let offset = match cursor {
            Cursor::Offset(rows) => rows.to_string(),
            Cursor::Token(_) => return Err(Failure::refused("issuer: OpenRouter's pages have no tokens")),
        };
        // Without these a family whose key has ended looks like one that never had a key.
        let ended = ["include_disabled", "include_expired"].map(|name| (name, "true".into()));
        let mut query = [ended.as_slice(), &[("offset", Cow::Owned(offset))]].concat();
        query.extend(self.extras.workspace.as_deref().map(|workspace| (WORKSPACE, Cow::Borrowed(workspace))));
        let ask = Ask { query: &query, ..Ask::get(KEYS) };
        let page = Page::of(&self.wire.read(ask, &self.signer()?, single_flight).await?, KEYS, "keys")?;
        Ok(Page { next: None, ..page.map(|id, fields| Self::read(id, &fields)) })
    }

    fn read(id: &KeyId, fields: &Fields) -> ReadRow {
        let (mut row, shown) = row::read(id, fields);
        if let Ok(row) = &mut row {
            let carried = CARRIED.iter().filter_map(|name| Some(((*name).to_owned(), fields.get(*name)?.clone())));
            row.rights.other.extend(carried.filter(|(_, value)| value.is_string()));
        }
        (row, shown)
    }

    async fn listing(&self) -> Result<Listing, Failure> {
        let (asked, single_flight) = (Instant::now(), self.single_flight.borrow_mut().take());
        let all = read_all(async |cursor| self.page(cursor, single_flight.as_ref()).await).await?;
        let dated_within = all.dated_at.map(|at| at.duration_since(asked)).unwrap_or_default();
        let mut shown = self.shown.borrow_mut();
        let (rows, date) = all.judged(KEYS, &mut shown, &self.wire.redactor)?;
        let read = |mut row: KeyRow| {
            // What is stated is taken over as if the old key had it; a key of this run shows what it really has.
            if !self.made.borrow().contains(&row.id) {
                row.rights.other.extend(self.stated());
            }
            row
        };
        let keys = rows.into_iter().map(read).collect();
        let takes = RightsTaken { providers: false, models: false, limit: true, reset: true, expiry: true };
        Ok(Listing { keys, date, dated_within, may_rename: true, takes })
    }
}

#[async_trait(?Send)]
impl KeyIssuer for OpenRouterIssuer {
    async fn list(&self) -> Result<Listing, Failure> {
        self.listing().await
    }

    async fn create(&self, spec: &KeySpec) -> Result<CreatedKey, Failure> {
        let mut body = body(spec, "limit")?;
        if let Some(fields) = body.as_object_mut() {
            fields.extend(self.stated());
        }
        let created = self.calls()?.create(&body).await?;
        self.made.borrow_mut().insert(created.id.clone());
        Ok(created)
    }

    async fn rename(&self, id: &KeyId, name: &str) -> Result<Renamed, Failure> {
        self.calls()?.rename(id, name).await
    }

    async fn delete(&self, id: &KeyId) -> Result<Deletion, Failure> {
        self.calls()?.delete(id).await
    }

    async fn set_disabled(&self, id: &KeyId, disabled: bool) -> Result<Option<bool>, Failure> {
        self.calls()?.switch(id, disabled).await
    }

    async fn guardrails(&self) -> Result<Guardrails, Failure> {
        let single_flight = self.guardrail_flights.borrow_mut().take();
        self.assignments()?.read(single_flight.as_ref()).await
    }

    async fn assign_guardrail(&self, key: &KeyId, guardrail: &str) -> Result<(), Failure> {
        self.assignments()?.add(key, guardrail).await
    }

    async fn guardrail_name(&self, guardrail: &str) -> Option<String> {
        self.assignments().ok()?.name_of(guardrail).await
    }

    /// Keys that call models never manage keys here.
    fn hand_over(&self, _successor: &Secret) {}

    fn may_have_made(&self, value: &Secret) -> bool {
        value.expose().starts_with(prefix::OPENROUTER)
    }

    fn keyless(&self) -> Option<&'static str> {
        Some("https://openrouter.ai/docs/guides/overview/auth/workload-identity-federation")
    }

    fn endpoints(&self) -> &'static [Endpoint] {
        &ENDPOINTS
    }

    async fn try_key(&self, value: &Secret, at: Endpoint) -> KeyProbe {
        if !ENDPOINTS.contains(&at) {
            return KeyProbe::NoSuchEndpoint;
        }
        judge(self.wire.send(Ask::get(KEY), &tried_key(value)).await, &self.wire.redactor, about)
    }

    async fn chat(&self, value: &Secret, model: Option<&str>) -> ChatProbe {
        let chat = Chat { wire: &self.wire, models: "/api/v1/models", completions: "/api/v1/chat/completions" };
        chat.complete(value, model).await
    }

    /// There is one spelling.
    fn respell_limit(&self) -> Respell {
        Respell::Exhausted
    }

    fn manual(&self, id: &KeyId) -> String {
        let root = self.wire.root.as_str().trim_end_matches('/');
        let id = one_line(&id.0);
        format!("Delete key `{id}` in OpenRouter's settings, or by its API with `DELETE {root}{KEYS}/{id}`.")
    }
}
