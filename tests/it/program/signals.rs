//! A run that is told to stop, at each of its steps: within 7 seconds it ends in a state of the exit table, and says so.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::time::Duration;

use keyrotor_fake::{Dialect, Request, Server, Signal};

use crate::harness::{FAMILY, Ran, Setting, Stage};
use crate::traffic;

/// The contract's bound.
const SEVEN_SECONDS: i128 = 7_000;

fn stage(with_current_key: bool) -> Stage {
    let setting = Setting::new(Dialect::Mgmt).repos(&["acme/app", "acme/api", "acme/web"]);
    if with_current_key { setting.with_current_key().stage() } else { setting.stage() }
}

/// It did not go on for long after the `nth` of the requests that `told` picks.
fn check_in_time(stage: &Stage, ran: &Ran, nth: usize, told: impl Fn(&&Request) -> bool) {
    let told = ran.requests.iter().filter(told).nth(nth - 1);
    let at = told.unwrap_or_else(|| panic!("nothing told it to stop\n{}", ran.log())).at;
    let took = stage.world.now().duration_since(at).as_millis();
    assert!(took < SEVEN_SECONDS, "it went on for {took} ms\n{}", ran.log());
}

/// Runs with a fault that stops it and checks what every stopped run promises.
fn stopped(with_current_key: bool, fault: &str) -> (Stage, Ran) {
    stopped_with(with_current_key, fault, Duration::ZERO)
}

fn stopped_with(with_current_key: bool, fault: &str, activation_delay: Duration) -> (Stage, Ran) {
    let stage = stage(with_current_key);
    stage.behaviour(|it| it.activation_delay = activation_delay);
    stage.world.fault(fault);
    let before = stage.snapshot();
    let ran = stage.run();
    assert_eq!(stage.world.unused_faults(), [""; 0], "{}", ran.log());
    assert!([0, 1, 3].contains(&ran.status()), "{fault}\n{}", ran.log());
    stage.check_truthful(&before, &ran).unwrap_or_else(|why| panic!("{fault}: {why}\n{}", ran.log()));
    if ran.status() != 0 {
        assert_eq!(ran.summary.matches("told to stop").count(), 1, "{fault}\n{}", ran.log());
    }
    let spec: keyrotor_fake::Fault = fault.parse().unwrap();
    check_in_time(&stage, &ran, spec.nth, |it| spec.counts(it.server, &it.method, &it.path));
    (stage, ran)
}

/// The run after it ends in one live key in every target.
fn heals(stage: &Stage, ran: &Ran) {
    stage.world.clear_faults();
    stage.behaviour(|it| it.activation_delay = Duration::ZERO);
    let next = stage.run();
    assert_eq!(next.status(), 0, "first {}\nthen {}", ran.log(), next.log());
    stage.check_healed().unwrap();
}

#[test]
fn before_a_key_is_made_nothing_changes() {
    for signal in ["term", "int"] {
        for request in ["issuer:GET~/keys:1", "github:GET:1", "github:GET~public-key:3", "issuer:GET~/keys:2"] {
            let (stage, ran) = stopped(true, &format!("{request}:{signal}"));
            assert_eq!(ran.status(), 1, "{}", ran.log());
            // The kernel may hand the signal over only after the next request has gone out.
            match ran.output("outcome") {
                "unchanged" => assert_eq!(traffic::writes(&ran), [""; 0], "{}", ran.log()),
                outcome => assert_eq!(outcome, "rolled-back", "{}", ran.log()),
            }
            heals(&stage, &ran);
        }
    }
}

#[test]
fn before_a_target_is_written_the_new_key_goes_again() {
    for signal in ["term", "int-after"] {
        for request in ["issuer:POST:1", "issuer:GET~/v1/models:1", "issuer:PATCH:1"] {
            // A key that does not work at once keeps the run from being past this when the signal arrives.
            let (stage, ran) = stopped_with(false, &format!("{request}:{signal}"), Duration::from_secs(1));
            assert_eq!(ran.status(), 1, "{request} {signal}\n{}", ran.log());
            assert!(traffic::of(&ran, Server::GitHub, "PUT").is_empty(), "{}", ran.log());
            assert_eq!(stage.world.live_keys(FAMILY).len(), 1);
            heals(&stage, &ran);
        }
    }
}

#[test]
fn between_two_targets_both_keys_stay_alive_or_all_is_put_back() {
    for signal in ["term", "int-after"] {
        for request in ["github:PUT:1", "github:PUT:2", "github:PUT:3"] {
            let (stage, ran) = stopped(false, &format!("{request}:{signal}"));
            assert_eq!(ran.status(), 3, "without the old value\n{}", ran.log());
            assert_eq!(stage.world.live_keys(FAMILY).len(), 2);
            // A target holds the new key: nobody may be told to delete it.
            let told = format!("{}{}", ran.stdout, ran.summary);
            assert!(told.contains("do not delete it") && !told.contains("delete it by hand"), "{}", ran.log());
            heals(&stage, &ran);

            let (stage, ran) = stopped(true, &format!("{request}:{signal}"));
            assert_eq!(ran.status(), 1, "with the old value\n{}", ran.log());
            assert_eq!((ran.output("outcome"), stage.world.live_keys(FAMILY).len()), ("rolled-back", 1));
            heals(&stage, &ran);
        }
    }
}

#[test]
fn behind_the_commit_the_run_finishes() {
    for signal in ["term", "int-after"] {
        let (stage, ran) = stopped(false, &format!("issuer:DELETE:1:{signal}"));
        assert_eq!((ran.status(), ran.output("outcome")), (0, "rotated"), "{}", ran.log());
        stage.check_healed().unwrap();
    }
}

#[test]
fn in_the_guides_dialect_it_is_the_same() {
    for (request, statuses) in [("issuer:POST:1", &[1][..]), ("github:PUT:1", &[1, 3]), ("issuer:DELETE:1", &[0])] {
        let stage = Setting::new(Dialect::Guide).repos(&["acme/app", "acme/api"]).with_current_key().stage();
        stage.world.fault(&format!("{request}:term"));
        let before = stage.snapshot();
        let ran = stage.run();
        assert!(statuses.contains(&ran.status()), "{request}\n{}", ran.log());
        stage.check_truthful(&before, &ran).unwrap();
        heals(&stage, &ran);
    }
}

/// Tells the run to stop once the first such request has arrived, and perhaps once more a second later.
fn told_when(stage: &Stage, which: impl Fn(&Request) -> bool + Send, signals: &[Signal]) -> Ran {
    std::thread::scope(|scope| {
        let world = stage.world.clone();
        scope.spawn(move || {
            while !world.requests().iter().any(&which) {
                std::thread::sleep(Duration::from_millis(5));
            }
            for signal in signals {
                world.signal_client(*signal);
                std::thread::sleep(Duration::from_secs(1));
            }
        });
        stage.action().input("request-timeout", "30s").input("verify-timeout", "60s").run()
    })
}

#[test]
fn servers_that_never_answer_do_not_keep_it() {
    let signals = [Signal::Int, Signal::Term];
    let cases = [
        (Server::Issuer, "GET", "~/api/v1/keys", &[1][..]),
        (Server::GitHub, "GET", "", &[1]),
        (Server::Issuer, "POST", "", &[3]),
        (Server::Issuer, "GET", "~/v1/models", &[1]),
        (Server::GitHub, "PUT", "", &[3]),
        (Server::Issuer, "PATCH", "", &[1, 3]),
        (Server::Issuer, "DELETE", "", &[3]),
    ];
    std::thread::scope(|scope| {
        for (server, method, path, statuses) in cases {
            scope.spawn(move || {
                let stage = stage(true);
                stage.world.fault(&format!("{server}:{method}{path}:1x99:hang=600s"));
                let which = |it: &Request| {
                    it.server == server && it.method == method && it.path.contains(path.trim_start_matches('~'))
                };
                let ran = told_when(&stage, which, &signals);
                let case = format!("{server} {method}{path}");
                assert!(statuses.contains(&ran.status()), "{case}\n{}", ran.log());
                check_in_time(&stage, &ran, 1, |it| which(it));
                stage.check_no_outage().unwrap();
                assert!(ran.summary.contains("told to stop"), "{case}\n{}", ran.log());
                assert_eq!(ran.report().unwrap()["exit-code"], ran.status());
            });
        }
    });
}

#[test]
fn a_wait_for_a_slow_key_ends_at_once() {
    let stage = stage(false);
    stage.behaviour(|it| it.activation_delay = Duration::from_secs(3600));
    let ran = told_when(&stage, |it| it.method == "POST", &[Signal::Term, Signal::Term]);
    assert_eq!((ran.status(), ran.output("outcome")), (1, "rolled-back"), "{}", ran.log());
    assert!(ran.took < Duration::from_secs(5), "{:?}", ran.took);
    stage.check_healed().unwrap();
}
