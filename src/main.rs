//! The program: reads the process's surroundings, calls the library, turns what it came to into an exit status.

use std::process::ExitCode;

use keyrotor::cli::Surroundings;
use keyrotor::rotation::interrupt;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let (trigger, interrupt) = interrupt::channel();
    // As PID 1 of a container a signal without a handler is ignored, so these come before anything else.
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        if let Ok(mut signals) = signal(kind) {
            let trigger = trigger.clone();
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    trigger.pull();
                }
            });
        }
    }
    ExitCode::from(keyrotor::run(&Surroundings::from_process(), interrupt).await)
}
