//! One rotation, by the protocol in `ARCHITECTURE.md`.

pub mod outcome;
pub mod policy;
pub mod port;
pub mod step;
