//! Slips that a place shows and a person overlooks: letters of another case, a neighbour's path, a key inside a longer text.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::time::Duration;

use keyrotor_fake::Dialect;
use serde_json::json;

use crate::harness::{FAMILY, FIRST_NAME, Ran, SECRET, Setting, Stage, VAULT_TOKEN};

const BESIDE: &str = "repo:acme/app";
const HOUR: Duration = Duration::from_secs(3600);

/// Where case makes a difference: a name, and the same in other letters.
const CASES: [(&str, &str); 4] = [
    ("kubernetes:prod/app#api-key", "kubernetes:prod/app#API-KEY"),
    ("vault:secret/app#api-key", "vault:secret/app#API-KEY"),
    ("aws-secretsmanager:app#key", "aws-secretsmanager:app#KEY"),
    ("file:.env#AROUTER_API_KEY", "file:.env#arouter_api_key"),
];

fn stage(places: &[&str]) -> Stage {
    Setting::new(Dialect::Mgmt).places(places).with_current_key().stage()
}

fn run(stage: &Stage, targets: &[&str]) -> Ran {
    stage.action().input("targets", &targets.join("\n")).run()
}

/// Nothing was made, everything is as it was, and the run says why.
fn stopped(stage: &Stage, ran: &Ran, words: &[&str]) {
    assert_eq!((ran.status(), ran.output("outcome")), (1, "unchanged"), "{}", ran.log());
    for word in words {
        assert!(ran.tells(word), "{word} is not told\n{}", ran.log());
    }
    assert!(stage.world.live_keys(FAMILY).iter().all(|key| key.name == FIRST_NAME), "{}", ran.log());
    stage.check_no_outage().unwrap();
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn a_name_in_letters_of_another_case_is_another_name() {
    for (right, typed) in CASES {
        let alone = stage(&[right]);
        stopped(&alone, &run(&alone, &[typed]), &["no target holds", right]);
        let beside = stage(&[BESIDE, right]);
        stopped(&beside, &run(&beside, &[BESIDE, typed]), &[right]);
        let both = stage(&[right, typed]);
        stopped(&both, &run(&both, &[right]), &[typed]);
        let name = typed.rsplit('#').next().unwrap();
        let ran = run(&both, &[&format!("{right} accept={name}")]);
        stopped(&both, &ran, &[&format!("{typed} also holds the key")]);
    }
}

#[test]
fn a_slip_in_a_path_of_vault_beside_a_right_target_stops_the_run() {
    let stage = stage(&[BESIDE, "vault:secret/app#api-key"]);
    let all = ["create", "read", "update", "patch"];
    let grants: [(&str, &[&str]); 2] = [("secret/data/*", &all), ("secret/metadata/*", &["list"])];
    stage.world.by_hand(|state| state.vault.add_token(VAULT_TOKEN, "ci", &grants));
    stopped(&stage, &run(&stage, &[BESIDE, "vault:secret/ap#api-key"]), &["vault:secret/app#api-key"]);
    let ran = stage.run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    stage.check_healed().unwrap();
}

#[test]
fn the_old_key_is_not_put_back_where_another_value_was() {
    for place in ["kubernetes:prod/app#api-key", "vault:secret/app#api-key", "file:.env#AROUTER_API_KEY"] {
        let stage = stage(&[BESIDE, place]);
        let strangers = "lr_live_5123456789abcdef0123456789abcdef0123456789abcdef";
        stage.world.by_hand(|state| {
            state.put(&stage.places[1], SECRET, strangers);
            let now = state.issuer.clock.now();
            let old = state.value_at(&stage.places[0], SECRET).unwrap();
            state.put(&stage.places[0], SECRET, &old);
            state.issuer.keys.iter_mut().filter(|key| key.name == FIRST_NAME).for_each(|key| key.updated_at = now);
        });
        stage.world.fault("github:PUT~/repos/acme/app/:1:status=451");
        let ran = stage.run();
        let kept = stage.held()[1].as_deref() == Some(strangers);
        assert!(kept || ran.status() == 3, "exit 1 says that every place holds what it held: {}", ran.log());
        stage.world.advance(HOUR);
        assert_eq!(stage.run().status(), 0);
        assert_eq!(stage.world.live_keys(FAMILY).len(), 1);
    }
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn no_part_of_a_secret_is_listed_as_a_name() {
    let unknown = "lr_live_ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000";
    let (line, last) = ("qW9eR8tY7uI6oP5aS4dF3gH2jK1lZ0xC9vB8nM7qW6eR5tY4uI3oP2", "qW9eR8tY7");
    let in_file = stage(&["file:.env#AROUTER_API_KEY"]);
    let text = std::fs::read_to_string(in_file.path(".env")).unwrap();
    let key = format!("PEM=-----BEGIN PRIVATE KEY-----\n{line}==\n{last}==\n-----END PRIVATE KEY-----\n{unknown}=\n");
    in_file.put(".env", text + &key);
    let ran = run(&in_file, &["file:.env#AROUTER_APIKEY"]);
    stopped(&in_file, &ran, &["file:.env#AROUTER_API_KEY", "file:.env#PEM", "looks like part of a secret"]);
    let mut all = ran.log();
    let at_aws = stage(&["aws-secretsmanager:app#key"]);
    at_aws.world.by_hand(|state| state.aws.put("app", Some(unknown), "x"));
    let ran = run(&at_aws, &["aws-secretsmanager:app#kye"]);
    stopped(&at_aws, &ran, &["aws-secretsmanager:app#key", "lr_live_"]);
    all += &ran.log();
    for secret in [line, last, unknown] {
        assert!(!all.contains(secret), "{secret} is shown\n{all}");
    }
}

#[test]
fn a_replaced_key_that_lies_inside_another_value_is_held() {
    let setting = Setting::new(Dialect::Mgmt).places(&["kubernetes:prod/app#api-key"]).with_current_key();
    let stage = setting.input("grace-period", "1h").input("rotate-after", "30d").stage();
    let old = stage.held()[0].clone().unwrap();
    stage.world.by_hand(|state| {
        state.issuer.behaviour.masked_labels = true;
        state
            .issuer
            .keys
            .iter_mut()
            .filter(|key| key.name == FIRST_NAME)
            .for_each(|key| key.label = Some(key.masked()));
    });
    assert_eq!(stage.run().output("outcome"), "rotated");
    let text = json!({ "header": format!("Bearer {old}") }).to_string();
    stage.world.by_hand(|state| state.kubernetes.put("prod", "app", "config.json", &text));
    stage.world.advance(3 * HOUR);
    let ran = stage.action().secret("current-key", &old).run();
    assert_eq!((ran.status(), ran.output("outcome")), (3, "attention"), "{}", ran.log());
    assert!(ran.tells("kubernetes:prod/app#config.json, which is no target, still holds it"), "{}", ran.log());
    assert_eq!(stage.world.live_keys(FAMILY).len(), 2);
    stage.world.by_hand(|state| state.kubernetes.put("prod", "app", "config.json", "{}"));
    let ran = stage.action().secret("current-key", &old).run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    stage.check_healed().unwrap();
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn the_advice_on_a_second_holder_can_be_followed() {
    let two_fields = ["aws-secretsmanager:app#key", "aws-secretsmanager:app#legacy"];
    let at_aws = stage(&two_fields);
    stopped(&at_aws, &run(&at_aws, &two_fields[..1]), &["also holds", "only one field of that secret can be a target"]);
    let ran = at_aws.run();
    assert_eq!(ran.status(), 2, "{}", ran.log());
    assert!(ran.tells("lie in one secret at AWS"), "{}", ran.log());
    let inside = stage(&[BESIDE, "kubernetes:prod/app#header"]);
    inside.world.by_hand(|state| {
        let old = state.value_at(&inside.places[0], SECRET).unwrap();
        state.kubernetes.put("prod", "app", "api-key", &old);
        state.put(&inside.places[1], SECRET, &format!("Bearer {old}"));
    });
    let ran = run(&inside, &["kubernetes:prod/app#api-key"]);
    stopped(&inside, &ran, &["also holds", "keyrotor replaces whole values"]);
    // Named all the same, it is not overwritten.
    let ran = run(&inside, &["kubernetes:prod/app#api-key", "kubernetes:prod/app#header"]);
    stopped(&inside, &ran, &["text with spaces in it, not an API key"]);
}

#[test]
fn a_second_holder_beside_an_empty_target_is_seen_by_the_value_in_hand() {
    for (empty, other) in [
        ("kubernetes:prod/app#fresh", "kubernetes:prod/app#token"),
        ("vault:secret/app#fresh", "vault:secret/app#token"),
        ("file:.env#FRESH", "file:.env#TOKEN"),
    ] {
        let stage = stage(&[BESIDE, other]);
        stopped(&stage, &run(&stage, &[BESIDE, empty]), &[other, "also holds"]);
    }
}

#[test]
fn a_secret_of_a_cluster_that_is_not_there_yet_is_made_beside_others() {
    let stage = stage(&[BESIDE, "kubernetes:prod/new#api-key"]);
    let old = stage.held()[0].clone().unwrap();
    stage.world.by_hand(|state| {
        state.kubernetes.secrets.clear();
        state.kubernetes.put("prod", "metrics", "apikey", "8f3b1c2d4e5f60718293a4b5c6d7e8f9");
        state.kubernetes.put("prod", "news", "api-key", "9f3b1c2d4e5f60718293a4b5c6d7e8f9");
    });
    stopped(&stage, &stage.run(), &["kubernetes:prod/news#api-key", "accept=api-key"]);
    let ran = run(&stage, &[BESIDE, "kubernetes:prod/new#api-key accept=api-key"]);
    assert_eq!((ran.status(), ran.output("outcome")), (0, "rotated"), "{}", ran.log());
    assert_ne!(stage.held()[1], Some(old));
    stage.check_healed().unwrap();
}

#[test]
fn a_variable_that_not_every_parser_reads_holds_the_key_too() {
    for line in ["LEGACY: KEY\n", "LEGACY=\"KEY\n"] {
        let stage = stage(&["file:.env#AROUTER_API_KEY"]);
        let (text, old) = (std::fs::read_to_string(stage.path(".env")).unwrap(), stage.held()[0].clone().unwrap());
        stage.put(".env", text + &line.replace("KEY", &old));
        stopped(&stage, &stage.run(), &["file:.env#LEGACY also holds"]);
    }
}
