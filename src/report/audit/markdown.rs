//! The audit's summary.

use super::rows::{reset, role, state};
use super::{counts, fate, key_count, next, not_judged};
use crate::audit::prune::{Fate, Pruned};
use crate::audit::{Audit, AuditStatus, AuditedAccount, AuditedKey, Finding, LastUse, Level, State};
use crate::humanize::{day, moment, whole_span};
use crate::report::escape::{code, escape, prose};
use crate::report::page::Page;
use crate::report::phrases::{full_stop, short_id};
use crate::report::pictures;
use crate::rotation::model::{AllowList, KeyKind, KeyRow, Reset};
use crate::rotation::outcome::Problem;

/// More findings of one rule than this are counted: the report has them all.
const MAX_FOUND: usize = 12;

/// More names of a list than this are counted.
const MAX_NAMES: usize = 4;

/// Writes the whole summary; what does not fit is left out, the least important first.
pub(in crate::report) fn markdown(page: &mut Page, audit: &Audit) {
    let mark = match audit.verdict() {
        AuditStatus::Audited => "✅ ",
        AuditStatus::Unchanged => "❌ ",
        AuditStatus::Attention => "⚠️ ",
    };
    page.push(&format!("## {mark}Audit of {}: {}\n\n", key_count(audit), counts(audit)));
    page.push(&format!("{}\n\n", prose(&what_was_looked_for(audit))));
    if let Some(notice) = not_judged(audit) {
        page.push(&format!("{}\n\n", full_stop(&prose(&notice))));
    }
    problems(page, audit);
    page.push(&format!("**What to do next:** {}\n\n", prose(&next(audit))));
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
        whole_span(criteria.old_after),
        whole_span(criteria.unused_after)
    )
}

fn problems(page: &mut Page, audit: &Audit) {
    let all: Vec<_> = audit.all_problems().collect();
    let row = |problem: &&Problem| format!("- {}\n", full_stop(&prose(&problem.what)));
    page.list("**What went wrong**\n\n", all.len(), all.iter().map(row), rest);
}

fn rest(count: usize) -> String {
    format!("- … and {count} more\n")
}

/// One row for each rule at each weight: whom it is about, and one remedy.
fn findings(page: &mut Page, audit: &Audit) {
    let all = audit.findings();
    let mut rows: Vec<(&Finding, Vec<&Finding>)> = Vec::new();
    for finding in all {
        let same =
            |(first, _): &&mut (&Finding, Vec<&Finding>)| (first.level, first.rule) == (finding.level, finding.rule);
        match rows.iter_mut().find(same) {
            Some((_, others)) => others.push(finding),
            None => rows.push((finding, vec![finding])),
        }
    }
    let count = rows.len();
    let row = |(first, of_rule): (&Finding, Vec<&Finding>)| {
        let rule = format!("{} `{}`", first.rule.about().title, first.rule.id());
        format!("| {} | {rule} | {} | {} |\n", level(first.level), found(&of_rule), prose(&first.advice))
    };
    let head = "### Findings\n\n| | Rule | Found | What to do |\n|---|---|---|---|\n";
    page.list(head, count, rows.into_iter().map(row), |count| format!("| | … and {count} more | | |\n"));
}

/// Why, and whom it is about: a reason that holds for several is told once.
fn found(findings: &[&Finding]) -> String {
    let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
    for finding in findings.iter().take(MAX_FOUND) {
        match reasons.iter_mut().find(|(reason, _)| *reason == &*finding.reason) {
            Some((_, names)) => names.push(about(finding)),
            None => reasons.push((&finding.reason, vec![about(finding)])),
        }
    }
    let end = common_end(&reasons);
    let told = reasons.into_iter().map(|(reason, names)| {
        let reason = prose(end.and_then(|end| reason.strip_suffix(end)).unwrap_or(reason));
        match names.as_slice() {
            [name] => format!("{name}: {reason}"),
            names => format!("{reason}: {}", names.join(", ")),
        }
    });
    let more = findings.len().saturating_sub(MAX_FOUND);
    let more = (more > 0).then(|| format!("and {more} more"));
    let end = end.map(|end| format!("({})", prose(end.trim_start_matches("; "))));
    told.chain(more).chain(end).collect::<Vec<_>>().join("<br>")
}

/// What several reasons have in common behind their last semicolon, which is told once: `; \`old-after\` is 90 days`.
fn common_end<'a>(reasons: &[(&'a str, Vec<String>)]) -> Option<&'a str> {
    let end = |(reason, _): &(&'a str, Vec<String>)| reason.rfind("; ").and_then(|at| reason.get(at..));
    let first = end(reasons.first()?)?;
    (reasons.len() > 1 && reasons.iter().all(|reason| end(reason) == Some(first))).then_some(first)
}

fn about(finding: &Finding) -> String {
    match (finding.key.as_deref(), &finding.rotation) {
        (Some((id, name)), _) if name.is_empty() => code(&short_id(&id.0)),
        (Some((_, name)), _) | (None, Some((name, _))) => escape(name),
        (None, None) => String::new(),
    }
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
    let columns = Columns::of(audit);
    let row = |(account, key): (&AuditedAccount, &AuditedKey)| {
        let issuer = several.then(|| escape(&account.issuer));
        format!("|{}\n", cells(issuer.into_iter().chain(columns.cells(key))))
    };
    let heads: Vec<_> = several.then_some("Issuer").into_iter().chain(columns.heads()).collect();
    let empty = " |".repeat(heads.len() - 1);
    let lines = "---|".repeat(heads.len());
    let head = format!("### Keys\n\n|{}\n|{lines}\n", cells(heads.into_iter().map(str::to_owned)));
    let count = audit.accounts.iter().map(|account| account.assessment.keys.len()).sum();
    page.list(&head, count, all.map(row), |count| format!("| … and {count} more |{empty}\n"));
    ids_in_full(page, audit);
}

fn cells(all: impl Iterator<Item = String>) -> String {
    all.map(|cell| format!(" {cell} |")).collect()
}

/// The columns of the table of keys. One that says nothing of any key is left out, since the page is narrow.
struct Columns {
    expires: bool,
    family: bool,
    targets: bool,
}

impl Columns {
    fn of(audit: &Audit) -> Self {
        let any = |says: fn(&AuditedKey) -> bool| {
            audit.accounts.iter().flat_map(|account| &account.assessment.keys).any(says)
        };
        Self {
            expires: any(|key| matches!(key.row.rights.expires_at, Some(Some(_)))),
            family: any(|key| key.family.is_some()),
            targets: any(|key| !key.targets.is_empty()),
        }
    }

    fn heads(&self) -> impl Iterator<Item = &'static str> {
        self.shown(["Key", "State", "Age", "Last used", "Limit", "May use", "Expires", "Family", "Targets"])
    }

    fn cells(&self, key: &AuditedKey) -> impl Iterator<Item = String> {
        self.shown(key_cells(key))
    }

    fn shown<T>(&self, all: [T; 9]) -> impl Iterator<Item = T> {
        let is_shown = [true, true, true, true, true, true, self.expires, self.family, self.targets];
        all.into_iter().zip(is_shown).filter_map(|(one, is_shown)| is_shown.then_some(one))
    }
}

fn ids_in_full(page: &mut Page, audit: &Audit) {
    let all: Vec<_> = audit.accounts.iter().flat_map(|account| &account.assessment.keys).collect();
    if all.iter().all(|key| short_id(&key.row.id.0) == key.row.id.0) {
        return;
    }
    let row = |key: &&AuditedKey| format!("| {} | {} |\n", code(&key.row.id.0), escape(&key.row.name));
    let mut part = Page::new(page.room() / 2);
    let rest = |count| format!("| … and {count} more | |\n");
    part.list("| Key | Name |\n|---|---|\n", all.len(), all.iter().map(row), rest);
    let table = part.finish();
    if !table.is_empty() {
        page.push(&format!("<details><summary>Ids in full</summary>\n\n{table}\n</details>\n\n"));
    }
}

fn key_cells(key: &AuditedKey) -> [String; 9] {
    let row = &key.row;
    let management = row.kind == KeyKind::Management;
    let state = if management { format!("{}, management", state(key)) } else { state(key).to_owned() };
    let family = key.family.as_ref().map(|it| format!("{}, {}", it.family, role(it.role))).unwrap_or_default();
    let id = code(&short_id(&row.id.0));
    [
        if row.name.is_empty() { id } else { format!("{}<br>{id}", escape(&row.name)) },
        state,
        key.age.map_or_else(|| NOT_SHOWN.to_owned(), whole_span),
        match key.last_use {
            LastUse::At(at) => day(at),
            other => last_use(other),
        },
        if management { String::new() } else { escape(&limit(row)) },
        if management { String::new() } else { escape(&what_it_may_use(row)) },
        expires(row),
        escape(&family),
        escape(&names(key.targets.iter().map(String::as_str))),
    ]
}

/// [`may_use`] without the list that restricts nothing.
fn what_it_may_use(row: &KeyRow) -> String {
    let all = |list: &Option<AllowList>| list.as_ref().is_none_or(|list| *list == AllowList::All);
    let mut row = row.clone();
    match (all(&row.rights.providers), all(&row.rights.models)) {
        (true, true) if row.rights.providers.is_some() && row.rights.models.is_some() => {
            return "everything".to_owned();
        }
        (true, false) => row.rights.providers = None,
        (false, true) => row.rights.models = None,
        _ => {}
    }
    may_use(&row)
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
        Some(Some(end)) => day(end),
    }
}

fn names<'a>(all: impl Iterator<Item = &'a str> + Clone) -> String {
    let shown: Vec<_> = all.clone().take(MAX_NAMES).collect();
    let more = all.count().saturating_sub(MAX_NAMES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}
