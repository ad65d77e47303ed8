//! What a row shows of its key's use.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use crate::rotation::model::KeyRow;

/// When a key was last used, as far as the issuer shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastUse {
    /// At this time, or later.
    At(Timestamp),
    /// Never: the issuer shows times of use, and this key has none and has spent nothing.
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
            Some(at) => Self::At(spent_since(row, now).map_or(at, |begin| begin.max(at))),
            None if shows_times && !has_spent(row) => Self::Never,
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

    /// Whether it tells, with the rest of the row, if the key was used in this time.
    #[must_use]
    pub fn tells(self, row: &KeyRow, now: Timestamp, time: Duration) -> bool {
        let within = |at: Timestamp| Duration::try_from(now.duration_since(at)).is_ok_and(|ago| ago < time);
        match self {
            Self::At(_) | Self::Never => true,
            Self::NothingSpentSince(at) if !within(at) => true,
            Self::NothingSpentSince(_) | Self::Unknown => {
                row.created_at.into_iter().chain(spent_since(row, now)).any(within)
            }
        }
    }
}

/// The begin of the longest period in which the row shows no spending.
fn unspent_since(row: &KeyRow, now: Timestamp) -> Option<Timestamp> {
    let life = row.created_at.map(|made| (row.usage, made));
    let unspent =
        periods(row, now).into_iter().chain(life).filter(|(spent, _)| spent.is_some_and(|spent| spent <= 0.0));
    let since = unspent.map(|(_, begin)| begin).min()?;
    Some(row.created_at.map_or(since, |made| since.max(made)))
}

/// The begin of the shortest period in which the row shows spending: the key was used then or later.
fn spent_since(row: &KeyRow, now: Timestamp) -> Option<Timestamp> {
    periods(row, now).into_iter().filter(|(spent, _)| is_spending(*spent)).map(|(_, begin)| begin).max()
}

fn has_spent(row: &KeyRow) -> bool {
    [row.usage, row.usage_monthly, row.usage_weekly, row.usage_daily].into_iter().any(is_spending)
}

fn is_spending(spent: Option<f64>) -> bool {
    spent.is_some_and(|spent| spent > 0.0)
}

/// What the row shows of this month, this week and today, each with its begin.
fn periods(row: &KeyRow, now: Timestamp) -> Vec<(Option<f64>, Timestamp)> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let monday = today.tomorrow().and_then(|tomorrow| tomorrow.nth_weekday(-1, Weekday::Monday)).ok();
    let midnight = |date: Date| Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp());
    let begins =
        [(row.usage_monthly, Some(today.first_of_month())), (row.usage_weekly, monday), (row.usage_daily, Some(today))];
    begins.into_iter().filter_map(|(spent, begin)| Some((spent, midnight(begin?)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rotation::model::tests::row;

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
    fn what_was_spent_counts_more_than_the_absence_of_a_time() {
        let spends = |row: &mut KeyRow| row.usage_daily = Some(3.2);
        assert_eq!(of(spends, true), LastUse::Unknown);
        assert_eq!(of(|row| row.usage = Some(0.1), true), LastUse::Unknown);
        let earlier = |row: &mut KeyRow| (row.usage, row.usage_monthly) = (Some(9.0), Some(0.0));
        assert_eq!(of(earlier, true), unspent("2026-12-01T00:00:00Z"));
        let nothing = |row: &mut KeyRow| (row.usage, row.usage_daily) = (Some(0.0), Some(0.0));
        assert_eq!(of(nothing, true), LastUse::Never);
    }

    #[test]
    fn what_was_spent_counts_more_than_an_old_time() {
        let at = |text: &str| text.parse().ok().map(LastUse::At);
        let used = |last: &str, change: fn(&mut KeyRow)| {
            let change = |row: &mut KeyRow| {
                row.last_used_at = last.parse().ok();
                change(row);
            };
            Some(of(change, true))
        };
        let old = "2026-02-01T00:00:00Z";
        assert_eq!(used(old, |row| row.usage = Some(9.0)), at(old), "nobody knows when");
        assert_eq!(used(old, |row| row.usage_monthly = Some(9.0)), at("2026-12-01T00:00:00Z"));
        let by_week = |row: &mut KeyRow| (row.usage_monthly, row.usage_weekly) = (Some(9.0), Some(1.0));
        assert_eq!(used(old, by_week), at("2026-12-14T00:00:00Z"));
        let late = "2026-12-17T08:00:00Z";
        assert_eq!(used(late, |row| row.usage_daily = Some(1.0)), at(late));
    }

    #[test]
    fn amounts_tell_of_this_month_and_no_more() {
        let now = "2026-12-17T09:30:00Z".parse().unwrap_or_default();
        let tells = |days: u64, change: fn(&mut KeyRow)| {
            let mut row = row("k", "2026-01-01T00:00:00Z");
            (row.usage, row.usage_monthly, row.usage_daily) = (Some(5.0), Some(0.0), Some(0.0));
            change(&mut row);
            LastUse::of(&row, now, false).tells(&row, now, Duration::from_secs(days * 24 * 60 * 60))
        };
        assert!(tells(16, |_| {}) && !tells(17, |_| {}));
        assert!(tells(30, |row| row.usage = Some(0.0)), "nothing was ever spent");
        assert!(tells(30, |row| row.created_at = "2026-11-30T00:00:00Z".parse().ok()), "it is younger");
        assert!(tells(30, |row| row.usage_monthly = Some(1.0)), "it was used this month");
        assert!(tells(30, |row| row.last_used_at = row.created_at));
        assert!(!tells(30, |row| (row.usage, row.usage_monthly, row.usage_daily) = (None, None, None)));
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
