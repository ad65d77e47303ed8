//! The repositories of an owner, page by page, and which of them a selection stands for.
//!
//! GitHub's pages "REST API endpoints for repositories" and "… for GitHub App installations". What a page shows moves up
//! while another is removed: a list of several pages counts once two readings are the same.

use std::fmt;

use ::http::StatusCode;
use octocrab::Octocrab;
use serde::Deserialize;

use super::calls::Address;
use super::client::{GitHub, PAGE, page_of};
use super::crab::route;
use super::paths;
use super::response::Told;
use crate::http::{Call, Failure, Refusal};
use crate::store::target::{Place, Selection, is_repository};

/// An owner with more repositories is asked to name them.
pub const MAX_REPOSITORIES: usize = 2_000;
const MAX_PAGES: usize = MAX_REPOSITORIES / PAGE;
/// A list that is never the same twice is no list.
const MAX_READINGS: usize = 5;

/// A repository, as far as a selection asks. octocrab's own type refuses licences without an SPDX identifier.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Repository {
    /// Its name without the owner.
    pub name: String,
    owner: Owner,
    #[serde(default)]
    private: bool,
    visibility: Option<String>,
    #[serde(default)]
    topics: Vec<String>,
    #[serde(default)]
    archived: bool,
    #[serde(default)]
    disabled: bool,
    #[serde(default)]
    fork: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Owner {
    login: String,
}

/// Of an installation with how many there are, else alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Rows {
    Counted { total_count: usize, repositories: Vec<Repository> },
    Plain(Vec<Repository>),
}

/// Why a repository is not one that a selection stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Miss {
    /// The user leaves it out.
    Excepted,
    /// Nothing in it can be written.
    Archived,
    /// GitHub has switched it off.
    Disabled,
    /// Its workflows are somebody else's.
    Fork,
    /// It has not the topic.
    Topic,
    /// Others may see it than asked.
    Visibility,
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Excepted => "in `except=`",
            Self::Archived => "archived",
            Self::Disabled => "disabled",
            Self::Fork => "a fork",
            Self::Topic => "without the topic",
            Self::Visibility => "of another visibility",
        })
    }
}

impl Repository {
    /// Whether a selection stands for it.
    ///
    /// # Errors
    /// Why not.
    pub fn fits(&self, selection: &Selection) -> Result<(), Miss> {
        let visibility = self.visibility.as_deref().unwrap_or(if self.private { "private" } else { "public" });
        let misses = [
            (selection.except.iter().any(|name| name.eq_ignore_ascii_case(&self.name)), Miss::Excepted),
            (self.archived, Miss::Archived),
            (self.disabled, Miss::Disabled),
            (self.fork, Miss::Fork),
            (selection.topic.as_ref().is_some_and(|topic| !self.topics.contains(topic)), Miss::Topic),
            (selection.visibility.is_some_and(|asked| asked.word() != visibility), Miss::Visibility),
        ];
        misses.into_iter().find(|(is_it, _)| *is_it).map_or(Ok(()), |(_, miss)| Err(miss))
    }
}

/// Whose list is asked for.
#[derive(Clone, Copy)]
enum Of {
    Installation,
    Organisation,
    /// The token's own account: nobody else's private repositories are listed.
    Account,
}

impl GitHub {
    /// Every repository of an owner that the credential sees, by name.
    ///
    /// # Errors
    /// As any read, and where the list is not certain to be whole.
    pub async fn repositories(&self, owner: &str) -> Result<Vec<Repository>, Failure> {
        let (mut of, mut seen) = (if self.is_app() { Of::Installation } else { Of::Organisation }, None);
        for _ in 0..MAX_READINGS {
            let Some((rows, is_one_page)) = self.reading(of, owner).await? else {
                of = Of::Account;
                continue;
            };
            if is_one_page || seen.as_ref() == Some(&rows) {
                return checked(owner, rows);
            }
            seen = Some(rows);
        }
        Err(Failure::Refused(Refusal {
            status: None,
            message: format!("the repositories of {owner} changed whenever they were listed"),
            hint: Some("Run it again.".to_owned()),
        }))
    }

    /// Every page, sorted, and whether that was one. `None`: there is no such organisation.
    async fn reading(&self, of: Of, owner: &str) -> Result<Option<(Vec<Repository>, bool)>, Failure> {
        let (mut rows, mut total) = (Vec::new(), None);
        for page in 1..=MAX_PAGES {
            let told = self.page(of, owner, page).await?;
            if told.answer.status == StatusCode::NOT_FOUND && matches!(of, Of::Organisation) {
                return Ok(None);
            }
            if told.answer.status != StatusCode::OK {
                return Err(self.failure(&told.answer));
            }
            let has_next = told.answer.header("link").is_some_and(|link| link.contains("rel=\"next\""));
            let more = match told.read()? {
                Rows::Counted { total_count, repositories } => {
                    total = Some(total_count);
                    repositories
                }
                Rows::Plain(repositories) => repositories,
            };
            let is_last = !has_next && more.len() < PAGE;
            rows.extend(more);
            if is_last {
                rows.sort();
                rows.dedup();
                return match total.filter(|total| *total != rows.len()) {
                    Some(total) => Err(partly(owner, rows.len(), total)),
                    None => Ok(Some((rows, page == 1))),
                };
            }
        }
        Err(Failure::Refused(Refusal {
            status: None,
            message: format!("{owner} has more than {MAX_REPOSITORIES} repositories, and `*` stands for no more"),
            hint: Some("Name them, in the file of `targets-file`.".to_owned()),
        }))
    }

    async fn page(&self, of: Of, owner: &str, page: usize) -> Result<Told<Rows>, Failure> {
        let (route, more) = match of {
            Of::Installation => (route(&paths::REPOSITORIES_OF_INSTALLATION)?, Vec::new()),
            Of::Organisation => (route(&paths::repositories_of(owner))?, vec![("sort", "full_name".to_owned())]),
            Of::Account => {
                let query = [("affiliation", "owner".to_owned()), ("sort", "full_name".to_owned())];
                (route(&paths::REPOSITORIES_OF_ACCOUNT)?, query.to_vec())
            }
        };
        let query: Vec<_> = more.into_iter().chain(page_of(page)).collect();
        self.ask(None, (Call::Read, owner), async |octo: Octocrab| octo.get(route, Some(&query)).await).await
    }

    /// Whether a place holds a secret of this name; `None` where the credential can't see that.
    ///
    /// # Errors
    /// As any read.
    pub async fn holds(&self, place: &Place, secret: &str) -> Result<Option<bool>, Failure> {
        let at = Address::of(place, secret)?;
        let told = self.ask(None, (Call::Read, place.owner()), async |octo| at.get(&octo).await).await?;
        match told.answer.status {
            StatusCode::OK => Ok(Some(true)),
            StatusCode::NOT_FOUND => Ok(Some(false)),
            _ => match self.failure(&told.answer) {
                // Blocked by its plan, by GitHub, or for this credential.
                Failure::Refused(Refusal { status: Some(402 | 403 | 451), .. }) => Ok(None),
                failure => Err(failure),
            },
        }
    }
}

/// What is listed is of the owner, and a name is one.
fn checked(owner: &str, rows: Vec<Repository>) -> Result<Vec<Repository>, Failure> {
    if let Some(row) = rows.iter().find(|row| !row.owner.login.eq_ignore_ascii_case(owner)) {
        let whose = if is_repository(&row.owner.login) { &row.owner.login } else { "somebody else" };
        return Err(Failure::Refused(Refusal {
            status: None,
            message: format!("this credential lists the repositories of {whose}, not those of {owner}"),
            hint: Some(format!("Use a token of {owner}, or a GitHub App that is installed there.")),
        }));
    }
    match rows.iter().all(|row| is_repository(&row.name)) {
        true => Ok(rows),
        false => Err(Failure::refused(format!("a repository of {owner} is called what no repository can be"))),
    }
}

fn partly(owner: &str, seen: usize, total: usize) -> Failure {
    let message = format!("GitHub lists {seen} of the {total} repositories of {owner}");
    Failure::Transient { message, retry_after: None }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::target::{SecretName, parse};

    #[test]
    fn a_repository_is_left_out_for_the_first_reason_that_there_is() {
        let usual = json!({ "name": "App", "owner": { "login": "acme" }, "private": true, "topics": ["llm"] });
        let fits = |line: &str, more: serde_json::Value| {
            let mut row = usual.clone();
            row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let row: Repository = serde_json::from_value(row).unwrap();
            let (targets, problems) = parse(line, &SecretName::parse("KEY").unwrap());
            assert_eq!(problems, []);
            row.fits(targets.first().unwrap().selection().unwrap())
        };
        let all = "repo:acme/*";
        for (line, more, expected) in [
            (all, json!({}), Ok(())),
            (all, json!({ "archived": true, "fork": true }), Err(Miss::Archived)),
            (all, json!({ "disabled": true }), Err(Miss::Disabled)),
            (all, json!({ "fork": true }), Err(Miss::Fork)),
            ("repo:acme/* except=app", json!({ "archived": true }), Err(Miss::Excepted)),
            ("repo:acme/* topic=llm", json!({}), Ok(())),
            ("repo:acme/* topic=llm", json!({ "topics": ["llm-eval"] }), Err(Miss::Topic)),
            ("repo:acme/* visibility=private", json!({}), Ok(())),
            ("repo:acme/* visibility=private", json!({ "visibility": "internal" }), Err(Miss::Visibility)),
            ("repo:acme/* visibility=internal", json!({ "visibility": "internal" }), Ok(())),
            ("repo:acme/* visibility=public", json!({ "private": false }), Ok(())),
        ] {
            assert_eq!(fits(line, more.clone()), expected, "{line} {more}");
        }
    }
}
