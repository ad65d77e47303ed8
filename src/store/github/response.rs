//! What GitHub answered, and what that means: rate limits, missing permissions, tokens that ran out.

use std::time::Duration;

use ::http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::expiry;
use crate::http::{self, Call, Failure, Words, retry_after, server_date, server_text, status_failure};
use crate::humanize::moment;
use crate::secret::Redactor;

/// "Wait at least one minute before retrying": GitHub's page "Rate limits for the REST API", where no header says more.
const A_MINUTE: Duration = Duration::from_secs(60);

/// GitHub's clock has whole seconds, so that a reset may look past already while it is not.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// Whose credential a request was signed with, which decides what a refusal advises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedBy {
    /// A token that the user gave.
    Token,
    /// A GitHub App, or a token that it minted.
    App,
}

/// An answer that is one of the rate limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    /// How long to wait.
    pub(super) wait: Duration,
    /// GitHub said how long.
    pub(super) stated: bool,
}

/// One answer of the REST API, whatever its status.
pub type Answer = http::Answer<SignedBy>;

/// An answer, and what octocrab read in it, which it does in that of a successful read alone.
pub struct Told<T> {
    /// The answer.
    pub answer: Answer,
    pub(super) read: Option<T>,
}

impl<T> Told<T> {
    /// What a successful read showed.
    ///
    /// # Errors
    /// Refused where it is not what GitHub documents.
    pub fn read(self) -> Result<T, Failure> {
        self.read.ok_or_else(|| self.answer.nonsense())
    }
}

/// The body of an error: GitHub's schema `basic-error`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Complaint {
    message: Option<String>,
    documentation_url: Option<String>,
}

impl Complaint {
    fn words(&self) -> Words {
        Words::own_if(self.message.is_some() && self.documentation_url.is_some())
    }
}

impl Answer {
    /// The body of a successful write, which octocrab does not get.
    ///
    /// # Errors
    /// Refused where it is not what GitHub documents.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|_| self.nonsense())
    }

    fn nonsense(&self) -> Failure {
        Failure::refused(format!("{}: the answer is not what GitHub documents", self.asked))
    }

    /// What an answer that is not the expected one says of the effect.
    #[must_use]
    pub fn failure(&self, redactor: &Redactor) -> Failure {
        let complaint = self.complaint();
        let message = self.message(&complaint, redactor);
        if self.call == Call::Write && self.status.is_success() {
            return Failure::Unknown { message, retry_after: None };
        }
        if let Some(limit) = self.limit_by(&complaint) {
            let retry_after = Some(limit.wait);
            return match self.is_definite() {
                true => Failure::Transient { message, retry_after },
                false => Failure::Unknown { message, retry_after },
            };
        }
        let wait = retry_after(&self.headers);
        status_failure((self.call, complaint.words()), self.status, message, self.hint(redactor), wait)
    }

    /// Whether an answer that is not the expected one says for certain that nothing was done: GitHub itself gave it, or
    /// nothing was to be done.
    pub(super) fn is_definite(&self) -> bool {
        self.call == Call::Read || self.complaint().words() == Words::Own
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

    /// What GitHub says is wrong; empty where it says nothing.
    pub(super) fn complains(&self) -> String {
        self.complaint().message.unwrap_or_default()
    }

    /// How long to wait, where this is one of the two rate limits: both answer 403 or 429.
    pub(super) fn limit(&self) -> Option<Limit> {
        self.limit_by(&self.complaint())
    }

    fn limit_by(&self, complaint: &Complaint) -> Option<Limit> {
        if !matches!(self.status, StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS) {
            return None;
        }
        let stated = |wait| Limit { wait, stated: true };
        if let Some(asked) = retry_after(&self.headers) {
            return Some(stated(asked));
        }
        let a_minute = Limit { wait: A_MINUTE, stated: false };
        if self.header("x-ratelimit-remaining") == Some("0") {
            return Some(self.until_reset().map_or(a_minute, stated));
        }
        let said = complaint.message.as_deref().unwrap_or_default().to_ascii_lowercase();
        let named = said.contains("secondary rate limit") || said.contains("abuse detection");
        (named || self.status == StatusCode::TOO_MANY_REQUESTS).then_some(a_minute)
    }

    fn until_reset(&self) -> Option<Duration> {
        let reset = Timestamp::from_second(self.header("x-ratelimit-reset")?.parse().ok()?).ok()?;
        let wait = Duration::try_from(reset.duration_since(server_date(&self.headers)?)).unwrap_or_default();
        Some(wait.max(SHORTEST_WAIT))
    }

    fn hint(&self, redactor: &Redactor) -> Option<String> {
        match self.status {
            StatusCode::UNAUTHORIZED => {
                Some("Make a new token and set it: GitHub calls this one wrong, revoked or expired.".to_owned())
            }
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => Some(self.access_hint(redactor)),
            _ => None,
        }
    }

    fn access_hint(&self, redactor: &Redactor) -> String {
        if self.wants_sign_on() {
            return "The organisation asks for SAML single sign-on: authorise the token for it in the token's settings."
                .to_owned();
        }
        let accepted = |header: &str| self.header(header).filter(|accepted| !accepted.trim().is_empty());
        let mut hint = String::new();
        if let Some(needed) = accepted("x-accepted-github-permissions") {
            hint.push_str(&format!("The token needs the permission {}. ", server_text(needed, redactor)));
        } else if let (Some(has), Some(needed)) = (self.header("x-oauth-scopes"), accepted("x-accepted-oauth-scopes")) {
            let (has, needed) = (server_text(has, redactor), server_text(needed, redactor));
            hint.push_str(&format!("The token has the scopes `{has}`, and one of `{needed}` is accepted. "));
        }
        hint.push_str(match self.of {
            SignedBy::Token => "GITHUB_TOKEN can never write secrets: use a fine-grained token or a GitHub App.",
            SignedBy::App => "What the GitHub App may do and see is set where it is installed.",
        });
        if self.status == StatusCode::NOT_FOUND {
            hint.push_str(match self.of {
                SignedBy::Token => " A repository that the token cannot see answers 404, or its name is misspelt.",
                SignedBy::App => " A repository that the App cannot see answers 404, or its name is misspelt.",
            });
        }
        if let Some(expires) = expiry::of(&self.headers) {
            hint.push_str(&format!(" The token expires at {}.", moment(expires)));
        }
        hint
    }

    /// Whether the organisation asks for single sign-on, which no permission helps against.
    pub(super) fn wants_sign_on(&self) -> bool {
        self.headers.contains_key("x-github-sso")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use ::http::{HeaderName, HeaderValue};

    use super::*;
    use crate::http::Refusal;
    use crate::secret::Secret;

    const DATE: &str = "Tue, 01 Dec 2026 10:00:00 GMT";
    /// One and a half minutes after [`DATE`].
    const RESET: &str = "1796119290";

    fn answer(call: Call, status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Answer {
        let headers = headers
            .iter()
            .map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let status = StatusCode::from_u16(status).unwrap();
        let (asked, body) = ("PUT /x".into(), body.as_bytes().to_vec().into());
        Answer { asked, call, status, headers, body, of: SignedBy::Token }
    }

    fn failure(call: Call, status: u16, headers: &[(&'static str, &'static str)], message: &str) -> Failure {
        let body = serde_json::json!({ "message": message, "documentation_url": "https://docs.github.com/x" });
        let body = body.to_string();
        answer(call, status, headers, &body).failure(&Redactor::new())
    }

    fn wait(status: u16, headers: &[(&'static str, &'static str)], message: &str) -> Option<u64> {
        match failure(Call::Write, status, headers, message) {
            Failure::Transient { retry_after, .. } => retry_after.map(|wait| wait.as_secs()),
            Failure::Refused(_) => None,
            Failure::Doubtful(_) | Failure::Hindered { .. } | Failure::Unknown { .. } => {
                unreachable!("a limit is answered before anything is done")
            }
        }
    }

    #[test]
    fn both_rate_limits_are_waited_for() {
        let spent = ("x-ratelimit-remaining", "0");
        let secondary = "You have exceeded a secondary rate limit.";
        for status in [403, 429] {
            assert_eq!(wait(status, &[("retry-after", "7"), spent], ""), Some(7));
            assert_eq!(wait(status, &[spent, ("x-ratelimit-reset", RESET), ("date", DATE)], ""), Some(90));
            assert_eq!(wait(status, &[spent, ("x-ratelimit-reset", "1"), ("date", DATE)], ""), Some(1), "past");
            assert_eq!(wait(status, &[spent, ("x-ratelimit-reset", RESET)], ""), Some(60), "no date");
            assert_eq!(wait(status, &[spent], ""), Some(60));
            assert_eq!(wait(status, &[("x-ratelimit-remaining", "4000")], secondary), Some(60));
        }
        assert_eq!(wait(429, &[], ""), Some(60));
    }

    #[test]
    fn a_missing_permission_is_no_rate_limit() {
        assert_eq!(wait(403, &[("x-ratelimit-remaining", "4000")], "Resource not accessible"), None);
        assert_eq!(wait(404, &[("x-ratelimit-remaining", "0")], "Not Found"), None);
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let permissions = ("x-accepted-github-permissions", "secrets=write");
        let (scopes, needed) = (("x-oauth-scopes", "repo, gist"), ("x-accepted-oauth-scopes", "admin:org"));
        let expires = (expiry::HEADER, "2026-12-31 23:59:59 UTC");
        for (status, headers, words) in [
            (401, vec![], vec!["wrong, revoked or expired"]),
            (403, vec![permissions], vec!["secrets=write", "GITHUB_TOKEN can never"]),
            (404, vec![permissions], vec!["secrets=write", "cannot see answers 404"]),
            (403, vec![], vec!["GITHUB_TOKEN can never"]),
            (403, vec![scopes, needed], vec!["has the scopes `repo, gist`", "`admin:org` is accepted"]),
            (404, vec![permissions, scopes, needed, expires], vec!["secrets=write", "expires at 2026-12-31 23:59 UTC"]),
            (403, vec![permissions, ("x-github-sso", "required; url=https://github.com/orgs/a/sso")], vec!["SAML"]),
        ] {
            let Failure::Refused(Refusal { hint: Some(hint), status: shown, .. }) =
                failure(Call::Write, status, &headers, "No")
            else {
                unreachable!("{status} is a definite no")
            };
            assert_eq!(shown, Some(status));
            assert!(words.iter().all(|word| hint.contains(word)), "{hint}");
            assert_eq!(hint.contains("misspelt"), status == 404, "{hint}");
        }
        assert_eq!(failure(Call::Write, 422, &[], "No").hint(), None);
    }

    #[test]
    fn only_an_unclear_answer_to_a_write_is_unknown() {
        for status in [408, 500, 502, 504, 200, 202] {
            assert!(matches!(failure(Call::Write, status, &[], ""), Failure::Unknown { .. }), "{status}");
        }
        for status in [408, 500, 502, 504] {
            assert!(matches!(failure(Call::Read, status, &[], ""), Failure::Transient { .. }), "{status}");
        }
        for status in [400, 401, 403, 404, 409, 422] {
            assert!(matches!(failure(Call::Write, status, &[], ""), Failure::Refused(_)), "{status}");
        }
    }

    #[test]
    fn a_no_in_other_words_than_githubs_may_have_been_carried_out() {
        for body in ["", "<html>403</html>", r#"{"message": "Forbidden"}"#] {
            for status in [400, 401, 403, 404, 422] {
                let said = |call| answer(call, status, &[], body).failure(&Redactor::new());
                assert!(matches!(said(Call::Write), Failure::Doubtful(_)), "{status} {body}");
                assert!(matches!(said(Call::Read), Failure::Refused(_)), "{status} {body}");
            }
            let limited = answer(Call::Write, 429, &[("retry-after", "7")], body).failure(&Redactor::new());
            let Failure::Unknown { retry_after: Some(wait), .. } = limited else { unreachable!("{limited:?}") };
            assert_eq!(wait.as_secs(), 7);
        }
    }

    #[test]
    fn what_github_says_is_shown_without_secrets_and_line_breaks() {
        let redactor = Redactor::new();
        redactor.learn(&Secret::new("ghp_verysecret".into()));
        let body = r#"{"message": "Bad\n::error::ghp_verysecret", "documentation_url": "https://docs.github.com/x"}"#;
        let failure = answer(Call::Write, 400, &[], body).failure(&redactor);
        assert_eq!(
            failure.message(),
            "PUT /x: GitHub answered 400 Bad Request: Bad ::error::*** (https://docs.github.com/x)"
        );
        for body in ["", "<html>", "[]", r#"{"message": 3}"#] {
            let failure = answer(Call::Read, 400, &[], body).failure(&redactor);
            assert_eq!(failure.message(), "PUT /x: GitHub answered 400 Bad Request", "{body}");
        }
    }
}
