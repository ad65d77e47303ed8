//! Rotates an API key with no downtime: makes a new key, proves that it works, writes it wherever it is used, proves it
//! again, and only then retires the old one.
//!
//! A map, from the outside inwards:
//!
//! * [`cli`], [`config`]: flags and `INPUT_*` variables to a validated request, or every problem at once.
//! * [`rotation`]: the heart. Observe, plan, the steps, the lease, the ledger of attempts, the recovery. It knows neither
//!   HTTP nor GitHub, only [`rotation::port`].
//! * `rotations`: those of one run, beside each other.
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
mod rotations;
pub mod runner;
pub mod secret;
pub mod store;

use std::rc::Rc;
use std::time::Duration;

use crate::cli::Surroundings;
use crate::config::{Asked, Request};
use crate::http::Trace;
use crate::report::Ending;
use crate::rotation::interrupt::Interrupt;
use crate::rotation::outcome::Observer as _;
use crate::runner::Runner;
use crate::secret::Redactor;
use crate::store::github::GitHub;

/// Runs the program and returns its exit status. Must be called on a tokio runtime.
pub async fn run(surroundings: &Surroundings, interrupt: Interrupt) -> u8 {
    let reading = config::read(surroundings);
    let redactor = Redactor::new();
    let runner = Rc::new(Runner::of_process(&surroundings.vars, reading.format, redactor.clone()));
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
        Asked::Run(request) => Ending::ran(&rotations::run_all(&request, &interrupt, &runner).await, &redactor),
    };
    report::finish(&ending, &runner)
}

/// What rotations with the same `request-timeout` share.
struct Connected {
    client: reqwest::Client,
    github: Rc<GitHub>,
}

fn connect(
    request: &Request,
    request_timeout: Duration,
    redactor: &Redactor,
    trace: &Trace,
) -> anyhow::Result<Connected> {
    let client = http::client(request_timeout)?;
    let github = &request.github;
    let Some(token) = github.token.clone() else { anyhow::bail!("github-token is missing") };
    let github = GitHub::new(client.clone(), github.api_url.clone(), token, redactor.clone())?;
    Ok(Connected { client, github: Rc::new(github.traced(trace.clone())) })
}
