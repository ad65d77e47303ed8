//! Rotates an API key with no downtime: makes a new key, proves that it works, writes it wherever it is used, proves it
//! again, and only then retires the old one.
//!
//! A map, from the outside inwards:
//!
//! * [`cli`], [`config`]: flags and `INPUT_*` variables to a validated request, or every problem at once.
//! * [`rotation`]: the heart. Observe, plan, the steps, the lease, the ledger of attempts, the recovery. It knows neither
//!   HTTP nor GitHub, only [`rotation::port`].
//! * `rotations`: those of one run, beside each other.
//! * [`audit`]: a key list to findings. `auditing`: where the list comes from.
//! * [`issuer`]: who makes keys; `issuing` knows which there are. [`store`]: where they are kept.
//! * [`http`], [`secret`], [`duration`]: how a call can fail; the one type that holds a secret; spans of time.
//! * [`report`], [`console`]: what became of it, for people, workflows and programs. `notices`: what they should know
//!   beside it.

pub mod audit;
mod auditing;
pub mod cli;
pub mod config;
pub mod console;
pub mod duration;
pub mod http;
pub mod issuer;
mod issuing;
pub mod nearest;
mod notices;
pub mod regular;
pub mod report;
pub mod rotation;
mod rotations;
pub mod secret;
pub mod store;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use crate::cli::Surroundings;
use crate::config::{Asked, Command, Request, RotationRequest};
use crate::console::Console;
use crate::http::{Client, Retry, Trace};
use crate::report::Ending;
use crate::rotation::clock::Clock;
use crate::rotation::interrupt::Interrupt;
use crate::rotation::outcome::Observer as _;
use crate::secret::Redactor;
use crate::store::Stores;
use crate::store::github::{App, AppKey, Around, Credential, GitHub, Level, Need, Pace};
use crate::store::target::Target;

/// Runs the program and returns its exit status. Must be called on a tokio runtime.
pub async fn run(surroundings: &Surroundings, interrupt: Interrupt) -> u8 {
    let reading = config::read(surroundings);
    let redactor = Redactor::new();
    let console = Rc::new(Console::of_process(&surroundings.vars, reading.format, redactor.clone()));
    for secret in &reading.secrets {
        console.mask(secret);
    }
    let ending = match reading.asked {
        Asked::Text(text) => {
            console.verbatim(&text);
            console.drain(&interrupt).await;
            return 0;
        }
        Asked::Wrong(problems) => {
            let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
            Ending::invalid(&problems, &redactor)
        }
        Asked::Run(request) => {
            let variables = Rc::new(surroundings.vars.clone());
            match &request.command {
                Command::Audit(settings) => {
                    Ending::audited(&auditing::run(&request, settings, &interrupt, &console).await, &redactor)
                }
                Command::Reenable(id) => {
                    Ending::ran(&[rotations::reenable(&request, id, &interrupt, &console).await], &redactor)
                }
                Command::Rotate => {
                    Ending::ran(&rotations::run_all(&request, variables, &interrupt, &console).await, &redactor)
                }
            }
        }
    };
    let status = report::finish(&ending, &console);
    console.drain(&interrupt).await;
    status
}

/// What rotations with the same `request-timeout` share.
struct Connected {
    client: Client,
    stores: Stores,
}

/// What all connections to GitHub share: who signs, and how fast.
struct Access {
    credential: Credential,
    pace: Rc<Pace>,
}

fn access(request: &Request, console: &Rc<Console>) -> Option<Access> {
    let github = &request.github;
    let credential = match (&github.app, &github.token) {
        (Some(key), _) => Credential::App(Rc::new(app(key, request, console))),
        (None, Some(token)) => Credential::Token(token.clone()),
        (None, None) => return None,
    };
    let patience = Retry::default().longest_retry_after;
    let pace = Pace::new(&github.api_url, patience).of_rotations(request.rotations.len());
    Some(Access { credential, pace: Rc::new(pace) })
}

fn app(key: &AppKey, request: &Request, console: &Rc<Console>) -> App {
    let needs: Vec<_> = request.rotations.iter().flat_map(needs).collect();
    let (clock, console) = (Clock::system(), Rc::clone(console));
    let now = Box::new(move || clock.wall_time());
    App::new(key.clone(), &needs, Around { now, hide: Box::new(move |secret| console.mask(secret)) })
}

/// What a rotation needs at GitHub.
fn needs(rotation: &RotationRequest) -> impl Iterator<Item = Need> {
    let drains = rotation.policy.drains().then_some(Level::Read);
    let targets = rotation.targets.iter().filter_map(Target::at_github);
    targets.map(move |target| {
        let actions = target.canary.as_ref().map(|_| Level::Write).or(drains);
        Need { place: target.place.clone(), actions }
    })
}

fn connect(
    request: &Request,
    request_timeout: Duration,
    access: Option<&Access>,
    variables: &Rc<BTreeMap<String, String>>,
    console: &Rc<Console>,
    trace: &Trace,
) -> anyhow::Result<Connected> {
    let client = http::client(request_timeout)?;
    let redactor = console.redactor().clone();
    let (api_url, signed) = (&request.github.api_url, redactor.clone());
    let connect = |Access { credential, pace }: &Access| {
        let github = GitHub::new(client.clone(), api_url.clone(), credential.clone(), signed)?;
        anyhow::Ok(Rc::new(github.traced(trace.clone()).paced(Rc::clone(pace))))
    };
    let github = access.map(connect).transpose()?;
    let (clock, console) = (Clock::system(), Rc::clone(console));
    let around = store::Around {
        client: client.clone(),
        request_timeout,
        variables: Rc::clone(variables),
        now: Rc::new(move || clock.wall_time()),
        hide: Rc::new(move |secret| console.mask(secret)),
        redactor,
        trace: trace.clone(),
    };
    Ok(Connected { client, stores: Stores::new(github, around) })
}
