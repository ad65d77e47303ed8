//! The real program and the stand-ins, each judged by the official description of the API between them: Prism stands in
//! between and lets nothing pass that the description does not allow.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::time::Duration;

use std::fs;
use std::path::{Path, PathBuf};

use keyrotor_fake::{Dialect, Scope, Server, Wider};
use serde_json::{Map, Value, json};

use crate::harness::{Ran, SECRET, Setting, Stage};
use crate::peers::programs::Prism;

/// What a description that has no errors makes Prism say of one.
const NO_SUCH_STATUS: &str = "Violation: response Unable to match the returned status code with those defined";

fn document(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi").join(name)
}

/// Prism is slower than any server: a renewal must not be given up for that.
fn setting(dialect: Dialect) -> Setting {
    Setting::new(dialect).input("request-timeout", "10s").input("verify-timeout", "20s")
}

fn rotated(stage: &Stage, ran: &Ran, prism: &Prism) {
    assert_eq!((ran.status(), ran.rotated()), (0, true), "{}\n{}", ran.log(), prism.log());
    stage.check_healed().unwrap();
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn what_github_is_asked_and_answers_is_what_github_describes() {
    let places = [
        "repo:acme/app",
        "env:acme/app/review/feature 1",
        "org:acme",
        "dependabot:acme/app",
        "dependabot-org:acme",
        "codespaces:acme/app",
        "codespaces-org:acme",
        "agents:acme/app",
        "agents-org:acme",
    ];
    let stage = setting(Dialect::Mgmt).places(&places).with_current_key().stage();
    let prism = Prism::start(&document("github-secrets.json"), &stage.fakes.github_url);
    let run = || stage.action().variable("GITHUB_API_URL", &prism.url).run();
    rotated(&stage, &run(), &prism);
    // A secret that an organisation shows to some repositories, and one that is not there yet.
    stage.world.by_hand(|state| {
        let id = state.github.places[&stage.places[0]].id;
        state.github.set_scope(&stage.places[2], SECRET, Scope::Selected([id].into()));
        state.github.remove(&stage.places[1], SECRET);
    });
    rotated(&stage, &run(), &prism);
    // Soon after a rotation the key before it may be accepted still: nothing is put back then.
    stage.world.advance(Duration::from_secs(600));
    stage.world.fault("github:PUT:2:status=403");
    let ran = run();
    assert_eq!((ran.status(), ran.output("outcome")), (1, "rolled-back"), "{}", ran.log());
    stage.check_healed().unwrap();
    // The description has no errors; what stands in them is checked in `openapi.rs`.
    let complaints = prism.complaints();
    assert!(complaints.iter().all(|it| it.contains(NO_SUCH_STATUS)) && complaints.len() >= 2, "{complaints:?}");

    // A judge who lets everything pass proves nothing.
    let without_key_id = prism.send("PUT", "/repos/a/b/actions/secrets/X", r#"{"encrypted_value":"x"}"#);
    assert!(without_key_id.starts_with("HTTP/1.1 422"), "{without_key_id}");
    stage.world.fault("github:GET~/public-key:1x99:status=200,body={\"key_id\":\"1\"}");
    let ran = run();
    assert_eq!((ran.status(), ran.output("outcome")), (1, "unchanged"), "{}", ran.log());
    assert!(prism.log().contains("errors#VIOLATIONS"), "{}", prism.log());
}

/// Two descriptions as one.
fn both(first: &str, second: &str) -> Value {
    let read = |name: &str| -> Value { serde_json::from_str(&fs::read_to_string(document(name)).unwrap()).unwrap() };
    let (mut api, mut more) = (read(first), read(second));
    for place in ["/paths", "/components/schemas", "/components/parameters", "/components/responses"] {
        let Some(more) = more.pointer_mut(place).map(std::mem::take) else { continue };
        let (above, name) = place.rsplit_once('/').unwrap();
        let part = api.pointer_mut(above).unwrap().as_object_mut().unwrap().entry(name).or_insert(json!({}));
        part.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    }
    api
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn what_github_is_asked_of_alerts_is_what_github_describes() {
    let stage = setting(Dialect::Mgmt).stage();
    let path = stage.path("github.json");
    fs::write(&path, both("github-secrets.json", "github-alerts.json").to_string()).unwrap();
    let prism = Prism::start(&path, &stage.fakes.github_url);
    let watch = |of: &str| {
        let value = stage.held()[0].clone().unwrap();
        stage.world.by_hand(|state| _ = state.github.leak("acme/app", &value));
        let watch = stage.action().input("command", "watch-leaks").input("alerts-of", of);
        watch.variable("GITHUB_API_URL", &prism.url).run()
    };
    for of in ["acme/app", "acme"] {
        rotated(&stage, &watch(of), &prism);
        assert!(stage.world.read(|state| state.github.alerts.iter().all(|alert| !alert.open)), "{of}");
        // Soon after a rotation the key before it may be accepted still, and may be the one that was found.
        stage.world.advance(Duration::from_secs(600));
    }
    let complaints = prism.complaints();
    assert!(complaints.iter().all(|it| it.contains(NO_SUCH_STATUS)), "{complaints:?}");
    // A judge who lets everything pass proves nothing.
    let unknown = prism.send("PATCH", "/repos/acme/app/secret-scanning/alerts/1", r#"{"state":"gone"}"#);
    assert!(unknown.starts_with("HTTP/1.1 422"), "{unknown}");
}

/// OpenRouter's description, as the program finds it below the root of the API's address.
fn openrouter(stage: &Stage) -> PathBuf {
    let mut api = both("openrouter-keys.json", "openrouter-guardrails.json");
    let paths = api["paths"].as_object_mut().unwrap();
    let below = std::mem::take(paths).into_iter().map(|(path, calls)| (format!("/api/v1{path}"), calls));
    *paths = below.collect::<Map<_, _>>();
    api["servers"] = json!([]);
    let path = stage.path("openrouter.json");
    fs::write(&path, api.to_string()).unwrap();
    path
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn what_openrouter_is_asked_and_answers_is_what_openrouter_describes() {
    let stage = setting(Dialect::OpenRouter).with_current_key().stage();
    stage.world.by_hand(|state| {
        let guardrail = state.issuer.guardrails.add("no training");
        let keys: Vec<_> = state.issuer.keys.iter().map(|key| key.id.clone()).collect();
        keys.iter().for_each(|key| _ = state.issuer.guard(key, &guardrail));
    });
    let prism = Prism::start(&openrouter(&stage), &stage.fakes.issuer_url);
    let run = || stage.action().input("issuer-url", &prism.url).run();
    let ran = run();
    rotated(&stage, &ran, &prism);
    let asked = |method: &str, path: &str| {
        ran.requests.iter().any(|it| it.server == Server::Issuer && it.method == method && it.path.starts_with(path))
    };
    for (method, path) in [
        ("GET", "/api/v1/keys?"),
        ("POST", "/api/v1/keys"),
        ("PATCH", "/api/v1/keys/"),
        ("DELETE", "/api/v1/keys/"),
        ("GET", "/api/v1/key"),
        ("GET", "/api/v1/guardrails/assignments/keys?"),
        ("POST", "/api/v1/guardrails/"),
    ] {
        assert!(asked(method, path), "{method} {path} was not asked");
    }
    let refused =
        stage.action().input("issuer-url", &prism.url).secret("management-key", "sk-or-v1-neverissued000").run();
    assert_eq!((refused.status(), refused.output("outcome")), (1, "unchanged"), "{}", refused.log());
    let ran = stage.action().input("issuer-url", &prism.url).input("command", "audit").input("key-name", "");
    let ran =
        ran.input("targets", "").input("secret-name", "").input("verify-timeout", "").secret("current-key", "").run();
    assert_eq!(ran.output("outcome"), "audited", "{}", ran.log());
    // Read back without the guardrail, which is then asked for by its name.
    stage.behaviour(|it| it.wider.push(Wider::IgnoresGuardrails));
    let ran = run();
    assert_eq!((ran.status(), ran.output("outcome")), (1, "rolled-back"), "{}", ran.log());
    assert!(ran.tells("\"no training\""), "{}", ran.log());
    let complaints = prism.complaints();
    assert_eq!(complaints, [""; 0]);

    // A judge who lets everything pass proves nothing.
    assert!(prism.send("POST", "/api/v1/keys", r#"{"limit":5}"#).starts_with("HTTP/1.1 4"));
    assert!(!prism.complaints().is_empty(), "{}", prism.log());
    stage.world.fault("issuer:GET~/api/v1/keys:1x99:status=200,body={\"data\":[{\"hash\":\"x\"}]}");
    assert_eq!(run().output("outcome"), "unchanged");
    assert!(prism.log().contains("errors#VIOLATIONS"), "{}", prism.log());
}
