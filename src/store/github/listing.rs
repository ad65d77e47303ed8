//! What GitHub shows of a place's secrets: their names, and when each was last written. It shows no values.

use jiff::Timestamp;
use octocrab::models::orgs::secrets::Visibility;

/// A secret as GitHub shows it.
#[derive(Clone)]
pub(super) struct Shown {
    pub(super) updated_at: Timestamp,
    /// Of an organisation's secret.
    pub(super) visibility: Option<Visibility>,
}

impl Shown {
    pub(super) fn new(seconds: i64, nanoseconds: u32, visibility: Option<Visibility>) -> Self {
        let nanoseconds = i32::try_from(nanoseconds).unwrap_or_default();
        Self { updated_at: Timestamp::new(seconds, nanoseconds).unwrap_or(Timestamp::MAX), visibility }
    }
}

/// A secret, and GitHub's clock when it was shown.
pub(super) struct Seen {
    pub(super) name: String,
    pub(super) secret: Shown,
    pub(super) date: Timestamp,
}

/// The secrets of a place, as far as the token may list them.
pub(super) struct Listing {
    /// The call, for messages.
    pub(super) asked: String,
    /// GitHub's clock when it showed the first page.
    pub(super) date: Timestamp,
    /// Why some or all of them are missing.
    pub(super) unlisted: Option<String>,
    pub(super) seen: Vec<Seen>,
    pub(super) is_one_page: bool,
}

impl Listing {
    /// A secret, whatever the case of its letters, and GitHub's clock when it was shown.
    pub(super) fn find(&self, name: &str) -> Option<(&Shown, Timestamp)> {
        let seen = self.seen.iter().find(|seen| seen.name.eq_ignore_ascii_case(name))?;
        Some((&seen.secret, seen.date))
    }

    /// Whether a secret that is not in it does not exist. Where there are several pages, one that was removed meanwhile
    /// moves others from a page that is still to be asked for to one that was.
    pub(super) fn has_all(&self) -> bool {
        self.is_one_page
    }

    /// A name as GitHub writes it, where the place has a secret of it.
    pub(super) fn spelling(&self, name: &str) -> Option<&str> {
        self.seen.iter().map(|seen| seen.name.as_str()).find(|known| known.eq_ignore_ascii_case(name))
    }
}
