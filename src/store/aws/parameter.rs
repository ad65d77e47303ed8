//! A parameter of AWS Systems Manager Parameter Store, as a target of a rotation.
//!
//! Every write makes a version, and there is no way to make that depend on the version that was read: a version that is
//! not the next one tells that somebody wrote in between. Whoever reads a version by its label does not see a write, so
//! that a parameter with labels is refused.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::client::Aws;
use super::fault::{Dated, Fault};
use crate::http::{Call, Failure, lost, one_line};
use crate::rotation::model::{Contents, Entry, Held, Sighting, Written};
use crate::rotation::ports::SecretStore;
use crate::secret::Secret;
use crate::store::json::kind;
use crate::store::original::Original;
use crate::store::target::{AwsParameter, Kind};

/// AWS keeps a hundred versions, in pages of 50.
const MAX_PAGES: usize = 4;
const PAGE: usize = 50;

/// What a new version takes from the one before: what is left out would be the account's default.
const KEPT: [&str; 5] = ["Description", "KeyId", "AllowedPattern", "Tier", "DataType"];

/// A version of the parameter.
struct Version {
    number: i64,
    changed: Timestamp,
    value: Secret,
}

/// A parameter that holds a key.
pub struct AwsParameterStore {
    aws: Rc<Aws>,
    target: AwsParameter,
    /// What a write follows; the inner `None`: there is no parameter.
    current: RefCell<Option<Option<i64>>>,
    /// What a new version takes from the one before.
    kept: RefCell<Map<String, Value>>,
    /// The version before this run's own, and its last: with the time of that write.
    before: Cell<Option<i64>>,
    written: Cell<Option<(i64, Timestamp)>>,
    /// Somebody else's version lies between.
    crossed: Cell<bool>,
    /// What the target held when it was last observed.
    original: Original,
    contents: RefCell<Contents>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Shown {
    value: String,
    version: i64,
    r#type: String,
    last_modified_date: f64,
}

impl AwsParameterStore {
    /// The parameter that a target names.
    #[must_use]
    pub fn new(aws: Rc<Aws>, target: &AwsParameter) -> Self {
        let (current, kept, before, written, crossed, original, contents) = Default::default();
        Self { aws, target: target.clone(), current, kept, before, written, crossed, original, contents }
    }

    async fn ask(&self, call: Call, operation: &'static str, body: Value) -> Result<Dated<Value>, Fault> {
        let body = with(body, "Name", self.target.name.as_str());
        self.aws.ask_parameters((call, operation), &body).await
    }

    /// The version that is current now.
    async fn read(&self) -> Result<Dated<Option<Version>>, Failure> {
        let Dated { answer, date } = match self.ask(Call::Read, "GetParameter", json!({ "WithDecryption": true })).await
        {
            Ok(dated) => dated,
            Err(Fault { code: Some(code), date: Some(date), .. }) if code == "ParameterNotFound" => {
                return Ok(Dated { answer: None, date });
            }
            Err(fault) => return Err(fault.failure),
        };
        let shown = answer.get("Parameter").and_then(|shown| Shown::deserialize(shown).ok());
        let shown = shown.ok_or_else(|| odd("GetParameter"))?;
        if shown.r#type != "SecureString" {
            return Err(Failure::advised(
                format!("the parameter is a {}, which is not encrypted", one_line(&shown.r#type)),
                "Delete it and make it anew with --type SecureString, or name another parameter.",
            ));
        }
        let changed = timestamp(shown.last_modified_date).ok_or_else(|| odd("GetParameter"))?;
        let value = Secret::new(shown.value);
        Ok(Dated { answer: Some(Version { number: shown.version, changed, value }), date })
    }

    /// What AWS tells of the parameter beside its value; empty where there is none.
    async fn describe(&self) -> Result<Map<String, Value>, Failure> {
        let filter = json!({ "Key": "Name", "Option": "Equals", "Values": [self.target.name] });
        let body = json!({ "ParameterFilters": [filter], "MaxResults": 1 });
        let described = self.aws.ask_parameters((Call::Read, "DescribeParameters"), &body).await?;
        let row = described.answer.pointer("/Parameters/0").and_then(Value::as_object);
        Ok(row.cloned().unwrap_or_default())
    }

    /// Whoever reads the parameter by a label keeps the version that has it.
    async fn check_labels(&self) -> Result<(), Failure> {
        let mut body = json!({ "WithDecryption": false, "MaxResults": PAGE });
        for _ in 0..MAX_PAGES {
            let Dated { answer, .. } = self.ask(Call::Read, "GetParameterHistory", body.clone()).await?;
            for version in rows(&answer) {
                let Some(label) = version.pointer("/Labels/0").and_then(Value::as_str) else { continue };
                let number = version.get("Version").and_then(Value::as_i64).unwrap_or_default();
                let (label, name) = (one_line(label), &self.target.name);
                return Err(Failure::advised(
                    format!("version {number} has the label `{label}`: who reads {name}:{label} would keep its key"),
                    format!(
                        "Let readers name {name} alone, then take the label off: aws ssm unlabel-parameter-version --name \
                         {name} --parameter-version {number} --labels {label}"
                    ),
                ));
            }
            match answer.get("NextToken").and_then(Value::as_str) {
                Some(next) => body = with(body, "NextToken", next),
                None => break,
            }
        }
        Ok(())
    }

    fn held(&self, version: Option<&Version>) -> Held {
        match version {
            None => Held::Nothing,
            Some(version) => match self.written.get().filter(|(number, _)| *number == version.number) {
                Some((_, at)) => Held::Since(at),
                None => Held::Since(version.changed),
            },
        }
    }

    /// Reads may lag a little behind writes at AWS.
    fn is_stale(&self, version: Option<&Version>) -> bool {
        let number = version.map_or(0, |version| version.number);
        self.written.get().is_some_and(|(written, _)| number < written)
    }

    async fn put(&self, value: &Secret) -> Result<Written, Failure> {
        let Some(follows) = self.current.borrow_mut().take() else { return Err(transient("it must be read first")) };
        let body = with(Value::Object(self.kept.borrow().clone()), "Value", self.original.of(value).expose());
        let body = with(with(body, "Type", "SecureString"), "Overwrite", follows.is_some());
        let Dated { answer, date } = match self.ask(Call::Write, "PutParameter", body).await {
            Ok(put) => put,
            // Somebody made it since it was read.
            Err(fault) if fault.is("ParameterAlreadyExists") => return Err(transient(fault.failure.message())),
            Err(fault) => return Err(fault.failure),
        };
        let Some(number) = answer.get("Version").and_then(Value::as_i64) else {
            return Err(lost(Call::Write, "PutParameter: the answer is not what AWS documents".to_owned()));
        };
        if self.before.get().is_none() {
            self.before.set(Some(follows.unwrap_or_default()));
        }
        self.crossed.set(self.crossed.get() || number != follows.unwrap_or_default() + 1);
        self.written.set(Some((number, date)));
        Ok(Written { date })
    }
}

/// When the parameter deletes itself (`Expiration` among its policies).
fn ends(described: &Map<String, Value>) -> Option<Timestamp> {
    let policies = described.get("Policies")?.as_array()?.iter();
    let texts = policies.filter_map(|policy| policy.get("PolicyText")?.as_str());
    let ends = texts.filter_map(|text| {
        let policy: Value = serde_json::from_str(text).ok()?;
        let is_end = policy.get("Type").is_some_and(|it| it == "Expiration");
        policy.pointer("/Attributes/Timestamp")?.as_str().filter(|_| is_end)?.parse().ok()
    });
    ends.min()
}

/// A request with another field.
fn with(mut body: Value, name: &str, value: impl Into<Value>) -> Value {
    if let Some(fields) = body.as_object_mut() {
        fields.insert(name.to_owned(), value.into());
    }
    body
}

fn rows(answer: &Value) -> impl Iterator<Item = &Value> {
    answer.get("Parameters").and_then(Value::as_array).into_iter().flatten()
}

fn timestamp(seconds: f64) -> Option<Timestamp> {
    // In milliseconds, as AWS counts.
    let millis = format!("{:.0}", seconds * 1000.0).parse().ok()?;
    Timestamp::from_millisecond(millis).ok()
}

fn odd(operation: &str) -> Failure {
    transient(format!("{operation}: the answer is not what AWS documents"))
}

fn transient(message: impl Into<String>) -> Failure {
    Failure::Transient { message: message.into(), retry_after: None }
}

#[async_trait(?Send)]
impl SecretStore for AwsParameterStore {
    fn name(&self) -> String {
        self.target.to_string()
    }

    async fn observe(&self) -> Result<Sighting, Failure> {
        let Dated { answer, date } = self.read().await?;
        let described = match &answer {
            Some(version) => {
                if let Some(kind) = kind(version.value.expose()) {
                    return Err(Failure::advised(
                        format!("the parameter holds a JSON {kind} and no key"),
                        "Name a parameter that holds the key alone.",
                    ));
                }
                self.check_labels().await?;
                self.describe().await?
            }
            None => Map::new(),
        };
        let value = answer.as_ref().map(|version| version.value.clone());
        value.iter().for_each(|value| self.aws.learn_neighbour(value));
        self.original.read(value.as_ref());
        let accepted = self.target.accepted().to_vec();
        *self.contents.borrow_mut() = Contents { value, accepted, ends: ends(&described), ..Contents::default() };
        *self.kept.borrow_mut() = described.into_iter().filter(|(name, _)| KEPT.contains(&name.as_str())).collect();
        Ok(Sighting { held: self.held(answer.as_ref()), date })
    }

    fn contents(&self) -> Contents {
        self.contents.borrow().clone()
    }

    /// Parameters in the same folder.
    async fn elsewhere(&self) -> Result<Vec<Entry>, Failure> {
        let name = &self.target.name;
        let folder = name.rfind('/').and_then(|at| name.get(..=at)).filter(|folder| folder.len() > 1);
        let Some(folder) = folder else { return Ok(Vec::new()) };
        let filter = json!({ "Key": "Name", "Option": "BeginsWith", "Values": [folder] });
        let body = json!({ "ParameterFilters": [filter], "MaxResults": PAGE });
        let Dated { answer, .. } = self.aws.ask_parameters((Call::Read, "DescribeParameters"), &body).await?;
        let entry = |row: &Value| {
            let name = row.get("Name")?.as_str()?.to_owned();
            let written = row.get("LastModifiedDate").and_then(Value::as_f64).and_then(timestamp);
            Some(Entry { target: format!("{}:{name}", Kind::AwsSsm), name, value: None, written })
        };
        Ok(rows(&answer).filter_map(entry).collect())
    }

    async fn ready(&self) -> Result<(), Failure> {
        let Dated { answer, .. } = self.read().await?;
        if self.is_stale(answer.as_ref()) {
            return Err(transient("AWS does not show the write yet"));
        }
        *self.current.borrow_mut() = Some(answer.map(|version| version.number));
        Ok(())
    }

    async fn write(&self, value: &Secret) -> Result<Written, Failure> {
        self.put(value).await
    }

    async fn last_write(&self) -> Result<Sighting, Failure> {
        let Dated { answer, date } = self.read().await?;
        Ok(Sighting { held: self.held(answer.as_ref()), date })
    }

    fn noted(&self) -> Option<String> {
        let (written, _) = self.written.get()?;
        let before = self.before.get().filter(|before| *before > 0).map_or("none".to_owned(), |it| it.to_string());
        let crossed = if self.crossed.get() { "; somebody else wrote a version in between" } else { "" };
        Some(format!("version {before} → {written}{crossed}"))
    }

    async fn read_back(&self) -> Result<Option<Secret>, Failure> {
        let Dated { answer, .. } = self.read().await?;
        if self.is_stale(answer.as_ref()) {
            return Err(transient("AWS does not show the write yet"));
        }
        let value = answer.map(|version| version.value);
        value.iter().filter(|value| !value.is_words()).for_each(|value| self.aws.learn(value));
        Ok(value)
    }

    async fn remove(&self) -> Result<(), Failure> {
        match self.ask(Call::Write, "DeleteParameter", json!({})).await {
            Err(fault) if fault.is("ParameterNotFound") => Ok(()),
            removed => Ok(removed.map(drop)?),
        }
    }
}
