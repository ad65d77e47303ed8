//! What the rotations of one file may not have in common: a family, a target, a key.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;

use crate::cli::{Raw, Spot};
use crate::config::file::Entry;
use crate::config::problem::Problems;
use crate::config::secrets::Secrets;
use crate::config::targets::Placed;
use crate::config::{IssuerSettings, RotationRequest, Warning};
use crate::secret::Secret;

/// One rotation on its way to a request, as far as it could be read.
pub(super) struct Draft<'a> {
    pub(super) entry: &'a Entry,
    /// What `current-key-env` leads to.
    pub(super) current: Option<Secret>,
    pub(super) targets: Vec<Placed>,
    pub(super) request: Option<RotationRequest>,
}

impl Draft<'_> {
    /// Where the rotation states an input, else where it is named.
    fn stated(&self, name: &str) -> &Spot {
        let inputs = &self.entry.inputs;
        let spot = inputs.get(name).or(inputs.get("key-name")).and_then(|raw| raw.spot.as_ref());
        spot.unwrap_or(&self.entry.spot)
    }
}

/// Notes whatever belongs to one rotation and stands in two.
pub(super) fn check_conflicts(drafts: &[Draft<'_>], secrets: &Secrets, problems: &mut Problems) {
    let mut conflicts = Conflicts { problems, seen: BTreeMap::new(), files: BTreeMap::new() };
    for draft in drafts {
        for (name, is) in
            [("key-name", "is the family of the rotation"), ("replace-key-id", "is the key to replace of the rotation")]
        {
            if let Some(Raw { text, spot: Some(spot) }) = draft.entry.inputs.get(name) {
                conflicts.check((name, text.clone()), text, spot, is);
            }
        }
        for placed in draft.targets.iter().filter(|placed| placed.sound) {
            if let Some((file, path)) = placed.target.file_here() {
                conflicts.check_spelling(file, path, &placed.spot);
            }
            let what = ("targets", placed.target.identity());
            conflicts.check(what, &placed.target.label(), &placed.spot, "is a target of the rotation");
        }
    }
    let problems = conflicts.problems;
    if secrets.management_key.is_some()
        && let Some(other) = unlike_the_first(drafts, |issuer| discriminant(&issuer.kind))
    {
        let message = "the one `management-key` would be sent to two issuers: expected the rotations of each in a file of \
                       their own";
        problems.note(other.stated("issuer").of("issuer"), message);
    } else if secrets.management_key.is_some()
        && let Some(other) = unlike_the_first(drafts, |issuer| issuer.url.clone())
    {
        let message = "the one `management-key` would be sent to two addresses: expected the rotations of each in a file of \
                       their own";
        problems.note(other.stated("issuer-url").of("issuer-url"), message);
    }
    for (at, draft) in drafts.iter().enumerate() {
        let before = drafts.get(..at).unwrap_or_default();
        for message in draft.current.iter().flat_map(|value| shared(value, before, drafts.len(), secrets)) {
            problems.note(draft.entry.inputs.at("current-key-env"), message);
        }
    }
}

/// The first rotation that does not have the same issuer as the first one, in this respect.
fn unlike_the_first<'a, T: PartialEq>(
    drafts: &'a [Draft<'a>],
    what: impl Fn(&IssuerSettings) -> T,
) -> Option<&'a Draft<'a>> {
    let of = |draft: &Draft<'_>| draft.request.as_ref().map(|request| what(&request.issuer));
    let first = drafts.iter().find_map(of)?;
    drafts.iter().find(|draft| of(draft).is_some_and(|other| other != first))
}

struct Conflicts<'a> {
    problems: &'a mut Problems,
    seen: BTreeMap<(&'static str, String), Spot>,
    /// Where each file stands first, and how it is written there.
    files: BTreeMap<String, (Spot, String)>,
}

impl Conflicts<'_> {
    fn check(&mut self, what: (&'static str, String), shown: &str, spot: &Spot, is: &str) {
        if let Some(before) = self.seen.get(&what) {
            let message = format!("{is} on line {} too: expected in one rotation alone", before.place.line);
            self.problems.wrong(spot.of(what.0), shown, message);
        } else {
            self.seen.insert(what, spot.clone());
        }
    }

    /// Every target in a file has to name it alike: what lies beside one of them may be another.
    fn check_spelling(&mut self, file: String, path: &str, spot: &Spot) {
        let (before, written) = self.files.entry(file).or_insert_with(|| (spot.clone(), path.to_owned()));
        if written != path {
            let message = format!(
                "is the file `{written}` on line {}, and these are two spellings of one place: expected one",
                before.place.line
            );
            self.problems.wrong(spot.of("targets"), path, message);
        }
    }
}

/// Where a key in hand stands elsewhere too. One rotation would delete it under the others.
fn shared(value: &Secret, before: &[Draft<'_>], count: usize, secrets: &Secrets) -> Vec<String> {
    let mut shared = Vec::new();
    let same = before.iter().find(|draft| draft.current.as_ref() == Some(value));
    if let Some(spot) = same.and_then(|draft| draft.entry.inputs.at("current-key-env").spot) {
        let line = spot.place.line;
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
    let name = &draft.entry.inputs.get("key-name")?.text;
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
