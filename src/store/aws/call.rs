//! Calls of Parameter Store, as AWS's JSON 1.1 has them: the SDK's credentials and signatures around the project's own
//! exchange. The SDK of this service alone takes as long to compile as everything else that is from AWS.

use std::time::{Duration, SystemTime};

use ::http::StatusCode;
use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_secretsmanager::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_types::service_config::ServiceConfigKey;
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use super::fault::{self, Dated, Fault, SSM};
use super::watch::Learning;
use crate::http::{self, Ask, Call, Failure, exchange};
use crate::store::StoreContext;

const KIND: &str = "application/x-amz-json-1.1";

/// 50 versions of an advanced parameter, of 8 KiB each, and what is told beside them.
const LONGEST_ANSWER: usize = 1024 * 1024;

/// Credentials that end sooner are asked for anew, as AWS's own clients do.
const ENDS_SOON: Duration = Duration::from_secs(10);

/// Parameter Store in one region.
pub(super) struct Parameters {
    url: Url,
    region: String,
    learning: Learning,
    kept: Mutex<Option<Credentials>>,
}

impl Parameters {
    pub(super) async fn connect(config: &SdkConfig, region: &str, learning: Learning) -> Result<Self, Failure> {
        let url = address(config, region).await;
        let url = url.and_then(|url| Url::parse(&url).ok()).filter(http::is_guarded);
        let url = url.ok_or_else(|| {
            Failure::advised(
                format!("no address of Parameter Store is known in {region}"),
                "Check AWS_REGION, and AWS_ENDPOINT_URL_SSM if that is set: plain http is for loopback addresses alone.",
            )
        })?;
        Ok(Self { url, region: region.to_owned(), learning, kept: Mutex::default() })
    }

    /// Sends one request, once.
    pub(super) async fn ask(
        &self,
        ctx: &StoreContext,
        (call, operation): (Call, &'static str),
        body: &Value,
    ) -> Result<Dated<Value>, Fault> {
        let credentials = self.credentials(ctx, operation).await.map_err(Fault::known)?;
        let body = body.to_string();
        let target = format!("AmazonSSM.{operation}");
        let signed = self.signed(&credentials, &target, &body).ok_or_else(|| {
            Fault::known(Failure::refused(format!("{operation}: the request could not be put together and signed")))
        })?;
        let request = ctx.client.post(self.url.clone()).header("content-type", KIND).header("x-amz-target", target);
        let request = signed.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        let ask = Ask::of(operation.to_owned(), call, request.body(body), LONGEST_ANSWER).map_err(Fault::known)?;
        let answer = exchange(&ctx.client, (&ctx.trace, "aws "), ask).await.map_err(Fault::known)?;
        if answer.status != StatusCode::OK {
            return Err(fault::answered(SSM, &answer, operation, &ctx.redactor));
        }
        let date = answer.date().map_err(Fault::known)?;
        let answer = serde_json::from_slice(&answer.body).map_err(|_| {
            Fault::known(http::lost(call, format!("{operation}: the answer is not what AWS documents")))
        })?;
        Ok(Dated { answer, date })
    }

    /// The headers of a signature.
    fn signed(&self, credentials: &Credentials, target: &str, body: &str) -> Option<Vec<(String, String)>> {
        let identity = credentials.clone().into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(SSM)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .ok()?
            .into();
        let host = self.url.host_str()?;
        let host = self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let headers = [("host", host.as_str()), ("content-type", KIND), ("x-amz-target", target)];
        let body = SignableBody::Bytes(body.as_bytes());
        let request = SignableRequest::new("POST", self.url.as_str(), headers.into_iter(), body).ok()?;
        let (instructions, _) = sign(request, &params).ok()?.into_parts();
        Some(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// Those in hand, as long as they last.
    async fn credentials(&self, ctx: &StoreContext, operation: &str) -> Result<Credentials, Failure> {
        let mut kept = self.kept.lock().await;
        let lasts =
            |credentials: &&Credentials| credentials.expiry().is_none_or(|end| end > SystemTime::now() + ENDS_SOON);
        if let Some(credentials) = kept.as_ref().filter(lasts) {
            return Ok(credentials.clone());
        }
        let came = tokio::time::timeout(ctx.request_timeout, self.learning.provide_credentials()).await;
        for secret in self.learning.take() {
            (ctx.hide)(&secret);
        }
        let late = |_| CredentialsError::provider_timed_out(ctx.request_timeout);
        let credentials =
            came.map_err(late).and_then(|came| came).map_err(|error| fault::without_credentials(operation, &error))?;
        *kept = Some(credentials.clone());
        Ok(credentials)
    }
}

/// `AWS_ENDPOINT_URL_SSM` or its like, else the service's own: AWS's rules of partitions come with the SDK of Secrets
/// Manager, whose hosts have the same form.
async fn address(config: &SdkConfig, region: &str) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id("SSM").env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let named = config.service_config().zip(key.ok()).and_then(|(services, key)| services.load_config(key));
    if let Some(named) = named.or_else(|| config.endpoint_url().map(ToOwned::to_owned)) {
        return Some(named);
    }
    let params = Params::builder()
        .region(region)
        .set_use_fips(config.use_fips())
        .set_use_dual_stack(config.use_dual_stack())
        .build()
        .ok()?;
    let endpoint = DefaultResolver::new().resolve_endpoint(&params).await.ok()?;
    Some(endpoint.url().replacen("//secretsmanager", "//ssm", 1))
}
