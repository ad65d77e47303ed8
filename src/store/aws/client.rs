//! A connection to Secrets Manager in one region.

use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error;
use std::io::ErrorKind;
use std::path::Path;
use std::rc::Rc;

use aws_config::identity::IdentityCache;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::retry::RetryConfig;
use aws_sdk_secretsmanager::config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::config::{Builder, StalledStreamProtectionConfig};
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::call::Parameters;
use super::fault::{self, Dated, Fault};
use super::process;
use super::watch::{Learning, Watch};
use super::wire::Wire;
use crate::http::{Call, Failure, server_date};
use crate::regular;
use crate::secret::Secret;
use crate::store::StoreContext;

/// Variables that name files of the SDK.
const FILES: [&str; 4] = [
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];

/// Hundreds of profiles fit in.
const LARGEST_FILE: usize = 1024 * 1024;

/// Secrets Manager, wherever its secrets are. Nothing is read and nothing contacted before the first use.
pub struct Aws {
    ctx: StoreContext,
    /// By the region that an ARN states; `None`: the environment does.
    services: RefCell<HashMap<Option<String>, Rc<OnceCell<Service>>>>,
}

/// Secrets Manager in one region.
pub(super) struct Service {
    /// Sends requests, each once.
    pub(super) client: Client,
    /// Where.
    pub(super) region: String,
    learning: Learning,
    /// Parameter Store there, once it is needed.
    parameters: OnceCell<Parameters>,
    config: SdkConfig,
}

impl Aws {
    /// A connection that is made when it is first needed.
    #[must_use]
    pub fn new(ctx: StoreContext) -> Self {
        Self { ctx, services: RefCell::default() }
    }

    /// The service in the region of an ARN, else in the one that the environment names.
    pub(super) async fn service(&self, region: Option<&str>) -> Result<Rc<OnceCell<Service>>, Failure> {
        let key = region.map(ToOwned::to_owned);
        let cell = Rc::clone(self.services.borrow_mut().entry(key).or_default());
        cell.get_or_try_init(|| self.connect(region)).await?;
        Ok(cell)
    }

    /// What was read may be a key: nobody shows it.
    pub(super) fn learn(&self, secret: &Secret) {
        self.ctx.redactor.learn(secret);
    }

    /// It was read beside a key, and may be one.
    pub(super) fn learn_neighbour(&self, value: &Secret) {
        self.ctx.redactor.learn_neighbour(value);
    }

    async fn connect(&self, region: Option<&str>) -> Result<Service, Failure> {
        check_files(&self.ctx)?;
        let timeouts = TimeoutConfig::builder().operation_timeout(self.ctx.request_timeout).build();
        let loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(Wire::open(self.ctx.client.clone()))
            .timeout_config(timeouts)
            // Its own patience of five seconds ends programs that ask a person.
            .identity_cache(IdentityCache::lazy().load_timeout(self.ctx.request_timeout).build())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        let loader = match region {
            Some(region) => loader.region(Region::new(region.to_owned())),
            None => loader,
        };
        let config: SdkConfig = loader.load().await;
        let region = config.region().map(|region| region.as_ref().to_owned());
        let Some(region) = region.filter(|region| !region.is_empty()) else {
            return Err(Failure::advised(
                "no AWS region is named",
                "Set AWS_REGION, or write the secret's ARN in the target.",
            ));
        };
        let program = process::provider(&config, &self.ctx).await;
        let Some(chain) = program.or_else(|| config.credentials_provider()) else {
            return Err(fault::no_credentials());
        };
        let learning = Learning::of(chain);
        let service = Builder::from(&config)
            .http_client(Wire::guarded(self.ctx.client.clone()))
            .credentials_provider(learning.clone())
            .retry_config(RetryConfig::disabled())
            .build();
        Ok(Service { client: Client::from_conf(service), region, learning, parameters: OnceCell::new(), config })
    }

    /// Sends one request to Parameter Store, once.
    pub(super) async fn ask_parameters(
        &self,
        (call, operation): (Call, &'static str),
        body: &Value,
    ) -> Result<Dated<Value>, Fault> {
        let cell = self.service(None).await.map_err(Fault::known)?;
        let Some(service) = cell.get() else { return Err(fault::undated(call, operation)) };
        let connect = || Parameters::connect(&service.config, &service.region, service.learning.clone());
        let parameters = service.parameters.get_or_try_init(connect).await.map_err(Fault::known)?;
        parameters.ask(&self.ctx, (call, operation), body).await
    }

    /// Sends one request, once.
    pub(super) async fn ask<T, E>(
        &self,
        service: &Service,
        (call, operation): (Call, &'static str),
        send: impl AsyncFnOnce(Watch) -> Result<T, SdkError<E, HttpResponse>>,
    ) -> Result<Dated<T>, Fault>
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let (watch, asked) = (Watch::default(), format!("aws {operation}"));
        let telling = self.ctx.trace.begin(&asked);
        let answer = send(watch.clone()).await;
        for secret in service.learning.take() {
            (self.ctx.hide)(&secret);
        }
        let seen = watch.seen();
        let answer = answer.map_err(|error| fault::of(call, operation, &seen, &error, &self.ctx.redactor));
        match (seen.status, &answer) {
            (Some(status), _) => telling.answered(status, &seen.headers),
            (None, Err(fault)) => telling.failed(&fault.failure),
            (None, Ok(_)) => drop(telling),
        }
        let date = server_date(&seen.headers);
        let answer = answer?;
        let date = date.ok_or_else(|| fault::undated(call, operation))?;
        Ok(Dated { answer, date })
    }
}

/// The SDK waits for pipes, and reads devices without end.
fn check_files(ctx: &StoreContext) -> Result<(), Failure> {
    for variable in FILES {
        let Some(path) = ctx.variable(variable) else { continue };
        // One that is not there counts as empty, as with AWS's own tools.
        match regular::read(Path::new(path), LARGEST_FILE) {
            Err(error) if error.kind() != ErrorKind::NotFound || regular::is_contents(path) => {
                let told = format!("{variable} {}", regular::unreadable(path, &error));
                return Err(Failure::advised(told, "Let it name a file that can be read here."));
            }
            _ => {}
        }
    }
    Ok(())
}
