use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crypto_box::PublicKey;
use crypto_box::aead::OsRng;
use keyrotor_fake::github::SecondaryLimit;
use keyrotor_fake::{Access, Permission, Place, Scope, TokenKind, World};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{SECRET, Scene, ask};

const SECRETS: &str = "/repos/acme/app/actions/secrets";

/// The body of a PUT that holds `value`, sealed with the key that a repository shows.
fn sealed(public_key: &Value, value: &str) -> Value {
    let key = STANDARD.decode(public_key["key"].as_str().unwrap()).unwrap();
    let sealed = PublicKey::from_slice(&key).unwrap().seal(&mut OsRng, value.as_bytes()).unwrap();
    json!({ "encrypted_value": STANDARD.encode(sealed), "key_id": public_key["key_id"] })
}

#[tokio::test]
async fn a_sealed_box_is_opened() {
    let scene = Scene::new(World::new()).await;
    let (_, key) = ask(scene.github(Method::GET, &format!("{SECRETS}/public-key"), "ghp_ci")).await;
    let put = async |name: &str, body: Value| {
        ask(scene.github(Method::PUT, &format!("{SECRETS}/{name}"), "ghp_ci").json(&body)).await.0
    };
    assert_eq!(put("other", sealed(&key, "one")).await, 201);
    assert_eq!(put("OTHER", sealed(&key, "two")).await, 204);
    assert_eq!(scene.world.value_at(&scene.app, "Other").as_deref(), Some("two"));

    let mut other_key = sealed(&key, "x");
    other_key["key_id"] = "1".into();
    let no_box = json!({ "encrypted_value": STANDARD.encode("no box at all"), "key_id": key["key_id"] });
    let no_base64 = json!({ "encrypted_value": "§", "key_id": key["key_id"] });
    for wrong in [other_key, no_box, no_base64, json!({ "encrypted_value": "" }), json!(null)] {
        assert_eq!(put("other", wrong.clone()).await, 422, "{wrong}");
    }
    assert_eq!(put("GITHUB_X", sealed(&key, "x")).await, 422);
    assert_eq!(put("big", sealed(&key, &"x".repeat(50_000))).await, 422);

    scene.world.by_hand(|state| state.github.rotate_public_key(&scene.app));
    assert_eq!(put("other", sealed(&key, "three")).await, 422);
    assert_eq!(scene.world.value_at(&scene.app, "other").as_deref(), Some("two"));
    let (_, key) = ask(scene.github(Method::GET, &format!("{SECRETS}/public-key"), "ghp_ci")).await;
    assert_eq!(put("other", sealed(&key, "three")).await, 204);
}

#[tokio::test]
async fn secrets_are_shown_listed_and_removed_without_their_values() {
    let scene = Scene::new(World::new()).await;
    scene.world.by_hand(|state| {
        for number in 0..35 {
            state.github.write_secret(&scene.app, &format!("S{number:02}"), "v");
        }
    });
    let path = format!("{SECRETS}/{}", SECRET.to_lowercase());
    let (status, shown) = ask(scene.github(Method::GET, &path, "ghp_ci")).await;
    assert_eq!((status, &shown["name"]), (200, &json!(SECRET)));
    assert!(shown["updated_at"].as_str().unwrap().starts_with("2026-12-01T09:00:0"), "{shown}");
    let (_, page) = ask(scene.github(Method::GET, &format!("{SECRETS}?per_page=20&page=2"), "ghp_ci")).await;
    assert_eq!((&page["total_count"], page["secrets"].as_array().unwrap().len()), (&json!(36), 16));

    assert_eq!(ask(scene.github(Method::DELETE, &path, "ghp_ci")).await.0, 204);
    assert_eq!(ask(scene.github(Method::DELETE, &path, "ghp_ci")).await.0, 404);
    assert_eq!(ask(scene.github(Method::GET, &path, "ghp_ci")).await.0, 404);
}

/// GitHub's pages "List repository organization secrets" and "List repository variables".
#[tokio::test]
async fn a_repository_shows_what_its_workflows_see_beside_its_secrets() {
    let scene = Scene::new(World::new()).await;
    scene.world.by_hand(|state| {
        let org = state.github.add_org("acme");
        let other = state.github.add_repo("acme/web");
        let [shown, hidden] = [&scene.app, &other].map(|place| BTreeSet::from([state.github.places[place].id]));
        for (name, scope) in [
            ("ALL", Scope::All),
            ("OURS", Scope::Selected(shown)),
            ("THEIRS", Scope::Selected(hidden)),
            ("W", Scope::Private),
        ] {
            state.github.write_secret(&org, name, "v");
            state.github.set_scope(&org, name, scope);
        }
        let variables = (0..12).map(|number| (format!("V{number:02}"), "shown".to_owned()));
        state.github.variables.insert(scene.app.clone(), variables.collect());
        state.github.add_token("ghp_meta", "onlooker", Access::Metadata);
    });
    let path = |last: &str| format!("/repos/acme/app/actions/{last}");
    let names = |list: &Value| list.as_array().unwrap().iter().map(|row| row["name"].to_string()).collect::<Vec<_>>();
    let (_, shown) = ask(scene.github(Method::GET, &path("organization-secrets"), "ghp_ci")).await;
    assert_eq!((names(&shown["secrets"]).join(" "), &shown["total_count"]), (r#""ALL" "OURS" "W""#.into(), &json!(3)));
    assert_eq!(shown["secrets"][1].get("visibility"), None);
    let (_, page) = ask(scene.github(Method::GET, &path("variables?page=2"), "ghp_ci")).await;
    assert_eq!((names(&page["variables"]).len(), &page["total_count"]), (2, &json!(12)));
    let (_, page) = ask(scene.github(Method::GET, &path("variables?per_page=100"), "ghp_ci")).await;
    assert_eq!(names(&page["variables"]).len(), 12);
    for last in ["organization-secrets", "variables"] {
        assert_eq!(ask(scene.github(Method::GET, &path(last), "ghp_meta")).await.0, 403);
    }
}

#[tokio::test]
async fn tokens_see_and_do_what_they_may() {
    let scene = Scene::new(World::new()).await;
    scene.world.by_hand(|state| {
        state.github.add_token("ghp_read", "reader", Access::Read);
        state.github.add_token("ghp_meta", "onlooker", Access::Metadata);
        state.github.add_token_for("ghp_far", "elsewhere", [(Place::repo("acme/web"), Access::Write)]);
    });
    let key = format!("{SECRETS}/public-key");
    let delete = format!("{SECRETS}/{SECRET}");
    for (token, reads, writes) in
        [("ghp_read", 200, 403), ("ghp_meta", 403, 403), ("ghp_far", 404, 404), ("ghp_unknown", 401, 401)]
    {
        assert_eq!(ask(scene.github(Method::GET, &key, token)).await.0, reads, "{token}");
        assert_eq!(ask(scene.github(Method::DELETE, &delete, token)).await.0, writes, "{token}");
    }
    let refused = scene.github(Method::DELETE, &delete, "ghp_read").send().await.unwrap();
    assert_eq!(refused.headers()["x-accepted-github-permissions"], "secrets=write");
    let nowhere = scene.github(Method::GET, "/repos/acme/none/actions/secrets/public-key", "ghp_ci");
    assert_eq!(ask(nowhere).await.0, 404);
}

#[tokio::test]
async fn a_moved_repository_redirects() {
    let scene = Scene::new(World::new()).await;
    let moved = scene.world.by_hand(|state| state.github.move_repo("acme/app", "acme/app2"));
    // reqwest keeps the credential on the same host, and the method on a 307.
    let (status, key) = ask(scene.github(Method::GET, &format!("{SECRETS}/public-key"), "ghp_ci")).await;
    assert_eq!(status, 200);
    let put = scene.github(Method::PUT, &format!("{SECRETS}/{SECRET}"), "ghp_ci").json(&sealed(&key, "new"));
    assert_eq!(ask(put).await.0, 204);
    assert_eq!(scene.world.value_at(&moved, SECRET).as_deref(), Some("new"));
    let statuses: Vec<_> = scene.world.requests().iter().map(|request| request.answered).collect();
    assert_eq!(format!("{statuses:?}"), "[Status(301), Status(200), Status(307), Status(204)]");
}

#[tokio::test]
async fn writes_that_come_too_fast_are_told_to_wait() {
    let scene = Scene::new(World::new()).await;
    scene.world.by_hand(|state| {
        state.github.rate_limit_remaining = Some(10);
        state.github.secondary_limit = Some(SecondaryLimit { writes_per_minute: 1, status: 403, retry_after: Some(7) });
    });
    let delete = || scene.github(Method::DELETE, &format!("{SECRETS}/{SECRET}"), "ghp_ci").send();
    assert_eq!(delete().await.unwrap().status(), 204);
    let refused = delete().await.unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (403, &"7".parse().unwrap()));
    assert_eq!(refused.headers()["x-ratelimit-remaining"], "9");
    scene.world.advance(std::time::Duration::from_secs(61));
    assert_eq!(delete().await.unwrap().status(), 404);
}

/// Where the secrets of each kind of place are.
const PATHS: [(&str, &str); 9] = [
    ("repo:acme/app", "/repos/acme/app/actions/secrets"),
    ("env:acme/app/review/a b", "/repos/ACME/app/environments/Review%2Fa%20b/secrets"),
    ("org:acme", "/orgs/Acme/actions/secrets"),
    ("dependabot:acme/app", "/repos/acme/app/dependabot/secrets"),
    ("dependabot-org:acme", "/orgs/acme/dependabot/secrets"),
    ("codespaces:acme/app", "/repos/acme/app/codespaces/secrets"),
    ("codespaces-org:acme", "/orgs/acme/codespaces/secrets"),
    ("agents:acme/app", "/repos/acme/app/agents/secrets"),
    ("agents-org:acme", "/orgs/acme/agents/secrets"),
];

#[tokio::test]
async fn every_kind_of_place_has_secrets_and_a_public_key_of_its_own() {
    let scene = Scene::new(World::new()).await;
    let mut keys = BTreeSet::new();
    for (target, path) in PATHS {
        let place = scene.world.by_hand(|state| state.github.add_place(target));
        assert_eq!(place.to_string(), target);
        let (status, key) = ask(scene.github(Method::GET, &format!("{path}/public-key"), "ghp_ci")).await;
        assert_eq!(status, 200, "{target}");
        keys.insert(key["key"].to_string());
        let mut body = sealed(&key, target);
        if place.organisation().is_some() {
            body["visibility"] = "all".into();
        }
        let put = |body: Value| ask(scene.github(Method::PUT, &format!("{path}/OWN"), "ghp_ci").json(&body));
        assert_eq!(put(body.clone()).await.0, 201, "{target}");
        assert_eq!(scene.world.value_at(&place, "own").as_deref(), Some(target));
        let (_, list) = ask(scene.github(Method::GET, path, "ghp_ci")).await;
        assert!(list["secrets"].as_array().unwrap().iter().any(|row| row["name"] == "OWN"), "{list}");
        assert_eq!(ask(scene.github(Method::DELETE, &format!("{path}/own"), "ghp_ci")).await.0, 204);
    }
    assert_eq!(keys.len(), PATHS.len());
    scene.world.by_hand(|state| state.github.is_enterprise_server = true);
    assert_eq!(ask(scene.github(Method::GET, "/orgs/acme/codespaces/secrets/public-key", "ghp_ci")).await.0, 404);
}

#[tokio::test]
async fn an_organisations_secret_has_a_scope() {
    let scene = Scene::new(World::new()).await;
    let ids = scene.world.by_hand(|state| {
        state.github.add_place("org:acme");
        let places = ["acme/app", "acme/web", "other/app"].map(|name| state.github.add_repo(name));
        places.map(|place| state.github.places[&place].id)
    });
    for (path, text_is_taken) in [("actions", true), ("dependabot", true), ("codespaces", false)] {
        let path = format!("/orgs/acme/{path}/secrets");
        let (_, key) = ask(scene.github(Method::GET, &format!("{path}/public-key"), "ghp_ci")).await;
        let put = async |scope: Value| {
            let mut body = sealed(&key, "x");
            body.as_object_mut().unwrap().extend(scope.as_object().unwrap().clone());
            ask(scene.github(Method::PUT, &format!("{path}/S"), "ghp_ci").json(&body)).await.0
        };
        let selected = |ids: Value| json!({ "visibility": "selected", "selected_repository_ids": ids });
        for wrong in [
            json!({}),
            json!({ "visibility": "public" }),
            json!({ "visibility": "all", "selected_repository_ids": [ids[0]] }),
            selected(json!([ids[0], 7])),
            selected(json!([ids[2]])),
            selected(json!("all")),
        ] {
            assert_eq!(put(wrong.clone()).await, 422, "{path} {wrong}");
        }
        assert_eq!(put(selected(json!([ids[0].to_string()]))).await, if text_is_taken { 201 } else { 422 });
        assert!([201, 204].contains(&put(selected(json!([ids[0], ids[1]]))).await));
        let (_, row) = ask(scene.github(Method::GET, &format!("{path}/S"), "ghp_ci")).await;
        assert_eq!(row["visibility"], "selected");
        let (_, page) =
            ask(scene.github(Method::GET, &format!("{path}/S/repositories?per_page=1&page=2"), "ghp_ci")).await;
        assert_eq!((&page["total_count"], &page["repositories"][0]["id"]), (&json!(2), &json!(ids[1])));
        // A list that is left out is an empty one.
        assert_eq!(put(json!({ "visibility": "selected" })).await, 204);
        let (_, page) = ask(scene.github(Method::GET, &format!("{path}/S/repositories"), "ghp_ci")).await;
        assert_eq!(page["total_count"], 0);
    }
    let org = Place::org("acme");
    scene.world.by_hand(|state| state.github.write_secret(&org, "T", "x"));
    assert_eq!(scene.world.read(|state| state.github.secret(&org, "T").unwrap().scope.clone()), Some(Scope::Private));
}

#[tokio::test]
async fn repositories_and_their_environments_are_shown_to_whom_may_see_them() {
    let scene = Scene::new(World::new()).await;
    let id = scene.world.by_hand(|state| {
        state.github.add_environment("Acme/App", "Prod EU");
        state.github.add_token("ghp_fine", "fine", Access::Write);
        let permissions = [(Permission::Environments, Access::Read)].into();
        state.github.tokens.get_mut("ghp_fine").unwrap().permissions = Some(permissions);
        state.github.places[&scene.app].id
    });
    let get = async |path: &str, token: &str| ask(scene.github(Method::GET, path, token)).await;
    assert_eq!(get("/repos/acme/app", "ghp_fine").await.1["id"], id);
    assert_eq!(get("/repos/acme/nope", "ghp_fine").await.0, 404);
    let (_, list) = get("/repos/acme/app/environments?per_page=100&page=1", "ghp_ci").await;
    assert_eq!((&list["total_count"], &list["environments"][0]["name"]), (&json!(1), &json!("Prod EU")));
    assert_eq!(get("/repos/acme/app/environments/prod%20eu", "ghp_ci").await.0, 200);
    assert_eq!(get("/repos/acme/app/environments/prod", "ghp_ci").await.0, 404);
    assert_eq!(get("/repos/acme/app/environments", "ghp_fine").await.0, 403);
    assert_eq!(get("/repos/acme/app/environments/prod%20eu/secrets/public-key", "ghp_fine").await.0, 200);
    assert_eq!(get("/repos/acme/app/environments/prod/secrets/public-key", "ghp_fine").await.0, 404);
    assert_eq!(get("/repos/acme/app/dependabot/secrets/public-key", "ghp_fine").await.0, 403);

    scene.world.by_hand(|state| state.github.move_repo("acme/app", "acme/new"));
    for path in
        ["/repos/acme/app", "/repos/acme/app/environments", "/repos/acme/app/environments/prod%20eu/secrets/public-key"]
    {
        assert_eq!(get(path, "ghp_ci").await.0, 200, "{path}");
    }
}

#[tokio::test]
async fn tokens_are_refused_by_their_kind_and_expire() {
    let scene = Scene::new(World::new()).await;
    let kind = |kind: TokenKind| {
        scene.world.by_hand(|state| state.github.tokens.get_mut("ghp_ci").unwrap().kind = kind);
    };
    let get = || scene.github(Method::GET, &format!("{SECRETS}/public-key"), "ghp_ci").send();
    kind(TokenKind::Classic(vec!["gist".to_owned()]));
    let refused = get().await.unwrap();
    assert_eq!(refused.status(), 403);
    assert_eq!(
        (&refused.headers()["x-oauth-scopes"], &refused.headers()["x-accepted-oauth-scopes"]),
        (&"gist".parse().unwrap(), &"repo".parse().unwrap())
    );
    kind(TokenKind::Classic(vec!["repo".to_owned()]));
    assert_eq!(get().await.unwrap().status(), 200);
    kind(TokenKind::Workflow);
    assert_eq!(get().await.unwrap().status(), 403);
    kind(TokenKind::FineGrained);
    let end = scene.world.now() + jiff::SignedDuration::from_secs(60);
    scene.world.by_hand(|state| state.github.tokens.get_mut("ghp_ci").unwrap().expires = Some(end));
    let shown = get().await.unwrap();
    let header = shown.headers()["github-authentication-token-expiration"].to_str().unwrap().to_owned();
    assert!(header.starts_with("2026-12-01 09:0") && header.ends_with(" UTC"), "{header}");
    scene.world.advance(std::time::Duration::from_secs(61));
    assert_eq!(get().await.unwrap().status(), 401);
}
