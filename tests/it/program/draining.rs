//! `grace-period: drain`: a replaced key lives until no workflow run is unfinished that began before it was replaced.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::time::Duration;

use keyrotor::rotation::outcome::{OldKeyStatus, RunStatus};
use keyrotor_fake::{Dialect, Place, Server};
use keyrotor_sim::{Call, Fault, Scene, Script};

use crate::harness::{FAMILY, Setting, Stage};
use crate::traffic;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn draining() -> Scene {
    let mut scene = Scene::rotated_before(&["acme/app", "acme/api"]);
    (scene.policy.grace, scene.policy.drain, scene.policy.rotate_after) = (35 * DAY, true, 30 * DAY);
    scene
}

/// The job was queued before the write and goes on; what is queued behind it does not matter.
#[tokio::test(start_paused = true)]
async fn a_key_lives_as_long_as_what_began_before_it_was_replaced() {
    let scene = draining();
    scene.queue_job(1, 30 * HOUR);
    assert_eq!(scene.clean_run().await.outcome().old_key_status, OldKeyStatus::Pending);
    for (wait, live) in [(HOUR, 2), (20 * HOUR, 2), (10 * HOUR, 1)] {
        scene.world.advance(wait);
        scene.end_jobs(false);
        scene.queue_job(0, 50 * DAY);
        let ended = scene.clean_run().await;
        let told = ended.outcome().notices.iter().any(|notice| notice.contains("JOB_0"));
        assert_eq!((ended.status(), scene.live_family().len(), told), (0, live, live == 2), "{:#?}", ended.outcome());
    }
    scene.assert_healed();
}

#[tokio::test(start_paused = true)]
async fn within_five_minutes_of_the_commit_nobody_can_tell_what_began_before() {
    let scene = draining();
    scene.clean_run().await;
    scene.world.advance(4 * HOUR / 60);
    assert_eq!((scene.clean_run().await.status(), scene.live_family().len()), (0, 2));
    scene.world.advance(HOUR / 30);
    assert_eq!((scene.clean_run().await.status(), scene.live_family().len()), (0, 1));
    scene.assert_healed();
}

/// Days, and a rotation each: every key waits for what began before its own successor.
#[tokio::test(start_paused = true)]
async fn each_of_several_keys_waits_for_its_own() {
    let mut scene = draining();
    scene.policy.rotate_after = Duration::ZERO;
    for _ in 0..4 {
        scene.queue_job(0, 2 * DAY + HOUR);
        assert_eq!(scene.clean_run().await.outcome().verdict, RunStatus::Rotated);
        scene.assert_no_outage();
        scene.world.advance(DAY);
        scene.end_jobs(false);
    }
    assert_eq!(scene.live_family().len(), 4, "two wait for a job each, one was replaced today, one is current");
    scene.policy.rotate_after = 30 * DAY;
    scene.world.advance(3 * DAY);
    scene.end_jobs(false);
    assert_eq!(scene.clean_run().await.status(), 0);
    scene.assert_healed();
}

#[tokio::test(start_paused = true)]
async fn after_35_days_the_key_goes_whatever_is_unfinished() {
    let scene = draining();
    scene.clean_run().await;
    scene.world.advance(35 * DAY + HOUR);
    let mut scene = scene;
    scene.policy.rotate_after = 90 * DAY;
    // Nothing can be asked, and nothing needs to be.
    let ended = scene.run(Script::default().always(Call::Unfinished(0), Fault::Refuse)).await;
    assert_eq!((ended.status(), scene.live_family().len()), (0, 1), "{:#?}", ended.outcome());
}

#[tokio::test(start_paused = true)]
async fn where_it_can_not_be_told_the_key_stays_and_is_named() {
    let scene = draining();
    scene.clean_run().await;
    scene.world.advance(DAY);
    let ended = scene.run(Script::default().always(Call::Unfinished(1), Fault::Refuse)).await;
    assert_eq!((ended.status(), scene.live_family().len()), (3, 2), "{:#?}", ended.outcome());
    assert!(ended.outcome().problems[0].what.contains("acme/api"), "{:#?}", ended.outcome());
    assert_eq!((scene.clean_run().await.status(), scene.live_family().len()), (0, 1));
    scene.assert_healed();
}

/// A server that read the secret is no workflow run.
#[tokio::test(start_paused = true)]
async fn a_key_that_was_used_within_a_day_is_not_drained() {
    let scene = draining();
    let old = scene.live_family().pop().unwrap();
    scene.clean_run().await;
    scene.world.advance(DAY);
    scene.world.by_hand(|state| state.issuer.mark_used(&old.id, 1.0));
    scene.world.advance(2 * HOUR);
    let ended = scene.clean_run().await;
    let told = ended.outcome().notices.iter().any(|notice| notice.contains("it was last used at"));
    assert_eq!((ended.status(), scene.live_family().len(), told), (0, 2, true), "{:#?}", ended.outcome());
    scene.world.advance(DAY);
    assert_eq!((scene.clean_run().await.status(), scene.live_family().len()), (0, 1));
    scene.assert_healed();
}

#[tokio::test(start_paused = true)]
async fn a_leaked_key_waits_for_nothing() {
    let mut scene = draining();
    scene.policy.leaked = true;
    assert_eq!(scene.clean_run().await.outcome().old_key_status, OldKeyStatus::Deleted);
    scene.assert_healed();
}

fn stage(repos: &[&str]) -> Stage {
    let setting = Setting::new(Dialect::Mgmt).repos(repos).input("grace-period", "drain").input("rotate-after", "30d");
    setting.stage()
}

fn set(stage: &Stage, id: u64, status: &str) {
    stage.world.by_hand(|state| {
        state.github.runs.iter_mut().find(|run| run.id == id).unwrap().status = status.to_owned();
    });
}

/// GitHub's own words for each kind of not being over, environments that wait for an approval among them.
#[test]
fn every_kind_of_unfinished_run_is_waited_for_and_shown() {
    let stage = stage(&["acme/app", "acme/api"]);
    let (app, api) = (Place::repo("acme/app"), Place::repo("acme/api"));
    let run = stage.world.by_hand(|state| {
        state.github.add_run(&api, "completed");
        state.github.add_run(&app, "queued")
    });
    assert_eq!(stage.run().output("old-key-status"), "pending");
    stage.world.advance(DAY);
    // Behind the write, so that it holds the new key.
    stage.world.by_hand(|state| state.github.add_run(&api, "in_progress"));
    for status in ["queued", "waiting", "pending", "requested", "in_progress"] {
        set(&stage, run, status);
        let ran = stage.run();
        assert_eq!((ran.status(), stage.world.live_keys(FAMILY).len()), (0, 2), "{status}\n{}", ran.log());
        let link = format!("https://github.com/acme/app/actions/runs/{run}");
        assert!(ran.summary.contains(&format!("actions/runs/{run}")), "{link}\n{}", ran.summary);
        assert_eq!(ran.summary.matches("actions/runs/").count(), 1, "{}", ran.summary);
        traffic::check_github(&ran);
    }
    set(&stage, run, "completed");
    assert_eq!(stage.run().status(), 0);
    stage.check_healed().unwrap();
}

#[test]
fn every_page_is_read_and_what_github_does_not_list_counts_as_unfinished() {
    for (runs, over, live) in [(120, 119, 2), (120, 120, 1), (1_001, 1_000, 2)] {
        let stage = stage(&["acme/app"]);
        let app = Place::repo("acme/app");
        stage.world.by_hand(|state| state.github.add_run(&app, "in_progress"));
        assert_eq!(stage.run().status(), 0);
        stage.world.advance(DAY);
        stage.world.by_hand(|state| {
            if over == runs {
                state.github.runs[0].status = "completed".to_owned();
            }
            (1..runs).for_each(|_| _ = state.github.add_run(&app, "in_progress"));
        });
        let ran = stage.run();
        assert_eq!((ran.status(), stage.world.live_keys(FAMILY).len()), (0, live), "{runs} {over}\n{}", ran.log());
        traffic::check_github(&ran);
    }
}

/// An attempt that was begun anew read the new secrets.
#[test]
fn a_run_that_was_begun_anew_holds_the_new_key() {
    let stage = stage(&["acme/app"]);
    let run = stage.world.by_hand(|state| state.github.add_run(&Place::repo("acme/app"), "completed"));
    stage.run();
    stage.world.advance(DAY);
    stage.world.by_hand(|state| {
        let now = state.github.clock.now_in_seconds();
        let run = state.github.runs.iter_mut().find(|it| it.id == run).unwrap();
        (run.status, run.started_at, run.attempt) = ("queued".to_owned(), now, 2);
    });
    assert_eq!(stage.run().status(), 0);
    stage.check_healed().unwrap();
}

#[test]
fn without_the_permission_the_key_stays_and_the_permission_is_named() {
    let stage = stage(&["acme/app"]);
    stage.run();
    stage.world.advance(DAY);
    stage.world.fault("github:GET~/actions/runs:1x50:status=403");
    let ran = stage.run();
    assert_eq!((ran.status(), stage.world.live_keys(FAMILY).len()), (3, 2), "{}", ran.log());
    assert!(ran.summary.contains("the repository permission \"Actions\" (read)"), "{}", ran.summary);
    stage.world.clear_faults();
    assert_eq!(stage.run().status(), 0);
    stage.check_healed().unwrap();
}

#[test]
fn two_targets_of_one_repository_are_asked_once_and_a_rotation_without_pending_keys_asks_nothing() {
    let setting = Setting::new(Dialect::Mgmt).places(&["repo:acme/app", "env:acme/app/production"]);
    let stage = setting.input("grace-period", "drain").input("rotate-after", "30d").stage();
    let asked = || {
        let ran = stage.run();
        assert_eq!(ran.status(), 0, "{}", ran.log());
        traffic::of(&ran, Server::GitHub, "GET").iter().filter(|request| request.path.contains("/actions/runs")).count()
    };
    assert_eq!(asked(), 0);
    stage.world.advance(DAY);
    assert_eq!(asked(), 12, "each status twice");
}

#[test]
fn only_what_has_runs_can_be_waited_for() {
    let stage = stage(&["acme/app"]);
    for target in ["org:acme", "codespaces:acme/app", "repo:acme/app\ndependabot-org:acme"] {
        let ran = stage.action().input("targets", target).run();
        assert_eq!((ran.status(), ran.requests.len()), (2, 0), "{}", ran.log());
        assert!(ran.log().contains("needs targets of kind `repo`, `env` or `dependabot` alone"), "{}", ran.log());
    }
}
