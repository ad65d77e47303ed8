//! What several targets of one look need, and is asked for once: the public key of one place under different names, the
//! unfinished runs of one repository; in one rotation or in several of one run.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::seal::PublicKey;

/// A look takes about so long. Fetching the key is also what proves access, so an older one is fetched anew.
const MOMENT: Duration = Duration::from_secs(30);

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
}

#[cfg(test)]
mod tests {
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
}
