//! Schedules from seeds.

use std::time::Duration;

use super::{
    Act, DAY, Foreign, HOUR, HumanAction, InHand, Misdeed, Neighbour, Renames, RunPlan, SECOND, Schedule, Side, Start,
    When,
};
use keyrotor::rotation::policy::Retire;
use keyrotor_fake::{Narrower, Wider};

use crate::assumption::Assumption;
use crate::grant::Grant;
use crate::scene::Slip;
use crate::script::{Call, Fault};

/// What the parts of a schedule depend on.
struct Dice {
    rng: fastrand::Rng,
    broken: Option<Assumption>,
    /// Every fault befalls a call of this kind.
    only: Option<Call>,
}

impl Dice {
    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let Some(picked) = self.rng.choice(from) else { panic!("a choice of at least one") };
        *picked
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.rng.u32(..n) == 0
    }

    fn seconds(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.rng.u64(from * 1000..=to * 1000))
    }
}

impl Schedule {
    /// The schedule of this seed. With an assumption broken, some of what happens breaks it.
    #[must_use]
    pub fn random(seed: u64, broken: Option<Assumption>) -> Self {
        let mut dice = Dice { rng: fastrand::Rng::with_seed(seed), broken, only: None };
        let mut world = world(&mut dice, seed);
        // What takes several faults of one kind is found sooner where there is no other.
        dice.only = dice.one_in(3).then(|| kind(&mut dice));
        // Short ones notice as much in the same time; some things come together only in a long one.
        let most = if dice.one_in(6) { 5 } else { 2 };
        let acts = dice.rng.usize(1..=most);
        let added = dice.one_in(6).then_some(Act::HumanAction(HumanAction::AddTarget));
        with_oddities(&mut world);
        world.acts = added.into_iter().chain((0..acts).flat_map(|_| acts_of(&mut dice, &world))).collect();
        if world.ends_keys_by_hand() {
            without_other_names(&mut world);
        }
        if world.has_stale_values() {
            // Whose it is that is accepted still, only a label tells: known limits.
            world.forgets_after = Duration::ZERO;
        }
        world
    }
}

/// Where a person ends the key that a dead run left, one repository soon has two families under one name, and the times of
/// their writes do not tell them apart: docs/protocol.md, known limits.
fn without_other_names(world: &mut Schedule) {
    let runs = world.acts.iter_mut().filter_map(|act| match act {
        Act::Runs { runs, .. } => Some(runs),
        _ => None,
    });
    for run in runs.flatten().filter(|run| run.slip == Some(Slip::Other)) {
        run.slip = Some(Slip::All);
    }
}

fn world(dice: &mut Dice, seed: u64) -> Schedule {
    let start = dice.pick(&[Start::Rotated, Start::Rotated, Start::Rotated, Start::HandMade, Start::Empty]);
    let renames = match dice.rng.u8(..16) {
        0..10 => Renames::Work,
        10..13 => Renames::KnownMissing,
        13..15 => Renames::Ignored,
        _ => Renames::NoSuchCall,
    };
    let works = renames == Renames::Work;
    // A hand-made key that ends before it was ever replaced is a person's to replace.
    let lifetime = (start != Start::HandMade && dice.one_in(6)).then(|| dice.pick(&[45 * DAY, 90 * DAY]));
    let neighbours = match (start, works && lifetime.is_none()) {
        (Start::Rotated, true) => &[Neighbour::Empty, Neighbour::Holding, Neighbour::Naming][..],
        // Without renames a neighbour that names a key adopts the whole family (docs/protocol.md, known limits), as it does
        // a family of which no key is left alive.
        (Start::Rotated, false) => &[Neighbour::Empty, Neighbour::Holding],
        _ => &[Neighbour::Nobody],
    };
    let neighbour = if dice.one_in(4) { dice.pick(neighbours) } else { Neighbour::Nobody };
    let shows_updated = !works || !dice.one_in(8);
    // What is waited for must be told by when it began, and nothing else may end its key. Where renames are not dated, the
    // grace counts from a dead run's key: docs/protocol.md, known limits.
    let drains = works && shows_updated && lifetime.is_none() && dice.broken.is_none() && dice.one_in(4);
    // A first key has none, and nothing to inherit one from.
    let guarded = start != Start::Empty && dice.one_in(4);
    let grant = dice.pick(&[Grant::Monthly, Grant::Monthly, Grant::ForLife, Grant::Unlimited]);
    Schedule {
        broken: dice.broken,
        start,
        repos: dice.rng.usize(1..=3),
        readable: dice.rng.bool(),
        beside: dice.one_in(8),
        renames,
        shows_updated,
        shows_used: dice.rng.bool(),
        masked_labels: dice.rng.bool(),
        skew: dice.pick(&[0, 0, -300, 300, -7, 90]),
        // What is waited for long is asked for often: few such worlds take as long as all the others.
        activation: if dice.one_in(8) {
            50 * SECOND
        } else {
            dice.pick(&[Duration::ZERO, Duration::ZERO, SECOND, 3 * SECOND])
        },
        hears_apart: dice.rng.bool(),
        list_lag: match dice.broken {
            Some(Assumption::A2) => dice.pick(&[SECOND / 2, SECOND, 2 * SECOND]),
            _ => Duration::ZERO,
        },
        slow_lists: dice.one_in(8).then(|| dice.pick(&[8 * SECOND, 25 * SECOND])),
        open_models: dice.one_in(6),
        grant,
        guarded,
        wider: dice.one_in(24).then(|| wider(dice, grant, lifetime, guarded)),
        lifetime,
        replace_left_in: dice.rng.bool(),
        staging: dice.one_in(4),
        neighbour,
        latency: Duration::from_millis(dice.pick(&[1, 50, 50, 400, 3000])),
        drains,
        rollout: match dice.rng.u8(..128) {
            0 => Some(HOUR),
            1..=3 => Some(4 * 60 * SECOND),
            4..=31 => Some(dice.pick(&[SECOND, 20 * SECOND, 50 * SECOND])),
            _ => None,
        },
        by_age: dice.one_in(4),
        heals_unstated: dice.one_in(4),
        settles_within: if dice.broken == Some(Assumption::A1) { 190 * SECOND } else { 65 * SECOND },
        ..Schedule::plain(seed)
    }
}

/// What is odd about the issuer comes from dice of its own, so that everything else of a seed's schedule stays as it is.
fn with_oddities(world: &mut Schedule) {
    let rng = fastrand::Rng::with_seed(world.seed ^ 0x00dd_17e5);
    let mut dice = Dice { rng, broken: world.broken, only: None };
    world.checks_form = dice.one_in(8);
    world.create_shows_row = !dice.one_in(4);
    world.misdeed = dice.one_in(24).then(|| misdeed(&mut dice, world));
    world.forgets_after =
        dice.pick(&[Duration::ZERO, Duration::ZERO, Duration::ZERO, 2 * SECOND, 20 * SECOND, 200 * SECOND]);
}

fn misdeed(dice: &mut Dice, world: &Schedule) -> Misdeed {
    let less: &[Narrower] = match world.grant {
        Grant::Monthly => &[Narrower::HalvesLimit, Narrower::NeverResets, Narrower::EndsSoon, Narrower::OneModel],
        Grant::ForLife => &[Narrower::HalvesLimit, Narrower::OneProvider, Narrower::EndsSoon, Narrower::Management],
        Grant::Unlimited => &[Narrower::HalvesLimit, Narrower::OneProvider, Narrower::EndsSoon, Narrower::Disabled],
    };
    match dice.rng.u8(..3) {
        // Where nothing shows whose a value is, nobody can tell.
        0 if world.masked_labels => Misdeed::AnswersOldValue,
        1 => Misdeed::AddsRight,
        _ => Misdeed::GrantsLess(dice.pick(less)),
    }
}

/// What an issuer grants beyond a right that was asked for.
fn wider(dice: &mut Dice, grant: Grant, lifetime: Option<Duration>, guarded: bool) -> Wider {
    if guarded && dice.one_in(2) {
        return Wider::IgnoresGuardrails;
    }
    if lifetime.is_some() && dice.rng.bool() {
        return Wider::IgnoresExpiry;
    }
    dice.pick(match grant {
        Grant::Monthly => &[Wider::IgnoresProviders, Wider::DoublesLimit, Wider::IgnoresLimit, Wider::ResetsDaily][..],
        Grant::ForLife => &[Wider::IgnoresModels, Wider::DoublesLimit, Wider::IgnoresLimit, Wider::ResetsDaily],
        Grant::Unlimited => &[Wider::IgnoresProviders, Wider::IgnoresModels],
    })
}

fn acts_of(dice: &mut Dice, world: &Schedule) -> Vec<Act> {
    let mut acts = Vec::new();
    let count = dice.pick(&[1, 1, 1, 2, 2, 3]);
    let mut runs: Vec<_> = (0..count).map(|_| run(dice, world)).collect();
    if let Some(first) = runs.first_mut() {
        first.after = Duration::ZERO;
    }
    // What a run leaves alone that names something else, another one at the same time may bring into the family: docs/protocol.md.
    if count > 1 {
        let goes_on = |run: &&mut RunPlan| run.slip == Some(Slip::Other) && run.retire == Retire::Keep;
        runs.iter_mut().filter(goes_on).for_each(|run| run.retire = Retire::Delete);
    }
    let deeds = if dice.one_in(4) { vec![(when(dice), deed_beside_runs(dice, world))] } else { Vec::new() };
    acts.push(Act::Runs { runs, deeds, settle: dice.rng.bool() });
    if !dice.one_in(3) {
        acts.push(Act::Wait(wait(dice)));
    }
    if dice.one_in(4) {
        acts.push(Act::HumanAction(deed(dice, world)));
    }
    if dice.broken == Some(Assumption::A3) && dice.rng.bool() {
        acts.push(Act::HumanAction(HumanAction::SetClock(dice.pick(&[-1200, -420, 420, 1200]))));
    }
    acts
}

fn when(dice: &mut Dice) -> When {
    let soon = [Duration::from_millis(10), Duration::from_millis(300), SECOND, 5 * SECOND, 20 * SECOND];
    match dice.rng.u8(..3) {
        0 => When::Behind(dice.pick(&soon)),
        1 => When::Made(dice.pick(&soon)),
        _ => When::After(dice.seconds(0, 70)),
    }
}

fn wait(dice: &mut Dice) -> Duration {
    dice.pick(&[
        Duration::from_millis(10),
        SECOND,
        2 * SECOND,
        20 * SECOND,
        58 * SECOND,
        61 * SECOND,
        4 * 60 * SECOND,
        10 * 60 * SECOND,
        HOUR,
        12 * HOUR,
        26 * HOUR,
        3 * DAY,
        40 * DAY,
    ])
}

/// What people do while runs are at work.
fn deed_beside_runs(dice: &mut Dice, world: &Schedule) -> HumanAction {
    loop {
        let deed = deed(dice, world);
        if deed.fits_beside_runs() {
            return deed;
        }
    }
}

fn deed(dice: &mut Dice, world: &Schedule) -> HumanAction {
    let target = dice.rng.usize(1..=world.repos.max(2));
    // A neighbour that names its own key takes a family whose current key is dead for a family without one.
    let may_disable = world.renames == Renames::Work && world.neighbour != Neighbour::Naming && !world.drains;
    if world.drains && dice.rng.bool() {
        let lasts = dice.pick(&[20 * SECOND, HOUR, 6 * HOUR, 26 * HOUR, 3 * DAY]);
        return HumanAction::Job { target: dice.rng.usize(0..3), lasts };
    }
    // What lies around a target is told by values and times, which mean little where an assumption does not hold.
    let kinds = if dice.broken.is_none() { 20 } else { 15 };
    match dice.rng.u8(..kinds) {
        0 | 1 => HumanAction::AddTarget,
        2 | 3 => HumanAction::RemoveTarget,
        4 => HumanAction::Use { target: dice.rng.usize(0..3) },
        5 => HumanAction::UseReplaced { back: dice.rng.usize(0..3) },
        6 if may_disable => HumanAction::Disable,
        7 | 8 => HumanAction::Reenable,
        15 | 16 if world.readable => HumanAction::Copy { target: dice.rng.usize(0..3) },
        17 => HumanAction::TakeOut,
        18 if world.readable => HumanAction::Foreign { target, what: foreign(dice) },
        19 => HumanAction::Beside { target: dice.rng.usize(0..3) },
        // A job that reads an older key which someone has put back is not waited for: docs/protocol.md, known limits.
        _ if world.drains => HumanAction::Use { target: 0 },
        _ => HumanAction::Write { target, back: dice.rng.usize(0..3) },
    }
}

fn foreign(dice: &mut Dice) -> Foreign {
    if dice.rng.bool() { Foreign::Key } else { Foreign::Text(dice.rng.usize(0..4)) }
}

fn run(dice: &mut Dice, world: &Schedule) -> RunPlan {
    let plain = dice.rng.u8(..8);
    let graceful = world.renames == Renames::Work || plain == 0;
    let graces = [None, Some(Duration::ZERO), Some(HOUR), Some(DAY)];
    let graces = if graceful { &graces[..] } else { &graces[..2] };
    let faults = dice.pick(&[0, 1, 1, 1, 2, 2, 3]);
    let offsets = [
        Duration::ZERO,
        Duration::from_millis(30),
        Duration::from_millis(100),
        Duration::from_millis(600),
        3 * SECOND,
        15 * SECOND,
        31 * SECOND,
        62 * SECOND,
        100 * SECOND,
    ];
    let side = match dice.rng.u8(..6) {
        0 if world.staging => Side::Staging,
        1 if world.neighbour != Neighbour::Nobody => Side::Neighbour,
        _ => Side::Main,
    };
    let may_slip = side == Side::Main && dice.broken.is_none();
    let slip = (may_slip && dice.one_in(12)).then(|| dice.pick(&[Slip::All, Slip::Last, Slip::Other]));
    // With `keep` a slip goes on.
    let keeps = if slip.is_some() { 4 } else { 1 };
    RunPlan {
        side,
        slip,
        after: dice.pick(&offsets),
        held: match dice.rng.u8(..6) {
            0..=2 => InHand::Deployed,
            3 if side == Side::Main => InHand::Stale(dice.rng.usize(0..4)),
            4 if side == Side::Main && dice.broken.is_none() && world.staging => InHand::OfStaging,
            _ => InHand::Nothing,
        },
        grace: dice.pick(graces),
        rotate_after: dice.pick(&[Duration::ZERO, Duration::ZERO, Duration::ZERO, 30 * DAY]),
        retire: match dice.rng.u8(..12) {
            n if n < keeps && world.renames == Renames::Work => Retire::Keep,
            1..=4 if world.renames == Renames::Work || plain == 1 => Retire::Disable,
            _ => Retire::Delete,
        },
        leaked: !world.drains && slip != Some(Slip::Other) && dice.one_in(12),
        parallel: dice.pick(&[1, 16]),
        dies_after: dice.one_in(12).then(|| dice.seconds(0, 90)),
        faults: (0..faults).map(|_| fault(dice)).collect(),
    }
}

/// A kind of call.
fn kind(dice: &mut Dice) -> Call {
    let target = dice.rng.usize(0..3);
    dice.pick(&[
        Call::List,
        Call::Create,
        Call::Rename,
        Call::Delete,
        Call::Disable,
        Call::Try,
        Call::Guardrails,
        Call::Guard,
        Call::Observe(target),
        Call::Write(target),
        Call::LastWrite(target),
        Call::ReadBack(target),
        Call::Remove(target),
        Call::StartRollout(target),
        Call::RolloutStatus(target),
        Call::Unfinished(target),
    ])
}

fn fault(dice: &mut Dice) -> (Call, usize, Fault) {
    let (call, nth) = match (dice.only, dice.rng.u8(..10)) {
        (Some(only), _) => (only, dice.rng.usize(0..8)),
        (None, 0..=3) => (Call::Any, dice.rng.usize(1..40)),
        (None, _) => (kind(dice), dice.rng.usize(0..8)),
    };
    let lates: &[u64] = match dice.broken {
        Some(Assumption::A1) => &[1_000, 29_000, 40_000, 70_000, 120_000],
        _ => &[200, 1_000, 5_000, 15_000, 29_000],
    };
    let late = Duration::from_millis(dice.pick(lates));
    let fault = match dice.rng.u8(..20) {
        0..=2 => Fault::Refuse,
        3 => Fault::Transient,
        4 => Fault::LoseBefore,
        5 => Fault::LoseAfter,
        6 | 7 => Fault::Late(late),
        8 | 9 => Fault::TimeOut { after: 30 * SECOND, lands: dice.rng.bool().then_some(late) },
        10 => {
            let by = dice.pick(&[SECOND, 8 * SECOND, 25 * SECOND]);
            if dice.rng.bool() { Fault::Slow(by) } else { Fault::Lag(by) }
        }
        11 | 12 => Fault::Kill { applied: dice.rng.bool() },
        13 | 14 => Fault::Terminate,
        15 | 16 => Fault::Doubt { applied: dice.rng.bool() },
        17 => Fault::RefuseAfter,
        18 => Fault::Double { first: dice.rng.bool() },
        _ => Fault::Freeze(dice.pick(&[5 * SECOND, 40 * SECOND, 70 * SECOND, 300 * SECOND])),
    };
    (call, nth, fault)
}
