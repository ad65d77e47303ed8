//! From sockets to [`exchange`] and back.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use http::Response;
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use super::message::{Client, Inbound, Reply};
use super::tls::Identity;
use super::{Ending, exchange};
use crate::fault::Server;
use crate::world::World;

/// How long the first half of a body has to reach the client before the connection breaks.
const HALF_BODY_PAUSE: Duration = Duration::from_millis(20);

/// All servers, until this is dropped.
#[derive(Debug)]
pub struct Fakes {
    /// `http://127.0.0.1:PORT`, or `https://localhost:PORT`, without a path.
    pub issuer_url: String,
    /// `http://127.0.0.1:PORT`, or `https://localhost:PORT`, without a path.
    pub github_url: String,
    urls: Urls,
    /// Who vouches for the servers, in PEM; `None` where they are plain.
    pub authority: Option<String>,
    /// A certificate by which a client may be known there, and its key, in PEM; `None` where they are plain.
    pub client: Option<(String, String)>,
    accepting: Vec<AbortHandle>,
    thread: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

type Urls = BTreeMap<Server, String>;

impl Fakes {
    /// Where a server is: `http://127.0.0.1:PORT`, or `https://localhost:PORT`, without a path.
    #[must_use]
    pub fn url(&self, server: Server) -> &str {
        &self.urls[&server]
    }

    /// Starts all servers on the current runtime.
    ///
    /// # Errors
    /// Where loopback can't be listened on.
    pub async fn start(world: World) -> io::Result<Self> {
        Self::listen(world, None, &[]).await
    }

    async fn listen(world: World, identity: Option<Identity>, with_tls: &[Server]) -> io::Result<Self> {
        let acceptor = |server| identity.as_ref().filter(|_| with_tls.contains(&server)).map(|it| it.acceptor.clone());
        let (mut urls, mut accepting) = (Urls::new(), Vec::new());
        for server in Server::ALL {
            let (url, task) = listen(world.clone(), server, acceptor(server)).await?;
            urls.insert(server, url);
            accepting.push(task);
        }
        Ok(Self::at(urls, identity, accepting))
    }

    fn at(urls: Urls, identity: Option<Identity>, accepting: Vec<AbortHandle>) -> Self {
        let (issuer_url, github_url) = (urls[&Server::Issuer].clone(), urls[&Server::GitHub].clone());
        let (authority, client) = identity.map(|identity| (identity.authority, identity.client)).unzip();
        Self { issuer_url, github_url, urls, authority, client, accepting, thread: None }
    }

    /// Starts all servers on a thread of their own, for tests that run the real program and wait for it.
    ///
    /// # Errors
    /// Where loopback can't be listened on.
    ///
    /// # Panics
    /// Where the thread dies before the servers have started.
    pub fn spawn_thread(world: World) -> io::Result<Self> {
        Self::spawn(world, None, Vec::new())
    }

    /// The same, and these of them speak TLS, with a certificate of an authority that was made for them.
    ///
    /// # Errors
    /// Where loopback can't be listened on, or no certificate can be made.
    ///
    /// # Panics
    /// Where the thread dies before the servers have started.
    pub fn spawn_thread_with_tls(world: World, servers: &[Server]) -> io::Result<Self> {
        Self::spawn(world, Some(Identity::new()?), servers.to_vec())
    }

    fn spawn(world: World, identity: Option<Identity>, with_tls: Vec<Server>) -> io::Result<Self> {
        let (started, has_started) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let known = identity.clone();
        let thread = std::thread::Builder::new().name("fakes".into()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let served = runtime.map(|runtime| {
                runtime.block_on(async {
                    let fakes = Self::listen(world, identity, &with_tls).await;
                    let urls = fakes.as_ref().map(|fakes| fakes.urls.clone());
                    let _ = started.send(urls.map_err(|error| io::Error::from(error.kind())));
                    let _ = stopped.await;
                });
            });
            served.expect("a runtime");
        })?;
        let urls = has_started.recv().expect("the servers' thread lives")?;
        let mut fakes = Self::at(urls, known, Vec::new());
        fakes.thread = Some((stop, thread));
        Ok(fakes)
    }
}

impl Drop for Fakes {
    fn drop(&mut self) {
        for task in &self.accepting {
            task.abort();
        }
        if let Some((stop, thread)) = self.thread.take() {
            let _ = stop.send(());
            let _ = thread.join();
        }
    }
}

async fn listen(world: World, server: Server, acceptor: Option<TlsAcceptor>) -> io::Result<(String, AbortHandle)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let url = match &acceptor {
        None => format!("http://{address}"),
        Some(_) => format!("https://localhost:{}", address.port()),
    };
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (world, acceptor) = (world.clone(), acceptor.clone());
            tokio::spawn(async move {
                match acceptor {
                    None => converse(world, server, stream, Client::default()).await,
                    // A client that does not know the authority goes away here.
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            let tls = stream.get_ref().1;
                            let is_certified = tls.peer_certificates().is_some();
                            let client = Client { is_certified, asks_for: tls.server_name().map(str::to_owned) };
                            converse(world, server, stream, client).await;
                        }
                    }
                }
            });
        }
    });
    Ok((url, task.abort_handle()))
}

async fn converse(world: World, server: Server, stream: impl AsyncRead + AsyncWrite + Unpin, client: Client) {
    let service = service_fn(move |request| {
        let (world, client) = (world.clone(), client.clone());
        async move {
            let request = read(server, client, request).await?;
            // A task of its own: what has arrived is carried out, even if the client goes away meanwhile.
            let ending = tokio::spawn(exchange(world, request)).await.map_err(io::Error::other)?;
            match ending {
                Ending::Reply(reply) => Ok(response(reply, Text::whole)),
                Ending::HalfReply(reply) => Ok(response(reply, Text::half)),
                // hyper closes a connection whose service fails.
                Ending::Drop => Err(io::Error::other("dropped by a fault")),
                Ending::Hang => std::future::pending().await,
            }
        }
    });
    let _ = http1::Builder::new().header_read_timeout(None).serve_connection(TokioIo::new(stream), service).await;
}

async fn read(server: Server, client: Client, request: http::Request<Incoming>) -> io::Result<Inbound> {
    let (parts, body) = request.into_parts();
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Ok(Inbound {
        server,
        client,
        method: parts.method.to_string(),
        path: match header("x-amz-target").filter(|_| server == Server::Aws) {
            Some(target) => format!("/{}", target.rsplit('.').next().unwrap_or_default()),
            None => parts.uri.path().to_owned(),
        },
        query: parts.uri.query().unwrap_or_default().to_owned(),
        authorization: header("authorization"),
        host: header("host").unwrap_or_default(),
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        body: body.collect().await.map_err(io::Error::other)?.to_bytes().to_vec(),
    })
}

fn response(reply: Reply, body: fn(String) -> Text) -> Response<Text> {
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    if reply.status != 204 {
        response = response.header("content-length", reply.body.len());
    }
    response.body(body(reply.body)).expect("a reply's headers are valid")
}

/// A body: the whole text, or its first half and then a broken connection.
#[derive(Debug)]
struct Text {
    next: Option<Bytes>,
    length: u64,
    then_break: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Text {
    fn whole(text: String) -> Self {
        let length = u64::try_from(text.len()).expect("a length");
        Self { next: (!text.is_empty()).then(|| text.into()), length, then_break: None }
    }

    fn half(text: String) -> Self {
        let half = Bytes::from(text.clone()).slice(..text.len() / 2);
        let pause = Box::pin(tokio::time::sleep(HALF_BODY_PAUSE));
        Self { next: Some(half), then_break: Some(pause), ..Self::whole(text) }
    }
}

impl Body for Text {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(bytes) = self.next.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        match &mut self.then_break {
            None => Poll::Ready(None),
            // Waiting gives hyper the time to send the first half.
            Some(pause) => pause.as_mut().poll(context).map(|()| Some(Err(io::Error::other("broken by a fault")))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.next.is_none() && self.then_break.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}
