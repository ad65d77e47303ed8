//! `init`: asks what is missing, looks at what exists, writes the workflow, says what is left to do. It changes nothing at
//! GitHub, and no value of a secret passes through it.

mod workflow;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::process::Command;
use tokio::time::timeout;

use self::workflow::{A_COMMIT, ENVIRONMENT, GRACE_PERIOD, NONE, Needed, Plan, ROTATE_AFTER};
use self::workflow::{default_schedule, default_secret, default_target};
use crate::checkout;
use crate::child;
use crate::cli::Inputs;
use crate::config;
use crate::config::init::{InitSettings, problems};
use crate::console::Console;
use crate::http::{self, Failure, Retry, Trace};
use crate::regular;
use crate::rotation::clock::Clock;
use crate::rotation::interrupt::Interrupt;
use crate::rotation::model::Held;
use crate::rotation::outcome::Observer as _;
use crate::secret::Secret;
use crate::store::github::{Credential, GitHub, RateLimits};
use crate::store::target::{self, SecretName};
use crate::store::{StoreContext, Stores};

const DONE: u8 = 0;
const UNCHANGED: u8 = 1;
const WRONG_INPUTS: u8 = 2;

/// For one look at GitHub.
const PATIENCE: Duration = Duration::from_secs(30);

/// More than a token has.
const MAX_TOKEN: u64 = 4096;

/// Does what `init` was asked, and returns the exit status.
pub(crate) async fn run(settings: &InitSettings, interrupt: &Interrupt, console: &Rc<Console>) -> u8 {
    let root = checkout::root();
    let mut answers = settings.answers.clone();
    if let (false, Some(origin)) = (answers.has("repository"), checkout::origin(&root)) {
        answers.set("repository", origin, None);
    }
    if console.is_a_conversation() && io::stdin().is_terminal() {
        match ask_for_the_rest(answers, interrupt, console).await {
            Some(answered) => answers = answered,
            None => {
                console.complain("\nNothing was written.\n");
                return UNCHANGED;
            }
        }
    }
    let Some(plan) = Plan::new(&answers) else {
        for flag in ["repository", "key-name"].into_iter().filter(|flag| !answers.has(flag)) {
            console.complain(&format!("{flag}: is required without a terminal: give --{flag}\n"));
        }
        return WRONG_INPUTS;
    };
    let seen = tokio::select! {
        biased;
        () = interrupt.wait() => {
            console.complain("\nNothing was written.\n");
            return UNCHANGED;
        }
        seen = look(settings, &plan, console) => seen,
    };
    if settings.print {
        console.verbatim(&plan.workflow().into());
        console.complain(&left(&plan, &seen, None));
        return DONE;
    }
    let file = root.join(checkout::WORKFLOWS).join(plan.file());
    match write(&file, &plan.workflow(), settings.force) {
        Ok(()) => {
            console.say(&format!("Wrote {}", file.display()));
            console.say_lines(&left(&plan, &seen, Some(&file)));
            DONE
        }
        Err(why) => {
            console.complain(&format!("{}: {why}. Nothing was written.\n", file.display()));
            UNCHANGED
        }
    }
}

/// One question.
struct Question {
    text: &'static str,
    default: Option<String>,
    /// The input that it asks for.
    input: &'static str,
}

/// Asks what no flag says. `None` where the answers end, or the run is told to stop.
async fn ask_for_the_rest(mut answers: Inputs, interrupt: &Interrupt, console: &Console) -> Option<Inputs> {
    console.say(
        "This writes a workflow that rotates a key. Enter takes what stands in brackets; nothing secret is asked for.",
    );
    for nth in 0.. {
        let Some(question) = question(nth, &answers) else { break };
        if answers.has(question.input) {
            continue;
        }
        loop {
            let shown = question.default.as_ref().map(|default| format!(" [{default}]")).unwrap_or_default();
            console.prompt(&format!("{}{shown}: ", question.text));
            let line = line(interrupt).await?;
            let line =
                Some(line.trim().to_owned()).filter(|line| !line.is_empty()).or_else(|| question.default.clone());
            let Some(line) = line else { continue };
            answers.set(question.input, line, None);
            let wrong = problems(&answers, config::read).into_iter().filter(|it| it.input == question.input);
            let wrong: Vec<_> = wrong.collect();
            if wrong.is_empty() {
                break;
            }
            wrong.iter().for_each(|problem| console.say(&format!("  {problem}")));
            answers = answers.without(&[question.input]);
        }
    }
    // No App.
    if answers.text("app-client-id") == Some(NONE) {
        answers = answers.without(&["app-client-id"]);
    }
    Some(answers)
}

fn question(nth: usize, answers: &Inputs) -> Option<Question> {
    let answer = |name| answers.text(name).unwrap_or_default();
    let target = default_target(answer("repository"));
    let secret = default_secret(answer("issuer") == "openrouter");
    let schedule = default_schedule(answer("key-name"));
    let (input, text, default) = match nth {
        0 => ("repository", "Repository that gets the workflow", None),
        1 => ("issuer", "Issuer of the keys, arouter or openrouter", Some("arouter")),
        2 => ("key-name", "Name of the family of keys", Some("production")),
        3 => ("targets", "Where to write the key", Some(target.as_str())),
        4 => ("secret-name", "Name of the secret", Some(secret)),
        5 => ("rotate-after", "Rotate when it is older than", Some(ROTATE_AFTER)),
        6 => ("grace-period", "Keep the old key alive for", Some(GRACE_PERIOD)),
        7 => ("app-client-id", "Client id of a GitHub App that writes, none for a token", Some(NONE)),
        8 => ("environment", "Environment that holds the secrets, or none", Some(ENVIRONMENT)),
        9 => ("schedule", "Schedule, as cron in UTC", Some(schedule.as_str())),
        _ => return None,
    };
    Some(Question { text, default: default.map(str::to_owned), input })
}

/// One line of what a person types, read on a thread of its own, so that a signal is heard meanwhile.
async fn line(interrupt: &Interrupt) -> Option<String> {
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().read_line(&mut line).is_ok_and(|count| count > 0).then_some(line)
    });
    tokio::select! {
        biased;
        () = interrupt.wait() => None,
        line = read => line.ok().flatten(),
    }
}

/// Whether a secret is where the workflow will read it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    There,
    Absent,
    /// Why that is not known.
    Unknown(String),
}

/// Looks whether each secret that the workflow reads is there, by its name.
async fn look(settings: &InitSettings, plan: &Plan, console: &Rc<Console>) -> BTreeMap<String, Seen> {
    let names: Vec<_> = plan.secrets().into_iter().map(|it| it.name).chain(plan.own_secret()).collect();
    let all = |seen: Seen| names.iter().map(|name| (name.clone(), seen.clone())).collect();
    let token = match &settings.token {
        Some(token) => Some(token.clone()),
        None => token_said_by(&mut gh()).await,
    };
    let Some(token) = token else {
        return all(Seen::Unknown(
            "there is no token to look with: `gh auth login`, or set KEYROTOR_GITHUB_TOKEN".to_owned(),
        ));
    };
    console.mask(&token);
    let stores = match stores(settings, token, console) {
        Ok(stores) => stores,
        Err(error) => return all(Seen::Unknown(format!("{error:#}"))),
    };
    let looks = names.iter().map(async |name| {
        let own = plan.own_secret().as_ref() == Some(name);
        let places = plan.environment.iter().map(|environment| format!("env:{}/{environment}", plan.repository));
        let places = places.chain(std::iter::once(format!("repo:{}", plan.repository)));
        let mut last = Seen::Absent;
        // What a job with an environment does not find there, it takes from the repository.
        for place in places.filter(|place| !own || place.starts_with("repo:")) {
            match is_there(&stores, &place, name).await {
                Ok(true) => return (name.clone(), Seen::There),
                Ok(false) => {}
                Err(failure) => last = Seen::Unknown(failure.message().to_owned()),
            }
        }
        (name.clone(), last)
    });
    join_all(looks).await.into_iter().collect()
}

async fn is_there(stores: &Stores, place: &str, name: &str) -> Result<bool, Failure> {
    let secret = SecretName::parse(name).map_err(Failure::refused)?;
    let (targets, _) = target::parse(place, &secret);
    for store in stores.open(&targets) {
        if store.observe().await?.held != Held::Nothing {
            return Ok(true);
        }
    }
    Ok(false)
}

fn stores(settings: &InitSettings, token: Secret, console: &Rc<Console>) -> anyhow::Result<Stores> {
    let client = http::client(PATIENCE)?;
    let (clock, hider) = (Clock::system(), Rc::clone(console));
    let redactor = console.redactor().clone();
    let github = GitHub::new(client.clone(), settings.api_url.clone(), Credential::Token(token), redactor.clone())?;
    let limits = RateLimits::new(&settings.api_url, Retry::default().longest_retry_after);
    let ctx = StoreContext {
        client,
        request_timeout: PATIENCE,
        variables: Rc::default(),
        now: Rc::new(move || clock.wall_time()),
        hide: Rc::new(move |secret| hider.mask(secret)),
        redactor,
        trace: Trace::default(),
    };
    Ok(Stores::new(Some(Rc::new(github.paced(Rc::new(limits)))), ctx))
}

/// Says the token with which it is signed in.
fn gh() -> Command {
    let mut command = Command::new("gh");
    command.args(["auth", "token"]);
    command
}

/// The token that a program says. One that says too much or nothing at all is ended.
async fn token_said_by(command: &mut Command) -> Option<Secret> {
    let said = timeout(PATIENCE, child::ask(command, MAX_TOKEN)).await.ok()?.ok()?;
    let token = Some(Secret::new(str::from_utf8(&said).ok()?.trim().to_owned()));
    let is_token = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    token.filter(|token| is_token(token.expose()))
}

fn write(file: &Path, text: &str, force: bool) -> Result<(), String> {
    let told = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => "exists already; --force writes over it".to_owned(),
        _ => error.to_string(),
    };
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(told)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(!force).create(force).truncate(force);
    let mut opened = regular::open_to_write(file, &mut options).map_err(told)?;
    opened.write_all(text.as_bytes()).map_err(told)
}

/// What is left for a person to do.
fn left(plan: &Plan, seen: &BTreeMap<String, Seen>, file: Option<&Path>) -> String {
    let mut steps = Vec::new();
    let unknown = seen.values().find_map(|seen| match seen {
        Seen::Unknown(why) => Some(why.as_str()),
        _ => None,
    });
    let mut secrets: Vec<String> =
        unknown.map(|why| format!("  # What is there could not be seen: {why}")).into_iter().collect();
    if let Some(environment) = plan.environment.as_ref().filter(|_| unknown.is_some()) {
        secrets.push("  # Makes the environment. Leave it out if there is one: it resets protection rules.".to_owned());
        secrets.push(format!("  gh api --method PUT repos/{}/environments/{environment}", plan.repository));
    }
    secrets.extend(plan.secrets().iter().flat_map(|needed| set(plan, needed, seen.get(&needed.name))));
    steps.push(format!("Set the secrets. gh asks for each value:\n{}", secrets.join("\n")));
    if let Some(name) = plan.own_secret().filter(|name| seen.get(name) == Some(&Seen::Absent)) {
        steps.push(format!(
            "{name} holds no key yet. Either store the key in use there:\n  gh secret set {name} --repo {}\nor let the \
             first run make one: state its rights then (`allowed-providers`, `allowed-models`, `spending-limit`)",
            plan.repository
        ));
    }
    steps.push(format!(
        "See that everything is there:\n  keyrotor doctor --key-name {} \\\n    --targets {}",
        shell(&plan.key_name),
        shell(&plan.targets.join("\n"))
    ));
    if file.is_some() {
        let name = plan.file();
        if plan.workflow().contains(A_COMMIT) {
            steps.push(format!(
                "There is no release yet: in the file, put the commit of keyrotor's main that you have reviewed in the place \
                 of {A_COMMIT}"
            ));
        }
        steps.push(format!(
            "Commit the file to the default branch, then say what a run would do, and rotate:\n  gh workflow run {name}\n  \
             gh workflow run {name} -f dry-run=false"
        ));
    }
    let steps = steps.iter().enumerate().map(|(nth, step)| format!("\n{}. {step}\n", nth + 1));
    format!("\nWhat is left to do:\n{}", steps.collect::<String>())
}

/// The command that sets a secret, or that it is there.
fn set(plan: &Plan, needed: &Needed, seen: Option<&Seen>) -> Vec<String> {
    let Needed { name, what, is_file } = needed;
    if seen == Some(&Seen::There) {
        return vec![format!("  # {name} is there already")];
    }
    let environment = plan.environment.as_ref().map(|name| format!(" --env {name}")).unwrap_or_default();
    let from = if *is_file { " <app.private-key.pem" } else { "" };
    vec![format!("  # {what}"), format!("  gh secret set {name} --repo {}{environment}{from}", plan.repository)]
}

/// A word as a shell takes it.
fn shell(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':' | ',' | '=' | '@');
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_program_that_says_nothing_is_ended_after_half_a_minute_with_what_it_started() {
        let (mut silent, began) = (Command::new("sh"), std::time::Instant::now());
        let asleep = "sleep 300.27182";
        silent.arg("-c").arg(format!("{asleep} & {asleep}"));
        let token = token_said_by(&mut silent).await;
        assert!(token.is_none() && began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());
        let left = std::process::Command::new("pgrep").args(["-f", &format!("^{asleep}")]).output();
        assert!(left.is_ok_and(|left| left.stdout.is_empty()), "a program outlived its use");
    }

    #[test]
    fn a_word_survives_the_shell() {
        assert_eq!(shell("repo:acme/app"), "repo:acme/app");
        assert_eq!(shell("it's $x"), "'it'\\''s $x'");
    }
}
