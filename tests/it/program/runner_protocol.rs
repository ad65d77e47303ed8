//! What GitHub's runner, a shell and a program that reads JSON get to see, also when servers answer with malice.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use keyrotor_fake::fault::{Action, Fault};
use keyrotor_fake::{Answered, Dialect, ErrorStyle, Server, Signal};

use crate::harness::{Ran, Setting, Stage, Stream, parse_outputs};

/// What a server says to forge commands, to turn lines around, and to fill the log.
const HOSTILE: &str = "::error::forged\r\n::add-mask::forged\n  ::set-output name=x::forged\r##[command]forged\n\
    x ##[error]forged \u{1b}[31mred\u{1b}[0m\u{1b}]0;title\u{7} \u{202e}turned\u{2028}::warning::forged";

fn two_repos() -> Stage {
    Setting::new(Dialect::Mgmt).repos(&["acme/app", "acme/api"]).stage()
}

/// What the runner would obey in a stream: it splits at CR and LF, trims, and looks for `::` first and `##[` anywhere.
fn commands(stream: &str) -> Vec<&str> {
    let lines = stream.split(['\r', '\n']).map(str::trim_start);
    lines.filter(|line| line.starts_with("::") || line.contains("##[")).collect()
}

/// Only commands of ours, each on a line of its own, groups in pairs, nothing that a terminal would obey.
fn check_story(ran: &Ran) {
    for stream in [&ran.stdout, &ran.stderr] {
        let odd: Vec<char> = stream.chars().filter(|c| c.is_control() && *c != '\n').collect();
        assert!(odd.is_empty() && !stream.contains(['\u{202e}', '\u{2028}']), "{odd:?} in\n{}", ran.log());
        let mut group = false;
        for command in commands(stream) {
            let name = command.trim_start_matches(':').split([' ', ':']).next().unwrap_or_default();
            match name {
                "group" => assert!(!std::mem::replace(&mut group, true), "a group in a group\n{}", ran.log()),
                "endgroup" => assert!(std::mem::replace(&mut group, false), "no group to end\n{}", ran.log()),
                "error" | "warning" | "notice" => {
                    assert!(command.starts_with(&format!("::{name} title=keyrotor")), "{command}");
                    let message = command.splitn(3, "::").nth(2).unwrap_or_default();
                    assert!(message.encode_utf16().count() <= 4096 && !message.is_empty(), "{command}");
                }
                "add-mask" => assert!(!command.contains("forged"), "{command}"),
                "debug" => {}
                _ => panic!("{command} is not one of ours\n{}", ran.log()),
            }
        }
        assert!(!group, "a group stays open\n{}", ran.log());
        for kind in ["error", "warning", "notice"] {
            let shown = stream.lines().filter(|line| line.starts_with(&format!("::{kind} "))).count();
            assert!(shown <= 10, "{shown} annotations of kind {kind}");
        }
    }
    assert!(ran.summary.len() < 1024 * 1024);
    assert!(!ran.summary.contains('\u{1b}') && !ran.summary.contains("\n::"), "{}", ran.summary);
}

/// Runs that end in each way.
fn runs_of_every_kind() -> Vec<(&'static str, Ran)> {
    let with = |fault: &str| {
        let stage = Setting::new(Dialect::Mgmt).repos(&["acme/app", "acme/api"]).with_current_key().stage();
        if !fault.is_empty() {
            stage.world.fault(fault);
        }
        stage.run()
    };
    vec![
        ("rotated", with("")),
        ("rolled-back", with("github:PUT:2:status=403")),
        ("unchanged", with("issuer:GET:1x99:status=401")),
        ("attention", with("issuer:DELETE:1x99:status=500")),
        ("not-due", two_repos().action().input("rotate-after", "90d").run()),
        ("invalid", two_repos().action().input("rotate-after", "soon").run()),
    ]
}

#[test]
fn every_run_speaks_the_runners_language() {
    for (outcome, ran) in runs_of_every_kind() {
        assert_eq!(ran.output("outcome"), outcome, "{}", ran.log());
        check_story(&ran);
        assert!(ran.summary.starts_with("## ") && ran.summary.contains("What to do next"), "{}", ran.summary);
        assert!(!ran.stdout.contains("::set-output") && !ran.stdout.contains("::save-state"));
        let names: BTreeSet<&str> = ran.outputs.keys().map(String::as_str).collect();
        let declared = "outcome rotated new-key-id new-key-name old-key-id old-key-status retire-after \
                        targets-written targets-failed report";
        assert_eq!(names, declared.split(' ').filter(|name| !name.is_empty()).collect(), "{outcome}");
        let report: serde_json::Value = serde_json::from_str(ran.output("report")).unwrap();
        assert_eq!(report["outcome"], outcome);
        assert!(!ran.output("report").contains('\n'));
        let problems = ran.stdout.lines().filter(|line| line.starts_with("::error ")).count();
        assert_eq!(problems > 0, ran.status() != 0, "{outcome}\n{}", ran.log());
    }
}

#[test]
fn a_hostile_issuer_forges_no_command() {
    let styles = [ErrorStyle::Typed, ErrorStyle::Numbered, ErrorStyle::Named, ErrorStyle::Flat, ErrorStyle::Html];
    for style in styles {
        let stage = two_repos();
        stage.behaviour(|it| {
            (it.error_style, it.echo_key_in_errors) = (style, true);
            it.hostile_text = Some(format!("{HOSTILE} {}", "very long ".repeat(2_000)));
        });
        // Refused at once; in the middle, to the new key; and at the end, to the management key.
        let ran = stage.action().secret("management-key", "lr_mgmt_neverissued00000000000").run();
        assert_eq!(ran.status(), 1, "{}", ran.log());
        check_story(&ran);
        stage.behaviour(|it| it.activation_delay = Duration::from_secs(3600));
        let ran = stage.action().input("verify-chat", "no/model").run();
        assert_eq!(ran.status(), 1, "{}", ran.log());
        check_story(&ran);
        assert!(ran.summary.len() < 20_000, "{} bytes", ran.summary.len());
    }
}

#[test]
fn a_hostile_body_in_any_answer_forges_no_command() {
    let stage = || Setting::new(Dialect::Mgmt).repos(&["acme/app", "acme/api"]).with_current_key().stage();
    let json = serde_json::json!({ "message": HOSTILE, "error": { "message": HOSTILE } }).to_string();
    for body in [HOSTILE.to_owned(), json, format!("<html><title>{HOSTILE}</title><body>{HOSTILE}</body></html>")] {
        for (who, method) in [
            (Server::Issuer, "GET"),
            (Server::Issuer, "POST"),
            (Server::Issuer, "DELETE"),
            (Server::GitHub, "GET"),
            (Server::GitHub, "PUT"),
        ] {
            let stage = stage();
            let act = Action::Status { code: 400, headers: Vec::new(), body: Some(body.clone()), applied: false };
            stage.world.add_fault(Fault {
                who: Some(who),
                method: Some(method.to_owned()),
                times: 99,
                ..Fault::at(1, act)
            });
            let ran = stage.run();
            assert!([1, 3].contains(&ran.status()), "{who} {method}\n{}", ran.log());
            check_story(&ran);
        }
    }
}

#[test]
fn hostile_names_of_keys_and_models_forge_no_command() {
    let stage = two_repos();
    stage.world.by_hand(|state| {
        for n in 0..30 {
            state.issuer.seed_key(&format!("{HOSTILE} {n} | <b>`x`</b> @everyone"), |_| {});
        }
        state.issuer.models.insert(
            0,
            keyrotor_fake::issuer::Model { id: HOSTILE.to_owned(), provider: "openai".into(), chat_status: 200 },
        );
    });
    let ran = stage.action().input("leaked", "true").input("verify-chat", "auto").run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    check_story(&ran);
    assert!(!ran.summary.contains("<b>") && !ran.summary.contains(" @everyone"), "{}", ran.summary);
}

#[test]
fn outputs_stand_between_delimiters_that_nobody_can_foresee() {
    let stage = two_repos();
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("outputs-{}", std::process::id()));
    let mut ends = BTreeSet::new();
    for _ in 0..2 {
        fs::write(&path, "earlier<<EOF\nvalue\nEOF\n").unwrap();
        let ran = stage.action().variable("GITHUB_OUTPUT", path.to_str().unwrap()).run();
        assert_eq!(ran.status(), 0, "{}", ran.log());
        let raw = fs::read_to_string(&path).unwrap();
        let outputs = parse_outputs(&raw);
        assert_eq!((outputs["outcome"].as_str(), outputs["earlier"].as_str()), ("rotated", "value"));
        assert_eq!(outputs.len(), 11);
        for end in raw.lines().filter_map(|line| line.split_once("<<keyrotor_")).map(|(_, end)| end) {
            assert!(end.len() >= 16 && ends.insert(end.to_owned()), "{end} was used before");
        }
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(ends.len(), 20);
}

#[test]
fn files_that_cannot_be_written_do_not_change_what_the_run_comes_to() {
    for path in ["/no/such/directory/file", "/dev/full", "/", ""] {
        let stage = two_repos();
        let action = || stage.action().variable("GITHUB_OUTPUT", path).variable("GITHUB_STEP_SUMMARY", path);
        let ran = action().run();
        assert_eq!(ran.status(), 0, "{path}\n{}", ran.log());
        check_story(&ran);
        stage.check_healed().unwrap();
        let warned = ["the outputs", "the summary"]
            .iter()
            .all(|what| ran.stdout.lines().any(|line| line.starts_with("::warning") && line.contains(what)));
        assert_eq!(warned, !path.is_empty(), "{}", ran.log());
        assert_eq!(action().input("parallel", "none").run().status(), 2);
    }
}

#[test]
fn json_is_one_document_and_all_there_is_on_stdout() {
    let read = |ran: &Ran, outcome: &str| {
        let line = ran.stdout.strip_suffix('\n').unwrap_or_else(|| panic!("no line\n{}", ran.log()));
        assert!(!line.contains('\n'), "{}", ran.log());
        let report: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(report["outcome"], outcome, "{}", ran.log());
        assert_eq!(report["exit-code"], ran.status());
    };
    let stage = two_repos();
    read(&stage.cli().arg("--format=json").run(), "rotated");
    read(&stage.action().arg("--format=json").run(), "rotated");
    read(&stage.cli().arg("--format=json").input("rotate-after", "30d").run(), "not-due");
    read(&stage.cli().arg("--format=json").input("rotate-after", "soon").run(), "invalid");
    read(&stage.cli().arg("--format=json").arg("--no-such-flag").run(), "invalid");
    stage.world.fault("github:PUT:1x9:status=403");
    read(&stage.cli().arg("--format=json").run(), "rolled-back");
    stage.world.clear_faults();
    stage.world.fault("issuer:DELETE:1x9:status=500");
    read(&stage.cli().arg("--format=json").run(), "attention");
}

#[test]
fn a_reader_that_goes_away_does_not_stop_the_run() {
    for json in [false, true] {
        let stage = two_repos();
        for (run, stderr) in [(stage.action(), Stream::Kept), (stage.cli(), Stream::Gone)] {
            let run = if json { run.arg("--format=json") } else { run };
            let ran = run.streams(Stream::Gone, stderr).run();
            assert_eq!(ran.status(), 0, "{}", ran.log());
            stage.check_healed().unwrap();
        }
    }
}

#[test]
fn a_log_file_that_stays_gets_no_mask() {
    let stage = two_repos();
    let ran = stage.action().streams(Stream::File, Stream::Kept).run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    let log = ran.stdout;
    assert!(!log.contains("add-mask") && log.contains("::group::"), "{log}");
}

#[test]
fn debug_logging_adds_lines_and_shows_no_secret() {
    let debug = |ran: &Ran| {
        let lines = ran.stdout.lines().filter_map(|line| line.strip_prefix("::debug::"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let stage = two_repos();
    stage.world.fault("issuer:GET~/v1/models:1:drop-before");
    stage.world.fault("github:PUT:1:status=429,retry-after=1,x-github-request-id=C0FF:EE::error::forged");
    let ran = stage.run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    check_story(&ran);
    let told = debug(&ran);
    assert_eq!(told.len(), ran.requests.len(), "{}", ran.log());
    for request in &ran.requests {
        let path = request.path.split('?').next().unwrap_or_default();
        let who = if request.server == Server::Issuer { "issuer " } else { "" };
        let came = match request.answered {
            Answered::Status(status) => format!("{status} in "),
            _ => "the connection broke".to_owned(),
        };
        let line = format!("{who}{} {path}: {came}", request.method);
        assert!(told.iter().any(|told| told.starts_with(&line)), "{line} is not told\n{}", ran.log());
    }
    assert!(told.iter().any(|line| line.ends_with("x-github-request-id C0FF:EE::error::forged")), "{}", ran.log());

    let ran = two_repos().action().variable("RUNNER_DEBUG", "").run();
    assert_eq!(debug(&ran), [""; 0]);
    assert_eq!(two_repos().cli().variable("RUNNER_DEBUG", "1").run().stdout.matches("debug").count(), 0);
}

#[test]
fn a_request_that_is_given_up_is_told_too() {
    let stage = two_repos();
    stage.world.fault("issuer:POST:1:hang=600s");
    let told = std::thread::scope(|scope| {
        let world = stage.world.clone();
        scope.spawn(move || {
            while !world.requests().iter().any(|request| request.method == "POST") {
                std::thread::sleep(Duration::from_millis(5));
            }
            world.signal_client(Signal::Term);
        });
        stage.action().input("request-timeout", "30s").run()
    });
    assert!(told.stdout.contains("::debug::issuer POST /api/v1/keys: given up, after "), "{}", told.log());
}

#[test]
fn a_summary_of_very_many_targets_stays_readable() {
    let names: Vec<String> = (0..120).map(|n| format!("acme/a-repository-with-a-long-name-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let stage = Setting::new(Dialect::Mgmt).repos(&names).stage();
    stage.world.fault("github:PUT:2x500:status=422");
    let ran = stage.action().input("parallel", "30").variable("RUNNER_DEBUG", "").run();
    assert_eq!(ran.status(), 3, "{}", ran.log());
    check_story(&ran);
    assert!(ran.stdout.lines().count() < 400, "{} lines", ran.stdout.lines().count());
}
