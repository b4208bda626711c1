//! The first page of a bitmap with anything in it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| raid_fuzz::bitmap::run(bytes));
