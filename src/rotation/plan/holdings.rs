//! What each target holds before a key is made, and how that is known.

use std::fmt;

use jiff::Timestamp;

use crate::rotation::clock::{CLOCK_MARGIN, DATE_RESOLUTION, earlier, later};
use crate::rotation::model::{About, Held, KeyId, KeyRow};
use crate::rotation::name::FamilyName;
use crate::rotation::plan::Situation;
use crate::rotation::plan::identity::provably;
use crate::rotation::plan::observation::{Observation, SeenTarget};
use crate::rotation::plan::value::{NotAKey, not_a_key};
use crate::secret::Secret;

/// What a target holds, as far as it can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holding {
    /// The key being replaced.
    Current,
    /// A key of the family.
    Ours,
    /// Nothing.
    Empty,
    /// It was last written before the key being replaced was made.
    Older,
    /// A key outside the family.
    AnotherKey,
    /// Text that is no key.
    NotAKey(NotAKey),
    /// Nothing tells.
    Unknown,
}

impl Holding {
    /// In one word, for the report's field `held-before`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Ours => "family",
            Self::Empty => "nothing",
            Self::Older => "older",
            Self::AnotherKey => "another-key",
            Self::NotAKey(_) => "not-a-key",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Current => "the key being replaced",
            Self::Ours => "a key of this family",
            Self::Empty => "nothing",
            Self::Older => "an older value",
            Self::AnotherKey => "another key",
            Self::NotAKey(kind) => return kind.fmt(f),
            Self::Unknown => "an unknown value",
        })
    }
}

/// How it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Its value was read, and is this key's.
    Value(KeyId),
    /// Its value was read.
    Read,
    /// It was last written when this key was deployed.
    Deployed(KeyId),
    /// It was last written then.
    Written(Timestamp),
    /// `replace-key-id` names the key, and it was written since that key was made.
    Named,
    /// `current-key` is the key, and it was written since that key was made.
    InHand,
    /// It was looked for.
    Absent,
}

/// What one target holds, with the evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetHolding {
    /// The target's name.
    pub target: String,
    /// What it holds.
    pub holding: Holding,
    /// How that is known.
    pub evidence: Evidence,
}

impl TargetHolding {
    /// Whether it was seen there, or follows from when the target was written, and rests on no input that says so.
    #[must_use]
    pub fn is_seen(&self) -> bool {
        matches!(self.evidence, Evidence::Value(_) | Evidence::Deployed(_) | Evidence::Absent)
    }

    /// Whether the key being replaced was deployed here, or another key of the family.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        matches!(self.holding, Holding::Current | Holding::Ours)
    }
}

impl TargetHolding {
    /// What it holds and how that is known, with the keys' names.
    #[must_use]
    pub fn describe(&self, seen: &Observation) -> String {
        let name = |id: &KeyId| seen.row(id).map_or_else(|| id.to_string(), |row| row.name.clone());
        let evidence = match &self.evidence {
            Evidence::Value(id) => format!(" (its value is the key {})", name(id)),
            Evidence::Deployed(id) => format!(" (last written when {} was deployed)", name(id)),
            Evidence::Written(at) => format!(" (last written {at})"),
            Evidence::Named => " (replace-key-id names it)".to_owned(),
            Evidence::InHand => " (current-key is that key)".to_owned(),
            Evidence::Read | Evidence::Absent => String::new(),
        };
        format!("{}{evidence}", self.holding)
    }
}

impl<'a> Situation<'a> {
    /// What each target holds, where `current` is the key being replaced.
    pub(in crate::rotation) fn found(&self, current: Option<&KeyRow>) -> Vec<TargetHolding> {
        let one = |target: &SeenTarget| {
            let (holding, evidence) = self.holding(target, current);
            TargetHolding { target: target.name.clone(), holding, evidence }
        };
        self.seen.targets.iter().map(one).collect()
    }

    fn holding(&self, target: &SeenTarget, current: Option<&KeyRow>) -> (Holding, Evidence) {
        if target.held == Held::Nothing {
            return match target.ended.and_then(|at| self.deployed_at(at)) {
                Some(row) => (Holding::Ours, Evidence::Deployed(row.id.clone())),
                None => (Holding::Empty, Evidence::Absent),
            };
        }
        let value = target.contents.value.as_ref();
        if let Some(kind) = value.and_then(|value| not_a_key(value.expose())) {
            return (Holding::NotAKey(kind), Evidence::Read);
        }
        match target.value_is.clone().or_else(|| value.and_then(|value| self.key_of(value))) {
            Some(id) => (self.holding_of(&id, current), Evidence::Value(id)),
            None => self.holding_by_time(target, current),
        }
    }

    fn holding_of(&self, id: &KeyId, current: Option<&KeyRow>) -> Holding {
        match self.seen.row(id) {
            _ if current.is_some_and(|row| row.id == *id) => Holding::Current,
            Some(row) if self.is_family(row) => Holding::Ours,
            _ => Holding::AnotherKey,
        }
    }

    pub(super) fn is_family(&self, row: &KeyRow) -> bool {
        FamilyName::parse(&self.policy.key_name, &row.name).is_some()
    }

    fn holding_by_time(&self, target: &SeenTarget, current: Option<&KeyRow>) -> (Holding, Evidence) {
        let Some(at) = target.last_write else { return (Holding::Unknown, Evidence::Read) };
        if target.dated
            && let Some(row) = self.deployed_at(at)
        {
            return (Holding::Ours, Evidence::Deployed(row.id.clone()));
        }
        // Answers leave open when exactly a target was written: only what certainly came before the key is older.
        let latest = later(target.last_write_at_latest.unwrap_or(at), DATE_RESOLUTION);
        let since =
            |row: &KeyRow| !target.dated || row.created_at.is_some_and(|made| earlier(made, CLOCK_MARGIN) <= latest);
        let held = self.seen.held.as_ref().and_then(|held| held.is.as_ref());
        // A roll back writes an older key of the family, after every deployment.
        let put_back = held.filter(|id| self.family.has(id)).and_then(|id| self.seen.row(id)).filter(|row| since(row));
        match current {
            Some(row) if held == Some(&row.id) && since(row) => (Holding::Current, Evidence::InHand),
            _ if put_back.is_some() => (Holding::Ours, Evidence::InHand),
            Some(row) if !since(row) => (Holding::Older, Evidence::Written(at)),
            Some(row) if self.policy.replace_key_id.as_ref() == Some(&row.id) => (Holding::Current, Evidence::Named),
            _ => (Holding::Unknown, Evidence::Written(at)),
        }
    }

    /// The key of the family, dead or alive, that was deployed at a time.
    pub(super) fn deployed_at(&self, at: Timestamp) -> Option<&'a KeyRow> {
        let mut keys = self.family.all().chain(self.family.dead.iter().copied());
        keys.find(|row| {
            self.deployments(row).is_some_and(|windows| windows.iter().any(|(from, to)| *from <= at && at <= *to))
        })
    }

    /// The listed key that a value provably is: `current-key` is that key, a target was found to hold it, or a masked label
    /// agrees. White space around a value counts for nothing.
    pub(super) fn key_of(&self, value: &Secret) -> Option<KeyId> {
        let same = |other: &Secret| other.expose().trim() == value.expose().trim();
        let held = self.seen.held.as_ref().and_then(|held| held.is.clone());
        if self.policy.current_key.as_ref().is_some_and(same) && held.is_some() {
            return held;
        }
        let holds_it = |target: &&SeenTarget| target.contents.value.as_ref().is_some_and(same);
        let known = self.seen.targets.iter().filter(holds_it).find_map(|target| target.value_is.clone());
        known.or_else(|| {
            let trimmed = Secret::new(value.expose().trim().to_owned());
            provably(&self.seen.listing.keys, &self.seen.live(), &trimmed, &About::default(), false)
        })
    }
}
