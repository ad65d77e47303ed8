//! The input `targets`, its default, and targets that are named twice.

use std::collections::BTreeSet;

use crate::cli::{self, Inputs, Surroundings};
use crate::config::problem::Problems;
use crate::store::target::{self, SecretName, Target, TargetProblem};

/// What stands for the repository in the documented default.
const REPOSITORY: &str = "GITHUB_REPOSITORY";

/// Reads the targets; empty once a problem was noted that leaves none.
#[must_use]
pub(crate) fn read(inputs: &Inputs, surroundings: &Surroundings, problems: &mut Problems) -> Vec<Target> {
    let given = problems.read("secret-name", inputs.secret_name.as_deref(), SecretName::parse);
    // With a wrong name the targets are read all the same, so that their problems are reported too.
    let secret = given.or_else(|| SecretName::parse(cli::input("secret-name")?.default?).ok());
    let Some(secret) = secret else { return Vec::new() };
    let text = inputs.targets.join("\n");
    let targets = if text.trim().is_empty() {
        of_this_repository(surroundings, &secret, problems)
    } else {
        of_text(&text, &secret, problems)
    };
    check_repeated(&targets, problems);
    targets
}

fn of_text(text: &str, secret: &SecretName, problems: &mut Problems) -> Vec<Target> {
    let (targets, wrong) = target::parse(text, secret);
    if targets.is_empty() && wrong.is_empty() {
        problems.note("targets", "names no target: every line is blank or a comment");
    }
    for TargetProblem { line, text, message } in wrong {
        problems.wrong("targets", &text, format!("line {line}: {message}"));
    }
    targets
}

fn of_this_repository(surroundings: &Surroundings, secret: &SecretName, problems: &mut Problems) -> Vec<Target> {
    let Some(repository) = surroundings.var(REPOSITORY) else {
        let message =
            format!("is required where {REPOSITORY} is not set: where to write the key, such as repo:acme/app");
        problems.note("targets", message);
        return Vec::new();
    };
    let default = cli::input("targets").and_then(|doc| doc.default).unwrap_or_default();
    let (targets, wrong) = target::parse(&default.replace(&format!("${REPOSITORY}"), repository), secret);
    for problem in wrong {
        problems.wrong(REPOSITORY, repository, problem.message);
    }
    targets
}

fn check_repeated(targets: &[Target], problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for target in targets.iter().filter(|target| !seen.insert(target.identity())) {
        problems.note("targets", format!("`{}` is named more than once", target.label()));
    }
}
