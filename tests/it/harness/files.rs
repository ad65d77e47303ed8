//! The files of a run, gone with the stage.

use super::*;

/// A directory that goes when the stage does.
#[derive(Debug)]
pub(super) struct Scratch(pub(super) PathBuf);

/// Files of one run, in a folder of their own.
#[derive(Debug)]
pub(super) struct Files(pub(super) PathBuf);

/// What the runner hands to a step beside those two, and what a secret in it would be for: the steps behind.
pub(super) const NOT_OURS: [(&str, &str); 3] =
    [("GITHUB_ENV", "env"), ("GITHUB_PATH", "path"), ("GITHUB_STATE", "state")];

pub(super) static NEXT: AtomicUsize = AtomicUsize::new(0);

impl Scratch {
    pub(super) fn new() -> Self {
        let name = format!("keyrotor-stage-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        // In memory where there is a place for it: thousands of files are made and removed.
        let memory = Some(Path::new("/dev/shm")).filter(|path| path.is_dir());
        let path = memory.unwrap_or(Path::new(env!("CARGO_TARGET_TMPDIR"))).join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// New empty files, as the runner makes them for each step, and an empty home.
    pub(super) fn files(&self) -> Files {
        let files = Files(self.0.join(format!("step-{}", NEXT.fetch_add(1, Ordering::Relaxed))));
        fs::create_dir_all(files.path("home")).unwrap();
        for name in ["output", "summary"].into_iter().chain(NOT_OURS.map(|(_, name)| name)) {
            fs::write(files.path(name), "").unwrap();
        }
        files
    }
}

impl Files {
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(super) fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.path(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(super) fn stream(&self, kind: Stream, name: &str) -> Stdio {
        match kind {
            Stream::Kept => Stdio::piped(),
            Stream::File => fs::File::create(self.path(name)).unwrap().into(),
            Stream::Gone => std::io::pipe().unwrap().1.into(),
            Stream::Full => full_pipe().into(),
        }
    }

    /// What is for other steps is as it was, and nothing was left at home.
    pub(super) fn check_untouched(&self) -> Check {
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

/// What a pipe takes is taken.
pub(super) fn full_pipe() -> PipeWriter {
    let (reader, mut writer) = std::io::pipe().unwrap();
    // Linux's pipes take 16 pages.
    writer.write_all(&[0; 64 * 1024]).unwrap();
    // Whoever holds it keeps the other end from breaking.
    std::mem::forget(reader);
    writer
}
