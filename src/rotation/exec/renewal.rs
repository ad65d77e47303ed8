//! Keeping this run's lease while it works, and waiting until lost attempts have settled.

use std::cell::Cell;

use tokio::time::Instant;

use crate::http::{Failure, Refusal};
use crate::rotation::clock::Mark;
use crate::rotation::exec::run::{Abort, Candidate, Restart, Run, Unwritten, problem};
use crate::rotation::lease::Naming;
use crate::rotation::ledger::Act;
use crate::rotation::model::{KeyId, Renamed};
use crate::rotation::name::FamilyName;
use crate::rotation::outcome::{Event, Problem};
use crate::rotation::plan::observation::Observation;

/// So many times an issuer may say that there is no key of this id, before that says that there is no such call.
const MAX_UNSEEN: u32 = 3;

/// Each wait for lost writes lasts for several renewals, whose answers may be lost in their turn.
const MAX_WAITS: u32 = 20;

/// What it means that the issuer says there is no key of this id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotThere {
    /// It may not have heard of it yet.
    MayPass,
    /// It is so.
    Counts,
}

impl Run<'_> {
    /// Whether a write to a target that begins now is within this run's lease.
    pub(super) fn lease_gate(&self) -> Result<(), Abort> {
        let holds = self.memory.borrow().candidate.as_ref().is_some_and(|it| it.lease.may_write(self.clock()));
        if holds { Ok(()) } else { Err(Abort::GiveWay(lease_lost())) }
    }

    /// Does the work, renewing the lease beside it. A renewal under way is waited for: a dropped one would be unknown.
    pub(super) async fn while_renewing<T>(&self, work: impl Future<Output = Result<T, Abort>>) -> Result<T, Abort> {
        tokio::pin!(work);
        loop {
            let Some(due) = self.renewal_due() else { return work.await };
            tokio::select! {
                biased;
                out = &mut work => return out,
                () = self.clock().sleep_until(due) => {}
            }
            let renewal = self.renew();
            tokio::pin!(renewal);
            tokio::select! {
                biased;
                renewed = &mut renewal => renewed?,
                out = &mut work => {
                    let renewed = renewal.await;
                    return out.and_then(|out| renewed.map(|()| out));
                }
            }
        }
    }

    fn renewal_due(&self) -> Option<Instant> {
        let memory = self.memory.borrow();
        let candidate = memory.candidate.as_ref()?;
        let due = candidate.lease.next_renewal()?;
        Some(if candidate.renewals == 0 { self.clock().instant() } else { due })
    }

    /// Gives the own key new digits. The first renewal also shows whether this issuer can rename at all.
    async fn renew(&self) -> Result<(), Abort> {
        // A key that was renamed before is known there: gone now, it must not be written for another moment.
        let unseen = Cell::new(if self.memory.borrow().renewals() == 0 { 0 } else { MAX_UNSEEN });
        loop {
            let Some(Candidate { key: new, lease, .. }) = self.memory.borrow().candidate.clone() else { return Ok(()) };
            if lease.is_lost(self.clock()) {
                return Err(Abort::GiveWay(lease_lost()));
            }
            let name = new.name.renewed(&mut self.ctx.rng.borrow_mut());
            let sent = self.clock().now();
            let entry = self.enter(Act::Rename { id: new.id.clone() }, sent);
            let asked = name.to_string();
            self.memory.borrow_mut().own_names.insert(asked.clone());
            let rename = self.rename(&new.id, &asked, &unseen);
            let answer = self.clock().timeout(lease.renewal_timeout(), rename).await.unwrap_or_else(|| {
                Err(Failure::Unknown { message: "no answer to the renewal in time".into(), retry_after: None })
            });
            self.answered(entry, &answer);
            match answer {
                Ok(renamed) => return self.renewed(name, sent, &renamed),
                Err(Failure::Refused(refusal) | Failure::Doubtful(refusal)) if self.memory.borrow().renewals() == 0 => {
                    return Err(self.rename_refused(&new.id, "rename the new key", refusal).await);
                }
                Err(failure @ Failure::Refused(_)) => {
                    return Err(Abort::GiveWay(problem("the new key could not be renewed", &failure)));
                }
                Err(_) => self.clock().sleep(lease.renewal_timeout() / 8).await,
            }
        }
    }

    /// Gives a key another name, asking until there is a definite answer.
    pub(super) async fn rename_key(
        &self,
        id: &KeyId,
        name: &str,
        what: &str,
        not_there: NotThere,
    ) -> Result<Renamed, Unwritten> {
        let unseen = Cell::new(if not_there == NotThere::MayPass { 0 } else { MAX_UNSEEN });
        let act = Act::Rename { id: id.clone() };
        self.write(act, what, async || Ok(()), async || self.rename(id, name, &unseen).await).await
    }

    /// Asks for another name.
    async fn rename(&self, id: &KeyId, name: &str, unseen: &Cell<u32>) -> Result<Renamed, Failure> {
        heard_of(self.rename_once(id, name).await, unseen)
    }

    /// Asks for another name, once. After a refusal that is not in the issuer's own words its list says what came of it.
    pub(super) async fn rename_once(&self, id: &KeyId, name: &str) -> Result<Renamed, Failure> {
        let answer = self.issuer.rename(id, name).await;
        if !matches!(answer, Err(Failure::Doubtful(_))) {
            return answer;
        }
        match self.issuer.list().await {
            Ok(listing) if listing.keys.iter().any(|row| row.id == *id && row.name == name) => {
                Ok(Renamed { name: Some(name.to_owned()), used: None })
            }
            _ => answer,
        }
    }

    /// What it means that the first rename of a run was refused. Only the answer that there is no such call, about a key
    /// that is still there, shows an issuer without renames: a run that took a concurrent delete or a passing refusal for
    /// that would make a key under a final name, which every later run takes for deployed.
    pub(super) async fn rename_refused(&self, id: &KeyId, what: &str, refusal: Refusal) -> Abort {
        if !is_no_such_call(&refusal) {
            return Abort::Failed(problem(what, &Failure::Refused(refusal)));
        }
        match self.list().await {
            Err(abort) => abort,
            Ok((listing, _)) if listing.keys.iter().any(|row| row.id == *id) => {
                Abort::BeginAgain(Restart::WithoutRenames)
            }
            Ok(_) => Abort::GiveWay(Problem::new(
                format!("{what}: the key {id} was deleted meanwhile"),
                "one run of a family at a time: give the workflow a concurrency group",
            )),
        }
    }

    /// Finds out, before a run stops, whether the issuer ignores renames: it gives a key another name for a moment.
    pub(super) async fn try_renames(&self, seen: &Observation, id: &KeyId) -> Result<(), Restart> {
        let (Some(row), Ok(())) = (seen.row(id), self.checkpoint()) else { return Ok(()) };
        let Some(other) = name_beside(&row.name, &self.policy.key_name) else { return Ok(()) };
        self.unstoppable.set(true);
        let tried = self.in_time(self.rename_for_a_moment(id, &row.name, &other)).await;
        self.unstoppable.set(false);
        tried.unwrap_or_else(|| {
            self.tell_renamed(id, &row.name, "the run was told to stop");
            Ok(())
        })
    }

    /// Only an answer that shows the old name, or says that there is no such call, shows an issuer without renames.
    async fn rename_for_a_moment(&self, id: &KeyId, name: &str, other: &str) -> Result<(), Restart> {
        let what = format!("rename {name} for a moment");
        let named = async |name: &str| self.rename_key(id, name, &what, NotThere::MayPass).await;
        match named(other).await {
            Ok(answer) if answer.name.as_deref() == Some(name) => return Err(Restart::WithoutRenames),
            Err(Unwritten::Failure(Failure::Doubtful(refusal))) if !is_no_such_call(&refusal) => {
                drop(Box::pin(self.settle()).await);
            }
            Err(Unwritten::Failure(Failure::Refused(refusal) | Failure::Doubtful(refusal))) => {
                if !is_no_such_call(&refusal) {
                    return Ok(());
                }
                let abort = self.rename_refused(id, &what, refusal).await;
                return if let Abort::BeginAgain(again) = abort { Err(again) } else { Ok(()) };
            }
            Ok(_) => {}
            // What was lost must not come after the name is given back.
            Err(_) => drop(Box::pin(self.settle()).await),
        }
        match named(name).await {
            Ok(answer) if answer.name.as_deref() == Some(name) => {}
            Ok(_) => self.tell_renamed(id, name, "the issuer's answer shows another name"),
            Err(unwritten) => match unwritten.into_abort(&what) {
                Abort::Failed(problem) => self.tell_renamed(id, name, &problem.what),
                _ => self.tell_renamed(id, name, "it could not be given its name back"),
            },
        }
        Ok(())
    }

    fn tell_renamed(&self, id: &KeyId, name: &str, why: &str) {
        self.unfinished(Problem::new(
            format!("the key {id} may have lost its name: {why}"),
            format!("rename the key {id} back to {name:?} by hand"),
        ));
    }

    fn renewed(&self, name: FamilyName, sent: Mark, answer: &Renamed) -> Result<(), Abort> {
        let mut memory = self.memory.borrow_mut();
        if memory.renewals() == 0 && answer.name.as_deref() != Some(&name.to_string()) {
            return Err(Abort::BeginAgain(Restart::WithoutRenames));
        }
        memory.used = answer.used.or(memory.used);
        if let Some(candidate) = memory.candidate.as_mut() {
            candidate.renewals += 1;
            candidate.lease.renewed(sent);
            candidate.key.name = name;
        }
        drop(memory);
        self.first_renewal.notify_one();
        Ok(())
    }

    /// Waits until the issuer has shown that it can rename.
    pub(super) async fn renewed_once(&self, naming: Naming) {
        while naming == Naming::Renaming && self.memory.borrow().renewals() == 0 {
            self.first_renewal.notified().await;
        }
    }

    /// Waits, renewing, until every attempt whose answer was lost has taken effect or never will.
    pub(super) async fn settle(&self) -> Result<(), Abort> {
        loop {
            let left = self.memory.borrow().ledger.unsettled_for(self.clock(), self.settled_after());
            let Some(left) = left else { return Ok(()) };
            let waits = {
                let mut memory = self.memory.borrow_mut();
                memory.waits += 1;
                memory.waits
            };
            if waits > MAX_WAITS {
                return Err(Abort::Hold(Problem::new(
                    "answers to renewals keep getting lost, so the run cannot tell whether they took effect",
                    "run it again when the issuer answers",
                )));
            }
            self.event(&Event::Waiting { what: "for an unanswered write to settle".into(), at_most: left });
            self.while_renewing(self.pause(left)).await?;
        }
    }
}

/// The answer to a call about a key that was just made, which may be unknown there for a moment; and what stands in between
/// may not know the call. That counts as a failure that passes until it has been `unseen` too often.
pub(super) fn heard_of<T>(answer: Result<T, Failure>, unseen: &Cell<u32>) -> Result<T, Failure> {
    if unseen.get() + 1 >= MAX_UNSEEN {
        return answer;
    }
    let passes = match answer {
        Err(Failure::Refused(refusal)) if refusal.status == Some(404) => {
            Failure::Transient { message: refusal.message, retry_after: None }
        }
        Err(Failure::Doubtful(refusal)) if is_no_such_call(&refusal) => {
            Failure::Unknown { message: refusal.message, retry_after: None }
        }
        answer => return answer,
    };
    unseen.set(unseen.get() + 1);
    Err(passes)
}

/// A name of the same length and letters, so that an issuer which takes the one takes the other, and outside the family.
fn name_beside(name: &str, family: &str) -> Option<String> {
    let mut letters: Vec<char> = name.chars().collect();
    let last = letters.last_mut()?;
    *last = if *last == 'x' { 'y' } else { 'x' };
    let other: String = letters.into_iter().collect();
    FamilyName::parse(family, &other).is_none().then_some(other)
}

/// Statuses for a call that is not there. 404 is also for a key that is not.
fn is_no_such_call(refusal: &Refusal) -> bool {
    matches!(refusal.status, Some(404 | 405 | 501))
}

fn lease_lost() -> Problem {
    Problem::new(
        "this run's lease on the family ran out: the machine or the issuer stood still for too long",
        "run it again; a larger request-timeout makes the lease longer",
    )
}
