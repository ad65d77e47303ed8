//! Every kind of place at GitHub: each is written with its own public key, and an organisation's secret stays shown to
//! whom it was shown.

use std::collections::BTreeSet;

use keyrotor_fake::{Dialect, Place, Scope, Server};
use reqwest::Method;
use serde_json::Value;

use crate::harness::{FAMILY, Ran, SECRET, Setting, Stage, TOKEN};
use crate::peers::openapi::OpenApi;
use crate::traffic;

const ALL: [&str; 9] = [
    "repo:acme/app",
    "env:acme/app/review/feature 1",
    "org:acme",
    "dependabot:acme/app",
    "dependabot-org:acme",
    "agents:acme/app",
    "agents-org:acme",
    "codespaces:acme/app",
    "codespaces-org:acme",
];

fn setting() -> Setting {
    Setting::new(Dialect::Mgmt).places(&ALL).with_current_key()
}

/// The number of a repository, which is added.
fn number(stage: &Stage, name: &str) -> u64 {
    stage.world.by_hand(|state| {
        let place = state.github.add_repo(name);
        state.github.places[&place].id
    })
}

/// Shows an organisation's secrets to different repositories.
fn show(stage: &Stage, org: &Scope, dependabot: &Scope, codespaces: &Scope) {
    stage.world.by_hand(|state| {
        for (place, scope) in
            [("org:acme", org), ("dependabot-org:acme", dependabot), ("codespaces-org:acme", codespaces)]
        {
            state.github.set_scope(&place.parse().unwrap(), SECRET, scope.clone());
        }
    });
}

fn scope(stage: &Stage, place: &str) -> Option<Scope> {
    let place: Place = place.parse().unwrap();
    stage.world.read(|state| state.github.secret(&place, SECRET).and_then(|secret| secret.scope.clone()))
}

fn scopes(stage: &Stage) -> Vec<Option<Scope>> {
    ["org:acme", "dependabot-org:acme", "codespaces-org:acme"].map(|place| scope(stage, place)).to_vec()
}

fn rotated(stage: &Stage, ran: &Ran) {
    assert_eq!((ran.status(), ran.rotated()), (0, true), "{}", ran.log());
    stage.check_healed().unwrap();
    traffic::check_github(ran);
}

/// What GitHub says where no permission of a token helps, and words of the remedy.
const REASONS: [(&str, &str); 5] = [
    (
        "Although you appear to have the correct authorization credentials, the `acme` organization has an IP allow list \
         enabled, and your IP address is not permitted to access this resource.",
        "the runner's address",
    ),
    ("Repository was archived so is read-only.", "Unarchive the repository"),
    ("Resource protected by organization SAML enforcement.", "single sign-on"),
    ("This organization is locked because of a billing issue.", "unlock it"),
    ("Repository access blocked", "GitHub's support"),
];

#[test]
fn a_reason_of_githubs_own_has_its_own_remedy_at_every_kind_of_place() {
    for (nth, place) in ALL.into_iter().enumerate() {
        for (method, further) in [("GET", 0), ("PUT", 2)] {
            let (said, remedy) = REASONS[(nth + further) % REASONS.len()];
            let stage = Setting::new(Dialect::Mgmt).places(&[place]).with_current_key().stage();
            let body = serde_json::json!({ "message": said });
            stage.world.fault(&format!("github:{method}:1x99:status=403,body={body}"));
            let ran = stage.run();
            assert_eq!(ran.status(), 1, "{}", ran.log());
            let words = said.split('`').next().unwrap();
            assert!(ran.tells(words) && ran.tells(remedy), "{method} {place}: {remedy}\n{}", ran.log());
            for permissions in ["GITHUB_TOKEN can never", "needs the permission"] {
                assert!(!ran.log().contains(permissions), "{method} {place}\n{}", ran.log());
            }
            stage.check_healed().unwrap();
        }
    }
}

#[test]
fn all_kinds_are_rotated_in_one_run_and_organisations_secrets_stay_shown_to_whom_they_were() {
    let stage = setting().stage();
    let selected = |names: &[&str]| Scope::Selected(names.iter().map(|name| number(&stage, name)).collect());
    for scopes_before in [
        [Scope::All, Scope::Private, selected(&["acme/app", "acme/web"])],
        [selected(&["acme/app", "acme/api"]), selected(&["acme/web"]), Scope::All],
        [Scope::Private, Scope::Selected(BTreeSet::new()), Scope::Private],
    ] {
        let [org, dependabot, codespaces] = &scopes_before;
        show(&stage, org, dependabot, codespaces);
        stage.world.advance(std::time::Duration::from_secs(3600));
        let ran = stage.run();
        rotated(&stage, &ran);
        assert_eq!(scopes(&stage), scopes_before.map(Some), "{}", ran.log());
    }
    let puts = stage.world.requests().into_iter().filter(|request| request.method == "PUT");
    assert_eq!(puts.map(|put| put.path).collect::<BTreeSet<_>>().len(), ALL.len());
}

#[test]
fn every_kind_takes_a_first_key_and_an_organisation_shows_it_to_private_repositories() {
    let mut setting = Setting::new(Dialect::Mgmt).places(&ALL).deployed(None);
    for (name, value) in [
        ("allowed-providers", "all"),
        ("allowed-models", "all"),
        ("spending-limit", "none"),
        ("limit-reset", "none"),
        ("expires-after", "never"),
    ] {
        setting = setting.input(name, value);
    }
    let stage = setting.stage();
    rotated(&stage, &stage.run());
    assert_eq!(scopes(&stage), [Some(Scope::Private), Some(Scope::Private), Some(Scope::Private)]);
}

#[test]
fn whoever_writes_for_coding_agents_is_told_where_they_read_now() {
    for (place, told) in [("env:acme/app/Copilot", true), ("env:acme/app/production", false)] {
        let stage = Setting::new(Dialect::Mgmt).places(&[place]).with_current_key().stage();
        let ran = stage.run();
        rotated(&stage, &ran);
        assert_eq!(ran.tells("any more: add `agents:acme/app` where the key is for them"), told, "{}", ran.log());
    }
}

#[test]
fn a_list_of_several_pages_is_sent_back_whole() {
    let stage = Setting::new(Dialect::Mgmt).places(&["org:acme"]).stage();
    let ids = (0..205).map(|nth| number(&stage, &format!("acme/r{nth}"))).collect();
    stage.world.by_hand(|state| state.github.set_scope(&stage.places[0], SECRET, Scope::Selected(ids)));
    let before = scope(&stage, "org:acme");
    let ran = stage.run();
    rotated(&stage, &ran);
    assert_eq!(scope(&stage, "org:acme"), before);
    let pages = ran.requests.iter().filter(|request| request.path.contains("/repositories?per_page=100"));
    let last = pages.filter(|request| request.path.contains("page=3")).count();
    assert_eq!(last, 2, "it is read before a key is made, and again before it is written\n{}", ran.log());
}

#[test]
fn a_repository_that_is_given_the_secret_meanwhile_keeps_it() {
    let stage = Setting::new(Dialect::Mgmt).places(&["org:acme"]).stage();
    let ids = ["acme/app", "acme/web", "acme/api"].map(|name| number(&stage, name));
    let show = |ids: &[u64]| {
        let scope = Scope::Selected(ids.iter().copied().collect());
        stage.world.by_hand(|state| state.github.set_scope(&stage.places[0], SECRET, scope));
    };
    show(&ids[..2]);
    stage.world.fault("issuer:GET~/v1/models:1x4:delay=500ms");
    let ran = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stage.world.requests().iter().any(|it| it.method == "POST" && it.server == Server::Issuer) {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
            show(&ids);
        });
        stage.run()
    });
    rotated(&stage, &ran);
    assert_eq!(scope(&stage, "org:acme"), Some(Scope::Selected(ids.into())), "{}", ran.log());
}

#[test]
fn a_target_may_state_the_scope() {
    let stage = Setting::new(Dialect::Mgmt).places(&["org:acme"]).stage();
    let (app, web) = (number(&stage, "acme/app"), number(&stage, "acme/Web.js"));
    for (words, expected) in [
        ("visibility=all", Scope::All),
        ("repos=APP,web.js", Scope::Selected([app, web].into())),
        ("visibility=selected", Scope::Selected([app, web].into())),
        ("visibility=selected repos=app", Scope::Selected([app].into())),
        ("visibility=private", Scope::Private),
        ("", Scope::Private),
    ] {
        stage.world.advance(std::time::Duration::from_secs(3600));
        let ran = stage.action().input("targets", &format!("org:acme {words}")).run();
        rotated(&stage, &ran);
        assert_eq!(scope(&stage, "org:acme"), Some(expected), "{words}\n{}", ran.log());
    }
}

#[test]
fn what_can_be_known_of_a_scope_is_known_before_a_key_is_made() {
    let stage = Setting::new(Dialect::Mgmt).places(&["org:acme"]).with_current_key().stage();
    number(&stage, "acme/app");
    for (words, told) in [
        ("repos=app,nope", &["GitHub knows no repository acme/nope", "Check the name"][..]),
        ("visibility=selected", &["`visibility=selected` names no repository", "repos=a,b"]),
    ] {
        let ran = stage.action().input("targets", &format!("org:acme {words}")).run();
        assert_eq!(ran.status(), 1, "{}", ran.log());
        assert!(told.iter().all(|words| ran.tells(words)), "{}", ran.log());
        assert_eq!(traffic::writes(&ran), [""; 0]);
        traffic::check_github(&ran);
    }
    stage.check_healed().unwrap();
}

#[test]
fn a_list_that_the_token_sees_in_part_is_not_sent_back() {
    let places = ["org:acme", "repo:acme/app"];
    let stage = Setting::new(Dialect::Mgmt).places(&places).with_current_key().stage();
    let ids = ["acme/app", "acme/hidden"].map(|name| number(&stage, name));
    stage.world.by_hand(|state| {
        state.github.set_scope(&stage.places[0], SECRET, Scope::Selected(ids.into()));
        // What was not written for longest is written first.
        let secret = state.github.places.get_mut(&stage.places[0]).unwrap().secrets.get_mut(SECRET).unwrap();
        secret.updated_at -= jiff::SignedDuration::from_secs(60);
        let token = state.github.tokens.values_mut().next().unwrap();
        let write = token.elsewhere.take().unwrap();
        token.places = [(Place::org("acme"), write), (Place::repo("acme/app"), write)].into();
    });
    let ran = stage.run();
    assert_eq!(ran.status(), 1, "{}", ran.log());
    assert!(ran.tells("2 selected repositories, and the token sees 1 of them"), "{}", ran.log());
    assert_eq!(traffic::writes(&ran), [""; 0]);

    // What the target states need not be known, but then it can't be put back either.
    let stated = || stage.action().input("targets", "org:acme visibility=private\nrepo:acme/app");
    stage.world.fault("github:PUT~/repos/:1x9:status=403");
    let ran = stated().run();
    assert_eq!((ran.status(), ran.output("outcome")), (3, "attention"), "{}", ran.log());
    assert!(ran.tells("to whom the secret was shown before is not known"), "{}", ran.log());
    stage.world.clear_faults();
    let ran = stated().run();
    assert_eq!((ran.status(), scope(&stage, "org:acme")), (0, Some(Scope::Private)), "{}", ran.log());
    stage.check_healed().unwrap();
}

#[test]
fn putting_back_restores_the_scope_too() {
    for words in ["", " visibility=all", " repos=web"] {
        let stage = setting().stage();
        let ids = ["acme/app", "acme/web"].map(|name| number(&stage, name));
        show(&stage, &Scope::Selected(ids.into()), &Scope::Selected([ids[1]].into()), &Scope::Private);
        let (before, held) = (scopes(&stage), stage.held());
        stage.world.fault("github:PUT~/codespaces/:1x9:status=403");
        let targets = ALL.map(|target| if target.contains("org") { format!("{target}{words}") } else { target.into() });
        let ran = stage.action().input("targets", &targets.join("\n")).input("parallel", "1").run();
        assert_eq!((ran.status(), ran.output("outcome")), (1, "rolled-back"), "{}", ran.log());
        assert_eq!((scopes(&stage), stage.held()), (before, held), "{words}\n{}", ran.log());
        assert_eq!(stage.world.live_keys(FAMILY).len(), 1);
        stage.check_no_outage().unwrap();
        traffic::check_github(&ran);
        let sent: Vec<Value> = traffic::of(&ran, Server::GitHub, "PUT")
            .into_iter()
            .filter(|put| put.path.contains("/orgs/acme/actions/"))
            .map(|put| serde_json::from_slice(&put.body).unwrap())
            .collect();
        let visibilities: Vec<_> = sent.iter().map(|body| body["visibility"].as_str().unwrap()).collect();
        assert_eq!(visibilities.len(), 2, "written, and put back");
        assert_eq!((visibilities[0] == "all", visibilities[1]), (words.ends_with("all"), "selected"));
    }
}

/// Whatever request goes wrong, a scope is never changed, by the run or by the one that heals.
#[test]
fn no_fault_changes_a_scope() {
    let faults = ["status-after=502", "drop-after", "null", "status=422", "kill-after"];
    let stage = || {
        let stage = Setting::new(Dialect::Mgmt).places(&["org:acme", "dependabot-org:acme"]).with_current_key().stage();
        let ids = ["acme/app", "acme/web"].map(|name| number(&stage, name));
        for place in &stage.places {
            stage.world.by_hand(|state| state.github.set_scope(place, SECRET, Scope::Selected(ids.into())));
        }
        stage
    };
    let requests = stage().run().requests;
    let paths: BTreeSet<(String, String)> = requests
        .into_iter()
        .filter(|request| request.server == Server::GitHub)
        .map(|request| (request.method, request.path))
        .collect();
    assert!(paths.len() >= 8, "{paths:?}");
    let case = |method: &str, path: &str, fault: &str| {
        let stage = stage();
        let before = stage.snapshot();
        let scopes = || ["org:acme", "dependabot-org:acme"].map(|place| scope(&stage, place));
        let scopes_before = scopes();
        stage.world.fault(&format!("github:{method}~{path}:1:{fault}"));
        let ran = stage.run();
        assert_eq!(scopes(), scopes_before, "{method} {path} {fault}\n{}", ran.log());
        // What is looked for beside the rotation ends with it, on a busy machine before the request.
        let beside = path.starts_with("/repos/");
        assert!(beside || stage.world.unused_faults().is_empty(), "{method} {path} {fault}");
        stage.world.clear_faults();
        stage.check_truthful(&before, &ran).unwrap_or_else(|wrong| panic!("{method} {path} {fault}: {wrong}"));
        let next = stage.run();
        assert_eq!((next.status(), scopes()), (0, scopes_before), "{method} {path} {fault}\n{}", next.log());
        stage.check_healed().unwrap_or_else(|wrong| panic!("{method} {path} {fault}: {wrong}"));
    };
    std::thread::scope(|scope| {
        for (method, path) in &paths {
            for fault in faults {
                scope.spawn(move || case(method, path, fault));
            }
        }
    });
}

#[test]
fn a_place_that_is_full_says_so() {
    let stage = Setting::new(Dialect::Mgmt).places(&["repo:acme/app", "env:acme/app/production"]).stage();
    stage.world.by_hand(|state| {
        state.github.remove(&stage.places[1], SECRET);
        for nth in 0..100 {
            state.github.write_secret(&stage.places[1], &format!("S{nth}"), "x");
        }
    });
    let ran = stage.run();
    assert_eq!((ran.status(), ran.output("outcome")), (1, "rolled-back"), "{}", ran.log());
    assert!(ran.tells("The limit of secrets is reached"), "{}", ran.log());
    assert_eq!(stage.world.live_keys(FAMILY).len(), 1);
}

/// What the stand-in shows of a repository itself is no more than its number and its name, so that is not held here.
#[tokio::test]
async fn the_stand_in_answers_as_github_documents() {
    let stage = setting().stage();
    let selected = Scope::Selected([number(&stage, "acme/app")].into());
    show(&stage, &selected, &Scope::All, &Scope::Private);
    let (api, client) = (OpenApi::github(), reqwest::Client::new());
    let ask = async |method: Method, path: String, token: &str, body: Option<String>| {
        let request = client.request(method.clone(), format!("{}{path}", stage.fakes.github_url)).bearer_auth(token);
        let answer = body.into_iter().fold(request, reqwest::RequestBuilder::body).send().await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.bytes().await.unwrap();
        let checked = api.answer(method.as_str(), &path, status, &body);
        checked.unwrap_or_else(|why| panic!("{method} {path} {status}: {why}"));
        status
    };
    let mut paths =
        vec!["/repos/acme/app/environments".to_owned(), "/repos/acme/app/environments/review%2Ffeature%201".to_owned()];
    for base in [
        "/repos/acme/app/actions",
        "/repos/acme/app/environments/review%2Ffeature%201",
        "/repos/acme/app/dependabot",
        "/repos/acme/app/codespaces",
        "/orgs/acme/actions",
        "/orgs/acme/dependabot",
        "/orgs/acme/codespaces",
        "/repos/acme/app/agents",
        "/orgs/acme/agents",
    ] {
        paths.extend(["", "/public-key", "/AROUTER_API_KEY"].map(|last| format!("{base}/secrets{last}")));
        let put = ask(Method::PUT, format!("{base}/secrets/X"), TOKEN, Some("{}".to_owned())).await;
        assert_eq!(put, 422, "{base}");
        assert_eq!(ask(Method::DELETE, format!("{base}/secrets/AROUTER_API_KEY"), TOKEN, None).await, 204, "{base}");
        assert_eq!(ask(Method::GET, format!("{base}/secrets/AROUTER_API_KEY"), TOKEN, None).await, 404, "{base}");
    }
    stage.deploy("anything");
    for path in paths {
        assert_eq!(ask(Method::GET, path.clone(), TOKEN, None).await, 200, "{path}");
        assert_eq!(ask(Method::GET, path.clone(), "nobody", None).await, 401, "{path}");
    }
}
