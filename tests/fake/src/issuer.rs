//! The issuer's state: who holds which key, what each may do, and what anyone who asks may see.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::behaviour::{Behaviour, Dialect, Narrower, Rename, Wider};
use crate::clock::{Clock, signed, whole_seconds};
use crate::guardrails::Guardrails;

/// Where OpenRouter's keys are that name no workspace.
pub const DEFAULT_WORKSPACE: &str = "0df9e665-d932-5740-b2c7-b52af166bc11";

/// What one call to a model costs, in USD.
const COST_OF_A_CHAT: f64 = 0.001;

/// Whether a key calls models or manages keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Calls models.
    Regular,
    /// Manages keys.
    Management,
}

/// What a key may do. Empty lists mean "any".
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rights {
    /// USD it may spend.
    pub limit: Option<f64>,
    /// When the limit starts anew: `daily`, `weekly`, `monthly`.
    pub limit_reset: Option<String>,
    /// Providers it may use.
    pub allowed_providers: Vec<String>,
    /// Models it may use.
    pub allowed_models: Vec<String>,
    /// Requests and tokens per time.
    pub rate_limit: Option<Value>,
    /// When it ends, on the issuer's clock.
    pub expires_at: Option<Timestamp>,
}

/// A key.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// The handle: `hash` or `id` on the wire.
    pub id: String,
    /// The secret value.
    pub value: String,
    /// The name.
    pub name: String,
    /// Free text or the masked value.
    pub label: Option<String>,
    /// Regular or management.
    pub kind: Kind,
    /// Switched off.
    pub disabled: bool,
    /// What it may do.
    pub rights: Rights,
    /// Fields of the create request that the model has no meaning for, shown as they came.
    pub extra: BTreeMap<String, Value>,
    /// USD spent.
    pub usage: f64,
    /// USD spent on the day of `last_used_at`.
    pub usage_daily: f64,
    /// Issuer's clock.
    pub created_at: Timestamp,
    /// Issuer's clock.
    pub updated_at: Timestamp,
    /// Issuer's clock.
    pub last_used_at: Option<Timestamp>,
    /// It works from then on. Issuer's clock, with its fraction.
    pub active_from: Timestamp,
}

impl Key {
    /// The value as issuers show it: the type prefix, three characters, dots, four characters.
    #[must_use]
    pub fn masked(&self) -> String {
        let body = self.value.len().saturating_sub(BODY_LENGTH);
        let tail = self.value.len().saturating_sub(4);
        [&self.value[..(body + 3).min(tail)], "...", &self.value[tail..]].concat()
    }
}

/// Characters of a value behind its type prefix.
const BODY_LENGTH: usize = 40;

/// A model that keys can call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// `openai/gpt-5-nano`.
    pub id: String,
    /// Whose it is: what `allowed_providers` speaks of.
    pub provider: String,
    /// What a chat with it is answered.
    pub chat_status: u16,
}

/// Why the issuer says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No key came with the request.
    NoKey,
    /// No such key: never issued, or deleted.
    UnknownKey,
    /// The key is switched off.
    Disabled,
    /// The key has expired.
    Expired,
    /// The key does not work yet.
    NotActiveYet,
    /// The key is alive and may not do this.
    NotAllowed,
    /// Nothing by that id.
    NotFound,
    /// There is no such call; the status is the dialect's.
    NoSuchCall(u16),
    /// The request makes no sense.
    Malformed(String),
    /// The key's limit is spent.
    NoCredit,
    /// The model itself answered so.
    Model(u16),
}

impl Refused {
    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::NoKey | Self::UnknownKey | Self::Disabled | Self::Expired | Self::NotActiveYet => 401,
            Self::NotAllowed => 403,
            Self::NotFound => 404,
            Self::Malformed(_) => 400,
            Self::NoCredit => 402,
            Self::NoSuchCall(status) | Self::Model(status) => *status,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoKey => "No API key provided",
            Self::UnknownKey => "Invalid API key",
            Self::Disabled => "API key is disabled",
            Self::Expired => "API key has expired",
            Self::NotActiveYet => "API key not found",
            Self::NotAllowed => "This key may not do that",
            Self::NotFound => "Not found",
            Self::NoSuchCall(_) => "No such route",
            Self::Malformed(what) => what,
            Self::NoCredit => "Spending limit reached",
            Self::Model(_) => "The model failed",
        })
    }
}

/// Which rows of the list are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Rows wanted.
    pub page_size: Option<usize>,
    /// Rows to skip.
    pub offset: usize,
    /// The token of an earlier page.
    pub page_token: Option<String>,
    /// Whether disabled keys are wanted too.
    pub include_disabled: bool,
    /// Whether keys that have expired are wanted too.
    pub include_expired: bool,
    /// `workspace_id`, where keys have one: only keys of this workspace (`None`: of the default one) are listed.
    pub workspace: Option<String>,
}

/// A page of the list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// Its rows.
    pub keys: Vec<Key>,
    /// The token of the next page, where the issuer gives one and there is one.
    pub next: Option<String>,
}

/// What a PATCH asks for. `None`: leave it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patch {
    /// Another name.
    pub name: Option<String>,
    /// Another label.
    pub label: Option<String>,
    /// On or off.
    pub disabled: Option<bool>,
    /// Another limit; the inner `None` removes it.
    pub limit: Option<Option<f64>>,
    /// Another reset; the inner `None` removes it.
    pub limit_reset: Option<Option<String>>,
    /// Other providers.
    pub allowed_providers: Option<Vec<String>>,
    /// Other models.
    pub allowed_models: Option<Vec<String>>,
    /// Another rate limit.
    pub rate_limit: Option<Value>,
}

/// The issuer.
#[derive(Debug)]
pub struct Issuer {
    /// Its clock, for its `Date` header and its timestamps alike.
    pub clock: Clock,
    /// How it differs from other issuers.
    pub behaviour: Behaviour,
    /// The keys that exist.
    pub keys: Vec<Key>,
    /// The keys that were deleted.
    pub deleted: Vec<Key>,
    /// The models that keys can call.
    pub models: Vec<Model>,
    /// What narrows keys from outside, at OpenRouter.
    pub guardrails: Guardrails,
    /// When a key was deleted or switched off, by its value.
    ended: BTreeMap<String, Timestamp>,
    /// For a list that lags: the keys as they were until each of these times.
    past: Vec<(Timestamp, Vec<Key>)>,
    rng: fastrand::Rng,
}

impl Issuer {
    /// An issuer of the dialect `Mgmt` without keys.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let model = |id: &str, provider: &str| Model { id: id.into(), provider: provider.into(), chat_status: 200 };
        Self {
            clock,
            behaviour: Behaviour::mgmt(),
            keys: Vec::new(),
            deleted: Vec::new(),
            models: vec![
                model("openai/gpt-5-nano", "openai"),
                model("anthropic/claude-haiku", "anthropic"),
                model("google/gemini-flash", "google"),
            ],
            guardrails: Guardrails::default(),
            ended: BTreeMap::new(),
            past: Vec::new(),
            rng: fastrand::Rng::with_seed(0x5eed),
        }
    }

    /// Makes a live key that works at once, whatever the behaviour says of new keys. Returns its id and value.
    pub fn seed_key(&mut self, name: &str, adjust: impl FnOnce(&mut Key)) -> (String, String) {
        self.seed(name, Kind::Regular, adjust)
    }

    /// Makes a management key. Returns its id and value.
    pub fn seed_management(&mut self, name: &str) -> (String, String) {
        self.seed(name, Kind::Management, |_| ())
    }

    fn seed(&mut self, name: &str, kind: Kind, adjust: impl FnOnce(&mut Key)) -> (String, String) {
        let mut key = self.mint(name, kind);
        key.active_from = Timestamp::MIN;
        adjust(&mut key);
        let made = (key.id.clone(), key.value.clone());
        self.add(key);
        made
    }

    /// Makes a live key, with the rights that this issuer grants to one who asks for `rights`.
    pub fn create(&mut self, name: &str, rights: Rights) -> &Key {
        self.create_with(name, rights, BTreeMap::new())
    }

    /// As [`create`](Self::create), with fields that have no meaning here.
    pub fn create_with(&mut self, name: &str, rights: Rights, extra: BTreeMap<String, Value>) -> &Key {
        let mut key = self.mint(name, Kind::Regular);
        key.rights = self.granted(rights);
        key.extra = extra;
        key.extra.extend(self.behaviour.adds_fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        for narrower in &self.behaviour.narrower {
            narrow(&mut key, *narrower);
        }
        let id = key.id.clone();
        if let Some(guardrail) = self.behaviour.guards_new_keys.clone() {
            self.guard(&id, &guardrail);
        }
        self.add(key)
    }

    /// The value that create answers for this new key.
    #[must_use]
    pub fn answered_value(&self, new: &Key) -> String {
        let begin = self.behaviour.create_answers_value_of;
        let other = begin.and_then(|begin| self.keys.iter().find(|key| key.name.starts_with(begin)));
        other.unwrap_or(new).value.clone()
    }

    /// Whether `GET …/models` lets this value in although it is no live key's.
    #[must_use]
    pub fn lets_in(&self, value: Option<&str>) -> bool {
        let behaviour = &self.behaviour;
        behaviour.models_open || behaviour.models_check_form && value.is_some_and(|value| self.has_form(value))
    }

    /// Whether a value has the form of those that this issuer makes where it checks nothing else.
    fn has_form(&self, value: &str) -> bool {
        let body = value.strip_prefix(self.behaviour.live_prefix);
        let is_hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        body.is_some_and(|body| body.len() == BODY_LENGTH && body.bytes().all(is_hex))
    }

    /// Gives a key a guardrail as this issuer does that; `false` where nothing has changed.
    pub fn guard(&mut self, key: &str, guardrail: &str) -> bool {
        let (alone, now) = (!self.behaviour.several_guardrails, self.timestamp());
        !self.behaviour.wider.contains(&Wider::IgnoresGuardrails) && self.guardrails.assign(guardrail, key, alone, now)
    }

    fn add(&mut self, key: Key) -> &Key {
        self.keep_past();
        self.keys.push(key);
        self.keys.last().expect("a key was just pushed")
    }

    fn mint(&mut self, name: &str, kind: Kind) -> Key {
        let prefix = match kind {
            Kind::Regular => self.behaviour.live_prefix,
            Kind::Management => self.behaviour.management_prefix,
        };
        let hexadecimal = self.behaviour.models_check_form;
        let mut letter = || if hexadecimal { self.rng.digit(16) } else { self.rng.alphanumeric() };
        let value: String = std::iter::repeat_with(&mut letter).take(BODY_LENGTH).collect();
        let hex: String = std::iter::repeat_with(|| self.rng.digit(16)).take(64).collect();
        let now = self.timestamp();
        let mut key = Key {
            id: if self.behaviour.dialect == Dialect::Guide { format!("key_{}", &hex[..24]) } else { hex },
            value: format!("{prefix}{value}"),
            name: name.to_owned(),
            label: None,
            kind,
            disabled: false,
            rights: Rights::default(),
            extra: BTreeMap::new(),
            usage: 0.0,
            usage_daily: 0.0,
            created_at: now,
            updated_at: now,
            last_used_at: None,
            active_from: self.clock.now() + signed(self.behaviour.activation_delay),
        };
        key.label = self.behaviour.masked_labels.then(|| key.masked());
        key
    }

    fn granted(&self, mut rights: Rights) -> Rights {
        for wider in &self.behaviour.wider {
            match wider {
                Wider::IgnoresProviders => rights.allowed_providers.clear(),
                Wider::IgnoresModels => rights.allowed_models.clear(),
                Wider::DoublesLimit => rights.limit = rights.limit.map(|limit| limit * 2.0),
                Wider::IgnoresLimit => rights.limit = None,
                Wider::ResetsDaily => rights.limit_reset = Some("daily".into()),
                Wider::IgnoresExpiry => rights.expires_at = None,
                Wider::DropsRateLimit => rights.rate_limit = None,
                Wider::IgnoresGuardrails => {}
            }
        }
        rights
    }

    /// The time that a row made or changed now shows.
    fn timestamp(&self) -> Timestamp {
        let now = self.clock.now();
        if self.behaviour.fractional_times {
            Timestamp::from_millisecond(now.as_millisecond()).expect("a timestamp's own milliseconds are in range")
        } else {
            whole_seconds(now)
        }
    }

    /// The key with this id.
    #[must_use]
    pub fn key(&self, id: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// The key with this id, to be changed by hand.
    pub fn key_mut(&mut self, id: &str) -> Option<&mut Key> {
        self.keys.iter_mut().find(|key| key.id == id)
    }

    /// The key with this value, deleted ones included.
    #[must_use]
    pub fn key_of_value(&self, value: &str) -> Option<&Key> {
        self.keys.iter().chain(&self.deleted).find(|key| key.value == value)
    }

    /// The key that this value lets in, or why it lets nobody in.
    ///
    /// # Errors
    /// Unknown, disabled, expired and not yet active values are refused.
    pub fn check(&self, value: Option<&str>) -> Result<&Key, Refused> {
        self.check_at(value, self.clock.now())
    }

    fn check_at(&self, value: Option<&str>, now: Timestamp) -> Result<&Key, Refused> {
        let value = value.ok_or(Refused::NoKey)?;
        let key = self.keys.iter().find(|key| key.value == value).ok_or(Refused::UnknownKey)?;
        if key.disabled {
            Err(Refused::Disabled)
        } else if key.rights.expires_at.is_some_and(|end| end <= now) {
            Err(Refused::Expired)
        } else if key.active_from > now {
            Err(Refused::NotActiveYet)
        } else {
            Ok(key)
        }
    }

    /// The key that this value lets in: present, enabled, not expired, past its activation delay.
    #[must_use]
    pub fn authorize(&self, value: &str) -> Option<&Key> {
        self.check(Some(value)).ok()
    }

    /// As [`authorize`](Self::authorize), at this time on the issuer's clock.
    #[must_use]
    pub fn authorize_at(&self, value: &str, now: Timestamp) -> Option<&Key> {
        self.check_at(Some(value), now).ok()
    }

    /// The key that this value lets in where keys are tried: it need not have heard yet that the key was ended.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_where_tried(&self, value: Option<&str>) -> Result<&Key, Refused> {
        self.check(value).or_else(|refused| {
            let Some(value) = value else { return Err(refused) };
            let forgotten = |at: &Timestamp| *at + signed(self.behaviour.forgets_after) <= self.clock.true_now();
            let ended = self.ended.get(value).filter(|at| !forgotten(at));
            ended.and_then(|_| self.key_of_value(value)).ok_or(refused)
        })
    }

    /// The key that may manage keys with this value: a management key, or any live one in the dialect `Guide`.
    ///
    /// # Errors
    /// As [`check`](Self::check), and a live key that may not manage is refused.
    pub fn check_manager(&self, value: Option<&str>) -> Result<&Key, Refused> {
        let key = self.check(value)?;
        if key.kind == Kind::Management || self.behaviour.dialect == Dialect::Guide {
            Ok(key)
        } else {
            Err(Refused::NotAllowed)
        }
    }

    /// The key that may call models with this value: any but a management key.
    ///
    /// # Errors
    /// As [`check`](Self::check), and a management key is refused.
    pub fn check_caller(&self, value: Option<&str>) -> Result<&Key, Refused> {
        let key = self.check_where_tried(value)?;
        if key.kind == Kind::Regular { Ok(key) } else { Err(Refused::NotAllowed) }
    }

    /// Every key that the list shows now, in its order: disabled ones too, and as they were `list_lag` ago.
    #[must_use]
    pub fn list(&self) -> Vec<&Key> {
        let shown_at = self.clock.true_now() - signed(self.behaviour.list_lag);
        let then = self.past.iter().find(|(until, _)| *until > shown_at).map(|(_, keys)| keys);
        let mut keys: Vec<&Key> = then.unwrap_or(&self.keys).iter().collect();
        // Seeded keys may be older than those that were there before them.
        keys.sort_by_key(|key| key.created_at);
        if self.behaviour.newest_first {
            keys.reverse();
        }
        keys
    }

    /// One page of the list.
    #[must_use]
    pub fn page(&self, query: &ListQuery) -> Page {
        let asked = query.workspace.as_deref().unwrap_or(DEFAULT_WORKSPACE);
        let is_asked = |key: &Key| {
            let id = key.extra.get("workspace_id").and_then(Value::as_str).unwrap_or(DEFAULT_WORKSPACE);
            id == asked
        };
        let mut keys = self.list();
        let now = self.clock.now();
        let has_expired = |key: &Key| key.rights.expires_at.is_some_and(|end| end <= now);
        let is_shown = |key: &Key| query.include_expired || !self.behaviour.hides_expired || !has_expired(key);
        keys.retain(|key| (query.include_disabled || !key.disabled) && is_shown(key) && is_asked(key));
        let token = query.page_token.as_deref().and_then(|token| token.strip_prefix("after-"));
        let from = match token.and_then(|token| token.parse().ok()) {
            Some(from) => from,
            None if self.behaviour.honours_offset => query.offset,
            None => 0,
        };
        let size = query.page_size.unwrap_or(self.behaviour.page_size).clamp(1, self.behaviour.page_cap);
        let end = from.saturating_add(size);
        let next = (self.behaviour.next_page_token && end < keys.len()).then(|| format!("after-{end}"));
        Page { keys: keys.into_iter().skip(from).take(size).cloned().collect(), next }
    }

    /// Renames a key as far as this issuer does that: the answer shows the name that it has then.
    ///
    /// # Errors
    /// Where there is no such call, or no such key.
    pub fn rename(&mut self, id: &str, name: &str) -> Result<&Key, Refused> {
        self.patch(id, Patch { name: Some(name.to_owned()), ..Patch::default() })
    }

    /// Changes a key as far as this issuer does that.
    ///
    /// # Errors
    /// Where there is no such call, or no such key.
    pub fn patch(&mut self, id: &str, patch: Patch) -> Result<&Key, Refused> {
        let renames = match self.behaviour.rename {
            Rename::Works => true,
            Rename::Ignored => false,
            Rename::NoSuchCall(status) => return Err(Refused::NoSuchCall(status)),
        };
        self.keep_past();
        if patch.disabled == Some(true) {
            self.keep_ended(id);
        }
        let now = self.timestamp();
        let key = self.key_mut(id).ok_or(Refused::NotFound)?;
        let Patch { name, label, disabled, limit, limit_reset, allowed_providers, allowed_models, rate_limit } = patch;
        set(&mut key.name, name.filter(|_| renames));
        set(&mut key.label, label.map(Some));
        set(&mut key.disabled, disabled);
        set(&mut key.rights.limit, limit);
        set(&mut key.rights.limit_reset, limit_reset);
        set(&mut key.rights.allowed_providers, allowed_providers);
        set(&mut key.rights.allowed_models, allowed_models);
        set(&mut key.rights.rate_limit, rate_limit.map(Some));
        key.updated_at = now;
        Ok(key)
    }

    /// Deletes a key; `false` where there is none.
    pub fn delete(&mut self, id: &str) -> bool {
        self.keep_past();
        let Some(at) = self.keys.iter().position(|key| key.id == id) else { return false };
        self.keep_ended(id);
        self.deleted.push(self.keys.remove(at));
        self.guardrails.forget(id);
        true
    }

    /// The models that this key may call.
    #[must_use]
    pub fn models_of(&self, key: &Key) -> Vec<&Model> {
        self.models.iter().filter(|model| may_call(&key.rights, model)).collect()
    }

    /// One chat with a model, which counts as use of the key.
    ///
    /// # Errors
    /// Where the key may not call it, its limit is spent, or the model fails.
    pub fn chat(&mut self, value: Option<&str>, model: &str) -> Result<(), Refused> {
        let key = self.check_caller(value)?;
        let unknown = || Refused::Malformed(format!("{model} is not a valid model"));
        let found = self.models.iter().find(|known| known.id == model).ok_or_else(unknown)?;
        if !may_call(&key.rights, found) {
            return Err(Refused::NotAllowed);
        }
        if key.rights.limit.is_some_and(|limit| key.usage >= limit) {
            return Err(Refused::NoCredit);
        }
        if found.chat_status != 200 {
            return Err(Refused::Model(found.chat_status));
        }
        let id = key.id.clone();
        self.mark_used(&id, COST_OF_A_CHAT);
        Ok(())
    }

    /// Marks a key as used now, at some cost in USD.
    pub fn mark_used(&mut self, id: &str, cost: f64) {
        let now = self.timestamp();
        let Some(key) = self.key_mut(id) else { return };
        if key.last_used_at.is_some_and(|last| day(last) != day(now)) {
            key.usage_daily = 0.0;
        }
        key.usage += cost;
        key.usage_daily += cost;
        key.last_used_at = Some(now);
    }

    /// USD that a key has spent since midnight UTC.
    #[must_use]
    pub fn used_today(&self, key: &Key) -> f64 {
        let earlier = key.last_used_at.is_some_and(|last| day(last) != day(self.clock.now()));
        if earlier { 0.0 } else { key.usage_daily }
    }

    /// USD that a key has spent since Monday, midnight UTC, at the most.
    #[must_use]
    pub fn used_this_week(&self, key: &Key) -> f64 {
        let today = day(self.clock.now());
        self.used_since(key, today - jiff::Span::new().days(today.weekday().to_monday_zero_offset()))
    }

    /// USD that a key has spent since the first of the month, midnight UTC, at the most.
    #[must_use]
    pub fn used_this_month(&self, key: &Key) -> f64 {
        self.used_since(key, day(self.clock.now()).first_of_month())
    }

    fn used_since(&self, key: &Key, begin: jiff::civil::Date) -> f64 {
        let earlier = key.last_used_at.is_some_and(|last| day(last) < begin);
        if earlier { 0.0 } else { key.usage }
    }

    fn keep_ended(&mut self, id: &str) {
        let now = self.clock.true_now();
        if let Some(key) = self.keys.iter().find(|key| key.id == id && !key.disabled) {
            self.ended.insert(key.value.clone(), now);
        }
    }

    /// Remembers the keys as they are until now, where the list lags behind them.
    fn keep_past(&mut self) {
        let lag = self.behaviour.list_lag;
        if lag > Duration::ZERO {
            let now = self.clock.true_now();
            self.past.retain(|(until, _)| *until > now - signed(lag));
            self.past.push((now, self.keys.clone()));
        }
    }
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

fn narrow(key: &mut Key, narrower: Narrower) {
    let one_of = |list: &mut Vec<String>, other: &str| {
        list.push(other.to_owned());
        list.truncate(1);
    };
    let rights = &mut key.rights;
    match narrower {
        Narrower::OneProvider => one_of(&mut rights.allowed_providers, "openai"),
        Narrower::OneModel => one_of(&mut rights.allowed_models, "openai/gpt-5-nano"),
        Narrower::HalvesLimit => rights.limit = Some(rights.limit.map_or(1.0, |limit| limit / 2.0)),
        Narrower::NeverResets => rights.limit_reset = None,
        Narrower::EndsSoon => rights.expires_at = Some(key.created_at + Duration::from_secs(24 * 3600)),
        Narrower::HalvesRateLimit => {
            let limit = rights.rate_limit.as_mut().and_then(|limit| limit.get_mut("requests_per_minute"));
            let Some(limit) = limit else { return };
            *limit = limit.as_u64().map(|requests| requests / 2).into();
        }
        Narrower::Disabled => key.disabled = true,
        Narrower::Management => key.kind = Kind::Management,
    }
}

fn may_call(rights: &Rights, model: &Model) -> bool {
    let allows = |list: &[String], what: &String| list.is_empty() || list.contains(what);
    allows(&rights.allowed_providers, &model.provider) && allows(&rights.allowed_models, &model.id)
}

fn day(time: Timestamp) -> jiff::civil::Date {
    time.to_zoned(TimeZone::UTC).date()
}
