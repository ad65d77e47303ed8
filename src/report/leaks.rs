//! A watch in every form.

use std::io::Write;

use serde::Serialize;

use super::escape::{code, prose};
use super::page::Page;
use super::phrases::{advice_sentence, extend, full_stop, short_id};
use super::{Cleaner, worst};
use crate::console::{Console, Kind};
use crate::leaks::{Alert, Fate, WatchOutcome, WatchStatus};

/// One alert.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) struct AlertRow<'a> {
    /// Its repository and number: `acme/app#12`.
    name: &'a str,
    /// Its page.
    page: &'a str,
    key_id: Option<&'a str>,
    key_name: Option<&'a str>,
    /// The rotation that the key belongs to.
    rotation: Option<&'a str>,
    /// `closed`; `open`: the key is dead; `alive`: the key works; `planned`: a dry run.
    fate: &'a str,
    detail: Option<String>,
}

/// An alert as a row.
pub(super) fn alert(alert: &Alert) -> AlertRow<'_> {
    AlertRow {
        name: &alert.name,
        page: &alert.page,
        key_id: alert.key.as_ref().map(|(id, _)| id.0.as_str()),
        key_name: alert.key.as_ref().map(|(_, name)| name.as_str()),
        rotation: alert.family.as_deref(),
        fate: match alert.fate {
            Fate::Closed => "closed",
            Fate::Open(_) => "open",
            Fate::Alive(_) => "alive",
            Fate::Planned(_) => "planned",
        },
        detail: detail(alert),
    }
}

/// How a watch ended.
pub(super) fn verdict(watch: &WatchOutcome) -> WatchStatus {
    watch.verdict((!watch.rotations.is_empty()).then(|| worst(&watch.rotations)))
}

/// What there is to say of an alert that is not closed.
fn detail(alert: &Alert) -> Option<String> {
    match &alert.fate {
        Fate::Closed => None,
        Fate::Open(why) | Fate::Planned(why) => Some(why.clone()),
        Fate::Alive(problem) => Some(match &problem.next {
            Some(next) => format!("{} What to do: {next}", full_stop(&problem.what)),
            None => problem.what.clone(),
        }),
    }
}

fn told(alert: &Alert) -> String {
    detail(alert).unwrap_or_else(|| "the key is dead, and the alert is closed".to_owned())
}

/// `Secret scanning: 2 open alerts with keys of the account, 3 others.`
fn headline(watch: &WatchOutcome) -> String {
    let (ours, others) = (watch.alerts.len(), watch.others);
    let is_alive = watch.alerts.iter().any(|alert| matches!(alert.fate, Fate::Alive(_)));
    match ours {
        _ if is_alive => "Secret scanning: a leaked key works".to_owned(),
        _ if !watch.problems.is_empty() => "Secret scanning: the alerts could not all be looked at".to_owned(),
        0 => format!("Secret scanning: no open alert holds a key of the account ({others} of other things)"),
        1 => "Secret scanning: 1 open alert held a key of the account".to_owned(),
        many => format!("Secret scanning: {many} open alerts held keys of the account"),
    }
}

/// The closing lines in a log or a terminal.
pub(super) fn text(watch: &WatchOutcome) -> Vec<String> {
    let mut lines = vec![format!("{}. Read: {}.", headline(watch), watch.sources.join(", "))];
    extend(&mut lines, &watch.problems, |problem| match &problem.next {
        Some(next) => format!("  error: {} What to do: {next}", full_stop(&problem.what)),
        None => format!("  error: {}", problem.what),
    });
    extend(&mut lines, &watch.alerts, |alert| format!("  {} {}: {}", alert.name, key(alert), told(alert)));
    extend(&mut lines, &watch.notices, |notice| format!("  notice: {notice}"));
    lines
}

fn key(alert: &Alert) -> String {
    alert.key.as_ref().map_or_else(|| "a key".to_owned(), |(id, name)| format!("{name} ({})", short_id(&id.0)))
}

/// Writes the summary.
pub(super) fn markdown(page: &mut Page, watch: &WatchOutcome) {
    let mark = match verdict(watch).exit_code() {
        0 => "✅ ",
        1 => "❌ ",
        _ => "⚠️ ",
    };
    page.push(&format!("## {mark}{}\n\n", headline(watch)));
    let sources: Vec<_> = watch.sources.iter().map(|source| code(source)).collect();
    page.push(&format!("Read: {}.\n\n", sources.join(", ")));
    let problem = |problem: &crate::rotation::outcome::Problem| match &problem.next {
        Some(next) => format!("- {} What to do: {}\n", full_stop(&prose(&problem.what)), prose(&advice_sentence(next))),
        None => format!("- {}\n", full_stop(&prose(&problem.what))),
    };
    let rest = |count| format!("- … and {count} more\n");
    page.list("**What went wrong**\n\n", watch.problems.len(), watch.problems.iter().map(problem), rest);
    let row = |alert: &Alert| format!("| {} | {} | {} |\n", code(&alert.name), prose(&key(alert)), prose(&told(alert)));
    let head = "| Alert | Key | Now |\n|---|---|---|\n";
    page.list(head, watch.alerts.len(), watch.alerts.iter().map(row), |count| format!("| … and {count} more | | |\n"));
    let notice = |notice: &String| format!("- {}\n", prose(notice));
    page.list("**Notices**\n\n", watch.notices.len(), watch.notices.iter().map(notice), rest);
}

/// A key that works is an error; a dead one whose alert is open asks for a click.
pub(super) fn annotate<O: Write, E: Write>(watch: &WatchOutcome, console: &Console<O, E>) {
    for problem in &watch.problems {
        console.annotate(Kind::Error, &crate::console::phrases::problem_text(problem));
    }
    for alert in &watch.alerts {
        let kind = match alert.fate {
            Fate::Alive(_) => Kind::Error,
            Fate::Open(_) => Kind::Warning,
            Fate::Closed | Fate::Planned(_) => Kind::Notice,
        };
        console.annotate(kind, &format!("{} {}: {}", alert.name, key(alert), told(alert)));
    }
    watch.notices.iter().for_each(|notice| console.annotate(Kind::Notice, notice));
}

impl Cleaner<'_> {
    /// A watch as it may be shown.
    pub(super) fn watch(&self, watch: WatchOutcome) -> WatchOutcome {
        WatchOutcome {
            sources: watch.sources.iter().map(|source| self.name(source)).collect(),
            others: watch.others,
            alerts: watch.alerts.iter().map(|alert| self.alert(alert)).collect(),
            rotations: watch.rotations.iter().map(|outcome| self.outcome(outcome)).collect(),
            problems: watch.problems.iter().map(|problem| self.problem(problem)).collect(),
            notices: self.sentences(&watch.notices),
        }
    }

    fn alert(&self, alert: &Alert) -> Alert {
        let fate = match &alert.fate {
            Fate::Closed => Fate::Closed,
            Fate::Open(why) => Fate::Open(self.sentence(why)),
            Fate::Alive(problem) => Fate::Alive(self.problem(problem)),
            Fate::Planned(what) => Fate::Planned(self.sentence(what)),
        };
        Alert {
            name: self.name(&alert.name),
            page: self.name(&alert.page),
            key: alert.key.as_ref().map(|key| self.key(key)),
            family: alert.family.as_ref().map(|family| self.name(family)),
            fate,
        }
    }
}
