//! Where at GitHub a secret lives: the path of its calls, and which permission they need.

/// A place that keeps secrets and has a public key of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The Actions secrets of a repository.
    Repo {
        /// The account or organisation.
        owner: String,
        /// The repository's name.
        repo: String,
    },
    /// The secrets of a deployment environment.
    Env {
        /// The account or organisation.
        owner: String,
        /// The repository's name.
        repo: String,
        /// The environment's name.
        environment: String,
    },
    /// The Actions secrets of an organisation.
    Org {
        /// The organisation.
        org: String,
    },
    /// The Dependabot secrets of a repository.
    Dependabot {
        /// The account or organisation.
        owner: String,
        /// The repository's name.
        repo: String,
    },
    /// The Dependabot secrets of an organisation.
    DependabotOrg {
        /// The organisation.
        org: String,
    },
    /// The Codespaces secrets of a repository.
    Codespaces {
        /// The account or organisation.
        owner: String,
        /// The repository's name.
        repo: String,
    },
    /// The Codespaces secrets of an organisation.
    CodespacesOrg {
        /// The organisation.
        org: String,
    },
}

impl Place {
    /// What a target of its kind begins with.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Repo { .. } => "repo",
            Self::Env { .. } => "env",
            Self::Org { .. } => "org",
            Self::Dependabot { .. } => "dependabot",
            Self::DependabotOrg { .. } => "dependabot-org",
            Self::Codespaces { .. } => "codespaces",
            Self::CodespacesOrg { .. } => "codespaces-org",
        }
    }

    /// How the user writes it: `repo:acme/app`.
    #[must_use]
    pub fn target(&self) -> String {
        let kind = self.kind();
        match self {
            Self::Repo { owner, repo } | Self::Dependabot { owner, repo } | Self::Codespaces { owner, repo } => {
                format!("{kind}:{owner}/{repo}")
            }
            Self::Env { owner, repo, environment } => format!("{kind}:{owner}/{repo}/{environment}"),
            Self::Org { org } | Self::DependabotOrg { org } | Self::CodespacesOrg { org } => format!("{kind}:{org}"),
        }
    }

    /// The repository or organisation that a token has to be given for.
    pub(super) fn whose(&self) -> String {
        match self {
            Self::Repo { owner, repo }
            | Self::Env { owner, repo, .. }
            | Self::Dependabot { owner, repo }
            | Self::Codespaces { owner, repo } => format!("{owner}/{repo}"),
            Self::Org { org } | Self::DependabotOrg { org } | Self::CodespacesOrg { org } => org.clone(),
        }
    }

    /// The path below which its public key and its secrets are, in plain segments.
    pub(super) fn path(&self) -> Vec<&str> {
        match self {
            Self::Repo { owner, repo } => vec!["repos", owner, repo, "actions", "secrets"],
            Self::Env { owner, repo, environment } => {
                vec!["repos", owner, repo, "environments", environment, "secrets"]
            }
            Self::Org { org } => vec!["orgs", org, "actions", "secrets"],
            Self::Dependabot { owner, repo } => vec!["repos", owner, repo, "dependabot", "secrets"],
            Self::DependabotOrg { org } => vec!["orgs", org, "dependabot", "secrets"],
            Self::Codespaces { owner, repo } => vec!["repos", owner, repo, "codespaces", "secrets"],
            Self::CodespacesOrg { org } => vec!["orgs", org, "codespaces", "secrets"],
        }
    }

    /// What a fine-grained token or an App needs, by the names of GitHub's page "Permissions required for fine-grained
    /// personal access tokens", and the scope that a classic token needs.
    #[must_use]
    pub fn permission(&self) -> (&'static str, &'static str) {
        match self {
            Self::Repo { .. } => ("the repository permission \"Secrets\"", "repo"),
            Self::Env { .. } => ("the repository permission \"Environments\"", "repo"),
            Self::Org { .. } => ("the organization permission \"Secrets\"", "admin:org"),
            Self::Dependabot { .. } => ("the repository permission \"Dependabot secrets\"", "repo"),
            Self::DependabotOrg { .. } => {
                ("the organization permission \"Organization dependabot secrets\"", "admin:org")
            }
            Self::Codespaces { .. } => ("the repository permission \"Codespaces secrets\"", "repo"),
            Self::CodespacesOrg { .. } => {
                ("the organization permission \"Organization codespaces secrets\"", "admin:org")
            }
        }
    }

    /// The organisation whose secret has a scope: to which repositories it is shown.
    pub(super) fn organisation(&self) -> Option<&str> {
        match self {
            Self::Org { org } | Self::DependabotOrg { org } | Self::CodespacesOrg { org } => Some(org),
            Self::Repo { .. } | Self::Env { .. } | Self::Dependabot { .. } | Self::Codespaces { .. } => None,
        }
    }

    /// Owner and name of the repository that it belongs to.
    pub(super) fn repository(&self) -> Option<(&str, &str)> {
        match self {
            Self::Repo { owner, repo }
            | Self::Env { owner, repo, .. }
            | Self::Dependabot { owner, repo }
            | Self::Codespaces { owner, repo } => Some((owner, repo)),
            Self::Org { .. } | Self::DependabotOrg { .. } | Self::CodespacesOrg { .. } => None,
        }
    }

    /// Whether another place is the same: GitHub tells no difference by case.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.target().to_lowercase() == other.target().to_lowercase()
    }
}
