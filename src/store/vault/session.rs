//! A way to be known to Vault, and the token that it led to.

use std::cell::{Cell, RefCell};

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::secret::Secret;

/// Where `vault auth enable jwt` mounts it.
const USUAL_MOUNT: &str = "jwt";

/// How to be known to Vault.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Way {
    /// With the token in `VAULT_TOKEN` or `~/.vault-token`.
    Token,
    /// With GitHub's OIDC token, in a role.
    Jwt { role: String, mount: String },
}

impl Way {
    pub(super) fn of(role: Option<&str>, mount: Option<&str>) -> Self {
        role.map_or(Self::Token, |role| Self::Jwt {
            role: role.to_owned(),
            mount: mount.unwrap_or(USUAL_MOUNT).to_owned(),
        })
    }
}

/// A way, and the token that it led to.
pub(super) struct Session {
    pub(super) way: Way,
    token: RefCell<Option<Token>>,
    /// Held by whoever logs in: targets that are looked at together wait for one login.
    pub(super) asking: Mutex<()>,
}

/// A token, and how long it is used.
pub(super) struct Token {
    pub(super) secret: Secret,
    /// It is not used from then on; `None`: it does not expire, as far as is known.
    pub(super) until: Option<Instant>,
    /// So many requests it may sign yet; `None`: any number.
    pub(super) uses: Cell<Option<u64>>,
}

impl Token {
    fn lives(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until) && self.uses.get() != Some(0)
    }
}

impl Session {
    pub(super) fn new(way: Way) -> Self {
        Self { way, token: RefCell::default(), asking: Mutex::default() }
    }

    /// Remembers a token.
    pub(super) fn keep(&self, token: Token) {
        *self.token.borrow_mut() = Some(token);
    }

    /// Whether there is a token that lives yet.
    pub(super) fn is_open(&self) -> bool {
        self.token.borrow().as_ref().is_some_and(Token::lives)
    }

    /// The token for one request, if it lives yet: a write must not wait for a login.
    pub(super) fn at_hand(&self) -> Option<Secret> {
        let token = self.token.borrow();
        let token = token.as_ref().filter(|token| token.lives())?;
        token.uses.set(token.uses.get().map(|left| left - 1));
        Some(token.secret.clone())
    }
}
