//! Playing a schedule, in its own world and time, and holding the world against the promises after every step.

mod actions;
mod grace;
mod outages;
mod overwritten;
mod rights;
mod strays;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use keyrotor::rotation::model::KeyId;
use keyrotor::rotation::outcome::{Outcome, RunStatus};
use keyrotor::rotation::policy::{Retire, Wish};
use keyrotor::secret::Secret;
use keyrotor_fake::issuer::Rights;
use keyrotor_fake::{Behaviour, Key, Place};
use tokio::time::Instant;

use self::actions::do_wrong;
use crate::assumption::Assumption;
use crate::grant::Grant;
use crate::judge::{self, Asked, Before};
use crate::people::{self, NEIGHBOURS, STAGING, by_hand, is_foreign};
use crate::ports::{PROCESSES, PUT_BACK, Processes, REMOVE_ANOTHERS, is_process};
use crate::scene::{COPY, Ended, FAMILY, OTHER, SECRET, SLIPS, Scene};
use crate::schedule::{
    Act, DAY, Foreign, HOUR, HumanAction, InHand, Misdeed, Neighbour, Renames, RunPlan, SECOND, Schedule, Side, Start,
    When,
};
use crate::script::{Call, Fault, Made, Script};
use crate::time::{TimeSource, Timeline};
use crate::violation::{Promise, Violation};

/// A field that nobody knows, by which an issuer gives a right.
const ADDED_RIGHT: &str = "may_delegate";

/// A run told to stop is over by then.
const STOPS_WITHIN: Duration = Duration::from_secs(7);

/// A request arrives within it or never.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Dates have whole seconds, and a run asks two servers for them.
const GRACE_MARGIN: Duration = Duration::from_secs(5);

/// Two writes of one secret that lie closer together can't be told apart by their dates.
const STAMPS_WITHIN: Duration = Duration::from_secs(4);

/// A write so soon behind a commit passes for the run's own: three seconds, and two that were cut off from whole seconds.
const COMMIT_WITHIN: Duration = Duration::from_secs(6);

/// Bytes of most outcomes, as text.
const OUTCOME: usize = 16 * 1024;

/// No run takes longer, whatever fails.
const LONGEST_RUN: Duration = Duration::from_secs(2 * 3600);

/// What is told takes longer to write than the rest to play: one in so many is listened to.
const HEARD: u64 = 16;

/// So many daily runs come before a world has to heal, where they do.
const DAYS_BY_AGE: u64 = 2;

/// Clean runs in which a broken world must heal. More than one only where a person has to say which key is deployed.
const HEALS_WITHIN: u64 = 3;

/// So many more where misspelt runs, or a person who emptied a target, left keys that no target holds: a run asks for one
/// after the other.
const KEYS_LEFT: u64 = 4;

/// So often a person corrects what a run stopped at, beside those.
const CORRECTIONS: u64 = 8;

/// What a schedule came to.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// What it broke.
    pub broke: Vec<Violation>,
    /// How many calls its last run made.
    pub calls: usize,
    /// How many runs there were, those that heal included.
    pub runs: usize,
    /// Whether a person had to say which key is deployed.
    pub asked_a_person: bool,
}

impl Played {
    /// The first promise that was broken.
    #[must_use]
    pub fn first(&self) -> Option<Promise> {
        self.broke.first().map(|broke| broke.promise)
    }
}

/// Plays a schedule to its end, or until it breaks a promise.
#[must_use]
pub fn play(schedule: &Schedule) -> Played {
    let timeline = Timeline::default();
    caught(|| timeline.play(play_on(TimeSource::Own(timeline.clone()), schedule)))
}

/// As [`play`], on tokio's paused time, which takes longer.
#[must_use]
pub fn play_on_tokio(schedule: &Schedule) -> Played {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let Ok(runtime) = runtime else { panic!("no runtime could be made") };
    caught(|| runtime.block_on(play_on(TimeSource::Tokio, schedule)))
}

async fn play_on(time: TimeSource, schedule: &Schedule) -> Played {
    let mut play = Play::new(time, schedule);
    play.all().await;
    play.played
}

fn caught(playing: impl FnOnce() -> Played) -> Played {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(playing)).unwrap_or_else(|_| {
        let broke = Violation { promise: Promise::Panic, what: "the message stands on stderr".into() };
        Played { broke: vec![broke], ..Played::default() }
    })
}

struct Play<'a> {
    schedule: &'a Schedule,
    main: Scene,
    staging: Option<Scene>,
    neighbour: Option<Scene>,
    hand_made: Option<KeyId>,
    added: usize,
    /// Where a person wrote while a run was at work, when it could not see that, and which keys.
    raced: BTreeMap<Place, BTreeSet<String>>,
    /// Where a person wrote between a run's look at a target without the secret and its write.
    overtaken: BTreeSet<Place>,
    /// Values that some place has held: nobody has the value of a key that was never deployed.
    known: BTreeSet<String>,
    /// The ids of confirmed keys, with the time at which some target held them last.
    deployed: BTreeMap<String, Timestamp>,
    /// Keys that a person wrote into a target: no grace is known of what is replaced after that.
    written_by_hand: BTreeSet<String>,
    /// Keys that some run wrote and put back: what began in between has read them.
    put_back: BTreeSet<String>,
    /// Keys that a person took back after they were switched off.
    taken_back: BTreeSet<String>,
    /// Leaked keys that a run ended wherever they were, as it was asked to, with the places that it wrote.
    given_up: Vec<(BTreeSet<String>, BTreeSet<Place>)>,
    /// The keys whose values the last runs found in targets: where no label shows more, they know a copy of one of these alone.
    in_sight: BTreeSet<String>,
    /// Something that an earlier run sent may still take effect.
    unsettled: bool,
    /// What the last outcome shows.
    told: String,
    played: Played,
}

impl<'a> Play<'a> {
    fn new(time: TimeSource, schedule: &'a Schedule) -> Self {
        let names: Vec<_> = (0..schedule.repos).map(|n| format!("acme/app{n}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let mut scene = Scene::on(time, &names);
        scene.readable = schedule.readable;
        if schedule.beside {
            (0..schedule.repos).for_each(|target| people::store_beside(&scene, target));
            scene.world.advance(DAY);
        }
        // Its key is no younger than what the main repositories hold.
        let staging = schedule.staging.then(|| deploy_staging(&scene));
        let mut main = match schedule.start {
            Start::Rotated => scene.with_rotated_key(),
            Start::HandMade => scene.with_hand_made_key(),
            Start::Empty => first_key(scene, schedule.grant),
        };
        main = match schedule.renames {
            Renames::Work => main,
            Renames::KnownMissing => main.without_renames(),
            Renames::Ignored => main.with_renames_ignored(),
            Renames::NoSuchCall => main.with_no_call_to_rename(),
        };
        main.latency = schedule.latency;
        main.hears_apart = schedule.hears_apart;
        main.heard = schedule.seed.is_multiple_of(HEARD).then(Rc::default);
        if let Some(takes) = schedule.rollout {
            main = main.with_processes(Processes { takes, within: longest_rollout(schedule.renames) });
        }
        let staging = staging.map(|place| staging_at(&main, place));
        let neighbour = (schedule.neighbour != Neighbour::Nobody).then(|| neighbour(&main, schedule.neighbour));
        main.world.by_hand(|state| {
            state.issuer.clock.skew = schedule.skew;
            state.issuer.behaviour.activation_delay = schedule.activation;
            state.issuer.behaviour.forgets_after = schedule.forgets_after;
            state.issuer.behaviour.list_lag = schedule.list_lag;
            state.issuer.behaviour.shows_last_used = schedule.shows_used;
            state.issuer.behaviour.shows_updated = schedule.shows_updated;
            state.issuer.behaviour.models_open = schedule.open_models;
            state.issuer.behaviour.masked_labels = schedule.masked_labels;
            state.issuer.behaviour.wider = schedule.wider.into_iter().collect();
            state.issuer.behaviour.models_check_form = schedule.checks_form;
            state.issuer.behaviour.create_shows_row = schedule.create_shows_row;
            do_wrong(&mut state.issuer.behaviour, schedule.misdeed);
            for key in &mut state.issuer.keys {
                let expires_at = schedule.lifetime.filter(|_| key.name != "root").map(|time| key.created_at + time);
                key.rights = Rights { expires_at, ..schedule.grant.rights() };
                key.label = schedule.masked_labels.then(|| key.masked());
            }
            state.issuer.behaviour.has_guardrails = schedule.guarded;
            if schedule.guarded {
                state.issuer.guardrails.add("no training");
                let keys: Vec<_> = state.issuer.keys.iter().map(|key| key.id.clone()).collect();
                keys.iter().for_each(|key| people::guard(state, key));
            }
        });
        if schedule.start == Start::Empty {
            main.policy.expires_after = Wish::Stated(schedule.lifetime);
        }
        let hand_made = main.policy.replace_key_id.clone();
        Self {
            schedule,
            main,
            staging,
            neighbour,
            hand_made,
            added: 0,
            raced: BTreeMap::new(),
            overtaken: BTreeSet::new(),
            known: BTreeSet::new(),
            deployed: BTreeMap::new(),
            written_by_hand: BTreeSet::new(),
            put_back: BTreeSet::new(),
            taken_back: BTreeSet::new(),
            given_up: Vec::new(),
            in_sight: BTreeSet::new(),
            unsettled: false,
            told: String::with_capacity(OUTCOME),
            played: Played::default(),
        }
    }

    async fn all(&mut self) {
        for act in &self.schedule.acts {
            self.act(act).await;
            if !self.played.broke.is_empty() {
                return;
            }
        }
        self.heal().await;
    }

    fn broke(&mut self, promise: Promise, what: impl Into<String>) {
        self.played.broke.push(Violation { promise, what: what.into() });
    }

    async fn wait(&self, time: Duration) {
        // What was sent must have settled before the servers' clocks jump.
        let slept = time.min(self.schedule.settles_within);
        self.main.time.sleep(slept).await;
        self.main.world.advance(time - slept);
    }

    async fn act(&mut self, act: &Act) {
        self.learn_values();
        self.main.end_jobs(false);
        match act {
            Act::Wait(time) => {
                self.wait(*time).await;
                self.unsettled &= *time < self.schedule.settles_within;
            }
            Act::HumanAction(deed) => {
                // A person's write within 3 s of a commit can't be told from the run's own, nor one that a late write of
                // the run follows.
                self.main.time.sleep(self.schedule.settles_within).await;
                match deed {
                    HumanAction::Reenable => self.reenable().await,
                    other => self.deed(*other),
                }
            }
            Act::Runs { runs, deeds, settle } => self.runs(runs, deeds, *settle).await,
        }
        self.look_for_outages();
        self.look_for_keys_taken_back();
    }

    fn learn_values(&mut self) {
        let unknown = |value: &&str| !self.known.contains(*value);
        let held = self.main.world.read(|state| {
            let values = state.github.holdings().map(|(_, _, value)| value);
            values.filter(unknown).map(str::to_owned).collect::<Vec<_>>()
        });
        self.known.extend(held);
        let now = self.main.world.now();
        let values = judge::values(&self.main);
        let live = self.main.live_family().into_iter().filter(|key| !key.name.ends_with("-unconfirmed"));
        let held = live.filter(|key| values.values().flatten().any(|value| *value == key.value));
        self.deployed.extend(held.map(|key| (key.id, now)));
    }

    /// Takes back what was switched off last and stands nowhere: what a person switched off under a target is another
    /// story, and so is what `replace-key-id` names.
    async fn reenable(&mut self) {
        let held = judge::values(&self.main);
        let stands = |key: &Key| held.values().flatten().any(|value| *value == key.value);
        let named = |key: &Key| self.hand_made.as_ref().is_some_and(|id| id.0 == key.id);
        let off = |key: &&Key| key.disabled && key.name.starts_with(FAMILY) && !stands(key) && !named(key);
        let last = |state: &keyrotor_fake::world::State| {
            state.issuer.keys.iter().filter(off).max_by_key(|key| key.updated_at).map(|key| key.id.clone())
        };
        let Some(id) = self.main.world.read(last) else { return };
        let ended = self.main.reenable(&id, Script::default()).await;
        if ended.status() == 0 {
            self.taken_back.insert(id);
        }
    }

    fn scene(&self, side: Side) -> &Scene {
        match side {
            Side::Main => &self.main,
            Side::Staging => self.staging.as_ref().unwrap_or(&self.main),
            Side::Neighbour => self.neighbour.as_ref().unwrap_or(&self.main),
        }
    }

    fn run_scene(&self, plan: &RunPlan, nth: usize) -> Scene {
        let mut scene = self.scene(plan.side).clone();
        // Two runs must not draw the same digits.
        let nth = u64::try_from(nth).unwrap_or(0);
        scene.seed = fastrand::Rng::with_seed(self.schedule.seed ^ (nth << 48)).u64(..);
        (scene.policy.grace, scene.policy.grace_is_stated) = (plan.grace.unwrap_or_default(), plan.grace.is_some());
        scene.policy.rotate_after = plan.rotate_after;
        if self.schedule.drains {
            (scene.policy.grace, scene.policy.drain, scene.policy.grace_is_stated) = (35 * DAY, true, true);
        }
        scene.policy.retire = plan.retire;
        scene.policy.leaked = plan.leaked;
        scene.policy.parallel = plan.parallel;
        scene.slip = plan.slip;
        scene.policy.current_key = match plan.held {
            InHand::Nothing => None,
            InHand::Deployed => scene.deployed().map(Secret::new),
            InHand::Stale(back) => {
                // A value of somebody else's key is not what this repository has deployed.
                let keys = self.all_keys();
                let mut own = keys.iter().rev().filter(|key| !people::is_anothers(key));
                own.nth(back).map(|key| Secret::new(key.value.clone()))
            }
            InHand::OfStaging => self.staging.as_ref().and_then(Scene::deployed).map(Secret::new),
        };
        let recognised =
            [InHand::Deployed, InHand::OfStaging].contains(&plan.held) && self.schedule.renames == Renames::Work;
        if plan.side == Side::Main && !self.schedule.replace_left_in && recognised {
            scene.policy.replace_key_id = None;
        }
        scene
    }

    /// Every key but the management key, dead ones too, oldest first.
    fn all_keys(&self) -> Vec<Key> {
        let mut keys: Vec<Key> = self.main.world.read(|state| every(state).cloned().collect());
        keys.sort_by_key(|key| key.created_at);
        keys
    }

    /// A first run of a neighbour can't tell a family whose only key is an unfinished run's from its own: docs/protocol.md,
    /// known limits.
    fn neighbour_can_tell(&self) -> bool {
        let live = self.main.live_family();
        self.schedule.neighbour != Neighbour::Empty || live.iter().any(|key| !key.name.ends_with("-unconfirmed"))
    }

    async fn runs(&mut self, runs: &[RunPlan], deeds: &[(When, HumanAction)], settle: bool) {
        let alive = !self.main.live_family().is_empty();
        let can_tell = self.neighbour_can_tell() && (runs.len() == 1 || self.schedule.neighbour != Neighbour::Empty);
        let tells = |plan: &&RunPlan| plan.side != Side::Neighbour || can_tell;
        let runs: Vec<_> = runs.iter().filter(tells).cloned().collect();
        let runs = runs.as_slice();
        // Only of a run that is alone with the world can be said what should have come of it.
        let alone = settle && deeds.is_empty() && !self.unsettled && self.raced.is_empty();
        let together = (settle && runs.len() > 1 && !self.unsettled).then(|| self.every_id());
        let scenes: Vec<_> = runs.iter().enumerate().map(|(nth, plan)| self.run_scene(plan, nth)).collect();
        let before = match scenes.as_slice() {
            [scene] if alone => Some(Before::of(scene)),
            _ => None,
        };
        let foreign = self.foreign();
        self.look_at_targets();
        if runs.len() > 1 {
            // One of them may begin when another has written the targets.
            self.in_sight.clear();
        }
        let slow = |script: Script| match self.schedule.slow_lists {
            Some(by) => script.always(Call::List, Fault::Lag(by)),
            None => script,
        };
        let scripts: Vec<_> = runs.iter().map(|plan| slow(plan.script())).collect();
        let all = scenes.iter().zip(&scripts).zip(runs).map(|((scene, script), plan)| one_run(scene, script, plan));
        let (main, schedule, known) = (&self.main, self.schedule, &self.known);
        let people = async {
            let mut written = Vec::new();
            for (when, deed) in deeds {
                match (when, scripts.first()) {
                    (When::After(time), _) => main.time.sleep(*time).await,
                    (When::Behind(time), Some(first)) if first.goes_wrong().await => main.time.sleep(*time).await,
                    (When::Made(time), Some(first)) if first.makes_one().await => main.time.sleep(*time).await,
                    (When::Behind(_) | When::Made(_), _) => continue,
                }
                if matches!(
                    deed,
                    HumanAction::Write { .. }
                        | HumanAction::Use { .. }
                        | HumanAction::UseReplaced { .. }
                        | HumanAction::Job { .. }
                ) {
                    written.extend(by_hand(main, schedule, known, *deed).map(|id| (id, *deed, main.time.now())));
                }
            }
            written
        };
        let (ended, written) = tokio::join!(join_all(all), people);
        self.look_for_overwritten(foreign, |target| {
            written.iter().any(|(_, deed, _)| matches!(deed, HumanAction::Write { target: at, .. } if *at == target))
        });
        for (id, deed, at) in written {
            self.written_by_hand.insert(id.clone());
            if let HumanAction::Write { target, .. } = deed {
                let seen = match scripts.as_slice() {
                    // A run that misspells the target does not look at it.
                    [_] if runs.iter().any(|run| run.slip.is_some()) => false,
                    [alone] => !self.unsettled && is_seen(alone, target, at, self.schedule),
                    _ => false,
                };
                if let Some(place) = self.main.targets.get(target).filter(|_| !seen) {
                    if scripts.iter().any(|script| overtakes_a_look(script, target, at)) {
                        self.overtaken.insert(place.clone());
                    }
                    self.raced.entry(place.clone()).or_default().insert(id);
                }
            }
        }
        if settle {
            self.main.time.sleep(self.schedule.settles_within).await;
        }
        self.unsettled = !settle;
        self.put_back.extend(scripts.iter().flat_map(Script::uncommitted));
        for id in scripts.iter().flat_map(Script::ended_unproved) {
            self.broke(Promise::Unproved, format!("{id} was ended before the new key was proved again"));
        }
        self.played.runs += runs.len();
        self.played.calls = scripts.last().map(Script::calls).unwrap_or_default();
        if let Some(there) = together {
            self.look_for_strays(&there, ended.iter().map(|(ended, _)| ended.as_ref()));
        }
        for ((scene, script), (ended, _)) in scenes.iter().zip(&scripts).zip(&ended) {
            self.given_up.extend(given_up(scene, script, ended.as_ref()));
        }
        for (((ended, stopped_in), plan), scene) in ended.into_iter().zip(runs).zip(&scenes) {
            let frozen = plan.faults.iter().any(|(_, _, fault)| matches!(fault, Fault::Freeze(_)));
            if let Some(took) = stopped_in.filter(|took| *took > STOPS_WITHIN && !frozen) {
                self.broke(Promise::Stops, format!("told to stop, it took {took:?}"));
            }
            match ended {
                None => self.broke(Promise::Ends, "a run took longer than two hours"),
                Some(Ended::Killed) => {}
                Some(Ended::Came(mut outcome)) => {
                    if plan.side == Side::Neighbour && outcome.rotated && alive {
                        self.broke(Promise::Lie, format!("a family that was never there was rotated\n{outcome:#?}"));
                    }
                    if plan.leaked && plan.faults.is_empty() && self.schedule.broken.is_none() && gave_way(&outcome) {
                        self.broke(Promise::Leaked, format!("a run gave way although the key leaked\n{outcome:#?}"));
                    }
                    self.came(plan, scene, &mut outcome, before.as_ref());
                }
            }
        }
        self.no_wider_key();
    }

    /// With the world before it, where the run was alone with it.
    fn came(&mut self, plan: &RunPlan, scene: &Scene, outcome: &mut Outcome, before: Option<&Before>) {
        self.told.clear();
        // Durations show no key's value, and are what takes longest to write.
        let steps = std::mem::take(&mut outcome.steps);
        // A `String` takes whatever is written to it.
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

    /// Whether a run may have to ask which key is deployed: where no rename is on record, targets were misspelt, a person
    /// ended a key, or wrote one and every key has expired since, or lists and clocks mislead it.
    fn may_ask(&self) -> bool {
        let lost = matches!(self.schedule.broken, Some(Assumption::A2 | Assumption::A3));
        let all_ended = !self.written_by_hand.is_empty() && self.main.live_family().is_empty();
        let misled = self.schedule.has_slips() || self.schedule.has_foreign_values();
        lost || all_ended || misled || !self.schedule.records_commits() || self.schedule.ends_keys_by_hand()
    }

    async fn heal(&mut self) {
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

    /// The values of this repository's keys that nobody has switched off.
    fn own_values(&self) -> BTreeSet<String> {
        let own = |key: &&Key| !people::is_anothers(key) && !key.disabled;
        let listed = |state: &keyrotor_fake::world::State| {
            state.issuer.keys.iter().filter(own).map(|key| key.value.clone()).collect()
        };
        self.main.world.read(listed)
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
}

/// Whether a run, or the one after it, has to see what a person wrote into a target while it was at work. It can't tell that
/// write from its own in the same second, nor see it between its last look and its commit, nor is one told from its own that
/// follows the commit at once. After its own write, and after each commit that failed, it owes a look.
fn is_seen(script: &Script, target: usize, at: Instant, schedule: &Schedule) -> bool {
    let made = script.made();
    let writes = |made: &&Made| [Call::Write(target), Call::Remove(target)].contains(&made.call);
    let ends = |made: &&Made| matches!(made.call, Call::Delete | Call::Disable);
    let faulty = |which: &dyn Fn(&&Made) -> bool| made.iter().filter(which).any(|made| made.faulty);
    if overtakes_a_look(script, target, at) || faulty(&writes) || faulty(&ends) {
        return false;
    }
    let commits = script.committed_at();
    let Some(write) = made.iter().rfind(writes).map(|write| write.sent) else { return commits.is_empty() };
    if at < write {
        return !commits.iter().any(|commit| *commit < write);
    }
    let told_apart = at >= write + STAMPS_WITHIN;
    let last = commits.iter().rfind(|commit| **commit <= at);
    let Some(commit) = commits.iter().find(|commit| **commit > at) else {
        let dated = schedule.records_commits() && !faulty(&|made| made.call == Call::Rename);
        return told_apart && dated && last.is_some_and(|last| at >= *last + COMMIT_WITHIN + schedule.latency);
    };
    let since = last.map_or(write, |last| write.max(*last));
    let looks = |made: &&Made| made.call == Call::LastWrite(target) && made.sent > since && made.sent < *commit;
    let in_view = made.iter().rfind(looks).is_none_or(|look| look.sent > at);
    in_view && told_apart && at + STAMPS_WITHIN <= *commit
}

/// Whether a person's write came between the look at a target without the secret, right before its first write, and the
/// arrival of that.
fn overtakes_a_look(script: &Script, target: usize, at: Instant) -> bool {
    let made = script.made();
    let Some(first) = made.iter().find(|made| made.call == Call::Write(target)) else { return false };
    let look = made.iter().rfind(|made| made.call == Call::LastWrite(target) && made.sent <= first.sent);
    look.is_some_and(|look| look.sent <= at && at <= first.sent + REQUEST_TIMEOUT)
}

/// The keys that a run ended because one of them leaked, although it could see, or had to know, that it did not write every
/// place that holds one: as it was asked to, and as it has to say, where it lived to say anything. With them the places that
/// it did write.
fn given_up(scene: &Scene, script: &Script, ended: Option<&Ended>) -> Option<(BTreeSet<String>, BTreeSet<Place>)> {
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

/// Whether a run ended because another one had begun beside it.
fn gave_way(outcome: &Outcome) -> bool {
    outcome.problems.iter().any(|problem| problem.what.starts_with("another run made the key"))
}

/// An issuer that can't rename leaves no time for more.
fn longest_rollout(renames: Renames) -> Duration {
    if renames == Renames::Work { 600 * SECOND } else { 60 * SECOND }
}

/// Every key but the management key, dead ones too.
fn every(state: &keyrotor_fake::world::State) -> impl Iterator<Item = &Key> {
    state.issuer.keys.iter().chain(&state.issuer.deleted).filter(|key| key.name != "root")
}

async fn one_run(scene: &Scene, script: &Script, plan: &RunPlan) -> (Option<Ended>, Option<Duration>) {
    scene.time.sleep(plan.after).await;
    let longest = plan.dies_after.unwrap_or(LONGEST_RUN).min(LONGEST_RUN);
    let ended = match scene.time.clock(Timestamp::UNIX_EPOCH).timeout(longest, scene.run(script.clone())).await {
        Some(ended) => Some(ended),
        None if longest < LONGEST_RUN => Some(Ended::Killed),
        None => None,
    };
    script.end();
    (ended, script.terminated_at().map(|at| scene.time.now() - at))
}

fn first_key(mut scene: Scene, grant: Grant) -> Scene {
    grant.state(&mut scene.policy);
    scene
}

/// A repository of another family of the same account.
fn deploy_staging(scene: &Scene) -> Place {
    scene.world.by_hand(|state| {
        let (_, value) = state.issuer.seed_key(&format!("{STAGING}-2026-08-01-cccccc"), |_| {});
        let place = state.github.add_repo("acme/staging");
        state.github.write_secret(&place, SECRET, &value);
        place
    })
}

/// It rotates that family.
fn staging_at(main: &Scene, place: Place) -> Scene {
    let mut scene = main.clone();
    scene.policy.key_name = STAGING.to_owned();
    scene.policy.replace_key_id = None;
    scene.targets = vec![place];
    scene.world.advance(DAY);
    scene
}

/// Another repository that rotates the same family.
fn neighbour(main: &Scene, kind: Neighbour) -> Scene {
    let mut scene = main.clone();
    scene.world.by_hand(|state| {
        let place = state.github.add_repo("acme/neighbour");
        if kind != Neighbour::Empty {
            let (id, value) = state.issuer.seed_key(NEIGHBOURS, |_| {});
            state.github.write_secret(&place, SECRET, &value);
            scene.policy.replace_key_id = (kind == Neighbour::Naming).then_some(KeyId(id));
        }
        scene.targets = vec![place];
    });
    scene.world.advance(DAY);
    scene
}
