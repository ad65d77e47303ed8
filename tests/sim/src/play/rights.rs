//! No key has other rights than the ones before it.

use super::*;

impl Play<'_> {
    pub(super) fn no_wider_key(&mut self) {
        let Schedule { grant, lifetime, wider, .. } = self.schedule;
        // An issuer that grants more than was asked has made such a key before anybody can see it.
        let found = self.main.world.read(|state| {
            let in_use = |key: &Key| state.github.holdings().any(|(_, _, value)| value == key.value);
            let mut wider_ones = every(state).filter(|key| grant.is_wider(key, *lifetime));
            wider_ones.find(|key| wider.is_none() || in_use(key)).cloned()
        });
        if let Some(key) = found {
            self.broke(Promise::Wider, format!("{key:?}"));
        }
        self.no_other_key();
        if self.schedule.guarded {
            self.no_unguarded_key();
        }
    }

    /// What is in use has the rights that were asked for, as far as an issuer that does wrong lets it be seen.
    pub(super) fn no_other_key(&mut self) {
        let (grant, in_use) = (self.schedule.grant, |state: &keyrotor_fake::world::State, key: &Key| {
            state.github.holdings().any(|(_, _, value)| value == key.value)
        });
        let find = |is: &dyn Fn(&Key) -> bool| {
            let found = |state: &keyrotor_fake::world::State| {
                state.issuer.keys.iter().find(|key| is(key) && in_use(state, key)).cloned()
            };
            self.main.world.read(found)
        };
        let narrower = find(&|key| grant.is_narrower(key));
        let added = find(&|key| key.extra.contains_key(ADDED_RIGHT));
        // Without renames the next run can't tell a dead run's key from the deployed one, and inherits the least of both.
        if let Some(key) = narrower.filter(|_| self.schedule.renames == Renames::Work) {
            self.broke(Promise::Narrower, format!("{key:?}"));
        }
        if let Some(key) = added {
            self.broke(Promise::Wider, format!("{key:?}"));
        }
    }

    /// No key in use lacks the guardrail that its predecessors had.
    pub(super) fn no_unguarded_key(&mut self) {
        let found = self.main.world.read(|state| {
            let in_use = |key: &Key| state.github.holdings().any(|(_, _, value)| value == key.value);
            let mut unguarded = state.issuer.keys.iter().filter(|key| state.issuer.guardrails.of(&key.id).is_empty());
            unguarded.find(|key| in_use(key)).cloned()
        });
        if let Some(key) = found {
            self.broke(Promise::Wider, format!("{} has no guardrail", key.name));
        }
    }
}
