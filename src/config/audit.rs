//! The inputs of `audit`.

use std::collections::BTreeSet;
use std::time::Duration;

use url::Url;

use crate::audit::FailOn;
use crate::cli::{Inputs, Surroundings};
use crate::config::RotationRequest;
use crate::config::list::list;
use crate::config::problem::Problems;
use crate::config::scalar::{choice, path};
use crate::duration::duration;

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

/// A rotation of the config file: whose keys are audited, and where they are deployed.
#[derive(Clone, Debug)]
pub struct Listed {
    /// As if it were to be carried out.
    pub request: RotationRequest,
    /// Its line in the file.
    pub line: u64,
}

/// The file that findings are shown beside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beside {
    /// From the root of the repository, as an address.
    pub uri: String,
    /// Whether it is the config file, so that the lines of its rotations mean something.
    pub is_config: bool,
}

/// What an audit looks for and does.
#[derive(Clone, Debug)]
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
    /// The rotations of the config file.
    pub rotations: Vec<Listed>,
    /// Where findings are shown.
    pub beside: Beside,
}

/// Reads the settings; `None` once a problem was noted. `is_dry`: nothing is to be changed.
#[must_use]
pub fn read(
    inputs: &Inputs,
    rotations: Vec<Listed>,
    surroundings: &Surroundings,
    is_dry: bool,
    problems: &mut Problems,
) -> Option<AuditSettings> {
    let old_after = problems.read(inputs, "old-after", duration);
    let unused_after = problems.read(inputs, "unused-after", duration);
    let fail_on = problems.read(inputs, "fail-on", fail_on);
    let sarif_file = problems.read(inputs, "sarif-file", path);
    let prune = problems.read(inputs, "prune", prune);
    let names = problems.read(inputs, "names", patterns);
    if !inputs.has("names") && matches!(prune, Some(Prune::Disable | Prune::Delete)) {
        problems.note("names", "is required with `prune`: the names (globs) of the keys that it may touch");
        return None;
    }
    let event = surroundings.var("GITHUB_EVENT_NAME").unwrap_or_default();
    if event.starts_with("pull_request") && matches!(prune, Some(Prune::Disable | Prune::Delete)) && !is_dry {
        problems.wrong("GITHUB_EVENT_NAME", event, "on this event keys are pruned only with `dry-run: true`");
    }
    let names = if inputs.has("names") { names? } else { BTreeSet::new() };
    Some(AuditSettings {
        old_after: old_after?,
        unused_after: unused_after?,
        fail_on: fail_on?,
        sarif_file,
        prune: prune?,
        names,
        rotations,
        beside: beside(inputs, surroundings),
    })
}

/// Where the workflows of a repository are, which is where an audit runs that knows no file of its own.
const WORKFLOWS: &str = ".github/workflows";

/// The config file, else the workflow's own: `octo/app/.github/workflows/audit.yml@refs/heads/main`.
fn beside(inputs: &Inputs, surroundings: &Surroundings) -> Beside {
    if let Some(path) = inputs.text("config") {
        let root = surroundings.var("GITHUB_WORKSPACE").unwrap_or_default();
        return Beside { uri: uri(path.strip_prefix(root).unwrap_or(path)), is_config: true };
    }
    let named = surroundings.var("GITHUB_WORKFLOW_REF").and_then(|name| name.split('@').next()?.splitn(3, '/').nth(2));
    Beside { uri: uri(named.unwrap_or(WORKFLOWS)), is_config: false }
}

/// A path from the repository's root as a relative address.
fn uri(path: &str) -> String {
    let Ok(mut root) = Url::parse("file:///") else { return WORKFLOWS.to_owned() };
    root.set_path(path.trim_start_matches("./"));
    root.path().trim_start_matches('/').to_owned()
}

fn fail_on(text: &str) -> Result<FailOn, String> {
    choice(text, &[("never", FailOn::Never), ("warning", FailOn::Warning), ("error", FailOn::Error)])
}

/// Patterns of names. One that fits every name would say nothing.
fn patterns(text: &str) -> Result<BTreeSet<String>, String> {
    let patterns = list(text)?;
    match patterns.iter().find(|pattern| pattern.chars().all(|c| matches!(c, '*' | '?'))) {
        Some(pattern) => {
            Err(format!("`{pattern}` fits every name: expected patterns with a part of a name, as `ci-*`"))
        }
        None => Ok(patterns),
    }
}

fn prune(text: &str) -> Result<Prune, String> {
    choice(text, &[("none", Prune::None), ("disable", Prune::Disable), ("delete", Prune::Delete)])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

    use super::*;

    fn read_with(prune: &str, names: &str) -> (Option<AuditSettings>, usize) {
        let mut problems = Problems::default();
        let inputs = Inputs::from_iter([("prune", prune.to_owned()), ("names", names.to_owned())]);
        let settings = read(&inputs, Vec::new(), &Surroundings::default(), false, &mut problems);
        (settings, problems.into_vec().len())
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let mut problems = Problems::default();
        let settings = read(&Inputs::default(), Vec::new(), &Surroundings::default(), false, &mut problems).unwrap();
        let day = Duration::from_secs(24 * 60 * 60);
        assert_eq!((settings.old_after, settings.unused_after), (day * 90, day * 30));
        assert_eq!((settings.fail_on, settings.prune), (FailOn::Never, Prune::None));
        assert_eq!((settings.sarif_file, settings.names), (None, BTreeSet::new()));
        assert!(problems.is_empty());
    }

    #[test]
    fn prune_needs_names() {
        let count = |prune, names| {
            let (settings, problems) = read_with(prune, names);
            (settings.map(|settings| settings.names.len()), problems)
        };
        assert_eq!(count("delete", ""), (None, 1));
        assert_eq!(count("purge", "ci-*"), (None, 1));
        assert_eq!(count("delete", "ci-*,tmp-*"), (Some(2), 0));
        for too_wide in ["*", "ci-*,**", "?*"] {
            assert_eq!(count("delete", too_wide), (None, 1), "{too_wide}");
        }
    }

    #[test]
    fn findings_stand_beside_the_config_file_else_beside_the_workflow() {
        let beside = |config: &str, vars: &[(&str, &str)]| {
            let inputs = Inputs::from_iter([("config", config.to_owned())]);
            let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let beside = beside(&inputs, &Surroundings { vars, ..Surroundings::default() });
            (beside.uri, beside.is_config)
        };
        let workflow = ("GITHUB_WORKFLOW_REF", "octo/app/.github/workflows/audit keys.yml@refs/heads/a/b");
        let workspace = ("GITHUB_WORKSPACE", "/github/workspace");
        assert_eq!(beside("", &[workflow]), (".github/workflows/audit%20keys.yml".to_owned(), false));
        assert_eq!(beside("", &[]), (".github/workflows".to_owned(), false));
        for path in [".github/keyrotor.yml", "./.github/keyrotor.yml", "/github/workspace/.github/keyrotor.yml"] {
            assert_eq!(beside(path, &[workflow, workspace]), (".github/keyrotor.yml".to_owned(), true), "{path}");
        }
    }
}
