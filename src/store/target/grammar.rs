//! How targets are written: `kind:locator`, then `key=value` words, one target or fleet per line.

use super::accept::Accepted;
use super::selection::{self, Selection};
use super::words::{Words, note};
use super::{Canary, GitHubTarget, Kind, Place, PlaceKind, SecretName, Target, aws, file, kubernetes, locator, vault};
use crate::nearest::nearest;

/// A line that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetProblem {
    /// Counted from 1.
    pub line: usize,
    /// The line without surrounding white space.
    pub text: String,
    /// What is wrong and what is accepted.
    pub message: String,
}

/// Reads targets, one or a fleet per line; blank lines and lines that begin with `#` are passed over. A target without
/// `secret=` gets the name given here. Every problem of every line is returned beside what could be read.
#[must_use]
pub fn parse(text: &str, secret: &SecretName) -> (Vec<Target>, Vec<TargetProblem>) {
    let mut targets = Vec::new();
    let mut problems = Vec::new();
    for (at, text) in text.lines().map(str::trim).enumerate() {
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let mut messages = Vec::new();
        targets.extend(parse_line(text, secret, &mut messages));
        let of_line = |message| TargetProblem { line: at + 1, text: text.to_owned(), message };
        problems.extend(messages.into_iter().map(of_line));
    }
    (targets, problems)
}

fn parse_line(text: &str, secret: &SecretName, problems: &mut Vec<String>) -> Vec<Target> {
    if text.contains("${{") {
        problems.push("still contains `${{`: the expression was not evaluated".to_owned());
        return Vec::new();
    }
    let (head, rest) = head_and_words(text);
    let (kind, locator) = match kind_and_locator(head) {
        Ok(split) => split,
        Err(message) => {
            problems.push(message);
            return Vec::new();
        }
    };
    if !kind.is_in_this_build() {
        let feature = kind.feature().unwrap_or_default();
        problems
            .push(format!("this build has no targets of kind `{kind}`: it was made without the feature `{feature}`"));
    }
    let words = read_words(kind, rest, problems);
    match kind {
        Kind::Kubernetes => kubernetes::read(locator, &words, problems).into_iter().map(Target::Kubernetes).collect(),
        Kind::Vault => vault::read(locator, &words, problems).into_iter().map(Target::Vault).collect(),
        Kind::AwsSecretsManager => aws::read(locator, &words, problems).into_iter().map(Target::Aws).collect(),
        Kind::AwsSsm => aws::read_parameter(locator, &words, problems).into_iter().map(Target::AwsSsm).collect(),
        Kind::File => file::read(locator, &words, secret, problems).into_iter().map(Target::File).collect(),
        Kind::GitHub(kind) => at_github(kind, locator, &words, secret, problems),
    }
}

fn at_github(
    kind: PlaceKind,
    locator: &str,
    words: &Words<'_>,
    secret: &SecretName,
    problems: &mut Vec<String>,
) -> Vec<Target> {
    let own = words.get("secret").and_then(|name| note(problems, SecretName::parse(name)));
    let selects = note(problems, selection::is_asked(kind, locator));
    let reach = match kind {
        PlaceKind::Repo => None,
        _ => locator::reach(words.get("visibility").copied(), words.get("repos").copied(), problems),
    };
    let canary = Canary::of_words(words.get("canary").copied(), words.get("canary-timeout").copied());
    let canary = note(problems, canary).flatten();
    let accepted = Accepted::of_words(words, problems);
    let secret = own.as_ref().unwrap_or(secret);
    let target = |place| GitHubTarget {
        place,
        reach: reach.clone(),
        secret: secret.clone(),
        own_name: own.is_some(),
        canary: canary.clone(),
        accepted: accepted.clone(),
    };
    match selects {
        None => return Vec::new(),
        Some(true) => {
            let Some(owner) = note(problems, locator::owner_of_all(locator)) else { return Vec::new() };
            let like = target(Place::in_repository(kind, owner, selection::ALL));
            return vec![Target::Selection(Selection::of_words(like, words, problems))];
        }
        Some(false) => {}
    }
    if let Some(word) = selection::WORDS.into_iter().find(|word| kind == PlaceKind::Repo && words.contains_key(word)) {
        problems.push(format!("`{word}=` has no meaning for a named repository, only for `repo:OWNER/*`"));
    }
    locator::places(kind, locator, problems).into_iter().map(target).map(Target::GitHub).collect()
}

/// Splits a line before its words. The name of an environment or a path may have spaces in it, so there only what looks
/// like a word ends it.
fn head_and_words(text: &str) -> (&str, &str) {
    let kind = Kind::ALL.into_iter().find(|kind| text.starts_with(&format!("{kind}:")));
    let spaced = kind.is_some_and(Kind::may_have_spaces);
    let mut ends = text.match_indices(char::is_whitespace).map(|(at, _)| text.split_at(at));
    ends.find(|(_, rest)| !spaced || is_word(rest.trim_start())).unwrap_or((text, ""))
}

fn is_word(text: &str) -> bool {
    let key = text.split(|c: char| !(c.is_ascii_lowercase() || c == '-')).next().unwrap_or_default();
    !key.is_empty() && text.get(key.len()..).is_some_and(|rest| rest.starts_with('='))
}

fn kind_and_locator(head: &str) -> Result<(Kind, &str), String> {
    let Some((word, locator)) = head.split_once(':') else {
        let hint = if head.contains('/') { format!("; did you mean `repo:{head}`?") } else { String::new() };
        return Err(format!("expected `kind:locator`, such as `repo:acme/app`{hint}"));
    };
    let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.word() == word) else {
        let words = Kind::ALL.map(Kind::word);
        let hint = nearest(word, words).map(|near| format!("; did you mean `{near}:`?")).unwrap_or_default();
        return Err(format!("`{word}` is not a kind of target: expected one of {}{hint}", words.join(", ")));
    };
    if locator.trim_start() != locator || locator.is_empty() {
        return Err(spaced(kind));
    }
    Ok((kind, locator))
}

/// A space behind the colon, which YAML makes a mapping of.
pub(crate) fn spaced(kind: Kind) -> String {
    format!("expected `{kind}:{}`: remove the space behind `{kind}:`", kind.locator())
}

fn read_words<'a>(kind: Kind, rest: &'a str, problems: &mut Vec<String>) -> Words<'a> {
    let mut words = Words::new();
    for word in rest.split_whitespace() {
        let Some((key, value)) = word.split_once('=') else {
            problems
                .push(format!("`{word}` is not a `key=value` word (no spaces within a target; one target per line)"));
            continue;
        };
        if !kind.words().contains(&key) {
            problems.push(unknown_word(kind, key));
        } else if value.is_empty() {
            problems.push(format!("`{key}=` has no value"));
        } else if words.insert(key, value).is_some() {
            problems.push(format!("`{key}=` stands twice"));
        }
    }
    words
}

fn unknown_word(kind: Kind, key: &str) -> String {
    let accepted = kind.words().join(", ");
    let hint = nearest(key, kind.words().iter().copied()).map(|near| format!("; did you mean `{near}=`?"));
    format!("`{key}=` is not a word of `{kind}` targets (accepted: {accepted}){}", hint.unwrap_or_default())
}

#[cfg(test)]
mod tests;
