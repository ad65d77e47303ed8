//! `notify-url`: when the report is posted, what is posted, and what happens if the post fails.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::hmac;
use keyrotor_fake::Dialect;
use serde_json::Value;

use crate::canned::{Canned, Reply, Seen, reply};
use crate::harness::{Invocation, Setting, Stage};

const SHARED: &str = "shared-with-the-receiver-1";

fn stage() -> Stage {
    Setting::new(Dialect::Mgmt).stage()
}

fn telling<'a>(stage: &'a Stage, server: &Canned) -> Invocation<'a> {
    let url = format!("{}hooks/T0KEN-0F-THE-CHAT", server.url);
    stage.action().secret("notify-url", &url).secret("notify-secret", SHARED)
}

fn taken() -> Canned {
    Canned::serve(|_| reply(200, "", "ok"))
}

/// It is the run's report, and the signature is right.
#[track_caller]
fn check_posted(seen: &Seen, exit_code: i32) {
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/hooks/T0KEN-0F-THE-CHAT"));
    let report: Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(report["exit-code"], exit_code, "{report}");
    let told = seen.headers["x-keyrotor-signature"].to_str().unwrap().strip_prefix("sha256=").unwrap().to_owned();
    let bytes: Vec<u8> =
        (0..told.len()).step_by(2).map(|at| u8::from_str_radix(&told[at..at + 2], 16).unwrap()).collect();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SHARED.as_bytes());
    hmac::verify(&key, &seen.body, &bytes).unwrap();
}

#[test]
fn a_run_that_needs_a_person_is_posted_and_one_that_does_not_only_where_that_is_asked() {
    let (stage, server) = (stage(), taken());
    let ran = telling(&stage, &server).run();
    assert_eq!((ran.status(), server.seen().len()), (0, 0), "{}", ran.log());
    let ran = telling(&stage, &server).input("notify-on", "always").run();
    assert_eq!((ran.status(), server.seen().len()), (0, 1), "{}", ran.log());
    check_posted(&server.seen()[0], 0);
    stage.world.fault("github:GET:1x99:status=403");
    let ran = telling(&stage, &server).run();
    assert_eq!((ran.status(), server.seen().len()), (1, 2), "{}", ran.log());
    check_posted(&server.seen()[1], 1);
}

#[test]
fn a_post_is_repeated_and_known_by_its_delivery() {
    let count = AtomicUsize::new(0);
    let server = Canned::serve(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => reply(503, "", "later"),
        1 => Reply::default(),
        _ => reply(204, "", ""),
    });
    let stage = stage();
    let ran = telling(&stage, &server).input("notify-on", "always").run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    let seen = server.seen();
    assert_eq!(seen.len(), 3, "{}", ran.log());
    assert!(seen.iter().all(|it| it.headers["x-keyrotor-delivery"] == seen[0].headers["x-keyrotor-delivery"]));
    seen.iter().for_each(|it| check_posted(it, 0));
}

/// The run is over, and has ended as it has.
#[test]
fn a_post_that_is_refused_is_told_and_changes_no_exit_status() {
    for said in ["no such hook T0KEN-0F-THE-CHAT", "shared-with-the-receiver-1"] {
        let server =
            Canned::serve(move |seen| reply(404, "", &format!("{said} {}", String::from_utf8_lossy(&seen.body))));
        let stage = stage();
        let ran = telling(&stage, &server).input("notify-on", "always").run();
        assert_eq!((ran.status(), server.seen().len()), (0, 1), "{}", ran.log());
        let told = "the report was not posted to notify-url: the server answered 404";
        assert!(ran.stdout.contains(told), "{}", ran.log());
        assert!(!ran.log().contains("shared-with-the-receiver"), "{}", ran.log());
    }
}

#[test]
fn wrong_inputs_are_told_without_the_address_and_nothing_is_posted() {
    let (stage, server) = (stage(), taken());
    let url = server.url.as_str();
    for (url, secret, told) in [
        (url, "", "notify-secret: is required beside `notify-url`"),
        ("", SHARED, "notify-url: is required beside `notify-secret`"),
        (
            "http://hooks.example.test/T0KEN-0F-THE-CHAT",
            SHARED,
            "notify-url: expected an address that begins with https://",
        ),
        ("hooks/T0KEN-0F-THE-CHAT", SHARED, "notify-url: expected an address such as"),
    ] {
        let ran = stage.action().secret("notify-url", url).secret("notify-secret", secret).run();
        assert!(ran.status() == 2 && ran.tells(told), "{told}\n{}", ran.log());
        assert!(!ran.log().contains("T0KEN-0F-THE-CHAT"), "{}", ran.log());
    }
    let ran = stage.action().input("notify-on", "always").run();
    assert!(ran.status() == 2 && ran.tells("notify-url: is required beside `notify-on`"), "{}", ran.log());
    assert_eq!(server.seen().len(), 0);
}
