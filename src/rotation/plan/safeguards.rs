//! What stops a rotation before a key is made: it could end a key where nobody looks, or overwrite what is no key.

use crate::rotation::clock::{CLOCK_MARGIN, DATE_RESOLUTION, earlier, later};
use crate::rotation::lease::Naming;
use crate::rotation::model::{Entry, Held, KeyId, KeyRow};
use crate::rotation::name::is_of_any_family;
use crate::rotation::plan::holdings::{Evidence, Holding, TargetHolding};
use crate::rotation::plan::observation::SeenTarget;
use crate::rotation::plan::pending::{Pending, Standing};
use crate::rotation::plan::similar::{is_similar, nearest_first};
use crate::rotation::plan::value::{is_encoded, not_a_key};
use crate::rotation::plan::{Blocked, Situation};
use crate::rotation::policy::Retire;
use crate::secret::{Secret, without_keys};

/// So many names are listed.
const MAX_NAMES: usize = 12;

/// A shorter value may stand inside another one by chance.
const SHORTEST_INSIDE: usize = 16;

/// What was decided about the key being replaced.
pub(super) enum Guarded {
    /// It is retired as asked.
    Retires,
    /// No target holds it, and `retire: keep`: it stays under its own name.
    StaysOutside,
    /// It leaked: it is retired all the same, and this is reported.
    Reported(Vec<Blocked>),
}

impl Situation<'_> {
    /// Text that is no key is never replaced.
    pub(super) fn overwrites_no_key(&self) -> Option<Blocked> {
        self.seen.targets.iter().find_map(|target| {
            let kind = not_a_key(target.contents.value.as_ref()?.expose())?;
            Some(Blocked::new(format!("{} holds {kind}, not an API key", target.name), kind.remedy()))
        })
    }

    /// Holds what was found against the rules: a key is retired only where it was, and nowhere else in sight.
    pub(super) fn guard(&self, current: Option<&KeyRow>, found: &[TargetHolding]) -> Result<Guarded, Blocked> {
        if let Some(blocked) = self.stands_in_the_way(found) {
            return Err(blocked);
        }
        // A dead run's key was deployed nowhere else.
        let is_left_over =
            |row: &KeyRow| self.of_dead_runs().any(|dead| dead.id == row.id) || self.family.has_ended(&row.id);
        let Some(current) = current.filter(|row| !is_left_over(row)) else { return self.guard_left_over(found) };
        let nowhere = !found.iter().any(|found| self.may_be_held(found, current));
        let keeps = self.policy.retire() == Retire::Keep;
        if nowhere && keeps && !self.family.has(&current.id) {
            return Ok(Guarded::StaysOutside);
        }
        let mut stops: Vec<_> = nowhere.then(|| self.held_nowhere(current)).into_iter().collect();
        stops.extend(self.misspelt(current, found).filter(|_| !nowhere));
        stops.extend(self.second_holder(current).filter(|_| !keeps));
        let in_hand = self.seen.held.as_ref().and_then(|held| held.is.as_ref()) == Some(&current.id);
        let is_named = in_hand || self.policy.replace_key_id.as_ref() == Some(&current.id);
        match stops.into_iter().next() {
            None => Ok(Guarded::Retires),
            Some(blocked) if self.policy.leaked && is_named => Ok(Guarded::Reported(vec![blocked])),
            Some(blocked) => Err(blocked),
        }
    }

    /// Whether what a target holds may be the current key. A key outside the family was left alone by the run that wrote a
    /// living key of the family there.
    fn may_be_held(&self, found: &TargetHolding, current: &KeyRow) -> bool {
        let outside = self.naming == Naming::Renaming && !self.is_family(current);
        match &found.evidence {
            Evidence::Deployed(id) | Evidence::Value(id) if outside && self.family.has(id) => false,
            _ => found.is_ours(),
        }
    }

    /// Where no living key is current, keys of runs that died are retired. They may be where such a run wrote, under another
    /// name.
    fn guard_left_over(&self, found: &[TargetHolding]) -> Result<Guarded, Blocked> {
        let oldest = self.family.all().min_by_key(|row| row.created_at);
        let Some(oldest) = oldest else {
            // No key is in danger, but what the last one left under a similar name would pass for the new one's.
            let last = self.family.dead.iter().max_by_key(|row| row.created_at);
            return last.and_then(|last| self.misspelt(last, found)).map_or(Ok(Guarded::Retires), Err);
        };
        let blocked = self.misspelt(oldest, found).or_else(|| self.second_holder(oldest));
        match blocked.or_else(|| self.may_be_elsewhere(oldest).then(|| self.held_nowhere(oldest))) {
            Some(blocked) => Err(blocked),
            None => Ok(Guarded::Retires),
        }
    }

    /// Whether no target holds anything, and something beside one was written since a key was made or looks like a key.
    fn may_be_elsewhere(&self, made: &KeyRow) -> bool {
        let holds = |target: &SeenTarget| {
            let mut others = target.contents.others.iter().filter(|entry| match entry.value {
                Some(_) => target.look_like_keys.contains(&entry.target),
                None => entry.written.is_some(),
            });
            others.any(|entry| self.may_hold_it(entry, target, made))
        };
        self.seen.targets.iter().all(|target| target.held == Held::Nothing) && self.seen.targets.iter().any(holds)
    }

    /// What a target holds that no run may replace, for a run that makes no key.
    pub(super) fn stands_in_the_way(&self, found: &[TargetHolding]) -> Option<Blocked> {
        self.overwrites_no_key().or_else(|| self.holds_another_key(found))
    }

    /// A key that belongs to neither this family nor this run.
    fn holds_another_key(&self, found: &[TargetHolding]) -> Option<Blocked> {
        let foreign = found.iter().find(|found| found.holding == Holding::AnotherKey)?;
        let Evidence::Value(id) = &foreign.evidence else { return None };
        let name = self.seen.row(id).map_or_else(|| id.to_string(), |row| format!("{} ({id})", row.name));
        Some(Blocked::new(
            format!("{} holds another key, {name}", foreign.target),
            "correct the target; if this rotation is to write there, empty it first",
        ))
    }

    pub(super) fn held_nowhere(&self, current: &KeyRow) -> Blocked {
        let mut names = self.names();
        let written: Vec<_> = self.seen.targets.iter().map(|target| target.name.as_str()).collect();
        nearest_first(&written, &mut names);
        let unlisted: Vec<_> = self.unlisted().collect();
        let there = match (names.is_empty(), unlisted.first()) {
            (true, Some(why)) => format!("; the names there could not be listed: {why}"),
            (true, None) => "; nothing else is there".to_owned(),
            (false, _) => format!("; the names there are {}", shown(&names)),
        };
        let what = format!("no target holds {} ({}), the key that would be retired{there}", current.name, current.id);
        let notes: Vec<_> =
            self.seen.targets.iter().flat_map(|target| target.contents.notices.iter().cloned()).collect();
        let what = notes.into_iter().fold(what, |what, note| format!("{what}; {note}"));
        let keep = if self.family.has(&current.id) || self.naming == Naming::Immutable {
            ""
        } else {
            "; retire: keep makes a new key and leaves this one alone"
        };
        Blocked::new(
            what,
            format!(
                "correct the target's name, or store the key there by hand first{keep}. If nothing uses the key, delete it by \
                 hand"
            ),
        )
    }

    /// The names near the targets: in the same container as they are, elsewhere as a target would be written.
    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for target in &self.seen.targets {
            let near = target.contents.others.iter().chain(elsewhere(target));
            names.extend(near.map(|entry| entry.target.clone()).filter(|name| !self.is_target(name, target)));
        }
        names.sort();
        names.dedup();
        names
    }

    /// Why names could not be listed.
    pub(super) fn unlisted(&self) -> impl Iterator<Item = String> + '_ {
        self.seen.targets.iter().filter_map(|target| {
            let why = target.contents.unlisted.as_ref().or(target.elsewhere.as_ref()?.as_ref().err())?;
            Some(format!("{}: {why}", target.name))
        })
    }

    /// Whether a name that lies beside a target is a target of its own.
    fn is_target(&self, name: &str, beside: &SeenTarget) -> bool {
        let mut others = self.policy.targets_of_others.iter();
        self.is_own_target(name, beside) || others.any(|other| is_same_name(other, name, beside))
    }

    /// A similar name in the same place, where it can't be told that the target is the right one.
    fn misspelt(&self, current: &KeyRow, found: &[TargetHolding]) -> Option<Blocked> {
        self.seen.targets.iter().zip(found).find_map(|(target, found)| {
            let empty = target.held == Held::Nothing;
            if matches!(found.evidence, Evidence::Value(_)) {
                return None;
            }
            let mut near: Vec<_> =
                target.contents.others.iter().filter(|entry| self.may_be_meant(entry, target, current)).collect();
            // Many containers have a name such as `api_key` in them: another one has to be called similarly itself.
            let near_places = elsewhere(target).filter(|entry| empty && entry.value.is_some());
            let near_places = near_places.filter(|entry| is_similar(&entry.target, &target.name));
            near.extend(near_places.filter(|entry| self.may_hold_it(entry, target, current)));
            let near = near.first()?;
            let holds = match &target.contents.value {
                _ if empty => "does not exist",
                None => "can't be read",
                Some(_) => "holds a value that no listed key can be told by",
            };
            let same_name =
                same_name_elsewhere(target).map(|other| format!(" (and {other} exists)")).unwrap_or_default();
            Some(Blocked::new(
                format!("{} {holds}, and {} has a similar name{same_name}", found.target, without_keys(&near.target)),
                format!("correct the target, or add accept={} to it if both names are right", without_keys(&near.name)),
            ))
        })
    }

    /// Whether an entry may be the one that a person meant by a target.
    fn may_be_meant(&self, entry: &Entry, target: &SeenTarget, current: &KeyRow) -> bool {
        let is_near = is_similar(&entry.name, own_name(target)) || is_similar(&entry.target, &target.name);
        is_near && self.may_hold_it(entry, target, current)
    }

    /// Whether an entry beside a target may hold a key that this rotation retires.
    fn may_hold_it(&self, entry: &Entry, target: &SeenTarget, current: &KeyRow) -> bool {
        let accepted = &target.contents.accepted;
        let is_accepted =
            accepted.iter().any(|name| [&entry.name, &entry.target].iter().any(|it| it.eq_ignore_ascii_case(name)));
        let since = |made| earlier(made, CLOCK_MARGIN);
        let at = entry.written.map(|at| later(target.clock.translate_latest(at, &self.seen.clock), DATE_RESOLUTION));
        // Every live key of the family is retired, the oldest too.
        let oldest = self.family.all().chain([current]).map(|row| row.created_at).min().flatten();
        let is_older = at.zip(oldest).is_some_and(|(at, made)| at < since(made));
        !is_accepted && !is_older && !self.is_target(&entry.target, target) && !self.is_something_else(entry, current)
    }

    /// Whether an entry's value is provably no key that this rotation retires.
    fn is_something_else(&self, entry: &Entry, current: &KeyRow) -> bool {
        let Some(value) = &entry.value else { return false };
        not_a_key(value.expose()).is_some_and(|kind| !kind.may_hold_one())
            || self.key_of(value).is_some_and(|id| id != current.id && !self.family.has(&id))
    }

    /// The value that is to be retired lies under another name too.
    fn second_holder(&self, current: &KeyRow) -> Option<Blocked> {
        let values = self.values_to_retire(current);
        let retires = |id: &KeyId| *id == current.id || self.family.has(id);
        let has_one =
            |text: &Secret| self.keys_in(text).iter().any(retires) || values.iter().any(|value| is_in(value, text));
        let holds = |entry: &&Entry| entry.value.as_ref().is_some_and(has_one);
        let near = |target| others(target).chain(elsewhere(target)).filter(holds).map(move |entry| (entry, target));
        let found = self.seen.targets.iter().flat_map(near);
        let found: Vec<_> = found.filter(|(entry, target)| !self.is_own_target(&entry.target, target)).collect();
        let mut names: Vec<_> = found.iter().map(|(entry, _)| entry.target.clone()).collect();
        names.sort();
        names.dedup();
        let (is, them) = if names.len() == 1 { ("holds", "it") } else { ("hold", "them") };
        let is_key = |text: &Secret| self.key_of(text).is_some() || values.iter().any(|value| is_same(value, text));
        let next = if !found.iter().all(|(entry, _)| entry.value.as_ref().is_some_and(is_key)) {
            "take the key out there: keyrotor replaces whole values, and nothing inside of one".to_owned()
        } else if found.iter().any(|(_, target)| target.contents.one_target) {
            "take the key out there: only one field of that secret can be a target".to_owned()
        } else {
            format!("add {them} as a target, or take the key out there")
        };
        let what = format!("{} also {is} the key that would be retired", shown(&names));
        (!names.is_empty()).then(|| Blocked::new(what, next))
    }

    fn is_own_target(&self, name: &str, beside: &SeenTarget) -> bool {
        self.seen.targets.iter().any(|target| is_same_name(&target.name, name, beside))
    }

    /// The listed keys that a text provably is, or has inside.
    fn keys_in(&self, text: &Secret) -> Vec<KeyId> {
        let words = text.expose().split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-'));
        let words = words.filter(|word| word.len() >= SHORTEST_INSIDE).map(|word| Secret::new(word.to_owned()));
        std::iter::once(text.clone()).chain(words).filter_map(|word| self.key_of(&word)).collect()
    }

    /// Values that stop working with this rotation, as far as they are in hand.
    fn values_to_retire(&self, current: &KeyRow) -> Vec<Secret> {
        let retires = |value: &&Secret| match self.key_of(value) {
            Some(id) => id == current.id || self.family.has(&id),
            None => not_a_key(value.expose()).is_none() && value.expose().trim().len() >= SHORTEST_INSIDE,
        };
        let held = self.seen.targets.iter().filter_map(|target| target.contents.value.as_ref());
        let is_dead = self.seen.held.as_ref().is_none_or(|held| held.alive == Some(false));
        let in_hand = self.policy.current_key.as_ref().filter(|_| !is_dead);
        held.chain(in_hand).filter(retires).cloned().collect()
    }

    /// A replaced key, held back where a target still holds it, or something beside one, or where a target may be misspelt.
    pub(super) fn held_in_sight(&self, key: Pending, found: &[TargetHolding]) -> Pending {
        let row = self.seen.row(&key.id).filter(|_| key.standing == Standing::Past && !self.policy.leaked);
        match self.holder_of(&key.id).filter(|_| key.standing == Standing::Past) {
            // Of a leaked key too: the rotation writes this target first.
            Some((name, true)) => Pending { standing: Standing::Held(format!("{name} still holds it")), ..key },
            Some((name, false)) if !self.policy.leaked => {
                let name = without_keys(name);
                Pending { standing: Standing::Held(format!("{name}, which is no target, still holds it")), ..key }
            }
            _ => match row.and_then(|row| self.misspelt(row, found)) {
                Some(Blocked { what, next, .. }) => {
                    Pending { standing: Standing::Held(format!("{what}; {next}")), ..key }
                }
                None => key,
            },
        }
    }

    /// Where the value of a key lies, as far as that is in sight, and whether that is a target.
    fn holder_of(&self, id: &KeyId) -> Option<(&str, bool)> {
        let is = |value: &Option<Secret>| value.as_ref().is_some_and(|value| self.keys_in(value).contains(id));
        let holds_it = |target: &&SeenTarget| target.value_is.as_ref() == Some(id) || is(&target.contents.value);
        let target = self.seen.targets.iter().find(holds_it).map(|target| (target.name.as_str(), true));
        let beside = |target| {
            let found = others(target).filter(|entry| is(&entry.value));
            found.map(move |entry| (entry.target.as_str(), self.is_own_target(&entry.target, target)))
        };
        target.or_else(|| self.seen.targets.iter().flat_map(beside).next())
    }

    /// A key that a rotation of another family made.
    pub(super) fn of_another_family(&self, row: &KeyRow, is_named: bool) -> Option<Blocked> {
        if !is_of_any_family(&row.name) || !has_digits(&row.name) || self.family.has(&row.id) {
            return None;
        }
        let windows = self.deployments(row).unwrap_or_default();
        let written = self.seen.targets.iter().filter_map(|target| target.last_write);
        let deployed = written.into_iter().any(|at| windows.iter().any(|(from, to)| *from <= at && at <= *to));
        let by_value = self.seen.targets.iter().any(|target| target.value_is.as_ref() == Some(&row.id));
        (!(is_named && (deployed || by_value))).then(|| {
            Blocked::listing(
                format!("{} ({}) is the key of another rotation: two rotations would own one key", row.name, row.id),
                "correct key-name or the target. To take the key over, stop the other rotation and set replace-key-id to it; \
                 a target must hold it since it was deployed",
            )
        })
    }
}

impl Situation<'_> {
    /// What a person should know of the targets before a key is made.
    pub(super) fn told_of_targets(&self, current: Option<&KeyRow>) -> Vec<String> {
        let notices = self
            .seen
            .targets
            .iter()
            .flat_map(|target| target.contents.notices.iter().map(|notice| format!("{}: {notice}", target.name)));
        let unlisted = self.unlisted().map(|why| format!("{why}; similar names there were not looked for"));
        let in_hand = current.and_then(|current| self.told_of_current_key(current));
        let mut all: Vec<_> = in_hand.into_iter().chain(notices).chain(unlisted).collect();
        let more = all.len().saturating_sub(MAX_NAMES);
        all.truncate(MAX_NAMES);
        all.extend((more > 0).then(|| format!("the same is true of {more} more targets")));
        all
    }

    /// Why `current-key` can't be written back if a later target refuses.
    fn told_of_current_key(&self, current: &KeyRow) -> Option<String> {
        let (held, value) = (self.seen.held.as_ref()?, self.policy.current_key.as_ref()?);
        let what = match (held.alive, &held.is) {
            (Some(false), _) if is_encoded(value.expose()) => "is the base64 of a key, not the key".to_owned(),
            (Some(false), _) => "is not accepted: it is dead, cut short, or a key of another account".to_owned(),
            (None, _) => "could not be tried".to_owned(),
            (_, Some(id)) if *id != current.id => format!("is {id}, not the key being replaced"),
            (_, None) if held.perhaps.is_none() => "can't be matched to a listed key".to_owned(),
            _ => return None,
        };
        Some(format!("current-key {what}: if a target refuses the new key, the old one can't be written back"))
    }
}

/// A name with a date only counts as made by hand.
fn has_digits(name: &str) -> bool {
    let name = name.strip_suffix("-unconfirmed").unwrap_or(name);
    name.rsplit('-').next().is_some_and(|last| last.len() == 6)
}

/// Whether two names of targets are one, as the place takes names that lies beside one of them.
fn is_same_name(one: &str, other: &str, beside: &SeenTarget) -> bool {
    if beside.contents.any_case { one.eq_ignore_ascii_case(other) } else { one == other }
}

fn others(target: &SeenTarget) -> impl Iterator<Item = &Entry> {
    target.contents.others.iter()
}

fn elsewhere(target: &SeenTarget) -> impl Iterator<Item = &Entry> {
    target.elsewhere.iter().flatten().flatten()
}

/// The same name at another level: an organisation's secret, an environment's.
fn same_name_elsewhere(target: &SeenTarget) -> Option<&str> {
    elsewhere(target).find(|entry| entry.name.eq_ignore_ascii_case(own_name(target))).map(|entry| entry.target.as_str())
}

/// The target's name in its container.
fn own_name(target: &SeenTarget) -> &str {
    target.name.rsplit([' ', '#']).next().unwrap_or_default()
}

/// Whether a text is a value or has it inside.
fn is_in(value: &Secret, text: &Secret) -> bool {
    let inside = value.expose().trim();
    is_same(value, text) || (inside.len() >= SHORTEST_INSIDE && text.expose().contains(inside))
}

/// White space around a value does not make it another one.
pub(super) fn is_same(one: &Secret, other: &Secret) -> bool {
    let (one, other) = (one.expose().trim(), other.expose().trim());
    !one.is_empty() && one == other
}

fn shown(names: &[String]) -> String {
    let some: Vec<_> = names.iter().take(MAX_NAMES).map(|name| without_keys(name)).collect();
    match names.len().saturating_sub(MAX_NAMES) {
        0 => some.join(", "),
        more => format!("{} and {more} more", some.join(", ")),
    }
}
