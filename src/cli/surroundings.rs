//! What the process was started with.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

/// Arguments and variables, read once, so that nothing else looks at the process.
#[derive(Default)]
pub struct Surroundings {
    /// The arguments, without the program's own name.
    pub args: Vec<OsString>,
    /// The environment variables.
    pub vars: BTreeMap<String, String>,
    /// Names of variables whose values are not UTF-8.
    pub unreadable: BTreeSet<String>,
}

impl Surroundings {
    /// The surroundings of this process.
    #[must_use]
    pub fn from_process() -> Self {
        let mut it = Self { args: std::env::args_os().skip(1).collect(), ..Self::default() };
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => _ = it.vars.insert(name, value),
                Err(_) => _ = it.unreadable.insert(name),
            }
        }
        it
    }

    /// A variable's value without surrounding white space; set but empty counts as not set.
    #[must_use]
    pub fn var(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }
}
