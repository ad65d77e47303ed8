//! The container engine, asked as the runner asks it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use keyrotor::cli::INPUTS;

use crate::scene::Scene;

/// Far above what a run takes.
const PATIENCE: Duration = Duration::from_secs(60);

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// How a container is started.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// As the runner does: as root, with what rights the engine gives, the files another user's.
    Runner,
    /// With nothing that it can do without.
    LockedDown,
}

pub(crate) struct Engine {
    pub(crate) image: String,
    runc: bool,
    root: bool,
}

/// A run that is over.
pub(crate) struct Ended {
    /// `None`: the client was killed.
    pub(crate) status: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Whether root runs this.
pub(crate) fn root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

impl Engine {
    pub(crate) fn new(image: &str) -> Self {
        let runc = Command::new("runc").arg("--version").output().is_ok_and(|told| told.status.success());
        Self { image: image.to_owned(), runc, root: root() }
    }

    /// Asks podman; its answer.
    pub(crate) fn ask(arguments: &[&str]) -> Result<String, String> {
        Self::ask_of("podman", arguments)
    }

    /// The same of another program.
    pub(crate) fn ask_of(program: &str, arguments: &[&str]) -> Result<String, String> {
        let told = Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if !told.status.success() {
            return Err(format!("{program} {}: {}", arguments.join(" "), text(&told.stderr)));
        }
        Ok(text(&told.stdout))
    }

    /// Runs the image to its end, also where the client that started it ends before.
    pub(crate) fn run(&self, scene: &Scene, shape: Shape) -> Result<Ended, String> {
        scene.new_files().map_err(|error| error.to_string())?;
        if shape == Shape::Runner {
            scene.hand_to_the_runner()?;
        }
        let name = format!("keyrotor-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mut command = self.command(scene, shape, &name);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let child = child.map_err(|error| format!("podman: {error}"))?;
        scene.world.set_client_pid(child.id());
        let Output { status, stdout, stderr } = child.wait_with_output().map_err(|error| error.to_string())?;
        scene.world.forget_client();
        wait_for_the_end(&name)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Ended { status: status.code(), stdout: text(&stdout), stderr: text(&stderr) })
    }

    fn command(&self, scene: &Scene, shape: Shape, name: &str) -> Command {
        let mut podman = Command::new("podman");
        podman.args(["run", "--rm", "--name", name, "--workdir", "/github/workspace"]);
        // The stand-ins listen on this machine's loopback.
        podman.args(["--network", "host"]);
        if self.root {
            // podman asks for more than a sandbox may give.
            podman.args(["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=100:100"]);
        }
        // What a sandbox lets root start; anybody else's podman knows best itself.
        if self.root && self.runc {
            podman.args(["--runtime", "runc"]);
        }
        if shape == Shape::LockedDown {
            podman.args(["--read-only", "--read-only-tmpfs=false", "--cap-drop", "all"]);
            podman.args(["--security-opt", "no-new-privileges"]);
        }
        for (here, there) in scene.mounts() {
            podman.arg("--volume").arg(format!("{}:{there}", here.display()));
        }
        // Not in podman's own surroundings: it would look there for its images.
        for (name, value) in RUNNER {
            podman.arg("--env").arg(format!("{name}={value}"));
        }
        // By name, so that no value stands in the arguments. The runner sets every declared input, given or not.
        let declared = INPUTS.iter().map(|doc| (doc.variable(), String::new()));
        for (name, value) in declared.chain(scene.variables()) {
            podman.args(["--env", &name]).env(name, value);
        }
        podman.arg(&self.image);
        podman
    }
}

const RUNNER: [(&str, &str); 11] = [
    ("CI", "true"),
    ("GITHUB_ACTIONS", "true"),
    ("GITHUB_ENV", "/github/file_commands/env"),
    ("GITHUB_EVENT_NAME", "schedule"),
    ("GITHUB_OUTPUT", "/github/file_commands/output"),
    ("GITHUB_PATH", "/github/file_commands/path"),
    ("GITHUB_REPOSITORY", "acme/app"),
    ("GITHUB_STATE", "/github/file_commands/state"),
    ("GITHUB_STEP_SUMMARY", "/github/file_commands/summary"),
    ("GITHUB_WORKSPACE", "/github/workspace"),
    ("HOME", "/github/home"),
];

/// A container lives on without the client that started it.
fn wait_for_the_end(name: &str) -> Result<(), String> {
    let began = Instant::now();
    while Command::new("podman").args(["container", "exists", name]).status().is_ok_and(|status| status.success()) {
        if began.elapsed() > PATIENCE {
            let _ = Engine::ask(&["rm", "--force", name]);
            return Err(format!("the container {name} does not end"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

impl Ended {
    /// What a person would see.
    pub(crate) fn log(&self) -> String {
        let shown = self.stdout.lines().filter(|line| !line.starts_with("::add-mask::"));
        format!("{}\n--- stderr\n{}", shown.collect::<Vec<_>>().join("\n"), self.stderr)
    }

    /// The log begins with masks, and every secret has one.
    pub(crate) fn masked_first(&self, secrets: &[String]) -> Result<(), String> {
        let masks: Vec<_> = self.stdout.lines().filter_map(|line| line.strip_prefix("::add-mask::")).collect();
        if !self.stdout.starts_with("::add-mask::") {
            return Err(format!("something stands before the first mask\n{}", self.log()));
        }
        match secrets.iter().find(|secret| !masks.contains(&secret.as_str())) {
            Some(_) => Err(format!("a secret has no mask\n{}", self.log())),
            None => Ok(()),
        }
    }
}
