#![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

use super::*;

fn default_name() -> SecretName {
    SecretName::parse("AROUTER_API_KEY").unwrap()
}

fn labels(text: &str) -> Vec<String> {
    let (targets, problems) = parse(text, &default_name());
    assert_eq!(problems, []);
    targets.iter().map(Target::label).collect()
}

fn problem(text: &str) -> String {
    let (_, problems) = parse(text, &default_name());
    problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>().join(" | ")
}

#[test]
fn a_line_is_a_target_or_a_fleet() {
    assert_eq!(labels("repo:acme/app"), ["repo:acme/app AROUTER_API_KEY"]);
    assert_eq!(
        labels("\n# the fleet\nrepo:acme/app,api,.github secret=LLM_KEY\r\n  repo:a-b/c.d_e\t \n"),
        [
            "repo:acme/app LLM_KEY",
            "repo:acme/api LLM_KEY",
            "repo:acme/.github LLM_KEY",
            "repo:a-b/c.d_e AROUTER_API_KEY"
        ]
    );
}

#[test]
fn a_target_is_shown_as_it_would_be_written() {
    for text in ["repo:Acme/App", "repo:acme/app secret=llm_key", "repo:acme/app secret=AROUTER_API_KEY"] {
        let (targets, problems) = parse(text, &default_name());
        assert_eq!(problems, []);
        let shown: Vec<String> = targets.iter().map(ToString::to_string).collect();
        assert_eq!(shown, [text]);
        assert_eq!(parse(&shown.join("\n"), &default_name()).0, targets);
    }
}

#[test]
fn case_does_not_tell_two_places_apart() {
    for (same, other) in [
        ("repo:Acme/App\nrepo:acme/app secret=arouter_api_key", "repo:acme/app2"),
        ("env:Acme/App/Prod EU\nenv:acme/app/prod eu", "env:acme/app/prod  eu"),
        ("org:Acme visibility=all\norg:acme", "dependabot-org:acme"),
    ] {
        let (targets, _) = parse(&format!("{same}\n{other}"), &default_name());
        let ids: Vec<String> = targets.iter().map(Target::identity).collect();
        assert!(matches!(ids.as_slice(), [a, b, c] if a == b && a != c), "{ids:?}");
    }
}

#[test]
fn every_kind_at_github_is_read_with_its_own_words() {
    let shown = |text: &str| {
        let (targets, problems) = parse(text, &default_name());
        assert_eq!(problems, [], "{text}");
        targets.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    for text in [
        "env:acme/app/production",
        "env:acme/app/review/feature 1=x  y secret=X",
        "org:acme",
        "org:acme visibility=all secret=X",
        "org:acme visibility=private",
        "org:acme visibility=selected",
        "org:acme visibility=selected repos=a,.github",
        "dependabot:acme/app",
        "dependabot-org:acme visibility=all",
        "codespaces:acme/app secret=X",
        "codespaces-org:acme",
    ] {
        assert_eq!(shown(text), [text]);
    }
    assert_eq!(shown("org:acme repos=a"), ["org:acme visibility=selected repos=a"]);
    for (text, several) in [
        ("env:acme/app/staging,prod eu secret=X", ["env:acme/app/staging secret=X", "env:acme/app/prod eu secret=X"]),
        ("dependabot:acme/app,api", ["dependabot:acme/app", "dependabot:acme/api"]),
        ("codespaces:acme/app,api", ["codespaces:acme/app", "codespaces:acme/api"]),
        ("org:acme,beta visibility=all", ["org:acme visibility=all", "org:beta visibility=all"]),
    ] {
        assert_eq!(shown(text), several);
    }
}

#[test]
fn kinds_that_are_not_built_are_recognised_with_their_own_words() {
    for text in [
        "kubernetes:prod/creds#api-key restart=deployment/x rollout-timeout=5m",
        "vault:kv/team/app#key role=r jwt-mount=jwt",
        "aws-secretsmanager:arn:aws:secretsmanager:eu-west-1:1:secret:x#key",
        "file:/tmp/.env#KEY",
    ] {
        let message = problem(text);
        assert!(message.contains("not yet built") && !message.contains('|'), "{text}: {message}");
    }
    assert!(problem("kubernetes:a/b#c restrat=deployment/x").contains("did you mean `restart=`?"));
    assert!(problem("aws-secretsmanager:x region=eu").contains("none is accepted"));
}

#[test]
fn slips_are_named() {
    for (text, part) in [
        ("acme/app", "did you mean `repo:acme/app`?"),
        ("app", "kind:locator"),
        ("repos:acme/app", "did you mean `repo:`?"),
        ("REPO:acme/app", "did you mean `repo:`?"),
        ("https://github.com/acme/app", "not a kind of target"),
        ("repo: acme/app", "without a space"),
        ("env: acme/app/x", "without a space"),
        ("repo:acme", "OWNER/NAME"),
        ("repo:/app", "not an owner"),
        ("repo:acme/", "name is empty"),
        ("repo:acme/app,", "name is empty"),
        ("repo:acme/app, api", "not a `key=value` word"),
        ("repo:acme/app,other/api", "share the owner"),
        ("repo:acme/app,acme/api", "share the owner"),
        ("repo:acme/app/prod", "share the owner"),
        ("repo:acme/app secrte=X", "did you mean `secret=`?"),
        ("repo:acme/app secret=", "has no value"),
        ("repo:acme/app secret=A secret=B", "stands twice"),
        ("repo:acme/app secret=GITHUB_X", "GITHUB_"),
        ("repo:acme/app secret=1X", "digit"),
        ("repo:acme/app visibility=all", "not a word of `repo` targets"),
        ("repo:acme/..", "not a repository's name"),
        ("repo:acme/a%2fb", "not a repository's name"),
        ("dependabot:acme", "expected `dependabot:OWNER/NAME`"),
        ("codespaces:acme/", "expected `codespaces:OWNER/NAME` without spaces"),
        ("env:acme/app", "expected `env:OWNER/NAME/ENVIRONMENT`"),
        ("env:acme/app/", "name is empty"),
        ("env:acme//prod", "name is empty"),
        ("env:acme/app,api/prod", "only the last part names several"),
        ("env:acme/app/prod, staging", "no spaces around commas"),
        ("env:acme/app/prod secrte=X", "did you mean `secret=`?"),
        ("env:acme/app/it's", "not an environment's name"),
        ("org:acme/app", "an organisation's name alone"),
        ("org:-acme", "not an owner"),
        ("org:acme visibilty=all", "did you mean `visibility=`?"),
        ("org:acme visibility=public", "expected `all`, `private` or `selected`"),
        ("org:acme visibility=All", "expected `all`, `private` or `selected`"),
        ("org:acme visibility=all repos=a", "no meaning beside `visibility=all`"),
        ("dependabot-org:acme visibility=private repos=a", "no meaning beside `visibility=private`"),
        ("org:acme repos=acme/app", "without the organisation"),
        ("org:acme repos=a,,b", "not a repository's name"),
        ("org:acme repos=a,A", "names `A` twice"),
        ("codespaces-org:acme repos=", "has no value"),
    ] {
        let message = problem(text);
        assert!(message.contains(part), "{text}: {message}");
    }
}

#[test]
fn every_problem_is_reported_with_its_line() {
    let (targets, problems) = parse("repo:acme/app\n\nrepo:-/.. secret=1 x\nfoo", &default_name());
    assert_eq!(targets.len(), 1);
    let lines: Vec<usize> = problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [3, 3, 3, 3, 4]);
}

#[test]
fn secret_names_follow_githubs_rules() {
    for name in ["A", "_x", "arouter_api_key", "GITHUBX"] {
        assert!(SecretName::parse(name).is_ok(), "{name}");
    }
    for name in ["", "1A", "A-B", "A B", "github_token", "GITHUB_", "Ä"] {
        assert!(SecretName::parse(name).is_err(), "{name}");
    }
}
