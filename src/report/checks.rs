//! A table of checks, as lines and as Markdown.

use super::escape::{code, prose};
use super::page::Page;
use super::phrases;
use crate::rotation::outcome::{Check, Finding};

/// So many dots lead from the longest name of a table to what stands beside it.
const LEADER: usize = 4;

/// For a log. What failed is told in full, however many checks there are.
pub(super) fn lines(checks: &[Check]) -> Vec<String> {
    let width = checks.iter().map(|check| check.what.chars().count()).max().unwrap_or_default() + LEADER;
    let failed = |check: &&Check| check.finding != Finding::Passed;
    let shown =
        checks.iter().filter(failed).chain(checks.iter().filter(|check| !failed(check)).take(phrases::MAX_LINES));
    let mut shown: Vec<_> = shown.collect();
    shown.sort_by_key(|check| checks.iter().position(|one| std::ptr::eq(one, *check)));
    let left_out = checks.len() - shown.len();
    let lines = shown.into_iter().flat_map(|Check { what, finding, detail, remedy }| {
        // Of several spaces in a row a log keeps one.
        let line = format!("  {} {:.<width$} {detail}", phrases::sign(*finding), format!("{what} "));
        let remedy = remedy.as_ref().map(|remedy| format!("      → {remedy}"));
        std::iter::once(line).chain(remedy)
    });
    let more = (left_out > 0).then(|| format!("  ✓ … and {left_out} more"));
    lines.chain(more).collect()
}

/// For a summary, what failed first.
pub(super) fn table(page: &mut Page, checks: &[Check]) {
    let mut checks: Vec<_> = checks.iter().collect();
    checks.sort_by_key(|check| check.finding != Finding::Failed);
    let row = |check: &&Check| {
        let remedy = check.remedy.as_deref().map(prose).unwrap_or_default();
        format!("| {} | {} | {} | {remedy} |\n", phrases::sign(check.finding), code(&check.what), prose(&check.detail))
    };
    let rest = |count| format!("| | … and {count} more | | |\n");
    page.list("| | What | Found | What to do |\n|---|---|---|---|\n", checks.len(), checks.iter().map(row), rest);
}
