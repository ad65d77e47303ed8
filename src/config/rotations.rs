//! The config file and the inputs beside it -> the rotations, each as if it had been asked for alone.
//!
//! A value is said in one place. What the file says at the top holds for every rotation that does not say it itself. An
//! input says what the file leaves open, for all; where both speak and differ that is an error, never a question of
//! precedence. `dry-run: true` is the exception, since it can do no harm: wherever it stands it holds.

use std::collections::BTreeSet;

use crate::cli::{Inputs, Surroundings, Task};
use crate::config::audit::Listed;
use crate::config::conflicts::{Draft, check_conflicts, spans_environments};
use crate::config::context;
use crate::config::file::{Config, Entry};
use crate::config::issuer::issuer;
use crate::config::openrouter;
use crate::config::policy;
use crate::config::problem::Problems;
use crate::config::scalar::boolean;
use crate::config::secrets::{Secrets, TOKEN_NEEDED};
use crate::config::targets::{self, Placed};
use crate::config::variable;
use crate::config::{IssuerSettings, RotationRequest, Warning};
use crate::rotation::policy::Policy;
use crate::store::target::Target;

/// Inputs that belong to one rotation.
const EACH_ONES_OWN: [&str; 4] = ["key-name", "replace-key-id", "targets", "targets-file"];

/// The inputs as they hold for all rotations.
#[must_use]
pub(super) fn for_all(config: &Config, inputs: &Inputs) -> Inputs {
    inputs.clone().without(&EACH_ONES_OWN).below(&config.inputs)
}

/// The inputs as they hold for one rotation.
fn of_one(entry: &Entry, for_all: &Inputs) -> Inputs {
    let mut inputs = for_all.clone().below(&entry.inputs);
    if entry.named_wrongly {
        inputs.set("key-name", "unknown".to_owned(), Some(entry.spot.clone()));
    }
    inputs
}

/// Whether the file says at its top that nothing is to be changed.
#[must_use]
pub(super) fn is_dry(config: &Config) -> bool {
    says_dry(&config.inputs)
}

/// Whether the file asks every rotation to change nothing.
#[must_use]
pub(super) fn all_dry(config: &Config) -> bool {
    is_dry(config) || config.rotations.iter().all(|entry| says_dry(&entry.inputs))
}

fn says_dry(inputs: &Inputs) -> bool {
    inputs.text("dry-run") == Some("true")
}

/// What is read beside the file.
pub(super) struct Beside<'a> {
    /// Flags and variables.
    pub(super) inputs: &'a Inputs,
    /// The process's own.
    pub(super) surroundings: &'a Surroundings,
    /// The inputs that are secrets.
    pub(super) secrets: &'a Secrets,
    /// Nothing is to be changed at all: the input `dry-run` says so, or the file at its top.
    pub(super) dry_run: bool,
}

impl Beside<'_> {
    /// Notes that nothing was given that writes to GitHub, where a target lies there.
    /// A wrong line counts where its first word says so.
    pub(super) fn check_token<'t>(
        &self,
        targets: impl IntoIterator<Item = &'t Target>,
        texts: impl IntoIterator<Item = &'t str>,
        problems: &mut Problems,
    ) {
        let is_at_github = targets.into_iter().any(|target| target.at_github_or_like().is_some());
        if !is_at_github && !texts.into_iter().flat_map(str::lines).any(targets::is_for_github) {
            return;
        }
        self.check_signs("write to repositories", problems);
    }

    /// Notes that nothing was given that reads alerts, where no target lies at GitHub.
    pub(super) fn check_alerts(&self, rotations: &[RotationRequest], problems: &mut Problems) {
        let mut targets = rotations.iter().flat_map(|rotation| &rotation.targets);
        if targets.all(|target| target.at_github_or_like().is_none()) {
            self.check_signs("read secret scanning alerts", problems);
        }
    }

    fn check_signs(&self, to: &str, problems: &mut Problems) {
        let has_app = Secrets::was_named(&self.secrets.app_private_key, "app-private-key", self.surroundings)
            || self.inputs.has("app-client-id");
        if !has_app && !Secrets::was_named(&self.secrets.github_token, "github-token", self.surroundings) {
            let how = Secrets::how("github-token", self.surroundings);
            let empty = Secrets::empty("github-token", self.surroundings);
            let message = format!("is required to {to}, or a GitHub App{how}{empty}. {TOKEN_NEEDED}");
            problems.note("github-token", message);
        }
    }
}

/// Reads every rotation. What is odd without being wrong goes to the warnings.
#[must_use]
pub(super) fn read(
    config: &Config,
    beside: &Beside<'_>,
    problems: &mut Problems,
    warnings: &mut Vec<Warning>,
) -> Vec<RotationRequest> {
    check_current_key(config, beside, problems);
    let drafts = drafts(config, beside, Task::Rotate, problems, warnings);
    let texts = config.rotations.iter().flat_map(|entry| &entry.targets).flatten();
    let texts = texts.map(|(text, _)| text.as_str());
    let targets = drafts.iter().flat_map(|draft| &draft.targets).map(|placed| &placed.target);
    beside.check_token(targets, texts, problems);
    warnings.extend(drafts.iter().filter_map(spans_environments));
    let mut requests: Vec<_> = drafts.into_iter().filter_map(|draft| draft.request).collect();
    tell_of_others(&mut requests);
    requests
}

/// A name beside a target that is another rotation's target is no misspelling.
pub(crate) fn tell_of_others(requests: &mut [RotationRequest]) {
    let labels = |request: &RotationRequest| request.targets.iter().map(Target::label).collect::<BTreeSet<_>>();
    let all: Vec<_> = requests.iter().map(labels).collect();
    for (nth, request) in requests.iter_mut().enumerate() {
        let others = all.iter().enumerate().filter(|(other, _)| *other != nth);
        request.policy.targets_of_others = others.flat_map(|(_, labels)| labels.iter().cloned()).collect();
    }
}

/// Reads every rotation for an audit: nothing is written then, so what only writing needs may be missing. What is odd
/// without being wrong is the audit's own to find.
#[must_use]
pub(super) fn listed(config: &Config, beside: &Beside<'_>, problems: &mut Problems) -> Vec<Listed> {
    let drafts = drafts(config, beside, Task::Audit, problems, &mut Vec::new());
    let listed = drafts.into_iter().filter_map(|draft| {
        let line = u64::try_from(draft.entry.spot.place.line).unwrap_or(1);
        draft.request.map(|request| Listed { request, line })
    });
    listed.collect()
}

fn drafts<'a>(
    config: &'a Config,
    beside: &Beside<'_>,
    task: Task,
    problems: &mut Problems,
    warnings: &mut Vec<Warning>,
) -> Vec<Draft<'a>> {
    check_inputs(config, beside, problems);
    let for_all = for_all(config, beside.inputs);
    check_top(&for_all, problems);
    let asked = |entry: &Entry| openrouter::is_asked(&of_one(entry, &for_all));
    openrouter::check_meaning(&config.inputs, config.rotations.iter().any(asked), problems);
    let mut drafts = Vec::new();
    for entry in &config.rotations {
        openrouter::check_meaning(&entry.inputs, asked(entry), problems);
        drafts.push(draft(entry, of_one(entry, &for_all), beside, task, problems, warnings));
    }
    check_conflicts(&drafts, beside.secrets, problems);
    check_own(&drafts, beside, problems);
    drafts
}

/// On events for strangers the file may name the workflow's own repository alone.
fn check_own(drafts: &[Draft<'_>], beside: &Beside<'_>, problems: &mut Problems) {
    let Some(event) = context::for_strangers(beside.surroundings, beside.inputs) else { return };
    for placed in drafts.iter().flat_map(|draft| &draft.targets) {
        if let Err(message) = context::check_own(&placed.target, event, beside.surroundings) {
            problems.wrong(placed.spot.of("targets"), &placed.target.label(), message);
        }
    }
}

fn check_current_key(config: &Config, beside: &Beside<'_>, problems: &mut Problems) {
    if beside.secrets.current_key.is_some() {
        let message = format!(
            "has no meaning beside `config`: put each rotation's key into a variable of its own, and name that in \
             {} with `current-key-env`",
            config.path
        );
        problems.note("current-key", message);
    }
}

/// What stands beside the file although only it can say it, and what both say differently.
fn check_inputs(config: &Config, beside: &Beside<'_>, problems: &mut Problems) {
    let (path, inputs) = (&config.path, beside.inputs);
    for name in EACH_ONES_OWN.into_iter().filter(|name| inputs.has(name)) {
        problems.note(name, format!("has no meaning beside `config`: it is each rotation's own and stands in {path}"));
    }
    let inputs = inputs.clone().without(&EACH_ONES_OWN);
    for (name, input) in inputs.names().filter_map(|name| Some((name, inputs.text(name)?))) {
        let other = config.every().filter_map(|said| said.get(name)).find(|said| said.text.trim() != input);
        let other = other.filter(|_| (name, input) != ("dry-run", "true"));
        if let Some(spot) = other.and_then(|said| said.spot.as_ref()) {
            problems.wrong(name, input, format!("{spot} says otherwise: expected it in one place"));
        }
    }
}

/// A wrong value at the top is told although every rotation may state its own.
fn check_top(inputs: &Inputs, problems: &mut Problems) {
    let mut whole = inputs.clone();
    whole.set("key-name", "all".to_owned(), None);
    let _ = policy::read(&whole, None, problems);
    let _ = issuer(inputs, None, None, problems);
    let _ = targets::secret_name(inputs, problems);
    let _ = problems.read(inputs, "dry-run", boolean);
}

fn draft<'a>(
    entry: &'a Entry,
    inputs: Inputs,
    beside: &Beside<'_>,
    task: Task,
    problems: &mut Problems,
    warnings: &mut Vec<Warning>,
) -> Draft<'a> {
    let current = match task {
        Task::Audit => variable::if_set(&entry.inputs, beside.surroundings, problems),
        _ => variable::current_key(&entry.inputs, beside.surroundings, problems),
    };
    let management = &beside.secrets.management_key;
    let has_key = Secrets::was_named(management, "management-key", beside.surroundings) || current.was_named;
    if task != Task::Audit && !has_key {
        problems.note(entry.inputs.at("key-name"), NO_KEY);
    }
    let targets = targets::of_file(entry, &inputs, beside.surroundings, problems);
    let issuer = issuer(&inputs, management.clone(), current.value.clone(), problems);
    let policy = policy::read(&inputs, current.value.clone(), problems);
    targets::check_drain(&inputs, policy.as_ref(), targets.iter().map(|placed| &placed.target), problems);
    let dry_run = problems.read(&inputs, "dry-run", boolean);
    let name = inputs.get("key-name").map(|given| given.text.clone()).unwrap_or_default();
    let doubts = current.doubts.into_iter().chain(policy.iter().flat_map(policy::doubts));
    warnings.extend(doubts.map(|text| Warning { rotation: Some(name.clone()), text }));
    let is_dry = dry_run.map(|said| said || beside.dry_run);
    let request = request((policy, &targets, issuer, is_dry));
    Draft { entry, current: current.value, targets, request }
}

const NO_KEY: &str = "has no key that could make another: give the input `management-key`, or `current-key-env` here \
     where a key manages itself";

type Parts<'a> = (Option<Policy>, &'a [Placed], Option<IssuerSettings>, Option<bool>);

fn request((policy, targets, issuer, dry_run): Parts<'_>) -> Option<RotationRequest> {
    let targets = targets.iter().map(|placed| placed.target.clone()).collect();
    Some(RotationRequest { policy: policy?, targets, issuer: issuer?, dry_run: dry_run? })
}

#[cfg(test)]
mod tests;
