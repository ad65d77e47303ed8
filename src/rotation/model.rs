//! What passes between a rotation and those whom it asks: keys and their rights, what an issuer answers, what places show.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::secret::Secret;

/// The issuer's handle on a key: `hash` in OpenRouter's and ARouter's management API, `id` in ARouter's rotation guide.
/// It is not secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub String);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a key may call models or manage keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Calls models. The only kind that is ever rotated.
    Regular,
    /// Creates, lists and deletes keys. Never touched.
    Management,
}

/// Providers or models that a key may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowList {
    /// No restriction.
    All,
    /// Only these.
    Only(BTreeSet<String>),
}

/// How often a spending limit starts anew, widest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reset {
    /// Never: the limit is for the key's lifetime.
    Never,
    /// On the first of the month, midnight UTC.
    Monthly,
    /// On Monday, midnight UTC.
    Weekly,
    /// At midnight UTC.
    Daily,
}

/// The guardrails of each key that has any, by their ids: rules outside the key list that narrow what a key may do.
pub type Guardrails = BTreeMap<KeyId, BTreeSet<String>>;

/// What the issuer shows of a key's rights. `None`: it does not show this right, which is not the same as "no
/// restriction".
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShownRights {
    /// Providers the key may use.
    pub providers: Option<AllowList>,
    /// Models the key may use.
    pub models: Option<AllowList>,
    /// Spending limit in USD; the inner `None` is "no limit".
    pub limit: Option<Option<f64>>,
    /// When the limit starts anew.
    pub reset: Option<Reset>,
    /// When the key ends; the inner `None` is "never".
    pub expires_at: Option<Option<Timestamp>>,
    /// Other fields that carry rights (`rate_limit`), as the issuer wrote them.
    pub other: BTreeMap<String, serde_json::Value>,
}

/// One row of the issuer's key list.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyRow {
    /// The handle for later calls.
    pub id: KeyId,
    /// The name, which is the rotation's journal.
    pub name: String,
    /// Free text, or the masked key (`sk-or-v1-0e6…1c96`).
    pub label: Option<String>,
    /// Regular or management.
    pub kind: KeyKind,
    /// Switched off by hand or by `retire: disable`.
    pub disabled: bool,
    /// Issuer's clock.
    pub created_at: Option<Timestamp>,
    /// Issuer's clock; absent in dialects that cannot change a key.
    pub updated_at: Option<Timestamp>,
    /// Issuer's clock; absent where the issuer does not show use.
    pub last_used_at: Option<Timestamp>,
    /// USD spent since midnight UTC, where shown; what went over the account's own provider keys included.
    pub usage_daily: Option<f64>,
    /// The same since Monday, midnight UTC.
    pub usage_weekly: Option<f64>,
    /// The same since the first of the month, midnight UTC.
    pub usage_monthly: Option<f64>,
    /// The same over the key's life.
    pub usage: Option<f64>,
    /// USD that are left of the spending limit, where shown.
    pub limit_remaining: Option<f64>,
    /// What the key may do.
    pub rights: ShownRights,
    /// Fields that no documentation names, as the issuer wrote them: some may be rights.
    pub unknown: BTreeMap<String, serde_json::Value>,
}

/// A field of [`ShownRights::other`] at OpenRouter: whether what the account's own provider keys pay for counts towards the
/// limit. The config file can state it, also for a first key.
pub const INCLUDE_BYOK: &str = "include_byok_in_limit";

/// Which rights the issuer takes when a key is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RightsTaken {
    /// `allowed_providers`.
    pub providers: bool,
    /// `allowed_models`.
    pub models: bool,
    /// The spending limit, under whatever name.
    pub limit: bool,
    /// `limit_reset`.
    pub reset: bool,
    /// `expires_at`.
    pub expiry: bool,
}

/// Every page of the key list, with the server's clock.
#[derive(Clone, Debug)]
pub struct Listing {
    /// All rows, disabled and management keys included.
    pub keys: Vec<KeyRow>,
    /// The server's `Date` when it answered the first page.
    pub date: Timestamp,
    /// So long after the list was asked for that page had arrived.
    pub dated_within: Duration,
    /// `false` where the dialect is known to have no way to rename a key; `true` promises nothing.
    pub may_rename: bool,
    /// What creation takes in this dialect.
    pub takes: RightsTaken,
}

/// The rights a new key is asked to have. `None`: nothing is sent for this right.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rights {
    /// Providers it may use.
    pub providers: Option<AllowList>,
    /// Models it may use.
    pub models: Option<AllowList>,
    /// Spending limit in USD; the inner `None` is "no limit".
    pub limit: Option<Option<f64>>,
    /// When the limit starts anew.
    pub reset: Option<Reset>,
    /// When it ends; the inner `None` is "never".
    pub expires_at: Option<Option<Timestamp>>,
    /// Other fields that carry rights, sent as they were read.
    pub other: BTreeMap<String, serde_json::Value>,
}

/// A key to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct KeySpec {
    /// Its full name.
    pub name: String,
    /// What it may do.
    pub rights: Rights,
}

/// A key that was made. The only time its value is seen.
#[derive(Clone, Debug)]
pub struct CreatedKey {
    /// The handle.
    pub id: KeyId,
    /// The value.
    pub value: Secret,
    /// What the answer showed of its rights.
    pub rights: ShownRights,
}

/// The issuer's answer to a rename.
#[derive(Clone, Debug, PartialEq)]
pub struct Renamed {
    /// The name that the answer shows, where it shows one.
    pub name: Option<String>,
    /// Whether the row in the answer shows that the key was used; `None` where it shows nothing of use.
    pub used: Option<bool>,
}

/// The issuer's answer to a delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// It said that the key was deleted.
    Deleted,
    /// It knows no such key. That counts once the key is gone from the list.
    NotFound,
}

/// A place where a key can be tried, named for the report (`GET /v1/models`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint(pub &'static str);

/// What the issuer says of the key that asks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct About {
    /// Its handle, where the answer has one.
    pub id: Option<KeyId>,
    /// Its name, where the answer has one.
    pub name: Option<String>,
    /// Its label: free text or the masked key.
    pub label: Option<String>,
    /// It manages keys, as the answer says.
    pub manages: bool,
}

/// The outcome of trying a key at an endpoint.
#[derive(Clone, Debug, PartialEq)]
pub enum KeyProbe {
    /// 2xx with the expected body.
    Accepted(About),
    /// 401 or 403: the only answers that refuse a key.
    Refused,
    /// The endpoint does not exist here (404, 405).
    NoSuchEndpoint,
    /// 429, 5xx, a lost answer or nonsense: says nothing of the key.
    Undecided(String),
}

/// The outcome of one small chat completion.
#[derive(Clone, Debug, PartialEq)]
pub enum ChatProbe {
    /// A completion came back from this model.
    Worked {
        /// The model that answered.
        model: String,
    },
    /// 401 or 403.
    Refused(String),
    /// The model's own 400, 402, 429, 5xx or a lost answer.
    ProvesNothing(String),
}

/// Whether the issuer's spelling of the spending limit can be tried another way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Respell {
    /// The rows seen showed the spelling: there is no other to try.
    Certain,
    /// The next create uses another name for the limit.
    Changed,
    /// Every name was tried.
    Exhausted,
}

/// What a place holds under the secret's name, as far as it can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// No secret of that name.
    Nothing,
    /// A value, last written at this time of the place's own clock.
    Since(Timestamp),
}

impl Held {
    /// When it was last written, on the place's own clock; `None` where it holds nothing.
    #[must_use]
    pub fn since(self) -> Option<Timestamp> {
        match self {
            Self::Nothing => None,
            Self::Since(at) => Some(at),
        }
    }
}

/// One look at a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// What it holds.
    pub held: Held,
    /// The place's own clock (`Date`) when it answered.
    pub date: Timestamp,
}

/// What a place shows beside the time of a target's last write: what the target holds, and what lies around it.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// The target's own value as it is stored, white space included; `None` where it is empty or can't be read.
    pub value: Option<Secret>,
    /// What else lies in the same container: the other secrets of a repository, keys of a Secret, fields, variables.
    pub others: Vec<Entry>,
    /// Why the others could not be listed.
    pub unlisted: Option<String>,
    /// Names of entries that the user knows to be no misspelling of the target (`accept=`).
    pub accepted: Vec<String>,
    /// What a person should know of the place: a Helm release owns it.
    pub notices: Vec<String>,
    /// The place takes names without regard to case.
    pub any_case: bool,
    /// Nothing else in the container can be a target beside this one.
    pub one_target: bool,
    /// When the target's last value was written, where it holds none any more because that was deleted or has expired.
    pub ended: Option<Timestamp>,
    /// When the place deletes the target's value by itself.
    pub ends: Option<Timestamp>,
}

/// A named value that lies near a target.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name in its container: `AROUTER_API_KEY`, `api-key`.
    pub name: String,
    /// How a target that names it is called: `repo:acme/app AROUTER_API_KEY`.
    pub target: String,
    /// Its value, where it can be read and is not empty.
    pub value: Option<Secret>,
    /// When it was last written, on the place's own clock, where that is shown.
    pub written: Option<Timestamp>,
}

/// A write that was answered with success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The place's own clock (`Date`) when it answered.
    pub date: Timestamp,
}

/// What has to happen behind the writes before the new key counts as in use at a target: a restart, a smoke test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollout {
    /// What is done, for a sentence: `restart deployment/web`.
    pub what: String,
    /// How long it may take.
    pub within: Duration,
    /// Whether it is done once more when the old value is put back, before the new key is deleted: whoever has taken up
    /// the new key holds it until then.
    pub when_put_back: bool,
}

/// How far a rollout is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RolloutStatus {
    /// Not yet: what it waits for, as a sentence for the log and, when the time is over, for the report.
    NotYet(String),
    /// Whoever uses the target has the key it holds: what there is to tell of it.
    Yes(Option<String>),
}

/// Something that reads a target's value at its begin, and is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// A link, or what it is.
    pub what: String,
    /// When it read the value at the earliest, on the place's own clock; `None` where that is not known.
    pub began: Option<Timestamp>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed parse fails the test")]
pub(crate) mod tests {
    use super::*;

    /// A live regular key with no restriction, named and made as told; its id is its name.
    pub(crate) fn row(name: &str, created: &str) -> KeyRow {
        KeyRow {
            id: KeyId(name.to_owned()),
            name: name.to_owned(),
            label: None,
            kind: KeyKind::Regular,
            disabled: false,
            created_at: Some(created.parse().unwrap()),
            updated_at: Some(created.parse().unwrap()),
            last_used_at: None,
            usage_daily: None,
            usage_weekly: None,
            usage_monthly: None,
            usage: None,
            limit_remaining: None,
            rights: ShownRights {
                providers: Some(AllowList::All),
                models: Some(AllowList::All),
                limit: Some(None),
                reset: Some(Reset::Never),
                expires_at: Some(None),
                other: BTreeMap::new(),
            },
            unknown: BTreeMap::new(),
        }
    }
}
