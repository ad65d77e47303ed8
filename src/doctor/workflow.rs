//! The workflow that rotates: does it run by itself, do two runs stay apart, and are the secrets there that it reads? Of
//! these only a missing credential would stop a rotation.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Patient, ask, passed};
use crate::checkout;
use crate::config::workflow::{Concurrency, Workflow, read};
use crate::http::Failure;
use crate::regular;
use crate::rotation::Context;
use crate::rotation::outcome::{Check, Finding};

/// GitHub takes no larger one.
const LARGEST: usize = 512 * 1024;
/// A folder with more files is not searched.
const MAX_FILES: usize = 200;

/// Its name in the table.
const WORKFLOW: &str = "workflow";

/// A workflow's file, and where it lies.
struct Found {
    file: String,
    text: String,
}

/// A line for each of these; none where there is no checkout and no workflow.
pub(super) async fn checks(patient: &Patient<'_>, context: &Context<'_>) -> Vec<Check> {
    let family = &patient.asked.policy.key_name;
    let found = match here(patient, context).await {
        Ok(found) => found,
        Err(check) => return vec![check],
    };
    let Some(all) = found else { return Vec::new() };
    for Found { file, text } in all {
        match read(&text, family) {
            Ok(None) => {}
            Ok(Some(workflow)) => {
                let mut checks = vec![of_schedule(&file, &workflow), of_concurrency(&file, &workflow)];
                checks.extend(of_secrets(patient, context, &workflow).await);
                return checks;
            }
            Err(why) => return vec![open(WORKFLOW, format!("{file} can't be read: {why}"), None)],
        }
    }
    let remedy = "`keyrotor init` writes one.";
    vec![open(WORKFLOW, format!("no workflow in {} rotates {family}", checkout::WORKFLOWS), Some(remedy))]
}

/// The workflow that this is a step of, or all of the checkout's. `None` where there is no such folder.
async fn here(patient: &Patient<'_>, context: &Context<'_>) -> Result<Option<Vec<Found>>, Check> {
    let root = checkout::root();
    let Some((owner, repo, path)) = of_this_run(patient) else { return Ok(all_in(&root.join(checkout::WORKFLOWS))) };
    if let Ok(text) = regular::read_text(&root.join(&path), LARGEST) {
        return Ok(Some(vec![Found { file: path, text: text.to_string() }]));
    }
    let not_read = |why: &str| {
        let remedy = "Give the token the permission \"Contents\" (read), or check the repository out before this step.";
        open(WORKFLOW, format!("{path} could not be read: {why}"), Some(remedy))
    };
    let Some(github) = patient.github else { return Err(not_read("there is no token to ask GitHub with")) };
    let segments: Vec<&str> = path.split('/').collect();
    match ask(context, async || github.file(&owner, &repo, &segments).await).await {
        Ok(text) => Ok(Some(vec![Found { file: path, text }])),
        Err(failure) => Err(not_read(failure.message())),
    }
}

/// Owner, repository and path of the workflow whose step this is: `acme/app/.github/workflows/rotate.yml@refs/heads/main`.
fn of_this_run(patient: &Patient<'_>) -> Option<(String, String, String)> {
    let reference = patient.variables.get("GITHUB_WORKFLOW_REF")?;
    let (at, _) = reference.split_once('@')?;
    let mut parts = at.splitn(3, '/').map(str::to_owned);
    let found = (parts.next()?, parts.next()?, parts.next()?);
    let is_one = Path::new(&found.2).parent() == Some(Path::new(checkout::WORKFLOWS));
    is_one.then_some(found)
}

fn all_in(folder: &Path) -> Option<Vec<Found>> {
    let is_workflow = |path: &PathBuf| path.extension().is_some_and(|it| it == "yml" || it == "yaml");
    let paths = fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).filter(is_workflow);
    let mut paths: Vec<_> = paths.take(MAX_FILES).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let text = regular::read_text(&path, LARGEST).ok()?.to_string();
        text.contains("keyrotor").then(|| Found { file: regular::shown(&path.to_string_lossy()), text })
    };
    Some(paths.into_iter().filter_map(read).collect())
}

fn of_schedule(file: &str, workflow: &Workflow) -> Check {
    match workflow.schedules.as_slice() {
        [] => open(
            "schedule",
            format!("{file} has none: it runs when somebody starts it"),
            Some("Add `schedule` under `on`, such as `- cron: \"17 5 * * *\"`."),
        ),
        all => passed("schedule", format!("{file} runs at {}", all.join(", "))),
    }
}

fn of_concurrency(file: &str, workflow: &Workflow) -> Check {
    let group = "Add `concurrency` with a `group` for this key and `cancel-in-progress: false`.";
    match workflow.concurrency {
        Concurrency::Group => passed("concurrency", "a run waits for the one before it"),
        Concurrency::None => open("concurrency", format!("{file} has no group: two runs may meet"), Some(group)),
        Concurrency::Cancels => {
            open("concurrency", format!("{file}: a run may be cancelled by the next one"), Some(group))
        }
    }
}

async fn of_secrets(patient: &Patient<'_>, context: &Context<'_>, workflow: &Workflow) -> Vec<Check> {
    if workflow.secrets.is_empty() {
        return Vec::new();
    }
    let named = workflow.secrets.keys().cloned().collect::<Vec<_>>().join(", ");
    let Some((owner, repo)) = repository(patient) else {
        return vec![open("secrets", format!("{named}: the repository is unknown"), None)];
    };
    let environment = workflow.environment.as_deref();
    let held = match patient.github {
        None => Err(Failure::refused("there is no token to ask GitHub with")),
        Some(github) => ask(context, async || github.secrets_of_job(&owner, &repo, environment).await).await,
    };
    let held = match held {
        Ok(held) => held,
        Err(failure) => {
            let what = format!("{named}: whether {owner}/{repo} has them can't be seen: {}", failure.message());
            return vec![open("secrets", what, None)];
        }
    };
    let missing: Vec<_> = workflow.secrets.iter().filter(|(name, _)| !held.contains(*name)).collect();
    if missing.is_empty() {
        return vec![passed("secrets", format!("{owner}/{repo} has {named}"))];
    }
    let at = environment.map(|name| format!(" --env '{name}'")).unwrap_or_default();
    let check = |(name, needed): (&String, &bool)| Check {
        finding: if *needed { Finding::Failed } else { Finding::Open },
        ..open(
            "secrets",
            format!("{owner}/{repo} has no {name}, which the workflow reads"),
            Some(&format!("Set it: `gh secret set {name} --repo {owner}/{repo}{at}`.")),
        )
    };
    missing.into_iter().map(check).collect()
}

/// The repository whose workflow it is.
fn repository(patient: &Patient<'_>) -> Option<(String, String)> {
    let of_run = of_this_run(patient).map(|(owner, repo, _)| (owner, repo));
    let split = |name: String| name.split_once('/').map(|(owner, repo)| (owner.to_owned(), repo.to_owned()));
    of_run.or_else(|| checkout::origin(&checkout::root()).and_then(split))
}

fn open(what: &str, detail: String, remedy: Option<&str>) -> Check {
    Check { what: what.to_owned(), finding: Finding::Open, detail, remedy: remedy.map(str::to_owned) }
}
