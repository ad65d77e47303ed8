//! [`Secret`], the only type that holds a key, token or private key, and [`Redactor`], which takes them out of text.

mod pieces;
pub mod prefix;
mod undone;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use self::pieces::Pieces;

/// What stands in place of a secret wherever text is shown.
pub const REDACTED: &str = "***";

/// Shorter values would redact ordinary words: no credential is taken that is.
pub const SHORTEST_REDACTED: usize = 6;

/// So many characters of a secret in a row are as good as the secret.
const PIECE: usize = 12;

/// The same of what lies beside a target.
const SHORTEST_NEIGHBOUR: usize = 8;

/// Each line of a value is looked for: a whole file under one key would make every look slow.
const LONGEST_NEIGHBOUR: usize = 16 * 1024;

/// A value that must never be shown. It has no `Display`, its `Debug` is fixed text, its memory is overwritten when the
/// last copy is dropped.
///
/// Whatever would put it into a text does not compile:
///
/// ```compile_fail,E0277
/// let key = keyrotor::secret::Secret::new("lr_live_0123456789".to_owned());
/// println!("{key}");
/// ```
///
/// ```compile_fail,E0277
/// let key = keyrotor::secret::Secret::new("lr_live_0123456789".to_owned());
/// serde_json::to_string(&key);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Takes ownership of a value; the caller's copy must not live on.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(Arc::new(Zeroizing::new(value)))
    }

    /// The value itself, for the one place that sends or seals it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it is a word or several, as a placeholder is and no key: `production`, `Change-me`. To hide it would hide
    /// words of ours.
    #[must_use]
    pub fn is_words(&self) -> bool {
        let is_word = |word: &str| {
            let rest = word.get(1..).unwrap_or_default();
            let is_one_case =
                rest.bytes().all(|b| b.is_ascii_lowercase()) || word.bytes().all(|b| b.is_ascii_uppercase());
            (1..=LONGEST_WORD).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_alphabetic()) && is_one_case
        };
        self.0.split(['-', '_', '.']).all(is_word)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// More letters in a row may be a key of letters alone.
const LONGEST_WORD: usize = 20;

/// What is looked for in a text; copies share it.
type Forms = Rc<RefCell<Vec<Zeroizing<String>>>>;

/// Knows every secret in play and takes them, in the encodings a server may echo, out of text that is to be shown.
#[derive(Clone, Default)]
pub struct Redactor {
    known: Forms,
    neighbours: Forms,
    pieces: Rc<RefCell<Pieces>>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

impl Redactor {
    /// A redactor that knows no secret yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on this value, each of its lines and their encodings are taken out.
    pub fn learn(&self, secret: &Secret) {
        add_forms(&self.known, secret, SHORTEST_REDACTED);
        self.pieces.borrow_mut().learn(secret.expose());
    }

    /// From now on this value, which lies beside a target, is taken out of what a server says. It stays in our own words,
    /// since it may be no secret: a field beside the key may hold the name of an environment, or of the key.
    pub fn learn_neighbour(&self, value: &Secret) {
        if value.expose().len() > LONGEST_NEIGHBOUR {
            return;
        }
        let whole = seen(value.expose());
        let is_known = self.neighbours.borrow().contains(&whole);
        if !is_known {
            add_forms(&self.neighbours, value, SHORTEST_NEIGHBOUR);
        }
    }

    /// The text with every known secret replaced by [`REDACTED`], also where white space or something that is not seen
    /// stands between its characters: a secret that is cut into lines is one still.
    #[must_use]
    pub fn scrub(&self, text: &str) -> String {
        scrubbed(text, &self.known)
    }

    /// The same of a server's text, which may quote the neighbours of a target too.
    /// Nothing is left of a text that has a piece of a secret in it in any other form.
    #[must_use]
    pub fn scrub_said(&self, text: &str) -> String {
        let scrubbed = scrubbed(&scrubbed(text, &self.known), &self.neighbours);
        if self.gives_away(&scrubbed) { REDACTED.to_owned() } else { scrubbed }
    }

    /// [`scrub`](Self::scrub), and nothing of a text that has a piece of a secret in it in any other form: what is left of
    /// it would be another piece.
    #[must_use]
    pub fn scrub_pieces(&self, text: &str) -> String {
        let scrubbed = self.scrub(text);
        if self.gives_away(&scrubbed) { REDACTED.to_owned() } else { scrubbed }
    }

    fn gives_away(&self, text: &str) -> bool {
        let pieces = self.pieces.borrow();
        !pieces.is_empty() && undone::any_reading(text, &|reading| pieces.are_in(reading))
    }
}

fn add_forms(to: &Forms, secret: &Secret, shortest: usize) {
    let value = secret.expose();
    let mut known = to.borrow_mut();
    let whole = std::iter::once(value).chain(value.lines());
    for form in whole.flat_map(forms).chain([body(value).to_owned()]) {
        let form = seen(&form);
        if form.len() >= shortest && !known.contains(&form) {
            known.push(form);
        }
    }
}

fn seen(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.chars().filter(|c| is_seen(*c)).collect())
}

fn scrubbed(text: &str, known: &Forms) -> String {
    if known.borrow().is_empty() {
        return text.to_owned();
    }
    let seen = seen(text);
    let mut hidden: Vec<(usize, usize)> = Vec::new();
    // Most lines are shorter than most forms, and to look for one costs something even then.
    for form in known.borrow().iter().filter(|form| form.len() <= seen.len()) {
        hidden.extend(seen.match_indices(form.as_str()).map(|(at, _)| (at, at + form.len() - 1)));
    }
    if hidden.is_empty() {
        return text.to_owned();
    }
    let places: Vec<_> =
        text.char_indices().filter(|(_, c)| is_seen(*c)).flat_map(|(at, c)| at..at + c.len_utf8()).collect();
    let place = |(first, last): (usize, usize)| Some((*places.get(first)?, *places.get(last)? + 1));
    let mut hidden: Vec<_> = hidden.into_iter().filter_map(place).collect();
    hidden.sort_unstable();
    without(text, &hidden)
}

/// The start of every value that ARouter or OpenRouter issues.
const KEY_PREFIXES: [&str; 5] = ["lr_live_", "lr_mgmt_", "lr_admin_", "lr_sub_", "sk-or-"];

/// What begins every credential of a kind, and is no secret.
const PUBLIC_PREFIXES: [&str; 14] = [
    "lr_live_",
    "lr_mgmt_",
    "lr_admin_",
    "lr_sub_",
    "sk-or-v1-",
    "sk-or-",
    "sk-proj-",
    "sk-",
    "github_pat_",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
];

/// A credential without what is public of it; all of it where too little would be left.
fn body(value: &str) -> &str {
    let rest = PUBLIC_PREFIXES.iter().find_map(|prefix| value.strip_prefix(prefix));
    rest.filter(|rest| rest.len() >= SHORTEST_REDACTED).unwrap_or(value)
}

/// The text with whatever begins like a key taken out: a server may echo one that we never saw, and a person may have
/// named a key after its value.
#[must_use]
pub fn without_keys(text: &str) -> String {
    let mut out = text.to_owned();
    for prefix in KEY_PREFIXES {
        let mut pieces = out.split(prefix);
        let mut kept = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            kept.push_str(prefix);
            let rest = piece.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-');
            kept.push_str(if rest.len() < piece.len() { REDACTED } else { "" });
            kept.push_str(rest);
        }
        out = kept;
    }
    out
}

/// The ways in which a server may write a secret. Base64 of a text with the secret in it begins at any of three places
/// within a group, and its last group depends on what follows.
fn forms(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let mut forms = vec![secret.to_owned(), url::form_urlencoded::byte_serialize(bytes).collect()];
    for skipped in 0..3.min(bytes.len()) {
        let whole = bytes.len() - (bytes.len() - skipped) % 3;
        let groups = bytes.get(skipped..whole).unwrap_or_default();
        forms.extend([STANDARD.encode(groups), URL_SAFE.encode(groups)]);
    }
    forms.extend([STANDARD.encode(bytes), STANDARD_NO_PAD.encode(bytes)]);
    forms.extend([URL_SAFE.encode(bytes), URL_SAFE_NO_PAD.encode(bytes)]);
    forms.push(bytes.iter().map(|byte| format!("{byte:02x}")).collect());
    forms.push(bytes.iter().map(|byte| format!("{byte:02X}")).collect());
    forms.extend(serde_json::to_string(secret).ok().map(|json| json.trim_matches('"').to_owned()));
    forms
}

/// The text with these parts, which are in order and may overlap, replaced.
fn without(text: &str, hidden: &[(usize, usize)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut shown_to = 0;
    for (begin, end) in hidden {
        if *begin >= shown_to {
            out.push_str(text.get(shown_to..*begin).unwrap_or_default());
            out.push_str(REDACTED);
        }
        shown_to = shown_to.max(*end);
    }
    out.push_str(text.get(shown_to..).unwrap_or_default());
    out
}

fn is_seen(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !is_invisible(c)
}

/// Characters that are not seen, but hide or turn around what stands beside them: what Unicode calls
/// `Default_Ignorable_Code_Point`, fillers that count as letters included, and the marks of annotations.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::string_slice, clippy::indexing_slicing, reason = "a test may panic")]

    use super::*;

    #[test]
    fn words_are_told_from_keys() {
        for words in ["production", "Change-me", "YOUR_KEY", "lr_live_x"] {
            assert!(Secret::new(words.into()).is_words(), "{words}");
        }
        for key in [
            "lr_live_zK",
            "lr_live_x1",
            "sk-or-v1-abc",
            "two words",
            "wJalrXUtnFEMI/K",
            "qwertyuiopasdfghjklzxcvbnm",
            "",
            "é",
        ] {
            assert!(!Secret::new(key.into()).is_words(), "{key}");
        }
    }

    #[test]
    fn debug_shows_nothing_of_the_value() {
        let secret = Secret::new("lr_live_abcdefghijklmnop".into());
        assert_eq!(format!("{secret:?}"), "Secret(***)");
    }

    #[test]
    fn a_learned_secret_is_scrubbed_in_every_encoding() {
        let redactor = Redactor::new();
        let value = "lr_live_a+b/c\"d=e";
        redactor.learn(&Secret::new(value.into()));
        for form in [
            value.to_owned(),
            STANDARD.encode(value),
            URL_SAFE_NO_PAD.encode(value),
            serde_json::to_string(value).unwrap_or_default(),
            url::form_urlencoded::byte_serialize(value.as_bytes()).collect(),
        ] {
            let shown = redactor.scrub(&format!("before {form} after"));
            assert!(shown.contains(REDACTED) && !shown.contains(&form), "{shown}");
        }
    }

    #[test]
    fn a_secret_that_is_cut_or_inside_of_an_encoded_text_is_scrubbed() {
        let redactor = Redactor::new();
        let value = "lr_live_0123456789abcdef";
        redactor.learn(&Secret::new(value.into()));
        let (first, last) = value.split_at(11);
        for text in [
            format!("{first}\r\n    {last}"),
            format!("{first}\u{200b}{last}"),
            STANDARD.encode(format!("x{value}")),
            STANDARD.encode(format!("user:{value}@host")),
            URL_SAFE.encode(format!("xy{value}z")),
            value.bytes().map(|byte| format!("{byte:02X}")).collect(),
        ] {
            let shown = redactor.scrub(&format!("before {text} after"));
            assert!(shown.starts_with("before ") && shown.ends_with(" after"), "{shown}");
            assert!(shown.contains(REDACTED) && shown.len() < 40, "{shown}");
        }
        assert_eq!(redactor.scrub("nothing to hide"), "nothing to hide");
    }

    #[test]
    fn secrets_that_overlap_leave_nothing_over() {
        let redactor = Redactor::new();
        for value in ["abcdefghij", "fghijklmno", "ghijkl"] {
            redactor.learn(&Secret::new(value.into()));
        }
        assert_eq!(redactor.scrub("1 abcdefghijklmno 2 ghijkl 3"), "1 *** 2 *** 3");
    }

    const KEY: &str = "lr_live_Zk3Qw9Rt7Yp1Lm5Nc8Xv2Bd6Hf4Js0Ga_Ux5Kd8Wq2Zn7Jm4Ro9T";

    fn knowing(secret: &str) -> Redactor {
        let redactor = Redactor::new();
        redactor.learn(&Secret::new(secret.into()));
        redactor
    }

    #[test]
    fn twelve_characters_of_a_secret_hide_all_that_a_server_said_however_they_are_written() {
        let redactor = knowing(KEY);
        let (body, cut) = (&KEY[8..], &KEY[..50]);
        let each = |form: &dyn Fn(u8) -> String| body.bytes().map(form).collect::<String>();
        let hex = each(&|b| format!("{b:02x}"));
        for echo in [
            cut.to_owned(),
            body.to_owned(),
            KEY[20..32].to_owned(),
            body.to_lowercase(),
            each(&|b| format!("%{b:02X}")),
            each(&|b| format!("%25{b:02x}")),
            each(&|b| format!("&#{b};")),
            each(&|b| format!("&#x{b:X};")),
            each(&|b| format!("\\u{b:04x}")),
            each(&|b| format!("\\\\u{b:04x}")),
            each(&|b| format!("{b:02X}:")),
            each(&|b| format!("0x{b:02x}, ")),
            format!("{:?}", body.as_bytes()),
            // Wrapped, so that breaks stand within numbers.
            format!("{:?}", body.as_bytes())
                .split("")
                .collect::<Vec<_>>()
                .chunks(10)
                .map(<[_]>::concat)
                .collect::<Vec<_>>()
                .join("\n"),
            STANDARD.encode(STANDARD.encode(format!("user:{body}"))),
            STANDARD.encode(&hex),
            STANDARD.encode(format!("{{\"key\":\"{cut}\"}}")),
            url::form_urlencoded::byte_serialize(STANDARD.encode(cut).as_bytes()).collect(),
            KEY.replace('_', "&lowbar;").replace("Zk3", "Zk3\u{200b}"),
        ] {
            let said = redactor.scrub_said(&format!("the key {echo} is unknown"));
            assert!(said == REDACTED || said == "the key *** is unknown", "{echo}: {said}");
            let ours = redactor.scrub_pieces(&format!("told: {echo}"));
            assert!(ours == "told: ***" || ours == REDACTED, "{ours}");
        }
        for fine in
            ["lr_live_Zk3Qw9…Ro9T is unknown", "ordinary words %41 &amp; \\u0041", "5f3a9c0d1e2b4a6f5f3a9c0d1e2b4a6f"]
        {
            assert_eq!(redactor.scrub_said(fine), fine);
        }
    }

    #[test]
    fn a_text_that_asks_for_too_much_work_is_hidden() {
        let redactor = knowing(KEY);
        let text = "%2525252525".repeat(400) + &"QUJD".repeat(4_000);
        let began = std::time::Instant::now();
        let _ = redactor.scrub_said(&text);
        assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    }

    #[test]
    fn what_begins_like_a_key_is_taken_out() {
        assert_eq!(without_keys("a lr_live_Zk3Qw9Rt7Yp1Lm5, b"), "a lr_live_***, b");
        assert_eq!(without_keys("sk-or-v1-0e6...1c9 lr_live_ x"), "sk-or-***...1c9 lr_live_ x");
    }

    #[test]
    fn a_neighbour_is_taken_out_of_a_servers_words_and_left_in_ours() {
        let redactor = Redactor::new();
        redactor.learn(&Secret::new("lr_live_0123456789".into()));
        redactor.learn_neighbour(&Secret::new("production".into()));
        redactor.learn_neighbour(&Secret::new("app".into()));
        let text = "app production lr_live_0123456789";
        assert_eq!(redactor.scrub(text), "app production ***");
        assert_eq!(redactor.scrub_said(text), "app *** ***");
    }

    #[test]
    fn each_line_of_a_private_key_is_scrubbed() {
        let redactor = Redactor::new();
        redactor.learn(&Secret::new("-----BEGIN-----\nQUJDREVGR0g\n-----END-----".into()));
        assert_eq!(redactor.scrub("line QUJDREVGR0g here"), "line *** here");
    }
}
