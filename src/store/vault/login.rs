//! Who signs: the token in hand, or one that Vault gives for GitHub's OIDC token of the job.

use std::cell::Cell;
use std::time::Duration;

use ::http::header::{ACCEPT, AUTHORIZATION};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;
use url::Url;

use super::client::{Ask, Vault};
use super::session::{Session, Token, Way};
use crate::http::{self, Call, Failure, Words, exchange, server_text, status_failure};
use crate::secret::Secret;

/// The runner's answer is one token.
const LONGEST_ANSWER: usize = 64 * 1024;
/// A token is not taken for longer than this, whatever Vault says: it may say more than a clock can show.
const LONGEST_TRUST: Duration = Duration::from_secs(24 * 60 * 60);
/// A token of which less than this share of its lifetime is left is replaced before it is used again.
const SHARE_LEFT: u32 = 3;

const NO_OIDC: &str = "GitHub hands a job its OIDC token where the workflow says `permissions: id-token: write`; elsewhere leave `role=` \
                       out and set VAULT_TOKEN.";

#[derive(Deserialize)]
struct Login {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    client_token: String,
    #[serde(default)]
    lease_duration: u64,
    /// As a role's `token_num_uses` says; 0 is any number.
    #[serde(default)]
    num_uses: u64,
}

/// What the runner answers: GitHub's page "OpenID Connect reference".
#[derive(Deserialize)]
struct OfRunner {
    value: String,
}

/// Sees to it that there is a token that lives for some time yet.
pub(super) async fn open(session: &Session, vault: &Vault) -> Result<(), Failure> {
    if session.is_open() {
        return Ok(());
    }
    let _asking = session.asking.lock().await;
    if session.is_open() {
        return Ok(());
    }
    session.keep(match &session.way {
        Way::Token => Token { secret: given(vault)?, until: None, uses: Cell::default() },
        Way::Jwt { role, mount } => log_in(vault, role, mount, &of_runner(vault).await?).await?,
    });
    Ok(())
}

/// A token for one request. Asks for one where there is none.
pub(super) async fn token(session: &Session, vault: &Vault) -> Result<Secret, Failure> {
    open(session, vault).await?;
    session.at_hand().ok_or_else(|| Failure::refused("Vault gave a token that is over already"))
}

fn given(vault: &Vault) -> Result<Secret, Failure> {
    vault.settings()?.token.clone().ok_or_else(|| {
        Failure::advised(
            "there is no token for Vault",
            "Set VAULT_TOKEN, run `vault login`, or let the target say `role=NAME` to log in with GitHub's OIDC token.",
        )
    })
}

async fn log_in(vault: &Vault, role: &str, mount: &str, jwt: &Secret) -> Result<Token, Failure> {
    let path: Vec<&str> = ["auth"].into_iter().chain(mount.split('/')).chain(["login"]).collect();
    let body = json!({ "role": role, "jwt": jwt.expose() });
    let asked = Instant::now();
    let answer = vault.send(Ask::question(path, &body), None).await?;
    if !answer.status.is_success() {
        let hint = format!(
            "The JWT method at {mount} must know the role {role}, and what it is bound to must fit GitHub's token: its \
             audience is https://github.com/OWNER."
        );
        let failure = vault.failure(&answer, &hint);
        return Err(match failure {
            // A wrong role or claim is answered 400.
            Failure::Refused(refusal) => {
                Failure::Refused(http::Refusal { hint: refusal.hint.or(Some(hint)), ..refusal })
            }
            failure => failure,
        });
    }
    let Login { auth } = answer.json()?;
    let secret = Secret::new(auth.client_token);
    (vault.ctx.hide)(&secret);
    let lease = Duration::from_secs(auth.lease_duration);
    let until = (!lease.is_zero()).then(|| asked + (lease - lease / SHARE_LEFT).min(LONGEST_TRUST));
    Ok(Token { secret, until, uses: Cell::new((auth.num_uses > 0).then_some(auth.num_uses)) })
}

/// GitHub's OIDC token of this job, with the audience that it has by default.
async fn of_runner(vault: &Vault) -> Result<Secret, Failure> {
    let variable = |name| vault.ctx.variable(name);
    let (Some(url), Some(bearer)) =
        (variable("ACTIONS_ID_TOKEN_REQUEST_URL"), variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN"))
    else {
        return Err(Failure::advised("there is no OIDC token to log in to Vault with", NO_OIDC));
    };
    let url = Url::parse(url).ok().filter(fit).ok_or_else(|| {
        Failure::advised(
            "ACTIONS_ID_TOKEN_REQUEST_URL is not the https:// address of a server",
            "The runner sets it itself.",
        )
    })?;
    let bearer = Secret::new(bearer.to_owned());
    (vault.ctx.hide)(&bearer);
    let asked = format!("GET {}", url.path());
    let header = http::bearer(&bearer)
        .ok_or_else(|| Failure::advised("ACTIONS_ID_TOKEN_REQUEST_TOKEN can't stand in a header", ""))?;
    let client = &vault.ctx.client;
    let request = client.get(url).header(AUTHORIZATION, header).header(ACCEPT, "application/json");
    let ask = http::Ask::of(asked, Call::Read, request, LONGEST_ANSWER)?;
    let http::Answer { asked, status, headers, body, .. } =
        exchange(client, (&vault.ctx.trace, "runner "), ask).await?;
    if !status.is_success() {
        let said = server_text(&String::from_utf8_lossy(&body), &vault.ctx.redactor);
        let message = format!("{asked}: the runner's OIDC endpoint answered {status}: {said}");
        return Err(status_failure(
            (Call::Read, Words::Others),
            status,
            message,
            Some(NO_OIDC.to_owned()),
            http::retry_after(&headers),
        ));
    }
    let token: OfRunner = serde_json::from_slice(&body).map_err(|_| Failure::Transient {
        message: format!("{asked}: the runner's OIDC endpoint answered no token"),
        retry_after: None,
    })?;
    let token = Secret::new(token.value);
    (vault.ctx.hide)(&token);
    Ok(token)
}

fn fit(url: &Url) -> bool {
    http::is_guarded(url) && url.username().is_empty() && url.password().is_none()
}
