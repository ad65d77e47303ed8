//! What reading a receipt came to, as data.

use crate::rotation::outcome::{Check, Finding, Problem};

/// A receipt's end in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptStatus {
    /// The issuer's list agrees with every claim that it can agree with. Exit 0.
    Verified,
    /// It is no receipt, or its claims could not be compared. Exit 1.
    Unchanged,
    /// Something says otherwise. Exit 3.
    Attention,
}

impl ReceiptStatus {
    /// The process's exit status.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Verified => 0,
            Self::Unchanged => 1,
            Self::Attention => 3,
        }
    }

    /// The output `outcome`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Unchanged => "unchanged",
            Self::Attention => "attention",
        }
    }
}

/// One claim beside what is seen now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptCheck {
    /// The rotation that makes it.
    pub rotation: String,
    /// What was seen.
    pub check: Check,
}

/// Everything that reading a receipt came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceiptOutcome {
    /// The file.
    pub path: String,
    /// What it claims, as sentences.
    pub claims: Vec<String>,
    /// What the issuer's list says of each claim that is about a key.
    pub checks: Vec<ReceiptCheck>,
    /// Why it could not be read or compared.
    pub problems: Vec<Problem>,
}

impl ReceiptOutcome {
    /// In one word.
    #[must_use]
    pub fn status(&self) -> ReceiptStatus {
        let found = |finding| self.checks.iter().filter(move |it| it.check.finding == finding);
        // That the statement is whole says nothing of the keys.
        let is_compared = found(Finding::Passed).any(|it| !it.rotation.is_empty());
        if found(Finding::Failed).next().is_some() {
            ReceiptStatus::Attention
        } else if !self.problems.is_empty() || !is_compared {
            ReceiptStatus::Unchanged
        } else {
            ReceiptStatus::Verified
        }
    }
}
