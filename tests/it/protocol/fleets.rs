//! Many targets at GitHub's limits, on virtual time: the product's driver, stores and client over the fake's routes, with
//! no socket in between.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use keyrotor::http::{Retry, Transport};
use keyrotor::rotation::clock::Clock;
use keyrotor::rotation::interrupt::{self, Trigger};
use keyrotor::rotation::outcome::{Event, Observer, Outcome, RunStatus};
use keyrotor::rotation::policy::Policy;
use keyrotor::rotation::ports::SecretStore;
use keyrotor::rotation::{Context, rotate};
use keyrotor::secret::{Redactor, Secret};
use keyrotor::store::github::{App, AppContext, AppKey, Credential, GitHub, GitHubSecret, Need, Shadows, time_for};
use keyrotor::store::target::{Place, PlaceKind};
use keyrotor_fake::http::{Client, Ending, Inbound, exchange};
use keyrotor_fake::{Access, Answered, Server, World};
use keyrotor_sim::ports::SimIssuer;
use keyrotor_sim::scene::SECRET;
use keyrotor_sim::{Scene, Script};
use reqwest::{Body, Request, Response};
use tokio::time::Instant;
use url::Url;

const LATENCY: Duration = Duration::from_millis(50);
const MINUTE: Duration = Duration::from_secs(60);
const GITHUB: &str = "https://api.github.com/";
const ENTERPRISE: &str = "https://github.acme.example/api/v3/";
const TOKEN: &str = "github_pat_fleet";

struct Silent;

impl Observer for Silent {
    fn mask(&self, _: &Secret) {}
    fn event(&self, _: &Event<'_>) {}
}

/// The fake's routes as a transport.
struct InProcess(World);

#[async_trait(?Send)]
impl Transport for InProcess {
    async fn carry(&self, request: Request) -> reqwest::Result<Response> {
        let text = |name: &str| request.headers().get(name).and_then(|it| it.to_str().ok()).map(str::to_owned);
        let inbound = Inbound {
            server: Server::GitHub,
            client: Client::default(),
            method: request.method().to_string(),
            path: request.url().path().to_owned(),
            query: request.url().query().unwrap_or_default().to_owned(),
            authorization: text("authorization"),
            host: request.url().host_str().unwrap_or_default().to_owned(),
            headers: Vec::new(),
            body: request.body().and_then(Body::as_bytes).unwrap_or_default().to_vec(),
        };
        let Ending::Reply(reply) = exchange(self.0.clone(), inbound).await else { panic!("no connection breaks here") };
        let builder = http::Response::builder().status(reply.status);
        let builder = reply.headers.into_iter().fold(builder, |it, (name, value)| it.header(name, value));
        Ok(builder.body(reply.body).unwrap().into())
    }
}

/// A fleet that was rotated 40 days ago.
struct Fleet {
    scene: Scene,
    url: &'static str,
}

impl Fleet {
    fn new(repositories: usize, url: &'static str) -> Self {
        let names: Vec<String> = (0..repositories).map(|n| format!("acme/r{n:04}")).collect();
        let mut scene = Scene::rotated_before(&names.iter().map(String::as_str).collect::<Vec<_>>());
        scene.latency = LATENCY;
        scene.world.by_hand(|state| {
            state.github.add_token(TOKEN, "fleet", Access::Write);
            state.latency = LATENCY;
        });
        Self { scene, url }
    }

    fn world(&self) -> &World {
        &self.scene.world
    }

    fn places(&self) -> Vec<Place> {
        let place = |place: &keyrotor_fake::Place| {
            let name = place.to_string();
            let (owner, repo) = name.strip_prefix("repo:").unwrap().split_once('/').unwrap();
            Place::in_repository(PlaceKind::Repo, owner, repo)
        };
        self.scene.targets.iter().map(place).collect()
    }

    fn github(&self, credential: Credential) -> Rc<GitHub> {
        let (transport, url) = (InProcess(self.world().clone()), Url::parse(self.url).unwrap());
        Rc::new(GitHub::new(transport, url, credential, Redactor::new()).unwrap())
    }

    /// One rotation with a token, and the time that it took.
    async fn rotate(&self, meanwhile: impl FnOnce(Trigger)) -> (Outcome, Duration) {
        self.rotate_with(Credential::Token(Secret::new(TOKEN.into())), meanwhile).await
    }

    async fn rotate_with(&self, credential: Credential, meanwhile: impl FnOnce(Trigger)) -> (Outcome, Duration) {
        let world = self.world();
        let github = self.github(credential);
        let places = self.places();
        let all = Rc::default();
        let store = |place| {
            let store = GitHubSecret::new(Rc::clone(&github), place, SECRET).one_of(&all);
            Box::new(store) as Box<dyn SecretStore>
        };
        let targets: Vec<_> = places.into_iter().map(store).collect();
        let issuer = SimIssuer::new(&self.scene, &Script::default());
        let (trigger, interrupt) = interrupt::channel();
        let context = Context {
            clock: Clock::starting_at(world.now()),
            rng: RefCell::new(fastrand::Rng::with_seed(1)),
            retry: Retry::default(),
            interrupt,
            observer: &Silent,
        };
        meanwhile(trigger);
        let began = Instant::now();
        let outcome = rotate(&issuer, &targets, &self.scene.policy, &context).await;
        let took = began.elapsed();
        assert_eq!(github.leave().await, [""; 0]);
        (outcome, took)
    }

    fn policy(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        change(&mut self.scene.policy);
        self
    }

    /// Every request to GitHub: when it arrived, and its points.
    fn points(&self) -> Vec<(Timestamp, u32)> {
        let requests = self.world().requests().into_iter().filter(|it| it.server == Server::GitHub);
        requests.map(|it| (it.at, if it.method == "GET" { 1 } else { 5 })).collect()
    }
}

/// The most points in any minute.
fn most_in_a_minute(points: &[(Timestamp, u32)]) -> u32 {
    let minute = jiff::SignedDuration::try_from(MINUTE).unwrap();
    let from = |first: usize| {
        let (start, _) = points[first];
        points[first..].iter().take_while(|(at, _)| at.duration_since(start) < minute).map(|(_, points)| points).sum()
    };
    (0..points.len()).map(from).max().unwrap_or_default()
}

fn stand_by(_: Trigger) {}

#[tokio::test(start_paused = true)]
async fn a_thousand_repositories_keep_to_githubs_points() {
    let fleet = Fleet::new(1000, GITHUB).policy(|policy| policy.parallel = 64);
    let (outcome, took) = fleet.rotate(stand_by).await;
    assert_eq!((outcome.verdict, outcome.rotated), (RunStatus::Rotated, true), "{:?}", outcome.problems);
    fleet.scene.assert_healed();
    let points = fleet.points();
    let sum: u32 = points.iter().map(|(_, points)| points).sum();
    assert_eq!((points.len(), sum), (4000, 8000));
    assert!(most_in_a_minute(&points) <= 900, "{} points in a minute", most_in_a_minute(&points));
    assert!(fleet.world().most_in_flight() <= 100 + 2, "{} at once", fleet.world().most_in_flight());
    // Whoever spends 900 points at the begin of every minute is done when the last minute has begun.
    let allowed = MINUTE * (sum / 900);
    assert!(took <= allowed.mul_f64(1.05), "{took:?} of {allowed:?}");
    assert!(took >= allowed && time_for(1000) <= took.mul_f64(1.05), "{took:?}, told {:?}", time_for(1000));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_shows_no_limits_is_not_held_to_points() {
    let fleet = Fleet::new(300, ENTERPRISE);
    let (outcome, took) = fleet.rotate(stand_by).await;
    assert_eq!(outcome.verdict, RunStatus::Rotated, "{:?}", outcome.problems);
    // 300 writes, 16 at once, and half as many waves of reads.
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(most_in_a_minute(&fleet.points()) > 900);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_shows_limits_is_held_to_points_from_then_on() {
    let fleet = Fleet::new(300, ENTERPRISE);
    fleet.world().by_hand(|state| state.github.rate_limit_remaining = Some(5000));
    let (outcome, took) = fleet.rotate(stand_by).await;
    assert_eq!(outcome.verdict, RunStatus::Rotated, "{:?}", outcome.problems);
    assert!(most_in_a_minute(&fleet.points()) <= 900, "{took:?}");
    // Only what was sent before the first answer came goes beyond a hundred.
    let later = fleet.world().requests().into_iter().skip(8 * 16 + 2).map(|it| it.at).collect::<Vec<_>>();
    let latency = jiff::SignedDuration::try_from(LATENCY).unwrap();
    let at_once =
        |from: &Timestamp| later.iter().filter(|at| *at >= from && at.duration_since(*from) < latency).count();
    assert!(later.iter().map(at_once).max().unwrap() <= 100 + 2);
}

#[tokio::test(start_paused = true)]
async fn what_hides_a_secret_is_looked_for_side_by_side() {
    let fleet = Fleet::new(9, ENTERPRISE);
    let github = fleet.github(Credential::Token(Secret::new(TOKEN.into())));
    let targets = fleet.places().into_iter().map(|place| (place, SECRET.to_owned())).collect();
    let began = Instant::now();
    Shadows::new(github, targets).look().await;
    // One of each kind tells whether the token may; then there are sixteen, four at once.
    assert_eq!((fleet.points().len(), began.elapsed()), (18, 5 * LATENCY));
}

/// When the `nth` answer with this status was given, and the arrivals behind it.
fn behind(fleet: &Fleet, status: u16, nth: usize) -> (Timestamp, Vec<Timestamp>) {
    let requests = fleet.world().requests();
    let limited = requests.iter().filter(|it| it.answered == Answered::Status(status)).nth(nth).unwrap();
    let answered = limited.at + jiff::SignedDuration::try_from(LATENCY).unwrap();
    let github = requests.iter().filter(|it| it.server == Server::GitHub && it.at > answered);
    (answered, github.map(|it| it.at).collect())
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_hit_slows_the_whole_pool() {
    for (limit, waits) in [
        ("429,retry-after=30", Duration::from_secs(30)),
        ("403,retry-after=90", Duration::from_secs(90)),
        ("403,body={\"message\":\"You have exceeded a secondary rate limit.\"}", MINUTE),
    ] {
        let fleet = Fleet::new(40, ENTERPRISE);
        fleet.world().fault(&format!("github:PUT:5:status={limit}"));
        let (outcome, _) = fleet.rotate(stand_by).await;
        assert_eq!(outcome.verdict, RunStatus::Rotated, "{:?}", outcome.problems);
        let (answered, arrivals) = behind(&fleet, limit[..3].parse().unwrap(), 0);
        let next = arrivals.iter().min().unwrap().duration_since(answered);
        assert!(next >= jiff::SignedDuration::try_from(waits).unwrap(), "{limit}: the next came after {next}");
        fleet.scene.assert_healed();
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_without_a_time_is_waited_for_twice_as_long_the_second_time() {
    let fleet = Fleet::new(1, ENTERPRISE);
    fleet.world().fault("github:PUT:1x2:status=429");
    let (outcome, took) = fleet.rotate(stand_by).await;
    assert_eq!(outcome.verdict, RunStatus::Rotated, "{:?}", outcome.problems);
    assert!((3 * MINUTE..4 * MINUTE).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn too_few_requests_for_the_hour_stop_the_run_before_anything_is_written() {
    for (requests, lacking, enough) in
        [(201, 0, Err("200 are needed")), (402, 0, Ok(())), (402, 99, Err("298 are needed"))]
    {
        let fleet = Fleet::new(100, ENTERPRISE);
        fleet.world().by_hand(|state| {
            state.github.rate_limit_remaining = Some(requests);
            fleet.scene.targets.iter().rev().take(lacking).for_each(|place| _ = state.github.remove(place, SECRET));
        });
        let (outcome, _) = fleet.rotate(stand_by).await;
        let told = format!("{:?}", outcome.problems);
        let expected = if enough.is_ok() { RunStatus::Rotated } else { RunStatus::RolledBack };
        assert_eq!(outcome.verdict, expected, "{told}");
        if let Err(needed) = enough {
            assert!(told.contains(needed) && told.contains("Run it again after 20"), "{told}");
        }
        let puts = fleet.world().requests().iter().filter(|it| it.method == "PUT").count();
        assert_eq!(puts, if enough.is_ok() { 100 } else { 0 });
        assert_eq!(fleet.world().live_keys("production").len(), 1);
        fleet.scene.assert_no_outage();
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_for_points_stops_in_time() {
    for after in [30, 100, 200] {
        let fleet = Fleet::new(500, GITHUB);
        let told = Duration::from_secs(after);
        let (outcome, took) = fleet
            .rotate(|trigger| {
                tokio::spawn(async move {
                    tokio::time::sleep(told).await;
                    trigger.pull(Instant::now());
                });
            })
            .await;
        assert!(took >= told && took < told + Duration::from_secs(7), "{after}: {took:?}");
        assert!(outcome.interrupted && !outcome.rotated, "{outcome:?}");
        assert_eq!(outcome.verdict, if after == 30 { RunStatus::Unchanged } else { RunStatus::Attention }, "{after}");
        fleet.scene.assert_no_outage();
    }
}

#[tokio::test(start_paused = true)]
async fn one_refusal_late_puts_all_the_others_back() {
    let fleet = Fleet::new(200, GITHUB);
    let fleet = Fleet { scene: fleet.scene.with_current_key(), ..fleet };
    let before = fleet.scene.deployed();
    fleet.world().fault("github:PUT:150:status=403");
    let (outcome, took) = fleet.rotate(stand_by).await;
    assert_eq!(outcome.verdict, RunStatus::RolledBack, "{:?}", outcome.problems);
    assert!(fleet.scene.targets.iter().all(|place| fleet.world().value_at(place, SECRET) == before));
    assert_eq!(fleet.world().live_keys("production").len(), 1);
    assert!(most_in_a_minute(&fleet.points()) <= 900, "{took:?}");
    fleet.scene.assert_no_outage();
}

#[tokio::test(start_paused = true)]
async fn an_apps_token_is_replaced_before_it_ends_and_none_is_left() {
    let fleet = Fleet::new(501, GITHUB);
    let (mut app, credentials) = keyrotor_fake::App::new(1);
    app.install("acme", &["secrets"]);
    app.token_lifetime = 2 * MINUTE;
    fleet.world().by_hand(|state| state.github.app = Some(app));
    let key = AppKey::read(&credentials.client_id, &Secret::new(credentials.pem)).unwrap();
    let hidden = Rc::new(RefCell::new(Vec::new()));
    let (world, hide) = (fleet.world().clone(), Rc::clone(&hidden));
    let around = AppContext {
        now: Box::new(move || world.now()),
        hide: Box::new(move |secret| hide.borrow_mut().push(secret.clone())),
    };
    let needs: Vec<_> = fleet.places().into_iter().map(|place| Need { place, actions: None }).collect();
    let app = Credential::App(Rc::new(App::new(key, &needs, around)));
    let (outcome, took) = fleet.rotate_with(app, stand_by).await;
    assert_eq!(outcome.verdict, RunStatus::Rotated, "{:?}", outcome.problems);
    fleet.scene.assert_healed();
    assert!(most_in_a_minute(&fleet.points()) <= 900 + 2 * 5, "the revocations alone do not wait");
    let requests = fleet.world().requests();
    let mints = requests.iter().filter(|it| it.path.ends_with("/access_tokens")).count();
    assert!((3..=4).contains(&mints), "{mints} tokens in {took:?}");
    let refused = |it: &&keyrotor_fake::Request| it.answered == Answered::Status(401) && it.method != "DELETE";
    assert_eq!(requests.iter().find(refused), None);
    let tokens: Vec<String> = fleet.world().read(|state| state.github.tokens.keys().cloned().collect());
    let minted = tokens.iter().filter(|token| token.starts_with("ghs_"));
    for token in minted {
        assert!(!fleet.world().read(|state| state.github.takes(token)));
        assert!(hidden.borrow().iter().any(|secret| secret.expose() == token));
    }
}
