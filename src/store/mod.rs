//! Places that hold the key: the target grammar, and a store for each kind.

pub mod github;
pub mod target;
