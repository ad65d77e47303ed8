//! `.env` files on the disk, which the client reads and writes itself, and which the judge looks at.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Duration;

/// The files of a world, and the variables in them that hold keys.
#[derive(Debug, Default)]
pub struct Files {
    /// Where relative paths begin: the folder in which the client runs.
    pub root: PathBuf,
    known: BTreeSet<(String, String)>,
}

impl Files {
    /// A variable that is looked at from now on.
    pub fn watch(&mut self, path: &str, variable: &str) {
        self.known.insert((path.to_owned(), variable.to_owned()));
    }

    /// The value of a variable, without white space around it: the simplest of all parsers, for lines as tests write them.
    #[must_use]
    pub fn value(&self, path: &str, variable: &str) -> Option<String> {
        let file = self.root.join(path);
        // A pipe would be waited for.
        let bytes = file.is_file().then(|| fs::read(file).ok())??;
        let text = String::from_utf8_lossy(&bytes);
        let mut values = text.lines().filter_map(|line| {
            let (name, rest) = line.trim().trim_start_matches("export ").split_once('=')?;
            let value = rest.split(" #").next()?.trim().trim_matches(['"', '\'']).trim().trim_end_matches("\\n");
            (name.trim() == variable && !value.is_empty()).then(|| value.to_owned())
        });
        values.next_back()
    }

    /// Writes a value by hand: in the place of the one that is there, else in a line of its own.
    ///
    /// # Panics
    /// Where the file can't be written.
    pub fn put(&mut self, path: &str, variable: &str, value: &str) {
        let file = self.root.join(path);
        let text = fs::read_to_string(&file).unwrap_or_default();
        let new = match self.value(path, variable) {
            Some(old) => text.replace(&old, value),
            None => format!("{text}{variable}={value}\n"),
        };
        fs::write(file, new).expect("the file can be written");
        self.watch(path, variable);
    }

    /// Makes all files older, as if time had passed.
    ///
    /// # Panics
    /// Where a file's time can't be set.
    pub fn age(&self, by: Duration) {
        let paths: BTreeSet<_> = self.known.iter().map(|(path, _)| self.root.join(path)).collect();
        for file in paths.into_iter().filter_map(|path| File::options().append(true).open(path).ok()) {
            let written = file.metadata().and_then(|metadata| metadata.modified()).expect("a file's time");
            file.set_modified(written - by).expect("the file's time can be set");
        }
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Path, variable and value of every variable that has one.
    pub fn holdings(&self) -> impl Iterator<Item = (&str, &str, String)> {
        let held = |(path, variable): &'_ (String, String)| self.value(path, variable);
        self.known.iter().filter_map(move |it| Some((it.0.as_str(), it.1.as_str(), held(it)?)))
    }
}
