//! Checks that concern no single value: variables nobody knows, inputs that the command does not have, the event.

use crate::cli::{FLAGS, INPUTS, Input, Inputs, KEY_ID, Surroundings, Task};
use crate::config::file::Config;
use crate::config::problem::Problems;
use crate::nearest::nearest;
use crate::store::target::Target;

const PREFIX: &str = "INPUT_";
/// `with.args` and `with.entrypoint` are the runner's own.
const OF_THE_RUNNER: [&str; 2] = ["INPUT_ARGS", "INPUT_ENTRYPOINT"];

/// Notes `INPUT_*` variables that are not known, variables that would be a secret's if the input were one, and variables
/// of ours that are not text.
pub(crate) fn check_variables(surroundings: &Surroundings, problems: &mut Problems) {
    let known: Vec<String> = INPUTS.iter().map(Input::variable).collect();
    for (name, value) in &surroundings.vars {
        let is_ours = name.starts_with(PREFIX) && !OF_THE_RUNNER.contains(&name.as_str());
        if is_ours && !value.trim().is_empty() && !known.contains(name) {
            let hint = nearest(name, known.iter().map(String::as_str)).map(|near| format!("; did you mean {near}?"));
            problems.note(name, format!("is not an input of keyrotor{}", hint.unwrap_or_default()));
        }
    }
    for doc in INPUTS.iter().filter(|doc| !doc.is_secret()) {
        let own = doc.own_variable();
        if surroundings.var(&own).is_some() {
            let instead = match doc.name {
                "command" => "write it behind `keyrotor`".to_owned(),
                name => format!("use --{name}"),
            };
            let message = format!("only secrets are read from KEYROTOR_…: {instead}, in a workflow `{}`", doc.name);
            problems.note(&own, message);
        }
    }
    for name in &surroundings.unreadable {
        if [PREFIX, "KEYROTOR_", "GITHUB_"].iter().any(|prefix| name.starts_with(prefix)) {
            problems.note(name, "is not text in UTF-8");
        }
    }
}

/// Notes inputs that the command does not have.
pub(crate) fn check_task(task: Task, inputs: &Inputs, problems: &mut Problems) {
    let given = INPUTS.iter().chain(FLAGS).filter(|row| row.name != KEY_ID && inputs.has(row.name));
    for row in given.filter(|row| !row.tasks.contains(&task)) {
        let tasks: Vec<String> = row.tasks.iter().map(|task| format!("`{task}`")).collect();
        problems.note(row.name, format!("has no meaning for `{task}`, only for {}", tasks.join(" and ")));
    }
}

/// Notes an event on which the command does not run, and what a file may not say on it.
pub(crate) fn check_event(
    task: Task,
    surroundings: &Surroundings,
    inputs: &Inputs,
    is_dry: bool,
    config: Option<&Config>,
    problems: &mut Problems,
) {
    let event = surroundings.var("GITHUB_EVENT_NAME").unwrap_or_default();
    if event.starts_with("pull_request") && !matches!(task, Task::Audit | Task::VerifyReceipt) && !is_dry {
        problems.wrong("GITHUB_EVENT_NAME", event, "on this event only `audit` and `dry-run: true` run");
    }
    let Some(config) = config.filter(|_| for_strangers(surroundings, inputs).is_some()) else { return };
    for inputs in config.every() {
        for name in ["issuer", "issuer-url"].into_iter().filter(|name| inputs.has(name)) {
            let message = format!(
                "on `{event}` the file may be a stranger's, who would get the keys: give it as an input, or set \
                 `trust-config` if only you decide what is checked out"
            );
            problems.note(inputs.at(name), message);
        }
    }
}

/// Events that anybody may cause, by a comment or a pull request, and whose runs get secrets. What is checked out may be theirs.
const FOR_STRANGERS: [&str; 4] = ["issue_comment", "workflow_run", "pull_request_target", "discussion"];

/// The event, where the config file may be a stranger's and no input says otherwise.
#[must_use]
pub(super) fn for_strangers<'a>(surroundings: &'a Surroundings, inputs: &Inputs) -> Option<&'a str> {
    let event = surroundings.var("GITHUB_EVENT_NAME")?;
    let is_trusted = inputs.text("trust-config") == Some("true");
    let is_one = FOR_STRANGERS.iter().any(|begin| event.starts_with(begin));
    (is_one && !is_trusted).then_some(event)
}

/// Why a target of a file that may be a stranger's is not written.
///
/// # Errors
/// That it lies elsewhere than in the workflow's own repository.
pub(super) fn check_own(target: &Target, event: &str, surroundings: &Surroundings) -> Result<(), String> {
    let own = surroundings.var("GITHUB_REPOSITORY").unwrap_or_default().to_lowercase();
    let place = target.at_github().map(|target| target.place.to_string().to_lowercase()).unwrap_or_default();
    let within = place.split_once(':').and_then(|(_, locator)| locator.strip_prefix(&own));
    if !own.is_empty() && within.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return Ok(());
    }
    Err(format!(
        "on `{event}` the file may be a stranger's: expected targets in the workflow's own repository alone; set \
         `trust-config` if only you decide what is checked out"
    ))
}
