//! GitHub's routes: the Actions secrets of repositories.

use serde_json::{Value, json};

use super::message::{Inbound, Reply};
use crate::github::{Access, GitHub, Place, Secret, Wrote};

const DOCS: &str = "https://docs.github.com/rest/actions/secrets";

/// Answers one request.
pub(super) fn answer(github: &mut GitHub, request: &Inbound) -> Reply {
    let reply = dispatch(github, request);
    let Some(left) = github.rate_limit_remaining else { return reply };
    github.rate_limit_remaining = Some(left.saturating_sub(1));
    let reset = github.clock.now().as_second() + 3600;
    reply.with("x-ratelimit-limit", 5000).with("x-ratelimit-remaining", left).with("x-ratelimit-reset", reset)
}

fn dispatch(github: &mut GitHub, request: &Inbound) -> Reply {
    let Some(token) = request.credential() else { return error(401, "Requires authentication") };
    if !github.tokens.contains_key(token) {
        return error(401, "Bad credentials");
    }
    let mut segments = request.segments();
    // GitHub Enterprise Server has its API there.
    if segments.starts_with(&["api", "v3"]) {
        segments.drain(..2);
    }
    let (place, rest) = match segments.as_slice() {
        ["repos", owner, name, "actions", "secrets", rest @ ..] => (Place::repo(&format!("{owner}/{name}")), rest),
        ["repositories", id, "actions", "secrets", rest @ ..] => {
            let place = id.parse().ok().and_then(|id| github.place_with_id(id));
            let Some(place) = place else { return error(404, "Not Found") };
            (place.clone(), rest)
        }
        _ => return error(404, "Not Found"),
    };
    if let Some(now_at) = github.moved.get(&place) {
        return redirect(github, now_at, request, rest);
    }

    let reads = request.method == "GET";
    let (needed, permission) = if reads { (Access::Read, "secrets=read") } else { (Access::Write, "secrets=write") };
    match github.access(token, &place) {
        None => return error(404, "Not Found").with("x-accepted-github-permissions", permission),
        Some(access) if access < needed => {
            return error(403, "Resource not accessible by personal access token")
                .with("x-accepted-github-permissions", permission);
        }
        Some(_) => {}
    }
    if let Some(limit) = (!reads).then(|| github.pace_write()).flatten() {
        let reply = error(limit.status, "You have exceeded a secondary rate limit.");
        return limit.retry_after.into_iter().fold(reply, |reply, seconds| reply.with("retry-after", seconds));
    }
    match (request.method.as_str(), rest) {
        ("GET", []) => list(github, &place, request),
        ("GET", ["public-key"]) => {
            let vault = &github.places[&place];
            Reply::json(200, json!({ "key_id": vault.key_id, "key": vault.public_key() }))
        }
        ("GET", [name]) => match github.secret(&place, name) {
            Some(secret) => Reply::json(200, shown(&name.to_ascii_uppercase(), secret)),
            None => error(404, "Not Found"),
        },
        ("PUT", [name]) => put(github, &place, name, request),
        ("DELETE", [name]) if github.remove(&place, name) => Reply::empty(204),
        _ => error(404, "Not Found"),
    }
}

fn put(github: &mut GitHub, place: &Place, name: &str, request: &Inbound) -> Reply {
    let body = request.json().unwrap_or_default();
    let field = |name: &str| body.get(name).and_then(Value::as_str);
    let (Some(sealed), Some(key_id)) = (field("encrypted_value"), field("key_id")) else {
        return error(422, "Invalid request.\n\n\"encrypted_value\" and \"key_id\" weren't supplied.");
    };
    match github.write_sealed(place, name, sealed, key_id) {
        Ok(Wrote::Created) => Reply::json(201, json!({})),
        Ok(Wrote::Updated) => Reply::empty(204),
        Err(why) => error(422, why),
    }
}

fn list(github: &GitHub, place: &Place, request: &Inbound) -> Reply {
    let secrets = &github.places[place].secrets;
    let size = request.number("per_page").unwrap_or(30).clamp(1, 100);
    let skip = request.number("page").unwrap_or(1).saturating_sub(1).saturating_mul(size);
    let rows: Vec<Value> = secrets.iter().skip(skip).take(size).map(|(name, secret)| shown(name, secret)).collect();
    Reply::json(200, json!({ "total_count": secrets.len(), "secrets": rows }))
}

fn shown(name: &str, secret: &Secret) -> Value {
    json!({
        "name": name,
        "created_at": secret.created_at.to_string(),
        "updated_at": secret.updated_at.to_string(),
    })
}

fn redirect(github: &GitHub, to: &Place, request: &Inbound, rest: &[&str]) -> Reply {
    let id = github.places[to].id;
    let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
    let tail: String = rest.iter().map(|part| format!("/{part}")).collect();
    let location = format!("http://{}/repositories/{id}/actions/secrets{tail}{query}", request.host);
    let (status, message) =
        if request.method == "GET" { (301, "Moved Permanently") } else { (307, "Temporary Redirect") };
    let body = json!({ "message": message, "url": location, "documentation_url": DOCS });
    Reply::json(status, body).with("location", location)
}

fn error(status: u16, message: &str) -> Reply {
    Reply::json(status, json!({ "message": message, "documentation_url": DOCS, "status": status.to_string() }))
}
