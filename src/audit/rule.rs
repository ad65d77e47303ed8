//! What an audit looks for. The ids are public: they stand in reports, and code scanning remembers findings by them.

/// How much a finding matters, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Something fails, or will within days.
    Error,
    /// Something should be changed.
    Warning,
    /// Good to know.
    Note,
}

impl Level {
    /// Every level, worst first.
    pub const ALL: [Self; 3] = [Self::Error, Self::Warning, Self::Note];

    /// As reports write it; SARIF has the same words.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// One thing that is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A rotation of the config file has no live key.
    NoKey,
    /// A rotation of the config file should have rotated its key days ago.
    Overdue,
    /// A key is near its spending limit, or beyond.
    NearLimit,
    /// A key expires soon.
    ExpiresSoon,
    /// A key is older than `old-after`.
    Old,
    /// A key was not used for `unused-after`.
    Unused,
    /// A key was never used.
    NeverUsed,
    /// Several keys of one family are alive.
    SeveralLive,
    /// One key serves several deployment environments.
    SharedEnvironments,
    /// A key may spend without limit.
    NoSpendingLimit,
    /// A key may use every provider and model.
    NoAllowList,
    /// A key is switched off or has expired, and is still there.
    LeftOver,
    /// A key's name has neither a date nor a version.
    UndatedName,
    /// Jobs of GitHub Actions could do without a key.
    CouldBeKeyless,
}

/// What is said of a rule, whatever was found.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// The id.
    pub id: &'static str,
    /// In a few words.
    pub title: &'static str,
    /// Why it is looked for.
    pub why: &'static str,
    /// What code scanning sorts by, from 0 to 10.
    pub severity: &'static str,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 14] = [
        Self::NoKey,
        Self::Overdue,
        Self::NearLimit,
        Self::ExpiresSoon,
        Self::Old,
        Self::Unused,
        Self::NeverUsed,
        Self::SeveralLive,
        Self::SharedEnvironments,
        Self::NoSpendingLimit,
        Self::NoAllowList,
        Self::LeftOver,
        Self::UndatedName,
        Self::CouldBeKeyless,
    ];

    /// The id.
    #[must_use]
    pub fn id(self) -> &'static str {
        self.about().id
    }

    /// What is said of it.
    #[must_use]
    pub fn about(self) -> About {
        let (id, title, severity, why) = match self {
            Self::NoKey => (
                "no-key",
                "Rotation without a live key",
                "7.0",
                "A rotation of the config file has no key that works: its targets hold none, or a dead one.",
            ),
            Self::Overdue => (
                "overdue-rotation",
                "Rotation that is overdue",
                "6.0",
                "A schedule that has stopped can't warn by itself: GitHub stops schedules of inactive repositories, and with an \
                 expired token every run fails.",
            ),
            Self::NearLimit => (
                "near-limit",
                "Key near its spending limit",
                "4.0",
                "A key that has spent its limit is refused with 402 until the limit starts anew, or for good.",
            ),
            Self::ExpiresSoon => (
                "expires-soon",
                "Key that expires soon",
                "4.0",
                "Whatever holds a key when it expires fails from that moment on.",
            ),
            Self::Old => (
                "old-key",
                "Old key",
                "5.0",
                "The longer a key lives, the more logs, laptops and backups have seen it.",
            ),
            Self::Unused => {
                ("unused-key", "Unused key", "5.5", "A key that nobody uses is missed by nobody when it is stolen.")
            }
            Self::NeverUsed => (
                "never-used-key",
                "Key that was never used",
                "5.0",
                "A key that was made and never used was probably made by mistake, or for somebody who has forgotten it.",
            ),
            Self::SeveralLive => (
                "several-live-keys",
                "Several live keys in one family",
                "5.0",
                "A replaced key that stays alive keeps a leak of it alive.",
            ),
            Self::SharedEnvironments => (
                "shared-across-environments",
                "Key shared across environments",
                "6.0",
                "With a key for each environment a leak stays in one, and staging can't spend production's limit.",
            ),
            Self::NoSpendingLimit => (
                "no-spending-limit",
                "Key without a spending limit",
                "6.5",
                "Whoever gets hold of such a key can spend whatever the account has.",
            ),
            Self::NoAllowList => (
                "no-allow-list",
                "Key that may use every provider and model",
                "3.0",
                "A key that may use only what its service needs is worth less to a thief.",
            ),
            Self::LeftOver => (
                "left-over-key",
                "Key that is switched off or has expired",
                "2.0",
                "A disabled key can be switched on again by whoever may manage keys; dead keys hide those that matter.",
            ),
            Self::UndatedName => (
                "undated-name",
                "Name without a date or version",
                "1.0",
                "A name that tells when a key was made, or which of several it is, makes an old key easy to see.",
            ),
            Self::CouldBeKeyless => (
                "could-be-keyless",
                "Jobs that could do without a key",
                "1.0",
                "A job that signs in with GitHub's OIDC token gets one of its own for minutes: there is nothing to rotate or to \
                 leak.",
            ),
        };
        About { id, title, why, severity }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_rule_has_an_id_of_its_own_and_a_severity() {
        let ids: BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.id()).collect();
        assert_eq!(ids.len(), Rule::ALL.len());
        assert!(ids.iter().all(|id| id.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
        for rule in Rule::ALL {
            let severity: f64 = rule.about().severity.parse().unwrap_or(-1.0);
            assert!((0.1..=10.0).contains(&severity), "{rule:?}");
        }
    }
}
