//! What a run left behind, and whether it may show that.

use super::*;

/// A run that is over.
#[derive(Debug)]
pub(crate) struct Ran {
    /// How the process ended.
    pub(crate) exit: ExitStatus,
    /// What it wrote there.
    pub(crate) stdout: String,
    /// What it wrote there.
    pub(crate) stderr: String,
    /// The step's outputs.
    pub(crate) outputs: BTreeMap<String, String>,
    /// The step's summary.
    pub(crate) summary: String,
    /// The requests that arrived meanwhile.
    pub(crate) requests: Vec<Request>,
    /// How long it took.
    pub(crate) took: Duration,
}

impl Ran {
    /// The exit status as a shell shows it: 137 after SIGKILL.
    pub(crate) fn status(&self) -> i32 {
        self.exit.code().or_else(|| self.exit.signal().map(|signal| 128 + signal)).unwrap_or(-1)
    }

    /// One output; empty where it was not written.
    pub(crate) fn output(&self, name: &str) -> &str {
        self.outputs.get(name).map_or("", String::as_str)
    }

    /// The report: the output, else what stdout carries with `--format json`.
    pub(crate) fn report(&self) -> Option<serde_json::Value> {
        let text = self.outputs.get("report").map_or(self.stdout.as_str(), String::as_str);
        serde_json::from_str(text).ok()
    }

    /// What the run says of itself: every target holds the new key.
    pub(crate) fn rotated(&self) -> bool {
        let all = |rows: &Vec<serde_json::Value>| rows.iter().all(|row| row["rotated"] == true);
        self.report().is_some_and(|report| report["rotated"] == true && report["rotations"].as_array().is_some_and(all))
    }

    /// Everything a person could read afterwards.
    pub(crate) fn log(&self) -> String {
        let stdout = without_masks(&self.stdout);
        format!(
            "--- exit {}, {:?}\n{stdout}--- stderr\n{}--- summary\n{}",
            self.status(),
            self.took,
            self.stderr,
            self.summary
        )
    }

    /// What the summary shows a person, its entities read.
    pub(crate) fn summary_text(&self) -> String {
        let mut text = String::new();
        let mut rest = self.summary.as_str();
        while let Some((before, entity)) = rest.split_once("&#") {
            let (code, behind) = entity.split_once(';').unwrap_or((entity, ""));
            text.push_str(before);
            text.extend(code.parse().ok().and_then(char::from_u32));
            rest = behind;
        }
        text + rest
    }

    /// The log and the summary both say this.
    pub(crate) fn tells(&self, words: &str) -> bool {
        self.stdout.contains(words) && self.summary_text().contains(words)
    }

    /// A person who reads the report, the log or the summary finds this key, by its id; by its name where the run
    /// never saw it.
    pub(super) fn names_key(&self, key: &Key) -> bool {
        let told = format!("{}{}{}{}", self.stdout, self.stderr, self.summary, self.output("report"));
        told.contains(&key.id) || told.contains(&key.name)
    }

    pub(super) fn check_outputs(&self, rotated: bool) -> Check {
        let Some(report) = self.report() else { return Err(format!("there is no report\n{}", self.log())) };
        let outcome = report["outcome"].as_str().unwrap_or_default();
        let fits = match self.status() {
            0 => ["rotated", "not-due"].contains(&outcome),
            1 => ["rolled-back", "unchanged"].contains(&outcome),
            3 => outcome == "attention",
            _ => false,
        };
        ensure(fits && report["exit-code"] == self.status(), || {
            format!("outcome {outcome} beside exit {}\n{}", self.status(), self.log())
        })?;
        ensure(rotated || !self.rotated(), || format!("it says rotated, and is not\n{}", self.log()))?;
        ensure(self.outputs.is_empty() || !self.summary.is_empty(), || "there is no summary".to_owned())
    }

    /// It ended soon enough after it was told to stop at `at`, on its own clock.
    pub(crate) fn check_stopped_in_time(&self, at: Duration) -> Check {
        let took = self.took.saturating_sub(at);
        ensure(took < TIME_TO_STOP, || format!("it took {took:?} to stop\n{}", self.log()))
    }
}

/// A report is one that `report.schema.json` describes.
pub(super) fn check_report(ran: &Ran) -> Check {
    static JUDGE: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("report.schema.json");
        jsonschema::validator_for(&serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()).unwrap()
    });
    let Some(report) = ran.report().filter(|report| report["version"] == 1) else { return Ok(()) };
    let wrong: Vec<_> = JUDGE.iter_errors(&report).map(|error| error.to_string()).collect();
    ensure(wrong.is_empty(), || format!("no such report: {wrong:?}\n{report}"))
}

/// `Err` with what is wrong, unless all is well.
pub(crate) fn ensure(well: bool, wrong: impl FnOnce() -> String) -> Check {
    if well { Ok(()) } else { Err(wrong()) }
}

pub(super) fn without_masks(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with("::add-mask::"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// As the runner reads the file.
pub(crate) fn parse_outputs(text: &str) -> BTreeMap<String, String> {
    let mut lines = text.split('\n');
    let mut found = BTreeMap::new();
    while let Some(line) = lines.next() {
        let Some((name, end)) = line.split_once("<<") else { continue };
        let value: Vec<_> = lines.by_ref().take_while(|line| *line != end).collect();
        found.insert(name.to_owned(), value.join("\n"));
    }
    found
}
