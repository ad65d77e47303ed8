//! Rotations that happen at once, told one after the other: the first one as it happens, each of the others once those
//! before it are over. What a rotation has to tell until then is kept.

use std::cell::RefCell;
use std::io::Write;
use std::time::Duration;

use super::{Console, Outlet};
use crate::rotation::outcome::{Event, Observer, Problem};
use crate::rotation::step::Step;
use crate::secret::Secret;

/// Tells for several rotations, in the order of their titles.
#[derive(Debug)]
pub struct BufferedLog<'a, O: Write = Outlet, E: Write = Outlet> {
    console: &'a Console<O, E>,
    state: RefCell<State>,
}

#[derive(Debug)]
struct State {
    /// The rotation that is told as it happens.
    front: usize,
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    title: String,
    kept: Vec<Kept>,
    /// How it ended, once it has.
    end: Option<String>,
}

/// Where one rotation tells what happens.
#[derive(Debug)]
pub struct Channel<'a, O: Write = Outlet, E: Write = Outlet> {
    log: &'a BufferedLog<'a, O, E>,
    part: usize,
}

impl<'a, O: Write, E: Write> BufferedLog<'a, O, E> {
    /// For rotations with these titles. The first one's section begins.
    #[must_use]
    pub fn new(console: &'a Console<O, E>, titles: impl Iterator<Item = String>) -> Self {
        let parts: Vec<_> = titles.map(|title| Part { title, kept: Vec::new(), end: None }).collect();
        if let Some(first) = parts.first() {
            console.section(&first.title);
        }
        Self { console, state: RefCell::new(State { front: 0, parts }) }
    }

    /// The channel of one of them, counted from 0.
    #[must_use]
    pub fn channel(&'a self, part: usize) -> Channel<'a, O, E> {
        Channel { log: self, part }
    }

    /// A rotation is over: the next ones are told, up to the first that is still going on.
    pub fn over(&self, part: usize, end: String) {
        if let Some(part) = self.state.borrow_mut().parts.get_mut(part) {
            part.end = Some(end);
        }
        while let Some(end) = self.ended() {
            self.console.end_section(&end);
            self.state.borrow_mut().front += 1;
            let Some((title, kept)) = self.next() else { return };
            self.console.section(&title);
            kept.iter().for_each(|kept| self.console.event(&kept.event()));
        }
    }

    /// How the rotation in front ended, if it has.
    fn ended(&self) -> Option<String> {
        let state = &mut *self.state.borrow_mut();
        state.parts.get_mut(state.front)?.end.take()
    }

    /// The rotation that is in front now, with what it had to tell.
    fn next(&self) -> Option<(String, Vec<Kept>)> {
        let state = &mut *self.state.borrow_mut();
        let part = state.parts.get_mut(state.front)?;
        Some((part.title.clone(), std::mem::take(&mut part.kept)))
    }
}

impl<O: Write, E: Write> Observer for Channel<'_, O, E> {
    /// Never kept: a secret must be hidden before anyone speaks of it.
    fn mask(&self, secret: &Secret) {
        self.log.console.mask(secret);
    }

    fn event(&self, event: &Event<'_>) {
        let is_front = self.log.state.borrow().front == self.part;
        if is_front {
            return self.log.console.event(event);
        }
        if let Some(part) = self.log.state.borrow_mut().parts.get_mut(self.part) {
            part.kept.extend(Kept::of(event));
        }
    }
}

/// An event that waits to be told.
#[derive(Clone, Debug)]
enum Kept {
    Began(Step),
    Ended(Step, Duration),
    Note(String),
    Warning(String),
    Notice(String),
    Plan(Vec<String>),
    Wrote { target: String, took: Duration, done: usize, of: usize },
    Retrying { what: String, why: String, wait: Duration },
    Waiting { what: String, at_most: Duration },
    Failed(Problem),
}

impl Kept {
    fn of(event: &Event<'_>) -> Option<Self> {
        Some(match event.clone() {
            Event::Began(step) => Self::Began(step),
            Event::Ended(step, took) => Self::Ended(step, took),
            Event::Note(text) => Self::Note(text),
            Event::Warning(text) => Self::Warning(text),
            Event::Notice(text) => Self::Notice(text),
            Event::Plan(plan) => Self::Plan(plan.to_vec()),
            Event::Wrote { target, took, done, of } => Self::Wrote { target: target.to_owned(), took, done, of },
            // How far it was is of no use behind it.
            Event::Looked { .. } => return None,
            Event::Retrying { what, why, wait } => Self::Retrying { what, why, wait },
            Event::Waiting { what, at_most } => Self::Waiting { what, at_most },
            Event::Failed(problem) => Self::Failed(problem.clone()),
        })
    }

    fn event(&self) -> Event<'_> {
        match self {
            Self::Began(step) => Event::Began(*step),
            Self::Ended(step, took) => Event::Ended(*step, *took),
            Self::Note(text) => Event::Note(text.clone()),
            Self::Warning(text) => Event::Warning(text.clone()),
            Self::Notice(text) => Event::Notice(text.clone()),
            Self::Plan(plan) => Event::Plan(plan),
            Self::Wrote { target, took, done, of } => Event::Wrote { target, took: *took, done: *done, of: *of },
            Self::Retrying { what, why, wait } => Event::Retrying { what: what.clone(), why: why.clone(), wait: *wait },
            Self::Waiting { what, at_most } => Event::Waiting { what: what.clone(), at_most: *at_most },
            Self::Failed(problem) => Event::Failed(problem),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::tests::{Tape, obeyed};
    use crate::console::{Format, Sink, Surroundings};
    use crate::secret::Redactor;

    fn told(github: bool, tell: impl FnOnce(&BufferedLog<'_, Tape, Tape>)) -> String {
        let variables = if github { vec![("GITHUB_ACTIONS".to_owned(), "true".to_owned())] } else { Vec::new() };
        let surroundings = Surroundings::new(&variables.into_iter().collect(), Format::Text, Sink::Pipe, Sink::Pipe);
        let out = Tape::default();
        let console = Console::new(surroundings, Redactor::new(), out.clone(), Tape::default());
        tell(&BufferedLog::new(&console, ["a", "b", "c"].map(str::to_owned).into_iter()));
        console.finish();
        out.text()
    }

    fn speak(log: &BufferedLog<'_, Tape, Tape>, part: usize, text: &str) {
        log.channel(part).event(&Event::Note(text.to_owned()));
    }

    #[test]
    fn the_first_is_told_at_once_and_the_others_in_their_order() {
        let text = told(false, |log| {
            speak(log, 2, "c1");
            speak(log, 0, "a1");
            speak(log, 1, "b1");
            log.over(2, "c: done".into());
            speak(log, 0, "a2");
            log.over(0, "a: done".into());
            speak(log, 1, "b2");
            log.over(1, "b: done".into());
        });
        let expected = "rotation a\n  a1\n  a2\na: done\nrotation b\n  b1\n  b2\nb: done\nrotation c\n  c1\nc: done\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn on_github_each_is_a_group_and_its_end_stands_outside() {
        let text = told(true, |log| {
            log.channel(0).event(&Event::Began(Step::Observe));
            log.channel(0).event(&Event::Ended(Step::Observe, Duration::ZERO));
            for part in 0..3 {
                let problem = Problem::bare("no credit");
                log.channel(part).event(&Event::Failed(&problem));
                log.over(part, format!("{part}: done"));
            }
        });
        let commands = ["group", "error", "endgroup"];
        assert_eq!(obeyed(&text), commands.repeat(3), "{text}");
        assert!(
            text.starts_with("::group::rotation a\n") && text.contains("::endgroup::\n0: done\n::group::"),
            "{text}"
        );
        assert!(
            text.contains("::error title=keyrotor%3A b::no credit"),
            "told of each although it is the same: {text}"
        );
    }

    #[test]
    fn a_secret_is_hidden_before_its_rotation_is_told() {
        let text = told(true, |log| {
            log.channel(2).mask(&Secret::new("lr_live_0123456789".into()));
            speak(log, 0, "lr_live_0123456789");
        });
        assert_eq!(obeyed(&text), ["group", "add-mask", "endgroup"], "{text}");
        assert!(text.contains("  ***\n"), "{text}");
    }
}
