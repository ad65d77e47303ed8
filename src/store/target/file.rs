//! `file:PATH[#VARIABLE[,VARIABLE]] [accept=NAME[,NAME]]`.

use std::fmt;
use std::path::{Component, Path};

use super::accept::Accepted;
use super::words::{Words, note};
use super::{Kind, SecretName, is_a_value};
use crate::regular;

/// One variable of a `.env` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileVariable {
    /// As the user wrote it; a relative one begins at the working directory.
    pub path: String,
    /// The variable.
    pub variable: String,
    accepted: Accepted,
}

impl FileVariable {
    /// Names beside it that are no misspelling of its own (`accept=`).
    #[must_use]
    pub fn accepted(&self) -> &[String] {
        self.accepted.names()
    }

    /// The words behind the locator, each with a space before it.
    pub(super) fn words(&self) -> String {
        self.accepted.to_string()
    }

    /// The same for every spelling of a path that needs no look at the disk.
    pub(super) fn identity(&self) -> String {
        let parts = Path::new(&self.path).components().filter(|part| *part != Component::CurDir);
        let path = parts.collect::<std::path::PathBuf>();
        format!("{}:{}#{}", Kind::File, path.display(), self.variable)
    }
}

impl FileVariable {
    /// The file: the same for every path that leads to it now, through links and `..` too. Nothing is opened.
    pub(super) fn file_here(&self) -> String {
        regular::identity(Path::new(&self.path))
    }
}

impl fmt::Display for FileVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}#{}", Kind::File, self.path, self.variable)
    }
}

pub(super) fn read(
    locator: &str,
    words: &Words<'_>,
    secret: &SecretName,
    problems: &mut Vec<String>,
) -> Vec<FileVariable> {
    let own = words.get("secret");
    let accepted = Accepted::of_words(words, problems);
    let (path, variables) = match (locator.rsplit_once('#'), own) {
        (Some((path, _)), Some(_)) => {
            problems.push("the variable is named twice: behind `#` and by `secret=`".to_owned());
            (path, Vec::new())
        }
        (Some((path, variables)), None) => (path, variables.split(',').collect()),
        (None, own) => (locator, vec![own.copied().unwrap_or(secret.as_str())]),
    };
    let path = note(problems, check_path(path));
    let variables: Vec<_> = variables.into_iter().filter_map(|name| note(problems, check_variable(name))).collect();
    let Some(path) = path else { return Vec::new() };
    let place =
        |name: &str| FileVariable { path: path.to_owned(), variable: name.to_owned(), accepted: accepted.clone() };
    variables.into_iter().map(place).collect()
}

fn check_path(path: &str) -> Result<&str, String> {
    if path.is_empty() || path.ends_with('/') || Path::new(path).file_name().is_none() {
        return Err(format!("`{path}` is not a file: expected a path, such as `file:deploy/.env`"));
    }
    if path.starts_with("~/") {
        return Err(format!("`{path}`: only a shell knows what `~` is; write the path out"));
    }
    if path.contains(',') {
        return Err(format!("`{path}`: each file needs a line of its own, and no comma stands in a path"));
    }
    if path.contains(char::is_control) || path.trim() != path {
        return Err(format!(
            "`{}`: no control character stands in a path, and no space at its end",
            path.escape_debug()
        ));
    }
    Ok(path)
}

/// What every parser of such files takes for a name.
fn check_variable(name: &str) -> Result<&str, String> {
    if is_a_value(name) {
        return Err("a key or token itself stands where the variable's name belongs".to_owned());
    }
    let letters = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if letters && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return Ok(name);
    }
    Err(format!("`{name}` is not a variable's name: letters, digits, `_`, `.`, `-`, and no digit first"))
}
