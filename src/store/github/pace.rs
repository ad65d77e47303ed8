//! How fast GitHub may be asked: points a minute, requests at once, and the waits that it asks for.
//!
//! The numbers are those of GitHub's page "Rate limits for the REST API". An Enterprise Server has no limits unless its
//! administrator sets some, and then it says so in its headers.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::rc::Rc;
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

use super::response::Answer;
use crate::http::{Call, Failure};

/// Points that all requests of a minute may cost together.
const POINTS_A_MINUTE: u32 = 900;

/// After this time a point may be spent again: a minute, and a second for requests that are not all on their way equally
/// long.
const A_POINTS_REST: Duration = Duration::from_secs(61);

/// Requests that may be under way at once: fewer than the hundred that GitHub names.
const AT_ONCE: usize = 99;

/// GitHub's longest limit is an hour's; whoever asks for more than this may ask for more than a clock can show.
const LONGEST_CLOSED: Duration = Duration::from_secs(24 * 60 * 60);

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

/// Room for one request, until it is dropped. Whoever has it must not wait for more room, nor for anyone who does.
pub(super) struct Slot(Rc<RateLimits>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.under_way.set(self.0.under_way.get().saturating_sub(1));
        self.0.ended.notify_one();
    }
}

/// Whether a server limits who asks too fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limits {
    /// It has not answered yet.
    Unknown,
    None,
    Githubs,
}

/// One for all requests of a run to one server, whoever signs them.
pub struct RateLimits {
    /// A longer wait is refused.
    patience: Duration,
    limits: Cell<Limits>,
    /// Each point is a bucket of its own that holds it once. Taken in turn, no minute sees any of them twice, and the first
    /// minute's are all there at once.
    points: RateLimiter<u32, HashMapStateStore<u32>, TokioClock, NoOpMiddleware<Duration>>,
    next_point: Cell<u32>,
    /// Requests are let in in the order in which they came, so that a write is not overtaken for ever by cheaper reads.
    turn: Mutex<()>,
    /// Whatever the server says: several rotations ask it.
    shared: bool,
    /// Requests that have room.
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

impl RateLimits {
    /// For a server that has answered nothing yet. Where it asks for a longer wait than `patience`, nobody waits.
    #[must_use]
    pub fn new(api_url: &Url, patience: Duration) -> Self {
        let host = api_url.host_str().unwrap_or_default();
        let is_githubs = host == "api.github.com" || host.ends_with(".ghe.com");
        let quota = Quota::with_period(A_POINTS_REST).unwrap_or_else(|| Quota::per_minute(NonZeroU32::MIN));
        Self {
            patience,
            limits: Cell::new(if is_githubs { Limits::Githubs } else { Limits::Unknown }),
            points: RateLimiter::hashmap_with_clock(quota, TokioClock(Instant::now())),
            next_point: Cell::new(0),
            turn: Mutex::new(()),
            shared: false,
            under_way: Cell::new(0),
            ended: Notify::new(),
            closed: Cell::new(None),
            left: Cell::new(None),
        }
    }

    /// The same for a run of so many rotations. Of one alone, its `parallel` says how much it asks of a server without
    /// limits; what several ask together nobody has said, and it is held to GitHub's own limit.
    #[must_use]
    pub fn of_rotations(mut self, rotations: usize) -> Self {
        self.shared = rotations > 1;
        self
    }

    /// Whether the server limits who asks too fast: those of GitHub do, others once they have said so.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.limits.get() == Limits::Githubs
    }

    /// What the last answer showed of the requests of this hour, where the next one's can't be waited for.
    pub(super) fn left(&self) -> Option<Left> {
        self.left.get().filter(|left| left.begins_in > self.patience)
    }

    /// Waits until so many such requests may be sent: now, before anything else is waited for.
    ///
    /// # Errors
    /// Where the server asked for a longer wait than is worth it.
    pub(super) async fn admit<const N: usize>(self: &Rc<Self>, call: Call) -> Result<[Slot; N], Failure> {
        let _turn = self.turn.lock().await;
        if call == Call::Write {
            // The write before this one goes on its way first. Otherwise those that are answered at the same moment stay
            // together for ever, and each time all of them are sealed before the first is sent.
            yield_now().await;
        }
        let rooms = self.make_room().await;
        for _ in 0..N {
            self.spend(call).await?;
        }
        Ok(rooms)
    }

    /// Room for one request that is sent although there may be no points for it.
    pub(super) async fn room(self: &Rc<Self>) -> Slot {
        let _turn = self.turn.lock().await;
        let [room] = self.make_room().await;
        room
    }

    /// All of it or none: whoever held a part could keep others from theirs for ever.
    async fn make_room<const N: usize>(self: &Rc<Self>) -> [Slot; N] {
        while (self.limits.get() != Limits::None || self.shared) && self.under_way.get() + N > AT_ONCE {
            self.ended.notified().await;
        }
        self.under_way.set(self.under_way.get() + N);
        std::array::from_fn(|_| Slot(Rc::clone(self)))
    }

    /// Waits for the points of a request that has room.
    ///
    /// # Errors
    /// As [`admit`](Self::admit).
    pub(super) async fn spend(&self, call: Call) -> Result<(), Failure> {
        let mut points = points(call);
        loop {
            self.opened().await?;
            if points == 0 {
                return Ok(());
            } else if let Some(wait) = self.take_point() {
                sleep(wait).await;
            } else {
                points -= 1;
            }
        }
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
            self.limits.set(Limits::Githubs);
        } else if self.limits.get() == Limits::Unknown {
            self.limits.set(Limits::None);
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

    /// How much longer GitHub asked everyone to wait.
    #[must_use]
    pub fn held(&self) -> Option<Duration> {
        let left = self.closed.get()?.until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
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
        let until = Instant::now() + grown.min(LONGEST_CLOSED);
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
    use futures_util::future::join_all;
    use tokio::time::timeout;

    use super::super::response::SignedBy;
    use super::*;

    fn pace(url: &str) -> Rc<RateLimits> {
        Rc::new(RateLimits::new(&Url::parse(url).unwrap(), Duration::from_secs(120)))
    }

    fn answer(status: u16, headers: &[(&'static str, &str)]) -> Answer {
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let status = StatusCode::from_u16(status).unwrap();
        let (asked, call, body) = ("GET /x".into(), Call::Read, Vec::new().into());
        Answer { asked, call, status, headers, body, of: SignedBy::Token }
    }

    /// How long a request has to wait.
    async fn wait(pace: &Rc<RateLimits>, call: Call) -> Duration {
        let began = Instant::now();
        let [_room] = pace.admit(call).await.unwrap();
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
    async fn fewer_than_a_hundred_have_room_where_there_are_limits_or_several_ask() {
        let several =
            Rc::new(RateLimits::new(&Url::parse("http://127.0.0.1:1/").unwrap(), Duration::ZERO).of_rotations(2));
        for pace in [pace("https://api.github.com/"), several] {
            let mut looks = Vec::new();
            for _ in 0..49 {
                looks.push(pace.admit::<2>(Call::Read).await.unwrap());
            }
            let two = async { pace.admit::<2>(Call::Read).await.unwrap() };
            tokio::pin!(two);
            assert!(timeout(Duration::from_secs(1), &mut two).await.is_err());
            looks.pop();
            let _two = timeout(Duration::from_secs(1), two).await.unwrap();
            let _one = pace.admit::<1>(Call::Read).await.unwrap();
            assert!(timeout(Duration::from_secs(1), pace.room()).await.is_err());
        }
        let alone = pace("http://127.0.0.1:1/");
        let first: Vec<_> = join_all((0..99).map(|_| alone.admit::<1>(Call::Read))).await;
        assert!(timeout(Duration::from_secs(1), alone.room()).await.is_err(), "nobody knows yet");
        alone.learn(&answer(200, &[]));
        drop(first);
        let mut rooms = Vec::new();
        for _ in 0..200 {
            rooms.push(alone.admit::<1>(Call::Read).await.unwrap());
        }
        alone.learn(&answer(200, &[("x-ratelimit-limit", "5000")]));
        rooms.truncate(99);
        assert!(timeout(Duration::from_secs(1), alone.room()).await.is_err(), "it has limits after all");
        rooms.pop();
        timeout(Duration::from_secs(1), alone.room()).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn too_long_a_wait_is_refused_to_everyone() {
        let pace = pace("https://api.github.com/");
        pace.learn(&answer(403, &[("retry-after", "3600")]));
        let failure = pace.admit::<1>(Call::Read).await.err().unwrap();
        assert_eq!(failure.retry_after(), Some(Duration::from_secs(3600)));
        sleep(Duration::from_secs(3500)).await;
        assert_eq!(wait(&pace, Call::Read).await.as_secs(), 100);
    }
}
