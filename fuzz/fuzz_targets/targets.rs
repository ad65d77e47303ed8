#![no_main]

use keyrotor_fuzz::tried;
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|data: &[u8]| -> Corpus { tried("targets", data) });
