//! How issuers differ, in what they show and in what they do with a request, and what a run makes of it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::time::Duration;

use keyrotor_fake::issuer::Model;
use keyrotor_fake::{Dialect, Server, Wider};
use serde_json::json;

use crate::harness::{FAMILY, Ran, Setting, Stage};
use crate::traffic;

fn rotated(stage: &Stage, ran: &Ran) {
    assert_eq!((ran.status(), ran.rotated()), (0, true), "{}", ran.log());
    stage.check_healed().unwrap();
}

/// A key was made and is gone again; nothing was written.
fn rolled_back(stage: &Stage, ran: &Ran, words: &str) {
    assert_eq!((ran.status(), ran.output("outcome")), (1, "rolled-back"), "{}", ran.log());
    assert!(traffic::of(ran, Server::GitHub, "PUT").is_empty(), "{}", ran.log());
    assert_eq!(stage.world.live_keys(FAMILY).len(), 1, "{}", ran.log());
    assert!(ran.summary.contains(words) && ran.stdout.contains(words), "{words} is missing\n{}", ran.log());
    stage.check_healed().unwrap();
}

/// Nothing was made at all.
fn unchanged(ran: &Ran, words: &str) {
    assert_eq!((ran.status(), ran.output("outcome")), (1, "unchanged"), "{}", ran.log());
    assert_eq!(traffic::writes(ran), [""; 0]);
    assert!(ran.summary.contains(words) && ran.stdout.contains(words), "{words} is missing\n{}", ran.log());
}

#[test]
fn a_key_that_starts_to_work_later_is_waited_for() {
    let stage = Setting::new(Dialect::Mgmt).input("verify-timeout", "9s").stage();
    stage.behaviour(|it| it.activation_delay = Duration::from_secs(3));
    let ran = stage.run();
    rotated(&stage, &ran);
    assert!(ran.took >= Duration::from_secs(3), "{:?}", ran.took);
}

#[test]
fn a_key_that_never_starts_to_work_is_rolled_back() {
    for dialect in [Dialect::Mgmt, Dialect::Guide, Dialect::Overview] {
        let stage = Setting::new(dialect).stage();
        stage.behaviour(|it| it.activation_delay = Duration::from_secs(3600));
        let ran = stage.run();
        rolled_back(&stage, &ran, "was not proved within 2 s");
    }
}

#[test]
fn an_endpoint_that_lets_anyone_in_is_no_proof_and_the_next_is_asked() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    stage.behaviour(|it| it.models_open = true);
    let ran = stage.run();
    rotated(&stage, &ran);
    assert!(
        ran.stdout.contains("accepts any key, so it proves nothing") && ran.stdout.contains("GET /api/v1/key accepts"),
        "{}",
        ran.log()
    );
}

#[test]
fn where_no_endpoint_tells_a_key_from_none_nothing_is_deployed() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    stage.behaviour(|it| (it.models_open, it.has_key_endpoint) = (true, false));
    let ran = stage.run();
    rolled_back(&stage, &ran, "no endpoint of the issuer tells");
}

#[test]
fn a_key_that_got_more_than_was_asked_is_never_deployed() {
    for wider in [
        Wider::IgnoresProviders,
        Wider::IgnoresModels,
        Wider::DoublesLimit,
        Wider::IgnoresLimit,
        Wider::ResetsDaily,
        Wider::IgnoresExpiry,
        Wider::DropsRateLimit,
    ] {
        let stage = Setting::new(Dialect::Mgmt).stage();
        stage.world.by_hand(|state| {
            let key = state.issuer.keys.iter_mut().find(|key| key.name.starts_with(FAMILY)).unwrap();
            key.rights.allowed_models = vec!["openai/gpt-5-nano".to_owned()];
            key.rights.rate_limit = Some(json!({ "requests_per_minute": 60 }));
            key.rights.expires_at = "2027-06-01T00:00:00Z".parse().ok();
        });
        stage.behaviour(|it| it.wider = vec![wider]);
        let ran = stage.run();
        assert_eq!(ran.status(), 1, "{wider:?}\n{}", ran.log());
        rolled_back(&stage, &ran, "more rights than asked");
    }
}

#[test]
fn rights_that_the_issuer_hides_must_be_stated_and_are_reported_as_not_confirmed() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    stage.behaviour(|it| it.shows_allow_lists = false);
    let ran = stage.run();
    unchanged(&ran, "allowed-models");
    let ran = stage.action().input("allowed-providers", "openai").input("allowed-models", "all").run();
    rotated(&stage, &ran);
    assert!(ran.summary.contains("not confirmed by the issuer: allowed-providers"), "{}", ran.summary);
    let new = &stage.world.live_keys(FAMILY)[0];
    assert_eq!(new.rights.allowed_providers, ["openai"]);
}

/// The first key of an account whose list shows no key, so that nothing tells how a limit is called there.
fn first_key(dialect: Dialect) -> Stage {
    let stage = Setting::new(dialect)
        .deployed(None)
        .input("allowed-providers", "openai")
        .input("allowed-models", "all")
        .input("spending-limit", "10")
        .input("limit-reset", "none")
        .input("expires-after", "never")
        .stage();
    // Its keys are of another workspace than the listed one.
    stage.world.by_hand(|state| {
        for key in &mut state.issuer.keys {
            key.extra.insert("workspace_id".to_owned(), json!("other"));
        }
    });
    stage
}

#[test]
fn a_limit_that_is_not_taken_under_its_first_name_is_sent_under_the_other() {
    for dialect in [Dialect::Mgmt, Dialect::Overview, Dialect::Guide] {
        let stage = first_key(dialect);
        let ran = stage.run();
        rotated(&stage, &ran);
        assert_eq!(stage.world.live_keys(FAMILY)[0].rights.limit, Some(10.0), "{dialect:?}");
        let thrown_away = stage.world.read(|state| state.issuer.deleted.len());
        assert!(thrown_away <= 3, "{thrown_away} keys were made in vain");
    }
}

#[test]
fn a_first_key_needs_its_rights_stated() {
    let stage = Setting::new(Dialect::Mgmt).deployed(None).stage();
    let ran = stage.run();
    for input in ["allowed-providers", "allowed-models", "spending-limit", "expires-after"] {
        unchanged(&ran, input);
    }
}

#[test]
fn rows_may_leave_out_what_is_unset_and_times_may_have_fractions() {
    let stage = Setting::new(Dialect::Mgmt)
        .repos(&["acme/app", "acme/api"])
        .with_current_key()
        .input("allowed-models", "all")
        .input("expires-after", "never")
        .stage();
    stage.behaviour(|it| {
        (it.omit_unset, it.fractional_times, it.masked_labels, it.shows_last_used) = (true, true, true, true);
        it.create_status = 201;
    });
    rotated(&stage, &stage.run());
}

#[test]
fn a_chat_under_the_new_key_is_one_more_proof() {
    let stage = Setting::new(Dialect::Mgmt).input("verify-chat", "auto").stage();
    let ran = stage.run();
    rotated(&stage, &ran);
    assert!(ran.stdout.contains("answered a chat completion under the new key"), "{}", ran.log());
    let chats = ran.requests.iter().filter(|request| request.path.ends_with("/chat/completions"));
    assert_eq!(chats.count(), 1);
}

#[test]
fn what_the_model_itself_answers_proves_nothing_either_way() {
    for status in [400, 402, 429, 500, 503] {
        let stage = Setting::new(Dialect::Mgmt).input("verify-chat", "openai/moody").stage();
        let moody = Model { id: "openai/moody".into(), provider: "openai".into(), chat_status: status };
        stage.world.by_hand(|state| state.issuer.models.push(moody));
        let ran = stage.run();
        rotated(&stage, &ran);
        assert!(ran.summary.contains("proved nothing either way"), "{status}\n{}", ran.summary);
        assert!(ran.summary.contains(&status.to_string()), "{status}\n{}", ran.summary);
    }
}

#[test]
fn a_chat_that_is_refused_under_the_new_key_rolls_back() {
    // The key's allow-list has no provider of this model.
    let stage = Setting::new(Dialect::Mgmt).input("verify-chat", "google/gemini-flash").stage();
    let ran = stage.run();
    rolled_back(&stage, &ran, "a chat completion under the new key was refused");
}

#[test]
fn an_expired_or_wrong_management_key_is_named() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    stage.world.by_hand(|state| {
        let root = state.issuer.keys.iter_mut().find(|key| key.name == "root").unwrap();
        root.rights.expires_at = "2026-11-01T00:00:00Z".parse().ok();
    });
    unchanged(&stage.run(), "management-key");
    unchanged(&stage.action().secret("management-key", "lr_mgmt_neverissued00000000000").run(), "management-key");
    // A live key may not manage.
    let live = stage.held()[0].clone().unwrap();
    unchanged(&stage.action().secret("management-key", &live).run(), "management-key");
    stage.check_healed().unwrap();
}

#[test]
fn an_issuer_that_is_down_says_nothing_about_a_key() {
    // Down for good: nothing is read, nothing made.
    let stage = Setting::new(Dialect::Mgmt).with_current_key().stage();
    stage.world.fault("issuer:*:1x1000:status=503");
    let before = stage.snapshot();
    let ran = stage.run();
    unchanged(&ran, "503");
    stage.check_truthful(&before, &ran).unwrap();

    // Down while `current-key` is tried: it counts as alive as before, and can be replaced.
    let stage = Setting::new(Dialect::Mgmt).with_current_key().stage();
    stage.world.fault("issuer:GET~/api/v1/key:1x4:status=503");
    let ran = stage.run();
    assert_ne!(ran.output("outcome"), "unchanged", "{}", ran.log());

    // Down while the new key is proved, and at its second proof.
    for which in ["1x4", "5x1"] {
        let stage = Setting::new(Dialect::Mgmt).input("verify-timeout", "5s").stage();
        stage.world.fault(&format!("issuer:GET~/v1/models:{which}:status=503"));
        rotated(&stage, &stage.run());
        assert_eq!(stage.world.unused_faults(), [""; 0]);
    }
}

#[test]
fn a_never_issued_key_that_is_answered_with_an_outage_is_not_refused() {
    // Only the three tries of the new key succeed; nothing ever shows that others are refused.
    let stage = Setting::new(Dialect::Mgmt).stage();
    stage.behaviour(|it| it.error_style = keyrotor_fake::ErrorStyle::Html);
    stage.world.fault("issuer:GET~/v1/models:4x1:status=503");
    rotated(&stage, &stage.run());
}

#[test]
fn every_form_of_an_error_and_of_a_delete_is_understood() {
    use keyrotor_fake::{DeleteAnswer, ErrorStyle};
    let styles = [ErrorStyle::Typed, ErrorStyle::Numbered, ErrorStyle::Named, ErrorStyle::Flat, ErrorStyle::Html];
    let deletes = [DeleteAnswer::Wrapped, DeleteAnswer::Flat, DeleteAnswer::NoContent];
    for (at, style) in styles.into_iter().enumerate() {
        let stage = Setting::new(Dialect::Mgmt).with_current_key().stage();
        stage.behaviour(|it| (it.error_style, it.delete_answer) = (style, deletes[at % deletes.len()]));
        rotated(&stage, &stage.run());
        let ran = stage.action().secret("management-key", "lr_mgmt_neverissued00000000000").run();
        unchanged(&ran, "401");
    }
}

/// Only the answer that there is no such call shows an issuer without renames. Taken for that, a passing refusal would let
/// the run make its next key under a final name before anything was written.
#[test]
fn a_refusal_of_the_first_rename_that_passes_shows_nothing() {
    for (status, rotates) in [("404", true), ("409", false), ("422", false)] {
        let stage = Setting::new(Dialect::Mgmt).stage();
        stage.world.fault(&format!("issuer:PATCH:1:status={status}"));
        stage.world.fault("github:PUT:1:kill");
        let ran = stage.run();
        let live: Vec<_> = stage.world.live_keys(FAMILY).into_iter().map(|key| key.name).collect();
        let finally = live.iter().filter(|name| !name.ends_with("-unconfirmed")).count();
        assert_eq!((finally, ran.status()), (1, if rotates { 137 } else { 1 }), "{status}: {live:?}\n{}", ran.log());
        stage.world.clear_faults();
        stage.world.advance(Duration::from_secs(20));
        rotated(&stage, &stage.run());
    }
}

#[test]
fn a_create_that_is_sent_on_to_its_result_was_carried_out() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    let before = stage.snapshot();
    stage.world.fault("issuer:POST:1:status-after=303,location=/api/v1/keys/x");
    let ran = stage.run();
    stage.check_truthful(&before, &ran).unwrap();
    rotated(&stage, &ran);
}

#[test]
fn a_delete_counts_only_when_the_answer_says_so() {
    for (leaked, fault) in [("false", "status=202,body="), ("true", "status=200,body=")] {
        let stage = Setting::new(Dialect::Mgmt).input("leaked", leaked).stage();
        let before = stage.snapshot();
        stage.world.fault(&format!("issuer:DELETE:1:{fault}"));
        let ran = stage.run();
        stage.check_truthful(&before, &ran).unwrap();
        rotated(&stage, &ran);
    }
}
