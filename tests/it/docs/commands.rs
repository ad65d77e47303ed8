//! Every command in a document's block does what it says there: it is accepted by the program that it starts.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use keyrotor::cli::{INPUTS, Surroundings};
use keyrotor::config::{self, Asked};
use keyrotor_fake::{App, Fault};
use serde_json::Value;

use crate::docs::documents::{Block, ROOT, blocks, text};

/// The lines of a block as a shell reads them, comments off.
fn lines(block: &Block) -> Vec<Vec<String>> {
    let joined = block.text.replace("\\\n", " ");
    joined.lines().map(words).filter(|words| !words.is_empty()).collect()
}

/// The words of a line, quotation marks off.
fn words(line: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let (mut quote, mut inside) = (None, false);
    for c in line.chars() {
        match (quote, c) {
            (None, '#') if !inside => break,
            (None, ' ') => inside = false,
            (None, '"' | '\'') => {
                quote = Some(c);
                if !inside {
                    found.push(String::new());
                }
                inside = true;
            }
            (Some(open), c) if open == c => quote = None,
            (_, c) => {
                if !inside {
                    found.push(String::new());
                }
                inside = true;
                found.last_mut().unwrap().push(c);
            }
        }
    }
    assert!(quote.is_none(), "an open quotation mark: {line}");
    found
}

/// What one block has set so far.
struct Shell {
    vars: BTreeMap<String, String>,
    scratch: PathBuf,
}

impl Shell {
    fn new() -> Self {
        let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("commands-{}", std::process::id()));
        fs::create_dir_all(&scratch).unwrap();
        let mut vars = BTreeMap::from([("GITHUB_REPOSITORY".to_owned(), "acme/app".to_owned())]);
        // What a person would have set beforehand.
        vars.insert("KEYROTOR_MANAGEMENT_KEY".to_owned(), secret("management-key"));
        vars.insert("KEYROTOR_GITHUB_TOKEN".to_owned(), secret("github-token"));
        Self { vars, scratch }
    }

    fn export(&mut self, place: &str, assignment: &str) {
        let (name, _) = assignment.split_once('=').unwrap_or_else(|| panic!("{place}: {assignment}"));
        let secrets = INPUTS.iter().filter(|doc| doc.is_secret());
        for doc in secrets {
            if name == doc.own_variable() {
                self.vars.insert(name.to_owned(), secret(doc.name));
                return;
            }
            if name == format!("{}_FILE", doc.own_variable()) {
                let file = self.scratch.join(doc.name);
                fs::write(&file, secret(doc.name)).unwrap();
                self.vars.remove(&doc.own_variable());
                self.vars.insert(name.to_owned(), file.display().to_string());
                return;
            }
        }
        panic!("{place}: {name} is no variable of keyrotor's");
    }

    /// The program takes these arguments.
    fn keyrotor(&self, place: &str, arguments: &[String]) {
        let own = arguments.iter().take_while(|word| *word != "|").map(|word| word.clone().into());
        let surroundings = Surroundings { args: own.collect(), vars: self.vars.clone(), ..Surroundings::default() };
        match config::read(&surroundings).asked {
            Asked::Run(_) | Asked::Init(_) | Asked::Text(_) => {}
            Asked::Wrong(problems) => panic!("{place}: {problems:?}"),
        }
    }
}

fn secret(name: &str) -> String {
    match name {
        "management-key" => "lr_mgmt_0123456789abcdef0123456789abcdef".to_owned(),
        "current-key" => "lr_live_0123456789abcdef0123456789abcdef".to_owned(),
        "app-private-key" => App::new(1).1.pem,
        "notify-url" => "https://hooks.example.test/0123456789abcdef".to_owned(),
        _ => "github_pat_0123456789abcdef0123456789abcdef".to_owned(),
    }
}

/// The package, alias, test or benchmark is there.
fn cargo(place: &str, arguments: &[String]) {
    let own: Vec<&str> = arguments.iter().map(String::as_str).filter(|word| !word.starts_with('+')).collect();
    let behind = |flags: &[&str]| {
        let at = own.iter().position(|word| flags.contains(word))?;
        own.get(at + 1).copied()
    };
    let handed_on: Vec<&str> = own.iter().skip_while(|word| **word != "--").skip(1).copied().collect();
    match own[0] {
        "demo" => check_demo(place, &handed_on),
        "simulate" => check_flags(place, "tests/sim/src", &handed_on),
        // Without the package's name cargo would not know which of the workspace's programs is meant.
        "install" => {
            let git = ["install", "--locked", "--git", env!("CARGO_PKG_REPOSITORY")];
            let newest = [&git[..], &[env!("CARGO_PKG_NAME")]].concat();
            let released = [&git[..], &["--tag", RELEASED, env!("CARGO_PKG_NAME")]].concat();
            assert!(own == newest || own == released, "{place}: {own:?}");
        }
        "build" | "clippy" | "fmt" => {}
        "bench" => {
            let name = behind(&["--bench"]).unwrap_or_else(|| panic!("{place}: which benchmark?"));
            assert!(text("Cargo.toml").contains(&format!("[[bench]]\nname = \"{name}\"")), "{place}: {name}");
        }
        "run" | "test" => check_package(place, &own, behind(&["-p", "--package"]), &handed_on),
        "fuzz" => {
            assert!(Path::new(ROOT).join(format!("fuzz/fuzz_targets/{}.rs", own[2])).exists(), "{place}: {own:?}")
        }
        other => panic!("{place}: nobody knows cargo {other}"),
    }
}

fn check_package(place: &str, own: &[&str], package: Option<&str>, handed_on: &[&str]) {
    if let Some(package) = package {
        let folder = format!("tests/{}", package.trim_start_matches("keyrotor-"));
        assert!(text(format!("{folder}/Cargo.toml")).contains(&format!("name = \"{package}\"")), "{place}: {package}");
        check_flags(place, &format!("{folder}/src"), handed_on);
        return;
    }
    let filter = own
        .iter()
        .skip(1)
        .take_while(|word| **word != "--")
        .filter(|word| !word.starts_with('-') && **word != "it")
        .last();
    let Some(filter) = filter else { return };
    if own.contains(&"--lib") {
        let path = Path::new(ROOT).join("src").join(filter.trim_end_matches("::").replace("::", "/"));
        assert!(path.is_dir() || path.with_extension("rs").exists(), "{place}: {filter}");
        return;
    }
    let listed = Command::new(std::env::current_exe().unwrap()).args(["--list", filter]).output().unwrap();
    assert!(String::from_utf8_lossy(&listed.stdout).contains(": test"), "{place}: no test is called {filter}");
}

fn check_demo(place: &str, handed_on: &[&str]) {
    match handed_on {
        [] | ["--help"] => {}
        ["--fault", fault] => _ = fault.parse::<Fault>().unwrap_or_else(|error| panic!("{place}: {error}")),
        other => panic!("{place}: {other:?}"),
    }
}

/// The sources of that program know each flag.
fn check_flags(place: &str, folder: &str, handed_on: &[&str]) {
    let sources: String = crate::docs::documents::files(folder).iter().map(text).collect();
    for flag in handed_on.iter().filter(|word| word.starts_with("--")) {
        assert!(sources.contains(&format!("\"{flag}\"")), "{place}: {folder} does not know {flag}");
    }
}

/// The tag of the version that this is, or becomes.
const RELEASED: &str = concat!(
    "v",
    env!("CARGO_PKG_VERSION_MAJOR"),
    ".",
    env!("CARGO_PKG_VERSION_MINOR"),
    ".",
    env!("CARGO_PKG_VERSION_PATCH")
);

/// What is downloaded and verified is what the release workflow makes and signs. A secret that is set is one that an example
/// reads, and its value is no argument.
fn gh(place: &str, arguments: &[String]) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let repository = match arguments[..] {
        ["secret", "set", name, ref rest @ ..] => {
            let read = format!("${{{{ secrets.{name} }}}}");
            let examples = crate::docs::documents::files("examples/workflows");
            assert!(examples.iter().any(|path| text(path).contains(&read)), "{place}: no example reads {name}");
            assert!(matches!(rest, [] | ["--env", _] | ["--env", _, "<", _]), "{place}: {rest:?}");
            return;
        }
        ["api", path, ..] => {
            assert!(path.starts_with("repos/acme/"), "{place}");
            return;
        }
        // What the example signs.
        ["attestation", "verify", "receipt.json", "--repo", "OWNER/NAME"] => {
            assert!(text("examples/workflows/receipts.yml").contains("subject-path: receipt.json"), "{place}");
            return;
        }
        ["attestation", "verify", what, "--repo", repository] => {
            let release: Value = crate::docs::workflows::parsed(".github/workflows/release.yml");
            let published = release["env"]["IMAGE"].as_str().unwrap();
            assert!(what.starts_with(&format!("oci://{published}:")) || is_released(what), "{place}: {what}");
            repository
        }
        ["release", "download", RELEASED, "--repo", repository, "--pattern", file] => {
            assert!(is_released(file), "{place}: {file}");
            repository
        }
        _ => panic!("{place}: nobody knows gh {arguments:?}"),
    };
    assert_eq!(format!("https://github.com/{repository}"), env!("CARGO_PKG_REPOSITORY"), "{place}");
}

/// The release workflow makes an archive of this name.
fn is_released(file: &str) -> bool {
    let release = crate::docs::workflows::parsed(".github/workflows/release.yml");
    let machines = |list: &Value, at: &str| -> Vec<String> {
        let all = list.as_array().unwrap().iter();
        all.map(|it| it.pointer(at).unwrap().as_str().unwrap().to_owned()).collect()
    };
    let matrix = |job: &str| release["jobs"][job]["strategy"]["matrix"].clone();
    let jobs = [
        ("linux", machines(&matrix("linux")["include"], "/machine")),
        ("macos", machines(&matrix("macos")["machine"], "")),
    ];
    jobs.iter().any(|(system, machines)| {
        let steps = release["jobs"][system]["steps"].as_array().unwrap();
        let triple = steps.iter().find_map(|step| step["env"]["TRIPLE"].as_str()).unwrap();
        let made = steps.iter().any(|step| step.to_string().contains("keyrotor-$TRIPLE.tar.gz"));
        let name = |machine: &String| format!("keyrotor-{}.tar.gz", triple.replace("${{ matrix.machine }}", machine));
        made && machines.iter().any(|machine| name(machine) == file)
    })
}

/// Only such as make what a target or an example needs, with words that Kubernetes knows.
fn kubectl(place: &str, arguments: &[String]) {
    const VERBS: [&str; 4] = ["create", "delete", "get", "patch"];
    const RESOURCES: [&str; 4] = ["daemonsets.apps", "deployments.apps", "secrets", "statefulsets.apps"];
    let flag = |name: &str| {
        let at = arguments.iter().position(|word| word == name || word.starts_with(&format!("{name}=")))?;
        let behind = arguments[at].split_once('=').map(|(_, value)| value);
        behind.or_else(|| arguments.get(at + 1).map(String::as_str))
    };
    let known =
        |list: Option<&str>, known: &[&str]| list.is_some_and(|list| list.split(',').all(|it| known.contains(&it)));
    let made = arguments.iter().skip_while(|word| *word != "create").nth(1).map(String::as_str);
    let fine = match made {
        Some("role") => known(flag("--verb"), &VERBS) && known(flag("--resource"), &RESOURCES),
        Some("rolebinding") => {
            flag("--role").is_some() && flag("--serviceaccount").is_some_and(|account| account.split(':').count() == 2)
        }
        _ => false,
    };
    assert!(fine, "{place}: nobody checks this command");
}

/// What prepares a role for OIDC.
fn vault(place: &str, arguments: &[String]) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let fine = match arguments[..] {
        ["auth", "enable", "jwt"] | ["policy", "write", "keyrotor", "policy.json"] => true,
        ["write", "auth/jwt/role/keyrotor", "@role.json"] => true,
        ["write", "auth/jwt/config", ref rest @ ..] => {
            rest.iter().all(|it| it.ends_with("=https://token.actions.githubusercontent.com"))
        }
        _ => false,
    };
    assert!(fine, "{place}: nobody checks this command");
}

/// One line of a block or a script.
fn run(shell: &mut Shell, place: &str, line: &[String]) {
    let (command, arguments) = line.split_first().unwrap();
    match command.as_str() {
        "export" => shell.export(place, &arguments[0]),
        "keyrotor" => shell.keyrotor(place, arguments),
        "aws" => assert_eq!(arguments[..2], ["eks", "update-kubeconfig"], "{place}"),
        "cargo" => cargo(place, arguments),
        "gh" => gh(place, arguments),
        "kubectl" => kubectl(place, arguments),
        "tar" => assert!(arguments[0] == "-xzf" && is_released(&arguments[1]), "{place}"),
        "vault" => vault(place, arguments),
        path if path.contains('/') => {
            let file = fs::metadata(Path::new(ROOT).join(path)).unwrap_or_else(|_| panic!("{place}"));
            assert!(file.permissions().mode() & 0o111 != 0, "{place}");
        }
        _ => panic!("{place}: nobody checks this command"),
    }
}

/// The script of a workflow's step that starts the program, with the step's variables.
pub(crate) fn check_script(place: &str, script: &str, env: &BTreeMap<String, String>) {
    let mut text = script.to_owned();
    for (name, value) in env {
        text = text.replace(&format!("${name}"), value);
    }
    let block = Block { place: place.to_owned(), language: "sh".to_owned(), text };
    let mut shell = Shell::new();
    shell.vars.extend(env.clone());
    lines(&block).iter().for_each(|line| run(&mut shell, place, line));
}

#[test]
fn every_command_in_the_documents_is_accepted() {
    let mut seen = 0;
    for block in blocks().iter().filter(|block| block.language == "sh") {
        let mut shell = Shell::new();
        for line in lines(block) {
            let place = format!("{}: {}", block.place, line.join(" "));
            run(&mut shell, &place, &line);
            seen += 1;
        }
        let _ = fs::remove_dir_all(&shell.scratch);
    }
    assert!(seen > 10, "only {seen} commands were found");
}

#[test]
fn every_example_of_the_help_is_accepted() {
    let help = keyrotor::cli::commands().term_width(80).render_long_help().to_string();
    let (_, examples) = help.split_once("Examples:").unwrap();
    let block = Block { place: "--help".to_owned(), language: "sh".to_owned(), text: examples.to_owned() };
    let mut shell = Shell::new();
    let config = Path::new(ROOT).join("examples/keyrotor.yml").display().to_string();
    shell.vars.insert("PRODUCTION_KEY".to_owned(), secret("current-key"));
    let lines = lines(&block);
    for line in &lines {
        let (program, arguments) = line.split_first().unwrap();
        assert_eq!(program, "keyrotor");
        let arguments: Vec<_> =
            arguments.iter().map(|word| if word == "keyrotor.yml" { config.clone() } else { word.clone() }).collect();
        shell.keyrotor(&line.join(" "), &arguments);
    }
    assert!(lines.len() >= 10, "{}", lines.len());
    // A line that is copied alone never rotates in place of saying what it would do.
    let begun = examples.lines().filter(|line| line.ends_with('\\') && line.trim_start().starts_with("keyrotor"));
    begun.for_each(|line| {
        assert!(
            !line.contains("--dry-run") || line.contains("keyrotor --dry-run") || line.contains("audit --dry-run"),
            "{line}"
        )
    });
    assert!(!examples.lines().any(|line| line.trim_start().starts_with("--dry-run")));
    let _ = fs::remove_dir_all(&shell.scratch);
}

#[test]
fn every_block_says_its_language() {
    for block in blocks() {
        let known = ["json", "mermaid", "sh", "toml", "yaml"];
        assert!(known.contains(&block.language.as_str()), "{}: {:?}", block.place, block.language);
    }
}

/// A repository's OIDC subject has one of two forms: whoever copies a policy has both.
#[test]
fn what_trusts_a_job_names_both_forms_of_its_subject() {
    let mut seen = 0;
    for block in blocks().iter().filter(|block| block.language == "json") {
        let parsed: Value =
            serde_json::from_str(&block.text).unwrap_or_else(|error| panic!("{}: {error}", block.place));
        let subjects = ["repo:acme/ops:environment:rotation", "repo:acme@123456/ops@456789:environment:rotation"];
        let both = subjects.map(|subject| parsed.to_string().contains(subject));
        assert_eq!(both[0], both[1], "{}", block.place);
        seen += usize::from(both[0]);
    }
    assert_eq!(seen, 2, "AWS and Vault");
}

#[test]
fn a_line_is_read_as_a_shell_reads_it() {
    assert_eq!(words("a --b='c d' \"e\"f # g"), ["a", "--b=c d", "ef"]);
    assert!(words("# only a comment").is_empty());
}
