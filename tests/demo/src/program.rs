//! The real program: built from this very source, started as GitHub's runner starts it.

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use keyrotor_fake::Signal;
use serde_json::Value;

use crate::scene::Scene;
use crate::show::Show;

/// A program that was stopped (SIGSTOP) is woken after this: a machine that stood still.
const ASLEEP_AT_MOST: Duration = Duration::from_secs(2);
/// Far above what any fault takes.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Program {
    path: PathBuf,
}

/// A run that has ended.
pub(crate) struct Run {
    /// `None`: a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) took: Duration,
    /// What the runner shows: the log without the lines that only tell it what to mask.
    pub(crate) log: String,
    pub(crate) masked: usize,
    pub(crate) outputs: String,
    pub(crate) summary: String,
}

impl Program {
    /// The one that `KEYROTOR_DEMO_PROGRAM` names, else built now.
    pub(crate) fn build() -> io::Result<Self> {
        if let Some(path) = std::env::var_os("KEYROTOR_DEMO_PROGRAM") {
            return Ok(Self { path: path.into() });
        }
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--locked", "--profile", "demo"]);
        cargo.args(["--package", "keyrotor-demo", "--bin", "keyrotor-demo-program"]);
        cargo.args(["--message-format", "json-render-diagnostics"]);
        let built = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).stderr(Stdio::inherit()).output()?;
        let messages = String::from_utf8_lossy(&built.stdout);
        let executable = messages
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter_map(|message| Some(PathBuf::from(message.get("executable")?.as_str()?)))
            .next_back();
        match executable {
            Some(path) if built.status.success() => Ok(Self { path }),
            _ => Err(io::Error::other("keyrotor could not be built")),
        }
    }

    /// Runs it to its end, showing each line as it comes.
    pub(crate) fn run(&self, scene: &Scene, show: &Show) -> io::Result<Run> {
        let files = Files::new()?;
        let began = Instant::now();
        let mut child = Command::new(&self.path)
            .env_clear()
            .envs(scene.variables.iter().map(|(name, value)| (name, value)))
            .env("GITHUB_OUTPUT", files.path("output"))
            .env("GITHUB_STEP_SUMMARY", files.path("summary"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        scene.world.set_client_pid(child.id());
        let (log, masked) = follow(&mut child, scene, show)?;
        let status = child.wait()?;
        scene.world.forget_client();
        let (outputs, summary) = (files.read("output"), files.read("summary"));
        Ok(Run { code: status.code(), took: began.elapsed(), log, masked, outputs, summary })
    }
}

/// Reads the log until it ends.
fn follow(child: &mut Child, scene: &Scene, show: &Show) -> io::Result<(String, usize)> {
    let stdout = child.stdout.take().ok_or_else(|| io::Error::other("no log"))?;
    let (lines, next) = mpsc::channel();
    std::thread::spawn(move || BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|l| lines.send(l)));
    let deadline = Instant::now() + PATIENCE;
    let (mut log, mut masked) = (String::new(), 0);
    loop {
        match next.recv_timeout(ASLEEP_AT_MOST) {
            Ok(line) if line.starts_with("::add-mask::") => masked += 1,
            Ok(line) => {
                show.log_line(&line);
                log.push_str(&line);
                log.push('\n');
            }
            Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => {
                scene.world.signal_client(Signal::Cont);
            }
            Err(RecvTimeoutError::Timeout) => child.kill()?,
            Err(RecvTimeoutError::Disconnected) => return Ok((log, masked)),
        }
    }
}

/// The files behind `GITHUB_OUTPUT` and `GITHUB_STEP_SUMMARY`, until this is dropped.
struct Files(PathBuf);

impl Files {
    fn new() -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("keyrotor-demo-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let files = Self(folder);
        // The runner makes them, empty.
        fs::write(files.path("output"), "")?;
        fs::write(files.path("summary"), "")?;
        Ok(files)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
