//! One check for each rule.

use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;

use super::{AuditedKey, Finding, KeyKind, LastUse, Level, Look, Role, Rotation, Rule, State};
use crate::humanize::{moment, whole_span};
use crate::rotation::model::{AllowList, KeyId, Reset};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Warned about from here on.
const EXPIRES_SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// A weekend that nobody works, and a day.
const EXPIRES_AT_ONCE: Duration = Duration::from_secs(3 * 24 * 60 * 60);
/// A key that was made for a service has been used by then.
const FIRST_USE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// A replaced key of a family that no config file speaks of may be in grace for so long: what the README advises.
const USUAL_GRACE: Duration = DAY;
/// A run takes minutes. What is older was left by one that did not finish.
const LONGEST_RUN: Duration = Duration::from_secs(60 * 60);
/// A grace is over some time before the next scheduled run can retire the key.
const BETWEEN_RUNS: Duration = DAY;
/// A daily schedule has run by then, though some runs were dropped.
const LATE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// This part of a limit left is little.
const LITTLE: f64 = 0.1;

pub(super) fn check(rule: Rule, look: &Look<'_>, found: &mut dyn FnMut(Finding)) {
    let rotations = look.rotations.iter().enumerate();
    match rule {
        Rule::NoKey => rotations.filter_map(|(at, one)| no_key(look, at, one)).for_each(found),
        Rule::CouldBeKeyless => could_be_keyless(look).into_iter().for_each(found),
        Rule::SharedEnvironments => rotations.filter_map(|(at, one)| shared(look, at, one)).for_each(found),
        _ => look.keys.iter().zip(look.names).filter_map(|(key, name)| of_key(rule, look, key, name)).for_each(found),
    }
}

fn of_key(rule: Rule, look: &Look<'_>, key: &AuditedKey, name: &Rc<(KeyId, String)>) -> Option<Finding> {
    let (level, reason, advice) = match rule {
        Rule::Overdue => overdue(look, key)?,
        Rule::NearLimit => near_limit(key)?,
        Rule::ExpiresSoon => expires_soon(look, key)?,
        Rule::Old => old(look, key)?,
        Rule::Unused => unused(look, key)?,
        Rule::NeverUsed => never_used(look, key)?,
        Rule::SeveralLive => several_live(look, key)?,
        Rule::NoSpendingLimit => no_spending_limit(key)?,
        Rule::NoAllowList => no_allow_list(key)?,
        Rule::LeftOver => left_over(look, key)?,
        Rule::UndatedName => undated_name(key)?,
        Rule::NoKey | Rule::SharedEnvironments | Rule::CouldBeKeyless => return None,
    };
    let rotation = key.family.as_ref().and_then(|member| look.rotations.get(member.rotation?)).map(named);
    let (reason, advice) = (reason.into(), advice.into());
    Some(Finding { rule, level, key: Some(Rc::clone(name)), rotation, reason, advice })
}

type Found = Option<(Level, String, String)>;

fn named(rotation: &Rotation) -> (String, u64) {
    (rotation.key_name.clone(), rotation.line)
}

fn old(look: &Look<'_>, key: &AuditedKey) -> Found {
    let age = key.age.filter(|age| *age >= look.criteria.old_after && key.state == State::Live)?;
    let reason = format!("it is {} old; `old-after` is {}", whole_span(age), whole_span(look.criteria.old_after));
    Some((Level::Warning, reason, replace(look, key)))
}

/// A key that its rotation should have replaced days ago.
fn overdue(look: &Look<'_>, key: &AuditedKey) -> Found {
    let member = key.family.as_ref().filter(|member| member.role == Role::Current && key.state == State::Live)?;
    let rotation = look.rotations.get(member.rotation?)?;
    let after = rotation.rotate_after?;
    let age = key.age.filter(|age| *age >= after.saturating_add(LATE))?;
    let reason = format!("it is {} old; `rotate-after` is {}", whole_span(age), whole_span(after));
    let advice = format!(
        "See why the rotation `{}` does not run: its schedule (GitHub stops those of repositories without activity for 60 \
         days), its token, its last run.",
        rotation.key_name
    );
    Some((Level::Error, reason, advice))
}

/// How to get rid of a key that is in use.
fn replace(look: &Look<'_>, key: &AuditedKey) -> String {
    if key.row.kind == KeyKind::Management {
        return "Make a new management key, put it where this one is used, then delete this one.".to_owned();
    }
    match key.family.as_ref().and_then(|member| Some((member.role, look.rotations.get(member.rotation?)?))) {
        Some((Role::Current, rotation)) => {
            format!("Run the rotation `{}`, and let it rotate earlier (`rotate-after`).", rotation.key_name)
        }
        Some((_, rotation)) => format!("Run the rotation `{}`: it retires this key.", rotation.key_name),
        None => "Rotate it: set `replace-key-id` to this id. If nothing uses it, delete it.".to_owned(),
    }
}

/// A management key's work is no use that an issuer shows: the one that the audit runs with would be found for ever.
fn calls_models(key: &AuditedKey) -> bool {
    key.row.kind == KeyKind::Regular
}

fn unused(look: &Look<'_>, key: &AuditedKey) -> Found {
    let since = match key.last_use {
        LastUse::At(at) => at,
        // Spent with before, or it would have been found as never used.
        LastUse::NothingSpentSince(at) if key.row.usage != Some(0.0) && calls_models(key) => at,
        _ => return None,
    };
    let idle =
        length(since, look.now).filter(|idle| *idle >= look.criteria.unused_after && key.state == State::Live)?;
    let after = whole_span(look.criteria.unused_after);
    let reason = match key.last_use {
        LastUse::At(_) => format!("it was last used {} ago; `unused-after` is {after}", whole_span(idle)),
        _ => format!("nothing was spent with it for {} at least; `unused-after` is {after}", whole_span(idle)),
    };
    Some((Level::Warning, reason, remove(look, key)))
}

fn never_used(look: &Look<'_>, key: &AuditedKey) -> Found {
    let age = key.age.filter(|age| *age >= look.criteria.unused_after.min(FIRST_USE) && key.state == State::Live)?;
    let what = match key.last_use {
        _ if !calls_models(key) => return None,
        LastUse::Never => "was never used",
        LastUse::NothingSpentSince(_) if key.row.usage == Some(0.0) => "nothing was ever spent with it",
        _ => return None,
    };
    Some((Level::Warning, format!("it was made {} ago and {what}", whole_span(age)), remove(look, key)))
}

/// How to get rid of a key that is not in use.
fn remove(look: &Look<'_>, key: &AuditedKey) -> String {
    let rotation = key.family.as_ref().and_then(|member| Some((member.role, look.rotations.get(member.rotation?)?)));
    match rotation {
        Some((Role::Current, rotation)) => {
            format!(
                "See whether what the rotation `{}` writes it to still runs; if not, take that away.",
                rotation.key_name
            )
        }
        Some((_, rotation)) => format!("Run the rotation `{}`: it retires this key.", rotation.key_name),
        None => "Find out whose it is. If nothing needs it, disable it for a while, then delete it.".to_owned(),
    }
}

fn expires_soon(look: &Look<'_>, key: &AuditedKey) -> Found {
    let end = key.row.rights.expires_at.flatten().filter(|_| key.state == State::Live)?;
    let left = length(look.now, end).filter(|left| *left <= EXPIRES_SOON)?;
    let level = if left <= EXPIRES_AT_ONCE { Level::Error } else { Level::Warning };
    Some((level, format!("it expires in {}, {}", whole_span(left), moment(end)), replace(look, key)))
}

fn several_live(look: &Look<'_>, key: &AuditedKey) -> Found {
    let member = key.family.as_ref()?;
    let rotation = member.rotation.and_then(|at| look.rotations.get(at));
    let reason = match member.role {
        Role::Unconfirmed if key.age.is_some_and(|age| age > LONGEST_RUN) => {
            format!("a run of the family `{}` made it {} ago and did not finish", member.family, whole_span(key.age?))
        }
        Role::Replaced { at } => {
            let grace = rotation.map_or(Some(USUAL_GRACE), |rotation| rotation.grace)?;
            let replaced = length(at?, look.now).filter(|since| *since > grace.saturating_add(BETWEEN_RUNS))?;
            format!("it was replaced {} ago in the family `{}` and is still alive", whole_span(replaced), member.family)
        }
        _ => return None,
    };
    let advice = match rotation {
        Some(rotation) => format!("Run the rotation `{}`: it retires this key, or says why not.", rotation.key_name),
        None => {
            format!("Run the rotation of the family `{}`; if there is none any more, delete this key.", member.family)
        }
    };
    Some((Level::Warning, reason, advice))
}

fn no_spending_limit(key: &AuditedKey) -> Found {
    let unlimited = key.is_live() && key.row.rights.limit == Some(None);
    unlimited.then(|| {
        let advice = "Set a limit: for a rotated key with `spending-limit`, else at the issuer.".to_owned();
        (Level::Warning, "it has no spending limit".to_owned(), advice)
    })
}

/// An issuer that shows neither list may have none: nothing is found then.
fn no_allow_list(key: &AuditedKey) -> Found {
    let rights = &key.row.rights;
    let all = |list: &Option<AllowList>| list.as_ref().is_none_or(|list| *list == AllowList::All);
    let shown = rights.providers.is_some() || rights.models.is_some();
    (key.is_live() && shown && all(&rights.providers) && all(&rights.models)).then(|| {
        let advice =
            "Name what it needs: for a rotated key with `allowed-providers` or `allowed-models`, else at the issuer.";
        (Level::Note, "it may use every provider and every model".to_owned(), advice.to_owned())
    })
}

fn near_limit(key: &AuditedKey) -> Found {
    let limit = key.row.rights.limit.flatten().filter(|_| key.is_live())?;
    let left = key.row.limit_remaining.or_else(|| Some(limit - spent(key)?))?;
    if left > limit * LITTLE {
        return None;
    }
    let anew = match key.row.rights.reset {
        Some(Reset::Daily) => ", until it starts anew at midnight UTC",
        Some(Reset::Weekly) => ", until it starts anew on Monday",
        Some(Reset::Monthly) => ", until it starts anew on the 1st",
        Some(Reset::Never) | None => "",
    };
    let (level, reason) = if left <= 0.0 {
        (Level::Error, format!("its limit of {} is spent{anew}", usd(limit)))
    } else {
        (Level::Warning, format!("{} of its limit of {} are left{anew}", usd(left), usd(limit)))
    };
    Some((level, reason, "Raise its limit, or find out what spends so much.".to_owned()))
}

/// What counts towards the limit.
fn spent(key: &AuditedKey) -> Option<f64> {
    match key.row.rights.reset? {
        Reset::Never => key.row.usage,
        Reset::Monthly => key.row.usage_monthly,
        Reset::Weekly => key.row.usage_weekly,
        Reset::Daily => key.row.usage_daily,
    }
}

fn usd(amount: f64) -> String {
    let cents = format!("{amount:.2}");
    format!("{} USD", cents.strip_suffix(".00").unwrap_or(&cents))
}

fn left_over(look: &Look<'_>, key: &AuditedKey) -> Found {
    let since =
        |at: Option<Timestamp>| at.and_then(|at| length(at, look.now)).map(|time| format!(" {} ago", whole_span(time)));
    let reason = match key.state {
        State::Live => return None,
        State::Disabled => {
            format!(
                "it is switched off; it was last changed{}",
                since(key.row.updated_at).unwrap_or(" at an unknown time".into())
            )
        }
        State::Expired => format!("it expired{}", since(key.row.rights.expires_at.flatten()).unwrap_or_default()),
    };
    let current = key.family.as_ref().filter(|member| member.role == Role::Current);
    let advice = match current.map(|member| (member, member.rotation.and_then(|at| look.rotations.get(at)))) {
        Some((_, Some(rotation))) => {
            format!("Run the rotation `{}` before you delete it: it tells what the targets hold.", rotation.key_name)
        }
        Some((member, None)) => {
            format!("Keep it while the family `{}` is rotated: it tells what the targets hold.", member.family)
        }
        None => "Delete it once nobody wants to switch it on again.".to_owned(),
    };
    Some((Level::Note, reason, advice))
}

fn undated_name(key: &AuditedKey) -> Found {
    let undated = key.is_live() && key.family.is_none() && !has_date(&key.row.name) && !has_version(&key.row.name);
    undated.then(|| {
        let advice = "Name keys by family and date, as `production-2026-12-01`; a rotation does it (`replace-key-id`)."
            .to_owned();
        (Level::Note, "its name has neither a date nor a version".to_owned(), advice)
    })
}

/// A year of this century with a month behind it: `2026-12`, `20261201`, `2026_12_01`.
fn has_date(name: &str) -> bool {
    let digits = |at: usize, count: usize| {
        let part = name.get(at..at + count).filter(|part| part.bytes().all(|b| b.is_ascii_digit()));
        part.and_then(|part| part.parse::<u32>().ok())
    };
    name.match_indices("20").any(|(at, _)| {
        let separated = matches!(name.as_bytes().get(at + 4), Some(b'-' | b'_' | b'.' | b'/'));
        let month = digits(at + 4 + usize::from(separated), 2);
        digits(at, 4).is_some() && month.is_some_and(|month| (1..=12).contains(&month))
    })
}

/// `v2`, `V10`, standing by itself.
fn has_version(name: &str) -> bool {
    name.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| {
        let number = word.strip_prefix(['v', 'V']).unwrap_or_default();
        !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
    })
}

fn no_key(look: &Look<'_>, at: usize, rotation: &Rotation) -> Option<Finding> {
    let role = |key: &AuditedKey| key.family.as_ref().filter(|it| it.rotation == Some(at)).map(|member| member.role);
    let current = look.keys.iter().find(|key| role(key) == Some(Role::Current));
    let of_family = |key: &AuditedKey| match current {
        Some(current) => key.row.id == current.row.id,
        None => role(key).is_some(),
    };
    let serves =
        |key: &AuditedKey| key.is_live() && (of_family(key) || rotation.replaces.as_ref() == Some(&key.row.id));
    if look.keys.iter().any(serves) {
        return None;
    }
    let name = &rotation.key_name;
    let reason = match current.map(|key| key.state) {
        Some(State::Expired) => format!("it is the newest key of the rotation `{name}`, and it has expired"),
        Some(_) => format!("it is the newest key of the rotation `{name}`, and it is switched off"),
        None => format!("no live key is named after the rotation `{name}`"),
    };
    Some(Finding {
        rule: Rule::NoKey,
        level: Level::Error,
        key: current.map(named_key),
        rotation: Some(named(rotation)),
        reason: reason.into(),
        advice: format!(
            "Run the rotation `{name}`. If its targets hold a key of another name, set `replace-key-id` there."
        )
        .into(),
    })
}

fn shared(look: &Look<'_>, at: usize, rotation: &Rotation) -> Option<Finding> {
    if rotation.environments.len() < 2 {
        return None;
    }
    let all = rotation.environments.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    Some(Finding {
        rule: Rule::SharedEnvironments,
        level: Level::Warning,
        key: current_of(look, at, rotation),
        rotation: Some(named(rotation)),
        reason: format!("the key of the rotation `{}` serves several environments ({all})", rotation.key_name).into(),
        advice: "Give each environment a rotation of its own in the config file.".into(),
    })
}

/// Once for an account that has a key at work.
fn could_be_keyless(look: &Look<'_>) -> Option<Finding> {
    let page = look.keyless.filter(|_| look.keys.iter().any(AuditedKey::is_live))?;
    Some(Finding {
        rule: Rule::CouldBeKeyless,
        level: Level::Note,
        key: None,
        rotation: None,
        reason: "this issuer takes GitHub's OIDC token for one of its own, which lives for minutes".into(),
        advice: format!("See whether your jobs can sign in so and need no key: {page}").into(),
    })
}

fn named_key(key: &AuditedKey) -> Rc<(KeyId, String)> {
    Rc::new((key.row.id.clone(), key.row.name.clone()))
}

fn current_of(look: &Look<'_>, at: usize, rotation: &Rotation) -> Option<Rc<(KeyId, String)>> {
    let is_current = |key: &&AuditedKey| {
        let member = key.family.as_ref();
        member.is_some_and(|member| member.rotation == Some(at) && member.role == Role::Current)
            || rotation.replaces.as_ref() == Some(&key.row.id)
    };
    look.keys.iter().find(is_current).map(named_key)
}

fn length(from: Timestamp, to: Timestamp) -> Option<Duration> {
    Duration::try_from(to.duration_since(from)).ok()
}
