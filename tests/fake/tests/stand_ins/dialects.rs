use std::collections::BTreeSet;
use std::time::Duration;

use keyrotor_fake::{Behaviour, DeleteAnswer, Dialect, ErrorStyle, Rename, Wider, World};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{Scene, ask};

const CHAT: &str = "/v1/chat/completions";

#[tokio::test]
async fn mgmt_makes_shows_renames_and_deletes() {
    let scene = Scene::new(World::new()).await;
    let asked = json!({
        "name": "production-2026-12-01-7f3a9c-unconfirmed",
        "limit": 50, "limit_reset": "monthly", "expires_at": "2027-01-01T00:00:00Z",
        "allowed_providers": ["openai"], "frobnicate": true,
    });
    let (status, made) = ask(scene.issuer(Method::POST, "/api/v1/keys", &scene.management).json(&asked)).await;
    assert_eq!(status, 200);
    let (value, id) = (made["key"].as_str().unwrap(), made["data"]["hash"].as_str().unwrap());
    assert!(value.starts_with("lr_live_") && value.len() == 48 && id.len() == 64, "{made}");
    assert_eq!(made["data"]["limit"], 50.0);
    assert_eq!(made["data"]["allowed_providers"], json!(["openai"]));
    assert_eq!(made["data"]["expires_at"], "2027-01-01T00:00:00Z");
    assert!(made["data"].get("frobnicate").is_none());

    let (_, list) = ask(scene.issuer(Method::GET, "/api/v1/keys", &scene.management)).await;
    assert_eq!(list["data"].as_array().unwrap().len(), 3);
    assert_eq!(list["data"][0]["hash"], id, "newest first");
    assert_eq!(list["data"][2]["key_type"], "management");

    let path = format!("/api/v1/keys/{id}");
    scene.world.advance(Duration::from_secs(5));
    let rename = json!({ "name": "production-2026-12-01-7f3a9c", "limit": null });
    let (status, renamed) = ask(scene.issuer(Method::PATCH, &path, &scene.management).json(&rename)).await;
    assert_eq!((status, &renamed["data"]["name"]), (200, &rename["name"]));
    assert_eq!(renamed["data"]["limit"], Value::Null);
    assert_ne!(renamed["data"]["updated_at"], renamed["data"]["created_at"]);

    let gone = ask(scene.issuer(Method::DELETE, &path, &scene.management)).await;
    assert_eq!(gone, (200, json!({ "data": { "deleted": true } })));
    assert_eq!(ask(scene.issuer(Method::DELETE, &path, &scene.management)).await.0, 404);
    assert_eq!(ask(scene.issuer(Method::GET, "/v1/models", value)).await.0, 401);
    assert_eq!(ask(scene.issuer(Method::GET, "/v1/keys", &scene.management)).await.0, 404);
}

#[tokio::test]
async fn mgmt_knows_who_may_do_what() {
    let scene = Scene::new(World::new()).await;
    let status = async |method, path: &str, key: &str| ask(scene.issuer(method, path, key)).await.0;
    assert_eq!(status(Method::GET, "/api/v1/keys", &scene.live).await, 403);
    assert_eq!(status(Method::GET, "/api/v1/keys", "lr_live_never").await, 401);
    assert_eq!(ask(scene.client.get(format!("{}/api/v1/keys", scene.fakes.issuer_url))).await.0, 401);
    assert_eq!(status(Method::GET, "/v1/models", &scene.management).await, 403);
    assert_eq!(status(Method::GET, "/v1/models", &scene.live).await, 200);
    let (_, own) = ask(scene.issuer(Method::GET, "/api/v1/key", &scene.live)).await;
    assert_eq!(own["data"]["is_management_key"], false);
    assert_eq!(status(Method::GET, "/v1/key", &scene.live).await, 200);
    let nameless = scene.issuer(Method::POST, "/api/v1/keys", &scene.management).json(&json!({ "limit": 1 }));
    assert_eq!(ask(nameless).await.0, 400);

    let disable = json!({ "disabled": true });
    let path = format!("/api/v1/keys/{}", scene.live_id);
    assert_eq!(ask(scene.issuer(Method::PATCH, &path, &scene.management).json(&disable)).await.0, 200);
    assert_eq!(status(Method::GET, "/v1/models", &scene.live).await, 401);
    let rows = async |query: &str| {
        let (_, list) = ask(scene.issuer(Method::GET, &format!("/api/v1/keys{query}"), &scene.management)).await;
        list["data"].as_array().unwrap().len()
    };
    assert_eq!((rows("").await, rows("?include_disabled=true").await), (1, 2));
}

#[tokio::test]
async fn guide_lets_live_keys_manage_and_shows_little() {
    let scene = Scene::new(World::with_dialect(Dialect::Guide)).await;
    let asked = json!({ "name": "production-2026-12-01", "spending_limit": 7, "allowed_providers": ["openai"] });
    let (status, made) = ask(scene.issuer(Method::POST, "/v1/keys", &scene.live).json(&asked)).await;
    assert_eq!(status, 200);
    let (value, id) = (made["key"].as_str().unwrap(), made["id"].as_str().unwrap());
    assert!(id.starts_with("key_") && made.as_object().unwrap().len() == 2, "{made}");

    let (_, list) = ask(scene.issuer(Method::GET, "/v1/keys", value)).await;
    let shown: BTreeSet<&str> = list["data"][0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(shown, BTreeSet::from(["created_at", "id", "last_used_at", "name", "spending_limit"]));
    assert_eq!(list["data"][0]["spending_limit"], 7.0);
    assert_eq!(scene.world.key_of_value(value).unwrap().rights.allowed_providers, ["openai"]);

    let old = format!("/v1/keys/{}", scene.live_id);
    assert_eq!(ask(scene.issuer(Method::PATCH, &old, value).json(&json!({ "name": "x" }))).await.0, 405);
    assert_eq!(ask(scene.issuer(Method::DELETE, &old, value)).await.0, 200);
    assert_eq!(ask(scene.issuer(Method::GET, "/v1/keys", &scene.live)).await.0, 401);
    assert_eq!(ask(scene.issuer(Method::GET, "/api/v1/keys", value)).await.0, 404);
    assert_eq!(ask(scene.issuer(Method::GET, "/api/v1/key", value)).await.0, 404);
    let itself = format!("/v1/keys/{id}");
    assert_eq!(ask(scene.issuer(Method::DELETE, &itself, value)).await.0, 200);
}

#[tokio::test]
async fn overview_has_its_own_words() {
    let scene = Scene::new(World::with_dialect(Dialect::Overview)).await;
    assert!(scene.management.starts_with("lr_admin_"));
    let asked = json!({ "name": "production-2026-12-01", "limit": 5, "limit_usd": 9, "allowed_models": ["a"] });
    let (_, made) = ask(scene.issuer(Method::POST, "/api/v1/keys", &scene.management).json(&asked)).await;
    let fields: Vec<_> = made.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["hash", "key", "name"]);
    let only_limit = json!({ "name": "other", "limit": 5 });
    ask(scene.issuer(Method::POST, "/api/v1/keys", &scene.management).json(&only_limit)).await;

    let (_, list) = ask(scene.issuer(Method::GET, "/api/v1/keys", &scene.management)).await;
    assert_eq!(list["data"][0]["limit_usd"], Value::Null, "`limit` is not its word");
    let row = &list["data"][1];
    assert_eq!((&row["limit_usd"], &row["usage"]["cost"]), (&json!(9.0), &json!(0.0)));
    assert!(row["label"].as_str().unwrap().starts_with("lr_live_") && row.get("updated_at").is_none(), "{row}");

    let path = format!("/api/v1/keys/{}", made["hash"].as_str().unwrap());
    let patch = json!({ "name": "renamed", "limit_usd": 3, "rate_limit": { "requests_per_minute": 1 } });
    let (status, row) = ask(scene.issuer(Method::PATCH, &path, &scene.management).json(&patch)).await;
    assert_eq!((status, &row["data"]["name"]), (200, &asked["name"]), "the name stays");
    assert_eq!((&row["data"]["limit_usd"], &row["data"]["rate_limit"]), (&json!(3.0), &patch["rate_limit"]));
}

#[tokio::test]
async fn openrouter_differs_where_it_does() {
    let world = World::new();
    world.by_hand(|state| state.issuer.behaviour = Behaviour::openrouter());
    let scene = Scene::new(world).await;
    let asked = json!({ "name": "n", "allowed_providers": ["openai"], "workspace_id": "w1" });
    let (status, made) = ask(scene.issuer(Method::POST, "/api/v1/keys", &scene.management).json(&asked)).await;
    assert_eq!((status, &made["data"]["workspace_id"]), (201, &json!("w1")));
    assert!(made["data"].get("allowed_providers").is_none() && made["data"]["label"].is_string(), "{made}");
    let rows = async |query: &str| {
        let (_, list) = ask(scene.issuer(Method::GET, &format!("/api/v1/keys{query}"), &scene.management)).await;
        list["data"].as_array().unwrap().len()
    };
    assert_eq!((rows("").await, rows("?workspace_id=w1").await), (2, 1));
    assert_eq!(ask(scene.issuer(Method::GET, "/api/v1/models", "sk-or-v1-never")).await.0, 200);
    assert_eq!(ask(scene.issuer(Method::GET, "/api/v1/key", "sk-or-v1-never")).await.0, 401);
}

#[tokio::test]
async fn pages_by_offset_and_by_token() {
    let scene = Scene::new(World::new()).await;
    scene.world.by_hand(|state| {
        for number in 0..23 {
            state.issuer.seed_key(&format!("k{number}"), |_| ());
        }
        state.issuer.behaviour.page_cap = 10;
    });
    let page = async |query: String| {
        let (_, list) = ask(scene.issuer(Method::GET, &format!("/api/v1/keys?{query}"), &scene.management)).await;
        let ids: Vec<String> =
            list["data"].as_array().unwrap().iter().map(|row| row["hash"].as_str().unwrap().into()).collect();
        (ids, list["next_page_token"].as_str().map(str::to_owned))
    };
    let sizes = [page("page_size=100".into()).await.0.len(), page("offset=20".into()).await.0.len()];
    assert_eq!(sizes, [10, 5]);

    scene.world.by_hand(|state| {
        state.issuer.behaviour.next_page_token = true;
        state.issuer.behaviour.honours_offset = false;
    });
    assert_eq!(page("offset=20".into()).await.0, page(String::new()).await.0);
    let (mut ids, mut next) = page(String::new()).await;
    while let Some(token) = next {
        let (more, then) = page(format!("page_token={token}")).await;
        ids.extend(more);
        next = then;
    }
    assert_eq!((ids.len(), ids.iter().collect::<BTreeSet<_>>().len()), (25, 25));
}

#[tokio::test]
async fn chat_marks_use_and_models_only_if_asked_to() {
    let scene = Scene::new(World::new()).await;
    let used = || scene.world.key_of_value(&scene.live).unwrap().last_used_at.is_some();
    let chat = async |model: &str| {
        let body = json!({ "model": model, "messages": [{ "role": "user", "content": "hi" }], "max_tokens": 1 });
        ask(scene.issuer(Method::POST, CHAT, &scene.live).json(&body)).await.0
    };
    ask(scene.issuer(Method::GET, "/v1/models", &scene.live)).await;
    assert!(!used());
    scene.world.by_hand(|state| {
        state.issuer.models[1].chat_status = 503;
        state.issuer.key_mut(&scene.live_id).unwrap().rights.allowed_providers =
            vec!["openai".into(), "anthropic".into()];
    });
    assert_eq!(chat("anthropic/claude-haiku").await, 503);
    assert_eq!(chat("google/gemini-flash").await, 403);
    assert_eq!(chat("no/such").await, 400);
    assert!(!used());
    assert_eq!(chat("openai/gpt-5-nano").await, 200);
    assert!(used());
    let (_, models) = ask(scene.issuer(Method::GET, "/v1/models", &scene.live)).await;
    assert_eq!(models["data"].as_array().unwrap().len(), 2);
    scene.world.by_hand(|state| state.issuer.key_mut(&scene.live_id).unwrap().rights.limit = Some(0.0));
    assert_eq!(chat("openai/gpt-5-nano").await, 402);

    let before = scene.world.key_of_value(&scene.live).unwrap().last_used_at;
    scene.world.advance(Duration::from_secs(86_400));
    scene.world.by_hand(|state| state.issuer.behaviour.models_count_as_use = true);
    ask(scene.issuer(Method::GET, "/v1/models", &scene.live)).await;
    let after = scene.world.key_of_value(&scene.live).unwrap();
    assert!(after.last_used_at > before && after.usage_daily == 0.0);
}

#[tokio::test]
async fn switches_do_what_they_say() {
    let scene = Scene::new(World::new()).await;
    scene.world.by_hand(|state| {
        state.issuer.behaviour = Behaviour {
            wider: vec![Wider::IgnoresProviders, Wider::DoublesLimit, Wider::IgnoresExpiry],
            activation_delay: Duration::from_secs(10),
            rename: Rename::Ignored,
            delete_answer: DeleteAnswer::NoContent,
            omit_unset: true,
            list_lag: Duration::from_secs(2),
            error_style: ErrorStyle::Flat,
            echo_key_in_errors: true,
            hostile_text: Some("\n::error::forged".into()),
            ..Behaviour::mgmt()
        }
    });
    let asked = json!({
        "name": "n", "limit": 4, "allowed_providers": ["openai"], "expires_at": "2027-01-01T00:00:00Z",
    });
    let (_, made) = ask(scene.issuer(Method::POST, "/api/v1/keys", &scene.management).json(&asked)).await;
    assert_eq!(made["data"]["limit"], 8.0);
    for absent in ["allowed_providers", "expires_at", "label"] {
        assert!(made["data"].get(absent).is_none(), "{absent}");
    }
    let value = made["key"].as_str().unwrap();
    let (status, error) = ask(scene.issuer(Method::GET, "/v1/models", value)).await;
    assert_eq!(status, 401);
    assert_eq!(error["message"], format!("\n::error::forged (Authorization: Bearer {value})"));

    let listed = async || {
        let (_, list) = ask(scene.issuer(Method::GET, "/api/v1/keys", &scene.management)).await;
        list["data"].as_array().unwrap().len()
    };
    assert_eq!(listed().await, 2);
    scene.world.advance(Duration::from_secs(3));
    assert_eq!(listed().await, 3);
    scene.world.advance(Duration::from_secs(8));
    assert_eq!(ask(scene.issuer(Method::GET, "/v1/models", value)).await.0, 200);

    let path = format!("/api/v1/keys/{}", made["data"]["hash"].as_str().unwrap());
    let (_, row) = ask(scene.issuer(Method::PATCH, &path, &scene.management).json(&json!({ "name": "m" }))).await;
    assert_eq!(row["data"]["name"], "n");
    assert_eq!(ask(scene.issuer(Method::DELETE, &path, &scene.management)).await.0, 204);
    assert_eq!(listed().await, 3, "still listed for a while");
    scene.world.advance(Duration::from_secs(3));
    assert_eq!(listed().await, 2);
}

#[tokio::test]
async fn errors_have_five_forms() {
    let scene = Scene::new(World::new()).await;
    let error = async |style| {
        scene.world.by_hand(|state| state.issuer.behaviour.error_style = style);
        let response = scene.issuer(Method::GET, "/v1/models", "lr_live_never").send().await.unwrap();
        assert_eq!(response.status(), 401);
        response.text().await.unwrap()
    };
    let (message, word) = ("Invalid API key", "invalid_api_key");
    for (style, expected) in [
        (ErrorStyle::Typed, json!({ "error": { "message": message, "type": word } })),
        (ErrorStyle::Numbered, json!({ "error": { "code": 401, "message": message, "metadata": {} } })),
        (ErrorStyle::Named, json!({ "error": { "code": word, "message": message } })),
        (ErrorStyle::Flat, json!({ "code": word, "message": message, "details": null })),
    ] {
        assert_eq!(error(style).await, expected.to_string());
    }
    assert!(error(ErrorStyle::Html).await.starts_with("<html>"));
}

#[tokio::test]
async fn the_issuers_clock_is_its_own() {
    let scene = Scene::new(World::new()).await;
    scene.world.by_hand(|state| state.issuer.clock.skew = -300);
    let asked = json!({ "name": "n" });
    let response = scene.issuer(Method::POST, "/api/v1/keys", &scene.management).json(&asked).send().await.unwrap();
    let date = response.headers()["date"].to_str().unwrap().to_owned();
    assert!(date.starts_with("Tue, 01 Dec 2026 08:55:0") && date.ends_with(" GMT"), "{date}");
    let made: Value = response.json().await.unwrap();
    assert!(made["data"]["created_at"].as_str().unwrap().starts_with("2026-12-01T08:55:0"));
}

/// As OpenRouter's Node SDK describes it (`@openrouter/sdk` 1.3.19, `funcs/guardrailsBulkAssignKeys`,
/// `funcs/guardrailsListKeyAssignments`).
#[tokio::test]
async fn openrouter_assigns_guardrails_to_keys() {
    let scene = Scene::new(World::with_dialect(Dialect::OpenRouter)).await;
    let [first, second] =
        scene.world.by_hand(|state| ["no training", "europe"].map(|name| state.issuer.guardrails.add(name)));
    let assign = async |guardrail: &str, hash: &str| {
        let path = format!("/api/v1/guardrails/{guardrail}/assignments/keys");
        let body = json!({ "key_hashes": [hash] });
        ask(scene.issuer(Method::POST, &path, &scene.management).json(&body)).await
    };
    let list = async |query: &str| {
        let path = format!("/api/v1/guardrails/assignments/keys{query}");
        ask(scene.issuer(Method::GET, &path, &scene.management)).await.1
    };
    assert_eq!(list("").await, json!({ "data": [], "total_count": 0 }));
    assert_eq!(assign(&first, &scene.live_id).await, (200, json!({ "assigned_count": 1 })));
    assert_eq!(assign(&first, &scene.live_id).await, (200, json!({ "assigned_count": 0 })));
    assert_eq!((assign("none", &scene.live_id).await.0, assign(&first, "none").await.0), (404, 404));
    let row = &list("").await["data"][0];
    assert_eq!((&row["guardrail_id"], &row["key_hash"]), (&json!(first), &json!(scene.live_id)));
    assert!(row["key_name"] == "production-2026-09-01" && row["created_at"].is_string(), "{row}");
    // A key holds one guardrail: the last one replaces it.
    assign(&second, &scene.live_id).await;
    assert_eq!(scene.world.read(|state| state.issuer.guardrails.assignments.len()), 1);
    scene.world.by_hand(|state| state.issuer.behaviour.several_guardrails = true);
    assign(&first, &scene.live_id).await;
    let page = list("?offset=1&limit=1").await;
    assert_eq!((&page["total_count"], page["data"].as_array().unwrap().len()), (&json!(2), 1));
    let path = format!("/api/v1/guardrails/{second}");
    assert_eq!(ask(scene.issuer(Method::GET, &path, &scene.management)).await.1["data"]["name"], "europe");
    // Regular keys manage nothing; a key that is gone has no guardrails.
    let all = "/api/v1/guardrails/assignments/keys";
    assert_eq!(ask(scene.issuer(Method::GET, all, &scene.live)).await.0, 403);
    ask(scene.issuer(Method::DELETE, &format!("/api/v1/keys/{}", scene.live_id), &scene.management)).await;
    assert_eq!(list("").await["total_count"], 0);
    assert_eq!(ask(Scene::new(World::new()).await.issuer(Method::GET, all, "x")).await.0, 404);
}
