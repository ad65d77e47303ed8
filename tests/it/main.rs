//! The library and the program against their peers, in one binary.

mod canned;
mod faults;
mod github_store;
mod harness;
mod inputs_agree;
mod openapi;
mod sealed_box;
mod traces;
