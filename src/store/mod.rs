//! Places that hold the key: the target grammar, and a store for each kind.

pub mod github;
pub mod target;

use std::rc::Rc;

use crate::rotation::port::SecretStore;
use github::scope::Asked;
use github::{GitHub, GitHubSecret, Shadows};
use target::{Place, Reach, Target};

/// The store for a target: the one place that knows every kind.
#[must_use]
pub fn open(target: &Target, github: &Rc<GitHub>) -> Box<dyn SecretStore> {
    let asked = target.place.reach().map(|reach| match reach {
        Reach::All => Asked::All,
        Reach::Private => Asked::Private,
        Reach::Selected(names) => Asked::Selected(names.clone()),
    });
    let secret = GitHubSecret::new(Rc::clone(github), at_github(&target.place), target.secret.to_string());
    Box::new(secret.asking(asked))
}

/// What looks for secrets that hide those of the targets.
#[must_use]
pub fn shadows(targets: &[Target], github: &Rc<GitHub>) -> Shadows {
    let places = targets.iter().map(|target| (at_github(&target.place), target.secret.to_string()));
    Shadows::new(Rc::clone(github), places.collect())
}

/// Where at GitHub a place lies.
#[must_use]
pub fn at_github(place: &Place) -> github::Place {
    match place.clone() {
        Place::Repo { owner, name: repo } => github::Place::Repo { owner, repo },
        Place::Env { owner, name: repo, environment } => github::Place::Env { owner, repo, environment },
        Place::Org { org, .. } => github::Place::Org { org },
        Place::Dependabot { owner, name: repo } => github::Place::Dependabot { owner, repo },
        Place::DependabotOrg { org, .. } => github::Place::DependabotOrg { org },
        Place::Codespaces { owner, name: repo } => github::Place::Codespaces { owner, repo },
        Place::CodespacesOrg { org, .. } => github::Place::CodespacesOrg { org },
    }
}
