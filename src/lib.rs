//! Rotates an API key with no downtime: makes a new key, proves that it works, writes it wherever it is used, proves it
//! again, and only then retires the old one.
//!
//! A map, from the outside inwards:
//!
//! * [`cli`], [`config`]: flags and `INPUT_*` variables to a validated request, or every problem at once.
//! * [`rotation`]: the heart. Observe, plan, the steps, the lease, the ledger of attempts, the recovery. It knows neither
//!   HTTP nor GitHub, only [`rotation::model`].
//! * `fleet`: those of one run, beside each other.
//! * `doctor`: whether everything is there that a rotation needs.
//! * `init`: writes the workflow that rotates a key. `checkout`: the checkout that this runs in. `child`: a program that is
//!   asked for a credential.
//! * [`audit`]: a key list to findings; `audit::execute` reads the lists.
//! * [`leaks`]: alerts of secret scanning to rotations.
//! * [`issuer`]: who makes keys; `issuer::open` knows which there are. [`store`]: where they are kept.
//! * [`http`], [`secret`], [`duration`], [`humanize`]: how a call can fail; the one type that holds a secret; spans of time,
//!   read and told.
//! * [`receipt`]: what a run claims to have done, and whether it still holds. `lists`: an issuer's key list, read alone.
//! * [`report`], [`console`]: what became of it, for people, workflows and programs. `notices`: what they should know
//!   beside it. `notify`: posts the report to a server.

pub mod audit;
mod checkout;
mod child;
pub mod cli;
pub mod config;
pub mod console;
mod doctor;
pub mod duration;
mod fleet;
pub mod http;
pub mod humanize;
mod init;
pub mod issuer;
pub mod leaks;
mod lists;
pub mod nearest;
mod notices;
mod notify;
pub mod receipt;
pub mod regular;
pub mod report;
pub mod rotation;
pub mod secret;
pub mod store;

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::cli::Surroundings;
use crate::config::{Asked, Command, Request};
use crate::console::Console;
use crate::receipt::leave::Receipt;
use crate::report::Ending;
use crate::rotation::interrupt::Interrupt;
use crate::rotation::outcome::Observer as _;
use crate::secret::Redactor;

/// Runs the program and returns its exit status. Must be called on a tokio runtime.
pub async fn run(surroundings: &Surroundings, interrupt: Interrupt) -> u8 {
    let reading = config::read(surroundings);
    let redactor = Redactor::new();
    let console = Rc::new(Console::of_process(&surroundings.vars, reading.format, redactor.clone()));
    for secret in &reading.secrets {
        console.mask(secret);
    }
    let notify = match &reading.asked {
        Asked::Run(request) => request.notify.clone().map(|settings| (settings, request.request_timeout)),
        _ => None,
    };
    let ending = match reading.asked {
        Asked::Text(text) => {
            console.verbatim(&text);
            console.drain(&interrupt).await;
            return 0;
        }
        Asked::Init(settings) => {
            let status = init::run(&settings, &interrupt, &console).await;
            console.drain(&interrupt).await;
            return status;
        }
        Asked::Wrong(problems) => {
            let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
            Ending::invalid(&problems, &redactor)
        }
        Asked::Run(request) => {
            let variables = Rc::new(surroundings.vars.clone());
            match request.receipt.as_ref().map(|settings| Receipt::make(settings, &request)).transpose() {
                Err(problem) => Ending::invalid(&[problem], &redactor),
                Ok(receipt) => {
                    let mut ending = carry_out(&request, variables, &interrupt, &console).await;
                    if let Some(receipt) = receipt {
                        receipt.write(&mut ending, &console);
                    }
                    ending
                }
            }
        }
    };
    if let Some((settings, timeout)) = &notify {
        notify::send(&ending, settings, *timeout, &interrupt, &console).await;
    }
    let status = report::finish(&ending, &console);
    console.drain(&interrupt).await;
    status
}

/// Carries out what a request asks.
async fn carry_out(
    request: &Request,
    variables: Rc<BTreeMap<String, String>>,
    interrupt: &Interrupt,
    console: &Rc<Console>,
) -> Ending {
    let redactor = console.redactor();
    match &request.command {
        Command::Audit(settings) => {
            Ending::audited(audit::execute::run(request, settings, interrupt, console).await, redactor)
        }
        Command::Reenable(id) => Ending::ran(&[fleet::reenable(request, id, interrupt, console).await], redactor),
        Command::WatchLeaks(settings) => {
            Ending::watched(leaks::execute::run(request, settings, variables, interrupt, console).await, redactor)
        }
        Command::VerifyReceipt(path) => {
            Ending::verified(&receipt::execute::run(request, path, interrupt, console).await, redactor)
        }
        Command::Rotate | Command::Doctor => {
            Ending::ran(&fleet::run_all(request, variables, interrupt, console).await, redactor)
        }
    }
}
