//! When a value was written, where its place dates no single value but all that lie there together.

use std::cell::RefCell;

use jiff::Timestamp;

use crate::rotation::model::Held;
use crate::secret::Secret;

/// The value as it was last seen or written, with the time that the place had for it then. What others change beside it
/// moves the place's time, and not the value's.
#[derive(Default)]
pub(super) struct LastKnown(RefCell<Option<(Secret, Timestamp)>>);

impl LastKnown {
    /// What a place holds that was last written then, as far as it shows.
    pub(super) fn held(&self, value: Option<&Secret>, written: Timestamp) -> Held {
        let mut known = self.0.borrow_mut();
        match (value, known.as_ref()) {
            (None, _) => {
                *known = None;
                Held::Nothing
            }
            (Some(value), Some((same, at))) if value == same => Held::Since((*at).min(written)),
            (Some(value), _) => {
                *known = Some((value.clone(), written));
                Held::Since(written)
            }
        }
    }

    /// Whether this value was seen or written before.
    #[cfg(any(feature = "file", feature = "kubernetes"))]
    pub(super) fn has(&self, value: &Secret) -> bool {
        self.0.borrow().as_ref().is_some_and(|(known, _)| known == value)
    }

    /// It was written.
    pub(super) fn wrote(&self, value: &Secret, at: Timestamp) {
        *self.0.borrow_mut() = Some((value.clone(), at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap_or_default()
    }

    #[test]
    fn what_changes_beside_a_value_does_not_make_it_younger() {
        let (known, old, new) = (LastKnown::default(), Secret::new("old".into()), Secret::new("new".into()));
        assert_eq!(known.held(Some(&old), at(1)), Held::Since(at(1)));
        assert_eq!(known.held(Some(&old), at(5)), Held::Since(at(1)));
        assert_eq!(known.held(Some(&new), at(6)), Held::Since(at(6)));
        assert_eq!(known.held(Some(&old), at(7)), Held::Since(at(7)));
        known.wrote(&new, at(8));
        assert_eq!(known.held(Some(&new), at(9)), Held::Since(at(8)));
        assert_eq!(known.held(None, at(9)), Held::Nothing);
        assert_eq!(known.held(Some(&new), at(10)), Held::Since(at(10)));
    }

    #[test]
    fn a_place_whose_time_went_back_is_believed() {
        let (known, value) = (LastKnown::default(), Secret::new("value".into()));
        known.wrote(&value, at(8));
        assert_eq!(known.held(Some(&value), at(3)), Held::Since(at(3)));
    }
}
