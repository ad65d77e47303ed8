//! `watch-leaks`: keys that stand in open alerts of secret scanning, whose they are, and what becomes of alert and key.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyrotor_fake::{Access, Alert, Dialect, Permission, Place, Server, Token};
use serde_json::Value;

use crate::harness::{FAMILY, Invocation, Ran, SECRET, Setting, Stage, TOKEN};
use crate::traffic;

const PAGE: &str = "https://github.com/acme/app/security/secret-scanning/1";
const DIALECTS: [Dialect; 4] = [Dialect::Mgmt, Dialect::Guide, Dialect::Overview, Dialect::OpenRouter];

fn stage() -> Stage {
    Setting::new(Dialect::Mgmt).stage()
}

fn watch(stage: &Stage) -> Invocation<'_> {
    stage.action().input("command", "watch-leaks")
}

/// The value that the first repository holds is found in a repository.
fn leak_current(stage: &Stage, repo: &str) -> String {
    let value = stage.held()[0].clone().unwrap();
    stage.world.by_hand(|state| _ = state.github.leak(repo, &value));
    value
}

fn alert(stage: &Stage, repo: &str, number: u64) -> Alert {
    stage.world.read(|state| state.github.alert(repo, number).clone())
}

#[track_caller]
fn closed(stage: &Stage, repo: &str, number: u64) {
    let alert = alert(stage, repo, number);
    assert_eq!((alert.open, alert.resolution.as_deref()), (false, Some("revoked")), "{alert:?}");
    assert!(alert.comment.as_ref().is_some_and(|comment| comment.starts_with("keyrotor: ")), "{alert:?}");
}

fn is_dead(stage: &Stage, value: &str) -> bool {
    stage.world.read(|state| state.issuer.authorize_at(value, state.issuer.clock.now()).is_none())
}

fn alerts(ran: &Ran) -> Vec<Value> {
    ran.report().unwrap()["alerts"].as_array().unwrap().clone()
}

#[track_caller]
fn ended(ran: &Ran, status: i32, outcome: &str) {
    assert_eq!((ran.status(), ran.output("outcome")), (status, outcome), "{}", ran.log());
}

#[test]
fn a_leaked_key_is_rotated_proved_dead_and_its_alert_closed() {
    for dialect in DIALECTS {
        let setting = Setting::new(dialect).repos(&["acme/app", "acme/api"]);
        // The guide's keys manage themselves, and nothing else says whose a value is.
        let setting = if dialect == Dialect::Guide { setting.with_current_key() } else { setting };
        let stage = setting.stage();
        let value = leak_current(&stage, "acme/app");
        let ran = watch(&stage).variable("GITHUB_RUN_ID", "4242").run();
        ended(&ran, 0, "rotated");
        assert!(is_dead(&stage, &value), "{dialect:?}\n{}", ran.log());
        closed(&stage, "acme/app", 1);
        let comment = alert(&stage, "acme/app", 1).comment.unwrap();
        assert!(comment.contains("is refused since") && comment.ends_with("/actions/runs/4242"), "{comment}");
        stage.check_healed().unwrap();
        let row = &alerts(&ran)[0];
        assert_eq!((row["name"].as_str(), row["fate"].as_str()), (Some("acme/app#1"), Some("closed")), "{row}");
        assert_eq!((row["rotation"].as_str(), row["page"].as_str()), (Some(FAMILY), Some(PAGE)), "{row}");
        let dead = ran.report().unwrap()["keys"].as_array().unwrap().clone();
        assert!(dead.iter().any(|key| key["refused-since"].is_string()), "{}", ran.log());
        // Nothing is open any more.
        let again = watch(&stage).run();
        ended(&again, 0, "watched");
        assert_eq!(traffic::writes(&again), Vec::<String>::new(), "{}", again.log());
    }
}

#[test]
fn without_an_alert_nothing_is_asked_of_the_issuer() {
    let stage = stage();
    let ran = watch(&stage).run();
    ended(&ran, 0, "watched");
    assert_eq!(traffic::of(&ran, Server::Issuer, "GET").len(), 0, "{}", ran.log());
    assert_eq!(traffic::of(&ran, Server::GitHub, "GET").len(), 1, "{}", ran.log());
}

/// Values that do not look like the issuer's keys are never sent to it.
#[test]
fn a_strangers_secret_is_shown_to_nobody_and_its_alert_stays() {
    let stage = stage();
    let others =
        ["ghp_ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", "changeme", "", "\u{fffd}\u{0}x", "x".repeat(50_000).leak()];
    stage.world.by_hand(|state| others.iter().for_each(|value| _ = state.github.leak("acme/app", value)));
    stage.world.by_hand(|state| {
        state.github.leak("acme/app", "gone");
        state.github.alerts.last_mut().unwrap().value = None;
    });
    let ran = watch(&stage).run();
    ended(&ran, 0, "watched");
    assert_eq!(traffic::of(&ran, Server::Issuer, "GET").len(), 0, "{}", ran.log());
    assert!(ran.tells("6 of other things"), "{}", ran.log());
    for number in 1..=6 {
        assert!(alert(&stage, "acme/app", number).open);
    }
}

/// It looks like one of ours, works at the same issuer, and is of another account.
#[test]
fn a_key_of_another_account_is_left_alone() {
    let stage = Setting::new(Dialect::OpenRouter).stage();
    stage.world.by_hand(|state| {
        let elsewhere = ("workspace_id".to_owned(), "of-another-account".into());
        let (_, value) = state.issuer.seed_key("theirs", |key| key.extra.extend([elsewhere]));
        state.github.leak("acme/app", &value);
    });
    let ran = watch(&stage).input("close-dead-alerts", "true").run();
    ended(&ran, 0, "watched");
    assert!(alert(&stage, "acme/app", 1).open);
    assert_eq!(traffic::writes(&ran), Vec::<String>::new(), "{}", ran.log());
}

#[test]
fn two_alerts_for_one_key_are_one_rotation() {
    let stage = Setting::new(Dialect::Mgmt).repos(&["acme/app", "acme/api"]).stage();
    leak_current(&stage, "acme/app");
    leak_current(&stage, "acme/app");
    leak_current(&stage, "acme/api");
    let ran = watch(&stage).run();
    ended(&ran, 0, "rotated");
    for (repo, number) in [("acme/app", 1), ("acme/app", 2), ("acme/api", 1)] {
        closed(&stage, repo, number);
    }
    assert_eq!((stage.world.live_keys(FAMILY).len(), alerts(&ran).len()), (1, 3), "{}", ran.log());
}

/// GitHub closes no alert by itself: a person may open it again.
#[test]
fn an_alert_that_was_opened_again_is_told_and_closed_where_that_is_asked() {
    let stage = stage();
    leak_current(&stage, "acme/app");
    ended(&watch(&stage).run(), 0, "rotated");
    stage.world.by_hand(|state| state.github.alerts[0].open = true);
    let before = stage.held();
    let told = watch(&stage).run();
    ended(&told, 0, "watched");
    assert!(told.tells("the key is dead: close the alert as revoked"), "{}", told.log());
    assert!(alert(&stage, "acme/app", 1).open);
    ended(&watch(&stage).input("close-dead-alerts", "true").input("dry-run", "true").run(), 0, "watched");
    assert!(alert(&stage, "acme/app", 1).open);
    ended(&watch(&stage).input("close-dead-alerts", "true").run(), 0, "watched");
    closed(&stage, "acme/app", 1);
    assert_eq!(stage.held(), before);
}

/// In another repository of the organisation, a fork, and in base64.
#[test]
fn an_organisations_alerts_are_read_where_that_is_asked() {
    let stage = stage();
    stage.world.by_hand(|state| {
        let fork = keyrotor_fake::Traits { fork: true, ..keyrotor_fake::Traits::default() };
        state.github.add_repo_with("acme/fork", fork);
    });
    let value = stage.held()[0].clone().unwrap();
    let encoded = STANDARD.encode(&value);
    stage.world.by_hand(|state| _ = state.github.leak("acme/fork", &encoded));
    ended(&watch(&stage).run(), 0, "watched");
    let ran = watch(&stage).input("alerts-of", "acme").run();
    ended(&ran, 0, "rotated");
    closed(&stage, "acme/fork", 1);
    assert!(!ran.log().contains(&encoded), "{}", ran.log());
}

/// More than a page of them.
#[test]
fn every_page_of_alerts_is_read() {
    let stage = stage();
    leak_current(&stage, "acme/app");
    stage
        .world
        .by_hand(|state| (0..250).for_each(|nth| _ = state.github.leak("acme/app", &format!("other-{nth}-secret"))));
    let ran = watch(&stage).run();
    ended(&ran, 0, "rotated");
    closed(&stage, "acme/app", 1);
}

/// It was replaced, and its grace is not over.
#[test]
fn a_replaced_key_in_its_grace_is_ended_at_once() {
    let stage = Setting::new(Dialect::Mgmt).input("grace-period", "48h").stage();
    let value = leak_current(&stage, "acme/app");
    let ran = stage.run();
    assert!(ran.rotated() && !is_dead(&stage, &value), "{}", ran.log());
    stage.world.advance(Duration::from_secs(3600));
    let ran = watch(&stage).run();
    ended(&ran, 0, "rotated");
    assert!(is_dead(&stage, &value), "{}", ran.log());
    closed(&stage, "acme/app", 1);
}

#[test]
fn a_key_of_no_rotation_asks_for_a_person_or_is_disabled() {
    let stage = Setting::new(Dialect::OpenRouter).stage();
    let (id, value) = stage.world.by_hand(|state| state.issuer.seed_key("somebodys", |_| {}));
    stage.world.by_hand(|state| _ = state.github.leak("acme/app", &value));
    let ran = watch(&stage).run();
    ended(&ran, 3, "attention");
    assert!(ran.tells(&format!("replace-key-id: {id}")), "{}", ran.log());
    assert!(!is_dead(&stage, &value) && alert(&stage, "acme/app", 1).open);
    let ran = watch(&stage).input("on-leak", "disable").input("dry-run", "true").run();
    ended(&ran, 0, "watched");
    assert!(!is_dead(&stage, &value), "{}", ran.log());
    let ran = watch(&stage).input("on-leak", "disable").run();
    ended(&ran, 0, "watched");
    assert!(is_dead(&stage, &value), "{}", ran.log());
    closed(&stage, "acme/app", 1);
    stage.check_no_outage().unwrap();
}

/// It was made by hand, and no rotation has begun: a target may hold it.
#[test]
fn a_key_that_a_target_may_hold_is_not_disabled() {
    for name in ["somebodys", "production"] {
        let stage = Setting::new(Dialect::OpenRouter).deployed(Some(name)).stage();
        let value = leak_current(&stage, "acme/app");
        let ran = watch(&stage).input("on-leak", "disable").run();
        ended(&ran, 3, "attention");
        assert!(ran.tells("is not disabled: ") && ran.tells("replace-key-id: "), "{}", ran.log());
        assert!(!is_dead(&stage, &value) && alert(&stage, "acme/app", 1).open, "{}", ran.log());
        stage.check_no_outage().unwrap();
    }
}

/// To switch it off would end all rotations.
#[test]
fn a_management_key_is_left_to_a_person() {
    let stage = stage();
    let value = stage.management.clone().unwrap();
    stage.world.by_hand(|state| _ = state.github.leak("acme/app", &value));
    let ran = watch(&stage).input("on-leak", "disable").run();
    ended(&ran, 3, "attention");
    assert!(ran.tells("make another key by hand"), "{}", ran.log());
    assert!(!is_dead(&stage, &value) && alert(&stage, "acme/app", 1).open);
}

#[test]
fn a_dry_run_changes_neither_key_nor_alert() {
    let stage = stage();
    let value = leak_current(&stage, "acme/app");
    let before = stage.held();
    let ran = watch(&stage).input("dry-run", "true").run();
    assert_eq!((ran.status(), traffic::writes(&ran)), (0, Vec::<String>::new()), "{}", ran.log());
    assert_eq!(alerts(&ran)[0]["fate"], "planned", "{}", ran.log());
    assert!(stage.held() == before && !is_dead(&stage, &value) && alert(&stage, "acme/app", 1).open);
}

fn token_with(stage: &Stage, alerts: Option<Access>) {
    stage.world.by_hand(|state| {
        let secrets = (Permission::Secrets, Access::Write);
        let permissions = [Some(secrets), alerts.map(|access| (Permission::SecretScanningAlerts, access))];
        let permissions = Some(permissions.into_iter().flatten().collect());
        let token = Token { role: "ci".into(), elsewhere: Some(Access::Write), permissions, ..Token::default() };
        state.github.tokens.insert(TOKEN.to_owned(), token);
    });
}

#[test]
fn without_leave_to_write_alerts_it_is_said_what_to_click() {
    let stage = stage();
    token_with(&stage, Some(Access::Read));
    let value = leak_current(&stage, "acme/app");
    let ran = watch(&stage).run();
    ended(&ran, 0, "rotated");
    assert!(is_dead(&stage, &value) && alert(&stage, "acme/app", 1).open, "{}", ran.log());
    assert!(ran.tells(PAGE) && ran.tells("\"Secret scanning alerts\" (write)"), "{}", ran.log());
    stage.check_healed().unwrap();
}

#[test]
fn what_can_not_be_read_is_told_with_the_permission() {
    let stage = stage();
    token_with(&stage, None);
    leak_current(&stage, "acme/app");
    let ran = watch(&stage).run();
    ended(&ran, 1, "unchanged");
    assert!(ran.tells("Give the token the permission \"Secret scanning alerts\" (read)"), "{}", ran.log());
    let stage = self::stage();
    stage.world.by_hand(|state| _ = state.github.scans_not.insert(Place::repo("acme/app")));
    let ran = watch(&stage).run();
    ended(&ran, 1, "unchanged");
    assert!(ran.tells("turn on secret scanning in the settings of acme/app"), "{}", ran.log());
}

/// A repository that can't be read keeps no other from being looked at.
#[test]
fn a_leak_is_ended_although_another_source_can_not_be_read() {
    let stage = Setting::new(Dialect::Mgmt).repos(&["acme/app", "acme/api"]).stage();
    stage.world.by_hand(|state| _ = state.github.scans_not.insert(Place::repo("acme/api")));
    let value = leak_current(&stage, "acme/app");
    let ran = watch(&stage).run();
    ended(&ran, 3, "attention");
    assert!(is_dead(&stage, &value), "{}", ran.log());
    closed(&stage, "acme/app", 1);
}

#[test]
fn a_watch_that_is_stopped_revokes_its_token_and_tells_what_is_open() {
    for fault in ["github:GET~/secret-scanning:1:int-after", "github:PATCH~/secret-scanning:1:int"] {
        let stage = Setting::new(Dialect::Mgmt).with_app().stage();
        stage.world.by_hand(|state| {
            for installed in state.github.app.as_mut().unwrap().installations.values_mut() {
                installed.permissions.insert("secret_scanning_alerts".to_owned(), "write".to_owned());
            }
        });
        leak_current(&stage, "acme/app");
        stage.world.fault(fault);
        let ran = watch(&stage).run();
        assert!(ran.tells("told to stop"), "{fault}\n{}", ran.log());
        let alive = stage.world.read(|state| {
            state.github.tokens.values().filter(|token| token.installation().is_some() && !token.revoked).count()
        });
        assert_eq!(alive, 0, "{fault}\n{}", ran.log());
        stage.check_no_outage().unwrap();
        ended(
            &watch(&stage).input("close-dead-alerts", "true").run(),
            0,
            if fault.contains("GET") { "rotated" } else { "watched" },
        );
        closed(&stage, "acme/app", 1);
    }
}

#[test]
fn an_apps_tokens_may_read_alerts_and_close_them_only_where_one_is_to_be_closed() {
    let stage = Setting::new(Dialect::Mgmt).with_app().stage();
    let grant = |permissions: &[&str]| {
        stage.world.by_hand(|state| {
            let app = state.github.app.as_mut().unwrap();
            for installed in app.installations.values_mut() {
                installed.permissions = permissions.iter().map(|it| ((*it).to_owned(), "write".to_owned())).collect();
            }
        });
    };
    grant(&["secrets", "secret_scanning_alerts"]);
    ended(&watch(&stage).run(), 0, "watched");
    let asked = |ran: &Ran| -> Vec<String> {
        let of = |it: &&&keyrotor_fake::Request| it.path.ends_with("/access_tokens");
        traffic::of(ran, Server::GitHub, "POST")
            .iter()
            .filter(of)
            .map(|it| String::from_utf8_lossy(&it.body).into_owned())
            .collect()
    };
    let ran = watch(&stage).run();
    assert_eq!(asked(&ran).len(), 1, "{:?}", asked(&ran));
    assert!(asked(&ran)[0].contains(r#"{"secret_scanning_alerts":"read"}"#), "{:?}", asked(&ran));
    let value = leak_current(&stage, "acme/app");
    let ran = watch(&stage).run();
    ended(&ran, 0, "rotated");
    assert!(is_dead(&stage, &value), "{}", ran.log());
    closed(&stage, "acme/app", 1);
    assert!(asked(&ran)[2].contains(r#"{"secret_scanning_alerts":"write"}"#), "{:?}", asked(&ran));
    let alive = stage.world.read(|state| {
        state.github.tokens.values().filter(|token| token.installation().is_some() && !token.revoked).count()
    });
    assert_eq!(alive, 0, "tokens were not revoked\n{}", ran.log());
}

/// The scheduled run has begun; the watch finds the leak meanwhile.
#[test]
fn a_scheduled_rotation_at_the_same_time_gives_way_or_is_waited_for() {
    for delay in [0, 20, 60, 120, 250] {
        let stage = stage();
        let value = leak_current(&stage, "acme/app");
        let (scheduled, watched) = std::thread::scope(|scope| {
            let scheduled = scope.spawn(|| stage.run());
            std::thread::sleep(Duration::from_millis(delay));
            let watched = watch(&stage).run();
            (scheduled.join().unwrap(), watched)
        });
        let told = format!("after {delay} ms\n{}\n{}", scheduled.log(), watched.log());
        assert!(is_dead(&stage, &value), "{told}");
        assert!(watched.status() == 0, "{told}");
        stage.check_no_outage().unwrap();
        ended(&watch(&stage).input("close-dead-alerts", "true").run(), 0, "watched");
        closed(&stage, "acme/app", 1);
        assert_eq!(stage.world.live_keys(FAMILY).len(), 1, "{told}");
    }
}

const TWO: &str = "\
rotations:
  - key-name: production
    targets: [\"repo:acme/app\"]
  - key-name: staging
    targets: [\"repo:acme/staging\"]
";

#[test]
fn of_a_config_file_only_the_family_that_leaked_is_rotated() {
    let stage = Setting::new(Dialect::OpenRouter).stage();
    let staging = stage.world.by_hand(|state| {
        let (_, value) = state.issuer.seed_key("staging-2026-10-22-aaaaaa", |_| {});
        let place = state.github.add_repo("acme/staging");
        state.github.write_secret(&place, SECRET, &value);
        value
    });
    stage.world.advance(Duration::from_secs(60));
    let path = stage.put("keyrotor.yml", TWO);
    let value = leak_current(&stage, "acme/staging");
    let ran = watch(&stage).input("key-name", "").input("targets", "").input("config", &path).run();
    ended(&ran, 0, "rotated");
    assert!(is_dead(&stage, &value) && !is_dead(&stage, &staging), "{}", ran.log());
    assert_eq!(stage.world.live_keys("staging").len(), 1);
    closed(&stage, "acme/staging", 1);
}

/// The issuer's list does not say whose key it is, and the key works.
#[test]
fn a_key_that_nobody_can_name_asks_for_a_person() {
    let stage = stage();
    let (_, value) = stage.world.by_hand(|state| state.issuer.seed_key("second", |_| {}));
    stage.world.advance(Duration::from_secs(3600));
    stage.world.by_hand(|state| _ = state.github.leak("acme/app", &value));
    let ran = watch(&stage).run();
    ended(&ran, 3, "attention");
    assert!(ran.tells("the issuer does not tell which of the listed keys it is"), "{}", ran.log());
}

#[test]
fn an_issuer_that_does_not_answer_is_no_leak_that_was_dealt_with() {
    let stage = stage();
    leak_current(&stage, "acme/app");
    stage.world.fault("issuer:GET:1x99:status=500");
    let ran = watch(&stage).run();
    ended(&ran, 1, "unchanged");
    assert!(alert(&stage, "acme/app", 1).open);
}

#[test]
fn inputs_are_checked() {
    let stage = Setting::new(Dialect::Mgmt).places(&["vault:secret/app#key"]).stage();
    let ran = watch(&stage).run();
    assert_eq!(ran.status(), 2, "{}", ran.log());
    assert!(ran.tells("alerts-of: is required where no target lies at GitHub"), "{}", ran.log());
    for (name, value, told) in [
        ("alerts-of", "acme/app/x", "is neither `OWNER/NAME` nor an organisation"),
        ("alerts-of", "-acme", "is neither `OWNER/NAME` nor an organisation"),
        ("on-leak", "delete", "on-leak"),
        ("leaked", "true", "leaked: has no meaning for `watch-leaks`"),
    ] {
        let ran = watch(&self::stage()).input(name, value).run();
        assert!(ran.status() == 2 && ran.tells(told), "{name}\n{}", ran.log());
    }
}

/// An issuer that forgets late accepts the key that was replaced: that is not the new one, which is the only live key.
#[test]
fn a_retired_key_that_is_accepted_still_passes_for_no_other() {
    for later in [0, 1800] {
        let stage = stage();
        stage.behaviour(|it| it.forgets_after = Duration::from_secs(3600));
        leak_current(&stage, "acme/app");
        stage.run();
        stage.world.advance(Duration::from_secs(later));
        let before = stage.held();
        let ran = watch(&stage).input("verify-timeout", "1s").run();
        ended(&ran, 3, "attention");
        assert!(alert(&stage, "acme/app", 1).open, "{}", ran.log());
        assert_eq!(stage.held(), before, "it was rotated for nothing\n{}", ran.log());
    }
}

/// What the issuer says is deleted may work all the same.
#[test]
fn an_alert_stays_open_while_its_key_works() {
    let stage = stage();
    stage.behaviour(|it| it.forgets_after = Duration::from_secs(3600));
    leak_current(&stage, "acme/app");
    let ran = watch(&stage).input("verify-timeout", "1s").input("close-dead-alerts", "true").run();
    ended(&ran, 3, "attention");
    assert!(alert(&stage, "acme/app", 1).open, "{}", ran.log());
    // Once it is forgotten.
    stage.world.advance(Duration::from_secs(7200));
    ended(&watch(&stage).input("close-dead-alerts", "true").run(), 0, "watched");
    closed(&stage, "acme/app", 1);
}

/// Another one than the run's own, and the issuer's list shows whose its value is.
#[test]
fn a_listed_key_that_manages_others_is_not_disabled() {
    let stage = Setting::new(Dialect::OpenRouter).stage();
    let value = stage.world.by_hand(|state| {
        let (_, value) = state.issuer.seed_management("colleague");
        state.github.leak("acme/app", &value);
        value
    });
    let ran = watch(&stage).input("on-leak", "disable").run();
    ended(&ran, 3, "attention");
    assert!(!is_dead(&stage, &value) && alert(&stage, "acme/app", 1).open, "{}", ran.log());
}

/// One account is one, however its rotations are configured.
#[test]
fn a_key_of_another_rotation_of_the_account_is_rotated_and_not_disabled() {
    for set in ["include-byok-in-limit: true", "workspace-id: other"] {
        let stage = Setting::new(Dialect::OpenRouter).stage();
        stage.world.by_hand(|state| _ = state.github.add_repo("acme/staging"));
        let value = leak_current(&stage, "acme/app");
        let text = format!(
            "rotations:\n  - {{key-name: staging, targets: [\"repo:acme/staging\"], {set}}}\n  - {{key-name: production, \
             targets: [\"repo:acme/app\"]}}\n"
        );
        let path = stage.put("keyrotor.yml", text);
        let run = watch(&stage).input("key-name", "").input("targets", "").input("config", &path);
        let ran = run.input("on-leak", "disable").run();
        ended(&ran, 0, "rotated");
        assert!(is_dead(&stage, &value), "{set}\n{}", ran.log());
        closed(&stage, "acme/app", 1);
        stage.check_no_outage().unwrap();
    }
}

/// Its targets are another workflow's, which this one does not know.
#[test]
fn a_key_that_is_named_as_another_rotations_is_left_to_a_person() {
    for name in ["staging-2026-10-22-aaaaaa", "staging-2026-10-22-aaaaaa-reenabled"] {
        let stage = Setting::new(Dialect::OpenRouter).stage();
        let (_, value) = stage.world.by_hand(|state| state.issuer.seed_key(name, |_| {}));
        stage.world.by_hand(|state| _ = state.github.leak("acme/app", &value));
        let ran = watch(&stage).input("on-leak", "disable").run();
        ended(&ran, 3, "attention");
        assert!(ran.tells("its name is that of another rotation's key"), "{}", ran.log());
        assert!(!is_dead(&stage, &value) && alert(&stage, "acme/app", 1).open);
    }
}

/// Where the issuer does not say whether a key manages others, it may.
#[test]
fn a_key_that_may_manage_others_is_not_disabled() {
    let stage = Setting::new(Dialect::OpenRouter).stage();
    let value = stage.world.by_hand(|state| {
        let (_, value) = state.issuer.seed_management("colleague");
        state.github.leak("acme/app", &value);
        value
    });
    for nth in 1..=6 {
        stage.world.clear_faults();
        stage.world.fault(&format!("issuer:GET:{nth}:status=502"));
        let ran = watch(&stage).input("on-leak", "disable").run();
        assert_ne!(ran.status(), 0, "{nth}\n{}", ran.log());
        assert!(!is_dead(&stage, &value) && alert(&stage, "acme/app", 1).open, "{nth}\n{}", ran.log());
    }
}

/// What has expired is dead, whatever its family does.
#[test]
fn a_key_that_has_expired_rotates_nothing() {
    let stage = Setting::new(Dialect::OpenRouter).stage();
    let value = stage.world.by_hand(|state| {
        let end = state.issuer.clock.now() + Duration::from_secs(3600);
        let (_, value) = state.issuer.seed_key("production-2026-09-01-bbbbbb", |key| key.rights.expires_at = Some(end));
        value
    });
    stage.world.advance(Duration::from_secs(7200));
    stage.world.by_hand(|state| _ = state.github.leak("acme/app", &value));
    let before = stage.held();
    let ran = watch(&stage).run();
    ended(&ran, 0, "watched");
    assert!(ran.tells("the key is dead") && stage.held() == before, "{}", ran.log());
}

/// Placeholders agree with masked labels, and are no keys.
#[test]
fn a_value_that_only_agrees_with_a_label_changes_nothing() {
    let stage = Setting::new(Dialect::OpenRouter).stage();
    let value = stage.held()[0].clone().unwrap();
    let (head, tail) = (&value[..14], &value[value.len() - 4..]);
    let placeholder = format!("{head}{}{tail}", "x".repeat(value.len() - 18));
    stage.world.by_hand(|state| _ = state.github.leak("acme/app", &placeholder));
    let before = stage.held();
    let ran = watch(&stage).input("on-leak", "disable").run();
    assert_eq!((stage.held(), is_dead(&stage, &value)), (before, false), "{}", ran.log());
}

/// A team's account at the same issuer: its key is accepted, and is not the one that is deployed here.
#[test]
fn a_strangers_key_that_is_accepted_neither_rotates_nor_is_called_dead() {
    let stage = Setting::new(Dialect::Mgmt).with_current_key().stage();
    stage.behaviour(|it| (it.forgets_after, it.has_key_endpoint) = (Duration::from_secs(24 * 3600), false));
    let value = stage.world.by_hand(|state| {
        let (id, value) = state.issuer.seed_key("theirs", |_| {});
        _ = state.issuer.delete(&id);
        value
    });
    stage.world.advance(Duration::from_secs(600));
    stage.world.by_hand(|state| _ = state.github.leak("acme/app", &value));
    let before = stage.held();
    let ran = watch(&stage).input("close-dead-alerts", "true").input("verify-timeout", "1s").run();
    ended(&ran, 3, "attention");
    assert!(stage.held() == before && alert(&stage, "acme/app", 1).open, "{}", ran.log());
}

/// A target that somebody wrote by hand may hold the key, whatever `current-key` says.
#[test]
fn a_key_is_not_disabled_while_a_target_was_written_by_hand() {
    let stage = Setting::new(Dialect::OpenRouter).repos(&["acme/app", "acme/api"]).with_current_key().stage();
    let value = stage.world.by_hand(|state| {
        let (_, value) = state.issuer.seed_key("somebodys", |_| {});
        state.github.leak("acme/app", &value);
        value
    });
    stage.world.advance(Duration::from_secs(600));
    stage.world.by_hand(|state| state.github.write_secret(&Place::repo("acme/api"), SECRET, &value));
    stage.world.advance(Duration::from_secs(600));
    let ran = watch(&stage).input("on-leak", "disable").run();
    ended(&ran, 3, "attention");
    assert!(!is_dead(&stage, &value), "{}", ran.log());
    stage.check_no_outage().unwrap();
}

/// Wherever it stands, it holds.
#[test]
fn where_every_rotation_is_dry_nothing_is_changed() {
    let stage = Setting::new(Dialect::OpenRouter).stage();
    let (id, value) = stage.world.by_hand(|state| state.issuer.seed_key("somebodys", |_| {}));
    let (dead_id, dead) = stage.world.by_hand(|state| state.issuer.seed_key("dead", |_| {}));
    stage.world.by_hand(|state| {
        _ = state.issuer.delete(&dead_id);
        state.github.leak("acme/app", &value);
        state.github.leak("acme/app", &dead);
    });
    let text = "rotations: [{key-name: production, targets: [\"repo:acme/app\"], dry-run: true}]\nissuer: openrouter\n";
    let path = stage.put("keyrotor.yml", text);
    let run = watch(&stage).input("key-name", "").input("targets", "").input("config", &path).input("issuer", "");
    let ran = run.input("on-leak", "disable").input("close-dead-alerts", "true").run();
    assert_eq!(traffic::writes(&ran), Vec::<String>::new(), "{id}\n{}", ran.log());
    assert!(!is_dead(&stage, &value) && alert(&stage, "acme/app", 2).open, "{}", ran.log());
}

/// What a person said of an alert meanwhile stays.
#[test]
fn an_alert_that_was_closed_meanwhile_is_left_as_it_is() {
    let stage = stage();
    leak_current(&stage, "acme/app");
    let world = stage.world.clone();
    stage.world.fault("issuer:POST:1:delay=300ms");
    let ran = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !world.requests().iter().any(|request| request.method == "POST") {
                std::thread::sleep(Duration::from_millis(5));
            }
            world.by_hand(|state| {
                let alert = state.github.alerts.last_mut().unwrap();
                (alert.open, alert.resolution) = (false, Some("used_in_tests".to_owned()));
            });
        });
        watch(&stage).run()
    });
    assert_eq!(ran.status(), 0, "{}", ran.log());
    assert_eq!(alert(&stage, "acme/app", 1).resolution.as_deref(), Some("used_in_tests"));
}
