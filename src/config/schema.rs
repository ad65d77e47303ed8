//! `keyrotor.schema.json`, made from the table of inputs. Part of the tests alone: the program carries no schema, and the file
//! is compared with what comes out here.

#![allow(clippy::indexing_slicing, reason = "a JSON object takes a new field so")]

use serde_json::{Map, Value, json};

use crate::cli::{Input, ValueKind};
use crate::config::fields::{Level, ROTATIONS};
use crate::store::target::Kind;

/// Where editors find it: in the branch of the major version, like the action itself.
const ADDRESS: &str = "https://raw.githubusercontent.com/keyrotor/keyrotor/v1/keyrotor.schema.json";

const ABOUT: &str = "Many rotations for one run of keyrotor. What stands at the top holds for each of them that does not \
     say otherwise.";

fn text(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": format!("^({pattern})$") })
}

/// What a value may be.
fn value(kind: ValueKind) -> Value {
    match kind {
        ValueKind::Boolean => json!({ "enum": [true, false, "true", "false"] }),
        ValueKind::Duration(words) => text(&[&["[0-9]+[smhdw]"], words].concat().join("|")),
        ValueKind::Usd => {
            json!({ "anyOf": [{ "type": "number", "minimum": 0 }, text("[0-9]+(\\.[0-9]+)?|none|inherit")] })
        }
        ValueKind::Count => {
            json!({ "anyOf": [{ "type": "integer", "minimum": 1, "maximum": 100 }, text("[0-9]{1,3}")] })
        }
        ValueKind::Choice(_, words) => json!({ "enum": words }),
        ValueKind::List => {
            let name = json!({
                "type": "string",
                "pattern": "^[^\\s,\\[\\]\"']+$",
                "not": { "enum": ["all", "inherit"] },
            });
            json!({ "anyOf": [{ "type": "string", "minLength": 1 }, { "type": "array", "minItems": 1, "items": name }] })
        }
        ValueKind::Targets => {
            let kinds = Kind::ALL.map(Kind::word).join("|");
            let target = json!({ "type": "string", "pattern": format!("^\\s*({kinds}):\\S") });
            let lines = json!({ "type": "string", "pattern": format!("(^|\\n)\\s*({kinds}):\\S") });
            json!({ "anyOf": [{ "type": "array", "minItems": 1, "items": target }, lines] })
        }
        ValueKind::Text(_, pattern) => text(pattern),
        ValueKind::Secret | ValueKind::Path => Value::Bool(false),
    }
}

fn field(row: &Input) -> (String, Value) {
    let default = row.default.map(|default| format!("Default: `{default}`"));
    let help = format!("{}.", row.help);
    let parts: Vec<&str> =
        [help.as_str(), row.more].into_iter().filter(|part| !part.is_empty()).chain(default.as_deref()).collect();
    let mut schema = value(row.kind);
    schema["description"] = parts.join(" ").into();
    (row.name.to_owned(), schema)
}

/// A mapping with the fields of a level; others are wrong.
fn mapping(level: Level, about: &str) -> Value {
    let fields: Map<String, Value> = level.rows().map(field).collect();
    json!({ "type": "object", "description": about, "properties": fields, "additionalProperties": false })
}

/// The schema as the file has it.
fn generated() -> Value {
    let mut rotation = mapping(Level::Rotation, "One rotation.");
    rotation["required"] = json!(["key-name"]);
    let mut schema = mapping(Level::Top, ABOUT);
    schema["properties"][ROTATIONS] = json!({
        "description": "The rotations, each independent of the others",
        "type": "array",
        "minItems": 1,
        "items": rotation,
    });
    schema["$schema"] = "http://json-schema.org/draft-07/schema#".into();
    schema["$id"] = ADDRESS.into();
    schema["title"] = "keyrotor config file".into();
    schema["required"] = json!([ROTATIONS]);
    schema
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

    use super::generated;

    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/keyrotor.schema.json");

    /// With `KEYROTOR_WRITE_SCHEMA=1` the file is written instead.
    #[test]
    fn the_file_is_what_the_table_says() {
        let text = serde_json::to_string_pretty(&generated()).unwrap() + "\n";
        if std::env::var("KEYROTOR_WRITE_SCHEMA").is_ok() {
            std::fs::write(FILE, &text).unwrap();
        }
        let written = std::fs::read_to_string(FILE).unwrap_or_default();
        assert!(
            written == text,
            "keyrotor.schema.json is out of date: KEYROTOR_WRITE_SCHEMA=1 cargo test --lib config::schema writes it"
        );
    }
}
