//! Pieces of secrets that are long enough to be of use to a thief, known by what they hash to.

use std::collections::{BTreeMap, HashSet};

use zeroize::Zeroizing;

use super::{PIECE, SHORTEST_REDACTED, body, is_seen};

/// So many bits say at once of most texts that no piece is in them.
const FILTER: usize = 1 << 16;

/// An odd number with many bits set: the base of a hash that rolls along a text.
const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

/// The pieces of every secret, by their length: [`PIECE`], less where a secret's body is shorter.
#[derive(Default)]
pub(super) struct Pieces(BTreeMap<usize, Known>);

struct Known {
    filter: Vec<bool>,
    hashes: HashSet<u64>,
}

impl Default for Known {
    fn default() -> Self {
        Self { filter: vec![false; FILTER], hashes: HashSet::new() }
    }
}

impl Known {
    fn learn(&mut self, hash: u64) {
        self.filter.get_mut(slot(hash)).into_iter().for_each(|bit| *bit = true);
        self.hashes.insert(hash);
    }

    fn has(&self, hash: u64) -> bool {
        self.filter.get(slot(hash)) == Some(&true) && self.hashes.contains(&hash)
    }
}

fn slot(hash: u64) -> usize {
    usize::try_from(hash >> 48).unwrap_or_default() % FILTER
}

impl Pieces {
    /// Learns each line of a value that is one word. What has several is text, whose words may stand anywhere.
    pub(super) fn learn(&mut self, value: &str) {
        let is_frame = |line: &str| line.starts_with("-----");
        for line in value.lines().map(str::trim).filter(|line| !is_frame(line) && !line.contains(char::is_whitespace)) {
            self.learn_word(body(line));
        }
    }

    fn learn_word(&mut self, word: &str) {
        let seen: Zeroizing<String> = Zeroizing::new(word.chars().filter(|c| is_seen(*c)).collect());
        let length = seen.len().min(PIECE);
        if length >= SHORTEST_REDACTED {
            let known = self.0.entry(length).or_default();
            hashes(seen.as_bytes(), length).for_each(|hash| known.learn(hash));
        }
    }

    /// Whether a text, without what is not seen, has any of them in it, in capitals or not.
    pub(super) fn are_in(&self, seen: &str) -> bool {
        self.0.iter().any(|(length, known)| hashes(seen.as_bytes(), *length).any(|hash| known.has(hash)))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What each piece of this length hashes to, in small letters.
fn hashes(text: &[u8], length: usize) -> impl Iterator<Item = u64> + '_ {
    let power = u32::try_from(length).unwrap_or(u32::MAX);
    let (leaving, mut hash) = (BASE.wrapping_pow(power), 0u64);
    let of = |byte: &u8| u64::from(byte.to_ascii_lowercase()) + 1;
    text.iter().enumerate().filter_map(move |(at, byte)| {
        let left = at.checked_sub(length).and_then(|before| text.get(before)).map_or(0, of);
        hash = hash.wrapping_mul(BASE).wrapping_add(of(byte)).wrapping_sub(left.wrapping_mul(leaving));
        (at + 1 >= length).then_some(hash)
    })
}
