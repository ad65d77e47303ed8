//! A GitHub App's id and private key, as people paste them, and what is signed with the key.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// GitHub's clock may be behind ours: its page "Generating a JSON Web Token (JWT) for a GitHub App" recommends this.
const CLOCK_DRIFT: SignedDuration = SignedDuration::from_secs(60);

/// GitHub takes no token that ends more than ten minutes from now, by its own clock.
const LIFETIME: SignedDuration = SignedDuration::from_secs(9 * 60);

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// What is accepted.
const EXPECTED: &str = "expected the PEM file of the GitHub App's private key, which begins with `-----BEGIN`: as it is, with \
     `\\n` in place of line breaks, or in base64";

/// A GitHub App's credentials.
#[derive(Clone, Debug)]
pub struct AppKey {
    id: String,
    key: EncodingKey,
}

/// What GitHub reads in a signed request of an App.
#[derive(Serialize)]
struct Claims<'a> {
    iat: i64,
    exp: i64,
    iss: &'a str,
}

impl AppKey {
    /// Reads a private key in any of the forms in which it gets pasted, for the App with this client id or number.
    ///
    /// # Errors
    /// What is wrong with the key and what is accepted, without any part of it.
    pub fn read(id: &str, given: &Secret) -> Result<Self, String> {
        let pem = canonical(given.expose())?;
        let unusable = || "does not parse as an RSA private key: generate another one in the App's settings".to_owned();
        let key = EncodingKey::from_rsa_pem(pem.expose().as_bytes()).map_err(|_| unusable())?;
        let read = Self { id: id.to_owned(), key };
        // What does not sign is no key, whatever it looks like.
        read.sign(Timestamp::UNIX_EPOCH).ok_or_else(unusable)?;
        Ok(read)
    }

    /// The App's client id or number.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A pasted key with its line breaks where they belong, be it of use or not: each of its lines has to be hidden.
    #[must_use]
    pub fn pem_of(given: &Secret) -> Option<Secret> {
        canonical(given.expose()).ok()
    }

    /// A JSON Web Token that shows who the App is, for some minutes from `now` on GitHub's clock. `None` where the key
    /// signs nothing, which [`read`](Self::read) has ruled out.
    #[must_use]
    pub fn sign(&self, now: Timestamp) -> Option<Secret> {
        let second = |by| Some(now.checked_add(by).ok()?.as_second());
        let claims = Claims { iat: second(-CLOCK_DRIFT)?, exp: second(LIFETIME)?, iss: &self.id };
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key).ok().map(Secret::new)
    }
}

/// The PEM text with one line break where one belongs, out of any of the forms in which it gets pasted.
fn canonical(given: &str) -> Result<Secret, String> {
    let given = given.trim().trim_matches(['"', '\'']);
    let text = if given.contains(BEGIN) { Zeroizing::new(given.to_owned()) } else { decoded(given)? };
    // Each tool that it went through may have escaped it once more.
    let mut text = text;
    while text.contains("\\\\") {
        text = Zeroizing::new(text.replace("\\\\", "\\"));
    }
    let text = Zeroizing::new(text.replace("\\r", " ").replace("\\n", " "));
    let (label, body) = block(&text)?;
    if label.contains("ENCRYPTED") || body.contains("ENCRYPTED") {
        return Err("is encrypted with a passphrase: give it as GitHub hands it out, without one".to_owned());
    }
    if !matches!(label, "RSA PRIVATE KEY" | "PRIVATE KEY") {
        return Err(format!("is something else than an RSA private key; {EXPECTED}"));
    }
    let body: Zeroizing<String> = Zeroizing::new(body.split_whitespace().collect());
    let mut pem = format!("{BEGIN}{label}{DASHES}\n");
    for line in body.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str(&format!("{END}{label}{DASHES}\n"));
    Ok(Secret::new(pem))
}

/// The label of the first block, and what stands between its two lines.
fn block(text: &str) -> Result<(&str, &str), String> {
    let (_, rest) = text.split_once(BEGIN).ok_or_else(|| format!("is no private key: {EXPECTED}"))?;
    let (label, rest) = rest.split_once(DASHES).ok_or_else(|| format!("is no private key: {EXPECTED}"))?;
    let cut_off = || "is cut off: its last line, `-----END …-----`, is missing".to_owned();
    let (body, _) = rest.split_once(&format!("{END}{label}{DASHES}")).ok_or_else(cut_off)?;
    Ok((label, body))
}

fn decoded(given: &str) -> Result<Zeroizing<String>, String> {
    let compact: Zeroizing<String> = Zeroizing::new(given.split_whitespace().collect());
    let standard: Cow<'_, str> = match compact.contains(['-', '_']) {
        true => compact.replace('-', "+").replace('_', "/").into(),
        false => compact.as_str().into(),
    };
    let bytes = STANDARD_NO_PAD.decode(standard.trim_end_matches('=')).map(Zeroizing::new);
    let text = bytes.ok().and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()).map(Zeroizing::new);
    text.ok_or_else(|| format!("is no private key: {EXPECTED}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
    use keyrotor_fake::{App, AppCredentials};

    use super::*;

    /// Made once: that takes a while.
    static APP: std::sync::LazyLock<AppCredentials> = std::sync::LazyLock::new(|| App::new(1).1);

    fn read(text: &str) -> Result<AppKey, String> {
        AppKey::read("Iv23li", &Secret::new(text.to_owned()))
    }

    fn problem(text: &str) -> String {
        read(text).err().unwrap_or_else(|| unreachable!("taken"))
    }

    #[test]
    fn a_key_is_taken_however_it_was_pasted() {
        let app = &*APP;
        for pem in [app.pem.as_str(), app.pkcs8.as_str()] {
            let one_line = pem.trim_end().replace('\n', " ");
            for pasted in [
                pem.to_owned(),
                pem.replace('\n', "\r\n"),
                pem.replace('\n', "\\n"),
                pem.replace('\n', "\\r\\n"),
                pem.replace('\n', "\\\\n"),
                pem.replace('\n', "\\\\\\\\n"),
                format!("\"{}\"", pem.trim_end().replace('\n', "\\n")),
                format!("  {}\n", pem.replace('\n', "\n  ")),
                one_line,
                STANDARD.encode(pem),
                URL_SAFE.encode(pem),
                STANDARD
                    .encode(pem.replace('\n', "\r\n"))
                    .as_bytes()
                    .chunks(76)
                    .fold(String::new(), |text, line| text + &String::from_utf8_lossy(line) + "\n"),
                format!("Bag Attributes\n    friendlyName: x\n{pem}"),
            ] {
                read(&pasted).unwrap();
                let hidden = AppKey::pem_of(&Secret::new(pasted)).unwrap();
                assert_eq!(hidden.expose(), pem, "its lines are hidden as they are");
            }
        }
    }

    #[test]
    fn what_is_no_private_key_is_refused_without_being_shown() {
        let app = &*APP;
        let first_half = app.pem.get(..app.pem.len() / 2).unwrap();
        let other_label = |label: &str| app.pem.replace("RSA PRIVATE KEY", label);
        for (text, words) in [
            ("", "is no private key"),
            ("ghs_0123456789", "is no private key"),
            ("bm90IGEga2V5", "is no private key"),
            (first_half, "is cut off"),
            (&other_label("ENCRYPTED PRIVATE KEY"), "is encrypted"),
            (&other_label("OPENSSH PRIVATE KEY"), "something else than an RSA private key"),
            (&other_label("PUBLIC KEY"), "something else than an RSA private key"),
            (&other_label("PRIVATE KEY"), "does not parse"),
            ("-----BEGIN RSA PRIVATE KEY-----\nQUJD\n-----END RSA PRIVATE KEY-----", "does not parse"),
        ] {
            let problem = problem(text);
            assert!(problem.contains(words), "{problem}");
            let shown = text.lines().nth(1).is_some_and(|line| problem.contains(line));
            assert!(!shown && !problem.contains("0123456789"), "{problem}");
        }
        // All there but for a few bytes.
        let mut lines: Vec<&str> = app.pem.lines().collect();
        lines.remove(5);
        assert!(problem(&lines.join("\n")).contains("does not parse"));
    }

    #[test]
    fn what_it_signs_is_dated_back_and_ends_within_ten_minutes() {
        let app = &*APP;
        let now = "2026-12-01T10:00:00Z".parse::<Timestamp>().unwrap();
        let signed = read(&app.pem).unwrap().sign(now).unwrap();
        let claims = URL_SAFE_NO_PAD.decode(signed.expose().split('.').nth(1).unwrap()).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        let now = now.as_second();
        assert_eq!(claims, serde_json::json!({ "iat": now - 60, "exp": now + 540, "iss": "Iv23li" }));
    }

    #[test]
    fn debug_shows_nothing_of_the_key() {
        let app = &*APP;
        let shown = format!("{:?}", read(&app.pem).unwrap());
        assert!(shown.contains("Iv23li") && shown.len() < 100, "{shown}");
    }
}
