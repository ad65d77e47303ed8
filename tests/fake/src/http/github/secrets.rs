//! The calls that every kind of place has below its own path, and those of an organisation's scope.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::refusal::{accepting, denied, error, not_found};
use super::{Asked, page, repository};
use crate::github::{Access, GitHub, Permission, Place, Scope, Secret, Wrote};
use crate::http::{Inbound, Reply};

pub(super) fn answer(github: &mut GitHub, asked: &Asked<'_>, place: &Place, rest: &[&str]) -> Reply {
    let elsewhere =
        matches!(place, Place::Codespaces(_) | Place::CodespacesOrg(_) | Place::Agents(_) | Place::AgentsOrg(_));
    if elsewhere && github.is_enterprise_server {
        return not_found();
    }
    let method = asked.request.method.as_str();
    // GitHub's page of permissions asks for "write" even to read Codespaces secrets of a repository.
    let needed = match (method, place) {
        ("GET", Place::Codespaces(_)) => Access::Write,
        ("GET", _) => Access::Read,
        _ => Access::Write,
    };
    let token = &github.tokens[asked.token];
    let permission = place.permission();
    match token.access(place, permission) {
        Some(access) if access < needed && exists(github, place) => return denied(token, permission, needed),
        Some(access) if access >= needed && github.places.contains_key(place) => {}
        _ => return accepting(not_found(), token, permission, needed),
    }
    if method != "GET" && place.repository().is_some_and(|name| github.traits(&Place::repo(name)).archived) {
        return error(403, "Repository was archived so is read-only.");
    }
    if let Some(limit) = (method != "GET").then(|| github.pace_write()).flatten() {
        let reply = error(limit.status, "You have exceeded a secondary rate limit.");
        return limit.retry_after.into_iter().fold(reply, |reply, seconds| reply.with("retry-after", seconds));
    }
    match (method, rest) {
        ("GET", []) => list(github, place, asked.request),
        ("GET", ["public-key"]) => {
            let vault = &github.places[place];
            Reply::json(200, json!({ "key_id": vault.key_id, "key": vault.public_key() }))
        }
        ("GET", [name]) => match github.secret(place, name) {
            Some(secret) => Reply::json(200, shown(place, &name.to_ascii_uppercase(), secret)),
            None => not_found(),
        },
        ("GET", [name, "repositories"]) => repositories(github, asked, place, name),
        ("PUT", [name]) => put(github, place, name, asked.request),
        ("DELETE", [name]) if github.remove(place, name) => Reply::empty(204),
        _ => not_found(),
    }
}

/// What a token without the permission is told of: not whether an environment exists, but that its repository does.
fn exists(github: &GitHub, place: &Place) -> bool {
    let holder = place.repository().map_or_else(|| place.clone(), Place::repo);
    github.places.contains_key(&holder)
}

fn put(github: &mut GitHub, place: &Place, name: &str, request: &Inbound) -> Reply {
    let body = request.json().unwrap_or_default();
    let field = |name: &str| body.get(name).and_then(Value::as_str);
    let (Some(sealed), Some(key_id)) = (field("encrypted_value"), field("key_id")) else {
        return error(422, "Invalid request.\n\n\"encrypted_value\" and \"key_id\" weren't supplied.");
    };
    let scope = match place.organisation().map(|_| scope(place, &body)).transpose() {
        Ok(scope) => scope,
        Err(why) => return error(422, why),
    };
    match github.write_sealed(place, name, sealed, key_id, scope) {
        Ok(Wrote::Created) => Reply::json(201, json!({})),
        Ok(Wrote::Updated) => Reply::empty(204),
        Err(why) => error(422, why),
    }
}

/// The scope that a body asks for. A list that is left out is an empty one.
fn scope(place: &Place, body: &Value) -> Result<Scope, &'static str> {
    let ids = body.get("selected_repository_ids").map(|ids| numbers(place, ids)).transpose()?;
    match (body.get("visibility").and_then(Value::as_str), ids) {
        (Some("all"), None) => Ok(Scope::All),
        (Some("private"), None) => Ok(Scope::Private),
        (Some("selected"), ids) => Ok(Scope::Selected(ids.unwrap_or_default())),
        (Some("all" | "private"), Some(_)) => {
            Err("Invalid request.\n\nselected_repository_ids needs visibility selected")
        }
        _ => Err("Invalid request.\n\n\"visibility\" wasn't supplied."),
    }
}

fn numbers(place: &Place, ids: &Value) -> Result<BTreeSet<u64>, &'static str> {
    let number = |id: &Value| match id {
        Value::String(text) if !matches!(place, Place::CodespacesOrg(_) | Place::AgentsOrg(_)) => text.parse().ok(),
        id => id.as_u64(),
    };
    let ids = ids.as_array().and_then(|ids| ids.iter().map(number).collect());
    ids.ok_or("Invalid request.\n\nselected_repository_ids is no list of numbers")
}

/// GitHub's page "List repository organization secrets".
pub(super) fn of_organisation(github: &GitHub, asked: &Asked<'_>, full_name: &str) -> Reply {
    let place = Place::repo(full_name);
    let token = &github.tokens[asked.token];
    match token.access(&place, Permission::Secrets) {
        Some(access) if access < Access::Read && exists(github, &place) => {
            return denied(token, Permission::Secrets, Access::Read);
        }
        Some(_) if github.places.contains_key(&place) => {}
        _ => return not_found(),
    }
    let all: Vec<_> = github.shown_by_organisation(full_name).collect();
    // Its rows say nothing of the scope.
    let rows: Vec<Value> = page(asked.request, &all).iter().map(|(name, secret)| shown(&place, name, secret)).collect();
    Reply::json(200, json!({ "total_count": all.len(), "secrets": rows }))
}

fn list(github: &GitHub, place: &Place, request: &Inbound) -> Reply {
    let all: Vec<(&String, &Secret)> = github.places[place].secrets.iter().collect();
    let rows: Vec<Value> = page(request, &all).iter().map(|(name, secret)| shown(place, name, secret)).collect();
    Reply::json(200, json!({ "total_count": all.len(), "secrets": rows }))
}

/// The repositories that a secret is shown to. Those that the token can't see are counted all the same.
fn repositories(github: &GitHub, asked: &Asked<'_>, place: &Place, name: &str) -> Reply {
    let Some(Scope::Selected(ids)) = github.secret(place, name).and_then(|secret| secret.scope.as_ref()) else {
        return not_found();
    };
    let sees = |name: &&str| github.tokens[asked.token].access(&Place::repo(name), Permission::Metadata).is_some();
    let seen: Vec<Value> = ids
        .iter()
        .filter_map(|id| github.repository_with_id(*id).filter(sees))
        .map(|name| &github.places[&Place::repo(name)])
        .map(|vault| repository::row(vault.id, &vault.shown).into())
        .collect();
    Reply::json(200, json!({ "total_count": ids.len(), "repositories": page(asked.request, &seen) }))
}

fn shown(place: &Place, name: &str, secret: &Secret) -> Value {
    let mut row = json!({
        "name": name,
        "created_at": secret.created_at.to_string(),
        "updated_at": secret.updated_at.to_string(),
    });
    if let (Some(scope), Some(org)) = (&secret.scope, place.organisation()) {
        row["visibility"] = scope.visibility().into();
        if let Scope::Selected(_) = scope {
            let url = format!("https://api.github.com/orgs/{org}/actions/secrets/{name}/repositories");
            row["selected_repositories_url"] = url.into();
        }
    }
    row
}
