//! Where at GitHub a secret lies: the one table of its kinds of place, and what is asked of an organisation's.

use std::fmt;

/// A kind of place that keeps secrets and has a public key of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceKind {
    /// Actions secrets of a repository.
    Repo,
    /// Secrets of a deployment environment.
    Env,
    /// Actions secrets of an organisation.
    Org,
    /// Dependabot secrets of a repository.
    Dependabot,
    /// Dependabot secrets of an organisation.
    DependabotOrg,
    /// Codespaces secrets of a repository.
    Codespaces,
    /// Codespaces secrets of an organisation.
    CodespacesOrg,
    /// Secrets of a repository for coding agents.
    Agents,
    /// Secrets of an organisation for coding agents.
    AgentsOrg,
}

/// What is true of a kind of place.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What stands before the colon of a target.
    pub word: &'static str,
    /// Whose secrets they are, as the path of their calls names it; an environment's are named by the environment.
    pub product: &'static str,
    /// What a fine-grained token or an App needs, by the names of GitHub's page "Permissions required for fine-grained
    /// personal access tokens"; empty where it does not say.
    pub permission: &'static str,
    /// The same as the API calls it; `write` includes `read`. `None`: it has no name that is known, so that a GitHub App's
    /// token can't be narrowed to it. Those of an organisation for Dependabot and Codespaces, and
    /// `codespaces_secrets`, stand in GitHub's page "Managing your personal access tokens", though not in its OpenAPI document.
    pub app_permission: Option<&'static str>,
    /// Shown to repositories of the organisation: it has a scope beside its value.
    pub of_organisation: bool,
    /// Whether GitHub Enterprise Server has it.
    pub on_enterprise_server: bool,
    /// Workflows of the repository read it, and can be dispatched to try it.
    pub in_workflows: bool,
    /// Runs that read it are listed at the repository.
    pub has_runs: bool,
}

impl PlaceKind {
    /// Every kind, in the order in which they are documented.
    pub const ALL: [Self; 9] = [
        Self::Repo,
        Self::Env,
        Self::Org,
        Self::Dependabot,
        Self::DependabotOrg,
        Self::Codespaces,
        Self::CodespacesOrg,
        Self::Agents,
        Self::AgentsOrg,
    ];

    /// The table.
    #[must_use]
    pub const fn row(self) -> Row {
        let (word, product, permission, app_permission) = match self {
            Self::Repo => ("repo", "actions", "Secrets", Some("secrets")),
            Self::Env => ("env", "", "Environments", Some("environments")),
            Self::Org => ("org", "actions", "Secrets", Some("organization_secrets")),
            Self::Dependabot => ("dependabot", "dependabot", "Dependabot secrets", Some("dependabot_secrets")),
            Self::DependabotOrg => {
                let named = Some("organization_dependabot_secrets");
                ("dependabot-org", "dependabot", "Organization dependabot secrets", named)
            }
            Self::Codespaces => ("codespaces", "codespaces", "Codespaces secrets", Some("codespaces_secrets")),
            Self::CodespacesOrg => {
                let named = Some("organization_codespaces_secrets");
                ("codespaces-org", "codespaces", "Organization codespaces secrets", named)
            }
            Self::Agents => ("agents", "agents", "", None),
            Self::AgentsOrg => ("agents-org", "agents", "", None),
        };
        let cloud = matches!(self, Self::Codespaces | Self::CodespacesOrg | Self::Agents | Self::AgentsOrg);
        Row {
            word,
            product,
            permission,
            app_permission,
            of_organisation: matches!(self, Self::Org | Self::DependabotOrg | Self::CodespacesOrg | Self::AgentsOrg),
            on_enterprise_server: !cloud,
            in_workflows: matches!(self, Self::Repo | Self::Env),
            has_runs: matches!(self, Self::Repo | Self::Env | Self::Dependabot),
        }
    }

    /// What a fine-grained token or an App needs, as a person reads it, and the scope that a classic token needs.
    #[must_use]
    pub fn permission(self) -> (String, &'static str) {
        let Row { permission, of_organisation, .. } = self.row();
        let (holder, scope) = if of_organisation { ("organization", "admin:org") } else { ("repository", "repo") };
        match permission {
            "" => (format!("the {holder} permission for agent secrets"), scope),
            name => (format!("the {holder} permission \"{name}\""), scope),
        }
    }

    /// What hides an organisation's secrets of this kind, where a repository has its own.
    #[must_use]
    pub fn of_repository(self) -> Self {
        match self {
            Self::DependabotOrg => Self::Dependabot,
            Self::CodespacesOrg => Self::Codespaces,
            Self::AgentsOrg => Self::Agents,
            _ => Self::Repo,
        }
    }

    /// Where an organisation has secrets of the same kind that no workflow reads.
    #[must_use]
    pub fn of_organisation(self) -> Option<Self> {
        match self {
            Self::Dependabot => Some(Self::DependabotOrg),
            Self::Codespaces => Some(Self::CodespacesOrg),
            Self::Agents => Some(Self::AgentsOrg),
            _ => None,
        }
    }
}

impl fmt::Display for PlaceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().word)
    }
}

/// A place that keeps secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    kind: PlaceKind,
    owner: String,
    repo: Option<String>,
    environment: Option<String>,
}

impl Place {
    /// A kind of secrets of an organisation.
    #[must_use]
    pub fn in_organisation(kind: PlaceKind, org: &str) -> Self {
        Self { kind, owner: org.to_owned(), repo: None, environment: None }
    }

    /// A kind of secrets of a repository.
    #[must_use]
    pub fn in_repository(kind: PlaceKind, owner: &str, repo: &str) -> Self {
        Self { repo: Some(repo.to_owned()), ..Self::in_organisation(kind, owner) }
    }

    /// The secrets of a repository's environment, whose name may have slashes and spaces in it.
    #[must_use]
    pub fn in_environment(owner: &str, repo: &str, environment: &str) -> Self {
        Self { environment: Some(environment.to_owned()), ..Self::in_repository(PlaceKind::Env, owner, repo) }
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> PlaceKind {
        self.kind
    }

    /// The account: a user or an organisation.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Owner and name of the repository that it belongs to.
    #[must_use]
    pub fn repository(&self) -> Option<(&str, &str)> {
        self.repo.as_deref().map(|repo| (self.owner.as_str(), repo))
    }

    /// The environment that it is.
    #[must_use]
    pub fn environment(&self) -> Option<&str> {
        self.environment.as_deref()
    }

    /// The organisation whose secret has a scope: to which repositories it is shown.
    #[must_use]
    pub fn organisation(&self) -> Option<&str> {
        self.repo.is_none().then_some(self.owner.as_str())
    }

    /// The path below which its public key and its secrets are, in plain segments.
    #[must_use]
    pub fn path(&self) -> Vec<&str> {
        let product = self.kind.row().product;
        match (&self.repo, &self.environment) {
            (Some(repo), Some(environment)) => vec!["repos", &self.owner, repo, "environments", environment, "secrets"],
            (Some(repo), None) => vec!["repos", &self.owner, repo, product, "secrets"],
            (None, _) => vec!["orgs", &self.owner, product, "secrets"],
        }
    }

    /// The repository or organisation that a token has to be given for.
    #[must_use]
    pub fn whose(&self) -> String {
        self.repository().map_or_else(|| self.owner.clone(), |(owner, repo)| format!("{owner}/{repo}"))
    }

    /// Whether another place is the same: GitHub tells no difference by case.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.to_string().to_lowercase() == other.to_string().to_lowercase()
    }
}

/// As the user writes it, without the words: `repo:acme/app`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.whose())?;
        self.environment.iter().try_for_each(|environment| write!(f, "/{environment}"))
    }
}

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
