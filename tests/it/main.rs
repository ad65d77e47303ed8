//! The library and the program against their peers, in one binary.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

mod canned;
mod faults;
mod github_store;
mod harness;
mod inputs_agree;
mod openapi;
mod requests;
mod sealed_box;
mod traces;
