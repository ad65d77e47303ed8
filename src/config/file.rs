//! The config file as it is written: which fields there are, what each rotation states. What it all means together with
//! the inputs is `rotations`'.

use std::io;
use std::path::Path;
use std::str;

use crate::config::fields::{Fields, Level};
use crate::config::problem::{Problem, Problems};
use crate::config::scalar::path;
use crate::config::shape::{
    Address, Amount, Chat, Count, Fate, Flag, Given, Grace, Issuer, KeyId, KeyName, Lifetime, Names, Reset, SecretName,
    Span, VariableName, Workflow, WorkspaceId, scalar,
};
use crate::config::yaml::{self, Field, Kind, Node, Place, Value};
use crate::regular;
use crate::secret::Secret;
use crate::store::target;

/// Thousands of rotations fit in; a file beyond it is another one than was meant.
const LARGEST_FILE: usize = 1024 * 1024;

/// Fields of one level, each with the name under which it is written.
macro_rules! fields {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $shape:ident = $written:literal,)* }) => {
        $(#[$about])*
        #[derive(Default)]
        #[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename_all = "kebab-case"))]
        pub(super) struct $name {
            $($(#[$doc])* pub(super) $field: Option<Given<$shape>>,)*
        }

        impl $name {
            pub(super) const NAMES: &[&str] = &[$($written),*];

            fn read(fields: &mut Fields<'_>, problems: &mut Problems) -> Self {
                Self { $($field: fields.take($written, problems),)* }
            }

            /// What is given, by its name.
            pub(super) fn given(&self) -> Vec<(&'static str, &str, Place)> {
                let all = [$(self.$field.as_ref().map(|given| ($written, given.text.as_str(), given.at))),*];
                all.into_iter().flatten().collect()
            }
        }
    };
}

fields! {
    /// What may stand at the top, for all rotations, and in each of them.
    Settings {
        /// Who issues the keys: `arouter` or `openrouter`. Default: `arouter`
        issuer: Issuer = "issuer",
        /// Base address of the issuer's API, with or without `/v1`. Default: the issuer's own
        issuer_url: Address = "issuer-url",
        /// Name of the secret in every target that does not say otherwise. Default: `AROUTER_API_KEY`
        secret_name: SecretName = "secret-name",
        /// Providers the new key may use: a list, `all`, or `inherit` from the key being replaced. Default: `inherit`
        allowed_providers: Names = "allowed-providers",
        /// Models the new key may use: a list, `all`, or `inherit`. Default: `inherit`
        allowed_models: Names = "allowed-models",
        /// Spending limit of the new key in USD, `none`, or `inherit`. Default: `inherit`
        spending_limit: Amount = "spending-limit",
        /// When the limit starts anew: `daily`, `weekly`, `monthly`, `none`, or `inherit`. Default: `inherit`
        limit_reset: Reset = "limit-reset",
        /// Lifetime of the new key: a duration, `never`, or `inherit`: as long as the old key's. Default: `inherit`
        expires_after: Lifetime = "expires-after",
        /// Rotate only when the current key is older than this. Default: `0s`
        rotate_after: Span = "rotate-after",
        /// How long a replaced key stays alive; if not stated, those of earlier runs still get 24 h. Default: `0s`
        grace_period: Grace = "grace-period",
        /// What becomes of replaced keys: `delete`, `disable`, or `keep` them and say so. Default: `delete`
        retire: Fate = "retire",
        /// The key has leaked: rotate whatever its age, without grace. Default: `false`
        leaked: Flag = "leaked",
        /// Also prove the new key with one small chat completion: a model's name, or `auto`
        verify_chat: Chat = "verify-chat",
        /// How long a new key may take to start working, 1s to 1h. Default: `60s`
        verify_timeout: Span = "verify-timeout",
        /// Fields of the new key that may hold what nobody asked for or confirms, and `guardrails`. Default: none
        accept_unconfirmed: Names = "accept-unconfirmed",
        /// Workflow file whose success is awaited before anything is retired
        canary: Workflow = "canary",
        /// For one HTTP request, 1s to 10m. Default: `30s`
        request_timeout: Span = "request-timeout",
        /// Targets written at once, 1 to 100. Default: `16`
        parallel: Count = "parallel",
        /// Read, decide, print the plan, change nothing. Default: `false`
        dry_run: Flag = "dry-run",
    }
}

fields! {
    /// What only the file can say, of an issuer that is not built yet.
    OpenRouter {
        /// For `openrouter`: the workspace in which keys are made and looked for
        workspace_id: WorkspaceId = "workspace-id",
        /// For `openrouter`: whether what is spent on keys of your own counts towards the limit
        include_byok_in_limit: Flag = "include-byok-in-limit",
    }
}

fields! {
    /// What each rotation says for itself alone.
    Own {
        /// The family of keys: new ones are named `<key-name>-<UTC date>-<six hex digits>`
        #[cfg_attr(test, schemars(required))]
        key_name: KeyName = "key-name",
        /// Name of the environment variable that holds the value in use, to recognise the key and to put it back
        current_key_env: VariableName = "current-key-env",
        /// Id (hash) of a hand-made key to replace
        replace_key_id: KeyId = "replace-key-id",
    }
}

static TOP: Level = Level {
    names: &[Settings::NAMES, OpenRouter::NAMES, &["rotations"]],
    place: "at the top",
    example: "rotations",
    elsewhere: EACH_ONES_OWN,
};
static ROTATION: Level = Level {
    names: &[Own::NAMES, &["targets"], Settings::NAMES, OpenRouter::NAMES],
    place: "in a rotation",
    example: "key-name",
    elsewhere: &[],
};

const EACH_ONES_OWN: &[&str] = &["key-name", "current-key-env", "replace-key-id", "targets"];

/// Where a rotation writes its key: a list of targets, or a text with one on each line.
pub(super) struct Targets {
    pub(super) at: Place,
    /// Each with the lines that it has.
    pub(super) lines: Vec<(String, Place)>,
}

/// One rotation.
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename_all = "kebab-case"))]
pub(super) struct Entry {
    #[cfg_attr(test, schemars(skip))]
    pub(super) at: Place,
    /// Something stands there for `key-name`, and what is wrong with it was told.
    #[cfg_attr(test, schemars(skip))]
    pub(super) named_wrongly: bool,
    #[cfg_attr(test, schemars(flatten))]
    pub(super) own: Own,
    /// Where to write the key, such as `repo:acme/app`. Default: the Actions secrets of the workflow's own repository
    pub(super) targets: Option<Targets>,
    #[cfg_attr(test, schemars(flatten))]
    pub(super) settings: Settings,
    #[cfg_attr(test, schemars(flatten))]
    pub(super) openrouter: OpenRouter,
}

/// A whole file.
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename_all = "kebab-case", title = "keyrotor config file"))]
pub(super) struct Config {
    #[cfg_attr(test, schemars(skip))]
    pub(super) path: String,
    /// Secrets that were written into the file.
    #[cfg_attr(test, schemars(skip))]
    pub(super) misplaced: Vec<Secret>,
    #[cfg_attr(test, schemars(flatten))]
    pub(super) settings: Settings,
    #[cfg_attr(test, schemars(flatten))]
    pub(super) openrouter: OpenRouter,
    /// The rotations, each independent of the others
    pub(super) rotations: Vec<Entry>,
}

/// Reads a file; `None` once a problem was noted that leaves nothing to look at. Problems of its parts are noted beside.
#[must_use]
pub(super) fn read(input: &str, problems: &mut Problems) -> Option<Config> {
    let path = problems.read("config", Some(input), path)?;
    let text = match read_file(&path) {
        Ok(text) => text,
        Err(message) => {
            problems.wrong("config", &regular::shown(&path), message);
            return None;
        }
    };
    of_text(path, &text, problems)
}

pub(super) fn read_file(path: &str) -> Result<String, String> {
    let bytes = regular::read(Path::new(path), LARGEST_FILE).map_err(|error| unreadable(&error))?;
    String::from_utf8(bytes.to_vec()).map_err(|error| {
        let before = str::from_utf8(error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default());
        let line = before.unwrap_or_default().lines().count().max(1);
        format!("the file is not text in UTF-8, from line {line} on")
    })
}

fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file; in a workflow, check the repository out first \
             (actions/checkout), and count the path from its root"
            .to_owned(),
        io::ErrorKind::FileTooLarge => "the file is larger than 1 MiB: it is another one than was meant".to_owned(),
        io::ErrorKind::IsADirectory => "this is a directory: expected a file".to_owned(),
        _ => format!("the file can't be read: {error}"),
    }
}

/// As [`read`], from the file's text.
pub(super) fn of_text(path: String, text: &str, problems: &mut Problems) -> Option<Config> {
    let (node, faults) = match yaml::parse(text) {
        Ok(parsed) => parsed,
        Err(fault) => {
            problems.push(Problem::new("config", fault.message).at(&path, fault.at));
            return None;
        }
    };
    for fault in faults {
        problems.push(Problem::new("config", fault.message).at(&path, fault.at));
    }
    let mut fields = Fields::of(&path, &node, &TOP, problems)?;
    let settings = Settings::read(&mut fields, problems);
    let openrouter = OpenRouter::read(&mut fields, problems);
    let rotations = rotations(&mut fields, problems);
    let misplaced = fields.finish(problems);
    let (rotations, secrets): (Vec<_>, Vec<_>) = rotations.into_iter().unzip();
    let misplaced = misplaced.into_iter().chain(secrets.into_iter().flatten()).collect();
    Some(Config { path, misplaced, settings, openrouter, rotations })
}

fn rotations(fields: &mut Fields<'_>, problems: &mut Problems) -> Vec<(Entry, Vec<Secret>)> {
    let Some(field) = fields.take_node("rotations") else {
        let message = "is required: the list of rotations, each with its `key-name`";
        problems.push(Problem::new("rotations", message).at(fields.path, fields.at));
        return Vec::new();
    };
    let wrong = match &field.node.value {
        Value::List(nodes) if nodes.is_empty() => "names no rotation".to_owned(),
        Value::List(nodes) => return nodes.iter().filter_map(|node| entry(fields.path, node, problems)).collect(),
        Value::Faulty => return Vec::new(),
        other => format!("is {}: expected a list, each rotation after a `-`", other.what()),
    };
    problems.push(Problem::new("rotations", wrong).at(fields.path, field.at));
    Vec::new()
}

fn entry(path: &str, node: &Node, problems: &mut Problems) -> Option<(Entry, Vec<Secret>)> {
    let mut fields = Fields::of(path, node, &ROTATION, problems)?;
    let is_named = fields.has("key-name");
    let own = Own::read(&mut fields, problems);
    let named_wrongly = is_named && own.key_name.is_none();
    let targets = targets(&mut fields, problems);
    let settings = Settings::read(&mut fields, problems);
    let openrouter = OpenRouter::read(&mut fields, problems);
    let misplaced = fields.finish(problems);
    Some((Entry { at: node.at, named_wrongly, own, targets, settings, openrouter }, misplaced))
}

/// The text of one target. A space behind its kind makes a mapping of it.
fn target_line(value: &Value) -> Result<String, String> {
    let kind = match value {
        Value::Map(fields) => fields.first().and_then(|field| target::Kind::of_word(&field.name)),
        _ => None,
    };
    kind.map_or_else(|| scalar(value, &[Kind::Text]), |kind| Err(target::spaced(kind)))
}

fn targets(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Targets> {
    let Field { at, node, .. } = fields.take_node("targets")?;
    let nodes = match &node.value {
        Value::List(nodes) => nodes.iter().collect(),
        _ => vec![node],
    };
    let mut lines = Vec::new();
    for node in nodes.iter().filter(|node| !matches!(node.value, Value::Faulty)) {
        match target_line(&node.value) {
            Ok(text) if !text.trim().is_empty() => lines.push((text, node.at)),
            Ok(_) => problems.push(Problem::new("targets", "an entry is empty").at(fields.path, node.at)),
            Err(message) => problems.push(Problem::new("targets", message).at(fields.path, node.at)),
        }
    }
    if nodes.is_empty() {
        problems.push(Problem::new("targets", "names no target").at(fields.path, *at));
    }
    Some(Targets { at: *at, lines })
}
