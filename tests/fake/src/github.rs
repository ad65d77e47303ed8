//! GitHub's state: repositories, environments and organisations with their secrets, and tokens with what they may do.

mod alert;
mod place;
mod run;
mod token;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crypto_box::SecretKey;
use crypto_box::aead::OsRng;
use jiff::Timestamp;

use crate::app::App;
use crate::clock::{Clock, signed};
use crate::outage::Slot;

pub use alert::Alert;
pub use place::{Permission, Place};
pub use run::{Workflow, WorkflowRun};
pub use token::{Access, Token, TokenKind};

/// A value may be at most this long.
const LONGEST_VALUE: usize = 48 * 1024;
/// A repository or environment has at most this many secrets.
const MAX_SECRETS: usize = 100;
/// An organisation has at most this many secrets.
const MAX_SECRETS_OF_ORGANISATION: usize = 1000;

/// Which repositories an organisation's secret is shown to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All.
    All,
    /// Private and internal ones.
    Private,
    /// These, by number.
    Selected(BTreeSet<u64>),
}

impl Scope {
    /// GitHub's word for it.
    #[must_use]
    pub fn visibility(&self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Private => "private",
            Self::Selected(_) => "selected",
        }
    }
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
    /// Of an organisation's secret.
    pub scope: Option<Scope>,
}

/// The secrets of one place, and the key pair that they are sealed with.
#[derive(Debug)]
pub struct Vault {
    /// The number in `/repositories/{id}`, for every vault of a repository the same; else a number of its own.
    pub id: u64,
    /// Its name as it was given, which GitHub keeps although it tells no difference by case.
    pub shown: String,
    /// The public key's name.
    pub key_id: String,
    secret_key: SecretKey,
    /// The public key in base64, once it was asked for.
    public_key: OnceLock<String>,
    /// By name, in upper case.
    pub secrets: BTreeMap<String, Secret>,
}

impl Vault {
    fn new(id: u64, shown: &str, nth_key: u64) -> Self {
        Self {
            id,
            shown: shown.to_owned(),
            key_id: key_id(nth_key),
            secret_key: SecretKey::generate(&mut OsRng),
            public_key: OnceLock::new(),
            secrets: BTreeMap::new(),
        }
    }

    /// The public key, in base64.
    #[must_use]
    pub fn public_key(&self) -> &str {
        self.public_key.get_or_init(|| STANDARD.encode(self.secret_key.public_key().as_bytes()))
    }

    fn open(&self, sealed: &str) -> Option<String> {
        let bytes = STANDARD.decode(sealed).ok()?;
        String::from_utf8(self.secret_key.unseal(&bytes).ok()?).ok()
    }
}

fn key_id(nth: u64) -> String {
    format!("{}", 568_250_167_242_549_743 + nth)
}

/// What a repository is beside its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traits {
    /// Its topics.
    pub topics: Vec<String>,
    /// `public`, `private` or `internal`.
    pub visibility: &'static str,
    /// Nothing in it can be written.
    pub archived: bool,
    /// Made from another one.
    pub fork: bool,
    /// Switched off by GitHub.
    pub disabled: bool,
}

impl Default for Traits {
    fn default() -> Self {
        Self { topics: Vec::new(), visibility: "private", archived: false, fork: false, disabled: false }
    }
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
    /// The App that is registered, if any.
    pub app: Option<App>,
    /// What repositories are; those that are not here are private, and nothing else.
    pub traits: BTreeMap<Place, Traits>,
    /// Accounts that are people's.
    pub users: BTreeSet<String>,
    /// Where places that moved are now.
    pub moved: BTreeMap<Place, Place>,
    /// Requests left in this hour, shown in headers; `None` shows no such headers, as GitHub Enterprise Server.
    pub rate_limit_remaining: Option<u64>,
    /// The bound on writes per minute, if any.
    pub secondary_limit: Option<SecondaryLimit>,
    /// It knows no Codespaces and no agents.
    pub is_enterprise_server: bool,
    /// Variables of repositories, by name, with what a person gave them. They are no secrets.
    pub variables: BTreeMap<Place, BTreeMap<String, String>>,
    /// Files of repositories, by path.
    pub files: BTreeMap<(Place, String), String>,
    /// Alerts of secret scanning, oldest first.
    pub alerts: Vec<Alert>,
    /// Repositories in which secret scanning is off.
    pub scans_not: BTreeSet<Place>,
    /// Runs of workflows.
    pub runs: Vec<WorkflowRun>,
    /// Workflows that can be dispatched, by repository and file.
    pub workflows: BTreeMap<(Place, String), Workflow>,
    /// Whether `return_run_details` is known, as it is at github.com since February 2026.
    pub tells_of_dispatched_runs: bool,
    to_conclude: BTreeMap<u64, Workflow>,
    recent_writes: Vec<Timestamp>,
    numbers: u64,
    keys_made: u64,
    /// Secrets that the judge has not looked at since they were written, removed or moved.
    touched: Vec<Slot>,
}

impl GitHub {
    /// GitHub without repositories.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            places: BTreeMap::new(),
            tokens: BTreeMap::new(),
            app: None,
            traits: BTreeMap::new(),
            users: BTreeSet::new(),
            moved: BTreeMap::new(),
            rate_limit_remaining: None,
            secondary_limit: None,
            is_enterprise_server: false,
            variables: BTreeMap::new(),
            files: BTreeMap::new(),
            alerts: Vec::new(),
            scans_not: BTreeSet::new(),
            runs: Vec::new(),
            workflows: BTreeMap::new(),
            tells_of_dispatched_runs: true,
            to_conclude: BTreeMap::new(),
            recent_writes: Vec::new(),
            numbers: 1000,
            keys_made: 0,
            touched: Vec::new(),
        }
    }

    /// Adds the repository `owner/name`, without secrets of any service and without environments.
    pub fn add_repo(&mut self, full_name: &str) -> Place {
        let place = Place::repo(full_name);
        if !self.places.contains_key(&place) {
            let id = self.next_number();
            for place in place.of_the_same_holder() {
                self.add_vault(place, id, full_name);
            }
        }
        place
    }

    /// Adds a repository that is something special.
    pub fn add_repo_with(&mut self, full_name: &str, traits: Traits) -> Place {
        let place = self.add_repo(full_name);
        self.traits.insert(place.clone(), traits);
        place
    }

    /// Whether there is an account of this name that is no person's.
    #[must_use]
    pub fn has_organisation(&self, name: &str) -> bool {
        let within = format!("{}/", name.to_ascii_lowercase());
        let is_its = |place: &Place| place.repository().is_some_and(|full_name| full_name.starts_with(&within));
        !self.users.contains(name) && (self.places.contains_key(&Place::org(name)) || self.places.keys().any(is_its))
    }

    /// What a repository is.
    #[must_use]
    pub fn traits(&self, place: &Place) -> Traits {
        self.traits.get(place).cloned().unwrap_or_default()
    }

    /// Adds an environment to a repository, which is added too where it does not exist.
    pub fn add_environment(&mut self, full_name: &str, environment: &str) -> Place {
        let repo = self.add_repo(full_name);
        let id = self.places[&repo].id;
        let place = Place::environment(full_name, environment);
        self.add_vault(place.clone(), id, environment);
        place
    }

    /// Adds an organisation, without secrets of any service.
    pub fn add_org(&mut self, org: &str) -> Place {
        let place = Place::org(org);
        if !self.places.contains_key(&place) {
            let id = self.next_number();
            for place in place.of_the_same_holder() {
                self.add_vault(place, id, org);
            }
        }
        place
    }

    /// Adds the place that a target names, with the repository or organisation that it belongs to.
    ///
    /// # Panics
    /// On a text that names no place.
    pub fn add_place(&mut self, target: &str) -> Place {
        let place: Place = target.parse().unwrap_or_else(|error| panic!("{error}"));
        match (&place, place.repository()) {
            (Place::Env(repo, _), _) => {
                let environment = target.splitn(3, '/').nth(2).expect("an environment's name");
                self.add_environment(repo, environment);
            }
            (_, Some(repo)) => _ = self.add_repo(repo),
            (_, None) => _ = self.add_org(place.organisation().expect("a place of an organisation")),
        }
        place
    }

    /// Moves a repository: its old name answers with a redirect from now on.
    pub fn move_repo(&mut self, from: &str, to: &str) -> Place {
        let moving: Vec<Place> = self.places.keys().filter(|place| place.is_of_repository(from)).cloned().collect();
        assert!(!moving.is_empty(), "the world has no repository {from}");
        for place in moving {
            let vault = self.places.remove(&place).expect("a place that exists");
            let new = place.moved_to(to);
            for name in vault.secrets.keys() {
                self.touched.extend([(place.clone(), name.clone()), (new.clone(), name.clone())]);
            }
            self.places.insert(new.clone(), vault);
            self.moved.insert(place, new);
        }
        Place::repo(to)
    }

    fn add_vault(&mut self, place: Place, id: u64, shown: &str) {
        self.keys_made += 1;
        let nth_key = self.keys_made;
        self.places.entry(place).or_insert_with(|| Vault::new(id, shown, nth_key));
    }

    fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Adds a token that may do this everywhere.
    pub fn add_token(&mut self, value: &str, role: &str, everywhere: Access) {
        let token = Token { role: role.to_owned(), elsewhere: Some(everywhere), ..Token::default() };
        self.tokens.insert(value.to_owned(), token);
    }

    /// Adds a token that sees these places alone.
    pub fn add_token_for(&mut self, value: &str, role: &str, places: impl IntoIterator<Item = (Place, Access)>) {
        let token = Token { role: role.to_owned(), places: places.into_iter().collect(), ..Token::default() };
        self.tokens.insert(value.to_owned(), token);
    }

    /// Whether a token is known, not revoked and not over.
    #[must_use]
    pub fn takes(&self, token: &str) -> bool {
        let now = self.clock.now();
        self.tokens.get(token).is_some_and(|token| token.is_good(now))
    }

    /// What a token may do at a place that exists; `None` where it sees nothing.
    #[must_use]
    pub fn access(&self, token: &str, place: &Place) -> Option<Access> {
        let token = self.tokens.get(token)?;
        self.places.get(place)?;
        token.access(place, place.permission())
    }

    /// The repository with this number.
    #[must_use]
    pub fn repository_with_id(&self, id: u64) -> Option<&str> {
        let mut repos = self.places.iter().filter(|(place, _)| matches!(place, Place::Repo(_)));
        repos.find(|(_, vault)| vault.id == id).and_then(|(place, _)| place.repository())
    }

    /// Gives a place another key pair: whoever holds the old public key must fetch it again.
    pub fn rotate_public_key(&mut self, place: &Place) {
        self.keys_made += 1;
        let id = key_id(self.keys_made);
        let vault = self.vault_mut(place);
        vault.secret_key = SecretKey::generate(&mut OsRng);
        vault.public_key = OnceLock::new();
        vault.key_id = id;
    }

    /// Writes what a sealed box holds.
    ///
    /// # Errors
    /// GitHub's message (status 422) where the key is not this place's, the box does not open, the name or value is
    /// not allowed, or the scope does not fit the place.
    pub fn write_sealed(
        &mut self,
        place: &Place,
        name: &str,
        encrypted_value: &str,
        key_id: &str,
        scope: Option<Scope>,
    ) -> Result<Wrote, &'static str> {
        let upper = name.to_ascii_uppercase();
        if !is_secret_name(&upper) {
            return Err("Secret names can only contain alphanumeric characters or underscores");
        }
        if let Some(Scope::Selected(ids)) = &scope
            && !ids.iter().all(|id| self.is_of_organisation(*id, place))
        {
            return Err("Invalid request.\n\nselected_repository_ids has a repository that does not exist");
        }
        let most = if place.organisation().is_some() { MAX_SECRETS_OF_ORGANISATION } else { MAX_SECRETS };
        let vault = self.vault_mut(place);
        if vault.key_id != key_id {
            return Err("The key_id is not the id of the current public key");
        }
        let value = vault.open(encrypted_value).ok_or("Bad request - the encrypted value does not open")?;
        if value.len() > LONGEST_VALUE {
            return Err("The secret value is too large");
        }
        if vault.secrets.len() >= most && !vault.secrets.contains_key(&upper) {
            return Err("The limit of secrets is reached");
        }
        let wrote = self.write_secret(place, name, &value);
        if let Some(scope) = scope {
            self.set_scope(place, name, scope);
        }
        Ok(wrote)
    }

    fn is_of_organisation(&self, id: u64, place: &Place) -> bool {
        let owner = self.repository_with_id(id).and_then(|name| name.split('/').next());
        owner.is_some() && owner == place.organisation()
    }

    /// Writes a secret. An organisation's keeps its scope; a new one is shown to private repositories.
    pub fn write_secret(&mut self, place: &Place, name: &str, value: &str) -> Wrote {
        let now = self.clock.now_in_seconds();
        let secrets = &mut self.vault_mut(place).secrets;
        let name = name.to_ascii_uppercase();
        let before = secrets.get(&name);
        let wrote = if before.is_some() { Wrote::Updated } else { Wrote::Created };
        let secret = Secret {
            value: value.to_owned(),
            created_at: before.map_or(now, |secret| secret.created_at),
            updated_at: now,
            scope: place.organisation().map(|_| before.and_then(|it| it.scope.clone()).unwrap_or(Scope::Private)),
        };
        secrets.insert(name.clone(), secret);
        self.touched.push((place.clone(), name));
        wrote
    }

    /// Shows an organisation's secret to these repositories.
    ///
    /// # Panics
    /// Where there is no such secret.
    pub fn set_scope(&mut self, place: &Place, name: &str, scope: Scope) {
        let secret = self.vault_mut(place).secrets.get_mut(&name.to_ascii_uppercase());
        secret.unwrap_or_else(|| panic!("{place} has no secret {name}")).scope = Some(scope);
    }

    /// Removes a secret; `false` where there is none.
    pub fn remove(&mut self, place: &Place, name: &str) -> bool {
        let name = name.to_ascii_uppercase();
        let was_there = self.vault_mut(place).secrets.remove(&name).is_some();
        self.touched.push((place.clone(), name));
        was_there
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

    /// The Actions secrets of its organisation that a repository is shown: by name, in the order of their names. Every
    /// repository is a private one.
    pub fn shown_by_organisation<'a>(&'a self, full_name: &str) -> impl Iterator<Item = (&'a String, &'a Secret)> {
        let id = self.places.get(&Place::repo(full_name)).map(|vault| vault.id);
        let owner = Place::org(full_name.split('/').next().unwrap_or_default());
        let is_shown = move |secret: &Secret| match (&secret.scope, id) {
            (Some(Scope::Selected(ids)), Some(id)) => ids.contains(&id),
            _ => true,
        };
        let all = self.places.get(&owner).into_iter().flat_map(|vault| &vault.secrets);
        all.filter(move |(_, secret)| is_shown(secret))
    }

    /// The environments of a repository, by their names as they were given.
    pub fn environments<'a>(&'a self, full_name: &'a str) -> impl Iterator<Item = &'a Vault> {
        let of_it = move |place: &Place| matches!(place, Place::Env(..)) && place.is_of_repository(full_name);
        self.places.iter().filter(move |(place, _)| of_it(place)).map(|(_, vault)| vault)
    }

    /// What was touched since the last time.
    pub fn take_touched(&mut self) -> Vec<Slot> {
        std::mem::take(&mut self.touched)
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
