//! What the answers to writes say.

use serde_json::Value;

use super::row::{self, Fields};
use crate::rotation::model::{CreatedKey, Renamed};
use crate::secret::Secret;

/// Whatever is shorter is no key; the known ones have 30 characters and more.
const SHORTEST_KEY: usize = 16;

/// Takes the value of a key that was just made out of the answer: it stands beside `data`, or in it. `None` where it is
/// missing, masked or cut.
pub(super) fn take_value(body: &mut Value) -> Option<Secret> {
    let beside = body.get_mut("key").map(Value::take);
    let inside = || body.get_mut("data").and_then(|data| data.get_mut("key")).map(Value::take);
    match beside.or_else(inside)? {
        Value::String(value) => Some(Secret::new(value)).filter(|value| usable(value.expose())),
        _ => None,
    }
}

/// A masked or cut value must never reach a target.
fn usable(value: &str) -> bool {
    value.len() >= SHORTEST_KEY && value.chars().all(|c| c.is_ascii_graphic() && c != '*') && !value.contains("...")
}

/// The whole of a new key; `None` where its answer has no id.
pub(super) fn created(body: &Value, value: Secret) -> Option<CreatedKey> {
    let fields = object(body)?;
    let id = row::id(fields).or_else(|| row::id(body.as_object()?))?;
    // Rights that make no sense count as not shown: the list is asked then.
    let rights = row::rights(fields).unwrap_or_default();
    Some(CreatedKey { id, value, rights })
}

/// The row in the answer to a rename.
pub(super) fn renamed(body: &Value) -> Option<Renamed> {
    let fields = object(body)?;
    Some(Renamed { name: row::text(fields, "name"), used: row::used(fields) })
}

/// Whether the row in the answer to a change shows the key switched off; `None` where it shows nothing of it.
pub(super) fn disabled(body: &Value) -> Option<bool> {
    object(body)?.get("disabled")?.as_bool()
}

/// Whether the answer to a delete says that the key is gone; `None` where it says nothing of the kind.
pub(super) fn deleted(body: &Value) -> Option<bool> {
    [body.get("data"), Some(body)].into_iter().flatten().find_map(|place| place.get("deleted")?.as_bool())
}

/// The object in `data`, else the answer itself.
pub(super) fn object(body: &Value) -> Option<&Fields> {
    body.get("data").and_then(Value::as_object).or_else(|| body.as_object())
}
