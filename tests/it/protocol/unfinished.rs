//! What a run could not bring to an end is told: exit 3, and the key by its name.

use std::time::Duration;

use keyrotor::rotation::outcome::{KeyFate, RunStatus};
use keyrotor_sim::scene::FAMILY;
use keyrotor_sim::{Call, Ended, Fault, Scene, Script};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 3600);
const LONG_AFTER: Duration = Duration::from_secs(600);

async fn next_run_heals(scene: &Scene) {
    scene.world.advance(LONG_AFTER);
    let ended = scene.clean_run().await;
    assert_eq!(ended.status(), 0, "{:#?}", ended.outcome());
    scene.assert_healed();
}

fn tells_of(ended: &Ended, name: &str) -> bool {
    ended.outcome().problems.iter().any(|problem| problem.what.contains(name))
}

/// An issuer answers a create with the id of a key that was there before: whose value came with it nobody can say.
#[tokio::test(start_paused = true)]
async fn a_create_that_answers_with_another_keys_id_is_believed_in_nothing() {
    let scene = Scene::rotated_before(&["acme/app"]);
    scene.world.by_hand(|state| state.issuer.behaviour.create_answers_first_id = true);
    let ended = scene.clean_run().await;
    assert!(matches!(ended.status(), 1 | 3), "{:#?}", ended.outcome());
    assert!(tells_of(&ended, "the answer has the id of a key that was there before"));
    assert_eq!(scene.world.live_keys(FAMILY).len(), 1, "the key that was made is found by its name and deleted");
    scene.assert_healed();
    scene.world.by_hand(|state| state.issuer.behaviour.create_answers_first_id = false);
    next_run_heals(&scene).await;
}

/// The run begins again, and then it can't even look: the key whose making was never answered is not forgotten.
#[tokio::test(start_paused = true)]
async fn a_key_that_may_have_been_made_before_the_run_went_blind_is_named() {
    let scene = Scene::rotated_before(&["acme/app"]).with_renames_ignored();
    let lists = (4..20).fold(Script::default(), |script, nth| script.at(Call::List, nth, Fault::Refuse));
    let ended = scene.run(lists.at(Call::Create, 1, Fault::LoseBefore)).await;
    assert_eq!(ended.outcome().verdict, RunStatus::Attention, "{:#?}", ended.outcome());
    assert!(tells_of(&ended, "may have been made"));
    let told = ended.outcome().problems.iter().find(|problem| problem.what.contains("may have been made")).unwrap();
    assert!(told.next.as_deref().unwrap().starts_with("run it again: the next run finds it"), "{told:?}");
    next_run_heals(&scene).await;
}

/// A dead run's key is to wait with the others and can't be renamed: it is left over, not pending.
#[tokio::test(start_paused = true)]
async fn a_dead_runs_key_that_could_not_be_renamed_is_not_called_pending() {
    let mut scene = Scene::rotated_before(&["acme/app"]);
    scene.policy.grace = DAY;
    assert_eq!(scene.run(Script::default().at(Call::Create, 1, Fault::Kill { applied: true })).await.status(), 137);
    scene.world.advance(LONG_AFTER);
    let ended = scene.run(Script::default().at(Call::Rename, 3, Fault::Refuse)).await;
    let orphan = ended.outcome().keys.iter().find(|key| key.name.ends_with("-unconfirmed")).unwrap();
    assert!(matches!(orphan.fate, KeyFate::Stray { .. }), "{:#?}", ended.outcome());
    assert_eq!(ended.status(), 3);
    scene.policy.grace = Duration::ZERO;
    next_run_heals(&scene).await;
}

/// Every other answer to a renewal is lost, so that there is always something that may yet take effect.
#[tokio::test(start_paused = true)]
async fn a_run_does_not_wait_for_ever_for_lost_renewals_to_settle() {
    let scene = Scene::rotated_before(&["acme/app"]);
    let script = Script::default().at(Call::Write(0), 1, Fault::LoseBefore);
    let script = (0..200).fold(script, |script, nth| script.at(Call::Rename, 2 + 2 * nth, Fault::LoseAfter));
    let ended = tokio::time::timeout(Duration::from_secs(3600), scene.run(script)).await.unwrap();
    assert_eq!(ended.status(), 3, "{:#?}", ended.outcome());
    assert!(tells_of(&ended, "answers to renewals keep getting lost"));
    next_run_heals(&scene).await;
}

/// Told to stop, everything is put back, and the answer to deleting the new key does not come in time.
#[tokio::test(start_paused = true)]
async fn a_new_key_that_may_be_deleted_is_not_said_to_be_alive() {
    for lands in [None, Some(5 * SECOND)] {
        let scene = Scene::rotated_before(&["acme/app"]).with_current_key();
        let script = Script::default().at(Call::LastWrite(0), 1, Fault::Terminate).at(
            Call::Delete,
            1,
            Fault::TimeOut { after: 30 * SECOND, lands },
        );
        let ended = scene.run(script).await;
        let outcome = ended.outcome();
        assert_eq!(
            (ended.status(), outcome.reason.to_string().as_str()),
            (3, "the run was told to stop; a key may be left over")
        );
        let (new, _) = outcome.new_key.as_ref().unwrap();
        let row = outcome.keys.iter().find(|key| key.id == *new).unwrap();
        assert!(matches!(row.fate, KeyFate::Stray { .. }), "{outcome:#?}");
        next_run_heals(&scene).await;
    }
}

/// Told to stop while it deletes the key that showed that renames are ignored.
#[tokio::test(start_paused = true)]
async fn the_deadline_holds_before_a_run_begins_again() {
    let scene = Scene::rotated_before(&["acme/app"]).with_renames_ignored();
    let script = Script::default().at(Call::Rename, 1, Fault::Terminate).at(
        Call::Delete,
        1,
        Fault::TimeOut { after: 30 * SECOND, lands: None },
    );
    let ended = scene.run(script.clone()).await;
    let took = script.terminated_at().unwrap().elapsed();
    assert!(took < 7 * SECOND, "{took:?}");
    assert_eq!(ended.status(), 3, "{:#?}", ended.outcome());
    next_run_heals(&scene).await;
}

/// The adoption of a hand-made key was killed where renames turn out to be ignored: names say that the new key is
/// current, the value in hand and `replace-key-id` say that it is the old one.
#[tokio::test(start_paused = true)]
async fn a_killed_adoption_heals_although_the_issuer_ignores_renames() {
    for nth in 12..60 {
        let scene = Scene::hand_made(&["acme/app", "acme/api"]).with_renames_ignored();
        let ended = scene.run(Script::default().at(Call::Any, nth, Fault::Kill { applied: true })).await;
        if ended.status() != 137 {
            break;
        }
        scene.world.advance(LONG_AFTER);
        let next = scene.clone().with_current_key();
        assert_eq!(next.clean_run().await.status(), 0, "killed at call {nth}");
        scene.assert_healed();
        assert!(scene.world.live_keys("Peter").is_empty(), "the adopted key is gone");
    }
}

/// On an issuer that does rename, the same look leaves no trace: the family is somebody else's.
#[tokio::test(start_paused = true)]
async fn a_key_named_beside_somebody_elses_family_keeps_its_name() {
    let mut scene = Scene::rotated_before(&["acme/app"]);
    let (id, value) = scene.world.by_hand(|state| state.issuer.seed_key("Paul's key", |_| {}));
    scene.targets = vec![scene.world.by_hand(|state| state.github.add_repo("acme/elsewhere"))];
    scene.deploy(&value);
    scene.policy.replace_key_id = Some(keyrotor::rotation::model::KeyId(id.clone()));
    let before = scene.world.live_keys("");
    let ended = scene.clean_run().await;
    assert_eq!(ended.status(), 1, "{:#?}", ended.outcome());
    let named = |keys: Vec<keyrotor_fake::Key>| keys.into_iter().map(|key| (key.id, key.name)).collect::<Vec<_>>();
    assert_eq!(named(scene.world.live_keys("")), named(before));
    let failing = scene.run(Script::default().at(Call::Rename, 2, Fault::Refuse)).await;
    assert_eq!(failing.status(), 3, "a name that could not be given back is told");
    assert!(tells_of(&failing, "Paul's key"));
    scene.assert_no_outage();
}

/// Told to stop between the two names, or while the issuer stands still: the key has its name, or it is told.
#[tokio::test(start_paused = true)]
async fn a_key_that_was_given_another_name_for_a_moment_is_not_left_so_by_a_signal() {
    let hangs = Fault::TimeOut { after: 30 * SECOND, lands: None };
    for script in [
        Script::default().at(Call::Rename, 1, Fault::Terminate),
        Script::default().at(Call::List, 1, Fault::Terminate),
        Script::default().at(Call::Rename, 1, Fault::Terminate).at(Call::Rename, 2, hangs),
    ] {
        let mut scene = Scene::rotated_before(&["acme/app"]);
        let (id, value) = scene.world.by_hand(|state| state.issuer.seed_key("Paul's key", |_| {}));
        scene.targets = vec![scene.world.by_hand(|state| state.github.add_repo("acme/elsewhere"))];
        scene.deploy(&value);
        scene.policy.replace_key_id = Some(keyrotor::rotation::model::KeyId(id.clone()));
        let ended = scene.run(script.clone()).await;
        assert!(script.terminated_at().unwrap().elapsed() < 7 * SECOND);
        let name = scene.world.read(|state| state.issuer.key(&id).unwrap().name.clone());
        assert!(name == "Paul's key" || (ended.status() == 3 && tells_of(&ended, &id)), "{:#?}", ended.outcome());
    }
}

/// A hand-made key, recognised by its value, was brought into the family, and then no key could be made or written.
#[tokio::test(start_paused = true)]
async fn an_adoption_by_value_that_got_no_further_is_finished_by_the_next_run() {
    for script in [
        Script::default().at(Call::Create, 1, Fault::Refuse),
        Script::default().always(Call::Write(0), Fault::Refuse),
        Script::default().at(Call::Create, 1, Fault::Kill { applied: false }),
    ] {
        let scene = Scene::empty(&["acme/app"]);
        let (_, value) = scene.world.by_hand(|state| state.issuer.seed_key("Peter's key", |_| {}));
        scene.world.by_hand(|state| state.issuer.seed_key("Paul's key", |_| {}));
        scene.world.advance(Duration::from_secs(3600));
        scene.deploy(&value);
        scene.world.advance(40 * DAY);
        let scene = scene.with_current_key();
        scene.run(script).await;
        next_run_heals(&scene).await;
    }
}
