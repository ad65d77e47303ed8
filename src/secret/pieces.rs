//! Pieces of secrets that are long enough to be of use to a thief, known by what they hash to.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hasher as _};

use zeroize::Zeroizing;

use super::{PIECE, SHORTEST_REDACTED, body, is_seen};

/// The pieces of every secret, by their length: [`PIECE`], less where a secret's body is shorter.
#[derive(Default)]
pub(super) struct Pieces(BTreeMap<usize, HashSet<u64>>);

impl Pieces {
    /// Learns each line of a value that is one word. What has several is text, whose words may stand anywhere.
    pub(super) fn learn(&mut self, value: &str) {
        let is_frame = |line: &str| line.starts_with("-----");
        for line in value.lines().map(str::trim).filter(|line| !is_frame(line) && !line.contains(char::is_whitespace)) {
            self.learn_word(body(line));
        }
    }

    fn learn_word(&mut self, word: &str) {
        let seen = plain(word);
        let length = seen.len().min(PIECE);
        if length >= SHORTEST_REDACTED {
            self.0.entry(length).or_default().extend(seen.windows(length).map(hash));
        }
    }

    /// Whether a text has any of them in it, in capitals or not.
    pub(super) fn are_in(&self, text: &str) -> bool {
        let text = plain(text);
        self.0.iter().any(|(length, known)| text.windows(*length).any(|window| known.contains(&hash(window))))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn plain(text: &str) -> Zeroizing<Vec<u8>> {
    let seen: Zeroizing<String> = Zeroizing::new(text.chars().filter(|c| is_seen(*c)).collect());
    Zeroizing::new(seen.as_bytes().to_ascii_lowercase())
}

fn hash(piece: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(piece);
    hasher.finish()
}
