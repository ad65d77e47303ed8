//! A schedule: how a world begins, and what happens in it, as data.

mod random;
mod shrink;

use std::time::Duration;

use keyrotor::rotation::policy::Retire;
use keyrotor_fake::{Narrower, Wider};

use crate::assumption::Assumption;
use crate::grant::Grant;
use crate::scene::Slip;
use crate::script::{Call, Fault, Script};

pub use shrink::shrunk;

/// One second.
pub const SECOND: Duration = Duration::from_secs(1);
/// One hour.
pub const HOUR: Duration = Duration::from_secs(3600);
/// One day.
pub const DAY: Duration = Duration::from_secs(24 * 3600);

/// What is sent takes effect so long after it at the latest: a request timeout of 30 s, less the way.
const LATEST: Duration = Duration::from_secs(29);

/// Whatever was sent has taken effect by then, or never will.
const SETTLED: Duration = Duration::from_secs(65);

/// How the family of the main repositories begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// A key of the family was deployed 40 days ago.
    Rotated,
    /// A key that a person made and named was.
    HandMade,
    /// Nothing was.
    Empty,
}

/// What comes of a rename.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renames {
    /// The key has the new name.
    Work,
    /// The dialect is known to have no renames.
    KnownMissing,
    /// The issuer answers with success and renames nothing.
    Ignored,
    /// The issuer says that there is no such call.
    NoSuchCall,
}

/// What an issuer does with a new key beside granting more than it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misdeed {
    /// It answers the create with the value of the family's oldest key.
    AnswersOldValue,
    /// It grants less than it is asked for, or makes a key of another kind.
    GrantsLess(Narrower),
    /// It gives it a right that nobody knows.
    AddsRight,
}

/// Another repository that uses the same `key-name` in the same account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbour {
    /// There is none.
    Nobody,
    /// Its secret does not exist yet.
    Empty,
    /// Its secret holds a hand-made key.
    Holding,
    /// It does, and `replace-key-id` names that key.
    Naming,
}

/// Whose run it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The main repositories', of the family `production`.
    Main,
    /// The other family's.
    Staging,
    /// The neighbour's.
    Neighbour,
}

/// Where a run has its `current-key` from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InHand {
    /// It has none.
    Nothing,
    /// What the first target holds when the run starts.
    Deployed,
    /// The value of the key made so many keys before the newest, dead or alive.
    Stale(usize),
    /// What the target of the other family holds.
    OfStaging,
}

/// What a person does. The first target is left alone, so that the family always shows whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HumanAction {
    /// Writes the value of the live key that is so many places from the newest.
    Write {
        /// Where.
        target: usize,
        /// Which.
        back: usize,
    },
    /// Writes what no run may replace into a target that can be read.
    Foreign {
        /// Where.
        target: usize,
        /// What.
        what: Foreign,
    },
    /// Copies what a target holds to another name of the same place, where it can be read.
    Copy {
        /// Which target.
        target: usize,
    },
    /// Takes all such copies away.
    TakeOut,
    /// Stores the key of another account under the name that a slip makes of a target's.
    Beside {
        /// Which target.
        target: usize,
    },
    /// Adds a repository without the secret.
    AddTarget,
    /// Takes the last repository out of the list, with its secret.
    RemoveTarget,
    /// Calls a model with the key that a target holds.
    Use {
        /// Which target.
        target: usize,
    },
    /// A job that was queued before calls a model with the live key that is so many places from the newest.
    UseReplaced {
        /// Which.
        back: usize,
    },
    /// A job that reads a target is queued, and goes on for so long.
    Job {
        /// Which target.
        target: usize,
        /// How long.
        lasts: Duration,
    },
    /// Switches off the key that the first target holds.
    Disable,
    /// `reenable` of the key that was switched off last.
    Reenable,
    /// GitHub's clock is set by so many seconds (breaks A3).
    SetClock(i64),
}

impl HumanAction {
    /// Whether people do it while runs are at work.
    pub fn fits_beside_runs(self) -> bool {
        matches!(self, Self::Write { .. } | Self::Use { .. } | Self::UseReplaced { .. } | Self::Job { .. })
    }
}

/// What no run may replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// The one of the texts that are no key with this number.
    Text(usize),
    /// A live key that no run rotates.
    Key,
}

/// When a person does something while runs are at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// So long after the act began.
    After(Duration),
    /// So long after something first went wrong in the first run, if it does.
    Behind(Duration),
    /// So long after the first run made a key, if it does.
    Made(Duration),
}

/// One run.
#[derive(Clone, Debug)]
pub struct RunPlan {
    /// Whose.
    pub side: Side,
    /// Which of its targets are misspelt.
    pub slip: Option<Slip>,
    /// It begins so long after the act.
    pub after: Duration,
    /// Its `current-key`.
    pub held: InHand,
    /// Its `grace-period`, where it states one.
    pub grace: Option<Duration>,
    /// Its `rotate-after`.
    pub rotate_after: Duration,
    /// Its `retire`.
    pub retire: Retire,
    /// Its `leaked`.
    pub leaked: bool,
    /// Its `parallel`.
    pub parallel: usize,
    /// It is killed so long after its begin, wherever it is.
    pub dies_after: Option<Duration>,
    /// What befalls its calls.
    pub faults: Vec<(Call, usize, Fault)>,
}

impl RunPlan {
    /// A run of the main repositories in which nothing goes wrong.
    #[must_use]
    pub fn plain() -> Self {
        Self {
            side: Side::Main,
            slip: None,
            after: Duration::ZERO,
            held: InHand::Nothing,
            grace: Some(Duration::ZERO),
            rotate_after: Duration::ZERO,
            retire: Retire::Delete,
            leaked: false,
            parallel: 16,
            dies_after: None,
            faults: Vec::new(),
        }
    }

    /// Its faults.
    #[must_use]
    pub fn script(&self) -> Script {
        self.faults.iter().fold(Script::default(), |script, (call, nth, fault)| script.at(*call, *nth, *fault))
    }
}

/// One act of a schedule.
#[derive(Clone, Debug)]
pub enum Act {
    /// Time passes.
    Wait(Duration),
    /// A person does something when nothing is under way.
    HumanAction(HumanAction),
    /// Runs at once, each beginning so long after the act does, with people at work beside them.
    Runs {
        /// The runs.
        runs: Vec<RunPlan>,
        /// What people do, and when.
        deeds: Vec<(When, HumanAction)>,
        /// Whether everything that was sent settles before the next act.
        settle: bool,
    },
}

/// A whole schedule.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// It was made from this, and its runs' digits are.
    pub seed: u64,
    /// What does not hold in it.
    pub broken: Option<Assumption>,
    /// How the family begins.
    pub start: Start,
    /// How many main repositories there are.
    pub repos: usize,
    /// Whether their places show the values that they hold; else they show when each was written.
    pub readable: bool,
    /// Whether each has had the key of another account, under the name that a slip makes of the secret's, for longer.
    pub beside: bool,
    /// What comes of a rename.
    pub renames: Renames,
    /// Whether the list shows when a key was changed.
    pub shows_updated: bool,
    /// Whether it shows when a key was used.
    pub shows_used: bool,
    /// Whether it shows a key's label, which is its masked value.
    pub masked_labels: bool,
    /// How many seconds the issuer's clock is ahead.
    pub skew: i64,
    /// How long a new key takes to work.
    pub activation: Duration,
    /// Whether one of the issuer's servers hears of it at once.
    pub hears_apart: bool,
    /// How long a key that was ended is still accepted, by the servers that hear late.
    pub forgets_after: Duration,
    /// How far the list lags behind (breaks A2).
    pub list_lag: Duration,
    /// How long every answer with a list takes, beside the time of a request.
    pub slow_lists: Option<Duration>,
    /// Whether anyone may list its models.
    pub open_models: bool,
    /// What its keys may do.
    pub grant: Grant,
    /// Whether they have a guardrail.
    pub guarded: bool,
    /// What the issuer grants beyond what it is asked for, until everything has to heal.
    pub wider: Option<Wider>,
    /// What else the issuer does wrong until then.
    pub misdeed: Option<Misdeed>,
    /// Whether it lets whatever has the form of a key list its models.
    pub checks_form: bool,
    /// Whether it answers a create with the key's row.
    pub create_shows_row: bool,
    /// How long keys live.
    pub lifetime: Option<Duration>,
    /// Whether `replace-key-id` stays in the workflow for ever.
    pub replace_left_in: bool,
    /// Whether there is a second family in the account.
    pub staging: bool,
    /// Whether another repository uses the same family.
    pub neighbour: Neighbour,
    /// Time of one request.
    pub latency: Duration,
    /// Jobs read the targets, and every run's grace is `drain`.
    pub drains: bool,
    /// Processes use the targets, and every run restarts them and waits, which takes so long.
    pub rollout: Option<Duration>,
    /// What was sent has taken effect, or never will, so long after it.
    pub settles_within: Duration,
    /// Whether runs that replace a key by its age, with a grace, come before those that replace it at once.
    pub by_age: bool,
    /// Whether the runs after which everything has to be healed state no grace.
    pub heals_unstated: bool,
    /// What happens.
    pub acts: Vec<Act>,
}

impl Schedule {
    /// A world at its simplest, in which nothing happens.
    #[must_use]
    pub fn plain(seed: u64) -> Self {
        Self {
            seed,
            broken: None,
            start: Start::Rotated,
            repos: 2,
            readable: false,
            beside: false,
            renames: Renames::Work,
            shows_updated: true,
            shows_used: false,
            masked_labels: true,
            skew: 0,
            activation: Duration::ZERO,
            hears_apart: false,
            forgets_after: Duration::ZERO,
            list_lag: Duration::ZERO,
            slow_lists: None,
            open_models: false,
            grant: Grant::Monthly,
            guarded: false,
            wider: None,
            misdeed: None,
            checks_form: false,
            create_shows_row: true,
            lifetime: None,
            replace_left_in: true,
            staging: false,
            neighbour: Neighbour::Nobody,
            latency: Duration::from_millis(50),
            drains: false,
            rollout: None,
            settles_within: SETTLED,
            by_age: false,
            heals_unstated: false,
            acts: Vec::new(),
        }
    }

    /// The same schedule where every assumption holds.
    #[must_use]
    pub fn mended(&self) -> Self {
        let mut mended = Self { broken: None, list_lag: Duration::ZERO, ..self.clone() };
        mended.settles_within = mended.settles_within.min(SETTLED);
        for act in &mut mended.acts {
            match act {
                Act::HumanAction(HumanAction::SetClock(seconds)) => *seconds = 0,
                Act::Runs { runs, .. } => {
                    let faults = runs.iter_mut().flat_map(|run| &mut run.faults);
                    for (_, _, fault) in faults {
                        if let Fault::Late(by) | Fault::TimeOut { lands: Some(by), .. } = fault {
                            *by = (*by).min(LATEST);
                        }
                    }
                }
                Act::HumanAction(_) | Act::Wait(_) => {}
            }
        }
        mended
    }

    /// Whether two runs of one family are ever at work at once.
    #[must_use]
    pub fn has_runs_at_once(&self) -> bool {
        self.acts.iter().any(|act| matches!(act, Act::Runs { runs, .. } if runs.len() > 1))
    }

    /// Whether a person writes a secret.
    #[must_use]
    pub fn has_writes_by_hand(&self) -> bool {
        let writes = |deed: &HumanAction| matches!(deed, HumanAction::Write { .. });
        self.acts.iter().any(|act| match act {
            Act::HumanAction(deed) => writes(deed),
            Act::Runs { deeds, .. } => deeds.iter().any(|(_, deed)| writes(deed)),
            Act::Wait(_) => false,
        })
    }

    /// Whether a run misspells targets.
    #[must_use]
    pub fn has_slips(&self) -> bool {
        let slips = |runs: &[RunPlan]| runs.iter().any(|run| run.slip.is_some());
        self.acts.iter().any(|act| matches!(act, Act::Runs { runs, .. } if slips(runs)))
    }

    /// Whether a run is given a value that was replaced since.
    #[must_use]
    pub fn has_stale_values(&self) -> bool {
        let stale = |runs: &[RunPlan]| runs.iter().any(|run| matches!(run.held, InHand::Stale(_)));
        self.acts.iter().any(|act| matches!(act, Act::Runs { runs, .. } if stale(runs)))
    }

    /// Whether a person writes what no run may replace.
    #[must_use]
    pub fn has_foreign_values(&self) -> bool {
        self.acts.iter().any(|act| matches!(act, Act::HumanAction(HumanAction::Foreign { .. })))
    }

    /// Whether a person switches off a key that is in use.
    #[must_use]
    pub fn ends_keys_by_hand(&self) -> bool {
        self.acts.iter().any(|act| matches!(act, Act::HumanAction(HumanAction::Disable)))
    }

    /// Whether the issuer shows when a key got its name: only then does it record that everything was put back.
    #[must_use]
    pub fn records_commits(&self) -> bool {
        self.renames == Renames::Work && self.shows_updated
    }
}
