//! The files through which a step hands its outputs and its summary to GitHub's runner.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use crate::regular;

/// A summary beyond 1 MiB is dropped as a whole. The rest is room for the runner's own masks, which may lengthen a text.
const SUMMARY_LIMIT: u64 = 1_000_000;

/// Appends outputs, each between two lines of a random delimiter.
///
/// # Errors
/// Where the file can't be opened or written; it is then as it was.
pub(super) fn append_outputs(path: &Path, outputs: &[(&str, String)], rng: &mut fastrand::Rng) -> io::Result<()> {
    let (file, length) = open(path)?;
    append(file, length, &heredocs(outputs, rng))
}

/// Appends what `render` makes of the bytes that are left.
///
/// # Errors
/// Where the file can't be opened or written; it is then as it was.
pub(super) fn append_summary(path: &Path, render: impl FnOnce(usize) -> String) -> io::Result<()> {
    let (file, length) = open(path)?;
    let left = SUMMARY_LIMIT.saturating_sub(length).saturating_sub(2);
    append(file, length, &render(usize::try_from(left).unwrap_or(usize::MAX)))
}

fn heredocs(outputs: &[(&str, String)], rng: &mut fastrand::Rng) -> String {
    let entry = |(name, value): &(&str, String)| {
        let end = delimiter(value, rng);
        format!("{name}<<{end}\n{value}\n{end}\n")
    };
    outputs.iter().map(entry).collect()
}

fn delimiter(value: &str, rng: &mut fastrand::Rng) -> String {
    loop {
        let candidate = format!("keyrotor_{:032x}", rng.u128(..));
        if !value.contains(&candidate) {
            return candidate;
        }
    }
}

/// The runner makes these files, so one that is missing is not made here.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = regular::open_to_write(path, OpenOptions::new().append(true))?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

/// Half an entry would make the runner refuse the whole file, so a failed write is taken back.
fn append(mut file: File, length: u64, text: &str) -> io::Result<()> {
    let lead = if length > 0 { "\n" } else { "" };
    let written = file.write_all(format!("{lead}{text}").as_bytes()).and_then(|()| file.flush());
    if written.is_err() {
        file.set_len(length).ok();
    }
    written
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::console::tests::scratch;

    /// As the runner reads the file.
    fn parse(text: &str) -> BTreeMap<String, String> {
        let mut lines = text.split('\n');
        let mut found = BTreeMap::new();
        while let Some(line) = lines.next() {
            let Some((name, end)) = line.split_once("<<") else { continue };
            let value: Vec<_> = lines.by_ref().take_while(|line| *line != end).collect();
            found.insert(name.to_owned(), value.join("\n"));
        }
        found
    }

    #[test]
    fn outputs_read_back_as_they_were_whatever_they_hold() {
        let outputs = [("a", "x\nb<<EOF\nforged\nEOF".to_owned()), ("b", String::new()), ("c", "keyrotor_00".into())];
        let text = heredocs(&outputs, &mut fastrand::Rng::with_seed(1));
        let expected = outputs.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        assert_eq!(parse(&text), expected);
    }

    #[test]
    fn a_delimiter_that_occurs_in_the_value_is_not_taken() {
        let first = delimiter("", &mut fastrand::Rng::with_seed(7));
        let second = delimiter(&first, &mut fastrand::Rng::with_seed(7));
        assert_ne!(first, second);
    }

    #[test]
    fn entries_of_earlier_programs_stay_apart_and_a_missing_file_is_an_error() {
        let path = scratch("outputs");
        std::fs::write(&path, "earlier=1").unwrap();
        append_outputs(&path, &[("a", "1".into())], &mut fastrand::Rng::with_seed(1)).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(text.starts_with("earlier=1\na<<keyrotor_"), "{text}");
        assert!(append_outputs(&path, &[], &mut fastrand::Rng::new()).is_err());
    }

    #[test]
    fn a_summary_is_told_how_much_room_is_left() {
        let path = scratch("summary");
        std::fs::write(&path, "x".repeat(999_000)).unwrap();
        append_summary(&path, |left| "y".repeat(left)).unwrap();
        let length = std::fs::metadata(&path).unwrap().len();
        std::fs::remove_file(&path).unwrap();
        assert!((999_900..=1_000_000).contains(&length), "{length}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error() {
        assert!(append_summary(Path::new("/dev/full"), |_| "text".into()).is_err());
    }
}
