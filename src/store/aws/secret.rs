//! An AWS secret, or one field of its JSON, as a target of a rotation.
//!
//! The four steps of AWS's own rotation: the new value is made a version with the label `AWSPENDING`, which nobody reads
//! (`stage`, as often as it takes, by one client request token); the driver has proved it by then; a write is the one
//! request that moves `AWSCURRENT` there, from the version that was read just before: where it has moved meanwhile,
//! nothing happens and it is read anew. Putting back moves the label back. Whatever else has `AWSPENDING`, a dead run's
//! version for one, loses it unread: its key may be dead.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use async_trait::async_trait;
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use aws_sdk_secretsmanager::primitives::DateTime;
use aws_sdk_secretsmanager::types::SecretVersionsListEntry;
use jiff::Timestamp;
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use super::client::{Aws, Service};
use super::fault::{Dated, Fault};
use super::text;
use crate::http::{Call, Failure, one_line};
use crate::rotation::model::{Contents, Held, Sighting, Written};
use crate::rotation::ports::SecretStore;
use crate::secret::Secret;
use crate::store::original::{Original, is_same};
use crate::store::target::AwsSecret;

const CURRENT: &str = "AWSCURRENT";
const PENDING: &str = "AWSPENDING";
const PREVIOUS: &str = "AWSPREVIOUS";

/// So many older versions are looked at; AWS keeps those of the last day, and a hundred.
const MAX_VERSIONS: usize = 20;

/// A version of the secret.
#[derive(Clone)]
struct Version {
    id: String,
    created: Timestamp,
    /// What it holds; `None` where the role may not read it.
    text: Option<Zeroizing<String>>,
}

/// A version that this run has made, or is about to.
#[derive(Clone)]
struct Staged {
    id: String,
    text: Zeroizing<String>,
    /// The version that it is to follow; `None`: it is the first.
    follows: Option<String>,
}

/// One secret, or one field of it.
pub struct AwsSecretStore {
    aws: Rc<Aws>,
    target: AwsSecret,
    /// What a write follows; gone once one was tried. The inner `None`: the secret has no version yet.
    current: RefCell<Option<Option<Version>>>,
    staged: RefCell<Option<Staged>>,
    /// Every version of this run.
    made: RefCell<BTreeSet<String>>,
    /// What was current before this run's own versions.
    before: RefCell<Option<Version>>,
    /// Our own last write: the version that it made current, and when.
    written: RefCell<Option<(String, Timestamp)>>,
    /// What the target held when it was last observed.
    original: Original,
    contents: RefCell<Contents>,
}

/// What AWS says of a secret without its value.
struct Description {
    /// The version that is current.
    current: Option<String>,
    /// When the secret was last changed in any way.
    changed: Option<Timestamp>,
    /// What makes new values of its own accord.
    rotator: Option<String>,
}

impl AwsSecretStore {
    /// The secret that a target names.
    #[must_use]
    pub fn new(aws: Rc<Aws>, target: &AwsSecret) -> Self {
        let (current, staged, made, before, written, original, contents) = Default::default();
        Self { aws, target: target.clone(), current, staged, made, before, written, original, contents }
    }

    async fn service(&self) -> Result<Rc<OnceCell<Service>>, Failure> {
        self.aws.service(self.target.region()).await
    }

    /// Proves that the secret is there and can be written here.
    async fn describe(&self) -> Result<Dated<Description>, Failure> {
        let cell = self.service().await?;
        let service = connected(&cell)?;
        let described = self.aws.ask(service, (Call::Read, "DescribeSecret"), async |watch| {
            service.client.describe_secret().secret_id(&self.target.id).customize().interceptor(watch).send().await
        });
        let Dated { answer, date } = described.await?;
        if answer.deleted_date().is_some() {
            return Err(Failure::advised(
                "the secret is scheduled for deletion",
                "aws secretsmanager restore-secret takes that back.",
            ));
        }
        if let Some(primary) = answer.primary_region().filter(|primary| *primary != service.region) {
            return Err(Failure::advised(
                format!("the secret in {} is a replica, which can't be written", service.region),
                format!("Name the primary one, in {primary}, by its ARN."),
            ));
        }
        let stages = answer.version_ids_to_stages().into_iter().flatten();
        let mut current = stages.filter(|(_, labels)| labels.iter().any(|label| label == CURRENT));
        let current = current.next().map(|(id, _)| id.clone());
        let changed = answer.last_changed_date().and_then(timestamp);
        let rotator = (answer.rotation_enabled() == Some(true)).then(|| rotator(&answer));
        Ok(Dated { answer: Description { current, changed, rotator }, date })
    }

    /// What AWS writes itself is none of ours.
    fn check_rotator(&self, described: &Description) -> Result<(), Failure> {
        let Some(rotator) = &described.rotator else { return Ok(()) };
        let id = &self.target.id;
        Err(Failure::advised(
            format!("AWS rotates this secret itself{rotator}: it would put a value of its own in the key's place"),
            format!(
                "Turn that off (aws secretsmanager cancel-rotate-secret --secret-id {id}), or name another secret."
            ),
        ))
    }

    /// What was seen when it was observed, kept for whoever asks for it.
    fn keep(&self, version: Option<&Version>) -> Result<(), Failure> {
        let shown = version.and_then(|version| version.text.as_deref()).map(String::as_str);
        let contents = text::contents(&self.target, shown, version.map(|version| version.created))?;
        let values = contents.others.iter().filter_map(|entry| entry.value.as_ref()).chain(&contents.value);
        values.for_each(|value| self.aws.learn_neighbour(value));
        self.original.read(contents.value.as_ref());
        *self.contents.borrow_mut() = contents;
        Ok(())
    }

    fn check_text(&self, version: Option<&Version>) -> Result<(), Failure> {
        let shown = version.and_then(|version| version.text.as_deref());
        shown.map_or(Ok(()), |shown| text::check(&self.target, shown))
    }

    /// The version that is current now.
    async fn current(&self) -> Result<Dated<Option<Version>>, Failure> {
        match self.value(None).await {
            Ok(Dated { answer, date }) => Ok(Dated { answer: Some(answer), date }),
            // The secret is not there, or it has no version yet.
            Err(fault) if fault.is("ResourceNotFoundException") => {
                let Dated { answer: Description { current, .. }, date } = self.describe().await?;
                if current.is_some() { Err(fault.failure) } else { Ok(Dated { answer: None, date }) }
            }
            // A field can't be changed unread. A whole secret can; then the last change of any kind tells the time.
            Err(fault) if fault.is("AccessDeniedException") && self.target.field.is_none() => {
                let Dated { answer: Description { current, changed, .. }, date } = self.describe().await?;
                let version = |id| changed.map(|created| Version { id, created, text: None });
                Ok(Dated { answer: current.and_then(version), date })
            }
            Err(fault) => Err(fault.failure),
        }
    }

    /// A version by its id, else the current one.
    async fn value(&self, id: Option<&str>) -> Result<Dated<Version>, Fault> {
        let cell = self.service().await.map_err(Fault::known)?;
        let service = connected(&cell).map_err(Fault::known)?;
        let Dated { answer, date } = self
            .aws
            .ask(service, (Call::Read, "GetSecretValue"), async |watch| {
                let ask = service.client.get_secret_value().secret_id(&self.target.id);
                let ask = match id {
                    Some(id) => ask.version_id(id),
                    None => ask.version_stage(CURRENT),
                };
                ask.customize().interceptor(watch).send().await
            })
            .await?;
        version(answer).map(|answer| Dated { answer, date }).map_err(Fault::known)
    }

    fn is_ours(&self, id: &str) -> bool {
        self.made.borrow().contains(id)
    }

    /// Since when the value has been what it is.
    async fn held(&self, version: Option<&Version>) -> Result<Held, Failure> {
        let Some(version) = version else { return Ok(Held::Nothing) };
        if let Some((_, at)) = self.written.borrow().as_ref().filter(|(id, _)| *id == version.id) {
            return Ok(Held::Since(*at));
        }
        let (Some(text), Some(_)) = (&version.text, &self.target.field) else {
            return Ok(Held::Since(version.created));
        };
        let Some(value) = text::value_in(&self.target, text)? else { return Ok(Held::Nothing) };
        let mut since = version.created;
        for (id, only_staged) in self.older(&version.id).await?.into_iter().take(MAX_VERSIONS) {
            let Ok(Dated { answer: older, .. }) = self.value(Some(&id)).await else { break };
            let same = older.text.as_deref().and_then(|text| text::value_in(&self.target, text).ok().flatten());
            match same.as_deref() == Some(&*value) {
                true => since = since.min(older.created),
                // Of a run that died: it never was current.
                false if only_staged => {}
                false => break,
            }
        }
        Ok(Held::Since(since))
    }

    /// The other versions, newest first, as far as the role may list them, and which of them never was current: staged
    /// alone. One that was current before keeps `AWSPENDING` too.
    async fn older(&self, current: &str) -> Result<Vec<(String, bool)>, Failure> {
        let cell = self.service().await?;
        let service = connected(&cell)?;
        let listed = self.aws.ask(service, (Call::Read, "ListSecretVersionIds"), async |watch| {
            let ask = service.client.list_secret_version_ids().secret_id(&self.target.id).include_deprecated(true);
            ask.customize().interceptor(watch).send().await
        });
        let listed = match listed.await {
            Ok(Dated { answer, .. }) => answer,
            Err(Fault { failure: Failure::Refused(_), .. }) => return Ok(Vec::new()),
            Err(fault) => return Err(fault.failure),
        };
        let mut versions: Vec<_> = listed.versions().iter().collect();
        let has =
            |version: &SecretVersionsListEntry, label: &str| version.version_stages().iter().any(|it| it == label);
        // Those of one second in the order in which they came; the one that was current just before leads in any case.
        versions.sort_by_key(|version| (has(version, PREVIOUS), version.created_date().and_then(timestamp)));
        let other = |version: &&SecretVersionsListEntry| {
            let id = version.version_id().filter(|id| *id != current)?;
            Some((id.to_owned(), has(version, PENDING) && !has(version, PREVIOUS)))
        };
        Ok(versions.iter().rev().filter_map(other).collect())
    }

    /// Makes the staged version, or makes sure that it was made.
    async fn put(&self, staged: &Staged, label: &str) -> Result<Timestamp, Failure> {
        let cell = self.service().await?;
        let service = connected(&cell)?;
        let put = self.aws.ask(service, (Call::Write, "PutSecretValue"), async |watch| {
            let put = service.client.put_secret_value().secret_id(&self.target.id).client_request_token(&staged.id);
            let put = put.secret_string(staged.text.as_str()).version_stages(label);
            put.customize().interceptor(watch).send().await
        });
        Ok(put.await.map(|Dated { date, .. }| date)?)
    }

    /// Moves a label from one version to another, or takes it off.
    async fn label(&self, label: &str, from: &str, to: Option<&str>) -> Result<Timestamp, Fault> {
        let cell = self.service().await.map_err(Fault::known)?;
        let service = connected(&cell).map_err(Fault::known)?;
        let moved = self.aws.ask(service, (Call::Write, "UpdateSecretVersionStage"), async |watch| {
            let step = service.client.update_secret_version_stage().secret_id(&self.target.id).version_stage(label);
            let step = step.remove_from_version_id(from).set_move_to_version_id(to.map(ToOwned::to_owned));
            step.customize().interceptor(watch).send().await
        });
        moved.await.map(|Dated { date, .. }| date)
    }

    /// Makes a version current, unless another one than the one that was read is.
    async fn make_current(&self, from: &str, to: &str) -> Result<Written, Failure> {
        match self.label(CURRENT, from, Some(to)).await {
            Ok(date) => Ok(Written { date }),
            // AWS names the first; what plays AWS also the second.
            Err(fault)
                if ["InvalidParameterException", "InvalidRequestException"].iter().any(|name| fault.is(name)) =>
            {
                Err(transient(fault.failure.message()))
            }
            Err(fault) => Err(fault.failure),
        }
    }

    /// Reads may lag a little behind writes at AWS.
    fn is_stale(&self, version: &Version) -> bool {
        let before = self.before.borrow();
        self.written.borrow().is_some() && before.as_ref().is_some_and(|before| before.id == version.id)
    }

    /// What was current before this run's own version, where that is current now and this value is in it, with whatever
    /// white space. What can't be read is taken for it: AWS says that it was current.
    fn way_back(&self, value: Option<&Secret>) -> Option<(String, String)> {
        let (current, before) = (self.current.borrow(), self.before.borrow());
        let (current, before) = (current.as_ref()?.as_ref()?, before.as_ref()?);
        let held = before.text.as_deref().map(|text| text::value_in(&self.target, text).ok().flatten());
        let fits = held.is_none_or(|held| match (held, value) {
            (Some(held), Some(value)) => is_same(&held, value.expose()),
            (held, value) => held.is_none() && value.is_none(),
        });
        (fits && self.is_ours(&current.id)).then(|| (current.id.clone(), before.id.clone()))
    }

    /// Moves the label back, and takes `AWSPENDING` off a version whose key is about to die: AWS's own rotation would trip
    /// over it. That nobody reads it anyway is why a failure does not matter.
    async fn move_back(&self, from: &str, to: &str) -> Result<Written, Failure> {
        self.current.borrow_mut().take();
        let written = self.make_current(from, to).await?;
        self.written.borrow_mut().take();
        let pending = self.staged.borrow().as_ref().map(|staged| staged.id.clone());
        if let Some(pending) = pending {
            let _ = self.label(PENDING, &pending, None).await;
        }
        Ok(written)
    }
}

fn connected(cell: &OnceCell<Service>) -> Result<&Service, Failure> {
    cell.get().ok_or_else(|| transient("there is no connection to AWS"))
}

/// Who rotates it, for a sentence: the Lambda function by its own name, or the service that manages the secret.
fn rotator(answer: &DescribeSecretOutput) -> String {
    // `arn:aws:lambda:REGION:ACCOUNT:function:NAME`, and a version or an alias behind it.
    let lambda = answer.rotation_lambda_arn().and_then(|arn| arn.split(':').nth(6));
    let lambda = lambda.map(|name| format!(", by the Lambda function {}", one_line(name)));
    lambda.or_else(|| Some(format!(", for the service {}", one_line(answer.owning_service()?)))).unwrap_or_default()
}

fn version(answer: GetSecretValueOutput) -> Result<Version, Failure> {
    let (Some(id), Some(created)) = (answer.version_id, answer.created_date.as_ref().and_then(timestamp)) else {
        return Err(transient("GetSecretValue: the answer is not what AWS documents"));
    };
    let Some(text) = answer.secret_string else {
        return Err(Failure::advised(
            "the secret holds bytes and not text",
            "Let the target name a secret that holds text.",
        ));
    };
    Ok(Version { id, created, text: Some(Zeroizing::new(text)) })
}

fn timestamp(time: &DateTime) -> Option<Timestamp> {
    Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}

fn transient(message: impl Into<String>) -> Failure {
    Failure::Transient { message: message.into(), retry_after: None }
}

#[async_trait(?Send)]
impl SecretStore for AwsSecretStore {
    fn name(&self) -> String {
        self.target.to_string()
    }

    async fn observe(&self) -> Result<Sighting, Failure> {
        self.check_rotator(&self.describe().await?.answer)?;
        let Dated { answer, date } = self.current().await?;
        self.check_text(answer.as_ref())?;
        let held = self.held(answer.as_ref()).await?;
        self.keep(answer.as_ref())?;
        Ok(Sighting { held, date })
    }

    fn contents(&self) -> Contents {
        self.contents.borrow().clone()
    }

    async fn ready(&self) -> Result<(), Failure> {
        let Dated { answer, .. } = self.current().await?;
        *self.current.borrow_mut() = Some(answer);
        Ok(())
    }

    async fn stage(&self, value: &Secret) -> Result<(), Failure> {
        let is_known = self.before.borrow().as_ref().is_some_and(|before| before.text.is_some());
        if is_known && self.way_back(Some(value)).is_some() {
            return Ok(());
        }
        let Some(current) = self.current.borrow().clone() else { return Err(transient("it must be read first")) };
        self.check_text(current.as_ref())?;
        let before = current.as_ref().and_then(|current| current.text.as_deref()).map_or("{}", String::as_str);
        let text = text::with_value(&self.target, before, self.original.of(value).expose())?;
        let follows = current.map(|current| current.id);
        let known = self.staged.borrow().clone().filter(|staged| staged.follows == follows && staged.text == text);
        let staged = known.unwrap_or_else(|| Staged { id: token(), text, follows });
        self.made.borrow_mut().insert(staged.id.clone());
        *self.staged.borrow_mut() = Some(staged.clone());
        if staged.follows.is_none() {
            // The first version of a secret is current at once, so making it is the write.
            return Ok(());
        }
        match self.put(&staged, PENDING).await {
            // Whether it was made or not, nobody reads it, and with the same token it can be asked for again.
            Err(Failure::Unknown { message, retry_after }) => Err(Failure::Transient { message, retry_after }),
            put => put.map(|_| ()),
        }
    }

    async fn write(&self, _: &Secret) -> Result<Written, Failure> {
        let (current, staged) = (self.current.borrow_mut().take(), self.staged.borrow().clone());
        let (Some(current), Some(staged)) = (current, staged) else { return Err(transient("it must be staged first")) };
        if staged.follows.as_ref() != current.as_ref().map(|current| &current.id) {
            return Err(transient("it must be staged anew"));
        }
        let written = match &current {
            None => Written { date: self.put(&staged, CURRENT).await? },
            Some(current) => {
                if !self.is_ours(&current.id) {
                    *self.before.borrow_mut() = Some(current.clone());
                }
                self.make_current(&current.id, &staged.id).await?
            }
        };
        *self.written.borrow_mut() = Some((staged.id, written.date));
        Ok(written)
    }

    async fn write_back(&self, value: &Secret) -> Result<Written, Failure> {
        match self.way_back(Some(value)) {
            Some((from, to)) => self.move_back(&from, &to).await,
            None => self.write(value).await,
        }
    }

    async fn last_write(&self) -> Result<Sighting, Failure> {
        let Dated { answer, date } = self.current().await?;
        Ok(Sighting { held: self.held(answer.as_ref()).await?, date })
    }

    fn noted(&self) -> Option<String> {
        let written = self.written.borrow();
        let (after, _) = written.as_ref()?;
        let before = self.before.borrow().as_ref().map_or_else(|| "none".to_owned(), |before| before.id.clone());
        Some(format!("version {before} → {after}"))
    }

    async fn read_back(&self) -> Result<Option<Secret>, Failure> {
        let Dated { answer, .. } = self.current().await?;
        if answer.as_ref().is_some_and(|version| self.is_stale(version)) {
            return Err(transient("AWS does not show the write yet"));
        }
        let Some(text) = answer.and_then(|version| version.text) else { return Ok(None) };
        let value = text::value_in(&self.target, &text)?.map(|value| Secret::new(value.to_string()));
        value.iter().filter(|value| !value.is_words()).for_each(|value| self.aws.learn(value));
        Ok(value)
    }

    async fn remove(&self) -> Result<(), Failure> {
        if let Some((from, to)) = self.way_back(None) {
            return self.move_back(&from, &to).await.map(|_| ());
        }
        let text = self.current.borrow().as_ref().map(|current| current.as_ref().and_then(|it| it.text.clone()));
        match text {
            None => Err(transient("it must be read first")),
            Some(Some(text)) if text::value_in(&self.target, &text)?.is_none() => Ok(()),
            Some(None) if self.current.borrow().as_ref().is_some_and(Option::is_none) => Ok(()),
            Some(_) => {
                Err(Failure::advised("AWS has no API to remove a secret's first version", "Delete the secret by hand."))
            }
        }
    }
}

/// A client request token: 32 characters at least.
fn token() -> String {
    let digits = format!("{:032x}", fastrand::u128(..));
    let part = |range: std::ops::Range<usize>| digits.get(range).unwrap_or_default().to_owned();
    [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-")
}
