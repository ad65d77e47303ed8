//! `vault:MOUNT/PATH#FIELD[,FIELD] [role=NAME] [jwt-mount=PATH] [accept=NAME[,NAME]]`.

use std::fmt;

use super::accept::Accepted;
use super::words::{Words, note};
use super::{Kind, is_a_value};

/// One field of a Vault KV secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultField {
    /// Mount and path as one, since only the server knows where a mount's name ends; no slash at either end.
    pub path: String,
    /// The field.
    pub field: String,
    /// Log in with GitHub's OIDC token, in this role.
    pub role: Option<String>,
    /// Where that way to log in is mounted; no slash at either end.
    pub jwt_mount: Option<String>,
    accepted: Accepted,
}

impl VaultField {
    /// Names beside it that are no misspelling of its own (`accept=`).
    #[must_use]
    pub fn accepted(&self) -> &[String] {
        self.accepted.names()
    }

    /// The words behind the locator, each with a space before it.
    pub(super) fn words(&self) -> String {
        let word = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!(" {name}={value}"));
        let login = [word("role", &self.role), word("jwt-mount", &self.jwt_mount)];
        login.into_iter().flatten().chain([self.accepted.to_string()]).collect()
    }
}

impl fmt::Display for VaultField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}#{}", Kind::Vault, self.path, self.field)
    }
}

pub(super) fn read(locator: &str, words: &Words<'_>, problems: &mut Vec<String>) -> Vec<VaultField> {
    let role = words.get("role").and_then(|role| note(problems, check_role(role)));
    let mount = words.get("jwt-mount").and_then(|path| note(problems, check_path("`jwt-mount=`: a mount", path)));
    if words.contains_key("jwt-mount") && !words.contains_key("role") {
        problems.push("`jwt-mount=` has no meaning without `role=`".to_owned());
    }
    let accepted = Accepted::of_words(words, problems);
    let Some((path, fields)) = locator.split_once('#').filter(|(path, _)| path.contains('/')) else {
        problems.push("expected `vault:MOUNT/PATH#FIELD`, such as `vault:secret/arouter#api-key`".to_owned());
        return Vec::new();
    };
    let path = note(problems, check_path("a mount and a path", path));
    let fields: Vec<_> = fields.split(',').filter_map(|field| note(problems, check_field(field))).collect();
    let Some(path) = path else { return Vec::new() };
    let place = |field: &str| VaultField {
        path: path.to_owned(),
        field: field.to_owned(),
        role: role.map(ToOwned::to_owned),
        jwt_mount: role.and(mount).map(ToOwned::to_owned),
        accepted: accepted.clone(),
    };
    fields.into_iter().map(place).collect()
}

/// What would change the address of a request is no part of a path.
fn check_path<'a>(what: &str, path: &'a str) -> Result<&'a str, String> {
    let part = |part: &str| {
        let odd = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '?' | '#' | '%' | '\\' | ',');
        !matches!(part, "" | "." | "..") && !part.contains(odd) && !is_a_value(part)
    };
    if path.split('/').all(part) {
        return Ok(path);
    }
    Err(format!("`{path}` is not {what}: parts with `/` between them, none of them empty, `.` or `..`, no white space"))
}

fn check_field(field: &str) -> Result<&str, String> {
    if is_a_value(field) {
        return Err("the part after `#` looks like a key or token: expected the field in which it is stored".to_owned());
    }
    if field.is_empty() || field.contains(|c: char| c.is_control() || c.is_whitespace() || c == '#') {
        return Err(format!("`{field}` is not a field: expected its name, without white space or `#`"));
    }
    Ok(field)
}

fn check_role(role: &str) -> Result<&str, String> {
    let odd = |c: char| c.is_control() || matches!(c, '/' | '?' | '#' | '%');
    if role.contains(odd) || is_a_value(role) { Err(format!("`role={role}` is not a role's name")) } else { Ok(role) }
}
