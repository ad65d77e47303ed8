//! Tells a run's story to whoever started it: GitHub's runner, a terminal, or a pipe.
//!
//! Every line goes through [`line::clean`] and [`line::defuse`], so that neither a server nor an input can forge a
//! workflow command. Nothing here fails: a log that can't be written must not change what a run comes to.

mod annotations;
mod buffered_log;
mod files;
pub mod line;
mod outlet;
pub mod phrases;
mod progress;
mod surroundings;
#[cfg(test)]
pub(crate) mod tests;
mod work;
mod wrap;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use clap::builder::StyledStr;
use tokio::time::{Instant, sleep};

pub use self::annotations::Kind;
use self::annotations::{Annotations, Emission};
pub use self::buffered_log::{BufferedLog, Channel};
pub use self::outlet::Outlet;
use self::phrases::{Tone, doing, problem_text};
use self::progress::Progress;
pub use self::surroundings::{Format, Sink, Style, Surroundings};
use self::work::Work;
use crate::humanize::duration;
use crate::rotation::interrupt::Interrupt;
use crate::rotation::outcome::{Event, Observer, Problem};
use crate::rotation::step::Step;
use crate::secret::{Redactor, Secret};

/// So long a run that was told to stop waits for what it has told to be read: the report is due within 7 s, and ready
/// after 6.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// The teller. One per process; every secret in play must be given to [`Observer::mask`] before anything else is told.
#[derive(Debug)]
pub struct Console<O: Write = Outlet, E: Write = Outlet> {
    surroundings: Surroundings,
    redactor: Redactor,
    state: RefCell<State<O, E>>,
}

#[derive(Debug)]
struct State<O, E> {
    out: O,
    err: E,
    step: Option<Step>,
    /// The rotation that is spoken of, where there are several.
    section: Option<String>,
    group_is_open: bool,
    annotations: Annotations,
    progress: Progress,
    step_began: Option<Instant>,
    work: Option<Work>,
}

impl Console {
    /// For this process.
    #[must_use]
    pub fn of_process(variables: &BTreeMap<String, String>, format: Format, redactor: Redactor) -> Self {
        let (out, err) = Outlet::of_process();
        Self::new(Surroundings::of_process(variables, format), redactor, out, err)
    }

    /// Waits for whoever reads what was told. A run that was told to stop does not wait for one who has stopped reading.
    pub async fn drain(&self, interrupt: &Interrupt) {
        let written = self.state.borrow().out.written();
        tokio::select! {
            biased;
            () = written => {}
            () = async {
                interrupt.wait().await;
                sleep(LAST_WORDS).await;
            } => {}
        }
    }
}

impl<O: Write, E: Write> Console<O, E> {
    /// For these surroundings, with these two streams.
    #[must_use]
    pub fn new(surroundings: Surroundings, redactor: Redactor, out: O, err: E) -> Self {
        let (annotations, progress, step, step_began, section, work) = Default::default();
        let state = State { out, err, step, step_began, section, group_is_open: false, annotations, progress, work };
        Self { surroundings, redactor, state: RefCell::new(state) }
    }

    /// What takes secrets out of texts.
    #[must_use]
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// The program's own text, as it is, on stdout: `--help`, `--version` and their like.
    pub fn verbatim(&self, text: &StyledStr) {
        let text = if self.surroundings.colour { text.ansi().to_string() } else { text.to_string() };
        put(&mut self.state.borrow_mut().out, &text);
    }

    /// One line of the story.
    pub fn say(&self, text: &str) {
        self.line("", text, Tone::Plain);
    }

    /// Many lines; spaces before each are kept.
    pub fn say_lines(&self, text: &str) {
        // As a whole: a secret may be cut into lines.
        for line in self.redactor.scrub_pieces(text).lines() {
            let (indent, rest) = line.split_at(line.len() - line.trim_start_matches(' ').len());
            self.line(indent, rest, Tone::Plain);
        }
    }

    /// Many lines on stderr, whatever stdout carries: the run did not begin.
    pub fn complain(&self, text: &str) {
        for line in self.redactor.scrub_pieces(text).lines() {
            let (indent, rest) = line.split_at(line.len() - line.trim_start_matches(' ').len());
            let told = line::defuse(&format!("{indent}{}", self.clean(rest)));
            let told = self.wrapped(told, self.surroundings.stderr);
            put(&mut self.state.borrow_mut().err, &format!("{told}\n"));
        }
    }

    /// A question, behind which a person types.
    pub fn prompt(&self, text: &str) {
        put(&mut self.state.borrow_mut().out, &format!("{} ", self.clean(text)));
    }

    /// Whether a person reads what is told, at once.
    #[must_use]
    pub fn is_a_conversation(&self) -> bool {
        self.surroundings.style == Style::Terminal && self.surroundings.story == Sink::Terminal
    }

    /// Whether a workflow's log is what is written.
    #[must_use]
    pub fn is_on_github(&self) -> bool {
        self.surroundings.style == Style::GitHub
    }

    /// One of several rotations begins. All that is told of it stands in one group, its steps are lines there.
    pub fn section(&self, title: &str) {
        self.about(Some(title));
        if self.surroundings.style == Style::GitHub {
            self.command("group", &format!("rotation {title}"));
            self.state.borrow_mut().group_is_open = true;
        } else {
            self.line("rotation ", title, Tone::Strong);
        }
    }

    /// It is over; this line stays in sight.
    pub fn end_section(&self, end: &str) {
        self.about(None);
        self.line("", end, Tone::Plain);
    }

    /// What is told from here on is about one of several rotations, or about the run.
    pub fn about(&self, section: Option<&str>) {
        self.end_group();
        let state = &mut *self.state.borrow_mut();
        (state.step, state.work, state.section) = (None, None, section.map(|title| self.clean(title)));
    }

    /// For whoever debugs the action: shown only where GitHub's debug logging is on.
    pub fn debug(&self, text: &str) {
        if self.surroundings.debug {
            self.command("debug", text);
        }
    }

    /// A sentence that must be seen, told once: an annotation on GitHub, a line elsewhere.
    pub fn announce(&self, kind: Kind, text: &str) {
        match self.surroundings.style {
            Style::GitHub => self.annotate(kind, text),
            Style::Terminal | Style::Plain => self.line(&format!("{}: ", kind.word()), text, Tone::of(kind)),
        }
    }

    /// Makes sure that GitHub shows the sentence beside the run; elsewhere the report's own text says it.
    pub fn annotate(&self, kind: Kind, text: &str) {
        if self.surroundings.style != Style::GitHub {
            return;
        }
        let message = line::defuse(&self.clean(text));
        let verdict = {
            let state = &mut *self.state.borrow_mut();
            let section = state.section.as_deref();
            let parts = ["keyrotor"].into_iter().chain(section).chain(state.step.map(Step::word));
            let title = parts.collect::<Vec<_>>().join(": ");
            state.annotations.take(kind, section, &title, &message)
        };
        match verdict {
            Emission::Show(command) => self.print(&command),
            Emission::Hold => self.line(&format!("{}: ", kind.word()), &message, Tone::of(kind)),
            Emission::Repeated => {}
        }
    }

    /// Hands the outputs over, where the surroundings take any.
    pub fn outputs(&self, outputs: &[(&str, String)]) {
        let Some(path) = &self.surroundings.outputs else { return };
        let scrubbed: Vec<_> = outputs.iter().map(|(name, value)| (*name, self.redactor.scrub(value))).collect();
        if let Err(error) = files::append_outputs(path, &scrubbed, &mut fastrand::Rng::new()) {
            self.announce(Kind::Warning, &format!("the outputs could not be written to $GITHUB_OUTPUT: {error}"));
        }
    }

    /// Hands over the summary, made for the number of bytes that are left for it.
    pub fn summary(&self, render: impl FnOnce(usize) -> String) {
        let Some(path) = &self.surroundings.summary else { return };
        if let Err(error) = files::append_summary(path, |room| self.redactor.scrub(&render(room))) {
            self.announce(Kind::Warning, &format!("the summary could not be written to $GITHUB_STEP_SUMMARY: {error}"));
        }
    }

    /// Puts the JSON document, one line, on stdout where the format asks for it. Nothing else goes there then.
    pub fn document(&self, json: impl FnOnce() -> String) {
        if self.surroundings.format == Format::Json {
            let mut text = self.redactor.scrub(&json());
            text.push('\n');
            put(&mut self.state.borrow_mut().out, &text);
        }
    }

    /// Ends what is open and tells what was held back.
    pub fn finish(&self) {
        self.about(None);
        let due = self.state.borrow_mut().annotations.release();
        for command in due {
            self.print(&command);
        }
    }

    fn clean(&self, text: &str) -> String {
        line::clean(text, &self.redactor, line::MESSAGE_LIMIT)
    }

    fn command(&self, name: &str, text: &str) {
        self.print(&line::command(name, None, &line::defuse(&self.clean(text))));
    }

    /// One line of ours and theirs; on GitHub nothing in it is a command.
    fn line(&self, lead: &str, text: &str, tone: Tone) {
        let told = self.wrapped(line::defuse(&format!("{lead}{}", self.clean(text))), self.surroundings.story);
        match tone.colour() {
            Some(colour) if self.surroundings.colour => self.print(&format!("\u{1b}[{colour}m{told}\u{1b}[0m")),
            _ => self.print(&told),
        }
    }

    /// Where a person reads it, a line as the terminal shows it.
    fn wrapped(&self, line: String, stream: Sink) -> String {
        match self.surroundings.width.filter(|_| self.surroundings.style == Style::Terminal && stream == Sink::Terminal)
        {
            Some(columns) => wrap::wrap(&line, columns),
            None => line,
        }
    }

    /// The only way out for the story.
    fn print(&self, line: &str) {
        let state = &mut *self.state.borrow_mut();
        if self.surroundings.progress {
            let wipe = state.progress.clear();
            put(&mut state.err, &wipe);
        }
        let line = format!("{line}\n");
        match self.surroundings.format {
            Format::Text => put(&mut state.out, &line),
            Format::Json => put(&mut state.err, &line),
        }
    }

    fn in_section(&self) -> bool {
        self.state.borrow().section.is_some()
    }

    /// A section's own group stays open.
    fn end_step_group(&self) {
        if !self.in_section() {
            self.end_group();
        }
    }

    fn begin(&self, step: Step) {
        self.end_step_group();
        {
            let state = &mut *self.state.borrow_mut();
            (state.step, state.step_began, state.work) = (Some(step), Some(Instant::now()), None);
        }
        let title = format!("{}: {}", step.word(), doing(step));
        if self.surroundings.style == Style::GitHub && !self.in_section() {
            self.command("group", &title);
            self.state.borrow_mut().group_is_open = true;
        } else {
            self.line("", &title, Tone::Strong);
        }
    }

    fn end(&self, step: Step, took: Duration) {
        self.end_step_group();
        {
            let state = &mut *self.state.borrow_mut();
            (state.step, state.work) = (None, None);
        }
        self.line("", &format!("{}: took {}", step.word(), duration(took)), Tone::Plain);
    }

    fn end_group(&self) {
        if std::mem::take(&mut self.state.borrow_mut().group_is_open) {
            self.print("::endgroup::");
        }
    }

    fn failed(&self, problem: &Problem) {
        self.end_step_group();
        self.announce(Kind::Error, &problem_text(problem));
    }
}

impl<O: Write, E: Write> Observer for Console<O, E> {
    /// The runner masks from the next line on, so this comes before anything that could hold the secret.
    fn mask(&self, secret: &Secret) {
        self.redactor.learn(secret);
        if !self.surroundings.masks {
            return;
        }
        let value = secret.expose();
        let lines = value.split(['\r', '\n']).filter(|part| *part != value);
        for part in std::iter::once(value).chain(lines).filter(|part| !part.trim().is_empty()) {
            self.print(&line::command("add-mask", None, part));
        }
    }

    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Began(step) => self.begin(*step),
            Event::Ended(step, took) => self.end(*step, *took),
            Event::Note(text) => self.line("  ", text, Tone::Plain),
            Event::Warning(text) => self.announce(Kind::Warning, text),
            Event::Notice(text) => self.announce(Kind::Notice, text),
            Event::Plan(plan) => plan.iter().for_each(|sentence| self.line("  - ", sentence, Tone::Plain)),
            Event::Wrote { target, took, done, of } => self.wrote(target, *took, *done, *of),
            Event::Looked { done, of } => self.looked(*done, *of),
            Event::Retrying { what, why, wait } => {
                self.line("  ", &format!("{what}: {why}; again in {}", duration(*wait)), Tone::Plain);
            }
            Event::Waiting { what, at_most } => {
                self.line("  ", &format!("waiting {what}, at most {}", duration(*at_most)), Tone::Plain);
            }
            Event::Failed(problem) => self.failed(problem),
        }
    }
}

impl<O: Write, E: Write> Drop for Console<O, E> {
    fn drop(&mut self) {
        self.finish();
    }
}

/// One write for a whole line, so that lines of two streams do not mix. A reader that went away is no error of ours.
fn put(sink: &mut impl Write, text: &str) {
    if !text.is_empty() {
        sink.write_all(text.as_bytes()).and_then(|()| sink.flush()).ok();
    }
}
