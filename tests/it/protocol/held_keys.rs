//! The traces of what targets hold: misspelt names, copies of a key, text that is none, keys of other rotations. Each runs
//! the product's own driver over in-memory ports on virtual time.

use std::time::Duration;

use keyrotor::rotation::model::KeyId;
use keyrotor::rotation::outcome::RunStatus;
use keyrotor::rotation::policy::{Retire, Wish};
use keyrotor::secret::Secret;
use keyrotor_sim::grant::Grant;
use keyrotor_sim::scene::{COPY, FAMILY, OTHER, SECRET, SLIP, Slip};
use keyrotor_sim::{Call, Ended, Fault, Scene, Script};

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 3600);
const MINUTE: Duration = Duration::from_secs(60);
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
    assert_eq!(ended.outcome().verdict, RunStatus::Rotated, "{:#?}", ended.outcome());
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
            main.policy.replace_key_id = main.world.live_keys("Peter").pop().map(|key| KeyId(key.id));
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
        assert_eq!(ended.outcome().verdict, RunStatus::Rotated, "{told}");
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
            assert_eq!(ended.outcome().verdict, RunStatus::RolledBack, "{:#?}", ended.outcome());
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
        assert_eq!(ended.outcome().verdict, RunStatus::Rotated, "{:#?}", ended.outcome());
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
    use keyrotor::rotation::model::{AllowList, Reset};
    use keyrotor::rotation::policy::Wish::Stated;
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
        assert_stops(&scene, "If nothing uses the family's current key production-").await;
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

/// The list comes after the look at the targets, and shows a key that was written and committed between the two, by a run with
/// a misspelt target. What that run wrote must be seen before its key is replaced.
#[tokio::test(start_paused = true)]
async fn what_another_run_writes_while_the_list_is_slow_is_seen() {
    let lost = Fault::TimeOut { after: 30 * SECOND, lands: Some(5 * SECOND) };
    for (slow, readable) in
        [Fault::Slow(4 * SECOND), Fault::Slow(25 * SECOND), lost].into_iter().zip([true, false, true])
    {
        let mut scene = Scene::rotated_before(&["acme/app"]);
        scene.readable = readable;
        let added = scene.world.by_hand(|state| state.github.add_repo("acme/added"));
        scene.targets.push(added.clone());
        let mut other = Scene { seed: 2, ..scene.clone().misspelt(Slip::Last) };
        other.policy.retire = Retire::Keep;
        let slowed = scene.run(Script::default().at(Call::List, 1, slow));
        let (ended, wrote) = tokio::join!(slowed, other.clean_run());
        assert_eq!(wrote.status(), 0, "{:#?}", wrote.outcome());
        scene.assert_no_outage();
        assert_eq!(ended.status(), 1, "{slow:?}: {:#?}", ended.outcome());
        assert!(said(&ended).contains(SLIP), "{}", said(&ended));
        scene.world.by_hand(|state| state.github.remove(&added, SLIP));
        assert_rotates(&scene).await;
    }
}

/// The issuer's clock is behind by all that it may be, and slow answers leave open by how much: what may have been written
/// since the key was made is no older value.
#[tokio::test(start_paused = true)]
async fn what_may_have_been_written_since_the_key_was_made_is_not_older() {
    for slow in [8, 25] {
        let behind = |scene: &Scene| {
            scene.world.by_hand(|state| state.issuer.clock.skew = -300);
            Script::default().always(Call::List, Fault::Slow(slow * SECOND))
        };
        for scene in both(Scene::hand_made) {
            let ended = scene.run(behind(&scene)).await;
            assert_eq!(ended.outcome().verdict, RunStatus::Rotated, "{:#?}", ended.outcome());
            scene.assert_healed();
        }
        for scene in both(Scene::rotated_before) {
            let scene = scene.with_current_key().misspelt(Slip::Last);
            let ended = scene.run(behind(&scene)).await;
            assert_eq!(ended.status(), 1, "{:#?}", ended.outcome());
            assert!(said(&ended).contains("similar name"), "{}", said(&ended));
            scene.assert_no_outage();
        }
    }
}

/// A person switched the key off, and minutes later a run with other targets replaced it. That its successor is young says
/// nothing of a target that the run did not write.
#[tokio::test(start_paused = true)]
async fn a_target_that_holds_a_key_which_was_switched_off_is_due() {
    for mut scene in both(Scene::rotated_before) {
        assert_rotates(&scene).await;
        scene.world.by_hand(|state| state.issuer.keys.last_mut().unwrap().disabled = true);
        scene.world.advance(2 * MINUTE);
        let mut one = scene.clone();
        one.targets.truncate(1);
        one.policy.retire = Retire::Keep;
        assert_eq!(one.clean_run().await.outcome().verdict, RunStatus::Rotated);
        scene.policy.rotate_after = 30 * DAY;
        scene.world.advance(DAY);
        assert_rotates(&scene).await;
    }
}

/// A misspelt run left the hand-made key alone, and a person stored the new one in one of the targets: the value of the other
/// must not stop every run.
#[tokio::test(start_paused = true)]
async fn a_value_of_another_key_may_be_left_out_where_a_target_holds_the_familys() {
    let mut scene = Scene::hand_made(&["acme/app", "acme/api"]);
    scene.policy.retire = Retire::Keep;
    assert_eq!(scene.clone().misspelt(Slip::All).clean_run().await.status(), 0);
    scene.policy.retire = Retire::Delete;
    let made = scene.world.live_keys(FAMILY)[0].value.clone();
    scene.world.by_hand(|state| {
        scene.targets.iter().for_each(|place| _ = state.github.remove(place, SLIP));
        state.github.write_secret(&scene.targets[1], SECRET, &made);
    });
    scene.world.advance(HOUR);
    let stopped = scene.clone().with_current_key();
    assert_stops(&stopped, "leave current-key out to replace that key in every target").await;
    scene.policy.replace_key_id = None;
    assert_rotates(&scene).await;
    assert!(lives(&scene, "Peter"), "it is not this rotation's");
}

/// The key that followed it was switched off, so that `replace-key-id` names it again; an earlier run promised it a grace.
#[tokio::test(start_paused = true)]
async fn a_key_that_is_named_again_keeps_its_grace_where_none_is_stated() {
    for mut scene in both(Scene::hand_made) {
        scene.policy.grace = HOUR;
        assert_eq!(scene.clean_run().await.status(), 0);
        let made = scene.world.live_keys(FAMILY).into_iter().max_by_key(|key| key.created_at).unwrap();
        scene.world.by_hand(|state| state.issuer.key_mut(&made.id).unwrap().disabled = true);
        scene.world.advance(LONG_AFTER);
        (scene.policy.grace, scene.policy.grace_is_stated) = (Duration::ZERO, false);
        assert_eq!(scene.clean_run().await.outcome().verdict, RunStatus::Rotated);
        assert_eq!(scene.live_family().len(), 2, "the earlier run's key stays for a day");
        scene.assert_no_outage();
        scene.world.advance(2 * DAY);
        assert_rotates(&scene).await;
    }
}

/// Its key was deleted with the secrets: nothing is left to name.
#[tokio::test(start_paused = true)]
async fn a_named_key_that_is_gone_may_be_left_out_where_the_targets_are_empty() {
    for mut scene in both(Scene::hand_made) {
        scene.world.by_hand(|state| {
            scene.targets.iter().for_each(|place| _ = state.github.remove(place, SECRET));
            let peters = scene.policy.replace_key_id.as_ref().map(|id| state.issuer.delete(&id.0));
            assert_eq!(peters, Some(true));
        });
        assert_stops(&scene, "leave replace-key-id out to make the first key").await;
        scene.policy.replace_key_id = None;
        let ended = scene.clean_run().await;
        assert!(said(&ended).starts_with("this is the first key"), "{}", said(&ended));
    }
}

/// A misspelt run leaves a hand-made key alone, which a run beside it brings into the family and then gives way. The key that
/// followed it there never replaced it where it is.
#[tokio::test(start_paused = true)]
async fn a_pending_key_is_held_where_a_target_may_be_misspelt() {
    let mut scene = Scene::hand_made(&["acme/app"]);
    let mut other = Scene { seed: 2, ..scene.clone().misspelt(Slip::All) };
    other.policy.retire = Retire::Keep;
    let slow = Script::default().at(Call::Rename, 1, Fault::Slow(2 * SECOND));
    let (wrote, gave_way) = tokio::join!(other.clean_run(), scene.run(slow));
    assert_eq!(wrote.outcome().verdict, RunStatus::Rotated, "{:#?}", wrote.outcome());
    assert_eq!(gave_way.outcome().verdict, RunStatus::RolledBack, "{:#?}", gave_way.outcome());
    assert!(!lives(&scene, "Peter") && scene.live_family().len() == 2, "it is of the family now");
    (other.policy.retire, other.policy.rotate_after) = (Retire::Delete, 30 * DAY);
    scene.world.advance(2 * DAY);
    let ended = other.clean_run().await;
    assert_eq!(ended.status(), 3, "{:#?}", ended.outcome());
    assert!(said(&ended).contains("similar name") && said(&ended).contains("add accept="), "{}", said(&ended));
    scene.assert_no_outage();
    scene.world.by_hand(|state| state.github.remove(&scene.targets[0], SLIP));
    let made = scene.live_family().into_iter().max_by_key(|key| key.created_at).unwrap();
    scene.policy.replace_key_id = Some(KeyId(made.id));
    assert_rotates(&scene).await;
}

/// The first run died before it committed, and one of the two names something else altogether: the key is where the other one
/// wrote. What cannot be that key stops nobody.
#[tokio::test(start_paused = true)]
async fn a_dead_first_runs_key_is_not_retired_where_it_may_lie_under_another_name() {
    let killed = || Script::default().at(Call::Rename, 2, Fault::Kill { applied: false });
    for readable in [true, false] {
        for (first, then, wrote) in [(None, Some(Slip::Other), SECRET), (Some(Slip::Other), None, OTHER)] {
            let mut scene = Scene { readable, slip: first, ..Scene::empty(&["acme/app", "acme/api"]) };
            Grant::Monthly.state(&mut scene.policy);
            scene.policy.expires_after = Wish::Stated(None);
            scene.write_beside(0, "DATABASE", "postgres");
            scene.world.advance(HOUR);
            let ended = scene.run(killed()).await;
            assert_eq!(ended.status(), 137, "{ended:#?}");
            scene.world.advance(LONG_AFTER);
            scene.slip = then;
            assert_stops(&scene, wrote).await;
            scene.slip = None;
            if wrote == OTHER {
                scene.world.by_hand(|state| {
                    scene.targets.iter().for_each(|place| _ = state.github.remove(place, OTHER));
                });
            }
            assert_rotates(&scene).await;
        }
    }
}

/// A run that named something else left the hand-made key alone, and died with a key of its own. What it wrote is no evidence
/// that the hand-made one is there.
#[tokio::test(start_paused = true)]
async fn a_key_that_was_left_alone_is_not_held_where_the_run_wrote_its_own() {
    for mut scene in both(Scene::hand_made) {
        scene.policy.retire = Retire::Keep;
        let wrong = scene.clone().misspelt(Slip::Other);
        let killed = Script::default().at(Call::Rename, 2, Fault::Kill { applied: false });
        assert_eq!(wrong.run(killed).await.status(), 137);
        scene.world.advance(LONG_AFTER);
        let mut wrong = wrong;
        wrong.policy.retire = Retire::Delete;
        assert_stops(&wrong, "no target holds Peter's key").await;
        scene.policy.retire = Retire::Delete;
        assert_stops(&scene, "delete them by hand").await;
        scene.world.by_hand(|state| {
            scene.targets.iter().for_each(|place| _ = state.github.remove(place, OTHER));
            let made: Vec<_> = state.live_keys(FAMILY).into_iter().map(|key| key.id).collect();
            made.iter().for_each(|id| _ = state.issuer.delete(id));
        });
        assert_rotates(&scene).await;
    }
}

/// A person switched the family's key off. The next run names the secret otherwise: it is no key's end, but its new key
/// would lie under a name that the run after it does not write.
#[tokio::test(start_paused = true)]
async fn a_slip_beside_the_place_of_a_dead_key_stops_the_run() {
    for slip in [Slip::All, Slip::Last] {
        let scene = Scene::rotated_before(&["acme/app", "acme/api"]);
        let id = scene.world.live_keys(FAMILY)[0].id.clone();
        scene.world.by_hand(|state| state.issuer.key_mut(&id).unwrap().disabled = true);
        assert_stops(&scene.clone().misspelt(slip), SECRET).await;
        assert_eq!(scene.clean_run().await.status(), 0, "the right name heals it");
        scene.assert_healed();
    }
}
