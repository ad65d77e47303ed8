//! The fault table: every request of a rotation × everything that can go wrong with it, in every dialect, with and
//! without `current-key`, with the real program. Whatever happens: no target is ever without a live key, nothing leaks,
//! the exit status is true, and one clean run afterwards heals. The same for every request of going back, after the
//! second target has refused.
//!
//! A failing case is printed as one line; the whole stories are in `target/tmp/faults.txt`. To run it alone:
//!
//! ```sh
//! KEYROTOR_FAULT='overview current-key issuer:POST~/api/v1/keys:1:drop-after' cargo test --test it faults -- --nocapture
//! ```
//!
//! A part of that text runs every case whose text contains it.

#![allow(clippy::print_stdout, reason = "what failed, and how much was covered")]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use keyrotor_fake::{Action, Answered, Dialect, Fault, Request, Signal};

use crate::harness::{Check, Ran, Setting, Stage, ensure};

/// Cases at once: most of them wait.
const AT_ONCE: usize = 28;
/// After this time every request that a fault delays has taken effect.
const LATE: Duration = Duration::from_millis(800);
/// From the start of a run to its last request, when nothing goes wrong.
const CLEAN_RUN: Duration = Duration::from_secs(3);

/// What the second target answers where it refuses: no other request of a rotation is answered so.
const REFUSED: u16 = 451;
const REFUSAL: &str = "github:PUT~/repos/acme/api/:1x99:status=451";

const DIALECTS: [(&str, Dialect); 3] =
    [("mgmt", Dialect::Mgmt), ("guide", Dialect::Guide), ("overview", Dialect::Overview)];

/// One row of the table.
#[derive(Clone, Debug)]
struct Case {
    dialect: (&'static str, Dialect),
    current_key: bool,
    /// The second target refuses, so that the run has to go back.
    refused: bool,
    fault: Fault,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = if self.current_key { "current-key" } else { "no-current-key" };
        let refused = if self.refused { " refused" } else { "" };
        write!(f, "{} {held}{refused} {}", self.dialect.0, self.fault)
    }
}

/// What a case came to.
struct Came {
    to: i32,
    befell: bool,
    wrong: Check,
}

fn stage(dialect: Dialect, current_key: bool) -> Stage {
    let setting = Setting::new(dialect).repos(&["acme/app", "acme/api"]);
    if current_key { setting.with_current_key().stage() } else { setting.stage() }
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

fn table() -> Vec<Case> {
    let mut cases = Vec::new();
    for dialect in DIALECTS {
        for (current_key, refused) in [(true, false), (false, false), (true, true), (false, true)] {
            let stage = stage(dialect.1, current_key);
            if refused {
                stage.world.fault(REFUSAL);
            }
            let ran = stage.run();
            assert_eq!(ran.status() == 0, !refused, "{}", ran.log());
            let went_back = |request: &Request| request.answered == Answered::Status(REFUSED);
            let from = ran.requests.iter().position(went_back).unwrap_or_default();
            for spot in spots(&ran.requests).into_iter().skip(from) {
                for act in actions() {
                    cases.push(Case { dialect, current_key, refused, fault: Fault { act, ..spot.clone() } });
                }
            }
        }
    }
    cases
}

fn try_case(case: &Case) -> Came {
    let stage = stage(case.dialect.1, case.current_key);
    stage.world.add_fault(case.fault.clone());
    if case.refused {
        stage.world.fault(REFUSAL);
    }
    let before = stage.snapshot();
    let ran = match stage.action().try_run() {
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
        stage.world.clear_faults();
        // The next run comes at once after a kill, as when a job is started again, else when no lease is left.
        if ran.status() != 137 {
            stage.world.advance(Duration::from_secs(60));
        }
        let next = stage.action().try_run()?;
        let first = || format!("after a run that came to {}", ran.log());
        ensure(next.status() == 0, || format!("the next run does not end well: {}\n{}", next.log(), first()))?;
        stage.check_healed().map_err(|wrong| format!("{wrong}\n{}\n{}", next.log(), first()))
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

#[test]
fn every_request_may_go_wrong_in_every_way_and_the_next_run_heals() {
    let began = Instant::now();
    let wanted = std::env::var("KEYROTOR_FAULT").unwrap_or_default();
    let cases: Vec<_> = table().into_iter().filter(|case| case.to_string().contains(&wanted)).collect();
    assert!(!cases.is_empty(), "there is no case {wanted:?}");
    let next = AtomicUsize::new(0);
    let results = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(cases.len()) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let came = try_case(case);
                    results.lock().unwrap().insert(case.to_string(), came);
                }
            });
        }
    });
    let results = results.into_inner().unwrap();
    let mut statuses = BTreeMap::<i32, usize>::new();
    results.values().for_each(|came| *statuses.entry(came.to).or_default() += 1);
    let missed = results.values().filter(|came| !came.befell).count();
    println!("{} cases in {:?}, exit statuses {statuses:?}, {missed} missed", results.len(), began.elapsed());
    let failed: Vec<_> = results.iter().filter_map(|(case, came)| Some((case, came.wrong.as_ref().err()?))).collect();
    let stories: String = failed.iter().map(|(case, wrong)| format!("=== {case}\n{wrong}\n")).collect();
    std::fs::write(concat!(env!("CARGO_TARGET_TMPDIR"), "/faults.txt"), stories).unwrap();
    for (case, wrong) in &failed {
        println!("{case}: {}", wrong.lines().next().unwrap_or_default());
    }
    assert!(failed.is_empty(), "{} of {} cases failed", failed.len(), results.len());
    assert!(missed * 50 <= results.len(), "{missed} faults befell no request");
}
