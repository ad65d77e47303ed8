//! Secrets at GitHub: one client for the REST API, and one store for every kind of place that takes a sealed value.

pub mod answer;
pub mod client;
mod denied;
mod environments;
pub mod expiry;
mod keys;
pub mod place;
pub mod scope;
pub mod seal;
pub mod secrets;
pub mod shadows;

pub use client::GitHub;
pub use place::Place;
pub use secrets::GitHubSecret;
pub use shadows::Shadows;
