//! A summary as GitHub reads it: parsed as GitHub Flavored Markdown, so that mark-up that is none of ours shows.

use comrak::nodes::{AstNode, NodeValue};
use comrak::{Arena, Options, parse_document};

/// The tags that summaries are made with.
const TAGS: [&str; 9] = [
    "<br>",
    "<code>",
    "</code>",
    "<span>",
    "</span>",
    "<details><summary>Steps</summary>",
    "<details><summary>Keys in full</summary>",
    "<details><summary>Ids in full</summary>",
    "</details>",
];

/// What a reader gets to see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Each heading, with its level.
    pub headings: Vec<(u8, String)>,
    /// The cells of every table's body, row by row.
    pub rows: Vec<Vec<String>>,
    /// Each piece of bold text.
    pub strong: Vec<String>,
    /// The items of all lists.
    pub items: Vec<String>,
    /// Each paragraph.
    pub paragraphs: Vec<String>,
}

/// Reads a summary.
///
/// # Errors
/// Mark-up that no summary is made with: whatever is a link, an image, HTML, a quotation, a code block, a rule; an
/// address that becomes a link by itself, a mention, a formula.
pub fn read(markdown: &str) -> Result<Seen, String> {
    let arena = Arena::new();
    let mut options = Options::default();
    let extension = &mut options.extension;
    (extension.table, extension.strikethrough, extension.autolink) = (true, true, true);
    (extension.tasklist, extension.footnotes, extension.alerts) = (true, true, true);
    let root = parse_document(&arena, markdown, &options);
    let mut seen = Seen::default();
    for node in root.descendants() {
        look(node, &mut seen)?;
    }
    no_formula(root)?;
    no_mention(&text(root))?;
    Ok(seen)
}

/// A picture is made of our own words: steps, times, ages, counts.
fn no_foreign_text(picture: &str) -> Result<(), String> {
    let ours = |c: char| c.is_ascii_alphanumeric() || " \n:.,%\"[]{}#<>-".contains(c);
    let begins = ["gantt\n", "%%{init: {\"xyChart\""].iter().any(|begin| picture.starts_with(begin));
    if begins && picture.chars().all(ours) { Ok(()) } else { Err(format!("a picture that is not ours: {picture:?}")) }
}

fn look<'a>(node: &'a AstNode<'a>, seen: &mut Seen) -> Result<(), String> {
    match &node.data.borrow().value {
        NodeValue::Document | NodeValue::Table(_) | NodeValue::TableCell | NodeValue::List(_) => {}
        NodeValue::Text(_) | NodeValue::Code(_) | NodeValue::SoftBreak | NodeValue::TableRow(true) => {}
        NodeValue::Paragraph => seen.paragraphs.push(text(node)),
        NodeValue::Heading(heading) if !heading.setext => seen.headings.push((heading.level, text(node))),
        NodeValue::TableRow(false) => seen.rows.push(node.children().map(text).collect()),
        NodeValue::Item(_) => seen.items.push(text(node)),
        NodeValue::Strong => seen.strong.push(text(node)),
        NodeValue::CodeBlock(block) if block.info == "mermaid" => no_foreign_text(&block.literal)?,
        NodeValue::HtmlInline(tag) if TAGS.contains(&tag.as_str()) => {}
        NodeValue::HtmlBlock(html) if html.literal.lines().all(|line| TAGS.contains(&line)) => {}
        other => return Err(format!("mark-up that is not ours: {other:?}, {:?}", text(node))),
    }
    Ok(())
}

/// Two dollars in one line make a formula, unless each stands in a tag of its own.
fn no_formula<'a>(root: &'a AstNode<'a>) -> Result<(), String> {
    for node in root.descendants() {
        if let NodeValue::Text(text) = &node.data.borrow().value
            && text.contains('$')
        {
            let tag = |node: Option<&'a AstNode<'a>>, tag: &str| {
                node.is_some_and(|node| matches!(&node.data.borrow().value, NodeValue::HtmlInline(html) if html == tag))
            };
            let alone = text == "$" && tag(node.previous_sibling(), "<span>") && tag(node.next_sibling(), "</span>");
            if !alone {
                return Err(format!("a dollar that may begin a formula: {text:?}"));
            }
        }
    }
    Ok(())
}

fn no_mention(text: &str) -> Result<(), String> {
    let mention = |(at, _): (usize, &str)| {
        text.get(at + 1..).and_then(|rest| rest.chars().next()).is_some_and(|next| next.is_ascii_alphanumeric())
    };
    if text.match_indices('@').any(mention) { Err(format!("a mention: {text:?}")) } else { Ok(()) }
}

/// The text below a node, as it is shown.
fn text<'a>(node: &'a AstNode<'a>) -> String {
    let mut shown = String::new();
    for node in node.descendants() {
        match &node.data.borrow().value {
            NodeValue::Text(text) => shown.push_str(text),
            // What is shown as code mentions nobody.
            NodeValue::Code(code) => shown.push_str(&code.literal.replace('@', "@\u{200b}")),
            NodeValue::SoftBreak | NodeValue::LineBreak => shown.push('\n'),
            NodeValue::HtmlInline(tag) if tag == "<br>" => shown.push('\n'),
            _ => {}
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_summaries_are_made_of_is_read() {
        let seen = read("## A `b`\n\n**Next:** <code>x</code> &#60;y&#62;\n\n| H |\n|---|\n| a&#124;b |\n\n- i\n")
            .expect("all ours");
        assert_eq!(seen.headings, [(2, "A b".to_owned())]);
        assert_eq!((seen.rows, seen.strong), (vec![vec!["a|b".to_owned()]], vec!["Next:".to_owned()]));
        assert_eq!((seen.items, seen.paragraphs.first()), (vec!["i".to_owned()], Some(&"Next: x <y>".to_owned())));
        let steps = "<details><summary>Steps</summary>\n\n| a |\n|---|\n| b |\n\n</details>\n";
        assert!(read(steps).is_ok());
        assert!(read("5 <span>$</span> to <span>$</span>9 for `$x$` by `@me` and me@&#8203;x").is_ok());
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        for wrong in [
            "[x](y)",
            "![x](y)",
            "http://evil.test",
            "www.evil.test",
            "me@evil.test",
            "<http://evil.test>",
            "<b>x</b>",
            "<script>",
            "a <!-- b --> c",
            "*x*",
            "~~x~~",
            "> x",
            "    code",
            "```\ncode\n```",
            "---",
            "x\n===",
            "- [ ] x",
            "> [!NOTE]\n> x",
            "x[^1]\n\n[^1]: y",
            "@octocat",
            "5$ to $9",
            "a $x$ b",
            "a\\\nb",
            "<details open>",
        ] {
            assert!(read(wrong).is_err(), "{wrong:?} is let through: {:?}", read(wrong));
        }
    }
}
