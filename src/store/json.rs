//! One field of a JSON object in text. Whatever else stands in the text stays as it is written: the order of keys, white
//! space, numbers of any length.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::http::one_line;
use crate::secret::without_keys;

/// So many fields are named in one sentence.
const MAX_NAMED: usize = 20;

/// Why a field can't be read or changed. It shows nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldError {
    /// The text is no JSON object.
    NotAnObject,
    /// The object has the field more than once.
    Twice,
    /// The field holds a number, an object or the like.
    NotText,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAnObject => "it holds no JSON object",
            Self::Twice => "the field stands twice in its JSON",
            Self::NotText => "the field holds something that is not text",
        })
    }
}

/// The text that a field holds; `None` where the object has no such field.
///
/// # Errors
/// A text that is no object, a field that stands twice or holds no text.
pub(super) fn field(text: &str, name: &str) -> Result<Option<Zeroizing<String>>, FieldError> {
    let entries = Entries::of(text)?;
    let Some(at) = entries.position(name)? else { return Ok(None) };
    let raw = entries.0.get(at).map_or("", |entry| entry.value.get());
    serde_json::from_str(raw).map(|text| Some(Zeroizing::new(text))).map_err(|_| FieldError::NotText)
}

/// A name, and what may hold a key under it.
pub(super) type Field = (String, Option<Zeroizing<String>>);

/// Every field with its value, where that can hold a key: text, or a list or an object in which one may lie, as it is
/// written.
///
/// # Errors
/// A text that is no object.
pub(super) fn fields(text: &str) -> Result<Vec<Field>, FieldError> {
    let entries = Entries::of(text)?;
    Ok(entries.0.into_iter().map(|entry| (entry.key, holding(entry.value.get()))).collect())
}

fn holding(raw: &str) -> Option<Zeroizing<String>> {
    let text = serde_json::from_str(raw).ok().or_else(|| is_nested(raw).then(|| raw.to_owned()));
    text.filter(|text| !text.is_empty()).map(Zeroizing::new)
}

fn is_nested(raw: &str) -> bool {
    raw.starts_with(['{', '['])
}

/// The field in which a path such as `arouter.key` leads, where there is none of that whole name: it holds an object or a
/// list, and what lies in it can't be named.
pub(super) fn nested_in<'a>(text: &str, path: &'a str) -> Option<&'a str> {
    let (outer, _) = path.split_once('.')?;
    let entries = Entries::of(text).ok()?;
    let value = |name: &str| entries.0.iter().find(|entry| entry.key == name).map(|entry| entry.value.get());
    (value(path).is_none() && value(outer).is_some_and(is_nested)).then_some(outer)
}

/// Says so.
pub(super) fn only_top_level(text: &str, outer: &str) -> String {
    let fields = fields(text).unwrap_or_default();
    let names = named(fields.iter().map(|(name, _)| name.as_str()));
    format!("only top-level fields can be named, and `{outer}` holds an object or a list; there are {names}")
}

/// What to do then.
pub(super) const MOVE_IT: &str = "Name a top-level field, and let whoever uses the key read it there.";

/// What a text is that holds JSON in the place of a key, for a sentence; `None` for every other text.
#[cfg(feature = "aws")]
pub(super) fn kind(text: &str) -> Option<&'static str> {
    let kind = match text.trim_start().chars().next()? {
        '{' => "object",
        '[' => "list",
        '"' => "string",
        _ => return None,
    };
    serde_json::from_str::<&RawValue>(text).is_ok().then_some(kind)
}

/// Names of fields for a sentence, as many as one can read.
pub(super) fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names: Vec<_> = names.into_iter().map(|name| format!("`{}`", without_keys(&one_line(name)))).collect();
    let more = names.len().saturating_sub(MAX_NAMED);
    names.truncate(MAX_NAMED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    names.join(", ") + &rest
}

/// An object with this field alone; without a value it is null, by which a merge patch takes a field out.
#[cfg(feature = "vault")]
pub(super) fn entry(name: &str, value: Option<&str>) -> Zeroizing<String> {
    let value = value.map_or_else(|| Zeroizing::new("null".to_owned()), quoted);
    Zeroizing::new(format!("{{{}:{}}}", &*quoted(name), &*value))
}

/// The same text with another value in a field, or with the field behind all others where it was missing.
///
/// # Errors
/// As [`field`].
pub(super) fn with_field(text: &str, name: &str, value: &str) -> Result<Zeroizing<String>, FieldError> {
    field(text, name)?;
    let entries = Entries::of(text)?;
    let value = quoted(value);
    let spans = entries.spans(text);
    if let Some(&(begin, end)) = entries.position(name)?.and_then(|at| spans.get(at)) {
        return Ok(spliced(text, begin, end, &value));
    }
    let Some(&(last, end)) = spans.last() else {
        let inside = opening(text);
        return Ok(spliced(text, inside, inside, &Zeroizing::new(format!("{}:{}", &*quoted(name), &*value))));
    };
    // Between the last two values: a comma (none where there is but one), white space, the key, a colon, white space.
    let before = spans.iter().rev().nth(1).map_or(opening(text), |(_, end)| *end);
    let between = text.get(before..last).unwrap_or_default();
    let gap = between.trim_start().strip_prefix(',').unwrap_or(between);
    let gap = gap.split('"').next().unwrap_or_default();
    let space = between.rsplit(':').next().unwrap_or_default();
    let entry = Zeroizing::new(format!(",{gap}{}:{space}{}", &*quoted(name), &*value));
    Ok(spliced(text, end, end, &entry))
}

/// The same text without a field; as it is where there is none.
///
/// # Errors
/// As [`field`].
#[cfg(any(feature = "vault", test))]
pub(super) fn without_field(text: &str, name: &str) -> Result<Zeroizing<String>, FieldError> {
    let entries = Entries::of(text)?;
    let spans = entries.spans(text);
    let Some(at) = entries.position(name)? else { return Ok(Zeroizing::new(text.to_owned())) };
    let Some(&(_, end)) = spans.get(at) else { return Ok(Zeroizing::new(text.to_owned())) };
    if let Some((_, before)) = at.checked_sub(1).and_then(|at| spans.get(at)) {
        return Ok(spliced(text, *before, end, ""));
    }
    let behind = text.get(end..).unwrap_or_default();
    let comma = behind.find(|c: char| !c.is_whitespace()).filter(|at| behind.get(*at..=*at) == Some(","));
    Ok(spliced(text, opening(text), comma.map_or(end, |at| end + at + 1), ""))
}

fn quoted(text: &str) -> Zeroizing<String> {
    Zeroizing::new(serde_json::Value::from(text).to_string())
}

/// Behind the brace that opens the object.
fn opening(text: &str) -> usize {
    text.find('{').map_or(0, |at| at + 1)
}

fn spliced(text: &str, begin: usize, end: usize, instead: &str) -> Zeroizing<String> {
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
    Zeroizing::new([part(0..begin), instead, part(end..text.len())].concat())
}

/// The entries of an object, each value as it is written.
struct Entries<'a>(Vec<Entry<'a>>);

struct Entry<'a> {
    key: String,
    value: &'a RawValue,
}

impl<'a> Entries<'a> {
    fn of(text: &'a str) -> Result<Self, FieldError> {
        serde_json::from_str(text).map_err(|_| FieldError::NotAnObject)
    }

    fn position(&self, name: &str) -> Result<Option<usize>, FieldError> {
        let mut found = self.0.iter().enumerate().filter(|(_, entry)| entry.key == name).map(|(at, _)| at);
        match (found.next(), found.next()) {
            (at, None) => Ok(at),
            (_, Some(_)) => Err(FieldError::Twice),
        }
    }

    /// Where each value stands in the text that the entries were read from.
    fn spans(&self, text: &str) -> Vec<(usize, usize)> {
        let begin = |raw: &str| raw.as_ptr().addr().saturating_sub(text.as_ptr().addr());
        let span = |entry: &Entry<'_>| {
            let raw = entry.value.get();
            (begin(raw), begin(raw) + raw.len())
        };
        self.0.iter().map(span).collect()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Vec<Entry<'de>>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                    entries.push(Entry { key, value });
                }
                Ok(entries)
            }
        }
        from.deserialize_map(Reader).map(Self)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed read fails the test")]
mod tests {
    use super::*;

    const PRETTY: &str = "{\n  \"b\": 12345678901234567890.10,\n  \"key\": \"old\",\n  \"a\": {\"key\": [1e400]}\n}\n";

    fn with(text: &str, value: &str) -> String {
        with_field(text, "key", value).unwrap().to_string()
    }

    #[test]
    fn only_the_value_changes() {
        assert_eq!(with(PRETTY, "new \"one\"\n"), PRETTY.replace("\"old\"", r#""new \"one\"\n""#));
        assert_eq!(with(r#"{"\u006bey" : "old"}"#, "new"), r#"{"\u006bey" : "new"}"#);
        assert_eq!(field(PRETTY, "key").unwrap().unwrap().as_str(), "old");
        assert_eq!(field(r#"{"key":"\u00e4\n"}"#, "key").unwrap().unwrap().as_str(), "ä\n");
        assert_eq!(field(PRETTY, "c").unwrap(), None);
    }

    #[test]
    fn a_missing_field_is_added_behind_the_others_as_they_are_written() {
        for (text, expected) in [
            ("{}", r#"{"key":"v"}"#),
            (" {\n} ", " {\"key\":\"v\"\n} "),
            (r#"{"a":1}"#, r#"{"a":1,"key":"v"}"#),
            (r#"{"a": 1, "b": [2, 3]}"#, r#"{"a": 1, "b": [2, 3], "key": "v"}"#),
            (
                "{\n\t\"a\": \"x:y\",\n\t\"b,\\\"c\": null\n}",
                "{\n\t\"a\": \"x:y\",\n\t\"b,\\\"c\": null,\n\t\"key\": \"v\"\n}",
            ),
        ] {
            assert_eq!(with(text, "v"), expected, "{text}");
        }
    }

    #[test]
    fn a_field_is_taken_out_with_its_comma() {
        for (text, expected) in [
            (r#"{"key":"v"}"#, "{}"),
            (r#"{"a":1}"#, r#"{"a":1}"#),
            (r#"{"key":"v" , "a":1}"#, r#"{ "a":1}"#),
            (r#"{"a": 1, "key": "v", "b": 2}"#, r#"{"a": 1, "b": 2}"#),
            ("{\n  \"a\": 1,\n  \"key\": \"v\"\n}", "{\n  \"a\": 1\n}"),
        ] {
            assert_eq!(without_field(text, "key").unwrap().as_str(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_field_of_text_is_told_apart() {
        for (text, odd) in [
            ("", FieldError::NotAnObject),
            ("[1]", FieldError::NotAnObject),
            ("lr_live_0123456789", FieldError::NotAnObject),
            (r#"{"key":"v"} x"#, FieldError::NotAnObject),
            (r#"{"key":"v","key":"w"}"#, FieldError::Twice),
            (r#"{"key":3}"#, FieldError::NotText),
            (r#"{"key":null}"#, FieldError::NotText),
        ] {
            assert_eq!(field(text, "key").unwrap_err(), odd, "{text}");
            assert_eq!(with_field(text, "key", "v").unwrap_err(), odd, "{text}");
        }
    }

    #[test]
    fn what_may_hold_a_key_is_handed_over_as_text() {
        let text = r#"{"b": "x\n", "n": 12, "none": null, "empty": "", "o": {"k": ["v"]}, "l": [1]}"#;
        let fields = fields(text).unwrap();
        let fields: Vec<_> =
            fields.iter().map(|(name, value)| (name.as_str(), value.as_deref().map(String::as_str))).collect();
        let expected = [
            ("b", Some("x\n")),
            ("n", None),
            ("none", None),
            ("empty", None),
            ("o", Some(r#"{"k": ["v"]}"#)),
            ("l", Some("[1]")),
        ];
        assert_eq!(fields, expected);
    }

    #[test]
    fn a_path_into_an_object_names_no_field() {
        let text = r#"{"arouter": {"key": "v"}, "list": [], "plain": "v", "a.b": "v", "a": {}}"#;
        for (path, outer) in [
            ("arouter.key", Some("arouter")),
            ("list.0", Some("list")),
            ("plain.key", None),
            ("a.b", None),
            ("arouter", None),
            ("none.key", None),
        ] {
            assert_eq!(nested_in(text, path), outer, "{path}");
        }
    }

    #[cfg(feature = "aws")]
    #[test]
    fn json_is_told_from_a_key() {
        let kinds = ["{}", " {\"a\":1}\n", "[\"x\"]", "\"lr_live_x\"", "lr_live_x", "{lr_live_x", "12", ""].map(kind);
        let (object, list, text) = (Some("object"), Some("list"), Some("string"));
        assert_eq!(kinds, [object, object, list, text, None, None, None, None]);
    }

    #[test]
    fn no_more_names_are_told_than_one_can_read() {
        assert_eq!(named(["a", "lr_live_0123456789"]), "`a`, `lr_live_***`");
        let many: Vec<_> = (0..25).map(|nth| nth.to_string()).collect();
        assert!(named(many.iter().map(String::as_str)).ends_with("`19` and 5 more"));
    }

    #[test]
    fn what_was_changed_can_be_read_again() {
        arbtest::arbtest(|data| {
            let entries: std::collections::BTreeMap<String, String> = data.arbitrary()?;
            let (name, value): (String, String) = data.arbitrary()?;
            let text = if data.arbitrary()? {
                serde_json::to_string_pretty(&entries).unwrap()
            } else {
                serde_json::to_string(&entries).unwrap()
            };
            let changed = with_field(&text, &name, &value).unwrap();
            assert_eq!(field(&changed, &name).unwrap().unwrap().as_str(), value);
            let left = without_field(&changed, &name).unwrap();
            let mut expected = entries.clone();
            expected.remove(&name);
            assert_eq!(serde_json::from_str::<std::collections::BTreeMap<String, String>>(&left).unwrap(), expected);
            Ok(())
        });
    }
}
