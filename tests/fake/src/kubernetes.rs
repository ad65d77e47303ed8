//! A cluster: Secrets with their versions and managers, workloads that roll, accounts that may some of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::clock::{Clock, signed, whole_seconds};

/// A Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Told apart from another of the same name that was there before.
    pub uid: String,
    /// `resourceVersion`.
    pub version: u64,
    /// Its keys.
    pub data: BTreeMap<String, Vec<u8>>,
    /// `Opaque`, or what a person made it.
    pub kind: String,
    /// What others have put on it.
    pub labels: BTreeMap<String, String>,
    /// The same.
    pub annotations: BTreeMap<String, String>,
    /// `ownerReferences`.
    pub owners: Vec<Value>,
    /// Since when it is being deleted, where a finalizer keeps it.
    pub deleting: Option<Timestamp>,
    /// Nobody may change it.
    pub immutable: bool,
    /// When it was made.
    pub created: Timestamp,
    /// Who manages which keys, since when.
    pub managers: BTreeMap<String, (Timestamp, BTreeSet<String>)>,
    /// Those of them who do so by server-side apply.
    pub applying: BTreeSet<String>,
}

/// Something that runs pods.
#[derive(Clone, Debug)]
pub struct Workload {
    /// `spec.replicas`.
    pub replicas: i64,
    /// `metadata.generation`.
    pub generation: i64,
    /// What its template is stamped with.
    pub stamp: Option<String>,
    /// When it was last restarted.
    pub restarted: Option<Timestamp>,
    /// How long a rollout takes.
    pub rolls_in: Duration,
    /// Its rollouts fail.
    pub is_stuck: bool,
    /// From the next restart on its last pod is not ready, and holds back the others, until somebody deletes it.
    pub breaks: bool,
    /// It has such a pod.
    pub is_held_back: bool,
    /// It does not roll.
    pub is_paused: bool,
    /// Its pods are made anew by hand alone.
    pub on_delete: bool,
}

/// A request that the cluster refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is none.
    NotFound,
    /// There is one.
    AlreadyExists,
    /// It is another version.
    Conflict,
    /// `immutable: true`.
    Immutable,
    /// What the cluster's rules say.
    Admission(Admission),
}

/// How an admission webhook answers each request that changes a Secret, and each that tries to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It denies it.
    Denies,
    /// Nobody can reach it, and without it nothing is admitted (`failurePolicy: Fail`).
    IsDown,
    /// It has side effects, so that no request can be tried.
    KnowsNoTrial,
}

/// The cluster.
#[derive(Debug)]
pub struct Kubernetes {
    /// Its clock.
    pub clock: Clock,
    /// The namespaces there are.
    pub namespaces: BTreeSet<String>,
    /// By namespace and name.
    pub secrets: BTreeMap<(String, String), Secret>,
    /// By namespace, plural and name.
    pub workloads: BTreeMap<(String, String, String), Workload>,
    /// By the account's token: what it is called, and the verbs and resources that it may not.
    pub accounts: BTreeMap<String, (String, BTreeSet<(String, String)>)>,
    /// The one webhook, where there is one.
    pub admission: Option<Admission>,
    /// Who comes with a certificate may do everything.
    pub takes_certificates: bool,
    /// Reached by those alone who name it so over TLS.
    pub goes_by: Option<String>,
    next: u64,
}

impl Kubernetes {
    /// An empty cluster.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let (namespaces, secrets, workloads, accounts, admission, takes_certificates, goes_by) = Default::default();
        Self { clock, namespaces, secrets, workloads, accounts, admission, takes_certificates, goes_by, next: 1000 }
    }

    /// An account that may do everything but these verbs on these resources.
    pub fn add_account(&mut self, token: &str, name: &str, denied: &[(&str, &str)]) {
        let denied = denied.iter().map(|(verb, resource)| ((*verb).to_owned(), (*resource).to_owned())).collect();
        self.accounts.insert(token.to_owned(), (name.to_owned(), denied));
    }

    /// A Deployment, StatefulSet or DaemonSet, by its plural.
    pub fn add_workload(&mut self, namespace: &str, plural: &str, name: &str) -> &mut Workload {
        let key = (namespace.to_owned(), plural.to_owned(), name.to_owned());
        self.workloads.entry(key).or_insert(Workload {
            replicas: 3,
            generation: 1,
            stamp: None,
            restarted: None,
            rolls_in: Duration::from_millis(300),
            is_stuck: false,
            breaks: false,
            is_held_back: false,
            is_paused: false,
            on_delete: false,
        })
    }

    /// Writes one key as a person does; makes the Secret and its namespace.
    pub fn put(&mut self, namespace: &str, name: &str, key: &str, value: &str) {
        self.put_as("kubectl-create", namespace, name, key, value);
    }

    /// Writes one key under this manager's name.
    ///
    /// # Panics
    /// Where the Secret is immutable.
    pub fn put_as(&mut self, manager: &str, namespace: &str, name: &str, key: &str, value: &str) {
        self.namespaces.insert(namespace.to_owned());
        if !self.secrets.contains_key(&(namespace.to_owned(), name.to_owned())) {
            self.make(namespace, name, BTreeMap::new(), manager);
        }
        let change = BTreeMap::from([(key.to_owned(), Some(value.as_bytes().to_vec()))]);
        self.change(namespace, name, None, &change, manager).expect("it can be changed");
    }

    /// The value of a key.
    #[must_use]
    pub fn value(&self, namespace: &str, name: &str, key: &str) -> Option<String> {
        let secret = self.secrets.get(&(namespace.to_owned(), name.to_owned()))?;
        Some(String::from_utf8_lossy(secret.data.get(key)?).into_owned())
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    /// Namespace, name, key and value of all that is held.
    pub fn holdings(&self) -> impl Iterator<Item = (&str, &str, &str, String)> {
        self.secrets.iter().flat_map(|((namespace, name), secret)| {
            let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
            secret.data.iter().map(move |(key, value)| (namespace.as_str(), name.as_str(), key.as_str(), text(value)))
        })
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// What a create would do.
    ///
    /// # Errors
    /// What the cluster answers.
    pub fn may_make(&self, namespace: &str, name: &str) -> Result<(), Refusal> {
        match (self.namespaces.contains(namespace), self.secrets.contains_key(&(namespace.into(), name.into()))) {
            (false, _) => Err(Refusal::NotFound),
            (true, true) => Err(Refusal::AlreadyExists),
            (true, false) => Ok(()),
        }
    }

    /// What the webhook says of a change, or of the trial of one.
    ///
    /// # Errors
    /// What the cluster answers.
    pub fn admits(&self, is_trial: bool) -> Result<(), Refusal> {
        match self.admission {
            None => Ok(()),
            Some(Admission::KnowsNoTrial) if !is_trial => Ok(()),
            Some(admission) => Err(Refusal::Admission(admission)),
        }
    }

    /// Makes a Secret.
    pub fn make(&mut self, namespace: &str, name: &str, data: BTreeMap<String, Vec<u8>>, manager: &str) -> &Secret {
        let (created, version) = (whole_seconds(self.clock.now()), self.number());
        let managers = BTreeMap::from([(manager.to_owned(), (created, data.keys().cloned().collect()))]);
        let secret = Secret {
            uid: format!("0b8d6a1e-0000-4000-8000-{version:012}"),
            version,
            data,
            kind: "Opaque".to_owned(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            owners: Vec::new(),
            deleting: None,
            immutable: false,
            created,
            managers,
            applying: BTreeSet::new(),
        };
        let key = (namespace.to_owned(), name.to_owned());
        self.secrets.insert(key.clone(), secret);
        &self.secrets[&key]
    }

    /// Merges keys into a Secret; `None` takes one away.
    ///
    /// # Errors
    /// What the cluster answers.
    pub fn change(
        &mut self,
        namespace: &str,
        name: &str,
        version: Option<&str>,
        change: &BTreeMap<String, Option<Vec<u8>>>,
        manager: &str,
    ) -> Result<&Secret, Refusal> {
        let (now, next) = (whole_seconds(self.clock.now()), self.number());
        let secret = self.secrets.get_mut(&(namespace.to_owned(), name.to_owned())).ok_or(Refusal::NotFound)?;
        if version.is_some_and(|version| version != secret.version.to_string()) {
            return Err(Refusal::Conflict);
        }
        let differs = |(key, value): (&String, &Option<Vec<u8>>)| secret.data.get(key) != value.as_ref();
        if !change.iter().any(differs) {
            return Ok(secret);
        }
        if secret.immutable {
            return Err(Refusal::Immutable);
        }
        for (key, value) in change {
            for (_, keys) in secret.managers.values_mut() {
                keys.remove(key);
            }
            match value {
                Some(value) => {
                    secret.data.insert(key.clone(), value.clone());
                    secret.managers.entry(manager.to_owned()).or_default().1.insert(key.clone());
                }
                None => _ = secret.data.remove(key),
            }
        }
        if let Some((time, _)) = secret.managers.get_mut(manager) {
            *time = now;
        }
        secret.managers.retain(|_, (_, keys)| !keys.is_empty());
        secret.version = next;
        Ok(secret)
    }

    /// Takes a Secret away, if it is this one.
    ///
    /// # Errors
    /// What the cluster answers.
    pub fn delete(&mut self, namespace: &str, name: &str, version: &str, uid: &str) -> Result<Secret, Refusal> {
        let key = (namespace.to_owned(), name.to_owned());
        let secret = self.secrets.get(&key).ok_or(Refusal::NotFound)?;
        if secret.version.to_string() != version || secret.uid != uid {
            return Err(Refusal::Conflict);
        }
        self.secrets.remove(&key).ok_or(Refusal::NotFound)
    }

    /// Stamps a workload's template; another stamp than before makes its pods anew.
    pub fn restart(&mut self, key: &(String, String, String), stamp: &str) -> Option<&Workload> {
        let now = self.clock.now();
        let workload = self.workloads.get_mut(key)?;
        if workload.stamp.as_deref() != Some(stamp) {
            workload.stamp = Some(stamp.to_owned());
            workload.generation += 1;
            workload.restarted = Some(now);
            workload.is_held_back |= std::mem::take(&mut workload.breaks);
        }
        Some(workload)
    }

    /// How far a workload's rollout is, from 0 to 1.
    #[must_use]
    pub fn rolled(&self, workload: &Workload) -> f64 {
        let Some(restarted) = workload.restarted else { return 1.0 };
        let passed = self.clock.now().duration_since(restarted).as_secs_f64();
        let share = (passed / signed(workload.rolls_in).as_secs_f64().max(0.001)).clamp(0.0, 1.0);
        if workload.is_stuck || workload.is_held_back { share.min(0.5) } else { share }
    }
}
