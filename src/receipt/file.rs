//! The file of a receipt. It is made before anything else happens, so that no rotation ends without its receipt for want
//! of a folder, and is empty until the run has ended.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;

use super::{PREDICATE_TYPE, Statement};
use crate::regular;
use serde::de::IgnoredAny;

/// A thousand rotations of a hundred targets each fit in.
const LARGEST: usize = 64 * 1024 * 1024;

/// Makes the file, or empties the receipt that it holds.
///
/// # Errors
/// Where it can't be written, or holds anything but a receipt: then it is as it was.
pub(super) fn make(path: &Path) -> io::Result<File> {
    let mut file =
        regular::open_to_write(path, OpenOptions::new().read(true).write(true).create(true).truncate(false))?;
    if file.metadata()?.is_file() {
        let held = contents(&mut file)?;
        if !held.trim_ascii().is_empty() && parse::<IgnoredAny>(&held).is_err() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it holds something else than a receipt"));
        }
        file.set_len(0)?;
    }
    Ok(file)
}

fn contents(file: &mut File) -> io::Result<Vec<u8>> {
    let mut held = Vec::new();
    let limit = u64::try_from(LARGEST).unwrap_or(u64::MAX);
    io::Read::by_ref(file).take(limit).read_to_end(&mut held)?;
    Ok(held)
}

/// Writes a receipt to a file that [`make`] has made.
///
/// # Errors
/// Where it can't be written as a whole: it is empty then.
pub(super) fn write(mut file: File, text: &str) -> io::Result<()> {
    let is_file = file.metadata()?.is_file();
    let put = |file: &mut File| {
        if is_file {
            file.rewind()?;
        }
        file.write_all(text.as_bytes())?;
        if is_file { file.sync_all() } else { Ok(()) }
    };
    let written = put(&mut file);
    if written.is_err() && is_file {
        file.set_len(0).ok();
    }
    written
}

/// Reads a receipt.
///
/// # Errors
/// Why it is none, as the end of a sentence that begins with its path.
pub(super) fn read<R: serde::de::DeserializeOwned>(path: &Path) -> Result<Statement<R>, String> {
    let bytes = regular::read(path, LARGEST).map_err(|error| format!("can't be read: {error}"))?;
    if bytes.trim_ascii().is_empty() {
        return Err("is empty: the run that was to write it has not ended".to_owned());
    }
    parse(&bytes)
}

fn parse<R: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<Statement<R>, String> {
    let statement: Statement<R> = serde_json::from_slice(bytes)
        // Where it stands, without a word of the file: it may be any.
        .map_err(|error| format!("is no receipt of keyrotor (line {}, column {})", error.line(), error.column()))?;
    match statement.predicate_type.as_str() {
        PREDICATE_TYPE => Ok(statement),
        _ => Err("is a statement, but no receipt of keyrotor".to_owned()),
    }
}
