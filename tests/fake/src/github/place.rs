//! Places that keep secrets, each with a public key of its own, and the permission that each asks for.

use crate::aws::PARAMETER;
use std::fmt;
use std::str::FromStr;

/// Where secrets are kept. Names are kept in lower case, since GitHub tells no difference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Place {
    /// The Actions secrets of a repository, by `owner/name`.
    Repo(String),
    /// The secrets of a deployment environment, by `owner/name` and its own name.
    Env(String, String),
    /// The Actions secrets of an organisation.
    Org(String),
    /// The Dependabot secrets of a repository, by `owner/name`.
    Dependabot(String),
    /// The Dependabot secrets of an organisation.
    DependabotOrg(String),
    /// The Codespaces secrets of a repository, by `owner/name`.
    Codespaces(String),
    /// The Codespaces secrets of an organisation.
    CodespacesOrg(String),
    /// The agent secrets of a repository, by `owner/name`.
    Agents(String),
    /// The agent secrets of an organisation.
    AgentsOrg(String),
    /// A field of a secret in Vault, which is none of GitHub's.
    Vault {
        /// Mount and path.
        path: String,
        /// The field.
        field: String,
    },
    /// A key of a Kubernetes Secret, which is none of GitHub's.
    Kubernetes {
        /// The namespace.
        namespace: String,
        /// The Secret.
        name: String,
        /// The key in its data.
        key: String,
    },
    /// A variable of a `.env` file, which is none of GitHub's.
    File {
        /// Where it lies, from the folder in which the client runs.
        path: String,
        /// The variable.
        variable: String,
    },
    /// A secret at AWS, or a field of its JSON, which is none of GitHub's.
    Aws {
        /// Its name.
        id: String,
        /// The field.
        field: Option<String>,
    },
}

/// What a fine-grained token is given, by GitHub's words in `X-Accepted-GitHub-Permissions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Actions secrets of repositories.
    Secrets,
    /// Secrets of environments.
    Environments,
    /// Actions secrets of organisations.
    OrganizationSecrets,
    /// Dependabot secrets of repositories.
    DependabotSecrets,
    /// Dependabot secrets of organisations.
    OrganizationDependabotSecrets,
    /// Codespaces secrets of repositories.
    CodespacesSecrets,
    /// Codespaces secrets of organisations.
    OrganizationCodespacesSecrets,
    /// Agent secrets of repositories.
    AgentSecrets,
    /// Agent secrets of organisations.
    OrganizationAgentSecrets,
    /// Listing environments.
    Actions,
    /// Variables of repositories.
    Variables,
    /// Files of repositories.
    Contents,
    /// Alerts of secret scanning.
    SecretScanningAlerts,
    /// Seeing that a repository exists.
    Metadata,
}

impl Permission {
    /// Every one.
    pub const ALL: [Self; 14] = [
        Self::Secrets,
        Self::Environments,
        Self::OrganizationSecrets,
        Self::DependabotSecrets,
        Self::OrganizationDependabotSecrets,
        Self::CodespacesSecrets,
        Self::OrganizationCodespacesSecrets,
        Self::AgentSecrets,
        Self::OrganizationAgentSecrets,
        Self::Actions,
        Self::Variables,
        Self::Contents,
        Self::SecretScanningAlerts,
        Self::Metadata,
    ];

    /// GitHub's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Secrets => "secrets",
            Self::Environments => "environments",
            Self::OrganizationSecrets => "organization_secrets",
            Self::DependabotSecrets => "dependabot_secrets",
            Self::OrganizationDependabotSecrets => "organization_dependabot_secrets",
            Self::CodespacesSecrets => "codespaces_secrets",
            Self::OrganizationCodespacesSecrets => "organization_codespaces_secrets",
            // Invented: GitHub's description names none.
            Self::AgentSecrets => "agent_secrets",
            Self::OrganizationAgentSecrets => "organization_agent_secrets",
            Self::Actions => "actions",
            Self::Variables => "actions_variables",
            Self::Contents => "contents",
            Self::SecretScanningAlerts => "secret_scanning_alerts",
            Self::Metadata => "metadata",
        }
    }

    /// The scope that a classic token needs instead.
    #[must_use]
    pub fn scope(self) -> &'static str {
        match self {
            Self::OrganizationSecrets
            | Self::OrganizationDependabotSecrets
            | Self::OrganizationCodespacesSecrets
            | Self::OrganizationAgentSecrets => "admin:org",
            _ => "repo",
        }
    }
}

impl Place {
    /// The Actions secrets of the repository `owner/name`.
    #[must_use]
    pub fn repo(full_name: &str) -> Self {
        Self::Repo(full_name.to_ascii_lowercase())
    }

    /// The secrets of an environment of the repository `owner/name`.
    #[must_use]
    pub fn environment(full_name: &str, environment: &str) -> Self {
        Self::Env(full_name.to_ascii_lowercase(), environment.to_lowercase())
    }

    /// The Actions secrets of an organisation.
    #[must_use]
    pub fn org(org: &str) -> Self {
        Self::Org(org.to_ascii_lowercase())
    }

    /// The repository that it belongs to.
    #[must_use]
    pub fn repository(&self) -> Option<&str> {
        match self {
            Self::Repo(name)
            | Self::Env(name, _)
            | Self::Dependabot(name)
            | Self::Codespaces(name)
            | Self::Agents(name) => Some(name),
            _ => None,
        }
    }

    /// The organisation that it belongs to by itself.
    #[must_use]
    pub fn organisation(&self) -> Option<&str> {
        match self {
            Self::Org(org) | Self::DependabotOrg(org) | Self::CodespacesOrg(org) | Self::AgentsOrg(org) => Some(org),
            _ => None,
        }
    }

    /// What a token needs there.
    ///
    /// # Panics
    /// For a place that is none of GitHub's.
    #[must_use]
    pub fn permission(&self) -> Permission {
        match self {
            Self::Repo(_) => Permission::Secrets,
            Self::Env(..) => Permission::Environments,
            Self::Org(_) => Permission::OrganizationSecrets,
            Self::Dependabot(_) => Permission::DependabotSecrets,
            Self::DependabotOrg(_) => Permission::OrganizationDependabotSecrets,
            Self::Codespaces(_) => Permission::CodespacesSecrets,
            Self::CodespacesOrg(_) => Permission::OrganizationCodespacesSecrets,
            Self::Agents(_) => Permission::AgentSecrets,
            Self::AgentsOrg(_) => Permission::OrganizationAgentSecrets,
            Self::Vault { .. } | Self::Aws { .. } | Self::File { .. } | Self::Kubernetes { .. } => {
                panic!("{self} is none of GitHub's places")
            }
        }
    }

    /// The places of the repository or organisation, one for each service.
    #[must_use]
    pub fn of_the_same_holder(&self) -> [Self; 4] {
        match (self.repository(), self.organisation()) {
            (Some(name), _) => {
                [Self::Repo, Self::Dependabot, Self::Codespaces, Self::Agents].map(|place| place(name.to_owned()))
            }
            (_, org) => {
                let org = org.unwrap_or_default();
                [Self::Org, Self::DependabotOrg, Self::CodespacesOrg, Self::AgentsOrg]
                    .map(|place| place(org.to_owned()))
            }
        }
    }

    /// Whether it belongs to the repository `owner/name`.
    #[must_use]
    pub fn is_of_repository(&self, full_name: &str) -> bool {
        self.repository().is_some_and(|name| name == full_name.to_ascii_lowercase())
    }

    /// The same place of the repository `owner/name`.
    #[must_use]
    pub fn moved_to(&self, full_name: &str) -> Self {
        let name = full_name.to_ascii_lowercase();
        match self {
            Self::Repo(_) => Self::Repo(name),
            Self::Env(_, environment) => Self::Env(name, environment.clone()),
            Self::Dependabot(_) => Self::Dependabot(name),
            Self::Codespaces(_) => Self::Codespaces(name),
            Self::Agents(_) => Self::Agents(name),
            _ => self.clone(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repo(name) => write!(f, "repo:{name}"),
            Self::Env(name, environment) => write!(f, "env:{name}/{environment}"),
            Self::Org(org) => write!(f, "org:{org}"),
            Self::Dependabot(name) => write!(f, "dependabot:{name}"),
            Self::DependabotOrg(org) => write!(f, "dependabot-org:{org}"),
            Self::Codespaces(name) => write!(f, "codespaces:{name}"),
            Self::CodespacesOrg(org) => write!(f, "codespaces-org:{org}"),
            Self::Agents(name) => write!(f, "agents:{name}"),
            Self::AgentsOrg(org) => write!(f, "agents-org:{org}"),
            Self::Vault { path, field } => write!(f, "vault:{path}#{field}"),
            Self::Kubernetes { namespace, name, key } => write!(f, "kubernetes:{namespace}/{name}#{key}"),
            Self::File { path, variable } => write!(f, "file:{path}#{variable}"),
            Self::Aws { id, .. } if id.starts_with(PARAMETER) => write!(f, "aws-{id}"),
            Self::Aws { id, field: None } => write!(f, "aws-secretsmanager:{id}"),
            Self::Aws { id, field: Some(field) } => write!(f, "aws-secretsmanager:{id}#{field}"),
        }
    }
}

/// A text that names no place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAPlace(String);

impl fmt::Display for NotAPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} names no place", self.0)
    }
}

impl std::error::Error for NotAPlace {}

/// As targets are written, one place alone and without words.
impl FromStr for Place {
    type Err = NotAPlace;

    fn from_str(text: &str) -> Result<Self, NotAPlace> {
        if let Some((path, field)) = text.strip_prefix("vault:").and_then(|locator| locator.split_once('#')) {
            return Ok(Self::Vault { path: path.to_owned(), field: field.to_owned() });
        }
        if let Some((object, key)) = text.strip_prefix("kubernetes:").and_then(|locator| locator.split_once('#'))
            && let Some((namespace, name)) = object.split_once('/')
        {
            let [namespace, name, key] = [namespace, name, key].map(str::to_owned);
            return Ok(Self::Kubernetes { namespace, name, key });
        }
        if let Some((path, variable)) = text.strip_prefix("file:").and_then(|locator| locator.split_once('#')) {
            return Ok(Self::File { path: path.to_owned(), variable: variable.to_owned() });
        }
        if let Some(id) = text.strip_prefix("aws-").filter(|id| id.starts_with(PARAMETER)) {
            return Ok(Self::Aws { id: id.to_owned(), field: None });
        }
        if let Some(locator) = text.strip_prefix("aws-secretsmanager:") {
            let (id, field) = locator.split_once('#').map_or((locator, None), |(id, field)| (id, Some(field)));
            return Ok(Self::Aws { id: id.to_owned(), field: field.map(str::to_owned) });
        }
        let lower = text.to_lowercase();
        let (kind, name) = lower.split_once(':').ok_or_else(|| NotAPlace(text.to_owned()))?;
        let parts: Vec<&str> = name.splitn(3, '/').collect();
        let name = name.to_owned();
        Ok(match (kind, parts.as_slice()) {
            ("repo", [_, _]) => Self::Repo(name),
            ("env", [owner, repo, environment]) => Self::Env(format!("{owner}/{repo}"), (*environment).to_owned()),
            ("org", [_]) => Self::Org(name),
            ("dependabot", [_, _]) => Self::Dependabot(name),
            ("dependabot-org", [_]) => Self::DependabotOrg(name),
            ("codespaces", [_, _]) => Self::Codespaces(name),
            ("codespaces-org", [_]) => Self::CodespacesOrg(name),
            ("agents", [_, _]) => Self::Agents(name),
            ("agents-org", [_]) => Self::AgentsOrg(name),
            _ => return Err(NotAPlace(text.to_owned())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_read_as_it_is_shown() {
        for text in [
            "repo:acme/app",
            "env:acme/app/review/x y",
            "org:acme",
            "dependabot:acme/app",
            "dependabot-org:acme",
            "codespaces:acme/app",
            "codespaces-org:acme",
            "agents:acme/app",
            "agents-org:acme",
            "vault:secret/Team/app#api-key",
            "file:app/.env#API_KEY",
            "aws-secretsmanager:prod/App",
            "aws-secretsmanager:prod/App#api-key",
            "kubernetes:prod/creds#api-key",
        ] {
            let place: Place = text.parse().unwrap();
            assert_eq!(place.to_string(), text);
        }
        for wrong in ["", "repo:acme", "env:acme/app", "org:acme/app", "file:x", "vault:x"] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }
}
