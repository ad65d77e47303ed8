//! What a person reads when a run stops: all of it in one run, with what to do.

use keyrotor_fake::Dialect;

use crate::harness::{Ran, Setting};

fn says(ran: &Ran, words: &[&str]) {
    for words in words {
        assert!(ran.tells(words), "{words} is missing\n{}", ran.log());
    }
}

/// The API of ARouter's own guide renames no key and shows few rights: three inputs are missing at once.
#[test]
fn every_reason_to_stop_is_told_in_one_run_with_the_inputs_to_paste() {
    let setting = Setting::new(Dialect::Guide).deployed(Some("hand-made")).with_current_key();
    let setting = setting.input("grace-period", "24h").input("allowed-providers", "");
    let stage = setting.stage();
    let id = stage.world.live_keys("")[0].id.clone();
    let ran = stage.run();
    assert_eq!(ran.status(), 1, "{}", ran.log());
    let named = format!("replace-key-id: {id}");
    says(&ran, &["et replace-key-id to", "set grace-period to 0s", "state allowed-providers"]);
    says(&ran, &[&named, "grace-period: 0s", "allowed-providers: all # or names with commas between them"]);
    assert!(ran.summary.contains("```yaml\nreplace-key-id"), "{}", ran.summary);
    let asked = &ran.report().unwrap()["rotations"][0]["inputs-to-add"];
    assert_eq!(asked[0]["input"], "replace-key-id", "{asked}");
    // What it asks for is enough.
    let again = asked
        .as_array()
        .unwrap()
        .iter()
        .fold(stage.action(), |run, one| run.input(one["input"].as_str().unwrap(), one["value"].as_str().unwrap()));
    let ran = again.run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
}

#[test]
fn an_empty_secret_is_told_as_such_although_the_targets_are_wrong_too() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    for targets in ["repo:acme/app", "repo:acme"] {
        let ran = stage.action().input("targets", targets).secret("github-token", "").run();
        assert_eq!(ran.status(), 2, "{}", ran.log());
        let empty =
            "It is empty: the secret does not exist, or it belongs to an environment that the job does not name";
        says(&ran, &["github-token: ", empty]);
    }
    let ran = stage.action().secret("management-key", "").run();
    says(&ran, &["management-key: ", "It is empty: "]);
    let ran = stage.cli().secret("github-token", "").run();
    assert!(!ran.log().contains("It is empty"), "{}", ran.log());
}

#[test]
fn an_ordinary_key_in_the_place_of_a_management_key_is_told_as_that() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    let (_, ordinary) = stage.world.by_hand(|state| state.issuer.seed_key("mine", |_| {}));
    let ran = stage.action().secret("management-key", &ordinary).run();
    assert_eq!(ran.status(), 1, "{}", ran.log());
    says(&ran, &["`management-key` holds an ordinary key. Create one of type Management"]);
}
