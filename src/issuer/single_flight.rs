//! Requests under way that several rotations of one run wait for together.
//!
//! Only a request that was sent a moment ago is shared, never an answer that has come: whoever joins gets what it would
//! have got by asking then itself, and measures how long the answer took as if it had. So the first list of rotations
//! that begin together is asked for once, and no rotation takes a list for fresh that another has waited for.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{LocalBoxFuture, Shared, WeakShared};
use tokio::time::Instant;

use super::fault::Credential;
use crate::http::{Answer, Failure};
use crate::secret::Secret;

/// Rotations that begin together ask within it. Times are read from answers in whole seconds, so it is no error beside
/// those; a request that is longer under way is not joined.
const MOMENT: Duration = Duration::from_millis(250);

type Flight = LocalBoxFuture<'static, Result<Answer<Credential>, Failure>>;

/// What is under way to one issuer or several. A clone shares it.
#[derive(Clone, Default)]
pub struct SingleFlight(Rc<RefCell<Vec<UnderWay>>>);

struct UnderWay {
    address: String,
    credential: Secret,
    sent: Instant,
    flight: WeakShared<Flight>,
}

impl UnderWay {
    fn flight(&self) -> Option<Shared<Flight>> {
        let flight = self.flight.upgrade()?;
        (self.sent.elapsed() <= MOMENT && flight.peek().is_none()).then_some(flight)
    }
}

impl std::fmt::Debug for SingleFlight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Flights")
    }
}

impl SingleFlight {
    /// Waits for the same read under way, or sends it.
    ///
    /// # Errors
    /// Those of the request, for everyone who waits for it.
    pub(super) async fn join(
        &self,
        address: String,
        credential: &Secret,
        send: impl FnOnce() -> Flight,
    ) -> Result<Answer<Credential>, Failure> {
        let under_way = self.under_way(&address, credential);
        let flight = under_way.unwrap_or_else(|| self.begin(address, credential.clone(), send().shared()));
        flight.await
    }

    fn under_way(&self, address: &str, credential: &Secret) -> Option<Shared<Flight>> {
        let same = |it: &&UnderWay| it.address == address && it.credential == *credential;
        self.0.borrow().iter().filter(same).find_map(UnderWay::flight)
    }

    fn begin(&self, address: String, credential: Secret, flight: Shared<Flight>) -> Shared<Flight> {
        let mut all = self.0.borrow_mut();
        all.retain(|it| it.flight().is_some());
        let sent = Instant::now();
        all.extend(flight.downgrade().map(|flight| UnderWay { address, credential, sent, flight }));
        flight
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::future::join_all;
    use tokio::sync::Notify;

    use super::*;

    async fn ask(
        single_flight: &SingleFlight,
        sent: &Rc<Cell<u32>>,
        arrives: &Rc<Notify>,
        as_whom: &str,
    ) -> Result<Answer<Credential>, Failure> {
        let (sent, arrives) = (Rc::clone(sent), Rc::clone(arrives));
        let flight = || {
            async move {
                sent.set(sent.get() + 1);
                arrives.notified().await;
                Err(Failure::refused("no"))
            }
            .boxed_local()
        };
        single_flight.join("https://a.dev/keys".to_owned(), &Secret::new(as_whom.to_owned()), flight).await
    }

    #[tokio::test]
    async fn what_is_under_way_is_shared_by_those_who_may_see_it_and_what_has_come_is_not() {
        let (single_flight, sent, arrives) = (SingleFlight::default(), Rc::default(), Rc::new(Notify::new()));
        let three = ["a", "a", "b"].map(|who| ask(&single_flight, &sent, &arrives, who));
        let both = futures_util::join!(join_all(three), async {
            tokio::task::yield_now().await;
            assert_eq!(sent.get(), 2);
            arrives.notify_waiters();
        });
        assert!(both.0.iter().all(Result::is_err));
        arrives.notify_one();
        assert!(ask(&single_flight, &sent, &arrives, "a").await.is_err());
        assert_eq!(sent.get(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_been_under_way_for_a_while_is_not_joined() {
        let (single_flight, sent, arrives) = (SingleFlight::default(), Rc::default(), Rc::new(Notify::new()));
        let mut asks = Vec::new();
        for _ in 0..3 {
            let mut ask = Box::pin(ask(&single_flight, &sent, &arrives, "a"));
            assert!((&mut ask).now_or_never().is_none());
            asks.push(ask);
            tokio::time::advance(MOMENT * 3 / 4).await;
        }
        assert_eq!(sent.get(), 2);
    }

    #[tokio::test]
    async fn whoever_waits_on_is_not_let_down_by_one_who_leaves() {
        let (single_flight, sent, arrives) = (SingleFlight::default(), Rc::default(), Rc::new(Notify::new()));
        let mut first = Box::pin(ask(&single_flight, &sent, &arrives, "a"));
        assert!((&mut first).now_or_never().is_none());
        let mut second = Box::pin(ask(&single_flight, &sent, &arrives, "a"));
        assert!((&mut second).now_or_never().is_none());
        drop(first);
        arrives.notify_one();
        assert!(second.await.is_err());
        assert_eq!(sent.get(), 1);
    }
}
