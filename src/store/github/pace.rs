//! How fast GitHub may be asked: points a minute, requests at once, and the waits that it asks for.
//!
//! The numbers are those of GitHub's page "Rate limits for the REST API". An Enterprise Server has no limits unless its
//! administrator sets some, and then it says so in its headers.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use jiff::Timestamp;
use tokio::sync::{Mutex, Notify};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};
use url::Url;

use super::answer::Answer;
use crate::http::{Call, Failure};

/// Points that all requests of a minute may cost together.
const POINTS_A_MINUTE: u32 = 900;

/// After this time a point may be spent again: a minute, and a second for requests that are not all on their way equally
/// long.
const A_POINTS_REST: Duration = Duration::from_secs(61);

/// Requests that may be under way at once.
const AT_ONCE: usize = 100;

/// What a request costs.
const fn points(call: Call) -> u32 {
    match call {
        Call::Read => 1,
        Call::Write => 5,
    }
}

/// How long a fleet of so many targets takes at GitHub's limits, when each is read twice, written and read once more.
/// Zero where all of it fits in one minute's points.
#[must_use]
pub fn time_for(targets: usize) -> Duration {
    let points =
        u32::try_from(targets).unwrap_or(u32::MAX).saturating_mul(3 * points(Call::Read) + points(Call::Write));
    A_POINTS_REST * (points.saturating_sub(1) / POINTS_A_MINUTE)
}

/// Tokio's clock, which a paused runtime drives.
#[derive(Clone, Debug)]
struct TokioClock(Instant);

impl Clock for TokioClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// After an answer that was a limit nobody asks until then.
#[derive(Clone, Copy, Debug)]
struct Closed {
    until: Instant,
    /// How many times in a row.
    times: u32,
}

/// A request under way, until it is dropped.
pub(super) struct UnderWay<'a>(&'a Pace);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.set(self.0.under_way.get().saturating_sub(1));
        self.0.ended.notify_one();
    }
}

/// One for all requests of a run to one server, whoever signs them.
pub struct Pace {
    /// A longer wait is refused.
    patience: Duration,
    limited: Cell<bool>,
    /// Each point is a bucket of its own that holds it once. Taken in turn, no minute sees any of them twice, and the first
    /// minute's are all there at once.
    points: RateLimiter<u32, HashMapStateStore<u32>, TokioClock, NoOpMiddleware<Duration>>,
    next_point: Cell<u32>,
    /// Requests are let in in the order in which they came, so that a write is not overtaken for ever by cheaper reads.
    turn: Mutex<()>,
    under_way: Cell<usize>,
    ended: Notify,
    closed: Cell<Option<Closed>>,
    left: Cell<Option<Left>>,
}

/// What an answer showed of the requests of this hour.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    /// So many may still be sent.
    pub(super) requests: u64,
    /// When the next hour begins.
    pub(super) until: Timestamp,
    /// How far away that was.
    begins_in: Duration,
}

impl Pace {
    /// For a server that has answered nothing yet. Where it asks for a longer wait than `patience`, nobody waits.
    #[must_use]
    pub fn new(api_url: &Url, patience: Duration) -> Self {
        let host = api_url.host_str().unwrap_or_default();
        let is_githubs = host == "api.github.com" || host.ends_with(".ghe.com");
        let quota = Quota::with_period(A_POINTS_REST).unwrap_or_else(|| Quota::per_minute(NonZeroU32::MIN));
        Self {
            patience,
            limited: Cell::new(is_githubs),
            points: RateLimiter::hashmap_with_clock(quota, TokioClock(Instant::now())),
            next_point: Cell::new(0),
            turn: Mutex::new(()),
            under_way: Cell::new(0),
            ended: Notify::new(),
            closed: Cell::new(None),
            left: Cell::new(None),
        }
    }

    /// Whether the server limits who asks too fast: those of GitHub do, others once they have said so.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.limited.get()
    }

    /// What the last answer showed of the requests of this hour, where the next one's can't be waited for.
    pub(super) fn left(&self) -> Option<Left> {
        self.left.get().filter(|left| left.begins_in > self.patience)
    }

    /// Waits until such a request may be sent: now, before anything else is waited for.
    ///
    /// # Errors
    /// Where the server asked for a longer wait than is worth it.
    pub(super) async fn admit(&self, call: Call) -> Result<(), Failure> {
        let _turn = self.turn.lock().await;
        if call == Call::Write {
            // The write before this one goes on its way first. Otherwise those that are answered at the same moment stay
            // together for ever, and each time all of them are sealed before the first is sent.
            yield_now().await;
        }
        let mut points = points(call);
        loop {
            self.opened().await?;
            if self.is_limited() && self.under_way.get() >= AT_ONCE {
                self.ended.notified().await;
            } else if points == 0 {
                return Ok(());
            } else if let Some(wait) = self.take_point() {
                sleep(wait).await;
            } else {
                points -= 1;
            }
        }
    }

    /// A request begins.
    pub(super) fn begin(&self) -> UnderWay<'_> {
        self.under_way.set(self.under_way.get() + 1);
        UnderWay(self)
    }

    /// Takes one point, or says how long it is not to be had. Where there are no limits, as long as there are any.
    fn take_point(&self) -> Option<Duration> {
        let point = self.next_point.get();
        match self.points.check_key(&point) {
            Ok(()) => self.next_point.set((point + 1) % POINTS_A_MINUTE),
            Err(not_yet) if self.is_limited() => {
                // Tokio's timers have whole milliseconds.
                return Some(not_yet.wait_time_from(self.points.clock().now()).max(Duration::from_millis(1)));
            }
            Err(_) => {}
        }
        None
    }

    async fn opened(&self) -> Result<(), Failure> {
        while let Some(closed) = self.closed.get() {
            let left = closed.until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            if left > self.patience {
                let message = format!("GitHub's rate limit is used up for another {} s", left.as_secs());
                return Err(Failure::Transient { message, retry_after: Some(left) });
            }
            sleep(left).await;
        }
        Ok(())
    }

    /// Takes from an answer whether there are limits, and whether this is one: then everyone waits, not this request alone.
    pub(super) fn learn(&self, answer: &Answer) {
        if answer.header("x-ratelimit-limit").is_some() {
            self.limited.set(true);
        }
        if let Some(left) = left(answer) {
            self.left.set(Some(left));
        }
        match answer.limit() {
            Some(limit) => self.close(limit.wait, limit.stated),
            None if answer.status.is_success() && !self.is_closed() => self.closed.set(None),
            None => {}
        }
    }

    fn is_closed(&self) -> bool {
        self.closed.get().is_some_and(|closed| closed.until > Instant::now())
    }

    /// "Otherwise, wait for at least one minute … If your request continues to fail, wait for an exponentially increasing
    /// amount of time." Requests that were under way already when the first was limited are no further failure.
    fn close(&self, wait: Duration, stated: bool) {
        let before = self.closed.get();
        let times = before.map_or(0, |closed| closed.times) + u32::from(!self.is_closed());
        let grown = if stated { wait } else { wait.saturating_mul(2u32.saturating_pow(times.saturating_sub(1))) };
        let until = Instant::now() + grown;
        let until = before.map_or(until, |closed| closed.until.max(until));
        self.closed.set(Some(Closed { until, times }));
    }
}

fn left(answer: &Answer) -> Option<Left> {
    let number = |name| answer.header(name)?.parse().ok();
    let until = Timestamp::from_second(i64::try_from(number("x-ratelimit-reset")?).ok()?).ok()?;
    let begins_in = Duration::try_from(until.duration_since(answer.date().ok()?)).unwrap_or_default();
    Some(Left { requests: number("x-ratelimit-remaining")?, until, begins_in })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use ::http::{HeaderMap, StatusCode};

    use super::super::answer::SignedBy;
    use super::*;

    fn pace(url: &str) -> Pace {
        Pace::new(&Url::parse(url).unwrap(), Duration::from_secs(120))
    }

    fn answer(status: u16, headers: &[(&'static str, &str)]) -> Answer {
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let status = StatusCode::from_u16(status).unwrap();
        let asked = "GET /x".into();
        Answer { asked, call: Call::Read, signed_by: SignedBy::Token, status, headers, body: Vec::new() }
    }

    /// How long a request has to wait.
    async fn wait(pace: &Pace, call: Call) -> Duration {
        let began = Instant::now();
        pace.admit(call).await.unwrap();
        began.elapsed()
    }

    #[test]
    fn githubs_own_servers_have_limits_and_others_say_so() {
        for url in ["https://api.github.com/", "https://api.acme.ghe.com/"] {
            assert!(pace(url).is_limited(), "{url}");
        }
        for url in ["https://github.acme.example/api/v3/", "http://127.0.0.1:1/", "https://notghe.com/"] {
            let pace = pace(url);
            assert!(!pace.is_limited(), "{url}");
            pace.learn(&answer(200, &[]));
            assert!(!pace.is_limited(), "{url}");
            pace.learn(&answer(404, &[("x-ratelimit-limit", "5000")]));
            assert!(pace.is_limited(), "{url}");
        }
    }

    #[test]
    fn what_fits_in_a_minutes_points_takes_no_time() {
        assert_eq!((time_for(0), time_for(1), time_for(112)), (Duration::ZERO, Duration::ZERO, Duration::ZERO));
        assert_eq!((time_for(113), time_for(1000)), (A_POINTS_REST, A_POINTS_REST * 8));
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_costs_five_points_and_a_minutes_are_there_at_once() {
        let pace = pace("https://api.github.com/");
        for _ in 0..179 {
            assert_eq!(wait(&pace, Call::Write).await, Duration::ZERO);
        }
        for _ in 0..5 {
            assert_eq!(wait(&pace, Call::Read).await, Duration::ZERO);
        }
        assert!(wait(&pace, Call::Read).await >= Duration::from_secs(60));
        assert_eq!(wait(&pace, Call::Write).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_closes_the_door_for_all_and_a_success_forgets_it() {
        let pace = pace("https://github.acme.example/");
        let limited = answer(429, &[]);
        for (minutes, again) in [(1, false), (2, true)] {
            pace.learn(&limited);
            // The others that were under way.
            pace.learn(&limited);
            assert_eq!(wait(&pace, Call::Write).await.as_secs(), 60 * minutes, "{again}");
        }
        pace.learn(&answer(200, &[]));
        pace.learn(&limited);
        pace.learn(&answer(200, &[]));
        assert_eq!(wait(&pace, Call::Read).await.as_secs(), 60, "answers from before do not open it");
        pace.learn(&answer(403, &[("retry-after", "7")]));
        assert_eq!(wait(&pace, Call::Read).await.as_secs(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn too_long_a_wait_is_refused_to_everyone() {
        let pace = pace("https://api.github.com/");
        pace.learn(&answer(403, &[("retry-after", "3600")]));
        let failure = pace.admit(Call::Read).await.err().unwrap();
        assert_eq!(failure.retry_after(), Some(Duration::from_secs(3600)));
        sleep(Duration::from_secs(3500)).await;
        assert_eq!(wait(&pace, Call::Read).await.as_secs(), 100);
    }
}
