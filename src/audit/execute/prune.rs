//! Pruning as it is carried out: one key after the other, each judged anew on a list that was read right before.

use std::cell::RefCell;
use std::time::Duration;

use tokio::time::Instant;

use super::{Reached, assess};
use crate::audit::prune::{Candidate, Fate, How, Pruned, Pruning, candidates};
use crate::audit::{AuditedAccount, Criteria};
use crate::console::Console;
use crate::http::{Failure, Retry};
use crate::lists;
use crate::rotation::clock::Clock;
use crate::rotation::interrupt::Interrupt;
use crate::rotation::model::{About, Deletion, KeyId, KeyKind, KeyProbe, Listing};
use crate::rotation::outcome::{Event, Observer as _, Problem};
use crate::rotation::plan::identity::provably;
use crate::rotation::ports::KeyIssuer;
use crate::secret::Secret;

/// A list that was read no longer ago than this counts as read right before. Reading one of thousands takes longer.
const FRESH: Duration = Duration::from_secs(2);

const STOPPED: &str = "the run was told to stop";

/// What pruning works with.
pub(super) struct Pruner<'a> {
    pub(super) pruning: &'a Pruning,
    pub(super) criteria: &'a Criteria,
    pub(super) dry_run: bool,
    pub(super) interrupt: &'a Interrupt,
    pub(super) clock: &'a Clock,
    pub(super) console: &'a Console,
}

impl Pruner<'_> {
    /// Prunes one account and has its keys judged as they are then.
    pub(super) async fn prune(&self, reached: &Reached, listing: Listing, account: &mut AuditedAccount) {
        let [issuer] = reached.issuers.as_slice() else {
            self.refuse(
                account,
                "several credentials are given for it, so that nobody can tell which key each may touch",
            );
            return;
        };
        let issuer = issuer.as_ref();
        let signers = tokio::select! {
            biased;
            () = self.interrupt.wait() => {
                self.note(account, format!("nothing was pruned: {STOPPED}"), "Run it again.");
                return;
            }
            signers = self.signers(reached, issuer, &listing) => signers,
        };
        let Some(signers) = signers else {
            self.refuse(account, "which of the keys is the one given to sign or as `current-key` can't be proved");
            return;
        };
        let mut list = Fresh { listing, read_at: Instant::now() };
        let all = self.judged(reached, &list.listing, &signers);
        for candidate in all {
            let fate = match candidate.spared {
                Some(why) => Fate::Spared(why.to_owned()),
                None if self.dry_run => Fate::Planned(self.pruning.how),
                None => self.one(reached, issuer, &mut list, &candidate, &signers).await,
            };
            self.tell(&candidate, &fate);
            account.pruned.push(Pruned { id: candidate.id, name: candidate.name, fate });
        }
        if account.pruned.iter().any(|pruned| matches!(pruned.fate, Fate::Deleted | Fate::Disabled)) {
            self.look_again(reached, issuer, account).await;
        }
        self.complain(issuer, account);
        let left = account.pruned.iter().filter(|pruned| pruned.fate == Fate::NotReached).count();
        if left > 0 {
            self.note(account, format!("{STOPPED}; keys that were not looked at: {left}"), "Run it again.");
        }
    }

    fn judged(&self, reached: &Reached, listing: &Listing, signers: &[KeyId]) -> Vec<Candidate> {
        let keys = assess(listing.clone(), &reached.rotations, self.criteria, None).keys;
        candidates(&keys, &reached.rotations, self.pruning, signers, listing)
    }

    fn refuse(&self, account: &mut AuditedAccount, why: &str) {
        let next = "Give `management-key` alone, which is no key that calls models.";
        self.note(account, format!("nothing was pruned: {why}"), next);
    }

    fn note(&self, account: &mut AuditedAccount, what: String, next: &str) {
        let problem = Problem::new(what, next.to_owned());
        self.console.event(&Event::Failed(&problem));
        account.problems.push(problem);
    }

    /// The listed keys whose values the run was given; `None` where one that calls models can't be found in the list.
    async fn signers(&self, reached: &Reached, issuer: &dyn KeyIssuer, listing: &Listing) -> Option<Vec<KeyId>> {
        let live: Vec<_> = listing.keys.iter().filter(|row| !row.disabled && row.kind == KeyKind::Regular).collect();
        let lists_managers = listing.keys.iter().any(|row| row.kind == KeyKind::Management);
        let mut found = Vec::new();
        for (value, may_be_manager) in &reached.values {
            let about = about(issuer, value).await;
            match provably(&listing.keys, &live, value, &about, false) {
                Some(id) => found.push(id),
                // A management key that is not listed calls no models. Where there are none, it is a live key itself.
                None if *may_be_manager && (lists_managers || listing.may_rename) => {}
                None => return None,
            }
        }
        Some(found)
    }

    async fn one(
        &self,
        reached: &Reached,
        issuer: &dyn KeyIssuer,
        list: &mut Fresh,
        candidate: &Candidate,
        signers: &[KeyId],
    ) -> Fate {
        if list.read_at.elapsed() > FRESH {
            match lists::read(issuer, self.interrupt, self.console).await {
                Some(Ok(listing)) => *list = Fresh { listing, read_at: Instant::now() },
                Some(Err(failure)) => return Fate::Failed(format!("the key list could not be read again: {failure}")),
                None => return Fate::NotReached,
            }
        }
        if self.interrupt.requested() {
            return Fate::NotReached;
        }
        if !self.judged(reached, &list.listing, signers).contains(candidate) {
            return Fate::Spared("it was changed or used meanwhile".to_owned());
        }
        let touched = tokio::select! {
            biased;
            touched = self.touch(issuer, &candidate.id) => touched,
            () = self.interrupt.in_flight_over(self.clock) => return Fate::Failed(
                format!("{STOPPED}, and it was not answered before the run had to end"),
            ),
        };
        touched.unwrap_or_else(|failure| Fate::Failed(failure.to_string()))
    }

    /// Both calls are safe to repeat.
    async fn touch(&self, issuer: &dyn KeyIssuer, id: &KeyId) -> Result<Fate, Failure> {
        let ask = async || {
            Ok(match self.pruning.how {
                How::Delete => issuer.delete(id).await.map(|(Deletion::Deleted | Deletion::NotFound)| Fate::Deleted),
                How::Disable => issuer.set_disabled(id, true).await.map(|_| Fate::Disabled),
            })
        };
        let pause = async |failure: &Failure, wait| {
            let (what, why) = (format!("prune key {id}"), failure.message().to_owned());
            self.console.event(&Event::Retrying { what, why, wait });
            tokio::select! {
                biased;
                () = self.interrupt.wait() => Err(failure.clone()),
                () = self.clock.sleep(wait) => Ok(()),
            }
        };
        Retry::default().persist(&RefCell::default(), ask, pause).await?
    }

    /// Only the list says what an answer was worth.
    async fn look_again(&self, reached: &Reached, issuer: &dyn KeyIssuer, account: &mut AuditedAccount) {
        let read = tokio::select! {
            biased;
            read = lists::persistently(issuer, self.console) => read.map_err(|failure| failure.to_string()),
            () = self.interrupt.deadline(self.clock) => Err(STOPPED.to_owned()),
        };
        let listing = match read {
            Ok(listing) => listing,
            Err(why) => {
                let why = format!("it was answered, and the key list could not be read again: {why}");
                account.pruned.iter_mut().for_each(|pruned| pruned.fate = doubted(&pruned.fate, &why));
                return;
            }
        };
        for pruned in &mut account.pruned {
            let row = listing.keys.iter().find(|row| row.id == pruned.id);
            let wrong = match (&pruned.fate, row) {
                (Fate::Deleted, Some(_)) => "it was answered, and the key is still listed",
                (Fate::Disabled, Some(row)) if !row.disabled => "it was answered, and the key is still switched on",
                _ => continue,
            };
            pruned.fate = Fate::Failed(wrong.to_owned());
        }
        account.assessment = assess(listing, &reached.rotations, self.criteria, reached.keyless());
    }

    fn complain(&self, issuer: &dyn KeyIssuer, account: &mut AuditedAccount) {
        let verb = match self.pruning.how {
            How::Delete => "deleted",
            How::Disable => "switched off",
        };
        for pruned in &account.pruned {
            let Fate::Failed(why) = &pruned.fate else { continue };
            let problem = Problem::new(
                format!("key {} ({}) is not {verb} for certain: {why}", pruned.id, pruned.name),
                format!("Run it again, or do it by hand. {}", issuer.manual(&pruned.id)),
            );
            self.console.event(&Event::Failed(&problem));
            account.problems.push(problem);
        }
    }

    fn tell(&self, candidate: &Candidate, fate: &Fate) {
        let what = match fate {
            Fate::Planned(How::Delete) => "would be deleted",
            Fate::Planned(How::Disable) => "would be switched off",
            Fate::Disabled => "is switched off",
            Fate::Deleted => "is deleted",
            Fate::Spared(_) | Fate::NotReached | Fate::Failed(_) => return,
        };
        self.console.event(&Event::Note(format!("key {} ({}) {what}", candidate.id, candidate.name)));
    }
}

struct Fresh {
    listing: Listing,
    read_at: Instant,
}

fn doubted(fate: &Fate, why: &str) -> Fate {
    match fate {
        Fate::Deleted | Fate::Disabled => Fate::Failed(why.to_owned()),
        other => other.clone(),
    }
}

/// What the issuer says of the key that asks, at the first place where it says anything.
async fn about(issuer: &dyn KeyIssuer, value: &Secret) -> About {
    for endpoint in issuer.endpoints() {
        if let KeyProbe::Accepted(about) = issuer.try_key(value, *endpoint).await
            && about != About::default()
        {
            return about;
        }
    }
    About::default()
}
