//! An audit in every form.

mod markdown;
mod rows;
mod sarif;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::Cleaner;
use crate::audit::prune::{Fate, How, Pruned};
use crate::audit::{Assessment, Audit, AuditedAccount, AuditedKey, Finding, Level, Membership};
use crate::humanize::whole_span;
use crate::rotation::model::{AllowList, KeyId, KeyRow, ShownRights};

pub(super) use self::markdown::markdown;
pub(super) use self::rows::AuditRows;
pub use self::sarif::sarif;
pub(super) use self::text::{sentence, text};

/// How many of each level: `2 errors, 1 warning`.
pub(super) fn counts(audit: &Audit) -> String {
    let findings = audit.findings();
    let of = |level: Level| match findings.iter().filter(|finding| finding.level == level).count() {
        0 => None,
        1 => Some(format!("1 {}", level.word())),
        many => Some(format!("{many} {}s", level.word())),
    };
    let counts: Vec<_> = Level::ALL.into_iter().filter_map(of).collect();
    if counts.is_empty() { "no findings".to_owned() } else { counts.join(", ") }
}

/// `1 key`, `12 keys`.
pub(super) fn key_count(audit: &Audit) -> String {
    match audit.accounts.iter().map(|account| account.assessment.keys.len()).sum() {
        1_usize => "1 key".to_owned(),
        many => format!("{many} keys"),
    }
}

/// What can't be told of some keys; `None` where everything can.
pub(super) fn not_judged(audit: &Audit) -> Option<String> {
    let keys = match count_not_judged(audit) {
        0 => return None,
        1 => "1 key".to_owned(),
        many => format!("{many} keys"),
    };
    Some(format!(
        "{keys} could not be judged as used or unused: no time of use is shown there, and amounts reach back to the 1st of \
         the month at most; `unused-after` is {}",
        whole_span(audit.criteria.unused_after)
    ))
}

fn count_not_judged(audit: &Audit) -> usize {
    audit.accounts.iter().map(|account| account.assessment.not_judged).sum()
}

/// What became of a key that was looked at for pruning.
pub(super) fn fate(fate: &Fate) -> String {
    match fate {
        Fate::Planned(How::Delete) => "would be deleted".to_owned(),
        Fate::Planned(How::Disable) => "would be switched off".to_owned(),
        Fate::Disabled => "switched off".to_owned(),
        Fate::Deleted => "deleted".to_owned(),
        Fate::Spared(why) => format!("not touched: {why}"),
        Fate::NotReached => "not touched: the run was told to stop".to_owned(),
        Fate::Failed(why) => format!("not for certain: {why}"),
    }
}

/// What to do next; never empty.
pub(super) fn next(audit: &Audit) -> String {
    let advice = audit.all_problems().find_map(|problem| problem.next.clone());
    let findings = audit.findings();
    match (advice, findings.first()) {
        (Some(advice), _) => advice,
        (None, _) if audit.all_problems().next().is_some() => "Fix the reported errors, then run it again.".to_owned(),
        (None, Some(worst)) if worst.level == Level::Note => {
            "Nothing urgent: the table says what could be better.".to_owned()
        }
        (None, Some(_)) => "Do what the table of findings says, from its top.".to_owned(),
        (None, None) => "Nothing.".to_owned(),
    }
}

impl Cleaner<'_> {
    /// An audit as it may be shown: as any text, and without what looks like a key, since a person may have named one so.
    pub(super) fn audit(&self, audit: Audit) -> Audit {
        let mut findings = FindingCleaner::new(self);
        Audit {
            accounts: audit.accounts.into_iter().map(|account| self.account(account, &mut findings)).collect(),
            problems: audit.problems.iter().map(|problem| self.problem(problem)).collect(),
            ..audit
        }
    }

    fn account(&self, account: AuditedAccount, findings: &mut FindingCleaner<'_>) -> AuditedAccount {
        let Assessment { keys, findings: found, not_judged } = account.assessment;
        AuditedAccount {
            issuer: self.name(&account.issuer),
            assessment: Assessment {
                keys: keys.into_iter().map(|key| self.audited(key, findings)).collect(),
                findings: found.into_iter().map(|finding| findings.clean(finding)).collect(),
                not_judged,
            },
            problems: account.problems.iter().map(|problem| self.problem(problem)).collect(),
            pruned: account.pruned.iter().map(|pruned| self.pruned(pruned)).collect(),
        }
    }

    fn pruned(&self, pruned: &Pruned) -> Pruned {
        let why = |why: &str| self.sentence(why);
        let fate = match &pruned.fate {
            Fate::Spared(reason) => Fate::Spared(why(reason)),
            Fate::Failed(reason) => Fate::Failed(why(reason)),
            other => other.clone(),
        };
        Pruned { id: KeyId(self.name(&pruned.id.0)), name: self.name(&pruned.name), fate }
    }

    fn audited(&self, key: AuditedKey, findings: &mut FindingCleaner<'_>) -> AuditedKey {
        let family = key.family.map(|member| Membership { family: findings.name(&member.family), ..member });
        let targets = key.targets.iter().map(|target| findings.name(target)).collect();
        AuditedKey { targets, family, row: listed(key.row, findings), ..key }
    }
}

/// A label may be anything: it is not shown. Nor is what nobody knows the sense of.
fn listed(row: KeyRow, clean: &mut FindingCleaner<'_>) -> KeyRow {
    let mut list = |list: Option<AllowList>| {
        list.map(|list| match list {
            AllowList::All => AllowList::All,
            AllowList::Only(names) => AllowList::Only(names.iter().map(|name| clean.name(name)).collect()),
        })
    };
    let (providers, models) = (list(row.rights.providers), list(row.rights.models));
    let rights = ShownRights { providers, models, other: BTreeMap::new(), ..row.rights };
    let key = clean.key(Rc::new((row.id, row.name)));
    let (id, name) = (*key).clone();
    KeyRow { id, name, label: None, rights, unknown: BTreeMap::new(), ..row }
}

/// A key's id and name, which many findings share.
type NamedKey = Rc<(KeyId, String)>;

/// Cleans the texts of many findings, each of them once.
pub(super) struct FindingCleaner<'a> {
    cleaner: &'a Cleaner<'a>,
    sentences: HashMap<Rc<str>, Rc<str>>,
    names: HashMap<String, String>,
    keys: HashMap<NamedKey, NamedKey>,
}

impl<'a> FindingCleaner<'a> {
    pub(super) fn new(cleaner: &'a Cleaner<'a>) -> Self {
        Self { cleaner, sentences: HashMap::new(), names: HashMap::new(), keys: HashMap::new() }
    }

    pub(super) fn clean(&mut self, finding: Finding) -> Finding {
        Finding {
            key: finding.key.map(|key| self.key(key)),
            rotation: finding.rotation.map(|(name, line)| (self.name(&name), line)),
            reason: self.sentence(finding.reason),
            advice: self.sentence(finding.advice),
            ..finding
        }
    }

    fn key(&mut self, key: NamedKey) -> NamedKey {
        if let Some(clean) = self.keys.get(&key) {
            return Rc::clone(clean);
        }
        let clean = self.cleaner.key(&key);
        let clean = if clean == *key { Rc::clone(&key) } else { Rc::new(clean) };
        self.keys.insert(key, Rc::clone(&clean));
        clean
    }

    fn name(&mut self, name: &str) -> String {
        if let Some(clean) = self.names.get(name) {
            return clean.clone();
        }
        let clean = self.cleaner.name(name);
        self.names.insert(name.to_owned(), clean.clone());
        clean
    }

    fn sentence(&mut self, text: Rc<str>) -> Rc<str> {
        let clean = || self.cleaner.sentence(&text).into();
        Rc::clone(self.sentences.entry(Rc::clone(&text)).or_insert_with(clean))
    }
}
