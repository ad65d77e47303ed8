//! The family's current key has expired, or somebody has switched it off: there is nothing left to keep alive, and a new
//! key is what everybody wants.

use std::time::Duration;

use jiff::SignedDuration;
use keyrotor::rotation::model::KeyId;
use keyrotor::rotation::outcome::{OldKeyStatus, RunStatus};
use keyrotor_fake::Key;
use keyrotor_sim::scene::{FAMILY, SECRET};
use keyrotor_sim::{Call, Fault, Scene, Script};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Ways in which a person or time ends a key.
const ENDS: [fn(&mut Key); 2] =
    [|key| key.disabled = true, |key| key.rights.expires_at = Some(key.created_at + SignedDuration::from_hours(12))];

fn with_ended_key(end: fn(&mut Key)) -> (Scene, String) {
    let scene = Scene::rotated_before(&["acme/app", "acme/api"]);
    let id = scene.world.live_keys(FAMILY)[0].id.clone();
    scene.world.by_hand(|state| end(state.issuer.key_mut(&id).unwrap()));
    assert!(scene.world.live_keys(FAMILY).is_empty());
    (scene, id)
}

fn exists(scene: &Scene, id: &str) -> bool {
    scene.world.read(|state| state.issuer.key(id).is_some())
}

#[tokio::test(start_paused = true)]
async fn a_new_one_is_made_whatever_its_age_and_the_dead_one_goes_without_grace() {
    for end in ENDS {
        for grace in [Duration::ZERO, DAY] {
            let (mut scene, id) = with_ended_key(end);
            scene.policy.rotate_after = 365 * DAY;
            scene.policy.grace = grace;
            let ended = scene.clean_run().await;
            let outcome = ended.outcome();
            assert_eq!(outcome.verdict, RunStatus::Rotated, "{outcome:#?}");
            assert_eq!(outcome.old_key_status, OldKeyStatus::Deleted);
            assert!(!exists(&scene, &id));
            scene.assert_healed();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_live_key_that_waits_in_grace_behind_it_does_not_become_current_again() {
    for end in ENDS {
        let mut scene = Scene::rotated_before(&["acme/app"]);
        scene.policy.grace = 60 * DAY;
        assert_eq!(scene.clean_run().await.status(), 0);
        let newest = scene.world.live_keys(FAMILY)[1].id.clone();
        scene.world.advance(DAY);
        scene.world.by_hand(|state| end(state.issuer.key_mut(&newest).unwrap()));
        scene.policy.grace = Duration::ZERO;
        let ended = scene.clean_run().await;
        assert_eq!(ended.outcome().verdict, RunStatus::Rotated, "{:#?}", ended.outcome());
        assert_eq!(ended.outcome().old_key.as_ref().map(|(id, _)| id.0.clone()), Some(newest));
        scene.assert_healed();
    }
}

/// It says nothing more of itself than that it was made when, or after, the current one was.
#[tokio::test(start_paused = true)]
async fn a_dead_key_that_a_dead_run_left_in_the_target_is_replaced_whatever_the_age_of_the_current_one() {
    for end in ENDS {
        let mut scene = Scene::rotated_before(&["acme/app"]);
        let killed = Script::default().at(Call::Write(0), 1, Fault::Kill { applied: true });
        assert_eq!(scene.run(killed).await.status(), 137);
        let deployed = scene.world.key_at(&scene.targets[0], SECRET).unwrap().id;
        scene.world.advance(DAY);
        scene.world.by_hand(|state| end(state.issuer.key_mut(&deployed).unwrap()));
        scene.policy.rotate_after = 90 * DAY;
        let ended = scene.clean_run().await;
        assert_eq!(ended.outcome().verdict, RunStatus::Rotated, "{:#?}", ended.outcome());
        scene.assert_healed();
        scene.world.advance(DAY);
        assert_eq!(scene.clean_run().await.outcome().verdict, RunStatus::NotDue, "once is enough");
    }
}

/// The key that a person wrote back a minute after the rotation is held as long as it lives. Once it has come to its end the
/// target is as dead, and no run may say that all is well.
#[tokio::test(start_paused = true)]
async fn a_target_that_was_written_soon_after_the_rotation_stays_named_when_the_key_it_holds_has_ended() {
    // A commit within seconds of the key's making can't be told from the making.
    let latency = Duration::from_secs(1);
    let mut scene = Scene { latency, ..Scene::rotated_before(&["acme/app", "acme/api"]) };
    let (id, old) = scene.world.read(|state| (state.issuer.keys[1].id.clone(), state.issuer.keys[1].value.clone()));
    scene.policy.grace = DAY;
    assert_eq!(scene.clean_run().await.status(), 0);
    scene.world.advance(Duration::from_secs(60));
    scene.world.by_hand(|state| state.github.write_secret(&scene.targets[1], SECRET, &old));
    scene.policy.rotate_after = 90 * DAY;
    for _ in 0..2 {
        scene.world.advance(2 * DAY);
        let ended = scene.clean_run().await;
        assert_eq!(ended.status(), 3, "{:#?}", ended.outcome());
        assert!(ended.outcome().problems.iter().any(|problem| problem.what.contains("acme/api")));
        scene.world.by_hand(|state| state.issuer.key_mut(&id).unwrap().disabled = true);
    }
}

#[tokio::test(start_paused = true)]
async fn when_the_rotation_fails_nothing_is_put_back_and_the_next_goes_forward() {
    for end in ENDS {
        let (scene, _) = with_ended_key(end);
        let ended = scene.run(Script::default().always(Call::Write(1), Fault::Refuse)).await;
        assert_eq!(ended.status(), 3, "{:#?}", ended.outcome());
        scene.world.advance(HOUR);
        assert_eq!(scene.clean_run().await.status(), 0);
        scene.assert_healed();
    }
}

#[tokio::test(start_paused = true)]
async fn a_live_key_made_by_hand_afterwards_is_the_one_that_is_replaced() {
    for end in ENDS {
        let (mut scene, _) = with_ended_key(end);
        let (id, value) = scene.world.by_hand(|state| state.issuer.seed_key("stopgap", |_| {}));
        scene.deploy(&value);
        scene.world.advance(DAY);
        scene.policy.replace_key_id = Some(KeyId(id.clone()));
        let ended = scene.clean_run().await;
        assert_eq!(ended.outcome().verdict, RunStatus::Rotated, "{:#?}", ended.outcome());
        assert!(!exists(&scene, &id));
        scene.assert_healed();
    }
}

/// Someone notices that the new key is no good, writes the old one back by hand and switches the new one off.
#[tokio::test(start_paused = true)]
async fn a_key_written_back_by_hand_before_the_current_one_was_switched_off_is_not_retired_under_them() {
    let mut scene = Scene::rotated_before(&["acme/app", "acme/api"]);
    let old = scene.deployed().unwrap();
    scene.policy.grace = HOUR;
    assert_eq!(scene.clean_run().await.status(), 0);
    scene.world.advance(10 * HOUR);
    scene.deploy(&old);
    scene.world.advance(HOUR);
    let new = scene.world.live_keys(FAMILY).pop().unwrap();
    scene.world.by_hand(|state| state.issuer.key_mut(&new.id).unwrap().disabled = true);
    scene.world.advance(HOUR);
    let failing = Script::default().at(Call::Create, 1, Fault::Refuse);
    scene.run(failing).await;
    scene.assert_no_outage();
    scene.policy.replace_key_id = Some(KeyId(new.id));
    scene.policy.grace = Duration::ZERO;
    assert_eq!(scene.clean_run().await.status(), 0, "once a person has said whose the family is");
    scene.assert_healed();
}

/// The only key left is one that a run could not commit, and that a person switched off.
#[tokio::test(start_paused = true)]
async fn the_rights_of_an_unfinished_runs_dead_key_are_taken_over() {
    let scene = Scene::rotated_before(&["acme/app"]);
    assert_eq!(scene.run(Script::default().at(Call::Rename, 2, Fault::Refuse)).await.status(), 3);
    let left = scene.world.live_keys(FAMILY).pop().unwrap();
    scene.world.by_hand(|state| state.issuer.key_mut(&left.id).unwrap().disabled = true);
    scene.world.advance(HOUR);
    assert_eq!(scene.clean_run().await.status(), 0);
    scene.assert_healed();
}

/// The one that is named is older than the dead one, so that it stays behind it when it was adopted and the run died.
#[tokio::test(start_paused = true)]
async fn an_older_key_that_was_named_stays_the_one_that_is_replaced() {
    let first = [
        Script::default().at(Call::Rename, 1, Fault::Kill { applied: true }),
        Script::default().at(Call::Create, 1, Fault::Refuse),
    ];
    for script in first {
        let mut scene = Scene::empty(&["acme/app"]);
        let (older, value) = scene.world.by_hand(|state| state.issuer.seed_key("stopgap", |_| {}));
        scene.world.advance(30 * DAY);
        let (dead, deployed) =
            scene.world.by_hand(|state| state.issuer.seed_key("production-2026-08-01-aaaaaa", |_| {}));
        scene.deploy(&deployed);
        scene.world.advance(10 * DAY);
        scene.world.by_hand(|state| state.issuer.key_mut(&dead).unwrap().disabled = true);
        scene.deploy(&value);
        scene.world.advance(DAY);
        scene.policy.replace_key_id = Some(KeyId(older.clone()));
        scene.run(script).await;
        scene.world.advance(HOUR);
        let ended = scene.clean_run().await;
        assert_eq!(ended.outcome().verdict, RunStatus::Rotated, "{:#?}", ended.outcome());
        assert!(!exists(&scene, &older));
        scene.assert_healed();
    }
}

/// A dead run's key that a person switched off long ago does not make later secrets those of a first run that died.
#[tokio::test(start_paused = true)]
async fn an_old_dead_runs_key_does_not_claim_what_was_deployed_by_hand() {
    let scene = Scene::empty(&["acme/app"]);
    let name = "production-2025-12-01-aaaaaa-unconfirmed";
    let (id, _) = scene.world.by_hand(|state| state.issuer.seed_key(name, |_| {}));
    scene.world.advance(DAY);
    scene.world.by_hand(|state| state.issuer.key_mut(&id).unwrap().disabled = true);
    let (_, value) = scene.world.by_hand(|state| state.issuer.seed_key("Peter's key", |_| {}));
    scene.deploy(&value);
    scene.world.advance(100 * DAY);
    let ended = scene.clean_run().await;
    assert_eq!(ended.status(), 1, "{:#?}", ended.outcome());
    assert_eq!(scene.deployed(), Some(value));
}

#[tokio::test(start_paused = true)]
async fn a_family_whose_dead_key_was_never_here_is_still_somebody_elses() {
    let (scene, _) = with_ended_key(ENDS[0]);
    scene.deploy("a value of somebody else");
    let ended = scene.clean_run().await;
    assert_eq!(ended.status(), 1, "{:#?}", ended.outcome());
    assert!(scene.world.live_keys(FAMILY).is_empty(), "nothing is made");
}
