//! How many instructions it takes to seal one secret, counted by valgrind: the same on every run, whatever else the machine
//! does.

use std::process::Command;

use keyrotor::secret::Secret;
use keyrotor::store::github::seal::PublicKey;

/// A public key of X25519: the base point, which every implementation takes.
const PUBLIC_KEY: &str = "CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const FEW: u64 = 10;
const MANY: u64 = 110;

/// Seals so many secrets.
pub(crate) fn seal(count: u64) {
    let key = PublicKey::parse("1", PUBLIC_KEY).unwrap();
    let value = Secret::new("lr_live_0123456789abcdef0123456789abcdef0123456789abcdef".to_owned());
    for _ in 0..count {
        assert!(key.seal(&value).unwrap().len() > 64);
    }
}

/// The difference between many and few, for one.
pub(crate) fn instructions() -> String {
    match (counted(FEW), counted(MANY)) {
        (Some(few), Some(many)) => format!("{} instructions", (many - few) / (MANY - FEW)),
        _ => "not counted: valgrind is missing".to_owned(),
    }
}

fn counted(count: u64) -> Option<u64> {
    let own = std::env::current_exe().ok()?;
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(own).args(["--seal", &count.to_string()]);
    let told = String::from_utf8(valgrind.output().ok()?.stderr).ok()?;
    let line = told.lines().find_map(|line| line.split_once("Collected : "))?;
    line.1.trim().parse().ok()
}
