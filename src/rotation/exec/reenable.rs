//! Taking back a `retire: disable`: the key gets a name outside its family, so that no run touches it again, and only
//! then works again.

use std::cell::{Cell, RefCell};

use crate::http::Failure;
use crate::rotation::exec::run::{Context, problem};
use crate::rotation::model::{KeyId, KeyKind, KeyRow, Listing};
use crate::rotation::name::without_family;
use crate::rotation::outcome::{Event, KeyFate, KeyReport, Outcome, Problem, RunStatus, StrayReason};
use crate::rotation::plan::observation::has_expired;
use crate::rotation::ports::KeyIssuer;

/// What switching a key on does not undo.
const NOT_BROUGHT_BACK: [&str; 2] = [
    "the targets keep the key that they hold: the value of this one is shown once, when it is made, so only who still has \
     it can write it there",
    "no run retires this key any more: delete it by hand when nothing uses it",
];

/// Switches a key on again, or says in a dry run what that would do. Never fails: what went wrong is in the outcome.
pub async fn reenable(issuer: &dyn KeyIssuer, id: &KeyId, dry_run: bool, context: &Context<'_>) -> Outcome {
    let wanted = Wanted { issuer, id, context, unanswered: Cell::new(false), renamed: RefCell::default() };
    let row = match wanted.row().await {
        Ok(row) => row,
        Err(problem) => return wanted.failed(None, problem),
    };
    let name = match judge(&row.0, &row.1) {
        Err(problem) => return wanted.failed(Some(&row.0), problem),
        Ok(Judged::Done) => return wanted.done(&row.0, &row.0.name, "it is on already; nothing was changed"),
        Ok(Judged::ToDo { name }) => name,
    };
    if dry_run {
        return wanted.planned(&row.0, &name);
    }
    match wanted.carry_out(&row.0, &name).await {
        Ok(()) => wanted.done(&row.0, &name, "it was switched off"),
        Err(problem) => wanted.weigh(&row.0, &name, problem).await,
    }
}

/// What is to be done with a key.
enum Judged {
    /// It is as it should be.
    Done,
    /// It is to be switched on under this name.
    ToDo { name: String },
}

fn judge(row: &KeyRow, listing: &Listing) -> Result<Judged, Problem> {
    let KeyRow { id, name, .. } = row;
    let refuse = |what: String, next: &str| Err(Problem::new(what, next.to_owned()));
    let outside = without_family(name);
    if row.kind == KeyKind::Management {
        return refuse(format!("{name} ({id}) is a management key"), "switch it on in the issuer's dashboard");
    }
    if has_expired(row, listing.date) {
        return refuse(format!("{name} ({id}) has expired: it can't be brought back"), "make a new key");
    }
    match (row.disabled, outside) {
        (true, outside) => Ok(Judged::ToDo { name: outside.unwrap_or_else(|| name.clone()) }),
        (false, None) => Ok(Judged::Done),
        (false, Some(_)) => refuse(
            format!("{name} ({id}) is not switched off, and is of a family: a run may retire it"),
            "if it is to stay, give it another name in the issuer's dashboard",
        ),
    }
}

struct Wanted<'a> {
    issuer: &'a dyn KeyIssuer,
    id: &'a KeyId,
    context: &'a Context<'a>,
    /// A request to switch the key on may have taken effect, or may yet.
    unanswered: Cell<bool>,
    /// That the key has another name now.
    renamed: RefCell<Option<String>>,
}

impl Wanted<'_> {
    async fn row(&self) -> Result<(KeyRow, Listing), Problem> {
        let listing = self.again("list the keys", async || self.issuer.list().await).await?;
        match listing.keys.iter().find(|row| row.id == *self.id) {
            Some(row) => Ok((row.clone(), listing)),
            None => Err(Problem::new(
                format!("the key {} is not in the issuer's list: a deleted key can't be brought back", self.id),
                "take the id from the report of the run that disabled it; with OpenRouter only the default workspace is \
                     looked at: switch a key of another one on in its dashboard",
            )),
        }
    }

    /// The name comes first: a live key under its family's name would be retired by the next run.
    async fn carry_out(&self, row: &KeyRow, name: &str) -> Result<(), Problem> {
        if row.name != name {
            let what = format!("rename {} to {name}", row.name);
            let renamed = self.again(&what, async || self.issuer.rename(self.id, name).await).await?;
            if renamed.name.as_deref() != Some(name) {
                return Err(Problem::new(
                    format!("{what}: the issuer's answer shows another name, and the key stays switched off"),
                    "rename it and switch it on in the issuer's dashboard",
                ));
            }
            let told = format!("{} ({}) is now called {name}", row.name, self.id);
            self.context.observer.event(&Event::Notice(told.clone()));
            self.renamed.replace(Some(told));
        }
        let what = format!("switch {name} on");
        let switch_on = async || {
            let before = self.unanswered.replace(true);
            let answer = self.issuer.set_disabled(self.id, false).await;
            let open = matches!(answer, Err(Failure::Unknown { .. } | Failure::Doubtful(_)));
            self.unanswered.set(before || open);
            answer
        };
        let shown = self.again(&what, switch_on).await?;
        if shown == Some(false) || !self.row().await?.0.disabled {
            return Ok(());
        }
        Err(Problem::new(
            format!("{what}: the issuer answers with success, and its list shows the key switched off"),
            "switch it on in the issuer's dashboard",
        ))
    }

    /// What a call that was not answered well has come to: the list tells, but for a request that may land yet.
    async fn weigh(&self, before: &KeyRow, name: &str, problem: Problem) -> Outcome {
        match self.row().await {
            Ok((row, _)) if !row.disabled => self.done(&row, &row.name, "it was switched off"),
            Ok((row, _)) if !self.unanswered.get() => self.failed(Some(&row), problem),
            _ => self.unknown(before, name, problem),
        }
    }

    /// Asks until there is an answer: every call here may be repeated.
    async fn again<T>(&self, what: &str, ask: impl AsyncFn() -> Result<T, Failure>) -> Result<T, Problem> {
        let Context { clock, interrupt, retry, rng, observer } = self.context;
        let stopped = || Problem::new(format!("{what}: told to stop"), "run it again");
        let ask = async || {
            tokio::select! {
                biased;
                answer = ask() => Ok(answer),
                () = interrupt.in_flight_over(clock) => Err(stopped()),
            }
        };
        let pause = async |failure: &Failure, wait| {
            observer.event(&Event::Retrying { what: what.to_owned(), why: failure.message().to_owned(), wait });
            tokio::select! {
                biased;
                () = interrupt.wait() => Err(stopped()),
                () = clock.sleep(wait) => Ok(()),
            }
        };
        retry.persist(rng, ask, pause).await?.map_err(|failure| problem(what, &failure))
    }

    fn outcome(&self, row: Option<(&KeyRow, &str, KeyFate)>) -> Outcome {
        let name = row.as_ref().map_or_else(|| self.id.to_string(), |(row, ..)| row.name.clone());
        let key = row.map(|(row, name, fate)| KeyReport {
            id: row.id.clone(),
            name: name.to_owned(),
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            fate,
            death: None,
        });
        Outcome {
            keys: key.into_iter().collect(),
            notices: self.renamed.borrow().iter().cloned().collect(),
            interrupted: self.context.interrupt.requested(),
            ..Outcome::unbegun(&name, Vec::new())
        }
    }

    fn failed(&self, row: Option<&KeyRow>, problem: Problem) -> Outcome {
        self.context.observer.event(&Event::Failed(&problem));
        let (reason, row) = match row {
            Some(row) if row.disabled => {
                ("the key stays switched off", Some((row, row.name.as_str(), KeyFate::Disabled)))
            }
            Some(_) => ("the key stays as it is", None),
            None => ("nothing was changed", None),
        };
        Outcome { reason: reason.into(), problems: vec![problem], ..self.outcome(row) }
    }

    /// Switched on, the key is of no family, so that no run would ever retire it.
    fn unknown(&self, row: &KeyRow, name: &str, problem: Problem) -> Outcome {
        self.context.observer.event(&Event::Failed(&problem));
        let fate = KeyFate::Stray { reason: StrayReason::PerhapsOn };
        Outcome {
            verdict: RunStatus::Attention,
            reason: "it is unknown whether the key is on".into(),
            problems: vec![Problem { next: Some("run it again".into()), ..problem }],
            ..self.outcome(Some((row, name, fate)))
        }
    }

    fn done(&self, row: &KeyRow, name: &str, reason: &str) -> Outcome {
        let mut outcome = self.outcome(Some((row, name, KeyFate::Reenabled)));
        outcome.notices.extend(NOT_BROUGHT_BACK.map(ToOwned::to_owned));
        Outcome { verdict: RunStatus::Reenabled, reason: reason.into(), ..outcome }
    }

    fn planned(&self, row: &KeyRow, name: &str) -> Outcome {
        let rename = (row.name != name).then(|| format!("rename {} to {name}", row.name));
        let plan: Vec<_> = rename.into_iter().chain([format!("switch {name} on")]).collect();
        self.context.observer.event(&Event::Plan(&plan));
        Outcome {
            verdict: RunStatus::Planned,
            reason: "dry run: nothing was changed".into(),
            notices: NOT_BROUGHT_BACK.map(ToOwned::to_owned).to_vec(),
            plan,
            ..self.outcome(Some((row, &row.name, KeyFate::Disabled)))
        }
    }
}
