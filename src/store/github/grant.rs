//! What a GitHub App's token has to be allowed, by the places that it is for.

use std::collections::{BTreeMap, BTreeSet};

use octocrab::models::apps::CreateInstallationAccessToken;
use serde_json::Value;

use crate::store::target::Place;

/// A token can be narrowed to so many repositories: GitHub's page "REST API endpoints for GitHub Apps".
const MAX_REPOSITORIES: usize = 500;

/// How far a permission goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// To look.
    Read,
    /// To change something, which includes looking.
    Write,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// A place that a token is for.
#[derive(Clone, Debug)]
pub struct Need {
    /// Where a secret is written.
    pub place: Place,
    /// What is needed of the workflows of its repository beside that.
    pub actions: Option<Level>,
}

/// What the token for one account has to be allowed, and no more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Grant {
    account: String,
    /// Each with what it has to be: `write`, or `read`.
    permissions: BTreeMap<&'static str, Level>,
    /// A permission without a name that is known is needed too: the token has all that the installation has.
    is_unnamed: bool,
    repositories: BTreeSet<String>,
    /// A place is the organisation's own, for which any of its repositories may be named.
    whole: bool,
    /// The account may be a user's too.
    of_anybody: bool,
}

impl Grant {
    /// The grants for these places, by account in lower case.
    pub(super) fn for_needs<'a>(needs: impl IntoIterator<Item = &'a Need>) -> BTreeMap<String, Self> {
        let mut grants = BTreeMap::<String, Self>::new();
        for Need { place, actions } in needs {
            let new = || Self { account: place.owner().to_owned(), ..Self::default() };
            let grant = grants.entry(place.owner().to_ascii_lowercase()).or_insert_with(new);
            match place.kind().row().app_permission {
                Some(permission) => _ = grant.permissions.insert(permission, Level::Write),
                None => grant.is_unnamed = true,
            }
            if let Some(level) = actions {
                let actions = grant.permissions.entry("actions").or_insert(*level);
                *actions = (*actions).max(*level);
            }
            match place.repository() {
                Some((_, repository)) => _ = grant.repositories.insert(repository.to_owned()),
                None => grant.whole = true,
            }
        }
        grants
    }

    /// The grant to see every repository of an account and the names of their secrets.
    pub(super) fn to_look(account: &str) -> Self {
        Self::of_account(account, "secrets", Level::Read)
    }

    /// The grant to read the secret scanning alerts of an account, or to close them too.
    pub(super) fn for_alerts(account: &str, level: Level) -> Self {
        Self::of_account(account, "secret_scanning_alerts", level)
    }

    fn of_account(account: &str, permission: &'static str, level: Level) -> Self {
        let permissions = BTreeMap::from([(permission, level)]);
        Self { account: account.to_owned(), permissions, whole: true, of_anybody: true, ..Self::default() }
    }

    /// Whether the account may be a user's although no repository is named.
    pub(super) fn is_of_anybody(&self) -> bool {
        self.of_anybody
    }

    /// The account, as the user wrote it.
    pub(super) fn account(&self) -> &str {
        &self.account
    }

    /// One of the repositories, through which the account's installation can be found.
    pub(super) fn a_repository(&self) -> Option<&str> {
        self.repositories.first().map(String::as_str)
    }

    /// The permissions among these that an installation lacks, as a person reads them.
    pub(super) fn missing_of(&self, granted: &BTreeMap<String, Value>) -> Vec<String> {
        let level = |name: &str| match granted.get(name).and_then(Value::as_str) {
            Some("write" | "admin") => Some(Level::Write),
            Some("read") => Some(Level::Read),
            _ => None,
        };
        let lacks = |(name, needed): &(&&str, &Level)| level(name) < Some(**needed);
        self.permissions.iter().filter(lacks).map(|(name, level)| format!("`{name}: {}`", level.word())).collect()
    }

    /// The permissions as a person reads them.
    pub(super) fn shown(&self) -> String {
        let named = self.permissions.iter().map(|(name, level)| format!("`{name}: {}`", level.word()));
        let unnamed = self.is_unnamed.then(|| "that for agent secrets".to_owned());
        named.chain(unnamed).collect::<Vec<_>>().join(", ")
    }

    /// Whether the token is narrowed to the repositories.
    pub(super) fn is_narrow(&self) -> bool {
        !self.whole && self.repositories.len() <= MAX_REPOSITORIES
    }

    /// What is asked of GitHub, with or without the repositories.
    pub(super) fn request(&self, narrow: bool) -> CreateInstallationAccessToken {
        let permissions = self.permissions.iter().map(|(name, level)| ((*name).to_owned(), level.word().to_owned()));
        CreateInstallationAccessToken {
            permissions: (!self.is_unnamed).then(|| permissions.collect()),
            repositories: narrow.then(|| self.repositories.iter().cloned().collect()),
            repository_ids: None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::target::PlaceKind;

    fn repo(owner: &str, repo: &str) -> Need {
        Need { place: Place::in_repository(PlaceKind::Repo, owner, repo), actions: None }
    }

    #[test]
    fn each_account_is_asked_for_its_own_repositories_alone() {
        let places = [repo("acme", "app"), repo("Globex", "web"), repo("ACME", "api"), repo("acme", "app")];
        let grants = Grant::for_needs(&places);
        assert_eq!(grants.keys().collect::<Vec<_>>(), ["acme", "globex"]);
        let acme = grants.get("acme").unwrap();
        assert_eq!(
            json!(acme.request(true)),
            json!({ "permissions": { "secrets": "write" }, "repositories": ["api", "app"] })
        );
        assert_eq!(json!(acme.request(false)), json!({ "permissions": { "secrets": "write" } }));
        assert_eq!((grants.get("globex").unwrap().account(), acme.a_repository()), ("Globex", Some("api")));
    }

    #[test]
    fn more_repositories_than_can_be_named_are_not() {
        let many = |count: usize| (0..count).map(|n| repo("acme", &format!("r{n}"))).collect::<Vec<_>>();
        for (count, narrow) in [(1, true), (500, true), (501, false)] {
            assert_eq!(Grant::for_needs(&many(count)).get("acme").unwrap().is_narrow(), narrow, "{count}");
        }
    }

    #[test]
    fn only_write_is_enough() {
        let grants = Grant::for_needs(&[repo("acme", "app")]);
        let missing = |level: Value| {
            let granted = [("secrets".to_owned(), level), ("metadata".to_owned(), json!("read"))].into();
            grants.get("acme").unwrap().missing_of(&granted)
        };
        assert_eq!((missing(json!("write")), missing(json!("admin"))), (vec![], vec![]));
        assert_eq!(
            (missing(json!("read")), missing(json!(null))),
            (vec!["`secrets: write`".to_owned()], vec!["`secrets: write`".to_owned()])
        );
        assert_eq!(grants.get("acme").unwrap().missing_of(&BTreeMap::new()), ["`secrets: write`"]);
    }

    #[test]
    fn a_permission_without_a_name_is_not_asked_for_and_takes_the_others_along() {
        let agents = Need { place: Place::in_repository(PlaceKind::Agents, "acme", "app"), actions: None };
        let grants = Grant::for_needs(&[agents, repo("acme", "app")]);
        let acme = grants.get("acme").unwrap();
        assert_eq!(json!(acme.request(true)), json!({ "repositories": ["app"] }));
        assert_eq!(acme.missing_of(&BTreeMap::new()), ["`secrets: write`"]);
    }

    #[test]
    fn of_workflows_the_furthest_need_counts_and_no_more() {
        let need = |actions| Need { actions, ..repo("acme", "app") };
        let permissions =
            |needs: &[Need]| json!(Grant::for_needs(needs).get("acme").unwrap().request(false).permissions);
        assert_eq!(permissions(&[need(None)]), json!({ "secrets": "write" }));
        assert_eq!(
            permissions(&[need(Some(Level::Read)), need(None)]),
            json!({ "secrets": "write", "actions": "read" })
        );
        let both = [need(Some(Level::Write)), need(Some(Level::Read))];
        assert_eq!(permissions(&both), json!({ "secrets": "write", "actions": "write" }));
        let grants = Grant::for_needs(&both);
        let granted =
            [("secrets", "write"), ("actions", "read")].map(|(name, level)| (name.to_owned(), json!(level))).into();
        assert_eq!(grants.get("acme").unwrap().missing_of(&granted), ["`actions: write`"]);
    }
}
