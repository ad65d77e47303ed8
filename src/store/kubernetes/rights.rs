//! Whether the account may do what a rotation will ask of it: told before a key is made.

use ::http::Method;
use serde_json::{Value, json};

use super::cluster::Cluster;
use crate::http::{Failure, Refusal};

const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// One right on one object.
pub(super) struct Right<'a> {
    pub(super) verb: &'a str,
    pub(super) group: &'a str,
    pub(super) resource: &'a str,
    pub(super) namespace: &'a str,
    /// `None`: on whatever of that kind is made.
    pub(super) name: Option<&'a str>,
}

impl Cluster {
    /// # Errors
    /// Refused where the account lacks the right. Where the cluster does not say, the write itself will.
    pub(super) async fn check_right(&self, right: &Right<'_>) -> Result<(), Failure> {
        let asked = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": {
                "namespace": right.namespace,
                "verb": right.verb,
                "group": right.group,
                "resource": right.resource,
                "name": right.name,
            } },
        });
        let answer = self.ask(Method::POST, REVIEWS, Some(&asked)).await?;
        if answer.is(403) {
            return Ok(());
        }
        let (review, _) = answer.object("SelfSubjectAccessReview", &self.ctx.redactor)?;
        if review.pointer("/status/allowed").and_then(Value::as_bool) == Some(true) {
            return Ok(());
        }
        let Right { verb, group, resource, namespace, .. } = right;
        let name = right.name.map_or_else(String::new, |name| format!("/{name}"));
        let of = if group.is_empty() { String::new() } else { format!(".{group}") };
        Err(Failure::Refused(Refusal {
            status: None,
            message: format!("the account may not {verb} {resource}{of}{name} in the namespace {namespace}"),
            hint: Some(format!("give it the verb `{verb}` on `{resource}{of}` with a Role and a RoleBinding")),
        }))
    }
}
