//! What `init` is asked: the answers that flags give, and whether answers make a workflow that a run accepts.

use std::collections::BTreeMap;

use url::Url;

use crate::cli::{Inputs, Surroundings, Task};
use crate::config::base_url::github_url;
use crate::config::problem::{Problem, Problems};
use crate::config::scalar::{boolean, word};
use crate::config::secrets::Secrets;
use crate::config::{Asked, Reading, context};
use crate::secret::Secret;
use crate::store::target::{self, SecretName};

/// Where GitHub's client `gh` and its users keep a token, behind our own variable.
const TOKENS: [&str; 2] = ["GH_TOKEN", "GITHUB_TOKEN"];

/// What the workflow is to say, as it was answered; `None` where nobody said anything yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// The repository that gets the workflow: `acme/app`.
    pub repository: Option<String>,
    /// The input `key-name`.
    pub key_name: Option<String>,
    /// The input `targets`, one per line.
    pub targets: Option<String>,
    /// The input `secret-name`.
    pub secret_name: Option<String>,
    /// The input `replace-key-id`.
    pub replace_key_id: Option<String>,
    /// The input `rotate-after`.
    pub rotate_after: Option<String>,
    /// The input `grace-period`.
    pub grace_period: Option<String>,
    /// The input `app-client-id`; without it a token writes.
    pub app_client_id: Option<String>,
    /// The input `issuer`.
    pub issuer: Option<String>,
    /// The environment that holds the secrets; `none`: the repository does.
    pub environment: Option<String>,
    /// When it runs, as cron has it.
    pub schedule: Option<String>,
}

impl Answers {
    /// The inputs among them, as a workflow hands them over.
    fn inputs(&self) -> [(&'static str, &Option<String>); 8] {
        [
            ("key-name", &self.key_name),
            ("targets", &self.targets),
            ("secret-name", &self.secret_name),
            ("replace-key-id", &self.replace_key_id),
            ("rotate-after", &self.rotate_after),
            ("grace-period", &self.grace_period),
            ("app-client-id", &self.app_client_id),
            ("issuer", &self.issuer),
        ]
    }

    /// What is wrong with them, as the run of the workflow, which would `read` them, would say it. What is not answered yet is
    /// not missed.
    #[must_use]
    pub fn problems(&self, read: impl Fn(&Surroundings) -> Reading) -> Vec<Problem> {
        let mut problems = Problems::default();
        let _ = problems.read("schedule", self.schedule.as_deref(), schedule);
        let _ = problems.read("environment", self.environment.as_deref(), environment);
        let _ = problems.read("repository", self.repository.as_deref(), repository);
        let _ = problems.read("app-client-id", self.app_client_id.as_deref(), word);
        for (name, text) in self.inputs() {
            if text.as_ref().is_some_and(|text| text.contains("${{")) {
                problems.note(name, "is written into the workflow as it is: expected no expression");
            }
        }
        self.check_places(&mut problems);
        let mut found = problems.into_vec();
        if let Asked::Wrong(more) = read(&self.as_a_run()).asked {
            found.extend(more);
        }
        found
    }

    /// Only a workflow for GitHub's places needs nothing but these answers.
    fn check_places(&self, problems: &mut Problems) {
        let Ok(secret) = SecretName::parse("API_KEY") else { return };
        let (targets, _) = target::parse(self.targets.as_deref().unwrap_or_default(), &secret);
        if let Some(target) = targets.iter().find(|target| target.at_github_or_like().is_none()) {
            let message = format!(
                "needs more in a workflow than `init` can ask for: copy the example for `{}` from examples/workflows",
                target.kind()
            );
            problems.wrong("targets", &target.label(), message);
        }
    }

    /// A step that is given them, beside credentials of the right form.
    fn as_a_run(&self) -> Surroundings {
        let is_openrouter = self.issuer.as_deref().is_some_and(|issuer| issuer.trim() == "openrouter");
        let prefix = if is_openrouter { "sk-or-v1-" } else { "lr_mgmt_" };
        let mut vars = BTreeMap::from([
            ("INPUT_KEY-NAME".to_owned(), "production".to_owned()),
            ("INPUT_TARGETS".to_owned(), "repo:acme/app".to_owned()),
            ("INPUT_MANAGEMENT-KEY".to_owned(), format!("{prefix}0123456789abcdef0123456789abcdef")),
            ("INPUT_GITHUB-TOKEN".to_owned(), "github_pat_0123456789abcdef0123456789abcdef".to_owned()),
        ]);
        // An App's private key can't be made up.
        let given = self.inputs().into_iter().filter(|(name, _)| *name != "app-client-id");
        let given = given.filter_map(|(name, text)| Some((name, text.clone().filter(|text| !text.is_empty())?)));
        vars.extend(given.map(|(name, text)| (format!("INPUT_{}", name.to_uppercase()), text)));
        Surroundings { vars, ..Surroundings::default() }
    }
}

/// What `init` is to do.
#[derive(Clone, Debug)]
pub struct InitSettings {
    /// What the flags say.
    pub answers: Answers,
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
        Some(settings) if problems.is_empty() => match settings.answers.problems(as_a_run) {
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
    let given =
        |text: &Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    let answers = Answers {
        repository: given(&inputs.repository),
        key_name: given(&inputs.key_name),
        targets: given(&Some(inputs.targets.join("\n"))),
        secret_name: given(&inputs.secret_name),
        replace_key_id: given(&inputs.replace_key_id),
        rotate_after: given(&inputs.rotate_after),
        grace_period: given(&inputs.grace_period),
        app_client_id: given(&inputs.app_client_id),
        issuer: given(&inputs.issuer),
        environment: given(&inputs.environment),
        schedule: given(&inputs.schedule),
    };
    let flag = |text: &Option<String>| Some(text.as_deref().unwrap_or("false").to_owned());
    let print = problems.read("print", flag(&inputs.print).as_deref(), boolean);
    let force = problems.read("force", flag(&inputs.force).as_deref(), boolean);
    let token = secrets.github_token.or_else(|| tokens(surroundings).into_iter().next());
    Some(InitSettings { answers, print: print?, force: force?, token, api_url: github_url(surroundings, problems)? })
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

    fn answers(key_name: &str, targets: &str) -> Answers {
        Answers { key_name: Some(key_name.to_owned()), targets: Some(targets.to_owned()), ..Answers::default() }
    }

    fn named(answers: &Answers) -> Vec<String> {
        answers.problems(crate::config::read).iter().map(|problem| problem.input.clone()).collect()
    }

    #[test]
    fn what_a_run_would_refuse_is_refused_before() {
        assert_eq!(named(&Answers::default()), [""; 0]);
        assert_eq!(named(&answers("production", "repo:acme/app,api\nenv:acme/app/production")), [""; 0]);
        assert_eq!(named(&answers("production-2026-12-01", "repo:acme")), ["key-name", "targets"]);
        assert_eq!(named(&answers("production", "vault:secret/app#key")), ["targets"]);
        assert_eq!(
            named(&answers("production", "repo:${{ github.repository }}")).first().map(String::as_str),
            Some("targets")
        );
        let openrouter = Answers { issuer: Some("openrouter".to_owned()), ..answers("production", "repo:acme/app") };
        assert_eq!(named(&openrouter), [""; 0]);
    }

    #[test]
    fn what_only_the_workflow_needs_is_checked_too() {
        let with = |schedule: &str, environment: &str, repository: &str| Answers {
            schedule: Some(schedule.to_owned()),
            environment: Some(environment.to_owned()),
            repository: Some(repository.to_owned()),
            ..Answers::default()
        };
        assert_eq!(named(&with("17 5 * * 1-5", "rotation", "acme/app")), [""; 0]);
        assert_eq!(named(&with("daily", "a b", "acme")), ["schedule", "environment", "repository"]);
        assert_eq!(named(&with("17 5 * *  *", "x\"", "acme/a/b")), ["schedule", "environment", "repository"]);
    }
}
