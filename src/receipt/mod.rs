//! Receipts: what a run claims to have done, as a statement in in-toto's format
//! (<https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md>), and whether the issuer's list still agrees.
//!
//! A receipt holds no value, and no digest of one. It is signed by nobody: a workflow that attests the file does that.

mod claims;
pub(crate) mod execute;
mod file;
pub(crate) mod leave;
mod outcome;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use self::claims::{Claimed, claims, compare};
pub use self::outcome::{ReceiptCheck, ReceiptOutcome, ReceiptStatus};

/// What in-toto calls every statement of its first version.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// What is claimed here; `docs/receipts.md` describes it, and `receipt.schema.json`.
pub const PREDICATE_TYPE: &str = "https://github.com/keyrotor/keyrotor/rotation-receipt/v1";

/// A statement of in-toto about one run; `R` is its report.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Statement<R> {
    /// Always [`STATEMENT_TYPE`].
    #[serde(rename = "_type")]
    pub statement_type: String,
    /// What the claims are about: rotations, keys and targets.
    pub subject: Vec<Digested>,
    /// Always [`PREDICATE_TYPE`].
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// The claims.
    pub predicate: Predicate<R>,
}

/// A name and a digest. Keys and targets are no files: for a subject it is the digest of the name itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Digested {
    /// `key:ID@ISSUER`, `target:NAME` or `rotation:NAME@ISSUER`; of an input its name.
    pub name: String,
    /// What tells it apart.
    pub digest: DigestSet,
}

/// Digests by their algorithm.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DigestSet {
    /// In hexadecimal digits.
    pub sha256: String,
}

/// What a run claims.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Predicate<R> {
    /// The version of keyrotor.
    pub keyrotor_version: String,
    /// When the run began, on the clock of its machine.
    #[cfg_attr(test, schemars(with = "String"))]
    pub started_at: Timestamp,
    /// When it had ended, on the same clock.
    #[cfg_attr(test, schemars(with = "String"))]
    pub finished_at: Timestamp,
    /// The workflow run, as its variables tell it.
    pub run: WorkflowRun,
    /// Digests of the inputs that were given, secrets aside: of `config` and `targets-file` that of the file.
    pub inputs: Vec<Digested>,
    /// The issuer of each rotation.
    pub issuers: Vec<IssuedBy>,
    /// What was observed, decided, proved and left: every row of the run's report, as `report.schema.json` describes it.
    pub report: R,
}

/// The workflow run that a run of keyrotor is a part of; empty from a shell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WorkflowRun {
    /// Its page.
    pub page: Option<String>,
    /// Which attempt it is.
    pub attempt: Option<String>,
    /// The workflow file and its ref.
    pub workflow: Option<String>,
    /// The commit of the workflow's repository.
    pub commit: Option<String>,
    /// What started it.
    pub event: Option<String>,
    /// Who started it.
    pub actor: Option<String>,
}

/// Who issues the keys of a rotation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct IssuedBy {
    /// The rotation's `key-name`; of `reenable` the key's id.
    pub rotation: String,
    /// As the input `issuer` is written.
    pub issuer: String,
    /// The root of its API.
    pub url: String,
    /// The workspace of its keys, where it has such.
    pub workspace: Option<String>,
}

impl Digested {
    /// A name with the digest of something else.
    #[must_use]
    pub fn of(name: impl Into<String>, what: &[u8]) -> Self {
        let sha256 = Sha256::digest(what).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { name: name.into(), digest: DigestSet { sha256 } }
    }

    /// A subject: it has no content but its name.
    #[must_use]
    pub fn subject(name: String) -> Self {
        let bytes = name.clone();
        Self::of(name, bytes.as_bytes())
    }

    /// A key as a subject.
    #[must_use]
    pub fn key(id: &str, issuer: &str) -> Self {
        Self::subject(format!("key:{id}@{issuer}"))
    }

    /// A target as a subject.
    #[must_use]
    pub fn target(name: &str) -> Self {
        Self::subject(format!("target:{name}"))
    }

    /// A rotation as a subject.
    #[must_use]
    pub fn rotation(name: &str, issuer: &str) -> Self {
        Self::subject(format!("rotation:{name}@{issuer}"))
    }
}

#[cfg(test)]
mod tests;
