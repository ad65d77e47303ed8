//! The world before the run, and what a workflow would hand to the action.

use std::io;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use keyrotor_fake::{Access, Fakes, Key, Place, World};

pub(crate) const SECRET: &str = "AROUTER_API_KEY";
pub(crate) const FAMILY: &str = "production";

const TOKEN: &str = "github_pat_11DEMO4a5b6c";
const AGE: SignedDuration = SignedDuration::from_hours(24 * 31);
/// As long as a near server takes: the steps are seen as they happen.
const LATENCY: Duration = Duration::from_millis(50);

pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) places: Vec<Place>,
    pub(crate) old: Key,
    /// What the workflow hands over, as the runner would.
    pub(crate) variables: Vec<(&'static str, String)>,
    /// None of these may be seen in what the program writes, whatever happens.
    pub(crate) secrets: Vec<String>,
    _fakes: Fakes,
}

impl Scene {
    pub(crate) fn one_repository() -> io::Result<Self> {
        Self::new(&["acme/app"])
    }

    pub(crate) fn two_repositories() -> io::Result<Self> {
        Self::new(&["acme/api", "acme/web"])
    }

    /// One repository, whose key stands in an open alert.
    pub(crate) fn leaked() -> io::Result<Self> {
        let mut scene = Self::one_repository()?;
        let value = scene.old.value.clone();
        scene.world.by_hand(|state| _ = state.github.leak("acme/app", &value));
        let command = scene.variables.iter_mut().find(|(name, _)| *name == "INPUT_COMMAND");
        command.into_iter().for_each(|(_, value)| "watch-leaks".clone_into(value));
        Ok(scene)
    }

    /// Every alert: its number, and whether it is open.
    pub(crate) fn alerts(&self) -> Vec<(u64, bool)> {
        self.world.read(|state| state.github.alerts.iter().map(|alert| (alert.number, alert.open)).collect())
    }

    fn new(repositories: &[&str]) -> io::Result<Self> {
        let now = Timestamp::now();
        let world = World::at(now);
        let born = now - AGE;
        let name = format!("{FAMILY}-{}-0c4d1e", born.strftime("%Y-%m-%d"));
        let (management, old, places) = world.by_hand(|state| {
            state.latency = LATENCY;
            let (_, management) = state.issuer.seed_management("rotation");
            let (_, value) = state.issuer.seed_key(&name, |key| {
                key.created_at = born;
                key.updated_at = born;
                key.rights.limit = Some(50.0);
                key.rights.limit_reset = Some("monthly".into());
                key.rights.allowed_providers = vec!["openai".into(), "anthropic".into()];
            });
            state.github.add_token(TOKEN, "workflow", Access::Write);
            let places: Vec<_> = repositories.iter().map(|name| state.github.add_repo(name)).collect();
            for place in &places {
                state.github.write_secret(place, SECRET, &value);
                let secrets = state.github.places.get_mut(place).map(|vault| &mut vault.secrets);
                if let Some(secret) = secrets.and_then(|secrets| secrets.get_mut(SECRET)) {
                    // Written when the key was made: keyrotor looks at that.
                    secret.created_at = born;
                    secret.updated_at = born;
                }
            }
            let old = state.issuer.key_of_value(&value).cloned();
            (management, old, places)
        });
        let old = old.ok_or_else(|| io::Error::other("the old key was not made"))?;
        let fakes = Fakes::spawn_thread(world.clone())?;
        let targets: Vec<_> = places.iter().map(ToString::to_string).collect();
        let variables = vec![
            ("GITHUB_ACTIONS", "true".to_owned()),
            ("GITHUB_API_URL", fakes.github_url.clone()),
            ("GITHUB_REPOSITORY", "acme/app".to_owned()),
            ("GITHUB_EVENT_NAME", "schedule".to_owned()),
            ("INPUT_KEY-NAME", FAMILY.to_owned()),
            ("INPUT_MANAGEMENT-KEY", management.clone()),
            ("INPUT_CURRENT-KEY", old.value.clone()),
            ("INPUT_GITHUB-TOKEN", TOKEN.to_owned()),
            ("INPUT_TARGETS", targets.join("\n")),
            ("INPUT_ISSUER-URL", fakes.issuer_url.clone()),
            // So that a fault that holds an answer back is over in seconds.
            ("INPUT_REQUEST-TIMEOUT", "2s".to_owned()),
            // The runner sets every input that action.yml declares, those that the workflow leaves out as empty.
            ("INPUT_COMMAND", String::new()),
            ("INPUT_SPENDING-LIMIT", String::new()),
            ("INPUT_GRACE-PERIOD", String::new()),
        ];
        let secrets = vec![management, TOKEN.to_owned()];
        Ok(Self { world, places, old, variables, secrets, _fakes: fakes })
    }

    /// What each repository's secret decrypts to, with the key that it is.
    pub(crate) fn holdings(&self) -> Vec<(&Place, String, Option<Key>)> {
        let held = |place| {
            let value = self.world.value_at(place, SECRET).unwrap_or_default();
            let key = self.world.key_of_value(&value);
            (place, value, key)
        };
        self.places.iter().map(held).collect()
    }

    pub(crate) fn is_live(&self, key: &Key) -> bool {
        self.world.read(|state| state.issuer.authorize(&key.value).is_some())
    }

    /// Every regular key that was ever made.
    pub(crate) fn all_keys(&self) -> Vec<Key> {
        self.world.read(|state| {
            let keys = state.issuer.deleted.iter().chain(&state.issuer.keys);
            keys.filter(|key| key.kind == keyrotor_fake::Kind::Regular).cloned().collect()
        })
    }

    /// Every secret in play by now.
    pub(crate) fn all_secrets(&self) -> Vec<String> {
        self.all_keys().into_iter().map(|key| key.value).chain(self.secrets.iter().cloned()).collect()
    }

    /// How many requests changed or looked at the world: the judge of outages looked after each.
    pub(crate) fn requests_judged(&self) -> usize {
        self.world.requests().iter().filter(|request| request.applied_at.is_some()).count()
    }
}
