//! Single values: booleans, choices, counts, amounts of money, file paths and models.

use std::ops::RangeInclusive;

use crate::nearest::nearest;

/// More than this is a slip of the keyboard.
const LARGEST_USD: f64 = 1_000_000_000.0;

/// Reads `true` or `false`.
///
/// # Errors
/// What is accepted.
pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    choice(text, &[("true", true), ("false", false)])
}

/// Reads one of several words.
///
/// # Errors
/// The words, and the nearest of them.
pub(crate) fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let words: Vec<String> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
    let hint = nearest(text, choices.iter().map(|(word, _)| *word));
    let hint = hint.filter(|_| choices.len() > 2).map(|word| format!("; did you mean `{word}`?")).unwrap_or_default();
    Err(format!("expected {}{hint}", either(&words)))
}

/// Reads a whole number within bounds.
///
/// # Errors
/// What is accepted.
pub(crate) fn count(text: &str, bounds: RangeInclusive<usize>) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| bounds.contains(number) && text.bytes().all(|b| b.is_ascii_digit()));
    number.ok_or_else(|| format!("expected a whole number from {} to {}", bounds.start(), bounds.end()))
}

/// Reads an amount in USD, written in plain digits.
///
/// # Errors
/// What is accepted, with a hint where the slip is plain.
pub(crate) fn usd(text: &str) -> Result<f64, String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let expected = "expected a number in USD, such as 500 or 12.5";
    if !plain(whole) || !plain(fraction) {
        return Err(format!("{expected}{}", usd_hint(text)));
    }
    let amount = text.parse::<f64>().ok().filter(|amount| *amount <= LARGEST_USD);
    amount.ok_or_else(|| format!("{expected}, at most a billion"))
}

fn usd_hint(text: &str) -> &'static str {
    match text {
        _ if text.contains(['$', '€', '£']) || text.to_ascii_lowercase().ends_with("usd") => " (without a currency)",
        _ if text.starts_with('-') => " (it can't be negative)",
        _ if text.contains([',', '_', ' ']) => " (without separators; the fraction after a point)",
        _ if text.contains(['e', 'E']) && text.contains(|c: char| c.is_ascii_digit()) => " (without an exponent)",
        _ => "",
    }
}

/// Reads one word without white space: a model, a path of an API.
///
/// # Errors
/// What is accepted.
pub(crate) fn word(text: &str) -> Result<String, String> {
    if text.chars().all(|c| printable(c) && !c.is_whitespace()) {
        Ok(text.to_owned())
    } else {
        Err("expected one word without spaces".to_owned())
    }
}

/// Reads a path: any text on a single line.
///
/// # Errors
/// What is accepted.
pub(crate) fn path(text: &str) -> Result<String, String> {
    if text.chars().all(printable) { Ok(text.to_owned()) } else { Err("expected a path on a single line".to_owned()) }
}

/// Whether a character has a shape of its own on a line: no control characters, and none that is invisible or turns the
/// direction of writing, since two names that look alike must be alike.
#[must_use]
pub(crate) fn printable(c: char) -> bool {
    let turns_or_breaks = matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}');
    let unseen = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{feff}');
    !c.is_control() && !turns_or_breaks && !unseen
}

fn either(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_two_words() {
        assert_eq!((boolean("true"), boolean("false")), (Ok(true), Ok(false)));
        for text in ["True", "yes", "1", "", "on", "false "] {
            assert_eq!(boolean(text), Err("expected `true` or `false`".to_owned()), "{text}");
        }
    }

    #[test]
    fn a_choice_offers_the_nearest_word() {
        let choices = [("daily", 1), ("weekly", 2), ("monthly", 3)];
        assert_eq!(choice("weekly", &choices), Ok(2));
        let message = choice("montly", &choices).err().unwrap_or_default();
        assert_eq!(message, "expected `daily`, `weekly` or `monthly`; did you mean `monthly`?");
    }

    #[test]
    fn counts_are_bounded() {
        assert_eq!((count("1", 1..=100), count("100", 1..=100)), (Ok(1), Ok(100)));
        for text in ["0", "101", "-1", "+1", "1.0", "", "1e1", "99999999999999999999999"] {
            assert!(count(text, 1..=100).is_err(), "{text}");
        }
    }

    #[test]
    fn amounts_are_plain_numbers() {
        for (text, amount) in [("0", 0.0), ("500", 500.0), ("12.5", 12.5), ("0.01", 0.01), ("1000000000", 1e9)] {
            assert_eq!(usd(text), Ok(amount), "{text}");
        }
        for (text, hint) in [
            ("$5", "currency"),
            ("5 USD", "currency"),
            ("-5", "negative"),
            ("1,000", "separators"),
            ("1e3", "exponent"),
            ("1e308", "exponent"),
            ("NaN", "number in USD"),
            ("inf", "number in USD"),
            ("+5", "number in USD"),
            (".5", "number in USD"),
            ("5.", "number in USD"),
            ("0x10", "number in USD"),
            ("1.2.3", "number in USD"),
            ("", "number in USD"),
            ("1000000001", "billion"),
            (&"9".repeat(400), "billion"),
        ] {
            let message = usd(text).err().unwrap_or_default();
            assert!(message.contains(hint), "{text}: {message}");
        }
    }

    #[test]
    fn whatever_reads_as_an_amount_is_finite_and_not_negative() {
        let parts = ["", "0", "9", "-", "+", ".", "e", "E", "inf", "nan", "_", " "];
        for a in parts {
            for b in parts {
                for c in parts {
                    let text = format!("{a}{b}{c}");
                    assert!(usd(&text).map_or(true, |amount| amount.is_finite() && amount >= 0.0), "{text}");
                }
            }
        }
    }

    #[test]
    fn words_and_paths_stay_on_their_line() {
        assert!(word("openai/gpt-4o-mini:free").is_ok() && word("a b").is_err() && word("a\nb").is_err());
        assert!(path("out/my report.sarif").is_ok() && path("a\nb").is_err() && path("a\u{202e}b").is_err());
    }
}
