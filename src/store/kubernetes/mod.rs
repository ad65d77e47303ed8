//! `kubernetes:`: one key of a Secret, and the workloads that read it when they start.
//!
//! A write is one merge patch of that key, guarded by the Secret's version: an attempt that was lost and lands behind a
//! later one finds another version and comes to nothing. Server-side apply would take away what the same manager applied
//! before, such as another key of the same Secret.

mod cluster;
mod config;
mod object;
mod pods;
mod response;
mod rights;
mod rollout;
mod secret;
mod sign_in;
mod writers;

pub(super) use cluster::Cluster;
pub(super) use secret::KubernetesSecret;
