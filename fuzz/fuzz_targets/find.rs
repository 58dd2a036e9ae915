//! Bodies of find: refused with a reason, or answered alike by kernels and naive evaluator.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    quarry_tables::testing::find(text);
});
