//! GitHub shows ten annotations of each kind a step: which are printed at once, and what the tenth says.

use std::collections::BTreeSet;

use super::line;

/// GitHub shows this many of each kind.
const SHOWN: usize = 10;

/// The kind of an annotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something failed.
    Error,
    /// Something should not be missed.
    Warning,
    /// Something worth knowing.
    Notice,
}

impl Kind {
    /// The workflow command, which is also the word before a line in other surroundings.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

/// What is to be done with an annotation.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Emission {
    /// Print this command.
    Show(String),
    /// Print an ordinary line: the tenth place is kept for the count of those that have none.
    Hold,
    /// The same was said before.
    Repeated,
}

/// The annotations of one run.
#[derive(Debug, Default)]
pub(super) struct Annotations {
    said: BTreeSet<(Option<String>, String)>,
    shown: [usize; 3],
    held: [Vec<String>; 3],
}

impl Annotations {
    /// Takes a clean message, about one of several rotations or the run.
    pub(super) fn take(&mut self, kind: Kind, about: Option<&str>, title: &str, message: &str) -> Emission {
        if !self.said.insert((about.map(ToOwned::to_owned), message.to_owned())) {
            return Emission::Repeated;
        }
        let command = line::command(kind.word(), Some(title), message);
        let (Some(shown), Some(held)) = (self.shown.get_mut(kind as usize), self.held.get_mut(kind as usize)) else {
            return Emission::Hold;
        };
        if *shown + 1 < SHOWN {
            *shown += 1;
            return Emission::Show(command);
        }
        held.push(command);
        Emission::Hold
    }

    /// The commands that are due at the end.
    pub(super) fn release(&mut self) -> Vec<String> {
        let mut due = Vec::new();
        for kind in [Kind::Error, Kind::Warning, Kind::Notice] {
            let held = self.held.get_mut(kind as usize).map(std::mem::take).unwrap_or_default();
            if held.len() > 1 {
                let rest =
                    format!("{} more {}s stand in the log and in the summary of this run", held.len(), kind.word());
                due.push(line::command(kind.word(), Some("keyrotor"), &rest));
            } else {
                due.extend(held);
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(count: usize) -> Vec<String> {
        let mut annotations = Annotations::default();
        let mut lines = Vec::new();
        for n in 0..count {
            if let Emission::Show(command) = annotations.take(Kind::Error, None, "keyrotor", &format!("problem {n}")) {
                lines.push(command);
            }
        }
        lines.extend(annotations.release());
        lines
    }

    #[test]
    fn ten_are_shown_as_they_are_and_of_more_the_tenth_is_a_count() {
        assert_eq!(shown(10).len(), 10);
        assert_eq!(shown(10).last().map(String::as_str), Some("::error title=keyrotor::problem 9"));
        let many = shown(25);
        assert_eq!(many.len(), 10);
        let last = "::error title=keyrotor::16 more errors stand in the log and in the summary of this run";
        assert_eq!(many.last().map(String::as_str), Some(last));
    }

    #[test]
    fn the_same_is_said_once_whatever_its_kind() {
        let mut annotations = Annotations::default();
        assert!(matches!(annotations.take(Kind::Warning, None, "a", "x"), Emission::Show(_)));
        assert_eq!(annotations.take(Kind::Notice, None, "b", "x"), Emission::Repeated);
        assert!(matches!(annotations.take(Kind::Notice, Some("staging"), "b", "x"), Emission::Show(_)));
    }
}
