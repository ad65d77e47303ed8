//! The judge of the promise "a place that held a live key holds a live key at every moment".
//!
//! It is asked to look whenever the state has changed. A key that does not work yet is not live.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

use crate::github::{GitHub, Place};
use crate::issuer::{Issuer, Kind};

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Where.
    pub place: Place,
    /// The secret's name.
    pub secret: String,
    /// When it was seen, on the world's clock.
    pub when: Timestamp,
    /// When the place held a live key again.
    pub until: Option<Timestamp>,
    /// What was happening: `request 12: DELETE /api/v1/keys/…`.
    pub cause: String,
    /// What the place came to hold.
    pub what: String,
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} at {}: {} ({})", self.place, self.secret, self.when, self.what, self.cause)
    }
}

/// A secret's place and name.
type Slot = (Place, String);

/// The judge.
#[derive(Clone, Debug, Default)]
pub struct Outages {
    /// Every outage so far.
    pub seen: Vec<Outage>,
    /// The secrets that hold a live key, with the key's id.
    live: BTreeMap<Slot, String>,
}

impl Outages {
    /// Looks at the state, and notes each secret that held a live key and does not any more.
    pub fn look(&mut self, issuer: &Issuer, github: &GitHub, cause: &str) {
        let now = issuer.clock.true_now();
        let live = live_secrets(issuer, github);
        for outage in &mut self.seen {
            if outage.until.is_none() && live.contains_key(&(outage.place.clone(), outage.secret.clone())) {
                outage.until = Some(now);
            }
        }
        for ((place, secret), held) in std::mem::take(&mut self.live) {
            if !live.contains_key(&(place.clone(), secret.clone())) {
                let what = describe(issuer, github.secret(&place, &secret).map(|secret| secret.value.as_str()), &held);
                self.seen.push(Outage { place, secret, when: now, until: None, cause: cause.to_owned(), what });
            }
        }
        self.live = live;
    }

    /// Takes the state as it is: what was done by hand is no outage.
    pub fn accept(&mut self, issuer: &Issuer, github: &GitHub) {
        self.live = live_secrets(issuer, github);
    }
}

fn live_secrets(issuer: &Issuer, github: &GitHub) -> BTreeMap<Slot, String> {
    github
        .holdings()
        .filter_map(|(place, name, value)| {
            let key = issuer.authorize(value).filter(|key| key.kind == Kind::Regular)?;
            Some(((place.clone(), name.to_owned()), key.id.clone()))
        })
        .collect()
}

fn describe(issuer: &Issuer, value: Option<&str>, held: &str) -> String {
    let Some(value) = value else { return "holds nothing any more".into() };
    let Some(key) = issuer.key_of_value(value) else { return "holds a value that no key has".into() };
    let why = issuer.check(Some(value)).map_or_else(|refused| refused.to_string(), |_| "not a regular key".into());
    let same = if key.id == held { "still holds" } else { "came to hold" };
    format!("{same} {}, which is dead: {why}", key.name)
}
