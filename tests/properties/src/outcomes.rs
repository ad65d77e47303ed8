//! Outcomes of rotations that never were.

use std::time::Duration;

use arbitrary::{Result, Unstructured};
use jiff::Timestamp;
use keyrotor::receipt::{ReceiptCheck, ReceiptOutcome};
use keyrotor::rotation::model::KeyId;
use keyrotor::rotation::outcome::{
    Check, Death, Finding, KeyFate, KeyReport, OldKeyStatus, Outcome, Problem, RunStatus, StepTime, StrayReason,
    TargetReport, TargetState,
};
use keyrotor::rotation::step::Step;

use crate::echo::echoing;
use crate::text::several;

const VERDICTS: [RunStatus; 7] = [
    RunStatus::Rotated,
    RunStatus::NotDue,
    RunStatus::Reenabled,
    RunStatus::Planned,
    RunStatus::Unchanged,
    RunStatus::RolledBack,
    RunStatus::Attention,
];
const STATES: [TargetState; 4] = [TargetState::Untouched, TargetState::New, TargetState::Old, TargetState::Either];
const OLD: [OldKeyStatus; 6] = [
    OldKeyStatus::Deleted,
    OldKeyStatus::Disabled,
    OldKeyStatus::Pending,
    OldKeyStatus::Kept,
    OldKeyStatus::Alive,
    OldKeyStatus::None,
];

pub(crate) fn maybe<T>(
    u: &mut Unstructured<'_>,
    make: impl FnOnce(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Option<T>> {
    if u.arbitrary()? { make(u).map(Some) } else { Ok(None) }
}

pub(crate) fn time(u: &mut Unstructured<'_>) -> Result<Timestamp> {
    let (first, last) = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    Ok(Timestamp::from_second(u.int_in_range(first..=last)?).expect("a time within bounds"))
}

pub(crate) fn problem(u: &mut Unstructured<'_>) -> Result<Problem> {
    Ok(Problem { next: maybe(u, echoing)?, ..Problem::bare(echoing(u)?) })
}

pub(crate) fn named(u: &mut Unstructured<'_>) -> Result<(KeyId, String)> {
    Ok((KeyId(echoing(u)?), echoing(u)?))
}

fn took(u: &mut Unstructured<'_>) -> Result<Duration> {
    Ok(Duration::from_millis(u.arbitrary()?))
}

fn target(u: &mut Unstructured<'_>) -> Result<TargetReport> {
    Ok(TargetReport {
        name: echoing(u)?,
        seen: u.arbitrary()?,
        before: None,
        state: *u.choose(&STATES)?,
        took: maybe(u, took)?,
        detail: maybe(u, echoing)?,
    })
}

fn key(u: &mut Unstructured<'_>) -> Result<KeyReport> {
    let fate = match u.int_in_range(0..=10)? {
        0 => KeyFate::New,
        1 => KeyFate::NewHeld,
        2 => KeyFate::NewRevoked,
        3 => KeyFate::Current,
        4 => KeyFate::Pending { until: time(u)?, drains: u.arbitrary()? },
        5 => KeyFate::Deleted,
        6 => KeyFate::Kept,
        7 => KeyFate::Foreign,
        8 => KeyFate::Disabled,
        9 => KeyFate::Reenabled,
        _ => KeyFate::Stray { reason: StrayReason::Other(echoing(u)?) },
    };
    let death = match u.int_in_range(0..=2)? {
        0 => None,
        1 => Some(Death::NotTried("its value is unknown")),
        _ => Some(Death::RefusedSince(time(u)?)),
    };
    let (id, name) = named(u)?;
    Ok(KeyReport { id, name, created_at: maybe(u, time)?, last_used_at: maybe(u, time)?, fate, death })
}

fn check(u: &mut Unstructured<'_>) -> Result<Check> {
    let finding = *u.choose(&[Finding::Passed, Finding::Failed, Finding::Open])?;
    Ok(Check { what: echoing(u)?, finding, detail: echoing(u)?, remedy: maybe(u, echoing)? })
}

/// What reading any receipt comes to, in hostile words.
///
/// # Errors
/// Where the input is used up.
pub fn receipt(u: &mut Unstructured<'_>) -> Result<ReceiptOutcome> {
    let one = |u: &mut Unstructured<'_>| Ok(ReceiptCheck { rotation: echoing(u)?, check: check(u)? });
    Ok(ReceiptOutcome {
        path: echoing(u)?,
        claims: several(u, 3, echoing)?,
        checks: several(u, 3, one)?,
        problems: several(u, 2, problem)?,
    })
}

/// Any outcome, in hostile words.
///
/// # Errors
/// Where the input is used up.
pub fn outcome(u: &mut Unstructured<'_>) -> Result<Outcome> {
    let mut outcome = Outcome::unbegun("production", vec![problem(u)?]);
    outcome.verdict = *u.choose(&VERDICTS)?;
    (outcome.key_name, outcome.reason) = (echoing(u)?, echoing(u)?.into());
    (outcome.leak_open, outcome.rotated) = (u.arbitrary()?, u.arbitrary()?);
    (outcome.new_key, outcome.old_key) = (maybe(u, named)?, maybe(u, named)?);
    outcome.old_key_status = *u.choose(&OLD)?;
    outcome.retire_after = maybe(u, time)?;
    (outcome.targets, outcome.keys) = (several(u, 4, target)?, several(u, 4, key)?);
    outcome.problems.extend(several(u, 3, problem)?);
    outcome.retired = several(u, 4, echoing)?;
    (outcome.notices, outcome.plan) = (several(u, 3, echoing)?, several(u, 3, echoing)?);
    let step =
        |u: &mut Unstructured<'_>| Ok(StepTime { step: Step::Prove, began: took(u)?, at: time(u)?, took: took(u)? });
    outcome.steps = several(u, 2, step)?;
    outcome.checks = several(u, 2, check)?;
    (outcome.interrupted, outcome.new_key_used) = (u.arbitrary()?, u.arbitrary()?);
    Ok(outcome)
}
