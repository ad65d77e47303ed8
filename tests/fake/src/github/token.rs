//! Tokens: whose they are, where they reach, and what they may do there.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Permission, Place};

/// What a token may do at a place. A place that a token has no access to does not exist for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// See that the repository exists.
    Metadata,
    /// List secrets and fetch the public key.
    Read,
    /// Write secrets.
    Write,
}

/// What kind of token it is, which says how GitHub refuses it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TokenKind {
    /// A fine-grained personal access token.
    #[default]
    FineGrained,
    /// A classic personal access token with these scopes.
    Classic(Vec<String>),
    /// A workflow's own `GITHUB_TOKEN`, which never gets at secrets.
    Workflow,
    /// A token that an App has minted for its installation of this number.
    Installation(u64),
}

/// A token.
#[derive(Clone, Debug, Default)]
pub struct Token {
    /// How the request log calls it.
    pub role: String,
    /// The person whose it is.
    pub login: String,
    /// What it is.
    pub kind: TokenKind,
    /// What it may do at places that are not listed.
    pub elsewhere: Option<Access>,
    /// What it may do at these places.
    pub places: BTreeMap<Place, Access>,
    /// What it may do of each sort, at most; `None`: everything.
    pub permissions: Option<BTreeMap<Permission, Access>>,
    /// When it expires. The answers to a personal access token show it.
    pub expires: Option<Timestamp>,
    /// It was revoked.
    pub revoked: bool,
}

impl Token {
    /// What it may do of this sort at a place; `None` where it sees nothing. Whoever reaches a place sees at least that
    /// it exists. Whatever belongs to a repository or organisation that is listed is reached too.
    #[must_use]
    pub fn access(&self, place: &Place, permission: Permission) -> Option<Access> {
        let [holder, ..] = place.of_the_same_holder();
        let reach = self.places.get(place).or(self.places.get(&holder)).copied().or(self.elsewhere)?;
        let allowed = match (&self.kind, &self.permissions) {
            (TokenKind::Workflow, _) => None,
            (TokenKind::Classic(scopes), _) => {
                scopes.iter().any(|scope| scope == permission.scope()).then_some(Access::Write)
            }
            (TokenKind::FineGrained | TokenKind::Installation(_), None) => Some(Access::Write),
            (TokenKind::FineGrained | TokenKind::Installation(_), Some(permissions)) => {
                permissions.get(&permission).copied()
            }
        };
        Some(reach.min(allowed.unwrap_or(Access::Metadata)))
    }

    /// Whether it is taken now.
    #[must_use]
    pub fn is_good(&self, now: Timestamp) -> bool {
        !self.revoked && self.expires.is_none_or(|end| now < end)
    }

    /// The App's installation that it was minted for.
    #[must_use]
    pub fn installation(&self) -> Option<u64> {
        match self.kind {
            TokenKind::Installation(id) => Some(id),
            _ => None,
        }
    }

    /// GitHub's words for a token that is not allowed to do something.
    #[must_use]
    pub fn refusal(&self) -> &'static str {
        match self.kind {
            TokenKind::FineGrained => "Resource not accessible by personal access token",
            TokenKind::Classic(_) => "Must have admin rights to Organization",
            TokenKind::Workflow | TokenKind::Installation(_) => "Resource not accessible by integration",
        }
    }
}
