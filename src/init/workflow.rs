//! The workflow that `init` writes, and the secrets that it needs.

use crate::cli::Inputs;
use crate::store::target::{self, SecretName, Target};

/// Everything that the workflow says.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) repository: String,
    pub(super) key_name: String,
    pub(super) targets: Vec<String>,
    /// The secret's name in targets that do not say otherwise.
    pub(super) secret_name: String,
    pub(super) rotate_after: String,
    pub(super) grace_period: String,
    pub(super) schedule: String,
    /// Where the secrets lie, if not in the repository.
    pub(super) environment: Option<String>,
    pub(super) app_client_id: Option<String>,
    pub(super) replace_key_id: Option<String>,
    pub(super) openrouter: bool,
}

/// A secret that the workflow reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Needed {
    pub(super) name: String,
    pub(super) what: &'static str,
    /// It is a file of several lines, which no prompt takes.
    pub(super) is_file: bool,
}

impl Plan {
    /// What was answered, with defaults for the rest; `None` while the family or the repository is not known.
    pub(super) fn new(answers: &Inputs) -> Option<Self> {
        let answer = |name| answers.text(name).map(str::to_owned);
        let or = |name, default: &str| answer(name).unwrap_or_else(|| default.to_owned());
        let (repository, key_name) = (answer("repository")?, answer("key-name")?);
        let openrouter = answers.text("issuer") == Some("openrouter");
        let targets = or("targets", &default_target(&repository));
        let targets = targets.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
        Some(Self {
            targets,
            secret_name: or("secret-name", default_secret(openrouter)),
            rotate_after: or("rotate-after", ROTATE_AFTER),
            grace_period: or("grace-period", GRACE_PERIOD),
            schedule: or("schedule", &default_schedule(&key_name)),
            environment: Some(or("environment", ENVIRONMENT)).filter(|name| name != NONE),
            app_client_id: answer("app-client-id"),
            replace_key_id: answer("replace-key-id"),
            openrouter,
            repository,
            key_name,
        })
    }

    /// The file's name.
    pub(super) fn file(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' };
        format!("rotate-{}.yml", self.key_name.chars().map(plain).collect::<String>().to_lowercase())
    }

    /// The secret that this repository's own jobs read the key from, if one of the targets is that.
    pub(super) fn own_secret(&self) -> Option<String> {
        let secret = SecretName::parse(&self.secret_name).ok()?;
        let (targets, _) = target::parse(&self.targets.join("\n"), &secret);
        let own = format!("repo:{}", self.repository).to_lowercase();
        let within = self.environment.as_ref().map(|name| format!("env:{}/{name}", self.repository).to_lowercase());
        let is_own = |place: &str| place == own || Some(place) == within.as_deref();
        let found = targets.iter().filter_map(Target::at_github);
        let mut found = found.filter(|target| is_own(&target.place.to_string().to_lowercase()));
        found.next().map(|target| target.secret.to_string())
    }

    /// What the workflow reads beside the key in use.
    pub(super) fn secrets(&self) -> Vec<Needed> {
        let management = Needed {
            name: self.management_key().to_owned(),
            what: "the management key, which makes and deletes keys",
            is_file: false,
        };
        let writer = match self.app_client_id {
            Some(_) => {
                Needed { name: APP_KEY.to_owned(), what: "the GitHub App's private key, a PEM file", is_file: true }
            }
            None => Needed {
                name: TOKEN.to_owned(),
                what: "a fine-grained token with \"Secrets\" (read and write) for the targets",
                is_file: false,
            },
        };
        vec![management, writer]
    }

    fn management_key(&self) -> &'static str {
        if self.openrouter { "OPENROUTER_MANAGEMENT_KEY" } else { "AROUTER_MANAGEMENT_KEY" }
    }

    /// The whole file.
    pub(super) fn workflow(&self) -> String {
        let mut text = HEAD
            .replace(
                "{about}",
                &format!(
                    "Looks at the key {} on schedule, rotates it when it is older than {}",
                    self.key_name, self.rotate_after
                ),
            )
            .replace("{name}", &scalar(&format!("Rotate the key {}", self.key_name)))
            .replace("{cron}", &self.schedule)
            .replace("{group}", &scalar(&format!("rotate-{}", self.key_name)));
        if let Some(environment) = &self.environment {
            text.push_str("    # Holds the secrets; let only the default branch use it.\n");
            text.push_str(&format!("    environment: {}\n", scalar(environment)));
        }
        let (pin, reference) = action();
        text.push_str(&STEP.replace("{pin}", &pin).replace("{reference}", &reference));
        for (name, value) in self.with() {
            text.push_str(&format!("          {name}: {value}\n"));
        }
        text + TAIL
    }

    fn with(&self) -> Vec<(&'static str, String)> {
        let secret = |name: &str| format!("${{{{ secrets.{name} }}}}");
        let mut with = vec![("key-name", scalar(&self.key_name))];
        if self.openrouter {
            with.push(("issuer", "openrouter".to_owned()));
        }
        with.push(("management-key", secret(self.management_key())));
        if let Some(own) = self.own_secret() {
            with.push(("current-key", secret(&own)));
        }
        if let Some(id) = &self.replace_key_id {
            with.push(("replace-key-id", scalar(id)));
        }
        match &self.app_client_id {
            Some(id) => {
                with.push(("app-client-id", scalar(id)));
                with.push(("app-private-key", secret(APP_KEY)));
            }
            None => with.push(("github-token", secret(TOKEN))),
        }
        let lines = self.targets.iter().map(|line| format!("\n            {line}"));
        with.push(("targets", format!("|{}", lines.collect::<String>())));
        if self.secret_name != default_secret(self.openrouter) {
            with.push(("secret-name", scalar(&self.secret_name)));
        }
        with.push(("rotate-after", self.rotate_after.clone()));
        with.push(("grace-period", self.grace_period.clone()));
        with
    }
}

pub(super) const ROTATE_AFTER: &str = "30d";
pub(super) const GRACE_PERIOD: &str = "24h";
pub(super) const ENVIRONMENT: &str = "rotation";
/// In the place of an environment's name.
pub(super) const NONE: &str = "none";
const TOKEN: &str = "ROTATION_TOKEN";
const APP_KEY: &str = "ROTATION_APP_KEY";

pub(super) fn default_target(repository: &str) -> String {
    format!("repo:{repository}")
}

pub(super) fn default_secret(openrouter: bool) -> &'static str {
    if openrouter { "OPENROUTER_API_KEY" } else { "AROUTER_API_KEY" }
}

/// What to know of the action's version, and the version.
fn action() -> (String, String) {
    let major = env!("CARGO_PKG_VERSION_MAJOR");
    match env!("CARGO_PKG_VERSION").starts_with(BEFORE_ALL) {
        true => {
            let pin = "There is no release yet: put the commit of main that you have reviewed in the place of";
            (format!("{pin} {A_COMMIT}."), A_COMMIT.to_owned())
        }
        false => {
            let pin = format!("Pin the commit of the release: keyrotor/keyrotor@<40 hex digits> # v{major}.x.y");
            (pin, format!("v{major}"))
        }
    }
}

/// Every day, for each family at its own minute, and none at the full hour, when GitHub's queue is longest.
pub(super) fn default_schedule(key_name: &str) -> String {
    let sum: usize = key_name.bytes().map(usize::from).sum();
    format!("{} {} * * *", 1 + sum % 59, 3 + sum % 4)
}

/// A YAML scalar that means this text: in quotation marks, which YAML takes as JSON does, unless it is a plain word.
fn scalar(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ' ');
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic()) && !text.ends_with(' ');
    let means_more = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    if begins && text.chars().all(is_plain) && !means_more.contains(&text.to_lowercase().as_str()) {
        return text.to_owned();
    }
    serde_json::to_string(text).unwrap_or_default()
}

const HEAD: &str = "\
# {about}.
# Made by `keyrotor init`; yours to change.
name: {name}

on:
  schedule:
    - cron: \"{cron}\" # UTC
  workflow_dispatch: # the button \"Run workflow\"
    inputs:
      dry-run:
        description: Only say what would be done
        type: boolean
        default: true
      rotate-now:
        description: Rotate even if the key is young
        type: boolean
        default: false

# The action needs nothing of GITHUB_TOKEN, which can't write secrets anyway.
permissions: {}

concurrency:
  # The same group in every workflow that rotates this key: one run of a family at a time.
  group: {group}
  # A cancelled rotation has 7 seconds to leave everything in order.
  cancel-in-progress: false

jobs:
  rotate:
    name: Rotate
    runs-on: ubuntu-latest
    timeout-minutes: 30
";

const STEP: &str = "    steps:
      # {pin}
      - uses: keyrotor/keyrotor@{reference}
        with:
";

/// How its version begins until there is a release.
const BEFORE_ALL: &str = "1.0.0-";
/// In the place of a commit that a person has to choose.
pub(super) const A_COMMIT: &str = "<commit>";

const TAIL: &str = "          # The button's. Both are empty on schedule, and then false.
          dry-run: ${{ inputs.dry-run }}
          rotate-now: ${{ inputs.rotate-now }}
";

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(answers: &[(&'static str, &str)]) -> Plan {
        let known = [("repository", "acme/app"), ("key-name", "production")];
        let answers = known.iter().chain(answers).map(|(name, text)| (*name, (*text).to_owned())).collect();
        Plan::new(&answers).unwrap_or_else(|| unreachable!("both are known"))
    }

    #[test]
    fn the_key_in_use_is_read_where_this_repository_has_it() {
        assert_eq!(plan(&[]).own_secret().as_deref(), Some("AROUTER_API_KEY"));
        let to = |line: &str| plan(&[("targets", line)]).own_secret();
        assert_eq!(to("repo:acme/api,app secret=LLM_KEY").as_deref(), Some("LLM_KEY"));
        assert_eq!(to("env:acme/app/rotation").as_deref(), Some("AROUTER_API_KEY"));
        assert_eq!((to("repo:acme/api"), to("env:acme/app/production"), to("org:acme")), (None, None, None));
    }

    #[test]
    fn a_text_that_means_more_to_yaml_is_quoted() {
        for (text, expected) in [("production", "production"), ("on", "\"on\""), ("12", "\"12\""), ("a: b", "\"a: b\"")]
        {
            assert_eq!(scalar(text), expected);
        }
        assert_eq!(scalar("a\"b"), "\"a\\\"b\"");
    }

    #[test]
    fn a_file_has_a_name_that_any_system_takes() {
        let named = |name: &str| plan(&[("key-name", name)]).file();
        assert_eq!(named("production"), "rotate-production.yml");
        assert_eq!(named("Team A/../x"), "rotate-team-a----x.yml");
    }

    #[test]
    fn an_app_takes_the_place_of_the_token() {
        let app = plan(&[("app-client-id", "Iv23liAbCdEf01234567")]);
        let text = app.workflow();
        assert!(text.contains("app-private-key: ${{ secrets.ROTATION_APP_KEY }}") && !text.contains("github-token"));
        let names: Vec<_> = app.secrets().into_iter().map(|it| (it.name, it.is_file)).collect();
        assert_eq!(names, [("AROUTER_MANAGEMENT_KEY".to_owned(), false), ("ROTATION_APP_KEY".to_owned(), true)]);
    }

    #[test]
    fn secrets_of_the_repository_need_no_environment() {
        let without = plan(&[("environment", NONE)]);
        assert!(!without.workflow().contains("environment:") && plan(&[]).workflow().contains("environment: rotation"));
    }
}
