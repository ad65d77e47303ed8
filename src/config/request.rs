//! The request, put together from its parts.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use url::Url;

use crate::cli::{self, INPUTS, Input, Inputs, KEY_ID, Surroundings, Task};
use crate::config::app;
use crate::config::audit::{self, Listed};
use crate::config::base_url::{base_url, github_url};
use crate::config::context;
use crate::config::file::{self, Config};
use crate::config::init;
use crate::config::issuer::issuer;
use crate::config::leaks;
use crate::config::names::key_id;
use crate::config::notify;
use crate::config::policy;
use crate::config::problem::{Problems, hide_credentials};
use crate::config::receipt;
use crate::config::rotations::{self, Beside};
use crate::config::scalar::{boolean, choice, path};
use crate::config::secrets::Secrets;
use crate::config::targets;
use crate::config::variable;
use crate::config::{
    Asked, Command, Format, GitHubSettings, IssuerSettings, Reading, Request, RotationRequest, Warning,
};
use crate::nearest::nearest;
use crate::secret::{SHORTEST_REDACTED, Secret};

/// Reads and validates everything. Touches nothing but the config file and those that `KEYROTOR_*_FILE` variables name.
#[must_use]
pub fn read(surroundings: &Surroundings) -> Reading {
    let mut problems = Problems::default();
    let secrets = Secrets::read(surroundings, &mut problems);
    context::check_variables(surroundings, &mut problems);
    let mut all = secrets.all();
    if let Some(told) = cli::about_itself(surroundings) {
        return Reading { secrets: all, format: Format::Text, asked: told.map_or_else(not_told, Asked::Text) };
    }
    match cli::parse(surroundings) {
        Ok(inputs) if inputs.text("command") == Some(Task::Init.word()) => {
            all.extend(init::tokens(surroundings));
            Reading {
                secrets: all,
                format: Format::Text,
                asked: init::read(&inputs, surroundings, secrets, problems, read),
            }
        }
        Ok(inputs) => {
            let format = problems.read(&inputs, "format", format).unwrap_or_default();
            let config = file::read(&inputs, &mut problems);
            all.extend(config.iter().flat_map(|config| secrets_of(config, surroundings)));
            let mut asked = request(&inputs, config.as_ref(), surroundings, secrets, problems);
            let others = secrets_of_others(&asked, surroundings);
            asked = without_short(asked, &others);
            all.extend(others.into_iter().map(|(_, secret)| secret));
            hand_to_rotations(&all, &mut asked);
            Reading { secrets: all, format, asked }
        }
        Err(error) => Reading {
            secrets: all,
            format: guess_format(surroundings),
            asked: not_parsed(&error, surroundings, problems),
        },
    }
}

fn not_told(message: String) -> Asked {
    let mut problems = Problems::default();
    problems.note("command line", message);
    Asked::Wrong(problems.into_vec())
}

/// What a config file leads to, and what was put into it by mistake.
fn secrets_of(config: &Config, surroundings: &Surroundings) -> Vec<Secret> {
    let named = config.rotations.iter().filter_map(|entry| variable::value(&entry.inputs, surroundings));
    let named = named.filter(|value| !value.is_words());
    named.chain(config.misplaced.iter().cloned()).collect()
}

/// Credentials that the targets' own tools take from variables.
fn secrets_of_others(asked: &Asked, surroundings: &Surroundings) -> Vec<(&'static str, Secret)> {
    let Asked::Run(request) = asked else { return Vec::new() };
    let targets = request.rotations.iter().flat_map(|rotation| &rotation.targets);
    let names: BTreeSet<_> = targets.flat_map(|target| target.kind().secret_variables()).copied().collect();
    let given = names.into_iter().filter_map(|name| Some((name, surroundings.var(name)?)));
    given.map(|(name, value)| (name, Secret::new(value.to_owned()))).collect()
}

/// What is too short to be hidden is not used.
fn without_short(asked: Asked, others: &[(&'static str, Secret)]) -> Asked {
    let mut problems = Problems::default();
    for (name, _) in others.iter().filter(|(_, secret)| secret.expose().len() < SHORTEST_REDACTED) {
        problems.note(*name, "is shorter than 6 characters, and could not be hidden in a log");
    }
    if problems.is_empty() { asked } else { Asked::Wrong(problems.into_vec()) }
}

/// No new key may have the value of a credential, whichever rotation it is of.
fn hand_to_rotations(credentials: &[Secret], asked: &mut Asked) {
    let Asked::Run(request) = asked else { return };
    for rotation in &mut request.rotations {
        rotation.policy.credentials = credentials.to_vec();
    }
}

fn request(
    inputs: &Inputs,
    config: Option<&Config>,
    surroundings: &Surroundings,
    secrets: Secrets,
    mut problems: Problems,
) -> Asked {
    secrets.check(&mut problems);
    let request = assemble(inputs, config, surroundings, secrets, &mut problems);
    match request {
        Some(request) if problems.is_empty() => Asked::Run(Box::new(request)),
        _ => Asked::Wrong(problems.into_vec()),
    }
}

fn assemble(
    inputs: &Inputs,
    config: Option<&Config>,
    surroundings: &Surroundings,
    secrets: Secrets,
    problems: &mut Problems,
) -> Option<Request> {
    let mut warnings: Vec<Warning> = secrets.doubts(surroundings).into_iter().map(Warning::from).collect();
    let said = problems.read(inputs, "dry-run", boolean);
    let task = problems.read(inputs, "command", task);
    let is_dry = task == Some(Task::Doctor) || config.is_some_and(rotations::is_dry);
    let dry_run = said.map(|said| said || is_dry);
    // A misspelt command is most likely `rotate` where a family is named: its other problems are worth knowing too.
    let task = task.or_else(|| inputs.has("key-name").then_some(Task::Rotate));
    if let Some(task) = task {
        context::check_task(task, inputs, problems);
        let is_dry = dry_run == Some(true) || config.is_some_and(rotations::all_dry);
        context::check_event(task, surroundings, inputs, is_dry, config, problems);
        let _ = problems.read(inputs, "trust-config", boolean);
    }
    let beside = Beside { inputs, surroundings, secrets: &secrets, dry_run: dry_run == Some(true) };
    let rotations = match (task, config) {
        (Some(Task::Rotate | Task::Doctor | Task::WatchLeaks), Some(config)) => {
            rotations::read(config, &beside, problems, &mut warnings)
        }
        (Some(Task::Rotate | Task::Doctor | Task::WatchLeaks), None) if !inputs.has("config") => {
            let rotation = rotation(&beside, dry_run, problems);
            warnings.extend(rotation.iter().flat_map(|rotation| policy::doubts(&rotation.policy)).map(Warning::from));
            Vec::from_iter(rotation)
        }
        _ => Vec::new(),
    };
    let listed = match (task, config) {
        (Some(Task::Audit), Some(config)) => rotations::listed(config, &beside, problems),
        _ => Vec::new(),
    };
    let has_own_key = listed.iter().any(|listed| listed.request.issuer.current_key.is_some());
    let needs_key = !has_own_key && (task == Some(Task::Audit) || !inputs.has("config"));
    if needs_key && task != Some(Task::VerifyReceipt) {
        secrets.check_presence(surroundings, problems);
    }
    let command = task.and_then(|task| command(task, &beside, listed, &rotations, problems));
    let app = app::read(inputs, surroundings, &secrets, problems);
    let notify = notify::read(inputs, surroundings, &secrets, problems);
    let run = receipt::workflow_run(run_page(surroundings), surroundings);
    let receipt = receipt::read(task, inputs, &rotations, run, problems);
    let api_url = github_url(surroundings, problems);
    warnings.extend(api_url.as_ref().and_then(without_api_path).map(Warning::from));
    let (request_timeout, issuer) = for_all(config, &beside, problems);
    Some(Request {
        command: command?,
        rotations,
        issuer: issuer?,
        github: GitHubSettings {
            web_url: web_url(surroundings, api_url.as_ref()?),
            api_url: api_url?,
            token: secrets.github_token,
            app,
        },
        request_timeout: request_timeout?,
        dry_run: dry_run?,
        notify,
        receipt,
        warnings,
    })
}

/// What holds for the run as a whole.
fn for_all(
    config: Option<&Config>,
    beside: &Beside<'_>,
    problems: &mut Problems,
) -> (Option<Duration>, Option<IssuerSettings>) {
    let secrets = beside.secrets;
    let read = |inputs: &Inputs, problems: &mut Problems| {
        let issuer = issuer(inputs, secrets.management_key.clone(), secrets.current_key.clone(), problems);
        (policy::request_timeout(inputs, problems), issuer)
    };
    match config {
        None => read(beside.inputs, problems),
        Some(config) => read(&rotations::for_all(config, beside.inputs), problems),
    }
}

fn rotation(beside: &Beside<'_>, dry_run: Option<bool>, problems: &mut Problems) -> Option<RotationRequest> {
    let (inputs, secrets) = (beside.inputs, beside.secrets);
    let policy = policy::read(inputs, secrets.current_key.clone(), problems);
    let targets = targets::read(inputs, beside.surroundings, problems);
    targets::check_drain(inputs, policy.as_ref(), &targets, problems);
    beside.check_token(&targets, inputs.text("targets"), problems);
    let issuer = issuer(inputs, secrets.management_key.clone(), secrets.current_key.clone(), problems);
    Some(RotationRequest { policy: policy?, targets, issuer: issuer?, dry_run: dry_run? })
}

fn command(
    task: Task,
    beside: &Beside<'_>,
    listed: Vec<Listed>,
    rotations: &[RotationRequest],
    problems: &mut Problems,
) -> Option<Command> {
    let inputs = beside.inputs;
    match (task, inputs.text(KEY_ID)) {
        (Task::Reenable, None) => problems.note("KEY-ID", "is required: `keyrotor reenable KEY-ID`"),
        (Task::Reenable, Some(id)) => {
            return key_id(id).map_err(|message| problems.wrong("KEY-ID", id, message)).ok().map(Command::Reenable);
        }
        (_, Some(id)) => problems.wrong("KEY-ID", id, format!("has no meaning for `{task}`, only for `reenable`")),
        (Task::Audit, None) => {
            let settings = audit::read(inputs, listed, beside.surroundings, beside.dry_run, problems);
            return settings.map(Command::Audit);
        }
        (Task::WatchLeaks, None) => {
            beside.check_alerts(rotations, problems);
            let settings = leaks::read(inputs, rotations, run_page(beside.surroundings), problems);
            return settings.map(Command::WatchLeaks);
        }
        (Task::Rotate, None) => return Some(Command::Rotate),
        (Task::Doctor, None) => return Some(Command::Doctor),
        (Task::VerifyReceipt, None) => {
            if inputs.has("receipt-file") {
                return problems.read(inputs, "receipt-file", path).map(Command::VerifyReceipt);
            }
            problems.note("receipt-file", "is required: the file to read, as `keyrotor verify-receipt FILE`");
        }
        // It is read before anything else.
        (Task::Init, None) => {}
    }
    None
}

/// The page of the workflow run that this is.
fn run_page(surroundings: &Surroundings) -> Option<String> {
    let server = surroundings.var("GITHUB_SERVER_URL").and_then(|text| base_url(text).ok())?;
    let (repository, id) = (surroundings.var("GITHUB_REPOSITORY")?, surroundings.var("GITHUB_RUN_ID")?);
    Some(format!("{server}{repository}/actions/runs/{id}"))
}

/// An enterprise server's API has a path of its own; only `api.github.com` and `api.NAME.ghe.com` have none.
fn without_api_path(api: &Url) -> Option<String> {
    let host = api.domain().filter(|host| *host != "localhost" && !host.starts_with("api."))?;
    (api.path() == "/").then(|| {
        format!("GITHUB_API_URL: the API of a GitHub Enterprise Server is at https://{host}/api/v3, and this address has no path")
    })
}

/// Where GitHub's pages are. It stands in links alone, so that nothing fails for it. From a shell only the API may be
/// named: `https://api.github.com`, `https://api.acme.ghe.com`, `https://github.acme.dev/api/v3`.
fn web_url(surroundings: &Surroundings, api: &Url) -> Url {
    let named = surroundings.var("GITHUB_SERVER_URL").and_then(|text| base_url(text).ok());
    named.unwrap_or_else(|| {
        let mut web = api.clone();
        web.set_path("/");
        let host = api.host_str().and_then(|host| host.strip_prefix("api."));
        if host.is_some() && web.set_host(host).is_err() {
            return api.clone();
        }
        web
    })
}

fn task(text: &str) -> Result<Task, String> {
    choice(text, &Task::ALL.map(|task| (task.word(), task)))
}

fn format(text: &str) -> Result<Format, String> {
    choice(text, &[("text", Format::Text), ("json", Format::Json)])
}

/// The report's format where the command line as a whole could not be read.
fn guess_format(surroundings: &Surroundings) -> Format {
    let args: Vec<&str> = surroundings.args.iter().filter_map(|arg| arg.to_str()).collect();
    let json = args.contains(&"--format=json") || args.windows(2).any(|pair| pair == ["--format", "json"]);
    if json { Format::Json } else { Format::Text }
}

/// A flag that is meant for a secret, which has none that could be offered.
fn misspelt_secret(error: &clap::Error) -> Option<(&str, &'static Input)> {
    let flag = error.get(ContextKind::InvalidArg).filter(|_| error.kind() == ErrorKind::UnknownArgument);
    let Some(ContextValue::String(flag)) = flag else { return None };
    let near = nearest(flag.trim_start_matches('-'), INPUTS.iter().map(|doc| doc.name))?;
    cli::input(near).filter(|doc| doc.is_secret()).map(|doc| (flag.as_str(), doc))
}

fn not_parsed(error: &clap::Error, surroundings: &Surroundings, mut problems: Problems) -> Asked {
    match error.kind() {
        ErrorKind::DisplayHelp => return Asked::Text(cli::help(surroundings)),
        ErrorKind::DisplayVersion => return Asked::Text(error.render()),
        _ => {}
    }
    let text = error.to_string();
    if let Some((flag, secret)) = misspelt_secret(error) {
        problems.note("command line", format!("{flag}: {}", cli::no_flag(secret)));
        return Asked::Wrong(problems.into_vec());
    }
    let lines = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    // No value of ours begins with a dash.
    let idle = ["For more information", "tip: to pass "];
    let lines: Vec<&str> =
        lines.filter(|line| !line.is_empty() && !idle.iter().any(|begin| line.starts_with(begin))).collect();
    let message = lines.join("; ");
    problems.note("command line", hide_credentials(message.strip_prefix("error: ").unwrap_or(&message)));
    Asked::Wrong(problems.into_vec())
}

#[cfg(test)]
mod tests;
