//! Replaced keys that are still alive: may they be retired?

use std::time::Duration;

use jiff::Timestamp;

use crate::humanize::span;
use crate::rotation::clock::{CLOCK_MARGIN, SAME_WRITE_MARGIN, between, earlier, later};
use crate::rotation::model::{KeyId, KeyRow};
use crate::rotation::plan::Rotate;
use crate::rotation::plan::observation::{Family, Observation, at_latest_until, commit};
use crate::rotation::policy::{Policy, Retire};

/// Use is looked at over this time at the most.
const USE_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// The issuer counts what was spent from midnight UTC on.
const DAY_IN_SECONDS: i64 = 24 * 60 * 60;

/// So many links are told.
const MAX_LINKS: usize = 20;

/// Links as a person reads them, not too many.
#[must_use]
pub fn links(all: &[String]) -> String {
    let shown: Vec<&str> = all.iter().take(MAX_LINKS).map(String::as_str).collect();
    match all.len().saturating_sub(MAX_LINKS) {
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
    /// No grace is stated, and it was used too lately to retire it before then.
    UsedLately {
        /// When it was not used for long enough, if it is not used again.
        until: Timestamp,
        /// When it was used.
        used: String,
    },
    /// `retire: keep`.
    Kept,
    /// Its grace is over, but a target may not hold its successor: why it stays.
    Held(String),
    /// Its grace is over, and it is still used: when it last was.
    InUse(String),
}

impl Standing {
    /// Whether its time has not come yet.
    fn waits(&self) -> bool {
        matches!(self, Self::InGrace(_) | Self::Draining { .. } | Self::UsedLately { .. })
    }
}

impl Pending {
    /// Why it stays alive, where the inputs do not say so.
    #[must_use]
    pub fn notice(&self, policy: &Policy) -> Option<String> {
        let key = format!("{} ({})", self.name, self.id);
        Some(match &self.standing {
            Standing::Draining { waits_for, .. } => {
                format!("{key} stays alive until what began before it was replaced is over: {}", links(waits_for))
            }
            Standing::InGrace(until) if policy.keeps_promises() => format!(
                "{key} stays alive until {until}, since an earlier run replaced it and this run states no grace-period; \
                 set grace-period to 0s to retire it now"
            ),
            Standing::UsedLately { used, .. } => format!(
                "{key} stays alive until it was not used for 24 h: {used}; find out what still uses it, or set \
                 grace-period to 0s to retire it all the same"
            ),
            _ => return None,
        })
    }
}

impl Rotate {
    /// The same rotation, which leaves alone what earlier runs replaced and whose time has not come.
    pub(super) fn sparing(mut self, pending: &[Pending]) -> Self {
        let waits = |id: &KeyId| pending.iter().any(|key| key.id == *id && key.standing.waits());
        self.others_wait = pending.iter().any(|key| key.standing.waits());
        self.replaces.retain(|id| !waits(id));
        self
    }
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
    if let Some(waits) = waits(seen, row, replaced, policy) {
        return waits;
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

/// What a key waits for that was replaced then, if for anything.
fn waits(seen: &Observation, row: &KeyRow, replaced: Timestamp, policy: &Policy) -> Option<Standing> {
    let until = later(replaced, policy.grace_of_earlier());
    if policy.keeps_promises() {
        return promised(row, until, seen.now());
    }
    if seen.now() >= until {
        return None;
    }
    let until = at_latest_until(row, until);
    match still_using(seen, replaced).filter(|_| policy.drains()) {
        None => Some(Standing::InGrace(until)),
        Some(Err(reason)) => Some(Standing::Held(reason)),
        Some(Ok(waits_for)) if !waits_for.is_empty() => Some(Standing::Draining { until, waits_for }),
        Some(Ok(_)) => in_use(row, seen.now(), policy)
            .map(|used| Standing::Draining { until, waits_for: vec![format!("whatever uses it: {used}")] }),
    }
}

/// What a key waits for where no grace is stated: the run that replaced it may have promised it one until then, and whoever
/// relied on that may still use the key.
fn promised(row: &KeyRow, until: Timestamp, now: Timestamp) -> Option<Standing> {
    match used_within(row, now, USE_WINDOW) {
        Some((used, quiet)) if quiet > until => Some(Standing::UsedLately { until: at_latest_until(row, quiet), used }),
        _ => (now < until).then(|| Standing::InGrace(at_latest_until(row, until))),
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

/// What shows that a key was used too lately to retire it.
fn in_use(row: &KeyRow, now: Timestamp, policy: &Policy) -> Option<String> {
    let window = policy.grace().min(USE_WINDOW);
    used_within(row, now, window).map(|(used, _)| used)
}

/// What shows that a key was used within so long before now, and when that will be over.
fn used_within(row: &KeyRow, now: Timestamp, window: Duration) -> Option<(String, Timestamp)> {
    if window.is_zero() {
        return None;
    }
    match (row.last_used_at, row.usage_daily) {
        (Some(used), _) if between(used, now) < window => {
            let told = format!("it was last used at {used}, {} ago", span(between(used, now)));
            Some((told, later(used, window)))
        }
        (None, Some(usd)) if usd > 0.0 => {
            Some((format!("{usd} USD were spent with it since midnight UTC"), midnight_after(now)))
        }
        _ => None,
    }
}

/// The next midnight UTC.
fn midnight_after(now: Timestamp) -> Timestamp {
    let day = now.as_second().div_euclid(DAY_IN_SECONDS).saturating_add(1);
    Timestamp::from_second(day.saturating_mul(DAY_IN_SECONDS)).unwrap_or(Timestamp::MAX)
}
