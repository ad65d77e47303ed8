#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use super::*;
use crate::audit::{Criteria, FailOn, Rotation, assess};
use crate::report::{Ending, OUTPUT_LIMIT, json, markdown, outputs, text};
use crate::rotation::model::tests::row;
use crate::rotation::model::{KeyKind, Listing, Reset, RightsTaken};
use crate::rotation::outcome::Problem;
use crate::secret::{Redactor, Secret};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn audit(keys: Vec<KeyRow>, fail_on: FailOn) -> Audit {
    let takes = RightsTaken { providers: true, models: true, limit: true, reset: true, expiry: true };
    let date = "2026-12-17T09:00:00Z".parse().unwrap();
    let listing = Listing { keys, date, dated_within: Duration::ZERO, may_rename: true, takes };
    let criteria = Criteria { old_after: DAY * 90, unused_after: DAY * 30 };
    let rotation = Rotation {
        key_name: "production".into(),
        targets: vec!["repo:acme/app AROUTER_API_KEY".into()],
        line: 2,
        ..Rotation::default()
    };
    let assessment = assess(listing, &[rotation], &criteria, None);
    let account = AuditedAccount {
        issuer: "https://api.arouter.ai/".into(),
        assessment,
        problems: Vec::new(),
        pruned: Vec::new(),
    };
    Audit { criteria, fail_on, accounts: vec![account], problems: Vec::new() }
}

fn keys() -> Vec<KeyRow> {
    let mut current = row("production-2026-12-01-7f3a9c", "2026-12-01T08:00:00Z");
    current.rights.providers = Some(AllowList::Only(["openai", "anthropic"].map(str::to_owned).into()));
    current.rights.limit = Some(Some(500.0));
    current.rights.reset = Some(Reset::Monthly);
    (current.limit_remaining, current.last_used_at) = (Some(120.5), "2026-12-17T08:30:00Z".parse().ok());
    let by_hand = KeyRow { disabled: true, updated_at: None, ..row("by|hand", "2026-08-01T00:00:00Z") };
    let root = KeyRow { kind: KeyKind::Management, ..row("root", "2026-12-16T09:00:00Z") };
    vec![current, by_hand, root]
}

fn ending(audit: &Audit) -> Ending {
    Ending::audited(audit.clone(), &Redactor::new())
}

#[test]
fn the_summary_reads_like_this() {
    let expected = "\
## ✅ Audit of 3 keys: 1 note

A key is old after 90 days, and unused after 30 days without a request.

**What to do next:** Nothing urgent: the table says what could be better.

### Findings

| | Rule | Found | What to do |
|---|---|---|---|
| note | Key that is switched off or has expired `left-over-key` | by&#124;hand: it is switched off; it was last changed at \
an unknown time | Delete it once nobody wants to switch it on again. |

### Live keys by age

```mermaid
%%{init: {\"xyChart\": {\"width\": 900, \"height\": 320}, \"themeVariables\": {\"xyChart\": {\"plotColorPalette\": \
\"#4c8bf5\"}}}}%%
xychart-beta
    title \"Live keys by age\"
    x-axis [\"under 7 d\", \"7-30 d\", \"30-90 d\", \"90-180 d\", \"180-365 d\", \"over 365 d\"]
    y-axis \"keys\" 0 --> 10
    bar [1, 1, 0, 0, 0, 0]
```

| under 7 d | 7-30 d | 30-90 d | 90-180 d | 180-365 d | over 365 d |
|---|---|---|---|---|---|
| 1 | 1 | 0 | 0 | 0 | 0 |

### Keys

| Key | State | Age | Last used | Limit | May use | Family | Targets |
|---|---|---|---|---|---|---|---|
| by&#124;hand<br><code>by&#124;hand</code> | disabled | 138 days | never | none | everything |  |  |
| production-2026-12-01-7f3a9c<br>`production-2…` | live | 16 days | 2026-12-17 | 500 USD monthly, \
120.50 left | providers anthropic, openai | production, current | repo:acme/app AROUTER&#95;API&#95;KEY |
| root<br>`root` | live, management | 24 hours | never |  |  |  |  |

<details><summary>Ids in full</summary>

| Key | Name |
|---|---|
| <code>by&#124;hand</code> | by&#124;hand |
| `production-2026-12-01-7f3a9c` | production-2026-12-01-7f3a9c |
| `root` | root |


</details>

";
    assert_eq!(markdown(&ending(&audit(keys(), FailOn::Never)), 100_000), expected);
}

#[test]
fn the_log_reads_like_this() {
    let mut keys = keys();
    keys.truncate(1);
    keys.iter_mut().for_each(|key| key.rights.limit = Some(None));
    let expected = "\
Audit of 1 key: 1 warning.
  warning: no-spending-limit: production-2026-12-01-7f3a9c (production-2026-12-01-7f3a9c): it has no spending limit. What \
to do: Set a limit: for a rotated key with `spending-limit`, else at the issuer.
  key production-2026-12-01-7f3a9c production-2026-12-01-7f3a9c: live, 16 days old, last used 2026-12-17 08:30 UTC, \
limit none, may use providers anthropic, openai; all models
  it fails: fail-on is warning
  next: Do what the table of findings says, from its top.
";
    assert_eq!(text(&ending(&audit(keys, FailOn::Warning))), expected);
}

#[test]
fn what_went_wrong_comes_first_and_decides_unless_findings_do() {
    let mut audit = audit(keys(), FailOn::Never);
    let problem = Problem::new("the list could not be read", "Do this.");
    audit.problems.push(problem);
    let shown = ending(&audit);
    assert_eq!((shown.exit_code(), shown.word()), (1, "unchanged"));
    let text = markdown(&shown, 100_000);
    assert!(text.starts_with("## ❌ Audit of 3 keys: 1 note\n"), "{text}");
    assert!(text.contains("- the list could not be read.\n\n**What to do next:** Do this.\n"), "{text}");
    let limitless = keys().into_iter().map(|mut key| {
        key.rights.limit = Some(None);
        key
    });
    let both = Audit { problems: audit.problems.clone(), ..self::audit(limitless.collect(), FailOn::Warning) };
    assert_eq!((ending(&both).exit_code(), ending(&both).word()), (3, "attention"));
}

#[test]
fn keys_that_could_not_be_judged_are_counted() {
    let spent = |name: &str| KeyRow { usage: Some(5.0), usage_monthly: Some(0.0), ..row(name, "2026-08-01T00:00:00Z") };
    let shown = ending(&audit(vec![spent("a"), spent("b")], FailOn::Never));
    let notice = "2 keys could not be judged as used or unused: no time of use is shown there, and amounts reach back to \
                  the 1st of the month at most; `unused-after` is 30 days";
    let log = text(&shown);
    assert!(log.contains(&format!("\n  note: {notice}\n")), "{log}");
    let summary = markdown(&shown, 100_000);
    assert!(summary.contains("\n2 keys could not be judged as used or unused: "), "{summary}");
    let report: serde_json::Value = serde_json::from_str(&json(&shown, usize::MAX)).unwrap();
    assert_eq!(report.pointer("/audit/not-judged").and_then(serde_json::Value::as_u64), Some(2));
}

#[test]
fn what_many_findings_have_in_common_is_told_once_and_each_has_a_line_of_its_own() {
    let old = |name: &str, made: &str| {
        let mut key = row(name, made);
        key.rights.expires_at = "2026-12-25T08:30:00Z".parse().ok().map(Some);
        (key.last_used_at, key.rights.limit) = ("2026-12-17T08:30:00Z".parse().ok(), Some(Some(5.0)));
        key
    };
    let keys = vec![old("a", "2026-08-01T00:00:00Z"), old("b", "2026-08-02T00:00:00Z")];
    let page = markdown(&ending(&audit(keys, FailOn::Never)), 100_000);
    let found = "a: it is 138 days old<br>b: it is 137 days old<br>(`old-after` is 90 days)";
    assert!(page.contains(found), "{page}");
    let head = "| Key | State | Age | Last used | Limit | May use | Expires |\n";
    assert!(page.contains(head) && page.contains("| 2026-12-25 |"), "no column is there for nothing\n{page}");
}

#[test]
fn several_accounts_name_their_issuer() {
    let mut audit = audit(keys(), FailOn::Never);
    let other = AuditedAccount { issuer: "https://gw.corp/".into(), ..audit.accounts.first().cloned().unwrap() };
    audit.accounts.push(other);
    let text = markdown(&ending(&audit), 100_000);
    assert!(text.contains("| Issuer | Key |") && text.contains("| https&#58;//gw.corp/ | root<br>`root` |"), "{text}");
}

fn in_sarif(audit: &Audit, redactor: &Redactor, has_lines: bool) -> String {
    let mut file = Vec::new();
    sarif(audit, redactor, "a.yml", has_lines, &mut file).unwrap();
    String::from_utf8(file).unwrap()
}

#[test]
fn a_name_is_no_link_and_no_placeholder_in_sarif() {
    let audit = audit(vec![row(r"[a](https://x.dev) {0} \", "2026-12-16T00:00:00Z")], FailOn::Never);
    let log: serde_json::Value = serde_json::from_str(&in_sarif(&audit, &Redactor::new(), false)).unwrap();
    let told = log.pointer("/runs/0/results/1/message/text").and_then(|text| text.as_str()).unwrap();
    assert!(told.contains(r"no-spending-limit: \[a\](https://x.dev) {{0}} \\ ("), "{told}");
}

#[test]
fn the_limit_holds_whatever_comes() {
    let many = |count| (0..count).map(|n| row(&format!("|<&`*_[]$@:// {n}"), "2026-01-01T00:00:00Z")).collect();
    let shown = ending(&audit(many(5_000), FailOn::Error));
    for limit in [0, 100, 1_000, 100_000, 1_000_000] {
        assert!(markdown(&shown, limit).len() <= limit, "{limit}");
    }
    let shown = ending(&audit(many(600), FailOn::Error));
    let report = outputs(&shown).into_iter().find(|(name, _)| *name == "report").unwrap().1;
    assert!(report.len() <= OUTPUT_LIMIT);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let shown = |list: &str| report.pointer(list).and_then(|rows| rows.as_array()).map_or(0, Vec::len);
    let left_out = 600 + 2_401 - shown("/audit/keys") - shown("/audit/findings");
    assert_eq!(report.get("omitted").and_then(serde_json::Value::as_u64), u64::try_from(left_out).ok());
    assert_eq!(report.pointer("/audit/errors").and_then(serde_json::Value::as_u64), Some(1), "the counts are whole");
}

#[test]
fn no_form_shows_a_secret_that_came_in_by_any_text() {
    let redactor = Redactor::new();
    redactor.learn(&Secret::new("lr_live_a_b*c|d".into()));
    for text in ["got lr_live_a_b*c|d back", "sk-or-v1-0123456789abcdef", "lr_mgmt_unknown0123456789"] {
        let mut key = row(text, "2026-01-01T00:00:00Z");
        key.label = Some(text.into());
        key.rights.models = Some(AllowList::Only([text.to_owned()].into()));
        let mut audit = audit(vec![key], FailOn::Error);
        audit.problems.push(Problem::bare(text));
        for account in &mut audit.accounts {
            account.issuer = text.into();
        }
        let shown = Ending::audited(audit.clone(), &redactor);
        let outputs: String = outputs(&shown).into_iter().map(|(_, value)| value).collect();
        let sarif = in_sarif(&audit, &redactor, true);
        for form in [outputs, json(&shown, usize::MAX), markdown(&shown, 1_000_000), super::super::text(&shown), sarif]
        {
            for piece in ["a_b*c", "a&#95;b", "0123456789"] {
                assert!(!form.contains(piece), "{form}");
            }
        }
    }
}
