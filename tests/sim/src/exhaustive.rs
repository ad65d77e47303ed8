//! Every schedule of one rotation with up to so many faults, each followed by clean runs until it heals.
//!
//! A tree: below a run lie the runs in which one more thing goes wrong at a later call. A run that was killed has no
//! later calls.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::play::{Played, play};
use crate::schedule::{Act, HOUR, InHand, Renames, RunPlan, SECOND, Schedule};
use crate::script::{Call, Fault};

/// What can go wrong with a call.
const FAULTS: [Fault; 11] = [
    Fault::Refuse,
    Fault::Doubt { applied: false },
    Fault::RefuseAfter,
    Fault::Double { first: false },
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
            let run = RunPlan { held, grace: Some(grace), ..RunPlan::plain() };
            let acts = vec![Act::Runs { runs: vec![run], deeds: Vec::new(), settle: true }];
            let schedule = Schedule { renames, acts, ..Schedule::plain(1) };
            if grace.is_zero() {
                all.push(Schedule { readable: true, ..schedule.clone() });
            }
            all.push(schedule);
        }
    }
    all
}

/// A schedule of the tree, and how many faults it has.
struct Node(Schedule, usize);

/// Plays every schedule of these variants with at most `faults` faults, on so many threads, and shows each what it came to.
pub fn explore(variants: Vec<Schedule>, faults: usize, threads: usize, seen: &(impl Fn(&Schedule, &Played) + Sync)) {
    let open = AtomicUsize::new(variants.len());
    let nodes = Mutex::new(variants.into_iter().map(|variant| Node(variant, 0)).collect::<Vec<_>>());
    let work = || {
        while open.load(Ordering::Acquire) > 0 {
            let next = nodes.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(Node(schedule, made)) = next else {
                std::thread::yield_now();
                continue;
            };
            let played = play(&schedule);
            seen(&schedule, &played);
            let below = if made < faults { below(&schedule, &played) } else { Vec::new() };
            open.fetch_add(below.len(), Ordering::AcqRel);
            let below = below.into_iter().map(|schedule| Node(schedule, made + 1));
            nodes.lock().unwrap_or_else(PoisonError::into_inner).extend(below);
            open.fetch_sub(1, Ordering::AcqRel);
        }
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
}

/// The schedules with one fault more, at a later call.
fn below(schedule: &Schedule, played: &Played) -> Vec<Schedule> {
    let from = match last(schedule) {
        Some((_, Fault::Kill { .. })) => return Vec::new(),
        Some((nth, _)) => nth + 1,
        None => 1,
    };
    (from..=played.calls).flat_map(|nth| FAULTS.map(|fault| with(schedule, nth, fault))).collect()
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
