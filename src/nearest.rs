//! The nearest of several names, for a hint beside a name that is not known.

/// Below this likeness (Jaro-Winkler, 0 to 1) a hint would mislead.
const ALIKE: f64 = 0.75;

/// The candidate that is most like the word, if any is like it at all.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&word, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_nonsense_finds_none() {
        let names = ["key-name", "grace-period", "spending-limit"];
        assert_eq!(nearest("KEY_NAME", names), Some("key-name"));
        assert_eq!(nearest("grace", names), Some("grace-period"));
        assert_eq!(nearest("zzz", names), None);
    }
}
