//! The traces of what targets hold: misspelt names, copies of a key, text that is none, keys of other rotations. Each runs
//! the product's own driver over in-memory ports on virtual time.

use std::time::Duration;

use keyrotor::rotation::outcome::Verdict;
use keyrotor::rotation::policy::Retire;
use keyrotor::secret::Secret;
use keyrotor_sim::scene::{COPY, FAMILY, SECRET, SLIP, Slip};
use keyrotor_sim::{Call, Ended, Fault, Scene, Script};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const LONG_AFTER: Duration = Duration::from_secs(600);

/// Two targets, in places that show values or not.
fn both(scene: impl Fn(&[&str]) -> Scene) -> [Scene; 2] {
    [scene(&["acme/app", "acme/api"]), scene(&["acme/app", "acme/api"]).readable()]
}

fn keys(scene: &Scene) -> usize {
    scene.world.read(|state| state.issuer.keys.len())
}

fn said(ended: &Ended) -> String {
    let problems = ended.outcome().problems.iter();
    problems.map(|problem| format!("{}. {}\n", problem.what, problem.next.as_deref().unwrap_or_default())).collect()
}

/// The run makes nothing, and says this.
async fn assert_stops(scene: &Scene, says: &str) {
    let before = keys(scene);
    let ended = scene.clean_run().await;
    assert_eq!(ended.status(), 1, "{:#?}", ended.outcome());
    assert!(said(&ended).contains(says), "{says}: {}", said(&ended));
    assert_eq!(keys(scene), before, "nothing is made");
    scene.assert_no_outage();
}

async fn assert_rotates(scene: &Scene) {
    let ended = scene.clean_run().await;
    assert_eq!(ended.outcome().verdict, Verdict::Rotated, "{:#?}", ended.outcome());
    scene.assert_healed();
}

fn lives(scene: &Scene, name: &str) -> bool {
    !scene.world.live_keys(name).is_empty()
}

#[tokio::test(start_paused = true)]
async fn trace_20_a_misspelt_name_stops_before_anything_is_made() {
    let in_hand = |repos: &[&str]| Scene::rotated_before(repos).with_current_key();
    for scene in both(Scene::hand_made).into_iter().chain(both(in_hand)) {
        for slip in [Slip::All, Slip::Last] {
            assert_stops(&scene.clone().misspelt(slip), SECRET).await;
        }
        scene.write_beside(1, SLIP, "lr_live_of_another_account");
        for slip in [Slip::All, Slip::Last] {
            assert_stops(&scene.clone().misspelt(slip), "").await;
        }
        let mut scene = scene;
        scene.accepted.push(SLIP.to_owned());
        assert_rotates(&scene).await;
    }
}

#[tokio::test(start_paused = true)]
async fn trace_20_a_leaked_key_dies_wherever_it_is_and_the_run_says_where_to_look() {
    for scene in both(Scene::hand_made) {
        let mut scene = scene.misspelt(Slip::All);
        scene.policy.leaked = true;
        let ended = scene.clean_run().await;
        assert_eq!(ended.status(), 3, "{:#?}", ended.outcome());
        assert!(said(&ended).contains(SECRET) && !lives(&scene, "Peter"), "{}", said(&ended));
    }
}

#[tokio::test(start_paused = true)]
async fn trace_21_an_old_value_that_an_operator_writes_back_is_not_retired_under_it() {
    for mut scene in both(Scene::rotated_before) {
        let old = scene.deployed().unwrap();
        scene.policy.grace = DAY;
        assert_eq!(scene.clean_run().await.status(), 0);
        scene.world.advance(HOUR);
        scene.write_beside(1, SECRET, &old);
        scene.world.advance(2 * DAY);
        scene.policy.rotate_after = 30 * DAY;
        let ended = scene.clean_run().await;
        assert!(matches!(ended.status(), 0 | 3), "{:#?}", ended.outcome());
        scene.assert_no_outage();
        scene.policy.rotate_after = Duration::ZERO;
        scene.policy.grace = Duration::ZERO;
        assert_rotates(&scene).await;
    }
}

/// Its operator puts a dead key back: a run that does not rotate says so, one that does replaces it.
#[tokio::test(start_paused = true)]
async fn trace_21_a_dead_value_that_an_operator_writes_back_is_told_and_replaced() {
    for mut scene in both(Scene::rotated_before) {
        let old = scene.deployed().unwrap();
        assert_rotates(&scene).await;
        scene.world.advance(HOUR);
        scene.write_beside(1, SECRET, &old);
        scene.policy.rotate_after = 30 * DAY;
        assert_eq!(scene.clean_run().await.status(), 3);
        scene.policy.rotate_after = Duration::ZERO;
        assert_rotates(&scene).await;
    }
}

#[tokio::test(start_paused = true)]
async fn trace_22_a_second_holder_of_the_value_stops_the_run_until_it_is_gone() {
    for labels in [true, false] {
        let scene = Scene::rotated_before(&["acme/app", "acme/api"]).readable();
        scene.world.by_hand(|state| {
            state.issuer.keys.iter_mut().filter(|_| !labels).for_each(|key| key.label = None);
            state.issuer.behaviour.masked_labels = labels;
        });
        let old = scene.deployed().unwrap();
        for copy in [old.clone(), format!("{old}\n"), format!(r#"{{"key":"{old}"}}"#)] {
            scene.write_beside(1, COPY, &copy);
            assert_stops(&scene, "repo:acme/api BACKUP also holds").await;
        }
        scene.world.by_hand(|state| state.github.remove(&scene.targets[1], COPY));
        assert_rotates(&scene).await;
    }
}

/// Nothing but the list tells whose the copy is: the targets hold another key by now.
#[tokio::test(start_paused = true)]
async fn trace_22_a_copy_of_a_key_that_no_target_holds_any_more_keeps_it_alive() {
    let mut scene = Scene::rotated_before(&["acme/app", "acme/api"]).readable();
    scene.write_beside(1, COPY, &scene.deployed().unwrap());
    scene.policy.retire = Retire::Keep;
    assert_eq!(scene.clean_run().await.status(), 0);
    scene.policy.retire = Retire::Delete;
    scene.policy.rotate_after = 30 * DAY;
    scene.world.advance(LONG_AFTER);
    let ended = scene.clean_run().await;
    assert_eq!(ended.status(), 3, "{:#?}", ended.outcome());
    assert!(said(&ended).contains("repo:acme/api BACKUP, which is no target, still holds it"), "{}", said(&ended));
    scene.assert_no_outage();
    scene.policy.rotate_after = Duration::ZERO;
    assert_stops(&scene, "BACKUP also holds").await;
    scene.world.by_hand(|state| state.github.remove(&scene.targets[1], COPY));
    assert_rotates(&scene).await;
}

/// The run that is killed has written its key everywhere, and only the copy holds the old one.
#[tokio::test(start_paused = true)]
async fn trace_22_a_copy_of_the_current_key_is_seen_after_a_run_that_died() {
    let mut scene = Scene::rotated_before(&["acme/app", "acme/api"]).readable().with_current_key();
    scene.write_beside(1, COPY, &scene.deployed().unwrap());
    scene.policy.leaked = true;
    let script = Script::default().at(Call::LastWrite(1), 1, Fault::Kill { applied: false });
    assert_eq!(scene.run(script).await.status(), 137);
    scene.policy.leaked = false;
    scene.policy.current_key = None;
    scene.world.advance(LONG_AFTER);
    assert_stops(&scene, "BACKUP also holds").await;
}

/// An account with a family that is deployed at `acme/staging`, and a main repository with a hand-made key.
fn beside_staging() -> (Scene, Scene) {
    let main = Scene::hand_made(&["acme/app"]);
    let mut staging = main.clone();
    staging.policy.key_name = "staging".to_owned();
    staging.policy.replace_key_id = None;
    staging.seed = 2;
    main.world.by_hand(|state| {
        let (_, value) = state.issuer.seed_key("staging-2026-08-01-cccccc", |_| {});
        let place = state.github.add_repo("acme/staging");
        state.github.write_secret(&place, SECRET, &value);
        staging.targets = vec![place];
    });
    main.world.advance(DAY);
    main.deploy(&main.deployed().unwrap());
    main.world.advance(DAY);
    (main, staging)
}

#[tokio::test(start_paused = true)]
async fn trace_23_the_key_of_another_family_is_not_taken_over() {
    for readable in [false, true] {
        for apart in [0, 1, 20, 600] {
            let (mut main, staging) = beside_staging();
            main.readable = readable;
            main.policy.replace_key_id = None;
            main.policy.current_key = staging.deployed().map(Secret::new);
            let late = async {
                tokio::time::sleep(Duration::from_secs(apart)).await;
                staging.clean_run().await
            };
            let (ended, other) = tokio::join!(main.clean_run(), late);
            assert_eq!((ended.status(), other.status()), (1, 0), "{:#?} {:#?}", ended.outcome(), other.outcome());
            assert!(lives(&main, "Peter") && !lives(&main, FAMILY));
            staging.assert_healed();
            main.policy.replace_key_id =
                main.world.live_keys("Peter").pop().map(|key| keyrotor::rotation::port::KeyId(key.id));
            main.policy.current_key = None;
            assert_rotates(&main).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn trace_27_killed_at_any_call_the_next_run_goes_forward() {
    for hand_made in [false, true] {
        for renames in [true, false] {
            for applied in [true, false] {
                for readable in [false, true] {
                    killed_at_any_call(hand_made, renames, applied, readable).await;
                }
            }
        }
    }
}

async fn killed_at_any_call(hand_made: bool, renames: bool, applied: bool, readable: bool) {
    for nth in 1.. {
        let scene = (if hand_made { Scene::hand_made } else { Scene::rotated_before })(&["acme/app", "acme/api"]);
        let scene = if renames { scene } else { scene.without_renames() };
        let scene = Scene { readable, ..scene };
        let script = Script::default().at(Call::Any, nth, Fault::Kill { applied });
        scene.run(script.clone()).await;
        if script.calls() < nth {
            return;
        }
        scene.world.advance(LONG_AFTER);
        let ended = scene.clean_run().await;
        let told = format!("{hand_made} {renames} {applied} {readable} {nth}: {:#?}", ended.outcome());
        assert_eq!(ended.outcome().verdict, Verdict::Rotated, "{told}");
        scene.assert_healed();
    }
}

#[tokio::test(start_paused = true)]
async fn trace_28_a_key_that_was_stored_long_after_it_was_made_is_adopted_put_back_and_rotated() {
    for named in [true, false] {
        for mut scene in both(Scene::hand_made) {
            scene.world.advance(90 * DAY);
            scene.deploy(&scene.deployed().unwrap());
            scene.world.advance(90 * DAY);
            scene = scene.with_current_key();
            if !named {
                scene.policy.replace_key_id = None;
            }
            let ended = scene.run(Script::default().always(Call::Write(1), Fault::Refuse)).await;
            assert_eq!(ended.outcome().verdict, Verdict::RolledBack, "{:#?}", ended.outcome());
            scene.assert_no_outage();
            scene.world.advance(LONG_AFTER);
            scene.seed = 2;
            assert_rotates(&scene).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn trace_29_a_key_that_keep_left_alone_is_left_alone_for_ever() {
    for mut scene in both(Scene::hand_made) {
        scene.policy.retire = Retire::Keep;
        let mut misspelt = scene.clone().misspelt(Slip::All);
        let ended = misspelt.clean_run().await;
        assert_eq!(ended.outcome().verdict, Verdict::Rotated, "{:#?}", ended.outcome());
        assert!(lives(&scene, "Peter"));
        scene.policy.retire = Retire::Delete;
        misspelt.policy.retire = Retire::Delete;
        for leaked in [false, true] {
            (scene.policy.leaked, misspelt.policy.leaked) = (leaked, leaked);
            for run in [&misspelt, &scene, &scene.clone().with_current_key()] {
                scene.world.advance(DAY);
                let ended = run.clean_run().await;
                assert!(matches!(ended.status(), 0 | 1), "{:#?}", ended.outcome());
                scene.assert_no_outage();
                assert!(lives(&scene, "Peter"));
            }
        }
        // The person has seen the slip, and takes away what it left.
        scene.policy.leaked = false;
        scene.world.by_hand(|state| {
            scene.targets.iter().for_each(|place| _ = state.github.remove(place, SLIP));
            let made: Vec<_> = state.live_keys(FAMILY).into_iter().map(|key| key.id).collect();
            made.iter().for_each(|id| _ = state.issuer.delete(id));
        });
        assert_rotates(&scene).await;
        assert!(!lives(&scene, "Peter"));
    }
}

#[tokio::test(start_paused = true)]
async fn trace_31_a_reference_to_the_target_and_the_target_of_another_rotation_stop_nothing() {
    let (main, staging) = beside_staging();
    let main = main.readable();
    main.write_beside(0, "MODEL_KEY", "${AROUTER_API_KEY}");
    main.write_beside(0, COPY, &staging.deployed().unwrap());
    assert_rotates(&main).await;
    staging.assert_no_outage();
    let scene = Scene::rotated_before(&["acme/app"]);
    scene.write_beside(0, SLIP, "lr_live_of_another_rotation");
    assert_stops(&scene, "similar name").await;
    let mut scene = scene;
    scene.policy.targets_of_others.insert(format!("repo:acme/app {SLIP}"));
    assert_rotates(&scene).await;
}

/// What a target holds says more than when it was written: the person's write passes for the key's own deployment.
#[tokio::test(start_paused = true)]
async fn a_replaced_key_that_a_target_is_seen_to_hold_is_not_retired() {
    for labels in [true, false] {
        let mut scene = Scene::hand_made(&["acme/app", "acme/api"]).readable();
        scene.world.by_hand(|state| {
            state.issuer.behaviour.masked_labels = labels;
            state.issuer.keys.iter_mut().filter(|_| !labels).for_each(|key| key.label = None);
        });
        let old = scene.deployed().unwrap();
        scene.policy.grace = DAY;
        assert_eq!(scene.clean_run().await.status(), 0);
        scene.world.advance(HOUR);
        scene.write_beside(1, SECRET, &old);
        scene.world.advance(2 * DAY);
        scene.policy.rotate_after = 30 * DAY;
        scene.clean_run().await;
        scene.assert_no_outage();
        scene.policy =
            keyrotor::rotation::policy::Policy { rotate_after: Duration::ZERO, grace: Duration::ZERO, ..scene.policy };
        scene.world.advance(DAY);
        assert_rotates(&scene).await;
    }
}

/// A first run wrote its key and died. Where the next one names another secret, that key is in use under the first name.
#[tokio::test(start_paused = true)]
async fn a_misspelt_run_behind_a_first_one_that_died_leaves_its_key_alone() {
    for scene in both(Scene::empty) {
        let mut scene = scene;
        scene.policy = first_key(&scene);
        let script = Script::default().at(Call::Write(1), 1, Fault::Kill { applied: true });
        assert_eq!(scene.run(script).await.status(), 137);
        scene.world.advance(LONG_AFTER);
        for slip in [Slip::All, Slip::Last] {
            assert_stops(&scene.clone().misspelt(slip), SECRET).await;
        }
        assert_rotates(&scene).await;
    }
}

/// A person has stored another key where a first run that died is to go on.
#[tokio::test(start_paused = true)]
async fn a_first_run_that_goes_on_does_not_replace_another_key() {
    let mut scene = Scene::empty(&["acme/app", "acme/api"]).readable();
    scene.policy = first_key(&scene);
    let script = Script::default().at(Call::Write(0), 1, Fault::Kill { applied: true });
    assert_eq!(scene.run(script).await.status(), 137);
    let (_, marys) = scene.world.by_hand(|state| state.issuer.seed_key("Mary's key", |_| {}));
    scene.write_beside(1, SECRET, &marys);
    scene.world.advance(LONG_AFTER);
    assert_stops(&scene, "holds another key, Mary's key").await;
    assert_eq!(scene.world.value_at(&scene.targets[1], SECRET), Some(marys));
    scene.world.by_hand(|state| state.github.remove(&scene.targets[1], SECRET));
    assert_rotates(&scene).await;
}

fn first_key(scene: &Scene) -> keyrotor::rotation::policy::Policy {
    use keyrotor::rotation::policy::Wish::Stated;
    use keyrotor::rotation::port::{AllowList, Reset};
    keyrotor::rotation::policy::Policy {
        providers: Stated(AllowList::All),
        models: Stated(AllowList::All),
        limit: Stated(Some(100.0)),
        reset: Stated(Reset::Monthly),
        expires_after: Stated(None),
        ..scene.policy.clone()
    }
}

/// Names and values are looked at although the key that is replaced is dead: those of runs that died are not.
#[tokio::test(start_paused = true)]
async fn a_misspelt_run_behind_one_that_died_leaves_its_key_alone_where_the_current_one_is_dead() {
    for scene in both(Scene::rotated_before) {
        scene.world.by_hand(|state| {
            state.issuer.keys.iter_mut().filter(|key| key.name != "root").for_each(|key| key.disabled = true)
        });
        let script = Script::default().at(Call::Write(1), 1, Fault::Kill { applied: true });
        assert_eq!(scene.run(script).await.status(), 137);
        scene.world.advance(LONG_AFTER);
        assert_stops(&scene.clone().misspelt(Slip::Last), SECRET).await;
        assert_rotates(&scene).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_not_due_names_a_value_that_the_next_rotation_will_not_replace() {
    for (text, says) in [(None, "holds another key, Mary's key"), (Some("changeme"), "holds a placeholder")] {
        let mut scene = Scene::rotated_before(&["acme/app", "acme/api"]).readable();
        assert_rotates(&scene).await;
        let (_, marys) = scene.world.by_hand(|state| state.issuer.seed_key("Mary's key", |_| {}));
        scene.write_beside(1, SECRET, text.unwrap_or(&marys));
        scene.policy.rotate_after = 30 * DAY;
        let ended = scene.clean_run().await;
        assert_eq!(ended.status(), 3, "{:#?}", ended.outcome());
        assert!(said(&ended).contains(says), "{}", said(&ended));
    }
}

/// With `current-key` too, what a misspelt run left has a way out.
#[tokio::test(start_paused = true)]
async fn a_key_of_the_family_that_nothing_uses_is_named_where_two_inputs_agree_on_another() {
    for mut scene in both(Scene::hand_made) {
        scene.policy.retire = Retire::Keep;
        assert_eq!(scene.clone().misspelt(Slip::All).clean_run().await.status(), 0);
        scene.policy.retire = Retire::Delete;
        scene.world.advance(DAY);
        let scene = scene.with_current_key();
        assert_stops(&scene, "and nothing uses production-").await;
        scene.world.by_hand(|state| {
            scene.targets.iter().for_each(|place| _ = state.github.remove(place, SLIP));
            let made: Vec<_> = state.live_keys(FAMILY).into_iter().map(|key| key.id).collect();
            made.iter().for_each(|id| _ = state.issuer.delete(id));
        });
        assert_rotates(&scene).await;
    }
}

/// Where renames are ignored, the key of a run that died is the newest, and what was written before it is retired with it.
#[tokio::test(start_paused = true)]
async fn a_similar_name_that_is_older_than_a_dead_runs_key_is_seen_where_renames_are_ignored() {
    for scene in both(Scene::rotated_before).map(Scene::with_renames_ignored) {
        assert_eq!(
            scene.run(Script::default().at(Call::Write(0), 1, Fault::Kill { applied: true })).await.status(),
            137
        );
        scene.world.advance(LONG_AFTER);
        let ended = scene.clone().misspelt(Slip::Last).clean_run().await;
        assert!(matches!(ended.status(), 1 | 3), "{:#?}", ended.outcome());
        assert!(said(&ended).contains("similar name"), "{}", said(&ended));
        scene.assert_no_outage();
        assert_rotates(&scene).await;
    }
}
