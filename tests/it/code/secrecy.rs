//! No type that holds a secret can show it: most ways of showing do not exist, and `Debug` says nothing.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that fails here has failed")]

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Binary, Debug, Display, LowerExp, LowerHex, Octal, Pointer, UpperExp, UpperHex};
use std::hash::Hash;
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use keyrotor::audit::FailOn;
use keyrotor::cli::{Inputs, Surroundings};
use keyrotor::config::audit::{AuditSettings, Beside, Listed, Prune};
use keyrotor::config::init::InitSettings;
use keyrotor::config::notify::{NotifyOn, NotifySettings};
use keyrotor::config::{self, Asked, Command, GitHubSettings, IssuerSettings, Reading, Request};
use keyrotor::console::{self, Console, Format, Sink};
use keyrotor::http;
use keyrotor::http::Call;
use keyrotor::issuer::openrouter::Extras;
use keyrotor::issuer::{ArouterIssuer, OpenRouterIssuer, SingleFlight};
use keyrotor::rotation::clock::{Clock, ServerClock};
use keyrotor::rotation::model::{Contents, CreatedKey, Entry, Held, KeyId, Listing, RightsTaken, ShownRights};
use keyrotor::rotation::outcome::Observer as _;
use keyrotor::rotation::plan::observation::{Observation, SeenTarget};
use keyrotor::rotation::policy::Policy;
use keyrotor::secret::{Redactor, Secret};
use keyrotor::store::github::alerts::FoundSecret;
use keyrotor::store::github::response::{Answer, SignedBy};
use keyrotor::store::github::{App, AppKey, Credential, GitHub, GitHubSecret};
use keyrotor_properties::leak::Searcher;
use serde::{Deserialize, Serialize};
use static_assertions::assert_not_impl_any;

assert_not_impl_any!(Secret: Display, Serialize, Deserialize<'static>, std::error::Error);
assert_not_impl_any!(Secret: LowerHex, UpperHex, Octal, Binary, LowerExp, UpperExp, Pointer);
assert_not_impl_any!(Secret: AsRef<str>, AsRef<[u8]>, Borrow<str>, Deref, Into<String>, Into<Vec<u8>>, IntoIterator);
// What sorts or counts secrets would keep them, or tell how they begin.
assert_not_impl_any!(Secret: PartialOrd, Hash, Default, Copy);
assert_not_impl_any!(Redactor: Display, Serialize, IntoIterator);
assert_not_impl_any!(CreatedKey: Display, Serialize, PartialEq);
assert_not_impl_any!(Policy: Display, Serialize);
assert_not_impl_any!(IssuerSettings: Display, Serialize);
assert_not_impl_any!(GitHubSettings: Display, Serialize);
assert_not_impl_any!(Request: Display, Serialize);
assert_not_impl_any!(Reading: Display, Serialize);
// What holds a value before it is a `Secret` says nothing at all.
assert_not_impl_any!(Surroundings: Debug, Display, Serialize, Clone);
assert_not_impl_any!(GitHub: Debug, Display, Clone);
assert_not_impl_any!(GitHubSecret: Debug, Display, Clone);
assert_not_impl_any!(Credential: Debug, Display, Serialize);
assert_not_impl_any!(App: Debug, Display, Clone);
assert_not_impl_any!(AppKey: Display, Serialize);

const MANAGEMENT: &str = "lr_mgmt_Zk3Qw9Rt7Yp1Lm5Nc8Xv2Bd6Hf4Js0Ga";
const CURRENT: &str = "lr_live_Pa7Bc3Xk9Wm1Qz5Rt8Yn2Lv6Ed4Gh0Us";
const TOKEN: &str = "github_pat_11Ab7Qx0dYwZ3nKf8Lr2TbVs5Hj";

fn reading() -> Reading {
    let vars = [
        ("INPUT_KEY-NAME", "production"),
        ("INPUT_TARGETS", "repo:acme/app"),
        ("INPUT_MANAGEMENT-KEY", MANAGEMENT),
        ("INPUT_CURRENT-KEY", CURRENT),
        ("INPUT_GITHUB-TOKEN", TOKEN),
    ];
    let vars = vars.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    config::read(&Surroundings { vars, ..Surroundings::default() })
}

fn shown(value: &impl Debug) -> String {
    format!("{value:?}\n{value:#?}")
}

/// What `Debug` says of a value of each public type that holds a secret.
fn debugged() -> BTreeMap<&'static str, String> {
    let reading = reading();
    let Asked::Run(request) = &reading.asked else { panic!("{:?}", reading.asked) };
    let (management, current) = (Secret::new(MANAGEMENT.into()), Secret::new(CURRENT.into()));
    let redactor = Redactor::new();
    redactor.learn(&management);
    let client = http::client(Duration::from_secs(1)).unwrap();
    let url = &request.issuer.url;
    let issuer = ArouterIssuer::new(client, url, Some(management.clone()), Some(current.clone()), redactor.clone());
    let client = http::client(Duration::from_secs(1)).unwrap();
    let openrouter = OpenRouterIssuer::new(client, url, Some(management.clone()), Extras::default(), redactor.clone());
    let github = BTreeMap::from([("GITHUB_ACTIONS".to_owned(), "true".to_owned())]);
    let surroundings = console::Surroundings::new(&github, Format::Text, Sink::Pipe, Sink::Pipe);
    let runner = Console::new(surroundings, redactor.clone(), std::io::sink(), std::io::sink());
    runner.mask(&management);
    let created = CreatedKey { id: KeyId("id".into()), value: current.clone(), rights: ShownRights::default() };
    let observation = observation(&current);
    // An installation token comes in a body.
    let answer = Answer {
        asked: "POST /app/installations/1/access_tokens".into(),
        of: SignedBy::Token,
        call: Call::Write,
        status: ::http::StatusCode::CREATED,
        headers: [(::http::header::SET_COOKIE, TOKEN.parse().unwrap())].into_iter().collect(),
        body: format!("{{\"token\":\"{TOKEN}\"}}").into_bytes().into(),
    };
    let settings = AuditSettings {
        old_after: Duration::ZERO,
        unused_after: Duration::ZERO,
        fail_on: FailOn::Never,
        sarif_file: None,
        prune: Prune::None,
        names: BTreeSet::new(),
        rotations: vec![Listed { request: request.rotations[0].clone(), line: 1 }],
        beside: Beside { uri: String::new(), is_config: false },
    };
    let alert = FoundSecret {
        owner: "acme".into(),
        repo: "app".into(),
        number: 1,
        page: String::new(),
        found_at: None,
        value: Some(current.clone()),
    };
    let notify = NotifySettings { url: current.clone(), secret: current.clone(), on: NotifyOn::Always };
    let init = InitSettings {
        answers: Inputs::default(),
        print: false,
        force: false,
        token: Some(Secret::new(TOKEN.into())),
        api_url: request.github.api_url.clone(),
    };
    BTreeMap::from([
        ("secret::Secret", shown(&current)),
        ("secret::Redactor", shown(&redactor)),
        ("rotation::model::CreatedKey", shown(&created)),
        ("rotation::model::Contents", shown(&observation.targets[0].contents)),
        ("rotation::model::Entry", shown(&observation.targets[0].contents.others[0])),
        ("rotation::plan::observation::SeenTarget", shown(&observation.targets[0])),
        ("rotation::plan::observation::Observation", shown(&observation)),
        ("store::github::alerts::FoundSecret", shown(&alert)),
        ("rotation::policy::Policy", shown(&request.rotations[0].policy)),
        ("config::RotationRequest", shown(&request.rotations[0])),
        ("config::IssuerSettings", shown(&request.issuer)),
        ("config::GitHubSettings", shown(&request.github)),
        ("config::Request", shown(request)),
        ("config::Command", shown(&Command::Audit(settings.clone()))),
        ("config::audit::AuditSettings", shown(&settings)),
        ("config::notify::NotifySettings", shown(&notify)),
        ("config::audit::Listed", shown(&settings.rotations[0])),
        ("config::init::InitSettings", shown(&init)),
        ("config::Asked", shown(&reading.asked)),
        ("config::Reading", shown(&reading)),
        ("issuer::arouter::ArouterIssuer", shown(&issuer)),
        ("issuer::openrouter::OpenRouterIssuer", shown(&openrouter)),
        ("issuer::single_flight::SingleFlight", shown(&SingleFlight::default())),
        ("console::Console", shown(&runner)),
        ("http::exchange::Answer", shown(&answer)),
    ])
}

/// A target that holds this, and another entry beside it too.
fn observation(value: &Secret) -> Observation {
    let entry = Entry { name: "other".into(), target: "t#other".into(), value: Some(value.clone()), written: None };
    let contents = Contents { value: Some(value.clone()), others: vec![entry.clone()], ..Contents::default() };
    let read = Clock::starting_at(Timestamp::UNIX_EPOCH).now();
    let clock = ServerClock::new(Timestamp::UNIX_EPOCH, read, Duration::ZERO);
    let takes = RightsTaken { providers: true, models: true, limit: true, reset: true, expiry: true };
    Observation {
        guardrails: Ok(BTreeMap::new()),
        listing: Listing {
            keys: Vec::new(),
            date: Timestamp::UNIX_EPOCH,
            dated_within: Duration::ZERO,
            may_rename: true,
            takes,
        },
        clock,
        targets: vec![SeenTarget {
            name: "t#key".into(),
            held: Held::Since(Timestamp::UNIX_EPOCH),
            last_write: None,
            last_write_at_latest: None,
            ended: None,
            clock,
            in_use: None,
            rollout: None,
            dated: true,
            contents,
            value_is: None,
            look_like_keys: BTreeSet::new(),
            elsewhere: Some(Ok(vec![entry])),
        }],
        held: None,
        ended: read,
        use_asked: None,
    }
}

#[test]
fn debug_shows_no_secret() {
    let searcher = Searcher::new([("management-key", MANAGEMENT), ("current-key", CURRENT), ("token", TOKEN)]);
    for (name, text) in debugged() {
        assert!(!text.trim().is_empty(), "{name}");
        assert_eq!(searcher.find(&text), None, "{name}: {text}");
    }
}

/// A struct or enum of the library.
struct Type {
    name: String,
    public: bool,
    derives_debug: bool,
    has_debug: bool,
    body: String,
}

/// Every type in the library's files, the tests' own aside.
fn types() -> Vec<Type> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !["tests.rs", "canned.rs", "samples.rs"].iter().any(|name| path.ends_with(name)) {
                let stem = path.strip_prefix(&root).unwrap().with_extension("");
                let parts = stem.iter().map(|part| part.to_str().unwrap());
                let module: Vec<_> = parts.filter(|part| !matches!(*part, "lib" | "mod")).collect();
                found.extend(types_in(&module.join("::"), &std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(found.len() > 100, "only {} types were found", found.len());
    found
}

fn types_in(module: &str, text: &str) -> Vec<Type> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let words: Vec<&str> = line.split([' ', '<', '(', '{', ';']).collect();
        let Some(word) = words.iter().position(|word| ["struct", "enum"].contains(word)) else { continue };
        if line.starts_with(' ') || !words[..word].iter().all(|word| word.starts_with("pub") || word.ends_with(')')) {
            continue;
        }
        let name = words[word + 1];
        let attributes = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
        let derives_debug = attributes.into_iter().any(|line| line.contains("derive(") && line.contains("Debug"));
        let body: Vec<&str> = if line.ends_with('{') {
            lines[at..].iter().take_while(|line| **line != "}").copied().collect()
        } else {
            vec![line]
        };
        found.push(Type {
            name: format!("{module}::{name}"),
            public: line.starts_with("pub "),
            derives_debug,
            has_debug: derives_debug || text.contains(&format!("Debug for {name}")),
            body: body.join("\n"),
        });
    }
    found
}

/// Whether a field has this type, or one around it.
fn has_field(body: &str, name: &str) -> bool {
    body.match_indices(name).any(|(at, _)| {
        let before = body[..at].trim_end_matches(' ').chars().next_back();
        let after = body[at + name.len()..].chars().next();
        before.is_some_and(|c| ":<(,&".contains(c)) && after.is_some_and(|c| ",>);\n".contains(c))
    })
}

fn last(path: &str) -> &str {
    path.rsplit("::").next().unwrap()
}

/// Every type that has a secret in it, however deep.
fn holders(types: &[Type]) -> BTreeSet<&str> {
    let mut holders = BTreeSet::from(["secret::Secret", "secret::Redactor"]);
    loop {
        let known: Vec<&str> = holders.iter().map(|holder| last(holder)).collect();
        let more = types.iter().filter(|it| known.iter().any(|known| has_field(&it.body, known)));
        let count = holders.len();
        holders.extend(more.map(|it| it.name.as_str()).collect::<Vec<_>>());
        if holders.len() == count {
            return holders;
        }
    }
}

/// A new type with a secret in it has to be shown here.
#[test]
fn every_public_type_that_holds_a_secret_is_debugged_above() {
    let types = types();
    let holders = holders(&types);
    let debugged = debugged();
    for it in types.iter().filter(|it| it.public && it.has_debug && holders.contains(it.name.as_str())) {
        assert!(debugged.contains_key(it.name.as_str()), "{} holds a secret: add it to `debugged`", it.name);
    }
    for name in debugged.keys() {
        let answered = *name == "http::exchange::Answer";
        assert!(answered || holders.contains(name), "{name} holds no secret");
    }
}

/// The text and bytes that are overwritten when they are dropped are secret; their own `Debug` shows them.
#[test]
fn what_is_overwritten_derives_no_debug() {
    let types = types();
    let wiped: Vec<&Type> = types.iter().filter(|it| it.body.contains("Zeroizing<")).collect();
    let names: Vec<&str> = wiped.iter().map(|it| it.name.as_str()).collect();
    assert!(names.contains(&"secret::Secret") && names.contains(&"http::exchange::Answer"), "{names:?}");
    for it in wiped {
        assert!(!it.derives_debug, "{} derives Debug, which shows its bytes", it.name);
    }
}

#[test]
fn types_are_read_as_rust_reads_them() {
    let text = "#[derive(Clone, Debug)]\npub struct A {\n    a: Option<Secret>,\n}\n\nenum B {\n    Secret,\n    \
        Held(Secret),\n}\n\npub(crate) struct C(Rc<Secrets>);\n\nimpl fmt::Debug for C {\n}\n";
    let types = types_in("m", text);
    let read: Vec<_> =
        types.iter().map(|it| (it.name.as_str(), it.public, it.has_debug, has_field(&it.body, "Secret"))).collect();
    assert_eq!(read, [("m::A", true, true, true), ("m::B", false, false, true), ("m::C", false, true, false)]);
    assert!(!has_field("enum B {\n    Secret,\n}", "Secret"));
}
