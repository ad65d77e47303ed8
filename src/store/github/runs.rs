//! Workflow runs that are not over: each goes on with the secrets that it read when it was queued.
//!
//! GitHub's pages "REST API endpoints for workflow runs" and "Using secrets in GitHub Actions": a run reads the secrets of
//! its repository and organisation when it is queued, those of an environment when a job of it starts.

use jiff::Timestamp;
use serde::Deserialize;

use super::client::GitHub;
use super::paths;
use crate::http::{Failure, Refusal};
use crate::rotation::model::Unfinished;

/// Every status of a run that is not over. One that waits for an approval is `waiting`, one that a concurrency group holds
/// back `pending`. A run that moves on while they are asked for one after the other goes forward in this order, or from the
/// last one back to `waiting`.
const STATUSES: [&str; 6] = ["requested", "waiting", "pending", "queued", "in_progress", "waiting"];

/// A run's row has some 20 KB.
const PAGE: usize = 50;

/// GitHub lists no more of one search, the newest first.
const MAX_LISTED: usize = 1000;

#[derive(Deserialize)]
struct Page {
    total_count: usize,
    workflow_runs: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    id: u64,
    status: Option<String>,
    html_url: String,
    created_at: Timestamp,
    /// When the last attempt was begun: it read the secrets anew.
    run_started_at: Option<Timestamp>,
}

/// Every run of a repository that is not over.
pub(super) async fn unfinished(github: &GitHub, owner: &str, repo: &str) -> Result<Vec<Unfinished>, Failure> {
    let mut found: Vec<(u64, Unfinished)> = Vec::new();
    // Twice: what moves on between two questions was missed by both at the most once.
    for status in STATUSES.iter().chain(&STATUSES) {
        for row in with_status(github, owner, repo, status, &mut found).await? {
            let over = row.status.as_deref() == Some("completed");
            if !over && found.iter().all(|(id, _)| *id != row.id) {
                let began = Some(row.run_started_at.unwrap_or(row.created_at));
                found.push((row.id, Unfinished { what: github.shown(&row.html_url), began }));
            }
        }
    }
    Ok(found.into_iter().map(|(_, run)| run).collect())
}

async fn with_status(
    github: &GitHub,
    owner: &str,
    repo: &str,
    status: &str,
    found: &mut Vec<(u64, Unfinished)>,
) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for page in 1.. {
        let query = [
            ("status", status.to_owned()),
            ("exclude_pull_requests", "true".to_owned()),
            ("per_page", PAGE.to_string()),
            ("page", page.to_string()),
        ];
        let shown = github.read::<Page>(&paths::runs(owner, repo), &query).await;
        let shown = shown.map_err(|it| needs_actions(it, "read", "see which workflow runs are unfinished"))?;
        let last = shown.workflow_runs.len() < PAGE;
        rows.extend(shown.workflow_runs);
        if shown.total_count > MAX_LISTED && rows.len() >= MAX_LISTED {
            // The oldest ones are those that are not listed.
            let what = format!("{owner}/{repo} has more than {MAX_LISTED} runs that are {status}");
            found.push((0, Unfinished { what, began: None }));
        }
        if last || rows.len() >= MAX_LISTED {
            break;
        }
    }
    Ok(rows)
}

/// What the token lacks where GitHub does not let it at workflows.
pub(super) fn needs_actions(failure: Failure, access: &str, to: &str) -> Failure {
    match failure {
        Failure::Refused(Refusal { status: status @ Some(403 | 404), message, hint }) => {
            let needed = format!(
                "To {to}, a fine-grained token or an App needs the repository permission \"Actions\" ({access}), a classic \
                 token the scope `repo`."
            );
            let hint = hint.map_or_else(|| needed.clone(), |hint| format!("{needed} {hint}"));
            Failure::Refused(Refusal { status, message, hint: Some(hint) })
        }
        other => other,
    }
}
