//! The closing lines of a log or a terminal.

use super::Ending;
use super::checks;
use super::phrases::{self, counts, extend, fate, full_stop, holds, what_happened};
use crate::humanize::moment;
use crate::rotation::outcome::{KeyFate, KeyReport, Outcome, Problem, TargetReport, TargetState};

/// The ending in lines, without mark-up.
#[must_use]
pub fn text(ending: &Ending) -> String {
    let lines = match ending {
        Ending::Invalid(problems) => invalid(problems),
        Ending::Audited(audit) => super::audit::text(audit),
        Ending::Watched(watch) => super::leaks::text(watch).into_iter().chain(rotations(&watch.rotations)).collect(),
        Ending::Verified(read) => super::receipt::text(read),
        Ending::Ran(outcomes) => rotations(outcomes),
    };
    lines.into_iter().map(|line| line + "\n").collect()
}

fn rotations(outcomes: &[Outcome]) -> Vec<String> {
    let parts = outcomes.iter().flat_map(rotation);
    match outcomes {
        [] | [_] => parts.collect(),
        many => parts.chain([phrases::headline_of_many(many)]).collect(),
    }
}

fn invalid(problems: &[String]) -> Vec<String> {
    let mut lines = vec!["The inputs are wrong. Nothing was contacted and nothing has changed.".to_owned()];
    lines.extend(problems.iter().map(|problem| format!("  {problem}")));
    lines
}

fn rotation(outcome: &Outcome) -> Vec<String> {
    let next: Vec<_> = phrases::next(outcome).iter().map(phrases::Sentence::plain).collect();
    let alive = outcome.keys.iter().filter(|key| key.fate != KeyFate::Deleted);
    let leak = phrases::leak(outcome).map(|leak| format!("{}: {leak}", outcome.key_name));
    let headline = format!("{}: {}. {}", outcome.key_name, phrases::result_of(outcome), what_happened(outcome));
    let mut lines: Vec<_> = leak.into_iter().chain([headline]).collect();
    lines.extend(checks::lines(&outcome.checks));
    if !phrases::is_examined(outcome) {
        extend(&mut lines, phrases::other_problems(outcome), |one| problem(one, &next));
    }
    targets(outcome, &mut lines);
    extend(&mut lines, alive, key);
    extend(&mut lines, &outcome.notices, |notice| format!("  notice: {notice}"));
    extend(&mut lines, &next, |next| format!("  next: {next}"));
    let inputs = phrases::inputs(outcome);
    if !inputs.is_empty() {
        lines.push("  inputs to add:".to_owned());
        lines.extend(inputs.iter().map(|input| format!("    {input}")));
    }
    lines
}

/// Where one of the listed keys is to be chosen, its age and last use tell which it is.
fn key(key: &KeyReport) -> String {
    let told = format!("  key {} {}: {}", key.id, key.name, fate(key));
    if key.fate != KeyFate::Foreign {
        return told;
    }
    let made =
        key.created_at.map_or_else(|| "made at a time not shown".to_owned(), |at| format!("made {}", moment(at)));
    let used =
        key.last_used_at.map_or_else(|| "last use not shown".to_owned(), |at| format!("last used {}", moment(at)));
    format!("{told}, {made}, {used}")
}

/// Advice that stands below as what to do next is not given twice.
fn problem(problem: &Problem, next: &[String]) -> String {
    match problem.next.as_ref().filter(|advice| !next.contains(&phrases::advice_sentence(advice))) {
        Some(advice) => format!("  error: {} What to do: {advice}", full_stop(&problem.what)),
        None => format!("  error: {}", problem.what),
    }
}

fn targets(outcome: &Outcome, lines: &mut Vec<String>) {
    let (written, failed) = counts(&outcome.targets);
    if written + failed > 0 {
        lines.push(format!("  targets that hold the new key: {written} of {}", outcome.targets.len()));
    }
    let told = phrases::failing_first(&outcome.targets)
        .into_iter()
        .filter(|target| target.detail.is_some() || matches!(target.state, TargetState::Old | TargetState::Either));
    let line = |target: &TargetReport| {
        let detail = target.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
        format!("    {} holds {}{detail}", target.name, holds(target.state))
    };
    extend(lines, told, line);
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, attention, rolled_back, rotated, target, time, unchanged};
    use super::*;
    use crate::rotation::outcome::{Check, Finding};
    use crate::secret::Redactor;

    fn shown(outcomes: &[Outcome]) -> String {
        text(&Ending::ran(outcomes, &Redactor::new()))
    }

    #[test]
    fn a_failure_names_the_problem_the_targets_and_what_to_do() {
        let expected = "\
production: Failed, everything was put back. Every target holds the key it held. A target could not be read.
  error: repo:acme/app: GitHub answered 403 <Forbidden> | see @docs
  targets that hold the new key: 0 of 2
    repo:acme/api AROUTER_API_KEY holds what it held before: GitHub answered 403
    repo:acme/app AROUTER_API_KEY holds what it held before
  key key_new production-2026-10-01-7f3a9c-unconfirmed: made by this run, deleted again
  key key_old production-2026-07-01-aaaaaa: current
  next: Give the token the repository permission \"Secrets\" (write).
";
        assert_eq!(shown(&[rolled_back()]), expected);
    }

    #[test]
    fn a_run_that_is_not_due_says_which_keys_it_retired() {
        let mut outcome = samples::not_due();
        outcome.retired = vec!["production-2026-09-01-aaaaaa".to_owned()];
        let line = "production: Not due, an earlier key is retired. The current key stays. This run retired \
                    production-2026-09-01-aaaaaa, which an earlier run replaced. The current key is 3 days old";
        assert!(shown(&[outcome.clone()]).starts_with(line), "{}", shown(&[outcome]));
    }

    #[test]
    fn many_failing_targets_are_counted() {
        let mut outcome = attention();
        outcome.targets = (0..5_000).map(|n| target(&format!("repo:acme/{n}"), TargetState::Either, None)).collect();
        let text = shown(&[outcome]);
        assert!(text.lines().count() < 70 && text.contains("    … and 4950 more\n"), "{text}");
    }

    #[test]
    fn a_key_that_may_have_to_be_named_has_its_age_and_last_use() {
        let mut outcome = unchanged();
        outcome.keys = vec![samples::key("key_1", "by hand", KeyFate::Foreign); 2];
        outcome.keys.iter_mut().for_each(|key| key.last_used_at = Some(time("2026-11-27T13:07:00Z")));
        outcome.keys.iter_mut().take(1).for_each(|key| key.last_used_at = None);
        let text = shown(&[outcome]);
        let line = "  key key_1 by hand: alive, not touched, made 2026-07-01 08:00 UTC, last use";
        assert!(text.contains(&format!("{line} not shown\n{line}d 2026-11-27 13:07 UTC\n")), "{text}");
    }

    #[test]
    fn the_table_of_doctor_has_a_mark_and_a_remedy() {
        let check = |what: &str, finding, remedy: Option<&str>| Check {
            what: what.to_owned(),
            finding,
            detail: "seen".to_owned(),
            remedy: remedy.map(str::to_owned),
        };
        let mut outcome = unchanged();
        (outcome.targets, outcome.keys, outcome.inputs) = Default::default();
        outcome.checks = vec![
            check("issuer", Finding::Passed, None),
            check("repo:acme/app X", Finding::Failed, Some("Make it.")),
            check("clocks", Finding::Open, None),
        ];
        let text = shown(&[outcome.clone()]);
        let table = "  ✓ issuer ............ seen\n  ✗ repo:acme/app X ... seen\n      → Make it.\n  ? clocks ............ seen\n";
        assert!(text.contains(table) && text.starts_with("production: Not ready to rotate. "), "{text}");
        assert!(!text.contains("error:") && text.contains("then run doctor again."), "{text}");
        outcome.checks.extend((0..200).map(|nth| check(&format!("repo:acme/{nth}"), Finding::Passed, None)));
        let text = shown(&[outcome]);
        assert!(text.lines().count() < 70 && text.contains("  ✓ … and ") && text.contains("→ Make it."), "{text}");
    }

    #[test]
    fn several_rotations_end_in_one_line_for_all() {
        assert!(shown(&[rotated(), attention()]).ends_with("2 rotations: 1 rotated, 1 to be looked at by a person\n"));
    }
}
