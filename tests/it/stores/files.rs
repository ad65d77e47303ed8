//! `file:` targets: one variable of a `.env` file, written by the real program.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyrotor::http::Trace;
use keyrotor::rotation::model::{Entry, Held};
use keyrotor::rotation::ports::SecretStore;
use keyrotor::secret::{Redactor, Secret};
use keyrotor::store::target::{SecretName, parse};
use keyrotor::store::{StoreContext, Stores};
use keyrotor_fake::{Action, Dialect, Fault};
use serde_json::{Value, json};

use crate::harness::{Ran, SECRET, Setting, Stage};
use crate::peers::programs;

/// A file with everything in it that has to stay as it is.
const AROUND: &str = "# keys\r\n  export AROUTER_API_KEY = \"\" # of production\r\n\r\nOTHER='two\nlines'\nLAST=1";

fn stage(places: &[&str]) -> Stage {
    Setting::new(Dialect::Mgmt).places(places).with_current_key().stage()
}

/// A stage whose file says more than the key, with the key where it belongs.
fn furnished(places: &[&str]) -> (Stage, PathBuf) {
    let stage = stage(places);
    let value = stage.held()[0].clone().unwrap();
    let path = stage.path(".env");
    fs::write(&path, AROUND.replacen("\"\"", &format!("\"{value}\""), 1)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    stage.world.read(|state| state.files.age(Duration::from_secs(40 * 24 * 3600)));
    (stage, path)
}

fn text(path: &PathBuf) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn only_the_value_changes_and_no_token_is_asked_for() {
    let (stage, path) = furnished(&["file:.env#AROUTER_API_KEY"]);
    let old = stage.held()[0].clone().unwrap();
    let before = text(&path);
    let snapshot = stage.snapshot();
    let ran = stage.action().secret("github-token", "").run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    stage.check_truthful(&snapshot, &ran).unwrap();
    stage.check_healed().unwrap();
    let new = stage.held()[0].clone().unwrap();
    assert_eq!(text(&path), before.replace(&old, &new));
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
    assert!(ran.tells("file:.env#AROUTER_API_KEY"), "{}", ran.log());
    assert!(ran.requests.iter().all(|request| request.server != keyrotor_fake::Server::GitHub));
}

#[test]
fn with_a_repository_that_refuses_the_file_is_as_it_was_byte_for_byte() {
    let (stage, path) = furnished(&["file:.env#AROUTER_API_KEY", "repo:acme/app"]);
    let before = text(&path);
    // The file is written first: it was not written for longest.
    stage.world.by_hand(|state| state.files.age(Duration::from_secs(60)));
    stage.world.fault("github:PUT:1x99:status=451");
    let snapshot = stage.snapshot();
    let ran = stage.run();
    assert_eq!((ran.status(), ran.output("outcome")), (1, "rolled-back"), "{}", ran.log());
    stage.check_truthful(&snapshot, &ran).unwrap();
    assert_eq!(text(&path), before);
}

#[test]
fn a_missing_variable_is_appended_and_goes_again_when_the_rotation_is_undone() {
    for (begin, end) in [
        ("A=1", "A=1\nAROUTER_API_KEY=*\n"),
        ("A=1\r\n", "A=1\r\nAROUTER_API_KEY=*\r\n"),
        ("AROUTER_API_KEY=\n", "AROUTER_API_KEY=*\n"),
    ] {
        let stage = stage(&["repo:acme/app", "file:.env#AROUTER_API_KEY"]);
        stage.world.by_hand(|_| stage.put(".env", begin));
        let path = stage.path(".env");
        stage.world.fault("github:PUT:1x99:status=451");
        let ran = stage.run();
        assert_eq!(ran.status(), 1, "{}", ran.log());
        assert_eq!(text(&path), begin);
        stage.world.clear_faults();
        let ran = stage.run();
        assert_eq!(ran.status(), 0, "{}", ran.log());
        assert_eq!(text(&path), end.replace('*', &stage.held()[0].clone().unwrap()));
    }
}

#[test]
fn a_missing_file_is_made_for_its_owner_alone() {
    let stage = stage(&["repo:acme/app", "file:.env#AROUTER_API_KEY"]);
    stage.world.by_hand(|_| fs::remove_file(stage.path(".env")).unwrap());
    let ran = stage.run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    stage.check_healed().unwrap();
    assert_eq!(fs::metadata(stage.path(".env")).unwrap().mode() & 0o7777, 0o600);
}

#[test]
fn two_variables_of_one_file_are_two_targets() {
    let stage = stage(&["file:.env#A_KEY", "file:.env#B_KEY", "repo:acme/app"]);
    let before = text(&stage.path(".env"));
    stage.world.fault("github:PUT:1x99:status=451");
    let snapshot = stage.snapshot();
    let ran = stage.run();
    assert_eq!(ran.status(), 1, "{}", ran.log());
    stage.check_truthful(&snapshot, &ran).unwrap();
    assert_eq!(text(&stage.path(".env")), before);
    stage.world.clear_faults();
    assert_eq!(stage.run().status(), 0);
    stage.check_healed().unwrap();
}

#[test]
fn a_symbolic_link_stays_one() {
    let stage = stage(&["file:.env#AROUTER_API_KEY"]);
    fs::create_dir(stage.path("shared")).unwrap();
    fs::rename(stage.path(".env"), stage.path("shared/real.env")).unwrap();
    symlink("shared/real.env", stage.path(".env")).unwrap();
    let ran = stage.run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    stage.check_healed().unwrap();
    assert_eq!(fs::read_link(stage.path(".env")).unwrap(), PathBuf::from("shared/real.env"));
    assert_eq!(fs::read_dir(stage.path("shared")).unwrap().count(), 1, "something was left behind");
}

/// Nothing is made, the file is as it was, and the report says this.
fn refused(stage: &Stage, ran: &Ran, says: &[&str]) {
    assert_eq!((ran.status(), ran.output("outcome")), (1, "unchanged"), "{}", ran.log());
    assert!(ran.requests.iter().all(|request| request.method == "GET"), "{}", ran.log());
    for words in says {
        assert!(ran.tells(words), "{words}: {}", ran.log());
    }
    stage.check_no_outage().unwrap();
}

#[test]
fn a_file_that_cant_be_written_well_is_told_before_a_key_is_made() {
    type Spoil = fn(&Stage);
    let cases: [(Spoil, &[&str]); 7] = [
        (|it| fs::hard_link(it.path(".env"), it.path("other")).unwrap(), &["file:.env", "2 names (hard links)"]),
        (|it| _ = it.put(".env", "AROUTER_API_KEY=a\nAROUTER_API_KEY=b\n"), &["set on line 1 and again on line 2"]),
        (|it| _ = it.put(".env", "X=1\nAROUTER_API_KEY='a\n"), &["line 2", "not closed"]),
        (
            |it| {
                fs::remove_file(it.path(".env")).unwrap();
                symlink("nowhere", it.path(".env")).unwrap();
            },
            &["symbolic link", "does not exist"],
        ),
        (
            |it| {
                fs::remove_file(it.path(".env")).unwrap();
                fs::create_dir(it.path(".env")).unwrap();
            },
            &["not a file"],
        ),
        (
            // Whoever opens a pipe waits for somebody who writes into it.
            |it| {
                fs::remove_file(it.path(".env")).unwrap();
                assert!(Command::new("mkfifo").arg(it.path(".env")).status().unwrap().success());
            },
            &["not a file"],
        ),
        (|it| _ = it.put(".env", vec![b'#'; 1024 * 1024 + 1]), &["larger than 1 MiB"]),
    ];
    for (spoil, says) in cases {
        let stage = stage(&["repo:acme/app", "file:.env#AROUTER_API_KEY"]);
        stage.world.by_hand(|_| spoil(&stage));
        refused(&stage, &stage.run(), says);
    }
    let stage = stage(&["repo:acme/app"]);
    let ran = stage.action().input("targets", "repo:acme/app\nfile:no/such/.env").run();
    refused(&stage, &ran, &["file:no/such/.env#AROUTER_API_KEY", "folder"]);
}

/// To write a variable into it would break the file, or put a plain key where only encrypted ones belong.
#[test]
fn what_is_no_env_file_stays_as_it_is() {
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    for (written, kind) in [
        ([b"\xff\xfe".to_vec(), utf16("AROUTER_API_KEY=*\n")].concat(), "UTF-16 text"),
        (utf16("AROUTER_API_KEY=*\n"), "UTF-16 or binary"),
        (
            b"AROUTER_API_KEY=ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]\nsops_mac=ENC[x]\n".to_vec(),
            "encrypted by SOPS",
        ),
        (b"AROUTER_API_KEY=*\nsops_version=3.9.0\n".to_vec(), "encrypted by SOPS"),
        (b"DOTENV_PUBLIC_KEY=\"03ab\"\nAROUTER_API_KEY=\"encrypted:B\"\n".to_vec(), "encrypted by dotenvx"),
        (b"$ANSIBLE_VAULT;1.1;AES256\n616263\n".to_vec(), "encrypted by Ansible Vault"),
        (b"{\"AROUTER_API_KEY\": \"*\"}\n".to_vec(), "JSON"),
        (b"[keys]\nAROUTER_API_KEY = \"*\"\n".to_vec(), "TOML or INI"),
        (b"# keys\nAROUTER_API_KEY: *\n".to_vec(), "YAML"),
        (b"*\n".to_vec(), "text in which no line sets a variable"),
    ] {
        let stage = stage(&["repo:acme/app", "file:.env#AROUTER_API_KEY"]);
        let value = stage.held()[0].clone().unwrap();
        let put = |byte: &u8| if *byte == b'*' { value.clone().into_bytes() } else { vec![*byte] };
        let before: Vec<u8> = written.iter().flat_map(put).collect();
        stage.world.by_hand(|_| stage.put(".env", &before));
        let ran = stage.run();
        refused(&stage, &ran, &["file:.env#AROUTER_API_KEY", "it is no `.env` file", kind, "a `.env` file of lines"]);
        assert_eq!(fs::read(stage.path(".env")).unwrap(), before, "{kind}");
    }
}

#[test]
fn two_paths_to_one_file_are_one_target() {
    let stage = stage(&["file:.env#AROUTER_API_KEY"]);
    fs::create_dir(stage.path("x")).unwrap();
    symlink(".env", stage.path("link.env")).unwrap();
    symlink(".", stage.path("here")).unwrap();
    let run = |targets: &str| stage.action().input("targets", targets).run();
    for (one, other) in [
        (".env", "link.env"),
        (".env", "x/../.env"),
        ("here/.env", "link.env"),
        ("none.env", "here/none.env"),
        (".env", "hard.env"),
    ] {
        if other == "hard.env" {
            fs::hard_link(stage.path(".env"), stage.path("hard.env")).unwrap();
        }
        let ran = run(&format!("file:{one}\nfile:{other}"));
        assert_eq!(ran.status(), 2, "{}", ran.log());
        let words = format!("`file:{one}` and `file:{other}` are two spellings of one place: expected one");
        assert!(ran.tells(&words), "{words}: {}", ran.log());
        assert!(ran.requests.is_empty());
    }
    fs::remove_file(stage.path("hard.env")).unwrap();
    let apart = run("file:.env#AROUTER_API_KEY,OTHER\nfile:x/.env#OTHER");
    assert_eq!(apart.status(), 0, "two variables of one file are two targets\n{}", apart.log());
    let other_path = run("file:.env\nfile:link.env#OTHER");
    assert_eq!(other_path.status(), 2, "{}", other_path.log());

    let config = "rotations:\n  - key-name: production\n    targets: [\"file:.env\"]\n  - key-name: staging\n    \
                  targets: [\"file:x/../.env\"]\n";
    let path = stage.put("keyrotor.yml", config);
    let ran =
        stage.cli().input("config", &path).input("key-name", "").input("targets", "").secret("current-key", "").run();
    assert_eq!(ran.status(), 2, "{}", ran.log());
    let words = "is the file `.env` on line 3, and these are two spellings of one place: expected one";
    assert!(ran.log().contains(words), "{}", ran.log());
}

/// White space around a key does not make it another one: it was there for a reason, and is there again.
#[test]
fn a_key_with_white_space_around_it_is_put_back_byte_for_byte() {
    for written in ["\"*\\n\"", "' * '", "\"*\n\""] {
        let (stage, path) = furnished(&["file:.env#AROUTER_API_KEY", "repo:acme/app"]);
        let value = stage.held()[0].clone().unwrap();
        let before = text(&path).replace(&format!("\"{value}\""), &written.replace('*', &value));
        stage.world.by_hand(|state| {
            stage.put(".env", &before);
            state.files.age(Duration::from_secs(40 * 24 * 3600 + 60));
        });
        stage.world.fault("github:PUT:1x99:status=451");
        let ran = stage.run();
        assert_eq!((ran.status(), ran.output("outcome")), (1, "rolled-back"), "{written}\n{}", ran.log());
        assert_eq!(text(&path), before);
    }
}

#[test]
fn a_file_that_gets_a_second_name_meanwhile_refuses_and_all_is_put_back() {
    let stage = stage(&["repo:acme/app", "file:.env#AROUTER_API_KEY"]);
    let snapshot = stage.snapshot();
    let ran = stage.run_with_file_linked_meanwhile();
    assert_eq!((ran.status(), ran.output("outcome")), (1, "rolled-back"), "{}", ran.log());
    assert!(ran.tells("hard links"), "{}", ran.log());
    stage.check_truthful(&snapshot, &ran).unwrap();
}

#[test]
fn what_a_killed_run_left_half_written_goes_with_the_next_write() {
    let stage = stage(&["file:.env#AROUTER_API_KEY"]);
    let [old, young] = [".env", ".env"].map(|name| format!(".{name}.keyrotor-"));
    let (old, young) = (format!("{old}00000000deadbeef"), format!("{young}00000000cafebabe"));
    stage.put(&old, "AROUTER_API_KEY=x");
    stage.put(&young, "AROUTER_API_KEY=x");
    let hour = SystemTime::now() - Duration::from_secs(3600);
    fs::File::options().append(true).open(stage.path(&old)).unwrap().set_modified(hour).unwrap();
    assert_eq!(stage.run().status(), 0);
    assert!(!stage.path(&old).exists() && stage.path(&young).exists());
}

#[test]
fn a_run_that_changes_nothing_leaves_the_file_alone() {
    let (stage, path) = furnished(&["file:.env#AROUTER_API_KEY"]);
    let mark = |path: &PathBuf| fs::metadata(path).map(|it| (it.ino(), it.mtime_nsec(), it.ctime_nsec())).unwrap();
    let before = mark(&path);
    for run in [stage.action().input("dry-run", "true"), stage.action().input("rotate-after", "90d")] {
        let ran = run.run();
        assert_eq!(ran.status(), 0, "{}", ran.log());
    }
    assert_eq!(mark(&path), before);
}

#[test]
fn killed_or_stopped_anywhere_the_file_holds_a_live_key_and_the_next_run_heals() {
    let places = ["file:.env#AROUTER_API_KEY", "repo:acme/app"];
    let clean = stage(&places).run();
    assert_eq!(clean.status(), 0, "{}", clean.log());
    let cases: Vec<_> = (1..=clean.requests.len())
        .flat_map(|nth| Action::all_signals().into_iter().map(move |act| Fault { nth, ..Fault::at(nth, act) }))
        .filter(|fault| {
            !matches!(
                fault.act,
                Action::Signal { signal: keyrotor_fake::Signal::Stop | keyrotor_fake::Signal::Cont, .. }
            )
        })
        .collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(|| {
                while let Some(fault) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let stage = stage(&places);
                    stage.world.add_fault(fault.clone());
                    let before = stage.snapshot();
                    let ran = stage.run();
                    stage.check_truthful(&before, &ran).unwrap_or_else(|wrong| panic!("{fault}: {wrong}"));
                    stage.world.clear_faults();
                    let healing = stage.action().input("grace-period", "0s").run();
                    assert_eq!(healing.status(), 0, "{fault}: {}\nafter {}", healing.log(), ran.log());
                    stage.check_healed().unwrap_or_else(|wrong| panic!("{fault}: {wrong}"));
                }
            });
        }
    });
}

/// Ways in which people write such files. `*`: the value, or nothing.
const WRITTEN: &[&str] = &[
    "KEY=*",
    "KEY=*\n",
    "KEY=*\r\nB=2\r\n",
    "A=1\nexport KEY=*  # why\nB=\"x\\ny\"\n",
    "  KEY = '*'# why\nB=2",
    "KEY=\"*\"\nKEYS=3\nB='it''s'\n",
    "A='KEY=x\nKEY=y'\nKEY=*\n",
    "A=\"\nKEY=x\n\"\nKEY='*'\n",
    "# KEY=no\n#KEY=no\n\n\nKEY=*   \n",
    "A=1",
    "",
    "KEY=\nB=2\n",
    "KEY=''\nB=2\n",
    "B=a#b\nKEY=*#tail\n",
    "EMPTY=\nB=${EMPTY}x\nKEY=*\n",
    "URL=postgres://u:p@h/d?x=1&y=2\nKEY=*\nJSON='{\"a\": \"KEY=b\"}'\n",
];

fn around() -> StoreContext {
    StoreContext {
        client: reqwest::Client::new(),
        request_timeout: Duration::from_secs(1),
        variables: Default::default(),
        now: std::rc::Rc::new(jiff::Timestamp::now),
        hide: std::rc::Rc::new(|_| ()),
        redactor: Redactor::new(),
        trace: Trace::default(),
    }
}

/// The store of one target.
fn open(target: &str, around: StoreContext) -> Box<dyn SecretStore> {
    let (targets, wrong) = parse(target, &SecretName::parse(SECRET).unwrap());
    assert_eq!(wrong, []);
    Stores::new(None, around).open(&targets).remove(0)
}

/// Every file of the table as it was, and as it is after the store wrote `value`.
async fn rewritten(folder: &std::path::Path, value: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut files = Vec::new();
    for (at, written) in WRITTEN.iter().enumerate() {
        let (path, before) = (folder.join(format!("{at}.env")), written.replace('*', "old_0123456789"));
        fs::write(&path, &before).unwrap();
        let store = open(&format!("file:{}#KEY", path.display()), around());
        store.observe().await.unwrap();
        store.write(&Secret::new(value.to_owned())).await.unwrap();
        assert_eq!(store.read_back().await.unwrap().unwrap().expose(), value);
        files.push((before.into_bytes(), fs::read(&path).unwrap()));
    }
    files
}

#[tokio::test]
#[ignore = "needs what ./test prepares in .check"]
async fn others_parsers_read_the_new_value_and_everything_else_as_before() {
    let folder = stage(&["repo:acme/app"]);
    for value in ["lr_live_0123456789abcdefABCDEF", "sk-or-v1-0a/b+c=d", "with space # and \"quotes\""] {
        let files = rewritten(&folder.path("."), value).await;
        for mut reader in [programs::python("dotenv_read.py"), programs::script("dotenv_read.mjs")] {
            let encoded = |file: &Vec<u8>| STANDARD.encode(file);
            let all: Vec<_> = files.iter().flat_map(|(before, after)| [encoded(before), encoded(after)]).collect();
            let read = programs::json_of_input(&mut reader, &json!(all).to_string());
            for (at, pair) in read.as_array().unwrap().chunks(2).enumerate() {
                let mut expected = pair[0].clone();
                expected["KEY"] = Value::from(value);
                assert_eq!(pair[1], expected, "{reader:?}: {:?}", String::from_utf8_lossy(&files[at].1));
            }
        }
    }
}

/// A file has one time for all that is in it. What it holds tells whether the key was touched.
#[test]
fn an_edit_of_another_variable_is_no_write_of_the_key() {
    let (stage, path) = furnished(&["file:.env#AROUTER_API_KEY"]);
    assert_eq!(stage.run().status(), 0);
    let run = || stage.action().input("rotate-after", "30d").run();
    for _ in 0..2 {
        stage.world.advance(Duration::from_secs(24 * 3600));
        fs::write(&path, format!("{}\nMORE=1", text(&path))).unwrap();
        let ran = run();
        assert_eq!((ran.status(), ran.output("outcome")), (0, "not-due"), "{}", ran.log());
    }
    stage.world.advance(Duration::from_secs(30 * 24 * 3600));
    let ran = run();
    assert!(ran.rotated() && ran.status() == 0, "{}", ran.log());
    stage.check_healed().unwrap();
}

/// What a target holds may be somebody else's: it is not tried at the issuer to learn whose it is.
#[test]
fn a_strangers_secret_in_a_target_is_not_sent_to_the_issuer() {
    let (stage, path) = furnished(&["file:.env#AROUTER_API_KEY", "repo:acme/app"]);
    assert_eq!(stage.run().status(), 0);
    stage.world.advance(Duration::from_secs(24 * 3600));
    let held = stage.held()[0].clone().unwrap();
    fs::write(&path, text(&path).replace(&held, "somebody-elses-0123456789")).unwrap();
    let ran = stage.action().secret("current-key", "").input("rotate-after", "30d").run();
    assert_eq!(ran.status(), 3, "{}", ran.log());
    assert!(!format!("{:?}", ran.requests).contains("somebody-elses"), "{}", ran.log());
}

/// Names and values of what lies beside a target, by the targets that would name them.
fn told(entries: &[Entry]) -> Vec<(&str, Option<&str>)> {
    entries.iter().map(|it| (it.target.as_str(), it.value.as_ref().map(Secret::expose))).collect()
}

#[tokio::test]
async fn a_look_shows_what_else_the_file_has_and_hides_what_is_like_a_key() {
    let folder = stage(&["repo:acme/app"]);
    let other_key = "sk0123456789abcdefghij";
    let text = format!("MODEL=claude-sonnet-4-20250514\nKEY='a key '\nOTHER={other_key}\nNONE=\nREF=${{KEY}}\n");
    folder.put(".env", text);
    let path = folder.path(".env").display().to_string();
    let hidden = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let learnt = std::rc::Rc::clone(&hidden);
    let hide = std::rc::Rc::new(move |secret: &Secret| learnt.borrow_mut().push(secret.expose().to_owned()));
    let store = open(&format!("file:{path}#KEY accept=Other,REF"), StoreContext { hide, ..around() });
    assert!(store.contents().others.is_empty(), "nothing was seen yet");
    store.observe().await.unwrap();
    let contents = store.contents();
    assert_eq!(contents.value.as_ref().map(Secret::expose), Some("a key "));
    let at = |name: &str| format!("file:{path}#{name}");
    let (model, other, none, reference) = (at("MODEL"), at("OTHER"), at("NONE"), at("REF"));
    let expected = [
        (model.as_str(), Some("claude-sonnet-4-20250514")),
        (&other, Some(other_key)),
        (&none, None),
        (&reference, Some("${KEY}")),
    ];
    assert_eq!(told(&contents.others), expected);
    assert!(contents.others.iter().all(|it| it.written.is_some()));
    assert_eq!(contents.accepted, ["Other", "REF"]);
    assert_eq!(*hidden.borrow(), [other_key.to_owned()]);
}

#[tokio::test]
async fn other_files_of_the_folder_that_are_called_like_env_files_are_read_too() {
    let folder = stage(&["repo:acme/app"]);
    let put = |name: &str, text: &str| {
        folder.put(name, text);
        folder.path(name).display().to_string()
    };
    let path = put(".envv", "");
    let (env, prod) = (put(".env", "KEY=one\nA=\n"), put("prod.env", "KEY=two\n"));
    put(".env.json", "{\"KEY\": \"three\"}");
    put("notes.txt", "KEY=four\n");
    put("..env.keyrotor-0123456789abcdef", "KEY=five\n");
    symlink(".envv", folder.path(".env.link")).unwrap();
    assert!(Command::new("mkfifo").arg(folder.path(".env.pipe")).status().unwrap().success());
    let store = open(&format!("file:{path}#KEY"), around());
    assert_eq!(store.observe().await.unwrap().held, Held::Nothing);
    let found = store.elsewhere().await.unwrap();
    let at = |path: &str, name: &str| format!("file:{path}#{name}");
    let (one, empty, two) = (at(&env, "KEY"), at(&env, "A"), at(&prod, "KEY"));
    assert_eq!(told(&found), [(one.as_str(), Some("one")), (&empty, None), (&two, Some("two"))]);
}
