//! The scope of an organisation's secret: which of its repositories are shown it. Writing the value writes the scope
//! too, so it is read first and sent back.

use ::http::StatusCode;
use octocrab::models::orgs::secrets::Visibility;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{GitHub, page_of};
use super::paths;
use crate::http::{Failure, Refusal};
use crate::store::target::{Place, PlaceKind, Reach};

/// A page of repositories has at most a hundred; an organisation with more than this many pages is a loop.
const MAX_PAGES: usize = 1000;

/// Which repositories are shown a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// The private and internal ones: what a new secret gets.
    Private,
    /// These, by number.
    Selected(Vec<u64>),
}

/// The two scopes of a secret that a run writes.
#[derive(Clone, Debug)]
pub(super) struct Scopes {
    /// What it had before this run wrote it; `None` where the token could not see all of it.
    pub(super) before: Option<Scope>,
    /// What it is to have with the new key.
    pub(super) wanted: Scope,
}

impl Scopes {
    /// From what the target asks, the same in numbers, and what was found (`Ok(None)`: there is no secret). A scope that
    /// can't be read stands in the way only of a target that leaves it as it is.
    pub(super) fn new(
        asked: Option<&Reach>,
        numbers: Option<Scope>,
        found: Result<Option<Scope>, Failure>,
    ) -> Result<Self, Failure> {
        let found = match (found, &numbers) {
            (Err(Failure::Refused(_)), Some(wanted)) => return Ok(Self { before: None, wanted: wanted.clone() }),
            (found, _) => found?,
        };
        let keeps_list = matches!(asked, Some(Reach::Selected(names)) if names.is_empty());
        if keeps_list && !matches!(found, Some(Scope::Selected(_))) {
            return Err(Failure::Refused(Refusal {
                status: None,
                message: "`visibility=selected` names no repository, and the secret has none so far".to_owned(),
                hint: Some("Name them in the target: `visibility=selected repos=a,b`.".to_owned()),
            }));
        }
        let before = found.unwrap_or(Scope::Private);
        Ok(Self { wanted: numbers.unwrap_or_else(|| before.clone()), before: Some(before) })
    }
}

/// A page of the repositories that a secret is shown to.
#[derive(Deserialize)]
pub(super) struct Page {
    pub(super) total_count: usize,
    pub(super) repositories: Vec<Row>,
}

/// A repository.
#[derive(Deserialize)]
pub(super) struct Row {
    pub(super) id: u64,
    pub(super) name: String,
}

impl Scope {
    /// The fields that GitHub wants beside the sealed value.
    ///
    /// GitHub's description takes numbers for Actions and Codespaces. For Dependabot it names texts first; the calls of
    /// GitHub's own command line tool send texts there.
    pub(super) fn fields(&self, kind: PlaceKind) -> Vec<(&'static str, Value)> {
        match self {
            Self::All => vec![("visibility", json!("all"))],
            Self::Private => vec![("visibility", json!("private"))],
            Self::Selected(ids) => {
                let texts = kind == PlaceKind::DependabotOrg;
                let id = |id: &u64| if texts { json!(id.to_string()) } else { json!(id) };
                let ids: Vec<Value> = ids.iter().map(id).collect();
                vec![("visibility", json!("selected")), ("selected_repository_ids", json!(ids))]
            }
        }
    }
}

/// The scope that a secret has, by what is shown of it; `asked` is the call that showed it.
pub(super) async fn of_secret(
    github: &GitHub,
    place: &Place,
    secret: &str,
    visibility: Option<&Visibility>,
    asked: &str,
) -> Result<Scope, Failure> {
    match visibility {
        Some(Visibility::All) => Ok(Scope::All),
        Some(Visibility::Private) => Ok(Scope::Private),
        Some(Visibility::Selected) => selected(github, place, secret).await.map(Scope::Selected),
        None => Err(Failure::refused(format!("{asked}: the answer does not show the secret's visibility"))),
    }
}

async fn selected(github: &GitHub, place: &Place, secret: &str) -> Result<Vec<u64>, Failure> {
    let mut ids = Vec::new();
    for page in 1..=MAX_PAGES {
        let page = repositories(github, place, secret, page).await?;
        let before = ids.len();
        for row in page.repositories {
            if !ids.contains(&row.id) {
                ids.push(row.id);
            }
        }
        if ids.len() >= page.total_count {
            return Ok(ids);
        }
        if ids.len() == before {
            return Err(partly_seen(page.total_count, before));
        }
    }
    Err(Failure::refused("the list of its repositories has no end"))
}

/// One page of the repositories that a secret is shown to.
pub(super) async fn repositories(github: &GitHub, place: &Place, secret: &str, page: usize) -> Result<Page, Failure> {
    let mut path = place.path();
    path.extend([secret, "repositories"]);
    github.read(&path, &page_of(page)).await
}

/// The list must be sent back whole: what is left out of it loses the secret.
fn partly_seen(total: usize, seen: usize) -> Failure {
    Failure::Refused(Refusal {
        status: None,
        message: format!(
            "the secret is shown to {total} selected repositories, and the token sees {seen} of them; writing it would \
             take it from the others"
        ),
        hint: Some("Use a token that sees all of them, or state them in the target with `repos=`.".to_owned()),
    })
}

/// The scope that a target asks for by itself, its repositories looked up one after another; `None` where it leaves the
/// scope, or the list, as it is.
pub(super) async fn asked(github: &GitHub, place: &Place, asked: Option<&Reach>) -> Result<Option<Scope>, Failure> {
    match (asked, place.organisation()) {
        (Some(Reach::All), Some(_)) => Ok(Some(Scope::All)),
        (Some(Reach::Private), Some(_)) => Ok(Some(Scope::Private)),
        (Some(Reach::Selected(names)), Some(org)) if !names.is_empty() => {
            numbers(github, org, names).await.map(|ids| Some(Scope::Selected(ids)))
        }
        _ => Ok(None),
    }
}

async fn numbers(github: &GitHub, org: &str, names: &[String]) -> Result<Vec<u64>, Failure> {
    let mut ids = Vec::new();
    for name in names {
        let told = github.get::<Row>(None, &paths::repository(org, name), &[]).await?;
        match told.answer.status {
            StatusCode::OK => ids.push(told.read()?.id),
            StatusCode::NOT_FOUND => return Err(no_such_repository(org, name)),
            _ => return Err(github.failure(&told.answer)),
        }
    }
    Ok(ids)
}

fn no_such_repository(org: &str, name: &str) -> Failure {
    Failure::Refused(Refusal {
        status: Some(StatusCode::NOT_FOUND.as_u16()),
        message: format!("`repos=` names {name}, and GitHub knows no repository {org}/{name}"),
        hint: Some("Check the name, and that the token may see this repository.".to_owned()),
    })
}
