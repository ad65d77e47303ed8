//! What people do beside the runs.

use super::*;

impl Play<'_> {
    pub(super) fn deed(&mut self, deed: HumanAction) {
        match deed {
            HumanAction::AddTarget => {
                self.added += 1;
                let name = format!("acme/added{}", self.added);
                let place = self.main.world.by_hand(|state| state.github.add_repo(&name));
                self.main.targets.push(place);
            }
            HumanAction::RemoveTarget if self.main.targets.len() > 1 => {
                self.main.end_jobs_at(self.main.targets.len() - 1);
                if let Some(place) = self.main.targets.pop() {
                    self.main.world.by_hand(|state| {
                        [SECRET, COPY]
                            .into_iter()
                            .chain(SLIPS)
                            .chain(PROCESSES)
                            .for_each(|name| _ = state.github.remove(&place, name));
                    });
                }
            }
            HumanAction::RemoveTarget => {}
            HumanAction::SetClock(seconds) => self.main.world.by_hand(|state| state.github.clock.skew = seconds),
            other => {
                let written = by_hand(&self.main, self.schedule, &self.known, other);
                // Without labels nothing tells whose a value is, nor within 5 minutes of an early commit who wrote it.
                if let HumanAction::Foreign { target, what: Foreign::Key } = other
                    && let Some(place) = self.main.targets.get(target).filter(|_| !self.schedule.masked_labels)
                {
                    self.raced.entry(place.clone()).or_default();
                }
                self.written_by_hand.extend(written);
            }
        }
    }
}

/// From now on the issuer does this wrong, and nothing else.
pub(super) fn do_wrong(behaviour: &mut Behaviour, misdeed: Option<Misdeed>) {
    behaviour.create_answers_value_of = (misdeed == Some(Misdeed::AnswersOldValue)).then_some(FAMILY);
    behaviour.narrower = match misdeed {
        Some(Misdeed::GrantsLess(narrower)) => vec![narrower],
        _ => Vec::new(),
    };
    let adds = (misdeed == Some(Misdeed::AddsRight)).then(|| (ADDED_RIGHT, true.into()));
    behaviour.adds_fields = adds.into_iter().collect();
}
