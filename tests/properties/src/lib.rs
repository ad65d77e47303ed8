//! What holds of any input, whoever wrote it: of the inputs, of the answers of servers, of all that is shown.
//!
//! Each property is one function of bytes, which serve as choices. Tests give it random ones (`tests/it/code/properties.rs`),
//! fuzzers look for those that lead somewhere new (`fuzz/`). Where a property does not hold, it panics.
//!
//! * [`inputs`], [`config_file`], [`targets`], [`names`]: what users write, and what key lists show.
//! * [`issuer`], [`github`]: what servers answer, over a real connection ([`peer`]).
//! * [`telling`]: what goes into logs, workflow commands, outputs, summaries.
//! * [`actions`], [`markdown`], [`leak`]: who judges.
//! * [`text`], [`echo`], [`outcomes`]: what is hostile.
#![expect(clippy::expect_used, clippy::panic, reason = "a test's support code may fail the test")]

pub mod actions;
pub mod audits;
pub mod config_file;
pub mod echo;
pub mod github;
pub mod inputs;
pub mod issuer;
pub mod leak;
pub mod markdown;
pub mod names;
pub mod outcomes;
pub mod peer;
pub mod targets;
pub mod telling;
pub mod text;
mod watches;

pub use arbitrary;
use arbitrary::{Result, Unstructured};

/// What holds of any input. `Err`: the bytes do not suffice to make one.
pub type Property = fn(&mut Unstructured<'_>) -> Result<()>;

/// Every property, by its name.
pub const ALL: &[(&str, Property)] = &[
    ("inputs", inputs::inputs),
    ("config_file", config_file::config_file),
    ("values", inputs::values),
    ("targets", targets::targets),
    ("names", names::names),
    ("labels", names::labels),
    ("story", telling::story),
    ("summary", telling::summary),
    ("issuer", issuer::issuer),
    ("github", github::github),
];

/// The property of this name.
///
/// # Panics
/// Where there is none.
#[must_use]
pub fn of(name: &str) -> Property {
    ALL.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("there is no property {name}")).1
}
