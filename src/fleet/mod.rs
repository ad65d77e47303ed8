//! The rotations of one run, each independent of the others.
//!
//! They look at the world together, so that what several need is read once: one key list, one public key of a place. Then
//! each decides, and those with something to do take turns. Whoever has to wait for its turn looks again when it comes:
//! what it saw before is old by then.

mod connect;
mod selections;
mod turns;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;
use std::rc::Rc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};

pub(crate) use self::connect::to_alerts;
use self::connect::{Access, Connected, access, connect, pace};
use self::selections::{Asking, Came, select};
use self::turns::{InTurn, Turns};
use crate::config::{Command, Request, RotationRequest};
use crate::console::{BufferedLog, Console};
use crate::doctor::{self, Patient};
use crate::http::{Retry, Trace};
use crate::humanize::duration;
use crate::issuer;
use crate::issuer::SingleFlight;
use crate::notices::When;
use crate::rotation::clock::Clock;
use crate::rotation::interrupt::Interrupt;
use crate::rotation::model::KeyId;
use crate::rotation::outcome::{Event, Observer, Outcome, Problem, Reason};
use crate::rotation::ports::{KeyIssuer, SecretStore};

use crate::rotation::{Context, dry_run, reenable as enable_again, rotate};
use crate::store::github::{GitHub, time_for};
use crate::store::target::Target;
use crate::{http, notices, report};

/// So many rotations look at once. Each keeps every row of the key list while it looks.
const MAX_LOOKING: usize = 64;

/// Runs every rotation of a request, and returns what they came to in the request's order.
pub(crate) async fn run_all(
    request: &Request,
    variables: Rc<BTreeMap<String, String>>,
    interrupt: &Interrupt,
    console: &Rc<Console>,
) -> Vec<Outcome> {
    run_some(request, None, variables, interrupt, console).await
}

/// Runs the rotations of these families, or all. What the others say of their targets is known all the same.
pub(crate) async fn run_some(
    request: &Request,
    families: Option<&BTreeSet<String>>,
    variables: Rc<BTreeMap<String, String>>,
    interrupt: &Interrupt,
    console: &Rc<Console>,
) -> Vec<Outcome> {
    for warning in &request.warnings {
        console.about(warning.rotation.as_deref().filter(|_| request.rotations.len() > 1));
        console.event(&Event::Warning(warning.to_string()));
    }
    console.about(None);
    let debugger = Rc::clone(console);
    let trace = Trace::to(move |line| debugger.debug(line));
    let pace = pace(request);
    let mut selected = select(&Asking { request, pace: &pace, interrupt, console, trace: &trace }).await;
    let (mut left, came) = selected.as_mut().map(|it| (take(&mut it.left), take(&mut it.came))).unwrap_or_default();
    if selected.as_ref().is_some_and(|it| it.interrupted) {
        return tell_left(request.rotations.iter().map(not_begun).collect(), left, console);
    }
    let whole = selected.as_ref().map_or(request, |selected| &selected.request);
    let some = families.map(|families| {
        let is_one = |rotation: &&RotationRequest| families.contains(&rotation.policy.key_name);
        Request { rotations: whole.rotations.iter().filter(is_one).cloned().collect(), ..whole.clone() }
    });
    let request = some.as_ref().unwrap_or(whole);
    let access = access(request, &pace, console);
    let (single_flight, connections) = Default::default();
    let fleet = Fleet { request, came, variables, interrupt, console, trace, access, single_flight, connections };
    let work = async {
        match request.rotations.as_slice() {
            [only] => vec![fleet.run(only, None, fleet.console.as_ref()).await],
            several => fleet.run_together(several).await,
        }
    };
    let clock = Clock::system();
    let held = || {
        let left = fleet.access.as_ref()?.pace.held()?;
        clock.wall_time().checked_add(jiff::SignedDuration::try_from(left).ok()?).ok()
    };
    let mut outcomes = console.telling(held, work).await;
    for warning in &request.warnings {
        let is_about = |asked: &RotationRequest| Some(&asked.policy.key_name) == warning.rotation.as_ref();
        let at = request.rotations.iter().position(is_about).unwrap_or(0);
        outcomes.get_mut(at).into_iter().for_each(|outcome| outcome.notices.push(warning.to_string()));
    }
    left.extend(fleet.leave().await);
    tell_left(outcomes, left, console)
}

/// Adds what was not tidied up.
fn tell_left(mut outcomes: Vec<Outcome>, left: Vec<String>, console: &Console) -> Vec<Outcome> {
    for sentence in &left {
        console.event(&Event::Warning(sentence.clone()));
    }
    if let Some(last) = outcomes.last_mut() {
        last.notices.extend(left);
    }
    outcomes
}

/// Takes back a `retire: disable`.
pub(crate) async fn reenable(request: &Request, id: &KeyId, interrupt: &Interrupt, console: &Rc<Console>) -> Outcome {
    for warning in &request.warnings {
        console.event(&Event::Warning(warning.to_string()));
    }
    let client = match http::client(request.request_timeout) {
        Ok(client) => client,
        Err(error) => {
            let problem = Problem::bare(format!("{error:#}"));
            console.event(&Event::Failed(&problem));
            return Outcome::unbegun(&id.0, vec![problem]);
        }
    };
    let debugger = Rc::clone(console);
    let trace = Trace::to(move |line| debugger.debug(line));
    let issuer = issuer::open(&request.issuer, client, console.redactor().clone(), &SingleFlight::default(), trace);
    let context = Context {
        clock: Clock::system(),
        rng: RefCell::default(),
        retry: Retry::default(),
        interrupt: interrupt.clone(),
        observer: console.as_ref(),
    };
    let mut outcome = enable_again(issuer.as_ref(), id, request.dry_run, &context).await;
    outcome.notices.extend(request.warnings.iter().map(ToString::to_string));
    outcome
}

/// What the rotations of a run have in common.
struct Fleet<'a> {
    request: &'a Request,
    /// What selections came to, by the family of their rotation.
    came: BTreeMap<String, Came>,
    variables: Rc<BTreeMap<String, String>>,
    interrupt: &'a Interrupt,
    console: &'a Rc<Console>,
    trace: Trace,
    access: Option<Access>,
    single_flight: SingleFlight,
    /// By the `request-timeout` that every one of their requests has.
    connections: RefCell<BTreeMap<Duration, Rc<Connected>>>,
}

impl Fleet<'_> {
    async fn run_together(&self, several: &[RotationRequest]) -> Vec<Outcome> {
        let titles = several.iter().map(|rotation| rotation.policy.key_name.clone());
        let log = BufferedLog::new(self.console, titles);
        let turns = Turns::new();
        let one = async |(part, asked)| {
            let outcome = self.run(asked, Some(&turns), &log.channel(part)).await;
            log.over(part, report::headline(&outcome));
            (part, outcome)
        };
        let runs = stream::iter(several.iter().enumerate()).map(one);
        let mut outcomes: Vec<_> = runs.buffer_unordered(MAX_LOOKING).collect().await;
        outcomes.sort_by_key(|(part, _)| *part);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    /// One rotation, if it is known what its selections stand for.
    async fn run(&self, asked: &RotationRequest, turns: Option<&Turns>, observer: &dyn Observer) -> Outcome {
        if turns.is_some() && self.interrupt.requested() {
            return not_begun(asked);
        }
        let Some(came) = self.came.get(&asked.policy.key_name) else { return self.begin(asked, turns, observer).await };
        came.announce(observer);
        if !came.problems().is_empty() && !matches!(self.request.command, Command::Doctor) {
            came.problems().iter().for_each(|problem| observer.event(&Event::Failed(problem)));
            return Outcome::unbegun(&asked.policy.key_name, came.problems().to_vec());
        }
        let mut outcome = self.begin(asked, turns, observer).await;
        came.tell(&mut outcome, observer);
        outcome
    }

    /// One rotation from its connection to its end; without turns where it is the only one.
    async fn begin(&self, asked: &RotationRequest, turns: Option<&Turns>, observer: &dyn Observer) -> Outcome {
        let connected = match self.connected(asked.policy.request_timeout) {
            Ok(connected) => connected,
            Err(error) => {
                let problem = Problem::bare(format!("{error:#}"));
                observer.event(&Event::Failed(&problem));
                return Outcome::unbegun(&asked.policy.key_name, vec![problem]);
            }
        };
        let issuer = self.issuer(asked, &connected);
        let stores = &connected.stores;
        let targets = stores.open(&asked.targets);
        self.tell_time(asked, stores.github(), observer);
        let rotation = async {
            match turns {
                Some(turns) if !asked.dry_run => self.in_turn(asked, turns, issuer.as_ref(), &targets, observer).await,
                _ if matches!(self.request.command, Command::Doctor) => {
                    let (issuer, github) = (issuer.as_ref(), stores.github());
                    let selected = self.came.get(&asked.policy.key_name).map(Came::checks).unwrap_or_default();
                    let (request, targets, variables) = (self.request, &targets, &*self.variables);
                    let patient = Patient { request, asked, issuer, targets, variables, selected, github };
                    doctor::examine(&patient, &self.context(observer)).await
                }
                _ => self.at_once(asked, issuer.as_ref(), &targets, observer).await,
            }
        };
        let (Some(github), Some(shadows)) = (stores.github(), stores.shadows(&asked.targets)) else {
            return rotation.await;
        };
        let when = When::of(&shadows, asked.policy.parallel, asked.dry_run, asked.policy.leaked);
        let mut outcome = notices::while_looking(rotation, &shadows, when, self.interrupt).await;
        notices::tell(&mut outcome, &shadows, github, self.request.github.web_url.as_str(), observer);
        outcome
    }

    fn context<'o>(&self, observer: &'o dyn Observer) -> Context<'o> {
        Context {
            clock: Clock::system(),
            rng: RefCell::default(),
            retry: Retry::default(),
            interrupt: self.interrupt.clone(),
            observer,
        }
    }

    async fn at_once(
        &self,
        asked: &RotationRequest,
        issuer: &dyn KeyIssuer,
        targets: &[Box<dyn SecretStore>],
        observer: &dyn Observer,
    ) -> Outcome {
        let context = self.context(observer);
        if asked.dry_run {
            dry_run(issuer, targets, &asked.policy, &context).await
        } else {
            rotate(issuer, targets, &asked.policy, &context).await
        }
    }

    async fn in_turn(
        &self,
        asked: &RotationRequest,
        turns: &Turns,
        issuer: &dyn KeyIssuer,
        targets: &[Box<dyn SecretStore>],
        observer: &dyn Observer,
    ) -> Outcome {
        let turn = turns.of(targets.len());
        let issuer = InTurn { issuer, turn: &turn };
        tokio::select! {
            biased;
            outcome = self.at_once(asked, &issuer, targets, observer) => return outcome,
            () = turn.refused() => {}
        }
        let waits =
            "other rotations are at work: this one is queued, has changed nothing, and reads everything again first";
        observer.event(&Event::Note(waits.to_owned()));
        tokio::select! {
            biased;
            () = self.interrupt.wait() => return not_begun(asked),
            () = turn.wait() => {}
        }
        self.at_once(asked, &issuer, targets, observer).await
    }

    fn connected(&self, request_timeout: Duration) -> anyhow::Result<Rc<Connected>> {
        if let Some(connected) = self.connections.borrow().get(&request_timeout) {
            return Ok(Rc::clone(connected));
        }
        let (access, variables) = (self.access.as_ref(), &self.variables);
        let connected = connect(self.request, request_timeout, access, variables, self.console, &self.trace)?;
        let connected = Rc::new(connected);
        self.connections.borrow_mut().insert(request_timeout, Rc::clone(&connected));
        Ok(connected)
    }

    /// Tells how long so many targets take where that is long.
    fn tell_time(&self, asked: &RotationRequest, github: Option<&GitHub>, observer: &dyn Observer) {
        let Some(github) = github else { return };
        let targets = asked.targets.iter().filter_map(Target::at_github).count();
        let time = time_for(targets);
        if github.is_limited() && !time.is_zero() && !asked.dry_run {
            let about = duration(time);
            observer.event(&Event::Note(format!("{targets} targets: GitHub's limits make this take {about} or more")));
        }
    }

    /// Revokes what was minted, in the time that is left where the run was told to stop.
    async fn leave(&self) -> Vec<String> {
        let Some(connected) = self.connections.borrow().values().next().cloned() else { return Vec::new() };
        let Some(github) = connected.stores.github() else { return Vec::new() };
        let clock = Clock::system();
        tokio::select! {
            biased;
            left = github.leave() => left,
            () = self.interrupt.closing(&clock) => {
                vec!["the GitHub App's tokens were not all revoked before the run had to end: they end by themselves within \
                      the hour".to_owned()]
            }
        }
    }

    fn issuer(&self, asked: &RotationRequest, connected: &Connected) -> Box<dyn KeyIssuer> {
        let (client, redactor) = (connected.client.clone(), self.console.redactor().clone());
        issuer::open(&asked.issuer, client, redactor, &self.single_flight, self.trace.clone())
    }
}

/// The run was told to stop before this rotation's turn came.
fn not_begun(asked: &RotationRequest) -> Outcome {
    Outcome {
        reason: Reason::ToldToStop(" before this rotation began"),
        interrupted: true,
        ..Outcome::unbegun(&asked.policy.key_name, Vec::new())
    }
}
