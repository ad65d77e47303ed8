//! What a run asked of the servers.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use http::{HeaderMap, HeaderName, HeaderValue};
use keyrotor_fake::{Request, Server};

use crate::harness::Ran;
use crate::peers::openapi::OpenApi;

/// The requests to one server by one method.
pub(crate) fn of<'a>(ran: &'a Ran, server: Server, method: &str) -> Vec<&'a Request> {
    ran.requests.iter().filter(|request| request.server == server && request.method == method).collect()
}

/// The requests that ask a server to change something. A chat is none of them.
pub(crate) fn writes(ran: &Ran) -> Vec<String> {
    let is_write = |request: &&Request| request.method != "GET" && !request.path.ends_with("/chat/completions");
    ran.requests.iter().filter(is_write).map(|request| format!("{} {}", request.method, request.path)).collect()
}

/// The most requests at once among these, each from its arrival until it took effect.
pub(crate) fn most_at_once(requests: &[&Request]) -> usize {
    let under_way = |one: &Request| {
        let overlaps = |other: &&&Request| other.at <= one.at && other.applied_at.is_none_or(|end| end > one.at);
        requests.iter().filter(overlaps).count()
    };
    requests.iter().map(|request| under_way(request)).max().unwrap_or_default()
}

/// Every request to GitHub is one that GitHub's own OpenAPI document describes.
pub(crate) fn check_github(ran: &Ran) {
    let api = OpenApi::github();
    let requests = ran.requests.iter().filter(|request| request.server == Server::GitHub);
    for Request { method, path, headers, body, .. } in requests {
        // GitHub Enterprise Server has its API there.
        let path = path.strip_prefix("/api/v3").unwrap_or(path);
        // The document knows a repository by its name alone; a redirect leads to its number.
        let target = match path.strip_prefix("/repositories/").and_then(|rest| rest.split_once('/')) {
            Some((_, rest)) => format!("/repos/acme/moved/{rest}"),
            None => path.to_owned(),
        };
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect();
        api.request(method, &target, &headers, body).unwrap_or_else(|why| panic!("{method} {path}: {why}"));
    }
}
