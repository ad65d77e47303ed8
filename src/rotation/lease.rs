//! Leases: may another run be at work, and may this one still write.
//!
//! A run's unconfirmed key is its lease. It counts from the *sending* of the create or of the last renewal that was
//! answered; a write to a target starts only within RT of it. So when another run sees a key L = 2 RT old, no write of
//! its run is in flight.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::rotation::clock::{Clock, Mark, between};
use crate::rotation::model::{KeyId, KeyRow};
use crate::rotation::policy::Policy;

/// Servers show whole seconds, cut off: an age read from two of them may be a second too high.
const DATE_RESOLUTION: Duration = Duration::from_secs(1);

/// Whether the issuer can rename keys, which decides what names may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// Names carry the state; a rename is the commit.
    Renaming,
    /// Names are final at once and say nothing but the family.
    Immutable,
}

/// The time a connection may take before the request is sent; the HTTP client is given the same bound. The protocol
/// counts from sending, the run can only measure from the begin.
#[must_use]
pub fn send_slack(request_timeout: Duration) -> Duration {
    request_timeout / 4
}

/// How often a lease is renewed, and how long one renewal is waited for.
#[must_use]
pub fn renewal_every(request_timeout: Duration) -> Duration {
    request_timeout / 4
}

/// After this time a lost attempt has taken effect or never will (assumption A1).
#[must_use]
pub fn settled_after(request_timeout: Duration) -> Duration {
    request_timeout + send_slack(request_timeout)
}

/// The lease that this run holds.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    held_from: Mark,
    span: Duration,
    slack: Duration,
    renewal: Option<Duration>,
}

impl Lease {
    /// The lease that begins with the sending of the create.
    #[must_use]
    pub fn begin(created: Mark, naming: Naming, policy: &Policy) -> Self {
        let rt = policy.request_timeout;
        let (span, renewal) = match naming {
            Naming::Renaming => (rt, Some(renewal_every(rt))),
            Naming::Immutable => (policy.verify_timeout + rt, None),
        };
        Self { held_from: created, span, slack: send_slack(rt), renewal }
    }

    /// A renewal that was sent at `sent` was answered.
    pub fn renewed(&mut self, sent: Mark) {
        self.held_from = sent;
    }

    /// Whether a write that begins now is sent within the lease.
    #[must_use]
    pub fn may_write(&self, clock: &Clock) -> bool {
        clock.at_most_since(self.held_from) + self.slack <= self.span
    }

    /// A lost lease is never renewed.
    #[must_use]
    pub fn is_lost(&self, clock: &Clock) -> bool {
        clock.at_most_since(self.held_from) >= self.span
    }

    /// When the next renewal is due; `None` where leases are not renewed.
    #[must_use]
    pub fn next_renewal(&self) -> Option<Instant> {
        self.renewal.map(|every| self.held_from.plus(every))
    }

    /// How long one renewal is waited for before it is repeated.
    #[must_use]
    pub fn renewal_timeout(&self) -> Duration {
        self.renewal.unwrap_or(self.span)
    }
}

/// Watches the keys of runs that may be at work, through the issuer's clock where it shows enough, else by watching a
/// name stay the same.
#[derive(Debug, Default)]
pub struct Watch(HashMap<(KeyId, String), Mark>);

impl Watch {
    /// How much longer a run behind one of these keys may be at work; `None` when none can be.
    pub fn wait_for(
        &mut self,
        keys: &[&KeyRow],
        now: Timestamp,
        naming: Naming,
        policy: &Policy,
        clock: &Clock,
    ) -> Option<Duration> {
        let rt = policy.request_timeout;
        let span = match naming {
            Naming::Renaming => 2 * rt,
            Naming::Immutable => policy.verify_timeout + 2 * rt,
        } + DATE_RESOLUTION;
        let seen = clock.now();
        let left = |row: &&KeyRow| {
            let first = *self.0.entry((row.id.clone(), row.name.clone())).or_insert(seen);
            let age = clock.at_least_since(first).max(shown_age(row, now, naming).unwrap_or_default());
            span.checked_sub(age).filter(|left| !left.is_zero())
        };
        keys.iter().filter_map(left).max()
    }
}

/// Age by the issuer's own clock. Where renewals can't be seen (`updated_at` is not shown) it says nothing.
fn shown_age(row: &KeyRow, now: Timestamp, naming: Naming) -> Option<Duration> {
    let touched = match naming {
        Naming::Renaming => row.updated_at?.max(row.created_at?),
        Naming::Immutable => row.created_at?,
    };
    Some(between(touched, now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rotation::model::tests::row;
    use crate::rotation::policy::tests::policy;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap_or_default()
    }

    #[tokio::test(start_paused = true)]
    async fn writes_stop_before_the_lease_is_over() {
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        let mut lease = Lease::begin(clock.now(), Naming::Renaming, &policy());
        tokio::time::advance(Duration::from_secs(22)).await;
        assert!(lease.may_write(&clock));
        let renewed = clock.now();
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!lease.may_write(&clock) && !lease.is_lost(&clock), "a slow connection would send it too late");
        lease.renewed(renewed);
        assert!(lease.may_write(&clock));
        tokio::time::advance(Duration::from_secs(29)).await;
        assert!(lease.is_lost(&clock));
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_old_enough_by_the_issuers_clock_or_by_staying_the_same() {
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        let mut watch = Watch::default();
        let young = row("production-2026-12-01-unconfirmed", "2026-12-01T00:00:00Z");
        let wait = |watch: &mut Watch, row: &KeyRow, now: &str| {
            watch.wait_for(&[row], at(now), Naming::Renaming, &policy(), &clock)
        };
        assert_eq!(wait(&mut watch, &young, "2026-12-01T00:00:41Z"), Some(Duration::from_secs(20)));
        assert_eq!(wait(&mut watch, &young, "2026-12-01T00:01:01Z"), None);
        let blind = KeyRow { updated_at: None, ..young };
        let mut watch = Watch::default();
        assert!(wait(&mut watch, &blind, "2026-12-09T00:00:00Z").is_some(), "renewals can't be seen");
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(wait(&mut watch, &blind, "2026-12-09T00:00:00Z"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_is_renamed_meanwhile_is_watched_anew() {
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        let mut watch = Watch::default();
        let mut key = KeyRow { updated_at: None, ..row("production-2026-12-01-unconfirmed", "2026-12-01T00:00:00Z") };
        watch.wait_for(&[&key], at("2026-12-01T00:00:00Z"), Naming::Renaming, &policy(), &clock);
        tokio::time::advance(Duration::from_secs(60)).await;
        key.name = "production-2026-12-01-7f3a9c-unconfirmed".into();
        let left = watch.wait_for(&[&key], at("2026-12-01T00:00:00Z"), Naming::Renaming, &policy(), &clock);
        assert_eq!(left, Some(Duration::from_secs(61)));
    }
}
