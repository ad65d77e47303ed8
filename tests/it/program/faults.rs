//! The fault table: every request of a rotation × everything that can go wrong with it, in every dialect, with and
//! without `current-key`, with the real program. Whatever happens: no target is ever without a live key, nothing leaks,
//! the exit status is true, and one clean run at once afterwards heals. The same for every request of going back, after
//! the second target has refused, and of a run that retires a key whose grace is over.
//!
//! A failing case is printed as one line; the whole stories are in `target/tmp/faults.txt`. To run it alone:
//!
//! ```sh
//! KEYROTOR_FAULT='overview rotate current-key issuer:POST~/api/v1/keys:1:drop-after' cargo test --test it faults -- --include-ignored --nocapture
//! ```
//!
//! A part of that text runs every case whose text contains it.

#![allow(clippy::print_stdout, reason = "what failed, and how much was covered")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use keyrotor_fake::{Action, Answered, Dialect, Fault, Request, Server, Signal, State, Traits};

use crate::harness::{Check, FAMILY, Invocation, Ran, SECRET, Setting, Stage, ensure};

/// Cases at once: most of them wait. With more, timeouts of a second are too short.
const AT_ONCE: usize = 64;
/// So many of those that ask moto, which answers one request after the other: with more, a run may end before it comes to
/// the request that goes wrong. And so many of those that are tried again, for which the machine is quiet then.
const FEW_AT_ONCE: usize = 4;
/// With timeouts of a second these mean, among so many processes, that the machine was busy: such a case is tried again.
const TOO_SLOW: [&str; 2] = ["lease on the family ran out", "no answer in time"];
/// After this time every request that a fault delays has taken effect.
const LATE: Duration = Duration::from_millis(800);
/// After this time nothing is in grace any more.
const GRACE_OVER: Duration = Duration::from_secs(2 * 3600);
/// From the start of a run to its last request, when nothing goes wrong.
const CLEAN_RUN: Duration = Duration::from_secs(3);

/// What the second target answers where it refuses: no other request of a rotation is answered so.
const REFUSED: u16 = 451;
const REFUSAL: &str = "github:PUT~/repos/acme/api/:1x99:status=451";

const DIALECTS: [(&str, Dialect); 4] = [
    ("mgmt", Dialect::Mgmt),
    ("guide", Dialect::Guide),
    ("overview", Dialect::Overview),
    ("openrouter", Dialect::OpenRouter),
];

/// Where the key lives. What the issuer's requests may come to is tried with repositories; elsewhere only the requests
/// to the place itself go wrong, where it has a server.
#[derive(Clone, Copy, Debug)]
struct Home {
    word: &'static str,
    places: [&'static str; 2],
    server: Option<Server>,
    actions: fn() -> Vec<Action>,
    /// How the places are written as targets, where that is not one by one.
    targets: Option<&'static str>,
    /// Only requests to such a path go wrong; empty: all.
    paths: &'static [&'static str],
}

impl Home {
    const fn of(word: &'static str, places: [&'static str; 2], server: Server, actions: fn() -> Vec<Action>) -> Self {
        Self { word, places, server: Some(server), actions, targets: None, paths: &[] }
    }
}

const REPOSITORIES: Home =
    Home { server: None, ..Home::of("repo", ["repo:acme/app", "repo:acme/api"], Server::GitHub, actions) };
/// Beside each a repository, which is the one that refuses.
const ELSEWHERE: [Home; 7] = [
    Home::of("agents", ["agents:acme/app", "repo:acme/api"], Server::GitHub, few_actions),
    Home { server: None, ..Home::of("file", ["file:.env#KEY", "repo:acme/api"], Server::GitHub, few_actions) },
    Home::of("vault", ["vault:secret/team/app#key", "repo:acme/api"], Server::Vault, actions),
    Home::of("aws", ["aws-secretsmanager:prod/app#key", "repo:acme/api"], Server::Aws, few_actions),
    Home::of("aws-ssm", ["aws-ssm:/prod/arouter", "repo:acme/api"], Server::Aws, few_actions),
    Home::of("kubernetes", ["kubernetes:prod/creds#key", "repo:acme/api"], Server::Kubernetes, actions),
    // What leads to the targets, and the look at a repository that is none of them.
    Home {
        targets: Some("repo:acme/*"),
        paths: &["/orgs/acme/repos", "/repos/acme/old/"],
        ..Home::of("selection", ["repo:acme/app", "repo:acme/api"], Server::GitHub, actions)
    },
];

/// One row of the table.
#[derive(Clone, Debug)]
struct Case {
    home: Home,
    dialect: (&'static str, Dialect),
    current_key: bool,
    course: Course,
    fault: Fault,
}

/// What the run would do if nothing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    /// It rotates.
    Rotate,
    /// The second target refuses, so it goes back.
    GoBack,
    /// It is not due, and retires a key whose grace is over.
    Retire,
    /// It finds the key in an alert of secret scanning, rotates, and closes the alert.
    Watch,
}

impl Course {
    const ALL: [Self; 4] = [Self::Rotate, Self::GoBack, Self::Retire, Self::Watch];

    fn word(self) -> &'static str {
        match self {
            Self::Rotate => "rotate",
            Self::GoBack => "go-back",
            Self::Retire => "retire",
            Self::Watch => "watch",
        }
    }

    /// A run that takes it.
    fn run(self, stage: &Stage) -> Invocation<'_> {
        match self {
            Self::Watch => stage.action().input("command", "watch-leaks").input("close-dead-alerts", "true"),
            Self::Rotate | Self::GoBack | Self::Retire => stage.action(),
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = if self.current_key { "current-key" } else { "no-current-key" };
        let home = if self.home.word == REPOSITORIES.word { String::new() } else { format!("{} ", self.home.word) };
        write!(f, "{home}{} {} {held} {}", self.dialect.0, self.course.word(), self.fault)
    }
}

/// What a case came to.
struct Came {
    to: i32,
    befell: bool,
    wrong: Check,
}

/// A stage right before the run that something befalls.
fn stage(home: Home, dialect: Dialect, current_key: bool, course: Course) -> Stage {
    let setting =
        Setting::new(dialect).places(&home.places).input("request-timeout", "1s").input("receipt-file", "receipt.json");
    // Without one a key that this run fails to delete waits for a day.
    let setting = setting.input("grace-period", "0s");
    let setting = if current_key { setting.with_current_key() } else { setting };
    let setting = home.targets.into_iter().fold(setting, |setting, targets| setting.input("targets", targets));
    if course != Course::Retire {
        let stage = guarded(home, setting.stage());
        if course == Course::Watch {
            stage.world.by_hand(|state| {
                let value = state.value_at(&stage.places[0], SECRET).unwrap();
                state.github.leak("acme/app", &value);
            });
        }
        return stage;
    }
    let setting = setting.input("grace-period", "1h").input("rotate-after", "30d");
    loop {
        let stage = guarded(home, setting.clone().stage());
        let ran = stage.run();
        if ran.output("old-key-status") == "pending" {
            stage.world.advance(GRACE_OVER);
            return stage;
        }
        assert!(TOO_SLOW.iter().any(|sign| ran.log().contains(sign)), "{}", ran.log());
    }
}

/// The key that leaked is dead, and its alert closed.
fn check_leak_is_over(stage: &Stage) -> Check {
    let (open, alive) = stage.world.read(|state| {
        let alert = state.github.alert("acme/app", 1);
        let value = alert.value.as_deref().unwrap();
        (alert.open, state.issuer.authorize_at(value, state.issuer.clock.now()).is_some())
    });
    ensure(!open && !alive, || format!("the alert is open: {open}, the key that leaked works: {alive}"))
}

/// The same stage, where its keys have a guardrail if they can; beside a selection with a repository that is not in it.
fn guarded(home: Home, stage: Stage) -> Stage {
    stage.world.by_hand(|state| {
        if home.targets.is_some() {
            state.github.add_repo_with("acme/old", Traits { archived: true, ..Traits::default() });
        }
        if state.issuer.behaviour.has_guardrails {
            let guardrail = state.issuer.guardrails.add("no training");
            state.live_keys(FAMILY).iter().for_each(|key| _ = state.issuer.guard(&key.id, &guardrail));
        }
    });
    stage
}

/// No key that a target holds is without it.
fn check_guarded(stage: &Stage) -> Check {
    for key in stage.places.iter().filter_map(|place| stage.world.key_at(place, SECRET)) {
        let lacks =
            |state: &State| state.issuer.behaviour.has_guardrails && state.issuer.guardrails.of(&key.id).is_empty();
        ensure(!stage.world.read(lacks), || format!("{} is in use without its guardrail", key.name))?;
    }
    Ok(())
}

/// The faults that befall each request of a rotation in turn. A request is told by its path and by how many came
/// before it there, since requests that are sent at once arrive in any order.
fn spots(requests: &[Request]) -> Vec<Fault> {
    let spot = |(index, request): (usize, &Request)| {
        let mut fault = Fault {
            who: Some(request.server),
            method: Some(request.method.clone()),
            path_contains: Some(request.path.clone()),
            ..Fault::at(1, Action::Null)
        };
        let same = |other: &&Request| fault.counts(other.server, &other.method, &other.path);
        fault.nth = requests.iter().take(index + 1).filter(same).count();
        fault
    };
    requests.iter().enumerate().map(spot).collect()
}

fn actions() -> Vec<Action> {
    let stops = |action: &Action| matches!(action, Action::Signal { signal: Signal::Stop | Signal::Cont, .. });
    Action::all().into_iter().chain(Action::all_signals()).filter(|action| !stops(action)).collect()
}

/// Refused, lost, late, killed: where more would take too long.
fn few_actions() -> Vec<Action> {
    let late = Duration::from_millis(700);
    let mut few = vec![Action::status(403), Action::gateway(403, true), Action::status(503), Action::DropAfter];
    few.extend([Action::ApplyLate(late), Action::HangThenApply(late)]);
    few.extend([false, true].map(|applied| Action::Signal { signal: Signal::Kill, applied }));
    few
}

/// To a read a gateway's refusal is one like any other, and whatever is safe to repeat may come twice.
fn fits(act: &Action, method: Option<&str>) -> bool {
    match act {
        Action::Twice => method == Some("POST"),
        act if [false, true].map(|applied| Action::gateway(403, applied)).contains(act) => method != Some("GET"),
        _ => true,
    }
}

fn table() -> Vec<Case> {
    let mut cases = Vec::new();
    for (course, dialect) in Course::ALL.into_iter().flat_map(|course| DIALECTS.map(|dialect| (course, dialect))) {
        // Only where keys can be renamed is there a grace.
        if course == Course::Retire && !matches!(dialect.1, Dialect::Mgmt | Dialect::OpenRouter) {
            continue;
        }
        // Where a masked label tells whose key it is, and where it is tried.
        if course == Course::Watch && !matches!(dialect.1, Dialect::Mgmt | Dialect::Overview) {
            continue;
        }
        // What OpenRouter shares with ARouter, and a watch with a rotation, is tried there: all of these rows only where
        // they are asked for.
        let is_asked = std::env::var_os("KEYROTOR_FAULT").is_some();
        if course == Course::Watch && dialect.1 == Dialect::Overview && !is_asked {
            continue;
        }
        let few = (dialect.1 == Dialect::OpenRouter || course == Course::Watch) && !is_asked;
        let home = if few { Home { actions: few_actions, ..REPOSITORIES } } else { REPOSITORIES };
        for current_key in [true, false] {
            cases.extend(rows(home, dialect, current_key, course));
        }
    }
    for (home, course) in ELSEWHERE.into_iter().flat_map(|home| [(home, Course::Rotate), (home, Course::GoBack)]) {
        cases.extend(rows(home, DIALECTS[0], true, course));
    }
    cases
}

fn rows(home: Home, dialect: (&'static str, Dialect), current_key: bool, course: Course) -> Vec<Case> {
    let listed = || {
        let stage = stage(home, dialect.1, current_key, course);
        if course == Course::GoBack {
            stage.world.fault(REFUSAL);
        }
        let ran = course.run(&stage).run();
        assert_eq!(ran.status() == 0, course != Course::GoBack, "{}", ran.log());
        ran.requests
    };
    // A busy machine lets a run renew its lease more often.
    let requests = [listed(), listed(), listed()].into_iter().min_by_key(Vec::len).unwrap();
    let refused = |request: &Request| request.answered == Answered::Status(REFUSED);
    // Until the refusal going back is rotating.
    let from = requests.iter().position(refused).unwrap_or_default();
    let spots = spots(&requests).into_iter().skip(from).filter(|spot| home.server.is_none() || spot.who == home.server);
    let path = |spot: &Fault| spot.path_contains.clone().unwrap_or_default();
    let spots = spots.filter(|spot| home.paths.is_empty() || home.paths.iter().any(|part| path(spot).contains(part)));
    let with = |spot: Fault| {
        let fitting = (home.actions)().into_iter().filter(|act| fits(act, spot.method.as_deref()));
        fitting.map(|act| Fault { act, ..spot.clone() }).collect::<Vec<_>>()
    };
    spots.flat_map(with).map(|fault| Case { home, dialect, current_key, course, fault }).collect()
}

fn try_case(case: &Case) -> Came {
    let stage = stage(case.home, case.dialect.1, case.current_key, case.course);
    stage.world.add_fault(case.fault.clone());
    if case.course == Course::GoBack {
        stage.world.fault(REFUSAL);
    }
    let before = stage.snapshot();
    let ran = match case.course.run(&stage).try_run() {
        Ok(ran) => ran,
        Err(wrong) => return Came { to: -1, befell: true, wrong: Err(wrong) },
    };
    let befell = !stage.world.unused_faults().contains(&case.fault.to_string());
    let is_late = matches!(case.fault.act, Action::ApplyLate(_) | Action::HangThenApply(_));
    if is_late {
        std::thread::sleep(LATE);
    }
    let wrong = (|| {
        check_end(&case.fault.act, befell, &ran)?;
        stage.check_truthful(&before, &ran)?;
        check_guarded(&stage).map_err(|wrong| format!("{wrong}\n{}", ran.log()))?;
        stage.world.clear_faults();
        if case.course == Course::Retire {
            // It may have seen a reason to rotate; what it replaced is in grace then.
            stage.world.advance(GRACE_OVER);
        }
        let first = || format!("after a run that came to {}", ran.log());
        if case.course == Course::Watch {
            let next = case.course.run(&stage).try_run()?;
            let told = || format!("{}\n{}", next.log(), first());
            ensure(next.status() == 0, || format!("the next watch does not end well: {}", told()))?;
            check_leak_is_over(&stage).map_err(|wrong| format!("{wrong}\n{}", told()))?;
        }
        let next = stage.action().try_run()?;
        ensure(next.status() == 0, || format!("the next run does not end well: {}\n{}", next.log(), first()))?;
        stage
            .check_healed()
            .and_then(|()| check_guarded(&stage))
            .map_err(|wrong| format!("{wrong}\n{}\n{}", next.log(), first()))
    })();
    Came { to: ran.status(), befell, wrong }
}

fn check_end(act: &Action, befell: bool, ran: &Ran) -> Check {
    let Action::Signal { signal, .. } = act else { return Ok(()) };
    if !befell {
        return Ok(());
    }
    if *signal == Signal::Kill {
        return ensure(ran.status() == 137, || format!("it survived a kill\n{}", ran.log()));
    }
    ran.check_stopped_in_time(CLEAN_RUN)
}

/// What each of these cases comes to, so many at once.
fn try_all(cases: &[&Case], at_once: usize) -> BTreeMap<String, Came> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..at_once.min(cases.len()) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let came = try_case(case);
                    results.lock().unwrap().insert(case.to_string(), came);
                }
            });
        }
    });
    results.into_inner().unwrap()
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn every_request_may_go_wrong_in_every_way_and_the_next_run_heals() {
    let began = Instant::now();
    let wanted = std::env::var("KEYROTOR_FAULT").unwrap_or_default();
    let cases: Vec<_> = table().into_iter().filter(|case| case.to_string().contains(&wanted)).collect();
    assert!(!cases.is_empty(), "there is no case {wanted:?}");
    let (at_moto, others): (Vec<_>, Vec<_>) = cases.iter().partition(|case| case.home.server == Some(Server::Aws));
    let mut results = std::thread::scope(|scope| {
        let at_moto = scope.spawn(|| try_all(&at_moto, FEW_AT_ONCE));
        let mut results = try_all(&others, AT_ONCE);
        results.extend(at_moto.join().unwrap());
        results
    });
    let tired = |came: &Came| came.wrong.as_ref().is_err_and(|wrong| TOO_SLOW.iter().any(|sign| wrong.contains(sign)));
    let missed = |case: &Case, came: &Came| case.home.server.is_some() && !came.befell;
    let again = |case: &&Case| results.get(&case.to_string()).is_some_and(|came| tired(came) || missed(case, came));
    let again: Vec<_> = cases.iter().filter(again).collect();
    results.extend(try_all(&again, FEW_AT_ONCE));
    let again = again.len();
    let mut statuses = BTreeMap::<i32, usize>::new();
    results.values().for_each(|came| *statuses.entry(came.to).or_default() += 1);
    let missed = results.values().filter(|came| !came.befell).count();
    println!(
        "{} cases in {:?}, exit statuses {statuses:?}, {missed} missed, {again} tried again",
        results.len(),
        began.elapsed()
    );
    let failed: Vec<_> = results.iter().filter_map(|(case, came)| Some((case, came.wrong.as_ref().err()?))).collect();
    let stories: String = failed.iter().map(|(case, wrong)| format!("=== {case}\n{wrong}\n")).collect();
    std::fs::write(concat!(env!("CARGO_TARGET_TMPDIR"), "/faults.txt"), stories).unwrap();
    for (case, wrong) in &failed {
        println!("{case}: {}", wrong.lines().next().unwrap_or_default());
    }
    assert!(failed.is_empty(), "{} of {} cases failed", failed.len(), results.len());
    let missed: Vec<_> = results.iter().filter(|(_, came)| !came.befell).map(|(case, _)| case).collect();
    assert!(missed.len() * 20 <= results.len(), "{} faults befell no request: {missed:#?}", missed.len());
}
