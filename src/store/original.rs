//! The value that a place held before this run wrote there, each byte as it was.

use std::cell::RefCell;

use crate::secret::Secret;

/// What [`observe`](crate::rotation::ports::SecretStore::observe) read. White space around a value does not make it another
/// value, yet whoever puts it back restores that too.
#[derive(Default)]
pub(super) struct Original(RefCell<Option<Secret>>);

impl Original {
    /// It was read, and this run has not written yet.
    pub(super) fn read(&self, value: Option<&Secret>) {
        *self.0.borrow_mut() = value.cloned();
    }

    /// The value as it was stored, where it is that value; else the value itself.
    pub(super) fn of(&self, value: &Secret) -> Secret {
        let stored = self.0.borrow();
        stored.as_ref().filter(|stored| is_same(stored.expose(), value.expose())).unwrap_or(value).clone()
    }
}

/// Whether two texts are one value.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    one.trim() == other.trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_comes_back_with_its_own_value_alone() {
        let (original, secret) = (Original::default(), |text: &str| Secret::new(text.to_owned()));
        assert_eq!(original.of(&secret("old")), secret("old"));
        original.read(Some(&secret(" old\r\n")));
        assert_eq!(original.of(&secret("old")), secret(" old\r\n"));
        assert_eq!(original.of(&secret("new")), secret("new"));
    }
}
