//! A row of the key list, in whatever dialect, as a [`KeyRow`].

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::http::one_line;
use crate::rotation::model::{AllowList, KeyId, KeyKind, KeyRow, Reset, ShownRights};

/// A JSON object.
pub(super) type Fields = Map<String, Value>;

/// The names of the spending limit, the one that tells most about the dialect first.
pub(super) const LIMITS: [&str; 3] = ["limit_usd", "spending_limit", "limit"];
const PROVIDERS: &str = "allowed_providers";
const MODELS: &str = "allowed_models";
const RESET: &str = "limit_reset";
const EXPIRY: &str = "expires_at";
pub(super) use crate::rotation::model::INCLUDE_BYOK;

/// Fields that grant nothing: what a key is and how it was used, in ARouter's documentation and SDKs, in OpenRouter's
/// OpenAPI document and in its SDK `@openrouter/sdk`.
const NO_RIGHTS: [&str; 29] = [
    "hash",
    "id",
    "name",
    "label",
    "key_type",
    "is_management_key",
    "is_provisioning_key",
    "is_free_tier",
    "disabled",
    "created_at",
    "updated_at",
    "last_used_at",
    "limit_remaining",
    "usage",
    "usage_daily",
    "usage_weekly",
    "usage_monthly",
    "byok_usage",
    "byok_usage_daily",
    "byok_usage_weekly",
    "byok_usage_monthly",
    "creator_user_id",
    "external_user",
    "workspace_id",
    EXPIRY,
    RESET,
    LIMITS[0],
    LIMITS[1],
    LIMITS[2],
];

/// The longest name of an unknown field that is shown.
const LONGEST_NAME: usize = 64;

/// OpenRouter: the workspace that a key belongs to.
pub(super) const WORKSPACE: &str = "workspace_id";
/// OpenRouter: what a key is bound to, and its successor too. The guardrails of the member who made it apply to it.
pub(super) const CARRIED: [&str; 2] = ["creator_user_id", WORKSPACE];

/// Which fields for rights an issuer was seen to show. A row without such a field has this right unset; without it,
/// nobody knows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shown([bool; 7]);

/// The fields that [`Shown`] knows.
const RIGHTS: [&str; 7] = [LIMITS[0], LIMITS[1], LIMITS[2], PROVIDERS, MODELS, RESET, EXPIRY];

impl Shown {
    /// What this object shows.
    pub(super) fn of(fields: &Fields) -> Self {
        Self(RIGHTS.map(|name| fields.contains_key(name)))
    }

    pub(super) fn learn(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(known, new)| *known |= new);
    }

    pub(super) fn has(&self, name: &str) -> bool {
        RIGHTS.iter().zip(self.0).any(|(known, shown)| shown && *known == name)
    }

    fn has_limit(&self) -> bool {
        LIMITS.iter().any(|name| self.has(name))
    }
}

/// The handle of a key: `hash`, else `id`.
pub(super) fn id(fields: &Fields) -> Option<KeyId> {
    let id = ["hash", "id"].iter().find_map(|name| fields.get(*name)?.as_str().filter(|id| !id.is_empty()))?;
    Some(KeyId(id.to_owned()))
}

/// A row as it was read, before it is known which rights the issuer shows.
pub(super) type ReadRow = (Result<KeyRow, String>, Shown);

/// Reads a row. The error says which field makes no sense.
pub(super) fn read(id: &KeyId, fields: &Fields) -> ReadRow {
    (row(id.clone(), fields), Shown::of(fields))
}

fn row(id: KeyId, fields: &Fields) -> Result<KeyRow, String> {
    let name = fields.get("name").and_then(Value::as_str).ok_or("has no name")?.to_owned();
    Ok(KeyRow {
        id,
        name,
        label: text(fields, "label"),
        kind: kind(fields),
        disabled: truthy(fields.get("disabled")),
        created_at: time(fields, "created_at")?,
        updated_at: time(fields, "updated_at")?,
        last_used_at: time(fields, "last_used_at")?,
        usage_daily: spent(fields, "usage_daily"),
        usage_weekly: spent(fields, "usage_weekly"),
        usage_monthly: spent(fields, "usage_monthly"),
        usage: spent(fields, "usage"),
        limit_remaining: fields.get("limit_remaining").and_then(number),
        rights: rights(fields)?,
        unknown: unknown(fields),
    })
}

/// What is known neither as a right nor as anything else.
fn unknown(fields: &Fields) -> BTreeMap<String, Value> {
    let unknown = fields.iter().filter(|(name, _)| !NO_RIGHTS.contains(&name.as_str()) && !carries_rights(name));
    unknown.map(|(name, value)| (one_line(name).chars().take(LONGEST_NAME).collect(), value.clone())).collect()
}

/// What an object shows of a key's rights.
pub(super) fn rights(fields: &Fields) -> Result<ShownRights, String> {
    let mut other = other(fields);
    Ok(ShownRights {
        providers: allowed(fields, PROVIDERS, &mut other),
        models: allowed(fields, MODELS, &mut other),
        limit: limit(fields)?,
        reset: reset(fields, &mut other),
        expires_at: match time(fields, EXPIRY)? {
            Some(end) => Some(Some(end)),
            None => fields.contains_key(EXPIRY).then_some(None),
        },
        other,
    })
}

/// The same where other rows tell that the issuer shows a right: there its absence means that it is unset. What is there
/// and can't be read stays unknown.
pub(super) fn complete(rights: &mut ShownRights, shown: &Shown) {
    let is_unset = |name: &str| shown.has(name) && !rights.other.contains_key(name);
    let (providers, models, never) = (is_unset(PROVIDERS), is_unset(MODELS), is_unset(RESET));
    rights.providers = rights.providers.take().or(providers.then_some(AllowList::All));
    rights.models = rights.models.take().or(models.then_some(AllowList::All));
    rights.reset = rights.reset.or(never.then_some(Reset::Never));
    rights.limit = rights.limit.or(shown.has_limit().then_some(None));
    rights.expires_at = rights.expires_at.or(shown.has(EXPIRY).then_some(None));
}

/// Whether the object shows that the key was used: by a time, or by an amount that is not zero.
pub(super) fn used(fields: &Fields) -> Option<bool> {
    let by_time = fields.get("last_used_at").map(|_| time(fields, "last_used_at").ok().flatten().is_some());
    let spent = ["usage", "byok_usage"].map(|name| fields.get(name).filter(|usage| !usage.is_null()).map(any_usage));
    let spent = spent.into_iter().flatten().reduce(|one, other| one || other);
    match (by_time, spent) {
        (None, None) => None,
        (time, spent) => Some(time == Some(true) || spent == Some(true)),
    }
}

fn any_usage(usage: &Value) -> bool {
    match usage {
        Value::Object(parts) => parts.values().any(|part| number(part).is_some_and(|part| part > 0.0)),
        plain => number(plain).is_some_and(|amount| amount > 0.0),
    }
}

/// Text where it has any.
pub(super) fn text(fields: &Fields, name: &str) -> Option<String> {
    fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(ToOwned::to_owned)
}

pub(super) fn kind(fields: &Fields) -> KeyKind {
    let said = text(fields, "key_type").unwrap_or_default().to_ascii_lowercase();
    let flagged = ["is_management_key", "is_provisioning_key"].iter().any(|name| truthy(fields.get(*name)));
    if flagged || ["management", "provisioning", "admin"].contains(&said.as_str()) {
        KeyKind::Management
    } else {
        KeyKind::Regular
    }
}

fn truthy(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(yes)) => *yes,
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

/// USD spent, also what OpenRouter counts apart (`byok_usage`): calls that the account's own provider keys paid for.
fn spent(fields: &Fields, name: &str) -> Option<f64> {
    let own = fields.get(&format!("byok_{name}")).and_then(number).unwrap_or_default();
    fields.get(name).and_then(amount).map(|spent| spent + own)
}

/// USD: a number, or the `cost` in an object.
fn amount(value: &Value) -> Option<f64> {
    number(value.get("cost").unwrap_or(value))
}

/// RFC 3339 with any offset, or seconds since 1970. A time that is no later than that is how some languages write "unset".
fn time(fields: &Fields, name: &str) -> Result<Option<Timestamp>, String> {
    let parsed = match fields.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(raw)) if raw.trim().is_empty() => return Ok(None),
        Some(Value::String(raw)) => raw.trim().parse().ok().or_else(|| epoch(raw.trim().parse().ok()?)),
        Some(value) => value.as_f64().and_then(epoch),
    };
    let parsed = parsed.ok_or_else(|| format!("has a `{name}` that is no time with a zone"))?;
    Ok((parsed > Timestamp::UNIX_EPOCH).then_some(parsed))
}

/// No key was made before the year 5138, so larger numbers are milliseconds.
fn epoch(seconds: f64) -> Option<Timestamp> {
    let seconds = if seconds.abs() >= 1e11 { seconds / 1000.0 } else { seconds };
    Timestamp::UNIX_EPOCH.checked_add(jiff::SignedDuration::try_from_secs_f64(seconds).ok()?).ok()
}

fn limit(fields: &Fields) -> Result<Option<Option<f64>>, String> {
    let mut present = LIMITS.iter().filter_map(|name| Some((name, fields.get(*name)?))).peekable();
    if present.peek().is_none() {
        return Ok(None);
    }
    match present.find(|(_, value)| !value.is_null()) {
        None => Ok(Some(None)),
        Some((name, value)) => {
            number(value).map(|usd| Some(Some(usd))).ok_or_else(|| format!("has a `{name}` that is no number"))
        }
    }
}

/// A list; null and an empty list restrict nothing. What is no list of names is kept as it came.
fn allowed(fields: &Fields, name: &str, other: &mut BTreeMap<String, Value>) -> Option<AllowList> {
    match fields.get(name)? {
        Value::Null => Some(AllowList::All),
        value => match names(value) {
            Some(names) if names.is_empty() => Some(AllowList::All),
            Some(names) => Some(AllowList::Only(names)),
            None => {
                other.insert(name.to_owned(), value.clone());
                None
            }
        },
    }
}

fn names(value: &Value) -> Option<BTreeSet<String>> {
    value.as_array()?.iter().map(|name| name.as_str().map(ToOwned::to_owned)).collect()
}

fn reset(fields: &Fields, other: &mut BTreeMap<String, Value>) -> Option<Reset> {
    let raw = match fields.get(RESET)? {
        Value::Null => return Some(Reset::Never),
        raw => raw,
    };
    match raw.as_str().unwrap_or_default().to_ascii_lowercase().as_str() {
        "never" | "none" => Some(Reset::Never),
        "monthly" => Some(Reset::Monthly),
        "weekly" => Some(Reset::Weekly),
        "daily" => Some(Reset::Daily),
        _ => {
            other.insert(RESET.to_owned(), raw.clone());
            None
        }
    }
}

fn carries_rights(name: &str) -> bool {
    matches!(name, "rate_limit" | "permissions" | "scopes" | INCLUDE_BYOK)
        || ["allowed_", "denied_", "blocked_", "max_"].iter().any(|start| name.starts_with(start))
}

/// Fields that carry rights although no documentation names them, as they came.
fn other(fields: &Fields) -> BTreeMap<String, Value> {
    fields
        .iter()
        .filter(|(name, value)| {
            carries_rights(name) && ![PROVIDERS, MODELS].contains(&name.as_str()) && !value.is_null()
        })
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: &Value) -> Fields {
        value.as_object().cloned().unwrap_or_default()
    }

    fn read(value: &Value) -> Result<ShownRights, String> {
        rights(&fields(value))
    }

    #[test]
    fn times_come_in_many_ways() {
        let at = |value: Value| time(&fields(&json!({"t": value})), "t").map(|time| time.map(|time| time.as_second()));
        for (value, expected) in [
            (json!("2026-11-01T00:00:00Z"), Some(1_793_491_200)),
            (json!("2026-11-01T02:00:00.25+02:00"), Some(1_793_491_200)),
            (json!(1_793_491_200), Some(1_793_491_200)),
            (json!("1793491200"), Some(1_793_491_200)),
            (json!(1_793_491_200_500_u64), Some(1_793_491_200)),
            (json!("0001-01-01T00:00:00Z"), None),
            (json!(0), None),
            (json!(""), None),
            (json!(null), None),
        ] {
            assert_eq!(at(value.clone()), Ok(expected), "{value}");
        }
        for wrong in [json!("2026-11-01T00:00:00"), json!("soon"), json!(true), json!(1e300)] {
            assert!(at(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_not_shown_is_not_known_unless_another_row_shows_it() {
        assert_eq!(read(&json!({})), Ok(ShownRights::default()));
        let shown = Shown::of(&fields(&json!({"spending_limit": 5, "allowed_models": ["m"], "limit_reset": "daily"})));
        let unset = rights(&Fields::new()).map(|mut rights| {
            complete(&mut rights, &shown);
            rights
        });
        let expected = ShownRights {
            limit: Some(None),
            models: Some(AllowList::All),
            reset: Some(Reset::Never),
            ..ShownRights::default()
        };
        assert_eq!(unset, Ok(expected));
        let mut odd =
            read(&json!({"allowed_models": "gpt-*", "limit_reset": "yearly", "limit": 5})).unwrap_or_default();
        complete(&mut odd, &shown);
        assert_eq!(
            (odd.models, odd.reset, odd.limit),
            (None, None, Some(Some(5.0))),
            "what can't be read is not unset"
        );
    }

    #[test]
    fn limits_and_lists_are_read_in_every_spelling() {
        for (value, expected) in [
            (json!({"limit": 5}), Some(Some(5.0))),
            (json!({"limit": "5.50"}), Some(Some(5.5))),
            (json!({"limit": null, "limit_usd": 7}), Some(Some(7.0))),
            (json!({"spending_limit": null}), Some(None)),
            (json!({"limit": 0}), Some(Some(0.0))),
        ] {
            assert_eq!(read(&value).map(|rights| rights.limit), Ok(expected), "{value}");
        }
        assert!(read(&json!({"limit": "lots"})).is_err());
        let odd = json!({"allowed_models": "gpt-*", "limit_reset": "yearly", "max_tokens": 5, "scopes": null});
        let kept: Vec<_> = read(&odd).map(|rights| rights.other.into_keys().collect()).unwrap_or_default();
        assert_eq!(kept, ["allowed_models", "limit_reset", "max_tokens"]);
    }

    #[test]
    fn a_field_that_no_documentation_names_is_kept() {
        let known = json!({
            "hash": "h", "name": "n", "limit": 1, "limit_reset": null, "expires_at": null, "usage": 0, "rate_limit": {},
            "allowed_models": [], "scopes": [], "workspace_id": "w", "include_byok_in_limit": false,
        });
        let mut fields = fields(&known);
        let unknown = |fields: &Fields| {
            let (row, _) = super::read(&KeyId("h".into()), fields);
            row.map(|row| row.unknown.into_iter().collect::<Vec<_>>())
        };
        assert_eq!(unknown(&fields), Ok(Vec::new()));
        fields.insert("region\nlock".to_owned(), json!("eu"));
        assert_eq!(unknown(&fields), Ok(vec![("region lock".to_owned(), json!("eu"))]));
    }

    #[test]
    fn management_keys_are_told_by_what_is_said_of_them_alone() {
        for (value, expected) in [
            (json!({"key_type": "management"}), KeyKind::Management),
            (json!({"is_provisioning_key": true}), KeyKind::Management),
            (json!({"key_type": "regular", "is_management_key": false}), KeyKind::Regular),
            (json!({"label": "lr_mgmt_ab...yz"}), KeyKind::Regular),
        ] {
            assert_eq!(kind(&fields(&value)), expected, "{value}");
        }
    }
}
