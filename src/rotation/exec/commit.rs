//! Behind the pivot: the new key gets its final name, replaced keys go.

use futures_util::future::{join, join_all};
use jiff::Timestamp;

use crate::http::Failure;
use crate::rotation::clock::later;
use crate::rotation::exec::prove::FIRST_WAIT;
use crate::rotation::exec::renewal::NotThere;
use crate::rotation::exec::run::{Abort, Commit, NewKey, Restart, Run, Unwritten, problem};
use crate::rotation::lease::{Naming, renewal_every};
use crate::rotation::ledger::Act;
use crate::rotation::model::{Deletion, KeyId, KeyRow, Renamed};
use crate::rotation::name::FamilyName;
use crate::rotation::outcome::{KeyFate, Problem, StrayReason};
use crate::rotation::plan::Rotate;
use crate::rotation::plan::observation::{Observation, at_latest_until, has_expired};
use crate::rotation::plan::pending::{Pending, Standing};
use crate::rotation::policy::{Policy, Retire};
use crate::rotation::step::Step;

/// What becomes of a pending key in this run; nothing is settled yet about one that may go.
pub(super) fn fate(standing: &Standing, policy: &Policy) -> Option<KeyFate> {
    match standing {
        Standing::Past => None,
        Standing::InGrace(until) => Some(KeyFate::Pending { until: *until, drains: policy.drains() }),
        Standing::Draining { until, .. } => Some(KeyFate::Pending { until: *until, drains: true }),
        Standing::UsedLately { until, .. } => Some(KeyFate::Pending { until: *until, drains: false }),
        Standing::Kept => Some(KeyFate::Kept),
        Standing::Held(reason) | Standing::InUse(reason) => {
            Some(KeyFate::Stray { reason: StrayReason::Other(reason.clone()) })
        }
    }
}

impl Run<'_> {
    /// Retires what earlier runs left to grace and may go now.
    pub(super) async fn settle_pending(&self, seen: &Observation, pending: &[Pending]) -> Result<(), Abort> {
        let mut shown = false;
        for key in pending {
            if let Some(notice) = key.notice(self.policy) {
                self.tell_of_plan(notice);
            }
            let fate = match fate(&key.standing, self.policy) {
                Some(fate) => fate,
                None => {
                    self.checkpoint()?;
                    if !shown {
                        shown = self.show_renames(key).await?;
                    }
                    match self.retire_one(&key.id, async || self.still_fresh(seen)).await {
                        Ok(fate) => fate,
                        Err(problem) => {
                            self.stray(&key.id, problem);
                            continue;
                        }
                    }
                }
            };
            self.memory.borrow_mut().set_fate(&key.id, fate);
        }
        Ok(())
    }

    /// What the targets hold is known from the first look alone: a pending key is not deleted long after it.
    fn still_fresh(&self, seen: &Observation) -> Result<(), Abort> {
        if self.clock().at_most_since(seen.ended) <= self.policy.request_timeout {
            return Ok(());
        }
        Err(Abort::Failed(Problem::bare(
            "the targets were checked too long ago: the issuer or this machine was too slow since",
        )))
    }

    /// Names say which key is pending only where the issuer renames; nothing has shown yet that this one does. The key
    /// that is to be deleted shows it: no other key's grace counts from the oldest one's commit.
    /// `false`: another run has deleted that key, which shows nothing.
    async fn show_renames(&self, key: &Pending) -> Result<bool, Abort> {
        let Some(name) = FamilyName::parse(&self.policy.key_name, &key.name) else { return Ok(false) };
        let name = name.renewed(&mut self.ctx.rng.borrow_mut()).to_string();
        let what = format!("rename {} before it is deleted", key.name);
        match self.rename_key(&key.id, &name, &what, NotThere::MayPass).await {
            Ok(answer) if answer.name.as_deref() == Some(name.as_str()) => Ok(true),
            Ok(_) => Err(Abort::BeginAgain(Restart::WithoutRenames)),
            Err(Unwritten::Failure(Failure::Refused(refusal) | Failure::Doubtful(refusal))) => {
                match self.rename_refused(&key.id, &what, refusal).await {
                    Abort::GiveWay(_) => Ok(false),
                    abort => Err(abort),
                }
            }
            Err(unwritten) => Err(unwritten.into_abort(&what)),
        }
    }

    /// Commits; with no grace every key that is replaced goes beside it.
    pub(super) async fn commit(&self, seen: &Observation, rotate: &Rotate, naming: Naming) -> Result<(), Abort> {
        let Some(new) = self.new_key() else { return Ok(()) };
        self.checkpoint()?;
        self.lease_gate()?;
        self.unstoppable.set(true);
        self.issuer.hand_over(&new.value);
        {
            let mut memory = self.memory.borrow_mut();
            memory.commit = if naming == Naming::Renaming { Commit::InDoubt } else { Commit::NotBegun };
            memory.set_fate(&new.id, KeyFate::New);
            for id in &rotate.replaces {
                memory.key_mut(id).fate.get_or_insert(KeyFate::Stray { reason: StrayReason::NotRetired });
            }
        }
        if self.policy.keeps_replaced() || rotate.others_wait {
            match self.step(Step::Commit, self.commit_before_grace()).await {
                Ok(true) => self.step(Step::Retire, self.settle_replaced(seen, rotate)).await,
                Ok(false) => {}
                Err(abort) => self.tell_doubt(rotate, abort),
            }
            return Ok(());
        }
        let rename = async {
            if naming == Naming::Renaming {
                self.step(Step::Commit, self.rename_finally(&new)).await;
            }
        };
        join(rename, self.step(Step::Retire, self.retire(seen, &rotate.replaces))).await;
        Ok(())
    }

    async fn rename_finally(&self, new: &NewKey) -> bool {
        let name = new.name.confirmed().to_string();
        let what = format!("rename the new key to {name}");
        match self.rename_key(&new.id, &name, &what, NotThere::Counts).await {
            Ok(answer) => self.shows_commit(new, name, &answer),
            Err(unwritten) => {
                self.tell_uncommitted_because(unwritten.into_abort(&what));
                false
            }
        }
    }

    /// A commit of which a later run counts the grace of other keys. One that took effect late would hide behind it what
    /// someone else wrote meanwhile. So an answer is waited for no longer than a renewal's, the lease is kept, and after
    /// each failure, the last one too, everything is settled and looked at anew: the renewals on the way put the
    /// unconfirmed name over whatever lands. `false`: every target holds the key, and its name is not certain.
    async fn commit_before_grace(&self) -> Result<bool, Abort> {
        let mut made = 0;
        loop {
            let Some(new) = self.new_key() else { return Ok(false) };
            self.lease_gate()?;
            let name = new.name.confirmed().to_string();
            let what = format!("rename the new key to {name}");
            let entry = self.enter(Act::Rename { id: new.id.clone() }, self.clock().now());
            let rename = self.rename_once(&new.id, &name);
            let answer = self.clock().timeout(renewal_every(self.policy.request_timeout), rename).await;
            let answer = answer.unwrap_or_else(|| {
                Err(Failure::Unknown { message: "no answer to the rename in time".into(), retry_after: None })
            });
            self.answered(entry, &answer);
            let failure = match answer {
                Ok(answer) => return Ok(self.shows_commit(&new, name, &answer)),
                Err(failure) => failure,
            };
            made += 1;
            let again = self.while_renewing(self.wait_to_repeat(&what, made, &failure)).await?;
            Box::pin(self.confirm()).await?;
            if !again {
                self.tell_uncommitted(problem(&what, &failure).what);
                return Ok(false);
            }
        }
    }

    /// What a look before the commit showed after it was begun: the targets may hold another key, and nothing is replaced.
    fn tell_doubt(&self, rotate: &Rotate, abort: Abort) {
        {
            let mut memory = self.memory.borrow_mut();
            (memory.unfinished, memory.commit) = (true, Commit::NotBegun);
            if let Some(id) = memory.new_key().map(|new| new.id.clone()) {
                memory.set_fate(&id, KeyFate::NewHeld);
            }
            for id in &rotate.replaces {
                memory.key_mut(id).fate.take_if(|it| *it == KeyFate::Stray { reason: StrayReason::NotRetired });
            }
        }
        self.trouble_of(abort);
    }

    fn shows_commit(&self, new: &NewKey, name: String, answer: &Renamed) -> bool {
        if answer.name.as_deref() != Some(name.as_str()) {
            self.tell_uncommitted(format!("rename the new key to {name}: the issuer's answer shows another name"));
            return false;
        }
        let mut memory = self.memory.borrow_mut();
        memory.commit = Commit::Done;
        memory.set_name(&new.id, name);
        memory.used = answer.used.or(memory.used);
        true
    }

    fn tell_uncommitted_because(&self, abort: Abort) {
        match abort.into_problem() {
            Some(problem) => self.tell_uncommitted(problem.what),
            None => self.tell_if_uncommitted(),
        }
    }

    /// Tells, where a signal's deadline cut the commit short, that it did.
    pub(super) fn tell_if_uncommitted(&self) {
        if self.memory.borrow().commit == Commit::InDoubt {
            self.tell_uncommitted("the run was told to stop before the new key had its final name".to_owned());
        }
    }

    fn tell_uncommitted(&self, what: String) {
        let next = "every target holds the new key and it works; the next run replaces it in good order";
        self.unfinished(Problem::new(what, next));
    }

    async fn settle_replaced(&self, seen: &Observation, rotate: &Rotate) {
        if self.policy.keeps_replaced() {
            self.leave_pending(seen, rotate).await;
        } else {
            self.retire(seen, &rotate.replaces).await;
        }
    }

    async fn retire(&self, seen: &Observation, replaced: &[KeyId]) {
        let settled =
            |id: &&KeyId| !matches!(self.memory.borrow().fate(id), Some(KeyFate::Deleted | KeyFate::Disabled));
        let replaced: Vec<_> = replaced.iter().filter(settled).collect();
        let all = replaced.into_iter().map(async |id| match self.retire_one(id, async || self.may_retire()).await {
            Ok(fate) => self.memory.borrow_mut().set_fate(id, fate),
            Err(problem) => self.stray(id, problem),
        });
        join_all(all).await;
        self.confirm_deaths(seen).await;
    }

    /// Deletes a replaced key or switches it off, and says what it is now.
    async fn retire_one(&self, id: &KeyId, gate: impl AsyncFn() -> Result<(), Abort>) -> Result<KeyFate, Problem> {
        let name = self.name_of(id);
        let (fate, word) = if self.policy.retire() == Retire::Disable {
            self.disable_if(id, gate).await?;
            (KeyFate::Disabled, "disabled")
        } else {
            self.delete_if(id, gate).await?;
            (KeyFate::Deleted, "deleted")
        };
        self.note(format!("{name} is {word}"));
        let mut memory = self.memory.borrow_mut();
        if memory.key(id).is_some_and(|key| key.waiting.is_some()) {
            memory.retired.push(name);
        }
        drop(memory);
        Ok(fate)
    }

    /// Keys of dead runs are renamed, so that they wait with the others; never before the commit, or one of them could
    /// be taken for the current key.
    async fn leave_pending(&self, seen: &Observation, rotate: &Rotate) {
        let until = later(self.issuer_now(seen), self.policy.grace());
        let waiting = |id: &KeyId| match self.policy.retire() {
            Retire::Keep => KeyFate::Kept,
            Retire::Delete | Retire::Disable => {
                let until = seen.row(id).map_or(until, |row| at_latest_until(row, until));
                KeyFate::Pending { until, drains: self.policy.drains() }
            }
        };
        if let Some(id) = rotate.ended.as_ref().filter(|_| self.policy.retire() != Retire::Keep) {
            self.retire(seen, std::slice::from_ref(id)).await;
        }
        if let Some(id) = &rotate.stays {
            self.memory.borrow_mut().set_fate(id, KeyFate::Kept);
        }
        for id in &rotate.replaces {
            let fate = waiting(id);
            let mut memory = self.memory.borrow_mut();
            let settled =
                matches!(memory.fate(id), Some(KeyFate::Pending { .. } | KeyFate::Deleted | KeyFate::Disabled));
            let stays = memory.key(id).is_some_and(|key| key.undeleted) || rotate.in_use.contains(id);
            if !settled && !stays && !rotate.unconfirmed.contains(id) {
                memory.set_fate(id, fate);
            }
        }
        for id in &rotate.unconfirmed {
            let Some(name) = seen.row(id).and_then(|row| FamilyName::parse(&self.policy.key_name, &row.name)) else {
                continue;
            };
            let name = name.confirmed().to_string();
            let what = format!("rename {} to {name}", self.name_of(id));
            match self.rename_key(id, &name, &what, NotThere::Counts).await {
                Ok(_) => {
                    let mut memory = self.memory.borrow_mut();
                    memory.set_name(id, name);
                    memory.set_fate(id, waiting(id));
                }
                Err(unwritten) => {
                    if let Abort::Failed(problem) = unwritten.into_abort(&what) {
                        self.stray(id, problem);
                    }
                }
            }
        }
    }

    /// The issuer's time now, counted on from its last list.
    pub(super) fn issuer_now(&self, seen: &Observation) -> Timestamp {
        later(seen.now(), seen.clock.age(self.clock()))
    }

    /// Until the new key has its final name, other runs take the replaced one for current, and may put it back as soon
    /// as this run's lease is over.
    fn may_retire(&self) -> Result<(), Abort> {
        if self.memory.borrow().commit == Commit::Done { Ok(()) } else { self.lease_gate() }
    }

    /// Deletes a key. "Not found" counts when the key is gone from every page of the list.
    pub(super) async fn delete(&self, id: &KeyId) -> Result<(), Problem> {
        self.delete_if(id, async || Ok(())).await
    }

    async fn delete_if(&self, id: &KeyId, gate: impl AsyncFn() -> Result<(), Abort>) -> Result<(), Problem> {
        let what = format!("delete {} ({id})", self.name_of(id));
        let act = Act::Delete { id: id.clone() };
        let answer = self.write(act, &what, gate, async || self.issuer.delete(id).await).await;
        let failed = match answer {
            Ok(Deletion::Deleted) if !self.policy.leaked || self.is_gone(id).await => return Ok(()),
            Ok(Deletion::Deleted) => {
                let why = "the issuer answered with success, and its list does not show that the key is gone";
                return Err(Problem::new(format!("{what}: {why}"), self.issuer.manual(id)));
            }
            Ok(Deletion::NotFound) => Problem::bare(format!("{what}: not found, yet still listed")),
            Err(unwritten) => not_retired(&what, unwritten),
        };
        self.listed_as(id, |row, _| row.is_none(), failed).await
    }

    /// Whether the list shows, now or soon, that a key is dead. Of a leaked one nobody's word is taken.
    async fn is_gone(&self, id: &KeyId) -> bool {
        for made in 1..=self.ctx.retry.attempts {
            if let Ok((listing, _)) = self.list().await
                && listing.keys.iter().find(|row| row.id == *id).is_none_or(|row| row.disabled)
            {
                return true;
            }
            if made < self.ctx.retry.attempts && self.pause(FIRST_WAIT).await.is_err() {
                break;
            }
        }
        false
    }

    /// Switches a key off. An issuer that answers with success need not have done it: its answer, else its list, says so.
    async fn disable_if(&self, id: &KeyId, gate: impl AsyncFn() -> Result<(), Abort>) -> Result<(), Problem> {
        let what = format!("disable {} ({id})", self.name_of(id));
        let act = Act::Disable { id: id.clone() };
        let answer = self.write(act, &what, gate, async || self.issuer.set_disabled(id, true).await).await;
        let failed = match answer {
            Ok(Some(true)) => return Ok(()),
            Ok(_) => Problem::bare(format!("{what}: the issuer does not show that it is")),
            Err(unwritten) => not_retired(&what, unwritten),
        };
        let dead = |row: Option<&KeyRow>, now| row.is_none_or(|row| row.disabled || has_expired(row, now));
        self.listed_as(id, dead, failed).await
    }

    /// What did not succeed, unless the list says that it did.
    async fn listed_as(
        &self,
        id: &KeyId,
        wanted: impl FnOnce(Option<&KeyRow>, Timestamp) -> bool,
        failed: Problem,
    ) -> Result<(), Problem> {
        match self.list().await {
            Ok((listing, _)) if wanted(listing.keys.iter().find(|row| row.id == *id), listing.date) => Ok(()),
            _ => Err(Problem { next: Some(self.issuer.manual(id)), ..failed }),
        }
    }

    /// A key is left alive that should not be.
    pub(super) fn stray(&self, id: &KeyId, problem: Problem) {
        let fate = KeyFate::Stray { reason: StrayReason::Other(problem.what.clone()) };
        let mut memory = self.memory.borrow_mut();
        memory.set_fate(id, fate);
        memory.key_mut(id).undeleted = true;
        drop(memory);
        self.trouble(problem);
    }

    pub(super) fn name_of(&self, id: &KeyId) -> String {
        self.memory.borrow().key(id).and_then(|key| key.name.clone()).unwrap_or_else(|| id.to_string())
    }
}

fn not_retired(what: &str, unwritten: Unwritten) -> Problem {
    let why = match unwritten.into_abort(what) {
        Abort::Failed(problem) => return problem,
        Abort::GiveWay(_) => "the lease ended before it succeeded",
        _ => "the run was told to stop",
    };
    Problem::bare(format!("{what}: {why}"))
}
