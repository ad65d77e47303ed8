//! How long a rotation of many repositories takes, over what must be waited for anyhow: `cargo bench --bench fleet`.
//!
//! The real release program runs as a process of its own against the fakes, whose every answer takes 50 ms and which set no
//! limits. Each target can't do with fewer than two requests, one that reads and one that writes, `parallel` at a time. The
//! issuer's creation, proof, rename and deletion come one after the other, before or after those.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark may panic, and prints")]

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use keyrotor_fake::{Access, Fakes, World};

const RUNS: usize = 5;
const LATENCY: Duration = Duration::from_millis(50);
const FLEET: u32 = 500;
/// Creation, proof, rename and deletion.
const ISSUERS_CALLS: u32 = 4;

/// What the project wants to keep to.
const MAX_TIMES_THE_FLOOR: f64 = 1.1;
const MAX_TIMES_FOR_TEN_TIMES: f64 = 11.0;
const MAX_KIB: u64 = 64 * 1024;

struct Measured {
    took: Duration,
    seen: Seen,
    requests: usize,
    at_once: usize,
    /// What the program says of its steps.
    steps: Vec<String>,
}

/// What the kernel tells of the process.
#[derive(Clone, Copy, Default)]
struct Seen {
    peak_kib: u64,
    /// Processor time, which hardly depends on what else the machine does.
    busy: Duration,
}

fn main() {
    println!("a rotation of many repositories, every request takes {} ms, no limits\n", LATENCY.as_millis());
    println!(
        "{:>7} {:>8} {:>9} {:>23} {:>7} {:>8} {:>9} {:>8} {:>10}",
        "targets",
        "parallel",
        "floor ms",
        "min / median / max ms",
        "ratio",
        "busy ms",
        "requests",
        "at once",
        "peak KiB"
    );
    let at_16 = case(FLEET, 16, RUNS);
    case(FLEET, 64, RUNS);
    let ten_times = case(10 * FLEET, 16, 1);
    let times = ten_times.as_secs_f64() / at_16.as_secs_f64();
    let verdict = if times > MAX_TIMES_FOR_TEN_TIMES { "  MISSED" } else { "" };
    println!("\nten times the targets take {times:.2} times as long{verdict}");
    println!(
        "targets: ratio of the median ≤ {MAX_TIMES_THE_FLOOR} and < {MAX_KIB} KiB for {FLEET} targets; ten times the targets \
         ≤ {MAX_TIMES_FOR_TEN_TIMES} times as long"
    );
    println!("each step with its time: cargo bench --bench fleet -- --steps");
}

/// The median.
fn case(targets: u32, parallel: u32, runs: usize) -> Duration {
    let floor = 2 * targets * LATENCY / parallel + ISSUERS_CALLS * LATENCY;
    let mut measured: Vec<_> = (0..runs).map(|_| run(targets, parallel)).collect();
    measured.sort_by_key(|run| run.took);
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let (min, median, max) = (measured.first().unwrap(), measured.get(runs / 2).unwrap(), measured.last().unwrap());
    let ratio = median.took.as_secs_f64() / floor.as_secs_f64();
    let peak = measured.iter().map(|run| run.seen.peak_kib).max().unwrap_or_default();
    let times = format!("{:.0} / {:.0} / {:.0}", ms(min.took), ms(median.took), ms(max.took));
    let missed = ratio > MAX_TIMES_THE_FLOOR || (targets == FLEET && peak >= MAX_KIB);
    println!(
        "{targets:>7} {parallel:>8} {:>9.0} {times:>23} {ratio:>7.2} {:>8.0} {:>9} {:>8} {peak:>10}{}",
        ms(floor),
        ms(median.seen.busy),
        median.requests,
        median.at_once,
        if missed { "  MISSED" } else { "" }
    );
    if std::env::args().any(|argument| argument == "--steps") {
        median.steps.iter().for_each(|step| println!("        {step}"));
    }
    median.took
}

fn run(targets: u32, parallel: u32) -> Measured {
    let now = Timestamp::now();
    let world = World::at(now);
    let names: Vec<String> = (0..targets).map(|n| format!("acme/r{n:05}")).collect();
    let management = seed(&world, &names, now);
    let fakes = Fakes::spawn_thread(world.clone()).unwrap();
    let named: Vec<String> = names.iter().map(|name| format!("repo:{name}")).collect();
    let mut program = Command::new(env!("CARGO_BIN_EXE_keyrotor"));
    program
        .env_clear()
        .env("GITHUB_API_URL", &fakes.github_url)
        .env("INPUT_ISSUER-URL", &fakes.issuer_url)
        .env("INPUT_KEY-NAME", "production")
        .env("INPUT_TARGETS", named.join("\n"))
        .env("INPUT_PARALLEL", parallel.to_string())
        .env("INPUT_GITHUB-TOKEN", "github_pat_11A7Qx0dYwZ3nKf8Lr2TbVs5Hj")
        .env("INPUT_MANAGEMENT-KEY", management)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    let began = Instant::now();
    let child = program.spawn().unwrap();
    let seen = watch(&child);
    let ended = child.wait_with_output().unwrap();
    let took = began.elapsed();
    let log = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && world.outages().is_empty(), "{}\n{log}", ended.status);
    let steps = log.lines().filter(|line| line.contains(": took ")).map(ToOwned::to_owned).collect();
    let (requests, at_once) = (world.requests().len(), world.most_in_flight());
    Measured { took, seen: seen.join().unwrap(), requests, at_once, steps }
}

/// A key of the family, a month old, and the repositories that have held it since.
fn seed(world: &World, names: &[String], now: Timestamp) -> String {
    let born = now - SignedDuration::from_hours(24 * 31);
    world.by_hand(|state| {
        let (_, management) = state.issuer.seed_management("root");
        let (_, current) = state.issuer.seed_key(&format!("production-{}", born.strftime("%Y-%m-%d")), |key| {
            key.created_at = born;
            key.updated_at = born;
            key.rights.limit = Some(50.0);
        });
        state.github.add_token("github_pat_11A7Qx0dYwZ3nKf8Lr2TbVs5Hj", "bench", Access::Write);
        for name in names {
            let place = state.github.add_repo(name);
            state.github.write_secret(&place, "AROUTER_API_KEY", &current);
            let vault = state.github.places.get_mut(&place).unwrap();
            vault.secrets.get_mut("AROUTER_API_KEY").unwrap().updated_at = born;
            // Made now, it takes none of the time that is measured.
            let _ = vault.public_key();
        }
        state.latency = LATENCY;
        management
    })
}

/// What the kernel forgets as soon as the process ends: so it is asked all the time.
fn watch(child: &Child) -> thread::JoinHandle<Seen> {
    let (status, stat) = (format!("/proc/{}/status", child.id()), format!("/proc/{}/stat", child.id()));
    thread::spawn(move || {
        let mut seen = Seen::default();
        while let Some(kib) = fs::read_to_string(&status).ok().and_then(|status| high_water_mark(&status)) {
            seen.peak_kib = kib.max(seen.peak_kib);
            seen.busy = fs::read_to_string(&stat).ok().and_then(|stat| busy(&stat)).unwrap_or(seen.busy);
            thread::sleep(Duration::from_millis(5));
        }
        seen
    })
}

fn high_water_mark(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// `utime` and `stime`, in hundredths of a second: see proc_pid_stat(5).
fn busy(stat: &str) -> Option<Duration> {
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(10 * ticks))
}
