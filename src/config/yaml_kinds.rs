//! What YAML has to take a field's value for. Whatever the value then means, and whether it is right, is decided where the
//! input of the same name is read, from the same text.

use super::list::EMPTY;
use super::yaml::{Kind, Value, kind};
use crate::cli::ValueKind;

const NO_VALUE: &str = "has no value: give one, or leave the field out";

/// The value as its input would be written.
///
/// # Errors
/// What is accepted.
pub(super) fn text(of: ValueKind, value: &Value) -> Result<String, String> {
    let text = match of {
        ValueKind::Boolean => scalar(value, &[Kind::Text, Kind::Boolean]),
        ValueKind::Usd | ValueKind::Count => scalar(value, &[Kind::Text, Kind::Number]),
        ValueKind::Duration(_) => duration(value),
        ValueKind::List => names(value),
        _ => scalar(value, &[Kind::Text]),
    }?;
    if text.trim().is_empty() { Err(NO_VALUE.to_owned()) } else { Ok(text) }
}

/// `all`, `inherit`, or names: a list, or a text with commas or line breaks between them.
fn names(value: &Value) -> Result<String, String> {
    let Value::List(nodes) = value else { return scalar(value, &[Kind::Text]) };
    let names = nodes.iter().map(|node| scalar(&node.value, &[Kind::Text]));
    let names = names.collect::<Result<Vec<_>, _>>().map_err(|message| format!("an entry {message}"))?;
    if names.is_empty() || names.iter().any(|name| name.trim().is_empty()) {
        return Err(EMPTY.to_owned());
    }
    if names.iter().any(|name| name.contains([',', '\n'])) {
        return Err("expected one name an entry, without commas".to_owned());
    }
    if names.iter().any(|name| ["all", "inherit"].contains(&name.trim())) {
        return Err("expected `all` or `inherit` alone, not as an entry of a list".to_owned());
    }
    Ok(names.join("\n"))
}

/// The text of a span of time. Without its unit it is a number.
fn duration(value: &Value) -> Result<String, String> {
    match value {
        Value::Scalar { text, quoted } if kind(text, *quoted) == Kind::Number => {
            Err(format!("the unit is missing: add one, such as {text}h or {text}d"))
        }
        other => scalar(other, &[Kind::Text]),
    }
}

/// The text of a scalar that YAML takes for one of these.
///
/// # Errors
/// What it is, and what is accepted.
pub(super) fn scalar(value: &Value, kinds: &[Kind]) -> Result<String, String> {
    let Value::Scalar { text, quoted } = value else {
        return Err(format!("is {}: expected a single value", value.what()));
    };
    match kind(text, *quoted) {
        Kind::Nothing => Err(NO_VALUE.to_owned()),
        _ if text.contains("${{") => {
            Err("still contains `${{`: the expression was not evaluated, since this file is no workflow".to_owned())
        }
        is if kinds.contains(&is) => Ok(text.clone()),
        _ if kinds.contains(&Kind::Boolean) => Err("expected `true` or `false`".to_owned()),
        // Readers of YAML differ in what they make of `010` or `1e5`.
        _ => Err(format!("YAML reads this as {}: put it in quotation marks", value.what())),
    }
}
