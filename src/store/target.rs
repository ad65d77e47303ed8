//! What a target is: a place, and the secret's name there. How a user writes it is `grammar`'s.

mod grammar;
mod locator;
mod place;

use std::fmt;

pub use grammar::{TargetProblem, parse};
pub use place::{Place, Reach};

/// Every kind of target that can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Actions secret of a repository.
    Repo,
    /// Secret of a deployment environment.
    Env,
    /// Actions secret of an organisation.
    Org,
    /// Dependabot secret of a repository.
    Dependabot,
    /// Dependabot secret of an organisation.
    DependabotOrg,
    /// Codespaces secret of a repository.
    Codespaces,
    /// Codespaces secret of an organisation.
    CodespacesOrg,
    /// One key of a Kubernetes Secret.
    Kubernetes,
    /// One field of a Vault KV secret.
    Vault,
    /// An AWS secret.
    AwsSecretsManager,
    /// One variable of a `.env` file.
    File,
}

impl Kind {
    /// Every kind, in the order in which they are documented.
    pub const ALL: [Self; 11] = [
        Self::Repo,
        Self::Env,
        Self::Org,
        Self::Dependabot,
        Self::DependabotOrg,
        Self::Codespaces,
        Self::CodespacesOrg,
        Self::Kubernetes,
        Self::Vault,
        Self::AwsSecretsManager,
        Self::File,
    ];

    /// What stands before the colon.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Repo => "repo",
            Self::Env => "env",
            Self::Org => "org",
            Self::Dependabot => "dependabot",
            Self::DependabotOrg => "dependabot-org",
            Self::Codespaces => "codespaces",
            Self::CodespacesOrg => "codespaces-org",
            Self::Kubernetes => "kubernetes",
            Self::Vault => "vault",
            Self::AwsSecretsManager => "aws-secretsmanager",
            Self::File => "file",
        }
    }

    /// What stands behind the colon.
    #[must_use]
    pub fn locator(self) -> &'static str {
        match self {
            Self::Repo | Self::Dependabot | Self::Codespaces => "OWNER/NAME",
            Self::Env => "OWNER/NAME/ENVIRONMENT",
            Self::Org | Self::DependabotOrg | Self::CodespacesOrg => "ORG",
            Self::Kubernetes => "NAMESPACE/NAME#KEY",
            Self::Vault => "MOUNT/PATH#FIELD",
            Self::AwsSecretsManager => "NAME_OR_ARN[#JSON_FIELD]",
            Self::File => "PATH[#VARIABLE]",
        }
    }

    /// The `key=value` words that may follow.
    #[must_use]
    pub fn words(self) -> &'static [&'static str] {
        match self {
            Self::Repo | Self::Env | Self::Dependabot | Self::Codespaces | Self::File => &["secret"],
            Self::Org | Self::DependabotOrg | Self::CodespacesOrg => &["secret", "visibility", "repos"],
            Self::Kubernetes => &["restart", "rollout-timeout"],
            Self::Vault => &["role", "jwt-mount"],
            Self::AwsSecretsManager => &[],
        }
    }

    /// Whether this version can write to it.
    #[must_use]
    pub fn is_built(self) -> bool {
        !matches!(self, Self::Kubernetes | Self::Vault | Self::AwsSecretsManager | Self::File)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// How keys and tokens begin that hold nothing but letters, digits and `_`: one put here by mistake would go into
/// addresses and reports.
const VALUE_PREFIXES: [&str; 8] = ["lr_live_", "lr_mgmt_", "lr_admin_", "lr_sub_", "ghp_", "gho_", "ghu_", "ghs_"];
/// Shorter ones are names.
const SHORTEST_VALUE: usize = 20;

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
        if text.len() >= SHORTEST_VALUE && VALUE_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
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
pub struct Target {
    /// Where.
    pub place: Place,
    /// Under which name.
    pub secret: SecretName,
    /// The name was written beside the place (`secret=`).
    own_name: bool,
}

impl Target {
    /// A target under the secret's name that applies to all.
    #[must_use]
    pub fn new(place: Place, secret: SecretName) -> Self {
        Self { place, secret, own_name: false }
    }

    /// For logs and reports: `repo:acme/app AROUTER_API_KEY`.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{} {}", self.place, self.secret)
    }

    /// Equal for two targets that are the same secret, however they are written.
    #[must_use]
    pub fn identity(&self) -> String {
        // GitHub tells no difference by case, neither of names nor of environments.
        self.label().to_lowercase()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.place)?;
        if let Some(reach) = self.place.reach() {
            write!(f, " {reach}")?;
        }
        if self.own_name { write!(f, " secret={}", self.secret) } else { Ok(()) }
    }
}
