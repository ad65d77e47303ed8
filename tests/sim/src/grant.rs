//! What the keys of a schedule may do.

use std::time::Duration;

use keyrotor::rotation::model::{AllowList, Reset};
use keyrotor::rotation::policy::{Policy, Wish};
use keyrotor_fake::{Key, Kind, Rights};

use crate::schedule::{DAY, SECOND};

/// What every key of a schedule may do when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// A provider, and a limit that starts anew each month.
    Monthly,
    /// A model, and a limit for the key's life, of which each rotation hands on what is left.
    ForLife,
    /// Two providers, a model, and no limit.
    Unlimited,
}

const LIMIT: f64 = 100.0;
/// No schedule spends more.
const SPENT: f64 = 1.0;
const PROVIDERS: [&str; 2] = ["openai", "anthropic"];
const MODEL: &str = "openai/gpt-5-nano";

impl Grant {
    /// The rights of a key that ends with nothing.
    #[must_use]
    pub fn rights(self) -> Rights {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        match self {
            Self::Monthly => Rights {
                limit: Some(LIMIT),
                limit_reset: Some("monthly".into()),
                allowed_providers: names(&PROVIDERS[..1]),
                ..Rights::default()
            },
            Self::ForLife => Rights { limit: Some(LIMIT), allowed_models: names(&[MODEL]), ..Rights::default() },
            Self::Unlimited => {
                Rights { allowed_providers: names(&PROVIDERS), allowed_models: names(&[MODEL]), ..Rights::default() }
            }
        }
    }

    /// Asks for these rights, as a first key has to.
    pub fn state(self, policy: &mut Policy) {
        let Rights { limit, allowed_providers, allowed_models, .. } = self.rights();
        let list = |names: Vec<String>| match names.is_empty() {
            true => AllowList::All,
            false => AllowList::Only(names.into_iter().collect()),
        };
        policy.providers = Wish::Stated(list(allowed_providers));
        policy.models = Wish::Stated(list(allowed_models));
        policy.limit = Wish::Stated(limit);
        policy.reset = Wish::Stated(if self == Self::Monthly { Reset::Monthly } else { Reset::Never });
    }

    /// Whether a key may do less, or ends at once. Of a limit for life only what was spent may be missing.
    #[must_use]
    pub fn is_narrower(self, key: &Key) -> bool {
        let mine = self.rights();
        let Rights { limit, limit_reset, allowed_providers, allowed_models, rate_limit: _, expires_at } = &key.rights;
        let lacks = |allowed: &[String], got: &[String]| {
            !got.is_empty() && (allowed.is_empty() || allowed.iter().any(|name| !got.contains(name)))
        };
        let spends_less = limit.is_some_and(|limit| mine.limit.is_none_or(|most| limit < most - SPENT));
        let resets_less = mine.limit_reset.is_some() && limit_reset.is_none();
        let ends_at_once = expires_at.is_some_and(|end| end <= key.created_at + DAY);
        let calls_nothing = key.kind == Kind::Management;
        spends_less
            || resets_less
            || ends_at_once
            || calls_nothing
            || lacks(&mine.allowed_providers, allowed_providers)
            || lacks(&mine.allowed_models, allowed_models)
    }

    /// Whether a key may do more, or lives longer than `lifetime` where it has to end.
    #[must_use]
    pub fn is_wider(self, key: &Key, lifetime: Option<Duration>) -> bool {
        let mine = self.rights();
        let Rights { limit, limit_reset, allowed_providers, allowed_models, rate_limit: _, expires_at } = &key.rights;
        let beyond = |allowed: &[String], got: &[String]| {
            !allowed.is_empty() && (got.is_empty() || got.iter().any(|name| !allowed.contains(name)))
        };
        let spends_more = mine.limit.is_some_and(|most| {
            limit.is_none_or(|limit| limit > most)
                || limit_reset.as_ref().is_some_and(|reset| mine.limit_reset.as_ref() != Some(reset))
        });
        let lives_longer = match (expires_at, lifetime) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(end), Some(lifetime)) => *end > key.created_at + lifetime + SECOND,
        };
        spends_more
            || lives_longer
            || beyond(&mine.allowed_providers, allowed_providers)
            || beyond(&mine.allowed_models, allowed_models)
    }
}
