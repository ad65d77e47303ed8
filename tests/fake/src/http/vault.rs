//! Vault's routes, as far as a KV secret needs them. What is decided is decided by the model; here it is only spelled.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::message::{Inbound, Reply};
use crate::runner::Runner;
use crate::vault::{Condition, NotWritten, Token, Vault, Version};

const PREFLIGHT: [&str; 4] = ["sys", "internal", "ui", "mounts"];

/// Answers one request.
pub(super) fn answer(vault: &mut Vault, runner: &Runner, request: &Inbound) -> Reply {
    match &vault.condition {
        Condition::Active => {}
        Condition::Sealed => return errors(503, &["Vault is sealed"]),
        Condition::Standby(status) => return errors(*status, &[]),
        Condition::Elsewhere(address) => {
            return Reply::empty(307).with("location", format!("{address}{}", request.path_and_query()));
        }
        Condition::Follows(address) if request.path == "/v1/sys/leader" => {
            let cluster = "https://10.0.0.7:8201";
            return Reply::json(
                200,
                json!({
                    "ha_enabled": true, "is_self": false, "leader_address": address, "leader_cluster_address": cluster,
                    "performance_standby": false, "performance_standby_last_remote_wal": 0,
                }),
            );
        }
        Condition::Follows(address) if address.strip_prefix("http://") != Some(&request.host) => {
            return Reply::empty(307).with("location", format!("{address}{}", request.path_and_query()));
        }
        Condition::Follows(_) => {}
    }
    let segments = request.decoded_segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let ["v1", path @ ..] = segments.as_slice() else { return errors(404, &[]) };
    let same_namespace = request.header("x-vault-namespace") == vault.namespace.as_deref();
    match path {
        ["auth", mount @ .., "login"] => return log_in(vault, runner, request, &mount.join("/"), same_namespace),
        _ if !same_namespace => return denied(),
        _ => {}
    }
    let Some(token) = request.header("x-vault-token").and_then(|value| vault.use_token(value)) else {
        return denied();
    };
    match path {
        ["sys", "capabilities-self"] => capabilities(&token, request),
        _ if path.starts_with(&PREFLIGHT) => preflight(vault, &token, &path[PREFLIGHT.len()..].join("/")),
        _ => secret(vault, &token, request, &path.join("/")),
    }
}

fn log_in(vault: &mut Vault, runner: &Runner, request: &Inbound, mount: &str, same_namespace: bool) -> Reply {
    if mount != vault.jwt_mount || !same_namespace {
        return denied();
    }
    let body = request.json().unwrap_or_default();
    let field = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let Some(role) = vault.roles.get(field("role")).cloned() else {
        return errors(400, &[&format!("role {:?} could not be found", field("role"))]);
    };
    let Some(claims) = runner.claims(field("jwt")) else {
        return errors(400, &["error validating token: invalid issuer (iss) claim"]);
    };
    if claims["aud"] != role.audience.as_str() {
        return errors(
            400,
            &["error validating token: invalid audience (aud) claim: audience claim does not match any bound audience"],
        );
    }
    if claims["sub"] != role.subject.as_str() {
        return errors(400, &["error validating claims: sub claim does not match bound subject"]);
    }
    let token = vault.log_in(&role);
    let auth = json!({
        "client_token": token,
        "accessor": "0e9e354a-520f-df04-6867-ee81cae3d42d",
        "policies": ["default"],
        "lease_duration": role.ttl.as_secs(),
        "renewable": true,
        "num_uses": role.token.uses.unwrap_or_default(),
    });
    Reply::json(200, json!({ "request_id": "5b1bb2a0", "data": null, "warnings": null, "auth": auth }))
}

/// Every capability on every path that was asked for.
fn capabilities(token: &Token, request: &Inbound) -> Reply {
    if !token.has_default_policy {
        return denied();
    }
    let body = request.json().unwrap_or_default();
    let paths = body.get("paths").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut told = Map::new();
    for path in paths.iter().filter_map(Value::as_str) {
        told.insert(path.to_owned(), token.capabilities(path).into());
        told.insert("capabilities".to_owned(), token.capabilities(path).into());
    }
    let mut whole = told.clone();
    whole.insert("data".to_owned(), told.into());
    Reply::json(200, Value::Object(whole))
}

/// Vault does not tell a mount that does not exist from one that the token may do nothing in.
fn preflight(vault: &Vault, token: &Token, path: &str) -> Reply {
    let may_something = |mount: &str| {
        token.grants.iter().any(|(known, granted)| {
            known == "*" || known.starts_with(&format!("{mount}/")) && !granted.contains(&"deny")
        })
    };
    match vault.locate(path) {
        Some((name, mount, _)) if may_something(name) => data(json!({
            "accessor": "kv_49b69a5e",
            "deprecation_status": "supported",
            "description": "key/value secret storage",
            "options": { "version": mount.version.to_string() },
            "path": format!("{name}/"),
            "type": "kv",
            "uuid": "b4c0ba2e-1f1b-4b1b-8a3b-8a0ff5d3a1b7",
        })),
        _ => errors(
            403,
            &[&format!(
                "preflight capability check returned 403, please ensure client's policies grant access to path \"{path}/\""
            )],
        ),
    }
}

fn secret(vault: &mut Vault, token: &Token, request: &Inbound, path: &str) -> Reply {
    let Some((mount, version, rest)) =
        vault.locate(path).map(|(name, mount, rest)| (name.to_owned(), mount.version, rest))
    else {
        return denied_or(
            token,
            "read",
            path,
            errors(404, &[&format!("no handler for route {path:?}. route entry not found.")]),
        );
    };
    if version == 1 {
        return plain(vault, token, request, path);
    }
    let (side, below) = rest.split_once('/').unwrap_or((rest, ""));
    if side == "metadata" && request.query("list") == Some("true") {
        return list(vault, token, &format!("{path}/"), (&mount, below));
    }
    let place = format!("{mount}/{below}");
    let known_side = side == "data" || side == "subkeys" && vault.has_subkeys;
    if !known_side || below.is_empty() {
        return denied_or(token, "read", path, errors(404, &["1 error occurred:\n\t* unsupported path\n\n"]));
    }
    let needed = match request.method.as_str() {
        "GET" => "read",
        "PATCH" if !vault.has_patch => return errors(405, &[]),
        "PATCH" => "patch",
        _ if vault.secret(&place).is_some() => "update",
        _ => "create",
    };
    if !token.may(needed, path) {
        return denied();
    }
    match (request.method.as_str(), side) {
        ("GET", side) => read(vault, request, &place, side),
        ("PATCH" | "POST" | "PUT", "data") => write(vault, request, &place),
        _ => errors(405, &["1 error occurred:\n\t* unsupported operation\n\n"]),
    }
}

/// The names in a folder of a mount; a folder's own ends with a slash.
fn list(vault: &Vault, token: &Token, path: &str, (mount, folder): (&str, &str)) -> Reply {
    if !token.may("list", path) {
        return denied();
    }
    let below = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let secrets = vault.mounts[mount].secrets.keys().filter_map(|name| name.strip_prefix(&below));
    let name = |rest: &str| rest.split_inclusive('/').next().unwrap_or_default().to_owned();
    let names: BTreeSet<_> = secrets.map(name).collect();
    if names.is_empty() { errors(404, &[]) } else { data(json!({ "keys": names })) }
}

/// A secret in a mount of version 1.
fn plain(vault: &mut Vault, token: &Token, request: &Inbound, path: &str) -> Reply {
    if request.query("list") == Some("true") {
        let (mount, folder) = path.split_once('/').unwrap_or((path, ""));
        return list(vault, token, &format!("{path}/"), (mount, folder));
    }
    let known = vault.secret(path).and_then(|secret| secret.newest()).map(|version| version.data.clone());
    let needed = match (request.method.as_str(), &known) {
        ("GET", _) => "read",
        ("DELETE", _) => "delete",
        ("PATCH", _) => return errors(405, &["1 error occurred:\n\t* unsupported operation\n\n"]),
        (_, Some(_)) => "update",
        (_, None) => "create",
    };
    if !token.may(needed, path) {
        return denied();
    }
    match (needed, known) {
        ("read", Some(known)) => data(known.into()),
        ("read", None) => errors(404, &[]),
        ("delete", _) => {
            vault.forget(path);
            Reply::empty(204)
        }
        _ => match request.json().and_then(|body| body.as_object().cloned()).filter(|fields| !fields.is_empty()) {
            Some(fields) => {
                vault.write(path, fields, None).expect("no check-and-set");
                Reply::empty(204)
            }
            None => errors(400, &["missing data fields"]),
        },
    }
}

fn denied_or(token: &Token, needed: &str, path: &str, reply: Reply) -> Reply {
    if token.may(needed, path) { reply } else { denied() }
}

fn read(vault: &Vault, request: &Inbound, place: &str, side: &str) -> Reply {
    let Some(secret) = vault.secret(place) else { return errors(404, &[]) };
    let number = request.number("version").and_then(|number| u64::try_from(number).ok()).unwrap_or(secret.current);
    let Some(version) = secret.versions.get(&number) else { return errors(404, &[]) };
    let told = |held: Value| {
        let field = if side == "data" { "data" } else { "subkeys" };
        json!({ field: held, "metadata": metadata(number, version) })
    };
    if version.deleted {
        return Reply { status: 404, ..data(told(Value::Null)) };
    }
    let names = || version.data.keys().map(|name| (name.clone(), Value::Null)).collect::<Map<_, _>>();
    data(told(if side == "data" { version.data.clone().into() } else { names().into() }))
}

fn write(vault: &mut Vault, request: &Inbound, place: &str) -> Reply {
    let is_patch = request.method == "PATCH";
    if is_patch && request.header("content-type") != Some("application/merge-patch+json") {
        return errors(415, &["PATCH requires Content-Type of application/merge-patch+json"]);
    }
    let body = request.json().unwrap_or_default();
    let cas = body.pointer("/options/cas").and_then(Value::as_u64);
    let Some(fields) = body.get("data").and_then(Value::as_object) else { return errors(400, &["no data provided"]) };
    let written = if is_patch { vault.patch(place, fields, cas) } else { vault.write(place, fields.clone(), cas) };
    match written {
        Ok(number) => {
            let version = vault.secret(place).and_then(|secret| secret.versions.get(&number));
            data(version.map_or(Value::Null, |version| metadata(number, version)))
        }
        Err(NotWritten::LostRace) => errors(400, &["check-and-set parameter did not match the current version"]),
        Err(NotWritten::CasRequired) => errors(400, &["check-and-set parameter required for this call"]),
        Err(NotWritten::NotFound) => errors(404, &[]),
    }
}

fn metadata(number: u64, version: &Version) -> Value {
    json!({
        "created_time": version.created.to_string(),
        "custom_metadata": null,
        "deletion_time": version.ends.map_or_else(String::new, |at| at.to_string()),
        "destroyed": false,
        "version": number,
    })
}

fn data(held: Value) -> Reply {
    Reply::json(
        200,
        json!({
            "request_id": "2f5e4a4d-0ee4-6e1a-1d5a-5f7f0b3a8d21",
            "lease_id": "",
            "renewable": false,
            "lease_duration": 0,
            "data": held,
            "wrap_info": null,
            "warnings": null,
            "auth": null,
            "mount_type": "kv",
        }),
    )
}

fn denied() -> Reply {
    errors(403, &["1 error occurred:\n\t* permission denied\n\n"])
}

fn errors(status: u16, errors: &[&str]) -> Reply {
    Reply::json(status, json!({ "errors": errors }))
}
