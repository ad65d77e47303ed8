//! The rotation's ports over the fakes' state model.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use keyrotor::http::{Failure, Refusal};
use keyrotor::rotation::model::{
    About, AllowList, ChatProbe, Contents, CreatedKey, Deletion, Endpoint, Entry, Guardrails, Held, KeyId, KeyKind,
    KeyProbe, KeyRow, KeySpec, Listing, Renamed, Reset, Respell, RightsTaken, Rollout, RolloutStatus, ShownRights,
    Sighting, Unfinished, Written,
};
use keyrotor::rotation::ports::{KeyIssuer, SecretStore};
use keyrotor::secret::Secret;
use keyrotor_fake::issuer::Patch;
use keyrotor_fake::outage::Slot;
use keyrotor_fake::world::State;
use keyrotor_fake::{Behaviour, Dialect, Key, Kind, Place, Rights, World};
use tokio::time::Instant;

use crate::scene::{SECRET, Scene};
use crate::script::{Call, Fault, Script};
use crate::time::TimeSource;

const MODELS: Endpoint = Endpoint("GET /v1/models");
const KEY: Endpoint = Endpoint("GET /api/v1/key");

/// A call to one of the two servers.
#[derive(Clone)]
struct Wire {
    world: World,
    script: Script,
    time: TimeSource,
    latency: Duration,
}

/// What the server says, once the request has arrived.
struct Answer<T>(Arc<Mutex<Option<Result<T, Failure>>>>);

impl<T> Answer<T> {
    fn read(&self, world: &World) -> Result<T, Failure> {
        world.catch_up();
        let answer = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        answer.unwrap_or_else(|| panic!("nothing has arrived"))
    }
}

impl Wire {
    fn of(scene: &Scene, script: &Script) -> Self {
        let Scene { world, time, latency, .. } = scene;
        Self { world: world.clone(), script: script.clone(), time: time.clone(), latency: *latency }
    }

    /// A request goes its own way once it was sent: it arrives although the process stands still or is killed meanwhile.
    fn send<T: Send + 'static>(
        &self,
        arrives: Duration,
        effect: impl FnOnce(&World) -> Result<T, Failure> + Send + 'static,
    ) -> Answer<T> {
        let answer = Arc::new(Mutex::new(None));
        let says = Arc::clone(&answer);
        self.world.later(self.time.now() + arrives, move |world| {
            let said = effect(world);
            *says.lock().unwrap_or_else(PoisonError::into_inner) = Some(said);
        });
        Answer(answer)
    }

    async fn call<T: Send + 'static>(
        &self,
        call: Call,
        write: bool,
        effect: impl FnOnce(&World) -> Result<T, Failure> + Clone + Send + 'static,
    ) -> Result<T, Failure> {
        let way = self.latency / 2;
        let lost = || {
            let message = format!("{call:?}: no answer");
            Err(match write {
                true => Failure::Unknown { message, retry_after: None },
                false => Failure::Transient { message, retry_after: None },
            })
        };
        let refused = |doubtful: bool| match doubtful && write {
            true => Err(Failure::Doubtful(refusal(403, format!("{call:?}: refused by a gateway")))),
            false => Err(refused(403, format!("{call:?}: refused"))),
        };
        let fault = self.script.next(call, self.time.now());
        let (arrives, fault) = match fault {
            Some(
                Fault::Refuse
                | Fault::Doubt { applied: false }
                | Fault::Transient
                | Fault::LoseBefore
                | Fault::Kill { applied: false },
            ) => {
                self.time.sleep(way).await;
                return match fault {
                    Some(Fault::Refuse) => refused(false),
                    Some(Fault::Doubt { .. }) => refused(true),
                    Some(Fault::Transient) => {
                        Err(Failure::Transient { message: format!("{call:?}: busy"), retry_after: None })
                    }
                    Some(Fault::LoseBefore) => lost(),
                    _ => self.die().await,
                };
            }
            Some(Fault::Late(by)) => {
                drop(self.send(way + by, effect));
                self.time.sleep(way).await;
                return lost();
            }
            Some(Fault::TimeOut { after, lands }) => {
                if let Some(lands) = lands {
                    drop(self.send(way + lands, effect));
                }
                self.time.sleep(way + after).await;
                return lost();
            }
            Some(Fault::Slow(by)) => (way + by, None),
            other => (way, other),
        };
        let answer = match fault {
            Some(Fault::Double { first }) => {
                let again = effect.clone();
                self.send(arrives, move |world| {
                    let (one, other) = (effect(world), again(world));
                    if first { one } else { other }
                })
            }
            _ => self.send(arrives, effect),
        };
        if fault.is_none() {
            self.time.sleep(arrives + way).await;
            return answer.read(&self.world);
        }
        self.time.sleep(arrives).await;
        let answer = answer.read(&self.world);
        match fault {
            Some(Fault::LoseAfter) => return lost(),
            Some(Fault::Doubt { .. }) => return refused(true),
            Some(Fault::RefuseAfter) => return refused(call != Call::Create),
            Some(Fault::Kill { .. }) => return self.die().await,
            Some(Fault::Terminate) => self.script.terminate(self.time.now()),
            Some(Fault::Freeze(time)) => self.script.freeze(self.time.now() + time),
            Some(Fault::Lag(by)) => self.time.sleep(by).await,
            _ => {}
        }
        self.time.sleep(way).await;
        answer
    }

    /// A request that ends a key is sent.
    fn ends(&self, id: &str) {
        let name = self.world.read(|state| state.issuer.key(id).map(|key| key.name.clone()));
        self.script.ends(id, name.as_deref(), self.time.now());
    }

    async fn die<T>(&self) -> T {
        self.script.kill();
        std::future::pending().await
    }
}

/// The issuer, as a run sees it.
pub struct SimIssuer {
    wire: Wire,
    spelling: Cell<usize>,
    /// One server in two hears of a new key at once, the others when it works everywhere.
    hears_apart: bool,
    tries: Cell<usize>,
}

impl SimIssuer {
    /// An issuer over this scene's world, with this run's faults.
    #[must_use]
    pub fn new(scene: &Scene, script: &Script) -> Self {
        let hears_apart = scene.hears_apart;
        Self { wire: Wire::of(scene, script), spelling: Cell::new(0), hears_apart, tries: Cell::new(0) }
    }

    /// Whether the models are shown to anyone, or to whatever has the form of a key.
    fn models_open(&self) -> bool {
        let is_open = |shows: &Behaviour| shows.models_open || shows.models_check_form;
        self.wire.world.read(|state| is_open(&state.issuer.behaviour))
    }

    fn dialect(&self) -> Dialect {
        self.wire.world.read(|state| state.issuer.behaviour.dialect)
    }
}

#[async_trait(?Send)]
impl KeyIssuer for SimIssuer {
    async fn list(&self) -> Result<Listing, Failure> {
        let dialect = self.dialect();
        let guide = dialect == Dialect::Guide;
        let asked = self.wire.time.now();
        let listing = self
            .wire
            .call(Call::List, false, move |world| {
                Ok(world.read(|state| Listing {
                    keys: state.issuer.list().into_iter().map(|key| row(key, &state.issuer.behaviour)).collect(),
                    date: state.issuer.clock.now_in_seconds(),
                    dated_within: Duration::ZERO,
                    may_rename: dialect == Dialect::Mgmt,
                    takes: RightsTaken { providers: true, models: !guide, limit: true, reset: !guide, expiry: !guide },
                }))
            })
            .await;
        listing.map(|listing| Listing { dated_within: self.wire.time.now() - asked, ..listing })
    }

    async fn create(&self, spec: &KeySpec) -> Result<CreatedKey, Failure> {
        let spec = spec.clone();
        self.wire.script.asks_for(&spec.name);
        let made = self
            .wire
            .call(Call::Create, true, move |world| {
                Ok(world.change("create", |state| {
                    let key = state.issuer.create(&spec.name, rights(&spec)).clone();
                    let shows_row = state.issuer.behaviour.create_shows_row;
                    let shown = match shows_row {
                        true => row(&key, &state.issuer.behaviour).rights,
                        false => ShownRights::default(),
                    };
                    let value = state.issuer.answered_value(&key);
                    let first = state.issuer.keys.iter().find(|key| key.kind == Kind::Regular);
                    let first = first.filter(|_| state.issuer.behaviour.create_answers_first_id);
                    let id = match state.issuer.behaviour.create_answers_unlisted_id {
                        true => "unlisted".to_owned(),
                        false => first.unwrap_or(&key).id.clone(),
                    };
                    CreatedKey { id: KeyId(id), value: Secret::new(value), rights: shown }
                }))
            })
            .await;
        made.inspect(|key| self.wire.script.makes(&key.id.0))
    }

    async fn rename(&self, id: &KeyId, name: &str) -> Result<Renamed, Failure> {
        let (id, name) = (id.0.clone(), name.to_owned());
        if !name.ends_with("-unconfirmed") {
            self.wire.script.names_finally(&id, self.wire.time.now());
        }
        self.wire
            .call(Call::Rename, true, move |world| {
                let renamed = world.change("rename", |state| {
                    let shows_use = state.issuer.behaviour.shows_last_used;
                    let key = state.issuer.rename(&id, &name)?;
                    Ok(Renamed { name: Some(key.name.clone()), used: shows_use.then(|| key.last_used_at.is_some()) })
                });
                match renamed {
                    Ok(renamed) => Ok(renamed),
                    Err::<_, keyrotor_fake::issuer::Refused>(no) => Err(refused(no.status(), no.to_string())),
                }
            })
            .await
    }

    async fn delete(&self, id: &KeyId) -> Result<Deletion, Failure> {
        let id = id.0.clone();
        self.wire.ends(&id);
        self.wire
            .call(Call::Delete, true, move |world| {
                let deleted = world.change("delete", |state| state.issuer.delete(&id));
                Ok(if deleted { Deletion::Deleted } else { Deletion::NotFound })
            })
            .await
    }

    async fn set_disabled(&self, id: &KeyId, disabled: bool) -> Result<Option<bool>, Failure> {
        let id = id.0.clone();
        if disabled {
            self.wire.ends(&id);
        }
        self.wire
            .call(Call::Disable, true, move |world| {
                let patch = Patch { disabled: Some(disabled), ..Patch::default() };
                let changed = world.change("disable", |state| state.issuer.patch(&id, patch).cloned());
                match changed {
                    Ok(key) => Ok(Some(key.disabled)),
                    Err(no) => Err(refused(no.status(), no.to_string())),
                }
            })
            .await
    }

    async fn guardrails(&self) -> Result<Guardrails, Failure> {
        if !self.wire.world.read(|state| state.issuer.behaviour.has_guardrails) {
            return Ok(Guardrails::new());
        }
        let read = |world: &World| {
            let mut all = Guardrails::new();
            world.read(|state| {
                for it in &state.issuer.guardrails.assignments {
                    all.entry(KeyId(it.key.clone())).or_default().insert(it.guardrail.clone());
                }
            });
            Ok(all)
        };
        self.wire.call(Call::Guardrails, false, read).await
    }

    async fn assign_guardrail(&self, key: &KeyId, guardrail: &str) -> Result<(), Failure> {
        let (id, guardrail) = (key.0.clone(), guardrail.to_owned());
        let assign = move |world: &World| {
            let known = world.change("assign a guardrail", |state| {
                let known = state.issuer.key(&id).is_some();
                if known {
                    state.issuer.guard(&id, &guardrail);
                }
                known
            });
            if known { Ok(()) } else { Err(refused(404, "there is no such key".to_owned())) }
        };
        self.wire.call(Call::Guard, true, assign).await
    }

    fn hand_over(&self, _successor: &Secret) {}

    fn endpoints(&self) -> &'static [Endpoint] {
        &[MODELS, KEY]
    }

    fn may_have_made(&self, value: &Secret) -> bool {
        value.expose().starts_with("lr_")
    }

    async fn try_key(&self, value: &Secret, at: Endpoint) -> KeyProbe {
        let value = value.expose().to_owned();
        let asked = self.tries.replace(self.tries.get() + 1);
        let heard_of_it = self.hears_apart && asked.is_multiple_of(2);
        let accepted = self.wire.world.read(|state| state.issuer.key_of_value(&value).map(|key| key.id.clone()));
        let verdict = self
            .wire
            .call(Call::Try, false, move |world| {
                Ok(world.read(|state| {
                    let issuer = &state.issuer;
                    if at == KEY && !issuer.behaviour.has_key_endpoint {
                        return KeyProbe::NoSuchEndpoint;
                    }
                    let early = || {
                        let key = issuer.key_of_value(&value).filter(|_| heard_of_it)?;
                        issuer.authorize_at(&value, issuer.clock.now().max(key.active_from))
                    };
                    let late = || issuer.check_where_tried(Some(&value)).ok().filter(|_| !heard_of_it);
                    match issuer.authorize(&value).or_else(early).or_else(late) {
                        Some(key) if at == KEY => {
                            KeyProbe::Accepted(About { label: key.label.clone(), ..About::default() })
                        }
                        Some(_) => KeyProbe::Accepted(About::default()),
                        None if at == MODELS && issuer.lets_in(Some(&value)) => KeyProbe::Accepted(About::default()),
                        None => KeyProbe::Refused,
                    }
                }))
            })
            .await;
        match verdict {
            Ok(verdict) => {
                if let (KeyProbe::Accepted(_), Some(id)) = (&verdict, &accepted) {
                    self.wire.script.accepts(id);
                }
                verdict
            }
            // An open door that happens to refuse a key that was never issued: docs/protocol.md, known limits.
            Err(Failure::Refused(_)) if at == MODELS && accepted.is_none() && self.models_open() => {
                KeyProbe::Undecided("nobody can tell".into())
            }
            Err(Failure::Refused(_)) => KeyProbe::Refused,
            Err(failure) => KeyProbe::Undecided(failure.to_string()),
        }
    }

    async fn chat(&self, _value: &Secret, _model: Option<&str>) -> ChatProbe {
        ChatProbe::ProvesNothing("no models here".into())
    }

    fn respell_limit(&self) -> Respell {
        self.spelling.set(self.spelling.get() + 1);
        Respell::Certain
    }

    fn manual(&self, id: &KeyId) -> String {
        format!("delete {id} by hand")
    }
}

fn refused(status: u16, message: String) -> Failure {
    Failure::Refused(refusal(status, message))
}

fn refusal(status: u16, message: String) -> Refusal {
    Refusal { status: Some(status), message, hint: None }
}

fn row(key: &Key, shows: &Behaviour) -> KeyRow {
    let guide = shows.dialect == Dialect::Guide;
    let list = |names: &Vec<String>| match names.as_slice() {
        [] => AllowList::All,
        names => AllowList::Only(names.iter().cloned().collect()),
    };
    let reset = match key.rights.limit_reset.as_deref() {
        Some("daily") => Reset::Daily,
        Some("weekly") => Reset::Weekly,
        Some("monthly") => Reset::Monthly,
        _ => Reset::Never,
    };
    KeyRow {
        id: KeyId(key.id.clone()),
        name: key.name.clone(),
        label: key.label.clone().filter(|_| !guide),
        kind: if key.kind == Kind::Management { KeyKind::Management } else { KeyKind::Regular },
        disabled: key.disabled,
        created_at: Some(key.created_at),
        updated_at: (shows.dialect == Dialect::Mgmt && shows.shows_updated).then_some(key.updated_at),
        last_used_at: key.last_used_at.filter(|_| shows.shows_last_used),
        usage_daily: None,
        usage_weekly: None,
        usage_monthly: None,
        usage: None,
        limit_remaining: (!guide).then_some(key.rights.limit).flatten().map(|limit| (limit - key.usage).max(0.0)),
        rights: ShownRights {
            providers: (!guide).then(|| list(&key.rights.allowed_providers)),
            models: (!guide).then(|| list(&key.rights.allowed_models)),
            limit: Some(key.rights.limit),
            reset: (!guide).then_some(reset),
            expires_at: (!guide).then_some(key.rights.expires_at),
            other: Default::default(),
        },
        unknown: key.extra.clone(),
    }
}

fn rights(spec: &KeySpec) -> Rights {
    let list = |list: &Option<AllowList>| match list {
        Some(AllowList::Only(names)) => names.iter().cloned().collect(),
        _ => Vec::new(),
    };
    Rights {
        limit: spec.rights.limit.flatten(),
        limit_reset: match spec.rights.reset {
            Some(Reset::Daily) => Some("daily".into()),
            Some(Reset::Weekly) => Some("weekly".into()),
            Some(Reset::Monthly) => Some("monthly".into()),
            _ => None,
        },
        allowed_providers: list(&spec.rights.providers),
        allowed_models: list(&spec.rights.models),
        rate_limit: None,
        expires_at: spec.rights.expires_at.flatten(),
    }
}

/// The first and the last process that a restart of what uses a target replaces, as secrets of the same place, so that
/// the judge of outages sees what they hold.
pub const PROCESSES: [&str; 2] = ["FIRST_PROCESS", "LAST_PROCESS"];

/// What uses the targets has to be restarted: how long that takes, and how long a run waits for it.
#[derive(Clone, Copy, Debug)]
pub struct Processes {
    /// From the first process to the last.
    pub takes: Duration,
    /// The run's bound.
    pub within: Duration,
}

/// What removes a secret that a run itself put where there was none.
pub const PUT_BACK: &str = "remove";

/// What removes a secret that someone else had put there.
pub const REMOVE_ANOTHERS: &str = "remove what someone else wrote";

/// A target, as a run sees it.
pub struct SimStore {
    wire: Wire,
    nth: usize,
    /// Its place and the secret's name.
    slot: Arc<Slot>,
    name: String,
    rollout: Option<Processes>,
    jobs: Jobs,
    /// Whether its place shows the values that it holds, in place of their times.
    readable: bool,
    /// What the last look saw around it.
    contents: RefCell<Contents>,
    accepted: Vec<String>,
    /// Whether anything stood there when the run's first write arrived.
    stood: Arc<Mutex<Option<bool>>>,
    /// When the last restart that was asked for will be over.
    restarted_at: Arc<Mutex<Option<Instant>>>,
}

impl SimStore {
    /// The `nth` target of a run.
    #[must_use]
    pub fn new(scene: &Scene, script: &Script, nth: usize, place: Place, secret: &str) -> Self {
        Self {
            wire: Wire::of(scene, script),
            nth,
            name: format!("{place} {secret}"),
            slot: Arc::new((place, secret.to_owned())),
            rollout: None,
            jobs: Jobs::default(),
            readable: scene.readable,
            contents: RefCell::default(),
            accepted: scene.accepted.clone(),
            stood: Arc::default(),
            restarted_at: Arc::default(),
        }
    }

    /// The same target, where these jobs read.
    #[must_use]
    pub fn read_by(self, jobs: &Jobs) -> Self {
        Self { jobs: Arc::clone(jobs), ..self }
    }

    /// The same target, used by processes that have to be restarted.
    #[must_use]
    pub fn rolled_out(self, rollout: Option<Processes>) -> Self {
        Self { rollout, ..self }
    }

    async fn look(&self, call: Call) -> Result<Sighting, Failure> {
        let slot = Arc::clone(&self.slot);
        self.wire.call(call, false, move |world| Ok(world.read(|state| sighting(state, &slot)))).await
    }
}

fn sighting(state: &State, (place, secret): &Slot) -> Sighting {
    Sighting {
        held: state.github.last_write(place, secret).map_or(Held::Nothing, Held::Since),
        date: state.github.clock.now_in_seconds(),
    }
}

fn value(state: &State, (place, secret): &Slot) -> Option<Secret> {
    state.github.secret(place, secret).map(|secret| Secret::new(secret.value.clone()))
}

/// What lies beside a target: names with values, or with times.
fn around(state: &State, slot: &Slot, readable: bool) -> Vec<Entry> {
    let here = state.github.holdings().filter(|(place, ..)| **place == slot.0);
    let others = here.filter(|(_, name, _)| *name != slot.1 && !is_process(name));
    let entry = |(place, name, value): (&Place, &str, &str)| Entry {
        name: name.to_owned(),
        target: format!("{place} {name}"),
        value: readable.then(|| Secret::new(value.to_owned())),
        written: state.github.last_write(place, name).filter(|_| !readable),
    };
    others.map(entry).collect()
}

/// Work that reads a target's value when it is queued, and goes on with it until its end: a secret of the same place, so that
/// the judge of outages sees what it holds.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its number.
    pub nth: usize,
    /// Where it reads.
    pub place: Place,
    /// On the place's own clock.
    pub began: Timestamp,
    /// The world's time.
    pub ends: Timestamp,
}

impl Job {
    /// The name under which the place holds what it read.
    #[must_use]
    pub fn slot(&self) -> String {
        format!("{JOB}{}", self.nth)
    }
}

/// How the names begin under which a place holds what jobs read.
const JOB: &str = "JOB_";

/// Whether a secret of a place is what some process or job holds.
#[must_use]
pub fn is_process(secret: &str) -> bool {
    PROCESSES.contains(&secret) || secret.starts_with(JOB)
}

/// Every job there was.
pub type Jobs = Arc<Mutex<Vec<Job>>>;

/// A process starts with what the target holds.
pub(crate) fn start_process(world: &World, place: &Place, secret: &str, process: &str) {
    let held = world.value_at(place, secret);
    world.change(if held.is_some() { "restart" } else { PUT_BACK }, |state| match held {
        Some(value) => _ = state.github.write_secret(place, process, &value),
        None => _ = state.github.remove(place, process),
    });
}

#[async_trait(?Send)]
impl SecretStore for SimStore {
    fn name(&self) -> String {
        self.name.clone()
    }

    async fn unfinished(&self) -> Result<Vec<Unfinished>, Failure> {
        let (jobs, slot) = (Arc::clone(&self.jobs), Arc::clone(&self.slot));
        let look = move |world: &World| {
            let (place, _) = &*slot;
            let (now, jobs) = (world.now(), jobs.lock().unwrap_or_else(PoisonError::into_inner));
            let (over, here): (Vec<_>, Vec<_>) =
                jobs.iter().filter(|job| job.place == *place).partition(|job| job.ends <= now);
            // One that is over holds nothing any more.
            over.iter().for_each(|job| _ = world.by_hand(|state| state.github.remove(place, &job.slot())));
            Ok(here.iter().map(|job| Unfinished { what: job.slot(), began: Some(job.began) }).collect())
        };
        self.wire.call(Call::Unfinished(self.nth), false, look).await
    }

    fn rollout(&self) -> Option<Rollout> {
        let Processes { within, .. } = self.rollout?;
        Some(Rollout { what: "restart it".into(), within, when_put_back: true })
    }

    async fn start_rollout(&self) -> Result<(), Failure> {
        let Some(Processes { takes, .. }) = self.rollout else { return Ok(()) };
        let (slot, over) = (Arc::clone(&self.slot), Arc::clone(&self.restarted_at));
        let effect = move |world: &World| {
            let [first, last] = PROCESSES;
            start_process(world, &slot.0, SECRET, first);
            let end = world.instant() + takes;
            *over.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
            world.later(end, move |world| start_process(world, &slot.0, SECRET, last));
            Ok(())
        };
        self.wire.call(Call::StartRollout(self.nth), true, effect).await
    }

    async fn rollout_status(&self) -> Result<RolloutStatus, Failure> {
        let over = Arc::clone(&self.restarted_at);
        let look = move |world: &World| {
            let over = *over.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(match over {
                Some(over) if over <= world.instant() => RolloutStatus::Yes(None),
                _ => RolloutStatus::NotYet("the last process runs with what it read before".into()),
            })
        };
        self.wire.call(Call::RolloutStatus(self.nth), false, look).await
    }

    async fn observe(&self) -> Result<Sighting, Failure> {
        let (slot, readable) = (Arc::clone(&self.slot), self.readable);
        let look = move |world: &World| {
            Ok(world.read(|state| {
                let value = readable.then(|| value(state, &slot)).flatten();
                (sighting(state, &slot), value, around(state, &slot, readable))
            }))
        };
        let (sighting, value, others) = self.wire.call(Call::Observe(self.nth), false, look).await?;
        let accepted = self.accepted.clone();
        *self.contents.borrow_mut() = Contents { value, others, accepted, ..Contents::default() };
        Ok(sighting)
    }

    fn contents(&self) -> Contents {
        self.contents.borrow().clone()
    }

    async fn read_back(&self) -> Result<Option<Secret>, Failure> {
        if !self.readable {
            return Ok(None);
        }
        let slot = Arc::clone(&self.slot);
        self.wire.call(Call::ReadBack(self.nth), false, move |world| Ok(world.read(|state| value(state, &slot)))).await
    }

    async fn write(&self, value: &Secret) -> Result<Written, Failure> {
        let (slot, value) = (Arc::clone(&self.slot), value.expose().to_owned());
        let stood = Arc::clone(&self.stood);
        self.wire
            .call(Call::Write(self.nth), true, move |world| {
                let held = world.read(|state| state.github.secret(&slot.0, &slot.1).is_some());
                stood.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(held);
                world.change("write", |state| state.github.write_secret(&slot.0, &slot.1, &value));
                Ok(Written { date: world.read(|state| state.github.clock.now_in_seconds()) })
            })
            .await
    }

    async fn last_write(&self) -> Result<Sighting, Failure> {
        self.look(Call::LastWrite(self.nth)).await
    }

    async fn remove(&self) -> Result<(), Failure> {
        let (slot, stood) = (Arc::clone(&self.slot), Arc::clone(&self.stood));
        self.wire
            .call(Call::Remove(self.nth), true, move |world| {
                let stood = *stood.lock().unwrap_or_else(PoisonError::into_inner);
                let cause = if stood == Some(false) { PUT_BACK } else { REMOVE_ANOTHERS };
                world.change(cause, |state| state.github.remove(&slot.0, &slot.1));
                Ok(())
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_an_issuer_does_not_show_is_not_listed() {
        let switches: [fn(&mut Behaviour); 4] = [
            |shows| shows.shows_updated = false,
            |shows| shows.shows_last_used = false,
            |shows| shows.masked_labels = false,
            |shows| shows.dialect = Dialect::Guide,
        ];
        let mut seen = Vec::new();
        for nth in 0..=switches.len() {
            let scene = Scene::empty(&["acme/app"]);
            scene.world.by_hand(|state| {
                switches.iter().take(nth).for_each(|hide| hide(&mut state.issuer.behaviour));
                let (id, _) = state.issuer.seed_key("production-2026-08-01-aaaaaa", |_| {});
                state.issuer.mark_used(&id, 0.01);
            });
            let listing = SimIssuer::new(&scene, &Script::default()).list().await;
            let Ok(Listing { keys, .. }) = listing else { panic!("nothing is listed: {listing:?}") };
            let shown = keys.iter().find(|row| row.name.starts_with("production"));
            let shown = shown.map(|KeyRow { label, updated_at, last_used_at, .. }| {
                [label.is_some(), updated_at.is_some(), last_used_at.is_some()]
            });
            seen.push(shown);
        }
        let expected = [[true; 3], [true, false, true], [true, false, false], [false; 3], [false; 3]];
        assert_eq!(seen, expected.map(Some));
    }
}
