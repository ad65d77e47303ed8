//! One field of a secret in a KV mount as a target of a rotation.
//!
//! A write is one request, which names by `cas` the version that it follows: whoever wrote in between, ourselves in an
//! attempt that was thought lost included, makes it fail and be read anew. When a field was last written is the time of
//! the oldest of the versions up to the newest in which it has the value that it has now, since the other fields of a
//! secret are written by others.
//!
//! A mount of version 1 keeps neither versions nor times and knows no `cas`: the secret is read, changed and written whole,
//! and what it holds is known by its value alone.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use ::http::{Method, StatusCode};
use async_trait::async_trait;
use jiff::Timestamp;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::client::{Ask, Vault};
use super::document::{Document, Fields};
use super::login::{self, token};
use super::mount::Mount;
use super::response::Answer;
use super::rights::{Rights, needed};
use super::session::{Session, Way};
use crate::http::{Call, Failure, Refusal};
use crate::rotation::model::{Contents, Entry, Held, Sighting, Written};
use crate::rotation::ports::SecretStore;
use crate::secret::Secret;
use crate::store::json;
use crate::store::last_known::LastKnown;
use crate::store::original::Original;
use crate::store::target::{Kind, VaultField};
use crate::store::turns::Turn;

/// So many older versions are looked at; Vault keeps 10 unless it is told otherwise.
const MAX_VERSIONS: usize = 20;

/// One field of one secret.
pub struct VaultSecret {
    vault: Rc<Vault>,
    session: Rc<Session>,
    target: VaultField,
    mount: RefCell<Option<Mount>>,
    rights: Cell<Rights>,
    /// What a write follows; gone once one was tried.
    known: RefCell<Option<Document>>,
    /// Our own last write: its version, and when it was made.
    written: Cell<Option<(u64, Timestamp)>>,
    /// The version before our first write and that of our last one.
    versions: Cell<Option<(u64, u64)>>,
    turn: Turn,
    /// What a mount without times holds, and when it was first seen there.
    seen: LastKnown,
    /// What the target held when it was last observed.
    original: Original,
    contents: RefCell<Contents>,
    /// There was a secret when it was observed.
    was_there: Cell<bool>,
    /// When Vault deletes the version that we have made.
    ends: Cell<Option<Timestamp>>,
}

/// Of so many other secrets in its folder the fields are read, where the target holds nothing.
const MAX_NEIGHBOURS: usize = 8;

#[derive(Deserialize)]
struct Listed {
    data: Names,
}

#[derive(Deserialize)]
struct Names {
    keys: Vec<String>,
}

#[derive(Deserialize)]
struct Made {
    data: Version,
}

#[derive(Deserialize)]
struct Version {
    version: u64,
    created_time: Timestamp,
    #[serde(default)]
    deletion_time: String,
}

impl VaultSecret {
    /// The field that a target names.
    #[must_use]
    pub fn new(vault: Rc<Vault>, target: &VaultField) -> Self {
        let session = vault.session(Way::of(target.role.as_deref(), target.jwt_mount.as_deref()));
        let (mount, known, written, versions, turn, seen, original) = Default::default();
        let (contents, was_there, ends) = Default::default();
        let rights = Cell::new(Rights::UNKNOWN);
        let target = target.clone();
        Self {
            vault,
            session,
            target,
            mount,
            rights,
            known,
            written,
            versions,
            turn,
            seen,
            original,
            contents,
            was_there,
            ends,
        }
    }

    async fn mount(&self) -> Result<Mount, Failure> {
        if let Some(mount) = self.mount.borrow().as_ref() {
            return Ok(mount.clone());
        }
        let token = token(&self.session, &self.vault).await?;
        let mount = Mount::ask(&self.vault, &token, &self.target.path).await?;
        *self.mount.borrow_mut() = Some(mount.clone());
        Ok(mount)
    }

    /// The secret at its newest version, or at an older one; of a token that may not read it, the fields' names.
    async fn read(&self, version: Option<u64>) -> Result<Document, Failure> {
        let mount = self.mount().await?;
        let whole = self.get(&mount, "data", version).await?;
        if whole.status != StatusCode::FORBIDDEN || !mount.versioned {
            return self.document(&whole, &mount, true);
        }
        let names = self.get(&mount, "subkeys", version).await?;
        self.document(if names.status == StatusCode::OK { &names } else { &whole }, &mount, false)
    }

    async fn get(&self, mount: &Mount, side: &str, version: Option<u64>) -> Result<Answer, Failure> {
        let token = token(&self.session, &self.vault).await?;
        self.vault.send(Ask { version, ..Ask::get(mount.parts(side)) }, Some(&token)).await
    }

    fn document(&self, answer: &Answer, mount: &Mount, whole: bool) -> Result<Document, Failure> {
        let shown = match answer.status {
            StatusCode::OK | StatusCode::NOT_FOUND if !mount.versioned => Document::plain(answer)?,
            StatusCode::OK | StatusCode::NOT_FOUND => Document::of(answer, whole)?,
            _ => None,
        };
        shown.ok_or_else(|| self.vault.failure(answer, &needed("read", &mount.path("data"))))
    }

    /// Since when the field has had the value that it has.
    async fn held(&self, document: &Document) -> Result<Held, Failure> {
        if !self.is_versioned() {
            return Ok(self.seen.held(self.value(document)?.as_ref(), document.date));
        }
        let (Some(value), Some(created)) = (document.field(&self.target.field)?, document.created) else {
            return Ok(Held::Nothing);
        };
        let (Some(value), mut since) = (value, created) else { return Ok(Held::Since(created)) };
        let ours = self.written.get().map_or(0, |(version, _)| version);
        for version in (1..document.version).rev().take(MAX_VERSIONS).take_while(|version| version + 1 > ours) {
            let Some(older) = self.older(version).await? else { break };
            match (older.field(&self.target.field), older.created) {
                (Ok(Some(Some(same))), Some(created)) if same == value => since = created,
                _ => break,
            }
        }
        Ok(Held::Since(since))
    }

    /// The field's text, where there is one that may be seen. Whatever it is, it may be a key.
    fn value(&self, document: &Document) -> Result<Option<Secret>, Failure> {
        let value = document.field(&self.target.field)?.flatten().map(|value| Secret::new(value.to_string()));
        value.iter().filter(|it| !it.is_words()).for_each(|it| self.vault.ctx.redactor.learn(it));
        Ok(value)
    }

    fn is_versioned(&self) -> bool {
        self.mount.borrow().as_ref().is_none_or(|mount| mount.versioned)
    }

    /// A version that may be gone, or out of the token's reach.
    async fn older(&self, version: u64) -> Result<Option<Document>, Failure> {
        match self.read(Some(version)).await {
            Ok(document) => Ok(Some(document)),
            Err(Failure::Refused(_)) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn look(&self) -> Result<(Document, Sighting), Failure> {
        let document = self.read(None).await?;
        let held = self.held(&document).await?;
        let date = document.date;
        Ok((document, Sighting { held, date }))
    }

    /// A path that begins as the API's own do names nothing, and often the token may not even ask for it.
    fn check_path(&self, mount: &Mount, looked: &Result<(Document, Sighting), Failure>) -> Result<(), Failure> {
        let Some((side, path)) = mount.without_side() else { return Ok(()) };
        let is_there = match looked {
            Ok((document, _)) => document.version > 0,
            Err(failure) => !matches!(failure, Failure::Refused(_)),
        };
        if is_there {
            return Ok(());
        }
        let right = format!("{}:{path}#{}", Kind::Vault, self.target.field);
        let message = format!("`{side}/` belongs to the path of Vault's API: the secret's own path comes without it");
        Err(Failure::advised(message, format!("Write `{right}`.")))
    }

    /// What was seen when it was observed, kept for whoever asks for it.
    fn keep(&self, document: &Document) -> Result<(), Failure> {
        let value = document.field(&self.target.field)?.flatten().filter(|value| !value.is_empty());
        let value = value.map(|value| Secret::new(value.to_string()));
        self.original.read(value.as_ref());
        let fields = document.all().into_iter().filter(|(name, _)| *name != self.target.field);
        // The secret is dated, and not each field: it was not written later than that.
        let entry = |(field, value): (String, Option<Secret>)| Entry {
            target: self.beside(&field),
            name: field,
            value,
            written: document.created,
        };
        let others: Vec<_> = fields.map(entry).collect();
        let values = others.iter().filter_map(|entry| entry.value.as_ref()).chain(&value);
        values.for_each(|value| self.vault.ctx.redactor.learn_neighbour(value));
        let accepted = self.target.accepted().to_vec();
        let one_target = !self.is_versioned();
        let ended = document.created.filter(|_| document.fields.is_none());
        let ends = document.ends.filter(|_| document.fields.is_some());
        *self.contents.borrow_mut() =
            Contents { value, others, accepted, one_target, ended, ends, ..Contents::default() };
        Ok(())
    }

    /// The fields of another secret in the same folder; none where the token may not read it.
    async fn neighbour(&self, mount: &Mount, name: &str) -> Result<Vec<(String, Option<Secret>)>, Failure> {
        let mount = mount.neighbour(name);
        let answer = self.get(&mount, "data", None).await?;
        let fields = match self.document(&answer, &mount, true) {
            Ok(document) => document.all(),
            Err(Failure::Refused(_)) => Vec::new(),
            Err(failure) => return Err(failure),
        };
        let values = fields.iter().filter_map(|(_, value)| value.as_ref());
        values.for_each(|value| self.vault.ctx.redactor.learn_neighbour(value));
        Ok(fields)
    }

    fn beside(&self, field: &str) -> String {
        format!("{}:{}#{field}", Kind::Vault, self.target.path)
    }

    /// Writes the field, or takes it out.
    async fn change(&self, value: Option<&Secret>) -> Result<Option<Written>, Failure> {
        let _turn = self.turn.writes();
        let known = self.known.borrow_mut().take();
        let (Some(known), Some(mount)) = (known, self.mount.borrow().clone()) else {
            return Err(transient("it must be read first"));
        };
        if value.is_none() && known.field(&self.target.field)?.is_none() {
            return Ok(None);
        }
        let Some(token) = self.session.at_hand() else {
            return Err(transient("the token must be asked for anew"));
        };
        let (method, data) = self.data(&known, value)?;
        let by_patch = method == Method::PATCH;
        let capability = match method {
            Method::PATCH => "patch",
            Method::DELETE => "delete",
            _ if known.version == 0 && known.fields.is_none() => "create",
            _ => "update",
        };
        let body = match (mount.versioned, data.as_str()) {
            (true, data) => Some(Zeroizing::new(format!(r#"{{"options":{{"cas":{}}},"data":{data}}}"#, known.version))),
            // Version 1 takes no secret without a field.
            (false, _) if method == Method::DELETE => None,
            (false, _) => Some(data),
        };
        let path = mount.parts("data");
        let ask = Ask { method, call: Call::Write, body, ..Ask::get(path) };
        let answer = self.vault.send(ask, Some(&token)).await?;
        if answer.status.is_success() && !mount.versioned {
            return self.overwritten(&answer, value).map(Some);
        }
        if answer.status.is_success() {
            return self.made(&answer, known.version).map(Some);
        }
        Err(self.unwritten(&answer, &needed(capability, &mount.path("data")), by_patch))
    }

    /// How the field is written, and what is sent as `data`: the field alone, where the server and the policy know
    /// `PATCH`, else the whole secret with the one change.
    fn data(&self, known: &Document, value: Option<&Secret>) -> Result<(Method, Zeroizing<String>), Failure> {
        let (field, value) = (self.target.field.as_str(), value.map(Secret::expose));
        let patches = self.rights.get().patch;
        let text = match &known.fields {
            Some(_) if patches => return Ok((Method::PATCH, json::entry(field, value))),
            Some(Fields::Whole(text)) => text.as_str(),
            Some(Fields::Names(_)) => {
                return Err(Failure::refused("the field can be changed neither by PATCH nor by reading"));
            }
            None => "{}",
        };
        let changed = match value {
            Some(value) => json::with_field(text, field, value),
            None => json::without_field(text, field),
        };
        let changed = changed.map_err(|odd| Failure::refused(odd.to_string()))?;
        let is_empty = value.is_none() && changed.chars().all(|c| c.is_whitespace() || matches!(c, '{' | '}'));
        let method = if is_empty && !self.is_versioned() { Method::DELETE } else { Method::POST };
        Ok((method, changed))
    }

    fn overwritten(&self, answer: &Answer, value: Option<&Secret>) -> Result<Written, Failure> {
        let date = answer.date()?;
        if let Some(value) = value {
            self.seen.wrote(value, date);
        }
        Ok(Written { date })
    }

    fn made(&self, answer: &Answer, before: u64) -> Result<Written, Failure> {
        let Made { data: Version { version, created_time, deletion_time } } = answer.json()?;
        self.ends.set(deletion_time.parse().ok());
        self.written.set(Some((version, created_time)));
        let first = self.versions.get().map_or(before, |(first, _)| first);
        self.versions.set(Some((first, version)));
        // The clock that stamps versions is the active server's, which need not be the one that answered.
        Ok(Written { date: created_time })
    }

    fn unwritten(&self, answer: &Answer, permission: &str, by_patch: bool) -> Failure {
        let failure = self.vault.failure(answer, permission);
        let Failure::Refused(Refusal { message, .. }) = &failure else { return failure };
        match answer.status {
            // Servers before 1.9 know no PATCH; where the rights could not be asked for, the policy may know none.
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::FORBIDDEN if by_patch => {
                let rights = self.rights.get();
                let guessed = rights == Rights::UNKNOWN || answer.status == StatusCode::METHOD_NOT_ALLOWED;
                self.rights.set(Rights { patch: false, ..rights });
                if guessed && rights.update { transient(message) } else { failure }
            }
            // Deleted since it was read.
            StatusCode::NOT_FOUND if by_patch => transient(message),
            _ => failure,
        }
    }
}

fn deleted_meanwhile(path: &str) -> Failure {
    let message = format!("{path} was deleted since this run looked at it");
    Failure::advised(message, "Find out who deletes it, or undelete its last version; then run it again.")
}

fn transient(message: impl Into<String>) -> Failure {
    Failure::Transient { message: message.into(), retry_after: None }
}

#[async_trait(?Send)]
impl SecretStore for VaultSecret {
    fn name(&self) -> String {
        self.target.to_string()
    }

    async fn observe(&self) -> Result<Sighting, Failure> {
        let mount = self.mount().await?;
        let token = token(&self.session, &self.vault).await?;
        if !mount.versioned {
            self.vault.claim(&self.target.path, &self.target.field)?;
        }
        let path = mount.path("data");
        let rights = Rights::ask(&self.vault, &token, &path).await?;
        self.rights.set(Rights { patch: rights.patch && mount.versioned, ..rights });
        self.turn.reads(&self.vault.turns, &self.target.path);
        let looked = self.look().await;
        self.check_path(&mount, &looked)?;
        let (document, sighting) = looked?;
        document.check_name(&self.target.field)?;
        self.rights.get().check(&path, &document)?;
        self.keep(&document)?;
        self.was_there.set(document.fields.is_some());
        *self.known.borrow_mut() = Some(document);
        Ok(sighting)
    }

    fn contents(&self) -> Contents {
        self.contents.borrow().clone()
    }

    /// The other secrets of the same folder, and the fields of those that are named nearly as this one.
    async fn elsewhere(&self) -> Result<Vec<Entry>, Failure> {
        let mount = self.mount().await?;
        let token = token(&self.session, &self.vault).await?;
        let path = mount.folder();
        let needs = format!("To see what is there, the policy must grant `list` on {}/.", path.join("/"));
        let answer = self.vault.send(Ask { list: true, ..Ask::get(path) }, Some(&token)).await?;
        if answer.says_nothing_there() {
            return Ok(Vec::new());
        }
        if !answer.status.is_success() {
            return Err(self.vault.failure(&answer, &needs));
        }
        let Listed { data: Names { keys } } = answer.json()?;
        let (folder, own) = self.target.path.rsplit_once('/').unwrap_or_default();
        let mut secrets: Vec<_> = keys.into_iter().filter(|name| !name.ends_with('/') && name != own).collect();
        secrets.sort_by_cached_key(|name| strsim::osa_distance(own, name));
        let mut entries = Vec::new();
        for (nth, secret) in secrets.into_iter().enumerate() {
            let target = format!("{}:{folder}/{secret}", Kind::Vault);
            let fields = if nth < MAX_NEIGHBOURS { self.neighbour(&mount, &secret).await? } else { Vec::new() };
            if fields.is_empty() {
                entries.push(Entry { target: target.clone(), name: secret, value: None, written: None });
            }
            entries.extend(fields.into_iter().map(|(name, value)| Entry {
                target: format!("{target}#{name}"),
                name,
                value,
                written: None,
            }));
        }
        Ok(entries)
    }

    async fn ready(&self) -> Result<(), Failure> {
        let (turn, is_old) = self.turn.wait(&self.vault.turns, &self.target.path).await;
        // Without check-and-set whatever was read is written back whole: what others wrote since must be in it. Nor does a
        // deletion change a version's number, so that it would be undone.
        if is_old || self.known.borrow().is_none() || !self.is_versioned() || !self.rights.get().patch {
            self.turn.reads(&self.vault.turns, &self.target.path);
            let document = self.read(None).await?;
            if self.is_versioned() && self.was_there.get() && document.fields.is_none() {
                return Err(deleted_meanwhile(&self.target.path));
            }
            *self.known.borrow_mut() = Some(document);
        }
        // It may have signed its last request by now.
        login::open(&self.session, &self.vault).await?;
        self.turn.keep(turn);
        Ok(())
    }

    fn release(&self) {
        self.turn.release();
    }

    async fn write(&self, value: &Secret) -> Result<Written, Failure> {
        self.change(Some(value)).await?.ok_or_else(|| Failure::refused("nothing was written"))
    }

    async fn write_back(&self, value: &Secret) -> Result<Written, Failure> {
        self.write(&self.original.of(value)).await
    }

    async fn last_write(&self) -> Result<Sighting, Failure> {
        self.look().await.map(|(_, sighting)| sighting)
    }

    fn shows_times(&self) -> bool {
        self.is_versioned()
    }

    fn noted(&self) -> Option<String> {
        let ends = self.ends.get().map_or_else(String::new, |at| format!(", which Vault deletes at {at}"));
        self.versions.get().map(|(before, after)| format!("version {before} → {after}{ends}"))
    }

    async fn read_back(&self) -> Result<Option<Secret>, Failure> {
        let document = self.read(None).await?;
        self.value(&document)
    }

    async fn remove(&self) -> Result<(), Failure> {
        self.change(None).await.map(|_| ())
    }
}
