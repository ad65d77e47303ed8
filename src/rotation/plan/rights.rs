//! The rights of the new key: what is asked for. Whether that was granted is `grant`'s.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::rotation::clock::{between, later};
use crate::rotation::model::{AllowList, KeyRow, Reset, Rights, RightsTaken, ShownRights};
use crate::rotation::plan::grant::{EXPIRY_ROUNDING, is_wider};
use crate::rotation::policy::{Policy, Wish};

/// The rights to ask for: stated ones, and the old key's. `Err` names the inputs that must be stated because the issuer
/// takes the right and does not show what the old key has.
///
/// # Errors
/// The names of the inputs.
pub fn asked(
    policy: &Policy,
    old: Option<&KeyRow>,
    takes: RightsTaken,
    now: Timestamp,
) -> Result<Rights, Vec<&'static str>> {
    let mut missing = Vec::new();
    let shown = old.map(|row| row.rights.clone()).unwrap_or_default();
    let mut need = |input: &'static str, taken: bool| {
        if taken {
            missing.push(input);
        }
    };
    let providers = wished(&policy.providers, shown.providers, || need("allowed-providers", takes.providers));
    let models = wished(&policy.models, shown.models, || need("allowed-models", takes.models));
    let limit = wished(&policy.limit, shown.limit, || need("spending-limit", takes.limit));
    let limit = limit.map(|limit| left_over(policy, old).map_or(limit, |left| Some(left.usd)));
    let old_unlimited = shown.limit == Some(None);
    let reset = match (&policy.reset, limit) {
        (Wish::Inherit, Some(None) | None) => None,
        (Wish::Inherit, _) if old_unlimited && shown.reset.is_none() => Some(Reset::Never),
        (wish, _) => wished(wish, shown.reset, || need("limit-reset", takes.reset)),
    };
    let lifetime = shown.expires_at.and_then(|end| match (end, old.and_then(|row| row.created_at)) {
        (None, _) => Some(None),
        (Some(end), Some(created)) => Some(Some(between(created, end))),
        (Some(_), None) => None,
    });
    let lifetime = wished(&policy.expires_after, lifetime, || need("expires-after", takes.expiry));
    if !missing.is_empty() {
        return Err(missing);
    }
    let expires_at = lifetime.map(|span| span.map(|span| later(now, span)));
    Ok(Rights { providers, models, limit, reset, expires_at, other: shown.other })
}

/// What is left of a limit for life, and of how much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeftOver {
    /// What the new key gets.
    pub usd: f64,
    /// The old key's limit.
    pub of: f64,
}

/// The part of its limit that the old key has not spent, where it is a limit for life and is handed on: each rotation
/// would grant it anew otherwise. `None` where a limit is stated, starts anew, or the issuer does not show what is left.
#[must_use]
pub fn left_over(policy: &Policy, old: Option<&KeyRow>) -> Option<LeftOver> {
    let old = old.filter(|row| policy.limit == Wish::Inherit && is_for_life(policy, row))?;
    let stays = matches!(policy.reset, Wish::Inherit | Wish::Stated(Reset::Never));
    let (of, left) = (old.rights.limit.flatten()?, old.limit_remaining?);
    (stays && left < of).then(|| LeftOver { usd: left.max(0.0), of })
}

/// A key with no right that reaches further than another one's, as far as the issuer shows both: what is left of a limit for
/// life counts, and how long a key lives, not until when.
#[must_use]
pub fn narrowed(policy: &Policy, key: &KeyRow, by: &KeyRow) -> KeyRow {
    let mut narrow = key.clone();
    narrower_list(&mut narrow.rights.providers, by.rights.providers.as_ref());
    narrower_list(&mut narrow.rights.models, by.rights.models.as_ref());
    let left = |row: &KeyRow| {
        let limit = left_over(policy, Some(row)).map_or(row.rights.limit, |left| Some(Some(left.usd)));
        limit.map(|limit| limit.unwrap_or(f64::INFINITY))
    };
    let least_is_mine = left(key).zip(left(by)).is_none_or(|(mine, least)| mine <= least);
    if !least_is_mine {
        (narrow.rights.limit, narrow.limit_remaining) = (by.rights.limit, by.limit_remaining);
    }
    // Without a limit its reset says nothing.
    narrow.rights.reset = match (key.rights.limit, by.rights.limit) {
        (_, None | Some(None)) => key.rights.reset,
        (Some(None), _) => by.rights.reset,
        _ => key.rights.reset.zip(by.rights.reset).map(|(mine, least)| mine.min(least)).or(key.rights.reset),
    };
    if narrow.rights.reset != key.rights.reset && least_is_mine {
        // What is left of a month is not what is left of a life.
        narrow.limit_remaining = None;
    }
    let lifetime = |row: &KeyRow| Some(row.rights.expires_at?.map(|end| row.created_at.map(|made| between(made, end))));
    if let (Some(mine), Some(Some(Some(least))), Some(made)) = (lifetime(key), lifetime(by), key.created_at)
        && mine.flatten().is_none_or(|mine| least + EXPIRY_ROUNDING < mine)
    {
        narrow.rights.expires_at = Some(Some(later(made, least)));
    }
    for (name, value) in &by.rights.other {
        match narrow.rights.other.get(name) {
            Some(mine) if !is_wider(value, mine) => {}
            _ => _ = narrow.rights.other.insert(name.clone(), value.clone()),
        }
    }
    narrow_unknown(&mut narrow.unknown, &by.unknown);
    narrow
}

/// What both have; of two counts the smaller one.
fn narrow_unknown(mine: &mut BTreeMap<String, Value>, by: &BTreeMap<String, Value>) {
    mine.retain(|name, value| {
        by.get(name).is_some_and(|least| {
            if value.is_number() && least.is_number() && is_wider(least, value) {
                *value = least.clone();
            }
            value == least || value.is_number() && least.is_number()
        })
    });
}

/// What both allow; of two lists that share nothing, the other one.
fn narrower_list(mine: &mut Option<AllowList>, by: Option<&AllowList>) {
    let (Some(has), Some(AllowList::Only(least))) = (&*mine, by) else { return };
    let shared = match has {
        AllowList::All => least.clone(),
        AllowList::Only(has) => has.intersection(least).cloned().collect(),
    };
    *mine = Some(AllowList::Only(if shared.is_empty() { least.clone() } else { shared }));
}

/// A limit whose reset the issuer does not show is for life where the inputs say that the new key's is.
fn is_for_life(policy: &Policy, old: &KeyRow) -> bool {
    match old.rights.reset {
        Some(reset) => reset == Reset::Never,
        None => policy.reset == Wish::Stated(Reset::Never),
    }
}

/// What to tell of a limit that is handed on.
#[must_use]
pub fn told_of_limit(policy: &Policy, old: Option<&KeyRow>) -> Option<String> {
    if let Some(LeftOver { usd, of }) = left_over(policy, old) {
        let spent = if usd > 0.0 { "" } else { ": it can't spend anything, no more than the old one" };
        return Some(format!(
            "the new key's spending limit is what the old one has left, {usd} USD of {of} USD{spent}; spending-limit sets \
             another"
        ));
    }
    let hidden = |row: &&KeyRow| {
        policy.limit == Wish::Inherit
            && row.limit_remaining.is_none()
            && is_for_life(policy, row)
            && row.rights.limit.flatten().is_some()
    };
    old.filter(hidden).map(|_| {
        "the issuer does not show what is left of the old key's spending limit: the new key has it anew".to_owned()
    })
}

fn wished<T: Clone>(wish: &Wish<T>, old: Option<T>, unknown: impl FnOnce()) -> Option<T> {
    match wish {
        Wish::Stated(value) => Some(value.clone()),
        Wish::Inherit => {
            if old.is_none() {
                unknown();
            }
            old
        }
    }
}

/// What the issuer shows of a key in one place, completed from another.
#[must_use]
pub fn merged(first: &ShownRights, second: &ShownRights) -> ShownRights {
    let mut other = second.other.clone();
    other.extend(first.other.clone());
    ShownRights {
        providers: first.providers.clone().or_else(|| second.providers.clone()),
        models: first.models.clone().or_else(|| second.models.clone()),
        limit: first.limit.or(second.limit),
        reset: first.reset.or(second.reset),
        expires_at: first.expires_at.or(second.expires_at),
        other,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed parse fails the test")]
mod tests {
    use super::*;
    use crate::rotation::model::tests::row;
    use crate::rotation::policy::tests::policy;

    const ALL: RightsTaken = RightsTaken { providers: true, models: true, limit: true, reset: true, expiry: true };

    fn now() -> Timestamp {
        "2026-12-01T00:00:00Z".parse().unwrap()
    }

    fn only(names: &[&str]) -> AllowList {
        AllowList::Only(names.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn everything_is_inherited_and_the_expiry_moves_with_the_key() {
        let mut old = row("production-2026-11-01", "2026-11-01T00:00:00Z");
        old.rights.providers = Some(only(&["openai"]));
        old.rights.limit = Some(Some(500.0));
        old.rights.reset = Some(Reset::Monthly);
        old.rights.expires_at = Some(Some("2026-12-16T00:00:00Z".parse().unwrap()));
        old.rights.other.insert("rate_limit".into(), serde_json::json!({"requests_per_minute": 60}));
        let rights = asked(&policy(), Some(&old), ALL, now()).unwrap();
        assert_eq!(rights.providers, Some(only(&["openai"])));
        assert_eq!(rights.limit, Some(Some(500.0)));
        assert_eq!(rights.reset, Some(Reset::Monthly));
        assert_eq!(rights.expires_at, Some(Some("2027-01-15T00:00:00Z".parse().unwrap())));
        assert!(rights.other.contains_key("rate_limit"));
    }

    #[test]
    fn of_a_limit_for_life_the_new_key_gets_what_is_left() {
        let mut old = row("production-2026-11-01", "2026-11-01T00:00:00Z");
        (old.rights.limit, old.limit_remaining) = (Some(Some(100.0)), Some(37.5));
        let limit = |policy: &Policy, old: &KeyRow| asked(policy, Some(old), ALL, now()).unwrap().limit;
        let told = |policy: &Policy, old: &KeyRow| told_of_limit(policy, Some(old)).unwrap_or_default();
        assert_eq!(limit(&policy(), &old), Some(Some(37.5)));
        assert!(told(&policy(), &old).contains("37.5 USD of 100 USD; spending-limit"));
        let stated = Policy { limit: Wish::Stated(Some(200.0)), ..policy() };
        assert_eq!((limit(&stated, &old), told(&stated, &old)), (Some(Some(200.0)), String::new()));
        let monthly = Policy { reset: Wish::Stated(Reset::Monthly), ..policy() };
        assert_eq!(limit(&monthly, &old), Some(Some(100.0)), "so much each month, as was asked");
        for (left, expected) in [(0.0, 0.0), (-3.0, 0.0), (100.0, 100.0), (250.0, 100.0), (f64::NAN, 100.0)] {
            old.limit_remaining = Some(left);
            assert_eq!(limit(&policy(), &old), Some(Some(expected)), "{left}");
        }
        old.limit_remaining = Some(0.0);
        assert!(told(&policy(), &old).contains("it can't spend anything"));
        old.limit_remaining = None;
        assert_eq!(limit(&policy(), &old), Some(Some(100.0)));
        assert!(told(&policy(), &old).contains("does not show what is left"));
        (old.rights.reset, old.limit_remaining) = (Some(Reset::Weekly), Some(37.5));
        assert_eq!(
            (limit(&policy(), &old), told(&policy(), &old)),
            (Some(Some(100.0)), String::new()),
            "it starts anew"
        );
        (old.rights.reset, old.rights.limit) = (Some(Reset::Never), Some(None));
        assert_eq!((limit(&policy(), &old), told(&policy(), &old)), (Some(None), String::new()));
    }

    #[test]
    fn each_right_is_narrowed_by_itself() {
        let mut old = row("production-2026-11-01", "2026-11-01T00:00:00Z");
        old.rights.models = Some(only(&["a", "b"]));
        (old.rights.limit, old.rights.reset) = (Some(Some(100.0)), Some(Reset::Weekly));
        old.rights.expires_at = Some(Some("2026-12-01T00:00:00Z".parse().unwrap()));
        old.rights.other.insert("rate_limit".into(), serde_json::json!({"requests_per_minute": 60}));
        let mut new = row("production-2026-11-20", "2026-11-20T00:00:00Z");
        new.rights.providers = Some(only(&["openai"]));
        (new.rights.limit, new.rights.reset) = (Some(Some(200.0)), Some(Reset::Monthly));
        let least = narrowed(&policy(), &new, &old).rights;
        assert_eq!((least.providers, least.models), (Some(only(&["openai"])), Some(only(&["a", "b"]))));
        assert_eq!((least.limit, least.reset), (Some(Some(100.0)), Some(Reset::Monthly)));
        assert_eq!(least.expires_at, Some(Some("2026-12-20T00:00:00Z".parse().unwrap())), "as long, not until then");
        assert!(least.other.contains_key("rate_limit"));
        let free = row("a", "2026-11-01T00:00:00Z");
        assert_eq!(narrowed(&policy(), &old, &free), old, "no restriction narrows nothing");
        assert_eq!(
            narrowed(&policy(), &free, &old).rights.reset,
            Some(Reset::Weekly),
            "nor does the reset of no limit"
        );
        (old.rights.providers, new.rights.models) = (Some(only(&["google"])), Some(only(&["b", "c"])));
        let least = narrowed(&policy(), &new, &old).rights;
        assert_eq!((least.providers, least.models), (Some(only(&["google"])), Some(only(&["b"]))));
    }

    #[test]
    fn of_a_limit_for_life_what_is_left_decides() {
        let limited = |limit: f64, left: f64| {
            let mut row = row("production-2026-11-01", "2026-11-01T00:00:00Z");
            (row.rights.limit, row.limit_remaining) = (Some(Some(limit)), Some(left));
            row
        };
        let handed_on = |key: &KeyRow, by: &KeyRow| {
            asked(&policy(), Some(&narrowed(&policy(), key, by)), ALL, now()).unwrap().limit.flatten()
        };
        assert_eq!(handed_on(&limited(75.0, 75.0), &limited(100.0, 37.5)), Some(37.5));
        assert_eq!(handed_on(&limited(37.5, 30.0), &limited(100.0, 37.5)), Some(30.0));
    }

    #[test]
    fn a_right_that_is_taken_but_not_shown_must_be_stated() {
        let mut old = row("production-2026-11-01", "2026-11-01T00:00:00Z");
        old.rights = ShownRights { limit: Some(Some(5.0)), ..ShownRights::default() };
        let missing = asked(&policy(), Some(&old), ALL, now()).unwrap_err();
        assert_eq!(missing, ["allowed-providers", "allowed-models", "limit-reset", "expires-after"]);
        let takes = RightsTaken { providers: false, models: false, limit: true, reset: false, expiry: false };
        assert!(asked(&policy(), Some(&old), takes, now()).is_ok());
    }

    #[test]
    fn a_first_key_must_have_its_rights_stated() {
        assert_eq!(asked(&policy(), None, ALL, now()).unwrap_err().len(), 4);
        let mut policy = policy();
        policy.providers = Wish::Stated(AllowList::All);
        policy.models = Wish::Stated(AllowList::All);
        policy.limit = Wish::Stated(None);
        policy.expires_after = Wish::Stated(None);
        assert!(asked(&policy, None, ALL, now()).is_ok(), "without a limit its reset says nothing");
    }
}
