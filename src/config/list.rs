//! Lists, separated by commas or line breaks.

use std::collections::BTreeSet;

use crate::config::scalar::printable;
use crate::rotation::model::AllowList;
use crate::rotation::policy::Wish;

/// Reads a list: entries are trimmed, repeated ones count once; blank lines and a comma before a
/// line break are passed over.
///
/// # Errors
/// That an entry is empty or not one word.
pub(crate) fn list(text: &str) -> Result<BTreeSet<String>, String> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut entries = BTreeSet::new();
    for (at, line) in lines.iter().enumerate() {
        let is_last = at + 1 == lines.len();
        let line = if is_last { line } else { line.strip_suffix(',').unwrap_or(line) };
        for entry in line.split(',').map(str::trim) {
            check_entry(entry)?;
            entries.insert(entry.to_owned());
        }
    }
    if entries.is_empty() { Err(EMPTY.to_owned()) } else { Ok(entries) }
}

/// Reads `all`, `inherit` or a list of what is allowed.
///
/// # Errors
/// As [`list`], or that `all` or `inherit` stands among other entries or in capitals.
pub(crate) fn allow_list(text: &str) -> Result<Wish<AllowList>, String> {
    match text {
        "inherit" => return Ok(Wish::Inherit),
        "all" => return Ok(Wish::Stated(AllowList::All)),
        _ => {}
    }
    let entries = list(text)?;
    for word in ["all", "inherit"] {
        if entries.iter().any(|entry| entry.eq_ignore_ascii_case(word)) {
            return Err(format!("expected `{word}` alone and in small letters, or a list without it"));
        }
    }
    Ok(Wish::Stated(AllowList::Only(entries)))
}

/// The answer to an entry without a name, and to no entry at all.
pub(super) const EMPTY: &str = "an entry is empty: expected names separated by single commas or line breaks";

fn check_entry(entry: &str) -> Result<(), String> {
    if entry.is_empty() {
        return Err(EMPTY.to_owned());
    }
    if entry.contains(char::is_whitespace) || !entry.chars().all(printable) {
        return Err("an entry has a space in it: expected names separated by commas or line breaks".to_owned());
    }
    if entry.contains(['[', ']', '"', '\'']) {
        return Err("expected plain names, without brackets or quotation marks".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(entries: &[&str]) -> BTreeSet<String> {
        entries.iter().map(|entry| (*entry).to_owned()).collect()
    }

    #[test]
    fn commas_and_line_breaks_separate() {
        for text in
            ["openai,anthropic", "openai\nanthropic\n", " openai , anthropic,openai ", "openai,\r\n\r\nanthropic"]
        {
            assert_eq!(list(text), Ok(set(&["anthropic", "openai"])), "{text:?}");
        }
    }

    #[test]
    fn empty_and_odd_entries_are_refused() {
        for text in ["", ",", "a,", ",a", "a,,b", "a,,\nb", "a\n,\nb", "a b", "[\"a\"]", "a\u{200b}b", "\n \n"] {
            assert!(list(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn all_and_inherit_stand_alone() {
        assert_eq!(allow_list("inherit"), Ok(Wish::Inherit));
        assert_eq!(allow_list("all"), Ok(Wish::Stated(AllowList::All)));
        assert_eq!(allow_list("openai"), Ok(Wish::Stated(AllowList::Only(set(&["openai"])))));
        for text in ["All", "openai,all", "inherit,openai", "INHERIT"] {
            assert!(allow_list(text).is_err(), "{text}");
        }
    }
}
