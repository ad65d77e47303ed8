//! The API server's routes, as far as a Secret and its readers need them: Kubernetes's API reference, and its conventions
//! for `Status` objects (`staging/src/k8s.io/apimachinery/pkg/api/errors`).

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::message::{Inbound, Reply};
use crate::kubernetes::{Admission, Kubernetes, Refusal, Secret, Workload};

const KINDS: [(&str, &str); 3] =
    [("deployments", "Deployment"), ("statefulsets", "StatefulSet"), ("daemonsets", "DaemonSet")];

/// Answers one request.
pub(super) fn answer(cluster: &mut Kubernetes, request: &Inbound) -> Reply {
    if cluster.goes_by.is_some() && cluster.goes_by != request.client.asks_for {
        return status(421, "Misdirected", "no such server behind this address");
    }
    let by_token = request.credential().and_then(|token| cluster.accounts.get(token)).cloned();
    let is_certified = cluster.takes_certificates && request.client.is_certified;
    let account = by_token.or_else(|| is_certified.then(|| ("system:certified".to_owned(), BTreeSet::new())));
    let Some((name, denied)) = account else { return status(401, "Unauthorized", "Unauthorized") };
    let verb = match request.method.as_str() {
        "GET" if ["secrets", "pods"].map(Some).contains(&request.segments().last().copied()) => "list",
        "GET" => "get",
        "POST" => "create",
        "PATCH" => "patch",
        _ => "delete",
    };
    let may = |verb: &str, resource: &str| !denied.contains(&(verb.to_owned(), resource.to_owned()));
    let forbidden = |namespace: &str, resource: &str, object: &str, group: &str| {
        let who = format!("User \"system:serviceaccount:{name}\" cannot {verb} resource \"{resource}\"");
        let message = format!(
            "{resource} \"{object}\" is forbidden: {who} in API group \"{group}\" in the namespace \"{namespace}\""
        );
        status(403, "Forbidden", &message)
    };
    match request.segments().as_slice() {
        ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"] => review(request, may),
        ["api", "v1", "namespaces", namespace, "secrets"] if verb == "create" => match may(verb, "secrets") {
            true => make(cluster, request, namespace),
            false => forbidden(namespace, "secrets", "", ""),
        },
        ["api", "v1", "namespaces", namespace, "secrets"] if verb == "list" => match may(verb, "secrets") {
            true => list(cluster, request, namespace),
            false => forbidden(namespace, "secrets", "", ""),
        },
        ["api", "v1", "namespaces", namespace, "secrets", object] => match may(verb, "secrets") {
            true => secret(cluster, request, namespace, object),
            false => forbidden(namespace, "secrets", object, ""),
        },
        ["api", "v1", "namespaces", namespace, "pods"] => match may(verb, "pods") {
            true => pods(cluster, request, namespace),
            false => forbidden(namespace, "pods", "", ""),
        },
        ["apis", "apps", "v1", "namespaces", namespace, plural, object] => match may(verb, plural) {
            true => workload(cluster, request, [namespace, plural, object]),
            false => forbidden(namespace, plural, object, "apps"),
        },
        _ => status(404, "NotFound", "the server could not find the requested resource"),
    }
}

fn status(code: u16, reason: &str, message: &str) -> Reply {
    Reply::json(
        code,
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code,
        }),
    )
}

fn refused(refusal: Refusal, object: &str) -> Reply {
    match refusal {
        Refusal::NotFound => status(404, "NotFound", &format!("secrets \"{object}\" not found")),
        Refusal::AlreadyExists => status(409, "AlreadyExists", &format!("secrets \"{object}\" already exists")),
        Refusal::Conflict => {
            let why = "the object has been modified; please apply your changes to the latest version and try again";
            let message = format!("Operation cannot be fulfilled on secrets \"{object}\": {why}");
            status(409, "Conflict", &message)
        }
        Refusal::Immutable => {
            let why = "data: Forbidden: field is immutable when `immutable` is set";
            status(422, "Invalid", &format!("Secret \"{object}\" is invalid: {why}"))
        }
        // `staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook`: a denial, a call that failed, and a webhook whose
        // `sideEffects` forbid `dryRun`.
        Refusal::Admission(Admission::Denies) => {
            let why =
                "admission webhook \"rules.acme.example\" denied the request: Secrets of prod are changed by review";
            status(403, "Forbidden", why)
        }
        Refusal::Admission(Admission::IsDown) => {
            let why = "failed calling webhook \"rules.acme.example\": failed to call webhook: connection refused";
            status(500, "InternalError", &format!("Internal error occurred: {why}"))
        }
        Refusal::Admission(Admission::KnowsNoTrial) => {
            status(400, "BadRequest", "admission webhook \"rules.acme.example\" does not support dry run")
        }
    }
}

fn review(request: &Inbound, may: impl Fn(&str, &str) -> bool) -> Reply {
    let body = request.json().unwrap_or_default();
    let asked = |name: &str| body.pointer(&format!("/spec/resourceAttributes/{name}")).and_then(Value::as_str);
    let (Some(verb), Some(resource)) = (asked("verb"), asked("resource")) else {
        return status(400, "BadRequest", "spec.resourceAttributes is required");
    };
    let answer = json!({
        "kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {},
        "spec": body["spec"], "status": { "allowed": may(verb, resource) },
    });
    Reply::json(201, answer)
}

fn shown(namespace: &str, name: &str, secret: &Secret) -> Value {
    let data: Map<_, _> = secret.data.iter().map(|(key, value)| (key.clone(), STANDARD.encode(value).into())).collect();
    let managers: Vec<_> = secret
        .managers
        .iter()
        .map(|(manager, (time, keys))| {
            let keys: Map<_, _> = keys.iter().map(|key| (format!("f:{key}"), json!({}))).collect();
            let operation = if secret.applying.contains(manager) { "Apply" } else { "Update" };
            json!({
                "manager": manager, "operation": operation, "apiVersion": "v1", "time": time.to_string(),
                "fieldsType": "FieldsV1", "fieldsV1": { "f:data": keys, "f:type": {} },
            })
        })
        .collect();
    let mut object = json!({
        "kind": "Secret", "apiVersion": "v1",
        "metadata": {
            "name": name, "namespace": namespace, "uid": secret.uid, "resourceVersion": secret.version.to_string(),
            "creationTimestamp": secret.created.to_string(), "labels": secret.labels, "managedFields": managers,
            "annotations": secret.annotations,
        },
        "type": secret.kind,
    });
    if !data.is_empty() {
        object["data"] = data.into();
    }
    if secret.immutable {
        object["immutable"] = true.into();
    }
    if !secret.owners.is_empty() {
        object["metadata"]["ownerReferences"] = secret.owners.clone().into();
    }
    if let Some(since) = secret.deleting {
        object["metadata"]["deletionTimestamp"] = since.to_string().into();
    }
    object
}

/// The Secrets of a namespace, as many as are asked for and of every type but those that are not.
fn list(cluster: &Kubernetes, request: &Inbound, namespace: &str) -> Reply {
    let selector = request.query("fieldSelector").unwrap_or_default();
    let but: Vec<_> = selector.split(',').filter_map(|term| term.strip_prefix("type!=")).collect();
    let all =
        cluster.secrets.iter().filter(|((of, _), secret)| of == namespace && !but.contains(&secret.kind.as_str()));
    let most = request.number("limit").unwrap_or(usize::MAX);
    let items: Vec<_> = all.take(most).map(|((_, name), secret)| shown(namespace, name, secret)).collect();
    Reply::json(200, json!({ "kind": "SecretList", "apiVersion": "v1", "metadata": {}, "items": items }))
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    STANDARD.decode(value.as_str()?).ok()
}

fn make(cluster: &mut Kubernetes, request: &Inbound, namespace: &str) -> Reply {
    let body = request.json().unwrap_or_default();
    let Some(name) = body.pointer("/metadata/name").and_then(Value::as_str).filter(|_| body["kind"] == "Secret") else {
        return status(400, "BadRequest", "the object provided is unrecognized");
    };
    if let Err(refusal) = cluster.may_make(namespace, name) {
        let about =
            if refusal == Refusal::NotFound { format!("namespaces \"{namespace}\" not found") } else { String::new() };
        return if about.is_empty() { refused(refusal, name) } else { status(404, "NotFound", &about) };
    }
    if let Err(refusal) = cluster.admits(is_trial(request)) {
        return refused(refusal, name);
    }
    let data = body["data"].as_object().cloned().unwrap_or_default();
    let data: BTreeMap<_, _> = data.into_iter().filter_map(|(key, value)| Some((key, bytes(&value)?))).collect();
    let manager = request.query("fieldManager").unwrap_or("unknown");
    let made = cluster.make(namespace, name, data, manager).clone();
    if is_trial(request) {
        cluster.secrets.remove(&(namespace.to_owned(), name.to_owned()));
    }
    Reply::json(201, shown(namespace, name, &made))
}

fn is_trial(request: &Inbound) -> bool {
    request.query("dryRun") == Some("All")
}

fn secret(cluster: &mut Kubernetes, request: &Inbound, namespace: &str, name: &str) -> Reply {
    let body = request.json().unwrap_or_default();
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
    let done = match request.method.as_str() {
        "GET" => {
            let known = cluster.secrets.get(&(namespace.to_owned(), name.to_owned()));
            known.cloned().ok_or(Refusal::NotFound)
        }
        "PATCH" => {
            if request.header("content-type") != Some("application/merge-patch+json") {
                return status(415, "UnsupportedMediaType", "the body of the request was in an unknown format");
            }
            let merged = body["data"].as_object().cloned().unwrap_or_default();
            let merged: BTreeMap<_, _> = merged.into_iter().map(|(key, value)| (key, bytes(&value))).collect();
            let manager = request.query("fieldManager").unwrap_or("unknown");
            let before = cluster.secrets.get(&(namespace.to_owned(), name.to_owned())).cloned();
            let admitted = cluster.admits(is_trial(request));
            let changed = admitted.and_then(|()| {
                cluster.change(namespace, name, text("/metadata/resourceVersion"), &merged, manager).cloned()
            });
            if let Some(before) = before.filter(|_| is_trial(request)) {
                cluster.secrets.insert((namespace.to_owned(), name.to_owned()), before);
            }
            changed
        }
        "DELETE" => {
            let (version, uid) = (text("/preconditions/resourceVersion"), text("/preconditions/uid"));
            let deleted = cluster.delete(namespace, name, version.unwrap_or_default(), uid.unwrap_or_default());
            return match deleted {
                Ok(_) => Reply::json(200, json!({ "kind": "Status", "apiVersion": "v1", "status": "Success" })),
                Err(refusal) => refused(refusal, name),
            };
        }
        _ => return status(405, "MethodNotAllowed", "the server does not allow this method on the requested resource"),
    };
    match done {
        Ok(secret) => Reply::json(200, shown(namespace, name, &secret)),
        Err(refusal) => refused(refusal, name),
    }
}

fn workload(cluster: &mut Kubernetes, request: &Inbound, [namespace, plural, name]: [&str; 3]) -> Reply {
    let missing = || status(404, "NotFound", &format!("{plural}.apps \"{name}\" not found"));
    let Some((_, kind)) = KINDS.iter().find(|(known, _)| *known == plural) else { return missing() };
    let key = (namespace.to_owned(), plural.to_owned(), name.to_owned());
    if request.method == "PATCH" {
        let body = request.json().unwrap_or_default();
        let stamp = body.pointer("/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt");
        cluster.restart(&key, stamp.and_then(Value::as_str).unwrap_or_default());
    }
    let Some(workload) = cluster.workloads.get(&key) else { return missing() };
    Reply::json(200, rolling(kind, name, workload, cluster.rolled(workload)))
}

/// Those of the StatefulSet that the labels select.
fn pods(cluster: &Kubernetes, request: &Inbound, namespace: &str) -> Reply {
    let asked = request.query("labelSelector").unwrap_or_default();
    let of_namespace =
        cluster.workloads.iter().filter(|((of, plural, _), _)| of == namespace && plural == "statefulsets");
    let selected = of_namespace.filter(|((_, _, name), _)| asked == format!("app%3D{name}"));
    let pod = |name: &str, nth: i64, ready: bool| {
        json!({
            "metadata": {
                "name": format!("{name}-{nth}"), "labels": { "app": name },
                "ownerReferences": [{ "kind": "StatefulSet", "name": name, "controller": true }],
            },
            "status": { "conditions": [{ "type": "Ready", "status": if ready { "True" } else { "False" } }] },
        })
    };
    let items: Vec<_> = selected
        .flat_map(|((_, _, name), workload)| {
            let last = workload.replicas - 1;
            (0..=last).map(move |nth| pod(name, nth, nth < last || !workload.is_held_back))
        })
        .collect();
    Reply::json(200, json!({ "kind": "PodList", "apiVersion": "v1", "items": items }))
}

fn rolling(kind: &str, name: &str, workload: &Workload, share: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a share of a few pods")]
    let new = (share * workload.replicas as f64).floor() as i64;
    // The controller sees a change a moment after it was made.
    let observed = workload.generation - i64::from(share < 0.1);
    let (all, is_new) = (workload.replicas, new == workload.replicas);
    let reason = if workload.is_stuck && share >= 0.5 { "ProgressDeadlineExceeded" } else { "ReplicaSetUpdated" };
    json!({
        "kind": kind, "apiVersion": "apps/v1",
        "metadata": { "name": name, "generation": workload.generation },
        "spec": {
            "replicas": all, "paused": workload.is_paused, "selector": { "matchLabels": { "app": name } },
            "updateStrategy": { "type": if workload.on_delete { "OnDelete" } else { "RollingUpdate" } },
        },
        "status": {
            "observedGeneration": observed, "replicas": if is_new { all } else { all + 1 },
            "updatedReplicas": new, "availableReplicas": all,
            "readyReplicas": all - i64::from(workload.is_held_back),
            "currentRevision": if is_new { "new" } else { "old" }, "updateRevision": "new",
            "desiredNumberScheduled": all, "updatedNumberScheduled": new, "numberAvailable": all,
            "conditions": [{ "type": "Progressing", "status": "True", "reason": reason }],
        },
    })
}
