//! What the process was started in, and how its story is told there.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use terminal_size::terminal_size;

/// What stdout carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The story.
    #[default]
    Text,
    /// One JSON document; the story goes to stderr.
    Json,
}

/// What reads a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sink {
    /// A person, at once.
    Terminal,
    /// A file on disk.
    File,
    /// Another program.
    Pipe,
}

/// Who the story is told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// GitHub's runner, which obeys workflow commands.
    GitHub,
    /// A person at a terminal.
    Terminal,
    /// Anything else.
    Plain,
}

/// Everything about the surroundings that the runner acts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// Who the story is told to.
    pub style: Style,
    /// What stdout carries.
    pub format: Format,
    /// What reads the story.
    pub story: Sink,
    /// `::add-mask::` lines are wanted. They show the secret to whoever reads the stream, so only a pipe gets them:
    /// never a file that stays, never a screen.
    pub masks: bool,
    /// The story may be coloured.
    pub colour: bool,
    /// A line may be redrawn on stderr.
    pub progress: bool,
    /// The terminal's width in columns, where it is known.
    pub width: Option<usize>,
    /// What reads stderr.
    pub stderr: Sink,
    /// `::debug::` lines are wanted.
    pub debug: bool,
    /// Where outputs are appended.
    pub outputs: Option<PathBuf>,
    /// Where the step summary is appended.
    pub summary: Option<PathBuf>,
}

impl Surroundings {
    /// Judges by the process's variables and by what reads its two streams.
    #[must_use]
    pub fn new(variables: &BTreeMap<String, String>, format: Format, stdout: Sink, stderr: Sink) -> Self {
        let get = |name: &str| variables.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let story = if format == Format::Json { stderr } else { stdout };
        let style = if get("GITHUB_ACTIONS") == Some("true") {
            Style::GitHub
        } else if stdout == Sink::Terminal || stderr == Sink::Terminal {
            Style::Terminal
        } else {
            Style::Plain
        };
        let clever = style == Style::Terminal && get("TERM") != Some("dumb");
        Self {
            style,
            format,
            story,
            masks: style == Style::GitHub && story == Sink::Pipe,
            colour: clever && story == Sink::Terminal && get("NO_COLOR").is_none(),
            progress: clever && stderr == Sink::Terminal,
            width: get("COLUMNS").and_then(|n| n.parse().ok()),
            stderr,
            debug: style == Style::GitHub && get("RUNNER_DEBUG") == Some("1"),
            outputs: get("GITHUB_OUTPUT").map(PathBuf::from),
            summary: get("GITHUB_STEP_SUMMARY").map(PathBuf::from),
        }
    }

    /// The surroundings of this very process.
    #[must_use]
    pub fn of_process(variables: &BTreeMap<String, String>, format: Format) -> Self {
        let surroundings = Self::new(variables, format, sink(&io::stdout()), sink(&io::stderr()));
        let width = surroundings.width.or_else(|| Some(terminal_size()?.0.0.into()));
        Self { width, ..surroundings }
    }
}

#[cfg(unix)]
fn sink<S: std::os::fd::AsFd + io::IsTerminal>(stream: &S) -> Sink {
    let is_file = || {
        let copy = stream.as_fd().try_clone_to_owned()?;
        Ok::<_, io::Error>(std::fs::File::from(copy).metadata()?.is_file())
    };
    match stream.is_terminal() {
        true => Sink::Terminal,
        false if is_file().unwrap_or(false) => Sink::File,
        false => Sink::Pipe,
    }
}

#[cfg(not(unix))]
fn sink<S: io::IsTerminal>(stream: &S) -> Sink {
    if stream.is_terminal() { Sink::Terminal } else { Sink::Pipe }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surroundings(variables: &[(&str, &str)], format: Format, stdout: Sink, stderr: Sink) -> Surroundings {
        let variables = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Surroundings::new(&variables, format, stdout, stderr)
    }

    #[test]
    fn github_wins_over_a_terminal() {
        let github = [("GITHUB_ACTIONS", "true"), ("GITHUB_OUTPUT", "/x/out"), ("GITHUB_STEP_SUMMARY", "")];
        let found = surroundings(&github, Format::Text, Sink::Pipe, Sink::Terminal);
        assert_eq!((found.style, found.masks, found.colour, found.progress), (Style::GitHub, true, false, false));
        assert_eq!((found.outputs, found.summary), (Some(PathBuf::from("/x/out")), None));
    }

    #[test]
    fn masks_are_never_written_to_a_file_or_a_screen() {
        let github = [("GITHUB_ACTIONS", "true")];
        assert!(!surroundings(&github, Format::Text, Sink::File, Sink::Pipe).masks);
        assert!(!surroundings(&github, Format::Text, Sink::Terminal, Sink::Pipe).masks);
        assert!(surroundings(&github, Format::Json, Sink::File, Sink::Pipe).masks);
        assert!(!surroundings(&[("CI", "true")], Format::Text, Sink::Pipe, Sink::Pipe).masks);
    }

    #[test]
    fn colour_needs_a_terminal_behind_the_story_and_no_objection() {
        assert!(surroundings(&[], Format::Text, Sink::Terminal, Sink::Terminal).colour);
        assert!(!surroundings(&[], Format::Text, Sink::File, Sink::Terminal).colour);
        assert!(surroundings(&[], Format::Json, Sink::File, Sink::Terminal).colour);
        assert!(!surroundings(&[("NO_COLOR", "1")], Format::Text, Sink::Terminal, Sink::Terminal).colour);
        assert!(surroundings(&[("NO_COLOR", "")], Format::Text, Sink::Terminal, Sink::Terminal).colour);
        assert!(!surroundings(&[("TERM", "dumb")], Format::Text, Sink::Terminal, Sink::Terminal).progress);
        assert_eq!(surroundings(&[], Format::Text, Sink::Pipe, Sink::Pipe).style, Style::Plain);
    }
}
