//! What a stage is set up with.

use super::*;

/// What the world is like before the first run, and what every run is asked.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(super) dialect: Dialect,
    pub(super) places: Vec<String>,
    pub(super) current_key: bool,
    pub(super) deployed: Option<String>,
    pub(super) tls: Vec<Server>,
    pub(super) laid_out: Vec<(String, String)>,
    pub(super) app: bool,
    pub(super) roto: bool,
    pub(super) inputs: BTreeMap<String, String>,
}

impl Setting {
    /// An issuer of this dialect, one repository that holds a key of the family that was made 40 days ago, and a
    /// management key; in the dialect `Guide`, which knows none, another live key manages.
    pub(crate) fn new(dialect: Dialect) -> Self {
        let mut inputs = BTreeMap::from(
            [("key-name", FAMILY), ("request-timeout", "2s"), ("verify-timeout", "2s")]
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        if dialect == Dialect::Guide {
            // The guide's list does not show it.
            inputs.insert("allowed-providers".to_owned(), "openai,anthropic".to_owned());
        }
        if dialect == Dialect::OpenRouter {
            inputs.extend(
                [("issuer", "openrouter"), ("secret-name", SECRET)].map(|(name, value)| (name.into(), value.into())),
            );
        }
        Self {
            dialect,
            places: vec!["repo:acme/app".to_owned()],
            current_key: false,
            deployed: Some(FIRST_NAME.to_owned()),
            tls: Vec::new(),
            laid_out: Vec::new(),
            app: false,
            roto: false,
            inputs,
        }
    }

    /// These repositories instead.
    pub(crate) fn repos(mut self, repos: &[&str]) -> Self {
        self.places = repos.iter().map(|repo| format!("repo:{repo}")).collect();
        self
    }

    /// These places instead, as targets are written, without words.
    pub(crate) fn places(mut self, places: &[&str]) -> Self {
        self.places = places.iter().map(|place| (*place).to_owned()).collect();
        self
    }

    /// Each run is given, as `current-key`, what the first repository's secret holds when it starts. In the dialect
    /// `Guide` nothing else is given: the current key manages itself.
    pub(crate) fn with_current_key(mut self) -> Self {
        self.current_key = true;
        self
    }

    /// The deployed key is called so; `None`: nothing is deployed.
    pub(crate) fn deployed(mut self, name: Option<&str>) -> Self {
        self.deployed = name.map(str::to_owned);
        self
    }

    /// A secret at AWS holds this text when the first key is deployed, with `KEY` in the place of its value.
    pub(crate) fn laid_out(mut self, id: &str, text: &str) -> Self {
        self.laid_out.push((id.to_owned(), text.to_owned()));
        self
    }

    /// These servers speak TLS, and every run is told who vouches for them.
    pub(crate) fn over_tls(mut self, servers: &[Server]) -> Self {
        self.tls = servers.to_vec();
        self
    }

    /// roto plays AWS in the place of moto.
    pub(crate) fn at_roto(mut self) -> Self {
        self.roto = true;
        self
    }

    /// Each run is given the credentials of a GitHub App in place of a token. It is installed on every owner.
    pub(crate) fn with_app(mut self) -> Self {
        self.app = true;
        self
    }

    /// An input of every run.
    pub(crate) fn input(mut self, name: &str, value: &str) -> Self {
        self.inputs.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Builds the world and starts its servers.
    pub(crate) fn stage(self) -> Stage {
        let world = if self.app {
            // What an App signs is dated by the machine's clock: the first run is now.
            World::at(jiff::Timestamp::now() - jiff::SignedDuration::try_from(DEPLOYED_FOR).unwrap())
        } else {
            World::new()
        };
        world.by_hand(|state| state.issuer.behaviour = Behaviour::of(self.dialect));
        let scratch = Scratch::new();
        world.by_hand(|state| state.files.root.clone_from(&scratch.0));
        let roto = self.roto.then(programs::Roto::start);
        if self.places.iter().any(|place| place.starts_with("aws-")) {
            let upstream = roto.as_ref().map_or_else(programs::moto, |roto| roto.address.clone());
            world.by_hand(|state| state.aws.upstream = Some(upstream));
        }
        let add = |place: &String| world.by_hand(|state| state.add_place(place));
        let places: Vec<Place> = self.places.iter().map(add).collect();
        let management = world.by_hand(|state| {
            if !self.app {
                state.github.add_token(TOKEN, "ci", Access::Write);
            }
            let all = ["create", "read", "update", "patch"];
            state.kubernetes.add_account(CLUSTER_TOKEN, "ci:keyrotor", &[]);
            state.vault.add_token(
                VAULT_TOKEN,
                "ci",
                &[("secret/data/*", &all), ("old/*", &["create", "read", "update", "delete"])],
            );
            match (self.dialect, self.current_key) {
                (Dialect::Guide, true) => None,
                (Dialect::Guide, false) => Some(state.issuer.seed_key("key-manager", |_| {}).1),
                _ => Some(state.issuer.seed_management("root").1),
            }
        });
        let app = self.app.then(|| register_app(&world, &places));
        let fakes = match self.tls.as_slice() {
            [] => Fakes::spawn_thread(world.clone()).unwrap(),
            servers => Fakes::spawn_thread_with_tls(world.clone(), servers).unwrap(),
        };
        let stage = Stage { world, fakes, places, management, app, setting: self, scratch, _roto: roto };
        if let Some(name) = &stage.setting.deployed {
            let (_, value) = stage.world.by_hand(|state| {
                state.issuer.seed_key(name, |key| {
                    key.rights.limit = Some(500.0);
                    key.rights.limit_reset = Some("monthly".to_owned());
                    if stage.setting.dialect != Dialect::OpenRouter {
                        key.rights.allowed_providers = ["openai", "anthropic"].map(str::to_owned).to_vec();
                    }
                })
            });
            stage.deploy(&value);
            for (id, text) in &stage.setting.laid_out {
                stage.world.by_hand(|state| state.aws.put_text(id, &text.replace("KEY", &value)));
            }
            stage.world.advance(DEPLOYED_FOR);
        }
        stage
    }
}

/// An App that is installed where these places are and may write their secrets. Its key is made once.
pub(super) fn register_app(world: &World, places: &[Place]) -> AppCredentials {
    static APP: LazyLock<(App, AppCredentials)> = LazyLock::new(|| App::new(424_242));
    let (mut app, credentials) = APP.clone();
    let mut owners: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for place in places {
        let owner = place.repository().or(place.organisation()).and_then(|name| name.split('/').next()).unwrap();
        owners.entry(owner).or_default().insert(place.permission().word());
    }
    for (owner, permissions) in owners {
        app.install(owner, &Vec::from_iter(permissions));
    }
    world.by_hand(|state| state.github.app = Some(app));
    credentials
}
