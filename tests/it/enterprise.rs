//! A GitHub Enterprise Server: its API below a path, behind a certificate of a CA of its own, without Codespaces and
//! without headers about limits.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use keyrotor_fake::{Dialect, Server};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::harness::{Ran, Setting, Stage, TOKEN};
use crate::traffic;

/// Ends TLS in front of a stage's GitHub. Its thread ends with the test's process.
struct Front {
    api_url: String,
    ca: PathBuf,
}

impl Front {
    fn of(stage: &Stage) -> Self {
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_key = KeyPair::generate().unwrap();
        let ca_certificate = ca.self_signed(&ca_key).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        let behind = stage.fakes.github_url.trim_start_matches("http://").parse().unwrap();
        let port = serve(Arc::new(config), behind);
        let ca = stage.path("ca.pem");
        std::fs::write(&ca, ca_certificate.pem()).unwrap();
        Self { api_url: format!("https://localhost:{port}/api/v3"), ca }
    }

    /// A run that is told where the server is, as its runner would, and that trusts it.
    fn run(&self, stage: &Stage) -> Ran {
        let run = stage.action().variable("GITHUB_API_URL", &self.api_url);
        run.variable("GITHUB_SERVER_URL", "https://ghe.acme.dev")
            .variable("SSL_CERT_FILE", self.ca.to_str().unwrap())
            .run()
    }
}

fn serve(config: Arc<ServerConfig>, behind: SocketAddr) -> u16 {
    let (started, has_started) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            started.send(listener.local_addr().unwrap().port()).unwrap();
            let acceptor = TlsAcceptor::from(config);
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // A client that does not trust the certificate goes away.
                    let Ok(mut outside) = acceptor.accept(stream).await else { return };
                    let mut inside = TcpStream::connect(behind).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
                });
            }
        });
    });
    has_started.recv().unwrap()
}

fn server(places: &[&str]) -> Stage {
    let stage = Setting::new(Dialect::Mgmt).places(places).with_current_key().stage();
    stage.world.by_hand(|state| state.github.has_codespaces = false);
    stage
}

#[test]
fn a_server_with_a_private_ca_is_trusted_through_ssl_cert_file() {
    let places = ["repo:acme/app", "env:acme/app/prod/eu 1", "org:acme", "dependabot:acme/app", "dependabot-org:acme"];
    let stage = server(&places);
    stage.world.by_hand(|state| {
        let soon = state.clock.now() + jiff::SignedDuration::from_hours(24 * 7);
        state.github.tokens.get_mut(TOKEN).unwrap().expires = Some(soon);
    });
    let front = Front::of(&stage);
    let ran = front.run(&stage);
    assert_eq!((ran.status(), ran.rotated()), (0, true), "{}", ran.log());
    stage.check_healed().unwrap();
    assert!(ran.tells("https://ghe.acme.dev/settings/tokens"), "{}", ran.log());
    let github: Vec<_> = ran.requests.iter().filter(|request| request.server == Server::GitHub).collect();
    assert!(github.iter().all(|request| request.path.starts_with("/api/v3/")), "{github:?}");
    traffic::check_github(&ran);
}

#[test]
fn a_certificate_that_is_not_trusted_is_named_before_anything_is_made() {
    let stage = server(&["repo:acme/app"]);
    let front = Front::of(&stage);
    let ran = stage.action().variable("GITHUB_API_URL", &front.api_url).run();
    assert_eq!(ran.status(), 1, "{}", ran.log());
    for words in
        ["repo:acme/app", "the server's certificate is not trusted", "let SSL_CERT_FILE name the CA's certificate"]
    {
        assert!(ran.tells(words), "{words} is missing\n{}", ran.log());
    }
    assert_eq!(traffic::writes(&ran), [""; 0]);
    assert!(!ran.stdout.contains("again in"), "it does not help to try again\n{}", ran.log());
    stage.check_healed().unwrap();
}

#[test]
fn a_server_has_no_codespaces() {
    let stage = server(&["codespaces:acme/app"]);
    let ran = Front::of(&stage).run(&stage);
    assert_eq!(ran.status(), 1, "{}", ran.log());
    assert!(ran.tells("GitHub Enterprise Server has no Codespaces."), "{}", ran.log());
}
