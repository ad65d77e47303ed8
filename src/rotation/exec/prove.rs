//! Proof: the issuer accepts the new key and, at the same endpoint, refuses one that was never issued.

use std::time::Duration;

use futures_util::future::join_all;

use crate::humanize::span;
use crate::rotation::exec::never_issued::never_issued;
use crate::rotation::exec::run::{Abort, Candidate, NewKey, Run};
use crate::rotation::lease::Naming;
use crate::rotation::model::{About, ChatProbe, Endpoint, KeyId, KeyProbe, Listing};
use crate::rotation::name::FamilyName;
use crate::rotation::outcome::{Event, Problem};
use crate::rotation::plan::Rotate;
use crate::rotation::plan::novelty::knows_what_is_deployed;
use crate::rotation::plan::observation::Observation;
use crate::rotation::policy::Chat;
use crate::secret::Secret;

/// One acceptance may come from the one server that has heard of the key.
const ACCEPTANCES: usize = 3;

pub(super) const FIRST_WAIT: Duration = Duration::from_millis(500);
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// What one round at one endpoint showed.
enum Round {
    Proved(Vec<About>),
    Open,
    Absent,
    NotYet(String),
}

impl Run<'_> {
    /// Proves the new key; beside it gives it its guardrails, renews the lease and looks once whether another run came
    /// in between.
    pub(super) async fn prove(&self, seen: &Observation, rotate: &Rotate, naming: Naming) -> Result<(), Abort> {
        let Some(new) = self.new_key() else { return Ok(()) };
        self.check_is_new(seen, &new)?;
        let renewed = async {
            self.renewed_once(naming).await;
            Ok(())
        };
        let (works, own_row) = (self.works(&new.value), self.read_own_row(seen, rotate, &new));
        let told = async { Ok(self.told_elsewhere(seen, naming, &new.value).await) };
        let guarded = self.guard(&rotate.guardrails, &new.id);
        let ((at, mut said), listing, told, (), ()) = futures_util::try_join!(works, own_row, told, renewed, guarded)?;
        said.extend(told);
        self.check_value(&listing, &said)?;
        if let Some(candidate) = self.memory.borrow_mut().candidate.as_mut() {
            candidate.proved_at = Some(at);
        }
        self.works_without_twins().await?;
        self.note(format!("{} accepts the new key and refuses one that was never issued", at.0));
        self.chat(&new.value).await
    }

    /// A family key that was not in the observation, or a vanished current key: another run is at work.
    pub(super) fn intruders(&self, seen: &Observation, listing: &Listing, new: &NewKey) -> Result<(), Abort> {
        let own = self.memory.borrow().own_names.clone();
        let stranger = listing.keys.iter().find(|row| {
            row.id != new.id
                && seen.row(&row.id).is_none()
                && !own.contains(&row.name)
                && FamilyName::parse(&self.policy.key_name, &row.name).is_some()
        });
        if let Some(row) = stranger {
            return Err(Abort::GiveWay(Problem::new(
                format!("another run made the key {} ({}) meanwhile", row.name, row.id),
                "one run of a family at a time: give the workflow a concurrency group",
            )));
        }
        let was_disabled = |id: &KeyId| seen.row(id).is_some_and(|row| row.disabled);
        let gone = |id: &&KeyId| !listing.keys.iter().any(|row| row.id == **id && (!row.disabled || was_disabled(id)));
        match rotate_current(seen, self).filter(gone) {
            Some(id) => Err(Abort::GiveWay(Problem::new(
                format!("the current key {id} was deleted or disabled meanwhile"),
                "run it again",
            ))),
            None => Ok(()),
        }
    }

    /// What the endpoint that knows whose a key is says of the value, where another one proves it. What is deployed must be
    /// in nobody's hand for that: a value that is in hand is recognised by itself.
    async fn told_elsewhere(&self, seen: &Observation, naming: Naming, value: &Secret) -> Option<About> {
        // The dialects that can't rename know no such endpoint.
        if naming == Naming::Immutable || knows_what_is_deployed(seen, self.policy) {
            return None;
        }
        let [_, .., at] = self.issuer.endpoints() else { return None };
        match self.issuer.try_key(value, *at).await {
            KeyProbe::Accepted(about) => Some(about),
            _ => None,
        }
    }

    /// Three acceptances and one refusal at one endpoint, within `verify-timeout`. What was said there of the key.
    async fn works(&self, value: &Secret) -> Result<(Endpoint, Vec<About>), Abort> {
        let until = self.clock().instant() + self.policy.verify_timeout;
        for at in self.issuer.endpoints() {
            let mut refused = false;
            let mut wait = FIRST_WAIT;
            loop {
                match self.round(value, *at, &mut refused).await {
                    Round::Proved(said) => return Ok((*at, said)),
                    Round::Open => {
                        self.note(format!("{} accepts any key, so it proves nothing; skipping it", at.0));
                        break;
                    }
                    Round::Absent => break,
                    Round::NotYet(why) if self.clock().instant() + wait > until => {
                        return Err(failed(
                            format!("the new key was not proved within {}: {why}", span(self.policy.verify_timeout)),
                            "run it again; raise verify-timeout if the issuer needs longer",
                        ));
                    }
                    Round::NotYet(why) => {
                        self.event(&Event::Retrying { what: format!("try the new key at {}", at.0), why, wait });
                    }
                }
                self.pause(wait).await?;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        }
        Err(failed(
            "no endpoint of the issuer tells a live key from a dead one",
            "check issuer-url: a proxy in front of it may let everyone in",
        ))
    }

    async fn round(&self, value: &Secret, at: Endpoint, refused: &mut bool) -> Round {
        let mut tries = vec![value.clone(); ACCEPTANCES];
        if !*refused {
            tries.push(never_issued(value, &mut self.ctx.rng.borrow_mut()));
        }
        let mut verdicts = join_all(tries.iter().map(|value| self.issuer.try_key(value, at))).await;
        if !*refused {
            match verdicts.pop() {
                Some(KeyProbe::Accepted(_)) => return Round::Open,
                Some(KeyProbe::NoSuchEndpoint) => return Round::Absent,
                Some(KeyProbe::Refused) => *refused = true,
                _ => {}
            }
        }
        let (mut said, mut why) = (Vec::new(), None);
        for verdict in verdicts {
            match verdict {
                KeyProbe::Accepted(about) => said.push(about),
                KeyProbe::NoSuchEndpoint => return Round::Absent,
                KeyProbe::Refused => why = Some("it is not accepted yet".to_owned()),
                KeyProbe::Undecided(text) => why = Some(text),
            }
        }
        match why {
            None if *refused => Round::Proved(said),
            None => Round::NotYet("could not confirm that a never-issued key is refused".to_owned()),
            Some(why) => Round::NotYet(why),
        }
    }

    async fn chat(&self, value: &Secret) -> Result<(), Abort> {
        let Some(chat) = &self.policy.verify_chat else { return Ok(()) };
        let model = match chat {
            Chat::Auto => None,
            Chat::Model(model) => Some(model.as_str()),
        };
        let until = self.clock().instant() + self.policy.verify_timeout;
        loop {
            self.checkpoint()?;
            match self.issuer.chat(value, model).await {
                ChatProbe::Worked { model } => {
                    self.note(format!("{model} answered a chat completion under the new key"));
                    return Ok(());
                }
                ChatProbe::ProvesNothing(why) => {
                    self.notice(format!("verify-chat proved nothing either way: {why}"));
                    return Ok(());
                }
                ChatProbe::Refused(why) if self.clock().instant() + LONGEST_WAIT > until => {
                    return Err(failed(
                        format!("a chat completion under the new key was refused: {why}"),
                        "check that the new key's allow-lists hold the model of verify-chat",
                    ));
                }
                ChatProbe::Refused(_) => self.pause(LONGEST_WAIT).await?,
            }
        }
    }

    /// The new key is still accepted where it was proved.
    pub(super) async fn still_works(&self) -> Result<(), Abort> {
        let candidate = self.memory.borrow().candidate.clone();
        let Some(Candidate { key: new, proved_at: Some(at), .. }) = candidate else { return Ok(()) };
        let mut why = String::new();
        for made in 1..=self.ctx.retry.attempts {
            self.checkpoint()?;
            why = match self.issuer.try_key(&new.value, at).await {
                KeyProbe::Accepted(_) => return Ok(()),
                KeyProbe::Refused => "it is refused".to_owned(),
                KeyProbe::NoSuchEndpoint => format!("{} is gone", at.0),
                KeyProbe::Undecided(text) => text,
            };
            if made < self.ctx.retry.attempts {
                self.pause(FIRST_WAIT).await?;
            }
        }
        Err(failed(format!("the new key could not be proved a second time: {why}"), "run it again"))
    }
}

fn rotate_current<'s>(seen: &'s Observation, run: &Run<'_>) -> Option<&'s KeyId> {
    let current = run.memory.borrow().current.clone()?;
    seen.row(&current).map(|row| &row.id)
}

pub(super) fn failed(what: impl Into<String>, next: impl Into<String>) -> Abort {
    Abort::Failed(Problem::new(what.into(), next.into()))
}
