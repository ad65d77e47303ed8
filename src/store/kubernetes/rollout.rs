//! Restarting workloads as `kubectl rollout restart` does, and waiting as `kubectl rollout status` does.

use ::http::Method;
use serde_json::{Value, json};

use super::cluster::{Cluster, MANAGER, Restart};
use super::pods::is_held_back;
use super::rights::Right;
use crate::http::{Failure, Refusal};
use crate::store::target::{Workload, WorkloadKind};

/// What `kubectl rollout restart` changes in the template of the pods, so that they are made anew.
const STAMP: &str = "kubectl.kubernetes.io/restartedAt";

/// How far a rollout is.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    Done,
    NotYet(String),
    Failed(String),
}

fn resource(kind: WorkloadKind) -> (&'static str, &'static str) {
    match kind {
        WorkloadKind::Deployment => ("deployments", "Deployment"),
        WorkloadKind::StatefulSet => ("statefulsets", "StatefulSet"),
        WorkloadKind::DaemonSet => ("daemonsets", "DaemonSet"),
    }
}

fn path(namespace: &str, workload: &Workload) -> String {
    format!("/apis/apps/v1/namespaces/{namespace}/{}/{}", resource(workload.kind).0, workload.name)
}

impl Cluster {
    /// # Errors
    /// Refused where it can't be restarted: it is not there, the account may not, or it would not roll.
    pub(super) async fn check_restartable(&self, namespace: &str, workload: &Workload) -> Result<(), Failure> {
        let (plural, _) = resource(workload.kind);
        for verb in ["get", "patch"] {
            let name = Some(workload.name.as_str());
            self.check_right(&Right { verb, group: "apps", resource: plural, namespace, name }).await?;
        }
        let object = self.workload(namespace, workload).await?;
        let says = |pointer: &str, text: &str| object.pointer(pointer).and_then(Value::as_str) == Some(text);
        if object.pointer("/spec/paused").and_then(Value::as_bool) == Some(true) {
            return Err(Failure::refused(format!("{workload} is paused: `kubectl rollout resume {workload}` first")));
        }
        if says("/spec/updateStrategy/type", "OnDelete") {
            let message = format!("{workload} makes its pods anew only when someone deletes them (OnDelete)");
            return Err(Failure::refused(format!("{message}: leave it out of `restart=`")));
        }
        if kept(&object) > 0 {
            let message = format!("{workload} makes only some of its pods anew (`partition` in its update strategy)");
            return Err(Failure::refused(format!("{message}: set it to 0, or leave it out of `restart=`")));
        }
        // A pod that is not ready for a moment is waited for behind the restart.
        if is_held_back(workload.kind, &object) && is_rolling(&object) {
            let (what, next) = self.held_back(namespace, workload, &object).await;
            let message = format!("{workload} would not restart: {what}");
            let hint = Some(format!("{next} Or leave {workload} out of `restart=`."));
            return Err(Failure::Refused(Refusal { status: None, message, hint }));
        }
        Ok(())
    }

    async fn workload(&self, namespace: &str, workload: &Workload) -> Result<Value, Failure> {
        let answer = self.ask(Method::GET, &path(namespace, workload), None).await?;
        answer.object(resource(workload.kind).1, &self.ctx.redactor).map(|(object, _)| object)
    }

    /// Restarts it, once for all writes so far: whoever asks again, and a lost request that is repeated, asks for the
    /// same restart.
    pub(super) async fn restart(&self, namespace: &str, workload: &Workload) -> Result<(), Failure> {
        let (key, writes) = ((namespace.to_owned(), workload.clone()), self.writes.get());
        let known = self.restarts.borrow().get(&key).filter(|restart| restart.writes == writes).cloned();
        let restart = known.unwrap_or_else(|| Restart { stamp: (self.ctx.now)(), writes });
        self.restarts.borrow_mut().insert(key, restart.clone());
        let annotations = json!({ STAMP: restart.stamp.to_string() });
        let change = json!({ "spec": { "template": { "metadata": { "annotations": annotations } } } });
        let path = format!("{}?fieldManager={MANAGER}", path(namespace, workload));
        let answer = self.ask(Method::PATCH, &path, Some(&change)).await?;
        answer.object(resource(workload.kind).1, &self.ctx.redactor).map(|_| ())
    }

    /// What is still waited for; `None`: every pod was made anew and is ready.
    ///
    /// # Errors
    /// Refused where the rollout has failed for good.
    pub(super) async fn waits_for(&self, namespace: &str, workload: &Workload) -> Result<Option<String>, Failure> {
        let object = self.workload(namespace, workload).await?;
        match progress(workload.kind, &object) {
            Progress::Done => Ok(None),
            Progress::NotYet(_) if is_held_back(workload.kind, &object) => {
                let (what, next) = self.held_back(namespace, workload, &object).await;
                Ok(Some(format!("{workload}: {what}. {}", next.trim_end_matches('.'))))
            }
            Progress::NotYet(what) => Ok(Some(format!("{workload}: {what}"))),
            Progress::Failed(why) => Err(Failure::refused(format!("{workload}: {why}"))),
        }
    }
}

/// The rules of `kubectl rollout status` (`polymorphichelpers/rollout_status.go`).
fn progress(kind: WorkloadKind, object: &Value) -> Progress {
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64);
    let status = |name: &str| number(&format!("/status/{name}")).unwrap_or_default();
    let wanted = number("/spec/replicas").unwrap_or(1);
    if status("observedGeneration") < number("/metadata/generation").unwrap_or_default() {
        return Progress::NotYet("the cluster has not looked at it yet".to_owned());
    }
    let of = |done: i64, all: i64, what: &str| {
        (done < all).then(|| Progress::NotYet(format!("{done} of {all} pods {what}")))
    };
    let waiting = match kind {
        WorkloadKind::Deployment => {
            if is_stuck(object) {
                return Progress::Failed("its rollout made no progress within its own deadline".to_owned());
            }
            let (updated, all) = (status("updatedReplicas"), status("replicas"));
            let old = || (all > updated).then(|| Progress::NotYet(format!("{} old pods have to go", all - updated)));
            let updated_all = || of(updated, wanted, "are new");
            updated_all().or_else(old).or_else(|| of(status("availableReplicas"), updated, "are available"))
        }
        WorkloadKind::StatefulSet => {
            if kept(object) > 0 {
                return Progress::Failed("only some of its pods are made anew (`partition`)".to_owned());
            }
            let new = || format!("{} of {wanted} pods are new", status("updatedReplicas"));
            let rolling = || is_rolling(object).then(|| Progress::NotYet(new()));
            of(status("readyReplicas"), wanted, "are ready").or_else(rolling)
        }
        WorkloadKind::DaemonSet => {
            let all = status("desiredNumberScheduled");
            of(status("updatedNumberScheduled"), all, "are new")
                .or_else(|| of(status("numberAvailable"), all, "are available"))
        }
    };
    waiting.unwrap_or(Progress::Done)
}

/// Whether pods of a StatefulSet are still those of an earlier template.
fn is_rolling(object: &Value) -> bool {
    let revision = |name: &str| object.pointer(&format!("/status/{name}Revision"));
    revision("update") != revision("current")
}

/// The pods of a StatefulSet, by their number from 0, that stay as they are.
fn kept(object: &Value) -> i64 {
    object.pointer("/spec/updateStrategy/rollingUpdate/partition").and_then(Value::as_i64).unwrap_or_default()
}

fn is_stuck(deployment: &Value) -> bool {
    let conditions = deployment.pointer("/status/conditions").and_then(Value::as_array);
    let says = |condition: &Value, name: &str, text: &str| condition.get(name).and_then(Value::as_str) == Some(text);
    conditions.into_iter().flatten().any(|condition| {
        says(condition, "type", "Progressing") && says(condition, "reason", "ProgressDeadlineExceeded")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "a test that fails here has failed")]

    use super::*;

    #[test]
    fn a_rollout_is_over_when_kubectl_says_so() {
        let waits = |kind, object: Value| match progress(kind, &object) {
            Progress::Done => String::new(),
            Progress::NotYet(what) | Progress::Failed(what) => what,
        };
        let deployment = |observed: i64, replicas: i64, updated: i64, available: i64| {
            json!({
                "metadata": { "generation": 4 }, "spec": { "replicas": 3 },
                "status": {
                    "observedGeneration": observed, "replicas": replicas, "updatedReplicas": updated,
                    "availableReplicas": available,
                },
            })
        };
        for (object, says) in [
            (deployment(3, 3, 3, 3), "not looked at it"),
            (deployment(4, 4, 1, 3), "1 of 3 pods are new"),
            (deployment(4, 4, 3, 3), "1 old pods"),
            (deployment(4, 3, 3, 2), "2 of 3 pods are available"),
            (deployment(4, 3, 3, 3), ""),
        ] {
            let told = waits(WorkloadKind::Deployment, object);
            assert!(told.contains(says) && told.is_empty() == says.is_empty(), "{told}: {says}");
        }
        let mut stuck = deployment(4, 4, 1, 3);
        stuck["status"]["conditions"] = json!([{ "type": "Progressing", "reason": "ProgressDeadlineExceeded" }]);
        assert!(matches!(progress(WorkloadKind::Deployment, &stuck), Progress::Failed(_)));
        let set = |ready: i64, updated: i64, current: &str, kept: i64| {
            json!({
                "metadata": { "generation": 1 },
                "spec": { "replicas": 3, "updateStrategy": { "rollingUpdate": { "partition": kept } } },
                "status": {
                    "observedGeneration": 1, "readyReplicas": ready, "updatedReplicas": updated,
                    "currentRevision": current, "updateRevision": "new",
                },
            })
        };
        for (object, says) in [
            (set(2, 1, "old", 0), "2 of 3 pods are ready"),
            (set(3, 1, "old", 0), "1 of 3 pods are new"),
            (set(3, 3, "new", 0), ""),
        ] {
            let told = waits(WorkloadKind::StatefulSet, object);
            assert!(told.contains(says) && told.is_empty() == says.is_empty(), "{told}: {says}");
        }
        assert!(matches!(progress(WorkloadKind::StatefulSet, &set(3, 1, "old", 2)), Progress::Failed(_)));
        let daemons = |updated: i64, available: i64| {
            json!({ "status": {
                "desiredNumberScheduled": 2, "updatedNumberScheduled": updated, "numberAvailable": available,
            } })
        };
        assert_eq!(waits(WorkloadKind::DaemonSet, daemons(1, 2)), "1 of 2 pods are new");
        assert_eq!(waits(WorkloadKind::DaemonSet, daemons(2, 1)), "1 of 2 pods are available");
        assert_eq!(waits(WorkloadKind::DaemonSet, daemons(2, 2)), "");
    }
}
