//! The closing lines of a log or a terminal.

use super::words::{self, counts, fate, headline, holds, what_happened};
use super::{Ending, worst};
use crate::rotation::outcome::{KeyFate, Outcome, TargetState, Verdict};

/// More failing targets than this are counted: the summary and the report have them all.
const MOST_TARGETS: usize = 50;

/// The ending in lines, without mark-up.
#[must_use]
pub fn text(ending: &Ending) -> String {
    let lines = match ending {
        Ending::Invalid(problems) => invalid(problems),
        Ending::Ran(outcomes) => {
            let parts = outcomes.iter().flat_map(rotation);
            match outcomes.as_slice() {
                [_] => parts.collect(),
                many => parts.chain([format!("{} rotations: {}", many.len(), headline(worst(many)))]).collect(),
            }
        }
    };
    lines.into_iter().map(|line| line + "\n").collect()
}

fn invalid(problems: &[String]) -> Vec<String> {
    let mut lines = vec!["The inputs are wrong. Nothing was contacted and nothing has changed.".to_owned()];
    lines.extend(problems.iter().map(|problem| format!("  {problem}")));
    lines
}

fn rotation(outcome: &Outcome) -> Vec<String> {
    let mut lines = vec![format!("{}: {}. {}", outcome.key_name, headline(outcome.verdict), what_happened(outcome))];
    for problem in &outcome.problems {
        lines.push(format!("  error: {}", problem.what));
        lines.extend(problem.next.iter().map(|next| format!("    what to do: {next}")));
    }
    if outcome.verdict != Verdict::Planned {
        targets(outcome, &mut lines);
    }
    let told = outcome.keys.iter().filter(|key| key.fate != KeyFate::Deleted);
    lines.extend(told.map(|key| format!("  key {} {}: {}", key.id, key.name, fate(&key.fate))));
    lines.extend(outcome.notices.iter().map(|notice| format!("  notice: {notice}")));
    lines.extend(words::next(outcome).iter().map(|next| format!("  next: {}", next.plain())));
    lines
}

fn targets(outcome: &Outcome, lines: &mut Vec<String>) {
    let (written, _) = counts(&outcome.targets);
    lines.push(format!("  {written} of {} targets hold the new key", outcome.targets.len()));
    let told: Vec<_> = words::failing_first(&outcome.targets)
        .into_iter()
        .filter(|target| target.detail.is_some() || matches!(target.state, TargetState::Old | TargetState::Either))
        .collect();
    for target in told.iter().take(MOST_TARGETS) {
        let detail = target.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
        lines.push(format!("    {} holds {}{detail}", target.name, holds(target.state)));
    }
    if told.len() > MOST_TARGETS {
        lines.push(format!("    … and {} more", told.len() - MOST_TARGETS));
    }
}
