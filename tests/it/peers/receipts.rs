//! A receipt in the hands of in-toto's own library.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use keyrotor_fake::Dialect;
use serde_json::Value;

use crate::harness::Setting;
use crate::peers::programs;

/// What the library says of a statement; `None` where it refuses it.
fn read(statement: &str) -> Option<Value> {
    let mut reader = programs::python("receipt.py")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    reader.stdin.take().unwrap().write_all(statement.as_bytes()).unwrap();
    let said = reader.wait_with_output().unwrap();
    said.status.success().then(|| serde_json::from_slice(&said.stdout).unwrap())
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn in_toto_takes_a_receipt_for_a_statement_of_its_own() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    let ran = stage.action().input("receipt-file", "receipt.json").run();
    assert!(ran.rotated(), "{}", ran.log());
    let text = fs::read_to_string(stage.path("receipt.json")).unwrap();
    let seen = read(&text).unwrap_or_else(|| panic!("in-toto refuses {text}"));
    let receipt: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(seen["predicateType"], receipt["predicateType"]);
    let subjects = receipt["subject"].as_array().unwrap();
    assert_eq!(seen["subjects"].as_object().unwrap().len(), subjects.len(), "{subjects:?}");
    for subject in subjects {
        assert_eq!(seen["subjects"][subject["name"].as_str().unwrap()], subject["digest"]);
    }
    assert_eq!(
        read(&text.replace("predicateType", "predicateKind")),
        None,
        "a reader who takes everything proves nothing"
    );
}
