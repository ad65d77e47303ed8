//! The audit: a key list and a criteria to findings. Pure: nothing is asked or changed here.
//!
//! One file for each question: [`Rule`] names what is looked for, `checks` holds one function for each rule, `family`
//! tells which keys belong together, `last_use` what is known of a key's use; `prune` which keys may go.

mod checks;
pub(crate) mod execute;
mod family;
mod last_use;
mod outcome;
pub mod prune;
mod rule;

use std::collections::{BTreeSet, HashSet};
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;

pub use self::family::{Membership, Role};
pub use self::last_use::LastUse;
pub use self::outcome::{Audit, AuditStatus, AuditedAccount, FailOn};
pub use self::rule::{Level, Rule};
use crate::rotation::model::{KeyId, KeyKind, KeyRow, Listing};

/// What the judgement depends on beside the keys.
#[derive(Clone, Debug)]
pub struct Criteria {
    /// Older keys are reported.
    pub old_after: Duration,
    /// Keys unused for longer are reported.
    pub unused_after: Duration,
}

/// A rotation of the config file, as far as an audit looks at it.
#[derive(Clone, Debug, Default)]
pub struct Rotation {
    /// The family.
    pub key_name: String,
    /// Where its current key is written, as the user wrote it.
    pub targets: Vec<String>,
    /// The deployment environments among them.
    pub environments: BTreeSet<String>,
    /// The age at which its key is rotated; `None`: whenever it runs.
    pub rotate_after: Option<Duration>,
    /// How long a replaced key may stay alive; `None`: as long as nobody deletes it.
    pub grace: Option<Duration>,
    /// The hand-made key that it is to replace.
    pub replaces: Option<KeyId>,
    /// Its line in the file.
    pub line: u64,
}

/// Whether a key works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It works.
    Live,
    /// It was switched off.
    Disabled,
    /// Its time is over.
    Expired,
}

/// One key and what is known of it.
#[derive(Clone, Debug)]
pub struct AuditedKey {
    /// As the issuer lists it.
    pub row: KeyRow,
    /// Whether it works.
    pub state: State,
    /// How old it is, where the issuer shows that.
    pub age: Option<Duration>,
    /// When it was last used.
    pub last_use: LastUse,
    /// The family that its name puts it into.
    pub family: Option<Membership>,
    /// The targets that hold it, as far as the config file and its name tell.
    pub targets: Vec<String>,
}

impl AuditedKey {
    /// A key that calls models and works.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.state == State::Live && self.row.kind == KeyKind::Regular
    }
}

/// Something that should be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked for.
    pub rule: Rule,
    /// How much it matters.
    pub level: Level,
    /// The key that it is about, with its name.
    pub key: Option<Rc<(KeyId, String)>>,
    /// The rotation of the config file that it is about: name and line.
    pub rotation: Option<(String, u64)>,
    /// What was found.
    pub reason: Rc<str>,
    /// What to do.
    pub advice: Rc<str>,
}

/// The texts of many findings: those that are the same are kept once.
#[derive(Default)]
pub(crate) struct Texts(HashSet<Rc<str>>);

impl Texts {
    /// The text, or the same one that was there before.
    pub(crate) fn shared(&mut self, text: Rc<str>) -> Rc<str> {
        if let Some(known) = self.0.get(&text) {
            return Rc::clone(known);
        }
        self.0.insert(Rc::clone(&text));
        text
    }
}

/// One account's keys and findings, worst first.
#[derive(Clone, Debug, Default)]
pub struct Assessment {
    /// Every key of the list, oldest first.
    pub keys: Vec<AuditedKey>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// Live keys of which nothing tells whether they were used in the time that is looked at.
    pub not_judged: usize,
}

/// Judges one account's keys. `keyless`: the page that says how jobs do without one at its issuer.
#[must_use]
pub fn assess(
    listing: Listing,
    rotations: &[Rotation],
    criteria: &Criteria,
    keyless: Option<&'static str>,
) -> Assessment {
    let now = listing.date;
    let keys = describe(listing.keys, rotations, now);
    let names: Vec<_> = keys.iter().map(|key| Rc::new((key.row.id.clone(), key.row.name.clone()))).collect();
    let look = Look { keys: &keys, names: &names, rotations, criteria, keyless, now };
    let mut texts = Texts::default();
    let mut found = |finding: Finding| Finding {
        reason: texts.shared(finding.reason),
        advice: texts.shared(finding.advice),
        ..finding
    };
    let mut findings = Vec::new();
    for rule in Rule::ALL {
        checks::check(rule, &look, &mut |finding| findings.push(found(finding)));
    }
    findings.sort_by_key(|finding| finding.level);
    let untold = |key: &&AuditedKey| key.is_live() && !key.last_use.tells(&key.row, now, criteria.unused_after);
    let not_judged = keys.iter().filter(untold).count();
    Assessment { keys, findings, not_judged }
}

/// What every check is given.
struct Look<'a> {
    keys: &'a [AuditedKey],
    /// Their ids and names, in the same order, as findings share them.
    names: &'a [Rc<(KeyId, String)>],
    rotations: &'a [Rotation],
    criteria: &'a Criteria,
    /// The page that says how jobs do without a key.
    keyless: Option<&'static str>,
    /// The issuer's own clock.
    now: Timestamp,
}

fn describe(keys: Vec<KeyRow>, rotations: &[Rotation], now: Timestamp) -> Vec<AuditedKey> {
    let mut rows = keys;
    rows.sort_by(|a, b| (a.created_at, &a.name, &a.id).cmp(&(b.created_at, &b.name, &b.id)));
    let memberships = family::memberships(&rows, rotations, now);
    let shows_times = rows.iter().any(|row| row.last_used_at.is_some());
    let described = rows.into_iter().zip(memberships).map(|(row, family)| AuditedKey {
        state: state(&row, now),
        age: row.created_at.and_then(|made| Duration::try_from(now.duration_since(made)).ok()),
        last_use: LastUse::of(&row, now, shows_times),
        targets: family::targets(&row, family.as_ref(), rotations),
        family,
        row,
    });
    described.collect()
}

fn state(row: &KeyRow, now: Timestamp) -> State {
    if row.disabled {
        State::Disabled
    } else if matches!(row.rights.expires_at, Some(Some(end)) if end <= now) {
        State::Expired
    } else {
        State::Live
    }
}

#[cfg(test)]
mod tests;
