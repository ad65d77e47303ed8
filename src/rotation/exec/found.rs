//! Whose key a value is that was found where it should not be.

use std::cell::RefCell;

use futures_util::future::join_all;
use jiff::Timestamp;

use crate::rotation::clock::{CLOCK_MARGIN, earlier};
use crate::rotation::exec::death::REFUSALS;
use crate::rotation::exec::never_issued::never_issued;
use crate::rotation::model::{About, Endpoint, KeyId, KeyProbe, Listing};
use crate::rotation::plan::identity::provably;
use crate::rotation::plan::observation::live;
use crate::rotation::ports::KeyIssuer;
use crate::secret::Secret;

/// Whose key it is, and whether it works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundKey {
    /// A listed key that works.
    Alive(KeyId),
    /// A listed key that is switched off or has expired.
    Ended(KeyId),
    /// It is refused, and the list does not say whose it was. Whether a key that works was accepted at the same endpoint.
    Refused {
        /// Otherwise the endpoint may refuse every key.
        others_accepted: bool,
    },
    /// It works, and the issuer says that it is none of the listed keys.
    Strangers,
    /// It manages keys, and is none of the listed keys.
    Manages,
    /// It works, and nothing says which of these live keys it is.
    Nameless(Vec<KeyId>),
    /// The issuer did not say: why.
    Undecided(String),
}

/// A value, and when it was found at the latest.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The value.
    pub value: &'a Secret,
    /// On the finder's clock.
    pub at: Option<Timestamp>,
}

/// Finds out whose key a value is, which looks like one of the issuer's: by a masked label, else by the issuer's own
/// answer. `working` are values that should work there. Changes nothing.
pub async fn identify_found(
    issuer: &dyn KeyIssuer,
    listing: &Listing,
    Found { value, at: found_at }: Found<'_>,
    working: &[Secret],
    rng: &RefCell<fastrand::Rng>,
) -> FoundKey {
    // The only live key may have replaced the one that was found, which is accepted still.
    let may_be = |id: &KeyId| {
        let row = listing.keys.iter().find(|row| row.id == *id);
        let (made, changed) = row.map(|row| (row.created_at, row.created_at.max(row.updated_at))).unwrap_or_default();
        let settled = earlier(listing.date, CLOCK_MARGIN);
        let made_before = made.is_some_and(|made| found_at.is_none_or(|found| made < found));
        made_before && changed.is_some_and(|at| at < settled)
    };
    let live = live(&listing.keys, listing.date);
    let is_alive = |id: &KeyId| live.iter().any(|row| row.id == *id);
    let is_whose = |about: &About, alive| provably(&listing.keys, &live, value, about, alive);
    if let Some(id) = is_whose(&About::default(), false) {
        // A management key is none of those that a rotation calls live.
        let works = listing.keys.iter().any(|row| row.id == id && !row.disabled);
        return if is_alive(&id) || works { FoundKey::Alive(id) } else { FoundKey::Ended(id) };
    }
    let mut nameless = false;
    let mut last = "none of the endpoints exists where a key can be tried".to_owned();
    for at in issuer.endpoints().iter().rev() {
        match issuer.try_key(value, *at).await {
            KeyProbe::NoSuchEndpoint => {}
            KeyProbe::Undecided(why) => last = format!("{}: {why}", at.0),
            KeyProbe::Refused => {
                let again = join_all((1..REFUSALS).map(|_| issuer.try_key(value, *at))).await;
                if again.iter().any(|verdict| *verdict != KeyProbe::Refused) {
                    return FoundKey::Undecided(format!("{}: it was refused, and then it was not", at.0));
                }
                return FoundKey::Refused { others_accepted: accepts_one(issuer, working, *at).await };
            }
            KeyProbe::Accepted(about) => {
                if let Some(id) = is_whose(&about, false) {
                    return FoundKey::Alive(id);
                }
                if let Some(only) = is_whose(&about, true).filter(may_be) {
                    let bogus = never_issued(value, &mut rng.borrow_mut());
                    match issuer.try_key(&bogus, *at).await {
                        KeyProbe::Refused => return FoundKey::Alive(only),
                        // This endpoint accepts every key: try the next one.
                        _ => last = format!("{}: it accepts keys that were never issued", at.0),
                    }
                    continue;
                }
                if about.manages {
                    return FoundKey::Manages;
                }
                if about != About::default() {
                    return FoundKey::Strangers;
                }
                nameless = true;
            }
        }
    }
    match nameless {
        true => FoundKey::Nameless(live.iter().map(|row| row.id.clone()).filter(may_be).collect()),
        false => FoundKey::Undecided(last),
    }
}

async fn accepts_one(issuer: &dyn KeyIssuer, working: &[Secret], at: Endpoint) -> bool {
    let verdicts = join_all(working.iter().map(|value| issuer.try_key(value, at))).await;
    verdicts.iter().any(|verdict| matches!(verdict, KeyProbe::Accepted(_)))
}
