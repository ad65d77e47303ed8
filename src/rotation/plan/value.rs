//! What kind of text a place holds, where it is no key: a rotation must not replace it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// No key is shorter than this, encoded or not.
const SHORTEST_KEY: usize = 16;

/// Text that no issuer hands out as a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAKey {
    /// A JSON object, array or string.
    Json,
    /// A whole `.env` file, or one `NAME=value` of it.
    Assignments,
    /// Text with several lines.
    ManyLines,
    /// Text with white space in it: `Bearer …`.
    Words,
    /// An address, in which a key may stand.
    Address,
    /// The base64 of a key.
    Encoded,
    /// What this tool has encrypted.
    Encrypted(&'static str),
    /// A reference that something else resolves: `${OTHER}`, `op://vault/item`.
    Reference,
    /// What an example file has in a key's place: `changeme`.
    Placeholder,
}

impl fmt::Display for NotAKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json => f.write_str("JSON"),
            Self::Assignments => f.write_str("`NAME=value` text, such as a `.env` file"),
            Self::ManyLines => f.write_str("text with several lines"),
            Self::Words => f.write_str("text with spaces in it"),
            Self::Address => f.write_str("an address"),
            Self::Encoded => f.write_str("the base64 of a key"),
            Self::Encrypted(tool) => write!(f, "a value that {tool} has encrypted"),
            Self::Reference => f.write_str("a reference to another value"),
            Self::Placeholder => f.write_str("a placeholder"),
        }
    }
}

impl NotAKey {
    /// Whether it is short text that a person may have put a key into.
    #[must_use]
    pub fn may_hold_one(self) -> bool {
        matches!(self, Self::Words | Self::Address | Self::Encoded)
    }

    /// What a person does about it.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Json | Self::Assignments | Self::ManyLines | Self::Words | Self::Address => {
                "name a key, field or variable that holds only the API key"
            }
            Self::Encrypted(_) => "let the target name the place that holds the decrypted key, or empty this one",
            Self::Reference => "let the target name the value that it refers to, or empty this one",
            Self::Encoded => "store the key itself there, or empty it",
            Self::Placeholder => "empty it",
        }
    }
}

/// How encrypted values begin, and by which tool: SOPS, dotenvx, Ansible Vault, Spring Cloud Config, Vault's transit engine,
/// age and PGP, each as its documentation shows them.
const ENCRYPTED: [(&str, &str); 8] = [
    ("ENC[", "SOPS"),
    ("encrypted:", "dotenvx"),
    ("$ANSIBLE_VAULT;", "Ansible Vault"),
    ("{cipher}", "Spring Cloud Config"),
    ("vault:v", "Vault's transit engine"),
    ("-----BEGIN AGE ENCRYPTED FILE", "age"),
    ("age-encryption.org/", "age"),
    ("-----BEGIN PGP MESSAGE", "PGP"),
];

/// How references begin: shells, templates, 1Password, vals, Vault's agents, AWS.
const REFERENCES: [&str; 10] =
    ["${", "$(", "{{", "<%", "op://", "ref+", "vault://", "vault:secret/", "arn:aws", "secretKeyRef"];

/// Words that example files have in a key's place.
const PLACEHOLDERS: [&str; 14] = [
    "changeme",
    "change-me",
    "change_me",
    "replaceme",
    "replace-me",
    "replace_me",
    "placeholder",
    "todo",
    "tbd",
    "dummy",
    "example",
    "secret",
    "none",
    "null",
];

/// What a text is, if it is no key. Keys are one word of printable ASCII. White space around it counts for nothing.
#[must_use]
pub fn not_a_key(text: &str) -> Option<NotAKey> {
    let text = text.trim();
    let begins = |with: &&str| text.starts_with(*with);
    if let Some((_, tool)) = ENCRYPTED.iter().find(|(with, _)| begins(with)) {
        return Some(NotAKey::Encrypted(tool));
    }
    if text.starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
        return Some(NotAKey::Json);
    }
    if REFERENCES.iter().any(begins) || is_variable(text) {
        return Some(NotAKey::Reference);
    }
    if text.lines().any(is_assignment) {
        return Some(NotAKey::Assignments);
    }
    if text.contains(['\n', '\r']) {
        return Some(NotAKey::ManyLines);
    }
    if is_placeholder(text) {
        return Some(NotAKey::Placeholder);
    }
    if text.starts_with('"') && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
        return Some(NotAKey::Json);
    }
    if is_encoded(text) {
        return Some(NotAKey::Encoded);
    }
    if text.contains("://") {
        return Some(NotAKey::Address);
    }
    text.contains(char::is_whitespace).then_some(NotAKey::Words)
}

/// Whether a text is base64 of what looks like a key: plain characters, of which one sets off its type.
#[must_use]
pub fn is_encoded(text: &str) -> bool {
    let Ok(bytes) = STANDARD.decode(text.trim()) else { return false };
    let plain = |b: &u8| b.is_ascii_graphic() || *b == b'\n';
    bytes.len() >= SHORTEST_KEY && bytes.iter().all(plain) && bytes.iter().any(|b| matches!(b, b'_' | b'-'))
}

/// `$NAME`.
fn is_variable(text: &str) -> bool {
    text.strip_prefix('$').is_some_and(is_name)
}

fn is_name(text: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    text.bytes().next().is_some_and(letter) && text.bytes().all(|b| letter(b) || b.is_ascii_digit())
}

/// `NAME=value`. Base64 ends with `=`, and nothing follows it.
fn is_assignment(line: &str) -> bool {
    let line = line.trim().strip_prefix("export ").unwrap_or(line.trim());
    line.split_once('=').is_some_and(|(name, value)| is_name(name.trim_end()) && !value.trim_matches('=').is_empty())
}

fn is_placeholder(text: &str) -> bool {
    let plain = text.trim_matches(['"', '\'', '<', '>', '[', ']']).to_ascii_lowercase();
    let begins = ["your-", "your_", "yourkey", "my-api-key", "my_api_key", "insert-", "insert_", "put-your", "enter-"];
    let is_filler = !plain.is_empty() && plain.bytes().all(|b| matches!(b, b'x' | b'*' | b'.' | b'-' | b'_' | b'?'));
    PLACEHOLDERS.contains(&plain.as_str())
        || begins.iter().any(|begin| plain.starts_with(begin))
        || (text.starts_with('<') && text.ends_with('>'))
        || is_filler
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_is_told_by_its_kind() {
        for (text, kind) in [
            (r#"{"AROUTER_API_KEY":"lr_live_x","DB":"y"}"#, NotAKey::Json),
            ("[1, 2]\n", NotAKey::Json),
            ("A=1\nB=2", NotAKey::Assignments),
            ("# settings\nexport KEY=lr_live_abc", NotAKey::Assignments),
            ("AROUTER_API_KEY=lr_live_0123456789", NotAKey::Assignments),
            ("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----", NotAKey::ManyLines),
            ("ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]", NotAKey::Encrypted("SOPS")),
            ("encrypted:BDqDBibm4wsYqMpCjTQ6BsDHmMadg9K3dAt", NotAKey::Encrypted("dotenvx")),
            ("$ANSIBLE_VAULT;1.1;AES256\n6231", NotAKey::Encrypted("Ansible Vault")),
            ("vault:v1:8SDd3WHDOjf7mq69", NotAKey::Encrypted("Vault's transit engine")),
            ("${SHARED}", NotAKey::Reference),
            ("$SHARED", NotAKey::Reference),
            ("{{ .Values.key }}", NotAKey::Reference),
            ("op://prod/arouter/key", NotAKey::Reference),
            ("arn:aws:secretsmanager:eu-west-1:1:secret:app", NotAKey::Reference),
            ("changeme", NotAKey::Placeholder),
            ("<your key here>", NotAKey::Placeholder),
            ("xxxxxxxx", NotAKey::Placeholder),
            ("your-api-key", NotAKey::Placeholder),
            ("Bearer lr_live_0123456789abcdef", NotAKey::Words),
            ("\"lr_live_0123456789abcdef\"", NotAKey::Json),
            ("bHJfbGl2ZV8wMTIzNDU2Nzg5YWJjZGVm", NotAKey::Encoded),
            ("https://app:lr_live_0123456789abcdef@gateway.example.test/v1", NotAKey::Address),
        ] {
            assert_eq!(not_a_key(text), Some(kind), "{text}");
        }
    }

    #[test]
    fn keys_of_every_shape_are_keys() {
        for text in [
            "lr_live_0123456789abcdef0123456789abcdef0123456789abcdef",
            "sk-or-v1-0e6f44a0d4c1c96",
            " sk-or-v1-0e6f44a0d4c1c96\n",
            "eyJhbGciOiJIUzI1NiJ9.e30.abc-_",
            "YWJjZGVmZ2hpamtsbW5vcA==",
            "abc=",
            "",
        ] {
            assert_eq!(not_a_key(text), None, "{text}");
        }
    }
}
