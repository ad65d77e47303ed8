//! A Secret as the API server shows it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;

use super::cluster::MANAGER;
use super::writers::{Writer, is_ours, managers, manages, name_of, writers};
use crate::http::one_line;
use crate::rotation::model::Entry;
use crate::secret::Secret;
use crate::store::target::Kind;

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
    /// Since when it is being deleted.
    pub(super) deleted: Option<String>,
    /// Who else writes it.
    pub(super) writers: Vec<Writer>,
    /// Its other keys.
    pub(super) others: Vec<Entry>,
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
        Some(value) => Some(decoded(value)?),
    };
    let managers = managers(metadata);
    Some(Seen {
        value,
        written: written(&managers, key).or_else(|| text("creationTimestamp")?.parse().ok())?,
        version: text("resourceVersion")?.to_owned(),
        uid: text("uid")?.to_owned(),
        immutable: object.get("immutable").and_then(Value::as_bool).unwrap_or_default(),
        deleted: text("deletionTimestamp").map(one_line),
        writers: writers(metadata, key),
        others: entries(object).into_iter().filter(|entry| entry.name != key).collect(),
        is_ours_alone: data.is_some_and(|data| data.keys().all(|name| name == key))
            && managers.iter().all(|manager| name_of(manager).is_some_and(is_ours)),
        manager: manager(&managers, key),
    })
}

/// Every key of a Secret, as a target names it.
pub(super) fn entries(object: &Value) -> Vec<Entry> {
    let metadata = object.get("metadata").unwrap_or(&Value::Null);
    let text = |name: &str| metadata.get(name).and_then(Value::as_str).unwrap_or_default();
    let (namespace, name, managers) = (text("namespace"), text("name"), managers(metadata));
    let entry = |(key, value): (&String, &Value)| Entry {
        name: key.clone(),
        target: format!("{}:{namespace}/{name}#{key}", Kind::Kubernetes),
        value: decoded(value).filter(|value| !value.expose().is_empty()),
        written: written(&managers, key).or_else(|| text("creationTimestamp").parse().ok()),
    };
    let data = object.get("data").and_then(Value::as_object);
    data.into_iter().flatten().map(entry).collect()
}

/// Whatever is no text is none of ours, and read as near as it can be.
fn decoded(value: &Value) -> Option<Secret> {
    Some(Secret::new(String::from_utf8_lossy(&STANDARD.decode(value.as_str()?).ok()?).into_owned()))
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
    let of_key = managers.iter().filter(|manager| manages(manager, key)).filter_map(time).max();
    of_key.or_else(|| managers.iter().filter_map(time).max())
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "a test that fails here has failed"
    )]

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
    fn every_other_key_is_handed_over_with_its_value_and_time() {
        let managers = [
            manager("helm", "2026-01-02T00:00:00Z", &["key"]),
            manager("kubectl-edit", "2026-01-04T00:00:00Z", &["other"]),
        ];
        let mut object = secret(&managers);
        object["metadata"]["namespace"] = "prod".into();
        object["metadata"]["name"] = "app".into();
        object["data"]["empty"] = "".into();
        let others = seen(&object, "key").unwrap().others;
        let [empty, other] = others.as_slice() else { panic!("{others:?}") };
        assert_eq!((other.name.as_str(), other.target.as_str()), ("other", "kubernetes:prod/app#other"));
        assert_eq!(other.value.as_ref().map(Secret::expose), Some("x"));
        assert_eq!(other.written.unwrap().to_string(), "2026-01-04T00:00:00Z");
        assert_eq!(empty.value, None);
    }

    #[test]
    fn where_nobody_manages_it_the_last_write_counts_or_the_making() {
        let at = |managers: &[Value], key| seen(&secret(managers), key).unwrap().written.to_string();
        assert_eq!(at(&[manager("x", "2026-01-02T00:00:00Z", &["other"])], "key"), "2026-01-02T00:00:00Z");
        assert_eq!(at(&[], "absent"), "2026-01-01T00:00:00Z");
        assert!(seen(&json!({ "kind": "Secret" }), "key").is_none());
    }
}
