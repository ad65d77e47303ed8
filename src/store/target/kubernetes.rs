//! `kubernetes:NAMESPACE/NAME#KEY[,KEY] [restart=deployment/X[,…]] [rollout-timeout=5m] [accept=KEY[,KEY]]`.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::accept::Accepted;
use super::words::{Words, note};
use super::{Kind, is_a_value};
use crate::duration::duration_within;

const LONGEST_LABEL: usize = 63;
/// Of objects' names and of a Secret's keys (`IsConfigMapKey` in Kubernetes's validation).
const LONGEST_NAME: usize = 253;

const ROLLOUT_TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60 * 60);
const ROLLOUT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5 * 60);

/// One key of a Kubernetes Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesKey {
    /// The Secret's namespace.
    pub namespace: String,
    /// The Secret's name.
    pub name: String,
    /// The key in its data.
    pub key: String,
    /// What is rolled when it was written; in the Secret's namespace.
    pub restart: Vec<Workload>,
    rollout_timeout: Option<Duration>,
    accepted: Accepted,
}

impl KubernetesKey {
    /// Names beside it that are no misspelling of its own (`accept=`).
    #[must_use]
    pub fn accepted(&self) -> &[String] {
        self.accepted.names()
    }

    /// How long a rollout may take.
    #[must_use]
    pub fn rollout_timeout(&self) -> Duration {
        self.rollout_timeout.unwrap_or(ROLLOUT_TIMEOUT_DEFAULT)
    }

    /// The words behind the locator, each with a space before it.
    pub(super) fn words(&self) -> String {
        let workloads: Vec<_> = self.restart.iter().map(ToString::to_string).collect();
        let mut words = String::new();
        if !workloads.is_empty() {
            words += &format!(" restart={}", workloads.join(","));
        }
        if let Some(timeout) = self.rollout_timeout {
            words += &format!(" rollout-timeout={}s", timeout.as_secs());
        }
        words + &self.accepted.to_string()
    }
}

impl fmt::Display for KubernetesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}#{}", Kind::Kubernetes, self.namespace, self.name, self.key)
    }
}

/// Something that runs pods, and that reads the Secret when they start.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Workload {
    /// What it is.
    pub kind: WorkloadKind,
    /// Its name, in the Secret's namespace.
    pub name: String,
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.word(), self.name)
    }
}

/// What `kubectl rollout restart` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorkloadKind {
    /// A Deployment.
    Deployment,
    /// A StatefulSet.
    StatefulSet,
    /// A DaemonSet.
    DaemonSet,
}

impl WorkloadKind {
    const ALL: [Self; 3] = [Self::Deployment, Self::StatefulSet, Self::DaemonSet];

    /// What stands before the slash, as `kubectl` writes it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::StatefulSet => "statefulset",
            Self::DaemonSet => "daemonset",
        }
    }
}

pub(super) fn read(locator: &str, words: &Words<'_>, problems: &mut Vec<String>) -> Vec<KubernetesKey> {
    let restart = words.get("restart").map(|list| workloads(list, problems)).unwrap_or_default();
    let timeout = words.get("rollout-timeout").and_then(|text| note(problems, rollout_timeout(text)));
    if words.contains_key("rollout-timeout") && !words.contains_key("restart") {
        problems.push("`rollout-timeout=` has no meaning without `restart=`".to_owned());
    }
    let accepted = Accepted::of_words(words, problems);
    let Some(((namespace, name), keys)) =
        locator.split_once('#').and_then(|(object, keys)| Some((object.split_once('/')?, keys)))
    else {
        problems.push("expected `kubernetes:NAMESPACE/NAME#KEY`, such as `kubernetes:prod/credentials#api-key`".into());
        return Vec::new();
    };
    let namespace = note(problems, check_namespace(namespace));
    let name = note(problems, check_name("a Secret's name", name));
    let keys: Vec<_> = keys.split(',').filter_map(|key| note(problems, check_key(key))).collect();
    let (Some(namespace), Some(name)) = (namespace, name) else { return Vec::new() };
    let place = |key: &str| KubernetesKey {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        key: key.to_owned(),
        rollout_timeout: timeout.filter(|_| !restart.is_empty()),
        restart: restart.clone(),
        accepted: accepted.clone(),
    };
    keys.into_iter().map(place).collect()
}

fn workloads(list: &str, problems: &mut Vec<String>) -> Vec<Workload> {
    let mut workloads: Vec<Workload> = Vec::new();
    for text in list.split(',') {
        match note(problems, workload(text)) {
            Some(workload) if workloads.contains(&workload) => {
                problems.push(format!("`restart=` names `{workload}` twice"));
            }
            Some(workload) => workloads.push(workload),
            None => {}
        }
    }
    workloads
}

fn workload(text: &str) -> Result<Workload, String> {
    let known = |word: &str| WorkloadKind::ALL.into_iter().find(|kind| kind.word() == word);
    let Some((kind, name)) = text.split_once('/').and_then(|(kind, name)| Some((known(kind)?, name))) else {
        let kinds = WorkloadKind::ALL.map(|kind| format!("{}/NAME", kind.word()));
        return Err(format!("`restart=`: `{text}` is nothing that can be restarted: expected {}", kinds.join(", ")));
    };
    Ok(Workload { kind, name: check_name("`restart=`: a workload's name", name)?.to_owned() })
}

fn rollout_timeout(text: &str) -> Result<Duration, String> {
    duration_within(text, &ROLLOUT_TIMEOUT, "1s to 1h")
        .map_err(|message| format!("`rollout-timeout={text}`: {message}"))
}

/// A label as RFC 1123 has it, in small letters.
fn is_label(text: &str) -> bool {
    let letters = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    !text.is_empty() && letters && !text.starts_with('-') && !text.ends_with('-')
}

fn check_namespace(text: &str) -> Result<&str, String> {
    if is_label(text) && text.len() <= LONGEST_LABEL && !is_a_value(text) {
        return Ok(text);
    }
    Err(format!("`{text}` is not a namespace: small letters, digits and inner hyphens, at most {LONGEST_LABEL}"))
}

fn check_name<'a>(what: &str, text: &'a str) -> Result<&'a str, String> {
    if text.split('.').all(is_label) && text.len() <= LONGEST_NAME && !is_a_value(text) {
        return Ok(text);
    }
    Err(format!("`{text}` is not {what}: small letters, digits, inner hyphens and points, at most {LONGEST_NAME}"))
}

fn check_key(text: &str) -> Result<&str, String> {
    let letters = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if letters && !text.is_empty() && text.len() <= LONGEST_NAME && text != "." && !text.starts_with("..") {
        if is_a_value(text) {
            return Err(
                "the part after `#` looks like a key or token: expected the name under which it is stored".into()
            );
        }
        return Ok(text);
    }
    Err(format!("`{text}` is not a key of a Secret: letters, digits, `-`, `_` and `.`, at most {LONGEST_NAME}"))
}
