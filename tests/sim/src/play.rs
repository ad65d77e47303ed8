//! Playing a schedule, in its own world and time, and holding the world against the promises after every step.

mod actions;
mod grace;
mod healing;
mod outages;
mod overtaken;
mod overwritten;
mod reports;
mod rights;
mod runs;
mod setting;
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

/// Dates have whole seconds, and a run asks two servers for them.
const GRACE_MARGIN: Duration = Duration::from_secs(5);

/// Bytes of most outcomes, as text.
const OUTCOME: usize = 16 * 1024;

/// What is told takes longer to write than the rest to play: one in so many is listened to.
const HEARD: u64 = 16;

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

    /// Every key but the management key, dead ones too, oldest first.
    fn all_keys(&self) -> Vec<Key> {
        let mut keys: Vec<Key> = self.main.world.read(|state| every(state).cloned().collect());
        keys.sort_by_key(|key| key.created_at);
        keys
    }
}

/// Every key but the management key, dead ones too.
fn every(state: &keyrotor_fake::world::State) -> impl Iterator<Item = &Key> {
    state.issuer.keys.iter().chain(&state.issuer.deleted).filter(|key| key.name != "root")
}
