//! The fakes, asked over the wire as any client would ask them.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

mod dialects;
mod faults;
mod github;
mod outages;

use keyrotor_fake::{Access, Fakes, Place, World};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

const SECRET: &str = "AROUTER_API_KEY";

/// A world with a management key, one live key, and a repository that holds it, with its servers.
struct Scene {
    world: World,
    fakes: Fakes,
    client: Client,
    management: String,
    live_id: String,
    live: String,
    app: Place,
}

impl Scene {
    async fn new(world: World) -> Self {
        let (management, (live_id, live), app) = world.by_hand(|state| {
            let (_, management) = state.issuer.seed_management("root");
            let live = state.issuer.seed_key("production-2026-09-01", |key| key.rights.limit = Some(50.0));
            let app = state.github.add_repo("Acme/App");
            state.github.add_token("ghp_ci", "ci", Access::Write);
            state.github.write_secret(&app, SECRET, &live.1);
            (management, live, app)
        });
        let fakes = Fakes::start(world.clone()).await.unwrap();
        Self { world, fakes, client: Client::new(), management, live_id, live, app }
    }

    fn issuer(&self, method: Method, path: &str, key: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.fakes.issuer_url)).bearer_auth(key)
    }

    fn github(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.fakes.github_url)).bearer_auth(token)
    }
}

/// The status and the JSON body (null where it is none).
async fn ask(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}
