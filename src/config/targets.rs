//! The input `targets`, its default, and targets that are named twice.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::{self, Inputs, Spot, Subject, Surroundings};
use crate::config::context;
use crate::config::file::{self, Entry};
use crate::config::openrouter;
use crate::config::problem::Problems;
use crate::config::scalar::path;
use crate::regular;
use crate::rotation::policy::Policy;
use crate::store::target::{self, Canary, Kind, SecretName, Target, TargetProblem};

/// What stands for the repository in the documented default.
const REPOSITORY: &str = "GITHUB_REPOSITORY";

/// A target and its place in the config file.
pub(super) struct Placed {
    pub(super) target: Target,
    pub(super) spot: Spot,
    /// Nothing in its line is wrong: what was meant with it is certain.
    pub(super) sound: bool,
}

/// Reads the targets; empty once a problem was noted that leaves none.
#[must_use]
pub(crate) fn read(inputs: &Inputs, surroundings: &Surroundings, problems: &mut Problems) -> Vec<Target> {
    let Some(secret) = secret_name(inputs, problems) else { return Vec::new() };
    let text = inputs.get("targets").map(|given| given.text.as_str());
    let listed = listed(inputs, problems);
    let mut targets = match text {
        Some(text) => of_text(inputs.at("targets"), text, &secret, problems),
        None if inputs.has("targets-file") => Vec::new(),
        None => of_this_repository(inputs, surroundings, &secret, problems),
    };
    if let Some(listed) = &listed {
        let more = of_text(inputs.at("targets-file"), listed, &secret, problems);
        check_own(&more, inputs, surroundings, problems);
        targets.extend(more);
    }
    let lines = text.into_iter().chain(listed.as_deref()).flat_map(str::lines);
    let sound = lines.filter(|line| is_sound(line, &secret)).flat_map(|line| target::parse(line, &secret).0);
    check_repeated(&sound.collect::<Vec<_>>(), problems);
    set_canaries(inputs, &mut targets, problems);
    targets
}

/// What the file of `targets-file` says; `None` also once a problem with it was noted.
fn listed(inputs: &Inputs, problems: &mut Problems) -> Option<String> {
    let path = problems.read(inputs, "targets-file", path)?;
    file::read_file(&path).map_err(|message| problems.wrong("targets-file", &regular::shown(&path), message)).ok()
}

/// On events for strangers the file may name the workflow's own repository alone.
fn check_own(targets: &[Target], inputs: &Inputs, surroundings: &Surroundings, problems: &mut Problems) {
    let Some(event) = context::for_strangers(surroundings, inputs) else { return };
    for target in targets {
        if let Err(message) = context::check_own(target, event, surroundings) {
            problems.wrong("targets-file", &target.label(), message);
        }
    }
}

/// The secret's name in targets that do not say otherwise. With a wrong one the targets are read all the same, so that
/// their problems are reported too.
#[must_use]
pub(super) fn secret_name(inputs: &Inputs, problems: &mut Problems) -> Option<SecretName> {
    let given = match openrouter::is_asked(inputs) && !inputs.has("secret-name") {
        true => SecretName::parse(openrouter::SECRET_NAME).ok(),
        false => problems.read(inputs, "secret-name", SecretName::parse),
    };
    given.or_else(|| SecretName::parse(cli::input("secret-name")?.default?).ok())
}

/// Reads the targets of one of a config file's rotations. Which of them stand there twice is told elsewhere, together
/// with those of the other rotations.
#[must_use]
pub(super) fn of_file(
    entry: &Entry,
    inputs: &Inputs,
    surroundings: &Surroundings,
    problems: &mut Problems,
) -> Vec<Placed> {
    let Some(secret) = secret_name(inputs, problems) else { return Vec::new() };
    let mut placed = Vec::new();
    let mut add = |targets: Vec<Target>, spot: &Spot, sound| {
        placed.extend(targets.into_iter().map(|target| Placed { target, spot: spot.clone(), sound }));
    };
    match &entry.targets {
        None => add(of_this_repository(inputs, surroundings, &secret, problems), &entry.spot, true),
        Some(given) => {
            for (text, spot) in given {
                add(of_text(spot.of("targets"), text, &secret, problems), spot, is_sound(text, &secret));
            }
        }
    }
    set_canaries(inputs, placed.iter_mut().map(|placed| &mut placed.target), problems);
    placed
}

fn of_text(about: Subject<'_>, text: &str, secret: &SecretName, problems: &mut Problems) -> Vec<Target> {
    let (targets, wrong) = target::parse(text, secret);
    if targets.is_empty() && wrong.is_empty() {
        problems.note(about, "names no target: every line is blank or a comment");
    }
    let is_one = text.trim().lines().count() == 1 && about.spot.is_some();
    for TargetProblem { line, text, message } in wrong {
        let line = if is_one { String::new() } else { format!("line {line}: ") };
        problems.wrong(about, &text, format!("{line}{message}"));
    }
    targets
}

fn of_this_repository(
    inputs: &Inputs,
    surroundings: &Surroundings,
    secret: &SecretName,
    problems: &mut Problems,
) -> Vec<Target> {
    let Some(repository) = surroundings.var(REPOSITORY) else {
        let message =
            format!("is required where {REPOSITORY} is not set: where to write the key, such as repo:acme/app");
        problems.note(inputs.at("targets"), message);
        return Vec::new();
    };
    let default = cli::input("targets").and_then(|doc| doc.default).unwrap_or_default();
    let (targets, wrong) = target::parse(&default.replace(&format!("${REPOSITORY}"), repository), secret);
    for problem in wrong {
        problems.wrong(Subject { name: REPOSITORY, ..inputs.at("targets") }, repository, problem.message);
    }
    targets
}

/// What the input `canary` says holds for every target whose workflows read the secret. One run of a workflow tries all
/// targets of its repository.
pub(super) fn set_canaries<'a>(
    inputs: &Inputs,
    targets: impl IntoIterator<Item = &'a mut Target>,
    problems: &mut Problems,
) {
    let asked = problems.read(inputs, "canary", Canary::parse);
    let (mut any, mut none) = (false, true);
    let mut dispatched = BTreeSet::new();
    for target in targets {
        none = false;
        let Some(target) = target.at_github_or_like_mut() else { continue };
        if !target.place.kind().row().in_workflows {
            continue;
        }
        any = true;
        let repository = target.place.whose().to_lowercase();
        target.canary = target.canary.take().or_else(|| asked.clone());
        target.canary.take_if(|canary| !dispatched.insert((repository.clone(), canary.workflow.clone())));
    }
    if let (Some(_), false, false) = (&asked, any, none) {
        problems.note(inputs.at("canary"), "needs a target of kind `repo` or `env`, whose workflows read the secret");
    }
}

/// Only what runs in a repository can be waited for.
pub(super) fn check_drain<'a>(
    inputs: &Inputs,
    policy: Option<&Policy>,
    targets: impl IntoIterator<Item = &'a Target>,
    problems: &mut Problems,
) {
    let has_runs =
        |target: &&Target| target.at_github_or_like().is_some_and(|target| target.place.kind().row().has_runs);
    let other = targets.into_iter().find(|target| !has_runs(target)).filter(|_| policy.is_some_and(|it| it.drain));
    if let Some(target) = other {
        let message = format!(
            "needs targets of kind `repo`, `env` or `dependabot` alone: nothing tells what still uses the key at `{}`; \
             expected a duration such as 24h",
            target.label()
        );
        problems.wrong(inputs.at("grace-period"), "drain", message);
    }
}

/// Whether a line names a place at GitHub, be the rest of it right or wrong.
#[must_use]
pub(super) fn is_for_github(line: &str) -> bool {
    let word = line.trim().split(':').next().unwrap_or_default();
    Kind::ALL.into_iter().any(|kind| kind.feature().is_none() && kind.word() == word)
}

fn is_sound(text: &str, secret: &SecretName) -> bool {
    target::parse(text, secret).1.is_empty()
}

fn check_repeated(targets: &[Target], problems: &mut Problems) {
    let (mut seen, mut files): (BTreeMap<String, String>, _) = (BTreeMap::new(), BTreeMap::new());
    for target in targets {
        let spelt_otherwise = target.file_here().and_then(|(file, path)| spelt_otherwise(&mut files, file, path));
        let label = target.label();
        let message = match (spelt_otherwise, seen.get(&target.identity())) {
            (Some((first, other)), _) => two_spellings(&first, &other),
            (None, Some(first)) if *first == label => format!("`{label}` is named more than once"),
            (None, Some(first)) if target.kind() == Kind::AwsSecretsManager => {
                format!(
                    "`{first}` and `{label}` lie in one secret at AWS, and one field of it can be a target: expected one"
                )
            }
            (None, Some(first)) => two_spellings(first, &label),
            (None, None) => {
                seen.insert(target.identity(), label);
                continue;
            }
        };
        problems.note("targets", message);
    }
}

/// How a file was written where it stood first, and how it is written now, if that is not the same.
fn spelt_otherwise(files: &mut BTreeMap<String, String>, file: String, path: &str) -> Option<(String, String)> {
    let written = |path: &str| format!("{}:{path}", Kind::File);
    let first = files.entry(file).or_insert_with(|| path.to_owned());
    (first != path).then(|| (written(first), written(path)))
}

fn two_spellings(one: &str, other: &str) -> String {
    format!("`{one}` and `{other}` are two spellings of one place: expected one")
}
