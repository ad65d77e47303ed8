//! GitHub's routes for Apps: where one is installed, and its tokens.

use serde_json::{Value, json};

use super::github::error;
use super::message::{Inbound, Reply};
use crate::app::{App, Installation};
use crate::github::{GitHub, Place};

/// Answers a request of an App, or of one of its tokens about itself; `None` where it is about something else.
pub(super) fn answer(github: &mut GitHub, request: &Inbound, segments: &[&str]) -> Option<Reply> {
    match (request.method.as_str(), segments) {
        ("DELETE", ["installation", "token"]) => Some(revoke(github, request)),
        ("GET", ["repos", owner, name, "installation"]) => Some(signed(github, request, |github| {
            let place = Place::repo(&format!("{owner}/{name}"));
            if let Some(now_at) = github.moved.get(&place) {
                let id = github.places[now_at].id;
                let location = format!("http://{}/repositories/{id}/installation", request.host);
                return Reply::json(301, json!({ "message": "Moved Permanently", "url": location }))
                    .with("location", location);
            }
            of_place(github, Some(&place))
        })),
        ("GET", ["repositories", id, "installation"]) => Some(signed(github, request, |github| {
            let place = id.parse().ok().and_then(|id| github.repository_with_id(id)).map(Place::repo);
            of_place(github, place.as_ref())
        })),
        ("GET", ["orgs" | "users", account, "installation"]) => Some(signed(github, request, |github| {
            let app = github.app.as_ref().expect("checked");
            app.on(account).map_or_else(|| error(404, "Not Found"), |found| shown(app, found))
        })),
        ("POST", ["app", "installations", id, "access_tokens"]) => Some(signed(github, request, |github| {
            mint(github, id.parse().unwrap_or_default(), &request.json().unwrap_or_default())
        })),
        _ => None,
    }
}

/// Only an App may ask this.
fn signed(github: &mut GitHub, request: &Inbound, answer: impl FnOnce(&mut GitHub) -> Reply) -> Reply {
    let jwt = request.credential().unwrap_or_default();
    let now = github.clock.now();
    match github.app.as_ref().map(|app| app.check(jwt, now)) {
        None => error(404, "Integration not found"),
        Some(Err((status, message))) => error(status, message),
        Some(Ok(())) => answer(github),
    }
}

fn of_place(github: &GitHub, place: Option<&Place>) -> Reply {
    let app = github.app.as_ref().expect("checked");
    let place = place.filter(|place| github.places.contains_key(place));
    let found = place.and_then(|place| app.installations.iter().find(|(_, it)| it.reaches(place)));
    found.map_or_else(|| error(404, "Not Found"), |(id, it)| shown(app, (*id, it)))
}

fn mint(github: &mut GitHub, installation: u64, asked: &Value) -> Reply {
    match github.mint(installation, asked) {
        Ok((token, ends)) => {
            let permissions = &asked["permissions"];
            Reply::json(201, json!({ "token": token, "expires_at": ends.to_string(), "permissions": permissions }))
        }
        Err((status, message)) => error(status, message),
    }
}

fn revoke(github: &mut GitHub, request: &Inbound) -> Reply {
    let minted = request.credential().map(str::to_owned).filter(|token| github.takes(token));
    let token = minted.and_then(|token| github.tokens.get_mut(&token)).filter(|token| token.installation().is_some());
    let Some(token) = token else { return error(401, "Bad credentials") };
    token.revoked = true;
    Reply::empty(204)
}

fn shown(app: &App, (id, installation): (u64, &Installation)) -> Reply {
    let url = |tail: &str| format!("https://api.github.com/{tail}");
    let at = "2026-01-01T00:00:00Z";
    Reply::json(
        200,
        json!({
            "id": id,
            "account": null,
            "app_id": app.number,
            "client_id": app.client_id,
            "app_slug": "rotator",
            "target_id": 1,
            "target_type": "Organization",
            "repository_selection": if installation.only.is_some() { "selected" } else { "all" },
            "access_tokens_url": url(&format!("app/installations/{id}/access_tokens")),
            "repositories_url": url("installation/repositories"),
            "html_url": url(&format!("settings/installations/{id}")),
            "permissions": installation.permissions,
            "events": [],
            "single_file_name": null,
            "created_at": at,
            "updated_at": at,
            "suspended_by": null,
            "suspended_at": installation.suspended.then_some(at),
        }),
    )
}
