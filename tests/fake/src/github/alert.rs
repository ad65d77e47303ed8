//! Alerts of secret scanning.

use jiff::Timestamp;

use super::{GitHub, Place};

/// A secret that was found in a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Its number in the repository.
    pub number: u64,
    /// The repository.
    pub repo: Place,
    /// When, on GitHub's clock, whole seconds.
    pub created_at: Timestamp,
    /// What was found; `None`: the answers do not show it.
    pub value: Option<String>,
    /// Whether it is open.
    pub open: bool,
    /// What the last one said who closed it: `revoked`.
    pub resolution: Option<String>,
    /// The comment made when it was closed.
    pub comment: Option<String>,
}

impl GitHub {
    /// Finds a value in a repository, and opens an alert for it.
    ///
    /// # Panics
    /// Where there is no such repository.
    pub fn leak(&mut self, full_name: &str, value: &str) -> u64 {
        let repo = Place::repo(full_name);
        assert!(self.places.contains_key(&repo), "the world has no {repo}");
        let number = 1 + u64::try_from(self.alerts.iter().filter(|it| it.repo == repo).count()).expect("a number");
        let (created_at, value) = (self.clock.now_in_seconds(), Some(value.to_owned()));
        self.alerts.push(Alert { number, repo, created_at, value, open: true, resolution: None, comment: None });
        number
    }

    /// The alert of that number.
    ///
    /// # Panics
    /// Where there is none.
    #[must_use]
    pub fn alert(&self, full_name: &str, number: u64) -> &Alert {
        let repo = Place::repo(full_name);
        self.alerts.iter().find(|it| it.repo == repo && it.number == number).expect("an alert")
    }
}
