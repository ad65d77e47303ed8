//! Words that the story and the report share.

use std::time::Duration;

use super::annotations::Kind;
use crate::rotation::outcome::Problem;
use crate::rotation::step::Step;

/// A duration as a person says it.
#[must_use]
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let two = |big: u64, unit: &str, small: u64, lesser: &str| match small {
        0 => format!("{big} {unit}"),
        _ => format!("{big} {unit} {small} {lesser}"),
    };
    match seconds {
        0 => format!("{} ms", time.as_millis()),
        1..60 => format!("{seconds}.{} s", time.subsec_millis() / 100),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

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
        Step::Uptake => "wait until the new key is taken up",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let shown = |ms| duration(Duration::from_millis(ms));
        assert_eq!(shown(120), "120 ms");
        assert_eq!(shown(1_250), "1.2 s");
        assert_eq!(shown(120_000), "2 min");
        assert_eq!(shown(125_000), "2 min 5 s");
        assert_eq!(shown(7_500_000), "2 h 5 min");
        assert_eq!(shown(90_000_000), "1 d 1 h");
    }
}
