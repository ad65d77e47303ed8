//! What the documents say is what the program does: names, defaults, outputs, exit status, messages.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that fails here has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use keyrotor::audit::{self, Rule};
use keyrotor::cli::{INPUTS, Task};
use keyrotor::leaks;
use keyrotor::report::{Ending, json, outputs};
use keyrotor::rotation::outcome::RunStatus;
use keyrotor::store::target::{Kind, PlaceKind};
use serde_json::Value;

use crate::docs::documents::{ROOT, documents, manual, text};

/// What stands below a heading, up to the next one of its level or above.
fn section(markdown: &str, heading: &str) -> String {
    let level = |line: &str| line.chars().take_while(|c| *c == '#').count();
    let mut lines = markdown.lines().skip_while(|line| *line != heading);
    assert!(lines.next().is_some(), "there is no heading {heading:?}");
    let own = lines.take_while(|line| !(1..=level(heading)).contains(&level(line)));
    own.map(|line| format!("{line}\n")).collect()
}

/// The cells of every table's rows, without the heads.
pub(crate) fn rows(markdown: &str) -> Vec<Vec<String>> {
    let mut lines = markdown.lines().peekable();
    let mut rows = Vec::new();
    while let Some(line) = lines.next() {
        let is_head = lines.peek().is_some_and(|next| next.starts_with("|---"));
        if line.starts_with('|') && !line.starts_with("|---") && !is_head {
            let inner = line.strip_prefix('|').unwrap().strip_suffix('|').unwrap_or_else(|| panic!("{line}"));
            rows.push(inner.split(" |").map(|cell| cell.trim().to_owned()).collect());
        }
    }
    assert!(!rows.is_empty(), "no table in {markdown:?}");
    rows
}

/// The texts between backticks, single or double.
pub(crate) fn spans(cell: &str) -> Vec<String> {
    let mut spans = Vec::new();
    let mut rest = cell;
    while let Some(begin) = rest.find('`') {
        let ticks: String = rest.get(begin..).unwrap().chars().take_while(|c| *c == '`').collect();
        let inner = rest.get(begin + ticks.len()..).unwrap();
        let end = inner.find(&ticks).unwrap_or_else(|| panic!("an open span in {cell:?}"));
        spans.push(inner.get(..end).unwrap().to_owned());
        rest = inner.get(end + ticks.len()..).unwrap();
    }
    spans
}

fn only_span(cell: &str) -> String {
    let spans = spans(cell);
    assert_eq!(spans.len(), 1, "{cell:?}");
    spans.into_iter().next().unwrap()
}

#[test]
fn the_manual_has_every_input_with_its_default() {
    let manual = manual();
    let inputs = section(&manual, "## Inputs");
    let rows = rows(inputs.split("### ").next().unwrap());
    let names: Vec<_> = rows.iter().map(|row| only_span(&row[0])).collect();
    assert_eq!(names, INPUTS.iter().map(|doc| doc.name).collect::<Vec<_>>());
    for (row, doc) in rows.iter().zip(INPUTS) {
        let expected = match (doc.required, doc.default) {
            (true, _) => "required".to_owned(),
            (false, Some(default)) => format!("`{default}`"),
            (false, None) => String::new(),
        };
        assert_eq!(row[1], expected, "{}", doc.name);
        assert_eq!(row[2].starts_with("Secret. "), doc.is_secret(), "{}", doc.name);
        assert_eq!(row[2].starts_with("For `audit`"), doc.tasks == [Task::Audit], "{}", doc.name);
    }
}

#[test]
fn the_manual_has_the_variables_of_every_secret() {
    let manual = manual();
    let told: Vec<_> = rows(&section(&manual, "### Secrets on the command line"))
        .iter()
        .map(|row| (only_span(&row[0]), spans(&row[1])))
        .collect();
    let expected: Vec<_> = INPUTS
        .iter()
        .filter(|doc| doc.is_secret())
        .map(|doc| {
            let own = doc.own_variable();
            (doc.name.to_owned(), vec![doc.variable(), own.clone(), format!("{own}_FILE")])
        })
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn the_manual_has_every_output_and_field() {
    let manual = manual();
    let ending = Ending::Invalid(Vec::new());
    let names: Vec<_> = rows(&section(&manual, "## Outputs")).iter().map(|row| only_span(&row[0])).collect();
    let made: Vec<_> = outputs(&ending).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, made);
    let told = spans(&section(&manual, "## Command line").replace("```", ""));
    let report: BTreeMap<String, Value> = serde_json::from_str(&json(&ending, usize::MAX)).unwrap();
    for field in report.keys().filter(|field| !made.contains(&field.as_str()) && *field != "omitted") {
        assert!(told.contains(field), "the field {field} of the report is not told");
    }
}

#[test]
fn the_manual_has_every_exit_status_with_its_outcomes() {
    let verdicts = [
        RunStatus::Rotated,
        RunStatus::NotDue,
        RunStatus::Reenabled,
        RunStatus::Planned,
        RunStatus::Unchanged,
        RunStatus::RolledBack,
        RunStatus::Attention,
    ];
    let wrong = Ending::Invalid(Vec::new());
    let mut expected: BTreeMap<u8, BTreeSet<String>> = BTreeMap::new();
    let ends = verdicts.iter().map(|verdict| (verdict.exit_code(), verdict.word()));
    let audits = [audit::AuditStatus::Audited, audit::AuditStatus::Unchanged, audit::AuditStatus::Attention];
    let ends = ends.chain(audits.iter().map(|verdict| (verdict.exit_code(), verdict.word())));
    let ends = ends.chain([(leaks::WatchStatus::Watched.exit_code(), leaks::WatchStatus::Watched.word())]);
    for (code, word) in ends.chain([(wrong.exit_code(), wrong.word())]) {
        expected.entry(code).or_default().insert(word.to_owned());
    }
    let manual = manual();
    let section = section(&manual, "## Exit status");
    let told: BTreeMap<u8, BTreeSet<String>> = rows(section.split("### ").next().unwrap())
        .iter()
        .map(|row| (row[0].parse().unwrap(), spans(&row[1]).into_iter().collect()))
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn the_manual_has_every_rule_of_the_audit() {
    let told: Vec<_> = rows(&section(&manual(), "## The audit")).iter().map(|row| only_span(&row[0])).collect();
    assert_eq!(told, Rule::ALL.map(|rule| rule.id().to_owned()));
}

#[test]
fn the_manual_has_every_kind_of_target() {
    let told: Vec<_> = rows(&section(&manual(), "## Targets")).iter().map(|row| only_span(&row[0])).collect();
    assert_eq!(told, Kind::ALL.map(|kind| kind.word().to_owned()));
}

#[test]
fn the_manual_has_the_permission_of_every_kind_at_github() {
    let expected: Vec<_> = PlaceKind::ALL
        .into_iter()
        .map(|kind| {
            let (permission, scope) = kind.permission();
            (kind.to_string(), permission, scope.to_owned())
        })
        .collect();
    let table = section(&text("docs/permissions.md"), "## GitHub");
    let told: Vec<_> = rows(table.split("### ").next().unwrap())
        .into_iter()
        .map(|row| (only_span(&row[0]), row[1].clone(), only_span(&row[2])))
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn the_manual_has_what_every_kind_has_to_be_allowed() {
    let page = text("docs/permissions.md");
    let tables =
        ["## GitHub", "## Elsewhere"].map(|heading| rows(section(&page, heading).split("### ").next().unwrap()));
    let told: BTreeSet<String> = tables.iter().flatten().map(|row| only_span(&row[0])).collect();
    assert_eq!(told, Kind::ALL.map(|kind| kind.word().to_owned()).into());
}

// Messages.

/// The string literals of a Rust source, each `{placeholder}` shown as an ellipsis.
fn literals(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut chars = source.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '/' if chars.peek() == Some(&'/') => while chars.next().is_some_and(|c| c != '\n') {},
            '\'' if chars.peek() == Some(&'"') => _ = chars.next(),
            '"' => found.push(placeholders(&literal(&mut chars))),
            _ => {}
        }
    }
    found
}

fn literal(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    let mut text = String::new();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => match chars.next() {
                Some('\n') => while chars.next_if(|c| c.is_whitespace()).is_some() {},
                Some('n') => text.push('\n'),
                Some(other) => text.push(other),
                None => break,
            },
            _ => text.push(c),
        }
    }
    text
}

fn placeholders(format: &str) -> String {
    let hidden = format.replace("{{", "\u{1}").replace("}}", "\u{2}");
    let mut pieces = hidden.split('{');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.split_once('}') {
            Some((_, rest)) => text.extend(["…", rest]),
            None => text.extend(["{", piece]),
        }
    }
    // What stands doubled in a format stands as it is in a plain text: `${{`.
    text.replace('\u{1}', "{{").replace('\u{2}', "}}")
}

fn rust(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    rust(folder, found);
    found.retain(|path| !path.ends_with("tests.rs"));
}

#[test]
fn every_message_in_the_troubleshooting_stands_in_the_source() {
    let mut paths = Vec::new();
    sources(&Path::new(ROOT).join("src"), &mut paths);
    let product = |source: String| source.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
    let said: Vec<String> = paths.iter().flat_map(|path| literals(&product(text(path)))).collect();
    let manual = manual();
    let rows = rows(&section(&manual, "## Troubleshooting"));
    for row in &rows {
        for message in spans(&row[0]) {
            let whole = message.trim_matches('…').len() > 8;
            assert!(whole && said.iter().any(|text| text.contains(&message)), "no part of keyrotor says {message:?}");
        }
    }
    assert!(rows.len() > 40);
}

#[test]
fn literals_are_read_as_a_person_sees_them() {
    let source = "let a = '\"'; // \"not this\"\n f(\"one {} \\\n    two {x:?} \\\"q\\\"\", \"${{\")";
    assert_eq!(literals(source), ["one … two … \"q\"", "${{"]);
}

// The protocol, and the shape of the pages.

#[test]
fn every_test_that_guards_a_closed_hole_is_there() {
    let page = text("docs/protocol.md");
    let holes = section(&page, "## Holes that were found");
    let (mut found, mut paths) = (0, Vec::new());
    ["src", "tests"].into_iter().for_each(|folder| rust(&Path::new(ROOT).join(folder), &mut paths));
    let code: String = paths.iter().map(text).collect();
    for name in spans(&holes).iter().filter(|span| span.matches('_').count() > 3) {
        assert!(code.contains(&format!("fn {name}()")), "no test is called {name}");
        found += 1;
    }
    assert!(found > 30, "only {found}");
}

/// A reader of the front pages sees the end of each.
#[test]
fn front_pages_are_short() {
    for (page, most) in [("README.md", 150), ("SECURITY.md", 160), ("ARCHITECTURE.md", 220)] {
        let lines = text(page).lines().count();
        assert!(lines <= most, "{page} has {lines} lines, at most {most} are read");
    }
    let long = rows(&text("ARCHITECTURE.md")).concat().into_iter().filter(|cell| cell.chars().count() > 160);
    assert_eq!(long.collect::<Vec<_>>(), Vec::<String>::new(), "a cell of ARCHITECTURE.md is longer than two lines");
}

/// What is no plain English, and what there is a better word for in the glossary.
const AVOIDED: [&str; 10] = [
    " mend",
    "of which",
    " whom ",
    "so that nobody looks",
    "taken back again",
    "made anew",
    "lies there",
    "stood still",
    "tells one rotation",
    "known to others",
];

#[test]
fn the_pages_use_plain_words() {
    for page in documents().iter().filter(|path| *path != "CHANGELOG.md" && *path != "docs/troubleshooting.md") {
        let page_text = text(page);
        let found: Vec<_> = AVOIDED.iter().filter(|words| page_text.contains(**words)).collect();
        assert!(found.is_empty(), "{page}: {found:?}");
    }
}

// Links.

/// How GitHub makes an anchor of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_')).collect::<String>().replace(' ', "-")
}

/// A path as a document names it, from the project's root.
fn beside(document: &str, path: &str) -> String {
    let mut folders: Vec<&str> = document.split('/').collect();
    folders.pop();
    for part in path.split('/') {
        match part {
            ".." => _ = folders.pop().unwrap_or_else(|| panic!("{document}: {path}")),
            part => folders.push(part),
        }
    }
    folders.join("/")
}

#[test]
fn every_page_is_linked_from_another() {
    let linked: String = documents().iter().map(text).collect();
    for page in documents().iter().filter(|page| page.starts_with("docs/")) {
        let name = page.rsplit('/').next().unwrap();
        assert!(
            linked.contains(&format!("]({name}")) || linked.contains(&format!("/{name}")),
            "{page} is linked nowhere"
        );
    }
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    for document in documents() {
        let document = document.as_str();
        let markdown = text(document);
        for link in markdown.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            if link.contains("://") {
                continue;
            }
            let (path, part) = link.split_once('#').unwrap_or((link, ""));
            let path = if path.is_empty() { document.to_owned() } else { beside(document, path) };
            assert!(Path::new(ROOT).join(&path).exists(), "{document}: {link}");
            let target = if part.is_empty() { String::new() } else { text(path) };
            let mut anchors = target.lines().filter(|line| line.starts_with('#')).map(anchor);
            assert!(part.is_empty() || anchors.any(|known| known == part), "{document}: {link}");
        }
    }
}
