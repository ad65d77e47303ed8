//! Workflows and their runs.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::refusal::{denied, error, not_found};
use super::{Asked, repository};
use crate::github::{Access, GitHub, Permission, Place, WorkflowRun};
use crate::http::Reply;

/// GitHub lists no more runs of one search.
const MAX_LISTED: usize = 1000;

/// Answers what lies below `actions/runs` and `actions/workflows` of a repository.
pub(super) fn answer(github: &mut GitHub, asked: &Asked<'_>, full_name: &str, rest: &[&str]) -> Reply {
    let place = Place::repo(full_name);
    let needed = if asked.request.method == "GET" { Access::Read } else { Access::Write };
    let token = &github.tokens[asked.token];
    match token.access(&place, Permission::Actions) {
        Some(_) if !github.places.contains_key(&place) => return not_found(),
        None => return not_found(),
        Some(access) if access < needed => return denied(token, Permission::Actions, needed),
        Some(_) => {}
    }
    match (asked.request.method.as_str(), rest) {
        ("GET", ["runs"]) => list(github, asked, &place, None),
        ("GET", ["workflows", workflow]) => match github.workflows.get(&(place.clone(), (*workflow).to_owned())) {
            Some(_) => Reply::json(200, workflow_row(&full_name_of(github, &place), workflow)),
            None => not_found(),
        },
        ("GET", ["workflows", workflow, "runs"]) => list(github, asked, &place, Some(workflow)),
        ("GET", ["runs", id]) => {
            let run = id.parse().ok().and_then(|id: u64| github.runs.iter().find(|run| run.id == id));
            run.filter(|run| run.repo == place).map_or_else(not_found, |run| Reply::json(200, row(github, run)))
        }
        ("POST", ["workflows", workflow, "dispatches"]) => dispatch(github, asked, &place, workflow),
        _ => not_found(),
    }
}

fn list(github: &GitHub, asked: &Asked<'_>, place: &Place, workflow: Option<&str>) -> Reply {
    let query = |name: &str| asked.request.query(name);
    let fits = |run: &&WorkflowRun| {
        run.repo == *place
            && workflow.is_none_or(|workflow| run.workflow == workflow)
            && query("status")
                .is_none_or(|status| [Some(run.status.as_str()), run.conclusion.as_deref()].contains(&Some(status)))
            && query("event").is_none_or(|event| run.event == event)
            && query("branch").is_none_or(|branch| run.branch == branch)
    };
    let mut runs: Vec<&WorkflowRun> = github.runs.iter().filter(fits).collect();
    runs.sort_by_key(|run| std::cmp::Reverse((run.created_at, run.id)));
    let count = runs.len();
    runs.truncate(MAX_LISTED);
    let rows: Vec<Value> = super::page(asked.request, &runs).iter().map(|run| row(github, run)).collect();
    Reply::json(200, json!({ "total_count": count, "workflow_runs": rows }))
}

fn dispatch(github: &mut GitHub, asked: &Asked<'_>, place: &Place, workflow: &str) -> Reply {
    let Ok(body) = serde_json::from_slice::<Value>(&asked.request.body) else {
        return error(400, "Problems parsing JSON");
    };
    let Some(branch) = body["ref"].as_str() else { return error(422, "Invalid request.\n\n\"ref\" wasn't supplied.") };
    let details = body.get("return_run_details");
    if details.is_some() && !github.tells_of_dispatched_runs {
        return error(422, "Invalid request.\n\n\"return_run_details\" is not a permitted key.");
    }
    let Some(dispatched) = github.workflows.get(&(place.clone(), workflow.to_owned())).cloned() else {
        return not_found();
    };
    if !dispatched.takes_dispatches {
        return error(422, "Workflow does not have 'workflow_dispatch' trigger");
    }
    let inputs =
        body["inputs"].as_object().map(|inputs| inputs.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    if let Some(unknown) = inputs.first() {
        return error(422, &format!("Unexpected inputs provided: [\"{unknown}\"]"));
    }
    let id = github.dispatch(place, workflow, branch, &dispatched);
    if details != Some(&json!(true)) {
        return Reply::empty(204);
    }
    let run = format!("{}/actions/runs/{id}", full_name_of(github, place));
    Reply::json(
        200,
        json!({
            "workflow_run_id": id,
            "run_url": format!("https://api.github.com/repos/{run}"),
            "html_url": format!("https://github.com/{run}"),
        }),
    )
}

fn full_name_of(github: &GitHub, place: &Place) -> String {
    github.places.get(place).map(|vault| vault.shown.clone()).unwrap_or_default()
}

/// GitHub's schema `workflow`.
fn workflow_row(full_name: &str, file: &str) -> Value {
    json!({
        "id": 159_038,
        "node_id": "MDg6V29ya2Zsb3cxNTkwMzg=",
        "name": "Smoke",
        "path": format!(".github/workflows/{file}"),
        "state": "active",
        "created_at": "2026-01-08T23:48:37Z",
        "updated_at": "2026-01-08T23:50:21Z",
        "url": format!("https://api.github.com/repos/{full_name}/actions/workflows/159038"),
        "html_url": format!("https://github.com/{full_name}/blob/main/.github/workflows/{file}"),
        "badge_url": format!("https://github.com/{full_name}/workflows/Smoke/badge.svg"),
    })
}

/// GitHub's schema `workflow-run`.
fn row(github: &GitHub, run: &WorkflowRun) -> Value {
    let name = full_name_of(github, &run.repo);
    let id = github.places.get(&run.repo).map_or(0, |vault| vault.id);
    let address = format!("https://api.github.com/repos/{name}/actions/runs/{}", run.id);
    let time = |time: Timestamp| time.to_string();
    let at = |part: &str| format!("{address}/{part}");
    json!({
        "id": run.id,
        "name": run.workflow,
        "node_id": "MDEyOldvcmtmbG93IFJ1bjI2OTI4OQ==",
        "check_suite_id": 42,
        "check_suite_node_id": "MDEwOkNoZWNrU3VpdGU0Mg==",
        "head_branch": run.branch,
        "head_sha": "acb5820ced9479c074f688cc328bf03f341a511d",
        "path": format!(".github/workflows/{}", run.workflow),
        "run_number": 562,
        "run_attempt": run.attempt,
        "event": run.event,
        "display_title": "Smoke",
        "status": run.status,
        "conclusion": run.conclusion,
        "workflow_id": 159_038,
        "url": address,
        "html_url": format!("https://github.com/{name}/actions/runs/{}", run.id),
        "pull_requests": [],
        "created_at": time(run.created_at),
        "updated_at": time(run.created_at),
        "run_started_at": time(run.started_at),
        "jobs_url": at("jobs"),
        "logs_url": at("logs"),
        "check_suite_url": format!("https://api.github.com/repos/{name}/check-suites/42"),
        "artifacts_url": at("artifacts"),
        "cancel_url": at("cancel"),
        "rerun_url": at("rerun"),
        "workflow_url": format!("https://api.github.com/repos/{name}/actions/workflows/159038"),
        "previous_attempt_url": null,
        "head_commit": null,
        "repository": repository::row(id, &name),
        "head_repository": repository::row(id, &name),
    })
}
