//! `canary`: a workflow is dispatched with the new key in place, and the old key goes once it has succeeded.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use keyrotor_fake::{Dialect, Place, Server, Workflow};

use crate::harness::{FAMILY, Ran, SECRET, Setting, Stage};
use crate::traffic;

const SMOKE: &str = "smoke.yml";

fn setting(repos: &[&str]) -> Setting {
    Setting::new(Dialect::Mgmt).repos(repos).with_current_key().input("canary", SMOKE)
}

fn with_workflow(setting: Setting, workflow: Workflow) -> Stage {
    let stage = setting.stage();
    for place in &stage.places {
        let repo = Place::repo(place.repository().unwrap());
        stage.world.by_hand(|state| state.github.add_workflow(&repo, SMOKE, workflow.clone()));
    }
    stage
}

fn stage(workflow: Workflow) -> Stage {
    with_workflow(setting(&["acme/app", "acme/api"]), workflow)
}

fn dispatches(ran: &Ran) -> usize {
    traffic::of(ran, Server::GitHub, "POST").iter().filter(|request| request.path.ends_with("/dispatches")).count()
}

/// Nothing was deleted before every run was seen to have succeeded.
fn deleted_last(ran: &Ran) -> bool {
    let at =
        |found: &dyn Fn(&&keyrotor_fake::Request) -> bool| ran.requests.iter().rposition(|request| found(&request));
    let (looked, deleted) =
        (at(&|it| it.path.contains("/actions/runs/")), at(&|it| it.server == Server::Issuer && it.method == "DELETE"));
    looked.is_some() && looked < deleted
}

#[test]
fn the_old_key_goes_once_the_workflow_of_every_repository_has_succeeded() {
    let stage = stage(Workflow::default());
    let ran = stage.run();
    assert_eq!((ran.status(), ran.output("old-key-status")), (0, "deleted"), "{}", ran.log());
    assert_eq!(dispatches(&ran), 2);
    assert!(deleted_last(&ran), "{}", ran.log());
    let links = ran.summary.matches("run smoke.yml: https").count();
    assert_eq!(links, 2, "{}", ran.summary);
    traffic::check_github(&ran);
    stage.check_healed().unwrap();
}

/// GitHub Enterprise Server, and github.com before February 2026: the run has to be found among others.
#[test]
fn where_a_dispatch_does_not_name_its_run_it_is_found() {
    let stage = stage(Workflow::default());
    stage.world.by_hand(|state| {
        state.github.tells_of_dispatched_runs = false;
        // An older one that failed, and one by a push.
        let id = state.github.add_run(&Place::repo("acme/app"), "completed");
        let run = state.github.runs.iter_mut().find(|run| run.id == id).unwrap();
        (run.workflow, run.event) = (SMOKE.to_owned(), "workflow_dispatch".to_owned());
        run.conclusion = Some("failure".to_owned());
        state.github.add_run(&Place::repo("acme/app"), "in_progress");
    });
    let ran = stage.run();
    assert_eq!((ran.status(), ran.output("old-key-status")), (0, "deleted"), "{}", ran.log());
    traffic::check_github(&ran);
    stage.check_healed().unwrap();
}

#[test]
fn its_failure_puts_everything_back() {
    for conclusion in ["failure", "cancelled", "timed_out", "skipped"] {
        let stage = stage(Workflow { concludes: Some(conclusion.to_owned()), ..Workflow::default() });
        let before = stage.snapshot();
        let ran = stage.run();
        assert_eq!((ran.status(), ran.output("outcome")), (1, "rolled-back"), "{conclusion}\n{}", ran.log());
        stage.check_truthful(&before, &ran).unwrap();
        let says = format!("smoke.yml ended with {conclusion}: ");
        assert!(ran.log().contains(&says.replace('_', "")) || ran.log().contains(&says), "{}", ran.log());
        assert!(ran.log().contains("/actions/runs/"), "{}", ran.log());
    }
}

#[test]
fn one_that_does_not_end_is_given_up_with_its_link() {
    let setting = setting(&["acme/app"]).input("canary", "smoke.yml timeout=3s");
    let stage = with_workflow(setting, Workflow { concludes: None, ..Workflow::default() });
    let before = stage.snapshot();
    let ran = stage.run();
    assert_eq!((ran.status(), ran.output("outcome")), (1, "rolled-back"), "{}", ran.log());
    stage.check_truthful(&before, &ran).unwrap();
    assert!(
        ran.log().contains("run smoke.yml: not done within 3 s: https://github.com/acme/app/actions/runs/"),
        "{}",
        ran.log()
    );
    assert!(ran.log().contains("is inprogress") || ran.log().contains("is in_progress"), "{}", ran.log());
}

/// Told before a key is made.
#[test]
fn a_workflow_that_can_not_be_run_stops_the_run_at_its_begin() {
    let none = setting(&["acme/app"]).stage();
    let denied = stage(Workflow::default());
    denied.world.fault("github:GET~/actions/workflows:1x50:status=403");
    for stage in [none, denied] {
        let before = stage.snapshot();
        let ran = stage.run();
        assert_eq!((ran.status(), traffic::writes(&ran).len()), (1, 0), "{}", ran.log());
        stage.check_truthful(&before, &ran).unwrap();
        assert!(ran.log().contains("needs .github/workflows/smoke.yml with the trigger"), "{}", ran.log());
        assert!(ran.log().contains("the repository permission \"Actions\" (read and write)"), "{}", ran.log());
    }
}

#[test]
fn a_dispatch_that_is_refused_puts_everything_back() {
    let stage = stage(Workflow { takes_dispatches: false, ..Workflow::default() });
    let before = stage.snapshot();
    let ran = stage.run();
    assert_eq!((ran.status(), ran.output("outcome")), (1, "rolled-back"), "{}", ran.log());
    stage.check_truthful(&before, &ran).unwrap();
    assert!(ran.log().contains("does not have"), "{}", ran.log());
}

#[test]
fn lost_answers_are_no_failure_of_the_workflow() {
    for fault in [
        "github:POST~/dispatches:1:drop-after",
        "github:POST~/dispatches:1:status=502",
        "github:POST~/dispatches:1:garbage",
        "github:GET~/actions/runs:1:drop-before",
        "github:GET~/actions/runs:1:status=404",
    ] {
        let stage = with_workflow(setting(&["acme/app"]), Workflow::default());
        stage.world.fault(fault);
        let ran = stage.run();
        assert_eq!((ran.status(), ran.output("old-key-status")), (0, "deleted"), "{fault}\n{}", ran.log());
        stage.check_healed().unwrap();
    }
}

#[test]
fn several_targets_of_one_repository_are_tried_by_one_run() {
    let targets = ["repo:acme/app", "env:acme/app/production", "dependabot:acme/app"];
    let setting = Setting::new(Dialect::Mgmt).places(&targets).input("canary", SMOKE);
    let ran = with_workflow(setting, Workflow::default()).run();
    assert_eq!((ran.status(), dispatches(&ran)), (0, 1), "{}", ran.log());
}

#[test]
fn a_target_can_name_its_own() {
    let stage = Setting::new(Dialect::Mgmt).repos(&["acme/app", "acme/api"]).stage();
    let app = Place::repo("acme/app");
    stage.world.by_hand(|state| state.github.add_workflow(&app, "try.yaml", Workflow::default()));
    let targets = "repo:acme/app canary=try.yaml canary-timeout=1m\nrepo:acme/api";
    let ran = stage.action().input("targets", targets).run();
    assert_eq!((ran.status(), dispatches(&ran)), (0, 1), "{}", ran.log());
    stage.check_healed().unwrap();
}

#[test]
fn a_dry_run_says_what_would_be_dispatched() {
    let stage = stage(Workflow::default());
    let ran = stage.action().input("dry-run", "true").run();
    assert_eq!((ran.status(), traffic::writes(&ran).len()), (0, 0), "{}", ran.log());
    assert!(
        ran.log().contains(&format!("repo:acme/app {SECRET}: run smoke.yml and wait for it, 10 min at the most")),
        "{}",
        ran.log()
    );
    assert_eq!(stage.world.live_keys(FAMILY).len(), 1);
}

#[test]
fn what_is_no_workflow_or_has_none_is_a_wrong_input() {
    let stage = stage(Workflow::default());
    for (name, value, says) in [
        ("canary", ".github/workflows/smoke.yml", "without its folder"),
        ("canary", "smoke.yml timeout=1d", "1s to 6h"),
        ("targets", "org:acme", "needs a target of kind `repo` or `env`"),
        ("targets", "dependabot:acme/app canary=smoke.yml", "`canary=` is not a word of `dependabot` targets"),
        ("targets", "repo:acme/app canary-timeout=1m", "no meaning without `canary=`"),
    ] {
        let ran = stage.action().input(name, value).run();
        assert_eq!((ran.status(), ran.requests.len()), (2, 0), "{}", ran.log());
        assert!(ran.log().contains(says), "{says}\n{}", ran.log());
    }
}
