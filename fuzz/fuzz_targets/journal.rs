//! A journal whose blocks have anything in them.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| raid_fuzz::journal::run(bytes));
