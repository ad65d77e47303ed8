//! The pictures in summaries, drawn by the real Mermaid in a real browser, as GitHub draws them.
//!
//! Those in the README are made here too: `tests/peers/pictures` does it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use keyrotor_fake::Dialect;
use serde_json::Value;

use crate::harness::{Ran, Setting, Stage};
use crate::peers::programs;

/// Where the README's pictures are to be written, if they are.
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("KEYROTOR_WRITE_PICTURES")?;
    Some(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))
}

/// Every picture of a run's summary, drawn.
fn drawn(stage: &Stage, ran: &Ran, name: &str) -> Vec<Value> {
    let path = stage.path("summary.md");
    std::fs::write(&path, &ran.summary).unwrap();
    let mut browser = programs::mermaid(&path);
    if let Some(folder) = folder() {
        browser.arg(folder).arg(name);
    }
    let drawn = programs::json_of(&mut browser).as_array().unwrap().clone();
    assert_eq!(drawn.len(), ran.summary.matches("```mermaid").count());
    for picture in &drawn {
        assert_eq!((&picture["error"], &picture["bomb"]), (&Value::Null, &0.into()), "{picture}\n{}", ran.summary);
        let is_wide = |side: &str| picture[side].as_f64().unwrap() > 100.0;
        assert!(is_wide("width") && is_wide("height"), "{picture}");
    }
    drawn
}

fn texts(picture: &Value) -> Vec<&str> {
    picture["texts"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// First cells of the rows of a table.
fn column(summary: &str, head: &str, at: usize) -> Vec<String> {
    let rows = summary.split(head).nth(1).unwrap_or_else(|| panic!("no {head} in {summary}")).lines().skip(1);
    let cells = |row: &str| row.split('|').nth(at + 1).map(|cell| cell.trim().to_owned());
    rows.take_while(|row| row.starts_with('|')).filter_map(cells).collect()
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn the_timeline_draws_every_step_of_a_rotation_and_of_one_that_is_undone() {
    // For people, a fleet at the speed of real servers. A run of less than ten seconds has no picture.
    let (count, latency, patience) = if folder().is_some() { (40, 1_800, "10s") } else { (2, 1_800, "10s") };
    let repos: Vec<_> = (1..=count).map(|n| format!("acme/service-{n}")).collect();
    let repos: Vec<_> = repos.iter().map(String::as_str).collect();
    let stage = Setting::new(Dialect::Mgmt).repos(&repos).input("request-timeout", patience).with_current_key().stage();
    stage.world.by_hand(|state| state.latency = Duration::from_millis(latency));
    for (fault, name, status) in [("", "rotation", 0), ("github:PUT:2:status=403", "undone", 1)] {
        if !fault.is_empty() {
            stage.world.fault(fault);
        }
        stage.world.advance(Duration::from_secs(3600));
        let ran = stage.run();
        assert_eq!(ran.status(), status, "{}", ran.log());
        let drawn = drawn(&stage, &ran, name);
        assert_eq!(drawn.len(), 1);
        assert_eq!(drawn[0]["kind"], "gantt");
        let head = "| Step | After | Took |\n";
        let (steps, took) = (column(&ran.summary, head, 0), column(&ran.summary, head, 2));
        let told: Vec<_> = steps.iter().zip(&took).map(|(step, took)| format!("{step}, {took}")).collect();
        assert!(told.len() >= 5 && (status == 0 || steps.iter().any(|step| step == "undo")), "{told:?}");
        let shown = texts(&drawn[0]);
        assert!(told.iter().all(|step| shown.contains(&step.as_str())), "{told:?} is not all in {shown:?}");
        assert_eq!(drawn[0]["bars"], told.len());
    }
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn the_ages_are_drawn_as_the_table_tells_them() {
    let stage = Setting::new(Dialect::Mgmt).input("command", "audit").input("key-name", "").input("targets", "");
    let stage = stage.input("verify-timeout", "").deployed(None).stage();
    stage.world.by_hand(|state| {
        let now = state.issuer.clock.now();
        for (nth, days) in [1, 3, 12, 20, 25, 28, 40, 61, 75, 100, 150, 200, 400].into_iter().enumerate() {
            state.issuer.seed_key(&format!("service-{nth}"), |key| {
                key.created_at = now - SignedDuration::from_hours(24 * days);
            });
        }
    });
    let ran = stage.run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    let drawn = drawn(&stage, &ran, "ages");
    assert_eq!(drawn.len(), 1);
    assert_eq!(drawn[0]["kind"], "xychart");
    let head = "| under 7 d | 7-30 d | 30-90 d | 90-180 d | 180-365 d | over 365 d |\n";
    let counts: Vec<_> = (0..6).map(|at| column(&ran.summary, head, at).concat()).collect();
    assert_eq!(counts, ["3", "4", "3", "2", "1", "1"], "the management key is young");
    let shown = texts(&drawn[0]);
    for label in head.trim_matches(['|', ' ', '\n']).split(" | ").chain(["Live keys by age"]) {
        assert!(shown.contains(&label), "{label} is not in {shown:?}");
    }
    assert_eq!(drawn[0]["bars"], 6);
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn a_judge_who_takes_every_picture_proves_nothing() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    let path = stage.path("wrong.md");
    std::fs::write(&path, "```mermaid\ngantt\n    nonsense : : :\n    dateFormat\n```\n").unwrap();
    let drawn = programs::json_of(&mut programs::mermaid(&path));
    assert!(drawn[0]["error"].is_string(), "{drawn}");
}
