//! A receipt as it is written, and what reading one came to, in every form.

use std::io::Write;

use jiff::Timestamp;

use super::json::Report;
use super::page::Page;
use super::phrases::{extend, full_stop};
use super::{Cleaner, Ending, checks, escape};
use crate::console::phrases::problem_text;
use crate::console::{Console, Kind};
use crate::receipt::{
    Digested, IssuedBy, PREDICATE_TYPE, Predicate, ReceiptCheck, ReceiptOutcome, ReceiptStatus, STATEMENT_TYPE,
    Statement, WorkflowRun,
};
use crate::rotation::outcome::{Check, Finding};
use crate::secret::Redactor;

/// What a receipt says beside the report.
#[derive(Clone, Debug)]
pub struct Origin {
    /// When the run began.
    pub started_at: Timestamp,
    /// When it had ended.
    pub finished_at: Timestamp,
    /// The workflow run.
    pub run: WorkflowRun,
    /// Digests of what was given.
    pub inputs: Vec<Digested>,
    /// Who issues the keys of each rotation.
    pub issuers: Vec<IssuedBy>,
}

/// The receipt of a run, with every row of its report.
#[must_use]
pub fn receipt(ending: &Ending, origin: &Origin, redactor: &Redactor) -> String {
    let statement = statement(ending, origin, &Cleaner(redactor));
    serde_json::to_string_pretty(&statement).unwrap_or_default() + "\n"
}

fn statement<'a>(ending: &'a Ending, origin: &Origin, clean: &Cleaner<'_>) -> Statement<Report<'a>> {
    let issuers: Vec<_> = origin.issuers.iter().map(|it| clean.issued_by(it)).collect();
    let url = |name: &str| issuers.iter().find(|it| it.rotation == name).map(|it| it.url.as_str()).unwrap_or_default();
    let mut subject = Vec::new();
    for outcome in ending.outcomes() {
        let name = &outcome.key_name;
        subject.push(Digested::rotation(name, url(name)));
        subject.extend(outcome.keys.iter().map(|key| Digested::key(&key.id.0, url(name))));
        subject.extend(outcome.targets.iter().map(|target| Digested::target(&target.name)));
    }
    subject.sort_unstable();
    subject.dedup();
    Statement {
        statement_type: STATEMENT_TYPE.to_owned(),
        subject,
        predicate_type: PREDICATE_TYPE.to_owned(),
        predicate: Predicate {
            keyrotor_version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: origin.started_at,
            finished_at: origin.finished_at,
            run: clean.workflow_run(&origin.run),
            inputs: origin.inputs.clone(),
            issuers,
            report: Report::new(ending),
        },
    }
}

fn headline(read: &ReceiptOutcome) -> &'static str {
    match read.status() {
        ReceiptStatus::Verified => "The issuer's list agrees with the receipt",
        ReceiptStatus::Unchanged => "The receipt was not compared",
        ReceiptStatus::Attention => "The receipt does not hold",
    }
}

/// What was compared, each rotation's name before it.
fn named(read: &ReceiptOutcome) -> Vec<Check> {
    let name = |it: &ReceiptCheck| Check {
        what: format!("{} {}", it.rotation, it.check.what).trim_start().to_owned(),
        ..it.check.clone()
    };
    read.checks.iter().map(name).collect()
}

/// The closing lines in a log or a terminal.
pub(super) fn text(read: &ReceiptOutcome) -> Vec<String> {
    let mut lines = vec![format!("{}: {}", read.path, headline(read))];
    extend(&mut lines, &read.claims, |claim| format!("  claims: {claim}"));
    lines.extend(checks::lines(&named(read)));
    extend(&mut lines, &read.problems, |problem| format!("  error: {}", full_stop(&problem_text(problem))));
    lines.push(format!("  next: {}", next(read)));
    lines
}

fn next(read: &ReceiptOutcome) -> &'static str {
    match read.status() {
        ReceiptStatus::Verified => "Check who wrote it: `gh attestation verify FILE --repo OWNER/NAME`.",
        ReceiptStatus::Unchanged => "Do what the error says, then run it again.",
        ReceiptStatus::Attention => "Do what the lines with ✗ say.",
    }
}

/// Writes the summary.
pub(super) fn markdown(page: &mut Page, read: &ReceiptOutcome) {
    let mark = match read.status() {
        ReceiptStatus::Verified => "✅ ",
        ReceiptStatus::Unchanged => "❌ ",
        ReceiptStatus::Attention => "⚠️ ",
    };
    page.push(&format!("## {mark}{}: {}\n\n", headline(read), escape::code(&read.path)));
    let rest = |count| format!("- … and {count} more\n");
    let problem = |problem| format!("- {}\n", escape::prose(&problem_text(problem)));
    page.list("**What went wrong**\n\n", read.problems.len(), read.problems.iter().map(problem), rest);
    checks::table(page, &named(read));
    let claim = |claim: &String| format!("- {}\n", escape::prose(claim));
    page.list("**What it claims**\n\n", read.claims.len(), read.claims.iter().map(claim), rest);
}

/// What says otherwise is an error.
pub(super) fn annotate<O: Write, E: Write>(read: &ReceiptOutcome, console: &Console<O, E>) {
    read.problems.iter().for_each(|problem| console.annotate(Kind::Error, &problem_text(problem)));
    for check in named(read).iter().filter(|check| check.finding == Finding::Failed) {
        console.annotate(Kind::Error, &format!("{}: {}", check.what, check.detail));
    }
}

impl Cleaner<'_> {
    /// What reading a receipt came to, as it may be shown.
    pub(super) fn receipt(&self, read: &ReceiptOutcome) -> ReceiptOutcome {
        let check =
            |it: &ReceiptCheck| ReceiptCheck { rotation: self.name(&it.rotation), check: self.check(&it.check) };
        ReceiptOutcome {
            path: self.name(&read.path),
            claims: self.sentences(&read.claims),
            checks: read.checks.iter().map(check).collect(),
            problems: read.problems.iter().map(|problem| self.problem(problem)).collect(),
        }
    }

    fn issued_by(&self, it: &IssuedBy) -> IssuedBy {
        IssuedBy {
            rotation: self.name(&it.rotation),
            issuer: it.issuer.clone(),
            url: self.name(&it.url),
            workspace: it.workspace.as_ref().map(|workspace| self.name(workspace)),
        }
    }

    fn workflow_run(&self, run: &WorkflowRun) -> WorkflowRun {
        let clean = |text: &Option<String>| text.as_ref().map(|text| self.name(text));
        WorkflowRun {
            page: clean(&run.page),
            attempt: clean(&run.attempt),
            workflow: clean(&run.workflow),
            commit: clean(&run.commit),
            event: clean(&run.event),
            actor: clean(&run.actor),
        }
    }
}
