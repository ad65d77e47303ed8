//! Virtual time: tokio's paused one, for tests that play a scene of their own, and a timeline, for the many schedules of a
//! search: it does without a runtime, its timers and its looks at the machine's clock.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use jiff::Timestamp;
use keyrotor::rotation::clock::{Clock, Time, later};
use keyrotor_fake::{Hand, World};
use tokio::time::Instant;

/// Nanoseconds. Timers have whole milliseconds, as tokio's, so that a schedule is played alike on both.
const TICK: u128 = 1_000_000;

/// How time passes in a scene. Clones share it.
#[derive(Clone)]
pub enum TimeSource {
    /// As tokio's does.
    Tokio,
    /// On a timeline.
    Own(Timeline),
}

impl TimeSource {
    /// A world that goes by this time.
    #[must_use]
    pub fn world(&self) -> World {
        match self {
            Self::Tokio => World::new(),
            Self::Own(timeline) => World::by(timeline.0.hand.clone()),
        }
    }

    /// This instant.
    #[must_use]
    pub fn now(&self) -> Instant {
        match self {
            Self::Tokio => Instant::now(),
            Self::Own(timeline) => timeline.now(),
        }
    }

    /// Resolves after so long.
    pub fn sleep(&self, time: Duration) -> Sleep {
        self.sleep_until(self.now() + time)
    }

    /// Resolves at this instant.
    pub fn sleep_until(&self, at: Instant) -> Sleep {
        match self {
            Self::Tokio => Sleep::Tokio(Box::pin(tokio::time::sleep_until(at))),
            Self::Own(timeline) => Sleep::Own(timeline.sleep_until(at)),
        }
    }

    /// The clock of a run that begins now, when it is `epoch`.
    #[must_use]
    pub fn clock(&self, epoch: Timestamp) -> Clock {
        match self {
            Self::Tokio => Clock::starting_at(epoch),
            Self::Own(timeline) => {
                let timeline = timeline.clone();
                Clock::by(Box::new(Dated { began: timeline.now(), timeline, epoch }))
            }
        }
    }
}

/// A timeline, with a time of day.
struct Dated {
    timeline: Timeline,
    began: Instant,
    epoch: Timestamp,
}

impl Time for Dated {
    fn instant(&self) -> Instant {
        self.timeline.now()
    }

    fn wall(&self) -> Timestamp {
        later(self.epoch, self.instant().saturating_duration_since(self.began))
    }

    fn sleep_until(&self, at: Instant) -> LocalBoxFuture<'static, ()> {
        Box::pin(self.timeline.sleep_until(at))
    }
}

/// Who waits for a tick. The first to come is woken first.
type Place = (u64, u64);

/// Time that passes when all wait for it. Clones share it.
#[derive(Clone)]
pub struct Timeline(Rc<Inner>);

struct Inner {
    /// In ticks.
    passed: Cell<u64>,
    now: Cell<Instant>,
    /// The same, for the servers.
    hand: Hand,
    sleepers: RefCell<BTreeMap<Place, Waker>>,
    count: Cell<u64>,
}

impl Default for Timeline {
    fn default() -> Self {
        let hand = Hand::default();
        Self(Rc::new(Inner {
            passed: Cell::default(),
            now: Cell::new(hand.began()),
            hand,
            sleepers: RefCell::default(),
            count: Cell::default(),
        }))
    }
}

impl Timeline {
    /// Does the work. As often as all of it waits, time goes on to the next instant that something waits for.
    ///
    /// # Panics
    /// If it waits for something that no time brings.
    pub fn play<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        loop {
            // What woke it last is answered by this poll.
            woken.0.store(false, Ordering::Relaxed);
            if let Poll::Ready(done) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
                return done;
            }
            if !woken.0.load(Ordering::Relaxed) {
                self.go_on();
            }
        }
    }

    fn now(&self) -> Instant {
        self.0.now.get()
    }

    fn sleep_until(&self, at: Instant) -> Sleeper {
        Sleeper { timeline: self.clone(), at: self.tick(at), place: None }
    }

    /// The first tick that is not before an instant.
    fn tick(&self, at: Instant) -> u64 {
        let ticks = at.saturating_duration_since(self.0.hand.began()).as_nanos().div_ceil(TICK);
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }

    fn go_on(&self) {
        let mut sleepers = self.0.sleepers.borrow_mut();
        let Some((&(next, _), _)) = sleepers.first_key_value() else {
            panic!("all wait, and nothing for time to pass")
        };
        let now = self.0.hand.began() + Duration::from_millis(next);
        self.0.passed.set(next);
        self.0.now.set(now);
        self.0.hand.move_to(now);
        while let Some(first) = sleepers.first_entry().filter(|first| first.key().0 <= next) {
            first.remove().wake();
        }
    }
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Waits for an instant.
pub enum Sleep {
    /// Of tokio's time.
    Tokio(Pin<Box<tokio::time::Sleep>>),
    /// Of a timeline's.
    Own(Sleeper),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match self.get_mut() {
            Self::Tokio(sleep) => sleep.as_mut().poll(context),
            Self::Own(sleeper) => Pin::new(sleeper).poll(context),
        }
    }
}

/// Waits for an instant of a timeline.
pub struct Sleeper {
    timeline: Timeline,
    /// In ticks.
    at: u64,
    /// Where it waits, and who is woken there.
    place: Option<(Place, Waker)>,
}

impl Future for Sleeper {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Self { timeline, at, place } = self.get_mut();
        let Inner { passed, sleepers, count, .. } = &*timeline.0;
        if *at <= passed.get() {
            return Poll::Ready(());
        }
        let here = match place {
            Some((_, waker)) if waker.will_wake(context.waker()) => return Poll::Pending,
            Some((here, _)) => *here,
            None => {
                count.set(count.get() + 1);
                (*at, count.get())
            }
        };
        sleepers.borrow_mut().insert(here, context.waker().clone());
        *place = Some((here, context.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        if let Some((place, _)) = &self.place {
            self.timeline.0.sleepers.borrow_mut().remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::{Played, play, play_on_tokio};
    use crate::schedule::Schedule;

    const SECOND: Duration = Duration::from_secs(1);

    fn on_a_timeline<T, W: Future<Output = T>>(work: impl FnOnce(TimeSource) -> W) -> T {
        let timeline = Timeline::default();
        timeline.play(work(TimeSource::Own(timeline.clone())))
    }

    #[test]
    fn time_passes_at_once_and_in_order() {
        let took = on_a_timeline(async |flow: TimeSource| {
            let began = flow.now();
            let waited = async |seconds: u32| {
                flow.sleep(seconds * SECOND).await;
                flow.now() - began
            };
            tokio::join!(waited(3), waited(1), waited(2))
        });
        assert_eq!(took, (3 * SECOND, SECOND, 2 * SECOND));
    }

    #[test]
    fn whoever_stops_waiting_holds_nobody_up() {
        let (done, took) = on_a_timeline(async |flow: TimeSource| {
            let began = flow.now();
            let done = flow.clock(Timestamp::UNIX_EPOCH).timeout(SECOND, flow.sleep(60 * SECOND)).await;
            flow.sleep(SECOND).await;
            (done, flow.now() - began)
        });
        assert_eq!((done, took), (None, 2 * SECOND));
    }

    #[test]
    fn the_servers_go_by_the_same_time() {
        let (before, after) = on_a_timeline(async |flow: TimeSource| {
            let world = flow.world();
            let before = world.now();
            flow.sleep(90 * SECOND).await;
            (before, world.now())
        });
        assert_eq!(after, later(before, 90 * SECOND));
    }

    #[test]
    fn a_schedule_comes_to_the_same_on_both() {
        for seed in 1..=150 {
            let schedule = Schedule::random(seed, None);
            let said = |played: Played| format!("{played:?}");
            assert_eq!(said(play(&schedule)), said(play_on_tokio(&schedule)), "seed {seed}");
        }
    }
}
