//! Times and lengths of time as people read them.

use std::time::Duration;

use jiff::Timestamp;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// In the largest unit of which there are two, rounded down: `92 days`, `30 hours`.
#[must_use]
pub fn whole_span(time: Duration) -> String {
    let seconds = time.as_secs();
    let (unit, name) = match seconds {
        0..120 => (1, "second"),
        120..7_200 => (MINUTE, "minute"),
        7_200..172_800 => (HOUR, "hour"),
        _ => (DAY, "day"),
    };
    let count = seconds / unit;
    if count == 1 { format!("1 {name}") } else { format!("{count} {name}s") }
}

/// The same with the unit's sign: `92 d`, `30 h`.
#[must_use]
pub fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / MINUTE),
        7_200..172_800 => format!("{} h", seconds / HOUR),
        _ => format!("{} d", seconds / DAY),
    }
}

/// How long something took, in two units: `2 min 5 s`.
#[must_use]
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let two = |big: u64, unit: &str, small: u64, lesser: &str| match small {
        0 => format!("{big} {unit}"),
        _ => format!("{big} {unit} {small} {lesser}"),
    };
    match seconds {
        0 => format!("{} ms", time.as_millis()),
        1..60 => format!("{seconds}.{} s", time.subsec_millis() / 100),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// How long before or after `now` a time is, in one unit.
#[must_use]
pub fn relative(time: Timestamp, now: Timestamp) -> String {
    let seconds = time.as_second().saturating_sub(now.as_second());
    let (minutes, hours) = (seconds.unsigned_abs() / 60, seconds.unsigned_abs() / 3_600);
    let span = match (minutes, hours) {
        (0, _) => return "now".to_owned(),
        (1..120, _) => format!("{minutes} min"),
        (_, 2..72) => format!("{hours} h"),
        _ => format!("{} days", hours / 24),
    };
    if seconds < 0 { format!("{span} ago") } else { format!("in {span}") }
}

/// A time as a person reads it.
#[must_use]
pub fn moment(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// The day of a time.
#[must_use]
pub fn day(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_unit_of_which_there_are_two() {
        for (seconds, expected) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (119, "119 seconds"),
            (120, "2 minutes"),
            (90 * MINUTE, "90 minutes"),
            (47 * HOUR, "47 hours"),
            (48 * HOUR + 5, "2 days"),
            (92 * DAY, "92 days"),
        ] {
            assert_eq!(whole_span(Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn durations_read_well() {
        let shown = |ms| duration(Duration::from_millis(ms));
        assert_eq!(shown(120), "120 ms");
        assert_eq!(shown(1_250), "1.2 s");
        assert_eq!(shown(120_000), "2 min");
        assert_eq!(shown(125_000), "2 min 5 s");
        assert_eq!(shown(7_500_000), "2 h 5 min");
        assert_eq!(shown(90_000_000), "1 d 1 h");
    }
}
