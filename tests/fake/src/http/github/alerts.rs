//! Alerts of secret scanning: GitHub's page "REST API endpoints for secret scanning".

use serde_json::{Value, json};

use super::refusal::{denied, error, not_found};
use super::{Asked, linked, page, repository};
use crate::github::{Access, Alert, GitHub, Permission, Place};
use crate::http::Reply;

/// GitHub takes no longer comments.
const LONGEST_COMMENT: usize = 280;

/// Answers what lies below `secret-scanning/alerts` of a repository.
pub(super) fn of_repository(github: &mut GitHub, asked: &Asked<'_>, full_name: &str, rest: &[&str]) -> Reply {
    let place = Place::repo(full_name);
    let needed = if asked.request.method == "GET" { Access::Read } else { Access::Write };
    let token = &github.tokens[asked.token];
    match token.access(&place, Permission::SecretScanningAlerts) {
        Some(_) if !github.places.contains_key(&place) => return not_found(),
        None => return not_found(),
        Some(access) if access < needed => return denied(token, Permission::SecretScanningAlerts, needed),
        Some(_) if github.scans_not.contains(&place) => {
            return error(404, "Secret scanning is disabled on this repository.");
        }
        Some(_) => {}
    }
    match (asked.request.method.as_str(), rest) {
        ("GET", []) => list(github, asked, |alert| alert.repo == place, false),
        ("GET" | "PATCH", [number]) => {
            let number = number.parse().unwrap_or(0);
            match github.alerts.iter().position(|it| it.repo == place && it.number == number) {
                Some(at) if asked.request.method == "GET" => Reply::json(200, row(github, &github.alerts[at], false)),
                Some(at) => update(github, asked, at),
                None => not_found(),
            }
        }
        _ => not_found(),
    }
}

/// The alerts of all repositories of an organisation that the token reaches.
pub(super) fn of_organisation(github: &GitHub, asked: &Asked<'_>, org: &str) -> Reply {
    let token = &github.tokens[asked.token];
    let (place, within) = (Place::org(org), format!("{}/", org.to_ascii_lowercase()));
    if !github.has_organisation(org) {
        return not_found();
    }
    match token.access(&place, Permission::SecretScanningAlerts) {
        None => return not_found(),
        Some(Access::Metadata) => return denied(token, Permission::SecretScanningAlerts, Access::Read),
        Some(_) => {}
    }
    let reaches = |alert: &Alert| {
        alert.repo.repository().is_some_and(|name| name.starts_with(&within))
            && token.access(&alert.repo, Permission::SecretScanningAlerts).is_some()
    };
    list(github, asked, reaches, true)
}

fn list(github: &GitHub, asked: &Asked<'_>, of: impl Fn(&Alert) -> bool, with_repository: bool) -> Reply {
    let state = asked.request.query("state");
    let fits = |alert: &&Alert| of(alert) && state.is_none_or(|state| (state == "open") == alert.open);
    // The newest first.
    let rows: Vec<_> = github.alerts.iter().filter(fits).rev().collect();
    let shown: Vec<Value> = page(asked.request, &rows).iter().map(|it| row(github, it, with_repository)).collect();
    linked(asked.request, rows.len(), Reply::json(200, json!(shown)))
}

fn update(github: &mut GitHub, asked: &Asked<'_>, at: usize) -> Reply {
    let Some(body) = asked.request.json() else { return error(400, "Problems parsing JSON") };
    let comment = body["resolution_comment"].as_str().map(str::to_owned);
    let known = ["false_positive", "wont_fix", "revoked", "used_in_tests"];
    let resolution = body["resolution"].as_str().filter(|word| known.contains(word)).map(str::to_owned);
    let is_long = comment.as_ref().is_some_and(|comment| comment.chars().count() > LONGEST_COMMENT);
    let open = match body["state"].as_str() {
        Some("resolved") if resolution.is_some() && !is_long => false,
        Some("open") => true,
        _ => return error(422, "State does not match the resolution or resolution comment, or the alert is invalid."),
    };
    let alert = &mut github.alerts[at];
    (alert.open, alert.resolution, alert.comment) = (open, resolution, comment);
    let shown = github.alerts[at].clone();
    Reply::json(200, row(github, &shown, false))
}

fn row(github: &GitHub, alert: &Alert, with_repository: bool) -> Value {
    let vault = &github.places[&alert.repo];
    let at = github.clock.now_in_seconds().to_string();
    let resolved = (!alert.open).then(|| at.clone());
    let url = format!("https://api.github.com/repos/{}/secret-scanning/alerts/{}", vault.shown, alert.number);
    let mut row = json!({
        "number": alert.number,
        "created_at": alert.created_at.to_string(),
        "updated_at": at,
        "url": url,
        "html_url": format!("https://github.com/{}/security/secret-scanning/{}", vault.shown, alert.number),
        "locations_url": format!("{url}/locations"),
        "state": if alert.open { "open" } else { "resolved" },
        "resolution": alert.resolution,
        "resolved_at": resolved,
        "resolved_by": null,
        "resolution_comment": alert.comment,
        "secret_type": "arouter_api_key",
        "secret_type_display_name": "ARouter API key",
        "validity": "unknown",
        "publicly_leaked": false,
        "multi_repo": false,
        "is_base64_encoded": false,
        "push_protection_bypassed": false,
        "push_protection_bypassed_by": null,
        "push_protection_bypassed_at": null,
    });
    if let Some(value) = &alert.value {
        row["secret"] = json!(value);
    }
    if with_repository {
        row["repository"] = repository::listed(vault.id, &vault.shown, &github.traits(&alert.repo));
    }
    row
}
