//! The servers on loopback: HTTP/1.1 with keep-alive, plain or over TLS. [`exchange`] is all they do; the rest is plumbing, and
//! tests without sockets may call it themselves.

mod app;
mod arouter;
mod aws;
mod github;
mod guardrails;
mod kubernetes;
mod message;
mod runner;
mod serve;
mod tls;
mod vault;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

pub use message::{Client, Inbound, Reply};
pub use serve::Fakes;

use crate::fault::{Action, Server, Signal};
use crate::journal::Answered;
use crate::world::{State, World};

/// How long a fault that signals the client waits for the test to say who that is.
const WAIT_FOR_CLIENT: Duration = Duration::from_secs(5);

/// What the client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// An answer.
    Reply(Reply),
    /// An answer whose body breaks off in the middle.
    HalfReply(Reply),
    /// The connection is closed without an answer.
    Drop,
    /// Nothing, for ever.
    Hang,
}

/// Carries out one request, with whatever goes wrong with it. What arrived is carried out to its end, whether or not the
/// client still waits: run this as a task of its own.
pub async fn exchange(world: World, request: Inbound) -> Ending {
    let arrival = world.arrive(request.server, &request.method, &request.path_and_query(), request.credential());
    let nth = arrival.nth;
    world.sent(nth, request.harmless_headers(), request.harmless_body());
    // What the stand-in itself has to do is no time on top.
    let due = Instant::now() + arrival.latency;
    tokio::time::sleep(arrival.latency / 2).await;
    let ending = match arrival.fault {
        None => Ending::Reply(apply(&world, nth, &request)),
        Some(action) => go_wrong(&world, nth, &request, action).await,
    };
    tokio::time::sleep_until(due).await;
    world.answered(
        nth,
        match &ending {
            Ending::Reply(reply) => Answered::Status(reply.status),
            Ending::HalfReply(reply) => Answered::Broken(reply.status),
            Ending::Drop => Answered::Dropped,
            Ending::Hang => Answered::Hung,
        },
    );
    ending
}

async fn go_wrong(world: &World, nth: usize, request: &Inbound, action: Action) -> Ending {
    let useless = |body: &str| {
        apply(world, nth, request);
        Ending::Reply(world.read(|state| Reply::json(200, body.to_owned()).dated(state, request.server)))
    };
    match action {
        Action::Status { code, headers, body, applied } => {
            if applied {
                apply(world, nth, request);
            }
            let body = body.unwrap_or_else(|| documented(request.server, code).to_string());
            let mut reply = Reply::json(code, body);
            reply.headers.extend(headers);
            Ending::Reply(world.read(|state| reply.dated(state, request.server)))
        }
        Action::Twice => {
            apply(world, nth, request);
            Ending::Reply(apply(world, nth, request))
        }
        Action::DropBefore => Ending::Drop,
        Action::DropAfter => {
            apply(world, nth, request);
            Ending::Drop
        }
        Action::Garbage => useless("<html>definitely { not JSON"),
        Action::Empty => useless(""),
        Action::Null => useless("null"),
        Action::HalfBody => match apply(world, nth, request) {
            reply if reply.body.is_empty() => Ending::Drop,
            reply => Ending::HalfReply(reply),
        },
        Action::Delay(time) => {
            tokio::time::sleep(time).await;
            Ending::Reply(apply(world, nth, request))
        }
        Action::ApplyLate(time) => {
            apply_later(world, nth, request, time);
            Ending::Drop
        }
        Action::HangThenApply(time) => {
            apply_later(world, nth, request, time);
            Ending::Hang
        }
        Action::Signal { signal: Signal::Kill, applied } => {
            if applied {
                apply(world, nth, request);
            }
            send(world, Signal::Kill).await;
            Ending::Drop
        }
        Action::Signal { signal, applied: true } => {
            let reply = apply(world, nth, request);
            send(world, signal).await;
            Ending::Reply(reply)
        }
        Action::Signal { signal, applied: false } => {
            send(world, signal).await;
            Ending::Reply(apply(world, nth, request))
        }
    }
}

/// An error as the server itself documents it.
fn documented(server: Server, code: u16) -> Value {
    let message = "made up by a fault";
    match server {
        Server::Issuer => json!({ "error": { "code": code, "message": message } }),
        Server::GitHub => json!({ "message": message, "documentation_url": "https://docs.github.com/rest" }),
        Server::Runner => json!({ "message": message }),
        Server::Vault => json!({ "errors": [message] }),
        Server::Aws => json!({ "__type": "MadeUpException", "Message": message }),
        Server::Kubernetes => {
            json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code })
        }
    }
}

fn apply(world: &World, nth: usize, request: &Inbound) -> Reply {
    world.apply(nth, |state| route(state, request))
}

fn apply_later(world: &World, nth: usize, request: &Inbound, time: Duration) {
    let (world, request) = (world.clone(), request.clone());
    tokio::spawn(async move {
        tokio::time::sleep(time).await;
        apply(&world, nth, &request);
    });
}

async fn send(world: &World, signal: Signal) {
    let known = async {
        while !world.has_client() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    // A client that ended in the meantime needs no signal.
    if tokio::time::timeout(WAIT_FOR_CLIENT, known).await.is_ok() {
        world.signal_client(signal);
    }
}

fn route(state: &mut State, request: &Inbound) -> Reply {
    let reply = match request.server {
        Server::Issuer => arouter::answer(&mut state.issuer, request),
        Server::GitHub => github::answer(&mut state.github, request),
        Server::Runner => runner::answer(&mut state.runner, request),
        Server::Aws => aws::answer(&mut state.aws, request),
        Server::Kubernetes => kubernetes::answer(&mut state.kubernetes, request),
        Server::Vault => vault::answer(&mut state.vault, &state.runner, request),
    };
    reply.dated(state, request.server)
}
