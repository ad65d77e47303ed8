//! Schedules that broke a promise when a random search found them, each as small as it could be made.

use std::time::Duration;

use futures_util::future::join_all;
use keyrotor::rotation::model::AllowList;
use keyrotor::rotation::outcome::{RunStatus, TargetState};
use keyrotor::rotation::policy::{Retire, Wish};
use keyrotor::secret::Secret;
use keyrotor_fake::Wider;
use keyrotor_sim::play::play;
use keyrotor_sim::scene::{FAMILY, SECRET};
use keyrotor_sim::schedule::{Act, RunPlan, Schedule};
use keyrotor_sim::{Call, Fault, Scene, Script};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const LONG_AFTER: Duration = Duration::from_secs(600);

/// Two runs wait for the same dead run's lease. The one that sees it end first makes its key between the other's last
/// list and its second look at everything; the other must then wait again, or it takes a key that is being deployed for
/// a dead run's and deletes it under the targets.
#[tokio::test(start_paused = true)]
async fn two_runs_that_waited_for_the_same_dead_one_wait_for_each_other() {
    for apart in (0..60).map(|step| Duration::from_millis(50 * step)) {
        let scene = Scene { latency: Duration::from_millis(400), ..Scene::rotated_before(&["acme/app"]) };
        let slow = Script::default().at(Call::Write(0), 1, Fault::Slow(5 * SECOND));
        let killed = Script::default().at(Call::Create, 1, Fault::Kill { applied: true });
        assert_eq!(scene.run(killed).await.status(), 137);
        let other = Scene { seed: 2, ..scene.clone() };
        let second = async {
            tokio::time::sleep(apart).await;
            other.clean_run().await
        };
        tokio::join!(scene.run(slow), second);
        scene.assert_no_outage();
        tokio::time::sleep(LONG_AFTER).await;
        assert_eq!(scene.clean_run().await.outcome().verdict, RunStatus::Rotated, "{apart:?}");
        scene.assert_healed();
    }
}

/// Runs that begin at once see each other's keys and give way. The one with `leaked` gave way too, and for good: the key that
/// a thief had lived on until somebody started another run.
#[tokio::test(start_paused = true)]
async fn of_ten_runs_at_once_one_with_leaked_wins_within_three_minutes() {
    for (seed, leaked) in (0..25).flat_map(|seed| [(seed, 1), (seed, 3), (seed, 10)]) {
        let scene = Scene::rotated_before(&["acme/app", "acme/api"]);
        let (old, began) = (scene.deployed(), Instant::now());
        let runs = (0..10).map(|nth| {
            let mut one = Scene { seed: 100 * seed + nth, ..scene.clone() };
            one.policy.leaked = nth < leaked;
            async move {
                let ended = one.clean_run().await;
                (one.policy.leaked && ended.outcome().verdict == RunStatus::Rotated).then(|| began.elapsed())
            }
        });
        let won = join_all(runs).await.into_iter().flatten().min();
        assert!(won.is_some_and(|took| took < 180 * SECOND), "seed {seed}, {leaked} with `leaked`: {won:?}");
        assert!(scene.world.live_keys(FAMILY).iter().all(|key| Some(&key.value) != old.as_ref()), "seed {seed}");
        scene.assert_no_outage();
        tokio::time::sleep(LONG_AFTER).await;
        assert_eq!(scene.clean_run().await.outcome().verdict, RunStatus::Rotated, "seed {seed}");
        scene.assert_healed();
    }
}

/// A pending key that another run has just deleted answers a rename with 404. Taken for an issuer without renames, it
/// made the run name its next key as if it were committed; killed there, it left a key that the run after it took for
/// deployed, and the deployed one for pending.
#[tokio::test(start_paused = true)]
async fn a_key_deleted_by_another_run_does_not_say_that_the_issuer_has_no_renames() {
    for (call, nth) in [(Call::Create, 1), (Call::Try, 4), (Call::Write(0), 1)] {
        let mut scene = Scene::rotated_before(&["acme/app"]);
        scene.policy.grace = HOUR;
        assert_eq!(scene.clean_run().await.status(), 0);
        scene.policy.grace = Duration::ZERO;
        tokio::time::sleep(Duration::from_secs(30)).await;
        let other = Scene { seed: 2, ..scene.clone() };
        let second = async {
            tokio::time::sleep(Duration::from_millis(80)).await;
            other.run(Script::default().at(call, nth, Fault::Kill { applied: call == Call::Create })).await
        };
        tokio::join!(scene.clean_run(), second);
        scene.world.advance(2 * DAY);
        scene.clean_run().await;
        scene.assert_no_outage();
        scene.world.advance(LONG_AFTER);
        assert_eq!(scene.clean_run().await.status(), 0, "{call:?}");
        scene.assert_healed();
    }
}

/// A credential that is refused for a moment is no issuer without renames either.
#[tokio::test(start_paused = true)]
async fn a_forbidden_renewal_does_not_say_that_the_issuer_has_no_renames() {
    let scene = Scene::rotated_before(&["acme/app", "acme/api"]).with_current_key();
    let script = Script::default().always(Call::Rename, Fault::Refuse).at(Call::LastWrite(1), 1, Fault::Refuse).at(
        Call::Delete,
        2,
        Fault::Refuse,
    );
    assert_eq!(scene.run(script).await.status(), 1);
    scene.world.advance(2 * DAY);
    assert_eq!(scene.clean_run().await.status(), 0);
    scene.assert_healed();
}

/// The last look for a key whose making was never answered counts against the time that a signal leaves.
#[tokio::test(start_paused = true)]
async fn a_last_look_ends_in_time_and_names_what_it_did_not_find() {
    let scene = Scene::rotated_before(&["acme/app"]);
    let script = Script::default().at(Call::Create, 1, Fault::LoseBefore).at(Call::Create, 2, Fault::Terminate).at(
        Call::List,
        4,
        Fault::TimeOut { after: 30 * SECOND, lands: None },
    );
    let ended = scene.run(script.clone()).await;
    assert!(script.terminated_at().unwrap().elapsed() < 7 * SECOND, "{:?}", script.terminated_at().unwrap().elapsed());
    assert_eq!(ended.status(), 3);
    assert!(ended.outcome().problems.iter().any(|problem| problem.what.contains("-unconfirmed may have been made")));
}

/// A signal while only the commit's rename is unanswered.
#[tokio::test(start_paused = true)]
async fn a_commit_that_is_cut_short_is_not_told_as_done() {
    let scene = Scene::rotated_before(&["acme/app"]);
    let script = Script::default().at(Call::Rename, 2, Fault::TimeOut { after: 30 * SECOND, lands: None }).at(
        Call::Delete,
        1,
        Fault::Terminate,
    );
    let ended = scene.run(script).await;
    let left = scene.world.live_keys(FAMILY);
    assert!(left.len() == 1 && left[0].name.ends_with("-unconfirmed"));
    assert_eq!(ended.status(), 3, "{:#?}", ended.outcome());
    assert!(!ended.outcome().problems.is_empty(), "and it says why");
    scene.world.advance(LONG_AFTER);
    assert_eq!(scene.clean_run().await.status(), 0);
    scene.assert_healed();
}

/// The adopted key is gone, its successor not committed: `replace-key-id` names nothing that is listed, and is right to.
#[tokio::test(start_paused = true)]
async fn a_replace_key_id_left_in_does_not_stop_the_run_after_a_lost_commit() {
    let scene = Scene::hand_made(&["acme/app", "acme/api"]);
    let lost = (3..=6).fold(Script::default(), |script, nth| script.at(Call::Rename, nth, Fault::LoseBefore));
    assert_eq!(scene.run(lost).await.status(), 3);
    scene.world.advance(LONG_AFTER);
    let ended = scene.clean_run().await;
    assert_eq!(ended.outcome().verdict, RunStatus::Rotated, "{:#?}", ended.outcome().problems);
    scene.assert_healed();
}

/// Putting back renames the current key, so that the writes just made are its own. That must not make someone else's
/// earlier write to another target its own too: the key in grace that it holds would be retired under it.
#[tokio::test(start_paused = true)]
async fn putting_back_does_not_hide_what_someone_else_wrote() {
    let mut scene = Scene::rotated_before(&["acme/app", "acme/api"]);
    let old = scene.deployed().unwrap();
    scene.policy.grace = DAY;
    assert_eq!(scene.clean_run().await.status(), 0);
    scene.world.advance(HOUR);
    scene.world.by_hand(|state| state.github.write_secret(&scene.targets[1], SECRET, &old));
    scene.world.advance(HOUR);
    let mut failing = scene.clone().with_current_key();
    failing.seed = 2;
    let ended = failing.run(Script::default().always(Call::Write(1), Fault::Refuse)).await;
    assert_eq!(ended.status(), 3, "{:#?}", ended.outcome());
    scene.policy.rotate_after = 30 * DAY;
    for _ in 0..3 {
        scene.world.advance(2 * DAY);
        scene.clean_run().await;
        scene.assert_no_outage();
    }
    assert_eq!(scene.clean_run().await.status(), 0);
    scene.assert_healed();
}

/// Putting back removes the secret where there was none, and nobody could put back what someone else wrote there while the
/// new key was proved.
#[tokio::test(start_paused = true)]
async fn what_someone_else_wrote_where_nothing_was_is_not_removed() {
    for first in [0, 1] {
        let mut scene = Scene::rotated_before(&["acme/app"]).with_current_key();
        let old = scene.deployed().unwrap();
        let added = scene.world.by_hand(|state| state.github.add_repo("acme/added"));
        scene.targets.insert(first, added.clone());
        scene.world.by_hand(|state| state.issuer.behaviour.activation_delay = 20 * SECOND);
        let by_hand = async {
            tokio::time::sleep(10 * SECOND).await;
            scene.world.by_hand(|state| state.github.write_secret(&added, SECRET, &old));
        };
        let refused = Script::default().always(Call::Write(1 - first), Fault::Refuse);
        let (ended, ()) = tokio::join!(scene.run(refused), by_hand);
        let outcome = ended.outcome();
        assert_eq!(scene.world.value_at(&added, SECRET), Some(old), "{outcome:#?}");
        assert!(outcome.problems.iter().any(|problem| problem.what.contains("acme/added")), "{outcome:#?}");
        scene.assert_no_outage();
        scene.world.advance(LONG_AFTER);
        assert_eq!(scene.clean_run().await.outcome().verdict, RunStatus::Rotated);
        scene.assert_healed();
    }
}

/// A run that is killed right after an issuer gave its key more than was asked for has not held that against anything. No
/// later run may take the key for the one that is deployed and hand its rights on.
#[tokio::test(start_paused = true)]
async fn what_a_dead_runs_key_may_do_is_not_inherited() {
    let scenes: [fn(Scene) -> Scene; 2] = [Scene::without_renames, Scene::with_renames_ignored];
    for wider in [Wider::DoublesLimit, Wider::IgnoresLimit, Wider::ResetsDaily, Wider::IgnoresProviders] {
        for without_names in scenes {
            let scene = without_names(Scene::rotated_before(&["acme/app"]));
            scene.world.by_hand(|state| {
                state.issuer.behaviour.wider = vec![wider];
                let key = state.issuer.keys.iter_mut().find(|key| key.name.starts_with(FAMILY)).unwrap();
                (key.rights.limit, key.rights.limit_reset) = (Some(100.0), Some("monthly".into()));
                key.rights.allowed_providers = vec!["openai".into()];
            });
            let before = scene.world.live_keys(FAMILY)[0].rights.clone();
            // Where renames are ignored, the first key is made to find that out.
            let killed = [1, 2].map(|nth| Script::default().at(Call::Create, nth, Fault::Kill { applied: true }));
            for script in killed {
                scene.run(script).await;
                scene.world.advance(LONG_AFTER);
            }
            scene.world.by_hand(|state| state.issuer.behaviour.wider.clear());
            let scene = scene.with_current_key();
            assert_eq!(scene.clean_run().await.outcome().verdict, RunStatus::Rotated, "{wider:?}");
            scene.assert_healed();
            assert_eq!(scene.world.live_keys(FAMILY)[0].rights, before, "{wider:?}");
        }
    }
}

/// Between the last look and the commit nothing is waited for, or a person who puts the old value back meanwhile has it
/// deleted under them.
#[tokio::test(start_paused = true)]
async fn an_old_value_put_back_while_a_lost_write_settles_is_seen() {
    for after in [5, 20, 36] {
        let scene = Scene::rotated_before(&["acme/app"]);
        let old = scene.deployed().unwrap();
        let by_hand = async {
            tokio::time::sleep(after * SECOND).await;
            scene.world.by_hand(|state| state.github.write_secret(&scene.targets[0], SECRET, &old));
        };
        let lost = Script::default().at(Call::Write(0), 1, Fault::LoseBefore);
        let (ended, ()) = tokio::join!(scene.run(lost), by_hand);
        assert_eq!(ended.status(), 3, "{after} s: {:#?}", ended.outcome());
        scene.assert_no_outage();
        scene.world.advance(LONG_AFTER);
        assert_eq!(scene.clean_run().await.outcome().verdict, RunStatus::Rotated);
        scene.assert_healed();
    }
}

/// Told to stop at any call of a slow run: a target of which nobody can say what it holds is not said to hold the new key.
#[tokio::test(start_paused = true)]
async fn a_target_that_was_being_put_back_is_not_said_to_hold_the_new_key() {
    for nth in 1.. {
        let scene = Scene::rotated_before(&["acme/app", "acme/api"]).with_current_key();
        let scene = Scene { latency: 3 * SECOND, ..scene };
        let script = Script::default().at(Call::Any, nth, Fault::Terminate);
        let ended = scene.run(script.clone()).await;
        if script.calls() < nth {
            break;
        }
        let outcome = ended.outcome();
        let new = outcome.new_key.as_ref().map(|(id, _)| id.0.clone());
        for (place, row) in scene.targets.iter().zip(&outcome.targets) {
            let holds_new = scene.world.key_at(place, SECRET).map(|key| key.id) == new;
            assert!(row.state != TargetState::New || holds_new, "call {nth}: {outcome:#?}");
        }
        scene.assert_no_outage();
    }
}

/// The commit's rename and the deletes beside it go unanswered. Once the lease is over another run may put back the key
/// that this one still tries to delete.
#[tokio::test(start_paused = true)]
async fn deletes_are_not_repeated_beyond_the_lease_of_an_uncommitted_key() {
    let unanswered = Fault::TimeOut { after: 30 * SECOND, lands: None };
    let scene = Scene::hand_made(&["acme/app", "acme/api"]).with_current_key();
    let script = (3..=6).fold(Script::default(), |script, nth| script.at(Call::Rename, nth, unanswered));
    let script = (1..=3).fold(script, |script, nth| script.at(Call::Delete, nth, unanswered));
    let other = Scene { seed: 2, ..scene.clone() };
    let second = async {
        tokio::time::sleep(62 * SECOND).await;
        other.run(Script::default().always(Call::Write(1), Fault::Refuse)).await
    };
    tokio::join!(scene.run(script), second);
    scene.assert_no_outage();
    tokio::time::sleep(LONG_AFTER).await;
    assert_eq!(scene.clean_run().await.status(), 0);
    scene.assert_healed();
}

/// A first run that died while it found out that renames are ignored leaves a key that was never written anywhere.
#[tokio::test(start_paused = true)]
async fn a_key_made_to_find_out_about_renames_is_not_taken_for_the_deployed_one() {
    let scene = first_key(Scene::empty(&["acme/app"]).with_renames_ignored());
    let killed = Script::default().at(Call::Create, 1, Fault::Kill { applied: true });
    assert_eq!(scene.run(killed).await.status(), 137);
    scene.world.advance(LONG_AFTER);
    let ended = scene.clean_run().await;
    assert_eq!(ended.outcome().verdict, RunStatus::Rotated, "{:#?}", ended.outcome().problems);
    scene.assert_healed();
}

/// One target refuses to be looked at in every run. Without renames too there is no pile of keys.
#[tokio::test(start_paused = true)]
async fn without_renames_a_target_that_fails_every_run_makes_no_pile_of_keys() {
    let scene = Scene::rotated_before(&["acme/app", "acme/api"]).without_renames();
    for _ in 0..20 {
        let status = scene.run(Script::default().always(Call::LastWrite(1), Fault::Refuse)).await.status();
        assert_eq!(status, 3);
        scene.assert_no_outage();
        scene.world.advance(HOUR);
    }
    assert!(scene.world.live_keys(FAMILY).len() <= 8, "{}", scene.world.live_keys(FAMILY).len());
    scene.world.advance(2 * DAY);
    assert_eq!(scene.clean_run().await.status(), 0);
    scene.assert_healed();
}

/// Putting back gives the current key its commit. A key of a dead first run, whose value is in hand, was never committed.
#[tokio::test(start_paused = true)]
async fn putting_back_does_not_confirm_a_key_that_no_run_committed() {
    let scene = first_key(Scene::empty(&["acme/app"]));
    let killed = Script::default().at(Call::Create, 1, Fault::Kill { applied: true });
    assert_eq!(scene.run(killed).await.status(), 137);
    scene.world.advance(LONG_AFTER);
    let value = scene.world.live_keys(FAMILY)[0].value.clone();
    let mut failing = scene.clone();
    failing.policy.current_key = Some(Secret::new(value));
    // The first look is before the write.
    assert_eq!(failing.run(Script::default().at(Call::LastWrite(0), 2, Fault::Refuse)).await.status(), 3);
    scene.world.advance(LONG_AFTER);
    assert_eq!(scene.clean_run().await.status(), 0);
    scene.assert_healed();
}

/// Without renames nothing records that everything was put back, except the value in hand; a younger key that a killed
/// run left does not change whose it is.
#[tokio::test(start_paused = true)]
async fn without_renames_the_value_in_hand_shows_whose_the_family_is_beside_a_younger_key() {
    let scene = Scene::rotated_before(&["acme/app", "acme/api"]).without_renames().with_current_key();
    assert_eq!(scene.run(Script::default().at(Call::LastWrite(1), 1, Fault::Refuse)).await.status(), 1);
    scene.world.advance(LONG_AFTER);
    let killed = Script::default().at(Call::Create, 1, Fault::Kill { applied: true });
    assert_eq!(scene.run(killed).await.status(), 137);
    scene.world.advance(LONG_AFTER);
    let ended = scene.clean_run().await;
    assert_eq!(ended.outcome().verdict, RunStatus::Rotated, "{:#?}", ended.outcome().problems);
    scene.assert_healed();
}

/// A run puts everything back and looks once more, which takes longer than its lease, while another run goes ahead. The old
/// key's commit, which comes then, does not make it current in place of the key that the targets hold.
#[tokio::test(start_paused = true)]
async fn a_put_back_recorded_beyond_the_lease_does_not_displace_the_key_of_the_next_run() {
    for grace in [Duration::ZERO, HOUR] {
        for after in (0..40).map(|step| 5 * step * SECOND) {
            let mut scene = Scene::rotated_before(&["acme/app"]);
            scene.policy.grace = grace;
            let slow = Script::default().always(Call::LastWrite(0), Fault::TimeOut { after: 30 * SECOND, lands: None });
            let other = Scene { seed: 2, ..scene.clone() };
            let second = async {
                tokio::time::sleep(after).await;
                other.clean_run().await
            };
            let first = scene.clone().with_current_key();
            tokio::join!(first.run(slow), second);
            scene.world.advance(2 * DAY);
            scene.clean_run().await;
            scene.assert_no_outage();
            scene.world.advance(2 * DAY);
            assert_eq!(scene.clean_run().await.status(), 0, "{grace:?} {after:?}");
            scene.assert_no_outage();
        }
    }
}

/// The same, and a person writes the old value back behind the other run's commit: the late commit of the old key must not
/// hide that.
#[tokio::test(start_paused = true)]
async fn a_put_back_recorded_beyond_the_lease_does_not_hide_what_someone_wrote() {
    for written in (185..250).step_by(5).map(Duration::from_secs) {
        let mut scene = Scene::rotated_before(&["acme/app", "acme/api"]).with_current_key();
        scene.policy.grace = HOUR;
        let slow = Script::default().always(Call::LastWrite(1), Fault::TimeOut { after: 30 * SECOND, lands: None });
        let mut other = Scene { seed: 2, ..scene.clone() };
        other.policy.current_key = None;
        let old = scene.deployed().unwrap();
        let second = async {
            tokio::time::sleep(100 * SECOND).await;
            other.clean_run().await;
        };
        let person = async {
            tokio::time::sleep(written).await;
            scene.world.by_hand(|state| state.github.write_secret(&scene.targets[1], SECRET, &old));
        };
        tokio::join!(scene.run(slow), second, person);
        scene.world.advance(2 * DAY);
        other.clean_run().await;
        scene.assert_no_outage();
        scene.world.advance(2 * DAY);
        other.clean_run().await;
        scene.assert_no_outage();
    }
}

/// A person switched the current key off, a run's key never got its final name, and the person took the old key back. Whoever
/// still has its value as `current-key` would have it brought back into the family, and retired.
#[tokio::test(start_paused = true)]
async fn a_key_that_was_taken_back_is_not_adopted_because_its_value_is_in_hand() {
    let scene = Scene::rotated_before(&["acme/app"]);
    let old = scene.world.live_keys(FAMILY)[0].clone();
    scene.world.by_hand(|state| state.issuer.key_mut(&old.id).unwrap().disabled = true);
    assert_eq!(scene.run(Script::default().always(Call::Write(0), Fault::LoseAfter)).await.status(), 3);
    scene.world.advance(LONG_AFTER);
    assert_eq!(scene.reenable(&old.id, Script::default()).await.status(), 0);
    let mut in_hand = scene.clone();
    in_hand.policy.current_key = Some(Secret::new(old.value.clone()));
    let ended = in_hand.clean_run().await;
    assert_eq!(ended.outcome().verdict, RunStatus::Unchanged, "{:#?}", ended.outcome().problems);
    assert!(ended.outcome().problems[0].what.contains("taken back"), "{:#?}", ended.outcome().problems);
    scene.world.advance(2 * DAY);
    assert_eq!(scene.clean_run().await.status(), 0);
    scene.assert_healed();
    let back = scene.world.read(|state| state.issuer.key(&old.id).cloned());
    assert!(back.is_some_and(|key| !key.disabled), "nobody but a person ends it");
}

fn first_key(mut scene: Scene) -> Scene {
    scene.policy.providers = Wish::Stated(AllowList::All);
    scene.policy.models = Wish::Stated(AllowList::All);
    scene.policy.limit = Wish::Stated(None);
    scene.policy.expires_after = Wish::Stated(None);
    scene
}

/// Another workflow rotates one of two repositories soon behind a rotation of both: the other one still holds the key that
/// waits in grace, although it was written only minutes before the current key was made.
#[tokio::test(start_paused = true)]
async fn a_key_that_a_target_kept_is_not_retired_under_it_and_the_next_run_writes_it_anew() {
    for behind in [2, 60, 120, 280] {
        let mut scene = Scene::rotated_before(&["acme/app", "acme/web"]);
        scene.policy.grace = HOUR;
        assert_eq!(scene.clean_run().await.status(), 0);
        scene.world.advance(behind * SECOND);
        let mut alone = scene.clone();
        alone.seed = 2;
        alone.targets.truncate(1);
        assert_eq!(alone.clean_run().await.status(), 0);
        scene.policy.rotate_after = 30 * DAY;
        scene.seed = 3;
        for _ in 0..4 {
            scene.world.advance(DAY);
            scene.clean_run().await;
            scene.assert_no_outage();
        }
        if behind >= 120 {
            scene.assert_healed();
        }
    }
}

/// A person copies the deployed value to another repository by hand, and within the minute a rotation that does not know
/// that repository replaces the key.
#[tokio::test(start_paused = true)]
async fn a_key_that_a_person_copied_right_before_a_rotation_is_not_retired_under_the_copy() {
    let mut scene = Scene::rotated_before(&["acme/app", "acme/web"]);
    let mut alone = scene.clone();
    alone.targets.truncate(1);
    alone.policy.grace = DAY;
    let old = scene.deployed().unwrap();
    scene.world.by_hand(|state| state.github.write_secret(&scene.targets[1], SECRET, &old));
    scene.world.advance(40 * SECOND);
    assert_eq!(alone.clean_run().await.status(), 0);
    (scene.policy.grace, scene.policy.rotate_after, scene.seed) = (DAY, 30 * DAY, 2);
    for _ in 0..3 {
        scene.world.advance(2 * DAY);
        scene.clean_run().await;
        scene.assert_no_outage();
    }
    scene.world.advance(30 * DAY);
    assert_eq!(scene.clean_run().await.status(), 0);
}

/// A person makes the next key by hand, under a name of the family, minutes behind a rotation.
#[tokio::test(start_paused = true)]
async fn a_key_that_a_person_names_like_the_family_does_not_end_the_deployed_one() {
    for grace in [Duration::ZERO, DAY] {
        let mut scene = Scene::rotated_before(&["acme/app"]);
        scene.policy.grace = grace;
        assert_eq!(scene.clean_run().await.status(), 0);
        scene.world.advance(120 * SECOND);
        scene.world.by_hand(|state| _ = state.issuer.seed_key("production-2027-01-10", |_| {}));
        scene.policy.rotate_after = 30 * DAY;
        for seed in 2..6 {
            scene.world.advance(13 * HOUR);
            scene.seed = seed;
            scene.clean_run().await;
            scene.assert_no_outage();
        }
        scene.world.advance(2 * DAY);
        scene.clean_run().await;
        scene.assert_healed();
    }
}

/// A run that keeps what it replaced says so, also of a key in grace that comes to its own end while the run waits for the
/// new one to work.
#[test]
fn a_key_that_expires_while_it_is_kept_is_no_lie() {
    let run = |plan: RunPlan| Act::Runs { runs: vec![plan], deeds: Vec::new(), settle: true };
    let schedule = Schedule {
        lifetime: Some(45 * DAY),
        activation: 50 * SECOND,
        acts: vec![
            Act::Wait(5 * DAY - 150 * SECOND),
            run(RunPlan { grace: Some(HOUR), ..RunPlan::plain() }),
            run(RunPlan { retire: Retire::Keep, ..RunPlan::plain() }),
        ],
        ..Schedule::plain(1)
    };
    let played = play(&schedule);
    assert!(played.broke.is_empty(), "{:?}", played.broke);
}

/// A run is killed right after an issuer gave its key a right that nobody asked for. By `current-key` that key is current, and
/// must not pass the right on.
#[tokio::test(start_paused = true)]
async fn what_a_dead_runs_key_has_beyond_its_rights_is_not_inherited() {
    let scene = Scene::rotated_before(&["acme/app"]);
    scene.world.by_hand(|state| state.issuer.behaviour.adds_fields = vec![("may_delegate", true.into())]);
    let killed = Script::default().at(Call::Create, 1, Fault::Kill { applied: true });
    assert_eq!(scene.run(killed).await.status(), 137);
    scene.world.by_hand(|state| {
        let left = state.live_keys(FAMILY).into_iter().find(|key| key.name.ends_with("-unconfirmed")).unwrap();
        let confirmed: Vec<_> = state.live_keys(FAMILY).into_iter().filter(|key| key.id != left.id).collect();
        confirmed.iter().for_each(|key| _ = state.issuer.delete(&key.id));
        state.github.write_secret(&scene.targets[0], SECRET, &left.value);
    });
    scene.world.advance(LONG_AFTER);
    let mut scene = first_key(scene.with_current_key());
    scene.policy.leaked = true;
    let ended = scene.clean_run().await;
    assert_ne!(ended.status(), 0, "{:#?}", ended.outcome());
    let told = &ended.outcome().problems;
    assert!(told.iter().any(|problem| problem.what.contains("may_delegate")), "{told:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_with_leaked_whose_machine_stands_still_again_and_again_ends() {
    let mut scene = Scene::rotated_before(&["acme/app"]);
    scene.policy.leaked = true;
    let frozen = Script::default().at(Call::List, 0, Fault::Freeze(Duration::from_secs(300)));
    // Five times in each beginning, at each list.
    let ended = tokio::time::timeout(Duration::from_secs(3600), scene.run(frozen)).await;
    assert!(ended.is_ok(), "the run does not end");
    scene.clean_run().await;
    scene.assert_healed();
}

/// Lists that take 25 s let runs meet that begin minutes apart: a wait of seconds between beginnings brought two with
/// `leaked` together until both gave up.
#[test]
fn of_runs_with_leaked_one_wins_although_the_servers_are_slow() {
    let run = |after, leaked| RunPlan { after, leaked, ..RunPlan::plain() };
    let runs = vec![run(Duration::ZERO, true), run(Duration::ZERO, false), run(Duration::from_millis(600), true)];
    for seed in 1..=500 {
        let schedule = Schedule {
            readable: true,
            slow_lists: Some(25 * SECOND),
            latency: 3 * SECOND,
            acts: vec![Act::Runs { runs: runs.clone(), deeds: Vec::new(), settle: false }],
            ..Schedule::plain(seed)
        };
        let played = play(&schedule);
        assert!(played.broke.is_empty(), "{seed}: {:?}", played.first());
    }
}

/// The server of a target restarts. Whoever gives up once the new key is in place leaves two keys behind.
#[tokio::test(start_paused = true)]
async fn a_target_that_is_down_for_seconds_is_waited_for_once_it_may_hold_the_new_key() {
    for (call, rotates) in [(Call::LastWrite(0), true), (Call::Delete, true), (Call::Observe(0), false)] {
        let scene = Scene::rotated_before(&["acme/app"]);
        let down = (1..9).fold(Script::default(), |script, nth| script.at(call, nth, Fault::Transient));
        let began = Instant::now();
        let ended = scene.run(down).await;
        assert_eq!(ended.status(), if rotates { 0 } else { 1 }, "{call:?}: {:#?}", ended.outcome());
        assert!(began.elapsed() < 30 * SECOND, "{:?}", began.elapsed());
        scene.assert_no_outage();
        scene.clean_run().await;
        scene.assert_healed();
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_that_stays_down_is_not_waited_for_for_ever() {
    let scene = Scene::rotated_before(&["acme/app"]);
    let began = Instant::now();
    let ended = scene.run(Script::default().always(Call::LastWrite(0), Fault::Transient)).await;
    assert_eq!(ended.status(), 3, "{:#?}", ended.outcome());
    assert!(began.elapsed() < 5 * scene.policy.verify_timeout, "{:?}", began.elapsed());
    scene.assert_no_outage();
    scene.world.advance(LONG_AFTER);
    scene.clean_run().await;
    scene.assert_healed();
}
