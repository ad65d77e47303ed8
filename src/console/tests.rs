#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::rc::Rc;

use std::io;

use super::*;

/// A stream that can be read while the runner holds it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tape(Rc<RefCell<Vec<u8>>>);

impl Tape {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).unwrap()
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

/// A stream whose reader is gone.
#[derive(Debug)]
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

/// A file of this test run alone.
pub(crate) fn scratch(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("keyrotor-{}-{name}", std::process::id()))
}

fn start(variables: &[(&str, &str)], format: Format, sink: Sink) -> (Console<Tape, Tape>, Tape, Tape) {
    let variables = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let surroundings = Surroundings::new(&variables, format, sink, sink);
    let (out, err) = (Tape::default(), Tape::default());
    (Console::new(surroundings, Redactor::new(), out.clone(), err.clone()), out, err)
}

const GITHUB: &[(&str, &str)] = &[("GITHUB_ACTIONS", "true"), ("RUNNER_DEBUG", "1")];

fn github() -> (Console<Tape, Tape>, Tape) {
    let (console, out, _) = start(GITHUB, Format::Text, Sink::Pipe);
    (console, out)
}

fn problem(what: &str, next: Option<&str>) -> Problem {
    Problem { next: next.map(Into::into), ..Problem::bare(what) }
}

fn story(console: &Console<Tape, Tape>) {
    let second = Duration::from_secs(1);
    console.event(&Event::Began(Step::Distribute));
    for done in 1..=2 {
        console.event(&Event::Wrote { target: "repo:acme/app KEY", took: second, done, of: 2 });
    }
    console.event(&Event::Ended(Step::Distribute, second * 2));
    console.event(&Event::Began(Step::Confirm));
    console.event(&Event::Note("looked again".into()));
    console.event(&Event::Failed(&problem("the issuer refused the new key", Some("Look at its account"))));
}

#[test]
fn on_github_steps_are_groups_and_a_failure_is_an_annotation() {
    let (console, out) = github();
    story(&console);
    drop(console);
    let expected = "\
::group::distribute: write the new key to the targets
  repo:acme/app KEY: written in 1.0 s (1 of 2)
  repo:acme/app KEY: written in 1.0 s (2 of 2)
::endgroup::
distribute: took 2.0 s
::group::confirm: prove the new key again and look at the targets again
  looked again
::endgroup::
::error title=keyrotor%3A confirm::the issuer refused the new key. What to do: Look at its account
";
    assert_eq!(out.text(), expected);
}

#[test]
fn a_wait_is_a_sentence() {
    let (console, out) = github();
    let at_most = Duration::from_secs(5);
    for what in ["for another run", "to look again"] {
        console.event(&Event::Waiting { what: what.into(), at_most });
    }
    assert_eq!(out.text(), "  waiting for another run, at most 5.0 s\n  waiting to look again, at most 5.0 s\n");
}

#[test]
fn a_group_is_closed_when_the_runner_goes_away() {
    let (console, out) = github();
    console.event(&Event::Began(Step::Observe));
    drop(console);
    assert!(out.text().ends_with("::endgroup::\n"), "{}", out.text());
}

#[test]
fn a_pipe_gets_one_line_per_event_and_no_command() {
    let (console, out, err) = start(&[], Format::Text, Sink::Pipe);
    story(&console);
    console.debug("hidden");
    let text = out.text();
    assert!(!text.contains("::") && !text.contains('\u{1b}') && !text.contains("hidden"), "{text}");
    assert_eq!(text.lines().count(), 7);
    assert_eq!(err.text(), "");
}

#[test]
fn a_terminal_gets_a_progress_line_that_is_wiped_before_the_next_line() {
    let (console, out, err) = start(&[("COLUMNS", "20")], Format::Text, Sink::Terminal);
    story(&console);
    assert_eq!(err.text(), "\r[##########........\r[##################\r                   \r");
    assert!(out.text().starts_with("\u{1b}[1mdistribute: "), "{:?}", out.text());
    assert!(out.text().contains("\u{1b}[31merror: the issuer refused"), "{:?}", out.text());
}

#[test]
fn as_json_stdout_has_the_document_alone() {
    let (console, out, err) = start(GITHUB, Format::Json, Sink::Pipe);
    story(&console);
    console.document(|| "{}".into());
    assert_eq!(out.text(), "{}\n");
    assert!(err.text().contains("::group::"), "{}", err.text());
    let (console, out, _) = start(GITHUB, Format::Text, Sink::Pipe);
    console.document(|| "{}".into());
    assert_eq!(out.text(), "");
}

#[test]
fn a_secret_is_masked_line_by_line_and_then_never_shown() {
    let (console, out) = github();
    console.mask(&Secret::new("-----BEGIN-----\r\nMIIsecret%value\n\n-----END-----".into()));
    let masks = out.text();
    let expected = "\
::add-mask::-----BEGIN-----%0D%0AMIIsecret%25value%0A%0A-----END-----
::add-mask::-----BEGIN-----
::add-mask::MIIsecret%25value
::add-mask::-----END-----
";
    assert_eq!(masks, expected);
    console.say("got MIIsecret%value back");
    console.debug("got MIIsecret%value back");
    assert_eq!(out.text().replace(&masks, ""), "got *** back\n::debug::got *** back\n");
}

#[test]
fn no_mask_is_printed_where_it_would_stay() {
    for sink in [Sink::File, Sink::Terminal] {
        let (console, out, err) = start(GITHUB, Format::Text, sink);
        console.mask(&Secret::new("lr_live_secret".into()));
        console.say("lr_live_secret");
        assert_eq!((out.text().as_str(), err.text().as_str()), ("***\n", ""));
    }
}

#[test]
fn long_messages_are_cut_and_the_eleventh_error_is_a_line() {
    let (console, out) = github();
    console.announce(Kind::Error, &"x".repeat(10_000));
    assert_eq!(
        out.text().trim_end().len(),
        "::error title=keyrotor::".len() + line::MESSAGE_LIMIT + '…'.len_utf8() - 1
    );
    for n in 0..20 {
        console.event(&Event::Failed(&problem(&format!("problem {n}"), None)));
    }
    console.finish();
    let text = out.text();
    assert_eq!(text.lines().filter(|line| line.starts_with("::error")).count(), 10);
    assert!(text.contains("\nerror: problem 19\n"), "{text}");
    assert!(text.ends_with("12 more errors stand in the log and in the summary of this run\n"), "{text}");
}

#[test]
fn streams_and_files_that_are_gone_change_nothing() {
    let variables = [("GITHUB_OUTPUT", "/nowhere/out"), ("GITHUB_STEP_SUMMARY", "/nowhere/summary")];
    let (console, out, _) = start(&variables, Format::Text, Sink::Pipe);
    console.outputs(&[("outcome", "rotated".into())]);
    console.summary(|_| "text".into());
    assert_eq!(out.text().lines().filter(|line| line.starts_with("warning: ")).count(), 2);

    let surroundings = Surroundings::new(&BTreeMap::new(), Format::Json, Sink::Pipe, Sink::Pipe);
    let console = Console::new(surroundings, Redactor::new(), Closed, Closed);
    console.say("nobody reads this");
    console.document(|| "{}".into());
}

/// The commands that GitHub's runner finds in a text: every name with its data, judged more strictly than it does.
pub(crate) fn obeyed(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.split(['\r', '\n']) {
        assert!(!line.contains("##["), "the old form survived: {line:?}");
        let seen = line.trim_start_matches(|c: char| c.is_whitespace() || !c.is_alphanumeric() && !c.is_ascii());
        let Some(rest) = seen.strip_prefix("::") else { continue };
        let (head, _) = rest.split_once("::").unwrap_or((rest, ""));
        let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
        assert!(properties.is_empty() || properties.starts_with("title=") && !properties.contains(','), "{line:?}");
        found.push(name.to_owned());
    }
    found
}

const NASTY: &[&str] = &[
    "::",
    ":",
    "##[",
    "#",
    "[",
    "]",
    "error",
    "add-mask",
    "stop-commands",
    "endgroup",
    "group",
    " ",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "\u{b}",
    "\u{c}",
    "\u{85}",
    "\u{a0}",
    "\u{200b}",
    "\u{2028}",
    "\u{2029}",
    "\u{feff}",
    "\u{3000}",
    "\u{ad}",
    "\u{2237}",
    "\u{ff1a}",
    "\u{1b}[31m",
    "\u{8}",
    "\0",
    "%0A",
    "%0D",
    "%",
    "%25",
    ",",
    "=",
    "title=",
    ";",
    "é",
    "text",
    "-",
    "::error::x",
];

pub(crate) fn nasty(rng: &mut fastrand::Rng) -> String {
    (0..rng.usize(1..12)).filter_map(|_| rng.choice(NASTY.iter().copied())).collect()
}

#[test]
fn nothing_foreign_is_ever_obeyed() {
    let seed = fastrand::u64(..);
    println_seed(seed);
    let mut rng = fastrand::Rng::with_seed(seed);
    for round in 0..3_000 {
        let texts: Vec<String> = (0..6).map(|_| nasty(&mut rng)).collect();
        let [a, b, c, d, e, f] = &*texts else { panic!("six") };
        let (console, out) = github();
        let wait = Duration::ZERO;
        console.say(a);
        console.say_lines(b);
        console.section(c);
        console.event(&Event::Note(d.clone()));
        console.event(&Event::Plan(&texts));
        console.event(&Event::Wrote { target: a, took: wait, done: 1, of: 2 });
        console.event(&Event::Retrying { what: e.clone(), why: f.clone(), wait });
        console.event(&Event::Waiting { what: a.clone(), at_most: wait });
        assert_eq!(obeyed(&out.text()), ["group"], "seed {seed} round {round} {texts:?}");
        console.end_section(d);
        console.event(&Event::Began(Step::Prove));
        console.event(&Event::Warning(format!("1{a}")));
        console.event(&Event::Failed(&problem(&format!("2{b}"), Some(c))));
        console.announce(Kind::Notice, &format!("3{d}"));
        console.debug(e);
        let expected = ["group", "endgroup", "group", "warning", "endgroup", "error", "notice", "debug"];
        assert_eq!(obeyed(&out.text()), expected, "seed {seed} round {round} {texts:?}");
    }
}

#[expect(clippy::print_stdout, reason = "a failing test shows its seed")]
fn println_seed(seed: u64) {
    println!("seed {seed}");
}

fn writes(console: &Console<Tape, Tape>, done: std::ops::RangeInclusive<usize>, of: usize) {
    let took = Duration::from_millis(50);
    done.for_each(|done| console.event(&Event::Wrote { target: "repo:acme/app KEY", took, done, of }));
}

#[tokio::test(start_paused = true)]
async fn of_many_targets_a_log_is_told_now_and_then_and_once_there_is_reason_how_long_it_takes() {
    let (console, out) = github();
    let work = async {
        console.event(&Event::Began(Step::Distribute));
        writes(&console, 1..=180, 1000);
        sleep(Duration::from_secs(7)).await;
        writes(&console, 181..=200, 1000);
        sleep(Duration::from_secs(54)).await;
        writes(&console, 201..=1000, 1000);
        console.event(&Event::Ended(Step::Distribute, Duration::from_secs(61)));
    };
    console.telling(|| None, work).await;
    let text = out.text();
    let told: Vec<_> = text.lines().filter(|line| line.contains(" of ")).collect();
    assert_eq!(told.len(), 13, "{text}");
    assert_eq!(told.first(), Some(&"  180 of 1000 written"), "a burst says nothing of the speed");
    assert_eq!(told.get(11), Some(&"  200 of 1000 written, about 4 min left"));
    assert_eq!(told.last(), Some(&"  1000 of 1000 written"));
}

#[tokio::test(start_paused = true)]
async fn looks_at_many_targets_are_told_of_too() {
    let (console, out) = github();
    let work = async {
        console.event(&Event::Began(Step::Observe));
        for done in 1..=3 {
            console.event(&Event::Looked { done, of: 3 });
        }
        for done in 1..=90 {
            sleep(Duration::from_millis(100)).await;
            console.event(&Event::Looked { done, of: 90 });
        }
        sleep(Duration::from_secs(20)).await;
    };
    console.telling(|| None, work).await;
    let text = out.text();
    let told: Vec<_> = text.lines().filter(|line| line.contains(" of ")).collect();
    assert_eq!(told, ["  50 of 90 looked at, about 4.0 s left", "  90 of 90 looked at"], "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_is_told_in_place_of_an_estimate() {
    let (console, out) = github();
    let work = async {
        console.event(&Event::Began(Step::Distribute));
        writes(&console, 1..=60, 90);
        sleep(Duration::from_secs(6)).await;
    };
    console.telling(|| "2026-12-01T10:42:10Z".parse().ok(), work).await;
    let text = out.text();
    assert!(text.contains("  60 of 90 written, waiting for GitHub's rate limit until 10:42:10 UTC\n"), "{text}");
    assert!(!text.contains("left"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_terminal_shows_a_bar_also_while_nothing_happens() {
    let (console, _, err) = start(&[("COLUMNS", "80")], Format::Text, Sink::Terminal);
    let work = async {
        console.event(&Event::Began(Step::Distribute));
        sleep(Duration::from_millis(1500)).await;
        writes(&console, 1..=30, 40);
        sleep(Duration::from_secs(2)).await;
    };
    console.telling(|| None, work).await;
    let text = err.text();
    assert!(text.contains("\r[##########..........] 20 of 40 written, about 1.0 s left"), "{text:?}");
    assert!(text.ends_with("\r[###############.....] 30 of 40 written, about 1.0 s left"), "{text:?}");
}
