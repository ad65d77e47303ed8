//! Rotates an API key with no downtime.

pub mod http;
pub mod report;
pub mod rotation;
pub mod runner;
pub mod secret;
