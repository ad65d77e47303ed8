//! Every input, its default and where it has a meaning: the one table that `--help`, the validation and the checks of
//! `action.yml` are made from.

use std::fmt;

/// What the program is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Makes true what the inputs ask.
    Rotate,
    /// Looks at everything that a rotation needs.
    Doctor,
    /// Writes the workflow that rotates a key.
    Init,
    /// Reads and judges.
    Audit,
    /// Takes back a `retire: disable`.
    Reenable,
}

impl Task {
    /// Every command.
    pub const ALL: [Self; 5] = [Self::Rotate, Self::Doctor, Self::Init, Self::Audit, Self::Reenable];

    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Rotate => "rotate",
            Self::Doctor => "doctor",
            Self::Init => "init",
            Self::Audit => "audit",
            Self::Reenable => "reenable",
        }
    }

    /// What it does, for the list of commands.
    #[must_use]
    pub fn summary(self) -> &'static str {
        match self {
            Self::Rotate => "Rotate the key if it is due; the default",
            Self::Doctor => "Check everything that a rotation needs, change nothing",
            Self::Init => "Write the workflow that rotates a key; asks what it has to say",
            Self::Audit => "Read and judge every key of the account",
            Self::Reenable => "Enable a key again that `retire: disable` switched off",
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

const ALL: &[Task] = &Task::ALL;
const EVERY: &[Task] = &[Task::Rotate, Task::Doctor, Task::Audit, Task::Reenable];
const ROTATE_AND_INIT: &[Task] = &[Task::Rotate, Task::Doctor, Task::Init];
const ROTATE: &[Task] = &[Task::Rotate, Task::Doctor];
const AUDIT: &[Task] = &[Task::Audit];
const ROTATE_AND_AUDIT: &[Task] = &[Task::Rotate, Task::Doctor, Task::Audit];

/// One input.
#[derive(Clone, Copy, Debug)]
pub struct InputDoc {
    /// As in `action.yml`; the flag is `--` before it.
    pub name: &'static str,
    /// What applies when it is not given, as the user would write it.
    pub default: Option<&'static str>,
    /// A rotation can't do without it.
    pub required: bool,
    /// It has no flag and its value is never shown.
    pub secret: bool,
    /// The commands for which it has a meaning.
    pub tasks: &'static [Task],
}

impl InputDoc {
    const fn new(name: &'static str, tasks: &'static [Task]) -> Self {
        Self { name, default: None, required: false, secret: false, tasks }
    }

    const fn default(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// The variable in which the runner hands it over: `INPUT_KEY-NAME`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("INPUT_{}", self.name.to_ascii_uppercase())
    }

    /// The variable of a secret that a shell can set: `KEYROTOR_MANAGEMENT_KEY`.
    #[must_use]
    pub fn own_variable(&self) -> String {
        format!("KEYROTOR_{}", self.name.to_ascii_uppercase().replace('-', "_"))
    }
}

/// Every input, in the order in which it is documented. `--format` is not among them: it is a flag alone.
pub const INPUTS: &[InputDoc] = &[
    InputDoc::new("command", ALL).default("rotate"),
    InputDoc::new("key-name", ROTATE_AND_INIT).required(),
    InputDoc::new("management-key", EVERY).secret(),
    InputDoc::new("current-key", EVERY).secret(),
    InputDoc::new("replace-key-id", ROTATE_AND_INIT),
    InputDoc::new("targets", ROTATE_AND_INIT).default("repo:$GITHUB_REPOSITORY"),
    InputDoc::new("targets-file", ROTATE),
    InputDoc::new("secret-name", ROTATE_AND_INIT).default("AROUTER_API_KEY"),
    InputDoc::new("github-token", ALL).secret(),
    InputDoc::new("app-client-id", ALL),
    InputDoc::new("app-private-key", EVERY).secret(),
    InputDoc::new("allowed-providers", ROTATE).default("inherit"),
    InputDoc::new("allowed-models", ROTATE).default("inherit"),
    InputDoc::new("spending-limit", ROTATE).default("inherit"),
    InputDoc::new("limit-reset", ROTATE).default("inherit"),
    InputDoc::new("expires-after", ROTATE).default("inherit"),
    InputDoc::new("rotate-after", ROTATE_AND_INIT).default("0s"),
    InputDoc::new("rotate-now", ROTATE).default("false"),
    InputDoc::new("grace-period", ROTATE_AND_INIT).default("0s"),
    InputDoc::new("retire", ROTATE).default("delete"),
    InputDoc::new("leaked", ROTATE).default("false"),
    InputDoc::new("verify-chat", ROTATE),
    InputDoc::new("verify-timeout", ROTATE).default("60s"),
    InputDoc::new("accept-unconfirmed", ROTATE),
    InputDoc::new("canary", ROTATE),
    InputDoc::new("issuer", ALL).default("arouter"),
    InputDoc::new("issuer-url", EVERY).default("https://api.arouter.ai"),
    InputDoc::new("request-timeout", EVERY).default("30s"),
    InputDoc::new("parallel", ROTATE).default("16"),
    InputDoc::new("dry-run", EVERY).default("false"),
    InputDoc::new("config", ROTATE_AND_AUDIT),
    InputDoc::new("trust-config", ROTATE_AND_AUDIT).default("false"),
    InputDoc::new("old-after", AUDIT).default("90d"),
    InputDoc::new("unused-after", AUDIT).default("30d"),
    InputDoc::new("fail-on", AUDIT).default("never"),
    InputDoc::new("sarif-file", AUDIT),
    InputDoc::new("prune", AUDIT).default("none"),
    InputDoc::new("names", AUDIT),
];

/// The input of that name.
#[must_use]
pub fn input(name: &str) -> Option<&'static InputDoc> {
    INPUTS.iter().find(|doc| doc.name == name)
}
