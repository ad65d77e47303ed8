//! What is different where OpenRouter issues the keys.

use crate::cli::Inputs;
use crate::config::IssuerKind;
use crate::config::problem::Problems;
use crate::config::scalar::{boolean, word};
use crate::secret::Secret;

/// As the input `issuer` is written.
pub(super) const WORD: &str = "openrouter";
/// The root of its API.
pub(super) const URL: &str = "https://openrouter.ai";
/// The secret's name in targets that do not say otherwise.
pub(super) const SECRET_NAME: &str = "OPENROUTER_API_KEY";
/// What only a config file can say.
const OWN_FIELDS: [&str; 2] = ["workspace-id", "include-byok-in-limit"];

/// Whether these inputs ask for it.
#[must_use]
pub(super) fn is_asked(inputs: &Inputs) -> bool {
    inputs.text("issuer") == Some(WORD)
}

/// Notes what it does not have: keys that manage themselves, allow-lists.
pub(super) fn check(
    inputs: &Inputs,
    management_key: Option<&Secret>,
    current_key: Option<&Secret>,
    problems: &mut Problems,
) {
    if management_key.is_none() && current_key.is_some() {
        problems.note(
            inputs.at("management-key"),
            "is required for `issuer: openrouter`, whose keys do not manage themselves",
        );
    }
    for name in ["allowed-providers", "allowed-models"] {
        if let Some(text) = inputs.text(name).filter(|text| !["inherit", "all"].contains(text)) {
            problems.wrong(inputs.at(name), text, "OpenRouter's keys have no such list: expected `all` or `inherit`");
        }
    }
}

/// The issuer, with what only a config file can say.
#[must_use]
pub(super) fn kind(inputs: &Inputs, problems: &mut Problems) -> IssuerKind {
    IssuerKind::OpenRouter {
        workspace: problems.read(inputs, "workspace-id", word),
        include_byok: problems.read(inputs, "include-byok-in-limit", boolean),
    }
}

/// Notes fields that have no meaning, since nobody they hold for is OpenRouter's.
pub(super) fn check_meaning(fields: &Inputs, has_meaning: bool, problems: &mut Problems) {
    for name in OWN_FIELDS.into_iter().filter(|name| !has_meaning && fields.has(name)) {
        problems.note(fields.at(name), "has a meaning for `issuer: openrouter` alone");
    }
}
