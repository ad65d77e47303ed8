//! When the way forward ended: back to how it was, or as near as is safe.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::rotation::exec::renewal::NotThere;
use crate::rotation::exec::run::{Abort, Run};
use crate::rotation::model::{Endpoint, KeyId};
use crate::rotation::name::FamilyName;
use crate::rotation::outcome::{KeyFate, Problem, StrayReason};
use crate::rotation::plan::Rotate;
use crate::rotation::plan::observation::{HeldKey, Observation};
use crate::rotation::recovery::{Recovery, Trouble, decide};
use crate::secret::Secret;

/// What undoing came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undone {
    /// There was nothing to undo.
    Nothing,
    /// Every target holds what it held; the new key is gone, as far as its fate does not say otherwise.
    Back,
    /// Both keys are alive.
    Held,
}

/// The old value, proved to be the current key's.
struct Old<'a> {
    value: &'a Secret,
    id: KeyId,
    at: Endpoint,
}

impl Run<'_> {
    /// Undoes what the ledger says was done, for this cause.
    pub(super) async fn undo(&self, abort: Abort, seen: &Observation, rotate: &Rotate) -> Undone {
        self.unstoppable.set(true);
        let trouble = match &abort {
            Abort::GiveWay(_) => Trouble::GiveWay,
            Abort::Hold(_) => Trouble::Hold,
            Abort::Failed(_) | Abort::Interrupted | Abort::BeginAgain(_) => Trouble::Failed,
        };
        self.trouble_of(abort);
        if trouble == Trouble::Failed {
            self.look_at_doubtful(seen).await;
        }
        let (touched, old) = (self.memory.borrow().ledger.targets_touched(), self.old(seen));
        // Putting back gives the current key a new commit. It would hide what someone else wrote to any target before.
        let held_it = rotate.can_put_back.iter().all(|held_it| *held_it);
        let recovery = decide(&self.memory.borrow().ledger, trouble, old.is_some() && held_it);
        match recovery {
            Recovery::Nothing => Undone::Nothing,
            Recovery::RevokeNew => {
                self.revoke().await;
                Undone::Back
            }
            Recovery::PutBackThenRevokeNew => match old {
                Some(old) => self.put_back(seen, &touched, &old).await,
                None => Undone::Held,
            },
            Recovery::HoldBoth => self.hold("the old value can't be put back"),
            Recovery::GiveWay => self.hold("this run gives way"),
        }
    }

    fn hold(&self, why: &str) -> Undone {
        let alive = if self.memory.borrow().ended { "the new key stays" } else { "the old and the new key both stay" };
        self.note(format!("{why}: {alive} alive; the next run goes forward"));
        Undone::Held
    }

    /// The value in hand, if it was accepted in this run and is the current key's: provably, or as soon as it is accepted
    /// once more where a never-issued one is refused, which comes before anything is put back.
    fn old(&self, seen: &Observation) -> Option<Old<'_>> {
        let current = self.memory.borrow().current.clone()?;
        match (&seen.held, &self.policy.current_key) {
            (Some(HeldKey { alive: Some(true), is, perhaps, at: Some(at) }), Some(value))
                if is.as_ref().or(perhaps.as_ref()) == Some(&current) =>
            {
                Some(Old { value, id: current, at: *at })
            }
            _ => None,
        }
    }

    /// Deletes the new key. Nothing holds it.
    pub(super) async fn revoke(&self) {
        let Some(new) = self.new_key() else { return };
        match self.delete(&new.id).await {
            Ok(()) => {
                self.memory.borrow_mut().set_fate(&new.id, KeyFate::NewRevoked);
                self.note(format!("{} is deleted again", self.name_of(&new.id)));
            }
            Err(problem) => self.stray(&new.id, problem),
        }
    }

    /// Tells, where a signal's deadline cut the deleting of the new key short, that it may be gone or not.
    pub(super) fn tell_if_perhaps_deleted(&self) {
        let Some(new) = self.new_key() else { return };
        let mut memory = self.memory.borrow_mut();
        if memory.ledger.may_be_deleted(&new.id) {
            memory.unfinished = true;
            memory.set_fate(&new.id, KeyFate::Stray { reason: StrayReason::DeletionUnanswered });
        }
    }

    async fn put_back(&self, seen: &Observation, touched: &[usize], old: &Old<'_>) -> Undone {
        match self.try_to_put_back(seen, touched, old).await {
            Ok(()) => {
                self.revoke().await;
                Undone::Back
            }
            Err(abort) => {
                self.trouble_of(abort);
                self.hold("putting back did not succeed")
            }
        }
    }

    async fn try_to_put_back(&self, seen: &Observation, touched: &[usize], old: &Old<'_>) -> Result<(), Abort> {
        let unsettled = self.memory.borrow().ledger.unsettled_for(self.clock(), self.settled_after());
        if self.ctx.interrupt.requested() && unsettled.is_some() {
            return Err(no_way_back("there is no time to wait for a write whose answer was lost"));
        }
        if self.ctx.interrupt.requested() && !self.to_roll_out_again().is_empty() {
            return Err(no_way_back("there is no time to wait until whoever uses it has taken it up again"));
        }
        self.settle().await?;
        if !self.is_alive(old.value, old.at).await {
            return Err(no_way_back("the old value was not accepted just now"));
        }
        let writes: Vec<_> = touched
            .iter()
            .map(|target| {
                let held = seen.targets.get(*target).is_some_and(|seen| seen.last_write.is_some());
                self.put_back_target(*target, held.then_some(old.value))
            })
            .collect();
        let writes = stream::iter(writes).buffer_unordered(self.policy.parallel).try_collect::<Vec<()>>();
        self.while_renewing(writes).await?;
        self.settle().await?;
        if self.memory.borrow().renewals() > 0 {
            self.record_put_back(seen, &old.id).await?;
        }
        // Behind the record: this may take minutes, and no later run would know whose the writes above were.
        self.while_renewing(self.roll_out_again()).await
    }

    /// Looks whether anyone else wrote meanwhile, and gives the current key its new commit.
    async fn record_put_back(&self, seen: &Observation, id: &KeyId) -> Result<(), Abort> {
        self.look_at_put_back(seen).await?;
        self.commit_old(seen, id).await?;
        if self.memory.borrow().ledger.unsettled_for(self.clock(), self.settled_after()).is_none() {
            return Ok(());
        }
        // A lost answer: the commit may come late, and hide what someone else wrote before it.
        self.settle().await?;
        self.look_at_put_back(seen).await
    }

    /// New digits for the current key: its commit is now, so that the writes just made are its own.
    async fn commit_old(&self, seen: &Observation, id: &KeyId) -> Result<(), Abort> {
        let name = self.memory.borrow().key(id).and_then(|key| key.name.clone());
        let name = name.or_else(|| seen.row(id).map(|row| row.name.clone())).unwrap_or_default();
        let Some(parsed) = FamilyName::parse(&self.policy.key_name, &name) else { return Ok(()) };
        let before = name;
        let name = parsed.confirmed().renewed(&mut self.ctx.rng.borrow_mut()).to_string();
        let what = format!("rename the current key to {name}");
        let renamed = self.rename_key(id, &name, &what, NotThere::Counts).await;
        renamed.map_err(|unwritten| unwritten.into_abort(&what))?;
        self.tell_of(format!("{before} ({id}) is now called {name}"));
        self.memory.borrow_mut().set_name(id, name);
        Ok(())
    }
}

fn no_way_back(why: &str) -> Abort {
    Abort::Failed(Problem::new(
        format!("the old value can't be put back: {why}"),
        "run it again: it goes forward with a new key",
    ))
}
