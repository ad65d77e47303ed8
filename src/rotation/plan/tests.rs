//! Decisions, one observation each.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failed expectation fails the test")]

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::http::Refusal;
use crate::rotation::clock::{Clock, ServerClock};
use crate::rotation::model::tests::row;
use crate::rotation::model::{Contents, Entry, Guardrails, Held, KeyKind, Listing, RightsTaken};
use crate::rotation::plan::observation::{HeldKey, SeenTarget};
use crate::rotation::plan::pending::Standing;
use crate::rotation::policy::Wish;
use crate::rotation::policy::tests::policy;
use crate::secret::Secret;

const NOW: &str = "2026-12-01T12:00:00Z";
const CURRENT: &str = "production-2026-11-01-aaaaaa";
const DAY: Duration = Duration::from_secs(24 * 3600);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// These rows, and one target last written then.
fn seen(keys: Vec<KeyRow>, written: &[Option<&str>]) -> Observation {
    let read = Clock::starting_at(at(NOW)).now();
    let clock = ServerClock::new(at(NOW), read, Duration::ZERO);
    let takes = RightsTaken { providers: true, models: true, limit: true, reset: true, expiry: true };
    let targets = written.iter().enumerate().map(|(nth, written)| SeenTarget {
        in_use: None,
        rollout: None,
        dated: true,
        contents: Contents::default(),
        value_is: None,
        elsewhere: None,
        look_like_keys: BTreeSet::new(),
        name: format!("repo:acme/app{nth}"),
        held: written.map(at).map_or(Held::Nothing, Held::Since),
        last_write: written.map(at),
        last_write_at_latest: written.map(at),
        ended: None,
        clock,
    });
    Observation {
        guardrails: Ok(Guardrails::new()),
        listing: Listing { keys, date: at(NOW), dated_within: Duration::ZERO, may_rename: true, takes },
        clock,
        targets: targets.collect(),
        held: None,
        ended: read,
        use_asked: None,
    }
}

fn deployed() -> Observation {
    seen(vec![row(CURRENT, "2026-11-01T12:00:00Z")], &[Some("2026-11-01T12:00:00Z")])
}

fn rotation(plan: &Plan) -> &Rotate {
    match &plan.decision {
        Decision::Rotate(rotate) => rotate,
        other => panic!("{other:?}"),
    }
}

fn blocked(plan: &Plan) -> &Blocked {
    match &plan.decision {
        Decision::Blocked(blocked, _) => blocked,
        other => panic!("{other:?}"),
    }
}

fn attention(plan: &Plan) -> Vec<&str> {
    match &plan.decision {
        Decision::NotDue { attention, .. } => attention.iter().map(|blocked| blocked.what.as_str()).collect(),
        other => panic!("{other:?}"),
    }
}

fn young() -> Policy {
    Policy { rotate_after: 90 * DAY, ..policy() }
}

#[tokio::test]
async fn each_reason_makes_a_key_due() {
    let lacking = seen(deployed().listing.keys, &[Some("2026-11-01T12:00:00Z"), None]);
    let older = seen(deployed().listing.keys, &[Some("2026-11-01T12:00:00Z"), Some("2026-10-01T12:00:00Z")]);
    let mut unfinished = deployed();
    unfinished.listing.keys.push(row("production-2026-11-20-bbbbbb-unconfirmed", "2026-11-20T12:00:00Z"));
    let mut ending = deployed();
    ending.listing.keys[0].rights.expires_at = Some(Some(at("2026-12-06T12:00:00Z")));
    for (seen, policy, reason) in [
        (deployed(), policy(), "the current key is 30 d old"),
        (deployed(), Policy { leaked: true, ..young() }, "the key has leaked"),
        (unfinished, young(), "an earlier run did not finish"),
        (lacking, young(), "repo:acme/app1 does not hold the secret yet"),
        (older, young(), "repo:acme/app1 was last written before the current key was made"),
        (ending, young(), "the current key expires in 5 d"),
    ] {
        assert_eq!(rotation(&plan(&seen, &policy, Naming::Renaming)).due, reason);
    }
}

#[tokio::test]
async fn a_young_key_in_every_target_is_left_alone() {
    assert!(attention(&plan(&deployed(), &young(), Naming::Renaming)).is_empty());
}

#[tokio::test]
async fn a_secret_that_someone_else_wrote_is_named_where_nothing_is_due() {
    let drifted = seen(deployed().listing.keys, &[Some("2026-11-01T12:00:00Z"), Some("2026-11-01T12:06:00Z")]);
    let plan = plan(&drifted, &young(), Naming::Renaming);
    assert!(attention(&plan)[0].starts_with("repo:acme/app1 was written at"));
}

#[tokio::test]
async fn every_older_key_of_the_family_is_replaced_and_nothing_else() {
    let mut seen = deployed();
    seen.listing.keys.extend([
        row("production-2026-10-01", "2026-10-01T12:00:00Z"),
        row("production-2026-11-20-bbbbbb-unconfirmed", "2026-11-20T12:00:00Z"),
        row("production-eu-2026-10-01", "2026-10-01T12:00:00Z"),
        KeyRow { disabled: true, ..row("production-2026-09-01", "2026-09-01T12:00:00Z") },
        KeyRow { kind: KeyKind::Management, ..row("production-2026-08-01", "2026-08-01T12:00:00Z") },
    ]);
    let plan = plan(&seen, &policy(), Naming::Renaming);
    let names: Vec<_> = rotation(&plan).replaces.iter().map(|id| id.0.as_str()).collect();
    assert_eq!(names, ["production-2026-10-01", CURRENT, "production-2026-11-20-bbbbbb-unconfirmed"]);
}

#[tokio::test]
async fn the_target_not_written_for_longest_goes_first() {
    let written = [Some("2026-11-01T12:02:00Z"), Some("2026-11-01T12:00:00Z"), None, Some("2026-11-01T12:01:00Z")];
    let plan = plan(&seen(deployed().listing.keys, &written), &policy(), Naming::Renaming);
    assert_eq!(rotation(&plan).order, [2, 1, 3, 0]);
}

#[tokio::test]
async fn a_hand_made_key_is_adopted_where_it_is_named_or_provably_in_hand() {
    let hand_made = || seen(vec![row("Peter's key", "2026-11-01T12:00:00Z")], &[Some("2026-11-01T12:00:00Z")]);
    let id = KeyId("Peter's key".into());
    let named = Policy { replace_key_id: Some(id.clone()), ..policy() };
    let with_value = Policy { current_key: Some(Secret::new("lr_live_x".into())), ..policy() };
    let mut held = hand_made();
    held.held = Some(HeldKey { alive: Some(true), is: Some(id.clone()), perhaps: None, at: None });
    assert_eq!(rotation(&plan(&hand_made(), &named, Naming::Renaming)).adopt, Some(id.clone()));
    assert_eq!(rotation(&plan(&held, &with_value, Naming::Renaming)).adopt, Some(id));
    assert!(
        blocked(&plan(&held, &with_value, Naming::Immutable)).next.contains("replace-key-id"),
        "it can't be renamed"
    );
    assert!(
        blocked(&plan(&hand_made(), &policy(), Naming::Renaming)).next.contains("replace-key-id"),
        "nobody named it"
    );
}

#[tokio::test]
async fn a_value_that_is_not_the_key_named_stops_the_run() {
    let keys = vec![row("Peter's key", "2026-11-01T12:00:00Z"), row("Mary's key", "2026-11-01T12:00:00Z")];
    let mut seen = seen(keys, &[Some("2026-11-01T12:00:00Z")]);
    seen.held = Some(HeldKey { alive: Some(true), is: Some(KeyId("Mary's key".into())), perhaps: None, at: None });
    let policy = Policy {
        replace_key_id: Some(KeyId("Peter's key".into())),
        current_key: Some(Secret::new("lr_live_x".into())),
        ..policy()
    };
    assert!(blocked(&plan(&seen, &policy, Naming::Renaming)).what.contains("replace-key-id says Peter's key"));
}

#[tokio::test]
async fn a_living_value_from_outside_the_family_stops_the_run() {
    let mut seen = deployed();
    seen.listing.keys.push(row("Mary's key", "2026-11-01T12:00:00Z"));
    seen.held = Some(HeldKey { alive: Some(true), is: Some(KeyId("Mary's key".into())), perhaps: None, at: None });
    let policy = Policy { current_key: Some(Secret::new("lr_live_x".into())), ..policy() };
    assert!(blocked(&plan(&seen, &policy, Naming::Renaming)).what.contains("not of the family"));
}

#[tokio::test]
async fn a_first_key_needs_its_rights_and_targets_that_hold_nothing() {
    let stated = Policy {
        providers: Wish::Stated(crate::rotation::model::AllowList::All),
        models: Wish::Stated(crate::rotation::model::AllowList::All),
        limit: Wish::Stated(Some(10.0)),
        reset: Wish::Stated(crate::rotation::model::Reset::Monthly),
        expires_after: Wish::Stated(None),
        ..policy()
    };
    let empty = seen(Vec::new(), &[None]);
    assert_eq!(rotation(&plan(&empty, &stated, Naming::Renaming)).due, "this is the first key");
    let nothing_stated = plan(&empty, &policy(), Naming::Renaming);
    assert_eq!(blocked(&nothing_stated).what, "this is the first key: there is none whose rights it could inherit");
    let expected = "state allowed-providers, allowed-models, spending-limit (with limit-reset, if it is a number) and \
                    expires-after";
    assert_eq!(blocked(&nothing_stated).next, expected);
    let without_reset = Policy { reset: Wish::Inherit, ..stated.clone() };
    assert_eq!(blocked(&plan(&empty, &without_reset, Naming::Renaming)).next, "state limit-reset");
    let mut hidden = deployed();
    hidden.listing.keys[0].rights.limit = None;
    let hidden = plan(&hidden, &policy(), Naming::Renaming);
    assert_eq!(blocked(&hidden).what, "the issuer does not show what the old key may do: spending-limit");
    assert_eq!(blocked(&hidden).next, "state spending-limit");
    let held = seen(Vec::new(), &[None, Some("2026-11-01T12:00:00Z")]);
    assert!(blocked(&plan(&held, &stated, Naming::Renaming)).what.contains("already holds a secret"));
}

#[tokio::test]
async fn an_issuer_that_cannot_rename_takes_no_grace() {
    let graceful = Policy { grace: DAY, ..policy() };
    assert!(blocked(&plan(&deployed(), &graceful, Naming::Immutable)).next.contains("grace-period"));
    let mut two = deployed();
    two.listing.keys.push(row("production-2026-11-01-bbbbbb", "2026-11-01T12:00:30Z"));
    assert_eq!(rotation(&plan(&two, &young(), Naming::Immutable)).due, "the family has more than one live key");
}

#[tokio::test]
async fn failing_runs_make_at_most_one_key_a_day() {
    let mut seen = deployed();
    for nth in 0..6 {
        let name = format!("production-2026-12-01-00000{nth}-unconfirmed");
        seen.listing.keys.push(row(&name, "2026-12-01T09:00:00Z"));
    }
    assert!(attention(&plan(&seen, &policy(), Naming::Renaming))[0].starts_with("6 earlier runs"));
    seen.listing.date = at("2026-12-02T12:00:00Z");
    rotation(&plan(&seen, &policy(), Naming::Renaming));
}

#[tokio::test]
async fn a_pending_key_goes_only_when_its_grace_is_over_and_every_target_holds_the_current_one() {
    let two = |written: &str| {
        let old = row("production-2026-10-01-aaaaaa", "2026-10-01T12:00:00Z");
        seen(vec![old, row(CURRENT, "2026-11-01T12:00:00Z")], &[Some(written)])
    };
    let standing =
        |seen: &Observation, policy: &Policy| plan(seen, policy, Naming::Renaming).pending[0].standing.clone();
    let right = "2026-11-01T12:00:02Z";
    let policy = |grace| Policy { grace, ..young() };
    assert_eq!(standing(&two(right), &policy(DAY)), Standing::Past);
    assert_eq!(standing(&two(right), &policy(40 * DAY)), Standing::InGrace(at("2026-12-11T12:00:00Z")));
    assert!(matches!(standing(&two("2026-11-01T12:00:04Z"), &policy(DAY)), Standing::Held(_)), "someone else wrote");
    assert!(matches!(standing(&two("2026-11-01T11:54:59Z"), &policy(DAY)), Standing::Held(_)), "never written");
    let mut used = two(right);
    used.listing.keys[0].last_used_at = Some(at("2026-12-01T01:00:00Z"));
    assert!(matches!(standing(&used, &policy(DAY)), Standing::InUse(_)), "still in use");
    assert_eq!(standing(&used, &policy(10 * DAY / 24)), Standing::Past, "not within the grace");
}

#[tokio::test]
async fn without_a_stated_grace_an_earlier_key_waits_for_a_day_without_use() {
    let old = row("production-2026-10-01-aaaaaa", "2026-10-01T12:00:00Z");
    let two = |replaced: &str, used: Option<&str>, spent: Option<f64>| {
        let old = KeyRow { last_used_at: used.map(at), usage_daily: spent, ..old.clone() };
        seen(vec![old, row(CURRENT, replaced)], &[Some(replaced)])
    };
    let unstated = Policy { grace_is_stated: false, ..young() };
    let standing =
        |seen: &Observation, policy: &Policy| plan(seen, policy, Naming::Renaming).pending[0].standing.clone();
    let (fresh, past) = ("2026-11-30T13:00:00Z", "2026-11-30T11:00:00Z");
    let until = |standing: Standing| match standing {
        Standing::UsedLately { until, .. } => until,
        other => panic!("{other:?}"),
    };
    assert_eq!(standing(&two(fresh, None, None), &unstated), Standing::InGrace(at("2026-12-01T13:00:00Z")));
    assert_eq!(standing(&two(past, None, None), &unstated), Standing::Past);
    let used = two(past, Some("2026-11-30T12:30:00Z"), None);
    assert_eq!(until(standing(&used, &unstated)), at("2026-12-01T12:30:00Z"));
    assert_eq!(standing(&used, &young()), Standing::Past, "0s is stated");
    assert_eq!(standing(&used, &Policy { leaked: true, ..unstated.clone() }), Standing::Past);
    assert_eq!(until(standing(&two(past, None, Some(0.1)), &unstated)), at("2026-12-02T00:00:00Z"));
    let both = two(fresh, Some("2026-11-30T12:30:00Z"), None);
    assert_eq!(
        standing(&both, &unstated),
        Standing::InGrace(at("2026-12-01T13:00:00Z")),
        "used before it was replaced"
    );
}

#[tokio::test]
async fn without_a_stated_grace_the_key_being_replaced_goes_and_those_that_wait_stay() {
    let names = ["production-2026-10-01-aaaaaa", CURRENT, "production-2026-12-01-bbbbbb-unconfirmed"];
    let made = ["2026-10-01T12:00:00Z", "2026-12-01T11:00:00Z", "2026-12-01T11:30:00Z"];
    let seen = seen(names.iter().zip(made).map(|(name, made)| row(name, made)).collect(), &[Some(made[1])]);
    let replaced = |policy: &Policy| {
        let plan = plan(&seen, policy, Naming::Renaming);
        let told = plan.notice(policy).is_some();
        let rotate = rotation(&plan);
        let replaces = rotate.replaces.iter().filter_map(|id| seen.row(id)).map(|row| row.name.clone());
        (replaces.collect::<Vec<_>>(), rotate.others_wait, told)
    };
    let unstated = Policy { grace_is_stated: false, ..policy() };
    let all = names.map(ToOwned::to_owned).to_vec();
    assert_eq!(replaced(&unstated), (all[1..].to_vec(), true, true));
    assert_eq!(replaced(&policy()), (all.clone(), false, false), "0s is stated");
    assert_eq!(replaced(&Policy { leaked: true, ..unstated }), (all, false, false));
}

#[tokio::test]
async fn of_keys_that_were_made_at_about_the_same_time_each_has_its_grace_from_what_replaced_them_both() {
    let (first, second) = ("production-2026-10-01-bbbbbb", "production-2026-10-01-cccccc");
    let made =
        [row(first, "2026-10-01T12:00:00Z"), row(second, "2026-10-01T12:00:00Z"), row(CURRENT, "2026-12-01T11:00:00Z")];
    let seen = seen(made.to_vec(), &[Some("2026-12-01T11:00:00Z")]);
    let plan = plan(&seen, &Policy { grace: DAY, ..young() }, Naming::Renaming);
    let standings: Vec<_> = plan.pending.iter().map(|pending| pending.standing.clone()).collect();
    let both = Standing::InGrace(at("2026-12-02T11:00:00Z"));
    assert_eq!(standings, [both.clone(), both]);
}

/// A rename of the current key soon after a dead run began may be its adoption, which came late: the target holds the dead run's
/// key, and not the current one.
#[tokio::test]
async fn a_current_key_renamed_beside_a_dead_runs_beginning_was_not_put_back_by_that() {
    let renamed = |at_seconds: &str| {
        let current = KeyRow { updated_at: Some(at(at_seconds)), ..row(CURRENT, "2026-11-01T12:00:00Z") };
        let dead = row("production-2026-12-01-bbbbbb-unconfirmed", "2026-12-01T11:00:00Z");
        let seen = seen(vec![current, dead], &[Some("2026-12-01T11:00:03Z")]);
        rotation(&plan(&seen, &policy(), Naming::Renaming)).can_put_back.clone()
    };
    assert_eq!(renamed("2026-12-01T11:00:15Z"), [false]);
    assert_eq!(renamed("2026-12-01T11:10:00Z"), [true], "put back since");
}

fn entry(name: &str, value: Option<&str>, written: &str) -> Entry {
    Entry {
        name: name.into(),
        target: format!("repo:acme/app0 {name}"),
        value: value.map(|value| Secret::new(value.into())),
        written: Some(at(written)),
    }
}

/// The current key in one target, and this beside it.
fn beside(target: Option<&str>, entry: Entry) -> Observation {
    let mut seen = deployed();
    let first = &mut seen.targets[0];
    first.name = "repo:acme/app0 AROUTER_API_KEY".into();
    if target.is_none() {
        (first.held, first.last_write, first.last_write_at_latest) = (Held::Nothing, None, None);
        let holds = SeenTarget { name: "repo:acme/app1 AROUTER_API_KEY".into(), ..deployed().targets[0].clone() };
        seen.targets.push(holds);
    }
    let first = &mut seen.targets[0];
    first.contents.value = target.filter(|value| !value.is_empty()).map(|value| Secret::new(value.into()));
    first.contents.others.push(entry);
    seen
}

const OLD: &str = "lr_live_0123456789abcdef0123456789abcdef";
const SINCE: &str = "2026-11-02T12:00:00Z";
const BEFORE: &str = "2026-10-02T12:00:00Z";

#[tokio::test]
async fn a_similar_name_that_was_written_since_stops_where_the_target_can_not_be_told_to_be_right() {
    let stops = |seen: &Observation| match plan(seen, &policy(), Naming::Renaming).decision {
        Decision::Blocked(blocked, _) => Some(blocked.what),
        _ => None,
    };
    for target in [None, Some("")] {
        let slip = beside(target, entry("AROUTER_APIKEY", None, SINCE));
        assert!(stops(&slip).is_some_and(|what| what.contains("AROUTER_APIKEY has a similar name")), "{target:?}");
        assert_eq!(stops(&beside(target, entry("AROUTER_APIKEY", None, BEFORE))), None, "older than the key");
        assert_eq!(stops(&beside(target, entry("OPENAI_API_KEY", None, SINCE))), None);
        let mut accepted = slip.clone();
        accepted.targets[0].contents.accepted.push("arouter_apikey".into());
        assert_eq!(stops(&accepted), None);
        let mut another = Policy { ..policy() };
        another.targets_of_others.insert("repo:acme/app0 AROUTER_APIKEY".into());
        assert!(matches!(plan(&slip, &another, Naming::Renaming).decision, Decision::Rotate(_)));
    }
    assert_eq!(stops(&beside(Some(OLD), entry("AROUTER_APIKEY", Some("{}"), SINCE))), None, "the target was read");
}

#[tokio::test]
async fn a_second_holder_stops_whether_its_value_is_the_key_or_has_it_inside() {
    for (text, stops) in [
        (OLD.to_owned(), true),
        (format!(" {OLD}\n"), true),
        (format!(r#"{{"key":"{OLD}"}}"#), true),
        ("${AROUTER_API_KEY}".to_owned(), false),
        ("lr_live_another".to_owned(), false),
    ] {
        let seen = beside(Some(OLD), entry("LEGACY", Some(&text), SINCE));
        let planned = plan(&seen, &policy(), Naming::Renaming);
        assert_eq!(matches!(planned.decision, Decision::Blocked(..)), stops, "{text}");
        let kept = plan(&seen, &Policy { retire: Retire::Keep, ..policy() }, Naming::Renaming);
        assert!(matches!(kept.decision, Decision::Rotate(_)), "nothing is retired");
    }
}

#[tokio::test]
async fn what_a_target_holds_is_told_with_its_evidence() {
    let family = "a key of this family (last written when production-2026-11-01-aaaaaa was deployed)";
    let cases = [
        (beside(Some(""), entry("X", None, SINCE)), family),
        (beside(None, entry("X", None, SINCE)), "nothing"),
        (beside(Some("{}"), entry("X", None, SINCE)), "JSON"),
    ];
    for (seen, expected) in cases {
        let lines = plan(&seen, &policy(), Naming::Renaming).describe(&seen, &policy());
        assert_eq!(found(&lines)[0], format!("found: repo:acme/app0 AROUTER_API_KEY holds {expected}"), "{lines:#?}");
    }
}

fn found(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).filter(|line| line.starts_with("found: ")).collect()
}

#[tokio::test]
async fn of_many_targets_that_hold_what_they_should_the_number_is_told() {
    let written = Some("2026-11-01T12:00:00Z");
    let seen = seen(vec![row(CURRENT, "2026-11-01T12:00:00Z")], &[written, None, written, written]);
    let lines = plan(&seen, &policy(), Naming::Renaming).describe(&seen, &policy());
    let [nothing, many] = found(&lines)[..] else { panic!("{lines:#?}") };
    assert_eq!(nothing, "found: repo:acme/app1 holds nothing");
    assert!(many.starts_with("found: 3 targets hold a key of this family (last written"), "{many}");
    assert_eq!(lines.iter().filter(|line| line.starts_with("write repo:acme/app")).count(), 4);
}

#[tokio::test]
async fn a_named_key_that_no_target_holds_stays_outside_the_family_where_it_is_kept() {
    let seen = seen(vec![row("by hand", "2026-11-01T12:00:00Z")], &[None]);
    let named = Policy { replace_key_id: Some(KeyId("by hand".into())), ..policy() };
    assert!(blocked(&plan(&seen, &named, Naming::Renaming)).what.starts_with("no target holds by hand"));
    let kept = plan(&seen, &Policy { retire: Retire::Keep, ..named.clone() }, Naming::Renaming);
    let rotate = rotation(&kept);
    assert_eq!((&rotate.adopt, &rotate.stays), (&None, &Some(KeyId("by hand".into()))));
    assert!(rotate.replaces.is_empty());
    let leaked = plan(&seen, &Policy { leaked: true, ..named }, Naming::Renaming);
    assert_eq!((rotation(&leaked).replaces.len(), rotation(&leaked).reports.len()), (1, 1));
}

#[tokio::test]
async fn a_key_of_another_family_is_taken_over_only_where_it_is_named_and_was_deployed_here() {
    for (name, written, expected) in [
        ("staging-2026-11-01-abcdef", "2026-11-01T12:00:30Z", true),
        ("staging-2026-11-01-abcdef", "2026-11-20T12:00:00Z", false),
        ("staging-2026-11-01", "2026-11-20T12:00:00Z", true),
    ] {
        let seen = seen(vec![row(name, "2026-11-01T12:00:00Z")], &[Some(written)]);
        let named = Policy { replace_key_id: Some(KeyId(name.into())), ..policy() };
        let planned = plan(&seen, &named, Naming::Renaming);
        assert_eq!(matches!(planned.decision, Decision::Rotate(_)), expected, "{name} {written}");
    }
}

#[tokio::test]
async fn guardrails_are_those_of_the_key_whose_rights_are_inherited() {
    let guardrails = |keys: &[(&str, &str)]| -> Guardrails {
        keys.iter().map(|(key, id)| (KeyId((*key).to_owned()), [(*id).to_owned()].into())).collect()
    };
    let dead = "production-2026-11-20-bbbbbb-unconfirmed";
    let mut seen = deployed();
    seen.listing.keys.push(row(dead, "2026-11-20T12:00:00Z"));
    seen.guardrails = Ok(guardrails(&[(CURRENT, "a"), (dead, "b"), ("another", "c")]));
    let ids = |seen: &Observation, naming| rotation(&plan(seen, &policy(), naming)).guardrails.ids.clone();
    assert_eq!(ids(&seen, Naming::Renaming), ["a".to_owned()].into());
    // Where names say nothing, the newest key may be one whose run died before it had any.
    let both = "production-2026-11-20-bbbbbb";
    seen.listing.keys[1] = row(both, "2026-11-20T12:00:00Z");
    seen.guardrails = Ok(guardrails(&[(CURRENT, "a")]));
    let replaced = Policy { replace_key_id: Some(KeyId(both.to_owned())), ..policy() };
    let plan = plan(&seen, &replaced, Naming::Immutable);
    assert_eq!(rotation(&plan).guardrails.ids, ["a".to_owned()].into());
}

#[tokio::test]
async fn guardrails_that_cannot_be_read_stop_a_rotation_unless_that_is_accepted() {
    let mut seen = deployed();
    let refusal = |status| Refusal { status: Some(status), message: "no".into(), hint: None };
    for (status, next) in [(403, "use a management-key that may read guardrails"), (404, "if this server has no")] {
        seen.guardrails = Err(refusal(status));
        let plan = plan(&seen, &policy(), Naming::Renaming);
        assert!(blocked(&plan).what.starts_with("not confirmed: the guardrails"), "{plan:?}");
        assert!(
            blocked(&plan).next.starts_with(next) && blocked(&plan).next.contains("accept-unconfirmed"),
            "{plan:?}"
        );
    }
    let accepted = Policy { accept_unconfirmed: ["guardrails".to_owned()].into(), ..policy() };
    let going_on = plan(&seen, &accepted, Naming::Renaming);
    assert!(rotation(&going_on).guardrails.ids.is_empty());
    assert!(going_on.notices.iter().any(|notice| notice.contains("guardrails; the new key gets none")));
    // What is not due needs none.
    assert!(attention(&plan(&seen, &young(), Naming::Renaming)).is_empty());
}

#[tokio::test]
async fn a_creator_is_carried_over_unless_its_confirmation_is_not_asked_for() {
    let mut seen = deployed();
    seen.listing.keys[0].rights.other.insert("creator_user_id".into(), "user_1".into());
    let other = |policy: &Policy| rotation(&plan(&seen, policy, Naming::Renaming)).rights.other.clone();
    assert_eq!(other(&policy())["creator_user_id"], "user_1");
    let accepted = Policy { accept_unconfirmed: ["creator_user_id".to_owned()].into(), ..policy() };
    assert!(other(&accepted).is_empty());
}

/// Two dead runs' keys with final names, where the issuer can't rename: one of them wrote a target, the key before them
/// expired when they were there.
fn of_dead_runs() -> Observation {
    let runs = ["2026-11-20T12:00:00Z", "2026-11-21T12:00:00Z"];
    let mut keys: Vec<_> = runs.iter().map(|made| row(&format!("production-{}-bbbbbb", &made[..10]), made)).collect();
    let mut deployed = row(CURRENT, "2026-11-01T12:00:00Z");
    deployed.rights.limit = Some(Some(5.0));
    deployed.rights.expires_at = Some(Some(at("2026-11-25T12:00:00Z")));
    keys.push(deployed);
    let mut seen = seen(keys, &[Some("2026-11-20T12:00:02Z"), Some("2026-11-01T12:00:00Z")]);
    seen.guardrails = Ok(Guardrails::from([(KeyId(CURRENT.to_owned()), ["a".to_owned()].into())]));
    seen
}

#[tokio::test]
async fn the_rights_of_a_key_that_died_since_bound_those_of_dead_runs() {
    let plan_then = plan(&of_dead_runs(), &policy(), Naming::Immutable);
    assert_eq!(rotation(&plan_then).rights.limit.flatten(), Some(5.0));
    assert_eq!(rotation(&plan_then).guardrails.ids, ["a".to_owned()].into());
    // One that had ended before may have had rights that were taken from it for a reason.
    let mut long_dead = of_dead_runs();
    long_dead.listing.keys[2].rights.expires_at = Some(Some(at("2026-11-15T12:00:00Z")));
    assert_eq!(rotation(&plan(&long_dead, &policy(), Naming::Immutable)).rights.limit.flatten(), None);
}

#[tokio::test]
async fn an_unknown_field_of_a_key_that_no_target_was_written_with_is_not_passed_on() {
    let mut key = row(CURRENT, "2026-11-01T12:00:00Z");
    key.unknown.insert("may_delegate".into(), true.into());
    let unknown = |written: &str| {
        let seen = seen(vec![key.clone()], &[Some(written)]);
        rotation(&plan(&seen, &policy(), Naming::Immutable)).unknown.clone().unwrap()
    };
    assert_eq!(unknown("2026-11-01T12:00:05Z").len(), 1);
    assert!(unknown("2026-11-01T12:04:00Z").is_empty(), "a dead run's: what it has may be what stopped it");
}
