//! Being told to stop, and how long the run may still take then.
//!
//! A cancelled GitHub job kills the container 10 s after SIGINT; 7.5 s after it comes SIGTERM.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::rotation::clock::Clock;

/// Calls under way when the signal came may still be answered for this long: an answer is worth more than a guess.
const IN_FLIGHT: Duration = Duration::from_millis(2_500);

/// Everything, the undo included, is over by then. The contract's 7 s less the time to write the report.
const DEADLINE: Duration = Duration::from_millis(6_000);

/// What comes behind the rotation, the revoking of tokens, is over by then, so that the report is written within 7 s.
const CLOSING: Duration = Duration::from_millis(6_500);

/// Says once that the run is to stop.
#[derive(Clone, Debug)]
pub struct Trigger(watch::Sender<Option<Instant>>);

/// What the run looks at.
#[derive(Clone, Debug)]
pub struct Interrupt(watch::Receiver<Option<Instant>>);

/// A trigger and what it triggers.
#[must_use]
pub fn channel() -> (Trigger, Interrupt) {
    let (sender, receiver) = watch::channel(None);
    (Trigger(sender), Interrupt(receiver))
}

impl Trigger {
    /// Told to stop at this instant; the first time counts.
    pub fn pull(&self, at: Instant) {
        self.0.send_if_modified(|since| {
            let first = since.is_none();
            if first {
                *since = Some(at);
            }
            first
        });
    }
}

impl Interrupt {
    /// Whether the run was told to stop.
    #[must_use]
    pub fn requested(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Resolves when the run is told to stop.
    pub async fn wait(&self) {
        self.since().await;
    }

    /// Resolves when calls under way are no longer waited for.
    pub async fn in_flight_over(&self, clock: &Clock) {
        let since = self.since().await;
        clock.sleep_until(since + IN_FLIGHT).await;
    }

    /// Resolves when the run has to be over.
    pub async fn deadline(&self, clock: &Clock) {
        let since = self.since().await;
        clock.sleep_until(since + DEADLINE).await;
    }

    /// Resolves when nothing but the report may still be made.
    pub async fn closing(&self, clock: &Clock) {
        let since = self.since().await;
        clock.sleep_until(since + CLOSING).await;
    }

    async fn since(&self) -> Instant {
        let mut receiver = self.0.clone();
        let seen = receiver.wait_for(Option::is_some).await.map(|since| *since);
        match seen {
            Ok(Some(since)) => since,
            // The trigger is gone: nobody can stop this run any more.
            _ => std::future::pending().await,
        }
    }
}
