//! A bad-block log with anything in it, read and changed.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| raid_fuzz::bad_blocks::run(bytes));
