//! How long an audit of very many keys takes, and how much memory: `cargo bench --bench audit`.
//!
//! The real release program runs as a process of its own against the issuer's stand-in, and leaves SARIF, a summary and
//! outputs as in a workflow, or the report as JSON. Another number of keys: `cargo bench --bench audit -- 10000`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark may panic, and prints")]

#[path = "compare/process.rs"]
mod process;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use keyrotor_fake::issuer::Issuer;
use keyrotor_fake::{Fakes, World};

const KEYS: usize = 100_000;

/// What the project wants to keep to.
const MAX_TIME: Duration = Duration::from_secs(20);
const MAX_KIB: u64 = 256 * 1024;

/// What an account may look like, and how it is asked for its keys.
struct Account {
    what: &'static str,
    /// How long the stand-in waits before each answer.
    latency: Duration,
    seed: fn(&mut Issuer, usize, Timestamp),
    report_as: &'static str,
}

const ACCOUNTS: [Account; 4] = [
    Account { what: "made by hand", latency: Duration::ZERO, seed: by_hand, report_as: "workflow" },
    Account { what: "one family", latency: Duration::ZERO, seed: one_family, report_as: "workflow" },
    Account { what: "by hand, JSON", latency: Duration::ZERO, seed: by_hand, report_as: "json" },
    Account { what: "by hand, 50 ms", latency: Duration::from_millis(50), seed: by_hand, report_as: "workflow" },
];

fn main() {
    let keys = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(KEYS);
    let folder = std::env::temp_dir().join(format!("keyrotor-bench-audit-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    println!("{:>8}  {:<16} {:>8} {:>8} {:>9} {:>9}", "keys", "account", "time s", "busy s", "peak KiB", "requests");
    for account in &ACCOUNTS {
        audit(account, keys, &folder);
    }
    fs::remove_dir_all(&folder).unwrap();
    println!("\ntargets for {KEYS} keys, but for JSON: {} s, {} MiB", MAX_TIME.as_secs(), MAX_KIB / 1024);
}

fn audit(account: &Account, keys: usize, folder: &Path) {
    let world = World::at(Timestamp::now());
    let management = world.by_hand(|state| {
        let (_, management) = state.issuer.seed_management("root");
        state.issuer.behaviour.honours_offset = true;
        (account.seed)(&mut state.issuer, keys - 1, Timestamp::now());
        state.latency = account.latency;
        management
    });
    let fakes = Fakes::spawn_thread(world.clone()).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_keyrotor"));
    program
        .env_clear()
        .args(["audit", "--sarif-file", "audit.sarif"])
        .env("INPUT_ISSUER-URL", &fakes.issuer_url)
        .env("INPUT_MANAGEMENT-KEY", management)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    if account.report_as == "json" {
        program.args(["--format", "json"]).stderr(Stdio::null());
    } else {
        let (summary, output) = (folder.join("summary"), folder.join("output"));
        fs::write(&summary, "").unwrap();
        fs::write(&output, "").unwrap();
        program.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", summary).env("GITHUB_OUTPUT", output);
    }
    let began = Instant::now();
    let (ended, spent) = process::run(&mut program);
    let took = began.elapsed();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{}\n{}", ended.status, said.get(..2_000).unwrap_or(&said));
    assert!(fs::read_to_string(folder.join("audit.sarif")).unwrap().contains("no-spending-limit"));
    // As JSON the whole report is one text, which takes more.
    let missed = keys == KEYS && account.report_as == "workflow" && (took > MAX_TIME || spent.peak_kib > MAX_KIB);
    println!(
        "{keys:>8}  {:<16} {:>8.1} {:>8.1} {:>9} {:>9}{}",
        account.what,
        took.as_secs_f64(),
        spent.busy.as_secs_f64(),
        spent.peak_kib,
        world.requests().len(),
        if missed { "  MISSED" } else { "" }
    );
}

/// Keys of many people: most are old, without limits, and unused.
fn by_hand(issuer: &mut Issuer, keys: usize, now: Timestamp) {
    for n in 0..keys {
        let days = i64::try_from(n % 1_000).unwrap();
        issuer.seed_key(&format!("service {n:06} of team {}", n % 97), |key| {
            key.created_at = now - SignedDuration::from_hours(24 * days);
            key.updated_at = key.created_at;
            key.rights.limit = (n % 3 == 0).then_some(50.0);
            key.usage = if n % 5 == 0 { 0.0 } else { 1.25 };
            key.disabled = n % 11 == 0;
        });
    }
    // The stand-in sorts its keys for each page, which takes it 20 ms unless they are in order.
    issuer.keys.sort_by_key(|key| key.created_at);
}

/// What a rotation leaves that never retires anything.
fn one_family(issuer: &mut Issuer, keys: usize, now: Timestamp) {
    for n in 0..keys {
        let born = now - SignedDuration::from_mins(10 * i64::try_from(keys - n).unwrap());
        issuer.seed_key(&format!("production-{}-{n:06x}", born.strftime("%Y-%m-%d")), |key| {
            key.created_at = born;
            key.updated_at = born;
        });
    }
}
