//! What stands behind the colon of a target at GitHub: owners, repositories, environments, organisations, by GitHub's
//! rules for their names.

use super::words::note;
use super::{Kind, Place, PlaceKind, Reach};

const LONGEST_OWNER: usize = 39;
const LONGEST_REPOSITORY: usize = 100;
/// GitHub's page "Managing environments for deployment".
const LONGEST_ENVIRONMENT: usize = 255;
/// What GitHub refuses in an environment's name, beside control characters.
const NOT_IN_ENVIRONMENTS: [char; 6] = ['\'', '"', '`', ',', ';', '\\'];

/// The places that a locator names: a comma in its last part names several.
pub(super) fn places(kind: PlaceKind, locator: &str, problems: &mut Vec<String>) -> Vec<Place> {
    match kind {
        PlaceKind::Env => environments(locator, problems),
        kind if kind.row().of_organisation => organisations(kind, locator, problems),
        kind => repositories(kind, locator, problems),
    }
}

/// The owner in `OWNER/*`.
pub(super) fn owner_of_all(locator: &str) -> Result<&str, String> {
    check_owner(locator.split('/').next().unwrap_or_default())
}

fn organisations(kind: PlaceKind, locator: &str, problems: &mut Vec<String>) -> Vec<Place> {
    let place = |org: &str| Place::in_organisation(kind, org);
    if locator.contains('/') {
        problems.push(format!("expected `{kind}:ORG`: an organisation's name alone, without a repository"));
        return Vec::new();
    }
    locator.split(',').filter_map(|org| note(problems, check_owner(org))).map(place).collect()
}

fn environments(locator: &str, problems: &mut Vec<String>) -> Vec<Place> {
    let mut parts = locator.splitn(3, '/');
    let (Some(owner), Some(name), Some(environments)) = (parts.next(), parts.next(), parts.next()) else {
        problems.push("expected `env:OWNER/NAME/ENVIRONMENT`, or `env:OWNER/NAME/ENVIRONMENT,ENVIRONMENT`".to_owned());
        return Vec::new();
    };
    let owner = note(problems, check_owner(owner));
    let name = note(problems, check_repository(PlaceKind::Env, name));
    let mut places = Vec::new();
    for environment in environments.split(',') {
        if let (Some(environment), Some(owner), Some(name)) =
            (note(problems, check_environment(environment)), owner, name)
        {
            places.push(Place::in_environment(owner, name, environment));
        }
    }
    places
}

fn repositories(kind: PlaceKind, locator: &str, problems: &mut Vec<String>) -> Vec<Place> {
    let Some((owner, names)) = locator.split_once('/') else {
        problems.push(format!("expected `{kind}:OWNER/NAME`, or `{kind}:OWNER/NAME,NAME` for several"));
        return Vec::new();
    };
    let owner = note(problems, check_owner(owner));
    let mut places = Vec::new();
    for name in names.split(',') {
        if let (Some(name), Some(owner)) = (note(problems, check_repository(kind, name)), owner) {
            places.push(Place::in_repository(kind, owner, name));
        }
    }
    places
}

/// GitHub's rule for user and organisation names; `_` stands in those of managed users.
pub(crate) fn is_owner(owner: &str) -> bool {
    let letters = !owner.is_empty() && owner.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let hyphens = !owner.starts_with('-') && !owner.ends_with('-') && !owner.contains("--");
    letters && hyphens && owner.len() <= LONGEST_OWNER
}

fn check_owner(owner: &str) -> Result<&str, String> {
    if is_owner(owner) {
        Ok(owner)
    } else {
        Err(format!("`{owner}` is not an owner: letters, digits and single hyphens, at most {LONGEST_OWNER}"))
    }
}

fn check_repository(kind: PlaceKind, name: &str) -> Result<&str, String> {
    if name.is_empty() {
        return Err(format!(
            "a repository's name is empty: expected `{kind}:{}` without spaces",
            Kind::GitHub(kind).locator()
        ));
    }
    if name.contains('/') {
        return Err(format!("`{name}`: names behind a comma share the owner; another owner needs a line of its own"));
    }
    if name.contains(',') {
        return Err(format!("`{name}`: only the last part names several; another repository needs a line of its own"));
    }
    if is_repository(name) {
        Ok(name)
    } else {
        Err(format!("`{name}` is not a repository's name: {REPOSITORY_RULE}, at most {LONGEST_REPOSITORY}"))
    }
}

/// A repository's name in a word.
pub(super) fn check_repository_name(name: &str) -> Result<&str, String> {
    if is_repository(name) { Ok(name) } else { Err(format!("`{name}` is not a repository's name: {REPOSITORY_RULE}")) }
}

const REPOSITORY_RULE: &str = "letters, digits, `.`, `_`, `-`";

/// GitHub's rule for repositories' names.
pub(crate) fn is_repository(name: &str) -> bool {
    let letters = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    letters && !matches!(name, "" | "." | "..") && name.len() <= LONGEST_REPOSITORY
}

fn check_environment(name: &str) -> Result<&str, String> {
    if name.is_empty() || name.trim() != name {
        return Err("an environment's name is empty or has a space at its end: no spaces around commas".to_owned());
    }
    // The last two would vanish from the address of a request.
    if name.contains(|c: char| c.is_control() || NOT_IN_ENVIRONMENTS.contains(&c)) || matches!(name, "." | "..") {
        return Err(format!(
            "`{name}` is not an environment's name: no quotation marks, `,`, `;` or `\\` stand in one"
        ));
    }
    if name.chars().count() > LONGEST_ENVIRONMENT {
        return Err(format!("an environment's name has at most {LONGEST_ENVIRONMENT} characters"));
    }
    Ok(name)
}

/// What the words `visibility=` and `repos=` ask. Names alone ask for `selected`.
pub(super) fn reach(visibility: Option<&str>, repos: Option<&str>, problems: &mut Vec<String>) -> Option<Reach> {
    let names = repos.map(|repos| selected(repos, problems));
    match (visibility, names) {
        (None, None) => None,
        (None | Some("selected"), names) => Some(Reach::Selected(names.unwrap_or_default())),
        (Some(kind @ ("all" | "private")), Some(_)) => {
            problems
                .push(format!("`repos=` has no meaning beside `visibility={kind}`, only beside `visibility=selected`"));
            None
        }
        (Some("all"), None) => Some(Reach::All),
        (Some("private"), None) => Some(Reach::Private),
        (Some(other), _) => {
            problems.push(format!("`visibility={other}` is none: expected `all`, `private` or `selected`"));
            None
        }
    }
}

fn selected(repos: &str, problems: &mut Vec<String>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in repos.split(',') {
        if !is_repository(name) {
            problems.push(format!(
                "`repos=`: `{name}` is not a repository's name: {REPOSITORY_RULE}, without the organisation"
            ));
        } else if names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            problems.push(format!("`repos=` names `{name}` twice"));
        } else {
            names.push(name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_and_repositories_follow_githubs_rules() {
        for owner in ["a", "a-b", "A1", "octo_acme", &"x".repeat(39)] {
            assert!(check_owner(owner).is_ok(), "{owner}");
        }
        for owner in ["", "-a", "a-", "a--b", "a.b", "ä", "a b", &"x".repeat(40)] {
            assert!(check_owner(owner).is_err(), "{owner}");
        }
        for name in [&"x".repeat(100), "...", ".github", "a_b-c.d"] {
            assert!(is_repository(name), "{name}");
        }
        for name in [&"x".repeat(101), "", ".", "..", "ä", "a b", "a/b"] {
            assert!(!is_repository(name), "{name}");
        }
    }

    #[test]
    fn environments_follow_githubs_rules() {
        for name in ["production", "Prod EU", "review/feature-1", "a=b", "100%", "ünï", "a:b#c?d", &"ä".repeat(255)]
        {
            assert!(check_environment(name).is_ok(), "{name}");
        }
        for name in ["", " a", "a ", "a,b", "a;b", "a'b", "a\"b", "a`b", "a\\b", "a\tb", ".", "..", &"x".repeat(256)] {
            assert!(check_environment(name).is_err(), "{name:?}");
        }
    }
}
