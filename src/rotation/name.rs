//! Names of keys, which are the rotation's journal.

use std::fmt;

use jiff::civil::Date;

const UNCONFIRMED: &str = "-unconfirmed";
const REENABLED: &str = "-reenabled";
const DIGITS: usize = 6;

/// A name of the family: `<key-name>-YYYY-MM-DD`, then optionally six hex digits, then optionally `-unconfirmed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FamilyName {
    family: String,
    date: Date,
    digits: Option<String>,
    confirmed: bool,
}

impl FamilyName {
    /// A new name with random digits, so that no run takes another's key for its own.
    #[must_use]
    pub fn new(family: &str, date: Date, confirmed: bool, rng: &mut fastrand::Rng) -> Self {
        Self { family: family.to_owned(), date, digits: Some(digits(rng)), confirmed }
    }

    /// Reads a name of the family; anything else, look-alikes included, is none.
    #[must_use]
    pub fn parse(family: &str, name: &str) -> Option<Self> {
        let rest = name.strip_prefix(family)?.strip_prefix('-')?;
        let (rest, confirmed) = match rest.strip_suffix(UNCONFIRMED) {
            Some(rest) => (rest, false),
            None => (rest, true),
        };
        let date = rest.get(..10)?;
        let strict =
            date.bytes().enumerate().all(|(at, b)| if matches!(at, 4 | 7) { b == b'-' } else { b.is_ascii_digit() });
        let date = strict.then(|| date.parse::<Date>().ok()).flatten()?;
        let digits = match rest.get(10..)? {
            "" => None,
            tail => Some(tail.strip_prefix('-').filter(|d| is_digits(d))?.to_owned()),
        };
        Some(Self { family: family.to_owned(), date, digits, confirmed })
    }

    /// Whether its run committed it.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// The same name under new digits: a renewal, or a new commit of an old key.
    #[must_use]
    pub fn renewed(&self, rng: &mut fastrand::Rng) -> Self {
        Self { digits: Some(digits(rng)), ..self.clone() }
    }

    /// The name after the commit.
    #[must_use]
    pub fn confirmed(&self) -> Self {
        Self { confirmed: true, ..self.clone() }
    }
}

impl fmt::Display for FamilyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.family, self.date)?;
        if let Some(digits) = &self.digits {
            write!(f, "-{digits}")?;
        }
        f.write_str(if self.confirmed { "" } else { UNCONFIRMED })
    }
}

/// A name by which no run takes the key for one of any family; `None` where its own is such a name.
#[must_use]
pub fn without_family(name: &str) -> Option<String> {
    is_of_any_family(name).then(|| format!("{name}{REENABLED}"))
}

/// Whether a person took the key out of its family by `reenable`: from then on it is theirs.
#[must_use]
pub fn was_taken_back(name: &str) -> bool {
    name.strip_suffix(REENABLED).is_some_and(is_of_any_family)
}

/// Whether a name is one that some rotation made, or looks like it.
#[must_use]
pub fn is_of_any_family(name: &str) -> bool {
    // A family's name may hold anything, dates too: what counts is the end.
    let families = name.match_indices('-').filter_map(|(at, _)| name.get(..at));
    families.into_iter().any(|family| FamilyName::parse(family, name).is_some())
}

fn digits(rng: &mut fastrand::Rng) -> String {
    format!("{:06x}", rng.u32(..0x0100_0000))
}

fn is_digits(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_forms_are_of_the_family_and_read_back() {
        for name in [
            "production-2026-12-01",
            "production-2026-12-01-7f3a9c",
            "production-2026-12-01-unconfirmed",
            "production-2026-12-01-7f3a9c-unconfirmed",
        ] {
            let parsed = FamilyName::parse("production", name).map(|n| (n.to_string(), n.is_confirmed()));
            assert_eq!(parsed, Some((name.to_owned(), !name.ends_with("unconfirmed"))));
        }
    }

    #[test]
    fn a_name_without_its_family_is_none_of_any_family() {
        for name in [
            "production-2026-12-01",
            "production-2026-12-01-7f3a9c",
            "prod-2026-01-01-eu-2026-12-01-7f3a9c-unconfirmed",
            "-2026-12-01",
        ] {
            let other = without_family(name);
            assert_eq!(other, Some(format!("{name}-reenabled")));
            assert!(other.as_deref().is_some_and(was_taken_back) && !was_taken_back(name));
            assert_eq!(other.and_then(|other| without_family(&other)), None, "of no other family either");
        }
        for name in ["Peter's key", "production-v2", "production-2026-13-01", "", "2026-12-01", "ü-2026-12-01-x"] {
            assert_eq!(without_family(name), None, "{name}");
        }
    }

    #[test]
    fn look_alikes_are_not_of_the_family() {
        for name in [
            "production",
            "production-",
            "production-v2",
            "production-eu-2026-10-01",
            "production-2026-13-01",
            "production-2026-02-30",
            "production-2026-10-1",
            "production-20261001",
            "production-2026-10-01-",
            "production-2026-10-01-7f3a9",
            "production-2026-10-01-7f3a9c1",
            "production-2026-10-01-7F3A9C",
            "production-2026-10-01-7f3a9g",
            "production-2026-10-01-7f3a9c-confirmed",
            "production-2026-10-01-unconfirmed-7f3a9c",
            "production-2026-10-01-unconfirmed-unconfirmed",
            "Production-2026-10-01",
            " production-2026-10-01",
            "production-2026-10-01 ",
            "production-２０２６-10-01",
            "my-production-2026-10-01",
        ] {
            assert_eq!(FamilyName::parse("production", name), None, "{name}");
        }
    }
}
