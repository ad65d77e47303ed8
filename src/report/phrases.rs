//! The run in a person's words: what happened, what each target and key is now, what to do next.

use super::escape::{code, prose};
use crate::humanize::moment;
use crate::rotation::outcome::{
    Death, Finding, KeyFate, KeyReport, Needed, OldKeyStatus, Outcome, Problem, Reason, RunStatus, TargetReport,
    TargetState,
};

/// So many keys of earlier runs are named where a run retired them.
const MAX_RETIRED: usize = 3;

/// More lines of one kind than this are counted: the report has them all.
pub(super) const MAX_LINES: usize = 50;

/// A sentence that may name a key by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sentence {
    id: Option<String>,
    rest: String,
}

impl Sentence {
    fn new(rest: impl Into<String>) -> Self {
        Self { id: None, rest: rest.into() }
    }

    /// For a log.
    pub(super) fn plain(&self) -> String {
        match &self.id {
            Some(id) => format!("Key {id} {}", self.rest),
            None => self.rest.clone(),
        }
    }

    /// For a summary.
    pub(super) fn markdown(&self) -> String {
        match &self.id {
            Some(id) => format!("Key {} {}", code(id), prose(&self.rest)),
            None => prose(&self.rest),
        }
    }
}

/// One rotation as a headline. Nothing is more urgent than a leaked key that still works.
pub(super) fn headline_of(outcome: &Outcome) -> &'static str {
    if outcome.leak_open { "The leaked key is still alive" } else { result_of(outcome) }
}

/// The verdict as a headline, which also says that keys of earlier runs are gone.
pub(super) fn result_of(outcome: &Outcome) -> &'static str {
    match (outcome.verdict, outcome.retired.as_slice()) {
        (RunStatus::Planned, _) if is_examined(outcome) => "Ready to rotate",
        (_, _) if is_examined(outcome) => "Not ready to rotate",
        (RunStatus::NotDue, [_]) => "Not due, an earlier key is retired",
        (RunStatus::NotDue, [_, ..]) => "Not due, earlier keys are retired",
        (RunStatus::Rotated, [_]) => "Rotated, an earlier key is retired too",
        (RunStatus::Rotated, [_, ..]) => "Rotated, earlier keys are retired too",
        (verdict, _) => headline(verdict),
    }
}

/// Whether `doctor` looked at it.
pub(super) fn is_examined(outcome: &Outcome) -> bool {
    !outcome.checks.is_empty()
}

/// The sign of a check in a table.
pub(super) fn sign(finding: Finding) -> &'static str {
    match finding {
        Finding::Passed => "✓",
        Finding::Failed => "✗",
        Finding::Open => "?",
    }
}

/// The open leak, and how to end it by hand.
pub(super) fn leak(outcome: &Outcome) -> Option<String> {
    let problem = outcome.problems.first().filter(|_| outcome.leak_open)?;
    let next = problem.next.as_deref().map(advice_sentence).unwrap_or_default();
    let told = format!("{} {next}", advice_sentence(&problem.what));
    // White space at an end would keep it from being bold.
    Some(told.trim().to_owned()).filter(|told| !told.is_empty())
}

/// What went wrong beside the open leak, which stands in front of everything.
pub(super) fn other_problems(outcome: &Outcome) -> &[Problem] {
    outcome.problems.get(usize::from(outcome.leak_open)..).unwrap_or_default()
}

/// A verdict as a headline.
pub(super) fn headline(verdict: RunStatus) -> &'static str {
    match verdict {
        RunStatus::Rotated => "Rotated",
        RunStatus::NotDue => "Not due",
        RunStatus::Reenabled => "Switched on again",
        RunStatus::Planned => "Dry run",
        RunStatus::Unchanged => "Failed, nothing has changed",
        RunStatus::RolledBack => "Failed, everything was put back",
        RunStatus::Attention => "A person should look",
    }
}

/// Several rotations as a headline: how many came to what.
pub(super) fn headline_of_many(outcomes: &[Outcome]) -> String {
    if outcomes.iter().any(is_examined) {
        let ready = outcomes.iter().filter(|it| it.verdict == RunStatus::Planned).count();
        return format!("{} rotations: {ready} ready, {} not ready", outcomes.len(), outcomes.len() - ready);
    }
    let count = |verdicts: &[RunStatus]| outcomes.iter().filter(|it| verdicts.contains(&it.verdict)).count();
    let counted = [
        (count(&[RunStatus::Rotated]), "rotated"),
        (count(&[RunStatus::NotDue]), "not due"),
        (count(&[RunStatus::Reenabled]), "switched on again"),
        (count(&[RunStatus::Planned]), "planned"),
        (count(&[RunStatus::Unchanged, RunStatus::RolledBack]), "failed"),
        (count(&[RunStatus::Attention]), "to be looked at by a person"),
    ];
    let told = counted.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    format!("{} rotations: {}", outcomes.len(), told.collect::<Vec<_>>().join(", "))
}

/// The one mark beside the headline.
pub(super) fn mark(verdict: RunStatus) -> &'static str {
    match verdict {
        RunStatus::Rotated | RunStatus::NotDue | RunStatus::Reenabled => "✅ ",
        RunStatus::Planned => "",
        RunStatus::Unchanged | RunStatus::RolledBack => "❌ ",
        RunStatus::Attention => "⚠️ ",
    }
}

/// What happened, then why.
pub(super) fn what_happened(outcome: &Outcome) -> String {
    let happened = match outcome.verdict {
        _ if is_examined(outcome) => "Nothing was changed.".into(),
        RunStatus::Rotated => format!("Every target holds the new key{}.", old_key(outcome)),
        RunStatus::NotDue => "The current key stays.".into(),
        RunStatus::Reenabled => "The key works again, under a name that no run touches.".into(),
        RunStatus::Planned if outcome.plan.is_empty() => "A real run would change nothing now.".into(),
        RunStatus::Planned => "Nothing was changed; a real run would do what the plan says.".into(),
        RunStatus::Unchanged | RunStatus::RolledBack => "Every target holds the key it held.".into(),
        RunStatus::Attention if outcome.rotated => {
            "Every target holds the new key, but something is left over that should not be.".into()
        }
        RunStatus::Attention => {
            "Every target that held a live key still holds one, but the run could not bring everything to an end."
                .into()
        }
    };
    let is_told = matches!(outcome.reason, Reason::ToldToStop(_));
    let told = if outcome.interrupted && !is_told { " The run was told to stop." } else { "" };
    let reason = outcome.reason.to_string();
    let reason = reason.trim();
    let reason = match outcome.verdict {
        // That nothing was changed is said already.
        RunStatus::Planned => String::new(),
        _ if reason.is_empty() => String::new(),
        RunStatus::Rotated => format!(" Why it was due: {}", full_stop(reason)),
        _ => format!(" {}", full_stop(&sentence(reason))),
    };
    format!("{happened}{}{told}{reason}{}", retired(outcome), used(outcome))
}

/// Which keys of earlier runs are gone.
fn retired(outcome: &Outcome) -> String {
    let (shown, more) = outcome.retired.split_at(outcome.retired.len().min(MAX_RETIRED));
    match (shown, more.len()) {
        ([], _) => String::new(),
        (shown, 0) => format!(" This run retired {}, which an earlier run replaced.", shown.join(", ")),
        (shown, more) => {
            format!(" This run retired {} and {more} more, which earlier runs replaced.", shown.join(", "))
        }
    }
}

/// Whether anyone has called models with the new key yet, where the issuer shows that.
fn used(outcome: &Outcome) -> &'static str {
    match outcome.new_key_used {
        Some(false) => " The issuer has not yet seen requests under the new key.",
        // The run's own proofs are requests too.
        Some(true) | None => "",
    }
}

/// What a problem says to do, as a sentence.
pub(super) fn advice_sentence(text: &str) -> String {
    full_stop(&sentence(text))
}

/// The text with a capital at its begin, unless it begins with a name.
fn sentence(text: &str) -> String {
    let word = text.split(' ').next().unwrap_or_default();
    match text.chars().next() {
        Some(first) if word.bytes().all(|byte| byte.is_ascii_lowercase()) => {
            format!("{}{}", first.to_ascii_uppercase(), text.get(1..).unwrap_or_default())
        }
        _ => text.to_owned(),
    }
}

/// The text with an end that another sentence can follow.
pub(super) fn full_stop(text: &str) -> String {
    let ended = text.is_empty() || text.ends_with(['.', '!', '?', '…']);
    if ended { text.to_owned() } else { format!("{text}.") }
}

/// Whether a replaced key waits for what is unfinished.
fn drains(outcome: &Outcome) -> bool {
    outcome.keys.iter().any(|key| matches!(key.fate, KeyFate::Pending { drains: true, .. }))
}

fn old_key(outcome: &Outcome) -> String {
    match (outcome.old_key_status, outcome.retire_after) {
        (OldKeyStatus::Deleted, _) => "; the old one is deleted".into(),
        (OldKeyStatus::Disabled, _) => "; the old one is disabled".into(),
        (OldKeyStatus::Pending, Some(until)) if drains(outcome) => {
            format!(
                "; the old one stays alive until every job that may use it has finished, at most until {}",
                moment(until)
            )
        }
        (OldKeyStatus::Pending, Some(until)) => format!("; the old one stays alive until {}", moment(until)),
        (OldKeyStatus::Pending, None) => "; the old one stays alive for its grace period".into(),
        (OldKeyStatus::Kept, _) => "; the old one is kept, as asked".into(),
        (OldKeyStatus::Alive, _) => "; the old one is alive".into(),
        (OldKeyStatus::None, _) => "; there was no old one".into(),
    }
}

/// What to do next, most urgent first. Never empty.
pub(super) fn next(outcome: &Outcome) -> Vec<Sentence> {
    let advice = outcome.problems.iter().find_map(|problem| problem.next.as_deref());
    let advice = advice.map(|text| Sentence::new(advice_sentence(text)));
    let mut next = match outcome.verdict {
        RunStatus::Rotated | RunStatus::NotDue | RunStatus::Reenabled => Vec::new(),
        RunStatus::Planned if outcome.plan.is_empty() => Vec::new(),
        RunStatus::Planned if is_examined(outcome) => {
            vec![Sentence::new(
                "Nothing is in the way. Run it without `doctor` to rotate, with dry-run for the plan alone.",
            )]
        }
        RunStatus::Planned => vec![Sentence::new("Run it again without dry-run.")],
        RunStatus::Unchanged if is_examined(outcome) && !outcome.interrupted => {
            vec![Sentence::new("Do what the table says where something is missing, then run doctor again.")]
        }
        RunStatus::Unchanged | RunStatus::RolledBack => {
            let again =
                if outcome.interrupted { "Run it again." } else { "Fix the reported errors, then run it again." };
            vec![advice.unwrap_or_else(|| Sentence::new(again))]
        }
        RunStatus::Attention => {
            // The leaked key is to be deleted by hand: what is said of others that are left over would contradict that.
            let leaked = outcome.old_key.as_ref().filter(|_| outcome.leak_open).map(|(id, _)| id);
            let others = outcome.keys.iter().filter(|key| leaked != Some(&key.id));
            let mut next: Vec<_> = advice.into_iter().chain(others.filter_map(left_over)).collect();
            if next.is_empty() {
                next.push(Sentence::new("Read what went wrong, then run it again: the next run cleans up."));
            }
            next
        }
    };
    // A run that stopped lists the others so that one of them can be named.
    if outcome.verdict != RunStatus::Unchanged && outcome.keys.iter().any(|key| key.fate == KeyFate::Foreign) {
        let look = "Look at the other live keys that are listed: whoever had the leaked key may have made one of them.";
        next.push(Sentence::new(look));
    }
    if next.is_empty() {
        let off = outcome.keys.iter().find(|key| key.fate == KeyFate::Disabled);
        next.push(Sentence::new(match (outcome.retire_after, off) {
            (Some(until), _) if drains(outcome) => format!(
                "Nothing. A later run retires the old key once every job that may use it has finished, or after {}.",
                moment(until)
            ),
            (Some(until), _) => format!("Nothing. A later run retires the old key after {}.", moment(until)),
            (None, Some(key)) => {
                format!("Nothing. keyrotor reenable {} would switch the disabled key on again.", key.id)
            }
            (None, None) => "Nothing.".into(),
        }));
    }
    next
}

fn left_over(key: &KeyReport) -> Option<Sentence> {
    let reason = match &key.fate {
        KeyFate::Stray { reason } => reason.to_string(),
        KeyFate::NewHeld => "made by this run, not confirmed".to_owned(),
        _ => return None,
    };
    let reason = reason.trim_end_matches('.');
    let name = if key.name.is_empty() { String::new() } else { format!("({}) ", key.name) };
    let rest = match key.fate {
        KeyFate::NewHeld => "The next run goes on from here; do not delete it before that, a target may hold it.",
        _ => "A later run cleans it up; delete it by hand only if no target holds it.",
    };
    Some(Sentence { id: Some(key.id.0.clone()), rest: format!("{name}is alive: {reason}. {rest}") })
}

/// The inputs that are missing, as lines of YAML to be pasted below `with:` or into the config file.
pub(super) fn inputs(outcome: &Outcome) -> Vec<String> {
    let line = |needed: &Needed| match needed.hint {
        "" => format!("{}: {}", needed.input, needed.value),
        hint => format!("{}: {} # {hint}", needed.input, needed.value),
    };
    outcome.inputs.iter().map(line).collect()
}

/// What a target holds now.
pub(super) fn holds(state: TargetState) -> &'static str {
    match state {
        TargetState::New => "the new key",
        TargetState::Old => "what it held before",
        TargetState::Either => "the old or the new key, both alive",
        TargetState::Untouched => "what it held, not written",
    }
}

/// Whether a retired key was seen to be dead.
fn death(key: &KeyReport) -> String {
    match key.death {
        Some(Death::RefusedSince(since)) => format!(", refused since {}", since.strftime("%H:%M:%S UTC")),
        Some(Death::NotTried(why)) => format!(", not tried: {why}"),
        None => String::new(),
    }
}

/// What a key is now.
pub(super) fn fate(key: &KeyReport) -> String {
    match &key.fate {
        KeyFate::New => "new, in every target".into(),
        KeyFate::NewHeld => "new, alive, not confirmed yet".into(),
        KeyFate::NewRevoked => "made by this run, deleted again".into(),
        KeyFate::Current => "current".into(),
        KeyFate::Pending { until, drains: false } => {
            format!("alive until {}, then a later run retires it", moment(*until))
        }
        KeyFate::Pending { until, drains: true } => {
            format!("alive until every job that may use it has finished, at most until {}", moment(*until))
        }
        KeyFate::Deleted => format!("deleted{}", death(key)),
        KeyFate::Disabled => format!("disabled{}", death(key)),
        KeyFate::Reenabled => "on again, of no family".into(),
        KeyFate::Kept => "kept, as asked".into(),
        KeyFate::Stray { reason } => format!("alive, should not be: {reason}"),
        KeyFate::Foreign => "alive, not touched".into(),
    }
}

/// The outputs' and the table's count: written for certain, and tried without that certainty.
pub(super) fn counts(targets: &[TargetReport]) -> (usize, usize) {
    let count = |states: &[TargetState]| targets.iter().filter(|target| states.contains(&target.state)).count();
    (count(&[TargetState::New]), count(&[TargetState::Old, TargetState::Either]))
}

/// What went wrong first, in the order in which the user listed the targets otherwise.
pub(super) fn failing_first(targets: &[TargetReport]) -> Vec<&TargetReport> {
    let mut rows: Vec<_> = targets.iter().collect();
    rows.sort_by_key(|row| match (row.state, &row.detail) {
        (TargetState::Either, _) => 0,
        (TargetState::Old | TargetState::Untouched, Some(_)) => 1,
        (TargetState::Old, None) => 2,
        (TargetState::Untouched, None) => 3,
        (TargetState::New, Some(_)) => 4,
        (TargetState::New, None) => 5,
    });
    rows
}

pub(super) fn extend<T>(lines: &mut Vec<String>, more: impl IntoIterator<Item = T>, line: impl Fn(T) -> String) {
    let mut more = more.into_iter().fuse();
    lines.extend(more.by_ref().take(MAX_LINES).map(line));
    match more.count() {
        0 => {}
        rest => lines.push(format!("    … and {rest} more")),
    }
}

/// So much of an id tells keys apart.
const SHORT_ID: usize = 12;

/// The beginning of an id; all of it where that is short.
pub(super) fn short_id(id: &str) -> String {
    match id.char_indices().nth(SHORT_ID) {
        Some((end, _)) if id.chars().count() > SHORT_ID + 1 => format!("{}…", id.get(..end).unwrap_or_default()),
        _ => id.to_owned(),
    }
}
