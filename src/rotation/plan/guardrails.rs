//! Guardrails: rules that hang on a key from outside, so that its successor would lack them.

use std::collections::BTreeSet;

use crate::http::Refusal;
use crate::rotation::model::{Guardrails, KeyId, KeyRow, Rights};
use crate::rotation::plan::{Blocked, Situation};

/// The word of `accept-unconfirmed` for guardrails that can't be read.
const WORD: &str = "guardrails";

/// The member who made a key, and whose guardrails apply to it. A server that does not take it at creation would refuse
/// every key: it is left out where its confirmation is not asked for.
const CREATOR: &str = "creator_user_id";

/// The guardrails that a new key gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Their ids.
    pub ids: BTreeSet<String>,
    /// The keys that have them: those whose rights the new key inherits.
    pub of: Vec<KeyId>,
}

/// Why a new key's guardrails are not the wanted ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::rotation) enum Difference<'a> {
    /// It has these beside them.
    Beyond(Vec<&'a String>),
    /// The old key got these since it was looked at.
    Since(Vec<&'a String>),
    /// It lacks these, as yet.
    Missing(Vec<&'a String>),
}

impl Wanted {
    fn of(sources: &[&KeyRow], all: &Guardrails) -> Self {
        let of: Vec<_> = sources.iter().map(|row| row.id.clone()).collect();
        Self { ids: ids(&of, all).cloned().collect(), of }
    }

    /// What differs between these and those of the new key. One that the old key has lost since stays.
    pub(in crate::rotation) fn difference<'a>(&'a self, new: &KeyId, all: &'a Guardrails) -> Option<Difference<'a>> {
        let has: BTreeSet<&String> = ids(std::slice::from_ref(new), all).collect();
        let since: Vec<_> = ids(&self.of, all).filter(|id| !self.ids.contains(*id)).collect();
        let beyond: Vec<_> = has.iter().copied().filter(|id| !self.ids.contains(*id) && !since.contains(id)).collect();
        let missing: Vec<_> = self.ids.iter().filter(|id| !has.contains(id)).collect();
        if !beyond.is_empty() {
            Some(Difference::Beyond(beyond))
        } else if !since.is_empty() {
            Some(Difference::Since(since))
        } else {
            (!missing.is_empty()).then_some(Difference::Missing(missing))
        }
    }
}

fn ids<'a>(keys: &[KeyId], all: &'a Guardrails) -> impl Iterator<Item = &'a String> {
    keys.iter().filter_map(|key| all.get(key)).flatten()
}

impl Situation<'_> {
    /// The guardrails of the keys whose rights are inherited. A first key inherits none.
    pub(super) fn wanted_guardrails(&self, sources: &[&KeyRow], notices: &mut Vec<String>) -> Result<Wanted, Blocked> {
        let accepted = self.policy.accept_unconfirmed.contains(WORD);
        match &self.seen.guardrails {
            Ok(all) => Ok(Wanted::of(sources, all)),
            Err(_) if sources.is_empty() => Ok(Wanted::default()),
            Err(Refusal { message, .. }) if accepted => {
                notices.push(format!("not confirmed by the issuer: guardrails; the new key gets none ({message})"));
                Ok(Wanted::default())
            }
            Err(refusal) => Err(unreadable(refusal)),
        }
    }

    /// The rights to ask for, without a creator that need not be confirmed.
    pub(super) fn without_creator(&self, mut rights: Rights) -> Rights {
        if self.policy.accept_unconfirmed.contains(CREATOR) {
            rights.other.remove(CREATOR);
        }
        rights
    }
}

fn unreadable(refusal: &Refusal) -> Blocked {
    let accept = format!("set accept-unconfirmed to {WORD}, and the new key gets none");
    let next = match refusal.status {
        Some(404 | 405) => format!("if this server has no guardrails, {accept}; otherwise check issuer-url"),
        _ => format!("use a management-key that may read guardrails. If no key needs one, {accept}"),
    };
    Blocked::new(format!("not confirmed: the guardrails of the key being replaced ({})", refusal.message), next)
}

/// Guardrails by name or id.
pub(in crate::rotation) fn listed<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    names.into_iter().map(|name| name.as_ref().to_owned()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rotation::model::tests::row;

    fn all(of: &[(&str, &[&str])]) -> Guardrails {
        let set = |ids: &[&str]| ids.iter().map(ToString::to_string).collect();
        of.iter().map(|(key, ids)| (KeyId((*key).to_owned()), set(ids))).collect()
    }

    #[test]
    fn of_several_keys_each_guardrail_counts() {
        let (old, dead) = (row("old", "2026-11-01T00:00:00Z"), row("dead", "2026-11-02T00:00:00Z"));
        let seen = all(&[("old", &["a"]), ("dead", &["b"]), ("other", &["c"])]);
        let wanted = Wanted::of(&[&dead, &old], &seen);
        assert_eq!(listed(&wanted.ids), "a, b");
        assert_eq!(Wanted::of(&[], &seen), Wanted::default());
    }

    #[test]
    fn what_is_read_back_is_held_against_what_was_wanted_and_what_the_old_key_has_now() {
        let old = row("old", "2026-11-01T00:00:00Z");
        let wanted = Wanted::of(&[&old], &all(&[("old", &["a", "b"])]));
        let difference = |now: &[(&str, &[&str])]| {
            let now = all(now);
            let told = wanted.difference(&KeyId("new".into()), &now).map(|difference| match difference {
                Difference::Beyond(ids) => format!("beyond {}", listed(ids)),
                Difference::Since(ids) => format!("since {}", listed(ids)),
                Difference::Missing(ids) => format!("missing {}", listed(ids)),
            });
            told.unwrap_or_default()
        };
        assert_eq!(difference(&[("old", &["a", "b"]), ("new", &["a", "b"])]), "");
        assert_eq!(difference(&[("old", &["a"]), ("new", &["a", "b"])]), "", "narrower than the old key is no harm");
        assert_eq!(difference(&[("old", &["a", "b"]), ("new", &["b"])]), "missing a");
        assert_eq!(difference(&[("old", &["a", "b"])]), "missing a, b");
        assert_eq!(difference(&[("old", &["a", "b"]), ("new", &["a", "b", "c"])]), "beyond c");
        assert_eq!(difference(&[("old", &["a", "b", "c"]), ("new", &["a", "b"])]), "since c");
        assert_eq!(difference(&[("old", &["a", "b", "c"]), ("new", &["a", "b", "c"])]), "since c");
    }
}
