//! Fields of secrets in Vault as targets: the real program against the stand-in. `peers::openbao` has the real server.

use std::time::Duration;

use keyrotor_fake::vault::{Condition, Role, Token};
use keyrotor_fake::{Dialect, Place, Server};
use serde_json::{Value, json};

use crate::harness::{FAMILY, Ran, Setting, Stage, VAULT_TOKEN};

pub(super) const PATH: &str = "secret/team/app";
pub(super) const FIELD: &str = "vault:secret/team/app#api-key";
pub(super) const BESIDE: &str = "repo:acme/api";

pub(super) fn setting(places: &[&str]) -> Setting {
    Setting::new(Dialect::Mgmt).places(places).with_current_key()
}

/// A stage whose secret has other fields, written when the key was deployed.
pub(super) fn stage(places: &[&str]) -> Stage {
    let stage = setting(places).stage();
    stage.world.by_hand(|state| {
        let secret = state.vault.mounts.get_mut("secret").unwrap().secrets.get_mut("team/app").unwrap();
        let newest = secret.versions.get_mut(&1).unwrap();
        newest.data.extend([("port".to_owned(), json!(5432)), ("user".to_owned(), json!("app"))]);
    });
    stage
}

pub(super) fn data(stage: &Stage, path: &str) -> Value {
    stage.world.read(|state| state.vault.secret(path).unwrap().newest().unwrap().data.clone().into())
}

pub(super) fn version(stage: &Stage) -> u64 {
    stage.world.read(|state| state.vault.secret(PATH).unwrap().current)
}

pub(super) fn rotated(stage: &Stage, ran: &Ran) {
    assert_eq!((ran.status(), ran.rotated()), (0, true), "{}", ran.log());
    stage.check_healed().unwrap();
}

/// Nothing was made and nothing was written.
pub(super) fn refused(stage: &Stage, ran: &Ran, words: &[&str]) {
    assert_eq!(ran.status(), 1, "{}", ran.log());
    assert!(
        ran.requests.iter().all(|request| request.server != Server::Issuer || request.method == "GET"),
        "{}",
        ran.log()
    );
    for word in words {
        assert!(ran.tells(word), "{word} is not told: {}", ran.log());
    }
    stage.check_no_outage().unwrap();
}

pub(super) fn writes(ran: &Ran) -> Vec<&str> {
    let writes = ran.requests.iter().filter(|it| it.server == Server::Vault && it.path.contains("/data/"));
    writes.map(|it| it.method.as_str()).filter(|method| *method != "GET").collect()
}

/// Grants the run's token this on the secret, and nothing else.
pub(super) fn grant(stage: &Stage, grants: &[(&str, &[&'static str])]) {
    stage.world.by_hand(|state| state.vault.add_token(VAULT_TOKEN, "ci", grants));
}

#[test]
fn one_field_is_patched_and_the_versions_are_told() {
    let stage = stage(&[FIELD, BESIDE]);
    let ran = stage.run();
    rotated(&stage, &ran);
    assert_eq!(writes(&ran), ["PATCH"]);
    let data = data(&stage, PATH);
    assert_eq!((&data["port"], &data["user"]), (&json!(5432), &json!("app")));
    assert!(ran.summary_text().contains("version 1 → 2"), "{}", ran.log());
}

#[test]
fn a_server_or_policy_without_patch_is_written_whole_by_check_and_set() {
    for change in [
        |stage: &Stage| stage.world.by_hand(|state| state.vault.has_patch = false),
        |stage: &Stage| grant(stage, &[("secret/data/team/app", &["read", "update"])]),
        |stage: &Stage| {
            grant(stage, &[("secret/data/*", &["read", "update"])]);
            stage.world.by_hand(|state| state.vault.tokens.get_mut(VAULT_TOKEN).unwrap().has_default_policy = false);
        },
    ] {
        let stage = stage(&[FIELD]);
        change(&stage);
        stage.world.by_hand(|state| state.vault.mounts.get_mut("secret").unwrap().cas_required = true);
        let ran = stage.run();
        rotated(&stage, &ran);
        assert_eq!(writes(&ran).last(), Some(&"POST"), "{}", ran.log());
        assert_eq!(data(&stage, PATH)["port"], 5432);
        assert_eq!(version(&stage), 2);
    }
}

#[test]
fn a_token_that_may_not_read_values_patches_all_the_same() {
    let stage = stage(&[FIELD, BESIDE]);
    let grants: [(&str, &[&'static str]); 2] =
        [("secret/data/team/app", &["patch"]), ("secret/subkeys/team/app", &["read"])];
    grant(&stage, &grants);
    let ran = stage.run();
    rotated(&stage, &ran);
    assert_eq!(data(&stage, PATH)["user"], "app");
    assert!(ran.requests.iter().any(|request| request.path.contains("/subkeys/")));
}

#[test]
fn a_secret_that_is_missing_or_deleted_is_made() {
    let first = |places: &[&str]| {
        let mut setting = Setting::new(Dialect::Mgmt).places(places).deployed(None);
        for (name, value) in [("allowed-providers", "all"), ("allowed-models", "all"), ("spending-limit", "50")] {
            setting = setting.input(name, value);
        }
        setting.input("limit-reset", "none").input("expires-after", "never").stage()
    };
    let missing = first(&[FIELD]);
    rotated(&missing, &missing.run());
    assert_eq!((version(&missing), data(&missing, PATH).as_object().unwrap().len()), (1, 1));

    let deleted = first(&[FIELD]);
    deleted.world.by_hand(|state| {
        state.vault.put(PATH, &[("user", "app")]);
        state.vault.delete_newest(PATH);
    });
    rotated(&deleted, &deleted.run());
    assert_eq!(version(&deleted), 2);

    let beside = first(&[FIELD]);
    beside.world.by_hand(|state| state.vault.put(PATH, &[("user", "app")]));
    rotated(&beside, &beside.run());
    assert_eq!((version(&beside), &data(&beside, PATH)["user"]), (2, &json!("app")));
}

#[test]
fn a_lost_race_is_read_again() {
    for has_patch in [true, false] {
        let stage = stage(&[FIELD]);
        stage.world.by_hand(|state| state.vault.has_patch = has_patch);
        let grants: [(&str, &[&'static str]); 1] =
            [("secret/data/*", if has_patch { &["read", "patch"] } else { &["read", "update"] })];
        grant(&stage, &grants);
        let method = if has_patch { "PATCH" } else { "POST" };
        stage.world.fault(&format!("vault:{method}~/data/:1:delay=300ms"));
        let world = stage.world.clone();
        let someone = std::thread::spawn(move || {
            let waits = |request: &keyrotor_fake::Request| {
                request.server == Server::Vault && request.path.contains("/data/") && request.method != "GET"
            };
            while !world.requests().iter().any(waits) {
                std::thread::sleep(Duration::from_millis(5));
            }
            world.by_hand(|state| state.vault.put(PATH, &[("user", "new")]));
        });
        let ran = stage.run();
        someone.join().unwrap();
        rotated(&stage, &ran);
        assert_eq!(data(&stage, PATH)["user"], "new", "{}", ran.log());
        assert_eq!((writes(&ran).len(), version(&stage)), (2, 3));
    }
}

#[test]
fn other_fields_may_be_written_by_others() {
    let stage = stage(&[FIELD, BESIDE]);
    rotated(&stage, &stage.run());
    for nth in 0..3 {
        stage.world.advance(Duration::from_secs(3600));
        stage.world.by_hand(|state| state.vault.put(PATH, &[("user", &format!("app-{nth}"))]));
    }
    let ran = stage.action().input("rotate-after", "30d").run();
    assert_eq!((ran.status(), ran.output("outcome")), (0, "not-due"), "{}", ran.log());
    // The field itself may not.
    let value = stage.held()[0].clone().unwrap();
    let put = |value: &str| _ = stage.world.by_hand(|state| state.vault.put(PATH, &[("api-key", value)]));
    let run = || stage.action().input("rotate-after", "30d").secret("current-key", "").run();
    put("lr_live_somebody_elses_0123456789");
    let ran = run();
    assert_eq!(ran.status(), 3, "{}", ran.log());
    assert!(ran.tells("after the current key was deployed"), "{}", ran.log());
    // The value counts and not who wrote it.
    put(&value);
    assert_eq!(run().output("outcome"), "not-due");
}

#[test]
fn many_fields_of_one_secret_are_written_in_turn() {
    let places: Vec<_> = (0..10).map(|nth| format!("vault:{PATH}#k{nth}")).collect();
    let stage = stage(&places.iter().map(String::as_str).collect::<Vec<_>>());
    stage.world.by_hand(|state| state.latency = Duration::from_millis(60));
    let ran = stage.run();
    rotated(&stage, &ran);
    assert_eq!(writes(&ran).len(), 10, "none is sent in vain\n{}", ran.log());
}

/// More than any clock can show.
#[test]
fn a_token_that_lives_for_ever_and_longer_is_taken() {
    let stage = Setting::new(Dialect::Mgmt).places(&[FIELD]).stage();
    let login = r#"{"auth":{"client_token":"hvs.abcdefghijklmnop","lease_duration":18446744073709551615}}"#;
    stage.world.fault(&format!("vault:POST~/login:1x9:status=200,body={login}"));
    let url = format!("{}/idtoken?api-version=2.0", stage.fakes.url(Server::Runner).trim_end_matches('/'));
    let token = stage.world.read(|state| state.runner.request_token.clone());
    let run = stage.action().input("targets", &format!("{FIELD} role=keyrotor"));
    let ran =
        run.variable("ACTIONS_ID_TOKEN_REQUEST_URL", &url).variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN", &token).run();
    assert_eq!(ran.status(), 1, "the token is none\n{}", ran.log());
}

#[test]
fn putting_back_changes_the_field_alone_or_takes_it_out() {
    let refusal = "github:PUT~/repos/acme/api/:1x99:status=451";
    for has_patch in [true, false] {
        let stage = stage(&[FIELD, BESIDE]);
        stage.world.by_hand(|state| state.vault.has_patch = has_patch);
        stage.world.fault(refusal);
        let before = stage.snapshot();
        let ran = stage.run();
        assert_eq!(ran.status(), 1, "{}", ran.log());
        stage.check_truthful(&before, &ran).unwrap();
        assert_eq!((&data(&stage, PATH)["user"], version(&stage)), (&json!("app"), 3));
        assert!(ran.summary_text().contains("version 1 → 3"), "{}", ran.log());

        let new = "vault:secret/team/app#second-key";
        let stage = setting(&[BESIDE, new]).stage();
        stage.world.by_hand(|state| {
            state.vault.has_patch = has_patch;
            let secret = state.vault.mounts.get_mut("secret").unwrap().secrets.get_mut("team/app").unwrap();
            secret.versions.get_mut(&1).unwrap().data = [("user".to_owned(), json!("app"))].into_iter().collect();
        });
        stage.world.fault(refusal);
        let ran = stage.run();
        assert_eq!(ran.status(), 1, "{}", ran.log());
        assert_eq!(data(&stage, PATH), json!({ "user": "app" }));
    }
}

#[test]
fn a_server_that_serves_nothing_is_told_before_a_key_is_made() {
    for (condition, words) in [
        (Condition::Sealed, "Vault is sealed"),
        (Condition::Standby(473), "473"),
        (Condition::Standby(429), "429"),
        (Condition::Elsewhere("https://vault-1.acme.dev:8200".to_owned()), "https://vault-1.acme.dev:8200"),
    ] {
        let stage = stage(&[FIELD]);
        stage.world.by_hand(|state| state.vault.condition = condition);
        refused(&stage, &stage.run(), &[words]);
    }
}

#[test]
fn a_server_that_is_sealed_in_the_middle_leaves_a_live_key_everywhere() {
    let stage = stage(&[FIELD, BESIDE]);
    stage.world.fault("vault:PATCH:1x99:status=503,body={\"errors\":[\"Vault is sealed\"]}");
    let before = stage.snapshot();
    let ran = stage.run();
    assert!([1, 3].contains(&ran.status()), "{}", ran.log());
    stage.check_truthful(&before, &ran).unwrap();
    stage.world.clear_faults();
    rotated(&stage, &stage.run());
}

#[test]
fn missing_permissions_and_wrong_paths_are_told_before_a_key_is_made() {
    let stage = stage(&[FIELD]);
    grant(&stage, &[("secret/data/team/app", &["read", "list"])]);
    refused(&stage, &stage.run(), &["the token may not write secret/data/team/app", "`patch`, or `read` and `update`"]);
    grant(&stage, &[("secret/data/team/app", &["update"])]);
    refused(&stage, &stage.run(), &["permission denied", "`read` on secret/data/team/app"]);
    grant(&stage, &[("secret/metadata/team/app", &["list"])]);
    refused(&stage, &stage.run(), &["permission denied", "`read` on secret/data/team/app"]);
    grant(&stage, &[("other/*", &["read"])]);
    refused(&stage, &stage.run(), &["preflight capability check", "nothing below secret/team/app"]);
    stage.world.by_hand(|state| _ = state.vault.tokens.remove(VAULT_TOKEN));
    refused(&stage, &stage.run(), &["permission denied"]);
    for (target, words) in
        [("vault:nowhere/app#key", "Nothing is mounted at nowhere/"), ("vault:secret/team/app#port", "not text")]
    {
        let stage = self::stage(&[FIELD]);
        refused(&stage, &stage.action().input("targets", target).run(), &[words]);
    }
    let ran = stage.action().variable("VAULT_TOKEN", "").run();
    refused(&stage, &ran, &["there is no token for Vault"]);
    let ran = stage.action().variable("VAULT_ADDR", "").run();
    refused(&stage, &ran, &["VAULT_ADDR is not set"]);
    let ran = stage.action().variable("VAULT_ADDR", "http://vault.acme.dev:8200").run();
    refused(&stage, &ran, &["loopback"]);
    let ran = stage.action().variable("VAULT_SKIP_VERIFY", "true").run();
    refused(&stage, &ran, &["VAULT_SKIP_VERIFY", "VAULT_CACERT"]);
}

pub(super) fn role(audience: &str, ttl: Duration) -> Role {
    let grants = vec![("secret/data/*".to_owned(), vec!["read", "patch"])];
    let token = Token { role: "deployer".to_owned(), grants, has_default_policy: true, ..Token::default() };
    let subject = "repo:acme@1001/app@2002:ref:refs/heads/main".to_owned();
    Role { subject, audience: audience.to_owned(), ttl, token }
}

#[test]
fn a_job_logs_in_with_githubs_oidc_token() {
    let stage = stage(&[FIELD]);
    let run = |words: &str, known: bool| {
        let (url, token) =
            stage.world.read(|state| (stage.fakes.url(Server::Runner).to_owned(), state.runner.request_token.clone()));
        let run = stage.action().input("targets", &format!("{FIELD} {words}")).variable("VAULT_TOKEN", "");
        if !known {
            return run.run();
        }
        let url = format!("{url}/idtoken?api-version=2.0");
        run.variable("ACTIONS_ID_TOKEN_REQUEST_URL", &url).variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN", &token).run()
    };
    refused(
        &stage,
        &run("role=deployer", true),
        &["could not be found", "The JWT method at jwt must know the role deployer"],
    );
    refused(&stage, &run("role=deployer", false), &["id-token: write"]);
    stage
        .world
        .by_hand(|state| _ = state.vault.roles.insert("deployer".into(), role("vault", Duration::from_secs(900))));
    refused(&stage, &run("role=deployer", true), &["audience", "https://github.com/OWNER"]);
    let fits = role("https://github.com/acme", Duration::from_secs(900));
    stage.world.by_hand(|state| _ = state.vault.roles.insert("deployer".into(), fits));
    let ran = run("role=deployer", true);
    rotated(&stage, &ran);
    assert_eq!(ran.requests.iter().filter(|request| request.server == Server::Runner).count(), 1);
    let token =
        stage.world.read(|state| state.vault.tokens.keys().find(|token| *token != VAULT_TOKEN).cloned()).unwrap();
    assert!(ran.stdout.contains(&format!("::add-mask::{token}")), "the token is not masked");
    stage.world.by_hand(|state| state.vault.jwt_mount = "team/github".to_owned());
    stage.world.advance(Duration::from_secs(3600));
    rotated(&stage, &run("role=deployer jwt-mount=team/github", true));
    stage.world.advance(Duration::from_secs(3600));
    let both = run(
        "role=deployer jwt-mount=team/github\nvault:secret/team/app#user role=deployer jwt-mount=team/github",
        true,
    );
    rotated(&stage, &both);
    assert_eq!(both.requests.iter().filter(|request| request.path.ends_with("/login")).count(), 1);
    assert_eq!(data(&stage, PATH)["user"].as_str(), stage.held()[0].as_deref());
}

#[test]
fn a_token_that_expires_in_the_middle_is_asked_for_anew() {
    let stage = stage(&[FIELD]);
    let brief = role("https://github.com/acme", Duration::from_secs(1));
    stage.world.by_hand(|state| _ = state.vault.roles.insert("deployer".into(), brief));
    stage.world.fault("issuer:POST~/api/v1/keys:1:delay=900ms");
    let (url, token) =
        stage.world.read(|state| (stage.fakes.url(Server::Runner).to_owned(), state.runner.request_token.clone()));
    let ran = stage
        .action()
        .input("targets", &format!("{FIELD} role=deployer"))
        .variable("VAULT_TOKEN", "")
        .variable("ACTIONS_ID_TOKEN_REQUEST_URL", &format!("{url}/idtoken?api-version=2.0"))
        .variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN", &token)
        .run();
    rotated(&stage, &ran);
    let logins = ran.requests.iter().filter(|request| request.path.ends_with("/login"));
    assert!(logins.count() > 1, "{}", ran.log());
}

#[test]
fn namespaces_and_an_authority_of_ones_own() {
    let stage = setting(&[FIELD]).over_tls(&[Server::Vault]).stage();
    stage.world.by_hand(|state| state.vault.namespace = Some("team/a".to_owned()));
    let authority = stage.authority().unwrap();
    let run = |namespace: &str, variable: &str, value: &str| {
        stage.world.advance(Duration::from_secs(3600));
        let run = stage.action().variable("SSL_CERT_FILE", "").variable("VAULT_NAMESPACE", namespace);
        run.variable(variable, value).run()
    };
    let path = authority.to_str().unwrap();
    rotated(&stage, &run("team/a", "VAULT_CACERT", path));
    rotated(&stage, &run("team/a", "VAULT_CACERT_BYTES", &std::fs::read_to_string(path).unwrap()));
    refused(&stage, &run("", "VAULT_CACERT", path), &["VAULT_NAMESPACE"]);
    refused(&stage, &run("team/a", "VAULT_CACERT", "/nowhere.pem"), &["VAULT_CACERT names /nowhere.pem", "workspace"]);
    refused(&stage, &run("team/a", "VAULT_CACERT", ""), &["certificate is not trusted"]);
}

#[test]
fn a_field_that_someone_wrote_in_between_is_not_taken_for_ours() {
    let stage = stage(&[FIELD, BESIDE]);
    let world = stage.world.clone();
    stage.world.fault("github:PUT~/repos/acme/api/:1:delay=300ms");
    let someone = std::thread::spawn(move || {
        let place: Place = BESIDE.parse().unwrap();
        let before = world.value_at(&place, crate::harness::SECRET);
        while !world.requests().iter().any(|request| request.method == "PUT") {
            std::thread::sleep(Duration::from_millis(5));
        }
        world.by_hand(|state| state.vault.put(PATH, &[("api-key", &before.unwrap())]));
    });
    let before = stage.snapshot();
    let ran = stage.run();
    someone.join().unwrap();
    assert_eq!(ran.status(), 3, "{}", ran.log());
    assert!(ran.tells("it holds another value than the one written"), "{}", ran.log());
    stage.check_truthful(&before, &ran).unwrap();
    assert_eq!(stage.world.live_keys(FAMILY).len(), 2);
}

pub(super) const PLAIN: &str = "vault:old/team/app#api-key";

/// A mount of version 1 shows no time: the key is known by its value.
#[test]
fn a_mount_without_versions_is_known_by_what_it_holds() {
    for with_current_key in [true, false] {
        let setting = Setting::new(Dialect::Mgmt).places(&[PLAIN]);
        let stage = if with_current_key { setting.with_current_key() } else { setting }.stage();
        stage.world.by_hand(|state| state.vault.put("old/team/app", &[("user", "app")]));
        for _ in 0..2 {
            stage.world.advance(Duration::from_secs(24 * 3600));
            let ran = stage.run();
            rotated(&stage, &ran);
            assert_eq!(data(&stage, "old/team/app")["user"], "app");
            let again = stage.action().input("rotate-after", "30d").run();
            assert_eq!((again.status(), again.output("outcome")), (0, "not-due"), "{}", again.log());
        }
        // What nobody knows is not replaced blindly.
        stage
            .world
            .by_hand(|state| state.vault.put("old/team/app", &[("api-key", "lr_live_somebody_elses_0123456789")]));
        let ran = stage.action().input("rotate-after", "30d").secret("current-key", "").run();
        assert_eq!(ran.status(), 1, "{}", ran.log());
        assert_eq!(stage.world.live_keys(FAMILY).len(), 1);
    }
}

/// Such a secret is written whole: what others wrote since the run's first look must be in it.
#[test]
fn a_mount_without_versions_keeps_what_others_wrote_meanwhile() {
    let stage = setting(&[PLAIN]).stage();
    let world = stage.world.clone();
    stage.world.fault("issuer:POST~/api/v1/keys:1:delay=200ms");
    let someone = std::thread::spawn(move || {
        while !world.requests().iter().any(|request| request.server == Server::Issuer && request.method == "POST") {
            std::thread::sleep(Duration::from_millis(5));
        }
        world.by_hand(|state| state.vault.put("old/team/app", &[("password", "new")]));
    });
    let ran = stage.run();
    someone.join().unwrap();
    rotated(&stage, &ran);
    assert_eq!(data(&stage, "old/team/app")["password"], "new");
}

#[test]
fn two_targets_in_one_secret_without_check_and_set_are_told_before_a_key_is_made() {
    let stage = setting(&[PLAIN, "vault:old/team/app#other"]).stage();
    refused(&stage, &stage.run(), &["is of version 1, which is written whole", "a mount of version 2"]);
}

#[test]
fn a_mount_without_versions_is_put_back_too() {
    let refusal = "github:PUT~/repos/acme/api/:1x99:status=451";
    let stage = setting(&[PLAIN, BESIDE]).stage();
    stage.world.fault(refusal);
    let before = stage.snapshot();
    let ran = stage.run();
    assert_eq!(ran.status(), 1, "{}", ran.log());
    stage.check_truthful(&before, &ran).unwrap();
    let stage = setting(&[BESIDE, PLAIN]).stage();
    stage.world.by_hand(|state| state.vault.forget("old/team/app"));
    stage.world.fault(refusal);
    let ran = stage.run();
    assert_eq!(ran.status(), 1, "{}", ran.log());
    assert!(stage.world.read(|state| state.vault.secret("old/team/app").is_none()), "{}", ran.log());
}
