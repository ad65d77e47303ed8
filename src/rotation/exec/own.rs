//! The keys that this run asked for: whether each was made, under which id, and only once.

use std::collections::BTreeSet;

use crate::rotation::clock::Mark;
use crate::rotation::exec::run::{Abort, NewKey, Run};
use crate::rotation::model::{KeyId, KeyRow, Listing};
use crate::rotation::outcome::{Event, KeyFate, Problem};
use crate::rotation::plan::observation::Observation;

impl Run<'_> {
    /// Looks for a key whose making was not answered, at once and when the attempt has settled; deletes it when it is
    /// found, since its value is gone. `false`: it was not seen.
    pub(super) async fn find_lost(&self, name: &str, sent: Mark) -> Result<bool, Abort> {
        let names = BTreeSet::from([name.to_owned()]);
        if !self.delete_named(&names).await?.is_empty() {
            return Ok(true);
        }
        let left = self.settled_after().saturating_sub(self.clock().at_least_since(sent));
        self.event(&Event::Waiting { what: format!("to look for {name} again"), at_most: left });
        self.pause(left).await?;
        Ok(!self.delete_named(&names).await?.is_empty())
    }

    /// Deletes every key that has one of these names, but for the one in hand, and says which names it found.
    async fn delete_named(&self, names: &BTreeSet<String>) -> Result<BTreeSet<String>, Abort> {
        let (listing, _) = self.list().await?;
        let mut found = BTreeSet::new();
        for row in listing.keys.iter().filter(|row| names.contains(&row.name) && self.is_left_over(&row.id)) {
            found.insert(row.name.clone());
            self.memory.borrow_mut().set_name(&row.id, &row.name);
            match self.delete(&row.id).await {
                Ok(()) => self.deleted_again(row, "was made after all; it is deleted again, since its value is lost"),
                Err(problem) => self.stray(&row.id, problem),
            }
        }
        Ok(found)
    }

    fn is_left_over(&self, id: &KeyId) -> bool {
        let memory = self.memory.borrow();
        let in_hand = memory.new_key().is_some_and(|new| new.id == *id);
        !in_hand && memory.fate(id) != Some(&KeyFate::NewRevoked)
    }

    fn deleted_again(&self, row: &KeyRow, why: &str) {
        self.note(format!("{} ({}) {why}", row.name, row.id));
        self.memory.borrow_mut().set_fate(&row.id, KeyFate::NewRevoked);
    }

    /// Holds a list against what this run asked for. The key in hand is known from here on by the id that is listed. What
    /// a gateway made beside it, by sending one request twice, is deleted before anything is written.
    pub(super) async fn only_one(&self, seen: &Observation, listing: &Listing, new: NewKey) -> Result<NewKey, Abort> {
        let is_own = |row: &&KeyRow| {
            let memory = self.memory.borrow();
            let revoked = memory.fate(&row.id) == Some(&KeyFate::NewRevoked);
            memory.own_names.contains(&row.name) && seen.row(&row.id).is_none() && !revoked
        };
        let own: Vec<_> = listing.keys.iter().filter(is_own).collect();
        self.memory.borrow_mut().unlooked.clear();
        let new = match own.as_slice() {
            [only] if !listing.keys.iter().any(|row| row.id == new.id) => self.known_as(new, &only.id),
            _ => new,
        };
        for twin in own.into_iter().filter(|row| row.id != new.id) {
            self.delete_twin(twin).await?;
        }
        Ok(new)
    }

    /// The id in the answer to a create need not be the one by which its key is listed.
    fn known_as(&self, new: NewKey, id: &KeyId) -> NewKey {
        self.note(format!("the issuer answered with the id {}, and lists the new key as {id}", new.id));
        let mut memory = self.memory.borrow_mut();
        if let Some(candidate) = memory.candidate.as_mut() {
            candidate.key.id = id.clone();
        }
        if let Some(record) = memory.keys.remove(&new.id) {
            memory.keys.insert(id.clone(), record);
        }
        NewKey { id: id.clone(), ..new }
    }

    /// The value in hand may be the twin's: one that stays alive would be deleted by the next run, whoever holds it.
    async fn delete_twin(&self, row: &KeyRow) -> Result<(), Abort> {
        self.memory.borrow_mut().set_name(&row.id, &row.name);
        if let Err(problem) = self.delete(&row.id).await {
            self.stray(&row.id, problem);
            return Err(Abort::Failed(Problem::new(
                format!("{} ({}) was made beside the new key, and can't be deleted", row.name, row.id),
                self.issuer.manual(&row.id),
            )));
        }
        self.deleted_again(row, "was made beside the new key; it is deleted");
        if let Some(candidate) = self.memory.borrow_mut().candidate.as_mut() {
            candidate.had_twins = true;
        }
        Ok(())
    }

    /// Once its twins are gone, the key in hand has to work still.
    pub(super) async fn works_without_twins(&self) -> Result<(), Abort> {
        let had_twins = self.memory.borrow().candidate.as_ref().is_some_and(|candidate| candidate.had_twins);
        if had_twins { self.still_works().await } else { Ok(()) }
    }

    /// Looks a last time, with one list and as long as there is time, for keys that this run asked for: where it was not
    /// answered, and where no list has come since it was.
    pub(super) async fn last_look(&self) {
        let (ghosts, wanted) = {
            let mut memory = self.memory.borrow_mut();
            let mut ghosts = std::mem::take(&mut memory.ghosts);
            ghosts.extend(memory.ledger.unanswered_creates());
            let wanted: BTreeSet<_> = ghosts.union(&memory.unlooked).cloned().collect();
            (ghosts, wanted)
        };
        if wanted.is_empty() {
            return;
        }
        self.unstoppable.set(true);
        let looked = self.in_time(self.delete_named(&wanted)).await;
        let found = looked.and_then(Result::ok);
        for name in ghosts.iter().filter(|name| found.as_ref().is_none_or(|found| !found.contains(*name))) {
            self.tell_left_over(format!(
                "a key {name} may have been made: the issuer did not say, and it was not seen in its list"
            ));
        }
        for name in wanted.difference(&ghosts).filter(|_| found.is_none()) {
            self.tell_left_over(format!("a key {name} may be left over: the issuer's list could not be read"));
        }
    }

    fn tell_left_over(&self, what: String) {
        self.unfinished(Problem::new(
            what,
            "run it again: the next run finds it and cleans it up. Only if it says so again, look for the name in \
                 the issuer's list",
        ));
    }
}
