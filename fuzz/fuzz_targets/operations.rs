//! Sequences of requests, completions in any order, faults and refusals against one small array.
#![no_main]

libfuzzer_sys::fuzz_target!(|campaign: raid_fuzz::operations::Campaign| {
    raid_fuzz::operations::run(&campaign);
});
