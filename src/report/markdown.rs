//! The step summary, in Markdown.

use super::escape::{code, escape};
use super::page::Page;
use super::section::{Level, section};
use super::words::{headline, mark, what_happened};
use super::{Ending, worst};
use crate::rotation::outcome::Outcome;

/// The summary, in at most `limit` bytes: the head comes first, long tables are cut, failing rows last.
#[must_use]
pub fn markdown(ending: &Ending, limit: usize) -> String {
    let mut page = Page::new(limit);
    match ending {
        Ending::Invalid(problems) => invalid(&mut page, problems),
        Ending::Ran(outcomes) => match outcomes.as_slice() {
            [only] => section(&mut page, only, Level::Only),
            several => many(&mut page, several),
        },
    }
    page.finish()
}

fn invalid(page: &mut Page, problems: &[String]) {
    page.push("## ❌ The inputs are wrong\n\nNothing was contacted and nothing has changed.\n\n");
    page.push("**What to do next:** correct what the table names, then run it again.\n\n");
    let rows = problems.iter().map(|problem| format!("| {} |\n", escape(problem)));
    page.list("| What is wrong |\n|---|\n", problems.len(), rows, |count| format!("| … and {count} more |\n"));
}

fn many(page: &mut Page, outcomes: &[Outcome]) {
    let verdict = worst(outcomes);
    let count = outcomes.len();
    page.push(&format!("## {}{}: {count} rotations\n\n", mark(verdict), headline(verdict)));
    let mut worst_first: Vec<_> = outcomes.iter().collect();
    worst_first.sort_by_key(|outcome| std::cmp::Reverse(outcome.verdict.exit_code()));
    let row = |outcome: &&Outcome| {
        let happened = escape(&what_happened(outcome));
        format!("| {} | {} | {happened} |\n", code(&outcome.key_name), headline(outcome.verdict))
    };
    let rest = |count| format!("| … and {count} more | | |\n");
    page.list("| Rotation | Outcome | |\n|---|---|---|\n", count, worst_first.iter().map(row), rest);
    for (at, outcome) in worst_first.iter().enumerate() {
        let mut part = Page::new(page.room() / (count - at));
        section(&mut part, outcome, Level::Part);
        page.push(&part.finish());
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{attention, key, not_due, pending, planned, rolled_back, rotated, target, unchanged};
    use super::*;
    use crate::rotation::outcome::{KeyFate, Problem, TargetState};
    use crate::secret::Redactor;

    fn shown(outcomes: &[Outcome]) -> String {
        markdown(&Ending::ran(outcomes, &Redactor::new()), 1_000_000)
    }
    // SNAPSHOTS

    #[test]
    fn several_rotations_have_an_overview_and_a_section_each_worst_first() {
        let mut staging = attention();
        staging.key_name = "staging".into();
        let text = shown(&[rotated(), staging]);
        assert!(text.starts_with("## ⚠️ A person should look: 2 rotations\n\n| Rotation |"), "{text}");
        let sections: Vec<_> = text.lines().filter(|line| line.starts_with("### ")).collect();
        assert_eq!(sections, ["### A person should look: `staging`", "### Rotated: `production`"]);
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
    fn five_thousand_targets_are_cut_and_the_failing_ones_stay() {
        let mut outcome = rolled_back();
        outcome.targets = (0..5_000).map(|n| target(&format!("repo:acme/{n} KEY"), TargetState::New, None)).collect();
        outcome.targets.push(target("repo:acme/bad KEY", TargetState::Either, Some("no answer")));
        let text = shown(&[outcome]);
        assert!(text.contains("|---|---|---|---|\n| `repo:acme/bad KEY` | the old or the new key"), "{text}");
        assert!(text.contains("| … and 4501 more | | | |\n"), "{text}");
        assert!(text.contains("<details>"), "{text}");
    }

    #[test]
    fn the_limit_holds_whatever_comes_and_the_head_stays() {
        let giant = "|<&`*_[]$@:// ".repeat(100_000);
        let mut outcome = attention();
        outcome.reason.clone_from(&giant);
        outcome.problems = (0..3_000).map(|_| Problem { what: giant.clone(), next: Some(giant.clone()) }).collect();
        outcome.targets = (0..5_000).map(|_| target("repo:x", TargetState::Either, Some("|||||"))).collect();
        outcome.keys =
            (0..3_000).map(|n| key(&format!("key_{n}"), "|", KeyFate::Stray { reason: "|".into() })).collect();
        outcome.notices = vec![giant.clone(); 100];
        let one = Ending::ran(&[outcome], &Redactor::new());
        let Ending::Ran(outcomes) = &one else { return };
        let many = Ending::Ran(outcomes.iter().cycle().take(40).cloned().collect());
        let invalid = Ending::invalid(&vec![giant; 200], &Redactor::new());
        for (ending, start) in [(&one, "## ⚠️ A person"), (&many, "## ⚠️ A person"), (&invalid, "## ❌ The inputs")]
        {
            for limit in [0, 10, 1_000, 100_000, 1_000_000] {
                let text = markdown(ending, limit);
                assert!(text.len() <= limit);
                assert!(limit < 1_000 || text.starts_with(start));
            }
        }
        let text = markdown(&one, 1_000_000);
        for part in ["**What went wrong:**", "**What to do next**", "| Key | Name |", "| Target | Holds now |"] {
            assert!(text.contains(part), "{part}");
        }
    }
}
