//! A rotation as it is carried out: observe, plan, then create, prove, distribute, confirm, commit and retire; on the way
//! a ledger of every write, and after a failure a decision over that ledger.

mod commit;
mod create;
mod death;
mod distribute;
mod doubt;
pub(super) mod found;
mod guardrails;
mod never_issued;
mod observe;
mod outcome_builder;
mod own;
mod own_row;
mod prove;
pub(super) mod reenable;
mod renewal;
mod rollout;
pub(super) mod run;
mod undo;

use std::time::Duration;

use crate::rotation::exec::outcome_builder::End;
use crate::rotation::exec::run::{Abort, Context, Restart, Run};
use crate::rotation::exec::undo::Undone;
use crate::rotation::lease::Naming;
use crate::rotation::model::KeyId;
use crate::rotation::outcome::{Event, KeyFate, Outcome, Problem};
use crate::rotation::plan::observation::Observation;
use crate::rotation::plan::pending::Pending;
use crate::rotation::plan::{Decision, Plan, Rotate, plan};
use crate::rotation::policy::Policy;
use crate::rotation::ports::{KeyIssuer, SecretStore};
use crate::rotation::step::Step;

/// An issuer that can't rename, found out late, and then two other spellings of a limit: more is not in the dialects.
const MAX_BEGINNINGS: usize = 4;

/// So often a run with `leaked` begins again after it gave way.
const MAX_GIVEN_WAY: u32 = 6;

/// And no more once so many request timeouts have passed: a machine that stands still again and again is not another run.
const GIVES_WAY_WITHIN: u32 = 30;

/// Rotates: makes true what the policy asks, and is safe to repeat. Never fails: what went wrong is in the outcome.
pub async fn rotate(
    issuer: &dyn KeyIssuer,
    targets: &[Box<dyn SecretStore>],
    policy: &Policy,
    context: &Context<'_>,
) -> Outcome {
    let run = Run::new(issuer, targets, policy, context);
    let (end, seen) = run.to_its_end().await;
    run.last_look().await;
    run.outcome(end, seen.as_ref())
}

/// Reads and decides, changes nothing.
pub async fn dry_run(
    issuer: &dyn KeyIssuer,
    targets: &[Box<dyn SecretStore>],
    policy: &Policy,
    context: &Context<'_>,
) -> Outcome {
    let run = Run::new(issuer, targets, policy, context);
    let observed = tokio::select! {
        biased;
        observed = run.step(Step::Observe, run.look(false)) => observed,
        () = context.interrupt.in_flight_over(&context.clock) => Err(Abort::Interrupted),
    };
    let seen = match observed {
        Ok(seen) => seen,
        Err(abort) => {
            let end = run.blind(abort);
            return run.outcome(end, None);
        }
    };
    let naming = if seen.listing.may_rename { Naming::Renaming } else { Naming::Immutable };
    let plan = plan(&seen, policy, naming);
    run.remember(&seen, &plan);
    let lines = plan.describe(&seen, policy);
    run.event(&Event::Plan(&lines));
    match plan.decision {
        Decision::Blocked(blocked, others) => run.outcome(End::Blocked(blocked, others), Some(&seen)),
        _ => run.outcome(End::Planned(lines), Some(&seen)),
    }
}

impl Run<'_> {
    async fn to_its_end(&self) -> (End, Option<Observation>) {
        let (mut fixed, mut gave_way, mut beginnings) = (false, 0, 0);
        let mut last_seen = None;
        while beginnings < MAX_BEGINNINGS {
            let began = self.clock().elapsed();
            let observed = tokio::select! {
                biased;
                observed = self.step(Step::Observe, self.observe(fixed)) => observed,
                () = self.ctx.interrupt.in_flight_over(self.clock()) => Err(Abort::Interrupted),
            };
            let (seen, naming) = match observed {
                Ok(observed) => observed,
                Err(abort) => return (self.blind(abort), last_seen),
            };
            let plan = plan(&seen, self.policy, naming);
            self.remember(&seen, &plan);
            self.event(&Event::Plan(&plan.describe(&seen, self.policy)));
            match self.carry_out(&seen, plan).await {
                Ok(end) => return (end, Some(seen)),
                Err(Restart::WithoutRenames) => {
                    self.note("this issuer does not rename keys: beginning again without");
                    (fixed, beginnings) = (true, beginnings + 1);
                }
                Err(Restart::WithOtherSpelling) => {
                    self.note("the spending limit was not taken: trying its other name");
                    beginnings += 1;
                }
                Err(Restart::BehindAnother(problem)) => {
                    gave_way += 1;
                    let took = self.clock().elapsed().saturating_sub(began);
                    if let Some(end) = self.wait_behind_another(problem, (gave_way, took)).await {
                        return (end, Some(seen));
                    }
                }
            }
            self.begin_again();
            last_seen = Some(seen);
        }
        self.trouble(Problem::new("the issuer behaves differently each time", "run it again later"));
        (End::Undone(Undone::Nothing), last_seen)
    }

    /// Runs that begin at the same moment all give way, and a leaked key would live on. So a run with `leaked` begins again,
    /// each after a time of its own and later each time: sooner or later one of them is alone. Where servers are slow, runs
    /// that begin further apart meet too: the longer the last beginning took, the longer the wait.
    async fn wait_behind_another(&self, problem: Problem, (nth, took): (u32, Duration)) -> Option<End> {
        if nth > MAX_GIVEN_WAY {
            self.trouble(problem);
            return Some(End::Undone(Undone::Back));
        }
        self.note(format!("{}: beginning again, since `leaked` is set", problem.what));
        let longest = took.max(self.policy.request_timeout / 4) * nth;
        let apart = longest.mul_f64(self.ctx.rng.borrow_mut().f64());
        match self.pause(apart).await {
            Ok(()) => None,
            Err(abort) => {
                self.trouble_of(abort);
                Some(End::Undone(Undone::Back))
            }
        }
    }

    /// A run that gives way has no say any more; but nothing that it wrote keeps a run with `leaked` from beginning again.
    fn may_begin_again(&self) -> bool {
        let wrote = !self.memory.borrow().ledger.targets_touched().is_empty();
        let in_time = self.clock().elapsed() <= self.policy.request_timeout * GIVES_WAY_WITHIN;
        self.policy.leaked && in_time && !wrote && !self.ctx.interrupt.requested()
    }

    fn blind(&self, abort: Abort) -> End {
        self.trouble_of(abort);
        End::Blind
    }

    fn remember(&self, seen: &Observation, plan: &Plan) {
        for notice in &plan.notices {
            self.notice(notice.clone());
        }
        if let Some(notice) = plan.notice(self.policy) {
            self.tell_of_plan(notice.to_owned());
        }
        let mut memory = self.memory.borrow_mut();
        memory.current.clone_from(&plan.current);
        memory.found.clone_from(&plan.found);
        let live = |id: &KeyId| seen.live().iter().any(|row| row.id == *id);
        memory.ended = plan.current.as_ref().is_some_and(|id| !live(id));
        memory.targets.resize_with(self.targets.len(), Default::default);
        memory.keys.values_mut().for_each(|key| key.waiting = None);
        for key in &plan.pending {
            memory.key_mut(&key.id).waiting = Some(key.standing.clone());
        }
        for (id, value) in death::values_in_hand(seen, self.policy, &plan.found) {
            memory.key_mut(&id).value = Some(value);
        }
        for row in &seen.listing.keys {
            memory.set_name(&row.id, &row.name);
        }
    }

    async fn carry_out(&self, seen: &Observation, plan: Plan) -> Result<End, Restart> {
        let rotate = match plan.decision {
            Decision::Blocked(blocked, others) => {
                if let Some(id) = &plan.try_renames_on {
                    self.try_renames(seen, id).await?;
                }
                return Ok(End::Blocked(blocked, others));
            }
            Decision::NotDue { reason, attention } => {
                self.settle_first(seen, &plan.pending).await?;
                return Ok(End::NotDue { reason, attention });
            }
            Decision::Rotate(rotate) => {
                self.settle_first(seen, &plan.pending).await?;
                rotate
            }
        };
        let forward = tokio::select! {
            biased;
            forward = Box::pin(self.forward(seen, &rotate, plan.naming)) => forward,
            () = self.ctx.interrupt.in_flight_over(self.clock()) => Err(Abort::Interrupted),
        };
        let ended = match forward {
            Ok(()) => {
                let committed = self.in_time(Box::pin(self.commit(seen, &rotate, plan.naming))).await;
                committed.unwrap_or_else(|| {
                    self.tell_if_uncommitted();
                    Ok(())
                })
            }
            Err(abort) => Err(abort),
        };
        match ended {
            Ok(()) => {
                self.report_leaks(&rotate);
                Ok(End::Rotated { reason: rotate.due.clone() })
            }
            Err(Abort::BeginAgain(again)) => self.undo_to_begin_again(again).await,
            Err(Abort::GiveWay(problem)) if self.may_begin_again() => {
                self.undo_to_begin_again(Restart::BehindAnother(problem)).await
            }
            Err(abort) => Ok(End::Undone(self.undo_in_time(abort, seen, &rotate).await)),
        }
    }

    /// A leaked key is retired although another place may hold it: a person has to look there.
    fn report_leaks(&self, rotate: &Rotate) {
        for report in &rotate.reports {
            self.unfinished(Problem::new(report.what.clone(), report.next.clone()));
        }
    }

    async fn settle_first(&self, seen: &Observation, pending: &[Pending]) -> Result<(), Restart> {
        if pending.is_empty() {
            return Ok(());
        }
        let settling = self.step(Step::Settle, self.settle_pending(seen, pending));
        let settled = tokio::select! {
            biased;
            settled = settling => settled,
            () = self.ctx.interrupt.in_flight_over(self.clock()) => Err(Abort::Interrupted),
        };
        match settled {
            Err(Abort::BeginAgain(again)) => Err(again),
            Err(abort) => {
                abort.into_problem().into_iter().for_each(|problem| self.unfinished(problem));
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    async fn forward(&self, seen: &Observation, rotate: &Rotate, naming: Naming) -> Result<(), Abort> {
        if let Some(id) = &rotate.adopt {
            self.step(Step::Adopt, self.adopt(seen, id)).await?;
        }
        self.step(Step::Create, self.create(seen, rotate, naming)).await?;
        self.while_renewing(async {
            self.step(Step::Prove, self.prove(seen, rotate, naming)).await?;
            self.step(Step::Distribute, self.distribute(seen, rotate)).await?;
            self.start_rollout().await
        })
        .await?;
        self.confirm().await
    }

    /// What someone else writes before the commit is not seen behind it, so nothing is waited for between the last look
    /// and the commit.
    pub(super) async fn confirm(&self) -> Result<(), Abort> {
        loop {
            self.settle().await?;
            let confirm = async { futures_util::try_join!(self.still_works(), self.look_again()).map(|_| ()) };
            self.step(Step::Confirm, self.while_renewing(confirm)).await?;
            if self.memory.borrow().ledger.unsettled_for(self.clock(), self.settled_after()).is_none() {
                return Ok(());
            }
        }
    }

    async fn undo_in_time(&self, abort: Abort, seen: &Observation, rotate: &Rotate) -> Undone {
        let undone = self.in_time(Box::pin(self.step(Step::Undo, self.undo(abort, seen, rotate)))).await;
        undone.unwrap_or_else(|| {
            self.tell_if_perhaps_deleted();
            Undone::Held
        })
    }

    /// The new key is deleted before the next attempt; if that fails there is none.
    async fn undo_to_begin_again(&self, again: Restart) -> Result<End, Restart> {
        self.unstoppable.set(true);
        self.in_time(self.revoke()).await;
        self.unstoppable.set(false);
        let gone = self.new_key().is_none_or(|new| self.memory.borrow().fate(&new.id) == Some(&KeyFate::NewRevoked));
        if gone {
            return Err(again);
        }
        if let Restart::BehindAnother(problem) = again {
            self.trouble(problem);
        }
        Ok(End::Undone(Undone::Held))
    }
}
