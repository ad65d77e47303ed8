//! The judge of the promise "a place that held a live key holds a live key at every moment".
//!
//! It is asked to look whenever the state has changed. A key that does not work yet is not live.

use std::collections::{BTreeMap, BTreeSet};
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
    /// The id of the live key that it held.
    pub key: String,
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

/// A secret's place and name; a place that is one secret by itself has no name.
pub type Slot = (Place, String);

/// What the places hold that are none of GitHub's.
pub type Holdings = BTreeMap<Slot, String>;

/// The judge.
#[derive(Clone, Debug, Default)]
pub struct Outages {
    /// Every outage so far.
    pub seen: Vec<Outage>,
    /// The secrets that hold a live key, with the key's id.
    live: BTreeMap<Slot, String>,
    /// The places that are none of GitHub's and held anything at the last look.
    elsewhere: BTreeSet<Slot>,
    /// The values that were held at the last look, with the id of the live key that each was.
    values: BTreeMap<String, Option<String>>,
}

impl Outages {
    /// Looks at the state, and notes each secret that held a live key and does not any more. As long as no value has come
    /// to life or died, only what was written since is looked at: a fleet is judged at each of its requests.
    pub fn look(&mut self, issuer: &Issuer, github: &mut GitHub, elsewhere: &Holdings, cause: &str) {
        let mut touched = github.take_touched();
        touched.extend(elsewhere.keys().cloned());
        touched.extend(std::mem::replace(&mut self.elsewhere, elsewhere.keys().cloned().collect()));
        let now = issuer.clock.now();
        if self.values.iter().any(|(value, id)| live_key(issuer, value, now) != id.as_deref()) {
            let slots: BTreeSet<Slot> = slots_of(github).chain(self.live.keys().cloned()).chain(touched).collect();
            self.values.clear();
            self.look_at(slots, issuer, (github, elsewhere), cause);
        } else {
            self.look_at(touched, issuer, (github, elsewhere), cause);
        }
    }

    fn look_at(
        &mut self,
        slots: impl IntoIterator<Item = Slot>,
        issuer: &Issuer,
        held: (&GitHub, &Holdings),
        cause: &str,
    ) {
        for slot in slots {
            let (place, name) = &slot;
            let value = value_at(&slot, held);
            match value.and_then(|value| self.live_key(issuer, value)) {
                Some(id) => {
                    let open = |it: &&mut Outage| it.until.is_none() && it.place == *place && it.secret == *name;
                    let now = issuer.clock.true_now();
                    self.seen.iter_mut().filter(open).for_each(|outage| outage.until = Some(now));
                    self.live.insert(slot, id);
                }
                None => {
                    if let Some(held) = self.live.remove(&slot) {
                        let what = describe(issuer, value, &held);
                        let ((place, secret), cause, when) = (slot, cause.to_owned(), issuer.clock.true_now());
                        self.seen.push(Outage { place, secret, key: held, when, until: None, cause, what });
                    }
                }
            }
        }
    }

    /// Takes the state as it is: what was done by hand is no outage.
    pub fn accept(&mut self, issuer: &Issuer, github: &mut GitHub, elsewhere: &Holdings) {
        github.take_touched();
        self.live.clear();
        self.values.clear();
        self.elsewhere = elsewhere.keys().cloned().collect();
        for slot in slots_of(github).chain(elsewhere.keys().cloned()).collect::<Vec<_>>() {
            if let Some(id) = value_at(&slot, (github, elsewhere)).and_then(|value| self.live_key(issuer, value)) {
                self.live.insert(slot, id);
            }
        }
    }

    fn live_key(&mut self, issuer: &Issuer, value: &str) -> Option<String> {
        if let Some(known) = self.values.get(value) {
            return known.clone();
        }
        let id = live_key(issuer, value, issuer.clock.now()).map(str::to_owned);
        self.values.insert(value.to_owned(), id.clone());
        id
    }
}

/// The id of the live key that a value is at this time on the issuer's clock, white space around it aside: whoever reads it
/// from a file takes that off.
fn live_key<'a>(issuer: &'a Issuer, value: &str, now: Timestamp) -> Option<&'a str> {
    let key = issuer.authorize_at(value.trim(), now).filter(|key| key.kind == Kind::Regular)?;
    Some(&key.id)
}

fn value_at<'a>(slot: &Slot, (github, elsewhere): (&'a GitHub, &'a Holdings)) -> Option<&'a str> {
    let at_github = || github.secret(&slot.0, &slot.1).map(|secret| secret.value.as_str());
    elsewhere.get(slot).map(String::as_str).or_else(at_github)
}

fn slots_of(github: &GitHub) -> impl Iterator<Item = Slot> {
    github.holdings().map(|(place, name, _)| (place.clone(), name.to_owned()))
}

fn describe(issuer: &Issuer, value: Option<&str>, held: &str) -> String {
    let Some(value) = value.map(str::trim) else { return "holds nothing any more".into() };
    let Some(key) = issuer.key_of_value(value) else { return "holds a value that no key has".into() };
    let why = issuer.check(Some(value)).map_or_else(|refused| refused.to_string(), |_| "not a regular key".into());
    let same = if key.id == held { "still holds" } else { "came to hold" };
    format!("{same} {}, which is dead: {why}", key.name)
}
