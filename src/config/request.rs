//! The request, put together from its parts.

use clap::error::ErrorKind;
use url::Url;

use crate::cli::{self, Inputs, Surroundings, Task};
use crate::config::audit;
use crate::config::base_url::{base_url, issuer_url};
use crate::config::context;
use crate::config::names::key_id;
use crate::config::policy;
use crate::config::problem::{Problems, hide_credentials};
use crate::config::scalar::{boolean, choice};
use crate::config::secrets::{Secrets, TOKEN_NEEDED};
use crate::config::targets;
use crate::config::{
    Asked, Command, Format, GitHubSettings, IssuerKind, IssuerSettings, Reading, Request, RotationRequest,
};

/// Reads and validates everything. Touches nothing but the files that `KEYROTOR_*_FILE` variables name.
#[must_use]
pub fn read(surroundings: &Surroundings) -> Reading {
    let mut problems = Problems::default();
    let secrets = Secrets::read(surroundings, &mut problems);
    context::check_variables(surroundings, &mut problems);
    let all = secrets.all();
    match cli::parse(surroundings) {
        Ok(inputs) => {
            let format = problems.read("format", inputs.format.as_deref(), format).unwrap_or_default();
            Reading { secrets: all, format, asked: request(&inputs, surroundings, secrets, problems) }
        }
        Err(error) => Reading { secrets: all, format: guess_format(surroundings), asked: not_parsed(&error, problems) },
    }
}

fn request(inputs: &Inputs, surroundings: &Surroundings, secrets: Secrets, mut problems: Problems) -> Asked {
    secrets.check(&mut problems);
    let request = assemble(inputs, surroundings, secrets, &mut problems);
    match request {
        Some(request) if problems.is_empty() => Asked::Run(Box::new(request)),
        _ => Asked::Wrong(problems.into_vec()),
    }
}

fn assemble(
    inputs: &Inputs,
    surroundings: &Surroundings,
    secrets: Secrets,
    problems: &mut Problems,
) -> Option<Request> {
    let mut warnings = secrets.doubts(surroundings);
    let dry_run = problems.read("dry-run", inputs.dry_run.as_deref(), boolean);
    let task = problems.read("command", inputs.command.as_deref(), task);
    // A misspelt command is most likely `rotate` where a family is named: its other problems are worth knowing too.
    let task = task.or_else(|| inputs.given.contains("key-name").then_some(Task::Rotate));
    if let Some(task) = task {
        context::check_task(task, inputs, surroundings, dry_run.unwrap_or_default(), problems);
    }
    secrets.check_presence(surroundings, problems);
    let request_timeout = policy::request_timeout(inputs, problems);
    let issuer = issuer(inputs, &secrets, problems);
    let command = task.and_then(|task| command(task, inputs, problems));
    let rotations = match task {
        Some(Task::Rotate) if !inputs.given.contains("config") => {
            let rotation = rotation(inputs, surroundings, &secrets, problems);
            warnings.extend(rotation.iter().flat_map(|rotation| policy::doubts(&rotation.policy)));
            Vec::from_iter(rotation)
        }
        _ => Vec::new(),
    };
    let api_url = github_url(surroundings, problems);
    Some(Request {
        command: command?,
        rotations,
        issuer: issuer?,
        github: GitHubSettings {
            web_url: web_url(surroundings, api_url.as_ref()?),
            api_url: api_url?,
            token: secrets.github_token,
        },
        request_timeout: request_timeout?,
        dry_run: dry_run?,
        warnings,
    })
}

fn rotation(
    inputs: &Inputs,
    surroundings: &Surroundings,
    secrets: &Secrets,
    problems: &mut Problems,
) -> Option<RotationRequest> {
    let policy = policy::read(inputs, secrets.current_key.clone(), problems);
    let targets = targets::read(inputs, surroundings, problems);
    let has_app = secrets.app_private_key.is_some() || inputs.given.contains("app-client-id");
    if !targets.is_empty() && !has_app && !Secrets::was_named(&secrets.github_token, "github-token", surroundings) {
        problems.note("github-token", format!("is required to write to repositories. {TOKEN_NEEDED}"));
    }
    Some(RotationRequest { policy: policy?, targets })
}

fn command(task: Task, inputs: &Inputs, problems: &mut Problems) -> Option<Command> {
    match (task, inputs.key_id.as_deref()) {
        (Task::Reenable, None) => problems.note("KEY-ID", "is required: `keyrotor reenable KEY-ID`"),
        (Task::Reenable, Some(id)) => return problems.read("KEY-ID", Some(id), key_id).map(Command::Reenable),
        (_, Some(id)) => problems.wrong("KEY-ID", id, format!("has no meaning for `{task}`, only for `reenable`")),
        (Task::Audit, None) => return audit::read(inputs, problems).map(Command::Audit),
        (Task::Rotate, None) => return Some(Command::Rotate),
    }
    None
}

fn issuer(inputs: &Inputs, secrets: &Secrets, problems: &mut Problems) -> Option<IssuerSettings> {
    let kind = problems.read("issuer", inputs.issuer.as_deref(), issuer_kind);
    let url = problems.read("issuer-url", inputs.issuer_url.as_deref(), issuer_url);
    let management_key = secrets.management_key.clone();
    Some(IssuerSettings { kind: kind?, url: url?, management_key, current_key: secrets.current_key.clone() })
}

fn github_url(surroundings: &Surroundings, problems: &mut Problems) -> Option<Url> {
    let text = surroundings.var("GITHUB_API_URL").unwrap_or("https://api.github.com");
    base_url(text).map_err(|message| problems.wrong("GITHUB_API_URL", text, message)).ok()
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

fn issuer_kind(text: &str) -> Result<IssuerKind, String> {
    if text == "openrouter" {
        return Err("`openrouter` is not yet built in this version: expected `arouter`".to_owned());
    }
    choice(text, &[("arouter", IssuerKind::Arouter)])
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

fn not_parsed(error: &clap::Error, mut problems: Problems) -> Asked {
    let text = error.to_string();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return Asked::Text(text);
    }
    let lines = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty() && !line.starts_with("For more information")).collect();
    let message = lines.join("; ");
    problems.note("command line", hide_credentials(message.strip_prefix("error: ").unwrap_or(&message)));
    Asked::Wrong(problems.into_vec())
}

#[cfg(test)]
mod tests;
