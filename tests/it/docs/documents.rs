//! The documents, and the blocks in them.

use std::path::{Path, PathBuf};

/// Where the project lies.
pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The text of a file of the project.
pub(crate) fn text(path: impl AsRef<Path>) -> String {
    let path = Path::new(ROOT).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files in a folder of the project, from its root, in order.
pub(crate) fn files(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(Path::new(ROOT).join(folder)).unwrap();
    let paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    let own = |path: &PathBuf| path.strip_prefix(ROOT).unwrap().to_str().unwrap().trim_start_matches("./").to_owned();
    let mut paths: Vec<String> = paths.iter().map(own).collect();
    paths.sort();
    paths
}

/// Every document, from the project's root.
pub(crate) fn documents() -> Vec<String> {
    let folders = [".", "docs", "docs/zh-TW"];
    let all: Vec<_> = folders.into_iter().flat_map(files).filter(|path| path.ends_with(".md")).collect();
    assert!(all.len() > 5, "{all:?}");
    all
}

/// What users read: the README and the English pages in `docs`, one behind the other.
pub(crate) fn manual() -> String {
    let is_page = |path: &String| path == "README.md" || path.starts_with("docs/") && !path.starts_with("docs/zh");
    let pages = documents().into_iter().filter(is_page);
    pages.map(|path| text(path) + "\n").collect()
}

/// A block of code in a document.
#[derive(Debug)]
pub(crate) struct Block {
    /// Where it stands, for a person.
    pub(crate) place: String,
    /// What stands behind the fence: `yaml`, `sh`.
    pub(crate) language: String,
    /// What is in it.
    pub(crate) text: String,
}

/// The blocks of all documents.
pub(crate) fn blocks() -> Vec<Block> {
    documents().iter().flat_map(|document| blocks_of(document, &text(document))).collect()
}

pub(crate) fn blocks_of(document: &str, markdown: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut inside = false;
    for (at, line) in markdown.lines().enumerate() {
        match line.trim_start().strip_prefix("```") {
            Some(_) if inside => inside = false,
            Some(language) => {
                inside = true;
                let place = format!("{document}:{}", at + 1);
                found.push(Block { place, language: language.to_owned(), text: String::new() });
            }
            None if inside => {
                let block = found.last_mut().unwrap();
                block.text.push_str(line);
                block.text.push('\n');
            }
            None => {}
        }
    }
    assert!(!inside, "{document}: a block has no end");
    found
}
