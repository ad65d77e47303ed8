//! A wrong input, and the collection of all of them.

use std::collections::BTreeSet;
use std::fmt;

use crate::cli::{self, Inputs, Spot, Subject};
use crate::secret::prefix;

/// Shorter words are words, not credentials.
const SHORTEST_CREDENTIAL: usize = 12;
/// Longer values are cut where they are shown.
const LONGEST_SHOWN: usize = 80;

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
    pub fn new<'a>(about: impl Into<Subject<'a>>, message: impl Into<String>) -> Self {
        let Subject { name, spot } = about.into();
        let place = spot.map(|spot| Spot { path: shown(&spot.path), place: spot.place });
        Self { place, input: shown(name), value: None, message: hide_credentials(&message.into()) }
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

/// Every problem found so far, each once. Whatever could not be read is `None` here, and its problem is noted.
#[derive(Debug, Default)]
pub struct Problems {
    found: Vec<Problem>,
    known: BTreeSet<Problem>,
}

impl Problems {
    /// Notes one.
    pub fn push(&mut self, problem: Problem) {
        if self.known.insert(problem.clone()) {
            self.found.push(problem);
        }
    }

    /// Notes an input with the value that was given.
    pub fn wrong<'a>(&mut self, about: impl Into<Subject<'a>>, value: &str, message: impl Into<String>) {
        self.push(Problem::new(about, message).with_value(value));
    }

    /// Notes an input without its value.
    pub fn note<'a>(&mut self, about: impl Into<Subject<'a>>, message: impl Into<String>) {
        self.push(Problem::new(about, message));
    }

    /// Reads an input's value, or its documented default where none is given.
    pub fn read<T>(&mut self, inputs: &Inputs, name: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = inputs.text(name).or_else(|| cli::rows().find(|row| row.name == name)?.default)?;
        parse(text).map_err(|message| self.wrong(inputs.at(name), text, message)).ok()
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
        let mut read = |name: &'static str, text: &str| {
            let inputs = Inputs::from_iter([(name, text.to_owned())]);
            problems.read(&inputs, name, |text| Ok::<_, String>(text.to_owned()))
        };
        assert_eq!(read("parallel", "").as_deref(), Some("16"));
        assert_eq!(read("parallel", " 3\n").as_deref(), Some("3"));
        assert_eq!(read("replace-key-id", " "), None);
        assert!(problems.is_empty());
        assert_eq!(problems.read(&Inputs::default(), "parallel", |_| Err::<(), _>("no".into())), None);
        assert!(!problems.is_empty());
    }
}
