//! The connection to one server of GitHub: what is sent with every request, redirects, and lost answers.

use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error;
use std::rc::Rc;

use ::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION, USER_AGENT};
use ::http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use octocrab::{OctoBody, Octocrab};
use serde_json::Value;
use url::Url;

use super::answer::{Answer, SignedBy};
use super::pace::{Pace, Room};
use crate::http::{Call, Failure, Refusal, Retry, Trace, server_text, transport_failure};
use crate::secret::{Redactor, Secret};

/// GitHub refuses requests without a user agent.
const AGENT: &str = concat!("keyrotor/", env!("CARGO_PKG_VERSION"));

/// The version of the REST API whose documentation this code follows.
const API_VERSION: &str = "2022-11-28";

/// Many times a page of 100 repositories, the longest answer that is asked for.
const LONGEST_BODY: usize = 4 * 1024 * 1024;

/// More redirects than this are a loop. A renamed repository answers with one.
const MOST_HOPS: usize = 3;

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
    octocrab: Octocrab,
    pub(super) api_url: Url,
    pub(super) redactor: Redactor,
    pub(super) pace: Rc<Pace>,
    pub(super) trace: Trace,
    /// Where permanent redirects led, so that a write after a read is one request although the repository was renamed.
    moved: RefCell<HashMap<Url, Url>>,
}

impl Wire {
    pub(super) fn new(octocrab: Octocrab, api_url: Url, redactor: Redactor) -> Self {
        let pace = Rc::new(Pace::new(&api_url, Retry::default().longest_retry_after));
        Self { octocrab, api_url, redactor, pace, trace: Trace::default(), moved: RefCell::default() }
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
        let mut url = self.moved.borrow().get(&start).unwrap_or(&start).clone();
        let mut for_good = true;
        for _ in 0..=MOST_HOPS {
            let answer = self.send(signed, method, &url, body).await?;
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
            self.pace.spend(Call::Read).await?;
        }
        Err(Failure::refused(format!("{method} {}: GitHub redirected more than {MOST_HOPS} times", start.path())))
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

    async fn send(
        &self,
        signed: &HeaderValue,
        method: &Method,
        url: &Url,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let asked = format!("{method} {}", url.path());
        let call = call_of(method);
        let request = request(signed, method, url, body)
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
        let body = match Limited::new(body, LONGEST_BODY).collect().await {
            Ok(whole) => whole.to_bytes().to_vec(),
            Err(error) if call == Call::Read && head.status.is_success() => return Err(broken(&asked, &*error)),
            // The status alone says what was done.
            Err(_) => Vec::new(),
        };
        let answer =
            Answer { asked, call, signed_by: SignedBy::Token, status: head.status, headers: head.headers, body };
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

fn request(
    signed: &HeaderValue,
    method: &Method,
    url: &Url,
    body: Option<&Value>,
) -> Result<Request<OctoBody>, ::http::Error> {
    let request = Request::builder()
        .method(method)
        .uri(url.as_str())
        .header(AUTHORIZATION, signed)
        .header(ACCEPT, "application/vnd.github+json")
        .header("x-github-api-version", API_VERSION)
        .header(USER_AGENT, AGENT);
    match body {
        Some(body) => request.header(CONTENT_TYPE, "application/json").body(body.to_string().into()),
        None => request.body(OctoBody::empty()),
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
