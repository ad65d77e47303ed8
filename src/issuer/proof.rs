//! Trying keys, as ARouter and OpenRouter have it.

use ::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::fault::Credential;
use super::response::object;
use super::row;
use super::transport::{Answer, Ask, Signer, Wire};
use crate::http::{Failure, server_text};
use crate::rotation::model::{About, ChatProbe, KeyKind, KeyProbe};
use crate::secret::{Redactor, Secret};

/// Where a key may chat.
pub(super) struct Chat<'a> {
    pub(super) wire: &'a Wire,
    /// `/v1/models`.
    pub(super) models: &'a str,
    /// `/v1/chat/completions`.
    pub(super) completions: &'a str,
}

impl Chat<'_> {
    /// One small completion; without a model, with the first one that is listed.
    pub(super) async fn complete(&self, value: &Secret, model: Option<&str>) -> ChatProbe {
        let signer = tried_key(value);
        let model = match model {
            Some(model) => model.to_owned(),
            None => match self.first_model(&signer).await {
                Ok(model) => model,
                Err(verdict) => return verdict,
            },
        };
        let body = json!({
            "model": model,
            "messages": [{"role": "user", "content": "Answer with the word OK."}],
            "max_tokens": 16,
        });
        let ask = Ask { body: Some(&body), ..Ask::new(Method::POST, self.completions) };
        match self.accepted(ask, &signer).await {
            Ok((answer, said)) => completion(&answer, &said, &model, &self.wire.redactor),
            Err(verdict) => verdict,
        }
    }

    async fn first_model(&self, signer: &Signer) -> Result<String, ChatProbe> {
        let (answer, body) = self.accepted(Ask::get(self.models), signer).await?;
        let first = body.pointer("/data/0/id").and_then(Value::as_str).map(ToOwned::to_owned);
        first.ok_or_else(|| ChatProbe::ProvesNothing(format!("{}: no model is listed for this key", answer.asked)))
    }

    /// A 2xx and its JSON (null where it is none), or what any other answer proves.
    async fn accepted(&self, ask: Ask<'_>, signer: &Signer) -> Result<(Answer, Value), ChatProbe> {
        let answer =
            self.wire.send(ask, signer).await.map_err(|failure| ChatProbe::ProvesNothing(failure.to_string()))?;
        if answer.status.is_success() {
            let body = answer.json().unwrap_or_default();
            return Ok((answer, body));
        }
        let complaint = answer.complaint(&self.wire.redactor);
        Err(if refuses(answer.status) { ChatProbe::Refused(complaint) } else { ChatProbe::ProvesNothing(complaint) })
    }
}

pub(super) fn tried_key(value: &Secret) -> Signer {
    Signer { secret: value.clone(), credential: Credential::Tried }
}

fn refuses(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

pub(super) fn judge(
    answer: Result<Answer, Failure>,
    redactor: &Redactor,
    read: fn(&Value) -> Option<About>,
) -> KeyProbe {
    let answer = match answer {
        Ok(answer) => answer,
        Err(failure) => return KeyProbe::Undecided(failure.to_string()),
    };
    match answer.status.as_u16() {
        200..=299 => match answer.json().as_ref().and_then(read) {
            Some(about) => KeyProbe::Accepted(about),
            None => KeyProbe::Undecided(answer.nonsense("the body is not what was asked for").to_string()),
        },
        401 | 403 => KeyProbe::Refused,
        404 | 405 => KeyProbe::NoSuchEndpoint,
        _ => KeyProbe::Undecided(answer.complaint(redactor)),
    }
}

pub(super) fn models(body: &Value) -> Option<About> {
    body.get("data")?.as_array().map(|_| About::default())
}

pub(super) fn about(body: &Value) -> Option<About> {
    body.get("data")?.as_object()?;
    let fields = object(body)?;
    Some(About {
        id: row::id(fields),
        name: row::text(fields, "name"),
        label: row::text(fields, "label"),
        manages: row::kind(fields) == KeyKind::Management,
    })
}

fn completion(answer: &Answer, said: &Value, asked: &str, redactor: &Redactor) -> ChatProbe {
    if said.get("choices").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        return ChatProbe::ProvesNothing(answer.nonsense("the body is no completion").to_string());
    }
    let model = said.get("model").and_then(Value::as_str).unwrap_or(asked);
    ChatProbe::Worked { model: server_text(model, redactor) }
}
