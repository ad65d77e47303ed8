//! Clean runs heal the world, and what they say of it is true.

use super::*;

/// So many daily runs come before a world has to heal, where they do.
const DAYS_BY_AGE: u64 = 2;

/// Clean runs in which a broken world must heal. More than one only where a person has to say which key is deployed.
const HEALS_WITHIN: u64 = 3;

/// So many more where misspelt runs, or a person who emptied a target, left keys that no target holds: a run asks for one
/// after the other.
const KEYS_LEFT: u64 = 4;

/// So often a person corrects what a run stopped at, beside those.
const CORRECTIONS: u64 = 8;

impl Play<'_> {
    pub(super) async fn heal(&mut self) {
        self.main.world.by_hand(|state| {
            state.issuer.behaviour.wider.clear();
            state.issuer.behaviour.forgets_after = Duration::ZERO;
            do_wrong(&mut state.issuer.behaviour, None);
        });
        self.wait(2 * DAY).await;
        self.main.policy.replace_key_id.clone_from(&self.hand_made);
        let main = self.main.clone();
        if self.schedule.by_age {
            self.go_on_by_age(main.clone()).await;
        }
        self.heal_one(main).await;
        if let Some(staging) = self.staging.clone() {
            self.heal_one(staging).await;
        }
    }

    async fn heal_one(&mut self, mut scene: Scene) {
        // Without a grace nothing is waited for.
        scene.end_jobs(true);
        // A restart that takes for ever heals nothing.
        scene.rollout = scene.rollout.map(|rollout| Processes { takes: SECOND, ..rollout });
        scene.policy.grace_is_stated = !self.schedule.heals_unstated;
        let mut told = String::new();
        let slips = self.schedule.has_slips();
        let (mut runs, mut corrections, mut in_hand) = (0, 0, true);
        // Where two clocks mislead the runs, each may name another key.
        let misled = self.schedule.broken == Some(Assumption::A3);
        while runs < if slips || misled || corrections > 0 { HEALS_WITHIN + KEYS_LEFT } else { HEALS_WITHIN } {
            // Where no rename is on record, nothing tells that everything was put back, except the value in hand.
            if in_hand && !self.schedule.records_commits() {
                scene = scene.with_current_key();
            }
            scene.seed = self.schedule.seed ^ (runs + (corrections << 8));
            let ended = self.clean_run(&scene).await;
            let live = scene.live_family();
            let values = judge::values(&scene);
            let held = values.values().all(|value| value.as_ref() == live.first().map(|key| &key.value));
            if ended.status() == 0 && live.len() == 1 && held {
                return;
            }
            told = format!("{ended:#?}");
            in_hand = !people::leaves_the_value_out(&mut scene, &ended);
            if !in_hand {
                runs += 1;
            } else if corrections < CORRECTIONS && people::corrects(&mut scene, &ended, slips) {
                corrections += 1;
            } else if self.does_as_told(&mut scene, &ended) {
                runs += 1;
            } else {
                break;
            }
            // What an earlier run left waits for a day where no grace is stated.
            self.wait(if self.schedule.heals_unstated { 25 * HOUR } else { HOUR / 6 }).await;
        }
        self.broke(Promise::NotHealed, told);
    }

    /// What the documentation's workflow does day after day. A run that says that all is well must be right.
    async fn go_on_by_age(&mut self, mut scene: Scene) {
        scene.end_jobs(true);
        scene.rollout = scene.rollout.map(|rollout| Processes { takes: SECOND, ..rollout });
        // Where keys end by themselves, nothing but their end makes one due.
        scene.policy.rotate_after = self.schedule.lifetime.map_or(30 * DAY, |lifetime| 2 * lifetime);
        scene.policy.grace = if self.schedule.renames == Renames::Work { DAY } else { Duration::ZERO };
        for day in 0..DAYS_BY_AGE {
            if !self.schedule.records_commits() {
                scene = scene.with_current_key();
            }
            scene.seed = self.schedule.seed ^ (day << 32);
            let ended = self.clean_run(&scene).await;
            if ended.status() == 0 {
                // What a leaked key's end left in a target that was misspelt was told when it was left there.
                let left = |target: &&Place| self.raced.contains_key(target) || !self.given_up.is_empty();
                let raced = scene.targets.iter().filter(left).collect();
                let names_tell = self.schedule.records_commits();
                let own = self.own_values();
                let over = day + 1 == DAYS_BY_AGE && !ended.outcome().rotated;
                if let Some(lie) = judge::not_well(&scene, &raced, names_tell, &own, over) {
                    self.broke(Promise::Lie, format!("exit 0 although {lie}\n{ended:#?}"));
                    return;
                }
            }
            let all_is_well = ended.status() == 0 && self.raced.is_empty() && self.given_up.is_empty();
            self.wait(if all_is_well { self.until_it_ends_soon() } else { 25 * HOUR }).await;
        }
    }

    async fn clean_run(&mut self, scene: &Scene) -> Ended {
        let foreign = self.foreign();
        self.look_at_targets();
        let ended = scene.clean_run().await;
        self.look_for_overwritten(foreign, |_| false);
        self.played.runs += 1;
        self.look_for_outages();
        self.look_for_keys_taken_back();
        self.no_wider_key();
        ended
    }

    /// A day, or until the deployed key is near its end, where no other place has one that would end before.
    fn until_it_ends_soon(&self) -> Duration {
        let day = 25 * HOUR;
        let alone = self.staging.is_none() && self.neighbour.is_none() && self.main.live_family().len() == 1;
        let Some(lifetime) = self.schedule.lifetime.filter(|_| alone) else { return day };
        let end = self.main.live_family().first().and_then(|key| key.rights.expires_at);
        let left = end.map(|end| end.duration_since(self.main.world.now()));
        let left = left.and_then(|left| Duration::try_from(left).ok()).unwrap_or_default();
        left.saturating_sub(lifetime * 3 / 20).max(day)
    }

    /// Where names say nothing a run may have to ask which key is deployed, and a person does what it says. `false`: the run
    /// may not ask.
    fn does_as_told(&mut self, scene: &mut Scene, ended: &Ended) -> bool {
        if !self.may_ask() {
            return false;
        }
        if let Some(id) = people::key_to_name(scene, ended, self.schedule) {
            self.played.asked_a_person = true;
            scene.policy.replace_key_id = Some(id);
        } else {
            let done = people::store_as_told(scene, ended) || people::delete_as_told(scene, ended);
            self.played.asked_a_person |= done;
        }
        true
    }

    /// Whether a run may have to ask which key is deployed: where no rename is on record, targets were misspelt, a person
    /// ended a key, or wrote one and every key has expired since, or lists and clocks mislead it.
    fn may_ask(&self) -> bool {
        let lost = matches!(self.schedule.broken, Some(Assumption::A2 | Assumption::A3));
        let all_ended = !self.written_by_hand.is_empty() && self.main.live_family().is_empty();
        let misled = self.schedule.has_slips() || self.schedule.has_foreign_values();
        lost || all_ended || misled || !self.schedule.records_commits() || self.schedule.ends_keys_by_hand()
    }

    /// The values of this repository's enabled keys.
    fn own_values(&self) -> BTreeSet<String> {
        let own = |key: &&Key| !people::is_anothers(key) && !key.disabled;
        let listed = |state: &keyrotor_fake::world::State| {
            state.issuer.keys.iter().filter(own).map(|key| key.value.clone()).collect()
        };
        self.main.world.read(listed)
    }
}
