//! What holds of any input, tried on random ones. `fuzz/` looks on.
//!
//! A failure prints the seed of the input: `ARBTEST_SEED=0x… cargo test --test it properties::targets` tries it again.
//! `ARBTEST_BUDGET_MS=60000` tries for a minute.

#![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

use std::collections::BTreeSet;
use std::path::Path;

use arbtest::arbtest;
use keyrotor_properties::{ALL, of};

/// More bytes make larger inputs, not other ones.
const MAX_BYTES: u32 = 4096;
/// Unless the environment says otherwise.
const BUDGET_MS: u64 = 1500;

fn holds(name: &str) {
    let property = of(name);
    let test = arbtest(property).size_max(MAX_BYTES);
    if std::env::var_os("ARBTEST_BUDGET_MS").is_some() { test.run() } else { test.budget_ms(BUDGET_MS).run() }
}

macro_rules! properties {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                holds(stringify!($name));
            }
        )*

        const TRIED: &[&str] = &[$(stringify!($name)),*];
    };
}

properties!(inputs, config_file, values, targets, names, labels, story, summary, issuer, github);

/// Fuzz targets are compiled elsewhere, so each has to be word for word as it should.
#[test]
fn every_property_is_tried_and_fuzzed() {
    let known: BTreeSet<&str> = ALL.iter().map(|(name, _)| *name).collect();
    assert_eq!(TRIED.iter().copied().collect::<BTreeSet<_>>(), known);
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let targets = std::fs::read_dir(fuzz.join("fuzz_targets")).unwrap();
    let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    assert_eq!(targets.count(), known.len());
    let workflow = std::fs::read_to_string(fuzz.join("../.github/workflows/fuzz.yml")).unwrap();
    let all = ALL.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    assert!(workflow.contains(&format!("property: [{all}]")), "{all}");
    for name in known {
        let text = std::fs::read_to_string(fuzz.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        let expected = format!(
            "#![no_main]\n\nuse keyrotor_fuzz::tried;\nuse libfuzzer_sys::{{Corpus, fuzz_target}};\n\n\
             fuzz_target!(|data: &[u8]| -> Corpus {{ tried(\"{name}\", data) }});\n"
        );
        assert_eq!(text, expected);
        assert!(
            manifest.contains(&format!("[[bin]]\nname = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"\n")),
            "{name}"
        );
    }
}
