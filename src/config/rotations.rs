//! The config file and the inputs beside it -> the rotations, each as if it had been asked for alone.
//!
//! A value is said in one place. What the file says at the top holds for every rotation that does not say it itself. An
//! input says what the file leaves open, for all; where both speak and differ that is an error, never a question of
//! precedence. `dry-run: true` is the exception, since it can do no harm: wherever it stands it holds.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::{Inputs, Surroundings, Task};
use crate::config::audit::Listed;
use crate::config::context;
use crate::config::file::{Config, Entry, Settings};
use crate::config::issuer::issuer;
use crate::config::openrouter;
use crate::config::policy;
use crate::config::problem::{Places, Problem, Problems};
use crate::config::scalar::boolean;
use crate::config::secrets::{Secrets, TOKEN_NEEDED};
use crate::config::targets::{self, Placed};
use crate::config::together::{Draft, check_together, spans_environments};
use crate::config::variable;
use crate::config::yaml::Place;
use crate::config::{IssuerSettings, RotationRequest, Warning};
use crate::rotation::policy::Policy;
use crate::store::target::Target;

/// Inputs that belong to one rotation.
const EACH_ONES_OWN: [&str; 4] = ["key-name", "replace-key-id", "targets", "targets-file"];

/// The inputs as they hold for all rotations, with the places of those that the file states.
#[must_use]
pub(super) fn for_all(config: &Config, inputs: &Inputs) -> (Inputs, Places) {
    let own = Inputs { key_name: None, replace_key_id: None, targets: Vec::new(), ..inputs.clone() };
    let places = Places {
        path: config.path.clone(),
        stated: BTreeMap::new(),
        inputs: inputs.given.clone(),
        begin: Place { line: 1, column: 1 },
    };
    stated_over((own, places), &config.settings)
}

fn stated_over((mut inputs, mut places): (Inputs, Places), settings: &Settings) -> (Inputs, Places) {
    for (name, text, at) in settings.given() {
        if let Some(slot) = slot(&mut inputs, name) {
            *slot = Some(text.to_owned());
        }
        places.stated.insert(name, at);
    }
    (inputs, places)
}

/// Where an input of this name keeps its text.
fn slot<'a>(inputs: &'a mut Inputs, name: &str) -> Option<&'a mut Option<String>> {
    Some(match name {
        "issuer" => &mut inputs.issuer,
        "issuer-url" => &mut inputs.issuer_url,
        "secret-name" => &mut inputs.secret_name,
        "allowed-providers" => &mut inputs.allowed_providers,
        "allowed-models" => &mut inputs.allowed_models,
        "spending-limit" => &mut inputs.spending_limit,
        "limit-reset" => &mut inputs.limit_reset,
        "expires-after" => &mut inputs.expires_after,
        "rotate-after" => &mut inputs.rotate_after,
        "grace-period" => &mut inputs.grace_period,
        "retire" => &mut inputs.retire,
        "leaked" => &mut inputs.leaked,
        "verify-chat" => &mut inputs.verify_chat,
        "verify-timeout" => &mut inputs.verify_timeout,
        "accept-unconfirmed" => &mut inputs.accept_unconfirmed,
        "canary" => &mut inputs.canary,
        "request-timeout" => &mut inputs.request_timeout,
        "parallel" => &mut inputs.parallel,
        "dry-run" => &mut inputs.dry_run,
        _ => return None,
    })
}

/// Whether the file says at its top that nothing is to be changed.
#[must_use]
pub(super) fn is_dry(config: &Config) -> bool {
    says_dry(&config.settings)
}

/// Whether the file asks every rotation to change nothing.
#[must_use]
pub(super) fn all_dry(config: &Config) -> bool {
    is_dry(config) || config.rotations.iter().all(|entry| says_dry(&entry.settings))
}

fn says_dry(settings: &Settings) -> bool {
    settings.dry_run.as_ref().is_some_and(|given| given.text.trim() == "true")
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
        lines: &str,
        problems: &mut Problems,
    ) {
        let is_at_github = targets.into_iter().any(|target| target.at_github_or_like().is_some());
        if !is_at_github && !lines.lines().any(targets::is_for_github) {
            return;
        }
        let has_app = Secrets::was_named(&self.secrets.app_private_key, "app-private-key", self.surroundings)
            || self.inputs.given.contains("app-client-id");
        if !has_app && !Secrets::was_named(&self.secrets.github_token, "github-token", self.surroundings) {
            let how = Secrets::how("github-token", self.surroundings);
            let empty = Secrets::empty("github-token", self.surroundings);
            let message = format!("is required to write to repositories, or a GitHub App{how}{empty}. {TOKEN_NEEDED}");
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
    let lines = config.rotations.iter().flat_map(|entry| &entry.targets).flat_map(|targets| &targets.lines);
    let lines = lines.map(|(line, _)| line.as_str()).collect::<Vec<_>>().join("\n");
    let targets = drafts.iter().flat_map(|draft| &draft.targets).map(|placed| &placed.target);
    beside.check_token(targets, &lines, problems);
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
        let line = u64::try_from(draft.entry.at.line).unwrap_or(1);
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
    let asked = |entry: &Entry| openrouter::is_asked(&of_one(entry, for_all.clone()).0);
    let some = config.rotations.iter().any(asked);
    openrouter::check_meaning(&config.path, &config.openrouter, some, problems);
    let mut drafts = Vec::new();
    for entry in &config.rotations {
        openrouter::check_meaning(&config.path, &entry.openrouter, asked(entry), problems);
        let mut draft = draft(entry, for_all.clone(), beside, task, problems, warnings);
        if let Some(request) = &mut draft.request {
            let fields = [&entry.openrouter, &config.openrouter];
            request.issuer.kind = openrouter::stated(request.issuer.kind.clone(), fields, problems);
        }
        drafts.push(draft);
    }
    check_together(&config.path, &drafts, beside.secrets, problems);
    check_own(&config.path, &drafts, beside, problems);
    drafts
}

/// On events for strangers the file may name the workflow's own repository alone.
fn check_own(path: &str, drafts: &[Draft<'_>], beside: &Beside<'_>, problems: &mut Problems) {
    let Some(event) = context::for_strangers(beside.surroundings, beside.inputs) else { return };
    for placed in drafts.iter().flat_map(|draft| &draft.targets) {
        if let Err(message) = context::check_own(&placed.target, event, beside.surroundings) {
            problems.push(Problem::new("targets", message).with_value(&placed.target.label()).at(path, placed.at));
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
    for name in EACH_ONES_OWN.into_iter().filter(|name| inputs.given.contains(name)) {
        problems.note(name, format!("has no meaning beside `config`: it is each rotation's own and stands in {path}"));
    }
    let settings = config.rotations.iter().map(|entry| &entry.settings);
    let stated: Vec<_> = std::iter::once(&config.settings).chain(settings).flat_map(Settings::given).collect();
    let mut inputs = inputs.clone();
    for name in inputs.given.clone() {
        let Some(input) = slot(&mut inputs, name).and_then(|slot| slot.as_deref()).map(str::trim) else { continue };
        let other = stated.iter().find(|(field, text, _)| *field == name && text.trim() != input);
        if let Some((_, _, at)) = other.filter(|_| (name, input) != ("dry-run", "true")) {
            problems.wrong(name, input, format!("{path}:{at} says otherwise: expected it in one place"));
        }
    }
}

/// A wrong value at the top is told although every rotation may state its own.
fn check_top((inputs, places): &(Inputs, Places), problems: &mut Problems) {
    let whole = Inputs { key_name: Some("all".to_owned()), ..inputs.clone() };
    problems.placed(places.clone(), |problems| {
        let _ = policy::read(&whole, None, problems);
        let _ = issuer(inputs, None, None, problems);
        let _ = targets::secret_name(inputs, problems);
        let _ = problems.read("dry-run", inputs.dry_run.as_deref(), boolean);
    });
}

fn draft<'a>(
    entry: &'a Entry,
    for_all: (Inputs, Places),
    beside: &Beside<'_>,
    task: Task,
    problems: &mut Problems,
    warnings: &mut Vec<Warning>,
) -> Draft<'a> {
    let (inputs, places) = of_one(entry, for_all);
    problems.placed(places, |problems| {
        let current = match task {
            Task::Audit => variable::if_set(&entry.own, beside.surroundings, problems),
            _ => variable::current_key(&entry.own, beside.surroundings, problems),
        };
        let management = &beside.secrets.management_key;
        let has_key = Secrets::was_named(management, "management-key", beside.surroundings) || current.was_named;
        if task != Task::Audit && !has_key {
            problems.note("key-name", NO_KEY);
        }
        let targets = targets::of_file(entry, &inputs, beside.surroundings, problems);
        let issuer = issuer(&inputs, management.clone(), current.value.clone(), problems);
        let policy = policy::read(&inputs, current.value.clone(), problems);
        targets::check_drain(policy.as_ref(), targets.iter().map(|placed| &placed.target), problems);
        let dry_run = problems.read("dry-run", inputs.dry_run.as_deref(), boolean);
        let name = inputs.key_name.unwrap_or_default();
        let doubts = current.doubts.into_iter().chain(policy.iter().flat_map(policy::doubts));
        warnings.extend(doubts.map(|text| Warning { rotation: Some(name.clone()), text }));
        let is_dry = dry_run.map(|said| said || beside.dry_run);
        let request = request((policy, &targets, issuer, is_dry));
        Draft { entry, current: current.value, targets, request }
    })
}

const NO_KEY: &str = "has no key that could make another: give the input `management-key`, or `current-key-env` here \
     where a key manages itself";

type Parts<'a> = (Option<Policy>, &'a [Placed], Option<IssuerSettings>, Option<bool>);

fn request((policy, targets, issuer, dry_run): Parts<'_>) -> Option<RotationRequest> {
    let targets = targets.iter().map(|placed| placed.target.clone()).collect();
    Some(RotationRequest { policy: policy?, targets, issuer: issuer?, dry_run: dry_run? })
}

/// The inputs as they hold for one rotation.
fn of_one(entry: &Entry, for_all: (Inputs, Places)) -> (Inputs, Places) {
    let (mut inputs, mut places) = stated_over(for_all, &entry.settings);
    let unknown = entry.named_wrongly.then(|| "unknown".to_owned());
    inputs.key_name = entry.own.key_name.as_ref().map(|given| given.text.clone()).or(unknown);
    inputs.replace_key_id = entry.own.replace_key_id.as_ref().map(|given| given.text.clone());
    places.inputs.retain(|name| !EACH_ONES_OWN.contains(name));
    places.begin = entry.at;
    places.stated.extend(entry.own.given().into_iter().map(|(name, _, at)| (name, at)));
    places.stated.extend(entry.targets.iter().map(|targets| ("targets", targets.at)));
    (inputs, places)
}

#[cfg(test)]
mod tests;
