//! The kinds of target: the one table of what each is called, how it is written, and in which builds it is.

use std::fmt;

use super::PlaceKind;

/// Every kind of target that can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A secret at GitHub.
    GitHub(PlaceKind),
    /// One key of a Kubernetes Secret.
    Kubernetes,
    /// One field of a Vault KV secret.
    Vault,
    /// An AWS secret.
    AwsSecretsManager,
    /// A parameter of AWS Systems Manager.
    AwsSsm,
    /// One variable of a `.env` file.
    File,
}

impl Kind {
    /// Every kind, in the order in which they are documented.
    pub const ALL: [Self; 14] = [
        Self::GitHub(PlaceKind::Repo),
        Self::GitHub(PlaceKind::Env),
        Self::GitHub(PlaceKind::Org),
        Self::GitHub(PlaceKind::Dependabot),
        Self::GitHub(PlaceKind::DependabotOrg),
        Self::GitHub(PlaceKind::Codespaces),
        Self::GitHub(PlaceKind::CodespacesOrg),
        Self::GitHub(PlaceKind::Agents),
        Self::GitHub(PlaceKind::AgentsOrg),
        Self::Kubernetes,
        Self::Vault,
        Self::AwsSecretsManager,
        Self::AwsSsm,
        Self::File,
    ];

    /// What stands before the colon.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::GitHub(kind) => kind.row().word,
            Self::Kubernetes => "kubernetes",
            Self::Vault => "vault",
            Self::AwsSecretsManager => "aws-secretsmanager",
            Self::AwsSsm => "aws-ssm",
            Self::File => "file",
        }
    }

    /// The kind of this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// What stands behind the colon.
    #[must_use]
    pub fn locator(self) -> &'static str {
        match self {
            Self::GitHub(PlaceKind::Env) => "OWNER/NAME/ENVIRONMENT",
            Self::GitHub(kind) if kind.row().of_organisation => "ORG",
            Self::GitHub(_) => "OWNER/NAME",
            Self::Kubernetes => "NAMESPACE/NAME#KEY",
            Self::Vault => "MOUNT/PATH#FIELD",
            Self::AwsSecretsManager => "NAME_OR_ARN[#JSON_FIELD]",
            Self::AwsSsm => "NAME",
            Self::File => "PATH[#VARIABLE]",
        }
    }

    /// The `key=value` words that may follow.
    #[must_use]
    pub fn words(self) -> &'static [&'static str] {
        match self {
            Self::GitHub(PlaceKind::Repo) => {
                &["secret", "canary", "canary-timeout", "accept", "topic", "visibility", "except"]
            }
            Self::GitHub(kind) if kind.row().in_workflows => &["secret", "canary", "canary-timeout", "accept"],
            Self::GitHub(kind) if kind.row().of_organisation => &["secret", "visibility", "repos", "accept"],
            Self::GitHub(_) | Self::File => &["secret", "accept"],
            Self::Kubernetes => &["restart", "rollout-timeout", "accept"],
            Self::Vault => &["role", "jwt-mount", "accept"],
            Self::AwsSecretsManager | Self::AwsSsm => &["accept"],
        }
    }

    /// Whether white space may stand in the locator, so that only what looks like a word ends it.
    #[must_use]
    pub(super) fn may_have_spaces(self) -> bool {
        matches!(self, Self::GitHub(PlaceKind::Env) | Self::File)
    }

    /// The Cargo feature without which a build leaves it out; `None` for GitHub's, which every build has.
    #[must_use]
    pub fn feature(self) -> Option<&'static str> {
        match self {
            Self::Kubernetes => Some("kubernetes"),
            Self::Vault => Some("vault"),
            Self::AwsSecretsManager | Self::AwsSsm => Some("aws"),
            Self::File => Some("file"),
            _ => None,
        }
    }

    /// Whether this build has it.
    #[must_use]
    pub fn is_in_this_build(self) -> bool {
        let features = [
            ("aws", cfg!(feature = "aws")),
            ("file", cfg!(feature = "file")),
            ("kubernetes", cfg!(feature = "kubernetes")),
            ("vault", cfg!(feature = "vault")),
        ];
        self.feature().is_none_or(|feature| features.contains(&(feature, true)))
    }

    /// Variables from which the kind's own tools take a credential: to be masked wherever a target is of this kind.
    #[must_use]
    pub fn secret_variables(self) -> &'static [&'static str] {
        match self {
            Self::Vault => &["VAULT_TOKEN", "BAO_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"],
            Self::AwsSecretsManager | Self::AwsSsm => {
                &["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN"]
            }
            _ => &[],
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
