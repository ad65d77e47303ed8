//! What a store is given of the run, whatever its kind.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;

use crate::http::{Client, Trace};
use crate::secret::{Redactor, Secret};

/// What a run hands to the stores that it opens. Copies are cheap and mean the same.
#[derive(Clone)]
pub struct StoreContext {
    /// For HTTP; `request-timeout` bounds its requests.
    pub client: Client,
    /// For one request, whatever it is sent with.
    pub request_timeout: Duration,
    /// The process's variables, in which other tools find their credentials.
    pub variables: Rc<BTreeMap<String, String>>,
    /// The machine's clock.
    pub now: Rc<dyn Fn() -> Timestamp>,
    /// Masks a secret that came to light during the run; to be called before anything is done with it.
    pub hide: Rc<dyn Fn(&Secret)>,
    /// Takes secrets out of what a server says.
    pub redactor: Redactor,
    /// Hears of every request.
    pub trace: Trace,
}

impl StoreContext {
    /// A variable's value without surrounding white space; set but empty counts as not set.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }
}
