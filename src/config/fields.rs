//! The fields of one mapping in the config file, and why others are none.

use crate::cli::{self, Task};
use crate::config::problem::{Problem, Problems, shown};
use crate::config::shape::{Given, Shape};
use crate::config::yaml::{Field, Node, Place, Value};
use crate::nearest::nearest;
use crate::secret::Secret;

/// The fields that one level has.
pub(super) struct Level {
    pub(super) names: &'static [&'static [&'static str]],
    /// As in "is not a field …".
    pub(super) place: &'static str,
    /// One of them, for a message.
    pub(super) example: &'static str,
    /// Those that belong to each rotation alone.
    pub(super) elsewhere: &'static [&'static str],
}

impl Level {
    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.names.iter().copied().flatten().copied()
    }
}

/// The fields of a mapping, taken out one by one. What is left over at the end is not known.
pub(super) struct Fields<'a> {
    pub(super) path: &'a str,
    pub(super) at: Place,
    level: &'static Level,
    left: Vec<&'a Field>,
}

impl<'a> Fields<'a> {
    /// The fields of a node; `None` once it was noted that it has none.
    pub(super) fn of(path: &'a str, node: &'a Node, level: &'static Level, problems: &mut Problems) -> Option<Self> {
        let wrong = match &node.value {
            Value::Map(fields) => return Some(Self { path, at: node.at, level, left: fields.iter().collect() }),
            Value::Faulty => return None,
            other => format!("{} stands here: expected fields such as `{}:`", other.what(), level.example),
        };
        problems.push(Problem::new("config", wrong).at(path, node.at));
        None
    }

    /// Whether a field is there and was not taken.
    pub(super) fn has(&self, name: &str) -> bool {
        self.left.iter().any(|field| field.name == name)
    }

    /// Takes a field as it is.
    pub(super) fn take_node(&mut self, name: &str) -> Option<&'a Field> {
        let at = self.left.iter().position(|field| field.name == name)?;
        Some(self.left.remove(at))
    }

    /// Takes a field's value; `None` also once a problem with it was noted.
    pub(super) fn take<S: Shape>(&mut self, name: &'static str, problems: &mut Problems) -> Option<Given<S>> {
        let field = self.take_node(name)?;
        if matches!(field.node.value, Value::Faulty) {
            return None;
        }
        let message = match Given::read(&field.node) {
            Ok(given) => return Some(given),
            Err(message) => message,
        };
        problems.push(Problem::new(name, message).at(self.path, field.node.at));
        None
    }

    /// Notes every field that is left over; returns the secrets among them.
    pub(super) fn finish(self, problems: &mut Problems) -> Vec<Secret> {
        let mut misplaced = Vec::new();
        for field in &self.left {
            let message = unknown(&field.name, self.level);
            problems.push(Problem::new(shown(&field.name), message).at(self.path, field.at));
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
    cli::input(&plain(name)).is_some_and(|doc| doc.secret)
}

/// Why a field is not one of this level, and which may have been meant. Its value is not shown.
fn unknown(name: &str, level: &'static Level) -> String {
    let doc = cli::input(&plain(name));
    match doc {
        Some(doc) if doc.name == "current-key" => {
            "is a secret and must not stand in this file: put it into a variable, \
             and name that in the rotation with `current-key-env`"
                .to_owned()
        }
        Some(doc) if doc.secret => {
            format!("is a secret and must not stand in this file: give it as the input, or in {}", doc.own_variable())
        }
        _ if level.elsewhere.contains(&name) => "is each rotation's own: expected below `rotations:`".to_owned(),
        Some(doc) if doc.name == name => match doc.tasks {
            [Task::Audit] => "is an input of `audit`, not a field of this file".to_owned(),
            _ => "is an input of the run, not a field of this file".to_owned(),
        },
        _ if name == "rotations" => "has no meaning in a rotation".to_owned(),
        _ => {
            let hint = nearest(name, level.names()).map(|near| format!("; did you mean `{near}`?"));
            format!("is not a field {}{}", level.place, hint.unwrap_or_default())
        }
    }
}
