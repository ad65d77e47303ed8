//! A workflow that is to succeed with the new key before the old one goes.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::duration::duration_within;

const TIMES: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(6 * 60 * 60);
const USUAL: Duration = Duration::from_secs(10 * 60);
const LONGEST_FILE: usize = 200;

/// A workflow, and how long its run may take, the time in the queue included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// The file's name below `.github/workflows`.
    pub workflow: String,
    /// How long it is waited for.
    pub within: Duration,
}

impl Canary {
    /// Reads the words of a target.
    ///
    /// # Errors
    /// What is accepted.
    pub(super) fn of_words(workflow: Option<&str>, within: Option<&str>) -> Result<Option<Self>, String> {
        let within = within.map(|text| time(text).map_err(|message| format!("`canary-timeout={text}`: {message}")));
        match (workflow, within.transpose()?) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err("`canary-timeout=` has no meaning without `canary=`".to_owned()),
            (Some(text), within) => {
                let workflow = file(text).map_err(|message| format!("`canary={text}`: {message}"))?;
                Ok(Some(Self { workflow, within: within.unwrap_or(USUAL) }))
            }
        }
    }

    /// Reads an input: `smoke.yml`, `smoke.yml timeout=20m`.
    ///
    /// # Errors
    /// What is accepted.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let workflow = file(words.next().unwrap_or_default())?;
        let within = match (words.next(), words.next()) {
            (None, _) => USUAL,
            (Some(word), None) => match word.split_once('=') {
                Some(("timeout", text)) => time(text).map_err(|message| format!("`timeout={text}`: {message}"))?,
                _ => return Err(format!("`{word}` is not known: expected `timeout=DURATION` behind the file's name")),
            },
            (Some(_), Some(_)) => return Err("expected a file's name, and perhaps `timeout=DURATION`".to_owned()),
        };
        Ok(Self { workflow, within })
    }
}

/// As the words of a target.
impl fmt::Display for Canary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "canary={}", self.workflow)?;
        if self.within == USUAL { Ok(()) } else { write!(f, " canary-timeout={}s", self.within.as_secs()) }
    }
}

fn time(text: &str) -> Result<Duration, String> {
    duration_within(text, &TIMES, "1s to 6h")
}

fn file(text: &str) -> Result<String, String> {
    let letters = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    let stem = text.strip_suffix(".yml").or_else(|| text.strip_suffix(".yaml")).unwrap_or_default();
    if letters && !stem.is_empty() && text.len() <= LONGEST_FILE {
        return Ok(text.to_owned());
    }
    let hint = if text.contains('/') { ", without its folder" } else { "" };
    Err(format!("expected the name of a workflow file, such as smoke.yml{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_a_file_and_perhaps_a_time() {
        let canary = |workflow: &str, minutes: u64| {
            Ok(Canary { workflow: workflow.into(), within: Duration::from_secs(minutes * 60) })
        };
        assert_eq!(Canary::parse("smoke.yml"), canary("smoke.yml", 10));
        assert_eq!(Canary::parse(" smoke-2.yaml  timeout=20m "), canary("smoke-2.yaml", 20));
        for (text, says) in [
            ("", "such as smoke.yml"),
            ("smoke", "such as smoke.yml"),
            (".yml", "such as smoke.yml"),
            (".github/workflows/smoke.yml", "without its folder"),
            ("smoke.yml 20m", "expected `timeout=DURATION`"),
            ("smoke.yml timeout=20", "the unit is missing"),
            ("smoke.yml timeout=7h", "1s to 6h"),
            ("smoke.yml timeout=1m x", "expected a file's name"),
        ] {
            assert!(Canary::parse(text).is_err_and(|message| message.contains(says)), "{text}");
        }
    }

    #[test]
    fn the_words_of_a_target_read_back() {
        for (words, shown) in [
            ((Some("a.yml"), None), "canary=a.yml"),
            ((Some("a.yml"), Some("90s")), "canary=a.yml canary-timeout=90s"),
            ((Some("a.yml"), Some("10m")), "canary=a.yml"),
        ] {
            let read = Canary::of_words(words.0, words.1);
            assert_eq!(read.map(|canary| canary.map(|canary| canary.to_string())), Ok(Some(shown.to_owned())));
        }
        assert_eq!(Canary::of_words(None, None), Ok(None));
        assert!(Canary::of_words(None, Some("1m")).is_err() && Canary::of_words(Some("a"), None).is_err());
    }
}
