//! octocrab's calls for the secrets of a place, kind by kind. Where it has none that fits, its general ones with a route:
//! environments, which it knows by their repository's number alone, and the writes of an organisation.
//! Agents' public keys are of a type of their own there, which is like the others.

use octocrab::Octocrab;
use octocrab::models::actions::{CreateEnvironmentSecret, EnvironmentSecret};
use octocrab::models::agents::AgentSecret;
use octocrab::models::orgs::secrets::OrganizationSecret;
use octocrab::models::repos::secrets::{CreateRepositorySecret, RepositorySecret};
use serde_json::{Value, json};

use super::crab::{route, segment};
use super::listing::Shown;
use super::scope::Scope;
use crate::http::Failure;
use crate::store::target::{Place, PlaceKind};

/// Where a secret is, each name encoded as one segment of a path.
pub(super) struct Address {
    kind: PlaceKind,
    owner: String,
    repo: String,
    /// Of the place.
    route: String,
    name: String,
}

/// A value as GitHub takes it.
pub(super) struct Sealed {
    pub(super) value: String,
    pub(super) key_id: String,
    /// Of an organisation's secret.
    pub(super) scope: Option<Scope>,
}

impl From<RepositorySecret> for Shown {
    fn from(secret: RepositorySecret) -> Self {
        Self::new(secret.updated_at.timestamp(), secret.updated_at.timestamp_subsec_nanos(), None)
    }
}

impl From<EnvironmentSecret> for Shown {
    fn from(secret: EnvironmentSecret) -> Self {
        Self::new(secret.updated_at.timestamp(), secret.updated_at.timestamp_subsec_nanos(), None)
    }
}

impl From<OrganizationSecret> for Shown {
    fn from(secret: OrganizationSecret) -> Self {
        let time = secret.updated_at;
        Self::new(time.timestamp(), time.timestamp_subsec_nanos(), Some(secret.visibility))
    }
}

impl From<AgentSecret> for Shown {
    fn from(secret: AgentSecret) -> Self {
        let (time, visibility) = (secret.updated_at, secret.visibility);
        let visibility = visibility.and_then(|visibility| serde_json::from_value(visibility.into()).ok());
        Self::new(time.timestamp(), time.timestamp_subsec_nanos(), visibility)
    }
}

impl Address {
    /// Of a secret of this name in a place.
    ///
    /// # Errors
    /// Refused where a name would vanish from a path.
    pub(super) fn of(place: &Place, name: &str) -> Result<Self, Failure> {
        let repo = place.repository().map(|(_, repo)| segment(repo)).transpose()?.unwrap_or_default();
        let (kind, owner, route) = (place.kind(), segment(place.owner())?, route(&place.path())?);
        Ok(Self { kind, owner, repo, route, name: segment(name)? })
    }

    fn route(&self) -> String {
        format!("{}/{}", self.route, self.name)
    }

    pub(super) async fn public_key(&self, octo: &Octocrab) -> octocrab::Result<octocrab::models::PublicKey> {
        let (owner, repo) = (self.owner.as_str(), self.repo.as_str());
        match self.kind {
            PlaceKind::Repo => octo.repos(owner, repo).secrets().get_public_key().await,
            PlaceKind::Env | PlaceKind::Agents | PlaceKind::AgentsOrg => {
                octo.get(format!("{}/public-key", self.route), None::<&()>).await
            }
            PlaceKind::Org => octo.orgs(owner).secrets().get_public_key().await,
            PlaceKind::Dependabot => octo.repos(owner, repo).dependabot().secrets().get_public_key().await,
            PlaceKind::DependabotOrg => octo.orgs(owner).dependabot().secrets().get_public_key().await,
            PlaceKind::Codespaces => octo.repos(owner, repo).codespaces().secrets().get_public_key().await,
            PlaceKind::CodespacesOrg => octo.orgs(owner).codespaces().secrets().get_public_key().await,
        }
    }

    pub(super) async fn get(&self, octo: &Octocrab) -> octocrab::Result<Shown> {
        let (owner, repo, name) = (self.owner.as_str(), self.repo.as_str(), &self.name);
        match self.kind {
            PlaceKind::Repo => octo.repos(owner, repo).secrets().get_secret(name).await.map(Shown::from),
            PlaceKind::Env => octo.get(self.route(), None::<&()>).await.map(|it: EnvironmentSecret| it.into()),
            PlaceKind::Org => octo.orgs(owner).secrets().get_secret(name).await.map(Shown::from),
            PlaceKind::Dependabot => octo.repos(owner, repo).dependabot().secrets().get(name).await.map(Shown::from),
            PlaceKind::DependabotOrg => octo.orgs(owner).dependabot().secrets().get(name).await.map(Shown::from),
            PlaceKind::Codespaces => octo.repos(owner, repo).codespaces().secrets().get(name).await.map(Shown::from),
            PlaceKind::CodespacesOrg => octo.orgs(owner).codespaces().secrets().get(name).await.map(Shown::from),
            PlaceKind::Agents => octo.repos(owner, repo).agents().secrets().get(name).await.map(Shown::from),
            PlaceKind::AgentsOrg => octo.orgs(owner).agents().secrets().get(name).await.map(Shown::from),
        }
    }

    pub(super) async fn put(&self, octo: &Octocrab, sealed: &Sealed) -> octocrab::Result<()> {
        let (owner, repo, name) = (self.owner.as_str(), self.repo.as_str(), &self.name);
        let (encrypted_value, key_id) = (sealed.value.as_str(), sealed.key_id.as_str());
        let secret = CreateRepositorySecret { encrypted_value, key_id };
        match self.kind {
            PlaceKind::Repo => octo.repos(owner, repo).secrets().create_or_update_secret(name, &secret).await.map(drop),
            PlaceKind::Dependabot => {
                octo.repos(owner, repo).dependabot().secrets().create_or_update(name, &secret).await.map(drop)
            }
            PlaceKind::Codespaces => {
                octo.repos(owner, repo).codespaces().secrets().create_or_update(name, &secret).await.map(drop)
            }
            PlaceKind::Agents => octo.repos(owner, repo).agents().secrets().create_or_update(name, &secret).await,
            PlaceKind::Env => {
                let secret = CreateEnvironmentSecret { encrypted_value, key_id };
                octo._put(self.route(), Some(&secret)).await.map(drop)
            }
            PlaceKind::Org | PlaceKind::DependabotOrg | PlaceKind::CodespacesOrg | PlaceKind::AgentsOrg => {
                octo._put(self.route(), Some(&self.with_scope(sealed))).await.map(drop)
            }
        }
    }

    /// octocrab's numbers of repositories are too short for GitHub's, and are never texts.
    fn with_scope(&self, sealed: &Sealed) -> Value {
        let mut body = json!({ "encrypted_value": sealed.value, "key_id": sealed.key_id });
        if let (Some(scope), Some(fields)) = (&sealed.scope, body.as_object_mut()) {
            fields.extend(scope.fields(self.kind).into_iter().map(|(name, value)| (name.to_owned(), value)));
        }
        body
    }

    pub(super) async fn delete(&self, octo: &Octocrab) -> octocrab::Result<()> {
        let (owner, repo, name) = (self.owner.as_str(), self.repo.as_str(), &self.name);
        match self.kind {
            PlaceKind::Repo => octo.repos(owner, repo).secrets().delete_secret(name).await,
            PlaceKind::Env => octo._delete(self.route(), None::<&()>).await.map(drop),
            PlaceKind::Org => octo.orgs(owner).secrets().delete_secret(name).await,
            PlaceKind::Dependabot => octo.repos(owner, repo).dependabot().secrets().delete(name).await,
            PlaceKind::DependabotOrg => octo.orgs(owner).dependabot().secrets().delete(name).await,
            PlaceKind::Codespaces => octo.repos(owner, repo).codespaces().secrets().delete(name).await,
            PlaceKind::CodespacesOrg => octo.orgs(owner).codespaces().secrets().delete(name).await,
            PlaceKind::Agents => octo.repos(owner, repo).agents().secrets().delete(name).await,
            PlaceKind::AgentsOrg => octo.orgs(owner).agents().secrets().delete(name).await,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_selected_by_whatever_number_they_have_and_as_each_kind_wants_them() {
        let scope = Some(Scope::Selected(vec![7, u64::from(u32::MAX) + 1]));
        let sealed = Sealed { value: "v".into(), key_id: "1".into(), scope };
        for (kind, ids) in [
            (PlaceKind::Org, json!([7, 4_294_967_296_u64])),
            (PlaceKind::CodespacesOrg, json!([7, 4_294_967_296_u64])),
            (PlaceKind::AgentsOrg, json!([7, 4_294_967_296_u64])),
            (PlaceKind::DependabotOrg, json!(["7", "4294967296"])),
        ] {
            let body = Address::of(&Place::in_organisation(kind, "acme"), "N").unwrap().with_scope(&sealed);
            let fields = json!({ "visibility": "selected", "selected_repository_ids": ids });
            assert_eq!(body.get("selected_repository_ids"), fields.get("selected_repository_ids"), "{kind}");
            assert_eq!(body.get("key_id"), Some(&json!("1")));
        }
    }

    #[test]
    fn a_time_is_taken_over_to_its_last_digit() {
        let shown = Shown::new(1_796_119_200, 123_000_000, None);
        assert_eq!(shown.updated_at.to_string(), "2026-12-01T10:00:00.123Z");
    }
}
