//! Leaked keys that GitHub's secret scanning found: what became of each alert, as data.

pub(crate) mod execute;

use crate::rotation::model::KeyId;
use crate::rotation::outcome::{Outcome, Problem, RunStatus};

/// Everything a watch came to.
#[derive(Clone, Debug)]
pub struct WatchOutcome {
    /// Where alerts were read: `acme/app`, `acme`.
    pub sources: Vec<String>,
    /// How many open alerts hold nothing of an account that was asked.
    pub others: usize,
    /// Those that hold a key of it.
    pub alerts: Vec<Alert>,
    /// The rotations that they led to.
    pub rotations: Vec<Outcome>,
    /// What could not be read or asked.
    pub problems: Vec<Problem>,
    /// What the user should know although nothing failed.
    pub notices: Vec<String>,
}

/// An open alert that holds a key of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Its repository and number: `acme/app#12`.
    pub name: String,
    /// Its page.
    pub page: String,
    /// The key, where the issuer still lists it: its id and name.
    pub key: Option<(KeyId, String)>,
    /// The family that the key belongs to.
    pub family: Option<String>,
    /// What became of it.
    pub fate: Fate,
}

/// What became of an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The key is dead, and the alert is closed.
    Closed,
    /// The key is dead, and the alert is open: why, and what to do.
    Open(String),
    /// The key works: why, and what to do.
    Alive(Problem),
    /// A dry run: what a real one would do.
    Planned(String),
}

/// The end of a watch in one word; the output `outcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchStatus {
    /// No key of the account that works is in an open alert. Exit 0.
    Watched,
    /// As its rotations ended.
    Rotations(RunStatus),
    /// Something could not be read, and nothing was changed. Exit 1.
    Unchanged,
    /// A leaked key works, or something was changed and something else could not be read. Exit 3.
    Attention,
}

impl WatchStatus {
    /// The process's exit status.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Watched => 0,
            Self::Rotations(verdict) => verdict.exit_code(),
            Self::Unchanged => 1,
            Self::Attention => RunStatus::Attention.exit_code(),
        }
    }

    /// The output `outcome`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Watched => "watched",
            Self::Rotations(verdict) => verdict.word(),
            Self::Unchanged => RunStatus::Unchanged.word(),
            Self::Attention => RunStatus::Attention.word(),
        }
    }
}

impl WatchOutcome {
    /// How it ended, where its rotations ended like this.
    #[must_use]
    pub fn verdict(&self, rotations: Option<RunStatus>) -> WatchStatus {
        let has = |is: fn(&Fate) -> bool| self.alerts.iter().any(|alert| is(&alert.fate));
        match rotations {
            _ if has(|fate| matches!(fate, Fate::Alive(_))) => WatchStatus::Attention,
            Some(verdict) if verdict.exit_code() > 0 || self.problems.is_empty() => WatchStatus::Rotations(verdict),
            None if self.problems.is_empty() => WatchStatus::Watched,
            None if !has(|fate| *fate == Fate::Closed) => WatchStatus::Unchanged,
            // Something was changed, and not everything could be looked at.
            _ => WatchStatus::Attention,
        }
    }
}
