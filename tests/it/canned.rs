//! A server on loopback that answers what a test says, for answers that no well-behaved peer gives.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use http::{HeaderMap, HeaderName};
use url::Url;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// What is sent back: a status line and headers as they go over the wire, and a body. An empty head hangs up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) head: String,
    pub(crate) body: String,
}

/// The clock of every [`reply`].
pub(crate) const DATE: &str = "Tue, 01 Dec 2026 10:00:00 GMT";

/// An answer with a `Date`.
pub(crate) fn reply(status: u16, headers: &str, body: &str) -> Reply {
    Reply { head: format!("HTTP/1.1 {status} \r\ndate: {DATE}\r\n{headers}"), body: body.to_owned() }
}

/// The server. Its threads end with the test's process.
pub(crate) struct Canned {
    pub(crate) url: Url,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Canned {
    /// Serves each connection in its own thread.
    pub(crate) fn serve(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let (seen, answer) = (Arc::<Mutex<Vec<Seen>>>::default(), Arc::new(answer));
        let log = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                std::thread::spawn(move || exchange(stream.unwrap(), &log, &*answer));
            }
        });
        Self { url, seen }
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn exchange(mut stream: TcpStream, log: &Mutex<Vec<Seen>>, answer: &dyn Fn(&Seen) -> Reply) {
    let Some(request) = read(&stream) else { return };
    log.lock().unwrap().push(request.clone());
    let Reply { head, body } = answer(&request);
    if head.is_empty() {
        return;
    }
    // No length for an empty body: a 204 must not carry one.
    let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    let _ = write!(stream, "{head}{length}connection: close\r\n\r\n{body}");
}

fn read(stream: &TcpStream) -> Option<Seen> {
    let mut lines = BufReader::new(stream);
    let mut first = String::new();
    lines.read_line(&mut first).ok()?;
    let mut words = first.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HeaderMap::new();
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.append(HeaderName::from_bytes(name.as_bytes()).ok()?, value.parse().ok()?);
    }
    let length = headers.get("content-length").map_or(Some(0), |length| length.to_str().ok()?.parse().ok())?;
    let mut body = vec![0; length];
    lines.read_exact(&mut body).ok()?;
    Some(Seen { method, target, headers, body })
}
