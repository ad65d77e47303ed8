//! What was given for each input: its text, and where it stands if the config file says it.

use std::collections::BTreeMap;
use std::fmt;

use super::inputs::rows;

/// A place in a text, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A place in a file: `keyrotor.yml:12:5`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// The file.
    pub path: String,
    /// Where in it.
    pub place: Place,
}

impl Spot {
    /// What stands here, by its name.
    #[must_use]
    pub fn of<'a>(&'a self, name: &'a str) -> Subject<'a> {
        Subject { name, spot: Some(self) }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path, self.place)
    }
}

/// What a problem is about: an input or a variable, and its place in the config file if it has one.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its place.
    pub spot: Option<&'a Spot>,
}

impl<'a> From<&'a str> for Subject<'a> {
    fn from(name: &'a str) -> Self {
        Self { name, spot: None }
    }
}

impl<'a> From<&'a String> for Subject<'a> {
    fn from(name: &'a String) -> Self {
        Self { name, spot: None }
    }
}

/// A value as it was written.
#[derive(Clone, Debug)]
pub struct Raw {
    /// Its text; never blank.
    pub text: String,
    /// Where the config file says it; `None`: a flag or a variable does.
    pub spot: Option<Spot>,
}

/// What was given. An input that is set but empty counts as not given.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    given: BTreeMap<&'static str, Raw>,
    /// Where a rotation of the config file begins: what is missing is missing there.
    begin: Option<Spot>,
}

impl Inputs {
    /// Nothing yet, of a mapping in the config file that begins here.
    #[must_use]
    pub fn beginning(at: Spot) -> Self {
        Self { given: BTreeMap::new(), begin: Some(at) }
    }

    /// What was given for an input.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Raw> {
        debug_assert!(rows().any(|row| row.name == name), "{name} is no input");
        self.given.get(name)
    }

    /// Its text without surrounding white space.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).map(|raw| raw.text.trim())
    }

    /// Whether it was given.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The names of those that were given.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.given.keys().copied()
    }

    /// An input as what a problem is about.
    #[must_use]
    pub fn at<'a>(&'a self, name: &'a str) -> Subject<'a> {
        Subject { name, spot: self.get(name).map_or(self.begin.as_ref(), |raw| raw.spot.as_ref()) }
    }

    /// Takes a value; a blank one is none.
    pub fn set(&mut self, name: &'static str, text: String, spot: Option<Spot>) {
        if text.trim().is_empty() {
            self.given.remove(name);
        } else {
            self.given.insert(name, Raw { text, spot });
        }
    }

    /// Without these.
    #[must_use]
    pub fn without(mut self, names: &[&str]) -> Self {
        self.given.retain(|name, _| !names.contains(name));
        self
    }

    /// These, where others do not say otherwise, whose mapping is the one that is read.
    #[must_use]
    pub fn below(mut self, others: &Self) -> Self {
        self.given.extend(others.given.clone());
        Self { given: self.given, begin: others.begin.clone() }
    }
}

/// Flags and variables.
impl FromIterator<(&'static str, String)> for Inputs {
    fn from_iter<T: IntoIterator<Item = (&'static str, String)>>(given: T) -> Self {
        let mut inputs = Self::default();
        given.into_iter().for_each(|(name, text)| inputs.set(name, text, None));
        inputs
    }
}
