//! One rotation's part of the summary.

use std::time::Duration;

use jiff::Timestamp;

use super::checks;
use super::escape::{code, escape, prose};
use super::page::Page;
use super::phrases::{self, fate, full_stop, holds, mark, short_id, what_happened};
use super::pictures;
use crate::humanize::{duration, moment, relative};
use crate::rotation::outcome::{KeyFate, KeyReport, Outcome, Problem, RunStatus, StepTime, TargetReport};

/// So many rotations of a run have a picture, those that failed first: GitHub draws each in a frame of its own.
pub(super) const MAX_DRAWN: usize = 10;

/// The chart of a shorter run says no more than the table of its steps.
const WORTH_DRAWING: Duration = Duration::from_secs(10);

/// Headings of this many `#`, and one more for what is below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// The only rotation of the run.
    Only,
    /// One of several.
    Part {
        /// Whether its timeline is drawn.
        drawn: bool,
    },
}

/// Writes the whole section; what does not fit is left out, the least important first.
pub(super) fn section(page: &mut Page, outcome: &Outcome, level: Level) {
    heading(page, outcome, level);
    if let Some(leak) = phrases::leak(outcome) {
        page.push(&format!("**{}**\n\n", escape(&leak)));
    }
    page.push(&format!("{}\n\n", escape(&what_happened(outcome))));
    checks::table(page, &outcome.checks);
    head(page, outcome);
    list(page, "**Plan**\n\n", &outcome.plan);
    targets(page, outcome);
    keys(page, outcome);
    list(page, "**Notices**\n\n", &outcome.notices);
    // One bar alone compares nothing, and of a short run nobody asks where the time went.
    let is_long = outcome.steps.iter().any(|time| time.began + time.took >= WORTH_DRAWING);
    if level != (Level::Part { drawn: false }) && outcome.steps.len() > 1 && is_long {
        page.push(&pictures::timeline(&outcome.steps).unwrap_or_default());
    }
    steps(page, outcome);
}

fn heading(page: &mut Page, outcome: &Outcome, level: Level) {
    let (sign, mark) = match level {
        Level::Only if outcome.leak_open => ("##", "❌ "),
        Level::Only => ("##", mark(outcome.verdict)),
        Level::Part { .. } => ("###", ""),
    };
    let headline = phrases::headline_of(outcome);
    page.push(&format!("{sign} {mark}{headline}: {}\n\n", code(&outcome.key_name)));
}

/// The first problem and what to do come before everything else.
fn head(page: &mut Page, outcome: &Outcome) {
    let problems = phrases::other_problems(outcome);
    if let Some(first) = problems.first() {
        page.push(&format!("**What went wrong:** {}\n\n", prose(&first.what)));
    }
    match phrases::next(outcome).as_slice() {
        [only] => {
            page.push(&format!("**What to do next:** {}\n\n", only.markdown()));
        }
        many => {
            let rows = many.iter().map(|next| format!("- {}\n", next.markdown()));
            page.list("**What to do next**\n\n", many.len(), rows, rest);
        }
    }
    let inputs = phrases::inputs(outcome);
    if !inputs.is_empty() {
        page.push(&format!("**Inputs to add**\n\n```yaml\n{}\n```\n\n", inputs.join("\n")));
    }
    if let Some((_, others)) = problems.split_first() {
        page.list("**What went wrong then**\n\n", others.len(), others.iter().map(problem), rest);
    }
}

fn problem(problem: &Problem) -> String {
    match &problem.next {
        Some(next) => format!("- {} What to do: {}\n", full_stop(&prose(&problem.what)), prose(next)),
        None => format!("- {}\n", prose(&problem.what)),
    }
}

fn list(page: &mut Page, head: &str, texts: &[String]) {
    page.list(head, texts.len(), texts.iter().map(|text| format!("- {}\n", escape(text))), rest);
}

fn rest(count: usize) -> String {
    format!("- … and {count} more\n")
}

fn keys(page: &mut Page, outcome: &Outcome) {
    let row = |key: &KeyReport| {
        let (id, name) = (code(&short_id(&key.id.0)), escape(&key.name));
        let unused = key.fate == KeyFate::New && outcome.new_key_used == Some(false) && key.last_used_at.is_none();
        let used = if unused { "not yet".to_owned() } else { time(key.last_used_at, outcome.at) };
        let created = time(key.created_at, outcome.at);
        format!("| {name} | {id} | {created} | {used} | {} |\n", escape(&fate(key)))
    };
    let head = "| Name | Key | Created | Last used | Now |\n|---|---|---|---|---|\n";
    let rest = |count| format!("| … and {count} more | | | | |\n");
    page.list(head, outcome.keys.len(), outcome.keys.iter().map(row), rest);
    keys_in_full(page, outcome);
}

/// What the table above has shortened.
fn keys_in_full(page: &mut Page, outcome: &Outcome) {
    let is_short = |key: &&KeyReport| short_id(&key.id.0) == key.id.0;
    if outcome.at.is_none() && outcome.keys.iter().all(|key| is_short(&key)) {
        return;
    }
    let row = |key: &KeyReport| {
        let (created, used) = (time(key.created_at, None), time(key.last_used_at, None));
        format!("| {} | {} | {created} | {used} |\n", code(&key.id.0), escape(&key.name))
    };
    let mut part = Page::new(page.room() / 2);
    let head = "| Key | Name | Created | Last used |\n|---|---|---|---|\n";
    let rest = |count| format!("| … and {count} more | | | |\n");
    part.list(head, outcome.keys.len(), outcome.keys.iter().map(row), rest);
    let table = part.finish();
    if !table.is_empty() {
        page.push(&format!("<details><summary>Keys in full</summary>\n\n{table}\n</details>\n\n"));
    }
}

/// Not shown is not the same as never. Before or after a time that is known, else the exact one.
fn time(time: Option<Timestamp>, now: Option<Timestamp>) -> String {
    let shown = |time| now.map_or_else(|| moment(time), |now| relative(time, now));
    time.map_or_else(|| "not shown".into(), shown)
}

fn targets(page: &mut Page, outcome: &Outcome) {
    let timed = outcome.targets.iter().any(|target| target.took.is_some());
    let noted = outcome.targets.iter().any(|target| target.detail.is_some());
    let known = outcome.targets.iter().any(|target| target.before.is_some());
    let before = |text: &str| if known { format!(" {text} |") } else { String::new() };
    let columns = |took: &str, note: &str| {
        let (took, note) = (timed.then(|| format!("{took}|")), noted.then(|| format!("{note}|")));
        took.unwrap_or_default() + &note.unwrap_or_default()
    };
    let row = |target: &TargetReport| {
        let took = target.took.map(duration).unwrap_or_default();
        let note = target.detail.as_deref().map(escape).unwrap_or_default();
        let holds = if outcome.verdict == RunStatus::Planned { "not written" } else { holds(target.state) };
        let held = before(&target.before.map(|holding| holding.to_string()).unwrap_or_default());
        format!("| {} |{held} {holds} |{}\n", code(&target.name), columns(&format!(" {took} "), &format!(" {note} ")))
    };
    let (names, lines) = (columns(" Took ", " Note "), columns("---", "---"));
    let head = format!("| Target |{} Holds now |{names}\n|---|{}---|{lines}\n", before("Held before"), before("---"));
    let rest = |count| format!("| … and {count} more |{} |{}\n", before(""), columns(" ", " "));
    let rows = phrases::failing_first(&outcome.targets);
    page.list(&head, rows.len(), rows.into_iter().map(row), rest);
}

fn steps(page: &mut Page, outcome: &Outcome) {
    let row =
        |time: &StepTime| format!("| {} | {} | {} |\n", time.step.word(), duration(time.began), duration(time.took));
    if outcome.steps.is_empty() {
        return;
    }
    let rows: String = outcome.steps.iter().take(100).map(row).collect();
    let table = format!("| Step | After | Took |\n|---|---|---|\n{rows}");
    page.push(&format!("<details><summary>Steps</summary>\n\n{table}\n</details>\n"));
}
