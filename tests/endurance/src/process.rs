//! The long-lived process, seen from outside.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::lane::Lane;

/// A run that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);
/// Connections are closed soon after the run that made them is over.
const SETTLED: Duration = Duration::from_secs(3);

/// What the process takes at one moment, while it does nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measure {
    /// Its own memory, in KiB. Pages of the program come in when a rare fault first takes a way through it, and are no
    /// growth.
    pub(crate) anonymous: u64,
    pub(crate) descriptors: u64,
}

pub(crate) struct Process {
    child: Mutex<Child>,
    stdin: Mutex<ChildStdin>,
    ended: Vec<Mutex<Receiver<u8>>>,
    output: JoinHandle<String>,
    authorities: PathBuf,
}

impl Process {
    /// Starts it; it knows who vouches for each lane's servers.
    pub(crate) fn start(lanes: &[Lane]) -> Result<Self, String> {
        let authorities = std::env::temp_dir().join(format!("keyrotor-endurance-{}.pem", std::process::id()));
        let pem: String = lanes.iter().map(Lane::authority).collect();
        fs::write(&authorities, pem).map_err(|error| error.to_string())?;
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.arg("--child").env_clear().env("SSL_CERT_FILE", &authorities);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(mut stdout), Some(stderr)) = streams else { return Err("no pipes".to_owned()) };
        let output = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            stdout.read_to_end(&mut bytes).ok();
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let (tell, ended): (Vec<Sender<u8>>, Vec<_>) = lanes.iter().map(|_| channel()).unzip();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                match parse(&line).and_then(|(lane, status)| Some((tell.get(lane)?, status))) {
                    Some((lane, status)) => _ = lane.send(status),
                    None => eprintln!("{line}"),
                }
            }
        });
        let (child, stdin) = (Mutex::new(child), Mutex::new(stdin));
        Ok(Self { child, stdin, ended: ended.into_iter().map(Mutex::new).collect(), output, authorities })
    }

    /// One run; its exit status.
    pub(crate) fn run(&self, lane: usize, vars: &BTreeMap<String, String>) -> Result<u8, String> {
        let line = serde_json::to_string(&(lane, vars)).map_err(|error| error.to_string())?;
        let mut stdin = self.stdin.lock().map_err(|_| "a lane panicked".to_owned())?;
        writeln!(stdin, "{line}").map_err(|error| format!("the process has ended: {error}"))?;
        drop(stdin);
        let ended = self.ended.get(lane).ok_or("there is no such lane")?.lock().map_err(|_| "a lane panicked")?;
        ended.recv_timeout(PATIENCE).map_err(|_| format!("a run of lane {lane} hangs, or the process has ended"))
    }

    /// What it takes now, once nothing more is given back.
    pub(crate) fn measure(&self) -> Result<Measure, String> {
        let pid = self.child.lock().map_err(|_| "a lane panicked")?.id();
        let began = Instant::now();
        let mut least = u64::MAX;
        let mut unchanged = 0;
        while unchanged < 5 && began.elapsed() < SETTLED {
            std::thread::sleep(Duration::from_millis(50));
            let open = fs::read_dir(format!("/proc/{pid}/fd")).map_err(|error| error.to_string())?.count();
            let open = u64::try_from(open).map_err(|error| error.to_string())?;
            unchanged = if open < least { 0 } else { unchanged + 1 };
            least = least.min(open);
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status")).map_err(|error| error.to_string())?;
        let anonymous =
            status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.trim().strip_suffix(" kB")?.parse().ok());
        Ok(Measure { anonymous: anonymous.ok_or("no RssAnon")?, descriptors: least })
    }

    /// Ends it; all that it told.
    pub(crate) fn stop(self) -> Result<String, String> {
        drop(self.stdin);
        let mut child = self.child.into_inner().map_err(|_| "a lane panicked")?;
        let status = child.wait().map_err(|error| error.to_string())?;
        fs::remove_file(&self.authorities).ok();
        let output = self.output.join().map_err(|_| "its output can't be read")?;
        if status.success() { Ok(output) } else { Err(format!("the process has ended with {status}")) }
    }
}

fn parse(line: &str) -> Option<(usize, u8)> {
    let (lane, status) = line.split_once(' ')?;
    Some((lane.parse().ok()?, status.parse().ok()?))
}
