//! The environments of a repository: to look through them, and to say why one can't be reached.

use ::http::StatusCode;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::client::{GitHub, page_of};
use super::paths;
use crate::http::{Failure, Refusal};

/// So many names are shown where one is missing.
const MAX_SHOWN: usize = 10;

/// The first page of a repository's environments.
#[derive(Deserialize)]
pub(super) struct Environments {
    total_count: usize,
    environments: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Environments {
    /// Asks for them. Reading needs the permission "Actions", which writing secrets does not.
    pub(super) async fn of(github: &GitHub, owner: &str, repo: &str) -> Result<Self, Failure> {
        github.read(&paths::environments(owner, repo), &page_of(1)).await
    }

    /// Their names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.environments.iter().map(|environment| environment.name.as_str())
    }

    /// Whether there are more than the page shows.
    pub(super) fn has_more(&self) -> bool {
        self.total_count > self.environments.len()
    }

    fn has(&self, name: &str) -> bool {
        self.names().any(|known| known.to_lowercase() == name.to_lowercase())
    }
}

/// Tells an environment that does not exist from one whose secrets the token may not touch: GitHub answers 404 to both.
pub(super) async fn explain(github: &GitHub, owner: &str, repo: &str, name: &str, failure: Failure) -> Failure {
    let Ok(known) = Environments::of(github, owner, repo).await else {
        return with_hint(failure, "Whether the environment exists can't be told with this token.");
    };
    let exists = known.has(name) || known.has_more() && is_there(github, owner, repo, name).await;
    if exists {
        return with_hint(failure, "The environment exists, so it is the permission that is missing.");
    }
    let names: Vec<String> = known.names().take(MAX_SHOWN).map(|name| github.shown(name)).collect();
    let hint = match names.as_slice() {
        [] => "The repository has no environment yet: create it in the repository's settings.".to_owned(),
        names => format!("It has: {}. Name one of these, or create it in the repository's settings.", names.join(", ")),
    };
    Failure::Refused(Refusal {
        status: Some(StatusCode::NOT_FOUND.as_u16()),
        message: format!("{owner}/{repo} has no environment {name}"),
        hint: Some(hint),
    })
}

async fn is_there(github: &GitHub, owner: &str, repo: &str, name: &str) -> bool {
    github.read::<IgnoredAny>(&paths::environment(owner, repo, name), &[]).await.is_ok()
}

fn with_hint(failure: Failure, more: &str) -> Failure {
    match failure {
        Failure::Refused(Refusal { status, message, hint }) => {
            let hint = hint.map_or_else(|| more.to_owned(), |hint| format!("{more} {hint}"));
            Failure::Refused(Refusal { status, message, hint: Some(hint) })
        }
        other => other,
    }
}
