//! The library and the program against their peers, in one binary.

mod canned;
mod faults;
mod github_answers;
mod github_store;
mod harness;
mod inputs;
mod inputs_agree;
mod issuers;
mod openapi;
mod rotates;
mod runner_protocol;
mod sealed_box;
mod signals;
mod traces;
mod traffic;
mod which_key;
