//! What an audit came to, as data.

use super::prune::{Fate, Pruned};
use super::{Assessment, Criteria, Finding, Level};
use crate::rotation::outcome::Problem;

/// One account's keys, or why they could not be read.
#[derive(Clone, Debug)]
pub struct AuditedAccount {
    /// The address of its issuer.
    pub issuer: String,
    /// Its keys and what was found.
    pub assessment: Assessment,
    /// What hindered the look.
    pub problems: Vec<Problem>,
    /// Every key that was looked at for pruning.
    pub pruned: Vec<Pruned>,
}

/// Which findings make an audit fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailOn {
    /// None.
    Never,
    /// Warnings and errors.
    Warning,
    /// Errors alone.
    Error,
}

impl FailOn {
    /// Whether one of this level does.
    #[must_use]
    pub fn includes(self, level: Level) -> bool {
        match self {
            Self::Never => false,
            Self::Warning => level <= Level::Warning,
            Self::Error => level == Level::Error,
        }
    }

    /// As the input is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// The end of an audit in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditStatus {
    /// Every key was judged, and nothing was found that makes it fail. Exit 0.
    Audited,
    /// Keys could not be read. Exit 1.
    Unchanged,
    /// A person should look. Exit 3.
    Attention,
}

/// Everything an audit came to.
#[derive(Clone, Debug)]
pub struct Audit {
    /// What was asked for.
    pub criteria: Criteria,
    /// Which findings make it fail.
    pub fail_on: FailOn,
    /// AuditedAccount by account.
    pub accounts: Vec<AuditedAccount>,
    /// What went wrong beside the accounts.
    pub problems: Vec<Problem>,
}

impl Audit {
    /// What was found, worst first.
    pub fn findings(&self) -> Vec<&Finding> {
        let mut all: Vec<_> = self.accounts.iter().flat_map(|account| &account.assessment.findings).collect();
        all.sort_by_key(|finding| finding.level);
        all
    }

    /// What went wrong, first the first.
    pub fn all_problems(&self) -> impl Iterator<Item = &Problem> {
        self.accounts.iter().flat_map(|account| &account.problems).chain(&self.problems)
    }

    /// Whether what was found makes it fail.
    #[must_use]
    pub fn fails(&self) -> bool {
        self.findings().iter().any(|finding| self.fail_on.includes(finding.level))
    }

    /// Every key that was looked at for pruning.
    pub fn pruned(&self) -> impl Iterator<Item = &Pruned> {
        self.accounts.iter().flat_map(|account| &account.pruned)
    }

    /// In one word. What was pruned can't be called unchanged.
    #[must_use]
    pub fn verdict(&self) -> AuditStatus {
        let troubled = self.all_problems().next().is_some();
        let touched = self.pruned().any(|it| matches!(it.fate, Fate::Deleted | Fate::Disabled | Fate::Failed(_)));
        if self.fails() || troubled && touched {
            AuditStatus::Attention
        } else if troubled {
            AuditStatus::Unchanged
        } else {
            AuditStatus::Audited
        }
    }
}

impl AuditStatus {
    /// The process's exit status.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Audited => 0,
            Self::Unchanged => 1,
            Self::Attention => 3,
        }
    }

    /// The output `outcome`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Audited => "audited",
            Self::Unchanged => "unchanged",
            Self::Attention => "attention",
        }
    }
}
