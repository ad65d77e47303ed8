//! GitHub's routes: secrets of repositories, environments and organisations, and what leads to them.

mod actions;
mod alerts;
mod refusal;
mod repository;
mod secrets;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

pub(super) use self::refusal::error;
use self::refusal::{denied, not_found};
use super::app;
use super::message::{Inbound, Reply};
use crate::github::{Access, GitHub, Permission, Place, TokenKind};

/// One request with who asks and for what: the path below GitHub's address, its parts decoded.
struct Asked<'a> {
    request: &'a Inbound,
    token: &'a str,
    parts: Vec<String>,
}

/// Answers one request.
pub(super) fn answer(github: &mut GitHub, request: &Inbound) -> Reply {
    let mut reply = dispatch(github, request);
    if let Some(token) = request.credential().and_then(|token| github.tokens.get(token)) {
        if let Some(expires) = token.expires.filter(|_| token.installation().is_none()) {
            let shown = expires.strftime("%Y-%m-%d %H:%M:%S UTC");
            reply = reply.with("github-authentication-token-expiration", shown);
        }
        if let TokenKind::Classic(scopes) = &token.kind {
            reply = reply.with("x-oauth-scopes", scopes.join(", "));
        }
    }
    let Some(left) = github.rate_limit_remaining else { return reply };
    github.rate_limit_remaining = Some(left.saturating_sub(1));
    let reset = github.clock.now().as_second() + 3600;
    reply.with("x-ratelimit-limit", 5000).with("x-ratelimit-remaining", left).with("x-ratelimit-reset", reset)
}

fn dispatch(github: &mut GitHub, request: &Inbound) -> Reply {
    let Some(token) = request.credential() else { return error(401, "Requires authentication") };
    let mut parts = request.decoded_segments();
    // GitHub Enterprise Server has its API there.
    if parts.starts_with(&["api".to_owned(), "v3".to_owned()]) {
        parts.drain(..2);
    }
    let asked = Asked { request, token, parts };
    let parts: Vec<&str> = asked.parts.iter().map(String::as_str).collect();
    if let Some(reply) = app::answer(github, request, &parts) {
        return reply;
    }
    if !github.takes(token) {
        return error(401, "Bad credentials");
    }
    match parts.as_slice() {
        ["repos", owner, name, rest @ ..] => of_repository(github, &asked, &format!("{owner}/{name}"), rest),
        ["repositories", id, rest @ ..] => {
            let name = id.parse().ok().and_then(|id| github.repository_with_id(id)).map(str::to_owned);
            name.map_or_else(not_found, |name| of_repository(github, &asked, &name, rest))
        }
        ["orgs", org, "repos"] if asked.request.method == "GET" && github.has_organisation(org) => {
            listed(github, &asked, org, |_| true)
        }
        ["user", "repos"] if asked.request.method == "GET" => {
            let login = github.tokens[asked.token].login.clone();
            listed(github, &asked, &login, |_| true)
        }
        ["installation", "repositories"] if asked.request.method == "GET" => of_installation(github, &asked),
        ["orgs", org, "secret-scanning", "alerts"] if asked.request.method == "GET" => {
            alerts::of_organisation(github, &asked, org)
        }
        ["orgs", org, service, "secrets", rest @ ..] => {
            let org = org.to_ascii_lowercase();
            match *service {
                "actions" => secrets::answer(github, &asked, &Place::Org(org), rest),
                "dependabot" => secrets::answer(github, &asked, &Place::DependabotOrg(org), rest),
                "codespaces" => secrets::answer(github, &asked, &Place::CodespacesOrg(org), rest),
                "agents" => secrets::answer(github, &asked, &Place::AgentsOrg(org), rest),
                _ => not_found(),
            }
        }
        _ => not_found(),
    }
}

fn of_repository(github: &mut GitHub, asked: &Asked<'_>, full_name: &str, rest: &[&str]) -> Reply {
    if let Some(now_at) = github.moved.get(&Place::repo(full_name)) {
        return redirect(github, now_at, asked.request);
    }
    let lower = full_name.to_ascii_lowercase();
    match rest {
        ["environments", name, "secrets", rest @ ..] => {
            secrets::answer(github, asked, &Place::environment(full_name, name), rest)
        }
        ["secret-scanning", "alerts", rest @ ..] => alerts::of_repository(github, asked, full_name, rest),
        ["actions", "secrets", rest @ ..] => secrets::answer(github, asked, &Place::Repo(lower), rest),
        ["actions", what @ ("runs" | "workflows"), rest @ ..] => {
            if let (true, "runs", [id]) = (asked.request.method == "GET", *what, rest) {
                id.parse().into_iter().for_each(|id| github.come_further(id));
            }
            let rest: Vec<&str> = std::iter::once(*what).chain(rest.iter().copied()).collect();
            actions::answer(github, asked, full_name, &rest)
        }
        ["actions", "organization-secrets"] if asked.request.method == "GET" => {
            secrets::of_organisation(github, asked, full_name)
        }
        ["actions", "variables"] if asked.request.method == "GET" => variables(github, asked, full_name),
        ["contents", path @ ..] if asked.request.method == "GET" => file(github, asked, full_name, &path.join("/")),
        ["dependabot", "secrets", rest @ ..] => secrets::answer(github, asked, &Place::Dependabot(lower), rest),
        ["codespaces", "secrets", rest @ ..] => secrets::answer(github, asked, &Place::Codespaces(lower), rest),
        ["agents", "secrets", rest @ ..] => secrets::answer(github, asked, &Place::Agents(lower), rest),
        [] if asked.request.method == "GET" => {
            let sees = github.tokens[asked.token].access(&Place::repo(full_name), Permission::Metadata).is_some();
            let vault = github.places.get(&Place::repo(full_name)).filter(|_| sees);
            vault.map_or_else(not_found, |vault| Reply::json(200, repository::whole(vault.id, &vault.shown)))
        }
        ["environments", name @ ..] if asked.request.method == "GET" => environments(github, asked, full_name, name),
        _ => not_found(),
    }
}

fn environments(github: &GitHub, asked: &Asked<'_>, full_name: &str, name: &[&str]) -> Reply {
    let token = &github.tokens[asked.token];
    let place = Place::repo(full_name);
    match token.access(&place, Permission::Actions) {
        Some(_) if !github.places.contains_key(&place) => return not_found(),
        None => return not_found(),
        Some(Access::Metadata) => return denied(token, Permission::Actions, Access::Read),
        Some(_) => {}
    }
    let all: Vec<&str> = github.environments(full_name).map(|vault| vault.shown.as_str()).collect();
    match name {
        [] => {
            let rows: Vec<Value> = page(asked.request, &all).iter().map(|name| environment(full_name, name)).collect();
            Reply::json(200, json!({ "total_count": all.len(), "environments": rows }))
        }
        [name] => match all.iter().find(|known| known.to_lowercase() == name.to_lowercase()) {
            Some(name) => Reply::json(200, environment(full_name, name)),
            None => not_found(),
        },
        _ => not_found(),
    }
}

/// GitHub's page "Get repository content".
fn file(github: &GitHub, asked: &Asked<'_>, full_name: &str, path: &str) -> Reply {
    let place = Place::repo(full_name);
    let token = &github.tokens[asked.token];
    match token.access(&place, Permission::Contents) {
        Some(access) if access >= Access::Read => {}
        Some(_) if github.places.contains_key(&place) => return denied(token, Permission::Contents, Access::Read),
        _ => return not_found(),
    }
    let Some(text) = github.files.get(&(place, path.to_owned())) else { return not_found() };
    // Lines of 60 letters, as GitHub sends them.
    let letters = STANDARD.encode(text).into_bytes();
    let content: String = letters.chunks(60).map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect();
    Reply::json(200, json!({ "type": "file", "encoding": "base64", "path": path, "content": content }))
}

/// GitHub's page "List repository variables": 10 of them, or up to 30.
fn variables(github: &GitHub, asked: &Asked<'_>, full_name: &str) -> Reply {
    let place = Place::repo(full_name);
    let token = &github.tokens[asked.token];
    match token.access(&place, Permission::Variables) {
        Some(access) if github.places.contains_key(&place) => {
            if access < Access::Read {
                return denied(token, Permission::Variables, Access::Read);
            }
        }
        _ => return not_found(),
    }
    let all: Vec<_> = github.variables.get(&place).into_iter().flatten().collect();
    let now = github.clock.now_in_seconds().to_string();
    let row = |(name, value): &(&String, &String)| json!({ "name": name, "value": value, "created_at": now, "updated_at": now });
    let rows: Vec<Value> = page_of(asked.request, &all, 10, 30).iter().map(row).collect();
    Reply::json(200, json!({ "total_count": all.len(), "variables": rows }))
}

/// The repositories of an account that a token sees: public ones, and those that it was given.
fn listed(github: &GitHub, asked: &Asked<'_>, owner: &str, and: impl Fn(&Place) -> bool) -> Reply {
    let rows = rows_of(github, asked, owner, and);
    let shown = page(asked.request, &rows);
    linked(asked.request, rows.len(), Reply::json(200, json!(shown)))
}

fn of_installation(github: &GitHub, asked: &Asked<'_>) -> Reply {
    let Some(id) = github.tokens[asked.token].installation() else {
        return error(
            403,
            "You must authenticate with an installation access token in order to list repositories for an installation.",
        );
    };
    let Some(installed) = github.app.as_ref().and_then(|app| app.installations.get(&id)) else { return not_found() };
    let rows = rows_of(github, asked, &installed.account, |place| installed.reaches(place));
    let body =
        json!({ "total_count": rows.len(), "repository_selection": "all", "repositories": page(asked.request, &rows) });
    linked(asked.request, rows.len(), Reply::json(200, body))
}

fn rows_of(github: &GitHub, asked: &Asked<'_>, owner: &str, and: impl Fn(&Place) -> bool) -> Vec<Value> {
    let token = &github.tokens[asked.token];
    let within = format!("{}/", owner.to_ascii_lowercase());
    let is_its = |place: &Place| matches!(place, Place::Repo(name) if name.starts_with(&within));
    let sees = |place: &Place| {
        github.traits(place).visibility == "public" || token.access(place, Permission::Metadata).is_some()
    };
    let places = github.places.iter().filter(|(place, _)| is_its(place) && sees(place) && and(place));
    places.map(|(place, vault)| repository::listed(vault.id, &vault.shown, &github.traits(place))).collect()
}

/// GitHub's page "Using pagination in the REST API".
fn linked(request: &Inbound, rows: usize, reply: Reply) -> Reply {
    let size = request.number("per_page").unwrap_or(30).clamp(1, 100);
    let page = request.number("page").unwrap_or(1);
    if page * size >= rows {
        return reply;
    }
    let address = format!("http://{}{}?per_page={size}&page={}", request.host, request.path, page + 1);
    reply.with("link", format!("<{address}>; rel=\"next\""))
}

/// The rows of the page that is asked for.
fn page<'a, T>(request: &Inbound, rows: &'a [T]) -> &'a [T] {
    page_of(request, rows, 30, 100)
}

fn page_of<'a, T>(request: &Inbound, rows: &'a [T], usual: usize, most: usize) -> &'a [T] {
    let size = request.number("per_page").unwrap_or(usual).clamp(1, most);
    let skip = request.number("page").unwrap_or(1).saturating_sub(1).saturating_mul(size).min(rows.len());
    &rows[skip..rows.len().min(skip + size)]
}

fn environment(full_name: &str, name: &str) -> Value {
    json!({
        "id": 161_088_068,
        "node_id": "MDExOkVudmlyb25tZW50MTYxMDg4MDY4",
        "name": name,
        "url": format!("https://api.github.com/repos/{full_name}/environments/staging"),
        "html_url": format!("https://github.com/{full_name}/deployments"),
        "created_at": "2026-11-23T22:00:40Z",
        "updated_at": "2026-11-23T22:00:40Z",
        "protection_rules": [],
    })
}

fn redirect(github: &GitHub, to: &Place, request: &Inbound) -> Reply {
    let id = github.places[to].id;
    let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
    let (base, below) = request.path.split_once("/repos/").expect("the path of a repository");
    let tail: String = below.split('/').skip(2).map(|part| format!("/{part}")).collect();
    let location = format!("http://{}{base}/repositories/{id}{tail}{query}", request.host);
    let (status, message) =
        if request.method == "GET" { (301, "Moved Permanently") } else { (307, "Temporary Redirect") };
    let body = json!({ "message": message, "url": location, "documentation_url": refusal::DOCS });
    Reply::json(status, body).with("location", location)
}
