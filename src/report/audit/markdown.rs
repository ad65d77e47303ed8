//! The audit's summary.

use jiff::Timestamp;

use super::rows::{reset, role, state};
use super::{counts, fate, key_count, next, not_judged};
use crate::audit::prune::{Fate, Pruned};
use crate::audit::{Audit, AuditedKey, Finding, LastUse, Level, State, Verdict, span};
use crate::report::escape::{code, escape};
use crate::report::page::Page;
use crate::report::pictures;
use crate::report::words::{full_stop, moment};
use crate::rotation::outcome::Problem;
use crate::rotation::port::{AllowList, KeyKind, KeyRow, Reset};

/// More names of a list than this are counted.
const MOST_NAMES: usize = 4;

/// Writes the whole summary; what does not fit is left out, the least important first.
pub(in crate::report) fn markdown(page: &mut Page, audit: &Audit) {
    let mark = match audit.verdict() {
        Verdict::Audited => "✅ ",
        Verdict::Unchanged => "❌ ",
        Verdict::Attention => "⚠️ ",
    };
    page.push(&format!("## {mark}Audit of {}: {}\n\n", key_count(audit), counts(audit)));
    page.push(&format!("{}\n\n", escape(&what_was_looked_for(audit))));
    if let Some(notice) = not_judged(audit) {
        page.push(&format!("{}\n\n", full_stop(&escape(&notice))));
    }
    problems(page, audit);
    page.push(&format!("**What to do next:** {}\n\n", escape(&next(audit))));
    pruned(page, audit);
    findings(page, audit);
    ages(page, audit);
    keys(page, audit);
}

fn pruned(page: &mut Page, audit: &Audit) {
    let all: Vec<_> = audit.pruned().collect();
    let row = |it: &&Pruned| format!("| {} | {} | {} |\n", code(&it.id.0), escape(&it.name), escape(&fate(&it.fate)));
    let dry = all.iter().any(|it| matches!(it.fate, Fate::Planned(_)));
    let (title, fates) = match dry {
        true => ("What would be pruned (dry run)", "What would become of it"),
        false => ("Pruned", "What became of it"),
    };
    let head = format!("### {title}\n\n| Key | Name | {fates} |\n|---|---|---|\n");
    page.list(&head, all.len(), all.iter().map(row), |count| format!("| … and {count} more | | |\n"));
}

/// Up to so many days; the last has no end.
const AGES: [(&str, u64); 6] = [
    ("under 7 d", 7),
    ("7-30 d", 30),
    ("30-90 d", 90),
    ("90-180 d", 180),
    ("180-365 d", 365),
    ("over 365 d", u64::MAX),
];

/// How old the keys are that work: a picture, and the same as a table.
fn ages(page: &mut Page, audit: &Audit) {
    let keys = audit.accounts.iter().flat_map(|account| &account.assessment.keys);
    let days: Vec<_> = keys
        .filter(|key| key.state == State::Live)
        .filter_map(|key| Some(key.age?.as_secs() / (24 * 60 * 60)))
        .collect();
    let count = |at: usize| {
        let from = at.checked_sub(1).and_then(|before| AGES.get(before)).map_or(0, |(_, end)| *end);
        let (label, end) = AGES.get(at).copied().unwrap_or_default();
        (label, days.iter().filter(|days| (from..end).contains(*days)).count())
    };
    let counts: Vec<_> = (0..AGES.len()).map(count).collect();
    if let Some(picture) = pictures::bars("Live keys by age", "keys", &counts) {
        let row =
            |cells: Vec<String>| format!("|{}\n", cells.iter().map(|cell| format!(" {cell} |")).collect::<String>());
        let head = row(counts.iter().map(|(label, _)| (*label).to_owned()).collect());
        let numbers = row(counts.iter().map(|(_, count)| count.to_string()).collect());
        page.push(&format!("### Live keys by age\n\n{picture}{head}|{}\n{numbers}\n", "---|".repeat(counts.len())));
    }
}

fn what_was_looked_for(audit: &Audit) -> String {
    let criteria = &audit.criteria;
    let fails = if audit.fails() {
        format!(" It fails, since `fail-on` is `{}`.", audit.fail_on.word())
    } else {
        String::new()
    };
    format!(
        "A key is old after {}, and unused after {} without a request.{fails}",
        span(criteria.old_after),
        span(criteria.unused_after)
    )
}

fn problems(page: &mut Page, audit: &Audit) {
    let all: Vec<_> = audit.all_problems().collect();
    let row = |problem: &&Problem| format!("- {}\n", full_stop(&escape(&problem.what)));
    page.list("**What went wrong**\n\n", all.len(), all.iter().map(row), rest);
}

fn rest(count: usize) -> String {
    format!("- … and {count} more\n")
}

fn findings(page: &mut Page, audit: &Audit) {
    let all = audit.findings();
    let row = |finding: &&Finding| {
        let about = match (&finding.key, &finding.rotation) {
            (Some((id, name)), _) => format!("{} {}", escape(name), code(&id.0)),
            (None, Some((name, _))) => escape(name),
            (None, None) => String::new(),
        };
        let (reason, advice) = (escape(&finding.reason), escape(&finding.advice));
        format!("| {} | `{}` | {about} | {reason} | {advice} |\n", level(finding.level), finding.rule.id())
    };
    let head = "### Findings\n\n| | Rule | About | Why | What to do |\n|---|---|---|---|---|\n";
    page.list(head, all.len(), all.iter().map(row), |count| format!("| | | … and {count} more | | |\n"));
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "❌ error",
        Level::Warning => "⚠️ warning",
        Level::Note => "note",
    }
}

fn keys(page: &mut Page, audit: &Audit) {
    let several = audit.accounts.len() > 1;
    let all = audit.accounts.iter().flat_map(|account| account.assessment.keys.iter().map(move |key| (account, key)));
    let row = |(account, key): (&crate::audit::AuditedAccount, &AuditedKey)| {
        let issuer = if several { format!(" {} |", escape(&account.issuer)) } else { String::new() };
        format!("|{issuer}{}\n", key_cells(key))
    };
    let (column, line) = if several { (" Issuer |", "---|") } else { ("", "") };
    let head = format!(
        "### Keys\n\n|{column} Key | Name | State | Age | Last used | Limit | May use | Expires | Family | Targets |\n\
         |{line}---|---|---|---|---|---|---|---|---|---|\n"
    );
    let count = audit.accounts.iter().map(|account| account.assessment.keys.len()).sum();
    let empty = if several { " |" } else { "" };
    page.list(&head, count, all.map(row), |count| format!("| … and {count} more |{empty} | | | | | | | | |\n"));
}

fn key_cells(key: &AuditedKey) -> String {
    let row = &key.row;
    let management = row.kind == KeyKind::Management;
    let state = if management { format!("{}, management key", state(key)) } else { state(key).to_owned() };
    let family = key.family.as_ref().map(|it| format!("{}, {}", it.family, role(it.role))).unwrap_or_default();
    let cells = [
        code(&row.id.0),
        escape(&row.name),
        state,
        key.age.map_or_else(|| NOT_SHOWN.to_owned(), span),
        last_use(key.last_use),
        if management { String::new() } else { escape(&limit(row)) },
        if management { String::new() } else { escape(&may_use(row)) },
        expires(row),
        escape(&family),
        escape(&names(key.targets.iter().map(String::as_str))),
    ];
    cells.map(|cell| format!(" {cell} |")).concat()
}

const NOT_SHOWN: &str = "not shown";

/// When a key was last used.
pub(super) fn last_use(last: LastUse) -> String {
    match last {
        LastUse::At(at) => moment(at),
        LastUse::Never => "never".to_owned(),
        LastUse::NothingSpentSince(at) => format!("nothing spent since {}", day(at)),
        LastUse::Unknown => NOT_SHOWN.to_owned(),
    }
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// What a key may spend: `500 USD monthly, 120.50 left`.
pub(super) fn limit(row: &KeyRow) -> String {
    let Some(limit) = row.rights.limit else { return NOT_SHOWN.to_owned() };
    let Some(limit) = limit else { return "none".to_owned() };
    let anew = row.rights.reset.filter(|reset| *reset != Reset::Never).map(|it| format!(" {}", reset(it)));
    let left = row.limit_remaining.map(|left| format!(", {left:.2} left"));
    format!("{limit} USD{}{}", anew.unwrap_or_default(), left.unwrap_or_default())
}

/// Which providers and models a key may use.
pub(super) fn may_use(row: &KeyRow) -> String {
    let list = |what: &str, list: &Option<AllowList>| match list {
        None => None,
        Some(AllowList::All) => Some(format!("all {what}")),
        Some(AllowList::Only(allowed)) => Some(format!("{what} {}", names(allowed.iter().map(String::as_str)))),
    };
    let parts: Vec<_> =
        [list("providers", &row.rights.providers), list("models", &row.rights.models)].into_iter().flatten().collect();
    if parts.is_empty() { NOT_SHOWN.to_owned() } else { parts.join("; ") }
}

fn expires(row: &KeyRow) -> String {
    match row.rights.expires_at {
        None => NOT_SHOWN.to_owned(),
        Some(None) => "never".to_owned(),
        Some(Some(end)) => moment(end),
    }
}

fn names<'a>(all: impl Iterator<Item = &'a str> + Clone) -> String {
    let shown: Vec<_> = all.clone().take(MOST_NAMES).collect();
    let more = all.count().saturating_sub(MOST_NAMES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}
