//! How a value may be written in the config file: what YAML has to take it for. Whatever it then means, and whether it
//! is right, is decided where the input of the same name is read, from the same text.
//!
//! Each shape's JSON Schema, for the tests that write and check `keyrotor.schema.json`, is in `schema`.

use std::marker::PhantomData;

use super::list::EMPTY;
use super::yaml::{Kind, Node, Place, Value, kind};

/// A value as its input would be written, and where it stands in the file.
pub(super) struct Given<S> {
    pub(super) text: String,
    pub(super) at: Place,
    shape: PhantomData<S>,
}

impl<S: Shape> Given<S> {
    /// Takes a node for a value of this shape.
    ///
    /// # Errors
    /// What is accepted.
    pub(super) fn read(node: &Node) -> Result<Self, String> {
        let text = S::text(&node.value)?;
        if text.trim().is_empty() {
            return Err(NO_VALUE.to_owned());
        }
        Ok(Self { text, at: node.at, shape: PhantomData })
    }
}

const NO_VALUE: &str = "has no value: give one, or leave the field out";

/// How a value may be written.
pub(super) trait Shape {
    /// The value as its input would be written.
    ///
    /// # Errors
    /// What is accepted.
    fn text(value: &Value) -> Result<String, String>;
}

/// The shapes: their names say in `schema` what is expected of the text itself.
macro_rules! shapes {
    ($($(#[$doc:meta])* $name:ident: $read:expr;)*) => {
        $($(#[$doc])* pub(super) struct $name;
        impl Shape for $name {
            fn text(value: &Value) -> Result<String, String> {
                let read: fn(&Value) -> Result<String, String> = $read;
                read(value)
            }
        })*
    };
}

shapes! {
    /// A family of keys.
    KeyName: |value| scalar(value, &[Kind::Text]);
    /// A key's id.
    KeyId: |value| scalar(value, &[Kind::Text]);
    /// A variable of the environment.
    VariableName: |value| scalar(value, &[Kind::Text]);
    /// A secret's name.
    SecretName: |value| scalar(value, &[Kind::Text]);
    /// Who issues keys.
    Issuer: |value| scalar(value, &[Kind::Text]);
    /// The address of an API.
    Address: |value| scalar(value, &[Kind::Text]);
    /// An amount in USD, `none` or `inherit`.
    Amount: |value| scalar(value, &[Kind::Text, Kind::Number]);
    /// When a limit starts anew.
    Reset: |value| scalar(value, &[Kind::Text]);
    /// A duration, `never` or `inherit`.
    Lifetime: span;
    /// A duration.
    Span: span;
    /// A duration or `drain`.
    Grace: span;
    /// What becomes of replaced keys.
    Fate: |value| scalar(value, &[Kind::Text]);
    /// A model's name or `auto`.
    Chat: |value| scalar(value, &[Kind::Text]);
    /// A workflow file and its words.
    Workflow: |value| scalar(value, &[Kind::Text]);
    /// A whole number.
    Count: |value| scalar(value, &[Kind::Text, Kind::Number]);
    /// `true` or `false`.
    Flag: |value| scalar(value, &[Kind::Text, Kind::Boolean]);
    /// A workspace's id.
    WorkspaceId: |value| scalar(value, &[Kind::Text]);
}

/// `all`, `inherit`, or names: a list, or a text with commas or line breaks between them.
pub(super) struct Names;

impl Shape for Names {
    fn text(value: &Value) -> Result<String, String> {
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
}

/// The text of a span of time. Without its unit it is a number.
fn span(value: &Value) -> Result<String, String> {
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
