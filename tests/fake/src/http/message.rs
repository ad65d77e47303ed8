//! Requests and replies, without the transport.

use serde_json::Value;

use crate::fault::Server;
use crate::world::State;

/// The header with a Vault token.
const VAULT_TOKEN: &str = "x-vault-token";
/// The header with the token of an AWS session.
const AWS_TOKEN: &str = "x-amz-security-token";

/// What TLS tells of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// It has shown a certificate that the servers' own authority vouches for.
    pub is_certified: bool,
    /// The server's name as it said it before anything was encrypted.
    pub asks_for: Option<String>,
}

/// A request, read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbound {
    /// Where it arrived.
    pub server: Server,
    /// Who asks.
    pub client: Client,
    /// Its method.
    pub method: String,
    /// Its path.
    pub path: String,
    /// Its query, without the `?`.
    pub query: String,
    /// The header `Authorization`.
    pub authorization: Option<String>,
    /// The header `Host`.
    pub host: String,
    /// All headers; names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Inbound {
    /// The headers without the credential, of which only the scheme is left.
    #[must_use]
    pub fn harmless_headers(&self) -> Vec<(String, String)> {
        let harmless = |(name, value): &(String, String)| {
            let shown = match name.as_str() {
                "authorization" => format!("{} ***", value.split(' ').next().unwrap_or_default()),
                VAULT_TOKEN | AWS_TOKEN => "***".to_owned(),
                _ => value.clone(),
            };
            (name.clone(), shown)
        };
        self.headers.iter().map(harmless).collect()
    }

    /// The path with the query.
    #[must_use]
    pub fn path_and_query(&self) -> String {
        if self.query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.query) }
    }

    /// The body, unless what is written stands in it unsealed.
    #[must_use]
    pub fn harmless_body(&self) -> Vec<u8> {
        match self.server {
            Server::Issuer | Server::GitHub | Server::Runner => self.body.clone(),
            Server::Vault | Server::Aws | Server::Kubernetes => Vec::new(),
        }
    }

    /// One header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The key or token behind `Bearer` or `token`, or Vault's.
    #[must_use]
    pub fn credential(&self) -> Option<&str> {
        if self.server == Server::Vault {
            return self.header(VAULT_TOKEN);
        }
        let (scheme, credential) = self.authorization.as_deref()?.split_once(' ')?;
        let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
        known.then(|| credential.trim())
    }

    /// One value of the query. None of those in use here needs decoding.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        let pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next()
    }

    /// One number of the query.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<usize> {
        self.query(name)?.parse().ok()
    }

    /// The parts of the path.
    #[must_use]
    pub fn segments(&self) -> Vec<&str> {
        self.path.split('/').filter(|part| !part.is_empty()).collect()
    }

    /// The parts of the path, each with its percent-encoding taken off.
    #[must_use]
    pub fn decoded_segments(&self) -> Vec<String> {
        let decoded = |part: &&str| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
        self.segments().iter().map(decoded).collect()
    }

    /// The body, where it is JSON.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// A reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Reply {
    /// A reply without a body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// A reply with a JSON body, or what is said to be one.
    #[must_use]
    pub fn json(status: u16, body: impl ToString) -> Self {
        Self::empty(status).with("content-type", "application/json").holding(body)
    }

    /// With another header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// With this body.
    #[must_use]
    pub fn holding(mut self, body: impl ToString) -> Self {
        self.body = body.to_string();
        self
    }

    /// With the server's own time.
    #[must_use]
    pub fn dated(self, state: &State, server: Server) -> Self {
        let clock = match server {
            Server::Issuer => &state.issuer.clock,
            Server::GitHub => &state.github.clock,
            Server::Runner => &state.runner.clock,
            Server::Vault => &state.vault.clock,
            Server::Aws => &state.aws.clock,
            Server::Kubernetes => &state.kubernetes.clock,
        };
        let date = clock.http_date();
        self.with("date", date)
    }
}
