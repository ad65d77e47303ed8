//! `.env` files as their parsers read them: what a variable's value is, and the same file with another one.
//!
//! Parsers agree on most: `export` before a name, blanks around `=`, three ways to quote, comments behind a blank and `#`,
//! the last of two lines wins. Where they do not agree about the variable in question, it is left alone and told.

use std::ops::Range;

use zeroize::Zeroizing;

use crate::secret::Secret;

/// What may stand in a file.
pub(super) type Bytes = Zeroizing<Vec<u8>>;

/// A variable in a file.
pub(super) struct Found {
    /// Its value, without quotes and escapes.
    pub(super) value: Secret,
    /// The value as it is written, quotes included.
    pub(super) written: Bytes,
    statement: Statement,
}

/// Finds a variable.
///
/// # Errors
/// Why parsers would not agree on its value, with the line.
pub(super) fn find(text: &[u8], variable: &str) -> Result<Option<Found>, String> {
    let mut found: Option<Statement> = None;
    for statement in statements(text).into_iter().filter(|it| text.get(it.key.clone()) == Some(variable.as_bytes())) {
        if let Some(fault) = statement.fault {
            return Err(format!("line {}: {fault}", line_of(text, statement.key.start)));
        }
        if let Some(first) = found {
            let (first, second) = (line_of(text, first.key.start), line_of(text, statement.key.start));
            return Err(format!("{variable} is set on line {first} and again on line {second}: expected one of them"));
        }
        found = Some(statement);
    }
    Ok(found.map(|statement| {
        let written = text.get(statement.value.clone()).unwrap_or_default();
        Found { value: value(text, &statement), written: Zeroizing::new(written.to_vec()), statement }
    }))
}

/// A line as parsers read it, or several where a quoted value goes on.
pub(super) enum Line<'a> {
    /// `NAME=value`.
    Variable {
        /// Its name.
        name: String,
        /// Its value, without quotes and escapes.
        value: Secret,
    },
    /// `NAME: value`, which few parsers read.
    Colon,
    /// Without its `#`.
    Comment(&'a [u8]),
    /// Neither of these, nor blank.
    Other(&'a [u8]),
}

/// Every line that is not blank.
pub(super) fn lines(text: &[u8]) -> Vec<Line<'_>> {
    let mut reader = Reader::new(text);
    let mut lines = Vec::new();
    while reader.at < text.len() {
        let begin = reader.at;
        let statement = reader.statement();
        lines.extend(match statement {
            Some(statement) if statement.is_colon => Some(Line::Colon),
            Some(statement) => Some(variable(text, &statement)),
            None => other(text.get(begin..reader.at).unwrap_or_default()),
        });
    }
    lines
}

/// Every variable but this one, each with its value, or where not all parsers would read the same one with all that is
/// written behind its name.
pub(super) fn others(text: &[u8], variable: &str) -> Vec<(String, Secret)> {
    let statements = statements(text).into_iter().filter(|it| text.get(it.key.clone()) != Some(variable.as_bytes()));
    let named = |it: Statement| {
        let value = if it.fault.is_none() { value(text, &it) } else { behind_name(text, &it) };
        (name(text, &it), value)
    };
    statements.map(named).collect()
}

fn behind_name(text: &[u8], statement: &Statement) -> Secret {
    let written = Zeroizing::new(text.get(statement.key.end..statement.whole.end).unwrap_or_default().to_vec());
    let written = Zeroizing::new(String::from_utf8_lossy(&written).into_owned());
    Secret::new(written.trim_start_matches([' ', ':', '=', '\'']).trim().to_owned())
}

fn variable(text: &[u8], statement: &Statement) -> Line<'static> {
    Line::Variable { name: name(text, statement), value: value(text, statement) }
}

fn name(text: &[u8], statement: &Statement) -> String {
    String::from_utf8_lossy(text.get(statement.key.clone()).unwrap_or_default()).into_owned()
}

fn value(text: &[u8], statement: &Statement) -> Secret {
    unquoted(text.get(statement.value.clone()).unwrap_or_default(), statement.quote)
}

fn other(line: &[u8]) -> Option<Line<'_>> {
    let line = line.trim_ascii();
    match line.strip_prefix(b"#") {
        Some(comment) => Some(Line::Comment(comment)),
        None => (!line.is_empty()).then_some(Line::Other(line)),
    }
}

/// The file with another value of the variable; one that is not there is appended.
///
/// # Errors
/// As [`find`], or that no way to write the value is read alike by all parsers.
pub(super) fn with_value(text: &[u8], variable: &str, value: &str) -> Result<Bytes, String> {
    let found = find(text, variable)?;
    let written = quoted(value, found.as_ref().and_then(|found| found.statement.quote))?;
    match found {
        Some(found) => Ok(spliced(text, found.statement.value, &written)),
        None => Ok(appended(text, variable, &written)),
    }
}

/// The file with the variable's value as it was written before.
///
/// # Errors
/// As [`find`].
pub(super) fn with_written(text: &[u8], variable: &str, written: &[u8]) -> Result<Bytes, String> {
    match find(text, variable)? {
        Some(found) => Ok(spliced(text, found.statement.value, written)),
        None => Ok(appended(text, variable, written)),
    }
}

/// The file without the variable. `joined`: the line break before it came with it.
///
/// # Errors
/// As [`find`].
pub(super) fn without(text: &[u8], variable: &str, joined: bool) -> Result<Bytes, String> {
    let Some(found) = find(text, variable)? else { return Ok(Zeroizing::new(text.to_vec())) };
    let Range { mut start, end } = found.statement.whole;
    if joined && end == text.len() {
        let before = text.get(..start).unwrap_or_default();
        start -= break_at_end(before).len();
    }
    Ok(spliced(text, start..end, b""))
}

/// Whether a line that is appended needs a line break before it.
pub(super) fn lacks_break(text: &[u8]) -> bool {
    !text.is_empty() && break_at_end(text).is_empty()
}

fn break_at_end(text: &[u8]) -> &[u8] {
    let breaks: [&[u8]; 3] = [b"\r\n", b"\n", b"\r"];
    breaks.into_iter().find(|end| text.ends_with(end)).unwrap_or_default()
}

fn spliced(text: &[u8], range: Range<usize>, with: &[u8]) -> Bytes {
    let (before, after) = (text.get(..range.start).unwrap_or_default(), text.get(range.end..).unwrap_or_default());
    Zeroizing::new([before, with, after].concat())
}

fn appended(text: &[u8], variable: &str, written: &[u8]) -> Bytes {
    let end: &[u8] = if text.windows(2).any(|pair| pair == b"\r\n") { b"\r\n" } else { b"\n" };
    let joint = if lacks_break(text) { end } else { b"" };
    Zeroizing::new([text, joint, variable.as_bytes(), b"=", written, end].concat())
}

/// One `NAME=value`.
struct Statement {
    key: Range<usize>,
    /// Quotes included; empty where nothing stands behind `=`.
    value: Range<usize>,
    quote: Option<u8>,
    /// From the beginning of its line to behind its line break.
    whole: Range<usize>,
    /// Why its value is not the same to all.
    fault: Option<&'static str>,
    /// A colon stands where others have `=`.
    is_colon: bool,
}

fn statements(text: &[u8]) -> Vec<Statement> {
    let mut reader = Reader::new(text);
    let mut statements = Vec::new();
    while reader.at < text.len() {
        statements.extend(reader.statement());
    }
    statements
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Behind the mark that some editors put at the beginning of UTF-8.
    fn new(text: &'a [u8]) -> Self {
        Self { text, at: if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 } }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip(&mut self, which: impl Fn(u8) -> bool) -> Range<usize> {
        let from = self.at;
        while self.peek().is_some_and(&which) {
            self.at += 1;
        }
        from..self.at
    }

    /// To behind the next line break.
    fn skip_line(&mut self) {
        self.skip(|byte| !is_break(byte));
        self.at += if self.text.get(self.at..).is_some_and(|rest| rest.starts_with(b"\r\n")) { 2 } else { 1 };
        self.at = self.at.min(self.text.len());
    }

    /// Reads one line, or more of them where a quoted value goes on.
    fn statement(&mut self) -> Option<Statement> {
        let begin = self.at;
        self.skip(is_blank);
        self.skip_export();
        let key = self.key();
        self.skip(is_blank);
        if key.is_empty() || self.peek() != Some(b'=') {
            self.skip_line();
            return self.with_colon(key, begin);
        }
        self.at += 1;
        let (value, quote, mut fault) = self.value();
        let after = self.skip(is_blank);
        if quote.is_some() && fault.is_none() && !self.peek().is_none_or(|byte| is_break(byte) || byte == b'#') {
            fault = Some("something stands behind the closing quotation mark");
        }
        let _ = after;
        self.skip_line();
        Some(Statement { key, value, quote, whole: begin..self.at, fault, is_colon: false })
    }

    /// `NAME: value`, which some read and some do not.
    fn with_colon(&self, key: Range<usize>, begin: usize) -> Option<Statement> {
        let name = self.text.get(key.clone()).and_then(|name| name.strip_suffix(b":"))?;
        let key = key.start..key.start + name.len();
        let fault = Some("not every parser reads a colon: expected `=` behind the name");
        Some(Statement { value: key.end..key.end, key, quote: None, whole: begin..self.at, fault, is_colon: true })
    }

    fn skip_export(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if rest.strip_prefix(b"export").and_then(|rest| rest.first()).is_some_and(|byte| is_blank(*byte)) {
            self.at += b"export".len();
            self.skip(is_blank);
        }
    }

    fn key(&mut self) -> Range<usize> {
        if self.peek() == Some(b'\'') {
            self.at += 1;
            let key = self.skip(|byte| byte != b'\'' && !is_break(byte));
            self.at += usize::from(self.peek() == Some(b'\''));
            return key;
        }
        self.skip(|byte| !matches!(byte, b'=' | b'#') && !is_blank(byte) && !is_break(byte))
    }

    fn value(&mut self) -> (Range<usize>, Option<u8>, Option<&'static str>) {
        let behind_equals = self.at;
        let is_apart = !self.skip(is_blank).is_empty();
        match self.peek() {
            Some(quote @ (b'\'' | b'"' | b'`')) => match self.closing(quote) {
                Some(end) => {
                    let value = self.at..end;
                    self.at = end;
                    (value, Some(quote), None)
                }
                None => (self.at..self.at, None, Some("a quotation mark is not closed")),
            },
            Some(b'#') if is_apart => (behind_equals..behind_equals, None, None),
            _ => {
                let line = self.skip(|byte| !is_break(byte));
                let value = self.without_comment(line.clone());
                // An empty one belongs right behind `=`, before the blanks that set off a comment.
                (if value.is_empty() { behind_equals..behind_equals } else { value }, None, None)
            }
        }
    }

    /// Where the quoted text that begins here ends; a quotation mark right behind a backslash does not end it.
    fn closing(&self, quote: u8) -> Option<usize> {
        let inner = self.text.get(self.at + 1..)?;
        let mut before = None;
        for (at, byte) in inner.iter().enumerate() {
            if *byte == quote && before != Some(b'\\') {
                return Some(self.at + 1 + at + 1);
            }
            before = Some(*byte);
        }
        None
    }

    /// Up to the blanks before a comment, or before the end.
    fn without_comment(&self, line: Range<usize>) -> Range<usize> {
        let text = self.text.get(line.clone()).unwrap_or_default();
        let comment = text.windows(2).position(|pair| matches!(pair, [blank, b'#'] if is_blank(*blank)));
        let text = text.get(..comment.unwrap_or(text.len())).unwrap_or_default();
        line.start..line.start + text.trim_ascii_end().len()
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0b | 0x0c)
}

fn is_break(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn line_of(text: &[u8], at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    let crlf = before.windows(2).filter(|pair| *pair == b"\r\n").count();
    1 + before.iter().filter(|byte| is_break(**byte)).count() - crlf
}

/// What quoted text means.
fn unquoted(written: &[u8], quote: Option<u8>) -> Secret {
    let inner = quote.map_or(written, |_| written.get(1..written.len().saturating_sub(1)).unwrap_or_default());
    let text = Zeroizing::new(String::from_utf8_lossy(inner).into_owned());
    let escapes = match quote {
        Some(b'"') => "\\'\"abfnrtv",
        Some(b'\'') => "\\'",
        _ => return Secret::new(text.to_string()),
    };
    let mut value = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match chars.peek() {
            Some(escaped) if c == '\\' && escapes.contains(*escaped) => {
                value.push(meaning(*escaped));
                chars.next();
            }
            _ => value.push(c),
        }
    }
    Secret::new(value)
}

fn meaning(escaped: char) -> char {
    match escaped {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        other => other,
    }
}

/// A value as all parsers read it, in the quotes that stood there if they do.
fn quoted(value: &str, quote: Option<u8>) -> Result<Bytes, String> {
    let is_plain = value.bytes().all(|byte| byte.is_ascii_graphic() && !b"'\"`\\$#".contains(&byte));
    let quote = match quote {
        quote if is_plain => quote,
        _ if !value.contains(['\'', '\\', '`']) && !value.contains("${") && !value.contains(char::is_control) => {
            Some(b'\'')
        }
        _ => return Err("the key has characters in it that parsers of such files read in different ways".to_owned()),
    };
    let marks = quote.as_slice();
    Ok(Zeroizing::new([marks, value.as_bytes(), marks].concat()))
}

#[cfg(test)]
mod tests;
