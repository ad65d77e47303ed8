//! The paths of GitHub's API beside those of secrets, which are in the table of places: in plain segments, of which the second
//! is an account where there is one.

pub(super) fn repository<'a>(owner: &'a str, repo: &'a str) -> [&'a str; 3] {
    ["repos", owner, repo]
}

pub(super) fn environments<'a>(owner: &'a str, repo: &'a str) -> [&'a str; 4] {
    ["repos", owner, repo, "environments"]
}

pub(super) fn environment<'a>(owner: &'a str, repo: &'a str, name: &'a str) -> [&'a str; 5] {
    ["repos", owner, repo, "environments", name]
}

pub(super) fn runs<'a>(owner: &'a str, repo: &'a str) -> [&'a str; 5] {
    ["repos", owner, repo, "actions", "runs"]
}

pub(super) fn run<'a>(owner: &'a str, repo: &'a str, id: &'a str) -> [&'a str; 6] {
    ["repos", owner, repo, "actions", "runs", id]
}

pub(super) fn workflow<'a>(owner: &'a str, repo: &'a str, file: &'a str) -> [&'a str; 6] {
    ["repos", owner, repo, "actions", "workflows", file]
}

pub(super) fn runs_of<'a>(owner: &'a str, repo: &'a str, file: &'a str) -> [&'a str; 7] {
    ["repos", owner, repo, "actions", "workflows", file, "runs"]
}

pub(super) fn dispatches<'a>(owner: &'a str, repo: &'a str, file: &'a str) -> [&'a str; 7] {
    ["repos", owner, repo, "actions", "workflows", file, "dispatches"]
}

pub(super) fn shown_by_organisation<'a>(owner: &'a str, repo: &'a str) -> [&'a str; 5] {
    ["repos", owner, repo, "actions", "organization-secrets"]
}

pub(super) fn contents<'a>(owner: &'a str, repo: &'a str) -> [&'a str; 4] {
    ["repos", owner, repo, "contents"]
}

pub(super) fn variables<'a>(owner: &'a str, repo: &'a str) -> [&'a str; 5] {
    ["repos", owner, repo, "actions", "variables"]
}

pub(super) fn alerts<'a>(owner: &'a str, repo: &'a str) -> [&'a str; 5] {
    ["repos", owner, repo, "secret-scanning", "alerts"]
}

pub(super) fn alert<'a>(owner: &'a str, repo: &'a str, number: &'a str) -> [&'a str; 6] {
    ["repos", owner, repo, "secret-scanning", "alerts", number]
}

pub(super) fn alerts_of(org: &str) -> [&str; 4] {
    ["orgs", org, "secret-scanning", "alerts"]
}

pub(super) const REPOSITORIES_OF_INSTALLATION: [&str; 2] = ["installation", "repositories"];

pub(super) const REPOSITORIES_OF_ACCOUNT: [&str; 2] = ["user", "repos"];

pub(super) fn repositories_of(org: &str) -> [&str; 3] {
    ["orgs", org, "repos"]
}

pub(super) fn installed_for<'a>(owner: &'a str, repo: &'a str) -> [&'a str; 4] {
    ["repos", owner, repo, "installation"]
}

pub(super) fn installed_on(org: &str) -> [&str; 3] {
    ["orgs", org, "installation"]
}

pub(super) fn installed_at(account: &str) -> [&str; 3] {
    ["users", account, "installation"]
}

pub(super) fn tokens(installation: u64) -> String {
    format!("/app/installations/{installation}/access_tokens")
}
