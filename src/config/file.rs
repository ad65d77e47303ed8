//! The config file as it is written: what it says at its top, and what each rotation says. What it all means together with
//! the inputs is `rotations`'.

use std::io;
use std::path::Path;
use std::str;

use crate::cli::{Inputs, Spot};
use crate::config::fields::{Fields, Level, ROTATIONS};
use crate::config::problem::Problems;
use crate::config::scalar::path;
use crate::config::yaml::{self, Fault, Field, Kind, Node, Value};
use crate::config::yaml_kinds::scalar;
use crate::regular;
use crate::secret::Secret;
use crate::store::target;

/// Thousands of rotations fit in; a file beyond it is another one than was meant.
const LARGEST_FILE: usize = 1024 * 1024;

/// One rotation.
pub(super) struct Entry {
    pub(super) spot: Spot,
    /// Something stands there for `key-name`, and what is wrong with it was told.
    pub(super) named_wrongly: bool,
    pub(super) inputs: Inputs,
    /// Where it writes its key: texts of one or more lines.
    pub(super) targets: Option<Vec<(String, Spot)>>,
}

/// A whole file.
pub(super) struct Config {
    pub(super) path: String,
    /// Secrets that were written into the file.
    pub(super) misplaced: Vec<Secret>,
    /// What it says for all rotations.
    pub(super) inputs: Inputs,
    pub(super) rotations: Vec<Entry>,
}

impl Config {
    /// What it says for all rotations, and what each rotation says.
    pub(super) fn every(&self) -> impl Iterator<Item = &Inputs> {
        std::iter::once(&self.inputs).chain(self.rotations.iter().map(|entry| &entry.inputs))
    }
}

/// Reads a file; `None` once a problem was noted that leaves nothing to look at. Problems of its parts are noted beside.
#[must_use]
pub(super) fn read(inputs: &Inputs, problems: &mut Problems) -> Option<Config> {
    let path = problems.read(inputs, "config", path)?;
    let text = match read_file(&path) {
        Ok(text) => text,
        Err(message) => {
            problems.wrong("config", &regular::shown(&path), message);
            return None;
        }
    };
    of_text(path, &text, problems)
}

pub(super) fn read_file(path: &str) -> Result<String, String> {
    let bytes = regular::read(Path::new(path), LARGEST_FILE).map_err(|error| unreadable(&error))?;
    String::from_utf8(bytes.to_vec()).map_err(|error| {
        let before = str::from_utf8(error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default());
        let line = before.unwrap_or_default().lines().count().max(1);
        format!("the file is not text in UTF-8, from line {line} on")
    })
}

fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file; in a workflow, check the repository out first \
             (actions/checkout), and count the path from its root"
            .to_owned(),
        io::ErrorKind::FileTooLarge => "the file is larger than 1 MiB: it is another one than was meant".to_owned(),
        io::ErrorKind::IsADirectory => "this is a directory: expected a file".to_owned(),
        _ => format!("the file can't be read: {error}"),
    }
}

/// As [`read`], from the file's text.
pub(super) fn of_text(path: String, text: &str, problems: &mut Problems) -> Option<Config> {
    let fault = |problems: &mut Problems, fault: Fault| {
        problems.note(Spot { path: path.clone(), place: fault.at }.of("config"), fault.message);
    };
    let (node, faults) = match yaml::parse(text) {
        Ok(parsed) => parsed,
        Err(whole) => {
            fault(problems, whole);
            return None;
        }
    };
    faults.into_iter().for_each(|part| fault(problems, part));
    let mut fields = Fields::of(&path, &node, Level::Top, problems)?;
    let inputs = fields.inputs(problems);
    let (rotations, secrets): (Vec<_>, Vec<_>) = rotations(&mut fields, problems).into_iter().unzip();
    let misplaced = fields.finish(problems).into_iter().chain(secrets.into_iter().flatten()).collect();
    Some(Config { path, misplaced, inputs, rotations })
}

fn rotations(fields: &mut Fields<'_>, problems: &mut Problems) -> Vec<(Entry, Vec<Secret>)> {
    let Some(field) = fields.take(ROTATIONS) else {
        let message = "is required: the list of rotations, each with its `key-name`";
        problems.note(fields.spot.of(ROTATIONS), message);
        return Vec::new();
    };
    let wrong = match &field.node.value {
        Value::List(nodes) if nodes.is_empty() => "names no rotation".to_owned(),
        Value::List(nodes) => {
            return nodes.iter().filter_map(|node| entry(&fields.spot.path, node, problems)).collect();
        }
        Value::Faulty => return Vec::new(),
        other => format!("is {}: expected a list, each rotation after a `-`", other.what()),
    };
    problems.note(fields.spot(field.at).of(ROTATIONS), wrong);
    Vec::new()
}

fn entry(path: &str, node: &Node, problems: &mut Problems) -> Option<(Entry, Vec<Secret>)> {
    let mut fields = Fields::of(path, node, Level::Rotation, problems)?;
    let is_named = fields.has("key-name");
    let inputs = fields.inputs(problems);
    let named_wrongly = is_named && !inputs.has("key-name");
    let targets = targets(&mut fields, problems);
    let spot = fields.spot.clone();
    Some((Entry { spot, named_wrongly, inputs, targets }, fields.finish(problems)))
}

/// The text of one target. A space behind its kind makes a mapping of it.
fn target_line(value: &Value) -> Result<String, String> {
    let kind = match value {
        Value::Map(fields) => fields.first().and_then(|field| target::Kind::of_word(&field.name)),
        _ => None,
    };
    kind.map_or_else(|| scalar(value, &[Kind::Text]), |kind| Err(target::spaced(kind)))
}

/// A list of targets, or a text with one on each line.
fn targets(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Vec<(String, Spot)>> {
    let Field { at, node, .. } = fields.take("targets")?;
    let nodes = match &node.value {
        Value::List(nodes) => nodes.iter().collect(),
        _ => vec![node],
    };
    let mut lines = Vec::new();
    for node in nodes.iter().filter(|node| !matches!(node.value, Value::Faulty)) {
        let spot = fields.spot(node.at);
        match target_line(&node.value) {
            Ok(text) if !text.trim().is_empty() => lines.push((text, spot)),
            Ok(_) => problems.note(spot.of("targets"), "an entry is empty"),
            Err(message) => problems.note(spot.of("targets"), message),
        }
    }
    if nodes.is_empty() {
        problems.note(fields.spot(*at).of("targets"), "names no target");
    }
    Some(lines)
}
