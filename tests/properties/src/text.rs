//! Text that someone wrote who means harm, and JSON that holds it.

use arbitrary::{Result, Unstructured};
use serde_json::{Map, Number, Value};

/// What forges commands, ends lines, opens mark-up, hides or turns text, or is nearly a number, a time or a key.
const PIECES: &[&str] = &[
    "::",
    ":",
    "##[",
    "#",
    "[",
    "]",
    "##[error]",
    "::error::x",
    "::add-mask::",
    "::set-output name=x::",
    "::stop-commands::t",
    "error",
    "group",
    "endgroup",
    "debug",
    "title=",
    ",",
    ";",
    "=",
    "<<",
    "<<EOF",
    "EOF",
    "keyrotor_",
    " ",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "\u{b}",
    "\u{c}",
    "\u{85}",
    "\u{a0}",
    "\u{ad}",
    "\u{200b}",
    "\u{200d}",
    "\u{202e}",
    "\u{2028}",
    "\u{2029}",
    "\u{2066}",
    "\u{3000}",
    "\u{3164}",
    "\u{fe0f}",
    "\u{feff}",
    "\u{2237}",
    "\u{ff1a}",
    "\u{e0041}",
    "\u{301}",
    "\u{1b}[31m",
    "\u{1b}]0;x\u{7}",
    "\u{8}",
    "\0",
    "%0A",
    "%0D",
    "%",
    "%25",
    "%3A",
    "|",
    "`",
    "``",
    "```",
    "~~~",
    "~~",
    "*",
    "**",
    "_",
    "__",
    "<b>",
    "<",
    ">",
    "<!--",
    "-->",
    "<img src=x>",
    "<script>",
    "</details>",
    "<details>",
    "</code>",
    "&lt;",
    "&#60;",
    "&amp;",
    "&",
    "![x](",
    "[x]",
    "(http://evil.test)",
    "http://evil.test",
    "https://",
    "ftp://x",
    "www.evil.test",
    "WWW.",
    "xmpp:a@b.test",
    "mailto:a@b.test",
    "me@evil.test",
    "@octocat",
    "@",
    "#1",
    "$",
    "$$",
    "$x$",
    "\\",
    "\\(",
    "- ",
    "+ ",
    "* ",
    "1. ",
    "1) ",
    "# ",
    "## ",
    "> ",
    "---",
    "===",
    "[^1]",
    "[^1]: x",
    "- [ ] ",
    "> [!NOTE]",
    ":smile:",
    "\"",
    "'",
    "{",
    "}",
    "null",
    "true",
    "false",
    "NaN",
    "1e999",
    "-1",
    "0",
    "00",
    "18446744073709551616",
    "0.1",
    "1.5h",
    "90d",
    "60s",
    "inherit",
    "all",
    "none",
    "never",
    "2026-12-01",
    "2026-12-01T09:00:00Z",
    "2026-12-01T09:00:00+23:59",
    "1793491200",
    "-unconfirmed",
    "-7f3a9c",
    "production",
    "repo:",
    "acme/app",
    "lr_live_",
    "lr_mgmt_",
    "sk-or-v1-",
    "ghp_",
    "…",
    "...",
    "***",
    "\u{2022}",
    "é",
    "日本",
    "\u{1f511}",
    "text",
];

/// Up to a few lines of it.
///
/// # Errors
/// Where the input is used up.
pub fn hostile(u: &mut Unstructured<'_>) -> Result<String> {
    let mut text = String::new();
    for _ in 0..u.int_in_range(0..=10)? {
        match u.int_in_range(0..=7)? {
            0 => text.push(u.arbitrary()?),
            1 => text.push_str(u.arbitrary()?),
            2 => text.push_str(&u.choose(PIECES)?.repeat(u.int_in_range(2..=60)?)),
            _ => text.push_str(u.choose(PIECES)?),
        }
    }
    Ok(text)
}

/// One of these, or hostile text.
///
/// # Errors
/// Where the input is used up.
pub fn likely(u: &mut Unstructured<'_>, choices: &[&str]) -> Result<String> {
    if u.ratio(3, 4)? { Ok((*u.choose(choices)?).to_owned()) } else { hostile(u) }
}

/// Any of these, one behind the other.
///
/// # Errors
/// Where the input is used up.
pub fn joined(u: &mut Unstructured<'_>, pieces: &[&str], most: usize) -> Result<String> {
    let mut text = String::new();
    for _ in 0..u.int_in_range(0..=most)? {
        text.push_str(&likely(u, pieces)?);
    }
    Ok(text)
}

/// Up to so many of whatever is made.
///
/// # Errors
/// Where the input is used up.
pub fn several<T>(
    u: &mut Unstructured<'_>,
    most: usize,
    mut make: impl FnMut(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let count = u.int_in_range(0..=most)?;
    (0..count).map(|_| make(u)).collect()
}

/// A JSON value whose objects have these fields more often than others.
///
/// # Errors
/// Where the input is used up.
pub fn json(u: &mut Unstructured<'_>, fields: &[&str], depth: u32) -> Result<Value> {
    Ok(match u.int_in_range(0..=if depth == 0 { 4 } else { 7 })? {
        0 => Value::Null,
        1 => u.arbitrary::<bool>()?.into(),
        2 => number(u)?,
        3 | 4 => hostile(u)?.into(),
        5 => several(u, 4, |u| json(u, fields, depth - 1))?.into(),
        _ => Value::Object(object(u, fields, depth)?),
    })
}

/// A JSON object with some of these fields.
///
/// # Errors
/// Where the input is used up.
pub fn object(u: &mut Unstructured<'_>, fields: &[&str], depth: u32) -> Result<Map<String, Value>> {
    let pairs = several(u, 8, |u| Ok((likely(u, fields)?, json(u, fields, depth.saturating_sub(1))?)))?;
    Ok(pairs.into_iter().collect())
}

fn number(u: &mut Unstructured<'_>) -> Result<Value> {
    Ok(match u.int_in_range(0..=3)? {
        0 => u.arbitrary::<u64>()?.into(),
        1 => u.arbitrary::<i64>()?.into(),
        2 => Number::from_f64(u.arbitrary()?).map_or(Value::Null, Value::Number),
        _ => u.int_in_range(0..=5)?.into(),
    })
}
