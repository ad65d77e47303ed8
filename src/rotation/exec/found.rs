//! Whose key a value is that was found where it should not be.

use std::cell::RefCell;

use futures_util::future::join_all;
use jiff::Timestamp;

use crate::rotation::clock::{CLOCK_MARGIN, earlier};
use crate::rotation::exec::death::REFUSALS;
use crate::rotation::exec::never_issued::never_issued;
use crate::rotation::model::{About, Endpoint, KeyId, KeyProbe, KeyRow, Listing};
use crate::rotation::plan::identity::provably;
use crate::rotation::plan::observation::live;
use crate::rotation::ports::KeyIssuer;
use crate::secret::Secret;
use crate::secret::prefix::AROUTER_MANAGEMENT;

/// Whose key it is, and whether it works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundKey {
    /// A listed key that works: its label or the issuer's answer names it.
    Alive(KeyId),
    /// A value that works, and most likely this key, which is the only live one.
    Perhaps(KeyId),
    /// It is refused; a listed key, if its label says so. Whether a key that works was accepted at the same endpoint.
    Refused {
        /// The listed key.
        key: Option<KeyId>,
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

/// The listed key that a masked label says a value is: nothing is sent.
#[must_use]
pub fn labelled(listing: &Listing, value: &Secret) -> Option<KeyId> {
    provably(&listing.keys, &[], value, &About::default(), false)
}

/// Finds out whose key a value is, which looks like one of the issuer's: by a masked label, else by the issuer's own
/// answer. A label may be copied from anywhere, so that the value is tried all the same. `working` are values that should
/// work there. Changes nothing.
pub async fn identify_found(
    issuer: &dyn KeyIssuer,
    listing: &Listing,
    Found { value, at: found_at }: Found<'_>,
    working: &[Secret],
    rng: &RefCell<fastrand::Rng>,
) -> FoundKey {
    let settled = earlier(listing.date, CLOCK_MARGIN);
    let is_settled = |row: &KeyRow| row.created_at.max(row.updated_at).is_some_and(|at| at < settled);
    let made_before = |row: &KeyRow| row.created_at.is_some_and(|made| found_at.is_none_or(|found| made < found));
    // The only live key may have replaced the one that was found, which is accepted still.
    let may_be = |id: &KeyId| listing.keys.iter().any(|row| row.id == *id && made_before(row) && is_settled(row));
    let live = live(&listing.keys, listing.date);
    let is_whose = |about: &About, alive| provably(&listing.keys, &live, value, about, alive);
    let (mut nameless, mut is_another, mut similar) = (false, false, Vec::new());
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
                let others_accepted = accepts_one(issuer, working, *at).await && !is_manager(value);
                return FoundKey::Refused { key: labelled(listing, value), others_accepted };
            }
            KeyProbe::Accepted(about) => {
                if let Some(id) = is_whose(&about, false) {
                    return FoundKey::Alive(id);
                }
                // With a regular key in hand that works, the only live one is that, and this is another.
                is_another = live.len() == 1 && accepts_a_regular_one(issuer, working, value, *at).await;
                if let Some(only) = is_whose(&about, true).filter(may_be).filter(|_| !is_another) {
                    let bogus = never_issued(value, &mut rng.borrow_mut());
                    match issuer.try_key(&bogus, *at).await {
                        KeyProbe::Refused => return FoundKey::Perhaps(only),
                        // This endpoint accepts every key: try the next one.
                        _ => last = format!("{}: it accepts keys that were never issued", at.0),
                    }
                    continue;
                }
                if about.manages {
                    return FoundKey::Manages;
                }
                similar = named_alike(&listing.keys, &about);
                if about != About::default() && similar.is_empty() {
                    return FoundKey::Strangers;
                }
                nameless = true;
            }
        }
    }
    match nameless {
        false => FoundKey::Undecided(last),
        true if !similar.is_empty() => FoundKey::Nameless(similar),
        // The one that was found may have been replaced by one of those that are live now.
        true if is_another || !live.iter().any(|row| may_be(&row.id)) => FoundKey::Nameless(Vec::new()),
        true => FoundKey::Nameless(live.iter().map(|row| row.id.clone()).collect()),
    }
}

/// ARouter refuses a key that manages others wherever models are listed, however alive it is.
fn is_manager(value: &Secret) -> bool {
    AROUTER_MANAGEMENT.iter().any(|prefix| value.expose().starts_with(prefix))
}

/// The rows that the issuer's answer fits, of which no one alone does.
fn named_alike(rows: &[KeyRow], about: &About) -> Vec<KeyId> {
    let told: Vec<_> = about.name.iter().chain(&about.label).collect();
    let fits = |row: &&KeyRow| told.iter().any(|text| row.name == **text || row.label.as_ref() == Some(*text));
    rows.iter().filter(fits).map(|row| row.id.clone()).collect()
}

async fn accepts_a_regular_one(issuer: &dyn KeyIssuer, working: &[Secret], value: &Secret, at: Endpoint) -> bool {
    let others = working.iter().filter(|it| *it != value);
    let verdicts = join_all(others.map(|it| issuer.try_key(it, at))).await;
    verdicts.iter().any(|verdict| matches!(verdict, KeyProbe::Accepted(about) if !about.manages))
}

async fn accepts_one(issuer: &dyn KeyIssuer, working: &[Secret], at: Endpoint) -> bool {
    let verdicts = join_all(working.iter().map(|value| issuer.try_key(value, at))).await;
    verdicts.iter().any(|verdict| matches!(verdict, KeyProbe::Accepted(_)))
}
