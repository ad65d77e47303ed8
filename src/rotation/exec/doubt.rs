//! Writes that were refused in other words than the place's own: what came of them is looked at before the new key goes.

use futures_util::{StreamExt as _, stream};

use crate::rotation::clock::{Mark, earlier};
use crate::rotation::exec::distribute::STAMP_TOLERANCE;
use crate::rotation::exec::run::{Abort, Run};
use crate::rotation::model::Held;
use crate::rotation::plan::observation::Observation;

impl Run<'_> {
    /// Waits until such writes have taken effect or never will, and forgets those of which their targets show nothing. After
    /// a signal there is no time for it.
    pub(super) async fn look_at_doubtful(&self, seen: &Observation) {
        let doubted = self.memory.borrow().ledger.targets_doubted();
        if doubted.is_empty() || self.ctx.interrupt.requested() || self.settle().await.is_err() {
            return;
        }
        let looks: Vec<_> = doubted
            .into_iter()
            .map(async |(target, since)| {
                if let Ok(true) = self.is_unwritten(target, since, seen).await {
                    self.memory.borrow_mut().ledger.dismiss_writes(target);
                }
            })
            .collect();
        let looks = stream::iter(looks).buffer_unordered(self.policy.looks(1)).collect::<Vec<()>>();
        // A lease that is lost meanwhile changes nothing of what was seen.
        let _ = self.while_renewing(async { Ok(looks.await) }).await;
    }

    /// Whether a target certainly does not hold what this run began to write at `since`: its last write is the one that was
    /// seen at first, and whatever can be read there is not the new key.
    async fn is_unwritten(&self, target: usize, since: Mark, seen: &Observation) -> Result<bool, Abort> {
        let (Some(store), Some(before), Some(new)) =
            (self.targets.get(target), seen.targets.get(target), self.new_key())
        else {
            return Ok(false);
        };
        let name = store.name();
        let other = self.read(&name, async || store.read_back().await).await?.map(|value| value != new.value);
        if !store.shows_times() {
            return Ok(other == Some(true));
        }
        let now = self.read(&name, async || store.last_write().await).await?;
        // A write in the second of the one before it would show the same time.
        let ours = earlier(now.date, self.clock().at_most_since(since) + STAMP_TOLERANCE);
        let unchanged = match before.held {
            Held::Nothing => now.held == Held::Nothing,
            Held::Since(at) => now.held == before.held && at < ours,
        };
        Ok(unchanged && other != Some(false))
    }
}
