//! Sealed boxes: the only form in which GitHub takes a secret's value.
//!
//! libsodium's `crypto_box_seal`, as GitHub's page "Encrypting secrets for the REST API" asks for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_box::KEY_SIZE;
use crypto_box::aead::OsRng;

use crate::secret::Secret;

/// Why a value can't be sealed with the public key that GitHub gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key is not base64.
    #[error("the public key is not base64")]
    NotBase64,
    /// The key has this many bytes.
    #[error("the public key has {0} bytes instead of {KEY_SIZE}")]
    WrongLength(usize),
    /// The cipher gave up, which XSalsa20-Poly1305 does only for values of many gigabytes.
    #[error("the value could not be sealed")]
    Cipher,
}

/// A place's public key: each repository, environment and organisation has its own, and Actions, Dependabot and
/// Codespaces have different ones.
#[derive(Clone, Debug)]
pub struct PublicKey {
    id: String,
    key: crypto_box::PublicKey,
}

impl PublicKey {
    /// Reads the `key_id` and `key` of GitHub's answer.
    ///
    /// # Errors
    /// [`SealError::NotBase64`] and [`SealError::WrongLength`].
    pub fn parse(id: impl Into<String>, base64: &str) -> Result<Self, SealError> {
        let bytes = STANDARD.decode(base64).map_err(|_| SealError::NotBase64)?;
        let key: [u8; KEY_SIZE] = bytes.try_into().map_err(|bytes: Vec<u8>| SealError::WrongLength(bytes.len()))?;
        Ok(Self { id: id.into(), key: crypto_box::PublicKey::from_bytes(key) })
    }

    /// The `key_id` that goes beside the sealed value.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The value sealed under a fresh ephemeral key, in base64. Only the holder of the private key, GitHub, opens it.
    ///
    /// # Errors
    /// [`SealError::Cipher`].
    pub fn seal(&self, value: &Secret) -> Result<String, SealError> {
        let sealed = self.key.seal(&mut OsRng, value.expose().as_bytes()).map_err(|_| SealError::Cipher)?;
        Ok(STANDARD.encode(sealed))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use crypto_box::SecretKey;

    use super::*;

    fn open(secret_key: &SecretKey, sealed: &str) -> Vec<u8> {
        secret_key.unseal(&STANDARD.decode(sealed).unwrap()).unwrap()
    }

    fn public(secret_key: &SecretKey) -> PublicKey {
        PublicKey::parse("1", &STANDARD.encode(secret_key.public_key().as_bytes())).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_with_the_private_key() {
        let secret_key = SecretKey::generate(&mut OsRng);
        for value in ["", "lr_live_abc", "schlüssel\n", &"x".repeat(48 * 1024)] {
            let sealed = public(&secret_key).seal(&Secret::new(value.into())).unwrap();
            assert_eq!(open(&secret_key, &sealed), value.as_bytes());
        }
    }

    #[test]
    fn no_two_boxes_of_one_value_are_alike() {
        let key = public(&SecretKey::generate(&mut OsRng));
        let value = Secret::new("lr_live_abc".into());
        assert_ne!(key.seal(&value), key.seal(&value));
    }

    #[test]
    fn a_key_that_is_no_key_is_refused() {
        let of = |length: usize| STANDARD.encode(vec![7; length]);
        for (base64, error) in [
            ("not base64!".to_owned(), SealError::NotBase64),
            (String::new(), SealError::WrongLength(0)),
            (of(31), SealError::WrongLength(31)),
            (of(33), SealError::WrongLength(33)),
        ] {
            assert_eq!(PublicKey::parse("1", &base64).unwrap_err(), error, "{base64}");
        }
    }
}
