//! Guardrails: rules that hang on a key from outside, so that its successor would lack them. They are assigned to the new
//! key and read back before it is written anywhere.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};

use crate::http::{Failure, Refusal};
use crate::rotation::ledger::Act;
use crate::rotation::outcome::{Event, Problem};
use crate::rotation::plan::{Situation, Stop};
use crate::rotation::port::{Guardrails, KeyId, KeyRow, Rights};
use crate::rotation::renewal::heard_of;
use crate::rotation::run::{Cause, Run, Unwritten, problem};

/// The word of `accept-unconfirmed` for guardrails that can't be read.
const WORD: &str = "guardrails";

/// The member who made a key, and whose guardrails apply to it. A server that does not take it at creation would refuse
/// every key: it is left out where its confirmation is not asked for.
const CREATOR: &str = "creator_user_id";

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

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
enum Difference<'a> {
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
    fn difference<'a>(&'a self, new: &KeyId, all: &'a Guardrails) -> Option<Difference<'a>> {
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
    pub(super) fn wanted_guardrails(&self, sources: &[&KeyRow], notices: &mut Vec<String>) -> Result<Wanted, Stop> {
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

fn unreadable(refusal: &Refusal) -> Stop {
    let accept = format!("set accept-unconfirmed to {WORD}, and the new key gets none");
    let next = match refusal.status {
        Some(404 | 405) => format!("if this server has no guardrails, {accept}; otherwise check issuer-url"),
        _ => format!("use a management-key that may read guardrails. If no key needs one, {accept}"),
    };
    Stop::new(format!("not confirmed: the guardrails of the key being replaced ({})", refusal.message), next)
}

impl Run<'_> {
    /// Asks for the guardrails of all keys. A refusal is an answer: it matters only where a key is made.
    pub(super) async fn look_at_guardrails(&self) -> Result<Result<Guardrails, Refusal>, Cause> {
        let ask = async || match self.issuer.guardrails().await {
            Err(Failure::Refused(refusal)) => Ok(Err(refusal)),
            answer => answer.map(Ok),
        };
        self.read("list the guardrails of the keys", ask).await
    }

    /// Assigns the wanted guardrails to the new key, and reads them back.
    pub(super) async fn guard(&self, wanted: &Wanted, new: &KeyId) -> Result<(), Cause> {
        if wanted.ids.is_empty() {
            return Ok(());
        }
        try_join_all(wanted.ids.iter().map(|guardrail| self.assign(new, guardrail))).await?;
        self.guarded(wanted, new).await?;
        self.note(format!("the new key has the guardrails of the old one: {}", listed(&wanted.ids)));
        Ok(())
    }

    async fn assign(&self, new: &KeyId, guardrail: &str) -> Result<(), Cause> {
        let act = Act::Guard { guardrail: guardrail.to_owned() };
        let unseen = Cell::new(0);
        let send = async || heard_of(self.issuer.assign_guardrail(new, guardrail).await, &unseen);
        let what = format!("assign the guardrail {guardrail} to the new key");
        match self.write(act, &what, async || self.lease_gate(), send).await {
            Ok(()) => Ok(()),
            Err(Unwritten::Cause(cause)) => Err(cause),
            Err(Unwritten::Failure(failure)) => Err(self.unassigned(guardrail, &failure).await),
        }
    }

    async fn unassigned(&self, guardrail: &str, failure: &Failure) -> Cause {
        let what = format!("assign the guardrail {} to the new key", self.named(&[guardrail]).await);
        let refused = matches!(failure, Failure::Refused(_));
        let next = "let the management-key assign it, or take it from the old key if the new one may do without; then run \
                    it again";
        let told = problem(&what, failure);
        Cause::Failed(if refused { Problem { next: Some(next.to_owned()), ..told } } else { told })
    }

    /// Waits, for `verify-timeout` at the most, until the new key is shown with the wanted guardrails and no others.
    async fn guarded(&self, wanted: &Wanted, new: &KeyId) -> Result<(), Cause> {
        let until = self.clock().instant() + self.policy.verify_timeout;
        let mut wait = FIRST_WAIT;
        loop {
            let all = self.read("read back the guardrails", async || self.issuer.guardrails().await).await?;
            match wanted.difference(new, &all) {
                None => return Ok(()),
                Some(Difference::Missing(_)) if self.clock().instant() + wait <= until => {}
                Some(difference) => return Err(self.differs(wanted, difference).await),
            }
            let what = "read back the guardrails of the new key".to_owned();
            self.event(&Event::Retrying { what, why: "one is missing".to_owned(), wait });
            self.pause(wait).await?;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn differs(&self, wanted: &Wanted, difference: Difference<'_>) -> Cause {
        let (what, ids, next) = match difference {
            Difference::Beyond(ids) => (
                "the new key has a guardrail that the old one does not have",
                ids,
                "run it again; if the issuer gives it to every new key, assign it to the old one too",
            ),
            Difference::Since(ids) => ("the old key was given a guardrail meanwhile", ids, "run it again"),
            Difference::Missing(ids) => (
                "the new key lacks a guardrail of the old one although it was assigned",
                ids,
                match wanted.ids.len() {
                    1 => "run it again; raise verify-timeout if the issuer needs longer",
                    _ => "a key may hold one guardrail alone: leave the old key one of them, then run it again",
                },
            ),
        };
        let named = self.named(&ids).await;
        Cause::Failed(Problem::new(format!("{what}: {named}"), next.to_owned()))
    }

    /// Guardrails by name and id.
    async fn named(&self, ids: &[impl AsRef<str>]) -> String {
        let name = async |id: &str| match self.issuer.guardrail_name(id).await {
            Some(name) => format!("{name:?} ({id})"),
            None => id.to_owned(),
        };
        listed(join_all(ids.iter().map(|id| name(id.as_ref()))).await)
    }
}

fn listed<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    names.into_iter().map(|name| name.as_ref().to_owned()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rotation::port::tests::row;

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
