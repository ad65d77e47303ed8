//! Stand-ins for ARouter, GitHub, Vault and AWS that keep state, know who may do what, and fail on request.
//!
//! A map, from the state outwards:
//!
//! * [`clock`]: one time for the world, which tests may jump; each server reads it with a skew of its own.
//! * [`issuer`]: the keys, and [`behaviour`]: how this issuer differs from others, as data.
//! * [`guardrails`]: OpenRouter's guardrails, and which key has which.
//! * [`github`]: repositories, environments, organisations, tokens, secrets. Sealed boxes are really opened.
//! * [`app`]: a GitHub App, where it is installed, the tokens that it mints.
//! * [`vault`]: KV secrets with their versions, tokens, policies. [`runner`]: OIDC tokens of a job.
//! * [`kubernetes`]: Secrets, their managers, workloads that roll, accounts.
//! * [`files`]: `.env` files on the disk.
//! * [`aws`]: AWS Secrets Manager, which moto plays.
//! * [`outage`]: the judge of "a place that held a live key holds a live key at every moment".
//! * [`fault`]: what goes wrong and at which request, as data and as text.
//! * [`journal`]: every request that was made.
//! * [`world`]: all of that behind one shared handle. Tests on virtual time work on it directly; what they send takes effect
//!   in its own time without a timer, before whoever looks next.
//! * [`http`]: thin routes over the state, and [`Fakes`], the servers on loopback.
//!
//! ```no_run
//! # async fn demo() -> std::io::Result<()> {
//! use keyrotor_fake::{Access, Fakes, Place, World};
//!
//! let world = World::new();
//! let app = Place::repo("acme/app");
//! let (_, management_key) = world.by_hand(|state| state.issuer.seed_management("root"));
//! world.by_hand(|state| {
//!     let (_, value) = state.issuer.seed_key("production-2026-09-01", |key| key.rights.limit = Some(50.0));
//!     state.github.add_repo("acme/app");
//!     state.github.add_token("ghp_ci", "ci", Access::Write);
//!     state.github.write_secret(&app, "AROUTER_API_KEY", &value);
//! });
//! world.fault("github:PUT:1:drop-after");
//! let fakes = Fakes::start(world.clone()).await?;
//! // … run against fakes.issuer_url and fakes.github_url with management_key …
//! assert!(world.outages().is_empty());
//! # let _ = management_key; Ok(()) }
//! ```
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test may fail"))]
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test's support code may fail the test"
)]

pub mod app;
pub mod aws;
pub mod behaviour;
pub mod clock;
pub mod fault;
pub mod files;
pub mod github;
pub mod guardrails;
pub mod http;
pub mod issuer;
pub mod journal;
pub mod kubernetes;
pub mod outage;
pub mod runner;
mod underway;
pub mod vault;
pub mod world;

pub use app::{App, AppCredentials, Installation};
pub use aws::Aws;
pub use behaviour::{Behaviour, DeleteAnswer, Dialect, ErrorStyle, Narrower, Rename, Wider};
pub use clock::{Clock, Hand};
pub use fault::{Action, Fault, Server, Signal};
pub use files::Files;
pub use github::{Access, Alert, GitHub, Permission, Place, Scope, Token, TokenKind, Traits, Workflow, WorkflowRun};
pub use guardrails::Guardrails;
pub use http::Fakes;
pub use issuer::{Issuer, Key, Kind, Refused, Rights};
pub use journal::{Answered, Journal, Request};
pub use kubernetes::Kubernetes;
pub use outage::{Outage, Outages};
pub use runner::Runner;
pub use vault::Vault;
pub use world::{State, World};
