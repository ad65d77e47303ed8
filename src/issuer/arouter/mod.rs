//! ARouter. Its documentation describes three dialects of one key API; [`ArouterIssuer`] finds out which one it talks to.

mod dialect;
mod list;
mod prove;
#[cfg(test)]
mod tests;
mod write;

use std::cell::{Cell, RefCell};

use async_trait::async_trait;
use url::Url;

use self::dialect::{Dialect, KeysPath, limit_seen};
use super::fault::Credential;
use super::row::Shown;
use super::single_flight::SingleFlight;
use super::transport::{Signer, Wire, root};
use crate::http::{Client, Failure, Trace, one_line};
use crate::rotation::model::{
    ChatProbe, CreatedKey, Deletion, Endpoint, KeyId, KeyProbe, KeySpec, Listing, Renamed, Respell,
};
use crate::rotation::ports::KeyIssuer;
use crate::secret::prefix;
use crate::secret::{Redactor, Secret};

/// The address of ARouter's API in its current documentation.
pub const DEFAULT_URL: &str = "https://api.arouter.ai";

/// ARouter, or a server that speaks one of its dialects.
#[derive(Debug)]
pub struct ArouterIssuer {
    wire: Wire,
    management: Option<Signer>,
    current: Option<Signer>,
    successor: RefCell<Option<Signer>>,
    /// Where keys are managed, once a list came from there.
    path: Cell<Option<KeysPath>>,
    /// Where a key asks about itself, once one was accepted there.
    key_path: Cell<Option<&'static str>>,
    shown: RefCell<Shown>,
    /// How many names of the spending limit were tried in vain.
    respelled: Cell<usize>,
    /// The name under which the last create sent the limit.
    limit_sent: Cell<Option<&'static str>>,
    /// The first list may be one that others wait for too.
    single_flight: SingleFlight,
}

impl ArouterIssuer {
    /// `base_url` is the API's address with or without `/v1` or `/api/v1`. The management key signs where there is
    /// one, else the current key. Both are taken out of whatever is shown, and so is every key made.
    #[must_use]
    pub fn new(
        client: Client,
        base_url: &Url,
        management_key: Option<Secret>,
        current_key: Option<Secret>,
        redactor: Redactor,
    ) -> Self {
        for secret in management_key.iter().chain(&current_key) {
            redactor.learn(secret);
        }
        Self {
            wire: Wire { client, root: root(base_url), redactor, trace: Trace::default() },
            management: management_key.map(|secret| Signer { secret, credential: Credential::ManagementKey }),
            current: current_key.map(|secret| Signer { secret, credential: Credential::CurrentKey }),
            successor: RefCell::default(),
            path: Cell::default(),
            key_path: Cell::default(),
            shown: RefCell::default(),
            respelled: Cell::default(),
            limit_sent: Cell::default(),
            single_flight: SingleFlight::default(),
        }
    }

    /// The same, and its first list is one request with those of others who ask for it at the same moment. Every later
    /// list is asked for by itself: what it has to show may have been done since.
    #[must_use]
    pub fn sharing(mut self, single_flight: &SingleFlight) -> Self {
        self.single_flight = single_flight.clone();
        self
    }

    /// The same, and this trace is told of every request.
    #[must_use]
    pub fn traced(mut self, trace: Trace) -> Self {
        self.wire.trace = trace;
        self
    }

    /// Where live keys manage themselves even the one given as `management-key` may be the one to be deleted, so a
    /// successor goes first there.
    fn signer(&self, path: KeysPath) -> Result<Signer, Failure> {
        let successor = self.successor.borrow().clone();
        successor
            .filter(|_| path == KeysPath::Plain || self.management.is_none())
            .or_else(|| self.management.clone())
            .or_else(|| self.current.clone())
            .ok_or_else(|| Failure::refused("issuer: neither `management-key` nor `current-key` is given"))
    }

    /// The name under which the next create sends the spending limit.
    fn limit_name(&self, path: KeysPath) -> &'static str {
        let shown = self.shown.borrow();
        let names = Dialect::tell(path, &shown).limit_names();
        limit_seen(&shown).or_else(|| names.get(self.respelled.get()).copied()).unwrap_or("limit")
    }
}

#[async_trait(?Send)]
impl KeyIssuer for ArouterIssuer {
    async fn list(&self) -> Result<Listing, Failure> {
        self.listing().await
    }

    async fn create(&self, spec: &KeySpec) -> Result<CreatedKey, Failure> {
        self.created(spec).await
    }

    async fn rename(&self, id: &KeyId, name: &str) -> Result<Renamed, Failure> {
        self.calls()?.rename(id, name).await
    }

    async fn delete(&self, id: &KeyId) -> Result<Deletion, Failure> {
        self.calls()?.delete(id).await
    }

    async fn set_disabled(&self, id: &KeyId, disabled: bool) -> Result<Option<bool>, Failure> {
        self.calls()?.switch(id, disabled).await
    }

    fn hand_over(&self, successor: &Secret) {
        let signer = Signer { secret: successor.clone(), credential: Credential::NewKey };
        *self.successor.borrow_mut() = Some(signer);
    }

    fn manages_itself(&self) -> bool {
        self.management.is_none()
    }

    fn may_have_made(&self, value: &Secret) -> bool {
        value.expose().starts_with(prefix::AROUTER)
    }

    fn endpoints(&self) -> &'static [Endpoint] {
        &prove::ENDPOINTS
    }

    async fn try_key(&self, value: &Secret, at: Endpoint) -> KeyProbe {
        self.tried(value, at).await
    }

    async fn chat(&self, value: &Secret, model: Option<&str>) -> ChatProbe {
        self.chatted(value, model).await
    }

    fn respell_limit(&self) -> Respell {
        let shown = self.shown.borrow();
        if let Some(seen) = limit_seen(&shown) {
            // Seen only now, perhaps in the row of the very key that was made under another spelling.
            let sent_otherwise = self.limit_sent.get().is_some_and(|sent| sent != seen);
            return if sent_otherwise { Respell::Changed } else { Respell::Certain };
        }
        let names = Dialect::tell(self.path.get().unwrap_or(KeysPath::Api), &shown).limit_names();
        let next = self.respelled.get() + 1;
        if next >= names.len() {
            return Respell::Exhausted;
        }
        self.respelled.set(next);
        Respell::Changed
    }

    fn manual(&self, id: &KeyId) -> String {
        let path = self.path.get().unwrap_or(KeysPath::Api).as_str();
        let root = self.wire.root.as_str().trim_end_matches('/');
        let id = one_line(&id.0);
        format!("Delete key `{id}` in ARouter's dashboard, or by its API with `DELETE {root}{path}/{id}`.")
    }
}
