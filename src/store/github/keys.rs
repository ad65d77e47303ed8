//! Public keys that several targets of one look need: those of one place under different names, in one rotation or in
//! several of one run.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::seal::PublicKey;

/// A look takes about so long. Fetching the key is also what proves access, so an older one is fetched anew.
const MOMENT: Duration = Duration::from_secs(30);

/// A key once it is there, for whoever needs it.
type Awaited = Rc<OnceCell<PublicKey>>;

/// The keys that were asked for lately, by the path below which they are.
#[derive(Default)]
pub(super) struct PublicKeys(RefCell<HashMap<String, (Instant, Awaited)>>);

impl PublicKeys {
    /// The key of a place, for everyone who looks now: empty where it was not fetched in this moment.
    pub(super) fn of(&self, path: &[&str]) -> Awaited {
        let mut all = self.0.borrow_mut();
        all.retain(|_, (asked, _)| asked.elapsed() < MOMENT);
        let (_, key) = all.entry(path.join("/")).or_insert_with(|| (Instant::now(), Rc::default()));
        Rc::clone(key)
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
