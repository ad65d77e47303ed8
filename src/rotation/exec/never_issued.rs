//! Values that look like an issued key's and that nobody issued: an endpoint that accepts one checks the form of keys alone.

use crate::secret::Secret;

/// Every known type prefix (`sk-or-v1-`) ends within so many characters.
const LONGEST_PREFIX: usize = 16;

/// The length where `like` has no form to imitate.
const FORMLESS: usize = 24;

/// The classes of characters that the form of a key may ask for.
const CLASSES: [&str; 3] = ["0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"];

/// Another value of the same form: its type prefix, its length, and at each place a character of the same class. Only
/// characters that `like` itself has are taken, so that hexadecimal digits stay such.
#[must_use]
pub(super) fn never_issued(like: &Secret, rng: &mut fastrand::Rng) -> Secret {
    let (prefix, body) = split(like.expose());
    let mut imitate = |alphabet: &str| -> String { body.chars().map(|c| another(c, alphabet, rng)).collect() };
    let (own, any) = (imitate(body), imitate(&CLASSES.concat()));
    let other = [own, any].into_iter().find(|other| other != body);
    let other = other.unwrap_or_else(|| std::iter::repeat_with(|| rng.alphanumeric()).take(FORMLESS).collect());
    Secret::new([prefix, &other].concat())
}

/// The type prefix, and what is behind it.
fn split(value: &str) -> (&str, &str) {
    let head = value.char_indices().take(LONGEST_PREFIX);
    let end = head.filter(|(_, c)| matches!(c, '_' | '-')).last().map_or(0, |(at, c)| at + c.len_utf8());
    value.split_at_checked(end).unwrap_or(("", value))
}

/// Another character of the same class from this alphabet. Separators stay.
fn another(c: char, alphabet: &str, rng: &mut fastrand::Rng) -> char {
    let class = CLASSES.iter().find(|class| class.contains(c)).copied().unwrap_or_default();
    let others: Vec<char> = class.chars().filter(|other| *other != c && alphabet.contains(*other)).collect();
    rng.choice(others).unwrap_or(c)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use super::*;

    const ALPHABETS: [&str; 7] = [
        "0123456789abcdef",
        "0123456789ABCDEF",
        "0123456789",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
        "0123456789abcdefghijklmnopqrstuvwxyz",
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_",
    ];

    fn class(c: char) -> Option<usize> {
        CLASSES.iter().position(|class| class.contains(c))
    }

    #[test]
    fn a_never_issued_key_has_the_form_of_an_issued_one_and_is_another() {
        let mut rng = fastrand::Rng::with_seed(1);
        for nth in 0..20_000_usize {
            let alphabet: Vec<char> = ALPHABETS[nth % ALPHABETS.len()].chars().collect();
            let prefix = ["lr_live_", "sk-or-v1-", "", "lr_mgmt_"][nth % 4];
            let length = rng.usize(12..=64);
            let body: String = (0..length).filter_map(|_| rng.choice(&alphabet).copied()).collect();
            let like = Secret::new(format!("{prefix}{body}"));
            let other = never_issued(&like, &mut rng);
            let (like, other) = (like.expose(), other.expose());
            assert!(like != other && other.starts_with(prefix) && other.len() == like.len(), "{like} {other}");
            assert!(like.chars().zip(other.chars()).all(|(mine, its)| class(mine) == class(its)), "{like} {other}");
            let fits = other.strip_prefix(prefix).unwrap_or_default().chars().all(|c| alphabet.contains(&c));
            assert!(fits, "{like} {other}");
            let separators = |text: &str| text.match_indices(['-', '_']).map(|(at, _)| at).collect::<Vec<_>>();
            assert_eq!(separators(like), separators(other));
        }
    }

    #[test]
    fn what_has_no_form_is_not_imitated_by_itself() {
        let mut rng = fastrand::Rng::with_seed(1);
        for like in ["", "a", "aaaaaaaa", "----", "lr_live_", "****", "ä", "lr_live_xxxxxxxxxxxxxxxx"] {
            let like = Secret::new(like.into());
            assert_ne!(never_issued(&like, &mut rng), like);
        }
    }
}
