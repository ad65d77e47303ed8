//! Files, and nothing else: whoever opens a pipe or reads a device may wait for ever, or read without end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use rustix::fs::OFlags;
use zeroize::Zeroizing;

/// Opening a pipe waits for somebody at its other end, unless it is told not to.
const NEVER_WAITS: i32 = OFlags::NONBLOCK.bits().cast_signed();

/// Linux takes no longer path (`PATH_MAX`), and no longer name in one (`NAME_MAX`).
const LONGEST_PATH: usize = 4095;
const LONGEST_NAME: usize = 255;

/// What is longer, and no word, could be a part of a secret.
const LONGEST_WORD: usize = 11;

/// How files begin that people put into a variable in place of their path.
const BEGINNINGS: [&str; 6] = ["-----BEGIN", "{", "[", "apiVersion:", "kind:", "---"];

/// A file by what it is: the same for every path that leads to it now, through links and `..` too. Nothing is opened.
#[must_use]
pub fn identity(path: &Path) -> String {
    if let Ok(file) = fs::metadata(path) {
        return format!("{}/{}", file.dev(), file.ino());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (fs::canonicalize(folder), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name).display().to_string(),
        _ => path.display().to_string(),
    }
}

/// Opens a file for reading.
///
/// # Errors
/// As [`File::open`] does, and `InvalidInput` for what is no regular file.
pub fn open(path: &Path) -> io::Result<File> {
    check(&fs::metadata(path)?)?;
    // It may be another one by now.
    let file = OpenOptions::new().read(true).custom_flags(NEVER_WAITS).open(path)?;
    check(&file.metadata()?)?;
    Ok(file)
}

/// Reads a file of at most so many bytes.
///
/// # Errors
/// As [`open`], and `FileTooLarge`.
pub fn read(path: &Path, largest: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    read_open(open(path)?, largest)
}

/// The same of a file that [`open`] has opened.
///
/// # Errors
/// As [`read`].
pub fn read_open(file: File, largest: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let limit = u64::try_from(largest).unwrap_or(u64::MAX).saturating_add(1);
    // Made as large as it gets: what grows leaves copies behind.
    let expected = usize::try_from(file.metadata()?.len()).unwrap_or(largest).min(largest) + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(expected));
    file.take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > largest {
        let told = format!("it is larger than {} KiB", largest / 1024);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, told));
    }
    Ok(bytes)
}

/// Reads a file's text, without the byte order mark that some editors put before it.
///
/// # Errors
/// As [`read`], and `InvalidData` for what is not UTF-8.
pub fn read_text(path: &Path, largest: usize) -> io::Result<Zeroizing<String>> {
    let bytes = read(path, largest)?;
    let text =
        str::from_utf8(&bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not text in UTF-8"))?;
    Ok(Zeroizing::new(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned()))
}

/// Opens a file to be written: a regular one, or a terminal or `/dev/null`. No write to it waits.
///
/// # Errors
/// As [`OpenOptions::open`] does, and `InvalidInput` for pipes and the like.
pub fn open_to_write(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.file_type().is_char_device() => {}
        Ok(metadata) => check(&metadata)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    options.custom_flags(NEVER_WAITS).open(path)
}

fn check(metadata: &fs::Metadata) -> io::Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    let (kind, told) = match metadata.is_dir() {
        true => (io::ErrorKind::IsADirectory, "it is a directory, not a file"),
        false => (io::ErrorKind::InvalidInput, "it is not a file but a pipe, a device or a socket"),
    };
    Err(io::Error::new(kind, told))
}

/// Whether a value that should be a path is most likely the text of the file itself.
#[must_use]
pub fn is_contents(value: &str) -> bool {
    is_text_of_file(value) || decoded(value).is_some_and(|text| is_text_of_file(&text))
}

fn is_text_of_file(value: &str) -> bool {
    let value = value.trim();
    value.contains(['\n', '\r'])
        || value.len() > LONGEST_PATH
        || value.split('/').any(|name| name.len() > LONGEST_NAME)
        || BEGINNINGS.iter().any(|beginning| value.starts_with(beginning))
}

fn decoded(value: &str) -> Option<Zeroizing<String>> {
    let bytes = STANDARD_NO_PAD.decode(value.trim().trim_end_matches('=')).ok().map(Zeroizing::new)?;
    Some(Zeroizing::new(str::from_utf8(&bytes).ok()?.to_owned()))
}

/// A path as it may be shown: as far as it exists. The rest may be a secret that was put in the path's place.
#[must_use]
pub fn shown(path: &str) -> String {
    if is_contents(path) {
        return "the text of a file".to_owned();
    }
    if Path::new(path).exists() || is_plain(path) {
        return path.to_owned();
    }
    let is_there = |folder: &&Path| !folder.as_os_str().is_empty() && folder.exists();
    let folder = Path::new(path).ancestors().skip(1).find(is_there).map(|folder| folder.display().to_string());
    match folder {
        Some(folder) => format!("{}/…", folder.trim_end_matches('/')),
        None => format!("a text of {} characters", path.chars().count()),
    }
}

/// Whether a path is made of short lower-case words, as no secret is.
fn is_plain(path: &str) -> bool {
    let is_ending = |ending: &str| (2..=5).contains(&ending.len()) && ending.bytes().all(|b| b.is_ascii_lowercase());
    let is_path = path.contains('/') || path.rsplit_once('.').is_some_and(|(_, ending)| is_ending(ending));
    let is_word = |word: &str| word.len() <= LONGEST_WORD && word.bytes().all(|b| !b.is_ascii_uppercase());
    is_path && path.is_ascii() && path.split(|c: char| !c.is_ascii_alphanumeric()).all(is_word)
}

/// Why a file can't be read, as the end of a sentence whose subject is the variable that names it.
#[must_use]
pub fn unreadable(value: &str, error: &io::Error) -> String {
    if is_contents(value) {
        return "contains the file itself: give its path".to_owned();
    }
    format!("names {}, which can't be read: {error}", shown(value))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

    use super::*;

    #[test]
    fn devices_and_folders_are_no_files() {
        for path in ["/dev/zero", "/dev/null", "/", "/proc/self"] {
            let told = read(Path::new(path), 10).unwrap_err().to_string();
            assert!(told.contains("not a file"), "{path}: {told}");
        }
        assert!(open_to_write(Path::new("/dev/null"), OpenOptions::new().append(true)).is_ok());
        assert!(open_to_write(Path::new("/"), OpenOptions::new().append(true)).is_err());
    }

    #[test]
    fn a_file_is_read_up_to_its_bound_and_without_a_byte_order_mark() {
        let path = std::env::temp_dir().join(format!("keyrotor-regular-{}", std::process::id()));
        fs::write(&path, "\u{feff}lr_live").unwrap();
        assert_eq!(read_text(&path, 10).unwrap().as_str(), "lr_live");
        assert_eq!(read(&path, 9).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        fs::write(&path, b"\xff").unwrap();
        assert_eq!(read_text(&path, 10).unwrap_err().kind(), io::ErrorKind::InvalidData);
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn the_text_of_a_file_is_told_from_its_path_and_never_shown() {
        let pem = "-----BEGIN CERTIFICATE----- MIIB";
        let encoded = STANDARD_NO_PAD.encode("apiVersion: v1\nkind: Config\n");
        for text in ["apiVersion: v1\nkind: Config", "{\"kind\":\"Config\"}", pem, &encoded, &"a".repeat(300)] {
            assert!(is_contents(text), "{text}");
            assert!(
                !shown(text).contains(text) && unreadable(text, &io::ErrorKind::NotFound.into()).contains("itself")
            );
        }
        for path in ["/etc/ssl/cert.pem", "kube/config", ".env", "a:b"] {
            assert!(!is_contents(path), "{path}");
        }
    }

    #[test]
    fn a_path_is_shown_as_far_as_it_exists() {
        assert_eq!(shown("/dev/null"), "/dev/null");
        assert_eq!(shown("/dev/c2VjcmV0"), "/dev/…");
        assert_eq!(shown("/c2VjcmV0/c2VjcmV0"), "/…");
        assert_eq!(shown("c2VjcmV0"), "a text of 8 characters");
        assert_eq!(shown("secret"), "a text of 6 characters");
        assert_eq!(shown("src/c2VjcmV0"), "src/…");
        assert_eq!(shown("/dev/0123456789ab"), "/dev/…");
        for plain in ["/no/such/file", "nowhere.yaml", "/run/secrets/key-of-production"] {
            assert_eq!(shown(plain), plain);
        }
    }
}
