//! What was granted, held against what was asked: a key is deployed only with the rights that were asked for it.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::rotation::clock::later;
use crate::rotation::model::{AllowList, Reset, Rights, ShownRights};

/// A server may round an expiry to a minute.
pub const EXPIRY_ROUNDING: Duration = Duration::from_secs(60);

/// A cent, with room for what a float makes of it: a limit may be rounded to whole ones.
const USD_ROUNDING: f64 = 0.01 + 1e-6;

/// What was granted, held against what was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Rights that are wider than asked, as sentences.
    pub wider: Vec<String>,
    /// Rights that are narrower than asked, as sentences.
    pub narrower: Vec<String>,
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
    limit(asked, shown, &mut grant);
    expiry(asked.expires_at, shown.expires_at, &mut grant);
    for (name, value) in &asked.other {
        match shown.other.get(name) {
            None => grant.unconfirmed.push("rights carried over from the old key"),
            Some(got) if is_wider(value, got) => grant.wider.push(format!("its {name} is not the old key's")),
            Some(got) if is_narrower(value, got) => {
                grant.narrower.push(format!("its {name} is less than the old key's"))
            }
            Some(_) => {}
        }
    }
    grant
}

fn list(input: &'static str, asked: Option<&AllowList>, shown: Option<&AllowList>, grant: &mut Grant) {
    match (asked, shown) {
        (None, _) | (Some(AllowList::All), None | Some(AllowList::All)) => {}
        (Some(AllowList::Only(_)), None) => grant.unconfirmed.push(input),
        (Some(AllowList::Only(_)), Some(AllowList::All)) => {
            grant.wider.push(format!("{input}: everything is allowed where a list was asked"));
        }
        (Some(AllowList::All), Some(AllowList::Only(_))) => {
            grant.narrower.push(format!("{input}: a list where everything was asked"));
        }
        (Some(AllowList::Only(asked)), Some(AllowList::Only(got))) => {
            let extra = missing_in(asked, got);
            if !extra.is_empty() {
                grant.wider.push(format!("{input}: {extra} allowed beyond what was asked"));
            }
            let lacks = missing_in(got, asked);
            if !lacks.is_empty() {
                grant.narrower.push(format!("{input}: it lacks {lacks}"));
            }
        }
    }
}

/// The names that a list has under no spelling.
fn missing_in(list: &BTreeSet<String>, names: &BTreeSet<String>) -> String {
    let missing = names.iter().filter(|name| !list.iter().any(|known| is_same(known, name)));
    missing.map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Two spellings of one provider or model: `gpt-4o` is `openai/gpt-4o`.
fn is_same(one: &str, other: &str) -> bool {
    let bare = |name: &str, whole: &str| {
        let rest = whole.rsplit_once('/').map(|(_, rest)| rest);
        !name.contains('/') && rest.is_some_and(|rest| rest.eq_ignore_ascii_case(name))
    };
    one.eq_ignore_ascii_case(other) || bare(one, other) || bare(other, one)
}

fn limit(asked: &Rights, shown: &ShownRights, grant: &mut Grant) {
    match (asked.limit, shown.limit) {
        (None, _) | (Some(None), None | Some(None)) => {}
        (Some(None), Some(Some(got))) => {
            grant.narrower.push(format!("it has a spending limit of {got} USD where none was asked"));
        }
        (Some(Some(_)), None) => {
            grant.limit_missing = true;
            grant.unconfirmed.push("spending-limit");
        }
        (Some(Some(limit)), Some(None)) => {
            grant.limit_missing = true;
            grant.wider.push(format!("it has no spending limit where {limit} USD was asked"));
        }
        (Some(Some(limit)), Some(Some(got))) => {
            let found = format!("its spending limit is {got} USD where {limit} USD was asked");
            if got > limit + USD_ROUNDING {
                grant.wider.push(found);
            } else if got < limit - USD_ROUNDING {
                grant.narrower.push(found);
            }
        }
    }
    // Without a limit its reset says nothing.
    if asked.limit.flatten().is_some() {
        reset(asked.reset, shown.reset, grant);
    }
}

fn reset(asked: Option<Reset>, shown: Option<Reset>, grant: &mut Grant) {
    let reset = asked.unwrap_or(Reset::Never);
    let found = |got: Reset| format!("its limit resets {got:?} where {reset:?} was asked").to_lowercase();
    match shown {
        Some(got) if got > reset => grant.wider.push(found(got)),
        Some(got) if got < reset => grant.narrower.push(found(got)),
        None if reset != Reset::Never => grant.unconfirmed.push("limit-reset"),
        _ => {}
    }
}

fn expiry(asked: Option<Option<Timestamp>>, shown: Option<Option<Timestamp>>, grant: &mut Grant) {
    match (asked, shown) {
        (None, _) | (Some(None), None | Some(None)) => {}
        (Some(None), Some(Some(got))) => grant.narrower.push(format!("it expires {got} where no end was asked")),
        (Some(Some(_)), None) => grant.unconfirmed.push("expires-after"),
        (Some(Some(end)), Some(None)) => grant.wider.push(format!("it never expires where {end} was asked")),
        (Some(Some(end)), Some(Some(got))) => {
            let found = format!("it expires {got} where {end} was asked");
            if got > later(end, EXPIRY_ROUNDING) {
                grant.wider.push(found);
            } else if end > later(got, EXPIRY_ROUNDING) {
                grant.narrower.push(found);
            }
        }
    }
}

/// Whether a rights field grants more than the old key's: a larger number, a missing part, anything else that differs.
#[must_use]
pub fn is_wider(asked: &Value, got: &Value) -> bool {
    match (asked, got) {
        (Value::Number(asked), Value::Number(got)) => got.as_f64() > asked.as_f64(),
        (Value::Object(asked), Value::Object(got)) => asked.iter().any(|(field, value)| match got.get(field) {
            Some(got) => is_wider(value, got),
            None => !value.is_null(),
        }),
        (asked, got) => asked != got,
    }
}

/// Whether it grants less: a smaller number in it.
fn is_narrower(asked: &Value, got: &Value) -> bool {
    match (asked, got) {
        (Value::Number(asked), Value::Number(got)) => got.as_f64() < asked.as_f64(),
        (Value::Object(asked), Value::Object(got)) => {
            asked.iter().any(|(field, value)| got.get(field).is_some_and(|got| is_narrower(value, got)))
        }
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed parse fails the test")]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-12-01T00:00:00Z".parse().unwrap()
    }

    fn only(names: &[&str]) -> AllowList {
        AllowList::Only(names.iter().map(ToString::to_string).collect())
    }

    fn rate(requests: u32) -> std::collections::BTreeMap<String, Value> {
        [("rate_limit".to_owned(), serde_json::json!({"requests_per_minute": requests}))].into()
    }

    fn asked() -> Rights {
        Rights {
            providers: Some(only(&["openai"])),
            models: Some(only(&["a", "b"])),
            limit: Some(Some(10.0)),
            reset: Some(Reset::Monthly),
            expires_at: Some(Some(now())),
            other: rate(60),
        }
    }

    #[test]
    fn wider_grants_are_found() {
        let shown = ShownRights {
            providers: Some(only(&["openai", "google"])),
            models: Some(AllowList::All),
            limit: Some(Some(11.0)),
            reset: Some(Reset::Daily),
            expires_at: Some(None),
            other: rate(600),
        };
        let grant = compare(&asked(), &shown);
        assert_eq!((grant.wider.len(), grant.narrower.len()), (6, 0), "{grant:?}");
        let unlimited = ShownRights { limit: Some(None), ..shown };
        assert!(compare(&asked(), &unlimited).limit_missing);
    }

    #[test]
    fn narrower_grants_are_found() {
        let shown = ShownRights {
            providers: Some(only(&["google"])),
            models: Some(only(&["a"])),
            limit: Some(Some(9.0)),
            reset: Some(Reset::Never),
            expires_at: Some(Some("2026-11-30T00:00:00Z".parse().unwrap())),
            other: rate(30),
        };
        let grant = compare(&asked(), &shown);
        assert_eq!((grant.wider.len(), grant.narrower.len()), (1, 6), "{grant:?}");
        let free = Rights {
            providers: Some(AllowList::All),
            models: Some(AllowList::All),
            limit: Some(None),
            reset: None,
            expires_at: Some(None),
            ..Rights::default()
        };
        let grant = compare(&free, &shown);
        assert_eq!((grant.wider.len(), grant.narrower.len()), (0, 4), "{grant:?}");
        assert_eq!(compare(&Rights::default(), &shown), Grant::default(), "nothing was asked");
    }

    #[test]
    fn rounding_and_spelling_are_no_difference() {
        let asked = Rights { models: Some(only(&["openai/gpt-4o", "Claude"])), ..asked() };
        for (limit, seconds) in [(10.0, 0), (9.99, -60), (10.01, 60)] {
            let shown = ShownRights {
                providers: Some(only(&["OpenAI"])),
                models: Some(only(&["gpt-4o", "anthropic/claude"])),
                limit: Some(Some(limit)),
                reset: Some(Reset::Monthly),
                expires_at: Some(Some(now() + jiff::SignedDuration::from_secs(seconds))),
                other: rate(60),
            };
            assert_eq!(compare(&asked, &shown), Grant::default(), "{limit} {seconds}");
        }
        assert!(!is_same("openai/gpt-4o", "azure/gpt-4o") && !is_same("gpt-4o", "openai/gpt-4o-mini"));
    }

    #[test]
    fn what_is_hidden_is_not_confirmed() {
        let asked = Rights { reset: Some(Reset::Weekly), ..asked() };
        let hidden = compare(&asked, &ShownRights::default());
        let unconfirmed = [
            "allowed-providers",
            "allowed-models",
            "spending-limit",
            "limit-reset",
            "expires-after",
            "rights carried over from the old key",
        ];
        assert_eq!(hidden.unconfirmed, unconfirmed);
        assert!(hidden.wider.is_empty() && hidden.narrower.is_empty() && hidden.limit_missing);
    }
}
