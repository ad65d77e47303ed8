//! When a personal access token expires: GitHub says it with every answer.

use std::cell::Cell;
use std::time::Duration;

use ::http::HeaderMap;
use jiff::Timestamp;

use crate::http::server_date;
use crate::humanize::moment;

/// Sent for personal access tokens that expire: GitHub's changelog of 26 July 2021.
pub const HEADER: &str = "github-authentication-token-expiration";

/// A token that lives shorter than this is warned about.
const SOON: Duration = Duration::from_secs(30 * DAY);

const DAY: u64 = 24 * 3600;
const HOUR: u64 = 3600;

/// What the answers have shown so far of one token.
#[derive(Debug, Default)]
pub struct Expiry {
    /// When it expires, and GitHub's own time when that was said.
    seen: Cell<Option<(Timestamp, Timestamp)>>,
}

/// How long a token lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remaining {
    /// Less than 30 days.
    pub soon: bool,
    /// Until when, and for how long: `expires at 2026-12-31 23:59 UTC, in 30 days`.
    pub told: String,
}

impl Expiry {
    /// Notes what an answer shows.
    pub fn note(&self, headers: &HeaderMap) {
        if let (Some(expires), Some(now)) = (of(headers), server_date(headers)) {
            self.seen.set(Some((expires, now)));
        }
    }

    /// When the token expires, where the answers have shown that.
    #[must_use]
    pub fn remaining(&self) -> Option<Remaining> {
        let (expires, now) = self.seen.get()?;
        let left = Duration::try_from(expires.duration_since(now)).unwrap_or_default();
        Some(Remaining { soon: left <= SOON, told: format!("expires at {}, in {}", moment(expires), whole(left)) })
    }

    /// A warning, once, where the token expires within 30 days. `web` is GitHub's address for people.
    pub fn warning(&self, web: &str) -> Option<String> {
        let (expires, now) = self.seen.take()?;
        let left = Duration::try_from(expires.duration_since(now)).unwrap_or_default();
        let page = format!("{}/settings/tokens", web.trim_end_matches('/'));
        (left <= SOON).then(|| {
            format!(
                "the GitHub token expires at {}, in {}: no secret can be written then. Put a new one in its place ({page})",
                moment(expires),
                whole(left)
            )
        })
    }
}

/// When the token that asked expires, where the answer shows it: `2026-12-31 23:59:59 UTC`, or with an offset.
#[must_use]
pub fn of(headers: &HeaderMap) -> Option<Timestamp> {
    let shown = headers.get(HEADER)?.to_str().ok()?.trim();
    let numeric = shown.strip_suffix("UTC").map_or_else(|| shown.to_owned(), |time| format!("{time}+0000"));
    Timestamp::strptime("%Y-%m-%d %H:%M:%S %z", numeric).ok()
}

fn whole(left: Duration) -> String {
    let (count, unit) = match left.as_secs() {
        seconds if seconds >= 2 * DAY => (seconds / DAY, "days"),
        seconds => (seconds / HOUR, "hours"),
    };
    format!("{count} {unit}")
}

#[cfg(test)]
mod tests {
    use ::http::HeaderValue;

    use super::*;

    fn headers(expires: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_static(expires));
        headers.insert("date", HeaderValue::from_static("Tue, 01 Dec 2026 10:00:00 GMT"));
        headers
    }

    #[test]
    fn both_forms_are_read() {
        for (shown, time) in [
            ("2026-12-31 23:59:59 UTC", Some("2026-12-31T23:59:59Z")),
            ("2027-03-31 00:00:00 +0900", Some("2027-03-30T15:00:00Z")),
            ("2026-12-31 23:59:59 -0700", Some("2027-01-01T06:59:59Z")),
            ("tomorrow", None),
            ("", None),
        ] {
            assert_eq!(of(&headers(shown)).map(|time| time.to_string()).as_deref(), time, "{shown}");
        }
        assert_eq!(of(&HeaderMap::new()), None);
    }

    #[test]
    fn a_warning_comes_once_from_thirty_days_before() {
        for (shown, left) in [
            ("2026-12-31 10:00:00 UTC", Some("in 30 days")),
            ("2026-12-31 10:00:01 UTC", None),
            ("2026-12-03 10:00:00 UTC", Some("in 2 days")),
            ("2026-12-03 09:00:00 UTC", Some("in 47 hours")),
            ("2026-12-01 10:00:30 UTC", Some("in 0 hours")),
            ("2020-01-01 00:00:00 UTC", Some("in 0 hours")),
        ] {
            let expiry = Expiry::default();
            expiry.note(&headers(shown));
            let warning = expiry.warning("https://github.com/");
            assert_eq!(warning.is_some(), left.is_some(), "{shown}");
            if let (Some(warning), Some(left)) = (warning, left) {
                assert!(warning.contains(left) && warning.contains("https://github.com/settings/tokens"), "{warning}");
                assert_eq!(expiry.warning(""), None);
            }
        }
        assert_eq!(Expiry::default().warning(""), None);
    }
}
