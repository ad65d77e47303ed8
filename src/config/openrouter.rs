//! What is different where OpenRouter issues the keys.

use crate::cli::Inputs;
use crate::config::IssuerKind;
use crate::config::file::OpenRouter;
use crate::config::problem::{Problem, Problems};
use crate::config::scalar::{boolean, word};
use crate::secret::Secret;

/// As the input `issuer` is written.
pub(super) const WORD: &str = "openrouter";
/// The root of its API.
pub(super) const URL: &str = "https://openrouter.ai";
/// The secret's name in targets that do not say otherwise.
pub(super) const SECRET_NAME: &str = "OPENROUTER_API_KEY";

/// Whether these inputs ask for it.
#[must_use]
pub(super) fn is_asked(inputs: &Inputs) -> bool {
    inputs.issuer.as_deref().is_some_and(|text| text.trim() == WORD)
}

/// Notes what it does not have: keys that manage themselves, allow-lists.
pub(super) fn check(
    inputs: &Inputs,
    management_key: Option<&Secret>,
    current_key: Option<&Secret>,
    problems: &mut Problems,
) {
    if management_key.is_none() && current_key.is_some() {
        problems.note("management-key", "is required for `issuer: openrouter`, whose keys do not manage themselves");
    }
    for (name, given) in [("allowed-providers", &inputs.allowed_providers), ("allowed-models", &inputs.allowed_models)]
    {
        let text = given.as_deref().unwrap_or_default().trim();
        if !["", "inherit", "all"].contains(&text) {
            problems.wrong(name, text, "OpenRouter's keys have no such list: expected `all` or `inherit`");
        }
    }
}

/// The issuer of one rotation of a file, with what only the file can say: in the rotation, else at the top.
#[must_use]
pub(super) fn stated(kind: IssuerKind, [own, top]: [&OpenRouter; 2], problems: &mut Problems) -> IssuerKind {
    let IssuerKind::OpenRouter { .. } = kind else { return kind };
    let workspace = own.workspace_id.as_ref().or(top.workspace_id.as_ref());
    let byok = own.include_byok_in_limit.as_ref().or(top.include_byok_in_limit.as_ref());
    IssuerKind::OpenRouter {
        workspace: workspace.and_then(|given| problems.read("workspace-id", Some(&given.text), word)),
        include_byok: byok.and_then(|given| problems.read("include-byok-in-limit", Some(&given.text), boolean)),
    }
}

/// Notes fields that have no meaning, since nobody they hold for is OpenRouter's.
pub(super) fn check_meaning(path: &str, fields: &OpenRouter, has_meaning: bool, problems: &mut Problems) {
    for (name, _, at) in fields.given().into_iter().filter(|_| !has_meaning) {
        problems.push(Problem::new(name, "has a meaning for `issuer: openrouter` alone").at(path, at));
    }
}
