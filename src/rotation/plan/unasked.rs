//! Fields of a new key's row that nobody asked for, some of which may be rights.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

/// Seconds since 1970 from the year 2000 to the year 2100: a number in there is taken for a time.
const TIMES: std::ops::Range<f64> = 946_684_800.0..4_102_444_800.0;

/// What is to be said of such fields, each by its name; that of a member stands behind a dot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unasked {
    /// These may grant or forbid something.
    pub perhaps_rights: Vec<String>,
    /// These grant nothing: a counter at zero, a time, nothing at all.
    pub not_confirmed: Vec<String>,
}

impl Unasked {
    /// Weighs the fields of a new key. What the old key has too is neither wider nor narrower.
    pub fn weigh(&mut self, got: &BTreeMap<String, Value>, old: Option<&BTreeMap<String, Value>>) {
        for (name, value) in got {
            self.weigh_one(name, value, old.and_then(|old| old.get(name)));
        }
    }

    fn weigh_one(&mut self, name: &str, got: &Value, old: Option<&Value>) {
        match got {
            got if Some(got) == old => {}
            Value::Object(members) if !members.is_empty() => {
                for (member, value) in members {
                    self.weigh_one(&format!("{name}.{member}"), value, old.and_then(|old| old.get(member)));
                }
            }
            got if grants_nothing(got, old) => self.not_confirmed.push(name.to_owned()),
            _ => self.perhaps_rights.push(name.to_owned()),
        }
    }

    /// Forgets fields that the user accepts, whatever they hold.
    pub fn forget(&mut self, accepted: impl Fn(&str) -> bool) {
        let is_left = |name: &String| {
            let mut wholes = name.match_indices('.').map(|(at, _)| name.get(..at).unwrap_or_default());
            !accepted(name) && !wholes.any(&accepted)
        };
        self.perhaps_rights.retain(is_left);
        self.not_confirmed.retain(is_left);
    }
}

/// Empty, a time, or a count that does not reach beyond the old key's. Below zero often stands for "unlimited".
fn grants_nothing(got: &Value, old: Option<&Value>) -> bool {
    let count = |value: &Value| match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    };
    match got {
        Value::Null | Value::Bool(false) => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::String(text) if text.trim().is_empty() || text.trim().parse::<Timestamp>().is_ok() => true,
        got => count(got).is_some_and(|got| {
            let most = old.and_then(count).unwrap_or(0.0);
            (0.0..=most).contains(&got) || TIMES.contains(&got) || TIMES.contains(&(got / 1000.0))
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn weighed(got: &Value, old: &Value) -> Unasked {
        let fields = |value: &Value| BTreeMap::from([("f".to_owned(), value.clone())]);
        let mut unasked = Unasked::default();
        unasked.weigh(&fields(got), Some(&fields(old)));
        unasked
    }

    #[test]
    fn what_is_empty_or_counts_or_dates_grants_nothing() {
        for (got, old) in [
            (json!(null), json!(5)),
            (json!(false), json!(true)),
            (json!(0), json!(null)),
            (json!("0.00"), json!(null)),
            (json!([]), json!(["a"])),
            (json!({}), json!(null)),
            (json!(" "), json!(null)),
            (json!(7), json!(7.5)),
            (json!("2026-12-01T10:00:00+01:00"), json!(null)),
            (json!(1_796_000_000), json!(null)),
            (json!("1796000000123"), json!(null)),
        ] {
            let found = weighed(&got, &old);
            assert_eq!((found.perhaps_rights.len(), found.not_confirmed.len()), (0, 1), "{got} {old}");
        }
    }

    #[test]
    fn anything_else_may_be_a_right() {
        for (got, old) in [
            (json!(true), json!(false)),
            (json!(8), json!(7)),
            (json!(1), json!(null)),
            (json!(-1), json!(7)),
            (json!(["a"]), json!([])),
            (json!("gold"), json!("free")),
            (json!(5_000_000_000_000_000_u64), json!(1)),
        ] {
            let found = weighed(&got, &old);
            assert_eq!((found.perhaps_rights.len(), found.not_confirmed.len()), (1, 0), "{got} {old}");
            assert_eq!(weighed(&got, &got), Unasked::default(), "as the old key has it");
        }
    }

    #[test]
    fn members_are_weighed_and_accepted_by_their_own_names() {
        let mut found = weighed(&json!({"a": {"b": true, "c": 0}, "d": "x"}), &json!({"a": {"b": false}, "d": "x"}));
        assert_eq!(
            (found.perhaps_rights.clone(), found.not_confirmed.clone()),
            (vec!["f.a.b".into()], vec!["f.a.c".into()])
        );
        found.forget(|name| name == "f.a.b");
        assert!(found.perhaps_rights.is_empty() && found.not_confirmed.len() == 1);
        found.forget(|name| name == "f");
        assert_eq!(found, Unasked::default());
    }
}
