//! The outputs of the contract, by name.

use super::Ending;
use super::facts::{Single, counts, rotated};
use super::json::{OUTPUT_LIMIT, Report, json};

/// Every output with its value; an output that does not apply is empty.
#[must_use]
pub fn outputs(ending: &Ending) -> Vec<(&'static str, String)> {
    let single = Single::of(ending);
    let (new_id, new_name) = single.new_key.map(|(id, name)| (id.0, name)).unwrap_or_default();
    let (written, failed) = counts(ending);
    vec![
        ("outcome", ending.word().to_owned()),
        ("rotated", rotated(ending).to_string()),
        ("new-key-id", new_id),
        ("new-key-name", new_name),
        ("old-key-id", single.old_key_id.map(|id| id.0).unwrap_or_default()),
        ("old-key-status", single.old_key_status.unwrap_or_default().to_owned()),
        ("retire-after", single.retire_after.map(|time| time.to_string()).unwrap_or_default()),
        ("targets-written", written.to_string()),
        ("targets-failed", failed.to_string()),
        ("report", json(ending, OUTPUT_LIMIT)),
    ]
}

impl Report<'_> {
    /// The names of the fields that are outputs too.
    #[cfg(test)]
    pub(super) const OUTPUTS: [&'static str; 9] = [
        "outcome",
        "rotated",
        "new-key-id",
        "new-key-name",
        "old-key-id",
        "old-key-status",
        "retire-after",
        "targets-written",
        "targets-failed",
    ];
}

#[cfg(test)]
mod tests {
    use super::super::samples::{attention, not_due, pending, rolled_back, rotated as sample};
    use super::*;
    use crate::rotation::outcome::Outcome;
    use crate::secret::Redactor;

    fn values(ending: &Ending) -> Vec<String> {
        let all = outputs(ending);
        assert!(all.iter().all(|(_, value)| !value.contains(['\n', '\r'])));
        all.into_iter().filter(|(name, _)| *name != "report").map(|(_, value)| value).collect()
    }

    fn ran(outcomes: &[Outcome]) -> Vec<String> {
        values(&Ending::ran(outcomes, &Redactor::new()))
    }

    #[test]
    fn one_rotation_fills_the_outputs_of_a_single_key() {
        let name = "production-2026-10-01-7f3a9c";
        let expected = ["rotated", "true", "key_new", name, "key_old", "pending", "2026-10-02T08:30:00Z", "2", "0"];
        assert_eq!(ran(&[pending()]), expected);
        let expected = ["rolled-back", "false", "", "", "key_old", "alive", "", "0", "2"];
        assert_eq!(ran(&[rolled_back()]), expected);
        assert_eq!(ran(&[attention()]).get(..2).unwrap_or_default(), ["attention", "true"]);
    }

    #[test]
    fn several_rotations_leave_them_empty() {
        assert_eq!(ran(&[sample(), not_due()]), ["rotated", "true", "", "", "", "", "", "2", "0"]);
        assert_eq!(ran(&[sample(), rolled_back()]), ["rolled-back", "false", "", "", "", "", "", "2", "2"]);
    }

    #[test]
    fn wrong_inputs_have_every_output_too() {
        let ending = Ending::invalid(&["key-name: is missing".into()], &Redactor::new());
        assert_eq!(values(&ending), ["invalid", "false", "", "", "", "", "", "0", "0"]);
    }
}
