//! Whatever a file, a pipe or a reader does, a run comes to its end, and within 7 seconds where it is told to stop.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use keyrotor_fake::{Dialect, Server, Signal};

use crate::harness::{Ran, Setting, Stage, Stream};

/// A pipe that nobody ever writes into, nor reads from.
fn pipe(stage: &Stage, name: &str) -> String {
    let path: PathBuf = stage.path(name);
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path.to_str().unwrap().to_owned()
}

/// It ended by itself, soon, and says that the thing it was given is no file.
fn told(ran: &Ran, words: &[&str]) {
    assert!(ran.took < Duration::from_secs(20), "it took {:?}\n{}", ran.took, ran.log());
    for word in words {
        assert!(ran.log().contains(word), "{word} is missing\n{}", ran.log());
    }
}

#[test]
fn a_pipe_in_the_place_of_an_input_is_told_at_once() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    let pipe = pipe(&stage, "pipe");
    for given in [pipe.as_str(), "/dev/zero"] {
        let config = stage.cli().input("key-name", "").input("targets", "").input("config", given).run();
        assert_eq!(config.status(), 2, "{}", config.log());
        told(&config, &["config", "not a file"]);
        let key = stage.cli().secret("management-key", "").variable("KEYROTOR_MANAGEMENT_KEY_FILE", given).run();
        assert_eq!(key.status(), 2, "{}", key.log());
        told(&key, &["KEYROTOR_MANAGEMENT_KEY_FILE", "not a file"]);
        let roots = stage.cli().variable("SSL_CERT_FILE", given).run();
        assert_eq!(roots.status(), 1, "{}", roots.log());
        told(&roots, &["SSL_CERT_FILE", "not a file"]);
    }
    let sarif = stage.cli().arg("audit").input("key-name", "").input("targets", "").input("verify-timeout", "");
    told(&sarif.input("sarif-file", &pipe).run(), &["sarif-file", "not a file"]);
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn a_pipe_in_the_place_of_a_stores_file_is_told_at_once() {
    for (place, variable) in [
        ("vault:secret/app#api-key", "VAULT_CACERT"),
        ("kubernetes:prod/app#api-key", "KUBECONFIG"),
        ("aws-secretsmanager:prod/app", "AWS_SHARED_CREDENTIALS_FILE"),
        ("aws-secretsmanager:prod/app", "AWS_CONFIG_FILE"),
    ] {
        let stage = Setting::new(Dialect::Mgmt).places(&["repo:acme/app", place]).stage();
        let pipe = pipe(&stage, "pipe");
        let ran = stage.action().variable(variable, &pipe).run();
        assert_eq!(ran.status(), 1, "{variable}\n{}", ran.log());
        told(&ran, &[variable, "not a file"]);
        stage.check_no_outage().unwrap();
        assert_eq!(stage.world.live_keys("production").len(), 1);
    }
}

#[test]
fn outputs_that_nobody_reads_keep_no_run() {
    for variable in ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"] {
        let stage = Setting::new(Dialect::Mgmt).stage();
        let pipe = pipe(&stage, "pipe");
        let ran = stage.action().variable(variable, &pipe).run();
        assert_eq!(ran.status(), 0, "{}", ran.log());
        told(&ran, &[variable, "not a file"]);
        stage.check_healed().unwrap();
    }
}

/// The rotation is carried out whether anybody reads what it tells or not; then it waits for its reader, until it is told
/// to stop.
#[test]
fn a_log_that_nobody_reads_holds_up_no_rotation_and_no_signal() {
    for (stdout, stderr) in [(Stream::Full, Stream::Kept), (Stream::Full, Stream::Full)] {
        for signal in [Signal::Int, Signal::Term] {
            let stage = Setting::new(Dialect::Mgmt).stage();
            let ran = std::thread::scope(|scope| {
                scope.spawn(|| {
                    while !stage.world.requests().iter().any(|it| it.server == Server::Issuer && it.method == "DELETE")
                    {
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    std::thread::sleep(Duration::from_secs(1));
                    stage.world.signal_client(signal);
                });
                stage.action().streams(stdout, stderr).run()
            });
            assert_eq!((ran.status(), ran.output("outcome")), (0, "rotated"), "{}", ran.log());
            assert!(ran.took < Duration::from_secs(15), "{:?}", ran.took);
            stage.check_healed().unwrap();
        }
    }
}

#[test]
fn the_file_itself_in_the_place_of_its_path_is_not_shown() {
    let stage = Setting::new(Dialect::Mgmt).places(&["repo:acme/app", "kubernetes:prod/app#api-key"]).stage();
    let text = stage.kubeconfig("kubetoken-Zk3Qw9Rt7Yp1Lm5Nc8");
    let json = text.replace('\n', " ");
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &text);
    for given in [&text, &format!("{{{json}}}"), &encoded] {
        let ran = stage.action().variable("KUBECONFIG", given).run();
        assert_eq!(ran.status(), 1, "{}", ran.log());
        told(&ran, &["KUBECONFIG contains the file itself: give its path"]);
        let all = format!("{}{}", ran.log(), ran.output("report"));
        assert!(!all.contains("kubetoken") && !all.contains(&encoded[..40]), "{all}");
    }
    let pem = "-----BEGIN CERTIFICATE-----\nMIIBVTCB+6ADAgECAgkAqzVe\n-----END CERTIFICATE-----";
    let ran = stage.action().variable("SSL_CERT_FILE", pem).run();
    told(&ran, &["SSL_CERT_FILE contains the file itself: give its path"]);
    assert!(!ran.log().contains("MIIBVTCB"), "{}", ran.log());
    let stage = Setting::new(Dialect::Mgmt).places(&["repo:acme/app", "vault:secret/app#api-key"]).stage();
    let ran = stage.action().variable("VAULT_CACERT", pem).run();
    told(&ran, &["VAULT_CACERT contains the file itself: give its path"]);
    assert!(!ran.log().contains("MIIBVTCB"), "{}", ran.log());
    let key = "lr_mgmt_Zk3Qw9Rt7Yp1Lm5Nc8Xv2Bd6Hf4Js0Ga";
    for variable in ["KEYROTOR_MANAGEMENT_KEY_FILE", "KEYROTOR_CURRENT_KEY_FILE"] {
        let ran = stage.cli().secret("management-key", "").variable(variable, key).run();
        told(&ran, &[variable, "contains the secret itself"]);
        assert!(!ran.log().contains("Zk3Qw9Rt7Yp1"), "{}", ran.log());
    }
}

#[test]
fn a_file_with_a_byte_order_mark_is_read() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    let key = stage.management.clone().unwrap();
    stage.put("key", format!("\u{feff}{key}\r\n"));
    let ran = stage.cli().secret("management-key", "").variable("KEYROTOR_MANAGEMENT_KEY_FILE", "key").run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
}
