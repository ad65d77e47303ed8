//! The inputs as a person meets them: flags, the runner's `INPUT_*` variables, `--help`.
//!
//! Everything is taken as text; what it means, and whether it is right, is `config`'s.

mod inputs;
mod surroundings;

use std::collections::BTreeSet;

use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Command, CommandFactory as _, FromArgMatches as _, Parser};

pub use inputs::{INPUTS, InputDoc, Task, input};
pub use surroundings::Surroundings;

const RIGHTS: &str = "Rights of the new key";
const WHEN: &str = "When to rotate, and what becomes of the old key";
const PROOF: &str = "Proof that the new key works";
const TARGETS: &str = "Where the key is written";
const RUN: &str = "The run";
const ISSUER: &str = "The issuer";
const AUDIT: &str = "Only for `audit`";

const ABOUT: &str = "Rotates an ARouter API key with no downtime: makes a new key, proves it, writes it to \
     every target, retires the old one";

const AFTER_HELP: &str = "\
Every option can also be given as a variable: INPUT_ and its name in capitals, the dashes kept
(INPUT_KEY-NAME). Runners set these; a shell can't, so use flags there. A flag wins over its
variable; an empty variable counts as not given. Durations are a whole number and one of s, m, h,
d, w: 90d.

Secrets have no flags, so that they never stand in a process list. Each is read from the first of
its variables that is set; the last one names a file that holds the value.

  management-key   may create, list and delete keys; without it the current key does that
                   INPUT_MANAGEMENT-KEY, KEYROTOR_MANAGEMENT_KEY, KEYROTOR_MANAGEMENT_KEY_FILE
  current-key      the key value deployed now: to recognise it, and to put it back if need be
                   INPUT_CURRENT-KEY, KEYROTOR_CURRENT_KEY, KEYROTOR_CURRENT_KEY_FILE
  github-token     fine-grained token or App token that may write the targets' kinds of secrets: for
                   repo targets the repository permission \"Secrets\" (read and write)
                   INPUT_GITHUB-TOKEN, KEYROTOR_GITHUB_TOKEN, KEYROTOR_GITHUB_TOKEN_FILE
  app-private-key  private key of the GitHub App: its PEM file, also in base64, or with \\n for
                   line breaks
                   INPUT_APP-PRIVATE-KEY, KEYROTOR_APP_PRIVATE_KEY, KEYROTOR_APP_PRIVATE_KEY_FILE

Exit status:
  0  done, not due, or a replaced key is pending or kept as asked
  1  nothing has changed, or everything was put back
  2  the inputs are wrong; nothing was contacted
  3  safe, but a person should look: a key is left alive that should not be, or an audit found
     what `fail-on` names

Example, which prints what would be done and changes nothing:
  export KEYROTOR_MANAGEMENT_KEY_FILE=~/.arouter-management-key
  export KEYROTOR_GITHUB_TOKEN=$(gh auth token)
  keyrotor --key-name production --targets repo:acme/app --rotate-after 30d --dry-run
  keyrotor audit --fail-on error
";

/// Every input that has a flag, as it was written, flag before variable.
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "keyrotor", version, no_binary_name = true, max_term_width = 100, after_help = AFTER_HELP)]
#[command(
    about = ABOUT
)]
pub struct Inputs {
    /// `rotate` makes true what the inputs ask and is safe to repeat; `audit` reads and judges every key; `reenable
    /// KEY-ID` takes back a `retire: disable`
    pub command: Option<String>,
    /// The key to enable again, for `reenable` alone
    #[arg(value_name = "KEY-ID")]
    pub key_id: Option<String>,

    /// Family of keys to rotate: new keys are named `<key-name>-<UTC date>-<six hex digits>`
    #[arg(long, value_name = "NAME")]
    pub key_name: Option<String>,
    /// Id (hash) of a hand-made key to adopt; ignored once a key of the family has replaced it
    #[arg(long, value_name = "ID")]
    pub replace_key_id: Option<String>,

    /// Where to write the key, one per line or flag: `repo:OWNER/NAME`, `env:OWNER/NAME/ENVIRONMENT`, `org:ORG`,
    /// `dependabot:OWNER/NAME`, `dependabot-org:ORG`, `codespaces:OWNER/NAME`, `codespaces-org:ORG`, `agents:OWNER/NAME`, `agents-org:ORG`,
    /// `kubernetes:NAMESPACE/NAME#KEY`, `vault:MOUNT/PATH#FIELD`, `aws-secretsmanager:NAME_OR_ARN[#JSON_FIELD]`,
    /// `file:PATH[#VARIABLE]`; several as `repo:OWNER/NAME,NAME`. Words may follow, such as `secret=NAME`,
    /// `visibility=selected repos=NAME,NAME`, `restart=deployment/NAME`, `role=NAME`
    #[arg(long, value_name = "TARGET", help_heading = TARGETS)]
    pub targets: Vec<String>,
    /// Name of the secret in every target that does not say otherwise; with OpenRouter OPENROUTER_API_KEY
    #[arg(long, value_name = "NAME", help_heading = TARGETS)]
    pub secret_name: Option<String>,
    /// Client id or number of a GitHub App that may write secrets, in place of `github-token`
    #[arg(long, value_name = "ID", help_heading = TARGETS)]
    pub app_client_id: Option<String>,
    /// Targets written at once, 1 to 100
    #[arg(long, value_name = "NUMBER", help_heading = TARGETS)]
    pub parallel: Option<String>,

    /// Providers the new key may use: a comma or newline list, `all`, or `inherit` from the key being replaced
    #[arg(long, value_name = "LIST", help_heading = RIGHTS)]
    pub allowed_providers: Option<String>,
    /// Models the new key may use: a comma or newline list, `all`, or `inherit`
    #[arg(long, value_name = "LIST", help_heading = RIGHTS)]
    pub allowed_models: Option<String>,
    /// Spending limit: a number in USD, `none`, or `inherit`, which is what is left of a limit that never starts anew
    #[arg(long, value_name = "USD", help_heading = RIGHTS, allow_negative_numbers = true)]
    pub spending_limit: Option<String>,
    /// When the limit starts anew: `daily`, `weekly`, `monthly`, `none`, or `inherit`
    #[arg(long, value_name = "WHEN", help_heading = RIGHTS)]
    pub limit_reset: Option<String>,
    /// Lifetime of the new key: a duration, `never`, or `inherit` (the lifetime the old key had, not its date)
    #[arg(long, value_name = "DURATION", help_heading = RIGHTS)]
    pub expires_after: Option<String>,

    /// Rotate only when the current key is older than this
    #[arg(long, value_name = "DURATION", help_heading = WHEN)]
    pub rotate_after: Option<String>,
    /// How long a replaced key stays alive after its successor is in place; a later run retires it. `drain`: until no
    /// workflow run is unfinished that began before. Not stated, keys that earlier runs replaced still get 24 h without use
    #[arg(long, value_name = "DURATION", help_heading = WHEN)]
    pub grace_period: Option<String>,
    /// What becomes of replaced keys: `delete`, `disable`, or `keep` them and say so
    #[arg(long, value_name = "HOW", help_heading = WHEN)]
    pub retire: Option<String>,
    /// The key has leaked: rotate whatever its age, without grace, and delete it even if it is in use
    #[arg(long, value_name = "BOOLEAN", help_heading = WHEN)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub leaked: Option<String>,

    /// Also prove the new key with one small chat completion: a model name, or `auto`
    #[arg(long, value_name = "MODEL", help_heading = PROOF)]
    pub verify_chat: Option<String>,
    /// How long a new key may take to start working, 1s to 1h
    #[arg(long, value_name = "DURATION", help_heading = PROOF)]
    pub verify_timeout: Option<String>,
    /// Fields of the new key, such as `scopes`, that may hold what nobody asked for or confirms: a comma or newline list.
    /// `guardrails`: those of OpenRouter
    #[arg(long, value_name = "LIST", help_heading = PROOF)]
    pub accept_unconfirmed: Option<String>,
    /// Workflow file to dispatch in the targets' repositories after distribution, whose success is awaited before anything
    /// is retired: `smoke.yml`, `smoke.yml timeout=20m`
    #[arg(long, value_name = "WORKFLOW", help_heading = PROOF)]
    pub canary: Option<String>,

    /// Who issues the keys: `arouter` or `openrouter`
    #[arg(long, value_name = "NAME", help_heading = ISSUER)]
    pub issuer: Option<String>,
    /// Base address of the issuer's API, with or without `/v1`; OpenRouter's own is `https://openrouter.ai`
    #[arg(long, value_name = "URL", help_heading = ISSUER)]
    pub issuer_url: Option<String>,
    /// For one HTTP request, 1s to 10m
    #[arg(long, value_name = "DURATION", help_heading = ISSUER)]
    pub request_timeout: Option<String>,

    /// Read, decide, print the plan, change nothing
    #[arg(long, value_name = "BOOLEAN", help_heading = RUN)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub dry_run: Option<String>,
    /// Path of a YAML file with many rotations, which states `key-name` and `targets` of each
    #[arg(long, value_name = "PATH", help_heading = RUN)]
    pub config: Option<String>,
    /// Take `issuer-url` and targets in any repository from `config` although the event lets strangers decide what is
    /// checked out
    #[arg(long, value_name = "BOOLEAN", help_heading = RUN)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub trust_config: Option<String>,
    /// How to print the report: `text` or `json` [default: text]
    #[arg(long, value_name = "FORMAT", help_heading = RUN)]
    pub format: Option<String>,

    /// Keys older than this are reported
    #[arg(long, value_name = "DURATION", help_heading = AUDIT)]
    pub old_after: Option<String>,
    /// Keys not used for this long are reported
    #[arg(long, value_name = "DURATION", help_heading = AUDIT)]
    pub unused_after: Option<String>,
    /// Findings of this weight and above make the run fail: `never`, `warning`, `error`
    #[arg(long, value_name = "WEIGHT", help_heading = AUDIT)]
    pub fail_on: Option<String>,
    /// Also write the findings to this file as SARIF
    #[arg(long, value_name = "PATH", help_heading = AUDIT)]
    pub sarif_file: Option<String>,
    /// What becomes of keys not used for `unused-after`: `none`, `disable`, `delete`; the last two need `names`. Try
    /// it with `dry-run` first
    #[arg(long, value_name = "HOW", help_heading = AUDIT)]
    pub prune: Option<String>,
    /// Names of the keys that `prune` may touch, a comma or newline list; `*` stands for any text, `?` for one
    /// character
    #[arg(long, value_name = "LIST", help_heading = AUDIT)]
    pub names: Option<String>,

    /// The names of the inputs that have a value, by flag or variable; secrets aside.
    #[arg(skip)]
    pub given: BTreeSet<&'static str>,
}

/// The command line as clap knows it, each option's help ending in its default.
#[must_use]
pub fn command() -> Command {
    Inputs::command().mut_args(|arg| match doc_of(&arg) {
        Some(doc) => document(arg, doc),
        None => arg,
    })
}

/// The inputs as written: flags, and the variables of those that have no flag on this command line.
///
/// # Errors
/// What clap makes of the arguments, `--help` and `--version` included: nothing is printed and nothing exits here.
pub fn parse(surroundings: &Surroundings) -> Result<Inputs, clap::Error> {
    refuse_secrets(surroundings)?;
    let command = command().mut_args(|arg| match doc_of(&arg).and_then(|doc| surroundings.vars.get(&doc.variable())) {
        Some(value) if !value.trim().is_empty() => arg.default_value(value.clone()).hide_default_value(true),
        _ => arg,
    });
    let matches = command.try_get_matches_from(&surroundings.args)?;
    let mut inputs = Inputs::from_arg_matches(&matches)?;
    inputs.given = INPUTS.iter().filter(|doc| !doc.secret && is_given(&matches, doc)).map(|doc| doc.name).collect();
    Ok(inputs)
}

fn is_given(matches: &ArgMatches, doc: &InputDoc) -> bool {
    let values = matches.get_raw(&doc.name.replace('-', "_"));
    values.is_some_and(|mut values| values.any(|value| !value.to_string_lossy().trim().is_empty()))
}

fn doc_of(arg: &Arg) -> Option<&'static InputDoc> {
    input(&arg.get_id().as_str().replace('_', "-"))
}

fn document(arg: Arg, doc: &InputDoc) -> Arg {
    let mut help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    if doc.required {
        help.push_str(" [required]");
    }
    if let Some(default) = doc.default {
        help.push_str(&format!(" [default: {default}]"));
    }
    arg.help(help)
}

fn refuse_secrets(surroundings: &Surroundings) -> Result<(), clap::Error> {
    for arg in surroundings.args.iter().filter_map(|arg| arg.to_str()) {
        let name = arg.strip_prefix("--").map(|flag| flag.split('=').next().unwrap_or(flag));
        if let Some(doc) = name.and_then(input).filter(|doc| doc.secret) {
            return Err(command().error(ErrorKind::UnknownArgument, no_flag(doc)));
        }
    }
    Ok(())
}

/// Why a secret is no flag, and how it is given.
#[must_use]
pub fn no_flag(secret: &InputDoc) -> String {
    let own = secret.own_variable();
    format!(
        "`{}` is a secret and has no flag, since arguments can be read by others: set {own} or {own}_FILE",
        secret.name
    )
}

#[cfg(test)]
mod tests;
