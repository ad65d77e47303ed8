//! A server for unit tests that gives ready-made answers and remembers what it was asked.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use url::Url;

/// One request, as it came.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// `GET /v1/models?page_size=100`.
    pub(super) line: String,
    /// Header lines in lower case names.
    pub(super) headers: Vec<String>,
    pub(super) body: String,
}

impl Asked {
    pub(super) fn is(&self, start: &str) -> bool {
        self.line == start || self.line.starts_with(&format!("{start}?"))
    }
}

/// The server, which lives as long as the test program.
pub(super) struct Canned {
    pub(super) url: Url,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Canned {
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// An answer with this status and body, and a date.
pub(super) fn answer(status: u16, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\ndate: Tue, 01 Dec 2026 12:00:00 GMT\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// Answers every request with the raw text that `reply` makes of it.
pub(super) fn serve(reply: impl Fn(&Asked) -> String + Send + Sync + 'static) -> std::io::Result<Canned> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = Url::parse(&format!("http://{}", listener.local_addr()?)).map_err(std::io::Error::other)?;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (reply, log) = (Arc::new(reply), Arc::clone(&asked));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (reply, log) = (Arc::clone(&reply), Arc::clone(&log));
            std::thread::spawn(move || one(&stream, &*reply, &log));
        }
    });
    Ok(Canned { url, asked })
}

fn one(mut stream: &TcpStream, reply: &dyn Fn(&Asked) -> String, log: &Mutex<Vec<Asked>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim_end().is_empty() {
            break;
        }
        head.push(line.trim_end().to_owned());
    }
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = String::new();
    reader.take(length).read_to_string(&mut body)?;
    let line = head.first().map(|line| line.trim_end_matches(" HTTP/1.1").to_owned()).unwrap_or_default();
    let asked = Asked { line, headers: head, body };
    log.lock().unwrap_or_else(PoisonError::into_inner).push(asked.clone());
    let text = reply(&asked).replacen("\r\n", "\r\nconnection: close\r\n", 1);
    stream.write_all(text.as_bytes())
}
