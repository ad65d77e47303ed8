//! Rotates an API key with no downtime: makes a new key, proves that it works, writes it wherever it is used, proves it
//! again, and only then retires the old one.
//!
//! A map, from the outside inwards:
//!
//! * [`cli`], [`config`]: flags and `INPUT_*` variables to a validated request, or every problem at once.
//! * [`rotation`]: the heart. Observe, plan, the steps, the lease, the ledger of attempts, the recovery. It knows neither
//!   HTTP nor GitHub, only [`rotation::port`].
//! * [`issuer`]: who makes keys. [`store`]: where they are kept.
//! * [`http`], [`secret`]: how a call can fail; the one type that holds a secret.
//! * [`report`], [`runner`]: what became of it, for people, workflows and programs. `notices`: what they should know
//!   beside it.

pub mod cli;
pub mod config;
pub mod http;
pub mod issuer;
pub mod nearest;
mod notices;
pub mod report;
pub mod rotation;
pub mod runner;
pub mod secret;
pub mod store;

use std::cell::RefCell;
use std::rc::Rc;

use crate::cli::Surroundings;
use crate::config::{Asked, Request, RotationRequest};
use crate::http::Retry;
use crate::issuer::ArouterIssuer;
use crate::notices::When;
use crate::report::Ending;
use crate::rotation::clock::Clock;
use crate::rotation::interrupt::Interrupt;
use crate::rotation::outcome::{Event, Observer as _, Outcome, Problem};
use crate::rotation::{Context, dry_run, rotate};
use crate::runner::Runner;
use crate::secret::Redactor;
use crate::store::github::GitHub;

/// Runs the program and returns its exit status. Must be called on a tokio runtime.
pub async fn run(surroundings: &Surroundings, interrupt: Interrupt) -> u8 {
    let reading = config::read(surroundings);
    let redactor = Redactor::new();
    let runner = Runner::of_process(&surroundings.vars, reading.format, redactor.clone());
    for secret in &reading.secrets {
        runner.mask(secret);
    }
    let ending = match reading.asked {
        Asked::Text(text) => {
            runner.verbatim(&text);
            return 0;
        }
        Asked::Wrong(problems) => {
            let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
            Ending::invalid(&problems, &redactor)
        }
        Asked::Run(request) => Ending::ran(&run_all(&request, &interrupt, &runner).await, &redactor),
    };
    report::finish(&ending, &runner)
}

async fn run_all(request: &Request, interrupt: &Interrupt, runner: &Runner) -> Vec<Outcome> {
    for warning in &request.warnings {
        runner.event(&Event::Warning(warning.clone()));
    }
    let mut outcomes = Vec::new();
    for rotation in &request.rotations {
        if request.rotations.len() > 1 {
            runner.section(&rotation.policy.key_name);
        }
        outcomes.push(run_one(request, rotation, interrupt.clone(), runner).await);
    }
    outcomes
}

async fn run_one(request: &Request, asked: &RotationRequest, interrupt: Interrupt, runner: &Runner) -> Outcome {
    let policy = &asked.policy;
    let (issuer, github) = match connect(request, runner.redactor()) {
        Ok(connected) => connected,
        Err(error) => {
            let problem = Problem { what: format!("{error:#}"), next: None };
            runner.event(&Event::Failed(&problem));
            return Outcome::unbegun(policy, problem);
        }
    };
    let targets: Vec<_> = asked.targets.iter().map(|target| store::open(target, &github)).collect();
    let context = Context {
        clock: Clock::system(),
        rng: RefCell::default(),
        retry: Retry::default(),
        interrupt,
        observer: runner,
    };
    let rotation = async {
        if request.dry_run {
            dry_run(&issuer, &targets, policy, &context).await
        } else {
            rotate(&issuer, &targets, policy, &context).await
        }
    };
    let shadows = store::shadows(&asked.targets, &github);
    let when = When::of(&shadows, policy.parallel, request.dry_run, policy.leaked);
    let mut outcome = notices::while_looking(rotation, &shadows, when, &context.interrupt).await;
    notices::tell(&mut outcome, &shadows, &github, request.github.web_url.as_str(), runner);
    outcome
}

fn connect(request: &Request, redactor: &Redactor) -> anyhow::Result<(ArouterIssuer, Rc<GitHub>)> {
    let client = http::client(request.request_timeout)?;
    let (issuer, github) = (&request.issuer, &request.github);
    let management = issuer.management_key.clone();
    let current = issuer.current_key.clone();
    let keys = ArouterIssuer::new(client.clone(), &issuer.url, management, current, redactor.clone());
    let Some(token) = github.token.clone() else { anyhow::bail!("github-token is missing") };
    Ok((keys, Rc::new(GitHub::new(client, github.api_url.clone(), token, redactor.clone())?)))
}
