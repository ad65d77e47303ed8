//! Which listed key a value in hand provably is.

use crate::rotation::model::{About, KeyId, KeyKind, KeyRow};
use crate::secret::Secret;

/// So many characters behind the type prefix must agree before a masked label names a key.
const LABEL_EVIDENCE: usize = 6;

/// The listed key that the value is, if the issuer's own answer names it, or a masked label agrees with it and with no
/// other, or it is the only live regular key and `alive` was shown at an endpoint that refuses a never-issued key.
#[must_use]
pub fn provably(rows: &[KeyRow], live: &[&KeyRow], value: &Secret, about: &About, alive: bool) -> Option<KeyId> {
    if let Some(id) = &about.id {
        return rows.iter().find(|row| row.id == *id).map(|row| row.id.clone());
    }
    if let Some(name) = about.name.as_ref() {
        return only(rows, |row| row.name == *name);
    }
    if let Some(label) = about.label.as_ref()
        && let Some(id) = only(rows, |row| row.name == *label)
    {
        return Some(id);
    }
    let agreeing = |row: &KeyRow| row.label.as_deref().and_then(|label| evidence(label, value.expose()));
    let mut agree = rows.iter().filter_map(|row| agreeing(row).map(|shown| (row, shown)));
    match (agree.next(), agree.next()) {
        (Some((row, shown)), None) if shown >= LABEL_EVIDENCE => return Some(row.id.clone()),
        (None, _) => {}
        _ => return None,
    }
    match live {
        // That one calls models.
        [sole]
            if alive
                && !about.manages
                && sole.kind == KeyKind::Regular
                && sole.label.as_deref().is_none_or(|l| !is_masked(l)) =>
        {
            Some(sole.id.clone())
        }
        _ => None,
    }
}

fn only(rows: &[KeyRow], is: impl Fn(&KeyRow) -> bool) -> Option<KeyId> {
    let mut found = rows.iter().filter(|row| is(row));
    match (found.next(), found.next()) {
        (Some(row), None) => Some(row.id.clone()),
        _ => None,
    }
}

/// The two ends that a masked label shows.
fn ends(label: &str) -> Option<(&str, &str)> {
    let hidden = |c: char| matches!(c, '…' | '*' | '•');
    let (first, last) = match (label.find(hidden), label.rfind(hidden)) {
        (Some(first), Some(last)) => (first, last + label.get(last..)?.chars().next()?.len_utf8()),
        _ => {
            let first = label.find("...")?;
            let dots = label.get(first..)?.chars().take_while(|c| *c == '.').count();
            (first, first + dots)
        }
    };
    Some((label.get(..first)?, label.get(last..)?))
}

fn is_masked(label: &str) -> bool {
    ends(label).is_some()
}

/// Whether a masked label is that of a key of the value's type, and of another one.
#[must_use]
pub fn contradicts(label: &str, value: &str) -> bool {
    let prefix = |head: &str| head.rfind(['_', '-']).map_or(0, |at| at + 1);
    ends(label.trim()).is_some_and(|(head, _)| {
        let prefix = head.get(..prefix(head)).unwrap_or_default();
        !prefix.is_empty() && value.starts_with(prefix) && evidence(label, value).is_none()
    })
}

/// How many characters behind the type prefix a masked label shares with the value; `None` if they disagree.
fn evidence(label: &str, value: &str) -> Option<usize> {
    let (head, tail) = ends(label.trim())?;
    if !value.starts_with(head) || !value.ends_with(tail) || head.len() + tail.len() >= value.len() {
        return None;
    }
    let prefix = head.rfind(['_', '-']).map_or(0, |at| at + 1);
    Some(head.len() - prefix + tail.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rotation::model::tests::row;

    const VALUE: &str = "sk-or-v1-0e6f44a0d4c1c96";

    fn labelled(name: &str, label: &str) -> KeyRow {
        KeyRow { label: Some(label.into()), ..row(name, "2026-11-01T00:00:00Z") }
    }

    fn found(rows: &[KeyRow], about: &About, alive: bool) -> Option<String> {
        let live: Vec<_> = rows.iter().collect();
        provably(rows, &live, &Secret::new(VALUE.into()), about, alive).map(|id| id.0)
    }

    #[test]
    fn a_masked_label_names_the_key_when_it_alone_agrees() {
        for label in ["sk-or-v1-0e6…1c96", "sk-or-v1-0e6...1c96", "sk-or-v1-0e6****1c96", "sk-or-v1-…d4c1c96"] {
            let rows = [labelled("a", label), labelled("b", "sk-or-v1-fff…0000")];
            assert_eq!(found(&rows, &About::default(), false).as_deref(), Some("a"), "{label}");
        }
    }

    #[test]
    fn too_few_characters_or_two_rows_that_agree_prove_nothing() {
        assert_eq!(found(&[labelled("a", "sk-or-v1-…1c96")], &About::default(), true), None);
        let rows = [labelled("a", "sk-or-v1-0e6…1c96"), labelled("b", "sk-or-v1-…c96")];
        assert_eq!(found(&rows, &About::default(), true), None);
        assert_eq!(found(&[labelled("a", "sk-or-v1-fff…0000")], &About::default(), true), None, "it disagrees");
    }

    #[test]
    fn the_only_live_key_is_meant_only_when_the_value_is_alive() {
        let rows = [row("a", "2026-11-01T00:00:00Z")];
        assert_eq!(found(&rows, &About::default(), true).as_deref(), Some("a"));
        assert_eq!(found(&rows, &About::default(), false), None);
        let rows = [row("a", "2026-11-01T00:00:00Z"), row("b", "2026-11-01T00:00:00Z")];
        assert_eq!(found(&rows, &About::default(), true), None);
    }

    #[test]
    fn a_key_that_manages_others_is_not_the_only_live_one() {
        let rows = [row("a", "2026-11-01T00:00:00Z")];
        assert_eq!(found(&rows, &About { manages: true, ..About::default() }, true), None);
    }

    #[test]
    fn the_issuers_own_word_decides_and_an_unlisted_key_is_nobody() {
        let rows = [row("a", "2026-11-01T00:00:00Z")];
        let named = |name: &str| About { name: Some(name.into()), ..About::default() };
        assert_eq!(found(&rows, &named("a"), false).as_deref(), Some("a"));
        assert_eq!(found(&rows, &named("z"), true), None);
        let id = About { id: Some(KeyId("z".into())), ..About::default() };
        assert_eq!(found(&rows, &id, true), None);
        let label = About { label: Some("a".into()), ..About::default() };
        assert_eq!(found(&rows, &label, false).as_deref(), Some("a"));
    }
}
