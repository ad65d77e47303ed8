//! `doctor`: is everything there that a rotation needs? Each part is asked on its own, so that one which fails hides no
//! other, and nothing but reads is sent.

mod workflow;

use std::cell::Cell;
use std::collections::BTreeMap;

use futures_util::future::join;
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;

use crate::config::{IssuerSettings, Request, RotationRequest};
use crate::http::Failure;
use crate::humanize::span;
use crate::rotation::clock::{CLOCK_MARGIN, Clock, between};
use crate::rotation::model::{Held, KeyRow, Listing, Sighting};
use crate::rotation::name::FamilyName;
use crate::rotation::outcome::{Check, Event, Finding, Observer, Outcome, Problem, Reason, RunStatus};
use crate::rotation::plan::rights;
use crate::rotation::ports::{KeyIssuer, SecretStore};
use crate::rotation::{Context, dry_run};
use crate::secret::Secret;
use crate::store::github::GitHub;
use crate::store::github::expiry::Remaining;
use crate::store::target::{Kind, Target};

/// What is looked at, and with what.
pub(crate) struct Patient<'a> {
    /// What the run was asked as a whole.
    pub(crate) request: &'a Request,
    /// The rotation.
    pub(crate) asked: &'a RotationRequest,
    /// Its issuer.
    pub(crate) issuer: &'a dyn KeyIssuer,
    /// Its targets, in the order of the request.
    pub(crate) targets: &'a [Box<dyn SecretStore>],
    /// The process's variables.
    pub(crate) variables: &'a BTreeMap<String, String>,
    /// What those among them came to that stand for many.
    pub(crate) selected: Vec<Check>,
    /// The connection to GitHub, where a target lies there.
    pub(crate) github: Option<&'a GitHub>,
}

/// Looks at everything. In the outcome each check has a line, and each that failed is a problem.
pub(crate) async fn examine(patient: &Patient<'_>, context: &Context<'_>) -> Outcome {
    let (listing, sights) = join(ask(context, async || patient.issuer.list().await), patient.look(context)).await;
    let mut checks = patient.of_issuer(&listing);
    checks.extend(patient.selected.iter().cloned());
    checks.extend(
        patient
            .targets
            .iter()
            .zip(&patient.asked.targets)
            .zip(&sights)
            .map(|((store, target), sight)| patient.of_target(store.as_ref(), target, sight)),
    );
    checks.extend(patient.of_token());
    checks.extend(workflow::checks(patient, context).await);
    let here = context.clock.wall_time();
    checks.extend(of_clocks(&patient.clocks(&listing, &sights), here));
    patient.conclude(checks, context).await
}

impl Patient<'_> {
    /// Every target, some at a time.
    async fn look(&self, context: &Context<'_>) -> Vec<Result<Sighting, Failure>> {
        let done = Cell::new(0);
        let looks = self.targets.iter().map(async |store| {
            let seen = ask(context, async || {
                store.wait_for_capacity().await?;
                store.observe().await
            });
            let seen = seen.await;
            done.set(done.get() + 1);
            context.observer.event(&Event::Looked { done: done.get(), of: self.targets.len() });
            seen
        });
        let looks: Vec<_> = looks.collect();
        stream::iter(looks).buffered(self.asked.policy.parallel).collect().await
    }

    fn of_issuer(&self, listing: &Result<Listing, Failure>) -> Vec<Check> {
        let url = &self.asked.issuer.url;
        let listing = match listing {
            Ok(listing) => listing,
            Err(failure) => return vec![failed("issuer", failure, "See that `issuer-url` and the key are right.")],
        };
        let count = match listing.keys.len() {
            1 => "1 key".to_owned(),
            many => format!("{many} keys"),
        };
        let mut checks = vec![passed("issuer", format!("{url} answers and lists {count}"))];
        checks.push(passed("credential", credential(&self.asked.issuer)));
        checks.push(self.of_renames(listing));
        checks.extend(self.of_rights(listing));
        checks
    }

    /// Without renames a key can't wait: its name would not tell that it does.
    fn of_renames(&self, listing: &Listing) -> Check {
        let policy = &self.asked.policy;
        match listing.may_rename {
            true => passed("rename", "the issuer has a call to rename keys; the first rotation proves that it works"),
            false if policy.grace.is_zero() => passed("rename", "this API renames no keys, and `grace-period` is 0s"),
            false => Check {
                what: "rename".to_owned(),
                finding: Finding::Failed,
                detail: "this API renames no keys, so that none can wait for its end".to_owned(),
                remedy: Some("Set `grace-period` to 0s.".to_owned()),
            },
        }
    }

    /// What a new key inherits has to be shown.
    fn of_rights(&self, listing: &Listing) -> Option<Check> {
        let policy = &self.asked.policy;
        let current = self.current(listing)?;
        Some(match rights::asked(policy, Some(current), listing.takes, listing.date) {
            Ok(_) => passed("rights", format!("known: those of {} and of the inputs", current.name)),
            Err(inputs) => {
                let named: Vec<_> = inputs.iter().map(|input| format!("`{input}`")).collect();
                Check {
                    what: "rights".to_owned(),
                    finding: Finding::Failed,
                    detail: format!("the issuer does not show what {} may do: {}", current.name, named.join(", ")),
                    remedy: Some(format!("State {}.", named.join(", "))),
                }
            }
        })
    }

    /// The key that a new one would inherit from, as far as names and ids tell.
    fn current<'a>(&self, listing: &'a Listing) -> Option<&'a KeyRow> {
        let policy = &self.asked.policy;
        let confirmed = |row: &&KeyRow| {
            !row.disabled && FamilyName::parse(&policy.key_name, &row.name).is_some_and(|name| name.is_confirmed())
        };
        let newest = listing.keys.iter().filter(confirmed).max_by_key(|row| row.created_at);
        newest.or_else(|| listing.keys.iter().find(|row| Some(&row.id) == policy.replace_key_id.as_ref()))
    }

    fn of_target(&self, store: &dyn SecretStore, target: &Target, sight: &Result<Sighting, Failure>) -> Check {
        let sighting = match sight {
            Ok(sighting) => sighting,
            Err(failure) => return failed(&store.name(), failure, "See that the target exists and is spelt so."),
        };
        let holds = match sighting.held {
            Held::Nothing => "holds nothing yet".to_owned(),
            Held::Since(at) if store.shows_times() => format!("holds a value since {}", moment(at)),
            Held::Since(_) => "holds a value".to_owned(),
        };
        let unlisted = store.contents().unlisted.map(|why| format!("; the names beside it could not be listed: {why}"));
        let detail = format!("{holds}; {}{}", self.writable(target), unlisted.unwrap_or_default());
        passed(&store.name(), detail)
    }

    /// What is known of writing there without doing so.
    fn writable(&self, target: &Target) -> &'static str {
        match target.kind() {
            Kind::Vault | Kind::Kubernetes | Kind::File => "may be written",
            Kind::GitHub(_) if self.request.github.app.is_some() => "the App's token may write it",
            _ => "readable; whether it may be written too, only a write shows",
        }
    }

    fn of_token(&self) -> Option<Check> {
        let github = self.github.filter(|_| self.asked.targets.iter().any(|target| target.at_github().is_some()))?;
        if self.request.github.app.is_some() {
            return Some(passed("GitHub App", "signs in; each of its tokens ends within the hour"));
        }
        Some(match github.expiry.remaining() {
            None => passed("github-token", "GitHub shows no end of it"),
            Some(Remaining { soon: false, told }) => passed("github-token", told),
            Some(Remaining { soon: true, told }) => Check {
                what: "github-token".to_owned(),
                finding: Finding::Open,
                detail: told,
                remedy: Some("Put a new token in its place.".to_owned()),
            },
        })
    }

    fn clocks(
        &self,
        listing: &Result<Listing, Failure>,
        sights: &[Result<Sighting, Failure>],
    ) -> Vec<(String, Timestamp)> {
        let issuer = listing.iter().map(|listing| ("the issuer".to_owned(), listing.date));
        let seen = self.targets.iter().zip(sights);
        let targets = seen.filter_map(|(store, sight)| Some((store.name(), sight.as_ref().ok()?.date)));
        issuer.chain(targets).collect()
    }

    /// The plan needs everything else. What the run would do is no part of the table, whether it would stop is.
    async fn conclude(&self, mut checks: Vec<Check>, context: &Context<'_>) -> Outcome {
        let policy = &self.asked.policy;
        if context.interrupt.requested() || checks.iter().any(|check| check.finding == Finding::Failed) {
            checks.push(Check {
                what: "plan".to_owned(),
                finding: Finding::Open,
                detail: "not made, since something above is missing".to_owned(),
                remedy: None,
            });
            let reason = "Something that a rotation needs is missing.".to_owned();
            let problems = checks.iter().filter(|check| check.finding == Finding::Failed).map(problem).collect();
            let interrupted = context.interrupt.requested();
            return Outcome {
                reason: Reason::Other(reason),
                checks,
                interrupted,
                ..Outcome::unbegun(&policy.key_name, problems)
            };
        }
        let quiet = Quiet(context.observer);
        let context = Context {
            clock: Clock::system(),
            rng: context.rng.clone(),
            retry: context.retry,
            interrupt: context.interrupt.clone(),
            observer: &quiet,
        };
        let outcome = dry_run(self.issuer, self.targets, policy, &context).await;
        checks.extend(of_plan(&outcome));
        Outcome { checks, ..outcome }
    }
}

/// A plan that stops says why, in as many lines as there are reasons.
fn of_plan(outcome: &Outcome) -> Vec<Check> {
    if outcome.verdict == RunStatus::Planned {
        let nothing = outcome.plan.is_empty();
        return vec![passed(
            "plan",
            if nothing { "a run would change nothing now" } else { "nothing would stop a run" },
        )];
    }
    let check = |problem: &Problem| Check {
        what: "plan".to_owned(),
        finding: Finding::Failed,
        detail: problem.what.clone(),
        remedy: problem.next.clone(),
    };
    match outcome.problems.as_slice() {
        [] => {
            vec![Check {
                detail: outcome.reason.to_string(),
                remedy: None,
                finding: Finding::Failed,
                ..passed("plan", "")
            }]
        }
        problems => problems.iter().map(check).collect(),
    }
}

/// Times of two servers are told apart within this; a GitHub App's signature is dated by this machine.
fn of_clocks(clocks: &[(String, Timestamp)], here: Timestamp) -> Option<Check> {
    let apart = |at: Timestamp| between(at, here).max(between(here, at));
    let (whose, worst) = clocks.iter().max_by_key(|(_, at)| apart(*at))?;
    let detail = format!("this machine and {whose} are {} apart", span(apart(*worst)));
    Some(match apart(*worst) <= CLOCK_MARGIN {
        true => passed("clocks", "agree within 5 minutes"),
        false => Check {
            what: "clocks".to_owned(),
            finding: Finding::Open,
            detail,
            remedy: Some("Set this machine's clock, if it is the wrong one.".to_owned()),
        },
    })
}

fn credential(settings: &IssuerSettings) -> String {
    let given = |key: &Option<Secret>| key.is_some();
    match (given(&settings.management_key), given(&settings.current_key)) {
        (true, true) => "`management-key` may list the keys, `current-key` is given to recognise the one in use",
        (true, false) => "`management-key` may list the keys",
        _ => "no `management-key`: `current-key` may list the keys, and has to make and delete them too",
    }
    .to_owned()
}

fn passed(what: &str, detail: impl Into<String>) -> Check {
    Check { what: what.to_owned(), finding: Finding::Passed, detail: detail.into(), remedy: None }
}

fn failed(what: &str, failure: &Failure, otherwise: &str) -> Check {
    Check {
        what: what.to_owned(),
        finding: Finding::Failed,
        detail: failure.message().to_owned(),
        remedy: Some(failure.hint().unwrap_or(otherwise).to_owned()),
    }
}

fn problem(check: &Check) -> Problem {
    Problem::about(&check.what, &check.detail, check.remedy.clone())
}

fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Asks until there is an answer, as often as is sensible.
async fn ask<T>(context: &Context<'_>, ask: impl AsyncFn() -> Result<T, Failure>) -> Result<T, Failure> {
    let mut made = 0;
    loop {
        let failure = match ask().await {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        made += 1;
        let wait = context.retry.wait(made, &failure, &mut context.rng.borrow_mut());
        let Some(wait) = wait.filter(|_| !context.interrupt.requested()) else { return Err(failure) };
        tokio::select! {
            biased;
            () = context.interrupt.wait() => return Err(failure),
            () = context.clock.sleep(wait) => {}
        }
    }
}

/// What the dry run tells is in the table: only what must be hidden, and what keeps it waiting, is handed on.
struct Quiet<'a>(&'a dyn Observer);

impl Observer for Quiet<'_> {
    fn mask(&self, secret: &Secret) {
        self.0.mask(secret);
    }

    fn event(&self, event: &Event<'_>) {
        if matches!(event, Event::Retrying { .. } | Event::Waiting { .. } | Event::Looked { .. }) {
            self.0.event(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap_or_default()
    }

    #[test]
    fn the_clock_that_is_furthest_off_is_named() {
        let here = at("2026-12-01T12:00:00Z");
        let clocks = |date: &str| [("the issuer".to_owned(), here), ("repo:acme/app X".to_owned(), at(date))];
        let told = |date: &str| of_clocks(&clocks(date), here);
        assert_eq!(told("2026-12-01T11:56:00Z"), Some(passed("clocks", "agree within 5 minutes")));
        for (date, apart) in [("2026-12-01T11:50:00Z", "10 min"), ("2026-12-01T14:00:00Z", "2 h")] {
            let check = told(date).unwrap_or_else(|| passed("", ""));
            assert_eq!(check.finding, Finding::Open);
            assert!(check.detail.contains("repo:acme/app X") && check.detail.contains(apart), "{check:?}");
        }
        assert_eq!(of_clocks(&[], here), None);
    }
}
