//! The list of a place's secrets, asked for page by page.

use ::http::StatusCode;
use futures_util::future::try_join_all;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::access_errors;
use super::client::{GitHub, PAGE, Permit, page_of};
use super::listing::{Listing, Seen, Shown};
use super::response::{Answer, Told};
use crate::http::{Failure, Refusal};
use crate::rotation::model::Entry;
use crate::store::target::Place;

/// An organisation has at most 1,000 secrets, and every other place 100: page "Using secrets in GitHub Actions".
const MAX_PAGES: usize = 10;

/// Of every kind of place. octocrab's lists differ in type and know no pages.
#[derive(Deserialize)]
struct Row {
    name: String,
    updated_at: Timestamp,
    /// What it is for others of the list is none of ours.
    #[serde(default)]
    visibility: Value,
}

impl Row {
    fn shown(self) -> (String, Shown) {
        let visibility = serde_json::from_value(self.visibility).ok();
        (self.name, Shown { updated_at: self.updated_at, visibility })
    }
}

#[derive(Deserialize)]
struct Rows {
    total_count: usize,
    secrets: Vec<Row>,
}

/// Asks for the list; for the first page with this leave. A token that may not list gets an empty list that says so.
///
/// # Errors
/// As any read.
pub(super) async fn list(github: &GitHub, place: &Place, pass: Option<Permit>) -> Result<Listing, Failure> {
    let told = github.get(pass, &place.path(), &page_of(1)).await?;
    match told.answer.status {
        StatusCode::OK => beginning_with(github, place, told).await,
        _ => without_leave(access_errors::failure(github, place, &told.answer), place, &told.answer),
    }
}

async fn beginning_with(github: &GitHub, place: &Place, first: Told<Rows>) -> Result<Listing, Failure> {
    let (asked, date) = (first.answer.asked.clone(), first.answer.date()?);
    let (mut seen, total) = rows(first)?;
    let pages = total.div_ceil(PAGE).min(MAX_PAGES);
    let more = (2..=pages).map(async |page| {
        let told = github.get(None, &place.path(), &page_of(page)).await?;
        if told.answer.status == StatusCode::OK { rows(told) } else { Err(github.failure(&told.answer)) }
    });
    let more = try_join_all(more).await?;
    seen.extend(more.into_iter().flat_map(|(seen, _)| seen));
    let missing = total > seen.len();
    let unlisted = missing.then(|| format!("only {} of the {total} secrets there are listed", seen.len()));
    Ok(Listing { asked, date, unlisted, is_one_page: pages <= 1 && !missing, seen })
}

fn without_leave(failure: Failure, place: &Place, answer: &Answer) -> Result<Listing, Failure> {
    match failure {
        Failure::Refused(Refusal { status: Some(403 | 404), .. }) => Ok(Listing {
            asked: answer.asked.clone(),
            date: answer.date()?,
            unlisted: Some(format!("the token may not list the secrets of {}", place)),
            seen: Vec::new(),
            is_one_page: false,
        }),
        failure => Err(failure),
    }
}

/// Every secret of a list.
pub(super) fn entries(listing: &Listing, github: &GitHub, place: &Place) -> impl Iterator<Item = Entry> {
    let place = github.shown(&place.to_string());
    listing.seen.iter().map(move |seen| {
        let name = github.shown(&seen.name);
        let written = Some(seen.secret.updated_at);
        Entry { target: format!("{place} {name}"), name, value: None, written }
    })
}

/// The rows of a page, and how many there are on all of them.
fn rows(told: Told<Rows>) -> Result<(Vec<Seen>, usize), Failure> {
    let (date, rows) = (told.answer.date(), told.read()?);
    let date = date?;
    let seen = |(name, secret)| Seen { name, secret, date };
    Ok((rows.secrets.into_iter().map(Row::shown).map(seen).collect(), rows.total_count))
}
