#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails here has failed")]

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
        "org:acme visibility=private accept=AROUTER_APIKEY",
        "repo:acme/app secret=X canary=a.yml accept=X_OLD,Y",
        "env:acme/app/prod eu accept=Y",
        "org:acme visibility=selected",
        "org:acme visibility=selected repos=a,.github",
        "dependabot:acme/app",
        "dependabot-org:acme visibility=all",
        "codespaces:acme/app secret=X",
        "codespaces-org:acme",
        "agents:acme/app secret=X",
        "agents-org:acme visibility=all",
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

/// What a target comes to, whether or not this version can write to it.
fn read(text: &str) -> (Vec<Target>, Vec<String>) {
    let (targets, problems) = parse(text, &default_name());
    let messages = problems.into_iter().map(|problem| problem.message);
    (targets, messages.collect())
}

#[test]
fn kinds_elsewhere_are_read_with_their_own_words() {
    for text in [
        "kubernetes:prod/creds#api-key",
        "kubernetes:prod/creds#api-key restart=deployment/web accept=api_key,apikey",
        "vault:kv/app#key role=ci accept=k-ey",
        "aws-secretsmanager:x#key accept=Key",
        "file:/srv/My App/.env#A accept=a,a-1",
        "kubernetes:prod/my.creds#tls.key_2 restart=deployment/web,statefulset/q.v2,daemonset/log rollout-timeout=300s",
        "vault:kv/team/app#key",
        "vault:secret/app#api.key role=ci jwt-mount=auth/jwt",
        "aws-secretsmanager:prod/arouter+key@eu",
        "aws-secretsmanager:arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/x-AbCdEf#api.key",
        "file:.env#AROUTER_API_KEY",
        "file:/srv/My App/.env=1#_x.y-Z",
        "file:a#b/.env#KEY",
    ] {
        let (targets, problems) = read(text);
        let shown: Vec<_> = targets.iter().map(ToString::to_string).collect();
        assert_eq!((shown.as_slice(), problems), ([text.to_owned()].as_slice(), Vec::new()));
    }
    let several = |text| read(text).0.iter().map(Target::label).collect::<Vec<_>>();
    assert_eq!(
        several("kubernetes:a/b#c,d rollout-timeout=5m restart=deployment/x"),
        ["kubernetes:a/b#c", "kubernetes:a/b#d"]
    );
    assert_eq!(several("vault:kv/a#b,c"), ["vault:kv/a#b", "vault:kv/a#c"]);
    assert_eq!(several("file:x/.env"), ["file:x/.env#AROUTER_API_KEY"]);
    assert_eq!(several("file:x y/.env secret=LLM"), ["file:x y/.env#LLM"]);
    assert_eq!(several("file:.env#A,B"), ["file:.env#A", "file:.env#B"]);
}

#[test]
fn case_tells_places_elsewhere_apart_and_spelling_does_not() {
    for (one, other, is_same) in [
        ("kubernetes:a/b#Key", "kubernetes:a/b#key", false),
        ("kubernetes:a/b#key", "kubernetes:a/b#key restart=deployment/x", true),
        ("vault:kv/App#f", "vault:kv/app#f", false),
        ("vault:kv/app#f", "vault:kv/app#f role=x accept=g", true),
        ("aws-secretsmanager:App", "aws-secretsmanager:app", false),
        ("aws-secretsmanager:app#a", "aws-secretsmanager:app#b", true),
        ("file:.env#A", "file:.ENV#A", false),
        ("file:.env#A", "file:.env#a", false),
        ("file:.env#A", "file:./.env secret=A", true),
        ("file:/srv//x/./.env", "file:/srv/x/.env", true),
        ("file:x/../.env", "file:.env", false),
    ] {
        let (targets, problems) = read(&format!("{one}\n{other}"));
        assert_eq!(problems, Vec::<String>::new());
        let ids: Vec<_> = targets.iter().map(Target::identity).collect();
        assert_eq!(ids.first() == ids.last(), is_same, "{ids:?}");
    }
}

#[test]
fn slips_elsewhere_are_named() {
    for (text, part) in [
        ("kubernetes:creds#key", "expected `kubernetes:NAMESPACE/NAME#KEY`"),
        ("kubernetes:prod/creds", "expected `kubernetes:NAMESPACE/NAME#KEY`"),
        ("kubernetes:Prod/creds#key", "not a namespace"),
        ("kubernetes:prod/my_creds#key", "not a Secret's name"),
        ("kubernetes:prod/creds#a b", "not a `key=value` word"),
        ("kubernetes:prod/creds#", "not a key of a Secret"),
        ("kubernetes:prod/creds#..x", "not a key of a Secret"),
        ("kubernetes:prod/creds#lr_live_0123456789abcdef", "looks like a key or token"),
        ("kubernetes:a/b#c restrat=deployment/x", "did you mean `restart=`?"),
        ("kubernetes:a/b#c restart=deploy/x", "expected deployment/NAME, statefulset/NAME, daemonset/NAME"),
        ("kubernetes:a/b#c restart=deployment/X_", "not `restart=`: a workload's name"),
        ("kubernetes:a/b#c restart=deployment/x,deployment/x", "names `deployment/x` twice"),
        ("kubernetes:a/b#c rollout-timeout=5m", "no meaning without `restart=`"),
        ("kubernetes:a/b#c restart=deployment/x rollout-timeout=2h", "expected a duration from 1s to 1h"),
        ("kubernetes:a/b#c secret=X", "not a word of `kubernetes` targets"),
        ("kubernetes:a/b#c accept=d,,e", "`accept=`: a name is empty"),
        ("vault:kv/app#key accept=a,b,a", "`accept=` names `a` twice"),
        ("file:.env#A accept=lr_live_0123456789abcdef", "`accept=`: this is a key or token itself"),
        ("vault:app#key", "expected `vault:MOUNT/PATH#FIELD`"),
        ("vault:kv/app", "expected `vault:MOUNT/PATH#FIELD`"),
        ("vault:kv/../app#key", "not a mount and a path"),
        ("vault:/kv/app#key", "not a mount and a path"),
        ("vault:kv/app%2f#key", "not a mount and a path"),
        ("vault:kv/app#", "not a field"),
        ("vault:kv/app#a#b", "not a field"),
        ("vault:kv/app#key jwt-mount=jwt", "no meaning without `role=`"),
        ("vault:kv/app#key role=a/b", "not a role's name"),
        ("aws-secretsmanager:a b", "not a `key=value` word"),
        ("aws-secretsmanager:a:b", "neither a secret's name"),
        ("aws-secretsmanager:arn:aws:s3:::bucket", "neither a secret's name"),
        ("aws-secretsmanager:arn:aws:secretsmanager::1:secret:x", "neither a secret's name"),
        ("aws-secretsmanager:x#", "leave `#` out"),
        ("aws-secretsmanager:x region=eu", "(accepted: accept)"),
        ("file:deploy/", "not a file"),
        ("file:..", "not a file"),
        ("file:#KEY", "not a file"),
        ("file:~/.env", "only a shell knows"),
        ("file:a/.env,b/.env", "each file needs a line of its own"),
        ("file:.env#", "not a variable's name"),
        ("file:.env#1A", "no digit first"),
        ("file:.env#A secret=B", "named twice"),
        ("file:.env#lr_live_0123456789abcdef", "a key or token itself"),
        ("file: .env", "remove the space"),
    ] {
        let problems = read(text).1.join(" | ");
        assert!(problems.contains(part), "{text}: {problems}");
    }
    assert_eq!(read("kubernetes:A/B#! restart=x rollout-timeout=y").1.len(), 5);
}

#[test]
fn a_target_of_a_line_that_is_wrong_is_shown_as_one_that_could_be_written() {
    for text in [
        "kubernetes:a/b#c rollout-timeout=5m",
        "kubernetes:a/b#c rollout-timeout=5m restart=x",
        "vault:kv/app#key jwt-mount=jwt",
        "repo:acme/app canary-timeout=5m",
    ] {
        let (targets, problems) = read(text);
        assert!(!problems.is_empty() && !targets.is_empty(), "{text}");
        for target in targets {
            assert_eq!(read(&target.to_string()), (vec![target], Vec::new()), "{text}");
        }
    }
}

#[test]
fn a_region_is_read_from_an_arn() {
    let region = |text: &str| match read(text).0.first() {
        Some(Target::Aws(secret)) => secret.region().map(ToOwned::to_owned),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        region("aws-secretsmanager:arn:aws-cn:secretsmanager:cn-north-1:1:secret:x").as_deref(),
        Some("cn-north-1")
    );
    assert_eq!(region("aws-secretsmanager:x"), None);
}

#[test]
fn slips_are_named() {
    for (text, part) in [
        ("acme/app", "did you mean `repo:acme/app`?"),
        ("app", "kind:locator"),
        ("repos:acme/app", "did you mean `repo:`?"),
        ("REPO:acme/app", "did you mean `repo:`?"),
        ("https://github.com/acme/app", "not a kind of target"),
        ("repo: acme/app", "remove the space"),
        ("env: acme/app/x", "remove the space"),
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
        ("repo:acme/app visibility=all", "no meaning for a named repository"),
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

#[test]
fn every_repository_of_an_owner_is_one_target_until_a_run_begins() {
    for text in [
        "repo:acme/*",
        "repo:Acme/* topic=llm visibility=internal except=a,.github secret=X canary=a.yml accept=Y",
        "repo:acme/* except=b",
    ] {
        let (targets, problems) = parse(text, &default_name());
        assert_eq!((targets.len(), problems), (1, vec![]), "{text}");
        assert_eq!(targets.first().unwrap().to_string(), text);
    }
    let (targets, _) = parse("repo:acme/* topic=llm except=a secret=X", &default_name());
    let selection = targets.first().unwrap().selection().unwrap();
    assert_eq!(selection.target("App").to_string(), "repo:acme/App secret=X");
    assert_eq!(targets.first().unwrap().label(), "repo:acme/* topic=llm X");
    for (text, says) in [
        ("repo:acme/*,app", "`*` is every repository already"),
        ("dependabot:acme/*", "not in `dependabot`"),
        ("env:acme/*/production", "is not a repository's name"),
        ("repo:-acme/*", "is not an owner"),
        ("repo:acme/* topic=a,b", "another needs a line of its own"),
        ("repo:acme/* topic=LLM", "is not a topic"),
        ("repo:acme/* visibility=selected", "expected `public`, `private` or `internal`"),
        ("repo:acme/* except=acme/a", "`except=`: `acme/a` is not a repository's name"),
        ("repo:acme/* except=a,A", "names `A` twice"),
        ("repo:acme/* repos=a", "`repos=` is not a word of `repo` targets"),
        ("repo:acme/app except=a", "only for `repo:OWNER/*`"),
        ("env:acme/app/x topic=a", "`topic=` is not a word of `env` targets"),
    ] {
        assert!(problem(text).contains(says), "{text}: {}", problem(text));
    }
}
