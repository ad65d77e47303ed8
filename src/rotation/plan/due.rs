//! Whether a new key is due, and what a run that makes none should tell a person.

use std::time::Duration;

use jiff::Timestamp;

use crate::humanize::span;
use crate::rotation::clock::{CLOCK_MARGIN, SAME_WRITE_MARGIN, between, earlier, later};
use crate::rotation::lease::Naming;
use crate::rotation::model::KeyRow;
use crate::rotation::plan::observation::{commit, has_expired};
use crate::rotation::plan::pending::{Pending, Standing, deployed_together, not_since};
use crate::rotation::plan::{Blocked, Situation};

/// With more unconfirmed keys than this something keeps failing: at most one new key a day then.
const MANY_UNCONFIRMED: usize = 5;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Situation<'_> {
    /// The targets whose value is deleted by the place itself before the next rotation.
    pub(super) fn ends_too_soon(&self, current: Option<&KeyRow>) -> Vec<String> {
        let due = current.and_then(|current| current.created_at).map(|made| later(made, self.policy.rotate_after));
        let ends = self.seen.targets.iter().filter_map(|target| {
            let at = target.contents.ends?;
            due.is_some_and(|due| target.clock.translate(at, &self.seen.clock) < due).then_some((&target.name, at))
        });
        let told = |(name, at)| {
            format!("{name}: its value is deleted there at {at}, before the next rotation is due: lower rotate-after")
        };
        ends.map(told).collect()
    }

    /// Why a new key is due, if it is.
    pub(in crate::rotation) fn due(&self, current: Option<&KeyRow>) -> Option<String> {
        let Some(current) = current else { return Some("this is the first key".to_owned()) };
        let Some(made) = current.created_at else {
            return Some("the issuer does not show how old the current key is".to_owned());
        };
        let now = self.seen.now();
        let age = between(made, now);
        let target = |pick: &dyn Fn(Option<Timestamp>) -> bool| {
            self.seen.targets.iter().find(|target| pick(target.last_write)).map(|target| target.name.as_str())
        };
        if self.policy.leaked && self.would_end_the_leak(current) {
            return Some("the key has leaked".to_owned());
        }
        if !self.family.unconfirmed.is_empty() {
            return Some("an earlier run did not finish".to_owned());
        }
        if self.family.has_ended(&current.id) {
            let what = if has_expired(current, now) { "has expired" } else { "is disabled" };
            return Some(format!("the current key {what}"));
        }
        if self.naming == Naming::Immutable && self.policy.replace_key_id.as_ref() == Some(&current.id) {
            return Some("the key named by replace-key-id is still alive".to_owned());
        }
        if self.naming == Naming::Immutable && self.family.confirmed.len() > 1 {
            return Some("the family has more than one live key".to_owned());
        }
        if age >= self.policy.rotate_after {
            return Some(format!("the current key is {} old", span(age)));
        }
        if let Some(name) = target(&|at| at.is_none()) {
            return Some(format!("{name} does not hold the secret yet"));
        }
        let early = target(&|at| at.is_some_and(|at| at < earlier(made, CLOCK_MARGIN)));
        let holds_another = || {
            let dead = self.family.dead.iter().copied().filter(|row| self.is_committed(row));
            let mut older = self.family.committed().chain(dead);
            older.find_map(|row| not_since(self.seen, row, current).filter(|_| row.id != current.id))
        };
        if let Some(name) = early.or_else(|| (self.naming == Naming::Renaming).then(holds_another).flatten()) {
            return Some(format!("{name} was last written before the current key was made"));
        }
        if let Some(dead) = self.dead_since(current) {
            return Some(format!("{} is dead, and a target may hold it", dead.name));
        }
        match current.rights.expires_at {
            Some(Some(end)) if between(now, end) < between(made, end) / 5 => {
                Some(format!("the current key expires in {}", span(between(now, end))))
            }
            _ => None,
        }
    }

    /// Of keys that were found elsewhere one has to be alive and of this family: to replace another helps nobody.
    fn would_end_the_leak(&self, current: &KeyRow) -> bool {
        let exposed = &self.policy.exposed;
        let is_one = |row: &KeyRow| exposed.contains_key(&row.id);
        exposed.is_empty() || is_one(current) || self.family.all().any(is_one)
    }

    /// A dead key that was made no more than a lease before the current one: a run that did not finish, or one beside another,
    /// may have left it in a target.
    fn dead_since(&self, current: &KeyRow) -> Option<&KeyRow> {
        let others = |row: &&&KeyRow| row.id != current.id && row.created_at.is_some();
        let mut dead = self.family.dead.iter().filter(|_| self.naming == Naming::Renaming).filter(others);
        dead.find(|row| deployed_together(row, current, self.policy)).copied()
    }

    pub(super) fn rest_reason(&self, current: Option<&KeyRow>) -> String {
        let age = current.and_then(|row| row.created_at).map(|made| between(made, self.seen.now())).unwrap_or_default();
        format!("the current key is {} old; it is replaced after {}", span(age), span(self.policy.rotate_after))
    }

    /// What a run that does not rotate can't settle: secrets that someone else wrote, pending keys that are held.
    pub(super) fn drifted(&self, pending: &[Pending]) -> Vec<Blocked> {
        let mut found = Vec::new();
        let held = self.seen.held.as_ref().and_then(|held| held.is.as_ref());
        let undated = |row: &&KeyRow| self.naming == Naming::Immutable || row.updated_at.is_none();
        let known = self.family.current().filter(undated).is_some_and(|row| held == Some(&row.id));
        let newest = match self.naming {
            Naming::Renaming => self.family.current().and_then(|row| {
                // Whoever made the key by hand wrote it some time later, and not every issuer dates a rename.
                let made = row.created_at.map(|made| later(made, SAME_WRITE_MARGIN));
                let renamed = row.updated_at.is_some_and(|at| Some(at) > made);
                let margin = if renamed { SAME_WRITE_MARGIN } else { CLOCK_MARGIN };
                commit(row).map(|at| later(at, margin))
            }),
            Naming::Immutable => self.family.current().and_then(|row| self.deployments(row)?.pop()).map(|(_, end)| end),
        };
        for target in &self.seen.targets {
            if let (Some(at), Some(newest)) = (target.last_write, newest)
                && earlier(at, target.clock.took()) > newest
                && !known
            {
                found.push(Blocked::new(
                    format!("{} was written at {at}, after the current key was deployed", target.name),
                    "someone else wrote it: find out what it holds, then run once with rotate-after: 0s",
                ));
            }
        }
        for key in pending {
            let (Standing::Held(reason) | Standing::InUse(reason)) = &key.standing else { continue };
            found.push(Blocked::new(
                format!("{} ({}) is past its grace and was not retired: {reason}", key.name, key.id),
                match &key.standing {
                    Standing::InUse(_) => "find out what still uses it; the next run looks again",
                    _ => "the next run looks again; delete it by hand if you know that nothing uses it",
                },
            ));
        }
        found
    }

    /// Something keeps failing: no more keys for now.
    pub(super) fn too_many(&self) -> Option<Blocked> {
        let unfinished = match self.naming {
            Naming::Renaming => self.family.unconfirmed.len(),
            // Names do not say which one is deployed; all but one are left over.
            Naming::Immutable => self.family.all().count().saturating_sub(1),
        };
        let left_over =
            self.family.all().filter(|row| self.naming == Naming::Immutable || !self.family.is_confirmed(&row.id));
        let newest = left_over.filter_map(|row| row.created_at).max()?;
        let recent = between(newest, self.seen.now()) < DAY;
        (unfinished > MANY_UNCONFIRMED && recent).then(|| {
            Blocked::new(
                format!("{unfinished} earlier runs made a key and did not finish"),
                "fix the errors that they reported; until then at most one new key a day is made",
            )
        })
    }
}
