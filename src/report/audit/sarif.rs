//! The audit as SARIF 2.1.0, with what GitHub's code scanning asks for beyond the standard: a file and a line for each
//! result, fingerprints that tell two findings at the same line apart, a severity for each rule.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::text::sentence;
use super::{Cleaner, FindingCleaner};
use crate::audit::{Audit, Finding, Rule};
use crate::secret::Redactor;

/// Code scanning refuses a file with more results than this.
const MAX_RESULTS: usize = 25_000;
const NO_RESULTS: &str = "\"results\":[]";
const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
const HOME: &str = "https://github.com/keyrotor/keyrotor";
/// The page that explains every rule.
const RULES: &str = "blob/main/docs/audit.md#the-audit";

/// Writes the findings as a SARIF file, one by one. `file` is the address from the repository's root that they are shown beside, and
/// `has_lines` whether a rotation's line is one of that file.
///
/// # Errors
/// Where it can't be written.
pub fn sarif(audit: &Audit, redactor: &Redactor, file: &str, has_lines: bool, to: &mut dyn Write) -> io::Result<()> {
    let cleaner = Cleaner(redactor);
    let mut cleaner = FindingCleaner::new(&cleaner);
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "keyrotor",
                "informationUri": HOME,
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": Rule::ALL.map(rule),
            }},
            "automationDetails": { "id": "keyrotor-audit/" },
            "columnKind": "utf16CodeUnits",
            "results": [],
        }],
    });
    let log = redactor.scrub(&log.to_string());
    let (begin, end) = log.split_once(NO_RESULTS).unwrap_or((&log, ""));
    write!(to, "{begin}\"results\":[")?;
    for (at, finding) in audit.findings().into_iter().take(MAX_RESULTS).enumerate() {
        let result = result(&cleaner.clean(finding.clone()), file, has_lines).to_string();
        write!(to, "{}{}", if at > 0 { "," } else { "" }, redactor.scrub(&result))?;
    }
    writeln!(to, "]{end}")
}

fn rule(rule: Rule) -> Value {
    let about = rule.about();
    json!({
        "id": about.id,
        "name": about.id,
        "shortDescription": { "text": about.title },
        "fullDescription": { "text": about.why },
        "help": { "text": about.why, "markdown": format!("{} See [the audit's rules]({HOME}/{RULES}).", about.why) },
        "helpUri": format!("{HOME}/{RULES}"),
        "defaultConfiguration": { "level": "warning" },
        "properties": { "precision": "high", "security-severity": about.severity, "tags": ["security"] },
    })
}

fn result(finding: &Finding, file: &str, has_lines: bool) -> Value {
    let line = finding.rotation.as_ref().map(|(_, line)| *line).filter(|_| has_lines).unwrap_or(1).max(1);
    let index = Rule::ALL.iter().position(|rule| *rule == finding.rule);
    json!({
        "ruleId": finding.rule.id(),
        "ruleIndex": index,
        "level": finding.level.word(),
        "message": { "text": plain(&sentence(finding)) },
        "locations": [{
            "physicalLocation": {
                "artifactLocation": { "uri": file, "uriBaseId": "%SRCROOT%" },
                "region": { "startLine": line },
            },
        }],
        "partialFingerprints": { "primaryLocationLineHash": fingerprint(finding) },
    })
}

/// Text that holds no link and no placeholder, as 3.11.5 and 3.11.6 of the standard have it.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '[' | ']' => plain.push('\\'),
            '{' | '}' => plain.push(c),
            _ => {}
        }
        plain.push(c);
    }
    plain
}

/// The same for a finding in every run, whatever becomes of the file: of the rule, and of the key's or rotation's name.
fn fingerprint(finding: &Finding) -> String {
    let key = finding.key.as_ref().map(|key| key.0.0.as_str()).unwrap_or_default();
    let rotation = finding.rotation.as_ref().filter(|_| key.is_empty()).map(|(name, _)| name.as_str());
    let parts = [finding.rule.id(), key, rotation.unwrap_or_default()];
    format!("{:016x}:1", fnv(parts.join("\n").as_bytes()))
}

/// FNV-1a: short, and the same in every version of this program and of Rust.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
