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
    let is_openrouter = problems.read(inputs, "issuer", is_openrouter);
    let url = match is_openrouter {
        Some(true) if !inputs.has("issuer-url") => issuer_url(openrouter::URL).ok(),
        _ => problems.read(inputs, "issuer-url", issuer_url),
    };
    let kind = match is_openrouter? {
        true => {
            openrouter::check(inputs, management_key.as_ref(), current_key.as_ref(), problems);
            openrouter::kind(inputs, problems)
        }
        false => IssuerKind::Arouter,
    };
    Some(IssuerSettings { kind, url: url?, management_key, current_key })
}

fn is_openrouter(text: &str) -> Result<bool, String> {
    choice(text, &[("arouter", false), (openrouter::WORD, true)])
}
