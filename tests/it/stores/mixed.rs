//! One key in places of every kind at once: replaced everywhere or nowhere.

use keyrotor_fake::Dialect;
use serde_json::json;

use crate::harness::{Setting, Stage};

const PLACES: [&str; 5] = [
    "repo:acme/app",
    "kubernetes:prod/arouter-credentials#api-key",
    "vault:secret/team/app#api-key",
    "aws-secretsmanager:prod/arouter#api-key",
    "file:.env#AROUTER_API_KEY",
];

/// Behind one of the servers is moto, which answers one request after the other: on a busy machine the lease has to last.
fn stage() -> Stage {
    Setting::new(Dialect::Mgmt).places(&PLACES).input("request-timeout", "10s").with_current_key().stage()
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn places_of_every_kind_get_the_new_key() {
    let stage = stage();
    let before = stage.snapshot();
    let ran = stage.run();
    assert_eq!((ran.status(), ran.rotated()), (0, true), "{}", ran.log());
    stage.check_truthful(&before, &ran).unwrap();
    stage.check_healed().unwrap();
    for place in PLACES {
        assert!(ran.tells(place), "{place} is not told: {}", ran.log());
    }
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn whichever_refuses_every_other_is_put_back_and_the_next_run_heals() {
    let denied = json!({ "__type": "AccessDeniedException", "Message": "not authorized" });
    let refusals: [(&str, &[String]); 5] = [
        ("repo:", &["github:PUT:1x99:status=451".to_owned()]),
        ("kubernetes:", &["kubernetes:PATCH:2x99:status=422".to_owned()]),
        // It takes a change in two ways.
        ("vault:", &["PATCH", "POST"].map(|how| format!("vault:{how}~/secret/data/:1x99:status=403"))),
        ("aws-secretsmanager:", &[format!("aws:POST~/UpdateSecretVersionStage:1x99:status=400,body={denied}")]),
        ("file:", &[]),
    ];
    let mut put_back = 0;
    for (who, faults) in refusals {
        let stage = stage();
        faults.iter().for_each(|fault| stage.world.fault(fault));
        let before = stage.snapshot();
        let ran = if faults.is_empty() { stage.run_with_file_linked_meanwhile() } else { stage.run() };
        assert_eq!(ran.status(), 1, "{who} {}", ran.log());
        stage.check_truthful(&before, &ran).unwrap_or_else(|wrong| panic!("{who} {wrong}"));
        put_back += usize::from(ran.output("outcome") == "rolled-back");
        stage.world.clear_faults();
        let next = stage.run();
        assert_eq!(next.status(), 0, "{who} {}\nafter {}", next.log(), ran.log());
        stage.check_healed().unwrap_or_else(|wrong| panic!("{who} {wrong}"));
    }
    // Whoever is written first is written alone, and nothing is there to put back.
    assert!(put_back >= 4, "only {put_back} runs had written anything");
}
