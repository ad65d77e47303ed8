//! The text of a secret's version: what of it is the key, and what lies beside it.

use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::http::Failure;
use crate::rotation::model::{Contents, Entry};
use crate::secret::Secret;
use crate::store::json;
use crate::store::target::{AwsSecret, Kind};

/// What a person should know of a secret that the role may write and not read.
const UNREAD: &str = "it may not be read, and is replaced as a whole: a JSON object there would be lost";

/// What of a version's text is the key.
pub(super) fn value_in(target: &AwsSecret, text: &str) -> Result<Option<Zeroizing<String>>, Failure> {
    match &target.field {
        None => Ok(Some(Zeroizing::new(text.to_owned()))),
        Some(field) => json::field(text, field).map_err(odd),
    }
}

/// The whole text with this value in it.
pub(super) fn with_value(target: &AwsSecret, text: &str, value: &str) -> Result<Zeroizing<String>, Failure> {
    match &target.field {
        None => Ok(Zeroizing::new(value.to_owned())),
        Some(field) => json::with_field(text, field, value).map_err(odd),
    }
}

/// A whole secret that is JSON holds more than a key, and a path that leads into a field names none.
///
/// # Errors
/// Refused where the target names the wrong part of the text.
pub(super) fn check(target: &AwsSecret, text: &str) -> Result<(), Failure> {
    match &target.field {
        Some(field) => match json::nested_in(text, field) {
            Some(outer) => Err(Failure::advised(json::only_top_level(text, outer), json::MOVE_IT)),
            None => Ok(()),
        },
        None => json::kind(text).map_or(Ok(()), |kind| Err(no_key(target, text, kind))),
    }
}

fn no_key(target: &AwsSecret, text: &str, kind: &str) -> Failure {
    let fields = json::fields(text).unwrap_or_default();
    if fields.is_empty() {
        let hint = "Store the key as plain text, or in a field of a JSON object that the target names.";
        return Failure::advised(format!("the secret holds a JSON {kind} and no key"), hint);
    }
    let names = json::named(fields.iter().map(|(name, _)| name.as_str()));
    Failure::advised(
        format!("the secret holds a JSON {kind}, and the target names no field of it; there are {names}"),
        format!("Write {target}#FIELD."),
    )
}

/// What a version shows; `text` is `None` where it may not be read.
///
/// # Errors
/// As [`value_in`].
pub(super) fn contents(target: &AwsSecret, text: Option<&str>, made: Option<Timestamp>) -> Result<Contents, Failure> {
    let value = text.map(|text| value_in(target, text)).transpose()?.flatten();
    let fields = match (&target.field, text) {
        (Some(_), Some(text)) => json::fields(text).unwrap_or_default(),
        _ => Vec::new(),
    };
    // A version is dated, and not each field: it was not written later than that.
    let entry = |(name, value): json::Field| Entry {
        target: format!("{}:{}#{name}", Kind::AwsSecretsManager, target.id),
        name,
        value: value.map(|value| Secret::new(value.to_string())),
        written: made,
    };
    let others = fields.into_iter().filter(|(name, _)| target.field.as_ref() != Some(name)).map(entry);
    let value = value.filter(|value| !value.is_empty()).map(|value| Secret::new(value.to_string()));
    let (others, accepted) = (others.collect(), target.accepted().to_vec());
    let notices = (text.is_none() && made.is_some()).then(|| UNREAD.to_owned()).into_iter().collect();
    Ok(Contents { value, others, accepted, notices, one_target: true, ..Contents::default() })
}

fn odd(odd: json::FieldError) -> Failure {
    Failure::advised(odd.to_string(), "Name a field of its own for the key, in a secret that holds a JSON object.")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, clippy::unwrap_used, reason = "a test that fails here has failed")]

    use super::*;
    use crate::store::target::{SecretName, Target, parse};

    const TEXT: &str = r#"{"key": "s3cret\n", "port": 5432, "arouter": {"key": "s3cret"}}"#;

    fn target(field: Option<&str>) -> AwsSecret {
        let field = field.map(|field| format!("#{field}")).unwrap_or_default();
        let secret = SecretName::parse("AROUTER_API_KEY").unwrap();
        let (targets, _) = parse(&format!("aws-secretsmanager:prod/app{field}"), &secret);
        match targets.as_slice() {
            [Target::Aws(target)] => target.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_other_fields_are_handed_over_and_the_value_as_it_is_stored() {
        let shown = contents(&target(Some("key")), Some(TEXT), Some(Timestamp::UNIX_EPOCH)).unwrap();
        assert_eq!(shown.value.as_ref().map(Secret::expose), Some("s3cret\n"));
        let others: Vec<_> = shown
            .others
            .iter()
            .map(|entry| (entry.name.as_str(), entry.target.as_str(), entry.value.as_ref().map(Secret::expose)))
            .collect();
        let expected = [
            ("port", "aws-secretsmanager:prod/app#port", None),
            ("arouter", "aws-secretsmanager:prod/app#arouter", Some(r#"{"key": "s3cret"}"#)),
        ];
        assert_eq!(others, expected);
        let whole = contents(&target(None), Some("s3cret "), None).unwrap();
        assert_eq!((whole.value.as_ref().map(Secret::expose), whole.others.len()), (Some("s3cret "), 0));
        let unread = contents(&target(Some("key")), None, None).unwrap();
        assert!(unread.value.is_none() && unread.others.is_empty());
    }

    #[test]
    fn a_target_that_names_the_wrong_part_is_told_what_there_is() {
        for (field, text, words) in [
            (None, TEXT, "names no field of it; there are `key`, `port`, `arouter`"),
            (None, "[\"s3cret\"]", "a JSON list and no key"),
            (None, "\"s3cret\"", "a JSON string and no key"),
            (Some("arouter.key"), TEXT, "only top-level fields can be named, and `arouter` holds an object or a list"),
        ] {
            let why = check(&target(field), text).unwrap_err();
            assert!(why.message().contains(words), "{why}");
            assert!(!why.message().contains("s3cret"), "{why}");
        }
        for (field, text) in [(None, "lr_live_0123"), (None, "{not json"), (Some("new.key"), TEXT), (Some("key"), TEXT)]
        {
            assert!(check(&target(field), text).is_ok(), "{text}");
        }
    }
}
