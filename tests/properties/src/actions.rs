//! GitHub's runner as far as it reads what a step writes: `ActionCommand.cs`, `ActionCommandManager.cs` and
//! `FileCommandManager.cs` of `actions/runner`, judged more strictly than it does.

use std::collections::BTreeMap;

use crate::leak::Searcher;

/// A command that the runner would obey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// `error`, `add-mask`, …
    pub name: String,
    /// What stands between the name and the data.
    pub properties: String,
    /// The data, with its escapes undone.
    pub data: String,
}

/// Every command in a stream. The runner splits at CR and LF, passes over leading white space, compares by the rules of
/// a language (which do not see some characters), and looks for the older form anywhere in a line.
///
/// # Panics
/// On a command in the older form: none of ours is.
#[must_use]
pub fn commands(stream: &str) -> Vec<Command> {
    let mut found = Vec::new();
    for line in stream.split(['\r', '\n']) {
        // Whatever is passed over within this mark becomes a part of the name, which is none then.
        assert!(!line.contains("##["), "a command in the older form: {line:?}");
        let seen: String = line.chars().filter(|c| !is_ignorable(*c)).collect();
        let Some(rest) = seen.trim_start().strip_prefix("::") else { continue };
        let (head, data) = rest.split_once("::").unwrap_or((rest, ""));
        let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
        let data = data.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%");
        found.push(Command { name: name.to_owned(), properties: properties.to_owned(), data });
    }
    found
}

/// Whether a comparison by the rules of a language passes over it: Unicode's `Default_Ignorable_Code_Point` and control
/// characters.
fn is_ignorable(c: char) -> bool {
    let spaces = matches!(c, '\t'..='\r' | '\u{85}');
    c.is_control() && !spaces
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// What a file of outputs hands over. Lines end at LF alone; `name=value` or `name<<END`, whichever mark comes first.
///
/// # Errors
/// What the runner refuses, the whole file with it.
pub fn outputs(file: &str) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    let mut lines = file.strip_suffix('\n').unwrap_or(file).split('\n');
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let (name, value) = match (line.find('='), line.find("<<")) {
            (Some(equals), heredoc) if heredoc.is_none_or(|heredoc| equals < heredoc) => {
                let (name, value) = line.split_at(equals);
                (name, value.trim_start_matches('=').to_owned())
            }
            (_, Some(heredoc)) => {
                let (name, end) = line.split_at(heredoc);
                let end = end.trim_start_matches("<<");
                (name, until(&mut lines, end).ok_or_else(|| format!("no line {end:?} ends {name:?}"))?)
            }
            _ => return Err(format!("{line:?} is no output")),
        };
        if name.is_empty() || found.insert(name.to_owned(), value).is_some() {
            return Err(format!("{line:?} has no name, or one that was there"));
        }
    }
    Ok(found)
}

fn until<'a>(lines: &mut impl Iterator<Item = &'a str>, end: &str) -> Option<String> {
    let mut value = Vec::new();
    loop {
        match lines.next()? {
            line if line == end => return Some(value.join("\n")),
            line => value.push(line),
        }
    }
}

/// Nothing in a stream that a terminal obeys or a reader does not see, line ends aside.
///
/// # Panics
/// On what is.
pub fn check_visible(stream: &str) {
    let odd = |c: char| {
        c.is_control() && c != '\n'
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'..='\u{200f}' | '\u{feff}')
    };
    let found: Vec<char> = stream.chars().filter(|c| odd(*c)).collect();
    assert!(found.is_empty(), "{found:?} in {stream:?}");
}

/// One line of bounded length, without control characters and without secrets: a message that may go on to be told,
/// where what is not seen is taken out.
///
/// # Panics
/// On any other text.
pub fn check_message(text: &str, searcher: &Searcher) {
    let odd = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    assert!(!text.contains(odd) && text.len() < 6_000, "{text:?}");
    assert_eq!(searcher.find(text), None, "{text:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_as_the_runner_reads_them() {
        let stream = "plain ::error::no\n  ::error title=a%3Ab::x%0Ay%25\r::endgroup::\nat the end ::\n";
        let names: Vec<_> = commands(stream).into_iter().map(|it| (it.name, it.properties, it.data)).collect();
        let expected = [("error", "title=a%3Ab", "x\ny%"), ("endgroup", "", "")];
        assert_eq!(names, expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())));
        assert_eq!(commands("\u{fe0f}::error::x\n:\u{200b}:error::x").len(), 2);
    }

    #[test]
    #[should_panic(expected = "older form")]
    fn the_older_form_is_seen_anywhere() {
        let _ = commands("x ###[error]x");
    }

    #[test]
    fn outputs_are_read_as_the_runner_reads_them() {
        let read = |file: &str| outputs(file).map(|found| found.into_iter().collect::<Vec<_>>());
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            read("a<<E\nx\ny\nE\nb=1<<2\n\nc<<E=\n\nE=\n"),
            Ok(vec![pair("a", "x\ny"), pair("b", "1<<2"), pair("c", "")])
        );
        for wrong in ["a<<E\nx\n", "plain\n", "=x\n", "a=1\na=2\n"] {
            assert!(outputs(wrong).is_err(), "{wrong:?}");
        }
    }
}
