//! Targets whose users have to take up the new key before the old one may go: a restart that works, fails, takes too
//! long, is stopped or killed. The processes are judged as places that must hold a live key at every moment.

use std::time::Duration;

use keyrotor::rotation::outcome::{OldKeyStatus, Outcome, RunStatus};
use keyrotor::rotation::step::Step;
use keyrotor_sim::ports::{PROCESSES, Processes};
use keyrotor_sim::scene::{FAMILY, SECRET};
use keyrotor_sim::{Call, Fault, Scene, Script};

const MINUTE: Duration = Duration::from_secs(60);
const LONG_AFTER: Duration = Duration::from_secs(600);

fn scene(takes: Duration) -> Scene {
    let rollout = Processes { takes, within: 5 * MINUTE };
    Scene::rotated_before(&["acme/app", "acme/api"]).with_processes(rollout).with_current_key()
}

fn restarts(outcome: &Outcome) -> usize {
    outcome.targets.iter().filter(|target| target.detail.as_deref() == Some("restart it: done")).count()
}

fn processes_hold(scene: &Scene, value: Option<&String>) -> bool {
    let held = |place, process| scene.world.value_at(place, process);
    scene.targets.iter().all(|place| PROCESSES.iter().all(|process| held(place, process).as_ref() == value))
}

async fn next_run_heals(scene: Scene) {
    tokio::time::sleep(LONG_AFTER).await;
    let mut scene = scene.with_current_key();
    scene.rollout = Some(Processes { takes: MINUTE, within: 5 * MINUTE });
    assert_eq!(scene.clean_run().await.outcome().verdict, RunStatus::Rotated);
    scene.assert_healed();
    assert!(processes_hold(&scene, scene.deployed().as_ref()));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_retired_before_every_process_has_the_new_key() {
    let scene = scene(3 * MINUTE);
    let ended = scene.clean_run().await;
    let outcome = ended.outcome();
    assert_eq!((outcome.verdict, outcome.old_key_status), (RunStatus::Rotated, OldKeyStatus::Deleted), "{outcome:#?}");
    scene.assert_healed();
    assert!(processes_hold(&scene, scene.deployed().as_ref()));
    assert_eq!(restarts(outcome), 2, "{outcome:#?}");
    let order: Vec<_> = outcome.steps.iter().map(|step| step.step).collect();
    let at = |step| order.iter().position(|other| *other == step);
    assert!(at(Step::Distribute) < at(Step::Rollout) && at(Step::Rollout) < at(Step::Confirm), "{order:?}");
}

#[tokio::test(start_paused = true)]
async fn without_an_uptake_there_is_no_such_step() {
    let ended = Scene::rotated_before(&["acme/app"]).clean_run().await;
    assert!(ended.outcome().steps.iter().all(|step| step.step != Step::Rollout));
}

/// What was restarted holds the new key: it is restarted once more before that is deleted.
#[tokio::test(start_paused = true)]
async fn a_failed_uptake_puts_everything_back_and_waits_for_the_old_key_to_be_taken_up() {
    for call in [Call::StartRollout(1), Call::RolloutStatus(1)] {
        let scene = scene(MINUTE);
        let old = scene.deployed();
        let ended = scene.run(Script::default().at(call, 1, Fault::Refuse)).await;
        let outcome = ended.outcome();
        assert_eq!((outcome.verdict, scene.deployed()), (RunStatus::RolledBack, old.clone()), "{call:?} {outcome:#?}");
        assert!(outcome.problems.first().is_some_and(|first| first.what.contains("acme/api")), "{outcome:#?}");
        assert_eq!(scene.world.live_keys(FAMILY).len(), 1);
        scene.assert_no_outage();
        assert!(processes_hold(&scene, old.as_ref()), "{call:?}");
        next_run_heals(scene).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_uptake_without_the_old_value_holds_both_keys() {
    let mut scene = scene(MINUTE);
    scene.policy.current_key = None;
    let ended = scene.run(Script::default().always(Call::RolloutStatus(0), Fault::Refuse)).await;
    assert_eq!((ended.status(), scene.world.live_keys(FAMILY).len()), (3, 2), "{:#?}", ended.outcome());
    next_run_heals(scene).await;
}

#[tokio::test(start_paused = true)]
async fn an_uptake_that_takes_too_long_says_what_it_waited_for() {
    let scene = scene(60 * MINUTE);
    let ended = scene.clean_run().await;
    let outcome = ended.outcome();
    let first = outcome.problems.first().map(|first| first.what.clone()).unwrap_or_default();
    assert!(first.contains("restart it: not done within 5 min: the last process runs with"), "{outcome:#?}");
    assert_eq!((outcome.verdict, scene.world.live_keys(FAMILY).len()), (RunStatus::Attention, 2), "it hung again");
    tokio::time::sleep(60 * MINUTE).await;
    next_run_heals(scene).await;
}

#[tokio::test(start_paused = true)]
async fn lost_answers_and_busy_servers_are_asked_again() {
    for (call, fault) in [
        (Call::StartRollout(0), Fault::LoseBefore),
        (Call::StartRollout(0), Fault::LoseAfter),
        (Call::StartRollout(0), Fault::Late(Duration::from_secs(20))),
        (Call::RolloutStatus(0), Fault::Transient),
        (Call::RolloutStatus(0), Fault::LoseAfter),
    ] {
        let scene = scene(MINUTE);
        let ended = scene.run(Script::default().at(call, 1, fault)).await;
        assert_eq!(ended.outcome().verdict, RunStatus::Rotated, "{call:?} {fault:?} {:#?}", ended.outcome());
        tokio::time::sleep(LONG_AFTER).await;
        scene.assert_healed();
    }
}

/// A restart takes minutes, a run that is told to stop has seconds.
#[tokio::test(start_paused = true)]
async fn told_to_stop_during_an_uptake_both_keys_stay() {
    let scene = scene(2 * MINUTE);
    let script = Script::default().at(Call::RolloutStatus(0), 2, Fault::Terminate);
    let ended = scene.run(script.clone()).await;
    assert!(script.terminated_at().is_some_and(|at| at.elapsed() <= Duration::from_secs(7)));
    assert_eq!((ended.status(), scene.world.live_keys(FAMILY).len()), (3, 2), "{:#?}", ended.outcome());
    let told = |problem: &keyrotor::rotation::outcome::Problem| problem.what.contains("taken it up again");
    assert!(ended.outcome().problems.iter().any(told), "{:#?}", ended.outcome());
    next_run_heals(scene).await;
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_call_of_an_uptake_the_next_run_heals() {
    for (call, nth) in [
        (Call::StartRollout(0), 1),
        (Call::StartRollout(1), 1),
        (Call::RolloutStatus(0), 1),
        (Call::RolloutStatus(1), 4),
    ] {
        for applied in [false, true] {
            let scene = scene(2 * MINUTE);
            assert_eq!(scene.run(Script::default().at(call, nth, Fault::Kill { applied })).await.status(), 137);
            next_run_heals(scene).await;
        }
    }
}

/// The lease of a run that can't rename is not renewed.
#[tokio::test(start_paused = true)]
async fn where_a_lease_can_not_be_renewed_an_uptake_has_to_fit_into_it() {
    let mut scene = scene(2 * MINUTE).without_renames();
    let before = scene.world.value_at(&scene.targets[0], SECRET);
    let ended = scene.clean_run().await;
    let next = ended.outcome().problems.first().and_then(|first| first.next.clone()).unwrap_or_default();
    assert_eq!((ended.status(), scene.deployed()), (1, before), "{:#?}", ended.outcome());
    assert!(next.contains("set verify-timeout to 5 min"), "{next}");
    scene.policy.verify_timeout = 5 * MINUTE;
    assert_eq!(scene.clean_run().await.outcome().verdict, RunStatus::Rotated);
    scene.assert_healed();
}
