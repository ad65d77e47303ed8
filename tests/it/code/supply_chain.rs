//! What keyrotor is built from: each dependency has a reason and is used, there is one TLS stack, nothing is built but what
//! is locked, and it builds with the Rust that it says. `./test` asks `cargo deny` as well.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that fails here has failed")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Not named in the code: kube wants a version of it chosen.
const CHOSEN_FOR_ANOTHER: [&str; 1] = ["k8s-openapi"];
/// How far the number of dependencies in ARCHITECTURE.md may be off before it has to be mended.
const TOLERANCE: usize = 15;
/// What cargo resolves dependencies for.
const BUILDS: [&str; 9] = ["bench", "build", "check", "clippy", "doc", "fetch", "install", "run", "test"];

fn text(path: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn cargo(arguments: &[&str]) -> String {
    let ended = Command::new(env!("CARGO")).current_dir(ROOT).args(arguments).output().unwrap();
    assert!(ended.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).unwrap()
}

fn packages(arguments: &[&str]) -> Vec<Value> {
    let base = ["metadata", "--locked", "--format-version", "1"];
    let told: Value = serde_json::from_str(&cargo(&[&base, arguments].concat())).unwrap();
    told["packages"].as_array().unwrap().clone()
}

fn direct() -> BTreeSet<String> {
    let all = packages(&["--no-deps"]);
    let own = all.iter().find(|package| package["name"] == "keyrotor").unwrap();
    let product = own["dependencies"].as_array().unwrap().iter().filter(|it| it["kind"].is_null());
    product.map(|it| it["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn each_dependency_has_its_reason_in_the_architecture() {
    let architecture = text("ARCHITECTURE.md");
    let part = architecture.split("\n## Dependencies\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = part.lines().filter_map(|line| line.strip_prefix("| `"));
    let told: BTreeSet<String> = rows
        .flat_map(|row| {
            let (names, reason) = row.split_once(" | ").unwrap();
            assert!(reason.len() > 20, "no reason in {row:?}");
            names.split(", ").map(|name| name.trim_matches('`').to_owned()).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(told, direct());
    let tree = cargo(&[
        "tree",
        "--locked",
        "--package",
        "keyrotor",
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--target",
        "x86_64-unknown-linux-musl",
    ]);
    let all: BTreeSet<_> = tree.lines().filter_map(|line| line.split(" (").next()).collect();
    let stated: usize = part.split(" crates").next().unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    assert!(stated.abs_diff(all.len() - 1) <= TOLERANCE, "it says {stated} crates, and {} are linked", all.len() - 1);
}

/// The code below a folder without its comments, nor what was built or fetched there, nor what packages of their own hold.
fn code(folder: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.ends_with(".rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            all.extend(lines.flat_map(|line| [line, "\n"]));
        } else if path.is_dir() && name != "target" && !name.starts_with('.') && !path.join("Cargo.toml").exists() {
            all += &code(&path);
        }
    }
    all
}

/// What whoever asked for this program said it is to be built from.
const ASKED_FOR: [&str; 7] = ["anyhow", "base64", "crypto_box", "octocrab", "reqwest", "serde_json", "tokio"];

/// Of octocrab its calls and models, and nothing that would be a second client, a second TLS or a second way to sign.
#[test]
fn it_is_built_from_what_was_asked_for() {
    let direct = direct();
    let lacking: Vec<_> = ASKED_FOR.iter().filter(|name| !direct.contains(**name)).collect();
    assert!(lacking.is_empty(), "{lacking:?}");
    let tree = ["tree", "--locked", "--workspace", "--edges", "features", "--invert", "octocrab", "--depth", "1"];
    let features: Vec<String> =
        cargo(&tree).lines().skip(1).map(|line| line.trim_matches(['├', '└', '─', ' ']).to_owned()).collect();
    assert!(features.iter().all(|line| line.starts_with("keyrotor v")), "{features:#?}");
}

#[test]
fn each_dependency_is_used() {
    let fuzz = packages(&["--no-deps", "--manifest-path", "fuzz/Cargo.toml"]);
    let (mut unused, mut seen) = (Vec::new(), 0);
    for package in packages(&["--no-deps"]).iter().chain(&fuzz) {
        let folder = Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap();
        // One of its programs may lie elsewhere.
        let targets = package["targets"].as_array().unwrap().iter();
        let paths = targets.map(|it| std::fs::canonicalize(it["src_path"].as_str().unwrap()).unwrap());
        let elsewhere =
            paths.filter(|path| !path.starts_with(folder)).map(|path| std::fs::read_to_string(path).unwrap());
        let code = elsewhere.fold(code(folder), |all, text| all + "\n" + &text);
        for dependency in package["dependencies"].as_array().unwrap() {
            let name = dependency["rename"].as_str().or(dependency["name"].as_str()).unwrap();
            let path = format!("{}::", name.replace('-', "_"));
            let is_word = |at: usize| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            let is_used = code.match_indices(&path).any(|(at, _)| is_word(at));
            if is_used == CHOSEN_FOR_ANOTHER.contains(&name) {
                unused.push(format!("{}: {name}", package["name"]));
            }
            seen += 1;
        }
    }
    assert!(unused.is_empty(), "not used, or named here and used: {unused:#?}");
    assert!(seen > 50, "only {seen} dependencies were found");
}

#[test]
fn there_is_one_tls_stack() {
    // What is built, for whatever machine: the lock file also has what no feature turns on.
    let tree = cargo(&["tree", "--locked", "--workspace", "--target", "all", "--prefix", "none", "--format", "{p}"]);
    let all: BTreeSet<_> = tree.lines().filter_map(|line| line.split(" (").next()).collect();
    let count = |name: &str| all.iter().filter(|crate_| crate_.split(' ').next() == Some(name)).count();
    for name in ["rustls", "rustls-webpki", "tokio-rustls", "hyper-rustls", "aws-lc-rs", "aws-lc-sys", "reqwest"] {
        assert_eq!(count(name), 1, "{name}");
    }
    for name in ["ring", "boring", "openssl", "openssl-sys", "native-tls", "mbedtls", "s2n-tls", "rsa"] {
        assert_eq!(count(name), 0, "{name}");
    }
}

#[test]
fn no_dependency_wants_a_newer_rust_than_is_stated() {
    let number = |text: &str| {
        let mut parts = text.split('.').map(|part| part.parse::<u32>().unwrap());
        (parts.next().unwrap(), parts.next().unwrap())
    };
    let all = packages(&[]);
    let own = all.iter().find(|package| package["name"] == "keyrotor").unwrap()["rust_version"].as_str().unwrap();
    for package in &all {
        let wanted = package["rust_version"].as_str().map_or((0, 0), number);
        assert!(wanted <= number(own), "{} {} wants Rust {wanted:?}", package["name"], package["version"]);
    }
    for (file, said) in [
        ("CONTRIBUTING.md", format!("Rust toolchain, {own} or newer")),
        (".github/workflows/ci.yml", format!("rustup toolchain install {own} ")),
        (".github/workflows/ci.yml", format!("cargo +{own} build --locked")),
    ] {
        assert!(text(file).contains(&said), "{file} does not say {said:?}");
    }
}

/// What resolves dependencies resolves them as the lock file says.
#[test]
fn nothing_is_built_but_what_is_locked() {
    let mut seen = 0;
    let workflows = std::fs::read_dir(Path::new(ROOT).join(".github/workflows")).unwrap();
    let workflows =
        workflows.map(|entry| format!(".github/workflows/{}", entry.unwrap().file_name().to_str().unwrap()));
    for file in ["test", "Dockerfile", ".cargo/config.toml"].map(str::to_owned).into_iter().chain(workflows) {
        for line in text(&file).replace("\\\n", " ").lines().filter(|line| !line.trim_start().starts_with('#')) {
            let words: Vec<_> = line.split([' ', '"']).filter(|word| !word.starts_with('+')).collect();
            let is_alias = file.ends_with(".toml") && words.contains(&"run");
            let builds = |at: &[&str]| at[0].ends_with("cargo") && BUILDS.contains(&at[1]) && at[2] != "--version";
            if is_alias || words.windows(3).any(builds) {
                assert!(words.contains(&"--locked"), "{file}: {line}");
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "only {seen} builds were found");
}
