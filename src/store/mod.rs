//! The places that hold the key.

pub mod github;
