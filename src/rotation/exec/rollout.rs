//! Behind the writes and before anything is retired: whoever uses a target takes up the key that it holds.
//!
//! It may take minutes, in which the lease is renewed. Its failure is that of a refused target. Where a value is put back
//! it is taken up once more before the new key is deleted: a process that was restarted holds the new one.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::humanize::span;
use crate::rotation::exec::run::{Abort, Run};
use crate::rotation::ledger::Act;
use crate::rotation::model::{Rollout, RolloutStatus};
use crate::rotation::outcome::{Event, Problem};
use crate::rotation::ports::SecretStore;
use crate::rotation::step::Step;

/// A look costs a request, and there may be hundreds of targets for many minutes.
const FIRST_LOOK: Duration = Duration::from_secs(1);
const LONGEST_BETWEEN_LOOKS: Duration = Duration::from_secs(15);

impl Run<'_> {
    /// Has every target taken up that asks for it, `parallel` at a time.
    pub(super) async fn start_rollout(&self) -> Result<(), Abort> {
        let asking = self.asking(|_, _| true);
        if asking.is_empty() {
            return Ok(());
        }
        self.step(Step::Rollout, self.roll_out_all(asking)).await
    }

    /// Has the value that was put back taken up, wherever the new one may have been.
    pub(super) async fn roll_out_again(&self) -> Result<(), Abort> {
        self.roll_out_all(self.to_roll_out_again()).await
    }

    /// The targets where deleting the new key would hit whoever has taken it up.
    pub(super) fn to_roll_out_again(&self) -> Vec<(usize, Rollout)> {
        let memory = self.memory.borrow();
        let touched = memory.ledger.targets_touched();
        // A process that starts by itself takes up what the target holds, whether it was restarted or not.
        let may_be = |target| touched.contains(&target) || memory.ledger.may_be_rolled_out(target);
        self.asking(|target, rollout| rollout.when_put_back && may_be(target))
    }

    fn asking(&self, whether: impl Fn(usize, &Rollout) -> bool) -> Vec<(usize, Rollout)> {
        let rollouts = self.targets.iter().enumerate().filter_map(|(target, store)| Some((target, store.rollout()?)));
        rollouts.filter(|(target, rollout)| whether(*target, rollout)).collect()
    }

    /// The first failure ends all of it: nothing is waited for that can't help any more.
    async fn roll_out_all(&self, asking: Vec<(usize, Rollout)>) -> Result<(), Abort> {
        let all: Vec<_> = asking.into_iter().map(|(target, rollout)| self.roll_out_one(target, rollout)).collect();
        stream::iter(all).buffer_unordered(self.policy.parallel).try_collect::<Vec<()>>().await.map(|_| ())
    }

    async fn roll_out_one(&self, target: usize, rollout: Rollout) -> Result<(), Abort> {
        let Some(store) = self.targets.get(target) else { return Ok(()) };
        let what = format!("{}: {}", store.name(), rollout.what);
        let taken = async {
            let act = Act::StartRollout { target };
            let begun = self.write(act, &what, async || self.lease_gate(), async || store.start_rollout().await).await;
            begun.map_err(|unwritten| unwritten.into_abort(&what))?;
            self.event(&Event::Waiting { what: format!("for {what}"), at_most: rollout.within });
            self.look_until_rolled_out(store.as_ref(), &what, rollout.within).await
        };
        match taken.await {
            Ok(told) => {
                let told = told.unwrap_or_else(|| "done".to_owned());
                self.note(format!("{what}: {told}"));
                self.detail(target, &format!("{}: {told}", rollout.what));
                Ok(())
            }
            Err(abort) => {
                if let Abort::Failed(problem) = &abort {
                    self.detail(target, &problem.what);
                }
                Err(abort)
            }
        }
    }

    async fn look_until_rolled_out(
        &self,
        store: &dyn SecretStore,
        what: &str,
        within: Duration,
    ) -> Result<Option<String>, Abort> {
        let until = self.clock().instant() + within;
        let mut wait = FIRST_LOOK;
        loop {
            let waits_for = match self.read(what, async || store.rollout_status().await).await? {
                RolloutStatus::Yes(told) => return Ok(told),
                RolloutStatus::NotYet(waits_for) => waits_for,
            };
            let left = until.saturating_duration_since(self.clock().instant());
            if left.is_zero() {
                return Err(Abort::Failed(Problem::new(
                    format!("{what}: not done within {}: {waits_for}", span(within)),
                    "find out why it takes so long, or give it more time; then run it again",
                )));
            }
            self.pause(wait.min(left)).await?;
            wait = (wait * 2).min(LONGEST_BETWEEN_LOOKS);
        }
    }
}
