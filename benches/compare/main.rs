//! A rotation side by side: this program, the rotation guide's workflow, and GitHub's client with curl:
//! `cargo bench --bench compare`, once `./test` has put the others into `.check`.
//!
//! All of them work on the same stand-ins, whose every answer takes 50 ms and which set no limits; GitHub speaks TLS. The issuer
//! is the guide's: the key in use makes its successor. The others try the new key once, look at nothing else and undo nothing;
//! they are given the id of the key in use, and write 16 secrets at once where there are many.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic, reason = "a benchmark may panic, and prints")]

mod process;
mod seal;
mod way;

use std::time::Duration;

use crate::process::Spent;
use crate::way::{PARALLEL, Tools, Way};

const LATENCY: Duration = Duration::from_millis(50);
/// How many targets, and how often.
const CASES: [(u32, usize); 3] = [(1, 7), (100, 3), (1000, 1)];

/// What the project wants to keep to, for one target.
const MAX_TIMES_THE_FLOOR: f64 = 1.1;
const FEWEST_TIMES_FASTER_THAN_THE_GUIDE: f64 = 1.5;
const LONGEST_START: Duration = Duration::from_millis(10);

/// One run.
struct Measured {
    took: Duration,
    to_first_request: Duration,
    spent: Spent,
    requests: usize,
}

fn main() {
    if let Some(count) = std::env::args().skip_while(|argument| argument != "--seal").nth(1) {
        seal::seal(count.parse().unwrap());
        return;
    }
    let tools = Tools::find();
    println!("every request takes {} ms, {PARALLEL} targets at once\n", LATENCY.as_millis());
    println!(
        "| targets | with | wall ms (min / median / max) | floor ms | ratio | requests | CPU ms | peak MiB | first request ms |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut missed = Vec::new();
    for (targets, runs) in CASES {
        let mut medians = Vec::new();
        for way in Way::ALL {
            let mut measured: Vec<_> = (0..runs).map(|_| way.run(&tools, targets)).collect();
            measured.sort_by_key(|run| run.took);
            row(way, targets, &measured);
            let started = measured.iter().map(|run| run.to_first_request).min().unwrap_or_default();
            medians.push((median(&measured).took, started));
        }
        let [own, guide, _] = medians[..] else { unreachable!() };
        let ratio = own.0.as_secs_f64() / way::floor(Way::Keyrotor, targets).as_secs_f64();
        let faster = guide.0.as_secs_f64() / own.0.as_secs_f64();
        if targets == 1 {
            if ratio > MAX_TIMES_THE_FLOOR {
                missed.push(format!("{ratio:.2} times the floor, at most {MAX_TIMES_THE_FLOOR}"));
            }
            if faster < FEWEST_TIMES_FASTER_THAN_THE_GUIDE {
                missed.push(format!(
                    "{faster:.2} times faster than the guide, at least {FEWEST_TIMES_FASTER_THAN_THE_GUIDE}"
                ));
            }
            if own.1 > LONGEST_START {
                missed.push(format!("first request after {:?}, at most {LONGEST_START:?}", own.1));
            }
        }
    }
    println!("\nsealing one secret: {}", seal::instructions());
    println!("image: {}", tools.image());
    println!("targets for one repository: {}", if missed.is_empty() { "kept".to_owned() } else { missed.join("; ") });
}

fn median(measured: &[Measured]) -> &Measured {
    measured.get(measured.len() / 2).unwrap()
}

fn row(way: Way, targets: u32, measured: &[Measured]) {
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let (first, middle, last) = (measured.first().unwrap(), median(measured), measured.last().unwrap());
    let floor = way::floor(way, targets);
    let start = measured.iter().map(|run| run.to_first_request).min().unwrap_or_default();
    let peak = measured.iter().map(|run| run.spent.peak_kib).max().unwrap_or_default();
    // The kernel counts hundredths of a second, of which a run takes few.
    let busy = measured.iter().map(|run| run.spent.busy).sum::<Duration>() / u32::try_from(measured.len()).unwrap();
    println!(
        "| {targets} | {} | {:.0} / {:.0} / {:.0} | {:.0} | {:.2} | {} | {:.0} | {} | {:.1} |",
        way.title(),
        ms(first.took),
        ms(middle.took),
        ms(last.took),
        ms(floor),
        middle.took.as_secs_f64() / floor.as_secs_f64(),
        middle.requests,
        ms(busy),
        peak.div_ceil(1024),
        ms(start),
    );
}
