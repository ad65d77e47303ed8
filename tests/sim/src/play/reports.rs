//! What a run tells is true, and shows no value.

use super::*;

impl Play<'_> {
    /// With the world before it, where the run was alone with it.
    pub(super) fn came(&mut self, plan: &RunPlan, scene: &Scene, outcome: &mut Outcome, before: Option<&Before>) {
        self.told.clear();
        // Durations show no key's value, and are what takes longest to write.
        let steps = std::mem::take(&mut outcome.steps);
        // Writing to a `String` can't fail.
        let _ = write!(self.told, "{outcome:?}");
        outcome.steps = steps;
        let told = &self.told;
        let shown = |state: &keyrotor_fake::world::State| {
            // All values begin so: mostly one search tells.
            told.contains(state.issuer.behaviour.live_prefix) && every(state).any(|key| told.contains(&key.value))
        };
        if self.main.world.read(shown) {
            self.broke(Promise::Leak, "the outcome shows a key's value");
        }
        if let Some(heard) = &self.main.heard {
            let heard = std::mem::take(&mut *heard.borrow_mut());
            let value = |state: &keyrotor_fake::world::State| every(state).any(|key| heard.contains(&key.value));
            if self.main.world.read(value) {
                self.broke(Promise::Leak, format!("a run told a key's value\n{heard}"));
            }
        }
        let Some(before) = before else { return };
        if plan.side == Side::Main {
            self.look_for_cut_grace(plan, outcome, before);
        }
        let asked = Asked {
            keeps: !plan.leaked
                && (plan.retire == Retire::Keep || plan.grace > Some(Duration::ZERO) || self.schedule.drains),
            spares: !plan.leaked && plan.grace.is_none(),
            disables: !plan.leaked && plan.retire == Retire::Disable,
            dead_by_hand: self.schedule.ends_keys_by_hand(),
            given_up: self.given_up_values(),
            refused: plan
                .faults
                .iter()
                .any(|(_, _, fault)| matches!(fault, Fault::Refuse | Fault::RefuseAfter | Fault::Doubt { .. })),
        };
        let lies = judge::lies(scene, before, outcome, &asked);
        if !lies.is_empty() {
            let status = outcome.verdict.exit_code();
            self.broke(Promise::Lie, format!("(exit {status}) {}\n{outcome:#?}", lies.join("; ")));
        }
    }

    fn given_up_values(&self) -> BTreeSet<String> {
        let is_given_up = |key: &&Key| self.given_up.iter().any(|(keys, _)| keys.contains(&key.id));
        self.main.world.read(|state| every(state).filter(is_given_up).map(|key| key.value.clone()).collect())
    }
}

/// The keys that a run ended because one of them leaked, although it could see, or had to know, that it did not write every
/// place that holds one: as it was asked to, and as it has to say, where it lived to say anything. With them the places that
/// it did write.
pub(super) fn given_up(
    scene: &Scene,
    script: &Script,
    ended: Option<&Ended>,
) -> Option<(BTreeSet<String>, BTreeSet<Place>)> {
    let in_hand = scene.policy.current_key.as_ref().and_then(|value| scene.world.key_of_value(value.expose()));
    let named = [in_hand.map(|key| key.id), scene.policy.replace_key_id.as_ref().map(|id| id.0.clone())];
    let keys = script.ended();
    let tells = match ended {
        Some(Ended::Came(outcome)) => {
            outcome.verdict == RunStatus::Attention && named.iter().flatten().any(|id| keys.contains(id))
        }
        // It was killed, perhaps before it ended the key that was named.
        _ => named.iter().any(Option::is_some),
    };
    let places = scene.targets.iter().enumerate().filter(|(nth, _)| scene.secret_of(*nth) == SECRET);
    let places = places.map(|(_, place)| place.clone()).collect();
    (scene.policy.leaked && tells).then_some((keys, places))
}

/// Whether a run gave way to another one.
pub(super) fn gave_way(outcome: &Outcome) -> bool {
    outcome.problems.iter().any(|problem| problem.what.starts_with("another run made the key"))
}
