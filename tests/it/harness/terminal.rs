//! A terminal at which a run asks its questions.

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::*;

/// What a person sits at.
pub(super) struct Terminal {
    keyboard: fs::File,
    name: String,
}

impl Terminal {
    pub(super) fn open() -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap().into_string().unwrap();
        Self { keyboard: keyboard.into(), name }
    }

    /// An end for the program.
    pub(super) fn end(&self) -> Stdio {
        fs::OpenOptions::new().read(true).write(true).open(&self.name).unwrap().into()
    }

    /// Types each answer behind its question, and returns all that was shown when the program has ended.
    pub(super) fn talk(mut self, answers: &[(&str, &str)]) -> String {
        let (mut shown, mut at) = (String::new(), 0);
        for (question, answer) in answers {
            while !shown[at..].contains(question) {
                let more = self.read();
                assert!(!more.is_empty(), "it never asked {question:?}\n{shown}");
                shown.push_str(&more);
            }
            at = shown.len();
            writeln!(self.keyboard, "{answer}").unwrap();
        }
        loop {
            match self.read() {
                more if more.is_empty() => return shown.replace("\r\n", "\n"),
                more => shown.push_str(&more),
            }
        }
    }

    /// Empty once nobody holds the other end.
    fn read(&mut self) -> String {
        let mut bytes = [0; 4096];
        let count = self.keyboard.read(&mut bytes).unwrap_or_default();
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }
}
