//! GitHub's own clients write secrets into the stand-in for GitHub, which opens them: so it takes what the real one takes.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use keyrotor_fake::{Dialect, Server};
use serde_json::json;

use crate::harness::{SECRET, Setting, TOKEN};
use crate::peers::programs::{gh, json_of, script};

const VALUE: &str = "lr_live_schlüssel \u{1f511}\nwith a second line";

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn octokit_writes_a_secret_that_the_stand_in_opens() {
    let stage = Setting::new(Dialect::Mgmt).places(&["repo:acme/app", "agents:acme/app"]).stage();
    let place = &stage.places[0];
    stage.world.by_hand(|state| _ = state.github.write_secret(place, "OLD", "x"));
    let mut octokit = script("octokit.mjs");
    octokit.env("API_URL", &stage.fakes.github_url).env("TOKEN", TOKEN).env("OWNER", "acme").env("REPO", "app");
    let told = json_of(octokit.env("NAME", SECRET).env("VALUE", VALUE).env("GONE", "OLD"));
    assert_eq!(stage.held(), [Some(VALUE.to_owned()), Some(VALUE.to_owned())]);
    assert_eq!(
        (&told["written"], &told["removed"], &told["missing"]),
        (&json!(204), &json!(204), &json!(404)),
        "{told}"
    );
    assert_eq!((&told["names"], &told["shown"]["name"]), (&json!([SECRET]), &json!(SECRET)), "{told}");
}

#[test]
#[ignore = "needs what ./test prepares in .check"]
fn gh_writes_every_kind_of_secret_over_tls_and_the_stand_in_opens_them() {
    let places = [
        "repo:acme/app",
        "env:acme/app/production",
        "org:acme",
        "dependabot:acme/app",
        "codespaces-org:acme",
        "agents:acme/app",
        "agents-org:acme",
    ];
    let stage = Setting::new(Dialect::Mgmt).places(&places).over_tls(&[Server::GitHub]).stage();
    let host = stage.fakes.github_url.strip_prefix("https://").unwrap();
    let run = |args: &[&str]| {
        let mut gh = gh();
        gh.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", stage.path("")).env("GH_CONFIG_DIR", stage.path("gh"));
        gh.env("SSL_CERT_FILE", stage.authority().unwrap()).env("GH_HOST", host).env("GH_ENTERPRISE_TOKEN", TOKEN);
        gh.env("GH_NO_UPDATE_NOTIFIER", "1").env("GH_PROMPT_DISABLED", "1").args(args);
        let ended = gh.output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        assert!(ended.status.success(), "{args:?}: {}\n{out}\n{err}", ended.status);
        out.into_owned()
    };
    let repository = format!("{host}/acme/app");
    for (nth, place) in [
        (0, &["--repo", repository.as_str()][..]),
        (1, &["--repo", &repository, "--env", "production"]),
        (2, &["--org", "acme", "--visibility", "all"]),
        (3, &["--repo", &repository, "--app", "dependabot"]),
        (5, &["--repo", &repository, "--app", "agents"]),
        (6, &["--org", "acme", "--app", "agents", "--visibility", "all"]),
    ] {
        let value = format!("{VALUE} {nth}");
        run(&[&["secret", "set", SECRET, "--body", &value], place].concat());
        assert_eq!(stage.held()[nth].as_ref(), Some(&value), "{place:?}");
    }
    let of = |what: &str| run(&["secret", what, "--repo", &repository]);
    run(&["secret", "set", "ANOTHER", "--body", "x", "--repo", &repository]);
    assert!(of("list").contains("ANOTHER"));
    run(&["secret", "delete", "ANOTHER", "--repo", &repository]);
    assert!(!of("list").contains("ANOTHER"));
}
