//! A GitHub App as credential: a token for each account, narrowed to what the targets need, minted anew before it ends and
//! revoked when the run is over.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use ::http::{HeaderValue, StatusCode};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use octocrab::Octocrab;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::app_key::AppKey;
use super::grant::{Grant, Level, Need};
use super::transport::Wire;
use crate::http::{Failure, Refusal};
use crate::secret::Secret;

/// "Newly created tokens might not be accessible immediately after creation", says GitHub's own `@octokit/auth-app`.
const SPREADING: Duration = Duration::from_secs(5);
const BETWEEN_TRIES: Duration = Duration::from_secs(1);

/// What a GitHub App needs of the world around it.
pub struct AppContext {
    /// The time.
    pub now: Box<dyn Fn() -> Timestamp>,
    /// Hides a secret wherever something is shown; called before anything else is done with one.
    pub hide: Box<dyn Fn(&Secret)>,
}

/// A GitHub App that mints tokens for the accounts of a run's targets.
pub struct App {
    pub(super) key: AppKey,
    pub(super) ctx: AppContext,
    /// How far GitHub's clock is ahead, once it has refused what was signed by ours.
    pub(super) ahead: Cell<SignedDuration>,
    accounts: HashMap<String, Installed>,
    /// Every token there may be.
    pub(super) minted: RefCell<Vec<Token>>,
}

/// An account that the App is installed on.
pub(super) struct Installed {
    pub(super) grant: Grant,
    /// One request for a token at a time.
    turn: Mutex<()>,
    pub(super) installation: Cell<Option<u64>>,
    token: RefCell<Option<Token>>,
    /// A definite no, which is the same for all of the account's targets.
    refused: RefCell<Option<Refusal>>,
}

#[derive(Clone)]
pub(super) struct Token {
    pub(super) number: usize,
    pub(super) account: String,
    pub(super) signed: HeaderValue,
    pub(super) born: Instant,
    /// Another one is minted from then on.
    pub(super) old: Instant,
    /// It is surely alive until then.
    pub(super) ends: Instant,
    /// It may be alive until then.
    pub(super) dies: Instant,
}

/// Which token signs a request.
#[derive(Clone, Debug)]
pub(super) struct Minted {
    account: String,
    number: usize,
}

impl App {
    /// The App with this key, for these places.
    #[must_use]
    pub fn new<'a>(key: AppKey, needs: impl IntoIterator<Item = &'a Need>, ctx: AppContext) -> Self {
        Self::with_grants(key, Grant::for_needs(needs), ctx)
    }

    /// The App with this key, to look for what there is at these accounts, and to write nothing.
    #[must_use]
    pub fn to_look<'a>(key: AppKey, accounts: impl IntoIterator<Item = &'a str>, ctx: AppContext) -> Self {
        let grants = accounts.into_iter().map(|account| (account.to_ascii_lowercase(), Grant::to_look(account)));
        Self::with_grants(key, grants.collect(), ctx)
    }

    /// The App with this key, for the secret scanning alerts of these accounts.
    #[must_use]
    pub fn for_alerts<'a>(
        key: AppKey,
        accounts: impl IntoIterator<Item = &'a str>,
        level: Level,
        ctx: AppContext,
    ) -> Self {
        let grants =
            accounts.into_iter().map(|account| (account.to_ascii_lowercase(), Grant::for_alerts(account, level)));
        Self::with_grants(key, grants.collect(), ctx)
    }

    fn with_grants(key: AppKey, grants: BTreeMap<String, Grant>, ctx: AppContext) -> Self {
        let account = |grant| Installed {
            grant,
            turn: Mutex::new(()),
            installation: Cell::default(),
            token: RefCell::default(),
            refused: RefCell::default(),
        };
        let accounts = grants.into_iter().map(|(name, grant)| (name, account(grant))).collect();
        Self { key, ctx, ahead: Cell::new(SignedDuration::ZERO), accounts, minted: RefCell::default() }
    }

    /// What signs a call at this account, minted if need be.
    pub(super) async fn token(&self, wire: &Wire, owner: &str) -> Result<(HeaderValue, Minted), Failure> {
        let account = self.account(owner)?;
        if let Some(token) = account.fresh() {
            return Ok(token);
        }
        let _turn = account.turn.lock().await;
        if let Some(token) = account.fresh() {
            return Ok(token);
        }
        if let Some(refusal) = account.refused.borrow().clone() {
            return Err(Failure::Refused(refusal));
        }
        match self.mint(wire, account).await {
            Ok(token) => {
                *account.token.borrow_mut() = Some(token.clone());
                Ok(token.pass())
            }
            Err(failure) => {
                if let Failure::Refused(refusal) = &failure {
                    *account.refused.borrow_mut() = Some(refusal.clone());
                }
                Err(failure)
            }
        }
    }

    /// Whether a token has not ended while its request waited.
    pub(super) fn is_alive(&self, minted: &Minted) -> bool {
        self.minted.borrow().get(minted.number).is_none_or(|token| token.ends > Instant::now())
    }

    /// A request that this token signed was answered 401: it is not used again, unless it is so young that GitHub may not
    /// know it everywhere. Answers with the time after which the request may be repeated.
    pub(super) fn doubt(&self, minted: &Minted) -> Duration {
        let Some(account) = self.accounts.get(&minted.account.to_ascii_lowercase()) else { return Duration::ZERO };
        let mut token = account.token.borrow_mut();
        let is_it = token.as_ref().filter(|token| token.number == minted.number);
        match is_it.map(|token| token.born.elapsed() > SPREADING) {
            Some(true) => *token = None,
            Some(false) => return BETWEEN_TRIES,
            None => {}
        }
        Duration::ZERO
    }

    /// Revokes every token that may be alive. Answers with a sentence for each that could not be.
    pub(super) async fn revoke(&self, wire: &Wire) -> Vec<String> {
        let minted = self.minted.take();
        let alive = minted.into_iter().filter(|token| token.dies > Instant::now());
        let revoked = join_all(alive.map(async |token| {
            let revoke = async |octo: Octocrab| octo.apps().revoke_installation_token().await;
            let told = wire.ask(wire.pace.room().await, &token.signed, revoke).await;
            let why = match &told {
                // 401: it is dead already.
                Ok(told) if matches!(told.answer.status, StatusCode::NO_CONTENT | StatusCode::UNAUTHORIZED) => {
                    return None;
                }
                Ok(told) => told.answer.failure(&wire.redactor).message().to_owned(),
                Err(failure) => failure.message().to_owned(),
            };
            let name = &token.account;
            Some(format!("the GitHub App's token for {name} was not revoked and ends by itself within the hour: {why}"))
        }));
        revoked.await.into_iter().flatten().collect()
    }

    fn account(&self, name: &str) -> Result<&Installed, Failure> {
        let account = self.accounts.get(&name.to_ascii_lowercase());
        account.ok_or_else(|| Failure::refused(format!("no target of this run lies at {name}")))
    }
}

impl Installed {
    fn fresh(&self) -> Option<(HeaderValue, Minted)> {
        let token = self.token.borrow();
        token.as_ref().filter(|token| token.old > Instant::now()).map(Token::pass)
    }
}

impl Token {
    fn pass(&self) -> (HeaderValue, Minted) {
        (self.signed.clone(), Minted { account: self.account.clone(), number: self.number })
    }
}
