//! What the rotations of one file may not have in common: a family, a target, a key.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;

use crate::config::file::Entry;
use crate::config::problem::{Problem, Problems};
use crate::config::secrets::Secrets;
use crate::config::targets::Placed;
use crate::config::yaml::Place;
use crate::config::{RotationRequest, Warning};
use crate::secret::Secret;

/// One rotation on its way to a request, as far as it could be read.
pub(super) struct Draft<'a> {
    pub(super) entry: &'a Entry,
    /// What `current-key-env` leads to.
    pub(super) current: Option<Secret>,
    pub(super) targets: Vec<Placed>,
    pub(super) request: Option<RotationRequest>,
}

/// Notes whatever belongs to one rotation and stands in two.
pub(super) fn check_together(path: &str, drafts: &[Draft<'_>], secrets: &Secrets, problems: &mut Problems) {
    let mut together = Together { path, problems, seen: BTreeMap::new(), files: BTreeMap::new() };
    for draft in drafts {
        let own = &draft.entry.own;
        if let Some(name) = &own.key_name {
            together.check(("key-name", name.text.clone()), &name.text, name.at, "is the family of the rotation");
        }
        if let Some(id) = &own.replace_key_id {
            together.check(
                ("replace-key-id", id.text.clone()),
                &id.text,
                id.at,
                "is the key to replace of the rotation",
            );
        }
        for placed in draft.targets.iter().filter(|placed| placed.sound) {
            if let Some((file, path)) = placed.target.file_here() {
                together.check_spelling(file, path, placed.at);
            }
            let what = ("targets", placed.target.identity());
            together.check(what, &placed.target.label(), placed.at, "is a target of the rotation");
        }
    }
    let problems = together.problems;
    if secrets.management_key.is_some()
        && let Some(at) = of_another_issuer(drafts)
    {
        let message = "the one `management-key` would be sent to two issuers: expected the rotations of each in a file of \
                       their own";
        problems.push(Problem::new("issuer", message).at(path, at));
    } else if secrets.management_key.is_some()
        && let Some(at) = of_another_address(drafts)
    {
        let message = "the one `management-key` would be sent to two addresses: expected the rotations of each in a file of \
                       their own";
        problems.push(Problem::new("issuer-url", message).at(path, at));
    }
    for (at, draft) in drafts.iter().enumerate() {
        let before = drafts.get(..at).unwrap_or_default();
        if let (Some(value), Some(variable)) = (&draft.current, &draft.entry.own.current_key_env) {
            for message in shared(value, before, drafts.len(), secrets) {
                problems.push(Problem::new("current-key-env", message).at(path, variable.at));
            }
        }
    }
}

/// Where the first rotation stands whose keys somebody else issues than the first one's.
fn of_another_issuer(drafts: &[Draft<'_>]) -> Option<Place> {
    let kind = |draft: &Draft<'_>| draft.request.as_ref().map(|request| discriminant(&request.issuer.kind));
    let first = drafts.iter().find_map(kind)?;
    let other = drafts.iter().find(|draft| kind(draft).is_some_and(|kind| kind != first))?;
    let stated = other.entry.settings.issuer.as_ref().map(|issuer| issuer.at);
    stated.or(other.entry.own.key_name.as_ref().map(|name| name.at))
}

/// Where the first rotation stands whose keys are asked for at another address than the first one's.
fn of_another_address(drafts: &[Draft<'_>]) -> Option<Place> {
    let url = |draft: &Draft<'_>| draft.request.as_ref().map(|request| request.issuer.url.clone());
    let first = drafts.iter().find_map(url)?;
    let other = drafts.iter().find(|draft| url(draft).is_some_and(|url| url != first))?;
    let stated = other.entry.settings.issuer_url.as_ref().map(|url| url.at);
    stated.or(other.entry.own.key_name.as_ref().map(|name| name.at))
}

struct Together<'a> {
    path: &'a str,
    problems: &'a mut Problems,
    seen: BTreeMap<(&'static str, String), Place>,
    /// Where each file stands first, and how it is written there.
    files: BTreeMap<String, (Place, String)>,
}

impl Together<'_> {
    fn check(&mut self, what: (&'static str, String), shown: &str, at: Place, is: &str) {
        let field = what.0;
        if let Some(before) = self.seen.get(&what) {
            let message = format!("{is} on line {} too: expected in one rotation alone", before.line);
            self.problems.push(Problem::new(field, message).with_value(shown).at(self.path, at));
        } else {
            self.seen.insert(what, at);
        }
    }

    /// Every target in a file has to name it alike: what lies beside one of them may be another.
    fn check_spelling(&mut self, file: String, path: &str, at: Place) {
        let (before, written) = self.files.entry(file).or_insert_with(|| (at, path.to_owned()));
        if written != path {
            let message = format!(
                "is the file `{written}` on line {}, and these are two spellings of one place: expected one",
                before.line
            );
            self.problems.push(Problem::new("targets", message).with_value(path).at(self.path, at));
        }
    }
}

/// Where a key in hand stands elsewhere too. One rotation would delete it under the others.
fn shared(value: &Secret, before: &[Draft<'_>], count: usize, secrets: &Secrets) -> Vec<String> {
    let mut shared = Vec::new();
    let same = before.iter().find(|draft| draft.current.as_ref() == Some(value));
    if let Some(variable) = same.and_then(|draft| draft.entry.own.current_key_env.as_ref()) {
        let line = variable.at.line;
        shared.push(format!("the variable holds the same key as the one on line {line}, which that rotation replaces"));
    }
    if secrets.github_token.as_ref() == Some(value) {
        shared.push("the variable holds the same value as `github-token`".to_owned());
    }
    if count > 1 && secrets.management_key.as_ref() == Some(value) {
        let message = "the variable holds the same value as `management-key`: it would be replaced under the others";
        shared.push(message.to_owned());
    }
    shared
}

/// The guide asks for a key per environment.
pub(super) fn spans_environments(draft: &Draft<'_>) -> Option<Warning> {
    let places = draft.targets.iter().filter_map(|placed| placed.target.at_github());
    let environments = environments(places.map(|target| target.place.to_string()));
    if environments.len() < 2 {
        return None;
    }
    let name = &draft.entry.own.key_name.as_ref()?.text;
    let all = environments.into_iter().collect::<Vec<_>>().join(", ");
    let text = format!("one key serves several environments ({all}); with a rotation for each, a leak stays in one");
    Some(Warning { rotation: Some(name.clone()), text })
}

/// The deployment environments among places, each once. GitHub takes their names without regard to case.
pub(crate) fn environments(places: impl Iterator<Item = String>) -> BTreeSet<String> {
    let environment = |place: String| {
        let locator = place.strip_prefix("env:")?;
        locator.splitn(3, '/').nth(2).map(str::to_lowercase)
    };
    places.filter_map(environment).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environments_are_told_apart_by_name_alone() {
        let of = |places: &[&str]| {
            environments(places.iter().map(|place| (*place).to_owned())).into_iter().collect::<Vec<_>>()
        };
        assert_eq!(of(&["env:acme/app/production", "env:acme/api/Production", "repo:acme/app"]), ["production"]);
        assert_eq!(of(&["env:acme/app/production", "env:acme/app/staging"]), ["production", "staging"]);
        assert_eq!(of(&["env:acme/app/review/1", "env:acme/app/review/2"]), ["review/1", "review/2"]);
    }
}
