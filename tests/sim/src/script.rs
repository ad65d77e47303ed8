//! What goes wrong at which call of a run, as data.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use keyrotor::rotation::interrupt::Trigger;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A kind of call. A target is told by its place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// Any call at all, counted over the whole run.
    Any,
    /// List the keys.
    List,
    /// Make a key.
    Create,
    /// Rename a key.
    Rename,
    /// Delete a key.
    Delete,
    /// Switch a key off or on.
    Disable,
    /// Try a key.
    Try,
    /// Read the guardrails of all keys.
    Guardrails,
    /// Assign a guardrail to a key.
    Guard,
    /// Look at a target before.
    Observe(usize),
    /// Write to a target.
    Write(usize),
    /// Look at a target afterwards.
    LastWrite(usize),
    /// Read what a target holds, where it can be read.
    ReadBack(usize),
    /// Remove a secret.
    Remove(usize),
    /// Look what is unfinished at a target.
    Unfinished(usize),
    /// Restart what uses a target.
    StartRollout(usize),
    /// Look whether it has restarted.
    RolloutStatus(usize),
}

/// What befalls a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Refused for good; no effect.
    Refuse,
    /// Refused in a gateway's words, before or after the effect. To a read it is a refusal like any other.
    Doubt {
        /// After it.
        applied: bool,
    },
    /// Refused in the server's own words after a key was made; any other call as [`Doubt`](Self::Doubt) after its effect.
    RefuseAfter,
    /// It takes effect twice, and is answered once.
    Double {
        /// What is answered is what the first time came to.
        first: bool,
    },
    /// Refused for now; no effect.
    Transient,
    /// The request is lost; no effect, no answer.
    LoseBefore,
    /// The answer is lost.
    LoseAfter,
    /// No answer; the effect comes so much later.
    Late(Duration),
    /// No answer until the client gives up after so long (its request timeout); the effect comes `lands` after sending,
    /// or never.
    TimeOut {
        /// When the client gives up.
        after: Duration,
        /// When the request takes effect.
        lands: Option<Duration>,
    },
    /// The request takes so long.
    Slow(Duration),
    /// It takes effect at once, and the answer takes so long.
    Lag(Duration),
    /// The process is killed, before or after the effect.
    Kill {
        /// After it.
        applied: bool,
    },
    /// The process gets SIGTERM, and the call goes on.
    Terminate,
    /// The whole process stands still for so long, after the effect.
    Freeze(Duration),
}

/// The faults of one run, and the strings by which they pull at it.
#[derive(Clone, Default)]
pub struct Script(Rc<Inner>);

/// A fault that waits for its call.
struct Planned {
    call: Call,
    /// At which of these calls, from 1; 0: at each.
    nth: usize,
    /// How many of them there were.
    seen: usize,
    fault: Fault,
}

#[derive(Default)]
struct Inner {
    faults: RefCell<Vec<Planned>>,
    killed: Cell<bool>,
    trigger: RefCell<Option<Trigger>>,
    frozen_until: Cell<Option<Instant>>,
    terminated_at: Cell<Option<Instant>>,
    made: RefCell<Vec<Made>>,
    commits: RefCell<Vec<Instant>>,
    uncommitted: RefCell<BTreeSet<String>>,
    /// The keys that it made, and the names that it asked for.
    own: RefCell<BTreeSet<String>>,
    /// Whether a key of its own was accepted since its last write to a target; `None` before the first.
    proved: Cell<Option<bool>>,
    unproved: RefCell<Vec<String>>,
    /// The keys whose end it asked for.
    ended: RefCell<BTreeSet<String>>,
    made_one: Cell<bool>,
    /// Something befell a call, a key was made, or the run is over.
    moved: Notify,
    over: Cell<bool>,
}

/// A call that was made.
#[derive(Clone, Copy, Debug)]
pub struct Made {
    /// Of which kind.
    pub call: Call,
    /// When it was sent.
    pub sent: Instant,
    /// Whether something befell it.
    pub faulty: bool,
}

impl Script {
    /// At the `nth` (from 1) call of this kind, this happens.
    #[must_use]
    pub fn at(self, call: Call, nth: usize, fault: Fault) -> Self {
        self.0.faults.borrow_mut().push(Planned { call, nth, seen: 0, fault });
        self
    }

    /// At every call of this kind, this happens.
    #[must_use]
    pub fn always(self, call: Call, fault: Fault) -> Self {
        self.at(call, 0, fault)
    }

    /// Counts a call that is sent now, and says what befalls it.
    pub(crate) fn next(&self, call: Call, sent: Instant) -> Option<Fault> {
        let mut hit = None;
        for planned in self.0.faults.borrow_mut().iter_mut().filter(|it| [call, Call::Any].contains(&it.call)) {
            planned.seen += 1;
            let now = planned.nth == planned.seen || planned.nth == 0;
            hit = hit.or(now.then_some(planned.fault));
        }
        self.0.made.borrow_mut().push(Made { call, sent, faulty: hit.is_some() });
        if matches!(call, Call::Write(_)) {
            self.0.proved.set(Some(false));
        }
        if hit.is_some() {
            self.0.moved.notify_waiters();
        }
        hit
    }

    /// Waits until something befalls a call; `false`: the run is over, and nothing did.
    pub async fn goes_wrong(&self) -> bool {
        self.comes_to(|| self.0.made.borrow().iter().any(|made| made.faulty)).await
    }

    /// Waits until the run has made a key; `false`: it is over, and made none.
    pub async fn makes_one(&self) -> bool {
        self.comes_to(|| self.0.made_one.get()).await
    }

    async fn comes_to(&self, it: impl Fn() -> bool) -> bool {
        loop {
            let moved = self.0.moved.notified();
            if it() {
                return true;
            }
            if self.0.over.get() {
                return false;
            }
            moved.await;
        }
    }

    pub(crate) fn end(&self) {
        self.0.over.set(true);
        self.0.moved.notify_waiters();
    }

    /// The calls that were made, in order.
    #[must_use]
    pub fn made(&self) -> Vec<Made> {
        self.0.made.borrow().clone()
    }

    pub(crate) fn commits(&self, sent: Instant) {
        self.0.commits.borrow_mut().push(sent);
    }

    pub(crate) fn makes(&self, id: &str) {
        self.0.uncommitted.borrow_mut().insert(id.to_owned());
        self.0.own.borrow_mut().insert(id.to_owned());
        self.0.made_one.set(true);
        self.0.moved.notify_waiters();
    }

    /// A lost key has no other handle.
    pub(crate) fn asks_for(&self, name: &str) {
        self.0.own.borrow_mut().insert(name.to_owned());
    }

    pub(crate) fn accepts(&self, id: &str) {
        if self.0.own.borrow().contains(id) {
            self.0.proved.set(self.0.proved.get().map(|_| true));
        }
    }

    pub(crate) fn ends(&self, id: &str, name: Option<&str>, sent: Instant) {
        self.commits(sent);
        self.0.ended.borrow_mut().insert(id.to_owned());
        let own = self.0.own.borrow();
        let is_own = own.contains(id) || name.is_some_and(|name| own.contains(name));
        if self.0.proved.get() == Some(false) && !is_own {
            self.0.unproved.borrow_mut().push(id.to_owned());
        }
    }

    /// The keys of others that were ended behind the run's last write before its own key was accepted once more.
    #[must_use]
    pub fn ended_unproved(&self) -> Vec<String> {
        self.0.unproved.borrow().clone()
    }

    /// The keys whose end it asked for.
    #[must_use]
    pub fn ended(&self) -> BTreeSet<String> {
        self.0.ended.borrow().clone()
    }

    pub(crate) fn names_finally(&self, id: &str, sent: Instant) {
        self.0.uncommitted.borrow_mut().remove(id);
        self.commits(sent);
    }

    /// The keys that the run made and did not give their final name.
    #[must_use]
    pub fn uncommitted(&self) -> BTreeSet<String> {
        self.0.uncommitted.borrow().clone()
    }

    /// When a request was sent that gives a key its final name, or ends one.
    #[must_use]
    pub fn committed_at(&self) -> Vec<Instant> {
        self.0.commits.borrow().clone()
    }

    /// How many calls were made.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.0.made.borrow().len()
    }

    pub(crate) fn arm(&self, trigger: Trigger) {
        *self.0.trigger.borrow_mut() = Some(trigger);
    }

    /// When the run was told to stop.
    #[must_use]
    pub fn terminated_at(&self) -> Option<Instant> {
        self.0.terminated_at.get()
    }

    pub(crate) fn terminate(&self, now: Instant) {
        if self.0.terminated_at.get().is_none() {
            self.0.terminated_at.set(Some(now));
        }
        if let Some(trigger) = self.0.trigger.borrow().as_ref() {
            trigger.pull(now);
        }
    }

    pub(crate) fn kill(&self) {
        self.0.killed.set(true);
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.0.killed.get()
    }

    pub(crate) fn freeze(&self, until: Instant) {
        self.0.frozen_until.set(Some(until));
    }

    /// Until when the process stands still, if it does so now.
    pub(crate) fn frozen_until(&self, now: Instant) -> Option<Instant> {
        self.0.frozen_until.get().filter(|until| *until > now)
    }
}
