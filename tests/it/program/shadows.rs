//! Secrets that hide a target's are told in the summary, where the token can see them, and never stand in the way.

use std::collections::BTreeMap;

use keyrotor_fake::{Access, Dialect, Permission, Place, Scope, Server, TokenKind};

use crate::harness::{Ran, SECRET, Setting, Stage, TOKEN};
use crate::traffic;

/// A token whose scopes cover all of a repository.
const CLASSIC: &str = "ghp_0123456789abcdefghijklmnopqrstuvwxyz";

fn stage(places: &[&str]) -> Stage {
    let stage = Setting::new(Dialect::Mgmt).places(places).input("grace-period", "0s").stage();
    stage.world.by_hand(|state| {
        state.github.add_token(CLASSIC, "classic", Access::Write);
        let scopes = ["repo", "admin:org"].map(str::to_owned).to_vec();
        state.github.tokens.get_mut(CLASSIC).unwrap().kind = TokenKind::Classic(scopes);
    });
    stage
}

/// Another secret of the same name, which a person wrote.
fn plant(stage: &Stage, place: &str) {
    stage.world.by_hand(|state| {
        let place = state.github.add_place(place);
        state.github.write_secret(&place, SECRET, "something else");
    });
}

fn notices(ran: &Ran) -> Vec<String> {
    let report = ran.report().unwrap();
    let told: Vec<String> = report["notices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|notice| notice["text"].as_str().unwrap().to_owned())
        .collect();
    for notice in &told {
        assert!(ran.tells(notice), "{notice}\n{}", ran.log());
    }
    told
}

/// The run ends well and tells of each of these secrets that it hides one of these targets, and of nothing else.
#[track_caller]
fn tells(ran: &Ran, hidden: &[(&str, &str)]) {
    assert_eq!(ran.status(), 0, "{}", ran.log());
    let told = notices(ran);
    assert_eq!(told.len(), hidden.len(), "{told:?}");
    for (target, by) in hidden {
        let begin = format!("{target} {SECRET}: {by} has a secret of the same name");
        let end = format!("add the target `{by} secret={SECRET}`");
        let fits = |notice: &&String| notice.starts_with(&begin) && notice.ends_with(&end);
        assert_eq!(told.iter().filter(fits).count(), 1, "{target} {by}: {told:?}");
    }
    traffic::check_github(ran);
}

#[test]
fn a_rotation_with_a_classic_token_tells_what_hides_a_repositorys_secret() {
    let stage = stage(&["repo:acme/app"]);
    for place in ["env:acme/app/Prod EU", "dependabot:acme/app", "env:acme/web/production", "codespaces:acme/app"] {
        plant(&stage, place);
    }
    stage.world.by_hand(|state| state.github.add_environment("acme/app", "staging"));
    let run = || stage.action().secret("github-token", CLASSIC);
    tells(&run().run(), &[("repo:acme/app", "env:acme/app/Prod EU"), ("repo:acme/app", "dependabot:acme/app")]);
    stage.check_healed().unwrap();
    // What is rotated too hides nothing.
    stage.world.by_hand(|state| state.github.remove(&"dependabot:acme/app".parse().unwrap(), SECRET));
    let both = run().input("targets", "repo:acme/app\nenv:acme/app/prod eu").input("rotate-after", "30d");
    tells(&both.input("dry-run", "true").run(), &[]);
    let other = run().input("targets", "repo:acme/app secret=OTHER").input("dry-run", "true").run();
    assert_eq!(notices(&other), [""; 0]);
}

#[test]
fn a_fine_grained_token_is_tried_where_no_key_is_made_or_where_it_may_see_more() {
    let stage = stage(&["repo:acme/app"]);
    plant(&stage, "env:acme/app/production");
    let hidden = [("repo:acme/app", "env:acme/app/production")];
    tells(&stage.action().input("dry-run", "true").run(), &hidden);
    tells(&stage.action().input("rotate-after", "90d").run(), &hidden);
    let before = stage.world.requests().len();
    tells(&stage.run(), &[]);
    let paths: Vec<_> = stage.world.requests_after(before).into_iter().map(|request| request.path).collect();
    assert!(!paths.iter().any(|path| path.contains("environments") || path.contains("dependabot")), "{paths:?}");
    tells(&stage.action().input("leaked", "true").run(), &hidden);

    let stage = self::stage(&["repo:acme/app", "dependabot:acme/app"]);
    plant(&stage, "env:acme/app/production");
    tells(&stage.run(), &hidden);
}

#[test]
fn where_the_rotation_may_have_every_request_that_github_takes_the_looks_come_behind_it() {
    let stage = stage(&["repo:acme/app"]);
    plant(&stage, "dependabot:acme/app");
    let ran = stage.action().secret("github-token", CLASSIC).input("parallel", "100").run();
    tells(&ran, &[("repo:acme/app", "dependabot:acme/app")]);
    let last_write = ran.requests.iter().rposition(|request| request.method != "GET").unwrap();
    let first_look = ran.requests.iter().position(|request| request.path.contains("environments")).unwrap();
    assert!(last_write < first_look, "{:?}", ran.requests);
}

#[test]
fn what_hides_an_organisations_secret_is_told() {
    let places =
        ["org:acme", "dependabot-org:acme", "codespaces-org:acme", "env:acme/jobs/production", "repo:acme/own"];
    let stage = stage(&places);
    for place in [
        "repo:acme/web",
        "repo:acme/api",
        "repo:acme/jobs",
        "dependabot:acme/jobs",
        "codespaces:acme/web",
        "dependabot:acme/own",
    ] {
        plant(&stage, place);
    }
    stage.world.by_hand(|state| {
        let ids = ["acme/web", "acme/own"].map(|name| state.github.places[&Place::repo(name)].id);
        for place in ["org:acme", "codespaces-org:acme"] {
            state.github.set_scope(&place.parse().unwrap(), SECRET, Scope::Selected(ids.into()));
        }
    });
    let expected = [
        ("org:acme", "repo:acme/web"),
        ("org:acme", "repo:acme/jobs"),
        ("dependabot-org:acme", "dependabot:acme/jobs"),
        ("dependabot-org:acme", "dependabot:acme/own"),
        ("codespaces-org:acme", "codespaces:acme/web"),
        ("repo:acme/own", "dependabot:acme/own"),
    ];
    tells(&stage.run(), &expected);
    stage.check_healed().unwrap();
    stage.world.by_hand(|state| state.github.remove(&"repo:acme/web".parse().unwrap(), SECRET));
    let alone = stage.action().input("targets", "org:acme").input("dry-run", "true").run();
    tells(&alone, &[("org:acme", "dependabot-org:acme"), ("org:acme", "repo:acme/own")]);
}

#[test]
fn what_the_token_may_not_see_is_passed_over_after_one_try() {
    let stage = stage(&["repo:acme/app", "repo:acme/api", "repo:acme/web"]);
    for place in ["env:acme/app/production", "env:acme/api/production", "dependabot:acme/app"] {
        plant(&stage, place);
    }
    stage.world.by_hand(|state| {
        let secrets = BTreeMap::from([(Permission::Secrets, Access::Write)]);
        state.github.tokens.get_mut(TOKEN).unwrap().permissions = Some(secrets);
    });
    let ran = stage.action().input("dry-run", "true").run();
    tells(&ran, &[]);
    let asked = |part: &str| ran.requests.iter().filter(|request| request.path.contains(part)).count();
    assert_eq!((asked("environments"), asked("dependabot")), (1, 1), "{:?}", ran.requests);
}

#[test]
fn what_the_token_may_not_see_in_one_repository_hides_nothing_in_another() {
    let stage = stage(&["repo:acme/app", "repo:acme/api", "repo:acme/web"]);
    plant(&stage, "env:acme/app/production");
    stage.world.fault("github:GET~/repos/acme/api/environments:1x99:status=403");
    let ran = stage.action().secret("github-token", CLASSIC).input("dry-run", "true").run();
    tells(&ran, &[("repo:acme/app", "env:acme/app/production")]);
    assert!(ran.took.as_secs() < 4, "{:?}", ran.took);
}

#[test]
fn looking_has_an_end() {
    let stage = stage(&["repo:acme/app"]);
    for nth in 0..25 {
        plant(&stage, &format!("env:acme/app/e{nth}"));
    }
    let ran = stage.action().input("dry-run", "true").run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    let told = notices(&ran);
    assert_eq!(told.len(), 21, "{told:?}");
    assert!(told[20].starts_with("there are more environments and repositories"), "{told:?}");

    let names: Vec<String> = (0..70).map(|nth| format!("repo:acme/r{nth}")).collect();
    let stage = self::stage(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let ran = stage.action().input("dry-run", "true").run();
    assert_eq!(notices(&ran).len(), 1, "{}", ran.log());
    let looks = ran.requests.iter().filter(|it| it.path.contains("environments") || it.path.contains("dependabot"));
    assert_eq!(looks.count(), 100);
}

#[test]
fn a_look_that_goes_wrong_changes_nothing() {
    for fault in ["status=500", "status=429,retry-after=1", "status=401", "garbage", "hang=5s", "drop-before"] {
        let stage = stage(&["repo:acme/app", "repo:acme/api", "repo:acme/web"]);
        plant(&stage, "env:acme/app/production");
        stage.world.fault(&format!("github:GET~/environments:1x99:{fault}"));
        let ran = stage.action().secret("github-token", CLASSIC).run();
        tells(&ran, &[]);
        stage.check_healed().unwrap();
        assert!(stage.world.unused_faults().is_empty(), "{fault}");
        let asked = traffic::of(&ran, Server::GitHub, "GET").into_iter().filter(|it| it.path.contains("environments"));
        assert_eq!(asked.count(), 1, "{fault}: it is asked once");
        assert!(ran.took.as_secs() < 4, "{fault}: {:?}", ran.took);
    }
}
