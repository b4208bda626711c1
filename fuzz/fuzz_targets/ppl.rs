//! The header of a partial parity log with anything in it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| raid_fuzz::ppl::run(bytes));
