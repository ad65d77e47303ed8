//! `report.schema.json` and `receipt.schema.json`, made from the types of the report and of the receipt. Part of the tests
//! alone: the program carries no schema, and the files are compared with what comes out here.

#![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::Report;
use crate::receipt::{PREDICATE_TYPE, STATEMENT_TYPE, Statement};

/// Where other programs find it: in the branch of the major version, like the action itself.
const ADDRESS: &str = "https://raw.githubusercontent.com/keyrotor/keyrotor/v1/report.schema.json";
const ADDRESS_OF_RECEIPT: &str = "https://raw.githubusercontent.com/keyrotor/keyrotor/v1/receipt.schema.json";

/// Fields that are one word of a few, by where they stand.
fn words() -> Vec<(&'static str, Value)> {
    let outcomes = [
        "rotated",
        "not-due",
        "reenabled",
        "unchanged",
        "rolled-back",
        "attention",
        "audited",
        "watched",
        "verified",
        "invalid",
    ];
    let old_key = json!(["deleted", "disabled", "pending", "kept", "alive", "none", null]);
    vec![
        ("/properties/outcome", json!(outcomes)),
        ("/properties/old-key-status", old_key),
        ("/$defs/RotationRow/properties/outcome", json!(outcomes)),
        ("/$defs/TargetRow/properties/state", json!(["untouched", "new", "old", "either"])),
        ("/$defs/AlertRow/properties/fate", json!(["closed", "open", "alive", "planned"])),
        ("/$defs/FindingRow/properties/level", json!(["error", "warning", "note"])),
        ("/$defs/PrunedRow/properties/fate", json!(["planned", "disabled", "deleted", "spared", "failed"])),
        ("/$defs/KeyRow2/properties/limit-reset", json!(["daily", "weekly", "monthly", "none", null])),
    ]
}

fn generated() -> Value {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Report<'_>>();
    let mut schema = schema.to_value();
    for (at, allowed) in words() {
        schema.pointer_mut(at).unwrap().as_object_mut().unwrap().insert("enum".to_owned(), allowed);
    }
    let fields = schema.as_object_mut().unwrap();
    fields.insert("$id".to_owned(), ADDRESS.into());
    fields.insert("title".to_owned(), "Report of a run of keyrotor".into());
    schema
}

fn of_receipt() -> Value {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Statement<Value>>();
    let mut schema = schema.to_value();
    let fields = [
        ("/$defs/Predicate/properties/report", json!({ "$ref": ADDRESS })),
        ("/properties/_type", json!({ "const": STATEMENT_TYPE })),
        ("/properties/predicateType", json!({ "const": PREDICATE_TYPE })),
        ("/$defs/DigestSet/properties/sha256/pattern", json!("^[0-9a-f]{64}$")),
        ("/$id", ADDRESS_OF_RECEIPT.into()),
        ("/title", "Receipt of a run of keyrotor".into()),
    ];
    for (at, value) in fields {
        let (parent, name) = at.rsplit_once('/').unwrap();
        schema.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(name.to_owned(), value);
    }
    schema
}

mod tests;
