//! Why GitHub does not let a token at a place's secrets, and what would help.

use ::http::StatusCode;

use super::client::GitHub;
use super::environments;
use super::reason;
use super::response::Answer;
use crate::http::{Failure, Refusal};
use crate::store::target::Place;

/// What an answer that is not the expected one means at this place.
pub(super) fn failure(github: &GitHub, place: &Place, answer: &Answer) -> Failure {
    let mut failure = github.failure(answer);
    if let Failure::Refused(refusal) | Failure::Doubtful(refusal) = &mut failure
        && matches!(answer.status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND)
        && !answer.wants_sign_on()
    {
        if let Some(remedy) = reason::remedy(&answer.complains()) {
            refusal.hint = Some(remedy.to_owned());
            return failure;
        }
        let (permission, scope) = place.kind().permission();
        let general = refusal.hint.take().unwrap_or_default();
        refusal.hint = Some(format!(
            "{}Give the token or App {permission} (read and write) for {}; a classic token needs the scope `{scope}`. {general}",
            nowhere(github, place),
            place.whose()
        ));
    }
    failure
}

fn nowhere(github: &GitHub, place: &Place) -> String {
    let kind = place.kind();
    match kind.row().on_enterprise_server || !github.is_enterprise_server() {
        true => String::new(),
        false => format!("GitHub Enterprise Server has no places of kind `{kind}`. "),
    }
}

/// Why a place's public key can't be read.
pub(super) async fn unreachable(github: &GitHub, place: &Place, answer: &Answer) -> Failure {
    let failure = failure(github, place, answer);
    match (place.repository(), place.environment(), &failure) {
        (Some((owner, repo)), Some(name), Failure::Refused(Refusal { status: Some(403 | 404), .. })) => {
            environments::explain(github, owner, repo, name, failure).await
        }
        _ => failure,
    }
}
