//! Where in a target's path its mount ends, which only the server knows.

use ::http::StatusCode;
use serde::Deserialize;

use super::client::{Ask, Vault};
use crate::http::Failure;
use crate::secret::Secret;

/// A KV mount, and a secret's path below it. No slash stands at either end of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    mount: String,
    below: String,
    /// It keeps versions, each with its time.
    pub(super) versioned: bool,
}

#[derive(Deserialize)]
struct Told {
    data: About,
}

#[derive(Deserialize)]
struct About {
    path: String,
    #[serde(rename = "type")]
    kind: String,
    options: Option<Options>,
}

#[derive(Deserialize)]
struct Options {
    version: Option<String>,
}

impl Mount {
    /// Asks as `vault kv` does. Every token may ask about a path of which it may do anything at all.
    pub(super) async fn ask(vault: &Vault, token: &Secret, path: &str) -> Result<Self, Failure> {
        let parts = ["sys", "internal", "ui", "mounts"].into_iter().chain(path.split('/')).collect();
        let answer = vault.send(Ask::get(parts), Some(token)).await?;
        if answer.status != StatusCode::OK {
            let first = path.split('/').next().unwrap_or_default();
            let hint = format!(
                "Nothing is mounted at {first}/, or the token is wrong, or its policy grants nothing below {path}; a \
                 namespace is named by VAULT_NAMESPACE."
            );
            return Err(vault.failure(&answer, &hint));
        }
        let Told { data } = answer.json()?;
        Self::of(path, &data)
    }

    fn of(path: &str, about: &About) -> Result<Self, Failure> {
        let mount = about.path.trim_matches('/');
        if about.kind != "kv" && about.kind != "generic" {
            let kind = crate::http::one_line(&about.kind);
            return Err(Failure::advised(format!("{mount}/ is a mount of type {kind}, not of type kv"), ""));
        }
        let versioned = about.options.as_ref().and_then(|options| options.version.as_deref()) == Some("2");
        let below = path.strip_prefix(mount).and_then(|rest| rest.strip_prefix('/')).unwrap_or_default();
        if below.is_empty() {
            return Err(Failure::advised(format!("{mount}/ is a mount: expected the path of a secret below it"), ""));
        }
        Ok(Self { mount: mount.to_owned(), below: below.to_owned(), versioned })
    }

    /// The parts of the path of one of the secret's sides: `data`, `subkeys`. Without versions it has one, without a name.
    pub(super) fn parts<'a>(&'a self, side: &'a str) -> Vec<&'a str> {
        let side = self.versioned.then_some(side);
        self.mount.split('/').chain(side).chain(self.below.split('/')).collect()
    }

    /// The parts of the path by which the names in the secret's folder are asked for.
    pub(super) fn folder(&self) -> Vec<&str> {
        let mut parts = self.parts("metadata");
        parts.pop();
        parts
    }

    /// The same of another secret in the same folder.
    pub(super) fn neighbour(&self, name: &str) -> Self {
        let below =
            self.below.rsplit_once('/').map_or_else(|| name.to_owned(), |(folder, _)| format!("{folder}/{name}"));
        Self { below, ..self.clone() }
    }

    /// A part of the API's own paths with which the secret's path begins, and the path without it: nobody puts a secret of a
    /// mount with versions there on purpose.
    pub(super) fn without_side(&self) -> Option<(&str, String)> {
        let (side, below) = self.below.split_once('/').filter(|_| self.versioned)?;
        ["data", "metadata"].contains(&side).then(|| (side, format!("{}/{below}", self.mount)))
    }

    /// The same as policies name it.
    pub(super) fn path(&self, side: &str) -> String {
        self.parts(side).join("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str, mount: &str, kind: &str, version: Option<&str>) -> Result<String, String> {
        let options = version.map(|version| Options { version: Some(version.to_owned()) });
        let about = About { path: mount.to_owned(), kind: kind.to_owned(), options };
        Mount::of(path, &about).map(|mount| mount.path("data")).map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_mounts_name_may_have_slashes() {
        assert_eq!(of("secret/app", "secret/", "kv", Some("2")).as_deref(), Ok("secret/data/app"));
        assert_eq!(of("team/kv/app/x", "team/kv/", "kv", Some("2")).as_deref(), Ok("team/kv/data/app/x"));
        assert_eq!(of("secret/app", "secret/", "kv", Some("1")).as_deref(), Ok("secret/app"));
        assert_eq!(of("secret/app", "secret/", "generic", None).as_deref(), Ok("secret/app"));
    }

    #[test]
    fn a_part_of_the_apis_paths_is_found_in_a_mount_with_versions() {
        let mount = |below: &str, versioned| Mount { mount: "team/kv".to_owned(), below: below.to_owned(), versioned };
        for (below, versioned, expected) in [
            ("data/app/x", true, Some(("data", "team/kv/app/x".to_owned()))),
            ("metadata/app", true, Some(("metadata", "team/kv/app".to_owned()))),
            ("data", true, None),
            ("app/data", true, None),
            ("data/app", false, None),
        ] {
            assert_eq!(mount(below, versioned).without_side(), expected, "{below}");
        }
        assert_eq!(mount("app/x", true).folder(), ["team", "kv", "metadata", "app"]);
        assert_eq!(mount("x", false).folder(), ["team", "kv"]);
    }

    #[test]
    fn what_is_no_secret_in_a_kv_mount_is_told() {
        for (path, mount, kind, version, says) in
            [("team/kv", "team/kv/", "kv", Some("2"), "a secret below"), ("pki/issue", "pki/", "pki", None, "type pki")]
        {
            let why = of(path, mount, kind, version).err().unwrap_or_default();
            assert!(why.contains(says), "{why}");
        }
    }
}
