//! The client that stores ask GitHub with: whoever signs, every request waits its turn.

use std::rc::Rc;

use ::http::{HeaderValue, StatusCode};
use octocrab::Octocrab;
use serde::de::DeserializeOwned;
use url::Url;

use super::app::{App, Minted};
use super::crab;
use super::expiry::Expiry;
use super::listing::Listing;
use super::pace::{RateLimits, Slot};
use super::recent::{PublicKeys, Shared, UnderWay};
use super::response::{Answer, SignedBy, Told};
use super::transport::{Wire, bearer};
use crate::http::{Call, Failure, Refusal, Trace, Transport, server_text};
use crate::rotation::model::Unfinished;
use crate::secret::{Redactor, Secret};

/// The most rows that GitHub puts into a page.
pub const PAGE: usize = 100;

/// How tokens begin that may do what their scopes say, in whatever repository: GitHub's page "About authentication to
/// GitHub". Classic personal access tokens and those of OAuth apps.
const CLASSIC_PREFIXES: [&str; 2] = ["ghp_", "gho_"];

/// Who signs requests.
#[derive(Clone)]
pub enum Credential {
    /// A token that was given.
    Token(Secret),
    /// A GitHub App, which mints tokens.
    App(Rc<App>),
}

enum Signer {
    Token(HeaderValue),
    App(Rc<App>),
}

/// The REST API of github.com or of a GitHub Enterprise Server, with one credential.
pub struct GitHub {
    wire: Wire,
    signer: Signer,
    classic: bool,
    /// When the token expires, as the answers show it.
    pub expiry: Expiry,
    /// What targets that are looked at together need once.
    pub(super) keys: PublicKeys,
    pub(super) listings: UnderWay<Listing>,
    pub(super) runs: Shared<Vec<Unfinished>>,
}

/// Leave to send one request now, and what signs it.
pub(super) struct Permit {
    room: Slot,
    signed: HeaderValue,
    minted: Option<Minted>,
}

impl GitHub {
    /// A client of `api_url` (`https://api.github.com`, `https://ghe.example/api/v3`) that signs with `credential`, which
    /// the redactor learns. The transport must neither follow redirects nor repeat requests, and must bound the time of a
    /// request.
    ///
    /// # Errors
    /// Refused where a token can't stand in a header.
    pub fn new(
        transport: impl Transport + 'static,
        api_url: Url,
        credential: Credential,
        redactor: Redactor,
    ) -> Result<Self, Failure> {
        let (signer, classic) = match credential {
            Credential::Token(token) => {
                redactor.learn(&token);
                let classic = CLASSIC_PREFIXES.iter().any(|prefix| token.expose().starts_with(prefix));
                (Signer::Token(bearer(&token)?), classic)
            }
            Credential::App(app) => (Signer::App(app), false),
        };
        let (expiry, keys, listings, runs) = Default::default();
        Ok(Self {
            wire: Wire::new(Box::new(transport), api_url, redactor),
            signer,
            classic,
            expiry,
            keys,
            listings,
            runs,
        })
    }

    /// The same, and this trace is told of every request.
    #[must_use]
    pub fn traced(mut self, trace: Trace) -> Self {
        self.wire.trace = trace;
        self
    }

    /// The same, at the pace of all other clients of the same server.
    #[must_use]
    pub fn paced(mut self, pace: Rc<RateLimits>) -> Self {
        self.wire.pace = pace;
        self
    }

    /// One call of octocrab's at an account. Where leave for it was not given already, waits until it may be sent. Redirects
    /// within the same host are followed for reads; a write that is redirected has to be begun again. Answers with whatever
    /// status came in the end.
    ///
    /// # Errors
    /// A lost answer: [`Failure::Unknown`] after anything but a `GET`, except where no connection was made. A redirect
    /// to another host is [`Failure::Refused`]. Whatever keeps a GitHub App from a token; a minted one that is no longer
    /// taken is [`Failure::Transient`]: the next pass has another.
    pub(super) async fn ask<T>(
        &self,
        pass: Option<Permit>,
        (call, owner): (Call, &str),
        octo: impl AsyncFnOnce(Octocrab) -> octocrab::Result<T>,
    ) -> Result<Told<T>, Failure> {
        let pass = match pass {
            Some(pass) => pass,
            None => self.admit(call, owner).await?,
        };
        let mut told = self.wire.ask(pass.room, &pass.signed, octo).await?;
        self.note(&mut told.answer, pass.minted)?;
        Ok(told)
    }

    /// What every answer says beside itself: how long the token lives.
    fn note(&self, answer: &mut Answer, minted: Option<Minted>) -> Result<(), Failure> {
        self.expiry.note(&answer.headers);
        let (Signer::App(app), Some(minted)) = (&self.signer, minted) else { return Ok(()) };
        answer.of = SignedBy::App;
        if answer.status == StatusCode::UNAUTHORIZED && answer.is_definite() {
            let message = format!("{} (a token of the GitHub App)", self.failure(answer).message());
            return Err(Failure::Transient { message, retry_after: Some(app.doubt(&minted)) });
        }
        Ok(())
    }

    /// A read for which octocrab has no call that fits: `path` is given in plain segments below the API's address, the
    /// second of them an account.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        pass: Option<Permit>,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<Told<T>, Failure> {
        let (route, owner) = (crab::route(path)?, path.get(1).copied().unwrap_or_default());
        let query = (!query.is_empty()).then_some(query);
        self.ask(pass, (Call::Read, owner), async |octo| octo.get(route, query).await).await
    }

    /// The same where every other answer than a success is a failure.
    ///
    /// # Errors
    /// As [`get`](Self::get), and any such answer.
    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<T, Failure> {
        let told = self.get(None, path, query).await?;
        if told.answer.status == StatusCode::OK { told.read() } else { Err(self.failure(&told.answer)) }
    }

    /// Waits until such a call may be sent, and sees to the token that signs it. Time that a run may write in must not
    /// go by behind this: the pass is for now.
    ///
    /// # Errors
    /// Where GitHub asked for too long a wait, and whatever keeps a GitHub App from a token.
    pub(super) async fn admit(&self, call: Call, owner: &str) -> Result<Permit, Failure> {
        let [pass] = self.admit_together(call, owner).await?;
        Ok(pass)
    }

    /// The same for several calls at one account, each of which gets its pass at the same moment.
    ///
    /// # Errors
    /// As [`admit`](Self::admit).
    pub(super) async fn admit_together<const N: usize>(&self, call: Call, owner: &str) -> Result<[Permit; N], Failure> {
        let app = match &self.signer {
            Signer::Token(token) => {
                let rooms = self.wire.pace.admit(call).await?;
                return Ok(rooms.map(|room| Permit { room, signed: token.clone(), minted: None }));
            }
            Signer::App(app) => app,
        };
        let mut waits = 0;
        loop {
            let (signed, minted) = app.token(&self.wire, owner).await?;
            let rooms = self.wire.pace.admit(call).await?;
            waits += 1;
            if app.is_alive(&minted) || waits > 1 {
                let pass = |room| Permit { room, signed: signed.clone(), minted: Some(minted.clone()) };
                return Ok(rooms.map(pass));
            }
        }
    }

    /// Whether the hour's requests last for so many more. Tokens of an App are counted by account, so that nothing is known of
    /// theirs.
    ///
    /// # Errors
    /// Where they do not.
    pub(super) fn lasts_for(&self, requests: usize) -> Result<(), Failure> {
        let needed = u64::try_from(requests).unwrap_or(u64::MAX);
        let left = self.wire.pace.left().filter(|left| left.requests < needed);
        let (Some(left), Signer::Token(_)) = (left, &self.signer) else { return Ok(()) };
        Err(Failure::Refused(Refusal {
            status: None,
            message: format!(
                "GitHub takes {} more requests of this token until {}, and {needed} are needed",
                left.requests, left.until
            ),
            hint: Some(format!("Run it again after {}.", left.until)),
        }))
    }

    /// What an answer that is not the expected one says of the effect.
    #[must_use]
    pub fn failure(&self, answer: &Answer) -> Failure {
        answer.failure(&self.wire.redactor)
    }

    /// GitHub's text as it may be shown.
    #[must_use]
    pub fn shown(&self, text: &str) -> String {
        server_text(text, &self.wire.redactor)
    }

    /// Whether the token's scopes say what it may do, and not single permissions.
    #[must_use]
    pub fn is_classic(&self) -> bool {
        self.classic
    }

    /// Whether a GitHub App signs.
    pub(super) fn is_app(&self) -> bool {
        matches!(self.signer, Signer::App(_))
    }

    /// Whether this is a GitHub Enterprise Server, which has its API below a path.
    #[must_use]
    pub fn is_enterprise_server(&self) -> bool {
        self.wire.api_url.path().trim_end_matches('/').ends_with("/api/v3")
    }

    /// Whether requests are held to GitHub's points a minute.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.wire.pace.is_limited()
    }

    /// Revokes every token that was minted. Nothing is asked behind this. Answers with a sentence for each that lives on.
    pub async fn leave(&self) -> Vec<String> {
        match &self.signer {
            Signer::Token(_) => Vec::new(),
            Signer::App(app) => app.revoke(&self.wire).await,
        }
    }
}

/// One page of a list, counted from 1.
pub(super) fn page_of(page: usize) -> [(&'static str, String); 2] {
    [("per_page", PAGE.to_string()), ("page", page.to_string())]
}
