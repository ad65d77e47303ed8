//! OpenRouter's own SDK against its stand-in: so that answers as the SDK's strict models want.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use keyrotor_fake::Dialect;
use serde_json::json;

use crate::harness::{FIRST_NAME, Setting};
use crate::peers::programs::{json_of, script};

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn the_stand_in_answers_as_the_sdks_models_want() {
    let stage = Setting::new(Dialect::OpenRouter).stage();
    let mut sdk = script("openrouter.mjs");
    sdk.env("API_URL", stage.fakes.issuer_url.trim_end_matches('/'));
    sdk.env("MANAGEMENT_KEY", stage.management.as_ref().unwrap());
    let told = json_of(sdk.env("NAME", "by the SDK").env("RENAMED", "renamed by the SDK"));
    assert_eq!(
        (&told["limit"], &told["renamed"], &told["off"]),
        (&json!(25), &json!("renamed by the SDK"), &json!(true))
    );
    assert!(told["listed"].as_array().unwrap().contains(&json!("renamed by the SDK")), "{told}");
    assert!(!told["shown"].as_array().unwrap().contains(&json!("renamed by the SDK")), "{told}");
    assert_eq!((&told["gone"], &told["refused"]), (&json!(true), &json!(404)), "{told}");
    let live = stage.world.live_keys("");
    assert!(live.iter().any(|key| key.name == FIRST_NAME) && live.iter().all(|key| key.id != told["hash"]), "{told}");
}
