//! What Vault answered, and what that means: sealed and standby servers, lost races, missing permissions.

use ::http::StatusCode;
use ::http::header::LOCATION;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::http::{self, Call, Failure, Refusal, Words, lost, retry_after, server_text, status_failure};
use crate::secret::Redactor;

/// What the KV plugin says to a write of which `cas` is not the current version.
const LOST_RACE: &str = "check-and-set parameter did not match";

/// Of an answer: that it is Vault's.
pub(super) struct Vaults;

/// One answer, whatever its status. Secrets stand in the body.
pub(super) type Answer = http::Answer<Vaults>;

#[derive(Deserialize)]
struct Complaint {
    errors: Vec<String>,
}

impl Answer {
    /// The body of a success. Its text is never shown.
    ///
    /// # Errors
    /// Where it is not what Vault documents. After a write nothing can be taken back, so that it is unknown.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|_| self.nonsense())
    }

    /// A success without the sense that it should have.
    pub(super) fn nonsense(&self) -> Failure {
        let message = format!("{}: {}, but the answer is not what Vault documents", self.asked, self.status.as_u16());
        lost(self.call, message)
    }

    fn errors(&self) -> Option<Vec<String>> {
        serde_json::from_slice::<Complaint>(&self.body).ok().map(|complaint| complaint.errors)
    }

    /// Vault's way to say that there is no such secret. A mount, a path or a proxy's page that is not there says more.
    pub(super) fn says_nothing_there(&self) -> bool {
        self.status == StatusCode::NOT_FOUND && self.errors().is_some_and(|errors| errors.is_empty())
    }

    /// Whether someone else wrote the secret since it was read.
    pub(super) fn lost_race(&self) -> bool {
        self.status == StatusCode::BAD_REQUEST
            && self.errors().unwrap_or_default().iter().any(|error| error.contains(LOST_RACE))
    }

    /// What an answer that is not the expected one says of the effect; the hint is for a missing permission.
    pub(super) fn failure(&self, redactor: &Redactor, permission: &str) -> Failure {
        let errors = self.errors();
        let words = Words::own_if(errors.is_some());
        let said = server_text(&errors.unwrap_or_default().join("; "), redactor);
        let colon = if said.is_empty() { "" } else { ": " };
        let message = format!("{}: Vault answered {}{colon}{said}", self.asked, self.status);
        if self.status.is_success() {
            return lost(self.call, message);
        }
        if self.status.is_redirection() {
            let hint = Some(self.elsewhere(redactor));
            let refusal = Refusal { status: Some(self.status.as_u16()), message, hint };
            return http::refusal(self.call == Call::Read, refusal);
        }
        let wait = retry_after(&self.headers);
        // A standby that serves nothing (472, 473) and one that is behind (412) have done nothing, whatever was asked.
        let definite = self.call == Call::Read || words == Words::Own;
        if self.lost_race() || definite && matches!(self.status.as_u16(), 412 | 472 | 473) {
            return Failure::Transient { message, retry_after: wait };
        }
        let hint = (self.status == StatusCode::FORBIDDEN).then(|| permission.to_owned());
        status_failure((self.call, words), self.status, message, hint, wait)
    }

    /// Where a redirect leads.
    pub(super) fn location(&self) -> Option<Url> {
        let location = self.header(LOCATION.as_str()).filter(|_| self.status.is_redirection())?;
        Url::parse(location).ok()
    }

    /// Whether it may be otherwise in a while: a limit was reached, or the cluster looks for its active server.
    pub(super) fn may_pass(&self) -> bool {
        self.status.is_server_error() || matches!(self.status.as_u16(), 412 | 429 | 472 | 473)
    }

    fn elsewhere(&self, redactor: &Redactor) -> String {
        let to = self.location().map(|url| url.origin().ascii_serialization());
        let to = to.map_or_else(|| "another address".to_owned(), |to| server_text(&to, redactor));
        format!(
            "The token is not sent to {to}. Let VAULT_ADDR name the active server, or what stands before all of them."
        )
    }
}

#[cfg(test)]
mod tests {
    use ::http::HeaderMap;

    use super::*;

    fn failure(call: Call, status: u16, errors: &str) -> Failure {
        let status = StatusCode::from_u16(status).unwrap_or_default();
        let body = format!("{{\"errors\":[{errors}]}}").into_bytes();
        let (asked, headers, body) = ("X /v1/x".into(), HeaderMap::new(), body.into());
        let answer = Answer { asked, call, status, headers, body, of: Vaults };
        answer.failure(&Redactor::new(), "the policy")
    }

    #[test]
    fn a_write_to_a_sealed_or_broken_server_is_unknown_and_a_read_is_repeated() {
        for status in [500, 502, 503, 408] {
            assert!(matches!(failure(Call::Write, status, "\"Vault is sealed\""), Failure::Unknown { .. }), "{status}");
            assert!(matches!(failure(Call::Read, status, ""), Failure::Transient { .. }), "{status}");
        }
        assert_eq!(
            failure(Call::Read, 503, "\"Vault is sealed\"").message(),
            "X /v1/x: Vault answered 503 Service Unavailable: Vault is sealed"
        );
    }

    #[test]
    fn standbys_and_lost_races_have_done_nothing() {
        for status in [412, 429, 472, 473] {
            assert!(matches!(failure(Call::Write, status, ""), Failure::Transient { .. }), "{status}");
        }
        let race = "\"check-and-set parameter did not match the current version\"";
        assert!(matches!(failure(Call::Write, 400, race), Failure::Transient { .. }));
        assert!(matches!(failure(Call::Write, 400, "\"no data provided\""), Failure::Refused(_)));
    }

    #[test]
    fn a_missing_permission_and_a_redirect_say_what_to_do() {
        assert_eq!(failure(Call::Write, 403, "\"permission denied\"").hint(), Some("the policy"));
        let hint = failure(Call::Write, 307, "").hint().unwrap_or_default().to_owned();
        assert!(hint.contains("VAULT_ADDR"), "{hint}");
    }
}
