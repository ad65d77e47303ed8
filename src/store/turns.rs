//! One writer at a time where several targets share what is written with check-and-set: else all but one of them would be
//! refused in each round.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

/// What targets share, by its path.
#[derive(Default)]
pub(super) struct Turns(RefCell<HashMap<String, Rc<Shared>>>);

/// A thing that several targets lie in.
#[derive(Default)]
pub(super) struct Shared {
    free: Arc<Mutex<()>>,
    /// How often it was written.
    writes: Cell<u64>,
}

/// One target's place in the row. Nothing else of this run is written there as long as it has the turn.
#[derive(Default)]
pub(super) struct Turn {
    shared: RefCell<Option<Rc<Shared>>>,
    held: RefCell<Option<OwnedMutexGuard<()>>>,
    /// The writes that there were when it was read last.
    read_at: Cell<Option<u64>>,
}

impl Turn {
    fn shared(&self, turns: &Turns, path: &str) -> Rc<Shared> {
        let mut shared = self.shared.borrow_mut();
        let known = || Rc::clone(turns.0.borrow_mut().entry(path.to_owned()).or_default());
        Rc::clone(shared.get_or_insert_with(known))
    }

    /// It is about to be read.
    pub(super) fn reads(&self, turns: &Turns, path: &str) {
        self.read_at.set(Some(self.shared(turns, path).writes.get()));
    }

    /// Waits until nobody else writes there. `true`: what was read before is out of date.
    pub(super) async fn wait(&self, turns: &Turns, path: &str) -> (OwnedMutexGuard<()>, bool) {
        let shared = self.shared(turns, path);
        let own = self.held.take();
        let guard = match own {
            Some(guard) => guard,
            None => Arc::clone(&shared.free).lock_owned().await,
        };
        (guard, self.read_at.get() != Some(shared.writes.get()))
    }

    /// Keeps it for the write that follows at once. Until then whoever waited has it: given up halfway, it is free again.
    pub(super) fn keep(&self, guard: OwnedMutexGuard<()>) {
        *self.held.borrow_mut() = Some(guard);
    }

    /// The turn itself, to be given back at the end of a write.
    pub(super) fn writes(&self) -> Option<OwnedMutexGuard<()>> {
        if let Some(shared) = self.shared.borrow().as_ref() {
            shared.writes.set(shared.writes.get() + 1);
        }
        self.held.take()
    }

    /// Gives it back.
    pub(super) fn release(&self) {
        self.held.take();
    }
}
