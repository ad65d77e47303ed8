//! Minting a token for an account: where the App is installed, what it signs, and every way in which GitHub says no.

use std::collections::BTreeMap;
use std::time::Duration;

use ::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use octocrab::Octocrab;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;
use zeroize::Zeroize as _;

use super::app::{App, Installed, Token};
use super::crab::route;
use super::grant::Grant;
use super::paths;
use super::response::{Answer, SignedBy, Told};
use super::transport::{Wire, bearer};
use crate::http::{Call, Failure, Refusal, server_text};
use crate::secret::{Redactor, Secret};

/// Another token is minted when less than this is left: a request may wait for two minutes for GitHub's limits and a minute
/// for points.
const MARGIN: Duration = Duration::from_secs(5 * 60);

/// Dates have whole seconds, cut off: a token may end so much sooner or later than two of them tell.
const DATE_RESOLUTION: Duration = Duration::from_secs(1);

/// Whatever a server says: a token that ends at once would be replaced before every request.
const SHORTEST_LIFE: Duration = Duration::from_secs(60);

/// Clocks further apart than this: what is signed is dated by GitHub's.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(30);

/// octocrab's own does not know whether an installation is suspended, nor its permissions for secrets.
#[derive(Deserialize)]
struct Installation {
    id: u64,
    #[serde(default)]
    permissions: BTreeMap<String, Value>,
    suspended_at: Option<Value>,
}

/// octocrab's own brings all of a repository along.
#[derive(Deserialize)]
struct TokenAnswer {
    token: String,
    expires_at: Timestamp,
}

impl App {
    /// A token for an account, narrowed to what its targets need.
    pub(super) async fn mint(&self, wire: &Wire, account: &Installed) -> Result<Token, Failure> {
        let id = match account.installation.get() {
            Some(id) => id,
            None => {
                let id = self.installation(wire, &account.grant).await?;
                account.installation.set(Some(id));
                id
            }
        };
        let mut narrow = account.grant.is_narrow();
        let answer = loop {
            let (path, body) = (paths::tokens(id), account.grant.request(narrow));
            let octo = async |octo: Octocrab| octo._post(path.as_str(), Some(&body)).await.map(drop);
            let Told { answer, .. } = self.ask(wire, Call::Write, octo).await?;
            // A repository that was renamed is not found under its old name. If it is out of reach, reading it says so.
            if !(narrow && answer.status == StatusCode::UNPROCESSABLE_ENTITY && names_a_repository(&answer)) {
                break answer;
            }
            narrow = false;
        };
        if answer.status != StatusCode::CREATED {
            return Err(not_minted(&account.grant, &answer, &wire.redactor));
        }
        self.take(account.grant.account(), answer)
    }

    /// Takes the token out of the answer; it is hidden before anything else.
    fn take(&self, name: &str, mut answer: Answer) -> Result<Token, Failure> {
        let unread = |failure: Failure| Failure::Transient { message: failure.message().to_owned(), retry_after: None };
        let shown: TokenAnswer = answer.json().map_err(unread)?;
        let value = Secret::new(shown.token);
        (self.ctx.hide)(&value);
        answer.body.zeroize();
        let now = answer.date().unwrap_or_else(|_| (self.ctx.now)());
        let lives = Duration::try_from(shown.expires_at.duration_since(now)).unwrap_or_default().max(SHORTEST_LIFE);
        let surely = lives.saturating_sub(DATE_RESOLUTION);
        let born = Instant::now();
        let mut minted = self.minted.borrow_mut();
        let token = Token {
            number: minted.len(),
            account: name.to_owned(),
            signed: bearer(&value)?,
            born,
            old: born + surely.saturating_sub(MARGIN.min(surely / 4)),
            ends: born + surely,
            dies: born + lives + DATE_RESOLUTION,
        };
        minted.push(token.clone());
        Ok(token)
    }

    /// Where the App is installed on the account, and that it may do there what is needed.
    async fn installation(&self, wire: &Wire, grant: &Grant) -> Result<u64, Failure> {
        let name = grant.account();
        let told = match grant.a_repository() {
            Some(repository) => self.installed(wire, &paths::installed_for(name, repository)).await?,
            None => match self.installed(wire, &paths::installed_on(name)).await? {
                told if told.answer.status == StatusCode::NOT_FOUND && grant.is_of_anybody() => {
                    self.installed(wire, &paths::installed_at(name)).await?
                }
                told => told,
            },
        };
        if told.answer.status == StatusCode::NOT_FOUND {
            return Err(self.not_installed(wire, grant, &told.answer).await?);
        }
        if told.answer.status != StatusCode::OK {
            return Err(told.answer.failure(&wire.redactor));
        }
        let shown = told.read()?;
        if shown.suspended_at.is_some_and(|at| !at.is_null()) {
            return Err(suspended(name));
        }
        match grant.missing_of(&shown.permissions).as_slice() {
            [] => Ok(shown.id),
            missing => Err(not_granted(name, missing)),
        }
    }

    async fn installed(&self, wire: &Wire, path: &[&str]) -> Result<Told<Installation>, Failure> {
        let path = route(path)?;
        self.ask(wire, Call::Read, async |octo: Octocrab| octo.get(&path, None::<&()>).await).await
    }

    /// Why there is no installation to be found: none on the account, or none that reaches the repository.
    async fn not_installed(&self, wire: &Wire, grant: &Grant, answer: &Answer) -> Result<Failure, Failure> {
        let name = grant.account();
        if answer.complains().contains("Integration not found") {
            return Ok(self.unknown());
        }
        if let Some(repository) = grant.a_repository() {
            let elsewhere = self.installed(wire, &paths::installed_at(name)).await?;
            if elsewhere.answer.status == StatusCode::OK {
                return Ok(refused(
                    Some(StatusCode::NOT_FOUND),
                    format!("the GitHub App is installed on {name}, but does not reach {name}/{repository}"),
                    format!("Give the installation on {name} access to this repository, or correct the target."),
                ));
            }
        }
        Ok(refused(
            Some(StatusCode::NOT_FOUND),
            format!("the GitHub App is not installed on {name}"),
            format!("Install it on {name}, with access to every target there, or correct the target."),
        ))
    }

    /// One call that the App itself signs. Where GitHub's clock and ours are too far apart, once more by its own.
    async fn ask<T>(
        &self,
        wire: &Wire,
        call: Call,
        octo: impl AsyncFn(Octocrab) -> octocrab::Result<T>,
    ) -> Result<Told<T>, Failure> {
        let assumed = self.ahead.get();
        let first = self.ask_once(wire, call, &octo).await?;
        if first.answer.status != StatusCode::UNAUTHORIZED {
            return Ok(first);
        }
        let Ok(date) = first.answer.date() else { return Err(self.unknown()) };
        let ahead = date.duration_since((self.ctx.now)());
        if (ahead - assumed).abs() <= CLOCK_TOLERANCE {
            return Err(self.unknown());
        }
        self.ahead.set(ahead);
        let second = self.ask_once(wire, call, &octo).await?;
        if second.answer.status == StatusCode::UNAUTHORIZED { Err(self.unknown()) } else { Ok(second) }
    }

    async fn ask_once<T>(
        &self,
        wire: &Wire,
        call: Call,
        octo: impl AsyncFnOnce(Octocrab) -> octocrab::Result<T>,
    ) -> Result<Told<T>, Failure> {
        let [room] = wire.pace.admit(call).await?;
        let now = (self.ctx.now)();
        let signed = self.key.sign(now.checked_add(self.ahead.get()).unwrap_or(now));
        let signed = signed.ok_or_else(|| Failure::refused("app-private-key signs nothing"))?;
        (self.ctx.hide)(&signed);
        match wire.ask(room, &bearer(&signed)?, octo).await {
            Ok(mut told) => {
                told.answer.of = SignedBy::App;
                Ok(told)
            }
            // Nothing of the rotation hangs on a token that nobody knows: it is asked for again.
            Err(Failure::Unknown { message, retry_after }) => Err(Failure::Transient { message, retry_after }),
            Err(failure) => Err(failure),
        }
    }

    fn unknown(&self) -> Failure {
        refused(
            Some(StatusCode::UNAUTHORIZED),
            format!("GitHub does not take what app-private-key signs for the App {}", self.key.id()),
            "app-client-id and app-private-key must belong to the same GitHub App, and the key must still be listed in \
             its settings."
                .to_owned(),
        )
    }
}

fn names_a_repository(answer: &Answer) -> bool {
    answer.complains().to_ascii_lowercase().contains("repositor")
}

/// What an answer without a token means.
fn not_minted(grant: &Grant, answer: &Answer, redactor: &Redactor) -> Failure {
    let name = grant.account();
    let said = answer.complains();
    if answer.limit().is_none()
        && answer.status == StatusCode::FORBIDDEN
        && said.to_ascii_lowercase().contains("suspended")
    {
        return suspended(name);
    }
    if answer.status != StatusCode::UNPROCESSABLE_ENTITY {
        return match answer.failure(redactor) {
            Failure::Unknown { message, retry_after } => Failure::Transient { message, retry_after },
            Failure::Doubtful(refusal) => Failure::Refused(refusal),
            failure => failure,
        };
    }
    refused(
        Some(answer.status),
        format!(
            "GitHub mints no token with {} for the GitHub App on {name}: {}",
            grant.shown(),
            server_text(&said, redactor)
        ),
        format!("Give the App these permissions in its settings, and have them accepted on {name}."),
    )
}

fn suspended(name: &str) -> Failure {
    refused(
        Some(StatusCode::FORBIDDEN),
        format!("the GitHub App's installation on {name} is suspended"),
        format!("An owner of {name} can lift the suspension where the App is installed."),
    )
}

fn not_granted(name: &str, missing: &[String]) -> Failure {
    refused(
        Some(StatusCode::FORBIDDEN),
        format!("the GitHub App's installation on {name} lacks the permission {}", missing.join(", ")),
        format!("Give the App this permission in its settings, and have it accepted on {name}."),
    )
}

fn refused(status: Option<StatusCode>, message: String, hint: String) -> Failure {
    Failure::Refused(Refusal { status: status.map(|status| status.as_u16()), message, hint: Some(hint) })
}
