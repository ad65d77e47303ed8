use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crypto_box::PublicKey;
use crypto_box::aead::OsRng;
use keyrotor_fake::github::SecondaryLimit;
use keyrotor_fake::{Access, Place, World};
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
