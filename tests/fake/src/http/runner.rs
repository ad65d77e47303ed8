//! The one route of the runner.

use serde_json::json;

use super::message::{Inbound, Reply};
use crate::runner::Runner;

pub(super) fn answer(runner: &mut Runner, request: &Inbound) -> Reply {
    if request.method != "GET" || request.path != "/idtoken" {
        return Reply::empty(404);
    }
    if request.credential() != Some(runner.request_token.as_str()) {
        return Reply::json(401, json!({ "message": "The token is not valid" }));
    }
    let token = runner.issue(request.query("audience"));
    Reply::json(200, json!({ "count": token.len(), "value": token }))
}
