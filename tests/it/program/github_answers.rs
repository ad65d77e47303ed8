//! What GitHub may answer to a write, and what becomes of the rotation then.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::time::Duration;

use keyrotor_fake::{Access, Answered, Dialect, Place, Server};

use crate::harness::{FAMILY, Ran, SECRET, Setting, Stage, TOKEN};
use crate::traffic;

fn two_repos() -> Stage {
    Setting::new(Dialect::Mgmt).repos(&["acme/app", "acme/api"]).stage()
}

fn rotated(stage: &Stage, ran: &Ran) {
    assert_eq!((ran.status(), ran.rotated()), (0, true), "{}", ran.log());
    stage.check_healed().unwrap();
    traffic::check_github(ran);
}

/// Every target holds what it held, and only the old key is alive.
fn nothing_left(stage: &Stage, ran: &Ran, words: &[&str]) {
    assert_eq!(ran.status(), 1, "{}", ran.log());
    assert!(traffic::of(ran, Server::GitHub, "PUT").iter().all(|put| put.answered != Answered::Status(204)));
    stage.check_healed().unwrap();
    for word in words {
        assert!(ran.summary.contains(word) && ran.stdout.contains(word), "{word} is missing\n{}", ran.log());
    }
    traffic::check_github(ran);
}

#[test]
fn a_public_key_that_changes_behind_the_runs_back_is_fetched_again_once() {
    let stage = two_repos();
    stage.world.fault("issuer:POST:1:delay=300ms");
    let ran = std::thread::scope(|scope| {
        let (world, place) = (stage.world.clone(), stage.places[1].clone());
        scope.spawn(move || {
            // Everything was observed once a key is made.
            while !world.requests().iter().any(|request| request.method == "POST") {
                std::thread::sleep(Duration::from_millis(5));
            }
            world.by_hand(|state| state.github.rotate_public_key(&place));
        });
        stage.run()
    });
    rotated(&stage, &ran);
    let puts = traffic::of(&ran, Server::GitHub, "PUT");
    let refused = puts.iter().filter(|put| put.answered == Answered::Status(422)).count();
    assert_eq!((puts.len(), refused), (3, 1), "{}", ran.log());
    let fetched = ran.requests.iter().filter(|request| request.path.ends_with("acme/api/actions/secrets/public-key"));
    assert_eq!(fetched.count(), 2);
}

#[test]
fn a_repository_that_was_renamed_is_written_where_it_is_now() {
    for status in [None, Some(307), Some(308)] {
        let stage = two_repos();
        let moved = stage.world.by_hand(|state| state.github.move_repo("acme/app", "acme/renamed"));
        if let Some(status) = status {
            // The write alone is sent elsewhere.
            let id = stage.world.read(|state| state.github.places[&moved].id);
            let to = format!("{}/repositories/{id}/actions/secrets/{SECRET}", stage.fakes.github_url);
            stage.world.fault(&format!("github:PUT~/repos/acme/app:1:status={status},location={to}"));
        }
        let ran = stage.run();
        assert_eq!((ran.status(), ran.rotated()), (0, true), "{}", ran.log());
        let new = &stage.world.live_keys(FAMILY)[0];
        for place in [&moved, &stage.places[1]] {
            assert_eq!(stage.world.value_at(place, SECRET).as_ref(), Some(&new.value), "{place}");
        }
        stage.check_no_outage().unwrap();
        traffic::check_github(&ran);
    }
}

#[test]
fn a_repository_that_the_token_cannot_see_stops_the_run_before_anything_is_made() {
    let stage = two_repos();
    stage.world.by_hand(|state| {
        state.github.tokens.clear();
        state.github.add_token_for(TOKEN, "narrow", [(Place::repo("acme/app"), Access::Write)]);
    });
    let ran = stage.run();
    nothing_left(&stage, &ran, &["acme/api", "404", "cannot see"]);
    assert_eq!(traffic::writes(&ran), [""; 0]);
    let ran = stage.action().secret("github-token", "ghp_0123456789abcdefghijklmnopqrstuvwxyz").run();
    nothing_left(&stage, &ran, &["401", "Make a new token and set it"]);
}

#[test]
fn a_token_that_may_only_read_is_told_which_permission_it_lacks() {
    let stage = two_repos();
    stage.world.by_hand(|state| {
        state.github.tokens.clear();
        state.github.add_token(TOKEN, "reader", Access::Read);
    });
    let ran = stage.run();
    nothing_left(&stage, &ran, &["403", "secrets=write"]);
    assert_eq!(traffic::of(&ran, Server::GitHub, "PUT").len(), 1, "the first refusal ends the run");
    assert_eq!(ran.output("outcome"), "rolled-back");
}

#[test]
fn a_rate_limit_is_obeyed() {
    for status in [403, 429] {
        let stage = two_repos();
        stage.world.fault(&format!("github:PUT:2:status={status},retry-after=2"));
        let ran = stage.run();
        rotated(&stage, &ran);
        let puts = traffic::of(&ran, Server::GitHub, "PUT");
        assert_eq!(puts.len(), 3);
        let waited = puts[2].at.duration_since(puts[1].at);
        assert!(waited.as_millis() >= 2000, "{waited:?}");
    }
}

#[test]
fn a_rate_limit_that_lasts_too_long_changes_nothing() {
    let stage = two_repos();
    stage.world.fault("github:PUT:1x9:status=403,retry-after=3600");
    let ran = stage.run();
    nothing_left(&stage, &ran, &["403"]);
    assert!(ran.took < Duration::from_secs(10), "it waited for {:?}", ran.took);
}

#[test]
fn an_enterprise_server_below_a_path_works_the_same() {
    let stage = two_repos();
    let url = format!("{}/api/v3", stage.fakes.github_url);
    let ran = stage.action().variable("GITHUB_API_URL", &url).run();
    assert_eq!((ran.status(), ran.rotated()), (0, true), "{}", ran.log());
    stage.check_healed().unwrap();
}
