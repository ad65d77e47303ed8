//! A workflow that is dispatched once a secret was written, and has to succeed before the old key goes.
//!
//! GitHub's pages "REST API endpoints for workflows" and "… for workflow runs". Since February 2026 a dispatch answers with
//! its run where that is asked for; before, and on older servers, it answers 204 and the run has to be found.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use ::http::StatusCode;
use octocrab::Octocrab;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use super::client::GitHub;
use super::crab::route;
use super::paths;
use super::response::Told;
use super::runs::needs_actions;
use crate::http::{Call, Failure, Refusal};
use crate::rotation::model::{Rollout, RolloutStatus};

/// Of runs that were dispatched at the same time some may be others'.
const NEWEST: usize = 20;

/// The workflow of a target, and its run.
pub(super) struct Canary {
    owner: String,
    repo: String,
    workflow: String,
    within: Duration,
    /// The repository's default branch, once it was asked for.
    branch: RefCell<Option<String>>,
    /// The server does not take `return_run_details`.
    tells_nothing: Cell<bool>,
    run: Cell<Option<u64>>,
    /// Where the run has to be found: the newest one before it.
    behind: Cell<u64>,
}

#[derive(Deserialize)]
struct Repository {
    default_branch: String,
}

#[derive(Deserialize)]
struct Dispatched {
    workflow_run_id: u64,
}

#[derive(Deserialize)]
struct Runs {
    workflow_runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    id: u64,
    status: Option<String>,
    conclusion: Option<String>,
    html_url: String,
}

impl Canary {
    pub(super) fn new(owner: &str, repo: &str, workflow: &str, within: Duration) -> Self {
        let (branch, tells_nothing, run, behind) = Default::default();
        let (owner, repo, workflow) = (owner.to_owned(), repo.to_owned(), workflow.to_owned());
        Self { owner, repo, workflow, within, branch, tells_nothing, run, behind }
    }

    /// Nothing is done again when the old value is put back: what the run has read ends with it.
    pub(super) fn rollout(&self) -> Rollout {
        Rollout { what: format!("run {}", self.workflow), within: self.within, when_put_back: false }
    }

    /// That the workflow is there, and may be looked at: told before a key is made for it.
    pub(super) async fn observe(&self, github: &GitHub) -> Result<(), Failure> {
        if self.branch.borrow().is_some() {
            return Ok(());
        }
        let workflow = github.read::<IgnoredAny>(&self.path(paths::workflow), &[]).await;
        workflow.map_err(|failure| self.denied(failure))?;
        let repository = github.read::<Repository>(&paths::repository(&self.owner, &self.repo), &[]).await?;
        *self.branch.borrow_mut() = Some(repository.default_branch);
        Ok(())
    }

    pub(super) async fn dispatch(&self, github: &GitHub) -> Result<(), Failure> {
        self.observe(github).await?;
        let branch = self.branch.borrow().clone().unwrap_or_default();
        self.run.set(None);
        let mut body = json!({ "ref": branch });
        if self.tells_nothing.get() {
            self.behind.set(self.newest(github).await?.iter().map(|run| run.id).max().unwrap_or(0));
        } else if let Some(fields) = body.as_object_mut() {
            fields.insert("return_run_details".to_owned(), true.into());
        }
        let path = route(&self.path(paths::dispatches))?;
        let octo = async |octo: Octocrab| octo._post(path, Some(&body)).await.map(drop);
        let Told { answer, .. } = github.ask(None, (Call::Write, &self.owner), octo).await?;
        match answer.status {
            StatusCode::OK => {
                let unread =
                    |failure: Failure| Failure::Unknown { message: failure.message().to_owned(), retry_after: None };
                self.run.set(Some(answer.json::<Dispatched>().map_err(unread)?.workflow_run_id));
                Ok(())
            }
            StatusCode::NO_CONTENT if self.tells_nothing.get() => Ok(()),
            // Without a look beforehand its run can't be told from others: once more, with one.
            StatusCode::NO_CONTENT => {
                Err(self.once_more(format!("{}: the answer does not name the run", answer.asked)))
            }
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY
                if !self.tells_nothing.get() && answer.complains().contains("return_run_details") =>
            {
                Err(self.once_more(github.failure(&answer).message().to_owned()))
            }
            _ => Err(self.denied(github.failure(&answer))),
        }
    }

    fn once_more(&self, message: String) -> Failure {
        self.tells_nothing.set(true);
        Failure::Transient { message, retry_after: None }
    }

    pub(super) async fn look(&self, github: &GitHub) -> Result<RolloutStatus, Failure> {
        let run = match self.run.get() {
            Some(id) => self.shown(github, id).await?,
            None => self.found(github).await?,
        };
        let Some(run) = run else {
            return Ok(RolloutStatus::NotYet(format!("GitHub shows no run of {} yet", self.workflow)));
        };
        let (link, workflow) = (github.shown(&run.html_url), &self.workflow);
        let shown = |text: Option<&String>| text.map_or_else(|| "no conclusion".to_owned(), |text| github.shown(text));
        match (run.status.as_deref(), run.conclusion.as_deref()) {
            (Some("completed"), Some("success")) => Ok(RolloutStatus::Yes(Some(format!("{link} succeeded")))),
            (Some("completed"), _) => Err(Failure::Refused(Refusal {
                status: None,
                message: format!("{workflow} ended with {}: {link}", shown(run.conclusion.as_ref())),
                hint: Some("see in its log what the new key could not do".to_owned()),
            })),
            _ => Ok(RolloutStatus::NotYet(format!("{link} is {}", shown(run.status.as_ref())))),
        }
    }

    /// A run that was named a moment ago need not be shown everywhere yet.
    async fn shown(&self, github: &GitHub, id: u64) -> Result<Option<Run>, Failure> {
        let told = github.get(None, &paths::run(&self.owner, &self.repo, &id.to_string()), &[]).await?;
        match told.answer.status {
            StatusCode::OK => told.read().map(Some),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(needs_actions(github.failure(&told.answer), "read and write", "see how the workflow runs")),
        }
    }

    /// The first run of the workflow behind the dispatch. Should it be somebody else's: it reads the same secrets.
    async fn found(&self, github: &GitHub) -> Result<Option<Run>, Failure> {
        let newer = self.newest(github).await?.into_iter().filter(|run| run.id > self.behind.get());
        let first = newer.min_by_key(|run| run.id);
        self.run.set(first.as_ref().map(|run| run.id));
        Ok(first)
    }

    async fn newest(&self, github: &GitHub) -> Result<Vec<Run>, Failure> {
        let branch = self.branch.borrow().clone().unwrap_or_default();
        let query = [("event", "workflow_dispatch".to_owned()), ("branch", branch), ("per_page", NEWEST.to_string())];
        let runs = github.read::<Runs>(&self.path(paths::runs_of), &query).await;
        let runs = runs.map_err(|it| needs_actions(it, "read and write", "see how the workflow runs"))?;
        Ok(runs.workflow_runs)
    }

    fn path<'a, const N: usize>(&'a self, of: fn(&'a str, &'a str, &'a str) -> [&'a str; N]) -> [&'a str; N] {
        of(&self.owner, &self.repo, &self.workflow)
    }

    /// GitHub answers 404 both where there is no such workflow and where the token may not see it.
    fn denied(&self, failure: Failure) -> Failure {
        let failure = needs_actions(failure, "read and write", "run a workflow");
        let Failure::Refused(Refusal { status, message, hint }) = failure else { return failure };
        let missing = format!(
            "The default branch of {}/{} needs .github/workflows/{} with the trigger `workflow_dispatch` and no required \
             inputs.",
            self.owner, self.repo, self.workflow
        );
        let hint = hint.map_or_else(|| missing.clone(), |hint| format!("{missing} {hint}"));
        Failure::Refused(Refusal { status, message, hint: Some(hint) })
    }
}
