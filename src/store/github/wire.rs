//! The connection to one server of GitHub: what is sent with every request, redirects, and lost answers.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use ::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION, USER_AGENT};
use ::http::{HeaderValue, Method, StatusCode, Uri};
use async_trait::async_trait;
use reqwest::{Request, Response};
use serde_json::Value;
use url::Url;

use super::answer::{Answer, SignedBy};
use super::pace::{Pace, Room};
use crate::http::{self, BodyError, Call, Failure, Refusal, Retry, Trace, server_text, transport_failure};
use crate::secret::{Redactor, Secret};

/// GitHub refuses requests without a user agent.
const AGENT: &str = concat!("keyrotor/", env!("CARGO_PKG_VERSION"));

/// The version of the REST API whose documentation this code follows.
const API_VERSION: &str = "2022-11-28";

/// Many times a page of 100 repositories, the longest answer that is asked for.
const LONGEST_BODY: usize = 4 * 1024 * 1024;

/// More redirects than this are a loop. A renamed repository answers with one.
const MOST_HOPS: usize = 3;

/// What carries requests to GitHub.
#[async_trait(?Send)]
pub trait Transport {
    /// Sends one, and answers with whatever came back.
    ///
    /// # Errors
    /// A lost answer.
    async fn carry(&self, request: Request) -> reqwest::Result<Response>;
}

#[async_trait(?Send)]
impl Transport for reqwest::Client {
    async fn carry(&self, request: Request) -> reqwest::Result<Response> {
        self.execute(request).await
    }
}

/// Whether a method may change something.
pub(super) fn call_of(method: &Method) -> Call {
    if *method == Method::GET { Call::Read } else { Call::Write }
}

/// A credential as it is sent.
///
/// # Errors
/// Refused where it can't stand in a header.
pub(super) fn bearer(credential: &Secret) -> Result<HeaderValue, Failure> {
    let mut header = HeaderValue::from_str(&format!("Bearer {}", credential.expose()))
        .map_err(|_| Failure::refused("the GitHub token holds a character that no token has, perhaps a line break"))?;
    header.set_sensitive(true);
    Ok(header)
}

/// The REST API of github.com or of a GitHub Enterprise Server.
pub(super) struct Wire {
    transport: Box<dyn Transport>,
    pub(super) api_url: Url,
    pub(super) redactor: Redactor,
    pub(super) pace: Rc<Pace>,
    pub(super) trace: Trace,
    /// Where permanent redirects led, so that a write after a read is one request although the repository was renamed.
    moved: RefCell<HashMap<Url, Url>>,
    /// The same of repositories: the paths below which they were and are. What was read of one may be written elsewhere in it.
    moved_repositories: RefCell<HashMap<String, String>>,
}

impl Wire {
    pub(super) fn new(transport: Box<dyn Transport>, api_url: Url, redactor: Redactor) -> Self {
        let pace = Rc::new(Pace::new(&api_url, Retry::default().longest_retry_after));
        let (trace, moved, moved_repositories) = Default::default();
        Self { transport, api_url, redactor, pace, trace, moved, moved_repositories }
    }

    /// One call, signed so, which was admitted a moment ago. Redirects within the same host are followed for reads; a write
    /// that is redirected has to be begun again, since each of its requests must be sent within the run's lease. Answers
    /// with whatever status came in the end.
    pub(super) async fn ask(
        &self,
        _room: Room,
        signed: &HeaderValue,
        method: &Method,
        start: Url,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let mut url = self.now_at(&start);
        let mut for_good = true;
        for _ in 0..=MOST_HOPS {
            let answer = self.send(signed, method, &url, body).await?;
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
                return Err(match answer.is_definite() {
                    true => Failure::Transient { message, retry_after: None },
                    false => Failure::Unknown { message, retry_after: None },
                });
            }
            url = next;
            self.pace.spend(Call::Read).await?;
        }
        Err(Failure::refused(format!("{method} {}: GitHub redirected more than {MOST_HOPS} times", start.path())))
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

    /// A path, given in plain segments below the API's address and encoded here.
    pub(super) fn url(&self, path: &[&str]) -> Result<Url, Failure> {
        // These would vanish from a path, and the call would go somewhere else.
        if let Some(segment) = path.iter().find(|segment| matches!(**segment, "" | "." | "..")) {
            return Err(Failure::refused(format!("{segment:?} is no name of anything at GitHub")));
        }
        let mut url = self.api_url.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => segments.pop_if_empty().extend(path),
            Err(()) => return Err(Failure::refused("the address of GitHub's API is not one of a server")),
        };
        Ok(url)
    }

    /// The same with these parameters.
    pub(super) fn url_with(&self, path: &[&str], query: &[(&str, String)]) -> Result<Url, Failure> {
        let mut url = self.url(path)?;
        url.query_pairs_mut().extend_pairs(query);
        Ok(url)
    }

    async fn send(
        &self,
        signed: &HeaderValue,
        method: &Method,
        url: &Url,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let asked = format!("{method} {}", url.path());
        let call = call_of(method);
        // The one thing of a request that may be no request: reqwest would find it while sending.
        if url.as_str().parse::<Uri>().is_err() {
            return Err(Failure::refused(format!("{asked}: the request could not be put together")));
        }
        let telling = self.trace.begin(&asked);
        let response = match self.transport.carry(request(signed, method, url, body)).await {
            Ok(response) => response,
            Err(error) => {
                let failure = transport_failure(call, &asked, &error);
                telling.failed(&failure);
                return Err(failure);
            }
        };
        let (status, headers) = (response.status(), response.headers().clone());
        telling.answered(status, &headers);
        let body = match http::body(response, LONGEST_BODY).await {
            Ok(body) => body,
            Err(error) if call == Call::Read && status.is_success() => return Err(broken(&asked, &error)),
            // The status alone says what was done.
            Err(_) => Vec::new(),
        };
        let answer = Answer { asked, call, signed_by: SignedBy::Token, status, headers, body };
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

fn request(signed: &HeaderValue, method: &Method, url: &Url, body: Option<&Value>) -> Request {
    let mut request = Request::new(method.clone(), url.clone());
    let headers = request.headers_mut();
    headers.insert(AUTHORIZATION, signed.clone());
    headers.insert(ACCEPT, HeaderValue::from_static("application/vnd.github+json"));
    headers.insert("x-github-api-version", HeaderValue::from_static(API_VERSION));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    if let Some(body) = body {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *request.body_mut() = Some(body.to_string().into());
    }
    request
}

fn broken(asked: &str, error: &BodyError) -> Failure {
    match error {
        BodyError::TooLarge { cap } => Failure::refused(format!("{asked}: the answer is longer than {cap} bytes")),
        BodyError::Broken(error) => transport_failure(Call::Read, asked, error),
    }
}
