//! What the run remembers, told as an [`Outcome`].

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::rotation::exec::commit::fate;
use crate::rotation::exec::run::{KeyRecord, Memory, Run};
use crate::rotation::exec::undo::Undone;
use crate::rotation::model::{KeyId, KeyRow};
use crate::rotation::name::FamilyName;
use crate::rotation::outcome::{
    Death, KeyFate, KeyReport, Needed, OldKeyStatus, Outcome, Problem, Reason, RunStatus, StrayReason, TargetReport,
    TargetState,
};
use crate::rotation::plan::Blocked;
use crate::rotation::plan::holdings::TargetHolding;
use crate::rotation::plan::observation::Observation;
use crate::rotation::plan::pending::Standing;

/// How a run ended, before what is left over is weighed.
pub(super) enum End {
    /// Nothing could be read.
    Blind,
    /// A dry run.
    Planned(Vec<String>),
    /// The plan says that nothing may be made, and what else would stop the next run.
    Blocked(Blocked, Vec<Blocked>),
    /// Not due.
    NotDue { reason: String, attention: Vec<Blocked> },
    /// Every target holds the new key.
    Rotated { reason: String },
    /// The way forward ended, and this is what undoing came to.
    Undone(Undone),
}

/// What the inputs have to say, each once.
fn needed(end: &End) -> Vec<Needed> {
    let End::Blocked(blocked, others) = end else { return Vec::new() };
    let mut needed: Vec<Needed> = Vec::new();
    for one in std::iter::once(blocked).chain(others).flat_map(|blocked| &blocked.inputs) {
        if needed.iter().all(|known| known.input != one.input) {
            needed.push(one.clone());
        }
    }
    needed
}

impl Run<'_> {
    /// The outcome, with everything that should not be left over weighed in.
    pub(super) fn outcome(&self, end: End, seen: Option<&Observation>) -> Outcome {
        let stopped = matches!(&end, End::Blocked(..));
        let list_all = self.policy.leaked || matches!(&end, End::Blocked(blocked, _) if blocked.list_keys);
        let inputs = needed(&end);
        let planned = matches!(&end, End::Planned(_));
        let not_due = matches!(&end, End::NotDue { .. });
        let plan = if let End::Planned(plan) = &end { plan.clone() } else { Vec::new() };
        let (mut verdict, reason) = self.judge(end);
        let keys = seen.map(|seen| self.keys(seen, list_all, [stopped, planned])).unwrap_or_default();
        let memory = self.memory.borrow();
        let alive = |key: &KeyReport| matches!(key.fate, KeyFate::Stray { .. } | KeyFate::NewHeld);
        if memory.unfinished || keys.iter().any(alive) {
            verdict = RunStatus::Attention;
        }
        let rotated = memory.new_key().is_some_and(|new| memory.fate(&new.id) == Some(&KeyFate::New));
        let old_fate = memory.current.as_ref().and_then(|id| memory.fate(id));
        let retire_after = match old_fate {
            Some(KeyFate::Pending { until, .. }) => Some(*until),
            _ => None,
        };
        let leak = self.leak(&memory, verdict);
        Outcome {
            leak_open: leak.is_some(),
            verdict,
            key_name: self.policy.key_name.clone(),
            reason,
            not_due,
            rotated,
            new_key: memory
                .new_key()
                .filter(|new| memory.fate(&new.id) != Some(&KeyFate::NewRevoked))
                .map(|new| (new.id.clone(), self.name_of(&new.id))),
            old_key: memory.current.as_ref().map(|id| (id.clone(), self.name_of(id))),
            old_key_status: match (memory.current.is_some(), old_fate) {
                (false, _) => OldKeyStatus::None,
                (_, Some(KeyFate::Deleted)) => OldKeyStatus::Deleted,
                (_, Some(KeyFate::Disabled)) => OldKeyStatus::Disabled,
                (_, Some(KeyFate::Pending { .. })) => OldKeyStatus::Pending,
                (_, Some(KeyFate::Kept)) => OldKeyStatus::Kept,
                _ if memory.ended => OldKeyStatus::None,
                _ => OldKeyStatus::Alive,
            },
            retire_after,
            targets: self.target_reports(rotated),
            keys,
            retired: memory.retired.clone(),
            problems: leak.into_iter().chain(memory.problems.iter().cloned()).collect(),
            notices: memory.notices_of_plan.iter().chain(&memory.notices).cloned().collect(),
            plan,
            steps: memory.steps.clone(),
            interrupted: self.ctx.interrupt.requested(),
            new_key_used: memory.used.filter(|_| rotated),
            inputs,
            at: seen.map(Observation::now),
            checks: Vec::new(),
        }
    }

    /// A person who reported a leak has to know first whether it is stopped.
    fn leak(&self, memory: &Memory, verdict: RunStatus) -> Option<Problem> {
        let retired = memory.current.as_ref().is_some_and(|id| memory.fate(id) == Some(&KeyFate::Deleted));
        if !self.policy.leaked || verdict == RunStatus::Planned || memory.ended || retired {
            return None;
        }
        // Of keys that were found elsewhere those are meant, whichever is current.
        let gone = |id: &&KeyId| matches!(memory.fate(id), Some(KeyFate::Deleted | KeyFate::Disabled));
        let exposed = self.policy.exposed.keys().find(|id| !gone(id));
        if exposed.is_none() && !self.policy.exposed.is_empty() {
            return None;
        }
        let Some(id) = exposed.or(memory.current.as_ref()).or(self.policy.replace_key_id.as_ref()) else {
            let first = verdict == RunStatus::Rotated;
            return (!first).then(|| {
                Problem::new(
                    "the leaked key is still alive: this run could not tell which one it is",
                    "find the leaked key in the issuer's list and delete it by hand",
                )
            });
        };
        let name = memory.key(id).and_then(|key| key.name.as_ref()).map(|name| format!("{name} ")).unwrap_or_default();
        let by_hand = self.issuer.manual(id);
        Some(Problem::new(
            format!("the leaked key {name}({id}) is still alive"),
            format!("{by_hand} Whatever still holds it fails from then on, until it gets another key"),
        ))
    }

    fn judge(&self, end: End) -> (RunStatus, Reason) {
        let finished = !self.memory.borrow().unfinished;
        let interrupted = self.ctx.interrupt.requested();
        match end {
            End::Blind if !finished => {
                (RunStatus::Attention, "could not read the keys or the targets again; a key may be left over".into())
            }
            End::Blind if interrupted => (RunStatus::Unchanged, Reason::ToldToStop("")),
            End::Blind => (RunStatus::Unchanged, "could not read the keys or the targets".into()),
            End::Planned(_) => (RunStatus::Planned, "dry run: nothing was changed".into()),
            End::Blocked(blocked, others) => {
                self.trouble(Problem::new(blocked.what.clone(), blocked.next));
                for other in others {
                    self.trouble(Problem::new(other.what, other.next));
                }
                (RunStatus::Unchanged, blocked.what.into())
            }
            End::NotDue { reason, attention } => {
                let quiet = attention.is_empty() && finished;
                for blocked in attention {
                    self.trouble(Problem::new(blocked.what, blocked.next));
                }
                (if quiet { RunStatus::NotDue } else { RunStatus::Attention }, reason.into())
            }
            End::Rotated { reason } => {
                (if finished { RunStatus::Rotated } else { RunStatus::Attention }, reason.into())
            }
            End::Undone(undone) => self.judge_undone(undone, interrupted),
        }
    }

    fn judge_undone(&self, undone: Undone, interrupted: bool) -> (RunStatus, Reason) {
        let memory = self.memory.borrow();
        let (verdict, then) = match undone {
            _ if memory.unfinished => (RunStatus::Attention, "; a key may be left over"),
            Undone::Nothing => (RunStatus::Unchanged, ""),
            Undone::Back if memory.candidate.is_none() => (RunStatus::Unchanged, ""),
            Undone::Back => (RunStatus::RolledBack, ""),
            Undone::Held if memory.ended => (RunStatus::Attention, "; the new key stays alive"),
            Undone::Held => (RunStatus::Attention, "; the old and the new key are both alive"),
        };
        let failed = || format!("the rotation failed{then}").into();
        (verdict, if interrupted { Reason::ToldToStop(then) } else { failed() })
    }

    fn target_reports(&self, rotated: bool) -> Vec<TargetReport> {
        let memory = self.memory.borrow();
        let touched: BTreeSet<_> = memory.ledger.targets_touched().into_iter().collect();
        self.targets
            .iter()
            .zip(&memory.targets)
            .enumerate()
            .map(|(at, (store, progress))| TargetReport {
                name: store.name(),
                before: memory.found.get(at).map(|found| found.holding),
                seen: memory.found.get(at).is_some_and(TargetHolding::is_seen),
                state: if rotated {
                    TargetState::New
                } else if progress.put_back.is_some() {
                    TargetState::Old
                } else if !touched.contains(&at) {
                    if memory.ledger.was_attempted(at) { TargetState::Old } else { TargetState::Untouched }
                } else if progress.written.is_some() && !memory.ledger.may_be_put_back(at) {
                    TargetState::New
                } else {
                    TargetState::Either
                },
                took: progress.took,
                detail: progress.detail.clone(),
            })
            .collect()
    }

    /// The family's keys, this run's, and on request every other live key.
    fn keys(&self, seen: &Observation, all: bool, [stopped, planned]: [bool; 2]) -> Vec<KeyReport> {
        let memory = self.memory.borrow();
        let untouched = stopped && memory.keys.values().all(|key| key.fate.is_none());
        let mut reports = Vec::new();
        let live: BTreeSet<_> = seen.live().into_iter().map(|row| row.id.clone()).collect();
        for row in &seen.listing.keys {
            let family = FamilyName::parse(&self.policy.key_name, &row.name).is_some() && live.contains(&row.id);
            let fate = match memory.fate(&row.id) {
                Some(fate) => fate.clone(),
                None if memory.current.as_ref() == Some(&row.id) => KeyFate::Current,
                None if family && !untouched => match memory.key(&row.id).and_then(|key| key.waiting.as_ref()) {
                    Some(standing) => self.unsettled(standing, planned.then(|| seen.now())),
                    None => KeyFate::Stray { reason: StrayReason::LeftByAnEarlierRun },
                },
                None if all && live.contains(&row.id) => KeyFate::Foreign,
                None => continue,
            };
            reports.push(self.key_report(row.id.clone(), Some(row), fate));
        }
        let listed: BTreeSet<_> = seen.listing.keys.iter().map(|row| &row.id).collect();
        let fates = memory.keys.iter().filter_map(|(id, key)| Some((id, key.fate.as_ref()?)));
        for (id, fate) in fates.filter(|(id, _)| !listed.contains(id)) {
            reports.push(self.key_report(id.clone(), None, self.left_over(fate)));
        }
        reports
    }

    /// A key that this run made and neither committed nor deleted should not be there, unless a target may hold it.
    fn left_over(&self, fate: &KeyFate) -> KeyFate {
        match fate {
            KeyFate::NewHeld if self.memory.borrow().ledger.targets_touched().is_empty() => {
                KeyFate::Stray { reason: StrayReason::NotCommitted }
            }
            other => other.clone(),
        }
    }

    /// How a replaced key stands that the run did not come to. In a dry run one that may go would have gone now.
    fn unsettled(&self, standing: &Standing, planned: Option<Timestamp>) -> KeyFate {
        let past = || match planned {
            Some(until) => KeyFate::Pending { until, drains: false },
            None => KeyFate::Stray { reason: StrayReason::PastItsGrace },
        };
        fate(standing, self.policy).unwrap_or_else(past)
    }

    fn key_report(&self, id: KeyId, row: Option<&KeyRow>, fate: KeyFate) -> KeyReport {
        let record = self.memory.borrow().key(&id).cloned().unwrap_or_default();
        let death = matches!(fate, KeyFate::Deleted | KeyFate::Disabled).then(|| self.death(&record));
        KeyReport {
            name: record.name.or_else(|| row.map(|row| row.name.clone())).unwrap_or_else(|| id.to_string()),
            created_at: row.and_then(|row| row.created_at).or(record.made_at),
            last_used_at: row.and_then(|row| row.last_used_at),
            death,
            id,
            fate,
        }
    }

    fn death(&self, record: &KeyRecord) -> Death {
        match record.refused {
            Some(since) => Death::RefusedSince(since),
            None if record.value.is_none() => Death::NotTried("its value is unknown"),
            None if self.ctx.interrupt.requested() => Death::NotTried("the run was told to stop"),
            None => Death::NotTried("this run proved no key to compare it with"),
        }
    }
}
