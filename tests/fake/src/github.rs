//! GitHub's state: repositories with their secrets, and tokens with what they may do.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crypto_box::SecretKey;
use crypto_box::aead::OsRng;
use jiff::Timestamp;

use crate::clock::{Clock, signed};

/// A value may be at most this long.
const LONGEST_VALUE: usize = 48 * 1024;
/// A place has at most this many secrets.
const MOST_SECRETS: usize = 100;

/// Where secrets are kept. Names are kept in lower case, since GitHub tells no difference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Place {
    /// The Actions secrets of a repository, by `owner/name`.
    Repo(String),
}

impl Place {
    /// The Actions secrets of the repository `owner/name`.
    #[must_use]
    pub fn repo(full_name: &str) -> Self {
        Self::Repo(full_name.to_ascii_lowercase())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repo(name) => write!(f, "repo:{name}"),
        }
    }
}

/// What a token may do at a place. A place that a token has no access to does not exist for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// See that the repository exists.
    Metadata,
    /// List secrets and fetch the public key.
    Read,
    /// Write secrets.
    Write,
}

/// A token.
#[derive(Clone, Debug, Default)]
pub struct Token {
    /// How the request log calls it.
    pub role: String,
    /// What it may do at places that are not listed.
    pub elsewhere: Option<Access>,
    /// What it may do at these places.
    pub places: BTreeMap<Place, Access>,
}

/// A secret. GitHub would never show its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// The value, out of its box.
    pub value: String,
    /// GitHub's clock, whole seconds.
    pub created_at: Timestamp,
    /// GitHub's clock, whole seconds.
    pub updated_at: Timestamp,
}

/// The secrets of one place, and the key pair that they are sealed with.
#[derive(Debug)]
pub struct Vault {
    /// The number in `/repositories/{id}`.
    pub id: u64,
    /// The public key's name.
    pub key_id: String,
    secret_key: SecretKey,
    /// By name, in upper case.
    pub secrets: BTreeMap<String, Secret>,
}

impl Vault {
    fn new(id: u64) -> Self {
        Self { id, key_id: key_id(id, 0), secret_key: SecretKey::generate(&mut OsRng), secrets: BTreeMap::new() }
    }

    /// The public key, in base64.
    #[must_use]
    pub fn public_key(&self) -> String {
        STANDARD.encode(self.secret_key.public_key().as_bytes())
    }

    fn open(&self, sealed: &str) -> Option<String> {
        let bytes = STANDARD.decode(sealed).ok()?;
        String::from_utf8(self.secret_key.unseal(&bytes).ok()?).ok()
    }
}

fn key_id(id: u64, generation: u64) -> String {
    format!("{}", 568_250_167_242_549_743 + id * 1000 + generation)
}

/// How a write that succeeded is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrote {
    /// 201.
    Created,
    /// 204.
    Updated,
}

/// The answer to writes that come too fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondaryLimit {
    /// Writes that are let through in a minute.
    pub writes_per_minute: usize,
    /// 403 or 429.
    pub status: u16,
    /// Seconds in the `retry-after` header; `None` leaves it out.
    pub retry_after: Option<u64>,
}

/// GitHub.
#[derive(Debug)]
pub struct GitHub {
    /// Its clock, for its `Date` header and its timestamps alike.
    pub clock: Clock,
    /// The places that exist.
    pub places: BTreeMap<Place, Vault>,
    /// The tokens that exist, by value.
    pub tokens: BTreeMap<String, Token>,
    /// Where repositories that moved are now.
    pub moved: BTreeMap<Place, Place>,
    /// Requests left in this hour, shown in headers; `None` shows no such headers, as GitHub Enterprise Server.
    pub rate_limit_remaining: Option<u64>,
    /// The bound on writes per minute, if any.
    pub secondary_limit: Option<SecondaryLimit>,
    recent_writes: Vec<Timestamp>,
    keys_made: u64,
}

impl GitHub {
    /// GitHub without repositories.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            places: BTreeMap::new(),
            tokens: BTreeMap::new(),
            moved: BTreeMap::new(),
            rate_limit_remaining: None,
            secondary_limit: None,
            recent_writes: Vec::new(),
            keys_made: 0,
        }
    }

    /// Adds the repository `owner/name`, without secrets.
    pub fn add_repo(&mut self, full_name: &str) -> Place {
        let place = Place::repo(full_name);
        let id = 1001 + u64::try_from(self.places.len()).expect("a number of places");
        self.places.entry(place.clone()).or_insert_with(|| Vault::new(id));
        place
    }

    /// Moves a repository: its old name answers with a redirect from now on.
    pub fn move_repo(&mut self, from: &str, to: &str) -> Place {
        let (from, to) = (Place::repo(from), Place::repo(to));
        let vault = self.places.remove(&from).expect("a repository that exists");
        self.places.insert(to.clone(), vault);
        self.moved.insert(from, to.clone());
        to
    }

    /// Adds a token that may do this everywhere.
    pub fn add_token(&mut self, value: &str, role: &str, everywhere: Access) {
        let token = Token { role: role.to_owned(), elsewhere: Some(everywhere), places: BTreeMap::new() };
        self.tokens.insert(value.to_owned(), token);
    }

    /// Adds a token that sees these places alone.
    pub fn add_token_for(&mut self, value: &str, role: &str, places: impl IntoIterator<Item = (Place, Access)>) {
        let token = Token { role: role.to_owned(), elsewhere: None, places: places.into_iter().collect() };
        self.tokens.insert(value.to_owned(), token);
    }

    /// What a token may do at a place that exists; `None` where it sees nothing.
    #[must_use]
    pub fn access(&self, token: &str, place: &Place) -> Option<Access> {
        let token = self.tokens.get(token)?;
        self.places.get(place)?;
        token.places.get(place).copied().or(token.elsewhere)
    }

    /// The place with this number.
    #[must_use]
    pub fn place_with_id(&self, id: u64) -> Option<&Place> {
        self.places.iter().find(|(_, vault)| vault.id == id).map(|(place, _)| place)
    }

    /// Gives a place another key pair: whoever holds the old public key must fetch it again.
    pub fn rotate_public_key(&mut self, place: &Place) {
        self.keys_made += 1;
        let generation = self.keys_made;
        let vault = self.vault_mut(place);
        vault.secret_key = SecretKey::generate(&mut OsRng);
        vault.key_id = key_id(vault.id, generation);
    }

    /// Writes what a sealed box holds.
    ///
    /// # Errors
    /// GitHub's message (status 422) where the key is not this place's, the box does not open, or the name or value
    /// is not allowed.
    pub fn write_sealed(
        &mut self,
        place: &Place,
        name: &str,
        encrypted_value: &str,
        key_id: &str,
    ) -> Result<Wrote, &'static str> {
        let vault = self.vault_mut(place);
        let upper = name.to_ascii_uppercase();
        if !is_secret_name(&upper) {
            return Err("Secret names can only contain alphanumeric characters or underscores");
        }
        if vault.key_id != key_id {
            return Err("The key_id is not the id of the current public key");
        }
        let value = vault.open(encrypted_value).ok_or("Bad request - the encrypted value does not open")?;
        if value.len() > LONGEST_VALUE {
            return Err("The secret value is too large");
        }
        if vault.secrets.len() >= MOST_SECRETS && !vault.secrets.contains_key(&upper) {
            return Err("This repository has reached the limit of 100 secrets");
        }
        Ok(self.write_secret(place, name, &value))
    }

    /// Writes a secret.
    pub fn write_secret(&mut self, place: &Place, name: &str, value: &str) -> Wrote {
        let now = self.clock.now_in_seconds();
        let secrets = &mut self.vault_mut(place).secrets;
        let name = name.to_ascii_uppercase();
        let created_at = secrets.get(&name).map(|secret| secret.created_at);
        let secret = Secret { value: value.to_owned(), created_at: created_at.unwrap_or(now), updated_at: now };
        secrets.insert(name, secret);
        if created_at.is_some() { Wrote::Updated } else { Wrote::Created }
    }

    /// Removes a secret; `false` where there is none.
    pub fn remove(&mut self, place: &Place, name: &str) -> bool {
        self.vault_mut(place).secrets.remove(&name.to_ascii_uppercase()).is_some()
    }

    /// A secret.
    #[must_use]
    pub fn secret(&self, place: &Place, name: &str) -> Option<&Secret> {
        self.places.get(place)?.secrets.get(&name.to_ascii_uppercase())
    }

    /// When a secret was last written.
    #[must_use]
    pub fn last_write(&self, place: &Place, name: &str) -> Option<Timestamp> {
        self.secret(place, name).map(|secret| secret.updated_at)
    }

    /// Every secret: where it is, its name, its value.
    pub fn holdings(&self) -> impl Iterator<Item = (&Place, &str, &str)> {
        self.places.iter().flat_map(|(place, vault)| {
            vault.secrets.iter().map(move |(name, secret)| (place, name.as_str(), secret.value.as_str()))
        })
    }

    /// Counts a write against the secondary limit; the limit, where it is exceeded.
    pub fn pace_write(&mut self) -> Option<SecondaryLimit> {
        let limit = self.secondary_limit?;
        let now = self.clock.now();
        self.recent_writes.retain(|at| *at + signed(Duration::from_secs(60)) > now);
        if self.recent_writes.len() >= limit.writes_per_minute {
            return Some(limit);
        }
        self.recent_writes.push(now);
        None
    }

    fn vault_mut(&mut self, place: &Place) -> &mut Vault {
        self.places.get_mut(place).unwrap_or_else(|| panic!("the world has no {place}"))
    }
}

fn is_secret_name(upper: &str) -> bool {
    upper.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !upper.starts_with(|first: char| first.is_ascii_digit())
        && !upper.starts_with("GITHUB_")
        && !upper.is_empty()
}
