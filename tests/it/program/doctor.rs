//! `doctor`: every problem at once, in a table, and nothing but reads.

use keyrotor_fake::{Access, Dialect, Permission, Place};
use serde_json::Value;

use crate::harness::{Ran, SECRET, Setting, Stage, TOKEN};
use crate::traffic;

fn examined(stage: &Stage) -> Ran {
    stage.action().input("command", "doctor").run()
}

/// The checks of the report with this finding, by name.
fn found(ran: &Ran, finding: &str) -> Vec<String> {
    let report = ran.report().unwrap();
    let checks = report["checks"].as_array().unwrap().iter();
    checks.filter(|check| check["finding"] == finding).map(|check| check["what"].as_str().unwrap().to_owned()).collect()
}

/// Nothing has changed, and nothing was sent that could have changed anything. An App's tokens are no such thing.
#[track_caller]
fn only_read(ran: &Ran) {
    let of_tokens = |it: &String| it.contains("/access_tokens") || it.contains("/installation/token");
    let writes: Vec<_> =
        traffic::writes(ran).into_iter().map(|it| it.to_string()).filter(|it| !of_tokens(it)).collect();
    assert_eq!(writes, [""; 0], "{}", ran.log());
}

#[test]
fn what_is_ready_has_a_mark_at_every_line() {
    for dialect in [Dialect::Mgmt, Dialect::OpenRouter, Dialect::Overview] {
        let stage = Setting::new(dialect).repos(&["acme/app", "acme/api"]).with_current_key().stage();
        let before = stage.held();
        let ran = examined(&stage);
        assert_eq!(ran.status(), 0, "{dialect:?}\n{}", ran.log());
        only_read(&ran);
        assert_eq!((stage.held(), found(&ran, "failed")), (before, vec![]), "{}", ran.log());
        for what in ["issuer", "credential", "rename", "github-token", "plan"] {
            assert!(found(&ran, "passed").contains(&what.to_owned()), "{what}: {}", ran.log());
        }
        assert!(ran.stdout.contains("Ready to rotate") && ran.stdout.contains("  ✓ repo:acme/api "), "{}", ran.log());
        assert!(ran.summary.contains("## Ready to rotate") && ran.summary.contains("| ✓ |"), "{}", ran.summary);
    }
}

#[test]
fn everything_that_is_missing_is_told_in_one_run() {
    let setting = Setting::new(Dialect::Guide).input("grace-period", "24h").input("allowed-providers", "");
    let stage = setting.stage();
    let ran = stage.action().input("command", "doctor").input("targets", "repo:acme/app,nowhere,neither").run();
    assert_eq!((ran.status(), ran.output("outcome")), (1, "unchanged"), "{}", ran.log());
    only_read(&ran);
    let named = |name: &str| format!("repo:acme/{name} {SECRET}");
    assert_eq!(found(&ran, "failed"), ["rename".into(), "rights".into(), named("nowhere"), named("neither")]);
    assert!(found(&ran, "passed").contains(&named("app")) && found(&ran, "open").contains(&"plan".to_owned()));
    for words in ["Not ready to rotate", "✗", "Set `grace-period` to 0s.", "State `allowed-providers`"] {
        assert!(ran.tells(words), "{words} is missing\n{}", ran.log());
    }
    assert_eq!(ran.report().unwrap()["problems"].as_array().map(Vec::len), Some(4), "{}", ran.log());
}

#[test]
fn an_issuer_that_refuses_hides_no_target_that_does() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    stage.world.fault("issuer:GET:1x99:status=401");
    let ran = stage.action().input("command", "doctor").input("targets", "repo:acme/app,nowhere").run();
    assert_eq!(ran.status(), 1, "{}", ran.log());
    assert_eq!(found(&ran, "failed"), ["issuer".to_owned(), format!("repo:acme/nowhere {SECRET}")], "{}", ran.log());
}

#[test]
fn a_plan_that_would_stop_is_told_as_that() {
    let stage = Setting::new(Dialect::Mgmt).deployed(Some("made by hand")).stage();
    let ran = examined(&stage);
    assert_eq!((ran.status(), found(&ran, "failed")), (1, vec!["plan".to_owned()]), "{}", ran.log());
    assert!(ran.stdout.contains("already holds a secret"), "{}", ran.log());
    only_read(&ran);
}

#[test]
fn an_app_signs_in_and_leaves() {
    let stage = Setting::new(Dialect::Mgmt).with_app().stage();
    let ran = examined(&stage);
    assert_eq!(ran.status(), 0, "{}", ran.log());
    for what in ["GitHub App", "clocks"] {
        assert!(found(&ran, "passed").contains(&what.to_owned()), "{what}: {}", ran.log());
    }
    only_read(&ran);
}

#[test]
fn a_token_that_ends_soon_is_no_reason_to_fail() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    let soon = stage.world.now() + std::time::Duration::from_secs(5 * 24 * 3600);
    stage.world.by_hand(|state| state.github.tokens.get_mut(TOKEN).unwrap().expires = Some(soon));
    let ran = examined(&stage);
    // The stage's servers have a clock of their own.
    assert_eq!((ran.status(), found(&ran, "open")), (0, ["github-token", "clocks"].map(str::to_owned).to_vec()));
    assert!(
        ran.stdout.contains("expires at") && ran.stdout.contains("→ Put a new token in its place."),
        "{}",
        ran.log()
    );
}

#[test]
fn a_shell_gets_the_table_as_json_too() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    let ran = stage.cli().arg("doctor").arg("--format=json").run();
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.status(), &report["checks"][0]["what"]), (0, &Value::from("issuer")), "{}", ran.log());
    let wrong = stage.cli().arg("doctor").input("grace-period", "soon").run();
    assert_eq!((wrong.status(), wrong.requests.len()), (2, 0), "{}", wrong.log());
}

#[test]
fn each_rotation_of_a_file_has_a_table() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    let config = stage.put(
        "keyrotor.yml",
        "rotations:\n  - key-name: production\n    targets: ['repo:acme/app']\n  - key-name: staging\n    targets: ['repo:acme/nowhere']\n",
    );
    let run = stage.cli().input("key-name", "").input("targets", "").input("verify-timeout", "");
    let ran = run.arg("doctor").input("config", &config).run();
    assert_eq!(ran.status(), 1, "{}", ran.log());
    assert!(ran.stdout.contains("2 rotations: 1 ready, 1 not ready"), "{}", ran.log());
    only_read(&ran);
}

const DAILY: &str = include_str!("../../../examples/workflows/daily.yml");
const PATH: &str = ".github/workflows/rotate.yml";

/// As a step of the workflow in acme/ops, whose file and secrets are these.
fn of_workflow(text: &str, secrets: &[&str]) -> (Stage, Place) {
    let stage = Setting::new(Dialect::Mgmt).stage();
    let place = stage.world.by_hand(|state| {
        let ops = state.github.add_repo("acme/ops");
        let environment = state.github.add_environment("acme/ops", "rotation");
        secrets.iter().for_each(|name| state.put(&environment, name, "x"));
        state.github.files.insert((ops.clone(), PATH.to_owned()), text.to_owned());
        ops
    });
    (stage, place)
}

fn in_workflow(stage: &Stage) -> Ran {
    let reference = format!("acme/ops/{PATH}@refs/heads/main");
    stage.action().input("command", "doctor").variable("GITHUB_WORKFLOW_REF", &reference).run()
}

#[test]
fn the_workflow_has_a_schedule_a_group_and_its_secrets() {
    let all = ["AROUTER_MANAGEMENT_KEY", "ROTATION_TOKEN", SECRET];
    let (stage, _) = of_workflow(DAILY, &all);
    let ran = in_workflow(&stage);
    assert_eq!(ran.status(), 0, "{}", ran.log());
    only_read(&ran);
    for what in ["schedule", "concurrency", "secrets"] {
        assert!(found(&ran, "passed").contains(&what.to_owned()), "{what}: {}", ran.log());
    }
    // The rotation can do without the key in use, not without what makes one.
    for (held, finding, status) in [(&all[..2], "open", 0), (&all[1..], "failed", 1)] {
        let (stage, _) = of_workflow(DAILY, held);
        let ran = in_workflow(&stage);
        assert_eq!(
            (ran.status(), found(&ran, finding).contains(&"secrets".to_owned())),
            (status, true),
            "{}",
            ran.log()
        );
        assert!(ran.tells("gh secret set ") && ran.tells("--repo acme/ops --env 'rotation'"), "{}", ran.log());
        only_read(&ran);
    }
}

#[test]
fn what_the_workflow_lacks_is_told_and_stops_nothing() {
    let schedule = DAILY.lines().filter(|line| !line.contains("schedule:") && !line.contains("cron:"));
    let without: String = schedule.map(|line| format!("{line}\n")).collect();
    let without = without.replace("cancel-in-progress: false", "cancel-in-progress: true");
    let (stage, ops) = of_workflow(&without, &["AROUTER_MANAGEMENT_KEY", "ROTATION_TOKEN", SECRET]);
    let ran = in_workflow(&stage);
    assert_eq!(ran.status(), 0, "{}", ran.log());
    for what in ["schedule", "concurrency"] {
        assert!(found(&ran, "open").contains(&what.to_owned()), "{what}: {}", ran.log());
    }
    stage.world.by_hand(|state| {
        let token = state.github.tokens.get_mut(TOKEN).unwrap();
        token.permissions = Some([(Permission::Secrets, Access::Write)].into());
    });
    let ran = in_workflow(&stage);
    assert_eq!((ran.status(), found(&ran, "open").contains(&"workflow".to_owned())), (0, true), "{}", ran.log());
    assert!(ran.tells("check the repository out before this step"), "{}", ran.log());
    // A checkout needs no permission for that.
    stage.world.by_hand(|state| _ = state.github.files.remove(&(ops, PATH.to_owned())));
    std::fs::create_dir_all(stage.path(".github/workflows")).unwrap();
    stage.put(PATH, DAILY);
    let ran = in_workflow(&stage);
    assert!(found(&ran, "passed").contains(&"schedule".to_owned()), "{}", ran.log());
    stage.put(PATH, "jobs: [");
    let ran = in_workflow(&stage);
    assert_eq!((ran.status(), ran.tells("can't be read")), (0, true), "{}", ran.log());
}
