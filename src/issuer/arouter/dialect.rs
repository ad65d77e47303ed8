//! The dialects of ARouter's key API, told apart by what it answers.

use crate::issuer::row::{LIMITS, Shown};
use crate::rotation::model::RightsTaken;

/// Where keys are managed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeysPath {
    /// Management keys manage here, in the SDKs and on most pages.
    Api,
    /// Live keys manage themselves here, in the rotation guide.
    Plain,
}

impl KeysPath {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Api => "/api/v1/keys",
            Self::Plain => "/v1/keys",
        }
    }
}

/// Which of ARouter's descriptions of itself holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// The SDKs' and most pages'.
    Mgmt,
    /// The rotation guide's.
    Guide,
    /// The management-keys page's.
    Overview,
}

impl Dialect {
    pub(super) fn tell(path: KeysPath, shown: &Shown) -> Self {
        if shown.has("limit_usd") {
            Self::Overview
        } else if path == KeysPath::Plain || shown.has("spending_limit") {
            Self::Guide
        } else {
            Self::Mgmt
        }
    }

    /// The guide knows no PATCH, the management-keys page's takes `label`, `limit_usd` and `rate_limit` alone.
    pub(super) fn may_rename(self) -> bool {
        self == Self::Mgmt
    }

    pub(super) fn takes(self) -> RightsTaken {
        RightsTaken {
            providers: true,
            models: self != Self::Guide,
            limit: true,
            reset: self == Self::Mgmt,
            expiry: self == Self::Mgmt,
        }
    }

    /// Names for the spending limit, the likeliest first.
    pub(super) fn limit_names(self) -> &'static [&'static str] {
        match self {
            Self::Mgmt => &["limit", "limit_usd"],
            Self::Guide => &["spending_limit", "limit"],
            Self::Overview => &["limit_usd"],
        }
    }
}

/// The name of the spending limit that rows were seen to have.
pub(super) fn limit_seen(shown: &Shown) -> Option<&'static str> {
    LIMITS.into_iter().find(|name| shown.has(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(field: &str) -> Shown {
        Shown::of(&[(field.to_owned(), serde_json::Value::Null)].into_iter().collect())
    }

    #[test]
    fn fields_and_path_tell_the_dialect() {
        for (path, field, expected) in [
            (KeysPath::Api, "limit", Dialect::Mgmt),
            (KeysPath::Api, "nothing", Dialect::Mgmt),
            (KeysPath::Api, "limit_usd", Dialect::Overview),
            (KeysPath::Api, "spending_limit", Dialect::Guide),
            (KeysPath::Plain, "limit", Dialect::Guide),
            (KeysPath::Plain, "nothing", Dialect::Guide),
        ] {
            assert_eq!(Dialect::tell(path, &shown(field)), expected, "{path:?} {field}");
        }
    }
}
