//! `cargo simulate`: the rotation over in-memory ports on virtual time, against every promise.
//!
//! ```text
//! cargo simulate                                  100,000 random schedules from seed 1
//! cargo simulate -- --schedules 1000000 --from 7  others
//! cargo simulate -- --seed 4711                   one again, told step by step
//! cargo simulate -- --exhaustive --faults 2       every rotation with up to two faults
//! cargo simulate -- --break A1                    what is lost when an assumption does not hold
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use keyrotor_sim::exhaustive::{explore, variants};
use keyrotor_sim::play::{Played, play};
use keyrotor_sim::schedule::{Schedule, shrunk};
use keyrotor_sim::violation::Promise;
use keyrotor_sim::{Assumption, scene};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Explores schedules of faults, kills, clocks and people, and holds the world against keyrotor's promises.
#[derive(Parser, Debug)]
struct Options {
    /// Play the schedule of this seed alone, and tell what happens.
    #[arg(long)]
    seed: Option<u64>,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// How many random schedules.
    #[arg(long, default_value_t = 100_000)]
    schedules: u64,
    /// Every rotation of two targets with up to so many faults, in place of random ones.
    #[arg(long)]
    exhaustive: bool,
    /// The most faults of one rotation, with --exhaustive.
    #[arg(long, default_value_t = 2)]
    faults: usize,
    /// Break an assumption: A1, A2 or A3.
    #[arg(long = "break", value_name = "ASSUMPTION")]
    breaks: Option<Assumption>,
    /// How many schedules that break a promise are made small and shown.
    #[arg(long, default_value_t = 3)]
    show: u64,
    /// Stop at the first schedule that breaks this promise, and show none.
    #[arg(long, value_name = "PROMISE")]
    until: Option<Promise>,
    /// Threads.
    #[arg(long)]
    threads: Option<usize>,
}

/// What all schedules came to.
#[derive(Default)]
struct Tally {
    schedules: AtomicU64,
    runs: AtomicU64,
    asked: AtomicU64,
    /// How often each promise was broken, and whether that was to be expected.
    broken: Mutex<BTreeMap<(Promise, bool), u64>>,
    /// Enough was seen.
    over: AtomicBool,
}

impl Tally {
    fn enter(&self, schedule: &Schedule, played: &Played, options: &Options) {
        self.schedules.fetch_add(1, Ordering::Relaxed);
        self.runs.fetch_add(u64::try_from(played.runs).unwrap_or(0), Ordering::Relaxed);
        self.asked.fetch_add(u64::from(played.asked_a_person), Ordering::Relaxed);
        let Some(promise) = played.first() else { return };
        let mended = schedule.mended();
        // Without the assumption's breach the same must keep every promise.
        let excused = promise.may_break(schedule);
        let expected = excused && play(&mended).first().is_none();
        let times = {
            let mut broken = self.broken.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let times = broken.entry((promise, expected)).or_insert(0);
            *times += 1;
            *times
        };
        if options.until == Some(promise) && !expected {
            self.over.store(true, Ordering::Relaxed);
        } else if options.until.is_none() && times <= options.show && !expected {
            let schedule = if excused { &mended } else { schedule };
            let promise = play(schedule).first();
            let same = |less: &Schedule| {
                let breaks = play(less).first();
                breaks == promise && breaks.is_some_and(|breaks| !breaks.may_break(less))
            };
            let least = shrunk(schedule, same);
            show(&least, &play(&least));
        }
    }

    fn close(&self, options: &Options, began: Instant) -> ExitCode {
        let broken = self.broken.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        println!(
            "{} schedules, {} runs in {:.0} s; in {} a person was asked which key is deployed",
            self.schedules.load(Ordering::Relaxed),
            self.runs.load(Ordering::Relaxed),
            began.elapsed().as_secs_f64(),
            self.asked.load(Ordering::Relaxed),
        );
        let mut kept = true;
        for ((promise, expected), times) in broken.iter() {
            match options.breaks.filter(|_| *expected) {
                Some(assumption) => println!("{promise:?}: {times} times, which {assumption} is there for"),
                None => println!("{promise:?}: BROKEN {times} times"),
            }
            kept &= expected;
        }
        match options.breaks {
            _ if !kept => ExitCode::FAILURE,
            None => {
                println!("every promise was kept");
                ExitCode::SUCCESS
            }
            Some(assumption) => {
                println!("every promise that does not rest on {assumption} was kept");
                ExitCode::SUCCESS
            }
        }
    }
}

fn show(schedule: &Schedule, played: &Played) {
    let broke: Vec<_> = played.broke.iter().map(ToString::to_string).collect();
    println!("--- seed {}\n{schedule:#?}\n{}\n", schedule.seed, broke.join("\n"));
}

fn main() -> ExitCode {
    let options = Options::parse();
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    if let Some(seed) = options.seed {
        scene::tell_stories();
        let schedule = Schedule::random(seed, options.breaks);
        let played = play(&schedule);
        show(&schedule, &played);
        return if played.broke.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let threads = options.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let (tally, began) = (Tally::default(), Instant::now());
    if options.exhaustive {
        explore(variants(), options.faults, threads, &|schedule, played| tally.enter(schedule, played, &options));
    } else {
        random(&options, &tally, threads)
    }
    tally.close(&options, began)
}

fn random(options: &Options, tally: &Tally, threads: usize) {
    let next = AtomicU64::new(options.from);
    let until = options.from.saturating_add(options.schedules);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= until || tally.over.load(Ordering::Relaxed) {
                        return;
                    }
                    let schedule = Schedule::random(seed, options.breaks);
                    tally.enter(&schedule, &play(&schedule), options);
                }
            });
        }
    });
}
