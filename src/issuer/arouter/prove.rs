//! Trying keys.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::ArouterIssuer;
use crate::http::{Failure, server_text};
use crate::issuer::answer::object;
use crate::issuer::row;
use crate::issuer::wire::{Answer, Ask, Signer};
use crate::rotation::port::{About, ChatVerdict, Endpoint, Verdict};
use crate::secret::{Redactor, Secret};

/// Both are asked with the key that is tried.
pub(super) const ENDPOINTS: [Endpoint; 2] = [Endpoint("GET /v1/models"), Endpoint("GET /api/v1/key")];

const MODELS: &str = "/v1/models";
const CHAT: &str = "/v1/chat/completions";
/// Where a key asks about itself: the first in most descriptions, the second in some.
const KEY_PATHS: [&str; 2] = ["/api/v1/key", "/v1/key"];

impl ArouterIssuer {
    pub(super) async fn tried(&self, value: &Secret, at: Endpoint) -> Verdict {
        let signer = tried_key(value);
        match ENDPOINTS.iter().position(|known| *known == at) {
            Some(0) => judge(self.wire.send(Ask::get(MODELS), &signer).await, &self.wire.redactor, models),
            Some(_) => self.asked_about_itself(&signer).await,
            None => Verdict::NoSuchEndpoint,
        }
    }

    /// The path that accepted a key once is kept, so that a never-issued key is refused at the same place.
    async fn asked_about_itself(&self, signer: &Signer) -> Verdict {
        let kept = self.key_path.get();
        let mut verdict = Verdict::NoSuchEndpoint;
        for path in KEY_PATHS.into_iter().filter(|path| kept.is_none_or(|kept| kept == *path)) {
            verdict = judge(self.wire.send(Ask::get(path), signer).await, &self.wire.redactor, about);
            if matches!(verdict, Verdict::Accepted(_)) {
                self.key_path.set(Some(path));
            }
            if verdict != Verdict::NoSuchEndpoint {
                break;
            }
        }
        verdict
    }

    pub(super) async fn chatted(&self, value: &Secret, model: Option<&str>) -> ChatVerdict {
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
        let ask = Ask { body: Some(&body), ..Ask::new(Method::POST, CHAT) };
        match self.accepted(ask, &signer).await {
            Ok((answer, said)) => completion(&answer, &said, &model, &self.wire.redactor),
            Err(verdict) => verdict,
        }
    }

    async fn first_model(&self, signer: &Signer) -> Result<String, ChatVerdict> {
        let (answer, body) = self.accepted(Ask::get(MODELS), signer).await?;
        let first = body.pointer("/data/0/id").and_then(Value::as_str).map(ToOwned::to_owned);
        first.ok_or_else(|| ChatVerdict::ProvesNothing(format!("{}: no model is listed for this key", answer.name)))
    }

    /// A 2xx and its JSON (null where it is none), or what any other answer proves.
    async fn accepted(&self, ask: Ask<'_>, signer: &Signer) -> Result<(Answer, Value), ChatVerdict> {
        let answer =
            self.wire.send(ask, signer).await.map_err(|failure| ChatVerdict::ProvesNothing(failure.to_string()))?;
        if answer.status.is_success() {
            let body = answer.json().unwrap_or_default();
            return Ok((answer, body));
        }
        let complaint = answer.complaint(&self.wire.redactor);
        Err(if refuses(answer.status) {
            ChatVerdict::Refused(complaint)
        } else {
            ChatVerdict::ProvesNothing(complaint)
        })
    }
}

fn tried_key(value: &Secret) -> Signer {
    Signer { secret: value.clone(), input: "the key that is tried" }
}

fn refuses(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

fn judge(answer: Result<Answer, Failure>, redactor: &Redactor, read: fn(&Value) -> Option<About>) -> Verdict {
    let answer = match answer {
        Ok(answer) => answer,
        Err(failure) => return Verdict::Undecided(failure.to_string()),
    };
    match answer.status.as_u16() {
        200..=299 => match answer.json().as_ref().and_then(read) {
            Some(about) => Verdict::Accepted(about),
            None => Verdict::Undecided(answer.nonsense("the body is not what was asked for").to_string()),
        },
        401 | 403 => Verdict::Refused,
        404 | 405 => Verdict::NoSuchEndpoint,
        _ => Verdict::Undecided(answer.complaint(redactor)),
    }
}

fn models(body: &Value) -> Option<About> {
    body.get("data")?.as_array().map(|_| About::default())
}

fn about(body: &Value) -> Option<About> {
    body.get("data")?.as_object()?;
    let fields = object(body)?;
    Some(About { id: row::id(fields), name: row::text(fields, "name"), label: row::text(fields, "label") })
}

fn completion(answer: &Answer, said: &Value, asked: &str, redactor: &Redactor) -> ChatVerdict {
    if said.get("choices").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        return ChatVerdict::ProvesNothing(answer.nonsense("the body is no completion").to_string());
    }
    let model = said.get("model").and_then(Value::as_str).unwrap_or(asked);
    ChatVerdict::Worked { model: server_text(model, redactor) }
}
