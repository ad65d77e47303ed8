//! Whether the value that came with a new key is that key's: nobody had it before, and the issuer calls it nobody else's.

use std::collections::BTreeSet;

use crate::rotation::model::{About, KeyId, KeyRow};
use crate::rotation::plan::identity::{contradicts, provably};
use crate::rotation::plan::observation::{Observation, SeenTarget};
use crate::rotation::policy::Policy;
use crate::secret::Secret;

/// Whether the value was in hand before the key was made: a credential of the run, or what lies in a target or beside it.
#[must_use]
pub(in crate::rotation) fn was_in_hand(value: &Secret, seen: &Observation, policy: &Policy) -> bool {
    let mut known = policy.credentials.iter().chain(&policy.current_key).chain(seen.targets.iter().flat_map(held));
    known.any(|known| known.expose().contains(value.expose()))
}

fn held(target: &SeenTarget) -> impl Iterator<Item = &Secret> {
    let others = target.contents.others.iter().filter_map(|entry| entry.value.as_ref());
    target.contents.value.iter().chain(others)
}

/// Whether the value of every key that may be deployed is in hand, so that a new one which is none of them needs no word of
/// the issuer.
#[must_use]
pub(in crate::rotation) fn knows_what_is_deployed(seen: &Observation, policy: &Policy) -> bool {
    let is_known = |target: &SeenTarget| target.last_write.is_none() || target.contents.value.is_some();
    let holds_it = policy.current_key.is_some() && seen.held.as_ref().is_some_and(|held| held.alive != Some(false));
    holds_it || seen.targets.iter().all(is_known)
}

/// The new key, as far as a value can be held against it.
#[derive(Clone, Copy)]
pub(in crate::rotation) struct Claim<'a> {
    /// Its id.
    pub(in crate::rotation) id: &'a KeyId,
    /// Every name that this run gave it.
    pub(in crate::rotation) names: &'a BTreeSet<String>,
    /// What came with it.
    pub(in crate::rotation) value: &'a Secret,
}

/// Whether the issuer shows that the value is not the new key's: it says so of the key that asks, or a masked label
/// disagrees with the value or agrees with another key's.
#[must_use]
pub(in crate::rotation) fn is_anothers(claim: Claim<'_>, about: &About, rows: &[KeyRow]) -> bool {
    let own_id = about.id.as_ref() == Some(claim.id);
    let own_name = about.name.as_ref().is_some_and(|name| claim.names.contains(name));
    if about.id.is_some() || about.name.is_some() {
        return !own_id && !own_name;
    }
    match provably(rows, &[], claim.value, about, false) {
        Some(id) => id != *claim.id,
        None => {
            let own = rows.iter().find(|row| row.id == *claim.id).and_then(|row| row.label.as_deref());
            own.is_some_and(|label| contradicts(label, claim.value.expose()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rotation::model::tests::row;

    #[test]
    fn the_issuers_word_or_a_masked_label_shows_another_keys_value() {
        let labelled =
            |name: &str, label: &str| KeyRow { label: Some(label.into()), ..row(name, "2026-11-01T00:00:00Z") };
        let rows = [labelled("new", "lr_live_abc…wxyz"), labelled("old", "lr_live_012…6789")];
        let is_anothers = |value: &str, about: About, rows: &[KeyRow]| {
            let (id, names) = (KeyId("new".into()), ["new-unconfirmed".to_owned()].into());
            let value = Secret::new(value.into());
            is_anothers(Claim { id: &id, names: &names, value: &value }, &about, rows)
        };
        let id = |id: &str| About { id: Some(KeyId(id.into())), ..About::default() };
        let name = |name: &str| About { name: Some(name.into()), ..About::default() };
        let (new, old, third) = ("lr_live_abc000wxyz", "lr_live_0123456789", "lr_live_zzz000zzzz");
        for (value, about, rows, expected) in [
            (new, About::default(), &rows[..], false),
            (old, About::default(), &rows[..], true),
            (third, About::default(), &rows[..], true),
            ("lr_mgmt_zzz000zzzz", About::default(), &rows[..], false),
            (old, About::default(), &[], false),
            (new, id("new"), &rows[..], false),
            (new, id("old"), &rows[..], true),
            (new, id("unlisted"), &[], true),
            (new, name("new-unconfirmed"), &[], false),
            (new, name("another"), &[], true),
            (new, About { name: Some("new-unconfirmed".into()), ..id("by another scheme") }, &[], false),
        ] {
            assert_eq!(is_anothers(value, about.clone(), rows), expected, "{value} {about:?}");
        }
    }
}
