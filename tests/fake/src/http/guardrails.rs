//! OpenRouter's routes for guardrails, as its Node SDK knows them (`@openrouter/sdk` 1.3.19, `funcs/guardrails*`).

use serde_json::{Value, json};

use super::message::{Inbound, Reply};
use crate::guardrails::{ASSIGNER, Assignment};
use crate::issuer::{Issuer, Refused};

/// The rows of a page when the request does not say, and at the most.
const PAGE: usize = 50;
const LARGEST_PAGE: usize = 100;

/// Answers a request to this path below `/guardrails`.
pub(super) fn answer(issuer: &mut Issuer, request: &Inbound, path: &str) -> Result<Reply, Refused> {
    issuer.check_manager(request.credential())?;
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["assignments", "keys"]) => Ok(list(issuer, request, None)),
        ("GET", [id, "assignments", "keys"]) => Ok(list(issuer, request, Some(id))),
        ("POST", [id, "assignments", "keys"]) => assign(issuer, request, id),
        ("GET", [id]) => one(issuer, id),
        _ => Err(Refused::NotFound),
    }
}

fn list(issuer: &Issuer, request: &Inbound, guardrail: Option<&str>) -> Reply {
    let of_it = |it: &&Assignment| guardrail.is_none_or(|id| it.guardrail == id);
    let all: Vec<_> = issuer.guardrails.assignments.iter().rev().filter(of_it).collect();
    let size = request.number("limit").unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
    let page = all.iter().skip(request.number("offset").unwrap_or(0)).take(size);
    let rows: Vec<Value> = page.map(|it| row(issuer, it)).collect();
    Reply::json(200, json!({ "data": rows, "total_count": all.len() }))
}

fn row(issuer: &Issuer, it: &Assignment) -> Value {
    let key = issuer.key(&it.key);
    json!({
        "id": it.id,
        "guardrail_id": it.guardrail,
        "key_hash": it.key,
        "key_name": key.map(|key| key.name.clone()).unwrap_or_default(),
        "key_label": key.and_then(|key| key.label.clone()).unwrap_or_default(),
        "assigned_by": ASSIGNER,
        "created_at": it.created_at.to_string(),
    })
}

/// The SDK says of this call: "A key may hold at most one guardrail; assigning replaces any existing assignment."
fn assign(issuer: &mut Issuer, request: &Inbound, guardrail: &str) -> Result<Reply, Refused> {
    issuer.guardrails.get(guardrail).ok_or(Refused::NotFound)?;
    let body = request.json().unwrap_or_default();
    let hashes: Option<Vec<String>> = serde_json::from_value(body["key_hashes"].clone()).ok();
    let hashes = hashes.ok_or_else(|| Refused::Malformed("key_hashes must be a list of strings".into()))?;
    if hashes.iter().any(|hash| issuer.key(hash).is_none()) {
        return Err(Refused::NotFound);
    }
    let assigned = hashes.iter().filter(|hash| issuer.guard(hash, guardrail)).count();
    Ok(Reply::json(200, json!({ "assigned_count": assigned })))
}

fn one(issuer: &Issuer, id: &str) -> Result<Reply, Refused> {
    let guardrail = issuer.guardrails.get(id).ok_or(Refused::NotFound)?;
    let data = json!({
        "id": guardrail.id,
        "name": guardrail.name,
        "created_at": issuer.clock.now_in_seconds().to_string(),
        "include_byok_in_budgets": false,
        "workspace_id": null,
    });
    Ok(Reply::json(200, json!({ "data": data })))
}
