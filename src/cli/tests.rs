#![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

use clap::error::ErrorKind;

use super::*;

fn surroundings(args: &[&str], vars: &[(&str, &str)]) -> Surroundings {
    Surroundings {
        args: args.iter().map(Into::into).collect(),
        vars: vars.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        ..Surroundings::default()
    }
}

#[test]
fn the_table_is_well_formed() {
    command().debug_assert();
    commands().debug_assert();
}

#[test]
fn a_flag_wins_over_its_variable() {
    let vars = [("INPUT_KEY-NAME", "from-variable"), ("INPUT_PARALLEL", "3"), ("INPUT_RETIRE", "")];
    let inputs = parse(&surroundings(&["--key-name", "from-flag"], &vars)).unwrap();
    assert_eq!(inputs.text("key-name"), Some("from-flag"));
    assert_eq!(inputs.text("parallel"), Some("3"));
    assert_eq!(inputs.text("retire"), None);
}

#[test]
fn booleans_need_no_value() {
    for (args, vars, expected) in [
        (&["--dry-run"][..], &[][..], Some("true")),
        (&["--dry-run=false"], &[("INPUT_DRY-RUN", "true")], Some("false")),
        (&["--dry-run", "rotate"], &[], Some("true")),
        (&[], &[("INPUT_DRY-RUN", "true")], Some("true")),
        (&[], &[], None),
    ] {
        assert_eq!(parse(&surroundings(args, vars)).unwrap().text("dry-run"), expected, "{args:?}");
    }
}

#[test]
fn the_command_is_a_word_or_a_variable() {
    assert_eq!(parse(&surroundings(&[], &[("INPUT_COMMAND", "audit")])).unwrap().text("command"), Some("audit"));
    let inputs = parse(&surroundings(&["reenable", "key_1"], &[("INPUT_COMMAND", "audit")])).unwrap();
    assert_eq!((inputs.text("command"), inputs.text("key-id")), (Some("reenable"), Some("key_1")));
}

#[test]
fn targets_can_be_repeated() {
    let inputs = parse(&surroundings(&["--targets", "repo:a/b", "--targets", "repo:a/c"], &[])).unwrap();
    assert_eq!(inputs.text("targets"), Some("repo:a/b\nrepo:a/c"));
}

#[test]
fn secrets_have_no_flags_and_their_values_are_not_repeated() {
    for args in [&["--management-key=lr_mgmt_s3cret"][..], &["--github-token", "lr_mgmt_s3cret"]] {
        let error = parse(&surroundings(args, &[])).unwrap_err().to_string();
        assert!(error.contains("has no flag") && error.contains("_FILE") && !error.contains("s3cret"), "{error}");
    }
}

#[test]
fn help_version_and_errors_come_back() {
    let kind = |arg| parse(&surroundings(&[arg], &[])).unwrap_err().kind();
    assert_eq!(kind("--help"), ErrorKind::DisplayHelp);
    assert_eq!(kind("--version"), ErrorKind::DisplayVersion);
    assert_eq!(kind("--no-such-flag"), ErrorKind::UnknownArgument);
}

#[test]
fn the_values_of_variables_do_not_stand_in_the_help() {
    let vars = [("INPUT_KEY-NAME", "a-value-of-mine"), ("INPUT_MANAGEMENT-KEY", "lr_mgmt_s3cret")];
    let help = help(&surroundings(&["--help"], &vars)).to_string();
    assert!(help.contains("--key-name") && !help.contains("a-value-of-mine") && !help.contains("s3cret"));
}

#[test]
fn each_command_has_its_own_help_short_and_long() {
    let lines = |args: &[&str]| help(&surroundings(args, &[])).to_string().lines().count();
    let short = lines(&["-h"]);
    assert!(short < 45 && lines(&["--help"]) > 3 * short, "{short}");
    let shown = |args: &[&str]| help(&surroundings(args, &[])).to_string();
    assert!(shown(&["audit", "--help"]).contains("--fail-on") && !shown(&["audit", "-h"]).contains("--key-name"));
    assert!(shown(&["-h", "reenable"]).contains("KEY-ID") && !shown(&["reenable", "-h"]).contains("--targets"));
    assert!(lines(&["audit", "-h"]) < lines(&["audit", "--help"]));
    assert_eq!(
        shown(&["rotate", "--help"]),
        about_itself(&surroundings(&["help", "rotate"], &[])).unwrap().unwrap().to_string()
    );
}

#[test]
fn completions_and_the_manual_know_every_flag() {
    let told = |args: &[&str]| about_itself(&surroundings(args, &[])).unwrap().unwrap().to_string();
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = told(&["completions", shell]);
        for doc in INPUTS.iter().filter(|doc| !doc.is_secret() && doc.name != "command") {
            assert!(script.contains(doc.name), "{shell}: {}", doc.name);
        }
    }
    let manual = told(&["man"]).replace("\\-", "-");
    for word in
        INPUTS.iter().filter(|doc| doc.name != "command").map(|doc| doc.name).chain(["reenable", "keyrotor-audit"])
    {
        assert!(manual.contains(word), "{word}");
    }
}
