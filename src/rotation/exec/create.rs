//! Adopting and making keys.

use std::time::Duration;

use jiff::tz::TimeZone;

use crate::http::Failure;
use crate::rotation::exec::renewal::NotThere;
use crate::rotation::exec::run::{Abort, Candidate, NewKey, Restart, Run, Unwritten, problem};
use crate::rotation::lease::{Lease, Naming};
use crate::rotation::ledger::{Act, Effect};
use crate::rotation::model::{KeyId, KeySpec};
use crate::rotation::name::FamilyName;
use crate::rotation::outcome::{Event, KeyFate, Problem};
use crate::rotation::plan::Rotate;
use crate::rotation::plan::observation::Observation;

/// So many keys are made and lost before the run gives up: each may have to be found and deleted.
const LOST_CREATES: usize = 3;

impl Run<'_> {
    /// Renames a key outside the family into it, so that the family's names tell the whole state from here on.
    pub(super) async fn adopt(&self, seen: &Observation, id: &KeyId) -> Result<(), Abort> {
        let Some(row) = seen.row(id) else { return Ok(()) };
        let date = row.created_at.unwrap_or(seen.now()).to_zoned(TimeZone::UTC).date();
        let name = FamilyName::new(&self.policy.key_name, date, true, &mut self.ctx.rng.borrow_mut()).to_string();
        let what = format!("rename {} into the family", row.name);
        match self.rename_key(id, &name, &what, NotThere::MayPass).await {
            Ok(answer) if answer.name.as_deref() == Some(name.as_str()) => {
                self.tell_of(format!("{} ({id}) is now called {name}", row.name));
                self.memory.borrow_mut().set_name(id, name);
                Ok(())
            }
            Ok(_) => Err(Abort::BeginAgain(Restart::WithoutRenames)),
            Err(Unwritten::Failure(Failure::Refused(refusal) | Failure::Doubtful(refusal))) => {
                Err(self.rename_refused(id, &what, refusal).await)
            }
            Err(unwritten) => Err(unwritten.into_abort(&what)),
        }
    }

    /// Makes the new key. An answer that is lost is never followed by a blind repetition. Whatever the answer, a key may have
    /// been made, so that its name is looked for in the next list.
    pub(super) async fn create(&self, seen: &Observation, rotate: &Rotate, naming: Naming) -> Result<(), Abort> {
        let (mut made, mut lost) = (0, 0);
        loop {
            self.checkpoint()?;
            let today = seen.now().to_zoned(TimeZone::UTC).date();
            let fixed = naming == Naming::Immutable;
            let name = FamilyName::new(&self.policy.key_name, today, fixed, &mut self.ctx.rng.borrow_mut());
            let spec = KeySpec { name: name.to_string(), rights: rotate.rights.clone() };
            let sent = self.clock().now();
            self.memory.borrow_mut().own_names.insert(spec.name.clone());
            let entry = self.enter(Act::Create { name: spec.name.clone() }, sent);
            let answer = self.issuer.create(&spec).await;
            if let Ok(key) = &answer {
                self.ctx.observer.mask(&key.value);
            }
            self.answered(entry, &answer);
            match answer {
                Ok(key) if seen.row(&key.id).is_some() => {
                    self.memory.borrow_mut().ghosts.insert(spec.name);
                    return Err(Abort::Failed(Problem::new(
                        format!("make a key: the answer has the id of a key that was there before, {}", key.id),
                        "ask the issuer",
                    )));
                }
                Ok(key) => {
                    let made_at = self.issuer_now(seen);
                    let mut memory = self.memory.borrow_mut();
                    memory.unlooked.insert(spec.name.clone());
                    let record = memory.key_mut(&key.id);
                    (record.made_at, record.name) = (Some(made_at), Some(spec.name));
                    record.fate = Some(KeyFate::NewHeld);
                    memory.candidate = Some(Candidate {
                        key: NewKey { id: key.id, value: key.value, name, rights: key.rights },
                        lease: Lease::begin(sent, naming, self.policy),
                        renewals: 0,
                        proved_at: None,
                        had_twins: false,
                    });
                    return Ok(());
                }
                Err(failure @ (Failure::Unknown { .. } | Failure::Doubtful(_))) => {
                    lost += 1;
                    self.event(&Event::Retrying {
                        what: format!("make the key {}", spec.name),
                        why: format!("{failure}: looking whether it exists"),
                        wait: Duration::ZERO,
                    });
                    self.memory.borrow_mut().ghosts.insert(spec.name.clone());
                    let found = self.find_lost(&spec.name, sent).await?;
                    // Time and a look settle a refusal that may be false.
                    let refused = !found && matches!(failure, Failure::Doubtful(_));
                    if found || refused {
                        let mut memory = self.memory.borrow_mut();
                        memory.ledger.answer(entry, Effect::Absent);
                        memory.ghosts.remove(&spec.name);
                    }
                    if refused || lost >= LOST_CREATES {
                        return Err(Abort::Failed(problem("make a key", &failure)));
                    }
                }
                Err(failure) => {
                    made += 1;
                    if was_answered(&failure) {
                        self.memory.borrow_mut().unlooked.insert(spec.name);
                    }
                    if !self.wait_to_repeat("make a key", made, &failure).await? {
                        return Err(Abort::Failed(problem("make a key", &failure)));
                    }
                }
            }
        }
    }
}

/// Whether a server has seen the request: a key may have been made, whatever it says.
fn was_answered(failure: &Failure) -> bool {
    match failure {
        Failure::Refused(refusal) => refusal.status.is_some(),
        Failure::Hindered { .. } => false,
        Failure::Doubtful(_) | Failure::Transient { .. } | Failure::Unknown { .. } => true,
    }
}
