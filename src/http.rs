//! What both sides of a rotation share of HTTP: how an attempt failed, when to try again, one client with one set of
//! roots, server text made harmless, and a line about each request for whoever debugs.

mod body;
mod client;
mod exchange;
mod roots;
mod trace;

use std::cell::RefCell;
use std::fmt;
use std::time::Duration;

use ::http::{HeaderMap, HeaderValue, StatusCode};
use jiff::Timestamp;
use url::{Host, Url};
use zeroize::Zeroizing;

use crate::secret::{Redactor, Secret};

pub use body::{BodyError, body};
pub use client::{ClientError, Peer, client, client_of};
#[cfg(feature = "kubernetes")]
pub(crate) use exchange::unmade;
pub use exchange::{Answer, Transport};
pub(crate) use exchange::{Ask, exchange};
#[cfg(feature = "aws")]
pub(crate) use exchange::{undated, whole};
pub use reqwest::Client;
pub use roots::{Authorities, Identity};
pub use trace::Trace;

/// How an attempt failed, as far as its effect goes. What may be repeated follows from this and from the call alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It did not take effect, and repeating it would not help.
    Refused(Refusal),
    /// A no to a write that is not in the service's own words, such as a gateway's page: what is behind it may have taken
    /// effect all the same, or may yet. Repeating it would not help.
    Doubtful(Refusal),
    /// It did not take effect; it may if it is repeated.
    Transient {
        /// What happened, safe to show.
        message: String,
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// It did not take effect, for a reason that may pass by itself or may need the user.
    Hindered {
        /// What happened, safe to show.
        message: String,
        /// What the user can do about it.
        hint: &'static str,
    },
    /// It may have taken effect, or may yet.
    Unknown {
        /// What happened, safe to show.
        message: String,
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
}

/// A no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status, where there was one.
    pub status: Option<u16>,
    /// What happened, safe to show.
    pub message: String,
    /// What the user can do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// A definite no with no status behind it.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::Refused(Refusal { status: None, message: message.into(), hint: None })
    }

    /// The same, and what the user can do about it; empty where that is not known.
    pub fn advised(message: impl Into<String>, hint: impl Into<String>) -> Self {
        let hint = Some(hint.into()).filter(|hint| !hint.is_empty());
        Self::Refused(Refusal { status: None, message: message.into(), hint })
    }

    /// What happened, safe to show.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Refused(refusal) | Self::Doubtful(refusal) => &refusal.message,
            Self::Transient { message, .. } | Self::Hindered { message, .. } | Self::Unknown { message, .. } => message,
        }
    }

    /// What the user can do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) | Self::Doubtful(refusal) => refusal.hint.as_deref(),
            Self::Hindered { hint, .. } => Some(hint),
            Self::Transient { .. } | Self::Unknown { .. } => None,
        }
    }

    /// How long the server asked to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(_) | Self::Doubtful(_) | Self::Hindered { .. } => None,
            Self::Transient { retry_after, .. } | Self::Unknown { retry_after, .. } => *retry_after,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

/// The one retry policy: exponential backoff with full jitter, a server's `Retry-After` obeyed up to a bound.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// Attempts in all, the first included.
    pub attempts: u32,
    /// The wait before the second attempt, at the most.
    pub base: Duration,
    /// No wait is longer, except one that a server asked for.
    pub cap: Duration,
    /// A server that asks for a longer wait than this is not waited for.
    pub longest_retry_after: Duration,
}

impl Default for Retry {
    /// ARouter's docs advise about three tries with backoff; a fourth rides over a restart of a few seconds.
    fn default() -> Self {
        Self {
            attempts: 4,
            base: Duration::from_millis(250),
            cap: Duration::from_secs(4),
            longest_retry_after: Duration::from_secs(120),
        }
    }
}

impl Retry {
    /// How long to wait before attempt `made + 1`, or `None` when no further attempt is worth it.
    #[must_use]
    pub fn wait(&self, made: u32, failure: &Failure, rng: &mut fastrand::Rng) -> Option<Duration> {
        if made >= self.attempts || matches!(failure, Failure::Refused(_) | Failure::Doubtful(_)) {
            return None;
        }
        if let Some(asked) = failure.retry_after() {
            return (asked <= self.longest_retry_after).then_some(asked);
        }
        let ceiling = self.base.saturating_mul(2u32.saturating_pow(made.saturating_sub(1))).min(self.cap);
        Some(ceiling.mul_f64(0.5 + rng.f64() / 2.0))
    }

    /// Asks until there is an answer, or until no further attempt is worth it. `pause` waits in between.
    ///
    /// # Errors
    /// What `ask` or `pause` ended it for.
    pub async fn persist<T, E>(
        &self,
        rng: &RefCell<fastrand::Rng>,
        ask: impl AsyncFn() -> Result<Result<T, Failure>, E>,
        pause: impl AsyncFn(&Failure, Duration) -> Result<(), E>,
    ) -> Result<Result<T, Failure>, E> {
        let mut made = 0;
        loop {
            let failure = match ask().await? {
                Ok(answer) => return Ok(Ok(answer)),
                Err(failure) => failure,
            };
            made += 1;
            let wait = self.wait(made, &failure, &mut rng.borrow_mut());
            match wait {
                Some(wait) => pause(&failure, wait).await?,
                None => return Ok(Err(failure)),
            }
        }
    }
}

/// Whether a call changes anything, which decides what a lost answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Changes nothing: a lost answer may simply be asked for again.
    Read,
    /// May change something: after a lost answer nobody knows.
    Write,
}

/// Whose words an answer is in that is not a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// The service's documented error body.
    Own,
    /// Anything else: a gateway's page, no body at all.
    Others,
}

impl Words {
    /// The service's own, where the body was understood as its documented error.
    #[must_use]
    pub fn own_if(understood: bool) -> Self {
        if understood { Self::Own } else { Self::Others }
    }
}

/// What a status other than success says of the effect. A 408 or any 5xx may come from a gateway whose backend did the
/// work, and so may any answer to a write that is not in the service's own words. In these, 429 is answered before
/// anything is done.
#[must_use]
pub fn status_failure(
    (call, words): (Call, Words),
    status: StatusCode,
    message: String,
    hint: Option<String>,
    retry_after: Option<Duration>,
) -> Failure {
    let definite = call == Call::Read || words == Words::Own;
    match status.as_u16() {
        408 | 500..=599 if call == Call::Write => Failure::Unknown { message, retry_after },
        429 if !definite => Failure::Unknown { message, retry_after },
        408 | 429 | 500..=599 => Failure::Transient { message, retry_after },
        code => refusal(definite, Refusal { status: Some(code), message, hint }),
    }
}

/// A no, which is doubtful where it is not definite.
#[must_use]
pub fn refusal(definite: bool, refusal: Refusal) -> Failure {
    if definite {
        return Failure::Refused(refusal);
    }
    let message = format!("{} (not in the service's own words: a proxy may have answered)", refusal.message);
    Failure::Doubtful(Refusal { message, ..refusal })
}

/// What helps where nobody was reached.
pub const UNREACHED: &str = "see that the address is right and can be reached from here, then run it again";

/// What an error of the transport says of the effect: only a connection that was never made is certain. One that was
/// given up for the server's certificate stays unmade however often it is tried.
#[must_use]
pub fn transport_failure(call: Call, what: &str, error: &reqwest::Error) -> Failure {
    lost_on_the_way(call, what, error, TRUST)
}

/// What helps where a server's certificate is not trusted.
pub(crate) const TRUST: &str = "If it is of your own CA, let SSL_CERT_FILE name the CA's certificate.";

/// The same, with what helps where the server's certificate is not trusted.
fn lost_on_the_way(call: Call, what: &str, error: &reqwest::Error, trust: &str) -> Failure {
    if let Some(why) = distrust(error) {
        return Failure::Refused(Refusal {
            status: None,
            message: format!("{what}: the server's certificate is not trusted ({why})"),
            hint: Some(trust.to_owned()),
        });
    }
    if error.is_connect() && !error.is_timeout() {
        // The host alone: paths and queries name what is none of a log's business, and before the host may stand a password.
        let host = error.url().and_then(Url::host_str).unwrap_or("the server");
        let over = client::proxy_of(error.url()).map(|proxy| format!(" over {proxy}")).unwrap_or_default();
        let message = format!("{what}: no connection to {host}{over} ({})", innermost(error));
        return Failure::Hindered { message, hint: UNREACHED };
    }
    let why = match error.is_timeout() {
        true => "no answer in time".to_owned(),
        false => format!("the connection broke ({})", innermost(error)),
    };
    lost(if error.is_connect() { Call::Read } else { call }, format!("{what}: {why}"))
}

/// An answer that tells nothing: a read may be repeated, and after a write nobody knows.
#[must_use]
pub fn lost(call: Call, message: String) -> Failure {
    match call {
        Call::Read => Failure::Transient { message, retry_after: None },
        Call::Write => Failure::Unknown { message, retry_after: None },
    }
}

/// A credential as it is sent; `None` where it can't stand in a header.
#[must_use]
pub fn bearer(credential: &Secret) -> Option<HeaderValue> {
    let text = Zeroizing::new(format!("Bearer {}", credential.expose()));
    let mut header = HeaderValue::from_str(&text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// Whether nobody on the way can read what is sent there: TLS, or the machine itself.
#[must_use]
pub fn is_guarded(url: &Url) -> bool {
    let loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "https" || url.scheme() == "http" && loopback
}

/// Why the server's certificate was not accepted, if that is what went wrong.
fn distrust(error: &reqwest::Error) -> Option<String> {
    let chain = std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |error| error.source());
    match chain.filter_map(tls_error).next()? {
        rustls::Error::InvalidCertificate(why) => Some(one_line(&why.to_string())),
        _ => None,
    }
}

/// An I/O error does not count what it wraps among its sources.
fn tls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    match error.downcast_ref::<std::io::Error>() {
        Some(io) => io.get_ref().and_then(|inner| tls_error(inner)),
        None => error.downcast_ref(),
    }
}

/// The error at the end of the chain, in one line.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    one_line(&last.to_string())
}

/// `Retry-After`, in seconds or as an HTTP date against the answer's own `Date`.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let raw = headers.get(::http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = raw.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let until = http_date(raw)?;
    Duration::try_from(until.duration_since(server_date(headers)?)).ok()
}

/// The server's own clock, whole seconds.
#[must_use]
pub fn server_date(headers: &HeaderMap) -> Option<Timestamp> {
    http_date(headers.get(::http::header::DATE)?.to_str().ok()?)
}

fn http_date(raw: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(raw).ok().map(|zoned| zoned.timestamp())
}

/// Longest piece of a server's text that is shown.
const SERVER_TEXT_LIMIT: usize = 300;

/// A server's text as it may be shown: one line, no control characters, no secret, of bounded length.
#[must_use]
pub fn server_text(raw: &str, redactor: &Redactor) -> String {
    let line = one_line(&redactor.scrub_said(raw));
    match line.char_indices().nth(SERVER_TEXT_LIMIT) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

/// Text with every control character and line separator made a space, and runs of spaces made one.
#[must_use]
pub fn one_line(raw: &str) -> String {
    let spaced = raw.replace(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'), " ");
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}
