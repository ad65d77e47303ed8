//! What becomes of a Vault cluster, of a secret in it or of a token while keyrotor works with them. The same befalls OpenBao's
//! own servers in `peers::openbao`.

use std::time::Duration;

use keyrotor_fake::vault::{Condition, Token};
use keyrotor_fake::{Request, Server, State};
use serde_json::json;

use super::vault::{BESIDE, FIELD, PATH, PLAIN, data, grant, refused, role, rotated, setting, stage, writes};
use crate::harness::{FAMILY, Ran, Stage};

/// How long a limit or an election may last that the few attempts of before did not outlast.
const LASTS: Duration = Duration::from_secs(3);

/// Runs, and changes the world once such a request was made.
fn run_and_meanwhile(stage: &Stage, begins: fn(&Request) -> bool, change: impl FnOnce(&Stage) + Send) -> Ran {
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for _ in 0..2_000 {
                if stage.world.requests().iter().any(begins) {
                    return change(stage);
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        stage.run()
    })
}

fn makes_a_key(request: &Request) -> bool {
    request.server == Server::Issuer && request.method == "POST"
}

fn writes_to_vault(request: &Request) -> bool {
    request.server == Server::Vault && request.path.contains("/data/") && request.method != "GET"
}

/// The stand-in under its other name, which is that of the cluster's active server.
fn follows(stage: &Stage, state: &mut State) {
    let active = stage.fakes.url(Server::Vault).replace("127.0.0.1", "localhost");
    state.vault.condition = Condition::Follows(active);
}

#[test]
fn a_standby_is_left_for_the_active_server_of_its_cluster() {
    let fresh = || stage(&[FIELD, BESIDE]);
    let stage = fresh();
    stage.world.by_hand(|state| follows(&stage, state));
    rotated(&stage, &stage.run());
    // The one that was active steps down between the first look and the write.
    let stage = fresh();
    stage.world.fault("issuer:POST~/api/v1/keys:1:delay=300ms");
    let ran = run_and_meanwhile(&stage, makes_a_key, |stage| stage.world.by_hand(|state| follows(stage, state)));
    rotated(&stage, &ran);
    let told: Vec<_> =
        ran.requests.iter().filter(|it| it.path == "/v1/sys/leader").map(|it| it.role.as_str()).collect();
    assert!(!told.is_empty() && told.iter().all(|role| *role == "nobody"), "{told:?}\n{}", ran.log());
}

/// Another server than the one that its cluster names gets no token.
#[test]
fn a_redirect_out_of_the_cluster_is_not_followed() {
    let stage = stage(&[FIELD, BESIDE]);
    stage.world.by_hand(|state| follows(&stage, state));
    let elsewhere = "vault:GET~/v1/sys/leader:1x99:status=200,body={\"leader_address\":\"https://10.0.0.9:8200\"}";
    stage.world.fault(elsewhere);
    let ran = stage.run();
    refused(&stage, &ran, &["The token is not sent to http://localhost:", "Let VAULT_ADDR name the active server"]);
    assert!(
        ran.requests
            .iter()
            .filter(|it| it.server == Server::Vault)
            .all(|it| { it.headers.iter().all(|(name, value)| name != "host" || value.starts_with("127.0.0.1")) })
    );
}

#[test]
fn a_limit_that_names_no_time_is_waited_for() {
    let quota =
        "status=429,body={\"errors\":[\"request path \\\"secret/data/team/app\\\": rate limit quota exceeded\"]}";
    for method in ["PATCH", "GET"] {
        let stage = stage(&[FIELD, BESIDE]);
        if method == "PATCH" {
            stage.world.fault(&format!("vault:PATCH:1x999:{quota}"));
        } else {
            // Nobody reads for a while what was written.
            stage.world.fault("vault:PATCH:1:status=500,body={\"errors\":[\"no leader\"]}");
        }
        let ran = run_and_meanwhile(&stage, writes_to_vault, |stage| {
            if method == "GET" {
                stage.world.fault(&format!("vault:GET~/data/:1x999:{quota}"));
            }
            std::thread::sleep(LASTS);
            stage.world.clear_faults();
        });
        rotated(&stage, &ran);
        assert!(ran.took < Duration::from_secs(30), "{method}: {:?}\n{}", ran.took, ran.log());
    }
}

#[test]
fn a_deleted_secret_that_may_not_be_updated_is_told_before_a_key_is_made() {
    let stage = stage(&[BESIDE, FIELD]);
    stage.world.by_hand(|state| state.vault.delete_newest(PATH));
    grant(&stage, &[("secret/data/team/app", &["create", "read", "patch"])]);
    refused(&stage, &stage.run(), &["the token may not write secret/data/team/app", "must grant `update` on"]);
    grant(&stage, &[("secret/data/team/app", &["update", "read"])]);
    rotated(&stage, &stage.run());
    // What never was is another matter.
    stage.world.by_hand(|state| state.vault.forget(PATH));
    stage.world.advance(Duration::from_secs(3600));
    refused(&stage, &stage.run(), &["the token may not write secret/data/team/app", "must grant `create` on"]);
}

/// Its version was written when the key was deployed: it is this rotation's own, although nothing is in it any more.
#[test]
fn an_expired_version_is_ours_all_the_same() {
    let stage = stage(&[FIELD]);
    stage.world.by_hand(|state| state.vault.delete_newest(PATH));
    let ran = stage.action().secret("current-key", "").run();
    rotated(&stage, &ran);
    // One that was written at another time is not.
    stage.world.advance(Duration::from_secs(24 * 3600));
    stage.world.by_hand(|state| {
        state.vault.put(PATH, &[("api-key", "lr_live_somebody_elses_0123456789")]);
        state.vault.delete_newest(PATH);
    });
    let ran = stage.action().secret("current-key", "").run();
    refused(&stage, &ran, &["no target holds "]);
}

#[test]
fn a_version_that_will_end_is_told_with_its_end() {
    let stage = stage(&[FIELD, BESIDE]);
    stage.world.by_hand(|state| {
        let mount = state.vault.mounts.get_mut("secret").unwrap();
        mount.delete_version_after = Some(Duration::from_secs(90 * 24 * 3600));
    });
    let ran = stage.run();
    rotated(&stage, &ran);
    assert!(ran.summary_text().contains("version 1 → 2, which Vault deletes at 2"), "{}", ran.log());
    for (rotate_after, is_told) in [("30d", false), ("91d", true)] {
        let ran = stage.action().input("rotate-after", rotate_after).run();
        assert_eq!(ran.output("outcome"), "not-due", "{}", ran.log());
        assert_eq!(ran.tells("before the next rotation is due"), is_told, "{rotate_after}: {}", ran.log());
    }
}

/// A deletion does not change a version's number: what is written by it would bring all of it back.
#[test]
fn a_secret_that_is_deleted_meanwhile_stays_deleted() {
    for has_patch in [true, false] {
        let stage = stage(&[BESIDE, FIELD]);
        stage.world.by_hand(|state| state.vault.has_patch = has_patch);
        let capability: &[&str] = if has_patch { &["read", "patch", "update"] } else { &["read", "update"] };
        grant(&stage, &[("secret/data/*", capability)]);
        stage.world.fault("issuer:POST~/api/v1/keys:1:delay=300ms");
        let ran = run_and_meanwhile(&stage, makes_a_key, |stage| {
            stage.world.by_hand(|state| state.vault.delete_newest(PATH));
        });
        assert!([1, 3].contains(&ran.status()), "{}", ran.log());
        assert!(ran.tells("secret/team/app was deleted since this run looked at it"), "{}", ran.log());
        assert!(stage.world.read(|state| state.vault.secret(PATH).unwrap().newest().is_none()), "{}", ran.log());
        assert_eq!(writes(&ran).len(), usize::from(has_patch), "{}", ran.log());
        stage.check_no_outage().unwrap();
        rotated(&stage, &stage.run());
        assert_eq!(data(&stage, PATH).as_object().unwrap().len(), 1);
    }
}

#[test]
fn a_mount_without_versions_is_put_back_by_the_right_to_delete() {
    let stage = setting(&[BESIDE, PLAIN]).stage();
    stage.world.by_hand(|state| state.vault.forget("old/team/app"));
    grant(&stage, &[("old/*", &["create", "read", "update"])]);
    stage.world.fault("github:PUT~/repos/acme/api/:1x99:status=451");
    let ran = stage.run();
    assert_eq!(ran.status(), 3, "{}", ran.log());
    assert!(ran.tells("does not grant `delete` on old/team/app"), "{}", ran.log());
    assert!(!stage.world.live_keys(FAMILY).is_empty());
    stage.check_no_outage().unwrap();
    stage.world.clear_faults();
    rotated(&stage, &stage.run());
}

#[test]
fn a_token_that_is_used_up_is_asked_for_anew() {
    for uses in [1, 2, 5] {
        let stage = stage(&[FIELD, BESIDE]);
        let mut few = role("https://github.com/acme", Duration::from_secs(900));
        few.token = Token { uses: Some(uses), ..few.token };
        stage.world.by_hand(|state| _ = state.vault.roles.insert("deployer".into(), few));
        let (url, token) =
            stage.world.read(|state| (stage.fakes.url(Server::Runner).to_owned(), state.runner.request_token.clone()));
        let ran = stage
            .action()
            .input("targets", &format!("{FIELD} role=deployer\n{BESIDE}"))
            .variable("VAULT_TOKEN", "")
            .variable("ACTIONS_ID_TOKEN_REQUEST_URL", &format!("{url}/idtoken?api-version=2.0"))
            .variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN", &token)
            .run();
        rotated(&stage, &ran);
        assert_eq!(data(&stage, PATH)["port"], json!(5432));
        let logins = ran.requests.iter().filter(|request| request.path.ends_with("/login")).count();
        assert!(logins > 1, "{uses}: {logins}\n{}", ran.log());
    }
}
