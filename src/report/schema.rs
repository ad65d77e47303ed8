//! `report.schema.json`, made from the types of the report. Part of the tests alone: the program carries no schema, and the
//! file is compared with what comes out here.

#![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::samples::{attention, not_due, pending, planned, rolled_back, rotated, unchanged};
use super::{Ending, Report, json as report_of};
use crate::secret::Redactor;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/report.schema.json");
/// Where other programs find it: in the branch of the major version, like the action itself.
const ADDRESS: &str = "https://raw.githubusercontent.com/keyrotor/keyrotor/v1/report.schema.json";

/// Fields that are one word of a few, by where they stand.
fn words() -> Vec<(&'static str, Value)> {
    let outcomes = ["rotated", "not-due", "reenabled", "unchanged", "rolled-back", "attention", "audited", "invalid"];
    let old_key = json!(["deleted", "disabled", "pending", "kept", "alive", "none", null]);
    vec![
        ("/properties/outcome", json!(outcomes)),
        ("/properties/old-key-status", old_key),
        ("/$defs/RotationRow/properties/outcome", json!(outcomes)),
        ("/$defs/TargetRow/properties/state", json!(["untouched", "new", "old", "either"])),
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

/// With `KEYROTOR_WRITE_SCHEMA=1` the file is written instead.
#[test]
fn the_file_is_what_the_types_say() {
    let text = serde_json::to_string_pretty(&generated()).unwrap() + "\n";
    if std::env::var("KEYROTOR_WRITE_SCHEMA").is_ok() {
        std::fs::write(FILE, &text).unwrap();
    }
    let written = std::fs::read_to_string(FILE).unwrap_or_default();
    let how = "KEYROTOR_WRITE_SCHEMA=1 cargo test --lib report::schema writes it";
    assert!(written == text, "report.schema.json is out of date: {how}");
}

#[test]
fn every_report_is_one_that_the_schema_describes() {
    let judge = jsonschema::validator_for(&generated()).unwrap();
    let all = [rotated(), pending(), not_due(), planned(), unchanged(), rolled_back(), attention()];
    let mut endings: Vec<_> =
        all.iter().map(|outcome| Ending::ran(std::slice::from_ref(outcome), &Redactor::new())).collect();
    endings.push(Ending::ran(&all, &Redactor::new()));
    endings.push(Ending::invalid(&["key-name: is required".to_owned()], &Redactor::new()));
    for ending in &endings {
        let report: Value = serde_json::from_str(&report_of(ending, usize::MAX)).unwrap();
        let wrong: Vec<_> = judge.iter_errors(&report).map(|error| error.to_string()).collect();
        assert_eq!(wrong, [""; 0], "{report}");
    }
    let told: Value = json!({ "version": 1, "outcome": "fine" });
    assert!(!judge.is_valid(&told), "a judge who takes everything proves nothing");
}
