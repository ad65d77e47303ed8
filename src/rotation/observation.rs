//! What a run saw before it decided anything, on the issuer's clock.

use jiff::Timestamp;

use crate::rotation::clock::ServerClock;
use crate::rotation::name::FamilyName;
use crate::rotation::port::{Endpoint, Held, KeyId, KeyKind, KeyRow, Listing};

/// One target as it was seen.
#[derive(Clone, Debug)]
pub struct SeenTarget {
    /// As the user wrote it.
    pub name: String,
    /// What it holds, on its own clock.
    pub held: Held,
    /// When it was last written, on the issuer's clock; `None` where it holds nothing.
    pub last_write: Option<Timestamp>,
    /// The target's own clock.
    pub clock: ServerClock,
}

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
    /// The issuer's clock.
    pub clock: ServerClock,
    /// In the user's order.
    pub targets: Vec<SeenTarget>,
    /// If `current-key` was given.
    pub held: Option<HeldKey>,
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

    /// The live keys of the family, told apart by their names. Where renames turned out to be ignored, an unconfirmed
    /// name is that of a key that was made to find this out, and never written anywhere.
    #[must_use]
    pub fn family(&self, key_name: &str) -> Family<'_> {
        let mut family = Family::default();
        for row in self.live() {
            match FamilyName::parse(key_name, &row.name) {
                Some(name) if name.is_confirmed() => family.confirmed.push(row),
                Some(_) => family.unconfirmed.push(row),
                None => {}
            }
        }
        family.confirmed.sort_by_key(|row| (row.created_at, commit(row), row.name.clone()));
        family.unconfirmed.sort_by_key(|row| (row.created_at, row.name.clone()));
        family
    }
}

/// The live keys of one family, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Family<'a> {
    /// In every target of their run, and proved twice.
    pub confirmed: Vec<&'a KeyRow>,
    /// Some run made them and did not commit.
    pub unconfirmed: Vec<&'a KeyRow>,
}

impl<'a> Family<'a> {
    /// The newest confirmed key.
    #[must_use]
    pub fn current(&self) -> Option<&'a KeyRow> {
        self.confirmed.last().copied()
    }

    /// Both kinds.
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
        self.confirmed.iter().any(|row| row.id == *id)
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
    rows.iter()
        .filter(|row| row.kind == KeyKind::Regular && !row.disabled)
        .filter(|row| !matches!(row.rights.expires_at, Some(Some(end)) if end <= now))
        .collect()
}

/// When a confirmed key was committed: its row's `updated_at`, else its `created_at`.
#[must_use]
pub fn commit(row: &KeyRow) -> Option<Timestamp> {
    row.updated_at.or(row.created_at)
}
