//! Which repositories the selections of a run stand for: asked once, before anything else is done.
//!
//! A repository may leave a selection: it loses its topic, it is archived. If it still holds a secret of that name, a
//! rotation would leave a dead key there. So every repository that a selection does not stand for is looked at, and one
//! that holds such a secret stops the rotation, until the user says what it is.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};

use super::connect::to_look;
use crate::config::{Request, RotationRequest, tell_of_others};
use crate::console::Console;
use crate::http::{self, Failure, Retry, Trace};
use crate::rotation::clock::Clock;
use crate::rotation::interrupt::Interrupt;
use crate::rotation::outcome::{Check, Event, Finding, Observer, Outcome, Problem, TargetReport};
use crate::rotation::plan::holdings::Holding;
use crate::store::github::repositories::{Miss, Repository};
use crate::store::github::{GitHub, RateLimits};
use crate::store::target::{GitHubTarget, Place, Selection, Target};

/// So many repositories are looked at, at once.
const AT_ONCE: usize = 8;
/// So many names stand in a sentence.
const MAX_NAMED: usize = 20;

/// What the selections of one rotation came to.
#[derive(Debug, Default)]
pub(super) struct Came {
    stood_for: Vec<StoodFor>,
    /// What could not be looked at, and what keeps a key because the user says so, as sentences.
    notices: Vec<String>,
    /// Why the rotation can't begin.
    problems: Vec<Problem>,
}

#[derive(Debug)]
struct StoodFor {
    selection: String,
    /// How many there are, and how many were left out and why.
    told: String,
    /// The labels of its targets.
    targets: BTreeSet<String>,
}

/// A run whose selections have been replaced by what they stand for.
pub(super) struct Selected {
    pub(super) request: Request,
    /// By the family of the rotation.
    pub(super) came: BTreeMap<String, Came>,
    /// The run was told to stop meanwhile.
    pub(super) interrupted: bool,
    /// What was not tidied up.
    pub(super) left: Vec<String>,
}

/// What is asked, and with what.
pub(super) struct Asking<'a> {
    pub(super) request: &'a Request,
    pub(super) pace: &'a Rc<RateLimits>,
    pub(super) interrupt: &'a Interrupt,
    pub(super) console: &'a Rc<Console>,
    pub(super) trace: &'a Trace,
}

/// The run was told to stop.
struct Stopped;

/// By owner in lower case.
type Lists = BTreeMap<String, Result<Vec<Repository>, Failure>>;
/// By place and name in lower case.
type Looks = BTreeMap<String, Result<Option<bool>, Failure>>;

/// Finds out; `None` where nothing is selected.
pub(super) async fn select(asking: &Asking<'_>) -> Option<Selected> {
    let selections = asking.request.rotations.iter().flat_map(selections);
    let owners: BTreeMap<_, _> =
        selections.map(|it| (it.owner().to_ascii_lowercase(), it.owner().to_owned())).collect();
    if owners.is_empty() {
        return None;
    }
    let (came, left) = Default::default();
    let mut selected = Selected { request: asking.request.clone(), came, interrupted: false, left };
    let github = match asking.github(&owners) {
        Ok(github) => github,
        Err(error) => {
            let failure = Failure::refused(format!("{error:#}"));
            let lists = owners.into_keys().map(|owner| (owner, Err(failure.clone()))).collect();
            selected.stand_for(&lists);
            return Some(selected);
        }
    };
    let looked = async {
        let mut lists = Lists::new();
        for (owner, written) in &owners {
            let what = format!("list the repositories of {written}");
            lists.insert(owner.clone(), asking.ask(&what, async || github.repositories(written).await).await?);
        }
        selected.stand_for(&lists);
        let looks = selected.unmatched(asking.request, &lists).into_iter().map(async |(label, (place, secret))| {
            let what = format!("look at {place}");
            Ok((label, asking.ask(&what, async || github.holds(&place, &secret).await).await?))
        });
        let looks: Vec<_> = looks.collect();
        let looks: Vec<Result<_, Stopped>> = stream::iter(looks).buffer_unordered(AT_ONCE).collect().await;
        selected.judge(asking.request, &lists, &looks.into_iter().collect::<Result<_, Stopped>>()?);
        Ok::<_, Stopped>(())
    };
    let looked = tokio::select! {
        biased;
        () = asking.interrupt.wait() => Err(Stopped),
        looked = looked => looked,
    };
    selected.interrupted = looked.is_err();
    let clock = Clock::system();
    selected.left = tokio::select! {
        biased;
        left = github.leave() => left,
        () = asking.interrupt.closing(&clock) => Vec::new(),
    };
    Some(selected)
}

fn selections(rotation: &RotationRequest) -> impl Iterator<Item = &Selection> {
    rotation.targets.iter().filter_map(Target::selection)
}

/// What a place is known by here.
fn label(place: &Place, secret: &str) -> String {
    format!("{place} {secret}").to_lowercase()
}

impl Asking<'_> {
    fn github(&self, owners: &BTreeMap<String, String>) -> anyhow::Result<GitHub> {
        let client = http::client(self.request.request_timeout)?;
        let credential = to_look(self.request, owners.values().map(String::as_str), self.console);
        let credential = credential.ok_or_else(|| anyhow::anyhow!("nothing was given that signs in to GitHub"))?;
        let redactor = self.console.redactor().clone();
        let github = GitHub::new(client, self.request.github.api_url.clone(), credential, redactor)?;
        Ok(github.traced(self.trace.clone()).paced(Rc::clone(self.pace)))
    }

    async fn ask<T>(
        &self,
        what: &str,
        ask: impl AsyncFn() -> Result<T, Failure>,
    ) -> Result<Result<T, Failure>, Stopped> {
        let pause = async |failure: &Failure, wait: Duration| {
            if self.interrupt.requested() {
                return Err(Stopped);
            }
            let why = failure.message().to_owned();
            self.console.event(&Event::Retrying { what: what.to_owned(), why, wait });
            tokio::time::sleep(wait).await;
            Ok(())
        };
        Retry::default().persist(&RefCell::default(), async || Ok(ask().await), pause).await
    }
}

impl Selected {
    /// Puts what they stand for in the place of the selections.
    fn stand_for(&mut self, lists: &Lists) {
        for rotation in &mut self.request.rotations {
            let came = self.came.entry(rotation.policy.key_name.clone()).or_default();
            replace(rotation, lists, came);
        }
        self.check_shared();
        tell_of_others(&mut self.request.rotations);
    }

    /// Two rotations would write one place in turn.
    fn check_shared(&mut self) {
        let mut of: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
        for rotation in &self.request.rotations {
            for target in &rotation.targets {
                let (_, families) = of.entry(target.identity()).or_insert_with(|| (target.label(), BTreeSet::new()));
                families.insert(rotation.policy.key_name.clone());
            }
        }
        for (target, families) in of.into_values().filter(|(_, families)| families.len() > 1) {
            let names = families.iter().cloned().collect::<Vec<_>>().join(" and ");
            for family in families {
                let what = format!("{target} is a target of {names}: expected in one rotation alone");
                let next = "Make the selections such that no repository is in two.";
                self.came.entry(family).or_default().problems.push(Problem::new(what, next));
            }
        }
    }

    /// What is listed and is no target of any rotation.
    fn unmatched(&self, asked: &Request, lists: &Lists) -> BTreeMap<String, (Place, String)> {
        let targets = self.request.rotations.iter().flat_map(|rotation| &rotation.targets);
        let targets: BTreeSet<_> = targets.map(Target::identity).collect();
        let selections = asked.rotations.iter().flat_map(selections);
        let missed = selections.flat_map(|selection| missed(selection, lists).map(move |(row, _)| (selection, row)));
        let places = missed.map(|(selection, row)| (selection.place(&row.name), selection.secret().to_owned()));
        let labelled = places.map(|(place, secret)| (label(&place, &secret), (place, secret)));
        labelled.filter(|(label, _)| !targets.contains(label)).collect()
    }

    /// What the looks mean for each rotation.
    fn judge(&mut self, asked: &Request, lists: &Lists, looks: &Looks) {
        for rotation in &asked.rotations {
            let came = self.came.entry(rotation.policy.key_name.clone()).or_default();
            for selection in selections(rotation) {
                let (mut left, mut excepted, mut unseen) = (Vec::new(), Vec::new(), 0_usize);
                for (row, miss) in missed(selection, lists) {
                    let place = selection.place(&row.name);
                    match looks.get(&label(&place, selection.secret())) {
                        Some(Ok(Some(true))) if miss == Miss::Excepted => excepted.push(place.to_string()),
                        Some(Ok(Some(true))) => left.push(format!("{place} ({miss})")),
                        Some(Ok(None)) => unseen += 1,
                        Some(Err(failure)) => came.problems.push(failed(&place.to_string(), failure)),
                        Some(Ok(Some(false))) | None => {}
                    }
                }
                if !left.is_empty() {
                    came.problems.push(has_left(selection, &left));
                }
                if !excepted.is_empty() {
                    let (secret, names) = (selection.secret(), named(&excepted));
                    came.notices.push(format!(
                        "left out by `except=`, and holds a secret {secret} that stays as it is: {names}"
                    ));
                }
                if unseen > 0 {
                    came.notices.push(format!(
                        "{selection}: this credential can't read the secrets of {unseen} of the repositories that it leaves \
                         out; they may hold the key too"
                    ));
                }
            }
        }
    }
}

/// The repositories that a selection does not stand for.
fn missed<'a>(selection: &'a Selection, lists: &'a Lists) -> impl Iterator<Item = (&'a Repository, Miss)> {
    let rows = lists.get(&selection.owner().to_ascii_lowercase()).and_then(|list| list.as_ref().ok());
    rows.into_iter().flatten().filter_map(|row| Some((row, row.fits(selection).err()?)))
}

fn replace(rotation: &mut RotationRequest, lists: &Lists, came: &mut Came) {
    let asked = std::mem::take(&mut rotation.targets);
    // What is named has words of its own.
    let mut known: BTreeSet<_> = asked.iter().filter(|it| it.selection().is_none()).map(Target::identity).collect();
    let mut tried: BTreeSet<_> = asked.iter().filter_map(Target::at_github).filter_map(trial).collect();
    for target in asked {
        let Target::Selection(selection) = target else {
            rotation.targets.push(target);
            continue;
        };
        let rows = match lists.get(&selection.owner().to_ascii_lowercase()) {
            Some(Ok(rows)) => rows,
            Some(Err(failure)) => {
                came.problems.push(failed(&selection.to_string(), failure));
                continue;
            }
            None => continue,
        };
        came.problems.extend(unknown_exceptions(&selection, rows));
        let (mut out, mut targets): (BTreeMap<Miss, usize>, _) = (BTreeMap::new(), BTreeSet::new());
        let mut count = 0_usize;
        for row in rows {
            match row.fits(&selection) {
                Err(miss) => *out.entry(miss).or_default() += 1,
                Ok(()) => {
                    count += 1;
                    let mut target = selection.target(&row.name);
                    if known.insert(target.identity()) {
                        // One run of a workflow tries all targets of its repository.
                        if let Some(target) = target.at_github_or_like_mut() {
                            let again = trial(target).is_some_and(|trial| !tried.insert(trial));
                            target.canary.take_if(|_| again);
                        }
                        targets.insert(target.label());
                        rotation.targets.push(target);
                    }
                }
            }
        }
        if count == 0 {
            came.problems.push(empty(&selection, rows.len(), &out));
            continue;
        }
        let told = format!("stands for {}{}", repositories(count), left_out(&out));
        came.stood_for.push(StoodFor { selection: selection.to_string(), told, targets });
    }
}

/// The repository and the workflow that is to succeed there.
fn trial(target: &GitHubTarget) -> Option<(String, String)> {
    Some((target.place.whose().to_lowercase(), target.canary.as_ref()?.workflow.clone()))
}

fn repositories(count: usize) -> String {
    match count {
        1 => "1 repository".to_owned(),
        count => format!("{count} repositories"),
    }
}

fn left_out(out: &BTreeMap<Miss, usize>) -> String {
    let counts: Vec<_> = out.iter().map(|(miss, count)| format!("{count} {miss}")).collect();
    if counts.is_empty() { String::new() } else { format!("; left out: {}", counts.join(", ")) }
}

fn failed(what: &str, failure: &Failure) -> Problem {
    Problem::about(what, failure.message(), failure.hint().map(str::to_owned))
}

fn empty(selection: &Selection, listed: usize, out: &BTreeMap<Miss, usize>) -> Problem {
    let what = format!("stands for none of the {} that this credential sees{}", repositories(listed), left_out(out));
    let next = "Correct the owner or the words of the target, or give the token or the App access to the repositories.";
    Problem::about(&selection.to_string(), &what, Some(next.to_owned()))
}

/// A name that is misspelt would leave out nothing.
fn unknown_exceptions(selection: &Selection, rows: &[Repository]) -> Option<Problem> {
    let is_known = |name: &&String| rows.iter().any(|row| row.name.eq_ignore_ascii_case(name));
    let unknown: Vec<_> = selection.except.iter().filter(|name| !is_known(name)).cloned().collect();
    let what =
        format!("`except=` names what this credential does not see at {}: {}", selection.owner(), named(&unknown));
    let next = "Correct these names or remove them.".to_owned();
    (!unknown.is_empty()).then(|| Problem::about(&selection.to_string(), &what, Some(next)))
}

/// It was written by an earlier run, most likely, and would keep a key that dies.
fn has_left(selection: &Selection, left: &[String]) -> Problem {
    let what = format!(
        "does not stand for all that hold {}: a rotation would leave the old key in {}",
        selection.secret(),
        named(left)
    );
    let next =
        "Name each as a target of its own; or put it into `except=`, if it holds another key or nothing reads it.";
    Problem::about(&selection.to_string(), &what, Some(next.to_owned()))
}

fn named(names: &[String]) -> String {
    let shown = names.iter().take(MAX_NAMED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MAX_NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

impl Came {
    /// Why the rotation can't begin; empty where it can.
    pub(super) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The same for `doctor`, beside what is as it should be.
    pub(super) fn checks(&self) -> Vec<Check> {
        let check = |what: &str, finding, detail: &str, remedy: Option<&String>| Check {
            what: what.to_owned(),
            finding,
            detail: detail.to_owned(),
            remedy: remedy.cloned(),
        };
        let failed = self.problems.iter().map(|it| check("targets", Finding::Failed, &it.what, it.next.as_ref()));
        let noticed = self.notices.iter().map(|it| check("targets", Finding::Open, it, None));
        let passed = self.stood_for.iter().map(|it| check(&it.selection, Finding::Passed, &it.told, None));
        passed.chain(failed).chain(noticed).collect()
    }

    /// Tells what the selections stand for before the rotation looks at it.
    pub(super) fn announce(&self, observer: &dyn Observer) {
        for it in &self.stood_for {
            observer.event(&Event::Note(format!("{} {}", it.selection, it.told)));
        }
        for notice in &self.notices {
            observer.event(&Event::Notice(notice.clone()));
        }
    }

    /// Adds what the selections came to, and which targets are new in them, to the report.
    pub(super) fn tell(&self, outcome: &mut Outcome, observer: &dyn Observer) {
        outcome.notices.extend(self.notices.iter().cloned());
        if !outcome.plan.is_empty() {
            let told = self.stood_for.iter().map(|it| format!("{} {}", it.selection, it.told));
            outcome.plan.splice(0..0, told);
        }
        let is_empty = |target: &&TargetReport| target.before == Some(Holding::Empty);
        if outcome.targets.iter().all(|target| is_empty(&target)) {
            return;
        }
        let empty: Vec<_> = outcome.targets.iter().filter(is_empty).map(|target| target.name.clone()).collect();
        for it in &self.stood_for {
            let new: Vec<_> = empty.iter().filter(|name| it.targets.contains(*name)).cloned().collect();
            if !new.is_empty() {
                let notice = format!("new in {}: {}", it.selection, named(&new));
                observer.event(&Event::Notice(notice.clone()));
                outcome.notices.push(notice);
            }
        }
    }
}
