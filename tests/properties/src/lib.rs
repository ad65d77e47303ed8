//! What holds of any input, whoever wrote it.
#![expect(clippy::expect_used, reason = "a test's support code may fail the test")]

pub mod leak;
