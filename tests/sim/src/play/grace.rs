//! A replaced key stays alive for as long as was promised.

use super::*;

impl Play<'_> {
    /// Whoever read a secret while it held a key goes on with that key. A run that states no grace may end the key that it
    /// replaces, and no other that was in use within a day.
    pub(super) fn look_for_cut_grace(&mut self, plan: &RunPlan, outcome: &Outcome, before: &Before) {
        let ends_otherwise =
            self.schedule.ends_keys_by_hand() || self.schedule.lifetime.is_some() || self.schedule.drains;
        if plan.leaked || ends_otherwise || !self.schedule.records_commits() {
            return;
        }
        let now = self.main.world.now();
        let alive: BTreeSet<_> = self.main.world.live_keys("").into_iter().map(|key| key.id).collect();
        let old = outcome.old_key.as_ref().map(|(id, _)| &id.0);
        // Of two keys that were made at once any may be called the old one; what a target held is replaced.
        let replaced = |id: &String| plan.grace.is_none() && (old == Some(id) || before.is_deployed(id));
        let grace = plan.grace.unwrap_or(DAY);
        let recent = |since: Timestamp| {
            let gone = Duration::try_from(now.duration_since(since)).unwrap_or_default();
            gone + GRACE_MARGIN < grace
        };
        let cut = self.deployed.iter().find(|(id, held)| {
            let known = !self.written_by_hand.contains(*id) && !replaced(id);
            let used = || plan.grace.is_none() && self.shown_use(id).is_some_and(recent);
            known && before.lives(id) && !alive.contains(*id) && (recent(**held) || used())
        });
        if let Some((id, held)) = cut {
            let what = format!("{id} was deployed at {held}, is dead at {now}, and had a grace of {:?}", plan.grace);
            self.broke(Promise::Grace, what);
        }
    }

    /// When a key was used last, as the issuer shows it.
    pub(super) fn shown_use(&self, id: &str) -> Option<Timestamp> {
        let now = self.main.world.now();
        let shown = |state: &keyrotor_fake::world::State| {
            let behind = state.issuer.clock.now().duration_since(now);
            let used = every(state).find(|key| key.id == id)?.last_used_at?;
            used.checked_sub(behind).ok()
        };
        self.main.world.read(shown).filter(|_| self.schedule.shows_used)
    }
}
