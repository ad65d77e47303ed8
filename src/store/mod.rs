//! Places that hold the key: how a target is written, and a store for each kind.

#[cfg(feature = "aws")]
pub mod aws;
mod context;
#[cfg(feature = "file")]
mod file;
pub mod github;
#[cfg(any(feature = "aws", feature = "vault"))]
mod json;
#[cfg(feature = "kubernetes")]
mod kubernetes;
#[cfg(any(feature = "file", feature = "kubernetes", feature = "vault"))]
mod last_known;
#[cfg(any(feature = "aws", feature = "kubernetes", feature = "vault"))]
mod original;
pub mod target;
#[cfg(any(feature = "kubernetes", feature = "vault"))]
mod turns;
#[cfg(feature = "vault")]
pub mod vault;

use std::cell::Cell;
use std::rc::Rc;

use async_trait::async_trait;

use crate::http::Failure;
use crate::rotation::model::{Sighting, Written};
use crate::rotation::ports::SecretStore;
use crate::secret::Secret;
#[cfg(feature = "aws")]
use aws::{Aws, AwsParameterStore, AwsSecretStore};
pub use context::StoreContext;
use github::{GitHub, GitHubSecret, Shadows};
use target::{GitHubTarget, Place, Target};
#[cfg(feature = "vault")]
use vault::{Vault, VaultSecret};

/// The stores of a run. What the targets of one kind have in common, such as a connection, is made once and kept here.
pub struct Stores {
    /// There whenever a target lies at GitHub.
    github: Option<Rc<GitHub>>,
    #[cfg(feature = "aws")]
    aws: Rc<Aws>,
    #[cfg(feature = "vault")]
    vault: Rc<Vault>,
    #[cfg(feature = "kubernetes")]
    kubernetes: Rc<kubernetes::Cluster>,
    #[cfg_attr(not(feature = "file"), expect(dead_code, reason = "GitHub's connection is made elsewhere"))]
    ctx: StoreContext,
}

impl Stores {
    /// The stores of a run that was given this of the world.
    #[must_use]
    pub fn new(github: Option<Rc<GitHub>>, ctx: StoreContext) -> Self {
        Self {
            github,
            #[cfg(feature = "aws")]
            aws: Rc::new(Aws::new(ctx.clone())),
            #[cfg(feature = "vault")]
            vault: Rc::new(Vault::new(ctx.clone())),
            #[cfg(feature = "kubernetes")]
            kubernetes: Rc::new(kubernetes::Cluster::new(ctx.clone())),
            ctx,
        }
    }

    /// The stores for the targets of one rotation. Nothing is contacted yet.
    #[must_use]
    pub fn open(&self, targets: &[Target]) -> Vec<Box<dyn SecretStore>> {
        let at_github = Rc::default();
        targets.iter().map(|target| self.open_one(target, &at_github)).collect()
    }

    /// The one place that knows every kind.
    fn open_one(&self, target: &Target, at_github: &Rc<Cell<usize>>) -> Box<dyn SecretStore> {
        match (target, &self.github) {
            (Target::GitHub(target), Some(github)) => Box::new(github_secret(target, github).one_of(at_github)),
            #[cfg(feature = "aws")]
            (Target::Aws(target), _) => Box::new(AwsSecretStore::new(Rc::clone(&self.aws), target)),
            #[cfg(feature = "aws")]
            (Target::AwsSsm(target), _) => Box::new(AwsParameterStore::new(Rc::clone(&self.aws), target)),
            #[cfg(feature = "vault")]
            (Target::Vault(target), _) => Box::new(VaultSecret::new(Rc::clone(&self.vault), target)),
            #[cfg(feature = "kubernetes")]
            (Target::Kubernetes(target), _) => {
                Box::new(kubernetes::KubernetesSecret::new(Rc::clone(&self.kubernetes), target))
            }
            #[cfg(feature = "file")]
            (Target::File(target), _) => Box::new(file::EnvFile::new(target, &self.ctx)),
            (target, _) => Box::new(Closed(target.clone())),
        }
    }

    /// What looks for secrets that hide those of the targets, where any lies at GitHub.
    #[must_use]
    pub fn shadows(&self, targets: &[Target]) -> Option<Shadows> {
        let targets: Vec<_> = targets.iter().filter_map(Target::at_github).map(place_and_name).collect();
        let github = self.github.as_ref().filter(|_| !targets.is_empty())?;
        Some(Shadows::new(Rc::clone(github), targets))
    }

    /// The connection to GitHub.
    #[must_use]
    pub fn github(&self) -> Option<&GitHub> {
        self.github.as_deref()
    }
}

fn github_secret(target: &GitHubTarget, github: &Rc<GitHub>) -> GitHubSecret {
    let (place, secret) = place_and_name(target);
    let canary = target.canary.as_ref().map(|canary| (canary.workflow.as_str(), canary.within));
    GitHubSecret::new(Rc::clone(github), place, secret)
        .asking(target.reach.clone())
        .trying(canary)
        .accepting(target.accepted())
}

fn place_and_name(target: &GitHubTarget) -> (Place, String) {
    (target.place.clone(), target.secret.to_string())
}

/// A target that this build can't reach. `config` refuses it, so that a run never gets here.
struct Closed(Target);

impl Closed {
    fn refused<T>(&self) -> Result<T, Failure> {
        Err(Failure::refused(format!("{}: this build can't reach targets of kind `{}`", self.0.label(), self.0.kind())))
    }
}

#[async_trait(?Send)]
impl SecretStore for Closed {
    fn name(&self) -> String {
        self.0.label()
    }

    async fn observe(&self) -> Result<Sighting, Failure> {
        self.refused()
    }

    async fn write(&self, _: &Secret) -> Result<Written, Failure> {
        self.refused()
    }

    async fn last_write(&self) -> Result<Sighting, Failure> {
        self.refused()
    }

    async fn remove(&self) -> Result<(), Failure> {
        self.refused()
    }
}
