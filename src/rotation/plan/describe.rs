//! A plan in sentences.

use std::time::Duration;

use crate::humanize::span;
use crate::rotation::lease::Naming;
use crate::rotation::model::{AllowList, KeyId, Reset, Rights};
use crate::rotation::plan::holdings::{Holding, TargetHolding};
use crate::rotation::plan::observation::Observation;
use crate::rotation::plan::pending::{Standing, links};
use crate::rotation::plan::{Decision, Plan, Rotate};
use crate::rotation::policy::{Policy, Retire};

/// Names the input that a run without a grace could have.
const CUTS_JOBS_OFF: &str =
    "jobs that have already read the old key fail once it is retired; set grace-period to 24h to let them finish";

impl Plan {
    /// The plan in sentences, for people.
    #[must_use]
    pub fn describe(&self, seen: &Observation, policy: &Policy) -> Vec<String> {
        let name = |id: &KeyId| seen.row(id).map_or_else(|| id.to_string(), |row| format!("{} ({id})", row.name));
        let mut lines = Vec::new();
        for key in &self.pending {
            let retire = policy.retire().word();
            lines.push(match &key.standing {
                Standing::Past if policy.leaked => format!("{retire} {}", name(&key.id)),
                Standing::Past => format!("{retire} {}: its grace is over", name(&key.id)),
                Standing::InGrace(until) => format!("leave {} alive until {until}", name(&key.id)),
                Standing::Draining { waits_for, .. } => {
                    format!("leave {} alive until this is over: {}", name(&key.id), links(waits_for))
                }
                Standing::UsedLately { used, .. } => {
                    format!("leave {} alive until it was not used for 24 h: {used}", name(&key.id))
                }
                Standing::Kept => format!("keep {}", name(&key.id)),
                Standing::Held(reason) | Standing::InUse(reason) => format!("leave {} alive: {reason}", name(&key.id)),
            });
        }
        lines.extend(self.describe_found(seen));
        match &self.decision {
            Decision::Blocked(blocked, others) => {
                let all = std::iter::once(blocked).chain(others);
                lines.extend(all.map(|blocked| format!("stop: {}", blocked.what)));
            }
            Decision::NotDue { reason, attention } => {
                lines.push(format!("make no key: {reason}"));
                lines.extend(attention.iter().map(|blocked| format!("report: {}", blocked.what)));
            }
            Decision::Rotate(rotate) => lines.extend(rotate.describe(seen, policy, self.naming, name)),
        }
        lines
    }

    /// What the targets hold. What needs a look comes first; of many that hold what they should, the number is told.
    fn describe_found(&self, seen: &Observation) -> Vec<String> {
        let mut found: Vec<_> = self.found.iter().map(|found| (found, found.describe(seen))).collect();
        found.sort_by_cached_key(|(found, what)| (urgency(found.holding), what.clone(), &found.target));
        let told = |same: &[(&TargetHolding, String)]| match same {
            [(first, what), _, _, ..] if first.is_ours() => vec![format!("found: {} targets hold {what}", same.len())],
            _ => same.iter().map(|(found, what)| format!("found: {} holds {what}", found.target)).collect(),
        };
        found
            .chunk_by(|(one, what), (other, same)| one.holding == other.holding && what == same)
            .flat_map(told)
            .collect()
    }

    /// What it means to retire the replaced key at once, where no input asks for that.
    #[must_use]
    pub fn notice(&self, policy: &Policy) -> Option<&'static str> {
        let Decision::Rotate(rotate) = &self.decision else { return None };
        let replaces_a_living_one = self.current.is_some() && rotate.ended.is_none();
        let at_once = policy.keeps_promises() && policy.retire() != Retire::Keep && self.naming == Naming::Renaming;
        (replaces_a_living_one && at_once).then_some(CUTS_JOBS_OFF)
    }
}

impl Rotate {
    pub(in crate::rotation) fn describe(
        &self,
        seen: &Observation,
        policy: &Policy,
        naming: Naming,
        name: impl Fn(&KeyId) -> String,
    ) -> Vec<String> {
        let mut lines = vec![format!("rotate: {}", self.due)];
        if let Some(id) = &self.adopt {
            lines.push(format!("rename {} into the family {:?}", name(id), policy.key_name));
        }
        lines.push(format!("make a key of the family {:?} ({})", policy.key_name, rights_line(&self.rights)));
        lines.extend(self.guardrails.ids.iter().map(|id| format!("assign the guardrail {id} to it")));
        lines.push("prove that it works".to_owned());
        let mut written: Vec<_> = seen.targets.iter().map(|target| target.name.as_str()).collect();
        written.sort_unstable();
        lines.extend(written.into_iter().map(|name| format!("write {name}")));
        lines.extend(seen.targets.iter().filter_map(|target| {
            let rollout = target.rollout.as_ref()?;
            Some(format!("{}: {} and wait for it, {} at the most", target.name, rollout.what, span(rollout.within)))
        }));
        lines.push("prove it again and look at every target".to_owned());
        if naming == Naming::Renaming {
            lines.push("rename it to its final name".to_owned());
        }
        if let Some(id) = &self.stays {
            lines.push(format!("leave {} alone: no target holds it", name(id)));
        }
        for id in &self.replaces {
            let retire = policy.retire().word();
            lines.push(match policy.retire() {
                Retire::Delete | Retire::Disable if policy.drains() => {
                    format!("leave {} alive while anything that began before is unfinished; then {retire} it", name(id))
                }
                Retire::Delete | Retire::Disable if policy.grace() > Duration::ZERO => {
                    format!("leave {} alive for {}; a later run is to {retire} it", name(id), span(policy.grace()))
                }
                _ => format!("{retire} {}", name(id)),
            });
        }
        lines
    }
}

fn urgency(holding: Holding) -> u8 {
    match holding {
        Holding::AnotherKey | Holding::NotAKey(_) => 0,
        Holding::Unknown => 1,
        Holding::Older => 2,
        Holding::Empty => 3,
        Holding::Ours => 4,
        Holding::Current => 5,
    }
}

fn rights_line(rights: &Rights) -> String {
    let list = |list: &Option<AllowList>| match list {
        None => "as the issuer gives it".to_owned(),
        Some(AllowList::All) => "all".to_owned(),
        Some(AllowList::Only(names)) => names.iter().cloned().collect::<Vec<_>>().join(", "),
    };
    let limit = match (rights.limit.flatten(), rights.reset) {
        (None, _) => "no spending limit".to_owned(),
        (Some(usd), None | Some(Reset::Never)) => format!("spending limit: {usd} USD in all"),
        (Some(usd), Some(reset)) => format!("spending limit: {usd} USD {}", format!("{reset:?}").to_lowercase()),
    };
    let end = rights.expires_at.flatten().map_or_else(|| "never expires".to_owned(), |end| format!("expires {end}"));
    format!("providers: {}; models: {}; {limit}; {end}", list(&rights.providers), list(&rights.models))
}
