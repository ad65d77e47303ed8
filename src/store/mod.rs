//! Places that hold the key: the target grammar, and a store for each kind.

pub mod github;
pub mod target;

use std::rc::Rc;

use crate::rotation::port::SecretStore;
use github::{GitHub, GitHubSecret};
use target::{Place, Target};

/// The store for a target: the one place that knows every kind.
#[must_use]
pub fn open(target: &Target, github: &Rc<GitHub>) -> Box<dyn SecretStore> {
    match &target.place {
        Place::Repo { owner, name } => {
            let place = github::Place::Repo { owner: owner.to_string(), repo: name.to_string() };
            Box::new(GitHubSecret::new(Rc::clone(github), place, target.secret.to_string()))
        }
    }
}
