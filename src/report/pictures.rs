//! Pictures in the summary, as Mermaid text that GitHub draws. A table always says the same; no foreign text stands in
//! them, so that nobody can break them or speak through them.

use std::time::Duration;

use crate::humanize::duration;
use crate::rotation::outcome::StepTime;
use crate::rotation::step::Step;

/// More bars than this are no use to a reader.
const MAX_BARS: usize = 60;
/// About so many lines stand across a timeline: more would run through its labels.
const LINES: u64 = 7;
/// Beyond it the times of a day would begin anew.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// Distances of lines that a person can count in, in seconds.
const DISTANCES: [u64; 14] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200];

/// When each step began and how long it took, one bar below the other; `None` where there is nothing to draw.
pub(super) fn timeline(steps: &[StepTime]) -> Option<String> {
    let end = steps.iter().map(|time| time.began.saturating_add(time.took)).max()?;
    if end >= LONGEST {
        return None;
    }
    let seconds = end.as_secs();
    let distance = DISTANCES.into_iter().find(|distance| seconds / distance <= LINES).unwrap_or(14_400);
    let axis = if seconds >= 3_600 { "%H:%M" } else { "%M:%S" };
    let bars: String = steps.iter().take(MAX_BARS).map(bar).collect();
    // Times of a day, not moments: those would be shown in the reader's time zone.
    let head = format!("    dateFormat HH:mm:ss.SSS\n    axisFormat {axis}\n    tickInterval {distance}second\n");
    Some(block(&format!("gantt\n{head}    section Steps\n{bars}")))
}

fn bar(time: &StepTime) -> String {
    let (seconds, millis) = (time.began.as_secs(), time.began.subsec_millis());
    let began = format!("{:02}:{:02}:{:02}.{millis:03}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let red = if time.step == Step::Undo { "crit, " } else { "" };
    let took = time.took.as_millis().max(1);
    format!("    {}, {} : {red}{began}, {took}ms\n", time.step.word(), duration(time.took))
}

/// With fewer, Mermaid writes halves beside the axis.
const FEWEST: usize = 10;

/// A bar for each count, as high as it is.
pub(super) fn bars(title: &str, what: &str, counts: &[(&'static str, usize)]) -> Option<String> {
    let most = counts.iter().map(|(_, count)| *count).max().filter(|most| *most > 0)?.max(FEWEST);
    let labels: Vec<_> = counts.iter().map(|(label, _)| format!("\"{label}\"")).collect();
    let heights: Vec<_> = counts.iter().map(|(_, count)| count.to_string()).collect();
    // The palette's first colour is next to white.
    let look = r##"%%{init: {"xyChart": {"width": 900, "height": 320}, "themeVariables": {"xyChart": {"plotColorPalette": "#4c8bf5"}}}}%%"##;
    Some(block(&format!(
        "{look}\nxychart-beta\n    title \"{title}\"\n    x-axis [{}]\n    y-axis \"{what}\" 0 --> {most}\n    bar [{}]\n",
        labels.join(", "),
        heights.join(", ")
    )))
}

fn block(text: &str) -> String {
    format!("```mermaid\n{text}```\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: Step, began: u64, took: u64) -> StepTime {
        StepTime {
            step,
            began: Duration::from_millis(began),
            at: jiff::Timestamp::UNIX_EPOCH,
            took: Duration::from_millis(took),
        }
    }

    #[test]
    fn a_timeline_has_a_bar_for_each_step() {
        let steps = [step(Step::Observe, 0, 420), step(Step::Distribute, 420, 61_000), step(Step::Undo, 61_420, 0)];
        let expected = "\
```mermaid
gantt
    dateFormat HH:mm:ss.SSS
    axisFormat %M:%S
    tickInterval 10second
    section Steps
    observe, 420 ms : 00:00:00.000, 420ms
    distribute, 1 min 1 s : 00:00:00.420, 61000ms
    undo, 0 ms : crit, 00:01:01.420, 1ms
```

";
        assert_eq!(timeline(&steps).as_deref(), Some(expected));
    }

    #[test]
    fn what_cannot_be_drawn_is_not() {
        assert_eq!(timeline(&[]), None);
        assert_eq!(timeline(&[step(Step::Observe, 0, 86_400_000)]), None);
        assert_eq!(bars("Keys", "keys", &[("a", 0), ("b", 0)]), None);
    }

    #[test]
    fn long_runs_have_few_lines_and_few_bars() {
        let lines = |millis| timeline(&[step(Step::Prove, 0, millis)]).unwrap_or_default();
        assert!(lines(80_000_000).contains("axisFormat %H:%M\n    tickInterval 14400second"));
        assert!(lines(900).contains("tickInterval 1second"));
        let many: Vec<_> = (0..1_000).map(|n| step(Step::Prove, n, 1)).collect();
        assert_eq!(timeline(&many).unwrap_or_default().matches("prove").count(), MAX_BARS);
    }
}
