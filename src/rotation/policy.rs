//! What the user asked of one rotation, validated.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::rotation::model::{AllowList, KeyId, Reset};
use crate::secret::Secret;

/// A right that is either stated or taken over from the key being replaced.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish<T> {
    /// As the old key has it.
    Inherit,
    /// As the input says.
    Stated(T),
}

/// What becomes of a replaced key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retire {
    /// It is deleted.
    Delete,
    /// It is switched off, and can be switched on again by hand.
    Disable,
    /// It stays alive, and the report says so.
    Keep,
}

impl Retire {
    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Disable => "disable",
            Self::Keep => "keep",
        }
    }
}

/// Proof by a chat completion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chat {
    /// With the first model that the new key may use.
    Auto,
    /// With this model.
    Model(String),
}

/// One rotation as the user asked for it.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The family: new keys are named `<key-name>-<UTC date>-<six hex digits>`.
    pub key_name: String,
    /// The value deployed now, if it was given.
    pub current_key: Option<Secret>,
    /// A hand-made key to adopt.
    pub replace_key_id: Option<KeyId>,
    /// Providers of the new key.
    pub providers: Wish<AllowList>,
    /// Models of the new key.
    pub models: Wish<AllowList>,
    /// Spending limit in USD of the new key; `None` is "no limit".
    pub limit: Wish<Option<f64>>,
    /// When the limit of the new key starts anew.
    pub reset: Wish<Reset>,
    /// Lifetime of the new key; `None` is "never ends".
    pub expires_after: Wish<Option<Duration>>,
    /// Rotate only when the current key is older.
    pub rotate_after: Duration,
    /// How long a replaced key stays alive.
    pub grace: Duration,
    /// Whether an input says how long that is.
    pub grace_is_stated: bool,
    /// The grace ends before that, once nothing is unfinished that began before the key was replaced.
    pub drain: bool,
    /// What becomes of a replaced key.
    pub retire: Retire,
    /// Rights and fields of a new key that need no confirmation by the issuer (`accept-unconfirmed`).
    pub accept_unconfirmed: BTreeSet<String>,
    /// Every target of this run's other rotations, as [`SecretStore::name`](crate::rotation::ports::SecretStore::name) calls
    /// it.
    pub targets_of_others: BTreeSet<String>,
    /// Every credential of the run: no new key may have one of these values.
    pub credentials: Vec<Secret>,
    /// The key is known to others.
    pub leaked: bool,
    /// Listed keys whose values were found where others see them: they are tried once they are retired.
    pub exposed: BTreeMap<KeyId, Secret>,
    /// Also prove the new key with a chat completion.
    pub verify_chat: Option<Chat>,
    /// How long a new key may take to start working.
    pub verify_timeout: Duration,
    /// RT of the protocol: for one HTTP request.
    pub request_timeout: Duration,
    /// Targets written at once.
    pub parallel: usize,
}

/// What a run that states no grace gives to keys that earlier runs left.
const UNSTATED_GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// Each may need a connection of its own, of which a process may mostly have 1,024.
const MAX_READS: usize = 512;

impl Policy {
    /// The grace that applies: none for a leaked key.
    #[must_use]
    pub fn grace(&self) -> Duration {
        if self.leaked { Duration::ZERO } else { self.grace }
    }

    /// Whether a key that an earlier run left is given a grace that this run does not state: that run may have promised one.
    #[must_use]
    pub fn keeps_promises(&self) -> bool {
        !self.grace_is_stated && !self.leaked
    }

    /// The grace of keys that earlier runs left. Those that this run replaces have [`grace`](Self::grace).
    #[must_use]
    pub fn grace_of_earlier(&self) -> Duration {
        if self.keeps_promises() { UNSTATED_GRACE } else { self.grace() }
    }

    /// Whether the grace ends with what began before the key was replaced.
    #[must_use]
    pub fn drains(&self) -> bool {
        self.drain && !self.leaked
    }

    /// What becomes of a replaced key: a leaked one is always deleted.
    #[must_use]
    pub fn retire(&self) -> Retire {
        if self.leaked { Retire::Delete } else { self.retire }
    }

    /// Whether replaced keys stay alive beyond the run that replaces them.
    #[must_use]
    pub fn keeps_replaced(&self) -> bool {
        self.grace() > Duration::ZERO || self.retire() == Retire::Keep
    }

    /// Targets looked at at once, when a look is so many requests. It changes nothing and needs no undoing, so that more of
    /// them may be under way than writes.
    #[must_use]
    pub fn looks(&self, requests: usize) -> usize {
        self.parallel.saturating_mul(8).min(MAX_READS) / requests.max(1)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A policy that inherits everything and rotates at once.
    pub(crate) fn policy() -> Policy {
        Policy {
            key_name: "production".into(),
            current_key: None,
            replace_key_id: None,
            providers: Wish::Inherit,
            models: Wish::Inherit,
            limit: Wish::Inherit,
            reset: Wish::Inherit,
            expires_after: Wish::Inherit,
            rotate_after: Duration::ZERO,
            grace: Duration::ZERO,
            grace_is_stated: true,
            drain: false,
            retire: Retire::Delete,
            accept_unconfirmed: BTreeSet::new(),
            targets_of_others: BTreeSet::new(),
            credentials: Vec::new(),
            leaked: false,
            exposed: BTreeMap::new(),
            verify_chat: None,
            verify_timeout: Duration::from_secs(60),
            request_timeout: Duration::from_secs(30),
            parallel: 16,
        }
    }

    #[test]
    fn a_leaked_key_has_no_grace_and_is_deleted() {
        let policy = Policy { leaked: true, grace: Duration::from_secs(3600), retire: Retire::Keep, ..policy() };
        assert_eq!((policy.grace(), policy.retire()), (Duration::ZERO, Retire::Delete));
    }

    #[test]
    fn what_earlier_runs_left_has_a_day_where_no_grace_is_stated() {
        let unstated = Policy { grace_is_stated: false, ..policy() };
        let day = Duration::from_secs(86_400);
        assert_eq!((unstated.grace(), unstated.grace_of_earlier()), (Duration::ZERO, day));
        assert_eq!(policy().grace_of_earlier(), Duration::ZERO, "0s is stated");
        assert_eq!(Policy { leaked: true, ..unstated }.grace_of_earlier(), Duration::ZERO);
    }
}
