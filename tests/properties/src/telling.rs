//! What is told: log lines and workflow commands, outputs, the summary, the report.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use keyrotor::audit::State;
use keyrotor::console::line;
use keyrotor::console::{Console, Format, Kind, Sink, Surroundings};
use keyrotor::receipt::{IssuedBy, WorkflowRun};
use keyrotor::report::{self, Ending, Origin, json, markdown, outputs};
use keyrotor::rotation::outcome::{Event, Observer as _, Outcome, Problem};
use keyrotor::rotation::step::Step;
use keyrotor::secret::{Redactor, Secret};

use crate::actions::{self, check_visible, commands};
use crate::audits::audit;
use crate::echo::{SECRETS, echoing, searcher};
use crate::outcomes::{outcome, receipt, time};
use crate::text::several;
use crate::watches::watch;

/// A stream that can be read while the runner holds it.
#[derive(Clone, Debug, Default)]
struct Tape(Rc<RefCell<Vec<u8>>>);

impl Tape {
    fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).expect("what is told is text")
    }
}

impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The two files that a step hands over, until this is dropped.
struct Files([PathBuf; 2]);

static NEXT: AtomicUsize = AtomicUsize::new(0);

impl Files {
    fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = |name| std::env::temp_dir().join(format!("keyrotor-{}-{number}-{name}", std::process::id()));
        let files = Self(["outputs", "summary"].map(path));
        files.0.iter().for_each(|path| fs::write(path, "").expect("a file"));
        files
    }

    fn read(&self) -> [String; 2] {
        self.0.each_ref().map(|path| fs::read_to_string(path).expect("what is handed over is text"))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.0.iter().for_each(|path| _ = fs::remove_file(path));
    }
}

/// A runner in these surroundings that has masked every secret.
fn runner(style: Where, format: Format, files: &Files) -> (Console<Tape, Tape>, Tape, Tape) {
    let [outputs, summary] = files.0.each_ref().map(|path| path.to_string_lossy().into_owned());
    let mut variables = BTreeMap::from([("GITHUB_OUTPUT", outputs), ("GITHUB_STEP_SUMMARY", summary)]);
    if style == Where::GitHub {
        variables.extend([("GITHUB_ACTIONS", "true".to_owned()), ("RUNNER_DEBUG", "1".to_owned())]);
    }
    let sink = if style == Where::Terminal { Sink::Terminal } else { Sink::Pipe };
    let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let (out, err) = (Tape::default(), Tape::default());
    let runner =
        Console::new(Surroundings::new(&variables, format, sink, sink), Redactor::new(), out.clone(), err.clone());
    SECRETS.iter().for_each(|secret| runner.mask(&Secret::new((*secret).to_owned())));
    (runner, out, err)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    GitHub,
    Pipe,
    Terminal,
}

const STEPS: [Step; 4] = [Step::Observe, Step::Prove, Step::Distribute, Step::Undo];

/// Tells something hostile in some way; the commands that this may make.
fn tell(u: &mut Unstructured<'_>, runner: &Console<Tape, Tape>) -> Result<()> {
    let (text, other) = (echoing(u)?, echoing(u)?);
    let wait = Duration::from_millis(u.arbitrary::<u32>()?.into());
    match u.int_in_range(0..=13)? {
        0 => runner.say(&text),
        1 => runner.say_lines(&text),
        2 => runner.section(&text),
        3 => runner.debug(&text),
        4 => runner.announce(*u.choose(&[Kind::Error, Kind::Warning, Kind::Notice])?, &text),
        5 => runner.annotate(Kind::Notice, &text),
        6 => runner.event(&Event::Note(text)),
        7 => runner.event(&Event::Warning(text)),
        8 => runner.event(&Event::Plan(&[text, other])),
        9 => runner.event(&Event::Wrote { target: &text, took: wait, done: 1, of: 2 }),
        10 => runner.event(&Event::Retrying { what: text, why: other, wait }),
        11 => runner.event(&Event::Waiting { what: text, at_most: wait }),
        12 => runner.event(&Event::Failed(&Problem::new(text, other))),
        _ => {
            runner.event(&Event::Began(*u.choose(&STEPS)?));
            if u.arbitrary()? {
                runner.event(&Event::Ended(*u.choose(&STEPS)?, wait));
            }
        }
    }
    Ok(())
}

/// Every command is one of ours and every group is closed.
fn check_commands(streams: &str) {
    let mut masked = BTreeSet::new();
    let mut group = false;
    for command in commands(streams) {
        match command.name.as_str() {
            "add-mask" => _ = masked.insert(command.data),
            "group" => assert!(!std::mem::replace(&mut group, true), "a group in a group: {streams:?}"),
            "endgroup" => assert!(std::mem::take(&mut group) && command.data.is_empty(), "no group: {streams:?}"),
            "error" | "warning" | "notice" => {
                let one = command.properties.starts_with("title=keyrotor") && !command.properties.contains(',');
                assert!(one, "{command:?} in {streams:?}");
                assert!(command.data.encode_utf16().count() <= line::MESSAGE_LIMIT, "{command:?}");
            }
            "debug" => assert_eq!(command.properties, ""),
            other => panic!("{other:?} is not one of ours: {streams:?}"),
        }
    }
    assert!(!group, "a group stays open: {streams:?}");
    let lines: BTreeSet<String> = SECRETS.iter().flat_map(|s| s.lines().chain([*s])).map(str::to_owned).collect();
    assert!(masked.is_empty() || masked == lines, "{masked:?}");
}

/// Nothing hides in what is told, and no secret is shown.
fn check_shown(streams: &str) {
    let told = streams.lines().filter(|line| !line.starts_with("::add-mask::"));
    let told: String = told.flat_map(|line| [line, "\n"]).collect();
    check_visible(&told);
    assert_eq!(searcher().find(&told), None, "{told:?}");
}

/// Without its own colours, and the line that is drawn anew as a line each time.
fn without_colours(terminal: &str) -> String {
    let codes = ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[31m", "\u{1b}[33m"];
    codes.iter().fold(terminal.replace('\r', "\n"), |text, code| text.replace(code, ""))
}

/// Whatever is told, in whatever surroundings: the runner obeys no command but ours, a terminal nothing, and no secret is
/// shown, however a server wrote it.
///
/// # Errors
/// Where the input is used up.
///
/// # Panics
/// Where that does not hold.
pub fn story(u: &mut Unstructured<'_>) -> Result<()> {
    let style = *u.choose(&[Where::GitHub, Where::GitHub, Where::Pipe, Where::Terminal])?;
    let format = *u.choose(&[Format::Text, Format::Json])?;
    let files = Files::new();
    let (runner, out, err) = runner(style, format, &files);
    for _ in 0..u.int_in_range(1..=8)? {
        tell(u, &runner)?;
    }
    drop(runner);
    let (out, err) = (out.text(), err.text());
    let streams = format!("{out}\n{err}");
    match style {
        Where::GitHub => check_commands(&streams),
        Where::Pipe => assert_eq!(commands(&streams), [], "commands outside GitHub: {streams:?}"),
        // Nobody but a person reads it.
        Where::Terminal => {}
    }
    check_shown(&if style == Where::Terminal { without_colours(&streams) } else { streams });
    if format == Format::Json {
        assert_eq!(out, "", "stdout is the document's alone");
    }
    Ok(())
}

fn ending(u: &mut Unstructured<'_>) -> Result<Ending> {
    let redactor = Redactor::new();
    SECRETS.iter().for_each(|secret| redactor.learn(&Secret::new((*secret).to_owned())));
    if u.ratio(1, 5)? {
        return Ok(Ending::invalid(&several(u, 6, echoing)?, &redactor));
    }
    if u.ratio(1, 4)? {
        return Ok(Ending::audited(audit(u)?, &redactor));
    }
    if u.ratio(1, 4)? {
        return Ok(Ending::watched(watch(u)?, &redactor));
    }
    if u.ratio(1, 4)? {
        return Ok(Ending::verified(&receipt(u)?, &redactor));
    }
    let first = outcome(u)?;
    let more: Vec<Outcome> = if u.ratio(1, 4)? { several(u, 2, outcome)? } else { Vec::new() };
    Ok(Ending::ran(&[vec![first], more].concat(), &redactor))
}

/// A run's receipt, from surroundings that hold secrets.
fn receipt_of(u: &mut Unstructured<'_>, ending: &Ending) -> Result<String> {
    let redactor = Redactor::new();
    SECRETS.iter().for_each(|secret| redactor.learn(&Secret::new((*secret).to_owned())));
    let word = |u: &mut Unstructured<'_>| Ok(Some(echoing(u)?));
    let run = WorkflowRun {
        page: word(u)?,
        attempt: word(u)?,
        workflow: word(u)?,
        commit: word(u)?,
        event: word(u)?,
        actor: word(u)?,
    };
    let issuer =
        IssuedBy { rotation: echoing(u)?, issuer: "arouter".to_owned(), url: echoing(u)?, workspace: word(u)? };
    let (started_at, finished_at) = (time(u)?, time(u)?);
    let origin = Origin { started_at, finished_at, run, inputs: Vec::new(), issuers: vec![issuer] };
    Ok(report::receipt(ending, &origin, &redactor))
}

/// Whatever a run came to: its outputs read back as they were and are exactly those of the contract; the summary is the
/// mark-up of ours with the texts as they are, and never too long; the report is one line of JSON; no secret is in any.
///
/// # Errors
/// Where the input is used up.
///
/// # Panics
/// Where that does not hold.
pub fn summary(u: &mut Unstructured<'_>) -> Result<()> {
    let ending = ending(u)?;
    let files = Files::new();
    let format = *u.choose(&[Format::Text, Format::Json])?;
    let (runner, out, err) = runner(Where::GitHub, format, &files);
    let status = report::finish(&ending, &runner);
    assert_eq!(status, ending.exit_code());
    drop(runner);
    let (out, err) = (out.text(), err.text());
    let report = json(&ending, usize::MAX);
    // With the format JSON the document stands alone on stdout, and is no line that the runner would obey.
    assert!(format == Format::Text || out == format!("{report}\n"), "{out:?}");
    check_commands(&format!("{out}\n{err}"));
    check_shown(&format!("{out}\n{err}"));

    let [file, summary] = files.read();
    let read =
        actions::outputs(&file).unwrap_or_else(|why| panic!("the runner refuses the outputs: {why} in {file:?}"));
    let made = outputs(&ending).into_iter().map(|(name, value)| (name.to_owned(), value));
    assert_eq!(read, made.collect::<BTreeMap<_, _>>());
    assert!(read.values().all(|value| !value.contains(['\n', '\r'])), "{read:?}");
    let parsed: serde_json::Value = serde_json::from_str(&report).unwrap_or_else(|why| panic!("{why}: {report}"));
    assert_eq!(parsed.get("exit-code"), Some(&status.into()));
    // It is pasted into scripts.
    assert!(!report.contains(['\n', '\r', '\'', '`', '$']) && !report.contains("##["), "{report:?}");
    let receipt = receipt_of(u, &ending)?;
    for text in [&file, &summary, &report, &receipt] {
        assert_eq!(searcher().find(text), None, "{text:?}");
    }
    check_summary(&ending, &summary);
    for limit in [0, 200, 2_000] {
        let cut = markdown(&ending, limit);
        assert!(cut.len() <= limit, "{} bytes of {limit}", cut.len());
        assert!(crate::markdown::read(&cut).is_ok(), "{:?} in {cut:?}", crate::markdown::read(&cut));
    }
    Ok(())
}

fn check_summary(ending: &Ending, summary: &str) {
    let seen = crate::markdown::read(summary).unwrap_or_else(|why| panic!("{why} in {summary:?}"));
    let plain = |text: &str| text.replace('\u{200b}', "");
    match ending {
        Ending::Invalid(problems) => {
            let rows: Vec<String> = seen.rows.iter().flatten().map(|cell| plain(cell)).collect();
            // What stands between backticks is code, which has none.
            let bare = |text: &String| text.replace('`', "");
            let told = |texts: &[String]| texts.iter().map(bare).collect::<Vec<_>>();
            assert_eq!(told(&rows), told(problems), "{summary:?}");
            assert_eq!(seen.headings.len(), 1);
        }
        Ending::Audited(audit) => {
            let keys: Vec<_> = audit.accounts.iter().flat_map(|account| &account.assessment.keys).collect();
            let parts = usize::from(!keys.is_empty()) + usize::from(!audit.findings().is_empty());
            let dated = keys.iter().any(|key| key.state == State::Live && key.age.is_some());
            let parts = parts + usize::from(dated) + usize::from(audit.pruned().next().is_some());
            assert_eq!(seen.headings.len(), 1 + parts, "{summary:?}");
            for key in keys {
                // Below the name.
                let told =
                    seen.rows.iter().flatten().any(|cell| plain(cell).rsplit('\n').next() == Some(&key.row.id.0));
                assert!(told, "{:?} is not told as it is in {summary:?}", key.row.id);
            }
        }
        Ending::Watched(watch) => {
            let of_rotations = match watch.rotations.len() {
                0 => 0,
                1 => 1,
                many => 1 + many,
            };
            assert_eq!(seen.headings.len(), 1 + of_rotations, "{summary:?}");
        }
        Ending::Verified(read) => {
            assert_eq!(seen.headings.len(), 1, "{summary:?}");
            let told = read
                .checks
                .iter()
                .all(|it| seen.rows.iter().flatten().any(|cell| plain(cell).ends_with(&it.check.what)));
            assert!(told, "a check is not told as it is in {summary:?}");
        }
        Ending::Ran(outcomes) => {
            let parts = if outcomes.len() > 1 { outcomes.len() } else { 0 };
            assert_eq!(seen.headings.len(), 1 + parts, "{summary:?}");
            for outcome in outcomes {
                let names: Vec<&str> = outcome.targets.iter().map(|target| target.name.as_str()).collect();
                for name in names.into_iter().chain(outcome.keys.iter().map(|key| key.id.0.as_str())) {
                    let told = seen.rows.iter().flatten().any(|cell| plain(cell) == name);
                    assert!(told, "{name:?} is not told as it is in {summary:?}");
                }
            }
        }
    }
}
