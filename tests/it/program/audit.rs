//! The audit as users meet it: the real program on the stand-ins, its summary, outputs, JSON and SARIF, its exit status.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::time::Duration;

use keyrotor_fake::{Dialect, Key};
use serde_json::{Value, json};

use crate::harness::{Invocation, Ran, Setting, Stage};
use crate::traffic;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn stage(dialect: Dialect) -> Stage {
    let setting = Setting::new(dialect).input("command", "audit");
    let unset = ["key-name", "verify-timeout", "targets", "allowed-providers", "secret-name"];
    unset.into_iter().fold(setting, |setting, name| setting.input(name, "")).deployed(None).stage()
}

/// Makes a key that no rule has anything against, and then changes it.
fn seed(stage: &Stage, name: &str, change: impl FnOnce(&mut Key)) -> String {
    let adjust = |key: &mut Key| {
        key.rights.limit = Some(100.0);
        key.rights.allowed_providers = vec!["openai".to_owned()];
        (key.usage, key.usage_daily) = (1.0, 1.0);
        key.last_used_at = Some(key.created_at);
        change(key);
    };
    stage.world.by_hand(|state| state.issuer.seed_key(name, adjust).0)
}

/// One key against each rule of a single key, and one that is in order.
fn one_of_each(stage: &Stage) {
    stage.behaviour(|it| it.shows_last_used = true);
    seed(stage, "old-v1", |_| {});
    seed(stage, "forgotten-v1", |key| (key.usage, key.usage_daily, key.last_used_at) = (0.0, 0.0, None));
    stage.world.advance(DAY * 95);
    let now = stage.world.read(|state| state.issuer.clock.now());
    stage.world.by_hand(|state| {
        for key in state.issuer.keys.iter_mut().filter(|key| key.name == "old-v1") {
            key.last_used_at = Some(now);
        }
    });
    seed(stage, "idle-v1", |key| {
        let ago = |days: i64| now - jiff::SignedDuration::from_hours(24 * days);
        (key.created_at, key.last_used_at) = (ago(60), Some(ago(40) - jiff::SignedDuration::from_hours(1)));
    });
    seed(stage, "unlimited-v1", |key| key.rights.limit = None);
    seed(stage, "open-v1", |key| key.rights.allowed_providers.clear());
    seed(stage, "undated", |_| {});
    seed(stage, "ends-v1", |key| key.rights.expires_at = Some(now + jiff::SignedDuration::from_hours(24 * 10)));
    seed(stage, "off-v1", |key| key.disabled = true);
    seed(stage, "spent-v1", |key| key.usage = 100.0);
    seed(stage, "fine-v1", |_| {});
}

fn report(ran: &Ran) -> Value {
    ran.report().unwrap_or_else(|| panic!("no report\n{}", ran.log()))
}

/// Rule and key of every finding.
fn found(ran: &Ran) -> BTreeSet<(String, String)> {
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let report = report(ran);
    let findings = report["audit"]["findings"].as_array().unwrap();
    findings.iter().map(|row| (text(row, "rule"), text(row, "key-name"))).collect()
}

fn names(pairs: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    pairs.iter().map(|(rule, key)| ((*rule).to_owned(), (*key).to_owned())).collect()
}

/// It read and changed nothing.
fn read_only(ran: &Ran) {
    assert_eq!(traffic::writes(ran), [""; 0], "{}", ran.log());
    assert!(!ran.requests.is_empty());
}

fn with_config<'a>(stage: &'a Stage, text: &str) -> Invocation<'a> {
    let path = stage.put("keyrotor.yml", text);
    stage.action().input("config", &path).secret("github-token", "")
}

#[test]
fn every_rule_of_a_single_key_is_found_and_told() {
    let stage = stage(Dialect::Mgmt);
    one_of_each(&stage);
    let ran = stage.action().secret("github-token", "").run();
    assert_eq!((ran.status(), ran.output("outcome"), ran.output("rotated")), (0, "audited", "false"), "{}", ran.log());
    read_only(&ran);
    let expected = [
        ("near-limit", "spent-v1"),
        ("expires-soon", "ends-v1"),
        ("old-key", "old-v1"),
        ("old-key", "forgotten-v1"),
        ("old-key", "root"),
        ("unused-key", "idle-v1"),
        ("never-used-key", "forgotten-v1"),
        ("no-spending-limit", "unlimited-v1"),
        ("no-allow-list", "open-v1"),
        ("left-over-key", "off-v1"),
        ("undated-name", "undated"),
    ];
    assert_eq!(found(&ran), names(&expected));
    let report = report(&ran);
    assert_eq!(report["audit"]["keys"].as_array().unwrap().len(), 11, "the management key is in the table too");
    assert_eq!((&report["audit"]["errors"], &report["audit"]["notes"]), (&json!(1), &json!(3)));
    let summary = ran.summary_text();
    for told in [
        "## ✅ Audit of 11 keys: 1 error, 7 warnings, 3 notes\n",
        "| ❌ error | Key near its spending limit `near-limit` | spent-v1: its limit",
        "its limit of 100 USD is spent",
        "it was last used 40 days ago",
    ] {
        assert!(summary.contains(told), "{told:?} is not told\n{}", ran.log());
    }
    assert!(ran.stdout.contains("::error title=keyrotor::near-limit: spent-v1 ("), "{}", ran.log());
    assert!(ran.stdout.contains("::warning title=keyrotor::old-key: old-v1 ("), "{}", ran.log());
}

#[test]
fn fail_on_decides_the_exit_status() {
    let stage = stage(Dialect::Mgmt);
    seed(&stage, "undated", |_| {});
    let run = |fail_on: &str| {
        let ran = stage.action().input("fail-on", fail_on).run();
        read_only(&ran);
        (ran.status(), ran.output("outcome").to_owned())
    };
    let (fine, fails) = ((0, "audited".to_owned()), (3, "attention".to_owned()));
    assert_eq!([run("never"), run("warning"), run("error")], [fine.clone(), fine.clone(), fine.clone()]);
    seed(&stage, "unlimited-v1", |key| key.rights.limit = None);
    assert_eq!([run("never"), run("warning"), run("error")], [fine.clone(), fails.clone(), fine.clone()]);
    seed(&stage, "spent-v1", |key| key.usage = 100.0);
    assert_eq!([run("never"), run("warning"), run("error")], [fine, fails.clone(), fails]);
    let ran = stage.action().input("fail-on", "error").run();
    assert!(ran.tells("it fails: fail-on is error") || ran.stdout.contains("it fails: fail-on is error"));
    assert!(ran.summary.contains("It fails, since `fail-on` is") || ran.summary_text().contains("It fails"));
}

#[test]
fn what_is_old_or_unused_is_asked_for() {
    let stage = stage(Dialect::Mgmt);
    stage.behaviour(|it| it.shows_last_used = true);
    seed(&stage, "app-v1", |_| {});
    stage.world.advance(DAY * 5);
    assert_eq!(found(&stage.run()), names(&[]));
    let ran = stage.action().input("old-after", "5d").input("unused-after", "4d").run();
    let expected = [("old-key", "app-v1"), ("old-key", "root"), ("unused-key", "app-v1")];
    assert_eq!(found(&ran), names(&expected), "{}", ran.log());
}

#[test]
fn the_config_file_tells_families_targets_and_what_is_shared() {
    let stage = stage(Dialect::Mgmt);
    seed(&stage, "production-2026-12-01-aaaaaa", |_| {});
    stage.world.advance(DAY * 4);
    seed(&stage, "production-2026-12-05-bbbbbb", |_| {});
    seed(&stage, "production-2026-12-05-cccccc-unconfirmed", |_| {});
    stage.world.advance(DAY * 4);
    let file = "\
rotations:
  - key-name: production
    grace-period: 48h
    current-key-env: NOT_SET_IN_AN_AUDIT
    targets: [\"env:acme/app/production\", \"env:acme/app/staging\"]
  - key-name: batch
    targets: [\"repo:acme/batch\"]
";
    let ran = with_config(&stage, file).run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    read_only(&ran);
    let expected = [
        ("no-key", ""),
        ("several-live-keys", "production-2026-12-01-aaaaaa"),
        ("several-live-keys", "production-2026-12-05-cccccc-unconfirmed"),
        ("shared-across-environments", "production-2026-12-05-bbbbbb"),
    ];
    assert_eq!(found(&ran), names(&expected), "{}", ran.log());
    let report = report(&ran);
    let current = report["audit"]["keys"].as_array().unwrap().iter().find(|key| key["role"] == "current").unwrap();
    assert_eq!(current["family"], "production");
    assert_eq!(
        current["targets"],
        json!(["env:acme/app/production AROUTER_API_KEY", "env:acme/app/staging AROUTER_API_KEY"])
    );
    let long = with_config(&stage, &file.replace("48h", "10d")).run();
    let in_grace = ("several-live-keys".to_owned(), "production-2026-12-01-aaaaaa".to_owned());
    assert!(!found(&long).contains(&in_grace), "{}", long.log());
}

#[test]
fn a_config_file_that_is_wrong_contacts_nobody() {
    let stage = stage(Dialect::Mgmt);
    let ran = with_config(&stage, "rotations:\n  - key-name: a\n    targts: [\"repo:acme/a\"]\n").run();
    assert_eq!((ran.status(), ran.requests.len()), (2, 0), "{}", ran.log());
    let ran = with_config(&stage, "rotations:\n  - {key-name: a, targets: [\"repo:acme/a\"]}\n")
        .secret("management-key", "")
        .run();
    assert_eq!((ran.status(), ran.requests.len()), (2, 0), "{}", ran.log());
    assert!(ran.stdout.contains("management-key: is required"), "{}", ran.log());
}

#[test]
fn it_runs_on_a_pull_request() {
    let ran = stage(Dialect::Mgmt).action().variable("GITHUB_EVENT_NAME", "pull_request").run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
}

#[test]
fn every_dialect_and_issuer_is_audited() {
    for dialect in [Dialect::Mgmt, Dialect::Guide, Dialect::Overview] {
        let stage = stage(dialect);
        seed(&stage, "app-v1", |key| key.rights.limit = None);
        let ran = stage.run();
        assert_eq!(ran.status(), 0, "{dialect:?}\n{}", ran.log());
        let unlimited = ("no-spending-limit".to_owned(), "app-v1".to_owned());
        assert!(found(&ran).contains(&unlimited), "{dialect:?}\n{}", ran.log());
    }
    let stage = stage(Dialect::OpenRouter);
    seed(&stage, "app-v1", |key| (key.usage, key.usage_daily) = (0.0, 0.0));
    stage.world.advance(DAY * 40);
    let ran = stage.run();
    assert!(found(&ran).contains(&("never-used-key".to_owned(), "app-v1".to_owned())), "{}", ran.log());
    assert!(ran.summary.contains("nothing spent since"), "{}", ran.log());
}

#[test]
fn keys_that_cannot_be_read_are_told_and_nothing_is_claimed() {
    let stage = stage(Dialect::Mgmt);
    let ran = stage.action().secret("management-key", "lr_mgmt_neverissued00000").run();
    assert_eq!((ran.status(), ran.output("outcome")), (1, "unchanged"), "{}", ran.log());
    assert!(ran.tells("the issuer's key list could not be read"), "{}", ran.log());
    assert!(ran.tells("set `management-key` anew: what it holds is wrong, revoked or expired"), "{}", ran.log());
    stage.world.fault("issuer:GET:1:status=503");
    let ran = stage.run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
}

#[test]
fn an_account_without_a_credential_is_told() {
    let stage = stage(Dialect::Guide);
    seed(&stage, "a-2026-12-01-aaaaaa", |_| {});
    let value = stage.world.live_keys("a-")[0].value.clone();
    let rotation = |name: &str, url: &str| {
        let own = format!("current-key-env: KEY_{name}, issuer-url: \"{url}\"");
        format!("  - {{key-name: {name}, targets: [\"repo:acme/{name}\"], {own}}}\n")
    };
    let elsewhere = "http://127.0.0.1:9";
    let all = [rotation("a", &stage.fakes.issuer_url), rotation("b", elsewhere), rotation("c", elsewhere)];
    let ran = with_config(&stage, &format!("rotations:\n{}", all.concat()))
        .input("issuer-url", "")
        .secret("management-key", "")
        .secret("current-key", "")
        .variable("KEY_a", &value)
        .variable("KEY_b", "")
        .run();
    assert_eq!((ran.status(), ran.output("outcome")), (1, "unchanged"), "{}", ran.log());
    assert!(ran.tells("no key is given that could list those of b, c"), "{}", ran.log());
    let report = report(&ran);
    let listed = report["audit"]["keys"].as_array().unwrap();
    assert!(listed.iter().any(|key| key["name"] == "a-2026-12-01-aaaaaa"), "{}", ran.log());
}

#[test]
fn a_run_that_is_told_to_stop_claims_nothing() {
    let stage = stage(Dialect::Mgmt);
    stage.world.fault("issuer:GET:1:int");
    stage.world.fault("issuer:GET:2:hang=20s");
    let ran = stage.run();
    ran.check_stopped_in_time(Duration::ZERO).unwrap();
    assert_eq!((ran.status(), ran.output("outcome")), (1, "unchanged"), "{}", ran.log());
}

// SARIF.

fn sarif(stage: &Stage, run: Invocation<'_>) -> (Ran, Value) {
    let ran = run.input("sarif-file", "keys.sarif").run();
    let text = std::fs::read_to_string(stage.path("keys.sarif")).unwrap_or_else(|_| panic!("no file\n{}", ran.log()));
    let log: Value = serde_json::from_str(&text).unwrap();
    check_standard(&log);
    check_code_scanning(&log);
    (ran, log)
}

fn check_standard(log: &Value) {
    let mut schema: Value = serde_json::from_str(include_str!("../../sarif/sarif-schema-2.1.0.json")).unwrap();
    // A bracket too many there: no regular expression in Rust. We state no language.
    for place in ["run", "toolComponent"] {
        schema["definitions"][place]["properties"]["language"].as_object_mut().unwrap().remove("pattern").unwrap();
    }
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<_> = validator.iter_errors(log).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    // A judge who lets everything pass proves nothing.
    let mut broken = log.clone();
    broken["runs"][0]["results"] = json!([{ "ruleId": "x" }]);
    assert!(!validator.is_valid(&broken));
}

/// What GitHub's documentation marks as required beyond the standard, its limits, and what tells alerts apart.
fn check_code_scanning(log: &Value) {
    assert_eq!(log["version"], "2.1.0");
    assert!(log["$schema"].as_str().unwrap().starts_with("https://"));
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let is_text = |value: &Value| assert!(value.as_str().is_some_and(|text| !text.is_empty()), "{value}");
    for rule in rules {
        for text in ["/id", "/shortDescription/text", "/fullDescription/text", "/help/text", "/help/markdown"] {
            is_text(rule.pointer(text).unwrap());
        }
        assert!(rule["properties"]["security-severity"].as_str().unwrap().parse::<f64>().unwrap() <= 10.0);
        assert_eq!(rule["properties"]["tags"], json!(["security"]));
    }
    is_text(&run["tool"]["driver"]["name"]);
    is_text(&run["automationDetails"]["id"]);
    let results = run["results"].as_array().unwrap();
    assert!(results.len() <= 25_000);
    let mut prints = BTreeSet::new();
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        is_text(&result["message"]["text"]);
        let place = &result["locations"][0]["physicalLocation"];
        let uri = place["artifactLocation"]["uri"].as_str().unwrap();
        assert!(!uri.starts_with('/') && !uri.contains("..") && !uri.contains(' '), "{uri}");
        assert!(place["region"]["startLine"].as_u64().unwrap() >= 1);
        let print = result["partialFingerprints"]["primaryLocationLineHash"].as_str().unwrap();
        assert!(prints.insert((result["ruleId"].as_str().unwrap(), print)), "two alerts would be one: {result}");
    }
}

#[test]
fn sarif_is_valid_and_what_code_scanning_takes() {
    let stage = stage(Dialect::Mgmt);
    one_of_each(&stage);
    let workflow = ("GITHUB_WORKFLOW_REF", "acme/app/.github/workflows/audit.yml@refs/heads/main");
    let (ran, log) = sarif(&stage, stage.action().variable(workflow.0, workflow.1));
    assert_eq!(ran.status(), 0, "{}", ran.log());
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 11);
    assert!(results.iter().all(|it| {
        it["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == ".github/workflows/audit.yml"
    }));
    assert_eq!((&results[0]["level"], &results[0]["ruleId"]), (&json!("error"), &json!("near-limit")));
    // The same findings are the same alerts in the next run.
    stage.world.advance(DAY);
    let (_, next) = sarif(&stage, stage.action());
    let prints = |log: &Value| -> BTreeSet<String> {
        let all = log["runs"][0]["results"].as_array().unwrap().iter();
        all.map(|it| it["partialFingerprints"].to_string()).collect()
    };
    assert_eq!(prints(&log), prints(&next));
}

#[test]
fn in_sarif_a_rotations_findings_stand_at_its_line() {
    let stage = stage(Dialect::Mgmt);
    seed(&stage, "loose-v1", |key| key.rights.limit = None);
    let file = "rotations:\n  - key-name: a\n    targets: [\"repo:acme/a\"]\n  - key-name: b\n    targets: [\"repo:acme/b\"]\n";
    let (_, log) = sarif(&stage, with_config(&stage, file));
    let places: Vec<_> = log["runs"][0]["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            let place = &it["locations"][0]["physicalLocation"];
            (place["artifactLocation"]["uri"].as_str().unwrap(), place["region"]["startLine"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(places, [("keyrotor.yml", 2), ("keyrotor.yml", 4), ("keyrotor.yml", 1)]);
}

#[test]
fn a_sarif_file_that_cannot_be_written_is_a_failure() {
    let stage = stage(Dialect::Mgmt);
    let ran = stage.action().input("sarif-file", "no/such/folder/keys.sarif").run();
    assert_eq!((ran.status(), ran.output("outcome")), (1, "unchanged"), "{}", ran.log());
    assert!(ran.tells("no/such/folder/keys.sarif could not be written"), "{}", ran.log());
}

#[test]
fn many_keys_are_cut_in_the_summary_and_in_json_and_sarif_none_is_left_out() {
    let stage = stage(Dialect::Mgmt);
    for n in 0..600 {
        seed(&stage, &format!("service-{n}"), |key| key.rights.limit = None);
    }
    let (ran, log) = sarif(&stage, stage.action());
    assert_eq!(ran.status(), 0, "{}", ran.log());
    assert!(
        ran.summary.len() < 1024 * 1024 && ran.summary.contains("## ✅ Audit of 601 keys: 600 warnings, 600 notes")
    );
    assert!(ran.summary.contains("<br>and 588 more |"), "what is left out is counted");
    assert_eq!(log["runs"][0]["results"].as_array().unwrap().len(), 1_200);
    let ran = stage.cli().arg("audit").arg("--format=json").run();
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["audit"]["keys"].as_array().unwrap().len(), 601);
    assert_eq!(report["omitted"], 0);
}

#[test]
fn a_key_that_was_named_after_its_value_is_not_shown() {
    let stage = stage(Dialect::Mgmt);
    let (id, value) = stage.world.by_hand(|state| state.issuer.seed_key("x", |_| {}));
    stage.world.by_hand(|state| {
        let key = state.issuer.key_mut(&id).unwrap();
        (key.name, key.label) = (value.clone(), Some(value));
    });
    // The harness searches everything but the file.
    let (ran, log) = sarif(&stage, stage.action());
    assert!(ran.summary_text().contains("lr_live_***"), "{}", ran.log());
    assert!(log.to_string().contains("lr_live_***") && !log.to_string().contains(&stage.world.live_keys("")[0].value));
}
