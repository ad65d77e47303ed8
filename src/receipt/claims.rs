//! The claims of a receipt, as sentences and beside the issuer's list.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{Digested, IssuedBy, Predicate, ReceiptCheck, STATEMENT_TYPE, Statement, WorkflowRun};
use crate::humanize::moment;
use crate::rotation::model::{KeyRow, Listing};
use crate::rotation::outcome::{Check, Finding};

/// What an issuer answers when it makes a key and what it lists may differ by fractions of a second.
const CREATED_WITHIN: SignedDuration = SignedDuration::from_mins(1);

/// The rows of a receipt's report that are read again.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Claimed {
    /// How the run ended.
    pub exit_code: u8,
    /// Each rotation.
    pub rotations: Vec<RotationClaim>,
    /// Each target.
    pub targets: Vec<TargetClaim>,
    /// Each key.
    pub keys: Vec<KeyClaim>,
    /// Each step.
    pub steps: Vec<StepClaim>,
}

/// What became of a rotation.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RotationClaim {
    key_name: String,
    outcome: String,
    dry_run: bool,
    new_key_id: Option<String>,
    old_key_id: Option<String>,
    old_key_status: String,
    looked_at: Option<Timestamp>,
}

/// What a target held at the end.
#[derive(Debug, Deserialize)]
pub struct TargetClaim {
    rotation: String,
    name: String,
    state: String,
}

/// What a key was at the end.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct KeyClaim {
    rotation: String,
    id: String,
    name: String,
    created_at: Option<Timestamp>,
    fate: String,
    until: Option<Timestamp>,
    refused_since: Option<Timestamp>,
}

/// When a step was taken.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StepClaim {
    rotation: String,
    step: String,
    began_at: Timestamp,
}

/// What a receipt claims, as sentences.
#[must_use]
pub fn claims(statement: &Statement<Claimed>) -> Vec<String> {
    let predicate = &statement.predicate;
    let (began, ended) = (moment(predicate.started_at), moment(predicate.finished_at));
    let exit = predicate.report.exit_code;
    let mut told =
        vec![format!("keyrotor {} ran from {began} to {ended}, and exited with {exit}.", predicate.keyrotor_version)];
    told.extend(of_run(&predicate.run));
    told.extend(predicate.report.rotations.iter().map(|rotation| of_rotation(rotation, predicate)));
    told
}

fn of_run(run: &WorkflowRun) -> Option<String> {
    let page = run.page.as_deref()?;
    let part = |word: &str, value: &Option<String>| value.as_ref().map(|value| format!("{word} {value}"));
    let parts = [
        part("attempt", &run.attempt),
        part("workflow", &run.workflow),
        part("commit", &run.commit),
        part("event", &run.event),
        part("actor", &run.actor),
    ];
    let parts: Vec<_> = std::iter::once(page.to_owned()).chain(parts.into_iter().flatten()).collect();
    Some(format!("The workflow run: {}.", parts.join(", ")))
}

fn of_rotation(rotation: &RotationClaim, predicate: &Predicate<Claimed>) -> String {
    let report = &predicate.report;
    let name = &rotation.key_name;
    let dry = if rotation.dry_run { ", a dry run" } else { "" };
    let mut told = vec![format!("{name}: {}{dry}.", rotation.outcome)];
    told.extend(rotation.looked_at.map(|at| format!("The issuer's list was read at {}.", moment(at))));
    let step = |word: &str| report.steps.iter().rfind(|it| it.rotation == *name && it.step == word);
    let at = |step: &StepClaim| step.began_at.strftime("%H:%M:%S UTC").to_string();
    if let (Some(id), Some(prove), Some(confirm)) = (&rotation.new_key_id, step("prove"), step("confirm")) {
        told.push(format!("Key {id} was made, proved at {}, and proved again at {}.", at(prove), at(confirm)));
    }
    let targets: Vec<_> = report.targets.iter().filter(|it| it.rotation == *name && it.state == "new").collect();
    let of_all = report.targets.iter().filter(|it| it.rotation == *name).count();
    if !targets.is_empty() {
        let names: Vec<_> = targets.iter().map(|target| target.name.as_str()).collect();
        told.push(format!("{} of {of_all} targets hold it: {}.", targets.len(), names.join(", ")));
    }
    if let Some(old) = &rotation.old_key_id {
        let refused = report.keys.iter().find(|key| key.id == *old).and_then(|key| key.refused_since);
        let refused = refused.map(|since| format!(", refused since {}", moment(since))).unwrap_or_default();
        told.push(format!("The key before, {old}: {}{refused}.", rotation.old_key_status));
    }
    told.join(" ")
}

/// What the statement says of itself: that its subjects are those of its report.
pub(super) fn of_statement(statement: &Statement<Claimed>) -> Vec<ReceiptCheck> {
    let predicate = &statement.predicate;
    let subjects: BTreeSet<_> = statement.subject.iter().collect();
    let url = |rotation: &str| issuer(predicate, rotation).map(|it| it.url.as_str()).unwrap_or_default();
    let report = &predicate.report;
    let keys = report.keys.iter().map(|key| Digested::key(&key.id, url(&key.rotation)));
    let targets = report.targets.iter().map(|target| Digested::target(&target.name));
    let rotations = report.rotations.iter().map(|it| Digested::rotation(&it.key_name, url(&it.key_name)));
    let claimed: BTreeSet<_> = rotations.chain(keys).chain(targets).collect();
    let agree = statement.statement_type == STATEMENT_TYPE && claimed.iter().collect::<BTreeSet<_>>() == subjects;
    let check = if agree {
        (Finding::Passed, "its subjects are the keys and targets of its report".to_owned(), None)
    } else {
        let remedy = "Take the file as the run wrote it.".to_owned();
        (Finding::Failed, "its subjects are not those of its report".to_owned(), Some(remedy))
    };
    vec![row("", "statement".to_owned(), check)]
}

pub(super) fn issuer<'a>(predicate: &'a Predicate<Claimed>, rotation: &str) -> Option<&'a IssuedBy> {
    predicate.issuers.iter().find(|it| it.rotation == rotation)
}

type Told = (Finding, String, Option<String>);

fn row(rotation: &str, what: String, (finding, detail, remedy): Told) -> ReceiptCheck {
    ReceiptCheck { rotation: rotation.to_owned(), check: Check { what, finding, detail, remedy } }
}

/// What the list says now of the keys of a rotation. Keys that were another's are left out: nothing is claimed of them.
#[must_use]
pub fn compare(report: &Claimed, rotation: &str, listing: &Listing) -> Vec<ReceiptCheck> {
    let of_it = report.keys.iter().filter(|key| key.rotation == rotation && key.fate != "foreign");
    let checks = of_it.map(|key| {
        let row_now = listing.keys.iter().find(|row| row.id.0 == key.id);
        let name = if key.name.is_empty() { &key.id } else { &key.name };
        row(rotation, format!("key {name}"), one(key, row_now, listing.date))
    });
    checks.collect()
}

fn one(key: &KeyClaim, now: Option<&KeyRow>, date: Timestamp) -> Told {
    let passed = |detail: String| (Finding::Passed, detail, None);
    let failed = |detail: String, remedy: &str| (Finding::Failed, detail, Some(remedy.to_owned()));
    let claimed = match (key.fate.as_str(), key.until) {
        ("pending", Some(until)) => format!("claimed: alive until {}", moment(until)),
        (fate, _) => format!("claimed: {fate}"),
    };
    let is_another = |row: &&KeyRow| match (key.created_at, row.created_at) {
        (Some(claimed), Some(listed)) => listed.duration_since(claimed).abs() > CREATED_WITHIN,
        _ => false,
    };
    if let Some(other) = now.filter(is_another) {
        let made = other.created_at.map_or_else(|| "at no known time".to_owned(), moment);
        return failed(format!("{claimed}; the list has it made {made}"), "Ask who wrote the receipt.");
    }
    let alive = now.is_some_and(|row| !row.disabled);
    let state = match now {
        None => "not in the list",
        Some(row) if row.disabled => "disabled",
        Some(_) => "alive",
    };
    let told = format!("{claimed}; now {state}");
    let is_over = key.until.is_some_and(|until| until < date);
    match key.fate.as_str() {
        "deleted" | "new-revoked" if now.is_some() => failed(told, "Delete the key, and ask who wrote the receipt."),
        "disabled" if alive => failed(told, "Ask who enabled it again: `keyrotor reenable` renames what it enables."),
        "deleted" | "new-revoked" | "disabled" => passed(told),
        "pending" if alive && is_over => failed(told, "Run the rotation again: a later run retires it."),
        "pending" => passed(told),
        // A later run may have replaced or retired what was alive.
        _ if alive => passed(told),
        _ => (Finding::Open, told, Some(format!("See the receipt of a later run for `{}`.", key.name))),
    }
}
