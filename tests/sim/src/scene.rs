//! A world with targets and a policy, and runs in it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{OnceLock, PoisonError};
use std::task::Poll;
use std::time::Duration;

use keyrotor::http::Retry;
use keyrotor::rotation::interrupt::{self, Interrupt};
use keyrotor::rotation::model::KeyId;
use keyrotor::rotation::outcome::{Event, Observer, Outcome};
use keyrotor::rotation::policy::{Policy, Retire, Wish};
use keyrotor::rotation::ports::SecretStore;
use keyrotor::rotation::reenable;
use keyrotor::rotation::{Context, rotate};
use keyrotor::secret::Secret;
use keyrotor_fake::{Dialect, Key, Place, Rename, World};

use crate::judge;
use crate::ports::{Job, Jobs, PROCESSES, Processes, SimIssuer, SimStore, start_process};
use crate::script::Script;
use crate::time::TimeSource;

/// The secret's name in every target.
pub const SECRET: &str = "AROUTER_API_KEY";

/// What a person may write in place of [`SECRET`].
pub const SLIP: &str = "AROUTER_APIKEY";

/// What a person may write in place of [`SECRET`] who means something else, and [`SLIP`].
pub const OTHER: &str = "MODEL_TOKEN";

/// What runs may write in place of [`SECRET`].
pub const SLIPS: [&str; 2] = [SLIP, OTHER];

/// Under which name a person keeps a copy of what a target holds.
pub const COPY: &str = "BACKUP";

/// Which targets of a run name something else where [`SECRET`] was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slip {
    /// All of them name [`SLIP`].
    All,
    /// The last one names [`SLIP`].
    Last,
    /// All of them name [`OTHER`].
    Other,
}

/// The family that scenes rotate.
pub const FAMILY: &str = "production";

/// How a run ended.
#[derive(Debug)]
pub enum Ended {
    /// With an outcome.
    Came(Box<Outcome>),
    /// The process was killed.
    Killed,
}

impl Ended {
    /// The exit status, as a shell would show it.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Came(outcome) => outcome.verdict.exit_code(),
            Self::Killed => 137,
        }
    }

    /// The outcome of a run that was not killed.
    ///
    /// # Panics
    /// If it was killed.
    #[must_use]
    pub fn outcome(&self) -> &Outcome {
        match self {
            Self::Came(outcome) => outcome,
            Self::Killed => panic!("the run was killed"),
        }
    }
}

/// Whether runs tell what they do.
static STORIES: OnceLock<bool> = OnceLock::new();

/// From now on runs tell what they do, on stderr.
pub fn tell_stories() {
    // A second call changes nothing.
    let _ = STORIES.set(true);
}

/// Keeps what a run tells, where anybody wants to know.
struct Listener<'a>(Option<&'a RefCell<String>>);

impl Observer for Listener<'_> {
    fn mask(&self, _secret: &Secret) {}
    fn event(&self, event: &Event<'_>) {
        if let Some(heard) = self.0 {
            // A `String` takes whatever is written to it.
            let _ = writeln!(heard.borrow_mut(), "{event:?}");
        }
        if *STORIES.get_or_init(|| std::env::var_os("KEYROTOR_SIM_STORY").is_some()) {
            #[allow(clippy::print_stderr, reason = "asked for by the person who debugs a trace")]
            {
                eprintln!("{event:?}");
            }
        }
    }
}

/// A world with targets and a policy.
#[derive(Clone)]
pub struct Scene {
    /// The servers' state.
    pub world: World,
    /// Where runs write.
    pub targets: Vec<Place>,
    /// What runs are asked.
    pub policy: Policy,
    /// How time passes.
    pub time: TimeSource,
    /// Time of one request.
    pub latency: Duration,
    /// Whether one of the issuer's servers hears of a new key at once, and the other when it works everywhere.
    pub hears_apart: bool,
    /// Of the run's digits and jitter.
    pub seed: u64,
    /// Of the processes that use the targets, where runs restart them.
    pub rollout: Option<Processes>,
    /// What reads the targets when it is queued.
    pub jobs: Jobs,
    /// Whether the targets' places show the values that they hold; else they show when each was written.
    pub readable: bool,
    /// Which targets runs misspell.
    pub slip: Option<Slip>,
    /// Names beside the targets that are no misspelling of them (`accept=`).
    pub accepted: Vec<String>,
    /// What runs tell while they are at work, where it is kept.
    pub heard: Option<Rc<RefCell<String>>>,
}

impl Scene {
    /// Repositories whose secret holds a key of the family that was rotated 40 days ago.
    #[must_use]
    pub fn rotated_before(repos: &[&str]) -> Self {
        Self::empty(repos).with_rotated_key()
    }

    /// Repositories whose secret holds a key that a person made and named.
    #[must_use]
    pub fn hand_made(repos: &[&str]) -> Self {
        Self::empty(repos).with_hand_made_key()
    }

    /// Repositories without a secret, an issuer without a live key that shows whatever an issuer can.
    #[must_use]
    pub fn empty(repos: &[&str]) -> Self {
        Self::on(TimeSource::Tokio, repos)
    }

    /// As [`empty`](Self::empty), where time passes so.
    #[must_use]
    pub fn on(time: TimeSource, repos: &[&str]) -> Self {
        let world = time.world();
        let targets: Vec<_> = repos.iter().map(|repo| world.by_hand(|state| state.github.add_repo(repo))).collect();
        world.by_hand(|state| {
            state.issuer.behaviour.masked_labels = true;
            state.issuer.behaviour.shows_last_used = true;
            state.issuer.seed_management("root");
        });
        Self {
            world,
            targets,
            policy: policy(),
            time,
            latency: Duration::from_millis(50),
            hears_apart: false,
            seed: 1,
            rollout: None,
            jobs: Jobs::default(),
            readable: false,
            slip: None,
            accepted: Vec::new(),
            heard: None,
        }
    }

    /// The same scene, 40 days after a rotation.
    #[must_use]
    pub fn with_rotated_key(self) -> Self {
        let value = self.world.by_hand(|state| state.issuer.seed_key("production-2026-08-01-aaaaaa", |_| {}).1);
        self.deploy(&value);
        self.world.advance(Duration::from_secs(40 * 24 * 3600));
        self
    }

    /// The same scene, 40 days after a person deployed a key that they made and named.
    #[must_use]
    pub fn with_hand_made_key(mut self) -> Self {
        let (id, value) = self.world.by_hand(|state| state.issuer.seed_key("Peter's key", |_| {}));
        self.deploy(&value);
        self.policy.replace_key_id = Some(KeyId(id));
        self.world.advance(Duration::from_secs(40 * 24 * 3600));
        self
    }

    /// The same scene with an issuer whose documentation says that it can't rename.
    #[must_use]
    pub fn without_renames(self) -> Self {
        self.world.by_hand(|state| {
            state.issuer.behaviour.dialect = Dialect::Overview;
            state.issuer.behaviour.rename = Rename::Ignored;
        });
        self
    }

    /// The same scene with an issuer that answers a rename with success and does not rename.
    #[must_use]
    pub fn with_renames_ignored(self) -> Self {
        self.world.by_hand(|state| state.issuer.behaviour.rename = Rename::Ignored);
        self
    }

    /// The same scene with an issuer that has no call to rename a key, and whose documentation does not say so.
    #[must_use]
    pub fn with_no_call_to_rename(self) -> Self {
        self.world.by_hand(|state| state.issuer.behaviour.rename = Rename::NoSuchCall(405));
        self
    }

    /// The same scene with processes that hold what their targets do, and have to be restarted to take up another key.
    #[must_use]
    pub fn with_processes(mut self, rollout: Processes) -> Self {
        for place in &self.targets {
            PROCESSES.iter().for_each(|process| start_process(&self.world, place, SECRET, process));
        }
        self.rollout = Some(rollout);
        self
    }

    /// Queues a job that reads a target now and goes on for so long.
    pub fn queue_job(&self, target: usize, lasts: Duration) {
        let Some(place) = self.targets.get(target) else { return };
        let Some(value) = self.world.value_at(place, SECRET) else { return };
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let began = self.world.read(|state| state.github.clock.now_in_seconds());
        let ends = self.world.now() + lasts;
        let job = Job { nth: jobs.len(), place: place.clone(), began, ends };
        self.world.by_hand(|state| state.github.write_secret(place, &job.slot(), &value));
        jobs.push(job);
    }

    /// Lets the jobs of a target go that is no target any more.
    pub fn end_jobs_at(&self, target: usize) {
        let now = self.world.now();
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        for job in jobs.iter_mut().filter(|job| self.targets.get(target) == Some(&job.place)) {
            job.ends = job.ends.min(now);
            self.world.by_hand(|state| state.github.remove(&job.place, &job.slot()));
        }
    }

    /// Lets jobs go whose time is over, or all.
    pub fn end_jobs(&self, all: bool) {
        let now = self.world.now();
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        for job in jobs.iter_mut().filter(|job| all || job.ends <= now) {
            job.ends = job.ends.min(now);
            self.world.by_hand(|state| state.github.remove(&job.place, &job.slot()));
        }
    }

    /// The same scene, whose places show the values that they hold.
    #[must_use]
    pub fn readable(self) -> Self {
        Self { readable: true, ..self }
    }

    /// The same scene, whose runs misspell targets.
    #[must_use]
    pub fn misspelt(self, slip: Slip) -> Self {
        Self { slip: Some(slip), ..self }
    }

    /// The name of the secret that runs write at a target.
    #[must_use]
    pub fn secret_of(&self, target: usize) -> &'static str {
        match self.slip {
            Some(Slip::All) => SLIP,
            Some(Slip::Last) if target + 1 == self.targets.len() => SLIP,
            Some(Slip::Other) => OTHER,
            _ => SECRET,
        }
    }

    /// Writes a value under a name beside the secret of a target, as a person.
    pub fn write_beside(&self, target: usize, name: &str, value: &str) {
        if let Some(place) = self.targets.get(target) {
            self.world.by_hand(|state| state.github.write_secret(place, name, value));
        }
    }

    /// Writes a value to every target, as a person.
    pub fn deploy(&self, value: &str) {
        for place in &self.targets {
            self.world.by_hand(|state| state.github.write_secret(place, SECRET, value));
        }
    }

    /// The value that the first target holds.
    #[must_use]
    pub fn deployed(&self) -> Option<String> {
        self.world.value_at(self.targets.first()?, SECRET)
    }

    /// The same scene, whose runs are given the first target's value as `current-key`.
    #[must_use]
    pub fn with_current_key(mut self) -> Self {
        self.policy.current_key = self.deployed().map(Secret::new);
        self
    }

    /// One run, in a process of its own.
    pub async fn run(&self, script: Script) -> Ended {
        let issuer = SimIssuer::new(self, &script);
        let targets: Vec<Box<dyn SecretStore>> = self
            .targets
            .iter()
            .enumerate()
            .map(|(nth, place)| {
                let store = SimStore::new(self, &script, nth, place.clone(), self.secret_of(nth));
                Box::new(store.rolled_out(self.rollout).read_by(&self.jobs)) as Box<dyn SecretStore>
            })
            .collect();
        let (trigger, interrupt) = interrupt::channel();
        script.arm(trigger);
        let listener = Listener(self.heard.as_deref());
        let context = self.context(interrupt, &listener);
        self.in_process(&script, Box::pin(rotate(&issuer, &targets, &self.policy, &context))).await
    }

    /// Takes back a `retire: disable`, in a process of its own.
    pub async fn reenable(&self, id: &str, script: Script) -> Ended {
        let issuer = SimIssuer::new(self, &script);
        let (trigger, interrupt) = interrupt::channel();
        script.arm(trigger);
        let listener = Listener(self.heard.as_deref());
        let (id, context) = (KeyId(id.to_owned()), self.context(interrupt, &listener));
        self.in_process(&script, Box::pin(reenable(&issuer, &id, false, &context))).await
    }

    fn context<'a>(&self, interrupt: Interrupt, observer: &'a Listener<'_>) -> Context<'a> {
        Context {
            clock: self.time.clock(self.world.now()),
            rng: RefCell::new(fastrand::Rng::with_seed(self.seed ^ self.world.now().as_millisecond().unsigned_abs())),
            retry: Retry::default(),
            interrupt,
            observer,
        }
    }

    /// Does not poll the run while its process stands still, nor any more when it was killed. The run comes boxed: it is
    /// large, and would be moved with each of the futures around it.
    async fn in_process(&self, script: &Script, mut run: Pin<Box<impl Future<Output = Outcome>>>) -> Ended {
        loop {
            if let Some(until) = script.frozen_until(self.time.now()) {
                self.time.sleep_until(until).await;
            }
            let step = poll_fn(|context| match run.as_mut().poll(context) {
                Poll::Ready(outcome) => Poll::Ready(Some(Ended::Came(Box::new(outcome)))),
                Poll::Pending if script.is_killed() => Poll::Ready(Some(Ended::Killed)),
                Poll::Pending if script.frozen_until(self.time.now()).is_some() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            });
            if let Some(ended) = step.await {
                return ended;
            }
        }
    }

    /// One run in which nothing goes wrong.
    pub async fn clean_run(&self) -> Ended {
        self.run(Script::default()).await
    }

    /// The live keys of the family; not those that `reenable` took out of it.
    #[must_use]
    pub fn live_family(&self) -> Vec<Key> {
        let mut live = self.world.live_keys(&format!("{}-", self.policy.key_name));
        live.retain(|key| !judge::was_taken_back(key));
        live
    }

    /// What every healed world has: no outage ever, one live key of the family, held by every target.
    ///
    /// # Panics
    /// If it has not.
    pub fn assert_healed(&self) {
        self.assert_no_outage();
        let live = self.live_family();
        let names: Vec<_> = live.iter().map(|key| key.name.clone()).collect();
        assert_eq!(names.len(), 1, "one live key of the family: {names:?}");
        for place in &self.targets {
            let held = self.world.value_at(place, SECRET);
            assert_eq!(held, live.first().map(|key| key.value.clone()), "{place} holds it");
        }
    }

    /// No place that held a live key ever held a dead one.
    ///
    /// # Panics
    /// If one did.
    pub fn assert_no_outage(&self) {
        let outages: Vec<_> = self.world.outages().iter().map(ToString::to_string).collect();
        assert!(outages.is_empty(), "{outages:#?}");
    }
}

/// A policy that inherits everything, rotates at once and deletes what it replaces.
#[must_use]
pub fn policy() -> Policy {
    Policy {
        key_name: FAMILY.into(),
        current_key: None,
        replace_key_id: None,
        providers: Wish::Inherit,
        models: Wish::Inherit,
        limit: Wish::Inherit,
        reset: Wish::Inherit,
        expires_after: Wish::Inherit,
        rotate_after: Duration::ZERO,
        grace: Duration::ZERO,
        grace_is_stated: true,
        drain: false,
        retire: Retire::Delete,
        accept_unconfirmed: BTreeSet::new(),
        targets_of_others: BTreeSet::new(),
        credentials: Vec::new(),
        leaked: false,
        exposed: BTreeMap::new(),
        verify_chat: None,
        verify_timeout: Duration::from_secs(60),
        request_timeout: Duration::from_secs(30),
        parallel: 16,
    }
}
