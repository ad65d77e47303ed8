//! A watch with hostile texts.

use arbitrary::{Result, Unstructured};
use keyrotor::leaks::{Alert, Fate, WatchOutcome};

use crate::echo::echoing;
use crate::outcomes::{maybe, named, outcome, problem};
use crate::text::several;

/// Any.
///
/// # Errors
/// Where the input is used up.
pub(crate) fn watch(u: &mut Unstructured<'_>) -> Result<WatchOutcome> {
    Ok(WatchOutcome {
        sources: several(u, 3, echoing)?,
        others: u.int_in_range(0..=3)?,
        alerts: several(u, 4, alert)?,
        rotations: several(u, 2, outcome)?,
        problems: several(u, 2, problem)?,
        notices: several(u, 2, echoing)?,
    })
}

fn alert(u: &mut Unstructured<'_>) -> Result<Alert> {
    let fate = match u.int_in_range(0..=3)? {
        0 => Fate::Closed,
        1 => Fate::Open(echoing(u)?),
        2 => Fate::Alive(problem(u)?),
        _ => Fate::Planned(echoing(u)?),
    };
    let (key, family) = (maybe(u, named)?, maybe(u, echoing)?);
    let page = format!("{}{}", if u.arbitrary()? { "https://" } else { "" }, echoing(u)?);
    Ok(Alert { name: echoing(u)?, page, key, family, fate })
}
