#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails here has failed")]

use std::collections::BTreeMap;

use super::*;
use crate::cli::INPUTS;
use crate::config::IssuerKind;
use crate::config::Problem;
use crate::store::target::Target;

/// A workflow step that is right.
const STEP: [(&str, &str); 5] = [
    ("INPUT_KEY-NAME", "production"),
    ("INPUT_MANAGEMENT-KEY", "lr_mgmt_0123456789"),
    ("INPUT_GITHUB-TOKEN", "github_pat_0123456789"),
    ("GITHUB_REPOSITORY", "acme/app"),
    ("GITHUB_EVENT_NAME", "schedule"),
];

fn step(args: &[&str], vars: &[(&str, &str)]) -> Surroundings {
    let vars: BTreeMap<String, String> =
        STEP.iter().chain(vars).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Surroundings { args: args.iter().map(Into::into).collect(), vars, ..Surroundings::default() }
}

fn run(args: &[&str], vars: &[(&str, &str)]) -> Request {
    match read(&step(args, vars)).asked {
        Asked::Run(request) => *request,
        other => panic!("{other:?}"),
    }
}

fn wrong(args: &[&str], vars: &[(&str, &str)]) -> Vec<Problem> {
    match read(&step(args, vars)).asked {
        Asked::Wrong(problems) => problems,
        other => panic!("{other:?}"),
    }
}

fn only(args: &[&str], vars: &[(&str, &str)]) -> String {
    let problems = wrong(args, vars);
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.first().unwrap().to_string()
}

#[test]
fn a_plain_step_is_one_rotation_of_this_repository() {
    let empty: Vec<(String, &str)> = INPUTS.iter().map(|doc| (doc.variable(), "")).collect();
    let empty = empty
        .iter()
        .map(|(name, value)| (name.as_str(), *value))
        .filter(|(name, _)| !STEP.iter().any(|s| s.0 == *name));
    let request = run(&[], &empty.collect::<Vec<_>>());
    let [rotation] = request.rotations.as_slice() else { panic!("{:?}", request.rotations) };
    let labels: Vec<String> = rotation.targets.iter().map(Target::label).collect();
    assert_eq!(labels, ["repo:acme/app AROUTER_API_KEY"]);
    assert_eq!(rotation.policy.key_name, "production");
    assert_eq!(request.issuer.url.as_str(), "https://api.arouter.ai/");
    assert_eq!(request.github.api_url.as_str(), "https://api.github.com/");
    assert!(matches!(request.command, Command::Rotate) && !request.dry_run);
    assert_eq!(request.warnings, []);
}

#[test]
fn every_problem_is_reported_in_one_run() {
    let vars = [
        ("INPUT_KEY-NAME", "a-2026-10-01"),
        ("INPUT_MANAGEMENT-KEY", "null"),
        ("INPUT_GITHUB-TOKEN", ""),
        ("INPUT_TARGETS", "repo:acme/app\nrepo:acme/APP\nrepos:x/y"),
        ("INPUT_SECRET-NAME", "1X"),
        ("INPUT_ISSUER-URL", "http://a.dev"),
        ("GITHUB_API_URL", "ftp://b"),
        ("INPUT_GRACE", "1h"),
        ("INPUT_CANARY", "smoke"),
        ("INPUT_OLD-AFTER", "1d"),
        ("INPUT_COMMAND", "rotaet"),
        ("GITHUB_EVENT_NAME", "pull_request_target"),
    ];
    let mut named: Vec<String> = wrong(&["--format=yaml"], &vars).into_iter().map(|problem| problem.input).collect();
    named.sort_unstable();
    let expected = [
        "GITHUB_API_URL",
        "GITHUB_EVENT_NAME",
        "INPUT_GRACE",
        "canary",
        "command",
        "format",
        "github-token",
        "issuer-url",
        "key-name",
        "management-key",
        "old-after",
        "secret-name",
        "targets",
        "targets",
    ];
    assert_eq!(named, expected);
}

#[test]
fn each_value_that_can_be_wrong_is_reported_under_its_own_name() {
    let free = ["command", "canary", "config", "sarif-file"];
    for doc in INPUTS.iter().filter(|doc| !doc.is_secret() && !free.contains(&doc.name)) {
        let command = match doc.tasks {
            tasks if tasks.contains(&Task::Rotate) => "rotate",
            [task, ..] => task.word(),
            [] => "",
        };
        let bad = if doc.name == "allowed-models" { "a b" } else { "-,, \u{202e}\t," };
        let problems = wrong(&[command], &[(&doc.variable(), bad)]);
        assert!(
            problems.iter().any(|problem| problem.input == doc.name && problem.value.is_some()),
            "{}: {problems:?}",
            doc.name
        );
    }
}

#[test]
fn an_unknown_variable_offers_the_nearest_name() {
    let text = only(&[], &[("INPUT_KEY_NAME", "x"), ("INPUT_ARGS", "x"), ("INPUT_ENTRYPOINT", "x"), ("INPUT_FOO", "")]);
    assert_eq!(text, "INPUT_KEY_NAME: is not an input of keyrotor; did you mean INPUT_KEY-NAME?");
}

#[test]
fn a_variable_that_is_not_text_is_named_if_it_is_ours() {
    let mut surroundings = step(&[], &[]);
    surroundings.unreadable = ["INPUT_TARGETS", "PATH"].map(ToOwned::to_owned).into();
    let Asked::Wrong(problems) = read(&surroundings).asked else { panic!() };
    assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), ["INPUT_TARGETS: is not text in UTF-8"]);
}

#[test]
fn a_key_is_needed_and_either_will_do() {
    assert!(only(&[], &[("INPUT_MANAGEMENT-KEY", "")]).starts_with("management-key: is required"));
    let request = run(&[], &[("INPUT_MANAGEMENT-KEY", ""), ("INPUT_CURRENT-KEY", "lr_live_0123456789")]);
    assert!(request.issuer.management_key.is_none() && request.issuer.current_key.is_some());
    let file = [("INPUT_MANAGEMENT-KEY", ""), ("KEYROTOR_MANAGEMENT_KEY_FILE", "/no/such/file")];
    assert!(only(&[], &file).starts_with("KEYROTOR_MANAGEMENT_KEY_FILE: "));
}

#[test]
fn writing_to_a_repository_needs_a_token() {
    let text = only(&[], &[("INPUT_GITHUB-TOKEN", "")]);
    assert!(text.contains("GITHUB_TOKEN of a workflow can't write secrets") && text.contains("\"Secrets\""), "{text}");
    let text = only(&[], &[("INPUT_GITHUB-TOKEN", ""), ("INPUT_APP-CLIENT-ID", "Iv1.x")]);
    assert!(text.starts_with("app-private-key: is required beside"), "{text}");
}

#[test]
fn an_app_is_an_id_and_a_key_with_no_token_beside() {
    let (_, app) = keyrotor_fake::App::new(1);
    let (id, pem) = (("INPUT_APP-CLIENT-ID", "Iv23liAbCdEf"), ("INPUT_APP-PRIVATE-KEY", app.pem.as_str()));
    let no_token = ("INPUT_GITHUB-TOKEN", "");
    let request = run(&[], &[no_token, id, pem]);
    assert_eq!(request.github.app.map(|app| app.id().to_owned()).as_deref(), Some("Iv23liAbCdEf"));
    assert!(request.github.token.is_none());

    assert!(only(&[], &[id, pem]).starts_with("github-token: is given beside `app-client-id`"));
    assert!(only(&[], &[no_token, pem]).starts_with("app-client-id: is required beside `app-private-key`"));
    assert!(only(&[], &[no_token, id]).starts_with("app-private-key: is required beside `app-client-id`"));
    let cut = app.pem.get(..900).unwrap();
    for (key, words) in [(cut, "is cut off"), ("ghs_0123456789", "is no private key"), ("${{ x }}", "not evaluated")] {
        let problems = wrong(&[], &[no_token, id, ("INPUT_APP-PRIVATE-KEY", key)]);
        assert!(problems.iter().any(|it| it.input == "app-private-key" && it.message.contains(words)), "{problems:?}");
    }
    let text = only(&[], &[no_token, ("INPUT_APP-CLIENT-ID", "my app"), pem]);
    assert!(text.starts_with("app-client-id: expected a GitHub App's client id"), "{text}");
    let file = [no_token, id, ("KEYROTOR_APP_PRIVATE_KEY_FILE", "/no/such/file")];
    assert!(only(&[], &file).starts_with("KEYROTOR_APP_PRIVATE_KEY_FILE: "));

    // However it was pasted, each line of it is hidden.
    let pasted = app.pem.replace('\n', "\\n");
    let reading = read(&step(&[], &[no_token, id, ("INPUT_APP-PRIVATE-KEY", &pasted)]));
    assert!(reading.secrets.iter().any(|secret| secret.expose() == app.pem), "its lines stand apart");
}

#[test]
fn outside_of_actions_targets_must_be_named() {
    assert!(only(&[], &[("GITHUB_REPOSITORY", "")]).starts_with("targets: is required where GITHUB_REPOSITORY"));
    assert!(only(&[], &[("INPUT_TARGETS", "# none\n\n")]).starts_with("targets: names no target"));
    assert!(only(&[], &[("GITHUB_REPOSITORY", "acme")]).starts_with("GITHUB_REPOSITORY: "));
}

#[test]
fn on_a_pull_request_nothing_is_changed() {
    for event in ["pull_request", "pull_request_target", "pull_request_review"] {
        let vars = [("GITHUB_EVENT_NAME", event)];
        assert!(only(&[], &vars).contains("`dry-run: true`"));
        assert!(run(&["--dry-run"], &vars).dry_run);
    }
}

#[test]
fn openrouter_has_its_own_address_and_secret_and_no_allow_lists() {
    let request = run(&[], &[("INPUT_ISSUER", "openrouter")]);
    assert_eq!(request.issuer.url.as_str(), "https://openrouter.ai/");
    assert_eq!(request.issuer.kind, IssuerKind::OpenRouter { workspace: None, include_byok: None });
    let target = request.rotations.first().and_then(|rotation| rotation.targets.first()).unwrap();
    assert!(target.label().ends_with(" OPENROUTER_API_KEY"));
    let url = run(&[], &[("INPUT_ISSUER", "openrouter"), ("INPUT_ISSUER-URL", "https://gw.corp/api/v1")]).issuer.url;
    assert_eq!(url.as_str(), "https://gw.corp/");
    for (input, value) in [("INPUT_ALLOWED-PROVIDERS", "openai"), ("INPUT_ALLOWED-MODELS", "a,b")] {
        assert!(only(&[], &[("INPUT_ISSUER", "openrouter"), (input, value)]).contains("have no such list"));
        run(&[], &[("INPUT_ISSUER", "openrouter"), (input, "all")]);
    }
    let alone = [
        ("INPUT_ISSUER", "openrouter"),
        ("INPUT_MANAGEMENT-KEY", ""),
        ("INPUT_CURRENT-KEY", "sk-or-v1-0123456789abcdef"),
    ];
    assert!(only(&[], &alone).starts_with("management-key: is required for `issuer: openrouter`"));
}

#[test]
fn an_empty_argument_is_none() {
    assert!(only(&["reenable", ""], &[("INPUT_KEY-NAME", "")]).starts_with("KEY-ID: is required"));
}

#[test]
fn an_input_of_another_command_is_refused() {
    let format = "format: has no meaning for `init`, only for `rotate` and `doctor` and `audit` and `watch-leaks` and `reenable` and `verify-receipt`";
    assert!(wrong(&["init", "--format=json"], &[]).iter().any(|problem| problem.to_string() == format));
    assert!(only(&["--prune", "none"], &[]).starts_with("prune: has no meaning for `rotate`, only for `audit`"));
    assert!(only(&["rotate", "key_1"], &[]).starts_with("KEY-ID: has no meaning for `rotate`"));
    let problems = wrong(&["audit"], &[]);
    assert!(problems.iter().any(|problem| problem.input == "key-name"), "{problems:?}");
}

#[test]
fn a_command_line_that_cant_be_read_is_a_problem_in_the_asked_format() {
    let reading = read(&step(&["--no-such", "--format", "json"], &[]));
    assert_eq!((reading.format, reading.secrets.len()), (Format::Json, 2));
    let text = only(&["--key-nam", "x"], &[]);
    assert!(text.starts_with("command line: unexpected argument '--key-nam'") && text.contains("--key-name"), "{text}");
    let text = only(&["rotate", "key_1", "lr_live_0123456789"], &[]);
    assert!(!text.contains("0123") && text.lines().count() == 1, "{text}");
}

#[test]
fn help_and_version_are_texts() {
    for args in
        [&["--help"][..], &["-h"], &["--version"], &["help"], &["help", "audit"], &["completions", "zsh"], &["man"]]
    {
        let asked = read(&step(args, &[("INPUT_NONSENSE", "x")])).asked;
        assert!(matches!(&asked, Asked::Text(text) if text.to_string().contains("keyrotor")), "{asked:?}");
    }
}

#[test]
fn what_nobody_can_tell_is_a_problem_that_repeats_no_word() {
    for args in
        [&["help", "lr_live_0123456789"][..], &["completions", "lr_live_0123456789"], &["completions"], &["man", "x"]]
    {
        let text = only(args, &[]);
        assert!(text.starts_with("command line: ") && !text.contains("0123"), "{text}");
    }
}

#[test]
fn no_secret_is_shown_wherever_it_was_put() {
    let key = "lr_live_secretsecret";
    for doc in INPUTS {
        let reading = read(&step(&["--format", key, key, key], &[(&doc.variable(), key)]));
        assert!(!format!("{reading:?}").contains("secretsecret"), "{}", doc.name);
        let reading = read(&step(&[], &[(&doc.variable(), key)]));
        if let Asked::Wrong(problems) = reading.asked {
            let shown: String = problems.iter().map(ToString::to_string).collect();
            assert!(!shown.contains("secretsecret"), "{shown}");
        }
    }
}

#[test]
fn an_enterprise_servers_api_without_its_path_is_told() {
    let warnings = |url: &str| run(&[], &[("GITHUB_API_URL", url)]).warnings;
    let told = warnings("https://github.acme.dev");
    assert!(told.len() == 1 && told.iter().all(|it| it.text.contains("https://github.acme.dev/api/v3")), "{told:?}");
    for fine in
        ["https://github.acme.dev/api/v3", "https://api.github.com", "https://api.acme.ghe.com", "http://127.0.0.1:1"]
    {
        assert_eq!(warnings(fine), [], "{fine}");
    }
}

#[test]
fn links_lead_to_the_pages_of_the_server_whose_api_is_used() {
    let web = |vars: &[(&str, &str)]| run(&[], vars).github.web_url.to_string();
    assert_eq!(web(&[]), "https://github.com/");
    assert_eq!(web(&[("GITHUB_API_URL", "https://github.acme.dev/api/v3")]), "https://github.acme.dev/");
    assert_eq!(web(&[("GITHUB_API_URL", "https://api.acme.ghe.com")]), "https://acme.ghe.com/");
    assert_eq!(
        web(&[("GITHUB_SERVER_URL", "https://ghe.acme.dev"), ("GITHUB_API_URL", "https://a.b")]),
        "https://ghe.acme.dev/"
    );
    for unfit in ["nonsense", "http://ghe.acme.dev", "https://u:p@ghe.acme.dev"] {
        assert_eq!(web(&[("GITHUB_SERVER_URL", unfit)]), "https://github.com/");
    }
}
