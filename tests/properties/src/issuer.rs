//! What issuers answer, in all dialects and in none.

use std::collections::BTreeSet;

use arbitrary::{Result, Unstructured};
use keyrotor::http::Failure;
use keyrotor::issuer::ArouterIssuer;
use keyrotor::rotation::model::{AllowList, ChatProbe, Deletion, Endpoint, KeyId, KeyProbe, KeySpec, Listing, Rights};
use keyrotor::rotation::ports::KeyIssuer as _;
use keyrotor::secret::{Redactor, Secret};
use serde_json::{Map, Value, json};

use crate::actions::check_message;
use crate::echo::{MADE, SECRETS, echoing, searcher};
use crate::leak::Searcher;
use crate::peer::{Answer, Peer, answer};
use crate::text::{hostile, json as any_json, likely, object, several};

const FIELDS: &[&str] = &[
    "data",
    "keys",
    "key",
    "hash",
    "id",
    "name",
    "label",
    "key_type",
    "is_management_key",
    "disabled",
    "limit",
    "limit_usd",
    "spending_limit",
    "limit_reset",
    "limit_remaining",
    "usage",
    "usage_daily",
    "allowed_providers",
    "allowed_models",
    "rate_limit",
    "max_tokens",
    "scopes",
    "created_at",
    "updated_at",
    "last_used_at",
    "expires_at",
    "deleted",
    "error",
    "message",
    "code",
    "type",
    "detail",
    "metadata",
    "next_page_token",
    "pagination",
    "meta",
    "choices",
    "model",
    "cost",
];
const TIMES: &[&str] =
    &["2026-12-01T09:00:00Z", "1793491200", "0001-01-01T00:00:00Z", "2026-12-01T09:00:00.25+02:00", ""];

/// A row that is nearly right.
fn row(u: &mut Unstructured<'_>) -> Result<Value> {
    let mut row = Map::new();
    row.insert("name".into(), likely(u, &["production-2026-12-01", "other"])?.into());
    row.insert("created_at".into(), likely(u, TIMES)?.into());
    row.insert((*u.choose(&["hash", "id"])?).into(), likely(u, &["key_1", "key_2", "..", "a/b"])?.into());
    for _ in 0..u.int_in_range(0..=4)? {
        row.insert((*u.choose(FIELDS)?).into(), any_json(u, FIELDS, 2)?);
    }
    Ok(Value::Object(row))
}

fn body(u: &mut Unstructured<'_>) -> Result<String> {
    let echo = echoing(u)?;
    Ok(match u.int_in_range(0..=13)? {
        0 => echo,
        1 => any_json(u, FIELDS, 3)?.to_string(),
        2 => Value::Object(object(u, FIELDS, 3)?).to_string(),
        3 => json!({ "data": several(u, 5, row)? }).to_string(),
        4 => json!({ "data": several(u, 3, row)?, "next_page_token": likely(u, &["a", "b", ""])? }).to_string(),
        5 => json!(several(u, 3, row)?).to_string(),
        6 => json!({ "data": row(u)?, "key": MADE }).to_string(),
        7 => json!({ "key": MADE, "id": echo }).to_string(),
        8 => json!({ "data": { "key": MADE }, "hash": *u.choose(&["key_9", ""])? }).to_string(),
        9 => json!({ "data": row(u)? }).to_string(),
        10 => json!({ "deleted": u.arbitrary::<bool>()? }).to_string(),
        11 => json!({ "error": { "message": echo, "code": any_json(u, FIELDS, 1)? } }).to_string(),
        12 => json!({ "object": "list", "data": [{ "id": echo }], "choices": [1], "model": echo }).to_string(),
        _ => format!("{MADE}{echo}"),
    })
}

fn check(searcher: &Searcher, failure: &Failure) {
    check_message(failure.message(), searcher);
    check_message(failure.hint().unwrap_or_default(), searcher);
}

fn check_listing(listing: &Listing) {
    let ids: BTreeSet<&KeyId> = listing.keys.iter().map(|key| &key.id).collect();
    assert!(ids.len() == listing.keys.len() && !ids.contains(&KeyId(String::new())), "{listing:?}");
    for list in listing.keys.iter().flat_map(|key| [&key.rights.providers, &key.rights.models]).flatten() {
        assert!(*list != AllowList::Only(BTreeSet::new()), "an empty list stands for everything");
    }
}

/// Whatever an issuer answers: nothing panics or waits for ever, nothing is sent anywhere else, and every failure is told
/// in one line without a secret in it. A key counts as made only with a value that is one, as deleted only where the
/// issuer says so, as accepted only with a 2xx, as refused only with 401 or 403.
///
/// # Errors
/// Where the input is used up.
///
/// # Panics
/// Where that does not hold.
pub fn issuer(u: &mut Unstructured<'_>) -> Result<()> {
    let peer = Peer::here();
    let answers = several(u, 6, |u| answer(u, &peer, body))?;
    let (management, current) = (Secret::new(SECRETS[0].to_owned()), Secret::new(SECRETS[2].replace('\n', "")));
    let managed = u.arbitrary::<bool>()?.then_some(management);
    let id = KeyId(if u.arbitrary()? { "key_1".into() } else { echoing(u)? });
    let endpoint = *u.choose(&[Endpoint("GET /v1/models"), Endpoint("GET /api/v1/key"), Endpoint("GET /none")])?;
    let (name, model) = (hostile(u)?, u.arbitrary::<bool>()?.then_some("gpt-5"));
    let redactor = Redactor::new();
    // What a server may echo although this run was never given it.
    SECRETS.iter().for_each(|secret| redactor.learn(&Secret::new((*secret).to_owned())));
    let issuer = ArouterIssuer::new(peer.client.clone(), &peer.url, managed, Some(current.clone()), redactor);
    let searcher = searcher();
    let ((), asked) = peer.with(answers.clone(), async {
        match issuer.list().await {
            Ok(listing) => check_listing(&listing),
            Err(failure) => check(searcher, &failure),
        }
        match issuer.create(&KeySpec { name, rights: Rights::default() }).await {
            Ok(created) => {
                let value = created.value.expose();
                assert!(value.len() >= 16 && value.bytes().all(|byte| byte.is_ascii_graphic()), "{value:?}");
                assert!(!value.contains('*') && !value.contains("...") && !created.id.0.is_empty(), "{value:?}");
                assert!(sent(&answers, value), "{value:?} was never sent");
            }
            Err(failure) => check(searcher, &failure),
        }
        match issuer.rename(&id, "production-2026-12-01-7f3a9c").await {
            Ok(renamed) => assert!(renamed.name.is_none_or(|name| !name.is_empty())),
            Err(failure) => check(searcher, &failure),
        }
        match issuer.delete(&id).await {
            Ok(Deletion::Deleted) => assert!(any(&answers, |status| (200..300).contains(&status))),
            Ok(Deletion::NotFound) => assert!(any(&answers, |status| [404, 410].contains(&status))),
            Err(failure) => check(searcher, &failure),
        }
        match issuer.try_key(&current, endpoint).await {
            KeyProbe::Accepted(_) => assert!(any(&answers, |status| (200..300).contains(&status))),
            KeyProbe::Refused => assert!(any(&answers, |status| [401, 403].contains(&status))),
            KeyProbe::Undecided(why) => check_message(&why, searcher),
            KeyProbe::NoSuchEndpoint => {}
        }
        match issuer.chat(&current, model).await {
            ChatProbe::Worked { model } => check_message(&model, searcher),
            ChatProbe::Refused(why) | ChatProbe::ProvesNothing(why) => check_message(&why, searcher),
        }
        check_message(&issuer.manual(&KeyId("key_1".into())), searcher);
    });
    // The model that a chat asks for is this server's own word, and so is a key's id.
    let own = |line: &str| line.starts_with("POST /v1/chat") || searcher.find(&id.0).is_some();
    for line in asked.iter().filter(|line| !own(line)) {
        assert_eq!(searcher.find(line), None, "in a request: {line:?}");
    }
    Ok(())
}

pub(crate) fn any(answers: &[Answer], is: impl Fn(u16) -> bool) -> bool {
    let status = |answer: &Answer| {
        let head = String::from_utf8_lossy(answer.bytes.get(..12).unwrap_or_default()).into_owned();
        head.rsplit(' ').next().and_then(|status| status.parse().ok())
    };
    answers.iter().filter_map(status).any(is)
}

fn sent(answers: &[Answer], value: &str) -> bool {
    let plain = |answer: &Answer| {
        serde_json::to_string(value)
            .is_ok_and(|json| String::from_utf8_lossy(&answer.bytes).contains(json.trim_matches('"')))
    };
    answers.iter().any(plain)
}
