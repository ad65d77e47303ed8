//! The decision, pure: what was observed and what was asked, to what is to be done.
//!
//! Which key is replaced is decided in `choice`, whether it is due in `due`.

mod choice;
pub mod describe;
mod due;
pub mod grant;
pub mod guardrails;
pub mod holdings;
pub mod identity;
pub(in crate::rotation) mod novelty;
pub mod observation;
pub mod pending;
pub mod rights;
mod safeguards;
mod similar;
pub mod unasked;
pub mod value;

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::humanize::span;
use crate::rotation::clock::{CLOCK_MARGIN, SAME_WRITE_MARGIN, earlier, later};
use crate::rotation::lease::Naming;
use crate::rotation::model::{KeyId, KeyKind, KeyRow, Rights};
use crate::rotation::name::FamilyName;
use crate::rotation::outcome::Needed;
use crate::rotation::plan::guardrails::Wanted;
use crate::rotation::plan::holdings::TargetHolding;
use crate::rotation::plan::observation::{Family, Observation, SeenTarget, commit};
use crate::rotation::plan::pending::{Pending, Standing};
use crate::rotation::plan::safeguards::{Guarded, is_same};
use crate::rotation::policy::{Policy, Retire, Wish};

/// What a run is going to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whether the issuer's names carry the state.
    pub naming: Naming,
    /// The key that is deployed now, as far as is known.
    pub current: Option<KeyId>,
    /// Replaced keys that are still alive, oldest first.
    pub pending: Vec<Pending>,
    /// The main question.
    pub decision: Decision,
    /// What the user should know.
    pub notices: Vec<String>,
    /// What each target holds, in the user's order.
    pub found: Vec<TargetHolding>,
    /// The key that `replace-key-id` names, where the plan stops and would not on an issuer that ignores renames.
    pub try_renames_on: Option<KeyId>,
}

/// Rotate, or why not.
#[derive(Clone, Debug)]
pub enum Decision {
    /// Nothing may be made: exit 1. What would stop the run next comes behind the first reason.
    Blocked(Blocked, Vec<Blocked>),
    /// Not due.
    NotDue {
        /// When it will be, as a sentence.
        reason: String,
        /// What a person should look at.
        attention: Vec<Blocked>,
    },
    /// A new key is made.
    Rotate(Box<Rotate>),
}

/// Why a run does not go on, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub next: String,
    /// The live keys help to decide.
    pub list_keys: bool,
    /// The inputs that it asks for.
    pub inputs: Vec<Needed>,
}

/// A rotation to carry out.
#[derive(Clone, Debug)]
pub struct Rotate {
    /// Why now.
    pub due: String,
    /// A key outside the family that is renamed into it first, and its new name's date.
    pub adopt: Option<KeyId>,
    /// What the new key may do.
    pub rights: Rights,
    /// What the key being replaced has in fields that no documentation names; `None`: there is no such key.
    pub unknown: Option<BTreeMap<String, Value>>,
    /// The guardrails that it gets.
    pub guardrails: Wanted,
    /// The order in which targets are written: the one not written for longest first.
    pub order: Vec<usize>,
    /// Keys that the new one replaces: every older live key of the family, but those that still wait.
    pub replaces: Vec<KeyId>,
    /// Keys of dead runs among them.
    pub unconfirmed: Vec<KeyId>,
    /// Those among them that are past their grace and still used: they stay, and are told.
    pub in_use: Vec<KeyId>,
    /// Keys that earlier runs replaced still wait: a later run judges them by this run's commit.
    pub others_wait: bool,
    /// The one among them that has expired or was disabled: no grace helps it.
    pub ended: Option<KeyId>,
    /// The targets that provably held the current key, or nothing: these can be put back.
    pub can_put_back: Vec<bool>,
    /// The key that is neither adopted nor replaced, since no target holds it and `retire: keep` leaves it alone.
    pub stays: Option<KeyId>,
    /// Why the leaked key would not be retired if it had not leaked.
    pub reports: Vec<Blocked>,
}

/// What all these keys have in fields that no documentation names. A dead run's key may have more than it was to have.
fn common_unknown(rows: &[&KeyRow]) -> BTreeMap<String, Value> {
    let Some((first, others)) = rows.split_first() else { return BTreeMap::new() };
    let everywhere =
        |(name, value): &(&String, &Value)| others.iter().all(|row| row.unknown.get(*name) == Some(*value));
    first.unknown.iter().filter(everywhere).map(|(name, value)| (name.clone(), value.clone())).collect()
}

impl Rotate {
    fn guarded(mut self, guarded: Guarded) -> Self {
        match guarded {
            Guarded::Retires => {}
            Guarded::Reported(reports) => self.reports = reports,
            Guarded::StaysOutside => {
                self.stays = self.adopt.take();
                self.replaces.retain(|id| self.stays.as_ref() != Some(id));
            }
        }
        self
    }
}

impl Blocked {
    pub(super) fn new(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self { what: what.into(), next: next.into(), list_keys: false, inputs: Vec::new() }
    }

    pub(super) fn listing(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self { list_keys: true, ..Self::new(what, next) }
    }

    /// Asks for a right of the new key.
    fn stating(self, input: &'static str) -> Self {
        let (value, hint) = match input {
            "allowed-providers" | "allowed-models" => ("all", "or names with commas between them"),
            "spending-limit" => ("none", "or a number in USD"),
            "limit-reset" => ("none", "or daily, weekly, monthly"),
            _ => ("never", "or a duration such as 90d"),
        };
        self.needing(input, value, hint)
    }

    pub(super) fn needing(mut self, input: &'static str, value: impl Into<String>, hint: &'static str) -> Self {
        self.inputs.push(Needed { input, value: value.into(), hint });
        self
    }
}

/// What the decision is made from.
pub(super) struct Situation<'a> {
    pub(super) seen: &'a Observation,
    pub(super) policy: &'a Policy,
    pub(super) naming: Naming,
    pub(super) family: Family<'a>,
}

/// Decides.
#[must_use]
pub fn plan(seen: &Observation, policy: &Policy, naming: Naming) -> Plan {
    let family = seen.family(&policy.key_name);
    let situation = Situation { seen, policy, naming, family };
    let mut notices = Vec::new();
    let current = situation.current(&mut notices);
    let pending: Vec<_> = match naming {
        Naming::Renaming => {
            let found = situation.found(None);
            let pending = pending::standing(seen, &situation.family, policy).into_iter();
            pending.map(|key| situation.held_in_sight(key, &found)).collect()
        }
        Naming::Immutable => Vec::new(),
    };
    let (current, decision) = match current {
        Err(blocked) => {
            let first = situation.overwrites_no_key().unwrap_or(blocked);
            let others = situation.others(&first, situation.likely());
            (None, Decision::Blocked(first, others))
        }
        Ok(current) => (current, situation.decide(current, &pending, &mut notices)),
    };
    let found = situation.found(current);
    let try_renames_on = match decision {
        Decision::Blocked(..) => situation.doubtful_renames(),
        _ => None,
    };
    Plan { naming, current: current.map(|row| row.id.clone()), pending, decision, notices, found, try_renames_on }
}

impl<'a> Situation<'a> {
    fn decide(&self, current: Option<&'a KeyRow>, pending: &[Pending], notices: &mut Vec<String>) -> Decision {
        self.decided(current, pending, notices).unwrap_or_else(|blocked| {
            let others = self.others(&blocked, current);
            Decision::Blocked(blocked, others)
        })
    }

    /// What would stop the next run too, as far as that shows already.
    fn others(&self, first: &Blocked, current: Option<&'a KeyRow>) -> Vec<Blocked> {
        let too_much = (self.naming == Naming::Immutable).then(|| self.asks_too_much()).flatten();
        let source = self.narrowest(&self.sources_of_rights(current));
        let rights = rights::asked(self.policy, source.as_deref(), self.seen.listing.takes, self.seen.now());
        let rights = rights.err().map(|inputs| self.rights_unknown(source.as_deref(), &inputs));
        let all = [too_much, self.outlasts_the_lease(), rights].into_iter().flatten();
        all.filter(|blocked| blocked != first).collect()
    }

    /// The key that a person will most likely name: the only live one outside every family, else the newest.
    fn likely(&self) -> Option<&'a KeyRow> {
        let live = self.seen.live();
        live.into_iter().filter(|row| row.kind != KeyKind::Management).max_by_key(|row| row.created_at)
    }

    fn decided(
        &self,
        current: Option<&'a KeyRow>,
        pending: &[Pending],
        notices: &mut Vec<String>,
    ) -> Result<Decision, Blocked> {
        if self.naming == Naming::Immutable
            && let Some(blocked) = self.asks_too_much()
        {
            return Err(blocked);
        }
        if let Some(blocked) = self.outlasts_the_lease() {
            return Err(blocked);
        }
        let Some(due) = self.due(current) else {
            let mut attention = self.drifted(pending);
            attention.extend(self.stands_in_the_way(&self.found(current)));
            notices.extend(self.ends_too_soon(current));
            return Ok(Decision::NotDue { reason: self.rest_reason(current), attention });
        };
        if let Some(blocked) = self.too_many() {
            return Ok(Decision::NotDue { reason: "too many runs have failed".to_owned(), attention: vec![blocked] });
        }
        let guarded = self.guard(current, &self.found(current))?;
        notices.extend(self.told_of_targets(current));
        let sources = self.sources_of_rights(current);
        let source = self.narrowest(&sources);
        let source = source.as_deref();
        let guarded_like = match self.naming {
            Naming::Renaming if current.is_some() => sources.clone(),
            // Nothing tells a dead run's key from a deployed one, and a dead run's may lack what it was to get.
            _ => sources.iter().copied().chain(self.family.all()).chain(self.lately_dead()).collect(),
        };
        let guardrails = self.wanted_guardrails(&guarded_like, notices)?;
        let rights = rights::asked(self.policy, source, self.seen.listing.takes, self.seen.now())
            .map_err(|inputs| self.rights_unknown(source, &inputs))?;
        let rights = self.without_creator(rights);
        notices.extend(rights::told_of_limit(self.policy, source));
        if rights.limit.flatten().is_none() {
            notices.push("the new key has no spending limit; spending-limit sets one".to_owned());
        }
        let in_use = |key: &&Pending| matches!(key.standing, Standing::InUse(_));
        let in_use = pending.iter().filter(in_use).map(|key| key.id.clone()).collect();
        let unknown = current.map(|row| self.known_unknown(row, &sources));
        let rotate = Rotate { in_use, unknown, guardrails, ..self.rotate(current, due, rights) };
        Ok(Decision::Rotate(Box::new(rotate.sparing(pending).guarded(guarded))))
    }

    /// Whose rights are inherited: the current key's, else the newest dead run's. A dead run's may be more than was asked for,
    /// which it did not live to see; behind that look it would have written targets. Where it can't be told from a deployed
    /// one, and not every target was written soon after it was made, no right reaches further than those of the other live
    /// keys, and of those that died since; where none was, than those of all dead ones.
    fn sources_of_rights(&self, current: Option<&'a KeyRow>) -> Vec<&'a KeyRow> {
        let Some(newest) = current.or_else(|| self.of_dead_runs().max_by_key(|row| row.created_at)) else {
            return Vec::new();
        };
        let named = FamilyName::parse(&self.policy.key_name, &newest.name).is_none();
        if named || (self.naming == Naming::Renaming && current.is_some()) {
            return vec![newest];
        }
        let written = self.written_soon_after(newest);
        if !written.is_empty() && written.iter().all(|since| *since) {
            return vec![newest];
        }
        let others = |row: &&KeyRow| row.id != newest.id && row.created_at <= newest.created_at;
        let mut by: Vec<_> = self.family.all().chain(self.lately_dead()).filter(others).collect();
        if by.is_empty() && !written.contains(&true) {
            by = self.family.dead.iter().copied().filter(others).collect();
        }
        std::iter::once(newest).chain(by).collect()
    }

    /// Whether each target that holds something was written so soon after a key was made that its run may have done it.
    fn written_soon_after(&self, key: &KeyRow) -> Vec<bool> {
        let lease = 2 * self.policy.request_timeout + self.policy.verify_timeout;
        let soon = |at: Timestamp, target: &SeenTarget| {
            let made = key.created_at?;
            let earliest = earlier(at, target.clock.took());
            Some(earlier(made, SAME_WRITE_MARGIN) <= earliest && at <= later(made, lease))
        };
        let since = |target: &SeenTarget| target.last_write.map(|at| soon(at, target) == Some(true));
        self.seen.targets.iter().filter_map(since).collect()
    }

    /// The unknown fields that a new key may have: those of the key being replaced. A dead run's key was held against nothing:
    /// what it has beyond its rights may be what stopped that run.
    fn known_unknown(&self, current: &KeyRow, sources: &[&KeyRow]) -> BTreeMap<String, Value> {
        let is_dead_runs = self.of_dead_runs().any(|dead| dead.id == current.id);
        let may_be = self.naming == Naming::Immutable && self.is_family(current) && sources.len() < 2;
        if is_dead_runs || (may_be && !self.written_soon_after(current).contains(&true)) {
            return BTreeMap::new();
        }
        common_unknown(sources)
    }

    /// Dead keys of the family that were alive when a living one was made, which may have inherited from them.
    fn lately_dead(&self) -> impl Iterator<Item = &'a KeyRow> {
        let oldest = self.family.all().filter_map(|row| row.created_at).min();
        self.family.dead.iter().copied().filter(move |row| {
            let ended = if row.disabled { row.updated_at } else { row.rights.expires_at.flatten() };
            oldest.zip(ended).is_some_and(|(oldest, ended)| oldest <= ended)
        })
    }

    /// The first of these keys, with no right that reaches further than one of the others'.
    fn narrowest(&self, sources: &[&'a KeyRow]) -> Option<Cow<'a, KeyRow>> {
        let (newest, others) = sources.split_first()?;
        let narrowed = |row: Cow<'a, KeyRow>, by: &&KeyRow| Cow::Owned(rights::narrowed(self.policy, &row, by));
        Some(others.iter().fold(Cow::Borrowed(*newest), narrowed))
    }

    /// The rights can't be inherited.
    fn rights_unknown(&self, source: Option<&KeyRow>, inputs: &[&'static str]) -> Blocked {
        let named = inputs.join(", ");
        if source.is_some() {
            let what = format!("the issuer does not show what the old key may do: {named}");
            return inputs
                .iter()
                .fold(Blocked::new(what, format!("state {named}")), |blocked, input| blocked.stating(input));
        }
        // Whether its reset has to be stated too shows only once the limit is known.
        let resets = self.seen.listing.takes.reset && self.policy.reset == Wish::Inherit;
        let named: Vec<_> = inputs
            .iter()
            .map(|input| match *input {
                "spending-limit" if resets => "spending-limit (with limit-reset, if it is a number)",
                input => input,
            })
            .collect();
        let named = match named.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
            None => String::new(),
        };
        let what = "this is the first key: there is none whose rights it could inherit";
        inputs.iter().fold(Blocked::new(what, format!("state {named}")), |blocked, input| blocked.stating(input))
    }

    /// What an issuer that can't rename can't be asked for.
    fn asks_too_much(&self) -> Option<Blocked> {
        let what = if self.policy.keeps_replaced() {
            "this issuer can't rename keys, so a replaced key can't be told from the current one"
        } else if self.policy.retire() == Retire::Disable {
            "this issuer can't rename keys: that it switches them off is not certain either"
        } else {
            return None;
        };
        let blocked = Blocked::new(what, "set grace-period to 0s and retire to delete");
        Some(blocked.needing("grace-period", "0s", "").needing("retire", "delete", ""))
    }

    /// A lease that can't be renewed would be over before the new key is taken up everywhere, in every run again.
    fn outlasts_the_lease(&self) -> Option<Blocked> {
        let rollouts = self.seen.targets.iter().filter_map(|target| Some((target, target.rollout.as_ref()?)));
        let (target, longest) = rollouts.max_by_key(|(_, rollout)| rollout.within)?;
        let short = self.naming == Naming::Immutable && longest.within > self.policy.verify_timeout;
        short.then(|| {
            let (within, most) = (span(longest.within), span(self.policy.verify_timeout));
            Blocked::new(
                format!(
                    "{}: {} may take {within}, and at an issuer that can't rename keys nothing may take longer than \
                     verify-timeout, which is {most}",
                    target.name, longest.what
                ),
                format!(
                    "set verify-timeout to {within} in every run of this family, or the time of this target to {most}"
                ),
            )
        })
    }

    fn rotate(&self, current: Option<&KeyRow>, due: String, rights: Rights) -> Rotate {
        let mut replaces: Vec<KeyId> = self.family.all().map(|row| row.id.clone()).collect();
        if let Some(current) = current
            && !replaces.contains(&current.id)
        {
            replaces.push(current.id.clone());
        }
        let in_family = |row: &KeyRow| FamilyName::parse(&self.policy.key_name, &row.name).is_some();
        let adopt = current.filter(|row| self.naming == Naming::Renaming && !in_family(row)).map(|row| row.id.clone());
        let mut order: Vec<usize> = (0..self.seen.targets.len()).collect();
        order.sort_by_key(|at| self.seen.targets.get(*at).and_then(|target| target.last_write));
        Rotate {
            due,
            adopt,
            rights,
            guardrails: Wanted::default(),
            order,
            unknown: None,
            replaces,
            others_wait: false,
            in_use: Vec::new(),
            unconfirmed: self.family.unconfirmed.iter().map(|row| row.id.clone()).collect(),
            ended: current.filter(|row| self.family.has_ended(&row.id)).map(|row| row.id.clone()),
            can_put_back: self.seen.targets.iter().map(|target| self.held_current_key(current, target)).collect(),
            stays: None,
            reports: Vec::new(),
        }
    }

    /// Putting back confirms the current key: one that no run has committed, a dead one, or one of which nobody can say
    /// whether the targets hold it or another, must not become so.
    fn may_be_confirmed_anew(&self, current: &KeyRow) -> bool {
        let mut others = self.family.all().filter(|row| row.id != current.id);
        let uncommitted = self.family.has(&current.id) && !self.family.is_confirmed(&current.id);
        if uncommitted || self.family.has_ended(&current.id) {
            return false;
        }
        match self.naming {
            Naming::Renaming => !others
                .any(|row| self.family.is_confirmed(&row.id) && pending::deployed_together(row, current, self.policy)),
            Naming::Immutable => others.next().is_none(),
        }
    }

    /// Whether a target held the current key, as far as its last write tells, or nothing.
    fn held_current_key(&self, current: Option<&KeyRow>, target: &SeenTarget) -> bool {
        if current.is_some_and(|row| !self.may_be_confirmed_anew(row)) {
            return false;
        }
        let (Some(at), Some(latest)) = (target.last_write, target.last_write_at_latest) else { return true };
        // Putting back would leave the old key where another value was, whatever the last write tells.
        if let (Some(holds), Some(in_hand)) = (&target.contents.value, &self.policy.current_key)
            && !is_same(holds, in_hand)
        {
            return false;
        }
        let Some((current, made)) = current.and_then(|row| Some((row, row.created_at?))) else { return false };
        let adopted = FamilyName::parse(&self.policy.key_name, &current.name).is_none();
        if self.naming == Naming::Renaming && self.family.unconfirmed.iter().any(|row| self.may_hold(row, current, at))
        {
            return false;
        }
        let end = match self.naming {
            _ if adopted => Some(self.seen.now()),
            Naming::Renaming => self.family.newest_commit(),
            // No commit is recorded: the key in hand came from the target, which is all there is to go by.
            Naming::Immutable => Some(self.seen.now()),
        };
        end.is_some_and(|end| earlier(made, CLOCK_MARGIN) <= at && latest <= later(end, SAME_WRITE_MARGIN))
    }

    /// Whether a write of that time may be that of a dead run's key. It is not where the current key was put back since; a
    /// rename within a lease of the dead run's beginning may be the adoption, by a run beside it.
    fn may_hold(&self, row: &KeyRow, current: &KeyRow, written: Timestamp) -> bool {
        let Some(made) = row.created_at else { return true };
        let put_back = commit(current).is_some_and(|at| at > later(made, 2 * self.policy.request_timeout));
        !put_back && written >= earlier(made, CLOCK_MARGIN)
    }
}

#[cfg(test)]
mod tests;
