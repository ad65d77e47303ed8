//! What `init` is asked: the answers that flags give, and whether answers make a workflow that a run accepts.

use std::collections::BTreeMap;

use url::Url;

use crate::cli::{INPUTS, Inputs, Surroundings, Task};
use crate::config::base_url::github_url;
use crate::config::problem::{Problem, Problems};
use crate::config::scalar::{boolean, word};
use crate::config::secrets::Secrets;
use crate::config::{Asked, Reading, context, openrouter};
use crate::secret::Secret;
use crate::store::target::{self, SecretName};

/// Where GitHub's client `gh` and its users keep a token, behind our own variable.
const TOKENS: [&str; 2] = ["GH_TOKEN", "GITHUB_TOKEN"];

/// The inputs of a run that are asked for.
fn asked() -> impl Iterator<Item = &'static str> {
    let asked = INPUTS.iter().filter(|row| row.tasks.contains(&Task::Init) && !row.is_secret());
    asked.map(|row| row.name).filter(|name| *name != "command")
}

/// What is wrong with the answers, as the run of the workflow, which would `read` them, would say it. What is not answered
/// yet is not missed.
#[must_use]
pub fn problems(answers: &Inputs, read: impl Fn(&Surroundings) -> Reading) -> Vec<Problem> {
    let mut problems = Problems::default();
    let _ = problems.read(answers, "schedule", schedule);
    let _ = problems.read(answers, "environment", environment);
    let _ = problems.read(answers, "repository", repository);
    let _ = problems.read(answers, "app-client-id", word);
    for name in asked().filter(|name| answers.text(name).is_some_and(|text| text.contains("${{"))) {
        problems.note(name, "is written into the workflow as it is: expected no expression");
    }
    check_places(answers, &mut problems);
    let mut found = problems.into_vec();
    if let Asked::Wrong(more) = read(&as_a_run(answers)).asked {
        found.extend(more);
    }
    found
}

/// Only a workflow for GitHub's places needs nothing but these answers.
fn check_places(answers: &Inputs, problems: &mut Problems) {
    let Ok(secret) = SecretName::parse("API_KEY") else { return };
    let (targets, _) = target::parse(answers.text("targets").unwrap_or_default(), &secret);
    if let Some(target) = targets.iter().find(|target| target.at_github_or_like().is_none()) {
        let message = format!(
            "needs more in a workflow than `init` can ask for: copy the example for `{}` from examples/workflows",
            target.kind()
        );
        problems.wrong("targets", &target.label(), message);
    }
}

/// A step that is given the answers, beside credentials of the right form.
fn as_a_run(answers: &Inputs) -> Surroundings {
    let prefix = if openrouter::is_asked(answers) { "sk-or-v1-" } else { "lr_mgmt_" };
    let mut vars = BTreeMap::from([
        ("INPUT_KEY-NAME".to_owned(), "production".to_owned()),
        ("INPUT_TARGETS".to_owned(), "repo:acme/app".to_owned()),
        ("INPUT_MANAGEMENT-KEY".to_owned(), format!("{prefix}0123456789abcdef0123456789abcdef")),
        ("INPUT_GITHUB-TOKEN".to_owned(), "github_pat_0123456789abcdef0123456789abcdef".to_owned()),
    ]);
    // An App's private key can't be made up.
    let given = asked().filter(|name| *name != "app-client-id");
    let given = given.filter_map(|name| Some((name, answers.text(name)?)));
    vars.extend(given.map(|(name, text)| (format!("INPUT_{}", name.to_uppercase()), text.to_owned())));
    Surroundings { vars, ..Surroundings::default() }
}

/// What `init` is to do.
#[derive(Clone, Debug)]
pub struct InitSettings {
    /// What the flags say.
    pub answers: Inputs,
    /// Write to stdout, and no file.
    pub print: bool,
    /// Write over a file that is there.
    pub force: bool,
    /// May look at what exists.
    pub token: Option<Secret>,
    /// The root of GitHub's API; the path ends in `/`.
    pub api_url: Url,
}

/// Tokens that other programs take from variables, so that they are hidden too.
pub(super) fn tokens(surroundings: &Surroundings) -> Vec<Secret> {
    TOKENS.into_iter().filter_map(|name| surroundings.var(name)).map(|token| Secret::new(token.to_owned())).collect()
}

pub(super) fn read(
    inputs: &Inputs,
    surroundings: &Surroundings,
    secrets: Secrets,
    mut problems: Problems,
    as_a_run: impl Fn(&Surroundings) -> Reading,
) -> Asked {
    context::check_task(Task::Init, inputs, &mut problems);
    if surroundings.var("GITHUB_ACTIONS") == Some("true") {
        problems.note("command", "`init` writes a workflow and asks for what it says: it is for a shell");
    }
    let settings = settings(inputs, surroundings, secrets, &mut problems);
    match settings {
        Some(settings) if problems.is_empty() => match self::problems(&settings.answers, as_a_run) {
            wrong if wrong.is_empty() => Asked::Init(Box::new(settings)),
            wrong => Asked::Wrong(wrong),
        },
        _ => Asked::Wrong(problems.into_vec()),
    }
}

fn settings(
    inputs: &Inputs,
    surroundings: &Surroundings,
    secrets: Secrets,
    problems: &mut Problems,
) -> Option<InitSettings> {
    let print = problems.read(inputs, "print", boolean).unwrap_or_default();
    let force = problems.read(inputs, "force", boolean).unwrap_or_default();
    let token = secrets.github_token.or_else(|| tokens(surroundings).into_iter().next());
    Some(InitSettings { answers: inputs.clone(), print, force, token, api_url: github_url(surroundings, problems)? })
}

fn schedule(text: &str) -> Result<(), String> {
    let fields: Vec<&str> = text.split(' ').collect();
    let is_field = |field: &&str| {
        !field.is_empty() && field.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '*' | ',' | '-' | '/'))
    };
    match fields.len() == 5 && fields.iter().all(is_field) {
        true => Ok(()),
        false => Err("expected the five fields of cron, in UTC, such as `17 5 * * *`".to_owned()),
    }
}

fn environment(text: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match !text.is_empty() && text.chars().all(fits) {
        true => Ok(()),
        false => Err("expected the name of an environment, such as `rotation`, or `none`".to_owned()),
    }
}

fn repository(text: &str) -> Result<(), String> {
    let fits = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    match text.split_once('/') {
        Some((owner, name)) if fits(owner) && fits(name) => Ok(()),
        _ => Err("expected OWNER/NAME".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(answers: &[(&'static str, &str)]) -> Vec<String> {
        let answers = answers.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
        problems(&answers, crate::config::read).iter().map(|problem| problem.input.clone()).collect()
    }

    #[test]
    fn what_a_run_would_refuse_is_refused_before() {
        let answered = |key_name, targets| named(&[("key-name", key_name), ("targets", targets)]);
        assert_eq!(named(&[]), [""; 0]);
        assert_eq!(answered("production", "repo:acme/app,api\nenv:acme/app/production"), [""; 0]);
        assert_eq!(answered("production-2026-12-01", "repo:acme"), ["key-name", "targets"]);
        assert_eq!(answered("production", "vault:secret/app#key"), ["targets"]);
        assert_eq!(
            answered("production", "repo:${{ github.repository }}").first().map(String::as_str),
            Some("targets")
        );
        assert_eq!(named(&[("issuer", "openrouter"), ("key-name", "production")]), [""; 0]);
    }

    #[test]
    fn what_only_the_workflow_needs_is_checked_too() {
        let with = |schedule, environment, repository| {
            named(&[("schedule", schedule), ("environment", environment), ("repository", repository)])
        };
        assert_eq!(with("17 5 * * 1-5", "rotation", "acme/app"), [""; 0]);
        assert_eq!(with("daily", "a b", "acme"), ["schedule", "environment", "repository"]);
        assert_eq!(with("17 5 * *  *", "x\"", "acme/a/b"), ["schedule", "environment", "repository"]);
    }
}
