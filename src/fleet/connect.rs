//! What the rotations of a run share beside their turns: the way to GitHub and to the other stores.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use crate::config::{Request, RotationRequest};
use crate::console::Console;
use crate::http::{self, Client, Retry, Trace};
use crate::rotation::clock::Clock;
use crate::rotation::outcome::Observer as _;
use crate::store::github::{App, AppContext, AppKey, Credential, GitHub, Level, Need, RateLimits};
use crate::store::target::Target;
use crate::store::{self, Stores};

/// What rotations with the same `request-timeout` share.
pub(super) struct Connected {
    pub(super) client: Client,
    pub(super) stores: Stores,
}

/// What all connections to GitHub share: who signs, and how fast.
pub(super) struct Access {
    pub(super) credential: Credential,
    pub(super) pace: Rc<RateLimits>,
}

/// How fast all connections to GitHub go together.
pub(super) fn pace(request: &Request) -> Rc<RateLimits> {
    let patience = Retry::default().longest_retry_after;
    Rc::new(RateLimits::new(&request.github.api_url, patience).of_rotations(request.rotations.len()))
}

pub(super) fn access(request: &Request, pace: &Rc<RateLimits>, console: &Rc<Console>) -> Option<Access> {
    let github = &request.github;
    let credential = match (&github.app, &github.token) {
        (Some(key), _) => Credential::App(Rc::new(app(key, request, console))),
        (None, Some(token)) => Credential::Token(token.clone()),
        (None, None) => return None,
    };
    Some(Access { credential, pace: Rc::clone(pace) })
}

/// What signs while nothing but looks is taken: a GitHub App's tokens may do no more then.
pub(super) fn to_look<'a>(
    request: &Request,
    accounts: impl Iterator<Item = &'a str>,
    console: &Rc<Console>,
) -> Option<Credential> {
    let github = &request.github;
    let app = |key: &AppKey| Credential::App(Rc::new(App::to_look(key.clone(), accounts, context(console))));
    github.app.as_ref().map(app).or_else(|| github.token.clone().map(Credential::Token))
}

/// A connection to the secret scanning alerts of these accounts: a GitHub App's tokens may do nothing else.
///
/// # Errors
/// Nothing was given that signs in, or it can't stand in a header.
pub(crate) fn to_alerts<'a>(
    request: &Request,
    (accounts, level): (impl Iterator<Item = &'a str>, Level),
    client: Client,
    console: &Rc<Console>,
) -> anyhow::Result<GitHub> {
    let github = &request.github;
    let credential = match (&github.app, &github.token) {
        (Some(key), _) => Credential::App(Rc::new(App::for_alerts(key.clone(), accounts, level, context(console)))),
        (None, Some(token)) => Credential::Token(token.clone()),
        (None, None) => anyhow::bail!("nothing was given that signs in to GitHub"),
    };
    let debugger = Rc::clone(console);
    let trace = Trace::to(move |line| debugger.debug(line));
    let connected = GitHub::new(client, github.api_url.clone(), credential, console.redactor().clone())?;
    Ok(connected.traced(trace).paced(pace(request)))
}

fn app(key: &AppKey, request: &Request, console: &Rc<Console>) -> App {
    let needs: Vec<_> = request.rotations.iter().flat_map(needs).collect();
    App::new(key.clone(), &needs, context(console))
}

fn context(console: &Rc<Console>) -> AppContext {
    let (clock, console) = (Clock::system(), Rc::clone(console));
    AppContext { now: Box::new(move || clock.wall_time()), hide: Box::new(move |secret| console.mask(secret)) }
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

pub(super) fn connect(
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
    let ctx = store::StoreContext {
        client: client.clone(),
        request_timeout,
        variables: Rc::clone(variables),
        now: Rc::new(move || clock.wall_time()),
        hide: Rc::new(move |secret| console.mask(secret)),
        redactor,
        trace: trace.clone(),
    };
    Ok(Connected { client, stores: Stores::new(github, ctx) })
}
