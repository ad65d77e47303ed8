//! A server that answers what it is told to, over a real connection: answers that no server should give.

use std::cell::OnceCell;
use std::future::Future;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use url::Url;

use crate::text::{hostile, likely, several};

/// An answer that never ends is given up after this time.
const PATIENCE: Duration = Duration::from_millis(500);

/// One answer, as it goes over the wire.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Head and body.
    pub bytes: Vec<u8>,
    /// The connection is closed behind it.
    pub closes: bool,
}

/// What the server does: the answers to choose from, and what it was asked.
#[derive(Debug, Default)]
struct Script {
    answers: Vec<Answer>,
    asked: Vec<String>,
}

/// The server, a second one at another address that nobody may speak to, and the runtime both run on.
pub struct Peer {
    runtime: Runtime,
    /// Its address.
    pub url: Url,
    /// The other one's address.
    pub elsewhere: Url,
    /// The product's own client.
    pub client: reqwest::Client,
    script: Arc<Mutex<Script>>,
    strayed: Arc<Mutex<Vec<String>>>,
}

thread_local! {
    static PEER: OnceCell<Rc<Peer>> = const { OnceCell::new() };
}

impl Peer {
    /// This thread's own, which lives as long as the thread.
    ///
    /// # Panics
    /// Where loopback can't be listened on.
    #[must_use]
    pub fn here() -> Rc<Self> {
        PEER.with(|peer| Rc::clone(peer.get_or_init(|| Rc::new(Self::start()))))
    }

    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (script, strayed) = <(Arc<Mutex<Script>>, Arc<Mutex<Vec<String>>>)>::default();
        let (url, elsewhere) = runtime.block_on(async {
            let here = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
            let other = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
            let url = |listener: &TcpListener| {
                let address = listener.local_addr().expect("an address");
                Url::parse(&format!("http://{address}/")).expect("an address")
            };
            let urls = (url(&here), url(&other));
            tokio::spawn(accept(here, Arc::clone(&script)));
            tokio::spawn(count(other, Arc::clone(&strayed)));
            urls
        });
        let client = keyrotor::http::client(PATIENCE).expect("a client");
        Self { runtime, url, elsewhere, client, script, strayed }
    }

    /// Runs something that speaks to the server, which gives these answers. Which one a request gets follows from its
    /// method and address alone.
    ///
    /// # Panics
    /// Where anything was sent to the other server.
    pub fn with<T>(&self, answers: Vec<Answer>, work: impl Future<Output = T>) -> (T, Vec<String>) {
        *self.script.lock().unwrap_or_else(PoisonError::into_inner) = Script { answers, asked: Vec::new() };
        let done = self.runtime.block_on(work);
        let strayed = self.strayed.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(strayed.is_empty(), "something was sent elsewhere: {strayed:?}");
        (done, std::mem::take(&mut self.script.lock().unwrap_or_else(PoisonError::into_inner).asked))
    }
}

async fn accept(listener: TcpListener, script: Arc<Mutex<Script>>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(converse(stream, Arc::clone(&script)));
    }
}

/// Connections to the other server, each with how its request begins.
async fn count(listener: TcpListener, strayed: Arc<Mutex<Vec<String>>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut begin = [0; 64];
        let read = stream.read(&mut begin).await.unwrap_or_default();
        let begin = String::from_utf8_lossy(begin.get(..read).unwrap_or_default()).into_owned();
        strayed.lock().unwrap_or_else(PoisonError::into_inner).push(begin);
    }
}

async fn converse(stream: TcpStream, script: Arc<Mutex<Script>>) {
    let mut stream = BufReader::new(stream);
    while let Some(asked) = request(&mut stream).await {
        let answer = {
            let mut script = script.lock().unwrap_or_else(PoisonError::into_inner);
            let line = asked.lines().next().unwrap_or_default();
            let number = line.bytes().fold(7usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
            let answer = number.checked_rem(script.answers.len()).and_then(|at| script.answers.get(at)).cloned();
            script.asked.push(asked);
            answer
        };
        let Some(answer) = answer else { return };
        if stream.write_all(&answer.bytes).await.is_err() || answer.closes {
            return;
        }
    }
}

/// The request's first line without its end, and its body behind it.
async fn request(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut first = String::new();
    stream.read_line(&mut first).await.ok().filter(|read| *read > 0)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().ok()?,
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(format!("{}\n{}", first.trim_end().trim_end_matches(" HTTP/1.1"), String::from_utf8_lossy(&body)))
}

/// Headers that clients act on, each with a value that may be right.
const HEADERS: &[(&str, &[&str])] = &[
    ("date", &["Tue, 01 Dec 2026 10:00:00 GMT", "Tue, 32 Dec 2026 10:00:00 GMT", "0"]),
    ("retry-after", &["0", "1", "120", "99999999999999999999", "-1", "Tue, 01 Dec 2026 10:00:09 GMT"]),
    ("x-ratelimit-reset", &["1796119290", "0", "-1", "99999999999999999999"]),
    ("x-ratelimit-remaining", &["0", "1", ""]),
    ("x-accepted-github-permissions", &["secrets=write"]),
    ("x-github-sso", &["required; url=https://github.com/orgs/a/sso"]),
    ("x-github-request-id", &["C0FF:EE"]),
    ("github-authentication-token-expiration", &["2026-12-03 10:00:00 UTC", "2026-12-01 10:00:00 +0200", "soon"]),
    ("x-oauth-scopes", &["repo, admin:org", ""]),
    ("content-type", &["application/json", "text/html; charset=utf-8"]),
    ("content-encoding", &["gzip", "br", "identity"]),
    ("transfer-encoding", &["chunked"]),
    (
        "location",
        &[
            "/",
            "/v1/keys",
            "//",
            "http:",
            "https://evil.test/",
            "\\\\evil.test",
            "file:///etc/passwd",
            "?x=1",
            "repositories/1",
        ],
    ),
    ("set-cookie", &["a=b"]),
    ("connection", &["close", "keep-alive", "upgrade"]),
];

const STATUSES: &[u16] = &[
    200, 200, 200, 200, 201, 202, 204, 206, 300, 301, 302, 303, 307, 308, 304, 400, 401, 402, 403, 404, 405, 408, 409,
    410, 413, 422, 429, 451, 500, 502, 503, 504, 599, 999,
];

fn header(u: &mut Unstructured<'_>, elsewhere: &Url) -> Result<String> {
    let (name, values) = u.choose(HEADERS)?;
    let value = if *name == "location" && u.arbitrary()? { format!("{elsewhere}x") } else { likely(u, values)? };
    // What ends a header's line would make the answer another one; that is tried below.
    let value: String = value.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    Ok(format!("{name}: {value}\r\n"))
}

/// An answer with a body that someone made, or bytes that are hardly an answer.
///
/// # Errors
/// Where the input is used up.
pub fn answer(
    u: &mut Unstructured<'_>,
    peer: &Peer,
    body: impl FnOnce(&mut Unstructured<'_>) -> Result<String>,
) -> Result<Answer> {
    if u.ratio(1, 12)? {
        let bytes = if u.arbitrary()? { u.arbitrary()? } else { format!("HTTP/1.1 {}", hostile(u)?).into_bytes() };
        return Ok(Answer { bytes, closes: true });
    }
    let status = *u.choose(STATUSES)?;
    let mut head = format!("HTTP/1.1 {status} X\r\n");
    if u.ratio(5, 6)? {
        head.push_str("date: Tue, 01 Dec 2026 10:00:00 GMT\r\n");
    }
    several(u, 3, |u| header(u, &peer.elsewhere))?.iter().for_each(|header| head.push_str(header));
    let body = if matches!(status, 204 | 304) { String::new() } else { body(u)? };
    let length = if u.ratio(1, 20)? { body.len() + 1 } else { body.len() };
    if !matches!(status, 204 | 304) {
        head.push_str(&format!("content-length: {length}\r\n"));
    }
    let bytes = format!("{head}\r\n{body}").into_bytes();
    // A length that is wrong, or two of them: the connection is of no use behind it.
    let closes = length != body.len() || head.contains("transfer-encoding") || head.contains("connection");
    Ok(Answer { bytes, closes })
}
