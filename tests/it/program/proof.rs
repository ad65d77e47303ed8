//! What counts as proof of a new key: who accepts it, whose value it is, and what its own row says.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::time::Duration;

use keyrotor_fake::{Dialect, Narrower, Server};
use serde_json::{Value, json};

use crate::harness::{FAMILY, FIRST_NAME, Ran, Setting, Stage};
use crate::traffic;

const NEVER: Duration = Duration::from_secs(3600);

fn rotated(stage: &Stage, ran: &Ran) {
    assert_eq!((ran.status(), ran.rotated()), (0, true), "{}", ran.log());
    stage.check_healed().unwrap();
}

/// Nothing was written, what was made is gone again, and everything that was there before lives.
fn rolled_back(stage: &Stage, ran: &Ran, words: &[&str]) {
    assert_eq!((ran.status(), ran.output("outcome")), (1, "rolled-back"), "{}", ran.log());
    assert!(traffic::of(ran, Server::GitHub, "PUT").is_empty(), "{}", ran.log());
    let live: Vec<_> = stage.world.live_keys(FAMILY).into_iter().map(|key| key.name).collect();
    assert_eq!(live, [FIRST_NAME], "{}", ran.log());
    for words in words {
        assert!(ran.tells(words), "{words} is missing\n{}", ran.log());
    }
    stage.check_healed().unwrap();
}

/// The stage's next run succeeds once the issuer does as it was asked.
fn heals(stage: &Stage) {
    stage.behaviour(|it| {
        (it.narrower, it.adds_fields, it.create_answers_value_of) = (Vec::new(), Vec::new(), None);
        (it.activation_delay, it.list_lag) = (Duration::ZERO, Duration::ZERO);
    });
    stage.world.advance(Duration::from_secs(60));
    rotated(stage, &stage.run());
}

#[test]
fn an_endpoint_that_checks_the_form_of_a_key_is_no_proof() {
    for works in [true, false] {
        let stage = Setting::new(Dialect::Mgmt).stage();
        stage.behaviour(|it| {
            it.models_check_form = true;
            it.activation_delay = if works { Duration::ZERO } else { NEVER };
        });
        let ran = stage.run();
        assert!(ran.stdout.contains("GET /v1/models accepts any key"), "{}", ran.log());
        match works {
            true => rotated(&stage, &ran),
            false => {
                rolled_back(&stage, &ran, &["was not proved within 2 s"]);
                heals(&stage);
            }
        }
    }
    let stage = Setting::new(Dialect::Mgmt).stage();
    stage.behaviour(|it| (it.models_check_form, it.has_key_endpoint, it.activation_delay) = (true, false, NEVER));
    rolled_back(&stage, &stage.run(), &["no endpoint of the issuer tells"]);
}

#[test]
fn a_value_that_is_in_hand_is_no_new_key() {
    const WORDS: &str = "the value in the issuer's answer is not new";
    for (whose, held) in [("root", false), ("root", true), (FAMILY, true)] {
        let setting = Setting::new(Dialect::Mgmt);
        let stage = if held { setting.with_current_key() } else { setting }.stage();
        stage.behaviour(|it| it.create_answers_value_of = Some(whose));
        rolled_back(&stage, &stage.run(), &[WORDS]);
        heals(&stage);
    }
    // The guide's live keys manage themselves, and OpenRouter's have their own endpoint.
    for dialect in [Dialect::Guide, Dialect::OpenRouter, Dialect::Overview] {
        let stage = Setting::new(dialect).with_current_key().stage();
        stage.behaviour(|it| it.create_answers_value_of = Some(FAMILY));
        rolled_back(&stage, &stage.run(), &[WORDS]);
        heals(&stage);
    }
}

#[test]
fn a_value_that_the_issuer_calls_another_keys_is_not_deployed() {
    const WORDS: &str = "is another key's";
    let switches: [fn(&mut keyrotor_fake::Behaviour); 2] =
        [|it| it.masked_labels = true, |it| it.key_endpoint_identifies = true];
    for switch in switches {
        for whose in [FAMILY, "someone's laptop"] {
            let stage = Setting::new(Dialect::Mgmt).stage();
            stage.world.by_hand(|state| state.issuer.seed_key("someone's laptop", |_| {}));
            stage.behaviour(|it| {
                switch(it);
                it.create_answers_value_of = Some(whose);
            });
            stage.world.by_hand(|state| {
                let masked = state.issuer.behaviour.masked_labels;
                state.issuer.keys.iter_mut().for_each(|key| key.label = masked.then(|| key.masked()));
            });
            rolled_back(&stage, &stage.run(), &[WORDS]);
            assert_eq!(stage.world.live_keys("someone's laptop").len(), 1);
            heals(&stage);
        }
    }
}

#[test]
fn a_key_that_got_less_than_was_asked_is_never_deployed() {
    for (narrower, words) in [
        (Narrower::OneProvider, "allowed-providers: it lacks openai"),
        (Narrower::OneModel, "allowed-models: a list where everything was asked"),
        (Narrower::HalvesLimit, "its spending limit is 50 USD where 100 USD was asked"),
        (Narrower::NeverResets, "its limit resets never where monthly was asked"),
        (Narrower::EndsSoon, "where no end was asked"),
        (Narrower::HalvesRateLimit, "its rate_limit is less than the old key's"),
        (Narrower::Disabled, "it is switched off"),
        (Narrower::Management, "it is a management key"),
    ] {
        let stage = Setting::new(Dialect::Mgmt).stage();
        stage.world.by_hand(|state| {
            let key = state.issuer.keys.iter_mut().find(|key| key.name.starts_with(FAMILY)).unwrap();
            (key.rights.limit, key.rights.limit_reset) = (Some(100.0), Some("monthly".to_owned()));
            key.rights.allowed_providers = vec!["anthropic".to_owned(), "openai".to_owned()];
            key.rights.rate_limit = Some(json!({ "requests_per_minute": 60 }));
        });
        stage.behaviour(|it| it.narrower = vec![narrower]);
        let ran = stage.run();
        rolled_back(&stage, &ran, &[words]);
        heals(&stage);
    }
}

#[test]
fn cents_and_the_spelling_of_a_model_are_no_difference() {
    let stage = Setting::new(Dialect::Mgmt).input("spending-limit", "37.129").stage();
    stage.world.by_hand(|state| {
        let key = state.issuer.keys.iter_mut().find(|key| key.name.starts_with(FAMILY)).unwrap();
        key.rights.allowed_models = vec!["openai/gpt-5-nano".to_owned()];
    });
    let stated = stage.action().input("allowed-models", "openai/gpt-5-nano");
    stage.behaviour(|it| it.rounds_and_shortens = true);
    rotated(&stage, &stated.run());
}

#[test]
fn a_new_key_that_is_not_listed_is_never_deployed() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    stage.behaviour(|it| it.list_lag = NEVER);
    let ran = stage.run();
    rolled_back(&stage, &ran, &["the new key was not in the issuer's list within 2 s"]);
    heals(&stage);
    // It is waited for.
    let stage = Setting::new(Dialect::Mgmt).input("verify-timeout", "9s").stage();
    stage.behaviour(|it| it.list_lag = Duration::from_secs(2));
    let ran = stage.run();
    assert!(ran.took >= Duration::from_secs(2), "{:?}", ran.took);
    assert_eq!(ran.output("rotated"), "true", "{}", ran.log());
}

/// A stage whose new keys have a field that nobody asked for, and whose old key has it with another value, or not at all.
fn with_field(name: &'static str, old: &Value, new: &Value) -> Stage {
    let stage = Setting::new(Dialect::Mgmt).stage();
    stage.world.by_hand(|state| {
        let key = state.issuer.keys.iter_mut().find(|key| key.name.starts_with(FAMILY)).unwrap();
        key.extra.extend((!old.is_null()).then(|| (name.to_owned(), old.clone())));
    });
    stage.behaviour(|it| it.adds_fields = vec![(name, new.clone())]);
    stage
}

#[test]
fn an_unknown_field_that_may_be_a_right_stops_the_run_unless_it_is_accepted() {
    for (name, old, new, told) in [
        ("scopes", json!(null), json!(["admin"]), "`scopes`"),
        ("permissions", json!({"read": true}), json!({"read": true, "admin": true}), "`permissions.admin`"),
        ("tier", json!("free"), json!("unbounded"), "`tier`"),
        ("may_delegate", json!(false), json!(true), "`may_delegate`"),
        ("seats", json!(3), json!(4), "`seats`"),
        ("seats", json!(3), json!(-1), "`seats`"),
    ] {
        let stage = with_field(name, &old, &new);
        let ran = stage.run();
        rolled_back(&stage, &ran, &[told, "accept-unconfirmed"]);
        assert!(!ran.summary.contains("unbounded"), "{}", ran.summary);
        rotated(&stage, &stage.action().input("accept-unconfirmed", &format!("{name}, other")).run());
    }
}

#[test]
fn counters_times_and_what_the_old_key_has_too_stop_nothing() {
    for (old, new, told) in [
        (json!(null), json!(0), true),
        (json!(null), json!([]), true),
        (json!(null), json!(""), true),
        (json!(null), json!({}), true),
        (json!(null), json!({"requests": 0, "since": "2026-12-01T00:00:00Z"}), true),
        (json!(null), json!("2026-12-01T00:00:00Z"), true),
        (json!(null), json!(1_796_000_000), true),
        (json!(912), json!(3), true),
        (json!("org_1"), json!("org_1"), false),
        (json!(["a"]), json!(["a"]), false),
        (json!(true), json!(true), false),
    ] {
        let stage = with_field("something", &old, &new);
        let ran = stage.run();
        rotated(&stage, &ran);
        let says = ran.summary.contains("not confirmed by the issuer");
        assert_eq!(says && ran.summary.contains("something"), told, "{new}\n{}", ran.summary);
        if told {
            let ran = stage.action().input("accept-unconfirmed", "something").run();
            assert!(!ran.summary.contains("not confirmed"), "{}", ran.summary);
        }
    }
}

#[test]
fn a_key_that_is_masked_or_named_is_a_wrong_input() {
    for (value, words) in [
        ("***", "is masked"),
        ("lr_live_abc...wxyz", "is masked"),
        ("AROUTER_API_KEY=lr_live_0123456789", "begins with a name and `=`"),
        ("AROUTER_API_KEY='lr_live_0123456789'", "begins with a name and `=`"),
        ("'lr_live_0123456789'", "quotation marks"),
    ] {
        for input in ["current-key", "management-key"] {
            let stage = Setting::new(Dialect::Mgmt).stage();
            let ran = stage.action().secret(input, value).run();
            assert_eq!((ran.status(), ran.requests.len()), (2, 0), "{input} {value}\n{}", ran.log());
            assert!(ran.tells(words) && ran.tells(input), "{words} is missing\n{}", ran.log());
        }
    }
}
