//! Writes to the process's own streams from a thread of its own: whoever reads them slowly, or not at all, holds up no
//! request, no lease and no signal.

use std::io::{self, Write};
use std::sync::mpsc::{self, Sender};
use std::thread;

use tokio::sync::oneshot;

/// One of the two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    Out,
    Err,
}

/// What the thread is asked to do, in this order.
#[derive(Debug)]
enum Task {
    Write(To, Vec<u8>),
    Tell(oneshot::Sender<()>),
}

/// One of the process's streams. A write to it is handed over and does not wait.
#[derive(Clone, Debug)]
pub struct Outlet {
    to: To,
    /// `None`: no thread could be made, and the writer has to do it.
    tasks: Option<Sender<Task>>,
}

impl Outlet {
    /// The process's stdout and stderr. What is written to one keeps its place among what is written to the other.
    #[must_use]
    pub fn of_process() -> (Self, Self) {
        let (tasks, due) = mpsc::channel();
        let thread = thread::Builder::new().name("outlet".to_owned());
        let made = thread.spawn(move || due.into_iter().for_each(carry_out)).is_ok();
        let tasks = made.then_some(tasks);
        (Self { to: To::Out, tasks: tasks.clone() }, Self { to: To::Err, tasks })
    }

    /// Resolves once all that was written to either stream so far is out, or never can be.
    pub fn written(&self) -> impl Future<Output = ()> + use<> {
        let (done, told) = oneshot::channel();
        let asked = self.tasks.as_ref().is_some_and(|tasks| tasks.send(Task::Tell(done)).is_ok());
        async move {
            if asked {
                _ = told.await;
            }
        }
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let task = Task::Write(self.to, bytes.to_vec());
        match &self.tasks {
            Some(tasks) => tasks.send(task).map_err(|_| io::ErrorKind::BrokenPipe)?,
            None => carry_out(task),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A reader that went away is no error of ours.
fn carry_out(task: Task) {
    match task {
        Task::Write(To::Out, bytes) => put(io::stdout().lock(), &bytes),
        Task::Write(To::Err, bytes) => put(io::stderr().lock(), &bytes),
        Task::Tell(done) => _ = done.send(()),
    }
}

fn put(mut stream: impl Write, bytes: &[u8]) {
    stream.write_all(bytes).and_then(|()| stream.flush()).ok();
}
