//! The examples as they are printed, run by `act`: it reads the workflow, evaluates its expressions, hands secrets and inputs to
//! the action's container, and reads outputs, masks and the summary, all as GitHub's runner does.
//!
//! What act takes for the machine of `ubuntu-latest` is an image with a shell and its tools. The action comes from a folder in
//! the place of its repository, and its image is the one under test. Of an example changes what a person changes, too: the
//! commit in `uses:`, and the stand-in's address.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use crate::Told;
use crate::engine::{Engine, root};
use crate::scene::Scene;

/// Above what podman's service takes to begin.
const PATIENCE: Duration = Duration::from_secs(20);
/// Above what a job takes.
const LONGEST_JOB: &str = "120";
/// The volume that act mounts into the machine of every job.
const TOOL_CACHE: &str = "act-toolcache";
/// Longer than the grace of the examples, and shorter than their `rotate-after`.
const A_DAY_LATER: Duration = Duration::from_secs(25 * 3600);

/// What runs workflows.
pub(crate) struct Act {
    pub(crate) program: String,
    /// The image of the machine that a job runs on.
    pub(crate) machine: String,
}

/// podman's API at a socket of its own, until this is dropped.
struct Service {
    child: Child,
    socket: PathBuf,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Service {
    fn begin(scene: &Scene) -> Result<Self, String> {
        let (socket, config) = (scene.path("podman.sock"), scene.path("containers.conf"));
        let mut podman = Command::new("podman");
        if root() {
            // What a sandbox lets root ask for; anybody else's podman knows best itself.
            let limits = "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=400:400\"]\n";
            let text = format!("{limits}[engine]\nruntime = \"runc\"\n");
            fs::write(&config, text).map_err(|error| error.to_string())?;
            podman.env("CONTAINERS_CONF", &config);
        }
        podman.args(["system", "service", "--time=0"]).arg(format!("unix://{}", socket.display()));
        let child = podman.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let service = Self { child: child.map_err(|error| format!("podman: {error}"))?, socket };
        let began = Instant::now();
        while !service.socket.exists() {
            if began.elapsed() > PATIENCE {
                return Err("podman's service does not begin".to_owned());
            }
            sleep(Duration::from_millis(50));
        }
        Ok(service)
    }
}

/// A job that is over.
struct Job {
    status: Option<i32>,
    log: String,
}

impl Job {
    /// It ended well with this outcome, and shows no secret.
    fn came_to(self, outcome: &str, scene: &Scene) -> Result<(), String> {
        if let Some(at) = scene.secrets().iter().find_map(|secret| self.log.find(secret.as_str())) {
            return Err(format!("a secret stands in act's log, {at} bytes from its begin"));
        }
        if self.status != Some(0) || !self.log.contains(&format!("::set-output:: outcome={outcome}")) {
            return Err(format!("expected {outcome}, and exit status {:?}\n{}", self.status, self.log));
        }
        if !self.log.contains("Summary - ## ") {
            return Err(format!("there is no summary\n{}", self.log));
        }
        Ok(())
    }
}

/// One checkout with one workflow, and the action in the place of its repository.
struct Checkout<'a> {
    act: &'a Act,
    scene: &'a Scene,
    service: &'a Service,
}

impl Checkout<'_> {
    /// Lays out an example as a user would copy it.
    fn with(&self, example: &str, image: &str) -> Result<(), String> {
        let io = |error: std::io::Error| error.to_string();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let (repository, action) = (self.scene.path("repository"), self.scene.path("action"));
        for folder in [&repository, &action] {
            let _ = fs::remove_dir_all(folder);
            fs::create_dir_all(folder.join(".github/workflows")).map_err(io)?;
        }
        let read = |path: &str| fs::read_to_string(source.join(path)).map_err(|error| format!("{path}: {error}"));
        let manifest = read("action.yml")?.replace("image: Dockerfile", &format!("image: docker://{image}"));
        fs::write(action.join("action.yml"), manifest).map_err(io)?;
        let called = read(".github/workflows/rotate.yml")?;
        fs::write(action.join(".github/workflows/rotate.yml"), called).map_err(io)?;
        let url = format!("issuer-url: {}", self.scene.fakes.issuer_url);
        let mut text = read(&format!("examples/workflows/{example}"))?.replace("@<commit>", "@v1");
        for input in ["key-name: production", "config: .github/keyrotor.yml"] {
            let indent = text.lines().find(|line| line.trim() == input).map(|line| line.len() - input.len());
            let Some(indent) = indent else { continue };
            let targets = if input.starts_with("key") { "targets: repo:acme/app,api" } else { "request-timeout: 5s" };
            let lines = [input, &url, targets].join(&format!("\n{}", " ".repeat(indent)));
            text = text.replace(input, &lines);
        }
        fs::write(repository.join(".github/workflows/rotate.yml"), text).map_err(io)?;
        let config = "rotations:\n  - key-name: production\n    current-key-env: PRODUCTION_KEY\n    grace-period: 24h\n    \
                      rotate-after: 30d\n    targets: [\"repo:acme/app,api\"]\n";
        fs::write(repository.join(".github/keyrotor.yml"), config).map_err(io)?;
        let at = repository.display().to_string();
        Engine::ask_of("git", &["-C", &at, "init", "--quiet", "--initial-branch", "main"])?;
        Engine::ask_of("git", &["-C", &at, "remote", "add", "origin", "https://github.com/acme/app.git"])?;
        Engine::ask_of("git", &["-C", &at, "add", "--all"])?;
        let who = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
        let commit = [&["-C", at.as_str()][..], &who, &["commit", "--quiet", "--message", "Rotate"]].concat();
        Engine::ask_of("git", &commit).map(drop)
    }

    fn run(&self, event: &str, inputs: &[&str]) -> Result<Job, String> {
        let secrets = self.scene.path("secrets");
        fs::write(&secrets, self.scene.named_secrets()).map_err(|error| error.to_string())?;
        let mut act = Command::new("timeout");
        act.args([LONGEST_JOB, &self.act.program, event, "--workflows", ".github/workflows/rotate.yml"]);
        act.arg("--platform").arg(format!("ubuntu-latest={}", self.act.machine));
        for release in ["v1", "v1.0.0"] {
            let folder = self.scene.path("action");
            act.arg("--local-repository").arg(format!("keyrotor/keyrotor@{release}={}", folder.display()));
        }
        act.args(["--use-new-action-cache", "--pull=false", "--no-cache-server", "--container-daemon-socket", "-"]);
        act.arg("--secret-file").arg(&secrets);
        act.arg("--env").arg(format!("GITHUB_API_URL={}", self.scene.fakes.github_url));
        inputs.iter().for_each(|input| _ = act.args(["--input", input]));
        act.env("DOCKER_HOST", format!("unix://{}", self.service.socket.display()));
        act.env("HOME", self.scene.path("home")).env("XDG_CACHE_HOME", self.scene.path("cache"));
        act.current_dir(self.scene.path("repository")).stdin(Stdio::null());
        let ended = act.output().map_err(|error| format!("act: {error}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Job { status: ended.status.code(), log: text(&ended.stdout) + &text(&ended.stderr) })
    }
}

/// An example, the event that it runs on, and what a person chooses where they start it by hand.
type Example = (&'static str, &'static str, &'static [&'static str]);

const EXAMPLES: [Example; 4] = [
    ("daily.yml", "schedule", &[]),
    ("many.yml", "schedule", &[]),
    ("reusable.yml", "schedule", &[]),
    ("on-demand.yml", "workflow_dispatch", &["dry-run=false", "leaked=true"]),
];

/// All examples, beside each other: mostly they wait.
pub(crate) fn check(engine: &Engine, act: &Act) -> Told {
    // act makes it where it is missing, and runs that begin together fail at that.
    Engine::ask(&["volume", "exists", TOOL_CACHE]).or_else(|_| Engine::ask(&["volume", "create", TOOL_CACHE]))?;
    thread::scope(|scope| {
        let runs = EXAMPLES.map(|example| scope.spawn(move || rotates(engine, act, example)));
        runs.into_iter().try_for_each(|run| run.join().unwrap_or_else(|_| Err("a check panicked".to_owned())))
    })?;
    Ok("the examples for every day, for many keys, through the called workflow and by hand, run by act: rotate"
        .to_owned())
}

/// With a grace the old key lives for a day, and the next day's run retires it.
fn rotates(engine: &Engine, act: &Act, (example, event, inputs): Example) -> Result<(), String> {
    let scene = Scene::new(&[])?;
    let service = Service::begin(&scene)?;
    let checkout = Checkout { act, scene: &scene, service: &service };
    let tells = |error: String| format!("{example} on {event}: {error}");
    checkout.with(example, &engine.image)?;
    if event == "workflow_dispatch" {
        // The button's default is a dry run.
        let before = scene.secrets();
        checkout.run(event, &["dry-run=true"])?.came_to("unchanged", &scene).map_err(tells)?;
        if scene.secrets() != before {
            return Err(tells("a dry run wrote a secret".to_owned()));
        }
    }
    checkout.run(event, inputs)?.came_to("rotated", &scene).map_err(tells)?;
    scene.no_outage()?;
    if event == "schedule" {
        scene.world.advance(A_DAY_LATER);
        checkout.run(event, inputs)?.came_to("not-due", &scene).map_err(tells)?;
    }
    scene.rotated().map_err(tells)
}
