//! A GitHub App as credential: the real program signs, mints, renews and revokes, and the fake checks all of it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyrotor_fake::{Answered, App, Dialect, Installation, Place, Request, Server};
use serde_json::Value;

use crate::harness::{FAMILY, Ran, SECRET, Setting, Stage, ensure};
use crate::traffic;

const REPOS: [&str; 3] = ["acme/app", "acme/api", "globex/web"];

fn stage() -> Stage {
    Setting::new(Dialect::Mgmt).repos(&REPOS).with_app().stage()
}

fn installation(stage: &Stage, account: &str, change: impl FnOnce(&mut Installation)) {
    stage.world.by_hand(|state| {
        let app = state.github.app.as_mut().unwrap();
        let (id, _) = app.on(account).unwrap();
        change(app.installations.get_mut(&id).unwrap());
    });
}

fn rotated(stage: &Stage, ran: &Ran) {
    assert_eq!((ran.status(), ran.rotated()), (0, true), "{}", ran.log());
    stage.check_healed().unwrap();
    traffic::check_github(ran);
    all_revoked(stage, ran);
}

/// No token that was minted is of any use to whoever finds it.
fn all_revoked(stage: &Stage, ran: &Ran) {
    let minted = stage.minted();
    assert!(!minted.is_empty(), "{}", ran.log());
    let alive: Vec<String> = stage.world.read(|state| {
        let alive = minted.iter().filter(|token| state.github.takes(token));
        alive.map(|token| state.github.tokens[token].role.clone()).collect()
    });
    assert_eq!(alive, [""; 0], "{}", ran.log());
}

fn mints(ran: &Ran) -> Vec<&Request> {
    let github = traffic::of(ran, Server::GitHub, "POST");
    github.into_iter().filter(|it| it.path.ends_with("/access_tokens")).collect()
}

#[test]
fn each_account_gets_a_token_for_its_targets_alone_and_none_outlives_the_run() {
    let stage = stage();
    let before = stage.snapshot();
    let ran = stage.run();
    rotated(&stage, &ran);
    stage.check_truthful(&before, &ran).unwrap();
    let bodies: Vec<Value> = mints(&ran).iter().map(|it| serde_json::from_slice(&it.body).unwrap()).collect();
    let asked: Vec<String> = bodies.iter().map(ToString::to_string).collect();
    let secrets = r#""permissions":{"secrets":"write"}"#;
    assert_eq!(asked.len(), 2);
    for repositories in [r#"["api","app"]"#, r#"["web"]"#] {
        assert!(asked.contains(&format!(r#"{{{secrets},"repositories":{repositories}}}"#)), "{asked:?}");
    }
    let looked_up = ran.requests.iter().filter(|it| it.path.ends_with("/installation"));
    assert_eq!((looked_up.count(), traffic::of(&ran, Server::GitHub, "DELETE").len()), (2, 2));
    let last = ran.requests.last().unwrap();
    assert_eq!((last.method.as_str(), last.path.as_str()), ("DELETE", "/installation/token"));
}

/// GitHub names no permission for agent secrets that could be asked for.
#[test]
fn a_token_for_agent_secrets_is_narrowed_to_repositories_alone() {
    let stage = Setting::new(Dialect::Mgmt).places(&["agents:acme/app", "repo:acme/app"]).with_app().stage();
    let ran = stage.run();
    rotated(&stage, &ran);
    let bodies: Vec<&[u8]> = mints(&ran).iter().map(|it| it.body.as_slice()).collect();
    assert_eq!(bodies, [br#"{"repositories":["app"]}"#]);
}

#[test]
fn the_key_is_taken_however_it_was_pasted_and_the_app_by_id_or_number() {
    let stage = stage();
    let app = stage.app.clone().unwrap();
    let pem = app.pem.trim_end();
    for (id, key) in [
        (app.number.to_string(), pem.to_owned()),
        (app.client_id.clone(), app.pkcs8.trim_end().to_owned()),
        (app.client_id.clone(), pem.replace('\n', "\\n")),
        (app.client_id.clone(), pem.replace('\n', "\\\\n")),
        (app.client_id.clone(), pem.replace('\n', "\r\n")),
        (app.client_id, STANDARD.encode(&app.pem)),
    ] {
        stage.world.advance(Duration::from_secs(3600));
        let run = stage.action().input("app-client-id", &id).secret("app-private-key", &key);
        rotated(&stage, &run.input("targets", "repo:acme/app,api\nrepo:globex/web").run());
    }
}

#[test]
fn a_token_that_ends_halfway_is_replaced_and_the_write_repeated() {
    let repos: Vec<String> = (0..12).map(|n| format!("acme/r{n:02}")).collect();
    let repos: Vec<&str> = repos.iter().map(String::as_str).collect();
    let stage = Setting::new(Dialect::Mgmt).repos(&repos).with_app().input("parallel", "2").stage();
    // A younger token is taken for not yet known everywhere.
    stage.world.fault("github:GET~public-key:1:delay=5500ms");
    stage.world.by_hand(|state| state.latency = Duration::from_millis(50));
    let ran = std::thread::scope(|scope| {
        let world = stage.world.clone();
        scope.spawn(move || {
            for _ in 0..4000 {
                if world.requests().iter().filter(|it| it.method == "PUT").count() >= 5 {
                    break;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            world.by_hand(|state| {
                let now = state.github.clock.now();
                state.github.tokens.values_mut().for_each(|token| token.expires = Some(now));
            });
        });
        stage.action().input("request-timeout", "10s").run()
    });
    rotated(&stage, &ran);
    assert_eq!(mints(&ran).len(), 2, "{}", ran.log());
    let refused = ran.requests.iter().filter(|it| it.answered == Answered::Status(401)).count();
    assert!((1..=4).contains(&refused), "{refused} requests with a dead token\n{}", ran.log());
}

/// Nothing was made, each of these was told, and what was minted is revoked.
fn refused(stage: &Stage, ran: &Ran, words: &[&str]) {
    assert_eq!((ran.status(), ran.output("outcome")), (1, "unchanged"), "{}", ran.log());
    for word in words {
        assert!(ran.stdout.contains(word) && ran.summary.contains(word), "{word} is missing\n{}", ran.log());
    }
    assert_eq!(traffic::of(ran, Server::Issuer, "POST").len(), 0);
    traffic::check_github(ran);
    let alive = stage.minted().into_iter().filter(|token| stage.world.read(|state| state.github.takes(token))).count();
    assert_eq!(alive, 0, "{}", ran.log());
    stage.check_healed().unwrap();
}

#[test]
fn what_keeps_the_app_from_a_target_is_told_before_a_key_is_made() {
    let stage = stage();
    let not_there = stage.action().input("targets", "repo:acme/app\nrepo:initech/x").run();
    refused(&stage, &not_there, &["not installed on initech", "Install it on initech"]);

    installation(&stage, "globex", |it| it.only = Some([Place::repo("globex/other")].into()));
    refused(&stage, &stage.run(), &["installed on globex, but does not reach globex/web", "access to this repository"]);

    installation(&stage, "globex", |it| it.only = Some([Place::repo("globex/web")].into()));
    let hidden = stage.action().input("targets", "repo:globex/web,zzz").run();
    refused(&stage, &hidden, &["globex/zzz", "404"]);

    installation(&stage, "globex", |it| it.suspended = true);
    refused(&stage, &stage.run(), &["installation on globex is suspended"]);

    installation(&stage, "globex", |it| {
        it.suspended = false;
        it.permissions = [("secrets".to_owned(), "read".to_owned())].into();
    });
    refused(&stage, &stage.run(), &["globex lacks the permission", "secrets: write", "accepted on globex"]);
}

#[test]
fn what_github_says_to_the_mint_itself_is_told_too() {
    for (answer, words) in [
        (r#"422,body={"message":"The permissions requested are not granted to this installation."}"#, "secrets: write"),
        (r#"403,body={"message":"This installation has been suspended"}"#, "is suspended"),
        (r#"404,body={"message":"Not Found"}"#, "404"),
    ] {
        let stage = Setting::new(Dialect::Mgmt).with_app().stage();
        stage.world.fault(&format!("github:POST:1x9:status={answer}"));
        refused(&stage, &stage.run(), &[words]);
    }
    let stage = Setting::new(Dialect::Mgmt).with_app().stage();
    stage.world.fault("github:POST:1x2:status=502");
    stage.world.fault("github:GET~installation:1:drop-after");
    rotated(&stage, &stage.run());
}

#[test]
fn a_key_of_another_app_and_an_unknown_id_are_told_apart_from_a_missing_installation() {
    let stage = stage();
    let (_, other) = App::new(1);
    let pair = "must belong to the same GitHub App";
    let ran = stage.action().secret("app-private-key", other.pem.trim_end()).run();
    refused(&stage, &ran, &["does not take what app-private-key signs", pair]);
    let ran = stage.action().input("app-client-id", "Iv23liUnknown").run();
    refused(&stage, &ran, &["Iv23liUnknown", pair]);
}

#[test]
fn a_repository_that_was_renamed_is_reached_under_its_old_name() {
    let stage = stage();
    let moved = stage.world.by_hand(|state| state.github.move_repo("acme/api", "acme/renamed"));
    let ran = stage.run();
    assert_eq!((ran.status(), ran.rotated()), (0, true), "{}", ran.log());
    let new = &stage.world.live_keys(FAMILY)[0];
    for place in [&moved, &stage.places[0], &stage.places[2]] {
        assert_eq!(stage.world.value_at(place, SECRET).as_ref(), Some(&new.value), "{place}");
    }
    all_revoked(&stage, &ran);
}

#[test]
fn a_clock_that_is_wrong_by_half_an_hour_signs_by_githubs() {
    for skew in [1800, -1800] {
        let stage = stage();
        // GitHub alone: the run itself compares servers with each other.
        stage.world.by_hand(|state| (state.github.clock.skew, state.issuer.clock.skew) = (skew, skew));
        rotated(&stage, &stage.action().input("targets", "repo:acme/app,api\nrepo:globex/web").run());
    }
}

#[test]
fn a_run_that_is_told_to_stop_revokes_its_tokens() {
    for fault in ["github:GET~public-key:1:term", "github:PUT:2:int-after", "issuer:DELETE:1:term"] {
        let stage = stage();
        stage.world.fault(fault);
        let before = stage.snapshot();
        let ran = stage.run();
        assert_eq!(stage.world.unused_faults(), [""; 0], "{}", ran.log());
        stage.check_truthful(&before, &ran).unwrap();
        all_revoked(&stage, &ran);
        assert!(ran.took < Duration::from_secs(7), "{fault}: {:?}", ran.took);
    }
}

#[test]
fn a_revocation_that_fails_is_told_and_keeps_nobody() {
    for fault in ["hang=600s", "status=502", "drop-before"] {
        let stage = Setting::new(Dialect::Mgmt).with_app().stage();
        stage.world.fault(&format!("github:DELETE~/installation/token:1:{fault}"));
        let ran = stage.run();
        assert_eq!((ran.status(), ran.rotated()), (0, true), "{}", ran.log());
        for told in [&ran.stdout, &ran.summary] {
            assert!(told.contains("token for acme was not revoked"), "{}", ran.log());
        }
        assert!(ran.took < Duration::from_secs(5), "{:?}", ran.took);
    }
}

#[test]
fn whatever_befalls_the_apps_own_requests_the_run_is_truthful_and_the_next_one_heals() {
    let faults =
        ["drop-before", "drop-after", "half-body", "garbage", "null", "status=500", "status=429,retry-after=1", "kill"];
    let requests = ["GET~/installation:1", "POST:1", "DELETE~/installation/token:1"];
    let cases = requests.iter().flat_map(|request| faults.map(|fault| format!("github:{request}:{fault}")));
    let cases: Vec<String> = cases.collect();
    let missed: Vec<String> = std::thread::scope(|scope| {
        let run = |fault: String| {
            let stage = Setting::new(Dialect::Mgmt).repos(&["acme/app", "acme/api"]).with_app().stage();
            stage.world.fault(&fault);
            let before = stage.snapshot();
            let ran = stage.action().input("request-timeout", "5s").run();
            let truthful = stage.check_truthful(&before, &ran);
            truthful.map_err(|why| format!("{fault}: {why}\n{}", ran.log()))?;
            // A read that makes no sense is not asked again.
            let ends = ["kill", "GET~/installation:1:garbage", "GET~/installation:1:null"];
            let ends = ends.iter().any(|end| fault.ends_with(end));
            let healed = stage.action().input("request-timeout", "5s").run();
            let healed = stage.check_healed().map_err(|why| format!("{fault}: {why}\n{}", healed.log()));
            healed.and(ensure(ends || ran.status() == 0, || format!("{fault}: {}", ran.log())))
        };
        let runs: Vec<_> = cases.into_iter().map(|fault| scope.spawn(move || run(fault))).collect();
        runs.into_iter().filter_map(|run| run.join().unwrap().err()).collect()
    });
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
