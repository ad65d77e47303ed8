//! Undoes what servers, shells and editors do to a text: a secret in it is looked for in every reading.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::is_seen;

/// So many encodings around each other are undone.
const DEPTH: usize = 4;

/// Escapes of escapes: `%2525…`.
const ESCAPES: usize = 6;

/// Shorter runs hold no piece that is looked for.
const SHORTEST_HEX: usize = 2 * super::PIECE;
const SHORTEST_BASE64: usize = super::PIECE * 4 / 3;

/// So many bytes are looked at for each byte of a text, and for an empty one. A text that asks for more was made to.
const BUDGET: usize = 200;
const LEAST_BUDGET: usize = 64 * 1024;

/// As it is found in the middle of another text: the last group is cut anywhere.
const CUT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
);

/// Whether any reading of the text is one that `is_it` picks; also where there are too many to look at.
pub(super) fn any_reading(text: &str, is_it: &dyn Fn(&str) -> bool) -> bool {
    let mut budget = text.len().saturating_mul(BUDGET).saturating_add(LEAST_BUDGET);
    any(text, DEPTH, &mut budget, is_it)
}

fn any(text: &str, depth: usize, budget: &mut usize, is_it: &dyn Fn(&str) -> bool) -> bool {
    let mut reading = Zeroizing::new(text.to_owned());
    for _ in 0..ESCAPES {
        let Some(left) = budget.checked_sub(reading.len()) else { return true };
        *budget = left;
        let seen: Zeroizing<String> = Zeroizing::new(reading.chars().filter(|c| is_seen(*c)).collect());
        if is_it(&seen) || (depth > 0 && inside(&reading, &seen, depth, budget, is_it)) {
            return true;
        }
        // An escape may be cut by what is not seen, and whole again where that is taken out.
        match unescaped(&seen) {
            Some(next) => reading = next,
            None => return false,
        }
    }
    false
}

/// The same of what the text is an encoding of. What is no text there holds nothing of a secret.
fn inside(text: &str, seen: &str, depth: usize, budget: &mut usize, is_it: &dyn Fn(&str) -> bool) -> bool {
    // Where a list is wrapped the break may stand within a number.
    let lists = [text, seen].into_iter().filter_map(decimal);
    let found = hexadecimal(seen).into_iter().chain(lists).chain(base64(seen));
    found.into_iter().any(|bytes| printed(&bytes).any(|text| any(text, depth - 1, budget, is_it)))
}

/// The pieces of text in decoded bytes that are long enough. Most of what is decoded was no encoding.
fn printed(bytes: &[u8]) -> impl Iterator<Item = &str> {
    let is_text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace() || *byte == 0 || !byte.is_ascii();
    let runs = bytes.split(move |byte| !is_text(byte)).flat_map(<[u8]>::utf8_chunks).map(|chunk| chunk.valid());
    runs.filter(|run| run.len() >= super::PIECE)
}

type Bytes = Zeroizing<Vec<u8>>;

/// Digits in any case, with anything between them that separates bytes.
fn hexadecimal(seen: &str) -> Vec<Bytes> {
    let mut plain = Zeroizing::new(seen.replace("0x", "").replace("0X", ""));
    plain.retain(|c| !matches!(c, ':' | '-' | ',' | '.' | '_' | ';' | '|' | '/' | '"' | '\''));
    let runs = plain.split(|c: char| !c.is_ascii_hexdigit()).filter(|run| run.len() >= SHORTEST_HEX);
    runs.flat_map(|run| [run, run.get(1..).unwrap_or_default()]).map(of_hex).collect()
}

fn of_hex(digits: &str) -> Bytes {
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap_or_default(), 16).ok();
    Zeroizing::new(digits.as_bytes().chunks_exact(2).filter_map(byte).collect())
}

/// A list of bytes as many languages print it.
fn decimal(text: &str) -> Option<Bytes> {
    let numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty());
    let bytes: Bytes = Zeroizing::new(numbers.filter_map(|number| number.parse().ok()).collect());
    Some(bytes).filter(|bytes| bytes.len() >= super::PIECE)
}

/// Both alphabets, at any of the four places where a group may begin.
fn base64(seen: &str) -> Vec<Bytes> {
    let one = Zeroizing::new(seen.replace('-', "+").replace('_', "/"));
    let is_digit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    let runs = one.split(|c: char| !is_digit(c)).filter(|run| run.len() >= SHORTEST_BASE64);
    let placed = runs.flat_map(|run| (0..4).filter_map(move |skipped| run.get(skipped..)));
    placed.filter_map(of_base64).collect()
}

fn of_base64(run: &str) -> Option<Bytes> {
    // One digit alone is no byte.
    let whole = run.len() - usize::from(run.len() % 4 == 1);
    CUT.decode(run.get(..whole)?).ok().map(Zeroizing::new)
}

/// With percent-encoding, character references and backslashes taken for what they stand for; `None` where there are none.
fn unescaped(text: &str) -> Option<Zeroizing<String>> {
    let mut changed = false;
    let mut out = Zeroizing::new(String::with_capacity(text.len()));
    let mut rest = text;
    while let Some(at) = rest.find(['%', '&', '\\']) {
        let (before, mark) = rest.split_at(at);
        out.push_str(before);
        let read = escape(mark);
        changed |= read.is_some();
        let (c, length) = read.or_else(|| mark.chars().next().map(|c| (c, c.len_utf8()))).unwrap_or((' ', 1));
        out.push(c);
        rest = mark.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    changed.then_some(out)
}

/// The character that an escape at the text's start stands for, and how long the escape is.
fn escape(text: &str) -> Option<(char, usize)> {
    let hex = |digits: &str| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
    if let Some(rest) = text.strip_prefix('%') {
        return Some((hex(rest.get(..2)?)?, 3));
    }
    if text.starts_with('&') {
        return reference(text);
    }
    let rest = text.strip_prefix('\\')?;
    if let Some((digits, _)) = rest.strip_prefix("u{").and_then(|braced| braced.split_once('}')) {
        return Some((hex(digits)?, digits.len() + 4));
    }
    match rest.chars().next()? {
        'u' => Some((hex(rest.get(1..5)?)?, 6)),
        'x' => Some((hex(rest.get(1..3)?)?, 4)),
        // A line's end or a tab, which is passed over anyhow.
        'n' | 'r' | 't' | 'f' | 'b' => Some((' ', 2)),
        c if c.is_ascii_punctuation() => Some((c, 2)),
        _ => None,
    }
}

/// The names of HTML for what stands in keys, tokens and their encodings.
const NAMED: [(&str, char); 16] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("lowbar", '_'),
    ("UnderBar", '_'),
    ("hyphen", '-'),
    ("dash", '-'),
    ("plus", '+'),
    ("sol", '/'),
    ("equals", '='),
    ("period", '.'),
    ("colon", ':'),
    ("percnt", '%'),
    ("bsol", '\\'),
];

fn reference(text: &str) -> Option<(char, usize)> {
    let (name, _) = text.strip_prefix('&')?.split_once(';').filter(|(name, _)| name.len() <= 8)?;
    let number = |digits: &str| match digits.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => digits.parse().ok(),
    };
    let c = match name.strip_prefix('#') {
        Some(digits) => number(digits).and_then(char::from_u32)?,
        None => NAMED.iter().find(|(known, _)| *known == name)?.1,
    };
    Some((c, name.len() + 2))
}
