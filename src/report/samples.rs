//! Outcomes for the tests of this module.

use std::time::Duration;

use jiff::Timestamp;

use crate::rotation::model::KeyId;
use crate::rotation::outcome::{
    KeyFate, KeyReport, OldKeyStatus, Outcome, Problem, RunStatus, StepTime, StrayReason, TargetReport, TargetState,
};
use crate::rotation::step::Step;

pub(super) fn time(text: &str) -> Timestamp {
    text.parse().unwrap_or_default()
}

pub(super) fn key(id: &str, name: &str, fate: KeyFate) -> KeyReport {
    let created_at = Some(time("2026-07-01T08:00:00Z"));
    KeyReport { id: KeyId(id.into()), name: name.into(), created_at, last_used_at: None, fate, death: None }
}

pub(super) fn target(name: &str, state: TargetState, detail: Option<&str>) -> TargetReport {
    let took = (state != TargetState::Untouched).then_some(Duration::from_millis(340));
    TargetReport { name: name.into(), before: None, seen: false, state, took, detail: detail.map(Into::into) }
}

/// One old key deleted, two targets written.
pub(super) fn rotated() -> Outcome {
    Outcome {
        verdict: RunStatus::Rotated,
        key_name: "production".into(),
        reason: "The current key was 92 days old, and rotate-after is 30d.".into(),
        leak_open: false,
        not_due: false,
        rotated: true,
        new_key: Some((KeyId("key_new".into()), "production-2026-10-01-7f3a9c".into())),
        old_key: Some((KeyId("key_old".into()), "production-2026-07-01-aaaaaa".into())),
        old_key_status: OldKeyStatus::Deleted,
        retire_after: None,
        targets: vec![
            target("repo:acme/app AROUTER_API_KEY", TargetState::New, None),
            target("env:acme/app/production AROUTER_API_KEY", TargetState::New, None),
        ],
        keys: vec![
            key("key_new", "production-2026-10-01-7f3a9c", KeyFate::New),
            key("key_old", "production-2026-07-01-aaaaaa", KeyFate::Deleted),
        ],
        retired: Vec::new(),
        problems: Vec::new(),
        notices: Vec::new(),
        plan: Vec::new(),
        steps: vec![
            StepTime {
                step: Step::Observe,
                began: Duration::ZERO,
                at: time("2026-10-01T08:30:00Z"),
                took: Duration::from_millis(420),
            },
            StepTime {
                step: Step::Create,
                began: Duration::from_millis(420),
                at: time("2026-10-01T08:30:00Z"),
                took: Duration::from_millis(1_300),
            },
        ],
        interrupted: false,
        new_key_used: None,
        inputs: Vec::new(),
        at: None,
        checks: Vec::new(),
    }
}

/// The old key waits in grace.
pub(super) fn pending() -> Outcome {
    let until = time("2026-10-02T08:30:00Z");
    let mut outcome = rotated();
    outcome.old_key_status = OldKeyStatus::Pending;
    outcome.retire_after = Some(until);
    if let Some(old) = outcome.keys.last_mut() {
        old.fate = KeyFate::Pending { until, drains: false };
    }
    outcome
}

/// Nothing to do.
pub(super) fn not_due() -> Outcome {
    Outcome {
        verdict: RunStatus::NotDue,
        not_due: true,
        reason: "The current key is 3 days old, and rotate-after is 30d.".into(),
        rotated: false,
        new_key: None,
        old_key: Some((KeyId("key_old".into()), "production-2026-09-28-aaaaaa".into())),
        old_key_status: OldKeyStatus::Alive,
        targets: vec![target("repo:acme/app AROUTER_API_KEY", TargetState::Untouched, None)],
        keys: vec![key("key_old", "production-2026-09-28-aaaaaa", KeyFate::Current)],
        steps: Vec::new(),
        ..rotated()
    }
}

/// A dry run.
pub(super) fn planned() -> Outcome {
    Outcome {
        verdict: RunStatus::Planned,
        plan: vec!["Make a key named production-2026-10-01-7f3a9c.".into(), "Write it to 1 target.".into()],
        not_due: false,
        ..not_due()
    }
}

/// Failed before anything was made.
pub(super) fn unchanged() -> Outcome {
    let next = Some("Give the token the repository permission \"Secrets\" (write).".into());
    Outcome {
        verdict: RunStatus::Unchanged,
        reason: "A target could not be read.".into(),
        problems: vec![Problem { next, ..Problem::bare("repo:acme/app: GitHub answered 403 <Forbidden> | see @docs") }],
        not_due: false,
        ..not_due()
    }
}

/// Failed while writing, undone.
pub(super) fn rolled_back() -> Outcome {
    Outcome {
        verdict: RunStatus::RolledBack,
        targets: vec![
            target("repo:acme/app AROUTER_API_KEY", TargetState::Old, None),
            target("repo:acme/api AROUTER_API_KEY", TargetState::Old, Some("GitHub answered 403")),
        ],
        keys: vec![
            key("key_new", "production-2026-10-01-7f3a9c-unconfirmed", KeyFate::NewRevoked),
            key("key_old", "production-2026-07-01-aaaaaa", KeyFate::Current),
        ],
        ..unchanged()
    }
}

/// The old key could not be deleted, the new one is in place.
pub(super) fn attention() -> Outcome {
    let reason = StrayReason::Other("the issuer answered 500 to its deletion".into());
    Outcome {
        verdict: RunStatus::Attention,
        old_key_status: OldKeyStatus::Alive,
        keys: vec![
            key("key_new", "production-2026-10-01-7f3a9c", KeyFate::New),
            key("key_old", "production-2026-07-01-aaaaaa", KeyFate::Stray { reason }),
        ],
        problems: vec![Problem::bare("Key key_old could not be deleted: the issuer answered 500.")],
        notices: vec!["The new key has no spending limit.".into()],
        ..rotated()
    }
}
