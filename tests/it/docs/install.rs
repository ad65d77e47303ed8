//! `install.sh`: installs what GitHub shows to be built by the release workflow, and nothing else.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::docs::documents::ROOT;

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// A machine of this kind, where `gh` has one archive and its attestation holds, or does not.
struct Machine(PathBuf);

impl Machine {
    fn new(system: &str, processor: &str, is_attested: bool) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("keyrotor-install-{}-{number}", std::process::id()));
        fs::create_dir_all(folder.join("bin")).unwrap();
        fs::create_dir_all(folder.join("home")).unwrap();
        let machine = Self(folder);
        let released = "#!/bin/sh\necho keyrotor 1.2.3\n";
        machine.script("keyrotor", released);
        machine.program("uname", &format!("case \"$1\" in -s) echo {system} ;; -m) echo {processor} ;; esac"));
        let log = machine.0.join("gh.log");
        let verdict = if is_attested { "exit 0" } else { "echo 'no attestation' >&2; exit 1" };
        let gh = format!(
            "echo \"$@\" >>{log}\ncase \"$1\" in\nrelease) while [ \"$1\" != --dir ]; do [ \"$1\" = --pattern ] && name=$2; \
             shift; done; tar -czf \"$2/$name\" -C {folder} keyrotor ;;\nattestation) {verdict} ;;\nesac",
            log = log.display(),
            folder = machine.0.display()
        );
        machine.program("gh", &gh);
        machine
    }

    fn script(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn program(&self, name: &str, body: &str) {
        self.script(&format!("bin/{name}"), &format!("#!/bin/sh\n{body}\n"));
    }

    fn run(&self, version: &[&str]) -> Output {
        self.run_with(&format!("{}:/usr/bin:/bin", self.0.join("bin").display()), version)
    }

    fn run_with(&self, path: &str, version: &[&str]) -> Output {
        let script = Path::new(ROOT).join("install.sh");
        let mut sh = Command::new("/bin/sh");
        sh.arg(script).args(version).env_clear().env("PATH", path).env("HOME", self.0.join("home"));
        sh.output().unwrap()
    }

    fn installed(&self) -> PathBuf {
        self.0.join("home/.local/bin/keyrotor")
    }

    fn asked(&self) -> String {
        fs::read_to_string(self.0.join("gh.log")).unwrap_or_default()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn the_archive_of_the_machine_is_installed_once_its_attestation_holds() {
    for (system, processor, triple) in [
        ("Linux", "x86_64", "x86_64-unknown-linux-musl"),
        ("Linux", "aarch64", "aarch64-unknown-linux-musl"),
        ("Darwin", "arm64", "aarch64-apple-darwin"),
    ] {
        let machine = Machine::new(system, processor, true);
        let output = machine.run(&["1.2.3"]);
        assert!(output.status.success(), "{}", told(&output));
        assert!(told(&output).contains("installed keyrotor 1.2.3 as ") && told(&output).contains("to your PATH"));
        let asked = machine.asked();
        let [download, verify] = asked.lines().collect::<Vec<_>>()[..] else { panic!("{asked}") };
        assert!(
            download.starts_with("release download v1.2.3 --repo keyrotor/keyrotor --pattern keyrotor-"),
            "{asked}"
        );
        assert!(download.contains(triple) && verify.contains(triple), "{asked}");
        assert!(verify.ends_with("--signer-workflow keyrotor/keyrotor/.github/workflows/release.yml"), "{asked}");
        assert_eq!(fs::metadata(machine.installed()).unwrap().permissions().mode() & 0o777, 0o755);
    }
}

#[test]
fn what_nobody_attests_is_not_installed_and_what_was_there_stays() {
    let machine = Machine::new("Linux", "x86_64", false);
    fs::create_dir_all(machine.installed().parent().unwrap()).unwrap();
    fs::write(machine.installed(), "before").unwrap();
    let output = machine.run(&[]);
    assert!(!output.status.success() && told(&output).contains("it is not installed"), "{}", told(&output));
    assert_eq!(fs::read_to_string(machine.installed()).unwrap(), "before");
    assert_eq!(fs::read_dir(machine.installed().parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn another_machine_and_one_without_gh_are_told_what_to_do() {
    let machine = Machine::new("FreeBSD", "amd64", true);
    let output = machine.run(&[]);
    assert!(!output.status.success() && told(&output).contains("build it with Cargo"), "{}", told(&output));
    assert_eq!(machine.asked(), "");
    let machine = Machine::new("Linux", "x86_64", true);
    fs::remove_file(machine.0.join("bin/gh")).unwrap();
    // A machine may have its own.
    let output = machine.run_with(machine.0.join("bin").to_str().unwrap(), &[]);
    assert!(!output.status.success() && told(&output).contains("gh is missing"), "{}", told(&output));
}
