//! Rotations over in-memory ports: the product's own driver, the fakes' state model, virtual time.
//!
//! * [`script`]: what goes wrong at which call, as data.
//! * [`ports`]: the issuer and the stores, over a [`keyrotor_fake::World`].
//! * [`time`]: how time passes.
//! * [`scene`]: a world with targets and a policy, and runs in it.
//! * [`schedule`]: how a world begins and what happens in it, as data: from a seed, and made small.
//! * [`grant`]: what its keys may do.
//! * `people`: what persons do in it, of themselves and where a run tells them to.
//! * [`play`]: plays a schedule; [`judge`] holds what runs say against the world.
//! * [`exhaustive`]: every rotation with up to so many faults.
//! * [`assumption`], [`violation`]: what may not hold, and what is lost then.
#![expect(clippy::panic, reason = "a test's support code may fail the test")]

pub mod assumption;
pub mod exhaustive;
pub mod grant;
pub mod judge;
mod people;
pub mod play;
pub mod ports;
pub mod scene;
pub mod schedule;
pub mod script;
pub mod time;
pub mod violation;

pub use assumption::Assumption;
pub use scene::{Ended, Scene};
pub use script::{Call, Fault, Script};
