//! The run's own clock, and the clocks of servers seen through it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Two servers' clocks, compared through their `Date` headers, may be this far apart without anyone noticing (A3).
pub const CLOCK_MARGIN: Duration = Duration::from_secs(5 * 60);

/// A write later than the newest commit by more than this was someone else's. Wider, and a person who put the old value
/// back right after a rotation would have it retired under them.
pub const SAME_WRITE_MARGIN: Duration = Duration::from_secs(3);

/// An instant of the run, by both of the machine's clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    monotonic: Instant,
    wall: Timestamp,
}

/// Where the run takes its time from.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    began: Instant,
    wall: Wall,
}

#[derive(Clone, Copy, Debug)]
enum Wall {
    System,
    Virtual(Timestamp),
}

impl Clock {
    /// The machine's clocks.
    #[must_use]
    pub fn system() -> Self {
        Self { began: Instant::now(), wall: Wall::System }
    }

    /// A clock that shows `epoch` now and follows tokio's time, so that a paused runtime drives it.
    #[must_use]
    pub fn starting_at(epoch: Timestamp) -> Self {
        Self { began: Instant::now(), wall: Wall::Virtual(epoch) }
    }

    /// This instant.
    #[must_use]
    pub fn now(&self) -> Mark {
        Mark { monotonic: Instant::now(), wall: self.wall_time() }
    }

    /// The time of day, for servers that compare it with their own.
    #[must_use]
    pub fn wall_time(&self) -> Timestamp {
        match self.wall {
            Wall::System => Timestamp::now(),
            Wall::Virtual(epoch) => later(epoch, self.elapsed()),
        }
    }

    /// Time since the run began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// At least this much time has passed since the mark, whatever was done to the wall clock.
    #[must_use]
    pub fn at_least_since(&self, mark: Mark) -> Duration {
        self.now().monotonic.saturating_duration_since(mark.monotonic)
    }

    /// At most this much time has passed: a machine that was suspended stops the monotonic clock, not the wall's.
    #[must_use]
    pub fn at_most_since(&self, mark: Mark) -> Duration {
        let wall = Duration::try_from(self.now().wall.duration_since(mark.wall)).unwrap_or_default();
        self.at_least_since(mark).max(wall)
    }
}

impl Mark {
    /// The instant that lies `after` behind the mark, for sleeping until it.
    #[must_use]
    pub fn plus(&self, after: Duration) -> Instant {
        self.monotonic + after
    }
}

/// A server's clock: what its `Date` showed at some instant between the asking and the answer.
#[derive(Clone, Copy, Debug)]
pub struct ServerClock {
    date: Timestamp,
    asked: Mark,
    took: Duration,
}

impl ServerClock {
    /// What `Date` showed in an answer that took so long.
    #[must_use]
    pub fn new(date: Timestamp, asked: Mark, took: Duration) -> Self {
        Self { date, asked, took }
    }

    /// How long ago the clock was read, at least.
    #[must_use]
    pub fn age(&self, clock: &Clock) -> Duration {
        clock.at_least_since(self.asked).saturating_sub(self.took)
    }

    /// How long the answer took: nobody can tell when in that time the server looked at its clock.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.took
    }

    fn answered(&self) -> Instant {
        self.asked.plus(self.took)
    }

    /// The same instant, as the other server's clock shows it, if both answered at once.
    #[must_use]
    pub fn translate(&self, at: Timestamp, to: &Self) -> Timestamp {
        let behind = at.duration_since(self.date);
        let between = ahead_of(self.answered(), to.answered());
        to.date.saturating_add(behind.saturating_add(between)).unwrap_or(at)
    }

    /// The same instant at the latest: the other server looked at its clock when it was asked, not when it answered.
    #[must_use]
    pub fn translate_latest(&self, at: Timestamp, to: &Self) -> Timestamp {
        later(self.translate(at, to), to.took)
    }
}

fn ahead_of(one: Instant, other: Instant) -> SignedDuration {
    let (forth, back) = (one.saturating_duration_since(other), other.saturating_duration_since(one));
    signed(forth).saturating_sub(signed(back))
}

/// A duration with a sign, saturating.
#[must_use]
pub fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

/// `at + by`, saturating.
#[must_use]
pub fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_add(signed(by)).unwrap_or(Timestamp::MAX)
}

/// `at - by`, saturating.
#[must_use]
pub fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_sub(signed(by)).unwrap_or(Timestamp::MIN)
}

/// Time from `from` to `to`, zero when `to` is earlier.
#[must_use]
pub fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// A duration in the unit that a person would use.
#[must_use]
pub fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_servers_time_is_translated_through_both_dates() {
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        let at_once = |date: &str| ServerClock::new(date.parse().unwrap_or_default(), clock.now(), Duration::ZERO);
        let github = at_once("2026-11-01T12:05:00Z");
        tokio::time::sleep(Duration::from_secs(10)).await;
        let issuer = at_once("2026-11-01T12:00:10Z");
        let written: Timestamp = "2026-11-01T12:04:00Z".parse().unwrap_or_default();
        assert_eq!(github.translate(written, &issuer).to_string(), "2026-11-01T11:59:00Z");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_took_long_leaves_it_open_when_the_server_looked_at_its_clock() {
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        let long = Duration::from_secs(300);
        let asked = clock.now();
        tokio::time::sleep(long).await;
        let date: Timestamp = "2026-11-01T12:00:00Z".parse().unwrap_or_default();
        let issuer = ServerClock::new(date, asked, long);
        let github = ServerClock::new(later(date, long), clock.now(), Duration::ZERO);
        assert_eq!(github.translate(date, &issuer), earlier(date, long));
        assert_eq!(github.translate_latest(date, &issuer), date, "the list was made when it was asked for");
    }
}
