//! Guardrails hang on a key from outside: its successor has them before it is written anywhere, or is not written.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeSet;

use keyrotor_fake::{Dialect, Server, Wider};

use crate::harness::{FAMILY, FIRST_NAME, Ran, Setting, Stage};
use crate::traffic;

/// A stage whose deployed key has these guardrails. Their ids come with it.
fn stage<const N: usize>(setting: Setting, names: [&str; N]) -> (Stage, [String; N]) {
    let stage = setting.stage();
    stage.behaviour(|it| it.several_guardrails = true);
    let ids = stage.world.by_hand(|state| {
        let key = state.live_keys(FAMILY)[0].id.clone();
        names.map(|name| {
            let id = state.issuer.guardrails.add(name);
            state.issuer.guard(&key, &id);
            id
        })
    });
    (stage, ids)
}

fn openrouter() -> Setting {
    Setting::new(Dialect::OpenRouter)
}

/// What the live key of the family has; of several, nothing.
fn guardrails(stage: &Stage) -> BTreeSet<String> {
    let live = stage.world.live_keys(FAMILY);
    let [key] = live.as_slice() else { return BTreeSet::new() };
    stage.world.read(|state| state.issuer.guardrails.of(&key.id).into_iter().map(str::to_owned).collect())
}

fn nothing_was_written(ran: &Ran) -> bool {
    traffic::of(ran, Server::GitHub, "PUT").is_empty()
}

/// Rolled back with every target untouched, and the next run, in which nothing goes wrong, hands the guardrails on.
#[track_caller]
fn rolled_back(stage: &Stage, ran: &Ran, words: &[&str], mend: impl FnOnce(&Stage), expected: &[String]) {
    assert_eq!((ran.status(), ran.output("outcome")), (1, "rolled-back"), "{}", ran.log());
    assert!(nothing_was_written(ran) && words.iter().all(|words| ran.tells(words)), "{}", ran.log());
    assert_eq!(stage.world.live_keys(FAMILY)[0].name, FIRST_NAME);
    stage.check_healed().unwrap();
    mend(stage);
    stage.world.clear_faults();
    let next = stage.run();
    assert_eq!(next.status(), 0, "{}", next.log());
    stage.check_healed().unwrap();
    assert_eq!(guardrails(stage), expected.iter().cloned().collect());
}

#[test]
fn a_new_key_has_every_guardrail_of_the_old_one_before_it_is_written() {
    let (stage, ids) = stage(openrouter().repos(&["acme/app", "acme/api"]), ["no training", "europe"]);
    let ran = stage.run();
    assert_eq!((ran.status(), ran.rotated()), (0, true), "{}", ran.log());
    stage.check_healed().unwrap();
    assert_eq!(guardrails(&stage), ids.clone().into());
    assert_eq!(stage.world.read(|state| state.issuer.guardrails.assignments.len()), 2, "the old key's are gone");
    let nth = |method: &str, path: &str| {
        ran.requests.iter().rposition(|it| it.method == method && it.path.contains(path)).unwrap()
    };
    let first_write = ran.requests.iter().position(|it| it.server == Server::GitHub && it.method == "PUT").unwrap();
    let (assigned, read_back) = (nth("POST", "/guardrails/"), nth("GET", "/guardrails/assignments/keys"));
    assert!(assigned < read_back && read_back < first_write, "{}", ran.log());
    let dry = stage.action().input("dry-run", "true").run();
    assert!(ids.iter().all(|id| dry.tells(&format!("assign the guardrail {id} to it"))), "{}", dry.log());
}

#[test]
fn a_key_without_guardrails_costs_one_read() {
    let (stage, []) = stage(openrouter(), []);
    stage.world.by_hand(|state| {
        let (other, _) = state.issuer.seed_key("another", |_| {});
        let id = state.issuer.guardrails.add("another's");
        state.issuer.guard(&other, &id);
    });
    let ran = stage.run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    let of_guardrails: Vec<_> = ran.requests.iter().filter(|it| it.path.contains("guardrails")).collect();
    assert!(of_guardrails.len() == 1 && of_guardrails[0].method == "GET", "{of_guardrails:?}");
    assert_eq!(ran.requests.len(), 18);
    assert!(guardrails(&stage).is_empty());
}

#[test]
fn what_cannot_be_read_stops_a_rotation_before_a_key_is_made() {
    let read = "issuer:GET~/guardrails:1x99:status=";
    for (status, words) in [(401, "may read guardrails"), (403, "may read guardrails"), (404, "has no guardrails")] {
        let (stage, ids) = stage(openrouter(), ["no training"]);
        stage.world.fault(&format!("{read}{status}"));
        let ran = stage.run();
        assert_eq!((ran.status(), ran.output("outcome")), (1, "unchanged"), "{}", ran.log());
        assert!(traffic::writes(&ran).is_empty() && ran.tells("not confirmed: the guardrails"), "{}", ran.log());
        assert!(ran.tells(words) && ran.tells("accept-unconfirmed"), "{}", ran.log());
        // Where nothing is due it does not matter.
        let young = stage.action().input("rotate-after", "90d").run();
        assert_eq!((young.status(), young.output("outcome")), (0, "not-due"), "{}", young.log());
        stage.world.clear_faults();
        assert_eq!(stage.run().status(), 0);
        stage.check_healed().unwrap();
        assert_eq!(guardrails(&stage), ids.into());
    }
    let (stage, []) = stage(openrouter(), []);
    stage.behaviour(|it| it.has_guardrails = false);
    let ran = stage.run();
    assert!(ran.status() == 1 && ran.tells("this server has no guardrails"), "{}", ran.log());
}

#[test]
fn a_refused_assignment_is_rolled_back() {
    let (stage, ids) = stage(openrouter(), ["no training", "europe"]);
    stage.world.fault("issuer:POST~/guardrails:1x99:status=403");
    let ran = stage.run();
    let named = format!("\"no training\" ({})", ids[0]);
    let either = if ran.tells(&named) { named } else { format!("\"europe\" ({})", ids[1]) };
    rolled_back(&stage, &ran, &["assign the guardrail", &either, "the management-key assign it"], |_| {}, &ids);
}

#[test]
fn a_guardrail_that_is_not_there_although_it_was_assigned_is_rolled_back() {
    let (stage, ids) = stage(openrouter(), ["no training"]);
    stage.behaviour(|it| it.wider.push(Wider::IgnoresGuardrails));
    let ran = stage.run();
    let named = format!("\"no training\" ({})", ids[0]);
    let mend = |stage: &Stage| stage.behaviour(|it| it.wider.clear());
    rolled_back(&stage, &ran, &["the new key lacks a guardrail", &named], mend, &ids);
}

#[test]
fn where_a_key_holds_one_guardrail_two_are_not_cut_down_to_one() {
    let (stage, ids) = stage(openrouter(), ["no training", "europe"]);
    stage.behaviour(|it| it.several_guardrails = false);
    let ran = stage.run();
    let leave_one = |stage: &Stage| {
        stage.world.by_hand(|state| {
            let key = state.live_keys(FAMILY)[0].id.clone();
            state.issuer.guard(&key, &ids[0]);
            state.issuer.guardrails.assignments.retain(|it| it.guardrail == ids[0]);
        });
    };
    rolled_back(&stage, &ran, &["leave the old key one of them"], leave_one, &ids[..1]);
}

#[test]
fn a_guardrail_that_nobody_asked_for_is_rolled_back() {
    let (stage, ids) = stage(openrouter(), ["no training"]);
    let europe = stage.world.by_hand(|state| state.issuer.guardrails.add("europe"));
    stage.behaviour(|it| it.guards_new_keys = Some(europe.clone()));
    let ran = stage.run();
    let named = format!("the old one does not have: \"europe\" ({europe})");
    rolled_back(&stage, &ran, &[&named], |stage| stage.behaviour(|it| it.guards_new_keys = None), &ids);
}

#[test]
fn a_run_that_dies_before_it_assigned_them_left_the_key_nowhere_and_the_next_one_heals() {
    for fault in ["kill", "kill-after"] {
        let (stage, ids) = stage(openrouter(), ["no training"]);
        stage.world.fault(&format!("issuer:POST~/guardrails:1:{fault}"));
        let ran = stage.run();
        assert_eq!(ran.status(), 137, "{}", ran.log());
        assert!(nothing_was_written(&ran), "{}", ran.log());
        assert_eq!(stage.world.live_keys(FAMILY).len(), 2);
        let next = stage.run();
        assert_eq!(next.status(), 0, "{}", next.log());
        stage.check_healed().unwrap();
        assert_eq!(guardrails(&stage), ids.into());
    }
}

#[test]
fn an_assignment_whose_answer_is_lost_is_repeated() {
    for fault in
        ["drop-after", "drop-before", "status-after=500", "status=503", "status=404", "garbage", "apply-late=300ms"]
    {
        let (stage, ids) = stage(openrouter(), ["no training", "europe"]);
        stage.world.fault(&format!("issuer:POST~/guardrails:1:{fault}"));
        let ran = stage.run();
        assert_eq!(ran.status(), 0, "{fault}: {}", ran.log());
        stage.check_healed().unwrap();
        assert_eq!(guardrails(&stage), ids.into(), "{fault}");
    }
}

#[test]
fn many_assignments_are_read_page_by_page() {
    let (stage, ids) = stage(openrouter(), ["no training"]);
    stage.world.by_hand(|state| {
        for n in 0..230 {
            let (id, _) = state.issuer.seed_key(&format!("other-{n}"), |_| {});
            state.issuer.guard(&id, &ids[0]);
        }
    });
    let ran = stage.run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    assert_eq!(guardrails(&stage), ids.into());
    assert_eq!(stage.world.read(|state| state.issuer.guardrails.assignments.len()), 231);
}

#[test]
fn guardrails_that_need_no_confirmation_do_not_stop_a_rotation() {
    let (stage, _) = stage(openrouter().input("accept-unconfirmed", "guardrails"), ["no training"]);
    stage.world.fault("issuer:GET~/guardrails:1x99:status=403");
    let ran = stage.run();
    assert_eq!((ran.status(), ran.output("outcome")), (0, "rotated"), "{}", ran.log());
    assert!(ran.tells("not confirmed by the issuer: guardrails"), "{}", ran.log());
    assert!(guardrails(&stage).is_empty());
    stage.check_healed().unwrap();
}
