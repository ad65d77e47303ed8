//! Every key that lives is in a target, or was named.

use super::*;

impl Play<'_> {
    /// A key that one of several runs made and that lives is named by one of them, unless one was killed.
    pub(super) fn look_for_strays<'e>(
        &mut self,
        there: &BTreeSet<String>,
        ended: impl Iterator<Item = Option<&'e Ended>>,
    ) {
        let mut outcomes = Vec::new();
        for ended in ended {
            let Some(Ended::Came(outcome)) = ended else { return };
            outcomes.push(outcome);
        }
        let mut new = self.main.world.live_keys("");
        new.retain(|key| !there.contains(&key.id) && !judge::was_taken_back(key));
        if let Some(stray) = new.iter().find(|key| !outcomes.iter().any(|outcome| judge::names(outcome, key))) {
            self.broke(Promise::Lie, format!("{} was made, is alive, and no run names it", stray.name));
        }
    }

    /// Nobody but a person ends a key that a person took back.
    pub(super) fn look_for_keys_taken_back(&mut self) {
        let now = self.main.world.now();
        let ended = |state: &keyrotor_fake::world::State| {
            let lives = |id: &&String| {
                let key = state.issuer.key(id);
                key.is_some_and(|key| !key.disabled || key.rights.expires_at.is_some_and(|end| end <= now))
            };
            self.taken_back.iter().find(|id| !lives(id)).cloned()
        };
        if let Some(id) = self.main.world.read(ended) {
            self.broke(Promise::Outage, format!("the key {id} was taken back by hand and ended again"));
        }
    }

    pub(super) fn every_id(&self) -> BTreeSet<String> {
        self.main.world.read(|state| every(state).map(|key| key.id.clone()).collect())
    }
}
