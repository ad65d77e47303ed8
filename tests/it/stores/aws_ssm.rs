//! Parameters at AWS as targets: the real program against moto and roto, which play Parameter Store.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::time::Duration;

use keyrotor_fake::{Dialect, Server};
use serde_json::{Value, json};

use crate::harness::{FAMILY, Ran, Setting, Stage};

const NAME: &str = "/prod/arouter";
const TARGET: &str = "aws-ssm:/prod/arouter";
const BESIDE: &str = "repo:acme/api";
const REFUSAL: &str = "github:PUT~/repos/acme/api/:1x99:status=451";

fn setting() -> Setting {
    Setting::new(Dialect::Mgmt).places(&[TARGET, BESIDE]).with_current_key()
}

/// The repository first, whose value is given as `current-key`.
fn beside() -> Stage {
    Setting::new(Dialect::Mgmt).places(&[BESIDE, TARGET]).with_current_key().stage()
}

/// No key was ever made.
fn first(places: &[&str]) -> Stage {
    let setting = Setting::new(Dialect::Mgmt).places(places).deployed(None);
    let stated = [
        ("allowed-providers", "all"),
        ("allowed-models", "all"),
        ("spending-limit", "none"),
        ("expires-after", "never"),
    ];
    stated.into_iter().fold(setting, |setting, (name, value)| setting.input(name, value)).stage()
}

fn call(stage: &Stage, operation: &str, mut body: Value) -> Value {
    body["Name"] = NAME.into();
    let answer = stage.world.by_hand(|state| state.aws.call(operation, &body));
    assert_eq!(answer.status, 200, "{operation}: {}", answer.body);
    answer.body
}

fn described(stage: &Stage) -> Value {
    let filter = json!({ "Key": "Name", "Option": "Equals", "Values": [NAME] });
    call(stage, "DescribeParameters", json!({ "ParameterFilters": [filter] }))["Parameters"][0].clone()
}

fn writes(ran: &Ran) -> Vec<&str> {
    let writes = ran.requests.iter().filter(|it| it.server == Server::Aws).map(|it| it.path.as_str());
    writes.filter(|path| path.starts_with("/Put") || path.starts_with("/Delete")).collect()
}

fn rotated(stage: &Stage, ran: &Ran) {
    assert_eq!((ran.status(), ran.rotated()), (0, true), "{}", ran.log());
    stage.check_healed().unwrap();
}

fn refused(stage: &Stage, ran: &Ran, words: &[&str]) {
    assert_eq!(ran.status(), 1, "{}", ran.log());
    for word in words {
        assert!(ran.tells(word), "{word} is not told: {}", ran.log());
    }
    stage.check_no_outage().unwrap();
    assert_eq!(stage.world.live_keys(FAMILY).len(), 1, "{}", ran.log());
}

fn failed(code: &str, message: &str) -> String {
    format!("status=400,body={}", json!({ "__type": code, "message": message }))
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn a_parameter_gets_one_version_and_keeps_what_it_is() {
    for setting in [setting(), setting().at_roto()] {
        let stage = setting.stage();
        let value = stage.held()[0].clone().unwrap();
        call(&stage, "DeleteParameter", json!({}));
        let made = json!({
            "Value": value, "Type": "SecureString", "Tier": "Advanced", "KeyId": "alias/team", "Description": "of the team",
            "AllowedPattern": "^lr_live_.*$",
        });
        call(&stage, "PutParameter", made);
        let before = described(&stage);
        stage.world.advance(Duration::from_secs(3600));
        let ran = stage.run();
        rotated(&stage, &ran);
        assert_eq!(writes(&ran), ["/PutParameter"]);
        assert!(ran.summary_text().contains("version 1 → 2"), "{}", ran.log());
        let after = described(&stage);
        for field in ["KeyId", "Tier", "Description", "AllowedPattern", "Type"] {
            assert_eq!(after[field], before[field], "{field}");
        }
        let again = stage.action().input("rotate-after", "30d").run();
        assert_eq!((again.status(), again.output("outcome")), (0, "not-due"), "{}", again.log());
    }
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn the_first_key_makes_the_parameter() {
    let stage = first(&[TARGET]);
    let ran = stage.run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    assert_eq!(described(&stage)["Type"], "SecureString");
    stage.check_healed().unwrap();
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn what_was_written_is_put_back_as_it_was() {
    let stage = beside();
    let value = format!(" {}\n", stage.held()[1].clone().unwrap());
    call(&stage, "PutParameter", json!({ "Value": value, "Type": "SecureString", "Overwrite": true }));
    stage.world.advance(Duration::from_secs(3600));
    stage.world.fault(REFUSAL);
    let ran = stage.run();
    assert_eq!((ran.status(), ran.output("outcome")), (1, "rolled-back"), "{}", ran.log());
    assert_eq!(stage.held()[1].as_deref(), Some(value.as_str()));
    stage.check_no_outage().unwrap();
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn a_parameter_that_this_run_made_is_deleted_again() {
    let stage = beside();
    call(&stage, "DeleteParameter", json!({}));
    stage.world.advance(Duration::from_secs(3600));
    stage.world.fault(REFUSAL);
    let ran = stage.run();
    assert_eq!((ran.status(), ran.output("outcome")), (1, "rolled-back"), "{}", ran.log());
    assert_eq!((stage.held()[1].as_deref(), writes(&ran)), (None, vec!["/PutParameter", "/DeleteParameter"]));
}

/// Whoever reads `NAME:label` keeps the version that has the label, and its key.
#[test]
#[ignore = "needs what ./test prepares in .check"]
fn what_can_not_be_a_target_is_refused_before_a_key_is_made() {
    let stage = setting().stage();
    call(&stage, "LabelParameterVersion", json!({ "ParameterVersion": 1, "Labels": ["live"] }));
    refused(&stage, &stage.run(), &["version 1 has the label `live`", "unlabel-parameter-version"]);
    let value = stage.held()[0].clone().unwrap();
    let with = |body: Value| {
        let stage = setting().stage();
        call(&stage, "DeleteParameter", json!({}));
        call(&stage, "PutParameter", body);
        stage
    };
    let stage = with(json!({ "Value": value, "Type": "String" }));
    refused(&stage, &stage.run(), &["the parameter is a String, which is not encrypted"]);
    let stage = with(json!({ "Value": json!({ "key": value }).to_string(), "Type": "SecureString" }));
    refused(&stage, &stage.run(), &["the parameter holds a JSON object and no key"]);
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn what_the_role_may_not_do_is_told_with_the_permission() {
    for operation in ["GetParameter", "GetParameterHistory", "DescribeParameters"] {
        let stage = setting().stage();
        let denied = failed("AccessDeniedException", &format!("is not authorized to perform: ssm:{operation}"));
        stage.world.fault(&format!("aws:POST~/{operation}:1x99:{denied}"));
        refused(&stage, &stage.run(), &[&format!("must allow ssm:{operation} on")]);
    }
    let stage = setting().stage();
    let denied = failed("AccessDeniedException", "is not authorized to perform: ssm:PutParameter");
    stage.world.fault(&format!("aws:POST~/PutParameter:1x99:{denied}"));
    let ran = stage.run();
    assert_eq!(ran.status(), 1, "{}", ran.log());
    assert!(ran.tells("must allow ssm:PutParameter on the parameter"), "{}", ran.log());
    stage.check_no_outage().unwrap();
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn a_throttled_write_and_one_beside_another_are_sent_again() {
    for code in ["ThrottlingException", "TooManyUpdates"] {
        let stage = setting().stage();
        stage.world.fault(&format!("aws:POST~/PutParameter:1x2:{}", failed(code, "slower")));
        rotated(&stage, &stage.run());
    }
}

/// AWS has no write that depends on a version.
#[test]
#[ignore = "needs what ./test prepares in .check"]
fn a_version_that_somebody_wrote_in_between_is_told() {
    let stage = setting().stage();
    stage.world.fault("aws:POST~/PutParameter:1:delay=400ms");
    let world = stage.world.clone();
    let ran = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !world.requests().iter().any(|request| request.path == "/PutParameter") {
                std::thread::sleep(Duration::from_millis(5));
            }
            let put = json!({ "Name": NAME, "Value": "theirs", "Type": "SecureString", "Overwrite": true });
            world.by_hand(|state| state.aws.call("PutParameter", &put));
        });
        stage.run()
    });
    assert!(ran.tells("somebody else wrote a version in between"), "{}", ran.log());
    stage.check_no_outage().unwrap();
}

/// It would be gone before the next rotation.
#[test]
#[ignore = "needs what ./test prepares in .check"]
fn a_parameter_that_deletes_itself_is_told() {
    let stage = setting().stage();
    let end = stage.world.now() + Duration::from_secs(5 * 24 * 3600);
    let text = json!({ "Type": "Expiration", "Version": "1.0", "Attributes": { "Timestamp": end.to_string() } });
    let row = json!({
        "Name": NAME, "Type": "SecureString", "Tier": "Advanced", "Version": 1,
        "Policies": [{ "PolicyText": text.to_string(), "PolicyType": "Expiration", "PolicyStatus": "Pending" }],
    });
    let told = json!({ "Parameters": [row] });
    stage.world.fault(&format!("aws:POST~/DescribeParameters:1x99:status=200,body={told}"));
    let ran = stage.action().input("rotate-after", "60d").run();
    assert!(ran.tells("its value is deleted there at"), "{}", ran.log());
}
