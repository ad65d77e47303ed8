//! Secrets that hide a target's. Jobs of an environment read the environment's secret before the repository's, and jobs
//! of a repository read the repository's before the organisation's; runs that Dependabot starts read Dependabot's alone.
//! Such a secret keeps its value although the target's is replaced, which is worth telling where the token can see it.
//!
//! Looking never fails: what can't be seen is passed over.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use ::http::StatusCode;
use futures_util::future::join_all;
use tokio::sync::{Mutex, Semaphore};

use super::calls::Address;
use super::client::GitHub;
use super::environments::Environments;
use super::listing::Shown;
use super::scope;
use crate::http::{Call, Failure, Refusal};
use crate::humanize::moment;
use crate::store::target::{Place, PlaceKind};

/// Requests under way at once, beside those of the rotation.
pub const AT_ONCE: usize = 4;

/// Requests in all: GitHub counts a minute's, and the rotation needs most of them.
const MAX_REQUESTS: usize = 100;

/// Environments of one repository, and repositories of one organisation, that are looked at.
pub(super) const MAX_OF_ONE: usize = 20;

/// Looks for secrets that hide those of the targets.
pub struct Shadows {
    github: Rc<GitHub>,
    targets: Vec<(Place, String)>,
    permits: Semaphore,
    left: Cell<usize>,
    /// There was more to look at than was looked at.
    cut_short: Cell<bool>,
    /// The server is in trouble, or asks to wait.
    given_up: Cell<bool>,
    kinds: RefCell<BTreeMap<&'static str, Rc<Kind>>>,
    found: RefCell<Vec<String>>,
}

/// A kind of read. The first one tells whether this token may do it, and the others wait for that.
#[derive(Default)]
struct Kind {
    access: Cell<Access>,
    first: Mutex<()>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Access {
    #[default]
    Unknown,
    Granted,
    Denied,
}

/// Coding agents read the secrets of an environment of this name, until they had secrets of their own.
fn left_by_agents(place: &Place) -> Option<String> {
    place.environment().filter(|name| name.eq_ignore_ascii_case("copilot"))?;
    let whose = place.whose();
    Some(format!("coding agents do not read `{place}` any more: add `agents:{whose}` where the key is for them"))
}

impl Shadows {
    /// For these targets, each a place and the secret's name there.
    #[must_use]
    pub fn new(github: Rc<GitHub>, targets: Vec<(Place, String)>) -> Self {
        Self {
            github,
            targets,
            permits: Semaphore::new(AT_ONCE),
            left: Cell::new(MAX_REQUESTS),
            cut_short: Cell::default(),
            given_up: Cell::default(),
            kinds: RefCell::default(),
            found: RefCell::default(),
        }
    }

    /// Whether nothing says that the token may see more than the secrets of repositories: it was given no target of
    /// another kind, and is no classic token, whose scope covers all of a repository.
    #[must_use]
    pub fn sees_little(&self) -> bool {
        !self.github.is_classic() && self.targets.iter().all(|(place, _)| place.kind() == PlaceKind::Repo)
    }

    /// Looks. May be dropped at any time; what was found until then can be taken.
    pub async fn look(&self) {
        join_all(self.targets.iter().map(|(place, secret)| self.look_at(place, secret))).await;
    }

    /// What was found, a sentence each.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        let mut found = std::mem::take(&mut *self.found.borrow_mut());
        found.extend(self.targets.iter().filter_map(|(place, _)| left_by_agents(place)));
        found.sort();
        found.dedup();
        if self.cut_short.take() {
            found.push(
                "there are more environments and repositories than were looked through for secrets that hide a target's"
                    .to_owned(),
            );
        }
        found
    }

    async fn look_at(&self, place: &Place, secret: &str) {
        let owner = place.owner();
        match (place.kind(), place.repository()) {
            (PlaceKind::Repo, Some((_, repo))) => {
                let dependabot = Place::in_repository(PlaceKind::Dependabot, owner, repo);
                futures_util::join!(
                    self.look_at_environments(place, owner, repo, secret),
                    self.look_behind(place, dependabot, secret, "runs that Dependabot starts read")
                );
            }
            (PlaceKind::Org, _) => {
                let dependabot = Place::in_organisation(PlaceKind::DependabotOrg, owner);
                futures_util::join!(
                    self.look_at_repositories(place, owner, secret),
                    self.look_behind(place, dependabot, secret, "runs that Dependabot starts read")
                );
            }
            (_, None) => self.look_at_repositories(place, owner, secret).await,
            (_, Some(_)) => {}
        }
    }

    async fn look_at_environments(&self, hidden: &Place, owner: &str, repo: &str, secret: &str) {
        let list = self.ask("environments", Environments::of(&self.github, owner, repo));
        let Some(environments) = list.await else { return };
        let names: Vec<&str> = environments.names().take(MAX_OF_ONE).collect();
        if environments.has_more() || environments.names().count() > names.len() {
            self.cut_short.set(true);
        }
        let looks = names.into_iter().map(|name| {
            let place = Place::in_environment(owner, repo, name);
            self.look_behind(hidden, place, secret, "jobs of that environment read")
        });
        join_all(looks).await;
    }

    /// The repositories that an organisation's secret is shown to, as far as they are known: those that were selected,
    /// and those of the other targets.
    async fn look_at_repositories(&self, hidden: &Place, org: &str, secret: &str) {
        let mut names: BTreeSet<String> = self.repositories_of(org).collect();
        let page = self.ask("selected repositories", scope::repositories(&self.github, hidden, secret, 1));
        if let Some(page) = page.await {
            names.extend(page.repositories.into_iter().map(|row| row.name.to_lowercase()));
            self.cut_short.set(self.cut_short.get() || page.total_count > MAX_OF_ONE);
        }
        self.cut_short.set(self.cut_short.get() || names.len() > MAX_OF_ONE);
        let looks = names.into_iter().take(MAX_OF_ONE).map(|repo| {
            let place = Place::in_repository(hidden.kind().of_repository(), org, &repo);
            self.look_behind(hidden, place, secret, "that repository reads")
        });
        join_all(looks).await;
    }

    fn repositories_of(&self, org: &str) -> impl Iterator<Item = String> {
        let named = self.targets.iter().filter_map(|(place, _)| place.repository());
        named.filter(move |(owner, _)| owner.eq_ignore_ascii_case(org)).map(|(_, repo)| repo.to_lowercase())
    }

    /// Tells if another place has a secret of this name and is no target itself.
    async fn look_behind(&self, hidden: &Place, place: Place, secret: &str, who: &str) {
        let is_target = |(target, name): &(Place, String)| target.is(&place) && name.eq_ignore_ascii_case(secret);
        if self.targets.iter().any(is_target) {
            return;
        }
        let Some(Some(row)) = self.ask(place.kind().row().word, self.row(&place, secret)).await else { return };
        let place = self.github.shown(&place.to_string());
        self.found.borrow_mut().push(format!(
            "{hidden} {secret}: {place} has a secret of the same name, and {who} it instead. It is no target and keeps \
             its value, written at {}. To rotate it too, add the target `{place} secret={secret}`",
            moment(row.updated_at)
        ));
    }

    async fn row(&self, place: &Place, secret: &str) -> Result<Option<Shown>, Failure> {
        let at = Address::of(place, secret)?;
        let told = self.github.ask(None, (Call::Read, place.owner()), async |octo| at.get(&octo).await).await?;
        match told.answer.status {
            StatusCode::OK => told.read().map(Some),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(self.github.failure(&told.answer)),
        }
    }

    /// One read, if there is still one to spend. What is denied once is not asked again, and a server that is in trouble
    /// or asks to wait is left alone.
    async fn ask<T>(&self, kind: &'static str, read: impl Future<Output = Result<T, Failure>>) -> Option<T> {
        let kind = Rc::clone(self.kinds.borrow_mut().entry(kind).or_default());
        let mut first = Some(kind.first.lock().await);
        if kind.access.get() != Access::Unknown {
            first = None;
        }
        let _permit = self.permits.acquire().await.ok()?;
        if kind.access.get() == Access::Denied || self.given_up.get() {
            return None;
        }
        let Some(left) = self.left.get().checked_sub(1) else {
            self.cut_short.set(true);
            return None;
        };
        self.left.set(left);
        let answer = read.await;
        match &answer {
            Ok(_) | Err(Failure::Refused(Refusal { status: Some(404), .. })) => {
                kind.access.set(kind.access.get().max(Access::Granted));
            }
            Err(Failure::Refused(Refusal { status: Some(403), .. })) => kind.access.set(Access::Denied),
            Err(_) => self.given_up.set(true),
        }
        drop(first);
        answer.ok()
    }
}
