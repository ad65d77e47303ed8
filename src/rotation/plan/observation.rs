//! What a run saw before it decided anything, on the issuer's clock.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::http::Refusal;
use crate::rotation::clock::{Mark, ServerClock};
use crate::rotation::model::{
    Contents, Endpoint, Entry, Guardrails, Held, KeyId, KeyKind, KeyRow, Listing, Rollout, Unfinished,
};
use crate::rotation::name::FamilyName;

/// One target as it was seen.
#[derive(Clone, Debug)]
pub struct SeenTarget {
    /// As the user wrote it.
    pub name: String,
    /// What it holds, on its own clock.
    pub held: Held,
    /// When it was last written, on the issuer's clock; `None` where it holds nothing.
    pub last_write: Option<Timestamp>,
    /// The same at the latest: slow answers leave it open how two clocks stand to each other.
    pub last_write_at_latest: Option<Timestamp>,
    /// When its last value was written, on the issuer's clock, where that was deleted or has expired since.
    pub ended: Option<Timestamp>,
    /// The target's own clock.
    pub clock: ServerClock,
    /// What is unfinished there, where that was asked.
    pub in_use: Option<SeenUse>,
    /// What has to happen there before a new key counts as in use.
    pub rollout: Option<Rollout>,
    /// Whether the place shows when it was written.
    pub dated: bool,
    /// What the place shows beside that.
    pub contents: Contents,
    /// What else the place shows whose value looks like a key of the issuer.
    pub look_like_keys: BTreeSet<String>,
    /// The listed key that its value provably is, where that was found out.
    pub value_is: Option<KeyId>,
    /// What lies in other containers near it, or why that could not be listed; asked only where it holds nothing.
    pub elsewhere: Option<Result<Vec<Entry>, String>>,
}

/// What was seen to be unfinished at a target, or why that could not be seen.
pub type SeenUse = Result<Vec<Unfinished>, String>;

/// What trying `current-key` once showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldKey {
    /// Whether the issuer accepts it; `None` where it could not be told.
    pub alive: Option<bool>,
    /// The listed key that it provably is.
    pub is: Option<KeyId>,
    /// The only live key, which it is if it still is accepted where a never-issued one is refused.
    pub perhaps: Option<KeyId>,
    /// Where it was accepted.
    pub at: Option<Endpoint>,
}

/// Everything that was read, all at once.
#[derive(Clone, Debug)]
pub struct Observation {
    /// Every page of the key list.
    pub listing: Listing,
    /// The guardrails of all keys, or why the issuer does not show them.
    pub guardrails: Result<Guardrails, Refusal>,
    /// The issuer's clock.
    pub clock: ServerClock,
    /// In the user's order.
    pub targets: Vec<SeenTarget>,
    /// If `current-key` was given.
    pub held: Option<HeldKey>,
    /// When the last answer had come.
    pub ended: Mark,
    /// The issuer's time before it was asked what is unfinished at the targets.
    pub use_asked: Option<Timestamp>,
}

impl Observation {
    /// The issuer's time of the list.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.listing.date
    }

    /// Live keys: regular, not disabled, not expired.
    #[must_use]
    pub fn live(&self) -> Vec<&KeyRow> {
        live(&self.listing.keys, self.now())
    }

    /// The row of a key.
    #[must_use]
    pub fn row(&self, id: &KeyId) -> Option<&KeyRow> {
        self.listing.keys.iter().find(|row| row.id == *id)
    }

    /// The family's keys, told apart by their names. Where renames turned out to be ignored, an unconfirmed name is that
    /// of a key that was made to find this out, and never written anywhere.
    #[must_use]
    pub fn family(&self, key_name: &str) -> Family<'_> {
        Family::of(&self.listing.keys, key_name, self.now())
    }
}

/// The live keys of one family, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Family<'a> {
    /// In every target of their run, and proved twice.
    pub confirmed: Vec<&'a KeyRow>,
    /// Some run made them and did not commit.
    pub unconfirmed: Vec<&'a KeyRow>,
    /// Every key that is dead, and yet may tell who wrote a target.
    pub dead: Vec<&'a KeyRow>,
    /// The newest confirmed key of all, where it has expired or was disabled: nothing newer lives.
    pub ended: Option<&'a KeyRow>,
}

impl<'a> Family<'a> {
    /// The family of this name among rows, at a time of the issuer.
    #[must_use]
    pub fn of(rows: impl IntoIterator<Item = &'a KeyRow>, key_name: &str, now: Timestamp) -> Self {
        let (mut family, mut ended) = (Self::default(), Vec::new());
        for row in rows.into_iter().filter(|row| row.kind == KeyKind::Regular) {
            match FamilyName::parse(key_name, &row.name) {
                Some(name) if name.is_confirmed() && is_live(row, now) => family.confirmed.push(row),
                Some(name) if name.is_confirmed() => {
                    family.dead.push(row);
                    ended.push(row);
                }
                Some(_) if is_live(row, now) => family.unconfirmed.push(row),
                Some(_) => family.dead.push(row),
                None => {}
            }
        }
        family.confirmed.sort_by_key(age);
        family.unconfirmed.sort_by_key(|row| (row.created_at, row.name.clone()));
        let newest = family.confirmed.last();
        family.ended =
            ended.into_iter().filter(|row| newest.is_none_or(|newest| age(newest) < age(row))).max_by_key(age);
        family
    }

    /// The newest confirmed key, dead or alive.
    #[must_use]
    pub fn current(&self) -> Option<&'a KeyRow> {
        self.ended.or(self.confirmed.last().copied())
    }

    /// Every confirmed key that is alive, and the current one.
    pub fn committed(&self) -> impl Iterator<Item = &'a KeyRow> + '_ {
        self.confirmed.iter().copied().chain(self.ended)
    }

    /// Both kinds of live keys.
    pub fn all(&self) -> impl Iterator<Item = &'a KeyRow> + '_ {
        self.confirmed.iter().chain(&self.unconfirmed).copied()
    }

    /// Whether a key is of the family.
    #[must_use]
    pub fn has(&self, id: &KeyId) -> bool {
        self.all().any(|row| row.id == *id)
    }

    /// Whether a key of the family was committed.
    #[must_use]
    pub fn is_confirmed(&self, id: &KeyId) -> bool {
        self.committed().any(|row| row.id == *id)
    }

    /// Whether a key is the current one, and dead.
    #[must_use]
    pub fn has_ended(&self, id: &KeyId) -> bool {
        self.ended.is_some_and(|row| row.id == *id)
    }

    /// The commit of the current key.
    #[must_use]
    pub fn newest_commit(&self) -> Option<Timestamp> {
        commit(self.current()?)
    }
}

/// Live keys among rows: regular, not disabled, not expired at `now`.
#[must_use]
pub fn live(rows: &[KeyRow], now: Timestamp) -> Vec<&KeyRow> {
    rows.iter().filter(|row| row.kind == KeyKind::Regular && is_live(row, now)).collect()
}

fn is_live(row: &KeyRow, now: Timestamp) -> bool {
    !row.disabled && !has_expired(row, now)
}

/// That time, or the end of the key's own where it comes first.
#[must_use]
pub fn at_latest_until(row: &KeyRow, until: Timestamp) -> Timestamp {
    match row.rights.expires_at {
        Some(Some(end)) => until.min(end),
        _ => until,
    }
}

/// Whether a key's time is over.
#[must_use]
pub fn has_expired(row: &KeyRow, now: Timestamp) -> bool {
    matches!(row.rights.expires_at, Some(Some(end)) if end <= now)
}

/// By which the newest confirmed key is told.
fn age(row: &&KeyRow) -> (Option<Timestamp>, Option<Timestamp>, String) {
    (row.created_at, commit(row), row.name.clone())
}

/// When a confirmed key was committed: its row's `updated_at`, else its `created_at`.
#[must_use]
pub fn commit(row: &KeyRow) -> Option<Timestamp> {
    row.updated_at.or(row.created_at)
}
