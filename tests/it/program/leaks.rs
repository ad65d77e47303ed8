//! What a person or a server put in the wrong place is not shown: keys in names, passwords in addresses, placeholders in the
//! place of keys.

use keyrotor_fake::Dialect;

use crate::harness::{Invocation, SECRET, Setting, Stage};

/// Nothing of this was shown, and this was told.
fn refused(stage: &Stage, change: impl FnOnce(Invocation<'_>) -> Invocation<'_>, hidden: &str, says: &[&str]) {
    let ran = change(stage.action()).run();
    assert_eq!(ran.status(), 2, "{}", ran.log());
    assert!(ran.requests.is_empty());
    let all = format!("{}{}{}", ran.log(), ran.output("report"), ran.outputs.values().cloned().collect::<String>());
    assert!(!all.contains(hidden), "{hidden} is shown\n{all}");
    for words in says {
        assert!(ran.log().contains(words), "{words} is missing\n{}", ran.log());
    }
}

#[test]
fn an_address_is_told_without_its_password() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    for address in [
        "https://svc:PASSW0RD@gw.example.test",
        "https://svc:PASSW0RD/x@gw.example.test",
        "https://gw.example.test/v1?api_key=PASSW0RD",
        "https://gw.example.test/#PASSW0RD",
        "svc:PASSW0RD@gw.example.test",
    ] {
        refused(&stage, |it| it.input("issuer-url", address), "PASSW0RD", &["issuer-url", "gw.example.test"]);
        refused(
            &stage,
            |it| it.variable("GITHUB_API_URL", address),
            "PASSW0RD",
            &["GITHUB_API_URL", "gw.example.test"],
        );
        refused(&stage, |it| it.input("targets", address), "PASSW0RD", &["targets"]);
        let text = format!("issuer-url: '{address}'\nrotations:\n  - {{key-name: a, targets: ['{address}']}}\n");
        stage.put("keyrotor.yml", text);
        let none =
            ["key-name", "targets", "issuer-url"].into_iter().fold(stage.action(), |it, name| it.input(name, ""));
        let ran = none.input("config", "keyrotor.yml").run();
        assert_eq!(ran.status(), 2, "{}", ran.log());
        assert!(!ran.log().contains("PASSW0RD"), "{}", ran.log());
    }
}

#[test]
fn a_placeholder_is_a_wrong_input_and_masks_no_words() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    for value in ["changeme", "your-key"] {
        let ran = stage.cli().secret("current-key", value).run();
        assert_eq!(ran.status(), 2, "{}", ran.log());
        assert!(
            ran.stdout.contains("current-key: is made of words")
                || ran.stderr.contains("current-key: is made of words"),
            "{}",
            ran.log()
        );
    }
    let stage = Setting::new(Dialect::Mgmt).places(&["repo:acme/app", "vault:secret/app#api-key"]).stage();
    let ran = stage.action().variable("VAULT_TOKEN", "root").run();
    assert_eq!(ran.status(), 2, "{}", ran.log());
    assert!(ran.log().contains("VAULT_TOKEN: is shorter than 6 characters"), "{}", ran.log());
}

/// A target's placeholder is no secret: the name of the new key has the same word in it.
#[test]
fn a_targets_placeholder_leaves_names_as_they_are() {
    let stage = Setting::new(Dialect::Mgmt).places(&["repo:acme/app", "kubernetes:prod/app#api-key"]).stage();
    stage.world.by_hand(|state| state.put(&stage.places[1], SECRET, "production"));
    let ran = stage.run();
    assert!(!ran.log().contains("***-20") && !ran.log().contains("***: "), "{}", ran.log());
}

#[test]
fn a_key_in_a_keys_name_is_not_shown() {
    let stage = Setting::new(Dialect::Mgmt).deployed(Some("hand-made")).stage();
    let name = "lr_live_Ux5Kd8Wq2Zn7Jm4Ro9Ts6Ey1Vf3Cb0Hg";
    stage.world.by_hand(|state| _ = state.issuer.seed_key(name, |_| {}));
    let ran = stage.run();
    assert_eq!(ran.status(), 1, "{}", ran.log());
    assert!(ran.log().contains("lr_live_***"), "{}", ran.log());
    let all = format!("{}{}", ran.log(), ran.output("report"));
    assert!(!all.contains("Ux5Kd8Wq2Zn7"), "{all}");
}
