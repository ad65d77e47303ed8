//! How far the run is with its targets: a bar on a terminal, a line now and then in a log.

use std::io::Write;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, interval_at};

use super::phrases::Tone;
use super::{Console, Sink, put};
use crate::humanize::duration;

/// Up to so many targets get a line each; more of them are told of together.
const FEW: usize = 20;

/// How often a log is told.
const IN_A_LOG: Duration = Duration::from_secs(5);

/// How often a terminal is.
const ON_A_TERMINAL: Duration = Duration::from_secs(1);

/// GitHub lets a minute's worth through at once, so that less time says nothing of the speed.
const TELLING: Duration = Duration::from_secs(60);

/// Narrower than nearly every terminal, for those that do not tell their width.
const COLUMNS: usize = 72;

/// The bar's width between its brackets.
const BAR: usize = 20;

/// What is done to one target after another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    done_to: &'static str,
    done: usize,
    of: usize,
    began: Instant,
}

impl Work {
    /// While GitHub holds everyone up, the speed so far says nothing.
    fn text(&self, held: Option<Timestamp>) -> String {
        let Self { done_to, done, of, .. } = self;
        let left = match held.filter(|_| done < of) {
            Some(until) => format!(", waiting for GitHub's rate limit until {} UTC", until.strftime("%H:%M:%S")),
            None => self.left().map(|left| format!(", about {} left", duration(left))).unwrap_or_default(),
        };
        format!("{done} of {of} {done_to}{left}")
    }

    fn bar(&self, held: Option<Timestamp>) -> String {
        let full = (BAR * self.done).checked_div(self.of).unwrap_or_default().min(BAR);
        format!("[{}{}] {}", "#".repeat(full), ".".repeat(BAR - full), self.text(held))
    }

    /// How long the rest will take at the speed so far.
    fn left(&self) -> Option<Duration> {
        let (gone, rest) = (self.began.elapsed(), self.of.saturating_sub(self.done));
        let tells = gone >= TELLING || 2 * self.done >= self.of;
        let share = u32::try_from(rest).ok()?;
        let left = gone.saturating_mul(share).checked_div(u32::try_from(self.done).ok()?)?;
        (tells && left >= Duration::from_secs(1)).then(|| Duration::from_secs(left.as_secs()))
    }
}

impl<O: Write, E: Write> Console<O, E> {
    /// Does the work, and tells from time to time how far it is, or until when GitHub's rate limit holds it.
    pub async fn telling<T>(&self, held: impl Fn() -> Option<Timestamp>, work: impl Future<Output = T>) -> T {
        let every = if self.surroundings.progress { ON_A_TERMINAL } else { IN_A_LOG };
        let mut beat = interval_at(Instant::now() + every, every);
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                out = &mut work => return out,
                _ = beat.tick() => self.tell_work(held()),
            }
        }
    }

    pub(super) fn wrote(&self, target: &str, took: Duration, done: usize, of: usize) {
        // Where a person sees the bar, a line for each target would only push it away.
        if of <= FEW && !(self.surroundings.progress && self.surroundings.story == Sink::Terminal) {
            self.line("  ", &format!("{target}: written in {} ({done} of {of})", duration(took)), Tone::Plain);
        }
        self.went_on("written", done, of);
    }

    pub(super) fn looked(&self, done: usize, of: usize) {
        if of > FEW {
            self.went_on("looked at", done, of);
        }
    }

    fn went_on(&self, done_to: &'static str, done: usize, of: usize) {
        {
            let state = &mut *self.state.borrow_mut();
            let began = *state.step_began.get_or_insert_with(Instant::now);
            state.work = Some(Work { done_to, done, of, began });
        }
        if self.surroundings.progress || (done == of && of > FEW) {
            self.tell_work(None);
        }
    }

    fn tell_work(&self, held: Option<Timestamp>) {
        let Some(work) = self.state.borrow().work else { return };
        if self.surroundings.progress {
            let text = self.clean(&work.bar(held));
            let state = &mut *self.state.borrow_mut();
            let drawn = state.progress.draw(&text, self.surroundings.width.unwrap_or(COLUMNS));
            put(&mut state.err, &drawn);
        } else if work.of > FEW {
            self.line("  ", &work.text(held), Tone::Plain);
        }
        if work.done == work.of {
            self.state.borrow_mut().work = None;
        }
    }
}
