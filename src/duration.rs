//! Durations: a whole number and one of `s m h d w`.

use std::ops::RangeInclusive;
use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;
/// A century: sums of times and durations below it never overflow.
const LONGEST: Duration = Duration::from_secs(36_500 * DAY);

const GRAMMAR: &str = "expected a duration: a whole number and one of s, m, h, d, w, such as 90d";

/// Reads a duration of at most a century.
///
/// # Errors
/// What is accepted, with a hint where the slip is plain.
pub fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        _ if number.is_empty() => return Err(with_hint(number, unit)),
        "s" => 1,
        "m" => MINUTE,
        "h" => HOUR,
        "d" => DAY,
        "w" => WEEK,
        _ => return Err(with_hint(number, unit)),
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds));
    let length = seconds.map(Duration::from_secs).filter(|length| *length <= LONGEST);
    length.ok_or_else(|| "is longer than a century: expected at most 36500d".to_owned())
}

/// Reads a duration within bounds; `accepted` names them for the message.
///
/// # Errors
/// As [`duration`], or that it is out of bounds.
pub fn duration_within(text: &str, bounds: &RangeInclusive<Duration>, accepted: &str) -> Result<Duration, String> {
    let length = duration(text)?;
    if bounds.contains(&length) { Ok(length) } else { Err(format!("expected a duration from {accepted}")) }
}

/// Reads a duration that is not nothing.
///
/// # Errors
/// As [`duration`], or that it is zero.
pub fn duration_above_zero(text: &str) -> Result<Duration, String> {
    let length = duration(text)?;
    if length.is_zero() { Err("expected a duration longer than 0s".to_owned()) } else { Ok(length) }
}

fn with_hint(number: &str, unit: &str) -> String {
    let hint = match unit.trim() {
        "" if !number.is_empty() => "the unit is missing",
        other if number.is_empty() && other.starts_with('-') => "it can't be negative",
        other if other.starts_with(['.', ',']) => "no fractions: use a smaller unit, 90m in place of 1.5h",
        "S" | "M" | "H" | "D" | "W" => "units are small letters, and m is minutes",
        "ms" | "us" | "ns" => "a second is the shortest",
        "mo" | "month" | "months" | "y" | "year" | "years" => "months and years differ in length: use 30d or 365d",
        other if !number.is_empty() && other.contains(|c: char| c.is_ascii_digit()) => "one number and one unit only",
        _ if unit.starts_with(' ') => "no space before the unit",
        _ => return GRAMMAR.to_owned(),
    };
    format!("{GRAMMAR} ({hint})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read() {
        for (text, seconds) in
            [("0s", 0), ("60s", 60), ("5m", 300), ("24h", 86_400), ("90d", 7_776_000), ("2w", 1_209_600), ("007s", 7)]
        {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_duration_is_refused_with_a_hint() {
        for (text, hint) in [
            ("90", "unit is missing"),
            ("1.5h", "no fractions"),
            ("1,5h", "no fractions"),
            ("-1h", "negative"),
            ("24H", "small letters"),
            ("500ms", "second is the shortest"),
            ("1y", "365d"),
            ("1h30m", "one number"),
            ("24 h", "no space"),
            ("", "whole number"),
            ("h", "whole number"),
            ("+1h", "whole number"),
            ("1e3s", "one number"),
            ("٣d", "whole number"),
            ("inherit", "whole number"),
            ("36501d", "century"),
            ("18446744073709551615w", "century"),
            ("99999999999999999999999999s", "century"),
        ] {
            let message = duration(text).err().unwrap_or_default();
            assert!(message.contains(hint), "{text}: {message}");
        }
    }

    #[test]
    fn whatever_is_written_from_a_number_and_a_unit_reads_back() {
        for number in (0..400).chain([u64::from(u32::MAX), u64::MAX / WEEK, u64::MAX]) {
            for (unit, seconds) in [("s", 1), ("m", MINUTE), ("h", HOUR), ("d", DAY), ("w", WEEK)] {
                let expected = number.checked_mul(seconds).map(Duration::from_secs).filter(|d| *d <= LONGEST);
                assert_eq!(duration(&format!("{number}{unit}")).ok(), expected, "{number}{unit}");
            }
        }
    }

    #[test]
    fn bounds_are_inclusive() {
        let bounds = Duration::from_secs(1)..=Duration::from_secs(600);
        let within = |text| duration_within(text, &bounds, "1s to 10m").is_ok();
        assert!(within("1s") && within("10m") && !within("0s") && !within("601s"));
        assert!(duration_above_zero("0d").is_err() && duration_above_zero("1s").is_ok());
    }
}
