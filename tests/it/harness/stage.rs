//! A world in which the program runs, and what has to hold of it behind a run.

use super::*;

/// A world with its servers, in which the program can be run.
#[derive(Debug)]
pub(crate) struct Stage {
    /// The servers' state.
    pub(crate) world: World,
    /// The servers.
    pub(crate) fakes: Fakes,
    /// Where runs write.
    pub(crate) places: Vec<Place>,
    /// The management key, where there is one.
    pub(crate) management: Option<String>,
    /// What the App's owner has, where there is one.
    pub(crate) app: Option<AppCredentials>,
    pub(super) setting: Setting,
    pub(super) scratch: Scratch,
    /// It ends with the stage.
    pub(super) _roto: Option<programs::Roto>,
}

/// What was so before a run.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(super) held: Vec<Option<String>>,
    pub(super) live: BTreeSet<String>,
}

impl Stage {
    /// The file with the certificate of who vouches for the servers, where they speak TLS.
    pub(crate) fn authority(&self) -> Option<PathBuf> {
        let authority = self.fakes.authority.as_ref()?;
        let path = self.path("authority.pem");
        fs::write(&path, authority).unwrap();
        Some(path)
    }

    /// Changes how the issuer behaves.
    pub(crate) fn behaviour(&self, change: impl FnOnce(&mut Behaviour)) {
        self.world.by_hand(|state| change(&mut state.issuer.behaviour));
    }

    /// Writes a value to every target, as a person: to the first before the others and to the last two behind them, so that
    /// a rotation, which begins with the longest unwritten, has an order that tests may rely on.
    pub(crate) fn deploy(&self, value: &str) {
        for (nth, place) in self.places.iter().enumerate() {
            let is_next = nth == 1 || (nth > 1 && nth + 2 == self.places.len());
            self.world.advance(Duration::from_secs(u64::from(is_next)));
            self.world.by_hand(|state| state.put(place, SECRET, value));
        }
    }

    /// How to reach the cluster with such a token.
    pub(crate) fn kubeconfig(&self, token: &str) -> String {
        let server = self.fakes.url(Server::Kubernetes);
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
             contexts: [{{name: test, context: {{cluster: here, user: ci}}}}]\n\
             clusters: [{{name: here, cluster: {{server: '{server}'}}}}]\n\
             users: [{{name: ci, user: {{token: {token}}}}}]\n"
        )
    }

    /// What each target holds.
    pub(crate) fn held(&self) -> Vec<Option<String>> {
        self.places.iter().map(|place| self.world.value_at(place, SECRET)).collect()
    }

    /// Every token that the App has minted.
    pub(crate) fn minted(&self) -> Vec<String> {
        let tokens = |state: &State| {
            let minted = state.github.tokens.iter().filter(|(_, token)| token.installation().is_some());
            minted.map(|(value, _)| value.clone()).collect()
        };
        self.world.read(tokens)
    }

    /// What is so now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let live = self.world.live_keys("").into_iter().map(|key| key.id).collect();
        Snapshot { held: self.held(), live }
    }

    /// A file of this name that goes when the stage does.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scratch.0.join(name)
    }

    /// A run in which `.env` gets a second name once it was looked at, so that it can't be replaced any more.
    pub(crate) fn run_with_file_linked_meanwhile(&self) -> Ran {
        self.world.fault("issuer:POST:1:delay=400ms");
        let other = self.path("other");
        let ran = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !self.world.requests().iter().any(|request| request.method == "POST") {
                    std::thread::sleep(Duration::from_millis(5));
                }
                fs::hard_link(self.path(".env"), &other).unwrap();
            });
            self.run()
        });
        fs::remove_file(&other).unwrap();
        ran
    }

    /// A run as a step of a workflow, to be adjusted.
    pub(crate) fn action(&self) -> Invocation<'_> {
        let mut inputs = self.setting.inputs.clone();
        let mut put = |name: &str, value: String| _ = inputs.entry(name.to_owned()).or_insert(value);
        put("issuer-url", self.fakes.issuer_url.clone());
        put("targets", self.targets("\n"));
        if let Some(app) = &self.app {
            put("app-client-id", app.client_id.clone());
        }
        let secrets = self.secrets_given();
        let (args, variables) = Default::default();
        let (stdout, stderr) = (Stream::Kept, Stream::Kept);
        Invocation { stage: self, way: Way::Action, inputs, secrets, args, variables, stdout, stderr }
    }

    /// A run from a shell, to be adjusted: flags, secrets in `KEYROTOR_*`, no `INPUT_*`.
    pub(crate) fn cli(&self) -> Invocation<'_> {
        Invocation { way: Way::Cli, ..self.action() }
    }

    /// A run as a step of a workflow.
    pub(crate) fn run(&self) -> Ran {
        self.action().run()
    }

    /// Puts a file into the directory in which runs begin; returns its name there.
    pub(crate) fn put(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        fs::write(self.scratch.0.join(name), text).unwrap();
        name.to_owned()
    }

    pub(super) fn targets(&self, between: &str) -> String {
        self.places.iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
    }

    pub(super) fn secrets_given(&self) -> BTreeMap<&'static str, String> {
        let mut given = BTreeMap::from([match &self.app {
            Some(app) => ("app-private-key", app.pem.trim_end().to_owned()),
            None => ("github-token", TOKEN.to_owned()),
        }]);
        given.extend(self.management.clone().map(|value| ("management-key", value)));
        let current = self.setting.current_key.then(|| self.held().into_iter().next().flatten()).flatten();
        given.extend(current.map(|value| ("current-key", value)));
        given
    }

    /// Every secret there ever was, with its name.
    pub(super) fn secrets(&self) -> Vec<(String, String)> {
        self.world.read(|state| {
            let keys = state.issuer.keys.iter().chain(&state.issuer.deleted);
            let keys = keys.map(|key| (format!("the value of {}", key.name), key.value.clone()));
            let tokens =
                state.github.tokens.iter().map(|(value, token)| (format!("token {}", token.role), value.clone()));
            let vault = state.vault.tokens.iter();
            let vault = vault.map(|(value, token)| (format!("Vault's token {}", token.role), value.clone()));
            let aws = [("AWS's secret access key".to_owned(), AWS_SECRET.to_owned())];
            let accounts = state.kubernetes.accounts.iter();
            let accounts = accounts.map(|(token, (name, _))| (format!("account {name}"), token.clone()));
            let runner = state.runner.issued.iter().chain([&state.runner.request_token]);
            let runner = runner.map(|token| ("an OIDC token".to_owned(), token.clone()));
            let client = self.fakes.client.iter().map(|(_, key)| ("a client's private key".to_owned(), key.clone()));
            keys.chain(tokens).chain(vault).chain(accounts).chain(runner).chain(aws).chain(client).collect()
        })
    }

    /// No place that held a live key ever held a dead one.
    pub(crate) fn check_no_outage(&self) -> Check {
        let outages: Vec<_> = self.world.outages().iter().map(ToString::to_string).collect();
        ensure(outages.is_empty(), || format!("outage: {}", outages.join("; ")))
    }

    /// No outage ever; one live key of the family, held by every target.
    pub(crate) fn check_healed(&self) -> Check {
        self.check_no_outage()?;
        let live = self.world.live_keys(FAMILY);
        let [key] = live.as_slice() else { return Err(format!("not healed: live keys {}", names(&live))) };
        for (place, held) in self.places.iter().zip(self.held()) {
            ensure(held.as_ref() == Some(&key.value), || format!("not healed: {place} does not hold {}", key.name))?;
        }
        Ok(())
    }

    /// The exit status, the outputs and the state agree. `before`: how it was when the run began. For a world where
    /// nobody else does anything.
    pub(crate) fn check_truthful(&self, before: &Snapshot, ran: &Ran) -> Check {
        self.check_no_outage()?;
        let live = self.world.live_keys(FAMILY);
        let held = self.held();
        let told = || format!("exit {}, live keys {}, held {}", ran.status(), names(&live), self.held_names());
        let holds_new = |key: &Key| held.iter().all(|value| value.as_ref() == Some(&key.value));
        let rotated = live.iter().any(|key| !before.live.contains(&key.id) && holds_new(key));
        match ran.status() {
            0 if ran.output("outcome") == "not-due" => {
                ensure(held == before.held, || format!("a target holds another value: {}", told()))?;
                ensure(live.len() == 1, || format!("not one live key: {}", told()))?;
            }
            0 => ensure(rotated && (live.len() == 1 || ran.output("old-key-status") == "pending"), || {
                format!("not rotated: {}", told())
            })?,
            1 => {
                let same = self.snapshot();
                ensure(same.held == before.held, || format!("a target holds another value: {}", told()))?;
                ensure(same.live == before.live, || format!("other keys are alive: {}", told()))?;
            }
            3 => {
                let settled = rotated && live.len() == 1;
                let left: Vec<_> = live.iter().filter(|_| !settled).collect();
                for key in left {
                    ensure(ran.names_key(key), || format!("{} ({}) is not named: {}", key.name, key.id, told()))?;
                }
            }
            137 => return Ok(()),
            status => return Err(format!("exit {status}\n{}", ran.log())),
        }
        ran.check_outputs(rotated)
    }

    /// Which key each target holds.
    pub(crate) fn held_names(&self) -> String {
        let name = |place: &Place| self.world.key_at(place, SECRET).map_or("nothing".to_owned(), |key| key.name);
        self.places.iter().map(name).collect::<Vec<_>>().join(", ")
    }
}

pub(super) fn names(keys: &[Key]) -> String {
    let names: Vec<_> = keys.iter().map(|key| key.name.as_str()).collect();
    format!("[{}]", names.join(", "))
}
