//! `cargo demo`: the real program rotates a key, as GitHub's runner would start it, against an ARouter and a GitHub made
//! up on this machine. With `--fault` something goes wrong on the way, and what was written is put back.
//!
//! Exits 0 only where everything that it shows is what keyrotor promises, 1 where not, 2 on a wrong command line.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it talks to a person")]

mod arguments;
mod program;
mod scene;
mod show;
mod verdict;

use std::io;
use std::process::ExitCode;

use crate::arguments::Asked;
use crate::program::Program;
use crate::scene::Scene;
use crate::show::Show;

fn main() -> ExitCode {
    let asked = match arguments::read(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(why) => {
            eprintln!("error: {why}\n\nFor the grammar: cargo demo -- --help");
            return ExitCode::from(2);
        }
    };
    let told = match asked {
        Asked::Help => {
            print!("{}", arguments::HELP);
            return ExitCode::SUCCESS;
        }
        Asked::Rotation => rotation(),
        Asked::Leak => leak(),
        Asked::Fault(fault) => faulty(&fault),
    };
    match told {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn rotation() -> io::Result<bool> {
    let program = Program::build()?;
    let scene = Scene::one_repository()?;
    let show = Show::to_stdout();
    show.intro("A new key for acme/app, with no downtime.");
    show.before(&scene);
    show.heading("The run, as its log reads on GitHub");
    let run = program.run(&scene, &show)?;
    show.summary(&run);
    show.heading("What is true now");
    show.after(&scene);
    Ok(show.verdict(&verdict::of_rotation(&scene, &run)))
}

fn leak() -> io::Result<bool> {
    let program = Program::build()?;
    let scene = Scene::leaked()?;
    let show = Show::to_stdout();
    show.intro("The key of acme/app was committed, and GitHub's secret scanning has found it.");
    show.before(&scene);
    show.heading("The run of watch-leaks, as its log reads on GitHub");
    let run = program.run(&scene, &show)?;
    show.summary(&run);
    show.heading("What is true now");
    show.after(&scene);
    Ok(show.verdict(&verdict::of_leak(&scene, &run)))
}

fn faulty(fault: &keyrotor_fake::Fault) -> io::Result<bool> {
    let program = Program::build()?;
    let scene = Scene::two_repositories()?;
    scene.world.add_fault(fault.clone());
    let show = Show::to_stdout();
    show.intro(&format!("A new key for acme/api and acme/web, and one thing goes wrong: {fault}"));
    show.before(&scene);
    show.heading("The run, as its log reads on GitHub");
    let run = program.run(&scene, &show)?;
    show.summary(&run);
    show.heading("What is true now");
    show.after(&scene);
    let mut good = show.verdict(&verdict::of_fault(&scene, &run));
    if run.code != Some(0) {
        scene.world.clear_faults();
        show.heading("The next run, with nothing in its way");
        let next = program.run(&scene, &show)?;
        show.heading("What is true in the end");
        show.after(&scene);
        good &= show.verdict(&verdict::of_rotation(&scene, &next));
    }
    Ok(good)
}
