//! The library and the program against their peers, in one binary.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

mod canned;
mod harness;
mod traffic;

/// The rotation on virtual time, on `tests/sim`.
mod protocol {
    mod ended_keys;
    mod fleets;
    mod held_keys;
    mod hidden_writes;
    mod neighbours;
    mod regressions;
    mod rollout;
    mod traces;
    mod unfinished;
}

/// The real program against the stand-ins.
mod program {
    mod audit;
    mod doctor;
    mod doubtful;
    mod draining;
    mod endings;
    mod enterprise;
    mod faults;
    mod github_answers;
    mod github_app;
    mod guardrails;
    mod holdings;
    mod init;
    mod inputs;
    mod issuers;
    mod leaks;
    mod messages;
    mod notify;
    mod openrouter;
    mod proof;
    mod prune;
    mod receipts;
    mod requests;
    mod retiring;
    mod rotates;
    mod runner_protocol;
    mod selections;
    mod several;
    mod shadows;
    mod signals;
    mod slips;
    mod tokens;
    mod watch;
    mod which_key;
}

/// The kinds of targets, each by itself.
mod stores {
    mod aws;
    mod aws_ssm;
    mod canary;
    mod files;
    mod github_store;
    mod kinds;
    mod kubernetes;
    mod kubernetes_sign_in;
    mod mixed;
    mod places;
    mod vault;
    mod vault_meanwhile;
}

/// What documents, examples and workflows say.
mod docs {
    mod commands;
    mod config_file;
    mod docs_agree;
    pub(crate) mod documents;
    pub(crate) mod examples;
    mod inputs_agree;
    mod install;
    mod translations;
    pub(crate) mod workflows;
}

/// What holds of the code as a whole, and of any input.
mod code {
    mod properties;
    mod secrecy;
    mod structure;
    mod supply_chain;
}

/// What others say: programs, official descriptions of APIs. `./test` prepares them.
mod peers {
    mod described_apis;
    mod github_clients;
    pub(crate) mod openapi;
    mod openbao;
    mod openrouter_sdk;
    mod pictures;
    pub(crate) mod programs;
    mod receipts;
    mod sealed_box;
}
