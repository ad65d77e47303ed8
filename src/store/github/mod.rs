//! Secrets at GitHub: one client for the REST API, and one store for every kind of place that takes a sealed value.

mod access_errors;
pub mod alerts;
mod app;
mod app_key;
mod calls;
mod canary;
pub mod client;
mod crab;
mod elsewhere;
mod environments;
pub mod expiry;
mod grant;
mod list;
mod listing;
mod mint;
mod pace;
mod paths;
mod reason;
mod recent;
pub mod repositories;
pub mod response;
mod runs;
pub mod scope;
pub mod seal;
pub mod secrets;
pub mod shadows;
mod transport;
mod workflow;

pub use app::{App, AppContext};
pub use app_key::AppKey;
pub use client::{Credential, GitHub};
pub use grant::{Level, Need};
pub use pace::{RateLimits, time_for};
pub use secrets::GitHubSecret;
pub use shadows::Shadows;
pub use transport::API_VERSION;
