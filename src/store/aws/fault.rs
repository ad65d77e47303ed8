//! What the SDK's errors say of the effect, and what a person can do about them.

use std::error::Error;

use ::http::{HeaderMap, StatusCode};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use jiff::Timestamp;
use serde_json::Value;

use super::watch::Seen;
use crate::http::{
    self, Answer, Call, Failure, Words, lost, retry_after, server_text, status_failure, transport_failure,
};
use crate::secret::Redactor;

/// An answer, and when it was given on AWS's clock.
pub(super) struct Dated<T> {
    pub(super) answer: T,
    pub(super) date: Timestamp,
}

/// Parameter Store, as policies call it, in its host, and in what is signed.
pub(super) const SSM: &str = "ssm";

/// Why a request did not come to its end, and AWS's word for it, where it has one.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) code: Option<String>,
    /// When it was answered, on AWS's clock.
    pub(super) date: Option<Timestamp>,
    pub(super) failure: Failure,
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        fault.failure
    }
}

impl Fault {
    /// Nobody has answered.
    pub(super) fn known(failure: Failure) -> Self {
        Self { code: None, date: None, failure }
    }

    pub(super) fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }
}

/// Too many requests, in the words of AWS's services; answered 400, before anything is done.
const THROTTLED: [&str; 6] = [
    "ThrottlingException",
    "Throttling",
    "TooManyRequestsException",
    "TooManyUpdates",
    "RequestLimitExceeded",
    "ThrottledException",
];
/// The credentials are not accepted.
const STRANGERS: [&str; 6] = [
    "ExpiredTokenException",
    "ExpiredToken",
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "IncompleteSignature",
];

const WHERE_FROM: &str = "The SDK looks in AWS_ACCESS_KEY_ID, in AWS_PROFILE and ~/.aws, in AWS_WEB_IDENTITY_TOKEN_FILE, and asks the container \
                          or instance. In a workflow let aws-actions/configure-aws-credentials run first.";

/// What an error of one request says.
pub(super) fn of<E>(
    call: Call,
    operation: &str,
    seen: &Seen,
    error: &SdkError<E, HttpResponse>,
    redactor: &Redactor,
) -> Fault
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let service = error.as_service_error();
    let code = service.and_then(ProvideErrorMetadata::code).map(ToOwned::to_owned);
    let failure = match (service, seen.status) {
        (Some(said), Some(status)) => {
            let said = said.message().map(|said| server_text(said, redactor)).unwrap_or_default();
            told("secretsmanager", (call, operation), (status, &seen.headers), code.as_deref(), &said)
        }
        (_, Some(status)) if !status.is_success() => {
            let message = format!("{operation}: AWS answered {status}");
            status_failure((call, Words::Others), status, message, None, retry_after(&seen.headers))
        }
        (_, Some(_)) => lost(call, format!("{operation}: the answer is not what AWS documents")),
        (_, None) if !seen.sent => unsent(operation, error, redactor),
        (_, None) => on_the_way(call, operation, error, redactor),
    };
    Fault { code, date: None, failure }
}

/// What an answer of AWS's JSON protocol says, which is no success.
pub(super) fn answered(service: &str, answer: &Answer, operation: &str, redactor: &Redactor) -> Fault {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    // `ParameterNotFound`, or `com.amazonaws.ssm#ParameterNotFound`.
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let code = text("__type").map(|code| code.rsplit('#').next().unwrap_or_default().to_owned());
    let said = text("message").or_else(|| text("Message")).map(|said| server_text(said, redactor)).unwrap_or_default();
    let asked = (answer.call, operation);
    let failure = told(service, asked, (answer.status, &answer.headers), code.as_deref(), &said);
    Fault { code, date: answer.date().ok(), failure }
}

fn told(
    service: &str,
    (call, operation): (Call, &str),
    (status, headers): (StatusCode, &HeaderMap),
    code: Option<&str>,
    said: &str,
) -> Failure {
    let named = code.unwrap_or_default();
    let message = format!("{operation}: AWS answered {}: {named}: {said}", status.as_u16());
    let wait = retry_after(headers);
    if THROTTLED.contains(&named) {
        Failure::Transient { message, retry_after: wait }
    } else if status.is_success() {
        lost(call, message)
    } else {
        let words = Words::own_if(code.is_some());
        status_failure((call, words), status, message, hint(service, operation, named, said), wait)
    }
}

/// An answer without `Date`.
pub(super) fn undated(call: Call, operation: &str) -> Fault {
    Fault::known(http::undated(call, operation))
}

fn unsent(operation: &str, error: &(dyn Error + 'static), redactor: &Redactor) -> Failure {
    match in_chain::<CredentialsError>(error) {
        Some(error) => without_credentials(operation, error),
        None if matches!(in_chain::<reqwest::Error>(error), Some(error) if error.is_timeout()) => {
            Failure::Transient { message: format!("{operation}: no answer in time"), retry_after: None }
        }
        None => {
            let why = innermost(error, redactor);
            Failure::refused(format!("{operation}: the request could not be put together: {why}"))
        }
    }
}

/// What a program that hands out credentials says of its failure can be one, and is not told.
pub(super) fn without_credentials(operation: &str, error: &CredentialsError) -> Failure {
    match error {
        CredentialsError::CredentialsNotLoaded(_) => no_credentials(),
        CredentialsError::InvalidConfiguration(_) => {
            Failure::advised("the AWS credentials are not set up as they should be", WHERE_FROM)
        }
        CredentialsError::ProviderTimedOut(_) => {
            Failure::Hindered { message: format!("{operation}: no AWS credentials came in time"), hint: WHERE_FROM }
        }
        _ => Failure::Hindered { message: format!("{operation}: no AWS credentials came"), hint: WHERE_FROM },
    }
}

fn on_the_way(call: Call, operation: &str, error: &(dyn Error + 'static), redactor: &Redactor) -> Failure {
    if let Some(transport) = in_chain::<reqwest::Error>(error) {
        return transport_failure(call, operation, transport);
    }
    let why = innermost(error, redactor);
    let connector = in_chain::<aws_smithy_runtime_api::client::result::ConnectorError>(error);
    if connector.is_some_and(aws_smithy_runtime_api::client::result::ConnectorError::is_user) {
        return Failure::refused(format!("{operation}: {why}"));
    }
    lost(call, format!("{operation}: {why}"))
}

/// The chain ended without any.
pub(super) fn no_credentials() -> Failure {
    Failure::advised("no AWS credentials were found", WHERE_FROM)
}

fn hint(service: &str, operation: &str, code: &str, said: &str) -> Option<String> {
    let what = if service == SSM { "parameter" } else { "secret" };
    let kms = said.contains("KMS") || said.contains("kms:");
    match code {
        "AccessDeniedException" if kms => Some(about_kms(operation, what)),
        "DecryptionFailure" | "EncryptionFailure" | "InvalidKeyId" => Some(about_kms(operation, what)),
        // It is asked about all parameters, whatever its filter.
        "AccessDeniedException" if operation == "DescribeParameters" => {
            Some("The role's policy must allow ssm:DescribeParameters on `*`.".to_owned())
        }
        "AccessDeniedException" if service == SSM => {
            Some(format!("The role's policy must allow ssm:{operation} on the parameter."))
        }
        "AccessDeniedException" => {
            Some(format!("The role's policy must allow secretsmanager:{operation} on the secret."))
        }
        "ParameterMaxVersionLimitExceeded" => Some("Move the label off the oldest of its 100 versions.".to_owned()),
        "ResourceNotFoundException" => Some(
            "Check the name, the region and the account. A secret is not made: aws secretsmanager create-secret does."
                .to_owned(),
        ),
        code if STRANGERS.contains(&code) => Some(format!("The credentials are wrong or expired. {WHERE_FROM}")),
        _ => None,
    }
}

fn about_kms(operation: &str, what: &str) -> String {
    let action = match operation {
        "GetSecretValue" | "GetParameter" => "kms:Decrypt",
        "PutParameter" => "kms:Encrypt",
        _ => "kms:GenerateDataKey and kms:Decrypt",
    };
    format!("The role needs {action} on the KMS key that encrypts the {what}, and that key must be enabled.")
}

fn innermost(error: &(dyn Error + 'static), redactor: &Redactor) -> String {
    server_text(&http::innermost(error), redactor)
}

/// The first error of this type among an error and its sources.
fn in_chain<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    std::iter::successors(Some(error), |&error| error.source()).find_map(|error| error.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_that_do_not_come_are_asked_for_again_and_tell_where_from() {
        for error in [
            CredentialsError::provider_error("the instance answered 403"),
            CredentialsError::provider_timed_out(std::time::Duration::from_secs(1)),
        ] {
            let failure = unsent("DescribeSecret", &error, &Redactor::new());
            assert!(matches!(failure, Failure::Hindered { .. }), "{failure:?}");
            assert!(failure.message().starts_with("DescribeSecret: no AWS credentials came"), "{failure}");
            assert!(
                failure.hint().unwrap_or_default().contains("aws-actions/configure-aws-credentials"),
                "{failure:?}"
            );
        }
    }

    #[test]
    fn a_refusal_names_the_permission() {
        for (operation, code, said, words) in [
            ("PutSecretValue", "AccessDeniedException", "User: x is not authorized", "secretsmanager:PutSecretValue"),
            ("GetSecretValue", "AccessDeniedException", "Access to KMS is not allowed", "kms:Decrypt"),
            ("PutSecretValue", "EncryptionFailure", "", "kms:GenerateDataKey"),
            ("PutParameter", "AccessDeniedException", "User: x is not authorized", "ssm:PutParameter on the parameter"),
            ("GetParameter", "InvalidKeyId", "", "kms:Decrypt"),
            ("DescribeSecret", "ResourceNotFoundException", "", "create-secret"),
            ("DescribeSecret", "ExpiredTokenException", "", "expired"),
        ] {
            let service = if operation.contains("Parameter") { SSM } else { "secretsmanager" };
            let hint = hint(service, operation, code, said).unwrap_or_default();
            assert!(hint.contains(words), "{hint}");
        }
        assert_eq!(hint("secretsmanager", "PutSecretValue", "InvalidRequestException", ""), None);
    }
}
