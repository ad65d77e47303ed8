//! The program: reads the process's surroundings, calls the library, turns what it came to into an exit status.

use std::io::Write as _;
use std::process::ExitCode;

use keyrotor::cli::Surroundings;
use keyrotor::rotation::interrupt;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

fn main() -> ExitCode {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            _ = writeln!(std::io::stderr(), "keyrotor could not begin: {error}");
            return ExitCode::FAILURE;
        }
    };
    let status = runtime.block_on(run());
    // What a thread of its own still waits for, the name of a server or a program that signs in, keeps nobody.
    runtime.shutdown_background();
    status
}

async fn run() -> ExitCode {
    let (trigger, interrupt) = interrupt::channel();
    // As PID 1 of a container a signal without a handler is ignored, so these come before anything else.
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        if let Ok(mut signals) = signal(kind) {
            let trigger = trigger.clone();
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    trigger.pull(Instant::now());
                }
            });
        }
    }
    ExitCode::from(keyrotor::run(&Surroundings::from_process(), interrupt).await)
}
