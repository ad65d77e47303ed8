//! An audit in the JSON report, and the words that tables share with it.

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::count_not_judged;
use crate::audit::prune::{Fate, Pruned};
use crate::audit::{Audit, AuditedAccount, AuditedKey, Finding, LastUse, Role, State};
use crate::rotation::model::{AllowList, KeyKind, Reset};

/// The field `audit`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(in crate::report) struct AuditRows<'a> {
    errors: usize,
    warnings: usize,
    notes: usize,
    fail_on: &'static str,
    fails: bool,
    not_judged: usize,
    #[serde(serialize_with = "finding_rows")]
    #[cfg_attr(test, schemars(with = "Vec<FindingRow<'a>>"))]
    pub(in crate::report) findings: Vec<&'a Finding>,
    #[serde(serialize_with = "key_rows")]
    #[cfg_attr(test, schemars(with = "Vec<KeyRow<'a>>"))]
    pub(in crate::report) keys: Vec<(&'a AuditedAccount, &'a AuditedKey)>,
    pub(in crate::report) pruned: Vec<PrunedRow<'a>>,
}

/// One key that was looked at for pruning.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(in crate::report) struct PrunedRow<'a> {
    key_id: &'a str,
    key_name: &'a str,
    fate: &'static str,
    reason: Option<&'a str>,
}

/// One finding.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
struct FindingRow<'a> {
    rule: &'static str,
    level: &'static str,
    key_id: Option<&'a str>,
    key_name: Option<&'a str>,
    rotation: Option<&'a str>,
    reason: &'a str,
    advice: &'a str,
}

/// One key. What the issuer does not show is `null`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
struct KeyRow<'a> {
    issuer: &'a str,
    id: &'a str,
    name: &'a str,
    kind: &'static str,
    state: &'static str,
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    created_at: Option<Timestamp>,
    age_seconds: Option<u64>,
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    last_used_at: Option<Timestamp>,
    never_used: Option<bool>,
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    nothing_spent_since: Option<Timestamp>,
    /// A number in USD, or `none`.
    spending_limit: Option<Value>,
    limit_remaining: Option<f64>,
    limit_reset: Option<&'static str>,
    /// Names, or `all`.
    allowed_providers: Option<Value>,
    allowed_models: Option<Value>,
    /// A time, or `never`.
    expires_at: Option<Value>,
    family: Option<&'a str>,
    role: Option<&'static str>,
    targets: Vec<&'a str>,
}

impl<'a> AuditRows<'a> {
    pub(in crate::report) fn new(audit: &'a Audit) -> Self {
        let findings = audit.findings();
        let count = |level| findings.iter().filter(|finding| finding.level == level).count();
        let [errors, warnings, notes] = crate::audit::Level::ALL.map(count);
        Self {
            errors,
            warnings,
            notes,
            fail_on: audit.fail_on.word(),
            fails: audit.fails(),
            not_judged: count_not_judged(audit),
            findings,
            keys: audit
                .accounts
                .iter()
                .flat_map(|account| account.assessment.keys.iter().map(move |key| (account, key)))
                .collect(),
            pruned: audit.pruned().map(pruned).collect(),
        }
    }
}

/// A row is made when it is written: all of them take more room than what they are made of.
fn finding_rows<S: Serializer>(findings: &[&Finding], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(findings.iter().map(|it| finding(it)))
}

fn key_rows<S: Serializer>(keys: &[(&AuditedAccount, &AuditedKey)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(keys.iter().map(|(account, it)| key(account, it)))
}

fn pruned(pruned: &Pruned) -> PrunedRow<'_> {
    let (fate, reason) = match &pruned.fate {
        Fate::Planned(_) => ("planned", None),
        Fate::Disabled => ("disabled", None),
        Fate::Deleted => ("deleted", None),
        Fate::Spared(why) => ("spared", Some(why.as_str())),
        Fate::NotReached => ("spared", Some("the run was told to stop")),
        Fate::Failed(why) => ("failed", Some(why.as_str())),
    };
    PrunedRow { key_id: &pruned.id.0, key_name: &pruned.name, fate, reason }
}

fn finding(finding: &Finding) -> FindingRow<'_> {
    let key = finding.key.as_deref();
    FindingRow {
        rule: finding.rule.id(),
        level: finding.level.word(),
        key_id: key.map(|(id, _)| id.0.as_str()),
        key_name: key.map(|(_, name)| name.as_str()),
        rotation: finding.rotation.as_ref().map(|(name, _)| name.as_str()),
        reason: &finding.reason,
        advice: &finding.advice,
    }
}

fn key<'a>(account: &'a AuditedAccount, key: &'a AuditedKey) -> KeyRow<'a> {
    let (row, rights) = (&key.row, &key.row.rights);
    KeyRow {
        issuer: &account.issuer,
        id: &row.id.0,
        name: &row.name,
        kind: if row.kind == KeyKind::Management { "management" } else { "regular" },
        state: state(key),
        created_at: row.created_at,
        age_seconds: key.age.map(|age| age.as_secs()),
        last_used_at: row.last_used_at,
        never_used: match key.last_use {
            LastUse::At(_) => Some(false),
            LastUse::Never => Some(true),
            LastUse::NothingSpentSince(_) | LastUse::Unknown => None,
        },
        nothing_spent_since: match key.last_use {
            LastUse::NothingSpentSince(at) => Some(at),
            _ => None,
        },
        spending_limit: rights.limit.map(|limit| limit.map_or(json!("none"), Value::from)),
        limit_remaining: row.limit_remaining,
        limit_reset: rights.reset.map(reset),
        allowed_providers: rights.providers.as_ref().map(list),
        allowed_models: rights.models.as_ref().map(list),
        expires_at: rights.expires_at.map(|end| end.map_or(json!("never"), |end| json!(end))),
        family: key.family.as_ref().map(|member| member.family.as_str()),
        role: key.family.as_ref().map(|member| role(member.role)),
        targets: key.targets.iter().map(String::as_str).collect(),
    }
}

/// Whether a key works, in one word.
pub(super) fn state(key: &AuditedKey) -> &'static str {
    match key.state {
        State::Live => "live",
        State::Disabled => "disabled",
        State::Expired => "expired",
    }
}

/// What a key is in its family, in one word.
pub(super) fn role(role: Role) -> &'static str {
    match role {
        Role::Current => "current",
        Role::Replaced { .. } => "replaced",
        Role::Unconfirmed => "unconfirmed",
        Role::Dead => "dead",
    }
}

/// When a limit starts anew, in one word.
pub(super) fn reset(reset: Reset) -> &'static str {
    match reset {
        Reset::Never => "none",
        Reset::Daily => "daily",
        Reset::Weekly => "weekly",
        Reset::Monthly => "monthly",
    }
}

fn list(list: &AllowList) -> Value {
    match list {
        AllowList::All => json!("all"),
        AllowList::Only(names) => json!(names),
    }
}
