//! The action's image at work, as GitHub's runner runs it, against the stand-ins: it holds no more than it should, starts,
//! masks, writes outputs and summary into mounted files, needs no capability and no file of its own, obeys signals as PID 1
//! and finishes when whoever started it is killed.
//!
//! With `act` and an image that it takes for a runner's machine, the printed examples run instead: their workflows, the
//! action, its image.
//!
//! ```sh
//! cargo run -p keyrotor-image -- localhost/keyrotor:test
//! cargo run -p keyrotor-image -- localhost/keyrotor:test .check/python/bin/act localhost/keyrotor-runner:test
//! ```
//!
//! Needs podman, and runc where that is there.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it talks to a person")]

mod act;
mod contents;
mod engine;
mod scene;

use std::process::ExitCode;
use std::time::Duration;

use keyrotor_fake::Server;

use crate::act::Act;
use crate::engine::{Ended, Engine, Shape};
use crate::scene::Scene;

/// What the action may take between being told to stop and its end.
const TIME_TO_STOP: Duration = Duration::from_secs(7);

/// A sentence that is true, or what is wrong.
type Told = Result<String, String>;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [image] => check_image(&Engine::new(image)),
        [image, program, machine] => {
            let act = Act { program: program.clone(), machine: machine.clone() };
            tell(&[&|| act::check(&Engine::new(image), &act)])
        }
        _ => {
            eprintln!("usage: keyrotor-image IMAGE [ACT MACHINE-IMAGE]");
            ExitCode::from(2)
        }
    }
}

fn check_image(engine: &Engine) -> ExitCode {
    tell(&[
        &|| contents::check(engine),
        &|| rotates(engine),
        &|| rotates_locked_down(engine),
        &|| stops(engine, "int"),
        &|| stops(engine, "term"),
        &|| outlives_its_client(engine),
    ])
}

fn tell(checks: &[&dyn Fn() -> Told]) -> ExitCode {
    for check in checks {
        match check() {
            Ok(told) => println!("✓ {told}"),
            Err(wrong) => {
                println!("✗ {wrong}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Ended with this status, with what it showed beside the complaint where not.
fn ended_with(ended: &Ended, statuses: &[i32]) -> Result<(), String> {
    if ended.status.is_some_and(|status| statuses.contains(&status)) {
        return Ok(());
    }
    Err(format!("exit status {:?}, expected one of {statuses:?}\n{}", ended.status, ended.log()))
}

fn rotates(engine: &Engine) -> Told {
    let scene = Scene::new(&[])?;
    let ended = engine.run(&scene, Shape::Runner)?;
    ended_with(&ended, &[0])?;
    scene.rotated()?;
    ended.masked_first(&scene.secrets())?;
    let outputs = scene.read("file_commands/output")?;
    for name in ["outcome", "rotated", "report"] {
        if !outputs.contains(&format!("{name}<<")) {
            return Err(format!("no output {name}\n{outputs}"));
        }
    }
    if !outputs.contains("\nrotated\n") || !scene.read("file_commands/summary")?.contains("production-") {
        return Err(format!("outputs or summary do not tell of the rotation\n{outputs}"));
    }
    scene.nothing_else_was_written()?;
    Ok("as the runner starts it: rotates, masks first, writes outputs and summary, leaves nothing else behind"
        .to_owned())
}

fn rotates_locked_down(engine: &Engine) -> Told {
    let scene = Scene::new(&[Server::Issuer, Server::GitHub])?;
    ended_with(&engine.run(&scene, Shape::LockedDown)?, &[0])?;
    scene.rotated()?;
    Ok("read-only, without capabilities, over TLS with an authority in the workspace: rotates".to_owned())
}

fn stops(engine: &Engine, signal: &str) -> Told {
    let scene = Scene::new(&[])?;
    scene.world.fault(&format!("github:PUT:1:{signal}-after"));
    // podman, which passes the signal on, gives up where the container is over before.
    scene.world.fault("github:PUT:2:delay=1s");
    let ended = engine.run(&scene, Shape::Runner)?;
    ended_with(&ended, &[1, 3])?;
    let took = scene.since_the_first_write()?;
    if took > TIME_TO_STOP {
        return Err(format!("SIG{} and it went on for {took:?}\n{}", signal.to_uppercase(), ended.log()));
    }
    if !scene.read("file_commands/summary")?.contains("told to stop") {
        return Err(format!("the summary does not say that it was told to stop\n{}", ended.log()));
    }
    let told = format!("SIG{} to PID 1 between two writes: in order {took:.1?} later", signal.to_uppercase());
    heals(engine, &scene)?;
    Ok(told)
}

fn outlives_its_client(engine: &Engine) -> Told {
    let scene = Scene::new(&[])?;
    scene.world.fault("github:PUT:1:kill-after");
    let ended = engine.run(&scene, Shape::Runner)?;
    if ended.status.is_some() {
        return Err(format!("the client was not killed\n{}", ended.log()));
    }
    scene.no_outage()?;
    heals(engine, &scene)?;
    Ok("its client killed between two writes: no outage, and it or the next run finishes".to_owned())
}

/// The next run ends with one live key in every target.
fn heals(engine: &Engine, scene: &Scene) -> Result<(), String> {
    scene.world.clear_faults();
    let next = engine.run(scene, Shape::Runner)?;
    ended_with(&next, &[0])?;
    scene.rotated()
}
