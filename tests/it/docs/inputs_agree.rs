//! `action.yml`, `--help` and the program's own table name the same inputs and state the same defaults.

#![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

use std::collections::{BTreeMap, BTreeSet};

use clap::Command;
use keyrotor::cli::{self, FLAGS, INPUTS, Task};
use serde::Deserialize;

const OUTPUTS: [&str; 10] = [
    "new-key-id",
    "new-key-name",
    "old-key-id",
    "old-key-status",
    "outcome",
    "report",
    "retire-after",
    "rotated",
    "targets-failed",
    "targets-written",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Action {
    name: String,
    description: String,
    author: String,
    branding: BTreeMap<String, String>,
    inputs: BTreeMap<String, Input>,
    outputs: BTreeMap<String, Output>,
    runs: BTreeMap<String, String>,
}

/// There is no `default`: the program alone applies defaults.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    description: String,
    #[serde(default)]
    required: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Output {
    description: String,
}

fn action() -> Action {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/action.yml");
    serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn help() -> String {
    cli::command().render_help().to_string()
}

/// The lines of one option in the help.
fn help_of(name: &str) -> String {
    let flag = format!("--{name}");
    let help = help();
    let lines: Vec<&str> = help.lines().collect();
    let is_head = |line: &str| line.trim_start().starts_with("--") || line.trim_start().starts_with("-h");
    let begin = lines.iter().position(|line| is_head(line) && line.split([' ', '[', '=']).any(|word| word == flag));
    let rest = lines.into_iter().skip(begin.unwrap_or_else(|| unreachable!("{flag} is not in the help")));
    let own = rest.enumerate().take_while(|(at, line)| *at == 0 || !(is_head(line) || line.is_empty()));
    own.map(|(_, line)| line.trim()).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_same_inputs_everywhere() {
    let table: BTreeSet<&str> = INPUTS.iter().map(|doc| doc.name).collect();
    assert_eq!(table.len(), INPUTS.len(), "an input stands twice in the table");
    let action = action();
    assert_eq!(action.inputs.keys().map(String::as_str).collect::<BTreeSet<_>>(), table);
    let names: BTreeSet<&str> = cli::rows().map(|row| row.name).collect();
    assert_eq!(names.len(), cli::rows().count(), "a name stands twice in the table");
    assert!(FLAGS.iter().all(|row| row.tasks != Task::ALL && row.in_file == cli::InFile::No));
}

#[test]
fn every_flag_is_named_as_its_input() {
    let command = cli::command();
    for doc in INPUTS.iter().filter(|doc| !doc.is_secret() && doc.name != "command") {
        assert!(command.get_arguments().any(|arg| arg.get_long() == Some(doc.name)), "{}", doc.name);
    }
}

#[test]
fn the_descriptions_state_the_defaults_that_apply() {
    for (name, input) in action().inputs {
        let doc = cli::input(&name).unwrap();
        let stated = input.description.split_once("Default: `").map(|(_, rest)| rest.trim_end_matches('`'));
        assert_eq!(stated, doc.default, "{name}");
        assert_eq!(input.required, doc.required, "{name}");
        assert_eq!(input.description.starts_with("Secret. "), doc.is_secret(), "{name}");
        assert_eq!(input.description.starts_with("For `audit`: "), doc.tasks == [Task::Audit], "{name}");
    }
}

#[test]
fn the_help_states_the_defaults_that_apply() {
    for doc in INPUTS.iter().filter(|doc| !doc.is_secret() && doc.name != "command") {
        let help = help_of(doc.name);
        let stated = help.split_once("[default: ").and_then(|(_, rest)| rest.split_once(']')).map(|(text, _)| text);
        assert_eq!(stated, doc.default, "{}: {help}", doc.name);
        assert_eq!(help.contains("[required]"), doc.required, "{help}");
    }
}

#[test]
fn the_help_explains_secrets_and_the_exit_status() {
    let help = cli::commands().render_long_help().to_string();
    for doc in INPUTS.iter().filter(|doc| doc.is_secret()) {
        for variable in [doc.variable(), doc.own_variable(), format!("{}_FILE", doc.own_variable())] {
            assert!(help.contains(&variable), "{variable}");
        }
        assert!(!help.contains(&format!("--{}", doc.name)), "{}", doc.name);
    }
    for status in ["0  done", "1  nothing has changed", "2  the inputs are wrong", "3  safe"] {
        assert!(help.contains(status), "{status}");
    }
}

/// Every page of help on a terminal of so many columns, each with the name of its command.
fn pages(columns: usize) -> Vec<(String, String)> {
    let mut all = cli::commands().term_width(columns);
    all.build();
    let pages =
        |command: &mut Command| [command.render_help(), command.render_long_help()].map(|page| page.to_string());
    let own = pages(&mut all).map(|page| ("keyrotor".to_owned(), page));
    let others = all.get_subcommands_mut().flat_map(|command| {
        let name = command.get_name().to_owned();
        pages(command).map(|page| (name.clone(), page))
    });
    own.into_iter().chain(others).collect()
}

#[test]
fn the_help_fits_the_terminal() {
    for columns in [80, 200] {
        for (name, page) in pages(columns) {
            let wide: Vec<&str> = page.lines().filter(|line| line.chars().count() > columns).collect();
            assert_eq!(wide, [""; 0], "{name} at {columns}");
            let torn: Vec<&str> = page.lines().filter(|line| line.ends_with(" `")).collect();
            assert_eq!(torn, [""; 0], "{name}: a word is torn from its mark");
        }
    }
}

#[test]
fn an_example_is_the_same_at_any_width() {
    let examples = |columns| -> Vec<String> {
        let lines =
            pages(columns).into_iter().flat_map(|(_, page)| page.lines().map(str::to_owned).collect::<Vec<_>>());
        lines.filter(|line| line.trim_start().starts_with("keyrotor ") || line.ends_with('\\')).collect()
    };
    assert_eq!(examples(80), examples(200));
    assert!(examples(80).len() > 20);
}

#[test]
fn the_action_is_complete() {
    let action = action();
    assert_eq!(action.name, "keyrotor");
    assert!(!action.author.is_empty() && action.description.len() < 125);
    assert_eq!(
        action.branding,
        BTreeMap::from([("icon", "refresh-cw"), ("color", "blue")].map(|(k, v)| (k.into(), v.into())))
    );
    assert_eq!(
        action.runs,
        BTreeMap::from([("using", "docker"), ("image", "Dockerfile")].map(|(k, v)| (k.into(), v.into())))
    );
    assert_eq!(action.outputs.keys().map(String::as_str).collect::<Vec<_>>(), OUTPUTS);
    assert!(action.outputs.values().all(|output| !output.description.is_empty()));
}
