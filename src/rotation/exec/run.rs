//! One run: what it works with, what it remembers, and how it calls the world.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;

use crate::http::{Failure, Retry};
use crate::rotation::clock::{Clock, Mark};
use crate::rotation::interrupt::Interrupt;
use crate::rotation::lease::{Lease, settled_after};
use crate::rotation::ledger::{Act, Effect, Entry, Ledger};
use crate::rotation::model::{Endpoint, KeyId, ShownRights, Written};
use crate::rotation::name::FamilyName;
use crate::rotation::outcome::{Event, KeyFate, Observer, Problem, StepTime};
use crate::rotation::plan::holdings::TargetHolding;
use crate::rotation::plan::pending::Standing;
use crate::rotation::policy::Policy;
use crate::rotation::ports::{KeyIssuer, SecretStore};
use crate::rotation::step::Step;
use crate::secret::Secret;

/// What a rotation is handed: no clock, chance or policy of its own.
pub struct Context<'a> {
    /// Time.
    pub clock: Clock,
    /// Chance, for digits and jitter.
    pub rng: RefCell<fastrand::Rng>,
    /// When to try again.
    pub retry: Retry,
    /// Being told to stop.
    pub interrupt: Interrupt,
    /// Who watches.
    pub observer: &'a dyn Observer,
}

/// Why the way forward ended.
#[derive(Clone, Debug)]
pub(super) enum Abort {
    Failed(Problem),
    Interrupted,
    GiveWay(Problem),
    Hold(Problem),
    BeginAgain(Restart),
}

/// What the next attempt has to do otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Restart {
    WithoutRenames,
    WithOtherSpelling,
    /// Once another run, which this one gave way to for this reason, has had its turn.
    BehindAnother(Problem),
}

/// How a write that was repeated as often as is sensible ended.
pub(super) enum Unwritten {
    Failure(Failure),
    Abort(Abort),
}

impl Abort {
    /// What went wrong, where anything did: being told to stop is nothing wrong, and neither is beginning again.
    pub(super) fn into_problem(self) -> Option<Problem> {
        match self {
            Self::Failed(problem) | Self::GiveWay(problem) | Self::Hold(problem) => Some(problem),
            Self::Interrupted | Self::BeginAgain(_) => None,
        }
    }
}

impl From<Abort> for Unwritten {
    fn from(abort: Abort) -> Self {
        Self::Abort(abort)
    }
}

impl Unwritten {
    pub(super) fn into_abort(self, what: &str) -> Abort {
        match self {
            Self::Abort(abort) => abort,
            Self::Failure(failure) => Abort::Failed(problem(what, &failure)),
        }
    }
}

/// The key that this run made.
#[derive(Clone, Debug)]
pub(super) struct NewKey {
    pub(super) id: KeyId,
    pub(super) value: Secret,
    pub(super) name: FamilyName,
    pub(super) rights: ShownRights,
}

/// The key that this run made, from its making to its commit.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) key: NewKey,
    pub(super) lease: Lease,
    pub(super) renewals: u32,
    pub(super) proved_at: Option<Endpoint>,
    /// Another key was made by the same request.
    pub(super) had_twins: bool,
}

/// How far the commit is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Commit {
    /// Not begun; or undone, since a look before it showed something else.
    #[default]
    NotBegun,
    /// Begun, and the rename has not come through.
    InDoubt,
    /// The new key has its final name, by the issuer's own answer.
    Done,
}

/// What a run knows of one key beyond its row.
#[derive(Clone, Debug, Default)]
pub(super) struct KeyRecord {
    pub(super) name: Option<String>,
    /// When this run made it, on the issuer's clock.
    pub(super) made_at: Option<Timestamp>,
    pub(super) fate: Option<KeyFate>,
    /// It could not be deleted although it should have been.
    pub(super) undeleted: bool,
    /// Its value, where one in hand provably is that.
    pub(super) value: Option<Secret>,
    /// When it was seen to be refused once it was retired, on the issuer's clock.
    pub(super) refused: Option<Timestamp>,
    /// How the plan found it, if it was replaced before; the run may not come to it.
    pub(super) waiting: Option<Standing>,
}

/// How far one target is.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    pub(super) written: Option<Written>,
    pub(super) took: Option<Duration>,
    pub(super) put_back: Option<Written>,
    pub(super) detail: Option<String>,
}

/// What a run remembers.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) ledger: Ledger,
    pub(super) current: Option<KeyId>,
    /// The current key has expired or was disabled.
    pub(super) ended: bool,
    pub(super) candidate: Option<Candidate>,
    pub(super) commit: Commit,
    pub(super) keys: BTreeMap<KeyId, KeyRecord>,
    /// How often the run waited for lost writes to have taken effect.
    pub(super) waits: u32,
    pub(super) used: Option<bool>,
    /// Names of keys whose making was not answered and that were not found.
    pub(super) ghosts: BTreeSet<String>,
    /// Names under which a key may have been made, whatever the issuer answered, and no list has come since.
    pub(super) unlooked: BTreeSet<String>,
    /// Every name that this run gave a key of its own, or asked for.
    pub(super) own_names: BTreeSet<String>,
    /// Something is left over that no key's fate tells: a key that was never seen, a commit that did not come through.
    pub(super) unfinished: bool,
    pub(super) targets: Vec<Progress>,
    /// What the targets held before anything was written.
    pub(super) found: Vec<TargetHolding>,
    /// Names of keys that earlier runs left and this one retired.
    pub(super) retired: Vec<String>,
    pub(super) problems: Vec<Problem>,
    pub(super) notices: Vec<String>,
    /// Notices that hold for the present plan, and are told anew with the next.
    pub(super) notices_of_plan: Vec<String>,
    pub(super) steps: Vec<StepTime>,
}

impl Memory {
    pub(super) fn key(&self, id: &KeyId) -> Option<&KeyRecord> {
        self.keys.get(id)
    }

    pub(super) fn key_mut(&mut self, id: &KeyId) -> &mut KeyRecord {
        self.keys.entry(id.clone()).or_default()
    }

    pub(super) fn fate(&self, id: &KeyId) -> Option<&KeyFate> {
        self.key(id)?.fate.as_ref()
    }

    pub(super) fn set_fate(&mut self, id: &KeyId, fate: KeyFate) {
        self.key_mut(id).fate = Some(fate);
    }

    pub(super) fn set_name(&mut self, id: &KeyId, name: impl Into<String>) {
        self.key_mut(id).name = Some(name.into());
    }

    /// The key that this run made.
    pub(super) fn new_key(&self) -> Option<&NewKey> {
        self.candidate.as_ref().map(|candidate| &candidate.key)
    }

    pub(super) fn renewals(&self) -> u32 {
        self.candidate.as_ref().map_or(0, |candidate| candidate.renewals)
    }
}

/// One run of one rotation.
pub(super) struct Run<'a> {
    pub(super) issuer: &'a dyn KeyIssuer,
    pub(super) targets: &'a [Box<dyn SecretStore>],
    pub(super) policy: &'a Policy,
    pub(super) ctx: &'a Context<'a>,
    pub(super) memory: RefCell<Memory>,
    pub(super) first_renewal: Notify,
    /// Behind the pivot, and while undoing, a signal no longer ends the work; the deadline does.
    pub(super) unstoppable: Cell<bool>,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        issuer: &'a dyn KeyIssuer,
        targets: &'a [Box<dyn SecretStore>],
        policy: &'a Policy,
        ctx: &'a Context<'a>,
    ) -> Self {
        Self {
            issuer,
            targets,
            policy,
            ctx,
            memory: RefCell::default(),
            first_renewal: Notify::new(),
            unstoppable: Cell::new(false),
        }
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.ctx.clock
    }

    pub(super) fn event(&self, event: &Event<'_>) {
        self.ctx.observer.event(event);
    }

    pub(super) fn note(&self, text: impl Into<String>) {
        self.event(&Event::Note(text.into()));
    }

    pub(super) fn notice(&self, text: String) {
        self.event(&Event::Warning(text.clone()));
        self.memory.borrow_mut().notices.push(text);
    }

    /// Tells what is as it should be, and to be seen.
    pub(super) fn tell_of(&self, text: String) {
        self.event(&Event::Notice(text.clone()));
        self.memory.borrow_mut().notices.push(text);
    }

    /// The same of what the present plan says.
    pub(super) fn tell_of_plan(&self, text: String) {
        self.event(&Event::Notice(text.clone()));
        self.memory.borrow_mut().notices_of_plan.push(text);
    }

    pub(super) fn trouble(&self, problem: Problem) {
        self.event(&Event::Failed(&problem));
        self.memory.borrow_mut().problems.push(problem);
    }

    /// Tells what went wrong, where anything did.
    pub(super) fn trouble_of(&self, abort: Abort) {
        if let Some(problem) = abort.into_problem() {
            self.trouble(problem);
        }
    }

    /// Tells what went wrong and leaves something over that no key's fate tells.
    pub(super) fn unfinished(&self, problem: Problem) {
        self.memory.borrow_mut().unfinished = true;
        self.trouble(problem);
    }

    pub(super) fn settled_after(&self) -> Duration {
        settled_after(self.policy.request_timeout)
    }

    pub(super) fn new_key(&self) -> Option<NewKey> {
        self.memory.borrow().new_key().cloned()
    }

    /// Forgets the attempt that was undone, so that the next begins afresh.
    pub(super) fn begin_again(&self) {
        let mut memory = self.memory.borrow_mut();
        memory.ledger = Ledger::default();
        memory.candidate = None;
        // Whether keys still wait is decided anew, and what to tell of that.
        memory.notices_of_plan.clear();
        for key in memory.keys.values_mut() {
            key.fate.take_if(|fate| matches!(fate, KeyFate::Pending { .. }));
        }
    }

    /// Runs one step, telling when it begins and ends.
    pub(super) async fn step<T>(&self, step: Step, work: impl Future<Output = T>) -> T {
        let (began, at) = (self.clock().elapsed(), self.clock().wall_time());
        self.event(&Event::Began(step));
        let out = work.await;
        let took = self.clock().elapsed().saturating_sub(began);
        self.event(&Event::Ended(step, took));
        self.memory.borrow_mut().steps.push(StepTime { step, began, at, took });
        out
    }

    /// Ends the way forward when the run was told to stop.
    pub(super) fn checkpoint(&self) -> Result<(), Abort> {
        if self.ctx.interrupt.requested() && !self.unstoppable.get() { Err(Abort::Interrupted) } else { Ok(()) }
    }

    /// Does the work, unless the time is over that a run may take after it was told to stop.
    pub(super) async fn in_time<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.ctx.interrupt.deadline(self.clock()) => None,
        }
    }

    /// Waits, unless the run is told to stop.
    pub(super) async fn pause(&self, time: Duration) -> Result<(), Abort> {
        if self.unstoppable.get() {
            self.clock().sleep(time).await;
            return Ok(());
        }
        tokio::select! {
            biased;
            () = self.ctx.interrupt.wait() => Err(Abort::Interrupted),
            () = self.clock().sleep(time) => Ok(()),
        }
    }

    pub(super) async fn wait_to_repeat(&self, what: &str, made: u32, failure: &Failure) -> Result<bool, Abort> {
        let wait = self.ctx.retry.wait(made, failure, &mut self.ctx.rng.borrow_mut());
        let Some(wait) = wait else { return Ok(false) };
        self.pause_after(what, failure, wait).await?;
        Ok(true)
    }

    async fn pause_after(&self, what: &str, failure: &Failure, wait: Duration) -> Result<(), Abort> {
        self.event(&Event::Retrying { what: what.to_owned(), why: failure.message().to_owned(), wait });
        self.pause(wait).await
    }

    /// Once a target may hold the new key, giving up leaves two keys behind: a server that is down is waited for as long as
    /// a new key may take to work.
    async fn persist<T>(
        &self,
        what: &str,
        ask: impl AsyncFn() -> Result<Result<T, Failure>, Abort>,
    ) -> Result<Result<T, Failure>, Abort> {
        let pause = async |failure: &Failure, wait| self.pause_after(what, failure, wait).await;
        let until = self.clock().instant() + self.policy.verify_timeout;
        loop {
            match self.ctx.retry.persist(&self.ctx.rng, &ask, pause).await? {
                Err(failure @ Failure::Transient { retry_after: None, .. }) if self.has_written() => {
                    let left = until.saturating_duration_since(self.clock().instant());
                    if left.is_zero() {
                        return Ok(Err(failure));
                    }
                    self.pause_after(what, &failure, left.min(self.ctx.retry.cap)).await?;
                }
                answer => return Ok(answer),
            }
        }
    }

    fn has_written(&self) -> bool {
        !self.memory.borrow().ledger.targets_touched().is_empty()
    }

    /// Asks until there is an answer.
    pub(super) async fn read<T>(&self, what: &str, ask: impl AsyncFn() -> Result<T, Failure>) -> Result<T, Abort> {
        let ask = async || {
            self.checkpoint()?;
            Ok(ask().await)
        };
        self.persist(what, ask).await?.map_err(|failure| Abort::Failed(problem(what, &failure)))
    }

    /// Looks at one of all targets, and tells how many were looked at.
    pub(super) async fn looking<T>(
        &self,
        done: &Cell<usize>,
        look: impl Future<Output = Result<T, Abort>>,
    ) -> Result<T, Abort> {
        let seen = look.await?;
        done.set(done.get() + 1);
        self.event(&Event::Looked { done: done.get(), of: self.targets.len() });
        Ok(seen)
    }

    /// Writes until there is a definite answer, entering every attempt in the ledger. `gate` is asked before each.
    pub(super) async fn write<T>(
        &self,
        act: Act,
        what: &str,
        gate: impl AsyncFn() -> Result<(), Abort>,
        send: impl AsyncFn() -> Result<T, Failure>,
    ) -> Result<T, Unwritten> {
        let ask = async || {
            self.checkpoint()?;
            gate().await?;
            let entry = self.enter(act.clone(), self.clock().now());
            let answer = send().await;
            self.answered(entry, &answer);
            Ok(answer)
        };
        self.persist(what, ask).await?.map_err(Unwritten::Failure)
    }

    pub(super) fn enter(&self, act: Act, sent: Mark) -> Entry {
        self.memory.borrow_mut().ledger.begin(act, sent)
    }

    pub(super) fn answered<T>(&self, entry: Entry, answer: &Result<T, Failure>) {
        let effect = match answer {
            Ok(_) => Effect::Applied,
            Err(Failure::Unknown { .. }) => Effect::Unknown,
            Err(Failure::Doubtful(_)) => Effect::Doubtful,
            Err(_) => Effect::Absent,
        };
        self.memory.borrow_mut().ledger.answer(entry, effect);
    }
}

/// A failure as a problem, with the hint that came with it.
pub(super) fn problem(what: &str, failure: &Failure) -> Problem {
    let next = failure.hint().map(ToOwned::to_owned).or_else(|| match failure {
        Failure::Refused(_) => None,
        Failure::Doubtful(_) => Some("see what stands between here and the service, then run it again".to_owned()),
        _ => Some("run it again once the server answers".to_owned()),
    });
    Problem::about(what, failure.message(), next)
}
