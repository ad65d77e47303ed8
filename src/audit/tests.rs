#![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

use super::*;
use crate::rotation::model::tests::row as plain;
use crate::rotation::model::{AllowList, Reset, RightsTaken};

const NOW: &str = "2026-12-17T09:00:00Z";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A key that no rule has anything against.
fn fine(name: &str, created: &str) -> KeyRow {
    let mut row = plain(name, created);
    row.rights.limit = Some(Some(100.0));
    row.rights.providers = Some(AllowList::Only(["openai".to_owned()].into()));
    row
}

fn listing(keys: Vec<KeyRow>) -> Listing {
    let takes = RightsTaken { providers: true, models: true, limit: true, reset: true, expiry: true };
    Listing { keys, date: at(NOW), dated_within: Duration::ZERO, may_rename: true, takes }
}

fn assessed(keys: Vec<KeyRow>, rotations: &[Rotation]) -> Assessment {
    let criteria = Criteria { old_after: DAY * 90, unused_after: DAY * 30 };
    assess(listing(keys), rotations, &criteria, None)
}

/// Rule, level and reason of each finding about one key.
fn found(change: impl FnOnce(&mut KeyRow)) -> Vec<(&'static str, Level, String)> {
    let mut row = fine("billing-v2", "2026-12-10T09:00:00Z");
    change(&mut row);
    told(assessed(vec![row], &[]))
}

fn told(assessment: Assessment) -> Vec<(&'static str, Level, String)> {
    assessment
        .findings
        .into_iter()
        .map(|finding| (finding.rule.id(), finding.level, finding.reason.to_string()))
        .collect()
}

fn one(id: &'static str, level: Level, reason: &str) -> Vec<(&'static str, Level, String)> {
    vec![(id, level, reason.to_owned())]
}

fn rotation(name: &str) -> Rotation {
    Rotation {
        key_name: name.to_owned(),
        targets: vec![format!("repo:acme/{name}")],
        grace: Some(DAY),
        line: 3,
        ..Rotation::default()
    }
}

#[test]
fn a_key_that_is_in_order_is_no_finding() {
    assert_eq!(found(|_| {}), []);
}

#[test]
fn old_keys() {
    let old = |made: &str| found(|row| row.created_at = Some(at(made)));
    assert_eq!(old("2026-09-18T09:00:01Z"), []);
    let reason = "it is 90 days old; `old-after` is 90 days";
    assert_eq!(old("2026-09-18T09:00:00Z"), one("old-key", Level::Warning, reason));
    let management = found(|row| (row.kind, row.created_at) = (KeyKind::Management, Some(at("2025-12-17T09:00:00Z"))));
    assert_eq!(management, one("old-key", Level::Warning, "it is 365 days old; `old-after` is 90 days"));
}

#[test]
fn unused_keys() {
    let used = |last: &str| {
        found(|row| {
            row.created_at = Some(at("2026-10-01T00:00:00Z"));
            row.last_used_at = Some(at(last));
        })
    };
    assert_eq!(used("2026-11-17T09:00:01Z"), []);
    let reason = "it was last used 30 days ago; `unused-after` is 30 days";
    assert_eq!(used("2026-11-17T09:00:00Z"), one("unused-key", Level::Warning, reason));
    let criteria = Criteria { old_after: DAY * 90, unused_after: DAY * 10 };
    let mut row = fine("billing-v2", "2026-10-01T00:00:00Z");
    (row.usage, row.usage_monthly) = (Some(3.0), Some(0.0));
    let reason = "nothing was spent with it for 16 days at least; `unused-after` is 10 days";
    let manager = KeyRow { kind: KeyKind::Management, ..row.clone() };
    assert_eq!(told(assess(listing(vec![row]), &[], &criteria, None)), one("unused-key", Level::Warning, reason));
    assert_eq!(told(assess(listing(vec![manager]), &[], &criteria, None)), [], "a management key spends nothing");
}

#[test]
fn keys_that_were_never_used() {
    let spent = |usage, made: &str| found(|row| (row.usage, row.created_at) = (Some(usage), Some(at(made))));
    assert_eq!(spent(0.0, "2026-12-10T09:00:01Z"), [], "it is young");
    assert_eq!(spent(0.1, "2026-12-01T09:00:00Z"), []);
    let reason = "it was made 16 days ago and nothing was ever spent with it";
    assert_eq!(spent(0.0, "2026-12-01T09:00:00Z"), one("never-used-key", Level::Warning, reason));
    let used = KeyRow { last_used_at: Some(at(NOW)), ..fine("other-v1", "2026-12-10T09:00:00Z") };
    let never = fine("billing-v2", "2026-12-01T09:00:00Z");
    let manager = KeyRow { kind: KeyKind::Management, ..fine("root-v1", "2026-12-01T09:00:00Z") };
    let reason = "it was made 16 days ago and was never used";
    assert_eq!(told(assessed(vec![used, never, manager], &[])), one("never-used-key", Level::Warning, reason));
}

#[test]
fn keys_without_a_limit_or_a_list() {
    let unlimited = found(|row| row.rights.limit = Some(None));
    assert_eq!(unlimited, one("no-spending-limit", Level::Warning, "it has no spending limit"));
    assert_eq!(found(|row| row.rights.limit = None), [], "not shown is not unlimited");
    let open = found(|row| row.rights.providers = Some(AllowList::All));
    assert_eq!(open, one("no-allow-list", Level::Note, "it may use every provider and every model"));
    assert_eq!(found(|row| (row.rights.providers, row.rights.models) = (None, None)), [], "the issuer has no lists");
    let manager = found(|row| {
        row.kind = KeyKind::Management;
        row.name = "root".to_owned();
        (row.rights.limit, row.rights.providers) = (Some(None), Some(AllowList::All));
    });
    assert_eq!(manager, [], "a management key calls no models");
}

#[test]
fn keys_that_expire() {
    let expires = |end: &str| found(|row| row.rights.expires_at = Some(Some(at(end))));
    assert_eq!(expires("2026-12-31T09:00:01Z"), []);
    let reason = "it expires in 14 days, 2026-12-31 09:00 UTC";
    assert_eq!(expires("2026-12-31T09:00:00Z"), one("expires-soon", Level::Warning, reason));
    let reason = "it expires in 36 hours, 2026-12-18 21:00 UTC";
    assert_eq!(expires("2026-12-18T21:00:00Z"), one("expires-soon", Level::Error, reason));
    assert_eq!(expires("2026-12-15T09:00:00Z"), one("left-over-key", Level::Note, "it expired 2 days ago"));
}

#[test]
fn keys_that_are_switched_off_are_left_overs_and_nothing_else() {
    let off = found(|row| {
        row.disabled = true;
        row.name = "old".to_owned();
        row.created_at = Some(at("2025-01-01T00:00:00Z"));
        row.rights.limit = Some(None);
    });
    assert_eq!(off, one("left-over-key", Level::Note, "it is switched off; it was last changed 7 days ago"));
}

#[test]
fn limits_that_are_nearly_spent() {
    let left = |left: f64, reset| found(|row| (row.limit_remaining, row.rights.reset) = (Some(left), Some(reset)));
    assert_eq!(left(10.01, Reset::Never), []);
    assert_eq!(left(9.5, Reset::Never), one("near-limit", Level::Warning, "9.50 USD of its limit of 100 USD are left"));
    let reason = "its limit of 100 USD is spent, until it starts anew on the 1st";
    assert_eq!(left(0.0, Reset::Monthly), one("near-limit", Level::Error, reason));
    let by_usage = |change: fn(&mut KeyRow)| found(change).len();
    assert_eq!(
        by_usage(|row| (row.usage, row.usage_daily, row.rights.reset) = (Some(950.0), Some(1.0), Some(Reset::Daily))),
        0
    );
    assert_eq!(by_usage(|row| row.usage = Some(95.0)), 1);
    assert_eq!(by_usage(|row| (row.usage, row.rights.reset) = (Some(95.0), None)), 0, "nobody knows what counts");
}

#[test]
fn names_that_tell_nothing() {
    let name = |name: &str| found(|row| row.name = name.to_owned()).len();
    for told in ["app-v2", "app V10", "app-2026-12", "app_20261201", "v3", "app-2026-12-01-7f3a9c", "2026/12 app"] {
        assert_eq!(name(told), 0, "{told}");
    }
    for untold in ["app", "", "app-2026", "app-2026-13", "vault", "app-7", "dev2", "20260-1"] {
        assert_eq!(name(untold), 1, "{untold}");
    }
}

#[test]
fn a_replaced_key_has_its_grace_and_a_day() {
    let family = |replaced: &str| {
        vec![fine("app-2026-12-01-aaaaaa", "2026-12-01T00:00:00Z"), fine("app-2026-12-02-bbbbbb", replaced)]
    };
    assert_eq!(told(assessed(family("2026-12-15T09:00:00Z"), &[])), []);
    let reason = "it was replaced 3 days ago in the family `app` and is still alive";
    let several = one("several-live-keys", Level::Warning, reason);
    assert_eq!(told(assessed(family("2026-12-14T09:00:00Z"), &[])), several);
    let with_grace = |grace| [Rotation { grace, ..rotation("app") }];
    assert_eq!(told(assessed(family("2026-12-14T09:00:00Z"), &with_grace(Some(DAY * 3)))), []);
    assert_eq!(told(assessed(family("2026-12-02T09:00:00Z"), &with_grace(None))), [], "kept as asked");
    assert_eq!(told(assessed(family("2026-12-14T09:00:00Z"), &with_grace(Some(DAY)))), several);
}

#[test]
fn a_run_that_did_not_finish() {
    let left = |made: &str| {
        let keys = vec![
            fine("app-2026-12-01-aaaaaa", "2026-12-01T00:00:00Z"),
            fine("app-2026-12-17-bbbbbb-unconfirmed", made),
        ];
        assessed(keys, &[rotation("app")])
    };
    assert_eq!(told(left("2026-12-17T08:30:00Z")), [], "it may be at work");
    let findings = left("2026-12-17T06:00:00Z").findings;
    assert_eq!(findings.len(), 1);
    let finding = findings.first().unwrap();
    assert_eq!(&*finding.reason, "a run of the family `app` made it 3 hours ago and did not finish");
    assert_eq!(finding.rotation, Some(("app".to_owned(), 3)));
    assert!(finding.advice.contains("Run the rotation `app`"), "{}", finding.advice);
}

#[test]
fn what_the_config_file_tells() {
    let mut staging = rotation("staging");
    staging.environments = ["production", "staging"].map(str::to_owned).into();
    let by_hand = fine("by-hand-v1", "2026-12-10T00:00:00Z");
    let adopts = Rotation { replaces: Some(by_hand.id.clone()), ..rotation("adopting") };
    let keys = vec![fine("staging-2026-12-10-aaaaaa", "2026-12-10T00:00:00Z"), by_hand];
    let assessment = assessed(keys, &[rotation("production"), staging, adopts]);
    let targets: Vec<_> = assessment.keys.iter().map(|key| key.targets.join(" ")).collect();
    assert_eq!(targets, ["repo:acme/adopting", "repo:acme/staging"]);
    let shared = "the key of the rotation `staging` serves several environments (production, staging)";
    let expected = [
        ("no-key", Level::Error, "no live key is named after the rotation `production`".to_owned()),
        ("shared-across-environments", Level::Warning, shared.to_owned()),
    ];
    let key = assessment.findings.last().unwrap().key.clone().unwrap();
    assert_eq!(key.1, "staging-2026-12-10-aaaaaa");
    assert_eq!(told(assessment), expected);
}

#[test]
fn a_rotation_whose_newest_key_is_dead_has_none() {
    let older = || fine("app-2026-12-14-aaaaaa", "2026-12-14T09:00:00Z");
    let mut expired = fine("app-2026-12-15-bbbbbb", "2026-12-15T09:00:00Z");
    expired.rights.expires_at = Some(Some(at("2026-12-16T09:00:00Z")));
    let off = KeyRow { disabled: true, ..fine("app-2026-12-15-bbbbbb", "2026-12-15T09:00:00Z") };
    for (dead, how) in [(expired, "it has expired"), (off, "it is switched off")] {
        let assessment = assessed(vec![older(), dead], &[rotation("app")]);
        let targets: Vec<_> = assessment.keys.iter().map(|key| key.targets.join(" ")).collect();
        assert_eq!(targets, ["", "repo:acme/app"]);
        let finding = assessment.findings.first().unwrap();
        assert_eq!((finding.rule, finding.level), (Rule::NoKey, Level::Error));
        assert_eq!(finding.key.as_ref().unwrap().1, "app-2026-12-15-bbbbbb");
        assert_eq!(*finding.reason, *format!("it is the newest key of the rotation `app`, and {how}"));
        let left_over = assessment.findings.iter().find(|it| it.rule == Rule::LeftOver).unwrap();
        assert!(left_over.advice.starts_with("Run the rotation `app` before you delete it"), "{}", left_over.advice);
    }
    let replaces = Rotation { replaces: Some(older().id), ..rotation("other") };
    assert_eq!(told(assessed(vec![older()], &[replaces])), [], "a live key of another name");
}

#[test]
fn the_worst_comes_first() {
    let assessment = assessed(vec![KeyRow { limit_remaining: Some(0.0), ..fine("app", "2026-01-01T00:00:00Z") }], &[]);
    let levels: Vec<_> = assessment.findings.iter().map(|finding| finding.level).collect();
    assert_eq!(levels, [Level::Error, Level::Warning, Level::Note]);
}

#[test]
fn a_rotation_is_overdue_a_week_after_its_key_was_to_be_replaced() {
    let with = |made: &str, after: Option<Duration>| {
        let rotation = Rotation { rotate_after: after, ..rotation("production") };
        let name = format!("production-{}-aaaaaa", made.get(..10).unwrap());
        told(assessed(vec![fine(&name, made)], &[rotation]))
    };
    let month = Some(DAY * 30);
    assert_eq!(with("2026-11-10T10:00:00Z", month), []);
    let reason = "it is 37 days old; `rotate-after` is 30 days";
    assert_eq!(with("2026-11-10T09:00:00Z", month), one("overdue-rotation", Level::Error, reason));
    assert_eq!(with("2026-11-10T09:00:00Z", None), []);
    // One that was replaced is told otherwise.
    let keys = vec![
        fine("production-2026-11-09-aaaaaa", "2026-11-09T09:00:00Z"),
        fine("production-2026-12-16-bbbbbb", "2026-12-16T12:00:00Z"),
    ];
    assert_eq!(told(assessed(keys, &[Rotation { rotate_after: month, ..rotation("production") }])), []);
}

#[test]
fn an_account_whose_jobs_could_do_without_a_key_is_told_so_once() {
    let criteria = Criteria { old_after: DAY * 90, unused_after: DAY * 30 };
    let keys = || vec![fine("billing-v2", "2026-12-10T09:00:00Z"), fine("search-v1", "2026-12-10T09:00:00Z")];
    let with = |keys: Vec<KeyRow>, page| told(assess(listing(keys), &[], &criteria, page));
    let reason = "this issuer takes GitHub's OIDC token for one of its own, which lives for minutes";
    assert_eq!(with(keys(), Some("https://x.dev")), one("could-be-keyless", Level::Note, reason));
    assert_eq!((with(keys(), None), with(Vec::new(), Some("https://x.dev"))), (vec![], vec![]));
}
