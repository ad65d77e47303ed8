//! A connection to one Vault server: what is sent with every request.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use ::http::header::{CONTENT_TYPE, HeaderValue};
use ::http::{HeaderMap, Method};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;
use zeroize::Zeroizing;

use super::response::{Answer, Vaults};
use super::session::{Session, Way};
use super::settings::{self, Settings};
use crate::http::{self, Call, Failure, exchange};
use crate::secret::Secret;
use crate::store::StoreContext;
use crate::store::turns::Turns;

/// A secret has at most 1 MiB (`max_request_size` is 32 MiB, but storage takes no more by default).
const LONGEST_ANSWER: usize = 4 * 1024 * 1024;

/// Where a Vault Enterprise cluster has got to, which a later read of another server must not fall behind.
const INDEX: &str = "x-vault-index";

/// A server that has worked before is waited for: this long at first, then `GROWS` times as long as it has not worked, and
/// never longer than `LONGEST_WAIT` at once. With the attempts that there are, that comes to a minute.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const GROWS: u32 = 8;
const LONGEST_WAIT: Duration = Duration::from_secs(50);

/// What every server of a cluster tells of the active one: page "/sys/leader".
#[derive(Deserialize)]
struct Leader {
    leader_address: String,
}

/// One Vault server, as the process's variables name it. Nothing is read and nothing contacted before the first use.
pub struct Vault {
    pub(super) ctx: StoreContext,
    settings: OnceCell<Result<Settings, Failure>>,
    sessions: RefCell<HashMap<Way, Rc<Session>>>,
    index: RefCell<Option<HeaderValue>>,
    /// The active server, where the one that the variables name has sent us there.
    leader: RefCell<Option<Url>>,
    /// Something was answered.
    has_served: Cell<bool>,
    /// Since when nothing is.
    trouble: Cell<Option<Instant>>,
    /// Whose turn it is to write a secret.
    pub(super) turns: Turns,
    /// The secrets of version 1 that targets lie in, each with its one field.
    overwritten: RefCell<HashMap<String, String>>,
}

/// One request.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    /// What it may change, whatever the method is called.
    pub(super) call: Call,
    /// Below `/v1/`, in plain segments.
    pub(super) path: Vec<&'a str>,
    pub(super) version: Option<u64>,
    /// What is below the path is asked for.
    pub(super) list: bool,
    pub(super) body: Option<Zeroizing<String>>,
}

impl<'a> Ask<'a> {
    pub(super) fn get(path: Vec<&'a str>) -> Self {
        Self { method: Method::GET, call: Call::Read, path, version: None, list: false, body: None }
    }

    /// A POST that changes nothing that a target holds.
    pub(super) fn question(path: Vec<&'a str>, body: &serde_json::Value) -> Self {
        let body = Some(Zeroizing::new(body.to_string()));
        Self { method: Method::POST, body, ..Self::get(path) }
    }

    fn url(&self, address: &Url) -> Result<Url, Failure> {
        let mut url = address.clone();
        url.path_segments_mut()
            .map_err(|()| Failure::refused("Vault's address has no path"))?
            .pop_if_empty()
            .push("v1")
            .extend(&self.path);
        if let Some(version) = self.version {
            url.set_query(Some(&format!("version={version}")));
        }
        if self.list {
            url.set_query(Some("list=true"));
        }
        Ok(url)
    }
}

impl Vault {
    /// A server that is found and contacted when it is first asked for something.
    #[must_use]
    pub fn new(ctx: StoreContext) -> Self {
        let (settings, sessions, index, turns, overwritten) = Default::default();
        let (leader, has_served, trouble) = Default::default();
        Self { ctx, settings, sessions, index, leader, has_served, trouble, turns, overwritten }
    }

    /// A secret that is written whole, and without check-and-set, is the place of one target: two that are written at once
    /// would put each other's replaced key back.
    pub(super) fn claim(&self, path: &str, field: &str) -> Result<(), Failure> {
        let mut overwritten = self.overwritten.borrow_mut();
        let first = overwritten.entry(path.to_owned()).or_insert_with(|| field.to_owned());
        if first == field {
            return Ok(());
        }
        Err(Failure::advised(
            format!("{path} is of version 1, which is written whole, and `{first}` in it is a target too"),
            "Keep each key in a secret of its own, or in a mount of version 2.",
        ))
    }

    /// Who signs the requests for a target. Targets that log in the same way do it once.
    pub(super) fn session(&self, way: Way) -> Rc<Session> {
        let mut sessions = self.sessions.borrow_mut();
        Rc::clone(sessions.entry(way.clone()).or_insert_with(|| Rc::new(Session::new(way))))
    }

    pub(super) fn settings(&self) -> Result<&Settings, Failure> {
        let read = || {
            let settings = Settings::read(&self.ctx)?;
            if let Some(token) = &settings.token {
                (self.ctx.hide)(token);
            }
            Ok(settings)
        };
        self.settings.get_or_init(read).as_ref().map_err(Clone::clone)
    }

    /// Sends one request, once, and answers with whatever status came.
    pub(super) async fn send(&self, ask: Ask<'_>, token: Option<&Secret>) -> Result<Answer, Failure> {
        let answer = self.send_once(ask, token).await.inspect_err(|_| *self.leader.borrow_mut() = None)?;
        if !answer.may_pass() {
            self.has_served.set(true);
            self.trouble.set(None);
        }
        match self.leads_to(&answer).await {
            Some(leader) => {
                *self.leader.borrow_mut() = Some(leader);
                // It has carried out nothing.
                let message = format!("{}: another server of the cluster is the active one by now", answer.asked);
                Err(Failure::Transient { message, retry_after: None })
            }
            None => Ok(answer),
        }
    }

    /// The active server's address, where an answer is a redirect to it. The same server says so in its own words, and the
    /// token is sent to no other.
    async fn leads_to(&self, answer: &Answer) -> Option<Url> {
        let location = answer.location().filter(http::is_guarded)?;
        let told = self.send_once(Ask::get(vec!["sys", "leader"]), None).await.ok()?;
        let leader: Leader = told.json().ok()?;
        let leader = settings::address(&leader.leader_address).ok()?;
        (leader.origin() == location.origin()).then_some(leader)
    }

    /// What an answer that is not the expected one says of the effect; the hint is for a missing permission.
    pub(super) fn failure(&self, answer: &Answer, permission: &str) -> Failure {
        match answer.failure(&self.ctx.redactor, permission) {
            Failure::Transient { message, retry_after: None } if answer.may_pass() && self.has_served.get() => {
                let now = Instant::now();
                let since = self.trouble.get().unwrap_or(now);
                self.trouble.set(Some(since));
                let wait = FIRST_WAIT.saturating_add(GROWS * now.duration_since(since)).min(LONGEST_WAIT);
                Failure::Transient { message, retry_after: Some(wait) }
            }
            failure => failure,
        }
    }

    async fn send_once(&self, ask: Ask<'_>, token: Option<&Secret>) -> Result<Answer, Failure> {
        let settings = self.settings()?;
        let leader = self.leader.borrow().clone();
        let url = ask.url(leader.as_ref().unwrap_or(&settings.address))?;
        let (asked, call) = (format!("{} {}", ask.method, url.path()), ask.call);
        let request = settings.client.request(ask.method.clone(), url).headers(self.headers(&ask, settings, token)?);
        let request = match ask.body {
            Some(body) => request.body(body.as_bytes().to_vec()),
            None => request,
        };
        let asking = http::Ask::of(asked, call, request, LONGEST_ANSWER)?;
        let answer = exchange(&settings.client, (&self.ctx.trace, "vault "), asking).await?;
        if let Some(index) = answer.headers.get(INDEX) {
            *self.index.borrow_mut() = Some(index.clone());
        }
        Ok(answer.to(Vaults))
    }

    fn headers(&self, ask: &Ask<'_>, settings: &Settings, token: Option<&Secret>) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::new();
        // Vault's own clients send it, since a Vault Agent may ask for it: it keeps browsers out.
        headers.insert("x-vault-request", HeaderValue::from_static("true"));
        if let Some(namespace) = &settings.namespace {
            headers.insert("x-vault-namespace", namespace.clone());
        }
        if let Some(token) = token {
            let mut token = HeaderValue::from_str(token.expose())
                .map_err(|_| Failure::advised("the Vault token holds a character that no token has", ""))?;
            token.set_sensitive(true);
            headers.insert("x-vault-token", token);
        }
        if ask.body.is_some() {
            let patch = ask.method == Method::PATCH;
            let kind = if patch { "application/merge-patch+json" } else { "application/json" };
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        // A performance standby that has not seen our own write yet hands the read on to the active server.
        if let Some(index) = self.index.borrow().as_ref().filter(|_| ask.call == Call::Read) {
            headers.insert(INDEX, index.clone());
            headers.insert("x-vault-inconsistent", HeaderValue::from_static("forward-active-node"));
        }
        Ok(headers)
    }
}
