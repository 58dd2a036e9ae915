//! Schemas: refused with a reason, or the same after a round over the wire.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    quarry_tables::testing::schema(text);
});
