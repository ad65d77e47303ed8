//! Runs of the real program, as a child process, against the fakes.
//!
//! ```ignore
//! let stage = Setting::new(Dialect::Mgmt).repos(&["acme/app", "acme/api"]).with_current_key().stage();
//! stage.world.fault("github:PUT:1:drop-after");
//! let before = stage.snapshot();
//! let ran = stage.run();
//! stage.check_truthful(&before, &ran).unwrap();
//! assert_eq!(stage.run().status(), 0);
//! stage.check_healed().unwrap();
//! ```
//!
//! Whatever is run, all that it shows or leaves is searched at once for every secret in play. A step of a workflow runs
//! with debug logging on, which shows most. No other test starts the program.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{PipeWriter, Read, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use keyrotor::cli::INPUTS;
use keyrotor_fake::{
    Access, Answered, App, AppCredentials, Behaviour, Dialect, Fakes, Key, Place, Request, Server, State, World,
};
use keyrotor_properties::leak::Searcher;

use crate::peers;

/// The secret's name in every target.
pub(crate) const SECRET: &str = "AROUTER_API_KEY";
/// The family that is rotated.
pub(crate) const FAMILY: &str = "production";
/// The name of the key that is deployed at first.
pub(crate) const FIRST_NAME: &str = "production-2026-10-22-aaaaaa";
/// What may write secrets.
pub(crate) const TOKEN: &str = "github_pat_11A7Qx0dYwZ3nKf8Lr2TbVs5Hj";

/// What may read and write secrets in Vault.
pub(crate) const VAULT_TOKEN: &str = "hvs.CAESIBq7Yx2LwKf0ZtRn8VdJpQmUe4";

/// What signs for AWS: its documentation's example.
pub(crate) const AWS_SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// An account of a cluster that may do everything there.
pub(crate) const CLUSTER_TOKEN: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6Ik9sZCJ9eyJzdWIiOiJjaSJ9c2ln";

/// What is wrong, in a sentence that a person can work with.
pub(crate) type Check = Result<(), String>;

/// How long ago the key that is deployed at first was made.
const DEPLOYED_FOR: Duration = Duration::from_secs(40 * 24 * 3600);
/// A run that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(90);
/// A run that is told to stop ends within this time.
const TIME_TO_STOP: Duration = Duration::from_secs(7);

/// What the world is like before the first run, and what every run is asked.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    dialect: Dialect,
    places: Vec<String>,
    current_key: bool,
    deployed: Option<String>,
    tls: Vec<Server>,
    laid_out: Vec<(String, String)>,
    app: bool,
    inputs: BTreeMap<String, String>,
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
        if self.places.iter().any(|place| place.starts_with("aws-secretsmanager:")) {
            world.by_hand(|state| state.aws.upstream = Some(peers::moto()));
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
        let stage = Stage { world, fakes, places, management, app, setting: self, scratch };
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
fn register_app(world: &World, places: &[Place]) -> AppCredentials {
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
    setting: Setting,
    scratch: Scratch,
}

/// What was so before a run.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    held: Vec<Option<String>>,
    live: BTreeSet<String>,
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

    fn targets(&self, between: &str) -> String {
        self.places.iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
    }

    fn secrets_given(&self) -> BTreeMap<&'static str, String> {
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
    fn secrets(&self) -> Vec<(String, String)> {
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
            keys.chain(tokens).chain(vault).chain(accounts).chain(runner).chain(aws).collect()
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

/// Which way the program is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Action,
    Cli,
}

/// Where a stream of the program goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// A pipe that is read to its end.
    Kept,
    /// A file.
    File,
    /// A pipe whose reader has gone.
    Gone,
    /// A pipe that is full, and that nobody reads.
    Full,
}

/// One run that is about to begin.
#[derive(Debug)]
pub(crate) struct Invocation<'a> {
    stage: &'a Stage,
    way: Way,
    inputs: BTreeMap<String, String>,
    secrets: BTreeMap<&'static str, String>,
    args: Vec<String>,
    variables: BTreeMap<String, String>,
    stdout: Stream,
    stderr: Stream,
}

impl Invocation<'_> {
    /// An input of this run alone; empty takes it away.
    pub(crate) fn input(mut self, name: &str, value: &str) -> Self {
        self.inputs.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Another secret than the stage's; empty takes it away.
    pub(crate) fn secret(mut self, name: &'static str, value: &str) -> Self {
        self.secrets.insert(name, value.to_owned());
        self
    }

    /// An argument as it is.
    pub(crate) fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// An environment variable.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Its streams go there.
    pub(crate) fn streams(mut self, stdout: Stream, stderr: Stream) -> Self {
        (self.stdout, self.stderr) = (stdout, stderr);
        self
    }

    /// Runs it.
    ///
    /// # Panics
    /// On a leak, a panic or a hang.
    pub(crate) fn run(self) -> Ran {
        self.try_run().unwrap_or_else(|complaint| panic!("{complaint}"))
    }

    /// Runs it; `Err` on a leak, a panic or a hang.
    pub(crate) fn try_run(self) -> Result<Ran, String> {
        let stage = self.stage;
        let files = stage.scratch.files();
        let requests_before = stage.world.requests().len();
        let mut command = self.command(&files);
        command.stdout(files.stream(self.stdout, "stdout")).stderr(files.stream(self.stderr, "stderr"));
        let began = Instant::now();
        let mut child = command.spawn().unwrap();
        // Its own ends of the pipes.
        drop(command);
        stage.world.set_client_pid(child.id());
        let cmdline = fs::read(format!("/proc/{}/cmdline", child.id())).unwrap_or_default();
        let (stdout, stderr) = (child.stdout.take().map(drain), child.stderr.take().map(drain));
        let mut read = |stream: Option<Receiver<String>>, name: &str| match stream {
            Some(stream) => all_of(&stream, &mut child, began),
            None => {
                wait(&mut child, began);
                files.read(name)
            }
        };
        let (stdout, stderr) = (read(stdout, "stdout"), read(stderr, "stderr"));
        let exit = wait(&mut child, began);
        stage.world.forget_client();
        let ran = Ran {
            exit,
            stdout,
            stderr,
            outputs: parse_outputs(&files.read("output")),
            summary: files.read("summary"),
            requests: stage.world.requests_after(requests_before),
            took: began.elapsed(),
        };
        ensure(ran.took < PATIENCE, || format!("the run hung\n{}", ran.log()))?;
        ensure(!ran.log().contains("panicked"), || format!("the run panicked\n{}", ran.log()))?;
        self.check_leaks(&ran, &files, &cmdline).map_err(|leak| format!("{leak}\n{}", ran.log()))?;
        self.check_masks(&ran)?;
        check_report(&ran)?;
        Ok(ran)
    }

    fn command(&self, files: &Files) -> Command {
        let mut command = Command::new(program());
        command.env_clear().stdin(Stdio::null());
        command.current_dir(&self.stage.scratch.0);
        command.env("PATH", "/usr/bin:/bin").env("HOME", files.path("home"));
        command.env("GITHUB_API_URL", &self.stage.fakes.github_url);
        if let Some(path) = self.stage.authority() {
            command.env("SSL_CERT_FILE", path);
        }
        if self.stage.places.iter().any(|place| matches!(place, Place::Aws { .. })) {
            command.env("AWS_ENDPOINT_URL_SECRETS_MANAGER", self.stage.fakes.url(Server::Aws));
            command.env("AWS_REGION", "eu-west-1").env("AWS_EC2_METADATA_DISABLED", "true");
            command.env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE").env("AWS_SECRET_ACCESS_KEY", AWS_SECRET);
        }
        if self.stage.places.iter().any(|place| matches!(place, Place::Kubernetes { .. })) {
            let path = files.path("kubeconfig.yaml");
            fs::write(&path, self.stage.kubeconfig(CLUSTER_TOKEN)).unwrap();
            command.env("KUBECONFIG", path);
        }
        if self.stage.places.iter().any(|place| matches!(place, Place::Vault { .. })) {
            command.env("VAULT_ADDR", self.stage.fakes.url(Server::Vault)).env("VAULT_TOKEN", VAULT_TOKEN);
        }
        let given = |name: &str| self.inputs.get(name).filter(|value| !value.is_empty());
        match self.way {
            Way::Action => {
                // The runner sets every declared input, given or not.
                for doc in INPUTS {
                    let value = if doc.secret { self.secrets.get(doc.name) } else { given(doc.name) };
                    command.env(doc.variable(), value.map_or("", String::as_str));
                }
                let repository = self.stage.places.first().and_then(Place::repository).unwrap_or("acme/none");
                command.env("GITHUB_ACTIONS", "true").env("CI", "true").env("GITHUB_REPOSITORY", repository);
                command.env("GITHUB_EVENT_NAME", "schedule").env("GITHUB_SERVER_URL", "https://github.com");
                command.env("GITHUB_OUTPUT", files.path("output")).env("GITHUB_STEP_SUMMARY", files.path("summary"));
                for (variable, file) in NOT_OURS {
                    command.env(variable, files.path(file));
                }
                command.env("RUNNER_DEBUG", "1");
            }
            Way::Cli => {
                for doc in INPUTS.iter().filter(|doc| doc.name != "command") {
                    if doc.secret {
                        let value = self.secrets.get(doc.name).filter(|value| !value.is_empty());
                        value.map(|value| command.env(doc.own_variable(), value));
                    } else if let Some(value) = given(doc.name) {
                        command.arg(format!("--{}={value}", doc.name));
                    }
                }
            }
        }
        command.args(&self.args).envs(&self.variables);
        command
    }

    /// No secret stands in anything that the run showed, left or sent, its credentials' own headers aside.
    fn check_leaks(&self, ran: &Ran, files: &Files, cmdline: &[u8]) -> Check {
        let searcher = self.searcher();
        let mut shown = vec![
            ("stdout".to_owned(), without_masks(&ran.stdout)),
            ("stderr".to_owned(), without_masks(&ran.stderr)),
            ("the arguments".to_owned(), String::from_utf8_lossy(cmdline).into_owned()),
        ];
        shown.extend(["output", "summary"].map(|name| (format!("the file {name}"), files.read(name))));
        for request in &ran.requests {
            let Request { method, path, headers, body, .. } = request;
            let headers = headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect::<String>();
            let body = String::from_utf8_lossy(body);
            shown.push((format!("the request {method} {path}"), format!("{path}\n{headers}\n{body}")));
        }
        for (place, text) in shown {
            if let Some(leak) = searcher.find(&text) {
                return Err(format!("leak in {place}: {leak}"));
            }
        }
        files.check_untouched()
    }

    /// Knows every secret that there ever was, and those that this run was given.
    fn searcher(&self) -> Searcher {
        let given = self.secrets.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        Searcher::new(self.stage.secrets().into_iter().chain(given))
    }

    /// On GitHub each secret is masked, and before anything else is told; elsewhere a mask would show it.
    fn check_masks(&self, ran: &Ran) -> Check {
        let story = if ran.stdout.starts_with('{') { &ran.stderr } else { &ran.stdout };
        let masked = |line: &str| line.strip_prefix("::add-mask::").map(str::to_owned);
        let all: BTreeSet<String> = story.lines().filter_map(masked).collect();
        let streams = [self.stdout, self.stderr];
        if self.way == Way::Cli || streams.contains(&Stream::File) {
            return ensure(all.is_empty(), || format!("a mask where nobody hides it\n{}", ran.log()));
        }
        if streams.contains(&Stream::Gone) || streams.contains(&Stream::Full) {
            return Ok(());
        }
        let first: BTreeSet<String> = story.lines().map_while(masked).collect();
        for (name, value) in self.secrets.iter().filter(|(_, value)| !value.is_empty()) {
            let escaped = value.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
            ensure(first.contains(&escaped) || ran.status() == 137, || {
                format!("{name} is not masked first\n{}", ran.log())
            })?;
        }
        let minted = |it: &&Request| it.path.ends_with("/access_tokens") && it.answered == Answered::Status(201);
        let minted = ran.requests.iter().filter(minted).count();
        let hidden = self.stage.minted().iter().filter(|token| all.contains(*token)).count();
        ensure(hidden >= minted || ran.status() == 137, || format!("a token is not masked\n{}", ran.log()))?;
        let held = self.stage.held();
        let live = self.stage.world.live_keys(FAMILY);
        let is_ours = |value: &&String| live.iter().any(|key| key.value == **value);
        for value in held.iter().flatten().filter(is_ours) {
            let known = all.contains(value) || ran.status() == 137 || !ran.rotated();
            ensure(known, || format!("the new key is not masked\n{}", ran.log()))?;
        }
        Ok(())
    }
}

/// A run that is over.
#[derive(Debug)]
pub(crate) struct Ran {
    /// How the process ended.
    pub(crate) exit: ExitStatus,
    /// What it wrote there.
    pub(crate) stdout: String,
    /// What it wrote there.
    pub(crate) stderr: String,
    /// The step's outputs.
    pub(crate) outputs: BTreeMap<String, String>,
    /// The step's summary.
    pub(crate) summary: String,
    /// The requests that arrived meanwhile.
    pub(crate) requests: Vec<Request>,
    /// How long it took.
    pub(crate) took: Duration,
}

impl Ran {
    /// The exit status as a shell shows it: 137 after SIGKILL.
    pub(crate) fn status(&self) -> i32 {
        self.exit.code().or_else(|| self.exit.signal().map(|signal| 128 + signal)).unwrap_or(-1)
    }

    /// One output; empty where it was not written.
    pub(crate) fn output(&self, name: &str) -> &str {
        self.outputs.get(name).map_or("", String::as_str)
    }

    /// The report: the output, else what stdout carries with `--format json`.
    pub(crate) fn report(&self) -> Option<serde_json::Value> {
        let text = self.outputs.get("report").map_or(self.stdout.as_str(), String::as_str);
        serde_json::from_str(text).ok()
    }

    /// What the run says of itself: every target holds the new key.
    pub(crate) fn rotated(&self) -> bool {
        let all = |rows: &Vec<serde_json::Value>| rows.iter().all(|row| row["rotated"] == true);
        self.report().is_some_and(|report| report["rotated"] == true && report["rotations"].as_array().is_some_and(all))
    }

    /// Everything a person could read afterwards.
    pub(crate) fn log(&self) -> String {
        let stdout = without_masks(&self.stdout);
        format!(
            "--- exit {}, {:?}\n{stdout}--- stderr\n{}--- summary\n{}",
            self.status(),
            self.took,
            self.stderr,
            self.summary
        )
    }

    /// What the summary shows a person, its entities read.
    pub(crate) fn summary_text(&self) -> String {
        let mut text = String::new();
        let mut rest = self.summary.as_str();
        while let Some((before, entity)) = rest.split_once("&#") {
            let (code, behind) = entity.split_once(';').unwrap_or((entity, ""));
            text.push_str(before);
            text.extend(code.parse().ok().and_then(char::from_u32));
            rest = behind;
        }
        text + rest
    }

    /// The log and the summary both say this.
    pub(crate) fn tells(&self, words: &str) -> bool {
        self.stdout.contains(words) && self.summary_text().contains(words)
    }

    /// A person who reads the report, the log or the summary finds this key, by its id; by its name where the run
    /// never saw it.
    fn names_key(&self, key: &Key) -> bool {
        let told = format!("{}{}{}{}", self.stdout, self.stderr, self.summary, self.output("report"));
        told.contains(&key.id) || told.contains(&key.name)
    }

    fn check_outputs(&self, rotated: bool) -> Check {
        let Some(report) = self.report() else { return Err(format!("there is no report\n{}", self.log())) };
        let outcome = report["outcome"].as_str().unwrap_or_default();
        let fits = match self.status() {
            0 => ["rotated", "not-due"].contains(&outcome),
            1 => ["rolled-back", "unchanged"].contains(&outcome),
            3 => outcome == "attention",
            _ => false,
        };
        ensure(fits && report["exit-code"] == self.status(), || {
            format!("outcome {outcome} beside exit {}\n{}", self.status(), self.log())
        })?;
        ensure(rotated || !self.rotated(), || format!("it says rotated, and is not\n{}", self.log()))?;
        ensure(self.outputs.is_empty() || !self.summary.is_empty(), || "there is no summary".to_owned())
    }

    /// It ended soon enough after it was told to stop at `at`, on its own clock.
    pub(crate) fn check_stopped_in_time(&self, at: Duration) -> Check {
        let took = self.took.saturating_sub(at);
        ensure(took < TIME_TO_STOP, || format!("it took {took:?} to stop\n{}", self.log()))
    }
}

/// A report is one that `report.schema.json` describes.
fn check_report(ran: &Ran) -> Check {
    static JUDGE: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("report.schema.json");
        jsonschema::validator_for(&serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()).unwrap()
    });
    let Some(report) = ran.report().filter(|report| report["version"] == 1) else { return Ok(()) };
    let wrong: Vec<_> = JUDGE.iter_errors(&report).map(|error| error.to_string()).collect();
    ensure(wrong.is_empty(), || format!("no such report: {wrong:?}\n{report}"))
}

/// `Err` with what is wrong, unless all is well.
pub(crate) fn ensure(well: bool, wrong: impl FnOnce() -> String) -> Check {
    if well { Ok(()) } else { Err(wrong()) }
}

/// The one that `KEYROTOR_TEST_PROGRAM` names by its whole path, else the one that Cargo built beside the tests.
fn program() -> PathBuf {
    let named = std::env::var_os("KEYROTOR_TEST_PROGRAM").map(PathBuf::from);
    let program = named.unwrap_or_else(|| env!("CARGO_BIN_EXE_keyrotor").into());
    assert!(program.is_absolute(), "KEYROTOR_TEST_PROGRAM is no whole path: {}", program.display());
    program
}

fn names(keys: &[Key]) -> String {
    let names: Vec<_> = keys.iter().map(|key| key.name.as_str()).collect();
    format!("[{}]", names.join(", "))
}

fn drain(mut stream: impl Read + Send + 'static) -> Receiver<String> {
    let (all, read) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        // Nobody reads it where the test has failed meanwhile.
        let _ = all.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    read
}

/// What a stream carries until it ends, which it does with the process. To ask again and again whether that has ended would
/// keep a processor busy where many run at once.
fn all_of(stream: &Receiver<String>, child: &mut Child, began: Instant) -> String {
    stream.recv_timeout(PATIENCE.saturating_sub(began.elapsed())).unwrap_or_else(|_| {
        child.kill().unwrap();
        stream.recv().unwrap()
    })
}

fn wait(child: &mut Child, began: Instant) -> ExitStatus {
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if began.elapsed() > PATIENCE {
            child.kill().unwrap();
            return child.wait().unwrap();
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// What a pipe takes is taken.
fn full_pipe() -> PipeWriter {
    let (reader, mut writer) = std::io::pipe().unwrap();
    // Linux's pipes take 16 pages.
    writer.write_all(&[0; 64 * 1024]).unwrap();
    // Whoever holds it keeps the other end from breaking.
    std::mem::forget(reader);
    writer
}

fn without_masks(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with("::add-mask::"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// As the runner reads the file.
pub(crate) fn parse_outputs(text: &str) -> BTreeMap<String, String> {
    let mut lines = text.split('\n');
    let mut found = BTreeMap::new();
    while let Some(line) = lines.next() {
        let Some((name, end)) = line.split_once("<<") else { continue };
        let value: Vec<_> = lines.by_ref().take_while(|line| *line != end).collect();
        found.insert(name.to_owned(), value.join("\n"));
    }
    found
}

/// A directory that goes when the stage does.
#[derive(Debug)]
struct Scratch(PathBuf);

/// Files of one run, in a folder of their own.
#[derive(Debug)]
struct Files(PathBuf);

/// What the runner hands to a step beside those two, and what a secret in it would be for: the steps behind.
const NOT_OURS: [(&str, &str); 3] = [("GITHUB_ENV", "env"), ("GITHUB_PATH", "path"), ("GITHUB_STATE", "state")];

static NEXT: AtomicUsize = AtomicUsize::new(0);

impl Scratch {
    fn new() -> Self {
        let name = format!("keyrotor-stage-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        // In memory where there is a place for it: thousands of files are made and removed.
        let memory = Some(Path::new("/dev/shm")).filter(|path| path.is_dir());
        let path = memory.unwrap_or(Path::new(env!("CARGO_TARGET_TMPDIR"))).join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// New empty files, as the runner makes them for each step, and an empty home.
    fn files(&self) -> Files {
        let files = Files(self.0.join(format!("step-{}", NEXT.fetch_add(1, Ordering::Relaxed))));
        fs::create_dir_all(files.path("home")).unwrap();
        for name in ["output", "summary"].into_iter().chain(NOT_OURS.map(|(_, name)| name)) {
            fs::write(files.path(name), "").unwrap();
        }
        files
    }
}

impl Files {
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.path(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn stream(&self, kind: Stream, name: &str) -> Stdio {
        match kind {
            Stream::Kept => Stdio::piped(),
            Stream::File => fs::File::create(self.path(name)).unwrap().into(),
            Stream::Gone => std::io::pipe().unwrap().1.into(),
            Stream::Full => full_pipe().into(),
        }
    }

    /// What is for other steps is as it was, and nothing was left at home.
    fn check_untouched(&self) -> Check {
        for (variable, name) in NOT_OURS {
            ensure(self.read(name).is_empty(), || format!("the run wrote to ${variable}: {}", self.read(name)))?;
        }
        let left: Vec<_> = fs::read_dir(self.path("home")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        ensure(left.is_empty(), || format!("the run left files at home: {left:?}"))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_step_and_a_shell_rotate_in_every_dialect() {
    for dialect in [Dialect::Mgmt, Dialect::Guide, Dialect::Overview, Dialect::OpenRouter] {
        for with_current in [true, false] {
            let setting = Setting::new(dialect).repos(&["acme/app", "acme/api"]);
            let stage = if with_current { setting.with_current_key() } else { setting }.stage();
            for ran in [Stage::action, Stage::cli].map(|way| {
                let before = stage.snapshot();
                stage.world.advance(Duration::from_secs(3600));
                let ran = way(&stage).run();
                assert_eq!(ran.status(), 0, "{dialect:?} {with_current}\n{}", ran.log());
                if ran.report().is_some() {
                    stage.check_truthful(&before, &ran).unwrap();
                }
                stage.check_healed().unwrap();
                ran
            }) {
                assert!(!ran.requests.is_empty());
            }
        }
    }
}

#[test]
fn the_json_report_stands_alone_on_stdout() {
    let stage = Setting::new(Dialect::Mgmt).with_current_key().stage();
    for run in [stage.cli(), stage.action()] {
        stage.world.advance(Duration::from_secs(3600));
        let ran = run.secret("current-key", "").arg("--format=json").run();
        assert_eq!(ran.status(), 0, "{}", ran.log());
        let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(report["outcome"], "rotated");
    }
}

/// A run that showed this on stdout, as far as the search for leaks goes.
fn searched(stage: &Stage, change: impl FnOnce(&mut Ran, &Files)) -> Check {
    let run = stage.action();
    let files = stage.scratch.files();
    let (exit, took) = Default::default();
    let (outputs, requests) = Default::default();
    let mut ran =
        Ran { exit, stdout: String::new(), stderr: String::new(), outputs, summary: String::new(), requests, took };
    change(&mut ran, &files);
    run.check_leaks(&ran, &files, b"keyrotor\0--key-name=production")
}

#[test]
fn a_leak_anywhere_is_found() {
    let stage = Setting::new(Dialect::Mgmt).stage();
    let first = stage.run();
    assert_eq!(first.status(), 0, "{}", first.log());
    let new = stage.held()[0].clone().unwrap();
    let old = stage.world.read(|state| state.issuer.deleted[0].value.clone());
    let management = stage.management.clone().unwrap();
    searched(&stage, |ran, _| ran.stdout = format!("::add-mask::{new}\nnothing")).unwrap();
    for secret in [&new, &old, &management, TOKEN] {
        let found = |change: &dyn Fn(&mut Ran, &Files)| {
            let why = searched(&stage, change).expect_err("a leak was let through");
            assert!(why.starts_with("leak in "), "{why}");
        };
        found(&|ran, _| ran.stdout = format!("::debug::{secret}"));
        found(&|ran, _| ran.stderr = format!("thread 'main' panicked at {secret:?}"));
        found(&|_, files| fs::write(files.path("output"), format!("report={{\"key\":\"{secret}\"}}")).unwrap());
        found(&|_, files| fs::write(files.path("summary"), secret.replace('_', "&#95;")).unwrap());
        found(&|ran, _| {
            ran.requests = first.requests.clone();
            ran.requests[0].path.push_str(&format!("?key={secret}"));
        });
        found(&|ran, _| {
            ran.requests = first.requests.clone();
            ran.requests[0].headers.push(("referer".into(), secret.to_string()));
        });
        found(&|ran, _| {
            ran.requests = first.requests.clone();
            ran.requests[0].body = format!("{{\"label\":\"{secret}\"}}").into();
        });
    }
    let why = searched(&stage, |_, files| fs::write(files.path("state"), "x=1").unwrap()).unwrap_err();
    assert!(why.contains("$GITHUB_STATE"), "{why}");
    let why = searched(&stage, |_, files| fs::write(files.path("home").join("x"), "").unwrap()).unwrap_err();
    assert!(why.contains("left files"), "{why}");
    // What is not secret is told.
    let key = &stage.world.live_keys(FAMILY)[0];
    searched(&stage, |ran, _| ran.stdout = format!("{} {} {}", key.masked(), key.id, key.name)).unwrap();
}

#[test]
fn wrong_inputs_contact_nobody() {
    let stage = Setting::new(Dialect::Mgmt).input("grace-period", "soon").stage();
    let ran = stage.run();
    assert_eq!((ran.status(), ran.output("outcome")), (2, "invalid"), "{}", ran.log());
    assert!(ran.requests.is_empty());
    let ran = stage.action().input("grace-period", "").variable("INPUT_KEY-NAM", "x").run();
    assert_eq!(ran.status(), 2, "{}", ran.log());
}

#[test]
fn a_first_key_is_made_where_nothing_is_deployed() {
    let mut setting = Setting::new(Dialect::Mgmt).deployed(None);
    for (name, value) in [("allowed-providers", "all"), ("allowed-models", "all"), ("spending-limit", "50")] {
        setting = setting.input(name, value);
    }
    let stage = setting.input("limit-reset", "none").input("expires-after", "never").stage();
    stage.behaviour(|behaviour| behaviour.echo_key_in_errors = true);
    let ran = stage.run();
    assert_eq!(ran.status(), 0, "{}", ran.log());
    stage.check_healed().unwrap();
    ran.check_stopped_in_time(Duration::ZERO).unwrap();
}
