use super::super::samples::{attention, not_due, pending, planned, rolled_back, rotated, unchanged};
use super::super::{Ending, Origin, json as report_of, receipt};
use super::*;
use crate::receipt::{Digested, IssuedBy, WorkflowRun};
use crate::secret::Redactor;

/// With `KEYROTOR_WRITE_SCHEMA=1` the files are written instead.
#[test]
fn the_files_are_what_the_types_say() {
    for (file, schema) in [("report.schema.json", generated()), ("receipt.schema.json", of_receipt())] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var("KEYROTOR_WRITE_SCHEMA").is_ok() {
            std::fs::write(&path, &text).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        let how = "KEYROTOR_WRITE_SCHEMA=1 cargo test --lib report::schema writes it";
        assert!(written == text, "{file} is out of date: {how}");
    }
}

#[test]
fn every_receipt_is_one_that_the_schema_describes() {
    let of_report = jsonschema::Registry::new().add(ADDRESS, generated()).unwrap().prepare().unwrap();
    let judge = jsonschema::options().with_registry(&of_report).build(&of_receipt()).unwrap();
    for outcomes in [vec![rotated()], vec![pending(), attention()], vec![unchanged()]] {
        let ending = Ending::ran(&outcomes, &Redactor::new());
        let text = receipt(&ending, &origin(), &Redactor::new());
        let receipt: Value = serde_json::from_str(&text).unwrap();
        let wrong: Vec<_> = judge.iter_errors(&receipt).map(|error| error.to_string()).collect();
        assert_eq!(wrong, [""; 0], "{receipt}");
    }
    let mut other: Value =
        serde_json::from_str(&receipt(&Ending::ran(&[rotated()], &Redactor::new()), &origin(), &Redactor::new()))
            .unwrap();
    *other.pointer_mut("/predicate/report/outcome").unwrap() = "fine".into();
    assert!(!judge.is_valid(&other), "a judge who takes everything proves nothing");
}

fn origin() -> Origin {
    let at = "2026-12-01T02:17:00Z".parse().unwrap();
    let issuer = |name: &str| IssuedBy {
        rotation: name.to_owned(),
        issuer: "arouter".to_owned(),
        url: "https://api.arouter.ai/".to_owned(),
        workspace: None,
    };
    Origin {
        started_at: at,
        finished_at: at,
        run: WorkflowRun::default(),
        inputs: vec![Digested::of("rotate-after", b"30d")],
        issuers: vec![issuer("production")],
    }
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
