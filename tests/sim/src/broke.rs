//! What a schedule can break, and what it may when an assumption does not hold.

use std::fmt;

use crate::assumption::Assumption;

/// A kind of broken promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// 1 and 2: a place that held a live key holds a dead one, or none.
    Outage,
    /// 3: the outcome shows a key.
    Leak,
    /// 4, and what the exit table says: the outcome says what is not so.
    Lie,
    /// 5: clean runs do not end with one live key in every target.
    NotHealed,
    /// 6: a key has more rights than the ones before it.
    Wider,
    /// A run that is told to stop ends within 7 seconds.
    Stops,
    /// A run ends.
    Ends,
    /// A panic.
    Panic,
}

impl Promise {
    /// Whether it may break when this assumption does: what `SECURITY.md` says is lost.
    #[must_use]
    pub fn rests_on(self, assumption: Assumption) -> bool {
        match assumption {
            // A late write overwrites whatever was written meanwhile, and nobody can tell of it beforehand.
            Assumption::A1 => matches!(self, Self::Outage | Self::Lie),
            // A key that is not listed is not named.
            Assumption::A2 => matches!(self, Self::Lie),
            // A write is attributed to the wrong key: held back for good, or a person's own write is not noticed.
            Assumption::A3 => matches!(self, Self::Outage | Self::NotHealed),
        }
    }
}

/// One broken promise, with what was seen.
#[derive(Clone, Debug)]
pub struct Broke {
    /// Which.
    pub promise: Promise,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Broke {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.promise, self.what)
    }
}
