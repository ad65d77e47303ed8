//! What several targets of one look need, and is asked for once: the public key of one place under different names, the
//! names of its secrets, the unfinished runs of one repository; in one rotation or in several of one run.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::seal::PublicKey;
use crate::http::Failure;

/// A look takes about so long. Fetching the key is also what proves access, so an older one is fetched anew.
const MOMENT: Duration = Duration::from_secs(30);

/// Whoever joins a read that is under way measures how long its answer took as if it had sent it itself. Times are read from
/// answers in whole seconds, so that this is no error beside those.
const JUST_SENT: Duration = Duration::from_millis(250);

/// An answer once it is there, for whoever needs it.
type Awaited<T> = Rc<OnceCell<T>>;

/// Answers that were asked for lately, by the path below which they are.
pub(super) struct Shared<T>(RefCell<HashMap<String, (Instant, Awaited<T>)>>);

/// Public keys of places.
pub(super) type PublicKeys = Shared<PublicKey>;

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T> Shared<T> {
    /// What lies at a place, for everyone who looks now: empty where it was not fetched in this moment.
    pub(super) fn of(&self, path: &[&str]) -> Awaited<T> {
        let mut all = self.0.borrow_mut();
        let (asked, answer) = all.entry(path.join("/")).or_insert_with(|| (Instant::now(), Rc::default()));
        if asked.elapsed() >= MOMENT {
            (*asked, *answer) = (Instant::now(), Rc::default());
        }
        Rc::clone(answer)
    }

    /// What was asked for just now and has not come, and whether that is so; else a new one.
    fn under_way(&self, path: &[&str]) -> (Awaited<T>, bool) {
        let mut all = self.0.borrow_mut();
        all.retain(|_, (asked, answer)| asked.elapsed() <= JUST_SENT && !answer.initialized());
        let mut is_under_way = true;
        let (_, answer) = all.entry(path.join("/")).or_insert_with(|| {
            is_under_way = false;
            (Instant::now(), Rc::default())
        });
        (Rc::clone(answer), is_under_way)
    }
}

/// Reads that are under way, by the path that they ask. One whose answer has come is never handed on: what it says and its
/// `Date` belong to the time of asking.
pub(super) struct UnderWay<T>(Shared<Result<Rc<T>, Failure>>);

impl<T> Default for UnderWay<T> {
    fn default() -> Self {
        Self(Shared::default())
    }
}

impl<T> UnderWay<T> {
    /// Waits for the read of this path that was sent just now, or sends it. Leave to send goes to `send` alone: whoever waits
    /// for another one gives its own back at once.
    ///
    /// # Errors
    /// Those of the read, for everyone who waits for it.
    pub(super) async fn join<L, R>(
        &self,
        path: &[&str],
        leave: Option<L>,
        send: impl FnOnce(Option<L>) -> R,
    ) -> Result<Rc<T>, Failure>
    where
        R: Future<Output = Result<T, Failure>>,
    {
        let (answer, is_under_way) = self.0.under_way(path);
        let leave = leave.filter(|_| !is_under_way);
        answer.get_or_init(async || send(leave).await.map(Rc::new)).await.clone()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails here has failed")]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_key_is_shared_in_one_place_for_a_moment() {
        let keys = PublicKeys::default();
        let first = keys.of(&["repos", "acme", "app"]);
        assert!(Rc::ptr_eq(&first, &keys.of(&["repos", "acme", "app"])));
        assert!(!Rc::ptr_eq(&first, &keys.of(&["repos", "acme", "api"])));
        tokio::time::advance(MOMENT).await;
        assert!(!Rc::ptr_eq(&first, &keys.of(&["repos", "acme", "app"])));
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_under_way_is_joined_and_one_whose_answer_came_is_not() {
        let (reads, sent, given_back) = (UnderWay::default(), Cell::new(0), Rc::new(()));
        let ask = async || {
            let send = async |leave: Option<Rc<()>>| {
                sent.set(sent.get() + 1);
                drop(leave.unwrap());
                tokio::time::sleep(Duration::from_secs(1)).await;
                assert_eq!(Rc::strong_count(&given_back), 1, "whoever waits has given its own back");
                Ok(sent.get())
            };
            reads.join(&["repos"], Some(Rc::clone(&given_back)), send).await
        };
        let both = futures_util::join!(ask(), ask());
        assert_eq!((both.0, both.1), (Ok(Rc::new(1)), Ok(Rc::new(1))));
        assert_eq!(ask().await, Ok(Rc::new(2)));
        let late = async {
            tokio::time::sleep(JUST_SENT * 2).await;
            ask().await
        };
        let both = futures_util::join!(ask(), late);
        assert_eq!((both.0, both.1), (Ok(Rc::new(4)), Ok(Rc::new(4))), "each sends its own");
    }
}
