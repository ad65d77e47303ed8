//! A place that held a live key holds one at every moment.

use super::*;

impl Play<'_> {
    pub(super) fn look_for_outages(&mut self) {
        let outages = self.main.world.outages();
        if outages.is_empty() {
            return;
        }
        let by_name = |state: &keyrotor_fake::world::State| {
            every(state).filter(|key| self.put_back.contains(&key.id)).map(|key| format!(" {}, ", key.name)).collect()
        };
        let put_back: Vec<String> = match self.schedule.renames {
            Renames::Work => self.main.world.read(by_name),
            _ => Vec::new(),
        };
        let by_hand = self.schedule.has_writes_by_hand() || self.schedule.has_foreign_values();
        let told: Vec<_> = outages
            .iter()
            // Putting back removes a secret where there was none; keys that nobody rotates in time expire.
            .filter(|outage| outage.cause != PUT_BACK)
            .filter(|outage| !(outage.what.starts_with("still holds") && outage.what.ends_with("has expired")))
            // A process that starts with what a person has switched off under its target.
            .filter(|outage| !is_process(&outage.secret) || !self.schedule.ends_keys_by_hand())
            // One that starts with what a person has written into its target.
            .filter(|outage| !is_process(&outage.secret) || !outage.what.ends_with("holds a value that no key has"))
            // A process that began between the writing of a new key and its putting back.
            .filter(|outage| !is_process(&outage.secret) || !outage.what.contains("-unconfirmed, which is dead"))
            .filter(|outage| !is_process(&outage.secret) || !put_back.iter().any(|name| outage.what.contains(name)))
            .filter(|outage| {
                let raced = self.raced.get(&outage.place).is_some_and(|keys| keys.contains(&outage.key));
                !(raced && outage.what.starts_with("still holds"))
            })
            .filter(|outage| {
                let given_up = |(keys, written): &(BTreeSet<String>, BTreeSet<Place>)| {
                    let is_beside = outage.secret == COPY || SLIPS.contains(&outage.secret.as_str());
                    let is_written = written.contains(&outage.place) && !is_beside;
                    keys.contains(&outage.key) && !is_written
                };
                !(outage.what.starts_with("still holds") && self.given_up.iter().any(given_up))
            })
            .filter(|outage| {
                let unknown = !self.schedule.masked_labels && !self.in_sight.contains(&outage.key);
                !(outage.secret == COPY && unknown)
            })
            // A person has written a target too, so that nothing tells of a name that is not like it.
            .filter(|outage| !(outage.secret == OTHER && by_hand))
            .filter(|outage| !(outage.cause == REMOVE_ANOTHERS && self.overtaken.contains(&outage.place)))
            .map(ToString::to_string)
            .collect();
        for outage in told {
            self.broke(Promise::Outage, outage);
        }
    }
}
