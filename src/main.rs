//! The program: reads the process's surroundings, calls the library, turns what it came to into an exit status.

use std::io::Write as _;
use std::process::{self, ExitCode};
use std::thread;
use std::time::Duration;

use keyrotor::cli::Surroundings;
use keyrotor::rotation::interrupt::{self, Trigger};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep};

/// A run is told to stop, and has not: something holds up its only thread, such as a file on a server that is gone. The
/// contract gives it 7 s, and the next run heals whatever a killed one leaves behind.
const LAST_RESORT: Duration = Duration::from_millis(6_900);

/// The exit status for "a person should look".
const ATTENTION: i32 = 3;

fn main() -> ExitCode {
    let (trigger, interrupt) = interrupt::channel();
    // As PID 1 of a container a signal without a handler is ignored, so these come before anything else.
    let runtime = watch(trigger.clone()).and_then(|()| runtime());
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            _ = writeln!(std::io::stderr(), "keyrotor could not begin: {error}");
            return ExitCode::FAILURE;
        }
    };
    let status = runtime.block_on(async {
        // What this thread hears itself stops it before its next step, however busy the machine is.
        streams().into_iter().for_each(|stream| _ = tokio::spawn(hear(stream, trigger.clone())));
        keyrotor::run(&Surroundings::from_process(), interrupt).await
    });
    // What a thread of its own still waits for, the name of a server or a program that signs in, keeps nobody.
    runtime.shutdown_background();
    ExitCode::from(status)
}

fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Must be called on a runtime.
fn streams() -> Vec<Signal> {
    [SignalKind::interrupt(), SignalKind::terminate()].into_iter().filter_map(|kind| signal(kind).ok()).collect()
}

async fn hear(mut stream: Signal, trigger: Trigger) {
    while stream.recv().await.is_some() {
        trigger.pull(Instant::now());
    }
}

/// Ends the process where the run's own thread does not, on a thread of its own.
fn watch(trigger: Trigger) -> std::io::Result<()> {
    let runtime = runtime()?;
    let streams = {
        let _entered = runtime.enter();
        streams()
    };
    let heard = move || {
        runtime.block_on(async move {
            streams.into_iter().for_each(|stream| _ = tokio::spawn(end(stream, trigger.clone())));
            std::future::pending::<()>().await;
        });
    };
    thread::Builder::new().name("signals".to_owned()).spawn(heard).map(drop)
}

async fn end(mut stream: Signal, trigger: Trigger) {
    if stream.recv().await.is_some() {
        trigger.pull(Instant::now());
        sleep(LAST_RESORT).await;
        process::exit(ATTENTION);
    }
}
