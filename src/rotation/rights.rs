//! The rights of the new key: what is asked for, and whether more was granted.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::rotation::clock::{between, later};
use crate::rotation::policy::{Policy, Wish};
use crate::rotation::port::{AllowList, KeyRow, Reset, Rights, RightsTaken, ShownRights};

/// A server may round an expiry up to its next minute.
const EXPIRY_ROUNDING: Duration = Duration::from_secs(60);

/// Half a cent: a limit that went through a float and back is still the same limit.
const USD_ROUNDING: f64 = 0.005;

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
            Some(mine) if !wider_value(value, mine) => {}
            _ => _ = narrow.rights.other.insert(name.clone(), value.clone()),
        }
    }
    narrow
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

/// What was granted, held against what was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Rights that are wider than asked, as sentences.
    pub wider: Vec<String>,
    /// Inputs whose right the issuer does not show.
    pub unconfirmed: Vec<&'static str>,
    /// A limit was asked for and there is none in sight.
    pub limit_missing: bool,
}

/// Holds what the issuer shows of the new key against what was asked.
#[must_use]
pub fn compare(asked: &Rights, shown: &ShownRights) -> Grant {
    let mut grant = Grant::default();
    list("allowed-providers", asked.providers.as_ref(), shown.providers.as_ref(), &mut grant);
    list("allowed-models", asked.models.as_ref(), shown.models.as_ref(), &mut grant);
    if let Some(Some(limit)) = asked.limit {
        match shown.limit {
            None => {
                grant.limit_missing = true;
                grant.unconfirmed.push("spending-limit");
            }
            Some(None) => {
                grant.limit_missing = true;
                grant.wider.push(format!("it has no spending limit where {limit} USD was asked"));
            }
            Some(Some(got)) if got > limit + USD_ROUNDING => {
                grant.wider.push(format!("its spending limit is {got} USD where {limit} USD was asked"));
            }
            Some(Some(_)) => {}
        }
        let reset = asked.reset.unwrap_or(Reset::Never);
        match shown.reset {
            Some(got) if got > reset => {
                grant.wider.push(format!("its limit resets {got:?} where {reset:?} was asked").to_lowercase());
            }
            None if reset != Reset::Never => grant.unconfirmed.push("limit-reset"),
            _ => {}
        }
    }
    if let Some(Some(end)) = asked.expires_at {
        match shown.expires_at {
            None => grant.unconfirmed.push("expires-after"),
            Some(None) => grant.wider.push(format!("it never expires where {end} was asked")),
            Some(Some(got)) if got > later(end, EXPIRY_ROUNDING) => {
                grant.wider.push(format!("it expires {got} where {end} was asked"));
            }
            Some(Some(_)) => {}
        }
    }
    for (name, value) in &asked.other {
        match shown.other.get(name) {
            None => grant.unconfirmed.push("rights carried over from the old key"),
            Some(got) if wider_value(value, got) => grant.wider.push(format!("its {name} is not the old key's")),
            Some(_) => {}
        }
    }
    grant
}

fn list(input: &'static str, asked: Option<&AllowList>, shown: Option<&AllowList>, grant: &mut Grant) {
    let Some(AllowList::Only(asked)) = asked else { return };
    match shown {
        None => grant.unconfirmed.push(input),
        Some(AllowList::All) => grant.wider.push(format!("{input}: everything is allowed where a list was asked")),
        Some(AllowList::Only(got)) => {
            let extra: Vec<_> = got.difference(asked).map(String::as_str).collect();
            if !extra.is_empty() {
                grant.wider.push(format!("{input}: {} allowed beyond what was asked", extra.join(", ")));
            }
        }
    }
}

/// Whether a rights field grants more than the old key's: a larger number, a missing part, anything else that differs.
fn wider_value(asked: &Value, got: &Value) -> bool {
    match (asked, got) {
        (Value::Number(asked), Value::Number(got)) => got.as_f64() > asked.as_f64(),
        (Value::Object(asked), Value::Object(got)) => asked.iter().any(|(field, value)| match got.get(field) {
            Some(got) => wider_value(value, got),
            None => !value.is_null(),
        }),
        (asked, got) => asked != got,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed parse fails the test")]
mod tests {
    use super::*;
    use crate::rotation::policy::tests::policy;
    use crate::rotation::port::tests::row;

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

    #[test]
    fn wider_grants_are_found() {
        let asked = Rights {
            providers: Some(only(&["openai"])),
            models: Some(only(&["a", "b"])),
            limit: Some(Some(10.0)),
            reset: Some(Reset::Monthly),
            expires_at: Some(Some(now())),
            other: [("rate_limit".to_owned(), serde_json::json!({"requests_per_minute": 60}))].into(),
        };
        let shown = ShownRights {
            providers: Some(only(&["openai", "google"])),
            models: Some(AllowList::All),
            limit: Some(Some(11.0)),
            reset: Some(Reset::Daily),
            expires_at: Some(None),
            other: [("rate_limit".to_owned(), serde_json::json!({"requests_per_minute": 600}))].into(),
        };
        assert_eq!(compare(&asked, &shown).wider.len(), 6);
        let unlimited = ShownRights { limit: Some(None), ..shown };
        assert!(compare(&asked, &unlimited).limit_missing);
    }

    #[test]
    fn an_equal_or_narrower_grant_is_fine_and_a_hidden_one_is_not_confirmed() {
        let asked = Rights {
            providers: Some(only(&["openai", "google"])),
            limit: Some(Some(10.0)),
            reset: Some(Reset::Weekly),
            ..Rights::default()
        };
        let shown = ShownRights {
            providers: Some(only(&["openai"])),
            limit: Some(Some(10.0)),
            reset: Some(Reset::Monthly),
            ..ShownRights::default()
        };
        assert_eq!(compare(&asked, &shown), Grant::default());
        let hidden = compare(&asked, &ShownRights::default());
        assert_eq!(hidden.unconfirmed, ["allowed-providers", "spending-limit", "limit-reset"]);
        assert!(hidden.wider.is_empty() && hidden.limit_missing);
    }
}
