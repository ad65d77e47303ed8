//! Words that the story and the report share.

use super::annotations::Kind;
use crate::rotation::outcome::Problem;
use crate::rotation::step::Step;

/// A problem with what to do about it, as one text.
#[must_use]
pub fn problem_text(problem: &Problem) -> String {
    match &problem.next {
        Some(next) => format!("{}. What to do: {next}", problem.what.trim_end_matches('.')),
        None => problem.what.clone(),
    }
}

/// What a step does, for its headline.
pub(super) fn doing(step: Step) -> &'static str {
    match step {
        Step::Observe => "read the issuer's keys and every target",
        Step::Settle => "retire keys whose grace is over",
        Step::Adopt => "take the hand-made key into the family",
        Step::Create => "make the new key",
        Step::Prove => "prove that the new key works",
        Step::Distribute => "write the new key to the targets",
        Step::Rollout => "wait until the new key is taken up",
        Step::Confirm => "prove the new key again and look at the targets again",
        Step::Commit => "confirm the new key",
        Step::Retire => "retire replaced keys",
        Step::Undo => "go back to a safe state",
    }
}

/// How a line is shown where colours are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tone {
    Plain,
    Strong,
    Bad,
    Doubtful,
}

impl Tone {
    pub(super) fn of(kind: Kind) -> Self {
        match kind {
            Kind::Error => Self::Bad,
            Kind::Warning => Self::Doubtful,
            Kind::Notice => Self::Plain,
        }
    }

    /// The terminal's code for it.
    pub(super) fn colour(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Strong => Some("1"),
            Self::Bad => Some("31"),
            Self::Doubtful => Some("33"),
        }
    }
}
