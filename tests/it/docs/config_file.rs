//! The config file against its JSON Schema, and wrong files against the program.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use keyrotor::cli::Surroundings;
use keyrotor::config::{self, Asked};
use keyrotor_fake::Dialect;
use serde_json::Value;

use crate::docs::documents::blocks;
use crate::harness::Setting;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The file in the documentation of the interface. What it uses and this version has not is allowed to be told.
const DOCUMENTED: &str = "\
issuer: arouter
rotations:
  - key-name: production
    spending-limit: 500
    allowed-providers: [openai, anthropic, google]
    grace-period: 24h
    current-key-env: PRODUCTION_KEY      # a variable's name; secrets themselves are refused in this file
    targets:
      - env:acme/app/production
      - kubernetes:prod/arouter-credentials#api-key
  - key-name: staging
    targets: [\"env:acme/app/staging\"]
";

fn example() -> String {
    std::fs::read_to_string(Path::new(ROOT).join("examples/keyrotor.yml")).unwrap()
}

fn documented() -> Vec<String> {
    let files: Vec<_> = blocks().into_iter().filter(|block| block.text.contains("\nrotations:\n")).collect();
    assert!(!files.is_empty());
    files.into_iter().map(|block| block.text).collect()
}

/// What the schema says of a text.
fn schema(text: &str) -> Vec<String> {
    let file = std::fs::read_to_string(Path::new(ROOT).join("keyrotor.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&file).unwrap();
    // As editors read it: YAML 1.2.
    let options = serde_saphyr::options! { strict_booleans: true };
    let value: Value = match serde_saphyr::from_str_with_options(text, options) {
        Ok(value) => value,
        Err(error) => return vec![error.to_string()],
    };
    let validator = jsonschema::draft7::new(&schema).unwrap();
    validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// What the program says of a text, beside nothing but credentials and the key that it names.
fn program(text: &str) -> Vec<String> {
    let name = format!("config-{}-{}.yml", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let path: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    let mut surroundings = Surroundings::default();
    for (name, value) in [
        ("INPUT_CONFIG", path.to_str().unwrap()),
        ("INPUT_MANAGEMENT-KEY", "lr_mgmt_0123456789abcdef0123456789abcdef"),
        ("INPUT_GITHUB-TOKEN", "github_pat_0123456789abcdef0123456789abcdef"),
        ("PRODUCTION_KEY", "lr_live_0123456789abcdef0123456789abcdef"),
        ("GITHUB_REPOSITORY", "acme/app"),
    ] {
        surroundings.vars.insert(name.to_owned(), value.to_owned());
    }
    let asked = config::read(&surroundings).asked;
    std::fs::remove_file(&path).unwrap();
    match asked {
        Asked::Wrong(problems) => problems.iter().map(ToString::to_string).collect(),
        Asked::Run(_) => Vec::new(),
        Asked::Text(text) => panic!("{text}"),
        Asked::Init(settings) => panic!("{settings:?}"),
    }
}

#[test]
fn the_examples_are_right_by_the_schema_and_by_the_program() {
    let example = example();
    let comment =
        "# yaml-language-server: $schema=https://raw.githubusercontent.com/keyrotor/keyrotor/v1/keyrotor.schema.json\n";
    assert!(example.starts_with(comment), "{example}");
    for text in documented().into_iter().chain([example]) {
        assert_eq!((schema(&text), program(&text)), (Vec::new(), Vec::new()), "{text}");
    }
    assert_eq!(schema(DOCUMENTED), [""; 0]);
    assert_eq!(program(DOCUMENTED), [""; 0]);
}

const RIGHT: &str = "\
rotations:
  - key-name: production
    targets: [\"repo:acme/app\"]
";

#[test]
fn what_is_wrong_is_refused_by_both() {
    assert_eq!((schema(RIGHT), program(RIGHT)), (Vec::new(), Vec::new()));
    for (what, line) in [
        ("isuer: arouter", ""),
        ("key-name: x", ""),
        ("management-key: lr_mgmt_0123456789", ""),
        ("issuer: nobody", ""),
        ("issuer-url: api.arouter.ai", ""),
        ("dry-run: 1", ""),
        ("dry-run: yes", ""),
        ("", "current-key: lr_live_0123456789"),
        ("", "current-key-env: two words"),
        ("", "current-key-env: [A]"),
        ("", "replace-key-id: a/b"),
        ("", "replace-key-id: 12"),
        ("", "secret-name: 1A"),
        ("", "secret-name: \"\""),
        ("", "allowed-models: []"),
        ("", "allowed-models: [all]"),
        ("", "allowed-models: [\"a b\"]"),
        ("", "allowed-models: [[a]]"),
        ("", "allowed-models: 7"),
        ("", "spending-limit: lots"),
        ("", "spending-limit: -1"),
        ("", "spending-limit: [1]"),
        ("", "limit-reset: hourly"),
        ("", "limit-reset: false"),
        ("", "expires-after: tomorrow"),
        ("", "rotate-after: 30"),
        ("", "rotate-after: 1.5h"),
        ("", "rotate-after:"),
        ("", "grace-period: never"),
        ("", "retire: burn"),
        ("", "leaked: perhaps"),
        ("", "verify-timeout: 1 m"),
        ("", "parallel: 0"),
        ("", "parallel: 101"),
        ("", "parallel: 1.5"),
        ("", "nonsense: 1"),
        ("", "rotations: []"),
        ("", "config: x"),
    ] {
        let text = format!("{what}\n{RIGHT}    {line}\n");
        assert!(!schema(&text).is_empty(), "the schema takes {what}{line}");
        assert!(!program(&text).is_empty(), "the program takes {what}{line}");
    }
    for text in [
        "",
        "[]",
        "rotations: 1",
        "rotations: []",
        "rotations: {key-name: a}",
        "rotations: [a]",
        "rotations: [{}]",
        "rotations: [{key-name: }]",
        "rotations: [{key-name: a, targets: []}]",
        "rotations: [{key-name: a, targets: [\"somewhere:else\"]}]",
        "rotations: [{key-name: a, targets: [1]}]",
        "rotations: [{key-name: a, targets: {repo: a/b}}]",
    ] {
        assert!(!schema(text).is_empty(), "the schema takes {text}");
        assert!(!program(text).is_empty(), "the program takes {text}");
    }
}

#[test]
fn what_the_program_takes_the_schema_takes() {
    for line in [
        "current-key-env: PRODUCTION_KEY",
        "replace-key-id: key_01HX",
        "replace-key-id: \"12e5\"",
        "allowed-providers: [openai, \"anthropic\"]",
        "allowed-providers: openai, anthropic",
        "allowed-providers: all",
        "allowed-models: |\n      a/b\n      c/d:free",
        "spending-limit: 500",
        "spending-limit: 12.5",
        "spending-limit: \"500\"",
        "spending-limit: none",
        "limit-reset: monthly",
        "limit-reset: none",
        "expires-after: never",
        "expires-after: 90d",
        "grace-period: 24h",
        "retire: keep",
        "leaked: true",
        "leaked: \"false\"",
        "verify-chat: auto",
        "verify-chat: openai/gpt-4o-mini",
        "verify-timeout: 2m",
        "request-timeout: 10s",
        "parallel: 100",
        "parallel: \"7\"",
        "issuer: arouter",
        "issuer-url: http://localhost:8080/v1",
        "dry-run: true",
        "secret-name: OTHER",
    ] {
        let text = format!("{RIGHT}    {line}\n");
        assert_eq!((program(&text), schema(&text)), (Vec::new(), Vec::new()), "{line}");
    }
    for targets in
        ["repo:acme/app", "|\n      repo:acme/app\n      repo:acme/api secret=X\n", "[\"repo:acme/app,api\"]"]
    {
        let text = format!("rotations:\n  - key-name: a\n    targets: {targets}\n");
        assert_eq!((program(&text), schema(&text)), (Vec::new(), Vec::new()), "{targets}");
    }
}

#[test]
fn a_wrong_file_is_told_with_its_places_and_contacts_nobody() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    let key = stage.held()[0].clone().unwrap();
    let text = format!(
        "grace: 1h\nrotations:\n  - key-name: a\n    current-key: {key}\n    current-key-env: {key}\n    retire: {key}\n    {key}: 1\n"
    );
    let path = stage.put("rotations.yml", text);
    let run = || stage.action().input("key-name", "").input("targets", "").input("config", &path);
    // The stage's own search looks for the key in everything that is printed.
    let ran = run().run();
    assert_eq!((ran.status(), ran.output("outcome"), ran.requests.len()), (2, "invalid", 0), "{}", ran.log());
    for place in ["rotations.yml:1:1: grace: is not a field at the top", "rotations.yml:4:5: current-key: is a secret"]
    {
        assert!(ran.stdout.contains(place) && ran.summary.contains(place), "{place}\n{}", ran.log());
    }
    for place in ["rotations.yml:5:22: current-key-env", "rotations.yml:6:13: retire", "rotations.yml:7:5: ***"] {
        assert!(ran.stdout.contains(place), "{place}\n{}", ran.log());
    }
    for (name, bytes) in [("none.yml", None), ("text.yml", Some(&b"\xff\xfe"[..])), ("empty.yml", Some(b""))] {
        if let Some(bytes) = bytes {
            stage.put(name, bytes);
        }
        let ran = run().input("config", name).run();
        assert_eq!((ran.status(), ran.requests.len()), (2, 0), "{}", ran.log());
        assert!(ran.stdout.contains(name), "{}", ran.log());
    }
    let ran = run().input("key-name", "production").input("targets", "repo:acme/app").run();
    assert!(ran.stdout.contains("key-name: has no meaning beside `config`"), "{}", ran.log());
}
