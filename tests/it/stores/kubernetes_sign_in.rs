//! Who a cluster takes keyrotor for, and where it is: what a kubeconfig says means here what it means to `kubectl`, which is
//! asked too where it is installed.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "a test may panic, and tells")]

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyrotor_fake::Server;
use serde_json::json;

use super::kubernetes::{KEY, asked, refused, setting, stage};
use crate::canned::{Canned, reply};
use crate::harness::{CLUSTER_TOKEN, Invocation, Stage};

/// Another token of the same account.
const NEXT_TOKEN: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6Ik5ldyJ9eyJzdWIiOiJjaSJ9c2ln";

#[test]
fn a_program_that_signs_in_and_hangs_does_not_keep_a_run_that_is_told_to_stop() {
    let stage = stage(&[KEY]);
    let hangs = "exec: {apiVersion: client.authentication.k8s.io/v1, command: sleep, args: [\"30\"]}";
    let plugin = stage.kubeconfig("x").replace("token: x", hangs);
    let plugin = stage.put("plugin.yaml", plugin);
    let ran = std::thread::scope(|scope| {
        scope.spawn(|| {
            while stage.world.requests().is_empty() {
                std::thread::sleep(Duration::from_millis(5));
            }
            std::thread::sleep(Duration::from_millis(200));
            stage.world.signal_client(keyrotor_fake::Signal::Term);
        });
        stage.action().variable("KUBECONFIG", &plugin).run()
    });
    assert_eq!((ran.status(), ran.output("outcome")), (1, "unchanged"), "{}", ran.log());
    assert!(ran.took < Duration::from_secs(8), "{:?}", ran.took);
}

/// How to reach the cluster with such a token, over TLS where it is spoken there.
fn trusting(stage: &Stage, token: &str) -> String {
    let authority = stage.authority().map(|path| format!("certificate-authority: '{}', ", path.display()));
    stage.kubeconfig(token).replace("{server:", &format!("{{{}server:", authority.unwrap_or_default()))
}

/// A program beside a kubeconfig, in a folder of its own.
fn with_program(stage: &Stage, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir_all(stage.path("kube")).unwrap();
    stage.put("kube/plug.sh", format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(stage.path("kube/plug.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let exec = "exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: ./plug.sh}";
    stage.put("kube/config.yaml", trusting(stage, "x").replace("token: x", exec))
}

fn credential(more: &str) -> String {
    let status = format!("{{\"token\":\"{CLUSTER_TOKEN}\"{more}}}");
    let is = "\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\"";
    format!("printf %s '{{{is},\"status\":{status}}}'")
}

/// Asks for the Secret with Kubernetes' own client, where it is installed: whether it gets it is as we do.
fn kubectl_agrees(stage: &Stage, kubeconfig: &str, gets_it: bool) {
    let mut kubectl = std::process::Command::new("kubectl");
    kubectl.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", stage.path(""));
    kubectl.env("KUBECONFIG", kubeconfig).current_dir(stage.path(""));
    match kubectl.args(["get", "--raw", "/api/v1/namespaces/prod/secrets/arouter-credentials"]).output() {
        Ok(ended) => {
            assert_eq!(ended.status.success(), gets_it, "{kubeconfig}: {}", String::from_utf8_lossy(&ended.stderr));
        }
        Err(error) => println!("kubectl is not asked: {error}"),
    }
}

/// Each of these once failed here, and never with `kubectl`.
#[test]
fn a_kubeconfig_means_what_it_means_to_kubectl() {
    type Written = fn(&Stage) -> String;
    let cases: [(&str, Written); 5] = [
        ("white space around the token in a file", |stage| {
            stage.put("token", format!("  {CLUSTER_TOKEN} \n\n"));
            stage.put("k.yaml", trusting(stage, "x").replace("token: x", "tokenFile: token"))
        }),
        ("a file that is not there", |stage| {
            format!("/nowhere/k.yaml:{}", stage.put("k.yaml", trusting(stage, CLUSTER_TOKEN)))
        }),
        ("a file that names no context", |stage| {
            let first = stage.put("first.yaml", "apiVersion: v1\nkind: Config\ncurrent-context: ''\n");
            format!("{first}:{}", stage.put("k.yaml", trusting(stage, CLUSTER_TOKEN)))
        }),
        ("a program beside the file", |stage| with_program(stage, &credential(""))),
        ("a program whose token is over soon", |stage| {
            with_program(stage, &credential(",\"expirationTimestamp\":\"2020-01-01T00:00:00Z\""))
        }),
    ];
    for (what, written) in cases {
        // Without TLS kubectl sends no token.
        let stage = setting(&[KEY]).over_tls(&[Server::Kubernetes]).stage();
        let path = written(&stage);
        kubectl_agrees(&stage, &path, true);
        let ran = stage.action().variable("KUBECONFIG", &path).run();
        assert_eq!((ran.status(), ran.rotated()), (0, true), "{what}: {}", ran.log());
        assert!(ran.stdout.contains(&format!("::add-mask::{CLUSTER_TOKEN}")), "{what}: the token is not masked");
        stage.check_healed().unwrap();
    }
}

#[test]
fn a_program_that_signs_in_is_bounded() {
    for (script, says) in [
        ("sleep 60", "the program `kube/./plug.sh` did not sign in within 1 s"),
        ("yes", "says more than"),
        ("echo hello; exit 3", "does not work"),
    ] {
        let stage = setting(&[KEY]).input("request-timeout", "1s").stage();
        let path = with_program(&stage, script);
        refused(&stage, &stage.action().variable("KUBECONFIG", &path).run(), &[says]);
    }
}

/// The new key would be read on the way.
#[test]
fn plain_http_to_this_machine_goes_through_no_proxy() {
    let proxy = Canned::serve(|_| reply(502, "", ""));
    let stage = stage(&[KEY]);
    let through = |run: Invocation<'_>| run.variable("HTTPS_PROXY", proxy.url.as_str()).run();
    let config = stage.kubeconfig(CLUSTER_TOKEN).replace("{server:", &format!("{{proxy-url: '{}', server:", proxy.url));
    let named = stage.put("proxy.yaml", config);
    for ran in [through(stage.action()), through(stage.action().variable("KUBECONFIG", &named))] {
        assert_eq!(ran.status(), 0, "{}", ran.log());
    }
    assert!(proxy.seen().is_empty(), "{:?}", proxy.seen());
    stage.check_healed().unwrap();
}

/// Over TLS a proxy sees the cluster's address alone, and not even that where `NO_PROXY` names it.
#[test]
fn a_cluster_that_no_proxy_names_is_reached_without_one() {
    let proxy = Canned::serve(|_| reply(502, "", ""));
    let stage = setting(&[KEY]).over_tls(&[Server::Kubernetes]).stage();
    let path = stage.put("k.yaml", trusting(&stage, CLUSTER_TOKEN));
    let run = |around: &str| {
        let run = stage.action().variable("KUBECONFIG", &path).variable("HTTPS_PROXY", proxy.url.as_str());
        run.variable("NO_PROXY", around).run()
    };
    refused(&stage, &run("acme.test"), &["no connection to localhost over the proxy 127.0.0.1"]);
    assert!(proxy.seen().iter().all(|seen| seen.method == "CONNECT"), "{:?}", proxy.seen());
    let asked_before = proxy.seen().len();
    let ran = run("acme.test,localhost");
    assert_eq!((ran.status(), ran.rotated()), (0, true), "{}", ran.log());
    assert_eq!(proxy.seen().len(), asked_before);
    stage.check_healed().unwrap();
}

#[test]
fn the_cluster_is_trusted_by_the_authority_that_the_kubeconfig_names() {
    let stage = setting(&[KEY]).over_tls(&[Server::Kubernetes]).stage();
    let run = |config: String| {
        let path = stage.put("tls.yaml", config);
        stage.action().variable("KUBECONFIG", &path).variable("SSL_CERT_FILE", "").run()
    };
    let said = ["certificate is not trusted", "`certificate-authority` in the kubeconfig"];
    refused(&stage, &run(stage.kubeconfig(CLUSTER_TOKEN)), &said);
    let ran = run(trusting(&stage, CLUSTER_TOKEN));
    assert_eq!((ran.status(), ran.rotated()), (0, true), "{}", ran.log());
    stage.check_healed().unwrap();
}

/// What a program has started in turn ends with it, and nothing of keyrotor's own is handed on.
#[test]
fn a_program_that_signs_in_ends_with_its_use_and_is_told_nothing() {
    let stage = stage(&["repo:acme/app", KEY]);
    let asleep = "31.4159";
    let config = with_program(&stage, &format!("sleep {asleep} & sleep {asleep}"));
    let ran = stage.action().variable("KUBECONFIG", &config).run();
    refused(&stage, &ran, &["did not sign in within"]);
    let left = std::process::Command::new("pgrep").args(["-f", &format!("sleep {asleep}")]).output().unwrap();
    assert!(left.stdout.is_empty(), "a program outlived its use");
    let said = stage.path("said");
    let config = with_program(&stage, &format!("env >'{}'; exit 1", said.display()));
    let ran = stage.action().variable("KUBECONFIG", &config).run();
    refused(&stage, &ran, &["the way to sign in that the kubeconfig names does not work"]);
    let said = std::fs::read_to_string(said).unwrap();
    assert!(said.contains("KUBERNETES_EXEC_INFO") && !said.contains("INPUT_"), "{said}");
}

/// A stage with a cluster over TLS that knows a client by its certificate.
fn certified() -> Stage {
    let stage = setting(&[KEY]).over_tls(&[Server::Kubernetes]).stage();
    stage.world.by_hand(|state| {
        state.kubernetes.takes_certificates = true;
        state.kubernetes.accounts.clear();
    });
    stage
}

/// A program that says this.
fn saying(stage: &Stage, what: &str) -> String {
    let path = with_program(stage, "cat \"$(dirname \"$0\")/said\"");
    stage.put("kube/said", what);
    path
}

fn said(status: serde_json::Value) -> String {
    let kind = "ExecCredential";
    json!({ "apiVersion": "client.authentication.k8s.io/v1", "kind": kind, "status": status }).to_string()
}

#[test]
fn a_certificate_signs_in_whoever_shows_it() {
    type Written = fn(&Stage, &str, &str) -> String;
    let cases: [(&str, Written); 3] = [
        ("in files beside the kubeconfig", |stage, certificate, key| {
            let user = "client-certificate: client.pem, client-key: client.key";
            let path = with_program(stage, "exit 1");
            stage.put("kube/client.pem", certificate);
            stage.put("kube/client.key", key);
            stage.put(&path, trusting(stage, "x").replace("token: x", user))
        }),
        ("in the kubeconfig itself", |stage, certificate, key| {
            let [certificate, key] = [certificate, key].map(|pem| STANDARD.encode(pem));
            let user = format!("client-certificate-data: {certificate}, client-key-data: {key}");
            stage.put("k.yaml", trusting(stage, "x").replace("token: x", &user))
        }),
        ("from a program", |stage, certificate, key| {
            saying(stage, &said(json!({ "clientCertificateData": certificate, "clientKeyData": key })))
        }),
    ];
    for (what, written) in cases {
        let stage = certified();
        let (certificate, key) = stage.fakes.client.clone().unwrap();
        let path = written(&stage, &certificate, &key);
        kubectl_agrees(&stage, &path, true);
        let ran = stage.action().variable("KUBECONFIG", &path).run();
        assert_eq!((ran.status(), ran.rotated()), (0, true), "{what}: {}", ran.log());
        let at_cluster = ran.requests.iter().filter(|request| request.server == Server::Kubernetes);
        let signed = at_cluster.filter(|it| it.headers.iter().any(|(name, _)| name == "authorization"));
        assert_eq!(signed.count(), 0, "{what}: a token beside the certificate\n{}", ran.log());
        stage.check_healed().unwrap();
        // The cluster's authority vouches for the certificate, and for nobody without one.
        refused(
            &stage,
            &stage.action().variable("KUBECONFIG", &stage.put("n.yaml", trusting(&stage, "x"))).run(),
            &["401", "sign in anew"],
        );
    }
}

#[test]
fn what_a_program_says_is_read_as_kubectl_reads_it() {
    let version = "client.authentication.k8s.io/v1";
    let yaml = format!(
        "# by a program\nkind: ExecCredential\napiVersion: {version}\nstatus:\n  expirationTimestamp: \
         2120-01-01T00:00:00Z\n  token: {CLUSTER_TOKEN}\n"
    );
    let half = |field: &str, of: fn(&(String, String)) -> &str, stage: &Stage| {
        said(json!({ "token": CLUSTER_TOKEN, field: of(stage.fakes.client.as_ref().unwrap()) }))
    };
    type Says<'a> = &'a dyn Fn(&Stage) -> String;
    let cases: [(&str, bool, Says<'_>); 7] = [
        ("YAML", true, &|_| yaml.clone()),
        ("another version", false, &|_| said(json!({ "token": CLUSTER_TOKEN })).replace("io/v1", "io/v1beta1")),
        ("another kind", false, &|_| said(json!({ "token": CLUSTER_TOKEN })).replace("ExecCredential", "Secret")),
        ("no status", false, &|_| said(json!({ "token": CLUSTER_TOKEN })).replace("status", "state")),
        ("an empty token", false, &|_| said(json!({ "token": "" }))),
        ("a certificate without its key", false, &|stage| half("clientCertificateData", |it| &it.0, stage)),
        ("a key without its certificate", false, &|stage| half("clientKeyData", |it| &it.1, stage)),
    ];
    for (what, works, says) in cases {
        let stage = setting(&[KEY]).over_tls(&[Server::Kubernetes]).stage();
        let path = saying(&stage, &says(&stage));
        println!("{what}");
        kubectl_agrees(&stage, &path, works);
        let ran = stage.action().variable("KUBECONFIG", &path).run();
        if works {
            assert_eq!((ran.status(), ran.rotated()), (0, true), "{what}: {}", ran.log());
            stage.check_healed().unwrap();
        } else {
            refused(&stage, &ran, &["the way to sign in that the kubeconfig names does not work"]);
        }
    }
}

/// Each time it is asked the program says another token; how often it was is the number of lines in a file.
fn with_tokens(stage: &Stage, first: &str, then: &str) -> String {
    let script =
        "cd \"$(dirname \"$0\")\"; echo >>asked; if [ $(wc -l <asked) = 1 ]; then cat first; else cat then; fi";
    let path = with_program(stage, script);
    stage.put("kube/first", said(json!({ "token": first })));
    stage.put("kube/then", said(json!({ "token": then })));
    path
}

fn times_asked(stage: &Stage) -> usize {
    std::fs::read_to_string(stage.path("kube/asked")).unwrap_or_default().lines().count()
}

/// A token may be revoked, or be over sooner than was said.
#[test]
fn a_token_that_is_refused_is_asked_for_once_more() {
    let fresh = || stage(&["repo:acme/app", KEY]);
    // The first token is over from the beginning.
    let stage = fresh();
    let path = with_tokens(&stage, "over-0123456789abcdef", CLUSTER_TOKEN);
    let ran = stage.action().variable("KUBECONFIG", &path).run();
    assert_eq!((ran.status(), ran.rotated(), times_asked(&stage)), (0, true, 2), "{}", ran.log());
    stage.check_healed().unwrap();
    // It is over by the time of the write, which a refusal of who signs has kept from taking effect.
    let stage = fresh();
    stage.world.by_hand(|state| state.kubernetes.add_account(NEXT_TOKEN, "ci:next", &[]));
    let path = with_tokens(&stage, CLUSTER_TOKEN, NEXT_TOKEN);
    stage.world.fault("kubernetes:PATCH:2:status=401");
    let ran = stage.action().variable("KUBECONFIG", &path).run();
    assert_eq!((ran.status(), ran.rotated(), times_asked(&stage)), (0, true, 2), "{}", ran.log());
    let writes: Vec<_> = asked(&ran, "PATCH", "/secrets/").map(|at| ran.requests[at].role.as_str()).collect();
    assert_eq!(writes, ["account ci:keyrotor", "account ci:next"]);
    stage.check_healed().unwrap();
    // So is the second one: whoever is not let in gives up, and keeps nobody waiting.
    let stage = fresh();
    let path = with_tokens(&stage, "over-0123456789abcdef", "over-fedcba9876543210");
    let ran = stage.action().variable("KUBECONFIG", &path).run();
    refused(&stage, &ran, &["401"]);
    assert_eq!(times_asked(&stage), 2, "{}", ran.log());
    // A file may hold another one by now.
    let stage = fresh();
    stage.put("token", CLUSTER_TOKEN);
    let path = stage.put("k.yaml", stage.kubeconfig("x").replace("token: x", "tokenFile: token"));
    stage.world.fault("kubernetes:PATCH:2:status=401");
    let ran = stage.action().variable("KUBECONFIG", &path).run();
    assert_eq!((ran.status(), ran.rotated()), (0, true), "{}", ran.log());
    stage.check_healed().unwrap();
    // What stands in the kubeconfig itself stays what it is.
    let stage = fresh();
    stage.world.fault("kubernetes:PATCH:2x9:status=401");
    let snapshot = stage.snapshot();
    let ran = stage.run();
    assert_eq!((ran.status(), asked(&ran, "PATCH", "/secrets/").count()), (1, 1), "{}", ran.log());
    stage.check_truthful(&snapshot, &ran).unwrap();
}

/// Before anything is encrypted a client says for whom it comes, by which whoever stands before many clusters finds the
/// right one.
#[test]
fn the_cluster_is_asked_for_by_the_name_that_the_kubeconfig_gives_it() {
    let name = "kubernetes.default.svc";
    for address in ["localhost", "127.0.0.1"] {
        let stage = setting(&[KEY]).over_tls(&[Server::Kubernetes]).stage();
        stage.world.by_hand(|state| state.kubernetes.goes_by = Some(name.to_owned()));
        let called = |name: &str| {
            let config = trusting(&stage, CLUSTER_TOKEN).replace("//localhost:", &format!("//{address}:"));
            stage.put("k.yaml", config.replace("{certificate", &format!("{{tls-server-name: {name}, certificate")))
        };
        let path = called("other.default.svc");
        kubectl_agrees(&stage, &path, false);
        let ran = stage.action().variable("KUBECONFIG", &path).run();
        refused(&stage, &ran, &["certificate is not trusted"]);
        let path = called(name);
        kubectl_agrees(&stage, &path, true);
        let ran = stage.action().variable("KUBECONFIG", &path).run();
        assert_eq!((ran.status(), ran.rotated()), (0, true), "{address}: {}", ran.log());
        let at_cluster = ran.requests.iter().filter(|request| request.server == Server::Kubernetes);
        let hosts = at_cluster.flat_map(|it| it.headers.iter().filter(|(name, _)| name == "host"));
        assert!(
            hosts.clone().count() > 3 && hosts.clone().all(|(_, host)| host.starts_with(address)),
            "{:?}",
            hosts.last()
        );
        stage.check_healed().unwrap();
    }
}

/// kubectl takes `oidc` alone since 1.26: its token is sent, and nobody renews it here.
#[test]
fn a_provider_that_kubectl_dropped_is_named_with_what_took_its_place() {
    let with = |stage: &Stage, provider: &str| {
        let config = stage.kubeconfig("x").replace("token: x", &format!("auth-provider: {provider}"));
        stage.action().variable("KUBECONFIG", &stage.put("k.yaml", config)).run()
    };
    let held = stage(&[KEY]);
    let ran = with(&held, &format!("{{name: oidc, config: {{id-token: {CLUSTER_TOKEN}}}}}"));
    assert_eq!((ran.status(), ran.rotated()), (0, true), "{}", ran.log());
    for provider in ["{name: gcp, config: {cmd-path: /bin/true, access-token: 0123456789}}", "{name: oidc, config: {}}"]
    {
        let stage = stage(&[KEY]);
        refused(&stage, &with(&stage, provider), &["signs in with the auth-provider", "gke-gcloud-auth-plugin"]);
    }
}

/// In the form that RFC 7617 gives it.
#[test]
fn a_user_with_a_password_signs_in_with_both() {
    let stage = stage(&[KEY]);
    let cluster = Canned::serve(|_| reply(401, "", "{\"kind\":\"Status\",\"code\":401}"));
    let config = stage.kubeconfig("x").replace("token: x", "username: ci, password: p4ss-w0rd-of-ci");
    let config = config.replace(stage.fakes.url(Server::Kubernetes), cluster.url.as_str().trim_end_matches('/'));
    let ran = stage.action().variable("KUBECONFIG", &stage.put("k.yaml", config)).run();
    let sent = cluster.seen().first().map(|seen| seen.headers["authorization"].to_str().unwrap().to_owned());
    let encoded = STANDARD.encode("ci:p4ss-w0rd-of-ci");
    assert_eq!(sent, Some(format!("Basic {encoded}")), "{}", ran.log());
    assert!(!ran.log().contains(&encoded) && !ran.log().contains("p4ss-w0rd"), "{}", ran.log());
}
