//! Workflows and their runs, as far as anybody asks for them.

use jiff::Timestamp;

use super::{GitHub, Place};

/// A run of a workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkflowRun {
    /// Its number.
    pub id: u64,
    /// The repository.
    pub repo: Place,
    /// The workflow's file.
    pub workflow: String,
    /// `queued`, `in_progress`, `completed`, …
    pub status: String,
    /// What it came to, once it is completed.
    pub conclusion: Option<String>,
    /// What it was triggered by.
    pub event: String,
    /// On which branch.
    pub branch: String,
    /// When it was queued first.
    pub created_at: Timestamp,
    /// When the last attempt was.
    pub started_at: Timestamp,
    /// Which attempt it is.
    pub attempt: u64,
}

/// A workflow that can be dispatched, and how its runs end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workflow {
    /// It has the trigger `workflow_dispatch`.
    pub takes_dispatches: bool,
    /// What its runs come to; `None`: they go on for ever.
    pub concludes: Option<String>,
    /// How often somebody looks at a run before it is over.
    pub looks: u64,
}

impl Default for Workflow {
    fn default() -> Self {
        Self { takes_dispatches: true, concludes: Some("success".to_owned()), looks: 1 }
    }
}

impl GitHub {
    /// Adds a run of a repository that exists, queued now by a push.
    pub fn add_run(&mut self, repo: &Place, status: &str) -> u64 {
        let now = self.clock.now_in_seconds();
        let id = self.next_number();
        self.runs.push(WorkflowRun {
            id,
            repo: repo.clone(),
            workflow: "ci.yml".to_owned(),
            status: status.to_owned(),
            conclusion: (status == "completed").then(|| "success".to_owned()),
            event: "push".to_owned(),
            branch: "main".to_owned(),
            created_at: now,
            started_at: now,
            attempt: 1,
        });
        id
    }

    /// Adds a workflow that can be dispatched.
    pub fn add_workflow(&mut self, repo: &Place, file: &str, workflow: Workflow) {
        self.workflows.insert((repo.clone(), file.to_owned()), workflow);
    }

    /// Queues a run of a workflow.
    pub(crate) fn dispatch(&mut self, repo: &Place, file: &str, branch: &str, workflow: &Workflow) -> u64 {
        let id = self.add_run(repo, "queued");
        self.to_conclude.insert(id, workflow.clone());
        if let Some(run) = self.runs.iter_mut().find(|run| run.id == id) {
            run.workflow = file.to_owned();
            run.event = "workflow_dispatch".to_owned();
            run.branch = branch.to_owned();
        }
        id
    }

    /// Somebody looks at a run that was dispatched: it comes a little further.
    pub(crate) fn come_further(&mut self, id: u64) {
        let Some(workflow) = self.to_conclude.get_mut(&id) else { return };
        let Some(run) = self.runs.iter_mut().find(|run| run.id == id) else { return };
        run.status = "in_progress".to_owned();
        if workflow.looks > 0 {
            workflow.looks -= 1;
        } else if let Some(conclusion) = &workflow.concludes {
            run.status = "completed".to_owned();
            run.conclusion = Some(conclusion.clone());
        }
    }
}
