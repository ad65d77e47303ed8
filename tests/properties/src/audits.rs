//! Audits of keys that never were.

use std::time::Duration;

use arbitrary::{Result, Unstructured};
use keyrotor::audit::prune::{Fate, How, Pruned};
use keyrotor::audit::{Audit, AuditedAccount, Criteria, FailOn, Rotation, assess};
use keyrotor::rotation::model::{AllowList, KeyId, KeyKind, KeyRow, Listing, Reset, RightsTaken, ShownRights};

use crate::echo::echoing;
use crate::outcomes::{maybe, problem, time};
use crate::text::several;

const RESETS: [Reset; 4] = [Reset::Never, Reset::Monthly, Reset::Weekly, Reset::Daily];
const AMOUNTS: [f64; 6] = [0.0, 0.1, 5.0, -1.0, 1e300, 100.0];

fn name(u: &mut Unstructured<'_>) -> Result<String> {
    Ok(match u.int_in_range(0..=4)? {
        0 => "app-2026-12-01-7f3a9c".to_owned(),
        1 => "app-2026-12-02-7f3a9c-unconfirmed".to_owned(),
        2 => format!("{}-2026-12-03", echoing(u)?),
        _ => echoing(u)?,
    })
}

fn amount(u: &mut Unstructured<'_>) -> Result<Option<f64>> {
    maybe(u, |u| u.choose(&AMOUNTS).copied())
}

fn allowed(u: &mut Unstructured<'_>) -> Result<Option<AllowList>> {
    maybe(u, |u| {
        let names = several(u, 6, echoing)?;
        Ok(if names.is_empty() { AllowList::All } else { AllowList::Only(names.into_iter().collect()) })
    })
}

fn row(u: &mut Unstructured<'_>) -> Result<KeyRow> {
    Ok(KeyRow {
        id: KeyId(echoing(u)?),
        name: name(u)?,
        label: maybe(u, echoing)?,
        kind: if u.ratio(1, 5)? { KeyKind::Management } else { KeyKind::Regular },
        disabled: u.ratio(1, 5)?,
        created_at: maybe(u, time)?,
        updated_at: maybe(u, time)?,
        last_used_at: maybe(u, time)?,
        usage_daily: amount(u)?,
        usage_weekly: amount(u)?,
        usage_monthly: amount(u)?,
        usage: amount(u)?,
        limit_remaining: amount(u)?,
        rights: ShownRights {
            providers: allowed(u)?,
            models: allowed(u)?,
            limit: maybe(u, amount)?,
            reset: maybe(u, |u| u.choose(&RESETS).copied())?,
            expires_at: maybe(u, |u| maybe(u, time))?,
            ..ShownRights::default()
        },
        unknown: Default::default(),
    })
}

fn rotation(u: &mut Unstructured<'_>) -> Result<Rotation> {
    Ok(Rotation {
        key_name: if u.arbitrary()? { "app".to_owned() } else { echoing(u)? },
        targets: several(u, 6, echoing)?,
        environments: several(u, 3, echoing)?.into_iter().collect(),
        grace: maybe(u, |u| Ok(Duration::from_secs(u.arbitrary()?)))?,
        rotate_after: maybe(u, |u| Ok(Duration::from_secs(u.arbitrary()?)))?,
        replaces: maybe(u, |u| echoing(u).map(KeyId))?,
        line: u.arbitrary()?,
    })
}

fn pruned(u: &mut Unstructured<'_>) -> Result<Pruned> {
    let fate = match u.int_in_range(0..=3)? {
        0 => Fate::Planned(How::Delete),
        1 => Fate::Deleted,
        2 => Fate::Spared(echoing(u)?),
        _ => Fate::Failed(echoing(u)?),
    };
    Ok(Pruned { id: KeyId(echoing(u)?), name: echoing(u)?, fate })
}

/// Any audit, of keys with hostile names.
///
/// # Errors
/// Where the input is used up.
pub fn audit(u: &mut Unstructured<'_>) -> Result<Audit> {
    let span =
        |u: &mut Unstructured<'_>| Ok::<_, arbitrary::Error>(Duration::from_secs(u64::from(u.arbitrary::<u32>()?)));
    let criteria = Criteria { old_after: span(u)?, unused_after: span(u)? };
    let account = |u: &mut Unstructured<'_>| {
        let takes = RightsTaken { providers: true, models: true, limit: true, reset: true, expiry: true };
        let (keys, date) = (several(u, 5, row)?, time(u)?);
        let listing = Listing { keys, date, dated_within: Duration::ZERO, may_rename: true, takes };
        let rotations = several(u, 2, rotation)?;
        let assessment = assess(listing, &rotations, &criteria, u.arbitrary::<bool>()?.then_some("https://x.dev"));
        let pruned = several(u, 2, pruned)?;
        Ok(AuditedAccount { issuer: echoing(u)?, assessment, problems: several(u, 2, problem)?, pruned })
    };
    Ok(Audit {
        accounts: several(u, 2, account)?,
        criteria: criteria.clone(),
        fail_on: *u.choose(&[FailOn::Never, FailOn::Warning, FailOn::Error])?,
        problems: several(u, 2, problem)?,
    })
}
