//! What becomes of replaced keys: switched off and on again, held while they are used, and a leaked one that could not
//! be ended.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::time::Duration;

use keyrotor::rotation::outcome::{KeyFate, OldKeyStatus, RunStatus, StrayReason};
use keyrotor::rotation::policy::Retire;
use keyrotor_fake::{Dialect, Key};
use keyrotor_sim::scene::Slip;
use keyrotor_sim::{Call, Fault, Scene, Script};

use crate::harness::{FAMILY, Invocation, Ran, Setting, Stage};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const LONG_AFTER: Duration = Duration::from_secs(600);

fn disabling() -> Scene {
    let mut scene = Scene::rotated_before(&["acme/app", "acme/api"]);
    scene.policy.retire = Retire::Disable;
    scene
}

fn key(scene: &Scene, id: &str) -> Key {
    scene.world.read(|state| state.issuer.key(id).cloned()).unwrap()
}

/// The only live key of the family, which is about to be replaced.
fn current(scene: &Scene) -> Key {
    scene.live_family().pop().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_replaced_key_is_switched_off_and_not_deleted() {
    let scene = disabling();
    let old = current(&scene);
    let ended = scene.clean_run().await;
    assert_eq!(ended.outcome().old_key_status, OldKeyStatus::Disabled, "{:#?}", ended.outcome());
    assert!(key(&scene, &old.id).disabled);
    scene.assert_healed();
}

#[tokio::test(start_paused = true)]
async fn after_its_grace_a_key_is_switched_off_by_a_later_run() {
    let mut scene = disabling();
    (scene.policy.grace, scene.policy.rotate_after) = (DAY, 30 * DAY);
    let old = current(&scene);
    assert_eq!(scene.clean_run().await.outcome().old_key_status, OldKeyStatus::Pending);
    assert!(!key(&scene, &old.id).disabled);
    scene.world.advance(2 * DAY);
    let ended = scene.clean_run().await;
    assert_eq!(ended.outcome().verdict, RunStatus::NotDue, "{:#?}", ended.outcome());
    assert!(key(&scene, &old.id).disabled);
    scene.assert_healed();
    scene.world.advance(DAY);
    assert!(
        scene.clean_run().await.outcome().keys.iter().all(|key| key.id.0 != old.id),
        "it is no matter of a later run"
    );
}

/// Switching off is an end like deleting: whoever holds the key is out. What the list shows decides.
#[tokio::test(start_paused = true)]
async fn a_key_that_could_not_be_switched_off_is_named() {
    for (fault, status) in [(Fault::Refuse, 3), (Fault::LoseBefore, 3), (Fault::LoseAfter, 0)] {
        let scene = disabling();
        let old = current(&scene);
        let ended = scene.run(Script::default().always(Call::Disable, fault)).await;
        assert_eq!((ended.status(), ended.outcome().rotated), (status, true), "{fault:?} {:#?}", ended.outcome());
        let told = ended.outcome().problems.iter().any(|problem| problem.what.contains(&old.id));
        assert_eq!(told, status == 3, "{fault:?} {:#?}", ended.outcome());
        scene.world.advance(LONG_AFTER);
        assert_eq!(scene.clean_run().await.status(), 0);
        scene.assert_healed();
    }
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_can_not_rename_is_not_trusted_to_switch_off() {
    for scene in [disabling().without_renames(), disabling().with_renames_ignored()] {
        let before = scene.deployed();
        let ended = scene.clean_run().await;
        assert_eq!((ended.status(), scene.deployed()), (1, before), "{:#?}", ended.outcome());
        let next = ended.outcome().problems.iter().filter_map(|problem| problem.next.as_deref());
        assert!(next.into_iter().any(|next| next.contains("retire to delete")), "{:#?}", ended.outcome());
    }
}

/// The way back: the key works, is of no family, and no later run touches it.
#[tokio::test(start_paused = true)]
async fn a_key_that_was_taken_back_is_never_touched_again() {
    for killed in [None, Some((Call::Rename, false)), Some((Call::Rename, true)), Some((Call::Disable, false))] {
        let scene = disabling();
        let old = current(&scene);
        scene.clean_run().await;
        if let Some((call, applied)) = killed {
            let script = Script::default().at(call, 1, Fault::Kill { applied });
            assert_eq!(scene.reenable(&old.id, script).await.status(), 137);
            assert!(key(&scene, &old.id).disabled, "its name comes first");
        }
        let ended = scene.reenable(&old.id, Script::default()).await;
        assert_eq!(ended.outcome().verdict, RunStatus::Reenabled, "{:#?}", ended.outcome());
        let renamed = format!("{} ({}) is now called {0}-reenabled", old.name, old.id);
        assert_eq!(
            ended.outcome().notices.contains(&renamed),
            killed.is_none_or(|(call, applied)| (call, applied) == (Call::Rename, false)),
            "{:#?}",
            ended.outcome()
        );
        assert_eq!(scene.reenable(&old.id, Script::default()).await.status(), 0, "and again");
        let back = key(&scene, &old.id);
        assert_eq!((back.disabled, back.name.as_str()), (false, format!("{}-reenabled", old.name).as_str()));
        for _ in 0..3 {
            scene.world.advance(40 * DAY);
            let ended = scene.clean_run().await;
            assert_eq!(ended.outcome().verdict, RunStatus::Rotated, "{:#?}", ended.outcome());
            assert!(ended.outcome().keys.iter().all(|key| key.id.0 != old.id));
        }
        assert!(!key(&scene, &old.id).disabled);
        scene.assert_healed();
    }
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_taken_back_says_why_and_stays() {
    let scene = disabling();
    let live = current(&scene);
    scene.clean_run().await;
    let gone = scene.world.by_hand(|state| {
        let (gone, _) = state.issuer.seed_key("production-2026-01-01-dddddd", |key| key.disabled = true);
        state.issuer.key_mut(&gone).unwrap().rights.expires_at = Some("2026-02-01T00:00:00Z".parse().unwrap());
        gone
    });
    let root = scene.world.read(|state| state.issuer.keys.iter().find(|key| key.name == "root").unwrap().id.clone());
    let new = current(&scene).id;
    for (id, says) in [
        ("nowhere", "is not in the issuer's list"),
        (root.as_str(), "is a management key"),
        (gone.as_str(), "has expired"),
        (new.as_str(), "is not switched off"),
    ] {
        let ended = scene.reenable(id, Script::default()).await;
        let first = ended.outcome().problems.first().map(|first| first.what.clone()).unwrap_or_default();
        assert!(ended.status() == 1 && first.contains(says), "{:#?}", ended.outcome());
    }
    for call in [Call::List, Call::Rename, Call::Disable] {
        let ended = scene.reenable(&live.id, Script::default().always(call, Fault::Refuse)).await;
        assert_eq!(ended.status(), 1, "{call:?}");
        assert!(key(&scene, &live.id).disabled, "{call:?}");
    }
    scene.assert_healed();
}

/// What was sent without an answer may land after the list was read.
#[tokio::test(start_paused = true)]
async fn a_key_that_may_yet_be_switched_on_is_not_said_to_stay_off() {
    let scene = disabling();
    let old = current(&scene);
    scene.clean_run().await;
    let ended = scene.reenable(&old.id, Script::default().always(Call::Disable, Fault::LoseBefore)).await;
    assert_eq!(ended.outcome().verdict, RunStatus::Attention, "{:#?}", ended.outcome());
    assert!(ended.outcome().keys.iter().any(|key| key.id.0 == old.id && matches!(key.fate, KeyFate::Stray { .. })));
    assert_eq!(scene.reenable(&old.id, Script::default()).await.status(), 0);
}

/// Trace 16, and what a run says while it lasts: exit 3, and when the key was last used.
#[tokio::test(start_paused = true)]
async fn a_key_past_its_grace_that_is_still_used_is_held_and_named() {
    let mut scene = Scene::rotated_before(&["acme/app"]);
    (scene.policy.grace, scene.policy.rotate_after) = (DAY, 30 * DAY);
    scene.world.by_hand(|state| state.issuer.behaviour.shows_last_used = true);
    let old = current(&scene);
    scene.clean_run().await;
    scene.world.advance(2 * DAY);
    scene.world.by_hand(|state| state.issuer.mark_used(&old.id, 0.01));
    let used = key(&scene, &old.id).last_used_at.unwrap();
    scene.world.advance(3 * HOUR);
    // Also where this run replaces the current key.
    for rotate_after in [30 * DAY, Duration::ZERO] {
        scene.policy.rotate_after = rotate_after;
        let ended = scene.clean_run().await;
        let fate = ended.outcome().keys.iter().find(|key| key.id.0 == old.id).map(|key| key.fate.clone());
        let says = format!("it is still in use: it was last used at {used}, 3 h ago");
        assert_eq!(
            (ended.status(), fate),
            (3, Some(KeyFate::Stray { reason: StrayReason::Other(says) })),
            "{:#?}",
            ended.outcome()
        );
        assert!(scene.live_family().iter().any(|key| key.id == old.id));
    }
    scene.policy.rotate_after = 30 * DAY;
    scene.world.advance(2 * DAY);
    assert_eq!(scene.clean_run().await.status(), 0, "nobody used it for a day");
    scene.assert_healed();
}

#[tokio::test(start_paused = true)]
async fn a_leaked_key_goes_although_it_is_in_use() {
    let mut scene = disabling();
    scene.policy.grace = DAY;
    scene.world.by_hand(|state| state.issuer.behaviour.shows_last_used = true);
    let old = current(&scene);
    scene.clean_run().await;
    scene.world.advance(2 * DAY);
    scene.world.by_hand(|state| state.issuer.mark_used(&old.id, 0.01));
    scene.policy.leaked = true;
    let ended = scene.clean_run().await;
    assert_eq!((ended.status(), ended.outcome().leak_open), (0, false), "{:#?}", ended.outcome());
    assert!(scene.world.read(|state| state.issuer.deleted.iter().any(|key| key.id == old.id)), "deleted, not disabled");
    scene.assert_healed();
}

fn leaked(stage: &Stage) -> Invocation<'_> {
    stage.action().input("leaked", "true")
}

/// The first lines, in the log and in the summary, name the key and how to delete it.
fn says_that_the_leak_is_open(stage: &Stage, ran: &Ran, id: &str) {
    let log = format!("production: The leaked key {FAMILY}");
    let first = ran.stdout.lines().find(|line| line.starts_with(&log)).unwrap_or_default();
    let by_hand = format!("Delete key `{id}` in ARouter's dashboard");
    assert!(first.contains(&format!("({id}) is still alive. {by_hand}")), "{}", ran.log());
    let mut summary = ran.summary.lines();
    assert_eq!(summary.next(), Some("## ❌ The leaked key is still alive: `production`"));
    assert!(summary.nth(1).unwrap_or_default().starts_with("**The leaked key "), "{}", ran.summary);
    assert!(ran.report().unwrap()["problems"][0]["what"].as_str().unwrap().contains("is still alive"), "{}", ran.log());
    stage.check_no_outage().unwrap();
}

#[test]
fn a_leak_that_could_not_be_ended_is_what_the_report_begins_with() {
    for (fault, status) in
        [("github:PUT:1:status=403", 1), ("issuer:POST:1x9:status=402", 1), ("issuer:DELETE:1x9:status=403", 3)]
    {
        let stage = Setting::new(Dialect::Mgmt).stage();
        let old = stage.world.live_keys(FAMILY).pop().unwrap();
        stage.world.fault(fault);
        let ran = leaked(&stage).run();
        assert_eq!(ran.status(), status, "{fault}\n{}", ran.log());
        says_that_the_leak_is_open(&stage, &ran, &old.id);
        assert!(!ran.log().contains("delete it by hand only if"), "{}", ran.log());
        assert!(!ran.summary.contains("**What went wrong:** the leaked key"), "{}", ran.summary);
        assert!(!ran.stdout.contains("  error: the leaked key"), "{}", ran.log());
        stage.world.clear_faults();
        let ran = leaked(&stage).run();
        assert_eq!(ran.status(), 0, "{}", ran.log());
        assert!(!ran.summary.contains("still alive") && !ran.stdout.contains("still alive"), "{}", ran.log());
    }
}

/// Nothing could be read, so that nobody knows which key it is.
#[test]
fn a_leaked_key_that_is_not_known_is_alive_all_the_same() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    stage.world.fault("issuer:GET:1x9:status=403");
    let ran = leaked(&stage).run();
    let says =
        "production: The leaked key is still alive: this run could not tell which one it is. Find the leaked key";
    assert!(ran.status() == 1 && ran.stdout.lines().any(|line| line.starts_with(says)), "{}", ran.log());
    let named = leaked(&stage).input("replace-key-id", "key_of_a_person").run();
    assert!(named.stdout.contains("The leaked key (key_of_a_person) is still alive. Delete key"), "{}", named.log());
}

fn reenable<'a>(stage: &'a Stage, id: &str) -> Invocation<'a> {
    let no_rotation = ["key-name", "targets", "retire", "verify-timeout"];
    no_rotation.into_iter().fold(stage.cli(), |run, name| run.input(name, "")).arg("reenable").arg(id)
}

#[test]
fn a_key_is_switched_off_and_on_again_from_the_command_line() {
    let stage = Setting::new(Dialect::Mgmt).input("retire", "disable").stage();
    let old = stage.world.live_keys(FAMILY).pop().unwrap();
    let ran = stage.run();
    assert_eq!((ran.status(), ran.output("old-key-status")), (0, "disabled"), "{}", ran.log());
    assert!(ran.summary.contains(&format!("keyrotor reenable {}", old.id)), "{}", ran.summary);
    let off = || stage.world.read(|state| state.issuer.key(&old.id).unwrap().disabled);
    assert!(off());
    let ran = reenable(&stage, &old.id).arg("--dry-run").run();
    assert_eq!((ran.status(), off()), (0, true), "{}", ran.log());
    let ran = reenable(&stage, &old.id).run();
    assert_eq!((ran.status(), off()), (0, false), "{}", ran.log());
    assert!(ran.stdout.contains("the targets keep the key that they hold"), "{}", ran.log());
    let ran = reenable(&stage, &old.id).arg("--format=json").run();
    let report = ran.report().unwrap();
    assert_eq!((ran.status(), &report["outcome"]), (0, &"reenabled".into()), "{}", ran.log());
    assert_eq!(report["keys"][0]["fate"], "reenabled");
}

/// Switched on and not known to be, a key of no family would live for ever.
#[test]
fn a_key_that_was_switched_on_without_an_answer_is_looked_for() {
    for (listed, status, says) in [(true, 0, "on again"), (false, 3, "it may be switched on")] {
        let stage = Setting::new(Dialect::Mgmt).input("retire", "disable").stage();
        let old = stage.world.live_keys(FAMILY).pop().unwrap();
        assert_eq!(stage.run().status(), 0);
        stage.world.fault("issuer:PATCH:2x9:drop-after");
        if !listed {
            // Behind the two pages of the first look.
            stage.world.fault("issuer:GET:3x99:status=503");
        }
        let ran = reenable(&stage, &old.id).run();
        assert_eq!(ran.status(), status, "{}", ran.log());
        assert!(!stage.world.read(|state| state.issuer.key(&old.id).unwrap().disabled));
        let told = |text: &str| ran.log().contains(text);
        assert!(told(says) && told(&old.id) && !told("stays switched off"), "{}", ran.log());
    }
}

/// A stage on which a run with a day of grace has just replaced a key, which is given. No later run states one by itself.
fn promised(dialect: Dialect) -> (Stage, Key) {
    let stage = Setting::new(dialect).repos(&["acme/app", "acme/api"]).stage();
    let old = stage.world.live_keys(FAMILY).pop().unwrap();
    let ran = stage.action().input("grace-period", "24h").run();
    assert_eq!((ran.status(), ran.output("old-key-status")), (0, "pending"), "{}", ran.log());
    (stage, old)
}

fn is_alive(stage: &Stage, key: &Key) -> bool {
    stage.world.live_keys(FAMILY).iter().any(|live| live.id == key.id)
}

fn not_due(stage: &Stage) -> Invocation<'_> {
    stage.action().input("rotate-after", "30d")
}

#[test]
fn a_grace_that_an_earlier_run_stated_holds_where_none_is_stated() {
    for dialect in [Dialect::Mgmt, Dialect::OpenRouter] {
        let (stage, old) = promised(dialect);
        stage.world.advance(HOUR);
        for run in
            [not_due(&stage), not_due(&stage).input("dry-run", "true"), not_due(&stage).input("grace-period", "")]
        {
            let ran = run.run();
            assert_eq!((ran.status(), is_alive(&stage, &old)), (0, true), "{}", ran.log());
            let keys = ran.report().unwrap()["keys"].clone();
            let row = keys.as_array().unwrap().iter().find(|key| key["id"] == old.id.as_str()).unwrap().clone();
            assert_eq!(row["fate"], "pending", "{row}");
        }
        let ran = not_due(&stage).run();
        let says = "since an earlier run replaced it and this run states no grace-period; set grace-period to 0s";
        assert!(ran.stdout.contains(says) && ran.summary.contains("states no grace-period"), "{}", ran.log());
        assert!(!ran.stdout.contains("is retired"), "{}", ran.log());
        stage.world.advance(DAY);
        let ran = not_due(&stage).run();
        assert_eq!((ran.status(), ran.output("outcome")), (0, "not-due"), "{}", ran.log());
        let line =
            "production: Not due, an earlier key is retired. The current key stays. This run retired production-";
        assert!(ran.stdout.lines().any(|said| said.starts_with(line)), "{}", ran.log());
        assert!(ran.summary.starts_with("## ✅ Not due, an earlier key is retired: `production`"), "{}", ran.summary);
        stage.check_healed().unwrap();
    }
}

#[test]
fn a_promised_grace_ends_at_once_where_that_is_stated() {
    for (name, value) in [("grace-period", "0s"), ("leaked", "true")] {
        let (stage, old) = promised(Dialect::Mgmt);
        stage.world.advance(HOUR);
        let ran = not_due(&stage).input(name, value).run();
        assert_eq!((ran.status(), is_alive(&stage, &old)), (0, false), "{name}: {}", ran.log());
        assert!(ran.stdout.contains("an earlier key is retired"), "{name}: {}", ran.log());
        stage.check_healed().unwrap();
    }
}

/// The file says it at its top or in a rotation, or an input does beside it.
#[test]
fn a_grace_is_stated_wherever_it_stands() {
    let file = |top: &str, own: &str| {
        format!(
            "{top}rotations:\n  - key-name: production\n    rotate-after: 30d\n{own}    targets: [\"repo:acme/app\", \
             \"repo:acme/api\"]\n"
        )
    };
    for (top, own, beside, alive) in [
        ("", "", "", true),
        ("grace-period: 0s\n", "", "", false),
        ("", "    grace-period: 0s\n", "", false),
        ("", "", "0s", false),
        ("grace-period: 0s\n", "    grace-period: 48h\n", "", true),
    ] {
        let (stage, old) = promised(Dialect::Mgmt);
        stage.world.advance(HOUR);
        std::fs::write(stage.path("rotations.yml"), file(top, own)).unwrap();
        let run = ["key-name", "targets"].into_iter().fold(stage.action(), |run, name| run.input(name, ""));
        let ran = run.input("config", "rotations.yml").input("grace-period", beside).run();
        assert_eq!((ran.status(), is_alive(&stage, &old)), (0, alive), "{top}{own}{beside}: {}", ran.log());
    }
}

#[test]
fn a_run_that_rotates_without_a_stated_grace_spares_what_an_earlier_one_replaced() {
    let (stage, old) = promised(Dialect::Mgmt);
    stage.world.advance(HOUR);
    let replaced = stage.world.live_keys(FAMILY).into_iter().find(|key| key.id != old.id).unwrap();
    let ran = stage.run();
    assert_eq!((ran.status(), ran.output("old-key-status")), (0, "deleted"), "{}", ran.log());
    assert_eq!((is_alive(&stage, &old), is_alive(&stage, &replaced)), (true, false), "{}", ran.log());
    stage.world.advance(DAY);
    let ran = stage.run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    assert!(ran.summary.starts_with("## ✅ Rotated, an earlier key is retired too: `production`"), "{}", ran.summary);
    stage.check_healed().unwrap();
}

#[test]
fn without_a_stated_grace_a_key_that_is_still_used_waits_until_nobody_uses_it() {
    for rotate_after in ["30d", "0s"] {
        let (stage, old) = promised(Dialect::Mgmt);
        stage.world.by_hand(|state| state.issuer.behaviour.shows_last_used = true);
        for _ in 0..3 {
            stage.world.advance(23 * HOUR);
            stage.world.by_hand(|state| state.issuer.mark_used(&old.id, 0.1));
            stage.world.advance(2 * HOUR);
            let ran = stage.action().input("rotate-after", rotate_after).run();
            assert_eq!((ran.status(), is_alive(&stage, &old)), (0, true), "{}", ran.log());
            let says = format!("({}) stays alive until it was not used for 24 h: it was last used at", old.id);
            assert!(ran.stdout.contains(&says) && ran.report().unwrap()["notices"].to_string().contains(&says));
        }
        stage.world.advance(DAY);
        let ran = not_due(&stage).run();
        assert_eq!((ran.status(), is_alive(&stage, &old)), (0, false), "{}", ran.log());
        stage.check_healed().unwrap();
    }
}

/// Where no input says that the replaced key goes at once, the plan says what that means.
#[test]
fn what_a_rotation_without_a_stated_grace_means_for_queued_jobs_is_told() {
    let says = "jobs that have already read the old key fail once it is retired; set grace-period to 24h";
    let told = |setting: Setting| {
        let ran = setting.stage().run();
        assert_eq!(ran.status(), 0, "{}", ran.log());
        ran.report().unwrap()["notices"].to_string().matches(says).count()
    };
    let plain = || Setting::new(Dialect::Mgmt);
    assert_eq!(told(plain()), 1);
    assert_eq!(told(plain().input("dry-run", "true")), 1);
    assert_eq!(told(plain().input("retire", "disable")), 1);
    for (name, value) in [("grace-period", "0s"), ("grace-period", "1h"), ("retire", "keep"), ("leaked", "true")] {
        assert_eq!(told(plain().input(name, value)), 0, "{name}: {value}");
    }
    assert_eq!(told(plain().input("rotate-after", "90d")), 0, "nothing is due");
    for dialect in [Dialect::Guide, Dialect::Overview] {
        assert_eq!(told(Setting::new(dialect).with_current_key()), 0, "{dialect:?}: it can't rename");
    }
}

/// A dry run changes nothing, so that what waits is nothing to look at.
#[test]
fn a_dry_run_takes_no_replaced_key_for_one_that_was_left_over() {
    for (input, value, fate) in
        [("grace-period", "24h", "pending"), ("retire", "keep", "kept"), ("grace-period", "1h", "pending")]
    {
        let stage = Setting::new(Dialect::Mgmt).input("rotate-after", "30d").input(input, value).stage();
        assert_eq!(stage.run().status(), 0);
        stage.world.advance(Duration::from_secs(2 * 3600));
        let ran = stage.cli().input("dry-run", "true").arg("--format=json").run();
        let report = ran.report().unwrap();
        assert_eq!(
            (ran.status(), &report["outcome"], &report["rotations"][0]["dry-run"]),
            (0, &"unchanged".into(), &true.into()),
            "{}",
            ran.log()
        );
        let fates: Vec<_> =
            report["keys"].as_array().unwrap().iter().map(|key| key["fate"].as_str().unwrap()).collect();
        assert!(fates.contains(&fate), "{value}: {fates:?}");
    }
}

#[test]
fn reenable_takes_the_id_of_one_key() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    for (run, says) in [
        (reenable(&stage, "a/b"), "expected the id of one key"),
        (reenable(&stage, "").input("key-name", "production"), "has no meaning for `reenable`"),
        (stage.cli().arg("rotate").arg("key_1"), "only for `reenable`"),
    ] {
        let ran = run.run();
        assert_eq!((ran.status(), ran.requests.len()), (2, 0), "{}", ran.log());
        assert!(ran.log().contains(says), "{says}: {}", ran.log());
    }
    let ran = reenable(&stage, "key_of_nobody").run();
    assert_eq!(ran.status(), 1, "{}", ran.log());
    assert!(ran.log().contains("is not in the issuer's list"), "{}", ran.log());
}

#[test]
fn a_leaked_key_that_is_still_listed_is_not_called_deleted() {
    let stage = Setting::new(Dialect::Mgmt).with_current_key().input("leaked", "true").stage();
    stage.world.fault("issuer:DELETE:1:status=204");
    let ran = stage.run();
    assert_eq!((ran.status(), ran.output("outcome")), (3, "attention"), "{}", ran.log());
    assert!(ran.tells("its list does not show that the key is gone") && ran.tells("is still alive"), "{}", ran.log());
    assert_eq!(stage.world.live_keys(FAMILY).len(), 2);
    let ran = stage.run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    stage.check_healed().unwrap();
}

/// An issuer that answers a deletion with success and goes on accepting the key for so long.
fn forgetful(dialect: Dialect, forgets_after: Duration) -> Stage {
    let stage = Setting::new(dialect).with_current_key().stage();
    stage.behaviour(|issuer| issuer.forgets_after = forgets_after);
    stage
}

#[test]
fn a_key_that_was_retired_is_tried_until_it_is_refused() {
    for dialect in [Dialect::Mgmt, Dialect::Guide, Dialect::Overview, Dialect::OpenRouter] {
        let stage = forgetful(dialect, Duration::from_secs(1));
        let ran = stage.run();
        assert_eq!(ran.status(), 0, "{}", ran.log());
        assert!(ran.summary_text().contains("deleted, refused since "), "{}", ran.summary_text());
        let report = ran.report().unwrap();
        assert!(report["keys"].as_array().unwrap().iter().any(|key| key["refused-since"].is_string()), "{report:#}");
        stage.check_healed().unwrap();
    }
}

#[test]
fn a_key_that_is_accepted_after_its_deletion_is_told_and_no_success() {
    for dialect in [Dialect::Mgmt, Dialect::Guide] {
        let stage = forgetful(dialect, Duration::from_secs(3600));
        let ran = stage.action().input("verify-timeout", "2s").run();
        assert_eq!(ran.status(), 3, "{}", ran.log());
        assert!(ran.tells("was deleted, and GET /v1/models still accepts it"), "{}", ran.log());
        assert_eq!(ran.output("old-key-status"), "alive");
        stage.check_no_outage().unwrap();
    }
}

#[test]
fn a_key_whose_value_nobody_has_is_not_said_to_be_refused() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    let ran = stage.run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    assert!(ran.summary_text().contains("deleted, not tried: its value is unknown"), "{}", ran.summary_text());
}

/// The run that deleted it has been killed meanwhile, or is over; the next one was queued with the old value.
#[tokio::test(start_paused = true)]
async fn a_deleted_key_that_is_accepted_still_is_not_put_back() {
    let mut scene = Scene::rotated_before(&["acme/app", "acme/api"]).with_current_key();
    scene.world.by_hand(|state| {
        state.issuer.behaviour.masked_labels = false;
        state.issuer.behaviour.forgets_after = Duration::from_secs(200);
        state.issuer.keys.iter_mut().for_each(|key| key.label = None);
    });
    let old = scene.policy.current_key.clone();
    scene.policy.current_key = None;
    assert_eq!(scene.clean_run().await.status(), 0);
    scene.policy.current_key = old;
    let refused = Script::default().at(Call::Write(1), 0, Fault::Refuse);
    assert_eq!(scene.run(refused).await.status(), 3);
    assert!(scene.world.outages().is_empty(), "{:?}", scene.world.outages());
}

/// The leaked key is gone, and its successor lies under a misspelt name. What the target holds is accepted still, and without
/// labels it might be the only live key there is: but the target was last written before that one was made.
#[tokio::test(start_paused = true)]
async fn a_deleted_key_that_is_accepted_still_does_not_pass_for_a_younger_one() {
    let mut scene = Scene::hand_made(&["acme/app"]).readable();
    scene.world.by_hand(|state| {
        state.issuer.behaviour.masked_labels = false;
        state.issuer.behaviour.forgets_after = Duration::from_secs(200);
        state.issuer.keys.iter_mut().for_each(|key| key.label = None);
    });
    (scene.policy.leaked, scene.slip) = (true, Some(Slip::All));
    assert_eq!(scene.clean_run().await.status(), 3);
    let new = current(&scene);
    let misspelt = scene.world.value_at(&scene.targets[0], scene.secret_of(0));
    assert_eq!(misspelt.as_deref(), Some(new.value.as_str()));
    (scene.policy.leaked, scene.slip, scene.policy.replace_key_id) = (false, None, None);
    assert_eq!(scene.clean_run().await.status(), 1);
    assert_eq!(current(&scene).id, new.id, "the misspelt secret holds it");
}
