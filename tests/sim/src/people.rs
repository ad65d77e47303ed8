//! What people do in a schedule: of themselves, and where a run that stopped says so.

use std::collections::BTreeSet;

use keyrotor::rotation::model::KeyId;
use keyrotor::rotation::outcome::RunStatus;
use keyrotor_fake::{Key, Place, Rights, State};

use crate::judge;
use crate::scene::{COPY, Ended, FAMILY, SECRET, SLIP, SLIPS, Scene};
use crate::schedule::{Foreign, HumanAction, Schedule};

/// The second family of the account.
pub(crate) const STAGING: &str = "staging";

/// The neighbour's hand-made key.
pub(crate) const NEIGHBOURS: &str = "Paul's key";

/// A live key that no run rotates.
const MARYS: &str = "Mary's key";

/// What nobody takes for a key.
const TEXTS: [&str; 4] = ["changeme", r#"{"token":"0815"}"#, "TOKEN=0815\nDEBUG=1", "${OTHER}"];

/// What may be a key, of an account that nobody here knows.
const ANOTHER_ACCOUNTS: &str = "lr_live_0123456789abcdef0123456789abcdef01234567";

/// Whether a key was never deployed by the main repositories.
pub(crate) fn is_anothers(key: &Key) -> bool {
    key.name.starts_with(STAGING) || [NEIGHBOURS, MARYS].contains(&key.name.as_str())
}

/// Whether a run has to see that a value is no key, or that of a key which it may not replace.
pub(crate) fn is_foreign(scene: &Scene, schedule: &Schedule, value: &str) -> bool {
    let is_marys = || scene.world.live_keys(MARYS).iter().any(|key| key.value == value);
    TEXTS.contains(&value) || (schedule.masked_labels && is_marys())
}

/// What a value is, in words.
pub(crate) fn what_is(scene: &Scene, value: &str) -> String {
    scene.world.key_of_value(value).map_or_else(|| format!("{value:?}"), |key| key.name)
}

/// Stores the key of another account under the name that a slip makes of a target's, where there is none.
pub(crate) fn store_beside(scene: &Scene, target: usize) {
    let free = |place: &&Place| scene.world.value_at(place, SLIP).is_none();
    if scene.targets.get(target).filter(free).is_some() {
        scene.write_beside(target, SLIP, ANOTHER_ACCOUNTS);
    }
}

/// The value of the live key that no run rotates.
fn marys_key(scene: &Scene, schedule: &Schedule) -> String {
    if let Some(key) = scene.world.live_keys(MARYS).pop() {
        return key.value;
    }
    make_by_hand(scene, schedule, MARYS).1
}

/// The id and the value of a new key that may do what all keys may.
fn make_by_hand(scene: &Scene, schedule: &Schedule, name: &str) -> (String, String) {
    let made = |key: &mut Key| {
        let expires_at = schedule.lifetime.map(|time| key.created_at + time);
        key.rights = Rights { expires_at, ..schedule.grant.rights() };
    };
    scene.world.by_hand(|state| {
        let (id, value) = state.issuer.seed_key(name, made);
        if state.issuer.behaviour.has_guardrails {
            guard(state, &id);
        }
        (id, value)
    })
}

/// Gives a key the guardrail, as a person, whatever the issuer does when a run asks for it.
pub(crate) fn guard(state: &mut State, key: &str) {
    let now = state.issuer.clock.now();
    let guardrails = &mut state.issuer.guardrails;
    if let Some(guardrail) = guardrails.all.first().map(|it| it.id.clone()) {
        guardrails.assign(&guardrail, key, true, now);
    }
}

/// Removes a secret of this name where a place is one of `which`.
fn remove(scene: &Scene, name: &str, which: impl Fn(&Place) -> bool) {
    for place in scene.targets.iter().filter(|place| which(place)) {
        scene.world.by_hand(|state| state.github.remove(place, name));
    }
}

/// Puts right what a run stopped at, as it says, and deletes the keys of runs with `slips` that nobody uses. `false`: it says
/// nothing of that kind.
pub(crate) fn corrects(scene: &mut Scene, ended: &Ended, slips: bool) -> bool {
    let Ended::Came(outcome) = ended else { return false };
    let Some(problem) = outcome.problems.first() else { return false };
    let (what, next) = (problem.what.as_str(), problem.next.as_deref().unwrap_or_default());
    let names = |name: &'static str| move |place: &Place| what.contains(&format!("{place} {name}"));
    let named = |name: &'static str| scene.targets.iter().any(names(name));
    if next.contains("empty it") || what.contains(", not an API key") {
        let is_there = named(SECRET);
        remove(scene, SECRET, names(SECRET));
        return is_there;
    }
    if next.contains("take the key out there") {
        let holders = || SLIPS.into_iter().chain([COPY]);
        let is_there = holders().any(named);
        holders().for_each(|name| remove(scene, name, names(name)));
        return is_there;
    }
    if next.contains("accept=") && named(SLIP) {
        if !take_slips_back(scene) {
            scene.accepted.push(SLIP.to_owned());
        }
        return true;
    }
    let is_another = what.starts_with("current-key is the live key ") && next.contains("delete it by hand");
    if slips && (is_another || next.contains("delete them by hand")) {
        take_slips_back(scene);
        store_the_named(scene);
        let unused: Vec<_> = scene.live_family().into_iter().filter(|key| is_unused(scene, key)).collect();
        unused.iter().for_each(|key| _ = scene.world.by_hand(|state| state.issuer.delete(&key.id)));
        return !unused.is_empty();
    }
    // What a misspelt run wrote is of no use to anybody.
    slips && what.starts_with("no target holds ") && {
        take_slips_back(scene);
        delete_as_told(scene, ended)
    }
}

/// Stores the key that `replace-key-id` names wherever a person has stored a dead run's.
fn store_the_named(scene: &Scene) {
    let is_named = |key: &Key| scene.policy.replace_key_id.as_ref().is_some_and(|id| id.0 == key.id);
    let Some(named) = scene.world.live_keys("").into_iter().find(is_named) else { return };
    let family: BTreeSet<_> = scene.live_family().into_iter().map(|key| key.value).collect();
    for place in &scene.targets {
        if scene.world.value_at(place, SECRET).is_some_and(|value| family.contains(&value)) {
            scene.world.by_hand(|state| state.github.write_secret(place, SECRET, &named.value));
        }
    }
}

/// Leaves `current-key` out of the next run, where one says that a target holds a key of the family and another one does not.
pub(crate) fn leaves_the_value_out(scene: &mut Scene, ended: &Ended) -> bool {
    let Ended::Came(outcome) = ended else { return false };
    let advice = outcome.problems.first().and_then(|problem| problem.next.as_deref()).unwrap_or_default();
    let is_told = advice.contains("leave current-key out to replace");
    if is_told {
        scene.policy.current_key = None;
    }
    is_told
}

/// Removes what runs wrote under a misspelt name; `false` where they have not.
fn take_slips_back(scene: &Scene) -> bool {
    let wrote = |name| move |place: &Place| scene.world.key_at(place, name).is_some();
    let any = SLIPS.into_iter().any(|name| scene.targets.iter().any(wrote(name)));
    SLIPS.into_iter().for_each(|name| remove(scene, name, wrote(name)));
    any
}

/// The id of the key that was written, if one was.
pub(crate) fn by_hand(
    scene: &Scene,
    schedule: &Schedule,
    known: &BTreeSet<String>,
    deed: HumanAction,
) -> Option<String> {
    let key_at = |target: usize| scene.targets.get(target).and_then(|place| scene.world.key_at(place, SECRET));
    let known_key = |back: usize| {
        let mut live = scene.world.live_keys("");
        live.retain(|key| known.contains(&key.value) && !is_anothers(key));
        live.into_iter().rev().nth(back)
    };
    match deed {
        HumanAction::Write { target, back } => {
            let place = scene.targets.get(target).filter(|_| target > 0)?;
            let key = known_key(back)?;
            scene.world.by_hand(|state| state.github.write_secret(place, SECRET, &key.value));
            return Some(key.id);
        }
        HumanAction::UseReplaced { back } => {
            if let Some(key) = known_key(back) {
                scene.world.by_hand(|state| state.issuer.mark_used(&key.id, 0.01));
            }
        }
        HumanAction::Use { target } => {
            if let Some(key) = key_at(target) {
                scene.world.by_hand(|state| state.issuer.mark_used(&key.id, 0.01));
            }
        }
        HumanAction::Disable => {
            if let Some(key) = key_at(0).filter(|key| key.name.starts_with(FAMILY)) {
                scene.world.by_hand(|state| {
                    if let Some(key) = state.issuer.key_mut(&key.id) {
                        key.disabled = true;
                    }
                });
            }
        }
        HumanAction::Job { target, lasts } => scene.queue_job(target, lasts),
        HumanAction::Foreign { target, what } if target > 0 && scene.readable => {
            let text = match what {
                Foreign::Text(nth) => TEXTS.get(nth).copied().unwrap_or_default().to_owned(),
                Foreign::Key => marys_key(scene, schedule),
            };
            scene.write_beside(target, SECRET, &text);
        }
        HumanAction::Copy { target } if scene.readable => {
            if let Some(value) = scene.targets.get(target).and_then(|place| scene.world.value_at(place, SECRET)) {
                scene.write_beside(target, COPY, &value);
            }
        }
        HumanAction::TakeOut => remove(scene, COPY, |_| true),
        HumanAction::Beside { target } => store_beside(scene, target),
        HumanAction::Foreign { .. } | HumanAction::Copy { .. } => {}
        HumanAction::AddTarget | HumanAction::RemoveTarget | HumanAction::Reenable | HumanAction::SetClock(_) => {}
    }
    None
}

/// What a run asks for where the targets hold a dead key.
fn deploy_by_hand(scene: &Scene, schedule: &Schedule) -> String {
    let (id, value) = make_by_hand(scene, schedule, "Peter's other key");
    scene.deploy(&value);
    id
}

/// Whether no place holds a key.
fn is_unused(scene: &Scene, key: &Key) -> bool {
    !scene.world.read(|state| state.github.holdings().any(|(_, _, value)| value == key.value))
}

/// A person stores a key once more where it is, where a run that stopped does not believe that it is there; or in the targets,
/// where a process that still runs holds it alone.
pub(crate) fn store_as_told(scene: &Scene, ended: &Ended) -> bool {
    let Ended::Came(outcome) = ended else { return false };
    let told = |key: &Key| {
        outcome.problems.iter().any(|problem| problem.what.starts_with(&format!("no target holds {} (", key.name)))
    };
    let Some(key) = scene.world.live_keys("").into_iter().find(told) else { return false };
    let holds = |place: &&Place| scene.world.value_at(place, SECRET).is_some_and(|value| value == key.value);
    let places: Vec<_> = scene.targets.iter().filter(holds).collect();
    if places.is_empty() && !is_unused(scene, &key) {
        scene.deploy(&key.value);
        return true;
    }
    for place in &places {
        scene.world.by_hand(|state| state.github.write_secret(place, SECRET, &key.value));
    }
    !places.is_empty()
}

/// A person deletes what nothing uses, where a run that stopped says so of a key that no target holds.
pub(crate) fn delete_as_told(scene: &Scene, ended: &Ended) -> bool {
    let Ended::Came(outcome) = ended else { return false };
    let told = |begin: &str| outcome.problems.iter().any(|problem| problem.what.starts_with(begin));
    if !told("no target holds ") {
        return false;
    }
    let begin = format!("{}-", scene.policy.key_name);
    let of_family = |key: &Key| key.name.starts_with(&begin) && !judge::was_taken_back(key);
    let mut unused = scene.world.read(|state| state.issuer.keys.clone());
    unused.retain(|key| (of_family(key) || told(&format!("no target holds {} (", key.name))) && is_unused(scene, key));
    scene.world.by_hand(|state| unused.iter().filter(|key| state.issuer.delete(&key.id)).count() > 0)
}

/// The key that a person names in `replace-key-id` after a run that stopped asked for it.
pub(crate) fn key_to_name(scene: &Scene, ended: &Ended, schedule: &Schedule) -> Option<KeyId> {
    let Ended::Came(outcome) = ended else { return None };
    let next = outcome.problems.first()?.next.as_deref()?;
    let (_, id) = next
        .split_once("set replace-key-id to ")
        .filter(|_| matches!(outcome.verdict, RunStatus::Unchanged | RunStatus::Attention))?;
    if id.starts_with("the id of the live key that the targets hold now") || id.starts_with("its id") {
        let held = scene.targets.first().and_then(|place| scene.world.key_at(place, SECRET));
        let alive = held.filter(|held| scene.world.live_keys("").iter().any(|key| key.id == held.id));
        return Some(KeyId(alive.map_or_else(|| deploy_by_hand(scene, schedule), |held| held.id)));
    }
    let id: String = id.chars().take_while(char::is_ascii_alphanumeric).collect();
    (id.len() > 20).then_some(KeyId(id))
}
