//! Which key is replaced, and whether the family is this rotation's at all.

use jiff::Timestamp;

use crate::rotation::clock::{CLOCK_MARGIN, earlier, later};
use crate::rotation::lease::Naming;
use crate::rotation::model::{Held, KeyId, KeyKind, KeyRow};
use crate::rotation::name::{FamilyName, was_taken_back};
use crate::rotation::plan::observation::{SeenTarget, commit};
use crate::rotation::plan::{Blocked, Situation};

const NAME_IT: &str = "set replace-key-id to the id of the live key that the targets hold now; if they hold a dead one, \
                       make a key by hand, store it there and name that";
const EMPTY: &str = "no target holds a secret: leave replace-key-id out to make the first key, or store a live key there by \
                     hand and set replace-key-id to its id";

impl<'a> Situation<'a> {
    /// The key being replaced; `Ok(None)` means that this is the first key.
    pub(in crate::rotation) fn current(&self, notices: &mut Vec<String>) -> Result<Option<&'a KeyRow>, Blocked> {
        if self.family.all().chain(self.family.ended).any(|row| row.created_at.is_none()) {
            return Err(Blocked::listing(
                "the issuer does not show when a key of this family was made",
                "the age of a key decides what may be deleted; delete or rename that key by hand",
            ));
        }
        let named = self.named()?;
        let held = self.seen.held.as_ref().and_then(|held| held.is.as_ref());
        match (self.naming, self.family.current()) {
            (Naming::Immutable, _) if named.is_some() => {}
            // A dead key says whose the family is, unless a living one is said to have followed it.
            (_, Some(current)) if self.family.has_ended(&current.id) && self.follows(named) => {}
            (_, Some(current)) => {
                if let Some(replace) = &self.policy.replace_key_id
                    && *replace != current.id
                {
                    notices.push(format!(
                        "replace-key-id {replace} is ignored: {} has replaced it. The input can be removed",
                        current.name
                    ));
                }
                return self.family_current(current, held).map(Some);
            }
            _ => {}
        }
        match (named, held) {
            (Some(named), Some(held)) if named.id != *held && !self.family.has(held) => Err(Blocked::listing(
                format!("current-key is the key {held}, replace-key-id says {}", named.id),
                "correct one of the two, or leave one out",
            )),
            (Some(named), _) => self.adoptable(named, true).map(Some),
            (None, Some(held)) => self.held_current(held).and_then(|row| self.adoptable(row, false)).map(Some),
            (None, None) => self.first().map(|()| None),
        }
    }

    /// Whether a live key is named that was made by hand, or was when it was adopted.
    fn follows(&self, named: Option<&KeyRow>) -> bool {
        named.is_some_and(|row| !self.family.has(&row.id) || self.family.is_confirmed(&row.id))
    }

    /// A key outside the family is not brought into it beside live keys that may be another repository's: the rotation
    /// would retire them. Nor, unless a person `named` it, beside dead ones: that repository would go on with ours.
    fn adoptable(&self, row: &'a KeyRow, named: bool) -> Result<&'a KeyRow, Blocked> {
        if let Some(blocked) = self.of_another_family(row, named) {
            return Err(blocked);
        }
        let nobodys = self.family.all().next().is_none() && (named || self.family.dead.is_empty());
        if nobodys || self.family.has(&row.id) || self.naming == Naming::Immutable || self.wrote_a_target() {
            return Ok(row);
        }
        Err(Blocked::listing(
            format!("the family {:?} has keys, and none of the targets was written with one", self.policy.key_name),
            match self.family.ended {
                Some(ended) => format!(
                    "another repository probably uses the same key-name: choose another one here. If {} was this \
                     rotation's key, set replace-key-id to {}",
                    ended.name, ended.id
                ),
                None => "another repository probably uses the same key-name: choose another one here. If nothing uses \
                         those keys, delete them by hand"
                    .to_owned(),
            },
        ))
    }

    fn live_row(&self, id: &KeyId) -> Option<&'a KeyRow> {
        self.seen.live().into_iter().find(|row| row.id == *id)
    }

    /// The key outside the family that `replace-key-id` names beside a family: whether the issuer renames decides
    /// which of them is current.
    pub(super) fn doubtful_renames(&self) -> Option<KeyId> {
        let named = self.policy.replace_key_id.as_ref().and_then(|id| self.live_row(id))?;
        let doubtful =
            self.naming == Naming::Renaming && self.family.current().is_some() && !self.family.has(&named.id);
        doubtful.then(|| named.id.clone())
    }

    /// The live regular key that `replace-key-id` names, where it still matters.
    fn named(&self) -> Result<Option<&'a KeyRow>, Blocked> {
        let Some(id) = &self.policy.replace_key_id else { return Ok(None) };
        if let Some(row) = self.live_row(id) {
            return Ok(Some(row));
        }
        // The run that replaced it may have died before its commit.
        let begun = self.of_dead_runs().next().is_some();
        if self.family.current().is_some() || (begun && self.no_foreign_secret()) {
            return Ok(None);
        }
        let why = match self.seen.row(id) {
            None => "is not in the issuer's list",
            Some(row) if row.disabled => "is disabled",
            Some(row) if row.kind == KeyKind::Management => "is a management key",
            Some(_) => "has expired",
        };
        let is_empty = self.seen.targets.iter().all(|target| target.held == Held::Nothing);
        Err(match is_empty {
            true => Blocked::listing(format!("replace-key-id {id} {why}"), EMPTY),
            false => self.naming(Blocked::listing(format!("replace-key-id {id} {why}"), NAME_IT)),
        })
    }

    fn family_current(&self, current: &'a KeyRow, held: Option<&KeyId>) -> Result<&'a KeyRow, Blocked> {
        if let Some(held) = held.filter(|held| !self.family.has(held))
            && self.live_row(held).is_some()
        {
            return Err(self.not_of_the_family(held, current));
        }
        match self.is_ours(current, held) {
            true => Ok(current),
            false if self.seen.targets.iter().all(|target| target.last_write.is_none()) => {
                Err(self.held_nowhere(current))
            }
            false => Err(self.not_ours(current)),
        }
    }

    fn not_of_the_family(&self, held: &KeyId, current: &KeyRow) -> Blocked {
        let ended = if self.family.has_ended(&current.id) { ", which is dead" } else { "" };
        let name = &current.name;
        let next = if self.wrote_a_target() && ended.is_empty() {
            format!(
                "check that key-name and current-key belong together. If a target holds {name}, leave current-key out to \
                 replace that key in every target; {held} is not retired then"
            )
        } else if self.policy.replace_key_id.as_ref() == Some(held) {
            format!(
                "check that key-name and current-key belong together. If nothing uses the family's current key \
                 {name}{ended}, delete it by hand: then {held} is replaced"
            )
        } else {
            format!(
                "the family's current key is {name}{ended}: check that key-name and current-key belong together. If they \
                 do, set replace-key-id to {held}"
            )
        };
        Blocked::listing(
            format!("current-key is the live key {held}, which is not of the family {:?}", self.policy.key_name),
            next,
        )
    }

    /// At least one target was last written while a key of the family was being deployed. Keys of dead runs count too:
    /// one that died between its last write and its commit leaves no target written for a confirmed key.
    fn is_ours(&self, current: &KeyRow, held: Option<&KeyId>) -> bool {
        if self.policy.replace_key_id.as_ref() == Some(&current.id) {
            return true;
        }
        self.put_back_unseen(current, held) || self.adopted_by_value(current, held) || self.wrote_a_target()
    }

    /// A hand-made key was brought into the family because its value was in hand, and the run ended before it wrote: the
    /// targets were written by the person who made it, some time before its new name.
    fn adopted_by_value(&self, current: &KeyRow, held: Option<&KeyId>) -> bool {
        let (Some(created), Some(renamed)) = (current.created_at, commit(current)) else { return false };
        let in_hand = held == Some(&current.id) && self.policy.replace_key_id.is_none();
        let (from, to) = (earlier(created, CLOCK_MARGIN), later(renamed, CLOCK_MARGIN));
        in_hand && self.seen.targets.iter().filter_map(|target| target.last_write).any(|at| from <= at && at <= to)
    }

    fn wrote_a_target(&self) -> bool {
        let written = |target: &SeenTarget| target.last_write.or(target.ended);
        let by_time = |target: &SeenTarget| written(target).is_some_and(|at| self.deployed_at(at).is_some());
        let by_value = |target: &SeenTarget| {
            let id = target.contents.value.as_ref().and_then(|value| self.key_of(value));
            id.and_then(|id| self.seen.row(&id)).is_some_and(|row| self.is_family(row))
        };
        self.seen.targets.iter().any(|target| by_time(target) || by_value(target))
    }

    /// The value in hand is a key of the family, and putting it back may have left no trace. That moves a target's last
    /// write past every window and only a dated rename tells of it, which not every issuer makes: one that ignores
    /// renames is found out behind this decision.
    fn put_back_unseen(&self, current: &KeyRow, held: Option<&KeyId>) -> bool {
        let Some(held) = held else { return false };
        let renamed = current.updated_at.is_some_and(|at| Some(at) > current.created_at);
        match self.naming {
            Naming::Immutable => self.family.has(held),
            Naming::Renaming => *held == current.id && !renamed,
        }
    }

    /// When some run wrote a key to targets: soon after it was made, and shortly before it was committed, which it may be
    /// twice, the second time after it was put back. Its whole life in between says nothing: another repository's
    /// secret may have been written then.
    pub(super) fn deployments(&self, row: &KeyRow) -> Option<Vec<(Timestamp, Timestamp)>> {
        let created = row.created_at?;
        let lease = 2 * self.policy.request_timeout;
        let long = self.policy.verify_timeout + lease;
        let making = (created, later(created, long));
        let committing = match self.naming {
            Naming::Renaming if self.family.is_confirmed(&row.id) => commit(row).map(|at| (earlier(at, long), at)),
            Naming::Renaming => commit(row).map(|at| (earlier(at, long), later(at, lease))),
            Naming::Immutable => None,
        };
        // The row of a key that was switched off was changed last by that.
        let committing = committing.filter(|_| !row.disabled).map(|(from, to)| (from.max(created), to));
        let margin = |(from, to)| (earlier(from, CLOCK_MARGIN), later(to, CLOCK_MARGIN));
        Some(std::iter::once(making).chain(committing).map(margin).collect())
    }

    fn not_ours(&self, current: &KeyRow) -> Blocked {
        Blocked::listing(
            format!(
                "none of the targets was last written when a key of the family {:?} was deployed",
                self.policy.key_name
            ),
            format!(
                "another repository probably uses the same key-name: choose another one here. If {} really is this \
                 rotation's key, set replace-key-id to {}",
                current.name, current.id
            ),
        )
    }

    fn held_current(&self, held: &KeyId) -> Result<&'a KeyRow, Blocked> {
        let Some(row) = self.live_row(held) else { return Err(self.none_found()) };
        if was_taken_back(&row.name) {
            return Err(Blocked::listing(
                format!("current-key is {} ({held}), which a person has taken back from keyrotor", row.name),
                format!("leave current-key out; if the targets do hold that key, set replace-key-id to {held}"),
            ));
        }
        if self.naming == Naming::Immutable {
            return Err(Blocked::listing(
                "this issuer can't rename keys, so current-key alone does not say which key to replace",
                format!("set replace-key-id to {held}; it is ignored once that key has been replaced"),
            )
            .needing("replace-key-id", held.to_string(), ""));
        }
        Ok(row)
    }

    /// No key to replace: that is only right before anything was ever deployed, or after a first run that died.
    fn first(&self) -> Result<(), Blocked> {
        let begun = self.of_dead_runs().next().is_some();
        if self.no_foreign_secret() && (self.policy.current_key.is_none() || begun) {
            return Ok(());
        }
        Err(self.none_found())
    }

    /// Every target that holds the secret was last written after an unconfirmed key of the family was made, or by the run
    /// that made a dead one.
    fn no_foreign_secret(&self) -> bool {
        let oldest = self.family.unconfirmed.iter().filter_map(|row| row.created_at).min();
        let dead: Vec<_> = self.of_dead_runs().filter_map(|row| self.deployments(row)).flatten().collect();
        self.seen.targets.iter().filter_map(|target| target.last_write).all(|at| {
            oldest.is_some_and(|made| at >= earlier(made, CLOCK_MARGIN))
                || dead.iter().any(|(from, to)| *from <= at && at <= *to)
        })
    }

    /// Keys that some run made and did not commit, dead or alive.
    pub(super) fn of_dead_runs(&self) -> impl Iterator<Item = &'a KeyRow> + '_ {
        self.family.unconfirmed.iter().chain(&self.family.dead).copied().filter(move |row| !self.is_committed(row))
    }

    /// Whether the name of a key says that its run committed it.
    pub(super) fn is_committed(&self, row: &KeyRow) -> bool {
        FamilyName::parse(&self.policy.key_name, &row.name).is_some_and(|name| name.is_confirmed())
    }

    fn none_found(&self) -> Blocked {
        let holding: Vec<_> = self
            .seen
            .targets
            .iter()
            .filter(|target| target.last_write.is_some())
            .map(|target| target.name.as_str())
            .take(3)
            .collect();
        let what = match (&self.policy.current_key, holding.as_slice()) {
            (Some(_), _) => "current-key can't be matched to any live key in the issuer's list".to_owned(),
            (None, names) => format!(
                "{} already holds a secret, but the family {:?} has no key and none was named",
                names.join(", "),
                self.policy.key_name
            ),
        };
        self.naming(Blocked::listing(what, NAME_IT))
    }

    /// Asks for the key by its id: the one that it can only be, or one of those that are listed.
    fn naming(&self, blocked: Blocked) -> Blocked {
        let regular = self.seen.live().into_iter().filter(|row| row.kind != KeyKind::Management);
        match regular.collect::<Vec<_>>().as_slice() {
            [] => blocked,
            [only] => blocked.needing("replace-key-id", only.id.to_string(), "if the targets hold this key"),
            _ => blocked.needing("replace-key-id", "KEY-ID", "the id of the key that the targets hold"),
        }
    }
}
