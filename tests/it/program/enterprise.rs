//! A GitHub Enterprise Server: its API below a path, behind a certificate of a CA of its own, without Codespaces and
//! without headers about limits.

use keyrotor_fake::{Dialect, Server};

use crate::harness::{Invocation, Setting, Stage, TOKEN};
use crate::traffic;

fn server(places: &[&str]) -> Stage {
    let setting = Setting::new(Dialect::Mgmt).places(places).with_current_key();
    let stage = setting.over_tls(&[Server::GitHub]).stage();
    stage.world.by_hand(|state| state.github.is_enterprise_server = true);
    stage
}

/// A run that is told where the server is, as its runner would, and that trusts it.
fn run(stage: &Stage) -> Invocation<'_> {
    let api_url = format!("{}/api/v3", stage.fakes.github_url);
    stage.action().variable("GITHUB_API_URL", &api_url).variable("GITHUB_SERVER_URL", "https://ghe.acme.dev")
}

#[test]
fn a_server_with_a_private_ca_is_trusted_through_ssl_cert_file() {
    let places = ["repo:acme/app", "env:acme/app/prod/eu 1", "org:acme", "dependabot:acme/app", "dependabot-org:acme"];
    let stage = server(&places);
    stage.world.by_hand(|state| {
        let soon = state.clock.now() + jiff::SignedDuration::from_hours(24 * 7);
        state.github.tokens.get_mut(TOKEN).unwrap().expires = Some(soon);
    });
    let ran = run(&stage).run();
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
    let ran = run(&stage).variable("SSL_CERT_FILE", "").run();
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
fn a_server_has_no_codespaces_and_no_agents() {
    for kind in ["codespaces", "agents"] {
        let stage = server(&[&format!("{kind}:acme/app")]);
        let ran = run(&stage).run();
        assert_eq!(ran.status(), 1, "{}", ran.log());
        let words = format!("GitHub Enterprise Server has no places of kind `{kind}`.");
        assert!(ran.tells(&words), "{}", ran.log());
    }
}

#[test]
fn a_rotation_speaks_tls_with_both_servers() {
    let both = [Server::Issuer, Server::GitHub];
    let stage = Setting::new(Dialect::Mgmt).repos(&["acme/app", "acme/api"]).with_current_key().over_tls(&both).stage();
    let ran = stage.run();
    assert_eq!((ran.status(), ran.rotated()), (0, true), "{}", ran.log());
    stage.check_healed().unwrap();
}
