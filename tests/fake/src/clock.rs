//! The world's time: a base, plus the time that has passed (tokio's, real or paused, or one that is set by hand), plus the
//! jumps that tests make.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// A time that goes on when it is told to. Clones share it.
#[derive(Clone, Debug)]
pub struct Hand {
    began: Instant,
    ns: Arc<AtomicU64>,
}

impl Default for Hand {
    fn default() -> Self {
        Self { began: Instant::now(), ns: Arc::default() }
    }
}

impl Hand {
    /// When it began.
    #[must_use]
    pub fn began(&self) -> Instant {
        self.began
    }

    /// What it shows.
    #[must_use]
    pub fn instant(&self) -> Instant {
        self.began + Duration::from_nanos(self.ns.load(Ordering::Relaxed))
    }

    /// Moves it on to this instant; never back.
    pub fn move_to(&self, at: Instant) {
        let ns = u64::try_from((at - self.began).as_nanos()).expect("less than 584 years");
        self.ns.fetch_max(ns, Ordering::Relaxed);
    }
}

/// A clock. Clones share its jumps; each has its own skew.
#[derive(Clone, Debug)]
pub struct Clock {
    base: Timestamp,
    started: Instant,
    /// What it goes by, in place of tokio's time.
    hand: Option<Hand>,
    jumped_ms: Arc<AtomicI64>,
    /// Nanoseconds from `started` to the time at which this clock stands, and one more; 0: it goes.
    stopped_ns: Arc<AtomicU64>,
    /// How many seconds this clock is ahead of the world's (behind, when negative).
    pub skew: i64,
}

impl Clock {
    /// A clock that shows `base` now.
    #[must_use]
    pub fn at(base: Timestamp) -> Self {
        Self::starting(base, Instant::now(), None)
    }

    /// A clock that shows `base` now and goes by this time.
    #[must_use]
    pub fn by(hand: Hand, base: Timestamp) -> Self {
        Self::starting(base, hand.instant(), Some(hand))
    }

    fn starting(base: Timestamp, started: Instant, hand: Option<Hand>) -> Self {
        Self { base, started, hand, jumped_ms: Arc::default(), stopped_ns: Arc::default(), skew: 0 }
    }

    /// The time on this clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.true_now() + SignedDuration::from_secs(self.skew)
    }

    /// The time on this clock, as servers mostly show it: whole seconds.
    #[must_use]
    pub fn now_in_seconds(&self) -> Timestamp {
        whole_seconds(self.now())
    }

    /// The world's time, whatever this clock's skew.
    #[must_use]
    pub fn true_now(&self) -> Timestamp {
        let jumped = SignedDuration::from_millis(self.jumped_ms.load(Ordering::Relaxed));
        self.base + signed(self.instant() - self.started) + jumped
    }

    /// The world's time, without its jumps.
    #[must_use]
    pub fn instant(&self) -> Instant {
        match self.stopped_ns.load(Ordering::Relaxed) {
            0 => self.hand.as_ref().map_or_else(Instant::now, Hand::instant),
            ns => self.started + Duration::from_nanos(ns - 1),
        }
    }

    pub(crate) fn stands(&self) -> bool {
        self.stopped_ns.load(Ordering::Relaxed) != 0
    }

    /// Lets all clones stand at this time, or go again.
    pub(crate) fn stop(&self, at: Option<Instant>) {
        let ns = at.map_or(0, |at| u64::try_from((at - self.started).as_nanos()).map_or(0, |ns| ns + 1));
        self.stopped_ns.store(ns, Ordering::Relaxed);
    }

    /// Jumps ahead, for all clones.
    pub fn advance(&self, by: Duration) {
        let ms = i64::try_from(by.as_millis()).expect("a jump of less than 292 million years");
        self.jumped_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// The time on this clock in the form of an HTTP `Date` header.
    #[must_use]
    pub fn http_date(&self) -> String {
        self.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }
}

/// `time` without its fraction of a second.
#[must_use]
pub fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).expect("a timestamp's own seconds are in range")
}

/// A duration that can be added to a timestamp.
#[must_use]
pub fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).expect("a duration that fits in 64 bits of seconds")
}
