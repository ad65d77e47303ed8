//! Why GitHub does not let a token at a place's secrets, and what would help.

use ::http::StatusCode;

use super::answer::Answer;
use super::client::GitHub;
use super::environments;
use super::place::Place;
use crate::http::{Failure, Refusal};

/// What an answer that is not the expected one means at this place.
pub(super) fn failure(github: &GitHub, place: &Place, answer: &Answer) -> Failure {
    let mut failure = github.failure(answer);
    if let Failure::Refused(refusal) | Failure::Doubtful(refusal) = &mut failure
        && matches!(answer.status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND)
        && !answer.wants_sign_on()
    {
        let (permission, scope) = place.permission();
        let general = refusal.hint.take().unwrap_or_default();
        refusal.hint = Some(format!(
            "{}Give the token or App {permission} (read and write) for {}; a classic token needs the scope `{scope}`. {general}",
            nowhere(github, place),
            place.whose()
        ));
    }
    failure
}

fn nowhere(github: &GitHub, place: &Place) -> &'static str {
    match place {
        Place::Codespaces { .. } | Place::CodespacesOrg { .. } if github.is_enterprise_server() => {
            "GitHub Enterprise Server has no Codespaces. "
        }
        _ => "",
    }
}

/// Why a place's public key can't be read.
pub(super) async fn unreachable(github: &GitHub, place: &Place, answer: &Answer) -> Failure {
    let failure = failure(github, place, answer);
    match (place, &failure) {
        (Place::Env { owner, repo, environment }, Failure::Refused(Refusal { status: Some(403 | 404), .. })) => {
            environments::explain(github, owner, repo, environment, failure).await
        }
        _ => failure,
    }
}
