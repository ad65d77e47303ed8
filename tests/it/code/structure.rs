//! The parts know each other in one direction only, and few of them touch the process or its clocks.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails here has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What each part may name beside itself. The longest part that a file belongs to decides.
const MAY_USE: &[(&str, &[&str])] = &[
    ("audit", &["humanize", "rotation::name", "rotation::outcome", "rotation::plan::observation", "rotation::model"]),
    (
        "audit::execute",
        &[
            "audit",
            "config",
            "http",
            "issuer",
            "lists",
            "regular",
            "report",
            "rotation",
            "console",
            "secret",
            "store::target",
        ],
    ),
    ("checkout", &["regular"]),
    ("child", &[]),
    ("cli", &[]),
    (
        "config",
        &[
            "audit::FailOn",
            "cli",
            "duration",
            "http::is_guarded",
            "nearest",
            "receipt",
            "regular",
            "rotation::policy",
            "rotation::model",
            "console::Format",
            "secret",
            "store::github::AppKey",
            "store::github::alerts::AlertSource",
            "store::target",
        ],
    ),
    ("doctor", &["checkout", "config", "http", "humanize", "regular", "rotation", "secret", "store"]),
    ("duration", &[]),
    ("humanize", &[]),
    ("http", &["regular", "secret"]),
    ("init", &["checkout", "child", "cli", "config", "http", "regular", "rotation", "console", "secret", "store"]),
    ("leaks", &["rotation::model", "rotation::outcome"]),
    (
        "leaks::execute",
        &["config", "fleet", "http", "humanize", "issuer", "leaks", "rotation", "console", "secret", "store::github"],
    ),
    ("issuer", &["http", "rotation::model", "rotation::ports", "secret"]),
    ("issuer::open", &["config", "http", "issuer", "rotation::model", "rotation::ports", "secret"]),
    ("lists", &["console", "http", "rotation"]),
    ("nearest", &[]),
    ("notices", &["rotation", "console", "store::github"]),
    ("notify", &["config", "console", "http", "report", "rotation", "secret"]),
    ("receipt", &["humanize", "regular", "rotation::model", "rotation::outcome"]),
    ("receipt::execute", &["config", "console", "http", "issuer", "lists", "receipt", "rotation"]),
    ("receipt::leave", &["config", "console", "receipt", "regular", "report", "rotation"]),
    ("regular", &[]),
    ("report", &["audit", "http", "humanize", "leaks", "receipt", "rotation", "console", "secret"]),
    ("rotation", &["humanize", "http::Failure", "http::Refusal", "http::Retry", "secret"]),
    ("rotation::model", &["secret"]),
    ("rotation::ports", &["http::Failure", "rotation::model", "secret"]),
    (
        "fleet",
        &[
            "config", "doctor", "http", "humanize", "issuer", "notices", "report", "rotation", "console", "secret",
            "store",
        ],
    ),
    ("console", &["http", "humanize", "regular", "rotation", "secret"]),
    ("secret", &[]),
    ("store", &["child", "http", "regular", "rotation::model", "rotation::ports", "secret"]),
    ("store::github", &["humanize", "http", "rotation::model", "rotation::ports", "secret", "store::target"]),
    ("store::target", &["duration", "nearest", "regular", "secret::prefix"]),
];

/// A file of the library: its module's path (empty for `lib.rs`) and its text without comments.
struct Source {
    module: String,
    text: String,
}

impl Source {
    /// The text without the tests at its end.
    fn product(&self) -> &str {
        let tests = ["mod tests {", "#[allow(", "#[expect("].map(|begin| format!("#[cfg(test)]\n{begin}"));
        tests.iter().fold(self.text.as_str(), |text, begin| text.split(begin.as_str()).next().unwrap())
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") && path != root.join("main.rs") {
                let module = module_of(path.strip_prefix(&root).unwrap());
                found.push(Source { module, text: without_comments(&std::fs::read_to_string(&path).unwrap()) });
            }
        }
    }
    assert!(found.len() > 50, "only {} files were found", found.len());
    found
}

fn module_of(path: &Path) -> String {
    let stem = path.with_extension("");
    let parts: Vec<_> = stem.iter().map(|part| part.to_str().unwrap()).collect();
    parts.into_iter().filter(|part| !matches!(*part, "lib" | "mod")).collect::<Vec<_>>().join("::")
}

fn without_comments(text: &str) -> String {
    let keep = |line: &&str| !line.trim_start().starts_with("//");
    text.lines().filter(keep).map(|line| format!("{line}\n")).collect()
}

/// Every path from the crate's root that the text names, through `crate::` or `super::`.
fn named(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let mut inline: Option<String> = None;
    let mut rest = source.text.as_str();
    while !rest.is_empty() {
        let line = rest.lines().next().unwrap_or_default();
        if let Some(name) = line.split("mod ").nth(1).and_then(|name| name.strip_suffix(" {"))
            && !line.starts_with(' ')
        {
            inline = Some(name.to_owned());
        } else if line == "}" {
            inline = None;
        }
        let here: Vec<&str> =
            source.module.split("::").filter(|part| !part.is_empty()).chain(inline.as_deref()).collect();
        for (at, _) in line.match_indices("crate::").chain(line.match_indices("super::")) {
            let before = line.get(..at).unwrap().chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ':')) {
                continue;
            }
            let mut tail = rest.get(at..).unwrap();
            let mut base: Vec<String> = Vec::new();
            if let Some(after) = tail.strip_prefix("crate::") {
                tail = after;
            } else {
                base = here.iter().map(|part| (*part).to_owned()).collect();
                while let Some(after) = tail.strip_prefix("super::") {
                    base.pop();
                    tail = after;
                }
            }
            expand(&mut tail, &base, &mut found);
        }
        rest = rest.get(line.len() + 1..).unwrap_or_default();
    }
    found
}

/// Reads `a::b::{self, c::D}` behind a base.
fn expand(rest: &mut &str, base: &[String], found: &mut Vec<String>) {
    let mut path = base.to_vec();
    loop {
        *rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('{') {
            *rest = after;
            loop {
                *rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
                if let Some(after) = rest.strip_prefix('}') {
                    *rest = after;
                    return;
                }
                expand(rest, &path, found);
            }
        }
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if !word.is_empty() && word != "self" {
            path.push(word.to_owned());
        }
        *rest = after
            .strip_prefix(" as ")
            .map_or(after, |alias| alias.trim_start_matches(|c: char| c != ',' && c != '}' && c != ';'));
        match rest.strip_prefix("::") {
            Some(after) => *rest = after,
            None => {
                // A glob brings in no more than its module.
                *rest = rest.strip_prefix('*').unwrap_or(rest);
                found.push(path.join("::"));
                return;
            }
        }
    }
}

fn within(path: &str, part: &str) -> bool {
    path.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[test]
fn the_parts_know_each_other_in_one_direction() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !source.module.is_empty()) {
        let rule = MAY_USE.iter().filter(|(part, _)| within(&source.module, part)).max_by_key(|(part, _)| part.len());
        let Some((part, allowed)) = rule else {
            wrong.push(format!("{} belongs to no part", source.module));
            continue;
        };
        for path in named(source) {
            // A part may name its own folder from below: `store` is not `store::target`'s own, but the reverse.
            let fine = within(&path, part) || allowed.iter().any(|allowed| within(&path, allowed));
            if !fine {
                wrong.push(format!("{} names {path}", source.module));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The file that a path leads into: the longest module that it begins with.
fn leads_into(path: &str, modules: &BTreeSet<String>) -> String {
    let mut rest = path;
    while !modules.contains(rest) {
        rest = rest.rsplit_once("::").map_or("", |(before, _)| before);
    }
    rest.to_owned()
}

/// Which other files each file names. A folder's own file is its face: what is below may name its types.
fn names_of_files() -> BTreeMap<String, BTreeSet<String>> {
    let sources = sources();
    let modules: BTreeSet<String> = sources.iter().map(|source| source.module.clone()).collect();
    let product = |source: &Source| Source { module: source.module.clone(), text: source.product().to_owned() };
    let names = |source: &Source| {
        let files = named(&product(source)).into_iter().map(|path| leads_into(&path, &modules));
        files.filter(|file| !file.is_empty() && !within(&source.module, file)).collect()
    };
    let files = sources.iter().filter(|source| !source.module.ends_with("tests"));
    files.map(|source| (source.module.clone(), names(source))).collect()
}

#[test]
fn no_two_files_need_each_other() {
    let mut left = names_of_files();
    // Whoever names none of those that are left is in no circle, and neither is what only such files name.
    loop {
        let before = left.len();
        let there: BTreeSet<String> = left.keys().cloned().collect();
        left.retain(|_, names| names.iter().any(|name| there.contains(name)));
        let there: BTreeSet<String> = left.keys().cloned().collect();
        let all: BTreeSet<String> = left.values().flatten().cloned().collect();
        left.retain(|file, _| all.contains(file));
        for names in left.values_mut() {
            names.retain(|name| there.contains(name));
        }
        if left.len() == before {
            break;
        }
    }
    assert!(left.is_empty(), "{left:#?}");
}

#[test]
fn every_rule_is_about_something() {
    let sources = sources();
    for (part, allowed) in MAY_USE {
        assert!(sources.iter().any(|source| within(&source.module, part)), "there is no {part}");
        for allowed in *allowed {
            let begin = allowed.split("::").next().unwrap();
            // What `lib.rs` itself has is named without a folder.
            let in_lib = sources.iter().any(|source| {
                let is_said = ["fn", "struct"].iter().any(|what| source.text.contains(&format!("\n{what} {begin}")));
                source.module.is_empty() && is_said
            });
            let is_there = in_lib || sources.iter().any(|source| within(&source.module, begin));
            assert!(is_there, "there is no {allowed}");
        }
    }
}

/// Where the world outside is met: each word, and the only files that may say it.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("Timestamp::now", &["rotation::clock"]),
    // A signature of AWS is dated, and credentials end.
    ("SystemTime", &["store::aws::call"]),
    ("std::time::Instant", &[]),
    ("env::var", &["cli::surroundings", "http::client", "http::roots"]),
    ("env::args", &["cli::surroundings"]),
    ("process::exit", &[]),
    ("governor", &["store::github::pace"]),
    // An HMAC, and what an App signs.
    ("jsonwebtoken", &["notify", "store::github::app_key"]),
    (
        "reqwest",
        &["http", "http::body", "http::client", "http::exchange", "store::aws::fault", "store::github::transport"],
    ),
    // Paths of GitHub's API.
    ("[\"repos\"", &["store::github::paths", "store::target::place"]),
    ("[\"orgs\"", &["store::github::paths", "store::target::place"]),
    ("[\"users\"", &["store::github::paths"]),
    ("\"/repos/", &["store::github::transport"]),
    ("\"/orgs/", &[]),
    ("\"/app/", &["store::github::paths"]),
    // octocrab's own clients sign, repeat, wait and follow redirects.
    ("OctocrabBuilder", &["store::github::crab"]),
    ("Octocrab::", &[]),
    ("octocrab::initialise", &[]),
    ("octocrab::instance", &[]),
    ("AuthState::Installation", &[]),
    ("AuthState::AccessToken", &[]),
    ("AuthState::App", &[]),
];

#[test]
fn the_world_is_met_in_few_places() {
    for (word, places) in ONLY_IN {
        for source in sources().iter().filter(|source| !source.module.ends_with("tests")) {
            let product = source.product();
            let told = places.contains(&source.module.as_str());
            assert!(told || !product.contains(word), "{} says {word}", source.module);
        }
    }
}

/// Whoever starts the program has to search all that it shows, as the harness does.
#[test]
fn the_harness_alone_starts_the_program_in_tests() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let starts = [concat!("CARGO_BIN", "_EXE_keyrotor"), concat!("KEYROTOR_TEST", "_PROGRAM")];
    let said = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        starts.iter().any(|start| text.contains(start))
    };
    let (mut folders, mut found) = (vec![tests.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if said(&path) {
                found.push(path);
            }
        }
    }
    assert_eq!(found, [tests.join("harness/invocation.rs")]);
}

#[test]
fn the_heart_knows_no_network() {
    for source in sources().iter().filter(|source| within(&source.module, "rotation")) {
        for word in ["reqwest", " ::http", "use http::", "use url::"] {
            assert!(!source.text.contains(word), "{} says {word}", source.module);
        }
    }
}

/// What a rotation asks its clock for.
const ASKED_OF_THE_CLOCK: &[&str] =
    &["Instant::now", "time::sleep", "time::timeout", "time::interval", "time::{", ".elapsed()"];

#[test]
fn a_rotation_reads_no_time_and_waits_by_none_but_its_clocks() {
    let mut rotations = 0;
    for source in sources().iter().filter(|it| within(&it.module, "rotation") && !it.module.ends_with("tests")) {
        let product = source.product().replace("clock().elapsed()", "");
        rotations += 1;
        for word in ASKED_OF_THE_CLOCK {
            assert!(source.module == "rotation::clock" || !product.contains(word), "{} says {word}", source.module);
        }
    }
    assert!(rotations > 20, "only {rotations} files were found");
}

/// What decides does not wait: these are functions of what was observed.
#[test]
fn decisions_are_pure() {
    let beside = ["ledger", "name", "policy", "recovery"].map(|module| format!("rotation::{module}"));
    let is_pure = |source: &&Source| within(&source.module, "rotation::plan") || beside.contains(&source.module);
    let sources = sources();
    let pure: Vec<_> = sources.iter().filter(is_pure).filter(|source| !source.module.ends_with("tests")).collect();
    assert!(pure.len() > 15, "only {} files were found", pure.len());
    for source in pure {
        for word in ["async ", ".await", "RefCell", "rng"] {
            let product = source.product();
            let makes_names = source.module == "rotation::name" && word == "rng";
            assert!(makes_names || !product.contains(word), "{} says {word:?}", source.module);
        }
    }
}

#[test]
fn paths_are_read_as_rust_reads_them() {
    let text =
        "use crate::a::{self, b::C as D,\n    e::*};\nuse super::super::x;\nmod tests {\n    use super::super::y;\n}\n";
    let source = Source { module: "m::n".to_owned(), text: text.to_owned() };
    assert_eq!(named(&source), ["a", "a::b::C", "a::e", "x", "m::y"]);
    assert_eq!(module_of(&PathBuf::from("store/mod.rs")), "store");
    assert_eq!(module_of(&PathBuf::from("http/client.rs")), "http::client");
}

/// Text that someone else wrote, and the one line that shows a failure beside a name which it may begin with.
const READS_TEXT: &[(&str, &str)] = &[
    ("http::trace", "failure.message().strip_prefix"),
    ("store::github::response", "\"secondary rate limit\""),
    ("store::github::response", "\"abuse detection\""),
    ("checkout", "[remote"),
    ("checkout", "\"url = \""),
    ("store::github::app_key", "given.contains(BEGIN)"),
    ("store::github::mint", "\"Integration not found\""),
    ("store::vault::response", "error.contains(LOST_RACE)"),
    ("store::kubernetes::response", "self.said().contains(\""),
];

const SEARCHES: &[&str] = &[".contains(", ".starts_with(", ".ends_with(", ".strip_prefix(", ".find(", ".split"];

/// Whether a line of code compares a message, or searches in one.
fn reads_a_message(line: &str, sentences: &[String]) -> bool {
    let compared = |text: &str| text.starts_with(" == ") || text.starts_with(" != ");
    let read = |text: &str| {
        let text =
            [".as_str()", ".as_deref()", ".to_string()"].iter().fold(text, |t, it| t.strip_prefix(it).unwrap_or(t));
        compared(text) || SEARCHES.iter().any(|search| text.starts_with(search))
    };
    let fields = [".what", ".reason", ".message()", ".hint()"];
    let of_a_field =
        fields.iter().any(|field| line.match_indices(field).any(|(at, _)| read(&line[at + field.len()..])));
    let with_sentence = |rest: &str| {
        let literal = rest.strip_prefix('"').and_then(|rest| rest.split('"').next());
        literal.is_some_and(|text| text.trim().contains(' '))
            || sentences.iter().any(|name| rest.starts_with(name.as_str()))
    };
    let begins = SEARCHES.iter().copied().chain([" == ", " != "]);
    let mut rests = begins.flat_map(|begin| line.match_indices(begin).map(move |(at, _)| &line[at + begin.len()..]));
    of_a_field || rests.any(with_sentence)
}

/// The names of constants that hold a sentence.
fn sentences(text: &str) -> Vec<String> {
    let constant = |line: &str| {
        let (name, value) = line.split_once("const ")?.1.split_once(": &str = \"")?;
        value.contains(' ').then(|| name.to_owned())
    };
    text.lines().filter_map(constant).collect()
}

/// What happened is a type, and is made a sentence where it is shown.
#[test]
fn nothing_is_decided_by_a_message() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !source.module.ends_with("tests")) {
        let product = source.product();
        let sentences = sentences(product);
        for line in product.lines().filter(|line| reads_a_message(line, &sentences)) {
            let allowed = READS_TEXT.iter().any(|(module, text)| source.module == *module && line.contains(text));
            if !allowed {
                wrong.push(format!("{}: {}", source.module, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let says = ["WHY".to_owned()];
    for line in
        ["if stop.what != first.what {", "reason.contains(\"told to stop\")", "fate == WHY", "it.hint().starts_with(x)"]
    {
        assert!(reads_a_message(line, &says), "{line}");
    }
    for line in ["let what = stop.what.clone();", "name == \"localhost\"", "if why == ours {"] {
        assert!(!reads_a_message(line, &says), "{line}");
    }
}
