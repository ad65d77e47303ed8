//! Writing the new key to every target, and looking at every target again.

use std::cell::Cell;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::rotation::clock::{earlier, later};
use crate::rotation::exec::run::{Abort, NewKey, Run};
use crate::rotation::ledger::Act;
use crate::rotation::model::{Held, Written};
use crate::rotation::outcome::{Event, Problem};
use crate::rotation::plan::Rotate;
use crate::rotation::plan::observation::Observation;
use crate::rotation::ports::SecretStore;
use crate::secret::Secret;

/// GitHub shows whole seconds, and the server that stamps a write need not be the one that answers it.
pub(super) const STAMP_TOLERANCE: Duration = Duration::from_secs(1);

/// What a look showed so long ago may have changed since; what a write waits for may take longer.
const LOOK_IS_NEWS: Duration = Duration::from_secs(10);

/// So often an empty target is looked at before its write, where that has to wait.
const MAX_LOOKS: usize = 3;

impl Run<'_> {
    /// Writes every target: the one not written for longest alone, so that a refusal finds nothing written; then the
    /// rest, `parallel` at a time. After a failure nothing more is begun; what is under way is waited for.
    pub(super) async fn distribute(&self, seen: &Observation, rotate: &Rotate) -> Result<(), Abort> {
        let Some(new) = self.new_key() else { return Ok(()) };
        let empty = |target: usize| seen.targets.get(target).is_some_and(|seen| seen.held == Held::Nothing);
        let mut queue = rotate.order.iter().copied();
        let mut writes = FuturesUnordered::new();
        if let Some(first) = queue.next() {
            self.write_target(first, &new, empty(first)).await?;
        }
        let mut trouble = None;
        loop {
            while writes.len() < self.policy.parallel
                && trouble.is_none()
                && let Some(target) = queue.next()
            {
                writes.push(self.write_target(target, &new, empty(target)));
            }
            match writes.next().await {
                None => break,
                Some(Err(abort)) => {
                    trouble.get_or_insert(abort);
                }
                Some(Ok(())) => {}
            }
        }
        trouble.map_or(Ok(()), Err)
    }

    async fn write_target(&self, target: usize, new: &NewKey, empty: bool) -> Result<(), Abort> {
        let Some(store) = self.targets.get(target) else { return Ok(()) };
        let name = store.name();
        let began = self.clock().elapsed();
        let gate = async || {
            let untouched = !self.memory.borrow().ledger.targets_touched().contains(&target);
            if empty && untouched {
                self.ready_for_an_empty_target(target, store.as_ref()).await?;
            } else {
                self.read(&name, async || store.ready().await).await?;
            }
            self.may_write(&name, store.as_ref(), Some(&new.value)).await
        };
        let written = self.write(Act::Write { target }, &name, gate, async || store.write(&new.value).await).await;
        let took = self.clock().elapsed().saturating_sub(began);
        let done = {
            let mut memory = self.memory.borrow_mut();
            if let Some(progress) = memory.targets.get_mut(target) {
                progress.took = Some(took);
                progress.written = written.as_ref().ok().copied();
            }
            memory.targets.iter().filter(|progress| progress.written.is_some()).count()
        };
        match written {
            Ok(_) => {
                self.note_of(target, store.as_ref());
                self.event(&Event::Wrote { target: &name, took, done, of: self.targets.len() });
                Ok(())
            }
            Err(unwritten) => {
                let abort = unwritten.into_abort(&name);
                if let Abort::Failed(problem) = &abort {
                    self.detail(target, problem.beside_its_name());
                }
                Err(abort)
            }
        }
    }

    /// Putting back removes a secret where there was none. What someone else wrote there while the new key was proved could be
    /// put back by nobody, so that it is left alone. The look has to be over before a write's turn is taken: a turn may not
    /// wait for another.
    async fn ready_for_an_empty_target(&self, target: usize, store: &dyn SecretStore) -> Result<(), Abort> {
        let name = store.name();
        let mut looks = 0;
        loop {
            if let Held::Since(_) = self.read(&name, async || store.last_write().await).await?.held {
                self.detail(target, "it was written meanwhile");
                let next = "find out who else writes this secret, then run once with rotate-after: 0s; for a first key, remove \
                            it or name its key in replace-key-id";
                return Err(Abort::Failed(Problem::about(
                    &name,
                    "it held nothing when this run began, and holds a secret now, not by this run",
                    Some(next.to_owned()),
                )));
            }
            looks += 1;
            let looked = self.clock().elapsed();
            self.read(&name, async || store.ready().await).await?;
            if looks == MAX_LOOKS || self.clock().elapsed().saturating_sub(looked) < LOOK_IS_NEWS {
                return Ok(());
            }
            store.release();
        }
    }

    /// Whatever a write has to wait for was waited for; the lease comes last.
    async fn may_write(&self, name: &str, store: &dyn SecretStore, value: Option<&Secret>) -> Result<(), Abort> {
        let staged = async {
            match value {
                Some(value) => self.read(name, async || store.stage(value).await).await,
                None => Ok(()),
            }
        };
        staged.await.and_then(|()| self.lease_gate()).inspect_err(|_| store.release())
    }

    fn note_of(&self, target: usize, store: &dyn SecretStore) {
        if let Some(noted) = store.noted() {
            self.detail(target, &noted);
        }
    }

    pub(super) fn detail(&self, target: usize, text: &str) {
        if let Some(progress) = self.memory.borrow_mut().targets.get_mut(target) {
            progress.detail = Some(text.to_owned());
        }
    }

    /// Every target is looked at again: what can be read back is equal, the rest shows no later write than ours.
    pub(super) async fn look_again(&self) -> Result<(), Abort> {
        let Some(new) = self.new_key() else { return Ok(()) };
        let done = Cell::new(0);
        let looks: Vec<_> = self
            .targets
            .iter()
            .enumerate()
            .map(|(target, store)| self.looking(&done, self.look_at_written(target, store.as_ref(), &new)))
            .collect();
        stream::iter(looks).buffer_unordered(self.policy.looks(1)).try_collect::<Vec<()>>().await.map(|_| ())
    }

    async fn look_at_written(&self, target: usize, store: &dyn SecretStore, new: &NewKey) -> Result<(), Abort> {
        let name = store.name();
        let written = self.memory.borrow().targets.get(target).and_then(|progress| progress.written);
        let Some(written) = written else { return Ok(()) };
        if let Some(value) = self.read(&name, async || store.read_back().await).await?
            && value != new.value
        {
            return Err(self.someone_else(target, &name, "it holds another value than the one written"));
        }
        let sighting = self.read(&name, async || store.last_write().await).await?;
        match sighting.held {
            Held::Nothing => Err(self.someone_else(target, &name, "the secret is gone")),
            Held::Since(at) if at > later(written.date, STAMP_TOLERANCE) => {
                Err(self.someone_else(target, &name, &format!("it was written again at {at}")))
            }
            Held::Since(at) if at < earlier(written.date, self.longest_write()) => Err(Abort::Failed(Problem::new(
                format!("{name}: the write was answered, but the secret was last updated at {at}"),
                "run it again; if it stays so, ask the place's operator",
            ))),
            Held::Since(_) => Ok(()),
        }
    }

    /// Every target is looked at once more before the current key's new commit would hide a write of someone else.
    pub(super) async fn look_at_put_back(&self, seen: &Observation) -> Result<(), Abort> {
        let done = Cell::new(0);
        let looks: Vec<_> = self
            .targets
            .iter()
            .zip(&seen.targets)
            .enumerate()
            .map(|(target, (store, before))| {
                self.looking(&done, self.look_at_one_put_back(target, store.as_ref(), before.held))
            })
            .collect();
        stream::iter(looks).buffer_unordered(self.policy.looks(1)).try_collect::<Vec<()>>().await.map(|_| ())
    }

    async fn look_at_one_put_back(&self, target: usize, store: &dyn SecretStore, before: Held) -> Result<(), Abort> {
        let name = store.name();
        let put_back = self.memory.borrow().targets.get(target).and_then(|progress| progress.put_back);
        let now = match (self.read(&name, async || store.last_write().await).await, put_back) {
            (Ok(sighting), _) => sighting.held,
            // It was written a moment ago, and may be what could not be looked at before.
            (Err(_), Some(_)) => return Ok(()),
            (Err(abort), None) => return Err(abort),
        };
        let right = match (put_back, now) {
            (None, now) => now == before,
            (Some(_), Held::Nothing) => before == Held::Nothing,
            (Some(written), Held::Since(at)) => at <= later(written.date, STAMP_TOLERANCE),
        };
        if right { Ok(()) } else { Err(self.someone_else(target, &name, "it was written meanwhile")) }
    }

    fn longest_write(&self) -> Duration {
        self.settled_after() + 2 * STAMP_TOLERANCE
    }

    fn someone_else(&self, target: usize, name: &str, how: &str) -> Abort {
        self.detail(target, how);
        Abort::Hold(Problem::new(
            format!("{name}: {how}, not by this run"),
            "find out who else writes this secret; the next run writes it again",
        ))
    }

    /// Writes the old value back to one target, or removes the secret where there was none.
    pub(super) async fn put_back_target(&self, target: usize, old: Option<&Secret>) -> Result<(), Abort> {
        let Some(store) = self.targets.get(target) else { return Ok(()) };
        let name = format!("{}: put back", store.name());
        let gate = async || {
            self.read(&name, async || store.ready().await).await?;
            self.may_write(&name, store.as_ref(), old).await
        };
        let send = async || match old {
            Some(value) => store.write_back(value).await,
            None => store.remove().await.map(|()| Written { date: jiff::Timestamp::UNIX_EPOCH }),
        };
        let written = self.write(Act::PutBack { target }, &name, gate, send).await;
        let written = written.map_err(|failed| failed.into_abort(&name))?;
        if let Some(progress) = self.memory.borrow_mut().targets.get_mut(target) {
            progress.put_back = Some(written);
        }
        self.note_of(target, store.as_ref());
        self.note(format!("{}: holds what it held before", store.name()));
        Ok(())
    }
}
