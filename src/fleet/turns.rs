//! Taking turns: how many rotations change something at once, and what becomes of those that have to wait.
//!
//! Each rotation that is at work holds a lease, and its writes share GitHub's hundred requests at once and 900 points a
//! minute with those of all others; so there are few at a time, and the larger ones fewer. Few also, because a run that
//! is told to stop has to bring all that are at work into order within seconds.

use std::cell::RefCell;

use async_trait::async_trait;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use crate::http::Failure;
use crate::rotation::model::{
    ChatProbe, CreatedKey, Deletion, Endpoint, Guardrails, KeyId, KeyProbe, KeySpec, Listing, Renamed, Respell,
};
use crate::rotation::ports::KeyIssuer;
use crate::secret::Secret;

/// Targets of all rotations at work, and so writes at once: as many requests as GitHub takes at once.
const SEATS: u32 = 100;
/// A rotation takes no fewer, so that at most four are at work.
const FEWEST: u32 = 25;

/// The turns of one run.
#[derive(Debug)]
pub(super) struct Turns(Semaphore);

impl Turns {
    pub(super) fn new() -> Self {
        Self(Semaphore::new(SEATS as usize))
    }

    /// The turn of a rotation with so many targets.
    pub(super) fn of(&self, targets: usize) -> Turn<'_> {
        let seats = u32::try_from(targets).unwrap_or(SEATS).clamp(FEWEST, SEATS);
        Turn { turns: &self.0, seats, held: RefCell::default(), refused: Notify::new() }
    }
}

/// One rotation's turn, from its first change to its end.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    turns: &'a Semaphore,
    seats: u32,
    held: RefCell<Option<SemaphorePermit<'a>>>,
    refused: Notify,
}

impl Turn<'_> {
    /// Resolves when the rotation was about to change something and has to wait.
    pub(super) async fn refused(&self) {
        self.refused.notified().await;
    }

    /// Waits for the turn.
    pub(super) async fn wait(&self) {
        let turn = self.turns.acquire_many(self.seats).await.ok();
        *self.held.borrow_mut() = turn;
    }

    /// Takes the turn if it is free. Otherwise never resolves: whoever runs the rotation gives it up, and it has changed
    /// nothing.
    async fn take(&self) {
        if self.held.borrow().is_some() {
            return;
        }
        match self.turns.try_acquire_many(self.seats) {
            Ok(turn) => *self.held.borrow_mut() = Some(turn),
            Err(_) => {
                self.refused.notify_one();
                std::future::pending().await
            }
        }
    }
}

/// An issuer that is changed by one whose turn it is. The first thing that a rotation ever changes is a key.
pub(super) struct InTurn<'t, 'a> {
    pub(super) issuer: &'t dyn KeyIssuer,
    pub(super) turn: &'t Turn<'a>,
}

#[async_trait(?Send)]
impl KeyIssuer for InTurn<'_, '_> {
    async fn list(&self) -> Result<Listing, Failure> {
        self.issuer.list().await
    }

    async fn create(&self, spec: &KeySpec) -> Result<CreatedKey, Failure> {
        self.turn.take().await;
        self.issuer.create(spec).await
    }

    async fn rename(&self, id: &KeyId, name: &str) -> Result<Renamed, Failure> {
        self.turn.take().await;
        self.issuer.rename(id, name).await
    }

    async fn delete(&self, id: &KeyId) -> Result<Deletion, Failure> {
        self.turn.take().await;
        self.issuer.delete(id).await
    }

    async fn set_disabled(&self, id: &KeyId, disabled: bool) -> Result<Option<bool>, Failure> {
        self.turn.take().await;
        self.issuer.set_disabled(id, disabled).await
    }

    async fn guardrails(&self) -> Result<Guardrails, Failure> {
        self.issuer.guardrails().await
    }

    async fn assign_guardrail(&self, key: &KeyId, guardrail: &str) -> Result<(), Failure> {
        self.turn.take().await;
        self.issuer.assign_guardrail(key, guardrail).await
    }

    async fn guardrail_name(&self, guardrail: &str) -> Option<String> {
        self.issuer.guardrail_name(guardrail).await
    }

    fn hand_over(&self, successor: &Secret) {
        self.issuer.hand_over(successor);
    }

    fn manages_itself(&self) -> bool {
        self.issuer.manages_itself()
    }

    fn may_have_made(&self, value: &Secret) -> bool {
        self.issuer.may_have_made(value)
    }

    fn endpoints(&self) -> &'static [Endpoint] {
        self.issuer.endpoints()
    }

    async fn try_key(&self, value: &Secret, at: Endpoint) -> KeyProbe {
        self.issuer.try_key(value, at).await
    }

    async fn chat(&self, value: &Secret, model: Option<&str>) -> ChatProbe {
        self.issuer.chat(value, model).await
    }

    fn respell_limit(&self) -> Respell {
        self.issuer.respell_limit()
    }

    fn manual(&self, id: &KeyId) -> String {
        self.issuer.manual(id)
    }
}
