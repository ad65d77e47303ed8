//! The issuer against ready-made answers. Whole rotations against a stateful server are tested elsewhere.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

use std::time::Duration;

use super::*;
use crate::issuer::canned::{Asked, Canned, answer, serve};
use crate::rotation::model::{AllowList, KeyKind, Reset, Rights};

const MANAGEMENT: &str = "lr_mgmt_0123456789abcdef";
const CURRENT: &str = "lr_live_current0123456789";
const NEW: &str = "lr_live_new0123456789abcdef";

fn issuer(at: &Canned, management: bool) -> ArouterIssuer {
    let client = crate::http::client(Duration::from_secs(5)).unwrap();
    let management = management.then(|| Secret::new(MANAGEMENT.into()));
    ArouterIssuer::new(client, &at.url, management, Some(Secret::new(CURRENT.into())), Redactor::new())
}

fn spec() -> KeySpec {
    let rights = Rights { limit: Some(Some(500.0)), ..Rights::default() };
    KeySpec { name: "production-2026-12-01-7f3a9c-unconfirmed".into(), rights }
}

/// A list at this path, `other` for everything else.
fn listing_at(
    path: &'static str,
    list: &'static str,
    other: impl Fn(&Asked) -> String + Send + Sync + 'static,
) -> Canned {
    serve(move |asked| if asked.is(&format!("GET {path}")) { answer(200, list) } else { other(asked) }).unwrap()
}

/// The one request that is no read. Lists that were asked for elsewhere too may be recorded later.
fn change(server: &Canned) -> Asked {
    server.asked().into_iter().find(|asked| !asked.line.starts_with("GET")).unwrap()
}

const MGMT: &str = r#"{"data":[
  {"hash":"h1","name":"production-2026-11-01-0a1b2c","key_type":"regular","disabled":false,"limit":500,"limit_reset":"monthly",
   "allowed_providers":["openai","anthropic"],"usage":1.5,"created_at":"2026-11-01T02:00:00+02:00","updated_at":"2026-11-01T00:05:00Z",
   "expires_at":null,"rate_limit":{"requests_per_minute":60}},
  {"hash":"m1","name":"ci","key_type":"management","created_at":"2026-01-01T00:00:00Z"}]}"#;

const GUIDE: &str = r#"{"data":[{"id":"key_1","name":"production","created_at":1793491200,"last_used_at":null,"spending_limit":"100.5"}]}"#;

const OVERVIEW: &str = r#"{"data":[{"hash":"h1","name":"a","label":"x","limit_usd":50,"allowed_models":[],"allowed_providers":null,
  "usage":{"prompt_tokens":5,"completion_tokens":1,"cost":"0.25"},"last_used_at":"2026-11-30T00:00:00Z"}]}"#;

#[tokio::test]
async fn the_management_dialect_is_read() {
    let server = listing_at("/api/v1/keys", MGMT, |_| answer(404, ""));
    let listing = issuer(&server, true).list().await.unwrap();
    assert!(listing.may_rename && listing.takes.expiry);
    assert_eq!(listing.date.to_string(), "2026-12-01T12:00:00Z");
    let [key, management] = listing.keys.as_slice() else { panic!("{listing:?}") };
    assert_eq!(key.created_at.unwrap().to_string(), "2026-11-01T00:00:00Z");
    assert_eq!(key.rights.limit, Some(Some(500.0)));
    assert_eq!(key.rights.reset, Some(Reset::Monthly));
    assert_eq!(key.rights.expires_at, Some(None));
    assert_eq!(key.rights.models, None, "no row shows this field");
    assert!(key.rights.other.contains_key("rate_limit"));
    assert_eq!(management.kind, KeyKind::Management);
    assert_eq!(management.rights.providers, Some(AllowList::All), "another row shows this field");
}

#[tokio::test]
async fn the_overviews_dialect_is_read() {
    let server = listing_at("/api/v1/keys", OVERVIEW, |_| answer(404, ""));
    let issuer = issuer(&server, true);
    let listing = issuer.list().await.unwrap();
    assert!(!listing.may_rename && !listing.takes.reset && listing.takes.models);
    let key = listing.keys.first().unwrap();
    assert_eq!((key.usage, key.rights.limit), (Some(0.25), Some(Some(50.0))));
    assert_eq!(key.rights.models, Some(AllowList::All));
    assert_eq!(issuer.respell_limit(), Respell::Certain);
    assert_eq!(issuer.limit_name(KeysPath::Api), "limit_usd");
}

#[tokio::test]
async fn the_guides_dialect_is_found_with_or_without_a_management_key() {
    for management in [true, false] {
        let server = listing_at("/v1/keys", GUIDE, |_| answer(404, "<html>"));
        let listing = issuer(&server, management).list().await.unwrap();
        assert!(!listing.may_rename && !listing.takes.models);
        let key = listing.keys.first().unwrap();
        assert_eq!(key.id, KeyId("key_1".into()));
        assert_eq!((key.rights.limit, &key.rights.providers), (Some(Some(100.5)), &None));
        assert_eq!(key.created_at.unwrap().to_string(), "2026-11-01T00:00:00Z");
    }
}

#[tokio::test]
async fn a_list_that_is_down_is_never_taken_for_another_dialect() {
    for (status, management) in [(503, true), (429, true), (500, false), (429, false)] {
        let server = listing_at("/v1/keys", GUIDE, move |_| answer(status, ""));
        let failure = issuer(&server, management).list().await.unwrap_err();
        assert!(matches!(failure, Failure::Transient { .. }), "{status}: {failure:?}");
    }
}

#[tokio::test]
async fn the_failure_that_matters_is_shown() {
    let server = serve(|asked| match asked.is("GET /v1/keys") {
        true => answer(401, r#"{"error":{"message":"expired","type":"authentication_error"}}"#),
        false => answer(404, ""),
    })
    .unwrap();
    for management in [true, false] {
        let failure = issuer(&server, management).list().await.unwrap_err();
        assert_eq!(failure.message(), "issuer GET /v1/keys: 401: expired (authentication_error)");
        let input = if management { "`management-key`" } else { "`current-key`" };
        assert!(failure.hint().unwrap().contains(input), "{failure:?}");
    }
    let nowhere = serve(|_| answer(404, "")).unwrap();
    let failure = issuer(&nowhere, true).list().await.unwrap_err();
    assert!(failure.hint().unwrap().contains("issuer-url"));
}

/// An id is a server's text like any other.
#[tokio::test]
async fn an_id_that_repeats_a_secret_is_not_told() {
    let list = r#"{"data":[{"hash":"lr_mgmt_0123456789abcdef"}]}"#;
    let server = listing_at("/api/v1/keys", list, |_| answer(404, ""));
    let issuer = issuer(&server, true);
    let told = issuer.list().await.unwrap_err().to_string();
    assert_eq!(told, "issuer GET /api/v1/keys: the row of `***` has no name");
    let server = listing_at("/api/v1/keys", MGMT, |_| answer(404, ""));
    let issuer = self::issuer(&server, true);
    issuer.list().await.unwrap();
    for id in [MANAGEMENT.to_owned(), format!("{MANAGEMENT}\u{7}")] {
        let told = issuer.rename(&KeyId(id), "x").await.unwrap_err().to_string();
        assert!(told.contains("***") && !told.contains("0123456789"), "{told}");
    }
}

#[tokio::test]
async fn a_list_that_makes_no_sense_is_refused_and_a_body_that_is_none_asked_for_again() {
    let table = [
        (answer(200, r#"{"data":[{"name":"a"}]}"#), true),
        (answer(200, r#"{"data":[{"hash":"a"}]}"#), true),
        (answer(200, r#"{"data":[{"hash":"a","name":"a","created_at":"yesterday"}]}"#), true),
        (answer(200, r#"{"data":[]}"#).replace("date:", "x-date:"), true),
        (answer(302, "").replace("date:", "location: https://elsewhere.example/x?y=1\r\ndate:"), true),
        (answer(200, r#"{"rows":[]}"#), false),
        (answer(200, "<html>"), false),
        (answer(200, r#"{"data":[]}"#).replace("content-length: ", "content-length: 9"), false),
    ];
    for (text, refused) in table {
        let raw = text.clone();
        let server = serve(move |_| raw.clone()).unwrap();
        let failure = issuer(&server, true).list().await.unwrap_err();
        assert_eq!(matches!(failure, Failure::Refused(_)), refused, "{text}: {failure:?}");
        if text.contains("elsewhere") {
            let hint = failure.hint().unwrap();
            assert!(hint.contains("https://elsewhere.example") && hint.contains("issuer-url"), "{hint}");
        }
    }
}

#[tokio::test]
async fn a_new_key_is_read_in_every_shape() {
    for (body, id) in [
        (format!(r#"{{"data":{{"hash":"h2","limit":500}},"key":"{NEW}"}}"#), "h2"),
        (format!(r#"{{"key":"{NEW}","hash":"h3","name":"n"}}"#), "h3"),
        (format!(r#"{{"key":"{NEW}","id":"key_4"}}"#), "key_4"),
        (format!(r#"{{"data":{{"id":"key_5","key":"{NEW}"}}}}"#), "key_5"),
    ] {
        let server = listing_at("/api/v1/keys", MGMT, move |_| answer(201, &body));
        let issuer = issuer(&server, true);
        issuer.list().await.unwrap();
        let key = issuer.create(&spec()).await.unwrap();
        assert_eq!((key.id.0.as_str(), key.value.expose()), (id, NEW));
        assert_eq!(key.rights.limit.is_some(), id == "h2");
        assert_eq!(issuer.wire.redactor.scrub(NEW), "***");
        let asked = change(&server);
        assert_eq!(asked.body, r#"{"limit":500,"name":"production-2026-12-01-7f3a9c-unconfirmed"}"#);
    }
}

#[tokio::test]
async fn a_create_without_a_usable_answer_is_unknown_and_shows_no_key() {
    let short = r#"{"hash":"h","key":"lr_live_…"}"#;
    let table = [
        (answer(200, &format!(r#"{{"key":"{NEW}","name":"n"}}"#)), true),
        (answer(200, r#"{"hash":"h","key":null}"#), true),
        (answer(200, r#"{"hash":"h","key":"lr_live_****************"}"#), true),
        (answer(200, short), true),
        (answer(200, "ok"), true),
        (answer(204, ""), true),
        (answer(201, &format!(r#"{{"hash":"h","key":"{NEW}""#)), true),
        (answer(201, &format!(r#"{{"hash":"h","key":"{NEW}"}}"#)).replace("length: ", "length: 9"), true),
        (answer(500, &format!("made {NEW}")), true),
        (answer(429, "slow down"), true),
        (answer(402, r#"{"error":{"code":402,"message":"Insufficient credits"}}"#), false),
        (answer(400, r#"{"code":"bad","message":"limit?"}"#), false),
    ];
    for (text, unknown) in table {
        let raw = text.clone();
        let server = listing_at("/api/v1/keys", MGMT, move |_| raw.clone());
        let issuer = issuer(&server, true);
        issuer.list().await.unwrap();
        let failure = issuer.create(&spec()).await.unwrap_err();
        assert_eq!(matches!(failure, Failure::Unknown { .. }), unknown, "{text}: {failure:?}");
        assert_eq!(matches!(failure, Failure::Refused(_)), !unknown, "{text}: {failure:?}");
        assert!(!format!("{failure:?}").contains(NEW), "{failure:?}");
    }
}

/// A gateway may say no behind a create that was carried out.
#[tokio::test]
async fn a_create_refused_in_other_words_than_the_issuers_is_doubtful() {
    for text in [
        answer(307, "").replace("date:", "location: /elsewhere\r\ndate:"),
        answer(403, "<html>403</html>"),
        answer(409, ""),
        answer(400, r#"{"message":"Bad request"}"#),
    ] {
        let raw = text.clone();
        let server = listing_at("/api/v1/keys", MGMT, move |_| raw.clone());
        let issuer = issuer(&server, true);
        issuer.list().await.unwrap();
        let failure = issuer.create(&spec()).await.unwrap_err();
        assert!(matches!(failure, Failure::Doubtful(_)), "{text}: {failure:?}");
    }
}

#[tokio::test]
async fn nothing_is_changed_before_the_list_is_known() {
    let server = serve(|_| answer(200, "{}")).unwrap();
    let issuer = issuer(&server, true);
    assert!(matches!(issuer.create(&spec()).await, Err(Failure::Refused(_))));
    assert!(matches!(issuer.delete(&KeyId("h".into())).await, Err(Failure::Refused(_))));
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn deletes_and_renames_say_what_their_answers_say() {
    let table = [
        (200, r#"{"data":{"deleted":true}}"#, "Ok(Deleted)"),
        (200, r#"{"deleted":true}"#, "Ok(Deleted)"),
        (204, "", "Ok(Deleted)"),
        (200, "", "Err(Unknown"),
        (202, "", "Err(Unknown"),
        (404, "", "Ok(NotFound)"),
        (200, r#"{"deleted":false}"#, "Err(Refused"),
        (200, "{}", "Err(Unknown"),
        (200, "<html>", "Err(Unknown"),
        (502, "", "Err(Unknown"),
        (429, "", "Err(Unknown"),
        (429, r#"{"code":"rate_limited","message":"Slow down"}"#, "Err(Transient"),
        (403, "", "Err(Doubtful"),
        (403, r#"{"code":"forbidden","message":"No"}"#, "Err(Refused"),
    ];
    for (status, body, expected) in table {
        let server = listing_at("/api/v1/keys", MGMT, move |_| answer(status, body));
        let issuer = issuer(&server, true);
        issuer.list().await.unwrap();
        let got = format!("{:?}", issuer.delete(&KeyId("h1".into())).await);
        assert!(got.starts_with(expected), "{status} {body}: {got}");
        assert_eq!(change(&server).line, "DELETE /api/v1/keys/h1");
    }
    for (status, body, expected) in [
        (
            200,
            r#"{"data":{"name":"b","last_used_at":null,"usage":0}}"#,
            r#"Ok(Renamed { name: Some("b"), used: Some(false) })"#,
        ),
        (
            200,
            r#"{"name":"b","usage":{"prompt_tokens":1,"cost":0}}"#,
            r#"Ok(Renamed { name: Some("b"), used: Some(true) })"#,
        ),
        (200, r#"{"success":true}"#, "Ok(Renamed { name: None, used: None })"),
        (200, "fine", "Err(Unknown"),
        (405, "", "Err(Doubtful"),
        (405, r#"{"code":"no_such_call","message":"No"}"#, "Err(Refused"),
    ] {
        let server = listing_at("/api/v1/keys", MGMT, move |_| answer(status, body));
        let issuer = issuer(&server, true);
        issuer.list().await.unwrap();
        let got = format!("{:?}", issuer.rename(&KeyId("h1".into()), "b").await);
        assert!(got.starts_with(expected), "{status} {body}: {got}");
        assert_eq!(change(&server).body, r#"{"name":"b"}"#);
    }
}

#[tokio::test]
async fn the_successor_signs_only_where_live_keys_manage_themselves() {
    for (path, list, management, expected) in [
        ("/v1/keys", GUIDE, false, NEW),
        ("/v1/keys", GUIDE, true, NEW),
        ("/api/v1/keys", MGMT, false, NEW),
        ("/api/v1/keys", MGMT, true, MANAGEMENT),
    ] {
        let server = listing_at(path, list, |asked| answer(if asked.line.starts_with("GET") { 404 } else { 204 }, ""));
        let issuer = issuer(&server, management);
        issuer.list().await.unwrap();
        issuer.hand_over(&Secret::new(NEW.into()));
        issuer.delete(&KeyId("h1".into())).await.unwrap();
        let signed = format!("authorization: Bearer {expected}");
        assert!(change(&server).headers.contains(&signed), "{path} {management}");
    }
}

#[tokio::test]
async fn the_limit_is_spelt_another_way_once() {
    for (path, management, names) in
        [("/api/v1/keys", true, ["limit", "limit_usd"]), ("/v1/keys", false, ["spending_limit", "limit"])]
    {
        let server = listing_at(path, r#"{"data":[]}"#, |_| answer(404, ""));
        let issuer = issuer(&server, management);
        issuer.list().await.unwrap();
        let known = issuer.path.get().unwrap();
        assert_eq!(issuer.limit_name(known), names[0]);
        assert_eq!(issuer.respell_limit(), Respell::Changed);
        assert_eq!(issuer.limit_name(known), names[1]);
        assert_eq!(issuer.respell_limit(), Respell::Exhausted);
        assert_eq!(issuer.limit_name(known), names[1]);
    }
}

#[tokio::test]
async fn only_the_expected_body_accepts_a_key_and_only_401_and_403_refuse_it() {
    let [models, key] = prove::ENDPOINTS;
    let accepted = |id: &str| format!("Accepted(About {{ id: {id}");
    for (at, status, body, expected) in [
        (models, 200, r#"{"object":"list","data":[]}"#, accepted("None")),
        (models, 200, r#"{"data":{}}"#, "Undecided".into()),
        (models, 200, "<html>", "Undecided".into()),
        (models, 401, "", "Refused".into()),
        (models, 403, "", "Refused".into()),
        (models, 404, "", "NoSuchEndpoint".into()),
        (models, 429, "", "Undecided".into()),
        (models, 503, r#"{"error":{"message":"auth service down"}}"#, "Undecided".into()),
        (models, 302, "", "Undecided".into()),
        (key, 200, r#"{"data":{"hash":"h9","label":"lr_live_ab...yz"}}"#, accepted("Some(KeyId(\"h9\"))")),
        (key, 200, r#"{"data":[]}"#, "Undecided".into()),
        (key, 404, "", "NoSuchEndpoint".into()),
    ] {
        let server = serve(move |_| answer(status, body)).unwrap();
        let got = format!("{:?}", issuer(&server, true).try_key(&Secret::new(NEW.into()), at).await);
        assert!(got.starts_with(&expected), "{at:?} {status} {body}: {got}");
    }
}

#[tokio::test]
async fn a_key_asks_about_itself_where_it_was_accepted_before() {
    let server = serve(|asked| match asked.is("GET /v1/key") {
        true if asked.headers.iter().any(|line| line.ends_with(NEW)) => answer(200, r#"{"data":{}}"#),
        true => answer(401, ""),
        false => answer(404, ""),
    })
    .unwrap();
    let issuer = issuer(&server, true);
    let key = prove::ENDPOINTS[1];
    assert_eq!(issuer.try_key(&Secret::new(NEW.into()), key).await, KeyProbe::Accepted(Default::default()));
    assert_eq!(issuer.try_key(&Secret::new("lr_live_never_issued".into()), key).await, KeyProbe::Refused);
    assert_eq!(server.asked().iter().filter(|asked| asked.is("GET /api/v1/key")).count(), 1);
}

#[tokio::test]
async fn a_chat_takes_the_first_model_and_proves_only_what_it_proves() {
    for (status, body, expected) in [
        (200, r#"{"model":"m-1","choices":[{}]}"#, r#"Worked { model: "m-1" }"#),
        (200, r#"{"choices":[]}"#, "ProvesNothing"),
        (401, "", "Refused"),
        (402, "", "ProvesNothing"),
        (503, "", "ProvesNothing"),
    ] {
        let server = listing_at("/v1/models", r#"{"data":[{"id":"first"}]}"#, move |_| answer(status, body));
        let got = format!("{:?}", issuer(&server, true).chat(&Secret::new(NEW.into()), None).await);
        assert!(got.starts_with(expected), "{status} {body}: {got}");
        assert!(change(&server).body.contains(r#""model":"first""#));
    }
}

#[tokio::test]
async fn a_list_beyond_one_page_is_read_to_its_end() {
    let server = serve(|asked| {
        let offset = asked.line.split("offset=").nth(1).unwrap().parse::<usize>().unwrap();
        let rows: Vec<_> =
            (offset..250.min(offset + 100)).map(|n| format!(r#"{{"hash":"h{n}","name":"n"}}"#)).collect();
        answer(200, &format!(r#"{{"data":[{}]}}"#, rows.join(",")))
    })
    .unwrap();
    let listing = issuer(&server, true).list().await.unwrap();
    assert_eq!(listing.keys.len(), 250);
    let first = server.asked().into_iter().find(|asked| asked.line.ends_with("offset=0")).unwrap();
    assert_eq!(first.line, "GET /api/v1/keys?page_size=100&include_disabled=true&offset=0");
    assert!(first.headers.contains(&"cache-control: no-cache".to_owned()));
}
