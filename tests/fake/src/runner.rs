//! The runner's endpoint for OIDC tokens of a job: GitHub's page "OpenID Connect reference".

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::clock::Clock;

/// The endpoint, and the tokens that it has given out.
#[derive(Debug)]
pub struct Runner {
    /// Its clock.
    pub clock: Clock,
    /// What a job has to show: `ACTIONS_ID_TOKEN_REQUEST_TOKEN`.
    pub request_token: String,
    /// Whose job it is. Repositories made or renamed since 15 July 2026 have numbers in it: GitHub's changelog of 23 April 2026,
    /// "Immutable subject claims for GitHub Actions OIDC tokens".
    pub subject: String,
    /// Every token so far.
    pub issued: Vec<String>,
}

impl Runner {
    /// Of a job in `acme/app` on its main branch.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            request_token: "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.cmVxdWVzdC10b2tlbg.Q7xV2mPz".to_owned(),
            subject: "repo:acme@1001/app@2002:ref:refs/heads/main".to_owned(),
            issued: Vec::new(),
        }
    }

    /// A new token for an audience; where none is asked for, for the repository's owner.
    pub fn issue(&mut self, audience: Option<&str>) -> String {
        let now = self.clock.now().as_second();
        let claims = json!({
            "iss": "https://token.actions.githubusercontent.com",
            "sub": self.subject,
            "aud": audience.unwrap_or("https://github.com/acme"),
            "iat": now,
            "exp": now + 300,
            "jti": format!("example-{}", self.issued.len()),
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let token = format!("{}.{}.c2lnbmF0dXJl", part(&json!({ "alg": "RS256", "typ": "JWT" })), part(&claims));
        self.issued.push(token.clone());
        token
    }

    /// The claims of a token that it has given out.
    #[must_use]
    pub fn claims(&self, token: &str) -> Option<Value> {
        self.issued.iter().find(|issued| *issued == token)?;
        let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
        serde_json::from_slice(&claims).ok()
    }
}
