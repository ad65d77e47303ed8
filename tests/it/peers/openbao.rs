//! `vault:` targets at a real OpenBao: what the stand-in says of mounts, versions, policies, logins and clusters is true of it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

use std::time::Duration;

use serde_json::{Value, json};

use super::programs::Bao;
use crate::canned::{Canned, reply};
use crate::harness::{FAMILY, Invocation, Ran, Setting, Stage};

const BESIDE: &str = "repo:acme/api";
const TARGET: &str = "vault:secret/team/app#api-key";
/// Where that lies.
const PATH: &str = "secret/data/team/app";

/// A rotation with a repository, and with a field at a real server.
struct Scene {
    bao: Bao,
    stage: Stage,
    namespace: &'static str,
}

impl Scene {
    fn new(kind: &str) -> Self {
        let stage = Setting::new(keyrotor_fake::Dialect::Mgmt).places(&[BESIDE]).with_current_key().stage();
        Self { bao: Bao::start(kind), stage, namespace: "" }
    }

    /// Asks the server for something as its root.
    async fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}/v1/{path}", self.bao.addresses[0]);
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = reqwest::Client::new().request(method, url).header("x-vault-token", &self.bao.token);
        let request =
            if self.namespace.is_empty() { request } else { request.header("x-vault-namespace", self.namespace) };
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    /// The same, which has to succeed. A cluster may be about to elect its active server.
    async fn must(&self, method: &str, path: &str, body: Value) -> Value {
        let (mut status, mut answer) = self.ask(method, path, body.clone()).await;
        for _ in 0..100 {
            if status < 500 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            (status, answer) = self.ask(method, path, body.clone()).await;
        }
        assert!(status < 300, "{method} {path}: {status} {answer}");
        answer
    }

    /// The old key and two more fields, as a person writes them; a mount of version 2 wants them wrapped.
    async fn fill(&self, path: &str, versioned: bool) {
        let fields = json!({ "api-key": self.stage.held()[0], "user": "app", "port": 5432 });
        let fields = if versioned { json!({ "data": fields, "options": { "cas": 0 } }) } else { fields };
        self.must("POST", path, fields).await;
    }

    /// A policy, and a token with it.
    async fn token(&self, path: &str, capabilities: &[&str]) -> String {
        let policy = json!({ "path": { path: { "capabilities": capabilities } } }).to_string();
        self.must("PUT", "sys/policies/acl/keyrotor", json!({ "policy": policy })).await;
        let made = self.must("POST", "auth/token/create", json!({ "policies": ["keyrotor"] })).await;
        made["auth"]["client_token"].as_str().unwrap().to_owned()
    }

    fn action(&self, target: &str) -> Invocation<'_> {
        let run = self.stage.action().input("targets", &format!("{BESIDE}\n{target}"));
        // The real server's clock is not the world's: the first run is told which key it is.
        let run = run.input("replace-key-id", &self.stage.world.live_keys(FAMILY)[0].id);
        let run = run.variable("VAULT_ADDR", &self.bao.addresses[0]).variable("VAULT_TOKEN", &self.bao.token);
        run.variable("VAULT_NAMESPACE", self.namespace)
    }

    /// Runs, and asks the server for something as soon as a key is made.
    fn run_and_meanwhile(&self, token: &str, method: &str, path: &str) -> Ran {
        std::thread::scope(|scope| {
            let run = scope.spawn(|| self.action(TARGET).variable("VAULT_TOKEN", token).run());
            let makes_a_key =
                || self.stage.world.requests().iter().any(|it| it.path.ends_with("/keys") && it.method == "POST");
            while !makes_a_key() && !run.is_finished() {
                std::thread::sleep(Duration::from_millis(5));
            }
            let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let asked = scope.spawn(move || runtime().block_on(self.ask(method, path, Value::Null))).join().unwrap();
            assert_eq!(asked.0, 204);
            run.join().unwrap()
        })
    }

    fn rotated(&self, ran: &Ran) {
        assert_eq!((ran.status(), ran.rotated()), (0, true), "{}", ran.log());
        self.stage.check_healed().unwrap();
    }

    /// The field has the new key, and nothing beside it was touched.
    async fn holds_it(&self, path: &str) {
        let held = self.must("GET", path, Value::Null).await["data"].clone();
        let fields = if held["metadata"].is_object() { &held["data"] } else { &held };
        let key = self.stage.held()[0].clone();
        assert_eq!(*fields, json!({ "api-key": key, "user": "app", "port": 5432 }));
    }
}

/// Nothing was made.
fn refused(scene: &Scene, ran: &Ran, says: &str) {
    assert_eq!((ran.status(), ran.output("outcome")), (1, "unchanged"), "{}", ran.log());
    assert!(ran.tells(says), "{says}: {}", ran.log());
    assert_eq!(scene.stage.world.live_keys(FAMILY).len(), 1);
}

#[tokio::test]
#[ignore = "needs what ./test prepares in .check"]
async fn fields_are_rotated_in_every_kind_of_mount() {
    let mut scene = Scene::new("dev");
    scene.must("POST", "secret/config", json!({ "cas_required": true, "delete_version_after": "2160h" })).await;
    scene.must("POST", "sys/mounts/old", json!({ "type": "kv", "options": { "version": "1" } })).await;
    scene.must("POST", "sys/mounts/team/kv", json!({ "type": "kv", "options": { "version": "2" } })).await;
    for (target, path, versioned) in [
        (TARGET, PATH, true),
        ("vault:old/team/app#api-key", "old/team/app", false),
        ("vault:team/kv/app#api-key", "team/kv/data/app", true),
    ] {
        scene.fill(path, versioned).await;
        let ran = scene.action(target).run();
        scene.rotated(&ran);
        scene.holds_it(path).await;
        if path.starts_with("secret/") {
            assert!(ran.summary_text().contains("version 1 → 2, which Vault deletes at 2"), "{}", ran.log());
            let again = scene.action(target).input("replace-key-id", "").input("rotate-after", "91d").run();
            assert_eq!(again.output("outcome"), "not-due", "{}", again.log());
            assert!(again.tells("before the next rotation is due"), "{}", again.log());
        }
    }
    scene.must("POST", "sys/namespaces/team-a", json!({})).await;
    scene.namespace = "team-a";
    scene.must("POST", "sys/mounts/secret", json!({ "type": "kv", "options": { "version": "2" } })).await;
    scene.fill("secret/data/app", true).await;
    scene.rotated(&scene.action("vault:secret/app#api-key").run());
    scene.holds_it("secret/data/app").await;
}

#[tokio::test]
#[ignore = "needs what ./test prepares in .check"]
async fn what_a_policy_must_grant_is_known_before_a_key_is_made() {
    let scene = Scene::new("dev");
    scene.fill(PATH, true).await;
    let with = |token: &str| scene.action(TARGET).variable("VAULT_TOKEN", token).run();
    let token = scene.token(PATH, &["read", "list", "create"]).await;
    refused(&scene, &with(&token), "the token may not write secret/data/team/app");
    for capabilities in [&["read", "update"][..], &["read", "patch"]] {
        let token = scene.token(PATH, capabilities).await;
        scene.rotated(&with(&token));
        scene.holds_it(PATH).await;
    }
    // A deleted secret is known all the same, so that `create` does not suffice, nor does PATCH find anything.
    scene.must("DELETE", PATH, Value::Null).await;
    let token = scene.token(PATH, &["read", "create", "patch"]).await;
    refused(&scene, &with(&token), "must grant `update` on secret/data/team/app");
    let token = scene.token(PATH, &["read", "update"]).await;
    scene.rotated(&with(&token));
    // One that never was wants `create`, which `update` does not include.
    scene.must("DELETE", "secret/metadata/team/app", Value::Null).await;
    refused(&scene, &with(&token), "must grant `create` on secret/data/team/app");
}

#[tokio::test]
#[ignore = "needs what ./test prepares in .check"]
async fn what_is_deleted_meanwhile_stays_deleted() {
    for capabilities in [&["read", "update"][..], &["read", "patch", "update"]] {
        let scene = Scene::new("dev");
        scene.fill(PATH, true).await;
        let token = scene.token(PATH, capabilities).await;
        scene.stage.world.fault("issuer:POST~/api/v1/keys:1:delay=500ms");
        let ran = scene.run_and_meanwhile(&token, "DELETE", PATH);
        assert!([1, 3].contains(&ran.status()), "{}", ran.log());
        assert!(ran.tells("secret/team/app was deleted since this run looked at it"), "{}", ran.log());
        assert_eq!(scene.ask("GET", PATH, Value::Null).await.0, 404, "{}", ran.log());
        scene.stage.check_no_outage().unwrap();
    }
}

#[tokio::test]
#[ignore = "needs what ./test prepares in .check"]
async fn a_job_logs_in_and_again_when_its_token_is_used_up() {
    let scene = Scene::new("dev");
    scene.fill(PATH, true).await;
    scene.token(PATH, &["read", "patch"]).await;
    scene.must("POST", "sys/auth/jwt", json!({ "type": "jwt" })).await;
    scene.must("POST", "auth/jwt/config", json!({ "jwt_validation_pubkeys": [scene.bao.public] })).await;
    let role = json!({
        "role_type": "jwt", "user_claim": "sub", "token_policies": ["keyrotor"], "token_num_uses": 3, "token_ttl": "10m",
        "bound_audiences": ["https://github.com/acme"], "bound_subject": "repo:acme/app:ref:refs/heads/main",
    });
    scene.must("POST", "auth/jwt/role/keyrotor", role).await;
    let jwt = scene.bao.jwt.clone();
    let runner = Canned::serve(move |_| reply(200, "", &json!({ "value": jwt }).to_string()));
    let run = |role: &str| {
        let run = scene.action(&format!("{TARGET} role={role}")).variable("VAULT_TOKEN", "");
        let run = run.variable("ACTIONS_ID_TOKEN_REQUEST_URL", runner.url.as_str());
        run.variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of-the-runner-0123456789").run()
    };
    refused(&scene, &run("nobody"), "The JWT method at jwt must know the role nobody");
    let before = runner.seen().len();
    scene.rotated(&run("keyrotor"));
    assert!(runner.seen().len() - before > 2, "a token signs three requests");
    scene.holds_it(PATH).await;
}

/// The active server of three steps down when the key is made: whoever writes meets an election.
#[tokio::test]
#[ignore = "needs what ./test prepares in .check"]
async fn a_cluster_that_elects_another_server_meanwhile_is_waited_for() {
    let scene = Scene::new("raft");
    scene.fill(PATH, true).await;
    scene.stage.world.fault("issuer:POST~/api/v1/keys:1:delay=500ms");
    let ran = scene.run_and_meanwhile(&scene.bao.token, "PUT", "sys/step-down");
    scene.rotated(&ran);
    scene.holds_it(PATH).await;
}
