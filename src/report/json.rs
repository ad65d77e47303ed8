//! The report as one line of JSON: the output `report`, and what `--format json` prints.
//!
//! Fields are only ever added within one `version`. A field that does not apply is `null`, a list that does not is empty.
//! Rows carry the rotation they belong to, so that one rotation and many read alike.

use std::io;

use jiff::Timestamp;
use serde::Serialize;

use super::audit::AuditRows;
use super::facts::{Single, counts, rotated};
use super::leaks::{AlertRow, alert};
use super::rows::{CheckRow, KeyRow, ProblemRow, RotationRow, StepRow, TargetRow, TextRow};
use super::rows::{audit_problem, check, input_problem, key, problems, rotation, steps, target, texts};
use super::{Ending, phrases};
use crate::audit::Audit;
use crate::leaks::WatchOutcome;
use crate::receipt::ReceiptOutcome;
use crate::rotation::outcome::Outcome;

/// Outputs of a job may have 1 MiB together, counted at two bytes a character; an environment variable that is to pass
/// the report on takes 128 KiB.
pub const OUTPUT_LIMIT: usize = 120_000;
/// The version of the field names.
const VERSION: u32 = 1;

/// The report. Its first fields are the outputs.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Report<'a> {
    version: u32,
    outcome: &'a str,
    rotated: bool,
    new_key_id: Option<String>,
    new_key_name: Option<String>,
    old_key_id: Option<String>,
    old_key_status: Option<&'a str>,
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    retire_after: Option<Timestamp>,
    targets_written: usize,
    targets_failed: usize,
    exit_code: u8,
    rotations: Vec<RotationRow<'a>>,
    targets: Vec<TargetRow<'a>>,
    keys: Vec<KeyRow<'a>>,
    problems: Vec<ProblemRow<'a>>,
    notices: Vec<TextRow<'a>>,
    steps: Vec<StepRow<'a>>,
    plan: Vec<TextRow<'a>>,
    /// What `doctor` looked at, and what `verify-receipt` compared; empty for everything else.
    checks: Vec<CheckRow<'a>>,
    /// What an audit found; `null` for everything else.
    audit: Option<AuditRows<'a>>,
    /// The open alerts of secret scanning that hold a key of the account; empty for everything but `watch-leaks`.
    alerts: Vec<AlertRow<'a>>,
    /// Rows that were left out of the lists above, because an output may not be longer.
    omitted: usize,
}

impl<'a> Report<'a> {
    /// The report with every row.
    #[must_use]
    pub fn new(ending: &'a Ending) -> Self {
        let (outcomes, inputs): (Vec<&Outcome>, &[String]) = match ending {
            Ending::Ran(outcomes) => (outcomes.iter().collect(), &[]),
            Ending::Invalid(problems) => (Vec::new(), problems),
            Ending::Audited(audit) => return Self::audited(ending, audit),
            Ending::Verified(read) => return Self::verified(ending, read),
            Ending::Watched(watch) => return Self::watched(ending, watch, &watch.rotations.iter().collect::<Vec<_>>()),
        };
        Self::of(ending, &outcomes, inputs)
    }

    /// The same with the rotations that failed first, so that these are not what is left out.
    fn worst_first(ending: &'a Ending) -> Self {
        match ending {
            Ending::Ran(outcomes) => Self::of(ending, &super::worst_first(outcomes), &[]),
            Ending::Watched(watch) => Self::watched(ending, watch, &super::worst_first(&watch.rotations)),
            Ending::Invalid(_) | Ending::Audited(_) | Ending::Verified(_) => Self::new(ending),
        }
    }

    fn audited(ending: &'a Ending, audit: &'a Audit) -> Self {
        let problems = audit.all_problems().map(audit_problem).collect();
        Self { problems, audit: Some(AuditRows::new(audit)), ..Self::of(ending, &[], &[]) }
    }

    fn verified(ending: &'a Ending, read: &'a ReceiptOutcome) -> Self {
        let problems = read.problems.iter().map(audit_problem).collect();
        let checks = read.checks.iter().map(|it| check(&it.rotation, &it.check)).collect();
        Self { problems, checks, ..Self::of(ending, &[], &[]) }
    }

    fn watched(ending: &'a Ending, watch: &'a WatchOutcome, outcomes: &[&'a Outcome]) -> Self {
        let mut report = Self::of(ending, outcomes, &[]);
        report.problems.splice(0..0, watch.problems.iter().map(audit_problem));
        report.alerts = watch.alerts.iter().map(alert).collect();
        report
    }

    fn of(ending: &'a Ending, outcomes: &[&'a Outcome], inputs: &'a [String]) -> Self {
        let single = Single::of(ending);
        let (new_key_id, new_key_name) = single.new_key.map(|(id, name)| (id.0, name)).unzip();
        let (targets_written, targets_failed) = counts(ending);
        Self {
            version: VERSION,
            outcome: ending.word(),
            rotated: rotated(ending),
            new_key_id,
            new_key_name,
            old_key_id: single.old_key_id.map(|id| id.0),
            old_key_status: single.old_key_status,
            retire_after: single.retire_after,
            targets_written,
            targets_failed,
            exit_code: ending.exit_code(),
            rotations: outcomes.iter().copied().map(rotation).collect(),
            targets: rows(outcomes, |o, name| {
                phrases::failing_first(&o.targets).into_iter().map(|t| target(name, t)).collect()
            }),
            keys: rows(outcomes, |o, name| o.keys.iter().map(|row| key(name, row)).collect()),
            problems: inputs.iter().map(|what| input_problem(what)).chain(rows(outcomes, problems)).collect(),
            notices: rows(outcomes, |o, name| texts(name, &o.notices)),
            steps: rows(outcomes, steps),
            plan: rows(outcomes, |o, name| texts(name, &o.plan)),
            checks: rows(outcomes, |o, name| o.checks.iter().map(|one| check(name, one)).collect()),
            audit: None,
            alerts: Vec::new(),
            omitted: 0,
        }
    }

    /// At most so many rows of each list.
    fn cut(&mut self, most: usize) {
        let before: usize = self.lengths().iter().sum();
        self.rotations.truncate(most);
        self.targets.truncate(most);
        self.keys.truncate(most);
        self.problems.truncate(most);
        self.notices.truncate(most);
        self.steps.truncate(most);
        self.plan.truncate(most);
        self.checks.truncate(most);
        self.alerts.truncate(most);
        if let Some(audit) = &mut self.audit {
            audit.findings.truncate(most);
            audit.keys.truncate(most);
            audit.pruned.truncate(most);
        }
        self.omitted += before - self.lengths().iter().sum::<usize>();
    }

    fn lengths(&self) -> [usize; 12] {
        let of_audit = |it: &AuditRows<'_>| (it.findings.len(), it.keys.len(), it.pruned.len());
        let (findings, keys, pruned) = self.audit.as_ref().map(of_audit).unwrap_or_default();
        [
            self.rotations.len(),
            self.targets.len(),
            self.keys.len(),
            self.problems.len(),
            self.notices.len(),
            self.steps.len(),
            self.plan.len(),
            self.checks.len(),
            self.alerts.len(),
            findings,
            keys,
            pruned,
        ]
    }

    fn longest(&self) -> usize {
        self.lengths().into_iter().max().unwrap_or_default()
    }
}

/// The report as one line of at most `limit` bytes: rows are left out until it fits.
#[must_use]
pub fn json(ending: &Ending, limit: usize) -> String {
    if let Some(whole) = line(&Report::new(ending), limit) {
        return whole;
    }
    let mut report = Report::worst_first(ending);
    loop {
        let longest = report.longest();
        report.cut(longest / 2);
        if let Some(text) = line(&report, if longest <= 1 { usize::MAX } else { limit }) {
            return text;
        }
    }
}

/// The characters with which a text could break out of a shell's quotes or become a command of GitHub's runner are
/// written as escapes, which mean the same in JSON: outputs are pasted into scripts. `None` where it is longer than the
/// limit: no more of it is made than that.
fn line(report: &Report<'_>, limit: usize) -> Option<String> {
    let mut text = Bounded { text: Vec::new(), limit };
    serde_json::to_writer(&mut text, report).ok()?;
    let text = String::from_utf8(text.text).ok()?;
    let escapes = [("'", "\\u0027"), ("`", "\\u0060"), ("$", "\\u0024"), ("##[", "#\\u0023[")];
    let escaped =
        |text: String, (from, to): (&str, &str)| if text.contains(from) { text.replace(from, to) } else { text };
    let text = escapes.into_iter().fold(text, escaped);
    (text.len() <= limit).then_some(text)
}

/// A text that nothing is added to beyond its limit.
struct Bounded {
    text: Vec<u8>,
    limit: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if more.len() > self.limit.saturating_sub(self.text.len()) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.text.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn rows<'a, T>(outcomes: &[&'a Outcome], of: impl Fn(&'a Outcome, &'a str) -> Vec<T>) -> Vec<T> {
    outcomes.iter().copied().flat_map(|outcome| of(outcome, &outcome.key_name)).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use serde_json::Value;

    use super::super::outputs;
    use super::super::samples::{attention, pending, planned, rolled_back, rotated, target as sample, unchanged};
    use super::*;
    use crate::rotation::outcome::TargetState;
    use crate::secret::Redactor;

    fn report(ending: &Ending) -> Value {
        let text = json(ending, usize::MAX);
        assert_eq!(text.lines().count(), 1);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn the_fields_agree_with_the_outputs() {
        for outcomes in [vec![pending()], vec![attention()], vec![rotated(), unchanged()], vec![]] {
            let ending = Ending::ran(&outcomes, &Redactor::new());
            let report = report(&ending);
            for (name, value) in outputs(&ending).iter().filter(|(name, _)| *name != "report") {
                let field = &report[*name];
                let shown = field.as_str().map_or_else(|| field.to_string().replace("null", ""), Into::into);
                assert_eq!(&shown, value, "{name}");
                assert!(Report::OUTPUTS.contains(name));
            }
        }
    }

    #[test]
    fn every_row_names_its_rotation() {
        let mut second = planned();
        second.key_name = "staging".into();
        let report = report(&Ending::ran(&[attention(), second], &Redactor::new()));
        assert_eq!(report["version"], 1);
        assert_eq!(report["exit-code"], 3);
        assert_eq!(report["rotations"][1]["dry-run"], true);
        assert_eq!(report["targets"][2]["rotation"], "staging");
        assert_eq!(report["keys"][1]["fate"], "stray");
        assert_eq!(report["keys"][1]["reason"], "the issuer answered 500 to its deletion");
        assert_eq!(report["steps"][0]["took-ms"], 420);
        assert_eq!(report["plan"][1]["text"], "Write it to 1 target.");
    }

    #[test]
    fn wrong_inputs_are_problems() {
        let report = report(&Ending::invalid(&["key-name: is missing".into()], &Redactor::new()));
        assert_eq!(report["outcome"], "invalid");
        assert_eq!(report["problems"][0]["what"], "key-name: is missing");
        assert_eq!(report["new-key-id"], Value::Null);
    }

    #[test]
    fn a_text_cannot_break_out_of_quotes_or_become_a_command() {
        let mut outcome = unchanged();
        outcome.reason = "it's `x` $(y) ##[error]z".into();
        let text = json(&Ending::ran(&[outcome.clone()], &Redactor::new()), usize::MAX);
        assert!(!text.contains(['\'', '`', '$']) && !text.contains("##["), "{text}");
        let back: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(back["rotations"][0]["reason"], outcome.reason.to_string());
    }

    #[test]
    fn an_output_is_cut_to_its_limit_and_keeps_what_failed() {
        let mut outcome = rolled_back();
        let name = |n: usize| format!("repo:acme/{n} AROUTER_API_KEY");
        outcome.targets = (0..5_000).map(|n| sample(&name(n), TargetState::New, None)).collect();
        outcome.targets.push(sample("repo:acme/bad", TargetState::Either, Some("no answer")));
        let ending = Ending::ran(&[outcome], &Redactor::new());
        let text = json(&ending, OUTPUT_LIMIT);
        assert!(text.len() <= OUTPUT_LIMIT);
        let report: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(report["targets"][0]["name"], "repo:acme/bad");
        let shown = report["targets"].as_array().unwrap().len();
        assert_eq!(report["omitted"], 5_001 - shown);
        assert_eq!(report["targets-written"], 5_000);
        assert_eq!(report["keys"].as_array().unwrap().len(), 2);
    }
}
