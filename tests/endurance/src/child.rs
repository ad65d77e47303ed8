//! The process that lives long: runs one rotation after the other, as the program does each in a process of its own.
//!
//! A line on stdin is a run, as JSON: `[LANE, {"VARIABLE": "value"}]`. Once it is over, a line on stderr says so:
//! `LANE STATUS`. The runs' own logs go to stdout.

use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::process::ExitCode;

use keyrotor::cli::Surroundings;
use keyrotor::rotation::interrupt;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::LocalSet;

type Run = (usize, BTreeMap<String, String>);

pub(crate) fn serve() -> ExitCode {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    let (runs, asked) = unbounded_channel::<Run>();
    std::thread::spawn(move || {
        let lines = std::io::stdin().lock().lines().map_while(Result::ok);
        lines.filter_map(|line| serde_json::from_str(&line).ok()).try_for_each(|run| runs.send(run))
    });
    LocalSet::new().block_on(&runtime, run_all(asked));
    ExitCode::SUCCESS
}

async fn run_all(mut asked: UnboundedReceiver<Run>) {
    while let Some((lane, vars)) = asked.recv().await {
        tokio::task::spawn_local(async move {
            let (_trigger, interrupt) = interrupt::channel();
            let status = keyrotor::run(&Surroundings { vars, ..Surroundings::default() }, interrupt).await;
            eprintln!("{lane} {status}");
        });
    }
}
