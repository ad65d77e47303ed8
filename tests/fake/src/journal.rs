//! Every request that was made, and how it ended.

use jiff::Timestamp;

use crate::fault::Server;

/// How a request ended for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// Not yet.
    Waiting,
    /// With this status.
    Status(u16),
    /// With this status, but the body broke off.
    Broken(u16),
    /// The connection was closed without an answer.
    Dropped,
    /// No answer ever comes.
    Hung,
}

/// A request. No secret is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its number in the whole run, from 1.
    pub nth: usize,
    /// Where it arrived.
    pub server: Server,
    /// Its method.
    pub method: String,
    /// Its path, with the query.
    pub path: String,
    /// Who asked: `management key root`, `key production-2026-10-01`, `token ci`, `nobody`, `a stranger`.
    pub role: String,
    /// Its headers, where it came over the wire; names in lower case, the credential left out.
    pub headers: Vec<(String, String)>,
    /// Its body, where it came over the wire. Secrets in it are sealed; keys' values are never sent in one.
    pub body: Vec<u8>,
    /// When it arrived, on the world's clock.
    pub at: Timestamp,
    /// How it ended for the client.
    pub answered: Answered,
    /// When it took effect, on the world's clock; `None` where it never reached the state.
    pub applied_at: Option<Timestamp>,
}

/// All requests.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// In the order of their arrival.
    pub requests: Vec<Request>,
    /// Requests that are being answered now.
    pub in_flight: usize,
    /// The most that were at once.
    pub most_in_flight: usize,
}

impl Journal {
    /// Notes an arrival; returns its number.
    pub fn arrive(&mut self, server: Server, method: &str, path: &str, role: String, at: Timestamp) -> usize {
        let nth = self.requests.len() + 1;
        self.requests.push(Request {
            nth,
            server,
            method: method.to_owned(),
            path: path.to_owned(),
            role,
            headers: Vec::new(),
            body: Vec::new(),
            at,
            answered: Answered::Waiting,
            applied_at: None,
        });
        self.in_flight += 1;
        self.most_in_flight = self.most_in_flight.max(self.in_flight);
        nth
    }

    /// Notes what came over the wire with a request.
    pub fn sent(&mut self, nth: usize, headers: Vec<(String, String)>, body: Vec<u8>) {
        let request = &mut self.requests[nth - 1];
        (request.headers, request.body) = (headers, body);
    }

    /// Notes that a request took effect.
    pub fn applied(&mut self, nth: usize, at: Timestamp) {
        self.requests[nth - 1].applied_at = Some(at);
    }

    /// Notes how a request ended.
    pub fn answered(&mut self, nth: usize, how: Answered) {
        self.requests[nth - 1].answered = how;
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// The requests to one server by one method.
    #[must_use]
    pub fn of(&self, server: Server, method: &str) -> Vec<&Request> {
        self.requests.iter().filter(|request| request.server == server && request.method == method).collect()
    }
}
