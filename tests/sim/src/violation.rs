//! What a schedule can break, and what it may when an assumption does not hold.

use std::fmt;

use crate::assumption::Assumption;
use crate::schedule::{Renames, Schedule};

/// A kind of broken promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
#[value(rename_all = "PascalCase")]
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
    /// A key in use has fewer rights than the ones before it, or is of another kind.
    Narrower,
    /// 7: a run replaced what a person wrote into a target that can be read: text that is no key, or another live key.
    Overwrite,
    /// 2: a key was ended before the one in its place was proved again.
    Unproved,
    /// A replaced key stays alive for as long as `grace-period` says, and for a day where an earlier run may have said so.
    Grace,
    /// A run that is told to stop ends within 7 seconds.
    Stops,
    /// A run ends.
    Ends,
    /// A run that is told that the key leaked does not give way for good to runs that begin beside it.
    Leaked,
    /// A panic.
    Panic,
}

impl Promise {
    /// Whether it may break in this schedule because of an assumption that does not hold there: what `docs/protocol.md` says
    /// is lost, and no more.
    #[must_use]
    pub fn may_break(self, schedule: &Schedule) -> bool {
        match (schedule.broken, self) {
            // A late write overwrites whatever was written meanwhile, and nobody can tell of it beforehand.
            (Some(Assumption::A1), Self::Outage | Self::Lie | Self::Overwrite) => true,
            // A key that is not listed is not named. Two runs that do not see each other take each other's key for none.
            (Some(Assumption::A2), Self::Lie) => true,
            // One of them deploys the key that later counts as replaced long ago.
            (Some(Assumption::A2), Self::Outage | Self::Grace) => schedule.has_runs_at_once(),
            // The new key is not listed when its rename is answered with "no such call", and counts as deleted.
            (Some(Assumption::A2), Self::NotHealed) => schedule.renames == Renames::NoSuchCall,
            // A write is attributed to the wrong key, so that a person's own write is not noticed.
            (Some(Assumption::A3), Self::Outage) => schedule.has_writes_by_hand(),
            // Whose a dead key was can't be told any more: a person makes one by hand.
            (Some(Assumption::A3), Self::NotHealed) => schedule.lifetime.is_some() || schedule.ends_keys_by_hand(),
            _ => false,
        }
    }
}

/// One broken promise, with what was seen.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Which.
    pub promise: Promise,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.promise, self.what)
    }
}
