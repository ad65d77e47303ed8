//! Alerts of secret scanning: the open ones of a repository or an organisation, with the values that were found, and
//! closing one.
//!
//! GitHub's page "REST API endpoints for secret scanning". The permission is called "Secret scanning alerts".

use std::fmt;

use ::http::StatusCode;
use jiff::Timestamp;
use octocrab::Octocrab;
use serde::Deserialize;
use serde_json::json;

use super::client::{GitHub, page_of};
use super::crab::route;
use super::paths;
use crate::http::{Call, Failure, Refusal};
use crate::secret::Secret;

/// As many open alerts as are read of one repository or organisation, in pages of 100.
const MAX_PAGES: usize = 100;

/// GitHub takes so many characters of a comment.
pub const LONGEST_COMMENT: usize = 280;

/// Whose alerts are read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlertSource {
    /// One repository's.
    Repository {
        /// Its owner.
        owner: String,
        /// Its name.
        repo: String,
    },
    /// Those of all repositories of an organisation.
    Organisation(String),
}

impl AlertSource {
    /// The account.
    #[must_use]
    pub fn owner(&self) -> &str {
        match self {
            Self::Repository { owner, .. } | Self::Organisation(owner) => owner,
        }
    }
}

impl fmt::Display for AlertSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repository { owner, repo } => write!(f, "{owner}/{repo}"),
            Self::Organisation(owner) => f.write_str(owner),
        }
    }
}

/// An open alert.
#[derive(Clone, Debug)]
pub struct FoundSecret {
    /// The owner of its repository.
    pub owner: String,
    /// The repository.
    pub repo: String,
    /// Its number there.
    pub number: u64,
    /// Its page.
    pub page: String,
    /// When it was opened, on GitHub's clock.
    pub found_at: Option<Timestamp>,
    /// What was found; `None` where GitHub does not show it.
    pub value: Option<Secret>,
}

impl FoundSecret {
    /// Its repository and number: `acme/app#12`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}#{}", self.owner, self.repo, self.number)
    }
}

/// octocrab's own has neither the value nor the repository.
#[derive(Deserialize)]
struct Row {
    number: u64,
    #[serde(default)]
    html_url: String,
    created_at: Option<Timestamp>,
    secret: Option<String>,
    /// In an organisation's list alone.
    repository: Option<Repository>,
}

#[derive(Deserialize)]
struct Repository {
    name: String,
    owner: Owner,
}

#[derive(Deserialize)]
struct Owner {
    login: String,
}

#[derive(Deserialize)]
struct State {
    state: String,
}

impl GitHub {
    /// The open alerts of a source. `hide` is handed every value before anything else is done with it.
    ///
    /// # Errors
    /// As any read.
    pub async fn open_alerts(&self, source: &AlertSource, hide: &dyn Fn(&Secret)) -> Result<Vec<FoundSecret>, Failure> {
        let path: Vec<&str> = match source {
            AlertSource::Repository { owner, repo } => paths::alerts(owner, repo).to_vec(),
            AlertSource::Organisation(org) => paths::alerts_of(org).to_vec(),
        };
        let mut found = Vec::new();
        for page in 1..=MAX_PAGES {
            let query: Vec<_> = [("state", "open".to_owned())].into_iter().chain(page_of(page)).collect();
            let told = self.get::<Vec<Row>>(None, &path, &query).await?;
            if told.answer.status != StatusCode::OK {
                return Err(unread(source, self.failure(&told.answer)));
            }
            let is_last = !told.answer.header("link").is_some_and(|link| link.contains("rel=\"next\""));
            for row in told.read()? {
                let value = row.secret.map(Secret::new);
                value.iter().for_each(hide);
                let (owner, repo) = match (source, row.repository) {
                    (AlertSource::Repository { owner, repo }, _) => (owner.clone(), repo.clone()),
                    (AlertSource::Organisation(_), Some(it)) => (it.owner.login, it.name),
                    (AlertSource::Organisation(org), None) => {
                        return Err(Failure::refused(format!(
                            "an alert of {org} does not say in which repository it is"
                        )));
                    }
                };
                let (number, page, found_at) = (row.number, row.html_url, row.created_at);
                found.push(FoundSecret { owner, repo, number, page, found_at, value });
            }
            if is_last {
                return Ok(found);
            }
        }
        let most = MAX_PAGES * super::client::PAGE;
        Err(Failure::advised(format!("{source} has more than {most} open alerts"), "Name repositories in `alerts-of`."))
    }

    /// Closes an alert as revoked, unless somebody has closed it meanwhile: what a person said of it stays. Safe to repeat.
    ///
    /// # Errors
    /// As any write.
    pub async fn close_alert(&self, alert: &FoundSecret, comment: &str) -> Result<(), Failure> {
        let number = alert.number.to_string();
        let path = paths::alert(&alert.owner, &alert.repo, &number);
        let query = [("hide_secret", "true".to_owned())];
        let now = self.get::<State>(None, &path, &query).await?;
        if now.answer.status != StatusCode::OK {
            return Err(self.failure(&now.answer));
        }
        if now.read()?.state != "open" {
            return Ok(());
        }
        let route = route(&path)?;
        let comment: String = comment.chars().take(LONGEST_COMMENT).collect();
        let body = json!({ "state": "resolved", "resolution": "revoked", "resolution_comment": comment });
        let octo = async |octo: Octocrab| octo._patch(route.as_str(), Some(&body)).await.map(drop);
        let told = self.ask(None, (Call::Write, &alert.owner), octo).await?;
        let answer = told.answer;
        match answer.json::<State>() {
            Ok(State { state }) if answer.status == StatusCode::OK && state == "resolved" => Ok(()),
            // An organisation may want a reviewer to close alerts: then this was a request to one.
            Ok(_) if answer.status == StatusCode::OK => {
                Err(Failure::refused(format!("{}: it is open still, and may wait for a reviewer", answer.asked)))
            }
            _ => Err(self.failure(&answer)),
        }
    }
}

/// GitHub answers 404 where secret scanning is off, and where the token may not see its alerts.
fn unread(source: &AlertSource, failure: Failure) -> Failure {
    let Failure::Refused(refusal) = failure else { return failure };
    if !matches!(refusal.status, Some(403 | 404)) {
        return Failure::Refused(refusal);
    }
    let where_on = match source {
        AlertSource::Repository { owner, repo } => format!("in the settings of {owner}/{repo}"),
        AlertSource::Organisation(org) => format!("in the settings of {org}, or name repositories in `alerts-of`"),
    };
    let hint = format!(
        "Give the token the permission \"Secret scanning alerts\" (read); `GITHUB_TOKEN` can't have it. If it has it, turn \
         on secret scanning {where_on}."
    );
    Failure::Refused(Refusal { hint: Some(hint), ..refusal })
}
