//! The one HTTP client.

use std::env;
use std::sync::Arc;
use std::time::Duration;

use ::http::HeaderValue;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{NoProxy, Proxy};
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use tokio::net::lookup_host;
use url::{Host, Position, Url};

use super::roots::{self, Authorities, Identity, LazyRoots};

/// Why no client can be made from these surroundings.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// `SSL_CERT_FILE` names no readable file with certificates.
    #[error("SSL_CERT_FILE {0}")]
    Roots(String),
    /// The value is not shown: it may hold a password.
    #[error("{variable} is not the http:// or https:// address of a proxy")]
    Proxy {
        /// The variable's name.
        variable: &'static str,
    },
    /// TLS could not be set up.
    #[error("TLS can't be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The client could not be built.
    #[error("the HTTP client can't be set up: {0}")]
    Build(#[from] reqwest::Error),
}

/// A client that follows no redirect, repeats nothing by itself and gives every request `request_timeout` in all, a
/// quarter of it for the connection, since a write must be sent soon after it is begun.
///
/// # Errors
/// An unusable `SSL_CERT_FILE`, `HTTPS_PROXY` or `ALL_PROXY`.
pub fn client(request_timeout: Duration) -> Result<reqwest::Client, ClientError> {
    client_of(request_timeout, Peer::default())
}

/// What is particular about one server.
#[derive(Clone, Default)]
pub struct Peer {
    /// To be trusted beside all others.
    pub authorities: Option<Authorities>,
    /// Where there are such authorities, nobody else is trusted.
    pub alone: bool,
    /// The name that the server's certificate is for, where it is not the address's.
    pub name: Option<String>,
    /// What the client shows of itself.
    pub identity: Option<Identity>,
    /// The proxy for https, in place of the one that the process's variables name.
    pub proxy: Option<String>,
    /// Where the server is, if it has such a name: it is asked for by the name, which leads nowhere by itself.
    pub host: Option<String>,
}

impl Peer {
    /// Where a connection leads that is begun under the server's name. A proxy would look for the name itself, so over one
    /// only the certificate is held to it.
    fn beneath_its_name(&self) -> Option<(&str, &str)> {
        let (name, host) = (self.name.as_deref()?, self.host.as_deref()?);
        let is_direct = self.proxy.is_none() && given().is_none();
        (is_direct && matches!(Host::parse(name), Ok(Host::Domain(_)))).then_some((name, host))
    }

    /// Puts the server's name into an address, so that TLS says it to the server, and answers with what the header `Host`
    /// has to say all the same.
    #[must_use]
    pub fn call_by_name(&self, url: &mut Url) -> Option<HeaderValue> {
        let (name, _) = self.beneath_its_name().filter(|_| url.scheme() == "https")?;
        let host = HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort]).ok()?;
        url.set_host(Some(name)).ok().map(|()| host)
    }
}

/// Resolves every name to one server.
struct At(Arc<str>);

impl Resolve for At {
    fn resolve(&self, _: Name) -> Resolving {
        let host = Arc::clone(&self.0);
        Box::pin(async move {
            let found: Vec<_> = lookup_host((host.trim_matches(['[', ']']), 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// A client for this server.
///
/// # Errors
/// As [`client`], and an unusable proxy, name or identity.
pub fn client_of(request_timeout: Duration, peer: Peer) -> Result<reqwest::Client, ClientError> {
    let proxy = match &peer.proxy {
        Some(given) => Some(proxy("proxy-url", given)?),
        None => https_proxy()?,
    };
    let at = peer.beneath_its_name().map(|(_, host)| Arc::new(At(host.into())));
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls(peer)?)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .timeout(request_timeout)
        .connect_timeout(request_timeout / 4)
        .user_agent(concat!("keyrotor/", env!("CARGO_PKG_VERSION")))
        .no_proxy();
    if let Some(proxy) = proxy {
        builder = builder.proxy(proxy);
    }
    if let Some(at) = at {
        builder = builder.dns_resolver(at);
    }
    Ok(builder.build()?)
}

fn tls(peer: Peer) -> Result<ClientConfig, ClientError> {
    // HTTP/2 has the address's own name in the place of `Host`.
    let protocols: &[&[u8]] = if peer.beneath_its_name().is_some() { &[b"http/1.1"] } else { &[b"h2", b"http/1.1"] };
    let alone = peer.alone && peer.authorities.is_some();
    let mut extra = match alone {
        true => Vec::new(),
        false => roots::in_cert_file().map_err(|(_, why)| ClientError::Roots(why))?,
    };
    extra.extend(peer.authorities.into_iter().flat_map(|authorities| authorities.0));
    let unfit = |_| rustls::Error::General("the server's name is none".to_owned());
    let name = peer.name.map(ServerName::try_from).transpose().map_err(unfit)?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = LazyRoots::new(extra, alone, name, Arc::clone(&provider));
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match peer.identity {
        Some(Identity(chain, key)) => builder.with_client_auth_cert(chain, key.clone_key())?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}

/// The proxy for https alone. Plain http goes to loopback addresses only, and a proxy would see its credentials, so
/// `HTTP_PROXY` and the client library's own reading of the environment are not used.
fn https_proxy() -> Result<Option<Proxy>, ClientError> {
    given().map(|(variable, value)| Ok(proxy(variable, &value)?.no_proxy(NoProxy::from_env()))).transpose()
}

fn given() -> Option<(&'static str, String)> {
    ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        .into_iter()
        .find_map(|variable| env::var(variable).ok().filter(|value| !value.is_empty()).map(|value| (variable, value)))
}

/// The proxy that https goes over, unless `NO_PROXY` says otherwise: its variable and its host, without a password.
pub(super) fn proxy_of(url: Option<&Url>) -> Option<String> {
    let (variable, value) = given().filter(|_| url.is_some_and(|url| url.scheme() == "https"))?;
    let value = if value.contains("://") { value } else { format!("http://{value}") };
    let proxy = Url::parse(&value).ok()?;
    let port = proxy.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("the proxy {}{port} ({variable})", proxy.host_str()?))
}

fn proxy(variable: &'static str, value: &str) -> Result<Proxy, ClientError> {
    let scheme = value.split_once("://").map_or("http", |(scheme, _)| scheme);
    if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) {
        return Err(ClientError::Proxy { variable });
    }
    Proxy::https(value).map_err(|_| ClientError::Proxy { variable })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_may_lack_its_scheme_but_not_its_sense() {
        assert!(proxy("HTTPS_PROXY", "proxy.corp:3128").is_ok());
        assert!(proxy("HTTPS_PROXY", "http://user:pass@proxy.corp:3128").is_ok());
        for wrong in ["socks5://proxy.corp", "http://:8080", "http://u:p@"] {
            let shown = proxy("HTTPS_PROXY", wrong).map_err(|error| error.to_string()).err().unwrap_or_default();
            assert!(shown.contains("HTTPS_PROXY") && !shown.contains(wrong), "{wrong}: {shown}");
        }
    }

    #[test]
    fn a_client_needs_no_roots_until_it_speaks_tls() {
        assert!(client(Duration::from_secs(30)).is_ok());
    }
}
