//! What both the outputs and the JSON document say of a run as a whole.

use super::{Ending, phrases};
use crate::rotation::model::KeyId;
use crate::rotation::outcome::{OldKeyStatus, Outcome};

/// What one rotation hands over beside the counts; empty where there are several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Single {
    pub(super) new_key: Option<(KeyId, String)>,
    pub(super) old_key_id: Option<KeyId>,
    pub(super) old_key_status: Option<&'static str>,
    pub(super) retire_after: Option<jiff::Timestamp>,
}

impl Single {
    /// Of the only rotation.
    pub(super) fn of(ending: &Ending) -> Self {
        match ending.outcomes() {
            [only] => Self::from(only),
            _ => Self::default(),
        }
    }
}

impl From<&Outcome> for Single {
    fn from(outcome: &Outcome) -> Self {
        Self {
            new_key: outcome.new_key.clone(),
            old_key_id: outcome.old_key.as_ref().map(|(id, _)| id.clone()),
            old_key_status: Some(outcome.old_key_status.word()),
            retire_after: outcome.retire_after.filter(|_| outcome.old_key_status == OldKeyStatus::Pending),
        }
    }
}

/// Whether every target holds the new key: of several rotations, all that were due.
pub(super) fn rotated(ending: &Ending) -> bool {
    let outcomes = ending.outcomes();
    outcomes.iter().any(|outcome| outcome.rotated) && outcomes.iter().all(|outcome| outcome.rotated || outcome.not_due)
}

/// Targets that hold the new key for certain, and those where that was tried in vain.
pub(super) fn counts(ending: &Ending) -> (usize, usize) {
    let each = ending.outcomes().iter().map(|outcome| phrases::counts(&outcome.targets));
    each.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
}
