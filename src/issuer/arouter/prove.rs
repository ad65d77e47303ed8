//! Trying keys.

use super::ArouterIssuer;
use crate::issuer::proof::{Chat, about, judge, models, tried_key};
use crate::issuer::transport::{Ask, Signer};
use crate::rotation::model::{ChatProbe, Endpoint, KeyProbe};
use crate::secret::Secret;

/// Both are asked with the key that is tried.
pub(super) const ENDPOINTS: [Endpoint; 2] = [Endpoint("GET /v1/models"), Endpoint("GET /api/v1/key")];

const MODELS: &str = "/v1/models";
const CHAT: &str = "/v1/chat/completions";
/// Where a key asks about itself: the first in most descriptions, the second in some.
const KEY_PATHS: [&str; 2] = ["/api/v1/key", "/v1/key"];

impl ArouterIssuer {
    pub(super) async fn tried(&self, value: &Secret, at: Endpoint) -> KeyProbe {
        let signer = tried_key(value);
        match ENDPOINTS.iter().position(|known| *known == at) {
            Some(0) => judge(self.wire.send(Ask::get(MODELS), &signer).await, &self.wire.redactor, models),
            Some(_) => self.asked_about_itself(&signer).await,
            None => KeyProbe::NoSuchEndpoint,
        }
    }

    /// The path that accepted a key once is kept, so that a never-issued key is refused at the same place.
    async fn asked_about_itself(&self, signer: &Signer) -> KeyProbe {
        let kept = self.key_path.get();
        let mut verdict = KeyProbe::NoSuchEndpoint;
        for path in KEY_PATHS.into_iter().filter(|path| kept.is_none_or(|kept| kept == *path)) {
            verdict = judge(self.wire.send(Ask::get(path), signer).await, &self.wire.redactor, about);
            if matches!(verdict, KeyProbe::Accepted(_)) {
                self.key_path.set(Some(path));
            }
            if verdict != KeyProbe::NoSuchEndpoint {
                break;
            }
        }
        verdict
    }

    pub(super) async fn chatted(&self, value: &Secret, model: Option<&str>) -> ChatProbe {
        Chat { wire: &self.wire, models: MODELS, completions: CHAT }.complete(value, model).await
    }
}
