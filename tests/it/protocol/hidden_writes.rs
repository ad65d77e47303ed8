//! What people write by hand at a bad moment is never hidden by what a run does later: no key is retired under them.

use std::time::Duration;

use keyrotor_sim::scene::SECRET;
use keyrotor_sim::{Call, Fault, Scene, Script};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// After some days of clean runs there was no outage, and one more heals.
async fn heals_in_days(mut scene: Scene) {
    for _ in 0..3 {
        scene.world.advance(2 * DAY);
        scene.clean_run().await;
        scene.assert_no_outage();
    }
    scene.policy.rotate_after = 30 * DAY;
    scene.world.advance(2 * DAY);
    assert_eq!(scene.clean_run().await.status(), 0);
    scene.assert_healed();
}

fn writes(scene: &Scene, target: usize, value: &str) {
    scene.world.by_hand(|state| state.github.write_secret(&scene.targets[target], SECRET, value));
}

/// The process stands still between the two servers' answers, so that their clocks seem to be minutes apart.
#[tokio::test(start_paused = true)]
async fn a_process_that_stood_still_while_it_looked_does_not_misdate_them() {
    let mut scene = Scene::rotated_before(&["acme/app", "acme/api"]);
    let old = scene.deployed().unwrap();
    scene.policy.grace = HOUR;
    assert_eq!(scene.clean_run().await.status(), 0);
    scene.world.advance(200 * SECOND);
    writes(&scene, 1, &old);
    scene.world.advance(2 * HOUR);
    scene.policy.rotate_after = 30 * DAY;
    let script = Script::default().at(Call::List, 1, Fault::Transient).at(Call::List, 2, Fault::Freeze(300 * SECOND));
    let ended = scene.run(script).await;
    scene.assert_no_outage();
    assert_eq!(ended.status(), 3, "{:#?}", ended.outcome());
    scene.policy.rotate_after = Duration::ZERO;
    heals_in_days(scene).await;
}

/// The answer to the commit is lost, and the commit lands only after it was repeated and a person has written.
#[tokio::test(start_paused = true)]
async fn a_commit_that_lands_late_does_not_make_them_its_own() {
    for after in [4, 10, 28] {
        let mut scene = Scene::rotated_before(&["acme/app", "acme/api"]);
        let old = scene.deployed().unwrap();
        scene.policy.grace = HOUR;
        let by_hand = async {
            tokio::time::sleep(after * SECOND).await;
            writes(&scene, 1, &old);
        };
        let late = Script::default().at(Call::Rename, 2, Fault::Late(29 * SECOND));
        let (ended, ()) = tokio::join!(scene.run(late), by_hand);
        assert_eq!(ended.status(), 3, "{after} s: {:#?}", ended.outcome());
        heals_in_days(scene).await;
    }
}

/// A commit whose answer is lost is made again once it has settled, if nobody has written meanwhile.
#[tokio::test(start_paused = true)]
async fn a_lost_commit_is_made_again() {
    for fault in [Fault::LoseBefore, Fault::LoseAfter, Fault::Late(29 * SECOND)] {
        let mut scene = Scene::rotated_before(&["acme/app", "acme/api"]);
        scene.policy.grace = HOUR;
        let ended = scene.run(Script::default().at(Call::Rename, 2, fault)).await;
        assert_eq!(ended.status(), 0, "{fault:?}: {:#?}", ended.outcome());
        heals_in_days(scene).await;
    }
}

/// The commit is not answered within the lease, or only its last attempt is lost: whatever lands gets the unconfirmed
/// name over it, and is not told as done.
#[tokio::test(start_paused = true)]
async fn nor_does_one_that_is_given_up() {
    let hangs = Script::default().at(Call::Rename, 2, Fault::TimeOut { after: 30 * SECOND, lands: Some(29 * SECOND) });
    let busy = (2..=4).fold(Script::default(), |script, nth| script.at(Call::Rename, nth, Fault::Transient));
    for script in [hangs, busy.at(Call::Rename, 5, Fault::Late(29 * SECOND))] {
        let mut scene = Scene::rotated_before(&["acme/app", "acme/api"]);
        let old = scene.deployed().unwrap();
        scene.policy.grace = HOUR;
        let by_hand = async {
            tokio::time::sleep(10 * SECOND).await;
            writes(&scene, 1, &old);
        };
        let (ended, ()) = tokio::join!(scene.run(script), by_hand);
        assert_eq!((ended.status(), ended.outcome().rotated), (3, false), "{:#?}", ended.outcome());
        heals_in_days(scene).await;
    }
}

/// The same for the rename that gives the current key a new commit after everything was put back.
#[tokio::test(start_paused = true)]
async fn nor_does_the_commit_of_a_key_that_was_put_back() {
    for after in [4, 10, 28] {
        let mut scene = Scene::rotated_before(&["acme/app", "acme/api"]);
        let oldest = scene.deployed().unwrap();
        scene.policy.grace = HOUR;
        assert_eq!(scene.clean_run().await.status(), 0);
        scene.world.advance(600 * SECOND);
        let failing = Scene { seed: 2, ..scene.clone().with_current_key() };
        let by_hand = async {
            tokio::time::sleep(after * SECOND).await;
            writes(&scene, 1, &oldest);
        };
        let script =
            Script::default().at(Call::LastWrite(0), 1, Fault::Refuse).at(Call::Rename, 2, Fault::Late(29 * SECOND));
        let (ended, ()) = tokio::join!(failing.run(script), by_hand);
        assert_eq!(ended.status(), 3, "{after} s: {:#?}", ended.outcome());
        heals_in_days(scene).await;
    }
}

/// The issuer stands still between the look at the targets and the delete of a key whose grace is over.
#[tokio::test(start_paused = true)]
async fn a_pending_key_is_not_deleted_long_after_the_look_at_the_targets() {
    let mut scene = Scene::rotated_before(&["acme/app"]);
    let old = scene.deployed().unwrap();
    scene.policy.grace = HOUR;
    assert_eq!(scene.clean_run().await.status(), 0);
    scene.world.advance(2 * HOUR);
    scene.policy.rotate_after = 30 * DAY;
    let by_hand = async {
        tokio::time::sleep(10 * SECOND).await;
        writes(&scene, 0, &old);
    };
    let slow = (1..=2).fold(Script::default(), |script, nth| {
        script.at(Call::Rename, nth, Fault::TimeOut { after: 30 * SECOND, lands: None })
    });
    let (ended, ()) = tokio::join!(scene.run(slow), by_hand);
    assert_eq!(ended.status(), 3, "{:#?}", ended.outcome());
    scene.assert_no_outage();
    scene.policy.rotate_after = Duration::ZERO;
    heals_in_days(scene).await;
}
