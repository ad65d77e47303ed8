//! What a row shows of its key's use.

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use crate::rotation::port::KeyRow;

/// When a key was last used, as far as the issuer shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastUse {
    /// At this time.
    At(Timestamp),
    /// Never: the issuer shows times of use, and this key has none.
    Never,
    /// Nothing was spent with it since this time. Calls of free models may have been made.
    NothingSpentSince(Timestamp),
    /// The issuer shows nothing that tells.
    Unknown,
}

impl LastUse {
    /// Reads a row; `shows_times`: another row of the same list has a time of last use.
    #[must_use]
    pub fn of(row: &KeyRow, now: Timestamp, shows_times: bool) -> Self {
        match row.last_used_at {
            Some(at) => Self::At(at),
            None if shows_times => Self::Never,
            None => unspent_since(row, now).map_or(Self::Unknown, Self::NothingSpentSince),
        }
    }

    /// Since when the key has not been used, at the least.
    #[must_use]
    pub fn idle_since(self, created_at: Option<Timestamp>) -> Option<Timestamp> {
        match self {
            Self::At(at) | Self::NothingSpentSince(at) => Some(at),
            Self::Never => created_at,
            Self::Unknown => None,
        }
    }
}

/// The begin of the longest period in which the row shows no spending.
fn unspent_since(row: &KeyRow, now: Timestamp) -> Option<Timestamp> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let monday = today.tomorrow().ok()?.nth_weekday(-1, Weekday::Monday).ok();
    let midnight = |date: jiff::civil::Date| Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp());
    let nothing = |spent: Option<f64>| spent.is_some_and(|spent| spent <= 0.0);
    let candidates = [
        (nothing(row.usage), row.created_at),
        (nothing(row.usage_monthly), midnight(today.first_of_month())),
        (nothing(row.usage_weekly), monday.and_then(midnight)),
        (nothing(row.usage_daily), midnight(today)),
    ];
    let since = candidates.into_iter().filter_map(|(unspent, since)| since.filter(|_| unspent)).min()?;
    Some(row.created_at.map_or(since, |made| since.max(made)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rotation::port::tests::row;

    fn of(change: impl FnOnce(&mut KeyRow), shows_times: bool) -> LastUse {
        let mut row = row("k", "2026-01-01T00:00:00Z");
        change(&mut row);
        // A Thursday.
        LastUse::of(&row, "2026-12-17T09:30:00Z".parse().unwrap_or_default(), shows_times)
    }

    fn unspent(since: &str) -> LastUse {
        LastUse::NothingSpentSince(since.parse().unwrap_or_default())
    }

    #[test]
    fn a_time_tells_most_and_its_absence_only_beside_others() {
        let at = "2026-12-01T00:00:00Z".parse().ok();
        assert_eq!(of(|row| row.last_used_at = at, false), LastUse::At(at.unwrap_or_default()));
        assert_eq!(of(|_| {}, true), LastUse::Never);
        assert_eq!(of(|_| {}, false), LastUse::Unknown);
    }

    #[test]
    fn amounts_tell_since_when_nothing_was_spent() {
        assert_eq!(of(|row| row.usage = Some(0.0), false), unspent("2026-01-01T00:00:00Z"));
        let spent = |month, week, day| {
            of(
                |row| {
                    row.usage = Some(5.0);
                    (row.usage_monthly, row.usage_weekly, row.usage_daily) = (Some(month), Some(week), Some(day));
                },
                false,
            )
        };
        assert_eq!(spent(0.0, 0.0, 0.0), unspent("2026-12-01T00:00:00Z"));
        assert_eq!(spent(1.0, 0.0, 0.0), unspent("2026-12-14T00:00:00Z"));
        assert_eq!(spent(1.0, 1.0, 0.0), unspent("2026-12-17T00:00:00Z"));
        assert_eq!(spent(1.0, 1.0, 1.0), LastUse::Unknown);
        let young = |row: &mut KeyRow| {
            row.created_at = "2026-12-16T00:00:00Z".parse().ok();
            (row.usage, row.usage_monthly) = (Some(5.0), Some(0.0));
        };
        assert_eq!(of(young, false), unspent("2026-12-16T00:00:00Z"), "not before it was made");
    }
}
