//! The audit's closing lines in a log or a terminal.

use super::markdown::{last_use, limit, may_use};
use super::rows::state;
use super::{counts, fate, key_count, next, not_judged};
use crate::audit::{Audit, AuditedKey, Finding};
use crate::humanize::whole_span;
use crate::report::phrases::{extend, full_stop};
use crate::rotation::model::KeyKind;

/// The ending in lines, without mark-up.
pub(in crate::report) fn text(audit: &Audit) -> Vec<String> {
    let mut lines = vec![format!("Audit of {}: {}.", key_count(audit), counts(audit))];
    extend(&mut lines, audit.all_problems(), |problem| format!("  error: {}", problem.what));
    lines.extend(not_judged(audit).map(|notice| format!("  note: {notice}")));
    extend(&mut lines, audit.pruned(), |it| format!("  prune {} {}: {}", it.id, it.name, fate(&it.fate)));
    extend(&mut lines, audit.findings(), finding);
    let keys = audit.accounts.iter().flat_map(|account| &account.assessment.keys);
    extend(&mut lines, keys, key);
    if audit.fails() {
        lines.push(format!("  it fails: fail-on is {}", audit.fail_on.word()));
    }
    lines.push(format!("  next: {}", next(audit)));
    lines
}

fn key(key: &AuditedKey) -> String {
    let row = &key.row;
    let age = key.age.map_or_else(|| "age not shown".to_owned(), |age| format!("{} old", whole_span(age)));
    let may = match row.kind {
        KeyKind::Management => "management key".to_owned(),
        KeyKind::Regular => format!("limit {}, may use {}", limit(row), may_use(row)),
    };
    format!("  key {} {}: {}, {age}, last used {}, {may}", row.id, row.name, state(key), last_use(key.last_use))
}

fn finding(finding: &Finding) -> String {
    format!("  {}: {}", finding.level.word(), sentence(finding))
}

/// `old-key: production (key_1): it is … What to do: …`.
pub(in crate::report) fn sentence(finding: &Finding) -> String {
    let about = match (finding.key.as_deref(), &finding.rotation) {
        (Some((id, name)), _) => format!("{name} ({id}): "),
        (None, Some((name, _))) => format!("{name}: "),
        (None, None) => String::new(),
    };
    format!("{}: {about}{} What to do: {}", finding.rule.id(), full_stop(&finding.reason), finding.advice)
}
