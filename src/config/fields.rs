//! The fields of one mapping in the config file, and why others are none.

use crate::cli::{self, InFile, Input, Inputs, Place, Spot, Task, ValueKind};
use crate::config::problem::{Problem, Problems, shown};
use crate::config::yaml::{Field, Node, Value};
use crate::config::yaml_kinds;
use crate::nearest::nearest;
use crate::secret::Secret;

/// The field with the rotations.
pub(super) const ROTATIONS: &str = "rotations";

/// Which mapping of the file it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// The file itself.
    Top,
    /// One of its rotations.
    Rotation,
}

impl Level {
    /// The inputs that are fields here.
    pub(super) fn rows(self) -> impl Iterator<Item = &'static Input> {
        cli::rows().filter(move |row| match row.in_file {
            InFile::No => false,
            InFile::Anywhere => true,
            InFile::Rotation => self == Self::Rotation,
        })
    }

    fn names(self) -> impl Iterator<Item = &'static str> {
        let more = (self == Self::Top).then_some(ROTATIONS);
        self.rows().map(|row| row.name).chain(more)
    }
}

/// The fields of a mapping, taken out one by one. What is left over at the end is not known.
pub(super) struct Fields<'a> {
    pub(super) spot: Spot,
    level: Level,
    left: Vec<&'a Field>,
}

impl<'a> Fields<'a> {
    /// The fields of a node; `None` once it was noted that it has none.
    pub(super) fn of(path: &str, node: &'a Node, level: Level, problems: &mut Problems) -> Option<Self> {
        let spot = Spot { path: path.to_owned(), place: node.at };
        let example = if level == Level::Top { ROTATIONS } else { "key-name" };
        match &node.value {
            Value::Map(fields) => return Some(Self { spot, level, left: fields.iter().collect() }),
            Value::Faulty => {}
            other => {
                let message = format!("{} stands here: expected fields such as `{example}:`", other.what());
                problems.note(spot.of("config"), message);
            }
        }
        None
    }

    /// A place in the same file.
    pub(super) fn spot(&self, place: Place) -> Spot {
        Spot { place, ..self.spot.clone() }
    }

    /// Whether a field is there and was not taken.
    pub(super) fn has(&self, name: &str) -> bool {
        self.left.iter().any(|field| field.name == name)
    }

    /// Takes a field as it is.
    pub(super) fn take(&mut self, name: &str) -> Option<&'a Field> {
        let at = self.left.iter().position(|field| field.name == name)?;
        Some(self.left.remove(at))
    }

    /// Takes what single inputs say; without those that have a problem, which is noted.
    pub(super) fn inputs(&mut self, problems: &mut Problems) -> Inputs {
        let mut inputs = Inputs::beginning(self.spot.clone());
        for row in self.level.rows().filter(|row| row.kind != ValueKind::Targets) {
            let Some(Field { node, .. }) = self.take(row.name) else { continue };
            if matches!(node.value, Value::Faulty) {
                continue;
            }
            let spot = self.spot(node.at);
            match yaml_kinds::text(row.kind, &node.value) {
                Ok(text) => inputs.set(row.name, text, Some(spot)),
                Err(message) => problems.note(spot.of(row.name), message),
            }
        }
        inputs
    }

    /// Notes every field that is left over; returns the secrets among them.
    pub(super) fn finish(self, problems: &mut Problems) -> Vec<Secret> {
        let mut misplaced = Vec::new();
        for field in &self.left {
            let spot = self.spot(field.at);
            problems.push(Problem::new(spot.of(&shown(&field.name)), unknown(&field.name, self.level)));
            if let Value::Scalar { text, .. } = &field.node.value
                && is_secret(&field.name)
                && !text.trim().is_empty()
            {
                misplaced.push(Secret::new(text.trim().to_owned()));
            }
        }
        misplaced
    }
}

/// A field's name as a person may have written it.
fn plain(name: &str) -> String {
    name.trim().to_lowercase().replace('_', "-")
}

fn is_secret(name: &str) -> bool {
    cli::input(&plain(name)).is_some_and(Input::is_secret)
}

/// Why a field is not one of this level, and which may have been meant. Its value is not shown.
fn unknown(name: &str, level: Level) -> String {
    match cli::input(&plain(name)) {
        Some(row) if row.name == "current-key" => {
            "is a secret and must not stand in this file: put it into a variable, \
             and name that in the rotation with `current-key-env`"
                .to_owned()
        }
        Some(row) if row.is_secret() => {
            format!("is a secret and must not stand in this file: give it as the input, or in {}", row.own_variable())
        }
        _ if level == Level::Top && Level::Rotation.names().any(|own| own == name) => {
            "is each rotation's own: expected below `rotations:`".to_owned()
        }
        Some(row) if row.name == name => match row.tasks {
            [Task::Audit] => "is an input of `audit`, not a field of this file".to_owned(),
            _ => "is an input of the run, not a field of this file".to_owned(),
        },
        _ if name == ROTATIONS => "has no meaning in a rotation".to_owned(),
        _ => {
            let place = if level == Level::Top { "at the top" } else { "in a rotation" };
            let hint = nearest(name, level.names()).map(|near| format!("; did you mean `{near}`?"));
            format!("is not a field {place}{}", hint.unwrap_or_default())
        }
    }
}
