//! Several rotations in one run, from a config file: each for itself, reads shared, one report.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::fmt::Write as _;
use std::time::Duration;

use keyrotor_fake::{Dialect, Request, Server};

use crate::harness::{Check, Invocation, Ran, SECRET, Setting, Stage, ensure};
use crate::traffic;

const FILE: &str = "keyrotor.yml";

/// A world with a repository `acme/<family>` for each family, which holds a key of its own, made 40 days ago.
struct Fleet {
    stage: Stage,
    families: Vec<String>,
}

impl Fleet {
    fn new(families: &[&str]) -> Self {
        Self::with_second(families, "")
    }

    /// The key of one family is in `acme/<family>-second` too.
    fn with_second(families: &[&str], twice: &str) -> Self {
        let repos: Vec<_> = families.iter().map(|family| format!("acme/{family}")).collect();
        let repos: Vec<_> = repos.iter().map(String::as_str).collect();
        let stage = Setting::new(Dialect::Mgmt).repos(&repos).deployed(None).stage();
        for (family, place) in families.iter().zip(&stage.places) {
            stage.world.by_hand(|state| {
                let (_, value) = state.issuer.seed_key(&format!("{family}-2026-10-22-aaaaaa"), |_| {});
                let second = (*family == twice).then(|| state.github.add_repo(&format!("acme/{family}-second")));
                for place in std::iter::once(place).chain(&second) {
                    state.github.write_secret(place, SECRET, &value);
                }
            });
        }
        stage.world.advance(Duration::from_secs(40 * 24 * 3600));
        Self { stage, families: families.iter().map(|family| (*family).to_owned()).collect() }
    }

    /// A file with one rotation for each family, behind what is said for all.
    fn file(&self, top: &str) -> String {
        let mut text = format!("{top}rotations:\n");
        for family in &self.families {
            writeln!(text, "  - key-name: {family}\n    targets: [\"repo:acme/{family}\"]").unwrap();
        }
        text
    }

    /// A run with this file.
    fn with(&self, text: &str) -> Invocation<'_> {
        let path = self.stage.put(FILE, text);
        self.stage.action().input("key-name", "").input("targets", "").input("config", &path)
    }

    fn run(&self, top: &str) -> Ran {
        self.with(&self.file(top)).run()
    }

    /// What a family's repository holds.
    fn held(&self, family: &str) -> String {
        let at = self.families.iter().position(|one| one == family).unwrap();
        self.stage.held()[at].clone().unwrap()
    }

    /// One live key of each of these families, held by its repository, and no outage ever.
    fn check_healed(&self, families: &[&str]) -> Check {
        self.stage.check_no_outage()?;
        for family in families {
            let live = self.stage.world.live_keys(&format!("{family}-"));
            ensure(live.len() == 1 && live[0].value == self.held(family), || format!("{family} is not healed"))?;
        }
        Ok(())
    }
}

fn lists<'a>(requests: impl IntoIterator<Item = &'a Request>) -> usize {
    let is_list =
        |it: &&Request| it.method == "GET" && it.path.starts_with("/api/v1/keys?") && it.path.ends_with("offset=0");
    requests.into_iter().filter(is_list).count()
}

/// The requests before anything was changed.
fn first_look(ran: &Ran) -> &[Request] {
    let writes = ran.requests.iter().position(|it| it.method != "GET").unwrap_or(ran.requests.len());
    &ran.requests[..writes]
}

/// The report's row of one rotation.
fn row(ran: &Ran, family: &str) -> serde_json::Value {
    let report = ran.report().unwrap();
    let rows = report["rotations"].as_array().unwrap().clone();
    rows.into_iter().find(|row| row["key-name"] == family).unwrap()
}

#[test]
fn each_rotates_for_itself_and_the_report_has_them_all() {
    let fleet = Fleet::new(&["production", "staging", "ci"]);
    let ran = fleet.run("");
    assert_eq!((ran.status(), ran.output("outcome"), ran.output("rotated")), (0, "rotated", "true"), "{}", ran.log());
    fleet.check_healed(&["production", "staging", "ci"]).unwrap();
    for single in ["new-key-id", "new-key-name", "old-key-id", "old-key-status", "retire-after"] {
        assert_eq!(ran.output(single), "", "{single}");
    }
    assert_eq!((ran.output("targets-written"), ran.output("targets-failed")), ("3", "0"));
    let report = ran.report().unwrap();
    let names: Vec<_> = report["rotations"].as_array().unwrap().iter().map(|it| it["key-name"].clone()).collect();
    assert_eq!(names, ["production", "staging", "ci"]);
    for family in ["production", "staging", "ci"] {
        let row = row(&ran, family);
        assert_eq!((&row["outcome"], &row["exit-code"]), (&"rotated".into(), &0.into()));
        assert!(row["new-key-name"].as_str().unwrap().starts_with(family), "{row}");
        assert!(ran.summary.contains(&format!("### Rotated: `{family}`\n")), "{}", ran.summary);
        assert_eq!(ran.stdout.matches(&format!("::group::rotation {family}\n")).count(), 1, "{}", ran.stdout);
    }
    assert!(ran.summary.starts_with("## ✅ 3 rotations: 3 rotated\n"), "{}", ran.summary);
    assert_eq!(ran.stdout.matches("::group::").count(), 3, "{}", ran.stdout);
    let cli = fleet.with(&fleet.file("rotate-after: 1d\n")).arg("--format=json").run();
    let report: serde_json::Value = serde_json::from_str(&cli.stdout).unwrap();
    assert_eq!((&report["outcome"], report["rotations"].as_array().unwrap().len()), (&"not-due".into(), 3));
}

#[test]
fn one_list_and_one_public_key_serve_all_who_look() {
    let fleet = Fleet::new(&["a", "b", "c", "d"]);
    let ran = fleet.run("");
    assert_eq!(ran.status(), 0, "{}", ran.log());
    assert_eq!(lists(first_look(&ran)), 1, "{}", ran.log());
    let ran = fleet.run("rotate-after: 30d\n");
    assert_eq!((ran.status(), lists(&ran.requests)), (0, 1), "{}", ran.log());
    // Where a key was committed within seconds, everything is looked at twice.
    fleet.stage.world.advance(Duration::from_secs(60));
    // Two families in one repository.
    let mut text = fleet.file("dry-run: true\nallowed-models: all\n");
    text.push_str(
        "  - key-name: e\n    secret-name: OTHER\n    targets: [\"repo:acme/a\", \"repo:acme/a secret=THIRD\"]\n",
    );
    let ran = fleet.with(&text).run();
    let keys = ran.requests.iter().filter(|it| it.path.ends_with("/repos/acme/a/actions/secrets/public-key")).count();
    assert_eq!((lists(&ran.requests), keys), (1, 1), "{}", ran.log());
}

#[test]
fn a_list_is_not_shared_with_another_account() {
    let fleet = Fleet::new(&["a", "b"]);
    let mut text = fleet.file("dry-run: true\n");
    text = text.replace("    targets: [\"repo:acme/a\"]", "    current-key-env: A\n    targets: [\"repo:acme/a\"]");
    text = text.replace("    targets: [\"repo:acme/b\"]", "    current-key-env: B\n    targets: [\"repo:acme/b\"]");
    let run = fleet.with(&text).secret("management-key", "");
    let ran = run.variable("A", &fleet.held("a")).variable("B", &fleet.held("b")).run();
    let roles: Vec<_> = ran.requests.iter().filter(|it| it.path.contains("/keys")).map(|it| &it.role).collect();
    assert!(roles.iter().any(|role| role.contains("a-2026")) && roles.iter().any(|role| role.contains("b-2026")));
}

#[test]
fn a_warning_about_one_of_them_stands_in_its_report() {
    let fleet = Fleet::new(&["alpha", "beta"]);
    let text =
        fleet.file("dry-run: true\n").replace("[\"repo:acme/beta\"]", "[\"env:acme/beta/one\", \"env:acme/beta/two\"]");
    let ran = fleet.with(&text).run();
    let report = ran.report().unwrap();
    let notices = report["notices"].as_array().unwrap();
    let told = notices.iter().find(|row| row.to_string().contains("one key serves several environments")).unwrap();
    assert_eq!(told["rotation"], "beta", "{report}");
    assert!(ran.summary.contains("one key serves several environments"), "{}", ran.summary);
    let annotations = ran.stdout.lines().filter(|line| line.starts_with("::") && line.contains("serves several"));
    assert_eq!(annotations.count(), 1, "{}", ran.log());
}

#[test]
fn one_that_fails_does_not_stop_the_others() {
    let fleet = Fleet::new(&["a", "b", "c"]);
    fleet.stage.world.fault("github:PUT~/acme/b/:1x99:status=403");
    let ran = fleet.run("");
    assert_eq!(
        (ran.status(), ran.output("outcome"), ran.output("rotated")),
        (1, "rolled-back", "false"),
        "{}",
        ran.log()
    );
    fleet.check_healed(&["a", "b", "c"]).unwrap();
    assert_eq!(row(&ran, "a")["outcome"], "rotated");
    assert_eq!(row(&ran, "b")["exit-code"], 1);
    assert_eq!(row(&ran, "c")["outcome"], "rotated");
    assert_eq!((ran.output("targets-written"), ran.output("targets-failed")), ("2", "1"));
    assert!(ran.summary.starts_with("## ❌ 3 rotations: 2 rotated, 1 failed\n"), "{}", ran.summary);
    // What failed comes first, the exit status is the worst.
    let (failed, fine) = (ran.summary.find("### Failed").unwrap(), ran.summary.find("### Rotated").unwrap());
    assert!(failed < fine, "{}", ran.summary);
    assert!(ran.stdout.contains("::error title=keyrotor%3A b%3A undo::repo:acme/b"), "{}", ran.stdout);
    fleet.stage.world.clear_faults();
    let ran = fleet.run("rotate-after: 30d\n");
    assert_eq!((ran.status(), ran.output("outcome")), (0, "rotated"), "{}", ran.log());
    assert_eq!(row(&ran, "a")["outcome"], "not-due");
}

#[test]
fn three_is_worse_than_one() {
    let fleet = Fleet::new(&["a", "b", "c"]);
    fleet.stage.world.fault("github:PUT~/acme/a/:1x99:status=403");
    let old = fleet.stage.world.live_keys("b-")[0].id.clone();
    fleet.stage.world.fault(&format!("issuer:DELETE~{old}:1x99:status=500"));
    let ran = fleet.run("");
    assert_eq!((ran.status(), ran.output("outcome")), (3, "attention"), "{}", ran.log());
    let codes = ["a", "b", "c"].map(|family| row(&ran, family)["exit-code"].as_i64().unwrap());
    assert_eq!(codes, [1, 3, 0]);
    assert!(ran.summary.contains(&old), "{}", ran.summary);
    fleet.stage.check_no_outage().unwrap();
    fleet.stage.world.clear_faults();
    assert_eq!(fleet.run("grace-period: 0s\n").status(), 0);
    fleet.check_healed(&["a", "b", "c"]).unwrap();
}

#[test]
fn credentials_that_do_not_work_are_one_rotations_own_trouble() {
    let fleet = Fleet::new(&["a", "b"]);
    let text = fleet
        .file("")
        .replace("    targets: [\"repo:acme/b\"]", "    current-key-env: B\n    targets: [\"repo:acme/b\"]");
    let dead = "lr_live_00000000000000000000000000000000";
    let ran = fleet.with(&text).variable("B", dead).run();
    assert!(!ran.stdout.replace("::add-mask::", "").contains(&dead[8..]) || ran.stdout.matches(dead).count() == 1);
    assert_eq!(row(&ran, "a")["outcome"], "rotated", "{}", ran.log());
    fleet.stage.check_no_outage().unwrap();
}

#[test]
fn a_rotations_own_key_is_put_back_and_masked_first() {
    let fleet = Fleet::with_second(&["a", "b"], "b");
    let old = fleet.held("b");
    fleet.stage.behaviour(|it| (it.has_key_endpoint, it.key_endpoint_identifies) = (true, true));
    fleet.stage.world.fault("github:PUT~/acme/b-second/:1x99:status=403");
    let text = fleet.file("").replace(
        "    targets: [\"repo:acme/b\"]",
        "    current-key-env: STAGING_KEY\n    targets: [\"repo:acme/b,b-second\"]",
    );
    let ran = fleet.with(&text).variable("STAGING_KEY", &old).run();
    assert_eq!((ran.status(), row(&ran, "b")["outcome"].as_str()), (1, Some("rolled-back")), "{}", ran.log());
    assert_eq!((fleet.held("b"), row(&ran, "a")["outcome"].as_str()), (old.clone(), Some("rotated")));
    let mut masks = ran.stdout.lines().take_while(|line| line.starts_with("::add-mask::"));
    assert!(masks.any(|line| line.ends_with(&old)), "{}", ran.log());
    fleet.check_healed(&["a", "b"]).unwrap();
}

/// Families beyond those that are at work at once.
const MANY: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];

#[test]
fn whoever_waits_for_its_turn_looks_again() {
    let six = &MANY[..6];
    let fleet = Fleet::new(six);
    let g = fleet.stage.world.by_hand(|state| {
        let place = state.github.add_repo("acme/g");
        let (_, value) = state.issuer.seed_key("g-2026-10-22-aaaaaa", |_| {});
        state.github.write_secret(&place, SECRET, &value);
        place
    });
    fleet.stage.world.advance(Duration::from_secs(40 * 24 * 3600));
    // Keys that do not work at once keep those at work busy, while another run comes for the last of the others.
    fleet.stage.behaviour(|it| it.activation_delay = Duration::from_secs(1));
    let text = fleet.file("rotate-after: 30d\n") + "  - key-name: g\n    targets: [\"repo:acme/g\"]\n";
    let ran = std::thread::scope(|scope| {
        let world = fleet.stage.world.clone();
        scope.spawn(move || {
            let made = |it: &&Request| it.server == Server::Issuer && it.method == "POST";
            while world.requests().iter().filter(made).count() < 4 {
                std::thread::sleep(Duration::from_millis(5));
            }
            world.by_hand(|state| {
                let (_, value) = state.issuer.seed_key("g-2026-12-01-bbbbbb", |_| {});
                state.github.write_secret(&g, SECRET, &value);
            });
        });
        fleet.with(&text).run()
    });
    assert_eq!(lists(first_look(&ran)), 1);
    assert_eq!(row(&ran, "g")["outcome"], "not-due", "it acted on what it saw before its turn\n{}", ran.log());
    for family in six {
        assert_eq!(row(&ran, family)["outcome"], "rotated", "{}", ran.log());
    }
    // No fifth key was made before the first of four was committed or deleted something.
    let posts: Vec<_> = ran.requests.iter().filter(|it| it.server == Server::Issuer && it.method == "POST").collect();
    let deleted = ran.requests.iter().find(|it| it.method == "DELETE").unwrap();
    assert!(posts[4].at > deleted.at, "{}", ran.log());
    assert!(ran.stdout.contains("is queued"), "{}", ran.log());
    fleet.check_healed(six).unwrap();
}

#[test]
fn a_signal_stops_them_all_and_says_which_had_not_begun() {
    for signal in ["term", "int"] {
        let fleet = Fleet::new(&MANY);
        fleet.stage.behaviour(|it| it.activation_delay = Duration::from_millis(500));
        fleet.stage.world.fault(&format!("github:PUT:1:{signal}"));
        let ran = fleet.run("");
        let at = traffic::of(&ran, Server::GitHub, "PUT")[0].at;
        assert!(fleet.stage.world.now().duration_since(at).as_millis() < 7_000, "{}", ran.log());
        assert!([1, 3].contains(&ran.status()), "{}", ran.log());
        fleet.stage.check_no_outage().unwrap();
        let rows = MANY.map(|family| row(&ran, family));
        let begun = |it: &serde_json::Value| !it["reason"].as_str().unwrap().contains("before this rotation began");
        assert!(rows.iter().filter(|it| begun(it)).count() <= 4, "{}", ran.log());
        for (family, row) in MANY.iter().zip(&rows).filter(|(_, row)| !begun(row)) {
            assert_eq!((row["exit-code"].as_i64(), row["interrupted"].as_bool()), (Some(1), Some(true)));
            assert!(ran.summary.contains(&format!("### Failed, nothing has changed: `{family}`")), "{}", ran.summary);
            assert_eq!(fleet.stage.world.live_keys(&format!("{family}-")).len(), 1, "{family}");
        }
        fleet.stage.behaviour(|it| it.activation_delay = Duration::ZERO);
        let next = fleet.run("");
        assert_eq!(next.status(), 0, "first {}\nthen {}", ran.log(), next.log());
        fleet.check_healed(&MANY).unwrap();
    }
}

#[test]
fn a_run_that_is_killed_is_finished_by_the_next() {
    let fleet = Fleet::new(&["a", "b", "c", "d", "e"]);
    fleet.stage.world.fault("github:PUT:3:kill-after");
    let ran = fleet.run("");
    assert_eq!(ran.status(), 137);
    fleet.stage.check_no_outage().unwrap();
    let ran = fleet.run("");
    assert_eq!(ran.status(), 0, "{}", ran.log());
    fleet.check_healed(&["a", "b", "c", "d", "e"]).unwrap();
}

#[test]
fn a_dry_run_prints_every_plan_and_changes_nothing() {
    let fleet = Fleet::new(&MANY);
    for (event, top) in [("schedule", ""), ("pull_request", ""), ("pull_request", "dry-run: true\n")] {
        let run = fleet.with(&fleet.file(top)).variable("GITHUB_EVENT_NAME", event);
        let ran = if top.is_empty() { run.input("dry-run", "true") } else { run }.run();
        assert_eq!(
            (ran.status(), ran.output("outcome"), traffic::writes(&ran).len()),
            (0, "unchanged", 0),
            "{}",
            ran.log()
        );
        assert_eq!(lists(&ran.requests), 1);
        let report = ran.report().unwrap();
        for family in MANY {
            assert!(report["plan"].as_array().unwrap().iter().any(|it| it["rotation"] == family), "{report}");
            assert!(ran.summary.contains(&format!("### Dry run: `{family}`")), "{}", ran.summary);
        }
    }
    let ran = fleet.with(&fleet.file("")).variable("GITHUB_EVENT_NAME", "pull_request").run();
    assert_eq!((ran.status(), ran.requests.len()), (2, 0), "{}", ran.log());
}

#[test]
fn one_of_them_may_be_dry() {
    let fleet = Fleet::new(&["a", "b"]);
    let text = fleet.file("").replace("  - key-name: b\n", "  - key-name: b\n    dry-run: true\n");
    let before = fleet.held("b");
    let ran = fleet.with(&text).run();
    assert_eq!((ran.status(), ran.output("outcome")), (0, "rotated"), "{}", ran.log());
    assert_eq!((fleet.held("b"), &row(&ran, "b")["dry-run"]), (before, &true.into()));
}

#[test]
fn a_single_rotation_in_a_file_is_a_single_rotation() {
    let fleet = Fleet::new(&["production"]);
    let ran = fleet.run("");
    assert_eq!((ran.status(), ran.output("old-key-status")), (0, "deleted"), "{}", ran.log());
    assert!(ran.output("new-key-name").starts_with("production-"), "{}", ran.log());
    assert!(ran.summary.starts_with("## ✅ Rotated: `production`"), "{}", ran.summary);
    let cli = fleet.stage.cli().input("key-name", "").input("targets", "").input("config", FILE).run();
    assert_eq!(cli.status(), 0, "{}", cli.log());
}

#[test]
fn all_together_keep_github_at_fewer_than_a_hundred_requests() {
    for (rotations, dry_run) in [(20, "true"), (6, "false")] {
        let names: Vec<_> = (0..rotations).map(|n| format!("f{n}")).collect();
        let families: Vec<_> = names.iter().map(String::as_str).collect();
        let fleet = Fleet::new(&families);
        let mut text = fleet.file("parallel: 16\n");
        for family in families {
            let value = fleet.held(family);
            let others: Vec<_> = (1..16).map(|n| format!("{family}-{n}")).collect();
            fleet.stage.world.by_hand(|state| {
                for repo in &others {
                    let place = state.github.add_repo(&format!("acme/{repo}"));
                    state.github.write_secret(&place, SECRET, &value);
                }
            });
            let (one, all) = (format!("acme/{family}\""), format!("acme/{family},{}\"", others.join(",")));
            text = text.replace(&one, &all);
        }
        fleet.stage.world.advance(Duration::from_secs(40 * 24 * 3600));
        fleet.stage.world.by_hand(|state| state.latency = Duration::from_millis(100));
        let ran = fleet.with(&text).input("request-timeout", "30s").input("dry-run", dry_run).run();
        assert_eq!(ran.status(), 0, "{}", ran.log());
        let all: Vec<_> = ran.requests.iter().filter(|it| it.server == Server::GitHub).collect();
        let at_once = traffic::most_at_once(&all);
        assert!((64..100).contains(&at_once), "{at_once} requests at once");
        let written = all.iter().filter(|it| it.method == "PUT").count();
        assert_eq!(written, if dry_run == "true" { 0 } else { 16 * rotations });
        fleet.stage.check_no_outage().unwrap();
    }
}

#[test]
fn many_fit_into_summary_and_outputs() {
    let names: Vec<_> = (0..70).map(|n| format!("family-{n}")).collect();
    let fleet = Fleet::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    fleet.stage.world.fault("github:GET~/acme/family-69/:1x99:status=404");
    // Long beside what a busy machine takes, so that those that begin together go on together.
    fleet.stage.world.by_hand(|state| state.latency = Duration::from_millis(200));
    // A machine that stands still for longer than this makes them look again.
    let ran = fleet.with(&fleet.file("rotate-after: 60d\n")).input("request-timeout", "30s").run();
    assert_eq!((ran.status(), ran.output("outcome")), (1, "unchanged"), "{}", ran.log());
    assert!(ran.summary.len() < 1024 * 1024 && ran.output("report").len() <= 120_000);
    assert_eq!(ran.summary.matches("\n### ").count(), 70);
    // Later ones begin as others end, and share a list among themselves where they can.
    assert!(lists(&ran.requests) <= 20, "{}", lists(&ran.requests));
    // What failed stands first where not everything finds room.
    assert_eq!(row(&ran, "family-69")["exit-code"], 1);
    assert_eq!(traffic::writes(&ran), [""; 0]);
}

/// Each has to last for its own targets: what another one would need, which is not even due, stops nobody.
#[test]
fn the_hours_requests_are_counted_for_each_rotation() {
    let big: Vec<_> = (0..20).map(|nth| format!("acme/big{nth}")).collect();
    let repos: Vec<_> = std::iter::once("acme/small").chain(big.iter().map(String::as_str)).collect();
    let stage = Setting::new(Dialect::Mgmt).repos(&repos).deployed(None).stage();
    for family in ["small", "big"] {
        stage.world.by_hand(|state| {
            let (_, value) = state.issuer.seed_key(&format!("{family}-2026-10-22-aaaaaa"), |_| {});
            for place in stage.places.iter().filter(|place| place.to_string().contains(family)) {
                state.github.write_secret(place, SECRET, &value);
            }
        });
    }
    stage.world.advance(Duration::from_secs(40 * 24 * 3600));
    let file = |small: &str, big_after: &str| {
        let targets = big.iter().map(|repo| format!("\"repo:{repo}\"")).collect::<Vec<_>>().join(", ");
        format!(
            "rotations:\n  - key-name: small\n    rotate-after: {small}\n    targets: [\"repo:acme/small\"]\n  \
             - key-name: big\n    rotate-after: {big_after}\n    targets: [{targets}]\n"
        )
    };
    let run = |text: String| {
        stage.world.by_hand(|state| state.github.rate_limit_remaining = Some(75));
        let path = stage.put(FILE, text);
        stage.action().input("key-name", "").input("targets", "").input("config", &path).run()
    };
    let ran = run(file("30d", "90d"));
    assert_eq!((ran.status(), ran.output("rotated")), (0, "true"), "{}", ran.log());
    let ran = run(file("90d", "30d"));
    assert_eq!(ran.status(), 1, "{}", ran.log());
    assert!(ran.tells("40 are needed"), "{}", ran.log());
}

#[test]
fn one_that_is_not_due_and_needs_a_look_does_not_make_the_others_unrotated() {
    let fleet = Fleet::new(&["a", "b"]);
    let value = fleet.held("b");
    fleet.stage.world.by_hand(|state| state.github.write_secret(&fleet.stage.places[1], SECRET, &value));
    let id = fleet.stage.world.live_keys("b-")[0].id.clone();
    let text = format!(
        "rotations:\n  - key-name: a\n    rotate-after: 30d\n    targets: [\"repo:acme/a\"]\n  - key-name: b\n    \
         replace-key-id: {id}\n    rotate-after: 90d\n    targets: [\"repo:acme/b\"]\n"
    );
    let ran = fleet.with(&text).run();
    assert_eq!((ran.status(), ran.output("rotated")), (3, "true"), "{}", ran.log());
}
