//! What we seal against libsodium itself: a sealed box that only our own library opens would lock every target out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_box::SecretKey;
use crypto_box::aead::OsRng;
use keyrotor::secret::Secret;
use keyrotor::store::github::seal::PublicKey;
use serde_json::{Value, json};

use crate::peers::programs;

/// `tests/peers/sealed_box.py`, running.
struct Sodium {
    process: Child,
    asks: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Sodium {
    fn start() -> Self {
        let mut process = programs::python("sealed_box.py")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts");
        let asks = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self { process, asks, answers }
    }

    fn ask(&mut self, request: &Value) -> Value {
        writeln!(self.asks.as_mut().unwrap(), "{request}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("PyNaCl's side gave up; run ./test. It said {line:?}"))
    }

    fn text(&mut self, request: &Value, field: &str) -> String {
        let answer = self.ask(request);
        answer[field].as_str().unwrap_or_else(|| panic!("no {field} in {answer}")).to_owned()
    }
}

impl Drop for Sodium {
    fn drop(&mut self) {
        drop(self.asks.take());
        let _ = self.process.wait();
    }
}

fn values() -> [String; 5] {
    ["".into(), "x".into(), "lr_live_0123456789".into(), "schlüssel\n\u{1f511}".into(), "x".repeat(48 * 1024)]
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn libsodium_opens_what_we_seal() {
    let mut sodium = Sodium::start();
    let keys = sodium.ask(&json!({ "do": "keys" }));
    let key = PublicKey::parse("1", keys["public"].as_str().unwrap()).unwrap();
    for value in values() {
        let sealed = key.seal(&Secret::new(value.clone())).unwrap();
        let opened = sodium.text(&json!({ "do": "open", "private": keys["private"], "sealed": sealed }), "opened");
        assert_eq!(STANDARD.decode(opened).unwrap(), value.as_bytes());
    }
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn libsodium_opens_it_with_no_other_key() {
    let mut sodium = Sodium::start();
    let keys = sodium.ask(&json!({ "do": "keys" }));
    let other = sodium.ask(&json!({ "do": "keys" }));
    let key = PublicKey::parse("1", keys["public"].as_str().unwrap()).unwrap();
    let sealed = key.seal(&Secret::new("lr_live_0123456789".into())).unwrap();
    let answer = sodium.ask(&json!({ "do": "open", "private": other["private"], "sealed": sealed }));
    assert_eq!(answer, json!({ "refused": true }));
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn we_open_what_libsodium_seals() {
    let mut sodium = Sodium::start();
    let private = SecretKey::generate(&mut OsRng);
    let public = STANDARD.encode(private.public_key().as_bytes());
    for value in values() {
        let sealed =
            sodium.text(&json!({ "do": "seal", "public": public, "value": STANDARD.encode(&value) }), "sealed");
        assert_eq!(private.unseal(&STANDARD.decode(sealed).unwrap()).unwrap(), value.as_bytes());
    }
}
