//! How GitHub says no.

use serde_json::json;

use crate::github::{Access, Permission, Token, TokenKind};
use crate::http::Reply;

pub(super) const DOCS: &str = "https://docs.github.com/rest/actions/secrets";

pub(in crate::http) fn error(status: u16, message: &str) -> Reply {
    Reply::json(status, json!({ "message": message, "documentation_url": DOCS, "status": status.to_string() }))
}

pub(super) fn not_found() -> Reply {
    error(404, "Not Found")
}

/// The token sees the place and may not do this there.
pub(super) fn denied(token: &Token, permission: Permission, needed: Access) -> Reply {
    accepting(error(403, token.refusal()), token, permission, needed)
}

/// With the headers that say what would have been accepted.
pub(super) fn accepting(reply: Reply, token: &Token, permission: Permission, needed: Access) -> Reply {
    let access = if needed == Access::Write { "write" } else { "read" };
    match token.kind {
        TokenKind::Classic(_) => reply.with("x-accepted-oauth-scopes", permission.scope()),
        TokenKind::FineGrained | TokenKind::Workflow | TokenKind::Installation(_) => {
            reply.with("x-accepted-github-permissions", format!("{}={access}", permission.word()))
        }
    }
}
