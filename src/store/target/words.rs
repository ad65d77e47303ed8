//! The words behind the locator of a target, before anyone has read them.

use std::collections::BTreeMap;

/// The words behind a locator, each known and with a value.
pub(super) type Words<'a> = BTreeMap<&'a str, &'a str>;

/// What could be read; else a problem is noted.
pub(super) fn note<T>(problems: &mut Vec<String>, read: Result<T, String>) -> Option<T> {
    read.map_err(|message| problems.push(message)).ok()
}
