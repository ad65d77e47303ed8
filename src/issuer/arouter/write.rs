//! The calls that change something.

use super::ArouterIssuer;
use super::dialect::KeysPath;
use crate::http::Failure;
use crate::issuer::body::body;
use crate::issuer::calls::Calls;
use crate::rotation::model::{CreatedKey, KeySpec};

impl ArouterIssuer {
    pub(super) async fn created(&self, spec: &KeySpec) -> Result<CreatedKey, Failure> {
        let calls = self.calls()?;
        let limit_name = self.limit_name(self.known_path()?);
        self.limit_sent.set(Some(limit_name));
        calls.create(&body(spec, limit_name)?).await
    }

    pub(super) fn calls(&self) -> Result<Calls<'_>, Failure> {
        let path = self.known_path()?;
        Ok(Calls { wire: &self.wire, signer: self.signer(path)?, path: path.as_str() })
    }

    fn known_path(&self) -> Result<KeysPath, Failure> {
        self.path.get().ok_or_else(|| Failure::refused("issuer: keys must be listed before anything is changed"))
    }
}
