//! A wrong input, and the collection of all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::cli;
use crate::config::yaml::Place;
use crate::secret::prefix;

/// Shorter words are words, not credentials.
const SHORTEST_CREDENTIAL: usize = 12;
/// Longer values are cut where they are shown.
const LONGEST_SHOWN: usize = 80;

/// A place in a file: `keyrotor.yml:12:5`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    path: String,
    place: Place,
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path, self.place)
    }
}

/// One wrong input.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where it stands in the config file; `None` for what was not read from one.
    pub place: Option<Spot>,
    /// The input's name as in `action.yml`, or the variable's.
    pub input: String,
    /// What was given; never a secret's value.
    pub value: Option<String>,
    /// What is wrong and what is accepted.
    pub message: String,
}

impl Problem {
    /// A problem with an input whose value can't or shouldn't be shown. The message may repeat a part of it; what looks
    /// like a credential there or in the name is not shown.
    pub fn new(input: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: None, input: shown(&input.into()), value: None, message: hide_credentials(&message.into()) }
    }

    /// The same with its place in a file.
    #[must_use]
    pub(super) fn at(mut self, path: &str, place: Place) -> Self {
        self.place = Some(Spot { path: shown(path), place });
        self
    }

    /// The same with the value, cut to one short line; what looks like a credential is not shown.
    #[must_use]
    pub fn with_value(mut self, value: &str) -> Self {
        self.value = Some(shown(value));
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        write!(f, "{}: {}", self.input, self.message)?;
        match &self.value {
            Some(value) => write!(f, " (got \"{value}\")"),
            None => Ok(()),
        }
    }
}

/// Text on one line, without control characters and without the words that look like credentials.
#[must_use]
pub fn hide_credentials(text: &str) -> String {
    let text = without_user_info(text);
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut out = String::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.find(|c| !is_part(c)).unwrap_or(rest.len()));
        out.push_str(if looks_like_credential(word) { crate::secret::REDACTED } else { word });
        let mut chars = after.chars();
        if let Some(c) = chars.next() {
            if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
        }
        rest = chars.as_str();
    }
    out
}

/// The text with every address in it that may hold a password shortened to its scheme, host and path.
fn without_user_info(text: &str) -> String {
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '(' | ')' | '<' | '>');
    text.split_inclusive(ends)
        .map(|piece| {
            let word = piece.trim_end_matches(ends);
            format!("{}{}", bare_address(word), piece.get(word.len()..).unwrap_or_default())
        })
        .collect()
}

/// An address without its user, password, query and fragment; also one without a scheme, such as `user:password@host`.
fn bare_address(word: &str) -> String {
    let (scheme, rest) = match word.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), word),
    };
    let is_address = !scheme.is_empty();
    // A password may contain a slash, a question mark or another @: everything before the last @ goes.
    let rest = match rest.rsplit_once('@') {
        Some((user, host)) if is_address || user.contains(':') => host,
        _ => rest,
    };
    let is_query = |c: char| if is_address { matches!(c, '?' | '#') } else { c == '?' };
    match rest.split_once(is_query) {
        Some((path, query)) if is_address || query.contains('=') => format!("{scheme}{path}"),
        _ => format!("{scheme}{rest}"),
    }
}

/// Whether a word begins as an issuer's keys do.
#[must_use]
pub(crate) fn looks_like_key(word: &str) -> bool {
    word.len() >= SHORTEST_CREDENTIAL && prefix::is_key(word)
}

/// Whether a word begins as credentials do.
#[must_use]
pub(super) fn looks_like_credential(word: &str) -> bool {
    word.len() >= SHORTEST_CREDENTIAL && prefix::is_credential(word)
}

/// A text on one short line; what looks like a credential in it is not shown.
#[must_use]
pub(super) fn shown(value: &str) -> String {
    let line = hide_credentials(value);
    match line.char_indices().nth(LONGEST_SHOWN) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

/// Where the values come from that are read for one rotation of a file.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// The file.
    pub(super) path: String,
    /// The fields that the file states.
    pub(super) stated: BTreeMap<&'static str, Place>,
    /// Inputs beside the file, which have no place in it.
    pub(super) inputs: BTreeSet<&'static str>,
    /// Where the rotation begins: what is missing is missing there.
    pub(super) begin: Place,
}

impl Places {
    fn of(&self, input: &str) -> Option<Place> {
        let missing = || (!self.inputs.contains(input)).then_some(self.begin);
        self.stated.get(input).copied().or_else(missing)
    }
}

/// Every problem found so far, each once. Whatever could not be read is `None` here, and its problem is noted.
#[derive(Debug, Default)]
pub struct Problems {
    found: Vec<Problem>,
    known: BTreeSet<Problem>,
    places: Option<Places>,
}

impl Problems {
    /// Notes one.
    pub fn push(&mut self, mut problem: Problem) {
        if problem.place.is_none()
            && let Some(places) = &self.places
            && let Some(place) = places.of(&problem.input)
        {
            problem = problem.at(&places.path, place);
        }
        if self.known.insert(problem.clone()) {
            self.found.push(problem);
        }
    }

    /// Does the reading of values that come from these places, so that problems tell where.
    pub(super) fn placed<T>(&mut self, places: Places, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.places.replace(places);
        let done = read(self);
        self.places = before;
        done
    }

    /// Notes an input with the value that was given.
    pub fn wrong(&mut self, input: &str, value: &str, message: impl Into<String>) {
        self.push(Problem::new(input, message).with_value(value));
    }

    /// Notes an input without its value.
    pub fn note(&mut self, input: &str, message: impl Into<String>) {
        self.push(Problem::new(input, message));
    }

    /// The same for one value that has a place of its own.
    pub(super) fn placed_at<T>(&mut self, input: &'static str, at: Place, read: impl FnOnce(&mut Self) -> T) -> T {
        let Some(mut places) = self.places.clone() else { return read(self) };
        places.stated.insert(input, at);
        self.placed(places, read)
    }

    /// Whether values of a file are being read.
    #[must_use]
    pub(super) fn in_file(&self) -> bool {
        self.places.is_some()
    }

    /// Reads an input's value, or its documented default where none is given.
    pub fn read<T>(
        &mut self,
        input: &str,
        given: Option<&str>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = given.map(str::trim).filter(|text| !text.is_empty());
        let text = text.or_else(|| cli::input(input).and_then(|doc| doc.default))?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(message) => {
                self.wrong(input, text, message);
                None
            }
        }
    }

    /// Whether none was noted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All of them, in the order in which they were found; those of a file behind the others, in its order.
    #[must_use]
    pub fn into_vec(mut self) -> Vec<Problem> {
        self.found.sort_by(|a, b| a.place.cmp(&b.place));
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_line() {
        let problem = Problem::new("parallel", "expected a whole number from 1 to 100").with_value("a\n::error::b");
        assert_eq!(problem.to_string(), r#"parallel: expected a whole number from 1 to 100 (got "a\n::error::b")"#);
        assert_eq!(Problem::new("key-name", "is required").to_string(), "key-name: is required");
        // Whoever sets variables may also name them.
        let problem = Problem::new("INPUT_X\r\n::error::lr_live_0123456789", "is not an input of keyrotor");
        assert_eq!(problem.to_string(), r"INPUT_X\r\n::error::***: is not an input of keyrotor");
    }

    #[test]
    fn what_looks_like_a_credential_is_never_shown() {
        for value in ["lr_live_0123456789", "x lr_mgmt_0123456789,y", "github_pat_11AAAAAAA", "sk-or-v1-0123456789"] {
            let line = Problem::new("key-name", "").with_value(value).to_string();
            assert!(line.contains("***") && !line.contains("0123") && !line.contains("AAAA"), "{line}");
        }
        assert_eq!(hide_credentials("a ghost-town lr_live"), "a ghost-town lr_live");
    }

    #[test]
    fn an_address_is_shown_without_what_may_be_secret() {
        for (given, shown) in [
            ("https://svc:PASSWORD@gw.example.test", "https://gw.example.test"),
            ("https://svc:PASS/W?RD@gw.example.test/v1", "https://gw.example.test/v1"),
            ("https://gw.example.test/v1?api_key=PASSWORD#PASSWORD", "https://gw.example.test/v1"),
            ("svc:PASSWORD@gw.example.test", "gw.example.test"),
            ("gw.example.test?api_key=PASSWORD", "gw.example.test"),
            ("is `https://u:PASSWORD@h` and (http://a?PASSWORD) here", "is `https://h` and (http://a) here"),
            ("repo:acme/app#x env:acme/app/prod", "repo:acme/app#x env:acme/app/prod"),
            ("me@example.com? no", "me@example.com? no"),
        ] {
            assert_eq!(hide_credentials(given), shown);
        }
    }

    #[test]
    fn a_long_value_is_cut() {
        let line = Problem::new("key-name", "").with_value(&"ä".repeat(500)).to_string();
        assert!(line.chars().count() < 120 && line.contains('…'));
    }

    #[test]
    fn an_absent_value_takes_the_documented_default() {
        let mut problems = Problems::default();
        let echo = |text: &str| Ok(text.to_owned());
        assert_eq!(problems.read("parallel", None, echo).as_deref(), Some("16"));
        assert_eq!(problems.read("parallel", Some(" 3\n"), echo).as_deref(), Some("3"));
        assert_eq!(problems.read("replace-key-id", Some(" "), echo), None);
        assert!(problems.is_empty());
        assert_eq!(problems.read("parallel", Some("x"), |_| Err::<(), _>("no".into())), None);
        assert!(!problems.is_empty());
    }
}
