//! What the program tells about itself: the help of each command, completions for shells, the manual page.

use clap::builder::StyledStr;
use clap::{Arg, Command, ValueEnum as _};
use clap_complete::Shell;
use clap_mangen::Man;

use super::arg;
use super::inputs::{FLAGS, INPUTS, Task};
use super::surroundings::Surroundings;

const NAME: &str = "keyrotor";
const COMPLETIONS: &str = "completions";
const MAN: &str = "man";
const HELP: &str = "help";

const ABOUT: &str = "Rotates an ARouter or OpenRouter API key with no downtime: makes a new key, proves it, writes it to \
     every target, proves it again, retires the old one";

/// What most people need; `--help` has the rest.
const ESSENTIAL: [&str; 7] = ["key-name", "targets", "rotate-after", "grace-period", "dry-run", "config", "format"];

const FIRST_STEPS: &str = "\
Say what a rotation would do, and change nothing:
  export KEYROTOR_MANAGEMENT_KEY_FILE=~/.arouter-management-key
  export KEYROTOR_GITHUB_TOKEN=$(gh auth token)
  keyrotor --dry-run --key-name production \\
    --targets repo:acme/app --rotate-after 30d

`keyrotor --help` has every option and more examples; `keyrotor help COMMAND`
explains one command.
";

const VARIABLES: &str = "\
Variables:
Every option can also be given as a variable: INPUT_ and its name in capitals, the dashes kept (INPUT_KEY-NAME). Runners set these; a shell can't, so use flags there. A flag wins over its variable; an empty variable counts as not given.

Durations are a whole number and one of s, m, h, d, w: 90d.
";

const SECRETS: &str = "\
Secrets:
They have no flags, since other users can read the arguments of a process. Each is read from the first of its variables that is set; the last one names a file that holds the value.

  management-key   may create, list and delete keys; without it the current
                   key does that
                   INPUT_MANAGEMENT-KEY, KEYROTOR_MANAGEMENT_KEY,
                   KEYROTOR_MANAGEMENT_KEY_FILE
  current-key      the key value deployed now: to recognise it, and to put it
                   back if need be
                   INPUT_CURRENT-KEY, KEYROTOR_CURRENT_KEY,
                   KEYROTOR_CURRENT_KEY_FILE
  github-token     fine-grained token or App token that may write the targets'
                   kinds of secrets: for repo targets the repository
                   permission \"Secrets\" (read and write)
                   INPUT_GITHUB-TOKEN, KEYROTOR_GITHUB_TOKEN,
                   KEYROTOR_GITHUB_TOKEN_FILE
  app-private-key  private key of the GitHub App: its PEM file, also in
                   base64, or with \\n for line breaks
                   INPUT_APP-PRIVATE-KEY, KEYROTOR_APP_PRIVATE_KEY,
                   KEYROTOR_APP_PRIVATE_KEY_FILE
  notify-url       where the report is posted, signed with notify-secret
                   INPUT_NOTIFY-URL, KEYROTOR_NOTIFY_URL,
                   KEYROTOR_NOTIFY_URL_FILE
  notify-secret    any secret that the receiver knows, too
                   INPUT_NOTIFY-SECRET, KEYROTOR_NOTIFY_SECRET,
                   KEYROTOR_NOTIFY_SECRET_FILE
";

const STATUS: &str = "\
Exit status:
  0  done, not due, or a replaced key is pending or kept as asked
  1  nothing has changed, or everything was put back
  2  the inputs are wrong; nothing was contacted
  3  safe, but a person should look: a key is left alive that should not be,
     or an audit found what `fail-on` names
";

/// A command line to copy, as lines that stay whole at 80 columns: whoever copies the first alone is asked for more.
struct Example {
    task: Task,
    does: &'static str,
    lines: &'static str,
}

const EXAMPLES: [Example; 15] = [
    Example {
        task: Task::Rotate,
        does: "Say what would be done, and change nothing",
        lines: "keyrotor --dry-run --key-name production \\\n  --targets repo:acme/app --rotate-after 30d",
    },
    Example {
        task: Task::Rotate,
        does: "Rotate if the key is 30 days old; the old one lives on for a day",
        lines: "keyrotor --key-name production --targets repo:acme/app \\\n  --rotate-after 30d --grace-period 24h",
    },
    Example {
        task: Task::Rotate,
        does: "Adopt a key that was made by hand",
        lines: "keyrotor --dry-run --key-name production \\\n  --targets repo:acme/app --replace-key-id key_123",
    },
    Example {
        task: Task::Rotate,
        does: "One key in several places",
        lines: "keyrotor --dry-run --key-name production \\\n  --targets repo:acme/app,api,web \\\n  --targets 'env:acme/app/production secret=LLM_KEY'",
    },
    Example {
        task: Task::Rotate,
        does: "A key of OpenRouter in a .env file",
        lines: "keyrotor --dry-run --issuer openrouter --key-name laptop \\\n  --targets file:.env#OPENROUTER_API_KEY",
    },
    Example {
        task: Task::Rotate,
        does: "The key has leaked: replace and delete it at once",
        lines: "keyrotor --leaked --key-name production \\\n  --targets repo:acme/app",
    },
    Example {
        task: Task::Rotate,
        does: "Many rotations from a file, the report as JSON",
        lines: "keyrotor --dry-run --config keyrotor.yml --format json",
    },
    Example {
        task: Task::Rotate,
        does: "Every private repository of an organisation that has a topic",
        lines: "keyrotor --dry-run --key-name production \\\n  --targets 'repo:acme/* topic=llm visibility=private'",
    },
    Example {
        task: Task::Doctor,
        does: "Is everything there that a rotation needs?",
        lines: "keyrotor doctor --key-name production --targets repo:acme/app",
    },
    Example { task: Task::Init, does: "Ask what the workflow has to say, and write it", lines: "keyrotor init" },
    Example {
        task: Task::Init,
        does: "The same from a script, to stdout",
        lines: "keyrotor init --print --repository acme/app --key-name production",
    },
    Example {
        task: Task::Audit,
        does: "Judge every key of the account; exit 3 on errors",
        lines: "keyrotor audit --fail-on error --sarif-file keys.sarif",
    },
    Example {
        task: Task::Audit,
        does: "Which keys of CI were not used for 60 days?",
        lines: "keyrotor audit --dry-run --prune disable --names 'ci-*' \\\n  --unused-after 60d",
    },
    Example { task: Task::Reenable, does: "Take back a `retire: disable`", lines: "keyrotor reenable key_123" },
    Example {
        task: Task::VerifyReceipt,
        does: "Does what a run claimed still hold?",
        lines: "keyrotor verify-receipt receipt.json",
    },
];

/// The commands as a person sees them, each with the options that have a meaning for it.
#[must_use]
pub fn commands() -> Command {
    let essential = |arg: Arg| {
        let hide = !ESSENTIAL.contains(&arg.get_id().as_str());
        arg.hide_short_help(hide)
    };
    let root = Command::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .max_term_width(100)
        .override_usage("keyrotor [COMMAND] [OPTIONS]")
        .about(ABOUT)
        .args(options(Task::Rotate).map(essential))
        .after_help(FIRST_STEPS)
        .after_long_help([VARIABLES, SECRETS, STATUS, &examples(&Task::ALL)].join("\n"));
    root.subcommands(Task::ALL.map(described)).subcommands([completions(), manual()])
}

/// A command beside the options that have a meaning for it.
fn described(task: Task) -> Command {
    let command = match task {
        Task::VerifyReceipt => Command::new(task.word()).override_usage("keyrotor verify-receipt FILE [OPTIONS]"),
        _ => Command::new(task.word()),
    };
    command
        .about(task.summary())
        .args(options(task))
        .after_help("`--help` says more of each option, and has examples.")
        .after_long_help([&examples(&[task]), SECRETS, STATUS].join("\n"))
}

fn options(task: Task) -> impl Iterator<Item = Arg> {
    let on_command_line = INPUTS.iter().chain(FLAGS).filter(|row| !row.is_secret() && row.name != "command");
    on_command_line.filter(move |row| row.tasks.contains(&task)).map(arg)
}

fn examples(tasks: &[Task]) -> String {
    let shown = EXAMPLES.iter().filter(|example| tasks.contains(&example.task));
    let shown = shown.map(|Example { does, lines, .. }| format!("  # {does}\n  {}\n", lines.replace('\n', "\n  ")));
    format!("Examples:\n{}", shown.collect::<Vec<_>>().join("\n"))
}

fn completions() -> Command {
    let shell = Arg::new("shell").value_name("SHELL").value_parser(clap::value_parser!(Shell)).required(true);
    Command::new(COMPLETIONS)
        .about("Print completions for a shell")
        .arg(shell.help("The shell that completes"))
        .after_help(
            "For bash, once:\n  keyrotor completions bash \\\n    >~/.local/share/bash-completion/completions/keyrotor",
        )
}

fn manual() -> Command {
    Command::new(MAN).about("Print the manual page").after_help("To read it:\n  keyrotor man | man -l -")
}

/// What is printed for `--help` or `-h` among the arguments.
#[must_use]
pub fn help(surroundings: &Surroundings) -> StyledStr {
    let words = words(surroundings);
    let long = words.iter().find(|word| ["-h", "--help"].contains(word)).is_some_and(|word| *word == "--help");
    let topic = words.iter().find(|word| commands().find_subcommand(word).is_some());
    topic.and_then(|topic| page(Some(topic), long)).or_else(|| page(None, long)).unwrap_or_default()
}

/// What the program tells about itself where the first argument asks for that: `help`, `completions` or `man`.
///
/// # Errors
/// What was expected instead, without a word of what was given.
#[must_use]
pub fn about_itself(surroundings: &Surroundings) -> Option<Result<StyledStr, String>> {
    let words = words(surroundings);
    let (first, rest) = words.split_first()?;
    if rest.iter().any(|word| word.starts_with('-')) {
        return None;
    }
    match (*first, rest) {
        (HELP, []) => page(None, false).map(Ok),
        (HELP, [topic]) => Some(page(Some(topic), true).ok_or_else(|| one_of("help", commands().get_subcommands()))),
        (COMPLETIONS, [shell]) => Some(Shell::from_str(shell, false).map(completed).map_err(|_| no_shell())),
        (COMPLETIONS, _) => Some(Err(no_shell())),
        (MAN, []) => Some(man_page().map_err(|error| format!("man: {error}"))),
        (HELP | MAN, _) => Some(Err(format!("{first}: takes no more than one word"))),
        _ => None,
    }
}

fn words(surroundings: &Surroundings) -> Vec<&str> {
    surroundings.args.iter().filter_map(|arg| arg.to_str()).collect()
}

fn one_of<'a>(what: &str, commands: impl Iterator<Item = &'a Command>) -> String {
    let names: Vec<_> = commands.map(|command| format!("`{}`", command.get_name())).collect();
    format!("{what}: expected one of {}", names.join(", "))
}

fn no_shell() -> String {
    let names: Vec<_> = Shell::value_variants().iter().map(|shell| format!("`{shell}`")).collect();
    format!("{COMPLETIONS}: expected one of {}", names.join(", "))
}

/// The help of a command, else of the program; `None` where there is no such command.
fn page(topic: Option<&str>, long: bool) -> Option<StyledStr> {
    let mut all = commands();
    all.build();
    let command = match topic {
        Some(topic) => all.find_subcommand_mut(topic)?,
        // A short list needs no headings.
        None if !long => &mut all.mut_args(|arg| arg.help_heading(None)),
        None => &mut all,
    };
    Some(if long { command.render_long_help() } else { command.render_help() })
}

fn completed(shell: Shell) -> StyledStr {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut commands(), NAME, &mut script);
    String::from_utf8_lossy(&script).into_owned().into()
}

/// One page for all commands, with the options of every one of them.
fn man_page() -> std::io::Result<StyledStr> {
    let mut root = commands().max_term_width(0);
    let here: Vec<_> = root.get_arguments().map(|arg| arg.get_id().clone()).collect();
    let others: Vec<_> = Task::ALL.into_iter().flat_map(options).filter(|arg| arg.get_long().is_some()).collect();
    for arg in others {
        if !here.contains(arg.get_id()) && root.get_arguments().all(|own| own.get_id() != arg.get_id()) {
            root = root.arg(arg);
        }
    }
    let mut page = Vec::new();
    Man::new(root).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned().into())
}
