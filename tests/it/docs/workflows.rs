//! The workflows of this project: those that others call, and the one that releases.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use keyrotor::cli::INPUTS;
use serde_json::{Value, json};

use crate::docs::documents::{ROOT, files, text};

/// What the called workflows take beside the action's inputs.
const OF_THE_JOB: [&str; 3] = ["environment", "runner", "timeout-minutes"];
const OIDC_ONLY: [&str; 4] = ["aws-region", "aws-role", "vault-addr", "vault-namespace"];
const SECRETS: [(&str, &str); 6] = [
    ("app-private-key", "secrets.APP_PRIVATE_KEY"),
    ("current-key", "secrets.CURRENT_KEY || secrets.AROUTER_API_KEY"),
    ("github-token", "secrets.ROTATION_TOKEN"),
    ("management-key", "secrets.MANAGEMENT_KEY"),
    ("notify-secret", "secrets.NOTIFY_SECRET"),
    ("notify-url", "secrets.NOTIFY_URL"),
];

/// A YAML file of the project.
pub(crate) fn parsed(path: &str) -> Value {
    serde_saphyr::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_called_workflow_takes_and_hands_on_every_input_and_output() {
    let workflow = parsed(".github/workflows/rotate.yml");
    let call = &workflow["on"]["workflow_call"];
    let plain = INPUTS.iter().filter(|doc| !doc.is_secret()).map(|doc| doc.name);
    assert_eq!(keys(&call["inputs"]), plain.chain(OF_THE_JOB).collect());
    let job = &workflow["jobs"]["rotate"];
    let step = job["steps"].as_array().unwrap().last().unwrap();
    let with = step["with"].as_object().unwrap();
    assert_eq!(keys(&step["with"]), INPUTS.iter().map(|doc| doc.name).collect());
    let secrets = BTreeMap::from(SECRETS);
    for doc in INPUTS {
        let source = if doc.is_secret() { secrets[doc.name].to_owned() } else { format!("inputs.{}", doc.name) };
        assert_eq!(with[doc.name], format!("${{{{ {source} }}}}"), "{}", doc.name);
        // The program applies the defaults, as in action.yml.
        assert!(call["inputs"][doc.name].get("default").is_none(), "{}", doc.name);
    }
    // An environment can hold secrets of these names.
    let legal = |name: &&str| !name.starts_with("GITHUB_") && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    assert!(keys(&call["secrets"]).iter().all(legal));
    let action = parsed("action.yml");
    assert_eq!(keys(&call["outputs"]), keys(&action["outputs"]));
    for name in keys(&action["outputs"]) {
        assert_eq!(call["outputs"][name]["value"], format!("${{{{ jobs.rotate.outputs.{name} }}}}"));
        assert_eq!(job["outputs"][name], format!("${{{{ steps.rotate.outputs.{name} }}}}"));
    }
    assert_eq!(job["environment"], "${{ inputs.environment }}");
    assert!(workflow["concurrency"]["group"].as_str().unwrap().starts_with("keyrotor/"));
    assert_eq!(workflow["concurrency"]["cancel-in-progress"], false);
}

/// Takes away what stands at a place, which has to be there.
fn without(value: &mut Value, name: &str) {
    assert!(value.as_object_mut().unwrap().remove(name).is_some(), "no {name}");
}

#[test]
fn with_oidc_it_is_the_same_workflow() {
    let plain = parsed(".github/workflows/rotate.yml");
    let mut oidc = parsed(".github/workflows/rotate-oidc.yml");
    oidc["name"] = plain["name"].clone();
    OIDC_ONLY.iter().for_each(|name| without(&mut oidc["on"]["workflow_call"]["inputs"], name));
    let job = &mut oidc["jobs"]["rotate"];
    assert_eq!(job["permissions"]["id-token"], "write");
    without(&mut job["permissions"], "id-token");
    let steps = job["steps"].as_array_mut().unwrap();
    assert_eq!(steps.remove(1)["name"], "Sign in to AWS");
    without(steps.last_mut().unwrap(), "env");
    assert_eq!(oidc, plain);
}

#[test]
fn every_action_is_pinned_by_one_commit() {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for file in files(".github/workflows").into_iter().chain(files("examples/workflows")) {
        for line in
            text(&file).lines().filter_map(|line| line.trim_start().trim_start_matches("- ").strip_prefix("uses: "))
        {
            if line.starts_with("keyrotor/") || line.starts_with("./ ") {
                continue;
            }
            let (action, pin) = line.split_once('@').unwrap();
            let (commit, version) = pin.split_once(" # v").unwrap_or_else(|| panic!("{file}: {line} names no version"));
            assert!(commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit()), "{file}: {line}");
            assert_eq!(version.matches('.').count(), 2, "{file}: {line}");
            let known = seen.entry(action.to_owned()).or_insert_with(|| pin.to_owned());
            assert_eq!(known, pin, "{file}: {action} is pinned otherwise elsewhere");
        }
    }
    assert!(seen.len() >= 4, "{seen:?}");
}

#[test]
fn a_release_caches_nothing_and_knows_one_secret() {
    let release = text(".github/workflows/release.yml");
    for word in ["actions/cache", "cache-from", "cache-to", "type=gha", "pull_request"] {
        assert!(!release.contains(word), "it says {word}");
    }
    let told = parsed(".github/workflows/release.yml");
    assert_eq!(told["permissions"], json!({}));
    // The deploy key, in two steps of the job that a person approves: tried first of all, and used.
    assert_eq!(release.matches("secrets.").count(), 2);
    let publish = &told["jobs"]["publish"];
    assert_eq!(publish["environment"], "release");
    for step in ["Try the deploy key", "Tag"] {
        assert_eq!(publish["steps"][place(publish, step)]["env"]["DEPLOY_KEY"], "${{ secrets.DEPLOY_KEY }}");
    }
    assert_eq!(place(publish, "Try the deploy key"), 1);
    assert_eq!(told["jobs"]["test"]["steps"][0]["name"], "Look at the environment");
}

/// No job can replace what another one built, and no code of the tests runs between a build and its push.
#[test]
fn a_release_publishes_what_was_built_and_nothing_else() {
    let told = parsed(".github/workflows/release.yml");
    let jobs = told["jobs"].as_object().unwrap();
    let with = |job: &Value, action: &str| -> Vec<Value> {
        let steps = job["steps"].as_array().unwrap().iter();
        steps.filter(|step| step["uses"].as_str().is_some_and(|it| it.starts_with(action))).cloned().collect()
    };
    for (name, job) in jobs {
        for step in with(job, "actions/download-artifact@") {
            assert!(step["with"]["name"].is_string(), "{name}: {step}");
        }
    }
    let built = ["linux-x86_64", "linux-aarch64", "macos-x86_64", "macos-aarch64", "materials"];
    let taken = with(&jobs["publish"], "actions/download-artifact@");
    assert_eq!(taken.iter().map(|step| step["with"]["name"].as_str().unwrap()).collect::<Vec<_>>(), built);
    let tested = ["./test", "cargo run", "cargo test"];
    for job in ["linux", "macos", "materials", "publish"] {
        assert!(tested.iter().all(|it| !jobs[job].to_string().contains(it)), "{job}");
    }
    // Whoever is given the program is given its licences.
    for job in ["linux", "macos"] {
        let packs = jobs[job].to_string().split("\\n").any(|line| line.contains("tar ") && line.contains(" licenses"));
        assert!(packs, "{job} packs no licences");
    }
    assert!(jobs["publish"]["needs"].as_array().unwrap().contains(&json!("image")));
    // What a new package in the registry is to nobody else.
    let publish = &jobs["publish"];
    assert!(["Name the image", "Pull it as anybody", "Tag"].map(|name| place(publish, name)).is_sorted());
}

/// Where a job has the step of this name.
fn place(job: &Value, name: &str) -> usize {
    let steps = job["steps"].as_array().unwrap();
    steps.iter().position(|step| step["name"] == name).unwrap_or_else(|| panic!("no step {name}"))
}

/// A release that is cut short leaves what users follow where it was, and can be begun again.
#[test]
fn what_users_follow_moves_last() {
    let publish = &parsed(".github/workflows/release.yml")["jobs"]["publish"];
    let steps = publish["steps"].as_array().unwrap();
    let order = ["Name the image", "Sign the image's provenance", "Tag", "Release", "Move the major version"];
    assert!(order.map(|name| place(publish, name)).is_sorted());
    assert_eq!(steps.last().unwrap()["name"], "Move the major version");
    for step in &steps[..steps.len() - 1] {
        assert!(!step.to_string().contains("%%.*") && !step.to_string().contains("--force"), "{step}");
    }
    // A checkout has no tags to look for.
    assert!(!text(".github/workflows/release.yml").contains("git rev-parse"));
}

fn script(name: &str, argument: Option<&str>) -> (bool, String) {
    ended(Command::new(Path::new(ROOT).join(".github/release").join(name)).args(argument))
}

fn ended(command: &mut Command) -> (bool, String) {
    let told = command.output().unwrap();
    (told.status.success(), String::from_utf8(told.stdout).unwrap())
}

#[test]
fn the_released_action_differs_in_its_image_alone() {
    let image = format!("ghcr.io/keyrotor/keyrotor@sha256:{}", "0123456789abcdef".repeat(4));
    let (fine, released) = script("action", Some(&image));
    assert!(fine);
    assert_eq!(released, text("action.yml").replace("  image: Dockerfile\n", &format!("  image: docker://{image}\n")));
    for wrong in ["ghcr.io/keyrotor/keyrotor:1.2.3", "docker.io/x@sha256:00", "", "ghcr.io/a@sha256:0000#;s"] {
        let (fine, printed) = script("action", Some(wrong));
        assert!(!fine && printed.is_empty(), "{wrong}");
    }
}

/// What the scripts of a release read.
const RELEASED: [&str; 19] = [
    ".github/release/action",
    ".github/release/commit",
    ".github/release/major",
    ".github/release/notes",
    ".github/release/prepare",
    ".github/release/version",
    ".github/workflows/rotate.yml",
    ".github/workflows/rotate-oidc.yml",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "README.md",
    "SECURITY.md",
    "action.yml",
    "docs/zh-TW/quick-start.md",
    "examples/workflows/daily.yml",
    "examples/workflows/reusable.yml",
    "docs/reference.md",
    "fuzz/Cargo.lock",
];

/// The workflows that others call.
const CALLED: [&str; 2] = [".github/workflows/rotate-oidc.yml", ".github/workflows/rotate.yml"];

const COMMITTED: &str = "2026-01-02T03:04:05+01:00";

/// A repository with one commit, on which a release can be made.
struct Repository(PathBuf);

impl Repository {
    fn new(name: &str) -> Self {
        Self::prepared(name, &[])
    }

    /// The same with a version of its own, if there is any.
    fn prepared(name: &str, version: &[&str]) -> Self {
        let own = Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id())));
        for file in RELEASED {
            fs::create_dir_all(own.0.join(file).parent().unwrap()).unwrap();
            fs::copy(Path::new(ROOT).join(file), own.0.join(file)).unwrap();
        }
        assert!(version.is_empty() || own.prepare(version));
        own.git(&["init", "--quiet"]);
        own.git(&["add", "."]);
        let person = ["-c", "user.name=A", "-c", "user.email=a@acme.example", "-c", "commit.gpgsign=false"];
        own.git(&[&person[..], &["commit", "--quiet", "--message=One"]].concat());
        own
    }

    /// In it, and in no other: a hook of git's would name its own.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.0);
        for name in ["GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"] {
            command.env_remove(name);
        }
        command
    }

    fn git(&self, arguments: &[&str]) -> String {
        let (fine, told) = ended(self.command("git").env("GIT_COMMITTER_DATE", COMMITTED).args(arguments));
        assert!(fine, "git {arguments:?}");
        told.trim_end().to_owned()
    }

    fn script(&self, name: &str, argument: Option<&str>) -> (bool, String) {
        ended(self.command("bash").arg(Path::new(".github/release").join(name)).args(argument))
    }

    fn prepare(&self, arguments: &[&str]) -> bool {
        ended(self.command("bash").arg(".github/release/prepare").args(arguments)).0
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.0.join(file)).unwrap()
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_release_that_is_begun_again_makes_the_same_commit() {
    let repository = Repository::prepared("release-commit", &["1.2.3", "2026-12-01"]);
    let image = |digit: &str| format!("ghcr.io/keyrotor/keyrotor@sha256:{}", digit.repeat(64));
    let (fine, commit) = repository.script("commit", Some(&image("0")));
    assert!(fine);
    assert_eq!(repository.script("commit", Some(&image("0"))), (true, commit.clone()));
    assert_ne!(repository.script("commit", Some(&image("1"))).1, commit);
    let (fine, printed) = repository.script("commit", Some("keyrotor:1"));
    assert!(!fine && printed.is_empty());
    let commit = commit.trim_end();
    let dates = repository.git(&["show", "--no-patch", "--format=%aI %cI", commit]);
    assert_eq!(dates, format!("{COMMITTED} {COMMITTED}"));
    // The action and its image first, then the workflows that name it by its hash.
    let action = repository.git(&["rev-parse", &format!("{commit}^")]);
    assert_eq!(repository.git(&["rev-parse", &format!("{action}^")]), repository.git(&["rev-parse", "HEAD"]));
    assert_eq!(repository.git(&["diff", "--name-only", "HEAD", &action]), "action.yml");
    let (_, printed) = repository.script("action", Some(&image("0")));
    assert_eq!(repository.git(&["show", &format!("{action}:action.yml")]), printed.trim_end());
    let changed = repository.git(&["diff", "--name-only", &action, commit]);
    assert_eq!(changed.lines().collect::<Vec<_>>(), CALLED);
    for workflow in CALLED {
        let pinned = repository.read(workflow).replace("keyrotor@v1.2.3\n", &format!("keyrotor@{action} # v1.2.3\n"));
        assert!(pinned.contains(&action));
        assert_eq!(repository.git(&["show", &format!("{commit}:{workflow}")]), pinned.trim_end());
    }
    assert_eq!(repository.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_release_has_its_version_everywhere() {
    let repository = Repository::new("release-version");
    let version = "1.2.3";
    assert!(repository.prepare(&[version, "2026-12-01"]));
    assert_eq!(repository.script("version", None), (true, format!("{version}\n")));
    for file in ["Cargo.lock", "Cargo.toml", ".github/workflows/rotate.yml", ".github/workflows/rotate-oidc.yml"] {
        let file = repository.0.join(file);
        let right = fs::read_to_string(&file).unwrap();
        let wrong = right.replace(
            &format!("name = \"keyrotor\"\nversion = \"{version}\""),
            "name = \"keyrotor\"\nversion = \"0.0.1\"",
        );
        fs::write(&file, wrong.replace(&format!("keyrotor@v{version}"), "keyrotor@v0.0.1")).unwrap();
        let (fine, printed) = repository.script("version", None);
        assert!(!fine && printed.is_empty(), "{}", file.display());
        fs::write(&file, right).unwrap();
    }
}

/// On a remote of its own: tags are pushed as the workflow pushes them.
#[test]
fn a_tag_stays_and_the_major_one_only_goes_forward() {
    let repository = Repository::prepared("release-tags", &["1.2.3", "2026-12-01"]);
    repository.git(&["init", "--quiet", "--bare", "remote"]);
    repository.git(&["remote", "add", "origin", "remote"]);
    let image = |digit: &str| format!("ghcr.io/keyrotor/keyrotor@sha256:{}", digit.repeat(64));
    let commit = repository.script("commit", Some(&image("0"))).1.trim_end().to_owned();
    let push = |commit: &str, version: &str| {
        ended(repository.command("git").args(["push", "--quiet", "origin", &format!("{commit}:refs/tags/v{version}")]))
            .0
    };
    let major = |version: &str| repository.script("major", Some(version));
    assert!(push(&commit, "1.2.3"));
    assert!(push(&commit, "1.2.3"), "a release that is begun again");
    let other = repository.script("commit", Some(&image("1"))).1;
    assert!(!push(other.trim_end(), "1.2.3"), "another image under the same version");
    assert_eq!(major("1.2.3"), (true, "v1\n".to_owned()));
    assert!(push(&commit, "1.10.0") && push(&commit, "1.11.0-rc.1") && push(&commit, "2.0.0"));
    for (version, follows) in [("1.10.0", "v1\n"), ("1.2.3", ""), ("1.11.0-rc.1", ""), ("2.0.0", "v2\n"), ("3.0.0", "")]
    {
        assert_eq!(major(version), (true, follows.to_owned()), "{version}");
    }
    for wrong in ["1.2", "v1.2.3", ""] {
        assert!(!major(wrong).0, "{wrong}");
    }
}

/// A rehearsal does what a release does, under a version of its own.
#[test]
fn a_release_can_be_rehearsed() {
    let repository = Repository::prepared("release-rehearsal", &["1.2.3-rc.1"]);
    assert_eq!(repository.script("version", None), (true, "1.2.3-rc.1\n".to_owned()));
    let image = format!("ghcr.io/keyrotor/keyrotor@sha256:{}", "0".repeat(64));
    let (fine, commit) = repository.script("commit", Some(&image));
    assert!(fine);
    let action = repository.git(&["rev-parse", &format!("{}^", commit.trim_end())]);
    let workflow = repository.git(&["show", &format!("{}:{}", commit.trim_end(), CALLED[0])]);
    assert!(workflow.contains(&format!("uses: keyrotor/keyrotor@{action} # v1.2.3-rc.1")), "{workflow}");
    let changelog = "## [Unreleased]\n\n- New.\n\n## [1.2.2] - 2026-01-02\n\n- Old.\n";
    assert_eq!(notes("1.2.3-rc.1", changelog).as_deref().map(str::trim), Some("- New."));
}

/// What is built between two releases says so, and is none of them.
#[test]
fn a_version_is_released_or_says_that_it_is_not() {
    let is_released = |version: &str| version.replace("-rc.", ".").bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let own = env!("CARGO_PKG_VERSION");
    assert!(is_released(own) || own.ends_with("-dev"), "{own}");
    let repository = Repository::new("release-prepare");
    assert_eq!(repository.script("version", None).0, is_released(own));
    assert!(repository.prepare(&["1.2.3", "2026-12-01"]));
    let changelog = repository.read("CHANGELOG.md");
    assert!(notes("1.2.3", &changelog).is_some_and(|notes| notes.contains("### ")), "{changelog}");
    assert!(changelog.contains("## [Unreleased]\n\n## [1.2.3] - 2026-12-01\n"));
    for (file, words) in [
        ("docs/reference.md", "release download v1.2.3"),
        ("Cargo.toml", "version = \"1.2.3\""),
        (
            "examples/workflows/daily.yml",
            "# Pin the commit of the release: keyrotor/keyrotor@<40 hex digits> # v1.x.y\n",
        ),
        ("examples/workflows/daily.yml", "uses: keyrotor/keyrotor@v1\n"),
        ("docs/zh-TW/quick-start.md", "uses: keyrotor/keyrotor@v1\n"),
    ] {
        assert!(repository.read(file).contains(words), "{file}");
    }
    for file in RELEASED.into_iter().filter(|file| file.ends_with(".md") || file.starts_with("examples/")) {
        assert!(!repository.read(file).contains("keyrotor@<commit>\n"), "{file}");
    }
    assert!(repository.prepare(&["1.2.4-dev"]));
    let (fine, printed) = repository.script("version", None);
    assert!(!fine && printed.is_empty());
    let named = [("Cargo.toml", "version = \"1.2.4-dev\""), (".github/workflows/rotate.yml", "keyrotor@v1.2.4")];
    named.iter().for_each(|(file, words)| assert!(repository.read(file).contains(words), "{file}"));
    for wrong in [&["1.2"][..], &["1.2.3"], &["1.2.3-rc1", "2026-12-01"], &[]] {
        assert!(!repository.prepare(wrong), "{wrong:?}");
    }
}

/// Before the first release nothing that can be copied names one, and behind it nothing says that there is none.
#[test]
fn what_can_be_copied_names_a_release_once_there_is_one() {
    let is_before_all = env!("CARGO_PKG_VERSION").starts_with("1.0.0-");
    let examples = files("examples/workflows").into_iter().chain(["README.md", "docs/reference.md"].map(str::to_owned));
    for file in examples {
        let text = text(&file);
        assert!(!is_before_all || !text.contains("uses: keyrotor/keyrotor@v"), "{file} names a release");
        let unreleased = ["keyrotor@<commit>", "no release yet"].iter().any(|words| text.contains(words));
        assert!(is_before_all || !unreleased, "{file} says that there is no release");
    }
}

/// What the script says of a version in a changelog.
fn notes(version: &str, changelog: &str) -> Option<String> {
    let mut script = Command::new(Path::new(ROOT).join(".github/release/notes"));
    let mut child = script.arg(version).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(changelog.as_bytes()).unwrap();
    let told = child.wait_with_output().unwrap();
    told.status.success().then(|| String::from_utf8(told.stdout).unwrap())
}

#[test]
fn the_notes_of_a_release_are_its_part_of_the_changelog() {
    let changelog = "# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2026-01-02\n\n### Added\n\n- One.\n\n\
        ## [1.1.0] - 2025-12-01\n\n- Two.\n\n[1.2.0]: https://example.com\n";
    assert_eq!(notes("1.2.0", changelog).as_deref().map(str::trim), Some("### Added\n\n- One."));
    assert_eq!(notes("1.1.0", changelog).as_deref().map(str::trim), Some("- Two."));
    for without in ["Unreleased", "1.2", "0.0.0", ""] {
        assert_eq!(notes(without, changelog), None, "{without}");
    }
    // Before a release what is new stands under "Unreleased", in its commit under the version.
    let own = text("CHANGELOG.md");
    assert!(["Unreleased", env!("CARGO_PKG_VERSION")].iter().any(|version| notes(version, &own).is_some()));
}
