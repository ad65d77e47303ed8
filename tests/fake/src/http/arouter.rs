//! The issuer's routes, in ARouter's three dialects and OpenRouter's. What is decided is decided by the model; here it is only spelled.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::guardrails;
use super::message::{Inbound, Reply};
use crate::behaviour::{Behaviour, DeleteAnswer, Dialect, ErrorStyle};
use crate::issuer::{DEFAULT_WORKSPACE, Issuer, Key, Kind, ListQuery, Patch, Refused, Rights};

/// Answers one request.
pub(super) fn answer(issuer: &mut Issuer, request: &Inbound) -> Reply {
    match dispatch(issuer, request) {
        Ok(reply) => reply,
        Err(refused) => error(issuer, request, &refused),
    }
}

fn dispatch(issuer: &mut Issuer, request: &Inbound) -> Result<Reply, Refused> {
    let path = request.path.trim_end_matches('/');
    let guide = issuer.behaviour.dialect == Dialect::Guide;
    if let Some(rest) = path.strip_prefix(if guide { "/v1/keys" } else { "/api/v1/keys" }) {
        match rest.strip_prefix('/') {
            Some(id) => return one_key(issuer, request, id),
            None if rest.is_empty() => return keys(issuer, request),
            None => {}
        }
    }
    if let Some(rest) = path.strip_prefix("/api/v1/guardrails/")
        && issuer.behaviour.has_guardrails
    {
        return guardrails::answer(issuer, request, rest);
    }
    let is_key = path == "/v1/key" || path == "/api/v1/key" && !guide;
    let inference = path.strip_prefix(issuer.behaviour.inference_base);
    match (request.method.as_str(), inference) {
        ("GET", _) if is_key && issuer.behaviour.has_key_endpoint => own_key(issuer, request),
        ("GET", Some("/models")) => models(issuer, request),
        ("POST", Some("/chat/completions")) => chat(issuer, request),
        _ => Err(Refused::NotFound),
    }
}

fn keys(issuer: &mut Issuer, request: &Inbound) -> Result<Reply, Refused> {
    issuer.check_manager(request.credential())?;
    match request.method.as_str() {
        "GET" => Ok(list(issuer, request)),
        "POST" => create(issuer, request),
        _ => Err(Refused::NoSuchCall(405)),
    }
}

fn one_key(issuer: &mut Issuer, request: &Inbound, id: &str) -> Result<Reply, Refused> {
    issuer.check_manager(request.credential())?;
    match request.method.as_str() {
        "PATCH" => {
            let body = body_of(request)?;
            let patch = patch_of(issuer.behaviour.dialect, &body)?;
            let key = issuer.patch(id, patch)?.clone();
            Ok(Reply::json(200, json!({ "data": row(issuer, &key) })))
        }
        "DELETE" if issuer.delete(id) => Ok(match issuer.behaviour.delete_answer {
            DeleteAnswer::Wrapped => Reply::json(200, json!({ "data": { "deleted": true } })),
            DeleteAnswer::Flat => Reply::json(200, json!({ "deleted": true })),
            DeleteAnswer::NoContent => Reply::empty(204),
        }),
        "DELETE" => Err(Refused::NotFound),
        _ => Err(Refused::NoSuchCall(405)),
    }
}

fn list(issuer: &Issuer, request: &Inbound) -> Reply {
    let page = issuer.page(&ListQuery {
        page_size: request.number("page_size"),
        offset: request.number("offset").unwrap_or(0),
        page_token: request.query("page_token").map(str::to_owned),
        // The guide's list has no word for "disabled", so it hides nothing.
        include_disabled: issuer.behaviour.dialect == Dialect::Guide
            || request.query("include_disabled") == Some("true"),
        include_expired: request.query("include_expired") == Some("true"),
        workspace: request.query("workspace_id").map(str::to_owned),
    });
    let rows: Vec<Value> = page.keys.iter().map(|key| row(issuer, key)).collect();
    let mut body = json!({ "data": rows });
    if let Some(next) = page.next {
        body["next_page_token"] = next.into();
    }
    Reply::json(200, body)
}

fn create(issuer: &mut Issuer, request: &Inbound) -> Result<Reply, Refused> {
    let body = body_of(request)?;
    let name = text(&body, "name")?.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Refused::Malformed("name is required".into()))?;
    // What this issuer does not take, it ignores.
    let mut body: Map<_, _> = body;
    body.retain(|field, value| issuer.behaviour.create_takes.contains(&field.as_str()) && !value.is_null());
    let rights = rights_of(&body)?;
    let label = text(&body, "label")?;
    let known = ["limit", "limit_usd", "spending_limit", "limit_reset", "expires_at", "label"];
    let known = known.into_iter().chain(["allowed_providers", "allowed_models", "rate_limit"]).collect::<Vec<_>>();
    let extra: BTreeMap<_, _> = body.into_iter().filter(|(field, _)| !known.contains(&field.as_str())).collect();
    let mut id = issuer.create_with(&name, rights, extra).id.clone();
    if let (Some(label), Some(key)) = (label, issuer.key_mut(&id)) {
        key.label = Some(label);
    }
    let value = issuer.answered_value(issuer.key(&id).ok_or(Refused::NotFound)?);
    if let Some(first) = issuer.keys.first().filter(|_| issuer.behaviour.create_answers_first_id) {
        id = first.id.clone();
    }
    let mut key = Key { value, ..issuer.key(&id).ok_or(Refused::NotFound)?.clone() };
    if issuer.behaviour.create_answers_unlisted_id {
        key.id = "0".repeat(key.id.len());
    }
    let key = &key;
    let answer = match issuer.behaviour.dialect {
        Dialect::Mgmt | Dialect::OpenRouter if !issuer.behaviour.create_shows_row => {
            json!({ "data": { "hash": key.id }, "key": key.value })
        }
        Dialect::Mgmt | Dialect::OpenRouter => json!({ "data": row(issuer, key), "key": key.value }),
        Dialect::Guide => json!({ "key": key.value, "id": key.id }),
        Dialect::Overview => json!({ "key": key.value, "hash": key.id, "name": key.name }),
    };
    Ok(Reply::json(issuer.behaviour.create_status, answer))
}

fn own_key(issuer: &Issuer, request: &Inbound) -> Result<Reply, Refused> {
    let key = issuer.check_where_tried(request.credential())?;
    let mut data = json!({
        "label": key.label,
        "limit": key.rights.limit,
        "limit_remaining": key.rights.limit.map(|limit| (limit - key.usage).max(0.0)),
        "limit_reset": key.rights.limit_reset,
        "usage": key.usage,
        "usage_daily": issuer.used_today(key),
        "expires_at": key.rights.expires_at.map(|time| time.to_string()),
        "rate_limit": key.rights.rate_limit,
        "is_management_key": key.kind == Kind::Management,
    });
    if issuer.behaviour.shows_openrouter {
        let more = data.as_object_mut().expect("an object");
        more.extend(openrouter(issuer, key));
        let management = key.kind == Kind::Management;
        // Of the key's own row, and not of the list's.
        more.remove("external_user");
        more.insert("allowed_data_regions".into(), json!(["global"]));
        more.insert("free_model_daily_requests".into(), json!({ "limit": 1000, "remaining": 1000, "used": 0 }));
        more.insert("organization_id".into(), Value::Null);
        more.insert("is_free_tier".into(), false.into());
        more.insert("is_provisioning_key".into(), management.into());
        // It says itself that this is out of use.
        more.insert("rate_limit".into(), json!({ "requests": -1, "interval": "10s", "note": "deprecated" }));
    }
    if issuer.behaviour.key_endpoint_identifies {
        data["hash"] = key.id.clone().into();
        data["name"] = key.name.clone().into();
    }
    Ok(Reply::json(200, json!({ "data": data })))
}

fn models(issuer: &mut Issuer, request: &Inbound) -> Result<Reply, Refused> {
    let caller = issuer.check_caller(request.credential());
    let (models, used) = match caller {
        Ok(key) => (issuer.models_of(key), Some(key.id.clone())),
        Err(_) if issuer.lets_in(request.credential()) => (issuer.models.iter().collect(), None),
        Err(refused) => return Err(refused),
    };
    let rows: Vec<Value> = models
        .into_iter()
        .map(|model| json!({ "id": model.id, "object": "model", "owned_by": model.provider }))
        .collect();
    if let Some(id) = used.filter(|_| issuer.behaviour.models_count_as_use) {
        issuer.mark_used(&id, 0.0);
    }
    Ok(Reply::json(200, json!({ "object": "list", "data": rows })))
}

fn chat(issuer: &mut Issuer, request: &Inbound) -> Result<Reply, Refused> {
    // Who asks comes before what is asked.
    issuer.check_caller(request.credential())?;
    let body = body_of(request)?;
    let model = text(&body, "model")?.ok_or_else(|| Refused::Malformed("model is required".into()))?;
    if !body.get("messages").is_some_and(Value::is_array) {
        return Err(Refused::Malformed("messages is required".into()));
    }
    issuer.chat(request.credential(), &model)?;
    Ok(Reply::json(
        200,
        json!({
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "model": model,
            "choices": [{
                "index": 0,
                "finish_reason": "stop",
                "message": { "role": "assistant", "content": "ok" },
            }],
            "usage": { "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 },
        }),
    ))
}

/// A row of the list, as the dialect shows it.
fn row(issuer: &Issuer, key: &Key) -> Value {
    let shows = &issuer.behaviour;
    let time = |time: Timestamp| Value::from(time.to_string());
    let maybe_time = |at: Option<Timestamp>| at.map_or(Value::Null, time);
    let rights = &key.rights;
    let mut row = Map::new();
    let mut put = |name: &str, value: Value| {
        row.insert(name.to_owned(), value);
    };
    if shows.dialect == Dialect::Guide {
        put("id", key.id.clone().into());
        put("name", key.name.clone().into());
        put("created_at", time(key.created_at));
        if shows.shows_last_used {
            put("last_used_at", maybe_time(key.last_used_at));
        }
        put("spending_limit", rights.limit.into());
    } else {
        put("hash", key.id.clone().into());
        put("name", key.name.clone().into());
        put("label", key.label.clone().into());
        put("disabled", key.disabled.into());
        put("created_at", time(key.created_at));
        put("expires_at", maybe_time(rights.expires_at));
        if let Some(limit) = &rights.rate_limit {
            put("rate_limit", limit.clone());
        }
        if shows.shows_kind {
            put("key_type", if key.kind == Kind::Management { "management" } else { "regular" }.into());
        }
        if shows.shows_allow_lists {
            put("allowed_providers", rights.allowed_providers.clone().into());
            put("allowed_models", shown_models(shows, &rights.allowed_models));
        }
        if shows.shows_last_used {
            put("last_used_at", maybe_time(key.last_used_at));
        }
        if shows.dialect == Dialect::Overview {
            put("limit_usd", rights.limit.into());
            put("usage", json!({ "prompt_tokens": 0, "completion_tokens": 0, "cost": key.usage }));
        } else {
            put("limit", shown_limit(shows, rights.limit));
            put("limit_remaining", rights.limit.map(|limit| (limit - key.usage).max(0.0)).into());
            put("limit_reset", rights.limit_reset.clone().into());
            put("usage", key.usage.into());
            put("usage_daily", issuer.used_today(key).into());
            put("usage_weekly", issuer.used_this_week(key).into());
            put("usage_monthly", issuer.used_this_month(key).into());
            if shows.shows_updated {
                put("updated_at", time(key.updated_at));
            }
        }
        if shows.shows_openrouter {
            row.extend(openrouter(issuer, key));
        }
        row.extend(key.extra.clone());
    }
    if shows.omit_unset {
        row.retain(|_, value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()));
    }
    row.into()
}

fn shown_models(shows: &Behaviour, models: &[String]) -> Value {
    let shorten = |model: &String| model.rsplit('/').next().unwrap_or_default().to_owned();
    let shown: Vec<_> =
        models.iter().map(|model| if shows.rounds_and_shortens { shorten(model) } else { model.clone() }).collect();
    shown.into()
}

fn shown_limit(shows: &Behaviour, limit: Option<f64>) -> Value {
    limit.map(|usd| if shows.rounds_and_shortens { (usd * 100.0).floor() / 100.0 } else { usd }).into()
}

/// What OpenRouter shows of every key beside the rest, at its defaults.
fn openrouter(issuer: &Issuer, key: &Key) -> Map<String, Value> {
    let mut fields = Map::new();
    for field in ["byok_usage", "byok_usage_daily", "byok_usage_weekly", "byok_usage_monthly"] {
        fields.insert(field.into(), 0.0.into());
    }
    fields.insert("usage_weekly".into(), issuer.used_this_week(key).into());
    fields.insert("usage_monthly".into(), issuer.used_this_month(key).into());
    fields.insert("include_byok_in_limit".into(), false.into());
    fields.insert("creator_user_id".into(), "user_2dHFtVWx2n56w6HkM0000000000".into());
    fields.insert("external_user".into(), Value::Null);
    fields.insert("workspace_id".into(), DEFAULT_WORKSPACE.into());
    fields
}

fn error(issuer: &Issuer, request: &Inbound, refused: &Refused) -> Reply {
    let (status, behaviour) = (refused.status(), &issuer.behaviour);
    let mut message = behaviour.hostile_text.clone().unwrap_or_else(|| refused.to_string());
    if let (true, Some(authorization)) = (behaviour.echo_key_in_errors, &request.authorization) {
        message = format!("{message} (Authorization: {authorization})");
    }
    let word = match status {
        400 => "invalid_request",
        401 => "invalid_api_key",
        402 => "quota_exceeded",
        403 => "permission_denied",
        404 | 405 => "not_found",
        429 => "rate_limited",
        _ => "upstream_error",
    };
    let body = match behaviour.error_style {
        ErrorStyle::Typed => json!({ "error": { "message": message, "type": word } }),
        ErrorStyle::Numbered => json!({ "error": { "code": status, "message": message, "metadata": {} } }),
        ErrorStyle::Named => json!({ "error": { "code": word, "message": message } }),
        ErrorStyle::Flat => json!({ "code": word, "message": message, "details": null }),
        ErrorStyle::Html => {
            let page = format!("<html><head><title>{status}</title></head><body>{message}</body></html>\n");
            return Reply::empty(status).with("content-type", "text/html").holding(page);
        }
    };
    Reply::json(status, body)
}

fn body_of(request: &Inbound) -> Result<Map<String, Value>, Refused> {
    match request.json() {
        Some(Value::Object(body)) => Ok(body),
        _ => Err(Refused::Malformed("the body is not a JSON object".into())),
    }
}

fn rights_of(body: &Map<String, Value>) -> Result<Rights, Refused> {
    let limit = ["limit", "limit_usd", "spending_limit"].into_iter().find_map(|name| body.get(name).map(|_| name));
    let expires_at = text(body, "expires_at")?.map(|time| {
        time.parse().map_err(|_| Refused::Malformed("expires_at is not an ISO 8601 timestamp in UTC".into()))
    });
    Ok(Rights {
        limit: limit.map(|name| number(body, name)).transpose()?.flatten(),
        limit_reset: reset(body)?,
        allowed_providers: texts(body, "allowed_providers")?.unwrap_or_default(),
        allowed_models: texts(body, "allowed_models")?.unwrap_or_default(),
        rate_limit: body.get("rate_limit").cloned(),
        expires_at: expires_at.transpose()?,
    })
}

fn patch_of(dialect: Dialect, body: &Map<String, Value>) -> Result<Patch, Refused> {
    let given = |name: &str| body.contains_key(name);
    if dialect == Dialect::Overview {
        return Ok(Patch {
            label: text(body, "label")?,
            limit: given("limit_usd").then(|| number(body, "limit_usd")).transpose()?,
            rate_limit: body.get("rate_limit").cloned(),
            ..Patch::default()
        });
    }
    Ok(Patch {
        name: text(body, "name")?,
        disabled: body.get("disabled").and_then(Value::as_bool),
        limit: given("limit").then(|| number(body, "limit")).transpose()?,
        limit_reset: given("limit_reset").then(|| reset(body)).transpose()?,
        allowed_providers: texts(body, "allowed_providers")?,
        allowed_models: texts(body, "allowed_models")?,
        ..Patch::default()
    })
}

/// A field that is text; `None` where it is absent or null.
fn text(body: &Map<String, Value>, name: &str) -> Result<Option<String>, Refused> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Refused::Malformed(format!("{name} must be a string"))),
    }
}

fn texts(body: &Map<String, Value>, name: &str) -> Result<Option<Vec<String>>, Refused> {
    let wrong = || Refused::Malformed(format!("{name} must be a list of strings"));
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(list)) => {
            let texts: Option<Vec<_>> = list.iter().map(|item| item.as_str().map(str::to_owned)).collect();
            texts.map(Some).ok_or_else(wrong)
        }
        Some(_) => Err(wrong()),
    }
}

fn number(body: &Map<String, Value>, name: &str) -> Result<Option<f64>, Refused> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let number = value.as_f64().filter(|number| *number >= 0.0);
            number.map(Some).ok_or_else(|| Refused::Malformed(format!("{name} must be a number")))
        }
    }
}

fn reset(body: &Map<String, Value>) -> Result<Option<String>, Refused> {
    let reset = text(body, "limit_reset")?;
    match reset.as_deref() {
        None | Some("daily" | "weekly" | "monthly" | "never") => Ok(reset),
        Some(_) => Err(Refused::Malformed("limit_reset must be daily, weekly or monthly".into())),
    }
}
