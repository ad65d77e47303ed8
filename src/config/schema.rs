//! `keyrotor.schema.json`, made from the types of `file` and `shape`. Part of the tests alone: the program carries no
//! schema, and the file is compared with what comes out here.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use crate::config::file::{Config, Targets};
use crate::config::shape::{
    Address, Amount, Chat, Count, Fate, Flag, Given, Grace, Issuer, KeyId, KeyName, Lifetime, Names, Reset, SecretName,
    Shape, Span, VariableName, Workflow, WorkspaceId,
};
use crate::store::target::Kind;

/// Where editors find it: in the branch of the major version, like the action itself.
const ADDRESS: &str = "https://raw.githubusercontent.com/keyrotor/keyrotor/v1/keyrotor.schema.json";

const DURATION: &str = "[0-9]+[smhdw]";

/// A shape as JSON Schema.
trait Described {
    fn described() -> Value;
}

macro_rules! described {
    ($($name:ident: $schema:expr;)*) => {
        $(impl Described for $name {
            fn described() -> Value {
                $schema
            }
        })*
    };
}

fn text(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": format!("^({pattern})$") })
}

described! {
    KeyName: json!({ "type": "string", "pattern": "^\\S(.*\\S)?$", "maxLength": 80 });
    KeyId: json!({ "type": "string", "pattern": "^[^\\s/\\\\?#%]+$", "maxLength": 256 });
    VariableName: text("[A-Za-z_][A-Za-z0-9_]*");
    SecretName: text("[A-Za-z_][A-Za-z0-9_]*");
    Issuer: json!({ "enum": ["arouter", "openrouter"] });
    Address: text("https?://.+");
    Amount: json!({ "anyOf": [{ "type": "number", "minimum": 0 }, text("[0-9]+(\\.[0-9]+)?|none|inherit")] });
    Reset: json!({ "enum": ["daily", "weekly", "monthly", "none", "never", "inherit"] });
    Lifetime: text(&format!("{DURATION}|never|inherit"));
    Span: text(DURATION);
    Grace: text(&format!("{DURATION}|drain"));
    Fate: json!({ "enum": ["delete", "disable", "keep"] });
    Chat: text("\\S+");
    Workflow: text("\\S.*");
    Count: json!({ "anyOf": [{ "type": "integer", "minimum": 1, "maximum": 100 }, text("[0-9]{1,3}")] });
    Flag: json!({ "enum": [true, false, "true", "false"] });
    WorkspaceId: text("\\S+");
    Names: json!({ "anyOf": [
        { "type": "string", "minLength": 1 },
        {
            "type": "array",
            "minItems": 1,
            "items": { "type": "string", "pattern": "^[^\\s,\\[\\]\"']+$", "not": { "enum": ["all", "inherit"] } },
        },
    ] });
}

impl<S: Shape + Described> JsonSchema for Given<S> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Given".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        Schema::try_from(S::described()).unwrap_or_default()
    }
}

impl JsonSchema for Targets {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Targets".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let kinds = Kind::ALL.map(Kind::word).join("|");
        let target = json!({ "type": "string", "pattern": format!("^\\s*({kinds}):\\S") });
        let lines = json!({ "type": "string", "pattern": format!("(^|\\n)\\s*({kinds}):\\S") });
        let any = json!({ "anyOf": [{ "type": "array", "minItems": 1, "items": target }, lines] });
        Schema::try_from(any).unwrap_or_default()
    }
}

/// The schema as the file has it.
fn generated() -> Value {
    let generator = SchemaSettings::draft07().with(|it| it.inline_subschemas = true).into_generator();
    let mut schema = generator.into_root_schema_for::<Config>();
    RecursiveTransform(without_null).transform(&mut schema);
    RecursiveTransform(closed).transform(&mut schema);
    schema.insert("$id".to_owned(), ADDRESS.into());
    schema.insert("required".to_owned(), json!(["rotations"]));
    let about = "Many rotations for one run of keyrotor. What stands at the top holds for each of them that does not \
                 say otherwise.";
    schema.insert("description".to_owned(), about.into());
    if let Some(rotations) = schema.pointer_mut("/properties/rotations").and_then(Value::as_object_mut) {
        rotations.insert("minItems".to_owned(), 1.into());
    }
    schema.to_value()
}

/// A field that may be left out is not one that may be `null`.
fn without_null(schema: &mut Schema) {
    let nothing = json!({ "type": "null" });
    let Some(any) = schema.get_mut("anyOf").and_then(Value::as_array_mut) else { return strip_null(schema) };
    any.retain(|one| *one != nothing);
    if let [only] = any.as_slice()
        && let Some(only) = only.as_object().cloned()
    {
        schema.remove("anyOf");
        for (key, value) in only {
            schema.insert(key, value);
        }
    }
    strip_null(schema);
}

fn strip_null(schema: &mut Schema) {
    if let Some(types) = schema.get("type").and_then(Value::as_array)
        && let [only] = types.iter().filter(|one| *one != "null").collect::<Vec<_>>().as_slice()
    {
        let only = (*only).clone();
        schema.insert("type".to_owned(), only);
    }
    if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        words.retain(|word| !word.is_null());
    }
}

/// Unknown fields are wrong wherever fields are listed.
fn closed(schema: &mut Schema) {
    if schema.get("properties").is_some() {
        schema.insert("additionalProperties".to_owned(), false.into());
    }
}

#[cfg(test)]
mod tests;
