//! TLS in front of the servers, with a certificate authority of their own that a client has to be told about.

use std::io;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// How the servers call themselves over TLS. Go's certificate checks take an address as well, other clients' a name. The
/// last one is a cluster's own, which leads nowhere outside it.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "kubernetes.default.svc"];

/// A certificate for the servers, and who vouches for it.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) acceptor: TlsAcceptor,
    /// The authority's certificate, in PEM.
    pub(super) authority: String,
    /// A certificate by which a client may be known, and its key, in PEM.
    pub(super) client: (String, String),
}

impl Identity {
    /// A new one, with an authority of its own.
    pub(super) fn new() -> io::Result<Self> {
        let mut authority = named("keyrotor test authority", [])?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let authority = CertifiedIssuer::self_signed(authority, key).map_err(io::Error::other)?;
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let names = NAMES.map(str::to_owned);
        let certificate =
            named("keyrotor test server", names)?.signed_by(&key, &authority).map_err(io::Error::other)?;
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(io::Error::other)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).map_err(io::Error::other)?;
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let clients = clients.allow_unauthenticated().build().map_err(io::Error::other)?;
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|config| {
                config.with_client_cert_verifier(clients).with_single_cert(vec![certificate.der().clone()], key)
            })
            .map_err(io::Error::other)?;
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let client = named("keyrotor test client", [])?.signed_by(&key, &authority).map_err(io::Error::other)?;
        let client = (client.pem(), key.serialize_pem());
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), authority: authority.pem(), client })
    }
}

/// What is asked of a certificate for these names. Without a subject of its own it would seem to be its authority's.
fn named(subject: &str, names: impl Into<Vec<String>>) -> io::Result<CertificateParams> {
    let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
    params.distinguished_name.push(DnType::CommonName, subject);
    Ok(params)
}
