//! The GitHub store over real HTTP: what it sends is what GitHub documents, and what it makes of answers.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::rc::Rc;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_box::SecretKey;
use futures_util::future::join_all;
use keyrotor::http::Failure;
use keyrotor::rotation::model::Held;
use keyrotor::rotation::ports::SecretStore as _;
use keyrotor::secret::{Redactor, Secret};
use keyrotor::store::github::{API_VERSION, Credential, GitHub, GitHubSecret, RateLimits};
use keyrotor::store::target::{Place, PlaceKind};
use serde_json::{Value, json};
use tokio::time::timeout;
use url::Url;

use crate::canned::{Canned, Reply, Seen, reply};
use crate::peers::openapi::OpenApi;

const NAME: &str = "AROUTER_API_KEY";
const WRITTEN: &str = "2026-11-30T08:00:00Z";

fn secret_key() -> SecretKey {
    SecretKey::from_bytes([7; 32])
}

fn public_key() -> Reply {
    let key = STANDARD.encode(secret_key().public_key().as_bytes());
    reply(200, "", &json!({ "key_id": "42", "key": key }).to_string())
}

fn row() -> Reply {
    reply(200, "", &json!({ "name": NAME, "created_at": WRITTEN, "updated_at": WRITTEN }).to_string())
}

/// A page of a list of secrets, and how many there are.
fn listed(total: usize, names: impl Iterator<Item = String>) -> Reply {
    let row = |name| json!({ "name": name, "created_at": WRITTEN, "updated_at": WRITTEN, "visibility": "all" });
    reply(200, "", &json!({ "total_count": total, "secrets": names.map(row).collect::<Vec<_>>() }).to_string())
}

fn is_list(request: &Seen) -> bool {
    request.method == "GET" && request.target.split('?').next().is_some_and(|path| path.ends_with("/secrets"))
}

fn no_such_thing() -> Reply {
    error(404, "", "Not Found")
}

/// As GitHub says no.
fn error(status: u16, head: &str, message: &str) -> Reply {
    let body = serde_json::json!({ "message": message, "documentation_url": "https://docs.github.com/rest" });
    reply(status, head, &body.to_string())
}

/// A repository that has the secret and takes whatever it is given.
fn well_behaved(request: &Seen) -> Reply {
    match request.method.as_str() {
        "GET" if request.target.ends_with("/public-key") => public_key(),
        "GET" if is_list(request) => listed(1, [NAME.to_owned()].into_iter()),
        "GET" => row(),
        _ => reply(204, "", ""),
    }
}

fn github(url: &Url) -> Rc<GitHub> {
    Rc::new(github_alone(url))
}

/// The same for several rotations, which together have room for fewer than a hundred requests.
fn github_of_several(url: &Url) -> Rc<GitHub> {
    let pace = RateLimits::new(url, Duration::from_secs(1)).of_rotations(2);
    Rc::new(github_alone(url).paced(Rc::new(pace)))
}

fn github_alone(url: &Url) -> GitHub {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_millis(800))
        .no_proxy()
        .build()
        .unwrap();
    let token = Credential::Token(Secret::new("ghp_0123456789".into()));
    GitHub::new(client, url.clone(), token, Redactor::new()).unwrap()
}

fn store(url: &Url) -> GitHubSecret {
    let place = Place::in_repository(PlaceKind::Repo, "acme", "app");
    GitHubSecret::new(github(url), place, NAME)
}

fn value() -> Secret {
    Secret::new("lr_live_0123456789".into())
}

fn refusal(failure: &Failure) -> &keyrotor::http::Refusal {
    match failure {
        Failure::Refused(refusal) | Failure::Doubtful(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

/// One place of every kind.
fn places() -> [Place; 9] {
    PlaceKind::ALL.map(|kind| match kind {
        PlaceKind::Env => Place::in_environment("acme", "app", "review/Feature 1%?#"),
        kind if kind.row().of_organisation => Place::in_organisation(kind, "acme"),
        kind => Place::in_repository(kind, "acme", "app"),
    })
}

/// An organisation's secret that is shown to 101 repositories, numbered from 1000; other places as they are.
fn shared(request: &Seen) -> Reply {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let row = json!({ "name": NAME, "created_at": WRITTEN, "updated_at": WRITTEN, "visibility": "selected" });
    match request.method.as_str() {
        "GET" if path.ends_with("/repositories") => {
            let ids = if query.ends_with("page=2") { 1100..1101 } else { 1000..1100 };
            let rows: Vec<Value> = ids.map(|id| json!({ "id": id, "name": format!("r{id}") })).collect();
            reply(200, "", &json!({ "total_count": 101, "repositories": rows }).to_string())
        }
        "GET" if path.starts_with("/orgs/") && path.ends_with(NAME) => reply(200, "", &row.to_string()),
        "GET" if path.starts_with("/orgs/") && is_list(request) => {
            reply(200, "", &json!({ "total_count": 1, "secrets": [row] }).to_string())
        }
        _ => well_behaved(request),
    }
}

#[tokio::test]
async fn whoever_may_not_write_after_all_makes_room() {
    let canned = Canned::serve(well_behaved);
    let github = github_of_several(&canned.url);
    let store = |n| {
        let place = Place::in_repository(PlaceKind::Repo, "acme", &format!("r{n}"));
        GitHubSecret::new(Rc::clone(&github), place, NAME)
    };
    let stores: Vec<_> = (0..99).map(store).collect();
    for store in &stores {
        store.ready().await.unwrap();
    }
    let another = store(99);
    assert!(timeout(Duration::from_millis(50), another.last_write()).await.is_err(), "there is no more room");
    stores.iter().for_each(|store| store.release());
    another.last_write().await.unwrap();
}

/// Explaining why an environment is out of reach takes requests of its own, while others wait for the same key.
#[tokio::test]
async fn many_targets_in_a_place_out_of_reach_do_not_wait_for_each_other() {
    let canned = Canned::serve(|_: &Seen| no_such_thing());
    let github = github_of_several(&canned.url);
    let place = Place::in_environment("acme", "app", "production");
    let stores: Vec<_> =
        (0..150).map(|n| GitHubSecret::new(Rc::clone(&github), place.clone(), format!("S{n}"))).collect();
    let looks = stores.iter().map(async |store| {
        store.wait_for_capacity().await.unwrap();
        store.observe().await.unwrap_err()
    });
    let failures = timeout(Duration::from_secs(20), join_all(looks)).await.unwrap();
    assert!(failures.iter().any(|failure| matches!(failure, Failure::Refused(_))), "{failures:?}");
}

#[tokio::test]
async fn every_request_is_one_that_github_documents() {
    for place in places() {
        let server = Canned::serve(shared);
        let store = GitHubSecret::new(github(&server.url), place.clone(), NAME);
        store.observe().await.unwrap();
        store.write(&value()).await.unwrap();
        store.write_back(&value()).await.unwrap();
        store.last_write().await.unwrap();
        store.remove().await.unwrap();
        let seen = server.seen();
        let is_org = place.organisation().is_some();
        assert_eq!(seen.len(), if is_org { 8 } else { 6 }, "{place:?}");
        for Seen { method, target, headers, body } in &seen {
            OpenApi::github()
                .request(method, target, headers, body)
                .unwrap_or_else(|why| panic!("{method} {target}: {why}"));
            assert_eq!(headers["user-agent"], concat!("keyrotor/", env!("CARGO_PKG_VERSION")));
            assert!(!headers.contains_key("transfer-encoding"), "a body has a length");
        }
        for put in seen.iter().filter(|it| it.method == "PUT") {
            let sent: Value = serde_json::from_slice(&put.body).unwrap();
            let sealed = STANDARD.decode(sent["encrypted_value"].as_str().unwrap()).unwrap();
            assert_eq!(secret_key().unseal(&sealed).unwrap(), value().expose().as_bytes());
            assert_eq!(sent["key_id"], "42");
            let texts = place.kind() == PlaceKind::DependabotOrg;
            let ids: Vec<Value> =
                (1000..1101).map(|id: u64| if texts { json!(id.to_string()) } else { json!(id) }).collect();
            assert_eq!(sent.get("selected_repository_ids"), is_org.then(|| json!(ids)).as_ref(), "{place:?}");
            assert_eq!(sent.get("visibility"), is_org.then(|| json!("selected")).as_ref(), "{place:?}");
        }
    }
}

#[tokio::test]
async fn an_organisations_secret_is_not_written_before_its_scope_is_known() {
    let server = Canned::serve(shared);
    let store = GitHubSecret::new(github(&server.url), Place::in_organisation(PlaceKind::Org, "acme"), NAME);
    assert!(matches!(store.write(&value()).await, Err(Failure::Transient { .. })));
    assert!(server.seen().is_empty());
    store.ready().await.unwrap();
    store.write(&value()).await.unwrap();
    let unshown = Canned::serve(|it| {
        let rows = json!([{ "name": NAME, "created_at": WRITTEN, "updated_at": WRITTEN }]);
        if is_list(it) {
            reply(200, "", &json!({ "total_count": 1, "secrets": rows }).to_string())
        } else {
            well_behaved(it)
        }
    });
    let store = GitHubSecret::new(github(&unshown.url), Place::in_organisation(PlaceKind::Org, "acme"), NAME);
    let failure = store.observe().await.unwrap_err();
    assert!(refusal(&failure).message.contains("does not show the secret's visibility"), "{failure}");
}

#[tokio::test]
async fn a_look_asks_both_at_the_same_time() {
    let both = Arc::new(Barrier::new(2));
    let server = Canned::serve(move |request| {
        both.wait();
        well_behaved(request)
    });
    let sighting = store(&server.url).observe().await.unwrap();
    assert_eq!(sighting.held, Held::Since(WRITTEN.parse().unwrap()));
    assert_eq!(sighting.date, "2026-12-01T10:00:00Z".parse().unwrap());
}

#[tokio::test]
async fn a_404_is_an_absent_secret_only_where_the_public_key_can_be_read() {
    let absent = Canned::serve(|it| if it.target.ends_with("/public-key") { public_key() } else { no_such_thing() });
    assert_eq!(store(&absent.url).observe().await.unwrap().held, Held::Nothing);
    store(&absent.url).remove().await.unwrap();

    let unseen = Canned::serve(|_| no_such_thing());
    let failure = store(&unseen.url).observe().await.unwrap_err();
    assert_eq!(refusal(&failure).status, Some(404));
    assert!(failure.hint().unwrap().contains("cannot see"), "{failure:?}");
}

/// What lies beside a target in its place, shown by the list that shows the target itself.
#[tokio::test]
async fn a_look_shows_what_else_the_place_has() {
    let names = || [NAME.to_lowercase(), "OTHER".into(), "AROUTER_APIKEY".into()].into_iter();
    for place in places() {
        let server = Canned::serve(move |it| if is_list(it) { listed(3, names()) } else { well_behaved(it) });
        let accepted = ["Other".to_owned(), "GONE".to_owned()];
        let store = GitHubSecret::new(github(&server.url), place.clone(), NAME).accepting(&accepted);
        assert!(store.contents().others.is_empty(), "nothing was seen yet");
        assert_eq!(store.observe().await.unwrap().held, Held::Since(WRITTEN.parse().unwrap()), "{place:?}");
        assert_eq!(server.seen().len(), 2);
        let contents = store.contents();
        let others: Vec<_> = contents.others.iter().map(|it| it.target.clone()).collect();
        assert_eq!(others, ["OTHER", "AROUTER_APIKEY"].map(|name| format!("{place} {name}")));
        assert_eq!(contents.others[0].name, "OTHER");
        assert_eq!(contents.others[0].written, Some(WRITTEN.parse().unwrap()));
        assert_eq!(contents.accepted, ["OTHER", "GONE"], "as GitHub writes them");
        assert!(contents.value.is_none() && contents.unlisted.is_none());
    }
}

#[tokio::test]
async fn a_secret_that_a_whole_list_lacks_is_not_there() {
    let server = Canned::serve(|it| if is_list(it) { listed(1, ["OTHER".into()].into_iter()) } else { public_key() });
    let store = store(&server.url);
    assert_eq!(store.observe().await.unwrap().held, Held::Nothing);
    assert_eq!(server.seen().len(), 2);
}

/// An organisation may have 1,000 secrets.
#[tokio::test]
async fn every_page_of_a_list_is_read_and_what_is_in_none_is_asked_for_by_name() {
    for (total, last, held) in [(250, "S249", true), (250, "NONE", false), (2_000, "S1999", false)] {
        let server = Canned::serve(move |it| {
            let page = it.target.split("page=").last().and_then(|page| page.parse().ok()).unwrap_or(1_usize);
            let rows = (page - 1) * 100..(page * 100).min(total);
            match it.target.as_str() {
                path if path.ends_with("/public-key") => public_key(),
                _ if is_list(it) => listed(total, rows.map(|n| format!("S{n}"))),
                _ => no_such_thing(),
            }
        });
        let org = Place::in_organisation(PlaceKind::Org, "acme");
        let store = GitHubSecret::new(github(&server.url), org, last);
        assert_eq!(store.observe().await.unwrap().held != Held::Nothing, held, "{last}");
        let contents = store.contents();
        assert_eq!(contents.others.len(), (total - usize::from(held)).min(1_000));
        assert_eq!(contents.unlisted.is_some(), total > 1_000, "{:?}", contents.unlisted);
        let by_name = server.seen().iter().filter(|it| it.target.ends_with(last)).count();
        assert_eq!(by_name, usize::from(!held));
    }
}

#[tokio::test]
async fn where_the_list_is_refused_the_secret_is_asked_for_by_name() {
    for status in [403, 404] {
        let server =
            Canned::serve(
                move |it| {
                    if is_list(it) { reply(status, "", r#"{"message": "No"}"#) } else { well_behaved(it) }
                },
            );
        let store = store(&server.url);
        assert_eq!(store.observe().await.unwrap().held, Held::Since(WRITTEN.parse().unwrap()));
        let unlisted = store.contents().unlisted;
        assert_eq!(unlisted.as_deref(), Some("the token may not list the secrets of repo:acme/app"));
    }
    let broken = Canned::serve(|it| if is_list(it) { reply(502, "", "") } else { well_behaved(it) });
    assert!(matches!(store(&broken.url).observe().await, Err(Failure::Transient { .. })));
}

#[tokio::test]
async fn targets_of_one_place_share_one_list() {
    let server =
        Canned::serve(|it| if is_list(it) { listed(2, ["A".into(), "B".into()].into_iter()) } else { public_key() });
    let github = github(&server.url);
    let place = Place::in_repository(PlaceKind::Repo, "acme", "app");
    let stores = ["A", "B", "C"].map(|name| GitHubSecret::new(Rc::clone(&github), place.clone(), name));
    let looks = join_all(stores.iter().map(|store| store.observe())).await;
    let held: Vec<_> = looks.into_iter().map(|look| look.unwrap().held != Held::Nothing).collect();
    assert_eq!((held, server.seen().len()), (vec![true, true, false], 2));
    stores[0].observe().await.unwrap();
    assert_eq!(server.seen().len(), 4, "a list that has come is not news");
}

#[tokio::test]
async fn what_a_repository_sees_elsewhere_is_named_as_far_as_the_token_may_see_it() {
    fn named(field: &str, name: &str) -> Reply {
        let rows = json!([{ "name": name, "value": "v", "created_at": WRITTEN, "updated_at": WRITTEN }]);
        reply(200, "", &json!({ "total_count": 1, field: rows }).to_string())
    }
    let everywhere = |it: &Seen| match it.target.split('?').next().unwrap_or_default() {
        "/repos/acme/app/actions/secrets" => named("secrets", "OWN"),
        "/repos/acme/app/actions/organization-secrets" => named("secrets", "SHARED"),
        "/repos/acme/app/actions/variables" => named("variables", "VARIABLE"),
        "/repos/acme/app/environments" => reply(
            200,
            "",
            &json!({ "total_count": 2, "environments": [{ "name": "prod eu" }, { "name": "staging" }] }).to_string(),
        ),
        "/repos/acme/app/environments/prod%20eu/secrets" => named("secrets", "OF_PROD"),
        "/repos/acme/app/environments/staging/secrets" => named("secrets", "OF_STAGING"),
        "/orgs/acme/dependabot/secrets" => named("secrets", "OF_DEPENDABOT"),
        _ => no_such_thing(),
    };
    let targets = async |place: &Place, server: &Canned| {
        let store = GitHubSecret::new(github(&server.url), place.clone(), NAME);
        store.elsewhere().await.map(|found| found.into_iter().map(|it| it.target).collect::<Vec<_>>())
    };
    let server = Canned::serve(everywhere);
    let [repo, _, org, dependabot, ..] = places();
    let own = Place::in_environment("acme", "app", "Staging");
    let (shared, variable) = ("org:acme SHARED", "the variable VARIABLE of acme/app");
    let (prod, staging) = ("env:acme/app/prod eu OF_PROD", "env:acme/app/staging OF_STAGING");
    assert_eq!(targets(&repo, &server).await.unwrap(), [shared, prod, staging, variable]);
    assert_eq!(targets(&own, &server).await.unwrap(), ["repo:acme/app OWN", shared, prod, variable]);
    assert_eq!(
        targets(&dependabot, &server).await.unwrap(),
        ["repo:acme/app OWN", "dependabot-org:acme OF_DEPENDABOT"]
    );
    assert_eq!(targets(&org, &server).await.unwrap(), [""; 0]);
    for Seen { method, target, headers, body } in server.seen() {
        OpenApi::github().request(&method, &target, &headers, &body).unwrap_or_else(|why| panic!("{target}: {why}"));
    }

    let little =
        Canned::serve(move |it| if it.target.contains("variables") { everywhere(it) } else { no_such_thing() });
    assert_eq!(targets(&repo, &little).await.unwrap(), [variable]);
    let nothing = Canned::serve(|_| no_such_thing());
    assert_eq!(refusal(&targets(&repo, &nothing).await.unwrap_err()).status, Some(404));
}

#[tokio::test]
async fn a_write_needs_the_public_key_and_is_one_request() {
    let server = Canned::serve(well_behaved);
    let store = store(&server.url);
    assert!(matches!(store.write(&value()).await, Err(Failure::Transient { .. })));
    assert!(server.seen().is_empty());
    store.ready().await.unwrap();
    store.ready().await.unwrap();
    store.write(&value()).await.unwrap();
    let methods: Vec<_> = server.seen().into_iter().map(|it| it.method).collect();
    assert_eq!(methods, ["GET", "PUT"]);
}

#[tokio::test]
async fn a_stale_public_key_is_fetched_anew_once() {
    let refuses = |it: &Seen| if it.method == "PUT" { error(422, "", "Bad key") } else { well_behaved(it) };
    let server = Canned::serve(refuses);
    let store = store(&server.url);
    store.ready().await.unwrap();
    assert!(matches!(store.write(&value()).await, Err(Failure::Transient { .. })));
    store.ready().await.unwrap();
    let failure = store.write(&value()).await.unwrap_err();
    assert_eq!(refusal(&failure).status, Some(422));
    assert!(failure.message().contains("Bad key"), "{failure}");
    let keys = server.seen().iter().filter(|it| it.target.ends_with("/public-key")).count();
    assert_eq!(keys, 2);
}

#[tokio::test]
async fn a_key_that_is_none_and_a_value_that_is_too_long_are_refused_by_name() {
    let bad = Canned::serve(|_| reply(200, "", r#"{"key_id": "1", "key": "c2hvcnQ="}"#));
    let failure = store(&bad.url).ready().await.unwrap_err();
    assert_eq!(refusal(&failure).message, "repo:acme/app AROUTER_API_KEY: the public key has 5 bytes instead of 32");

    let server = Canned::serve(well_behaved);
    let store = store(&server.url);
    store.ready().await.unwrap();
    store.write(&Secret::new("x".repeat(48 * 1024))).await.unwrap();
    let failure = store.write(&Secret::new("x".repeat(48 * 1024 + 1))).await.unwrap_err();
    assert!(refusal(&failure).message.contains("49153 bytes"), "{failure}");
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_lost_answer_leaves_a_write_unknown_and_a_read_to_be_repeated() {
    let hang_up = |_: &Seen| Reply::default();
    let silent = |_: &Seen| {
        std::thread::sleep(Duration::from_secs(3));
        Reply::default()
    };
    for (server, words) in [(Canned::serve(hang_up), "broke"), (Canned::serve(silent), "in time")] {
        let failure = store(&server.url).remove().await.unwrap_err();
        assert!(matches!(failure, Failure::Unknown { .. }) && failure.message().contains(words), "{failure:?}");
        let failure = store(&server.url).last_write().await.unwrap_err();
        assert!(matches!(failure, Failure::Transient { .. }) && failure.message().contains(words), "{failure:?}");
    }
}

#[tokio::test]
async fn a_write_that_never_reached_a_server_has_no_effect() {
    // The near end of a connection takes no other, and nobody else gets its port meanwhile.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let url = Url::parse(&format!("http://{}", near.local_addr().unwrap())).unwrap();
    let failure = store(&url).remove().await.unwrap_err();
    assert!(matches!(failure, Failure::Hindered { .. }), "{failure:?}");
    assert!(failure.message().contains("no connection to 127.0.0.1 ("), "{failure:?}");
    assert!(failure.hint().unwrap().contains("can be reached"), "{failure:?}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_counts_by_its_status() {
    let cut = Canned::serve(|it| match it.method.as_str() {
        "GET" if it.target.ends_with("/public-key") => public_key(),
        "GET" => reply(200, "content-length: 99\r\n", ""),
        _ => reply(201, "content-length: 99\r\n", ""),
    });
    let store = store(&cut.url);
    store.ready().await.unwrap();
    store.write(&value()).await.unwrap();
    assert!(matches!(store.last_write().await, Err(Failure::Transient { .. })));
}

#[tokio::test]
async fn an_endless_or_nonsensical_answer_is_refused() {
    let long = Canned::serve(|_| reply(200, "", &"x".repeat(5 * 1024 * 1024)));
    let failure = store(&long.url).last_write().await.unwrap_err();
    assert!(refusal(&failure).message.contains("longer than"), "{failure}");
    let odd = Canned::serve(|_| reply(200, "", r#"{"updated_at": "yesterday"}"#));
    let failure = store(&odd.url).last_write().await.unwrap_err();
    assert!(refusal(&failure).message.contains("not what GitHub documents"), "{failure}");
}

/// Everything below `/repos/` moved to `/repositories/7/`, as GitHub answers for a renamed repository.
fn renamed(status: u16) -> impl Fn(&Seen) -> Reply {
    move |it| match it.target.strip_prefix("/repos/acme/app/") {
        Some(rest) => error(status, &format!("location: /repositories/7/{rest}\r\n"), "Moved"),
        None => well_behaved(it),
    }
}

#[tokio::test]
async fn a_renamed_repository_is_followed_with_method_and_body() {
    for (status, for_good) in [(301, true), (308, true), (302, false), (307, false)] {
        let server = Canned::serve(renamed(status));
        let store = store(&server.url);
        store.observe().await.unwrap();
        let before = server.seen().len();
        // A write is one request: where it has moved only for now it is begun again, at the new address.
        if !for_good {
            let moved = store.write(&value()).await.unwrap_err();
            assert!(matches!(moved, Failure::Transient { .. }), "{moved:?}");
        }
        store.write(&value()).await.unwrap();
        store.remove().await.unwrap();
        let seen = server.seen()[before..].to_vec();
        let sent: Vec<_> = seen.iter().filter(|it| it.target.starts_with("/repositories/7/")).collect();
        assert_eq!(sent.iter().map(|it| it.method.as_str()).collect::<Vec<_>>(), ["PUT", "DELETE"]);
        assert!(sent[0].body.starts_with(b"{"), "the body goes along");
        assert_eq!(seen.len(), if for_good { 2 } else { 3 }, "{status}");
    }
}

#[tokio::test]
async fn the_token_goes_to_no_other_host_and_round_no_loop() {
    let thief = Canned::serve(well_behaved);
    let location = format!("location: {}x\r\n", thief.url);
    let server = Canned::serve(move |_| reply(307, &location, ""));
    for failure in [store(&server.url).last_write().await.unwrap_err(), store(&server.url).remove().await.unwrap_err()]
    {
        assert_eq!(refusal(&failure).status, Some(307));
        assert!(failure.hint().unwrap().contains("GITHUB_API_URL"), "{failure:?}");
    }
    assert!(thief.seen().is_empty());

    let looping = Canned::serve(|_| reply(302, "location: /again\r\n", ""));
    let failure = store(&looping.url).last_write().await.unwrap_err();
    assert!(refusal(&failure).message.contains("more than 3"), "{failure}");
    assert_eq!(looping.seen().len(), 4);
}

#[tokio::test]
async fn a_server_below_a_path_is_asked_there_whatever_the_path() {
    for base in ["/", "/api/v3", "/api/v3/", "/re"] {
        let server = Canned::serve(well_behaved);
        store(&server.url.join(base).unwrap()).last_write().await.unwrap();
        let expected = format!("{}/repos/acme/app/actions/secrets/{NAME}", base.trim_end_matches('/'));
        assert_eq!(server.seen()[0].target, expected);
    }
}

/// What each server takes, by npm's `@octokit/openapi` 23.0.2: its description of github.com names changes of 2026-03-10,
/// those of GitHub Enterprise Server 3.17 to 3.19 name none.
const VERSIONS: [(&str, &[&str]); 2] =
    [("github.com", &["2022-11-28", "2026-03-10"]), ("GitHub Enterprise Server 3.17", &["2022-11-28"])];

#[test]
fn the_version_of_the_api_is_the_newest_that_every_server_takes() {
    let [(_, newest), (_, oldest)] = VERSIONS;
    assert_eq!(newest.iter().filter(|version| oldest.contains(version)).max(), Some(&API_VERSION));
}

#[tokio::test]
async fn names_are_encoded_and_never_leave_their_place_in_the_path() {
    let server = Canned::serve(|_| no_such_thing());
    let github = github(&server.url);
    let look = async |kind: PlaceKind, name: &str| {
        let place = match kind {
            PlaceKind::Env => Place::in_environment("acme", "app", name),
            kind if kind.row().of_organisation => Place::in_organisation(kind, name),
            kind => Place::in_repository(kind, "acme", name),
        };
        GitHubSecret::new(Rc::clone(&github), place, NAME).last_write().await
    };
    for kind in PlaceKind::ALL {
        look(kind, "a/b ü?#%2e").await.unwrap();
        let target = server.seen().pop().unwrap().target;
        assert!(
            !server.seen().pop().unwrap().headers.contains_key("content-length"),
            "octocrab's headers are not sent"
        );
        assert_eq!(target.split('/').filter(|part| *part == "a%2Fb%20%C3%BC%3F%23%252e").count(), 1, "{target}");
        let seen = server.seen().len();
        for name in ["", ".", "..", ".\t.", "a\nb"] {
            refusal(&look(kind, name).await.unwrap_err());
        }
        assert_eq!(server.seen().len(), seen, "{kind}");
    }
}

#[tokio::test]
async fn a_success_without_a_date_is_no_reason_to_believe_that_nothing_was_written() {
    let server = Canned::serve(|it| {
        if it.method == "PUT" {
            return Reply { head: "HTTP/1.1 204 \r\n".into(), body: String::new() };
        }
        well_behaved(it)
    });
    let store = store(&server.url);
    store.ready().await.unwrap();
    assert!(matches!(store.write(&value()).await, Err(Failure::Unknown { .. })));
}

#[tokio::test]
async fn a_token_with_a_line_break_is_refused_before_anything_is_sent() {
    let url = Url::parse("http://127.0.0.1:9").unwrap();
    let token = Credential::Token(Secret::new("ghp_0123456789\n".into()));
    let Err(failure) = GitHub::new(reqwest::Client::new(), url, token, Redactor::new()) else { panic!("taken") };
    assert!(!failure.message().contains("ghp_"), "{failure}");
}
