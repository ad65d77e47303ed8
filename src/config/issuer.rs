//! The issuer: which it is and where, with the keys that sign there.

use crate::cli::Inputs;
use crate::config::base_url::issuer_url;
use crate::config::openrouter;
use crate::config::problem::Problems;
use crate::config::scalar::choice;
use crate::config::{IssuerKind, IssuerSettings};
use crate::secret::Secret;

/// How to reach the issuer; `None` once a problem was noted.
#[must_use]
pub(super) fn issuer(
    inputs: &Inputs,
    management_key: Option<Secret>,
    current_key: Option<Secret>,
    problems: &mut Problems,
) -> Option<IssuerSettings> {
    let kind = problems.read("issuer", inputs.issuer.as_deref(), issuer_kind);
    let is_openrouter = kind.is_some_and(|is_openrouter| is_openrouter);
    let given = inputs.issuer_url.as_deref().filter(|text| !text.trim().is_empty());
    let url = problems.read("issuer-url", given.or(is_openrouter.then_some(openrouter::URL)), issuer_url);
    if is_openrouter {
        openrouter::check(inputs, management_key.as_ref(), current_key.as_ref(), problems);
    }
    let kind = match kind? {
        true => IssuerKind::OpenRouter { workspace: None, include_byok: None },
        false => IssuerKind::Arouter,
    };
    Some(IssuerSettings { kind, url: url?, management_key, current_key })
}

/// Whether it is OpenRouter.
fn issuer_kind(text: &str) -> Result<bool, String> {
    choice(text, &[("arouter", false), (openrouter::WORD, true)])
}
