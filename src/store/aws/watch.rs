//! What passes on the wire beside what the SDK tells: whether a request was sent, and the answer's headers; and which
//! credentials came to light.

use std::sync::{Arc, Mutex, PoisonError};

use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use aws_credential_types::Credentials;
use aws_credential_types::provider::future::ProvideCredentials as Future;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_secretsmanager::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_secretsmanager::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_secretsmanager::error::BoxError;

use crate::secret::Secret;

/// The headers that mean something here.
const KEPT: [&str; 3] = ["date", "retry-after", "x-amzn-requestid"];

/// What was seen of one request.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// It was put together and signed: from here on it may take effect.
    pub(super) sent: bool,
    /// The answer's status, where one came.
    pub(super) status: Option<StatusCode>,
    /// Some of the answer's headers.
    pub(super) headers: HeaderMap,
}

/// Watches one request.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch(Arc<Mutex<Seen>>);

impl Watch {
    /// What was seen so far.
    pub(super) fn seen(&self) -> Seen {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Intercept for Watch {
    fn name(&self) -> &'static str {
        "Watch"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).sent = true;
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.status = StatusCode::from_u16(response.status().as_u16()).ok();
        for name in KEPT {
            if let Some(value) = response.headers().get(name).and_then(|value| HeaderValue::from_str(value).ok()) {
                seen.headers.insert(HeaderName::from_static(name), value);
            }
        }
        Ok(())
    }
}

/// The credential chain, which remembers what it gave out so that it can be hidden.
#[derive(Clone, Debug)]
pub(super) struct Learning {
    chain: SharedCredentialsProvider,
    learned: Arc<Mutex<Vec<Secret>>>,
}

impl Learning {
    pub(super) fn of(chain: SharedCredentialsProvider) -> Self {
        Self { chain, learned: Arc::default() }
    }

    /// What came to light since this was last asked.
    pub(super) fn take(&self) -> Vec<Secret> {
        std::mem::take(&mut *self.learned.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn learn(&self, credentials: &Credentials) {
        let secrets = [Some(credentials.secret_access_key()), credentials.session_token()];
        let secrets = secrets.into_iter().flatten().map(|secret| Secret::new(secret.to_owned()));
        self.learned.lock().unwrap_or_else(PoisonError::into_inner).extend(secrets);
    }
}

impl ProvideCredentials for Learning {
    fn provide_credentials<'a>(&'a self) -> Future<'a>
    where
        Self: 'a,
    {
        Future::new(async {
            let credentials = self.chain.provide_credentials().await?;
            self.learn(&credentials);
            Ok(credentials)
        })
    }
}
