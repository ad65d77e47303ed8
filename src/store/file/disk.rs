//! Reading a file, and putting a changed one in its place as a whole.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rustix::fs::Access;
use rustix::process::{getegid, geteuid, getgroups};
use zeroize::Zeroizing;

use super::attributes;
use super::dotenv::Bytes;
use crate::http::Failure;
use crate::regular;

/// Larger files are no lists of variables.
const LARGEST: usize = 1024 * 1024;
/// A file of ours that is older than this was left by a run that was killed.
const LEFT_OVER: Duration = Duration::from_secs(60);
/// Of a file that did not exist: it holds a secret.
const NEW_MODE: u32 = 0o600;
/// So many other files of the folder are looked at.
const MAX_NEIGHBOURS: usize = 20;
/// In the name of a file that is still being written.
const MARK: &str = ".keyrotor-";

/// A file as it was read.
pub(super) struct Seen {
    /// Where it really lies, behind every symbolic link.
    pub(super) path: PathBuf,
    /// What is in it; nothing where there is no file.
    pub(super) text: Bytes,
    /// `None`: there is no file.
    metadata: Option<Metadata>,
}

impl Seen {
    /// When it was last written; `None` where there is no file.
    pub(super) fn written(&self) -> Option<Timestamp> {
        self.metadata.as_ref().and_then(modified)
    }
}

fn modified(metadata: &Metadata) -> Option<Timestamp> {
    Timestamp::new(metadata.mtime(), i32::try_from(metadata.mtime_nsec()).ok()?).ok()
}

/// How putting a changed file in place ended.
pub(super) enum Put {
    /// It is there, since then by the file system's clock.
    Done(Timestamp),
    /// Someone else has changed the file since it was read: nothing was done.
    Stale,
}

/// Reads a file. One that does not exist is empty, if its folder does.
pub(super) fn read(path: &Path) -> Result<Seen, Failure> {
    let real = real_path(path)?;
    let file = match regular::open(&real) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Seen { path: real, text: Zeroizing::default(), metadata: None });
        }
        Err(error) if is_no_file(&error) => return Err(Failure::refused("it is not a file")),
        Err(error) => return Err(failed("it can't be read", &error)),
    };
    let metadata = file.metadata().map_err(|error| failed("it can't be read", &error))?;
    let text = regular::read_open(file, LARGEST).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => Failure::refused("it is larger than 1 MiB, which no `.env` file is"),
        _ => failed("it can't be read", &error),
    })?;
    Ok(Seen { path: real, text, metadata: Some(metadata) })
}

fn is_no_file(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::IsADirectory | io::ErrorKind::InvalidInput)
}

/// Other files of the same folder that are called like `.env` files, in the order of their names.
pub(super) fn neighbours(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let real = real_path(path)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let unreadable = |error: io::Error| failed("its folder can't be read", &error);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder_of(&real)).map_err(unreadable)? {
        names.extend(entry.map_err(unreadable)?.file_name().into_string().ok());
    }
    names.sort();
    let is_other = |path: &PathBuf| fs::canonicalize(path).is_ok_and(|other| other != real && other.is_file());
    let others = names.iter().filter(|name| is_called_env(name)).map(|name| folder.join(name)).filter(is_other);
    Ok(others.take(MAX_NEIGHBOURS).collect())
}

/// `.env`, `.env.local`, `.envrc`, `prod.env`, and none that is still being written.
fn is_called_env(name: &str) -> bool {
    (name.starts_with(".env") || name.ends_with(".env")) && !name.contains(MARK)
}

/// Follows symbolic links, so that they stay when the file behind them is replaced.
fn real_path(path: &Path) -> Result<PathBuf, Failure> {
    let missing = match fs::canonicalize(path) {
        Ok(real) => return Ok(real),
        Err(error) if error.kind() == io::ErrorKind::NotFound => error,
        Err(error) => return Err(failed("it can't be reached", &error)),
    };
    if path.is_symlink() {
        return Err(Failure::refused("it is a symbolic link to a file that does not exist"));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (fs::canonicalize(folder), path.file_name()) {
        (Ok(folder), Some(name)) => Ok(folder.join(name)),
        _ => Err(failed("its folder can't be reached", &missing)),
    }
}

/// Says why a file can't be replaced, as far as that shows before it is tried.
pub(super) fn check_replaceable(seen: &Seen) -> Result<(), Failure> {
    let folder = folder_of(&seen.path);
    rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| failed("no file can be made in its folder, which is how it is written", &error.into()))?;
    if is_mounted(&seen.path) {
        let message = "it is mounted by itself, so that it can't be replaced as a whole";
        return Err(Failure::advised(message, "mount the folder in which it lies"));
    }
    let Some(metadata) = &seen.metadata else { return Ok(()) };
    if metadata.nlink() > 1 {
        let message = format!("it has {} names (hard links), and the others would keep the old key", metadata.nlink());
        return Err(Failure::advised(message, "leave it one name; symbolic links to it are fine"));
    }
    let (is_root, own) = (geteuid().is_root(), geteuid().as_raw());
    if !is_root && metadata.uid() != own {
        let message = format!("it belongs to user {}, which user {own} can't give the new file to", metadata.uid());
        return Err(Failure::advised(message, "run keyrotor as the file's owner"));
    }
    let groups = getgroups().unwrap_or_default();
    let is_mine = groups.into_iter().chain([getegid()]).any(|group| group.as_raw() == metadata.gid());
    if !is_root && !is_mine {
        let message = format!("it belongs to group {}, which user {own} is not in", metadata.gid());
        return Err(Failure::advised(message, "run keyrotor as a member of the file's group"));
    }
    Ok(())
}

/// Puts a file with this text in the place of the one that was read, with its mode and owner.
pub(super) fn replace(seen: &Seen, text: &[u8], now: Timestamp) -> Result<Put, Failure> {
    check_replaceable(seen)?;
    let folder = folder_of(&seen.path);
    remove_left_over(&seen.path, now);
    let name = seen.path.file_name().unwrap_or_default().to_string_lossy();
    let new = folder.join(format!(".{name}{MARK}{:016x}", fastrand::u64(..)));
    let put = write_new(&new, seen, text).and_then(|file| put_in_place(&new, seen, &file));
    if matches!(put, Ok(Put::Done(_)) | Err(Failure::Unknown { .. })) {
        return put;
    }
    let _ = fs::remove_file(&new);
    // What fails because someone else was there first is read anew.
    if is_as_seen(seen) { put } else { Ok(Put::Stale) }
}

fn write_new(new: &Path, seen: &Seen, text: &[u8]) -> Result<File, Failure> {
    let refused = |error: io::Error| failed("the new file can't be written", &error);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(NEW_MODE).open(new).map_err(refused)?;
    file.write_all(text).map_err(refused)?;
    if let Some(old) = &seen.metadata {
        let made = file.metadata().map_err(refused)?;
        if (made.uid(), made.gid()) != (old.uid(), old.gid()) {
            let kept = |error: io::Error| failed("the new file can't be given to the owner of the old one", &error);
            fchown(&file, Some(old.uid()), Some(old.gid())).map_err(kept)?;
        }
        attributes::copy(&seen.path, &file).map_err(|error| failed("its access list can't be kept", &error))?;
        file.set_permissions(fs::Permissions::from_mode(old.mode() & 0o7777)).map_err(refused)?;
    }
    file.sync_all().map_err(refused)?;
    Ok(file)
}

fn put_in_place(new: &Path, seen: &Seen, file: &File) -> Result<Put, Failure> {
    if !is_as_seen(seen) {
        return Ok(Put::Stale);
    }
    fs::rename(new, &seen.path).map_err(|error| failed("the new file can't take its place", &error))?;
    // The new file is in place whatever becomes of this: it decides what stands there after a loss of power.
    let lost = |error: io::Error| Failure::Unknown { message: format!("its folder: {error}"), retry_after: None };
    File::open(folder_of(&seen.path)).and_then(|folder| folder.sync_all()).map_err(lost)?;
    let metadata = file.metadata().map_err(lost)?;
    let timeless =
        || Failure::Unknown { message: "the file system shows no time that is one".into(), retry_after: None };
    modified(&metadata).map(Put::Done).ok_or_else(timeless)
}

/// Whether nobody has written the file since it was read, nor put another one in its place.
fn is_as_seen(seen: &Seen) -> bool {
    let mark = |it: &Metadata| {
        (it.dev(), it.ino(), it.len(), it.mtime(), it.mtime_nsec(), it.ctime(), it.ctime_nsec(), it.nlink())
    };
    match (&seen.metadata, fs::metadata(&seen.path)) {
        (Some(before), Ok(now)) => mark(before) == mark(&now),
        (None, Err(error)) => error.kind() == io::ErrorKind::NotFound,
        _ => false,
    }
}

/// A run that was killed between writing a new file and putting it in place leaves it behind, with a key in it.
fn remove_left_over(path: &Path, now: Timestamp) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let begin = format!(".{name}{MARK}");
    let Ok(entries) = fs::read_dir(folder_of(path)) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(&begin)) {
        let written = entry.metadata().ok().as_ref().and_then(modified);
        if written.is_some_and(|written| now.duration_since(written).unsigned_abs() > LEFT_OVER) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

/// Whether the file is a mount of its own, as a container's may be: nothing can be put in its place then.
fn is_mounted(path: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let escaped = path.to_string_lossy().replace('\\', "\\134").replace(' ', "\\040");
    mounts.lines().filter_map(|line| line.split(' ').nth(4)).any(|mount| mount == escaped)
}

/// What a failing call means: nothing has taken effect. Those that someone has to do something about are refusals.
fn failed(what: &str, error: &io::Error) -> Failure {
    use io::ErrorKind as Kind;
    let message = format!("{what}: {error}");
    match error.kind() {
        Kind::PermissionDenied
        | Kind::ReadOnlyFilesystem
        | Kind::StorageFull
        | Kind::QuotaExceeded
        | Kind::NotFound
        | Kind::NotADirectory
        | Kind::IsADirectory
        | Kind::ResourceBusy
        | Kind::InvalidFilename
        | Kind::Unsupported => Failure::refused(message),
        _ => Failure::Transient { message, retry_after: None },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

    use super::*;

    #[test]
    fn a_file_that_changed_since_it_was_read_is_left_alone() {
        let folder = std::env::temp_dir().join(format!("keyrotor-disk-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(".env");
        let replaced = |seen: &Seen| match replace(seen, b"ours", Timestamp::UNIX_EPOCH).unwrap() {
            Put::Done(_) => fs::read(&path).unwrap() == b"ours",
            Put::Stale => false,
        };
        let absent = read(&path).unwrap();
        fs::write(&path, "theirs").unwrap();
        assert!(!replaced(&absent));
        let seen = read(&path).unwrap();
        fs::write(&path, "longer").unwrap();
        assert!(!replaced(&seen) && fs::read(&path).unwrap() == b"longer");
        let seen = read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(!replaced(&seen) && !path.exists());
        fs::write(&path, "theirs").unwrap();
        assert!(replaced(&read(&path).unwrap()));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "a file was left behind");
        fs::remove_dir_all(&folder).unwrap();
    }
}
