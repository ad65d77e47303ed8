//! Starting the program, and waiting for its end.

use super::*;

/// Which way the program is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
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
    pub(super) stage: &'a Stage,
    pub(super) way: Way,
    pub(super) inputs: BTreeMap<String, String>,
    pub(super) secrets: BTreeMap<&'static str, String>,
    pub(super) args: Vec<String>,
    pub(super) variables: BTreeMap<String, String>,
    pub(super) stdout: Stream,
    pub(super) stderr: Stream,
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

    /// Runs it on a terminal of its own, where each answer is typed once its question stands there. What the terminal shows is
    /// the run's `stdout`.
    ///
    /// # Panics
    /// On a leak, a hang, or where a question does not come.
    pub(crate) fn converse(self, answers: &[(&str, &str)]) -> Ran {
        let files = self.stage.scratch.files();
        let requests_before = self.stage.world.requests().len();
        let terminal = Terminal::open();
        let mut command = self.command(&files);
        command.stdin(terminal.end()).stdout(terminal.end()).stderr(terminal.end());
        let began = Instant::now();
        let mut child = command.spawn().unwrap();
        // Its own ends of the terminal.
        drop(command);
        let cmdline = fs::read(format!("/proc/{}/cmdline", child.id())).unwrap_or_default();
        let stdout = terminal.talk(answers);
        let exit = wait(&mut child, began);
        let requests = self.stage.world.requests_after(requests_before);
        let (stderr, summary, outputs) = Default::default();
        let ran = Ran { exit, stdout, stderr, outputs, summary, requests, took: began.elapsed() };
        assert!(!ran.log().contains("panicked"), "{}", ran.log());
        self.check_leaks(&ran, &files, &cmdline).unwrap_or_else(|leak| panic!("{leak}\n{}", ran.log()));
        ran
    }

    pub(super) fn command(&self, files: &Files) -> Command {
        let mut command = Command::new(program());
        command.env_clear().stdin(Stdio::null());
        command.current_dir(&self.stage.scratch.0);
        command.env("PATH", "/usr/bin:/bin").env("HOME", files.path("home"));
        command.env("GITHUB_API_URL", &self.stage.fakes.github_url);
        if let Some(path) = self.stage.authority() {
            command.env("SSL_CERT_FILE", path);
        }
        if self.stage.places.iter().any(|place| matches!(place, Place::Aws { .. })) {
            for service in ["SECRETS_MANAGER", "SSM"] {
                command.env(format!("AWS_ENDPOINT_URL_{service}"), self.stage.fakes.url(Server::Aws));
            }
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
                    let value = if doc.is_secret() { self.secrets.get(doc.name) } else { given(doc.name) };
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
                    if doc.is_secret() {
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
    pub(super) fn check_leaks(&self, ran: &Ran, files: &Files, cmdline: &[u8]) -> Check {
        let searcher = self.searcher();
        let mut shown = vec![
            ("stdout".to_owned(), without_masks(&ran.stdout)),
            ("stderr".to_owned(), without_masks(&ran.stderr)),
            ("the arguments".to_owned(), String::from_utf8_lossy(cmdline).into_owned()),
        ];
        shown.extend(["output", "summary"].map(|name| (format!("the file {name}"), files.read(name))));
        let receipt = self.inputs.get("receipt-file").map(|name| self.stage.path(name));
        let receipt = receipt.filter(|path| path.is_file()).and_then(|path| fs::read_to_string(path).ok());
        shown.extend(receipt.map(|text| ("the receipt".to_owned(), text)));
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
    pub(super) fn searcher(&self) -> Searcher {
        let given = self.secrets.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        Searcher::new(self.stage.secrets().into_iter().chain(given))
    }

    /// On GitHub each secret is masked, and before anything else is told; elsewhere a mask would show it.
    pub(super) fn check_masks(&self, ran: &Ran) -> Check {
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

/// The one that `KEYROTOR_TEST_PROGRAM` names by its whole path, else the one that Cargo built beside the tests.
pub(super) fn program() -> PathBuf {
    let named = std::env::var_os("KEYROTOR_TEST_PROGRAM").map(PathBuf::from);
    let program = named.unwrap_or_else(|| env!("CARGO_BIN_EXE_keyrotor").into());
    assert!(program.is_absolute(), "KEYROTOR_TEST_PROGRAM is no whole path: {}", program.display());
    program
}

pub(super) fn drain(mut stream: impl Read + Send + 'static) -> Receiver<String> {
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
pub(super) fn all_of(stream: &Receiver<String>, child: &mut Child, began: Instant) -> String {
    stream.recv_timeout(PATIENCE.saturating_sub(began.elapsed())).unwrap_or_else(|_| {
        child.kill().unwrap();
        stream.recv().unwrap()
    })
}

pub(super) fn wait(child: &mut Child, began: Instant) -> ExitStatus {
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
