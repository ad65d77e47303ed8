//! How long one rotation takes, over what must be waited for anyhow: `cargo bench`.
//!
//! The real release program runs as a process of its own against the fakes, whose every answer takes 50 ms. A rotation
//! that proves what it does can't do with fewer than six round trips one after another: read, create, prove, write,
//! prove again, retire.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark may panic, and prints")]

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use keyrotor_fake::{Access, Behaviour, Dialect, Fakes, Request, World};

const RUNS: usize = 10;
const LATENCY: Duration = Duration::from_millis(50);
const ROUND_TRIPS: u32 = 6;

/// With the old value in hand a seventh shows that it is dead: three tries, beside one of the new key.
const ROUND_TRIPS_IN_HAND: u32 = 7;

/// What the project wants to keep to, whatever dialect the issuer speaks.
const MAX_TIMES_THE_FLOOR: f64 = 1.1;
const MAX_REQUESTS: usize = 18;
const MAX_REQUESTS_IN_HAND: usize = 22;
const MAX_KIB: u64 = 24 * 1024;

struct Case {
    title: &'static str,
    dialect: Dialect,
    with_current_key: bool,
}

const CASES: [Case; 4] = [
    Case { title: "mgmt", dialect: Dialect::Mgmt, with_current_key: false },
    Case { title: "mgmt, current-key", dialect: Dialect::Mgmt, with_current_key: true },
    Case { title: "guide, current-key", dialect: Dialect::Guide, with_current_key: true },
    Case { title: "overview, current-key", dialect: Dialect::Overview, with_current_key: true },
];

struct Measured {
    took: Duration,
    to_first_request: Duration,
    peak_kib: u64,
    requests: Vec<Request>,
}

impl Case {
    fn floor(&self) -> Duration {
        LATENCY * if self.with_current_key { ROUND_TRIPS_IN_HAND } else { ROUND_TRIPS }
    }

    fn max_requests(&self) -> usize {
        if self.with_current_key { MAX_REQUESTS_IN_HAND } else { MAX_REQUESTS }
    }
}

fn main() {
    println!("one rotation of one target, every request takes {} ms, {RUNS} runs each", LATENCY.as_millis());
    println!("floor: {ROUND_TRIPS} round trips, {ROUND_TRIPS_IN_HAND} with current-key\n");
    println!(
        "{:22} {:>23} {:>7} {:>9} {:>9} {:>10}",
        "", "min / median / max ms", "ratio", "requests", "start ms", "peak KiB"
    );
    let listed = std::env::args().any(|argument| argument == "--requests");
    for case in &CASES {
        // The first run warms the page cache.
        run(case);
        let mut runs: Vec<_> = (0..RUNS).map(|_| run(case)).collect();
        runs.sort_by_key(|run| run.took);
        report(case, &runs);
        if listed {
            list(&runs);
        }
    }
    println!(
        "\ntargets: ratio of the median ≤ {MAX_TIMES_THE_FLOOR}, ≤ {MAX_REQUESTS} requests ({MAX_REQUESTS_IN_HAND} with current-key), < {MAX_KIB} KiB"
    );
    println!("each request with its time: cargo bench --bench rotation -- --requests");
}

fn report(case: &Case, runs: &[Measured]) {
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let (Some(min), Some(median), Some(max)) = (runs.first(), runs.get(runs.len() / 2), runs.last()) else { return };
    let ratio = median.took.as_secs_f64() / case.floor().as_secs_f64();
    let requests = runs.iter().map(|run| run.requests.len()).max().unwrap_or_default();
    let peak = runs.iter().map(|run| run.peak_kib).max().unwrap_or_default();
    let start = runs.iter().map(|run| run.to_first_request).min().unwrap_or_default();
    let times = format!("{:.0} / {:.0} / {:.0}", ms(min.took), ms(median.took), ms(max.took));
    let missed = ratio > MAX_TIMES_THE_FLOOR || requests > case.max_requests() || peak >= MAX_KIB;
    let verdict = if missed { "  MISSED" } else { "" };
    println!("{:22} {times:>23} {ratio:>7.2} {requests:>9} {:>9.1} {peak:>10}{verdict}", case.title, ms(start));
}

/// The requests of the median run, and when each arrived.
fn list(runs: &[Measured]) {
    let Some(median) = runs.get(runs.len() / 2) else { return };
    let Some(first) = median.requests.first() else { return };
    for request in &median.requests {
        let after = request.at.duration_since(first.at).as_millis();
        println!("    {after:>5} ms  {} {} {} ({})", request.server, request.method, request.path, request.role);
    }
}

fn run(case: &Case) -> Measured {
    let now = Timestamp::now();
    let world = World::at(now);
    world.by_hand(|state| state.issuer.behaviour = Behaviour::of(case.dialect));
    let (management, current) = seed(&world, now);
    let fakes = Fakes::spawn_thread(world.clone()).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_keyrotor"));
    program
        .env_clear()
        .env("GITHUB_API_URL", &fakes.github_url)
        .env("INPUT_ISSUER-URL", &fakes.issuer_url)
        .env("INPUT_KEY-NAME", "production")
        .env("INPUT_TARGETS", "repo:acme/app")
        .env("INPUT_GITHUB-TOKEN", "github_pat_11A7Qx0dYwZ3nKf8Lr2TbVs5Hj")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    if case.dialect != Dialect::Guide {
        program.env("INPUT_MANAGEMENT-KEY", management);
    } else {
        // Its list does not show them.
        program.env("INPUT_ALLOWED-PROVIDERS", "openai");
    }
    if case.with_current_key {
        program.env("INPUT_CURRENT-KEY", current);
    }
    let started = world.now();
    let began = Instant::now();
    let child = program.spawn().unwrap();
    let peak = watch(&child);
    let ended = child.wait_with_output().unwrap();
    let took = began.elapsed();
    let requests = world.requests();
    let log = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && world.outages().is_empty(), "{}: {}\n{log}", case.title, ended.status);
    let first = requests.first().unwrap().at.duration_since(started);
    Measured { took, to_first_request: Duration::try_from(first).unwrap(), peak_kib: peak.join().unwrap(), requests }
}

/// A key of the family, a month old, and the repository that has held it since.
fn seed(world: &World, now: Timestamp) -> (String, String) {
    let born = now - SignedDuration::from_hours(24 * 31);
    world.by_hand(|state| {
        let (_, management) = state.issuer.seed_management("root");
        let name = format!("production-{}", born.strftime("%Y-%m-%d"));
        let (_, current) = state.issuer.seed_key(&name, |key| {
            key.created_at = born;
            key.updated_at = born;
            key.rights.limit = Some(50.0);
            key.rights.allowed_providers = vec!["openai".into()];
        });
        let app = state.github.add_repo("acme/app");
        state.github.add_token("github_pat_11A7Qx0dYwZ3nKf8Lr2TbVs5Hj", "bench", Access::Write);
        state.github.write_secret(&app, "AROUTER_API_KEY", &current);
        let secrets = &mut state.github.places.get_mut(&app).unwrap().secrets;
        secrets.get_mut("AROUTER_API_KEY").unwrap().updated_at = born;
        state.latency = LATENCY;
        (management, current)
    })
}

/// The most memory that the process has held, which the kernel forgets as soon as it ends: so it is asked all the time.
fn watch(child: &Child) -> thread::JoinHandle<u64> {
    let file = format!("/proc/{}/status", child.id());
    thread::spawn(move || {
        let mut peak = 0;
        while let Some(kib) = fs::read_to_string(&file).ok().and_then(|status| high_water_mark(&status)) {
            peak = kib.max(peak);
            thread::sleep(Duration::from_millis(1));
        }
        peak
    })
}

fn high_water_mark(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
