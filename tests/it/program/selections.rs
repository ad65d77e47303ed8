//! `repo:OWNER/*`: which repositories that is, what becomes of those that come and go, and what stops a run.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use keyrotor_fake::{Access, Dialect, Place, Server, Traits};
use serde_json::Value;

use crate::harness::{FAMILY, Ran, SECRET, Setting, Stage, TOKEN};
use crate::traffic;

const REPOS: [&str; 2] = ["acme/app", "acme/api"];

fn with_topic() -> Traits {
    Traits { topics: vec!["llm".to_owned()], ..Traits::default() }
}

/// Two repositories with the topic that hold the key.
fn stage() -> Stage {
    prepared(Setting::new(Dialect::Mgmt).repos(&REPOS).with_current_key())
}

fn prepared(setting: Setting) -> Stage {
    let stage = setting.stage();
    for place in stage.places.clone() {
        stage.world.by_hand(|state| _ = state.github.traits.insert(place, with_topic()));
    }
    stage
}

fn add(stage: &Stage, name: &str, traits: Traits) -> Place {
    stage.world.by_hand(|state| state.github.add_repo_with(name, traits))
}

fn change(stage: &Stage, name: &str, change: impl FnOnce(&mut Traits)) {
    stage.world.by_hand(|state| change(state.github.traits.entry(Place::repo(name)).or_default()));
}

fn run(stage: &Stage, targets: &str) -> Ran {
    stage.action().input("targets", targets).run()
}

#[track_caller]
fn rotated(stage: &Stage, ran: &Ran) {
    assert_eq!((ran.status(), ran.rotated()), (0, true), "{}", ran.log());
    stage.check_healed().unwrap();
    traffic::check_github(ran);
}

/// Nothing was sent that could have changed anything, every place holds what it held, and the run says why.
#[track_caller]
fn stopped(stage: &Stage, before: &[Option<String>], ran: &Ran, words: &[&str]) {
    assert_eq!((ran.status(), ran.output("outcome")), (1, "unchanged"), "{}", ran.log());
    for word in words {
        assert!(ran.tells(word), "{word} is not told\n{}", ran.log());
    }
    let of_tokens = |it: &&String| !it.contains("/access_tokens") && !it.contains("/installation/token");
    assert_eq!(traffic::writes(ran).iter().filter(of_tokens).count(), 0, "{}", ran.log());
    assert_eq!(stage.held(), before, "{}", ran.log());
    assert_eq!(stage.world.live_keys(FAMILY).len(), 1, "{}", ran.log());
    stage.check_no_outage().unwrap();
}

fn listings(ran: &Ran) -> usize {
    traffic::of(ran, Server::GitHub, "GET").iter().filter(|it| it.path.contains("/orgs/acme/repos")).count()
}

#[test]
fn every_repository_that_fits_is_a_target_and_the_plan_says_which() {
    let stage = stage();
    add(&stage, "acme/old", Traits { archived: true, ..with_topic() });
    add(&stage, "acme/fork", Traits { fork: true, ..with_topic() });
    add(&stage, "acme/gone", Traits { disabled: true, ..with_topic() });
    add(&stage, "acme/open", Traits { visibility: "public", ..with_topic() });
    add(&stage, "acme/docs", Traits::default());
    add(&stage, "globex/app", with_topic());
    let targets = "repo:acme/* topic=llm visibility=private except=spare";
    add(&stage, "acme/Spare", with_topic());
    let before = stage.held();
    let planned = stage.action().input("targets", targets).input("dry-run", "true").run();
    assert_eq!((planned.status(), traffic::writes(&planned).len()), (0, 0), "{}", planned.log());
    let told = "repo:acme/* topic=llm visibility=private except=spare stands for 2 repositories; left out: 1 in `except=`, 1 \
                archived, 1 disabled, 1 a fork, 1 without the topic, 1 of another visibility";
    let plan = planned.report().unwrap()["plan"].to_string();
    for words in [told, "write repo:acme/api AROUTER_API_KEY", "write repo:acme/app AROUTER_API_KEY"] {
        assert!(plan.contains(words) && planned.stdout.contains(words), "{words}\n{}", planned.log());
    }
    assert_eq!((plan.matches("write repo:").count(), stage.held()), (2, before), "{}", planned.log());

    rotated(&stage, &run(&stage, targets));
    let others: Vec<_> = stage.world.read(|state| {
        let held = state.github.holdings().map(|(place, ..)| place.clone());
        held.filter(|place| !stage.places.contains(place)).collect()
    });
    assert_eq!(others, []);
}

#[test]
fn what_is_new_is_filled_and_told() {
    let stage = stage();
    let new = add(&stage, "acme/web", with_topic());
    let ran = run(&stage, "repo:acme/*");
    rotated(&stage, &ran);
    assert_eq!(stage.world.value_at(&new, SECRET), stage.held()[0], "{}", ran.log());
    let notices = ran.report().unwrap()["notices"].to_string();
    assert!(notices.contains("new in repo:acme/*: repo:acme/web AROUTER_API_KEY"), "{notices}");
    let next = run(&stage, "repo:acme/*");
    assert!(!next.tells("new in "), "{}", next.log());
}

/// What left the selection holds the key that would die.
#[test]
fn what_has_left_it_stops_the_run_until_the_user_says_what_it_is() {
    type Leave = fn(&mut Traits);
    let ways: [(Leave, &str); 4] = [
        (|it| it.topics.clear(), "repo:acme/api (without the topic)"),
        (|it| it.archived = true, "repo:acme/api (archived)"),
        (|it| it.fork = true, "repo:acme/api (a fork)"),
        (|it| it.visibility = "public", "repo:acme/api (of another visibility)"),
    ];
    for (leave, told) in ways {
        let stage = stage();
        let targets = "repo:acme/* topic=llm visibility=private";
        rotated(&stage, &run(&stage, targets));
        change(&stage, "acme/api", leave);
        let before = stage.held();
        stopped(&stage, &before, &run(&stage, targets), &[told, "put it into `except=`"]);
        let dry = stage.action().input("targets", targets).input("dry-run", "true").run();
        stopped(&stage, &before, &dry, &[told]);
        let archived = stage.world.read(|state| state.github.traits(&Place::repo("acme/api")).archived);
        if !archived {
            rotated(&stage, &run(&stage, &format!("{targets}\nrepo:acme/api")));
        }
        // The user has said that it holds no key of this family.
        let ran = run(&stage, &format!("{targets} except=api"));
        assert_eq!(ran.status(), 0, "{told}\n{}", ran.log());
        assert!(ran.tells("that stays as it is: repo:acme/api"), "{}", ran.log());
    }
}

#[test]
fn a_name_that_is_listed_keeps_its_own_words() {
    let stage = stage();
    rotated(&stage, &run(&stage, "repo:acme/*\nrepo:acme/api accept=AROUTER_API_KEYS"));
}

#[test]
fn every_page_is_read_and_a_page_that_moved_is_read_again() {
    let stage = stage();
    for nth in 0..105 {
        add(&stage, &format!("acme/a{nth:03}"), Traits::default());
    }
    let ran = run(&stage, "repo:acme/* topic=llm");
    rotated(&stage, &ran);
    assert_eq!(listings(&ran), 4, "{}", ran.log());
    // app and api are on the second page.
    stage.world.fault("github:GET~/orgs/acme/repos?sort=full_name&per_page=100&page=2:1:status=200,body=[]");
    let ran = run(&stage, "repo:acme/* topic=llm");
    rotated(&stage, &ran);
    assert_eq!((listings(&ran), stage.world.unused_faults().len()), (6, 0), "{}", ran.log());
}

#[test]
fn a_list_that_is_not_whole_stops_the_run() {
    for (fault, words) in [
        ("github:GET~/orgs/acme/repos:1x99:status=403", "GitHub answered 403"),
        ("github:GET~page=2:1x99:status=403", "GitHub answered 403"),
        ("github:GET~page=2:1x99:status=500", "GitHub answered 500"),
        ("github:GET~page=2:1x99:status=200,body={\"message\":\"x\"}", "not what GitHub documents"),
        ("github:GET~/repos/acme/a007/:1x99:status=500", "repo:acme/a007"),
    ] {
        let stage = stage();
        for nth in 0..99 {
            add(&stage, &format!("acme/a{nth:03}"), Traits::default());
        }
        let before = stage.held();
        stage.world.fault(fault);
        stopped(&stage, &before, &run(&stage, "repo:acme/* topic=llm"), &[words]);
        stage.world.clear_faults();
        rotated(&stage, &run(&stage, "repo:acme/* topic=llm"));
    }
}

#[test]
fn a_selection_of_nothing_and_a_misspelt_exception_stop_the_run() {
    let stage = stage();
    let before = stage.held();
    for (targets, words) in [
        ("repo:acme/* topic=lllm", "stands for none of the 2 repositories"),
        ("repo:acme/* except=apy", "names what this credential does not see at acme: apy"),
        ("repo:nobody/*", "stands for none of the 0 repositories"),
        ("repo:acme/app\nrepo:acme/* topic=lllm", "stands for none of the 2 repositories"),
    ] {
        stopped(&stage, &before, &run(&stage, targets), &[words]);
    }
    for (targets, words) in [
        ("repo:acme/*,app", "`*` is every repository already"),
        ("dependabot:acme/*", "`*` stands for every repository in `repo` targets"),
        ("repo:acme/app topic=llm", "only for `repo:OWNER/*`"),
        ("repo:acme/*\nrepo:ACME/*", "two spellings of one place"),
    ] {
        let ran = run(&stage, targets);
        assert_eq!((ran.status(), ran.requests.len()), (2, 0), "{targets}\n{}", ran.log());
        assert!(ran.tells(words), "{words}\n{}", ran.log());
    }
}

#[test]
fn the_file_of_a_stranger_selects_nothing() {
    let stage = stage();
    let file = stage.put("targets.txt", "repo:acme/*\n");
    let ran = stage.action().input("targets", "").input("targets-file", &file);
    let ran = ran.variable("GITHUB_EVENT_NAME", "issue_comment").run();
    assert_eq!((ran.status(), ran.requests.len()), (2, 0), "{}", ran.log());
    assert!(ran.tells("the workflow's own repository alone"), "{}", ran.log());
}

#[test]
fn a_person_s_own_repositories_are_listed_and_nobody_else_s() {
    let stage = prepared(Setting::new(Dialect::Mgmt).repos(&["octo/app", "octo/api"]).with_current_key());
    stage.world.by_hand(|state| {
        state.github.users.extend(["octo".to_owned(), "hubert".to_owned()]);
        state.github.tokens.get_mut(TOKEN).unwrap().login = "octo".to_owned();
    });
    add(&stage, "hubert/tool", Traits::default());
    rotated(&stage, &run(&stage, "repo:octo/*"));
    let before = stage.held();
    stopped(&stage, &before, &run(&stage, "repo:hubert/*"), &["lists the repositories of octo, not those of hubert"]);
}

#[test]
fn what_the_token_may_not_look_at_is_told() {
    let stage = stage();
    let site = add(&stage, "acme/site", Traits { visibility: "public", ..Traits::default() });
    stage.world.by_hand(|state| {
        let token = state.github.tokens.get_mut(TOKEN).unwrap();
        token.elsewhere = None;
        token.places = [(site, Access::Metadata)].into();
        token.places.extend(REPOS.map(|name| (Place::repo(name), Access::Write)));
    });
    let ran = run(&stage, "repo:acme/* topic=llm");
    rotated(&stage, &ran);
    assert!(ran.tells("can't read the secrets of 1 of the repositories that it leaves out"), "{}", ran.log());
}

#[test]
fn an_app_looks_with_a_token_that_may_write_nothing() {
    let stage = prepared(Setting::new(Dialect::Mgmt).repos(&REPOS).with_app());
    add(&stage, "acme/web", Traits::default());
    stage.world.by_hand(|state| {
        let app = state.github.app.as_mut().unwrap();
        let (id, _) = app.on("acme").unwrap();
        app.installations.get_mut(&id).unwrap().only = Some(REPOS.map(Place::repo).into());
    });
    let ran = run(&stage, "repo:acme/*");
    rotated(&stage, &ran);
    let posts = traffic::of(&ran, Server::GitHub, "POST");
    let bodies: Vec<Value> = posts.iter().map(|it| serde_json::from_slice(&it.body).unwrap()).collect();
    let asked: Vec<_> = bodies.iter().map(ToString::to_string).collect();
    assert_eq!(
        asked,
        [
            r#"{"permissions":{"secrets":"read"}}"#,
            r#"{"permissions":{"secrets":"write"},"repositories":["api","app"]}"#
        ]
    );
    let alive = stage.minted().iter().filter(|token| stage.world.read(|state| state.github.takes(token))).count();
    assert_eq!(alive, 0, "{}", ran.log());
    let before = stage.held();
    stage.world.fault("github:GET~/installation/repositories:1x99:status=403");
    let ran = run(&stage, "repo:acme/*");
    stopped(&stage, &before, &ran, &["GitHub answered 403"]);
}

fn config(stage: &Stage, production: &str, staging: &str) -> Ran {
    let file = stage.put(
        "keyrotor.yml",
        format!(
            "rotations:\n  - key-name: production\n    targets: ['{production}']\n  - key-name: staging\n    \
             spending-limit: 5\n    allowed-providers: all\n    allowed-models: all\n    limit-reset: none\n    expires-after: never\n    targets: ['{staging}']\n"
        ),
    );
    let run =
        ["key-name", "targets", "verify-timeout"].into_iter().fold(stage.action(), |run, name| run.input(name, ""));
    run.secret("current-key", "").input("config", &file).run()
}

#[test]
fn a_repository_is_of_one_rotation() {
    let stage = stage();
    add(&stage, "acme/lab", Traits { topics: vec!["lab".to_owned()], ..Traits::default() });
    let before = stage.held();
    for (production, staging) in [("repo:acme/*", "repo:acme/* topic=lab"), ("repo:acme/*", "repo:acme/lab")] {
        let ran = config(&stage, production, staging);
        stopped(&stage, &before, &ran, &["repo:acme/lab AROUTER_API_KEY is a target of production and staging"]);
    }
    let ran = config(&stage, "repo:acme/* topic=llm", "repo:acme/* topic=lab");
    assert_eq!(ran.status(), 0, "{}", ran.log());
    let values: Vec<_> = ["acme/app", "acme/api", "acme/lab"]
        .map(|name| stage.world.value_at(&Place::repo(name), SECRET).unwrap())
        .to_vec();
    assert!(values[0] == values[1] && values[1] != values[2] && before[0].as_ref() != Some(&values[0]));
    // What one rotation does not stand for is the other's.
    let again = config(&stage, "repo:acme/* topic=llm", "repo:acme/* topic=lab");
    assert_eq!(again.status(), 0, "{}", again.log());
}

#[test]
fn doctor_has_a_line_for_it() {
    let stage = stage();
    let doctor = |targets: &str| stage.action().input("command", "doctor").input("targets", targets).run();
    let ran = doctor("repo:acme/*");
    assert_eq!((ran.status(), traffic::writes(&ran).len()), (0, 0), "{}", ran.log());
    assert!(
        ran.stdout.contains("stands for 2 repositories") && ran.stdout.contains("✓ repo:acme/api"),
        "{}",
        ran.log()
    );
    let ran = doctor("repo:acme/app\nrepo:acme/* topic=none");
    assert_eq!(ran.status(), 1, "{}", ran.log());
    for words in ["✗ targets", "stands for none", "✓ repo:acme/app", "✓ issuer"] {
        assert!(ran.stdout.contains(words), "{words}\n{}", ran.log());
    }
}
