//! Secrets at AWS as targets: the real program against moto and roto, which play AWS.

use std::time::Duration;

use keyrotor_fake::{Dialect, Server};
use serde_json::{Value, json};

use crate::harness::{AWS_SECRET, FAMILY, Ran, Setting, Stage};

const ID: &str = "prod/arouter";
const FIELD: &str = "aws-secretsmanager:prod/arouter#api-key";
const WHOLE: &str = "aws-secretsmanager:prod/arouter";
const BESIDE: &str = "repo:acme/api";
const REFUSAL: &str = "github:PUT~/repos/acme/api/:1x99:status=451";

/// As a person wrote it, with a number that no float holds.
const TEXT: &str = "{\n  \"port\": 12345678901234567890.10,\n  \"api-key\": \"KEY\",\n  \"user\": \"app\"\n}\n";

fn setting(places: &[&str]) -> Setting {
    Setting::new(Dialect::Mgmt).places(places).with_current_key()
}

/// A stage whose JSON a person has laid out.
fn stage(places: &[&str]) -> Stage {
    let stage = Setting::new(Dialect::Mgmt).places(places).with_current_key().laid_out(ID, TEXT).stage();
    assert!(stage.held().iter().all(Option::is_some));
    stage
}

/// The same, at roto.
fn stage_at_roto(places: &[&str]) -> Stage {
    Setting::new(Dialect::Mgmt).places(places).with_current_key().laid_out(ID, TEXT).at_roto().stage()
}

fn text(stage: &Stage) -> String {
    stage.world.read(|state| state.aws.text(ID)).unwrap()
}

fn labelled(stage: &Stage, label: &str) -> Option<String> {
    stage.world.read(|state| state.aws.labelled(ID, label))
}

fn versions(stage: &Stage) -> usize {
    stage.world.read(|state| state.aws.versions(ID))
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

/// What changed something at AWS, in its order.
fn writes(ran: &Ran) -> Vec<&str> {
    let writes = ran.requests.iter().filter(|it| it.server == Server::Aws).map(|it| it.path.as_str());
    writes.filter(|path| ["/PutSecretValue", "/UpdateSecretVersionStage"].contains(path)).collect()
}

fn failed(code: &str, message: &str) -> String {
    format!("status=400,body={}", json!({ "__type": code, "Message": message }))
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn a_field_is_staged_and_made_current_and_all_else_stays_as_it_was_written() {
    for stage in [stage(&[FIELD, BESIDE]), stage_at_roto(&[FIELD, BESIDE])] {
        let before = labelled(&stage, "AWSCURRENT");
        let ran = stage.run();
        rotated(&stage, &ran);
        assert_eq!(writes(&ran), ["/PutSecretValue", "/UpdateSecretVersionStage"]);
        assert_eq!(text(&stage), TEXT.replace("KEY", stage.held()[0].as_deref().unwrap()));
        assert_eq!(labelled(&stage, "AWSPREVIOUS"), before);
        assert_eq!(labelled(&stage, "AWSPENDING"), labelled(&stage, "AWSCURRENT"));
        assert!(ran.summary_text().contains(&format!("version {} →", before.unwrap())), "{}", ran.log());
    }
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn a_whole_secret_is_written_and_need_not_be_read() {
    let stage = setting(&[WHOLE, BESIDE]).stage();
    rotated(&stage, &stage.run());
    stage.world.advance(Duration::from_secs(3600));
    let denied = failed("AccessDeniedException", "is not authorized to perform: secretsmanager:GetSecretValue");
    stage.world.fault(&format!("aws:POST~/GetSecretValue:1x99:{denied}"));
    let ran = stage.run();
    rotated(&stage, &ran);
    assert!(ran.tells("a JSON object there would be lost"), "{}", ran.log());
    let ran = stage.action().input("rotate-after", "30d").run();
    assert_eq!((ran.status(), ran.output("outcome")), (0, "not-due"), "{}", ran.log());
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn a_stray_pending_version_is_overwritten() {
    let stage = stage(&[FIELD, BESIDE]);
    let stray = json!({ "SecretId": ID, "SecretString": "{\"api-key\":\"lr_live_dead_0123456789\"}", "VersionStages": ["AWSPENDING"] });
    stage.world.by_hand(|state| assert_eq!(state.aws.call("PutSecretValue", &stray).status, 200));
    let pending = labelled(&stage, "AWSPENDING");
    assert!(pending.is_some());
    rotated(&stage, &stage.run());
    assert_ne!(labelled(&stage, "AWSPENDING"), pending);
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn a_secret_without_a_value_takes_its_first_and_one_that_is_missing_is_not_made() {
    for target in [WHOLE, FIELD] {
        let mut setting = Setting::new(Dialect::Mgmt).places(&[target]).deployed(None);
        for (name, value) in [("allowed-providers", "all"), ("allowed-models", "all"), ("spending-limit", "50")] {
            setting = setting.input(name, value);
        }
        let stage = setting.input("limit-reset", "none").input("expires-after", "never").stage();
        let ran = stage.run();
        assert_eq!(ran.status(), 1, "{}", ran.log());
        assert!(ran.tells("ResourceNotFoundException") && ran.tells("create-secret"), "{}", ran.log());
        stage.world.by_hand(|state| assert_eq!(state.aws.call("CreateSecret", &json!({ "Name": ID })).status, 200));
        let ran = stage.run();
        rotated(&stage, &ran);
        assert_eq!((versions(&stage), writes(&ran)), (1, vec!["/PutSecretValue"]));
    }
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn putting_back_moves_the_label_back() {
    let whole = setting(&[WHOLE, BESIDE]);
    for stage in
        [stage(&[FIELD, BESIDE]), stage_at_roto(&[FIELD, BESIDE]), whole.clone().stage(), whole.at_roto().stage()]
    {
        let (current, before, told) = (labelled(&stage, "AWSCURRENT"), stage.snapshot(), text(&stage));
        stage.world.fault(REFUSAL);
        let ran = stage.run();
        assert_eq!(ran.status(), 1, "{}", ran.log());
        stage.check_truthful(&before, &ran).unwrap();
        assert_eq!((labelled(&stage, "AWSCURRENT"), text(&stage)), (current, told));
        assert_eq!(labelled(&stage, "AWSPENDING"), None, "{}", ran.log());
        stage.world.clear_faults();
        stage.world.advance(Duration::from_secs(3600));
        rotated(&stage, &stage.run());
    }
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn what_was_not_there_is_taken_away_again() {
    let stage = setting(&[BESIDE, FIELD]).stage();
    stage.world.by_hand(|state| state.aws.put_text(ID, "{\"user\":\"app\"}"));
    stage.world.fault(REFUSAL);
    let ran = stage.run();
    assert_eq!(ran.status(), 1, "{}", ran.log());
    assert_eq!(text(&stage), "{\"user\":\"app\"}");
}

/// Someone writes another field as soon as this operation has arrived for the first time.
fn interrupted(stage: &Stage, operation: &'static str) -> Ran {
    stage.world.fault(&format!("aws:POST~{operation}:1:delay=300ms"));
    let (world, seen) = (stage.world.clone(), stage.world.requests().len());
    let someone = std::thread::spawn(move || {
        while !world.requests_after(seen).iter().any(|request| request.path == operation) {
            std::thread::sleep(Duration::from_millis(5));
        }
        world.by_hand(|state| state.aws.put(ID, Some("user"), "new"));
    });
    let ran = stage.run();
    someone.join().unwrap();
    ran
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn a_version_that_someone_made_in_between_is_read_anew() {
    for operation in ["/PutSecretValue", "/UpdateSecretVersionStage"] {
        for stage in [stage(&[FIELD, BESIDE]), stage_at_roto(&[FIELD, BESIDE])] {
            let ran = interrupted(&stage, operation);
            rotated(&stage, &ran);
            let held: Value = serde_json::from_str(&text(&stage)).unwrap();
            assert_eq!(held["user"], "new", "{}", ran.log());
        }
    }
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn other_fields_may_be_written_by_others() {
    let stage = stage(&[FIELD, BESIDE]);
    rotated(&stage, &stage.run());
    for nth in 0..3 {
        stage.world.advance(Duration::from_secs(3600));
        stage.world.by_hand(|state| state.aws.put(ID, Some("user"), &format!("app-{nth}")));
    }
    let ran = stage.action().input("rotate-after", "30d").run();
    assert_eq!((ran.status(), ran.output("outcome")), (0, "not-due"), "{}", ran.log());
    stage.world.by_hand(|state| state.aws.put(ID, Some("api-key"), "lr_live_somebody_elses_0123456789"));
    let ran = stage.action().input("rotate-after", "30d").secret("current-key", "").run();
    assert_eq!(ran.status(), 3, "{}", ran.log());
    assert!(ran.tells("after the current key was deployed"), "{}", ran.log());
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn a_lost_answer_makes_no_second_version_and_throttling_is_waited_for() {
    let stage = stage(&[FIELD, BESIDE]);
    stage.world.fault("aws:POST~/PutSecretValue:1:drop-after");
    let throttled = failed("ThrottlingException", "Rate exceeded");
    stage.world.fault(&format!("aws:POST~/UpdateSecretVersionStage:1:{throttled}"));
    let before = versions(&stage);
    rotated(&stage, &stage.run());
    assert_eq!(versions(&stage), before + 1);
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn what_the_role_lacks_is_told_by_its_permissions_name() {
    for (operation, code, message, words) in [
        ("DescribeSecret", "AccessDeniedException", "not authorized", "secretsmanager:DescribeSecret"),
        ("GetSecretValue", "AccessDeniedException", "not authorized", "secretsmanager:GetSecretValue"),
        ("GetSecretValue", "AccessDeniedException", "Access to KMS is not allowed", "kms:Decrypt"),
        ("PutSecretValue", "AccessDeniedException", "not authorized", "secretsmanager:PutSecretValue"),
        ("PutSecretValue", "EncryptionFailure", "the key is disabled", "kms:GenerateDataKey"),
        (
            "UpdateSecretVersionStage",
            "AccessDeniedException",
            "not authorized",
            "secretsmanager:UpdateSecretVersionStage",
        ),
        ("DescribeSecret", "ExpiredTokenException", "The security token is expired", "wrong or expired"),
    ] {
        let stage = stage(&[FIELD]);
        stage.world.fault(&format!("aws:POST~/{operation}:1x99:{}", failed(code, message)));
        let before = stage.snapshot();
        let ran = stage.run();
        refused(&stage, &ran, &[words]);
        stage.check_truthful(&before, &ran).unwrap();
    }
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn what_is_no_secret_of_text_is_told_before_a_key_is_made() {
    let stage = stage(&[FIELD]);
    let run = |target: &str| stage.action().input("targets", target).run();
    refused(&stage, &run("aws-secretsmanager:prod/arouter#port"), &["not text"]);
    stage.world.by_hand(|state| state.aws.put_text("plain", "lr_live_whatever_0123456789"));
    refused(&stage, &run("aws-secretsmanager:plain#key"), &["no JSON object"]);
    let bytes = json!({ "Name": "bytes", "SecretBinary": "AAECAw==" });
    stage.world.by_hand(|state| assert_eq!(state.aws.call("CreateSecret", &bytes).status, 200));
    refused(&stage, &run("aws-secretsmanager:bytes"), &["bytes and not text"]);
    stage.world.by_hand(|state| state.aws.call("DeleteSecret", &json!({ "SecretId": "plain" })));
    refused(&stage, &run("aws-secretsmanager:plain"), &["restore-secret"]);
    let ran = stage.action().variable("AWS_REGION", "").run();
    refused(&stage, &ran, &["AWS_REGION"]);
    let none = stage.action().variable("AWS_ACCESS_KEY_ID", "").variable("AWS_SECRET_ACCESS_KEY", "").run();
    refused(&stage, &none, &["no AWS credentials were found", "configure-aws-credentials"]);
    let plain = stage.action().variable("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://aws.acme.dev:1").run();
    refused(&stage, &plain, &["loopback"]);
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn an_arn_states_the_region_and_a_session_is_hidden() {
    let stage = stage(&[FIELD]);
    let arn =
        stage.world.by_hand(|state| state.aws.call("DescribeSecret", &json!({ "SecretId": ID }))).body["ARN"].clone();
    let target = format!("{}#api-key", arn.as_str().unwrap());
    let ran = stage
        .action()
        .input("targets", &format!("aws-secretsmanager:{target}"))
        .variable("AWS_REGION", "")
        .variable("AWS_SESSION_TOKEN", "FwoGZXIvYXdzEBYaDHqa0AP1RpTvSessionToken")
        .run();
    rotated(&stage, &ran);
    assert!(ran.stdout.contains("::add-mask::FwoGZXIvYXdzEBYaDHqa0AP1RpTvSessionToken"));
    assert!(ran.log().contains("x-amzn-requestid"), "{}", ran.log());
}

/// A run whose profile takes its credentials from a program.
fn signed_by(stage: &Stage, script: &str) -> Ran {
    stage.put("plug.sh", format!("{script}\n"));
    let plug = stage.path("plug.sh");
    stage.put("aws-config", format!("[default]\ncredential_process = exec sh '{}'\n", plug.display()));
    let run = stage.action().variable("AWS_ACCESS_KEY_ID", "").variable("AWS_SECRET_ACCESS_KEY", "");
    run.variable("AWS_CONFIG_FILE", &stage.path("aws-config").display().to_string()).run()
}

fn nothing_sleeps(asleep: &str) {
    let left = std::process::Command::new("pgrep").args(["-f", &format!("^{asleep}")]).output().unwrap();
    assert!(left.stdout.is_empty(), "a program outlived its use");
}

#[test]
fn a_credential_process_signs_in_and_is_told_nothing() {
    let stage = stage(&[FIELD]);
    let said = json!({ "Version": 1, "AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "SecretAccessKey": AWS_SECRET });
    let ran = signed_by(&stage, &format!("env >seen\necho '{said}'"));
    rotated(&stage, &ran);
    assert!(ran.stdout.contains(&format!("::add-mask::{AWS_SECRET}")), "it is not masked");
    let seen = std::fs::read_to_string(stage.path("seen")).unwrap();
    assert!(seen.contains("AWS_CONFIG_FILE") && !seen.contains("INPUT_"), "{seen}");
}

#[test]
fn a_credential_process_is_bounded_and_ends_with_its_use() {
    let asleep = "sleep 60.57721";
    for (script, says) in [
        (&*format!("{asleep} & {asleep}"), "no AWS credentials came in time"),
        ("exec cat /dev/zero", "no AWS credentials came"),
        ("echo '{\"Version\": 1}'", "no AWS credentials came"),
        ("echo oops-0123456789 >&2; exit 3", "no AWS credentials came"),
    ] {
        let stage = setting(&[FIELD]).input("request-timeout", "2s").stage();
        let ran = signed_by(&stage, script);
        refused(&stage, &ran, &[says]);
        assert!(writes(&ran).is_empty() && !ran.log().contains("oops"), "{}", ran.log());
    }
    nothing_sleeps(asleep);
}

#[test]
fn a_signal_ends_a_credential_process_that_says_nothing() {
    let (stage, asleep) = (stage(&[FIELD]), "sleep 60.14142");
    let ran = signed_by(&stage, &format!("{asleep} &\nkill -TERM $PPID\nwait"));
    assert_eq!(ran.status(), 1, "{}", ran.log());
    ran.check_stopped_in_time(Duration::ZERO).unwrap();
    stage.check_healed().unwrap();
    nothing_sleeps(asleep);
}
