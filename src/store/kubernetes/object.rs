//! A Secret as the API server shows it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;

use super::cluster::MANAGER;
use crate::secret::Secret;

/// `fieldManager` takes no longer name.
const LONGEST_MANAGER: usize = 128;

/// What a Secret says of one of its keys.
pub(super) struct Seen {
    /// The value; `None` where the key is not there.
    pub(super) value: Option<Secret>,
    /// When it was last written.
    pub(super) written: Timestamp,
    /// What a guarded write names.
    pub(super) version: String,
    /// What a guarded delete names beside it.
    pub(super) uid: String,
    /// Nobody may change it.
    pub(super) immutable: bool,
    /// As whom the key is to be written, since a manager has one time for all its fields: [`MANAGER`], and where that one
    /// manages another key, one for this key alone.
    pub(super) manager: String,
    /// There is no other key in it, and nobody else has ever written to it.
    pub(super) is_ours_alone: bool,
}

/// Reads one key of a Secret; `None` where that makes no sense of one.
pub(super) fn seen(object: &Value, key: &str) -> Option<Seen> {
    let metadata = object.get("metadata")?;
    let text = |name: &str| metadata.get(name).and_then(Value::as_str);
    let data = object.get("data").and_then(Value::as_object);
    let value = match data.and_then(|data| data.get(key)) {
        None => None,
        Some(value) => Some(Secret::new(String::from_utf8_lossy(&STANDARD.decode(value.as_str()?).ok()?).into_owned())),
    };
    let managers = managers(metadata);
    Some(Seen {
        value,
        written: written(&managers, key).or_else(|| text("creationTimestamp")?.parse().ok())?,
        version: text("resourceVersion")?.to_owned(),
        uid: text("uid")?.to_owned(),
        immutable: object.get("immutable").and_then(Value::as_bool).unwrap_or_default(),
        is_ours_alone: data.is_some_and(|data| data.keys().all(|name| name == key))
            && managers.iter().all(|manager| name_of(manager).is_some_and(is_ours)),
        manager: manager(&managers, key),
    })
}

fn managers(metadata: &Value) -> Vec<&Value> {
    metadata.get("managedFields").and_then(Value::as_array).into_iter().flatten().collect()
}

fn name_of(manager: &Value) -> Option<&str> {
    manager.get("manager").and_then(Value::as_str)
}

fn is_ours(name: &str) -> bool {
    name.strip_prefix(MANAGER).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn manager(managers: &[&Value], key: &str) -> String {
    let field = format!("f:{key}");
    let manages_others = |manager: &Value| {
        let fields = manager.get("fieldsV1").and_then(|fields| fields.get("f:data")).and_then(Value::as_object);
        let mut names = fields.into_iter().flatten().map(|(name, _)| name.as_str());
        names.any(|name| name.starts_with("f:") && name != field)
    };
    let mut ours = managers.iter().copied().filter(|manager| name_of(manager) == Some(MANAGER));
    if ours.any(manages_others) {
        format!("{MANAGER}.{key}").chars().take(LONGEST_MANAGER).collect()
    } else {
        MANAGER.to_owned()
    }
}

/// When whoever manages the key last wrote it. Where nobody is said to, the last write of any.
fn written(managers: &[&Value], key: &str) -> Option<Timestamp> {
    let time = |manager: &&Value| manager.get("time").and_then(Value::as_str)?.parse().ok();
    let field = format!("f:{key}");
    let has_it = |manager: &Value| {
        ["f:data", "f:stringData"].iter().any(|data| {
            let fields = manager.get("fieldsV1").and_then(|fields| fields.get(data));
            fields.is_some_and(|fields| fields.get(&field).is_some())
        })
    };
    let of_key = managers.iter().copied().filter(|manager| has_it(manager)).filter_map(|manager| time(&manager)).max();
    of_key.or_else(|| managers.iter().filter_map(time).max())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

    use super::*;
    use serde_json::json;

    fn manager(name: &str, time: &str, keys: &[&str]) -> Value {
        let keys: serde_json::Map<_, _> = keys.iter().map(|key| (format!("f:{key}"), json!({}))).collect();
        json!({ "manager": name, "operation": "Update", "time": time, "fieldsV1": { "f:data": keys } })
    }

    fn secret(managers: &[Value]) -> Value {
        json!({
            "kind": "Secret",
            "metadata": {
                "uid": "u", "resourceVersion": "7", "creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": managers,
            },
            "data": { "key": "dmFsdWU=", "other": "eA==" },
        })
    }

    #[test]
    fn a_key_was_written_when_its_manager_last_wrote() {
        let managers = [
            manager("helm", "2026-01-02T00:00:00Z", &["key", "other"]),
            manager(MANAGER, "2026-01-03T00:00:00Z", &["key"]),
            manager("kubectl-edit", "2026-01-04T00:00:00Z", &["other"]),
        ];
        let seen = seen(&secret(&managers), "key").unwrap();
        assert_eq!((seen.value.unwrap().expose(), seen.version.as_str()), ("value", "7"));
        assert_eq!(seen.written.to_string(), "2026-01-03T00:00:00Z");
        assert!(!seen.immutable && !seen.is_ours_alone);
    }

    #[test]
    fn a_manager_of_its_own_keeps_the_time_of_a_key_apart_from_that_of_another_one_of_ours() {
        let of = |managers: &[Value]| seen(&secret(managers), "key").unwrap().manager;
        let time = "2026-01-03T00:00:00Z";
        assert_eq!(of(&[]), "keyrotor");
        assert_eq!(of(&[manager(MANAGER, time, &["key"]), manager("helm", time, &["other"])]), "keyrotor");
        assert_eq!(of(&[manager(MANAGER, time, &["other"])]), "keyrotor.key");
        assert_eq!(of(&[manager(MANAGER, time, &["key", "other"])]), "keyrotor.key");
        assert_eq!(of(&[manager("keyrotor.other", time, &["other"])]), "keyrotor");
        let long = seen(&secret(&[manager(MANAGER, time, &["other"])]), &"k".repeat(253)).unwrap().manager;
        assert_eq!(long.len(), 128);
    }

    #[test]
    fn where_nobody_manages_it_the_last_write_counts_or_the_making() {
        let at = |managers: &[Value], key| seen(&secret(managers), key).unwrap().written.to_string();
        assert_eq!(at(&[manager("x", "2026-01-02T00:00:00Z", &["other"])], "key"), "2026-01-02T00:00:00Z");
        assert_eq!(at(&[], "absent"), "2026-01-01T00:00:00Z");
        assert!(seen(&json!({ "kind": "Secret" }), "key").is_none());
    }
}
