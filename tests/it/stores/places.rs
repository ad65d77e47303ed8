//! What a place at Kubernetes, Vault or AWS turns out to be: somebody else's, another form than was thought, a value with
//! white space around it.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use keyrotor::http::Trace;
use keyrotor::rotation::model::{Contents, Entry};
use keyrotor::rotation::ports::SecretStore;
use keyrotor::secret::{Redactor, Secret};
use keyrotor::store::target::{SecretName, parse};
use keyrotor::store::{StoreContext, Stores};
use keyrotor_fake::{Dialect, Server, State};
use serde_json::{Value, json};

use crate::harness::{CLUSTER_TOKEN, FAMILY, Ran, SECRET, Setting, Stage, VAULT_TOKEN};

const BESIDE: &str = "repo:acme/app";
const KEY: &str = "kubernetes:prod/app#api-key";
const FIELD: &str = "vault:secret/team/app#api-key";
const ID: &str = "prod/arouter";
const WHOLE: &str = "aws-secretsmanager:prod/arouter";
const PART: &str = "aws-secretsmanager:prod/arouter#api-key";
const REFUSAL: &str = "github:PUT~/repos/acme/app/:1x99:status=451";

fn setting(places: &[&str]) -> Setting {
    Setting::new(Dialect::Mgmt).places(places).with_current_key()
}

fn secret(state: &mut State) -> &mut keyrotor_fake::kubernetes::Secret {
    state.kubernetes.secrets.get_mut(&("prod".to_owned(), "app".to_owned())).unwrap()
}

/// Nothing was made and nothing written, whoever wrote what is there lives, and the report says why.
fn refused(stage: &Stage, ran: &Ran, words: &[&str]) {
    assert_eq!((ran.status(), ran.output("outcome")), (1, "unchanged"), "{}", ran.log());
    for word in words {
        assert!(ran.tells(word), "{word} is not told: {}", ran.log());
    }
    let changes = |request: &&keyrotor_fake::Request| match request.server {
        Server::Aws => request.path.contains("Put") || request.path.contains("Update"),
        Server::Kubernetes => request.method == "PATCH" && !request.path.contains("dryRun"),
        Server::Vault => {
            ["PATCH", "DELETE"].contains(&request.method.as_str())
                || request.path.contains("/data/") && request.method == "POST"
        }
        _ => request.method != "GET",
    };
    assert_eq!(ran.requests.iter().find(changes), None, "{}", ran.log());
    assert_eq!(stage.world.live_keys(FAMILY).len(), 1, "{}", ran.log());
    stage.check_no_outage().unwrap();
}

fn rotated(stage: &Stage, ran: &Ran) {
    assert_eq!((ran.status(), ran.rotated()), (0, true), "{}", ran.log());
    stage.check_healed().unwrap();
}

type Spoil = fn(&mut keyrotor_fake::kubernetes::Secret);

fn own(secret: &mut keyrotor_fake::kubernetes::Secret, group: &str, kind: &str, controller: bool) {
    let api = format!("{group}/v1");
    secret.owners.push(json!({ "apiVersion": api, "kind": kind, "name": "app", "uid": "u", "controller": controller }));
}

/// From now on the key is managed by this one.
fn hand_over(secret: &mut keyrotor_fake::kubernetes::Secret, manager: &str, applies: bool) {
    let time = secret.managers.values().map(|(time, _)| *time).max().unwrap();
    secret.managers = [(manager.to_owned(), (time, BTreeSet::from(["api-key".to_owned()])))].into();
    if applies {
        secret.applying.insert(manager.to_owned());
    }
}

#[test]
fn a_secret_that_an_operator_writes_is_left_to_it() {
    let cases: [(Spoil, &[&str]); 9] = [
        (
            |secret| own(secret, "external-secrets.io", "ExternalSecret", true),
            &["External Secrets writes this Secret (ExternalSecret/app owns it)", "Vault and AWS can be targets"],
        ),
        (
            |secret| _ = secret.labels.insert("reconcile.external-secrets.io/managed".into(), "true".into()),
            &["External Secrets writes this Secret (`reconcile.external-secrets.io/managed`)"],
        ),
        (|secret| own(secret, "bitnami.com", "SealedSecret", true), &["Sealed Secrets", "a Secret of its own"]),
        (
            |secret| _ = secret.labels.insert("secrets.hashicorp.com/vso-ownerRefUID".into(), "u".into()),
            &["the Vault Secrets Operator", "vault:MOUNT/PATH#FIELD"],
        ),
        (
            |secret| _ = secret.annotations.insert("cert-manager.io/certificate-name".into(), "app".into()),
            &["cert-manager"],
        ),
        (
            |secret| {
                _ = secret.annotations.insert("reflector.v1.k8s.emberstack.com/reflects".into(), "default/app".into());
            },
            &["Reflector", "rite to the Secret that it copies"],
        ),
        (|secret| own(secret, "example.com", "Widget", true), &["Widget/app controls this Secret"]),
        (|secret| hand_over(secret, "external-secrets", false), &["`external-secrets` manages the key"]),
        (|secret| hand_over(secret, "fleet-agent", true), &["`fleet-agent` applies this key", "accept=fleet-agent"]),
    ];
    for (spoil, words) in cases {
        let stage = setting(&[BESIDE, KEY]).stage();
        stage.world.by_hand(|state| spoil(secret(state)));
        let before = (stage.held(), stage.world.by_hand(|state| secret(state).clone()));
        refused(&stage, &stage.run(), words);
        assert_eq!((stage.held(), stage.world.by_hand(|state| secret(state).clone())), before);
        // Once the operator has let go of it, all goes on.
        stage.world.by_hand(|state| {
            let secret = secret(state);
            secret.owners.clear();
            secret.labels.clear();
            secret.annotations.clear();
            hand_over(secret, "kubectl-create", false);
        });
        rotated(&stage, &stage.run());
    }
}

#[test]
fn people_and_what_deploys_may_have_made_the_secret() {
    let cases: [Spoil; 4] = [
        |secret| hand_over(secret, "Go-http-client", false),
        |secret| hand_over(secret, "kustomize-controller", true),
        |secret| _ = secret.annotations.insert("meta.helm.sh/release-name".into(), "app".into()),
        |secret| own(secret, "example.com", "Widget", false),
    ];
    for spoil in cases {
        let stage = setting(&[KEY]).stage();
        stage.world.by_hand(|state| spoil(secret(state)));
        rotated(&stage, &stage.run());
    }
}

#[test]
fn a_secret_that_is_being_deleted_takes_no_key() {
    let stage = setting(&[BESIDE, KEY]).stage();
    stage.world.by_hand(|state| secret(state).deleting = Some(state.clock.now()));
    refused(&stage, &stage.run(), &["the Secret is being deleted since", "a finalizer that keeps it"]);
}

#[test]
fn the_apis_own_path_is_none_of_a_secrets() {
    for (side, grants) in [
        ("data", vec![("secret/data/*", vec!["create", "read", "update", "patch"])]),
        // So narrow that nothing else can even be asked for.
        ("data", vec![("secret/data/team/app", vec!["read", "patch"])]),
        ("metadata", vec![("secret/data/*", vec!["create", "read", "update", "patch"])]),
    ] {
        let stage = setting(&[FIELD, BESIDE]).stage();
        let grants: Vec<_> = grants.iter().map(|(path, granted)| (*path, granted.as_slice())).collect();
        stage.world.by_hand(|state| state.vault.add_token(VAULT_TOKEN, "ci", &grants));
        let wrong = format!("vault:secret/{side}/team/app#api-key\n{BESIDE}");
        let ran = stage.action().input("targets", &wrong).run();
        refused(&stage, &ran, &[&format!("`{side}/` belongs to the path of Vault's API"), &format!("Write `{FIELD}`")]);
        rotated(&stage, &stage.run());
    }
    // What really lies there is a secret like any other.
    let stage = setting(&["vault:secret/data/app#api-key"]).stage();
    rotated(&stage, &stage.run());
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn a_path_into_a_field_names_no_field() {
    let stage = setting(&[BESIDE, WHOLE]).stage();
    let text = json!({ "arouter": { "key": stage.held()[0] }, "port": 5432 }).to_string();
    stage.world.by_hand(|state| state.aws.put_text(ID, &text));
    let says = ["only top-level fields can be named", "`arouter` holds an object", "`port`"];
    let ran = stage.action().input("targets", &format!("{BESIDE}\n{WHOLE}#arouter.key")).run();
    refused(&stage, &ran, &says);
    assert_eq!(stage.world.read(|state| state.aws.text(ID)), Some(text));

    for mount in ["secret", "old"] {
        let path = format!("{mount}/nested");
        let stage = setting(&[BESIDE, &format!("vault:{path}#arouter.key")]).stage();
        let data = json!({ "arouter": { "key": stage.held()[0] }, "port": 5432 });
        stage.world.by_hand(|state| state.vault.write(&path, data.as_object().unwrap().clone(), None).unwrap());
        refused(&stage, &stage.run(), &says);
        let now =
            stage.world.read(|state| Value::from(state.vault.secret(&path).unwrap().newest().unwrap().data.clone()));
        assert_eq!(now, data);
    }
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn a_whole_secret_of_json_is_never_replaced() {
    for (text, words) in [
        (r#"{"AROUTER_API": "KEY", "DB_PASSWORD": "x"}"#, "there are `AROUTER_API`, `DB_PASSWORD`"),
        ("{}", "the secret holds a JSON object and no key"),
        (r#"["KEY"]"#, "the secret holds a JSON list and no key"),
        (r#""KEY""#, "the secret holds a JSON string and no key"),
    ] {
        let stage = setting(&[BESIDE, WHOLE]).laid_out(ID, text).stage();
        let before = stage.world.read(|state| state.aws.text(ID));
        refused(&stage, &stage.run(), &[words]);
        assert_eq!(stage.world.read(|state| state.aws.text(ID)), before);
    }
}

/// Between the look and the write somebody puts an object in the place of the key.
#[test]
#[ignore = "needs what ./test prepares in .check"]
fn a_secret_that_becomes_json_meanwhile_is_not_replaced() {
    let stage = setting(&[BESIDE, WHOLE]).stage();
    stage.world.fault("issuer:POST~/api/v1/keys:1:delay=300ms");
    let world = stage.world.clone();
    let someone = std::thread::spawn(move || {
        while !world.requests().iter().any(|request| request.server == Server::Issuer && request.method == "POST") {
            std::thread::sleep(Duration::from_millis(5));
        }
        world.by_hand(|state| state.aws.put_text(ID, r#"{"user":"app"}"#));
    });
    let ran = stage.run();
    someone.join().unwrap();
    assert!([1, 3].contains(&ran.status()) && ran.tells("a JSON object"), "{}", ran.log());
    assert_eq!(stage.world.read(|state| state.aws.text(ID)).as_deref(), Some(r#"{"user":"app"}"#));
    stage.check_no_outage().unwrap();
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn a_secret_that_aws_rotates_is_left_to_it() {
    for target in [WHOLE, PART] {
        let stage = setting(&[BESIDE, target]).stage();
        stage.world.by_hand(|state| state.aws.rotated_by.insert(ID.to_owned(), "rotate-arouter".to_owned()));
        let says = ["by the Lambda function rotate-arouter", "cancel-rotate-secret --secret-id prod/arouter"];
        refused(&stage, &stage.run(), &says);
        stage.world.by_hand(|state| state.aws.rotated_by.clear());
        rotated(&stage, &stage.run());
    }
}

/// The accepted name is that of a tool which no longer runs.
#[test]
fn who_no_longer_applies_a_key_can_be_accepted() {
    let stage = setting(&[KEY]).stage();
    stage.world.by_hand(|state| hand_over(secret(state), "fleet-agent", true));
    rotated(&stage, &stage.action().input("targets", &format!("{KEY} accept=fleet-agent")).run());
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn a_slip_in_a_name_retires_nothing_and_is_told_what_there_is() {
    for (right, wrong) in [
        (KEY, "kubernetes:prod/app#api_key"),
        (KEY, "kubernetes:prod/ap#api-key"),
        (FIELD, "vault:secret/team/app#api_key"),
        ("vault:old/team/app#api-key", "vault:old/team/app#apikey"),
        (PART, "aws-secretsmanager:prod/arouter#key"),
    ] {
        let stage = setting(&[right]).stage();
        let before = stage.held();
        let ran = stage.action().input("targets", wrong).run();
        assert_eq!(stage.held(), before, "{}", ran.log());
        assert!(ran.tells(right), "{right} is not told: {}", ran.log());
        refused(&stage, &ran, &[]);
        rotated(&stage, &stage.run());
    }
    // Of another secret's fields nothing is shown: its name has to do.
    let stage = setting(&[FIELD]).stage();
    let grants: [(&str, &[&'static str]); 2] =
        [("secret/data/*", &["create", "read", "update", "patch"]), ("secret/metadata/*", &["list"])];
    stage.world.by_hand(|state| state.vault.add_token(VAULT_TOKEN, "ci", &grants));
    let ran = stage.action().input("targets", "vault:secret/team/ap#api-key").run();
    refused(&stage, &ran, &["vault:secret/team/app"]);
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn a_second_holder_in_sight_keeps_the_key_alive() {
    type Copy = fn(&mut State, &str);
    let cases: [(&str, &str, Copy); 5] = [
        (KEY, "kubernetes:prod/app#copy", |state, value| {
            state.kubernetes.put("prod", "app", "copy", &format!("{value}\n"))
        }),
        (KEY, "kubernetes:prod/app#.env", |state, value| {
            state.kubernetes.put("prod", "app", ".env", &format!("A=1\nAROUTER_API_KEY={value}\n"));
        }),
        (FIELD, "vault:secret/team/app#copy", |state, value| {
            _ = state.vault.put("secret/team/app", &[("copy", value)])
        }),
        (FIELD, "vault:secret/team/app#nested", |state, value| {
            let mut data = state.vault.secret("secret/team/app").unwrap().newest().unwrap().data.clone();
            data.insert("nested".to_owned(), json!({ "a": { "key": value } }));
            state.vault.write("secret/team/app", data, Some(1)).unwrap();
        }),
        (PART, "aws-secretsmanager:prod/arouter#copy", |state, value| state.aws.put(ID, Some("copy"), value)),
    ];
    for (target, other, copy) in cases {
        let stage = setting(&[target]).stage();
        let value = stage.held()[0].clone().unwrap();
        stage.world.by_hand(|state| copy(state, &value));
        refused(&stage, &stage.run(), &[other, "also hold"]);
    }
}

/// What stood around the old value is there again when the rotation was undone.
#[test]
#[ignore = "needs what ./test prepares in .check"]
fn a_value_is_put_back_with_its_white_space() {
    type Put = fn(&mut State, &str);
    let vault = |state: &mut State, value: &str| {
        let secret = state.vault.mounts.get_mut("secret").unwrap().secrets.get_mut("team/app").unwrap();
        secret.versions.get_mut(&1).unwrap().data["api-key"] = value.into();
    };
    let cases: [(&str, Put); 6] = [
        (KEY, |state, value| _ = secret(state).data.insert("api-key".to_owned(), value.as_bytes().to_vec())),
        (FIELD, vault),
        (FIELD, |state, value| {
            state.vault.has_patch = false;
            let secret = state.vault.mounts.get_mut("secret").unwrap().secrets.get_mut("team/app").unwrap();
            secret.versions.get_mut(&1).unwrap().data["api-key"] = value.into();
        }),
        (WHOLE, |_, _| ()),
        (PART, |_, _| ()),
        ("vault:old/team/app#api-key", |state, value| _ = state.vault.put("old/team/app", &[("api-key", value)])),
    ];
    for (target, put) in cases {
        for around in ["KEY\n", "  KEY\r\n"] {
            let setting = match target {
                WHOLE => setting(&[target, BESIDE]).laid_out(ID, around),
                PART => {
                    setting(&[target, BESIDE]).laid_out(ID, &json!({ "user": "app", "api-key": around }).to_string())
                }
                _ => setting(&[target, BESIDE]),
            };
            let stage = setting.stage();
            let value = stage.held()[1].clone().unwrap();
            stage.world.by_hand(|state| put(state, &around.replace("KEY", &value)));
            let before = stage.held();
            assert_eq!(before[0], Some(around.replace("KEY", &value)));
            stage.world.fault(REFUSAL);
            let ran = stage.action().secret("current-key", &value).run();
            assert_eq!((ran.status(), ran.output("outcome")), (1, "rolled-back"), "{target} {}", ran.log());
            assert_eq!(stage.held(), before, "{target}");
            assert_eq!(stage.world.live_keys(FAMILY).len(), 1, "{}", ran.log());
            stage.check_no_outage().unwrap();
            stage.world.clear_faults();
            stage.world.advance(Duration::from_secs(3600));
            rotated(&stage, &stage.action().secret("current-key", &value).run());
        }
    }
}

fn around(variables: &[(&str, &str)], redactor: &Redactor) -> StoreContext {
    StoreContext {
        client: reqwest::Client::new(),
        request_timeout: Duration::from_secs(10),
        variables: Rc::new(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()),
        now: Rc::new(jiff::Timestamp::now),
        hide: Rc::new(|_| ()),
        redactor: redactor.clone(),
        trace: Trace::default(),
    }
}

/// The store of a target, which has been observed.
async fn observed(target: &str, around: StoreContext) -> Box<dyn SecretStore> {
    let (targets, wrong) = parse(target, &SecretName::parse(SECRET).unwrap());
    assert_eq!(wrong, []);
    let store = Stores::new(None, around).open(&targets).remove(0);
    store.observe().await.unwrap();
    store
}

fn told(entries: &[Entry]) -> Vec<(&str, Option<&str>)> {
    entries.iter().map(|entry| (entry.target.as_str(), entry.value.as_ref().map(Secret::expose))).collect()
}

#[tokio::test]
async fn a_secret_shows_its_other_keys_and_a_namespace_its_other_secrets() {
    let stage = setting(&[KEY]).stage();
    stage.world.by_hand(|state| {
        state.kubernetes.put("prod", "app", "api_key", "left-over-value");
        state.kubernetes.put("prod", "other", "token", "another-value\n");
        state.kubernetes.put("prod", "release", "release", "a-whole-release");
        let key = ("prod".to_owned(), "release".to_owned());
        state.kubernetes.secrets.get_mut(&key).unwrap().kind = "helm.sh/release.v1".to_owned();
        state.kubernetes.put("elsewhere", "app", "api-key", "of-another-namespace");
        let secret = secret(state);
        secret.annotations.insert("meta.helm.sh/release-name".to_owned(), "app".to_owned());
    });
    let path = stage.put("kubeconfig-of-test.yaml", stage.kubeconfig(CLUSTER_TOKEN));
    let kubeconfig = stage.path(&path);
    let redactor = Redactor::new();
    let store = observed(KEY, around(&[("KUBECONFIG", kubeconfig.to_str().unwrap())], &redactor)).await;
    let Contents { value, others, notices, .. } = store.contents();
    assert_eq!(value.map(|value| value.expose().to_owned()), stage.held()[0]);
    assert_eq!(told(&others), [("kubernetes:prod/app#api_key", Some("left-over-value"))]);
    assert!(others[0].written.is_some());
    assert!(notices[0].starts_with("Helm deploys this Secret"), "{notices:?}");
    let elsewhere = store.elsewhere().await.unwrap();
    assert_eq!(told(&elsewhere), [("kubernetes:prod/other#token", Some("another-value\n"))]);
    assert_eq!(redactor.scrub_said("left-over-value another-value"), "*** ***");
    assert_eq!(redactor.scrub("left-over-value"), "left-over-value");
    stage.world.by_hand(|state| state.kubernetes.add_account(CLUSTER_TOKEN, "ci", &[("list", "secrets")]));
    let refused = store.elsewhere().await.unwrap_err();
    assert!(matches!(&refused, keyrotor::http::Failure::Refused(_)), "{refused:?}");
}

#[tokio::test]
async fn a_vault_secret_shows_its_other_fields_and_a_folder_its_other_secrets() {
    for mount in ["secret", "old"] {
        let stage = setting(&[BESIDE]).stage();
        let path = format!("{mount}/team/app");
        let data = json!({ "api-key": "the-value\n", "port": 5432, "nested": { "key": "in-it" }, "user": "somebody" });
        stage.world.by_hand(|state| {
            state.vault.write(&path, data.as_object().unwrap().clone(), None).unwrap();
            state.vault.put(&format!("{mount}/team/ap"), &[("api-key", "left-over-value")]);
            state.vault.put(&format!("{mount}/team/deeper/app"), &[("api-key", "left-over-value")]);
            let all: &[&'static str] = &["read", "list", "patch", "update", "create"];
            state.vault.add_token(VAULT_TOKEN, "ci", &[("secret/*", all), ("old/*", all)]);
        });
        let redactor = Redactor::new();
        let variables = [("VAULT_ADDR", stage.fakes.url(Server::Vault)), ("VAULT_TOKEN", VAULT_TOKEN)];
        let store = observed(&format!("vault:{path}#api-key"), around(&variables, &redactor)).await;
        let Contents { value, others, .. } = store.contents();
        assert_eq!(value.unwrap().expose(), "the-value\n");
        let expected = [
            (format!("vault:{path}#nested"), Some(r#"{"key":"in-it"}"#)),
            (format!("vault:{path}#port"), None),
            (format!("vault:{path}#user"), Some("somebody")),
        ];
        assert_eq!(told(&others), expected.each_ref().map(|(target, value)| (target.as_str(), *value)));
        assert_eq!(others[0].written.is_some(), mount == "secret");
        let near = format!("vault:{mount}/team/ap");
        let field = (format!("{near}#api-key"), Some("left-over-value"));
        assert_eq!(told(&store.elsewhere().await.unwrap()), [(field.0.as_str(), field.1)]);
        assert_eq!(redactor.scrub_said("somebody"), "***");
        stage.world.by_hand(|state| {
            let own = [(path.as_str(), &["read"][..]), ("secret/data/team/app", &["read"])];
            let lists = [("secret/metadata/team/", &["list"][..]), ("old/team/", &["list"])];
            state.vault.add_token(VAULT_TOKEN, "ci", &[own, lists].concat());
        });
        assert_eq!(told(&store.elsewhere().await.unwrap()), [(near.as_str(), None)], "it may not be read");
        stage.world.by_hand(|state| {
            state.vault.add_token(VAULT_TOKEN, "ci", &[("secret/data/*", &["read"]), ("old/team/app", &["read"])])
        });
        let refused = store.elsewhere().await.unwrap_err();
        assert!(refused.hint().unwrap_or_default().contains("must grant `list` on"), "{refused:?}");
    }
}

/// Names are all that a token sees that may not read values.
#[tokio::test]
async fn a_vault_secret_that_may_not_be_read_shows_the_names_of_its_fields() {
    let stage = setting(&[FIELD]).stage();
    stage.world.by_hand(|state| {
        state.vault.put("secret/team/app", &[("user", "somebody")]);
        let grants: [(&str, &[&'static str]); 2] =
            [("secret/data/team/app", &["patch"]), ("secret/subkeys/team/app", &["read"])];
        state.vault.add_token(VAULT_TOKEN, "ci", &grants);
    });
    let variables = [("VAULT_ADDR", stage.fakes.url(Server::Vault)), ("VAULT_TOKEN", VAULT_TOKEN)];
    let store = observed(FIELD, around(&variables, &Redactor::new())).await;
    let Contents { value, others, .. } = store.contents();
    assert_eq!((value.is_none(), told(&others)), (true, vec![("vault:secret/team/app#user", None)]));
}
