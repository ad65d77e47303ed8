//! How GitHub shows a repository: nothing of it but the name and the number is of use here, but clients may read the rest.

use serde_json::{Map, Value, json};

use crate::github::Traits;

/// Where parts of a repository are, below its own address.
const PARTS: &str = "archive assignees blobs branches collaborators comments commits compare contents contributors deployments \
    downloads events forks git_commits git_refs git_tags hooks issue_comment issue_events issues keys labels languages merges \
    milestones notifications pulls releases stargazers statuses subscribers subscription tags teams trees";
/// The same of an account.
const OF_ACCOUNTS: &str = "events followers following gists organizations received_events repos starred subscriptions";

/// A row of a list: GitHub's schema `minimal-repository`.
pub(super) fn row(id: u64, full_name: &str) -> Map<String, Value> {
    let (owner, name) = full_name.split_once('/').expect("owner/name");
    let mut shown = addresses(PARTS, &format!("https://api.github.com/repos/{full_name}"));
    let html_url = format!("https://github.com/{full_name}");
    let fixed = [
        ("id", id.into()),
        ("node_id", "MDEwOlJlcG9zaXRvcnkxMjk2MjY5".into()),
        ("name", name.into()),
        ("full_name", full_name.into()),
        ("private", true.into()),
        ("fork", false.into()),
        ("description", Value::Null),
        ("html_url", html_url.into()),
        ("owner", Value::Object(account(owner))),
    ];
    shown.extend(fixed.map(|(field, value)| (field.to_owned(), value)));
    shown
}

/// A repository that is asked for by itself: GitHub's schema `full-repository`.
pub(super) fn whole(id: u64, full_name: &str) -> Value {
    let mut shown = row(id, full_name);
    for count in ["forks", "network", "watchers", "open_issues", "stargazers", "subscribers"] {
        shown.insert(format!("{count}_count"), 0.into());
    }
    for count in ["forks", "watchers", "open_issues", "size"] {
        shown.insert(count.to_owned(), 0.into());
    }
    for has in ["projects", "pages", "wiki", "discussions", "issues"] {
        shown.insert(format!("has_{has}"), false.into());
    }
    for absent in ["mirror_url", "language", "homepage", "license"] {
        shown.insert(absent.to_owned(), Value::Null);
    }
    for time in ["created_at", "updated_at", "pushed_at"] {
        shown.insert(time.to_owned(), "2026-01-26T19:01:12Z".into());
    }
    let address = format!("github.com/{full_name}");
    for (field, value) in [
        ("clone_url", format!("https://{address}.git")),
        ("git_url", format!("git://{address}.git")),
        ("ssh_url", format!("git@github.com:{full_name}.git")),
        ("svn_url", format!("https://{address}")),
        ("default_branch", "main".to_owned()),
    ] {
        shown.insert(field.to_owned(), value.into());
    }
    shown.extend(["disabled", "archived"].map(|field| (field.to_owned(), json!(false))));
    shown.into()
}

/// A row of an account's repositories: GitHub's schemas `repository` and `minimal-repository`.
pub(super) fn listed(id: u64, full_name: &str, traits: &Traits) -> Value {
    let mut shown = whole(id, full_name);
    let fields = [
        ("private", json!(traits.visibility != "public")),
        ("visibility", json!(traits.visibility)),
        ("topics", json!(traits.topics)),
        ("archived", json!(traits.archived)),
        ("disabled", json!(traits.disabled)),
        ("fork", json!(traits.fork)),
        ("has_downloads", json!(false)),
    ];
    for (field, value) in fields {
        shown[field] = value;
    }
    shown
}

/// GitHub's schema `simple-user`.
fn account(login: &str) -> Map<String, Value> {
    let mut shown = addresses(OF_ACCOUNTS, &format!("https://api.github.com/users/{login}"));
    let fixed = [
        ("login", json!(login)),
        ("id", json!(583_231)),
        ("node_id", json!("MDEyOk9yZ2FuaXphdGlvbjU4MzIzMQ==")),
        ("avatar_url", json!("https://avatars.githubusercontent.com/u/583231?v=4")),
        ("gravatar_id", json!("")),
        ("html_url", json!(format!("https://github.com/{login}"))),
        ("type", json!("Organization")),
        ("site_admin", json!(false)),
    ];
    shown.extend(fixed.map(|(field, value)| (field.to_owned(), value)));
    shown
}

/// `url`, and a `…_url` for each of these.
fn addresses(parts: &str, address: &str) -> Map<String, Value> {
    let of = |part: &str| (format!("{part}_url"), Value::from(format!("{address}/{part}")));
    parts.split_whitespace().map(of).chain([("url".to_owned(), address.into())]).collect()
}
