//! The SDK's requests, sent by the project's own client.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use url::Url;

use crate::http::{self, BodyError, Client};

/// A secret has at most 64 KiB, a page of a secret's versions far less than this.
const LONGEST_ANSWER: usize = 1024 * 1024;

/// What the SDK takes for its HTTP client.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    client: Client,
    /// Plain http goes to loopback alone, and not where AWS's own machines hand out credentials.
    guarded: bool,
    patience: Option<Duration>,
}

impl Wire {
    /// For secrets.
    pub(super) fn guarded(client: Client) -> Self {
        Self { client, guarded: true, patience: None }
    }

    /// For credentials, which instances and containers get over plain http at addresses of their own host.
    pub(super) fn open(client: Client) -> Self {
        Self { guarded: false, ..Self::guarded(client) }
    }

    async fn exchange(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
        let (head, body) = request.into_parts();
        let url = Url::parse(&head.uri.to_string()).map_err(|error| ConnectorError::user(error.into()))?;
        if self.guarded && !http::is_guarded(&url) {
            return Err(ConnectorError::user("plain http is accepted for loopback addresses alone".into()));
        }
        let body = body.bytes().map(<[u8]>::to_vec).unwrap_or_default();
        let request = self.client.request(head.method, url).headers(head.headers).body(body);
        let (status, headers, body) = http::whole(request, LONGEST_ANSWER).await.map_err(lost)?;
        let mut whole = ::http::Response::new(SdkBody::from(body));
        *whole.status_mut() = status;
        *whole.headers_mut() = headers;
        HttpResponse::try_from(whole).map_err(|error| ConnectorError::other(error.into(), None))
    }
}

/// The source stays what it was: `fault` looks for it.
fn lost(error: BodyError) -> ConnectorError {
    match error {
        BodyError::Broken(error) if error.is_timeout() => ConnectorError::timeout(error.into()),
        BodyError::Broken(error) => ConnectorError::io(error.into()),
        BodyError::TooLarge { .. } => ConnectorError::other(error.into(), None),
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (wire, patience) = (self.clone(), self.patience);
        HttpConnectorFuture::new(async move {
            let Some(patience) = patience else { return wire.exchange(request).await };
            let late = |_| ConnectorError::timeout("no answer in time".into());
            tokio::time::timeout(patience, wire.exchange(request)).await.map_err(late)?
        })
    }
}

impl HttpClient for Wire {
    /// Where credentials may come from an address that nobody serves, the SDK bounds the reading too. A connection that is
    /// not made is given up by the client itself.
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        let patience = settings.read_timeout().map(|read| read + settings.connect_timeout().unwrap_or_default());
        SharedHttpConnector::new(Self { patience, ..self.clone() })
    }
}
