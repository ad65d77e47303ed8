//! One key of a Secret as a target.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use ::http::Method;
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::cluster::{Cluster, MANAGER};
use super::object::{self, Seen};
use super::response::Answer;
use super::rights::Right;
use super::writers::{Weight, Writer};
use crate::http::Failure;
use crate::rotation::model::{Contents, Entry, Held, Rollout, RolloutStatus, Sighting, Written};
use crate::rotation::ports::SecretStore;
use crate::secret::Secret;
use crate::store::last_known::LastKnown;
use crate::store::original::Original;
use crate::store::target::KubernetesKey;
use crate::store::turns::Turn;

/// Shorter values are placeholders; to mask them would hide words of the log.
const SHORTEST_HIDDEN: usize = 8;

/// Secrets of one namespace that are looked at where the target's own does not hold anything: so many, and none of those
/// that Helm and Kubernetes make for themselves.
const OTHER_SECRETS: &str =
    "limit=200&fieldSelector=type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token";

/// What a write needs to know of the Secret.
#[derive(Clone, Debug)]
enum Base {
    /// There is none: it is made.
    Absent,
    /// It is changed, if it is still this version.
    Version(String),
    /// It was made by this run and holds nothing else: it goes as a whole.
    Ours { version: String, uid: String },
}

/// One key of a Secret.
pub(crate) struct KubernetesSecret {
    cluster: Rc<Cluster>,
    target: KubernetesKey,
    known: LastKnown,
    /// As it was last read; used up by one attempt to write.
    base: RefCell<Option<Base>>,
    /// There was no Secret before this run.
    was_absent: Cell<bool>,
    /// The rights were found to be there.
    may: Cell<bool>,
    turn: Turn,
    /// As whom the key is written.
    manager: RefCell<String>,
    /// What the target held when it was last observed.
    original: Original,
    contents: RefCell<Contents>,
}

impl KubernetesSecret {
    pub(crate) fn new(cluster: Rc<Cluster>, target: &KubernetesKey) -> Self {
        let (known, base, was_absent, may, turn, original, contents) = Default::default();
        let manager = RefCell::new(MANAGER.to_owned());
        Self { cluster, target: target.clone(), known, base, was_absent, may, turn, manager, original, contents }
    }

    fn all(&self) -> String {
        format!("/api/v1/namespaces/{}/secrets", self.target.namespace)
    }

    fn path(&self) -> String {
        format!("{}/{}", self.all(), self.target.name)
    }

    /// The Secret, where there is one, and the cluster's clock.
    async fn look(&self) -> Result<(Option<Seen>, Timestamp), Failure> {
        let redactor = &self.cluster.ctx.redactor;
        self.turn.reads(&self.cluster.turns, &self.path());
        let answer = self.cluster.ask(Method::GET, &self.path(), None).await?;
        let absent = answer.is(404) && answer.reason() == "NotFound";
        if absent && let Some(date) = crate::http::server_date(&answer.headers) {
            *self.base.borrow_mut() = Some(Base::Absent);
            return Ok((None, date));
        }
        let (object, date) = answer.object("Secret", redactor)?;
        let seen = object::seen(&object, &self.target.key)
            .ok_or_else(|| Failure::refused("the cluster's answer is not what it documents of a Secret"))?;
        let (version, uid) = (seen.version.clone(), seen.uid.clone());
        seen.manager.clone_into(&mut self.manager.borrow_mut());
        let ours = self.was_absent.get() && seen.is_ours_alone;
        *self.base.borrow_mut() = Some(if ours { Base::Ours { version, uid } } else { Base::Version(version) });
        if let Some(value) = seen.value.as_ref().filter(|it| it.expose().len() >= SHORTEST_HIDDEN && !it.is_words())
            && !self.known.has(value)
        {
            (self.cluster.ctx.hide)(value);
        }
        self.learn(&seen.others);
        Ok((Some(seen), date))
    }

    fn learn(&self, entries: &[Entry]) {
        let values = entries.iter().filter_map(|entry| entry.value.as_ref());
        values.for_each(|value| self.cluster.ctx.redactor.learn_neighbour(value));
    }

    /// What was seen when it was observed, kept for whoever asks for it.
    fn keep(&self, seen: Option<Seen>) {
        let Some(Seen { value, others, writers, .. }) = seen else {
            self.original.read(None);
            let accepted = self.target.accepted().to_vec();
            *self.contents.borrow_mut() = Contents { accepted, ..Contents::default() };
            return;
        };
        let value = value.filter(|value| !value.expose().is_empty());
        self.original.read(value.as_ref());
        let notices = writers.into_iter().filter(|writer| writer.weight == Weight::May).map(|writer| writer.says);
        let (accepted, notices) = (self.target.accepted().to_vec(), notices.collect());
        *self.contents.borrow_mut() = Contents { value, others, accepted, notices, ..Contents::default() };
    }

    /// A Secret that somebody else writes, or nobody can, is none to keep a key in.
    fn check_writable(&self, seen: &Seen) -> Result<(), Failure> {
        if seen.immutable {
            let hint = "make it anew without `immutable: true`, or write to another one";
            return Err(Failure::advised("the Secret is immutable: nobody can change it", hint));
        }
        if let Some(since) = &seen.deleted {
            let hint = "wait until it is gone, then run again; a finalizer that keeps it stands in its metadata";
            return Err(Failure::advised(format!("the Secret is being deleted since {since}"), hint));
        }
        let accepted = self.target.accepted();
        let is_alien = |writer: &&Writer| match writer.weight {
            Weight::Restores => true,
            Weight::Applies => !accepted.contains(&writer.who),
            Weight::May => false,
        };
        match seen.writers.iter().find(is_alien) {
            Some(writer) => Err(Failure::advised(&writer.says, &writer.instead)),
            None => Ok(()),
        }
    }

    fn held(&self, seen: Option<&Seen>) -> Held {
        let value = seen.and_then(|seen| seen.value.as_ref()).filter(|value| !value.expose().is_empty());
        self.known.held(value, seen.map_or(Timestamp::UNIX_EPOCH, |seen| seen.written))
    }

    async fn check_rights(&self) -> Result<(), Failure> {
        if self.may.get() {
            return Ok(());
        }
        let namespace = self.target.namespace.as_str();
        for verb in ["get", "patch"] {
            let name = Some(self.target.name.as_str());
            self.cluster.check_right(&Right { verb, group: "", resource: "secrets", namespace, name }).await?;
        }
        for workload in &self.target.restart {
            self.cluster.check_restartable(namespace, workload).await?;
        }
        self.may.set(true);
        Ok(())
    }

    /// A Secret is made for trial, so that a missing namespace, a quota or a rule of the cluster shows now.
    async fn check_making(&self) -> Result<(), Failure> {
        let namespace = self.target.namespace.as_str();
        let right = Right { verb: "create", group: "", resource: "secrets", namespace, name: None };
        self.cluster.check_right(&right).await?;
        let path = format!("{}?dryRun=All&fieldManager={MANAGER}", self.all());
        self.tried(self.cluster.ask(Method::POST, &path, Some(&self.whole(None))).await?)
    }

    /// The key is written for trial as it is, so that a rule of the cluster shows before a key is made.
    async fn check_changing(&self, seen: &Seen) -> Result<(), Failure> {
        let value = seen.value.as_ref().map_or_else(String::new, |value| STANDARD.encode(value.expose()));
        let change = json!({ "data": { &self.target.key: value } });
        let path = format!("{}?dryRun=All&fieldManager={}", self.path(), self.manager.borrow());
        self.tried(self.cluster.ask(Method::PATCH, &path, Some(&change)).await?)
    }

    /// What a write for trial says of the one to come.
    fn tried(&self, answer: Answer) -> Result<(), Failure> {
        // A conflict is settled by the write itself, and some webhooks have side effects and know no trial.
        if answer.is(409) || answer.knows_no_trial() {
            return Ok(());
        }
        answer.object("Secret", &self.cluster.ctx.redactor).map(|_| ())
    }

    fn whole(&self, value: Option<&Secret>) -> Value {
        let data = value.map(|value| json!({ &self.target.key: STANDARD.encode(value.expose()) }));
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "metadata": { "name": self.target.name, "namespace": self.target.namespace },
            "data": data.unwrap_or_else(|| json!({})),
        })
    }

    async fn change(&self, version: &str, value: Option<&Secret>) -> Result<Timestamp, Failure> {
        let value = value.map(|value| STANDARD.encode(value.expose()));
        let change = json!({
            "metadata": { "resourceVersion": version },
            "data": { &self.target.key: value },
        });
        let path = format!("{}?fieldManager={}", self.path(), self.manager.borrow());
        let answer = self.cluster.ask(Method::PATCH, &path, Some(&change)).await?;
        if answer.says(404) {
            // It was there a moment ago: it is made anew.
            return Err(Failure::Transient {
                message: format!("{}: the Secret is gone", answer.asked),
                retry_after: None,
            });
        }
        answer.object("Secret", &self.cluster.ctx.redactor).map(|(_, date)| date)
    }

    async fn make(&self, value: &Secret) -> Result<Timestamp, Failure> {
        let path = format!("{}?fieldManager={MANAGER}", self.all());
        let answer = self.cluster.ask(Method::POST, &path, Some(&self.whole(Some(value)))).await?;
        answer.object("Secret", &self.cluster.ctx.redactor).map(|(_, date)| date)
    }

    async fn delete(&self, version: &str, uid: &str) -> Result<(), Failure> {
        let guard = json!({ "preconditions": { "resourceVersion": version, "uid": uid } });
        let answer = self.cluster.ask(Method::DELETE, &self.path(), Some(&guard)).await?;
        if answer.says(403) {
            // The account may do without this right: then the key is taken out, and the Secret stays empty.
            self.was_absent.set(false);
            let message = format!("{}: the account may not delete it, so that only the key is taken out", answer.asked);
            return Err(Failure::Transient { message, retry_after: None });
        }
        match answer.status.is_success() || answer.says(404) {
            true => Ok(()),
            false => Err(answer.failure(&self.cluster.ctx.redactor)),
        }
    }

    fn taken_base(&self) -> Result<Base, Failure> {
        let unread = || Failure::Transient { message: "the Secret has to be read first".to_owned(), retry_after: None };
        self.base.borrow_mut().take().ok_or_else(unread)
    }
}

#[async_trait(?Send)]
impl SecretStore for KubernetesSecret {
    fn name(&self) -> String {
        self.target.to_string()
    }

    fn rollout(&self) -> Option<Rollout> {
        let workloads: Vec<_> = self.target.restart.iter().map(ToString::to_string).collect();
        let what = format!("restart {}", workloads.join(", "));
        (!workloads.is_empty()).then(|| Rollout { what, within: self.target.rollout_timeout(), when_put_back: true })
    }

    async fn observe(&self) -> Result<Sighting, Failure> {
        self.check_rights().await?;
        let (seen, date) = self.look().await?;
        self.was_absent.set(seen.is_none());
        match &seen {
            None => self.check_making().await?,
            Some(seen) => {
                self.check_writable(seen)?;
                self.check_changing(seen).await?;
            }
        }
        let held = self.held(seen.as_ref());
        self.keep(seen);
        Ok(Sighting { held, date })
    }

    fn contents(&self) -> Contents {
        self.contents.borrow().clone()
    }

    async fn elsewhere(&self) -> Result<Vec<Entry>, Failure> {
        let path = format!("{}?{OTHER_SECRETS}", self.all());
        let answer = self.cluster.ask(Method::GET, &path, None).await?;
        let (list, _) = answer.object("SecretList", &self.cluster.ctx.redactor)?;
        let items = list.get("items").and_then(Value::as_array).into_iter().flatten();
        let is_other =
            |item: &&Value| item.pointer("/metadata/name").and_then(Value::as_str) != Some(&self.target.name);
        let entries: Vec<_> = items.filter(is_other).flat_map(object::entries).collect();
        self.learn(&entries);
        Ok(entries)
    }

    async fn ready(&self) -> Result<(), Failure> {
        let (turn, is_old) = self.turn.wait(&self.cluster.turns, &self.path()).await;
        if is_old || self.base.borrow().is_none() {
            self.look().await?;
        }
        self.turn.keep(turn);
        Ok(())
    }

    fn release(&self) {
        self.turn.release();
    }

    async fn write(&self, value: &Secret) -> Result<Written, Failure> {
        let _turn = self.turn.writes();
        let base = self.taken_base()?;
        let written = match base {
            Base::Absent => self.make(value).await,
            Base::Version(version) | Base::Ours { version, .. } => self.change(&version, Some(value)).await,
        };
        self.cluster.has_written();
        let date = written?;
        self.known.wrote(value, date);
        Ok(Written { date })
    }

    async fn write_back(&self, value: &Secret) -> Result<Written, Failure> {
        self.write(&self.original.of(value)).await
    }

    async fn last_write(&self) -> Result<Sighting, Failure> {
        let (seen, date) = self.look().await?;
        Ok(Sighting { held: self.held(seen.as_ref()), date })
    }

    async fn read_back(&self) -> Result<Option<Secret>, Failure> {
        let (seen, _) = self.look().await?;
        Ok(Some(seen.and_then(|seen| seen.value).unwrap_or_else(|| Secret::new(String::new()))))
    }

    async fn remove(&self) -> Result<(), Failure> {
        let _turn = self.turn.writes();
        let base = self.taken_base()?;
        let removed = match base {
            Base::Absent => Ok(()),
            Base::Version(version) => self.change(&version, None).await.map(|_| ()),
            Base::Ours { version, uid } => self.delete(&version, &uid).await,
        };
        self.cluster.has_written();
        removed
    }

    async fn start_rollout(&self) -> Result<(), Failure> {
        for workload in &self.target.restart {
            self.cluster.restart(&self.target.namespace, workload).await?;
        }
        Ok(())
    }

    async fn rollout_status(&self) -> Result<RolloutStatus, Failure> {
        for workload in &self.target.restart {
            if let Some(what) = self.cluster.waits_for(&self.target.namespace, workload).await? {
                return Ok(RolloutStatus::NotYet(what));
            }
        }
        Ok(RolloutStatus::Yes(Some("every pod was made anew and is ready".to_owned())))
    }
}
