//! A secret at GitHub as a target of a rotation.
//!
//! Every kind of place has the same four calls below its own path; the REST pages are "GitHub Actions Secrets" and its
//! siblings for Dependabot and Codespaces. An organisation's secret has a scope beside its value.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use ::http::StatusCode;
use async_trait::async_trait;
use futures_util::join;
use jiff::Timestamp;
use tokio::time::Instant;

use super::access_errors;
use super::calls::{Address, Sealed};
use super::canary::Canary;
use super::client::{GitHub, Permit};
use super::elsewhere;
use super::list::{entries, list};
use super::listing::{Listing, Shown};
use super::paths;
use super::response::{Answer, Told};
use super::runs;
use super::scope::{self, Scope, Scopes};
use super::seal::PublicKey;
use crate::http::{Call, Failure};
use crate::rotation::model::{Contents, Entry, Held, Rollout, RolloutStatus, Sighting, Unfinished, Written};
use crate::rotation::ports::SecretStore;
use crate::secret::Secret;
use crate::store::target::{Place, Reach};

/// GitHub's limit for one value: page "Using secrets in GitHub Actions".
pub const LONGEST_VALUE: usize = 48 * 1024;

/// A write, and the look behind it.
const REQUESTS_OF_A_WRITE: usize = 2;

/// Where there was no secret, one more comes right before the write.
const REQUESTS_OF_A_LOOK: usize = 1;

/// A scope that was read longer ago is read again before it is written.
const SCOPE_IS_NEWS: Duration = Duration::from_secs(10);

/// Where GitHub's limits keep every write waiting for longer, the last look has to do.
const MAX_LOOKS: usize = 3;

/// One secret of one place.
pub struct GitHubSecret {
    github: Rc<GitHub>,
    place: Place,
    secret: String,
    key: RefCell<Option<PublicKey>>,
    /// The key was fetched once, by this target or by another one of its place.
    looked: Cell<bool>,
    /// The last write was answered 422, which a public key that was replaced meanwhile explains once.
    doubted: Cell<bool>,
    /// What the target asks of an organisation's secret.
    asked: Option<Reach>,
    /// Known for an organisation's secret once it was observed.
    scopes: RefCell<Option<Scopes>>,
    canary: Option<Canary>,
    /// Names beside it that the user knows to be no misspelling.
    accepted: Vec<String>,
    /// What the last look saw in the place.
    listing: RefCell<Option<Rc<Listing>>>,
    /// How many requests the writes of its rotation take at GitHub, until one of them is made.
    rotation: Rc<Cell<usize>>,
    /// Whether it was seen to lack the secret.
    lacking: Cell<bool>,
    /// Leave for the two requests of a look: the key, the names of the place's secrets.
    looks: RefCell<Option<[Permit; 2]>>,
    /// Leave for the next write: what it has to wait for is waited for before the run asks whether it may still write.
    pass: RefCell<Option<Permit>>,
}

/// Why there is no public key.
enum NoKey {
    Failed(Failure),
    Denied(Box<Answer>),
}

impl From<Failure> for NoKey {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl GitHubSecret {
    /// The secret of this name in this place.
    #[must_use]
    pub fn new(github: Rc<GitHub>, place: Place, secret: impl Into<String>) -> Self {
        Self {
            github,
            place,
            secret: secret.into(),
            key: RefCell::default(),
            looked: Cell::default(),
            doubted: Cell::default(),
            asked: None,
            scopes: RefCell::default(),
            canary: None,
            accepted: Vec::new(),
            listing: RefCell::default(),
            rotation: Rc::default(),
            lacking: Cell::default(),
            looks: RefCell::default(),
            pass: RefCell::default(),
        }
    }

    /// With what the target asks of the scope; without it an organisation's secret keeps the one that it has.
    #[must_use]
    pub fn asking(mut self, asked: Option<Reach>) -> Self {
        self.asked = asked;
        self
    }

    /// As one of the targets of a rotation, which share the number of requests that their writes take. The first write of all
    /// is refused where what the hour has left would not last for every one of them: nothing is written then yet, and a rotation
    /// that ends halfway for want of requests can't be undone either.
    #[must_use]
    pub fn one_of(mut self, rotation: &Rc<Cell<usize>>) -> Self {
        rotation.set(rotation.get() + REQUESTS_OF_A_WRITE);
        self.rotation = Rc::clone(rotation);
        self
    }

    /// With a workflow of its repository that is to succeed within so long once it was written.
    #[must_use]
    pub fn trying(mut self, workflow: Option<(&str, Duration)>) -> Self {
        let canary = |((owner, repo), (workflow, within))| Canary::new(owner, repo, workflow, within);
        self.canary = self.place.repository().zip(workflow).map(canary);
        self
    }

    /// With names beside it that are no misspelling of its own.
    #[must_use]
    pub fn accepting(mut self, names: &[String]) -> Self {
        self.accepted = names.to_vec();
        self
    }

    fn address(&self) -> Result<Address, Failure> {
        Address::of(&self.place, &self.secret)
    }

    fn at(&self, call: Call) -> (Call, &str) {
        (call, self.place.owner())
    }

    /// The first look shares the key with other targets of the place that are looked at in the same moment.
    async fn first_key(&self, pass: Option<Permit>) -> Result<(), Failure> {
        if self.looked.get() {
            return self.fetch_key(pass).await;
        }
        let shared = self.github.keys.of(&self.place.path());
        let key = shared.get_or_try_init(|| self.fetched_key(pass)).await.cloned();
        self.take_key(key).await?;
        self.looked.set(true);
        Ok(())
    }

    async fn fetch_key(&self, pass: Option<Permit>) -> Result<(), Failure> {
        let key = self.fetched_key(pass).await;
        self.take_key(key).await
    }

    /// Explaining a denial may take more requests. Other targets may wait for a key with room that these need: so they
    /// are not told of it first.
    async fn take_key(&self, key: Result<PublicKey, NoKey>) -> Result<(), Failure> {
        let key = match key {
            Ok(key) => key,
            Err(NoKey::Failed(failure)) => return Err(failure),
            Err(NoKey::Denied(answer)) => {
                return Err(access_errors::unreachable(&self.github, &self.place, &answer).await);
            }
        };
        *self.key.borrow_mut() = Some(key);
        Ok(())
    }

    async fn fetched_key(&self, pass: Option<Permit>) -> Result<PublicKey, NoKey> {
        let address = self.address()?;
        let told = self.github.ask(pass, self.at(Call::Read), async |octo| address.public_key(&octo).await).await?;
        if told.answer.status != StatusCode::OK {
            return Err(NoKey::Denied(Box::new(told.answer)));
        }
        let shown = told.read()?;
        PublicKey::parse(shown.key_id, &shown.key).map_err(|error| NoKey::Failed(self.refused(error)))
    }

    /// The secret's row and when it was shown; `None` where there is no secret of that name.
    async fn row(&self, pass: Option<Permit>) -> Result<(Option<Shown>, Answer), Failure> {
        let address = self.address()?;
        let told = self.github.ask(pass, self.at(Call::Read), async |octo| address.get(&octo).await).await?;
        let answer = told.answer.clone();
        match answer.status {
            StatusCode::OK => Ok((Some(told.read()?), answer)),
            StatusCode::NOT_FOUND => Ok((None, answer)),
            _ => Err(self.failure(&answer)),
        }
    }

    async fn look(&self) -> Result<Sighting, Failure> {
        let (row, answer) = self.row(None).await?;
        Ok(sighting(row.as_ref(), answer.date()?))
    }

    /// Looks, and at an organisation's secret also at its scope.
    async fn look_closely(&self, pass: Option<Permit>) -> Result<(Sighting, Result<Option<Scope>, Failure>), Failure> {
        let (row, answer) = self.row(pass).await?;
        let scope = self.scope_of(row.as_ref(), &answer.asked).await;
        Ok((sighting(row.as_ref(), answer.date()?), scope))
    }

    /// The scope of an organisation's secret, by the row that this call showed.
    async fn scope_of(&self, row: Option<&Shown>, asked: &str) -> Result<Option<Scope>, Failure> {
        let (Some(row), Some(_)) = (row, self.place.organisation()) else { return Ok(None) };
        let visibility = row.visibility.as_ref();
        scope::of_secret(&self.github, &self.place, &self.secret, visibility, asked).await.map(Some)
    }

    /// Looks closely and around: one list shows the secret and what lies beside it. Where the list does not tell whether
    /// the secret is there, it is asked for by its name.
    async fn look_around(&self, pass: Option<Permit>) -> Result<(Sighting, Result<Option<Scope>, Failure>), Failure> {
        let send = |pass| list(&self.github, &self.place, pass);
        let listing = self.github.listings.join(&self.place.path(), pass, send).await?;
        let seen = match listing.find(&self.secret) {
            Some((row, date)) => (sighting(Some(row), date), self.scope_of(Some(row), &listing.asked).await),
            None if listing.has_all() => (sighting(None, listing.date), Ok(None)),
            None => self.look_closely(None).await?,
        };
        *self.listing.borrow_mut() = Some(listing);
        Ok(seen)
    }

    fn knows_key(&self) -> bool {
        self.key.borrow().is_some()
    }

    fn knows_scope(&self) -> bool {
        self.place.organisation().is_none() || self.scopes.borrow().is_some()
    }

    /// Whether the target leaves an organisation's secret to the repositories that it has.
    fn leaves_scope(&self) -> bool {
        let states_it = match &self.asked {
            Some(Reach::Selected(names)) => !names.is_empty(),
            asked => asked.is_some(),
        };
        self.place.organisation().is_some() && !states_it
    }

    /// A repository that was given the secret since the scope was read would lose it by the write.
    async fn look_at_scope(&self) -> Result<(), Failure> {
        if !self.leaves_scope() {
            return Ok(());
        }
        self.pass.take();
        let (_, found) = self.look_closely(None).await?;
        if let Some(scope) = found? {
            *self.scopes.borrow_mut() = Some(Scopes::new(self.asked.as_ref(), None, Ok(Some(scope)))?);
        }
        Ok(())
    }

    fn sealed(&self, value: &Secret, scope: Option<Scope>) -> Result<Sealed, Failure> {
        let length = value.expose().len();
        if length > LONGEST_VALUE {
            return Err(self.refused(format!("the value has {length} bytes, GitHub takes {LONGEST_VALUE}")));
        }
        let key = self.key.borrow();
        let (Some(key), true) = (key.as_ref(), self.knows_scope()) else {
            let message = format!("{}: its public key and its scope must be read first", self.name());
            return Err(Failure::Transient { message, retry_after: None });
        };
        let value = key.seal(value).map_err(|error| self.refused(error))?;
        Ok(Sealed { value, key_id: key.id().to_owned(), scope })
    }

    async fn put(&self, value: &Secret, scope: Option<Scope>) -> Result<Written, Failure> {
        let pass = self.pass.take();
        let (address, sealed) = (self.address()?, self.sealed(value, scope)?);
        let put = async |octo| address.put(&octo, &sealed).await;
        let Told { answer, .. } = self.github.ask(pass, self.at(Call::Write), put).await?;
        match answer.status {
            StatusCode::CREATED | StatusCode::NO_CONTENT => {
                self.doubted.set(false);
                Ok(Written { date: answer.date()? })
            }
            StatusCode::UNPROCESSABLE_ENTITY => Err(self.unprocessable(&answer)),
            _ => Err(self.failure(&answer)),
        }
    }

    fn refused(&self, why: impl std::fmt::Display) -> Failure {
        Failure::refused(format!("{}: {why}", self.name()))
    }

    fn failure(&self, answer: &Answer) -> Failure {
        access_errors::failure(&self.github, &self.place, answer)
    }

    /// GitHub's answer to a `key_id` that is out of date, and to other things: worth one more try with a fresh key.
    fn unprocessable(&self, answer: &Answer) -> Failure {
        *self.key.borrow_mut() = None;
        let failure = self.github.failure(answer);
        if !answer.is_definite() || self.doubted.replace(!self.doubted.get()) {
            return failure;
        }
        Failure::Transient { message: failure.message().to_owned(), retry_after: None }
    }
}

fn sighting(row: Option<&Shown>, date: Timestamp) -> Sighting {
    Sighting { held: row.map_or(Held::Nothing, |row| Held::Since(row.updated_at)), date }
}

#[async_trait(?Send)]
impl SecretStore for GitHubSecret {
    fn name(&self) -> String {
        format!("{} {}", self.place, self.secret)
    }

    async fn wait_for_capacity(&self) -> Result<(), Failure> {
        if let Some(canary) = &self.canary {
            canary.observe(&self.github).await?;
        }
        let passes = self.github.admit_together(Call::Read, self.place.owner()).await?;
        *self.looks.borrow_mut() = Some(passes);
        Ok(())
    }

    fn rollout(&self) -> Option<Rollout> {
        self.canary.as_ref().map(Canary::rollout)
    }

    async fn start_rollout(&self) -> Result<(), Failure> {
        match &self.canary {
            Some(canary) => canary.dispatch(&self.github).await,
            None => Ok(()),
        }
    }

    async fn rollout_status(&self) -> Result<RolloutStatus, Failure> {
        match &self.canary {
            Some(canary) => canary.look(&self.github).await,
            None => Ok(RolloutStatus::Yes(None)),
        }
    }

    /// The public key is what proves access: GitHub answers 404 also for what the token may not see. Never more than
    /// two requests are under way, except where the place has more secrets than a page shows.
    async fn observe(&self) -> Result<Sighting, Failure> {
        let (for_key, for_list) = self.looks.take().map(<(Permit, Permit)>::from).unzip();
        let reach = async {
            self.first_key(for_key).await?;
            scope::asked(&self.github, &self.place, self.asked.as_ref()).await
        };
        let (asked, seen) = join!(reach, self.look_around(for_list));
        let (asked, (sighting, found)) = (asked?, seen?);
        if sighting.held == Held::Nothing && !self.lacking.replace(true) {
            self.rotation.set(self.rotation.get() + REQUESTS_OF_A_LOOK);
        }
        if self.place.organisation().is_some() {
            *self.scopes.borrow_mut() = Some(Scopes::new(self.asked.as_ref(), asked, found)?);
        }
        Ok(sighting)
    }

    fn contents(&self) -> Contents {
        let listing = self.listing.borrow();
        let Some(listing) = listing.as_deref() else { return Contents::default() };
        let others = entries(listing, &self.github, &self.place);
        let accepted = self.accepted.iter().map(|name| listing.spelling(name).unwrap_or(name).to_owned());
        Contents {
            others: others.filter(|other| !other.name.eq_ignore_ascii_case(&self.secret)).collect(),
            unlisted: listing.unlisted.clone(),
            accepted: accepted.collect(),
            any_case: true,
            ..Contents::default()
        }
    }

    async fn elsewhere(&self) -> Result<Vec<Entry>, Failure> {
        elsewhere::look(&self.github, &self.place).await
    }

    async fn ready(&self) -> Result<(), Failure> {
        if !self.knows_scope() {
            self.wait_for_capacity().await?;
            self.observe().await?;
        } else if !self.knows_key() {
            self.fetch_key(None).await?;
        }
        // Its own look, where it lacks the secret, lies behind it.
        let looked = if self.lacking.get() { REQUESTS_OF_A_LOOK } else { 0 };
        self.github.lasts_for(self.rotation.take().saturating_sub(looked))?;
        for _ in 0..MAX_LOOKS {
            self.look_at_scope().await?;
            let asked = Instant::now();
            let pass = self.github.admit(Call::Write, self.place.owner()).await?;
            *self.pass.borrow_mut() = Some(pass);
            if !self.leaves_scope() || asked.elapsed() < SCOPE_IS_NEWS {
                break;
            }
        }
        Ok(())
    }

    fn release(&self) {
        self.pass.take();
    }

    async fn write(&self, value: &Secret) -> Result<Written, Failure> {
        let wanted = self.scopes.borrow().as_ref().map(|scopes| scopes.wanted.clone());
        self.put(value, wanted).await
    }

    async fn write_back(&self, value: &Secret) -> Result<Written, Failure> {
        let before = match self.scopes.borrow().as_ref().map(|scopes| scopes.before.clone()) {
            Some(None) => return Err(Failure::refused("to whom the secret was shown before is not known")),
            Some(before) => before,
            None => None,
        };
        self.put(value, before).await
    }

    async fn last_write(&self) -> Result<Sighting, Failure> {
        self.look().await
    }

    async fn unfinished(&self) -> Result<Vec<Unfinished>, Failure> {
        let Some((owner, repo)) = self.place.repository() else {
            return Err(self.refused("an organisation's secret has no runs of its own"));
        };
        let shared = self.github.runs.of(&paths::repository(&owner.to_lowercase(), &repo.to_lowercase()));
        shared.get_or_try_init(|| runs::unfinished(&self.github, owner, repo)).await.cloned()
    }

    async fn remove(&self) -> Result<(), Failure> {
        let (pass, address) = (self.pass.take(), self.address()?);
        let delete = async |octo| address.delete(&octo).await;
        let Told { answer, .. } = self.github.ask(pass, self.at(Call::Write), delete).await?;
        match answer.status {
            StatusCode::NO_CONTENT => Ok(()),
            StatusCode::NOT_FOUND if answer.is_definite() => Ok(()),
            _ => Err(self.failure(&answer)),
        }
    }
}
