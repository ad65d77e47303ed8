#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails here has failed")]

use std::collections::BTreeSet;

use super::*;
use crate::config::file::{OpenRouter, Own, Settings};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/keyrotor.schema.json");

/// With `KEYROTOR_WRITE_SCHEMA=1` the file is written instead.
#[test]
fn the_file_is_what_the_types_say() {
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

fn names(schema: &Value, at: &str) -> BTreeSet<String> {
    schema.pointer(at).unwrap().as_object().unwrap().keys().cloned().collect()
}

#[test]
fn the_schema_has_the_fields_that_are_read() {
    let schema = generated();
    let both = Settings::NAMES.iter().chain(OpenRouter::NAMES);
    let top: BTreeSet<String> = both.clone().chain(&["rotations"]).map(|name| (*name).to_owned()).collect();
    assert_eq!(names(&schema, "/properties"), top);
    let own = Own::NAMES.iter().chain(&["targets"]).chain(both);
    let rotation: BTreeSet<String> = own.map(|name| (*name).to_owned()).collect();
    assert_eq!(names(&schema, "/properties/rotations/items/properties"), rotation);
    assert_eq!(schema.pointer("/properties/rotations/items/required"), Some(&json!(["key-name"])));
    assert_eq!(schema.pointer("/properties/rotations/items/additionalProperties"), Some(&json!(false)));
}

#[test]
fn every_field_is_described_and_none_may_be_null() {
    let schema = generated();
    for at in ["/properties", "/properties/rotations/items/properties"] {
        for (name, field) in schema.pointer(at).unwrap().as_object().unwrap() {
            assert!(field.get("description").is_some_and(Value::is_string), "{name}");
        }
    }
    assert!(!schema.to_string().contains("null"));
}
