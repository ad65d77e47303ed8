//! Requests and answers checked against GitHub's own OpenAPI document, so that a fake that is as wrong as the product
//! does not go unnoticed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName};
use serde_json::{Value, json};

/// GitHub's description of the calls that we use.
pub(crate) struct OpenApi(Value);

/// An operation with the values that a path gives to its parameters.
struct Found<'a> {
    operation: &'a Value,
    path: Vec<(&'a str, &'a str)>,
}

impl OpenApi {
    pub(crate) fn github() -> Self {
        let [mut all, apps, actions, repositories]: [Value; 4] = [
            include_str!("../../openapi/github-secrets.json"),
            include_str!("../../openapi/github-apps.json"),
            include_str!("../../openapi/github-actions.json"),
            include_str!("../../openapi/github-repositories.json"),
        ]
        .map(|text| serde_json::from_str(text).expect("the document is JSON"));
        for (part, other) in ["/paths", "/components/parameters", "/components/schemas"]
            .into_iter()
            .flat_map(|part| [(part, &apps), (part, &actions), (part, &repositories)])
        {
            let more = other.pointer(part).and_then(Value::as_object).expect("all have the same parts").clone();
            all.pointer_mut(part).and_then(Value::as_object_mut).expect("an object").extend(more);
        }
        Self(all)
    }

    /// Checks a request: `target` is path and query below the API's address, an empty `body` is none.
    pub(crate) fn request(&self, method: &str, target: &str, headers: &HeaderMap, body: &[u8]) -> Result<(), String> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let found = self.find(method, path)?;
        self.parameters(&found, query)?;
        general_headers(headers)?;
        let Some(content) = found.operation.get("requestBody").map(|body| &body["content"]) else {
            return if body.is_empty() { Ok(()) } else { Err("the operation takes no body".into()) };
        };
        let kind = text(headers, CONTENT_TYPE)?;
        let schema = content.get(kind).ok_or_else(|| format!("the operation takes no {kind}"))?;
        self.valid("body", &schema["schema"], &parsed(body)?)
    }

    /// Checks the answer to a request. Errors are described in one schema for all operations.
    pub(crate) fn answer(&self, method: &str, target: &str, status: u16, body: &[u8]) -> Result<(), String> {
        let found = self.find(method, target.split('?').next().unwrap_or_default())?;
        if status >= 400 {
            return self.valid("error", &json!({ "$ref": "#/components/schemas/basic-error" }), &parsed(body)?);
        }
        let described =
            found.operation["responses"].get(status.to_string()).ok_or(format!("no {status} is described"))?;
        match described.pointer("/content/application~1json/schema") {
            Some(schema) => self.valid("answer", schema, &parsed(body)?),
            None if body.is_empty() => Ok(()),
            None => Err(format!("a {status} has no body")),
        }
    }

    /// The operation of a path; one without placeholders goes before one with.
    fn find<'a>(&'a self, method: &str, path: &'a str) -> Result<Found<'a>, String> {
        let paths = self.0["paths"].as_object().unwrap();
        let matching = paths.iter().filter_map(|(template, item)| Some((bind(template, path)?, item)));
        let (path, item) = matching.min_by_key(|(bound, _)| bound.len()).ok_or(format!("no path like {path}"))?;
        let operation = item.get(method.to_ascii_lowercase()).ok_or(format!("no {method} at this path"))?;
        Ok(Found { operation, path })
    }

    fn parameters(&self, found: &Found<'_>, query: &str) -> Result<(), String> {
        let declared: Vec<&Value> =
            found.operation["parameters"].as_array().unwrap().iter().map(|it| self.resolve(it)).collect();
        let query: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let query = query.iter().map(|(name, value)| ("query", name.as_str(), value.as_str()));
        let path = found.path.iter().map(|&(name, value)| ("path", name, value));
        for (place, name, value) in path.chain(query) {
            let parameter = declared.iter().find(|it| it["in"] == place && it["name"] == name);
            let schema = &parameter.ok_or(format!("no {place} parameter {name}"))?["schema"];
            let typed = match schema["type"].as_str() {
                Some("integer") => value.parse::<i64>().ok().map(|number| json!(number)),
                Some("boolean") => value.parse::<bool>().ok().map(|truth| json!(truth)),
                _ => None,
            };
            self.valid(name, schema, &typed.unwrap_or_else(|| json!(value)))?;
        }
        Ok(())
    }

    fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(reference) => self.0.pointer(reference.trim_start_matches('#')).unwrap(),
            None => value,
        }
    }

    fn valid(&self, what: &str, schema: &Value, instance: &Value) -> Result<(), String> {
        let schema = json!({ "allOf": [schema], "components": self.0["components"] });
        let validator = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft7)
            .should_validate_formats(true)
            .build(&schema)
            .expect("GitHub's schemas are schemas");
        let errors: Vec<String> =
            validator.iter_errors(instance).map(|it| format!("{what}{}: {it}", it.instance_path())).collect();
        if errors.is_empty() { Ok(()) } else { Err(errors.join("; ")) }
    }
}

/// The placeholders' values, where the path fits the template.
fn bind<'a>(template: &'a str, path: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    let mut bound = Vec::new();
    for (pattern, segment) in template.iter().zip(&path) {
        match pattern.strip_prefix('{').and_then(|it| it.strip_suffix('}')) {
            Some(name) if !segment.is_empty() => bound.push((name, *segment)),
            None if pattern == segment => {}
            _ => return None,
        }
    }
    (template.len() == path.len()).then_some(bound)
}

/// What GitHub's "Getting started with the REST API" asks of every request.
fn general_headers(headers: &HeaderMap) -> Result<(), String> {
    let wanted =
        [(ACCEPT, "application/vnd.github+json"), (HeaderName::from_static("x-github-api-version"), "2022-11-28")];
    for (name, value) in wanted {
        let sent = text(headers, name.clone())?;
        if sent != value {
            return Err(format!("{name}: {sent}"));
        }
    }
    text(headers, USER_AGENT)?;
    let authorization = text(headers, AUTHORIZATION)?;
    if authorization.starts_with("Bearer ") { Ok(()) } else { Err("authorization is no bearer token".into()) }
}

/// A header that must be there once.
fn text(headers: &HeaderMap, name: HeaderName) -> Result<&str, String> {
    let mut values = headers.get_all(&name).iter();
    match (values.next().and_then(|value| value.to_str().ok()), values.next()) {
        (Some(value), None) => Ok(value),
        (None, _) => Err(format!("{name} is missing")),
        (_, Some(_)) => Err(format!("{name} is sent twice")),
    }
}

fn parsed(body: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(body).map_err(|error| format!("the body is no JSON: {error}"))
}

mod tests {
    use super::*;

    const SECRET: &str = "/repos/acme/app/actions/secrets/AROUTER_API_KEY";

    fn headers() -> HeaderMap {
        let sent = [
            ("accept", "application/vnd.github+json"),
            ("x-github-api-version", "2022-11-28"),
            ("user-agent", "keyrotor"),
            ("authorization", "Bearer ghp_x"),
            ("content-type", "application/json"),
        ];
        sent.map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).into_iter().collect()
    }

    fn put(body: &Value) -> Result<(), String> {
        OpenApi::github().request("PUT", SECRET, &headers(), body.to_string().as_bytes())
    }

    fn get(target: &str) -> Result<(), String> {
        OpenApi::github().request("GET", target, &headers(), b"")
    }

    #[track_caller]
    fn refused(result: Result<(), String>, why: &str) {
        let error = result.expect_err("a wrong request was let through");
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn right_requests_pass() {
        put(&json!({ "encrypted_value": "c2VjcmV0", "key_id": "1" })).unwrap();
        get(SECRET).unwrap();
        get("/repos/acme/app/actions/secrets/public-key").unwrap();
        get("/repos/acme/app/actions/secrets?per_page=100&page=2").unwrap();
        OpenApi::github().request("DELETE", SECRET, &headers(), b"").unwrap();
    }

    #[test]
    fn a_wrong_body_is_refused() {
        refused(put(&json!({ "encrypted_value": "c2VjcmV0" })), "key_id");
        refused(put(&json!({ "key_id": "1" })), "encrypted_value");
        refused(put(&json!({ "encrypted_value": "c2VjcmV0", "key_id": 1 })), "string");
        for no_base64 in ["lr_live_abc", "c2VjcmV", "c2Vj cmV0", "c2Vj-_=="] {
            refused(put(&json!({ "encrypted_value": no_base64, "key_id": "1" })), "match");
        }
        refused(OpenApi::github().request("PUT", SECRET, &headers(), b"key"), "no JSON");
        refused(OpenApi::github().request("DELETE", SECRET, &headers(), b"{}"), "takes no body");
    }

    #[test]
    fn an_unknown_path_method_or_parameter_is_refused() {
        refused(get("/repos/acme/app/actions/secret/X"), "no path");
        refused(get("/repos//app/actions/secrets/X"), "no path");
        refused(get("/repos/acme/app/actions/secrets/X/Y"), "no path");
        refused(OpenApi::github().request("PATCH", SECRET, &headers(), b""), "no PATCH");
        refused(
            OpenApi::github().request("DELETE", &SECRET.replace("AROUTER_API_KEY", "public-key"), &headers(), b""),
            "no DELETE",
        );
        refused(get("/repos/acme/app/actions/secrets?size=3"), "size");
        refused(get("/repos/acme/app/actions/secrets?page=two"), "integer");
    }

    #[test]
    fn a_missing_or_doubled_header_is_refused() {
        for name in ["accept", "x-github-api-version", "user-agent", "authorization"] {
            let mut without = headers();
            without.remove(name);
            refused(OpenApi::github().request("GET", SECRET, &without, b""), name);
        }
        let mut doubled = headers();
        doubled.append(USER_AGENT, "another".parse().unwrap());
        refused(OpenApi::github().request("GET", SECRET, &doubled, b""), "twice");
    }

    #[test]
    fn answers_are_checked_too() {
        let api = OpenApi::github();
        let row = json!({ "name": "X", "created_at": "2026-12-01T10:00:00Z", "updated_at": "2026-12-01T10:00:00Z" });
        api.answer("GET", SECRET, 200, row.to_string().as_bytes()).unwrap();
        api.answer("PUT", SECRET, 201, b"{}").unwrap();
        api.answer("PUT", SECRET, 204, b"").unwrap();
        api.answer("GET", SECRET, 404, br#"{"message": "Not Found"}"#).unwrap();
        let undated = row.to_string().replace("2026-12-01T10:00:00Z", "yesterday");
        refused(api.answer("GET", SECRET, 200, undated.as_bytes()), "date-time");
        refused(api.answer("PUT", SECRET, 200, b"{}"), "no 200");
        refused(api.answer("PUT", SECRET, 204, b"{}"), "no body");
        refused(api.answer("GET", SECRET, 404, br#"{"message": 3}"#), "string");
    }
}
