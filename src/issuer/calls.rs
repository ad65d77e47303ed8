//! The calls that change a key, as ARouter and OpenRouter have them.

use ::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::response;
use super::transport::{Answer, Ask, Signer, Wire};
use crate::http::{Failure, Refusal};
use crate::rotation::model::{CreatedKey, Deletion, KeyId, Renamed};

/// Changes keys at one path, signed by one credential.
pub(super) struct Calls<'a> {
    pub(super) wire: &'a Wire,
    pub(super) signer: Signer,
    /// Where keys are managed: `/api/v1/keys`.
    pub(super) path: &'a str,
}

impl Calls<'_> {
    pub(super) async fn create(&self, body: &Value) -> Result<CreatedKey, Failure> {
        let ask = Ask { body: Some(body), ..Ask::new(Method::POST, self.path) };
        let answer = self.wire.send(ask, &self.signer).await?.success(&self.wire.redactor)?;
        let mut said = answer.json().ok_or_else(|| answer.nonsense("the body is no JSON: the key may exist"))?;
        let value = response::take_value(&mut said)
            .ok_or_else(|| answer.nonsense("the body holds no usable key: the key may exist"))?;
        self.wire.redactor.learn(&value);
        response::created(&said, value).ok_or_else(|| answer.nonsense("the body holds no id: the key may exist"))
    }

    pub(super) async fn rename(&self, id: &KeyId, name: &str) -> Result<Renamed, Failure> {
        let body = json!({ "name": name });
        let answer = self.change(Method::PATCH, id, Some(&body)).await?.success(&self.wire.redactor)?;
        if answer.status == StatusCode::NO_CONTENT {
            return Ok(Renamed { name: None, used: None });
        }
        let said = answer.json();
        said.as_ref().and_then(response::renamed).ok_or_else(|| answer.nonsense("the body is no JSON object"))
    }

    pub(super) async fn switch(&self, id: &KeyId, disabled: bool) -> Result<Option<bool>, Failure> {
        let body = json!({ "disabled": disabled });
        let answer = self.change(Method::PATCH, id, Some(&body)).await?.success(&self.wire.redactor)?;
        Ok(answer.json().as_ref().and_then(response::disabled))
    }

    pub(super) async fn delete(&self, id: &KeyId) -> Result<Deletion, Failure> {
        let answer = self.change(Method::DELETE, id, None).await?;
        if matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::GONE) {
            return Ok(Deletion::NotFound);
        }
        let answer = answer.success(&self.wire.redactor)?;
        if answer.status == StatusCode::NO_CONTENT {
            return Ok(Deletion::Deleted);
        }
        match answer.json().as_ref().and_then(response::deleted) {
            Some(true) => Ok(Deletion::Deleted),
            Some(false) => Err(not_deleted(&answer)),
            None => Err(answer.nonsense("the body does not say that the key is deleted")),
        }
    }

    async fn change(&self, method: Method, id: &KeyId, body: Option<&Value>) -> Result<Answer, Failure> {
        let ask = Ask { id: Some(&id.0), body, ..Ask::new(method, self.path) };
        self.wire.send(ask, &self.signer).await
    }
}

fn not_deleted(answer: &Answer) -> Failure {
    Failure::Refused(Refusal {
        status: Some(answer.status.as_u16()),
        message: format!("{}: {}, but it says that the key is not deleted", answer.asked, answer.status.as_u16()),
        hint: None,
    })
}
