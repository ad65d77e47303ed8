//! What a repository's workflows see beside a place: secrets of the organisation, of environments and of the repository
//! itself, and variables. A target that is empty may have been meant for one of them.

use futures_util::future::{LocalBoxFuture, join_all};
use futures_util::{FutureExt as _, StreamExt as _, stream};
use jiff::Timestamp;
use serde::Deserialize;

use super::client::{GitHub, PAGE};
use super::environments::Environments;
use super::list::{entries, list};
use super::paths;
use super::shadows::{AT_ONCE, MAX_OF_ONE};
use crate::http::Failure;
use crate::rotation::model::Entry;
use crate::store::target::{Place, PlaceKind};

/// GitHub shows at most 30 variables in a page.
const MAX_VARIABLES: usize = 30;

type Part<'a> = LocalBoxFuture<'a, Result<Vec<Entry>, Failure>>;

/// What there is, without what the token may not see.
///
/// # Errors
/// The first one, where no part could be read.
pub(super) async fn look(github: &GitHub, place: &Place) -> Result<Vec<Entry>, Failure> {
    let parts = join_all(parts(github, place)).await;
    let (mut found, mut failure, mut any) = (Vec::new(), None, false);
    for part in parts {
        match part {
            Ok(entries) => {
                any = true;
                found.extend(entries);
            }
            Err(why) => failure = failure.or(Some(why)),
        }
    }
    failure.filter(|_| !any).map_or(Ok(found), Err)
}

fn parts<'a>(github: &'a GitHub, place: &'a Place) -> Vec<Part<'a>> {
    let of = |place: Place| secrets(github, place).boxed_local();
    let Some((owner, repo)) = place.repository() else { return Vec::new() };
    let holder = Place::in_repository(PlaceKind::Repo, owner, repo);
    match place.kind().of_organisation() {
        Some(kind) => vec![of(holder), of(Place::in_organisation(kind, owner))],
        None => {
            let environments = environments(github, owner, repo, place).boxed_local();
            let organisation = shown_by_organisation(github, owner, repo).boxed_local();
            let variables = variables(github, owner, repo).boxed_local();
            let holder = (!place.is(&holder)).then(|| of(holder));
            holder.into_iter().chain([organisation, environments, variables]).collect()
        }
    }
}

async fn secrets(github: &GitHub, place: Place) -> Result<Vec<Entry>, Failure> {
    let listing = list(github, &place, None).await?;
    let found: Vec<Entry> = entries(&listing, github, &place).collect();
    match listing.unlisted {
        Some(why) if found.is_empty() => Err(Failure::refused(why)),
        _ => Ok(found),
    }
}

/// The secrets of the repository's environments, without those of this place.
async fn environments(github: &GitHub, owner: &str, repo: &str, own: &Place) -> Result<Vec<Entry>, Failure> {
    let all = Environments::of(github, owner, repo).await?;
    let places = all
        .names()
        .map(|name| Place::in_environment(owner, repo, name))
        .filter(|place| !place.is(own))
        .take(MAX_OF_ONE);
    let looks: Vec<_> = places.map(|place| secrets(github, place).boxed_local()).collect();
    let found: Vec<_> = stream::iter(looks).buffered(AT_ONCE).collect().await;
    Ok(found.into_iter().flatten().flatten().collect())
}

#[derive(Deserialize)]
struct Named {
    name: String,
    updated_at: Timestamp,
}

#[derive(Deserialize)]
struct Page {
    #[serde(alias = "variables")]
    secrets: Vec<Named>,
}

/// The first page of a list of names below a repository.
async fn names(github: &GitHub, path: &[&str], size: usize) -> Result<Vec<Named>, Failure> {
    github.read(path, &[("per_page", size.to_string())]).await.map(|page: Page| page.secrets)
}

/// The organisation's Actions secrets that the repository sees: the first 100 are all that its workflows get.
pub(super) async fn shown_by_organisation(github: &GitHub, owner: &str, repo: &str) -> Result<Vec<Entry>, Failure> {
    let rows = names(github, &paths::shown_by_organisation(owner, repo), PAGE).await?;
    let target = |name: &str| format!("org:{owner} {name}");
    Ok(rows.into_iter().map(|row| entry(github, &row, target)).collect())
}

async fn variables(github: &GitHub, owner: &str, repo: &str) -> Result<Vec<Entry>, Failure> {
    let rows = names(github, &paths::variables(owner, repo), MAX_VARIABLES).await?;
    let target = |name: &str| format!("the variable {name} of {owner}/{repo}");
    Ok(rows.into_iter().map(|row| entry(github, &row, target)).collect())
}

fn entry(github: &GitHub, row: &Named, target: impl Fn(&str) -> String) -> Entry {
    let name = github.shown(&row.name);
    Entry { target: target(&name), name, value: None, written: Some(row.updated_at) }
}
