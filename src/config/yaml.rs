//! YAML text -> a tree that knows where everything stands. Values stay the text that was written: what they mean is the
//! affair of the inputs of the same names.
//!
//! The parser is the one below `serde-saphyr`; serde itself stops at the first mistake, and here all are told.

use std::collections::BTreeMap;

use granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError};

use crate::cli::Place;

/// Deeper than any file that means something; it bounds the recursion over the tree.
const DEEPEST: usize = 16;

/// Something that makes the text as a whole unreadable, or one part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: Place,
    pub(super) message: String,
}

/// One value. It may be a secret that was put here by mistake, so it has no `Debug`.
pub(super) struct Node {
    pub(super) at: Place,
    pub(super) value: Value,
}

/// What a value is.
pub(super) enum Value {
    /// A scalar as it was written, without its quotation marks.
    Scalar { text: String, quoted: bool },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the order of the text; no key twice.
    Map(Vec<Field>),
    /// What a fault was told of.
    Faulty,
}

/// One key of a mapping, and its value.
pub(super) struct Field {
    pub(super) name: String,
    pub(super) at: Place,
    pub(super) node: Node,
}

/// What YAML 1.2 takes a scalar for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Nothing,
    Boolean,
    Number,
    Text,
}

impl Value {
    /// What YAML 1.2 takes it for, in a word for messages.
    pub(super) fn what(&self) -> &'static str {
        match self {
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
            Self::Faulty => "nothing that can be read",
            Self::Scalar { text, quoted } => match kind(text, *quoted) {
                Kind::Nothing => "nothing",
                Kind::Boolean => "true or false",
                Kind::Number => "a number",
                Kind::Text => "a text",
            },
        }
    }
}

/// What the core schema of YAML 1.2 takes a scalar for.
pub(super) fn kind(text: &str, quoted: bool) -> Kind {
    match text {
        _ if quoted => Kind::Text,
        "" | "~" | "null" | "Null" | "NULL" => Kind::Nothing,
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => Kind::Boolean,
        _ if is_number(text) => Kind::Number,
        _ => Kind::Text,
    }
}

fn is_number(text: &str) -> bool {
    let all = |text: &str, is: fn(&u8) -> bool| !text.is_empty() && text.bytes().all(|byte| is(&byte));
    if let Some(digits) = text.strip_prefix("0x") {
        return all(digits, u8::is_ascii_hexdigit);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return all(digits, |byte| (b'0'..=b'7').contains(byte));
    }
    let bare = text.strip_prefix(['-', '+']).unwrap_or(text);
    let special = ["inf", "Inf", "INF"].map(|word| bare.strip_prefix('.') == Some(word)).contains(&true);
    if special || [".nan", ".NaN", ".NAN"].contains(&text) {
        return true;
    }
    let (number, exponent) = bare.split_once(['e', 'E']).map_or((bare, None), |(number, e)| (number, Some(e)));
    let exponent = exponent.is_none_or(|e| all(e.strip_prefix(['-', '+']).unwrap_or(e), u8::is_ascii_digit));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = whole.len() + fraction.len() > 0 && format!("{whole}{fraction}").bytes().all(|b| b.is_ascii_digit());
    exponent && digits
}

/// Reads the one document of a text. Beside the tree come the faults of its parts; what has one is left out.
///
/// # Errors
/// Where the text is no YAML, holds no or several documents, or is nested too deep.
pub(super) fn parse(text: &str) -> Result<(Node, Vec<Fault>), Fault> {
    let limits = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: DEEPEST,
        block_nesting_limit: DEEPEST,
    };
    let mut tree = Tree::default();
    for next in Parser::new_from_str_with_options(text, limits) {
        let (event, span) = next.map_err(|error| unreadable(&error))?;
        tree.take(event, place(&span.start))?;
    }
    let nothing = Fault { at: Place { line: 1, column: 1 }, message: "there is nothing in it".to_owned() };
    let node = tree.root.ok_or(nothing)?;
    Ok((node, tree.faults))
}

fn place(marker: &Marker) -> Place {
    Place { line: marker.line(), column: marker.col() + 1 }
}

fn unreadable(error: &ScanError) -> Fault {
    Fault { at: place(error.marker()), message: format!("this is no YAML: {}", error.info()) }
}

/// A collection whose end was not reached yet.
enum Open {
    List { at: Place, nodes: Vec<Node> },
    Map { at: Place, fields: Vec<Field>, key: Option<Key>, first: BTreeMap<String, Place> },
}

/// A key whose value comes next; without a name it is none that can be known.
struct Key {
    name: Option<String>,
    at: Place,
}

#[derive(Default)]
struct Tree {
    open: Vec<Open>,
    root: Option<Node>,
    faults: Vec<Fault>,
}

impl Tree {
    fn take(&mut self, event: Event<'_>, at: Place) -> Result<(), Fault> {
        if event.tag().is_some() {
            self.fault(at, "tags (`!…`) have no meaning here: leave it out");
        }
        match event {
            Event::DocumentStart(..) if self.root.is_some() => {
                return Err(Fault { at, message: "a second document begins here: expected one".to_owned() });
            }
            Event::Scalar(text, style, ..) => {
                let quoted = style != ScalarStyle::Plain;
                self.put(Node { at, value: Value::Scalar { text: text.into_owned(), quoted } });
            }
            Event::Alias(_) => {
                self.fault(at, "aliases (`*…`) have no meaning here: write the value out, or once at the top for all");
                self.put(Node { at, value: Value::Faulty });
            }
            Event::SequenceStart(..) => self.open.push(Open::List { at, nodes: Vec::new() }),
            Event::MappingStart(..) => {
                self.open.push(Open::Map { at, fields: Vec::new(), key: None, first: BTreeMap::new() });
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            _ => {}
        }
        Ok(())
    }

    fn fault(&mut self, at: Place, message: impl Into<String>) {
        self.faults.push(Fault { at, message: message.into() });
    }

    fn close(&mut self) {
        match self.open.pop() {
            Some(Open::List { at, nodes }) => self.put(Node { at, value: Value::List(nodes) }),
            Some(Open::Map { at, fields, .. }) => self.put(Node { at, value: Value::Map(fields) }),
            None => {}
        }
    }

    /// The node is whole: it becomes a key, a value, an entry or the document itself.
    fn put(&mut self, node: Node) {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { nodes, .. }) => nodes.push(node),
            Some(Open::Map { fields, key, first, .. }) => match key.take() {
                Some(Key { name: Some(name), at }) => fields.push(Field { name, at, node }),
                Some(Key { name: None, .. }) => {}
                None => {
                    let (name, fault) = as_key(node.value, node.at, first);
                    *key = Some(Key { name, at: node.at });
                    self.faults.extend(fault);
                }
            },
        }
    }
}

fn as_key(value: Value, at: Place, first: &mut BTreeMap<String, Place>) -> (Option<String>, Option<Fault>) {
    let text = match value {
        Value::Scalar { text, .. } => text,
        Value::Faulty => return (None, None),
        other => return (None, Some(Fault { at, message: format!("{} can't be a field's name", other.what()) })),
    };
    match first.get(&text) {
        Some(before) => {
            let message = format!("the field on line {} has the same name: expected each once", before.line);
            (None, Some(Fault { at, message }))
        }
        None => {
            first.insert(text.clone(), at);
            (Some(text), None)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails here has failed")]

    use super::*;

    fn shown(node: &Node) -> String {
        let at = node.at;
        match &node.value {
            Value::Scalar { text, quoted } => format!("{text:?}{}@{at}", if *quoted { "q" } else { "" }),
            Value::List(nodes) => format!("[{}]@{at}", nodes.iter().map(shown).collect::<Vec<_>>().join(" ")),
            Value::Map(fields) => {
                let field = |field: &Field| format!("{}@{}={}", field.name, field.at, shown(&field.node));
                format!("{{{}}}@{at}", fields.iter().map(field).collect::<Vec<_>>().join(" "))
            }
            Value::Faulty => format!("!@{at}"),
        }
    }

    fn read(text: &str) -> (String, Vec<String>) {
        let (node, faults) = parse(text).unwrap_or_else(|fault| panic!("{fault:?}"));
        (shown(&node), faults.iter().map(|fault| format!("{}: {}", fault.at, fault.message)).collect())
    }

    fn refused(text: &str) -> String {
        match parse(text) {
            Ok((node, _)) => panic!("{text:?} was read: {}", shown(&node)),
            Err(fault) => format!("{}: {}", fault.at, fault.message),
        }
    }

    #[test]
    fn everything_knows_its_place() {
        let (tree, faults) = read("# c\na: 1\nlist:\n  - x: \"y\"\n  - [p, 'q']\n");
        let expected = r#"{a@2:1="1"@2:4 list@3:1=[{x@4:5="y"q@4:8}@4:5 ["p"@5:6 "q"q@5:9]@5:5]@4:3}@2:1"#;
        assert_eq!((tree.as_str(), faults.len()), (expected, 0));
    }

    #[test]
    fn a_byte_order_mark_and_carriage_returns_are_passed_over() {
        let (tree, _) = read("\u{feff}a: b\r\nc: d\r\n");
        assert!(tree.contains(r#"c@2:1="d"@2:4"#), "{tree}");
    }

    #[test]
    fn what_is_wrong_in_a_part_leaves_the_rest() {
        let (tree, faults) = read("a: 1\na: 2\n? [x]\n: 3\nb: !!str 4\nc: &n 5\nd: *n\n");
        assert!(tree.contains("a@1:1") && !tree.contains("\"2\"") && tree.contains("b@5:1"), "{tree}");
        let starts: Vec<_> = faults.iter().map(|fault| fault.split(": ").next().unwrap().to_owned()).collect();
        assert_eq!(starts, ["2:1", "3:3", "5:10", "7:4"], "{faults:?}");
        assert!(faults.first().unwrap().contains("line 1"), "{faults:?}");
    }

    #[test]
    fn what_is_no_document_is_refused() {
        assert!(refused("").starts_with("1:1: there is nothing in it"));
        assert!(refused("# only a comment\n").contains("nothing"));
        assert!(refused("a: 1\n---\nb: 2\n").starts_with("2:1: a second document"));
        for text in ["a: [1", "a: b: c", "a: \"x", "- a\nb: 1", "{a: 1}}"] {
            assert!(refused(text).contains("this is no YAML: "), "{text:?}");
        }
    }

    #[test]
    fn a_deep_or_exploding_text_costs_nothing() {
        assert!(refused(&"[".repeat(200_000)).contains("this is no YAML"));
        assert!(refused(&(0..100).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<String>()).contains("YAML"));
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            bomb.push_str(&format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", ")));
        }
        let (_, faults) = read(&bomb);
        assert_eq!(faults.len(), 9 * 11);
    }

    #[test]
    fn whatever_is_in_a_text_it_is_read_or_refused() {
        let parts = [
            "a: ", "- ", "\n", "  ", "[", "]", "{", "}", ",", "\"", "'", "|\n", ">", "&x ", "*x", "!t ", "? ", "#", "é",
        ];
        let more = ["---\n", "...\n", "%YAML 1.2\n", "<<: ", "~", "\t", "\r", "\0", "\u{feff}", "\\u12", "@", "`", "1"];
        let parts: Vec<_> = parts.into_iter().chain(more).collect();
        let seed = fastrand::u64(..);
        let mut rng = fastrand::Rng::with_seed(seed);
        for _ in 0..3_000 {
            let text: String = (0..rng.usize(1..25)).filter_map(|_| rng.choice(&parts)).copied().collect();
            let lines = text.matches(['\n', '\r']).count() + 1;
            let place = match parse(&text) {
                Ok((node, _)) => node.at,
                Err(fault) => fault.at,
            };
            // The parser may tell of what is missing behind the end.
            assert!(place.line <= lines + 1 && place.column >= 1, "seed {seed}: {place} in {text:?}");
        }
    }

    #[test]
    fn scalars_are_what_yaml_1_2_takes_them_for() {
        for (text, expected) in [
            ("", Kind::Nothing),
            ("~", Kind::Nothing),
            ("null", Kind::Nothing),
            ("True", Kind::Boolean),
            ("false", Kind::Boolean),
            ("yes", Kind::Text),
            ("0", Kind::Number),
            ("-12", Kind::Number),
            ("007", Kind::Number),
            ("0x1f", Kind::Number),
            ("0o17", Kind::Number),
            ("1.5", Kind::Number),
            ("1.", Kind::Number),
            (".5", Kind::Number),
            ("12e4", Kind::Number),
            ("-.inf", Kind::Number),
            (".nan", Kind::Number),
            (".", Kind::Text),
            ("1e", Kind::Text),
            ("1.2.3", Kind::Text),
            ("24h", Kind::Text),
            ("0xyz", Kind::Text),
            ("-", Kind::Text),
        ] {
            assert_eq!(kind(text, false), expected, "{text}");
        }
        assert_eq!(kind("12", true), Kind::Text);
    }
}
