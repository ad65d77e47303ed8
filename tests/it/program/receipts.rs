//! `receipt-file`, and `verify-receipt`: what a receipt says, when it is refused, and what the issuer's list says of it later.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::fs;
use std::time::Duration;

use keyrotor_fake::Dialect;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::harness::{Invocation, Ran, Setting, Stage};

const FILE: &str = "receipt.json";
/// What a rotation is told, and reading a receipt is not.
const UNSET: [&str; 7] =
    ["key-name", "targets", "verify-timeout", "rotate-after", "secret-name", "allowed-providers", "retire"];

fn stage(dialect: Dialect) -> Stage {
    Setting::new(dialect).input("rotate-after", "30d").stage()
}

fn leaving(stage: &Stage) -> Invocation<'_> {
    stage.action().input("receipt-file", FILE)
}

fn text(stage: &Stage) -> String {
    fs::read_to_string(stage.path(FILE)).unwrap()
}

fn receipt(stage: &Stage) -> Value {
    let text = text(stage);
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("no receipt: {text}"))
}

fn verifying(stage: &Stage) -> Ran {
    asking(stage).run()
}

fn asking(stage: &Stage) -> Invocation<'_> {
    let run = leaving(stage).input("command", "verify-receipt");
    UNSET.into_iter().fold(run, |run, name| run.input(name, ""))
}

/// The key that was replaced, and the one that replaced it.
fn ids(receipt: &Value) -> [String; 2] {
    let row = &receipt["predicate"]["report"]["rotations"][0];
    ["old-key-id", "new-key-id"].map(|name| row[name].as_str().unwrap().to_owned())
}

#[test]
fn a_receipt_tells_what_was_done_and_no_value() {
    for dialect in [Dialect::Mgmt, Dialect::Guide, Dialect::Overview, Dialect::OpenRouter] {
        let stage = stage(dialect);
        let workflow = "acme/app/.github/workflows/rotate.yml@refs/heads/main";
        let ran = leaving(&stage).variable("GITHUB_WORKFLOW_REF", workflow).variable("GITHUB_RUN_ATTEMPT", "2").run();
        assert!(ran.rotated(), "{}", ran.log());
        let receipt = receipt(&stage);
        let [old, new] = ids(&receipt);
        assert_eq!(receipt["_type"], "https://in-toto.io/Statement/v1");
        let predicate = &receipt["predicate"];
        assert_eq!(predicate["report"]["outcome"], "rotated");
        assert_eq!(
            (predicate["run"]["workflow"].as_str(), predicate["run"]["attempt"].as_str()),
            (Some(workflow), Some("2"))
        );
        let issuer = predicate["issuers"][0]["url"].as_str().unwrap();
        let subjects = receipt["subject"].as_array().unwrap();
        for name in [format!("key:{old}@{issuer}"), format!("key:{new}@{issuer}")] {
            let digest = Sha256::digest(name.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            assert!(subjects.contains(&json!({ "name": name, "digest": { "sha256": digest } })), "{subjects:?}");
        }
        let given = predicate["inputs"].as_array().unwrap();
        assert!(given.iter().any(|input| input["name"] == "rotate-after"), "{given:?}");
        let steps: Vec<_> =
            predicate["report"]["steps"].as_array().unwrap().iter().map(|it| it["step"].clone()).collect();
        assert!(["prove", "confirm", "retire"].iter().all(|step| steps.contains(&json!(step))), "{steps:?}");
        let text = text(&stage);
        for value in stage.world.read(|state| state.issuer.keys.iter().map(|key| key.value.clone()).collect::<Vec<_>>())
        {
            assert!(!text.contains(&value), "a value stands in the receipt");
        }
        let read = verifying(&stage);
        assert_eq!(read.status(), 0, "{}", read.log());
        assert!(read.tells("The issuer's list agrees with the receipt"), "{}", read.log());
        assert!(read.tells(&format!("The key before, {old}: deleted")), "{}", read.log());
    }
}

#[test]
fn a_run_that_failed_and_one_with_nothing_to_do_leave_receipts_too() {
    let stage = stage(Dialect::Mgmt);
    assert!(leaving(&stage).run().rotated());
    let ran = leaving(&stage).run();
    assert_eq!((ran.status(), ran.output("outcome")), (0, "not-due"), "{}", ran.log());
    assert_eq!(receipt(&stage)["predicate"]["report"]["outcome"], "not-due");
    assert_eq!(verifying(&stage).status(), 0);
    stage.world.fault("github:GET:1x99:status=403");
    let ran = leaving(&stage).run();
    assert_eq!(ran.status(), 1, "{}", ran.log());
    assert_eq!(receipt(&stage)["predicate"]["report"]["exit-code"], 1);
    assert_eq!(leaving(&stage).input("dry-run", "true").run().status(), 1);
    assert_eq!(receipt(&stage)["predicate"]["report"]["outcome"], "unchanged");
}

#[test]
fn many_rotations_have_one_receipt() {
    let stage = Setting::new(Dialect::Mgmt).repos(&["acme/app", "acme/api"]).stage();
    let file = "\
rotations:
  - key-name: production
    targets: repo:acme/app
  - key-name: staging
    targets: repo:acme/api
";
    let path = stage.put("keyrotor.yml", file);
    let run = ["key-name", "targets", "secret-name"].into_iter().fold(leaving(&stage), |run, name| run.input(name, ""));
    run.input("config", &path).input("dry-run", "true").run();
    let receipt = receipt(&stage);
    let names: Vec<_> =
        receipt["predicate"]["issuers"].as_array().unwrap().iter().map(|it| it["rotation"].clone()).collect();
    assert_eq!(names, ["production", "staging"]);
    let digest = Sha256::digest(file.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let given = receipt["predicate"]["inputs"].as_array().unwrap();
    assert!(given.contains(&json!({ "name": "config", "digest": { "sha256": digest } })), "{given:?}");
}

/// Whatever stands there was meant for something else: a target, the config file, a key.
#[test]
fn a_file_that_holds_something_else_is_left_alone_and_nothing_is_contacted() {
    let stage = stage(Dialect::Mgmt);
    for held in
        ["AROUTER_API_KEY=x\n", "{}", "rotations:\n", r#"{"_type":"https://in-toto.io/Statement/v1","subject":[]}"#]
    {
        stage.put(FILE, held);
        let ran = leaving(&stage).run();
        assert_eq!(ran.status(), 2, "{}", ran.log());
        assert!(ran.tells("it holds something else than a receipt"), "{}", ran.log());
        assert_eq!(text(&stage), held);
    }
    for (path, why) in [("no/such/folder/receipt.json", "No such file"), (".", "it is a directory")] {
        let ran = stage.action().input("receipt-file", path).run();
        assert_eq!(ran.status(), 2, "{}", ran.log());
        assert!(ran.tells("receipt-file") && ran.tells(why), "{}", ran.log());
    }
    assert_eq!(stage.world.requests().len(), 0);
}

/// An empty one too: the key would be written beside what is linked to it.
#[test]
fn the_file_of_a_target_is_no_receipts() {
    let stage = stage(Dialect::Mgmt);
    stage.put(".env", "");
    for path in [".env", "./.env", "../.env"] {
        let folder = stage.path("").file_name().unwrap().to_str().unwrap().to_owned();
        let path = path.replace("../", &format!("../{folder}/"));
        let ran = stage.action().input("targets", "file:.env#KEY").input("receipt-file", &path).run();
        assert_eq!(ran.status(), 2, "{}", ran.log());
        assert!(ran.tells("this is the file of"), "{}", ran.log());
    }
    assert_eq!(stage.world.requests().len(), 0);
}

#[test]
fn a_disk_that_is_full_needs_a_person_and_the_key_is_rotated() {
    let stage = stage(Dialect::Mgmt);
    let ran = stage.action().input("receipt-file", "/dev/full").run();
    assert_eq!(ran.status(), 3, "{}", ran.log());
    assert!(ran.rotated() && ran.tells("receipt-file: /dev/full could not be written"), "{}", ran.log());
}

#[test]
fn a_run_that_is_killed_leaves_an_empty_file_and_not_an_older_ones_claims() {
    let stage = stage(Dialect::Mgmt);
    assert!(leaving(&stage).run().rotated());
    stage.world.advance(Duration::from_secs(31 * 24 * 3600));
    stage.world.fault("github:PUT:1:kill");
    leaving(&stage).run();
    assert_eq!(text(&stage), "");
    let read = verifying(&stage);
    assert_eq!(read.status(), 1, "{}", read.log());
    assert!(read.tells("the run that was to write it has not ended"), "{}", read.log());
    let ran = leaving(&stage).run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    assert_eq!(verifying(&stage).status(), 0);
}

#[test]
fn a_list_that_says_otherwise_is_told() {
    let stage = Setting::new(Dialect::Mgmt).input("retire", "disable").stage();
    assert!(leaving(&stage).run().rotated());
    let [old, new] = ids(&receipt(&stage));
    assert_eq!(verifying(&stage).status(), 0);
    stage
        .world
        .by_hand(|state| state.issuer.keys.iter_mut().filter(|key| key.id == old).for_each(|key| key.disabled = false));
    let read = verifying(&stage);
    assert_eq!(read.status(), 3, "{}", read.log());
    assert!(read.tells("claimed: disabled; now alive"), "{}", read.log());
    // A later run replaces the new key: that is no contradiction.
    stage.world.by_hand(|state| state.issuer.keys.retain(|key| key.id != new && key.id != old));
    let read = verifying(&stage);
    assert_eq!(read.status(), 0, "{}", read.log());
    assert!(read.tells("See the receipt of a later run"), "{}", read.log());
}

#[test]
fn a_receipt_that_was_changed_does_not_hold() {
    let stage = stage(Dialect::Mgmt);
    assert!(leaving(&stage).run().rotated());
    let [old, _] = ids(&receipt(&stage));
    let mut forged = receipt(&stage);
    let keys = forged["predicate"]["report"]["keys"].as_array_mut().unwrap();
    keys.retain(|key| key["id"] != old.as_str());
    stage.put(FILE, forged.to_string());
    let read = verifying(&stage);
    assert_eq!(read.status(), 3, "{}", read.log());
    assert!(read.tells("its subjects are not those of its report"), "{}", read.log());
}

/// The file may be anybody's: a credential goes where the inputs say.
#[test]
fn no_credential_goes_to_an_issuer_that_only_the_receipt_names() {
    let stage = stage(Dialect::Mgmt);
    assert!(leaving(&stage).run().rotated());
    let mut forged: Value = serde_json::from_str(&text(&stage).replace("127.0.0.1", "localhost")).unwrap();
    for subject in forged["subject"].as_array_mut().unwrap() {
        let name = subject["name"].as_str().unwrap().to_owned();
        let digest = Sha256::digest(name.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        subject["digest"]["sha256"] = digest.into();
    }
    stage.put(FILE, forged.to_string());
    let before = stage.world.requests().len();
    let read = verifying(&stage);
    assert_eq!(stage.world.requests().len(), before, "{}", read.log());
    assert!(read.tells("another one than the inputs name"), "{}", read.log());
    assert_eq!(read.status(), 1, "{}", read.log());
}

#[test]
fn what_is_no_receipt_and_what_can_not_be_compared_is_no_success() {
    let stage = stage(Dialect::Mgmt);
    for (held, told) in [("", "is empty: the run"), ("nonsense", "is no receipt of keyrotor"), ("{}", "is no receipt")]
    {
        stage.put(FILE, held);
        let read = verifying(&stage);
        assert_eq!(read.status(), 1, "{}", read.log());
        assert!(read.tells(told) && !read.tells("nonsense"), "{}", read.log());
    }
    fs::remove_file(stage.path(FILE)).unwrap();
    assert!(leaving(&stage).run().rotated());
    let read = asking(&stage).secret("management-key", "").secret("current-key", "").run();
    assert_eq!(read.status(), 1, "{}", read.log());
    assert!(read.tells("no claim was compared") && read.tells("The key before"), "{}", read.log());
    let read = asking(&stage).input("receipt-file", "").run();
    assert_eq!(read.status(), 2, "{}", read.log());
    assert!(read.tells("receipt-file: is required"), "{}", read.log());
}

#[test]
fn from_a_shell_the_file_stands_behind_the_command() {
    let stage = stage(Dialect::Mgmt);
    assert!(leaving(&stage).run().rotated());
    let run = stage.cli().arg("verify-receipt").arg(FILE);
    let read = UNSET.into_iter().fold(run, |run, name| run.input(name, "")).run();
    assert_eq!(read.status(), 0, "{}", read.log());
    assert!(read.stdout.starts_with("receipt.json: The issuer's list agrees with the receipt\n"), "{}", read.log());
}
