//! A secret in a KV mount, as it is read.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::response::Answer;
use crate::http::Failure;
use crate::secret::Secret;
use crate::store::json;

/// A secret at one version.
#[derive(Clone)]
pub(super) struct Document {
    /// Its number, from 1; 0 where there never was a secret.
    pub(super) version: u64,
    /// When that version was made, on Vault's clock.
    pub(super) created: Option<Timestamp>,
    /// When Vault ends that version, or when it or somebody else did.
    pub(super) ends: Option<Timestamp>,
    /// What is in it; `None` where there is no secret, or its last version was deleted.
    pub(super) fields: Option<Fields>,
    /// The server's clock when it answered.
    pub(super) date: Timestamp,
}

/// What may be seen of a secret.
#[derive(Clone)]
pub(super) enum Fields {
    /// All of it: a JSON object as the server wrote it.
    Whole(Zeroizing<String>),
    /// The fields' names alone.
    Names(BTreeSet<String>),
}

/// Without versions.
#[derive(Deserialize)]
struct Plain<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow, alias = "subkeys")]
    data: Option<&'a RawValue>,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    version: u64,
    created_time: Timestamp,
    #[serde(default)]
    deletion_time: String,
}

impl Document {
    /// What an answer to a read shows: of the secret itself, or with `whole` false of its `subkeys`; `None` where it shows
    /// no secret at all. A version that was deleted or destroyed is answered 404 with its metadata, a secret that never
    /// was without.
    ///
    /// # Errors
    /// A success that is not what Vault documents.
    pub(super) fn of(answer: &Answer, whole: bool) -> Result<Option<Self>, Failure> {
        let date = answer.date()?;
        if answer.says_nothing_there() {
            return Ok(Some(Self { version: 0, created: None, ends: None, fields: None, date }));
        }
        let Ok(Body { data: Data { data, metadata } }) = serde_json::from_slice(&answer.body) else {
            return if answer.status.is_success() { Err(answer.nonsense()) } else { Ok(None) };
        };
        let fields = match data.map(RawValue::get).filter(|data| answer.status.is_success() && *data != "null") {
            None => None,
            Some(data) if whole => Some(Fields::Whole(Zeroizing::new(data.to_owned()))),
            Some(data) => {
                let names: BTreeMap<String, IgnoredAny> = serde_json::from_str(data).map_err(|_| answer.nonsense())?;
                Some(Fields::Names(names.into_keys().collect()))
            }
        };
        let Metadata { version, created_time, deletion_time } = metadata;
        Ok(Some(Self { version, created: Some(created_time), ends: deletion_time.parse().ok(), fields, date }))
    }

    /// The same of a mount without versions, which shows no time.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub(super) fn plain(answer: &Answer) -> Result<Option<Self>, Failure> {
        let document = |fields, date| Some(Self { version: 0, created: None, ends: None, fields, date });
        let date = answer.date()?;
        if answer.says_nothing_there() {
            return Ok(document(None, date));
        }
        if !answer.status.is_success() {
            return Ok(None);
        }
        let Plain { data } = serde_json::from_slice(&answer.body).map_err(|_| answer.nonsense())?;
        Ok(document(Some(Fields::Whole(Zeroizing::new(data.get().to_owned()))), date))
    }

    /// Every field with its value, where that may be seen and can hold a key.
    pub(super) fn all(&self) -> Vec<(String, Option<Secret>)> {
        match &self.fields {
            None => Vec::new(),
            Some(Fields::Names(names)) => names.iter().map(|name| (name.clone(), None)).collect(),
            Some(Fields::Whole(text)) => {
                let fields = json::fields(text).unwrap_or_default().into_iter();
                fields.map(|(name, value)| (name, value.map(|value| Secret::new(value.to_string())))).collect()
            }
        }
    }

    /// Refuses a name that leads into a field: it would be added beside that.
    ///
    /// # Errors
    /// Refused where the field is not there, and a part of its name is.
    pub(super) fn check_name(&self, name: &str) -> Result<(), Failure> {
        let Some(Fields::Whole(text)) = &self.fields else { return Ok(()) };
        json::nested_in(text, name)
            .map_or(Ok(()), |outer| Err(Failure::advised(json::only_top_level(text, outer), json::MOVE_IT)))
    }

    /// Whether it has the field, and the field's text where that may be seen.
    pub(super) fn field(&self, name: &str) -> Result<Option<Option<Zeroizing<String>>>, Failure> {
        match &self.fields {
            None => Ok(None),
            Some(Fields::Names(names)) => Ok(names.contains(name).then_some(None)),
            Some(Fields::Whole(text)) => json::field(text, name)
                .map(|text| text.map(Some))
                .map_err(|odd| Failure::advised(odd.to_string(), "Name a field of its own for the key.")),
        }
    }
}
