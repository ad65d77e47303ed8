//! The one place where a byte leaves: a request is sent once, and what comes back is read up to a bound.

use std::fmt;

use ::http::{HeaderMap, StatusCode, Uri};
use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::{Client, Request, RequestBuilder, Response};
use zeroize::Zeroizing;

use super::{BodyError, Call, Failure, TRUST, Trace, lost, server_date, transport_failure};

/// What carries requests to a server.
#[async_trait(?Send)]
pub trait Transport {
    /// Sends one, and answers with whatever came back.
    ///
    /// # Errors
    /// A lost answer.
    async fn carry(&self, request: Request) -> reqwest::Result<Response>;
}

#[async_trait(?Send)]
impl Transport for Client {
    async fn carry(&self, request: Request) -> reqwest::Result<Response> {
        self.execute(request).await
    }
}

/// What is asked of a server.
pub(crate) struct Ask {
    /// For messages: `GET /repos/acme/app`.
    pub(crate) asked: String,
    /// Whether it may change something.
    pub(crate) call: Call,
    /// What is sent.
    pub(crate) request: Request,
    /// Of an answer's body no more bytes than this are read.
    pub(crate) longest: usize,
    /// What helps where the server's certificate is not trusted.
    pub(crate) trust: &'static str,
    /// The status of a success says all that was done, whatever becomes of its body.
    pub(crate) by_status: bool,
}

impl Ask {
    /// A request that is not told by its status alone.
    ///
    /// # Errors
    /// Refused where it is no request.
    pub(crate) fn of(asked: String, call: Call, request: RequestBuilder, longest: usize) -> Result<Self, Failure> {
        match request.build() {
            Ok(request) => Ok(Self { asked, call, request, longest, trust: TRUST, by_status: false }),
            Err(_) => Err(unmade(&asked)),
        }
    }
}

/// What was asked is no request.
pub(crate) fn unmade(asked: &str) -> Failure {
    Failure::refused(format!("{asked}: the request could not be put together"))
}

/// An answer, whatever its status, and what its reader knows of it.
#[derive(Clone)]
pub struct Answer<Of = ()> {
    /// What was asked, for messages: `GET /repos/acme/app/actions/secrets/public-key`.
    pub asked: String,
    /// Whether that may have changed something.
    pub call: Call,
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; empty where it was cut off and the status says enough.
    pub body: Zeroizing<Vec<u8>>,
    /// What its reader knows of it.
    pub of: Of,
}

/// A secret may stand in the body.
impl<Of> fmt::Debug for Answer<Of> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({}: {})", self.asked, self.status)
    }
}

impl<Of> Answer<Of> {
    /// The same to another reader.
    #[must_use]
    pub fn to<Reader>(self, of: Reader) -> Answer<Reader> {
        let Self { asked, call, status, headers, body, .. } = self;
        Answer { asked, call, status, headers, body, of }
    }

    /// The server's own clock when it answered, whole seconds.
    ///
    /// # Errors
    /// An answer without `Date`: refused after a read. After a write nothing can be taken back, so that it is unknown.
    pub fn date(&self) -> Result<Timestamp, Failure> {
        server_date(&self.headers).ok_or_else(|| undated(self.call, &self.asked))
    }

    /// A header's value, where it is there and plain ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What an answer without `Date` says: refused after a read, unknown after a write.
pub(crate) fn undated(call: Call, asked: &str) -> Failure {
    let message = format!("{asked}: the answer has no Date header, without which no time can be compared");
    match call {
        Call::Read => Failure::refused(message),
        Call::Write => lost(call, message),
    }
}

/// Sends one request, once, and answers with whatever status came. The trace hears of it, the server's name put before
/// what was asked.
///
/// # Errors
/// A lost answer, or a success whose body does not come to its end and would say more than its status.
pub(crate) async fn exchange(
    transport: &dyn Transport,
    (trace, server): (&Trace, &str),
    ask: Ask,
) -> Result<Answer, Failure> {
    let Ask { asked, call, request, longest, trust, by_status } = ask;
    // The one thing of a request that may be no request: reqwest would find it while sending.
    if request.url().as_str().parse::<Uri>().is_err() {
        return Err(unmade(&asked));
    }
    let telling = trace.begin(&format!("{server}{asked}"));
    let response = match transport.carry(request).await {
        Ok(response) => response,
        Err(error) => {
            let failure = super::lost_on_the_way(call, &asked, &error, trust);
            telling.failed(&failure);
            return Err(failure);
        }
    };
    let (status, headers) = (response.status(), response.headers().clone());
    telling.answered(status, &headers);
    let body = match super::body(response, longest).await {
        Ok(body) => body,
        Err(_) if by_status || !status.is_success() => Vec::new(),
        Err(error) => return Err(cut_off(call, &asked, &error)),
    };
    Ok(Answer { asked, call, status, headers, body: Zeroizing::new(body), of: () })
}

/// Sends one request for a library that reads the answer itself: its status, headers and body, which is empty where it was cut
/// off and the status says enough.
///
/// # Errors
/// A lost answer, or a success whose body does not come to its end.
#[cfg(feature = "aws")]
pub(crate) async fn whole(
    request: RequestBuilder,
    longest: usize,
) -> Result<(StatusCode, HeaderMap, Vec<u8>), BodyError> {
    let response = request.send().await?;
    let (status, headers) = (response.status(), response.headers().clone());
    match super::body(response, longest).await {
        Ok(body) => Ok((status, headers, body)),
        Err(_) if !status.is_success() => Ok((status, headers, Vec::new())),
        Err(error) => Err(error),
    }
}

/// A read that is answered at too great a length would be so again.
fn cut_off(call: Call, asked: &str, error: &BodyError) -> Failure {
    match (error, call) {
        (BodyError::Broken(error), _) => transport_failure(call, asked, error),
        (too_large, Call::Read) => Failure::refused(format!("{asked}: {too_large}")),
        (too_large, Call::Write) => lost(call, format!("{asked}: {too_large}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_date_a_read_is_refused_and_a_write_unknown() {
        let answer = |call| {
            let (asked, status, headers, body) = ("PUT /x".into(), StatusCode::OK, HeaderMap::new(), Vec::new().into());
            Answer { asked, call, status, headers, body, of: () }
        };
        assert!(matches!(answer(Call::Read).date(), Err(Failure::Refused(_))));
        assert!(matches!(answer(Call::Write).date(), Err(Failure::Unknown { .. })));
        let mut dated = answer(Call::Write);
        dated.headers.insert("date", ::http::HeaderValue::from_static("Tue, 01 Dec 2026 10:00:00 GMT"));
        assert_eq!(dated.date().map(|date| date.to_string()).as_deref(), Ok("2026-12-01T10:00:00Z"));
    }
}
