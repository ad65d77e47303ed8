//! Schedules that broke a promise when a random search found them, each as small as it could be made.

use std::time::Duration;

use keyrotor::rotation::outcome::Verdict;
use keyrotor_sim::{Call, Fault, Scene, Script};

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
