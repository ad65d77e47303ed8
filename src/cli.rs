//! The inputs as a person meets them: flags, the runner's `INPUT_*` variables, `--help`.
//!
//! Everything is taken as text; what it means, and whether it is right, is `config`'s.

mod help;
mod inputs;
mod surroundings;

use std::collections::BTreeSet;

use clap::builder::{Resettable, StyledStr};
use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Command, CommandFactory as _, FromArgMatches as _, Parser, ValueHint};

pub use help::{about_itself, commands, help};
pub use inputs::{INPUTS, InputDoc, Task, input};
pub use surroundings::Surroundings;

const RIGHTS: &str = "Rights of the new key";
const WHEN: &str = "When to rotate, and what becomes of the old key";
const PROOF: &str = "Proof that the new key works";
const TARGETS: &str = "Where the key is written";
const RUN: &str = "The run";
const ISSUER: &str = "The issuer";
const INIT: &str = "The workflow";
const AUDIT: &str = "What the audit looks for";

/// Every input that has a flag, as it was written, flag before variable.
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "keyrotor", version, no_binary_name = true)]
pub struct Inputs {
    /// What to do
    pub command: Option<String>,
    /// Id of the key to enable again
    #[arg(value_name = "KEY-ID")]
    pub key_id: Option<String>,

    /// Name of the family of keys
    ///
    /// New keys are called `<key-name>-<UTC date>-<six hex digits>`. One name belongs to one rotation of one account.
    #[arg(long, value_name = "NAME")]
    pub key_name: Option<String>,
    /// Id of a hand-made key to adopt
    ///
    /// Ignored once a key of the family has replaced it.
    #[arg(long, value_name = "ID")]
    pub replace_key_id: Option<String>,

    /// Where to write the key: `repo:OWNER/NAME`, `env:…`, `org:…`
    ///
    /// One per line or flag; several names after a comma: `repo:OWNER/NAME,NAME`. Kinds: `repo:OWNER/NAME`,
    /// `env:OWNER/NAME/ENVIRONMENT`, `org:ORG`, `dependabot:OWNER/NAME`, `dependabot-org:ORG`, `codespaces:OWNER/NAME`,
    /// `codespaces-org:ORG`, `agents:OWNER/NAME`, `agents-org:ORG`, `kubernetes:NAMESPACE/NAME#KEY`,
    /// `vault:MOUNT/PATH#FIELD`, `aws-secretsmanager:NAME_OR_ARN[#JSON_FIELD]`, `file:PATH[#VARIABLE]`.
    ///
    /// `repo:OWNER/*` is every repository of an owner, narrowed by `topic=TOPIC`, `visibility=private` and
    /// `except=NAME,NAME`.
    ///
    /// Words may follow, such as `secret=NAME`, `visibility=selected repos=NAME,NAME`, `restart=deployment/NAME`,
    /// `role=NAME`.
    #[arg(long, value_name = "TARGET", help_heading = TARGETS)]
    pub targets: Vec<String>,
    /// File with more targets, one per line
    ///
    /// Blank lines and those that begin with `#` are skipped.
    #[arg(long, value_name = "PATH", help_heading = TARGETS, value_hint = ValueHint::FilePath)]
    pub targets_file: Option<String>,
    /// Name of the secret in every target
    ///
    /// A target may say otherwise with `secret=NAME`. With OpenRouter the default is OPENROUTER_API_KEY.
    #[arg(long, value_name = "NAME", help_heading = TARGETS)]
    pub secret_name: Option<String>,
    /// Client id of a GitHub App that may write secrets
    ///
    /// Or its number. Takes the place of `github-token`, and needs `app-private-key`.
    #[arg(long, value_name = "ID", help_heading = TARGETS)]
    pub app_client_id: Option<String>,
    /// Targets written at once, 1 to 100
    #[arg(long, value_name = "NUMBER", help_heading = TARGETS)]
    pub parallel: Option<String>,

    /// Providers that the new key may use
    ///
    /// A comma or newline list, `all`, or `inherit` from the key being replaced.
    #[arg(long, value_name = "LIST", help_heading = RIGHTS)]
    pub allowed_providers: Option<String>,
    /// Models that the new key may use
    ///
    /// A comma or newline list, `all`, or `inherit`.
    #[arg(long, value_name = "LIST", help_heading = RIGHTS)]
    pub allowed_models: Option<String>,
    /// Spending limit in USD, or `none`
    ///
    /// `inherit` takes what is left of a limit that never starts anew.
    #[arg(long, value_name = "USD", help_heading = RIGHTS, allow_negative_numbers = true)]
    pub spending_limit: Option<String>,
    /// When the limit starts anew
    ///
    /// `daily`, `weekly`, `monthly`, `none`, or `inherit`.
    #[arg(long, value_name = "WHEN", help_heading = RIGHTS)]
    pub limit_reset: Option<String>,
    /// Lifetime of the new key
    ///
    /// A duration, `never`, or `inherit`: the lifetime that the old key had, not its date.
    #[arg(long, value_name = "TIME", help_heading = RIGHTS)]
    pub expires_after: Option<String>,

    /// Rotate only when the current key is older
    #[arg(long, value_name = "TIME", help_heading = WHEN)]
    pub rotate_after: Option<String>,
    /// Rotate whatever the key's age
    ///
    /// As if `rotate-after` were 0s, in every rotation of `config` too. For a button beside a schedule.
    #[arg(long, value_name = "BOOLEAN", help_heading = WHEN)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub rotate_now: Option<String>,
    /// How long a replaced key stays alive
    ///
    /// It counts from the time when its successor was in place everywhere; a later run retires the key. `drain`: until
    /// every workflow run that began before has finished. Without this input, keys that earlier runs replaced still get
    /// 24 h without use.
    #[arg(long, value_name = "TIME", help_heading = WHEN)]
    pub grace_period: Option<String>,
    /// What becomes of replaced keys
    ///
    /// `delete`, `disable`, or `keep` them and say so.
    #[arg(long, value_name = "HOW", help_heading = WHEN)]
    pub retire: Option<String>,
    /// The key has leaked
    ///
    /// Rotate whatever its age, without grace, and delete it even if it is in use.
    #[arg(long, value_name = "BOOLEAN", help_heading = WHEN)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub leaked: Option<String>,

    /// Also try the new key with one chat completion
    ///
    /// A model's name, or `auto`.
    #[arg(long, value_name = "MODEL", help_heading = PROOF)]
    pub verify_chat: Option<String>,
    /// How long a new key may take to work, 1s to 1h
    #[arg(long, value_name = "TIME", help_heading = PROOF)]
    pub verify_timeout: Option<String>,
    /// Fields of the new key that nobody has to confirm
    ///
    /// A comma or newline list of fields, such as `scopes`, that may hold what nobody asked for or confirms.
    /// `guardrails`: those of OpenRouter.
    #[arg(long, value_name = "LIST", help_heading = PROOF)]
    pub accept_unconfirmed: Option<String>,
    /// Workflow that has to succeed before a key is retired
    ///
    /// A file such as `smoke.yml`, or `smoke.yml timeout=20m`, which is dispatched in the targets' repositories once
    /// the key is written.
    #[arg(long, value_name = "WORKFLOW", help_heading = PROOF)]
    pub canary: Option<String>,

    /// Who issues the keys: `arouter` or `openrouter`
    #[arg(long, value_name = "NAME", help_heading = ISSUER)]
    pub issuer: Option<String>,
    /// Base address of the issuer's API
    ///
    /// With or without `/v1`. OpenRouter's own is `https://openrouter.ai`.
    #[arg(long, value_name = "URL", help_heading = ISSUER)]
    pub issuer_url: Option<String>,
    /// For one HTTP request, 1s to 10m
    #[arg(long, value_name = "TIME", help_heading = ISSUER)]
    pub request_timeout: Option<String>,

    /// Print the plan, change nothing
    #[arg(long, value_name = "BOOLEAN", help_heading = RUN)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub dry_run: Option<String>,
    /// YAML file with many rotations
    ///
    /// It states `key-name` and `targets` of each.
    #[arg(long, value_name = "PATH", help_heading = RUN, value_hint = ValueHint::FilePath)]
    pub config: Option<String>,
    /// Trust `config` on events of strangers
    ///
    /// Take `issuer-url` and targets in any repository from it although the event lets strangers decide what is checked
    /// out.
    #[arg(long, value_name = "BOOLEAN", help_heading = RUN)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub trust_config: Option<String>,
    /// How to print the report: `text` or `json` [default: text]
    #[arg(long, value_name = "FORMAT", help_heading = RUN)]
    pub format: Option<String>,

    /// Repository that gets the workflow [default: that of git's remote `origin`]
    #[arg(long, value_name = "OWNER/NAME", help_heading = INIT)]
    pub repository: Option<String>,
    /// Environment that holds the secrets, or `none` [default: rotation]
    #[arg(long, value_name = "NAME", help_heading = INIT)]
    pub environment: Option<String>,
    /// When it runs: the five fields of cron, in UTC [default: once a day]
    #[arg(long, value_name = "CRON", help_heading = INIT)]
    pub schedule: Option<String>,
    /// Write the workflow to stdout, and no file
    #[arg(long, value_name = "BOOLEAN", help_heading = INIT)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub print: Option<String>,
    /// Write over a file that exists
    #[arg(long, value_name = "BOOLEAN", help_heading = INIT)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub force: Option<String>,

    /// Report keys older than this
    #[arg(long, value_name = "TIME", help_heading = AUDIT)]
    pub old_after: Option<String>,
    /// Report keys not used for this long
    #[arg(long, value_name = "TIME", help_heading = AUDIT)]
    pub unused_after: Option<String>,
    /// Exit 3 on findings of this weight and above
    ///
    /// `never`, `warning`, `error`.
    #[arg(long, value_name = "WEIGHT", help_heading = AUDIT)]
    pub fail_on: Option<String>,
    /// Also write the findings to this file as SARIF
    #[arg(long, value_name = "PATH", help_heading = AUDIT, value_hint = ValueHint::FilePath)]
    pub sarif_file: Option<String>,
    /// What becomes of keys not used for `unused-after`
    ///
    /// `none`, `disable`, `delete`; the last two need `names`. Try it with `dry-run` first.
    #[arg(long, value_name = "HOW", help_heading = AUDIT)]
    pub prune: Option<String>,
    /// Names of the keys that `prune` may touch
    ///
    /// A comma or newline list; `*` stands for any text, `?` for one character.
    #[arg(long, value_name = "LIST", help_heading = AUDIT)]
    pub names: Option<String>,

    /// The names of the inputs that have a value, by flag or variable; secrets aside.
    #[arg(skip)]
    pub given: BTreeSet<&'static str>,
}

/// The flags that are no inputs of the action: they have a meaning for `init` alone.
pub const OF_INIT: [&str; 5] = ["repository", "environment", "schedule", "print", "force"];

impl Inputs {
    /// Which of [`OF_INIT`] were given.
    pub fn given_to_init(&self) -> impl Iterator<Item = &'static str> {
        let given = [&self.repository, &self.environment, &self.schedule, &self.print, &self.force];
        OF_INIT.into_iter().zip(given).filter(|(_, given)| given.is_some()).map(|(name, _)| name)
    }
}

/// The command line as it is read: every option of every command, each option's help ending in its default.
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
    let mut note = String::new();
    if doc.required {
        note.push_str(" [required]");
    }
    if let Some(default) = doc.default {
        note.push_str(&format!(" [default: {default}]"));
    }
    let with_note =
        |help: Option<&StyledStr>| Resettable::from(help.map(|help| StyledStr::from(format!("{help}{note}"))));
    let (short, long) = (with_note(arg.get_help()), with_note(arg.get_long_help()));
    arg.help(short).long_help(long)
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
