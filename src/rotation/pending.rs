//! Replaced keys that are still alive: may they be retired?

use std::time::Duration;

use jiff::Timestamp;

use crate::rotation::clock::{CLOCK_MARGIN, SAME_WRITE_MARGIN, between, earlier, later, span};
use crate::rotation::observation::{Family, Observation, at_latest_until, commit};
use crate::rotation::policy::{Policy, Retire};
use crate::rotation::port::{KeyId, KeyRow};

/// Use is looked at over this time at the most.
const USE_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// So many links are told.
const MOST_LINKS: usize = 20;

/// Links as a person reads them, not too many.
#[must_use]
pub fn links(all: &[String]) -> String {
    let shown: Vec<&str> = all.iter().take(MOST_LINKS).map(String::as_str).collect();
    match all.len().saturating_sub(MOST_LINKS) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// A replaced key that is still alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Which.
    pub id: KeyId,
    /// Its name.
    pub name: String,
    /// Whether it may go.
    pub standing: Standing,
}

/// Whether a pending key may be retired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its grace is over and nothing speaks against it.
    Past,
    /// Its grace lasts until then.
    InGrace(Timestamp),
    /// Its grace lasts as long as this is unfinished, which may use it, and until then at the most.
    Draining {
        /// When the grace is over in any case.
        until: Timestamp,
        /// Links.
        waits_for: Vec<String>,
    },
    /// `retire: keep`.
    Kept,
    /// Its grace is over, but a target may not hold its successor: why it stays.
    Held(String),
    /// Its grace is over, and it is still used: when it last was.
    InUse(String),
}

/// How each pending key stands, oldest first.
#[must_use]
pub fn standing(seen: &Observation, family: &Family<'_>, policy: &Policy) -> Vec<Pending> {
    let hold = hold(seen, family);
    let Some(current) = family.current() else { return Vec::new() };
    let committed: Vec<_> = family.committed().collect();
    let newer = |nth: usize| committed.get(nth + 1..).unwrap_or_default();
    let pending = committed.iter().enumerate().filter_map(|(nth, row)| {
        let successor = successor(row, newer(nth), policy)?;
        let standing = one(seen, [row, successor, current], policy, hold.as_deref());
        Some(Pending { id: row.id.clone(), name: row.name.clone(), standing })
    });
    pending.collect()
}

/// The key whose commit replaced this one. Of two that were made at about the same time nobody can say which was in the
/// targets last, so that none of them replaced the other.
fn successor<'a>(row: &KeyRow, newer: &[&'a KeyRow], policy: &Policy) -> Option<&'a KeyRow> {
    newer.iter().find(|newer| !deployed_together(row, newer, policy)).or(newer.last()).copied()
}

fn one(seen: &Observation, [row, successor, current]: [&KeyRow; 3], policy: &Policy, hold: Option<&str>) -> Standing {
    if policy.retire() == Retire::Keep {
        return Standing::Kept;
    }
    let Some(replaced) = commit(successor) else {
        return Standing::Held("the issuer does not show when it was replaced".to_owned());
    };
    let until = later(replaced, policy.grace());
    if seen.now() < until {
        match still_using(seen, replaced).filter(|_| policy.drains()) {
            None => return Standing::InGrace(at_latest_until(row, until)),
            Some(Err(reason)) => return Standing::Held(reason),
            Some(Ok(waits_for)) if !waits_for.is_empty() => {
                return Standing::Draining { until: at_latest_until(row, until), waits_for };
            }
            Some(Ok(_)) => {
                if let Some(used) = in_use(row, seen.now(), policy) {
                    let waits_for = vec![format!("whatever uses it: {used}")];
                    return Standing::Draining { until: at_latest_until(row, until), waits_for };
                }
            }
        }
    }
    if let Some(reason) = hold {
        return Standing::Held(reason.to_owned());
    }
    if deployed_together(row, current, policy) {
        return Standing::Held(
            "it and the current key were made at about the same time: a target may hold either".into(),
        );
    }
    if let Some(target) = not_since(seen, row, current) {
        return Standing::Held(format!("{target} was last written when this key itself was deployed"));
    }
    match in_use(row, seen.now(), policy) {
        Some(used) => Standing::InUse(format!("it is still in use: {used}")),
        None => Standing::Past,
    }
}

/// A target that was not written since a replaced key was deployed, although the current one was made later: it holds that
/// key, or an older one.
pub(super) fn not_since<'a>(seen: &'a Observation, replaced: &KeyRow, current: &KeyRow) -> Option<&'a str> {
    let until = later(commit(replaced)?, SAME_WRITE_MARGIN);
    if current.created_at? < until {
        return None;
    }
    let target = seen.targets.iter().find(|target| target.last_write.is_some_and(|at| at < until))?;
    Some(&target.name)
}

/// What is unfinished at the targets and began before a key that was replaced then was out of all of them, or why that
/// can't be told. `None` where nobody asked late enough to see all of it.
fn still_using(seen: &Observation, replaced: Timestamp) -> Option<Result<Vec<String>, String>> {
    let cut = later(replaced, CLOCK_MARGIN);
    if seen.use_asked? < cut {
        return None;
    }
    let mut found = Vec::new();
    for target in &seen.targets {
        let cut = seen.clock.translate_latest(cut, &target.clock);
        match target.in_use.as_ref()? {
            Err(reason) => return Some(Err(reason.clone())),
            Ok(unfinished) => found.extend(
                unfinished.iter().filter(|it| it.began.is_none_or(|began| began < cut)).map(|it| it.what.clone()),
            ),
        }
    }
    found.sort();
    found.dedup();
    Some(Ok(found))
}

/// Why no pending key may go: some target may not hold the current key.
fn hold(seen: &Observation, family: &Family<'_>) -> Option<String> {
    if !family.unconfirmed.is_empty() {
        return Some("an earlier run did not finish, so that a target may hold any key of the family".to_owned());
    }
    if family.ended.is_some() {
        return Some("the current key is dead, so that a target may have been given another by hand".to_owned());
    }
    let from = earlier(family.current()?.created_at?, SAME_WRITE_MARGIN);
    let to = later(family.newest_commit()?, SAME_WRITE_MARGIN);
    seen.targets.iter().find_map(|target| match (target.last_write, target.last_write_at_latest) {
        (Some(at), _) if at < from => Some(format!("{} was last written before the current key was made", target.name)),
        (Some(at), _) if at > to => {
            Some(format!("{} was written at {at}, after the current key was deployed", target.name))
        }
        (Some(_), Some(latest)) if latest > to => {
            Some(format!("answers took too long to tell whether {} was written after the current key", target.name))
        }
        (Some(_), Some(_)) => None,
        _ => Some(format!("{} does not hold the secret", target.name)),
    })
}

/// Two runs that did not see each other leave two keys of which nobody can say which one a target holds.
pub(super) fn deployed_together(row: &KeyRow, current: &KeyRow, policy: &Policy) -> bool {
    let lease = 2 * policy.request_timeout;
    match (row.created_at, current.created_at) {
        (Some(row), Some(current)) => current <= later(row, lease),
        _ => true,
    }
}

/// What shows that a key was used lately.
fn in_use(row: &KeyRow, now: Timestamp, policy: &Policy) -> Option<String> {
    let window = policy.grace().min(USE_WINDOW);
    if window.is_zero() || policy.leaked {
        return None;
    }
    match (row.last_used_at, row.usage_daily) {
        (Some(used), _) if between(used, now) < window => {
            Some(format!("it was last used at {used}, {} ago", span(between(used, now))))
        }
        (None, Some(usd)) if usd > 0.0 => Some(format!("{usd} USD were spent with it since midnight UTC")),
        _ => None,
    }
}
