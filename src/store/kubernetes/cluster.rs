//! The connection to a cluster: made once for all targets that lie there, one request at a time.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use ::http::{Method, Request, Response, StatusCode};
use futures_util::join;
use http_body_util::{BodyExt as _, Collected};
use jiff::Timestamp;
use kube::Client;
use kube::client::{Body, ConfigExt as _};
use serde_json::Value;
use tokio::sync::{OnceCell, oneshot};
use tower::{ServiceBuilder, service_fn};
use url::Url;

use super::config::{self, Found};
use super::response::{Answer, call_of};
use super::sign_in::{SignIn, Signed};
use crate::http::{self, Ask, Call, Failure, Peer, exchange};
use crate::store::StoreContext;
use crate::store::target::Workload;
use crate::store::turns::Turns;

/// As a manager of fields: <https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management>.
pub(super) const MANAGER: &str = "keyrotor";
/// A Secret is at most 1 MiB, a third more in base64, and what manages it beside that.
const LONGEST_BODY: usize = 4 * 1024 * 1024;
/// What helps where the cluster's certificate is not trusted.
const TRUST: &str = "let `certificate-authority` in the kubeconfig name the cluster's authority";
/// kube's error where it gets no answer. Nobody sees it.
const NO_ANSWER: &str = "no answer";

/// The cluster of the current context.
pub(crate) struct Cluster {
    pub(super) ctx: StoreContext,
    connection: OnceCell<Connection>,
    /// How many writes there were. A restart counts for all that came before it.
    pub(super) writes: Cell<u64>,
    /// Whose turn it is to write a Secret.
    pub(super) turns: Turns,
    /// The last restart of each workload, by its namespace.
    pub(super) restarts: RefCell<BTreeMap<(String, Workload), Restart>>,
}

/// A restart that was begun.
#[derive(Clone, Debug)]
pub(crate) struct Restart {
    pub(super) stamp: Timestamp,
    /// How many writes it counts for.
    pub(super) writes: u64,
}

/// kube puts a request together; what it hands over is signed and sent by us.
struct Connection {
    kube: Client,
    sign_in: SignIn,
    peer: Peer,
}

/// Where kube hands one request over, and waits for its answer.
type Handed = (Request<Body>, oneshot::Sender<Response<Body>>);

#[derive(Clone)]
struct Hand(Arc<Mutex<Option<oneshot::Sender<Handed>>>>);

impl Hand {
    fn over(&self, request: Request<Body>) -> Option<oneshot::Receiver<Response<Body>>> {
        let hand = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let (reply, answer) = oneshot::channel();
        hand.send((request, reply)).ok().map(|()| answer)
    }
}

impl Cluster {
    pub(crate) fn new(ctx: StoreContext) -> Self {
        let (writes, turns, restarts) = Default::default();
        Self { ctx, connection: OnceCell::new(), writes, turns, restarts }
    }

    /// A write was answered, or its answer was lost.
    pub(super) fn has_written(&self) {
        self.writes.set(self.writes.get() + 1);
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let Found { config, peer } = config::read(&self.ctx).await?;
        let sign_in = SignIn::new(config.auth_info.clone());
        let extra = config.extra_headers_layer().map_err(|_| config::unusable_credential())?;
        let service = service_fn(|mut request: Request<Body>| {
            let answer = request.extensions_mut().remove::<Hand>().and_then(|hand| hand.over(request));
            async move { answer.ok_or(NO_ANSWER)?.await.map_err(|_| NO_ANSWER) }
        });
        let service = ServiceBuilder::new()
            .layer(config.base_uri_layer())
            .layer(extra)
            .map_err(Into::<tower::BoxError>::into)
            .service(service);
        Ok(Connection { kube: Client::new(service, config.default_namespace.clone()), sign_in, peer })
    }

    /// Asks once. Answers with whatever status came.
    pub(super) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        let shown = path.split('?').next().unwrap_or_default();
        let (asked, call) = (format!("{method} {shown}"), call_of(&method, path));
        let connection = self.connection.get_or_try_init(|| self.connect()).await?;
        // A write must be on its way soon after it was begun.
        let within = if call == Call::Write { self.ctx.request_timeout / 4 } else { self.ctx.request_timeout };
        let signed = connection.sign_in.signed(within, &connection.peer, &self.ctx).await?;
        // The API server gives up by then, so that nothing lands later (API concepts, "timeout").
        let bounded = match call {
            Call::Read => path.to_owned(),
            Call::Write => {
                let mark = if path.contains('?') { '&' } else { '?' };
                format!("{path}{mark}timeout={}s", self.ctx.request_timeout.as_secs())
            }
        };
        let (hand, handed) = oneshot::channel();
        let request = request(&method, &bounded, body, Hand(Arc::new(Mutex::new(Some(hand)))));
        let request = request.map_err(|_| http::unmade(&asked))?;
        let served = async {
            let Ok((request, reply)) = handed.await else { return Err(config::unusable_credential()) };
            let ask = Ask { trust: TRUST, ..ask(asked, call, request, (&signed, &connection.peer)).await? };
            let answer = exchange(&signed.client, (&self.ctx.trace, ""), ask).await?;
            if answer.status != StatusCode::UNAUTHORIZED {
                signed.is_trusted.set(true);
            }
            // Whatever it is, kube has done its part.
            let _ = reply.send(Response::new(Body::empty()));
            Ok(answer)
        };
        let (_, answer) = join!(connection.kube.send(request), served);
        let answer = answer?;
        let read = serde_json::from_slice(&answer.body).unwrap_or_default();
        let answer: Answer = answer.to(read);
        // Who signs is looked at before anything else.
        match answer.says(401) && connection.sign_in.may_know_better(&signed).await {
            true => Err(Failure::Transient { message: answer.told(&self.ctx.redactor), retry_after: None }),
            false => Ok(answer),
        }
    }
}

fn request(method: &Method, path: &str, body: Option<&Value>, hand: Hand) -> Result<Request<Body>, ::http::Error> {
    let form = match *method {
        Method::PATCH => "application/merge-patch+json",
        _ => "application/json",
    };
    let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
    let request = Request::builder().method(method.clone()).uri(path).extension(hand);
    request.header(CONTENT_TYPE, form).body(Body::from(bytes))
}

/// What kube put together, signed.
async fn ask(
    asked: String,
    call: Call,
    request: Request<Body>,
    (signed, peer): (&Signed, &Peer),
) -> Result<Ask, Failure> {
    let (mut head, body) = request.into_parts();
    let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    let mut url = Url::parse(&head.uri.to_string()).map_err(|_| http::unmade(&asked))?;
    if let Some(host) = peer.call_by_name(&mut url) {
        head.headers.insert(HOST, host);
    }
    if let Some(header) = &signed.header {
        head.headers.insert(AUTHORIZATION, header.clone());
    }
    let request = signed.client.request(head.method, url).headers(head.headers).body(body);
    Ask::of(asked, call, request, LONGEST_BODY)
}
