//! Proof that a retired key is dead: it is refused where the new one is accepted at the same moment.

use std::collections::BTreeMap;

use futures_util::future::{join, join_all};

use crate::rotation::exec::prove::{FIRST_WAIT, LONGEST_WAIT};
use crate::rotation::exec::run::{KeyRecord, Run};
use crate::rotation::model::{Endpoint, KeyId, KeyProbe};
use crate::rotation::outcome::{KeyFate, Problem};
use crate::rotation::plan::holdings::{Evidence, TargetHolding};
use crate::rotation::plan::observation::Observation;
use crate::rotation::policy::{Policy, Retire};
use crate::secret::Secret;

/// One refusal may come from the one server that has heard of it.
pub(super) const REFUSALS: usize = 3;

/// The listed keys whose values are in hand: `current-key`, what readable targets hold, and what was found elsewhere.
pub(super) fn values_in_hand(seen: &Observation, policy: &Policy, found: &[TargetHolding]) -> BTreeMap<KeyId, Secret> {
    let in_targets =
        seen.targets.iter().zip(found).filter_map(|(target, found)| match (&found.evidence, &target.contents.value) {
            (Evidence::Value(id), Some(value)) => Some((id.clone(), Secret::new(value.expose().trim().to_owned()))),
            _ => None,
        });
    let held = seen.held.as_ref().and_then(|held| held.is.clone().or_else(|| held.perhaps.clone()));
    let exposed = policy.exposed.iter().map(|(id, value)| (id.clone(), value.clone()));
    // What leaked has to be seen dead, whatever else passes for the same key.
    in_targets.chain(held.zip(policy.current_key.clone())).chain(exposed).collect()
}

impl Run<'_> {
    /// Tries every key that this run retired until it is refused. One that is not could not be retired.
    pub(super) async fn confirm_deaths(&self, seen: &Observation) {
        let (new, at, retired) = {
            let memory = self.memory.borrow();
            let Some(candidate) = &memory.candidate else { return };
            let Some(at) = candidate.proved_at else { return };
            let is_retired = |key: &KeyRecord| matches!(key.fate, Some(KeyFate::Deleted | KeyFate::Disabled));
            let retired = memory.keys.iter().filter(|(_, key)| is_retired(key));
            let retired: Vec<_> = retired.filter_map(|(id, key)| Some((id.clone(), key.value.clone()?))).collect();
            (candidate.key.value.clone(), at, retired)
        };
        join_all(retired.iter().map(async |(id, value)| {
            if let Err(problem) = self.confirm_death(seen, (id, value), &new, at).await {
                self.stray(id, problem);
            }
        }))
        .await;
    }

    async fn confirm_death(
        &self,
        seen: &Observation,
        (id, value): (&KeyId, &Secret),
        new: &Secret,
        at: Endpoint,
    ) -> Result<(), Problem> {
        let until = self.clock().instant() + self.policy.verify_timeout;
        let mut wait = FIRST_WAIT;
        while let Err(why) = self.is_refused(value, new, at).await {
            if self.clock().instant() + wait > until {
                let done = if self.policy.retire() == Retire::Disable { "disabled" } else { "deleted" };
                let what = format!("{} ({id}) was {done}, and {why}", self.name_of(id));
                return Err(Problem::new(what, self.issuer.manual(id)));
            }
            self.clock().sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
        self.note(format!("{} refuses {}", at.0, self.name_of(id)));
        let now = self.issuer_now(seen);
        self.memory.borrow_mut().key_mut(id).refused = Some(now);
        Ok(())
    }

    /// One round: why it does not show yet that the key is dead.
    async fn is_refused(&self, value: &Secret, new: &Secret, at: Endpoint) -> Result<(), String> {
        let tries = join_all((0..REFUSALS).map(|_| self.issuer.try_key(value, at)));
        let (verdicts, living) = join(tries, self.issuer.try_key(new, at)).await;
        if !matches!(living, KeyProbe::Accepted(_)) {
            return Err(format!("{} does not accept the new key, so it does not show that the old one is dead", at.0));
        }
        for verdict in verdicts {
            match verdict {
                KeyProbe::Refused => {}
                KeyProbe::Accepted(_) => return Err(format!("{} still accepts it", at.0)),
                KeyProbe::NoSuchEndpoint => return Err(format!("{} is gone", at.0)),
                KeyProbe::Undecided(why) => return Err(format!("could not tell whether it is refused: {why}")),
            }
        }
        Ok(())
    }
}
