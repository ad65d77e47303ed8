//! Wrong inputs: all of them are told at once, nobody is contacted, and no secret is repeated.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use keyrotor_fake::Dialect;

use crate::harness::{Invocation, Ran, Setting, Stage};

fn stage() -> Stage {
    Setting::new(Dialect::Mgmt).stage()
}

/// It ended as wrong inputs do, and told each of these; in the log, the summary, and the report.
fn refused(invocation: Invocation<'_>, words: &[&str]) -> Ran {
    let ran = invocation.run();
    assert_eq!(ran.status(), 2, "{}", ran.log());
    assert!(ran.requests.is_empty(), "{:?}", ran.requests);
    if !ran.outputs.is_empty() {
        assert_eq!((ran.output("outcome"), ran.output("rotated")), ("invalid", "false"));
        assert_eq!(ran.report().unwrap()["exit-code"], 2);
    }
    for word in words {
        let told = format!("{}{}", ran.stdout, ran.stderr);
        assert!(told.contains(word), "{word} is missing\n{}", ran.log());
        let plain = ran.summary.replace("&#95;", "_").replace("&#36;", "$").replace('\\', "");
        assert!(ran.outputs.is_empty() || plain.contains(word), "{word} is missing\n{}", ran.summary);
    }
    ran
}

#[test]
fn every_wrong_input_is_told_in_one_run() {
    let stage = stage();
    let wrong = stage
        .action()
        .input("key-name", "production-2026-10-01")
        .input("targets", "repo:acme/app\nrepo:acme\nsomewhere:else\nrepo:acme/app")
        .input("secret-name", "GITHUB_KEY")
        .input("spending-limit", "lots")
        .input("limit-reset", "hourly")
        .input("expires-after", "tomorrow")
        .input("rotate-after", "30")
        .input("grace-period", "a while")
        .input("retire", "burn")
        .input("leaked", "maybe")
        .input("verify-timeout", "1d")
        .input("request-timeout", "1ms")
        .input("parallel", "1000")
        .input("dry-run", "yes")
        .input("issuer-url", "not an address")
        .input("replace-key-id", "a b");
    let names = "key-name targets secret-name spending-limit limit-reset expires-after rotate-after grace-period retire \
                 leaked verify-timeout request-timeout parallel dry-run issuer-url replace-key-id";
    let ran = refused(wrong, &names.split_whitespace().collect::<Vec<_>>());
    for value in ["lots", "hourly", "tomorrow", "a while", "burn", "maybe", "1000"] {
        assert!(ran.stdout.contains(value), "the value {value} is not told\n{}", ran.log());
    }
}

#[test]
fn a_line_that_is_wrong_repeats_no_other() {
    let stage = stage();
    let ran = refused(stage.action().input("targets", "repo:acme/app\nrepo:acme/app sekret=OTHER"), &["sekret"]);
    assert!(!ran.log().contains("more than once"), "{}", ran.log());
    refused(stage.action().input("targets", "repo:acme/app\nrepo:acme/app"), &["more than once"]);
}

#[test]
fn what_is_missing_is_named() {
    let stage = stage();
    let bare = stage.action().input("key-name", "").secret("management-key", "").secret("github-token", "");
    refused(bare, &["key-name", "management-key", "github-token"]);
    let ran = refused(stage.cli().input("targets", ""), &["targets", "keyrotor --help lists all inputs."]);
    assert!(ran.outputs.is_empty());
    let bare = stage.cli().secret("management-key", "").secret("github-token", "");
    let words = ["(set KEYROTOR_MANAGEMENT_KEY or KEYROTOR_MANAGEMENT_KEY_FILE)", "(set KEYROTOR_GITHUB_TOKEN or "];
    refused(bare, &words);
    let in_workflow = stage.action().secret("management-key", "").run();
    assert!(
        !in_workflow.log().contains("(set KEYROTOR_") && !in_workflow.log().contains("--help"),
        "{}",
        in_workflow.log()
    );
}

#[test]
fn a_secret_is_never_repeated_wherever_it_was_put() {
    let stage = stage();
    let key = stage.held()[0].clone().unwrap();
    for name in ["key-name", "targets", "secret-name", "spending-limit", "issuer-url", "replace-key-id", "parallel"] {
        // The stage's own leak search looks for the key.
        refused(stage.action().input(name, &key), &[name]);
    }
    for target in [format!("repo:acme/app secret={key}"), format!("repo:acme/app {key}")] {
        refused(stage.action().input("targets", &target), &["targets"]);
    }
    for value in ["${{ secrets.KEY }}", "two words", "\"quoted\""] {
        refused(stage.action().secret("management-key", value), &["management-key"]);
    }
    let token = stage.management.clone().unwrap();
    refused(stage.action().secret("github-token", &token), &["github-token", "same value"]);
    for flag in [
        "--management-key=lr_mgmt_0123456789abcdef",
        "--managment-key=lr_mgmt_0123456789abcdef",
        "--github-token=ghp_0123456789abcdef",
    ] {
        let ran = stage.cli().arg(flag).run();
        assert_eq!((ran.status(), ran.requests.len()), (2, 0), "{}", ran.log());
        assert!(!ran.stdout.contains("0123456789") && !ran.stderr.contains("0123456789"), "{}", ran.log());
        assert!(ran.stderr.contains("has no flag") && !ran.stderr.contains("tip:"), "{}", ran.log());
    }
}

#[test]
fn an_unknown_variable_is_refused_with_the_nearest_name() {
    let stage = stage();
    refused(
        stage.action().variable("INPUT_KEY_NAME", "x").variable("INPUT_ROTATE-AFTR", "1d"),
        &["INPUT_KEY_NAME", "did you mean INPUT_KEY-NAME?", "INPUT_ROTATE-AFTR", "did you mean INPUT_ROTATE-AFTER?"],
    );
    let fine = stage.action().variable("INPUT_ARGS", "x").variable("INPUT_ENTRYPOINT", "x").variable("INPUT_ODD", "");
    assert_eq!(fine.run().status(), 0);
}

#[test]
fn an_input_in_a_variable_of_a_secrets_kind_is_refused() {
    let stage = stage();
    let run = stage.cli().variable("KEYROTOR_DRY_RUN", "true").variable("KEYROTOR_COMMAND", "audit");
    let ran =
        refused(run, &["KEYROTOR_DRY_RUN: only secrets are read from KEYROTOR_…: use --dry-run", "KEYROTOR_COMMAND"]);
    assert!(!ran.stdout.contains("Rotated"), "{}", ran.log());
    // Kubernetes tells each pod of every service in such variables.
    let fine = stage.action().variable("KEYROTOR_PORT", "tcp://10.0.0.1:80").variable("KEYROTOR_DRY_RUN", " ");
    assert_eq!(fine.run().status(), 0);
}

#[test]
fn on_a_pull_request_only_a_dry_run_runs() {
    let stage = stage();
    for event in ["pull_request", "pull_request_target"] {
        let on = || stage.action().variable("GITHUB_EVENT_NAME", event);
        refused(on(), &[event, "dry-run"]);
        assert_eq!(on().input("dry-run", "true").run().status(), 0);
    }
}

#[test]
fn plain_http_is_for_loopback_alone() {
    let stage = stage();
    for url in ["http://api.arouter.ai", "http://10.0.0.1:8080/v1", "http://127.0.0.1.example.com", "ftp://127.0.0.1"] {
        refused(stage.action().input("issuer-url", url), &["issuer-url"]);
        refused(stage.action().variable("GITHUB_API_URL", url), &["GITHUB_API_URL"]);
    }
    let port = stage.fakes.issuer_url.rsplit(':').next().unwrap().to_owned();
    let ran = stage.action().input("issuer-url", &format!("http://localhost:{port}/v1/")).run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
}

#[test]
fn help_and_version_say_what_they_should_and_nothing_else() {
    let stage = stage();
    for (arg, words) in [
        ("--help", &["Exit status", "KEYROTOR_MANAGEMENT_KEY_FILE", "reenable"][..]),
        ("-h", &["Commands:", "keyrotor --help"]),
        ("--version", &[concat!("keyrotor ", env!("CARGO_PKG_VERSION"))]),
    ] {
        let ran = stage.cli().arg(arg).run();
        assert_eq!((ran.status(), ran.requests.len(), ran.stderr.as_str()), (0, 0, ""), "{}", ran.log());
        for word in words {
            assert!(ran.stdout.contains(word), "{}", ran.stdout);
        }
        assert!(!ran.stdout.contains('\u{1b}'), "colours in a pipe");
    }
}

#[test]
fn odd_looking_secrets_are_doubted_and_tried() {
    let stage = stage();
    let live = stage.held()[0].clone().unwrap();
    let ran = stage.action().secret("management-key", &live).run();
    assert_eq!(ran.status(), 1, "{}", ran.log());
    assert!(ran.stdout.contains("::warning") && ran.stdout.contains("looks like a live key"), "{}", ran.log());
    assert!(ran.summary.contains("looks like a live key"), "{}", ran.summary);
    assert!(ran.report().unwrap()["notices"].to_string().contains("looks like a live key"), "{}", ran.log());
}

#[test]
fn targets_come_from_a_file_too() {
    let stage = Setting::new(Dialect::Mgmt).repos(&["acme/app", "acme/api"]).stage();
    let with = |text: &str| {
        let file = stage.put("targets.txt", text);
        stage.action().input("targets", "repo:acme/app").input("targets-file", &file)
    };
    let ran = with("# ours\n\nrepo:acme/api\n").run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    stage.check_healed().unwrap();
    refused(with("repo:acme/api\nrepo:acme\n"), &["targets-file", "line 2"]);
    refused(with("repo:acme/app\n"), &["named more than once"]);
    refused(with("# nothing\n"), &["targets-file", "names no target"]);
    refused(with("repo:acme/api").input("targets-file", "nowhere.txt"), &["targets-file", "there is no such file"]);
    refused(with("repo:globex/app").variable("GITHUB_EVENT_NAME", "issue_comment"), &["targets-file", "stranger"]);
    let config = stage.put("keyrotor.yml", "rotations:\n  - key-name: production\n    targets: ['repo:acme/app']\n");
    let ran = refused(with("repo:acme/api").input("config", &config), &["targets-file"]);
    assert!(ran.stdout.contains("targets-file: has no meaning beside `config`"), "{}", ran.log());
}
