//! The certificates we trust: the system's, which are read when a TLS connection first asks for them, and those that
//! `SSL_CERT_FILE` and `SSL_CERT_DIR` add.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::regular;

/// Where Linux distributions, BSDs and macOS keep their bundle. `rustls-native-certs` knows these too, but forgets them
/// as soon as one of the variables is set.
const BUNDLES: [&str; 7] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
];

/// A machine's whole bundle is a quarter of this.
const LARGEST_FILE: usize = 1024 * 1024;

/// Certificates of authorities that a person named, to be trusted beside all others.
#[derive(Clone, Debug)]
pub struct Authorities(pub(super) Vec<CertificateDer<'static>>);

impl Authorities {
    /// Those in a file.
    ///
    /// # Errors
    /// Why the file can't be read, or that it holds none.
    pub fn of_file(path: &Path) -> Result<Self, String> {
        in_file(path).map(Self).map_err(|(_, why)| why)
    }

    /// These.
    #[must_use]
    pub fn of_der(certificates: Vec<Vec<u8>>) -> Self {
        Self(certificates.into_iter().map(CertificateDer::from).collect())
    }

    /// Those in a text.
    ///
    /// # Errors
    /// That it holds none, or something else.
    pub fn of_pem(text: &[u8]) -> Result<Self, String> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
        match found {
            Ok(found) if !found.is_empty() => Ok(Self(found)),
            _ => Err("it holds no PEM certificate".to_owned()),
        }
    }
}

/// A certificate with its chain and its private key.
#[derive(Clone)]
pub struct Identity(pub(super) Vec<CertificateDer<'static>>, pub(super) Arc<PrivateKeyDer<'static>>);

impl Identity {
    /// Those in two texts.
    ///
    /// # Errors
    /// That one of them holds none.
    pub fn of_pem(certificate: &[u8], key: &[u8]) -> Result<Self, String> {
        let Authorities(chain) = Authorities::of_pem(certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| "it holds no private key".to_owned())?;
        Ok(Self(chain, Arc::new(key)))
    }
}

/// Checks a server's certificate against roots that are read at the first check: a run against a plain-http loopback
/// address, or in an image without roots, never reads them.
#[derive(Debug)]
pub(super) struct LazyRoots {
    extra: Vec<CertificateDer<'static>>,
    /// Nobody else is trusted.
    alone: bool,
    /// The name in the certificate, where it is not that of the address.
    name: Option<ServerName<'static>>,
    provider: Arc<CryptoProvider>,
    inner: OnceLock<Result<Arc<WebPkiServerVerifier>, Error>>,
}

impl LazyRoots {
    pub(super) fn new(
        extra: Vec<CertificateDer<'static>>,
        alone: bool,
        name: Option<ServerName<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        Self { extra, alone, name, provider, inner: OnceLock::new() }
    }

    fn inner(&self) -> Result<&WebPkiServerVerifier, Error> {
        match self.inner.get_or_init(|| self.read()) {
            Ok(inner) => Ok(inner),
            Err(error) => Err(error.clone()),
        }
    }

    fn read(&self) -> Result<Arc<WebPkiServerVerifier>, Error> {
        let mut roots = RootCertStore::empty();
        if !self.alone {
            roots.add_parsable_certificates(system());
            roots.add_parsable_certificates(in_cert_dirs());
        }
        roots.add_parsable_certificates(self.extra.iter().cloned());
        if roots.is_empty() {
            return Err(Error::General("no trusted root certificates here; SSL_CERT_FILE can name some".to_owned()));
        }
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
            .build()
            .map_err(|error| Error::General(error.to_string()))
    }
}

impl ServerCertVerifier for LazyRoots {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let name = self.name.as_ref().unwrap_or(server_name);
        self.inner()?.verify_server_cert(end_entity, intermediates, name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The certificates in `SSL_CERT_FILE`. A variable that is set but empty counts as not set. The error is the path and
/// what is wrong with it.
pub(super) fn in_cert_file() -> Result<Vec<CertificateDer<'static>>, (PathBuf, String)> {
    set("SSL_CERT_FILE").map_or(Ok(Vec::new()), |file| in_file(Path::new(&file)))
}

fn in_cert_dirs() -> Vec<CertificateDer<'static>> {
    let dirs = set("SSL_CERT_DIR").unwrap_or_default();
    let dirs = env::split_paths(&dirs).filter(|dir| !dir.as_os_str().is_empty());
    let files = dirs.filter_map(|dir| fs::read_dir(dir).ok()).flat_map(|entries| entries.flatten());
    let named = files.map(|entry| entry.path()).filter(|path| is_hashed(path));
    named.filter_map(|path| in_file(&path).ok()).flatten().collect()
}

/// As OpenSSL looks such files up, and `c_rehash` names them: `5ad8a5d6.0`.
fn is_hashed(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.split_once('.'));
    name.is_some_and(|(hash, nth)| {
        hash.len() == 8 && hash.bytes().all(|b| b.is_ascii_hexdigit()) && nth.bytes().all(|b| b.is_ascii_digit())
    })
}

fn in_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, (PathBuf, String)> {
    let named = |why: String| (path.to_owned(), why);
    let value = path.to_string_lossy();
    let text = regular::read(path, LARGEST_FILE).map_err(|error| named(regular::unreadable(&value, &error)))?;
    let found =
        Authorities::of_pem(&text).map_err(|why| named(format!("names {value}, which can't be used: {why}")))?;
    Ok(found.0)
}

fn set(variable: &str) -> Option<OsString> {
    env::var_os(variable).filter(|value| !value.is_empty())
}

fn system() -> Vec<CertificateDer<'static>> {
    if env::var_os("SSL_CERT_FILE").is_none() && env::var_os("SSL_CERT_DIR").is_none() {
        return rustls_native_certs::load_native_certs().certs;
    }
    BUNDLES
        .iter()
        .map(|path| rustls_native_certs::load_certs_from_paths(Some(Path::new(path)), None).certs)
        .find(|certs| !certs.is_empty())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_missing_or_holds_no_certificate_is_named() {
        for path in ["/nowhere/ca.pem", "Cargo.toml", "/dev/zero"] {
            let error = in_file(Path::new(path)).err();
            assert_eq!(error.map(|(at, _)| at), Some(PathBuf::from(path)));
        }
    }
}
