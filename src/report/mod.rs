//! What a run came to, told in every form: outputs, JSON, a Markdown summary, lines for a terminal, an exit status.
//!
//! The forms are pure functions of an [`Ending`], whose texts are clean by construction: no secret, one line each,
//! bounded in length.

mod audit;
mod checks;
mod escape;
mod facts;
mod json;
mod leaks;
mod markdown;
mod outputs;
mod page;
mod phrases;
mod pictures;
mod receipt;
mod rows;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod schema;
mod section;
#[cfg(test)]
mod tests;
mod text;

use std::io::Write;

pub use self::audit::sarif;
pub use self::json::{OUTPUT_LIMIT, Report, json};
pub use self::markdown::markdown;
pub use self::outputs::outputs;
pub use self::receipt::{Origin, receipt};
pub use self::text::text;
use crate::audit::{Audit, Level};
use crate::console::phrases::problem_text;
use crate::console::{Console, Kind, line};
use crate::leaks::WatchOutcome;
use crate::receipt::ReceiptOutcome;
use crate::rotation::model::KeyId;
use crate::rotation::outcome::{
    Check, KeyFate, KeyReport, Needed, Outcome, Problem, Reason, RunStatus, StrayReason, TargetReport,
};
use crate::secret::Redactor;

/// Sentences are cut here, in UTF-16 units.
const SENTENCE: usize = 1000;
/// Names and ids are cut here.
const NAME: usize = 300;
/// Of more findings GitHub shows none beside the run, and the log would be nothing else.
const MAX_ANNOTATED: usize = 50;
/// The exit status for wrong inputs.
const WRONG_INPUTS: u8 = 2;

/// How a run ended, as it may be shown.
#[derive(Clone, Debug)]
pub enum Ending {
    /// Every rotation came to something.
    Ran(Vec<Outcome>),
    /// Keys were audited.
    Audited(Box<Audit>),
    /// Alerts were looked at.
    Watched(Box<WatchOutcome>),
    /// A receipt was read.
    Verified(Box<ReceiptOutcome>),
    /// The inputs are wrong, and nothing was contacted.
    Invalid(Vec<String>),
}

impl Ending {
    /// The ending of a run that looked at the world.
    #[must_use]
    pub fn ran(outcomes: &[Outcome], redactor: &Redactor) -> Self {
        Self::Ran(outcomes.iter().map(|outcome| Cleaner(redactor).outcome(outcome)).collect())
    }

    /// The ending of an audit.
    #[must_use]
    pub fn audited(audit: Audit, redactor: &Redactor) -> Self {
        Self::Audited(Box::new(Cleaner(redactor).audit(audit)))
    }

    /// The ending of a watch.
    #[must_use]
    pub fn watched(watch: WatchOutcome, redactor: &Redactor) -> Self {
        Self::Watched(Box::new(Cleaner(redactor).watch(watch)))
    }

    /// The ending of a look at a receipt.
    #[must_use]
    pub fn verified(read: &ReceiptOutcome, redactor: &Redactor) -> Self {
        Self::Verified(Box::new(Cleaner(redactor).receipt(read)))
    }

    /// Adds what went wrong after the rotations were over. A person should look.
    pub fn add_problem(&mut self, problem: &Problem, redactor: &Redactor) {
        let outcomes = match self {
            Self::Ran(outcomes) => outcomes,
            Self::Watched(watch) => return watch.problems.push(Cleaner(redactor).problem(problem)),
            Self::Audited(_) | Self::Verified(_) | Self::Invalid(_) => return,
        };
        if let Some(last) = outcomes.last_mut() {
            last.problems.push(Cleaner(redactor).problem(problem));
            last.verdict = RunStatus::Attention;
        }
    }

    /// The ending of a run whose inputs are wrong.
    #[must_use]
    pub fn invalid(problems: &[String], redactor: &Redactor) -> Self {
        Self::Invalid(problems.iter().map(|problem| Cleaner(redactor).sentence(problem)).collect())
    }

    /// The process's exit status: the worst of all rotations.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Invalid(_) => WRONG_INPUTS,
            Self::Ran(outcomes) => worst(outcomes).exit_code(),
            Self::Audited(audit) => audit.verdict().exit_code(),
            Self::Watched(watch) => leaks::verdict(watch).exit_code(),
            Self::Verified(read) => read.status().exit_code(),
        }
    }

    /// The output `outcome`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid",
            Self::Ran(outcomes) => worst(outcomes).word(),
            Self::Audited(audit) => audit.verdict().word(),
            Self::Watched(watch) => leaks::verdict(watch).word(),
            Self::Verified(read) => read.status().word(),
        }
    }

    /// The rotations of the run.
    fn outcomes(&self) -> &[Outcome] {
        match self {
            Self::Ran(outcomes) => outcomes,
            Self::Watched(watch) => &watch.rotations,
            Self::Invalid(_) | Self::Audited(_) | Self::Verified(_) => &[],
        }
    }
}

/// Tells in every form how the run ended, and returns the exit status.
pub fn finish<O: Write, E: Write>(ending: &Ending, console: &Console<O, E>) -> u8 {
    let outputs = outputs(ending);
    console.outputs(&outputs);
    console.summary(|room| markdown(ending, room));
    annotate(ending, console);
    match ending {
        Ending::Invalid(_) if !console.is_on_github() => {
            console.complain(&format!("{}keyrotor --help lists all inputs.\n", text(ending)));
        }
        _ => console.say_lines(&text(ending)),
    }
    console.finish();
    console.document(|| json(ending, usize::MAX));
    ending.exit_code()
}

/// What was told while it happened is not told again.
fn annotate<O: Write, E: Write>(ending: &Ending, console: &Console<O, E>) {
    match ending {
        Ending::Invalid(problems) => problems.iter().for_each(|problem| console.annotate(Kind::Error, problem)),
        Ending::Audited(audit) => annotate_audit(audit, console),
        Ending::Ran(outcomes) => annotate_rotations(outcomes, console),
        Ending::Watched(watch) => {
            leaks::annotate(watch, console);
            annotate_rotations(&watch.rotations, console);
        }
        Ending::Verified(read) => receipt::annotate(read, console),
    }
}

fn annotate_rotations<O: Write, E: Write>(outcomes: &[Outcome], console: &Console<O, E>) {
    for outcome in outcomes {
        console.about((outcomes.len() > 1).then_some(outcome.key_name.as_str()));
        annotate_one(outcome, console);
    }
    console.about(None);
}

/// Notes are in the summary: an annotation is for what should be changed.
fn annotate_audit<O: Write, E: Write>(audit: &Audit, console: &Console<O, E>) {
    audit.all_problems().for_each(|problem| console.annotate(Kind::Error, &problem_text(problem)));
    for (level, kind) in [(Level::Error, Kind::Error), (Level::Warning, Kind::Warning)] {
        let of_level = audit.findings().into_iter().filter(|finding| finding.level == level);
        of_level.take(MAX_ANNOTATED).for_each(|finding| console.annotate(kind, &audit::sentence(finding)));
    }
}

fn annotate_one<O: Write, E: Write>(outcome: &Outcome, console: &Console<O, E>) {
    outcome.problems.iter().for_each(|problem| console.annotate(Kind::Error, &problem_text(problem)));
    if outcome.verdict == RunStatus::Attention {
        let told: Vec<_> = outcome.problems.iter().filter_map(|problem| problem.next.as_deref()).collect();
        let told: Vec<_> = told.into_iter().map(phrases::advice_sentence).collect();
        let next = phrases::next(outcome).into_iter().map(|next| next.plain());
        next.filter(|next| !told.contains(next)).for_each(|next| console.annotate(Kind::Error, &next));
    }
    outcome.notices.iter().for_each(|notice| console.annotate(Kind::Notice, notice));
}

/// One rotation's end in a line: `production: Rotated`.
#[must_use]
pub fn headline(outcome: &Outcome) -> String {
    format!("{}: {}", outcome.key_name, phrases::headline_of(outcome))
}

/// The verdict that decides outcome and exit status: 3 is worse than 1, since it asks for a person, and 1 than 0. A run
/// in which anything rotated has rotated, although other keys were not due; a run that came to nothing has changed
/// nothing.
fn worst(outcomes: &[Outcome]) -> RunStatus {
    let badness = |verdict: &RunStatus| match verdict {
        RunStatus::NotDue | RunStatus::Reenabled => 0,
        RunStatus::Planned => 1,
        RunStatus::Rotated => 2,
        RunStatus::Unchanged => 3,
        RunStatus::RolledBack => 4,
        RunStatus::Attention => 5,
    };
    outcomes.iter().map(|outcome| outcome.verdict).max_by_key(badness).unwrap_or(RunStatus::Unchanged)
}

/// The rotations that a person has to read about first, in front.
fn worst_first(outcomes: &[Outcome]) -> Vec<&Outcome> {
    let mut sorted: Vec<_> = outcomes.iter().collect();
    sorted.sort_by_key(|outcome| std::cmp::Reverse(outcome.verdict.exit_code()));
    sorted
}

struct Cleaner<'a>(&'a Redactor);

impl Cleaner<'_> {
    fn sentence(&self, text: &str) -> String {
        line::clean(text, self.0, SENTENCE)
    }

    fn name(&self, text: &str) -> String {
        line::clean(text, self.0, NAME)
    }

    fn sentences(&self, texts: &[String]) -> Vec<String> {
        texts.iter().map(|text| self.sentence(text)).collect()
    }

    fn key(&self, (id, name): &(KeyId, String)) -> (KeyId, String) {
        (KeyId(self.name(&id.0)), self.name(name))
    }

    fn outcome(&self, outcome: &Outcome) -> Outcome {
        Outcome {
            verdict: outcome.verdict,
            key_name: self.name(&outcome.key_name),
            reason: match &outcome.reason {
                Reason::Other(what) => Reason::Other(self.sentence(what)),
                told => told.clone(),
            },
            leak_open: outcome.leak_open,
            not_due: outcome.not_due,
            rotated: outcome.rotated,
            new_key: outcome.new_key.as_ref().map(|key| self.key(key)),
            old_key: outcome.old_key.as_ref().map(|key| self.key(key)),
            old_key_status: outcome.old_key_status,
            retire_after: outcome.retire_after,
            targets: outcome.targets.iter().map(|target| self.target(target)).collect(),
            keys: outcome.keys.iter().map(|row| self.row(row)).collect(),
            retired: outcome.retired.iter().map(|name| self.name(name)).collect(),
            problems: outcome.problems.iter().map(|problem| self.problem(problem)).collect(),
            notices: self.sentences(&outcome.notices),
            plan: self.sentences(&outcome.plan),
            steps: outcome.steps.clone(),
            interrupted: outcome.interrupted,
            new_key_used: outcome.new_key_used,
            at: outcome.at,
            inputs: outcome.inputs.iter().map(|one| self.needed(one)).collect(),
            checks: outcome.checks.iter().map(|check| self.check(check)).collect(),
        }
    }

    fn check(&self, check: &Check) -> Check {
        Check {
            what: self.name(&check.what),
            finding: check.finding,
            detail: self.sentence(&check.detail),
            remedy: check.remedy.as_ref().map(|remedy| self.sentence(remedy)),
        }
    }

    /// A value that is more than a word could be anything in YAML.
    fn needed(&self, needed: &Needed) -> Needed {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let value = self.name(&needed.value);
        let value = if value.chars().all(is_plain) { value } else { "KEY-ID".to_owned() };
        Needed { value, ..needed.clone() }
    }

    fn target(&self, target: &TargetReport) -> TargetReport {
        TargetReport {
            name: self.name(&target.name),
            before: target.before,
            seen: target.seen,
            state: target.state,
            took: target.took,
            detail: target.detail.as_ref().map(|detail| self.sentence(detail)),
        }
    }

    fn row(&self, row: &KeyReport) -> KeyReport {
        let fate = match &row.fate {
            KeyFate::Stray { reason: StrayReason::Other(what) } => {
                KeyFate::Stray { reason: StrayReason::Other(self.sentence(what)) }
            }
            other => other.clone(),
        };
        let (id, name) = self.key(&(row.id.clone(), row.name.clone()));
        KeyReport { id, name, created_at: row.created_at, last_used_at: row.last_used_at, fate, death: row.death }
    }

    fn problem(&self, problem: &Problem) -> Problem {
        Problem {
            next: problem.next.as_ref().map(|next| self.sentence(next)),
            ..Problem::bare(self.sentence(&problem.what))
        }
    }
}
