//! Definite answers that are false, given to the real program: a refusal in a gateway's words behind which the request was
//! carried out, a create that was refused and made a key, one that was sent twice, an id that is not listed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::time::Duration;

use keyrotor_fake::{Action, Dialect};

use crate::harness::{Ran, Setting, Stage};

const DIALECTS: [Dialect; 4] = [Dialect::Mgmt, Dialect::Guide, Dialect::Overview, Dialect::OpenRouter];

/// A place of each kind, and what a run's first write there is.
const PLACES: [(&str, &str); 4] = [
    ("repo:acme/app", "github:PUT:1"),
    ("vault:secret/team/app#key", "vault:PATCH:1"),
    ("kubernetes:prod/creds#key", "kubernetes:PATCH:2"),
    ("aws-secretsmanager:prod/app#key", "aws:POST~/UpdateSecretVersionStage:1"),
];

/// What refuses, or sends elsewhere.
const STATUSES: [u16; 7] = [307, 400, 401, 403, 409, 422, 429];

fn gateway(applied: bool) -> Action {
    Action::gateway(403, applied)
}

/// Runs into these faults; what the run says is true.
fn run_into(stage: &Stage, fault: &str) -> Ran {
    let before = stage.snapshot();
    stage.world.fault(fault);
    let ran = stage.run();
    assert!(stage.world.unused_faults().is_empty(), "{fault} befell nothing\n{}", ran.log());
    stage.check_truthful(&before, &ran).unwrap_or_else(|wrong| panic!("{fault}: {wrong}\n{}", ran.log()));
    stage.world.clear_faults();
    ran
}

fn heals(stage: &Stage, after: &Ran) {
    stage.world.advance(Duration::from_secs(20));
    let next = stage.run();
    assert_eq!(next.status(), 0, "{}\nafter {}", next.log(), after.log());
    stage.check_healed().unwrap();
}

#[test]
fn a_refused_create_that_made_a_key_leaves_none_behind() {
    for dialect in [Dialect::Mgmt, Dialect::Guide] {
        for status in STATUSES {
            for body in ["", ",body=<html>"] {
                let stage = Setting::new(dialect).stage();
                let ran = run_into(&stage, &format!("issuer:POST~/keys:1:status-after={status}{body}"));
                assert!([0, 1].contains(&ran.status()), "{status}{body}: {}", ran.log());
                assert_eq!(stage.world.live_keys("production").len(), 1, "{status}{body}: {}", ran.log());
                heals(&stage, &ran);
            }
        }
    }
}

/// The list can't say that nothing is left over, so the run does not either.
#[test]
fn a_refused_create_that_nobody_can_look_for_is_told() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    stage.world.fault("issuer:GET~/api/v1/keys:3x99:status=403");
    let ran = run_into(&stage, "issuer:POST~/keys:1:status-after=422");
    assert_eq!(ran.status(), 3, "{}", ran.log());
    assert!(ran.tells("may be left over: the issuer's list could not be read"), "{}", ran.log());
    heals(&stage, &ran);
}

#[test]
fn a_create_that_nobody_refuses_again_is_made_anew() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    let ran = run_into(&stage, &format!("issuer:POST~/keys:1:{}", gateway(true)));
    assert_eq!((ran.status(), ran.rotated()), (0, true), "{}", ran.log());
    let stage = Setting::new(Dialect::Mgmt).stage();
    let ran = run_into(&stage, &format!("issuer:POST~/keys:1:{}", gateway(false)));
    assert_eq!(ran.status(), 1, "{}", ran.log());
    assert!(ran.tells("not in the service's own words: a proxy may have answered"), "{}", ran.log());
    heals(&stage, &ran);
}

#[test]
fn a_create_that_was_sent_twice_leaves_no_twin() {
    for dialect in DIALECTS {
        let stage = Setting::new(dialect).stage();
        let ran = run_into(&stage, "issuer:POST~/keys:1:twice");
        assert_eq!((ran.status(), ran.rotated()), (0, true), "{dialect:?}: {}", ran.log());
        stage.check_healed().unwrap();
        assert!(ran.log().contains("was made beside the new key"), "{dialect:?}: {}", ran.log());
    }
}

/// A twin that can't be deleted could be the one whose value is in hand.
#[test]
fn a_twin_that_stays_ends_the_rotation_before_anything_is_written() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    let held = stage.held();
    stage.world.fault("issuer:DELETE:1:status=403");
    let ran = run_into(&stage, "issuer:POST~/keys:1:twice");
    assert_eq!((ran.status(), stage.held()), (3, held), "{}", ran.log());
    heals(&stage, &ran);
}

#[test]
fn a_key_that_is_listed_under_another_id_is_found_by_its_name() {
    for dialect in DIALECTS {
        let stage = Setting::new(dialect).stage();
        stage.behaviour(|it| it.create_answers_unlisted_id = true);
        let before = stage.snapshot();
        let ran = stage.run();
        assert_eq!((ran.status(), ran.rotated()), (0, true), "{dialect:?}: {}", ran.log());
        stage.check_truthful(&before, &ran).unwrap();
        stage.check_healed().unwrap();
    }
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn a_write_that_was_refused_and_carried_out_is_put_back() {
    for (place, write) in PLACES {
        let stage = Setting::new(Dialect::Mgmt).places(&[place, "repo:acme/api"]).with_current_key().stage();
        let ran = run_into(&stage, &format!("{write}:{}", gateway(true)));
        assert_eq!((ran.status(), ran.output("outcome")), (1, "rolled-back"), "{place}: {}", ran.log());
        heals(&stage, &ran);
    }
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn a_write_that_was_refused_and_carried_out_is_held_where_nothing_can_be_put_back() {
    for (place, write) in PLACES {
        let stage = Setting::new(Dialect::Mgmt).places(&[place, "repo:acme/api"]).stage();
        let ran = run_into(&stage, &format!("{write}:{}", gateway(true)));
        assert_eq!(ran.status(), 3, "{place}: {}", ran.log());
        heals(&stage, &ran);
    }
}

/// A gateway that refuses every run leaves no pile of keys.
#[test]
#[ignore = "needs what ./test prepares in .check"]
fn a_write_that_a_gateway_refused_is_looked_at_and_the_new_key_deleted() {
    for (place, write) in PLACES {
        let stage = Setting::new(Dialect::Mgmt).places(&[place, "repo:acme/api"]).stage();
        let ran = run_into(&stage, &format!("{write}x99:{}", gateway(false)));
        assert_eq!(ran.status(), 1, "{place}: {}", ran.log());
        assert!(ran.tells("not in the service's own words"), "{place}: {}", ran.log());
        heals(&stage, &ran);
    }
}

/// The commit is one of them.
#[test]
fn a_rename_that_was_refused_and_carried_out_is_no_lie() {
    for grace in ["0s", "1h"] {
        for nth in 1..=3 {
            let stage = Setting::new(Dialect::Mgmt).input("grace-period", grace).stage();
            let before = stage.snapshot();
            stage.world.fault(&format!("issuer:PATCH:{nth}:{}", gateway(true)));
            let ran = stage.run();
            assert_eq!((ran.status(), ran.rotated()), (0, true), "{grace} {nth}: {}", ran.log());
            stage.check_truthful(&before, &ran).unwrap();
        }
    }
}

#[test]
fn a_delete_that_was_refused_and_carried_out_is_told_as_done() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    let ran = run_into(&stage, &format!("issuer:DELETE:1:{}", gateway(true)));
    assert_eq!((ran.status(), ran.output("old-key-status")), (0, "deleted"), "{}", ran.log());
}

/// An issuer without renames need not say so in words of its own: its framework answers.
#[test]
fn a_frameworks_answer_shows_an_issuer_without_renames() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    let ran = run_into(&stage, "issuer:PATCH:1x99:status=405,body={\"detail\":\"Method Not Allowed\"}");
    assert_eq!((ran.status(), ran.rotated()), (0, true), "{}", ran.log());
}
