//! A secret at GitHub as a target of a rotation.
//!
//! Every kind of place has the same four calls below its own path; the REST pages are "GitHub Actions Secrets" and its
//! siblings for Dependabot and Codespaces.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use ::http::{Method, StatusCode};
use async_trait::async_trait;
use futures_util::join;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Answer;
use super::client::GitHub;
use super::seal::PublicKey;
use crate::http::Failure;
use crate::rotation::port::{Held, SecretStore, Sighting, Written};
use crate::secret::Secret;

/// GitHub's limit for one value: page "Using secrets in GitHub Actions".
pub const LONGEST_VALUE: usize = 48 * 1024;

/// Where at GitHub a secret lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The Actions secrets of a repository.
    Repo {
        /// The account or organisation.
        owner: String,
        /// The repository's name.
        repo: String,
    },
}

impl Place {
    /// How the user writes it: `repo:acme/app`.
    #[must_use]
    pub fn target(&self) -> String {
        match self {
            Self::Repo { owner, repo } => format!("repo:{owner}/{repo}"),
        }
    }

    /// The path below which its public key and its secrets are, in plain segments.
    fn path(&self) -> Vec<&str> {
        match self {
            Self::Repo { owner, repo } => vec!["repos", owner, repo, "actions", "secrets"],
        }
    }
}

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
}

#[derive(Deserialize)]
struct KeyAnswer {
    key_id: String,
    key: String,
}

#[derive(Deserialize)]
struct SecretAnswer {
    updated_at: Timestamp,
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
        }
    }

    async fn at(&self, method: Method, last: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        let mut path = self.place.path();
        path.push(last);
        self.github.call(method, &path, body).await
    }

    /// The first look shares the key with other targets of the place that are looked at in the same moment.
    async fn first_key(&self) -> Result<(), Failure> {
        if self.looked.get() {
            return self.fetch_key().await;
        }
        let shared = self.github.keys.of(&self.place.path());
        let key = shared.get_or_try_init(|| self.fetched_key()).await?;
        *self.key.borrow_mut() = Some(key.clone());
        self.looked.set(true);
        Ok(())
    }

    async fn fetch_key(&self) -> Result<(), Failure> {
        let key = self.fetched_key().await?;
        *self.key.borrow_mut() = Some(key);
        Ok(())
    }

    async fn fetched_key(&self) -> Result<PublicKey, Failure> {
        let answer = self.at(Method::GET, "public-key", None).await?;
        if answer.status != StatusCode::OK {
            return Err(self.github.failure(&answer));
        }
        let shown: KeyAnswer = answer.json()?;
        PublicKey::parse(shown.key_id, &shown.key).map_err(|error| self.refused(error))
    }

    async fn look(&self) -> Result<Sighting, Failure> {
        let answer = self.at(Method::GET, &self.secret, None).await?;
        let held = match answer.status {
            StatusCode::OK => Held::Since(answer.json::<SecretAnswer>()?.updated_at),
            StatusCode::NOT_FOUND => Held::Nothing,
            _ => return Err(self.github.failure(&answer)),
        };
        Ok(Sighting { held, date: answer.date()? })
    }

    fn sealed(&self, value: &Secret) -> Result<Value, Failure> {
        let length = value.expose().len();
        if length > LONGEST_VALUE {
            return Err(self.refused(format!("the value has {length} bytes, GitHub takes {LONGEST_VALUE}")));
        }
        let key = self.key.borrow();
        let Some(key) = key.as_ref() else {
            let message = format!("{}: its public key must be fetched first", self.name());
            return Err(Failure::Transient { message, retry_after: None });
        };
        let sealed = key.seal(value).map_err(|error| self.refused(error))?;
        Ok(json!({ "encrypted_value": sealed, "key_id": key.id() }))
    }

    fn refused(&self, why: impl std::fmt::Display) -> Failure {
        Failure::refused(format!("{}: {why}", self.name()))
    }

    /// GitHub's answer to a `key_id` that is out of date, and to other things: worth one more try with a fresh key.
    fn unprocessable(&self, answer: &Answer) -> Failure {
        *self.key.borrow_mut() = None;
        let failure = self.github.failure(answer);
        if self.doubted.replace(!self.doubted.get()) {
            return failure;
        }
        Failure::Transient { message: failure.message().to_owned(), retry_after: None }
    }
}

#[async_trait(?Send)]
impl SecretStore for GitHubSecret {
    fn name(&self) -> String {
        format!("{} {}", self.place.target(), self.secret)
    }

    /// The public key is what proves access: GitHub answers 404 also for what the token may not see.
    async fn observe(&self) -> Result<Sighting, Failure> {
        let (key, seen) = join!(self.first_key(), self.look());
        key.and(seen)
    }

    async fn ready(&self) -> Result<(), Failure> {
        let cached = self.key.borrow().is_some();
        if cached { Ok(()) } else { self.fetch_key().await }
    }

    async fn write(&self, value: &Secret) -> Result<Written, Failure> {
        let body = self.sealed(value)?;
        let answer = self.at(Method::PUT, &self.secret, Some(&body)).await?;
        match answer.status {
            StatusCode::CREATED | StatusCode::NO_CONTENT => {
                self.doubted.set(false);
                Ok(Written { date: answer.date()? })
            }
            StatusCode::UNPROCESSABLE_ENTITY => Err(self.unprocessable(&answer)),
            _ => Err(self.github.failure(&answer)),
        }
    }

    async fn last_write(&self) -> Result<Sighting, Failure> {
        self.look().await
    }

    async fn remove(&self) -> Result<(), Failure> {
        let answer = self.at(Method::DELETE, &self.secret, None).await?;
        match answer.status {
            StatusCode::NO_CONTENT | StatusCode::NOT_FOUND => Ok(()),
            _ => Err(self.github.failure(&answer)),
        }
    }
}
