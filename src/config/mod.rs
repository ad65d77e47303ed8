//! From the process's surroundings to a validated request, or every problem at once. Nothing is contacted.

mod app;
pub mod audit;
mod base_url;
mod conflicts;
mod context;
mod fields;
mod file;
pub mod init;
mod issuer;
pub mod leaks;
mod list;
mod names;
pub mod notify;
mod openrouter;
mod policy;
mod problem;
pub mod receipt;
mod request;
mod rotations;
mod scalar;
#[cfg(test)]
mod schema;
mod secrets;
mod targets;
mod variable;
pub(crate) mod workflow;
mod yaml;
mod yaml_kinds;

use std::fmt;
use std::time::Duration;

use clap::builder::StyledStr;
use url::Url;

use crate::rotation::model::KeyId;
use crate::rotation::policy::Policy;
use crate::secret::Secret;
use crate::store::github::AppKey;
use crate::store::target::Target;
use audit::AuditSettings;
use init::InitSettings;
use leaks::WatchSettings;
use notify::NotifySettings;
use receipt::ReceiptSettings;

pub use crate::console::Format;
pub(crate) use conflicts::environments;
pub use problem::{Problem, hide_credentials};
pub use request::read;
pub(crate) use rotations::tell_of_others;

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Command {
    /// Make true what the rotations ask.
    Rotate,
    /// Look at everything that the rotations need.
    Doctor,
    /// Read and judge.
    Audit(AuditSettings),
    /// Look for leaked keys, and rotate those.
    WatchLeaks(WatchSettings),
    /// Take back a `retire: disable`.
    Reenable(KeyId),
    /// Read the receipt in this file.
    VerifyReceipt(String),
}

/// One rotation: what is asked of the key, and where it goes.
#[derive(Clone, Debug)]
pub struct RotationRequest {
    /// What is asked of the key.
    pub policy: Policy,
    /// Where it goes; never empty, no two the same. Selections are among them until a run knows what they stand for.
    pub targets: Vec<Target>,
    /// How to reach its issuer.
    pub issuer: IssuerSettings,
    /// Print the plan, change nothing.
    pub dry_run: bool,
}

/// Who issues the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IssuerKind {
    /// ARouter.
    Arouter,
    /// OpenRouter.
    OpenRouter {
        /// The workspace in which keys are made and looked for; `None`: the default one.
        workspace: Option<String>,
        /// Whether what the account's own provider keys pay for counts towards a key's limit; `None`: as the old key has
        /// it.
        include_byok: Option<bool>,
    },
}

impl IssuerKind {
    /// As the input `issuer` is written.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Arouter => "arouter",
            Self::OpenRouter { .. } => openrouter::WORD,
        }
    }

    /// The workspace in which keys are looked for, where one is named.
    #[must_use]
    pub fn workspace(&self) -> Option<&str> {
        match self {
            Self::Arouter => None,
            Self::OpenRouter { workspace, .. } => workspace.as_deref(),
        }
    }
}

/// How to reach the issuer.
#[derive(Clone, Debug)]
pub struct IssuerSettings {
    /// Who it is.
    pub kind: IssuerKind,
    /// The root of its API, without version; the path ends in `/`.
    pub url: Url,
    /// May create, list and delete keys; without it the current key does that.
    pub management_key: Option<Secret>,
    /// The key deployed now. It or the management key is there.
    pub current_key: Option<Secret>,
}

/// How to reach GitHub.
#[derive(Clone, Debug)]
pub struct GitHubSettings {
    /// The root of its API; the path ends in `/`.
    pub api_url: Url,
    /// The root of its pages, for links.
    pub web_url: Url,
    /// May write secrets. It or the App is there whenever a target lies at GitHub, and never both.
    pub token: Option<Secret>,
    /// A GitHub App that may write secrets.
    pub app: Option<AppKey>,
}

/// All that a run needs to know.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is to be done.
    pub command: Command,
    /// For `rotate`, `doctor` and `watch-leaks`: each of them, independently; never empty there.
    pub rotations: Vec<RotationRequest>,
    /// How to reach the issuer.
    pub issuer: IssuerSettings,
    /// How to reach GitHub.
    pub github: GitHubSettings,
    /// For one HTTP request, whatever the command.
    pub request_timeout: Duration,
    /// Print the plan, change nothing. For `rotate` each rotation says it itself.
    pub dry_run: bool,
    /// Whom to tell how the run ended.
    pub notify: Option<NotifySettings>,
    /// Where a receipt is left.
    pub receipt: Option<ReceiptSettings>,
    /// What looks odd without being wrong.
    pub warnings: Vec<Warning>,
}

/// Something that looks odd without being wrong, in one sentence without any secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The rotation of a config file that it is about; `None`: the whole run.
    pub rotation: Option<String>,
    /// What looks odd.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rotation {
            Some(rotation) => write!(f, "{rotation}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl From<String> for Warning {
    fn from(text: String) -> Self {
        Self { rotation: None, text }
    }
}

/// What the surroundings ask for.
#[derive(Debug)]
pub enum Asked {
    /// `--help`, `--version` and their like: print this and exit 0.
    Text(StyledStr),
    /// The inputs are wrong: report these and exit 2.
    Wrong(Vec<Problem>),
    /// Do this.
    Run(Box<Request>),
    /// Write a workflow.
    Init(Box<InitSettings>),
}

/// What was read, right or wrong.
#[derive(Debug)]
pub struct Reading {
    /// Every secret that was given: to be masked before anything is printed, also beside problems.
    pub secrets: Vec<Secret>,
    /// How the report is printed, also the one of problems.
    pub format: Format,
    /// What is asked for.
    pub asked: Asked,
}
