//! The body of a create, as ARouter and OpenRouter write it.

use jiff::Timestamp;
use serde_json::{Map, Number, Value};

use crate::http::Failure;
use crate::rotation::model::{AllowList, KeySpec, Reset, Rights};

/// The body of a create. What is unrestricted is left out: that is how the dialects write it.
pub(super) fn body(spec: &KeySpec, limit_name: &str) -> Result<Value, Failure> {
    let Rights { providers, models, limit, reset, expires_at, other } = &spec.rights;
    let mut body: Map<String, Value> = other.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    body.insert("name".to_owned(), spec.name.as_str().into());
    for (name, list) in [("allowed_providers", providers), ("allowed_models", models)] {
        if matches!(list, Some(AllowList::Only(names)) if names.is_empty()) {
            return Err(Failure::refused(format!("an empty `{name}` would allow everything")));
        }
        state(&mut body, name, list.as_ref().map(restriction));
    }
    let limit = limit.map(|limit| limit.map(number).transpose()).transpose()?;
    state(&mut body, limit_name, limit.map(|limit| limit.map(Value::Number)));
    state(&mut body, "limit_reset", reset.map(|reset| reset_word(reset).map(Value::from)));
    state(&mut body, "expires_at", expires_at.map(|end| end.map(|end| whole_seconds(end).to_string().into())));
    Ok(Value::Object(body))
}

/// A right that is stated replaces whatever was read under its name, also by leaving it out.
fn state(body: &mut Map<String, Value>, name: &str, right: Option<Option<Value>>) {
    match right {
        None => {}
        Some(None) => drop(body.remove(name)),
        Some(Some(value)) => drop(body.insert(name.to_owned(), value)),
    }
}

fn restriction(list: &AllowList) -> Option<Value> {
    match list {
        AllowList::All => None,
        AllowList::Only(names) => Some(names.iter().map(String::as_str).collect()),
    }
}

/// Rounded down: the key must not live longer than was asked.
fn whole_seconds(end: Timestamp) -> Timestamp {
    Timestamp::from_second(end.as_second()).unwrap_or(end)
}

fn reset_word(reset: Reset) -> Option<&'static str> {
    match reset {
        Reset::Never => None,
        Reset::Daily => Some("daily"),
        Reset::Weekly => Some("weekly"),
        Reset::Monthly => Some("monthly"),
    }
}

/// 500 dollars are sent as `500`, not as `500.0`, which a server that reads whole numbers would refuse.
fn number(usd: f64) -> Result<Number, Failure> {
    usd.to_string().parse().map_err(|_| Failure::refused(format!("{usd} is not a spending limit")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_body_names_each_right_that_restricts() {
        let only = |names: &[&str]| Some(AllowList::Only(names.iter().map(|name| (*name).to_owned()).collect()));
        let rights = Rights {
            providers: only(&["openai", "anthropic"]),
            models: only(&["gpt-5"]),
            limit: Some(Some(500.0)),
            reset: Some(Reset::Monthly),
            expires_at: Some("2027-01-01T00:00:00.7Z".parse().ok()),
            other: [("rate_limit".to_owned(), json!({"requests_per_minute": 60}))].into(),
        };
        let spec = KeySpec { name: "production-2026-12-01-7f3a9c-unconfirmed".into(), rights };
        let expected = json!({
            "name": "production-2026-12-01-7f3a9c-unconfirmed",
            "allowed_providers": ["anthropic", "openai"],
            "allowed_models": ["gpt-5"],
            "limit_usd": 500,
            "limit_reset": "monthly",
            "expires_at": "2027-01-01T00:00:00Z",
            "rate_limit": {"requests_per_minute": 60},
        });
        assert_eq!(body(&spec, "limit_usd"), Ok(expected));
    }

    #[test]
    fn what_is_unrestricted_is_left_out() {
        let rights = Rights {
            providers: Some(AllowList::All),
            models: None,
            limit: Some(None),
            reset: Some(Reset::Never),
            expires_at: Some(None),
            ..Rights::default()
        };
        assert_eq!(body(&KeySpec { name: "n".into(), rights }, "limit"), Ok(json!({"name": "n"})));
    }

    #[test]
    fn a_stated_right_replaces_what_was_read_and_an_empty_list_is_never_sent() {
        let other = [("allowed_models".to_owned(), json!("gpt-*")), ("limit_reset".to_owned(), json!("yearly"))];
        let mut rights = Rights { models: Some(AllowList::All), other: other.into(), ..Rights::default() };
        let read = KeySpec { name: "n".into(), rights: rights.clone() };
        assert_eq!(body(&read, "limit"), Ok(json!({"name": "n", "limit_reset": "yearly"})));
        rights.models = Some(AllowList::Only([].into()));
        assert!(body(&KeySpec { name: "n".into(), rights }, "limit").is_err());
    }

    #[test]
    fn money_keeps_its_digits() {
        for (usd, expected) in [(500.0, "500"), (0.1, "0.1"), (12.5, "12.5"), (0.0, "0")] {
            assert_eq!(number(usd).map(|number| number.to_string()), Ok(expected.to_owned()));
        }
        assert!(number(f64::NAN).is_err());
    }
}
