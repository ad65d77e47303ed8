//! Rotations over in-memory ports: the product's own driver, the fakes' state model, virtual time.
//!
//! * [`script`]: what goes wrong at which call, as data.
//! * [`ports`]: the issuer and the stores, over a [`keyrotor_fake::World`].
//! * [`scene`]: a world with targets and a policy, and runs in it.
#![expect(clippy::panic, reason = "a test's support code may fail the test")]

pub mod ports;
pub mod scene;
pub mod script;

pub use scene::{Ended, Scene};
pub use script::{Call, Fault, Script};
