//! What a run says of itself, held against the world.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use keyrotor::rotation::outcome::{Death, KeyFate, KeyReport, OldKeyStatus, Outcome, RunStatus, TargetState};
use keyrotor_fake::{Key, Place};

use crate::scene::Scene;

/// A commit so soon after a key was made can't be told from its making.
const DATED_WITHIN: Duration = Duration::from_secs(4);

/// What each target holds.
pub type Values = BTreeMap<Place, Option<String>>;

/// What the targets of a scene hold.
#[must_use]
pub fn values(scene: &Scene) -> Values {
    let value = |(nth, place)| scene.world.value_at(place, scene.secret_of(nth));
    scene.targets.iter().enumerate().map(|(nth, place)| (place.clone(), value((nth, place)))).collect()
}

/// The world before a run.
#[derive(Clone, Debug)]
pub struct Before {
    values: Values,
    keys: BTreeSet<String>,
    live: BTreeSet<String>,
    /// The committed key of the family that was made last, dead or alive.
    newest: Option<String>,
    /// Those that a target held.
    deployed: BTreeSet<String>,
}

impl Before {
    /// As it is now.
    #[must_use]
    pub fn of(scene: &Scene) -> Self {
        let ids = |state: &keyrotor_fake::world::State| {
            state.issuer.keys.iter().chain(&state.issuer.deleted).map(|key| key.id.clone()).collect()
        };
        let live = scene.world.live_keys("").into_iter().map(|key| key.id).collect();
        let begin = format!("{}-", scene.policy.key_name);
        let committed =
            |key: &&Key| key.name.starts_with(&begin) && !key.name.ends_with("-unconfirmed") && !was_taken_back(key);
        let newest = |state: &keyrotor_fake::world::State| {
            state.issuer.keys.iter().filter(committed).max_by_key(|key| key.created_at).map(|key| key.id.clone())
        };
        let values = values(scene);
        let deployed = values.values().flatten().filter_map(|value| scene.world.key_of_value(value)).map(|key| key.id);
        let deployed = deployed.collect();
        Self { keys: scene.world.read(ids), newest: scene.world.read(newest), values, live, deployed }
    }

    /// Whether a target held a key.
    #[must_use]
    pub fn is_deployed(&self, id: &str) -> bool {
        self.deployed.contains(id)
    }

    /// Whether a key was alive.
    #[must_use]
    pub fn lives(&self, id: &str) -> bool {
        self.live.contains(id)
    }
}

/// What the run was asked, as far as it changes what is true.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Replaced keys stay alive for a while, or for good.
    pub keeps: bool,
    /// What earlier runs replaced may wait, and nothing else.
    pub spares: bool,
    /// Replaced keys are switched off, not deleted.
    pub disables: bool,
    /// A person may have switched off the key that a target holds: that is theirs to know.
    pub dead_by_hand: bool,
    /// Leaked keys that an earlier run ended wherever they were: it told of that.
    pub given_up: BTreeSet<String>,
    /// Some request was refused although nothing was wrong with it: one that tried an ended key may have been.
    pub refused: bool,
}

/// What the exit status, the rows and the outputs say that is not so. Empty: all is true.
#[must_use]
pub fn lies(scene: &Scene, before: &Before, outcome: &Outcome, asked: &Asked) -> Vec<String> {
    let judge = Judge {
        before,
        outcome,
        values: values(scene),
        live: scene.world.live_keys("").into_iter().map(|key| (key.id.clone(), key)).collect(),
        accepted: scene.world.read(|state| {
            let is_accepted = |key: &&Key| {
                let value = Some(key.value.as_str());
                state.issuer.check(value).is_err() && state.issuer.check_where_tried(value).is_ok()
            };
            let ended = state.issuer.keys.iter().chain(&state.issuer.deleted).filter(is_accepted);
            ended.map(|key| (key.id.clone(), key.value.clone())).collect()
        }),
        labelled: scene.world.read(|state| state.issuer.behaviour.masked_labels),
        in_hand: scene.policy.current_key.as_ref().map(|value| value.expose().to_owned()),
        there: scene.world.read(|state| state.issuer.keys.iter().map(|key| key.id.clone()).collect()),
        expired: scene.world.read(|state| {
            let now = state.issuer.clock.now();
            let expired = |key: &&Key| key.rights.expires_at.is_some_and(|end| end <= now);
            state.issuer.keys.iter().filter(expired).map(|key| key.id.clone()).collect()
        }),
        family: format!("{}-", scene.policy.key_name),
        now: scene.world.read(|state| state.issuer.clock.now()),
    };
    let mut lies = Vec::new();
    judge.of_living_keys(&mut lies);
    judge.of_dead_keys(asked, &mut lies);
    judge.of_the_verdict(asked, &mut lies);
    judge.of_targets(scene, &mut lies);
    judge.of_the_old_key(&mut lies);
    lies
}

/// What is not as it should be where a run that goes by a key's age says that all is well. Of the `raced` targets nobody can say
/// what they hold. Where names and dates do not tell which key is deployed, it has to be one of `own`. `over`: the grace of
/// whatever was replaced is over.
#[must_use]
pub fn not_well(
    scene: &Scene,
    raced: &BTreeSet<&Place>,
    names_tell: bool,
    own: &BTreeSet<String>,
    over: bool,
) -> Option<String> {
    let mut live = scene.live_family();
    live.sort_by_key(|key| key.created_at);
    let Some(current) = live.last() else { return Some("no key of the family is alive".into()) };
    let tells = names_tell && current.updated_at > current.created_at + DATED_WITHIN;
    let right = |value: &String| if tells { *value == current.value } else { own.contains(value) };
    let wrong =
        |(place, value): &(&Place, &Option<String>)| !raced.contains(place) && !value.as_ref().is_some_and(right);
    if let Some((place, _)) = values(scene).iter().find(wrong) {
        return Some(format!("{place} does not hold {}", current.name));
    }
    let now = scene.world.read(|state| state.issuer.clock.now());
    let ends_soon = current.rights.expires_at.is_some_and(|end| {
        let (whole, left) = (end.duration_since(current.created_at), end.duration_since(now));
        left.as_secs() * 5 < whole.as_secs() - 60
    });
    if ends_soon {
        return Some(format!("{} ends soon", current.name));
    }
    (over && live.len() > 1).then(|| format!("{} keys are alive", live.len()))
}

/// Whether `reenable` took a key out of its family.
#[must_use]
pub fn was_taken_back(key: &Key) -> bool {
    key.name.ends_with("-reenabled")
}

/// Whether an outcome names a key.
#[must_use]
pub fn names(outcome: &Outcome, key: &Key) -> bool {
    let said = |text: &str| text.contains(&key.name) || text.contains(&key.id);
    let reported = outcome.keys.iter().any(|report| report.id.0 == key.id);
    reported || outcome.problems.iter().any(|problem| said(&problem.what))
}

struct Judge<'a> {
    before: &'a Before,
    outcome: &'a Outcome,
    values: Values,
    live: BTreeMap<String, Key>,
    /// The values of keys that were ended and are accepted still.
    accepted: BTreeMap<String, String>,
    /// Whether the issuer shows masked values.
    labelled: bool,
    /// `current-key`.
    in_hand: Option<String>,
    /// Every key that the issuer lists, dead ones too.
    there: BTreeSet<String>,
    /// Those of them that are over by their own date.
    expired: BTreeSet<String>,
    family: String,
    now: Timestamp,
}

impl Judge<'_> {
    fn status(&self) -> u8 {
        self.outcome.verdict.exit_code()
    }

    fn fate(&self, id: &str) -> Option<&KeyFate> {
        self.outcome.keys.iter().find(|key| key.id.0 == id).map(|key| &key.fate)
    }

    fn family(&self) -> impl Iterator<Item = &Key> {
        self.live.values().filter(|key| key.name.starts_with(&self.family) && !was_taken_back(key))
    }

    fn new_value(&self) -> Option<&String> {
        let (id, _) = self.outcome.new_key.as_ref()?;
        self.live.get(&id.0).map(|key| &key.value)
    }

    fn of_living_keys(&self, lies: &mut Vec<String>) {
        let stopped = self.outcome.verdict == RunStatus::Unchanged;
        for key in self.family() {
            let (name, was_there) = (&key.name, self.before.keys.contains(&key.id));
            let fate = self.fate(&key.id);
            let untouched = stopped && was_there;
            if !names(self.outcome, key) && !untouched {
                lies.push(format!("{name} is alive and not named"));
            }
            if matches!(fate, Some(KeyFate::Deleted | KeyFate::Disabled | KeyFate::NewRevoked)) {
                lies.push(format!("{name} is alive and said to be {fate:?}"));
            }
            let expected =
                matches!(fate, Some(KeyFate::New | KeyFate::Current | KeyFate::Pending { .. } | KeyFate::Kept));
            if self.status() == 0 && !expected {
                lies.push(format!("exit 0 although {name} is left: {fate:?}"));
            }
            if self.status() == 0 && name.ends_with("-unconfirmed") {
                lies.push(format!("exit 0 although {name} is not committed"));
            }
            if self.status() == 1 && !was_there {
                lies.push(format!("exit 1 although {name} was made"));
            }
        }
    }

    fn of_dead_keys(&self, asked: &Asked, lies: &mut Vec<String>) {
        for key in &self.outcome.keys {
            let wrongly_retired = match key.fate {
                KeyFate::Disabled => {
                    !asked.disables || self.live.contains_key(&key.id.0) || !self.there.contains(&key.id.0)
                }
                KeyFate::Deleted => asked.disables,
                _ => false,
            };
            if wrongly_retired {
                lies.push(format!("{} is said to be {:?}", key.name, key.fate));
            }
            let may_be_dead = match key.fate {
                KeyFate::Deleted | KeyFate::Disabled | KeyFate::NewRevoked | KeyFate::Stray { .. } => true,
                KeyFate::Pending { until, .. } => until <= self.now,
                // It came to its own end since.
                KeyFate::Kept | KeyFate::Foreign if self.expired.contains(&key.id.0) => true,
                // A current key that has ended is not alive, and not replaced yet.
                KeyFate::Current | KeyFate::Kept => self.outcome.old_key.as_ref().is_some_and(|(id, _)| *id == key.id),
                _ => false,
            };
            if !may_be_dead && !self.live.contains_key(&key.id.0) {
                lies.push(format!("{} is dead and said to be {:?}", key.name, key.fate));
            }
        }
        if !asked.refused && !self.outcome.interrupted {
            self.of_accepted_keys(lies);
        }
        let alive: BTreeSet<_> = self.live.values().map(|key| &key.value).collect();
        let dead_deployed =
            self.values.values().flatten().any(|value| !alive.contains(value) && !asked.given_up.contains(value));
        if self.status() == 0 && dead_deployed && !asked.dead_by_hand {
            lies.push("exit 0 with a dead value deployed".into());
        }
    }

    /// A key that is said to be refused must be, and one whose value was in hand must be before all is said to be well.
    fn of_accepted_keys(&self, lies: &mut Vec<String>) {
        for key in self.outcome.keys.iter().filter(|key| self.accepted.contains_key(&key.id.0)) {
            let retired = matches!(key.fate, KeyFate::Deleted | KeyFate::Disabled);
            if matches!(key.death, Some(Death::RefusedSince(_))) {
                lies.push(format!("{} is accepted and said to be refused", key.name));
            }
            // Without labels nothing proves whose the value in hand is.
            let in_hand = self.labelled && self.accepted.get(&key.id.0) == self.in_hand.as_ref();
            if retired && in_hand && self.outcome.verdict == RunStatus::Rotated {
                lies.push(format!("exit 0 although {} is still accepted", key.name));
            }
        }
    }

    fn of_the_verdict(&self, asked: &Asked, lies: &mut Vec<String>) {
        let all_new = self.values.values().all(|value| value.as_ref() == self.new_value());
        if self.outcome.rotated && (self.new_value().is_none() || !all_new) {
            lies.push("`rotated`, and a target does not hold the new key".into());
        }
        match self.outcome.verdict {
            RunStatus::Rotated if !self.outcome.rotated => lies.push("exit 0, and not `rotated`".into()),
            RunStatus::Rotated
                if !asked.keeps && self.family().filter(|key| !self.is_spared(key, asked)).count() != 1 =>
            {
                lies.push("exit 0 without grace, and not one live key".into());
            }
            RunStatus::NotDue | RunStatus::Planned | RunStatus::Unchanged | RunStatus::RolledBack
                if self.values != self.before.values =>
            {
                lies.push("a target holds another value than before".into());
            }
            RunStatus::Attention if !self.has_reason() => lies.push("exit 3 without a reason".into()),
            _ => {}
        }
    }

    /// Whether a key waits that an earlier run replaced, also where its successor is dead and it was named as the current one.
    fn is_spared(&self, key: &Key, asked: &Asked) -> bool {
        let is_old = self.outcome.old_key.as_ref().is_some_and(|(id, _)| id.0 == key.id);
        let replaced = is_old && self.before.newest.as_ref().is_none_or(|newest| *newest == key.id);
        let waits = matches!(self.fate(&key.id), Some(KeyFate::Pending { .. }));
        asked.spares && waits && !replaced && self.before.lives(&key.id)
    }

    fn has_reason(&self) -> bool {
        let left = |key: &KeyReport| match key.fate {
            KeyFate::Stray { .. } => true,
            KeyFate::NewHeld => self.outcome.interrupted,
            _ => false,
        };
        !self.outcome.problems.is_empty() || self.outcome.keys.iter().any(left)
    }

    fn of_targets(&self, scene: &Scene, lies: &mut Vec<String>) {
        for (target, row) in scene.targets.iter().zip(&self.outcome.targets) {
            let now = self.values.get(target).cloned().flatten();
            let was = self.before.values.get(target).cloned().flatten();
            let is_new = now.as_ref() == self.new_value();
            let right = match row.state {
                TargetState::New => now.is_some() && is_new,
                TargetState::Old | TargetState::Untouched => now == was,
                TargetState::Either => now == was || is_new,
            };
            if !right {
                lies.push(format!("{target} is said to be {:?}", row.state));
            }
        }
    }

    fn of_the_old_key(&self, lies: &mut Vec<String>) {
        let Some((id, name)) = &self.outcome.old_key else { return };
        let alive = self.live.contains_key(&id.0);
        let right = match self.outcome.old_key_status {
            OldKeyStatus::Deleted | OldKeyStatus::Disabled => !alive,
            OldKeyStatus::Pending => alive || self.outcome.retire_after.is_some_and(|at| at <= self.now),
            OldKeyStatus::Kept => true,
            OldKeyStatus::Alive => alive || self.status() == 3,
            OldKeyStatus::None => !alive,
        };
        if !right {
            lies.push(format!("the old key {name} is said to be {:?}", self.outcome.old_key_status));
        }
    }
}
