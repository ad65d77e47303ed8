//! The word `accept=NAME[,NAME]`, which a target of any kind takes.

use std::fmt;

use super::is_a_value;
use super::words::{Words, note};

/// Names beside a target that the user knows to be no misspelling of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Accepted(Vec<String>);

impl Accepted {
    /// Reads the words of a target.
    pub(super) fn of_words(words: &Words<'_>, problems: &mut Vec<String>) -> Self {
        let mut names: Vec<String> = Vec::new();
        for name in words.get("accept").into_iter().flat_map(|list| list.split(',')) {
            match note(problems, check_name(name)) {
                Some(name) if names.iter().any(|known| known == name) => {
                    problems.push(format!("`accept=` names `{name}` twice"));
                }
                Some(name) => names.push(name.to_owned()),
                None => {}
            }
        }
        Self(names)
    }

    /// The names, as the user wrote them.
    pub(super) fn names(&self) -> &[String] {
        &self.0
    }
}

/// As a word behind a locator, with a space before it; nothing where no name is accepted.
impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " accept={}", self.0.join(",")) }
    }
}

fn check_name(name: &str) -> Result<&str, String> {
    if is_a_value(name) {
        return Err("`accept=`: this is a key or token itself: expected the name under which it is stored".to_owned());
    }
    if name.is_empty() || name.contains(char::is_control) {
        return Err("`accept=`: a name is empty: expected names with a comma between them, without spaces".to_owned());
    }
    Ok(name)
}
