//! The inputs of `watch-leaks`.

use std::collections::BTreeSet;

use crate::cli::Inputs;
use crate::config::RotationRequest;
use crate::config::list::list;
use crate::config::problem::Problems;
use crate::config::scalar::{boolean, choice};
use crate::store::github::alerts::AlertSource;
use crate::store::target::{Target, is_owner, is_repository};

/// What becomes of a leaked key that works and is of no rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLeak {
    /// A person is told.
    Report,
    /// It is switched off.
    Disable,
}

/// Where a watch looks and what it may do.
#[derive(Clone, Debug)]
pub struct WatchSettings {
    /// Whose alerts are read; never empty.
    pub sources: BTreeSet<AlertSource>,
    /// What becomes of a leaked key that works and is of no rotation.
    pub on_leak: OnLeak,
    /// Alerts are closed whose key was dead before.
    pub close_dead: bool,
    /// The run's page, for the comment of an alert that is closed.
    pub run: Option<String>,
}

/// Reads the settings; `None` once a problem was noted.
#[must_use]
pub fn read(
    inputs: &Inputs,
    rotations: &[RotationRequest],
    run: Option<String>,
    problems: &mut Problems,
) -> Option<WatchSettings> {
    let on_leak = problems.read(inputs, "on-leak", on_leak);
    let close_dead = problems.read(inputs, "close-dead-alerts", boolean);
    let sources = match inputs.has("alerts-of") {
        true => problems.read(inputs, "alerts-of", sources)?,
        false => rotations.iter().flat_map(|rotation| &rotation.targets).filter_map(source).collect(),
    };
    if sources.is_empty() && !rotations.is_empty() {
        problems.note("alerts-of", "is required where no target lies at GitHub: `OWNER/NAME` or an organisation");
        return None;
    }
    Some(WatchSettings { sources, on_leak: on_leak?, close_dead: close_dead?, run })
}

/// A selection may stand for a thousand repositories: the organisation's list is one.
fn source(target: &Target) -> Option<AlertSource> {
    if let Some(selection) = target.selection() {
        return Some(AlertSource::Organisation(selection.owner().to_owned()));
    }
    let place = &target.at_github()?.place;
    Some(match place.repository() {
        Some((owner, repo)) => AlertSource::Repository { owner: owner.to_owned(), repo: repo.to_owned() },
        None => AlertSource::Organisation(place.owner().to_owned()),
    })
}

fn sources(text: &str) -> Result<BTreeSet<AlertSource>, String> {
    list(text)?.iter().map(|entry| one(entry)).collect()
}

fn one(entry: &str) -> Result<AlertSource, String> {
    let expected = || format!("`{entry}` is neither `OWNER/NAME` nor an organisation");
    match entry.split_once('/') {
        Some((owner, repo)) if is_owner(owner) && is_repository(repo) => {
            Ok(AlertSource::Repository { owner: owner.to_owned(), repo: repo.to_owned() })
        }
        None if is_owner(entry) => Ok(AlertSource::Organisation(entry.to_owned())),
        _ => Err(expected()),
    }
}

fn on_leak(text: &str) -> Result<OnLeak, String> {
    choice(text, &[("report", OnLeak::Report), ("disable", OnLeak::Disable)])
}
