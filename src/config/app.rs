//! The credentials of a GitHub App.

use crate::cli::{Inputs, Surroundings};
use crate::config::problem::Problems;
use crate::config::secrets::Secrets;
use crate::store::github::AppKey;

/// Longer ones are something else.
const LONGEST_ID: usize = 64;

/// Reads the App, where one is given; notes what is missing beside the other half, and a token beside both.
#[must_use]
pub(crate) fn read(
    inputs: &Inputs,
    surroundings: &Surroundings,
    secrets: &Secrets,
    problems: &mut Problems,
) -> Option<AppKey> {
    let has_key = Secrets::was_named(&secrets.app_private_key, "app-private-key", surroundings);
    match (inputs.has("app-client-id"), has_key) {
        (false, false) => return None,
        (true, false) => problems.note("app-private-key", "is required beside `app-client-id`: the App's private key"),
        (false, true) => {
            problems.note("app-client-id", "is required beside `app-private-key`: the App's client id or number");
        }
        (true, true) => {}
    }
    if Secrets::was_named(&secrets.github_token, "github-token", surroundings) {
        problems
            .note("github-token", "is given beside `app-client-id` or `app-private-key`: give the token or the App");
    }
    let id = problems.read(inputs, "app-client-id", client_id);
    // Whatever the id: what is wrong with the key is worth knowing too.
    let key = AppKey::read(id.as_deref().unwrap_or_default(), secrets.app_private_key.as_ref()?);
    key.map_err(|message| problems.note("app-private-key", message)).ok().filter(|_| id.is_some())
}

/// `Iv23liAbCdEf0123` or `123456`. What GitHub will make of it, it says itself.
fn client_id(text: &str) -> Result<String, String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.len() <= LONGEST_ID && text.chars().all(is_part) {
        Ok(text.to_owned())
    } else {
        Err("expected a GitHub App's client id, such as Iv23liAbCdEf0123, or its number".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_word() {
        for id in ["Iv23liAbCdEf0123", "Iv1.0123456789abcdef", "123456"] {
            assert_eq!(client_id(id).as_deref(), Ok(id));
        }
        for id in ["my app", "https://github.com/apps/x", "-----BEGIN RSA PRIVATE KEY-----", &"1".repeat(65)] {
            assert!(client_id(id).is_err(), "{id}");
        }
    }
}
