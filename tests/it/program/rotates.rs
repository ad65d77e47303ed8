//! Rotations in which nothing goes wrong: what is made, what is carried over, what is retired, and when.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::time::Duration;

use keyrotor_fake::{Dialect, Key, Server};
use serde_json::json;

use crate::harness::{FAMILY, Ran, SECRET, Setting, Stage};
use crate::traffic;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The only live key of the family.
fn only_key(stage: &Stage) -> Key {
    let live = stage.world.live_keys(FAMILY);
    assert_eq!(live.len(), 1, "{:?}", live.iter().map(|key| &key.name).collect::<Vec<_>>());
    live[0].clone()
}

fn rotated(stage: &Stage, ran: &Ran) {
    assert_eq!((ran.status(), ran.rotated()), (0, true), "{}", ran.log());
    stage.check_healed().unwrap();
}

#[test]
fn the_new_key_has_every_right_of_the_old_one() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    let old = only_key(&stage);
    let lifetime = 90 * DAY;
    stage.world.by_hand(|state| {
        let key = state.issuer.key_mut(&old.id).unwrap();
        key.rights.expires_at = Some(key.created_at + jiff::SignedDuration::try_from(lifetime).unwrap());
        key.rights.allowed_models = vec!["openai/gpt-5-nano".to_owned()];
        key.rights.rate_limit = Some(json!({ "requests_per_minute": 60, "tokens_per_minute": 1000 }));
    });
    let ran = stage.run();
    rotated(&stage, &ran);
    let old = stage.world.read(|state| state.issuer.deleted.iter().find(|key| key.id == old.id).cloned()).unwrap();
    let new = only_key(&stage);
    assert_eq!((new.rights.limit, &new.rights.limit_reset), (old.rights.limit, &old.rights.limit_reset));
    let providers = |key: &Key| key.rights.allowed_providers.iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(providers(&new), providers(&old));
    assert_eq!(new.rights.allowed_models, old.rights.allowed_models);
    assert_eq!(new.rights.rate_limit, old.rights.rate_limit);
    let lives = new.rights.expires_at.unwrap().duration_since(new.created_at);
    assert!((lives.as_secs() - 90 * 24 * 3600).abs() < 60, "the lifetime is kept, not the date: {lives}");
    assert_eq!(ran.output("old-key-status"), "deleted");
    assert_eq!(ran.output("old-key-id"), old.id);
    assert_eq!((ran.output("new-key-id"), ran.output("new-key-name")), (&*new.id, &*new.name));
    assert_eq!((ran.output("targets-written"), ran.output("targets-failed")), ("1", "0"));
}

#[test]
fn stated_rights_win_over_the_old_keys() {
    let stage = Setting::new(Dialect::Mgmt)
        .input("spending-limit", "7.5")
        .input("limit-reset", "weekly")
        .input("allowed-providers", "google")
        .input("expires-after", "30d")
        .stage();
    rotated(&stage, &stage.run());
    let rights = only_key(&stage).rights;
    assert_eq!((rights.limit, rights.limit_reset.as_deref()), (Some(7.5), Some("weekly")));
    assert_eq!(rights.allowed_providers, ["google"]);
    assert!(rights.expires_at.is_some());
}

/// Otherwise each rotation would grant a limit for life anew.
#[test]
fn of_a_limit_that_never_starts_anew_the_new_key_gets_what_is_left() {
    for (reset, stated, expected, says) in [
        (None, "", 380.0, Some("is what the old one has left, 380 USD of 500 USD")),
        (None, "500", 500.0, None),
        (Some("monthly"), "", 500.0, None),
    ] {
        let stage = Setting::new(Dialect::Mgmt).input("spending-limit", stated).stage();
        let old = only_key(&stage);
        stage.world.by_hand(|state| {
            state.issuer.key_mut(&old.id).unwrap().rights.limit_reset = reset.map(str::to_owned);
            state.issuer.mark_used(&old.id, 120.0);
        });
        let ran = stage.run();
        rotated(&stage, &ran);
        assert_eq!(only_key(&stage).rights.limit, Some(expected), "{reset:?} {stated}");
        assert_eq!(only_key(&stage).rights.limit_reset.as_deref(), reset);
        let told = "the new key's spending limit is what";
        assert_eq!(ran.summary.contains(told), says.is_some(), "{}", ran.summary);
        assert!(says.is_none_or(|says| ran.summary.contains(says)), "{}", ran.summary);
    }
}

/// Where the issuer leaves out what is not set, the inputs say that the limit is for life.
#[test]
fn what_is_left_is_handed_on_where_the_reset_is_stated_and_not_shown() {
    let hidden = [("allowed-models", "all"), ("expires-after", "never"), ("limit-reset", "none")];
    let setting = Setting::new(Dialect::Mgmt);
    let stage = hidden.iter().fold(setting, |setting, (input, stated)| setting.input(input, stated)).stage();
    let old = only_key(&stage);
    stage.world.by_hand(|state| {
        state.issuer.behaviour.omit_unset = true;
        state.issuer.key_mut(&old.id).unwrap().rights.limit_reset = None;
        state.issuer.mark_used(&old.id, 120.0);
    });
    let ran = stage.run();
    rotated(&stage, &ran);
    assert_eq!(only_key(&stage).rights.limit, Some(380.0), "{}", ran.log());
}

#[test]
fn every_dialect_keeps_the_limit_and_the_providers() {
    for dialect in [Dialect::Guide, Dialect::Overview] {
        let stage = Setting::new(dialect).repos(&["acme/app", "acme/api", "acme/web"]).with_current_key().stage();
        let ran = stage.run();
        rotated(&stage, &ran);
        let rights = only_key(&stage).rights;
        assert_eq!(rights.limit, Some(500.0), "{dialect:?}");
        assert_eq!(rights.allowed_providers.len(), 2, "{dialect:?}");
        traffic::check_github(&ran);
    }
}

#[test]
fn github_is_asked_nothing_that_it_does_not_document() {
    let first = Setting::new(Dialect::Mgmt)
        .deployed(None)
        .input("allowed-providers", "all")
        .input("allowed-models", "all")
        .input("spending-limit", "10")
        .input("limit-reset", "none")
        .input("expires-after", "never")
        .repos(&["acme/app", "acme/API.js"])
        .stage();
    let ran = first.run();
    rotated(&first, &ran);
    assert_eq!(ran.output("old-key-status"), "none");
    traffic::check_github(&ran);

    // Written, refused elsewhere, put back and removed.
    let undone = Setting::new(Dialect::Mgmt).repos(&["acme/app", "acme/api"]).with_current_key().stage();
    undone.world.by_hand(|state| state.github.remove(&undone.places[1], SECRET));
    undone.world.fault("github:PUT:2:status=403");
    let (before, old) = (undone.held(), only_key(&undone));
    let ran = undone.run();
    assert_eq!((ran.status(), ran.output("outcome")), (1, "rolled-back"), "{}", ran.log());
    assert_eq!(undone.held(), before, "{}", ran.log());
    let back = only_key(&undone);
    assert_eq!(back.id, old.id);
    assert_ne!(back.name, old.name, "its targets were written again");
    let told = format!("{} ({}) is now called {}", old.name, old.id, back.name);
    assert!(
        ran.summary.contains(&told) && ran.report().unwrap()["notices"].to_string().contains(&told),
        "{}",
        ran.log()
    );
    let targets = ran.report().unwrap()["targets"].clone();
    let detail = targets.as_array().unwrap().iter().find_map(|row| row["detail"].as_str()).unwrap();
    assert!(detail.contains("403") && !detail.contains("repo:acme"), "the name stands beside it: {detail}");
    assert_eq!(traffic::of(&ran, Server::GitHub, "DELETE").len(), 1);
    traffic::check_github(&ran);
}

#[test]
fn a_key_that_is_young_enough_stays() {
    let stage = Setting::new(Dialect::Mgmt).input("rotate-after", "90d").stage();
    let before = only_key(&stage);
    let ran = stage.run();
    assert_eq!((ran.status(), ran.output("outcome"), ran.output("rotated")), (0, "not-due", "false"), "{}", ran.log());
    assert_eq!(only_key(&stage), before);
    assert_eq!(traffic::writes(&ran), [""; 0]);
    assert!(ran.summary.contains("Not due"), "{}", ran.summary);
}

#[test]
fn a_replaced_key_lives_through_its_grace_and_a_later_run_retires_it() {
    let stage = Setting::new(Dialect::Mgmt).repos(&["acme/app", "acme/api"]).input("grace-period", "24h").stage();
    let ran = stage.run();
    assert_eq!((ran.status(), ran.output("old-key-status")), (0, "pending"), "{}", ran.log());
    assert!(ran.output("retire-after").parse::<jiff::Timestamp>().is_ok(), "{}", ran.output("retire-after"));
    assert_eq!(stage.world.live_keys(FAMILY).len(), 2);

    let due_later = || stage.action().input("rotate-after", "30d");
    stage.world.advance(23 * HOUR);
    let early = due_later().run();
    assert_eq!((early.status(), early.output("outcome")), (0, "not-due"), "{}", early.log());
    assert_eq!(stage.world.live_keys(FAMILY).len(), 2, "it is retired too early");

    stage.world.advance(2 * HOUR);
    let late = due_later().run();
    assert_eq!((late.status(), late.output("outcome")), (0, "not-due"), "{}", late.log());
    stage.check_healed().unwrap();
}

#[test]
fn a_key_that_is_kept_stays_and_is_told_of() {
    let stage = Setting::new(Dialect::Mgmt).input("retire", "keep").stage();
    let old = only_key(&stage);
    let ran = stage.run();
    assert_eq!((ran.status(), ran.output("old-key-status")), (0, "kept"), "{}", ran.log());
    let again = stage.action().input("rotate-after", "30d").run();
    assert_eq!((again.status(), again.output("outcome")), (0, "not-due"), "{}", again.log());
    for ran in [ran, again] {
        assert!(ran.summary.contains(&old.id), "{}", ran.summary);
    }
    assert_eq!(stage.world.live_keys(FAMILY).len(), 2);
    stage.check_no_outage().unwrap();
}

#[test]
fn a_leaked_key_goes_at_once_and_the_other_live_keys_are_shown() {
    let stage = Setting::new(Dialect::Mgmt).input("grace-period", "24h").stage();
    assert_eq!(stage.run().output("old-key-status"), "pending");
    let (stranger, _) = stage.world.by_hand(|state| state.issuer.seed_key("thiefs-own", |_| {}));
    stage.world.by_hand(|state| {
        let used: Vec<_> = state.issuer.keys.iter().map(|key| key.id.clone()).collect();
        used.iter().for_each(|id| state.issuer.mark_used(id, 0.5));
    });
    let ran = stage.action().input("leaked", "true").input("rotate-after", "90d").run();
    rotated(&stage, &ran);
    assert_eq!(ran.output("old-key-status"), "deleted");
    assert!(ran.summary.contains(&stranger) && ran.summary.contains("thiefs-own"), "{}", ran.summary);
    assert_eq!(stage.world.live_keys("thiefs-own").len(), 1);
}

#[test]
fn a_dry_run_prints_the_plan_and_asks_for_nothing_but_reads() {
    let stage = Setting::new(Dialect::Mgmt).repos(&["acme/app", "acme/api"]).input("dry-run", "true").stage();
    let before = stage.snapshot();
    for ran in [stage.run(), stage.cli().run()] {
        assert_eq!(ran.status(), 0, "{}", ran.log());
        assert_eq!(traffic::writes(&ran), [""; 0]);
        assert!(ran.stdout.contains("make a key of the family \"production\""), "{}", ran.log());
        for target in ["repo:acme/app", "repo:acme/api"] {
            assert!(ran.stdout.contains(target), "{target} is not in the plan\n{}", ran.log());
        }
        assert_eq!(ran.stdout.matches("othing was changed").count(), 1, "{}", ran.log());
    }
    let after = stage.snapshot();
    assert_eq!(format!("{before:?}"), format!("{after:?}"));
    let real = stage.action().input("dry-run", "false").run();
    rotated(&stage, &real);
}

#[test]
fn of_many_targets_the_log_tells_how_many_and_the_summary_which() {
    let names: Vec<String> = (0..25).map(|n| format!("acme/r{n:02}")).collect();
    let stage = Setting::new(Dialect::Mgmt).repos(&names.iter().map(String::as_str).collect::<Vec<_>>()).stage();
    let ran = stage.run();
    rotated(&stage, &ran);
    for told in ["  25 of 25 looked at", "  25 of 25 written"] {
        assert!(ran.stdout.lines().any(|line| line == told), "{told}: {}", ran.log());
    }
    assert!(!ran.stdout.contains("written in") && ran.summary.contains("acme/r24"), "{}", ran.log());
}

#[test]
fn no_more_targets_are_written_at_once_than_asked() {
    let names: Vec<String> = (0..10).map(|n| format!("acme/r{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for (parallel, expected) in [("1", 1..=1), ("4", 3..=4)] {
        let stage = Setting::new(Dialect::Mgmt).repos(&names).input("parallel", parallel).stage();
        stage.world.by_hand(|state| state.latency = Duration::from_millis(30));
        let ran = stage.run();
        rotated(&stage, &ran);
        let at_once = traffic::most_at_once(&traffic::of(&ran, Server::GitHub, "PUT"));
        assert!(expected.contains(&at_once), "parallel {parallel}: {at_once} writes at once");
    }
}

#[test]
fn github_never_has_more_than_a_hundred_requests_to_answer() {
    let names: Vec<String> = (0..60).map(|n| format!("acme/r{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let stage = Setting::new(Dialect::Mgmt).repos(&names).input("parallel", "100").stage();
    stage.world.by_hand(|state| {
        state.latency = Duration::from_millis(300);
        state.github.rate_limit_remaining = Some(5000);
    });
    let ran = stage.action().input("request-timeout", "20s").run();
    rotated(&stage, &ran);
    let all: Vec<_> = ran.requests.iter().filter(|request| request.server == Server::GitHub).collect();
    let at_once = traffic::most_at_once(&all);
    assert!(at_once < 100, "{at_once} requests at once");
}

#[test]
fn clocks_may_be_five_minutes_apart() {
    for skew in [-290, 290] {
        let stage = Setting::new(Dialect::Mgmt).repos(&["acme/app", "acme/api"]).deployed(None).stage();
        stage.world.by_hand(|state| state.issuer.clock.skew = skew);
        let (_, value) = stage.world.by_hand(|state| state.issuer.seed_key("production-2026-10-22-aaaaaa", |_| {}));
        stage.deploy(&value);
        stage.world.advance(40 * DAY);
        for _ in 0..2 {
            let ran = stage.action().input("grace-period", "1h").run();
            assert_eq!((ran.status(), ran.rotated()), (0, true), "skew {skew}\n{}", ran.log());
            stage.world.advance(2 * DAY);
        }
        let ran = stage.action().input("grace-period", "1h").input("rotate-after", "30d").run();
        assert_eq!(ran.output("outcome"), "not-due", "skew {skew}\n{}", ran.log());
        stage.check_healed().unwrap();
    }
}

#[test]
fn running_again_at_once_is_safe() {
    let stage = Setting::new(Dialect::Mgmt).repos(&["acme/app", "acme/api"]).stage();
    for _ in 0..3 {
        rotated(&stage, &stage.run());
    }
}

#[test]
fn a_key_that_manages_itself_is_put_back_although_anyone_may_list_models() {
    let stage = Setting::new(Dialect::Guide).repos(&["acme/app", "acme/api"]).with_current_key().stage();
    stage.behaviour(|it| (it.models_open, it.has_key_endpoint, it.key_endpoint_identifies) = (true, true, true));
    stage.world.fault("github:PUT~/acme/api/:1x99:status=403");
    let ran = stage.run();
    assert_eq!((ran.status(), ran.output("outcome")), (1, "rolled-back"), "{}", ran.log());
}

/// More than any clock can show.
#[test]
fn a_wait_that_never_ends_is_not_begun() {
    for fault in ["github:PUT:2:status=429", "github:GET:1:status=403", "issuer:GET:1:status=429"] {
        let stage = Setting::new(Dialect::Mgmt).repos(&["acme/app", "acme/web"]).with_current_key().stage();
        stage.world.fault(&format!("{fault},retry-after=18446744073709551615"));
        let before = stage.snapshot();
        let ran = stage.run();
        stage.check_truthful(&before, &ran).unwrap();
        assert!(!ran.rotated() && ran.report().is_some(), "{fault}\n{}", ran.log());
        stage.check_no_outage().unwrap();
    }
}

/// All of them see each other's keys and give way. The one that is told of a leak begins again until it is alone.
#[test]
fn of_ten_programs_at_once_the_one_with_leaked_rotates() {
    let stage = Setting::new(Dialect::Mgmt).repos(&["acme/app", "acme/api"]).stage();
    // Long enough that all of them have looked before the first has made a key.
    stage.world.fault("issuer:POST:1x10:delay=1500ms");
    let old = stage.held()[0].clone().unwrap();
    let status = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..10)
            .map(|nth| {
                let stage = &stage;
                scope.spawn(move || {
                    let ran = stage.action().input("leaked", if nth == 0 { "true" } else { "" }).run();
                    (ran.status(), ran.rotated(), ran.log())
                })
            })
            .collect();
        let ended: Vec<_> = runs.into_iter().map(|run| run.join().unwrap()).collect();
        ended.into_iter().next().unwrap()
    });
    assert_eq!((status.0, status.1), (0, true), "{}", status.2);
    assert!(stage.world.live_keys(FAMILY).iter().all(|key| key.value != old), "{}", status.2);
    stage.check_no_outage().unwrap();
}
