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

    fn said(&self) -> &str {
        self.of.get("message").and_then(Value::as_str).unwrap_or_default()
    }

    /// A webhook declares side effects, so that the API server refuses whatever is sent for trial (`dryRun`).
    pub(super) fn knows_no_trial(&self) -> bool {
        self.says(400) && self.said().contains("does not support dry run")
    }

    /// A webhook without which nothing is admitted could not be asked. It comes before anything is stored
    /// (`staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook`): nothing has changed, whatever a 500 says elsewhere.
    fn has_no_webhook(&self) -> bool {
        self.says(500) && self.said().contains("failed calling webhook")
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
        let message = self.told(redactor);
        // Someone else was faster: what was read has to be read anew.
        if self.says(409) || self.is(409) && self.call == Call::Read {
            return Failure::Transient { message, retry_after: None };
        }
        if self.has_no_webhook() {
            let hint = "have the webhook that is named repaired, then run again";
            return Failure::advised(message, hint);
        }
        status_failure((self.call, self.words()), self.status, message, self.hint(), retry_after(&self.headers))
    }

    /// The status, and what the cluster says beside it.
    pub(super) fn told(&self, redactor: &Redactor) -> String {
        let said = Some(self.said()).filter(|text| !text.is_empty());
        let said = said.map_or_else(String::new, |text| format!(": {}", server_text(text, redactor)));
        format!("{}: the cluster answered {}{said}", self.asked, self.status)
    }

    fn hint(&self) -> Option<String> {
        let hint = match self.status.as_u16() {
            403 if self.said().contains("denied the request") || self.said().contains("denied request") => {
                "A rule of the cluster denies this change: have whoever keeps it admit keyrotor's."
            }
            401 => "The cluster does not know this account any more: sign in anew, or make a new token.",
            403 => "Give the account the right that is named, with a Role and a RoleBinding in the namespace.",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
