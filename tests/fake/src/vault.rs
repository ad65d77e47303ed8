//! Vault's state: KV mounts with their secrets' versions, tokens with what their policies grant, roles to log in with.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::clock::{Clock, signed};

/// Versions that a secret keeps where nothing else is said.
const MAX_VERSIONS: usize = 10;

/// What the server is up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// It is the active one.
    #[default]
    Active,
    /// It was restarted and nobody has unsealed it.
    Sealed,
    /// It serves nothing, and answers this status: 429, 472 or 473.
    Standby(u16),
    /// It sends whoever asks to this address.
    Elsewhere(String),
    /// The same, and it is the active one's of its cluster, under which it can be reached itself: `http://localhost:8200`.
    Follows(String),
}

/// A version of a secret.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// What is in it.
    pub data: Map<String, Value>,
    /// When it was made, on Vault's clock.
    pub created: Timestamp,
    /// It can't be read any more.
    pub deleted: bool,
    /// When it ends or has ended, where that is known.
    pub ends: Option<Timestamp>,
}

/// A secret: its versions by number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Secret {
    /// Those that are kept.
    pub versions: BTreeMap<u64, Version>,
    /// The number of the newest; 0 where there never was one.
    pub current: u64,
}

impl Secret {
    /// The newest version, where it can be read.
    #[must_use]
    pub fn newest(&self) -> Option<&Version> {
        self.versions.get(&self.current).filter(|version| !version.deleted)
    }
}

/// A KV mount.
#[derive(Clone, Debug)]
pub struct Mount {
    /// 1 or 2. Of version 1 nobody is shown more than the newest version of a secret.
    pub version: u8,
    /// Every write must say `cas`.
    pub cas_required: bool,
    /// Versions of a secret that are kept.
    pub max_versions: usize,
    /// How long its versions live.
    pub delete_version_after: Option<Duration>,
    /// By path below the mount.
    pub secrets: BTreeMap<String, Secret>,
}

/// A token.
#[derive(Clone, Debug, Default)]
pub struct Token {
    /// Who has it.
    pub role: String,
    /// Paths and what is granted on them; a path that ends in `*` means all that begin so.
    pub grants: Vec<(String, Vec<&'static str>)>,
    /// It has the policy `default`, which lets it ask what it may do.
    pub has_default_policy: bool,
    /// It is dead from then on.
    pub expires_at: Option<Timestamp>,
    /// It signs so many requests yet.
    pub uses: Option<u64>,
}

impl Token {
    /// What is granted on a path.
    #[must_use]
    pub fn capabilities(&self, path: &str) -> Vec<&'static str> {
        let fits = |known: &str| known.strip_suffix('*').map_or(known == path, |begin| path.starts_with(begin));
        let granted: Vec<_> =
            self.grants.iter().filter(|(known, _)| fits(known)).flat_map(|(_, it)| it.clone()).collect();
        if granted.is_empty() { vec!["deny"] } else { granted }
    }

    /// Whether this is granted on a path.
    #[must_use]
    pub fn may(&self, capability: &str, path: &str) -> bool {
        self.capabilities(path).iter().any(|granted| *granted == capability || *granted == "root")
    }
}

/// A role of the JWT method.
#[derive(Clone, Debug)]
pub struct Role {
    /// The `sub` that it is bound to.
    pub subject: String,
    /// The `aud` that it is bound to.
    pub audience: String,
    /// How long its tokens live.
    pub ttl: Duration,
    /// What its tokens may do.
    pub token: Token,
}

/// Why a write was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotWritten {
    /// `cas` is not the number of the current version.
    LostRace,
    /// `cas` is required and missing.
    CasRequired,
    /// A patch of a secret that is not there.
    NotFound,
}

/// Vault, or OpenBao.
#[derive(Debug)]
pub struct Vault {
    /// Its clock, for its `Date` header and its timestamps alike.
    pub clock: Clock,
    /// The mounts, by name without slashes at their ends.
    pub mounts: BTreeMap<String, Mount>,
    /// The tokens that exist, by value.
    pub tokens: BTreeMap<String, Token>,
    /// The roles of the JWT method.
    pub roles: BTreeMap<String, Role>,
    /// Where the JWT method is mounted.
    pub jwt_mount: String,
    /// The namespace that everything is in.
    pub namespace: Option<String>,
    /// What it is up to.
    pub condition: Condition,
    /// Whether it knows PATCH, as from 1.9 on.
    pub has_patch: bool,
    /// Whether it knows `subkeys`, as from 1.10 on.
    pub has_subkeys: bool,
    logins: u64,
}

impl Vault {
    /// A server without secrets, with a KV mount of version 2 at `secret/` and one of version 1 at `old/`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let mount = |version| Mount {
            version,
            cas_required: false,
            max_versions: MAX_VERSIONS,
            delete_version_after: None,
            secrets: BTreeMap::new(),
        };
        Self {
            clock,
            mounts: [("secret".to_owned(), mount(2)), ("old".to_owned(), mount(1))].into(),
            tokens: BTreeMap::new(),
            roles: BTreeMap::new(),
            jwt_mount: "jwt".to_owned(),
            namespace: None,
            condition: Condition::Active,
            has_patch: true,
            has_subkeys: true,
            logins: 0,
        }
    }

    /// Adds a token that is granted this, and whatever the policy `default` grants.
    pub fn add_token(&mut self, value: &str, role: &str, grants: &[(&str, &[&'static str])]) {
        let grants = grants.iter().map(|(path, granted)| ((*path).to_owned(), granted.to_vec())).collect();
        let token = Token { role: role.to_owned(), grants, has_default_policy: true, ..Token::default() };
        self.tokens.insert(value.to_owned(), token);
    }

    /// The token with this value, if it lives.
    #[must_use]
    pub fn token(&self, value: &str) -> Option<&Token> {
        let now = self.clock.now();
        let lives = |token: &&Token| token.expires_at.is_none_or(|end| now < end) && token.uses != Some(0);
        self.tokens.get(value).filter(lives)
    }

    /// The same for one request, which it counts.
    pub fn use_token(&mut self, value: &str) -> Option<Token> {
        let token = self.token(value)?.clone();
        if let Some(uses) = self.tokens.get_mut(value).and_then(|token| token.uses.as_mut()) {
            *uses -= 1;
        }
        Some(token)
    }

    /// A new token of a role.
    pub fn log_in(&mut self, role: &Role) -> String {
        self.logins += 1;
        let value = format!("hvs.CAESIJ{:08}kq3Zr7Lw0bYtNfV2xPdSgHmE", self.logins);
        let expires_at = Some(self.clock.now() + signed(role.ttl));
        self.tokens.insert(value.clone(), Token { expires_at, ..role.token.clone() });
        value
    }

    /// The mount that a path lies in, its name, and the rest of the path.
    #[must_use]
    pub fn locate<'a>(&self, path: &'a str) -> Option<(&str, &Mount, &'a str)> {
        let below = |name: &str| {
            path.strip_prefix(name).and_then(|rest| rest.strip_prefix('/').or((rest.is_empty()).then_some("")))
        };
        let found = self.mounts.iter().filter_map(|(name, mount)| Some((name.as_str(), mount, below(name)?)));
        found.max_by_key(|(name, ..)| name.len())
    }

    /// The secret at `MOUNT/PATH`.
    #[must_use]
    pub fn secret(&self, path: &str) -> Option<&Secret> {
        let (_, mount, below) = self.locate(path)?;
        mount.secrets.get(below)
    }

    /// Makes a new version of the secret at `MOUNT/PATH`; returns its number.
    ///
    /// # Errors
    /// A version that `cas` does not allow.
    ///
    /// # Panics
    /// Where there is no such mount.
    pub fn write(&mut self, path: &str, data: Map<String, Value>, cas: Option<u64>) -> Result<u64, NotWritten> {
        let now = self.clock.now();
        let (name, _, below) = self.locate(path).expect("a mount");
        let (name, below) = (name.to_owned(), below.to_owned());
        let mount = self.mounts.get_mut(&name).expect("a mount");
        let secret = mount.secrets.entry(below).or_default();
        match cas {
            Some(cas) if cas != secret.current => return Err(NotWritten::LostRace),
            None if mount.cas_required => return Err(NotWritten::CasRequired),
            _ => {}
        }
        secret.current += 1;
        let ends = mount.delete_version_after.map(|after| now + signed(after));
        secret.versions.insert(secret.current, Version { data, created: now, deleted: false, ends });
        while secret.versions.len() > mount.max_versions {
            secret.versions.pop_first();
        }
        Ok(secret.current)
    }

    /// Applies a JSON merge patch to the newest version; returns the number of the one that it makes.
    ///
    /// # Errors
    /// As [`write`](Self::write), and where there is nothing to be changed.
    pub fn patch(&mut self, path: &str, patch: &Map<String, Value>, cas: Option<u64>) -> Result<u64, NotWritten> {
        let current = self.secret(path).ok_or(NotWritten::NotFound)?;
        if cas.is_some_and(|cas| cas != current.current) {
            return Err(NotWritten::LostRace);
        }
        let mut data = current.newest().ok_or(NotWritten::NotFound)?.data.clone();
        for (field, value) in patch {
            match value {
                Value::Null => _ = data.remove(field),
                value => _ = data.insert(field.clone(), value.clone()),
            }
        }
        self.write(path, data, cas)
    }

    /// Writes fields as a person would: the others stay.
    ///
    /// # Panics
    /// Where there is no such mount.
    pub fn put(&mut self, path: &str, fields: &[(&str, &str)]) -> u64 {
        let mut data = self.secret(path).and_then(Secret::newest).map(|it| it.data.clone()).unwrap_or_default();
        data.extend(fields.iter().map(|(field, value)| ((*field).to_owned(), Value::from(*value))));
        let current = self.secret(path).map(|secret| secret.current).unwrap_or_default();
        self.write(path, data, Some(current)).expect("the current version")
    }

    /// Forgets a secret.
    ///
    /// # Panics
    /// Where there is no such mount.
    pub fn forget(&mut self, path: &str) {
        let (name, _, below) = self.locate(path).expect("a mount");
        let (name, below) = (name.to_owned(), below.to_owned());
        self.mounts.get_mut(&name).expect("a mount").secrets.remove(&below);
    }

    /// Deletes the newest version.
    ///
    /// # Panics
    /// Where there is none.
    pub fn delete_newest(&mut self, path: &str) {
        let now = self.clock.now();
        let (name, _, below) = self.locate(path).expect("a mount");
        let (name, below) = (name.to_owned(), below.to_owned());
        let secret = self.mounts.get_mut(&name).and_then(|mount| mount.secrets.get_mut(&below)).expect("a secret");
        let current = secret.current;
        let version = secret.versions.get_mut(&current).expect("a version");
        (version.deleted, version.ends) = (true, Some(now));
    }

    /// What a field of a secret holds now.
    #[must_use]
    pub fn field(&self, path: &str, field: &str) -> Option<&str> {
        self.secret(path)?.newest()?.data.get(field)?.as_str()
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.mounts.values().all(|mount| mount.secrets.is_empty())
    }

    /// Every field that holds text: the secret's path, the field, what it holds.
    pub fn holdings(&self) -> impl Iterator<Item = (String, &str, &str)> {
        self.mounts.iter().flat_map(|(mount, it)| {
            it.secrets.iter().flat_map(move |(below, secret)| {
                let fields = secret.newest().into_iter().flat_map(|version| &version.data);
                let texts = fields.filter_map(|(field, value)| Some((field.as_str(), value.as_str()?)));
                texts.map(move |(field, value)| (format!("{mount}/{below}"), field, value))
            })
        })
    }
}
