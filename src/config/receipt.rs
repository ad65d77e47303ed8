//! Where a receipt is left, and what the run is known by.

use std::path::Path;

use crate::cli::{INPUTS, Inputs, Surroundings, Task};
use crate::config::RotationRequest;
use crate::config::file::read_file;
use crate::config::problem::Problems;
use crate::config::scalar::path;
use crate::receipt::{Digested, WorkflowRun};
use crate::regular;

/// Inputs that stand for what their file says.
const FILES: [&str; 2] = ["config", "targets-file"];

/// Where a receipt is left, and what it says of the run beside its report.
#[derive(Clone, Debug)]
pub struct ReceiptSettings {
    /// The file.
    pub path: String,
    /// A digest of every input that was given and is no secret.
    pub inputs: Vec<Digested>,
    /// The workflow run.
    pub run: WorkflowRun,
}

/// Reads the settings; `None` without `receipt-file`, for a command that leaves no receipt, or once a problem was noted.
#[must_use]
pub(super) fn read(
    task: Option<Task>,
    inputs: &Inputs,
    rotations: &[RotationRequest],
    run: WorkflowRun,
    problems: &mut Problems,
) -> Option<ReceiptSettings> {
    if !matches!(task?, Task::Rotate | Task::WatchLeaks | Task::Reenable) || !inputs.has("receipt-file") {
        return None;
    }
    let path = problems.read(inputs, "receipt-file", path)?;
    let targets = rotations.iter().flat_map(|rotation| &rotation.targets);
    let targets = targets.filter_map(|target| Some((target.file_here()?.0, target.label())));
    let files =
        FILES.iter().filter_map(|name| Some((regular::identity(Path::new(inputs.text(name)?)), (*name).to_owned())));
    let here = regular::identity(Path::new(&path));
    if let Some((_, of)) = targets.chain(files).find(|(file, _)| *file == here) {
        problems.wrong("receipt-file", &path, format!("this is the file of `{of}`: expected one of its own"));
        return None;
    }
    let given = INPUTS.iter().filter(|row| !row.is_secret());
    let given = given.filter_map(|row| Some((row.name, inputs.text(row.name)?)));
    let digest = |(name, text): (&str, &str)| match FILES.contains(&name) {
        // A file that can't be read is a problem that was noted.
        true => read_file(text).ok().map(|contents| Digested::of(name, contents.as_bytes())),
        false => Some(Digested::of(name, text.as_bytes())),
    };
    Some(ReceiptSettings { path, inputs: given.filter_map(digest).collect(), run })
}

/// The workflow run that this is, with its page.
#[must_use]
pub(super) fn workflow_run(page: Option<String>, surroundings: &Surroundings) -> WorkflowRun {
    let variable = |name: &str| surroundings.var(name).map(ToOwned::to_owned);
    WorkflowRun {
        page,
        attempt: variable("GITHUB_RUN_ATTEMPT"),
        workflow: variable("GITHUB_WORKFLOW_REF"),
        commit: variable("GITHUB_SHA"),
        event: variable("GITHUB_EVENT_NAME"),
        actor: variable("GITHUB_ACTOR"),
    }
}
