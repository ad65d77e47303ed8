//! What a person wrote into a target is not replaced.

use super::*;

impl Play<'_> {
    pub(super) fn look_at_targets(&mut self) {
        let held = self.main.targets.iter().filter_map(|place| self.main.world.key_at(place, SECRET));
        self.in_sight = held.map(|key| key.id).collect();
    }

    /// What no run may replace, as far as it can see that: where it is, and what.
    pub(super) fn foreign(&self) -> Vec<(usize, String)> {
        let held = self.main.targets.iter().enumerate();
        let held = held.filter_map(|(nth, place)| Some((nth, self.main.world.value_at(place, SECRET)?)));
        let told = |(_, value): &(usize, String)| is_foreign(&self.main, self.schedule, value);
        if self.schedule.readable { held.filter(told).collect() } else { Vec::new() }
    }

    pub(super) fn look_for_overwritten(&mut self, foreign: Vec<(usize, String)>, by_hand: impl Fn(usize) -> bool) {
        for (nth, value) in foreign.into_iter().filter(|(nth, _)| !by_hand(*nth)) {
            let Some(place) = self.main.targets.get(nth) else { continue };
            if self.main.world.value_at(place, SECRET).as_ref() != Some(&value) {
                let what = format!("{place} held {}", people::what_is(&self.main, &value));
                self.broke(Promise::Overwrite, what);
            }
        }
    }
}
