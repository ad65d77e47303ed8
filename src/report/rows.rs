//! The rows of the report's lists.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::facts::Single;
use crate::rotation::outcome::{
    Check, Death, Finding, KeyFate, KeyReport, Outcome, Problem, RunStatus, StepTime, TargetReport, TargetState,
};
use crate::rotation::plan::holdings::Holding;

/// One rotation.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) struct RotationRow<'a> {
    key_name: &'a str,
    outcome: &'a str,
    exit_code: u8,
    reason: String,
    rotated: bool,
    dry_run: bool,
    interrupted: bool,
    new_key_used: Option<bool>,
    new_key_id: Option<&'a str>,
    new_key_name: Option<&'a str>,
    old_key_id: Option<&'a str>,
    old_key_name: Option<&'a str>,
    old_key_status: &'a str,
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    retire_after: Option<Timestamp>,
    /// When the issuer's list was read, on the issuer's clock.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    looked_at: Option<Timestamp>,
    inputs_to_add: Vec<InputRow<'a>>,
}

/// An input that the next run needs.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct InputRow<'a> {
    input: &'a str,
    value: &'a str,
}

/// One target.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) struct TargetRow<'a> {
    rotation: &'a str,
    name: &'a str,
    held_before: Option<&'a str>,
    state: &'a str,
    took_ms: Option<u64>,
    detail: Option<&'a str>,
}

/// One thing that a rotation needs.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) struct CheckRow<'a> {
    rotation: &'a str,
    what: &'a str,
    /// `passed`, `failed` or `open`.
    finding: &'a str,
    detail: &'a str,
    remedy: Option<&'a str>,
}

/// A check of a rotation.
pub(super) fn check<'a>(rotation: &'a str, check: &'a Check) -> CheckRow<'a> {
    let finding = match check.finding {
        Finding::Passed => "passed",
        Finding::Failed => "failed",
        Finding::Open => "open",
    };
    CheckRow { rotation, what: &check.what, finding, detail: &check.detail, remedy: check.remedy.as_deref() }
}

/// One key.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) struct KeyRow<'a> {
    rotation: &'a str,
    id: &'a str,
    name: &'a str,
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    created_at: Option<Timestamp>,
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    last_used_at: Option<Timestamp>,
    fate: &'a str,
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    until: Option<Timestamp>,
    /// Of a key that this run retired: it is refused since then at the latest.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    refused_since: Option<Timestamp>,
    /// Why this run did not see whether it is refused.
    not_tried: Option<&'a str>,
    reason: Option<String>,
}

/// What went wrong; without a rotation where an input is wrong.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct ProblemRow<'a> {
    rotation: Option<&'a str>,
    what: &'a str,
    next: Option<&'a str>,
}

/// One sentence.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct TextRow<'a> {
    rotation: &'a str,
    text: &'a str,
}

/// One step's time.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) struct StepRow<'a> {
    rotation: &'a str,
    step: &'a str,
    #[cfg_attr(test, schemars(with = "String"))]
    began_at: Timestamp,
    began_ms: u64,
    took_ms: u64,
}

pub(super) fn rotation(outcome: &Outcome) -> RotationRow<'_> {
    let new = outcome.new_key.as_ref();
    let old = outcome.old_key.as_ref();
    RotationRow {
        key_name: &outcome.key_name,
        outcome: outcome.verdict.word(),
        exit_code: outcome.verdict.exit_code(),
        reason: outcome.reason.to_string(),
        rotated: outcome.rotated,
        dry_run: outcome.verdict == RunStatus::Planned || !outcome.plan.is_empty(),
        interrupted: outcome.interrupted,
        new_key_used: outcome.new_key_used,
        new_key_id: new.map(|(id, _)| id.0.as_str()),
        new_key_name: new.map(|(_, name)| name.as_str()),
        old_key_id: old.map(|(id, _)| id.0.as_str()),
        old_key_name: old.map(|(_, name)| name.as_str()),
        old_key_status: outcome.old_key_status.word(),
        retire_after: Single::from(outcome).retire_after,
        looked_at: outcome.at,
        inputs_to_add: outcome.inputs.iter().map(|it| InputRow { input: it.input, value: &it.value }).collect(),
    }
}

pub(super) fn target<'a>(rotation: &'a str, row: &'a TargetReport) -> TargetRow<'a> {
    let state = match row.state {
        TargetState::Untouched => "untouched",
        TargetState::New => "new",
        TargetState::Old => "old",
        TargetState::Either => "either",
    };
    let held_before = row.before.map(Holding::word);
    TargetRow {
        rotation,
        name: &row.name,
        held_before,
        state,
        took_ms: row.took.map(millis),
        detail: row.detail.as_deref(),
    }
}

pub(super) fn key<'a>(rotation: &'a str, row: &'a KeyReport) -> KeyRow<'a> {
    let (fate, until, reason) = match &row.fate {
        KeyFate::New => ("new", None, None),
        KeyFate::NewHeld => ("new-held", None, None),
        KeyFate::NewRevoked => ("new-revoked", None, None),
        KeyFate::Current => ("current", None, None),
        KeyFate::Pending { until, .. } => ("pending", Some(*until), None),
        KeyFate::Deleted => ("deleted", None, None),
        KeyFate::Disabled => ("disabled", None, None),
        KeyFate::Reenabled => ("reenabled", None, None),
        KeyFate::Kept => ("kept", None, None),
        KeyFate::Stray { reason } => ("stray", None, Some(reason.to_string())),
        KeyFate::Foreign => ("foreign", None, None),
    };
    let (created_at, last_used_at) = (row.created_at, row.last_used_at);
    let (refused_since, not_tried) = match row.death {
        Some(Death::RefusedSince(since)) => (Some(since), None),
        Some(Death::NotTried(why)) => (None, Some(why)),
        None => (None, None),
    };
    let (id, name) = (row.id.0.as_str(), row.name.as_str());
    KeyRow { rotation, id, name, created_at, last_used_at, fate, until, refused_since, not_tried, reason }
}

pub(super) fn problems<'a>(outcome: &'a Outcome, name: &'a str) -> Vec<ProblemRow<'a>> {
    let row =
        |problem: &'a Problem| ProblemRow { rotation: Some(name), what: &problem.what, next: problem.next.as_deref() };
    outcome.problems.iter().map(row).collect()
}

pub(super) fn input_problem(what: &str) -> ProblemRow<'_> {
    ProblemRow { rotation: None, what, next: None }
}

pub(super) fn audit_problem(problem: &Problem) -> ProblemRow<'_> {
    ProblemRow { rotation: None, what: &problem.what, next: problem.next.as_deref() }
}

pub(super) fn texts<'a>(rotation: &'a str, texts: &'a [String]) -> Vec<TextRow<'a>> {
    texts.iter().map(|text| TextRow { rotation, text }).collect()
}

pub(super) fn steps<'a>(outcome: &'a Outcome, rotation: &'a str) -> Vec<StepRow<'a>> {
    let row = |time: &StepTime| StepRow {
        rotation,
        step: time.step.word(),
        began_at: time.at,
        began_ms: millis(time.began),
        took_ms: millis(time.took),
    };
    outcome.steps.iter().map(row).collect()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
