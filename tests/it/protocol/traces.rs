//! The traces that broke one rule or another of the protocol when they were not yet in it. Each runs the product's own
//! driver over in-memory ports on virtual time.

use std::time::Duration;

use keyrotor::rotation::model::KeyId;
use keyrotor::rotation::outcome::{KeyFate, OldKeyStatus, RunStatus, TargetState};
use keyrotor::rotation::policy::Retire;
use keyrotor_sim::scene::{Ended, FAMILY, SECRET};
use keyrotor_sim::{Call, Fault, Scene, Script};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const LONG_AFTER: Duration = Duration::from_secs(600);

fn killed(call: Call, nth: usize) -> Script {
    Script::default().at(call, nth, Fault::Kill { applied: true })
}

/// Kills a run right after its `nth` call of this kind took effect.
async fn kill_after(scene: &Scene, call: Call, nth: usize) {
    assert_eq!(scene.run(killed(call, nth)).await.status(), 137, "the run was to die at {call:?} {nth}");
}

fn live_names(scene: &Scene) -> Vec<String> {
    scene.world.live_keys(FAMILY).into_iter().map(|key| key.name).collect()
}

#[tokio::test(start_paused = true)]
async fn a_clean_rotation_replaces_the_key_everywhere_and_deletes_the_old_one() {
    let scene = Scene::rotated_before(&["acme/app", "acme/api", "acme/web"]);
    let old = scene.deployed();
    let ended = scene.clean_run().await;
    assert_eq!(ended.outcome().verdict, RunStatus::Rotated, "{:#?}", ended.outcome());
    assert_eq!(ended.outcome().old_key_status, OldKeyStatus::Deleted);
    scene.assert_healed();
    assert_ne!(scene.deployed(), old);
    assert!(live_names(&scene).iter().all(|name| !name.ends_with("-unconfirmed")));
}

#[tokio::test(start_paused = true)]
async fn trace_01_a_young_orphan_is_not_current_and_the_deployed_key_is_not_retired() {
    let mut scene = Scene::rotated_before(&["acme/app"]);
    kill_after(&scene, Call::Create, 1).await;
    scene.world.advance(3 * DAY);
    scene.policy.grace = DAY;
    scene.policy.rotate_after = 90 * DAY;
    let deployed = scene.deployed();
    let ended = scene.clean_run().await;
    assert_eq!(ended.outcome().verdict, RunStatus::Rotated);
    assert!(scene.world.live_keys(FAMILY).iter().any(|key| Some(&key.value) == deployed.as_ref()), "in grace");
    scene.world.advance(2 * DAY);
    assert_eq!(scene.clean_run().await.outcome().verdict, RunStatus::NotDue);
    scene.assert_healed();
}

#[tokio::test(start_paused = true)]
async fn trace_02_killed_between_two_targets_then_a_run_that_is_not_due_by_age() {
    let mut scene = Scene::rotated_before(&["acme/app", "acme/api"]);
    scene.policy.rotate_after = 90 * DAY;
    scene.policy.leaked = true;
    kill_after(&scene, Call::Write(0), 1).await;
    scene.policy.leaked = false;
    scene.world.advance(LONG_AFTER);
    assert_eq!(scene.clean_run().await.outcome().verdict, RunStatus::Rotated);
    scene.assert_healed();
}

#[tokio::test(start_paused = true)]
async fn trace_03_a_dead_current_key_of_a_queued_run_is_not_put_back() {
    let mut scene = Scene::rotated_before(&["acme/app", "acme/api"]).with_current_key();
    let stale = scene.policy.current_key.clone();
    assert_eq!(scene.clean_run().await.outcome().verdict, RunStatus::Rotated);
    scene.world.advance(LONG_AFTER);
    scene.policy.current_key = stale;
    let ended = scene.run(Script::default().always(Call::Write(1), Fault::Refuse)).await;
    assert_eq!(ended.status(), 3, "{:#?}", ended.outcome());
    scene.assert_no_outage();
    scene.world.advance(LONG_AFTER);
    assert_eq!(scene.clean_run().await.outcome().verdict, RunStatus::Rotated);
    scene.assert_healed();
}

#[tokio::test(start_paused = true)]
async fn trace_04_all_put_back_and_the_delete_of_the_new_key_lost() {
    let mut scene = Scene::rotated_before(&["acme/app", "acme/api"]).with_current_key();
    let script = Script::default().always(Call::LastWrite(1), Fault::Refuse).always(Call::Delete, Fault::LoseBefore);
    let ended = scene.run(script).await;
    assert_eq!(ended.status(), 3);
    assert!(ended.outcome().targets.iter().all(|target| target.state == TargetState::Old));
    scene.world.advance(LONG_AFTER);
    scene.policy = scene.clone().with_current_key().policy;
    let ended = scene.clean_run().await;
    assert_eq!(ended.outcome().verdict, RunStatus::Rotated, "{:#?}", ended.outcome());
    scene.assert_healed();
}

/// Where no rename is ever on record (not made, ignored, or not dated), putting back leaves the targets' last writes
/// behind every window.
#[tokio::test(start_paused = true)]
async fn trace_04_the_run_after_it_is_not_stuck_at_any_issuer() {
    let before = || Scene::rotated_before(&["acme/app", "acme/api"]);
    let undated = before();
    undated.world.by_hand(|state| state.issuer.behaviour.shows_updated = false);
    let scenes = [(before(), 0), (before().without_renames(), 0), (before().with_renames_ignored(), 3), (undated, 0)];
    for (scene, resting) in scenes {
        let mut scene = scene.with_current_key();
        let before = scene.deployed();
        let ended = scene.run(Script::default().at(Call::LastWrite(1), 1, Fault::Refuse)).await;
        assert_eq!((ended.status(), scene.deployed()), (1, before), "{:#?}", ended.outcome());
        scene.world.advance(LONG_AFTER);
        scene.policy.rotate_after = 90 * DAY;
        assert_eq!(scene.clean_run().await.status(), resting, "a write that nothing dates is told");
        scene.policy.rotate_after = Duration::ZERO;
        let ended = scene.clean_run().await;
        assert_eq!(ended.outcome().verdict, RunStatus::Rotated, "{:#?}", ended.outcome());
        scene.assert_healed();
    }
}

#[tokio::test(start_paused = true)]
async fn trace_05_a_lost_write_that_lands_after_everything_was_put_back() {
    for late in [1, 10, 29] {
        let scene = Scene::rotated_before(&["acme/app", "acme/api"]).with_current_key();
        let old = scene.deployed();
        let script = Script::default()
            .at(Call::Write(0), 1, Fault::Late(Duration::from_secs(late)))
            .always(Call::Write(1), Fault::Refuse);
        let ended = scene.run(script).await;
        assert_eq!(ended.status(), 1, "{:#?}", ended.outcome());
        tokio::time::sleep(LONG_AFTER).await;
        assert_eq!(scene.deployed(), old, "late by {late} s");
        scene.assert_healed();
    }
}

#[tokio::test(start_paused = true)]
async fn trace_05_a_lost_write_that_lands_before_the_commit_and_a_next_run_at_once() {
    for late in [1, 10, 29] {
        let mut scene = Scene::rotated_before(&["acme/app", "acme/api"]);
        let lost = Script::default().at(Call::Write(0), 1, Fault::Late(Duration::from_secs(late)));
        let status = scene.run(lost).await.status();
        assert!(matches!(status, 0 | 3), "{status}");
        scene.seed += 1;
        assert_eq!(scene.clean_run().await.outcome().verdict, RunStatus::Rotated);
        tokio::time::sleep(LONG_AFTER).await;
        scene.assert_healed();
    }
}

#[tokio::test(start_paused = true)]
async fn trace_06_someone_elses_write_is_not_taken_for_a_lost_one_of_ours() {
    let scene = Scene::rotated_before(&["acme/app", "acme/api"]);
    let old = scene.deployed().unwrap();
    let script = Script::default().always(Call::Write(0), Fault::LoseBefore).at(
        Call::LastWrite(1),
        1,
        Fault::Slow(Duration::from_secs(5)),
    );
    let by_hand = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        scene.world.by_hand(|state| state.github.write_secret(&scene.targets[0], SECRET, &old));
    };
    let (ended, ()) = tokio::join!(scene.run(script), by_hand);
    assert_eq!(ended.status(), 3);
    scene.assert_no_outage();
    assert_eq!(scene.deployed(), Some(old), "and the key that it holds is alive");
    scene.world.advance(LONG_AFTER);
    assert_eq!(scene.clean_run().await.outcome().verdict, RunStatus::Rotated);
    scene.assert_healed();
}

#[tokio::test(start_paused = true)]
async fn trace_07_an_old_value_put_back_by_hand_during_grace_is_not_retired_under_them() {
    let mut scene = Scene::rotated_before(&["acme/app", "acme/api"]);
    let old = scene.deployed().unwrap();
    scene.policy.grace = DAY;
    assert_eq!(scene.clean_run().await.outcome().old_key_status, OldKeyStatus::Pending);
    scene.world.advance(HOUR);
    scene.world.by_hand(|state| state.github.write_secret(&scene.targets[0], SECRET, &old));
    scene.policy.rotate_after = 30 * DAY;
    scene.world.advance(2 * DAY);
    let ended = scene.clean_run().await;
    assert_eq!(ended.status(), 3, "{:#?}", ended.outcome());
    scene.assert_no_outage();
    assert_eq!(scene.deployed(), Some(old));
    scene.policy.rotate_after = Duration::ZERO;
    assert_eq!(scene.clean_run().await.status(), 0, "a rotation settles it");
    scene.assert_no_outage();
}

#[tokio::test(start_paused = true)]
async fn trace_08_two_runs_at_the_same_instant() {
    for apart in [0, 20, 60, 200, 1000] {
        let scene = Scene::rotated_before(&["acme/app", "acme/api"]);
        let other = Scene { seed: 2, ..scene.clone() };
        let second = async {
            tokio::time::sleep(Duration::from_millis(apart)).await;
            other.clean_run().await
        };
        let (first, second) = tokio::join!(scene.clean_run(), second);
        scene.assert_no_outage();
        assert!(first.status() != 3 || second.status() != 3, "{apart} ms: {first:#?} {second:#?}");
        tokio::time::sleep(LONG_AFTER).await;
        assert_eq!(scene.clean_run().await.outcome().verdict, RunStatus::Rotated);
        scene.assert_healed();
    }
}

#[tokio::test(start_paused = true)]
async fn trace_08_one_run_in_its_long_proof_while_the_other_starts() {
    let scene = Scene::rotated_before(&["acme/app"]);
    scene.world.by_hand(|state| state.issuer.behaviour.activation_delay = Duration::from_secs(50));
    let mut other = Scene { seed: 2, ..scene.clone() };
    other.policy.rotate_after = HOUR;
    let second = async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        other.clean_run().await
    };
    let (first, second) = tokio::join!(scene.clean_run(), second);
    assert_eq!(first.outcome().verdict, RunStatus::Rotated);
    assert_eq!(second.outcome().verdict, RunStatus::NotDue, "it waited, and found it done");
    scene.assert_healed();
}

#[tokio::test(start_paused = true)]
async fn trace_08_a_run_that_waited_for_one_looks_whether_a_third_has_begun() {
    for apart in (0..4000).step_by(250) {
        let scene = Scene::rotated_before(&["acme/app", "acme/api"]);
        kill_after(&scene, Call::Create, 1).await;
        let other = |seed| Scene { seed, ..scene.clone() };
        let (second, third) = (other(2), other(3));
        let late = async {
            tokio::time::sleep(Duration::from_millis(apart)).await;
            third.clean_run().await
        };
        let (second, third) = tokio::join!(second.clean_run(), late);
        scene.assert_no_outage();
        let told = format!("{apart} ms: {second:#?} {third:#?}");
        assert!(apart < 1000 || second.status() == 0 || third.status() == 0, "both at once may both give way: {told}");
        tokio::time::sleep(LONG_AFTER).await;
        assert_eq!(scene.clean_run().await.status(), 0);
        scene.assert_healed();
    }
}

#[tokio::test(start_paused = true)]
async fn trace_08_one_run_killed_with_a_write_in_flight_and_the_other_right_behind_it() {
    for late in [1, 15, 29] {
        let scene = Scene::rotated_before(&["acme/app", "acme/api"]);
        let script = Script::default().at(Call::Write(0), 1, Fault::Late(Duration::from_secs(late))).at(
            Call::Write(0),
            2,
            Fault::Kill { applied: false },
        );
        assert_eq!(scene.run(script).await.status(), 137);
        let next = Scene { seed: 2, ..scene.clone() };
        assert_eq!(next.clean_run().await.outcome().verdict, RunStatus::Rotated);
        tokio::time::sleep(LONG_AFTER).await;
        scene.assert_healed();
    }
}

#[tokio::test(start_paused = true)]
async fn trace_08_a_run_paused_longer_than_its_lease_writes_no_more() {
    for at in 1..16 {
        let scene = Scene::rotated_before(&["acme/app", "acme/api"]);
        let frozen = scene.run(Script::default().at(Call::Any, at, Fault::Freeze(Duration::from_secs(300))));
        let other = Scene { seed: 2, ..scene.clone() };
        let second = async {
            tokio::time::sleep(Duration::from_secs(100)).await;
            other.clean_run().await
        };
        let (first, second) = tokio::join!(frozen, second);
        scene.assert_no_outage();
        assert!(first.status() != 137 && second.status() != 137);
        tokio::time::sleep(LONG_AFTER).await;
        assert_eq!(scene.clean_run().await.status(), 0, "call {at}");
        scene.assert_healed();
    }
}

#[tokio::test(start_paused = true)]
async fn trace_08_a_fleet_longer_than_its_lease_renews_it() {
    let repos: Vec<_> = (0..60).map(|n| format!("acme/app{n}")).collect();
    let mut scene = Scene::rotated_before(&repos.iter().map(String::as_str).collect::<Vec<_>>());
    scene.policy.parallel = 1;
    scene.latency = Duration::from_secs(2);
    let other = Scene { seed: 2, latency: Duration::from_millis(50), ..scene.clone() };
    let second = async {
        tokio::time::sleep(Duration::from_secs(200)).await;
        other.clean_run().await
    };
    let (first, second) = tokio::join!(scene.clean_run(), second);
    assert_eq!(first.outcome().verdict, RunStatus::Rotated, "{:#?}", first.outcome().problems);
    assert_eq!(second.outcome().verdict, RunStatus::Rotated);
    scene.assert_healed();
}

#[tokio::test(start_paused = true)]
async fn trace_09_two_repositories_with_the_same_key_name_and_one_account() {
    let scene = Scene::rotated_before(&["acme/app"]);
    let (_, foreign) = scene.world.by_hand(|state| state.issuer.seed_key("Mary's key", |_| {}));
    let place = scene.world.by_hand(|state| state.github.add_repo("acme/other"));
    scene.world.by_hand(|state| state.github.write_secret(&place, SECRET, &foreign));
    scene.world.advance(DAY);
    let stranger = Scene { targets: vec![place.clone()], ..scene.clone() };
    let keys = scene.world.read(|state| state.issuer.keys.len());
    let ended = stranger.clean_run().await;
    assert_eq!(ended.status(), 1, "{:#?}", ended.outcome());
    assert_eq!(scene.world.read(|state| state.issuer.keys.len()), keys, "nothing is made");
    let empty = scene.world.by_hand(|state| state.github.add_repo("acme/third"));
    let stranger = Scene { targets: vec![empty], ..scene.clone() };
    assert_eq!(stranger.clean_run().await.status(), 1);
    scene.assert_healed();
}

#[tokio::test(start_paused = true)]
async fn trace_10_a_second_target_is_served_although_nothing_is_due() {
    let mut scene = Scene::rotated_before(&["acme/app"]);
    scene.policy.rotate_after = 90 * DAY;
    assert_eq!(scene.clean_run().await.outcome().verdict, RunStatus::NotDue);
    let second = scene.world.by_hand(|state| state.github.add_repo("acme/api"));
    scene.targets.push(second);
    assert_eq!(scene.clean_run().await.outcome().verdict, RunStatus::Rotated);
    scene.assert_healed();
}

#[tokio::test(start_paused = true)]
async fn trace_10_a_target_that_held_a_strangers_key_is_not_put_back() {
    let mut scene = Scene::rotated_before(&["acme/app", "acme/api"]).with_current_key();
    let (_, foreign) = scene.world.by_hand(|state| state.issuer.seed_key("Mary's key", |_| {}));
    let stranger = scene.world.by_hand(|state| state.github.add_repo("acme/zoo"));
    scene.world.by_hand(|state| state.github.write_secret(&stranger, SECRET, &foreign));
    scene.targets.push(stranger);
    scene.world.advance(HOUR);
    let ended = scene.run(Script::default().always(Call::LastWrite(0), Fault::Refuse)).await;
    assert_eq!(ended.status(), 3, "{:#?}", ended.outcome());
    scene.assert_no_outage();
    scene.world.advance(LONG_AFTER);
    assert_eq!(scene.clean_run().await.outcome().verdict, RunStatus::Rotated);
    scene.assert_healed();
}

#[tokio::test(start_paused = true)]
async fn trace_10_a_target_removed_from_the_list_keeps_what_it_holds_until_then() {
    let mut scene = Scene::rotated_before(&["acme/app", "acme/api"]);
    scene.policy.grace = DAY;
    assert_eq!(scene.clean_run().await.status(), 0);
    scene.targets.pop();
    scene.world.advance(2 * DAY);
    scene.policy.rotate_after = 30 * DAY;
    assert_eq!(scene.clean_run().await.outcome().verdict, RunStatus::NotDue);
    scene.assert_healed();
}

#[tokio::test(start_paused = true)]
async fn trace_11_the_issuers_clock_ahead_of_or_behind_githubs() {
    for skew in [-300, -290, 0, 290, 300] {
        let scene = Scene::rotated_before(&["acme/app", "acme/api"]);
        scene.world.by_hand(|state| state.issuer.clock.skew = skew);
        let mut scene = scene;
        scene.policy.grace = HOUR;
        for _ in 0..4 {
            let ended = scene.clean_run().await;
            assert_eq!(ended.status(), 0, "{skew}: {:#?}", ended.outcome());
            scene.world.advance(2 * HOUR);
        }
        scene.policy.rotate_after = 30 * DAY;
        assert_eq!(scene.clean_run().await.status(), 0);
        scene.assert_healed();
    }
}

#[tokio::test(start_paused = true)]
async fn trace_11_everything_within_one_second() {
    let mut scene = Scene::rotated_before(&["acme/app", "acme/api"]);
    scene.latency = Duration::from_millis(1);
    for _ in 0..5 {
        assert_eq!(scene.clean_run().await.status(), 0);
        scene.assert_healed();
    }
}

#[tokio::test(start_paused = true)]
async fn trace_12_replace_key_id_left_in_the_workflow_for_ever() {
    let mut scene = Scene::hand_made(&["acme/app"]);
    scene.policy.grace = DAY;
    for _ in 0..6 {
        let ended = scene.clean_run().await;
        assert_eq!(ended.status(), 0, "{:#?}", ended.outcome());
        scene.world.advance(DAY / 2);
    }
    assert!(scene.world.live_keys(FAMILY).len() <= 3, "{:?}", live_names(&scene));
    scene.policy.rotate_after = 30 * DAY;
    scene.world.advance(2 * DAY);
    assert_eq!(scene.clean_run().await.status(), 0);
    scene.assert_healed();
    assert!(scene.world.live_keys("Peter").is_empty());
}

#[tokio::test(start_paused = true)]
async fn trace_13_a_hand_named_key_that_nobody_named_is_not_touched() {
    let mut scene = Scene::hand_made(&["acme/app"]);
    scene.policy.replace_key_id = None;
    let ended = scene.clean_run().await;
    assert_eq!(ended.status(), 1);
    assert!(ended.outcome().problems[0].next.as_deref().unwrap().contains("replace-key-id"));
    assert!(ended.outcome().keys.iter().any(|key| key.name == "Peter's key"), "the live keys are listed");
    assert!(live_names(&scene).is_empty(), "nothing is made");
    scene.assert_no_outage();
}

#[tokio::test(start_paused = true)]
async fn trace_14_a_list_that_lags_costs_an_exit_3_at_the_most() {
    for call in [Call::Create, Call::Delete, Call::Rename, Call::Write(0)] {
        let scene = Scene::rotated_before(&["acme/app", "acme/api"]);
        scene.world.by_hand(|state| state.issuer.behaviour.list_lag = Duration::from_secs(2));
        let status = scene.run(Script::default().at(call, 1, Fault::LoseAfter)).await.status();
        assert!(matches!(status, 0 | 1 | 3), "{call:?}: {status}");
        scene.assert_no_outage();
        let other = Scene { seed: 2, ..scene.clone() };
        tokio::join!(scene.clean_run(), other.clean_run());
        scene.assert_no_outage();
        scene.world.by_hand(|state| state.issuer.behaviour.list_lag = Duration::ZERO);
        scene.world.advance(LONG_AFTER);
        assert_eq!(scene.clean_run().await.status(), 0);
        scene.assert_healed();
    }
}

#[tokio::test(start_paused = true)]
async fn trace_15_a_key_whose_life_is_shorter_than_rotate_after() {
    let mut scene = Scene::empty(&["acme/app"]);
    let end = scene.world.now() + jiff::SignedDuration::from_hours(45 * 24);
    let (_, value) = scene
        .world
        .by_hand(|state| state.issuer.seed_key("production-2026-12-01", |key| key.rights.expires_at = Some(end)));
    scene.deploy(&value);
    scene.policy.rotate_after = 90 * DAY;
    for _ in 0..120 {
        scene.world.advance(DAY);
        assert_eq!(scene.clean_run().await.status(), 0);
    }
    scene.assert_healed();
    let key = &scene.world.live_keys(FAMILY)[0];
    let life = key.rights.expires_at.unwrap().duration_since(key.created_at).as_secs();
    assert!((45 * 86_400 - 60..=45 * 86_400 + 60).contains(&life), "the lifetime is inherited: {life} s");
}

#[tokio::test(start_paused = true)]
async fn trace_16_a_key_that_queued_jobs_still_use_is_retired_in_the_end() {
    let mut scene = Scene::rotated_before(&["acme/app"]);
    scene.world.by_hand(|state| state.issuer.behaviour.shows_last_used = true);
    let old = scene.world.live_keys(FAMILY)[0].id.clone();
    scene.policy.grace = 6 * HOUR;
    assert_eq!(scene.clean_run().await.status(), 0);
    scene.policy.rotate_after = 30 * DAY;
    for _ in 0..4 {
        scene.world.advance(4 * HOUR);
        scene.world.by_hand(|state| state.issuer.mark_used(&old, 0.1));
        scene.world.advance(HOUR);
        let status = scene.clean_run().await.status();
        assert!(matches!(status, 0 | 3), "{status}");
        assert_eq!(scene.world.live_keys(FAMILY).len(), 2, "it is still in use");
    }
    scene.world.advance(DAY);
    assert_eq!(scene.clean_run().await.status(), 0);
    scene.assert_healed();
}

#[tokio::test(start_paused = true)]
async fn trace_17_killed_in_the_very_first_run() {
    for (call, nth) in [(Call::Create, 1), (Call::Try, 1), (Call::Write(0), 1), (Call::Write(1), 1), (Call::Rename, 2)]
    {
        let mut scene = Scene::empty(&["acme/app", "acme/api"]);
        scene.policy = first_key(&scene);
        kill_after(&scene, call, nth).await;
        scene.world.advance(LONG_AFTER);
        let ended = scene.clean_run().await;
        assert_eq!(ended.outcome().verdict, RunStatus::Rotated, "{call:?}: {:#?}", ended.outcome());
        scene.assert_healed();
    }
}

fn first_key(scene: &Scene) -> keyrotor::rotation::policy::Policy {
    use keyrotor::rotation::model::AllowList::All;
    use keyrotor::rotation::policy::Wish::Stated;
    keyrotor::rotation::policy::Policy {
        providers: Stated(All),
        models: Stated(All),
        limit: Stated(Some(100.0)),
        reset: Stated(keyrotor::rotation::model::Reset::Monthly),
        expires_after: Stated(None),
        ..scene.policy.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn trace_17_killed_in_the_run_that_adopts_a_hand_named_key() {
    for renames in [true, false] {
        for (call, nth) in [(Call::Rename, 1), (Call::Create, 1), (Call::Write(0), 1), (Call::Delete, 1)] {
            if !renames && call == Call::Rename {
                continue;
            }
            let scene = Scene::hand_made(&["acme/app", "acme/api"]);
            let scene = if renames { scene } else { scene.without_renames() };
            kill_after(&scene, call, nth).await;
            scene.world.advance(LONG_AFTER);
            let ended = scene.clean_run().await;
            assert_eq!(ended.outcome().verdict, RunStatus::Rotated, "{renames} {call:?}: {:#?}", ended.outcome());
            scene.assert_healed();
            assert!(scene.world.live_keys("Peter").is_empty());
        }
    }
}

/// Only a rename shows whether an issuer renames. Until one has, the names of two keys made within the margin between
/// two servers' clocks do not say which of them is deployed.
#[tokio::test(start_paused = true)]
async fn an_issuer_that_ignores_renames_is_found_out_before_a_pending_key_is_deleted() {
    let mut scene = Scene::rotated_before(&["acme/app"]).with_renames_ignored();
    let (_, deployed) = scene.world.by_hand(|state| state.issuer.seed_key("production-2027-01-10-bbbbbb", |_| {}));
    scene.deploy(&deployed);
    scene.world.advance(Duration::from_secs(120));
    scene.world.by_hand(|state| state.issuer.seed_key("production-2027-01-10-cccccc", |_| {}));
    scene.policy.rotate_after = 90 * DAY;
    scene.world.advance(LONG_AFTER);
    let ended = scene.clean_run().await;
    assert_eq!(ended.outcome().verdict, RunStatus::Rotated, "{:#?}", ended.outcome());
    scene.assert_healed();
}

#[tokio::test(start_paused = true)]
async fn trace_18_a_target_that_refuses_every_run_makes_no_pile_of_keys() {
    for refusing in [0, 1] {
        let scene = Scene::rotated_before(&["acme/app", "acme/api"]);
        for _ in 0..10 {
            let script = Script::default().always(Call::Write(refusing), Fault::Refuse);
            assert!(matches!(scene.run(script).await.status(), 1 | 3));
            scene.assert_no_outage();
            scene.world.advance(HOUR);
        }
        assert!(scene.world.live_keys(FAMILY).len() <= 7, "{:?}", live_names(&scene));
        scene.world.advance(2 * DAY);
        assert_eq!(scene.clean_run().await.status(), 0);
        scene.assert_healed();
    }
}

#[tokio::test(start_paused = true)]
async fn trace_19_a_lost_renewal_that_lands_after_the_commit_would_undo_it() {
    for late in [1, 10, 29] {
        let scene = Scene::rotated_before(&["acme/app"]);
        let script = Script::default().at(Call::LastWrite(0), 1, Fault::Slow(Duration::from_secs(12))).at(
            Call::Rename,
            2,
            Fault::Late(Duration::from_secs(late)),
        );
        assert_eq!(scene.run(script).await.status(), 0);
        tokio::time::sleep(LONG_AFTER).await;
        scene.assert_healed();
        assert!(live_names(&scene).iter().all(|name| !name.ends_with("-unconfirmed")), "{:?}", live_names(&scene));
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_of_a_rotation_may_be_the_last_and_the_next_run_heals() {
    for renames in ["yes", "no", "ignored"] {
        for applied in [true, false] {
            for nth in 1.. {
                let scene = Scene::rotated_before(&["acme/app", "acme/api"]);
                let scene = match renames {
                    "yes" => scene,
                    "no" => scene.without_renames(),
                    _ => scene.with_renames_ignored(),
                };
                let script = Script::default().at(Call::Any, nth, Fault::Kill { applied });
                let ended = scene.run(script.clone()).await;
                if script.calls() < nth {
                    assert_eq!(ended.status(), 0);
                    break;
                }
                scene.assert_no_outage();
                let ended = scene.clean_run().await;
                assert_eq!(
                    ended.status(),
                    0,
                    "renames {renames}, applied {applied}, call {nth}: {:#?}",
                    ended.outcome()
                );
                scene.assert_healed();
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_of_a_rotation_may_fail_and_the_exit_status_tells_the_truth() {
    let late = Fault::Late(Duration::from_secs(20));
    for fault in [Fault::Refuse, Fault::Transient, Fault::LoseBefore, Fault::LoseAfter, late, Fault::Terminate] {
        for (renames, held) in
            ["yes", "no", "ignored"].into_iter().flat_map(|renames| [(renames, true), (renames, false)])
        {
            for nth in 1.. {
                let scene = Scene::rotated_before(&["acme/app", "acme/api"]);
                let scene = match renames {
                    "yes" => scene,
                    "no" => scene.without_renames(),
                    _ => scene.with_renames_ignored(),
                };
                let scene = if held { scene.with_current_key() } else { scene };
                let before = scene.deployed();
                let script = Script::default().at(Call::Any, nth, fault);
                let ended = scene.run(script.clone()).await;
                if script.calls() < nth {
                    break;
                }
                let told = format!("{fault:?} at {nth}, renames {renames}, current-key {held}: {ended:#?}");
                scene.assert_no_outage();
                let live = scene.world.live_keys(FAMILY).len();
                match ended.status() {
                    0 => assert!(live == 1 && scene.deployed() != before, "{told}"),
                    1 => assert!(live == 1 && scene.deployed() == before, "{told}"),
                    3 => {}
                    status => panic!("{status}: {told}"),
                }
                tokio::time::sleep(Duration::from_secs(60)).await;
                scene.assert_no_outage();
                let mut next = if held { scene.clone().with_current_key() } else { scene.clone() };
                next.seed += 1;
                let healed = next.clean_run().await;
                assert_eq!(healed.status(), 0, "{told}\nthen {healed:#?}");
                scene.assert_healed();
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn trace_25_a_create_refused_and_carried_out_leaves_no_key() {
    for (fault, status) in [
        (Fault::RefuseAfter, 1),
        (Fault::Doubt { applied: true }, 0),
        (Fault::Doubt { applied: false }, 1),
        (Fault::Double { first: true }, 0),
        (Fault::Double { first: false }, 0),
    ] {
        for scene in [Scene::rotated_before(&["acme/app"]), Scene::rotated_before(&["acme/app"]).without_renames()] {
            let ended = scene.run(Script::default().at(Call::Create, 1, fault)).await;
            assert_eq!(ended.status(), status, "{fault:?}: {:#?}", ended.outcome());
            scene.assert_healed();
            scene.world.advance(LONG_AFTER);
            assert_eq!(scene.clean_run().await.status(), 0, "{fault:?}");
            scene.assert_healed();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn trace_25_a_write_refused_and_carried_out_is_put_back_or_held() {
    for (held, expected) in [(true, 1), (false, 3)] {
        for target in [0, 1] {
            let scene = Scene::rotated_before(&["acme/app", "acme/api"]);
            let scene = if held { scene.with_current_key() } else { scene };
            let old = scene.deployed();
            let script = Script::default().at(Call::Write(target), 1, Fault::Doubt { applied: true });
            let ended = scene.run(script).await;
            assert_eq!(ended.status(), expected, "{:#?}", ended.outcome());
            scene.assert_no_outage();
            assert!(!held || scene.deployed() == old, "put back");
            scene.world.advance(LONG_AFTER);
            assert_eq!(scene.clean_run().await.status(), 0);
            scene.assert_healed();
        }
    }
}

/// However often a gateway refuses, no keys pile up.
#[tokio::test(start_paused = true)]
async fn trace_25_a_write_that_a_gateway_refused_is_looked_at_before_the_new_key_goes() {
    let mut scene = Scene::rotated_before(&["acme/app", "acme/api"]);
    for _ in 0..3 {
        let ended = scene.run(Script::default().always(Call::Write(0), Fault::Doubt { applied: false })).await;
        assert_eq!(ended.status(), 1, "{:#?}", ended.outcome());
        assert!(ended.outcome().targets.iter().all(|target| target.state != TargetState::Either));
        scene.assert_healed();
        scene.world.advance(LONG_AFTER);
        scene.seed += 1;
    }
    // Where it can't be looked at, the new key stays.
    let script = Script::default()
        .at(Call::Write(0), 1, Fault::Doubt { applied: false })
        .always(Call::LastWrite(0), Fault::Refuse);
    assert_eq!(scene.run(script).await.status(), 3);
    scene.world.advance(LONG_AFTER);
    assert_eq!(scene.clean_run().await.status(), 0);
    scene.assert_healed();
}

#[tokio::test(start_paused = true)]
async fn trace_25_a_commit_or_renewal_refused_and_carried_out_is_one() {
    for grace in [Duration::ZERO, HOUR] {
        for nth in [1, 2] {
            let mut scene = Scene::rotated_before(&["acme/app"]);
            scene.policy.grace = grace;
            let ended = scene.run(Script::default().at(Call::Rename, nth, Fault::Doubt { applied: true })).await;
            assert_eq!(ended.outcome().verdict, RunStatus::Rotated, "{:#?}", ended.outcome());
            assert!(live_names(&scene).iter().all(|name| !name.ends_with("-unconfirmed")));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_kept_key_stays_and_a_leaked_one_goes_although_it_is_in_grace() {
    let mut scene = Scene::rotated_before(&["acme/app"]);
    scene.policy.retire = Retire::Keep;
    let ended = scene.clean_run().await;
    assert_eq!(ended.outcome().old_key_status, OldKeyStatus::Kept);
    assert_eq!(scene.world.live_keys(FAMILY).len(), 2);
    scene.policy.leaked = true;
    scene.policy.rotate_after = 90 * DAY;
    assert_eq!(scene.clean_run().await.outcome().verdict, RunStatus::Rotated);
    scene.assert_healed();
}

#[tokio::test(start_paused = true)]
async fn look_alikes_are_never_touched() {
    let scene = Scene::rotated_before(&["acme/app"]);
    let names = ["production", "production-v2", "production-eu-2026-10-01", "production-2026-10-01-ABCDEF"];
    for name in names {
        scene.world.by_hand(|state| state.issuer.seed_key(name, |_| {}));
    }
    assert_eq!(scene.clean_run().await.status(), 0);
    for name in names {
        assert!(scene.world.read(|state| state.issuer.keys.iter().any(|key| key.name == name)), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_that_is_not_listed_stops_before_anything_is_made() {
    let mut scene = Scene::hand_made(&["acme/app"]);
    scene.policy.replace_key_id = Some(KeyId("nobody".into()));
    assert_eq!(scene.clean_run().await.status(), 1);
    assert!(live_names(&scene).is_empty());
}

/// Whether the run says of this key that it waits.
fn waits(ended: &Ended, id: &str) -> bool {
    ended.outcome().keys.iter().any(|key| key.id.0 == id && matches!(key.fate, KeyFate::Pending { .. }))
}

fn lives(scene: &Scene, id: &str) -> bool {
    scene.world.live_keys(FAMILY).iter().any(|key| key.id == id)
}

/// A scene right after a rotation with a day of grace, whose later runs state none; and the id of the key that waits.
async fn with_a_promised_grace() -> (Scene, String) {
    let mut scene = Scene::rotated_before(&["acme/app", "acme/api"]);
    let old = scene.world.live_keys(FAMILY)[0].id.clone();
    scene.policy.grace = DAY;
    assert_eq!(scene.clean_run().await.status(), 0);
    (scene.policy.grace, scene.policy.grace_is_stated, scene.policy.rotate_after) = (Duration::ZERO, false, 30 * DAY);
    (scene, old)
}

#[tokio::test(start_paused = true)]
async fn trace_26_a_grace_that_only_the_first_run_states_holds() {
    for rotates in [false, true] {
        let (mut scene, old) = with_a_promised_grace().await;
        scene.world.advance(HOUR);
        let replaced = scene.world.live_keys(FAMILY).into_iter().find(|key| key.id != old).unwrap().id;
        scene.policy.rotate_after = if rotates { Duration::ZERO } else { 30 * DAY };
        let ended = scene.clean_run().await;
        let came = (ended.status(), ended.outcome().rotated, waits(&ended, &old), lives(&scene, &old));
        assert_eq!(came, (0, rotates, true, true), "{:#?}", ended.outcome());
        assert_eq!(lives(&scene, &replaced), !rotates, "what this run replaces goes at once");
        scene.policy.rotate_after = 30 * DAY;
        scene.world.advance(DAY);
        let ended = scene.clean_run().await;
        assert_eq!((ended.status(), ended.outcome().retired.len()), (0, 1), "{:#?}", ended.outcome());
        scene.assert_healed();
    }
}

/// What is not waited for: a leak, and a grace of `0s` that is stated.
#[tokio::test(start_paused = true)]
async fn trace_26_who_asks_for_it_ends_the_grace_at_once() {
    for leaked in [false, true] {
        let (mut scene, old) = with_a_promised_grace().await;
        scene.world.advance(HOUR);
        scene.world.by_hand(|state| state.issuer.mark_used(&old, 0.1));
        (scene.policy.leaked, scene.policy.grace_is_stated) = (leaked, !leaked);
        let ended = scene.clean_run().await;
        assert_eq!((ended.status(), ended.outcome().rotated), (0, leaked), "{:#?}", ended.outcome());
        scene.assert_healed();
    }
}

/// Someone writes the old value by hand while the commit's answer is lost: a later run, which retires what waits, has to see
/// that.
#[tokio::test(start_paused = true)]
async fn trace_26_a_commit_beside_a_key_that_waits_hides_no_write_by_hand() {
    let (mut scene, old) = with_a_promised_grace().await;
    scene.world.advance(HOUR);
    scene.policy.rotate_after = Duration::ZERO;
    let value = scene.world.live_keys(FAMILY).into_iter().find(|key| key.id == old).unwrap().value;
    // The first rename proves that the issuer renames, the second is the commit.
    let script = Script::default().at(Call::Rename, 2, Fault::Late(Duration::from_secs(20)));
    let place = scene.targets[1].clone();
    let by_hand = async {
        while !script.made().iter().any(|made| made.call == Call::Rename && made.faulty) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
        scene.world.by_hand(|state| state.github.write_secret(&place, SECRET, &value));
    };
    let (ended, ()) = tokio::join!(scene.run(script.clone()), by_hand);
    assert_eq!(ended.status(), 3, "{:#?}", ended.outcome());
    tokio::time::sleep(LONG_AFTER).await;
    scene.policy.rotate_after = 30 * DAY;
    scene.world.advance(2 * DAY);
    scene.clean_run().await;
    scene.assert_no_outage();
}

#[tokio::test(start_paused = true)]
async fn trace_30_a_key_that_a_queued_job_used_once_is_retired_a_day_later() {
    let (scene, old) = with_a_promised_grace().await;
    scene.world.advance(Duration::from_secs(60));
    scene.world.by_hand(|state| state.issuer.mark_used(&old, 0.1));
    let after = [HOUR, 22 * HOUR, HOUR - Duration::from_secs(30)];
    for (nth, after) in after.into_iter().enumerate() {
        scene.world.advance(after);
        let ended = scene.clean_run().await;
        assert_eq!((ended.status(), waits(&ended, &old)), (0, true), "{nth}: {:#?}", ended.outcome());
        let told =
            ended.outcome().notices.iter().any(|notice| notice.contains("was not used for 24 h: it was last used"));
        assert!(told, "{nth}: {:#?}", ended.outcome());
    }
    scene.world.advance(Duration::from_secs(60));
    let ended = scene.clean_run().await;
    assert_eq!((ended.status(), ended.outcome().retired.len()), (0, 1), "{:#?}", ended.outcome());
    scene.assert_healed();
}
