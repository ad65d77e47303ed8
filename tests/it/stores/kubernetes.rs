//! `kubernetes:` targets, against a stand-in that answers as the API server does; and against a real cluster, where
//! `KUBECONFIG_TEST` names a kubeconfig.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "a test may panic, and tells")]

use std::time::{Duration, Instant};

use keyrotor::http::Trace;
use keyrotor::rotation::model::Held;
use keyrotor::secret::{Redactor, Secret};
use keyrotor::store::target::{SecretName, parse};
use keyrotor::store::{StoreContext, Stores};
use keyrotor_fake::kubernetes::{Admission, Workload};
use keyrotor_fake::{Dialect, Server, State};

use crate::harness::{CLUSTER_TOKEN, FAMILY, Ran, SECRET, Setting, Stage};

pub(super) const KEY: &str = "kubernetes:prod/arouter-credentials#api-key";

pub(super) fn setting(places: &[&str]) -> Setting {
    Setting::new(Dialect::Mgmt).places(places).with_current_key()
}

pub(super) fn stage(places: &[&str]) -> Stage {
    setting(places).stage()
}

fn secret(state: &mut State) -> &mut keyrotor_fake::kubernetes::Secret {
    state.kubernetes.secrets.get_mut(&("prod".to_owned(), "arouter-credentials".to_owned())).unwrap()
}

/// A stage with a Deployment that reads the Secret.
fn with_deployment(places: &[&str], words: &str, change: impl FnOnce(&mut Workload)) -> Stage {
    let targets = places.iter().map(|place| match place.starts_with("kubernetes:") {
        true => format!("{place} {words}"),
        false => (*place).to_owned(),
    });
    let stage = setting(places).input("targets", &targets.collect::<Vec<_>>().join("\n")).stage();
    stage.world.by_hand(|state| change(state.kubernetes.add_workload("prod", "deployments", "web")));
    stage
}

pub(super) fn asked<'a>(ran: &'a Ran, method: &'a str, part: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_it = move |(_, request): &(usize, &keyrotor_fake::Request)| {
        request.method == method && request.path.contains(part) && !request.path.contains("dryRun")
    };
    ran.requests.iter().enumerate().filter(is_it).map(|(at, _)| at)
}

#[test]
fn only_the_key_changes_and_who_managed_the_rest_goes_on() {
    let stage = stage(&[KEY]);
    stage.world.by_hand(|state| {
        state.kubernetes.put_as("kubectl-edit", "prod", "arouter-credentials", "other", "kept");
        let secret = secret(state);
        secret.labels.insert("app".to_owned(), "web".to_owned());
        secret.kind = "example.com/credentials".to_owned();
    });
    let before = stage.world.by_hand(|state| secret(state).clone());
    let snapshot = stage.snapshot();
    let ran = stage.action().secret("github-token", "").run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    stage.check_truthful(&snapshot, &ran).unwrap();
    stage.check_healed().unwrap();
    let after = stage.world.by_hand(|state| secret(state).clone());
    assert_eq!((&after.uid, &after.labels, &after.kind), (&before.uid, &before.labels, &before.kind));
    assert_eq!(after.data["other"], b"kept");
    let managers: Vec<_> = after.managers.iter().map(|(name, (_, keys))| (name.as_str(), keys.len())).collect();
    assert_eq!(managers, [("keyrotor", 1), ("kubectl-edit", 1)]);
    assert!(ran.tells(KEY) && ran.requests.iter().all(|request| request.server != Server::GitHub), "{}", ran.log());
    // Beside it a person writes another key: that is none of the rotation's.
    stage.world.advance(Duration::from_secs(24 * 3600));
    stage
        .world
        .by_hand(|state| state.kubernetes.put_as("kubectl-edit", "prod", "arouter-credentials", "other", "changed"));
    let ran = stage.action().input("rotate-after", "30d").run();
    assert_eq!((ran.status(), ran.output("outcome")), (0, "not-due"), "{}", ran.log());
}

#[test]
fn a_missing_secret_is_made_and_goes_again_when_the_rotation_is_undone() {
    let stage = stage(&["repo:acme/app", KEY]);
    stage.world.by_hand(|state| state.kubernetes.secrets.clear());
    stage.world.fault("github:PUT:1x99:status=451");
    let ran = stage.run();
    assert_eq!(ran.status(), 1, "{}", ran.log());
    assert!(stage.world.read(|state| state.kubernetes.secrets.is_empty()), "{}", ran.log());
    stage.world.clear_faults();
    let ran = stage.run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    let made = stage.world.by_hand(|state| secret(state).clone());
    assert_eq!((made.kind.as_str(), made.data.len()), ("Opaque", 1));
    assert_eq!(stage.held()[0], stage.held()[1]);
}

/// Rules of the cluster show before a key is made, not at the write of it.
#[test]
fn a_change_that_is_not_admitted_stops_the_run_before_a_key_is_made() {
    let remedies =
        [(Admission::Denies, "denies this change"), (Admission::IsDown, "ave the webhook that is named repaired")];
    for ((admission, remedy), is_there) in remedies.into_iter().flat_map(|it| [(it, true), (it, false)]) {
        let stage = stage(&["repo:acme/app", KEY]);
        stage.world.by_hand(|state| {
            state.kubernetes.admission = Some(admission);
            if !is_there {
                state.kubernetes.secrets.clear();
            }
        });
        let before = stage.world.read(|state| (state.kubernetes.secrets.clone(), state.issuer.keys.clone()));
        for ran in [stage.action().input("dry-run", "true").run(), stage.run()] {
            assert_eq!(ran.status(), 1, "{admission:?}\n{}", ran.log());
            assert!(ran.tells("rules.acme.example") && ran.tells(remedy), "{}", ran.log());
        }
        let after = stage.world.read(|state| (state.kubernetes.secrets.clone(), state.issuer.keys.clone()));
        assert_eq!(before, after);
        stage.world.by_hand(|state| state.kubernetes.admission = None);
        assert_eq!(stage.run().status(), 0);
        stage.check_healed().unwrap();
    }
}

#[test]
fn a_webhook_that_knows_no_trial_hinders_nobody() {
    let stage = stage(&[KEY]);
    stage.world.by_hand(|state| state.kubernetes.admission = Some(Admission::KnowsNoTrial));
    let ran = stage.run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    stage.check_healed().unwrap();
}

/// The webhook was there when the change was tried. It is asked before anything is stored, so that nothing is in doubt.
#[test]
fn a_write_for_which_no_webhook_could_be_asked_is_refused() {
    let stage = stage(&[KEY]);
    let why = "Internal error occurred: failed calling webhook \\\"rules.acme.example\\\": connection refused";
    let body = format!("{{\"kind\":\"Status\",\"reason\":\"InternalError\",\"message\":\"{why}\"}}");
    stage.world.fault(&format!("kubernetes:PATCH:2:status=500,body={body}"));
    let snapshot = stage.snapshot();
    let ran = stage.run();
    assert_eq!(ran.status(), 1, "{}", ran.log());
    stage.check_truthful(&snapshot, &ran).unwrap();
    assert_eq!(asked(&ran, "PATCH", "/secrets/").count(), 1, "it is not repeated\n{}", ran.log());
    stage.world.clear_faults();
    assert_eq!(stage.run().status(), 0);
    stage.check_healed().unwrap();
}

#[test]
fn without_the_right_to_delete_the_key_is_taken_out() {
    let stage = stage(&["repo:acme/app", KEY]);
    stage.world.by_hand(|state| {
        state.kubernetes.secrets.clear();
        state.kubernetes.add_account(CLUSTER_TOKEN, "ci:keyrotor", &[("delete", "secrets")]);
    });
    // What never held a key is written first, and read back by the time that another refuses.
    stage.world.fault("github:PUT:1x99:status=451");
    let ran = stage.run();
    assert_eq!(ran.status(), 1, "{}", ran.log());
    assert!(stage.world.by_hand(|state| secret(state).data.is_empty()), "{}", ran.log());
}

#[test]
fn someone_who_was_faster_is_read_again() {
    let stage = stage(&[KEY]);
    stage.world.fault(
        "kubernetes:PATCH:2:status=409,body={\"kind\":\"Status\",\"reason\":\"Conflict\",\"message\":\"the object has been modified\"}",
    );
    let ran = stage.run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    stage.check_healed().unwrap();
    let patches: Vec<_> = asked(&ran, "PATCH", "/secrets/").collect();
    assert!(asked(&ran, "GET", "/secrets/").any(|at| patches[0] < at && at < patches[1]), "{}", ran.log());
}

#[test]
fn a_write_that_lands_behind_a_later_one_comes_to_nothing() {
    let stage = stage(&[KEY]);
    stage.world.fault("kubernetes:PATCH:2:apply-late=700ms");
    let ran = stage.run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    std::thread::sleep(Duration::from_millis(800));
    stage.check_healed().unwrap();
}

/// Nothing is made, and the report says this.
pub(super) fn refused(stage: &Stage, ran: &Ran, says: &[&str]) {
    assert_eq!((ran.status(), ran.output("outcome")), (1, "unchanged"), "{}", ran.log());
    assert!(
        ran.requests.iter().all(|request| request.server != Server::Issuer || request.method == "GET"),
        "{}",
        ran.log()
    );
    for words in says {
        assert!(ran.tells(words), "{words}: {}", ran.log());
    }
    stage.check_no_outage().unwrap();
}

type Spoil = fn(&mut State);

/// The account may no longer do this.
fn deny(state: &mut State, verb: &str, resource: &str) {
    state.kubernetes.add_account(CLUSTER_TOKEN, "ci:keyrotor", &[(verb, resource)]);
}

#[test]
fn what_cant_be_written_is_told_before_a_key_is_made() {
    let cases: [(&str, Spoil, &[&str]); 9] = [
        ("", |state| secret(state).immutable = true, &["immutable"]),
        ("", |state| deny(state, "patch", "secrets"), &["may not patch secrets/arouter-credentials", "RoleBinding"]),
        ("", |state| deny(state, "get", "secrets"), &["may not get secrets/arouter-credentials"]),
        (
            "",
            |state| {
                state.kubernetes.secrets.clear();
                deny(state, "create", "secrets");
            },
            &["may not create secrets in the namespace prod"],
        ),
        (
            "",
            |state| {
                state.kubernetes.secrets.clear();
                state.kubernetes.namespaces.clear();
            },
            &["namespaces \"prod\" not found"],
        ),
        (
            "restart=deployment/web",
            |state| deny(state, "patch", "deployments"),
            &["may not patch deployments.apps/web"],
        ),
        ("restart=deployment/nowhere", |_| (), &["deployments.apps \"nowhere\" not found"]),
        (
            "restart=deployment/web",
            |state| state.kubernetes.add_workload("prod", "deployments", "web").is_paused = true,
            &["deployment/web is paused"],
        ),
        (
            "restart=daemonset/log",
            |state| state.kubernetes.add_workload("prod", "daemonsets", "log").on_delete = true,
            &["daemonset/log", "OnDelete"],
        ),
    ];
    for (words, spoil, says) in cases {
        let stage = with_deployment(&["repo:acme/app", KEY], words, |_| ());
        stage.world.by_hand(spoil);
        refused(&stage, &stage.run(), says);
    }
    let stage = stage(&["repo:acme/app", KEY]);
    let unknown = stage.put("other.yaml", stage.kubeconfig("somebody"));
    refused(&stage, &stage.action().variable("KUBECONFIG", &unknown).run(), &["401", "sign in anew"]);
    let missing = stage.action().variable("KUBECONFIG", "nowhere.yaml").run();
    refused(&stage, &missing, &["the kubeconfig nowhere.yaml can't be used", "No such file"]);
    let broken = stage.put("broken.yaml", "current-context: [");
    refused(&stage, &stage.action().variable("KUBECONFIG", &broken).run(), &["broken.yaml", "not YAML"]);
    let plugin = stage
        .kubeconfig("x")
        .replace("token: x", "exec: {apiVersion: client.authentication.k8s.io/v1, command: no-such-program}");
    let plugin = stage.put("plugin.yaml", plugin);
    refused(
        &stage,
        &stage.action().variable("KUBECONFIG", &plugin).run(),
        &["`no-such-program`", "action there is none"],
    );
    let careless = stage.kubeconfig("x").replace("server:", "insecure-skip-tls-verify: true, server:");
    let careless = stage.put("careless.yaml", careless);
    refused(&stage, &stage.action().variable("KUBECONFIG", &careless).run(), &["insecure-skip-tls-verify"]);
}

#[test]
fn the_old_key_goes_when_every_pod_was_made_anew() {
    let stage = with_deployment(&[KEY], "restart=deployment/web", |web| web.rolls_in = Duration::from_millis(1_500));
    let snapshot = stage.snapshot();
    let ran = stage.run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    stage.check_truthful(&snapshot, &ran).unwrap();
    stage.check_healed().unwrap();
    assert_eq!(asked(&ran, "PATCH", "/deployments/web").count(), 1, "{}", ran.log());
    let (restarted, retired) =
        (asked(&ran, "PATCH", "/deployments/web").next(), asked(&ran, "DELETE", "/keys/").next());
    let looks: Vec<_> = asked(&ran, "GET", "/deployments/web").filter(|at| Some(*at) > restarted).collect();
    assert!(looks.len() > 1 && looks.iter().all(|at| Some(*at) < retired), "{}", ran.log());
    assert!(ran.tells("restart deployment/web") && ran.tells("every pod was made anew"), "{}", ran.log());
}

#[test]
fn a_rollout_that_fails_or_takes_too_long_puts_all_back_and_rolls_again() {
    for (words, change, says) in [
        ("restart=deployment/web", (|web: &mut Workload| web.is_stuck = true) as fn(&mut Workload), "no progress"),
        (
            "restart=deployment/web rollout-timeout=1s",
            |web: &mut Workload| web.rolls_in = Duration::from_secs(3600),
            "not done within 1 s",
        ),
    ] {
        let stage = with_deployment(&["repo:acme/app", KEY], words, change);
        let held = stage.held();
        let ran = stage.run();
        assert!([1, 3].contains(&ran.status()), "{}", ran.log());
        assert!(ran.tells(says), "{says}: {}", ran.log());
        assert_eq!(stage.held(), held, "{}", ran.log());
        stage.check_no_outage().unwrap();
        // Whoever was restarted with the new key is restarted with the old one before the new one may go.
        assert_eq!(asked(&ran, "PATCH", "/deployments/web").count(), 2, "{}", ran.log());
    }
}

/// A StatefulSet replaces no pod behind one that is not ready, whatever its template says by then.
#[test]
fn a_pod_that_holds_back_the_others_is_named_and_no_further_key_is_made() {
    for (denied, says) in [
        (&[][..], "`kubectl delete pod --namespace prod queue-2`"),
        (&[("list", "pods")][..], "`kubectl get pods --namespace prod`"),
    ] {
        let words = " restart=statefulset/queue rollout-timeout=1s";
        let stage = setting(&[KEY]).input("targets", &format!("{KEY}{words}")).stage();
        let held = stage.held();
        let (queue, change) = (("prod".to_owned(), "statefulsets".to_owned(), "queue".to_owned()), |to: bool| {
            move |queue: &mut Workload| (queue.breaks, queue.is_held_back) = (to, false)
        });
        stage.world.by_hand(|state| {
            state.kubernetes.add_account(CLUSTER_TOKEN, "ci:keyrotor", denied);
            change(true)(state.kubernetes.add_workload("prod", "statefulsets", "queue"));
        });
        let ran = stage.run();
        assert_eq!(ran.status(), 3, "{}", ran.log());
        assert!(ran.tells(says), "{says}: {}", ran.log());
        assert_eq!(stage.held(), held, "{}", ran.log());
        let keys = stage.world.live_keys(FAMILY).len();
        let ran = stage.run();
        assert_eq!((ran.status(), stage.world.live_keys(FAMILY).len()), (1, keys), "{}", ran.log());
        assert!(ran.tells("would not restart") && ran.tells(says), "{}", ran.log());
        stage.check_no_outage().unwrap();
        stage.world.by_hand(|state| change(false)(state.kubernetes.workloads.get_mut(&queue).unwrap()));
        stage.world.advance(Duration::from_secs(3600));
        let ran = stage.run();
        assert_eq!(ran.status(), 0, "{}", ran.log());
        stage.check_healed().unwrap();
    }
}

/// Such as while its node is drained.
#[test]
fn a_pod_that_is_not_ready_for_a_moment_stops_no_rotation() {
    let stage = setting(&[KEY]).input("targets", &format!("{KEY} restart=statefulset/queue")).stage();
    stage.world.by_hand(|state| state.kubernetes.add_workload("prod", "statefulsets", "queue").is_held_back = true);
    let world = stage.world.clone();
    let recovers = std::thread::spawn(move || {
        let restarts = || world.requests().iter().any(|it| it.method == "PATCH" && it.path.contains("/queue"));
        let began = Instant::now();
        while !restarts() && began.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(5));
        }
        world.by_hand(|state| state.kubernetes.workloads.values_mut().for_each(|queue| queue.is_held_back = false));
    });
    let ran = stage.run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    recovers.join().unwrap();
    stage.check_healed().unwrap();
}

#[test]
fn two_keys_of_one_secret_are_two_targets_and_one_restart() {
    let places = ["kubernetes:prod/creds#a", "kubernetes:prod/creds#b"];
    let stage = with_deployment(&places, "restart=deployment/web", |_| ());
    let ran = stage.run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    stage.check_healed().unwrap();
    let web = stage.world.read(|state| state.kubernetes.workloads.values().next().unwrap().generation);
    assert_eq!(web, 2, "{}", ran.log());
}

/// Needs the rights on Secrets in the namespace `default`, or in `KUBERNETES_TEST_NAMESPACE`.
#[tokio::test]
async fn a_real_cluster_agrees() {
    let Ok(kubeconfig) = std::env::var("KUBECONFIG_TEST") else {
        println!("skipped: KUBECONFIG_TEST names no kubeconfig of a cluster");
        return;
    };
    let namespace = std::env::var("KUBERNETES_TEST_NAMESPACE").unwrap_or_else(|_| "default".to_owned());
    let around = StoreContext {
        client: reqwest::Client::new(),
        request_timeout: Duration::from_secs(10),
        variables: std::rc::Rc::new([("KUBECONFIG".to_owned(), kubeconfig)].into()),
        now: std::rc::Rc::new(jiff::Timestamp::now),
        hide: std::rc::Rc::new(|_| ()),
        redactor: Redactor::new(),
        trace: Trace::default(),
    };
    let stores = Stores::new(None, around);
    let name = format!("keyrotor-test-{}", std::process::id());
    let (targets, wrong) =
        parse(&format!("kubernetes:{namespace}/{name}#api-key"), &SecretName::parse(SECRET).unwrap());
    assert_eq!(wrong, []);
    let store = stores.open(&targets).remove(0);
    assert_eq!(store.observe().await.unwrap().held, Held::Nothing);
    for value in ["lr_live_0123456789abcdef", "lr_live_fedcba9876543210"] {
        let value = Secret::new(value.to_owned());
        store.ready().await.unwrap();
        let written = store.write(&value).await.unwrap();
        assert_eq!(store.read_back().await.unwrap(), Some(value));
        let at = store.last_write().await.unwrap().held.since().unwrap();
        assert!(at.duration_since(written.date).abs() <= jiff::SignedDuration::from_secs(2), "{at} {}", written.date);
    }
    store.ready().await.unwrap();
    store.remove().await.unwrap();
    assert_eq!(store.observe().await.unwrap().held, Held::Nothing);
}

#[test]
fn many_keys_of_one_secret_are_written_in_turn() {
    let places: Vec<_> = (0..10).map(|nth| format!("kubernetes:prod/creds#k{nth}")).collect();
    let stage = stage(&places.iter().map(String::as_str).collect::<Vec<_>>());
    stage.world.by_hand(|state| state.latency = Duration::from_millis(60));
    let ran = stage.run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    stage.check_healed().unwrap();
    assert_eq!(asked(&ran, "PATCH", "/secrets/creds").count(), 10, "none is sent in vain\n{}", ran.log());
}

/// A manager of fields has one time for all of them. Each rotation sees when its own key was written.
#[test]
fn two_rotations_in_one_secret_do_not_hide_each_others_times() {
    let places = ["kubernetes:prod/creds#a", "kubernetes:prod/creds#b"];
    let stage = Setting::new(Dialect::Mgmt).places(&places).deployed(None).stage();
    for (family, place) in ["fa", "fb"].iter().zip(&stage.places) {
        stage.world.by_hand(|state| {
            let (_, value) = state.issuer.seed_key(&format!("{family}-2026-10-22-aaaaaa"), |_| {});
            state.put(place, SECRET, &value);
        });
    }
    stage.world.advance(Duration::from_secs(40 * 24 * 3600));
    let run = |a: &str, b: &str| {
        let text = format!(
            "rotations:\n  - {{key-name: fa, rotate-after: {a}, targets: [\"{}\"]}}\n  - {{key-name: fb, rotate-after: {b}, \
             targets: [\"{}\"]}}\n",
            places[0], places[1]
        );
        let path = stage.put("keyrotor.yml", text);
        let ran = stage.action().input("key-name", "").input("targets", "").input("config", &path).run();
        assert_eq!(ran.status(), 0, "{}", ran.log());
        stage.world.advance(Duration::from_secs(10 * 24 * 3600));
    };
    for (a, b) in [("30d", "90d"), ("30d", "45d"), ("30d", "30d"), ("5d", "30d"), ("30d", "30d")] {
        run(a, b);
    }
    stage.check_no_outage().unwrap();
}
