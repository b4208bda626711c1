//! The area of a superblock with anything in it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| raid_fuzz::superblock::run(bytes));
