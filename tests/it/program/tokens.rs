//! What a token may not do, and when it expires, is told in words that help.

use std::collections::BTreeMap;
use std::time::Duration;

use keyrotor_fake::{Access, Dialect, Permission, Place, Token, TokenKind};

use crate::harness::{Ran, SECRET, Setting, Stage, TOKEN};
use crate::traffic;

fn stage(place: &str) -> Stage {
    Setting::new(Dialect::Mgmt).places(&[place]).stage()
}

/// Changes the token that every run is given.
fn token(stage: &Stage, change: impl FnOnce(&mut Token)) {
    stage.world.by_hand(|state| change(state.github.tokens.get_mut(TOKEN).unwrap()));
}

fn allow(stage: &Stage, permissions: &[(Permission, Access)]) {
    token(stage, |token| token.permissions = Some(permissions.iter().copied().collect::<BTreeMap<_, _>>()));
}

/// The run ends before anything is made, and says all of this.
#[track_caller]
fn refused(ran: &Ran, words: &[&str]) {
    assert_eq!(ran.status(), 1, "{}", ran.log());
    assert_eq!(traffic::writes(ran), [""; 0], "{}", ran.log());
    for word in words {
        assert!(ran.tells(word), "{word} is missing\n{}", ran.log());
    }
    traffic::check_github(ran);
}

#[test]
fn every_kind_names_the_permission_that_it_needs() {
    for (place, header, name, scope) in [
        ("repo:acme/app", "secrets=read", "repository permission \"Secrets\"", "repo"),
        ("env:acme/app/production", "environments=read", "repository permission \"Environments\"", "repo"),
        ("org:acme", "organization_secrets=read", "organization permission \"Secrets\"", "admin:org"),
        ("dependabot:acme/app", "dependabot_secrets=read", "repository permission \"Dependabot secrets\"", "repo"),
        (
            "dependabot-org:acme",
            "organization_dependabot_secrets=read",
            "organization permission \"Organization dependabot secrets\"",
            "admin:org",
        ),
        ("codespaces:acme/app", "codespaces_secrets=write", "repository permission \"Codespaces secrets\"", "repo"),
        (
            "codespaces-org:acme",
            "organization_codespaces_secrets=read",
            "organization permission \"Organization codespaces secrets\"",
            "admin:org",
        ),
        ("agents:acme/app", "agent_secrets=read", "repository permission for agent secrets", "repo"),
        (
            "agents-org:acme",
            "organization_agent_secrets=read",
            "organization permission for agent secrets",
            "admin:org",
        ),
    ] {
        let stage = stage(place);
        allow(&stage, &[]);
        let accepted = format!("needs the permission {header}");
        let whose = if place.contains('/') { "acme/app" } else { "acme" };
        let own = format!(
            "Give the token or App the {name} (read and write) for {whose}; a classic token needs the scope `{scope}`"
        );
        refused(&stage.run(), &[place, "403", &accepted, &own, "GITHUB_TOKEN can never write secrets"]);
        token(&stage, |token| token.kind = TokenKind::Classic(vec!["gist".to_owned()]));
        let scopes = format!("has the scopes `gist`, and one of `{scope}` is accepted");
        refused(&stage.run(), &[place, "403", &scopes]);
        token(&stage, |token| token.kind = TokenKind::Workflow);
        refused(&stage.run(), &[place, "403", "by integration", "GITHUB_TOKEN can never write secrets"]);
        token(&stage, |token| token.kind = TokenKind::Classic(vec![scope.to_owned()]));
        assert_eq!(stage.run().status(), 0, "{place}");
        stage.check_healed().unwrap();
    }
}

#[test]
fn an_environment_that_does_not_exist_is_told_from_one_that_is_out_of_reach() {
    let stage = stage("env:acme/app/production");
    stage.world.by_hand(|state| state.github.add_environment("acme/app", "Staging EU"));
    let missing = stage.action().input("targets", "env:acme/app/prod");
    refused(&missing.run(), &["acme/app has no environment prod", "It has: production, Staging EU."]);
    let elsewhere = stage.action().input("targets", "env:acme/nope/prod");
    refused(&elsewhere.run(), &["404", "Whether the environment exists can't be told", "cannot see answers 404"]);

    allow(&stage, &[(Permission::Actions, Access::Read)]);
    refused(&stage.run(), &["403", "The environment exists, so it is the permission that is missing"]);
    allow(&stage, &[(Permission::Environments, Access::Write)]);
    let missing = stage.action().input("targets", "env:acme/app/prod");
    refused(&missing.run(), &["404", "Whether the environment exists can't be told with this token"]);
    // What it needs is enough.
    assert_eq!(stage.run().status(), 0);
    stage.check_healed().unwrap();

    let none = Setting::new(Dialect::Mgmt).places(&["repo:acme/app"]).stage();
    let ran = none.action().input("targets", "env:acme/app/prod").run();
    refused(&ran, &["acme/app has no environment prod", "has no environment yet"]);
}

#[test]
fn an_environment_among_more_than_a_page_of_them_is_not_missing() {
    let stage = stage("env:acme/app/zz");
    stage.world.by_hand(|state| {
        for nth in 0..100 {
            state.github.add_environment("acme/app", &format!("e{nth}"));
        }
    });
    allow(&stage, &[(Permission::Actions, Access::Read)]);
    refused(&stage.run(), &["The environment exists, so it is the permission that is missing"]);
    refused(
        &stage.action().input("targets", "env:acme/app/zzz").run(),
        &["acme/app has no environment zzz", "e0, e1,"],
    );
}

#[test]
fn a_token_that_expires_soon_is_warned_about_once() {
    let stage = Setting::new(Dialect::Mgmt).repos(&["acme/app", "acme/api"]).stage();
    let day = |days: u64| Duration::from_secs(days * 24 * 3600);
    let expires = stage.world.now() + day(31) - Duration::from_secs(60);
    token(&stage, |token| token.expires = Some(expires));
    let ran = stage.run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    assert!(!ran.log().contains("the GitHub token expires"), "{}", ran.log());

    stage.world.advance(day(2));
    for run in [stage.action(), stage.action().input("rotate-after", "30d"), stage.action().input("dry-run", "true")] {
        let ran = run.run();
        assert_eq!(ran.status(), 0, "{}", ran.log());
        let warnings: Vec<_> = ran.stdout.lines().filter(|line| line.starts_with("::warning ")).collect();
        assert_eq!(warnings.len(), 1, "{}", ran.log());
        assert!(warnings[0].contains("the GitHub token expires at"), "{}", ran.log());
        assert!(warnings[0].contains("in 28 days"), "{}", ran.log());
        assert!(ran.tells("https://github.com/settings/tokens"), "{}", ran.log());
        let report = ran.report().unwrap();
        assert!(report["notices"].to_string().contains("the GitHub token expires at"), "{report}");
    }

    token(&stage, |token| token.permissions = Some(BTreeMap::new()));
    refused(&stage.run(), &["403", "The token expires at"]);
    stage.world.advance(day(40));
    refused(&stage.run(), &["401", "wrong, revoked or expired"]);
}

#[test]
fn a_token_for_some_repositories_sees_no_others() {
    let stage = Setting::new(Dialect::Mgmt).places(&["dependabot:acme/app", "codespaces:acme/api"]).stage();
    token(&stage, |token| {
        token.elsewhere = None;
        token.places = [(Place::repo("acme/app"), Access::Write)].into();
    });
    refused(&stage.run(), &["codespaces:acme/api", "404", "cannot see answers 404"]);
    assert!(stage.world.value_at(&stage.places[0], SECRET).is_some());
}
