//! The pages in Chinese: their code is that of the English pages, and each says which version of those it translates.

use std::fs;
use std::path::Path;

use crate::docs::docs_agree::{rows, spans};
use crate::docs::documents::{Block, ROOT, blocks_of, text};

/// A page, what it translates, and whether all of that.
const PAGES: [(&str, &str, bool); 4] = [
    ("README.zh-TW.md", "README.md", true),
    ("README.zh-CN.md", "README.md", true),
    ("docs/zh-TW/migration.md", "docs/migration.md", true),
    ("docs/zh-TW/quick-start.md", "README.md", false),
];
/// Set by a person who has brought the translations up to date.
const TRANSLATED: &str = "KEYROTOR_TRANSLATED";

/// Which version of a page this is: FNV-1a over its text.
fn version(page: &str) -> String {
    let hash = text(page)
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{hash:016x}")
}

#[test]
fn a_translation_says_which_version_it_translates() {
    for (page, source, _) in PAGES {
        let told = format!(
            "<!-- Translates {source}, version {}. CONTRIBUTING.md, \"Style\", says how to update it. -->",
            version(source)
        );
        let old = text(page);
        let first = old.lines().next().unwrap_or_default();
        if std::env::var_os(TRANSLATED).is_some() {
            let rest = if first.starts_with("<!--") { old.split_once('\n').unwrap_or_default().1 } else { &old };
            // The tests beside this one read the page: it is replaced as a whole.
            let (path, new) = (Path::new(ROOT).join(page), Path::new(ROOT).join(format!("{page}.new")));
            fs::write(&new, format!("{told}\n{rest}")).unwrap();
            fs::rename(&new, &path).unwrap();
        } else {
            assert_eq!(
                first, told,
                "{source} has changed: update {page}, then run {TRANSLATED}=1 cargo test --test it translations"
            );
        }
    }
}

fn code(page: &str) -> Vec<(String, String)> {
    let unindented = |block: Block| {
        let lines = block.text.lines().map(str::trim_start);
        (block.language, lines.flat_map(|line| [line, "\n"]).collect())
    };
    blocks_of(page, &text(page)).into_iter().map(unindented).collect()
}

#[test]
fn a_translation_has_the_code_of_its_page() {
    for (page, source, whole) in PAGES {
        let (own, theirs) = (code(page), code(source));
        if whole {
            assert_eq!(own, theirs, "{page} and {source}");
        } else {
            assert!(!own.is_empty() && own.iter().all(|block| theirs.contains(block)), "{page}: {own:#?}");
        }
    }
}

/// The quick start is no translation as a whole, and has one table.
#[test]
fn the_quick_start_has_every_exit_status_of_the_reference() {
    let reference = text("docs/reference.md");
    let section = reference.split("\n## Exit status\n").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let first = |rows: Vec<Vec<String>>| rows.into_iter().map(|row| row[0].clone()).collect::<Vec<_>>();
    let own = text("docs/zh-TW/quick-start.md");
    assert_eq!(first(rows(&own)), first(rows(section)));
    for span in rows(&own).iter().flatten().flat_map(|cell| spans(cell)) {
        assert!(section.contains(&format!("`{span}`")), "{span} is not in the reference");
    }
}

#[test]
fn a_translation_has_the_code_in_tables_of_its_page() {
    let code = |page: &str| -> Vec<Vec<String>> {
        rows(&text(page)).iter().map(|row| row.iter().flat_map(|cell| spans(cell)).collect()).collect()
    };
    for (page, source, _) in PAGES.into_iter().filter(|(_, _, whole)| *whole) {
        assert_eq!(code(page), code(source), "{page} and {source}");
    }
}
