//! Frames and answers of Kraken Futures; what must hold stands in `crates/venues/kraken-futures/tests/any_bytes/bodies.rs`.
#![no_main]

#[path = "../../crates/venues/kraken-futures/tests/any_bytes/bodies.rs"]
#[expect(dead_code, reason = "each target runs one of the bodies")]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::venue(bytes));
