//! From a fuzzer's bytes to a property of `tests/properties`.

use keyrotor_properties::arbitrary::Unstructured;
use keyrotor_properties::of;
use libfuzzer_sys::Corpus;

/// Tries the property of this name on what these bytes make. Bytes that make nothing are not worth keeping.
pub fn tried(property: &str, data: &[u8]) -> Corpus {
    match of(property)(&mut Unstructured::new(data)) {
        Ok(()) => Corpus::Keep,
        Err(_) => Corpus::Reject,
    }
}
