//! What a target holds decides whether a key may be retired: a wrong name, another holder in sight, a value that is no key.
//! Each stops the run before anything is made.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::time::Duration;

use keyrotor_fake::Dialect;

use crate::harness::{FAMILY, FIRST_NAME, Ran, SECRET, Setting, Stage};
use crate::traffic;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Places that hold the key, and how a person misspells each.
const MISSPELT: [(&str, &str, &str); 6] = [
    ("repo:acme/app", "repo:acme/app secret=AROUTER_APIKEY", "AROUTER_API_KEY"),
    ("env:acme/app/production", "env:acme/app/production secret=AROUTER_API-KEY", "letters, digits"),
    ("kubernetes:prod/app#api-key", "kubernetes:prod/app#api_key", "api-key"),
    ("kubernetes:prod/app#api-key", "kubernetes:prod/ap#api-key", "kubernetes:prod/app#api-key"),
    ("file:.env#AROUTER_API_KEY", "file:.envv#AROUTER_API_KEY", "file:.env#AROUTER_API_KEY"),
    ("file:.env#AROUTER_API_KEY", "file:.env#AROUTER_APIKEY", "AROUTER_API_KEY"),
];

/// Nothing was made, every place is as it was, and the run says why.
fn stopped(stage: &Stage, ran: &Ran, words: &[&str]) {
    assert_eq!((ran.status(), ran.output("outcome")), (1, "unchanged"), "{}", ran.log());
    assert_eq!(changes(ran), [""; 0], "{}", ran.log());
    stage.check_no_outage().unwrap();
    let (log, summary) = (ran.stdout.to_lowercase(), ran.summary_text().to_lowercase());
    for word in words.iter().map(|word| word.to_lowercase()) {
        assert!(log.contains(&word) && summary.contains(&word), "{word:?} is missing\n{}", ran.log());
    }
}

/// A cluster's questions and rehearsals change nothing.
fn changes(ran: &Ran) -> Vec<String> {
    let asks = ["selfsubjectaccessreviews", "dryRun", "capabilities-self", "/Describe", "/Get", "/List"];
    let changes = |write: &String| !asks.iter().any(|ask| write.contains(ask));
    traffic::writes(ran).into_iter().map(|write| write.to_string()).filter(changes).collect()
}

fn only_key(stage: &Stage) -> keyrotor_fake::Key {
    let live = stage.world.live_keys("");
    live.into_iter().find(|key| key.name == FIRST_NAME || key.name == "by hand").unwrap()
}

#[test]
fn a_misspelt_target_stops_the_run_and_the_right_name_is_listed() {
    for (right, typed, listed) in MISSPELT.into_iter().filter(|(.., listed)| *listed != "letters, digits") {
        for deployed in [FIRST_NAME, "by hand"] {
            for current_key in [true, false] {
                let setting = Setting::new(Dialect::Mgmt).places(&[right]).deployed(Some(deployed));
                let setting = if current_key { setting.with_current_key() } else { setting };
                let stage = setting.stage();
                let run = stage.action().input("targets", typed);
                let run = if current_key { run } else { run.input("replace-key-id", &only_key(&stage).id) };
                let ran = run.run();
                stopped(&stage, &ran, &["no target holds", listed]);
                let dry = stage.action().input("targets", typed).input("dry-run", "true");
                let dry = if current_key { dry } else { dry.input("replace-key-id", &only_key(&stage).id) };
                stopped(&stage, &dry.run(), &[listed]);
            }
        }
    }
}

#[test]
fn a_key_that_no_target_holds_is_kept_where_that_is_asked_and_in_later_runs_too() {
    let stage = Setting::new(Dialect::Mgmt).deployed(Some("by hand")).stage();
    let id = only_key(&stage).id;
    let run = |retire: &str| {
        let run = stage.action().input("secret-name", "NEW_NAME").input("replace-key-id", &id);
        run.input("retire", retire).run()
    };
    let ran = run("keep");
    assert_eq!((ran.status(), ran.output("outcome")), (0, "rotated"), "{}", ran.log());
    assert_eq!(ran.output("old-key-status"), "kept");
    stage.world.advance(2 * DAY);
    let ran = run("delete");
    assert_eq!((ran.status(), ran.output("outcome")), (0, "rotated"), "{}", ran.log());
    let live = stage.world.live_keys("by hand");
    assert_eq!(live.len(), 1, "it is alive under its own name");
    assert_eq!(stage.world.value_at(&stage.places[0], SECRET), Some(live[0].value.clone()));
    assert_eq!(stage.world.live_keys(FAMILY).len(), 1);
    stage.check_no_outage().unwrap();
}

#[test]
fn an_empty_target_beside_one_that_holds_the_key_is_filled_unless_a_similar_name_is_there() {
    let stage = Setting::new(Dialect::Mgmt).repos(&["acme/app", "acme/api"]).stage();
    let value = stage.world.value_at(&stage.places[1], SECRET).unwrap();
    stage.world.by_hand(|state| {
        state.github.remove(&stage.places[1], SECRET);
        state.github.write_secret(&stage.places[1], "AROUTER_APIKEY", &value);
    });
    let typed = "repo:acme/app\nrepo:acme/api";
    let ran = stage.action().input("targets", typed).run();
    stopped(&stage, &ran, &["AROUTER_APIKEY", "accept=AROUTER_APIKEY"]);
    stage.world.by_hand(|state| state.github.write_secret(&stage.places[1], "AROUTER_APIKEY", "something else"));
    let ran = stage.action().input("targets", &format!("{typed} accept=AROUTER_APIKEY")).run();
    assert_eq!((ran.status(), ran.output("outcome")), (0, "rotated"), "{}", ran.log());
    stage.check_healed().unwrap();
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn what_is_no_key_is_not_replaced() {
    let places = [
        "kubernetes:prod/app#api-key",
        "vault:secret/app#api-key",
        "aws-secretsmanager:app#key",
        "file:.env#AROUTER_API_KEY",
    ];
    for place in places {
        for (text, kind) in [
            (r#"{"a":"b"}"#, "JSON"),
            ("encrypted:BDqDBibm4wsYqMpCjTQ6BsDHmMadg9K3dAt", "dotenvx"),
            ("${SHARED}", "a reference"),
            ("changeme", "empty it"),
        ] {
            let stage = Setting::new(Dialect::Mgmt).places(&["repo:acme/app", place]).with_current_key().stage();
            if place.starts_with("file:") {
                stage.put(".env", format!("AROUTER_API_KEY='{text}'\n"));
            } else {
                stage.world.by_hand(|state| state.put(&stage.places[1], SECRET, text));
            }
            let ran = stage.run();
            assert_eq!(ran.status(), 1, "{place} {text}\n{}", ran.log());
            assert_eq!(changes(&ran), [""; 0]);
            assert!(ran.stdout.to_lowercase().contains(&kind.to_lowercase()), "{place} {text}\n{}", ran.log());
            assert_eq!(stage.held()[1].as_deref(), Some(text), "it is as it was");
            assert!(stage.world.live_keys(FAMILY).iter().all(|key| key.name == FIRST_NAME));
        }
    }
}

#[test]
fn a_placeholder_where_the_first_key_goes_is_told() {
    let setting = Setting::new(Dialect::Mgmt).places(&["file:.env#AROUTER_API_KEY"]).deployed(None);
    let stated = [("allowed-providers", "all"), ("allowed-models", "all"), ("spending-limit", "5")];
    let stated = stated.into_iter().chain([("limit-reset", "none"), ("expires-after", "never")]);
    let stage = stated.fold(setting, |setting, (name, value)| setting.input(name, value)).stage();
    stage.put(".env", "AROUTER_API_KEY=changeme\n");
    stopped(&stage, &stage.run(), &["a placeholder", "empty it"]);
    stage.put(".env", "AROUTER_API_KEY=\n");
    let ran = stage.run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    stage.check_healed().unwrap();
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn a_second_holder_of_the_old_key_in_the_same_container_stops_the_run() {
    for (place, other) in [
        ("kubernetes:prod/app#api-key", "kubernetes:prod/app#legacy-key"),
        ("vault:secret/app#api-key", "vault:secret/app#legacy-key"),
        ("aws-secretsmanager:app#key", "aws-secretsmanager:app#legacy"),
        ("file:.env#AROUTER_API_KEY", "file:.env#OPENAI_API_KEY"),
    ] {
        let stage = Setting::new(Dialect::Mgmt).places(&[place, other]).with_current_key().stage();
        let ran = stage.action().input("targets", place).run();
        // Two fields of one AWS secret are no two targets.
        let is_aws = place.starts_with("aws");
        let advice = if is_aws { "only one field of that secret can be a target" } else { "as a target" };
        stopped(&stage, &ran, &[other, "also holds", advice]);
        if !is_aws {
            let ran = stage.run();
            assert_eq!(ran.status(), 0, "{}", ran.log());
            stage.check_healed().unwrap();
        }
    }
}

#[test]
fn a_reference_to_the_target_is_no_second_holder() {
    let stage = Setting::new(Dialect::Mgmt).places(&["file:.env#AROUTER_API_KEY"]).with_current_key().stage();
    let text = std::fs::read_to_string(stage.path(".env")).unwrap();
    let value = stage.held()[0].clone().unwrap();
    stage.put(".env", format!("{text}OPENAI_API_KEY=${{AROUTER_API_KEY}}\n# was {value}\n"));
    let ran = stage.run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    assert!(std::fs::read_to_string(stage.path(".env")).unwrap().contains("OPENAI_API_KEY=${AROUTER_API_KEY}"));
}

#[test]
fn a_key_of_another_rotation_is_not_taken_over() {
    let stage = Setting::new(Dialect::Mgmt).deployed(Some("staging-2026-10-22-abcdef")).with_current_key().stage();
    let key = stage.world.live_keys("staging")[0].clone();
    stopped(&stage, &stage.run(), &["another rotation"]);
    // Named, and written when it was deployed, it is taken over.
    let ran = stage.action().input("replace-key-id", &key.id).run();
    assert_eq!((ran.status(), ran.output("outcome")), (0, "rotated"), "{}", ran.log());
    stage.check_no_outage().unwrap();
    // With a date alone it counts as made by hand.
    let stage = Setting::new(Dialect::Mgmt).deployed(Some("staging-2026-10-22")).with_current_key().stage();
    assert_eq!(stage.run().status(), 0);
}

#[test]
fn a_current_key_that_can_not_be_written_back_is_told_before() {
    use base64::Engine as _;
    let stage = Setting::new(Dialect::Mgmt).stage();
    let value = stage.held()[0].clone().unwrap();
    let dead = stage.world.by_hand(|state| {
        let (id, value) = state.issuer.seed_key("dead", |_| {});
        state.issuer.delete(&id);
        value
    });
    let encoded = base64::engine::general_purpose::STANDARD.encode(&value);
    let cut = &value[..value.len() - 4];
    for (given, word) in [(encoded.as_str(), "base64"), (cut, "cut short"), (dead.as_str(), "it is dead")] {
        let ran = stage.action().secret("current-key", given).input("dry-run", "true").run();
        assert_eq!(ran.status(), 0, "{}", ran.log());
        assert!(ran.tells(word) && ran.tells("can't be written back"), "{word}\n{}", ran.log());
    }
}

#[test]
fn a_file_in_which_another_variable_was_added_is_judged_by_the_value() {
    let stage = Setting::new(Dialect::Mgmt).places(&["file:.env#AROUTER_API_KEY"]).input("rotate-after", "30d").stage();
    stage.behaviour(|behaviour| behaviour.masked_labels = false);
    assert_eq!(stage.run().output("outcome"), "rotated");
    stage.world.advance(2 * DAY);
    let text = std::fs::read_to_string(stage.path(".env")).unwrap();
    stage.put(".env", format!("{text}Y=2\n"));
    let ran = stage.run();
    assert_eq!((ran.status(), ran.output("outcome")), (0, "not-due"), "{}", ran.log());
    stage.check_healed().unwrap();
}

#[test]
fn another_key_in_a_readable_target_is_not_overwritten() {
    let stage = Setting::new(Dialect::Mgmt).places(&["repo:acme/app", "kubernetes:prod/app#api-key"]).stage();
    stage.behaviour(|behaviour| behaviour.masked_labels = true);
    stage.world.by_hand(|state| {
        let (_, value) = state.issuer.seed_key("someone's laptop", |_| {});
        state.put(&stage.places[1], SECRET, &value);
    });
    let ran = stage.run();
    stopped(&stage, &ran, &["holds another key", "someone's laptop"]);
}

#[test]
fn a_leaked_key_that_is_named_dies_all_the_same_and_the_slip_is_reported() {
    let stage = Setting::new(Dialect::Mgmt).deployed(Some("by hand")).stage();
    let id = only_key(&stage).id;
    let ran =
        stage.action().input("secret-name", "NEW_NAME").input("replace-key-id", &id).input("leaked", "true").run();
    assert_eq!((ran.status(), ran.output("outcome")), (3, "attention"), "{}", ran.log());
    assert!(stage.world.live_keys("by hand").is_empty());
    assert!(ran.tells("no target holds"), "{}", ran.log());
}

#[test]
fn the_plan_says_what_each_target_holds() {
    let stage = Setting::new(Dialect::Mgmt).repos(&["acme/app", "acme/api"]).stage();
    let ran = stage.action().input("dry-run", "true").run();
    assert!(ran.tells("repo:acme/app AROUTER_API_KEY holds a key of this family"), "{}", ran.log());
}
