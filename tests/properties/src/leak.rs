//! The search for secrets in what a program showed, however they are written there.
//!
//! Any piece of a secret that is long enough to be of use to a thief is found: as it is, in base64 at each of its three
//! alignments and in both alphabets, in hexadecimal, as a list of bytes, percent-encoded, as character references, with
//! the escapes of JSON; cut into lines, or with invisible characters in between; in capitals or not.

use std::collections::BTreeMap;
use std::fmt;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// Any piece of a secret that is twice as long holds one that is looked for. A masked label shows less.
const PIECE: usize = 12;
/// What is shorter is no secret: it would be found in ordinary words.
const SHORTEST: usize = 6;
/// How often a text is decoded: twice percent-encoded JSON is as far as it goes.
const DECODINGS: usize = 3;

/// A secret that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// What the secret is called.
    pub name: String,
    /// How it is written.
    pub form: &'static str,
    /// The text that gave it away.
    pub piece: String,
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}: {}", self.name, self.form, self.piece)
    }
}

/// Looks for secrets that it knows.
#[derive(Debug)]
pub struct Searcher {
    automaton: AhoCorasick,
    forms: Vec<Leak>,
}

impl Searcher {
    /// A searcher for these secrets, each with what it is called.
    ///
    /// # Panics
    /// On more secrets than an automaton can hold, which is far beyond any test.
    #[must_use]
    pub fn new<N: Into<String>, V: AsRef<str>>(secrets: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut forms = BTreeMap::new();
        for (name, value) in secrets {
            let name = name.into();
            // The frame of a private key is no secret.
            let lines = value.as_ref().lines().filter(|line| !line.starts_with("-----")).map(squeezed);
            for line in lines.filter(|line| line.len() >= SHORTEST) {
                for (form, piece) in forms_of(&line) {
                    let leak = Leak { name: name.clone(), form, piece: piece.clone() };
                    forms.entry(piece.to_ascii_lowercase()).or_insert(leak);
                }
            }
        }
        // The one that is made fastest: most searchers search a few pages.
        let kind = Some(AhoCorasickKind::NoncontiguousNFA);
        let automaton = AhoCorasick::builder().kind(kind).prefilter(false).build(forms.keys());
        Self { automaton: automaton.expect("so many forms fit"), forms: forms.into_values().collect() }
    }

    /// The first secret in a text.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<&Leak> {
        let mut shown = text.to_owned();
        for _ in 0..=DECODINGS {
            if let Some(found) = self.automaton.find(&squeezed(&shown).to_ascii_lowercase()) {
                return self.forms.get(found.pattern().as_usize());
            }
            match decoded(&shown) {
                Some(decoded) => shown = decoded,
                None => break,
            }
        }
        None
    }
}

/// Without white space, control characters and what is not seen.
fn squeezed(text: &str) -> String {
    if text.is_ascii() {
        // Most of what is searched, and there is much of it.
        let seen = text.bytes().filter(u8::is_ascii_graphic).collect();
        return String::from_utf8(seen).expect("it is ASCII");
    }
    let unseen = |c: char| {
        matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffd}'
            | '\u{e0000}'..='\u{e0fff}')
    };
    text.chars().filter(|c| !c.is_whitespace() && !c.is_control() && !unseen(*c)).collect()
}

fn forms_of(secret: &str) -> Vec<(&'static str, String)> {
    let bytes = secret.as_bytes();
    let mut forms: Vec<_> = pieces(secret).into_iter().map(|piece| ("as it is", piece)).collect();
    for skip in 0..3.min(bytes.len()) {
        // Whole groups alone: the last one depends on what follows.
        let whole = bytes.len() - (bytes.len() - skip) % 3;
        let part = bytes.get(skip..whole).unwrap_or_default();
        for encoded in [STANDARD.encode(part), URL_SAFE.encode(part)].iter().filter(|encoded| encoded.len() >= SHORTEST)
        {
            forms.extend(pieces(encoded).into_iter().map(|piece| ("in base64", piece)));
        }
    }
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    forms.extend(pieces(&hex).into_iter().map(|piece| ("in hexadecimal", piece)));
    let numbers = |form: fn(&u8) -> String| {
        let of = move |part: &[u8]| part.iter().map(form).collect::<Vec<_>>().join(",");
        bytes.chunks(PIECE).filter(|part| part.len() >= SHORTEST).map(of).collect::<Vec<_>>()
    };
    forms.extend(numbers(|byte| byte.to_string()).into_iter().map(|piece| ("as a list of bytes", piece)));
    forms.extend(numbers(|byte| format!("{byte:x}")).into_iter().map(|piece| ("as a list of bytes", piece)));
    forms
}

/// The text in pieces of one length, what is left over at the end aside; a short text as a whole.
fn pieces(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= PIECE {
        vec![text.to_owned()]
    } else {
        chars.chunks_exact(PIECE).map(String::from_iter).collect()
    }
}

/// With percent-encoding, character references and backslashes taken for what they stand for; `None` where there are none.
fn decoded(text: &str) -> Option<String> {
    let mut changed = false;
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'%' | b'&' | b'\\')) {
        let (before, mark) = rest.split_at(at);
        out.push_str(before);
        match escape(mark) {
            Some((c, length)) => {
                changed = true;
                out.push(c);
                rest = mark.get(length..).unwrap_or_default();
            }
            None => {
                let mut chars = mark.chars();
                out.extend(chars.next());
                rest = chars.as_str();
            }
        }
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
    if let Some(rest) = text.strip_prefix("&#") {
        let (digits, _) = rest.split_once(';').filter(|(digits, _)| digits.len() <= 8)?;
        let c = match digits.strip_prefix(['x', 'X']) {
            Some(digits) => hex(digits)?,
            None => digits.parse().ok().and_then(char::from_u32)?,
        };
        return Some((c, digits.len() + 3));
    }
    for (name, c) in [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>'), ("&quot;", '"'), ("&lowbar;", '_')] {
        if text.starts_with(name) {
            return Some((c, name.len()));
        }
    }
    let rest = text.strip_prefix('\\')?;
    if let Some(braced) = rest.strip_prefix("u{") {
        let (digits, _) = braced.split_once('}').filter(|(digits, _)| digits.len() <= 6)?;
        return Some((hex(digits)?, digits.len() + 4));
    }
    match rest.chars().next()? {
        'u' => Some((hex(rest.get(1..5)?)?, 6)),
        'x' => Some((hex(rest.get(1..3)?)?, 4)),
        // A line's end or a tab, which is passed over anyhow.
        'n' | 'r' | 't' => Some((' ', 2)),
        c if c.is_ascii_punctuation() => Some((c, 2)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "lr_live_Zk3Qw9Rt7Yp1Lm5Nc8Xv2Bd6Hf4Js0Ga";

    fn found(text: &str) -> Option<&'static str> {
        Searcher::new([("the key", SECRET)]).find(text).map(|leak| leak.form)
    }

    fn each(form: impl Fn(u8) -> String) -> String {
        SECRET.bytes().map(form).collect()
    }

    fn half() -> (&'static str, &'static str) {
        SECRET.split_at(20)
    }

    /// Every way in which a secret may stand in a text, with what such a text looks like.
    fn planted() -> Vec<(&'static str, String)> {
        let (first, second) = half();
        vec![
            ("as it is", SECRET.to_owned()),
            ("in capitals", SECRET.to_ascii_uppercase()),
            ("a part of it", SECRET.chars().skip(8).take(24).collect()),
            ("its end", SECRET.chars().skip(SECRET.len() - 24).collect()),
            ("cut into lines", format!("{first}\n{second}")),
            ("cut into lines that are indented", format!("{first}\r\n    {second}")),
            (
                "cut into short lines",
                SECRET.as_bytes().chunks(5).map(|c| format!("{}\n", String::from_utf8_lossy(c))).collect(),
            ),
            ("with invisible characters", SECRET.chars().flat_map(|c| [c, '\u{200b}']).collect()),
            ("with zeros, as UTF-16", SECRET.chars().flat_map(|c| [c, '\0']).collect()),
            ("in base64", STANDARD.encode(SECRET)),
            ("in base64, one byte behind", STANDARD.encode(format!("x{SECRET}"))),
            ("in base64, two bytes behind", STANDARD.encode(format!("xy{SECRET}"))),
            ("in base64, with something behind", STANDARD.encode(format!("user:{SECRET}@host"))),
            (
                "in base64, cut into lines",
                STANDARD
                    .encode(SECRET)
                    .as_bytes()
                    .chunks(16)
                    .map(|c| format!("{}\n", String::from_utf8_lossy(c)))
                    .collect(),
            ),
            ("in base64 for addresses", URL_SAFE.encode(format!("\u{fb}\u{ff}{SECRET}"))),
            ("in hexadecimal", each(|byte| format!("{byte:02x}"))),
            ("in hexadecimal, in capitals", each(|byte| format!("{byte:02X}"))),
            ("in hexadecimal, apart", each(|byte| format!("{byte:02x} "))),
            ("as a list of bytes", format!("{:?}", SECRET.as_bytes())),
            ("as a list of bytes in hexadecimal", format!("{:x?}", SECRET.as_bytes())),
            ("percent-encoded", each(|byte| format!("%{byte:02x}"))),
            ("percent-encoded, in capitals", each(|byte| format!("%{byte:02X}"))),
            ("percent-encoded, where it has a mark", SECRET.replace('_', "%5F")),
            ("percent-encoded twice", each(|byte| format!("%25{byte:02x}"))),
            ("as character references", each(|byte| format!("&#{byte};"))),
            ("as character references in hexadecimal", each(|byte| format!("&#x{byte:x};"))),
            ("as Markdown", SECRET.replace('_', "&#95;")),
            ("with Markdown's backslashes", SECRET.replace('_', "\\_")),
            ("as JSON", each(|byte| format!("\\u{byte:04x}"))),
            ("as JSON, where it has a mark", SECRET.replace('_', "\\u005f")),
            ("as Rust writes it", each(|byte| format!("\\u{{{byte:x}}}"))),
            ("with a shell's escapes", each(|byte| format!("\\x{byte:02x}"))),
        ]
    }

    #[test]
    fn a_leak_of_each_form_is_found() {
        for (form, text) in planted() {
            for around in [text.clone(), format!("before {text} after"), format!("{{\"message\":\"{text}\"}}")] {
                assert!(found(&around).is_some(), "{form} is not found: {around}");
            }
        }
    }

    #[test]
    fn what_is_harmless_is_let_through() {
        let (first, _) = SECRET.split_at(11);
        let (_, last) = SECRET.split_at(SECRET.len() - 4);
        for text in [
            String::new(),
            "an ordinary sentence with %41 and &amp; and \\u0041".into(),
            format!("{first}...{last}"),
            "lr_live_*** lr_live_".into(),
            "Secret(***)".into(),
            "100% & more \\".into(),
        ] {
            assert_eq!(found(&text), None, "{text}");
        }
        assert_eq!(Searcher::new([("short", "true")]).find("true"), None);
        assert_eq!(Searcher::new([("none", "")]).find("anything"), None);
    }

    #[test]
    fn each_line_of_a_private_key_is_a_secret() {
        let key = "-----BEGIN KEY-----\nMIIEowIBAAKCAQEAx3\nQmFzZTY0IGxpbmUgdHdv\n-----END KEY-----";
        let searcher = Searcher::new([("a private key", key)]);
        assert!(searcher.find("x MIIEowIBAAKCAQEAx3 y").is_some());
        assert!(searcher.find("QmFzZTY0IGxpbmUgdHdv").is_some());
        assert_eq!(searcher.find("expected -----BEGIN KEY-----"), None);
    }

    #[test]
    fn the_leak_names_the_secret() {
        let searcher = Searcher::new([("the token", "ghp_0123456789abcdefghijklmnop"), ("the key", SECRET)]);
        let told = searcher.find(SECRET).map(ToString::to_string).unwrap_or_default();
        assert!(told.starts_with("the key, as it is: "), "{told}");
    }
}
