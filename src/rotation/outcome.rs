//! What a rotation came to, as data: everything the summary, the outputs and the exit status are made from.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::rotation::model::KeyId;
use crate::rotation::plan::holdings::Holding;
use crate::rotation::step::Step;
use crate::secret::Secret;

/// The end of a run in one word; the output `outcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunStatus {
    /// Every target holds the new key, and nothing unexpected is left. Exit 0.
    Rotated,
    /// The key is young enough; what was pending is finished. Exit 0.
    NotDue,
    /// A key that was switched off is on again. Exit 0.
    Reenabled,
    /// A dry run: nothing was changed. Exit 0.
    Planned,
    /// Nothing was changed. Exit 1.
    Unchanged,
    /// Everything was put back. Exit 1.
    RolledBack,
    /// Safe, but a person should look. Exit 3.
    Attention,
}

impl RunStatus {
    /// The process's exit status.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Rotated | Self::NotDue | Self::Reenabled | Self::Planned => 0,
            Self::Unchanged | Self::RolledBack => 1,
            Self::Attention => 3,
        }
    }

    /// The output `outcome`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Rotated => "rotated",
            Self::NotDue => "not-due",
            Self::Reenabled => "reenabled",
            Self::Planned | Self::Unchanged => "unchanged",
            Self::RolledBack => "rolled-back",
            Self::Attention => "attention",
        }
    }
}

/// What became of the key that was current when the run began; the output `old-key-status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldKeyStatus {
    /// Deleted.
    Deleted,
    /// Switched off, as `retire: disable` asks.
    Disabled,
    /// Alive until its grace is over.
    Pending,
    /// Alive because `retire: keep` asks for it.
    Kept,
    /// Alive: it was not replaced, or could not be retired.
    Alive,
    /// There was none, or none alive.
    None,
}

impl OldKeyStatus {
    /// The output `old-key-status`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Disabled => "disabled",
            Self::Pending => "pending",
            Self::Kept => "kept",
            Self::Alive => "alive",
            Self::None => "none",
        }
    }
}

/// What a target holds at the end, as far as the run knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetState {
    /// The run did not write to it.
    Untouched,
    /// It holds the new key.
    New,
    /// It was written and put back, or every write was refused.
    Old,
    /// A write may have taken effect: it holds the old or the new key, and both are alive.
    Either,
}

/// One target's row in the report.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetReport {
    /// As the user wrote it, with the secret's name.
    pub name: String,
    /// What it held before, where that was decided on.
    pub before: Option<Holding>,
    /// It was seen there or follows from times alone, and rests on no input that says so.
    pub seen: bool,
    /// What it holds at the end.
    pub state: TargetState,
    /// How long its write took.
    pub took: Option<Duration>,
    /// Why it failed, or what was noticed there.
    pub detail: Option<String>,
}

/// What one key is to this rotation at the end.
#[derive(Clone, Debug, PartialEq)]
pub enum KeyFate {
    /// Made by this run and in every target.
    New,
    /// Made by this run and still alive although it was not committed.
    NewHeld,
    /// Made by this run and deleted again.
    NewRevoked,
    /// The current key, which was not replaced.
    Current,
    /// Alive until this time, then retired by a later run.
    Pending {
        /// When its grace is over.
        until: Timestamp,
        /// It is over before, once nothing is unfinished that may use the key.
        drains: bool,
    },
    /// Deleted.
    Deleted,
    /// Switched off, as `retire: disable` asks.
    Disabled,
    /// Switched on again and renamed out of its family.
    Reenabled,
    /// Kept as `retire: keep` asks.
    Kept,
    /// Alive, and it should not be: why, and what to do.
    Stray {
        /// Why it was not retired.
        reason: StrayReason,
    },
    /// Not of this family; listed because `leaked` is set.
    Foreign,
}

/// Why a key is alive that should not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StrayReason {
    /// An earlier run made it and did not finish.
    LeftByAnEarlierRun,
    /// This run made it, did not commit, and wrote it nowhere.
    NotCommitted,
    /// This run replaced it and did not come to retire it.
    NotRetired,
    /// Its grace is over, and the run did not come to it.
    PastItsGrace,
    /// Nobody knows whether it was deleted.
    DeletionUnanswered,
    /// Nobody knows whether it was switched on.
    PerhapsOn,
    /// What went wrong, or holds it.
    Other(String),
}

impl fmt::Display for StrayReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LeftByAnEarlierRun => "an earlier run did not finish",
            Self::NotCommitted => "made by this run and not committed; no target holds it",
            Self::NotRetired => "replaced, and not retired before the run ended",
            Self::PastItsGrace => "its grace is over, and the run ended before it came to it",
            Self::DeletionUnanswered => "its deletion was not answered before the run had to end",
            Self::PerhapsOn => "it may be switched on, and no run looks after it",
            Self::Other(what) => what,
        })
    }
}

/// One key's row in the report.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyReport {
    /// The handle.
    pub id: KeyId,
    /// The name at the end.
    pub name: String,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it was last used, where shown.
    pub last_used_at: Option<Timestamp>,
    /// What became of it.
    pub fate: KeyFate,
    /// Whether it was seen to be refused, where this run retired it.
    pub death: Option<Death>,
}

/// Whether a retired key was seen to be dead: refused where the new one was accepted at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// Why it was not tried.
    NotTried(&'static str),
    /// It is refused, since then at the latest, on the issuer's clock.
    RefusedSince(Timestamp),
}

/// Something that went wrong, in the order in which it did: the first error, then the undo's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What went wrong, naming the target, key or call.
    pub what: String,
    /// The same without the name that it begins with, for the row of whatever has that name.
    pub bare: Option<String>,
    /// What to do next.
    pub next: Option<String>,
}

impl Problem {
    /// What went wrong, and what to do next.
    #[must_use]
    pub fn new(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self { next: Some(next.into()), ..Self::bare(what) }
    }

    /// What went wrong, where nobody knows what to do.
    #[must_use]
    pub fn bare(what: impl Into<String>) -> Self {
        Self { what: what.into(), bare: None, next: None }
    }

    /// What went wrong with a target, key or call of this name.
    #[must_use]
    pub fn about(name: &str, what: &str, next: Option<String>) -> Self {
        Self { what: format!("{name}: {what}"), bare: Some(what.to_owned()), next }
    }

    /// What went wrong, where the name stands beside it.
    #[must_use]
    pub fn beside_its_name(&self) -> &str {
        self.bare.as_deref().unwrap_or(&self.what)
    }
}

/// Why a run ended as it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It was told to stop, and how that is gone on with.
    ToldToStop(&'static str),
    /// Anything else, as one sentence.
    Other(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ToldToStop(then) => write!(f, "the run was told to stop{then}"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

impl<T: Into<String>> From<T> for Reason {
    fn from(what: T) -> Self {
        Self::Other(what.into())
    }
}

/// One step's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepTime {
    /// Which.
    pub step: Step,
    /// From the run's begin.
    pub began: Duration,
    /// When that was, on the clock of its machine.
    pub at: Timestamp,
    /// How long.
    pub took: Duration,
}

/// Everything a run came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// In one word.
    pub verdict: RunStatus,
    /// The family.
    pub key_name: String,
    /// Why it rotated, or why not, as one sentence.
    pub reason: Reason,
    /// With `leaked`: the key that is known to others is still alive, as the first problem says, with how to delete it.
    pub leak_open: bool,
    /// The current key is young enough and in every target, whatever else there is to tell.
    pub not_due: bool,
    /// Every target holds the new key.
    pub rotated: bool,
    /// The key that was made, if it lives.
    pub new_key: Option<(KeyId, String)>,
    /// The key that was current at the begin.
    pub old_key: Option<(KeyId, String)>,
    /// What became of it.
    pub old_key_status: OldKeyStatus,
    /// When a pending old key is retired.
    pub retire_after: Option<Timestamp>,
    /// Row by row.
    pub targets: Vec<TargetReport>,
    /// Row by row: the family, and what else the run touched.
    pub keys: Vec<KeyReport>,
    /// Names of the keys that earlier runs had left and this one retired.
    pub retired: Vec<String>,
    /// First the first.
    pub problems: Vec<Problem>,
    /// What the user should know although nothing failed.
    pub notices: Vec<String>,
    /// The plan as sentences, for `dry-run`.
    pub plan: Vec<String>,
    /// In the order in which they began.
    pub steps: Vec<StepTime>,
    /// The run was told to stop.
    pub interrupted: bool,
    /// Whether the issuer has seen requests under the new key, where it shows that.
    pub new_key_used: Option<bool>,
    /// What the inputs have to say so that the next run does not stop.
    pub inputs: Vec<Needed>,
    /// When the run looked, on the issuer's clock; `None` where it saw nothing.
    pub at: Option<Timestamp>,
    /// What `doctor` looked at, in the order of its table; empty for every other command.
    pub checks: Vec<Check>,
}

/// What one check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is as a rotation needs it.
    Passed,
    /// It is not: a rotation would stop.
    Failed,
    /// It could not be told, or only costs something later.
    Open,
}

/// One thing that a rotation needs, and whether it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was looked at: a target's name, or a word.
    pub what: String,
    /// Whether it is there.
    pub finding: Finding,
    /// What was seen.
    pub detail: String,
    /// What to do about it, as a sentence.
    pub remedy: Option<String>,
}

/// An input that a run needs and has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// Its name.
    pub input: &'static str,
    /// What it has to say, or could.
    pub value: String,
    /// What to know before it is pasted; empty where the value is certain.
    pub hint: &'static str,
}

impl Outcome {
    /// The outcome of a rotation that could not even begin.
    #[must_use]
    pub fn unbegun(key_name: &str, problems: Vec<Problem>) -> Self {
        Self {
            verdict: RunStatus::Unchanged,
            key_name: key_name.to_owned(),
            reason: "the rotation could not begin; nothing was changed".into(),
            leak_open: false,
            not_due: false,
            rotated: false,
            new_key: None,
            old_key: None,
            old_key_status: OldKeyStatus::None,
            retire_after: None,
            targets: Vec::new(),
            keys: Vec::new(),
            retired: Vec::new(),
            problems,
            notices: Vec::new(),
            plan: Vec::new(),
            steps: Vec::new(),
            interrupted: false,
            new_key_used: None,
            inputs: Vec::new(),
            at: None,
            checks: Vec::new(),
        }
    }
}

/// What happens, while it happens.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A step begins.
    Began(Step),
    /// A step ended well.
    Ended(Step, Duration),
    /// A sentence about what was found or decided.
    Note(String),
    /// A sentence that the user should not miss.
    Warning(String),
    /// A sentence about the surroundings, to be seen and no reason to worry.
    Notice(String),
    /// The plan, as sentences.
    Plan(&'a [String]),
    /// A target was written (`done` of `of`).
    Wrote {
        /// Its name.
        target: &'a str,
        /// How long it took.
        took: Duration,
        /// How many are written now.
        done: usize,
        /// How many there are.
        of: usize,
    },
    /// A target was looked at (`done` of `of`).
    Looked {
        /// How many were looked at now.
        done: usize,
        /// How many there are.
        of: usize,
    },
    /// An attempt failed and is repeated after a wait.
    Retrying {
        /// Which call, to whom.
        what: String,
        /// Why.
        why: String,
        /// How long the wait is.
        wait: Duration,
    },
    /// The run waits for something that takes long.
    Waiting {
        /// For what, with the word before it: `for another run`, `to look again`.
        what: String,
        /// How long at the most.
        at_most: Duration,
    },
    /// Something went wrong.
    Failed(&'a Problem),
}

/// Watches a rotation: the runner's log, a terminal, or nobody.
pub trait Observer {
    /// A new secret exists: hide it before anything else is shown.
    fn mask(&self, secret: &Secret);
    /// Something happened.
    fn event(&self, event: &Event<'_>);
}
