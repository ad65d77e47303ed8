//! The library and the program against their peers, in one binary.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

mod canned;
mod config_file;
mod described_apis;
mod docs_agree;
mod ended_keys;
mod enterprise;
mod faults;
mod found;
mod github_answers;
mod github_clients;
mod github_store;
mod harness;
mod hidden_writes;
mod inputs;
mod inputs_agree;
mod issuers;
mod kinds;
mod neighbours;
mod openapi;
mod peers;
mod properties;
mod requests;
mod rotates;
mod runner_protocol;
mod sealed_box;
mod secrecy;
mod several;
mod shadows;
mod signals;
mod structure;
mod tokens;
mod traces;
mod traffic;
mod unfinished;
mod which_key;
