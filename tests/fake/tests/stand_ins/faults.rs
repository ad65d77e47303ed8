use std::process::{Child, Command};
use std::time::{Duration, Instant};

use keyrotor_fake::{Answered, Fakes, Server, Signal, World};
use reqwest::Method;
use serde_json::json;

use crate::{SECRET, Scene, ask};

const DELETE: &str = "/repos/acme/app/actions/secrets/AROUTER_API_KEY";

/// A scene with this fault, and a request that it befalls: one that would remove the secret.
async fn befallen(fault: &str) -> (Scene, reqwest::RequestBuilder) {
    let scene = Scene::new(World::new()).await;
    scene.world.fault(&format!("github:DELETE~/{SECRET}:1:{fault}"));
    let request = scene.github(Method::DELETE, DELETE, "ghp_ci");
    (scene, request)
}

fn holds(scene: &Scene) -> bool {
    scene.world.value_at(&scene.app, SECRET).is_some()
}

fn answered(scene: &Scene) -> Answered {
    scene.world.requests().last().unwrap().answered
}

/// Until the condition holds, for at most five seconds.
async fn wait_until(condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(5), "waited in vain");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn another_status() {
    let (scene, request) = befallen("status=429,retry-after=2,body=slow: down, please").await;
    let response = request.send().await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (429, &"2".parse().unwrap()));
    assert_eq!(response.text().await.unwrap(), "slow: down, please");
    assert!(holds(&scene) && scene.world.unused_faults().is_empty());

    let (scene, request) = befallen("status-after=502").await;
    assert_eq!(ask(request).await.0, 502);
    assert!(!holds(&scene));
}

#[tokio::test]
async fn dropped_before_or_after() {
    let (scene, request) = befallen("drop-before").await;
    assert!(request.send().await.is_err());
    assert!(holds(&scene));
    assert_eq!(answered(&scene), Answered::Dropped);
    assert_eq!(scene.world.requests().len(), 1, "the client did not repeat it");

    let (scene, request) = befallen("drop-after").await;
    assert!(request.send().await.is_err());
    assert!(!holds(&scene));
}

#[tokio::test]
async fn useless_bodies() {
    for (fault, body) in [("garbage", "<html>definitely { not JSON"), ("empty", ""), ("null", "null")] {
        let (scene, request) = befallen(fault).await;
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.text().await.unwrap(), body);
        assert!(!holds(&scene));
    }
}

#[tokio::test]
async fn half_a_body() {
    let scene = Scene::new(World::new()).await;
    scene.world.fault("issuer:POST:1:half-body");
    let request = scene.issuer(Method::POST, "/api/v1/keys", &scene.management).json(&json!({ "name": "n" }));
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200, "the head arrives");
    assert!(response.text().await.is_err());
    assert_eq!(scene.world.live_keys("n").len(), 1);
    assert_eq!(answered(&scene), Answered::Broken(200));

    let (scene, request) = befallen("half-body").await;
    assert!(request.send().await.is_err(), "a 204 has no body to break");
    assert!(!holds(&scene));
}

#[tokio::test]
async fn late_in_three_ways() {
    let (scene, request) = befallen("delay=80ms").await;
    let begun = Instant::now();
    assert_eq!(ask(request).await.0, 204);
    assert!(begun.elapsed() >= Duration::from_millis(80) && !holds(&scene));

    let (scene, request) = befallen("apply-late=100ms").await;
    assert!(request.send().await.is_err());
    assert!(holds(&scene));
    wait_until(|| !holds(&scene)).await;
    let late = scene.world.requests().remove(0);
    assert!(late.applied_at.unwrap() > late.at && late.answered == Answered::Dropped);

    let (scene, request) = befallen("hang=100ms").await;
    assert!(request.timeout(Duration::from_millis(50)).send().await.unwrap_err().is_timeout());
    assert!(holds(&scene));
    wait_until(|| !holds(&scene)).await;
    assert_eq!(answered(&scene), Answered::Hung);
}

#[tokio::test]
async fn what_arrived_is_carried_out_though_the_client_left() {
    let (scene, request) = befallen("delay=150ms").await;
    assert!(request.timeout(Duration::from_millis(50)).send().await.unwrap_err().is_timeout());
    assert!(holds(&scene));
    wait_until(|| !holds(&scene)).await;
}

/// A stand-in for the client's process.
fn sleeper() -> Child {
    Command::new("sleep").arg("60").spawn().unwrap()
}

fn state_of(child: &Child) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
    stat.rsplit(") ").next().and_then(|rest| rest.split(' ').next()).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn the_client_is_killed_before_or_after() {
    for (fault, still_holds) in [("kill", true), ("kill-after", false)] {
        let (scene, request) = befallen(fault).await;
        let mut child = sleeper();
        scene.world.set_client_pid(child.id());
        assert!(request.send().await.is_err());
        assert_eq!(holds(&scene), still_holds, "{fault}");
        assert!(!child.wait().unwrap().success());
        scene.world.forget_client();
        assert!(!scene.world.signal_client(Signal::Kill));
    }
}

#[tokio::test]
async fn the_client_is_stopped_and_goes_on() {
    let (scene, request) = befallen("stop").await;
    let mut child = sleeper();
    // The fault waits for the test to say who the client is.
    let (answer, ()) = tokio::join!(ask(request), async { scene.world.set_client_pid(child.id()) });
    assert_eq!(answer.0, 204);
    wait_until(|| state_of(&child) == "T").await;
    assert!(scene.world.signal_client(Signal::Cont));
    wait_until(|| state_of(&child) == "S").await;
    assert!(scene.world.signal_client(Signal::Term));
    assert!(!child.wait().unwrap().success());
}

#[tokio::test]
async fn any_request_of_the_run_can_be_hit() {
    let scene = Scene::new(World::new()).await;
    scene.world.fault("any:*:3:status=503");
    let mut statuses = Vec::new();
    for _ in 0..2 {
        statuses.push(ask(scene.issuer(Method::GET, "/v1/models", &scene.live)).await.0);
        statuses.push(ask(scene.github(Method::GET, DELETE, "ghp_ci")).await.0);
    }
    assert_eq!(statuses, [200, 200, 503, 200]);

    let requests = scene.world.requests();
    let seen: Vec<_> = requests.iter().map(|request| (request.nth, request.server, request.role.as_str())).collect();
    assert_eq!(seen[0], (1, Server::Issuer, "key production-2026-09-01"));
    assert_eq!(seen[1], (2, Server::GitHub, "token ci"));
    assert!(!format!("{requests:?}").contains(&scene.live), "no secret in the journal");
    assert_eq!(requests[2].applied_at, None);
    assert_eq!(scene.world.requests_after(3).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn latency_and_concurrency_are_seen() {
    let scene = Scene::new(World::new()).await;
    scene.world.by_hand(|state| state.latency = Duration::from_millis(50));
    let one = || ask(scene.issuer(Method::GET, "/v1/models", &scene.live));
    let begun = Instant::now();
    tokio::join!(one(), one(), one());
    assert!(begun.elapsed() >= Duration::from_millis(50));
    assert_eq!(scene.world.most_in_flight(), 3);
}

#[test]
fn servers_on_their_own_thread() {
    let world = World::new();
    let fakes = Fakes::spawn_thread(world.clone()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let status = runtime
        .block_on(async { reqwest::get(format!("{}/v1/models", fakes.issuer_url)).await.unwrap().status().as_u16() });
    assert_eq!(status, 401);
    drop(fakes);
    assert_eq!(world.requests().len(), 1);
}
