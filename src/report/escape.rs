//! Foreign text in Markdown. Marks are written as character references, which can never act as structure.

/// Text as it may stand anywhere in a Markdown line, a table's cell included.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut rest = text.char_indices().peekable();
    let listed = list_mark(text);
    while let Some((at, c)) = rest.next() {
        let next = rest.peek().map(|(_, next)| *next);
        match c {
            _ if listed == Some(at) => reference(&mut out, c),
            // Some parsers look for a list item's box once references are characters.
            '[' if at == 0 => out.push_str("&#8203;&#91;"),
            // A colon before slashes and a dot after `www` make links.
            ':' if next == Some('/') => reference(&mut out, c),
            '.' if ends_in_www(&out) => reference(&mut out, c),
            // References alone do not stop a mention: it is looked for in the finished text.
            '@' => out.push_str("@&#8203;"),
            // What GitHub's documentation names to keep an amount of money from being a formula.
            '$' => out.push_str("<span>$</span>"),
            '&' | '<' | '>' | '`' | '*' | '_' | '[' | ']' | '|' | '\\' | '~' => reference(&mut out, c),
            '\n' | '\r' => out.push(' '),
            _ => out.push(c),
        }
    }
    out
}

/// A sentence of ours, in which what stands between two backticks is code; whoever else wrote in it, the rest acts as nothing.
pub(super) fn prose(text: &str) -> String {
    let pieces: Vec<_> = text.split('`').collect();
    if pieces.len() % 2 == 0 {
        return escape(text);
    }
    let is_code = |piece: &str| code(piece) == format!("`{piece}`");
    let between = |(at, piece): (usize, &&str)| match at % 2 {
        0 if at == 0 => escape(piece),
        // A mark at its begin stands within the line.
        0 => escape(&format!("x{piece}")).split_off(1),
        _ if is_code(piece) => format!("`{piece}`"),
        _ => escape(&format!("`{piece}`")),
    };
    pieces.iter().enumerate().map(between).collect()
}

/// Text as code. Fences are of no use where the text has backticks, nor pipes in a table.
pub(super) fn code(text: &str) -> String {
    if text.trim().is_empty() {
        return String::new();
    }
    if !text.contains(['`', '|', '\\', '\n', '\r']) && text.trim() == text {
        return format!("`{text}`");
    }
    format!("<code>{}</code>", escape(text))
}

fn ends_in_www(text: &str) -> bool {
    let tail = text.len().checked_sub(3).and_then(|start| text.get(start..));
    tail.is_some_and(|tail| tail.eq_ignore_ascii_case("www"))
}

fn reference(out: &mut String, c: char) {
    out.push_str(&format!("&#{};", u32::from(c)));
}

/// Where the mark stands that would make the text a list, a heading or a rule.
fn list_mark(text: &str) -> Option<usize> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let first = text.get(digits..)?.chars().next()?;
    let marks: &[char] = if digits == 0 { &['-', '+', '#', '=', ':'] } else { &['.', ')'] };
    marks.contains(&first).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_stays_readable() {
        let text = "repo:acme/app: 403 (needs \"Secrets\" write), 5.5 % of 10 - so be it!";
        assert_eq!(escape(text), text);
    }

    #[test]
    fn no_mark_up_survives() {
        assert_eq!(escape("a|b"), "a&#124;b");
        assert_eq!(escape("<img src=x>"), "&#60;img src=x&#62;");
        assert_eq!(escape("&lt;"), "&#38;lt;");
        assert_eq!(escape("![x](http://evil)"), "!&#91;x&#93;(http&#58;//evil)");
        assert_eq!(escape("WWW.evil.test"), "WWW&#46;evil.test");
        assert_eq!(escape("`*_~\\"), "&#96;&#42;&#95;&#126;&#92;");
        assert_eq!(escape("@octocat"), "@&#8203;octocat");
        assert_eq!(escape("$5 to $9"), "<span>$</span>5 to <span>$</span>9");
        assert_eq!(escape("a\r\nb"), "a  b");
    }

    #[test]
    fn nothing_starts_a_list_or_a_heading() {
        assert_eq!(escape("[x] y"), "&#8203;&#91;x&#93; y");
        assert_eq!(escape("- x"), "&#45; x");
        assert_eq!(escape("# x"), "&#35; x");
        assert_eq!(escape("12. x"), "12&#46; x");
        assert_eq!(escape("12 x. y"), "12 x. y");
    }

    #[test]
    fn code_is_fenced_where_that_is_safe() {
        assert_eq!(code("repo:a/b MY_KEY <x>"), "`repo:a/b MY_KEY <x>`");
        assert_eq!(code("a`b"), "<code>a&#96;b</code>");
        assert_eq!(code("a|b"), "<code>a&#124;b</code>");
        assert_eq!(code(""), "");
    }
}
