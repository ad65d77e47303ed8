//! The config file as someone may write it.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use arbitrary::{Result, Unstructured};
use keyrotor::cli::INPUTS;

use crate::inputs::{UNKNOWN, VALUES, judge, variables};
use crate::text::{hostile, joined, likely, several};

const TARGETS: &[&str] = &[
    "repo:acme/app",
    "repo:acme/app,api",
    "env:acme/app/production",
    "org:acme visibility=selected repos=a",
    "dependabot:acme/app secret=KEY",
    "file:.env#KEY",
    "repo:acme/app # a comment",
];
/// What YAML gives a meaning of its own.
const MARKS: &[&str] = &[
    "- ",
    "? ",
    ": ",
    "&a ",
    "*a",
    "!!str ",
    "!x ",
    "| ",
    "> ",
    "|-\n      x\n",
    "'",
    "\"",
    "[",
    "]",
    "{",
    "}",
    ",",
    "#",
    "%YAML 1.2\n",
    "---\n",
    "...\n",
    "<<: *a",
    "~",
    "yes",
    "0x10",
    "1_000",
    ".inf",
    "\t",
    "\n",
    "\n  ",
    "@",
    "`",
    "\\u0000",
    "\u{feff}",
];

fn field(u: &mut Unstructured<'_>) -> Result<String> {
    let doc = INPUTS.get(u.choose_index(INPUTS.len())?).expect("an input");
    likely(u, &[doc.name, doc.name, "current-key-env", "rotations", "workspace-id", "include-byok-in-limit"])
}

fn value(u: &mut Unstructured<'_>) -> Result<String> {
    let text = likely(u, VALUES)?;
    Ok(match u.int_in_range(0..=5)? {
        0 => format!("'{text}'"),
        1 => format!("\"{text}\""),
        2 => format!("[{text}, {}]", likely(u, VALUES)?),
        3 => joined(u, MARKS, 4)?,
        _ => text,
    })
}

fn rotation(u: &mut Unstructured<'_>) -> Result<String> {
    let mut text = format!("  - key-name: {}\n", likely(u, &["production", "staging", "a"])?);
    for line in several(u, 3, |u| Ok(format!("    {}: {}\n", field(u)?, value(u)?)))? {
        text.push_str(&line);
    }
    if u.ratio(1, 4)? {
        text.push_str("    current-key-env: PRODUCTION_KEY\n");
    }
    let targets = several(u, 3, |u| Ok(format!("      - {}\n", likely(u, TARGETS)?)))?;
    Ok(format!("{text}    targets:\n{}", targets.concat()))
}

fn file(u: &mut Unstructured<'_>) -> Result<String> {
    let mut text = if u.ratio(1, 8)? { joined(u, MARKS, 12)? } else { String::new() };
    for line in several(u, 3, |u| Ok(format!("{}: {}\n", field(u)?, value(u)?)))? {
        text.push_str(&line);
    }
    text.push_str("rotations:\n");
    several(u, 3, rotation)?.iter().for_each(|rotation| text.push_str(rotation));
    // Something in the middle of it.
    if u.ratio(1, 3)? {
        let at = u.int_in_range(0..=text.len())?;
        if text.is_char_boundary(at) {
            text.insert_str(at, &if u.arbitrary()? { joined(u, MARKS, 3)? } else { hostile(u)? });
        }
    }
    Ok(text)
}

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Whatever the config file holds, it is read as the inputs are: to a request within all bounds in which no target stands
/// twice, or to problems in which no secret stands.
///
/// # Errors
/// Where the input is used up.
///
/// # Panics
/// Where that does not hold.
pub fn config_file(u: &mut Unstructured<'_>) -> Result<()> {
    let bytes = if u.ratio(1, 20)? { u.arbitrary()? } else { file(u)?.into_bytes() };
    let name = format!("keyrotor-{}-{}.yml", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(name);
    fs::write(&path, bytes).expect("a file");
    let mut vars = variables();
    vars.retain(|name, _| !["INPUT_KEY-NAME", "INPUT_TARGETS"].contains(&name.as_str()));
    vars.insert("INPUT_CONFIG".into(), path.to_string_lossy().into_owned());
    vars.insert("PRODUCTION_KEY".into(), UNKNOWN.into());
    judge(&vars, &[], u.ratio(1, 8)?);
    fs::remove_file(&path).ok();
    Ok(())
}
