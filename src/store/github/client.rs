//! One client for GitHub's REST API: what is sent with every request, redirects, and lost answers.

use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error;

use ::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION, USER_AGENT};
use ::http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use octocrab::service::middleware::reqwest_connector::ReqwestConnector;
use octocrab::{AuthState, OctoBody, Octocrab, OctocrabBuilder};
use serde_json::Value;
use url::Url;

use super::answer::Answer;
use super::expiry::Expiry;
use super::keys::PublicKeys;
use crate::http::{Call, Failure, Refusal, Trace, server_text, transport_failure};
use crate::secret::{Redactor, Secret};

/// GitHub refuses requests without a user agent.
const AGENT: &str = concat!("keyrotor/", env!("CARGO_PKG_VERSION"));

/// The version of the REST API whose documentation this code follows.
const API_VERSION: &str = "2022-11-28";

/// Many times a page of 100 repositories, the longest answer that is asked for.
const LONGEST_BODY: usize = 4 * 1024 * 1024;

/// The most rows that GitHub puts into a page.
pub const PAGE: usize = 100;

/// More redirects than this are a loop. A renamed repository answers with one.
const MOST_HOPS: usize = 3;

/// How tokens begin that may do what their scopes say, in whatever repository: GitHub's page "About authentication to
/// GitHub". Classic personal access tokens and those of OAuth apps.
const CLASSIC_PREFIXES: [&str; 2] = ["ghp_", "gho_"];

/// The REST API of github.com or of a GitHub Enterprise Server, with one token.
pub struct GitHub {
    octocrab: Octocrab,
    api_url: Url,
    authorization: HeaderValue,
    redactor: Redactor,
    trace: Trace,
    /// Where permanent redirects led, so that a write after a read is one request although the repository was renamed.
    moved: RefCell<HashMap<Url, Url>>,
    /// When the token expires, as the answers show it.
    pub expiry: Expiry,
    classic: bool,
    /// What targets that are looked at together need once.
    pub(super) keys: PublicKeys,
}

impl GitHub {
    /// A client of `api_url` (`https://api.github.com`, `https://ghe.example/api/v3`) that signs with `token`, which the
    /// redactor learns. The `client` must not follow redirects and must bound the time of a request. Must be called
    /// inside a Tokio runtime.
    ///
    /// # Errors
    /// Refused where the token can't stand in a header.
    pub fn new(client: reqwest::Client, api_url: Url, token: Secret, redactor: Redactor) -> Result<Self, Failure> {
        redactor.learn(&token);
        // Not Octocrab::builder(): its layers send a second User-Agent, take a route that happens to begin like the base
        // path for complete, keep the token in a header that is not marked sensitive, and panic if it is not fit for one.
        let service = ReqwestConnector::new(client);
        let Ok(octocrab) = OctocrabBuilder::new_empty().with_service(service).with_auth(AuthState::None).build();
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", token.expose())).map_err(|_| {
            Failure::refused("the GitHub token holds a character that no token has, perhaps a line break")
        })?;
        authorization.set_sensitive(true);
        let classic = CLASSIC_PREFIXES.iter().any(|prefix| token.expose().starts_with(prefix));
        let (trace, moved, expiry, keys) = Default::default();
        Ok(Self { octocrab, api_url, authorization, redactor, trace, moved, expiry, classic, keys })
    }

    /// The same, and this trace is told of every request.
    #[must_use]
    pub fn traced(mut self, trace: Trace) -> Self {
        self.trace = trace;
        self
    }

    /// One call: `path` is given in plain segments below the API's address and encoded here. Redirects within the same
    /// host are followed for reads; a write that is redirected has to be begun again, since each of its requests must be
    /// sent within the run's lease. Answers with whatever status came in the end.
    ///
    /// # Errors
    /// A lost answer: [`Failure::Unknown`] after anything but a `GET`, except where no connection was made. A redirect
    /// to another host is [`Failure::Refused`].
    pub async fn call(&self, method: Method, path: &[&str], body: Option<&Value>) -> Result<Answer, Failure> {
        self.follow(method, self.url(path)?, body).await
    }

    /// One page, counted from 1, of a list of at most [`PAGE`] rows each.
    ///
    /// # Errors
    /// As of any read.
    pub async fn list(&self, path: &[&str], page: usize) -> Result<Answer, Failure> {
        let mut url = self.url(path)?;
        url.set_query(Some(&format!("per_page={PAGE}&page={page}")));
        self.follow(Method::GET, url, None).await
    }

    async fn follow(&self, method: Method, start: Url, body: Option<&Value>) -> Result<Answer, Failure> {
        let mut url = self.moved.borrow().get(&start).unwrap_or(&start).clone();
        let mut for_good = true;
        for _ in 0..=MOST_HOPS {
            let answer = self.send(&method, &url, body).await?;
            let Some(next) = self.redirect(&answer, &url)? else { return Ok(answer) };
            for_good &= matches!(answer.status, StatusCode::MOVED_PERMANENTLY | StatusCode::PERMANENT_REDIRECT);
            if for_good || answer.call == Call::Write {
                self.moved.borrow_mut().insert(start.clone(), next.clone());
            }
            if answer.call == Call::Write {
                let message = format!("{}: it has moved to {}", answer.asked, next.path());
                return Err(Failure::Transient { message, retry_after: None });
            }
            url = next;
        }
        Err(Failure::refused(format!("{method} {}: GitHub redirected more than {MOST_HOPS} times", start.path())))
    }

    /// What an answer that is not the expected one says of the effect.
    #[must_use]
    pub fn failure(&self, answer: &Answer) -> Failure {
        answer.failure(&self.redactor)
    }

    /// GitHub's text as it may be shown.
    #[must_use]
    pub fn shown(&self, text: &str) -> String {
        server_text(text, &self.redactor)
    }

    /// Whether the token's scopes say what it may do, and not single permissions.
    #[must_use]
    pub fn is_classic(&self) -> bool {
        self.classic
    }

    /// Whether this is a GitHub Enterprise Server, which has its API below a path.
    #[must_use]
    pub fn is_enterprise_server(&self) -> bool {
        self.api_url.path().trim_end_matches('/').ends_with("/api/v3")
    }

    fn url(&self, path: &[&str]) -> Result<Url, Failure> {
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

    async fn send(&self, method: &Method, url: &Url, body: Option<&Value>) -> Result<Answer, Failure> {
        let asked = format!("{method} {}", url.path());
        let call = if *method == Method::GET { Call::Read } else { Call::Write };
        let request = self
            .request(method, url, body)
            .map_err(|_| Failure::refused(format!("{asked}: the request could not be put together")))?;
        let telling = self.trace.begin(&asked);
        let response = match self.octocrab.send(request).await {
            Ok(response) => response,
            Err(error) => {
                let failure = lost(call, &asked, &error);
                telling.failed(&failure);
                return Err(failure);
            }
        };
        let (head, body) = response.into_parts();
        telling.answered(head.status, &head.headers);
        self.expiry.note(&head.headers);
        let body = match Limited::new(body, LONGEST_BODY).collect().await {
            Ok(whole) => whole.to_bytes().to_vec(),
            Err(error) if call == Call::Read && head.status.is_success() => return Err(broken(&asked, &*error)),
            // The status alone says what was done.
            Err(_) => Vec::new(),
        };
        Ok(Answer { asked, call, status: head.status, headers: head.headers, body })
    }

    fn request(&self, method: &Method, url: &Url, body: Option<&Value>) -> Result<Request<OctoBody>, ::http::Error> {
        let request = Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(AUTHORIZATION, self.authorization.clone())
            .header(ACCEPT, "application/vnd.github+json")
            .header("x-github-api-version", API_VERSION)
            .header(USER_AGENT, AGENT);
        match body {
            Some(body) => request.header(CONTENT_TYPE, "application/json").body(body.to_string().into()),
            None => request.body(OctoBody::empty()),
        }
    }

    fn redirect(&self, answer: &Answer, from: &Url) -> Result<Option<Url>, Failure> {
        let Some(location) = answer.header(LOCATION.as_str()) else { return Ok(None) };
        if !matches!(answer.status.as_u16(), 301 | 302 | 307 | 308) {
            return Ok(None);
        }
        match from.join(location) {
            Ok(next) if next.scheme() == from.scheme() && next.authority() == from.authority() => Ok(Some(next)),
            elsewhere => Err(Failure::Refused(Refusal {
                status: Some(answer.status.as_u16()),
                message: format!("{}: GitHub redirected to another host", answer.asked),
                hint: Some(self.elsewhere_hint(elsewhere.ok().as_ref())),
            })),
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

fn lost(call: Call, asked: &str, error: &(dyn Error + 'static)) -> Failure {
    if let Some(transport) = in_chain::<reqwest::Error>(error) {
        return transport_failure(call, asked, transport);
    }
    let message = format!("{asked}: the connection broke");
    match call {
        Call::Read => Failure::Transient { message, retry_after: None },
        Call::Write => Failure::Unknown { message, retry_after: None },
    }
}

fn broken(asked: &str, error: &(dyn Error + 'static)) -> Failure {
    match in_chain::<LengthLimitError>(error) {
        Some(_) => Failure::refused(format!("{asked}: the answer is longer than {LONGEST_BODY} bytes")),
        None => lost(Call::Read, asked, error),
    }
}

/// The first error of this type among an error and its sources: octocrab wraps those of its transport twice.
fn in_chain<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    std::iter::successors(Some(error), |&error| error.source()).find_map(|error| error.downcast_ref())
}
