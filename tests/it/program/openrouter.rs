//! What is different where OpenRouter issues the keys.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use keyrotor_fake::{Dialect, Server};
use serde_json::{Value, json};

use crate::harness::{FAMILY, FIRST_NAME, Ran, Setting, Stage};
use crate::traffic;

const WORKSPACE: &str = "7f8b1c7e-52a4-4c21-9a40-b1f6a3d2c9e5";

fn stage() -> Stage {
    Setting::new(Dialect::OpenRouter).with_current_key().stage()
}

/// The body of the create.
fn asked(ran: &Ran) -> Value {
    let creates = traffic::of(ran, Server::Issuer, "POST");
    let create =
        creates.iter().find(|it| it.path == "/api/v1/keys").unwrap_or_else(|| panic!("no create\n{}", ran.log()));
    serde_json::from_slice(&create.body).unwrap()
}

fn with_file(stage: &Stage, more: &str) -> Ran {
    let text =
        format!("issuer: openrouter\nrotations:\n  - key-name: {FAMILY}\n    targets: [\"repo:acme/app\"]\n{more}");
    let path = stage.put("keyrotor.yml", text);
    let run = stage.action().input("config", &path).secret("current-key", "");
    ["key-name", "targets", "issuer"].into_iter().fold(run, |run, name| run.input(name, "")).run()
}

#[test]
fn the_public_models_prove_nothing_and_the_masked_label_names_the_key() {
    let stage = stage();
    let ran = stage.run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    stage.check_healed().unwrap();
    let gets = traffic::of(&ran, Server::Issuer, "GET");
    assert!(gets.iter().all(|it| !it.path.contains("models")) && gets.iter().any(|it| it.path == "/api/v1/key"));
    assert!(gets.iter().all(|it| !it.path.contains("page_size") && !it.path.contains("page_token")));
    // A hand-made key is recognised by its label, beside others.
    let stage = Setting::new(Dialect::OpenRouter).with_current_key().deployed(Some("by hand")).stage();
    stage.world.by_hand(|state| state.issuer.seed_key("another", |_| {}));
    let ran = stage.run();
    assert_eq!((ran.status(), ran.rotated()), (0, true), "{}", ran.log());
    stage.check_healed().unwrap();
    assert_eq!(stage.world.live_keys("another").len(), 1);
}

#[test]
fn a_chat_is_asked_for_where_openrouter_has_it() {
    let stage = Setting::new(Dialect::OpenRouter).input("verify-chat", "auto").stage();
    let ran = stage.run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    assert!(traffic::of(&ran, Server::Issuer, "POST").iter().any(|it| it.path == "/api/v1/chat/completions"));
}

#[test]
fn what_counts_towards_the_limit_is_inherited_or_stated_and_compared() {
    let include = |stage: &Stage, include: bool| {
        stage.world.by_hand(|state| {
            for key in &mut state.issuer.keys {
                key.extra.insert("include_byok_in_limit".to_owned(), include.into());
            }
        });
    };
    let old = stage();
    include(&old, true);
    let ran = old.run();
    assert_eq!((ran.status(), &asked(&ran)["include_byok_in_limit"]), (0, &json!(true)), "{}", ran.log());
    old.check_healed().unwrap();

    let other = stage();
    let ran = with_file(&other, "    include-byok-in-limit: true\n");
    assert_eq!((ran.status(), &asked(&ran)["include_byok_in_limit"]), (0, &json!(true)), "{}", ran.log());
    other.check_healed().unwrap();

    // An issuer that ignores it would let the key spend more than was asked.
    let deaf = stage();
    deaf.behaviour(|it| it.create_takes.retain(|name| *name != "include_byok_in_limit"));
    let ran = with_file(&deaf, "    include-byok-in-limit: true\n");
    assert_eq!((ran.status(), ran.output("outcome")), (1, "rolled-back"), "{}", ran.log());
    assert_eq!(deaf.world.live_keys("")[0].name, FIRST_NAME);
    deaf.check_healed().unwrap();
}

#[test]
fn a_workspace_is_where_keys_are_looked_for_and_made() {
    let stage = stage();
    stage.world.by_hand(|state| {
        for key in &mut state.issuer.keys {
            key.extra.insert("workspace_id".to_owned(), WORKSPACE.into());
        }
        // Of the same family, in another workspace.
        state.issuer.seed_key("production-2026-11-01-cccccc", |_| {});
    });
    let ran = with_file(&stage, &format!("    workspace-id: {WORKSPACE}\n"));
    assert_eq!((ran.status(), &asked(&ran)["workspace_id"]), (0, &json!(WORKSPACE)), "{}", ran.log());
    let lists = traffic::of(&ran, Server::Issuer, "GET").into_iter().filter(|it| it.path.starts_with("/api/v1/keys?"));
    assert!(lists.into_iter().all(|it| it.path.contains(&format!("workspace_id={WORKSPACE}"))));
    let live: Vec<_> = stage.world.live_keys(FAMILY);
    assert_eq!(live.len(), 2, "the other workspace's key is nobody's business");
    assert_eq!(stage.world.key_at(&stage.places[0], crate::harness::SECRET).unwrap().extra["workspace_id"], WORKSPACE);
    stage.check_no_outage().unwrap();
}

#[test]
fn a_key_stays_its_members_and_in_its_workspace_and_ends_at_a_whole_second() {
    let member = |stage: &Stage| {
        stage.world.by_hand(|state| {
            for key in &mut state.issuer.keys {
                key.extra.insert("creator_user_id".to_owned(), "user_member".into());
                key.rights.expires_at = Some(key.created_at + jiff::SignedDuration::from_hours(24 * 90));
            }
        });
    };
    let old = stage();
    member(&old);
    let ran = old.run();
    assert_eq!((ran.status(), &asked(&ran)["creator_user_id"]), (0, &json!("user_member")), "{}", ran.log());
    assert_eq!(asked(&ran)["workspace_id"], keyrotor_fake::issuer::DEFAULT_WORKSPACE);
    let end = asked(&ran)["expires_at"].as_str().unwrap().to_owned();
    assert!(end.len() == "2027-01-01T00:00:00Z".len() && end.ends_with('Z'), "{end}");
    old.check_healed().unwrap();
    assert_eq!(old.world.live_keys(FAMILY)[0].extra["creator_user_id"], "user_member");

    // The guardrails of the member would not apply to it.
    let deaf = stage();
    member(&deaf);
    deaf.behaviour(|it| it.create_takes.retain(|name| *name != "creator_user_id"));
    let ran = deaf.run();
    assert_eq!((ran.status(), ran.output("outcome")), (1, "rolled-back"), "{}", ran.log());
    assert!(ran.tells("its creator_user_id is not the old key's"), "{}", ran.log());
    deaf.check_healed().unwrap();
}

/// Without the word for it, the list shows neither.
#[test]
fn a_family_whose_key_has_expired_gets_a_new_one_with_its_rights() {
    let stage = Setting::new(Dialect::OpenRouter).stage();
    stage.world.by_hand(|state| {
        for key in state.issuer.keys.iter_mut().filter(|key| key.name == FIRST_NAME) {
            key.rights.limit = Some(25.0);
            key.rights.expires_at = Some(key.created_at + jiff::SignedDuration::from_hours(24));
        }
    });
    assert!(stage.world.live_keys(FAMILY).is_empty());
    let ran = stage.run();
    assert_eq!((ran.status(), ran.output("outcome")), (0, "rotated"), "{}", ran.log());
    let [new] = &stage.world.live_keys(FAMILY)[..] else { panic!("{}", ran.log()) };
    assert_eq!(new.rights.limit, Some(25.0));
    stage.check_healed().unwrap();
}

#[test]
fn who_a_partners_key_is_for_is_no_right() {
    let stage = stage();
    stage.world.by_hand(|state| {
        for key in &mut state.issuer.keys {
            key.extra.insert("external_user".to_owned(), "customer-7".into());
        }
    });
    let ran = stage.run();
    assert_eq!((ran.status(), ran.output("outcome")), (0, "rotated"), "{}", ran.log());
    stage.check_healed().unwrap();
}

#[test]
fn many_keys_are_read_page_by_page() {
    let stage = stage();
    stage.world.by_hand(|state| {
        for n in 0..230 {
            state.issuer.seed_key(&format!("other-{n}"), |_| {});
        }
    });
    let ran = stage.run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    assert_eq!(stage.world.live_keys("other-").len(), 230);
}

#[test]
fn without_a_management_key_nothing_is_contacted() {
    let ran = stage().action().secret("management-key", "").run();
    assert_eq!((ran.status(), ran.requests.len()), (2, 0), "{}", ran.log());
    assert!(ran.tells("is required for `issuer: openrouter`"), "{}", ran.log());
}
