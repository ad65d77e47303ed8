//! Lines no wider than the terminal, broken between words.

use textwrap::core::Word;
use textwrap::{Options, WordSeparator, WordSplitter};

/// Below this the terminal breaks lines better than we do.
const NARROW: usize = 40;

/// The line in pieces that fit, each but the first indented below it. Code in backticks stays whole, so that what is copied
/// from the screen has no line break in it.
#[must_use]
pub(super) fn wrap(line: &str, columns: usize) -> String {
    if columns < NARROW || line.len() <= columns {
        return line.to_owned();
    }
    let indent = " ".repeat(line.len() - line.trim_start_matches([' ', '-']).len() + 2);
    let options = Options::new(columns)
        .subsequent_indent(&indent)
        .word_separator(WordSeparator::Custom(words))
        .word_splitter(WordSplitter::NoHyphenation)
        .break_words(false);
    textwrap::fill(line, options)
}

/// What may stand at the begin of a line: anything behind a space that is not in backticks.
fn words(line: &str) -> Box<dyn Iterator<Item = Word<'_>> + '_> {
    let (mut is_code, mut after_space) = (false, false);
    let begins = line.char_indices().filter_map(move |(at, c)| {
        let begin = after_space && c != ' ' && !is_code;
        after_space = c == ' ';
        is_code ^= c == '`';
        begin.then_some(at)
    });
    let mut from = 0;
    Box::new(begins.chain(std::iter::once(line.len())).map(move |to| {
        let word = Word::from(line.get(from..to).unwrap_or_default());
        from = to;
        word
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_between_words_and_goes_on_below_itself() {
        let line = "  next: Give the token the permission \"Secrets\" (read and write) for acme/app; or use an App.";
        let wrapped = wrap(line, 44);
        let expected = [
            "  next: Give the token the permission",
            "    \"Secrets\" (read and write) for acme/app;",
            "    or use an App.",
        ];
        assert_eq!(wrapped, expected.join("\n"));
    }

    #[test]
    fn code_and_long_words_stay_whole() {
        let id = "a".repeat(64);
        let line = format!("error: {id} is off: run `keyrotor reenable {id} --issuer openrouter` to take it back");
        let wrapped = wrap(&line, 60);
        assert!(wrapped.contains(&format!("`keyrotor reenable {id} --issuer openrouter`")), "{wrapped}");
        assert_eq!(wrapped.split_whitespace().collect::<Vec<_>>(), line.split_whitespace().collect::<Vec<_>>());
        assert!(wrapped.lines().count() == 5, "{wrapped}");
    }

    #[test]
    fn a_terminal_too_narrow_breaks_lines_itself() {
        let line = "one two three four five six seven eight nine ten";
        assert_eq!(wrap(line, 20), line);
    }
}
