//! The inputs as a person meets them: flags, the runner's `INPUT_*` variables, `--help`.
//!
//! Everything is taken as text; what it means, and whether it is right, is `config`'s.

mod help;
mod inputs;
mod surroundings;
mod values;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command, ValueHint};

pub use help::{about_itself, commands, help};
pub use inputs::{FIELDS, FLAGS, INPUTS, InFile, Input, KEY_ID, RECEIPT_FILE, Task, ValueKind, input, rows};
pub use surroundings::Surroundings;
pub use values::{Inputs, Place, Raw, Spot, Subject};

/// The command line as it is read: every option of every command, each option's help ending in its default.
#[must_use]
pub fn command() -> Command {
    let args = INPUTS.iter().chain(FLAGS).filter(|row| !row.is_secret()).map(arg);
    Command::new(env!("CARGO_PKG_NAME")).version(env!("CARGO_PKG_VERSION")).no_binary_name(true).args(args)
}

/// An input on the command line.
fn arg(row: &Input) -> Arg {
    let required = if row.required { " [required]" } else { "" };
    let default = row.default.map(|default| format!(" [default: {default}]")).unwrap_or_default();
    let note = format!("{required}{default}");
    let arg = Arg::new(row.name).value_name(row.kind.placeholder()).help(format!("{}{note}", row.help));
    let arg = match row.more {
        "" => arg,
        more => arg.long_help(format!("{}\n\n{more}{note}", row.help)),
    };
    let arg = match row.name {
        "command" | KEY_ID => return arg,
        name => arg.long(name).help_heading(row.heading),
    };
    match row.kind {
        ValueKind::Boolean => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
        ValueKind::Targets => arg.action(ArgAction::Append),
        ValueKind::Path => arg.value_hint(ValueHint::FilePath),
        ValueKind::Usd => arg.allow_negative_numbers(true),
        _ => arg,
    }
}

/// The inputs as written: flags, and the variables of those that have no flag on this command line. Secrets aside.
///
/// # Errors
/// What clap makes of the arguments, `--help` and `--version` included: nothing is printed and nothing exits here.
pub fn parse(surroundings: &Surroundings) -> Result<Inputs, clap::Error> {
    refuse_secrets(surroundings)?;
    let matches = command().try_get_matches_from(&surroundings.args)?;
    let flag = |row: &Input| {
        let lines: Vec<&str> = matches.get_many::<String>(row.name)?.map(String::as_str).collect();
        Some(lines.join("\n"))
    };
    let variable = |row: &Input| surroundings.vars.get(&input(row.name)?.variable()).cloned();
    let rows = INPUTS.iter().chain(FLAGS).filter(|row| !row.is_secret());
    let mut given: Vec<_> = rows.filter_map(|row| Some((row.name, flag(row).or_else(|| variable(row))?))).collect();
    if given.iter().any(|(name, text)| *name == "command" && text.trim() == Task::VerifyReceipt.word()) {
        // The word behind it is the file.
        given.iter_mut().filter(|(name, _)| *name == KEY_ID).for_each(|(name, _)| *name = RECEIPT_FILE);
    }
    Ok(given.into_iter().collect())
}

fn refuse_secrets(surroundings: &Surroundings) -> Result<(), clap::Error> {
    for arg in surroundings.args.iter().filter_map(|arg| arg.to_str()) {
        let name = arg.strip_prefix("--").map(|flag| flag.split('=').next().unwrap_or(flag));
        if let Some(secret) = name.and_then(input).filter(|row| row.is_secret()) {
            return Err(command().error(ErrorKind::UnknownArgument, no_flag(secret)));
        }
    }
    Ok(())
}

/// Why a secret is no flag, and how it is given.
#[must_use]
pub fn no_flag(secret: &Input) -> String {
    let own = secret.own_variable();
    format!(
        "`{}` is a secret and has no flag, since arguments can be read by others: set {own} or {own}_FILE",
        secret.name
    )
}

#[cfg(test)]
mod tests;
