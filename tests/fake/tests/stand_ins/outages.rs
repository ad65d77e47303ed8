//! The judge, on virtual time and without sockets.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyrotor_fake::{Place, Rights, World};
use tokio::time::Instant;

use crate::SECRET;

/// A world in which `acme/app` holds a live key, with the key's id and value.
fn world() -> (World, Place, String, String) {
    let world = World::new();
    let (app, (id, value)) = world.by_hand(|state| {
        let app = state.github.add_repo("acme/app");
        let key = state.issuer.seed_key("production-2026-09-01", |_| ());
        state.github.write_secret(&app, SECRET, &key.1);
        (app, key)
    });
    (world, app, id, value)
}

/// What came to pass, of the only outage.
fn only_outage(world: &World) -> String {
    let outages = world.outages();
    assert_eq!(outages.len(), 1, "{outages:?}");
    outages[0].what.clone()
}

#[test]
fn a_rotation_in_the_right_order_is_silent() {
    let (world, app, old, _) = world();
    let new = world.change("create", |state| state.issuer.create("new", Rights::default()).value.clone());
    world.change("write", |state| state.github.write_secret(&app, SECRET, &new));
    world.change("delete", |state| state.issuer.delete(&old));
    assert_eq!(world.outages(), []);
    assert_eq!(world.key_at(&app, SECRET).unwrap().name, "new");
    assert_eq!(world.live_keys("").len(), 1);
}

#[test]
fn deleting_first_is_an_outage_until_it_is_healed() {
    let (world, app, old, _) = world();
    world.change("delete", |state| state.issuer.delete(&old));
    assert_eq!(only_outage(&world), "still holds production-2026-09-01, which is dead: Invalid API key");
    assert_eq!((world.outages()[0].cause.as_str(), world.outages()[0].until), ("delete", None));
    let new = world.change("create", |state| state.issuer.create("new", Rights::default()).value.clone());
    world.change("write", |state| state.github.write_secret(&app, SECRET, &new));
    assert!(world.outages()[0].until.is_some());
    world.change("remove", |state| state.github.remove(&app, SECRET));
    assert_eq!(world.outages()[1].what, "holds nothing any more");
}

#[test]
fn disabled_unknown_and_management_values_are_dead() {
    let (world, _, old, _) = world();
    world.change("disable", |state| state.issuer.key_mut(&old).unwrap().disabled = true);
    assert!(only_outage(&world).ends_with("API key is disabled"));

    let (world, app, ..) = self::world();
    world.change("write", |state| state.github.write_secret(&app, SECRET, "nonsense"));
    assert_eq!(only_outage(&world), "holds a value that no key has");

    let (world, app, ..) = self::world();
    let root = world.by_hand(|state| state.issuer.seed_management("root").1);
    world.change("write", |state| state.github.write_secret(&app, SECRET, &root));
    assert_eq!(only_outage(&world), "came to hold root, which is dead: not a regular key");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_does_not_work_yet_is_dead() {
    let (world, app, ..) = world();
    world.by_hand(|state| state.issuer.behaviour.activation_delay = Duration::from_secs(3));
    let new = world.change("create", |state| state.issuer.create("new", Rights::default()).value.clone());
    world.change("write", |state| state.github.write_secret(&app, SECRET, &new));
    assert_eq!(only_outage(&world), "came to hold new, which is dead: API key not found");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let outage = world.outages().remove(0);
    assert_eq!(outage.until.unwrap().duration_since(outage.when).as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_expiry_that_a_later_write_would_hide_is_seen() {
    let (world, app, old, value) = world();
    let end = world.now() + jiff::SignedDuration::from_secs(60);
    world.by_hand(|state| state.issuer.key_mut(&old).unwrap().rights.expires_at = Some(end));
    let new = world.change("create", |state| state.issuer.create("new", Rights::default()).value.clone());
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert!(world.outages().is_empty() && world.read(|state| state.issuer.authorize(&value).is_some()));
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.change("write", |state| state.github.write_secret(&app, SECRET, &new));
    assert!(only_outage(&world).ends_with("API key has expired"));
    assert_eq!(world.outages()[0].cause, "time passed");
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_takes_effect_in_its_own_time_and_not_when_somebody_looks() {
    let (world, app, old, value) = world();
    let new = world.change("create", |state| state.issuer.create("new", Rights::default()).clone());
    let (began, sent) = (world.now(), Instant::now());
    let seconds = jiff::SignedDuration::from_secs;
    let write = |value: &str| {
        let (app, value) = (app.clone(), value.to_owned());
        move |world: &World| _ = world.change("write", |state| state.github.write_secret(&app, SECRET, &value))
    };
    let delete = |id: &str| {
        let id = id.to_owned();
        move |world: &World| _ = world.change("delete", |state| state.issuer.delete(&id))
    };
    // In this order nothing is out; in the order in which they were sent it would be.
    world.later(sent + Duration::from_secs(2), delete(&old));
    world.later(sent + Duration::from_secs(1), write(&new.value));
    world.later(sent + Duration::from_secs(5), delete(&new.id));
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!((world.outages(), world.live_keys("").len()), (vec![], 1));
    assert_eq!(world.read(|state| state.github.last_write(&app, SECRET)), Some(began + seconds(1)));
    assert_eq!(world.now(), began + seconds(4), "time goes on");
    // Two at once, in the order in which they were sent; and something that was sent by something that was sent.
    let seen = Arc::new(Mutex::new(Vec::new()));
    for nth in [1, 2] {
        let seen = Arc::clone(&seen);
        world.later(sent + Duration::from_secs(6), move |world| {
            let now = [world.now(), world.now()];
            seen.lock().unwrap().push((nth, now));
        });
    }
    let again = write(&value);
    world.later(sent + Duration::from_secs(6), move |world| {
        world.later(world.instant() + Duration::from_secs(1), again)
    });
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.outages()[0].when, began + seconds(5));
    assert_eq!(*seen.lock().unwrap(), [1, 2].map(|nth| (nth, [began + seconds(6); 2])));
    assert_eq!(world.read(|state| state.github.last_write(&app, SECRET)), Some(began + seconds(7)));
    assert_eq!(world.now(), began + seconds(64));
}

#[test]
fn what_a_person_does_and_what_never_lived_is_not_judged() {
    let (world, app, old, _) = world();
    world.by_hand(|state| state.issuer.delete(&old));
    world.change("write", |state| state.github.write_secret(&app, SECRET, "still dead"));
    world.change("remove", |state| state.github.remove(&app, SECRET));
    assert_eq!(world.outages(), []);
}

#[test]
fn every_kind_of_place_is_judged() {
    for target in [
        "env:acme/app/production",
        "org:acme",
        "dependabot:acme/app",
        "dependabot-org:acme",
        "codespaces:acme/app",
        "codespaces-org:acme",
    ] {
        let (world, _, old, value) = world();
        let place = world.by_hand(|state| {
            let place = state.github.add_place(target);
            state.github.write_secret(&place, SECRET, &value);
            place
        });
        world.change("delete", |state| state.issuer.delete(&old));
        let outages = world.outages();
        assert!(outages.iter().any(|outage| outage.place == place), "{target}: {outages:?}");
    }
}
