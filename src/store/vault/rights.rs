//! What the token may do with a secret, which Vault tells before anything is tried.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::client::{Ask, Vault};
use crate::http::{Call, Failure, Refusal};
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
        match answer.failure(&vault.ctx.redactor, "") {
            Failure::Refused(_) => Ok(Self::UNKNOWN),
            failure => Err(failure),
        }
    }

    /// Refuses, before a key is made, what can't end well: `exists` says whether the secret is there.
    pub(super) fn check(self, path: &str, exists: bool) -> Result<(), Failure> {
        let may = if exists { self.patch || self.read && self.update } else { self.create || self.update };
        if may {
            return Ok(());
        }
        let needed = if exists { "`patch`, or `read` and `update`" } else { "`create`" };
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

/// What a read needs; shown beside a 403.
pub(super) fn needed(call: Call, path: &str, patch: bool) -> String {
    let capability = match (call, patch) {
        (Call::Read, _) => "read",
        (Call::Write, true) => "patch",
        (Call::Write, false) => "update",
    };
    format!("The token is wrong or expired, or its policy does not grant `{capability}` on {path}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(granted: &[&str]) -> Rights {
        Rights::of(&granted.iter().map(|&granted| granted.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn what_suffices_depends_on_whether_the_secret_exists() {
        for (granted, existing, missing) in [
            (&["root"][..], true, true),
            (&["patch"], true, false),
            (&["read", "update"], true, true),
            (&["update"], false, true),
            (&["read", "create"], false, true),
            (&["read", "list"], false, false),
            (&["deny"], false, false),
        ] {
            let rights = rights(granted);
            assert_eq!(rights.check("kv/data/app", true).is_ok(), existing, "{granted:?}");
            assert_eq!(rights.check("kv/data/app", false).is_ok(), missing, "{granted:?}");
        }
        let refused = rights(&["deny"]).check("kv/data/app", true).err();
        assert!(refused.is_some_and(|failure| failure.hint().is_some_and(|hint| hint.contains("`patch`"))));
    }
}
