//! Making a schedule that breaks a promise as small as it can be.

use std::time::Duration;

use keyrotor::rotation::policy::Retire;

use crate::grant::Grant;

use super::{Act, InHand, Neighbour, Renames, RunPlan, SECOND, Schedule, Side, Start, When};

/// A change to one run.
type Plainer = fn(&mut RunPlan);

/// What makes a run plainer, one thing each.
const PLAINER: [Plainer; 8] = [
    |run| run.slip = None,
    |run| run.leaked = false,
    |run| run.retire = Retire::Delete,
    |run| run.held = InHand::Nothing,
    |run| run.grace = Some(Duration::ZERO),
    |run| run.rotate_after = Duration::ZERO,
    |run| run.dies_after = None,
    |run| run.after = Duration::ZERO,
];

/// What makes a world plainer, one thing each.
const SIMPLER: [fn(&mut Schedule); 27] = [
    |world| world.readable = false,
    |world| world.beside = false,
    |world| world.skew = 0,
    |world| world.activation = Duration::ZERO,
    |world| world.hears_apart = false,
    |world| world.forgets_after = Duration::ZERO,
    |world| world.shows_used = false,
    |world| world.masked_labels = true,
    |world| world.shows_updated = true,
    |world| world.slow_lists = None,
    |world| world.open_models = false,
    |world| world.grant = Grant::Monthly,
    |world| world.wider = None,
    |world| world.misdeed = None,
    |world| world.checks_form = false,
    |world| world.create_shows_row = true,
    |world| world.guarded = false,
    |world| world.by_age = false,
    |world| world.heals_unstated = false,
    |world| world.lifetime = None,
    |world| {
        world.staging = false;
        without_runs_of(world, Side::Staging);
    },
    |world| {
        world.neighbour = Neighbour::Nobody;
        without_runs_of(world, Side::Neighbour);
    },
    |world| world.rollout = None,
    |world| world.latency = SECOND / 20,
    |world| world.renames = Renames::Work,
    |world| world.start = Start::Rotated,
    |world| world.repos = (world.repos - 1).max(1),
];

/// The smallest schedule found that still `breaks`.
#[must_use]
pub fn shrunk(schedule: &Schedule, breaks: impl Fn(&Schedule) -> bool) -> Schedule {
    let mut least = schedule.clone();
    while let Some(less) = smaller(&least).into_iter().find(&breaks) {
        least = less;
    }
    least
}

/// The schedules with one thing less.
fn smaller(schedule: &Schedule) -> Vec<Schedule> {
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Schedule)| {
        let mut less = schedule.clone();
        change(&mut less);
        all.push(less);
    };
    for at in 0..schedule.acts.len() {
        with(&|less| drop(less.acts.remove(at)));
        if let Some(Act::Runs { runs, deeds, .. }) = schedule.acts.get(at) {
            for nth in 0..deeds.len() {
                with(&|less| in_act(less, at, |_, deeds| drop(deeds.splice(nth..=nth, []))));
            }
            for (nth, run) in runs.iter().enumerate() {
                if runs.len() > 1 {
                    with(&|less| in_act(less, at, |runs, _| drop(runs.remove(nth))));
                }
                for fault in 0..run.faults.len() {
                    with(&|less| in_run(less, at, nth, |run| drop(run.faults.splice(fault..=fault, []))));
                }
                for plainer in PLAINER {
                    with(&|less| in_run(less, at, nth, plainer));
                }
            }
        }
    }
    SIMPLER.iter().for_each(|simpler| with(simpler));
    all.retain(|less| format!("{less:?}") != format!("{schedule:?}"));
    all
}

fn without_runs_of(schedule: &mut Schedule, side: Side) {
    for act in &mut schedule.acts {
        if let Act::Runs { runs, .. } = act {
            runs.retain(|run| run.side != side);
        }
    }
}

fn in_act(
    schedule: &mut Schedule,
    at: usize,
    change: impl FnOnce(&mut Vec<RunPlan>, &mut Vec<(When, super::HumanAction)>),
) {
    if let Some(Act::Runs { runs, deeds, .. }) = schedule.acts.get_mut(at) {
        change(runs, deeds);
    }
}

fn in_run(schedule: &mut Schedule, at: usize, nth: usize, change: impl FnOnce(&mut RunPlan)) {
    in_act(schedule, at, |runs, _| {
        if let Some(run) = runs.get_mut(nth) {
            change(run);
        }
    });
}
