//! Every input in one table: flags, `--help`, the fields of the config file, its schema and the checks of `action.yml` and
//! the documents are made from it.

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
    /// Looks for leaked keys among GitHub's alerts.
    WatchLeaks,
    /// Takes back a `retire: disable`.
    Reenable,
    /// Reads a receipt, and asks the issuer whether it still holds.
    VerifyReceipt,
}

impl Task {
    /// Every command.
    pub const ALL: [Self; 7] =
        [Self::Rotate, Self::Doctor, Self::Init, Self::Audit, Self::WatchLeaks, Self::Reenable, Self::VerifyReceipt];

    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Rotate => "rotate",
            Self::Doctor => "doctor",
            Self::Init => "init",
            Self::Audit => "audit",
            Self::WatchLeaks => "watch-leaks",
            Self::Reenable => "reenable",
            Self::VerifyReceipt => "verify-receipt",
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
            Self::WatchLeaks => "Rotate keys that GitHub's secret scanning has found",
            Self::Reenable => "Enable a key again that `retire: disable` switched off",
            Self::VerifyReceipt => "Say what a receipt claims, and whether the issuer's list agrees",
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

const ALL: &[Task] = &Task::ALL;
const EVERY: &[Task] =
    &[Task::Rotate, Task::Doctor, Task::Audit, Task::WatchLeaks, Task::Reenable, Task::VerifyReceipt];
const CHANGES: &[Task] = &[Task::Rotate, Task::Doctor, Task::Audit, Task::WatchLeaks, Task::Reenable];
const AT_GITHUB: &[Task] = &[Task::Rotate, Task::Doctor, Task::Init, Task::Audit, Task::WatchLeaks, Task::Reenable];
const RECEIPT: &[Task] = &[Task::Rotate, Task::Doctor, Task::WatchLeaks, Task::Reenable, Task::VerifyReceipt];
const ROTATE_AND_INIT: &[Task] = &[Task::Rotate, Task::Doctor, Task::Init, Task::WatchLeaks];
const ROTATE: &[Task] = &[Task::Rotate, Task::Doctor, Task::WatchLeaks];
/// What has no meaning where every rotation is one of a leaked key.
const ROTATE_ALONE: &[Task] = &[Task::Rotate, Task::Doctor];
const WATCH: &[Task] = &[Task::WatchLeaks];
const AUDIT: &[Task] = &[Task::Audit];
const INIT: &[Task] = &[Task::Init];
const ROTATE_AND_AUDIT: &[Task] = &[Task::Rotate, Task::Doctor, Task::Audit, Task::WatchLeaks];

const TARGETS: &str = "Where the key is written";
const RIGHTS: &str = "Rights of the new key";
const WHEN: &str = "When to rotate, and what becomes of the old key";
const PROOF: &str = "Proof that the new key works";
const ISSUER: &str = "The issuer";
const RUN: &str = "The run";
const WORKFLOW: &str = "The workflow";
const FINDINGS: &str = "What the audit looks for";
const LEAKS: &str = "Where leaks are looked for, and what becomes of them";

/// How a value is written: it decides what the flag takes, what YAML has to take a field for, and the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// Has no flag, and is never shown.
    Secret,
    /// `true` or `false`; the flag alone means `true`.
    Boolean,
    /// A duration, or one of these words.
    Duration(&'static [&'static str]),
    /// An amount in USD, `none` or `inherit`.
    Usd,
    /// A whole number from 1 to 100.
    Count,
    /// One of these words.
    Choice(&'static str, &'static [&'static str]),
    /// Names between commas or line breaks.
    List,
    /// Targets, one on each line.
    Targets,
    /// The path of a file.
    Path,
    /// Text that this pattern describes to the schema.
    Text(&'static str, &'static str),
}

use ValueKind::{Boolean, Choice, Count, Duration, List, Path, Secret, Targets, Text, Usd};

impl ValueKind {
    /// What stands for the value in `--help`.
    #[must_use]
    pub fn placeholder(self) -> &'static str {
        match self {
            Secret => "SECRET",
            Boolean => "BOOLEAN",
            Duration(_) => "TIME",
            Usd => "USD",
            Count => "NUMBER",
            List => "LIST",
            Targets => "TARGET",
            Path => "PATH",
            Choice(shown, _) | Text(shown, _) => shown,
        }
    }
}

/// Where the config file has a field of an input's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InFile {
    /// Nowhere.
    No,
    /// At the top, for all rotations, and in each of them.
    Anywhere,
    /// In each rotation alone.
    Rotation,
}

/// One input.
#[derive(Clone, Copy, Debug)]
pub struct Input {
    /// As in `action.yml`; the flag is `--` before it.
    pub name: &'static str,
    /// How its value is written.
    pub kind: ValueKind,
    /// The commands for which it has a meaning.
    pub tasks: &'static [Task],
    /// What it is, in a line without a full stop.
    pub help: &'static str,
    /// What there is to say beyond that, or nothing.
    pub more: &'static str,
    /// What applies when it is not given, as the user would write it.
    pub default: Option<&'static str>,
    /// A rotation can't do without it.
    pub required: bool,
    /// What it stands below in `--help`.
    pub heading: Option<&'static str>,
    /// Where the config file has it.
    pub in_file: InFile,
}

impl Input {
    const fn new(name: &'static str, kind: ValueKind, tasks: &'static [Task], help: &'static str) -> Self {
        Self { name, kind, tasks, help, more: "", default: None, required: false, heading: None, in_file: InFile::No }
    }

    /// What a rotation is told, by an input or by the config file.
    const fn setting(name: &'static str, kind: ValueKind, heading: &'static str, help: &'static str) -> Self {
        Self::new(name, kind, ROTATE, help).below(heading).in_file(InFile::Anywhere)
    }

    const fn tasks(self, tasks: &'static [Task]) -> Self {
        Self { tasks, ..self }
    }

    const fn more(self, more: &'static str) -> Self {
        Self { more, ..self }
    }

    const fn default(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    const fn below(self, heading: &'static str) -> Self {
        Self { heading: Some(heading), ..self }
    }

    const fn in_file(self, in_file: InFile) -> Self {
        Self { in_file, ..self }
    }

    /// Whether it has no flag and its value is never shown.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.kind == Secret
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

/// The inputs of the action, in the order in which they are documented.
pub const INPUTS: &[Input] = &[
    Input::new("command", Text("COMMAND", ""), ALL, "What to do").default("rotate"),
    Input::new("key-name", Text("NAME", r"\S(.{0,78}\S)?"), ROTATE_AND_INIT, "Name of the family of keys")
        .more(
            "New keys are called `<key-name>-<UTC date>-<six hex digits>`. One name belongs to one rotation of one \
             account.",
        )
        .required()
        .in_file(InFile::Rotation),
    Input::new("management-key", Secret, EVERY, ""),
    Input::new("current-key", Secret, EVERY, ""),
    Input::new("replace-key-id", Text("ID", r"[^\s/\\?#%]{1,256}"), ROTATE_AND_INIT, "Id of a hand-made key to adopt")
        .more("Ignored once a key of the family has replaced it.")
        .in_file(InFile::Rotation),
    Input::new("targets", Targets, ROTATE_AND_INIT, "Where to write the key: `repo:OWNER/NAME`, `env:…`, `org:…`")
        .more(
            "One per line or flag; several names after a comma: `repo:OWNER/NAME,NAME`. Kinds: `repo:OWNER/NAME`, \
             `env:OWNER/NAME/ENVIRONMENT`, `org:ORG`, `dependabot:OWNER/NAME`, `dependabot-org:ORG`, \
             `codespaces:OWNER/NAME`, `codespaces-org:ORG`, `agents:OWNER/NAME`, `agents-org:ORG`, \
             `kubernetes:NAMESPACE/NAME#KEY`, `vault:MOUNT/PATH#FIELD`, `aws-secretsmanager:NAME_OR_ARN[#JSON_FIELD]`, \
             `aws-ssm:NAME`, `file:PATH[#VARIABLE]`.\n\n\
             `repo:OWNER/*` is every repository of an owner, narrowed by `topic=TOPIC`, `visibility=private` and \
             `except=NAME,NAME`.\n\n\
             Words may follow, such as `secret=NAME`, `visibility=selected repos=NAME,NAME`, \
             `restart=deployment/NAME`, `role=NAME`.",
        )
        .default("repo:$GITHUB_REPOSITORY")
        .below(TARGETS)
        .in_file(InFile::Rotation),
    Input::new("targets-file", Path, ROTATE, "File with more targets, one per line")
        .more("Blank lines and those that begin with `#` are skipped.")
        .below(TARGETS),
    Input::setting("secret-name", Text("NAME", NAME), TARGETS, "Name of the secret in every target")
        .more("A target may say otherwise with `secret=NAME`. With OpenRouter the default is OPENROUTER_API_KEY.")
        .default("AROUTER_API_KEY")
        .tasks(ROTATE_AND_INIT),
    Input::new("github-token", Secret, ALL, ""),
    Input::new("app-client-id", Text("ID", ""), AT_GITHUB, "Client id of a GitHub App that may write secrets")
        .more("Or its number. Takes the place of `github-token`, and needs `app-private-key`.")
        .below(TARGETS),
    Input::new("app-private-key", Secret, EVERY, ""),
    Input::setting("allowed-providers", List, RIGHTS, "Providers that the new key may use")
        .more("A comma or newline list, `all`, or `inherit` from the key being replaced.")
        .default("inherit"),
    Input::setting("allowed-models", List, RIGHTS, "Models that the new key may use")
        .more("A comma or newline list, `all`, or `inherit`.")
        .default("inherit"),
    Input::setting("spending-limit", Usd, RIGHTS, "Spending limit in USD, or `none`")
        .more("`inherit` takes what is left of a limit that never starts anew.")
        .default("inherit"),
    Input::setting("limit-reset", Choice("WHEN", RESETS), RIGHTS, "When the limit starts anew")
        .more("`daily`, `weekly`, `monthly`, `none`, or `inherit`.")
        .default("inherit"),
    Input::setting("expires-after", Duration(&["never", "inherit"]), RIGHTS, "Lifetime of the new key")
        .more("A duration, `never`, or `inherit`: the lifetime that the old key had, not its date.")
        .default("inherit"),
    Input::setting("rotate-after", Duration(&[]), WHEN, "Rotate only when the current key is older")
        .default("0s")
        .tasks(ROTATE_AND_INIT),
    Input::new("rotate-now", Boolean, ROTATE_ALONE, "Rotate whatever the key's age")
        .more("As if `rotate-after` were 0s, in every rotation of `config` too. For a button beside a schedule.")
        .default("false")
        .below(WHEN),
    Input::setting("grace-period", Duration(&["drain"]), WHEN, "How long a replaced key stays alive")
        .more(
            "It counts from the time when its successor was in place everywhere; a later run retires the key. `drain`: \
             until every workflow run that began before has finished. Without this input, keys that earlier runs \
             replaced still get 24 h without use.",
        )
        .default("0s")
        .tasks(ROTATE_AND_INIT),
    Input::setting("retire", Choice("HOW", &["delete", "disable", "keep"]), WHEN, "What becomes of replaced keys")
        .more("`delete`, `disable`, or `keep` them and say so.")
        .default("delete"),
    Input::setting("leaked", Boolean, WHEN, "The key has leaked")
        .more("Rotate whatever its age, without grace, and delete it even if it is in use.")
        .default("false")
        .tasks(ROTATE_ALONE),
    Input::setting("verify-chat", Text("MODEL", r"\S+"), PROOF, "Also try the new key with one chat completion")
        .more("A model's name, or `auto`."),
    Input::setting("verify-timeout", Duration(&[]), PROOF, "How long a new key may take to work, 1s to 1h")
        .default("60s"),
    Input::setting("accept-unconfirmed", List, PROOF, "Fields of the new key to accept unconfirmed").more(
        "A comma or newline list of fields, such as `scopes`, whose values may differ from what was asked. \
         `guardrails`: those of OpenRouter.",
    ),
    Input::setting("canary", Text("WORKFLOW", r"\S.*"), PROOF, "Workflow that has to succeed before a key is retired")
        .more(
            "A file such as `smoke.yml`, or `smoke.yml timeout=20m`, which is dispatched in the targets' repositories \
             once the key is written.",
        ),
    Input::setting("issuer", Choice("NAME", ISSUERS), ISSUER, "Who issues the keys: `arouter` or `openrouter`")
        .default("arouter")
        .tasks(ALL),
    Input::setting("issuer-url", Text("URL", "https?://.+"), ISSUER, "Base address of the issuer's API")
        .more("With or without `/v1`. OpenRouter's own is `https://openrouter.ai`.")
        .default("https://api.arouter.ai")
        .tasks(EVERY),
    Input::setting("request-timeout", Duration(&[]), ISSUER, "For one HTTP request, 1s to 10m")
        .default("30s")
        .tasks(EVERY),
    Input::setting("parallel", Count, TARGETS, "Targets written at once, 1 to 100").default("16"),
    Input::setting("dry-run", Boolean, RUN, "Print the plan, change nothing").default("false").tasks(CHANGES),
    Input::new("config", Path, ROTATE_AND_AUDIT, "YAML file with many rotations")
        .more("It states `key-name` and `targets` of each.")
        .below(RUN),
    Input::new("trust-config", Boolean, ROTATE_AND_AUDIT, "Trust `config` on events of strangers")
        .more(
            "Take `issuer-url` and targets in any repository from it although the event lets strangers decide what is \
             checked out.",
        )
        .default("false")
        .below(RUN),
    Input::new("notify-url", Secret, EVERY, ""),
    Input::new("notify-secret", Secret, EVERY, ""),
    Input::new("notify-on", Choice("WHEN", &["problem", "always"]), EVERY, "When the report is posted to `notify-url`")
        .more("`problem`: where the exit status is not 0, or `always`.")
        .default("problem")
        .below(RUN),
    Input::new(RECEIPT_FILE, Path, RECEIPT, "File of the run's receipt, a statement of in-toto")
        .more("It tells what was done, and holds no value. `verify-receipt` reads it again.")
        .below(RUN),
    Input::new("old-after", Duration(&[]), AUDIT, "Report keys older than this").default("90d").below(FINDINGS),
    Input::new("unused-after", Duration(&[]), AUDIT, "Report keys not used for this long")
        .default("30d")
        .below(FINDINGS),
    Input::new(
        "fail-on",
        Choice("WEIGHT", &["never", "warning", "error"]),
        AUDIT,
        "Exit 3 on findings of this weight and above",
    )
    .more("`never`, `warning`, `error`.")
    .default("never")
    .below(FINDINGS),
    Input::new("sarif-file", Path, AUDIT, "Also write the findings to this file as SARIF").below(FINDINGS),
    Input::new(
        "prune",
        Choice("HOW", &["none", "disable", "delete"]),
        AUDIT,
        "What becomes of keys not used for `unused-after`",
    )
    .more("`none`, `disable`, `delete`; the last two need `names`. Try it with `dry-run` first.")
    .default("none")
    .below(FINDINGS),
    Input::new("names", List, AUDIT, "Names of the keys that `prune` may touch")
        .more("A comma or newline list; `*` stands for any text, `?` for one character.")
        .below(FINDINGS),
    Input::new("alerts-of", List, WATCH, "Repositories and organisations whose secret scanning alerts are read")
        .more(
            "A comma or newline list of `OWNER/NAME` and `ORG`. Without it: those of the targets. Needs the permission              \"Secret scanning alerts\".",
        )
        .below(LEAKS),
    Input::new(
        "on-leak",
        Choice("HOW", &["report", "disable"]),
        WATCH,
        "What becomes of a leaked key that works and is of no rotation",
    )
    .more("`report` it and exit 3, or `disable` it.")
    .default("report")
    .below(LEAKS),
    Input::new("close-dead-alerts", Boolean, WATCH, "Close alerts whose key was dead before")
        .more("Those whose key this run retires are closed anyway.")
        .default("false")
        .below(LEAKS),
];

/// What the command line alone has: behind `reenable`, and flags that no workflow needs.
pub const FLAGS: &[Input] = &[
    Input::new(KEY_ID, Text("KEY-ID", ""), &[Task::Reenable], "Id of the key to enable again"),
    Input::new("format", Choice("FORMAT", &["text", "json"]), EVERY, "How to print the report: `text` or `json`")
        .default("text")
        .below(RUN),
    Input::new(
        "repository",
        Text("OWNER/NAME", ""),
        INIT,
        "Repository that gets the workflow [default: that of git's remote `origin`]",
    )
    .below(WORKFLOW),
    Input::new("environment", Text("NAME", ""), INIT, "Environment that holds the secrets, or `none`")
        .default("rotation")
        .below(WORKFLOW),
    Input::new(
        "schedule",
        Text("CRON", ""),
        INIT,
        "When it runs: the five fields of cron, in UTC [default: once a day]",
    )
    .below(WORKFLOW),
    Input::new("print", Boolean, INIT, "Write the workflow to stdout, and no file").below(WORKFLOW),
    Input::new("force", Boolean, INIT, "Write over a file that exists").below(WORKFLOW),
];

/// What the config file alone has.
pub const FIELDS: &[Input] = &[
    Input::new("current-key-env", Text("NAME", NAME), ROTATE, "Environment variable that holds the value in use")
        .more("To recognise the key, and to put it back.")
        .in_file(InFile::Rotation),
    Input::new("workspace-id", Text("ID", r"\S+"), ROTATE, "Workspace in which keys are made and looked for")
        .more("For `issuer: openrouter` alone.")
        .in_file(InFile::Anywhere),
    Input::new("include-byok-in-limit", Boolean, ROTATE, "Count what your own provider keys spend, too")
        .more("Whether it counts towards the limit. For `issuer: openrouter` alone.")
        .in_file(InFile::Anywhere),
];

/// The argument behind `reenable`.
pub const KEY_ID: &str = "key-id";
/// The input that is the argument behind `verify-receipt`.
pub const RECEIPT_FILE: &str = "receipt-file";

const ISSUERS: &[&str] = &["arouter", "openrouter"];
const RESETS: &[&str] = &["daily", "weekly", "monthly", "none", "never", "inherit"];
/// Of a secret or a variable.
const NAME: &str = "[A-Za-z_][A-Za-z0-9_]*";

/// Every row: inputs, what the command line alone has, and what the config file alone has.
pub fn rows() -> impl Iterator<Item = &'static Input> {
    [INPUTS, FLAGS, FIELDS].into_iter().flatten()
}

/// The input of that name.
#[must_use]
pub fn input(name: &str) -> Option<&'static Input> {
    INPUTS.iter().find(|row| row.name == name)
}
