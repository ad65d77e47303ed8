//! The harness itself.

use super::*;

#[test]
fn a_step_and_a_shell_rotate_in_every_dialect() {
    for dialect in [Dialect::Mgmt, Dialect::Guide, Dialect::Overview, Dialect::OpenRouter] {
        for with_current in [true, false] {
            let setting = Setting::new(dialect).repos(&["acme/app", "acme/api"]);
            let stage = if with_current { setting.with_current_key() } else { setting }.stage();
            for ran in [Stage::action, Stage::cli].map(|way| {
                let before = stage.snapshot();
                stage.world.advance(Duration::from_secs(3600));
                let ran = way(&stage).run();
                assert_eq!(ran.status(), 0, "{dialect:?} {with_current}\n{}", ran.log());
                if ran.report().is_some() {
                    stage.check_truthful(&before, &ran).unwrap();
                }
                stage.check_healed().unwrap();
                ran
            }) {
                assert!(!ran.requests.is_empty());
            }
        }
    }
}

#[test]
fn the_json_report_stands_alone_on_stdout() {
    let stage = Setting::new(Dialect::Mgmt).with_current_key().stage();
    for run in [stage.cli(), stage.action()] {
        stage.world.advance(Duration::from_secs(3600));
        let ran = run.secret("current-key", "").arg("--format=json").run();
        assert_eq!(ran.status(), 0, "{}", ran.log());
        let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(report["outcome"], "rotated");
    }
}

/// A run that showed this on stdout, as far as the search for leaks goes.
fn searched(stage: &Stage, change: impl FnOnce(&mut Ran, &Files)) -> Check {
    let run = stage.action();
    let files = stage.scratch.files();
    let (exit, took) = Default::default();
    let (outputs, requests) = Default::default();
    let mut ran =
        Ran { exit, stdout: String::new(), stderr: String::new(), outputs, summary: String::new(), requests, took };
    change(&mut ran, &files);
    run.check_leaks(&ran, &files, b"keyrotor\0--key-name=production")
}

#[test]
fn a_leak_anywhere_is_found() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    let first = stage.run();
    assert_eq!(first.status(), 0, "{}", first.log());
    let new = stage.held()[0].clone().unwrap();
    let old = stage.world.read(|state| state.issuer.deleted[0].value.clone());
    let management = stage.management.clone().unwrap();
    searched(&stage, |ran, _| ran.stdout = format!("::add-mask::{new}\nnothing")).unwrap();
    for secret in [&new, &old, &management, TOKEN] {
        let found = |change: &dyn Fn(&mut Ran, &Files)| {
            let why = searched(&stage, change).expect_err("a leak was let through");
            assert!(why.starts_with("leak in "), "{why}");
        };
        found(&|ran, _| ran.stdout = format!("::debug::{secret}"));
        found(&|ran, _| ran.stderr = format!("thread 'main' panicked at {secret:?}"));
        found(&|_, files| fs::write(files.path("output"), format!("report={{\"key\":\"{secret}\"}}")).unwrap());
        found(&|_, files| fs::write(files.path("summary"), secret.replace('_', "&#95;")).unwrap());
        found(&|ran, _| {
            ran.requests = first.requests.clone();
            ran.requests[0].path.push_str(&format!("?key={secret}"));
        });
        found(&|ran, _| {
            ran.requests = first.requests.clone();
            ran.requests[0].headers.push(("referer".into(), secret.to_string()));
        });
        found(&|ran, _| {
            ran.requests = first.requests.clone();
            ran.requests[0].body = format!("{{\"label\":\"{secret}\"}}").into();
        });
    }
    let why = searched(&stage, |_, files| fs::write(files.path("state"), "x=1").unwrap()).unwrap_err();
    assert!(why.contains("$GITHUB_STATE"), "{why}");
    let why = searched(&stage, |_, files| fs::write(files.path("home").join("x"), "").unwrap()).unwrap_err();
    assert!(why.contains("left files"), "{why}");
    // What is not secret is told.
    let key = &stage.world.live_keys(FAMILY)[0];
    searched(&stage, |ran, _| ran.stdout = format!("{} {} {}", key.masked(), key.id, key.name)).unwrap();
}

#[test]
fn wrong_inputs_contact_nobody() {
    let stage = Setting::new(Dialect::Mgmt).input("grace-period", "soon").stage();
    let ran = stage.run();
    assert_eq!((ran.status(), ran.output("outcome")), (2, "invalid"), "{}", ran.log());
    assert!(ran.requests.is_empty());
    let ran = stage.action().input("grace-period", "").variable("INPUT_KEY-NAM", "x").run();
    assert_eq!(ran.status(), 2, "{}", ran.log());
}

#[test]
fn a_first_key_is_made_where_nothing_is_deployed() {
    let mut setting = Setting::new(Dialect::Mgmt).deployed(None);
    for (name, value) in [("allowed-providers", "all"), ("allowed-models", "all"), ("spending-limit", "50")] {
        setting = setting.input(name, value);
    }
    let stage = setting.input("limit-reset", "none").input("expires-after", "never").stage();
    stage.behaviour(|behaviour| behaviour.echo_key_in_errors = true);
    let ran = stage.run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    stage.check_healed().unwrap();
    ran.check_stopped_in_time(Duration::ZERO).unwrap();
}
