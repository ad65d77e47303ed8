//! Places that hold the key.

pub mod target;
