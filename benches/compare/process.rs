//! What a process and all that it starts take of the machine.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often memory is looked at.
const INTERVAL: Duration = Duration::from_millis(4);

/// What it took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    /// Processor time of all of them together.
    pub(crate) busy: Duration,
    /// The most memory that all of them together were seen with.
    pub(crate) peak_kib: u64,
}

/// Runs it to its end.
pub(crate) fn run(command: &mut Command) -> (Output, Spent) {
    let before = of_children();
    let child = command.spawn().unwrap();
    let (root, over) = (child.id(), AtomicBool::new(false));
    let (output, peak_kib) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut peak = 0;
            while !over.load(Ordering::Relaxed) {
                peak = peak.max(resident(root));
                std::thread::sleep(INTERVAL);
            }
            peak
        });
        let output = child.wait_with_output().unwrap();
        over.store(true, Ordering::Relaxed);
        (output, watcher.join().unwrap())
    });
    (output, Spent { busy: of_children().saturating_sub(before), peak_kib })
}

/// The fields of proc_pid_stat(5) from the third on.
fn fields(path: &str) -> Option<Vec<u64>> {
    let stat = fs::read_to_string(path).ok()?;
    let rest = stat.rsplit_once(") ")?.1;
    Some(rest.split(' ').map(|field| field.parse().unwrap_or(0)).collect())
}

/// `cutime` and `cstime`: of all children that have ended, and theirs, in hundredths of a second.
fn of_children() -> Duration {
    let fields = fields("/proc/self/stat").unwrap();
    Duration::from_millis(10 * (fields.get(13).unwrap() + fields.get(14).unwrap()))
}

/// What the process and those below it hold now, in KiB.
fn resident(root: u32) -> u64 {
    let own = |pid: u64| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    let names = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.file_name());
    let all = names.filter_map(|name| name.to_str()?.parse::<u64>().ok());
    // A parent has mostly a smaller number than its children, so one look in order finds them.
    let mut parents: BTreeMap<u64, u64> = BTreeMap::new();
    for pid in all {
        if let Some(parent) = fields(&format!("/proc/{pid}/stat")).and_then(|fields| fields.get(1).copied()) {
            parents.insert(pid, parent);
        }
    }
    let root = u64::from(root);
    let is_below = |mut pid: u64| {
        while let Some(parent) = parents.get(&pid) {
            if pid == root {
                return true;
            }
            pid = *parent;
        }
        false
    };
    parents.keys().filter(|pid| is_below(**pid)).filter_map(|pid| own(*pid)).sum()
}
