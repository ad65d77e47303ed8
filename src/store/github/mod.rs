//! Secrets at GitHub: one client for the REST API, and one store for every kind of place that takes a sealed value.

pub mod answer;
pub mod client;
mod keys;
pub mod seal;
pub mod secrets;

pub use client::GitHub;
pub use secrets::{GitHubSecret, Place};
