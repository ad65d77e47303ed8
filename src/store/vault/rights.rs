//! What the token may do with a secret, which Vault tells before anything is tried.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::client::{Ask, Vault};
use super::document::Document;
use crate::http::{Failure, Refusal};
use crate::secret::Secret;

/// What a policy grants on one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rights {
    pub(super) read: bool,
    pub(super) create: bool,
    pub(super) update: bool,
    pub(super) patch: bool,
}

impl Rights {
    /// Everything, as far as is known.
    pub(super) const UNKNOWN: Self = Self { read: true, create: true, update: true, patch: true };

    fn of(granted: &[String]) -> Self {
        let has = |capability: &str| granted.iter().any(|granted| granted == capability || granted == "root");
        Self { read: has("read"), create: has("create"), update: has("update"), patch: has("patch") }
    }

    /// Asks Vault. The policy `default` lets every token ask; one that may not is not known.
    pub(super) async fn ask(vault: &Vault, token: &Secret, path: &str) -> Result<Self, Failure> {
        let ask = Ask::question(vec!["sys", "capabilities-self"], &json!({ "paths": [path] }));
        let answer = vault.send(ask, Some(token)).await?;
        if answer.status.is_success() {
            let told: Told = answer.json()?;
            return Ok(told.of(path).map_or(Self::UNKNOWN, |granted| Self::of(&granted)));
        }
        match vault.failure(&answer, "") {
            Failure::Refused(_) => Ok(Self::UNKNOWN),
            failure => Err(failure),
        }
    }

    /// Refuses, before a key is made, what can't end well.
    pub(super) fn check(self, path: &str, secret: &Document) -> Result<(), Failure> {
        let (may, needed) = match (&secret.fields, secret.version) {
            (Some(_), _) => (self.patch || self.read && self.update, "`patch`, or `read` and `update`"),
            (None, 0) => (self.create, "`create`"),
            // Vault knows a secret whose last version was deleted, and a PATCH finds nothing in it.
            (None, _) => (self.update, "`update`"),
        };
        if may {
            return Ok(());
        }
        Err(Failure::Refused(Refusal {
            status: None,
            message: format!("the token may not write {path}"),
            hint: Some(format!("Its policy must grant {needed} on {path}.")),
        }))
    }
}

#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    data: Map<String, Value>,
}

impl Told {
    fn of(mut self, path: &str) -> Option<Vec<String>> {
        let granted = self.data.remove(path).or_else(|| self.data.remove("capabilities"))?;
        serde_json::from_value(granted).ok()
    }
}

/// What is needed; shown beside a 403.
pub(super) fn needed(capability: &str, path: &str) -> String {
    format!("The token is wrong or expired, or its policy does not grant `{capability}` on {path}.")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::document::Fields;
    use super::*;

    fn rights(granted: &[&str]) -> Rights {
        Rights::of(&granted.iter().map(|&granted| granted.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn what_suffices_depends_on_whether_the_secret_exists() {
        let secret = |version, is_there: bool| Document {
            version,
            created: None,
            ends: None,
            fields: is_there.then(|| Fields::Names(["x".to_owned()].into())),
            date: Timestamp::UNIX_EPOCH,
        };
        for (granted, existing, missing, deleted) in [
            (&["root"][..], true, true, true),
            (&["patch"], true, false, false),
            (&["read", "update"], true, false, true),
            (&["update"], false, false, true),
            (&["read", "create"], false, true, false),
            (&["read", "list"], false, false, false),
            (&["deny"], false, false, false),
        ] {
            let may = |version, is_there| rights(granted).check("kv/data/app", &secret(version, is_there)).is_ok();
            assert_eq!((may(3, true), may(0, false), may(3, false)), (existing, missing, deleted), "{granted:?}");
        }
        let refused = rights(&["deny"]).check("kv/data/app", &secret(1, true)).err();
        assert!(refused.is_some_and(|failure| failure.hint().is_some_and(|hint| hint.contains("`patch`"))));
    }
}
