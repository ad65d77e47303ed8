//! The library and the program against their peers, in one binary.

mod canned;
mod found;
mod github_store;
mod inputs_agree;
mod openapi;
mod sealed_box;
mod traces;
