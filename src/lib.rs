//! Rotates an API key with no downtime.

pub mod http;
pub mod issuer;
pub mod rotation;
pub mod secret;
pub mod store;
