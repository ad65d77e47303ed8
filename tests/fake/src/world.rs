//! The whole world behind one shared handle, judged after every change.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::{Pid, kill_process};
use tokio::time::Instant;

use crate::aws::Aws;
use crate::behaviour::{Behaviour, Dialect};
use crate::clock::{Clock, Hand};
use crate::fault::{Action, Fault, Plan, Server, Signal};
use crate::files::Files;
use crate::github::{GitHub, Place};
use crate::issuer::{Issuer, Key, Kind};
use crate::journal::{Answered, Journal, Request};
use crate::kubernetes::Kubernetes;
use crate::outage::{Holdings, Outage, Outages};
use crate::runner::Runner;
use crate::underway::Underway;
use crate::vault::Vault;

/// When worlds begin, unless a test says otherwise: a Tuesday morning.
pub const DAWN: &str = "2026-12-01T09:00:00Z";

/// All there is.
#[derive(Debug)]
pub struct State {
    /// The world's clock. Each server has a clone with its own skew.
    pub clock: Clock,
    /// The issuer of keys.
    pub issuer: Issuer,
    /// GitHub.
    pub github: GitHub,
    /// The runner, which hands out OIDC tokens.
    pub runner: Runner,
    /// Vault.
    pub vault: Vault,
    /// A cluster.
    pub kubernetes: Kubernetes,
    /// Files on the disk.
    pub files: Files,
    /// AWS Secrets Manager.
    pub aws: Aws,
    /// What goes wrong.
    pub faults: Plan,
    /// The judge.
    pub outages: Outages,
    /// Every request that was made.
    pub journal: Journal,
    /// How long every request takes.
    pub latency: Duration,
    client: Option<Pid>,
    underway: Underway,
}

impl State {
    /// The live regular keys whose names begin so, oldest first.
    #[must_use]
    pub fn live_keys(&self, name_prefix: &str) -> Vec<Key> {
        let now = self.issuer.clock.now();
        let live = |key: &&Key| {
            key.kind == Kind::Regular
                && key.name.starts_with(name_prefix)
                && self.issuer.authorize_at(&key.value, now).is_some()
        };
        self.issuer.keys.iter().filter(live).cloned().collect()
    }

    /// Who asks with this credential, without the credential.
    #[must_use]
    pub fn role(&self, server: Server, credential: Option<&str>) -> String {
        let Some(credential) = credential else { return "nobody".into() };
        let known = match server {
            Server::Issuer => self.issuer.key_of_value(credential).map(|key| match key.kind {
                Kind::Regular => format!("key {}", key.name),
                Kind::Management => format!("management key {}", key.name),
            }),
            Server::GitHub => {
                let token = self.github.tokens.get(credential).map(|token| format!("token {}", token.role));
                token.or_else(|| (credential.matches('.').count() == 2).then(|| "the App".to_owned()))
            }
            Server::Runner => (credential == self.runner.request_token).then(|| "the job".to_owned()),
            // A signature does not show what signed.
            Server::Aws => None,
            Server::Kubernetes => self.kubernetes.accounts.get(credential).map(|(name, _)| format!("account {name}")),
            Server::Vault => self.vault.token(credential).map(|token| format!("token {}", token.role)),
        };
        known.unwrap_or_else(|| "a stranger".into())
    }

    /// Adds the place that a target names, with whatever it lies in.
    ///
    /// # Panics
    /// On a text that names no place.
    pub fn add_place(&mut self, target: &str) -> Place {
        match target.parse() {
            Ok(place @ Place::Vault { .. }) => place,
            Ok(place @ Place::Kubernetes { .. }) => place,
            Ok(Place::File { path, variable }) => {
                self.files.watch(&path, &variable);
                Place::File { path, variable }
            }
            Ok(Place::Aws { id, field }) => {
                self.aws.watch(&id, field.as_deref());
                Place::Aws { id, field }
            }
            _ => self.github.add_place(target),
        }
    }

    /// Writes a value to a place by hand.
    pub fn put(&mut self, place: &Place, secret: &str, value: &str) {
        match place {
            Place::Vault { path, field } => _ = self.vault.put(path, &[(field, value)]),
            Place::File { path, variable } => self.files.put(path, variable, value),
            Place::Aws { id, field } => self.aws.put(id, field.as_deref(), value),
            Place::Kubernetes { namespace, name, key } => self.kubernetes.put(namespace, name, key, value),
            place => _ = self.github.write_secret(place, secret, value),
        }
    }

    /// The value that a place holds.
    #[must_use]
    pub fn value_at(&self, place: &Place, secret: &str) -> Option<String> {
        match place {
            Place::Vault { path, field } => self.vault.field(path, field).map(str::to_owned),
            Place::File { path, variable } => self.files.value(path, variable),
            Place::Aws { id, field } => self.aws.value(id, field.as_deref()),
            Place::Kubernetes { namespace, name, key } => self.kubernetes.value(namespace, name, key),
            place => self.github.secret(place, secret).map(|secret| secret.value.clone()),
        }
    }

    /// What the places hold that are none of GitHub's.
    fn elsewhere(&self) -> Holdings {
        if self.vault.is_empty() && self.files.is_empty() && self.aws.is_empty() && self.kubernetes.is_empty() {
            return Holdings::new();
        }
        let in_vault = self.vault.holdings().map(|(path, field, value)| {
            let place = Place::Vault { path, field: field.to_owned() };
            ((place, String::new()), value.to_owned())
        });
        let in_files = self.files.holdings().map(|(path, variable, value)| {
            let place = Place::File { path: path.to_owned(), variable: variable.to_owned() };
            ((place, String::new()), value)
        });
        let at_aws = self.aws.holdings().map(|(id, field, value)| {
            let place = Place::Aws { id: id.to_owned(), field: field.map(str::to_owned) };
            ((place, String::new()), value.to_owned())
        });
        let in_cluster = self.kubernetes.holdings().map(|(namespace, name, key, value)| {
            let [namespace, name, key] = [namespace, name, key].map(str::to_owned);
            ((Place::Kubernetes { namespace, name, key }, String::new()), value)
        });
        let mut held: Holdings = in_vault.collect();
        held.extend(in_files);
        held.extend(at_aws);
        held.extend(in_cluster);
        held
    }

    fn judge(&mut self, cause: &str) {
        let elsewhere = self.elsewhere();
        self.outages.look(&self.issuer, &mut self.github, &elsewhere, cause);
    }
}

/// A request that has arrived.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Its number in the whole run, from 1.
    pub nth: usize,
    /// What goes wrong with it.
    pub fault: Option<Action>,
    /// How long it takes.
    pub latency: Duration,
}

/// A handle on the world. Clones share it.
#[derive(Clone, Debug)]
pub struct World(Arc<Mutex<State>>);

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// A world at [`DAWN`], with an issuer of the dialect `Mgmt`. Nobody has a key yet.
    #[must_use]
    pub fn new() -> Self {
        Self::at(DAWN.parse().expect("DAWN is a timestamp"))
    }

    /// A world with an issuer of this dialect.
    #[must_use]
    pub fn with_dialect(dialect: Dialect) -> Self {
        let world = Self::new();
        world.by_hand(|state| state.issuer.behaviour = Behaviour::of(dialect));
        world
    }

    /// A world whose time begins so.
    #[must_use]
    pub fn at(base: Timestamp) -> Self {
        Self::with_clock(Clock::at(base))
    }

    /// A world at [`DAWN`] that goes by this time.
    #[must_use]
    pub fn by(hand: Hand) -> Self {
        Self::with_clock(Clock::by(hand, DAWN.parse().expect("DAWN is a timestamp")))
    }

    fn with_clock(clock: Clock) -> Self {
        Self(Arc::new(Mutex::new(State {
            issuer: Issuer::new(clock.clone()),
            github: GitHub::new(clock.clone()),
            runner: Runner::new(clock.clone()),
            vault: Vault::new(clock.clone()),
            kubernetes: Kubernetes::new(clock.clone()),
            files: Files::default(),
            aws: Aws::new(clock.clone()),
            clock,
            faults: Plan::default(),
            outages: Outages::default(),
            journal: Journal::default(),
            latency: Duration::ZERO,
            client: None,
            underway: Underway::default(),
        })))
    }

    /// The state, as it is when all has happened that should have by now.
    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.as_it_was();
        // One after the other: what takes effect looks at the state too.
        while !state.underway.is_empty() && !state.clock.stands() {
            let now = state.clock.instant();
            let Some((at, effect)) = state.underway.due(now) else { break };
            state.clock.stop(Some(at));
            drop(state);
            effect(self);
            state = self.as_it_was();
            state.clock.stop(None);
        }
        state
    }

    /// Lets happen what should have happened by now.
    pub fn catch_up(&self) {
        drop(self.lock());
    }

    /// The world's time, without its jumps.
    #[must_use]
    pub fn instant(&self) -> Instant {
        self.as_it_was().clock.instant()
    }

    fn as_it_was(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something that was sent takes effect at this time, on whatever it finds then: for in-memory ports on virtual time.
    pub fn later(&self, time: Instant, effect: impl FnOnce(&Self) + Send + 'static) {
        self.as_it_was().underway.add(time, effect);
    }

    /// Looks at the state.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock())
    }

    /// Changes the state, and judges the change: what a server does for a client. In-memory ports use it too.
    pub fn change<T>(&self, cause: &str, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        // What time alone has done (a key expired) is judged before the change can hide it.
        state.judge("time passed");
        let result = change(&mut state);
        state.judge(cause);
        result
    }

    /// Changes the state by hand, as a test's setting or a person's deed: no outage is blamed on anyone.
    pub fn by_hand<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        state.judge("time passed");
        let result = change(&mut state);
        let elsewhere = state.elsewhere();
        let State { outages, issuer, github, .. } = &mut *state;
        outages.accept(issuer, github, &elsewhere);
        result
    }

    /// The world's time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.read(|state| state.clock.now())
    }

    /// Lets time pass at once, and judges what that does.
    pub fn advance(&self, by: Duration) {
        self.change("time passed", |state| {
            state.clock.advance(by);
            state.files.age(by);
        });
    }

    /// Adds a fault, as text (see [`crate::fault`]).
    ///
    /// # Panics
    /// On a text that describes no fault.
    pub fn fault(&self, text: &str) {
        self.add_fault(text.parse().unwrap_or_else(|error| panic!("{error}")));
    }

    /// Adds a fault.
    pub fn add_fault(&self, fault: Fault) {
        self.lock().faults.add(fault);
    }

    /// Forgets all faults.
    pub fn clear_faults(&self) {
        self.lock().faults.clear();
    }

    /// The faults that have befallen no request yet, as text.
    #[must_use]
    pub fn unused_faults(&self) -> Vec<String> {
        self.read(|state| state.faults.unused().into_iter().map(ToString::to_string).collect())
    }

    /// Every outage so far, up to now.
    #[must_use]
    pub fn outages(&self) -> Vec<Outage> {
        self.change("time passed", |state| state.outages.seen.clone())
    }

    /// Every request so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.read(|state| state.journal.requests.clone())
    }

    /// The requests that came after the first `count`: those of a second run, after `count = requests().len()`.
    #[must_use]
    pub fn requests_after(&self, count: usize) -> Vec<Request> {
        self.read(|state| state.journal.requests.iter().skip(count).cloned().collect())
    }

    /// The most requests that were answered at once.
    #[must_use]
    pub fn most_in_flight(&self) -> usize {
        self.read(|state| state.journal.most_in_flight)
    }

    /// The value that a place holds.
    #[must_use]
    pub fn value_at(&self, place: &Place, secret: &str) -> Option<String> {
        self.read(|state| state.value_at(place, secret))
    }

    /// The key that a place holds, dead or alive.
    #[must_use]
    pub fn key_at(&self, place: &Place, secret: &str) -> Option<Key> {
        let value = self.value_at(place, secret)?;
        self.key_of_value(&value)
    }

    /// The key with this value, dead or alive.
    #[must_use]
    pub fn key_of_value(&self, value: &str) -> Option<Key> {
        self.read(|state| state.issuer.key_of_value(value).cloned())
    }

    /// The live regular keys whose names begin so, oldest first.
    #[must_use]
    pub fn live_keys(&self, name_prefix: &str) -> Vec<Key> {
        self.read(|state| state.live_keys(name_prefix))
    }

    /// Notes a request and says what befalls it. For servers, and for in-memory ports that want the same faults.
    #[must_use]
    pub fn arrive(&self, server: Server, method: &str, path: &str, credential: Option<&str>) -> Arrival {
        let mut state = self.lock();
        let role = state.role(server, credential);
        let now = state.clock.now();
        Arrival {
            nth: state.journal.arrive(server, method, path, role, now),
            fault: state.faults.arrive(server, method, path),
            latency: state.latency,
        }
    }

    /// Notes what came over the wire with a request that arrived.
    pub fn sent(&self, nth: usize, headers: Vec<(String, String)>, body: Vec<u8>) {
        self.lock().journal.sent(nth, headers, body);
    }

    /// Carries out a request that arrived: changes the state, judges it, notes it.
    pub fn apply<T>(&self, nth: usize, change: impl FnOnce(&mut State) -> T) -> T {
        let cause = self.read(|state| {
            let known = nth.checked_sub(1).and_then(|index| state.journal.requests.get(index));
            known.map_or_else(String::new, |request| format!("request {nth}: {} {}", request.method, request.path))
        });
        self.change(&cause, |state| {
            let now = state.clock.now();
            state.journal.applied(nth, now);
            change(state)
        })
    }

    /// Notes how a request ended.
    pub fn answered(&self, nth: usize, how: Answered) {
        self.lock().journal.answered(nth, how);
    }

    /// Says which process the faults `kill`, `term`, `int` and `stop` are for.
    pub fn set_client_pid(&self, pid: u32) {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
        self.lock().client = Some(pid);
    }

    /// Says that the client's process has ended, so that no later process gets its signals.
    pub fn forget_client(&self) {
        self.lock().client = None;
    }

    /// Sends a signal to the client; `false` where none is known or it has ended.
    pub fn signal_client(&self, signal: Signal) -> bool {
        let signal = match signal {
            Signal::Kill => rustix::process::Signal::KILL,
            Signal::Term => rustix::process::Signal::TERM,
            Signal::Int => rustix::process::Signal::INT,
            Signal::Stop => rustix::process::Signal::STOP,
            Signal::Cont => rustix::process::Signal::CONT,
        };
        self.read(|state| state.client).is_some_and(|pid| kill_process(pid, signal).is_ok())
    }

    /// Whether a client's process is known.
    #[must_use]
    pub fn has_client(&self) -> bool {
        self.read(|state| state.client.is_some())
    }
}
