//! [`Secret`], the only type that holds a key, token or private key, and [`Redactor`], which takes them out of text.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// What stands in place of a secret wherever text is shown.
pub const REDACTED: &str = "***";

/// Shorter values would redact ordinary words.
const SHORTEST_REDACTED: usize = 6;

/// A value that must never be shown. It has no `Display`, its `Debug` is fixed text, its memory is overwritten when the
/// last copy is dropped.
///
/// Whatever would put it into a text does not compile:
///
/// ```compile_fail,E0277
/// let key = keyrotor::secret::Secret::new("lr_live_0123456789".to_owned());
/// println!("{key}");
/// ```
///
/// ```compile_fail,E0277
/// let key = keyrotor::secret::Secret::new("lr_live_0123456789".to_owned());
/// serde_json::to_string(&key);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Takes ownership of a value; the caller's copy must not live on.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(Arc::new(Zeroizing::new(value)))
    }

    /// The value itself, for the one place that sends or seals it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Knows every secret in play and takes them, in the encodings a server may echo, out of text that is to be shown.
#[derive(Clone, Default)]
pub struct Redactor(Rc<RefCell<Vec<Zeroizing<String>>>>);

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

impl Redactor {
    /// A redactor that knows no secret yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on this value, each of its lines and their encodings are taken out.
    pub fn learn(&self, secret: &Secret) {
        let value = secret.expose();
        let mut forms: Vec<String> = Vec::new();
        for part in std::iter::once(value).chain(value.lines()) {
            forms.push(part.to_owned());
            forms.push(STANDARD.encode(part));
            forms.push(STANDARD_NO_PAD.encode(part));
            forms.push(URL_SAFE.encode(part));
            forms.push(URL_SAFE_NO_PAD.encode(part));
            forms.push(url::form_urlencoded::byte_serialize(part.as_bytes()).collect());
            if let Ok(json) = serde_json::to_string(part) {
                forms.push(json.trim_matches('"').to_owned());
            }
        }
        let mut known = self.0.borrow_mut();
        for form in forms {
            if form.len() >= SHORTEST_REDACTED && !known.iter().any(|k| **k == form) {
                known.push(Zeroizing::new(form));
            }
        }
        known.sort_by_key(|form| std::cmp::Reverse(form.len()));
    }

    /// The text with every known secret replaced by [`REDACTED`].
    #[must_use]
    pub fn scrub(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for form in self.0.borrow().iter() {
            if out.contains(form.as_str()) {
                out = out.replace(form.as_str(), REDACTED);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_value() {
        let secret = Secret::new("lr_live_abcdefghijklmnop".into());
        assert_eq!(format!("{secret:?}"), "Secret(***)");
    }

    #[test]
    fn a_learned_secret_is_scrubbed_in_every_encoding() {
        let redactor = Redactor::new();
        let value = "lr_live_a+b/c\"d=e";
        redactor.learn(&Secret::new(value.into()));
        for form in [
            value.to_owned(),
            STANDARD.encode(value),
            URL_SAFE_NO_PAD.encode(value),
            serde_json::to_string(value).unwrap_or_default(),
            url::form_urlencoded::byte_serialize(value.as_bytes()).collect(),
        ] {
            let shown = redactor.scrub(&format!("before {form} after"));
            assert!(shown.contains(REDACTED) && !shown.contains(&form), "{shown}");
        }
    }

    #[test]
    fn each_line_of_a_private_key_is_scrubbed() {
        let redactor = Redactor::new();
        redactor.learn(&Secret::new("-----BEGIN-----\nQUJDREVGR0g\n-----END-----".into()));
        assert_eq!(redactor.scrub("line QUJDREVGR0g here"), "line *** here");
    }
}
