//! `file:`: one variable of a `.env` file.
//!
//! A write makes a new file beside the old one and puts it in its place, so that whoever reads finds the one or the other.
//! Nobody can be kept from editing the file meanwhile: what changed between reading and replacing is seen and read anew,
//! down to the moment between the last look and the replacing itself.

mod attributes;
mod disk;
mod dotenv;
mod format;

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use self::disk::{Put, Seen};
use self::dotenv::{Bytes, Found};
use super::StoreContext;
use super::last_known::LastKnown;
use super::target::{FileVariable, Kind, is_a_value};
use crate::http::{Failure, Refusal};
use crate::rotation::model::{Contents, Entry, Held, Sighting, Written};
use crate::rotation::ports::SecretStore;
use crate::secret::Secret;

/// So often a file is read anew that someone else keeps writing.
const TRIES: usize = 5;
/// Shorter values are placeholders; to mask them would hide words of the log.
const SHORTEST_HIDDEN: usize = 8;
/// Keys have as many letters and digits in a row. Names of models, hosts and versions do not.
const SHORTEST_RUN: usize = 20;

/// One variable of a `.env` file. No call waits for anything, so that two targets in one file never meet.
pub(super) struct EnvFile {
    target: FileVariable,
    path: PathBuf,
    ctx: StoreContext,
    known: LastKnown,
    /// The value as it is written in the file, before this run wrote it: put back, it is the same byte for byte.
    before: RefCell<Option<(Secret, Bytes)>>,
    /// What the last look saw in the file.
    contents: RefCell<Contents>,
    /// The variable was appended behind a last line that had no line break.
    joined: Cell<bool>,
}

impl EnvFile {
    /// The variable that a target names.
    #[must_use]
    pub(super) fn new(target: &FileVariable, ctx: &StoreContext) -> Self {
        Self {
            target: target.clone(),
            path: PathBuf::from(&target.path),
            ctx: ctx.clone(),
            known: LastKnown::default(),
            before: RefCell::default(),
            contents: RefCell::default(),
            joined: Cell::default(),
        }
    }

    fn look(&self) -> Result<(Seen, Option<Found>), Failure> {
        let seen = read(&self.path)?;
        let found = dotenv::find(&seen.text, &self.target.variable).map_err(Failure::refused)?;
        Ok((seen, found))
    }

    /// What the file holds. An empty value is a place that was left for one.
    fn sighting(&self, seen: &Seen, found: Option<&Found>) -> Sighting {
        let value = found.map(|found| &found.value).filter(|value| !value.expose().is_empty());
        if let Some(value) =
            value.filter(|it| it.expose().len() >= SHORTEST_HIDDEN && !it.is_words() && !self.known.has(it))
        {
            (self.ctx.hide)(value);
        }
        let held = seen.written().map_or(Held::Nothing, |written| self.known.held(value, written));
        Sighting { held, date: (self.ctx.now)() }
    }

    /// What the file holds beside the time of its last write. Whoever reads a key from it must not show it.
    fn contents_of(&self, seen: &Seen, found: Option<&Found>) -> Contents {
        Contents {
            value: found.map(|found| found.value.clone()).filter(|value| !value.expose().is_empty()),
            others: self.entries(seen, &self.target.path, &self.target.variable),
            accepted: self.target.accepted().to_vec(),
            ..Contents::default()
        }
    }

    /// The variables of a file, without this one.
    fn entries(&self, seen: &Seen, path: &str, variable: &str) -> Vec<Entry> {
        let entry = |(name, value): (String, Secret)| Entry {
            target: if is_shown(&name) {
                format!("{}:{path}#{name}", Kind::File)
            } else {
                format!("{}:{path} (a line that looks like part of a secret)", Kind::File)
            },
            name: if is_shown(&name) { name } else { String::new() },
            value: Some(value).filter(|value| !value.expose().is_empty()).inspect(|value| self.hide_key(value)),
            written: seen.written(),
        };
        dotenv::others(&seen.text, variable).into_iter().map(entry).collect()
    }

    /// Most values are settings, which a log may go on showing.
    fn hide_key(&self, value: &Secret) {
        if is_like_a_key(value.expose()) {
            (self.ctx.hide)(value);
        }
    }

    /// Replaces the file by what `change` makes of it.
    fn replace(&self, change: impl Fn(&[u8]) -> Result<Bytes, String>) -> Result<Written, Failure> {
        for _ in 0..TRIES {
            let seen = read(&self.path)?;
            let changed = change(&seen.text).map_err(Failure::refused)?;
            if let Put::Done(date) = disk::replace(&seen, &changed, (self.ctx.now)())? {
                return Ok(Written { date });
            }
        }
        Err(Failure::Transient { message: "someone else keeps writing it".to_owned(), retry_after: None })
    }
}

/// Reads a file, where it is one that variables may be written into.
fn read(path: &Path) -> Result<Seen, Failure> {
    let seen = disk::read(path)?;
    match format::foreign(&seen.text) {
        Some(what) => Err(Failure::Refused(Refusal {
            status: None,
            message: format!("it is no `.env` file, but {what}"),
            hint: Some("name a `.env` file of lines `NAME=value`, or a target of another kind".to_owned()),
        })),
        None => Ok(seen),
    }
}

/// Whether the text before a `=` is a variable's name. A line of base64 ends with that sign too, where a key of several lines
/// stands without quotation marks.
fn is_shown(name: &str) -> bool {
    let has = |which: fn(char) -> bool| name.contains(which);
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    let has_one_case = !has(|c| c.is_ascii_uppercase()) || !has(|c| c.is_ascii_lowercase());
    let is_word = has_one_case || has(|c| matches!(c, '_' | '-' | '.')) || !has(|c| c.is_ascii_digit());
    is_plain && is_word && !is_like_a_key(name)
}

fn is_like_a_key(value: &str) -> bool {
    let has = |run: &str, which: fn(char) -> bool| run.contains(which);
    let is_random = |run: &str| {
        run.len() >= SHORTEST_RUN && has(run, |c| c.is_ascii_digit()) && has(run, |c| c.is_ascii_alphabetic())
    };
    is_a_value(value) || value.split(|c: char| !c.is_ascii_alphanumeric()).any(is_random)
}

#[async_trait(?Send)]
impl SecretStore for EnvFile {
    fn name(&self) -> String {
        self.target.to_string()
    }

    async fn observe(&self) -> Result<Sighting, Failure> {
        let (seen, found) = self.look()?;
        disk::check_replaceable(&seen)?;
        let sighting = self.sighting(&seen, found.as_ref());
        *self.contents.borrow_mut() = self.contents_of(&seen, found.as_ref());
        *self.before.borrow_mut() = found.map(|found| (found.value, found.written));
        Ok(sighting)
    }

    fn contents(&self) -> Contents {
        self.contents.borrow().clone()
    }

    async fn elsewhere(&self) -> Result<Vec<Entry>, Failure> {
        let seen = disk::neighbours(&self.path)?.into_iter().filter_map(|path| Some((read(&path).ok()?, path)));
        let entries = |(seen, path): (Seen, PathBuf)| self.entries(&seen, &path.to_string_lossy(), "");
        Ok(seen.flat_map(entries).collect())
    }

    async fn write(&self, value: &Secret) -> Result<Written, Failure> {
        let variable = &self.target.variable;
        let written = self.replace(|text| {
            if dotenv::find(text, variable)?.is_none() {
                self.joined.set(dotenv::lacks_break(text));
            }
            dotenv::with_value(text, variable, value.expose())
        })?;
        self.known.wrote(value, written.date);
        Ok(written)
    }

    async fn write_back(&self, value: &Secret) -> Result<Written, Failure> {
        // Blanks and line breaks around a value do not make it another one, and stay.
        let is_same = |before: &Secret| before.expose().trim() == value.expose().trim();
        let as_it_was = self.before.borrow().clone().filter(|(before, _)| is_same(before));
        let Some((before, as_written)) = as_it_was else { return self.write(value).await };
        let written = self.replace(|text| dotenv::with_written(text, &self.target.variable, &as_written))?;
        self.known.wrote(&before, written.date);
        Ok(written)
    }

    async fn last_write(&self) -> Result<Sighting, Failure> {
        let (seen, found) = self.look()?;
        Ok(self.sighting(&seen, found.as_ref()))
    }

    async fn read_back(&self) -> Result<Option<Secret>, Failure> {
        let (_, found) = self.look()?;
        Ok(Some(found.map_or_else(|| Secret::new(String::new()), |found| found.value)))
    }

    async fn remove(&self) -> Result<(), Failure> {
        let placeholder = self.before.borrow().clone().map(|(_, as_written)| as_written);
        let variable = &self.target.variable;
        self.replace(|text| match &placeholder {
            Some(as_written) => dotenv::with_written(text, variable, as_written),
            None => dotenv::without(text, variable, self.joined.get()),
        })?;
        Ok(())
    }
}
