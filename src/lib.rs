//! Rotates an API key with no downtime.

pub mod cli;
pub mod config;
pub mod http;
pub mod issuer;
pub mod nearest;
pub mod rotation;
pub mod secret;
pub mod store;
