//! Which keys may be pruned, and what became of each: a decision over one list, made anew over a fresh one right before a
//! key is touched.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use wildmatch::WildMatch;

use super::{AuditedKey, KeyKind, LastUse, Role, Rotation, State};
use crate::rotation::model::{KeyId, Listing};

/// What becomes of a key that is pruned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It is switched off.
    Disable,
    /// It is deleted.
    Delete,
}

/// What may be pruned, and how.
#[derive(Clone, Debug)]
pub struct Pruning {
    /// What becomes of it.
    pub how: How,
    /// Patterns of the names; `*` stands for any text, `?` for one character.
    pub names: BTreeSet<String>,
    /// Keys that were not used for so long.
    pub unused_after: Duration,
}

/// A key whose name fits and that is not in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub id: KeyId,
    /// Its name.
    pub name: String,
    /// Why it is not touched all the same.
    pub spared: Option<&'static str>,
}

/// What became of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A dry run: it would be pruned.
    Planned(How),
    /// It is switched off.
    Disabled,
    /// It is deleted.
    Deleted,
    /// It is not touched, for this reason.
    Spared(String),
    /// The run was told to stop before it was looked at.
    NotReached,
    /// It should have been pruned, and is not for certain.
    Failed(String),
}

/// One key that was looked at for pruning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// Which.
    pub id: KeyId,
    /// Its name.
    pub name: String,
    /// What became of it.
    pub fate: Fate,
}

/// The keys that fit, oldest first. `signers`: keys that sign this run's requests or are deployed, as it was told.
#[must_use]
pub fn candidates(
    keys: &[AuditedKey],
    rotations: &[Rotation],
    pruning: &Pruning,
    signers: &[KeyId],
    listing: &Listing,
) -> Vec<Candidate> {
    let patterns: Vec<_> = pruning.names.iter().map(|pattern| WildMatch::new(pattern)).collect();
    let last_of_family = last_of_dead_families(keys);
    let fits = |key: &&AuditedKey| {
        let off_already = pruning.how == How::Disable && key.state != State::Live;
        !off_already
            && patterns.iter().any(|pattern| pattern.matches(&key.row.name))
            && idle(key, listing.date).is_some_and(|idle| idle >= pruning.unused_after)
    };
    let candidate = |key: &AuditedKey| Candidate {
        id: key.row.id.clone(),
        name: key.row.name.clone(),
        spared: if signers.contains(&key.row.id) {
            Some("it signs the requests of this run, or is deployed")
        } else if last_of_family.contains(&key.row.id) {
            Some("no key of its family lives, and it tells what the next one may do")
        } else {
            spared(key, rotations, pruning.how)
        },
    };
    keys.iter().filter(fits).map(candidate).collect()
}

/// How long a key has certainly been left alone. A change counts as use: somebody may just have switched it on again.
fn idle(key: &AuditedKey, now: Timestamp) -> Option<Duration> {
    let row = &key.row;
    let used = match key.state {
        State::Live => Some(key.last_use.idle_since(row.created_at)?),
        // Nothing uses a dead key; since when it is dead its row tells.
        State::Disabled => Some(row.updated_at?),
        State::Expired => Some(row.rights.expires_at.flatten()?),
    };
    let last = [used, row.updated_at, row.created_at].into_iter().flatten().max()?;
    Duration::try_from(now.duration_since(last)).ok()
}

fn spared(key: &AuditedKey, rotations: &[Rotation], how: How) -> Option<&'static str> {
    if key.row.kind == KeyKind::Management {
        return Some("it is a management key");
    }
    let is_current = key.family.as_ref().is_some_and(|member| member.role == Role::Current);
    if key.state != State::Live {
        return is_current.then_some("it is the newest key of its family, and tells what the targets hold");
    }
    if rotations.iter().any(|rotation| rotation.replaces.as_ref() == Some(&key.row.id)) {
        return Some("a rotation of the config file is to replace it");
    }
    match &key.family {
        Some(_) if is_current => Some("it is the newest key of its family: a target may hold it"),
        Some(member) if member.role == Role::Unconfirmed => {
            Some("a run made it and did not finish: a target may hold it, and the next rotation settles it")
        }
        Some(member) if member.rotation.is_some() => Some("its rotation retires it, once no target can hold it"),
        _ if how == How::Delete && matches!(key.last_use, LastUse::NothingSpentSince(_)) => Some(
            "the issuer shows what was spent with it and not when it was used: prune it with `disable` first, then a later \
             run deletes it",
        ),
        _ => None,
    }
}

/// Of each family without a live key the newest: a rotation takes the next key's rights from it.
fn last_of_dead_families(keys: &[AuditedKey]) -> BTreeSet<KeyId> {
    let mut newest: BTreeMap<&str, &AuditedKey> = BTreeMap::new();
    let mut alive = BTreeSet::new();
    for key in keys {
        let Some(member) = &key.family else { continue };
        if key.state == State::Live {
            alive.insert(member.family.as_str());
        }
        // Oldest first: the last one stays.
        newest.insert(&member.family, key);
    }
    newest.into_iter().filter(|(family, _)| !alive.contains(family)).map(|(_, key)| key.row.id.clone()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

    use super::*;
    use crate::audit::{Criteria, assess};
    use crate::rotation::model::tests::row;
    use crate::rotation::model::{KeyRow, RightsTaken};

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn at(text: &str) -> Option<Timestamp> {
        text.parse().ok()
    }

    /// Made in January, last used in February; it is July.
    fn idle_key(name: &str) -> KeyRow {
        KeyRow { last_used_at: at("2026-02-01T00:00:00Z"), ..row(name, "2026-01-01T00:00:00Z") }
    }

    fn judged(
        keys: Vec<KeyRow>,
        how: How,
        rotations: &[Rotation],
        signers: &[&str],
    ) -> Vec<(String, Option<&'static str>)> {
        let takes = RightsTaken { providers: true, models: true, limit: true, reset: true, expiry: true };
        let date = at("2026-07-01T00:00:00Z").unwrap();
        let listing = Listing { keys, date, dated_within: Duration::ZERO, may_rename: true, takes };
        let assessment = assess(listing.clone(), rotations, &Criteria { old_after: DAY, unused_after: DAY * 30 }, None);
        let pruning = Pruning { how, names: ["ci-*".to_owned(), "app-2*".to_owned()].into(), unused_after: DAY * 30 };
        let signers: Vec<_> = signers.iter().map(|id| KeyId((*id).to_owned())).collect();
        let found = candidates(&assessment.keys, rotations, &pruning, &signers, &listing);
        found.into_iter().map(|candidate| (candidate.name, candidate.spared)).collect()
    }

    fn deleted(key: KeyRow) -> Vec<(String, Option<&'static str>)> {
        judged(vec![key], How::Delete, &[], &[])
    }

    fn one(name: &str, spared: Option<&'static str>) -> Vec<(String, Option<&'static str>)> {
        vec![(name.to_owned(), spared)]
    }

    #[test]
    fn only_idle_keys_whose_names_fit() {
        assert_eq!(deleted(idle_key("ci-1")), one("ci-1", None));
        assert_eq!(deleted(idle_key("prod-ci-1")), []);
        assert_eq!(deleted(idle_key("CI-1")), [], "capitals count");
        let late = at("2026-06-20T00:00:00Z");
        assert_eq!(deleted(KeyRow { last_used_at: late, ..idle_key("ci-1") }), []);
        assert_eq!(deleted(KeyRow { updated_at: late, ..idle_key("ci-1") }), [], "it was switched on again");
        assert_eq!(deleted(KeyRow { created_at: late, ..idle_key("ci-1") }), []);
        assert_eq!(deleted(row("ci-1", "2026-01-01T00:00:00Z")), [], "nothing tells when it was used");
    }

    #[test]
    fn a_key_that_spends_is_in_use_whatever_its_time_says() {
        let spends = KeyRow { usage_daily: Some(3.2), ..row("ci-2", "2026-03-23T00:00:00Z") };
        assert_eq!(judged(vec![idle_key("ci-1"), spends], How::Delete, &[], &[]), one("ci-1", None));
        assert_eq!(deleted(KeyRow { usage_daily: Some(3.2), ..idle_key("ci-1") }), []);
    }

    #[test]
    fn what_a_target_may_hold_is_spared() {
        let rotation = |name: &str| Rotation { key_name: name.to_owned(), ..Rotation::default() };
        let family = || {
            let newer = KeyRow { created_at: at("2026-03-01T00:00:00Z"), ..idle_key("app-2026-03-01-bbbbbb") };
            vec![idle_key("app-2026-01-01-aaaaaa"), newer]
        };
        let spared = |rotations: &[Rotation]| -> Vec<_> {
            judged(family(), How::Delete, rotations, &[]).into_iter().map(|(_, spared)| spared.is_some()).collect()
        };
        assert_eq!(spared(&[]), [false, true]);
        assert_eq!(spared(&[rotation("app")]), [true, true]);
        assert!(deleted(idle_key("app-2026-01-01-aaaaaa-unconfirmed")).first().unwrap().1.is_some());
        let adopts = Rotation { replaces: Some(KeyId("ci-1".into())), ..rotation("app") };
        assert!(judged(vec![idle_key("ci-1")], How::Delete, &[adopts], &[]).first().unwrap().1.is_some());
        assert!(judged(vec![idle_key("ci-1")], How::Delete, &[], &["ci-1"]).first().unwrap().1.is_some());
        let manager = KeyRow { kind: KeyKind::Management, ..idle_key("ci-1") };
        assert_eq!(deleted(manager), one("ci-1", Some("it is a management key")));
    }

    #[test]
    fn dead_keys_are_deleted_once_they_have_been_dead_for_long_and_never_the_last_of_a_family() {
        let off = |name: &str, since: &str| KeyRow { disabled: true, updated_at: at(since), ..idle_key(name) };
        assert_eq!(deleted(off("ci-1", "2026-03-01T00:00:00Z")), one("ci-1", None));
        assert_eq!(deleted(off("ci-1", "2026-06-20T00:00:00Z")), []);
        assert_eq!(deleted(KeyRow { updated_at: None, ..off("ci-1", "2026-03-01T00:00:00Z") }), []);
        assert_eq!(judged(vec![off("ci-1", "2026-03-01T00:00:00Z")], How::Disable, &[], &[]), []);
        let name = "app-2026-01-01-aaaaaa";
        assert!(deleted(off(name, "2026-03-01T00:00:00Z")).first().unwrap().1.is_some());
        let with_live = vec![off(name, "2026-03-01T00:00:00Z"), row("app-2026-06-30-bbbbbb", "2026-06-30T00:00:00Z")];
        let rotation = Rotation { key_name: "app".to_owned(), ..Rotation::default() };
        assert_eq!(judged(with_live, How::Delete, &[rotation], &[]), one(name, None));
    }

    #[test]
    fn the_newest_key_of_a_family_is_spared_dead_or_alive() {
        let ended = KeyRow { created_at: at("2026-02-01T00:00:00Z"), ..idle_key("app-2026-02-01-bbbbbb") };
        let mut expired = ended.clone();
        expired.rights.expires_at = Some(at("2026-03-01T00:00:00Z"));
        let off = KeyRow { disabled: true, updated_at: at("2026-03-01T00:00:00Z"), ..ended };
        for dead in [expired, off] {
            let found = judged(vec![idle_key("app-2026-01-01-aaaaaa"), dead], How::Delete, &[], &[]);
            let spared: Vec<_> = found.into_iter().map(|(name, why)| (name, why.is_some())).collect();
            let expected = [("app-2026-01-01-aaaaaa", false), ("app-2026-02-01-bbbbbb", true)];
            assert_eq!(spared, expected.map(|(name, spared)| (name.to_owned(), spared)));
        }
    }

    #[test]
    fn where_only_amounts_are_shown_a_key_is_switched_off_before_it_is_deleted() {
        let unspent = || KeyRow { usage: Some(0.0), ..row("ci-1", "2026-01-01T00:00:00Z") };
        assert!(deleted(unspent()).first().unwrap().1.is_some_and(|why| why.contains("`disable` first")));
        assert_eq!(judged(vec![unspent()], How::Disable, &[], &[]), one("ci-1", None));
        let off = KeyRow { disabled: true, ..unspent() };
        assert_eq!(deleted(off), one("ci-1", None));
    }
}
