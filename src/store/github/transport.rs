//! The connection to one server of GitHub: what is sent with every request, and redirects.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use ::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION, USER_AGENT};
use ::http::{HeaderValue, Method, StatusCode};
use futures_util::FutureExt as _;
use octocrab::Octocrab;
use reqwest::Request;
use url::Url;

use super::crab::{self, Asked};
use super::pace::{RateLimits, Slot};
use super::response::{Answer, SignedBy, Told};
use crate::http::{self, Ask, Call, Failure, Refusal, Retry, Trace, Transport, exchange, server_text};
use crate::secret::{Redactor, Secret};

/// GitHub refuses requests without a user agent.
const AGENT: &str = concat!("keyrotor/", env!("CARGO_PKG_VERSION"));

/// The version of the REST API whose documentation this code follows: the newest that github.com and every GitHub
/// Enterprise Server that is still supported take. One that a server does not know is answered 400: page "API Versions".
pub const API_VERSION: &str = "2022-11-28";

/// Many times a page of 100 repositories, the longest answer that is asked for.
const LONGEST_BODY: usize = 4 * 1024 * 1024;

/// More redirects than this are a loop. A renamed repository answers with one.
const MAX_HOPS: usize = 3;

/// A credential as it is sent.
///
/// # Errors
/// Refused where it can't stand in a header.
pub(super) fn bearer(credential: &Secret) -> Result<HeaderValue, Failure> {
    let why = "the GitHub token holds a character that no token has, perhaps a line break";
    http::bearer(credential).ok_or_else(|| Failure::refused(why))
}

/// The REST API of github.com or of a GitHub Enterprise Server.
pub(super) struct Wire {
    transport: Box<dyn Transport>,
    pub(super) api_url: Url,
    pub(super) redactor: Redactor,
    pub(super) pace: Rc<RateLimits>,
    pub(super) trace: Trace,
    /// Where permanent redirects led, so that a write after a read is one request although the repository was renamed.
    moved: RefCell<HashMap<Url, Url>>,
    /// The same of repositories: the paths below which they were and are. What was read of one may be written elsewhere in it.
    moved_repositories: RefCell<HashMap<String, String>>,
}

impl Wire {
    pub(super) fn new(transport: Box<dyn Transport>, api_url: Url, redactor: Redactor) -> Self {
        let pace = Rc::new(RateLimits::new(&api_url, Retry::default().longest_retry_after));
        let (trace, moved, moved_repositories) = Default::default();
        Self { transport, api_url, redactor, pace, trace, moved, moved_repositories }
    }

    /// One call of octocrab's, signed so, which was admitted a moment ago. Answers with whatever status came in the end.
    pub(super) async fn ask<T>(
        &self,
        _room: Slot,
        signed: &HeaderValue,
        call: impl AsyncFnOnce(Octocrab) -> octocrab::Result<T>,
    ) -> Result<Told<T>, Failure> {
        let (octocrab, lent) = crab::lend();
        let mut read = None;
        let call = async { read = call(octocrab).await.ok() }.boxed_local();
        let answer = lent.carry(call, |asked| self.follow(signed, asked).boxed_local()).await?;
        Ok(Told { answer, read })
    }

    /// Redirects within the same host are followed for reads; a write that is redirected has to be begun again, since each
    /// of its requests must be sent within the run's lease.
    async fn follow(&self, signed: &HeaderValue, asked: Asked) -> Result<Answer, Failure> {
        let start = self.url(&asked);
        let mut url = self.now_at(&start);
        let mut for_good = true;
        for _ in 0..=MAX_HOPS {
            let answer = self.send(signed, &asked, &url).await?;
            let Some(next) = self.redirect(&answer, &url)? else { return Ok(answer) };
            for_good &= matches!(answer.status, StatusCode::MOVED_PERMANENTLY | StatusCode::PERMANENT_REDIRECT);
            if for_good || answer.call == Call::Write {
                self.moved.borrow_mut().insert(start.clone(), next.clone());
            }
            if for_good {
                self.learn_move(&start, &next);
            }
            if answer.call == Call::Write {
                let message = format!("{}: it has moved to {}", answer.asked, next.path());
                // Whatever the service itself answers so has not been done.
                return Err(http::lost(if answer.is_definite() { Call::Read } else { Call::Write }, message));
            }
            url = next;
            self.pace.spend(Call::Read).await?;
        }
        let (method, path) = (&asked.method, start.path());
        Err(Failure::refused(format!("{method} {path}: GitHub redirected more than {MAX_HOPS} times")))
    }

    /// Below the API's address.
    fn url(&self, asked: &Asked) -> Url {
        let mut url = self.api_url.clone();
        url.set_path(&format!("{}{}", url.path().trim_end_matches('/'), asked.path));
        url.set_query(asked.query.as_deref());
        url
    }

    fn now_at(&self, start: &Url) -> Url {
        if let Some(next) = self.moved.borrow().get(start) {
            return next.clone();
        }
        let mut url = start.clone();
        if let Some((repository, rest)) = self.in_repository(start)
            && let Some(now) = self.moved_repositories.borrow().get(repository)
        {
            url.set_path(&format!("{now}{rest}"));
        }
        url
    }

    /// What lay below a repository lies below the new address under the same path.
    fn learn_move(&self, start: &Url, next: &Url) {
        if let Some((repository, rest)) = self.in_repository(start)
            && let Some(now) = next.path().strip_suffix(rest)
        {
            self.moved_repositories.borrow_mut().insert(repository.to_owned(), now.to_owned());
        }
    }

    /// The path of the repository that an address lies in, and what follows it.
    fn in_repository<'a>(&self, url: &'a Url) -> Option<(&'a str, &'a str)> {
        let path = url.path();
        let below = path.strip_prefix(self.api_url.path().trim_end_matches('/'))?.strip_prefix("/repos/")?;
        let (at, _) = below.match_indices('/').nth(1)?;
        path.split_at_checked(path.len() - below.len() + at)
    }

    async fn send(&self, signed: &HeaderValue, asked: &Asked, url: &Url) -> Result<Answer, Failure> {
        let call = if asked.method == Method::GET { Call::Read } else { Call::Write };
        let ask = Ask {
            asked: format!("{} {}", asked.method, url.path()),
            call,
            request: request(signed, asked, url),
            longest: LONGEST_BODY,
            trust: http::TRUST,
            by_status: call == Call::Write,
        };
        let answer = exchange(&*self.transport, (&self.trace, ""), ask).await?.to(SignedBy::Token);
        self.pace.learn(&answer);
        Ok(answer)
    }

    fn redirect(&self, answer: &Answer, from: &Url) -> Result<Option<Url>, Failure> {
        let Some(location) = answer.header(LOCATION.as_str()) else { return Ok(None) };
        if !matches!(answer.status.as_u16(), 301 | 302 | 307 | 308) {
            return Ok(None);
        }
        match from.join(location) {
            Ok(next) if next.scheme() == from.scheme() && next.authority() == from.authority() => Ok(Some(next)),
            elsewhere => {
                let refusal = Refusal {
                    status: Some(answer.status.as_u16()),
                    message: format!("{}: GitHub redirected to another host", answer.asked),
                    hint: Some(self.elsewhere_hint(elsewhere.ok().as_ref())),
                };
                Err(http::refusal(answer.is_definite(), refusal))
            }
        }
    }

    fn elsewhere_hint(&self, elsewhere: Option<&Url>) -> String {
        let host =
            elsewhere.map_or_else(|| "an unreadable address".to_owned(), |url| url.origin().ascii_serialization());
        format!(
            "The token is not sent to {}. Check that GITHUB_API_URL is the address of GitHub's API.",
            server_text(&host, &self.redactor)
        )
    }
}

/// With headers of our own alone.
fn request(signed: &HeaderValue, asked: &Asked, url: &Url) -> Request {
    let mut request = Request::new(asked.method.clone(), url.clone());
    let headers = request.headers_mut();
    headers.insert(AUTHORIZATION, signed.clone());
    headers.insert(ACCEPT, HeaderValue::from_static("application/vnd.github+json"));
    headers.insert("x-github-api-version", HeaderValue::from_static(API_VERSION));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    if !asked.body.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *request.body_mut() = Some(asked.body.clone().into());
    }
    request
}
