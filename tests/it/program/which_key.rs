//! Which key a run takes for the one to replace, and which it never touches.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::time::Duration;

use keyrotor_fake::{Dialect, Server};

use crate::harness::{FAMILY, Ran, Setting, Stage};
use crate::traffic;

/// A world in which the targets hold a key that a person made and named, beside another live key of his.
fn hand_made() -> (Stage, String) {
    hand_made_in(Setting::new(Dialect::Mgmt))
}

fn hand_made_in(setting: Setting) -> (Stage, String) {
    let stage = setting.repos(&["acme/app", "acme/api"]).deployed(Some("made by hand")).stage();
    stage.world.by_hand(|state| state.issuer.seed_key("someone's laptop", |_| {}));
    let id = stage.world.live_keys("made by hand")[0].id.clone();
    (stage, id)
}

fn rotated(stage: &Stage, ran: &Ran) {
    assert_eq!((ran.status(), ran.rotated()), (0, true), "{}", ran.log());
    stage.check_healed().unwrap();
    assert!(stage.world.live_keys("made by hand").is_empty());
    assert_eq!(stage.world.live_keys("someone's laptop").len(), 1);
}

/// It stopped before anything was made.
fn stopped(stage: &Stage, ran: &Ran, words: &[&str]) {
    assert_eq!((ran.status(), ran.output("outcome")), (1, "unchanged"), "{}", ran.log());
    assert_eq!(traffic::writes(ran), [""; 0]);
    assert!(stage.world.live_keys(FAMILY).is_empty() && stage.world.outages().is_empty());
    for word in words {
        assert!(ran.summary.contains(word) && ran.stdout.contains(word), "{word} is missing\n{}", ran.log());
    }
}

#[test]
fn keys_with_similar_names_and_management_keys_are_never_touched() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    let alike = [
        "production",
        "production-",
        "production-v2",
        "production-eu-2026-10-01",
        "production-2026-10-1",
        "production-2026-13-01",
        "production-2026-10-01-",
        "production-2026-10-01-abcde",
        "production-2026-10-01-abcdefg",
        "production-2026-10-01-ghijkl",
        "production-2026-10-01-aaaaaa-old",
        "production-2026-10-01-unconfirmed-aaaaaa",
        "pre-production-2026-10-01-aaaaaa",
        "Production-2026-10-01-aaaaaa",
        " production-2026-10-01-aaaaaa",
        "production_2026_10_01",
    ];
    stage.world.by_hand(|state| {
        for name in alike {
            state.issuer.seed_key(name, |_| {});
        }
        state.issuer.seed_management("production-2026-11-01-bbbbbb");
    });
    let keys = || stage.world.read(|state| state.issuer.keys.clone());
    let before = keys();
    let ran = stage.run();
    assert_eq!((ran.status(), ran.rotated()), (0, true), "{}", ran.log());
    let after = keys();
    for key in before.iter().filter(|key| key.name != "production-2026-10-22-aaaaaa") {
        assert!(after.contains(key), "{} is gone or changed", key.name);
    }
    assert_eq!(after.len(), before.len());
}

#[test]
fn a_hand_made_key_is_replaced_when_its_id_is_given() {
    let (stage, id) = hand_made();
    let run = || stage.action().input("replace-key-id", &id);
    rotated(&stage, &run().run());
    // The input stays in the workflow.
    let ran = run().run();
    rotated(&stage, &ran);
    assert!(ran.summary.contains("can be removed"), "{}", ran.summary);
}

#[test]
fn a_hand_made_key_waits_in_grace_under_a_name_of_the_family() {
    let (stage, id) = hand_made();
    let ran = stage.action().input("replace-key-id", &id).input("grace-period", "1h").run();
    assert_eq!((ran.status(), ran.output("old-key-status")), (0, "pending"), "{}", ran.log());
    assert!(stage.world.live_keys(FAMILY).iter().any(|key| key.id == id));
    stage.world.advance(Duration::from_secs(2 * 24 * 3600));
    let ran = stage.action().input("rotate-after", "30d").input("grace-period", "1h").run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    stage.check_healed().unwrap();
}

#[test]
fn a_hand_made_key_in_the_guides_dialect_is_replaced_when_its_id_is_given() {
    let (stage, id) = hand_made_in(Setting::new(Dialect::Guide).with_current_key());
    rotated(&stage, &stage.action().input("replace-key-id", &id).run());
}

#[test]
fn a_hand_made_key_that_nobody_named_stops_the_run_and_the_live_keys_are_listed() {
    let (stage, id) = hand_made();
    let laptop = stage.world.live_keys("someone's laptop")[0].id.clone();
    stopped(&stage, &stage.run(), &[&id, &laptop, "made by hand", "replace-key-id"]);
}

#[test]
fn the_value_alone_tells_which_key_it_is_where_the_issuer_shows_enough() {
    // By the masked value in its label.
    let (stage, id) = hand_made_in(Setting::new(Dialect::Mgmt).with_current_key());
    stage.world.by_hand(|state| state.issuer.keys.iter_mut().for_each(|key| key.label = Some(key.masked())));
    let ran = stage.run();
    rotated(&stage, &ran);
    assert_eq!(ran.output("old-key-id"), id);
    // By the issuer's own word.
    let (stage, id) = hand_made_in(Setting::new(Dialect::Mgmt).with_current_key());
    stage.behaviour(|it| it.key_endpoint_identifies = true);
    let ran = stage.run();
    rotated(&stage, &ran);
    assert_eq!(ran.output("old-key-id"), id);
    // Because there is no other.
    let stage = Setting::new(Dialect::Mgmt).with_current_key().deployed(Some("made by hand")).stage();
    let ran = stage.run();
    assert_eq!((ran.status(), ran.rotated()), (0, true), "{}", ran.log());
    stage.check_healed().unwrap();
}

#[test]
fn the_value_alone_is_not_enough_where_it_may_be_either_of_two_keys() {
    let (stage, id) = hand_made_in(Setting::new(Dialect::Mgmt).with_current_key());
    stopped(&stage, &stage.run(), &["current-key can't be matched", &id, "replace-key-id"]);
}

#[test]
fn a_value_and_an_id_that_disagree_stop_the_run() {
    let (stage, id) = hand_made_in(Setting::new(Dialect::Mgmt).with_current_key());
    stage.behaviour(|it| it.key_endpoint_identifies = true);
    let laptop = stage.world.live_keys("someone's laptop")[0].id.clone();
    stopped(&stage, &stage.action().input("replace-key-id", &laptop).run(), &[&id, &laptop]);
}

#[test]
fn an_id_that_names_no_live_key_stops_the_run() {
    let (stage, _) = hand_made();
    let management = stage
        .world
        .read(|state| state.issuer.keys.iter().find(|key| key.name == "root").map(|key| key.id.clone()).unwrap());
    stopped(&stage, &stage.action().input("replace-key-id", &management).run(), &["is a management key"]);
    stopped(&stage, &stage.action().input("replace-key-id", "nothing-like-it").run(), &["is not in the issuer"]);
}

#[test]
fn the_key_to_replace_is_found_on_whatever_page_it_stands() {
    for (cap, newest_first, tokens, honours_offset) in [
        (100, true, false, true),
        (100, false, false, true),
        (50, true, false, true),
        (50, false, true, true),
        (100, true, true, false),
    ] {
        let stage = Setting::new(Dialect::Mgmt).stage();
        stage.behaviour(|it| {
            (it.page_cap, it.newest_first, it.next_page_token, it.honours_offset) =
                (cap, newest_first, tokens, honours_offset);
        });
        stage.world.by_hand(|state| {
            let old = state.issuer.clock.now() - jiff::SignedDuration::from_hours(100 * 24);
            for n in 0..260 {
                state.issuer.seed_key(&format!("user-{n}"), |key| {
                    // The one to replace comes last.
                    if !newest_first {
                        (key.created_at, key.updated_at) = (old, old);
                    }
                });
            }
        });
        let case = format!("cap {cap}, newest first {newest_first}, tokens {tokens}, offset {honours_offset}");
        let ran = stage.run();
        assert_eq!((ran.status(), ran.rotated()), (0, true), "{case}\n{}", ran.log());
        stage.check_healed().unwrap();
        assert_eq!(stage.world.live_keys("user-").len(), 260, "{case}");
        assert!(traffic::of(&ran, Server::Issuer, "GET").len() > 3, "{case}");
    }
}

#[test]
fn a_list_whose_other_pages_cannot_be_had_makes_nothing() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    stage.behaviour(|it| it.honours_offset = false);
    stage.world.by_hand(|state| {
        for n in 0..260 {
            state.issuer.seed_key(&format!("user-{n}"), |_| {});
        }
    });
    let before = stage.snapshot();
    let ran = stage.run();
    assert_eq!(ran.status(), 1, "{}", ran.log());
    assert_eq!(traffic::writes(&ran), [""; 0]);
    stage.check_truthful(&before, &ran).unwrap();
}
