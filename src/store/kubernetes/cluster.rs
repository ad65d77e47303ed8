//! The connection to a cluster: made once for all targets that lie there, one request at a time.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::error::Error;

use ::http::header::{CONTENT_TYPE, USER_AGENT};
use ::http::{Method, Request};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use kube::Client;
use kube::client::{Body, ClientBuilder};
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::answer::{Answer, call_of};
use super::config;
use super::rollout::Restart;
use crate::http::{Call, Failure, Refusal, UNREACHED, innermost, lost, one_line};
use crate::store::Around;
use crate::store::target::Workload;
use crate::store::turns::Turns;

/// As a manager of fields: <https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management>.
pub(super) const MANAGER: &str = "keyrotor";
const AGENT: &str = concat!("keyrotor/", env!("CARGO_PKG_VERSION"));
/// A Secret is at most 1 MiB, a third more in base64, and what manages it beside that.
const LONGEST_BODY: usize = 4 * 1024 * 1024;

/// The cluster of the current context.
pub(crate) struct Cluster {
    pub(super) around: Around,
    client: OnceCell<Client>,
    /// How many writes there were. A restart counts for all that came before it.
    pub(super) writes: Cell<u64>,
    /// Whose turn it is to write a Secret.
    pub(super) turns: Turns,
    /// The last restart of each workload, by its namespace.
    pub(super) restarts: RefCell<BTreeMap<(String, Workload), Restart>>,
}

impl Cluster {
    pub(crate) fn new(around: Around) -> Self {
        let (writes, turns, restarts) = Default::default();
        Self { around, client: OnceCell::new(), writes, turns, restarts }
    }

    /// A write was answered, or its answer was lost.
    pub(super) fn has_written(&self) {
        self.writes.set(self.writes.get() + 1);
    }

    async fn client(&self) -> Result<&Client, Failure> {
        self.client.get_or_try_init(|| self.connect()).await
    }

    async fn connect(&self) -> Result<Client, Failure> {
        let config = config::read(&self.around).await?;
        // It runs the kubeconfig's `exec` plugin and waits for it.
        let built = spawn_blocking(|| ClientBuilder::try_from(config).map(ClientBuilder::build));
        let built = built.await.map_err(|_| Failure::refused("the way to the cluster could not be made"))?;
        built.map_err(|error| failure(Call::Read, "connect to the cluster", &error))
    }

    /// Asks once. Answers with whatever status came.
    pub(super) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        let shown = path.split('?').next().unwrap_or_default();
        let (asked, call) = (format!("{method} {shown}"), call_of(&method, path));
        let client = self.client().await?;
        // The API server gives up by then, so that nothing lands later (API concepts, "timeout").
        let bounded = match call {
            Call::Read => path.to_owned(),
            Call::Write => {
                let mark = if path.contains('?') { '&' } else { '?' };
                format!("{path}{mark}timeout={}s", self.around.request_timeout.as_secs())
            }
        };
        let request = request(&method, &bounded, body)
            .map_err(|_| Failure::refused(format!("{asked}: the request could not be put together")))?;
        let telling = self.around.trace.begin(&asked);
        let sent = timeout(self.around.request_timeout, self.send(client, request, &asked, call)).await;
        let answer = sent.unwrap_or_else(|_| Err(lost(call, format!("{asked}: no answer in time"))));
        match &answer {
            Ok(answer) => telling.answered(answer.status, &answer.headers),
            Err(failure) => telling.failed(failure),
        }
        answer
    }

    async fn send(&self, client: &Client, request: Request<Body>, asked: &str, call: Call) -> Result<Answer, Failure> {
        let answer = client.send(request).await.map_err(|error| failure(call, asked, &error))?;
        let (parts, body) = answer.into_parts();
        let bytes = match Limited::new(body, LONGEST_BODY).collect().await {
            Ok(whole) => whole.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                let message = format!("{asked}: the answer is larger than {LONGEST_BODY} bytes");
                return Err(if call == Call::Read { Failure::refused(message) } else { lost(call, message) });
            }
            Err(error) => {
                return Err(lost(call, format!("{asked}: the connection broke ({})", innermost(error.as_ref()))));
            }
        };
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok(Answer { asked: asked.to_owned(), call, status: parts.status, headers: parts.headers, body })
    }
}

fn request(method: &Method, path: &str, body: Option<&Value>) -> Result<Request<Body>, ::http::Error> {
    let form = match *method {
        Method::PATCH => "application/merge-patch+json",
        _ => "application/json",
    };
    let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
    let request = Request::builder().method(method.clone()).uri(path).header(USER_AGENT, AGENT);
    request.header(CONTENT_TYPE, form).body(Body::from(bytes))
}

/// What an error of the client says of the effect: only what ended before anything was sent is certain.
fn failure(call: Call, asked: &str, error: &kube::Error) -> Failure {
    let refused =
        |message: String, hint: &str| Failure::Refused(Refusal { status: None, message, hint: Some(hint.to_owned()) });
    if let Some(why) = chain(error).find_map(distrust) {
        let hint = "let `certificate-authority` in the kubeconfig name the cluster's authority";
        return refused(format!("{asked}: the cluster's certificate is not trusted ({why})"), hint);
    }
    match error {
        // Its text may hold what a program wrote, a credential too.
        kube::Error::Auth(_) => {
            let message = format!("{asked}: the way to sign in that the kubeconfig names does not work");
            refused(message, "try `kubectl auth whoami` with the same kubeconfig")
        }
        kube::Error::ProxyProtocolUnsupported { .. } | kube::Error::ProxyProtocolDisabled { .. } => refused(
            format!("{asked}: the kubeconfig's proxy is not one of http or https"),
            "leave `proxy-url` out, or change it",
        ),
        _ => {
            let why = innermost(error);
            let unmade =
                chain(error).any(|it| it.downcast_ref().is_some_and(hyper_util::client::legacy::Error::is_connect));
            match unmade {
                true => {
                    let message = format!("{asked}: no connection to the cluster ({why})");
                    Failure::Hindered { message, hint: UNREACHED }
                }
                false => lost(call, format!("{asked}: the connection broke ({why})")),
            }
        }
    }
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}

/// Why a certificate was not accepted. An I/O error does not count what it wraps among its sources.
fn distrust(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(inner) = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        return distrust(inner);
    }
    match error.downcast_ref()? {
        rustls::Error::InvalidCertificate(why) => Some(one_line(&why.to_string())),
        _ => None,
    }
}
