//! Two repositories that use the same `key-name` in one account: the second must not take the first one's keys for its
//! own, whatever state the first one's runs have left them in.

use std::time::Duration;

use keyrotor::rotation::model::KeyId;
use keyrotor_fake::Rename;
use keyrotor_sim::scene::{FAMILY, SECRET};
use keyrotor_sim::{Call, Fault, Scene, Script};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Another repository, whose secret holds a hand-made key that was written a day ago.
fn neighbour(scene: &Scene) -> Scene {
    let mut other = Scene { seed: 2, ..scene.clone() };
    let (id, value) = other.world.by_hand(|state| state.issuer.seed_key("Paul's key", |_| {}));
    let place = other.world.by_hand(|state| state.github.add_repo("acme/elsewhere"));
    other.world.by_hand(|state| state.github.write_secret(&place, SECRET, &value));
    other.targets = vec![place];
    other.policy.replace_key_id = Some(KeyId(id));
    other.world.advance(DAY);
    other
}

async fn stops(other: &Scene) {
    let before = other.world.live_keys(FAMILY);
    let ended = other.clean_run().await;
    assert_eq!(ended.status(), 1, "{:#?}", ended.outcome());
    assert_eq!(other.world.live_keys(FAMILY), before);
    other.assert_no_outage();
}

/// Its key was put back, so that its name is a month younger than the key: the time between is nobody's.
#[tokio::test(start_paused = true)]
async fn a_key_that_was_put_back_does_not_claim_what_was_written_since_it_was_made() {
    let scene = Scene::rotated_before(&["acme/app", "acme/api"]).with_current_key();
    let other = neighbour(&scene);
    assert_eq!(scene.run(Script::default().always(Call::Write(1), Fault::Refuse)).await.status(), 1);
    scene.world.advance(HOUR);
    stops(&other).await;
    scene.world.advance(HOUR);
    assert_eq!(scene.clean_run().await.status(), 0);
    scene.assert_healed();
}

/// The neighbour's secret was written shortly before this rotation made its key: that is nobody's window either.
#[tokio::test(start_paused = true)]
async fn what_was_written_before_a_key_was_made_was_not_written_with_it() {
    for verify_timeout in [Duration::from_secs(60), HOUR] {
        let mut scene = Scene::rotated_before(&["acme/app"]);
        scene.policy.verify_timeout = verify_timeout;
        let mut other = neighbour(&scene);
        other.policy.replace_key_id = None;
        other.world.by_hand(|state| state.github.write_secret(&other.targets[0], SECRET, "a value of its own"));
        scene.world.advance(Duration::from_secs(330));
        assert_eq!(scene.clean_run().await.status(), 0);
        scene.world.advance(40 * DAY);
        stops(&other).await;
    }
}

/// The issuer refuses the name by which the neighbour's run looks whether it can rename. That shows nothing.
#[tokio::test(start_paused = true)]
async fn a_refused_name_does_not_make_the_family_the_neighbours() {
    let scene = Scene::rotated_before(&["acme/app"]);
    let other = neighbour(&scene);
    for status in [400, 403, 409, 422] {
        other.world.by_hand(|state| state.issuer.behaviour.rename = Rename::NoSuchCall(status));
        stops(&other).await;
    }
}

/// Its only key is that of a run whose commit failed. A key of the neighbour's is not brought in beside it.
#[tokio::test(start_paused = true)]
async fn an_unfinished_runs_key_is_not_retired_by_a_neighbour_that_adopts() {
    let scene = Scene::rotated_before(&["acme/app"]);
    let other = neighbour(&scene);
    assert_eq!(scene.run(Script::default().at(Call::Rename, 2, Fault::Refuse)).await.status(), 3);
    let left = scene.world.live_keys(FAMILY);
    assert!(left.len() == 1 && left[0].name.ends_with("-unconfirmed"));
    scene.world.advance(HOUR);
    stops(&other).await;
    assert_eq!(scene.clean_run().await.status(), 0);
    scene.assert_healed();
}

/// Its key was switched off. The value in the neighbour's hand does not make the family the neighbour's.
#[tokio::test(start_paused = true)]
async fn a_family_whose_key_was_switched_off_is_not_taken_over_by_a_value_in_hand() {
    let mut scene = Scene::rotated_before(&["acme/app"]);
    let mut other = neighbour(&scene).with_current_key();
    other.policy.replace_key_id = None;
    scene.policy.grace = DAY;
    assert_eq!(scene.clean_run().await.status(), 0);
    let current = scene.world.live_keys(FAMILY).pop().unwrap();
    scene.world.by_hand(|state| state.issuer.key_mut(&current.id).unwrap().disabled = true);
    scene.world.advance(HOUR);
    stops(&other).await;
    scene.policy.grace = Duration::ZERO;
    assert_eq!(scene.clean_run().await.status(), 0);
    scene.assert_healed();
}
