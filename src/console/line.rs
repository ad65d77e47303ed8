//! Foreign text made harmless: one line, no secret, nothing that GitHub's runner takes for a command.
//!
//! The runner splits at LF, CR and CRLF, trims leading white space and looks for `::` at the start of a line; it also
//! still obeys the older `##[command]` wherever it stands in a line.

use crate::http::one_line;
use crate::secret::{Redactor, is_invisible, without_keys};

/// GitHub cuts an annotation's message here, counted in UTF-16 units.
pub const MESSAGE_LIMIT: usize = 4096;

/// Text as it may be shown: one line, no secret, nothing invisible, at most `limit` UTF-16 units.
#[must_use]
pub fn clean(text: &str, redactor: &Redactor, limit: usize) -> String {
    // Secrets that are known first: what only begins like a key may be the begin of one with other characters in it.
    let mut line = without_keys(&redactor.scrub_pieces(text));
    line.retain(|c| !is_invisible(c));
    clip(one_line(&line), limit)
}

/// What our own tables begin their lines with.
const MARKS: [char; 3] = ['✓', '✗', '→'];

/// A clean line that the runner prints as it stands.
#[must_use]
pub fn defuse(line: &str) -> String {
    let line = line.replace("##[", "# #[");
    let harmless = |c: char| c.is_alphanumeric() || (c.is_ascii() && c != ':') || MARKS.contains(&c);
    match line.trim_start().chars().next() {
        Some(first) if !harmless(first) => format!("- {}", line.trim_start()),
        _ => line,
    }
}

/// One workflow command, without the line's end.
#[must_use]
pub fn command(name: &str, title: Option<&str>, message: &str) -> String {
    let message = data(message);
    match title {
        Some(title) => format!("::{name} title={}::{message}", property(title)),
        None => format!("::{name}::{message}"),
    }
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A rotation's name may stand in it, so the older form is broken up here as everywhere.
fn property(text: &str) -> String {
    data(&text.replace("##[", "# #[")).replace(':', "%3A").replace(',', "%2C")
}

/// The text, cut to `limit` UTF-16 units with an ellipsis as the last.
#[must_use]
pub fn clip(mut text: String, limit: usize) -> String {
    if text.len() <= limit {
        return text;
    }
    let mut units = 0;
    let mut cut = 0;
    for (at, c) in text.char_indices() {
        units += c.len_utf16();
        if units > limit {
            text.truncate(cut);
            text.push('…');
            return text;
        }
        if units < limit {
            cut = at + c.len_utf8();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn a_secret_broken_up_by_invisible_characters_is_still_taken_out() {
        let redactor = Redactor::new();
        redactor.learn(&Secret::new("lr_live_secretvalue".into()));
        for text in ["lr_live_\u{200b}secretvalue", "x lr_live_secretvalue y", "lr_live_secret\u{ad}value"] {
            let shown = clean(text, &redactor, 100);
            assert!(shown.contains("***") && !shown.contains("secret"), "{shown}");
        }
    }

    #[test]
    fn both_command_forms_are_defused_and_ordinary_lines_left_alone() {
        assert_eq!(defuse("::error::x"), "- ::error::x");
        assert_eq!(defuse("   ::error::x"), "- ::error::x");
        assert_eq!(defuse("a ###[error]x"), "a ## #[error]x");
        assert_eq!(defuse("  repo:acme/app: written"), "  repo:acme/app: written");
        assert_eq!(defuse("(see above)"), "(see above)");
        assert_eq!(defuse("  ✓ issuer"), "  ✓ issuer");
    }

    #[test]
    fn what_is_not_seen_is_taken_out_although_it_counts_as_a_letter() {
        for unseen in ['\u{3164}', '\u{ffa0}', '\u{115f}', '\u{fe0f}', '\u{200b}', '\u{e0041}'] {
            let shown = defuse(&clean(&format!("{unseen}::error::x"), &Redactor::new(), 100));
            assert_eq!(shown, "- ::error::x", "{unseen:?}");
        }
    }

    #[test]
    fn commands_are_escaped() {
        assert_eq!(command("error", Some("a:b,c%"), "x\r\ny: 5%"), "::error title=a%3Ab%2Cc%25::x%0D%0Ay: 5%25");
        assert_eq!(command("error", Some("##[debug]a"), "x"), "::error title=# #[debug]a::x");
    }

    #[test]
    fn a_clipped_text_has_exactly_the_limit() {
        assert_eq!(clip("abcdef".into(), 6), "abcdef");
        assert_eq!(clip("abcdefg".into(), 6), "abcde…");
        assert_eq!(clip("ééééééé".into(), 3), "éé…");
        let emoji = clip("😀".repeat(10), 5);
        assert!(emoji.encode_utf16().count() <= 5 && emoji.ends_with('…'), "{emoji}");
    }
}
