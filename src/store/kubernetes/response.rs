//! What the API server answered, and what that means. Its refusals are `Status` objects.

use ::http::Method;
use jiff::Timestamp;
use serde_json::Value;

use crate::http::{self, Call, Failure, Words, lost, retry_after, server_text, status_failure};
use crate::secret::Redactor;

/// One answer, whatever its status, and its body: `Null` where it is no JSON.
pub(super) type Answer = http::Answer<Value>;

/// Whether a request may change something. A review is answered, and nothing is kept of it.
pub(super) fn call_of(method: &Method, path: &str) -> Call {
    let is_review = path.contains("selfsubjectaccessreviews");
    if *method == Method::GET || is_review || path.contains("dryRun=All") { Call::Read } else { Call::Write }
}

impl Answer {
    pub(super) fn is(&self, status: u16) -> bool {
        self.status.as_u16() == status
    }

    /// The status of an answer that the API server itself gave: its refusals are `Status` objects.
    pub(super) fn says(&self, status: u16) -> bool {
        self.is(status) && self.words() == Words::Own
    }

    fn words(&self) -> Words {
        Words::own_if(self.of.get("kind").and_then(Value::as_str) == Some("Status"))
    }

    /// What a conflict, a missing object or a refusal is about (`Forbidden`, `AlreadyExists`, `NotFound`).
    pub(super) fn reason(&self) -> &str {
        self.of.get("reason").and_then(Value::as_str).unwrap_or_default()
    }

    /// The object in a successful answer.
    ///
    /// # Errors
    /// Every other answer; one that is no object is unknown after a write and tried again after a read.
    pub(super) fn object(self, kind: &str, redactor: &Redactor) -> Result<(Value, Timestamp), Failure> {
        if !self.status.is_success() {
            return Err(self.failure(redactor));
        }
        let is_it = self.of.get("kind").and_then(Value::as_str) == Some(kind);
        if !is_it {
            return Err(lost(self.call, format!("{}: the answer is no {kind}", self.asked)));
        }
        let date = self.date()?;
        Ok((self.of, date))
    }

    /// What an answer that is not the expected one says of the effect.
    pub(super) fn failure(&self, redactor: &Redactor) -> Failure {
        let said = self.of.get("message").and_then(Value::as_str).map(|text| server_text(text, redactor));
        let said = said.map_or_else(String::new, |said| format!(": {said}"));
        let message = format!("{}: the cluster answered {}{said}", self.asked, self.status);
        // Someone else was faster: what was read has to be read anew.
        if self.says(409) || self.is(409) && self.call == Call::Read {
            return Failure::Transient { message, retry_after: None };
        }
        status_failure((self.call, self.words()), self.status, message, self.hint(), retry_after(&self.headers))
    }

    fn hint(&self) -> Option<String> {
        let hint = match self.status.as_u16() {
            401 => "The cluster does not know this account any more: sign in anew, or make a new token.",
            403 => "Give the account the right that is named, with a Role and a RoleBinding in the namespace.",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
