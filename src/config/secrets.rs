//! Secrets: where they are read from, and what can't be one.

use std::path::Path;

use crate::cli::{self, Input, Surroundings};
use crate::config::problem::{Problems, looks_like_credential};
use crate::regular;
use crate::secret::prefix;
use crate::secret::{SHORTEST_REDACTED, Secret};
use crate::store::github::AppKey;

/// Larger files are not keys.
const LARGEST_FILE: usize = 64 * 1024;

/// The secrets that were given, right or wrong: all of them must be hidden before anything is printed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets {
    /// May create, list and delete keys.
    pub(crate) management_key: Option<Secret>,
    /// The key deployed now.
    pub(crate) current_key: Option<Secret>,
    /// May write GitHub's secrets.
    pub(crate) github_token: Option<Secret>,
    /// A GitHub App's private key.
    pub(crate) app_private_key: Option<Secret>,
    /// Where the report is posted.
    pub(crate) notify_url: Option<Secret>,
    /// What signs it.
    pub(crate) notify_secret: Option<Secret>,
}

impl Secrets {
    /// Reads every secret from its variables or the file that a variable names, without surrounding white space.
    #[must_use]
    pub(crate) fn read(surroundings: &Surroundings, problems: &mut Problems) -> Self {
        let mut secret = |name| cli::input(name).and_then(|doc| read_one(doc, surroundings, problems));
        Self {
            management_key: secret("management-key"),
            current_key: secret("current-key"),
            github_token: secret("github-token"),
            app_private_key: secret("app-private-key"),
            notify_url: secret("notify-url"),
            notify_secret: secret("notify-secret"),
        }
    }

    /// All that were given, without placeholders. A private key is listed twice: as pasted, and with its line breaks restored.
    #[must_use]
    pub(crate) fn all(&self) -> Vec<Secret> {
        let all = [
            &self.management_key,
            &self.current_key,
            &self.github_token,
            &self.app_private_key,
            &self.notify_url,
            &self.notify_secret,
        ];
        let pem = self.app_private_key.as_ref().and_then(AppKey::pem_of);
        all.into_iter().flatten().filter(|secret| !secret.is_words()).cloned().chain(pem).collect()
    }

    /// Notes what can't be a key or token, and two that can't be the same.
    pub(crate) fn check(&self, problems: &mut Problems) {
        for (name, secret) in [
            ("management-key", &self.management_key),
            ("current-key", &self.current_key),
            ("github-token", &self.github_token),
            ("notify-secret", &self.notify_secret),
        ] {
            if let Some(Err(message)) = secret.as_ref().map(|secret| check_token(secret.expose())) {
                problems.note(name, message);
            }
        }
        for (name, secret) in [("app-private-key", &self.app_private_key), ("notify-url", &self.notify_url)] {
            if let Some(Err(message)) = secret.as_ref().map(|secret| check_evaluated(secret.expose())) {
                problems.note(name, message);
            }
        }
        if let Some(token) = &self.github_token {
            for (name, key) in [("management-key", &self.management_key), ("current-key", &self.current_key)] {
                if key.as_ref() == Some(token) {
                    problems.note("github-token", format!("is the same value as `{name}`"));
                }
            }
        }
    }

    /// Notes that neither key was given.
    pub(crate) fn check_presence(&self, surroundings: &Surroundings, problems: &mut Problems) {
        let management = Self::was_named(&self.management_key, "management-key", surroundings);
        if !management && !Self::was_named(&self.current_key, "current-key", surroundings) {
            let message = format!(
                "is required: the key that may create, list and delete keys; or `current-key` where a key manages itself{}{}",
                Self::how("management-key", surroundings),
                Self::empty("management-key", surroundings)
            );
            problems.note("management-key", message);
        }
    }

    /// Whether a secret was given, or a file that should have held it: then its own problem was noted.
    #[must_use]
    pub(crate) fn was_named(secret: &Option<Secret>, name: &str, surroundings: &Surroundings) -> bool {
        let file = cli::input(name).map(|doc| format!("{}_FILE", doc.own_variable()));
        secret.is_some() || file.is_some_and(|file| surroundings.var(&file).is_some())
    }

    /// Why a secret that is set is not there, as a sentence of its own; nothing where it is not set at all. The runner sets
    /// every input, so that one which is not given can't be told from an empty one.
    #[must_use]
    pub(crate) fn empty(name: &str, surroundings: &Surroundings) -> &'static str {
        let doc = cli::input(name);
        let variables = doc.iter().flat_map(|doc| [doc.variable(), doc.own_variable()]);
        let is_set = variables.into_iter().any(|name| surroundings.vars.contains_key(&name));
        if is_set { EMPTY } else { "" }
    }

    /// How a secret is given from a shell; nothing in a workflow, where it is an input like any other.
    #[must_use]
    pub(crate) fn how(name: &str, surroundings: &Surroundings) -> String {
        let in_workflow = surroundings.var("GITHUB_ACTIONS") == Some("true");
        let own = cli::input(name).filter(|_| !in_workflow).map(Input::own_variable);
        own.map(|own| format!(" (set {own} or {own}_FILE)")).unwrap_or_default()
    }

    /// What looks odd without being certainly wrong: prefixes, and a token that can't write secrets.
    #[must_use]
    pub(crate) fn doubts(&self, surroundings: &Surroundings) -> Vec<String> {
        let mut doubts = Vec::new();
        let mut doubt = |secret: &Option<Secret>, prefixes: &[&str], text: &str| {
            if secret.as_ref().is_some_and(|s| prefixes.iter().any(|prefix| s.expose().starts_with(prefix))) {
                doubts.push(text.to_owned());
            }
        };
        doubt(
            &self.management_key,
            &prefix::AROUTER_LIVE,
            "management-key: this looks like a live key, which may not manage keys",
        );
        doubt(&self.management_key, &prefix::GITHUB, "management-key: this looks like a GitHub token");
        doubt(
            &self.current_key,
            &prefix::AROUTER_MANAGEMENT,
            "current-key: this looks like a management key, not like the key deployed now",
        );
        doubt(&self.current_key, &prefix::GITHUB, "current-key: this looks like a GitHub token");
        doubt(
            &self.github_token,
            &[prefix::AROUTER, prefix::OPENROUTER],
            "github-token: this looks like an API key, not like a GitHub token",
        );
        let own = surroundings.var("GITHUB_TOKEN");
        if self
            .github_token
            .as_ref()
            .is_some_and(|t| own == Some(t.expose()) && t.expose().starts_with(prefix::GITHUB_INSTALLATION))
        {
            doubts.push(format!("github-token: this looks like the workflow's own GITHUB_TOKEN. {TOKEN_NEEDED}"));
        }
        doubts
    }
}

const EMPTY: &str = ". It is empty: the secret does not exist, or it belongs to an environment that the job does not name, or the \
     input is missing";

/// Which token writes secrets.
pub(crate) const TOKEN_NEEDED: &str = "The GITHUB_TOKEN of a workflow can't write secrets: give a fine-grained personal \
     access token or App token with the permission that the targets' kinds need, for `repo` the repository permission \
     \"Secrets\" (read and write)";

fn read_one(doc: &Input, surroundings: &Surroundings, problems: &mut Problems) -> Option<Secret> {
    let own = doc.own_variable();
    let file = format!("{own}_FILE");
    if let Some(value) = surroundings.var(&doc.variable()).or_else(|| surroundings.var(&own)) {
        return Some(Secret::new(value.to_owned()));
    }
    let path = surroundings.var(&file)?;
    match regular::read_text(Path::new(path), LARGEST_FILE) {
        Ok(text) if text.trim().is_empty() => problems.wrong(&file, path, "the file is empty"),
        Ok(text) => return Some(Secret::new(text.trim().to_owned())),
        Err(_) if is_a_secret(path) => {
            problems.note(&file, format!("contains the secret itself: give the path of a file, or set {own}"));
        }
        Err(error) => problems.note(&file, regular::unreadable(path, &error)),
    }
    None
}

/// Whether a secret was given in the place of a path.
fn is_a_secret(path: &str) -> bool {
    !Path::new(path).exists() && (looks_like_credential(path) || !path.contains(['/', '.']) && !path.contains('\n'))
}

/// What keeps a value from being a key or token, as the end of a sentence.
///
/// # Errors
/// Where something does.
pub(super) fn check_token(value: &str) -> Result<(), &'static str> {
    check_evaluated(value)?;
    if value.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("has a space, line break or control character in it: expected one key or token");
    }
    if value.contains('*') || value.contains("...") || value.contains(['…', '•']) {
        return Err("is masked, as a log or a dashboard shows it: expected the whole value");
    }
    if is_assignment(value) {
        return Err("begins with a name and `=`, as in a `.env` file: expected the value alone");
    }
    if value.len() < SHORTEST_REDACTED {
        return Err("is shorter than 6 characters, and could not be hidden in a log: expected one key or token");
    }
    if Secret::new(value.to_owned()).is_words() {
        return Err("is made of words, as a placeholder is: expected the key or token itself");
    }
    if !value.bytes().all(|b| b.is_ascii_graphic()) || value.starts_with(['"', '\'', '`']) {
        return Err("has characters that no key or token has, such as quotation marks around it");
    }
    Ok(())
}

/// Whether a value is a line of a `.env` file. What ends in `=` may be base64.
fn is_assignment(value: &str) -> bool {
    value.split_once('=').is_some_and(|(name, rest)| {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(is_name)
            && !rest.trim_start_matches('=').is_empty()
    })
}

fn check_evaluated(value: &str) -> Result<(), &'static str> {
    if value.contains("${{") {
        return Err("still contains `${{`: the expression was not evaluated");
    }
    if matches!(value.to_ascii_lowercase().as_str(), "null" | "undefined") {
        return Err("is the text `null` or `undefined`: whatever should have set it found nothing");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

    use super::*;
    use crate::config::problem::Problem;

    fn read(vars: &[(&str, &str)]) -> (Secrets, Surroundings, Vec<Problem>) {
        let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let surroundings = Surroundings { vars, ..Surroundings::default() };
        let mut problems = Problems::default();
        let secrets = Secrets::read(&surroundings, &mut problems);
        secrets.check(&mut problems);
        (secrets, surroundings, problems.into_vec())
    }

    fn management_key(vars: &[(&str, &str)]) -> Option<String> {
        read(vars).0.management_key.map(|secret| secret.expose().to_owned())
    }

    #[test]
    fn the_runners_variable_comes_first_then_the_own_then_the_file() {
        let path = std::env::temp_dir().join(format!("keyrotor-secret-{}", std::process::id()));
        std::fs::write(&path, "from-file-1\r\n").unwrap();
        let file = ("KEYROTOR_MANAGEMENT_KEY_FILE", path.to_str().unwrap());
        let own = ("KEYROTOR_MANAGEMENT_KEY", "from-own-1");
        assert_eq!(
            management_key(&[("INPUT_MANAGEMENT-KEY", "from-input-1\n"), own, file]).as_deref(),
            Some("from-input-1")
        );
        assert_eq!(management_key(&[("INPUT_MANAGEMENT-KEY", ""), own, file]).as_deref(), Some("from-own-1"));
        assert_eq!(management_key(&[("KEYROTOR_MANAGEMENT_KEY", " "), file]).as_deref(), Some("from-file-1"));
        assert_eq!(management_key(&[]), None);
        std::fs::write(&path, "\n").unwrap();
        assert_eq!(read(&[file]).2.len(), 1);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_file_that_cant_be_read_is_named() {
        for path in ["/no/such/file", "/dev/zero", "/"] {
            let (_, _, problems) = read(&[("KEYROTOR_GITHUB_TOKEN_FILE", path)]);
            let text = problems.first().unwrap().to_string();
            let told = format!("KEYROTOR_GITHUB_TOKEN_FILE: names {path}, which can't be read: ");
            assert!(text.starts_with(&told), "{text}");
        }
    }

    #[test]
    fn a_secret_in_the_place_of_a_files_name_is_not_repeated() {
        for value in ["c2VjcmV0LW9mLW5vLWtpbmQ", "lr_mgmt_c2VjcmV0/Lm9m", "-----BEGIN KEY-----\nc2Vjc.mV0"] {
            let (_, _, problems) = read(&[("KEYROTOR_MANAGEMENT_KEY_FILE", value)]);
            let text = problems.first().unwrap().to_string();
            assert!(text.contains("itself: give") && !text.contains("c2Vj"), "{text}");
        }
    }

    #[test]
    fn what_cant_be_a_token_is_refused_and_hidden_all_the_same() {
        for value in [
            "lr_live_a b",
            "a\nlr_live",
            "null",
            "Undefined",
            "${{ secrets.KEY }}",
            "\"lr_live_x\"",
            "lr_live_…",
            "***",
            "lr_live_***",
            "lr_live_abc...wxyz",
            "AROUTER_API_KEY=lr_live_x",
            "AROUTER_API_KEY=\"lr_live_x\"",
            "`lr_live_x`",
            "a\u{7}b",
        ] {
            let (secrets, _, problems) = read(&[("INPUT_CURRENT-KEY", value)]);
            let problem = problems.first().unwrap();
            assert_eq!((problem.input.as_str(), &problem.value), ("current-key", &None));
            assert!(!problem.to_string().contains("lr_live"), "{problem}");
            let is_words = secrets.current_key.as_ref().is_some_and(Secret::is_words);
            assert_eq!(secrets.all().len(), usize::from(!is_words), "{value}");
        }
    }

    #[test]
    fn placeholders_and_what_cant_be_hidden_are_no_keys() {
        for (value, told) in
            [("production", "is made of words"), ("Change-me", "is made of words"), ("k3y", "is shorter than 6")]
        {
            let (_, _, problems) = read(&[("INPUT_CURRENT-KEY", value)]);
            let text = problems.first().unwrap().to_string();
            assert!(text.starts_with("current-key: ") && text.contains(told) && !text.contains(value), "{text}");
        }
    }

    #[test]
    fn padding_is_no_assignment() {
        for value in ["bHJfbGl2ZQ==", "bHJfbGl2ZV8=", "a-b=c12"] {
            assert_eq!(check_token(value), Ok(()), "{value}");
        }
    }

    #[test]
    fn a_key_is_no_github_token() {
        let same = |a, b| read(&[(a, "lr_live_same1"), (b, "lr_live_same1")]).2.len();
        assert_eq!(same("INPUT_GITHUB-TOKEN", "INPUT_CURRENT-KEY"), 1);
        assert_eq!(same("INPUT_GITHUB-TOKEN", "KEYROTOR_MANAGEMENT_KEY"), 1);
        assert_eq!(same("INPUT_MANAGEMENT-KEY", "INPUT_CURRENT-KEY"), 0);
    }

    #[test]
    fn prefixes_are_doubts_and_never_problems() {
        let doubts = |vars: &[(&str, &str)]| {
            let (secrets, surroundings, problems) = read(vars);
            assert_eq!(problems, []);
            secrets.doubts(&surroundings).len()
        };
        assert_eq!(doubts(&[("INPUT_MANAGEMENT-KEY", "lr_live_x1"), ("INPUT_CURRENT-KEY", "lr_mgmt_x1")]), 2);
        assert_eq!(doubts(&[("INPUT_MANAGEMENT-KEY", "lr_mgmt_x1"), ("INPUT_CURRENT-KEY", "lr_live_x1")]), 0);
        assert_eq!(doubts(&[("INPUT_MANAGEMENT-KEY", "ghp_x1"), ("INPUT_GITHUB-TOKEN", "lr_live_x1")]), 2);
        assert_eq!(doubts(&[("INPUT_GITHUB-TOKEN", "ghs_x1"), ("GITHUB_TOKEN", "ghs_x1")]), 1);
        assert_eq!(doubts(&[("INPUT_GITHUB-TOKEN", "ghs_x1"), ("GITHUB_TOKEN", "ghs_y1")]), 0);
    }
}
