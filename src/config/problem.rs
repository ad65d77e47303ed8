//! A wrong input, and the collection of all of them.

use std::fmt;

use crate::cli;

/// How an issuer's keys begin.
const KEY_PREFIXES: [&str; 5] = ["lr_live_", "lr_mgmt_", "lr_admin_", "lr_sub_", "sk-or-"];
/// How other credentials begin, wherever they were put by mistake.
const CREDENTIAL_PREFIXES: [&str; 8] = ["sk-", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "eyJ"];
/// Shorter words are words, not credentials.
const SHORTEST_CREDENTIAL: usize = 12;
/// Longer values are cut where they are shown.
const LONGEST_SHOWN: usize = 80;

/// One wrong input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The input's name as in `action.yml`, or the variable's.
    pub input: String,
    /// What was given; never a secret's value.
    pub value: Option<String>,
    /// What is wrong and what is accepted.
    pub message: String,
}

impl Problem {
    /// A problem with an input whose value can't or shouldn't be shown. The message may repeat a part of it; what looks
    /// like a credential there is not shown.
    pub fn new(input: impl Into<String>, message: impl Into<String>) -> Self {
        Self { input: input.into(), value: None, message: hide_credentials(&message.into()) }
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
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut out = String::new();
    let mut rest = text;
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

/// Whether a word begins as an issuer's keys do.
#[must_use]
pub(crate) fn looks_like_key(word: &str) -> bool {
    word.len() >= SHORTEST_CREDENTIAL && KEY_PREFIXES.iter().any(|prefix| word.starts_with(prefix))
}

fn looks_like_credential(word: &str) -> bool {
    let begins = CREDENTIAL_PREFIXES.iter().any(|prefix| word.starts_with(prefix));
    looks_like_key(word) || (begins && word.len() >= SHORTEST_CREDENTIAL)
}

fn shown(value: &str) -> String {
    let line = hide_credentials(value);
    match line.char_indices().nth(LONGEST_SHOWN) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

/// Every problem found so far. Whatever could not be read is `None` here, and its problem is noted.
#[derive(Debug, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Notes one.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Notes an input with the value that was given.
    pub fn wrong(&mut self, input: &str, value: &str, message: impl Into<String>) {
        self.push(Problem::new(input, message).with_value(value));
    }

    /// Notes an input without its value.
    pub fn note(&mut self, input: &str, message: impl Into<String>) {
        self.push(Problem::new(input, message));
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
        self.0.is_empty()
    }

    /// All of them, in the order in which they were found.
    #[must_use]
    pub fn into_vec(self) -> Vec<Problem> {
        self.0
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
