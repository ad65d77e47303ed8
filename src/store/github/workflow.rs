//! What a workflow needs to find at GitHub: its own file, and the names of the secrets that it reads.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::client::GitHub;
use super::elsewhere::shown_by_organisation;
use super::list::list;
use super::paths;
use crate::http::Failure;
use crate::store::target::{Place, PlaceKind};

/// octocrab's own panics where this is no base64.
#[derive(Deserialize)]
struct Content {
    content: String,
}

impl GitHub {
    /// A file of a repository's default branch.
    ///
    /// # Errors
    /// As any read, and where it is no text.
    pub async fn file(&self, owner: &str, repo: &str, path: &[&str]) -> Result<String, Failure> {
        let segments = [&paths::contents(owner, repo)[..], path].concat();
        let Content { content } = self.read(&segments, &[]).await?;
        let bytes = STANDARD.decode(content.split_ascii_whitespace().collect::<String>()).ok();
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        text.ok_or_else(|| Failure::refused(format!("{owner}/{repo}: {} is no text", path.join("/"))))
    }

    /// The names, in capital letters, of the secrets that a job of a repository reads: those of its environment, of the
    /// repository and of its organisation.
    ///
    /// # Errors
    /// As any read, and where one of the lists is not whole.
    pub async fn secrets_of_job(
        &self,
        owner: &str,
        repo: &str,
        environment: Option<&str>,
    ) -> Result<BTreeSet<String>, Failure> {
        let environment = environment.map(|name| Place::in_environment(owner, repo, name));
        let mut names = BTreeSet::new();
        for place in environment.into_iter().chain([Place::in_repository(PlaceKind::Repo, owner, repo)]) {
            let listing = list(self, &place, None).await?;
            if let Some(why) = listing.unlisted {
                return Err(Failure::refused(why));
            }
            names.extend(listing.seen.into_iter().map(|seen| seen.name.to_ascii_uppercase()));
        }
        let shown = shown_by_organisation(self, owner, repo).await?;
        names.extend(shown.into_iter().map(|entry| entry.name.to_ascii_uppercase()));
        Ok(names)
    }
}
