//! The client that stores ask GitHub with: whoever signs, every request waits its turn.

use std::rc::Rc;

use ::http::{HeaderValue, Method, StatusCode};
use serde_json::Value;
use url::Url;

use super::answer::{Answer, SignedBy};
use super::app::{App, Minted};
use super::expiry::Expiry;
use super::keys::{PublicKeys, Shared, UnderWay};
use super::listing::Listing;
use super::pace::{Pace, Room};
use super::wire::{Transport, Wire, bearer, call_of};
use crate::http::{Failure, Refusal, Trace, server_text};
use crate::rotation::port::Unfinished;
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
pub struct Pass {
    room: Room,
    signed: HeaderValue,
    minted: Option<Minted>,
}

impl GitHub {
    /// A client of `api_url` (`https://api.github.com`, `https://ghe.example/api/v3`) that signs with `credential`, which
    /// the redactor learns. The `client` must neither follow redirects nor repeat requests, and must bound the time of a
    /// request.
    ///
    /// # Errors
    /// Refused where a token can't stand in a header.
    pub fn new(
        client: reqwest::Client,
        api_url: Url,
        credential: Credential,
        redactor: Redactor,
    ) -> Result<Self, Failure> {
        Self::over(Box::new(client), api_url, credential, redactor)
    }

    /// The same over any other transport.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn over(
        transport: Box<dyn Transport>,
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
        Ok(Self { wire: Wire::new(transport, api_url, redactor), signer, classic, expiry, keys, listings, runs })
    }

    /// The same, and this trace is told of every request.
    #[must_use]
    pub fn traced(mut self, trace: Trace) -> Self {
        self.wire.trace = trace;
        self
    }

    /// The same, at the pace of all other clients of the same server.
    #[must_use]
    pub fn paced(mut self, pace: Rc<Pace>) -> Self {
        self.wire.pace = pace;
        self
    }

    /// One call: `path` is given in plain segments below the API's address and encoded here. Waits until it may be sent.
    /// Redirects within the same host are followed for reads; a write that is redirected has to be begun again. Answers
    /// with whatever status came in the end.
    ///
    /// # Errors
    /// A lost answer: [`Failure::Unknown`] after anything but a `GET`, except where no connection was made. A redirect
    /// to another host is [`Failure::Refused`]. Whatever keeps a GitHub App from a token.
    pub async fn call(&self, method: Method, path: &[&str], body: Option<&Value>) -> Result<Answer, Failure> {
        let pass = self.admit(&method, path).await?;
        self.send(pass, method, path, body).await
    }

    /// One page, counted from 1, of a list of at most [`PAGE`] rows each.
    ///
    /// # Errors
    /// As of any read.
    pub async fn list(&self, path: &[&str], page: usize) -> Result<Answer, Failure> {
        self.list_with(path, &page_of(page)).await
    }

    /// A read with these parameters.
    ///
    /// # Errors
    /// As of any read.
    pub async fn list_with(&self, path: &[&str], query: &[(&str, String)]) -> Result<Answer, Failure> {
        let url = self.wire.url_with(path, query)?;
        let pass = self.admit(&Method::GET, path).await?;
        self.ask(pass, &Method::GET, url, None).await
    }

    /// [`list`](Self::list), where leave for it may have been given already.
    ///
    /// # Errors
    /// As of any read.
    pub(super) async fn list_admitted(
        &self,
        pass: Option<Pass>,
        path: &[&str],
        page: usize,
    ) -> Result<Answer, Failure> {
        let Some(pass) = pass else { return self.list(path, page).await };
        let url = self.wire.url_with(path, &page_of(page))?;
        self.ask(pass, &Method::GET, url, None).await
    }

    /// Waits until such a call may be sent, and sees to the token that signs it. Time that a run may write in must not
    /// go by behind this: the pass is for now.
    ///
    /// # Errors
    /// Where GitHub asked for too long a wait, and whatever keeps a GitHub App from a token.
    pub async fn admit(&self, method: &Method, path: &[&str]) -> Result<Pass, Failure> {
        let [pass] = self.admit_together(method, path).await?;
        Ok(pass)
    }

    /// The same for several calls below one path, each of which gets its pass at the same moment.
    ///
    /// # Errors
    /// As [`admit`](Self::admit).
    pub async fn admit_together<const N: usize>(&self, method: &Method, path: &[&str]) -> Result<[Pass; N], Failure> {
        let call = call_of(method);
        let app = match &self.signer {
            Signer::Token(token) => {
                let rooms = self.wire.pace.admit(call).await?;
                return Ok(rooms.map(|room| Pass { room, signed: token.clone(), minted: None }));
            }
            Signer::App(app) => app,
        };
        let mut waits = 0;
        loop {
            let (signed, minted) = app.token(&self.wire, path).await?;
            let rooms = self.wire.pace.admit(call).await?;
            waits += 1;
            if app.is_alive(&minted) || waits > 1 {
                let pass = |room| Pass { room, signed: signed.clone(), minted: Some(minted.clone()) };
                return Ok(rooms.map(pass));
            }
        }
    }

    /// [`call`](Self::call) without its wait.
    ///
    /// # Errors
    /// As [`call`](Self::call). A minted token that is no longer taken is [`Failure::Transient`]: the next pass has another.
    pub async fn send(
        &self,
        pass: Pass,
        method: Method,
        path: &[&str],
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        self.ask(pass, &method, self.wire.url(path)?, body).await
    }

    async fn ask(&self, pass: Pass, method: &Method, url: Url, body: Option<&Value>) -> Result<Answer, Failure> {
        let mut answer = self.wire.ask(pass.room, &pass.signed, method, url, body).await?;
        self.expiry.note(&answer.headers);
        let (Signer::App(app), Some(minted)) = (&self.signer, pass.minted) else { return Ok(answer) };
        answer.signed_by = SignedBy::App;
        if answer.status == StatusCode::UNAUTHORIZED && answer.is_definite() {
            let message = format!("{} (a token of the GitHub App)", self.failure(&answer).message());
            return Err(Failure::Transient { message, retry_after: Some(app.doubt(&minted)) });
        }
        Ok(answer)
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

fn page_of(page: usize) -> [(&'static str, String); 2] {
    [("per_page", PAGE.to_string()), ("page", page.to_string())]
}
