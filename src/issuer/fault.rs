//! What a server says when it says no, and what the user can do about it.

use std::fmt;

use http::StatusCode;
use serde_json::{Map, Value};

use crate::http::server_text;
use crate::secret::{Redactor, without_keys};

/// The message and code in an error's body, as they may be shown; empty where the body has neither.
pub(super) fn fault_text(body: &[u8], status: StatusCode, redactor: &Redactor) -> String {
    let raw = String::from_utf8_lossy(body);
    let said = match serde_json::from_slice::<Value>(body) {
        Ok(value) => from_json(&value, status),
        Err(_) if raw.trim_start().starts_with('<') => String::new(),
        Err(_) => raw.into_owned(),
    };
    // Those that are known first: what only begins like a key may be the begin of one with other characters in it.
    server_text(&without_keys(&redactor.scrub(&said)), redactor)
}

/// Four shapes are documented: `error` with a `type`, with a number or a word as `code`, and the same fields flat.
fn from_json(body: &Value, status: StatusCode) -> String {
    let error = match body.get("error") {
        Some(Value::String(text)) => return text.clone(),
        Some(Value::Object(error)) => error,
        _ => match body {
            Value::Object(flat) => flat,
            _ => return String::new(),
        },
    };
    let message = text(error, "message").or_else(|| text(error, "detail")).unwrap_or_default();
    let code = text(error, "code").or_else(|| text(error, "type")).filter(|code| code != status.as_str());
    match code {
        Some(code) if message.is_empty() => code,
        Some(code) => format!("{message} ({code})"),
        None => message,
    }
}

/// Whether an error's body is one of the documented four. What else says no need not be the issuer.
pub(super) fn is_documented(body: &[u8]) -> bool {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return false };
    match (body.get("error"), &body) {
        (Some(error), _) => ["message", "code"].iter().any(|name| error.get(name).is_some()),
        (None, Value::Object(flat)) => ["code", "message"].iter().all(|name| flat.contains_key(*name)),
        (None, _) => false,
    }
}

fn text(fields: &Map<String, Value>, name: &str) -> Option<String> {
    match fields.get(name)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// What a credential is to this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credential {
    ManagementKey,
    CurrentKey,
    /// The key that is tried.
    Tried,
    NewKey,
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ManagementKey => "`management-key`",
            Self::CurrentKey => "`current-key`",
            Self::Tried => "the key that is tried",
            Self::NewKey => "the new key",
        })
    }
}

/// What the user can do about a refusal of a call that this credential signed.
pub(super) fn hint(status: StatusCode, credential: Credential) -> Option<String> {
    let hint = match status.as_u16() {
        401 => format!(
            "set {credential} anew: what it holds is wrong, revoked or expired. The issuer's dashboard shows which keys are alive"
        ),
        402 => "the account has no credit left: top it up, then run again".to_owned(),
        403 if credential == Credential::ManagementKey => format!(
            "{credential} holds an ordinary key. Create one of type Management in the issuer's dashboard and set {credential} to it. If \
             it is one, a quota may be used up"
        ),
        403 => format!("the key in {credential} may not manage keys: give `management-key`, a key of type Management"),
        404 | 405 => "`issuer-url` may name a server without this API".to_owned(),
        _ => return None,
    };
    Some(hint)
}

/// The hint for a redirect, which is never followed.
pub(super) fn redirect_hint(to: Option<&str>) -> String {
    match to {
        Some(host) => {
            format!("it redirects to {host}, where nothing was sent; if that is right, set `issuer-url` to it")
        }
        None => "it redirects without saying where; check `issuer-url`".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn shown(status: u16, body: &str) -> String {
        let redactor = Redactor::new();
        for known in ["topsecretvalue", "lr_mgmt_with+marks/in=it"] {
            redactor.learn(&Secret::new(known.into()));
        }
        fault_text(body.as_bytes(), StatusCode::from_u16(status).unwrap_or_default(), &redactor)
    }

    #[test]
    fn every_documented_error_body_gives_its_message_and_code() {
        let table = [
            (
                401,
                r#"{"error":{"message":"Invalid key","type":"authentication_error"}}"#,
                "Invalid key (authentication_error)",
            ),
            (402, r#"{"error":{"code":402,"message":"Insufficient credits","metadata":{}}}"#, "Insufficient credits"),
            (403, r#"{"error":{"code":"quota_exceeded","message":"Quota"}}"#, "Quota (quota_exceeded)"),
            (400, r#"{"code":"bad_request","message":"No name","details":{"a":1}}"#, "No name (bad_request)"),
            (400, r#"{"error":"plain words"}"#, "plain words"),
            (502, "<html><body>Bad gateway</body></html>", ""),
            (503, "upstream\n::error::gone", "upstream ::error::gone"),
            (500, "", ""),
            (500, "[1,2]", ""),
        ];
        for (status, body, expected) in table {
            assert_eq!(shown(status, body), expected, "{body}");
        }
    }

    #[test]
    fn only_a_documented_body_is_the_issuers_own() {
        for (body, own) in [
            (r#"{"error":{"message":"No","type":"t"}}"#, true),
            (r#"{"error":{"code":402,"message":"No","metadata":{}}}"#, true),
            (r#"{"error":{"code":"quota_exceeded","message":"No"}}"#, true),
            (r#"{"code":"bad_request","message":"No","details":null}"#, true),
            (r#"{"message":"Forbidden"}"#, false),
            (r#"{"error":"Forbidden"}"#, false),
            (r#"{"detail":"Method Not Allowed"}"#, false),
            ("<html>403</html>", false),
            ("[]", false),
            ("", false),
        ] {
            assert_eq!(is_documented(body.as_bytes()), own, "{body}");
        }
    }

    #[test]
    fn no_secret_is_shown_known_or_not() {
        assert_eq!(shown(400, r#"{"error":{"message":"bad topsecretvalue"}}"#), "bad ***");
        assert_eq!(shown(400, "bad lr_mgmt_with+marks/in=it, sorry"), "bad ***, sorry");
        assert_eq!(
            shown(500, "made lr_live_AbC-d_9, sorry; not lr_mgmt_x."),
            "made lr_live_***, sorry; not lr_mgmt_***."
        );
    }
}
