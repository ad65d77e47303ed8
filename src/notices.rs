//! What a user should know beside the story of a rotation: secrets that hide a target's, and a token that expires soon.

use std::pin::pin;
use std::time::Duration;

use crate::rotation::interrupt::Interrupt;
use crate::rotation::outcome::{Event, Observer, Outcome, RunStatus};
use crate::store::github::shadows::AT_ONCE;
use crate::store::github::{GitHub, Shadows};

/// How long the looks may go on when the rotation is over.
const PATIENCE: Duration = Duration::from_secs(5);

/// GitHub takes a hundred requests at once. Beside a rotation that writes more targets at once than this, the looks would
/// take room that it needs.
const MAX_BESIDE: usize = (100 - AT_ONCE) / 2;

/// When hidden secrets are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// While the rotation runs, so that it takes no longer.
    Beside,
    /// When it has ended well.
    After,
    /// When it has ended well and made no key: a rotation costs no request more than it needs, where the token that it
    /// was given most likely may do nothing else.
    AfterIfNothingMade,
}

impl When {
    /// For these targets. A leaked key that is also kept elsewhere is worth any request.
    pub(crate) fn of(shadows: &Shadows, parallel: usize, dry_run: bool, leaked: bool) -> Self {
        if shadows.sees_little() && !dry_run && !leaked {
            Self::AfterIfNothingMade
        } else if parallel > MAX_BESIDE {
            Self::After
        } else {
            Self::Beside
        }
    }

    fn fits(self, outcome: &Outcome) -> bool {
        match outcome.verdict {
            RunStatus::NotDue | RunStatus::Reenabled | RunStatus::Planned => true,
            RunStatus::Rotated => self != Self::AfterIfNothingMade,
            RunStatus::Unchanged | RunStatus::RolledBack | RunStatus::Attention => false,
        }
    }
}

/// Carries out the rotation, and looks for secrets that hide those of its targets.
pub(crate) async fn while_looking(
    rotation: impl Future<Output = Outcome>,
    shadows: &Shadows,
    when: When,
    interrupt: &Interrupt,
) -> Outcome {
    let (mut rotation, mut looks) = (pin!(rotation), pin!(shadows.look()));
    let mut looked = false;
    let outcome = loop {
        tokio::select! {
            biased;
            outcome = &mut rotation => break outcome,
            () = &mut looks, if when == When::Beside && !looked => looked = true,
        }
    };
    if !looked && when.fits(&outcome) {
        tokio::select! {
            biased;
            () = interrupt.wait() => {}
            () = tokio::time::sleep(PATIENCE) => {}
            () = &mut looks => {}
        }
    }
    outcome
}

/// Tells what was found, in the log and in the report. `web` is GitHub's address for people.
pub(crate) fn tell(outcome: &mut Outcome, shadows: &Shadows, github: &GitHub, web: &str, observer: &dyn Observer) {
    if let Some(warning) = github.expiry.warning(web) {
        observer.event(&Event::Warning(warning.clone()));
        outcome.notices.push(warning);
    }
    for notice in shadows.take() {
        observer.event(&Event::Notice(notice.clone()));
        outcome.notices.push(notice);
    }
}
