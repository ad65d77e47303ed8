//! Servers whose certificate an authority of one's own has signed, as in many companies.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use keyrotor_fake::Dialect;

use crate::harness::Setting;

#[test]
fn a_rotation_over_tls_works_with_the_authority_that_ssl_cert_file_names() {
    let stage = Setting::new(Dialect::Mgmt).repos(&["acme/app", "acme/api"]).with_current_key().over_tls().stage();
    let ran = stage.run();
    assert_eq!((ran.status(), ran.rotated()), (0, true), "{}", ran.log());
    stage.check_healed().unwrap();
}

#[test]
fn nothing_is_sent_to_a_server_that_nobody_vouches_for() {
    let stage = Setting::new(Dialect::Mgmt).with_current_key().over_tls().stage();
    let ran = stage.action().variable("SSL_CERT_FILE", "").run();
    assert_eq!((ran.status(), ran.output("outcome")), (1, "unchanged"), "{}", ran.log());
    assert!(ran.requests.is_empty() && ran.summary.contains("certificate"), "{}", ran.log());
}
