//! Adopting and making keys, and finding the ones whose making was never answered.

use std::cell::Cell;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::http::Failure;
use crate::rotation::clock::Mark;
use crate::rotation::lease::{Lease, Mode};
use crate::rotation::ledger::{Act, Effect};
use crate::rotation::name::FamilyName;
use crate::rotation::observation::Observation;
use crate::rotation::outcome::{Event, KeyFate, Problem};
use crate::rotation::plan::Rotate;
use crate::rotation::port::{KeyId, KeySpec};
use crate::rotation::run::{Again, Cause, NewKey, Run, Unwritten, problem};

/// So many keys are made and lost before the run gives up: each may have to be found and deleted.
const LOST_CREATES: usize = 3;

impl Run<'_> {
    /// Renames a key outside the family into it, so that the family's names tell the whole state from here on.
    pub(super) async fn adopt(&self, seen: &Observation, id: &KeyId) -> Result<(), Cause> {
        let Some(row) = seen.row(id) else { return Ok(()) };
        let date = row.created_at.unwrap_or(seen.now()).to_zoned(TimeZone::UTC).date();
        let name = FamilyName::new(&self.policy.key_name, date, true, &mut self.around.rng.borrow_mut()).to_string();
        let what = format!("rename {} into the family", row.name);
        let act = Act::Rename { id: id.clone() };
        let unseen = Cell::new(0);
        let renamed = self.write(act, &what, async || Ok(()), async || self.rename(id, &name, &unseen).await).await;
        match renamed {
            Ok(answer) if answer.name.as_deref() == Some(name.as_str()) => {
                self.tell_of(format!("{} ({id}) is now called {name}", row.name));
                self.memory.borrow_mut().names.insert(id.clone(), name);
                Ok(())
            }
            Ok(_) => Err(Cause::BeginAgain(Again::WithoutRenames)),
            Err(Unwritten::Failure(Failure::Refused(refusal))) => Err(self.rename_refused(id, &what, refusal).await),
            Err(unwritten) => Err(unwritten.into_cause(&what)),
        }
    }

    /// Makes the new key. An answer that is lost is never followed by a blind repetition.
    pub(super) async fn create(&self, seen: &Observation, rotate: &Rotate, mode: Mode) -> Result<(), Cause> {
        let (mut made, mut lost) = (0, 0);
        loop {
            self.checkpoint()?;
            let today = seen.now().to_zoned(TimeZone::UTC).date();
            let fixed = mode == Mode::Fixed;
            let name = FamilyName::new(&self.policy.key_name, today, fixed, &mut self.around.rng.borrow_mut());
            let spec = KeySpec { name: name.to_string(), rights: rotate.rights.clone() };
            let sent = self.clock().now();
            self.memory.borrow_mut().own_names.insert(spec.name.clone());
            let entry = self.enter(Act::Create { name: spec.name.clone() }, sent);
            let answer = self.issuer.create(&spec).await;
            if let Ok(key) = &answer {
                self.around.observer.mask(&key.value);
            }
            self.answered(entry, &answer);
            match answer {
                Ok(key) if seen.row(&key.id).is_some() => {
                    self.memory.borrow_mut().ghosts.insert(spec.name);
                    return Err(Cause::Failed(Problem {
                        what: format!("make a key: the answer has the id of a key that was there before, {}", key.id),
                        next: Some("ask the issuer".into()),
                    }));
                }
                Ok(key) => {
                    let made_at = self.issuer_now(seen);
                    let mut memory = self.memory.borrow_mut();
                    memory.lease = Some(Lease::begin(sent, mode, self.policy));
                    memory.made_at.insert(key.id.clone(), made_at);
                    memory.names.insert(key.id.clone(), spec.name);
                    memory.fates.insert(key.id.clone(), KeyFate::NewHeld);
                    memory.new = Some(NewKey { id: key.id, value: key.value, name, rights: key.rights });
                    return Ok(());
                }
                Err(failure @ Failure::Unknown { .. }) => {
                    lost += 1;
                    self.event(&Event::Retrying {
                        what: format!("make the key {}", spec.name),
                        why: format!("{failure}: looking whether it exists"),
                        wait: Duration::ZERO,
                    });
                    self.memory.borrow_mut().ghosts.insert(spec.name.clone());
                    if self.find_lost(&spec.name, sent).await? {
                        let mut memory = self.memory.borrow_mut();
                        memory.ledger.answer(entry, Effect::Absent);
                        memory.ghosts.remove(&spec.name);
                    }
                    if lost >= LOST_CREATES {
                        return Err(Cause::Failed(problem("make a key", &failure)));
                    }
                }
                Err(failure) => {
                    made += 1;
                    let wait = self.around.retry.wait(made, &failure, &mut self.around.rng.borrow_mut());
                    let Some(wait) = wait else { return Err(Cause::Failed(problem("make a key", &failure))) };
                    self.event(&Event::Retrying { what: "make a key".into(), why: failure.message().to_owned(), wait });
                    self.pause(wait).await?;
                }
            }
        }
    }

    /// Looks for a key whose making was not answered, at once and when the attempt has settled; deletes it when it is
    /// found, since its value is gone. `false`: it was not seen.
    async fn find_lost(&self, name: &str, sent: Mark) -> Result<bool, Cause> {
        if self.delete_by_name(name).await? {
            return Ok(true);
        }
        let left = self.settled_after().saturating_sub(self.clock().at_least_since(sent));
        self.event(&Event::Waiting { what: format!("to look for {name} again"), at_most: left });
        self.pause(left).await?;
        self.delete_by_name(name).await
    }

    async fn delete_by_name(&self, name: &str) -> Result<bool, Cause> {
        let (listing, _) = self.list().await?;
        let Some(row) = listing.keys.iter().find(|row| row.name == name) else { return Ok(false) };
        self.memory.borrow_mut().names.insert(row.id.clone(), row.name.clone());
        match self.delete(&row.id).await {
            Ok(()) => {
                self.note(format!("{name} was made after all; it is deleted again, since its value is lost"));
                self.memory.borrow_mut().fates.insert(row.id.clone(), KeyFate::NewRevoked);
            }
            Err(problem) => self.stray(&row.id, problem),
        }
        Ok(true)
    }

    /// Looks a last time for keys whose making was never answered and that were never seen, as long as there is time.
    pub(super) async fn last_look(&self) {
        let mut ghosts = std::mem::take(&mut self.memory.borrow_mut().ghosts);
        ghosts.extend(self.memory.borrow().ledger.unanswered_creates());
        self.memory.borrow_mut().ghosts.clone_from(&ghosts);
        let looked = async {
            for name in &ghosts {
                if let Ok(true) = self.delete_by_name(name).await {
                    self.memory.borrow_mut().ghosts.remove(name);
                }
            }
        };
        self.in_time(looked).await;
        let unseen = std::mem::take(&mut self.memory.borrow_mut().ghosts);
        for name in unseen {
            self.memory.borrow_mut().unfinished = true;
            self.trouble(Problem {
                what: format!("a key {name} may have been made: the issuer did not say, and it was not seen in its list"),
                next: Some(
                    "run it again: the next run finds it and cleans it up. Only if it says so again, look for the name in \
                     the issuer's list"
                        .into(),
                ),
            });
        }
    }
}
