//! OpenRouter's guardrails: rules outside the key list, and which key has which.

use std::collections::BTreeSet;

use jiff::Timestamp;

/// Who assigns, as rows show it.
pub const ASSIGNER: &str = "user_2dHFtVWx2n56w6HkM0000000000";

/// A rule that narrows what a key may do. What it says has no meaning here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guardrail {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// That a key has a guardrail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Its own id.
    pub id: String,
    /// The guardrail's.
    pub guardrail: String,
    /// The key's.
    pub key: String,
    /// Issuer's clock.
    pub created_at: Timestamp,
}

/// All guardrails and their assignments to keys.
#[derive(Clone, Debug, Default)]
pub struct Guardrails {
    /// The guardrails.
    pub all: Vec<Guardrail>,
    /// The assignments, oldest first.
    pub assignments: Vec<Assignment>,
    made: usize,
}

impl Guardrails {
    /// Makes a guardrail. Returns its id.
    pub fn add(&mut self, name: &str) -> String {
        let id = self.next_id();
        self.all.push(Guardrail { id: id.clone(), name: name.to_owned() });
        id
    }

    /// The guardrail with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Guardrail> {
        self.all.iter().find(|guardrail| guardrail.id == id)
    }

    /// Gives a key a guardrail; `alone`: in the place of whatever it had. `false`: it had it already.
    pub fn assign(&mut self, guardrail: &str, key: &str, alone: bool, now: Timestamp) -> bool {
        if self.of(key).contains(guardrail) {
            return false;
        }
        if alone {
            self.forget(key);
        }
        let id = self.next_id();
        let (guardrail, key) = (guardrail.to_owned(), key.to_owned());
        self.assignments.push(Assignment { id, guardrail, key, created_at: now });
        true
    }

    /// The ids of a key's guardrails.
    #[must_use]
    pub fn of(&self, key: &str) -> BTreeSet<&str> {
        self.assignments.iter().filter(|it| it.key == key).map(|it| it.guardrail.as_str()).collect()
    }

    /// Takes all guardrails from a key.
    pub fn forget(&mut self, key: &str) {
        self.assignments.retain(|it| it.key != key);
    }

    fn next_id(&mut self) -> String {
        self.made += 1;
        format!("550e8400-e29b-41d4-a716-{:012}", self.made)
    }
}
