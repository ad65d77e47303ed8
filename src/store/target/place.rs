//! Where a secret lies, and what is asked of an organisation's.

use std::fmt;

use super::Kind;

/// Which repositories an organisation's secret is asked to reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// All of them.
    All,
    /// The private and internal ones.
    Private,
    /// These, by name without the organisation; where none is named, those that it reaches already.
    Selected(Vec<String>),
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("visibility=all"),
            Self::Private => f.write_str("visibility=private"),
            Self::Selected(names) if names.is_empty() => f.write_str("visibility=selected"),
            Self::Selected(names) => write!(f, "visibility=selected repos={}", names.join(",")),
        }
    }
}

/// Where a secret lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The Actions secrets of a repository.
    Repo {
        /// User or organisation.
        owner: String,
        /// The repository's name without its owner.
        name: String,
    },
    /// The secrets of a deployment environment.
    Env {
        /// User or organisation.
        owner: String,
        /// The repository's name without its owner.
        name: String,
        /// The environment's name; it may have slashes and spaces in it.
        environment: String,
    },
    /// The Actions secrets of an organisation.
    Org {
        /// The organisation.
        org: String,
        /// What is asked of the secret's reach; `None`: it stays as it is.
        reach: Option<Reach>,
    },
    /// The Dependabot secrets of a repository.
    Dependabot {
        /// User or organisation.
        owner: String,
        /// The repository's name without its owner.
        name: String,
    },
    /// The Dependabot secrets of an organisation.
    DependabotOrg {
        /// The organisation.
        org: String,
        /// What is asked of the secret's reach; `None`: it stays as it is.
        reach: Option<Reach>,
    },
    /// The Codespaces secrets of a repository.
    Codespaces {
        /// User or organisation.
        owner: String,
        /// The repository's name without its owner.
        name: String,
    },
    /// The Codespaces secrets of an organisation.
    CodespacesOrg {
        /// The organisation.
        org: String,
        /// What is asked of the secret's reach; `None`: it stays as it is.
        reach: Option<Reach>,
    },
}

impl Place {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Repo { .. } => Kind::Repo,
            Self::Env { .. } => Kind::Env,
            Self::Org { .. } => Kind::Org,
            Self::Dependabot { .. } => Kind::Dependabot,
            Self::DependabotOrg { .. } => Kind::DependabotOrg,
            Self::Codespaces { .. } => Kind::Codespaces,
            Self::CodespacesOrg { .. } => Kind::CodespacesOrg,
        }
    }

    /// What is asked of an organisation's secret; `None` for every other place too.
    #[must_use]
    pub fn reach(&self) -> Option<&Reach> {
        match self {
            Self::Org { reach, .. } | Self::DependabotOrg { reach, .. } | Self::CodespacesOrg { reach, .. } => {
                reach.as_ref()
            }
            Self::Repo { .. } | Self::Env { .. } | Self::Dependabot { .. } | Self::Codespaces { .. } => None,
        }
    }
}

/// Kind and locator, without the words.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.kind())?;
        match self {
            Self::Repo { owner, name } | Self::Dependabot { owner, name } | Self::Codespaces { owner, name } => {
                write!(f, "{owner}/{name}")
            }
            Self::Env { owner, name, environment } => write!(f, "{owner}/{name}/{environment}"),
            Self::Org { org, .. } | Self::DependabotOrg { org, .. } | Self::CodespacesOrg { org, .. } => {
                f.write_str(org)
            }
        }
    }
}
