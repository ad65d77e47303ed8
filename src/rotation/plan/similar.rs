//! Names that a person may have meant instead of the one that was written.

/// So many letters may differ.
const LETTERS: usize = 2;

/// Whether two names differ only in case, in `_`, `-` and `.`, or in two letters: one is probably a misspelling of the other.
/// Two names that differ in a digit are two names. Of a short name more than half has to agree.
#[must_use]
pub(super) fn is_similar(a: &str, b: &str) -> bool {
    let (plain_a, plain_b) = (plain(a), plain(b));
    if plain_a == plain_b {
        return a != b;
    }
    let shorter = plain_a.chars().count().min(plain_b.chars().count());
    let apart = strsim::osa_distance(&plain_a, &plain_b);
    apart <= LETTERS && 2 * apart < shorter && digits(&plain_a) == digits(&plain_b)
}

/// Sorts names by how near each is to one of those that were written.
pub(super) fn nearest_first(written: &[&str], names: &mut [String]) {
    let written: Vec<_> = written.iter().map(|name| plain(name)).collect();
    let apart = |name: &str| written.iter().map(|written| strsim::osa_distance(written, name)).min();
    names.sort_by_cached_key(|name| (apart(&plain(name)), name.clone()));
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-' | '.')).flat_map(char::to_lowercase).collect()
}

fn digits(name: &str) -> String {
    name.chars().filter(char::is_ascii_digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_similar_and_other_names_are_not() {
        for (a, b) in [
            ("AROUTER_APIKEY", "AROUTER_API_KEY"),
            ("api_key", "api-key"),
            ("arouter.key", "AROUTER_KEY"),
            ("TOKENS", "TOKEN"),
            ("AROUTER_API_KYE", "AROUTER_API_KEY"),
            ("file:.envv#KEY", "file:.env#KEY"),
        ] {
            assert!(is_similar(a, b) && is_similar(b, a), "{a} {b}");
        }
        for (a, b) in [
            ("AROUTER_API_KEY", "AROUTER_API_KEY"),
            ("AROUTER_API_KEY", "OPENAI_API_KEY"),
            ("KEY_1", "KEY_2"),
            ("AROUTER_API_KEY", "AROUTER_API_KEY2"),
            ("key", "pem"),
            ("a", "b"),
        ] {
            assert!(!is_similar(a, b), "{a} {b}");
        }
    }

    #[test]
    fn the_nearest_name_comes_first() {
        let mut names = ["DB_PASSWORD", "OPENAI_API_KEY", "AROUTER_API_KEY"].map(str::to_owned);
        nearest_first(&["AROUTER_APIKEY"], &mut names);
        assert_eq!(names[0], "AROUTER_API_KEY");
    }
}
