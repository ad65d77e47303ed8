//! Schedules that broke a promise when a random search found them, each as small as it could be made.

use std::time::Duration;

use keyrotor::rotation::outcome::Verdict;
use keyrotor_sim::{Call, Fault, Scene, Script};

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
        let killed = Script::default().at(Call::Create, 1, Fault::Kill { applied: true });
        assert_eq!(scene.run(killed).await.status(), 137);
        let other = Scene { seed: 2, ..scene.clone() };
        let second = async {
            tokio::time::sleep(apart).await;
            other.clean_run().await
        };
        tokio::join!(scene.clean_run(), second);
        scene.assert_no_outage();
        tokio::time::sleep(LONG_AFTER).await;
        assert_eq!(scene.clean_run().await.outcome().verdict, Verdict::Rotated, "{apart:?}");
        scene.assert_healed();
    }
}

/// A pending key that another run has just deleted answers a rename with 404. Taken for an issuer without renames, it
/// made the run name its next key as if it were committed; killed there, it left a key that the run after it took for
/// deployed, and the deployed one for pending.
#[tokio::test(start_paused = true)]
async fn a_key_deleted_by_another_run_does_not_say_that_the_issuer_has_no_renames() {
    for nth in 1..30 {
        let mut scene = Scene::rotated_before(&["acme/app"]);
        scene.policy.grace = HOUR;
        assert_eq!(scene.clean_run().await.status(), 0);
        scene.policy.grace = Duration::ZERO;
        tokio::time::sleep(Duration::from_secs(30)).await;
        let other = Scene { seed: 2, ..scene.clone() };
        let second = async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            other.run(Script::default().at(Call::Any, nth, Fault::Kill { applied: true })).await
        };
        tokio::join!(scene.clean_run(), second);
        scene.world.advance(2 * DAY);
        scene.clean_run().await;
        scene.assert_no_outage();
        scene.world.advance(LONG_AFTER);
        assert_eq!(scene.clean_run().await.status(), 0, "{nth}");
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
