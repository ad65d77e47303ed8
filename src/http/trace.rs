//! Telling of every request, for whoever debugs.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use ::http::{HeaderMap, StatusCode};
use tokio::time::Instant;

use super::{Failure, one_line};

/// Where servers put their own number of a request, which their support asks for.
const REQUEST_IDS: [&str; 4] = ["x-github-request-id", "x-request-id", "x-amzn-requestid", "cf-ray"];
/// Such a number is shorter; what is longer is none.
const LONGEST_ID: usize = 80;

/// Takes a line for each request that has ended: what was asked of whom, what came of it, how long it took. Of headers
/// only the server's number of the request is in it, of bodies nothing. The listener takes secrets out.
#[derive(Clone, Default)]
pub struct Trace(Option<Listener>);

type Listener = Rc<dyn Fn(&str)>;

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trace")
    }
}

impl Trace {
    /// A trace that this listener hears.
    #[must_use]
    pub fn to(listener: impl Fn(&str) + 'static) -> Self {
        Self(Some(Rc::new(listener)))
    }

    /// A request begins, called so in its line: `issuer GET /api/v1/keys`.
    pub(crate) fn begin(&self, what: &str) -> Asked<'_> {
        Asked { trace: self, what: what.to_owned(), began: Instant::now(), told: false }
    }
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    trace: &'a Trace,
    what: String,
    began: Instant,
    told: bool,
}

impl Asked<'_> {
    /// It was answered.
    pub(crate) fn answered(mut self, status: StatusCode, headers: &HeaderMap) {
        let id = REQUEST_IDS.iter().find_map(|name| Some((name, headers.get(*name)?.to_str().ok()?)));
        let id = id.filter(|(_, id)| id.len() <= LONGEST_ID).map(|(name, id)| format!(", {name} {id}"));
        self.tell(&format!("{} in {}{}", status.as_u16(), self.took(), id.unwrap_or_default()));
    }

    /// No answer came.
    pub(crate) fn failed(mut self, failure: &Failure) {
        let why = failure.message().strip_prefix(&format!("{}: ", self.what)).unwrap_or(failure.message()).to_owned();
        self.tell(&format!("{why}, after {}", self.took()));
    }

    fn took(&self) -> String {
        let took: Duration = self.began.elapsed();
        format!("{} ms", took.as_millis())
    }

    fn tell(&mut self, came: &str) {
        self.told = true;
        if let Some(listener) = &self.trace.0 {
            listener(&one_line(&format!("{}: {came}", self.what)));
        }
    }
}

impl Drop for Asked<'_> {
    /// Whoever waited for it waits no more: the run was told to stop, or its lease ran out.
    fn drop(&mut self) {
        if !self.told {
            self.tell(&format!("given up, after {}", self.took()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use ::http::{HeaderName, HeaderValue};

    use super::*;

    fn told(tell: impl FnOnce(Asked<'_>)) -> Vec<String> {
        let lines = Rc::new(RefCell::new(Vec::new()));
        let log = Rc::clone(&lines);
        tell(Trace::to(move |line| log.borrow_mut().push(line.to_owned())).begin("issuer GET /api/v1/keys"));
        lines.take()
    }

    fn answered(headers: &[(&'static str, &'static str)]) -> Vec<String> {
        let headers: HeaderMap = headers
            .iter()
            .map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        told(|asked| asked.answered(StatusCode::CREATED, &headers))
    }

    #[test]
    fn a_request_is_told_once_however_it_ends() {
        assert_eq!(answered(&[("date", "now")]), ["issuer GET /api/v1/keys: 201 in 0 ms"]);
        let lost = Failure::Unknown { message: "issuer GET /api/v1/keys: no answer in time".into(), retry_after: None };
        assert_eq!(told(|asked| asked.failed(&lost)), ["issuer GET /api/v1/keys: no answer in time, after 0 ms"]);
        assert_eq!(told(|asked| drop(asked)), ["issuer GET /api/v1/keys: given up, after 0 ms"]);
        Trace::default().begin("nobody listens").answered(StatusCode::OK, &HeaderMap::new());
    }

    #[test]
    fn the_servers_number_of_the_request_is_told_where_it_is_one() {
        let id = ("x-github-request-id", "C0FF:EE");
        assert_eq!(answered(&[id]), ["issuer GET /api/v1/keys: 201 in 0 ms, x-github-request-id C0FF:EE"]);
        let long: &'static str =
            "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234";
        assert_eq!(answered(&[("x-request-id", long)]), ["issuer GET /api/v1/keys: 201 in 0 ms"]);
    }
}
