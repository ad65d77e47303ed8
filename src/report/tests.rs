#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use super::samples::{attention, not_due, pending, planned, rolled_back, rotated, unchanged};
use super::*;
use crate::console::tests::{Tape, nasty, obeyed, scratch};
use crate::console::{Format, Sink, Surroundings};
use crate::rotation::outcome::Observer as _;
use crate::secret::Secret;

fn code(outcomes: &[Outcome]) -> (&'static str, u8) {
    let ending = Ending::ran(outcomes, &Redactor::new());
    (ending.word(), ending.exit_code())
}

#[test]
fn the_worst_of_several_decides() {
    assert_eq!(code(&[rotated(), not_due()]), ("rotated", 0));
    assert_eq!(code(&[pending()]), ("rotated", 0));
    assert_eq!(code(&[planned()]), ("unchanged", 0));
    assert_eq!(code(&[rotated(), unchanged()]), ("unchanged", 1));
    assert_eq!(code(&[rolled_back(), attention(), rotated()]), ("attention", 3));
    assert_eq!(code(&[]), ("unchanged", 1));
    let invalid = Ending::invalid(&["key-name: is missing".into()], &Redactor::new());
    assert_eq!((invalid.word(), invalid.exit_code()), ("invalid", 2));
}

#[test]
fn no_form_shows_a_secret_that_came_in_by_any_text() {
    let redactor = Redactor::new();
    let secret = "lr_live_a_b*c|d";
    redactor.learn(&Secret::new(secret.into()));
    let mut outcome = attention();
    let text = format!("got {secret} back");
    outcome.reason = text.clone().into();
    outcome.problems.push(Problem::new(text.clone(), text.clone()));
    outcome.notices.push(text.clone());
    outcome.plan.push(text.clone());
    for row in &mut outcome.keys {
        row.name.clone_from(&text);
        row.fate = KeyFate::Stray { reason: StrayReason::Other(text.clone()) };
    }
    for target in &mut outcome.targets {
        target.name.clone_from(&text);
        target.detail = Some(text.clone());
    }
    let ending = Ending::ran(&[outcome], &redactor);
    let invalid = Ending::invalid(&[text], &redactor);
    for ending in [&ending, &invalid] {
        let outputs: String = outputs(ending).into_iter().map(|(_, value)| value).collect();
        for form in [outputs, json(ending, usize::MAX), markdown(ending, 1_000_000), super::text(ending)] {
            assert!(!form.contains("lr_live") && !form.contains("lr&#95;live"), "{form}");
        }
    }
}

fn finished(ending: &Ending, format: Format, name: &str) -> [String; 4] {
    let files = [scratch(&format!("{name}-out")), scratch(&format!("{name}-summary"))];
    files.iter().for_each(|file| std::fs::write(file, "").unwrap());
    let path = |n: usize| files.get(n).unwrap().display().to_string();
    let variables = BTreeMap::from([
        ("GITHUB_ACTIONS".to_owned(), "true".to_owned()),
        ("GITHUB_OUTPUT".to_owned(), path(0)),
        ("GITHUB_STEP_SUMMARY".to_owned(), path(1)),
    ]);
    let (out, err) = (Tape::default(), Tape::default());
    let surroundings = Surroundings::new(&variables, format, Sink::Pipe, Sink::Pipe);
    let console = Console::new(surroundings, Redactor::new(), out.clone(), err.clone());
    console.mask(&Secret::new("lr_live_secret".into()));
    assert_eq!(finish(ending, &console), ending.exit_code());
    let read = |n: usize| std::fs::read_to_string(files.get(n).unwrap()).unwrap();
    let written = [out.text(), err.text(), read(0), read(1)];
    files.iter().for_each(|file| std::fs::remove_file(file).unwrap());
    written
}

#[test]
fn the_end_of_a_run_reaches_log_outputs_summary_and_document() {
    let ending = Ending::ran(&[attention()], &Redactor::new());
    let [out, err, outputs, summary] = finished(&ending, Format::Text, "text");
    assert_eq!(obeyed(&out), ["add-mask", "error", "error", "notice"], "{out}");
    assert!(out.starts_with("::add-mask::") && out.contains("\nproduction: A person should look. "), "{out}");
    assert_eq!(err, "");
    assert!(outputs.starts_with("outcome<<keyrotor_") && outputs.matches("<<keyrotor_").count() == 10, "{outputs}");
    assert!(summary.starts_with("## ⚠️ "), "{summary}");

    let [out, err, ..] = finished(&ending, Format::Json, "json");
    assert_eq!(out, json(&ending, usize::MAX) + "\n");
    assert!(err.starts_with("::add-mask::"), "{err}");
}

#[test]
fn wrong_inputs_reach_them_too() {
    let ending = Ending::invalid(&["key-name: is missing".into(), "::error::x".into()], &Redactor::new());
    let [out, _, outputs, summary] = finished(&ending, Format::Text, "invalid");
    assert_eq!(obeyed(&out), ["add-mask", "error", "error"], "{out}");
    assert!(outputs.contains("\ninvalid\n") && outputs.contains("\nfalse\n"), "{outputs}");
    assert!(summary.contains("| key-name: is missing |"), "{summary}");
}

#[test]
fn texts_of_others_never_become_commands_or_rows() {
    let seed = fastrand::u64(..);
    let mut rng = fastrand::Rng::with_seed(seed);
    for _ in 0..300 {
        let mut outcome = attention();
        outcome.key_name = nasty(&mut rng);
        outcome.reason = nasty(&mut rng).into();
        outcome.notices = vec![format!("1{}", nasty(&mut rng))];
        outcome.plan = vec![nasty(&mut rng)];
        outcome.problems = vec![Problem::new(format!("2{}", nasty(&mut rng)), format!("3{}", nasty(&mut rng)))];
        outcome.targets.iter_mut().for_each(|target| target.detail = Some(nasty(&mut rng)));
        outcome.keys.iter_mut().for_each(|key| key.name = nasty(&mut rng));
        let ending = Ending::ran(&[outcome], &Redactor::new());
        for format in [Format::Text, Format::Json] {
            let [out, err, _, summary] = finished(&ending, format, "nasty");
            let story = if format == Format::Text { &out } else { &err };
            assert_eq!(obeyed(story), ["add-mask", "error", "error", "notice"], "seed {seed}: {story:?}");
            if format == Format::Json {
                assert_eq!((obeyed(&out).len(), out.lines().count()), (0, 1), "seed {seed}: {out:?}");
            }
            let rows = summary.lines().filter(|line| line.starts_with('|'));
            assert!(rows.clone().all(|row| [5, 6, 4].contains(&row.matches('|').count())), "seed {seed}: {summary}");
            assert_eq!(rows.count(), 12, "seed {seed}: {summary}");
        }
    }
}
