#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::time::Duration;

use serde_json::{Value, json};

use super::claims::of_statement;
use super::*;
use crate::rotation::model::{KeyId, KeyKind, KeyRow, Listing, RightsTaken, ShownRights};
use crate::rotation::outcome::Finding;

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn listed(id: &str, disabled: bool) -> KeyRow {
    KeyRow {
        id: KeyId(id.to_owned()),
        name: format!("production-{id}"),
        label: None,
        kind: KeyKind::Regular,
        disabled,
        created_at: Some(time("2026-11-01T02:17:00Z")),
        updated_at: None,
        last_used_at: None,
        usage_daily: None,
        usage_weekly: None,
        usage_monthly: None,
        usage: None,
        limit_remaining: None,
        rights: ShownRights::default(),
        unknown: Default::default(),
    }
}

fn listing(keys: Vec<KeyRow>) -> Listing {
    Listing {
        keys,
        date: time("2026-12-01T02:17:00Z"),
        dated_within: Duration::ZERO,
        may_rename: true,
        takes: RightsTaken { providers: true, models: true, limit: true, reset: true, expiry: true },
    }
}

fn report(fate: &str, until: Option<&str>) -> Value {
    json!({
        "exit-code": 0,
        "rotations": [{
            "key-name": "production", "outcome": "rotated", "dry-run": false, "new-key-id": "key_2",
            "old-key-id": "key_1", "old-key-status": "deleted", "looked-at": "2026-11-01T02:17:00Z",
        }],
        "targets": [{ "rotation": "production", "name": "repo:acme/app", "state": "new" }],
        "keys": [{
            "rotation": "production", "id": "key_1", "name": "production-key_1", "created-at": "2026-11-01T02:17:00Z",
            "fate": fate, "until": until, "refused-since": null,
        }],
        "steps": [],
    })
}

/// What is found of a key that is claimed to be this, where the list has this.
fn found(fate: &str, until: Option<&str>, row: Option<bool>) -> Finding {
    let claimed: Claimed = serde_json::from_value(report(fate, until)).unwrap();
    let checks =
        compare(&claimed, "production", &listing(row.map(|disabled| listed("key_1", disabled)).into_iter().collect()));
    assert_eq!(checks.len(), 1);
    checks[0].check.finding
}

#[test]
fn a_claim_is_compared_with_what_the_list_says_now() {
    use Finding::{Failed, Open, Passed};
    let (gone, off, alive) = (None, Some(true), Some(false));
    let (past, ahead) = (Some("2026-11-02T00:00:00Z"), Some("2027-01-01T00:00:00Z"));
    for (fate, until, row, expected) in [
        ("deleted", None, gone, Passed),
        ("deleted", None, off, Failed),
        ("deleted", None, alive, Failed),
        ("new-revoked", None, gone, Passed),
        ("new-revoked", None, alive, Failed),
        ("disabled", None, off, Passed),
        ("disabled", None, gone, Passed),
        ("disabled", None, alive, Failed),
        ("pending", ahead, alive, Passed),
        ("pending", past, alive, Failed),
        ("pending", past, off, Passed),
        ("pending", past, gone, Passed),
        ("new", None, alive, Passed),
        ("new", None, gone, Open),
        ("new", None, off, Open),
        ("current", None, alive, Passed),
        ("kept", None, gone, Open),
    ] {
        assert_eq!(found(fate, until, row), expected, "{fate} until {until:?}, disabled {row:?}");
    }
}

#[test]
fn another_key_under_the_same_id_and_keys_of_others() {
    let claimed: Claimed = serde_json::from_value(report("new", None)).unwrap();
    let mut other = listed("key_1", false);
    other.created_at = Some(time("2026-11-09T00:00:00Z"));
    let checks = compare(&claimed, "production", &listing(vec![other]));
    assert_eq!(checks[0].check.finding, Finding::Failed);
    let foreign: Claimed = serde_json::from_value(report("foreign", None)).unwrap();
    assert_eq!(compare(&foreign, "production", &listing(Vec::new())), []);
    assert_eq!(compare(&claimed, "staging", &listing(Vec::new())), []);
}

#[test]
fn subjects_that_are_not_those_of_the_report_are_told() {
    let url = "https://api.arouter.ai/";
    let subjects =
        [Digested::rotation("production", url), Digested::key("key_1", url), Digested::target("repo:acme/app")];
    let statement = |subject: &[Digested]| Statement::<Claimed> {
        statement_type: STATEMENT_TYPE.to_owned(),
        subject: subject.to_vec(),
        predicate_type: PREDICATE_TYPE.to_owned(),
        predicate: Predicate {
            keyrotor_version: "1.0.0".to_owned(),
            started_at: time("2026-11-01T02:17:00Z"),
            finished_at: time("2026-11-01T02:18:00Z"),
            run: WorkflowRun::default(),
            inputs: Vec::new(),
            issuers: vec![IssuedBy {
                rotation: "production".to_owned(),
                issuer: "arouter".to_owned(),
                url: url.to_owned(),
                workspace: None,
            }],
            report: serde_json::from_value(report("deleted", None)).unwrap(),
        },
    };
    assert_eq!(of_statement(&statement(&subjects))[0].check.finding, Finding::Passed);
    assert_eq!(of_statement(&statement(&subjects[..2]))[0].check.finding, Finding::Failed);
    let mut forged = subjects.clone();
    forged[1].digest.sha256 = forged[0].digest.sha256.clone();
    assert_eq!(of_statement(&statement(&forged))[0].check.finding, Finding::Failed);
    let told = claims(&statement(&subjects)).join("\n");
    assert!(told.contains("1 of 1 targets hold it: repo:acme/app.") && told.contains("key_1: deleted."), "{told}");
}
