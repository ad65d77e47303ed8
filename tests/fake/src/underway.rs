//! What was sent and has not arrived, on virtual time.
//!
//! A timer for each would cost the simulation a third of its time. Nobody can tell when something took effect but by looking
//! at the state, and whoever does that lets happen first what should have happened by then, each at its own time.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::fmt;

use tokio::time::Instant;

use crate::world::World;

type Effect = Box<dyn FnOnce(&World) + Send>;

struct Sent {
    arrives: Instant,
    /// What was sent first arrives first.
    nth: u64,
    effect: Effect,
}

impl Sent {
    fn turn(&self) -> Reverse<(Instant, u64)> {
        Reverse((self.arrives, self.nth))
    }
}

impl PartialEq for Sent {
    fn eq(&self, other: &Self) -> bool {
        self.turn() == other.turn()
    }
}

impl Eq for Sent {}

impl PartialOrd for Sent {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sent {
    fn cmp(&self, other: &Self) -> Ordering {
        self.turn().cmp(&other.turn())
    }
}

/// Effects by the time at which they happen.
#[derive(Default)]
pub(crate) struct Underway {
    sent: BinaryHeap<Sent>,
    count: u64,
}

impl fmt::Debug for Underway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Underway({})", self.sent.len())
    }
}

impl Underway {
    pub(crate) fn add(&mut self, arrives: Instant, effect: impl FnOnce(&World) + Send + 'static) {
        self.count += 1;
        self.sent.push(Sent { arrives, nth: self.count, effect: Box::new(effect) });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// The next effect, if it has happened by then.
    pub(crate) fn due(&mut self, now: Instant) -> Option<(Instant, Effect)> {
        let next = self.sent.peek().is_some_and(|sent| sent.arrives <= now);
        let sent = next.then(|| self.sent.pop()).flatten()?;
        Some((sent.arrives, sent.effect))
    }
}
