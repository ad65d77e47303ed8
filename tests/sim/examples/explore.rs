//! Explores random schedules: runs with faults, killed, frozen, told to stop and two or three at once; between and
//! during them people rewrite secrets and time passes. After every run it holds the world against the promises, and at
//! the end clean runs must heal it. A schedule is data made from its seed alone, so a seed replays it; one that breaks
//! a promise is shrunk before it is shown.
//!
//! ```text
//! cargo run --release -p keyrotor-sim --example explore -- --schedules 100000 [--from 1]
//! KEYROTOR_SIM_STORY=1 cargo run -p keyrotor-sim --example explore -- --seed 4711
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]
#![allow(clippy::expect_used, reason = "a world that can't be set up is not worth exploring")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::Duration;

use futures_util::future::join_all;
use keyrotor::rotation::outcome::{KeyFate, KeyReport, OldKeyStatus, Outcome, TargetState, Verdict};
use keyrotor::rotation::policy::{Retire, Wish};
use keyrotor::rotation::port::{AllowList, KeyId, Reset};
use keyrotor::secret::Secret;
use keyrotor_fake::issuer::Rights;
use keyrotor_fake::{Key, Place};
use keyrotor_sim::scene::{FAMILY, SECRET};
use keyrotor_sim::{Call, Ended, Fault, Scene, Script};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// After this long nothing that was sent can still take effect.
const SETTLED: Duration = Duration::from_secs(65);

/// A run told to stop is over by then.
const STOPS_WITHIN: Duration = Duration::from_secs(7);

/// No run takes longer, whatever fails.
const LONGEST_RUN: Duration = Duration::from_secs(2 * 3600);

/// The rights of every key that a schedule begins with; no later key may have more.
fn rights() -> Rights {
    Rights {
        limit: Some(100.0),
        limit_reset: Some("monthly".into()),
        allowed_providers: vec!["openai".into()],
        ..Rights::default()
    }
}

/// A change to what happens in one act.
type Change<'a> = &'a dyn Fn(&mut Vec<RunPlan>, &mut Vec<(Duration, Deed)>);

/// How the world begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Rotated,
    HandMade,
    Empty,
}

/// What comes of a rename.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Renames {
    Work,
    KnownMissing,
    Ignored,
}

/// Where a run has its `current-key` from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    Nothing,
    /// What the first target holds when the run starts.
    Deployed,
    /// The value of the key made so many keys before the newest, dead or alive.
    Stale(usize),
}

/// What a person does. The first target is left alone, so that the family always shows whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    /// Writes the value of the live key that is so many places from the newest.
    Write { target: usize, back: usize },
    /// Adds a repository without the secret.
    AddTarget,
    /// Takes the last repository out of the list, with its secret.
    RemoveTarget,
    /// Calls a model with the key that a target holds.
    Use { target: usize },
}

/// One run.
#[derive(Clone, Debug)]
struct RunPlan {
    after: Duration,
    held: Held,
    grace: Duration,
    rotate_after: Duration,
    keep: bool,
    leaked: bool,
    parallel: usize,
    faults: Vec<(Call, usize, Fault)>,
}

/// One act of a schedule.
#[derive(Clone, Debug)]
enum Act {
    Wait(Duration),
    Deed(Deed),
    /// Runs at once, each beginning so long after the act does, with people at work beside them.
    Runs {
        runs: Vec<RunPlan>,
        deeds: Vec<(Duration, Deed)>,
        settle: bool,
    },
}

/// A whole schedule.
#[derive(Clone, Debug)]
struct Schedule {
    seed: u64,
    start: Start,
    repos: usize,
    renames: Renames,
    skew: i64,
    activation: Duration,
    list_lag: Duration,
    shows_used: bool,
    replace_left_in: bool,
    latency: Duration,
    acts: Vec<Act>,
}

fn pick<T: Copy>(rng: &mut fastrand::Rng, from: &[T]) -> T {
    *rng.choice(from).expect("a choice of at least one")
}

fn seconds(rng: &mut fastrand::Rng, from: u64, to: u64) -> Duration {
    Duration::from_millis(rng.u64(from * 1000..=to * 1000))
}

impl Schedule {
    fn random(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let rng = &mut rng;
        let start = pick(rng, &[Start::Rotated, Start::Rotated, Start::Rotated, Start::HandMade, Start::Empty]);
        let renames =
            pick(rng, &[Renames::Work, Renames::Work, Renames::Work, Renames::KnownMissing, Renames::Ignored]);
        let acts = rng.usize(2..=5);
        Self {
            seed,
            start,
            repos: rng.usize(1..=3),
            renames,
            skew: pick(rng, &[0, 0, -300, 300, -7, 90]),
            activation: pick(rng, &[Duration::ZERO, Duration::ZERO, 3 * SECOND, 50 * SECOND]),
            list_lag: Duration::ZERO,
            shows_used: rng.bool(),
            replace_left_in: rng.bool(),
            latency: Duration::from_millis(pick(rng, &[1, 50, 50, 400, 3000])),
            acts: (0..acts).flat_map(|_| Act::random(rng, renames)).collect(),
        }
    }
}

impl Act {
    fn random(rng: &mut fastrand::Rng, renames: Renames) -> Vec<Self> {
        let mut acts = Vec::new();
        let count = pick(rng, &[1, 1, 1, 2, 2, 3]);
        let mut runs: Vec<_> = (0..count).map(|_| RunPlan::random(rng, renames)).collect();
        if let Some(first) = runs.first_mut() {
            first.after = Duration::ZERO;
        }
        let deeds = if rng.u8(..4) == 0 { vec![(seconds(rng, 0, 70), Deed::random(rng))] } else { Vec::new() };
        acts.push(Self::Runs { runs, deeds, settle: rng.bool() });
        if rng.u8(..3) > 0 {
            let waits = [
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
            ];
            acts.push(Self::Wait(pick(rng, &waits)));
        }
        if rng.u8(..4) == 0 {
            acts.push(Self::Deed(Deed::random(rng)));
        }
        acts
    }
}

impl Deed {
    fn random(rng: &mut fastrand::Rng) -> Self {
        let target = rng.usize(1..3);
        match rng.u8(..6) {
            0 => Self::AddTarget,
            1 => Self::RemoveTarget,
            2 => Self::Use { target: rng.usize(0..3) },
            _ => Self::Write { target, back: rng.usize(0..3) },
        }
    }
}

impl RunPlan {
    fn random(rng: &mut fastrand::Rng, renames: Renames) -> Self {
        let grace = if renames == Renames::Work || rng.u8(..8) == 0 {
            [Duration::ZERO, HOUR, DAY]
        } else {
            [Duration::ZERO; 3]
        };
        let faults = pick(rng, &[0, 1, 1, 1, 2, 2, 3]);
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
        Self {
            after: pick(rng, &offsets),
            held: match rng.u8(..6) {
                0..=2 => Held::Deployed,
                3 => Held::Stale(rng.usize(0..4)),
                _ => Held::Nothing,
            },
            grace: pick(rng, &grace),
            rotate_after: pick(rng, &[Duration::ZERO, Duration::ZERO, Duration::ZERO, 30 * DAY]),
            keep: renames == Renames::Work && rng.u8(..12) == 0,
            leaked: rng.u8(..12) == 0,
            parallel: pick(rng, &[1, 16]),
            faults: (0..faults).map(|_| fault(rng)).collect(),
        }
    }

    fn script(&self) -> Script {
        self.faults.iter().fold(Script::default(), |script, (call, nth, fault)| script.at(*call, *nth, *fault))
    }
}

fn fault(rng: &mut fastrand::Rng) -> (Call, usize, Fault) {
    let (call, nth) = match rng.u8(..10) {
        0..=3 => (Call::Any, rng.usize(1..40)),
        4 => (Call::Create, rng.usize(1..3)),
        5 => (Call::Rename, rng.usize(0..6)),
        6 => (Call::Delete, rng.usize(0..4)),
        7 => (pick(rng, &[Call::List, Call::Try]), rng.usize(1..8)),
        8 => (Call::Write(rng.usize(0..3)), rng.usize(0..4)),
        _ => {
            let target = rng.usize(0..3);
            (pick(rng, &[Call::LastWrite(target), Call::Observe(target), Call::Remove(target)]), rng.usize(0..3))
        }
    };
    let late = Duration::from_millis(pick(rng, &[200, 1000, 5000, 15000, 29000]));
    let fault = match rng.u8(..16) {
        0..=2 => Fault::Refuse,
        3 => Fault::Transient,
        4 => Fault::LoseBefore,
        5 => Fault::LoseAfter,
        6 | 7 => Fault::Late(late),
        8 | 9 => Fault::TimeOut { after: 30 * SECOND, lands: rng.bool().then_some(late) },
        10 => Fault::Slow(pick(rng, &[SECOND, 8 * SECOND, 25 * SECOND])),
        11 | 12 => Fault::Kill { applied: rng.bool() },
        13 | 14 => Fault::Terminate,
        _ => Fault::Freeze(pick(rng, &[5 * SECOND, 40 * SECOND, 70 * SECOND, 300 * SECOND])),
    };
    (call, nth, fault)
}

/// A schedule being played.
struct Play<'a> {
    schedule: &'a Schedule,
    scene: Scene,
    hand_made: Option<KeyId>,
    added: usize,
    /// Where a person wrote while a run was at work: nobody can tell who was last.
    raced: BTreeSet<Place>,
    /// Something that an earlier run sent may still take effect.
    unsettled: bool,
    broken: Vec<String>,
}

/// What a run is held against: the world before it.
struct Before {
    values: BTreeMap<Place, Option<String>>,
    keys: BTreeSet<String>,
}

impl<'a> Play<'a> {
    fn new(schedule: &'a Schedule) -> Self {
        let names: Vec<_> = (0..schedule.repos).map(|n| format!("acme/app{n}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let mut scene = match schedule.start {
            Start::Rotated => Scene::rotated_before(&names),
            Start::HandMade => Scene::hand_made(&names),
            Start::Empty => Scene::empty(&names),
        };
        scene = match schedule.renames {
            Renames::Work => scene,
            Renames::KnownMissing => scene.without_renames(),
            Renames::Ignored => scene.with_renames_ignored(),
        };
        scene.latency = schedule.latency;
        scene.world.by_hand(|state| {
            state.issuer.clock.skew = schedule.skew;
            state.issuer.behaviour.activation_delay = schedule.activation;
            state.issuer.behaviour.list_lag = schedule.list_lag;
            state.issuer.behaviour.shows_last_used = schedule.shows_used;
            for key in &mut state.issuer.keys {
                key.rights = rights();
            }
        });
        if schedule.start == Start::Empty {
            scene.policy.providers = Wish::Stated(AllowList::Only(["openai".to_owned()].into()));
            scene.policy.models = Wish::Stated(AllowList::All);
            scene.policy.limit = Wish::Stated(Some(100.0));
            scene.policy.reset = Wish::Stated(Reset::Monthly);
            scene.policy.expires_after = Wish::Stated(None);
        }
        let hand_made = scene.policy.replace_key_id.clone();
        Self { schedule, scene, hand_made, added: 0, raced: BTreeSet::new(), unsettled: false, broken: Vec::new() }
    }

    fn broke(&mut self, what: impl Into<String>) {
        self.broken.push(what.into());
    }

    async fn wait(&self, time: Duration) {
        // What was sent must have settled before the servers' clocks jump.
        let slept = time.min(SETTLED);
        tokio::time::sleep(slept).await;
        self.scene.world.advance(time - slept);
    }

    async fn act(&mut self, act: &Act) {
        match act {
            Act::Wait(time) => {
                self.wait(*time).await;
                self.unsettled &= *time < SETTLED;
            }
            Act::Deed(deed) => {
                // A person's write within 3 s of a commit can't be told from the run's own, nor one that a late write of
                // the run follows.
                tokio::time::sleep(SETTLED).await;
                self.deed(*deed);
            }
            Act::Runs { runs, deeds, settle } => self.runs(runs, deeds, *settle).await,
        }
        self.look_for_outages();
    }

    fn deed(&mut self, deed: Deed) {
        match deed {
            Deed::AddTarget => {
                self.added += 1;
                let name = format!("acme/added{}", self.added);
                let place = self.scene.world.by_hand(|state| state.github.add_repo(&name));
                self.scene.targets.push(place);
            }
            Deed::RemoveTarget if self.scene.targets.len() > 1 => {
                if let Some(place) = self.scene.targets.pop() {
                    self.scene.world.by_hand(|state| state.github.remove(&place, SECRET));
                }
            }
            Deed::RemoveTarget => {}
            other => by_hand(&self.scene, other),
        }
    }

    fn run_scene(&self, plan: &RunPlan, nth: usize) -> Scene {
        let mut scene = self.scene.clone();
        // Two runs must not draw the same digits.
        let nth = u64::try_from(nth).unwrap_or(0);
        scene.seed = fastrand::Rng::with_seed(self.schedule.seed ^ (nth << 48)).u64(..);
        scene.policy.grace = plan.grace;
        scene.policy.rotate_after = plan.rotate_after;
        scene.policy.retire = if plan.keep { Retire::Keep } else { Retire::Delete };
        scene.policy.leaked = plan.leaked;
        scene.policy.parallel = plan.parallel;
        scene.policy.current_key = match plan.held {
            Held::Nothing => None,
            Held::Deployed => scene.deployed().map(Secret::new),
            Held::Stale(back) => self.all_keys().iter().rev().nth(back).map(|key| Secret::new(key.value.clone())),
        };
        if !self.schedule.replace_left_in && plan.held == Held::Deployed && self.schedule.renames == Renames::Work {
            scene.policy.replace_key_id = None;
        }
        scene
    }

    fn all_keys(&self) -> Vec<Key> {
        let mut keys = self
            .scene
            .world
            .read(|state| state.issuer.keys.iter().chain(&state.issuer.deleted).cloned().collect::<Vec<_>>());
        keys.retain(|key| key.name != "root");
        keys.sort_by_key(|key| key.created_at);
        keys
    }

    async fn runs(&mut self, runs: &[RunPlan], deeds: &[(Duration, Deed)], settle: bool) {
        let before = self.before();
        let scenes: Vec<_> = runs.iter().enumerate().map(|(nth, plan)| self.run_scene(plan, nth)).collect();
        let scripts: Vec<_> = runs.iter().map(RunPlan::script).collect();
        let all = scenes.iter().zip(&scripts).zip(runs).map(|((scene, script), plan)| async move {
            tokio::time::sleep(plan.after).await;
            let ended = tokio::time::timeout(LONGEST_RUN, scene.run(script.clone())).await;
            let stopped_in = script.terminated_at().map(|at| at.elapsed());
            (ended.ok(), stopped_in)
        });
        let scene = &self.scene;
        let people = async {
            for (after, deed) in deeds {
                tokio::time::sleep(*after).await;
                if matches!(deed, Deed::Write { .. } | Deed::Use { .. }) {
                    by_hand(scene, *deed);
                }
            }
        };
        let (ended, ()) = tokio::join!(join_all(all), people);
        if settle {
            tokio::time::sleep(SETTLED).await;
        }
        for (_, deed) in deeds {
            if let Deed::Write { target, .. } = deed {
                self.raced.extend(self.scene.targets.get(*target).cloned());
            }
        }
        let alone = runs.len() == 1 && deeds.is_empty() && !self.unsettled && self.raced.is_empty();
        self.unsettled = !settle;
        for ((ended, stopped_in), plan) in ended.iter().zip(runs) {
            let frozen = plan.faults.iter().any(|(_, _, fault)| matches!(fault, Fault::Freeze(_)));
            if let Some(took) = stopped_in.filter(|took| *took > STOPS_WITHIN && !frozen) {
                self.broke(format!("7 s: told to stop, it took {took:?}"));
            }
            match ended {
                None => self.broke("bound: a run took longer than two hours"),
                Some(Ended::Killed) => {}
                Some(Ended::Came(outcome)) => {
                    self.no_leak(outcome);
                    if settle && alone {
                        self.truth(&before, outcome, plan);
                    }
                }
            }
        }
        self.no_wider_key();
    }

    fn before(&self) -> Before {
        Before { values: self.values(), keys: self.all_keys().into_iter().map(|key| key.id).collect() }
    }

    fn values(&self) -> BTreeMap<Place, Option<String>> {
        let world = &self.scene.world;
        self.scene.targets.iter().map(|place| (place.clone(), world.value_at(place, SECRET))).collect()
    }

    fn live(&self) -> BTreeMap<String, Key> {
        self.scene.world.live_keys("").into_iter().map(|key| (key.id.clone(), key)).collect()
    }

    fn look_for_outages(&mut self) {
        // Putting back removes a secret where there was none.
        let outages = self.scene.world.outages();
        let told = outages.iter().filter(|outage| outage.cause != "remove" && !self.raced.contains(&outage.place));
        let told: Vec<_> = told.map(ToString::to_string).collect();
        for outage in told {
            self.broke(format!("OUTAGE: {outage}"));
        }
    }

    fn no_leak(&mut self, outcome: &Outcome) {
        let told = format!("{outcome:?}");
        if self.all_keys().iter().any(|key| told.contains(&key.value)) {
            self.broke("LEAK: the outcome shows a key's value");
        }
    }

    fn no_wider_key(&mut self) {
        if let Some(key) = self.all_keys().into_iter().find(|key| key.rights != rights()) {
            self.broke(format!("WIDER: {key:?}"));
        }
    }

    /// What the exit status, the rows and the outputs say, held against the world.
    fn truth(&mut self, before: &Before, outcome: &Outcome, plan: &RunPlan) {
        let live = self.live();
        let values = self.values();
        let status = outcome.verdict.exit_code();
        let mut lies = Vec::new();
        let fates: BTreeMap<_, _> = outcome.keys.iter().map(|key| (key.id.0.as_str(), &key.fate)).collect();
        let told = outcome.problems.iter().map(|problem| problem.what.as_str()).collect::<Vec<_>>().join("\n");
        let family = live.values().filter(|key| key.name.starts_with(FAMILY));
        let mentioned =
            |key: &Key| fates.contains_key(key.id.as_str()) || told.contains(&key.name) || told.contains(&key.id);
        let deployed: BTreeSet<_> = values.values().flatten().cloned().collect();
        let stopped = outcome.verdict == Verdict::Unchanged;
        for key in family {
            let untouched = stopped && before.keys.contains(&key.id);
            if !mentioned(key) && !untouched {
                lies.push(format!("{} is alive and not named", key.name));
            }
            let fate = fates.get(key.id.as_str());
            if matches!(fate, Some(KeyFate::Deleted | KeyFate::NewRevoked)) {
                lies.push(format!("{} is alive and said to be {fate:?}", key.name));
            }
            if status == 0
                && !matches!(fate, Some(KeyFate::New | KeyFate::Current | KeyFate::Pending { .. } | KeyFate::Kept))
            {
                lies.push(format!("exit 0 although {} is left: {fate:?}", key.name));
            }
            if status == 0 && key.name.ends_with("-unconfirmed") {
                lies.push(format!("exit 0 although {} is not committed", key.name));
            }
            if status == 1 && !before.keys.contains(&key.id) {
                lies.push(format!("exit 1 although {} was made", key.name));
            }
        }
        for (id, fate) in &fates {
            let should = !matches!(fate, KeyFate::Deleted | KeyFate::NewRevoked | KeyFate::Stray { .. });
            if should && !live.contains_key(*id) {
                lies.push(format!("{id} is dead and said to be {fate:?}"));
            }
        }
        let new = outcome.new_key.as_ref().and_then(|(id, _)| live.get(&id.0));
        match outcome.verdict {
            Verdict::Rotated => {
                let all = values.values().all(|value| value.as_ref() == new.map(|key| &key.value));
                if new.is_none() || !all {
                    lies.push("rotated, and a target does not hold the new key".into());
                }
                let leave = !plan.leaked && (plan.keep || plan.grace > Duration::ZERO);
                if !leave && live.values().filter(|key| key.name.starts_with(FAMILY)).count() != 1 {
                    lies.push("exit 0 without grace, and not one live key".into());
                }
            }
            Verdict::NotDue | Verdict::Planned | Verdict::Unchanged | Verdict::RolledBack => {
                if values != before.values {
                    lies.push("a target holds another value than before".into());
                }
            }
            Verdict::Attention => {
                let told = |key: &KeyReport| match key.fate {
                    KeyFate::Stray { .. } => true,
                    KeyFate::NewHeld => outcome.interrupted,
                    _ => false,
                };
                if outcome.problems.is_empty() && !outcome.keys.iter().any(told) {
                    lies.push("exit 3 without a reason".into());
                }
            }
        }
        if outcome.rotated && !values.values().all(|value| value.as_ref() == new.map(|key| &key.value)) {
            lies.push("`rotated`, and a target does not hold the new key".into());
        }
        for (target, row) in self.scene.targets.iter().zip(&outcome.targets) {
            let (now, was) = (values.get(target).cloned().flatten(), before.values.get(target).cloned().flatten());
            let right = match row.state {
                TargetState::New => now.is_some() && now.as_ref() == new.map(|key| &key.value),
                TargetState::Old | TargetState::Untouched => now == was,
                TargetState::Either => now == was || now.as_ref() == new.map(|key| &key.value),
            };
            if !right {
                lies.push(format!("{target} is said to be {:?}", row.state));
            }
        }
        if let Some((id, name)) = &outcome.old_key {
            let alive = live.contains_key(&id.0);
            let right = match outcome.old_key_status {
                OldKeyStatus::Deleted => !alive,
                OldKeyStatus::Pending | OldKeyStatus::Kept => alive,
                OldKeyStatus::Alive => alive || status == 3,
                OldKeyStatus::None => false,
            };
            if !right {
                lies.push(format!("the old key {name} is said to be {:?}", outcome.old_key_status));
            }
        }
        if deployed.iter().any(|value| !live.values().any(|key| key.value == *value)) && status == 0 {
            lies.push("exit 0 with a dead value deployed".into());
        }
        if !lies.is_empty() {
            self.broke(format!("LIE (exit {status}): {}\n{outcome:#?}", lies.join("; ")));
        }
    }

    async fn heal(&mut self) {
        self.wait(2 * DAY).await;
        self.scene.policy.replace_key_id.clone_from(&self.hand_made);
        let mut told = String::new();
        for nth in 0..3 {
            // Without renames nothing records that everything was put back, except the value in hand.
            if self.schedule.renames != Renames::Work {
                self.scene = self.scene.clone().with_current_key();
            }
            self.scene.seed = self.schedule.seed ^ nth;
            let ended = self.scene.clean_run().await;
            self.look_for_outages();
            let live = self.scene.world.live_keys(FAMILY);
            let values = self.values();
            let held = values.values().all(|value| value.as_ref() == live.first().map(|key| &key.value));
            if ended.status() == 0 && live.len() == 1 && held {
                return;
            }
            // Where names say nothing a run may have to ask which key is deployed, and a person does what it says.
            if let Ended::Came(outcome) = &ended
                && self.schedule.renames != Renames::Work
                && outcome.verdict == Verdict::Unchanged
                && let Some(key) = outcome.keys.iter().find(|key| {
                    let next = outcome.problems.first().and_then(|problem| problem.next.as_deref());
                    next.is_some_and(|next| next.contains(&format!("set replace-key-id to {}", key.id)))
                })
            {
                self.scene.policy.replace_key_id = Some(key.id.clone());
            }
            told = format!("{ended:#?}");
            self.wait(10 * 60 * SECOND).await;
        }
        self.broke(format!("NOT HEALED: {told}"));
    }
}

fn by_hand(scene: &Scene, deed: Deed) {
    match deed {
        Deed::Write { target, back } => {
            let mut live = scene.world.live_keys("");
            // Nobody has the value of a key that was never deployed.
            live.retain(|key| !key.name.ends_with("-unconfirmed"));
            let Some(place) = scene.targets.get(target).filter(|_| target > 0) else { return };
            if let Some(key) = live.iter().rev().nth(back) {
                scene.world.by_hand(|state| state.github.write_secret(place, SECRET, &key.value));
            }
        }
        Deed::Use { target } => {
            let Some(key) = scene.targets.get(target).and_then(|place| scene.world.key_at(place, SECRET)) else {
                return;
            };
            scene.world.by_hand(|state| state.issuer.mark_used(&key.id, 0.01));
        }
        Deed::AddTarget | Deed::RemoveTarget => {}
    }
}

/// What a schedule broke, in its own world and time.
fn play(schedule: &Schedule) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let mut play = Play::new(schedule);
        for act in &schedule.acts {
            play.act(act).await;
            if !play.broken.is_empty() {
                return play.broken;
            }
        }
        play.heal().await;
        play.broken
    })
}

fn played(schedule: &Schedule) -> Vec<String> {
    std::panic::catch_unwind(|| play(schedule)).unwrap_or_else(|_| vec!["PANIC".to_owned()])
}

/// What kind of promise was broken.
fn kind(broken: &[String]) -> Option<String> {
    let first = broken.first()?;
    Some(first.split([':', '(']).next().unwrap_or_default().to_owned())
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
        with(&|less| drop::<Act>(less.acts.remove(at)));
        let Some(Act::Runs { runs, deeds, .. }) = schedule.acts.get(at) else { continue };
        let runs_of = |less: &mut Schedule, change: Change<'_>| {
            if let Some(Act::Runs { runs, deeds, .. }) = less.acts.get_mut(at) {
                change(runs, deeds);
            }
        };
        for nth in 0..deeds.len() {
            with(&|less| {
                runs_of(less, &|_, deeds| {
                    deeds.remove(nth);
                })
            });
        }
        for (nth, run) in runs.iter().enumerate() {
            if runs.len() > 1 {
                with(&|less| runs_of(less, &|runs, _| drop(runs.remove(nth))));
            }
            for fault in 0..run.faults.len() {
                with(&|less| {
                    runs_of(less, &|runs, _| {
                        if let Some(run) = runs.get_mut(nth) {
                            run.faults.remove(fault);
                        }
                    });
                });
            }
            let plain: [&dyn Fn(&mut RunPlan); 5] = [
                &|run| run.leaked = false,
                &|run| run.keep = false,
                &|run| run.held = Held::Nothing,
                &|run| run.grace = Duration::ZERO,
                &|run| run.rotate_after = Duration::ZERO,
            ];
            for change in plain {
                with(&|less| runs_of(less, &|runs, _| runs.get_mut(nth).into_iter().for_each(change)));
            }
        }
    }
    with(&|less| less.skew = 0);
    with(&|less| less.activation = Duration::ZERO);
    with(&|less| less.shows_used = false);
    with(&|less| less.latency = Duration::from_millis(50));
    with(&|less| less.renames = Renames::Work);
    with(&|less| less.start = Start::Rotated);
    with(&|less| less.repos = (less.repos - 1).max(1));
    all.retain(|less| format!("{less:?}") != format!("{schedule:?}"));
    all
}

fn shrunk(schedule: &Schedule, wanted: &str) -> Schedule {
    let mut least = schedule.clone();
    while let Some(less) = smaller(&least).into_iter().find(|less| kind(&played(less)).as_deref() == Some(wanted)) {
        least = less;
    }
    least
}

fn show(schedule: &Schedule, broken: &[String]) {
    println!("--- seed {}\n{schedule:#?}\n{}\n", schedule.seed, broken.join("\n"));
}

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let number = |flag: &str| {
        let at = given.iter().position(|word| word == flag)?;
        given.get(at + 1)?.parse::<u64>().ok()
    };
    if let Some(seed) = number("--seed") {
        let schedule = Schedule::random(seed);
        let broken = played(&schedule);
        show(&schedule, &broken);
        return if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let (from, count, most) =
        (number("--from").unwrap_or(1), number("--schedules").unwrap_or(1000), number("--show").unwrap_or(3));
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    for seed in from..from + count {
        let schedule = Schedule::random(seed);
        let Some(kind) = kind(&played(&schedule)) else { continue };
        let times = found.entry(kind.clone()).or_insert(0);
        *times += 1;
        if *times <= most {
            let least = shrunk(&schedule, &kind);
            show(&least, &played(&least));
        }
    }
    println!("{count} schedules from seed {from}: {found:?}");
    if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
