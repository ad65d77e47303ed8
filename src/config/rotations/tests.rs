#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that fails here has failed")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::config::{Asked, Reading, Request, read as read_surroundings};
use crate::rotation::policy::Wish;

use super::*;
use crate::secret::Secret;

/// A file that goes when the test does.
struct Scratch(PathBuf);

static NEXT: AtomicUsize = AtomicUsize::new(0);

impl Scratch {
    fn new(bytes: impl AsRef<[u8]>) -> Self {
        let name = format!("keyrotor-config-{}-{}.yml", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

const STEP: [(&str, &str); 4] = [
    ("INPUT_MANAGEMENT-KEY", "lr_mgmt_0123456789"),
    ("INPUT_GITHUB-TOKEN", "github_pat_0123456789"),
    ("GITHUB_REPOSITORY", "acme/app"),
    ("GITHUB_EVENT_NAME", "schedule"),
];

/// Reads a step whose `config` is a file with this text.
fn reading(text: impl AsRef<[u8]>, vars: &[(&str, &str)]) -> (Reading, String) {
    let file = Scratch::new(text);
    let path = file.0.display().to_string();
    let given = STEP.iter().chain(vars).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let mut surroundings = Surroundings { vars: given.collect(), ..Surroundings::default() };
    surroundings.vars.insert("INPUT_CONFIG".to_owned(), path.clone());
    (read_surroundings(&surroundings), path)
}

fn run(text: &str, vars: &[(&str, &str)]) -> Request {
    match reading(text, vars).0.asked {
        Asked::Run(request) => *request,
        other => panic!("{other:?}"),
    }
}

/// The problems, with `F` for the file's path.
fn wrong(text: impl AsRef<[u8]>, vars: &[(&str, &str)]) -> Vec<String> {
    let (reading, path) = reading(text, vars);
    match reading.asked {
        Asked::Wrong(problems) => problems.iter().map(|problem| problem.to_string().replace(&path, "F")).collect(),
        other => panic!("{other:?}"),
    }
}

fn only(text: impl AsRef<[u8]>, vars: &[(&str, &str)]) -> String {
    let problems = wrong(text, vars);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    problems.first().unwrap().clone()
}

const TWO: &str = "\
rotate-after: 30d
allowed-models: all
rotations:
  - key-name: production
    spending-limit: 500
    allowed-providers: [openai, anthropic]
    grace-period: 24h
    current-key-env: PRODUCTION_KEY
    targets:
      - repo:acme/app
      - repo:acme/api,web
  - key-name: staging
    rotate-after: 0s
    leaked: true
    secret-name: STAGING_KEY
";

#[test]
fn what_is_to_be_rotated_now_is_so_in_every_rotation() {
    let request = run(TWO, &[("PRODUCTION_KEY", "lr_live_0123456789"), ("INPUT_ROTATE-NOW", "true")]);
    assert!(request.rotations.iter().all(|rotation| rotation.policy.rotate_after.is_zero()));
    assert!(request.warnings.is_empty(), "{:?}", request.warnings);
}

#[test]
fn each_rotation_has_its_own_and_what_holds_for_all() {
    let request = run(TWO, &[("PRODUCTION_KEY", "lr_live_0123456789"), ("INPUT_PARALLEL", "3")]);
    let [production, staging] = request.rotations.as_slice() else { panic!("{:?}", request.rotations) };
    let policy = &production.policy;
    assert_eq!((policy.key_name.as_str(), policy.parallel), ("production", 3));
    assert_eq!(policy.limit, Wish::Stated(Some(500.0)));
    assert_eq!((policy.rotate_after, policy.grace), (Duration::from_secs(30 * 86_400), Duration::from_secs(86_400)));
    assert_eq!(policy.current_key, Some(Secret::new("lr_live_0123456789".into())));
    assert_eq!(policy.current_key, production.issuer.current_key);
    assert_eq!(production.targets.len(), 3);
    let policy = &staging.policy;
    assert_eq!((policy.rotate_after, policy.grace, policy.leaked), (Duration::ZERO, Duration::ZERO, true));
    assert_eq!((&policy.limit, &policy.models), (&Wish::Inherit, &production.policy.models));
    assert_eq!((policy.current_key.is_none(), staging.issuer.current_key.is_none()), (true, true));
    let labels: Vec<_> = staging.targets.iter().map(ToString::to_string).collect();
    assert_eq!(labels, ["repo:acme/app"], "the documented default");
    assert_eq!(staging.targets.first().and_then(Target::at_github).unwrap().secret.as_str(), "STAGING_KEY");
    assert_eq!(request.warnings, []);
}

#[test]
fn a_grace_is_stated_at_the_top_in_the_rotation_or_beside_the_file() {
    let stated = |text: &str, vars: &[(&str, &str)]| -> Vec<bool> {
        run(text, vars).rotations.iter().map(|rotation| rotation.policy.grace_is_stated).collect()
    };
    let key = ("PRODUCTION_KEY", "lr_live_0123456789");
    assert_eq!(stated(TWO, &[key]), [true, false]);
    assert_eq!(stated(&format!("grace-period: 0s\n{TWO}"), &[key]), [true, true]);
    let alone = "rotations:\n  - key-name: production\n    targets: repo:acme/app\n";
    assert_eq!(stated(alone, &[]), [false]);
    assert_eq!(stated(alone, &[("INPUT_GRACE-PERIOD", "")]), [false]);
    assert_eq!(stated(alone, &[("INPUT_GRACE-PERIOD", "0s")]), [true]);
}

#[test]
fn every_value_is_masked_also_beside_problems() {
    let text = format!("{TWO}    management-key: lr_mgmt_in_the_file\n    nonsense: 1\n");
    let (reading, _) = reading(text, &[("PRODUCTION_KEY", "lr_live_0123456789")]);
    let values: Vec<_> = reading.secrets.iter().map(Secret::expose).collect();
    assert_eq!(values, ["lr_mgmt_0123456789", "github_pat_0123456789", "lr_live_0123456789", "lr_mgmt_in_the_file"]);
    assert!(!format!("{reading:?}").contains("in_the_file"));
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_place() {
    let text = "\
isuer: arouter
grace-period: soon
management-key: lr_mgmt_0123456789abc
key-name: x
rotations:
  - key-name: production
    Rotate_After: 1d
    parallel: 1000
    spending-limit: -1
    targets: [\"repo:acme/app\", \"repos:acme/api\", 7]
  - targets: |
      repo:acme/x
      repo:acme
    retire: burn
    current-key: lr_live_0123456789abc
    workspace-id: ws_1
    canary: smoke
  - just a text
  - key-name: 12
    targets: repo:acme/web
    leaked: perhaps
    dry-run: 1
    allowed-models: []
    allowed-providers: [all, openai]
    issuer: openrouter
    verify-timeout:
    command: audit
    old-after: 1d
    rotations: []
";
    let expected = [
        "F:1:1: isuer: is not a field at the top; did you mean `issuer`?",
        "F:2:15: grace-period: expected a duration",
        "F:3:1: management-key: is a secret and must not stand in this file",
        "F:4:1: key-name: is each rotation's own: expected below `rotations:`",
        "F:7:5: Rotate_After: is not a field in a rotation; did you mean `rotate-after`?",
        "F:8:15: parallel: expected a whole number from 1 to 100 (got \"1000\")",
        "F:9:21: spending-limit: ",
        "F:10:32: targets: `repos` is not a kind of target",
        "F:10:50: targets: YAML reads this as a number: put it in quotation marks",
        "F:11:5: key-name: is required",
        "F:12:7: targets: line 2: ",
        "F:14:13: retire: ",
        "F:15:5: current-key: is a secret and must not stand in this file: put it into a variable",
        "F:16:19: workspace-id: has a meaning for `issuer: openrouter` alone",
        "F:17:13: canary: expected the name of a workflow file",
        "F:18:5: config: a text stands here: expected fields such as `key-name:`",
        "F:19:15: key-name: YAML reads this as a number",
        "F:21:13: leaked: expected `true` or `false`",
        "F:22:14: dry-run: expected `true` or `false`",
        "F:23:21: allowed-models: an entry is empty",
        "F:24:24: allowed-providers: expected `all` or `inherit` alone",
        "F:26:19: verify-timeout: has no value",
        "F:27:5: command: is an input of the run",
        "F:28:5: old-after: is an input of `audit`",
        "F:29:5: rotations: has no meaning in a rotation",
    ];
    let problems = wrong(text, &[]);
    for begin in expected {
        assert!(problems.iter().any(|problem| problem.starts_with(begin)), "{begin} is missing in {problems:#?}");
    }
    let more: Vec<_> =
        problems.iter().filter(|problem| !expected.iter().any(|begin| problem.starts_with(begin))).collect();
    assert_eq!(more, [""; 0]);
    assert!(!problems.iter().any(|problem| problem.contains("0123456789abc")), "{problems:#?}");
}

#[test]
fn what_only_the_file_can_say_is_told_with_its_place() {
    let text =
        "issuer: openrouter\nworkspace-id: a b\nrotations:\n  - key-name: a\n    include-byok-in-limit: \"no\"\n";
    let expected = [
        "F:2:15: workspace-id: expected one word without spaces (got \"a b\")",
        "F:5:28: include-byok-in-limit: expected `true` or `false` (got \"no\")",
    ];
    assert_eq!(wrong(text, &[]), expected);
}

#[test]
fn a_wrong_default_is_told_once_and_where_nobody_uses_it_too() {
    let one = "  - {key-name: a, targets: [\"repo:a/a\"], grace-period: 1h}\n";
    let text =
        format!("grace-period: soon\nrotations:\n{one}{}", one.replace("name: a", "name: b").replace("a/a", "b/b"));
    assert!(only(&text, &[]).starts_with("F:1:15: grace-period: "));
    let text = text.replace(", grace-period: 1h", "");
    assert!(only(&text, &[]).starts_with("F:1:15: grace-period: "));
    let text = text.replace("grace-period: soon\n", "");
    assert!(only(&text, &[("INPUT_GRACE-PERIOD", "soon")]).starts_with("grace-period: expected"));
}

#[test]
fn what_cant_be_read_as_a_whole_is_refused() {
    for (text, expected) in [
        ("", "F:1:1: config: there is nothing in it"),
        ("rotations: [", "F:1:12: config: this is no YAML: "),
        ("- a\n", "F:1:1: config: a list stands here: expected fields such as `rotations:`"),
        ("issuer: arouter\n", "F:1:1: rotations: is required"),
        ("rotations:\n", "F:1:1: rotations: is nothing: expected a list"),
        ("rotations: []\n", "F:1:1: rotations: names no rotation"),
        ("rotations:\n  key-name: a\n", "F:1:1: rotations: is a mapping: expected a list"),
        ("rotations:\n  - key-name: a\n---\nrotations: []\n", "F:3:1: config: a second document"),
        ("rotations:\n  - key-name: a\n    key-name: b\n", "F:3:5: config: the field on line 2 has the same name"),
        ("rotations:\n  - &a {key-name: a, secret-name: *a}\n", "F:2:35: config: aliases"),
        ("rotations:\n  - key-name: a\n    <<: {parallel: 1}\n", "F:3:5: <<: is not a field in a rotation"),
    ] {
        let problems = wrong(text, &[]);
        assert!(problems.iter().any(|problem| problem.starts_with(expected)), "{text:?}: {problems:?}");
        assert!(problems.len() <= 2, "{text:?}: {problems:?}");
    }
}

#[test]
fn files_that_are_none_are_refused() {
    let not_utf8 = only(b"rotations:\n  - key-name: \xff\n", &[]);
    assert!(not_utf8.contains("not text in UTF-8, from line 2 on"), "{not_utf8}");
    assert!(only("#".repeat(1024 * 1024 + 1), &[]).contains("larger than 1 MiB"));
    for (path, expected) in [
        ("/no/such/file.yml", "no such file"),
        ("/", "is a directory"),
        ("/dev/zero", "not a file but a pipe, a device"),
    ] {
        let config = [("INPUT_CONFIG", path)];
        let vars = STEP.iter().chain(&config).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let reading = read_surroundings(&Surroundings { vars, ..Surroundings::default() });
        let Asked::Wrong(problems) = reading.asked else { panic!("{path}") };
        let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert!(texts.len() == 1 && texts[0].starts_with("config: ") && texts[0].contains(expected), "{texts:?}");
        assert!(texts[0].contains(path), "{texts:?}");
    }
}

#[test]
fn what_belongs_to_one_rotation_stands_in_one() {
    let text = "\
rotations:
  - key-name: production
    replace-key-id: key_1
    current-key-env: A
    targets: [\"repo:acme/app\", \"repo:Acme/App secret=arouter_api_key\"]
  - key-name: production
    replace-key-id: key_1
    current-key-env: B
    targets: [\"repo:ACME/api,app\"]
    grace-period: wrong
";
    let same = [("A", "lr_live_0123456789"), ("B", "lr_live_0123456789")];
    let starts = [
        "F:10:19: grace-period: ",
        "F:5:32: targets: is a target of the rotation on line 5 too",
        "F:6:15: key-name: is the family of the rotation on line 2 too",
        "F:7:21: replace-key-id: is the key to replace of the rotation on line 3 too",
        "F:8:22: current-key-env: the variable holds the same key as the one on line 4",
        "F:9:15: targets: is a target of the rotation on line 5 too",
    ];
    let problems = wrong(text, &same);
    for (start, count) in starts.iter().map(|start| (start, problems.iter().filter(|p| p.starts_with(start)).count())) {
        assert_eq!(count, 1, "{start} in {problems:#?}");
    }
    assert_eq!(problems.len(), starts.len(), "{problems:#?}");
}

#[test]
fn a_key_in_hand_is_no_other_credential() {
    let one = "rotations:\n  - key-name: a\n    current-key-env: A\n    targets: [\"repo:a/a\"]\n";
    assert!(only(one, &[("A", "github_pat_0123456789")]).contains("the same value as `github-token`"));
    assert_eq!(run(one, &[("A", "lr_mgmt_0123456789")]).warnings.len(), 1, "one key may manage itself");
    let two = format!("{one}  - key-name: b\n    targets: [\"repo:b/b\"]\n");
    assert!(only(&two, &[("A", "lr_mgmt_0123456789")]).contains("the same value as `management-key`"));
}

#[test]
fn a_variable_is_named_and_never_shown() {
    let with = |name: &str| format!("rotations:\n  - key-name: a\n    current-key-env: {name}\n");
    for (name, vars, expected) in [
        ("PRODUCTION_KYE", &[("PRODUCTION_KEY", "lr_live_0123456789")][..], "did you mean `PRODUCTION_KEY`?"),
        ("lr_live_0123456789", &[], "this is a key itself"),
        ("a-b", &[], "expected the name of an environment variable"),
        ("9abc", &[], "expected the name of an environment variable"),
        ("GITHUB_REPOSITORY", &[], "belongs to something else"),
        ("KEYROTOR_GITHUB_TOKEN", &[], "belongs to something else"),
        ("KEYROTOR_GITHUB_TOKEN_FILE", &[], "belongs to something else"),
        ("AWS_SECRET_ACCESS_KEY", &[("AWS_SECRET_ACCESS_KEY", "x")], "belongs to something else"),
        ("K", &[("K", "null")], "the variable's value is the text `null`"),
        ("K", &[("K", "two words")], "the variable's value has a space"),
    ] {
        let problem = only(with(name), vars);
        assert!(problem.starts_with("F:3:22: current-key-env: ") && problem.contains(expected), "{problem}");
        assert!(!problem.contains(name), "{problem}");
    }
    let request = run(&with("K"), &[("K", "")]);
    assert_eq!(request.rotations.first().unwrap().policy.current_key, None);
    let told = "a: current-key-env: the variable is empty, so nothing is known of the current key";
    assert_eq!(request.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(), [told]);
    let request = run(&with("K"), &[("K", "ghp_0123456789")]);
    assert_eq!(request.warnings.len(), 1, "{:?}", request.warnings);
}

#[test]
fn a_rotation_needs_a_key_that_manages() {
    let text = "rotations:\n  - key-name: a\n    current-key-env: K\n  - key-name: b\n    targets: [\"repo:b/b\"]\n";
    let vars = [("INPUT_MANAGEMENT-KEY", ""), ("K", "lr_live_0123456789")];
    assert!(only(text, &vars).starts_with("F:4:15: key-name: has no key that could make another"));
    let one = text.split("  - key-name: b").next().unwrap();
    assert_eq!(run(one, &vars).rotations.len(), 1);
    let empty = only(one, &[("INPUT_MANAGEMENT-KEY", ""), ("K", "")]);
    assert!(empty.contains("has no key that could make another"), "{empty}");
}

#[test]
fn inputs_beside_a_file_say_what_it_leaves_open_and_nothing_else() {
    let text = "rotate-after: 30d\nrotations:\n  - key-name: a\n    parallel: 3\n";
    for (name, value) in [("KEY-NAME", "x"), ("TARGETS", "repo:a/b"), ("REPLACE-KEY-ID", "key_1")] {
        let problem = only(text, &[(&format!("INPUT_{name}"), value)]);
        assert!(problem.contains("has no meaning beside `config`"), "{problem}");
    }
    let problem = only(text, &[("KEYROTOR_CURRENT_KEY", "lr_live_0123456789")]);
    assert!(problem.starts_with("current-key: ") && problem.contains("`current-key-env`"), "{problem}");
    for (name, value, place) in [("ROTATE-AFTER", "1d", "F:1:15"), ("PARALLEL", "4", "F:4:15")] {
        let problem = only(text, &[(&format!("INPUT_{name}"), value)]);
        assert!(problem.contains(&format!("{place} says otherwise")), "{problem}");
    }
    let agreed = [("INPUT_ROTATE-AFTER", "30d"), ("INPUT_GRACE-PERIOD", "1h"), ("INPUT_ISSUER-URL", "https://a.dev")];
    let request = run(text, &agreed);
    let rotation = request.rotations.first().unwrap();
    assert_eq!((rotation.policy.grace.as_secs(), rotation.issuer.url.as_str()), (3_600, "https://a.dev/"));
}

#[test]
fn dry_run_holds_wherever_it_is_asked_for() {
    let text = "dry-run: false\nrotations:\n  - key-name: a\n  - key-name: b\n    dry-run: true\n    targets: [\"repo:b/b\"]\n";
    let dry = |vars: &[(&str, &str)]| run(text, vars).rotations.iter().map(|it| it.dry_run).collect::<Vec<_>>();
    assert_eq!(dry(&[]), [false, true]);
    for asked in ["true", " true\n"] {
        assert_eq!(dry(&[("INPUT_DRY-RUN", asked)]), [true, true], "{asked:?}");
    }
    let event = [("GITHUB_EVENT_NAME", "pull_request")];
    assert!(only(text, &event).contains("on this event only"));
    assert_eq!(run(&text.replace("dry-run: false", "dry-run: true"), &event).rotations.len(), 2);
    let top = "dry-run: true\nrotations:\n  - key-name: a\n    dry-run: false\n";
    assert!(run(top, &[]).rotations.iter().all(|it| it.dry_run), "a rotation does not take it back");
    assert_eq!(run(top, &event).rotations.len(), 1);
}

#[test]
fn an_audit_is_as_dry_as_the_file_says_at_its_top() {
    let audit = |text: &str, event| {
        let prune = [("INPUT_COMMAND", "audit"), ("INPUT_PRUNE", "delete"), ("INPUT_NAMES", "ci-*")];
        run(text, &[&prune[..], &[("GITHUB_EVENT_NAME", event)]].concat()).dry_run
    };
    let text = "dry-run: true\nrotations:\n  - key-name: a\n    targets: [\"repo:a/a\"]\n";
    assert!(audit(text, "schedule") && audit(text, "pull_request"));
    assert!(!audit(&text.replace("true", "false"), "schedule"));
}

#[test]
fn a_strangers_file_names_no_issuer() {
    let text = "issuer-url: https://a.dev\ndry-run: true\nrotations:\n  - key-name: a\n    issuer-url: https://b.dev\n";
    let event = [("GITHUB_EVENT_NAME", "pull_request_target")];
    let problems = wrong(text, &event);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with("F:1:13: issuer-url: ") && problems[1].starts_with("F:5:17: issuer-url: "));
    let of_another =
        text.replace("issuer-url: https://a.dev", "issuer: openrouter").replace("issuer-url: https://b.dev", "");
    assert!(
        only(&of_another, &event).starts_with("F:1:9: issuer: on `pull_request_target` the file may be a stranger's")
    );
    let url = |request: Request| request.rotations.first().unwrap().issuer.url.to_string();
    assert_eq!(url(run(text, &[("GITHUB_EVENT_NAME", "pull_request")])), "https://b.dev/");
}

#[test]
fn a_file_that_may_be_a_strangers_writes_to_its_own_repository_alone() {
    let text = "rotations:\n  - key-name: a\n    targets: [\"repo:Acme/app\", \"env:acme/app/prod\", \"repo:acme/app2\"]\n  \
                - key-name: b\n    targets: [\"org:acme\", \"file:.env\"]\n";
    for event in ["issue_comment", "workflow_run", "discussion", "discussion_comment"] {
        let vars = [("GITHUB_EVENT_NAME", event), ("GITHUB_REPOSITORY", "acme/app")];
        let problems = wrong(text, &vars);
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(
            problems[0].starts_with("F:3:53: targets: on `") && problems[0].contains("repo:acme/app2"),
            "{problems:?}"
        );
        let trusted = [&vars[..], &[("INPUT_TRUST-CONFIG", "true")]].concat();
        assert_eq!(run(text, &trusted).rotations.len(), 2);
    }
    assert_eq!(run(text, &[("GITHUB_EVENT_NAME", "schedule")]).rotations.len(), 2);
}

#[test]
fn one_management_key_goes_to_one_address() {
    let text = "rotations:\n  - key-name: a\n    targets: repo:acme/a\n  - key-name: b\n    targets: repo:acme/b\n    \
                issuer-url: https://other.dev\n";
    let problem = only(text, &[]);
    let told = "F:6:17: issuer-url: the one `management-key` would be sent to two addresses";
    assert!(problem.starts_with(told), "{problem}");
}

#[test]
fn one_management_key_goes_to_one_issuer() {
    let text = "rotations:\n  - key-name: a\n    targets: repo:acme/a\n  - key-name: b\n    targets: repo:acme/b\n    \
                issuer: openrouter\n";
    let problem = only(text, &[]);
    assert!(problem.starts_with("F:6:13: issuer: the one `management-key` would be sent to two issuers"), "{problem}");
    assert_eq!(
        run(&format!("issuer: openrouter\n{}", text.replace("    issuer: openrouter\n", "")), &[]).rotations.len(),
        2
    );
}
