//! What a person reads when a run stops: all of it in one run, with what to do.

use keyrotor_fake::{Dialect, Server};

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

#[test]
fn slips_of_a_config_file_are_told_as_what_they_are() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    let run = |rotation: &str| {
        stage.put("keyrotor.yml", format!("rotations:\n  - key-name: production\n{rotation}"));
        let ran = stage.action().input("key-name", "").input("targets", "").input("config", "keyrotor.yml").run();
        assert_eq!(ran.status(), 2, "{}", ran.log());
        ran
    };
    let spaced = "expected `repo:OWNER/NAME`: remove the space behind `repo:`";
    says(&run("    targets:\n      - repo: acme/app\n"), &["keyrotor.yml:4:9", spaced]);
    says(&run("    targets:\n      repo: acme/app\n"), &[spaced]);
    let unit = "the unit is missing: add one, such as 24h or 24d";
    says(&run("    targets: ['repo:acme/app']\n    grace-period: 24\n"), &["keyrotor.yml:4:19", unit]);
    let ran = run("    targets: ['repo:${{ github.repository }}']\n    secret-name: ${{ vars.NAME }}\n");
    let text = |name: &str| format!("{name}: still contains `${{{{`: the expression was not evaluated");
    assert!(ran.stdout.contains(&text("targets")) && ran.stdout.contains(&text("secret-name")), "{}", ran.log());
    let ran = stage.action().input("targets", "repo: acme/app").run();
    says(&ran, &[spaced]);
}

#[test]
fn a_proxy_that_is_down_is_named_without_its_password() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    let run = stage.action().input("issuer-url", "https://api.arouter.invalid");
    let ran = run.variable("HTTPS_PROXY", "http://user:PASSW0RD@127.0.0.1:1").run();
    assert_eq!(ran.status(), 1, "{}", ran.log());
    says(&ran, &["no connection to api.arouter.invalid over the proxy 127.0.0.1:1 (HTTPS_PROXY)"]);
    assert!(!ran.log().contains("PASSW0RD"), "{}", ran.log());
}

#[test]
fn vaults_address_may_end_in_the_path_of_its_api_or_its_pages() {
    for end in ["/v1", "/v1/", "/ui/", "/ui/vault/secrets"] {
        let stage = Setting::new(Dialect::Mgmt).places(&["vault:secret/app#api-key"]).stage();
        let address = format!("{}{end}", stage.fakes.url(Server::Vault));
        let ran = stage.action().variable("VAULT_ADDR", &address).run();
        assert_eq!(ran.status(), 0, "{end}\n{}", ran.log());
        stage.check_healed().unwrap();
    }
}

#[test]
fn from_a_shell_wrong_inputs_are_told_on_stderr() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    let ran = stage.cli().input("grace-period", "soon").run();
    assert_eq!((ran.status(), ran.stdout.as_str()), (2, ""), "{}", ran.log());
    assert!(ran.stderr.contains("grace-period: expected a duration") && ran.stderr.contains("--help"), "{}", ran.log());
    let ran = stage.action().input("grace-period", "soon").run();
    assert!(ran.stdout.contains("grace-period: expected a duration"), "{}", ran.log());
}

#[test]
fn a_dry_run_prints_its_plan_once_the_same_beside_the_same() {
    let stage = Setting::new(Dialect::Mgmt).repos(&["acme/b", "acme/c", "acme/a"]).stage();
    let ran = stage.action().input("dry-run", "true").run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    let lines: Vec<_> = ran.stdout.lines().filter(|line| line.contains("write repo:")).map(str::trim).collect();
    let expected = ["a", "b", "c"].map(|name| format!("- write repo:acme/{name} AROUTER_API_KEY"));
    assert_eq!(lines, expected, "{}", ran.log());
}

/// What a run's own proofs ask for is no sign that anybody uses the key.
#[test]
fn the_runs_own_requests_are_not_told_as_use() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    let ran = stage.run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    assert!(!ran.log().contains("already seen requests"), "{}", ran.log());
}

/// The page of an audit as a person sees it: one row for a rule, however many keys it is about, and ids that leave room.
#[test]
fn an_audits_page_has_one_row_for_each_rule_and_links_that_lead_somewhere() {
    let stage = Setting::new(Dialect::OpenRouter).input("key-name", "").input("targets", "");
    let stage = stage.input("verify-timeout", "").input("secret-name", "").deployed(None).stage();
    for nth in 0..40 {
        stage.world.by_hand(|state| _ = state.issuer.seed_key(&format!("service-{nth}"), |_| {}));
    }
    let ran = stage.action().input("command", "audit").input("sarif-file", "audit.sarif").run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    let findings = ran.summary.split("### Findings").nth(1).unwrap().split("###").next().unwrap();
    let rules: Vec<_> = findings.lines().filter(|line| line.starts_with("| ") && line.contains("`")).collect();
    assert!(rules.len() > 1 && rules.len() < 10, "{findings}");
    assert!(rules.iter().any(|row| row.contains("and 29 more")) && !findings.contains("&#96;"), "{findings}");
    let table = ran.summary.split("### Keys").nth(1).unwrap().split("<details>").next().unwrap();
    let longest = table.split(['|', ' ', '>']).map(str::len).max().unwrap();
    assert!(longest < 30, "{table}");
    let sarif = std::fs::read_to_string(stage.path("audit.sarif")).unwrap();
    let sarif: serde_json::Value = serde_json::from_str(&sarif).unwrap();
    for rule in sarif["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap() {
        let link = rule["helpUri"].as_str().unwrap();
        let (page, anchor) = link.split_once("/blob/main/").unwrap().1.split_once('#').unwrap();
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        let heading = |line: &str| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        assert!(text.lines().any(|line| line.starts_with('#') && heading(line) == anchor), "{link}");
    }
}
