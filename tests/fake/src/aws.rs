//! AWS Secrets Manager and Parameter Store: moto keeps what they hold and answers, on the world's clock. A parameter is known
//! here by `ssm:` and its name.
//!
//! moto shows whole seconds of the machine's clock, and in `ListSecretVersionIds` the time of asking: here every time is the
//! world's. Where a version is put again by its client request token it makes the version anew and takes `AWSCURRENT` off it;
//! AWS ignores such a request, and so does this. It checks neither signatures nor permissions, and moving a label does not
//! change what it takes for current without one.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::clock::Clock;

/// Each world has an account of its own.
static NEXT_ACCOUNT: AtomicU64 = AtomicU64::new(1);

/// What stands before the name of a parameter.
pub const PARAMETER: &str = "ssm:";

/// What moto answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Value,
}

/// Secrets Manager.
#[derive(Debug)]
pub struct Aws {
    /// Its clock, for its `Date` header and its timestamps alike.
    pub clock: Clock,
    /// Where moto listens: `127.0.0.1:PORT`.
    pub upstream: Option<String>,
    /// The Lambda functions that rotate secrets, by the secret's name: moto rotates by none.
    pub rotated_by: BTreeMap<String, String>,
    account: String,
    created: BTreeMap<String, Timestamp>,
    changed: BTreeMap<String, Timestamp>,
    known: BTreeSet<(String, Option<String>)>,
    held: BTreeMap<(String, Option<String>), String>,
}

impl Aws {
    /// An account without secrets.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let account = format!("{:012}", NEXT_ACCOUNT.fetch_add(1, Ordering::SeqCst));
        let (upstream, rotated_by, created, changed, known, held) = Default::default();
        Self { clock, upstream, rotated_by, account, created, changed, known, held }
    }

    /// One call, by its name; whatever changes is looked at by the judge.
    ///
    /// # Panics
    /// Where moto can't be reached.
    pub fn call(&mut self, operation: &str, request: &Value) -> Answer {
        if let Some(known) = (operation == "PutSecretValue").then(|| self.put_before(request)).flatten() {
            return known;
        }
        let mut answer = self.forward(operation, request);
        if answer.status == 200 {
            self.stamp(operation, request, &mut answer.body);
        }
        let writes = ["CreateSecret", "PutSecretValue", "UpdateSecretVersionStage", "DeleteSecret", "PutParameter"];
        if writes.contains(&operation) || operation == "DeleteParameter" {
            self.look();
        }
        answer
    }

    /// The answer to a version that is there already.
    fn put_before(&self, request: &Value) -> Option<Answer> {
        let ask = json!({ "SecretId": request["SecretId"], "VersionId": request["ClientRequestToken"].as_str()? });
        let known = self.forward("GetSecretValue", &ask);
        (known.status == 200 && known.body["SecretString"] == request["SecretString"]).then(|| {
            let mut body = known.body;
            let fields = body.as_object_mut().expect("an object");
            fields.retain(|name, _| ["ARN", "Name", "VersionId", "VersionStages"].contains(&name.as_str()));
            Answer { status: 200, body }
        })
    }

    fn forward(&self, operation: &str, request: &Value) -> Answer {
        let upstream = self.upstream.as_deref().expect("moto was started");
        let body = request.to_string();
        let (service, target) =
            if operation.contains("Parameter") { ("ssm", "AmazonSSM") } else { ("secretsmanager", "secretsmanager") };
        let text = format!(
            "POST / HTTP/1.1\r\nhost: {upstream}\r\nconnection: close\r\ncontent-type: application/x-amz-json-1.1\r\n\
             x-amz-target: {target}.{operation}\r\nx-moto-account-id: {}\r\n\
             authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261201/eu-west-1/{service}/aws4_request, \
             SignedHeaders=host, Signature=0\r\ncontent-length: {}\r\n\r\n{body}",
            self.account,
            body.len()
        );
        let mut stream = TcpStream::connect(upstream).expect("moto listens");
        stream.write_all(text.as_bytes()).expect("moto reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("moto answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Answer { status, body: serde_json::from_str(body).unwrap_or_default() }
    }

    /// Puts the world's times in the place of the machine's.
    fn stamp(&mut self, operation: &str, request: &Value, body: &mut Value) {
        let now = self.clock.now();
        let secret = body["Name"].as_str().unwrap_or_default().to_owned();
        let parameter = request["Name"].as_str().unwrap_or_default();
        let version_of = |row: &Value| format!("{parameter} {}", row["Version"]);
        match operation {
            "PutParameter" => _ = self.created.insert(version_of(body), now),
            "GetParameter" => {
                let made = self.created.get(&version_of(&body["Parameter"]));
                body["Parameter"]["LastModifiedDate"] = made.map_or(Value::Null, |made| seconds(*made));
            }
            "CreateSecret" | "PutSecretValue" | "UpdateSecretVersionStage" => {
                if let Some(version) = body["VersionId"].as_str() {
                    self.created.entry(version.to_owned()).or_insert(now);
                }
                self.changed.insert(secret, now);
            }
            "GetSecretValue" => {
                let made = body["VersionId"].as_str().and_then(|version| self.created.get(version));
                body["CreatedDate"] = made.map_or(Value::Null, |made| seconds(*made));
            }
            "DescribeSecret" => {
                body["LastChangedDate"] = self.changed.get(&secret).map_or(Value::Null, |at| seconds(*at));
                if let Some(function) = self.rotated_by.get(&secret) {
                    body["RotationEnabled"] = true.into();
                    let arn = format!("arn:aws:lambda:eu-west-1:{}:function:{function}", self.account);
                    body["RotationLambdaARN"] = arn.into();
                }
            }
            "ListSecretVersionIds" => {
                let all = request["IncludeDeprecated"] == true;
                for version in body["Versions"].as_array_mut().into_iter().flatten() {
                    let made = version["VersionId"].as_str().and_then(|version| self.created.get(version));
                    version["CreatedDate"] = made.map_or(Value::Null, |made| seconds(*made));
                }
                if let Some(versions) = body["Versions"].as_array_mut().filter(|_| !all) {
                    versions.retain(|version| version["VersionStages"].as_array().is_some_and(|it| !it.is_empty()));
                }
                body.as_object_mut().expect("an object").remove("NextToken");
            }
            _ => {}
        }
    }

    fn look(&mut self) {
        let known: Vec<_> = self.known.iter().cloned().collect();
        self.held = known
            .into_iter()
            .filter_map(|place| Some((place.clone(), self.value(&place.0, place.1.as_deref())?)))
            .collect();
    }

    /// Looks at a secret, or at one field of it, from now on.
    pub fn watch(&mut self, id: &str, field: Option<&str>) {
        self.known.insert((id.to_owned(), field.map(str::to_owned)));
        self.look();
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// What is held, as it was after the last change: secret, field, value.
    pub fn holdings(&self) -> impl Iterator<Item = (&str, Option<&str>, &str)> {
        self.held.iter().map(|((id, field), value)| (id.as_str(), field.as_deref(), value.as_str()))
    }

    /// The whole text of a secret's current version.
    #[must_use]
    pub fn text(&self, id: &str) -> Option<String> {
        self.upstream.as_ref()?;
        if let Some(name) = id.strip_prefix(PARAMETER) {
            let answer = self.forward("GetParameter", &json!({ "Name": name, "WithDecryption": true }));
            return answer.body["Parameter"]["Value"].as_str().map(str::to_owned);
        }
        let ask = json!({ "SecretId": id, "VersionStage": "AWSCURRENT" });
        let answer = self.forward("GetSecretValue", &ask);
        answer.body["SecretString"].as_str().map(str::to_owned)
    }

    /// What a secret, or a field of it, holds now.
    #[must_use]
    pub fn value(&self, id: &str, field: Option<&str>) -> Option<String> {
        let text = self.text(id)?;
        let Some(field) = field else { return Some(text) };
        let object: Value = serde_json::from_str(&text).ok()?;
        object[field].as_str().map(str::to_owned)
    }

    /// Which version has a label.
    #[must_use]
    pub fn labelled(&self, id: &str, label: &str) -> Option<String> {
        let described = self.forward("DescribeSecret", &json!({ "SecretId": id })).body;
        let versions = described["VersionIdsToStages"].as_object()?;
        let has = |labels: &Value| labels.as_array().is_some_and(|labels| labels.iter().any(|it| it == label));
        versions.iter().find(|(_, labels)| has(labels)).map(|(version, _)| version.clone())
    }

    /// How many versions a secret has.
    #[must_use]
    pub fn versions(&self, id: &str) -> usize {
        let listed = self.forward("ListSecretVersionIds", &json!({ "SecretId": id, "IncludeDeprecated": true })).body;
        listed["Versions"].as_array().map_or(0, Vec::len)
    }

    /// Makes a version with this text current, and the secret where it does not exist. By its label, since moto leaves two
    /// current versions where one is put behind another that was made current by its label.
    ///
    /// # Panics
    /// Where moto takes none of it.
    pub fn put_text(&mut self, id: &str, text: &str) {
        if let Some(name) = id.strip_prefix(PARAMETER) {
            let put = json!({ "Name": name, "Value": text, "Type": "SecureString", "Overwrite": true });
            let put = self.call("PutParameter", &put);
            assert_eq!(put.status, 200, "{}", put.body);
            return;
        }
        let Some(current) = self.labelled(id, "AWSCURRENT") else {
            let made = self.call("CreateSecret", &json!({ "Name": id, "SecretString": text }));
            assert_eq!(made.status, 200, "{}", made.body);
            return;
        };
        let put = json!({ "SecretId": id, "SecretString": text, "VersionStages": ["BYHAND"] });
        let put = self.call("PutSecretValue", &put);
        let step = json!({
            "SecretId": id,
            "VersionStage": "AWSCURRENT",
            "MoveToVersionId": put.body["VersionId"],
            "RemoveFromVersionId": current,
        });
        let moved = self.call("UpdateSecretVersionStage", &step);
        assert_eq!(moved.status, 200, "{} {}", put.body, moved.body);
    }

    /// Writes a value by hand: of a field, beside whatever other fields there are.
    pub fn put(&mut self, id: &str, field: Option<&str>, value: &str) {
        let text = match field {
            None => value.to_owned(),
            Some(field) => {
                let text = self.text(id).unwrap_or_else(|| "{}".to_owned());
                let mut object: Value = serde_json::from_str(&text).unwrap_or_else(|_| json!({}));
                object[field] = value.into();
                object.to_string()
            }
        };
        self.put_text(id, &text);
    }
}

/// As AWS's JSON has times.
fn seconds(time: Timestamp) -> Value {
    let millis = i32::try_from(time.as_millisecond().rem_euclid(1000)).expect("less than a thousand");
    let whole = i32::try_from(time.as_second()).map(f64::from).expect("a time before 2038");
    json!(whole + f64::from(millis) / 1000.0)
}
