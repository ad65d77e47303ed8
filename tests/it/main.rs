//! The library and the program against their peers, in one binary.

mod canned;
mod docs_agree;
mod github_store;
mod inputs_agree;
mod openapi;
mod sealed_box;
mod structure;
mod traces;
