//! One rotation, by the protocol in `ARCHITECTURE.md`. What passes through it and who is asked stand here; `plan` decides
//! over what was observed, without asking anybody; `exec` observes and carries the plan out, each write in a ledger.

pub mod clock;
mod exec;
pub mod interrupt;
pub mod lease;
pub mod ledger;
pub mod model;
pub mod name;
pub mod outcome;
pub mod plan;
pub mod policy;
pub mod ports;
pub mod recovery;
pub mod step;

pub use self::exec::found::{Found, FoundKey, identify_found, labelled};
pub use self::exec::reenable::reenable;
pub use self::exec::run::Context;
pub use self::exec::{dry_run, rotate};
