//! The inputs of `audit`.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::cli::Inputs;
use crate::config::list::list;
use crate::config::problem::Problems;
use crate::config::scalar::{choice, path};
use crate::duration::duration;

/// Which findings make the run fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailOn {
    /// None.
    Never,
    /// Warnings and errors.
    Warning,
    /// Errors alone.
    Error,
}

/// What becomes of the keys that are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prune {
    /// Nothing.
    None,
    /// They are switched off.
    Disable,
    /// They are deleted.
    Delete,
}

/// What an audit looks for and does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditSettings {
    /// Older keys are reported.
    pub old_after: Duration,
    /// Keys unused for longer are reported.
    pub unused_after: Duration,
    /// Which findings make the run fail.
    pub fail_on: FailOn,
    /// Where the findings are written as SARIF.
    pub sarif_file: Option<String>,
    /// What becomes of the keys that are found.
    pub prune: Prune,
    /// Globs of the names that `prune` may touch.
    pub names: BTreeSet<String>,
}

/// Reads the settings; `None` once a problem was noted.
#[must_use]
pub fn read(inputs: &Inputs, problems: &mut Problems) -> Option<AuditSettings> {
    let old_after = problems.read("old-after", inputs.old_after.as_deref(), duration);
    let unused_after = problems.read("unused-after", inputs.unused_after.as_deref(), duration);
    let fail_on = problems.read("fail-on", inputs.fail_on.as_deref(), fail_on);
    let sarif_file = problems.read("sarif-file", inputs.sarif_file.as_deref(), path);
    let prune = problems.read("prune", inputs.prune.as_deref(), prune);
    let names = problems.read("names", inputs.names.as_deref(), list);
    let names_given = inputs.names.as_deref().is_some_and(|text| !text.trim().is_empty());
    if !names_given && matches!(prune, Some(Prune::Disable | Prune::Delete)) {
        problems.note("names", "is required with `prune`: the names (globs) of the keys that it may touch");
        return None;
    }
    Some(AuditSettings {
        old_after: old_after?,
        unused_after: unused_after?,
        fail_on: fail_on?,
        sarif_file,
        prune: prune?,
        names: names.unwrap_or_default(),
    })
}

fn fail_on(text: &str) -> Result<FailOn, String> {
    choice(text, &[("never", FailOn::Never), ("warning", FailOn::Warning), ("error", FailOn::Error)])
}

fn prune(text: &str) -> Result<Prune, String> {
    choice(text, &[("none", Prune::None), ("disable", Prune::Disable), ("delete", Prune::Delete)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_with(prune: &str, names: &str) -> (Option<AuditSettings>, usize) {
        let mut problems = Problems::default();
        let inputs = Inputs { prune: Some(prune.to_owned()), names: Some(names.to_owned()), ..Inputs::default() };
        (read(&inputs, &mut problems), problems.into_vec().len())
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let mut problems = Problems::default();
        let settings = read(&Inputs::default(), &mut problems);
        let day = Duration::from_secs(24 * 60 * 60);
        let expected = AuditSettings {
            old_after: day * 90,
            unused_after: day * 30,
            fail_on: FailOn::Never,
            sarif_file: None,
            prune: Prune::None,
            names: BTreeSet::new(),
        };
        assert_eq!(settings, Some(expected));
        assert!(problems.is_empty());
    }

    #[test]
    fn prune_needs_names() {
        assert_eq!(read_with("delete", ""), (None, 1));
        assert_eq!(read_with("purge", "ci-*"), (None, 1));
        let (settings, problems) = read_with("delete", "ci-*,tmp-*");
        assert_eq!((settings.map(|settings| settings.names.len()), problems), (Some(2), 0));
    }
}
