//! The step summary, in Markdown.

use super::escape::{code, escape, prose};
use super::page::Page;
use super::phrases::{headline_of, headline_of_many, mark, what_happened};
use super::section::{Level, MAX_DRAWN, section};
use super::{Ending, worst, worst_first};
use crate::rotation::outcome::Outcome;

/// The summary, in at most `limit` bytes: the head comes first, long tables are cut, their failing rows come first.
#[must_use]
pub fn markdown(ending: &Ending, limit: usize) -> String {
    let mut page = Page::new(limit);
    match ending {
        Ending::Invalid(problems) => invalid(&mut page, problems),
        Ending::Audited(audit) => super::audit::markdown(&mut page, audit),
        Ending::Watched(watch) => {
            super::leaks::markdown(&mut page, watch);
            if !watch.rotations.is_empty() {
                rotations(&mut page, &watch.rotations);
            }
        }
        Ending::Verified(read) => super::receipt::markdown(&mut page, read),
        Ending::Ran(outcomes) => rotations(&mut page, outcomes),
    }
    page.finish()
}

fn rotations(page: &mut Page, outcomes: &[Outcome]) {
    match outcomes {
        [only] => section(page, only, Level::Only),
        several => many(page, several),
    }
}

fn invalid(page: &mut Page, problems: &[String]) {
    page.push("## ❌ The inputs are wrong\n\nNothing was contacted and nothing has changed.\n\n");
    page.push("**What to do next:** correct what the table names, then run it again.\n\n");
    let rows = problems.iter().map(|problem| format!("| {} |\n", prose(problem)));
    page.list("| What is wrong |\n|---|\n", problems.len(), rows, |count| format!("| … and {count} more |\n"));
}

fn many(page: &mut Page, outcomes: &[Outcome]) {
    let verdict = worst(outcomes);
    let count = outcomes.len();
    page.push(&format!("## {}{}\n\n", mark(verdict), headline_of_many(outcomes)));
    let worst_first = worst_first(outcomes);
    let row = |outcome: &&Outcome| {
        let happened = escape(&what_happened(outcome));
        format!("| {} | {} | {happened} |\n", code(&outcome.key_name), headline_of(outcome))
    };
    let rest = |count| format!("| … and {count} more | | |\n");
    page.list("| Rotation | Outcome | |\n|---|---|---|\n", count, worst_first.iter().map(row), rest);
    for (at, outcome) in worst_first.iter().enumerate() {
        let mut part = Page::new(page.room() / (count - at));
        section(&mut part, outcome, Level::Part { drawn: at < MAX_DRAWN });
        page.push(&part.finish());
        // A heading right behind HTML would be part of it.
        page.push("\n");
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{attention, key, not_due, pending, planned, rolled_back, rotated, target, unchanged};
    use super::*;
    use crate::rotation::outcome::{KeyFate, Problem, StrayReason, TargetState};
    use crate::secret::Redactor;

    fn shown(outcomes: &[Outcome]) -> String {
        markdown(&Ending::ran(outcomes, &Redactor::new()), 1_000_000)
    }

    #[test]
    fn a_rotation_reads_like_this() {
        let expected = "\
## ✅ Rotated: `production`

Every target holds the new key; the old one stays alive until 2026-10-02 08:30 UTC. Why it was due: The current key was 92 days old, and \
rotate-after is 30d.

**What to do next:** Nothing. A later run retires the old key after 2026-10-02 08:30 UTC.

| Target | Holds now | Took |
|---|---|---|
| `repo:acme/app AROUTER_API_KEY` | the new key | 340 ms |
| `env:acme/app/production AROUTER_API_KEY` | the new key | 340 ms |

| Name | Key | Created | Last used | Now |
|---|---|---|---|---|
| production-2026-10-01-7f3a9c | `key_new` | 2026-07-01 08:00 UTC | not shown | new, in every target |
| production-2026-07-01-aaaaaa | `key_old` | 2026-07-01 08:00 UTC | not shown | alive until 2026-10-02 08:30 UTC, then a \
later run retires it |

<details><summary>Steps</summary>

| Step | After | Took |
|---|---|---|
| observe | 0 ms | 420 ms |
| create | 420 ms | 1.3 s |

</details>
";
        assert_eq!(shown(&[pending()]), expected);
        assert!(shown(&[rotated()]).contains("; the old one is deleted. "));
    }

    #[test]
    fn a_failure_begins_with_the_first_problem_and_what_to_do() {
        let expected = "\
## ❌ Failed, nothing has changed: `production`

Every target holds the key it held. A target could not be read.

**What went wrong:** repo:acme/app: GitHub answered 403 &#60;Forbidden&#62; &#124; see @&#8203;docs

**What to do next:** Give the token the repository permission \"Secrets\" (write).

| Target | Holds now |
";
        let text = shown(&[unchanged()]);
        assert!(text.starts_with(expected), "{text}");
        let text = shown(&[rolled_back()]);
        let row = "| `repo:acme/api AROUTER_API_KEY` | what it held before | 340 ms | GitHub answered 403 |\n";
        assert!(
            text.starts_with("## ❌ Failed, everything was put back: `production`\n") && text.contains(row),
            "{text}"
        );
    }

    #[test]
    fn a_key_left_over_is_named_by_its_id() {
        let expected = "\
## ⚠️ A person should look: `production`

Every target holds the new key, but something is left over that should not be. The current key was 92 days old, and \
rotate-after is 30d.

**What went wrong:** Key key&#95;old could not be deleted: the issuer answered 500.

**What to do next:** Key `key_old` (production-2026-07-01-aaaaaa) is alive: the issuer answered 500 to its deletion. \
A later run cleans it up; delete it by hand only if no target holds it.

";
        let text = shown(&[attention()]);
        assert!(text.starts_with(expected), "{text}");
        assert!(text.contains("**Notices**\n\n- The new key has no spending limit.\n\n"), "{text}");
    }

    #[test]
    fn what_is_not_due_and_what_is_only_planned() {
        let text = shown(&[not_due()]);
        assert!(text.starts_with("## ✅ Not due: `production`\n\nThe current key stays. The current key is"), "{text}");
        let text = shown(&[planned()]);
        let plan = "**Plan**\n\n- Make a key named production-2026-10-01-7f3a9c.\n- Write it to 1 target.\n\n";
        assert!(text.starts_with("## Dry run: `production`\n") && text.contains(plan), "{text}");
    }

    #[test]
    fn wrong_inputs_are_a_table() {
        let problems = ["key-name: is missing".to_owned(), "spending-limit: a|b is no number".to_owned()];
        let text = markdown(&Ending::invalid(&problems, &Redactor::new()), 10_000);
        let table = "| What is wrong |\n|---|\n| key-name: is missing |\n| spending-limit: a&#124;b is no number |\n\n";
        assert!(
            text.starts_with("## ❌ The inputs are wrong\n\nNothing was contacted") && text.ends_with(table),
            "{text}"
        );
    }

    #[test]
    fn several_rotations_have_an_overview_and_a_section_each_worst_first() {
        let mut staging = attention();
        staging.key_name = "staging".into();
        let text = shown(&[rotated(), staging]);
        assert!(
            text.starts_with("## ⚠️ 2 rotations: 1 rotated, 1 to be looked at by a person\n\n| Rotation |"),
            "{text}"
        );
        let sections: Vec<_> = text.lines().filter(|line| line.starts_with("### ")).collect();
        assert_eq!(sections, ["### A person should look: `staging`", "### Rotated: `production`"]);
        assert!(text.contains("</details>\n\n### Rotated"), "{text}");
        assert_eq!(text.matches(['✅', '❌', '⚠']).count(), 1);
    }

    #[test]
    fn other_live_keys_of_a_leak_are_to_be_looked_at() {
        let mut outcome = rotated();
        outcome.keys.push(key("key_odd", "odd", KeyFate::Foreign));
        let text = shown(&[outcome]);
        assert!(text.contains("**What to do next:** Look at the other live keys"), "{text}");
    }

    #[test]
    fn a_picture_is_drawn_from_two_steps_and_ten_seconds_on() {
        let mut outcome = rotated();
        assert!(!shown(&[outcome.clone()]).contains("```mermaid"));
        outcome.steps.iter_mut().for_each(|time| time.took = std::time::Duration::from_secs(10));
        assert!(shown(&[outcome.clone()]).contains("```mermaid"));
        outcome.steps.truncate(1);
        let text = shown(&[outcome]);
        assert!(!text.contains("```mermaid") && text.contains("<details><summary>Steps"), "{text}");
    }

    #[test]
    fn long_ids_and_exact_times_are_folded() {
        let mut outcome = rotated();
        outcome.at = "2026-07-03T09:00:00Z".parse().ok();
        outcome.keys = vec![key("key_2c6166c4ede119dd662f9a46", "production-2026-07-01-aaaaaa", KeyFate::Deleted)];
        let text = shown(&[outcome]);
        let row = "| production-2026-07-01-aaaaaa | `key_2c6166c4…` | 49 h ago | not shown | deleted |";
        let full =
            "| `key_2c6166c4ede119dd662f9a46` | production-2026-07-01-aaaaaa | 2026-07-01 08:00 UTC | not shown |";
        let folded = text.split("<details><summary>Keys in full</summary>").nth(1).unwrap_or_default();
        assert!(text.contains(row) && folded.contains(full), "{text}");
    }

    #[test]
    fn a_new_key_that_nobody_used_yet_is_not_said_to_be_hidden() {
        let mut outcome = rotated();
        outcome.new_key_used = Some(false);
        let text = shown(&[outcome]);
        assert!(text.contains("| 2026-07-01 08:00 UTC | not yet | new, in every target |"), "{text}");
        assert!(text.contains("| 2026-07-01 08:00 UTC | not shown | deleted |"), "{text}");
    }

    #[test]
    fn five_thousand_targets_are_cut_and_the_failing_ones_stay() {
        let mut outcome = attention();
        outcome.targets = (0..5_000).map(|n| target(&format!("repo:acme/{n} KEY"), TargetState::New, None)).collect();
        outcome.targets.push(target("repo:acme/bad KEY", TargetState::Either, Some("no answer")));
        let text = shown(&[outcome]);
        assert!(text.contains("|---|---|---|---|\n| `repo:acme/bad KEY` | the old or the new key"), "{text}");
        assert!(text.contains("| … and 4501 more | | | |\n"), "{text}");
        assert!(text.contains("<details>"), "{text}");
    }

    #[test]
    fn a_thousand_rotations_keep_the_limit_and_those_that_failed_come_first() {
        let mut outcomes: Vec<_> = (0..1_000).map(|_| not_due()).collect();
        outcomes.push(attention());
        for (at, outcome) in outcomes.iter_mut().enumerate() {
            outcome.key_name = format!("family-{at}");
            outcome.targets =
                (0..50).map(|n| target(&format!("repo:acme/{at}-{n} KEY"), TargetState::New, None)).collect();
        }
        let text = shown(&outcomes);
        assert!(text.len() <= 1_000_000 && text.starts_with("## ⚠️ 1001 rotations: 1000 not due, 1 to be"));
        assert_eq!(text.matches("\n\n### ").count(), 1_001, "each has its section");
        let first = text.split("\n### ").nth(1).unwrap_or_default();
        assert!(
            first.starts_with("A person should look: `family-1000`") && first.contains("What to do next"),
            "{first}"
        );
        assert!(text.contains("| … and 501 more | | |"), "{text}");
    }

    #[test]
    fn the_limit_holds_whatever_comes_and_the_head_stays() {
        let giant = "|<&`*_[]$@:// ".repeat(10_000);
        let long = "|<&`*_[]$@:// ".repeat(100);
        let mut outcome = attention();
        outcome.reason = giant.clone().into();
        outcome.problems = (0..1_000).map(|_| Problem::new(long.clone(), long.clone())).collect();
        outcome.targets = (0..5_000).map(|_| target("repo:x", TargetState::Either, Some("|||||"))).collect();
        outcome.keys = (0..1_000)
            .map(|n| key(&format!("key_{n}"), "|", KeyFate::Stray { reason: StrayReason::Other("|".into()) }))
            .collect();
        outcome.notices = vec![giant.clone(); 10];
        let one = Ending::ran(&[outcome], &Redactor::new());
        let Ending::Ran(outcomes) = &one else { return };
        let many = Ending::Ran(outcomes.iter().cycle().take(8).cloned().collect());
        let invalid = Ending::invalid(&vec![giant; 20], &Redactor::new());
        for (ending, start) in [(&one, "## ⚠️ A person"), (&many, "## ⚠️ 8 rotations"), (&invalid, "## ❌ The inputs")]
        {
            for limit in [0, 10, 1_000, 100_000, 1_000_000] {
                let text = markdown(ending, limit);
                assert!(text.len() <= limit);
                assert!(limit < 1_000 || text.starts_with(start));
            }
        }
        let text = markdown(&one, 1_000_000);
        for part in ["**What went wrong:**", "**What to do next**", "| Name | Key |", "| Target | Holds now |"] {
            assert!(text.contains(part), "{part}");
        }
    }
}
