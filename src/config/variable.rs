//! `current-key-env`: the variable that holds a rotation's current key. Its name is never repeated, since it may be the
//! key itself, put there by mistake.

use crate::cli::{INPUTS, Input, Inputs, Surroundings};
use crate::config::problem::{Problems, looks_like_key};
use crate::config::secrets::{Secrets, check_token};
use crate::nearest::nearest;
use crate::secret::Secret;

const FIELD: &str = "current-key-env";

/// Variables of others: whoever may change the file must not be able to have them sent to an issuer.
const OF_OTHERS: [&str; 6] = ["ACTIONS_", "AWS_", "GITHUB_", "INPUT_", "RUNNER_", "VAULT_"];

/// What `current-key-env` leads to.
#[derive(Default)]
pub(super) struct Current {
    pub(super) value: Option<Secret>,
    /// The field is there, and so whatever is wrong with it was told.
    pub(super) was_named: bool,
    /// What is odd without being wrong.
    pub(super) doubts: Vec<String>,
}

/// The value, right or wrong: it must be hidden before anything is printed. That of a variable of others is never used.
#[must_use]
pub(super) fn value(inputs: &Inputs, surroundings: &Surroundings) -> Option<Secret> {
    let name = inputs.text(FIELD)?;
    surroundings.var(name).filter(|_| !is_of_others(name)).map(|value| Secret::new(value.to_owned()))
}

/// The rotation's current key. A variable that is set but empty holds none, as with the inputs: a workflow hands over a
/// secret that does not exist so.
#[must_use]
pub(super) fn current_key(inputs: &Inputs, surroundings: &Surroundings, problems: &mut Problems) -> Current {
    let Some(name) = inputs.text(FIELD) else { return Current::default() };
    let mut current = Current { was_named: true, ..Current::default() };
    if let Err(message) = check(name, surroundings) {
        problems.note(inputs.at(FIELD), message);
        return current;
    }
    match value(inputs, surroundings) {
        Some(value) => match check_token(value.expose()) {
            Ok(()) => {
                let alone = Secrets { current_key: Some(value.clone()), ..Secrets::default() };
                current.doubts = alone.doubts(surroundings);
                current.value = Some(value);
            }
            Err(message) => problems.note(inputs.at(FIELD), format!("the variable's value {message}")),
        },
        None => {
            current.was_named = false;
            current.doubts = vec![format!("{FIELD}: the variable is empty, so nothing is known of the current key")];
        }
    }
    current
}

/// The same where the variable need not be set: an audit may do without the key.
#[must_use]
pub(super) fn if_set(inputs: &Inputs, surroundings: &Surroundings, problems: &mut Problems) -> Current {
    let Some(name) = inputs.text(FIELD) else { return Current::default() };
    if surroundings.vars.contains_key(name) {
        return current_key(inputs, surroundings, problems);
    }
    if let Err(message) = check_name(name, surroundings) {
        problems.note(inputs.at(FIELD), message);
    }
    Current::default()
}

fn check(name: &str, surroundings: &Surroundings) -> Result<(), String> {
    check_name(name, surroundings)?;
    if !surroundings.vars.contains_key(name) {
        let names = surroundings.vars.keys().map(String::as_str).filter(|name| !is_of_others(name));
        let hint = nearest(name, names).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        return Err(format!("there is no such variable: set it (in a workflow with `env:` beside `with:`){hint}"));
    }
    Ok(())
}

fn check_name(name: &str, surroundings: &Surroundings) -> Result<(), String> {
    let fits = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !fits || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("expected the name of an environment variable, such as PRODUCTION_KEY".to_owned());
    }
    if looks_like_key(name) {
        return Err("this is a key itself: put it into a variable, and name that here".to_owned());
    }
    if is_of_others(name) {
        return Err("this variable belongs to something else: put the key into one of its own".to_owned());
    }
    if surroundings.unreadable.contains(name) {
        return Err("the variable's value is not text in UTF-8".to_owned());
    }
    Ok(())
}

fn is_of_others(name: &str) -> bool {
    let secrets = INPUTS.iter().filter(|doc| doc.is_secret() && doc.name != "current-key");
    OF_OTHERS.iter().any(|prefix| name.starts_with(prefix))
        || secrets.map(Input::own_variable).any(|own| name == own || name == format!("{own}_FILE"))
}
