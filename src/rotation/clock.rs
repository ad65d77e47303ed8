//! The run's own clock, by which it also waits, and the clocks of servers seen through it.

use std::fmt;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Two servers' clocks, compared through their `Date` headers, may be this far apart without anyone noticing (A3).
pub const CLOCK_MARGIN: Duration = Duration::from_secs(5 * 60);

/// `Date` headers show whole seconds (RFC 9110, 5.6.7).
pub const DATE_RESOLUTION: Duration = Duration::from_secs(1);

/// A write later than the newest commit by more than this was someone else's. Wider, and a person who put the old value
/// back right after a rotation would have it retired under them.
pub const SAME_WRITE_MARGIN: Duration = Duration::from_secs(3);

/// An instant of the run, by both of the machine's clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    monotonic: Instant,
    wall: Timestamp,
}

/// What a run takes its time from, and waits by. The simulation brings its own.
pub trait Time {
    /// Time that never goes back, and may stand still while the machine is suspended.
    fn instant(&self) -> Instant;

    /// The time of day.
    fn wall(&self) -> Timestamp;

    /// Resolves at this instant, or at once where it is over.
    fn sleep_until(&self, at: Instant) -> LocalBoxFuture<'static, ()>;
}

/// The machine's.
struct Machine;

impl Time for Machine {
    fn instant(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep_until(&self, at: Instant) -> LocalBoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep_until(at))
    }
}

/// A time of day that follows tokio's time, so that a paused runtime drives it.
struct Tokio {
    began: Instant,
    epoch: Timestamp,
}

impl Time for Tokio {
    fn instant(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> Timestamp {
        later(self.epoch, self.began.elapsed())
    }

    fn sleep_until(&self, at: Instant) -> LocalBoxFuture<'static, ()> {
        Machine.sleep_until(at)
    }
}

/// The run's clock.
pub struct Clock {
    began: Instant,
    time: Box<dyn Time>,
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({:?})", self.elapsed())
    }
}

impl Clock {
    /// The machine's clocks.
    #[must_use]
    pub fn system() -> Self {
        Self::by(Box::new(Machine))
    }

    /// A clock that shows `epoch` now and follows tokio's time, so that a paused runtime drives it.
    #[must_use]
    pub fn starting_at(epoch: Timestamp) -> Self {
        Self::by(Box::new(Tokio { began: Instant::now(), epoch }))
    }

    /// A clock that goes by this time.
    #[must_use]
    pub fn by(time: Box<dyn Time>) -> Self {
        Self { began: time.instant(), time }
    }

    /// This instant.
    #[must_use]
    pub fn now(&self) -> Mark {
        Mark { monotonic: self.instant(), wall: self.wall_time() }
    }

    /// This instant, by the monotonic clock alone.
    #[must_use]
    pub fn instant(&self) -> Instant {
        self.time.instant()
    }

    /// The time of day, for servers that compare it with their own.
    #[must_use]
    pub fn wall_time(&self) -> Timestamp {
        self.time.wall()
    }

    /// Time since the run began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.instant().saturating_duration_since(self.began)
    }

    /// Resolves after so long; never, where that lies beyond every clock.
    pub fn sleep(&self, time: Duration) -> LocalBoxFuture<'static, ()> {
        match self.instant().checked_add(time) {
            Some(at) => self.sleep_until(at),
            None => Box::pin(std::future::pending()),
        }
    }

    /// Resolves at this instant, or at once where it is over.
    pub fn sleep_until(&self, at: Instant) -> LocalBoxFuture<'static, ()> {
        self.time.sleep_until(at)
    }

    /// What the work comes to, if it does so in time.
    pub async fn timeout<T>(&self, time: Duration, work: impl Future<Output = T>) -> Option<T> {
        let over = self.sleep(time);
        tokio::select! {
            biased;
            done = work => Some(done),
            () = over => None,
        }
    }

    /// At least this much time has passed since the mark, whatever was done to the wall clock.
    #[must_use]
    pub fn at_least_since(&self, mark: Mark) -> Duration {
        self.instant().saturating_duration_since(mark.monotonic)
    }

    /// At most this much time has passed: a machine that was suspended stops the monotonic clock, not the wall's.
    #[must_use]
    pub fn at_most_since(&self, mark: Mark) -> Duration {
        let wall = Duration::try_from(self.wall_time().duration_since(mark.wall)).unwrap_or_default();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_not_done_in_time_comes_to_nothing() {
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        let second = Duration::from_secs(1);
        let slow = async |takes: u32| {
            clock.sleep(second * takes).await;
            takes
        };
        assert_eq!(clock.timeout(second * 3, slow(2)).await, Some(2));
        assert_eq!(clock.timeout(second * 3, slow(4)).await, None);
        assert_eq!(clock.elapsed(), second * 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_beyond_every_clock_is_a_wait() {
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        assert_eq!(clock.timeout(Duration::from_secs(60), clock.sleep(Duration::MAX)).await, None);
        assert_eq!(clock.elapsed(), Duration::from_secs(60));
    }

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
