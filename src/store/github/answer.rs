//! What GitHub answered, and what that means: rate limits, missing permissions, tokens that ran out.

use std::time::Duration;

use ::http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::http::{Call, Failure, retry_after, server_date, server_text, status_failure};
use crate::secret::Redactor;

/// "Wait at least one minute before retrying": GitHub's page "Rate limits for the REST API", where no header says more.
const A_MINUTE: Duration = Duration::from_secs(60);

/// GitHub's clock has whole seconds, so that a reset may look past already while it is not.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// One answer of the REST API, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What was asked, for messages: `GET /repos/acme/app/actions/secrets/public-key`.
    pub asked: String,
    /// Whether that may have changed something.
    pub call: Call,
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, cut off where it is of no use.
    pub body: Vec<u8>,
}

/// The body of an error: GitHub's schema `basic-error`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Complaint {
    message: Option<String>,
    documentation_url: Option<String>,
}

impl Answer {
    /// GitHub's own clock when it answered, whole seconds.
    ///
    /// # Errors
    /// An answer without `Date`: refused after a read. After a write nothing can be taken back, so that it is unknown.
    pub fn date(&self) -> Result<Timestamp, Failure> {
        server_date(&self.headers).ok_or_else(|| {
            let message =
                format!("{}: the answer has no Date header, without which no time can be compared", self.asked);
            match self.call {
                Call::Read => Failure::refused(message),
                Call::Write => Failure::Unknown { message, retry_after: None },
            }
        })
    }

    /// The body of a successful read.
    ///
    /// # Errors
    /// Refused where it is not what GitHub documents.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Failure::refused(format!(
                "{}: the answer is not what GitHub documents (line {line}, column {column})",
                self.asked
            ))
        })
    }

    /// What an answer that is not the expected one says of the effect.
    #[must_use]
    pub fn failure(&self, redactor: &Redactor) -> Failure {
        let complaint = self.complaint();
        let message = self.message(&complaint, redactor);
        if self.call == Call::Write && self.status.is_success() {
            return Failure::Unknown { message, retry_after: None };
        }
        if let Some(wait) = self.rate_limit(&complaint) {
            return Failure::Transient { message, retry_after: Some(wait) };
        }
        status_failure(self.call, self.status, message, self.hint(redactor), retry_after(&self.headers))
    }

    fn complaint(&self) -> Complaint {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn message(&self, complaint: &Complaint, redactor: &Redactor) -> String {
        let mut message = format!("{}: GitHub answered {}", self.asked, self.status);
        for (before, said, after) in [(": ", &complaint.message, ""), (" (", &complaint.documentation_url, ")")] {
            if let Some(said) = said {
                message.push_str(before);
                message.push_str(&server_text(said, redactor));
                message.push_str(after);
            }
        }
        message
    }

    /// How long to wait, where this is one of the two rate limits: both answer 403 or 429.
    fn rate_limit(&self, complaint: &Complaint) -> Option<Duration> {
        if !matches!(self.status, StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS) {
            return None;
        }
        if let Some(asked) = retry_after(&self.headers) {
            return Some(asked);
        }
        if self.header("x-ratelimit-remaining") == Some("0") {
            return Some(self.until_reset().unwrap_or(A_MINUTE));
        }
        let said = complaint.message.as_deref().unwrap_or_default().to_ascii_lowercase();
        let named = said.contains("secondary rate limit") || said.contains("abuse detection");
        (named || self.status == StatusCode::TOO_MANY_REQUESTS).then_some(A_MINUTE)
    }

    fn until_reset(&self) -> Option<Duration> {
        let reset = Timestamp::from_second(self.header("x-ratelimit-reset")?.parse().ok()?).ok()?;
        let wait = Duration::try_from(reset.duration_since(server_date(&self.headers)?)).unwrap_or_default();
        Some(wait.max(SHORTEST_WAIT))
    }

    fn hint(&self, redactor: &Redactor) -> Option<String> {
        match self.status {
            StatusCode::UNAUTHORIZED => Some("The token is wrong, revoked or expired.".to_owned()),
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => Some(self.access_hint(redactor)),
            _ => None,
        }
    }

    fn access_hint(&self, redactor: &Redactor) -> String {
        if self.headers.contains_key("x-github-sso") {
            return "The organisation asks for SAML single sign-on: authorise the token for it in the token's settings."
                .to_owned();
        }
        let needed = match self.header("x-accepted-github-permissions").filter(|needed| !needed.is_empty()) {
            Some(needed) => format!("The token needs the permission {}. ", server_text(needed, redactor)),
            None => String::new(),
        };
        format!(
            "{needed}GITHUB_TOKEN can never write secrets: use a fine-grained token or a GitHub App. \
             A repository that the token cannot see answers 404."
        )
    }

    /// A header's value, where it is there and plain ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}
