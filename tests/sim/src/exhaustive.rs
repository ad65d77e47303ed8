//! Every schedule of one rotation with up to so many faults, each followed by clean runs until it heals.
//!
//! A tree: below a run lie the runs in which one more thing goes wrong at a later call. A run that was killed has no
//! later calls.

use std::time::Duration;

use crate::play::{Played, play};
use crate::schedule::{Act, HOUR, InHand, Renames, RunPlan, SECOND, Schedule};
use crate::script::{Call, Fault};

/// What can go wrong with a call.
const FAULTS: [Fault; 8] = [
    Fault::Refuse,
    Fault::Transient,
    Fault::LoseBefore,
    Fault::LoseAfter,
    Fault::Late(Duration::from_secs(20)),
    Fault::Kill { applied: false },
    Fault::Kill { applied: true },
    Fault::Terminate,
];

/// A rotation of two targets: what it is given, what it is asked, and what the issuer can do.
#[must_use]
pub fn variants() -> Vec<Schedule> {
    let mut all = Vec::new();
    for held in [InHand::Nothing, InHand::Deployed] {
        for (renames, grace) in
            [(Renames::Work, Duration::ZERO), (Renames::Work, HOUR), (Renames::KnownMissing, Duration::ZERO)]
        {
            let run = RunPlan { held, grace, ..RunPlan::plain() };
            let acts = vec![Act::Runs { runs: vec![run], deeds: Vec::new(), settle: true }];
            all.push(Schedule { renames, acts, ..Schedule::plain(1) });
        }
    }
    all
}

/// One branch of the tree: everything below a first fault, or nothing but the run without one.
#[derive(Clone, Debug)]
pub struct Branch(Schedule);

/// The branches of one variant.
#[must_use]
pub fn branches(variant: &Schedule) -> Vec<Branch> {
    let undisturbed = play(variant);
    let first = (1..=undisturbed.calls).flat_map(|nth| FAULTS.map(|fault| Branch(with(variant, nth, fault))));
    std::iter::once(Branch(variant.clone())).chain(first).collect()
}

impl Branch {
    /// Plays every schedule of the branch with at most `faults` faults, and shows each what it came to.
    pub fn explore(&self, faults: usize, seen: &mut impl FnMut(&Schedule, &Played)) {
        let made = self.0.acts.iter().map(|act| if let Act::Runs { runs, .. } = act { of(runs) } else { 0 }).sum();
        below(&self.0, made, faults, seen);
    }
}

fn of(runs: &[RunPlan]) -> usize {
    runs.iter().map(|run| run.faults.len()).sum()
}

fn below(schedule: &Schedule, made: usize, most: usize, seen: &mut impl FnMut(&Schedule, &Played)) {
    let played = play(schedule);
    seen(schedule, &played);
    let last = last(schedule);
    if made == 0 || made >= most || matches!(last, Some((_, Fault::Kill { .. }))) {
        return;
    }
    let from = last.map_or(1, |(nth, _)| nth + 1);
    for nth in from..=played.calls {
        for fault in FAULTS {
            below(&with(schedule, nth, fault), made + 1, most, seen);
        }
    }
}

fn run_of(schedule: &Schedule) -> Option<&RunPlan> {
    schedule.acts.iter().find_map(|act| if let Act::Runs { runs, .. } = act { runs.first() } else { None })
}

fn last(schedule: &Schedule) -> Option<(usize, Fault)> {
    run_of(schedule)?.faults.last().map(|(_, nth, fault)| (*nth, *fault))
}

fn with(schedule: &Schedule, nth: usize, fault: Fault) -> Schedule {
    let mut more = schedule.clone();
    for act in &mut more.acts {
        if let Act::Runs { runs, .. } = act {
            runs.iter_mut().for_each(|run| run.faults.push((Call::Any, nth, fault)));
        }
    }
    // A late write must not be taken for one that was settled by luck.
    more.settles_within = 65 * SECOND;
    more
}
