//! Names: the family of keys, and the id of a key to adopt.

use crate::config::problem::looks_like_key;
use crate::config::scalar::printable;
use crate::rotation::model::KeyId;

/// With date, digits and `-unconfirmed` a key's name stays well below what an issuer may take.
const LONGEST_KEY_NAME: usize = 80;
const LONGEST_KEY_ID: usize = 256;
/// What a run writes behind the name of a key that is not confirmed yet.
const UNCONFIRMED: &str = "-unconfirmed";

/// Reads the name of a family of keys.
///
/// # Errors
/// What is accepted, and why a name that already ends as the program's own names do is not.
pub(crate) fn key_name(text: &str) -> Result<String, String> {
    if text.trim() != text || text.is_empty() || !text.chars().all(|c| printable(c) && (c == ' ' || !c.is_whitespace()))
    {
        return Err("expected a name on a single line, without spaces at its ends".to_owned());
    }
    if text.chars().count() > LONGEST_KEY_NAME {
        return Err(format!("expected at most {LONGEST_KEY_NAME} characters"));
    }
    if looks_like_key(text) {
        return Err("this is a key's value: expected the name of a family of keys, such as production".to_owned());
    }
    match family_suffix(text) {
        Some(family) => Err(format!(
            "must not end in a date, in a date and six digits, or in `{UNCONFIRMED}`: the run adds those itself, and a \
             key of that name would be taken for one of the family `{family}`"
        )),
        None => Ok(text.to_owned()),
    }
}

/// What stands before the program's own suffix (`-2026-10-01`, `-2026-10-01-7f3a9c`, each with or without
/// `-unconfirmed`, or that alone), if the name has one.
fn family_suffix(name: &str) -> Option<&str> {
    let confirmed = name.strip_suffix(UNCONFIRMED);
    let rest = confirmed.unwrap_or(name);
    let dated = before(rest, "-dddd-dd-dd").or_else(|| before(before(rest, "-xxxxxx")?, "-dddd-dd-dd"));
    dated.or(confirmed)
}

/// What stands before a pattern at the end: `d` a digit, `x` a hexadecimal digit.
fn before<'a>(text: &'a str, pattern: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(text.len().checked_sub(pattern.len())?)?;
    let fits = tail.chars().zip(pattern.chars()).all(|(c, p)| match p {
        'd' => c.is_ascii_digit(),
        'x' => c.is_ascii_hexdigit(),
        _ => c == p,
    });
    fits.then_some(head)
}

/// Reads the id of a key, which becomes part of a path.
///
/// # Errors
/// What is accepted.
pub(crate) fn key_id(text: &str) -> Result<KeyId, String> {
    if looks_like_key(text) {
        return Err("this is a key's value: expected its id (`hash` or `id` in the issuer's key list)".to_owned());
    }
    let fits = |c: char| printable(c) && !c.is_whitespace() && !matches!(c, '/' | '\\' | '?' | '#' | '%');
    if !text.chars().all(fits) || matches!(text, "." | ".." | "") || text.len() > LONGEST_KEY_ID {
        return Err("expected the id of one key, without spaces or `/`".to_owned());
    }
    Ok(KeyId(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_on_a_single_line_are_taken() {
        for text in [
            "production",
            "prod eu",
            "production-v2",
            "production-eu",
            "2026-10-01",
            "a-20261001",
            "日本",
            &"x".repeat(80),
        ] {
            assert_eq!(key_name(text).as_deref(), Ok(text));
        }
        for text in ["", " a", "a ", "a\nb", "a\tb", "a\u{a0}b", "a\u{200b}b", &"x".repeat(81), "lr_live_0123456789"] {
            assert!(key_name(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_name_that_ends_as_a_key_of_another_family_is_refused() {
        for suffix in
            ["-2026-10-01", "-2026-10-01-7f3a9c", "-unconfirmed", "-2026-10-01-7F3A9C-unconfirmed", "-0000-00-00"]
        {
            let message = key_name(&format!("pröd{suffix}")).err().unwrap_or_default();
            assert!(message.contains("family `pröd`"), "{suffix}: {message}");
        }
        for suffix in ["-2026-10-1", "-2026-10-01-7f3a9", "-2026-10-01-7f3a9g", "-unconfirmed-eu", "é2026-10-01"] {
            assert!(key_name(&format!("prod{suffix}")).is_ok(), "{suffix}");
        }
    }

    #[test]
    fn an_id_is_one_part_of_a_path() {
        for text in ["key_01HX", "0e6f44a47a05f1da", "a.b~c:d"] {
            assert_eq!(key_id(text), Ok(KeyId(text.to_owned())));
        }
        for text in ["", "a b", "a/b", "..", ".", "a?b", "a#b", "a%2fb", "a\nb", "lr_live_0123456789", &"x".repeat(257)]
        {
            assert!(key_id(text).is_err(), "{text:?}");
        }
    }
}
