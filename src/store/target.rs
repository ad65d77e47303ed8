//! What a target is. How a user writes it is `grammar`'s; what stands behind the colon has a file for each system.

mod accept;
mod aws;
mod canary;
mod file;
mod grammar;
mod kind;
mod kubernetes;
mod locator;
mod place;
mod selection;
mod vault;
mod words;

use std::fmt;

use crate::secret::prefix;
use accept::Accepted;
pub use aws::{AwsParameter, AwsSecret};
pub use canary::Canary;
pub use file::FileVariable;
pub(crate) use grammar::spaced;
pub use grammar::{TargetProblem, parse};
pub use kind::Kind;
pub use kubernetes::{KubernetesKey, Workload, WorkloadKind};
pub(crate) use locator::{is_owner, is_repository};
pub use place::{Place, PlaceKind, Reach, Row};
pub use selection::{Selection, Visibility};
pub use vault::VaultField;

/// Shorter ones are names.
const SHORTEST_VALUE: usize = 20;

/// Whether this is most likely a key or token, put where the name of one belongs: it would go into addresses and reports.
pub(super) fn is_a_value(text: &str) -> bool {
    text.len() >= SHORTEST_VALUE && prefix::is_key_or_token(text)
}

/// A secret's name as GitHub takes it: letters, digits, `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretName(String);

impl SecretName {
    /// Reads a name.
    ///
    /// # Errors
    /// What is accepted.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err("expected a secret's name: letters, digits and `_`".to_owned());
        }
        if is_a_value(text) {
            return Err("this is a key or token itself: expected the name under which it is stored".to_owned());
        }
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return Err("a secret's name can't begin with a digit".to_owned());
        }
        if text.to_ascii_uppercase().starts_with("GITHUB_") {
            return Err("GitHub keeps names that begin with `GITHUB_` to itself".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// As the user wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One place that is to hold the key. `Display` is how a user would write this one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A secret at GitHub.
    GitHub(GitHubTarget),
    /// The same secret in every repository of an owner that fits. A run knows which those are before it opens a store.
    Selection(Selection),
    /// One key of a Kubernetes Secret.
    Kubernetes(KubernetesKey),
    /// One field of a Vault KV secret.
    Vault(VaultField),
    /// An AWS secret.
    Aws(AwsSecret),
    /// A parameter of AWS Systems Manager.
    AwsSsm(AwsParameter),
    /// One variable of a `.env` file.
    File(FileVariable),
}

/// A secret at GitHub: a place, and the secret's name there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitHubTarget {
    /// Where.
    pub place: Place,
    /// What is asked of an organisation's secret; `None`: it stays as it is.
    pub reach: Option<Reach>,
    /// Under which name.
    pub secret: SecretName,
    /// The name was written beside the place (`secret=`).
    own_name: bool,
    /// The workflow that is to succeed with the new key.
    pub canary: Option<Canary>,
    accepted: Accepted,
}

impl GitHubTarget {
    /// Names beside it that are no misspelling of its own (`accept=`).
    #[must_use]
    pub fn accepted(&self) -> &[String] {
        self.accepted.names()
    }

    /// The words behind the locator, each with a space before it.
    fn words(&self) -> String {
        let reach = self.reach.iter().map(|reach| format!(" {reach}"));
        let secret = self.own_name.then(|| format!(" secret={}", self.secret));
        let canary = self.canary.iter().map(|canary| format!(" {canary}"));
        reach.chain(secret).chain(canary).chain([self.accepted.to_string()]).collect()
    }
}

impl Target {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::GitHub(target) => Kind::GitHub(target.place.kind()),
            Self::Selection(selection) => Kind::GitHub(selection.like.place.kind()),
            Self::Kubernetes(_) => Kind::Kubernetes,
            Self::Vault(_) => Kind::Vault,
            Self::Aws(_) => Kind::AwsSecretsManager,
            Self::AwsSsm(_) => Kind::AwsSsm,
            Self::File(_) => Kind::File,
        }
    }

    /// The target, where it lies at GitHub.
    #[must_use]
    pub fn at_github(&self) -> Option<&GitHubTarget> {
        match self {
            Self::GitHub(target) => Some(target),
            _ => None,
        }
    }

    /// The target, where it lies at GitHub, or what each is like of those that it stands for.
    #[must_use]
    pub fn at_github_or_like(&self) -> Option<&GitHubTarget> {
        match self {
            Self::GitHub(target) => Some(target),
            Self::Selection(selection) => Some(selection.like()),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub fn at_github_or_like_mut(&mut self) -> Option<&mut GitHubTarget> {
        match self {
            Self::GitHub(target) => Some(target),
            Self::Selection(selection) => Some(selection.like_mut()),
            _ => None,
        }
    }

    /// What stands for many targets.
    #[must_use]
    pub fn selection(&self) -> Option<&Selection> {
        match self {
            Self::Selection(selection) => Some(selection),
            _ => None,
        }
    }

    /// For logs and reports: `repo:acme/app AROUTER_API_KEY`, `file:.env#AROUTER_API_KEY`.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::GitHub(target) => format!("{} {}", target.place, target.secret),
            Self::Selection(selection) => selection.label(),
            Self::Kubernetes(target) => target.to_string(),
            Self::Vault(target) => target.to_string(),
            Self::Aws(target) => target.to_string(),
            Self::AwsSsm(target) => target.to_string(),
            Self::File(target) => target.to_string(),
        }
    }

    /// Equal for two targets that are the same secret, however they are written.
    #[must_use]
    pub fn identity(&self) -> String {
        match self {
            // GitHub tells no difference by case, neither of names nor of environments. Nobody else is so kind.
            Self::GitHub(_) | Self::Selection(_) => self.label().to_lowercase(),
            Self::Aws(target) => target.identity(),
            Self::File(target) => target.identity(),
            Self::Kubernetes(_) | Self::Vault(_) | Self::AwsSsm(_) => self.label(),
        }
    }
}

impl Target {
    /// The file that a target lies in, the same for every path that leads to it now, and its path as the user wrote it.
    #[must_use]
    pub fn file_here(&self) -> Option<(String, &str)> {
        match self {
            Self::File(target) => Some((target.file_here(), &target.path)),
            _ => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GitHub(target) => write!(f, "{target}"),
            Self::Selection(selection) => write!(f, "{selection}"),
            Self::Kubernetes(target) => write!(f, "{target}{}", target.words()),
            Self::Vault(target) => write!(f, "{target}{}", target.words()),
            Self::Aws(target) => write!(f, "{target}{}", target.words()),
            Self::AwsSsm(target) => write!(f, "{target}{}", target.words()),
            Self::File(target) => write!(f, "{target}{}", target.words()),
        }
    }
}

impl fmt::Display for GitHubTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.place, self.words())
    }
}
