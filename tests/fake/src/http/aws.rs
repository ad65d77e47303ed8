//! Secrets Manager's and Parameter Store's one route, of which a header says what is asked.

use serde_json::{Value, json};

use super::message::{Inbound, Reply};
use crate::aws::Aws;

const KIND: &str = "application/x-amz-json-1.1";

pub(super) fn answer(aws: &mut Aws, request: &Inbound) -> Reply {
    let signed = request.authorization.as_deref().unwrap_or_default();
    let operation = request.path.trim_start_matches('/');
    let service = if operation.contains("Parameter") { "/ssm/aws4_request" } else { "/secretsmanager/aws4_request" };
    if !signed.starts_with("AWS4-HMAC-SHA256 ") || !signed.contains(service) {
        let body = json!({ "__type": "UnrecognizedClientException", "message": "The security token is invalid." });
        return Reply::empty(400).with("content-type", KIND).holding(body);
    }
    let answer = aws.call(operation, &request.json().unwrap_or(Value::Null));
    let reply = Reply::empty(answer.status).with("content-type", KIND);
    reply.with("x-amzn-requestid", "1f2e3d4c-0000-4000-8000-000000000001").holding(answer.body)
}
