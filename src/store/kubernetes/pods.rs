//! The pods that hold back a StatefulSet.
//!
//! With its default, `OrderedReady`, a StatefulSet replaces no pod while another one is not ready, not even where its template
//! was set back: Kubernetes' page "StatefulSets", "Forced rollback". Somebody has to delete that pod.

use ::http::Method;
use serde_json::Value;
use url::form_urlencoded;

use super::cluster::Cluster;
use crate::store::target::{Workload, WorkloadKind};

/// Whether a pod that is not ready keeps all others as they are.
pub(super) fn is_held_back(kind: WorkloadKind, object: &Value) -> bool {
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64);
    let ready = number("/status/readyReplicas").unwrap_or_default();
    let at_once = object.pointer("/spec/podManagementPolicy").and_then(Value::as_str) == Some("Parallel");
    kind == WorkloadKind::StatefulSet && !at_once && ready < number("/spec/replicas").unwrap_or(1)
}

impl Cluster {
    /// What holds a workload back, and what a person does about it. Without the right to list pods it names none.
    pub(super) async fn held_back(&self, namespace: &str, workload: &Workload, object: &Value) -> (String, String) {
        let pods = self.not_ready(namespace, workload, object).await.unwrap_or_default();
        match pods.first() {
            None => (
                "a pod that is not ready holds back the others".to_owned(),
                format!(
                    "If it does not recover, find it with `kubectl get pods --namespace {namespace}` and delete it."
                ),
            ),
            Some(pod) => (
                format!("{pod} is not ready and holds back the other pods"),
                format!("If it does not recover: `kubectl delete pod --namespace {namespace} {pod}`."),
            ),
        }
    }

    async fn not_ready(&self, namespace: &str, workload: &Workload, object: &Value) -> Option<Vec<String>> {
        let labels = object.pointer("/spec/selector/matchLabels")?.as_object()?;
        let labels: Vec<_> =
            labels.iter().filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?))).collect();
        let selector: String = form_urlencoded::byte_serialize(labels.join(",").as_bytes()).collect();
        let path = format!("/api/v1/namespaces/{namespace}/pods?limit=500&labelSelector={selector}");
        let answer = self.ask(Method::GET, &path, None).await.ok().filter(|answer| answer.status.is_success())?;
        let pods = answer.of.get("items")?.as_array()?;
        let waiting = pods.iter().filter(|pod| is_of(pod, workload) && !is_ready(pod));
        let names = waiting.filter_map(|pod| pod.pointer("/metadata/name")?.as_str());
        // A name has no other characters, and it goes into a command that is copied.
        let is_plain = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || ['-', '.'].contains(&c));
        Some(names.filter(is_plain).map(str::to_owned).collect())
    }
}

fn is_of(pod: &Value, workload: &Workload) -> bool {
    let owners = pod.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let says = |owner: &Value, field: &str, text: &str| owner.get(field).and_then(Value::as_str) == Some(text);
    owners.into_iter().flatten().any(|owner| says(owner, "kind", "StatefulSet") && says(owner, "name", &workload.name))
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    let says = |condition: &Value, field: &str, text: &str| condition.get(field).and_then(Value::as_str) == Some(text);
    conditions
        .into_iter()
        .flatten()
        .any(|condition| says(condition, "type", "Ready") && says(condition, "status", "True"))
}
