//! The new key's guardrails: assigned, and read back before it is written anywhere.

use std::cell::Cell;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};

use crate::http::{Failure, Refusal};
use crate::rotation::exec::renewal::heard_of;
use crate::rotation::exec::run::{Abort, Run, Unwritten, problem};
use crate::rotation::ledger::Act;
use crate::rotation::model::{Guardrails, KeyId};
use crate::rotation::outcome::{Event, Problem};
use crate::rotation::plan::guardrails::{Difference, Wanted, listed};

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

impl Run<'_> {
    /// Asks for the guardrails of all keys. A refusal is an answer: it matters only where a key is made.
    pub(super) async fn look_at_guardrails(&self) -> Result<Result<Guardrails, Refusal>, Abort> {
        let ask = async || match self.issuer.guardrails().await {
            Err(Failure::Refused(refusal)) => Ok(Err(refusal)),
            answer => answer.map(Ok),
        };
        self.read("list the guardrails of the keys", ask).await
    }

    /// Assigns the wanted guardrails to the new key, and reads them back.
    pub(super) async fn guard(&self, wanted: &Wanted, new: &KeyId) -> Result<(), Abort> {
        if wanted.ids.is_empty() {
            return Ok(());
        }
        try_join_all(wanted.ids.iter().map(|guardrail| self.assign(new, guardrail))).await?;
        self.guarded(wanted, new).await?;
        self.note(format!("the new key has the guardrails of the old one: {}", listed(&wanted.ids)));
        Ok(())
    }

    async fn assign(&self, new: &KeyId, guardrail: &str) -> Result<(), Abort> {
        let act = Act::Guard { guardrail: guardrail.to_owned() };
        let unseen = Cell::new(0);
        let send = async || heard_of(self.issuer.assign_guardrail(new, guardrail).await, &unseen);
        let what = format!("assign the guardrail {guardrail} to the new key");
        match self.write(act, &what, async || self.lease_gate(), send).await {
            Ok(()) => Ok(()),
            Err(Unwritten::Abort(abort)) => Err(abort),
            Err(Unwritten::Failure(failure)) => Err(self.unassigned(guardrail, &failure).await),
        }
    }

    async fn unassigned(&self, guardrail: &str, failure: &Failure) -> Abort {
        let what = format!("assign the guardrail {} to the new key", self.named(&[guardrail]).await);
        let refused = matches!(failure, Failure::Refused(_));
        let next = "let the management-key assign it, or take it from the old key if the new one may do without; then run \
                    it again";
        let told = problem(&what, failure);
        Abort::Failed(if refused { Problem { next: Some(next.to_owned()), ..told } } else { told })
    }

    /// Waits, for `verify-timeout` at the most, until the new key is shown with the wanted guardrails and no others.
    async fn guarded(&self, wanted: &Wanted, new: &KeyId) -> Result<(), Abort> {
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

    async fn differs(&self, wanted: &Wanted, difference: Difference<'_>) -> Abort {
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
        Abort::Failed(Problem::new(format!("{what}: {named}"), next.to_owned()))
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
