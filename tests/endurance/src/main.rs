//! Many rotations in a row in one process that lives long, over TLS, with random faults: no target is ever without a live
//! key, each failure is healed by the next clean run, nothing leaks, memory stays flat and every descriptor is given back.
//!
//! ```sh
//! cargo run -p keyrotor-endurance -- --rotations 1000
//! cargo run -p keyrotor-endurance -- --seed 4711
//! ```
//!
//! The seed decides which faults befall which requests. What they lead to also depends on the machine: time is real.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it talks to a person")]

mod child;
mod lane;
mod process;

use std::process::ExitCode;
use std::time::Instant;

use keyrotor_properties::leak::Searcher;

use crate::lane::{Lane, Tally};
use crate::process::{Measure, Process};

/// Rotations at once: most of their time they wait.
const LANES: usize = 8;
/// Measurements at the least, where there are so many rotations; no lane rotates more than this often between two.
const MEASURES: usize = 25;
const LONGEST_ROUND: usize = 5;
/// Until then the process grows to the size that its work needs.
const WARM_UP: f64 = 0.3;
/// Memory may be this much larger in the end, in KiB: in the long form two kilobytes a rotation, which is less than a list
/// of keys takes.
const MAX_GROWTH: u64 = 2048;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (mut rotations, mut seed) = (1000, fastrand::u64(..));
    while let Some(argument) = arguments.next() {
        let number = match argument.as_str() {
            "--child" => return child::serve(),
            "--rotations" | "--seed" => arguments.next().and_then(|number| number.parse::<u64>().ok()),
            _ => None,
        };
        match (argument.as_str(), number) {
            ("--rotations", Some(number)) => rotations = number,
            ("--seed", Some(number)) => seed = number,
            _ => {
                eprintln!("usage: keyrotor-endurance [--rotations N] [--seed N]");
                return ExitCode::from(2);
            }
        }
    }
    println!("seed {seed}");
    match endure(usize::try_from(rotations).unwrap_or(usize::MAX), seed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            println!("error: {wrong}");
            ExitCode::FAILURE
        }
    }
}

fn endure(rotations: usize, seed: u64) -> Result<(), String> {
    let began = Instant::now();
    let lanes = (0..LANES).map(|number| Lane::new(number, seed)).collect::<Result<Vec<_>, _>>()?;
    let process = Process::start(&lanes)?;
    let mut measures = Vec::new();
    let mut tally = Tally::default();
    println!("{:>9} {:>9} {:>11}", "rotations", "own KiB", "descriptors");
    let round = (rotations / LANES / MEASURES).clamp(1, LONGEST_ROUND);
    let told_every = rotations.div_ceil(10);
    let mut told = 0;
    while tally.rotations < rotations {
        let done: Vec<Tally> = std::thread::scope(|scope| {
            let process = &process;
            let at_work: Vec<_> = lanes.iter().map(|lane| scope.spawn(move || lane.rotate(process, round))).collect();
            let ends = at_work.into_iter().map(|lane| lane.join().map_err(|_| "a lane panicked".to_owned())?);
            ends.collect::<Result<_, String>>()
        })?;
        done.into_iter().for_each(|more| tally.add(&more));
        let measure = process.measure()?;
        if tally.rotations >= told + told_every || tally.rotations >= rotations {
            told = tally.rotations;
            println!("{told:>9} {:>9} {:>11}", measure.anonymous, measure.descriptors);
        }
        measures.push(measure);
    }
    let output = process.stop()?;
    let secrets = lanes.iter().flat_map(Lane::secrets);
    if let Some(leak) = Searcher::new(secrets).find(&without_masks(&output)) {
        return Err(format!("leak: {leak}"));
    }
    println!("{tally}");
    println!("{} bytes of logs and no secret in them; {:.0} s", output.len(), began.elapsed().as_secs_f64());
    flat(&measures)
}

fn without_masks(output: &str) -> String {
    output.lines().filter(|line| !line.starts_with("::add-mask::")).flat_map(|line| [line, "\n"]).collect()
}

/// The process is no larger in the last third than it was behind its warm-up, and holds no more descriptors.
fn flat(measures: &[Measure]) -> Result<(), String> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a small number")]
    let warm = (measures.len() as f64 * WARM_UP).ceil() as usize;
    let (warm, rest) = measures.split_at(warm.clamp(1, measures.len()));
    let last = rest.get(rest.len() / 2..).unwrap_or_default();
    let most = |measures: &[Measure], of: fn(&Measure) -> u64| measures.iter().map(of).max().unwrap_or_default();
    let (memory, descriptors) = (|it: &Measure| it.anonymous, |it: &Measure| it.descriptors);
    let grown = most(last, memory).saturating_sub(most(warm, memory));
    println!(
        "memory: {grown} KiB more at the end than when warm; descriptors: {} then, {} at the end",
        most(warm, descriptors),
        most(last, descriptors)
    );
    if grown > MAX_GROWTH {
        return Err(format!("memory has grown by {grown} KiB"));
    }
    if most(last, descriptors) > most(warm, descriptors) {
        return Err("descriptors are not given back".to_owned());
    }
    Ok(())
}
