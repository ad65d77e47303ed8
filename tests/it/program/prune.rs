//! Pruning: unused keys switched off or deleted by the real program, and those that it never touches.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::thread::JoinHandle;
use std::time::Duration;

use keyrotor_fake::{Behaviour, Dialect, Key, Request, Server, Signal};

use crate::harness::{Invocation, Ran, SECRET, Setting, Stage};
use crate::traffic;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A world in which keys with these names were made and used 100 days ago.
fn stage(dialect: Dialect, names: &[&str]) -> Stage {
    let setting = Setting::new(dialect).input("command", "audit");
    let unset = ["key-name", "verify-timeout", "targets", "allowed-providers", "secret-name"];
    let stage = unset.into_iter().fold(setting, |setting, name| setting.input(name, "")).deployed(None).stage();
    stage.behaviour(|it| it.shows_last_used = true);
    for name in names {
        stage.world.by_hand(|state| state.issuer.seed_key(name, |key| key.last_used_at = Some(key.created_at)));
    }
    stage.world.advance(DAY * 100);
    stage
}

fn pruning<'a>(stage: &'a Stage, how: &str) -> Invocation<'a> {
    stage.action().input("prune", how).input("names", "ci-*, app-2*")
}

fn names(keys: &[Key]) -> Vec<&str> {
    keys.iter().map(|key| key.name.as_str()).collect()
}

/// What the report says became of each key, by name.
fn fates(ran: &Ran) -> BTreeMap<String, String> {
    let report = ran.report().unwrap_or_else(|| panic!("no report\n{}", ran.log()));
    let rows = report["audit"]["pruned"].as_array().unwrap_or_else(|| panic!("no rows\n{}", ran.log()));
    let text = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap().to_owned();
    rows.iter().map(|row| (text(row, "key-name"), text(row, "fate"))).collect()
}

fn told(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, fate)| ((*name).to_owned(), (*fate).to_owned())).collect()
}

#[test]
fn a_dry_run_says_what_would_go_and_touches_nothing() {
    let stage = stage(Dialect::Mgmt, &["ci-1", "production"]);
    let ran = pruning(&stage, "delete").input("dry-run", "true").run();
    assert_eq!((ran.status(), fates(&ran)), (0, told(&[("ci-1", "planned")])), "{}", ran.log());
    assert_eq!(traffic::writes(&ran), [""; 0]);
    assert!(ran.tells("would be deleted"), "{}", ran.log());
    assert!(ran.summary.contains("### What would be pruned (dry run)\n"), "{}", ran.summary);
    assert!(!ran.summary.contains("What became of it"), "{}", ran.summary);
    let ran = pruning(&stage, "disable").input("dry-run", "true").run();
    assert!(ran.tells("would be switched off"), "{}", ran.log());
}

#[test]
fn a_config_file_that_is_dry_prunes_nothing() {
    let stage = stage(Dialect::Mgmt, &["ci-1"]);
    let path =
        stage.put("keyrotor.yml", "dry-run: true\nrotations:\n  - {key-name: app, targets: [\"repo:acme/app\"]}\n");
    let ran = pruning(&stage, "delete").input("config", &path).run();
    assert_eq!((ran.status(), fates(&ran)), (0, told(&[("ci-1", "planned")])), "{}", ran.log());
    assert_eq!(traffic::writes(&ran), [""; 0]);
}

#[test]
fn a_key_that_spends_stays_although_no_time_of_its_use_is_shown() {
    let stage = stage(Dialect::Mgmt, &["ci-1", "ci-2"]);
    stage.world.by_hand(|state| {
        for key in state.issuer.keys.iter_mut().filter(|key| key.name == "ci-2") {
            (key.usage, key.usage_daily, key.last_used_at) = (90.0, 3.2, None);
        }
    });
    let ran = pruning(&stage, "delete").run();
    assert_eq!((ran.status(), fates(&ran)), (0, told(&[("ci-1", "deleted")])), "{}", ran.log());
    assert_eq!(names(&stage.world.live_keys("ci-")), ["ci-2"]);
}

#[test]
fn only_what_is_unused_and_named_goes() {
    let stage =
        stage(Dialect::Mgmt, &["ci-1", "ci-busy", "production", "app-2026-12-01-aaaaaa", "app-2026-12-02-bbbbbb"]);
    stage.world.by_hand(|state| {
        let id = state.issuer.keys.iter().find(|key| key.name == "ci-busy").unwrap().id.clone();
        state.issuer.mark_used(&id, 0.1);
        let (root, _) = state.issuer.seed_management("ci-root");
        let made = state.issuer.keys[1].created_at;
        let root = state.issuer.key_mut(&root).unwrap();
        (root.created_at, root.updated_at) = (made, made);
    });
    let ran = pruning(&stage, "delete").run();
    let expected = [
        ("ci-1", "deleted"),
        ("ci-root", "spared"),
        ("app-2026-12-01-aaaaaa", "deleted"),
        ("app-2026-12-02-bbbbbb", "spared"),
    ];
    assert_eq!((ran.status(), ran.output("outcome"), fates(&ran)), (0, "audited", told(&expected)), "{}", ran.log());
    assert_eq!(names(&stage.world.live_keys("")), ["ci-busy", "production", "app-2026-12-02-bbbbbb"]);
    let keys = &ran.report().unwrap()["audit"]["keys"];
    assert_eq!(keys.as_array().unwrap().len(), 5, "the table shows what is left");
}

#[test]
fn a_rotations_keys_and_the_deployed_one_are_spared() {
    let stage = stage(Dialect::Mgmt, &["app-2026-12-01-aaaaaa", "app-2026-12-02-bbbbbb", "ci-deployed", "ci-adopted"]);
    stage.behaviour(|it| it.key_endpoint_identifies = true);
    let value_of = |name: &str| stage.world.live_keys(name)[0].value.clone();
    let place = stage.places[0].clone();
    let deployed = value_of("ci-deployed");
    stage.world.by_hand(|state| state.github.write_secret(&place, SECRET, &deployed));
    let id = stage.world.live_keys("ci-adopted")[0].id.clone();
    let file = format!(
        "rotations:\n  - {{key-name: app, targets: [\"repo:acme/app\"]}}\n  - {{key-name: other, targets: \
         [\"repo:acme/b\"], replace-key-id: {id}, current-key-env: DEPLOYED}}\n"
    );
    let path = stage.put("keyrotor.yml", file);
    let ran = pruning(&stage, "delete").input("config", &path).variable("DEPLOYED", &deployed).run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    assert!(fates(&ran).values().all(|fate| fate == "spared") && fates(&ran).len() == 4, "{:?}", fates(&ran));
    assert_eq!(traffic::writes(&ran), [""; 0]);
    stage.check_no_outage().unwrap();
    // Whose value can't be told from others may be any of them.
    stage.behaviour(|it| it.key_endpoint_identifies = false);
    let ran = pruning(&stage, "delete").input("config", &path).variable("DEPLOYED", &deployed).run();
    assert_eq!((ran.status(), ran.output("outcome")), (1, "unchanged"), "{}", ran.log());
    assert!(ran.tells("nothing was pruned: which of the keys is"), "{}", ran.log());
    assert_eq!(traffic::writes(&ran), [""; 0]);
}

#[test]
fn a_key_that_manages_itself_prunes_nothing() {
    let stage = stage(Dialect::Guide, &["ci-1"]);
    let ran = pruning(&stage, "delete").run();
    assert_eq!((ran.status(), ran.output("outcome")), (1, "unchanged"), "{}", ran.log());
    assert_eq!(traffic::writes(&ran), [""; 0]);
}

#[test]
fn where_only_amounts_are_shown_a_key_is_switched_off_first_and_deleted_later() {
    let stage = stage(Dialect::Mgmt, &["ci-1"]);
    stage.behaviour(|it| *it = Behaviour { shows_last_used: false, ..it.clone() });
    let ran = pruning(&stage, "delete").run();
    assert_eq!(fates(&ran), told(&[("ci-1", "spared")]), "{}", ran.log());
    let ran = pruning(&stage, "disable").run();
    assert_eq!((ran.status(), fates(&ran)), (0, told(&[("ci-1", "disabled")])), "{}", ran.log());
    assert!(stage.world.live_keys("ci-").is_empty() && stage.world.read(|state| state.issuer.deleted.is_empty()));
    let ran = pruning(&stage, "delete").run();
    assert_eq!(fates(&ran), told(&[]), "it was switched off just now\n{}", ran.log());
    stage.world.advance(DAY * 31);
    let ran = pruning(&stage, "delete").run();
    assert_eq!((ran.status(), fates(&ran)), (0, told(&[("ci-1", "deleted")])), "{}", ran.log());
}

#[test]
fn a_failure_is_told_by_id_and_a_lost_answer_is_none() {
    let stage = stage(Dialect::Mgmt, &["ci-1", "ci-2"]);
    stage.world.fault("issuer:DELETE:1x4:status=500");
    let first = stage.world.live_keys("ci-1")[0].clone();
    let ran = pruning(&stage, "delete").run();
    assert_eq!((ran.status(), ran.output("outcome")), (3, "attention"), "{}", ran.log());
    assert_eq!(fates(&ran), told(&[("ci-1", "failed"), ("ci-2", "deleted")]), "{}", ran.log());
    assert!(ran.tells(&format!("key {} (ci-1) is not deleted for certain", first.id)), "{}", ran.log());
    assert_eq!(names(&stage.world.live_keys("ci-")), ["ci-1"]);
    stage.world.fault("issuer:DELETE:1:drop-after");
    let ran = pruning(&stage, "delete").run();
    assert_eq!((ran.status(), fates(&ran)), (0, told(&[("ci-1", "deleted")])), "{}", ran.log());
}

#[test]
fn an_issuer_that_answers_and_does_nothing_is_not_believed() {
    let stage = stage(Dialect::Mgmt, &["ci-1"]);
    stage.world.fault("issuer:DELETE:1:status=200,body={\"deleted\":true}");
    let ran = pruning(&stage, "delete").run();
    assert_eq!((ran.status(), fates(&ran)), (3, told(&[("ci-1", "failed")])), "{}", ran.log());
    assert!(ran.tells("the key is still listed"), "{}", ran.log());
}

#[test]
fn a_key_that_is_used_while_others_are_pruned_is_spared() {
    let stage = stage(Dialect::Mgmt, &["ci-1", "ci-2"]);
    stage.world.fault("issuer:DELETE:1x2:hang=20s");
    let world = stage.world.clone();
    let user = std::thread::spawn(move || {
        while !world.requests().iter().any(|request| request.method == "DELETE") {
            std::thread::sleep(Duration::from_millis(5));
        }
        let id = world.live_keys("ci-2")[0].id.clone();
        world.by_hand(|state| state.issuer.mark_used(&id, 0.1));
    });
    let ran = pruning(&stage, "delete").run();
    user.join().unwrap();
    assert_eq!((ran.status(), fates(&ran)), (0, told(&[("ci-1", "deleted"), ("ci-2", "spared")])), "{}", ran.log());
    assert!(ran.tells("it was changed or used meanwhile"), "{}", ran.log());
    assert_eq!(names(&stage.world.live_keys("ci-")), ["ci-2"]);
}

/// A run that has patience with the issuer.
fn patient<'a>(stage: &'a Stage, how: &str) -> Invocation<'a> {
    pruning(stage, how).input("request-timeout", "60s")
}

/// Sends a signal at the first request that `told` picks.
fn stop_at(stage: &Stage, told: fn(&Request) -> bool) -> JoinHandle<()> {
    let world = stage.world.clone();
    std::thread::spawn(move || {
        while !world.requests().iter().any(told) {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(world.signal_client(Signal::Term));
    })
}

/// It ended in time, said why, and left a report.
fn check_stopped(ran: &Ran) {
    ran.check_stopped_in_time(Duration::from_secs(1)).unwrap();
    assert!(ran.tells("told to stop") && ran.report().is_some(), "{}", ran.log());
}

#[test]
fn a_run_that_is_told_to_stop_ends_behind_the_key_under_way() {
    for (how, method, done) in [("delete", "DELETE", "deleted"), ("disable", "PATCH", "disabled")] {
        let stage = stage(Dialect::Mgmt, &["ci-1", "ci-2"]);
        stage.world.fault(&format!("issuer:{method}:1:int"));
        // The signal may arrive behind the next request.
        stage.world.fault(&format!("issuer:{method}:2:hang=600s"));
        let ran = patient(&stage, how).run();
        check_stopped(&ran);
        assert_eq!((ran.status(), ran.output("outcome")), (3, "attention"), "{}", ran.log());
        let fates = fates(&ran);
        assert!(fates["ci-1"] == done && ["spared", "failed"].contains(&fates["ci-2"].as_str()), "{fates:?}");
        stage.world.clear_faults();
        let ran = pruning(&stage, how).run();
        assert_eq!((ran.status(), stage.world.live_keys("ci-").len()), (0, 0), "{}", ran.log());
    }
}

#[test]
fn a_key_whose_answer_does_not_come_in_time_is_told() {
    let stage = stage(Dialect::Mgmt, &["ci-1", "ci-2"]);
    stage.world.fault("issuer:DELETE:1x9:hang=600s");
    let told_to_stop = stop_at(&stage, |request| request.method == "DELETE");
    let ran = patient(&stage, "delete").run();
    told_to_stop.join().unwrap();
    check_stopped(&ran);
    assert_eq!((ran.status(), ran.output("outcome")), (3, "attention"), "{}", ran.log());
    assert_eq!(fates(&ran), told(&[("ci-1", "failed"), ("ci-2", "spared")]), "{}", ran.log());
    assert!(ran.tells("it was not answered before the run had to end"), "{}", ran.log());
}

#[test]
fn a_list_that_does_not_come_in_time_proves_nothing() {
    let stage = stage(Dialect::Mgmt, &["ci-1"]);
    let dry = pruning(&stage, "delete").input("dry-run", "true").run();
    let looks = traffic::of(&dry, Server::Issuer, "GET").len();
    stage.world.fault("issuer:DELETE:1:int");
    stage.world.fault(&format!("issuer:GET:{}x99:hang=600s", looks + 1));
    let ran = patient(&stage, "delete").run();
    check_stopped(&ran);
    assert_eq!((ran.status(), fates(&ran)), (3, told(&[("ci-1", "failed")])), "{}", ran.log());
}

#[test]
fn before_a_key_is_touched_a_stop_changes_nothing() {
    let stage = stage(Dialect::Mgmt, &["ci-1"]);
    let deployed = stage.world.live_keys("ci-1")[0].value.clone();
    stage.world.fault("issuer:GET~/models:1x99:hang=600s");
    let told_to_stop = stop_at(&stage, |request| request.path.contains("/models"));
    let ran = patient(&stage, "delete").secret("current-key", &deployed).run();
    told_to_stop.join().unwrap();
    check_stopped(&ran);
    assert_eq!((ran.status(), ran.output("outcome")), (1, "unchanged"), "{}", ran.log());
    assert_eq!(traffic::writes(&ran), [""; 0]);
}

#[test]
fn on_a_pull_request_only_a_dry_run_prunes() {
    let stage = stage(Dialect::Mgmt, &["ci-1"]);
    let on_pull_request = || pruning(&stage, "delete").variable("GITHUB_EVENT_NAME", "pull_request");
    let ran = on_pull_request().run();
    assert_eq!((ran.status(), ran.requests.len()), (2, 0), "{}", ran.log());
    assert_eq!(on_pull_request().input("dry-run", "true").run().status(), 0);
}
