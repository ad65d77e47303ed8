use super::super::samples::{attention, not_due, pending, planned, rolled_back, rotated, unchanged};
use super::super::{Ending, json as report_of};
use super::*;
use crate::secret::Redactor;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/report.schema.json");

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
