//! One request to an issuer and its answer.

use std::borrow::Cow;

use ::http::header::{AUTHORIZATION, CACHE_CONTROL, LOCATION};
use ::http::{Method, StatusCode};
use futures_util::FutureExt as _;
use jiff::Timestamp;
use serde_json::Value;
use url::Url;

use super::fault::{Credential, fault_text, hint, is_documented, redirect_hint};
use super::single_flight::SingleFlight;
use crate::http::{self, Call, Client, Failure, Refusal, Trace, Words, exchange, server_text};
use crate::secret::{Redactor, Secret};

/// A list page of 100 keys or every model a gateway knows are well below this.
const LARGEST_BODY: usize = 8 * 1024 * 1024;

/// The root of an API's address: without a trailing slash, `/v1`, `/api/v1`, query, fragment or credentials.
#[must_use]
pub fn root(address: &Url) -> Url {
    let mut root = address.clone();
    root.set_query(None);
    root.set_fragment(None);
    // Both fail only for addresses that have no host, which carry no credentials either.
    let _ = root.set_username("");
    let _ = root.set_password(None);
    let mut path = root.path().trim_end_matches('/');
    path = path.strip_suffix("/v1").unwrap_or(path).trim_end_matches('/');
    path = path.strip_suffix("/api").unwrap_or(path).trim_end_matches('/');
    let path = path.to_owned();
    root.set_path(&path);
    root
}

/// Who signs a call, and what that is to this run.
#[derive(Clone, Debug)]
pub(super) struct Signer {
    pub(super) secret: Secret,
    pub(super) credential: Credential,
}

/// One request.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    /// Fixed text such as `/api/v1/keys`.
    pub(super) path: &'a str,
    /// One more path segment: a key's id.
    pub(super) id: Option<&'a str>,
    /// Fixed text behind the id: `/assignments/keys`.
    pub(super) rest: &'a str,
    pub(super) query: &'a [(&'static str, Cow<'a, str>)],
    pub(super) body: Option<&'a Value>,
}

impl<'a> Ask<'a> {
    pub(super) fn new(method: Method, path: &'a str) -> Self {
        Self { method, path, id: None, rest: "", query: &[], body: None }
    }

    pub(super) fn get(path: &'a str) -> Self {
        Self::new(Method::GET, path)
    }

    fn call(&self) -> Call {
        if self.method == Method::GET { Call::Read } else { Call::Write }
    }

    fn url(&self, root: &Url, redactor: &Redactor) -> Result<Url, Failure> {
        let mut url = root.clone();
        url.set_path(&format!("{}{}", root.path().trim_end_matches('/'), self.path));
        if let Some(id) = self.id {
            // A dot segment, also one with a tab in it, would make this the address of all keys.
            if matches!(id, "" | "." | "..") || id.chars().any(char::is_control) {
                return Err(Failure::refused(format!("`{}` is not a key's id", server_text(id, redactor))));
            }
            url.path_segments_mut().map_err(|()| Failure::refused("the issuer's address has no path"))?.push(id);
            url.set_path(&format!("{}{}", url.path(), self.rest));
        }
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(self.query);
        }
        Ok(url)
    }

    /// The id is a server's text.
    fn name(&self, redactor: &Redactor) -> String {
        let id = self.id.map(|id| format!("/{}", server_text(id, redactor))).unwrap_or_default();
        format!("issuer {} {}{id}{}", self.method, self.path, self.rest)
    }
}

/// An answer, and whose credential asked.
pub(super) type Answer = http::Answer<Credential>;

impl Answer {
    /// The body of a 2xx as JSON; `None` where it is none.
    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The failure of an answer that is a 2xx without the sense it should have. Its text is never shown: it may hold
    /// a new key.
    pub(super) fn nonsense(&self, what: &str) -> Failure {
        let message = format!("{}: {}, but {what}", self.asked, self.status.as_u16());
        http::lost(self.call, message)
    }

    /// The answer itself if it is a 2xx, else the failure that it stands for.
    pub(super) fn success(self, redactor: &Redactor) -> Result<Self, Failure> {
        if self.status.is_success() {
            return Ok(self);
        }
        let message = self.complaint(redactor);
        // It says where the result of what was done can be seen.
        if self.status == StatusCode::SEE_OTHER && self.call == Call::Write {
            return Err(Failure::Unknown { message, retry_after: None });
        }
        if self.status.is_redirection() {
            let hint = Some(redirect_hint(self.redirects_to(redactor).as_deref()));
            let refusal = Refusal { status: Some(self.status.as_u16()), message, hint };
            return Err(http::refusal(self.call == Call::Read, refusal));
        }
        let (words, hint) = (Words::own_if(is_documented(&self.body)), hint(self.status, self.of));
        Err(http::status_failure((self.call, words), self.status, message, hint, self.wait()))
    }

    /// `issuer POST /api/v1/keys: 402: Insufficient credits`.
    pub(super) fn complaint(&self, redactor: &Redactor) -> String {
        let said = fault_text(&self.body, self.status, redactor);
        let said = if said.is_empty() { self.status.canonical_reason().unwrap_or("no text").to_owned() } else { said };
        format!("{}: {}: {said}", self.asked, self.status.as_u16())
    }

    fn redirects_to(&self, redactor: &Redactor) -> Option<String> {
        let location = self.headers.get(LOCATION)?.to_str().ok()?;
        let place = Url::parse(location).map_or_else(
            // A key may stand in it.
            |_| "another path".to_owned(),
            |url| url.origin().ascii_serialization(),
        );
        Some(server_text(&place, redactor))
    }

    /// `Retry-After`, else the time until `X-RateLimit-Reset` (unix seconds) of a 429.
    fn wait(&self) -> Option<std::time::Duration> {
        http::retry_after(&self.headers).or_else(|| {
            let reset = self.headers.get("x-ratelimit-reset")?.to_str().ok()?.trim().parse().ok()?;
            let until = Timestamp::from_second(reset).ok()?;
            if self.status != StatusCode::TOO_MANY_REQUESTS {
                return None;
            }
            std::time::Duration::try_from(until.duration_since(self.date().ok()?)).ok()
        })
    }
}

/// Sends requests to one issuer.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    pub(super) client: Client,
    pub(super) root: Url,
    pub(super) redactor: Redactor,
    pub(super) trace: Trace,
}

impl Wire {
    /// One request, sent once. The error is that of the transport, or of a 2xx whose body does not come to its end.
    pub(super) async fn send(&self, ask: Ask<'_>, signer: &Signer) -> Result<Answer, Failure> {
        self.outgoing(&ask, signer)?.send().await
    }

    /// The success of a read, which others may be waiting for already.
    pub(super) async fn read(
        &self,
        ask: Ask<'_>,
        signer: &Signer,
        single_flight: Option<&SingleFlight>,
    ) -> Result<Answer, Failure> {
        match single_flight {
            Some(single_flight) => self.join(ask, signer, single_flight).await?,
            None => self.send(ask, signer).await?,
        }
        .success(&self.redactor)
    }

    async fn join(&self, ask: Ask<'_>, signer: &Signer, single_flight: &SingleFlight) -> Result<Answer, Failure> {
        let outgoing = self.outgoing(&ask, signer)?;
        let address = ask.url(&self.root, &self.redactor)?.to_string();
        single_flight.join(address, &signer.secret, || outgoing.send().boxed_local()).await
    }

    fn outgoing(&self, ask: &Ask<'_>, signer: &Signer) -> Result<Outgoing, Failure> {
        let call = ask.call();
        let url = ask.url(&self.root, &self.redactor)?;
        let unfit = || Failure::refused(format!("the credential in {} can't stand in a header", signer.credential));
        let bearer = http::bearer(&signer.secret).ok_or_else(unfit)?;
        let mut request = self.client.request(ask.method.clone(), url).header(AUTHORIZATION, bearer);
        if call == Call::Read {
            request = request.header(CACHE_CONTROL, "no-cache");
        }
        if let Some(body) = ask.body {
            request = request.json(body);
        }
        let ask = http::Ask::of(ask.name(&self.redactor), call, request, LARGEST_BODY)?;
        Ok(Outgoing { ask, client: self.client.clone(), credential: signer.credential, trace: self.trace.clone() })
    }
}

/// A request that is ready to be sent.
struct Outgoing {
    ask: http::Ask,
    client: Client,
    credential: Credential,
    trace: Trace,
}

impl Outgoing {
    async fn send(self) -> Result<Answer, Failure> {
        Ok(exchange(&self.client, (&self.trace, ""), self.ask).await?.to(self.credential))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_means_the_same_however_it_ends() {
        for (given, expected) in [
            ("https://api.arouter.ai", "https://api.arouter.ai/"),
            ("https://api.arouter.ai/", "https://api.arouter.ai/"),
            ("https://api.arouter.ai/v1", "https://api.arouter.ai/"),
            ("https://api.arouter.ai/v1/", "https://api.arouter.ai/"),
            ("https://api.arouter.ai/api/v1//", "https://api.arouter.ai/"),
            ("https://user:pw@gw.corp:8443/arouter/api/v1?x=1#y", "https://gw.corp:8443/arouter"),
        ] {
            assert_eq!(Url::parse(given).map(|url| root(&url).to_string()), Ok(expected.to_owned()), "{given}");
        }
    }

    #[test]
    fn an_id_is_one_segment_whatever_it_holds() {
        let address = Url::parse("https://gw.corp/arouter").map(|url| root(&url));
        let url = |id| {
            let ask = Ask { id: Some(id), ..Ask::new(Method::DELETE, "/api/v1/keys") };
            address.clone().ok().and_then(|root| ask.url(&root, &Redactor::new()).ok()).map(|url| url.to_string())
        };
        assert_eq!(url("a/../b?c"), Some("https://gw.corp/arouter/api/v1/keys/a%2F..%2Fb%3Fc".to_owned()));
        for not_an_id in ["", ".", "..", ".\t."] {
            assert_eq!(url(not_an_id), None);
        }
    }
}
