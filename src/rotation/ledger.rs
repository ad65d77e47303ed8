//! Every write that was attempted, entered before it is sent. Only time settles an attempt whose answer was lost.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::rotation::clock::{Clock, Mark};
use crate::rotation::model::KeyId;

/// What became of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It definitely did not take effect.
    Absent,
    /// It definitely did.
    Applied,
    /// No usable answer: it may have, or may yet until it has settled.
    Unknown,
    /// Refused, in other words than the service's own: as unknown, until it has settled and a look shows that it did not.
    Doubtful,
}

impl Effect {
    /// Whether only time tells.
    fn is_open(self) -> bool {
        matches!(self, Self::Unknown | Self::Doubtful)
    }
}

/// What was attempted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// A key of this name was to be made.
    Create {
        /// Its name.
        name: String,
    },
    /// A key was to be renamed.
    Rename {
        /// Which.
        id: KeyId,
    },
    /// A guardrail was to be assigned to the new key.
    Guard {
        /// Which guardrail.
        guardrail: String,
    },
    /// The new key was to be written to a target.
    Write {
        /// The target's place in the user's list.
        target: usize,
    },
    /// The old value was to be written back, or the secret removed where there was none.
    PutBack {
        /// The target's place in the user's list.
        target: usize,
    },
    /// A target's value was to be taken up by whoever uses it.
    StartRollout {
        /// The target's place in the user's list.
        target: usize,
    },
    /// A key was to be switched off.
    Disable {
        /// Which.
        id: KeyId,
    },
    /// A key was to be deleted.
    Delete {
        /// Which.
        id: KeyId,
    },
}

impl Act {
    /// Whether it still matters when it takes effect late. A key that is deleted or switched off late is gone all the
    /// same; a late restart takes up what its target holds then; a late guardrail is one that the key has by then, or comes
    /// to a key that is gone.
    fn has_to_settle(&self) -> bool {
        !matches!(self, Self::Delete { .. } | Self::Disable { .. } | Self::StartRollout { .. } | Self::Guard { .. })
    }
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// What.
    pub act: Act,
    /// When it was begun.
    pub sent: Mark,
    /// What became of it.
    pub effect: Effect,
}

/// Stands for an attempt whose answer is still awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry(usize);

/// The attempts of one run, in their order.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Vec<Attempt>);

impl Ledger {
    /// Enters an attempt that is about to be sent. It counts as unknown until it is answered.
    pub fn begin(&mut self, act: Act, sent: Mark) -> Entry {
        self.0.push(Attempt { act, sent, effect: Effect::Unknown });
        Entry(self.0.len() - 1)
    }

    /// Enters the answer.
    pub fn answer(&mut self, entry: Entry, effect: Effect) {
        if let Some(attempt) = self.0.get_mut(entry.0) {
            attempt.effect = effect;
        }
    }

    /// How much longer an unknown attempt may take effect, when each settles `within` after it was begun.
    #[must_use]
    pub fn unsettled_for(&self, clock: &Clock, within: Duration) -> Option<Duration> {
        self.0
            .iter()
            .filter(|attempt| attempt.effect.is_open() && attempt.act.has_to_settle())
            .map(|attempt| within.saturating_sub(clock.at_least_since(attempt.sent)))
            .filter(|left| !left.is_zero())
            .max()
    }

    /// The targets where the new key may stand: some write was not definitely refused.
    #[must_use]
    pub fn targets_touched(&self) -> Vec<usize> {
        let mut touched: Vec<_> = self
            .0
            .iter()
            .filter_map(|attempt| match attempt.act {
                Act::Write { target } if attempt.effect != Effect::Absent => Some(target),
                _ => None,
            })
            .collect();
        touched.sort_unstable();
        touched.dedup();
        touched
    }

    /// The targets of which nothing worse is known than that a write was refused doubtfully, each with when the first was
    /// begun.
    #[must_use]
    pub fn targets_doubted(&self) -> BTreeMap<usize, Mark> {
        let mut doubted = BTreeMap::new();
        for attempt in self.0.iter().filter(|attempt| attempt.effect == Effect::Doubtful) {
            if let Act::Write { target } = attempt.act {
                doubted.entry(target).or_insert(attempt.sent);
            }
        }
        let worse = |target| {
            let act = Act::Write { target };
            let touched = |attempt: &Attempt| matches!(attempt.effect, Effect::Applied | Effect::Unknown);
            self.0.iter().any(|attempt| attempt.act == act && touched(attempt))
        };
        doubted.retain(|target, _| !worse(*target));
        doubted
    }

    /// A look showed that no doubtful write to this target took effect.
    pub fn dismiss_writes(&mut self, target: usize) {
        let doubtful = |attempt: &&mut Attempt| attempt.effect == Effect::Doubtful;
        for attempt in self.0.iter_mut().filter(doubtful).filter(|attempt| attempt.act == Act::Write { target }) {
            attempt.effect = Effect::Absent;
        }
    }

    /// Whether whoever uses a target may have taken up what it held.
    #[must_use]
    pub fn may_be_rolled_out(&self, target: usize) -> bool {
        self.0.iter().any(|attempt| attempt.act == Act::StartRollout { target } && attempt.effect != Effect::Absent)
    }

    /// Whether a write to a target was attempted at all.
    #[must_use]
    pub fn was_attempted(&self, target: usize) -> bool {
        self.0.iter().any(|attempt| attempt.act == Act::Write { target })
    }

    /// Whether the old value may stand in a target again.
    #[must_use]
    pub fn may_be_put_back(&self, target: usize) -> bool {
        self.0.iter().any(|attempt| attempt.act == Act::PutBack { target } && attempt.effect != Effect::Absent)
    }

    /// Whether a key's deletion was attempted and not answered.
    #[must_use]
    pub fn may_be_deleted(&self, id: &KeyId) -> bool {
        let deletes = |attempt: &&Attempt| matches!(&attempt.act, Act::Delete { id: deleted } if deleted == id);
        self.0.iter().filter(deletes).any(|attempt| attempt.effect.is_open())
    }

    /// Names of keys whose making was not answered.
    #[must_use]
    pub fn unanswered_creates(&self) -> Vec<String> {
        self.0
            .iter()
            .filter_map(|attempt| match &attempt.act {
                Act::Create { name } if attempt.effect.is_open() => Some(name.clone()),
                _ => None,
            })
            .collect()
    }

    /// Whether a key may have been made.
    #[must_use]
    pub fn key_may_exist(&self) -> bool {
        self.0.iter().any(|attempt| matches!(attempt.act, Act::Create { .. }) && attempt.effect != Effect::Absent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[tokio::test(start_paused = true)]
    async fn a_later_success_does_not_settle_an_earlier_unknown_attempt() {
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        let mut ledger = Ledger::default();
        let within = Duration::from_secs(30);
        ledger.begin(Act::Write { target: 0 }, clock.now());
        tokio::time::sleep(Duration::from_secs(5)).await;
        let second = ledger.begin(Act::Write { target: 0 }, clock.now());
        ledger.answer(second, Effect::Applied);
        assert_eq!(ledger.unsettled_for(&clock, within), Some(Duration::from_secs(25)));
        tokio::time::sleep(Duration::from_secs(25)).await;
        assert_eq!(ledger.unsettled_for(&clock, within), None);
        assert_eq!(ledger.targets_touched(), [0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_write_touches_nothing_and_an_unanswered_one_does() {
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        let mut ledger = Ledger::default();
        let refused = ledger.begin(Act::Write { target: 1 }, clock.now());
        ledger.answer(refused, Effect::Absent);
        assert!(ledger.targets_touched().is_empty() && ledger.was_attempted(1));
        ledger.begin(Act::Write { target: 2 }, clock.now());
        assert_eq!(ledger.targets_touched(), [2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_doubtful_refusal_touches_until_a_look_dismisses_it() {
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        let mut ledger = Ledger::default();
        for (target, effect) in
            [(0, Effect::Doubtful), (1, Effect::Unknown), (1, Effect::Doubtful), (2, Effect::Absent)]
        {
            let entry = ledger.begin(Act::Write { target }, clock.now());
            ledger.answer(entry, effect);
        }
        assert_eq!(ledger.targets_touched(), [0, 1]);
        assert_eq!(ledger.unsettled_for(&clock, Duration::from_secs(30)), Some(Duration::from_secs(30)));
        assert_eq!(ledger.targets_doubted().into_keys().collect::<Vec<_>>(), [0], "a lost answer is no doubt");
        ledger.dismiss_writes(0);
        assert_eq!(ledger.targets_touched(), [1]);
    }
}
